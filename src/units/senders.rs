//! How many writers (lanes of sync, writers of a load) may have a transaction on its way at once, and who of them may now.
//!
//! A target that is near works off a few transactions side by side as fast as many, and cheaper, for those who wait for
//! their turn gather larger ones. A distant one wants as many as there are lanes. Which of both it is shows in what becomes
//! durable: [`SendLimit`] tries a smaller and a larger number now and then, and stays with what brings in more.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

pub use limit::SendLimit;
use limit::Span;

mod limit;

/// A transaction that takes longer, behind a lock of somebody else's for example, no longer keeps others from sending.
const PATIENCE: Duration = Duration::from_secs(1);
/// Of a load, whose transactions are large and meet nobody else's.
const PATIENCE_OF_A_LOAD: Duration = Duration::from_secs(10);

/// Writers of a load that may send to a near target at first.
const FIRST_OF_A_LOAD: usize = 4;
/// A target whose answer takes this long is distant.
const DISTANT: Duration = Duration::from_millis(4);

/// The writers' turns. Cheap to clone.
#[derive(Clone)]
pub struct Senders {
    turns: Arc<Semaphore>,
    state: Arc<Mutex<State>>,
    patience: Duration,
    /// Who wait with work that they have begun.
    begun: Arc<AtomicUsize>,
    /// Who want a turn for new work wait here, all but the first of them.
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// One who waits with work that it has begun.
struct Waits<'a>(&'a AtomicUsize);

impl Drop for Waits<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::AcqRel);
    }
}

struct State {
    limit: SendLimit,
    /// Turns that exist, free or taken. More than the limit while somebody has to give one up.
    turns: usize,
    span: Span,
    /// Transactions that were under way when the span's limit began to count, and that are passed over.
    passing: usize,
    since: Instant,
    /// Milliseconds of a transaction, and its rows: the mean of the last span.
    seen: (f64, f64),
}

/// The right to have a transaction on its way.
pub struct Turn {
    senders: Senders,
    permit: Option<OwnedSemaphorePermit>,
    began: Instant,
}

/// What is told of a transaction that is durable.
pub struct Sent {
    pub rows: usize,
    pub bytes: usize,
    /// More changes were waiting when it was closed.
    pub more: bool,
}

impl Senders {
    /// For so many lanes: at first all of them may send.
    pub fn new(lanes: usize) -> Senders {
        Senders::within(SendLimit::new(lanes), PATIENCE)
    }

    /// For a load with so many writers into a target whose shortest answer takes `distance`. A near one's cores are busy with
    /// a few, and its CPU for the same rows grows with the transactions that are open side by side (by a fifth to a third
    /// from four to sixteen on two cores); what more would do is found out. A distant one gets all from the start, for a load
    /// can be over before that is found out.
    pub fn of_load(distance: Duration, writers: usize) -> Senders {
        let first = if distance < DISTANT { FIRST_OF_A_LOAD } else { writers };
        Senders::within(SendLimit::at(first, writers), PATIENCE_OF_A_LOAD)
    }

    fn within(limit: SendLimit, patience: Duration) -> Senders {
        let turns = limit.now();
        let state = State { limit, turns, span: Span::default(), passing: 0, since: Instant::now(), seen: (0.0, 0.0) };
        let (turns, state) = (Arc::new(Semaphore::new(turns)), Arc::new(Mutex::new(state)));
        Senders { turns, state, patience, begun: Arc::default(), gate: Arc::default() }
    }

    /// Every turn is taken: somebody may wait for one.
    pub fn are_all_taken(&self) -> bool {
        self.turns.available_permits() == 0
    }

    /// Waits for a turn, with work that is begun. Whoever has one must wait for nobody but the target.
    pub async fn turn(&self) -> Turn {
        self.begun.fetch_add(1, Ordering::AcqRel);
        let _waits = Waits(&self.begun);
        self.wait().await
    }

    /// Waits for a turn before new work is taken up: behind those who have begun some, but for one that came before.
    pub async fn turn_for_new(&self) -> Turn {
        let _first = self.gate.lock().await;
        self.wait().await
    }

    /// Somebody waits with work that is begun: who keeps a turn gives it back before new work.
    pub fn is_wanted(&self) -> bool {
        self.begun.load(Ordering::Acquire) > 0
    }

    async fn wait(&self) -> Turn {
        // The semaphore is never closed; without a permit the turn merely isn't counted.
        let permit = self.turns.clone().acquire_owned().await.ok();
        Turn { senders: self.clone(), permit, began: Instant::now() }
    }

