//! Which worker runs which source: pure decisions from the state and who is online (DM's order of choice,
//! without relay, which comes with its own issue). The scheduler actor proposes the changes and carries them out.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    change::{ClusterChange, Rejection},
    state::{Binding, ClusterState},
};

/// What the leader knows when it decides.
#[derive(Clone, Copy, Debug)]
pub struct View<'a> {
    /// The committed state.
    pub state: &'a ClusterState,
    /// The workers whose session is alive.
    pub online: &'a BTreeSet<String>,
    /// By source: the workers that hold files of an unfinished load of it (they can't be moved to another machine).
    pub load_files: &'a BTreeMap<String, BTreeSet<String>>,
}

impl<'a> View<'a> {
    /// Online, known and without a source.
    pub fn free_workers(&self) -> BTreeSet<&'a str> {
        let bound: BTreeSet<&str> = self.state.bindings.values().map(|b| b.worker.as_str()).collect();
        let free = |w: &&str| self.state.workers.contains_key(*w) && !bound.contains(w);
        self.online.iter().map(String::as_str).filter(free).collect()
    }

    /// Known sources without a worker.
    pub fn unbound_sources(&self) -> Vec<&'a str> {
        let unbound = |s: &&String| !self.state.bindings.contains_key(*s);
        self.state.sources.keys().filter(unbound).map(String::as_str).collect()
    }

    /// The worker for a source that is new or lost its worker: 1 one that holds files of its unfinished load,
    /// 2 the last bound one, 3 any; only free workers count.
    pub fn worker_for_source(&self, source_id: &str) -> Option<&'a str> {
        let free = self.free_workers();
        let holder = free.iter().find(|w| self.holds_files(source_id, w));
        let last = || self.state.last_bound.get(source_id).and_then(|b| free.get(b.worker.as_str()));
        holder.or_else(last).or_else(|| free.first()).copied()
    }

    /// The source for a worker that came online free: 1 one whose unfinished load's files it holds, 2 the one it was
    /// last bound to, 3 any; only unbound sources count.
    pub fn source_for_worker(&self, worker: &str) -> Option<&'a str> {
        let unbound = self.unbound_sources();
        let held = unbound.iter().find(|s| self.holds_files(s, worker));
        let last = || unbound.iter().find(|s| self.state.last_bound.get(**s).is_some_and(|b| b.worker == worker));
        held.or_else(last).or_else(|| unbound.first()).copied()
    }

    /// A worker asked for by name with `operate-source create -w`: it must be known (46004) and free (46033).
    pub fn named_worker(&self, worker: &str) -> Result<&'a str, Rejection> {
        if let Some(source_id) = self.state.source_of(worker) {
            return Err(Rejection::WorkerTaken { worker: worker.to_owned(), source_id: source_id.to_owned() });
        }
        match self.free_workers().get(worker) {
            Some(free) => Ok(free),
            None => Err(Rejection::UnknownWorker { worker: worker.to_owned() }),
        }
    }

    /// What to do when a worker comes online. `running` is the binding it says it is still working under.
    /// - its binding stands and it works under it: nothing, it goes on (a master restarted, the worker did not);
    /// - its binding stands but it does not: bound again, the new epoch shuts out whatever it was before;
    /// - it has none: a source is chosen for it.
    pub fn worker_online(&self, worker: &str, running: Option<(&str, u64)>) -> Vec<ClusterChange> {
        let Some(source) = self.state.source_of(worker) else {
            return self.source_for_worker(worker).map(|s| bind(s, worker)).into_iter().collect();
        };
        match (self.state.bindings.get(source), running) {
            (Some(Binding { epoch, .. }), Some(works_under)) if works_under == (source, *epoch) => Vec::new(),
            _ => vec![bind(source, worker)],
        }
    }

    /// What to do when a worker (already taken out of `online`) went away: its source goes to a free worker,
    /// or waits unbound.
    pub fn worker_offline(&self, worker: &str) -> Vec<ClusterChange> {
        let Some(source) = self.state.source_of(worker) else { return Vec::new() };
        match self.worker_for_source(source) {
            Some(successor) => vec![bind(source, successor)],
            None => vec![ClusterChange::Unbind { source_id: source.to_owned() }],
        }
    }

    /// What a new leader does once the workers had time to report: sources of absent workers move or wait,
    /// unbound sources get free workers. Applied in order, the changes never collide.
    pub fn settle(&self) -> Vec<ClusterChange> {
        let mut state = self.state.clone();
        let mut changes = Vec::new();
        let absent: Vec<String> =
            state.bindings.values().filter(|b| !self.online.contains(&b.worker)).map(|b| b.worker.clone()).collect();
        for worker in absent {
            changes.extend(step(&mut state, |s| self.with(s).worker_offline(&worker)));
        }
        for source in state.sources.keys().cloned().collect::<Vec<_>>() {
            changes.extend(step(&mut state, |s| self.with(s).source_waiting(&source)));
        }
        changes
    }

    /// What to do for a source that may lack a worker (new, or its worker was taken away).
    pub fn source_waiting(&self, source_id: &str) -> Vec<ClusterChange> {
        if self.state.bindings.contains_key(source_id) || !self.state.sources.contains_key(source_id) {
            return Vec::new();
        }
        self.worker_for_source(source_id).map(|w| bind(source_id, w)).into_iter().collect()
    }

    fn with<'b>(&'b self, state: &'b ClusterState) -> View<'b> {
        View { state, ..*self }
    }

    fn holds_files(&self, source_id: &str, worker: &str) -> bool {
        self.load_files.get(source_id).is_some_and(|holders| holders.contains(worker))
    }
}

/// Decides on `state` and applies the decision to it, so that the next decision sees it.
fn step(state: &mut ClusterState, decide: impl FnOnce(&ClusterState) -> Vec<ClusterChange>) -> Vec<ClusterChange> {
    let changes = decide(state);
    for change in &changes {
        state.apply(change.clone());
    }
    changes
}

fn bind(source_id: &str, worker: &str) -> ClusterChange {
    ClusterChange::Bind { source_id: source_id.to_owned(), worker: worker.to_owned() }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
