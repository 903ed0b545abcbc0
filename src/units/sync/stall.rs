//! Whether a run moves: a place that stays the same while there is work.

use std::time::{Duration, Instant};

/// Without progress for this long while there is work, a run counts as stalled.
pub const STALL: Duration = Duration::from_secs(60);
/// A stalled run says so in the log this often.
const REPEAT: Duration = Duration::from_secs(60);

/// What is looked at every second.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mark {
    /// Anything that grows with work done.
    pub work: u64,
    pub file: String,
    pub pos: u64,
}

/// When the run last moved.
#[derive(Default)]
pub struct Stall {
    last: Option<(Mark, Instant)>,
    told: Option<Instant>,
}

impl Stall {
    /// Looks; gives how long nothing has moved (zero when there is no work), and whether the log should be told now.
    pub fn look(&mut self, mark: Mark, has_work: bool, now: Instant) -> (Duration, bool) {
        let moved = self.last.as_ref().is_none_or(|(last, _)| *last != mark);
        if moved || !has_work {
            self.last = Some((mark, now));
            self.told = None;
            return (Duration::ZERO, false);
        }
        let since = self.last.as_ref().map_or(Duration::ZERO, |(_, at)| now.saturating_duration_since(*at));
        let due = self.told.is_none_or(|at| now.saturating_duration_since(at) >= REPEAT);
        let tell = since >= STALL && due;
        if tell {
            self.told = Some(now);
        }
        (since, tell)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_needs_work_and_a_place_that_stays() {
        let (mut stall, start) = (Stall::default(), Instant::now());
        let mark = |work| Mark { work, file: "b.1".into(), pos: 4 };
        let mut look = |work, has_work, at| stall.look(mark(work), has_work, start + Duration::from_secs(at));
        assert_eq!(look(1, true, 0), (Duration::ZERO, false));
        assert_eq!(look(1, true, 59), (Duration::from_secs(59), false));
        assert_eq!(look(1, true, 60), (Duration::from_secs(60), true));
        assert_eq!(look(1, true, 61), (Duration::from_secs(61), false), "said a moment ago");
        assert_eq!(look(1, true, 120), (Duration::from_secs(120), true));
        assert_eq!(look(2, true, 121), (Duration::ZERO, false), "it moved");
        assert_eq!(look(2, false, 300), (Duration::ZERO, false), "nothing to do");
        assert_eq!(look(2, true, 359), (Duration::from_secs(59), false));
    }
}
