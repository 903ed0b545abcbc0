//! The way to other voters. Today a cluster has one voter; the transport for several, over the cluster's sessions,
//! comes with the issue on several masters. Until then every send says so.

use openraft::{
    RaftNetwork, RaftNetworkFactory,
    error::{InstallSnapshotError, RPCError, RaftError, Unreachable},
    network::RPCOption,
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse, VoteRequest,
        VoteResponse,
    },
};

use super::{NodeId, Peer, TypeConfig};

/// Makes the links to other voters.
#[derive(Clone, Copy, Debug)]
pub struct OneVoter;

/// A link to a voter that can't be reached yet.
#[derive(Clone, Debug)]
pub struct NoLink {
    to: String,
}

#[derive(Debug, thiserror::Error)]
#[error("master {0} can't be reached: this version replicates to one voter only, several masters come later")]
struct SeveralVoters(String);

impl NoLink {
    fn unreachable(&self) -> Unreachable {
        Unreachable::new(&SeveralVoters(self.to.clone()))
    }
}

impl RaftNetworkFactory<TypeConfig> for OneVoter {
    type Network = NoLink;

    async fn new_client(&mut self, _target: NodeId, node: &Peer) -> NoLink {
        NoLink { to: node.addr.clone() }
    }
}

type Failed<E = openraft::error::Infallible> = RPCError<NodeId, Peer, RaftError<NodeId, E>>;

impl RaftNetwork<TypeConfig> for NoLink {
    async fn append_entries(
        &mut self,
        _rpc: AppendEntriesRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<AppendEntriesResponse<NodeId>, Failed> {
        Err(self.unreachable().into())
    }

    async fn install_snapshot(
        &mut self,
        _rpc: InstallSnapshotRequest<TypeConfig>,
        _option: RPCOption,
    ) -> Result<InstallSnapshotResponse<NodeId>, Failed<InstallSnapshotError>> {
        Err(self.unreachable().into())
    }

    async fn vote(&mut self, _rpc: VoteRequest<NodeId>, _option: RPCOption) -> Result<VoteResponse<NodeId>, Failed> {
        Err(self.unreachable().into())
    }
}
