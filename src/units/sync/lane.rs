//! The apply stage: one task a lane. It gathers changes into a batch, sends the batch with the lane's progress as one
//! fenced transaction in one packet, and acknowledges it when the COMMIT is known to be in.

use std::{sync::Arc, time::Duration};

use mysql_async::ServerError;

use super::{
    batch,
    change::Change,
    counters::Counters,
    ledger::{Lane, Ledger},
    location::{At, shorten},
    queue::Waiting,
    target::is_retryable,
    writer::{FencedWriter, Order, Refused},
};
use crate::{
    error::{Code, DmError, Scope},
    mysql::{error::server_cause, sql_text::SqlText},
    units::{
        failpoint::{self, Place},
        ill_formed,
        senders::{Senders, Sent},
    },
};

/// behaviours.md 4: statements are sent again this often.
const MAX_ATTEMPTS: u32 = 100;
const RETRY_PAUSE: Duration = Duration::from_secs(3);
/// Connections are opened again this often.
const MAX_CONNECTS: u32 = 10;

/// What a lane works with.
pub struct LaneTask {
    pub lane: Lane,
    pub writer: FencedWriter,
    pub changes: Waiting<Change>,
    pub ledger: Arc<Ledger>,
    pub counters: Arc<Counters>,
    pub senders: Senders,
    /// Rows of one transaction at most.
    pub batch_rows: usize,
    /// Bytes of SQL of one transaction at most (a single larger row goes alone).
    pub batch_bytes: usize,
}

impl LaneTask {
    /// Works until the channel is closed and everything is durable.
    pub async fn run(mut self) -> Result<(), DmError> {
        let mut batch: Vec<Change> = Vec::new();
        while let Some(first) = self.changes.next().await {
            for (lane, ordinal) in &first.after {
                if !self.ledger.durable(*lane, *ordinal) {
                    let _blocked = self.counters.blocked();
                    self.ledger.wait(*lane, *ordinal).await;
                }
            }
            failpoint::pass(self.writer.task(), Place::LaneBeforeBatch)?;
            // What comes meanwhile goes along.
            let mut turn = self.senders.turn().await;
            let mut bytes = first.text.len();
            batch.push(first);
            while batch.len() < self.batch_rows {
                let Some(change) = self.changes.peek() else { break };
                let free = change.after.iter().all(|(lane, ordinal)| self.ledger.durable(*lane, *ordinal));
                let together = batch.last().is_some_and(|last| last.table.goes_with(&change.table));
                if !free || !together || bytes + change.text.len() > self.batch_bytes {
                    // What is gathered goes first: nobody may wait for a batch that waits itself.
                    break;
                }
                bytes += change.text.len();
                batch.extend(self.changes.pop());
            }
            let more = self.changes.peek().is_some();
            {
                let apply = self.apply(&batch);
                tokio::pin!(apply);
                tokio::select! {
                    biased;
                    applied = &mut apply => applied?,
                    () = turn.expire() => apply.await?,
                }
            }
            turn.done(&Sent { rows: batch.len(), bytes, more });
            failpoint::pass(self.writer.task(), Place::LaneBeforeAck)?;
            if let Some(last) = batch.last() {
                self.ledger.acknowledge(self.lane, last.ordinal);
            }
            failpoint::pass(self.writer.task(), Place::LaneAfterAck)?;
            batch.clear();
        }
        Ok(())
    }

    /// Brings a batch in, or says which change can't be.
    async fn apply(&mut self, batch: &[Change]) -> Result<(), DmError> {
        match self.commit(batch, true).await {
            Err(Failure::Change { .. }) if batch.len() > 1 => {
                // Row by row, to name the culprit exactly and to bring in what stands before it.
                for change in batch {
                    let one = std::slice::from_ref(change);
                    let done = self.commit(one, false).await;
                    self.kept(one, done).await.map_err(|f| f.into_error(one))?;
                }
                Ok(())
            }
            other => self.kept(batch, other).await.map_err(|f| f.into_error(batch)),
        }
    }

    /// Brings a change in that was refused for bytes which are no text.
    async fn kept(&mut self, one: &[Change], outcome: Result<(), Failure>) -> Result<(), Failure> {
        match outcome {
            Err(Failure::Change { error, .. }) if ill_formed::charset(error.code, &error.message).is_some() => {
                self.writer.keep(true);
                let done = self.commit(one, false).await;
                self.writer.keep(false);
                done
            }
            other => other,
        }
    }

