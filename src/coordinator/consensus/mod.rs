//! The replicated log of `ClusterChange`: openraft, its storage on disk, and what the rest of the node sees of it.
//!
//! `store` keeps the log, `machine` applies it to `ClusterState`, `network` is the way to other voters.

mod machine;
mod network;
mod store;

use std::{
    collections::BTreeMap,
    io::Cursor,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use openraft::{
    BasicNode, Config, Raft, ServerState, SnapshotPolicy,
    error::{ClientWriteError, InitializeError, RaftError},
};
use tokio::sync::watch;

pub use self::store::FILE;
use self::{machine::Machine, network::OneVoter, store::Store};
use super::{
    change::{Applied, ClusterChange},
    state::ClusterState,
};
use crate::{
    error::{Code, DmError, Result},
    wire,
};

openraft::declare_raft_types!(
    /// The types that openraft works with here.
    pub TypeConfig:
        D = ClusterChange,
        R = Applied,
        NodeId = u64,
        Node = BasicNode,
        SnapshotData = Cursor<Vec<u8>>,
);

/// A voter's number: a hash of the master's name.
pub type NodeId = u64;
/// What the membership says of a voter; `addr` is the master's name.
pub type Peer = BasicNode;
type Entry = openraft::Entry<TypeConfig>;

/// A change must fit into one frame to other masters (16 MiB) with room to spare.
const MAX_CHANGE: usize = 8 << 20;
/// Entries between two snapshots, and how many are kept after one. A snapshot is a copy of the small state.
const SNAPSHOT_EVERY: u64 = 1000;
const KEEP_ENTRIES: u64 = 100;
/// How long a start may take to see its own log again.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long `shutdown` waits for the file to be closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// The running log. Clones share it; `shutdown` stops it for all.
#[derive(Clone)]
pub struct Consensus {
    raft: Raft<TypeConfig>,
    id: NodeId,
    state: watch::Receiver<Arc<ClusterState>>,
    path: PathBuf,
    file: watch::Receiver<()>,
}

impl Consensus {
    /// Opens the log below `data_dir`, making a cluster of this one voter when it is empty, and returns once every
    /// entry that was ever confirmed is applied again. 38038 when the directory is in use, damaged, or another master's.
    pub async fn open(data_dir: &Path, node_name: &str) -> Result<Consensus> {
        let path = data_dir.join(FILE);
        let (dir, name) = (data_dir.to_owned(), node_name.to_owned());
        let opened = tokio::task::spawn_blocking(move || {
            let store = Store::open(&dir, &name)?;
            let machine = Machine::open(store.clone(), &dir.join(FILE))?;
            Ok::<_, DmError>((store, machine))
        });
        // A panic while opening (the store's own check of a torn file) is a damaged file, not a crash.
        let (store, machine) = opened.await.map_err(|e| store::damaged(&path, e))??;
        let (file, state) = (store.open_guard(), machine.watch());
        let id = voter_id(node_name);
        let config = config().map_err(|reason| stopped(&path, reason))?;
        let raft = Raft::new(id, config, OneVoter, store, machine).await.map_err(|e| stopped(&path, e))?;
        let consensus = Consensus { raft, id, state, path, file };
        match consensus.start(node_name).await {
            Ok(()) => Ok(consensus),
            Err(e) => {
                consensus.shutdown().await;
                Err(e)
            }
        }
    }

    async fn start(&self, node_name: &str) -> Result<()> {
        let me = BTreeMap::from([(self.id, BasicNode::new(node_name))]);
        match self.raft.initialize(me).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => {}
            Err(e) => return Err(stopped(&self.path, e)),
        }
        self.wait_leader(START_LIMIT).await?;
        // A leader's first entry is committed only after all before it, so an answer here means: all applied.
        self.raft.ensure_linearizable().await.map_err(|e| stopped(&self.path, e))?;
        if self.state().cluster_id == 0 {
            let cluster_id = rand::random_range(1..=i64::MAX as u64);
            self.propose(ClusterChange::Bootstrap { cluster_id }).await?.into_result()?;
        }
        Ok(())
    }

    /// Commits one change (synced to disk) and applies it; a change that the state refuses is `Ok(Rejected)`.
    /// 46001 when this node does not lead, 38038 when the log does not work.
    pub async fn propose(&self, change: ClusterChange) -> Result<Applied> {
        let bytes = wire::encode(&change).len();
        if bytes > MAX_CHANGE {
            let message = format!("a change of {bytes} bytes is too large, at most {MAX_CHANGE} fit");
            return Err(DmError::new(Code::MasterInvalidOperateOp)
                .msg(message)
                .workaround("Please split the task, or make its file smaller."));
        }
        match self.raft.client_write(change).await {
            Ok(done) => Ok(done.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                let leader = to.leader_node.map_or_else(|| "not known".to_owned(), |n| n.addr);
                Err(DmError::new(Code::SchedulerNotStarted).msg(format!("this master does not lead; leader: {leader}")))
            }
            Err(e) => Err(stopped(&self.path, e)),
        }
    }

    /// The committed state.
    pub fn state(&self) -> Arc<ClusterState> {
        self.state.borrow().clone()
    }

    /// The committed state and every change of it (the newest wins).
    pub fn watch(&self) -> watch::Receiver<Arc<ClusterState>> {
        self.state.clone()
    }

    /// This voter's number.
    pub fn id(&self) -> NodeId {
        self.id
    }

    /// Whether this node leads now.
    pub fn is_leader(&self) -> bool {
        self.raft.metrics().borrow().state == ServerState::Leader
    }

    /// Waits until this node leads. 46001 when it does not in time.
    pub async fn wait_leader(&self, limit: Duration) -> Result<()> {
        let waited = self.raft.wait(Some(limit)).state(ServerState::Leader, "to lead").await;
        waited.map(drop).map_err(|e| {
            DmError::new(Code::SchedulerNotStarted)
                .msg(format!("this master does not lead after {} s", limit.as_secs()))
                .cause(e)
        })
    }

    /// Returns when the log has stopped by itself (a full or failing disk), with the reason; the node then ends.
    pub async fn stopped(&self) -> DmError {
        let mut metrics = self.raft.metrics();
        loop {
            if let Err(fatal) = &metrics.borrow_and_update().running_state {
                return stopped(&self.path, fatal);
            }
            if metrics.changed().await.is_err() {
                return stopped(&self.path, "it was shut down");
            }
        }
    }

    /// Stops the log and returns when its file is closed, so that it can be opened again.
    pub async fn shutdown(&self) {
        if let Err(e) = self.raft.shutdown().await {
            tracing::warn!(error = %e, "the cluster log did not stop cleanly");
        }
        if tokio::time::timeout(CLOSE_LIMIT, self.file.clone().changed()).await.is_err() {
            tracing::warn!(file = %self.path.display(), "the cluster log is still open");
        }
    }
}

fn config() -> Result<Arc<Config>, String> {
    let config = Config {
        cluster_name: "dm".into(),
        heartbeat_interval: 100,
        election_timeout_min: 300,
        election_timeout_max: 600,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_EVERY),
        max_in_snapshot_log_to_keep: KEEP_ENTRIES,
        purge_batch_size: KEEP_ENTRIES,
        ..Config::default()
    };
    config.validate().map(Arc::new).map_err(|e| e.to_string())
}

fn voter_id(name: &str) -> NodeId {
    xxhash_rust::xxh3::xxh3_64(name.as_bytes())
}

fn stopped(path: &Path, cause: impl std::fmt::Display) -> DmError {
    DmError::new(Code::MasterStartEmbedEtcdFail)
        .msg(format!("the cluster log {} does not work", path.display()))
        .cause(cause)
        .workaround("Please check the disk's free space and the rights of `data-dir`, and start dm-master again.")
}

#[cfg(test)]
#[path = "consensus_tests.rs"]
mod tests;
