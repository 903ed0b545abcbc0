//! What the gateway actor understands.

use ractor::{Message, RpcReplyPort};
use serde_json::Value;

use crate::error::Result;

/// Messages to the gateway actor.
pub enum GatewayMsg {
    /// Fact: the serving task ended.
    Ended(Result<()>),
    /// Fact: time to serve again.
    Retry,
    /// End the serving task, then the actor.
    Stop,
    /// For the console.
    Report(RpcReplyPort<Value>),
}

impl Message for GatewayMsg {}