    async fn commit(&mut self, batch: &[Change], merge: bool) -> Result<(), Failure> {
        let Some(last) = batch.last() else { return Ok(()) };
        let progress = last.transaction.progress(last.index);
        let order = if last.table.transactional { Order::FenceFirst } else { Order::RowsFirst };
        let mut statements = Vec::new();
        let (mut attempts, mut connects) = (0, 0);
        let started = std::time::Instant::now();
        let busy = self.counters.committing();
        let affected = loop {
            failpoint::pass(self.writer.task(), Place::LaneBeforeSend).map_err(Failure::Other)?;
            let mut body = |sql: &mut SqlText| statements = batch::write(batch, merge, sql);
            match self.writer.transact_with(&mut body, Some(&progress), order).await {
                Ok(affected) => break affected,
                Err(Refused::Statement { error, .. }) if is_retryable(error.code, &error.message) => {
                    attempts += 1;
                    if attempts >= MAX_ATTEMPTS {
                        return Err(Failure::Other(server_error(&error)));
                    }
                    tokio::time::sleep(pause_after(error.code, attempts)).await;
                }
                Err(Refused::Statement { index, error }) => {
                    let culprit = batch::statement_of(&statements, index).map_or(0, |s| s.first);
                    return Err(Failure::Change { culprit, error });
                }
                Err(Refused::Other(error)) => {
                    connects += 1;
                    if connects >= MAX_CONNECTS || !is_connection_trouble(&error) {
                        return Err(Failure::Other(error));
                    }
                    tracing::warn!(lane = self.lane, error = %error, "the target's connection broke, trying again");
                    tokio::time::sleep(RETRY_PAUSE).await;
                }
            }
        };
        drop(busy);
        self.counters.applied(batch, statements.len(), started.elapsed());
        for statement in batch::missed(&statements, &affected) {
            if let Some(change) = batch.get(statement.first) {
                self.counters.key_not_found(change);
            }
        }
        Ok(())
    }
}

/// The victim of a deadlock, of TiDB's write conflict or of its changed schema may try again at once; a busy target needs
/// time.
fn pause_after(code: u16, attempts: u32) -> Duration {
    if matches!(code, 1213 | 8028 | 9007) && attempts < 10 { RETRY_PAUSE / 60 } else { RETRY_PAUSE }
}

enum Failure {
    /// The target refused a change (index into the batch).
    Change {
        culprit: usize,
        error: ServerError,
    },
    Other(DmError),
}

impl Failure {
    fn into_error(self, batch: &[Change]) -> DmError {
        let (change, error) = match self {
            Failure::Change { culprit, error } => {
                let change = batch.get(culprit);
                (change, change.map_or_else(|| server_error(&error), |change| refused(change, &error)))
            }
            Failure::Other(error) => (batch.first(), error),
        };
        match change {
            Some(change) => {
                let start = change.end_pos.saturating_sub(u64::from(change.event_size));
                change.transaction.annotate(error, At { start, end: change.end_pos, ..At::default() })
            }
            None => error,
        }
    }
}

/// The target refused a change.
fn refused(change: &Change, error: &ServerError) -> DmError {
    const UNKNOWN_COLUMN: u16 = 1054;
    let Change { table, op, kind, .. } = change;
    let statement = shorten(&table.shown(*op, *kind));
    let refused = server_error(error).msg(format!("execute statement failed: {statement}"));
    if error.code == UNKNOWN_COLUMN && !table.lacking.is_empty() {
        return refused.workaround(format!("Add what {} lacks on the target: ``{}``.", table.target, table.lacking));
    }
    if let Some(charset) = ill_formed::charset(error.code, &error.message) {
        let (columns, target) = (table.text_columns(charset), table.target.to_string());
        let mended = "write it to the target as it should be, and leave this change out";
        return refused.workaround(ill_formed::advice(charset, &columns, &target, mended));
    }
    refused
}

fn server_error(error: &ServerError) -> DmError {
    DmError::new(Code::DBExecuteFailed).scope(Scope::Downstream).cause(server_cause(error))
}

/// The connection broke or could not be opened; the transaction isn't in.
pub fn is_connection_trouble(error: &DmError) -> bool {
    matches!(error.code(), Code::DBBadConn | Code::DBInvalidConn | Code::DBDriverError)
}
