//! When something that failed is started again: the backoff shared by every supervisor, and DM's auto-resume.
//! Pure: the clock and the dice are arguments.

use std::time::{Duration, Instant};

use crate::pb;

/// A delay that grows with every failure and shrinks a step after quiet times.
#[derive(Clone, PartialEq, Debug)]
pub struct Backoff {
    min: Duration,
    max: Duration,
    factor: f64,
    jitter: bool,
    current: Duration,
}

impl Backoff {
    /// Starts at `min`; a factor below 1 counts as 1.
    pub fn new(min: Duration, max: Duration, factor: f64, jitter: bool) -> Self {
        Backoff { min, max: max.max(min), factor: factor.max(1.0), jitter, current: min }
    }

    /// The delay before the next try; `dice` in 0..1 shortens it towards `min` when jitter is on, so that many
    /// failed at once do not come back at once.
    pub fn delay(&self, dice: f64) -> Duration {
        match self.jitter {
            true => self.min + (self.current - self.min).mul_f64(dice.clamp(0.0, 1.0)),
            false => self.current,
        }
    }

    /// One step up.
    pub fn forward(&mut self) {
        let next = self.current.as_secs_f64() * self.factor;
        self.current = Duration::from_secs_f64(next.min(self.max.as_secs_f64())).max(self.min);
    }

    /// One step down.
    pub fn rollback(&mut self) {
        self.current = self.current.div_f64(self.factor).max(self.min);
    }

    /// Back to the start.
    pub fn reset(&mut self) {
        self.current = self.min;
    }
}

/// A number in 0..1 for `Backoff::delay`.
pub fn dice() -> f64 {
    rand::random::<f64>()
}

/// The `checker` of a source file (config facts 4; behaviour facts 5 has the defaults).
#[derive(Clone, PartialEq, Debug)]
pub struct ResumePolicy {
    pub enabled: bool,
    /// How often a subtask is looked at.
    pub check_interval: Duration,
    /// Without trouble for this long the backoff goes one step back.
    pub rollback: Duration,
    pub min: Duration,
    pub max: Duration,
    pub factor: f64,
    pub jitter: bool,
}

impl Default for ResumePolicy {
    fn default() -> Self {
        ResumePolicy {
            enabled: true,
            check_interval: Duration::from_secs(5),
            rollback: Duration::from_secs(300),
            min: Duration::from_secs(1),
            max: Duration::from_secs(300),
            factor: 2.0,
            jitter: true,
        }
    }
}

/// What to do with a subtask now.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing is wrong, or the user paused it.
    Leave,
    /// It will be resumed, but not yet.
    Wait,
    /// An error that a retry can't cure; said once for each failure.
    Refuse,
    /// Now.
    Resume,
}

/// The auto-resume of one subtask.
#[derive(Clone, Debug)]
pub struct AutoResume {
    policy: ResumePolicy,
    backoff: Backoff,
    /// The last resume or step back.
    last: Option<Instant>,
    /// The delay drawn for the failure at hand.
    delay: Option<Duration>,
    /// The delay before the last resume.
    waited: Duration,
    refused: bool,
}

impl AutoResume {
    /// Nothing has failed yet.
    pub fn new(policy: ResumePolicy) -> Self {
        let backoff = Backoff::new(policy.min, policy.max, policy.factor, policy.jitter);
        AutoResume { policy, backoff, last: None, delay: None, waited: Duration::ZERO, refused: false }
    }

    /// How often `check` wants to be called.
    pub fn interval(&self) -> Duration {
        self.policy.check_interval.max(Duration::from_millis(10))
    }

    /// The backoff before the last resume.
    pub fn waited(&self) -> Duration {
        self.waited
    }

    /// Looks at the subtask: resumed are those that are Paused by errors, all of them resumable, not by the user.
    pub fn check(
        &mut self,
        now: Instant,
        stage: pb::Stage,
        result: Option<&pb::ProcessResult>,
        resumable: impl Fn(&pb::ProcessError) -> bool,
        dice: f64,
    ) -> Verdict {
        let errors = result.filter(|r| !r.is_canceled).map_or(&[][..], |r| &r.errors);
        if stage != pb::Stage::Paused || errors.is_empty() {
            self.quiet(now);
            return Verdict::Leave;
        }
        if !self.policy.enabled {
            return Verdict::Leave;
        }
        if !errors.iter().all(resumable) {
            return match std::mem::replace(&mut self.refused, true) {
                true => Verdict::Leave,
                false => Verdict::Refuse,
            };
        }
        let delay = *self.delay.get_or_insert_with(|| self.backoff.delay(dice));
        if self.last.is_some_and(|last| now.duration_since(last) < delay) {
            return Verdict::Wait;
        }
        self.last = Some(now);
        self.delay = None;
        self.waited = delay;
        self.backoff.forward();
        Verdict::Resume
    }

