//! The node actor: one per process. It owns the cluster port, dials the masters, and supervises the rest.

pub mod options;

use std::sync::Arc;

pub use options::{FindMasters, MasterOptions, NodeOptions, WorkerOptions, fixed_masters};

use super::gateway::Serve;
use crate::{commands::cluster::Cluster, error::Result};

/// A running node. Dropping it leaves the node running; `stop` ends it.
#[derive(Clone)]
pub struct Node {
    cluster: Option<Arc<dyn Cluster>>,
}

impl Node {
    /// What commands use, on a master.
    pub fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        self.cluster.clone()
    }

    /// Starts the gateway actor around `serve` (masters and standalone).
    pub async fn host_gateway(&self, _serve: Serve) -> Result<()> {
        Err(not_built())
    }

    /// Stops gateway, member (units at a safe point, at most about 15 s) and cluster port, in this order.
    pub async fn stop(&self) {}

    /// Ends when the node stopped, whatever the reason.
    pub async fn stopped(&self) {}
}

/// Starts a master: cluster port, scheduler, inspector. The gateway is added with `Node::host_gateway`.
pub async fn start_master(node: NodeOptions, master: MasterOptions) -> Result<Node> {
    start(node, Some(master), None).await
}

/// Starts a worker: dials the masters for ever, member, inspector. It does not wait for a master.
pub async fn start_worker(node: NodeOptions, worker: WorkerOptions) -> Result<Node> {
    start(node, None, Some(worker)).await
}

/// Starts both roles in one process; the worker finds its scheduler without the network.
pub async fn start_standalone(node: NodeOptions, master: MasterOptions, worker: WorkerOptions) -> Result<Node> {
    start(node, Some(master), Some(worker)).await
}

async fn start(_node: NodeOptions, _master: Option<MasterOptions>, _worker: Option<WorkerOptions>) -> Result<Node> {
    Err(not_built())
}

fn not_built() -> crate::error::DmError {
    crate::error::DmError::new(crate::error::Code::SchedulerNotStarted).msg("the actors are not built yet")
}
