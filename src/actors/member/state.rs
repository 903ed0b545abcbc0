//! What a worker does with its leader's words, decided without a runtime: its sources, and the link to the leader.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use super::messages::Assignment;
use crate::actors::{
    post::NoReply,
    scheduler::messages::{Holding, LoadFiles, SchedulerReply},
    supervise::Backoff,
};

/// What the actor does with an assignment.
#[derive(Clone, PartialEq, Debug)]
pub enum Verdict {
    /// It is older than what was seen: refuse it.
    Stale { epoch: u64 },
    /// To the living source actor of this epoch.
    Forward,
    /// Start a source actor.
    Start,
    /// Kill the actor of the older epoch; the assignment starts when it is gone.
    Replace,
}

#[derive(Clone, PartialEq, Debug)]
enum Slot {
    Alive {
        epoch: u64,
        digest: u64,
    },
    /// Being ended; `next` starts afterwards.
    Leaving {
        epoch: u64,
        next: Option<u64>,
    },
}

/// The sources of this worker.
#[derive(Debug, Default)]
pub struct Sources {
    slots: BTreeMap<String, Slot>,
    /// The highest epoch ever heard of, by source: nothing older may run here again.
    seen: BTreeMap<String, u64>,
}

impl Sources {
    /// An assignment came.
    pub fn follow(&mut self, assignment: &Assignment) -> Verdict {
        let (source, epoch, digest) = (&assignment.source_id, assignment.epoch, assignment.digest);
        let seen = self.seen.entry(source.clone()).or_default();
        if epoch < *seen {
            return Verdict::Stale { epoch: *seen };
        }
        *seen = epoch;
        match self.slots.get_mut(source) {
            None => {
                self.slots.insert(source.clone(), Slot::Alive { epoch, digest });
                Verdict::Start
            }
            Some(Slot::Alive { epoch: mine, digest: newest }) if *mine == epoch => {
                *newest = digest;
                Verdict::Forward
            }
            Some(slot) => {
                let old = slot.epoch();
                *slot = Slot::Leaving { epoch: old, next: Some(epoch) };
                Verdict::Replace
            }
        }
    }

    /// The source was given to another worker. True when its actor must be killed now.
    pub fn release(&mut self, source: &str, epoch: u64) -> bool {
        let seen = self.seen.entry(source.to_owned()).or_default();
        *seen = (*seen).max(epoch);
        match self.slots.get_mut(source) {
            Some(slot) if slot.epoch() <= epoch => {
                let old = slot.epoch();
                *slot = Slot::Leaving { epoch: old, next: None };
                true
            }
            Some(Slot::Leaving { next, .. }) if next.is_some_and(|n| n <= epoch) => {
                *next = None;
                false
            }
            _ => false,
        }
    }

    /// The source is to end at a safe point. True when its actor must be told.
    pub fn let_go(&mut self, source: &str, epoch: u64) -> bool {
        match self.slots.get_mut(source) {
            Some(slot) if slot.epoch() <= epoch => {
                *slot = Slot::Leaving { epoch: slot.epoch(), next: None };
                true
            }
            _ => false,
        }
    }

    /// Everything ends at once; the leader says anew what is to run.
    pub fn abandon(&mut self) {
        for slot in self.slots.values_mut() {
            *slot = Slot::Leaving { epoch: slot.epoch(), next: None };
        }
    }

    /// A source's actor is gone. True when the assignment that waited for this starts now.
    pub fn gone(&mut self, source: &str) -> bool {
        match self.slots.remove(source) {
            Some(Slot::Leaving { next: Some(epoch), .. }) => {
                // Its digest is reported with the follow-up.
                self.slots.insert(source.to_owned(), Slot::Alive { epoch, digest: 0 });
                true
            }
            _ => false,
        }
    }

    /// What the leader is told: everything that may still write.
    pub fn holdings(&self) -> Vec<Holding> {
        let holding = |(source, slot): (&String, &Slot)| {
            let digest = if let Slot::Alive { digest, .. } = slot { *digest } else { 0 };
            Holding { source_id: source.clone(), epoch: slot.epoch(), digest }
        };
        self.slots.iter().map(holding).collect()
    }

    /// What its subtasks said of files of loads, as `(source, task, held)`, for the sources that run here.
    pub fn load_files(&self, said: Vec<(String, String, bool)>) -> Vec<LoadFiles> {
        let of = |(source_id, task, held): (String, String, bool)| match self.slots.get(&source_id) {
            Some(Slot::Alive { epoch, .. }) => Some(LoadFiles { epoch: *epoch, source_id, task, held }),
            _ => None,
        };
        said.into_iter().filter_map(of).collect()
    }
}

