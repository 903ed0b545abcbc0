//! Who is alive: thin shells around the work, no SQL and no binlog in them.
//!
//! ```text
//! one process                                    found by other nodes?
//! node                                           no    starts and supervises all below, dials masters
//! ├── (ractor_cluster's NodeServer)              -     the cluster port; restarted when it dies
//! ├── gateway      master: gRPC and HTTP         no    restarts the serving task when it ends
//! ├── voter        master: the replicated log     yes   group `voter/<name>`
//! ├── scheduler    leader: who runs what         yes   group `scheduler`
//! ├── member       worker: bound to the leader   yes   group `member/<name>/<incarnation>`
//! │   └── source       one per bound source      no    carries the epoch
//! │       └── subtask      one per task          no    stages, auto-resume
//! │           └── unit         one per run       no    a tokio task: check, dump, load, sync
//! └── inspector    every node's actor reports    yes   group `inspector`
//! ```
//!
//! Each folder holds `messages.rs` (the contract), `state.rs` (pure decisions, tested without a runtime) and `mod.rs`
//! (the ractor shell that carries the decisions out). Rules: no handler awaits a database or a peer, every call has a
//! timeout, and mailboxes never carry rows. Only actors whose message type is `post::Post` are reachable from other
//! nodes; what arrives there is bytes, decoded in the handler, so a malformed payload is a refused message.

pub mod gateway;
pub mod inspector;
pub mod member;
pub mod node;
pub mod observe;
pub mod post;
pub mod scheduler;
pub mod source;
pub mod subtask;
pub mod supervise;
pub mod unit;
pub mod voter;

use std::time::Duration;

/// The scope of a cluster's process groups. Clusters of different secrets never meet, not even within one process.
pub fn group_scope(cookie: &str) -> String {
    format!("dm-{:016x}", xxhash_rust::xxh3::xxh3_64(cookie.as_bytes()))
}

/// The group of the leader's scheduler.
pub const SCHEDULERS: &str = "scheduler";
/// The group of all inspectors.
pub const INSPECTORS: &str = "inspector";

/// The group of one worker process's member actor. A new process is a new group, so that nobody speaks to the old one.
pub fn member_group(worker: &str, incarnation: u64) -> String {
    format!("member/{worker}/{incarnation:016x}")
}

/// How long a live query of one source may take on its worker (DM's limit).
pub const QUERY_LIMIT: Duration = Duration::from_secs(5);

#[cfg(test)]
mod tests;
