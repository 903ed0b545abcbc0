//! The replicated log of `ClusterChange`: openraft, its storage on disk, and what the rest of the node sees of it.
//!
//! `store` keeps the log in a stored `format`, `machine` applies it to `ClusterState`, `network` is the way to other
//! voters and `serve` answers them; `form` makes, joins and re-enters a cluster; `lead` is what a leader sees to.

mod form;
mod format;
mod lead;
mod machine;
pub mod messages;
mod network;
mod serve;
mod store;
mod voter;

use std::{
    io::Cursor,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use openraft::{
    BasicNode, Config, Raft, ServerState, SnapshotPolicy,
    error::{ClientWriteError, RaftError},
};
use tokio::sync::watch;

pub use self::{
    form::Plan,
    network::{Links, NoLinks},
    store::FILE,
    voter::Voter,
};
use self::{machine::Machine, network::Network, store::Store};
use super::{
    change::{Applied, ClusterChange},
    masters::Leader,
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
/// What the membership says of a voter (see `Voter`).
pub type Peer = BasicNode;
type Entry = openraft::Entry<TypeConfig>;

/// A change must fit into one frame to other masters (16 MiB) with room to spare.
const MAX_CHANGE: usize = 8 << 20;
/// Entries between two snapshots, and how many are kept after one. A snapshot is a copy of the small state.
const SNAPSHOT_EVERY: u64 = 1000;
const KEEP_ENTRIES: u64 = 100;
/// How long a start may take to see its own log again.
const START_LIMIT: Duration = Duration::from_secs(30);
/// How long a change may take to reach a majority.
const COMMIT_LIMIT: Duration = Duration::from_secs(8);
/// A leader that a majority has not confirmed for so many heartbeats does not call itself one.
const CONFIRMED: u32 = 8;
/// Between two heartbeats of the leader, unless `heartbeat-interval` says otherwise.
pub const HEARTBEAT: Duration = Duration::from_millis(150);
/// How long `shutdown` waits for the file to be closed.
const CLOSE_LIMIT: Duration = Duration::from_secs(10);

/// The running log. Clones share it; `shutdown` stops it for all.
#[derive(Clone)]
pub struct Consensus {
    raft: Raft<TypeConfig>,
    me: Voter,
    state: watch::Receiver<Arc<ClusterState>>,
    path: PathBuf,
    file: watch::Receiver<()>,
    heartbeat: Duration,
    links: Arc<dyn Links>,
    /// Others' requests are answered from the moment on when this node's place in the cluster is known.
    admitted: Arc<AtomicBool>,
    /// Masters to be reached before the membership names them, and whether to dial all of them.
    hints: Arc<Mutex<(Vec<Voter>, bool)>>,
    /// It does not stand for election.
    evicted: Arc<AtomicBool>,
}

impl Consensus {
    /// Opens the log below `data_dir`. It takes no part in anything before `form`. 38038 when the directory is in use,
    /// damaged, or another master's.
    pub async fn open(data_dir: &Path, me: Voter, links: Arc<dyn Links>, heartbeat: Duration) -> Result<Consensus> {
        let path = data_dir.join(FILE);
        let (dir, name) = (data_dir.to_owned(), me.name.clone());
        let opened = tokio::task::spawn_blocking(move || {
            let store = Store::open(&dir, &name)?;
            let machine = Machine::open(store.clone(), &dir.join(FILE))?;
            Ok::<_, DmError>((store, machine))
        });
        // A panic while opening (the store's own check of a torn file) is a damaged file, not a crash.
        let (store, machine) = opened.await.map_err(|e| store::damaged(&path, e))??;
        let (file, state) = (store.open_guard(), machine.watch());
        let config = config(heartbeat).map_err(|reason| stopped(&path, reason))?;
        let network = Network { links: links.clone(), state: state.clone() };
        let raft = Raft::new(me.id(), config, network, store, machine).await.map_err(|e| stopped(&path, e))?;
        let (admitted, hints, evicted) = (Arc::default(), Arc::default(), Arc::default());
        Ok(Consensus { raft, me, state, path, file, heartbeat, links, admitted, hints, evicted })
    }

    /// A cluster of this one voter, made when the directory is empty: returns once every entry that was ever confirmed
    /// is applied again.
    pub async fn alone(data_dir: &Path, name: &str) -> Result<Consensus> {
        let me = Voter { name: name.to_owned(), peer_urls: Vec::new() };
        let consensus = Consensus::open(data_dir, me.clone(), Arc::new(NoLinks), HEARTBEAT).await?;
        match consensus.form(Plan::Found(vec![me])).await {
            Ok(()) => Ok(consensus),
            Err(e) => {
                consensus.shutdown().await;
                Err(e)
            }
        }
    }

    /// Commits one change (synced to disk) and applies it; a change that the state refuses is `Ok(Rejected)`.
    /// 46001 when this node does not lead or no majority answers in time (it may be committed later all the same),
    /// 38038 when the log does not work.
    pub async fn propose(&self, change: ClusterChange) -> Result<Applied> {
        let bytes = wire::encode(&change).len();
        if bytes > MAX_CHANGE {
            let message = format!("a change of {bytes} bytes is too large, at most {MAX_CHANGE} fit");
            return Err(DmError::new(Code::MasterInvalidOperateOp)
                .msg(message)
                .workaround("Please split the task, or make its file smaller."));
        }
        // One voter waits for nobody but its own disk.
        let limit = if self.members().len() <= 1 { Duration::MAX } else { COMMIT_LIMIT };
        let write = tokio::time::timeout(limit, self.raft.client_write(change));
        match write.await.map_err(|_| no_majority(COMMIT_LIMIT))? {
            Ok(done) => Ok(done.data),
            Err(RaftError::APIError(ClientWriteError::ForwardToLeader(to))) => {
                let leader = to.leader_node.map_or_else(|| "not known".to_owned(), |n| Voter::of(&n).name);
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

    /// This master.
    pub fn me(&self) -> &Voter {
        &self.me
    }

    /// Who leads. This node only while a majority confirmed it lately.
    pub fn leader(&self) -> Leader {
        let metrics = self.raft.metrics().borrow().clone();
        if metrics.state == ServerState::Leader {
            let alone = metrics.membership_config.membership().voter_ids().count() == 1;
            let silent = metrics.millis_since_quorum_ack.map(Duration::from_millis);
            let confirmed = alone || silent.is_some_and(|silent| silent < self.steps_down_after());
            return if confirmed { Leader::Me } else { Leader::Nobody };
        }
        let node = |id| metrics.membership_config.membership().get_node(&id).map(|n| Voter::of(n).name);
        match metrics.current_leader.filter(|id| *id != self.me.id()).and_then(node) {
            Some(name) => {
                let client_addr = self.state().masters.get(&name).map(|m| m.client_addr.clone());
                Leader::Other { name, client_addr }
            }
            None => Leader::Nobody,
        }
    }

    /// A leader that no majority confirms calls itself one for no longer than this.
    pub fn steps_down_after(&self) -> Duration {
        self.heartbeat * CONFIRMED
    }

    /// The voters, and those that are about to be.
    pub fn members(&self) -> Vec<Voter> {
        let metrics = self.raft.metrics().borrow().clone();
        metrics.membership_config.membership().nodes().map(|(_, node)| Voter::of(node)).collect()
    }

    fn is_voter(&self, name: &str) -> bool {
        let metrics = self.raft.metrics().borrow().clone();
        metrics.membership_config.membership().voter_ids().any(|id| id == voter::voter_id(name))
    }

    fn admit(&self) {
        self.admitted.store(true, Ordering::Release);
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

fn config(heartbeat: Duration) -> Result<Arc<Config>, String> {
    let heartbeat = u64::try_from(heartbeat.as_millis()).unwrap_or(u64::MAX / 4).max(1);
    let config = Config {
        cluster_name: "dm".into(),
        // A request to another master may take as long, too. A follower elects 4 (no vote is given before) and 2 to 4
        // heartbeats more after the last one.
        heartbeat_interval: heartbeat,
        election_timeout_min: heartbeat * 2,
        election_timeout_max: heartbeat * 4,
        install_snapshot_timeout: 5000,
        snapshot_policy: SnapshotPolicy::LogsSinceLast(SNAPSHOT_EVERY),
        max_in_snapshot_log_to_keep: KEEP_ENTRIES,
        purge_batch_size: KEEP_ENTRIES,
        ..Config::default()
    };
    config.validate().map(Arc::new).map_err(|e| e.to_string())
}

fn no_majority(limit: Duration) -> DmError {
    DmError::new(Code::SchedulerNotStarted)
        .msg(format!("no majority of the masters confirmed the change within {limit:?}; it may still take effect"))
        .workaround("Please use `list-member --master` to see which masters are alive, and start the others.")
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
