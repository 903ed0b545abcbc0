//! The work of a subtask: check, dump, load, sync. A unit knows SQL and files and nothing of actors.
//!
//! A unit object lives for ONE run: after an error or a pause the subtask actor builds a fresh one,
//! which starts from what is stored (dump folder, load progress, checkpoint, lane progress).

pub mod check;
pub mod dump;
pub mod engine;
pub mod failpoint;
pub mod fence;
pub mod ill_formed;
pub mod link;
pub mod load;
pub mod mapped;
pub mod remove_meta;
pub mod senders;
pub mod session;
pub mod stream;
pub mod sync;

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use serde::{Deserialize, Serialize};
use tokio_util::sync::CancellationToken;

use crate::{
    config::{SubtaskConfig, subtask::TaskMode},
    error::{Code, DmError, EventRef},
    pb,
    rules::operator::Operator,
};

pub use remove_meta::remove_meta;

/// Who may write: the cluster and the epoch under which the source is bound to this worker.
/// Every target transaction carries it; the target refuses an older epoch (the apply contract).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Fence {
    pub cluster_id: u64,
    pub epoch: u64,
}

/// What every unit is given.
#[derive(Clone, Debug)]
pub struct UnitEnv {
    pub config: Arc<SubtaskConfig>,
    pub fence: Fence,
    /// This worker's name, for metrics labels and connection attributes.
    pub worker: String,
    /// Structures that the runs of this subtask share beside the checkpoint.
    pub unsaved: Arc<sync::Unsaved>,
    /// A dump that a run of this subtask left unfinished.
    pub parked: Arc<dump::Parked>,
}

/// What the end of a run may take when the user gave no other time (behaviour facts 2).
pub const STOP_LIMIT: Duration = Duration::from_secs(10);

/// How a run ended without an error.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Ended {
    /// All work is done; the subtask goes on with the next unit, or is Finished.
    Finished,
    /// `stop` was cancelled and the unit stopped at a safe point.
    Stopped,
}

/// One run of one unit.
#[async_trait]
pub trait Unit: Send + Sync + 'static {
    /// Check, Dump, Load or Sync.
    fn kind(&self) -> pb::UnitType;

    /// True when what is stored says that this unit has nothing left to do (it is then skipped).
    async fn is_finished(&self) -> Result<bool, DmError>;

    /// Works until done, failed, or `stop` is cancelled (then it ends at a safe point: for sync the end of
    /// the transaction, at most `STOP_LIMIT`). The caller may also drop the future at any await ("kill").
    async fn run(&self, stop: CancellationToken) -> Result<Ended, DmError>;

    /// How long the end of this run may take, said before or after `stop` is cancelled.
    fn stop_within(&self, _limit: Duration) {}

    /// The unit's part of query-status, from counters; never waits for a database.
    fn status(&self) -> pb::sub_task_status::Status;

    /// Like `status`, but may ask the source (e.g. its current binlog position); called with a 5 s limit.
    async fn fresh_status(&self) -> pb::sub_task_status::Status {
        self.status()
    }

    /// What the user put in the place of events; given before the run and whenever it changes.
    fn set_operators(&self, _operators: Vec<Operator>) {}

    /// The event that the run failed on; None when it didn't, or on something else.
    fn failed_event(&self) -> Option<EventRef> {
        None
    }

    /// Remarks for query-status `msg`, such as tables under safe mode and why.
    fn notes(&self) -> Vec<String> {
        Vec::new()
    }
}

/// The units of a task mode, in order (config facts, 5.2).
pub fn sequence(mode: TaskMode) -> &'static [pb::UnitType] {
    use pb::UnitType::{Dump, Load, Sync};
    match mode {
        TaskMode::Full => &[Dump, Load],
        TaskMode::All => &[Dump, Load, Sync],
        TaskMode::Incremental => &[Sync],
        TaskMode::Dump => &[Dump],
        TaskMode::Load => &[Load],
        TaskMode::LoadSync => &[Load, Sync],
    }
}

/// A unit for one run. Connects to nothing yet.
pub fn build(kind: pb::UnitType, env: UnitEnv) -> Result<Box<dyn Unit>, DmError> {
    failpoint::load_from_env();
    match kind {
        pb::UnitType::Dump => Ok(dump::DumpUnit::new(env)),
        pb::UnitType::Load => Ok(load::LoadUnit::new(env)),
        pb::UnitType::Sync => Ok(sync::SyncUnit::new(env)),
        other => Err(DmError::new(Code::WorkerSubTaskNotFound).msg(format!("{other:?} is not a unit of a task"))),
    }
}
