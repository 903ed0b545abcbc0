//! The life of one run.

use serde::Serialize;

/// Set by the unit actor alone; nobody stores it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
pub enum Phase {
    /// The task works.
    Running,
    /// Asked to stop at a safe point; the actor waits for the task.
    Stopping,
    /// Aborted; the actor waits until the task is gone.
    Killed,
}

/// What the actor has to do.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Effect {
    CancelToken,
    StartGrace,
    Abort,
}

/// One run.
#[derive(Debug)]
pub struct Run {
    pub phase: Phase,
}

impl Run {
    /// A run that has just begun.
    pub fn new() -> Self {
        Run { phase: Phase::Running }
    }

    /// Stop at a safe point. A second request changes nothing.
    pub fn stop(&mut self) -> Vec<Effect> {
        match self.phase {
            Phase::Running => {
                self.phase = Phase::Stopping;
                vec![Effect::CancelToken, Effect::StartGrace]
            }
            Phase::Stopping | Phase::Killed => Vec::new(),
        }
    }

    /// End now; also the end of the grace.
    pub fn kill(&mut self) -> Vec<Effect> {
        match self.phase {
            Phase::Running | Phase::Stopping => {
                self.phase = Phase::Killed;
                vec![Effect::CancelToken, Effect::Abort]
            }
            Phase::Killed => Vec::new(),
        }
    }
}

impl Default for Run {
    fn default() -> Self {
        Run::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stop_gives_grace_once_and_a_kill_ends_it_once() {
        let mut run = Run::new();
        assert_eq!(run.stop(), [Effect::CancelToken, Effect::StartGrace]);
        assert_eq!(run.stop(), []);
        assert_eq!(run.kill(), [Effect::CancelToken, Effect::Abort]);
        assert_eq!(run.kill(), []);
        assert_eq!(run.stop(), []);
        assert_eq!(Run::new().kill(), [Effect::CancelToken, Effect::Abort]);
    }
}
