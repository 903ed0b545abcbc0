//! What a node is started with.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;

use crate::actors::scheduler::Ledger;

/// What every role needs.
#[derive(Clone)]
pub struct NodeOptions {
    /// The member's name (`name` in its TOML).
    pub name: String,
    /// Where the cluster port listens. Masters: the host and port of `peer-urls`. Workers: `127.0.0.1:0`, nobody
    /// dials them.
    pub listen: SocketAddr,
    /// The secret that both sides of a cluster connection must know (the handshake proves it without sending it).
    /// All nodes of a cluster use the same.
    pub cookie: String,
}

/// What a master needs.
#[derive(Clone)]
pub struct MasterOptions {
    /// The replicated log.
    pub ledger: Arc<dyn Ledger>,
    /// For list-member: `advertise-addr`.
    pub advertise_addr: String,
    /// For list-member.
    pub member_id: u64,
    /// For list-member: `advertise-peer-urls`, `http://host:port` each. Workers learn the cluster ports from it.
    pub peer_urls: Vec<String>,
    /// For list-member: `http://` + `advertise-addr`.
    pub client_urls: Vec<String>,
}

/// Finds the masters' cluster ports (`host:port`); asked again before every round of dialling.
pub type FindMasters = Arc<dyn Fn() -> BoxFuture<'static, Vec<String>> + Send + Sync>;

/// Masters whose addresses never change.
pub fn fixed_masters(addresses: Vec<String>) -> FindMasters {
    Arc::new(move || {
        let addresses = addresses.clone();
        Box::pin(async move { addresses })
    })
}

/// What a worker needs.
#[derive(Clone)]
pub struct WorkerOptions {
    /// The names of the workers that this node is: one of its own for a worker, several for a standalone node,
    /// because a worker serves one source.
    pub names: Vec<String>,
    /// `advertise-addr`: part of the worker's identity (46003), shown by list-member.
    pub advertise_addr: String,
    /// Where the masters are. Standalone: `fixed_masters(vec![])`.
    pub masters: FindMasters,
    /// `keepalive-ttl`: without a heartbeat for this long the leader gives the source to another worker.
    pub keepalive_ttl: Duration,
    /// The reply of `get-config worker`.
    pub config_toml: String,
}
