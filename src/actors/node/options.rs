//! What a node is started with.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use futures::future::BoxFuture;
use tokio::sync::watch;

use crate::{actors::scheduler::Ledger, config::Security};

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
    /// TLS of the cluster port, both ways.
    pub security: Security,
}

/// What a master needs.
#[derive(Clone)]
pub struct MasterOptions {
    /// The replicated log.
    pub ledger: Arc<dyn Ledger>,
    /// Whether this master leads, with everything applied: the scheduler lives as long as it does.
    pub leading: watch::Receiver<bool>,
    /// The other masters' cluster ports that this one dials.
    pub peers: FindMasters,
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
    /// Without a heartbeat for this long the leader gives the sources to other workers.
    pub keepalive_ttl: Duration,
    /// `max-sources`; 0: as many as needed.
    pub max_sources: u32,
    /// The reply of `get-config worker`.
    pub config_toml: String,
}
