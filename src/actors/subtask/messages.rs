//! What a subtask actor understands.

use std::{sync::Arc, time::Duration};

use ractor::{Message, RpcReplyPort};
use serde_json::Value;

use crate::{
    actors::{member::messages::FailureReport, unit::Outcome},
    coordinator::state::ExpectedStage,
    error::DmError,
    mysql::position::BinlogPosition,
    pb,
    rules::operator::Operator,
    units::{Unit, UnitEnv},
};

/// The fresh units of one run, in order.
pub type Units = Vec<Arc<dyn Unit>>;

/// Builds the units of a subtask's mode; given from outside, so that tests can run units of their own.
pub type BuildUnits = Arc<dyn Fn(&UnitEnv) -> Result<Units, DmError> + Send + Sync>;

/// The answer to a request that waits for a stage: reached, or the text of why it can't be.
pub type Confirmation = Result<(), String>;

/// Messages to a subtask actor.
pub enum SubtaskMsg {
    /// What it should be doing. `by_user`: an order of the user, which also resumes from an error at once; without it
    /// a failed subtask keeps to its backoff. Answered when the stage is reached, or can't be.
    Follow { expected: ExpectedStage, by_user: bool, confirm: Option<RpcReplyPort<Confirmation>> },
    /// What stands for binlog events from now on.
    Operators(Vec<Operator>),
    /// How long the end of the present run may take.
    StopLimit(Duration),
    /// The actor's end: at a safe point, or (`kill`) at once. It stops when its run is over.
    Retire { kill: bool },
    /// Fact: which unit comes next (none: all are finished), from the task that asked what is stored.
    Prepared { generation: u64, result: Result<Prepared, Unprepared> },
    /// Fact: a unit's run is over.
    Ended { generation: u64, outcome: Outcome },
    /// Fact: time to think of auto-resume.
    Tick,
    /// For query-status.
    Look(RpcReplyPort<Look>),
    /// For the console.
    Report(RpcReplyPort<Value>),
}

impl Message for SubtaskMsg {}

/// What the preparation found.
pub struct Prepared {
    pub units: Units,
    /// The first unit with work left.
    pub next: Option<usize>,
}

/// Why it found nothing, and in which unit.
pub struct Unprepared {
    pub unit: Option<pb::UnitType>,
    pub error: DmError,
}

/// A subtask at this moment.
pub struct Look {
    pub name: String,
    pub stage: pb::Stage,
    pub unit: pb::UnitType,
    pub result: Option<pb::ProcessResult>,
    /// For the live part of the status.
    pub running: Option<Arc<dyn Unit>>,
    pub env: UnitEnv,
}

impl Look {
    /// How it stands, and which event it failed on.
    pub fn failure(&self) -> FailureReport {
        let flushed = match self.running.as_ref().map(|unit| unit.status()) {
            Some(pb::sub_task_status::Status::Sync(status)) => status.syncer_binlog.parse().unwrap_or_default(),
            _ => BinlogPosition::default(),
        };
        FailureReport {
            unit: self.unit.into(),
            stage: self.stage.into(),
            event: self.running.as_ref().and_then(|unit| unit.failed_event()),
            flushed,
        }
    }
}
