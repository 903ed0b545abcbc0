//! Writes chunks: a chunk's rows and its row of the ledger are one transaction.
//!
//! A table whose rows can't be told apart is one chunk of many transactions, each of which is one packet and moves the
//! chunk's position.

use std::{sync::Arc, time::Duration};

use mysql_async::{Conn, prelude::Queryable};

use super::{
    Shared,
    chunk::Chunk,
    ledger,
    pump::{Batch, Job},
};
use crate::{
    error::{Code, DmError, Result, Scope},
    mysql::within,
    schema::model::quote_name,
    units::{fence, link, load::store},
};

/// A target that doesn't answer for so long ends the run (and is resumed by the supervisor).
const RECONNECTS: u32 = 6;
const CONFLICT_RETRIES: u32 = 30;

/// A writer's connection, replaced when it breaks.
pub struct Writer {
    pub shared: Arc<Shared>,
    pub conn: Option<Conn>,
}

/// How a chunk ended.
pub enum Written {
    /// All its rows are in the target; bytes and rows that this run wrote.
    Done { bytes: u64, rows: u64 },
    /// Nothing of it is in the target: it must be read again. `read`: it had been read to its end.
    Again { error: DmError, read: bool },
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

enum Sent {
    Ok,
    /// Another run of this task has written the whole chunk.
    Done,
    Again(DmError),
}

impl Writer {
    /// Writes a chunk.
    pub async fn write(&mut self, job: &mut Job) -> Result<Written> {
        let shared = self.shared.clone();
        let chunk = &job.chunk;
        let (mut from, mut to, mut rows, mut open) = (0, 0, 0, false);
        while let Some(Batch { text, rows: more, last, held }) = job.batches.recv().await {
            let commits = last || chunk.table.whole;
            to += text.len() as u64;
            let mut packet = Vec::with_capacity(text.len() + 1024);
            if !open {
                packet.extend_from_slice(ledger::open(&shared.store, &chunk.name, from, chunk.table.plain).as_bytes());
            }
            packet.extend_from_slice(&text);
            drop(text);
            if commits {
                if !packet.is_empty() && more > 0 {
                    packet.extend_from_slice(b"; ");
                }
                let snapshot = chunk.table.whole.then_some(&job.at);
                packet.extend_from_slice(ledger::close(&shared.store, &chunk.name, to, last, snapshot).as_bytes());
            }
            let step = Step { from, to, begins: !open, commits, last };
            match self.send(chunk, &packet, &step).await? {
                Sent::Ok => {}
                Sent::Done => return Ok(Written::Done { bytes: to, rows }),
                Sent::Again(error) => return Ok(Written::Again { error, read: last }),
            }
            drop(held);
            open = !commits;
            from = if commits { to } else { from };
            rows += more;
            if last {
                return Ok(Written::Done { bytes: to, rows });
            }
        }
        // Whatever is open is rolled back.
        self.conn = None;
        Ok(Written::Abandoned)
    }

    /// Sends a packet, until its outcome is known.
    async fn send(&mut self, chunk: &Chunk, packet: &[u8], step: &Step) -> Result<Sent> {
        let (mut breaks, mut conflicts) = (0, 0);
        let alone = step.begins && step.commits;
        loop {
            let mut conn = self.connection().await?;
            let limit = self.shared.target.answer_limit();
            let Err(e) = within(limit, store::run_all(&mut conn, packet)).await else {
                self.conn = Some(conn);
                return Ok(Sent::Ok);
            };
            if link::is_broken(&e) {
                drop(conn);
                breaks += 1;
                tracing::warn!(chunk = %chunk.name, error = %link::cause(&e), "connection to the target lost while loading");
                let stored = self.stored(&chunk.name, breaks).await?;
                if step.commits && stored == (step.to, step.last) {
                    return Ok(Sent::Ok);
                }
                match stored {
                    (_, true) => return Ok(Sent::Done),
                    (at, false) if at == step.from && alone && breaks < RECONNECTS => continue,
                    (at, false) => return self.again(chunk, at, &e),
                }
            }
            let rolled_back = within(limit, conn.query_drop("ROLLBACK")).await;
            self.conn = rolled_back.is_ok().then_some(conn);
            match link::errno(&e) {
                fence::FENCE_ERRNO => match self.stored(&chunk.name, 0).await? {
                    (_, true) => return Ok(Sent::Done),
                    // The fence holds now, so the overflow came from the rows themselves.
                    (at, false) if at == step.from => return Err(failure(chunk, &e)),
                    (at, false) => return self.again(chunk, at, &e),
                },
                // Deadlock, lock wait, TiDB's write conflicts and busy regions.
                1205 | 1213 | 8002 | 8005 | 8022 | 8028 | 9001..=9007 => {
                    conflicts += 1;
                    let tries = conflicts + chunk.tries;
                    if tries > CONFLICT_RETRIES {
                        return Err(failure(chunk, &e));
                    }
                    tokio::time::sleep(Duration::from_millis(u64::from(tries * tries) * 5)).await;
                    if !alone {
                        return self.again(chunk, step.from, &e);
                    }
                }
                _ => return Err(failure(chunk, &e)),
            }
        }
    }

    /// The chunk is to be read again; not if a part of it is in the target: only a fresh run removes that.
    fn again(&self, chunk: &Chunk, at: u64, e: &mysql_async::Error) -> Result<Sent> {
        let error = failure(chunk, e);
        if at > 0 || chunk.tries >= CONFLICT_RETRIES { Err(error) } else { Ok(Sent::Again(error)) }
    }

    async fn connection(&mut self) -> Result<Conn> {
        if let Some(conn) = self.conn.take() {
            return Ok(conn);
        }
        let mut tries = 0;
        loop {
            match link::connect(&self.shared.target, &self.shared.session, Scope::Downstream).await {
                Err(e) if tries < RECONNECTS && link::is_passing(&e) => {
                    tries += 1;
                    tokio::time::sleep(Duration::from_millis(200 * u64::from(tries * tries))).await;
                }
                done => return done,
            }
        }
    }

    /// Where the ledger says that a chunk stands. Waits for a transaction in flight.
    async fn stored(&mut self, name: &str, breaks: u32) -> Result<(u64, bool)> {
        let mut tries = breaks;
        loop {
            if tries > 0 {
                tokio::time::sleep(Duration::from_millis(200 * u64::from(tries * tries))).await;
            }
            let read = async {
                let mut conn = self.connection().await?;
                let position = self.shared.store.position(&mut conn, name);
                let at = link::answered(&self.shared.target, Scope::Downstream, "the chunk ledger", position).await?;
                self.conn = Some(conn);
                Ok(at)
            };
            match read.await {
                Err(e) if tries < RECONNECTS && link::is_passing(&e) => tries += 1,
                done => return done,
            }
        }
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
        _ => error,
    }
}
