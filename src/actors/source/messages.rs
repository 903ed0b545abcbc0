//! What a source actor understands.

use ractor::{Message, RpcReplyPort};
use serde_json::Value;

use crate::{
    actors::member::messages::{Assignment, FailureReport, Order},
    actors::subtask::Confirmation,
    pb,
    units::sync::tracked::StructureRequest,
};

/// Messages to a source actor.
pub enum SourceMsg {
    /// Run exactly these subtasks; the epoch is the actor's own. Answered when the order is done, or at once.
    Follow { assignment: Assignment, order: Option<Order>, confirm: RpcReplyPort<Confirmation> },
    /// The live status; takes at most `QUERY_LIMIT`.
    Query { task: String, reply: RpcReplyPort<pb::QueryStatusResponse> },
    /// How a subtask stands; None when it isn't here.
    Failure { task: String, reply: RpcReplyPort<Option<FailureReport>> },
    /// Show or change a tracked structure; an error is its text.
    Structure { task: String, request: StructureRequest, reply: RpcReplyPort<Result<String, String>> },
    /// End all subtasks at a safe point or (`kill`) at once, then the actor.
    Retire { kill: bool },
    /// Fact: time to start a subtask again whose actor failed.
    Restart { task: String },
    /// For the console.
    Report(RpcReplyPort<Value>),
}

impl Message for SourceMsg {}
