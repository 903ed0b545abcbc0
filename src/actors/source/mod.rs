//! The source actor: one source bound to this worker under one epoch. Another epoch is another actor.

pub mod messages;
pub mod state;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use serde_json::json;

pub use messages::SourceMsg;
use state::{Confirm, Effect, Subtasks};

use super::{
    QUERY_LIMIT,
    member::messages::{Assignment, Order, SubtaskSpec},
    observe::{Board, Pin},
    subtask::{Confirmation, Kit, Loads, Look, SubtaskActor, SubtaskArgs, SubtaskMsg},
    supervise::ResumePolicy,
};
use crate::{
    config::SourceConfig,
    coordinator::state::ExpectedStage,
    error::{Code, DmError},
    observe::events::SubtaskRemoved,
    pb,
    units::{
        Fence, UnitEnv,
        sync::tracked::{self, StructureRequest},
    },
};

/// A subtask actor that failed (a defect, not a unit's error) is started again after this.
const RESTART_DELAY: Duration = Duration::from_secs(5);

/// One source.
pub struct SourceActor;

/// What it is started with. Its subtasks come with the first `Follow`.
pub struct SourceArgs {
    pub source_id: String,
    pub source_yaml: String,
    pub fence: Fence,
    pub worker: String,
    pub kit: Kit,
    pub board: Arc<Board>,
    pub loads: Arc<Loads>,
}

pub struct SourceShell {
    args: SourceArgs,
    name: String,
    policy: ResumePolicy,
    subtasks: Subtasks,
    actors: BTreeMap<String, ActorRef<SubtaskMsg>>,
    /// Confirmations for a subtask that has yet to start, with what they wait for.
    starting: BTreeMap<String, Vec<RpcReplyPort<Confirmation>>>,
    /// Confirmations that a subtask is gone.
    leaving: BTreeMap<String, Vec<RpcReplyPort<Confirmation>>>,
    _pin: Pin,
}

#[ractor::async_trait]
impl Actor for SourceActor {
    type Msg = SourceMsg;
    type State = SourceShell;
    type Arguments = SourceArgs;

    async fn pre_start(&self, me: ActorRef<SourceMsg>, args: SourceArgs) -> Result<SourceShell, ActorProcessingErr> {
        let name = format!("source:{}", args.source_id);
        let pin = args.board.pin("source", &name, format!("member:{}", args.worker), &me, SourceMsg::Report);
        Ok(SourceShell {
            name,
            policy: policy(&args),
            args,
            subtasks: Subtasks::default(),
            actors: BTreeMap::new(),
            starting: BTreeMap::new(),
            leaving: BTreeMap::new(),
            _pin: pin,
        })
    }

    async fn handle(
        &self,
        me: ActorRef<SourceMsg>,
        message: SourceMsg,
        shell: &mut SourceShell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            SourceMsg::Follow { assignment, order, confirm } => {
                shell.follow(&me, assignment, order, confirm).await;
            }
            SourceMsg::Query { task, reply } => shell.query(task, reply),
            SourceMsg::Failure { task, reply } => {
                let looked = shell.look_at(&task);
                tokio::spawn(async move {
                    let _ = reply.send(looked.await.map(|look| look.failure()));
                });
            }
            SourceMsg::Structure { task, request, reply } => {
                let looked = shell.look_at(&task);
                tokio::spawn(async move {
                    let done = look_done(looked.await, &task, request).await;
                    let _ = reply.send(done.map_err(|error| error.to_string()));
                });
            }
            SourceMsg::Retire { kill } => {
                let effects = shell.subtasks.retire(kill);
                shell.carry_out(&me, effects).await;
            }
            SourceMsg::Restart { task } => {
                let effects = shell.subtasks.restart(&task);
                shell.carry_out(&me, effects).await;
            }
            SourceMsg::Report(reply) => {
                let subtasks: Vec<_> = shell.subtasks.alive().collect();
                let _ = reply.send(json!({
                    "epoch": shell.args.fence.epoch,
                    "clusterId": shell.args.fence.cluster_id.to_string(),
                    "subtasks": subtasks,
                }));
            }
        }
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<SourceMsg>,
        event: SupervisionEvent,
        shell: &mut SourceShell,
    ) -> Result<(), ActorProcessingErr> {
        let gone = match event {
            SupervisionEvent::ActorTerminated(cell, _, _) => shell.take(&cell),
            SupervisionEvent::ActorFailed(cell, why) => {
                let task = shell.take(&cell);
                tracing::error!(source = shell.args.source_id, task, error = %why, "a subtask's actor failed");
                task
            }
            _ => None,
        };
        let Some(task) = gone else { return Ok(()) };
        SubtaskRemoved { task: &task, source_id: &shell.args.source_id }.emit();
        for confirm in shell.leaving.remove(&task).unwrap_or_default() {
            let _ = confirm.send(Ok(()));
        }
        let effects = shell.subtasks.gone(&task);
        shell.carry_out(&me, effects).await;
        Ok(())
    }
}

