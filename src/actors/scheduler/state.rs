//! What the leader decides, without a runtime: who is alive, which change of the cluster's state is due, which worker
//! must be told what. Everything is recomputed from the committed state and the workers' reports whenever one of them
//! changes, so a lost message or a restarted leader needs no special care.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::{
    messages::{Hello, Holding, LoadFiles},
    wanted::Wanted,
};
use crate::{
    actors::member::messages::Assignment,
    coordinator::{
        Applied, Decision,
        schedule::{Move, View},
        state::ClusterState,
    },
};

/// A worker whose connection closed has this long to come back (less when its ttl is shorter).
const CLOSED_GRACE: Duration = Duration::from_secs(1);
/// A new leader waits this long for the workers to report before it takes sources from absent ones: longer than a
/// worker's lease by clocks that differ by 2 %. To it comes how long a deposed leader may have gone on granting leases,
/// less the half of it, which passes at least before another can be elected (docs/cluster.md).
const ADOPT_GRACE: Duration = Duration::from_millis(2700);
/// The same assignment is not sent again before this.
const RESEND: Duration = Duration::from_secs(3);
/// Or this, when the worker had no lease yet: the answer to its hello is on its way.
const RESEND_UNLEASED: Duration = Duration::from_millis(200);
/// Decisions that are proposed together at most.
const MOST_DECISIONS: usize = 500;
/// A gap between two ticks that means: this process slept, the workers could not be heard.
const SLEPT: Duration = Duration::from_secs(2);

/// A worker that is believed to live.
#[derive(Clone, Debug)]
struct Live {
    address: String,
    incarnation: u64,
    ttl: Duration,
    heard: Instant,
    /// When its connection closed, unless it came back.
    closed: Option<Instant>,
    running: Vec<Holding>,
    /// By source: it presented itself while bound under this epoch without working under it: it needs a newer one,
    /// which shuts out whatever ran under that name before.
    shuns: BTreeMap<String, u64>,
    /// How many sources it takes at most.
    limit: usize,
    /// It is about to end.
    leaving: bool,
    /// The last word sent about each source (digest 0: a release), and when.
    sent: BTreeMap<String, (Holding, Instant)>,
}

impl Live {
    /// Whether it must not work under this epoch.
    fn shuns(&self, source: &str, epoch: u64) -> bool {
        self.shuns.get(source).is_some_and(|shunned| epoch <= *shunned)
    }

    /// Whether this was not said a moment ago; it is taken as said now.
    fn is_news(&mut self, now: Instant, word: Holding) -> bool {
        let said = self.sent.get(&word.source_id);
        if said.is_some_and(|(what, at)| *what == word && now.saturating_duration_since(*at) < RESEND) {
            return false;
        }
        self.sent.insert(word.source_id.clone(), (word, now));
        true
    }
}

/// What a heartbeat says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Beat {
    /// Nothing but that it lives.
    Same,
    /// It holds something else than before, or its connection is back.
    News,
    /// The worker is not known (any more), it has to present itself.
    Unknown,
}

/// Something to tell a worker.
#[derive(Clone, PartialEq, Debug)]
pub enum Errand {
    /// Its assignment is not the newest.
    Follow { worker: String, incarnation: u64, source_id: String },
    /// It works for a source that is no longer its own.
    Release { worker: String, incarnation: u64, source_id: String, epoch: u64 },
}

/// Who is alive.
#[derive(Debug)]
pub struct Roster {
    workers: BTreeMap<String, Live>,
    /// Sources whose worker was asked to let go of them, so that they can move.
    moving: BTreeSet<String>,
    /// What each worker is to hold.
    wanted: Wanted,
    adopt_grace: Duration,
    /// For how long the leader before this one may have called itself one.
    deposed: Duration,
    /// Workers that were here and are lost, and how long after the start their sources may be taken.
    lost: BTreeMap<String, Duration>,
    started: Instant,
    last_tick: Instant,
}

impl Roster {
    /// A leader has just started; nobody reported yet. `deposed`: for how long its predecessor may still call itself one.
    pub fn new(now: Instant, deposed: Duration) -> Self {
        Roster {
            workers: BTreeMap::new(),
            moving: BTreeSet::new(),
            wanted: Wanted::default(),
            adopt_grace: ADOPT_GRACE + deposed / 2,
            deposed,
            lost: BTreeMap::new(),
            started: now,
            last_tick: now,
        }
    }

