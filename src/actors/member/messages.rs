//! What a worker's member actor understands. `MemberAsk` and `MemberReply` cross the network: they only grow by new
//! variants at the end, and what is in them is never reordered.

use std::time::Duration;

use ractor::RpcReplyPort;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    actors::post::{NoReply, Post},
    actors::scheduler::messages::SchedulerReply,
    config::SubtaskConfig,
    coordinator::state::ExpectedStage,
    error::EventRef,
    mysql::position::BinlogPosition,
    rules::operator::Operator,
    units::sync::tracked::StructureRequest,
};

/// An order is answered within this, if the user gave no longer time; the leader waits a little longer.
pub const ORDER_LIMIT: Duration = Duration::from_secs(30);

/// Messages to the member actor.
pub type MemberMsg = Post<MemberOwn>;

/// Everything that a worker must know to run one source. It is complete: what is not in it must not run.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Assignment {
    pub cluster_id: u64,
    pub source_id: String,
    /// The source file's text.
    pub source_yaml: String,
    pub epoch: u64,
    pub subtasks: Vec<SubtaskSpec>,
    /// Of all the above; a worker reports it, so that the leader sees whether it has the newest.
    pub digest: u64,
}

/// One task on the source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SubtaskSpec {
    #[serde(with = "crate::wire::named")]
    pub config: SubtaskConfig,
    pub expected: ExpectedStage,
    /// What the user put in the place of events.
    pub operators: Vec<Operator>,
}

/// What the user ordered, beside the new expected stages; answered when it is done.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Order {
    /// Start.
    Start { task: String },
    /// Resume, also from an error, without waiting for the backoff.
    Resume { task: String },
    /// Pause.
    Pause { task: String },
    /// End and forget; the task is no longer in the assignment.
    Delete { task: String },
    /// Take note of operators; `resume`: and go on if it had failed.
    Operate { task: String, resume: bool },
    /// Pause, and give up the transaction under way when it has not ended within `limit`.
    PauseWithin { task: String, limit: Duration },
}

impl Order {
    /// DM's name of the operation.
    pub fn name(&self) -> &'static str {
        match self {
            Order::Start { .. } => "Start",
            Order::Resume { .. } => "Resume",
            Order::Pause { .. } | Order::PauseWithin { .. } => "Pause",
            Order::Delete { .. } => "Delete",
            Order::Operate { .. } => "Update",
        }
    }

    /// The task it is about.
    pub fn task(&self) -> &str {
        match self {
            Order::Start { task } | Order::Resume { task } | Order::Pause { task } | Order::Delete { task } => task,
            Order::Operate { task, .. } | Order::PauseWithin { task, .. } => task,
        }
    }

    /// Whether it resumes a task that failed.
    pub fn resumes(&self) -> bool {
        !matches!(self, Order::Operate { resume: false, .. })
    }

    /// How long the run's end may take, where the user said so.
    pub fn stop_limit(&self) -> Option<Duration> {
        match self {
            Order::PauseWithin { limit, .. } => Some(*limit),
            _ => None,
        }
    }

    /// How long the worker may take until the order is done.
    pub fn limit(&self) -> Duration {
        ORDER_LIMIT.saturating_add(self.stop_limit().unwrap_or_default())
    }
}

/// Requests from the leader.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum MemberAsk {
    /// Run this. Answered with `Done` at once, or with the order's outcome.
    Follow { assignment: Assignment, order: Option<Order> },
    /// Stop this source at once if its epoch is not newer than this.
    Release { source_id: String, epoch: u64 },
    /// The live status of a source's subtasks (of one task if named).
    Query { source_id: String, task: String },
    /// The worker's own config.
    Config,
    /// How a subtask stands and which event it failed on.
    Failure { source_id: String, task: String },
    /// Show or change a tracked structure.
    Structure { source_id: String, task: String, request: StructureRequest },
    /// End this source at a safe point if its epoch is not newer than this; answered when it is gone.
    LetGo { source_id: String, epoch: u64 },
}

/// How a subtask stands.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct FailureReport {
    /// Of `pb::UnitType` and `pb::Stage`.
    pub unit: i32,
    pub stage: i32,
    /// The event that its last run failed on.
    pub event: Option<EventRef>,
    /// Where its checkpoint is; empty when that isn't known.
    pub flushed: BinlogPosition,
}

/// Replies to the leader.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum MemberReply {
    Done,
    /// The order failed: the reason for 38032.
    Failed {
        reason: String,
    },
    /// The request is of an older epoch than what this worker has seen.
    Stale {
        epoch: u64,
    },
    /// The source is not here.
    NotBound,
    /// A `pb::QueryStatusResponse`, encoded.
    Status(Vec<u8>),
    /// TOML.
    Config(String),
    /// The request could not be decoded.
    NotUnderstood,
    /// None: the subtask is not here.
    Failure(Option<FailureReport>),
    /// The structure's text (empty after a change), or the text of an error.
    Structure(Result<String, String>),
}

/// From this process.
pub enum MemberOwn {
    /// Fact: time for a heartbeat, or to look for a leader.
    Tick,
    /// Fact: what became of the last word to the scheduler.
    Heard { attempt: u64, reply: Result<SchedulerReply, NoReply> },
    /// Fact: what became of the last word about files of loads, as they were after so many changes.
    LoadsTold { changes: u64, told: bool },
    /// End all sources at a safe point, then the actor.
    Retire,
    /// Fact: the leader knows that this worker ends, or does not answer.
    Parted,
    /// For the console.
    Report(RpcReplyPort<Value>),
}
