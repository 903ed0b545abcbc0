//! Conflict detection: which earlier change of another lane must be durable before a change may be sent.
//!
//! The map holds, for each folded key, the last change that touched it. A change depends on it when that change is in
//! another lane and not yet durable. No deadlock is possible: dependencies point only backwards in the stream's order,
//! a lane sends in that order and sends what it holds before it waits. So the first change of the stream that isn't
//! durable has neither a lane predecessor nor a dependency that isn't, and its lane is free to send it.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use smallvec::SmallVec;

use super::{
    change::{Change, Relations},
    ledger::{Lane, Ledger},
};

/// Fewer entries than this are never swept.
const SWEEP_MIN: usize = 1 << 16;

/// The keys are hashes already.
#[derive(Default)]
pub struct Pass(u64);

impl Hasher for Pass {
    fn finish(&self) -> u64 {
        self.0
    }

    fn write(&mut self, bytes: &[u8]) {
        bytes.iter().for_each(|byte| self.0 = self.0.rotate_left(8) ^ u64::from(*byte));
    }

    fn write_u64(&mut self, number: u64) {
        self.0 = number;
    }
}

type Map<V> = HashMap<u64, V, BuildHasherDefault<Pass>>;

/// Keys touched by changes that may not be durable yet.
pub struct Causality {
    last: Map<(Lane, u64)>,
    /// By the hashes of foreign keys.
    related: Map<Related>,
    sweep_at: usize,
}

/// Who touched the values of a foreign key last.
#[derive(Default)]
struct Related {
    altered: Option<(Lane, u64)>,
    /// Since then, one a lane.
    used: SmallVec<[(Lane, u64); 4]>,
}

impl Default for Causality {
    fn default() -> Self {
        Causality { last: Map::default(), related: Map::default(), sweep_at: SWEEP_MIN }
    }
}

impl Causality {
    /// Finds what `change` (with lane and ordinal set) has to wait for, and notes the keys it touches.
    pub fn admit(&mut self, change: &mut Change, ledger: &Ledger) {
        let mine = (change.lane, change.ordinal);
        self.touch(&change.keys, mine, &mut change.after, ledger);
        if let Some(relations) = &change.relations {
            self.relate(relations, mine, &mut change.after, ledger);
        }
        self.keep_small(ledger);
    }

    /// Forgets what is durable, now and then.
    pub fn keep_small(&mut self, ledger: &Ledger) {
        if self.last.len() + self.related.len() >= self.sweep_at {
            self.sweep(ledger);
        }
    }

    /// Notes that a change touches keys; `after` gets those that it has to wait for.
    pub fn touch(&mut self, keys: &[u64], mine: (Lane, u64), after: &mut Vec<(Lane, u64)>, ledger: &Ledger) {
        for key in keys {
            if let Some(earlier) = self.last.insert(*key, mine) {
                wait_for(after, earlier, mine, ledger);
            }
        }
    }

    fn relate(&mut self, relations: &Relations, mine: (Lane, u64), after: &mut Vec<(Lane, u64)>, ledger: &Ledger) {
        for hash in &relations.uses {
            let related = self.related.entry(*hash).or_default();
            if let Some(earlier) = related.altered {
                wait_for(after, earlier, mine, ledger);
            }
            match related.used.iter_mut().find(|(lane, _)| *lane == mine.0) {
                Some((_, ordinal)) => *ordinal = mine.1,
                None => related.used.push(mine),
            }
        }
        for hash in &relations.alters {
            let related = self.related.entry(*hash).or_default();
            for earlier in related.altered.into_iter().chain(related.used.drain(..)) {
                wait_for(after, earlier, mine, ledger);
            }
            related.altered = Some(mine);
        }
    }

    /// Forgets everything; all lanes are drained.
    pub fn clear(&mut self) {
        self.last.clear();
        self.related.clear();
    }

    /// Removes what is durable. The next sweep comes when the map has doubled, so sweeping costs a constant per change.
    fn sweep(&mut self, ledger: &Ledger) {
        let open = |(lane, ordinal): &(Lane, u64)| !ledger.durable(*lane, *ordinal);
        self.last.retain(|_, earlier| open(earlier));
        self.related.retain(|_, related| {
            related.altered = related.altered.filter(open);
            related.used.retain(|earlier| open(earlier));
            related.altered.is_some() || !related.used.is_empty()
        });
        self.sweep_at = ((self.last.len() + self.related.len()) * 2).max(SWEEP_MIN);
    }
}

/// Notes that a change of another lane has to be durable first, unless it is.
fn wait_for(after: &mut Vec<(Lane, u64)>, earlier: (Lane, u64), mine: (Lane, u64), ledger: &Ledger) {
    let (lane, ordinal) = earlier;
    if lane == mine.0 || ledger.durable(lane, ordinal) {
        return;
    }
    match after.iter_mut().find(|(waited, _)| *waited == lane) {
        Some((_, latest)) => *latest = ordinal.max(*latest),
        None => after.push((lane, ordinal)),
    }
}

#[cfg(test)]
#[path = "causality_tests.rs"]
mod tests;