    /// A worker presents itself. An error is the reason to refuse it: the name belongs to a living worker elsewhere.
    pub fn hello(&mut self, now: Instant, state: &ClusterState, hello: &Hello) -> Result<(), String> {
        self.may_join(&hello.name, &hello.address)?;
        // The same process as before may only be slow to start what it was told.
        let same = self.workers.get(&hello.name).filter(|w| w.incarnation == hello.incarnation);
        let mut shuns = same.map(|w| w.shuns.clone()).unwrap_or_default();
        for (source, binding) in state.bindings.iter().filter(|(_, b)| b.worker == hello.name) {
            let holds = |h: &Holding| h.source_id == *source && h.epoch == binding.epoch;
            if hello.running.iter().any(holds) {
                shuns.remove(source);
            } else if same.is_none_or(|w| w.running.iter().any(holds)) {
                // A new process, or one that stopped it because its lease ran out.
                shuns.insert(source.clone(), binding.epoch);
            }
        }
        let live = Live {
            address: hello.address.clone(),
            incarnation: hello.incarnation,
            ttl: Duration::from_millis(hello.ttl_ms.max(500)),
            heard: now,
            closed: None,
            running: hello.running.clone(),
            shuns,
            limit: if hello.max_sources == 0 { usize::MAX } else { hello.max_sources as usize },
            leaving: false,
            sent: BTreeMap::new(),
        };
        self.workers.insert(hello.name.clone(), live);
        self.lost.remove(&hello.name);
        Ok(())
    }

    /// 46003: the name is taken by a living worker at another address.
    pub fn may_join(&self, name: &str, address: &str) -> Result<(), String> {
        match self.workers.get(name) {
            Some(live) if live.address != address && live.closed.is_none() => {
                Err(format!("dm-worker with name {name} already exists, at {}", live.address))
            }
            _ => Ok(()),
        }
    }

    /// A heartbeat.
    pub fn beat(&mut self, now: Instant, name: &str, incarnation: u64, running: Vec<Holding>) -> Beat {
        match self.workers.get_mut(name).filter(|w| w.incarnation == incarnation) {
            Some(live) => {
                let news = live.closed.is_some() || live.running != running;
                (live.heard, live.closed, live.running) = (now, None, running);
                if news { Beat::News } else { Beat::Same }
            }
            None => Beat::Unknown,
        }
    }

    /// A worker is about to end.
    pub fn leave(&mut self, name: &str, incarnation: u64) {
        if let Some(live) = self.workers.get_mut(name).filter(|w| w.incarnation == incarnation) {
            live.leaving = true;
        }
    }

    /// A worker's connection closed.
    pub fn closed(&mut self, now: Instant, name: &str, incarnation: u64) {
        if let Some(live) = self.workers.get_mut(name).filter(|w| w.incarnation == incarnation) {
            live.closed.get_or_insert(now);
        }
    }

    /// The clock: forgets the workers that are lost, and names them.
    pub fn tick(&mut self, now: Instant) -> Vec<String> {
        let gap = now.saturating_duration_since(self.last_tick);
        self.last_tick = now;
        if gap >= SLEPT {
            // Their heartbeats wait in our own queues: nobody is judged by the time we slept.
            self.started += gap;
            for live in self.workers.values_mut() {
                live.heard += gap;
                live.closed = live.closed.map(|at| at + gap);
            }
            return Vec::new();
        }
        let is_lost = |live: &Live| {
            let since = |at: Instant| now.saturating_duration_since(at);
            let grace = if live.leaving { Duration::ZERO } else { CLOSED_GRACE.min(live.ttl) };
            since(live.heard) >= live.ttl || live.closed.is_some_and(|at| since(at) >= grace)
        };
        let lost: Vec<String> = self.workers.iter().filter(|(_, w)| is_lost(w)).map(|(n, _)| n.clone()).collect();
        for name in &lost {
            // One that said goodbye has ended its sources. One whose connection broke may at most have gone to the leader
            // before this one; one that is silent may hold that leader's lease.
            let grace = match self.workers.remove(name) {
                Some(live) if live.leaving => Duration::ZERO,
                Some(live) if live.closed.is_some() => self.deposed,
                _ => self.adopt_grace,
            };
            self.lost.insert(name.clone(), grace);
        }
        lost
    }

