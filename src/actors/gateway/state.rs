//! When the gateway serves again after its task ended.

use std::time::Duration;

use crate::actors::supervise::Backoff;

/// What to do when the serving task ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Next {
    /// The actor ends.
    End,
    /// Serve again after this.
    RetryAfter(Duration),
}

/// The serving task's life.
#[derive(Debug)]
pub struct Serving {
    backoff: Backoff,
    pub stopping: bool,
    pub restarts: u64,
}

impl Serving {
    /// Nothing has failed yet.
    pub fn new() -> Self {
        let backoff = Backoff::new(Duration::from_millis(500), Duration::from_secs(10), 2.0, false);
        Serving { backoff, stopping: false, restarts: 0 }
    }

    /// The task ended; `ran` is how long it had served.
    pub fn ended(&mut self, ran: Duration) -> Next {
        if self.stopping {
            return Next::End;
        }
        if ran >= Duration::from_secs(60) {
            self.backoff.reset();
        }
        let delay = self.backoff.delay(0.0);
        self.backoff.forward();
        self.restarts += 1;
        Next::RetryAfter(delay)
    }
}

impl Default for Serving {
    fn default() -> Self {
        Serving::new()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gateway_that_fails_again_waits_longer_and_a_stopped_one_ends() {
        let mut s = Serving::new();
        assert_eq!(s.ended(Duration::ZERO), Next::RetryAfter(Duration::from_millis(500)));
        assert_eq!(s.ended(Duration::ZERO), Next::RetryAfter(Duration::from_secs(1)));
        assert_eq!(s.ended(Duration::from_secs(60)), Next::RetryAfter(Duration::from_millis(500)));
        s.stopping = true;
        assert_eq!(s.ended(Duration::ZERO), Next::End);
        assert_eq!(s.restarts, 3);
    }
}
