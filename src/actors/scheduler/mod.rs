//! The leader's scheduler: which worker runs which source. It adopts the replicated log when it starts, hears the
//! workers' heartbeats, proposes what is due one change at a time, and only then tells the workers.

pub mod handle;
pub mod ledger;
pub mod messages;
mod moves;
mod shown;
#[cfg(test)]
mod simulation_tests;
pub mod state;
mod wanted;

use std::{
    collections::VecDeque,
    sync::{Arc, PoisonError, RwLock},
    time::{Duration, Instant},
};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent, pg};
use serde_json::json;

pub use handle::SchedulerHandle;
pub use ledger::Ledger;
pub use messages::SchedulerOwn;
use messages::{Pushed, SchedulerAsk, SchedulerMsg, SchedulerReply, Then};
use shown::Shown;
use state::{Beat, Errand, Roster};

use super::{
    SCHEDULERS,
    member::messages::{MemberAsk, MemberOwn, MemberReply, Order},
    member_group,
    node::messages::NodeMsg,
    observe::{Board, Pin},
    post::{self, NoReply, Post},
};
use crate::{
    coordinator::{
        ClusterChange,
        masters::Leader,
        schedule::View,
        state::{ClusterState, SourceRecord},
    },
    error::{Code, DmError, Result},
    observe::events::BecameLeader,
};

/// How often the scheduler looks at its clock.
const TICK: Duration = Duration::from_millis(250);
/// After a change could not be committed.
const RETRY: Duration = Duration::from_secs(1);
/// The cluster must have been calm for this long before a source is moved for the balance.
const CALM: Duration = Duration::from_secs(10);
/// How long a worker may take for an errand without an order.
const ERRAND_LIMIT: Duration = Duration::from_secs(10);

/// The scheduler that lives at the moment: a restarted one is another actor.
#[derive(Clone, Default)]
pub struct Seat(Arc<RwLock<Option<ActorRef<SchedulerMsg>>>>);

impl Seat {
    /// The scheduler, if one lives.
    pub fn get(&self) -> Option<ActorRef<SchedulerMsg>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Nobody sits here any more.
    pub fn leave(&self) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = None;
    }

    fn take(&self, actor: ActorRef<SchedulerMsg>) {
        *self.0.write().unwrap_or_else(PoisonError::into_inner) = Some(actor);
    }
}

/// The leader's scheduler.
pub struct SchedulerActor;

/// What it is started with.
#[derive(Clone)]
pub struct SchedulerArgs {
    pub ledger: Arc<dyn Ledger>,
    pub board: Arc<Board>,
    pub seat: Seat,
    /// Asked to drop a lost worker's connection.
    pub node: ActorRef<NodeMsg>,
}

struct Job {
    changes: Vec<ClusterChange>,
    then: Then,
}

pub struct SchedulerShell {
    args: SchedulerArgs,
    roster: Roster,
    /// One job is with the log at a time, so that each decision sees the one before.
    busy: bool,
    queue: VecDeque<Job>,
    /// Nothing of its own is proposed before this.
    retry_at: Instant,
    /// New sources whose worker is being decided.
    placing: Vec<(String, RpcReplyPort<Result<String>>)>,
    /// No source is moved for the balance before this: the cluster is to be calm first.
    balance_at: Instant,
    /// The state that the roster follows.
    seen: Arc<ClusterState>,
    /// Something came that decisions depend on.
    news: bool,
    /// What was last said of each worker and binding.
    shown: Shown,
    _pin: Pin,
}

#[ractor::async_trait]
impl Actor for SchedulerActor {
    type Msg = SchedulerMsg;
    type State = SchedulerShell;
    type Arguments = SchedulerArgs;

    async fn pre_start(
        &self,
        me: ActorRef<SchedulerMsg>,
        args: SchedulerArgs,
    ) -> Result<SchedulerShell, ActorProcessingErr> {
        let parent = format!("node:{}", args.board.node());
        let pin = args.board.pin("scheduler", "scheduler", parent, &me, |p| Post::Own(SchedulerOwn::Report(p)));
        let now = Instant::now();
        pg::monitor_scope(args.board.scope(), me.get_cell());
        me.send_interval(TICK, || Post::Own(SchedulerOwn::Tick));
        let roster = Roster::new(now, args.ledger.steps_down_after());
        Ok(SchedulerShell {
            args,
            roster,
            busy: false,
            queue: VecDeque::new(),
            retry_at: now,
            placing: Vec::new(),
            balance_at: now + CALM,
            seen: Arc::default(),
            news: true,
            shown: Shown::default(),
            _pin: pin,
        })
    }