impl SourceShell {
    async fn follow(
        &mut self,
        me: &ActorRef<SourceMsg>,
        assignment: Assignment,
        order: Option<Order>,
        confirm: RpcReplyPort<Confirmation>,
    ) {
        if assignment.source_yaml != self.args.source_yaml {
            self.args.source_yaml = assignment.source_yaml;
            self.policy = policy(&self.args);
        }
        let (effects, when) = self.subtasks.follow(assignment.subtasks, order.as_ref());
        let limit = order.as_ref().and_then(|o| Some((o.task().to_owned(), o.stop_limit()?)));
        let task = order.map(|o| o.task().to_owned()).unwrap_or_default();
        match when {
            Confirm::Now => drop(confirm.send(Ok(()))),
            Confirm::WhenGone => self.leaving.entry(task).or_default().push(confirm),
            // Taken from there by the first word to the subtask: below, or when it starts.
            Confirm::BySubtask => self.starting.entry(task).or_default().push(confirm),
        }
        if let Some((actor, limit)) = limit.and_then(|(task, limit)| Some((self.actors.get(&task)?, limit))) {
            let _ = actor.send_message(SubtaskMsg::StopLimit(limit));
        }
        self.carry_out(me, effects).await;
    }

    async fn carry_out(&mut self, me: &ActorRef<SourceMsg>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::Start { spec } => self.start(me, *spec).await,
                Effect::Tell { task, expected, by_user } => self.tell(&task, expected, by_user),
                Effect::Operators { task, operators } => {
                    if let Some(actor) = self.actors.get(&task) {
                        let _ = actor.send_message(SubtaskMsg::Operators(operators));
                    }
                }
                Effect::Retire { task, kill } => {
                    if let Some(actor) = self.actors.get(&task) {
                        let _ = actor.send_message(SubtaskMsg::Retire { kill });
                    }
                }
                Effect::RestartLater { task } => {
                    me.send_after(RESTART_DELAY, || SourceMsg::Restart { task });
                }
                Effect::Gone => me.stop(None),
            }
        }
    }

    async fn start(&mut self, me: &ActorRef<SourceMsg>, spec: SubtaskSpec) {
        let (task, expected) = (spec.config.name.clone(), spec.expected);
        let operators = spec.operators;
        let args = SubtaskArgs {
            env: UnitEnv {
                config: Arc::new(spec.config),
                fence: self.args.fence,
                worker: self.args.worker.clone(),
                unsaved: Arc::default(),
                parked: Arc::default(),
            },
            kit: self.args.kit.clone(),
            policy: self.policy.clone(),
            board: self.args.board.clone(),
            parent: self.name.clone(),
            operators,
            loads: self.args.loads.clone(),
        };
        match Actor::spawn_linked(None, SubtaskActor, args, me.get_cell()).await {
            Ok((actor, _)) => {
                self.actors.insert(task.clone(), actor);
                self.tell(&task, expected, true);
            }
            Err(why) => {
                tracing::error!(source = self.args.source_id, task, error = %why, "a subtask's actor did not start");
                let effects = self.subtasks.gone(&task);
                for effect in effects {
                    if let Effect::RestartLater { task } = effect {
                        me.send_after(RESTART_DELAY, || SourceMsg::Restart { task });
                    }
                }
            }
        }
    }

    /// Tells a subtask its stage, once for every confirmation that waits for it.
    fn tell(&mut self, task: &str, expected: ExpectedStage, by_user: bool) {
        let Some(actor) = self.actors.get(task) else { return };
        let waiting = self.starting.remove(task).unwrap_or_default();
        if waiting.is_empty() {
            let _ = actor.send_message(SubtaskMsg::Follow { expected, by_user, confirm: None });
        }
        for confirm in waiting {
            let _ = actor.send_message(SubtaskMsg::Follow { expected, by_user, confirm: Some(confirm) });
        }
    }

    fn take(&mut self, cell: &ActorCell) -> Option<String> {
        let task = self.actors.iter().find(|(_, a)| a.get_id() == cell.get_id()).map(|(task, _)| task.clone())?;
        self.actors.remove(&task);
        Some(task)
    }

    /// A subtask at this moment; None when it isn't here or doesn't answer.
    fn look_at(&self, task: &str) -> impl Future<Output = Option<Look>> + Send + 'static {
        let actor = self.actors.get(task).cloned();
        async move { ask_look(&actor?).await }
    }

    /// Collects the live status in a task of its own.
    fn query(&self, task: String, reply: RpcReplyPort<pb::QueryStatusResponse>) {
        let wanted = |(name, _): &(&String, _)| task.is_empty() || **name == task;
        let actors: Vec<_> = self.actors.iter().filter(wanted).map(|(_, actor)| actor.clone()).collect();
        let (source, worker) = (self.args.source_id.clone(), self.args.worker.clone());
        tokio::spawn(async move {
            let looks = futures::future::join_all(actors.iter().map(look)).await;
            let subtasks: Vec<_> = looks.into_iter().flatten().collect();
            let _ = reply.send(status_reply(source, worker, &task, subtasks));
        });
    }
}

