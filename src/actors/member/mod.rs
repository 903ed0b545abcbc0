//! The member actor: a worker's side of the cluster. It presents itself to the leader's scheduler, sends heartbeats,
//! and starts and ends source actors as told. While no leader is reached its sources run on.

pub mod messages;
pub mod state;

use std::{
    collections::BTreeMap,
    sync::Arc,
    time::{Duration, Instant},
};

use prost::Message as _;
use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, ActorStatus, RpcReplyPort, SupervisionEvent, pg};
use serde_json::json;

use messages::{Assignment, MemberAsk, MemberMsg, MemberOwn, MemberReply, ORDER_LIMIT, Order};
use state::{Link, Say, Sources, Verdict};

use super::{
    QUERY_LIMIT, SCHEDULERS, member_group,
    node::messages::NodeMsg,
    observe::{Board, Pin},
    post::{self, Post},
    scheduler::SchedulerOwn,
    scheduler::messages::{Hello, SchedulerAsk, SchedulerReply},
    source::{SourceActor, SourceArgs, SourceMsg},
    subtask::{Confirmation, Kit, Loads},
    supervise::dice,
};
use crate::{observe::events::OperateFailed, units::Fence};

/// How often the member looks at its clock.
const TICK: Duration = Duration::from_millis(100);
/// What a look at a structure, or its change, may take: it asks databases.
pub const STRUCTURE_LIMIT: Duration = Duration::from_secs(60);

/// A worker's member.
pub struct MemberActor;

/// What it is started with.
#[derive(Clone)]
pub struct MemberArgs {
    pub name: String,
    pub address: String,
    pub incarnation: u64,
    pub ttl: Duration,
    /// `max-sources`; 0: as many as needed.
    pub max_sources: u32,
    /// Whether other workers take over when this one ends (not in a standalone node, whose workers end together).
    pub hands_over: bool,
    pub config_toml: String,
    pub kit: Kit,
    pub board: Arc<Board>,
    /// Asked to drop a connection from which nothing comes back.
    pub node: ActorRef<NodeMsg>,
}

struct Waiting {
    assignment: Assignment,
    orders: Vec<(Option<Order>, RpcReplyPort<Vec<u8>>)>,
}

pub struct MemberShell {
    args: MemberArgs,
    link: Link,
    sources: Sources,
    actors: BTreeMap<String, ActorRef<SourceMsg>>,
    /// Assignments that wait until the actor of an older epoch is gone.
    waiting: BTreeMap<String, Waiting>,
    /// Who waits until a source is gone.
    letting_go: BTreeMap<String, Vec<RpcReplyPort<Vec<u8>>>>,
    leader: Option<ActorCell>,
    /// A leader that did not answer; another is tried first.
    avoided: Option<ractor::ActorId>,
    retiring: bool,
    /// The leader is being told that this worker ends; the process must not be gone before the word is.
    parting: bool,
    /// What the subtasks say of files of loads.
    loads: Arc<Loads>,
    /// After how many changes of it the leader was told.
    told: Option<u64>,
    telling: bool,
    _pin: Pin,
}

#[ractor::async_trait]
impl Actor for MemberActor {
    type Msg = MemberMsg;
    type State = MemberShell;
    type Arguments = MemberArgs;

