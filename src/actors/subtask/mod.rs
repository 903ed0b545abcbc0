//! The subtask actor: one task on one source. It runs the units of the task's mode one after the other.

pub mod loads;
pub mod messages;
pub mod state;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{Actor, ActorCell, ActorProcessingErr, ActorRef, RpcReplyPort, SupervisionEvent};
use serde_json::json;

pub use loads::Loads;
pub use messages::{BuildUnits, Confirmation, Look, Prepared, SubtaskMsg, Units, Unprepared};
use state::{Effect, Subtask};

use super::{
    observe::{Board, Pin},
    supervise::{AutoResume, ResumePolicy, Verdict, dice},
    unit::{AbortOnDrop, Outcome, UnitActor, UnitArgs, UnitMsg, panics},
};
use crate::{
    coordinator::state::ExpectedStage,
    error::{Code, DmError},
    observe::events,
    pb,
    rules::operator::Operator,
    units::UnitEnv,
};

/// All units together may take this long to say how far they are.
const PREPARE_LIMIT: Duration = Duration::from_secs(60);

/// What the work is done with.
#[derive(Clone)]
pub struct Kit {
    pub build: BuildUnits,
    /// Which errors a later try may cure (`error::policy`).
    pub resumable: fn(&pb::ProcessError) -> bool,
}

/// One task on one source.
pub struct SubtaskActor;

/// What it is started with.
pub struct SubtaskArgs {
    pub env: UnitEnv,
    pub kit: Kit,
    pub policy: ResumePolicy,
    pub board: Arc<Board>,
    /// The source actor's name on the board.
    pub parent: String,
    /// What the user put in the place of events.
    pub operators: Vec<Operator>,
    /// Is told whether the unit that begins works with files.
    pub loads: Arc<Loads>,
}

pub struct SubtaskShell {
    args: SubtaskArgs,
    name: String,
    subtask: Subtask,
    units: Units,
    current: usize,
    preparation: Option<AbortOnDrop>,
    run: Option<ActorRef<UnitMsg>>,
    waiting: Vec<(ExpectedStage, RpcReplyPort<Confirmation>)>,
    _pin: Pin,
}

#[ractor::async_trait]
impl Actor for SubtaskActor {
    type Msg = SubtaskMsg;
    type State = SubtaskShell;
    type Arguments = SubtaskArgs;

    async fn pre_start(&self, me: ActorRef<SubtaskMsg>, args: SubtaskArgs) -> Result<SubtaskShell, ActorProcessingErr> {
        let config = &args.env.config;
        let name = format!("subtask:{}/{}", config.source_id, config.name);
        let pin = args.board.pin("subtask", &name, &args.parent, &me, SubtaskMsg::Report);
        let auto = AutoResume::new(args.policy.clone());
        me.send_interval(auto.interval(), || SubtaskMsg::Tick);
        let shell = SubtaskShell {
            subtask: Subtask::new(&config.name, auto),
            args,
            name,
            units: Units::new(),
            current: 0,
            preparation: None,
            run: None,
            waiting: Vec::new(),
            _pin: pin,
        };
        shell.log_stage();
        Ok(shell)
    }

    async fn handle(
        &self,
        me: ActorRef<SubtaskMsg>,
        message: SubtaskMsg,
        shell: &mut SubtaskShell,
    ) -> Result<(), ActorProcessingErr> {
        let before = shell.subtask.stage;
        let effects = shell.decide(message);
        for effect in effects {
            shell.carry_out(&me, effect).await;
        }
        if shell.subtask.stage != before {
            shell.log_stage();
        }
        shell.confirm();
        Ok(())
    }

    async fn handle_supervisor_evt(
        &self,
        me: ActorRef<SubtaskMsg>,
        event: SupervisionEvent,
        shell: &mut SubtaskShell,
    ) -> Result<(), ActorProcessingErr> {
        // The unit actor says how a run ended before it stops; only its own failure is news.
        if let SupervisionEvent::ActorFailed(cell, why) = event
            && shell.is_run(&cell)
        {
            let error = DmError::new(Code::NotSet).msg(format!("the unit's actor failed: {why}"));
            let generation = shell.subtask.generation();
            let _ = me.send_message(SubtaskMsg::Ended { generation, outcome: Outcome::Failed(error) });
        }
        Ok(())
    }
}