impl Slot {
    fn epoch(&self) -> u64 {
        match self {
            Slot::Alive { epoch, .. } | Slot::Leaving { epoch, .. } => *epoch,
        }
    }
}

/// What the link does next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Say {
    Nothing,
    Hello,
    Beat,
}

/// The link to the leader's scheduler. It is never given up: sources run on while it is down.
#[derive(Debug)]
pub struct Link {
    ttl: Duration,
    backoff: Backoff,
    accepted: bool,
    /// Attempts are numbered; the word of an older one is ignored.
    attempt: u64,
    in_flight: bool,
    next: Instant,
    /// The last time the leader was heard.
    heard: Instant,
    /// When the word in flight was sent.
    sent: Instant,
    /// Until when this worker may work: counted from when the last accepted word was sent.
    lease: Option<Instant>,
}

impl Link {
    /// Nothing is connected yet.
    pub fn new(ttl: Duration, now: Instant) -> Self {
        let backoff = Backoff::new(Duration::from_millis(200), Duration::from_secs(1), 2.0, true);
        Link {
            ttl,
            backoff,
            accepted: false,
            attempt: 0,
            in_flight: false,
            next: now,
            heard: now,
            sent: now,
            lease: None,
        }
    }

    /// Between two heartbeats: a sixth of the time after which this worker counts as lost, at most 5 s.
    pub fn interval(&self) -> Duration {
        (self.ttl / 6).min(Duration::from_secs(5)).max(Duration::from_millis(50))
    }

    /// Whether the time is over for which the leader counts on this worker: it must not write any more. Once a lease.
    pub fn expired(&mut self, now: Instant) -> bool {
        let over = self.lease.is_some_and(|end| now >= end);
        if over {
            (self.lease, self.accepted) = (None, false);
        }
        over
    }

    /// How long a word may take.
    pub fn patience(&self) -> Duration {
        self.interval().max(Duration::from_millis(500))
    }

    /// Whether the leader knows this worker.
    pub fn accepted(&self) -> bool {
        self.accepted
    }

    /// Whether this worker may work, and follow an assignment. One that overtakes the answer that brings the lease is not
    /// followed: it may as well be a late word of a leader that is none any more, or that has given this worker up.
    pub fn has_lease(&self) -> bool {
        self.lease.is_some()
    }

    /// The present attempt.
    pub fn attempt(&self) -> u64 {
        self.attempt
    }

    /// How long the leader has been silent.
    pub fn silence(&self, now: Instant) -> Duration {
        now.saturating_duration_since(self.heard)
    }

    /// A leader appeared or its connection broke: present yourself at once.
    pub fn leader_changed(&mut self, now: Instant) {
        (self.accepted, self.in_flight, self.next) = (false, false, now);
        self.attempt += 1;
        self.backoff.reset();
    }

    /// Something changed that the leader should know before the next heartbeat is due.
    pub fn hurry(&mut self, now: Instant) {
        if self.accepted {
            self.next = self.next.min(now);
        }
    }

    /// The clock: what to say now.
    pub fn tick(&mut self, now: Instant) -> Say {
        if self.in_flight || now < self.next {
            return Say::Nothing;
        }
        (self.in_flight, self.sent) = (true, now);
        self.attempt += 1;
        if self.accepted { Say::Beat } else { Say::Hello }
    }

    /// What became of the word. True when the connection is worth dropping: it is open but nothing comes back.
    pub fn heard(&mut self, now: Instant, attempt: u64, reply: &Result<SchedulerReply, NoReply>, dice: f64) -> bool {
        if attempt != self.attempt {
            return false;
        }
        self.in_flight = false;
        match reply {
            Ok(SchedulerReply::Accepted) => {
                (self.accepted, self.heard, self.next) = (true, now, now + self.interval());
                // The leader waits the whole ttl from when it hears this word, which is later than it was sent.
                self.lease = Some(self.sent + self.ttl - self.ttl / 8);
                self.backoff.reset();
                false
            }
            Ok(SchedulerReply::WhoAreYou) => {
                (self.accepted, self.heard, self.next) = (false, now, now);
                false
            }
            Ok(SchedulerReply::Refused { .. } | SchedulerReply::NotUnderstood) => {
                (self.accepted, self.heard) = (false, now);
                self.retry(now, dice);
                false
            }
            Ok(SchedulerReply::NotLeading) | Err(_) => {
                self.accepted = false;
                self.retry(now, dice);
                self.silence(now) >= self.patience() * 2
            }
        }
    }

    fn retry(&mut self, now: Instant, dice: f64) {
        self.next = now + self.backoff.delay(dice);
        self.backoff.forward();
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