    fn quiet(&mut self, now: Instant) {
        self.refused = false;
        self.delay = None;
        if self.last.is_some_and(|last| now.duration_since(last) >= self.policy.rollback) {
            self.backoff.rollback();
            self.last = Some(now);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NO_JITTER: ResumePolicy = ResumePolicy {
        enabled: true,
        check_interval: Duration::from_secs(5),
        rollback: Duration::from_secs(300),
        min: Duration::from_secs(1),
        max: Duration::from_secs(300),
        factor: 2.0,
        jitter: false,
    };

    fn failed() -> pb::ProcessResult {
        pb::ProcessResult { errors: vec![pb::ProcessError::default()], ..Default::default() }
    }

    /// The seconds at which a subtask that always fails again is resumed, looked at every 5 s.
    fn resumes(auto: &mut AutoResume, start: Instant, until: u64) -> Vec<u64> {
        let seconds = (0..=until).step_by(5);
        let looks = seconds.filter(|s| {
            let now = start + Duration::from_secs(*s);
            auto.check(now, pb::Stage::Paused, Some(&failed()), |_| true, 0.5) == Verdict::Resume
        });
        looks.collect()
    }

    #[test]
    fn resumes_come_later_and_later_up_to_the_maximum() {
        let mut auto = AutoResume::new(NO_JITTER);
        let at = resumes(&mut auto, Instant::now(), 2000);
        assert_eq!(at[..8], [0, 5, 10, 20, 40, 75, 140, 270]);
        assert_eq!(at[8..12], [530, 830, 1130, 1430]);
    }

    #[test]
    fn quiet_times_step_back() {
        let (mut auto, start) = (AutoResume::new(NO_JITTER), Instant::now());
        resumes(&mut auto, start, 270);
        assert_eq!(auto.backoff.delay(0.0), Duration::from_secs(256));
        let look = |auto: &mut AutoResume, s| {
            auto.check(start + Duration::from_secs(s), pb::Stage::Running, None, |_| true, 0.0)
        };
        assert_eq!(look(&mut auto, 569), Verdict::Leave);
        assert_eq!(auto.backoff.delay(0.0), Duration::from_secs(256));
        look(&mut auto, 570);
        assert_eq!(auto.backoff.delay(0.0), Duration::from_secs(128));
        look(&mut auto, 869);
        assert_eq!(auto.backoff.delay(0.0), Duration::from_secs(128));
    }

    #[test]
    fn the_users_pause_and_incurable_errors_stay() {
        let (mut auto, now) = (AutoResume::new(NO_JITTER), Instant::now());
        let paused = pb::ProcessResult { is_canceled: true, ..failed() };
        assert_eq!(auto.check(now, pb::Stage::Paused, Some(&paused), |_| true, 0.0), Verdict::Leave);
        assert_eq!(auto.check(now, pb::Stage::Paused, Some(&failed()), |_| false, 0.0), Verdict::Refuse);
        assert_eq!(auto.check(now, pb::Stage::Paused, Some(&failed()), |_| false, 0.0), Verdict::Leave);
        auto.check(now, pb::Stage::Running, None, |_| true, 0.0);
        assert_eq!(auto.check(now, pb::Stage::Paused, Some(&failed()), |_| false, 0.0), Verdict::Refuse);
        let off = ResumePolicy { enabled: false, ..NO_JITTER };
        assert_eq!(AutoResume::new(off).check(now, pb::Stage::Paused, Some(&failed()), |_| true, 0.0), Verdict::Leave);
    }

    #[test]
    fn jitter_stays_between_the_minimum_and_the_current_delay() {
        let mut backoff = Backoff::new(Duration::from_secs(1), Duration::from_secs(9), 3.0, true);
        backoff.forward();
        backoff.forward();
        backoff.forward();
        assert_eq!(backoff.delay(0.0), Duration::from_secs(1));
        assert_eq!(backoff.delay(0.5), Duration::from_secs(5));
        assert_eq!(backoff.delay(1.0), Duration::from_secs(9));
        backoff.reset();
        assert_eq!(backoff.delay(1.0), Duration::from_secs(1));
    }
}
