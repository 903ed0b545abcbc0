//! Every actor's serialisable state, as dm-console shows it.
//!
//! `Cluster::actors()` is
//! `{"nodes": [{"node": "worker1", "actors": [ActorReport...]}], "missing": ["name: why"]}`.

use serde::{Deserialize, Serialize};

/// One actor, one row of the console.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct ActorReport {
    /// Unique within its node, e.g. `subtask:mysql-01/task1`.
    pub name: String,
    /// `node`, `gateway`, `scheduler`, `member`, `source`, `subtask`, `unit`, `inspector`.
    pub kind: String,
    /// The node it runs on.
    pub node: String,
    /// The name of its supervisor; empty for the node actor.
    pub parent: String,
    /// When it started, milliseconds since the Unix epoch.
    pub since: u64,
    /// What it says of itself; `{"unresponsive": "..."}` when it did not answer in time.
    pub state: serde_json::Value,
}