impl SubtaskShell {
    fn decide(&mut self, message: SubtaskMsg) -> Vec<Effect> {
        match message {
            SubtaskMsg::Follow { expected, by_user, confirm } => {
                self.waiting.extend(confirm.map(|port| (expected, port)));
                self.subtask.follow(expected, by_user)
            }
            SubtaskMsg::Operators(operators) => {
                self.args.operators = operators;
                self.tell_operators();
                Vec::new()
            }
            SubtaskMsg::StopLimit(limit) => {
                if let Some(run) = &self.run {
                    let _ = run.send_message(UnitMsg::StopLimit(limit));
                }
                Vec::new()
            }
            SubtaskMsg::Retire { kill } => self.subtask.retire(kill),
            SubtaskMsg::Prepared { generation, result } => self.prepared(generation, result),
            SubtaskMsg::Ended { generation, outcome } => {
                if generation == self.subtask.generation() {
                    self.run = None;
                    if let Outcome::Failed(error) = &outcome {
                        self.log_failure(self.subtask.unit, error);
                    }
                }
                self.subtask.ended(generation, outcome)
            }
            SubtaskMsg::Tick => self.tick(),
            SubtaskMsg::Look(reply) => {
                let _ = reply.send(self.look());
                Vec::new()
            }
            SubtaskMsg::Report(reply) => {
                let errors = self.subtask.result.as_ref().map(|r| &r.errors[..]).unwrap_or_default();
                let _ = reply.send(json!({
                    "stage": self.subtask.stage.as_str_name(),
                    "unit": self.subtask.unit.as_str_name(),
                    "epoch": self.args.env.fence.epoch,
                    "run": self.subtask.generation(),
                    "errors": errors.iter().map(|e| &e.message).collect::<Vec<_>>(),
                }));
                Vec::new()
            }
        }
    }

    fn prepared(&mut self, generation: u64, result: Result<Prepared, Unprepared>) -> Vec<Effect> {
        if generation != self.subtask.generation() {
            return Vec::new();
        }
        self.preparation = None;
        match result {
            Ok(Prepared { units, next }) => {
                let next = next.and_then(|index| Some((index, units.get(index)?.kind())));
                self.current = next.map_or(units.len().saturating_sub(1), |(index, _)| index);
                self.units = units;
                self.tell_operators();
                if next.is_none() {
                    self.tell_loads(None);
                }
                self.subtask.prepared(generation, next)
            }
            Err(Unprepared { unit, error }) => {
                self.log_failure(unit.unwrap_or_default(), &error);
                self.subtask.unprepared(generation, unit, error)
            }
        }
    }

    fn tick(&mut self) -> Vec<Effect> {
        let (verdict, effects) = self.subtask.tick(Instant::now(), self.args.kit.resumable, dice());
        let (task, source_id) = (&*self.args.env.config.name, &*self.args.env.config.source_id);
        match verdict {
            Verdict::Resume => events::AutoResume { task, source_id, backoff: self.subtask.waited() }.emit(),
            Verdict::Refuse => {
                let error = &self.subtask.error_texts();
                events::NotResumable { task, source_id, error }.emit();
            }
            Verdict::Leave | Verdict::Wait => {}
        }
        effects
    }

    async fn carry_out(&mut self, me: &ActorRef<SubtaskMsg>, effect: Effect) {
        match effect {
            Effect::Prepare { generation, from, fresh } => self.prepare(me, generation, from, fresh),
            Effect::DropPreparation => self.preparation = None,
            Effect::Launch { generation, index } => self.launch(me, generation, index).await,
            Effect::StopUnit => self.tell_run(me, UnitMsg::Stop),
            Effect::KillUnit => self.tell_run(me, UnitMsg::Kill),
            Effect::Gone => me.stop(None),
        }
    }

    fn prepare(&mut self, me: &ActorRef<SubtaskMsg>, generation: u64, from: usize, fresh: bool) {
        let (me, env, build) = (me.clone(), self.args.env.clone(), self.args.kit.build.clone());
        let units = if fresh { None } else { Some(self.units.clone()) };
        let task = tokio::spawn(async move {
            let result = prepare(env, build, units, from).await;
            // The actor may be gone.
            let _ = me.send_message(SubtaskMsg::Prepared { generation, result });
        });
        self.preparation = Some(AbortOnDrop(task.abort_handle()));
    }

