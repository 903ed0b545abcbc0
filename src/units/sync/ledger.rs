//! What each lane was sent and what it acknowledged: the source of truth for conflicts, drains and the low watermark.
//!
//! Every change has an ordinal, rising in the order of the source's stream. Three facts per pipeline:
//! - `sent[lane]`: the ordinal of the last change handed to the lane (written by the dispatcher only);
//! - `acked[lane]`: every change of the lane up to here is durable on the target (written by the lane, and by the
//!   dispatcher while the lane has nothing in flight);
//! - `last`: the last ordinal handed to any lane, written after `sent`.

use std::{
    collections::VecDeque,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
};

use tokio::sync::Notify;

/// The number of a lane.
pub type Lane = u16;

/// Sent and acknowledged, by lane. Shared by dispatcher, lanes and checkpoint.
pub struct Ledger {
    lanes: Box<[Entry]>,
    last: AtomicU64,
    /// Woken at each acknowledgement.
    acked: Notify,
}

#[derive(Default)]
struct Entry {
    sent: AtomicU64,
    acked: AtomicU64,
}

impl Ledger {
    /// A ledger of lanes that have nothing in flight.
    pub fn new(lanes: usize) -> Self {
        Ledger { lanes: (0..lanes).map(|_| Entry::default()).collect(), last: AtomicU64::new(0), acked: Notify::new() }
    }

    /// Notes that a change is about to be handed to a lane. Called before the change is put into the lane's channel,
    /// with rising ordinals.
    pub fn sending(&self, lane: Lane, ordinal: u64) {
        let entry = &self.lanes[usize::from(lane)];
        if entry.acked.load(SeqCst) >= entry.sent.load(SeqCst) {
            // Nothing in flight: all this lane has before `ordinal` is durable, so it holds nobody back.
            entry.acked.store(ordinal - 1, SeqCst);
        }
        entry.sent.store(ordinal, SeqCst);
        self.last.store(ordinal, SeqCst);
    }

    /// Everything of the lane up to `ordinal` is durable.
    pub fn acknowledge(&self, lane: Lane, ordinal: u64) {
        self.lanes[usize::from(lane)].acked.store(ordinal, SeqCst);
        self.acked.notify_waiters();
    }

    /// Whether a lane's change is durable.
    pub fn durable(&self, lane: Lane, ordinal: u64) -> bool {
        self.lanes[usize::from(lane)].acked.load(SeqCst) >= ordinal
    }

    /// Waits until a lane's change is durable.
    pub async fn wait(&self, lane: Lane, ordinal: u64) {
        self.until(|| self.durable(lane, ordinal)).await;
    }

    /// Waits until no lane has anything in flight.
    pub async fn drained(&self) {
        self.until(|| self.is_drained()).await;
    }

    /// True when everything that was sent is durable.
    pub fn is_drained(&self) -> bool {
        self.lanes.iter().all(|entry| entry.acked.load(SeqCst) >= entry.sent.load(SeqCst))
    }

    /// The low watermark: every change with an ordinal up to it is durable.
    ///
    /// `last` is read first: a change up to it was noted in `sent` before, so its lane is either seen idle (then it is
    /// durable) or counted with an `acked` below the change.
    pub fn low(&self) -> u64 {
        let mut low = self.last.load(SeqCst);
        for entry in &self.lanes {
            let acked = entry.acked.load(SeqCst);
            if acked < entry.sent.load(SeqCst) {
                low = low.min(acked);
            }
        }
        low
    }

    /// Waits for the next acknowledgement after this call.
    async fn until(&self, reached: impl Fn() -> bool) {
        loop {
            let notified = self.acked.notified();
            tokio::pin!(notified);
            notified.as_mut().enable();
            if reached() {
                return;
            }
            notified.await;
        }
    }
}

/// Ends of transactions that aren't all durable yet, in stream order.
pub struct Watermark<T> {
    ends: Mutex<VecDeque<(u64, T)>>,
}

/// With more ends waiting than this, newer ones replace the last: the checkpoint gets coarser, memory stays bounded.
const MAX_ENDS: usize = 8192;

impl<T> Default for Watermark<T> {
    fn default() -> Self {
        Watermark { ends: Mutex::new(VecDeque::new()) }
    }
}

impl<T> Watermark<T> {
    /// A transaction ended; `ordinal` is that of the last change before its end.
    pub fn push(&self, ordinal: u64, end: T) {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(last) = ends.back_mut()
            && last.0 == ordinal
        {
            last.1 = end;
            return;
        }
        if ends.len() >= MAX_ENDS {
            ends.pop_back();
        }
        ends.push_back((ordinal, end));
    }

    /// Takes the newest end that is durable, if any became so.
    pub fn take(&self, low: u64) -> Option<T> {
        let mut ends = self.ends.lock().unwrap_or_else(PoisonError::into_inner);
        let mut newest = None;
        while ends.front().is_some_and(|(ordinal, _)| *ordinal <= low) {
            newest = ends.pop_front().map(|(_, end)| end);
        }
        newest
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn low_watermark_is_below_the_first_change_in_flight() {
        let ledger = Ledger::new(3);
        assert_eq!(ledger.low(), 0);
        for (lane, ordinal) in [(0, 1), (1, 2), (0, 3), (2, 4)] {
            ledger.sending(lane, ordinal);
        }
        assert_eq!(ledger.low(), 0);
        ledger.acknowledge(0, 1);
        ledger.acknowledge(2, 4);
        assert_eq!(ledger.low(), 1);
        ledger.acknowledge(1, 2);
        assert_eq!(ledger.low(), 1, "lane 0 has 3 in flight and acknowledged only 1");
        ledger.acknowledge(0, 3);
        assert_eq!(ledger.low(), 4);
        assert!(ledger.is_drained());
        // A lane that slept long holds nobody back.
        ledger.sending(0, 5);
        ledger.acknowledge(0, 5);
        ledger.sending(1, 6);
        assert_eq!(ledger.low(), 5);
    }

    #[tokio::test]
    async fn waiters_wake_at_the_acknowledgement() {
        let ledger = std::sync::Arc::new(Ledger::new(2));
        ledger.sending(0, 1);
        let waiter = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.wait(0, 1).await }
        });
        let drain = tokio::spawn({
            let ledger = ledger.clone();
            async move { ledger.drained().await }
        });
        tokio::task::yield_now().await;
        ledger.acknowledge(0, 1);
        waiter.await.unwrap();
        drain.await.unwrap();
    }

    #[test]
    fn ends_are_taken_when_durable_and_stay_bounded() {
        let marks = Watermark::default();
        marks.push(1, "a");
        marks.push(3, "b");
        marks.push(3, "heartbeat after b");
        marks.push(7, "c");
        assert_eq!(marks.take(0), None);
        assert_eq!(marks.take(5), Some("heartbeat after b"));
        assert_eq!(marks.take(6), None);
        assert_eq!(marks.take(7), Some("c"));
        let many = Watermark::default();
        for i in 0..20_000u64 {
            many.push(i, i);
        }
        assert_eq!(many.take(u64::MAX), Some(19_999));
    }
}