    async fn post_start(
        &self,
        me: ActorRef<SchedulerMsg>,
        shell: &mut SchedulerShell,
    ) -> Result<(), ActorProcessingErr> {
        shell.args.seat.take(me.clone());
        BecameLeader { name: shell.args.board.node() }.emit();
        pg::join_scoped(shell.args.board.scope(), SCHEDULERS.into(), vec![me.get_cell()]);
        Ok(())
    }

    async fn handle(
        &self,
        me: ActorRef<SchedulerMsg>,
        message: SchedulerMsg,
        shell: &mut SchedulerShell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Post::Ask(bytes, reply) => shell.heard(&bytes, reply),
            Post::Own(own) => {
                shell.news |= own.is_news();
                shell.own(&me, own);
            }
        }
        shell.pump(&me);
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<SchedulerMsg>,
        event: SupervisionEvent,
        shell: &mut SchedulerShell,
    ) -> Result<(), ActorProcessingErr> {
        if let SupervisionEvent::ProcessGroupChanged(pg::GroupChangeMessage::Leave(_, group, _)) = event
            && let Some((worker, incarnation)) = parse_member_group(&group)
        {
            tracing::info!(worker, "the connection to a worker closed");
            shell.roster.closed(Instant::now(), worker, incarnation);
            shell.news = true;
            // One that said goodbye is gone with its connection; its sources need not wait for the clock.
            shell.own(&me, SchedulerOwn::Tick);
            shell.pump(&me);
        }
        Ok(())
    }
}

impl SchedulerShell {
    /// A word from a worker.
    fn heard(&mut self, bytes: &[u8], reply: RpcReplyPort<Vec<u8>>) {
        let now = Instant::now();
        if self.args.ledger.leader() != Leader::Me {
            return post::answer(reply, &SchedulerReply::NotLeading);
        }
        let answer = match crate::wire::decode::<SchedulerAsk>(bytes) {
            Ok(SchedulerAsk::Hello(hello)) => match self.roster.hello(now, &self.args.ledger.state(), &hello) {
                Ok(()) => {
                    tracing::info!(worker = hello.name, address = hello.address, "a worker is online");
                    self.balance_at = now + CALM;
                    self.news = true;
                    SchedulerReply::Accepted
                }
                Err(reason) => SchedulerReply::Refused { reason },
            },
            Ok(SchedulerAsk::Beat { name, incarnation, running }) => {
                let beat = self.roster.beat(now, &name, incarnation, running);
                self.news |= beat == Beat::News;
                if beat == Beat::Unknown { SchedulerReply::WhoAreYou } else { SchedulerReply::Accepted }
            }
            Ok(SchedulerAsk::Leave { name, incarnation }) => {
                tracing::info!(worker = name, "a worker is about to end, its sources go to others");
                self.roster.leave(&name, incarnation);
                self.news = true;
                SchedulerReply::Accepted
            }
            Ok(SchedulerAsk::Loads { name, incarnation, loads }) => {
                if self.roster.incarnation(&name) == Some(incarnation) {
                    let state = self.args.ledger.state();
                    let jobs = state::loads_told(&state, &name, &loads).into_iter();
                    let changes = jobs.map(|decisions| ClusterChange::Decided { decisions });
                    self.queue.extend(changes.map(|change| Job { changes: vec![change], then: Then::Nothing }));
                    self.news |= !self.queue.is_empty();
                    SchedulerReply::Accepted
                } else {
                    SchedulerReply::WhoAreYou
                }
            }
            Err(error) => {
                tracing::warn!(error = %error, "a request to the scheduler could not be decoded");
                SchedulerReply::NotUnderstood
            }
        };
        post::answer(reply, &answer);
    }

