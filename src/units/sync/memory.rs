//! The memory budget of one pipeline: row data between the stream and the target's acknowledgement counts against it.

use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

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
    /// A budget of `bytes`.
    pub fn new(bytes: u32) -> Self {
        let total = (bytes >> 10).max(1);
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
}
