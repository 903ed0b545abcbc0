//! The causality stage: gives each change its ordinal, finds what it must wait for, and hands it to its lane.

use std::{sync::Arc, time::Instant};

use tokio::sync::{mpsc, oneshot};

use super::{
    causality::Causality,
    change::Change,
    counters::Counters,
    ledger::{Ledger, Watermark},
    location::Boundary,
    queue::LaneQueue,
};
use crate::error::{Code, DmError};
use crate::units::failpoint::{self, Place};

/// What the stages before hand on.
pub enum Step {
    /// Changes in the stream's order, and the ends of transactions among them: each behind so many of these changes.
    Changes { changes: Vec<Change>, ends: Vec<(usize, Boundary)> },
    /// Answer when nothing is in flight (before a DDL).
    Drain(oneshot::Sender<()>),
}

/// The stage's parts.
pub struct DispatchTask {
    /// The task's name.
    pub task: String,
    pub steps: mpsc::Receiver<Step>,
    /// One a lane.
    pub lanes: Vec<LaneQueue<Change>>,
    pub ledger: Arc<Ledger>,
    pub ends: Arc<Watermark<Boundary>>,
    pub counters: Arc<Counters>,
}

impl DispatchTask {
    /// Works until the channel is closed. Dropping the lanes' channels then lets the lanes end.
    pub async fn run(mut self) -> Result<(), DmError> {
        let mut causality = Causality::default();
        let mut ordinal = 0u64;
        let mut gathered: Vec<Vec<Change>> = self.lanes.iter().map(|_| Vec::new()).collect();
        while let Some(step) = self.steps.recv().await {
            match step {
                Step::Changes { changes, ends } => {
                    let (before, started) = (ordinal, Instant::now());
                    for mut change in changes {
                        ordinal += 1;
                        change.ordinal = ordinal;
                        causality.admit(&mut change, &self.ledger);
                        self.ledger.sending(change.lane, ordinal);
                        gathered.get_mut(usize::from(change.lane)).ok_or_else(gone)?.push(change);
                    }
                    self.counters.conflicts(started.elapsed());
                    for (behind, boundary) in ends {
                        self.ends.push(before + behind as u64, boundary);
                    }
                    // What a lane waits for is on its way too: a full lane's earlier changes depend on none of these.
                    let lanes = self.lanes.iter().zip(&mut gathered).enumerate();
                    for (number, (lane, changes)) in lanes.filter(|(_, (_, changes))| !changes.is_empty()) {
                        failpoint::pass(&self.task, Place::DispatchBeforeLane)?;
                        self.counters.adding(changes);
                        let started = Instant::now();
                        lane.send(std::mem::take(changes)).await?;
                        self.counters.handed(number, started.elapsed());
                    }
                }
                Step::Drain(reply) => {
                    self.ledger.drained().await;
                    causality.clear();
                    // A stage that gave up doesn't wait for the answer.
                    let _ = reply.send(());
                }
            }
        }
        Ok(())
    }
}

const GONE: &str = "a later stage of the pipeline ended";

/// A later stage ended; its own error is the one that counts.
pub fn gone() -> DmError {
    DmError::new(Code::SyncerUnitPanic).msg(GONE)
}

/// Whether an error only says that.
pub fn is_gone(error: &DmError) -> bool {
    error.code() == Code::SyncerUnitPanic && error.message() == GONE
}