    fn own(&mut self, me: &ActorRef<SchedulerMsg>, message: SchedulerOwn) {
        match message {
            SchedulerOwn::Tick => {
                let known = self.roster.incarnations();
                for worker in self.roster.tick(Instant::now()) {
                    tracing::warn!(worker, "a worker is lost");
                    // A connection that only this side believes in would be in the way of the worker's next one.
                    let group = known.get(&worker).map(|incarnation| member_group(&worker, *incarnation));
                    let cells = group.map(|group| pg::get_scoped_members(&self.args.board.scope(), &group));
                    for cell in cells.into_iter().flatten() {
                        let _ = self.args.node.send_message(NodeMsg::DropSession { of: cell.get_id() });
                    }
                }
            }
            SchedulerOwn::Changed => {}
            SchedulerOwn::Committed { result, then } => self.committed(result, then),
            SchedulerOwn::Delivered { worker, holding, reply } => self.delivered(&worker, holding, reply),
            SchedulerOwn::Register { name, address, reply } => self.register(name, address, reply),
            SchedulerOwn::AddSource { source, worker, reply } => self.add_source(source, worker, reply),
            SchedulerOwn::Transfer { source_id, worker, reply } => self.transfer(me, source_id, worker, reply),
            SchedulerOwn::MayMove { plan, may } => match may {
                true => self.start_moves(me, plan, None),
                false => self.balance_at = Instant::now() + CALM * 3,
            },
            SchedulerOwn::LetGo { plan, reply } => self.finish_moves(plan, reply),
            SchedulerOwn::Push { source_id, order, reply } => self.push(me, &source_id, order, reply),
            SchedulerOwn::Locate { worker, reply } => drop(reply.send(self.member(&worker))),
            SchedulerOwn::Online(reply) => drop(reply.send(self.roster.online())),
            SchedulerOwn::Report(reply) => {
                let state = self.args.ledger.state();
                let bound = |(source, b): (&String, &crate::coordinator::state::Binding)| {
                    (source.clone(), json!({"worker": b.worker, "epoch": b.epoch}))
                };
                let bindings: serde_json::Map<_, _> = state.bindings.iter().map(bound).collect();
                let _ = reply.send(json!({
                    "workers": self.roster.report(Instant::now()),
                    "bindings": bindings,
                    "sources": state.sources.len(),
                    "tasks": state.tasks.keys().collect::<Vec<_>>(),
                }));
            }
        }
    }

    /// Does what is due: one proposal at a time, then the errands. It looks at everything, so it is for news only: most
    /// words of workers only say that they live, and what has to be said again is said at a tick.
    fn pump(&mut self, me: &ActorRef<SchedulerMsg>) {
        if !std::mem::take(&mut self.news) {
            return;
        }
        let (now, state) = (Instant::now(), self.args.ledger.state());
        if !self.busy {
            let own = || {
                let due = (now >= self.retry_at).then(|| self.roster.next_decisions(now, &state));
                let decisions = due.filter(|decisions| !decisions.is_empty())?;
                Some(Job { changes: vec![ClusterChange::Decided { decisions }], then: Then::Nothing })
            };
            match self.queue.pop_front().or_else(own) {
                Some(job) => self.propose(me, job),
                None => {
                    self.answer_placed();
                    self.balance(me, now, &state);
                }
            }
        }
        self.shown.show(&state, &self.roster.online());
        for errand in self.roster.errands(now, &state) {
            self.run_errand(me, errand);
        }
    }

    /// The committed state, of which the roster has taken note.
    fn follow_state(&mut self) -> Arc<ClusterState> {
        let state = self.args.ledger.state();
        if !Arc::ptr_eq(&state, &self.seen) {
            self.roster.follow(&state);
            self.seen = state.clone();
        }
        state
    }

    fn propose(&mut self, me: &ActorRef<SchedulerMsg>, job: Job) {
        self.busy = true;
        let (ledger, me) = (self.args.ledger.clone(), me.clone());
        tokio::spawn(async move {
            let mut result = Ok(());
            for change in job.changes {
                result = result.and(ledger.propose(change).await.map(drop));
                if result.is_err() {
                    break;
                }
            }
            // The scheduler may be gone.
            let _ = me.send_message(Post::Own(SchedulerOwn::Committed { result, then: job.then }));
        });
    }

    fn committed(&mut self, result: Result<()>, then: Then) {
        self.busy = false;
        self.balance_at = self.balance_at.max(Instant::now() + CALM);
        match then {
            Then::Nothing => {
                if let Err(error) = result {
                    tracing::error!(error = %error, "a decision of the scheduler was not committed");
                    self.retry_at = Instant::now() + RETRY;
                }
            }
            Then::Answer(reply) => drop(reply.send(result)),
            Then::Moved { sources, reply } => {
                sources.iter().for_each(|source| self.roster.moved(source));
                reply.map(|reply| reply.send(result));
            }
            Then::Place { source_id, reply } => match result {
                Ok(()) => self.placing.push((source_id, reply)),
                Err(error) => drop(reply.send(Err(error))),
            },
        }
    }

    fn answer_placed(&mut self) {
        let state = self.args.ledger.state();
        for (source_id, reply) in self.placing.drain(..) {
            let worker = state.bindings.get(&source_id).map(|b| b.worker.clone()).unwrap_or_default();
            let _ = reply.send(Ok(worker));
        }
    }

    fn register(&mut self, name: String, address: String, reply: RpcReplyPort<Result<()>>) {
        if let Err(reason) = self.roster.may_join(&name, &address) {
            return drop(reply.send(Err(DmError::new(Code::SchedulerWorkerExist).msg(reason))));
        }
        let known = self.args.ledger.state().workers.get(&name).is_some_and(|w| w.address == address);
        if known {
            return drop(reply.send(Ok(())));
        }
        let changes = vec![ClusterChange::PutWorker { name, address }];
        self.queue.push_back(Job { changes, then: Then::Answer(reply) });
    }

