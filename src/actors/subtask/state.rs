//! The stages of a subtask (behaviour facts 3), decided without a runtime.
//!
//! | stage | set by | who waits for it |
//! |---|---|---|
//! | New | the start; the first preparation runs | |
//! | Running | a unit's run was started | start-task, resume-task |
//! | Pausing, Stopping | the user's order, while the run ends | |
//! | Paused | the end of that run, or an error | pause-task; auto-resume |
//! | Resuming | an order or auto-resume; the preparation runs | |
//! | Stopped | OpenAPI's stop | its caller |
//! | Finished | the last unit | |
//!
//! None of them is stored: what is stored is the expected stage, and what the units write.

use std::time::Instant;

use crate::{
    actors::{
        supervise::{AutoResume, Verdict},
        unit::Outcome,
    },
    coordinator::state::ExpectedStage,
    error::{Code, DmError},
    pb::{self, ProcessResult, Stage, UnitType},
    units::Ended,
};

/// What the actor has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    /// Find the first unit from `from` on with work left; `fresh`: with newly built units.
    Prepare { generation: u64, from: usize, fresh: bool },
    /// Drop the preparation that runs.
    DropPreparation,
    /// Start the run of this unit.
    Launch { generation: u64, index: usize },
    /// Ask the run to stop at a safe point.
    StopUnit,
    /// End the run at once.
    KillUnit,
    /// Nothing runs any more: the actor ends.
    Gone,
}

/// What happens when the run that is being ended is over.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Halt {
    Pause { then_resume: bool },
    Stop { then_resume: bool },
    Retire,
}

/// A subtask.
#[derive(Debug)]
pub struct Subtask {
    name: String,
    pub stage: Stage,
    pub unit: UnitType,
    pub result: Option<ProcessResult>,
    /// Facts of an older generation are ignored.
    generation: u64,
    index: usize,
    preparing: bool,
    running: bool,
    halt: Option<Halt>,
    auto: AutoResume,
}

impl Subtask {
    /// One that nobody told anything yet.
    pub fn new(name: impl Into<String>, auto: AutoResume) -> Self {
        Subtask {
            name: name.into(),
            stage: Stage::New,
            unit: UnitType::InvalidUnit,
            result: None,
            generation: 0,
            index: 0,
            preparing: false,
            running: false,
            halt: None,
            auto,
        }
    }

    /// The backoff before the last automatic resume.
    pub fn waited(&self) -> std::time::Duration {
        self.auto.waited()
    }

    /// Which facts are about the present run.
    pub fn generation(&self) -> u64 {
        self.generation
    }

    /// What it should be doing.
    pub fn follow(&mut self, expected: ExpectedStage, by_user: bool) -> Vec<Effect> {
        if matches!(self.halt, Some(Halt::Retire)) {
            return Vec::new();
        }
        match expected {
            ExpectedStage::Running => self.follow_running(by_user),
            ExpectedStage::Paused => self.follow_halt(Halt::Pause { then_resume: false }),
            ExpectedStage::Stopped => self.follow_halt(Halt::Stop { then_resume: false }),
        }
    }

    fn follow_running(&mut self, by_user: bool) -> Vec<Effect> {
        if let Some(Halt::Pause { then_resume } | Halt::Stop { then_resume }) = &mut self.halt {
            *then_resume = true;
            return Vec::new();
        }
        match self.stage {
            Stage::New if !self.preparing => self.begin(Stage::New),
            Stage::Stopped => self.begin(Stage::Resuming),
            Stage::Paused if by_user || !self.failed() => self.begin(Stage::Resuming),
            _ => Vec::new(),
        }
    }

