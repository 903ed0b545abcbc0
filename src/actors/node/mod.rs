//! The node actor: one per process. It owns the cluster port, dials the masters, and supervises the rest.
//!
//! Keep ractor_cluster's own log at info (`ractor_cluster=info`): below that it prints the bytes of each message.

mod actor;
mod gate;
pub mod messages;
pub mod options;
pub mod state;
mod wire;

pub use wire::check as check_tls;

use std::{sync::Arc, time::Duration};

use ractor::{Actor, ActorRef};
use tokio_util::sync::CancellationToken;

use actor::{NodeActor, NodeArgs};
use messages::NodeMsg;
pub use options::{FindMasters, MasterOptions, NodeOptions, WorkerOptions, fixed_masters};

use super::{
    gateway::Serve,
    group_scope,
    scheduler::{SchedulerHandle, Seat},
    subtask::Kit,
};
use crate::{
    commands::cluster::Cluster,
    error::{Code, DmError, Result},
    units::{self, Unit},
};

/// A running node. Dropping it leaves the node running; `stop` ends it.
#[derive(Clone)]
pub struct Node {
    actor: ActorRef<NodeMsg>,
    cluster: Option<Arc<dyn Cluster>>,
    stopped: CancellationToken,
}

impl Node {
    /// What commands use, on a master.
    pub fn cluster(&self) -> Option<Arc<dyn Cluster>> {
        self.cluster.clone()
    }

    /// Starts the gateway actor around `serve` (masters and standalone).
    pub async fn host_gateway(&self, serve: Serve) -> Result<()> {
        let (port, hosted) = tokio::sync::oneshot::channel();
        let gone = || DmError::new(Code::MasterStartService).msg("the node is stopping");
        self.actor.send_message(NodeMsg::HostGateway(serve, port.into())).map_err(|_| gone())?;
        tokio::time::timeout(Duration::from_secs(5), hosted).await.ok().and_then(Result::ok).ok_or_else(gone)
    }

    /// Ends connections on behalf of those that find them dead.
    pub fn drops_sessions(&self) -> super::voter::DropSession {
        let actor = self.actor.clone();
        Box::new(move |of| {
            // A node that ends has no connections.
            let _ = actor.send_message(NodeMsg::DropSession { of });
        })
    }

    /// Stops gateway and member (units at a safe point, at most about 15 s), then everything else.
    pub async fn stop(&self) {
        // Already stopped is fine.
        let _ = self.actor.send_message(NodeMsg::Stop);
        self.stopped().await;
    }

    /// Ends when the node stopped, whatever the reason.
    pub async fn stopped(&self) {
        self.stopped.cancelled().await;
    }
}

/// Starts a master: cluster port, scheduler, inspector. The gateway is added with `Node::host_gateway`.
pub async fn start_master(node: NodeOptions, master: MasterOptions) -> Result<Node> {
    start(node, Some(master), None, real_kit()).await
}

/// Starts a worker: dials the masters for ever, member, inspector. It does not wait for a master.
pub async fn start_worker(node: NodeOptions, worker: WorkerOptions) -> Result<Node> {
    start(node, None, Some(worker), real_kit()).await
}

/// Starts both roles in one process; the worker finds its scheduler without the network.
pub async fn start_standalone(node: NodeOptions, master: MasterOptions, worker: WorkerOptions) -> Result<Node> {
    start(node, Some(master), Some(worker), real_kit()).await
}

/// Starts a node whose subtasks do their work with `kit`.
pub async fn start(
    node: NodeOptions,
    master: Option<MasterOptions>,
    worker: Option<WorkerOptions>,
    kit: Kit,
) -> Result<Node> {
    let seat = Seat::default();
    let scope = group_scope(&node.cookie);
    let handle = |m: &MasterOptions| SchedulerHandle::new(scope, m.ledger.clone(), seat.clone());
    let cluster = master.as_ref().map(|m| Arc::new(handle(m)) as Arc<dyn Cluster>);
    let failed = {
        let code = if master.is_some() { Code::MasterStartService } else { Code::WorkerStartService };
        let text = format!("the cluster port {} can't be opened", node.listen);
        let hint = "Please check that no other process uses it (`peer-urls`).";
        move |why: ractor::SpawnErr| DmError::new(code).msg(text).cause(why).workaround(hint)
    };
    let args = NodeArgs { incarnation: rand::random(), node, master, worker, kit, seat };
    let (actor, handle) = Actor::spawn(None, NodeActor, args).await.map_err(failed)?;
    let stopped = CancellationToken::new();
    let done = stopped.clone();
    tokio::spawn(async move {
        // However it ended, the node is no more.
        let _ = handle.await;
        done.cancel();
    });
    Ok(Node { actor, cluster, stopped })
}

/// The real units.
fn real_kit() -> Kit {
    Kit {
        build: Arc::new(|env| {
            let kinds = units::sequence(env.config.mode).iter();
            kinds.map(|kind| Ok(Arc::<dyn Unit>::from(units::build(*kind, env.clone())?))).collect()
        }),
        resumable: crate::error::policy::is_resumable,
    }
}