    fn add_source(&mut self, source: SourceRecord, worker: Option<String>, reply: RpcReplyPort<Result<String>>) {
        let source_id = source.source_id.clone();
        let mut changes = vec![ClusterChange::PutSource { source }];
        if let Some(worker) = worker {
            let (state, online) = (self.args.ledger.state(), self.roster.takers());
            let view = View { state: &state, online: &online };
            if let Err(why) = view.named_worker(&worker) {
                return drop(reply.send(Err(why.into())));
            }
            changes.push(ClusterChange::Assign { source_id: source_id.clone(), worker });
        }
        self.queue.push_back(Job { changes, then: Then::Place { source_id, reply } });
    }

    fn push(&mut self, me: &ActorRef<SchedulerMsg>, source_id: &str, order: Order, reply: RpcReplyPort<Pushed>) {
        let state = self.follow_state();
        let found = self.roster.assignment(source_id).zip(state.bindings.get(source_id).map(|b| b.worker.clone()));
        let Some((assignment, worker)) = found else { return drop(reply.send(Pushed::NoWorker)) };
        let Some(member) = self.member(&worker) else { return drop(reply.send(Pushed::NoWorker)) };
        let holding = assignment.holding();
        self.roster.sent(Instant::now(), &worker, holding.clone());
        let limit = order.limit().saturating_add(Duration::from_secs(2));
        let request = MemberAsk::Follow { assignment, order: Some(order) };
        let answer = post::ask::<MemberOwn, _, _>(&member, &request, limit);
        let me = me.clone();
        tokio::spawn(async move {
            let answer = answer.await;
            let _ = reply.send(pushed(&answer));
            let _ = me.send_message(Post::Own(SchedulerOwn::Delivered { worker, holding, reply: answer }));
        });
    }

    fn run_errand(&mut self, me: &ActorRef<SchedulerMsg>, errand: Errand) {
        let (worker, request, holding) = match errand {
            Errand::Follow { worker, source_id, .. } => {
                let Some(assignment) = self.roster.assignment(&source_id) else { return };
                let holding = assignment.holding();
                (worker, MemberAsk::Follow { assignment, order: None }, holding)
            }
            Errand::Release { worker, source_id, epoch, .. } => {
                let holding = messages::Holding { source_id: source_id.clone(), epoch, digest: 0 };
                (worker, MemberAsk::Release { source_id, epoch }, holding)
            }
        };
        let Some(member) = self.member(&worker) else { return };
        let answer = post::ask::<MemberOwn, _, _>(&member, &request, ERRAND_LIMIT);
        let me = me.clone();
        tokio::spawn(async move {
            let reply = answer.await;
            let _ = me.send_message(Post::Own(SchedulerOwn::Delivered { worker, holding, reply }));
        });
    }

    fn delivered(&mut self, worker: &str, holding: messages::Holding, reply: Result<MemberReply, NoReply>) {
        match reply {
            Ok(MemberReply::Done | MemberReply::Failed { .. }) => self.roster.delivered(worker, holding),
            Ok(MemberReply::Stale { epoch }) => {
                let (source, ours) = (&holding.source_id, holding.epoch);
                tracing::warn!(worker, source, epoch, ours, "the worker has seen a newer epoch of the source");
            }
            Ok(MemberReply::NotBound) => self.roster.not_taken(Instant::now(), worker, &holding),
            Ok(_) => {}
            Err(why) => {
                tracing::warn!(worker, source = holding.source_id, error = %why, "a worker did not take its word")
            }
        }
    }

    /// The member actor of a living worker's process.
    fn member(&self, worker: &str) -> Option<ActorCell> {
        let group = member_group(worker, self.roster.incarnation(worker)?);
        pg::get_scoped_members(&self.args.board.scope(), &group).into_iter().next()
    }
}

fn pushed(reply: &Result<MemberReply, NoReply>) -> Pushed {
    match reply {
        Ok(MemberReply::Done) => Pushed::Done,
        Ok(MemberReply::Failed { reason }) => Pushed::Failed(reason.clone()),
        Ok(MemberReply::Stale { .. } | MemberReply::NotBound) => Pushed::Moving,
        Ok(_) => Pushed::Failed("the worker did not understand the request".into()),
        Err(NoReply::Gone) => Pushed::Moving,
        Err(NoReply::Late(_)) => Pushed::Late,
        Err(NoReply::Malformed(why)) => Pushed::Failed(why.clone()),
    }
}

/// Undoes `member_group`.
fn parse_member_group(group: &str) -> Option<(&str, u64)> {
    let (worker, incarnation) = group.strip_prefix("member/")?.rsplit_once('/')?;
    Some((worker, u64::from_str_radix(incarnation, 16).ok()?))
}
