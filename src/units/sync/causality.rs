//! Conflict detection: which earlier change of another lane must be durable before a change may be sent.
//!
//! The map holds, for each folded key, the last change that touched it. A change depends on it when that change is in
//! another lane and not yet durable. No deadlock is possible: dependencies point only backwards in the stream's order,
//! a lane sends in that order and sends what it holds before it waits. So the first change of the stream that isn't
//! durable has neither a lane predecessor nor a dependency that isn't, and its lane is free to send it.

use std::collections::HashMap;

use super::{
    change::Change,
    ledger::{Lane, Ledger},
};

/// Fewer entries than this are never swept.
const SWEEP_MIN: usize = 1 << 16;

/// Keys touched by changes that may not be durable yet.
pub struct Causality {
    last: HashMap<u64, (Lane, u64)>,
    sweep_at: usize,
}

impl Default for Causality {
    fn default() -> Self {
        Causality { last: HashMap::new(), sweep_at: SWEEP_MIN }
    }
}

impl Causality {
    /// Finds what `change` (with lane and ordinal set) has to wait for, and notes the keys it touches.
    pub fn admit(&mut self, change: &mut Change, ledger: &Ledger) {
        let mine = (change.lane, change.ordinal);
        for key in &change.keys {
            let Some((lane, ordinal)) = self.last.insert(*key, mine) else { continue };
            if lane == change.lane || ledger.durable(lane, ordinal) {
                continue;
            }
            match change.after.iter_mut().find(|(waited, _)| *waited == lane) {
                Some((_, latest)) => *latest = ordinal.max(*latest),
                None => change.after.push((lane, ordinal)),
            }
        }
        if self.last.len() >= self.sweep_at {
            self.sweep(ledger);
        }
    }

    /// Forgets everything; all lanes are drained.
    pub fn clear(&mut self) {
        self.last.clear();
    }

    /// Removes what is durable. The next sweep comes when the map has doubled, so sweeping costs a constant per change.
    fn sweep(&mut self, ledger: &Ledger) {
        self.last.retain(|_, (lane, ordinal)| !ledger.durable(*lane, *ordinal));
        self.sweep_at = (self.last.len() * 2).max(SWEEP_MIN);
    }
}
