//! Which worker runs which source: pure decisions from the state and who is online (DM's order of choice,
//! without relay, which comes with its own issue). The scheduler actor proposes the changes and carries them out.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    change::{ClusterChange, Rejection},
    state::ClusterState,
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

    /// What to do when a worker (already taken out of `online`) went away: its source goes to a free worker,
    /// or waits unbound.
    pub fn worker_offline(&self, worker: &str) -> Vec<ClusterChange> {
        let Some(source) = self.state.source_of(worker) else { return Vec::new() };
        match self.worker_for_source(source) {
            Some(successor) => vec![bind(source, successor)],
            None => vec![ClusterChange::Unbind { source_id: source.to_owned() }],
        }
    }

    /// The next source to bind while both a source and a worker wait, whichever of them came last: 1 a worker with
    /// the files of the source's unfinished load, 2 a source's last worker, 3 any of each. Asked again after each
    /// commit, it comes to an end.
    pub fn next_binding(&self) -> Option<ClusterChange> {
        let (free, unbound) = (self.free_workers(), self.unbound_sources());
        let pairs = || unbound.iter().flat_map(|source| free.iter().map(move |worker| (*source, *worker)));
        let was_last =
            |source: &str, worker: &str| self.state.last_bound.get(source).is_some_and(|b| b.worker == worker);
        let held = pairs().find(|(source, worker)| self.holds_files(source, worker));
        let last = || pairs().find(|(source, worker)| was_last(source, worker));
        held.or_else(last).or_else(|| pairs().next()).map(|(source, worker)| bind(source, worker))
    }

    fn holds_files(&self, source_id: &str, worker: &str) -> bool {
        self.load_files.get(source_id).is_some_and(|holders| holders.contains(worker))
    }
}

fn bind(source_id: &str, worker: &str) -> ClusterChange {
    ClusterChange::Bind { source_id: source_id.to_owned(), worker: worker.to_owned() }
}

#[cfg(test)]
#[path = "schedule_tests.rs"]
mod tests;
