//! Log lines and metrics of workers and bindings, once for each change.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    coordinator::state::{Binding, ClusterState},
    observe::events::{SourceBound, WorkerChanged, WorkerState},
};

/// What was last said.
#[derive(Default)]
pub struct Shown {
    workers: BTreeMap<String, WorkerState>,
    bindings: BTreeMap<String, Binding>,
}

impl Shown {
    /// Says what changed since the last call.
    pub fn show(&mut self, state: &ClusterState, online: &BTreeSet<String>) {
        let bound: BTreeSet<&str> = state.bindings.values().map(|binding| binding.worker.as_str()).collect();
        let stage = |name: &str| match (online.contains(name), bound.contains(name)) {
            (false, _) => WorkerState::Offline,
            (true, false) => WorkerState::Free,
            (true, true) => WorkerState::Bound,
        };
        let now: BTreeMap<String, WorkerState> = state.workers.keys().map(|w| (w.clone(), stage(w))).collect();
        for (worker, state) in &now {
            if self.workers.get(worker) != Some(state) {
                WorkerChanged { worker, state: *state }.emit();
            }
        }
        for worker in self.workers.keys().filter(|w| !now.contains_key(*w)) {
            WorkerChanged { worker, state: WorkerState::Removed }.emit();
        }
        self.workers = now;
        if self.bindings != state.bindings {
            for (source_id, binding) in &state.bindings {
                if self.bindings.get(source_id) != Some(binding) {
                    SourceBound { source_id, worker: &binding.worker, epoch: binding.epoch }.emit();
                }
            }
            self.bindings = state.bindings.clone();
        }
    }
}
