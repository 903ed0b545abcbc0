//! What masters see to all the time: who leads, that newcomers become voters, where everybody is found.

use std::{sync::atomic::Ordering, time::Duration};

use openraft::{ChangeMembers, ServerState};
use tokio::{sync::watch, time::Instant};

use super::{
    COMMIT_LIMIT, Consensus, NodeId, Peer, Voter,
    messages::{VoterAsk, What},
    no_majority, stopped,
};
use crate::{
    coordinator::{
        change::ClusterChange,
        masters::{Leader, MasterView},
        state::MasterRecord,
    },
    error::{Code, DmError, Result},
};

/// The longest pause between two looks.
const LOOK: Duration = Duration::from_millis(250);
/// A learner this near to the newest entry has caught up.
const NEAR: u64 = 50;
/// How long another master may take to say that it lives.
const ALIVE_LIMIT: Duration = Duration::from_millis(800);
/// How long an eviction waits for another leader: so long at least, and so many heartbeats, for elections take as long as these
/// say and may have to be repeated.
const EVICT_LIMIT: Duration = Duration::from_secs(10);
const EVICT_HEARTBEATS: u32 = 32;

impl Consensus {
    /// Runs as long as the log does. `leading` becomes true when this node leads with everything applied that was ever
    /// confirmed, and false as soon as no majority confirms it.
    pub async fn attend(&self, me: MasterRecord, leading: watch::Sender<bool>) {
        let mut metrics = self.raft.metrics();
        loop {
            let looked = tokio::time::timeout(LOOK, metrics.changed()).await;
            if matches!(looked, Ok(Err(_))) || metrics.borrow_and_update().running_state.is_err() {
                leading.send_replace(false);
                return;
            }
            if self.leader() != Leader::Me {
                leading.send_if_modified(|was| std::mem::replace(was, false));
            } else if !*leading.borrow() && self.take_over().await {
                leading.send_replace(true);
            }
            if *leading.borrow() {
                self.promote().await;
            }
            if self.state().masters.get(&me.name) != Some(&me) && self.say_where(&me).await.is_err() {
                // Nobody leads at the moment: tried again with the next look.
                tokio::time::sleep(LOOK).await;
            }
        }
    }

    /// Whether this new leader has applied all that was ever confirmed.
    async fn take_over(&self) -> bool {
        let confirmed = tokio::time::timeout(self.confirm_limit() * 3, self.raft.ensure_linearizable()).await;
        matches!(confirmed, Ok(Ok(_))) && self.bootstrap().await.is_ok()
    }

    /// Gives the cluster its identity, once.
    pub(super) async fn bootstrap(&self) -> Result<()> {
        if self.state().cluster_id == 0 {
            let cluster_id = rand::random_range(1..=i64::MAX as u64);
            self.propose(ClusterChange::Bootstrap { cluster_id }).await?.into_result()?;
        }
        Ok(())
    }

    /// Makes voters of the learners that have caught up.
    async fn promote(&self) {
        let metrics = self.raft.metrics().borrow().clone();
        let (last, replication) = (metrics.last_log_index.unwrap_or(0), metrics.replication.unwrap_or_default());
        let near = |id: &NodeId| replication.get(id).is_some_and(|at| at.is_some_and(|at| at.index + NEAR >= last));
        let membership = metrics.membership_config.membership();
        let Some(ready) = membership.learner_ids().find(near) else { return };
        match self.change_members(ChangeMembers::AddVoterIds([ready].into())).await {
            Ok(()) => tracing::info!(id = ready, "a master has caught up and votes now"),
            Err(why) => tracing::warn!(id = ready, error = %why, "a master could not be made a voter"),
        }
    }

    async fn say_where(&self, me: &MasterRecord) -> Result<(), String> {
        match self.leader() {
            Leader::Me => self.publish(me.clone()).await.map_err(|e| e.to_string()),
            Leader::Other { name, .. } => {
                let what = What::Publish { master: me.clone() };
                let request = VoterAsk { cluster_id: self.state().cluster_id, what };
                self.links.call(&name, &request, COMMIT_LIMIT).await.map(drop)
            }
            Leader::Nobody => Err("nobody leads".into()),
        }
    }

    /// Commits a change of the membership.
    pub(super) async fn change_members(&self, change: ChangeMembers<NodeId, Peer>) -> Result<()> {
        let changed = tokio::time::timeout(COMMIT_LIMIT, self.raft.change_membership(change, false)).await;
        let changed = changed.map_err(|_| no_majority(COMMIT_LIMIT))?;
        changed.map(drop).map_err(|e| stopped(&self.path, e))
    }