    /// The living workers that stay.
    pub fn online(&self) -> BTreeSet<String> {
        self.takers().into_keys().collect()
    }

    /// The living workers that stay, and how many sources each takes at most.
    pub fn takers(&self) -> BTreeMap<String, usize> {
        let staying = self.workers.iter().filter(|(_, live)| !live.leaving);
        staying.map(|(name, live)| (name.clone(), live.limit)).collect()
    }

    /// Whether a source is being taken from its worker for a move.
    pub fn is_moving(&self, source_id: &str) -> bool {
        self.moving.contains(source_id)
    }

    /// A source is taken from its worker, which is not told to run it again until `moved`.
    pub fn move_away(&mut self, source_id: &str) {
        self.moving.insert(source_id.to_owned());
    }

    /// A move is over.
    pub fn moved(&mut self, source_id: &str) {
        self.moving.remove(source_id);
    }

    /// The sources to move next, together, when nothing else is going on.
    pub fn next_moves(&self, state: &ClusterState) -> Vec<Move> {
        let online = self.takers();
        let calm = self.moving.is_empty() && state.bindings.values().all(|b| online.contains_key(&b.worker));
        if calm { View { state, online: &online }.next_moves() } else { Vec::new() }
    }

    /// The processes that the living workers run in.
    pub fn incarnations(&self) -> BTreeMap<String, u64> {
        self.workers.iter().map(|(name, live)| (name.clone(), live.incarnation)).collect()
    }

    /// The process that a living worker runs in.
    pub fn incarnation(&self, worker: &str) -> Option<u64> {
        self.workers.get(worker).map(|w| w.incarnation)
    }

    /// What is due, each decided after the one before; asked again after each commit.
    pub fn next_decisions(&self, now: Instant, state: &ClusterState) -> Vec<Decision> {
        let Some(first) = self.next_decision(now, state) else { return Vec::new() };
        let (mut after, mut decisions) = (state.clone(), vec![first.clone()]);
        let mut applied = after.apply(first.into());
        while !matches!(applied, Applied::Rejected(_))
            && decisions.len() < MOST_DECISIONS
            && let Some(next) = self.next_decision(now, &after)
        {
            decisions.push(next.clone());
            applied = after.apply(next.into());
        }
        decisions
    }

    /// The next of them.
    fn next_decision(&self, now: Instant, state: &ClusterState) -> Option<Decision> {
        let online = self.takers();
        let view = View { state, online: &online };
        // One that leaves may have been forgotten on purpose (`offline-member`) before its connection is seen to close.
        for (name, live) in self.workers.iter().filter(|(_, live)| !live.leaving) {
            if state.workers.get(name).is_none_or(|record| record.address != live.address) {
                return Some(Decision::PutWorker { name: name.clone(), address: live.address.clone() });
            }
        }
        for (source_id, binding) in &state.bindings {
            match self.workers.get(&binding.worker) {
                Some(live) if live.shuns(source_id, binding.epoch) => {
                    return Some(Decision::Assign { source_id: source_id.clone(), worker: binding.worker.clone() });
                }
                Some(live) if live.leaving && live.running.iter().all(|h| h.source_id != *source_id) => {
                    return Some(view.leave_worker(source_id));
                }
                None if now.saturating_duration_since(self.started) >= self.patience_with(&binding.worker) => {
                    return Some(view.leave_worker(source_id));
                }
                _ => {}
            }
        }
        view.next_binding()
    }

    /// How long after this leader's start an absent worker's sources stay where they are.
    fn patience_with(&self, worker: &str) -> Duration {
        self.lost.get(worker).copied().unwrap_or(self.adopt_grace)
    }

    /// Who must be told something now; remembered as told for a while.
    pub fn errands(&mut self, now: Instant, state: &ClusterState) -> Vec<Errand> {
        self.wanted.update(state);
        let mut errands = Vec::new();
        for (worker, live) in &mut self.workers {
            let incarnation = live.incarnation;
            for held in live.running.clone() {
                if state.bindings.get(&held.source_id).is_some_and(|b| b.worker == *worker) {
                    continue;
                }
                let newest = state.last_bound.get(&held.source_id).map_or(held.epoch, |b| b.epoch).max(held.epoch);
                let (worker, source_id) = (worker.clone(), held.source_id);
                if live.is_news(now, Holding { source_id: source_id.clone(), epoch: newest, digest: 0 }) {
                    errands.push(Errand::Release { worker, incarnation, source_id, epoch: newest });
                }
            }
            if live.leaving {
                continue;
            }
            for wanted in self.wanted.of(worker).filter(|wanted| !self.moving.contains(&wanted.source_id)) {
                let shunned = live.shuns(&wanted.source_id, wanted.epoch);
                if !shunned && !live.running.contains(wanted) && live.is_news(now, wanted.clone()) {
                    let source_id = wanted.source_id.clone();
                    errands.push(Errand::Follow { worker: worker.clone(), incarnation, source_id });
                }
            }
        }
        errands
    }