    fn follow_halt(&mut self, halt: Halt) -> Vec<Effect> {
        if self.halt.is_some() {
            self.halt = Some(halt);
            self.stage = transient(halt);
            return Vec::new();
        }
        if self.running && !self.preparing {
            self.halt = Some(halt);
            self.stage = transient(halt);
            return vec![Effect::StopUnit];
        }
        match self.stage {
            Stage::Finished => Vec::new(),
            Stage::Paused if matches!(halt, Halt::Pause { .. }) => {
                // A manual pause of a failed subtask ends its auto-resume.
                self.result.get_or_insert_default().is_canceled = true;
                Vec::new()
            }
            _ => {
                let effects = if self.preparing { self.drop_preparation() } else { Vec::new() };
                self.settle(halt, Vec::new());
                effects
            }
        }
    }

    /// A preparation is only reads: it is dropped, and what it still says is ignored.
    fn drop_preparation(&mut self) -> Vec<Effect> {
        self.generation += 1;
        self.preparing = false;
        vec![Effect::DropPreparation]
    }

    /// The end of the actor: at a safe point, or at once.
    pub fn retire(&mut self, kill: bool) -> Vec<Effect> {
        let mut effects = if self.preparing { self.drop_preparation() } else { Vec::new() };
        let between = self.running && !effects.is_empty();
        let asked_before = self.halt.replace(Halt::Retire).is_some();
        if !self.running || between {
            effects.push(Effect::Gone);
            return effects;
        }
        self.stage = Stage::Stopping;
        match (kill, asked_before) {
            (true, _) => effects.push(Effect::KillUnit),
            (false, false) => effects.push(Effect::StopUnit),
            (false, true) => {}
        }
        effects
    }

    /// The preparation found the next unit, or that all is done.
    pub fn prepared(&mut self, generation: u64, next: Option<(usize, UnitType)>) -> Vec<Effect> {
        if !self.is_present(generation) {
            return Vec::new();
        }
        self.preparing = false;
        match next {
            Some((index, unit)) => {
                (self.stage, self.unit, self.index) = (Stage::Running, unit, index);
                (self.result, self.running) = (None, true);
                vec![Effect::Launch { generation, index }]
            }
            None => {
                self.running = false;
                (self.stage, self.result) = (Stage::Finished, Some(ProcessResult::default()));
                Vec::new()
            }
        }
    }

    /// The preparation failed: Paused, in the unit that could not say how far it is.
    pub fn unprepared(&mut self, generation: u64, unit: Option<UnitType>, error: DmError) -> Vec<Effect> {
        if !self.is_present(generation) {
            return Vec::new();
        }
        (self.preparing, self.running) = (false, false);
        self.unit = unit.unwrap_or(self.unit);
        let error = match unit {
            Some(unit) => {
                error.annotate(format!("fail to initialize unit {} of subtask {}", unit.as_str_name(), self.name))
            }
            None => error,
        };
        self.fail(error);
        Vec::new()
    }

    /// The unit's run is over.
    pub fn ended(&mut self, generation: u64, outcome: Outcome) -> Vec<Effect> {
        if generation != self.generation || !self.running {
            return Vec::new();
        }
        if let Some(halt) = self.halt.take() {
            self.running = false;
            return self.halted(halt, outcome);
        }
        match outcome {
            Outcome::Ended(Ended::Finished) => {
                self.preparing = true;
                vec![Effect::Prepare { generation, from: self.index + 1, fresh: false }]
            }
            Outcome::Failed(error) => {
                self.running = false;
                self.fail(error);
                Vec::new()
            }
            Outcome::Ended(Ended::Stopped) | Outcome::Killed => {
                self.running = false;
                let text =
                    format!("unit {} of subtask {} stopped without an order", self.unit.as_str_name(), self.name);
                self.fail(DmError::new(Code::NotSet).msg(text));
                Vec::new()
            }
        }
    }

    fn halted(&mut self, halt: Halt, outcome: Outcome) -> Vec<Effect> {
        let errors = match outcome {
            Outcome::Failed(error) if !error.message().contains("context canceled") => vec![error.to_process_error()],
            _ => Vec::new(),
        };
        match halt {
            Halt::Retire => {
                self.stage = Stage::Stopped;
                vec![Effect::Gone]
            }
            Halt::Pause { then_resume } | Halt::Stop { then_resume } => {
                self.settle(halt, errors);
                if then_resume { self.begin(Stage::Resuming) } else { Vec::new() }
            }
        }
    }

