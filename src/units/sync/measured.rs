//! What a bench needs of the inside: conflict detection without rows.

use super::{
    causality::Causality,
    ledger::{Lane, Ledger},
};

/// Changes in flight: the work of the dispatcher for each change, with lanes that acknowledge `behind` changes later.
pub struct Conflicts {
    causality: Causality,
    ledger: Ledger,
    lanes: Lane,
    behind: u64,
    ordinal: u64,
    after: Vec<(Lane, u64)>,
}

impl Conflicts {
    pub fn new(lanes: u16, behind: u64) -> Conflicts {
        let (causality, ledger) = (Causality::default(), Ledger::new(usize::from(lanes)));
        Conflicts { causality, ledger, lanes, behind, ordinal: 0, after: Vec::new() }
    }

    /// Admits a change that touches these keys; gives how many lanes it waits for.
    pub fn admit(&mut self, keys: &[u64]) -> usize {
        self.ordinal += 1;
        let lane = self.lane(keys.first().copied().unwrap_or(0));
        self.after.clear();
        self.causality.touch(keys, (lane, self.ordinal), &mut self.after, &self.ledger);
        self.causality.keep_small(&self.ledger);
        self.ledger.sending(lane, self.ordinal);
        if let Some(durable) = self.ordinal.checked_sub(self.behind) {
            let lane = (durable % u64::from(self.lanes)) as Lane;
            self.ledger.acknowledge(lane, durable);
        }
        self.after.len()
    }

    fn lane(&self, key: u64) -> Lane {
        (key % u64::from(self.lanes)) as Lane
    }
}