    /// Takes note of the committed state.
    pub fn follow(&mut self, state: &ClusterState) {
        self.wanted.update(state);
    }

    /// Everything that a worker must know to run a source, as followed. None when the source is unknown or unbound.
    pub fn assignment(&self, source_id: &str) -> Option<Assignment> {
        self.wanted.assignment(source_id)
    }

    /// An assignment is on its way to a worker for another reason (an order).
    pub fn sent(&mut self, now: Instant, worker: &str, holding: Holding) {
        if let Some(live) = self.workers.get_mut(worker) {
            live.sent.insert(holding.source_id.clone(), (holding, now));
        }
    }

    /// A worker took its word: it follows this assignment, or (digest 0) has let go of the source.
    pub fn delivered(&mut self, worker: &str, holding: Holding) {
        if let Some(live) = self.workers.get_mut(worker) {
            live.running.retain(|h| h.source_id != holding.source_id || h.epoch > holding.epoch);
            if holding.digest != 0 {
                live.running.push(holding);
            }
        }
    }

    /// A worker did not take its word, because it has no lease (yet): it is told again soon.
    pub fn not_taken(&mut self, now: Instant, worker: &str, holding: &Holding) {
        let sent = self.workers.get_mut(worker).and_then(|live| live.sent.get_mut(&holding.source_id));
        if let Some((_, at)) = sent.filter(|(word, _)| word == holding) {
            *at = now.checked_sub(RESEND - RESEND_UNLEASED).unwrap_or(now);
        }
    }

    /// What the console shows.
    pub fn report(&self, now: Instant) -> serde_json::Value {
        let row = |(name, w): (&String, &Live)| {
            let held: Vec<_> = w.running.iter().map(|h| format!("{} epoch {}", h.source_id, h.epoch)).collect();
            let silent = now.saturating_duration_since(w.heard).as_secs();
            let closed = w.closed.is_some();
            (name.clone(), serde_json::json!({"silentSeconds": silent, "closed": closed, "holds": held}))
        };
        self.workers.iter().map(row).collect::<serde_json::Map<_, _>>().into()
    }
}

/// What a worker says of files of loads, as far as it is news to the state: the decisions that note it, in portions.
pub fn loads_told(state: &ClusterState, worker: &str, loads: &[LoadFiles]) -> Vec<Vec<Decision>> {
    let news = |load: &&LoadFiles| {
        let bound = state.bindings.get(&load.source_id);
        let known = state.tasks.get(&load.task).is_some_and(|task| task.subtasks.contains_key(&load.source_id));
        let holder = state.loads.get(&load.source_id).and_then(|loads| loads.get(&load.task));
        let differs = if load.held { holder.is_none_or(|holder| holder != worker) } else { holder.is_some() };
        known && differs && bound.is_some_and(|b| b.worker == worker && b.epoch == load.epoch)
    };
    let decision = |load: &LoadFiles| Decision::LoadFiles {
        source_id: load.source_id.clone(),
        task: load.task.clone(),
        worker: worker.to_owned(),
        held: load.held,
    };
    let decisions: Vec<Decision> = loads.iter().filter(news).map(decision).collect();
    decisions.chunks(MOST_DECISIONS).map(<[Decision]>::to_vec).collect()
}

/// Everything a worker must know to run a source, as committed. None when the source is unknown or unbound.
#[cfg(test)]
pub fn assignment(state: &ClusterState, source_id: &str) -> Option<Assignment> {
    let mut wanted = Wanted::default();
    wanted.update(state);
    wanted.assignment(source_id)
}

impl Assignment {
    /// What a worker that follows it reports.
    pub fn holding(&self) -> Holding {
        Holding { source_id: self.source_id.clone(), epoch: self.epoch, digest: self.digest }
    }
}

#[cfg(test)]
#[path = "state_tests.rs"]
mod tests;
