//! The way to other voters: openraft's requests over the cluster's own connections.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use openraft::{
    RaftNetwork, RaftNetworkFactory,
    error::{InstallSnapshotError, PayloadTooLarge, RPCError, RaftError, RemoteError, Unreachable},
    network::{Backoff, RPCOption},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
        VoteResponse,
    },
};
use tokio::sync::watch;

use super::{
    NodeId, Peer, TypeConfig,
    messages::{VoterAsk, VoterReply, What},
    voter::Voter,
};
use crate::{coordinator::state::ClusterState, wire};

/// Carries requests to other masters and their answers back.
#[async_trait]
pub trait Links: Send + Sync + 'static {
    /// Asks the master `to`; an error says why no answer came.
    async fn call(&self, to: &str, request: &VoterAsk, limit: Duration) -> Result<VoterReply, String>;
}

/// For a master that has no others.
#[derive(Clone, Copy, Debug)]
pub struct NoLinks;

#[async_trait]
impl Links for NoLinks {
    async fn call(&self, to: &str, _: &VoterAsk, _: Duration) -> Result<VoterReply, String> {
        Err(format!("master {to} can't be reached: this one runs alone"))
    }
}

/// A request must fit into one frame (16 MiB) with its envelope.
const MAX_REQUEST: usize = 15 << 20;
/// Between two tries to reach a voter that can't be reached.
const PAUSE: Duration = Duration::from_millis(100);

/// Makes the links to other voters.
#[derive(Clone)]
pub struct Network {
    pub links: Arc<dyn Links>,
    pub state: watch::Receiver<Arc<ClusterState>>,
}

/// The link to one voter.
pub struct Link {
    network: Network,
    to: String,
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct NoAnswer(String);

fn unreachable(why: impl Into<String>) -> Unreachable {
    Unreachable::new(&NoAnswer(why.into()))
}

impl Link {
    async fn ask(&self, what: What, option: RPCOption) -> Result<VoterReply, Unreachable> {
        let request = VoterAsk { cluster_id: self.network.state.borrow().cluster_id, what };
        match self.network.links.call(&self.to, &request, option.hard_ttl()).await {
            Ok(VoterReply::Failed(why) | VoterReply::Refused(why)) => Err(unreachable(why)),
            Ok(reply) => Ok(reply),
            Err(why) => Err(unreachable(why)),
        }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Link;

    async fn new_client(&mut self, _target: NodeId, node: &Peer) -> Link {
        Link { network: self.clone(), to: Voter::of(node).name }
    }
}

type Failed<E = openraft::error::Infallible> = RPCError<NodeId, Peer, RaftError<NodeId, E>>;

fn odd() -> Unreachable {
    unreachable("an answer to another question")
}

impl RaftNetwork<TypeConfig> for Link {
    async fn append_entries(
        &mut self,
        rpc: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, Failed> {
        let entries = rpc.entries.len() as u64;
        if entries > 1 && wire::encode(&rpc).len() > MAX_REQUEST {
            return Err(PayloadTooLarge::new_entries_hint(entries / 2).into());
        }
        match self.ask(What::Append(rpc), option).await? {
            VoterReply::Append(reply) => Ok(reply),
            _ => Err(odd().into()),
        }
    }

    async fn install_snapshot(
        &mut self,
        rpc: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, Failed<InstallSnapshotError>> {
        let target = rpc.vote.leader_id().voted_for().unwrap_or_default();
        match self.ask(What::Snapshot(rpc), option).await? {
            VoterReply::Snapshot(Ok(reply)) => Ok(reply),
            VoterReply::Snapshot(Err(why)) => Err(RemoteError::new(target, RaftError::APIError(why)).into()),
            _ => Err(odd().into()),
        }
    }

    async fn vote(&mut self, rpc: VoteRequest<NodeId>, option: RPCOption) -> Result<VoteResponse<NodeId>, Failed> {
        match self.ask(What::Vote(rpc), option).await? {
            VoterReply::Vote(reply) => Ok(reply),
            _ => Err(odd().into()),
        }
    }

    fn backoff(&self) -> Backoff {
        Backoff::new(std::iter::repeat(PAUSE))
    }
}
