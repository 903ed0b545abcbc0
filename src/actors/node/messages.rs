//! What the node actor understands.

use ractor::{ActorId, Message, RpcReplyPort};
use ractor_cluster::node::NodeServerSessionInformation;
use serde_json::Value;

use super::wire::Wire;
use crate::actors::gateway::Serve;

/// Messages to the node actor.
pub enum NodeMsg {
    /// Fact: the clock.
    Tick,
    /// Fact: where the masters are.
    Masters(Vec<String>),
    /// Fact: what became of dialling a master.
    Dialled { address: String, result: std::io::Result<Wire> },
    /// Fact: a connection, in or out, was handed to a session.
    SessionOpened(NodeServerSessionInformation),
    /// Fact: the other side knows the cookie and has exchanged its groups.
    SessionReady(NodeServerSessionInformation),
    /// Fact: a session ended.
    SessionClosed(NodeServerSessionInformation),
    /// End the connection over which this remote actor is reached: nothing comes back from it.
    DropSession { of: ActorId },
    /// Fact: this master leads now, or no longer does.
    Leading(bool),
    /// Fact: time to start a child again that failed.
    Revive(Child),
    /// Start the gateway.
    HostGateway(Serve, RpcReplyPort<()>),
    /// End everything, at a safe point.
    Stop,
    /// Fact: the time for a stop is over.
    StopOver,
    /// For the console.
    Report(RpcReplyPort<Value>),
}

impl Message for NodeMsg {}

/// The node's children.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, serde::Serialize)]
pub enum Child {
    /// ractor_cluster's server: the cluster port and all sessions.
    Server,
    Gateway,
    /// The replicated log, as other masters reach it.
    Voter,
    /// On the leader only.
    Scheduler,
    /// One of the workers that this node is (its index among the names).
    Member(usize),
    Inspector,
}
