//! Writes chunks: a chunk's rows and its row of the ledger are one transaction.
//!
//! A table whose rows can't be told apart, or whose key can't be split, is one chunk of many transactions, each of which is one
//! packet and moves the chunk's position.

use std::sync::Arc;

use super::{
    Shared,
    chunk::Chunk,
    ledger,
    pump::{Batch, Job},
};
use crate::{
    error::{Code, DmError, Result, Scope},
    schema::model::quote_name,
    units::{
        failpoint::{self, Place},
        fence, ill_formed, link,
        load::bytes,
        load::sender::{self, CONFLICT_RETRIES, RECONNECTS, Sender, Sent},
        load::verb,
    },
};

/// One writer.
pub struct Writer {
    pub shared: Arc<Shared>,
    pub sender: Sender,
}

/// How a chunk ended.
pub enum Written {
    /// All its rows are in the target; bytes and rows that this run wrote.
    Done { bytes: u64, rows: u64 },
    /// Nothing of it is in the target: it must be read again. `read`: it had been read to its end.
    /// `kept`: it holds bytes that are no text.
    Again { error: DmError, read: bool, kept: bool },
    /// Its reader gave up.
    Abandoned,
}

/// One packet of a chunk.
struct Step {
    /// Where the chunk stands before and after the transaction that the packet belongs to.
    from: u64,
    to: u64,
    begins: bool,
    commits: bool,
    last: bool,
}

enum Outcome {
    Ok,
    /// Another run of this task has written the whole chunk.
    Done,
    Again {
        error: DmError,
        kept: bool,
    },
}

impl Writer {
    /// Writes a chunk.
    pub async fn write(&mut self, job: &mut Job) -> Result<Written> {
        let shared = self.shared.clone();
        let chunk = &job.chunk.clone();
        let (mut from, mut to, mut rows, mut open) = (0, 0, 0, false);
        self.sender.keep(chunk.kept);
        while let Some(Batch { mut text, rows: more, last, held }) = job.next().await {
            let commits = last || chunk.table.long;
            to += text.len() as u64;
            let (mut before, mut after) = (String::new(), String::new());
            if !open {
                self.sender.turn().await;
                before = ledger::open(&shared.store, &chunk.name, from, chunk.table.plain);
            }
            if commits {
                let snapshot = chunk.table.whole.then_some(&job.at);
                after = ledger::close(&shared.store, &chunk.name, to, last, snapshot);
                if more > 0 {
                    after.insert_str(0, "; ");
                }
            }
            let step = Step { from, to, begins: !open, commits, last };
            if commits {
                failpoint::pass(&shared.task, Place::StreamBeforeCommit)?;
            }
            let outcome = self.send(chunk, &before, &mut text, &after, &step).await?;
            if commits || !matches!(outcome, Outcome::Ok) {
                let bytes = if let Outcome::Ok = outcome { to - from } else { 0 };
                self.sender.turn_ends(bytes);
            }
            match outcome {
                Outcome::Ok if commits => failpoint::pass(&shared.task, Place::StreamCommitted)?,
                Outcome::Ok => {}
                Outcome::Done => return Ok(Written::Done { bytes: to, rows }),
                Outcome::Again { error, kept } => return Ok(Written::Again { error, read: last, kept }),
            }
            shared.buffers.give(text);
            drop(held);
            open = !commits;
            from = if commits { to } else { from };
            rows += more;
            if last {
                return Ok(Written::Done { bytes: to, rows });
            }
        }
        // Whatever is open is rolled back.
        self.sender.leave();
        Ok(Written::Abandoned)
    }

    /// Writes chunks that were read already in one transaction. False: it didn't come to that, or nobody knows; each of them
    /// is to be written by itself, which finds out.
    pub async fn write_together(&mut self, jobs: &[Job]) -> Result<bool> {
        let shared = self.shared.clone();
        let all: Option<Vec<(&Chunk, &Batch)>> =
            jobs.iter().map(|job| Some((&job.chunk, job.whole.as_ref()?))).collect();
        let Some(all) = all else { return Ok(false) };
        let names: Vec<(&str, u64)> =
            all.iter().map(|(chunk, batch)| (chunk.name.as_str(), batch.text.len() as u64)).collect();
        let before = ledger::together(&shared.store, &names);
        self.sender.keep(false);
        let mut packet: Vec<&[u8]> = vec![before.as_bytes()];
        for (_, batch) in all.iter().filter(|(_, batch)| batch.rows > 0) {
            packet.extend([batch.text.as_slice(), b"; "]);
        }
        packet.push(b"COMMIT");
        self.sender.turn().await;
        failpoint::pass(&shared.task, Place::StreamBeforeCommit)?;
        match self.sender.send(&packet).await? {
            Sent::Done => {
                self.sender.turn_ends(all.iter().map(|(_, batch)| batch.text.len() as u64).sum());
                failpoint::pass(&shared.task, Place::StreamCommitted)?;
                Ok(true)
            }
            Sent::Unknown(e) | Sent::Refused(e) => {
                self.sender.turn_ends(0);
                tracing::warn!(chunks = jobs.len(), error = %link::cause(&e), "small chunks are written one by one");
                Ok(false)
            }
        }
    }