async fn ask_look(actor: &ActorRef<SubtaskMsg>) -> Option<Look> {
    let (port, answer) = tokio::sync::oneshot::channel();
    actor.send_message(SubtaskMsg::Look(port.into())).ok()?;
    tokio::time::timeout(Duration::from_secs(1), answer).await.ok()?.ok()
}

/// Shows or changes a tracked structure of a subtask: 40054 when it isn't here, 40051 when it must be paused first,
/// 40056 when it isn't in Sync.
async fn look_done(look: Option<Look>, task: &str, request: StructureRequest) -> Result<String, DmError> {
    let look =
        look.ok_or_else(|| DmError::new(Code::WorkerSubTaskNotFound).msg(format!("subtask {task} not exists")))?;
    if request.changes() && look.stage != pb::Stage::Paused {
        return Err(DmError::new(Code::WorkerNotPausedStage)
            .msg(format!("current stage is {} but not paused, invalid", look.stage.as_str_name()))
            .workaround(format!("Please `pause-task {task}` first.")));
    }
    if look.unit != pb::UnitType::Sync {
        return Err(DmError::new(Code::WorkerOperSyncUnitOnly).msg(format!(
            "such operation is only available for syncer, but now syncer is not running. current unit is {}",
            look.unit.as_str_name()
        )));
    }
    tracked::operate(&look.env, &request).await
}

/// One subtask's status and its unit's remarks; the live part falls back to counters when the source does not answer.
async fn look(actor: &ActorRef<SubtaskMsg>) -> Option<(pb::SubTaskStatus, Vec<String>)> {
    let look = ask_look(actor).await?;
    let (status, notes) = match look.running {
        Some(unit) => {
            let limit = QUERY_LIMIT - Duration::from_millis(500);
            let fresh = tokio::time::timeout(limit, unit.fresh_status()).await;
            (Some(fresh.unwrap_or_else(|_| unit.status())), unit.notes())
        }
        None => (None, Vec::new()),
    };
    let status = pb::SubTaskStatus {
        name: look.name,
        stage: look.stage.into(),
        unit: look.unit.into(),
        result: look.result,
        status,
        ..Default::default()
    };
    Some((status, notes))
}

fn status_reply(
    source: String,
    worker: String,
    task: &str,
    subtasks: Vec<(pb::SubTaskStatus, Vec<String>)>,
) -> pb::QueryStatusResponse {
    let notes: Vec<String> = subtasks.iter().flat_map(|(_, notes)| notes.iter().cloned()).collect();
    let sub_task_status: Vec<_> = subtasks.into_iter().map(|(status, _)| status).collect();
    let msg = match (sub_task_status.is_empty(), task) {
        (true, "") => "no sub task started".to_owned(),
        (true, task) => format!("no sub task with name {task} has started"),
        (false, _) => notes.join("; "),
    };
    pb::QueryStatusResponse {
        result: true,
        msg,
        source_status: Some(pb::SourceStatus { source, worker, ..Default::default() }),
        sub_task_status,
    }
}

/// The auto-resume settings of the source file; a text that does not parse has been refused long before.
fn policy(args: &SourceArgs) -> ResumePolicy {
    let checker = match SourceConfig::from_yaml(&args.source_yaml) {
        Ok(source) => source.checker,
        Err(error) => {
            tracing::warn!(source = args.source_id, error = %error, "the source file is not readable, auto-resume uses its defaults");
            return ResumePolicy::default();
        }
    };
    ResumePolicy {
        enabled: checker.check_enable,
        check_interval: checker.check_interval.to_std(),
        rollback: checker.backoff_rollback.to_std(),
        min: checker.backoff_min.to_std(),
        max: checker.backoff_max.to_std(),
        factor: checker.backoff_factor,
        jitter: checker.backoff_jitter,
    }
}