    async fn launch(&mut self, me: &ActorRef<SubtaskMsg>, generation: u64, index: usize) {
        let Some(unit) = self.units.get(index).cloned() else { return };
        self.tell_loads(Some(unit.kind()));
        let args = UnitArgs {
            name: format!("unit:{}", self.name.trim_start_matches("subtask:")),
            unit,
            subtask: me.clone(),
            generation,
            board: self.args.board.clone(),
            parent: self.name.clone(),
        };
        match Actor::spawn_linked(None, UnitActor, args, me.get_cell()).await {
            Ok((run, _)) => self.run = Some(run),
            Err(why) => {
                let error = DmError::new(Code::NotSet).msg(format!("the unit's actor did not start: {why}"));
                let _ = me.send_message(SubtaskMsg::Ended { generation, outcome: Outcome::Failed(error) });
            }
        }
    }

    /// A run that is gone without a word must not be waited for.
    fn tell_run(&self, me: &ActorRef<SubtaskMsg>, message: UnitMsg) {
        let told = self.run.as_ref().is_some_and(|run| run.send_message(message).is_ok());
        if !told {
            let generation = self.subtask.generation();
            let _ = me.send_message(SubtaskMsg::Ended { generation, outcome: Outcome::Killed });
        }
    }

    fn tell_operators(&self) {
        for unit in &self.units {
            unit.set_operators(self.args.operators.clone());
        }
    }

    /// `unit` begins; None: nothing is left to do.
    fn tell_loads(&self, unit: Option<pb::UnitType>) {
        let config = &self.args.env.config;
        let held = matches!(unit, Some(pb::UnitType::Dump | pb::UnitType::Load)) && !config.streams();
        self.args.loads.tell(&config.source_id, &config.name, held);
    }

    fn is_run(&self, cell: &ActorCell) -> bool {
        self.run.as_ref().is_some_and(|run| run.get_id() == cell.get_id())
    }

    fn confirm(&mut self) {
        for (expected, port) in std::mem::take(&mut self.waiting) {
            match self.subtask.reached(expected) {
                Some(answer) => drop(port.send(answer)),
                None => self.waiting.push((expected, port)),
            }
        }
    }

    fn look(&self) -> Look {
        Look {
            name: self.args.env.config.name.clone(),
            stage: self.subtask.stage,
            unit: self.subtask.unit,
            result: self.subtask.result.clone(),
            running: self.units.get(self.current).cloned(),
            env: self.args.env.clone(),
        }
    }

    fn log_stage(&self) {
        let config = &self.args.env.config;
        let (task, source_id, worker) = (&*config.name, &*config.source_id, &*self.args.env.worker);
        events::SubtaskStage { task, source_id, worker, stage: self.subtask.stage }.emit();
    }

    fn log_failure(&self, unit: pb::UnitType, error: &DmError) {
        let config = &self.args.env.config;
        let resumable = (self.args.kit.resumable)(&error.to_process_error());
        let (task, source_id, error) = (&*config.name, &*config.source_id, &*error.to_string());
        events::UnitFailed { unit, task, source_id, resumable, error }.emit();
    }
}

/// Builds the units when there are none, and finds the first with work left.
async fn prepare(env: UnitEnv, build: BuildUnits, units: Option<Units>, from: usize) -> Result<Prepared, Unprepared> {
    let (name, mode) = (env.config.name.clone(), env.config.mode);
    let built = panics::guarded("building the units", async { units.map_or_else(|| build(&env), Ok) }).await;
    let units = built.map_err(|error| Unprepared { unit: None, error })?;
    if units.is_empty() {
        let error =
            DmError::new(Code::WorkerNoAvailUnits).msg(format!("task {name} of mode {mode:?} has no unit to run"));
        return Err(Unprepared { unit: None, error });
    }
    let end = tokio::time::Instant::now() + PREPARE_LIMIT;
    for index in from..units.len() {
        let unit = units[index].clone();
        let kind = unit.kind();
        let asked = panics::guarded("unit", unit.is_finished());
        let finished = match tokio::time::timeout_at(end, asked).await {
            Ok(answer) => answer,
            Err(_) => Err(DmError::new(Code::NotSet).msg(format!("no answer within {PREPARE_LIMIT:?}"))),
        };
        if !finished.map_err(|error| Unprepared { unit: Some(kind), error })? {
            return Ok(Prepared { units, next: Some(index) });
        }
    }
    Ok(Prepared { units, next: None })
}