    async fn pre_start(&self, me: ActorRef<MemberMsg>, args: MemberArgs) -> Result<MemberShell, ActorProcessingErr> {
        let name = format!("member:{}", args.name);
        let parent = format!("node:{}", args.board.node());
        let pin = args.board.pin("member", name, parent, &me, |port| Post::Own(MemberOwn::Report(port)));
        pg::monitor_scope(args.board.scope(), me.get_cell());
        pg::join_scoped(args.board.scope(), member_group(&args.name, args.incarnation), vec![me.get_cell()]);
        me.send_interval(TICK, || Post::Own(MemberOwn::Tick));
        Ok(MemberShell {
            link: Link::new(args.ttl, Instant::now()),
            args,
            sources: Sources::default(),
            actors: BTreeMap::new(),
            waiting: BTreeMap::new(),
            letting_go: BTreeMap::new(),
            leader: None,
            avoided: None,
            retiring: false,
            parting: false,
            loads: Arc::default(),
            told: None,
            telling: false,
            _pin: pin,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<MemberMsg>,
        message: MemberMsg,
        shell: &mut MemberShell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            Post::Ask(bytes, reply) => match crate::wire::decode::<MemberAsk>(&bytes) {
                Ok(request) => shell.request(&me, request, reply).await,
                Err(error) => {
                    tracing::warn!(error = %error, "a request to this worker could not be decoded");
                    post::answer(reply, &MemberReply::NotUnderstood);
                }
            },
            Post::Own(MemberOwn::Tick) => shell.tick(&me),
            Post::Own(MemberOwn::Heard { attempt, reply }) => shell.heard(attempt, reply),
            Post::Own(MemberOwn::LoadsTold { changes, told }) => {
                shell.telling = false;
                shell.told = Some(changes).filter(|_| told).or(shell.told);
            }
            Post::Own(MemberOwn::Retire) => shell.retire(&me),
            Post::Own(MemberOwn::Parted) => {
                shell.parting = false;
                shell.end_when_done(&me);
            }
            Post::Own(MemberOwn::Report(reply)) => {
                let _ = reply.send(json!({
                    "worker": shell.args.name,
                    "address": shell.args.address,
                    "leaderKnowsMe": shell.link.accepted(),
                    "secondsSinceHeard": shell.link.silence(Instant::now()).as_secs(),
                    "sources": shell.actors.keys().collect::<Vec<_>>(),
                }));
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<MemberMsg>,
        event: SupervisionEvent,
        shell: &mut MemberShell,
    ) -> Result<(), ActorProcessingErr> {
        match event {
            SupervisionEvent::ActorTerminated(cell, _, _) => shell.source_gone(&me, &cell).await,
            SupervisionEvent::ActorFailed(cell, why) => {
                tracing::error!(error = %why, "a source's actor failed");
                shell.source_gone(&me, &cell).await;
            }
            SupervisionEvent::ProcessGroupChanged(change) if change.get_group() == SCHEDULERS => {
                shell.link.leader_changed(Instant::now());
                shell.leader = None;
                shell.tick(&me);
            }
            _ => {}
        }
        Ok(())
    }
}

impl MemberShell {
    async fn request(&mut self, me: &ActorRef<MemberMsg>, request: MemberAsk, reply: RpcReplyPort<Vec<u8>>) {
        match request {
            MemberAsk::Follow { assignment, order } => self.follow(me, assignment, order, reply).await,
            MemberAsk::Release { source_id, epoch } => {
                if self.sources.release(&source_id, epoch) {
                    tracing::info!(source = source_id, epoch, "the source was given to another worker, stopping it");
                    self.kill_source(&source_id);
                }
                if self.waiting.get(&source_id).is_some_and(|w| w.assignment.epoch <= epoch) {
                    self.waiting.remove(&source_id);
                }
                post::answer(reply, &MemberReply::Done);
            }
            MemberAsk::LetGo { source_id, epoch } => match self.actors.get(&source_id) {
                Some(actor) if self.sources.let_go(&source_id, epoch) => {
                    let _ = actor.send_message(SourceMsg::Retire { kill: false });
                    self.letting_go.entry(source_id).or_default().push(reply);
                }
                _ => post::answer(reply, &MemberReply::Done),
            },
            MemberAsk::Query { source_id, task } => self.query(&source_id, task, reply),
            MemberAsk::Config => post::answer(reply, &MemberReply::Config(self.args.config_toml.clone())),
            MemberAsk::Failure { source_id, task } => {
                let ask = |port| SourceMsg::Failure { task, reply: port };
                self.pass_on(&source_id, reply, QUERY_LIMIT, ask, MemberReply::Failure);
            }
            MemberAsk::Structure { source_id, task, request } => {
                let ask = |port| SourceMsg::Structure { task, request, reply: port };
                self.pass_on(&source_id, reply, STRUCTURE_LIMIT, ask, MemberReply::Structure);
            }
        }
    }

    async fn follow(
        &mut self,
        me: &ActorRef<MemberMsg>,
        assignment: Assignment,
        order: Option<Order>,
        reply: RpcReplyPort<Vec<u8>>,
    ) {
        if self.retiring {
            let reason = "the worker is shutting down".to_owned();
            return post::answer(reply, &MemberReply::Failed { reason });
        }
        if !self.link.has_lease() {
            return post::answer(reply, &MemberReply::NotBound);
        }
        match self.sources.follow(&assignment) {
            Verdict::Stale { epoch } => post::answer(reply, &MemberReply::Stale { epoch }),
            Verdict::Forward => self.forward(assignment, order, reply),
            Verdict::Start => {
                self.start(me, &assignment).await;
                self.forward(assignment, order, reply);
            }
            Verdict::Replace => {
                let source = assignment.source_id.clone();
                let waiting = self.waiting.entry(source.clone());
                let waiting = waiting.or_insert_with(|| Waiting { assignment: assignment.clone(), orders: Vec::new() });
                waiting.assignment = assignment;
                waiting.orders.push((order, reply));
                self.kill_source(&source);
            }
        }
    }

    async fn start(&mut self, me: &ActorRef<MemberMsg>, assignment: &Assignment) {
        let args = SourceArgs {
            source_id: assignment.source_id.clone(),
            source_yaml: assignment.source_yaml.clone(),
            fence: Fence { cluster_id: assignment.cluster_id, epoch: assignment.epoch },
            worker: self.args.name.clone(),
            kit: self.args.kit.clone(),
            board: self.args.board.clone(),
            loads: self.loads.clone(),
        };
        tracing::info!(source = assignment.source_id, epoch = assignment.epoch, "the source is bound to this worker");
        match Actor::spawn_linked(None, SourceActor, args, me.get_cell()).await {
            Ok((actor, _)) => drop(self.actors.insert(assignment.source_id.clone(), actor)),
            Err(why) => {
                tracing::error!(source = assignment.source_id, error = %why, "the source's actor did not start");
                // Not held: the next heartbeat says so, and the leader asks again.
                self.sources.gone(&assignment.source_id);
            }
        }
    }

    fn forward(&mut self, assignment: Assignment, order: Option<Order>, reply: RpcReplyPort<Vec<u8>>) {
        let Some(actor) = self.actors.get(&assignment.source_id) else {
            return post::answer(reply, &MemberReply::NotBound);
        };
        let limit = order.as_ref().map_or(ORDER_LIMIT, Order::limit);
        let (op, worker) = (order.as_ref().map_or("SourceBound", Order::name), self.args.name.clone());
        let (confirm, confirmed) = tokio::sync::oneshot::channel::<Confirmation>();
        if actor.send_message(SourceMsg::Follow { assignment, order, confirm: confirm.into() }).is_err() {
            return post::answer(reply, &MemberReply::NotBound);
        }
        tokio::spawn(async move {
            let answer = match tokio::time::timeout(limit, confirmed).await {
                Ok(Ok(Ok(()))) => MemberReply::Done,
                Ok(Ok(Err(reason))) => {
                    OperateFailed { worker: &worker, op, error: &reason }.emit();
                    MemberReply::Failed { reason }
                }
                Ok(Err(_)) => MemberReply::NotBound,
                // Nobody waits that long: the leader has given up.
                Err(_) => return,
            };
            post::answer(reply, &answer);
        });
    }

    fn query(&self, source_id: &str, task: String, reply: RpcReplyPort<Vec<u8>>) {
        let (port, status) = tokio::sync::oneshot::channel();
        let Some(actor) = self.actors.get(source_id) else { return post::answer(reply, &MemberReply::NotBound) };
        if actor.send_message(SourceMsg::Query { task, reply: port.into() }).is_err() {
            return post::answer(reply, &MemberReply::NotBound);
        }
        tokio::spawn(async move {
            if let Ok(Ok(status)) = tokio::time::timeout(QUERY_LIMIT + Duration::from_secs(1), status).await {
                post::answer(reply, &MemberReply::Status(status.encode_to_vec()));
            }
        });
    }

    /// Asks a source's actor, and answers with its answer.
    fn pass_on<T: Send + 'static>(
        &self,
        source_id: &str,
        reply: RpcReplyPort<Vec<u8>>,
        limit: Duration,
        ask: impl FnOnce(RpcReplyPort<T>) -> SourceMsg,
        answer: impl FnOnce(T) -> MemberReply + Send + 'static,
    ) {
        let (port, answered) = tokio::sync::oneshot::channel();
        let told = self.actors.get(source_id).is_some_and(|actor| actor.send_message(ask(port.into())).is_ok());
        if !told {
            return post::answer(reply, &MemberReply::NotBound);
        }
        tokio::spawn(async move {
            if let Ok(Ok(value)) = tokio::time::timeout(limit, answered).await {
                post::answer(reply, &answer(value));
            }
        });
    }

    fn kill_source(&self, source_id: &str) {
        if let Some(actor) = self.actors.get(source_id) {
            let _ = actor.send_message(SourceMsg::Retire { kill: true });
        }
    }

    async fn source_gone(&mut self, me: &ActorRef<MemberMsg>, cell: &ActorCell) {
        let found = self.actors.iter().find(|(_, a)| a.get_id() == cell.get_id()).map(|(id, _)| id.clone());
        let Some(source_id) = found else { return };
        self.actors.remove(&source_id);
        self.loads.forget(&source_id);
        for reply in self.letting_go.remove(&source_id).into_iter().flatten() {
            post::answer(reply, &MemberReply::Done);
        }
        let waiting = self.waiting.remove(&source_id);
        if self.sources.gone(&source_id)
            && !self.retiring
            && let Some(waiting) = waiting
        {
            self.start(me, &waiting.assignment).await;
            // Takes note of the digest.
            self.sources.follow(&waiting.assignment);
            for (order, reply) in waiting.orders {
                self.forward(waiting.assignment.clone(), order, reply);
            }
        }
        // The leader hears at once what runs here now, and asks again for what should run.
        self.link.hurry(Instant::now());
        self.end_when_done(me);
    }

    fn end_when_done(&self, me: &ActorRef<MemberMsg>) {
        if self.retiring && !self.parting && self.actors.is_empty() {
            me.stop(None);
        }
    }

    fn tick(&mut self, me: &ActorRef<MemberMsg>) {
        if self.link.expired(Instant::now()) && !self.actors.is_empty() {
            tracing::warn!("no leader confirmed this worker in time: its sources stop until one does");
            self.waiting.clear();
            self.sources.abandon();
            self.actors.keys().for_each(|source| self.kill_source(source));
        }
        if !self.link.has_lease() && !self.actors.is_empty() {
            // It presents itself once everything has stopped: then it gets new epochs.
            return;
        }
        self.tell_loads(me);
        let Some(leader) = self.find_leader() else { return };
        let request = match self.link.tick(Instant::now()) {
            Say::Nothing => return,
            Say::Hello => SchedulerAsk::Hello(Hello {
                name: self.args.name.clone(),
                address: self.args.address.clone(),
                incarnation: self.args.incarnation,
                ttl_ms: self.args.ttl.as_millis() as u64,
                running: self.sources.holdings(),
                max_sources: self.args.max_sources,
            }),
            Say::Beat => SchedulerAsk::Beat {
                name: self.args.name.clone(),
                incarnation: self.args.incarnation,
                running: self.sources.holdings(),
            },
        };
        let (attempt, me) = (self.link.attempt(), me.clone());
        let reply = post::ask::<SchedulerOwn, _, _>(&leader, &request, self.link.patience());
        tokio::spawn(async move {
            let reply = reply.await;
            // The member may be gone.
            let _ = me.send_message(Post::Own(MemberOwn::Heard { attempt, reply }));
        });
    }

    /// The leader's scheduler, here or on another node.
    fn find_leader(&mut self) -> Option<ActorCell> {
        let alive = |cell: &ActorCell| cell.get_status() <= ActorStatus::Upgrading;
        if !self.leader.as_ref().is_some_and(alive) {
            let found: Vec<_> = pg::get_scoped_members(&self.args.board.scope(), &SCHEDULERS.into())
                .into_iter()
                .filter(alive)
                .collect();
            let other = found.iter().find(|c| Some(c.get_id()) != self.avoided);
            self.leader = other.or(found.first()).cloned();
        }
        self.leader.clone()
    }

    fn heard(&mut self, attempt: u64, reply: Result<SchedulerReply, post::NoReply>) {
        let (before, now) = (self.link.accepted(), Instant::now());
        let dead = self.link.heard(now, attempt, &reply, dice());
        match (&reply, before) {
            (Ok(SchedulerReply::Accepted), false) if self.link.accepted() => {
                tracing::info!("the leader knows this worker");
                // It may be another one.
                self.told = None;
            }
            (Ok(SchedulerReply::Refused { reason }), _) => tracing::warn!(reason, "the leader refuses this worker"),
            (Err(why), true) => tracing::warn!(error = %why, "the leader does not answer; running sources go on"),
            _ => {}
        }
        if reply.is_err() && !self.link.accepted() {
            let silent = self.leader.take();
            self.avoided = silent.as_ref().map(ActorCell::get_id);
            if let Some(cell) = silent.filter(|_| dead) {
                let _ = self.args.node.send_message(NodeMsg::DropSession { of: cell.get_id() });
            }
        }
    }

    /// Tells the leader which loads stand on files of this machine, when that is news.
    fn tell_loads(&mut self, me: &ActorRef<MemberMsg>) {
        let changes = self.loads.changes();
        if self.telling || !self.link.accepted() || self.told == Some(changes) {
            return;
        }
        let Some(leader) = self.find_leader() else { return };
        self.telling = true;
        let (name, incarnation) = (self.args.name.clone(), self.args.incarnation);
        let loads = self.sources.load_files(self.loads.said());
        let request = SchedulerAsk::Loads { name, incarnation, loads };
        let (me, patience) = (me.clone(), self.link.patience());
        let said = post::ask::<SchedulerOwn, _, SchedulerReply>(&leader, &request, patience);
        tokio::spawn(async move {
            // An older leader does not understand it, and need not.
            let told = matches!(said.await, Ok(SchedulerReply::Accepted | SchedulerReply::NotUnderstood));
            // The member may be gone.
            let _ = me.send_message(Post::Own(MemberOwn::LoadsTold { changes, told }));
        });
    }

    fn retire(&mut self, me: &ActorRef<MemberMsg>) {
        self.retiring = true;
        self.waiting.clear();
        if let Some(leader) = self.find_leader().filter(|_| self.args.hands_over) {
            let leave = SchedulerAsk::Leave { name: self.args.name.clone(), incarnation: self.args.incarnation };
            let said = post::ask::<SchedulerOwn, _, SchedulerReply>(&leader, &leave, self.link.patience());
            self.parting = true;
            let me = me.clone();
            tokio::spawn(async move {
                // Whoever does not hear it notices that this worker is gone.
                let _ = said.await;
                let _ = me.send_message(Post::Own(MemberOwn::Parted));
            });
        }
        for actor in self.actors.values() {
            let _ = actor.send_message(SourceMsg::Retire { kill: false });
        }
        self.end_when_done(me);
    }
}
