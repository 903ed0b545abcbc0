//! What an inspector understands. `InspectorAsk` and `InspectorReply` cross the network: they only grow by new
//! variants at the end.

use ractor::RpcReplyPort;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::actors::post::Post;

/// Messages to the inspector actor.
pub type InspectorMsg = Post<InspectorOwn>;

/// Requests from any node.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum InspectorAsk {
    /// All actors of your node.
    Reports,
}

/// Replies.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum InspectorReply {
    /// `[ActorReport...]` as JSON text (the wire's codec can't carry free JSON).
    Reports { node: String, json: String },
    /// The request could not be decoded.
    NotUnderstood,
}

/// From this process.
pub enum InspectorOwn {
    /// For the console.
    Report(RpcReplyPort<Value>),
}
