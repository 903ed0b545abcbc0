//! Sources that go to another worker although nothing is wrong with their own: ordered, or for the balance. Their worker
//! ends them at a safe point first, so that nothing has to be done twice.

use std::time::Instant;

use prost::Message as _;
use ractor::{ActorCell, ActorRef, RpcReplyPort};

use super::{CALM, ERRAND_LIMIT, Job, SchedulerMsg, SchedulerOwn, SchedulerShell, Then};
use crate::{
    actors::{
        QUERY_LIMIT,
        member::messages::{MemberAsk, MemberOwn, MemberReply},
        post::{self, Post},
    },
    coordinator::{
        ClusterChange, Decision, Rejection,
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
            Some(from) => self.start_moves(me, vec![Move { source_id, from, to: worker }], Some(reply)),
            None => {
                let changes = vec![ClusterChange::Assign { source_id, worker }];
                self.queue.push_back(Job { changes, then: Then::Answer(reply) });
            }
        }
    }

    /// Asks the workers to let go of the sources.
    pub(super) fn start_moves(
        &mut self,
        me: &ActorRef<SchedulerMsg>,
        plan: Vec<Move>,
        reply: Option<RpcReplyPort<Result<()>>>,
    ) {
        if let Some(busy) = plan.iter().find(|one| self.roster.is_moving(&one.source_id)) {
            let why = Rejection::Malformed { reason: format!("source {} is being moved already", busy.source_id) };
            reply.map(|reply| reply.send(Err(why.into())));
            return;
        }
        let state = self.args.ledger.state();
        let mut asked = Vec::new();
        for Move { source_id, from, to } in &plan {
            self.roster.move_away(source_id);
            tracing::info!(source = source_id, from, to, "a source is moved");
            let epoch = state.bindings.get(source_id).map_or(0, |b| b.epoch);
            asked.push(let_go(self.member(from), from.clone(), source_id.clone(), epoch));
        }
        let me = me.clone();
        tokio::spawn(async move {
            futures::future::join_all(asked).await;
            let _ = me.send_message(Post::Own(SchedulerOwn::LetGo { plan, reply }));
        });
    }

    /// Binds the sources to their new workers: all of them, or none when something else became of one meanwhile.
    pub(super) fn finish_moves(&mut self, plan: Vec<Move>, reply: Option<RpcReplyPort<Result<()>>>) {
        let (state, takers) = (self.args.ledger.state(), self.roster.takers());
        let still = |one: &Move| state.bindings.get(&one.source_id).is_some_and(|b| b.worker == one.from);
        let possible = plan.iter().all(|one| still(one) && takers.contains_key(&one.to));
        let sources = plan.iter().map(|one| one.source_id.clone()).collect();
        let assign = |one: Move| Decision::Assign { source_id: one.source_id, worker: one.to };
        let mut decisions: Vec<Decision> = plan.into_iter().map(assign).collect();
        let changes = match (possible, decisions.pop()) {
            // Alone it can tell why it is rejected.
            (true, Some(last)) if decisions.is_empty() => vec![last.into()],
            (true, Some(last)) => vec![ClusterChange::Decided { decisions: [decisions, vec![last]].concat() }],
            _ => Vec::new(),
        };
        self.queue.push_back(Job { changes, then: Then::Moved { sources, reply } });
    }

    /// Moves sources to where their files are, or one to a worker with fewer, when the cluster has been calm for a while
    /// and their tasks only sync.
    pub(super) fn balance(&mut self, me: &ActorRef<SchedulerMsg>, now: Instant, state: &ClusterState) {
        if now < self.balance_at {
            return;
        }
        self.balance_at = now + CALM;
        let plan = self.roster.next_moves(state);
        let members: Vec<_> = plan.iter().filter_map(|one| self.member(&one.from)).collect();
        if plan.is_empty() || members.len() < plan.len() {
            return;
        }
        let request = |one: &Move| MemberAsk::Query { source_id: one.source_id.clone(), task: String::new() };
        let asked: Vec<_> =
            plan.iter().map(request).zip(members).map(|(request, member)| may_move(member, request)).collect();
        let me = me.clone();
        tokio::spawn(async move {
            let may = futures::future::join_all(asked).await.into_iter().all(|may| may);
            let _ = me.send_message(Post::Own(SchedulerOwn::MayMove { plan, may }));
        });
    }
}

/// Asks a worker to end a source at a safe point, and waits until it has.
async fn let_go(member: Option<ActorCell>, worker: String, source_id: String, epoch: u64) {
    let request = MemberAsk::LetGo { source_id, epoch };
    if let Some(member) = member
        && let Err(why) = post::ask::<MemberOwn, _, MemberReply>(&member, &request, LET_GO_LIMIT).await
    {
        tracing::warn!(worker, error = %why, "a worker did not let go of a source in time");
    }
}

/// Whether a worker says that no task of a source would be set back by a move.
async fn may_move(member: ActorCell, request: MemberAsk) -> bool {
    match post::ask::<MemberOwn, _, MemberReply>(&member, &request, QUERY_LIMIT.max(ERRAND_LIMIT)).await {
        Ok(MemberReply::Status(bytes)) => pb::QueryStatusResponse::decode(&bytes[..]).is_ok_and(|s| only_syncs(&s)),
        _ => false,
    }
}

/// Whether no task of the source would have to begin its full load again elsewhere.
fn only_syncs(status: &pb::QueryStatusResponse) -> bool {
    let syncs = |s: &pb::SubTaskStatus| s.unit() == pb::UnitType::Sync || s.stage() != pb::Stage::Running;
    status.result && status.sub_task_status.iter().all(syncs)
}
