//! How a master finds its place: it founds a cluster with others, joins one, or comes back with its old data.
//!
//! A master whose disk is empty has forgotten what it voted for and what it confirmed. So it takes part in nothing
//! before it knows that it never did: either all the others are as fresh as itself, or the leader says that it never
//! started. One that the cluster knows from before is refused until it is forgotten there.

use std::{collections::BTreeMap, sync::PoisonError, time::Duration};

use openraft::error::{InitializeError, RaftError};

use super::{
    Consensus, START_LIMIT, Voter,
    messages::{Standing, VoterAsk, VoterReply, What},
    stopped,
};
use crate::{
    coordinator::state::MasterRecord,
    error::{Code, DmError, Result},
};

/// Between two rounds of asking the others.
const PAUSE: Duration = Duration::from_millis(200);
/// How long one of them may take to answer.
const ASK_LIMIT: Duration = Duration::from_secs(2);
/// How often it is said what is waited for.
const SAY_EVERY: u32 = 50;

/// What to do with an empty disk. A disk that is not empty knows its place.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Plan {
    /// Found a cluster of these (`initial-cluster`), with this master among them.
    Found(Vec<Voter>),
    /// Join the cluster of these (`join`).
    Join(Vec<Voter>, MasterRecord),
}

/// What the answers of the others mean for a master with an empty disk.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Verdict {
    /// All are as fresh: found the cluster.
    Found,
    /// The others founded it a moment ago and wait for this one.
    Take,
    /// Ask again.
    Wait(String),
    Refuse(String),
}

/// Decides from what each of the others said (or why it did not).
pub(super) fn judge(me: &str, answers: &BTreeMap<String, Result<Standing, String>>) -> Verdict {
    for (name, answer) in answers {
        let Ok(Standing::Member { confirmed: true, you_vote, you_started, .. }) = answer else { continue };
        return match (you_vote, you_started) {
            (true, false) => Verdict::Take,
            (true, true) => Verdict::Refuse(format!(
                "the data-dir is empty, but {name} knows this master {me} from before: what it had confirmed is lost"
            )),
            (false, _) => Verdict::Refuse(format!("the cluster of {name} runs without a master {me}")),
        };
    }
    let missing = answers.iter().find_map(|(name, answer)| match answer {
        Ok(Standing::Fresh | Standing::Forming) => None,
        Ok(Standing::Member { .. }) => Some(format!("the cluster of {name} has no leader yet")),
        Err(why) => Some(format!("{name} does not answer: {why}")),
    });
    missing.map_or(Verdict::Found, Verdict::Wait)
}

impl Consensus {
    /// Takes this master's place in its cluster. It waits for the others as long as it takes. 38037 and 38040 when
    /// the plan can't be.
    pub async fn form(&self, plan: Plan) -> Result<()> {
        let initialized = self.raft.is_initialized().await.map_err(|e| stopped(&self.path, e))?;
        if !initialized {
            match plan {
                Plan::Found(all) if all.len() <= 1 => self.initialize(&all).await?,
                Plan::Found(all) => self.found(all).await?,
                Plan::Join(known, master) => return self.join(known, master).await,
            }
        }
        self.admit();
        // The log's own tasks have just started: what they know of the membership shows in a moment.
        let shown = |m: &openraft::RaftMetrics<_, _>| m.membership_config.membership().nodes().next().is_some();
        let _ = self.raft.wait(Some(ASK_LIMIT)).metrics(shown, "the membership").await;
        let members = self.members();
        if initialized && !members.iter().any(|voter| voter.name == self.me.name) {
            tracing::warn!(name = self.me.name, "this master is not (or no longer) a member of its cluster");
        }
        if members.len() == 1 {
            return self.lead_alone().await;
        }
        Ok(())
    }

    async fn initialize(&self, all: &[Voter]) -> Result<()> {
        let nodes: BTreeMap<_, _> = all.iter().map(|voter| (voter.id(), voter.node())).collect();
        match self.raft.initialize(nodes).await {
            Ok(()) | Err(RaftError::APIError(InitializeError::NotAllowed(_))) => Ok(()),
            Err(e) => Err(stopped(&self.path, e)),
        }
    }

