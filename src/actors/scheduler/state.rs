//! What the leader decides, without a runtime: who is alive, which change of the cluster's state is due, which worker
//! must be told what. Everything is recomputed from the committed state and the workers' reports whenever one of them
//! changes, so a lost message or a restarted leader needs no special care.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::{Duration, Instant},
};

use super::messages::{Hello, Holding};
use crate::{
    actors::member::messages::{Assignment, SubtaskSpec},
    coordinator::{ClusterChange, schedule::View, state::ClusterState},
    wire,
};

/// A worker whose connection closed has this long to come back (less when its ttl is shorter).
const CLOSED_GRACE: Duration = Duration::from_secs(3);
/// A new leader waits this long for the workers to report before it takes sources from absent ones.
const ADOPT_GRACE: Duration = Duration::from_secs(10);
/// The same assignment is not sent again before this.
const RESEND: Duration = Duration::from_secs(3);
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
    /// It presented itself while bound under this epoch without working under it: it needs a newer one, which shuts
    /// out whatever ran under that name before.
    shuns: u64,
    /// The last word sent about each source (digest 0: a release), and when.
    sent: BTreeMap<String, (Holding, Instant)>,
}

impl Live {
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
    started: Instant,
    last_tick: Instant,
}

impl Roster {
    /// A leader has just started; nobody reported yet.
    pub fn new(now: Instant) -> Self {
        Roster { workers: BTreeMap::new(), started: now, last_tick: now }
    }

    /// A worker presents itself. An error is the reason to refuse it: the name belongs to a living worker elsewhere.
    pub fn hello(&mut self, now: Instant, state: &ClusterState, hello: &Hello) -> Result<(), String> {
        self.may_join(&hello.name, &hello.address)?;
        let mut shuns = 0;
        if let Some((source, binding)) = state.bindings.iter().find(|(_, b)| b.worker == hello.name) {
            let holds = |h: &Holding| h.source_id == *source && h.epoch == binding.epoch;
            // The same process as before may only be slow to start what it was told.
            let known = self.workers.get(&hello.name);
            let same = known.filter(|w| w.incarnation == hello.incarnation);
            shuns = match (hello.running.iter().any(holds), same) {
                (true, _) => 0,
                (false, Some(w)) => w.shuns,
                (false, None) => binding.epoch,
            };
        }
        let live = Live {
            address: hello.address.clone(),
            incarnation: hello.incarnation,
            ttl: Duration::from_millis(hello.ttl_ms.max(500)),
            heard: now,
            closed: None,
            running: hello.running.clone(),
            shuns,
            sent: BTreeMap::new(),
        };
        self.workers.insert(hello.name.clone(), live);
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

    /// A heartbeat. False: the worker is not known (any more), it has to present itself.
    pub fn beat(&mut self, now: Instant, name: &str, incarnation: u64, running: Vec<Holding>) -> bool {
        match self.workers.get_mut(name).filter(|w| w.incarnation == incarnation) {
            Some(live) => {
                (live.heard, live.closed, live.running) = (now, None, running);
                true
            }
            None => false,
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
            since(live.heard) >= live.ttl || live.closed.is_some_and(|at| since(at) >= CLOSED_GRACE.min(live.ttl))
        };
        let lost: Vec<String> = self.workers.iter().filter(|(_, w)| is_lost(w)).map(|(n, _)| n.clone()).collect();
        for name in &lost {
            self.workers.remove(name);
        }
        lost
    }

    /// The living workers.
    pub fn online(&self) -> BTreeSet<String> {
        self.workers.keys().cloned().collect()
    }

    /// The process that a living worker runs in.
    pub fn incarnation(&self, worker: &str) -> Option<u64> {
        self.workers.get(worker).map(|w| w.incarnation)
    }

    /// The next change that is due; asked again after each commit.
    pub fn next_change(&self, now: Instant, state: &ClusterState) -> Option<ClusterChange> {
        let (online, load_files) = (self.online(), BTreeMap::new());
        let view = View { state, online: &online, load_files: &load_files };
        for (name, live) in &self.workers {
            if state.workers.get(name).is_none_or(|record| record.address != live.address) {
                return Some(ClusterChange::PutWorker { name: name.clone(), address: live.address.clone() });
            }
        }
        for (source_id, binding) in &state.bindings {
            match self.workers.get(&binding.worker) {
                Some(live) if binding.epoch <= live.shuns => {
                    return Some(ClusterChange::Bind { source_id: source_id.clone(), worker: binding.worker.clone() });
                }
                None if now.saturating_duration_since(self.started) >= ADOPT_GRACE => {
                    return view.worker_offline(&binding.worker).into_iter().next();
                }
                _ => {}
            }
        }
        view.next_binding()
    }

    /// Who must be told something now; remembered as told for a while.
    pub fn errands(&mut self, now: Instant, state: &ClusterState) -> Vec<Errand> {
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
            let Some(wanted) = state.source_of(worker).and_then(|s| assignment(state, s)).map(|a| a.holding()) else {
                continue;
            };
            let source_id = wanted.source_id.clone();
            if wanted.epoch > live.shuns && !live.running.contains(&wanted) && live.is_news(now, wanted) {
                errands.push(Errand::Follow { worker: worker.clone(), incarnation, source_id });
            }
        }
        errands
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

/// Everything a worker must know to run a source, as committed. None when the source is unknown or unbound.
pub fn assignment(state: &ClusterState, source_id: &str) -> Option<Assignment> {
    let binding = state.bindings.get(source_id)?;
    let source = state.sources.get(source_id)?;
    let records = state.tasks.values().filter_map(|task| task.subtasks.get(source_id));
    let mut assignment = Assignment {
        cluster_id: state.cluster_id,
        source_id: source_id.to_owned(),
        source_yaml: source.yaml.clone(),
        epoch: binding.epoch,
        subtasks: records
            .map(|r| SubtaskSpec { config: r.config.clone(), expected: r.stage, operators: r.operators.clone() })
            .collect(),
        digest: 0,
    };
    assignment.digest = xxhash_rust::xxh3::xxh3_64(&wire::encode(&assignment)).max(1);
    Some(assignment)
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
