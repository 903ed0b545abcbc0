//! Sources that go to another worker although nothing is wrong with their own: ordered, or for the balance. Their worker
//! ends them at a safe point first, so that nothing has to be done twice.

use std::time::Instant;

use prost::Message as _;
use ractor::{ActorRef, RpcReplyPort};

use super::{CALM, ERRAND_LIMIT, Job, SchedulerMsg, SchedulerOwn, SchedulerShell, Then};
use crate::{
    actors::{
        QUERY_LIMIT,
        member::messages::{MemberAsk, MemberOwn, MemberReply},
        post::{self, Post},
    },
    coordinator::{
        ClusterChange, Rejection,
        schedule::{Move, View},
        state::ClusterState,
    },
    error::Result,
    pb,
};

/// A worker may take this long to bring a source to a safe point; afterwards the new epoch ends it.
const LET_GO_LIMIT: std::time::Duration = std::time::Duration::from_secs(15);

impl SchedulerShell {
    /// `transfer-source`.
    pub(super) fn transfer(
        &mut self,
        me: &ActorRef<SchedulerMsg>,
        source_id: String,
        worker: String,
        reply: RpcReplyPort<Result<()>>,
    ) {
        let state = self.args.ledger.state();
        if !state.sources.contains_key(&source_id) {
            return drop(reply.send(Err(Rejection::UnknownSource { source_id }.into())));
        }
        let from = state.bindings.get(&source_id).map(|b| b.worker.clone());
        if from.as_ref() == Some(&worker) {
            return drop(reply.send(Ok(())));
        }
        let online = self.roster.takers();
        if let Err(why) = (View { state: &state, online: &online }).named_worker(&worker) {
            return drop(reply.send(Err(why.into())));
        }
        match from {
            Some(from) => self.start_move(me, Move { source_id, from, to: worker }, Some(reply)),
            None => {
                let changes = vec![ClusterChange::Assign { source_id, worker }];
                self.queue.push_back(Job { changes, then: Then::Answer(reply) });
            }
        }
    }

    /// Asks the worker to let go of the source.
    pub(super) fn start_move(
        &mut self,
        me: &ActorRef<SchedulerMsg>,
        plan: Move,
        reply: Option<RpcReplyPort<Result<()>>>,
    ) {
        if !self.roster.move_away(&plan.source_id) {
            let why = Rejection::Malformed { reason: format!("source {} is being moved already", plan.source_id) };
            reply.map(|reply| reply.send(Err(why.into())));
            return;
        }
        tracing::info!(source = plan.source_id, from = plan.from, to = plan.to, "a source is moved");
        let epoch = self.args.ledger.state().bindings.get(&plan.source_id).map_or(0, |b| b.epoch);
        let request = MemberAsk::LetGo { source_id: plan.source_id.clone(), epoch };
        let (member, me) = (self.member(&plan.from), me.clone());
        tokio::spawn(async move {
            if let Some(member) = member
                && let Err(why) = post::ask::<MemberOwn, _, MemberReply>(&member, &request, LET_GO_LIMIT).await
            {
                tracing::warn!(worker = plan.from, error = %why, "a worker did not let go of a source in time");
            }
            let _ = me.send_message(Post::Own(SchedulerOwn::LetGo { plan, reply }));
        });
    }

    /// Binds the source to its new worker, unless something else became of it meanwhile.
    pub(super) fn finish_move(&mut self, plan: Move, reply: Option<RpcReplyPort<Result<()>>>) {
        let state = self.args.ledger.state();
        let still = state.bindings.get(&plan.source_id).is_some_and(|b| b.worker == plan.from);
        let there = self.roster.takers().contains_key(&plan.to);
        let source_id = plan.source_id;
        let changes = match still && there {
            true => vec![ClusterChange::Assign { source_id: source_id.clone(), worker: plan.to }],
            false => Vec::new(),
        };
        self.queue.push_back(Job { changes, then: Then::Moved { source_id, reply } });
    }

    /// Moves a source to a worker with fewer, when the cluster has been calm for a while and its tasks only sync.
    pub(super) fn balance(&mut self, me: &ActorRef<SchedulerMsg>, now: Instant, state: &ClusterState) {
        if now < self.balance_at {
            return;
        }
        self.balance_at = now + CALM;
        let Some(plan) = self.roster.next_move(state) else { return };
        let Some(member) = self.member(&plan.from) else { return };
        let request = MemberAsk::Query { source_id: plan.source_id.clone(), task: String::new() };
        let asked = post::ask::<MemberOwn, _, MemberReply>(&member, &request, QUERY_LIMIT.max(ERRAND_LIMIT));
        let me = me.clone();
        tokio::spawn(async move {
            let may = match asked.await {
                Ok(MemberReply::Status(bytes)) => {
                    pb::QueryStatusResponse::decode(&bytes[..]).is_ok_and(|s| only_syncs(&s))
                }
                _ => false,
            };
            let _ = me.send_message(Post::Own(SchedulerOwn::MayMove { plan, may }));
        });
    }
}

/// Whether no task of the source would have to begin its full load again elsewhere.
fn only_syncs(status: &pb::QueryStatusResponse) -> bool {
    let syncs = |s: &pb::SubTaskStatus| s.unit() == pb::UnitType::Sync || s.stage() != pb::Stage::Running;
    status.result && status.sub_task_status.iter().all(syncs)
}
