//! The checkpoint stage: writes the low watermark, and runs DDL between two drained states. Both go through the one
//! connection that is fenced by lane -1.

use std::{sync::Arc, time::Duration};

use tokio::{
    sync::{mpsc, oneshot},
    time::Instant,
};

use super::{
    checkpoint::{CheckpointText, TableRow},
    counters::Counters,
    ddl_intent::Intent,
    ddl_run::DdlJob,
    lane::is_connection_trouble,
    ledger::{Ledger, Watermark},
    location::Boundary,
    progress::MetaTables,
    source_state,
    target::{Target, is_retryable},
    writer::{FencedWriter, Refused},
    xa::OpenXa,
};
use crate::{
    error::{Code, DmError, Scope},
    mysql::position::Location,
    units::failpoint::{self, Place},
};

/// How often it is looked how far everything is durable, and every so many times whether there is something to flush.
const TICK: Duration = Duration::from_millis(200);
const FLUSH_TICKS: u64 = 5;
const RETRY_PAUSE: Duration = Duration::from_secs(3);
const MAX_ATTEMPTS: u32 = 10;

/// What other stages ask for.
pub enum Request {
    /// A table's row changed; it is written with the next flush.
    Rows(Vec<TableRow>),
    /// Everything is drained: run these statements.
    Ddl(Box<DdlJob>, oneshot::Sender<Result<(), DmError>>),
    /// Safe mode ended: the exit point needn't be stored any more.
    LeftSafeMode,
}

/// The stage's parts.
pub struct ControlTask {
    pub target: Target,
    pub tables: MetaTables,
    pub source_id: String,
    pub writer: FencedWriter,
    pub requests: mpsc::Receiver<Request>,
    pub ledger: Arc<Ledger>,
    pub ends: Arc<Watermark<Boundary>>,
    pub counters: Arc<Counters>,
    pub flush_interval: Duration,
    pub state: ControlState,
}

/// What is to be stored.
pub struct ControlState {
    /// The newest durable end of a transaction.
    pub at: Location,
    /// What the stored global row says.
    pub flushed: Location,
    pub exit_safe: Option<Location>,
    /// XA transactions prepared at `at`, and those that are stored.
    pub open_xa: OpenXa,
    stored_xa: OpenXa,
    /// Changed since the last flush.
    pub rows: Vec<TableRow>,
    /// Something besides the location changed.
    pub dirty: bool,
    /// The DDL record that the start found.
    pub intent: Option<Intent>,
}

impl ControlState {
    /// At the start: what is stored is where the run begins.
    pub fn new(at: Location, exit_safe: Option<Location>, open_xa: OpenXa, intent: Option<Intent>) -> Self {
        let stored_xa = open_xa.clone();
        ControlState { flushed: at.clone(), at, exit_safe, open_xa, stored_xa, rows: Vec::new(), dirty: false, intent }
    }
}

impl ControlTask {
    /// Works until all senders of requests are gone, then flushes once more.
    pub async fn run(mut self) -> Result<(), DmError> {
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let (mut flushed_at, mut ticks) = (Instant::now(), 0u64);
        loop {
            tokio::select! {
                request = self.requests.recv() => match request {
                    Some(Request::Rows(rows)) => self.state.rows.extend(rows),
                    Some(Request::LeftSafeMode) => {
                        self.state.exit_safe = None;
                        self.state.dirty = true;
                    }
                    Some(Request::Ddl(job, reply)) => {
                        let started = Instant::now();
                        let outcome = self.ddl(&job).await;
                        self.counters.statement_ended(job.asked.elapsed().saturating_sub(started.elapsed()), started.elapsed());
                        let failed = outcome.is_err();
                        if let (Ok(()), Some(first)) = (&outcome, job.statements.first()) {
                            self.counters.ddl(job.statements.len() as u64, &first.subject.table());
                        }
                        // The asking stage ends with the pipeline when it no longer listens.
                        let _ = reply.send(outcome);
                        if failed {
                            // The asker's error is the run's; stay silent until the pipeline is taken down.
                            std::future::pending::<()>().await;
                        }
                        flushed_at = Instant::now();
                    }
                    None => return self.flush().await,
                },
                _ = tick.tick() => {
                    ticks += 1;
                    self.advance();
                    if !ticks.is_multiple_of(FLUSH_TICKS) {
                        continue;
                    }
                    let idle = self.ledger.is_drained();
                    if idle || flushed_at.elapsed() >= self.flush_interval {
                        self.flush().await?;
                        flushed_at = Instant::now();
                    }
                }
            }
        }
    }

    /// Notes how far everything is durable.
    fn advance(&mut self) {
        if let Some(end) = self.ends.take(self.ledger.low()) {
            self.counters.durable(end.timestamp);
            self.state.at = end.location;
            self.state.open_xa = end.open_xa;
        }
    }

    /// Stores the low watermark if anything changed.
    pub async fn flush(&mut self) -> Result<(), DmError> {
        self.advance();
        if self.state.at == self.state.flushed && self.state.rows.is_empty() && !self.state.dirty {
            return Ok(());
        }
        failpoint::pass(self.target.task(), Place::CheckpointBeforeFlush)?;
        self.store(&[]).await?;
        failpoint::pass(self.target.task(), Place::CheckpointAfterFlush)?;
        tracing::debug!(location = %self.state.at, "sync flush checkpoint snapshot successfully");
        Ok(())
    }

    /// Writes checkpoint, changed table rows and `more` in one fenced transaction.
    pub async fn store(&mut self, more: &[String]) -> Result<(), DmError> {
        let text = CheckpointText {
            tables: &self.tables,
            source_id: &self.source_id,
            at: &self.state.at,
            exit_safe: self.state.exit_safe.as_ref(),
        };
        let mut statements = text.statements(&self.state.rows);
        if self.state.open_xa != self.state.stored_xa {
            statements.push(source_state::put_open_xa(&self.tables, &self.source_id, &self.state.open_xa));
        }
        statements.extend(source_state::put_position(&self.tables, &self.source_id, &self.state.at.position));
        statements.extend_from_slice(more);
        let started = Instant::now();
        self.transact(&statements.join("; ")).await?;
        self.counters.checkpoint_took(started.elapsed());
        self.state.rows.clear();
        self.state.dirty = false;
        self.state.flushed = self.state.at.clone();
        self.state.stored_xa = self.state.open_xa.clone();
        self.counters.set_flushed(&self.state.at);
        Ok(())
    }

    /// One fenced transaction, repeated while that can help.
    pub async fn transact(&mut self, body: &str) -> Result<(), DmError> {
        let mut attempts = 0;
        loop {
            let error = match self.writer.transact(body.as_bytes(), None).await {
                Ok(_) => return Ok(()),
                Err(Refused::Statement { error, .. }) if is_retryable(error.code, &error.message) => {
                    checkpoint_error(format!("Error {} ({}): {}", error.code, error.state, error.message))
                }
                Err(Refused::Statement { error, .. }) => {
                    let cause = format!("Error {} ({}): {}", error.code, error.state, error.message);
                    return Err(checkpoint_error(cause));
                }
                Err(Refused::Other(error)) if is_connection_trouble(&error) => error,
                Err(Refused::Other(error)) => return Err(error),
            };
            attempts += 1;
            if attempts >= MAX_ATTEMPTS {
                return Err(error);
            }
            tokio::time::sleep(RETRY_PAUSE).await;
        }
    }
}

fn checkpoint_error(cause: String) -> DmError {
    DmError::new(Code::DBExecuteFailed)
        .scope(Scope::Downstream)
        .msg("execute statement failed: write the checkpoint")
        .cause(cause)
}