    /// Every master, and whether it answers.
    pub async fn masters(&self) -> Vec<MasterView> {
        let (state, leader) = (self.state(), self.leader());
        let one = |voter: Voter| {
            let (state, leader) = (state.clone(), leader.clone());
            async move {
                let mine = voter.name == self.me.name;
                let leads = match &leader {
                    Leader::Me => mine,
                    Leader::Other { name, .. } => *name == voter.name,
                    Leader::Nobody => false,
                };
                let (id, alive) = (voter.id(), mine || self.is_alive(&voter.name).await);
                let record = state.masters.get(&voter.name).cloned().unwrap_or(MasterRecord {
                    name: voter.name,
                    peer_urls: voter.peer_urls,
                    client_addr: String::new(),
                });
                MasterView { record, id, alive, leads }
            }
        };
        futures::future::join_all(self.members().into_iter().map(one)).await
    }

    async fn is_alive(&self, name: &str) -> bool {
        let request = VoterAsk { cluster_id: self.state().cluster_id, what: What::Alive };
        self.links.call(name, &request, ALIVE_LIMIT).await.is_ok()
    }

    /// Removes a master for good (`offline-member`). 38048 when it is not known.
    pub async fn remove_master(&self, name: &str) -> Result<()> {
        let voter = self.members().into_iter().find(|voter| voter.name == name);
        let Some(voter) = voter else {
            return Err(
                DmError::new(Code::MasterMasterNameNotExist).msg(format!("dm-master with name {name} not exists"))
            );
        };
        if self.members().len() == 1 {
            return Err(DmError::new(Code::MasterInvalidOperateOp)
                .msg(format!("{name} is the only master of the cluster"))
                .workaround("Please add another master with `join` first."));
        }
        if self.is_voter(name) {
            self.change_members(ChangeMembers::RemoveVoters([voter.id()].into())).await?;
        } else {
            self.change_members(ChangeMembers::RemoveNodes([voter.id()].into())).await?;
        }
        if name != self.me.name {
            self.propose(ClusterChange::RemoveMaster { name: name.to_owned() }).await?.into_result()?;
        }
        Ok(())
    }

    /// Gives leadership away and does not take it again until `cancel_evict`, a restart, or nobody else leads for long.
    pub async fn evict(&self) -> Result<()> {
        let config = self.raft.runtime_config();
        let alone = self.members().iter().all(|voter| voter.name == self.me.name || !self.is_voter(&voter.name));
        if alone {
            return Err(DmError::new(Code::MasterInvalidOperateOp)
                .msg("no other master could lead: it is the only one of the cluster")
                .workaround("Please add another master with `join` first."));
        }
        config.elect(false);
        if !self.evicted.swap(true, Ordering::AcqRel) {
            tokio::spawn(self.clone().guard_eviction());
        }
        if self.raft.metrics().borrow().state != ServerState::Leader {
            return Ok(());
        }
        // Followers elect another when they hear nothing; heartbeats are on again once one of them leads.
        config.heartbeat(false);
        let limit = self.evict_limit();
        let left = self.raft.wait(Some(limit)).metrics(|m| m.state != ServerState::Leader, "another leads").await;
        config.heartbeat(true);
        left.map(drop).map_err(|_| {
            self.cancel_evict();
            DmError::new(Code::MasterInvalidOperateOp)
                .msg(format!("no other master took over within {limit:?}"))
                .workaround("Please use `list-member --master` to see whether a majority of the others is alive.")
        })
    }

    /// This master may lead again.
    pub fn cancel_evict(&self) {
        self.evicted.store(false, Ordering::Release);
        self.raft.runtime_config().elect(true);
    }

    fn evict_limit(&self) -> Duration {
        EVICT_LIMIT.max(self.heartbeat * EVICT_HEARTBEATS)
    }

    /// Ends an eviction that leaves the cluster without a leader: when the leader is gone, the evicted master may be the only
    /// one that has all confirmed entries, and no other is elected, ever.
    async fn guard_eviction(self) {
        let (limit, mut led) = (self.evict_limit(), Instant::now());
        while self.evicted.load(Ordering::Acquire) && self.raft.metrics().borrow().running_state.is_ok() {
            tokio::time::sleep(LOOK).await;
            let is_led = match self.leader() {
                Leader::Me => true,
                // It is still taken for the leader when it is gone.
                Leader::Other { name, .. } => self.is_alive(&name).await,
                Leader::Nobody => false,
            };
            if is_led {
                led = Instant::now();
            } else if led.elapsed() > limit {
                tracing::warn!(?limit, "nobody else leads: this master's eviction is over");
                self.cancel_evict();
            }
        }
    }
}
