//! Where a run's time goes: an addition for each piece of work, no locks.

use std::{
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// What time is spent on.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Nothing to read: the source has no newer event.
    Source,
    /// Waiting for events that the source has had for a while.
    Network,
    /// Decoding, filters, encoding.
    Decode,
    /// Decoded rows that wait for memory or for a place in a queue: what comes behind is slower.
    Handover,
    /// Lanes that wait for changes of other lanes to be durable.
    Conflict,
    /// Lanes with a transaction on its way.
    Commit,
    /// Statements and what belongs to them.
    Ddl,
    /// Checkpoints.
    Checkpoint,
}

const PARTS: [(Part, &str); 8] = [
    (Part::Source, "source wait"),
    (Part::Network, "network"),
    (Part::Decode, "decode"),
    (Part::Handover, "handover wait"),
    (Part::Conflict, "conflict wait"),
    (Part::Commit, "target commit"),
    (Part::Ddl, "ddl"),
    (Part::Checkpoint, "checkpoint"),
];

/// Recent means the last whole span of this length.
const SPAN: Duration = Duration::from_secs(10);

/// Time by part.
#[derive(Default)]
pub struct Clock {
    nanos: [AtomicU64; PARTS.len()],
    recent: Mutex<Recent>,
}

#[derive(Default)]
struct Recent {
    since: Option<Instant>,
    nanos: [u64; PARTS.len()],
    shares: [f64; PARTS.len()],
}

/// One part's time.
pub struct Spent {
    pub part: &'static str,
    pub seconds: f64,
    /// Of the last 10 seconds, in percent; of lanes, the mean of all lanes.
    pub percent: f64,
}

impl Clock {
    /// Adds time.
    pub fn spent(&self, part: Part, took: Duration) {
        if let Some(nanos) = self.nanos.get(part as usize) {
            nanos.fetch_add(took.as_nanos() as u64, Relaxed);
        }
    }

    /// All time of a part so far.
    pub fn total(&self, part: Part) -> Duration {
        Duration::from_nanos(self.nanos.get(part as usize).map_or(0, |nanos| nanos.load(Relaxed)))
    }

    /// Called every second.
    pub fn tick(&self, now: Instant) {
        let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(since) = recent.since else {
            recent.since = Some(now);
            return;
        };
        let span = now.saturating_duration_since(since);
        if span < SPAN {
            return;
        }
        for (at, nanos) in self.nanos.iter().enumerate() {
            let nanos = nanos.load(Relaxed);
            if let (Some(before), Some(_)) = (recent.nanos.get(at).copied(), recent.shares.get(at)) {
                recent.shares[at] = nanos.saturating_sub(before) as f64 / span.as_nanos() as f64;
                recent.nanos[at] = nanos;
            }
        }
        recent.since = Some(now);
    }

    /// Every part. Time of lanes is given by the lane.
    pub fn spent_by_part(&self, lanes: usize) -> Vec<Spent> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let one = |(part, name): &(Part, &'static str)| {
            let by = if matches!(part, Part::Conflict | Part::Commit) { lanes.max(1) as f64 } else { 1.0 };
            let share = recent.shares.get(*part as usize).copied().unwrap_or_default();
            Spent { part: name, seconds: self.total(*part).as_secs_f64() / by, percent: share * 100.0 / by }
        };
        PARTS.iter().map(one).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_are_of_the_last_whole_span() {
        let (clock, start) = (Clock::default(), Instant::now());
        clock.tick(start);
        clock.spent(Part::Commit, Duration::from_secs(10));
        clock.spent(Part::Decode, Duration::from_secs(5));
        clock.tick(start + Duration::from_secs(9));
        let percent = |part: Part, lanes| {
            let all = clock.spent_by_part(lanes);
            all.iter().find(|spent| spent.part == PARTS[part as usize].1).map(|spent| spent.percent.round())
        };
        assert_eq!(percent(Part::Decode, 1), Some(0.0));
        clock.tick(start + Duration::from_secs(10));
        assert_eq!((percent(Part::Decode, 1), percent(Part::Commit, 4)), (Some(50.0), Some(25.0)));
        clock.tick(start + Duration::from_secs(20));
        assert_eq!(percent(Part::Commit, 4), Some(0.0));
        assert_eq!(clock.total(Part::Commit), Duration::from_secs(10));
        assert!(PARTS.iter().enumerate().all(|(at, (part, _))| *part as usize == at));
    }
}