    /// Looks whether a failed subtask is due for another try.
    pub fn tick(
        &mut self,
        now: Instant,
        resumable: impl Fn(&pb::ProcessError) -> bool,
        dice: f64,
    ) -> (Verdict, Vec<Effect>) {
        let verdict = self.auto.check(now, self.stage, self.result.as_ref(), resumable, dice);
        let effects = if verdict == Verdict::Resume { self.begin(Stage::Resuming) } else { Vec::new() };
        (verdict, effects)
    }

    /// Whether somebody who waits for `expected` has an answer.
    pub fn reached(&self, expected: ExpectedStage) -> Option<Result<(), String>> {
        let instead = |code: Code, what: &str| {
            let error = DmError::new(code)
                .msg(format!("current stage is {} but not {what}, invalid", self.stage.as_str_name()));
            Some(Err(error.to_string()))
        };
        match (expected, self.stage) {
            (ExpectedStage::Running, Stage::Running | Stage::Finished) => Some(Ok(())),
            (ExpectedStage::Running, Stage::Paused) if self.failed() => Some(Err(self.error_texts())),
            (ExpectedStage::Running, Stage::Paused | Stage::Stopped) => instead(Code::WorkerNotPausedStage, "running"),
            (ExpectedStage::Paused, Stage::Paused) => Some(Ok(())),
            (ExpectedStage::Paused, Stage::Running | Stage::Finished | Stage::Stopped) => {
                instead(Code::WorkerNotRunningStage, "running")
            }
            (ExpectedStage::Stopped, Stage::Stopped | Stage::Finished) => Some(Ok(())),
            _ => None,
        }
    }

    /// Failed, and not taken over by the user.
    fn failed(&self) -> bool {
        self.result.as_ref().is_some_and(|r| !r.is_canceled && !r.errors.is_empty())
    }

    /// The errors as DM joins them into one text (error facts 1).
    pub fn error_texts(&self) -> String {
        let errors = self.result.iter().flat_map(|r| &r.errors);
        errors.map(error_text).collect::<Vec<_>>().join(", ")
    }

    fn begin(&mut self, stage: Stage) -> Vec<Effect> {
        self.generation += 1;
        (self.stage, self.preparing) = (stage, true);
        vec![Effect::Prepare { generation: self.generation, from: 0, fresh: true }]
    }

    fn is_present(&self, generation: u64) -> bool {
        generation == self.generation && self.preparing
    }

    fn settle(&mut self, halt: Halt, errors: Vec<pb::ProcessError>) {
        self.running = false;
        self.halt = None;
        (self.stage, self.result) = match halt {
            Halt::Stop { .. } => (Stage::Stopped, None),
            _ => (Stage::Paused, Some(ProcessResult { is_canceled: true, errors, detail: Vec::new() })),
        };
    }

    fn fail(&mut self, error: DmError) {
        self.stage = Stage::Paused;
        self.result = Some(ProcessResult { errors: vec![error.to_process_error()], ..Default::default() });
    }
}

fn transient(halt: Halt) -> Stage {
    match halt {
        Halt::Pause { .. } => Stage::Pausing,
        Halt::Stop { .. } | Halt::Retire => Stage::Stopping,
    }
}

/// One error in the protobuf text form.
fn error_text(e: &pb::ProcessError) -> String {
    let mut text = format!("ErrCode:{}", e.err_code);
    let fields = [
        ("ErrClass", &e.err_class),
        ("ErrScope", &e.err_scope),
        ("ErrLevel", &e.err_level),
        ("Message", &e.message),
        ("RawCause", &e.raw_cause),
        ("Workaround", &e.workaround),
    ];
    for (name, value) in fields {
        if !value.is_empty() {
            text += &format!(" {name}:{value:?}");
        }
    }
    text
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
