//! What commands can ask of the cluster: the `Cluster` trait, answered from the committed state, the scheduler actor
//! and the workers. It runs in the caller's task, so it may wait; every wait has a limit.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
    time::{Duration, Instant},
};

use async_trait::async_trait;
use prost::Message as _;
use ractor::{ActorCell, ActorRef, RpcReplyPort};

use super::{
    Ledger, SchedulerOwn, Seat,
    messages::{Pushed, SchedulerMsg},
};
use crate::{
    actors::{
        QUERY_LIMIT, inspector,
        member::{
            STRUCTURE_LIMIT,
            messages::{FailureReport, MemberAsk, MemberOwn, MemberReply, ORDER_LIMIT, Order},
        },
        post::{self, Post},
    },
    commands::{
        cluster::{Cluster, OperatorChange, SourceSpec, TaskSpec},
        reply::source_done,
    },
    config::SubtaskConfig,
    coordinator::{
        ClusterChange, Rejection,
        masters::{Leader, MasterView},
        state::{ClusterState, ExpectedStage, SourceRecord},
    },
    error::{Code, DmError, Result},
    pb,
    units::sync::tracked::StructureRequest,
};

/// What the scheduler itself may take: it never waits for anybody but the log.
const SCHEDULER_LIMIT: Duration = Duration::from_secs(15);
/// What an order may take, with the way there and back.
const PUSH_MARGIN: Duration = Duration::from_secs(4);

/// How long a new leader's scheduler may take to start.
const SEAT_LIMIT: Duration = Duration::from_secs(3);

/// How long a source may take to get to a safe point and to another worker.
const MOVE_SOURCE_LIMIT: Duration = Duration::from_secs(30);

/// How long an order waits for a source that is being moved, and between two tries.
const MOVE_LIMIT: Duration = Duration::from_secs(6);
const MOVE_PAUSE: Duration = Duration::from_millis(200);

/// The leader, as commands see it.
#[derive(Clone)]
pub struct SchedulerHandle {
    ledger: Arc<dyn Ledger>,
    seat: Seat,
    scope: String,
}

impl SchedulerHandle {
    /// The handle of this node's scheduler.
    pub fn new(scope: String, ledger: Arc<dyn Ledger>, seat: Seat) -> Self {
        SchedulerHandle { ledger, seat, scope }
    }

