//! What a unit actor understands, and what it tells its subtask.

use std::time::Duration;

use ractor::{Message, RpcReplyPort};
use serde_json::Value;

use crate::{error::DmError, units::Ended};

/// Messages to a unit actor.
pub enum UnitMsg {
    /// End at a safe point; some time after `StopLimit` the run is killed.
    Stop,
    /// How long its end may take; `STOP_LIMIT` without a word. Also counts for a stop that has begun.
    StopLimit(Duration),
    /// End now: the run's future is dropped at its next await.
    Kill,
    /// Fact: the grace of the `Stop` is over.
    GraceOver,
    /// Fact: the run is over and everything of it is dropped.
    Done(Outcome),
    /// For the console.
    Report(RpcReplyPort<Value>),
}

impl Message for UnitMsg {}

/// How a run ended.
#[derive(Clone, PartialEq, Debug)]
pub enum Outcome {
    /// As the unit says.
    Ended(Ended),
    /// With an error, or a panic made into one.
    Failed(DmError),
    /// It did not stop in time, or had to end at once.
    Killed,
}
