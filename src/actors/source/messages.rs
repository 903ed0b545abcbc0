//! What a source actor understands.

use ractor::{Message, RpcReplyPort};
use serde_json::Value;

use crate::{
    actors::member::messages::{Assignment, Order},
    actors::subtask::Confirmation,
    pb,
};

/// Messages to a source actor.
pub enum SourceMsg {
    /// Run exactly these subtasks; the epoch is the actor's own. Answered when the order is done, or at once.
    Follow { assignment: Assignment, order: Option<Order>, confirm: RpcReplyPort<Confirmation> },
    /// The live status; takes at most `QUERY_LIMIT`.
    Query { task: String, reply: RpcReplyPort<pb::QueryStatusResponse> },
    /// End all subtasks at a safe point or (`kill`) at once, then the actor.
    Retire { kill: bool },
    /// Fact: time to start a subtask again whose actor failed.
    Restart { task: String },
    /// For the console.
    Report(RpcReplyPort<Value>),
}

impl Message for SourceMsg {}
