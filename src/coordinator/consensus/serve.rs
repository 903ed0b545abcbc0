//! Answers to other masters.

use std::{sync::atomic::Ordering, time::Duration};

use openraft::{ChangeMembers, error::RaftError};

use super::{
    Consensus, Voter,
    messages::{Standing, VoterAsk, VoterReply, What},
    voter::voter_id,
};
use crate::{
    coordinator::{change::ClusterChange, masters::Leader, state::MasterRecord},
    wire,
};

/// How long a leader may take to show that it still is one, if heartbeats are not slow.
const CONFIRM_LIMIT: Duration = Duration::from_secs(1);

impl Consensus {
    /// How long a leader may take to show that it still is one.
    pub(super) fn confirm_limit(&self) -> Duration {
        CONFIRM_LIMIT.max(self.steps_down_after())
    }

    /// Answers one request; bytes in, bytes out. Rubbish is refused.
    pub async fn serve(&self, request: &[u8]) -> Vec<u8> {
        let reply = match wire::decode::<VoterAsk>(request) {
            Ok(ask) => self.answer(ask).await,
            Err(why) => VoterReply::Failed(why.to_string()),
        };
        wire::encode(&reply)
    }

    async fn answer(&self, ask: VoterAsk) -> VoterReply {
        let mine = self.state().cluster_id;
        match ask.what {
            What::Alive => return VoterReply::Done,
            What::Probe { name } => return VoterReply::Standing(self.standing(&name).await),
            _ => {}
        }
        if ask.cluster_id != 0 && mine != 0 && ask.cluster_id != mine {
            return VoterReply::Failed(format!("cluster {} is asked by a master of cluster {}", mine, ask.cluster_id));
        }
        if !self.admitted.load(Ordering::Acquire) {
            return VoterReply::Failed(format!("master {} is still finding its place", self.me.name));
        }
        let failed = |why: &dyn std::fmt::Display| VoterReply::Failed(why.to_string());
        match ask.what {
            What::Append(rpc) => self.raft.append_entries(rpc).await.map_or_else(|e| failed(&e), VoterReply::Append),
            What::Vote(rpc) => self.raft.vote(rpc).await.map_or_else(|e| failed(&e), VoterReply::Vote),
            What::Snapshot(rpc) => match self.raft.install_snapshot(rpc).await {
                Ok(done) => VoterReply::Snapshot(Ok(done)),
                Err(RaftError::APIError(why)) => VoterReply::Snapshot(Err(why)),
                Err(why) => failed(&why),
            },
            What::Enlist { master } => self.enlist(master).await,
            What::Publish { master } => match self.publish(master).await {
                Ok(()) => VoterReply::Done,
                Err(_) if self.leader() != Leader::Me => VoterReply::NotLeader,
                Err(why) => failed(&why),
            },
            What::Probe { .. } | What::Alive => VoterReply::Failed("asked twice".into()),
        }
    }

    /// How this master stands, for the master `asker`.
    async fn standing(&self, asker: &str) -> Standing {
        match self.raft.is_initialized().await {
            Ok(true) => {}
            _ => return Standing::Fresh,
        }
        let confirmed =
            matches!(tokio::time::timeout(self.confirm_limit(), self.raft.ensure_linearizable()).await, Ok(Ok(_)));
        let state = self.state();
        if state.cluster_id == 0 {
            return Standing::Forming;
        }
        Standing::Member {
            cluster_id: state.cluster_id,
            confirmed,
            you_vote: self.is_voter(asker),
            you_started: state.masters.contains_key(asker) || self.has_confirmed(asker),
        }
    }

    /// Whether this leader has had entries confirmed by that master: before the master's own record is in the log it may have voted and
    /// confirmed already.
    fn has_confirmed(&self, name: &str) -> bool {
        let metrics = self.raft.metrics().borrow().clone();
        let confirmed = metrics.replication.as_ref().and_then(|all| all.get(&voter_id(name)));
        confirmed.is_some_and(Option::is_some)
    }

    /// On the leader: a new master becomes a learner; `lead` makes it a voter once it has caught up.
    async fn enlist(&self, master: MasterRecord) -> VoterReply {
        if self.leader() != Leader::Me {
            return VoterReply::NotLeader;
        }
        if self.is_voter(&master.name) {
            return VoterReply::Refused(format!(
                "the cluster knows a master {} that has its own data: restore its `data-dir`, or forget it first with \
                 `offline-member --master --name {}`, and join again",
                master.name, master.name
            ));
        }
        let voter = Voter { name: master.name.clone(), peer_urls: master.peer_urls.clone() };
        let added = tokio::time::timeout(super::COMMIT_LIMIT, self.raft.add_learner(voter.id(), voter.node(), false));
        match added.await {
            Ok(Ok(_)) => VoterReply::Done,
            Ok(Err(why)) => VoterReply::Failed(why.to_string()),
            Err(_) => VoterReply::Failed(super::no_majority(super::COMMIT_LIMIT).to_string()),
        }
    }

    /// On the leader: takes note of where a master is found.
    pub(super) async fn publish(&self, master: MasterRecord) -> crate::error::Result<()> {
        if self.state().masters.get(&master.name) != Some(&master) {
            self.propose(ClusterChange::PutMaster { master: master.clone() }).await?.into_result()?;
        }
        let known = self.members().into_iter().find(|voter| voter.name == master.name);
        if known.is_some_and(|voter| voter.peer_urls != master.peer_urls) {
            let voter = Voter { name: master.name, peer_urls: master.peer_urls };
            let nodes = ChangeMembers::SetNodes([(voter.id(), voter.node())].into());
            self.change_members(nodes).await?;
        }
        Ok(())
    }
}