    /// Asks the scheduler actor; 46001 when it is not there or does not answer.
    async fn ask<R: Send + 'static>(
        &self,
        limit: Duration,
        message: impl FnOnce(RpcReplyPort<R>) -> SchedulerOwn,
    ) -> Result<R> {
        let missing = |why: &str| DmError::new(Code::SchedulerNotStarted).msg(format!("the scheduler {why}"));
        let actor = self.seated().await.ok_or_else(|| missing("has not started"))?;
        let (port, reply) = tokio::sync::oneshot::channel();
        let sent = actor.send_message(Post::Own(message((port, limit).into())));
        sent.map_err(|_| missing("is restarting, please try again"))?;
        match tokio::time::timeout(limit, reply).await {
            Ok(Ok(answer)) => Ok(answer),
            Ok(Err(_)) => Err(missing("stopped before it answered, please try again")),
            Err(_) => Err(missing(&format!("did not answer within {limit:?}"))),
        }
    }

    /// The scheduler; a new leader's starts within moments.
    async fn seated(&self) -> Option<ActorRef<SchedulerMsg>> {
        let end = Instant::now() + SEAT_LIMIT;
        loop {
            let seated = self.seat.get();
            if seated.is_some() || self.ledger.leader() != Leader::Me || Instant::now() >= end {
                return seated;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// Commits a change and lets the scheduler know.
    async fn commit(&self, change: ClusterChange) -> Result<()> {
        self.ledger.propose(change).await?;
        if let Some(actor) = self.seat.get() {
            // One that restarts reads the state anyway.
            let _ = actor.send_message(Post::Own(SchedulerOwn::Changed));
        }
        Ok(())
    }

    fn worker_of(&self, source_id: &str) -> String {
        self.ledger.state().bindings.get(source_id).map(|b| b.worker.clone()).unwrap_or_default()
    }

    /// Gives an order to each source's worker, all at once.
    async fn order_all(&self, sources: &[String], order: Order) -> Vec<pb::CommonWorkerResponse> {
        let orders = sources.iter().map(|source| self.order(source, order.clone()));
        futures::future::join_all(orders).await
    }

    async fn order(&self, source: &str, order: Order) -> pb::CommonWorkerResponse {
        let deletes = matches!(order, Order::Delete { .. });
        let refused = match self.push(source, order).await {
            Ok(Pushed::Done) => None,
            // Nothing runs anywhere: it is deleted, and a worker that comes back is told.
            Ok(Pushed::NoWorker | Pushed::Moving) if deletes => None,
            Ok(Pushed::NoWorker | Pushed::Moving) => Some(no_worker(source)),
            Ok(Pushed::Failed(reason)) => Some(failed(&reason)),
            Ok(Pushed::Late) => Some(unconfirmed(&self.worker_of(source))),
            Err(error) => Some(error),
        };
        let worker = self.worker_of(source);
        pb::CommonWorkerResponse {
            result: refused.is_none(),
            msg: refused.map(|e| e.to_string()).unwrap_or_default(),
            source: source.to_owned(),
            worker,
        }
    }

    /// Sends an order; a source that is just being moved, or whose worker is just coming back, gets a few seconds.
    async fn push(&self, source: &str, order: Order) -> Result<Pushed> {
        let end = Instant::now() + MOVE_LIMIT;
        loop {
            let (source_id, order) = (source.to_owned(), order.clone());
            let limit = order.limit().saturating_add(PUSH_MARGIN);
            let pushed = self.ask(limit, |reply| SchedulerOwn::Push { source_id, order, reply }).await?;
            let soon = matches!(pushed, Pushed::NoWorker | Pushed::Moving) && !self.worker_of(source).is_empty();
            if !soon || Instant::now() >= end {
                return Ok(pushed);
            }
            tokio::time::sleep(MOVE_PAUSE).await;
        }
    }

    async fn member(&self, worker: &str) -> Result<Option<ActorCell>> {
        let worker = worker.to_owned();
        self.ask(SCHEDULER_LIMIT, |reply| SchedulerOwn::Locate { worker, reply }).await
    }

    /// Asks the worker of a source; what the worker itself takes at most is `limit`.
    async fn ask_worker(&self, source_id: &str, request: &MemberAsk, limit: Duration) -> Result<MemberReply> {
        let worker = self.worker_of(source_id);
        let member = self.member(&worker).await?.ok_or_else(|| no_worker(source_id))?;
        let reply = post::ask::<MemberOwn, _, _>(&member, request, limit + Duration::from_secs(2)).await;
        reply.map_err(|why| unreachable(&worker, &why))
    }

    async fn ask_source(&self, source_id: &str, task: &str) -> Result<pb::QueryStatusResponse> {
        let worker = self.worker_of(source_id);
        let member = self.member(&worker).await?.ok_or_else(|| no_worker(source_id))?;
        let request = MemberAsk::Query { source_id: source_id.to_owned(), task: task.to_owned() };
        let reply = post::ask::<MemberOwn, _, _>(&member, &request, QUERY_LIMIT + Duration::from_secs(2)).await;
        match reply {
            Ok(MemberReply::Status(bytes)) => pb::QueryStatusResponse::decode(&bytes[..]).map_err(|e| {
                DmError::new(Code::MasterQueryWorkerConfig).msg("the worker's status is malformed").cause(e)
            }),
            // Bound, but the worker has not started it yet.
            Ok(_) => Ok(pb::QueryStatusResponse {
                result: true,
                msg: "no sub task started".into(),
                source_status: Some(pb::SourceStatus { source: source_id.into(), worker, ..Default::default() }),
                sub_task_status: Vec::new(),
            }),
            Err(why) => Err(unreachable(&worker, &why)),
        }
    }

    /// 46014, 46008 and 46009 before anything is touched.
    fn check_start(&self, state: &ClusterState, task: &TaskSpec) -> Result<()> {
        let ids = || task.subtasks.iter().map(|s| s.source_id.clone());
        if let Some(there) = state.tasks.get(&task.name) {
            let sources: Vec<_> = ids().filter(|s| there.subtasks.contains_key(s)).collect();
            if !sources.is_empty() {
                return Err(Rejection::SubtasksExist { task: task.name.clone(), sources }.into());
            }
        }
        if let Some(source_id) = ids().find(|s| !state.sources.contains_key(s)) {
            return Err(Rejection::UnknownSource { source_id }.into());
        }
        let unbound: Vec<_> = ids().filter(|s| !state.bindings.contains_key(s)).collect();
        match unbound.is_empty() {
            true => Ok(()),
            false => Err(DmError::new(Code::SchedulerSourcesUnbound)
                .msg(format!("sources [{}] have not bound", unbound.join(" ")))
                .workaround("Please use `list-member` to see whether enough workers are online.")),
        }
    }
}

#[async_trait]
impl Cluster for SchedulerHandle {
    fn state(&self) -> Arc<ClusterState> {
        self.ledger.state()
    }

    fn leader(&self) -> Leader {
        self.ledger.leader()
    }

    async fn remove_master(&self, name: &str) -> Result<()> {
        self.ledger.remove_master(name).await
    }

    async fn evict(&self, evict: bool) -> Result<()> {
        self.ledger.evict(evict).await
    }

    async fn remove_worker(&self, name: &str) -> Result<()> {
        let online = self.ask(SCHEDULER_LIMIT, SchedulerOwn::Online).await?;
        if online.contains(name) {
            let source_id = self.ledger.state().sources_of(name).next().unwrap_or_default().to_owned();
            return Err(Rejection::WorkerInUse { worker: name.to_owned(), source_id }.into());
        }
        self.commit(ClusterChange::RemoveWorker { name: name.to_owned() }).await
    }

    async fn transfer_source(&self, source_id: &str, worker: &str) -> Result<()> {
        let state = self.ledger.state();
        let status = match state.bindings.contains_key(source_id) {
            true => self.query_status(source_id, "").await,
            false => pb::QueryStatusResponse::default(),
        };
        let loads = |s: &&pb::SubTaskStatus| s.stage() == pb::Stage::Running && s.unit() != pb::UnitType::Sync;
        let loading: Vec<_> = status.sub_task_status.iter().filter(loads).map(|s| s.name.clone()).collect();
        if !loading.is_empty() {
            let tasks = loading.join(" ");
            return Err(DmError::new(Code::SchedulerRequireRunningTaskInSyncUnit)
                .msg(format!("tasks [{tasks}] of source {source_id} are running and not in the Sync unit"))
                .workaround("Please wait until they sync, or pause them with `pause-task` first."));
        }
        let (source_id, worker) = (source_id.to_owned(), worker.to_owned());
        self.ask(MOVE_SOURCE_LIMIT, |reply| SchedulerOwn::Transfer { source_id, worker, reply }).await?
    }

    async fn register_worker(&self, name: String, address: String) -> Result<()> {
        self.ask(SCHEDULER_LIMIT, |reply| SchedulerOwn::Register { name, address, reply }).await?
    }

    async fn add_source(&self, spec: SourceSpec, worker: Option<String>) -> Result<String> {
        let source = SourceRecord { source_id: spec.source_id, yaml: spec.yaml };
        self.ask(SCHEDULER_LIMIT, |reply| SchedulerOwn::AddSource { source, worker, reply }).await?
    }

    async fn update_source(&self, spec: SourceSpec) -> Result<String> {
        let source = SourceRecord { source_id: spec.source_id.clone(), yaml: spec.yaml };
        self.commit(ClusterChange::UpdateSource { source }).await?;
        Ok(self.worker_of(&spec.source_id))
    }

    async fn remove_source(&self, source_id: &str) -> Result<String> {
        let worker = self.worker_of(source_id);
        self.commit(ClusterChange::RemoveSource { source_id: source_id.to_owned() }).await?;
        Ok(worker)
    }

    async fn start_task(&self, task: TaskSpec) -> Result<Vec<pb::CommonWorkerResponse>> {
        self.check_start(&self.ledger.state(), &task)?;
        let stopped = task.stopped;
        if task.remove_meta {
            for subtask in &task.subtasks {
                crate::units::remove_meta(subtask).await?;
            }
        }
        let sources: Vec<String> = task.subtasks.iter().map(|s| s.source_id.clone()).collect();
        let TaskSpec { name, yaml, subtasks, .. } = task;
        let stage = if stopped { ExpectedStage::Stopped } else { ExpectedStage::Running };
        self.commit(ClusterChange::PutTask { name: name.clone(), yaml, subtasks, stage }).await?;
        if stopped {
            return Ok(sources.iter().map(|source| source_done(source, &self.worker_of(source))).collect());
        }
        Ok(self.order_all(&sources, Order::Start { task: name }).await)
    }

    async fn update_task(&self, task: &str, yaml: &str, subtasks: Vec<SubtaskConfig>) -> Result<()> {
        self.commit(ClusterChange::UpdateTask { name: task.to_owned(), yaml: yaml.to_owned(), subtasks }).await
    }

    async fn put_document(&self, key: &str, text: Option<String>) -> Result<()> {
        self.commit(ClusterChange::PutDocument { key: key.to_owned(), text }).await
    }

    async fn operate_task(
        &self,
        op: pb::TaskOp,
        task: &str,
        sources: &[String],
        limit: Option<Duration>,
    ) -> Result<Vec<pb::CommonWorkerResponse>> {
        let state = self.ledger.state();
        let all = || state.tasks.get(task).map(|t| t.subtasks.keys().cloned().collect()).unwrap_or_default();
        let concerned: Vec<String> = if sources.is_empty() { all() } else { sources.to_vec() };
        let (name, sources) = (task.to_owned(), sources.to_vec());
        let set = |stage| ClusterChange::SetStage { task: name.clone(), sources: sources.clone(), stage };
        let pause = match limit {
            Some(limit) => Order::PauseWithin { task: name.clone(), limit },
            None => Order::Pause { task: name.clone() },
        };
        let (change, order) = match op {
            pb::TaskOp::Pause => (set(ExpectedStage::Paused), pause),
            pb::TaskOp::Resume => (set(ExpectedStage::Running), Order::Resume { task: name.clone() }),
            pb::TaskOp::Stop => (set(ExpectedStage::Stopped), pause),
            pb::TaskOp::Delete => (
                ClusterChange::RemoveSubtasks { task: name.clone(), sources: sources.clone() },
                Order::Delete { task: name.clone() },
            ),
            other => {
                let text =
                    format!("operation {} on task {task} is not one of pause, resume, stop", other.as_str_name());
                return Err(DmError::new(Code::MasterInvalidOperateOp).msg(text));
            }
        };
        self.commit(change).await?;
        Ok(self.order_all(&concerned, order).await)
    }

    async fn failure(&self, source_id: &str, task: &str) -> Result<FailureReport> {
        let request = MemberAsk::Failure { source_id: source_id.to_owned(), task: task.to_owned() };
        match self.ask_worker(source_id, &request, QUERY_LIMIT).await? {
            MemberReply::Failure(Some(report)) => Ok(report),
            MemberReply::Failure(None) => {
                Err(DmError::new(Code::WorkerSubTaskNotFound).msg(format!("subtask {task} not exists")))
            }
            _ => Err(no_worker(source_id)),
        }
    }

    async fn operate_event(&self, source_id: &str, task: &str, change: OperatorChange) -> Result<()> {
        let (task, source) = (task.to_owned(), source_id.to_owned());
        let resume = matches!(change, OperatorChange::Set { .. });
        let order = Order::Operate { task: task.clone(), resume };
        self.commit(match change {
            OperatorChange::Set { operator, passed } => {
                ClusterChange::SetOperator { task, source_id: source, operator, passed }
            }
            OperatorChange::Remove { position } => ClusterChange::RemoveOperator { task, source_id: source, position },
        })
        .await?;
        match self.push(source_id, order).await? {
            // A worker that takes the source over gets it with the assignment.
            Pushed::Done | Pushed::NoWorker | Pushed::Moving => Ok(()),
            Pushed::Failed(reason) => Err(failed(&reason)),
            Pushed::Late => Err(unconfirmed(&self.worker_of(source_id))),
        }
    }

    async fn structure(&self, source_id: &str, task: &str, request: StructureRequest) -> Result<String> {
        let request = MemberAsk::Structure { source_id: source_id.to_owned(), task: task.to_owned(), request };
        match self.ask_worker(source_id, &request, STRUCTURE_LIMIT).await? {
            MemberReply::Structure(done) => done.map_err(|reason| failed(&reason)),
            _ => Err(no_worker(source_id)),
        }
    }

    async fn query_status(&self, source_id: &str, task: &str) -> pb::QueryStatusResponse {
        match self.ask_source(source_id, task).await {
            Ok(status) => status,
            Err(error) => pb::QueryStatusResponse {
                result: false,
                msg: error.to_string(),
                source_status: Some(pb::SourceStatus {
                    source: source_id.to_owned(),
                    worker: self.worker_of(source_id),
                    ..Default::default()
                }),
                sub_task_status: Vec::new(),
            },
        }
    }

    async fn members(&self) -> Vec<pb::Members> {
        use pb::members::Member;
        let (state, online) = (self.ledger.state(), self.ask(SCHEDULER_LIMIT, SchedulerOwn::Online).await);
        let all = self.ledger.masters().await;
        let leader = all.iter().find(|master| master.leads);
        let leader = leader.map(|l| pb::ListLeaderMember {
            name: l.record.name.clone(),
            addr: l.record.client_addr.clone(),
            ..Default::default()
        });
        let leader = leader.unwrap_or_default();
        let master = |view: MasterView| pb::MasterInfo {
            name: view.record.name,
            member_id: view.id,
            alive: view.alive,
            peer_ur_ls: view.record.peer_urls,
            client_ur_ls: vec![format!("http://{}", view.record.client_addr)],
        };
        let workers = match online {
            Ok(online) => pb::ListWorkerMember { workers: worker_rows(&state, &online), ..Default::default() },
            Err(error) => pb::ListWorkerMember { msg: error.to_string(), ..Default::default() },
        };
        let masters = pb::ListMasterMember { masters: all.into_iter().map(master).collect(), ..Default::default() };
        let rows = [Member::Leader(leader), Member::Master(masters), Member::Worker(workers)];
        rows.into_iter().map(|member| pb::Members { member: Some(member) }).collect()
    }

    async fn worker_config(&self, worker: &str) -> Result<String> {
        if !self.ledger.state().workers.contains_key(worker) {
            return Err(Rejection::UnknownWorker { worker: worker.to_owned() }.into());
        }
        let gone = || DmError::new(Code::MasterQueryWorkerConfig).msg(format!("dm-worker {worker} is offline"));
        let member = self.member(worker).await?.ok_or_else(gone)?;
        match post::ask::<MemberOwn, _, _>(&member, &MemberAsk::Config, QUERY_LIMIT).await {
            Ok(MemberReply::Config(text)) => Ok(text),
            Ok(_) => {
                Err(DmError::new(Code::MasterQueryWorkerConfig).msg(format!("dm-worker {worker} did not understand")))
            }
            Err(why) => Err(unreachable(worker, &why)),
        }
    }

    async fn actors(&self) -> serde_json::Value {
        inspector::gather(&self.scope).await
    }
}

fn worker_rows(state: &ClusterState, online: &BTreeSet<String>) -> Vec<pb::WorkerInfo> {
    let mut sources = BTreeMap::<&str, Vec<&str>>::new();
    for (source, binding) in &state.bindings {
        sources.entry(&binding.worker).or_default().push(source);
    }
    let row = |w: &crate::coordinator::state::WorkerRecord| {
        let source = sources.get(w.name.as_str()).map(|all| all.join(",")).unwrap_or_default();
        let stage = match (online.contains(&w.name), source.is_empty()) {
            (false, _) => "offline",
            (true, true) => "free",
            (true, false) => "bound",
        };
        let source = if stage == "offline" { String::new() } else { source };
        pb::WorkerInfo { name: w.name.clone(), addr: w.address.clone(), stage: stage.into(), source }
    };
    state.workers.values().map(row).collect()
}

/// No worker to talk to. Scripts look for `relevant worker-client not found`.
fn no_worker(source: &str) -> DmError {
    DmError::new(Code::MasterWorkerArgsExtractor)
        .msg(format!("{source} relevant worker-client not found"))
        .workaround("Please use `list-member` to see whether its worker is online; a free worker takes it over.")
}

/// The worker said no.
fn failed(reason: &str) -> DmError {
    DmError::new(Code::MasterOperRespNotSuccess)
        .msg(format!("some error occurs in dm-worker: {reason}"))
        .workaround("Please execute `query-status` to check status.")
}

fn unconfirmed(worker: &str) -> DmError {
    DmError::new(Code::MasterFailToGetExpectResult)
        .msg(format!("dm-worker {worker} did not confirm the operation within {ORDER_LIMIT:?}"))
        .workaround("It will be done when the worker can; please execute `query-status` to check status.")
}

fn unreachable(worker: &str, why: &post::NoReply) -> DmError {
    DmError::new(Code::MasterOperRequestTimeout)
        .msg(format!("dm-worker {worker} does not answer: {why}"))
        .workaround("Please use `list-member` to see whether it is online.")
}
