//! The memory of one task's sync: what is on its way from the stream to the target's acknowledgement counts against
//! `memory-limit`.
//!
//! Two budgets, so that what was read can't keep from going on what must go before it: a sixteenth of the limit for events
//! that were read, a quarter for rows as SQL text (each text counted [`COPIES`] times). Rows that wait for the end of their
//! transaction, or for the decision of XA, have two fixed parts ([`Budgets::unsettled`]): what is beyond is read from the
//! source again. The rest is for what can't be counted where it arises: the event that is being received, and a row so large
//! that it takes a whole budget. An event is refused that would need more than the limit even if it were alone: see
//! [`Budgets::largest_event`].

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// A row's text is there as such, in its packet, and twice in the driver.
pub const COPIES: usize = 4;
/// Bytes of memory for one byte of an event that is alone: text may be twice as long, in its copies, and the next event
/// is being received.
const EACH_BYTE: u64 = 2 * COPIES as u64 + 2;

/// The budgets of a task.
#[derive(Clone, Debug)]
pub struct Budgets {
    pub stream: Budget,
    pub rows: Budget,
    limit: u64,
}

impl Budgets {
    /// The parts of a `memory-limit` in bytes.
    pub fn of(limit: u64) -> Self {
        Budgets { stream: Budget::new(limit / 16), rows: Budget::new(limit / 4), limit }
    }

    /// SQL of one packet of one of so many lanes, unless a single row is larger. Each lane keeps the buffers of its packets,
    /// which grow by doubling: ours and two of the driver's. All together may take a quarter of the limit.
    pub fn packet(&self, lanes: usize) -> usize {
        let each = self.limit / 4 / lanes.max(1) as u64 / 6;
        usize::try_from(each).unwrap_or(usize::MAX).clamp(64 << 10, 1 << 20)
    }

    /// What rows may take that are not known to count yet: of the transaction under way, and as much again of all prepared XA
    /// transactions together.
    pub fn unsettled(&self) -> usize {
        usize::try_from(self.limit / 64).unwrap_or(usize::MAX).clamp(64 << 10, 64 << 20)
    }

    /// The largest event, in bytes, that passes.
    pub fn largest_event(&self) -> u64 {
        self.limit / EACH_BYTE
    }
}

/// Budget in units of 1 KiB.
#[derive(Clone, Debug)]
pub struct Budget {
    permits: Arc<Semaphore>,
    total: u32,
}

/// A part of the budget, returned when dropped.
#[derive(Debug)]
pub struct Held {
    _permit: Option<OwnedSemaphorePermit>,
}

impl Budget {
    /// A budget of `bytes`, at most 512 GiB.
    pub fn new(bytes: u64) -> Self {
        let total = u32::try_from(bytes >> 10).unwrap_or(u32::MAX).clamp(1, 1 << 29);
        Budget { permits: Arc::new(Semaphore::new(total as usize)), total }
    }

    /// Takes `bytes`, waiting until others return theirs. Something larger than the whole budget takes all of it, so it
    /// passes alone rather than never.
    pub async fn take(&self, bytes: usize) -> Arc<Held> {
        let units = u32::try_from((bytes >> 10) + 1).unwrap_or(u32::MAX).min(self.total);
        // The semaphore is never closed; without a permit the value is merely not counted.
        let permit = self.permits.clone().acquire_many_owned(units).await.ok();
        Arc::new(Held { _permit: permit })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn what_is_dropped_returns() {
        let budget = Budget::new(4 << 10);
        let first = budget.take(2 << 10).await;
        assert_eq!(budget.permits.available_permits(), 1);
        drop(first);
        let all = budget.take(1 << 30).await;
        assert_eq!(budget.permits.available_permits(), 0);
        drop(all);
        assert_eq!(budget.permits.available_permits(), 4);
    }

    #[test]
    fn all_parts_together_stay_within_the_limit() {
        let limit = 256 << 20;
        let budgets = Budgets::of(limit);
        let parts = u64::from(budgets.stream.total) + u64::from(budgets.rows.total);
        let unsettled = 2 * budgets.unsettled() as u64;
        assert!((parts << 10) + unsettled + budgets.largest_event() * 4 < limit);
        assert!(budgets.largest_event() * EACH_BYTE <= limit);
    }
}