    /// Sends rows and what stands around them in one packet, until its outcome is known. An INSERT that met a duplicate
    /// becomes a REPLACE where the table's rows may.
    async fn send(
        &mut self,
        chunk: &Chunk,
        before: &str,
        rows: &mut Vec<u8>,
        after: &str,
        step: &Step,
    ) -> Result<Outcome> {
        let (mut breaks, mut conflicts) = (0, 0);
        let alone = step.begins && step.commits;
        loop {
            match self.sender.send(&[before.as_bytes(), rows, after.as_bytes()]).await? {
                Sent::Done => {
                    self.sender.keep(chunk.kept);
                    return Ok(Outcome::Ok);
                }
                Sent::Unknown(e) => {
                    breaks += 1;
                    tracing::warn!(chunk = %chunk.name, error = %link::cause(&e), "connection to the target lost while loading");
                    let stored = self.sender.stored(&chunk.name, breaks).await?;
                    if step.commits && stored == (step.to, step.last) {
                        return Ok(Outcome::Ok);
                    }
                    match stored {
                        (_, true) => return Ok(Outcome::Done),
                        (at, false) if at == step.from && alone && breaks < RECONNECTS => {}
                        (at, false) => return self.again(chunk, at, &e),
                    }
                }
                Sent::Refused(e) if link::errno(&e) == fence::FENCE_ERRNO => {
                    match self.sender.stored(&chunk.name, 0).await? {
                        (_, true) => return Ok(Outcome::Done),
                        // The fence holds now, so the overflow came from the rows themselves.
                        (at, false) if at == step.from => return Err(failure(chunk, &e)),
                        (at, false) => return self.again(chunk, at, &e),
                    }
                }
                Sent::Refused(e) if sender::is_conflict(link::errno(&e)) => {
                    conflicts += 1;
                    let tries = conflicts + chunk.tries;
                    if tries > CONFLICT_RETRIES {
                        return Err(failure(chunk, &e));
                    }
                    sender::after_conflict(tries).await;
                    if !alone {
                        return self.again(chunk, step.from, &e);
                    }
                }
                Sent::Refused(e) if replaces_now(chunk, rows, link::errno(&e)) => {
                    if !alone {
                        return self.again(chunk, step.from, &e);
                    }
                    rows.splice(..verb::INSERT.len(), verb::REPLACE.bytes());
                }
                Sent::Refused(e) if self.sender.may_keep(&e) => {
                    if !alone {
                        return self.again(chunk, step.from, &e);
                    }
                    self.sender.keep(true);
                }
                Sent::Refused(e) => return Err(refused(chunk, rows, &e)),
            }
        }
    }

    /// The chunk is to be read again; not if a part of it is in the target: only a fresh run removes that.
    fn again(&self, chunk: &Chunk, at: u64, e: &mysql_async::Error) -> Result<Outcome> {
        let error = failure(chunk, e);
        if at > 0 || chunk.tries >= CONFLICT_RETRIES {
            return Err(error);
        }
        Ok(Outcome::Again { error, kept: chunk.kept || ill_formed::is_refusal(e) })
    }
}

fn replaces_now(chunk: &Chunk, rows: &[u8], errno: u16) -> bool {
    rows.starts_with(verb::INSERT.as_bytes())
        && verb::replaces_now(verb::INSERT, chunk.table.verb, errno, &chunk.table.progress)
}

/// The target refused a packet's rows.
fn refused(chunk: &Chunk, rows: &[u8], e: &mysql_async::Error) -> DmError {
    let (table, error) = (&chunk.table, failure(chunk, e));
    let values = [table.verb, verb::INSERT].iter().find_map(|verb| rows.strip_prefix(verb.as_bytes()));
    let values = values.and_then(|values| values.strip_prefix(table.head.as_slice())).unwrap_or_default();
    let mut columns: Vec<String> = table.plan.columns.iter().map(|(name, _)| name.clone()).collect();
    // Those that a route adds.
    columns.extend(std::iter::repeat_n(
        String::new(),
        bytes::values(&[b"(0", &*table.tail, b")"].concat()).len().saturating_sub(1),
    ));
    let target = format!("{}.{}", quote_name(&table.target_schema), quote_name(&table.target_table));
    match bytes::advice(e, values, &columns, &target) {
        Some(advice) => error.workaround(advice),
        None => error,
    }
}

fn failure(chunk: &Chunk, e: &mysql_async::Error) -> DmError {
    let table = &chunk.table;
    let target = format!("{}.{}", quote_name(&table.target_schema), quote_name(&table.target_table));
    let what = format!("load {} into {target}", chunk.name);
    let error = link::failed(Code::DBExecuteFailed, Scope::Downstream, &what, e);
    match link::errno(e) {
        1062 => error.workaround(
            "Please look at the duplicate on the target, then set `on-duplicate-logical` to replace or ignore, or remove \
             the row and resume the task.",
        ),
        1054 | 1136 => error.workaround("Please check that the target table has the source's columns, then resume the task."),
        1049 | 1146 => error.workaround("Please create the table on the target as the source has it, then resume the task."),
        errno => match sender::no_room(errno, error.raw_cause()) {
            Some(advice) => error.workaround(advice),
            None => error,
        },
    }
}
