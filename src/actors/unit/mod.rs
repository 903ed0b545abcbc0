//! The unit actor: runs one `Unit` in a task of its own, for one run, and tells the subtask how it ended.

pub mod messages;
pub mod panics;
mod report;
pub mod state;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ractor::{Actor, ActorProcessingErr, ActorRef};
use serde_json::json;
use tokio::task::AbortHandle;
use tokio_util::sync::CancellationToken;

pub use messages::{Outcome, UnitMsg};
use state::{Effect, Run};

use super::{
    observe::{Board, Pin},
    subtask::SubtaskMsg,
};
use crate::units::{STOP_LIMIT, Unit};

/// What a run may take beyond the time its unit has to end.
const GRACE: Duration = Duration::from_secs(2);

/// Runs one unit once.
pub struct UnitActor;

/// What a run is started with.
pub struct UnitArgs {
    pub unit: Arc<dyn Unit>,
    /// Told how it ended.
    pub subtask: ActorRef<SubtaskMsg>,
    /// Of the subtask's run, given back with the outcome.
    pub generation: u64,
    pub board: Arc<Board>,
    /// The name on the board, and the subtask's.
    pub name: String,
    pub parent: String,
}

/// A task that must not outlive its owner.
pub(super) struct AbortOnDrop(pub AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

pub struct UnitShell {
    args: UnitArgs,
    run: Run,
    stop: CancellationToken,
    task: AbortOnDrop,
    limit: Duration,
    /// A later word about the limit moves it.
    kill_at: Option<Instant>,
    _pin: Pin,
}

impl UnitShell {
    /// A unit ends by itself within the limit; the run of one that doesn't is killed.
    fn start_grace(&mut self, myself: &ActorRef<UnitMsg>) {
        let grace = self.limit.saturating_add(GRACE);
        self.kill_at = Instant::now().checked_add(grace);
        if self.kill_at.is_some() {
            drop(myself.send_after(grace, || UnitMsg::GraceOver));
        }
    }

    fn carry_out(&mut self, myself: &ActorRef<UnitMsg>, effects: Vec<Effect>) {
        for effect in effects {
            match effect {
                Effect::CancelToken => self.stop.cancel(),
                Effect::StartGrace => self.start_grace(myself),
                Effect::Abort => {
                    tracing::warn!(unit = self.args.name, "kill unit");
                    self.task.0.abort();
                }
            }
        }
    }
}

#[ractor::async_trait]
impl Actor for UnitActor {
    type Msg = UnitMsg;
    type State = UnitShell;
    type Arguments = UnitArgs;

    async fn pre_start(&self, myself: ActorRef<UnitMsg>, args: UnitArgs) -> Result<UnitShell, ActorProcessingErr> {
        let stop = CancellationToken::new();
        let (unit, token) = (args.unit.clone(), stop.clone());
        let what = format!("unit {}", unit.kind().as_str_name());
        let work = tokio::spawn(async move { panics::guarded(&what, unit.run(token)).await });
        let task = AbortOnDrop(work.abort_handle());
        let me = myself.clone();
        // Told only when the task is really gone: a successor must not meet its predecessor.
        tokio::spawn(async move {
            let outcome = match work.await {
                Ok(Ok(ended)) => Outcome::Ended(ended),
                Ok(Err(error)) => Outcome::Failed(error),
                Err(_) => Outcome::Killed,
            };
            // The actor may be gone; then nobody waits.
            let _ = me.send_message(UnitMsg::Done(outcome));
        });
        let pin = args.board.pin("unit", &args.name, &args.parent, &myself, UnitMsg::Report);
        Ok(UnitShell { args, run: Run::new(), stop, task, limit: STOP_LIMIT, kill_at: None, _pin: pin })
    }

    async fn handle(
        &self,
        myself: ActorRef<UnitMsg>,
        message: UnitMsg,
        shell: &mut UnitShell,
    ) -> Result<(), ActorProcessingErr> {
        match message {
            UnitMsg::Stop => {
                let effects = shell.run.stop();
                shell.carry_out(&myself, effects);
            }
            UnitMsg::StopLimit(limit) => {
                shell.args.unit.stop_within(limit);
                shell.limit = limit;
                if shell.run.phase == state::Phase::Stopping {
                    shell.start_grace(&myself);
                }
            }
            UnitMsg::GraceOver if shell.kill_at.is_some_and(|at| Instant::now() < at) => {}
            UnitMsg::Kill | UnitMsg::GraceOver => {
                let effects = shell.run.kill();
                shell.carry_out(&myself, effects);
            }
            UnitMsg::Done(outcome) => {
                let generation = shell.args.generation;
                let _ = shell.args.subtask.send_message(SubtaskMsg::Ended { generation, outcome });
                myself.stop(None);
            }
            UnitMsg::Report(reply) => {
                let _ = reply.send(report::report(shell.args.unit.as_ref(), json!(shell.run.phase)));
            }
        }
        Ok(())
    }
}