    /// Lanes that may have a transaction on its way now; what one took lately in milliseconds, and its rows.
    pub fn seen(&self) -> (usize, f64, f64) {
        let state = self.lock();
        (state.limit.now(), state.seen.0, state.seen.1)
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    /// Counts a transaction; true when the limit changed.
    fn count(&mut self, sent: &Sent, took: Duration, now: Instant) -> bool {
        if self.passing > 0 {
            self.passing -= 1;
            if self.passing == 0 {
                self.since = now;
            }
            return false;
        }
        self.span.add(sent.rows, sent.bytes, sent.more, took);
        self.span.length = now.saturating_duration_since(self.since);
        if !self.limit.is_enough(&self.span) {
            return false;
        }
        let before = self.limit.now();
        self.seen = self.span.means();
        self.limit.after(&std::mem::take(&mut self.span));
        self.since = now;
        let changed = self.limit.now() != before;
        if changed {
            self.passing = before.max(self.limit.now());
        }
        changed
    }
}

impl Turn {
    /// The transaction is durable.
    pub fn done(self, sent: &Sent) {
        self.count(sent);
    }

    /// The transaction is durable, and the turn counts for the next one, if as many may still send and it wasn't given back.
    /// Nobody else gets a turn from it until its work is done: only for writers of which a few can do all the work.
    pub fn next(mut self, sent: &Sent) -> Option<Turn> {
        self.count(sent);
        let keeps = {
            let state = self.senders.lock();
            self.permit.is_some() && state.turns <= state.limit.now()
        };
        self.began = Instant::now();
        keeps.then_some(self)
    }

    fn count(&self, sent: &Sent) {
        let now = Instant::now();
        let took = now.saturating_duration_since(self.began);
        let mut state = self.senders.lock();
        if state.count(sent, took, now) {
            let wanted = state.limit.now();
            if wanted > state.turns {
                self.senders.turns.add_permits(wanted - state.turns);
                state.turns = wanted;
            } else {
                state.turns -= self.senders.turns.forget_permits(state.turns - wanted);
            }
        }
    }

    /// Ends after the time for which a transaction keeps others from sending; the turn is then given back.
    pub async fn expire(&mut self) {
        tokio::time::sleep(self.senders.patience).await;
        self.give_back();
    }

    fn give_back(&mut self) {
        let Some(permit) = self.permit.take() else { return };
        let mut state = self.senders.lock();
        if state.turns > state.limit.now() {
            state.turns -= 1;
            permit.forget();
        }
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        self.give_back();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn turns_follow_the_limit() {
        let senders = Senders::new(4);
        let mut turns = Vec::new();
        for _ in 0..4 {
            turns.push(senders.turn().await);
        }
        senders.lock().limit = SendLimit::at(2, 4);
        turns.truncate(2);
        assert_eq!((senders.turns.available_permits(), senders.lock().turns), (0, 2));
        turns.clear();
        assert_eq!((senders.turns.available_permits(), senders.lock().turns), (2, 2));
    }

    #[tokio::test]
    async fn a_turn_is_kept_until_fewer_may_send() {
        let senders = Senders::of_load(Duration::ZERO, 16);
        let sent = Sent { rows: 0, bytes: 1 << 20, more: true };
        let mut turns = Vec::new();
        for _ in 0..FIRST_OF_A_LOAD {
            turns.push(senders.turn().await);
        }
        assert!(senders.are_all_taken());
        turns = turns.into_iter().filter_map(|turn| turn.next(&sent)).collect();
        assert_eq!(turns.len(), FIRST_OF_A_LOAD);
        senders.lock().limit = SendLimit::at(2, 16);
        turns = turns.into_iter().filter_map(|turn| turn.next(&sent)).collect();
        assert_eq!((turns.len(), senders.turns.available_permits(), senders.lock().turns), (2, 0, 2));
        assert_eq!(Senders::of_load(DISTANT, 16).turns.available_permits(), 16);
        assert_eq!(Senders::of_load(Duration::ZERO, 3).turns.available_permits(), 3);
    }

    #[tokio::test]
    async fn work_that_is_begun_does_not_wait_behind_new_work() {
        let senders = Senders::of_load(Duration::ZERO, 1);
        let (tell, mut told) = tokio::sync::mpsc::channel(4);
        let first = senders.turn_for_new().await;
        let waiter = |who: &'static str, begun: bool| {
            let (senders, tell) = (senders.clone(), tell.clone());
            tokio::spawn(async move {
                let turn = if begun { senders.turn().await } else { senders.turn_for_new().await };
                tell.try_send(who).unwrap();
                drop(turn);
            })
        };
        // One after the other, as far as each gets.
        for (who, begun) in [("new 1", false), ("new 2", false), ("begun", true), ("new 3", false)] {
            waiter(who, begun);
            for _ in 0..8 {
                tokio::task::yield_now().await;
            }
            assert_eq!(senders.is_wanted(), begun || who == "new 3");
        }
        drop(first);
        for who in ["new 1", "begun", "new 2", "new 3"] {
            assert_eq!(told.recv().await, Some(who));
        }
        assert!(!senders.is_wanted());
    }

    #[tokio::test]
    async fn who_waits_long_for_the_target_keeps_nobody_from_it() {
        let senders = Senders { patience: Duration::from_millis(20), ..Senders::new(1) };
        let mut first = senders.turn().await;
        assert!(senders.turns.try_acquire().is_err());
        first.expire().await;
        let second = senders.turn().await;
        drop((first, second));
        assert_eq!(senders.turns.available_permits(), 1);
    }
}