    /// One voter: leads at once, with all it ever confirmed.
    async fn lead_alone(&self) -> Result<()> {
        self.wait_leader(START_LIMIT).await?;
        // A leader's first entry is committed only after all before it, so an answer here means: all applied.
        self.raft.ensure_linearizable().await.map_err(|e| stopped(&self.path, e))?;
        self.bootstrap().await
    }

    fn hint(&self, voters: &[Voter], dial_all: bool) {
        *self.hints.lock().unwrap_or_else(PoisonError::into_inner) = (voters.to_vec(), dial_all);
    }

    /// The cluster ports that this master dials: of two masters, the one whose name sorts last dials. One that joins
    /// dials all.
    pub fn dials(&self) -> Vec<String> {
        let (mut others, all) = self.hints.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let members = self.members();
        others.retain(|hint| members.iter().all(|member| member.name != hint.name));
        others.extend(members);
        let sorts = |name: &str| format!("{name}@");
        others.retain(|o| o.name != self.me.name && (all || sorts(&o.name) < sorts(&self.me.name)));
        others.iter().filter_map(|voter| voter.peer_urls.first().cloned()).collect()
    }

    async fn found(&self, all: Vec<Voter>) -> Result<()> {
        self.hint(&all, false);
        for round in 0.. {
            let answers = self.probe(&all).await;
            match judge(&self.me.name, &answers) {
                Verdict::Found => return self.initialize(&all).await,
                Verdict::Take => return Ok(()),
                Verdict::Wait(why) if round % SAY_EVERY == 0 => {
                    tracing::info!(reason = why, "waiting for the other masters of `initial-cluster`");
                }
                Verdict::Wait(_) => {}
                Verdict::Refuse(why) => {
                    return Err(DmError::new(Code::MasterGenEmbedEtcdConfigFail).msg(why).workaround(format!(
                        "Please restore the data-dir of {0}, or forget it with `offline-member --master --name {0}` \
                         and start it with `join` instead of `initial-cluster`.",
                        self.me.name
                    )));
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    async fn probe(&self, all: &[Voter]) -> BTreeMap<String, Result<Standing, String>> {
        let ask = |to: String| async move {
            let request = VoterAsk { cluster_id: 0, what: What::Probe { name: self.me.name.clone() } };
            let answer = match self.links.call(&to, &request, ASK_LIMIT).await {
                Ok(VoterReply::Standing(standing)) => Ok(standing),
                Ok(other) => Err(format!("{other:?}")),
                Err(why) => Err(why),
            };
            (to, answer)
        };
        let others = all.iter().filter(|voter| voter.name != self.me.name);
        futures::future::join_all(others.map(|voter| ask(voter.name.clone()))).await.into_iter().collect()
    }

    async fn join(&self, known: Vec<Voter>, master: MasterRecord) -> Result<()> {
        self.hint(&known, true);
        // It has never voted, and will not before the leader has given it everything.
        self.admit();
        let mut enlisted = false;
        for round in 0.. {
            if self.is_voter(&self.me.name) {
                self.hint(&known, false);
                return Ok(());
            }
            let mut last = "it has not caught up yet".to_owned();
            for voter in &known {
                if enlisted {
                    break;
                }
                let request = VoterAsk { cluster_id: 0, what: What::Enlist { master: master.clone() } };
                match self.links.call(&voter.name, &request, ASK_LIMIT + super::COMMIT_LIMIT).await {
                    Ok(VoterReply::Done) => enlisted = true,
                    Ok(VoterReply::Refused(why)) => {
                        return Err(DmError::new(Code::MasterJoinEmbedEtcdFail).msg(why));
                    }
                    Ok(VoterReply::NotLeader) => last = format!("{} does not lead", voter.name),
                    Ok(other) => last = format!("{}: {other:?}", voter.name),
                    Err(why) => last = why,
                }
            }
            if round % SAY_EVERY == 0 {
                tracing::info!(enlisted, reason = last, "joining the cluster");
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }
}
