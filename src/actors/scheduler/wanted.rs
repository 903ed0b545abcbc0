//! What each worker is to hold, kept up to date: a change of the state costs as much as what it touches, not as much as
//! the state is large.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::messages::Holding;
use crate::{
    actors::member::messages::{Assignment, SubtaskSpec},
    coordinator::state::{Binding, ClusterState, SourceRecord, TaskRecord},
    wire,
};

/// The holdings that follow from a state, and that state's parts.
#[derive(Debug, Default)]
pub struct Wanted {
    cluster_id: u64,
    sources: BTreeMap<String, Arc<SourceRecord>>,
    tasks: BTreeMap<String, Arc<TaskRecord>>,
    bindings: BTreeMap<String, Binding>,
    /// By source: its tasks.
    tasks_of: BTreeMap<String, BTreeSet<String>>,
    /// By worker and source.
    holdings: BTreeMap<String, BTreeMap<String, Holding>>,
}

impl Wanted {
    /// What a worker is to hold, in the order of the sources.
    pub fn of(&self, worker: &str) -> impl Iterator<Item = &Holding> {
        self.holdings.get(worker).into_iter().flat_map(BTreeMap::values)
    }

    /// Everything that a worker must know to run a source. None when the source is unknown or unbound.
    pub fn assignment(&self, source_id: &str) -> Option<Assignment> {
        let (binding, source) = (self.bindings.get(source_id)?, self.sources.get(source_id)?);
        let tasks = self.tasks_of.get(source_id).into_iter().flatten();
        let records = tasks.filter_map(|task| self.tasks.get(task)?.subtasks.get(source_id));
        let mut assignment = Assignment {
            cluster_id: self.cluster_id,
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

    /// Follows the state.
    pub fn update(&mut self, state: &ClusterState) {
        let mut touched = BTreeSet::new();
        if self.cluster_id != state.cluster_id {
            self.cluster_id = state.cluster_id;
            touched.extend(state.sources.keys().cloned());
        }
        let same = |a: &Arc<SourceRecord>, b: &Arc<SourceRecord>| Arc::ptr_eq(a, b);
        let sources = differing(&self.sources, &state.sources, same);
        let bindings = differing(&self.bindings, &state.bindings, |a, b| a == b);
        let tasks = differing(&self.tasks, &state.tasks, Arc::ptr_eq);
        for task in &tasks {
            touched.extend(self.follow_task(task, state));
        }
        if !tasks.is_empty() {
            self.tasks.clone_from(&state.tasks);
        }
        touched.extend(sources.iter().chain(&bindings).cloned());
        if !sources.is_empty() {
            self.sources.clone_from(&state.sources);
        }
        for source in &touched {
            let worker = self.bindings.get(source).map(|binding| &binding.worker);
            if let Some(held) = worker.and_then(|worker| self.holdings.get_mut(worker)) {
                held.remove(source);
            }
        }
        if !bindings.is_empty() {
            self.bindings.clone_from(&state.bindings);
            self.holdings.retain(|_, held| !held.is_empty());
        }
        for source in touched {
            let Some(holding) = self.assignment(&source).map(|a| a.holding()) else { continue };
            let Some(binding) = self.bindings.get(&source) else { continue };
            self.holdings.entry(binding.worker.clone()).or_default().insert(source, holding);
        }
    }

    /// Notes which sources a changed task has; returns those whose part of it changed.
    fn follow_task(&mut self, name: &str, state: &ClusterState) -> Vec<String> {
        let none = BTreeMap::new();
        let old = self.tasks.get(name).map_or(&none, |task| &task.subtasks);
        let new = state.tasks.get(name).map_or(&none, |task| &task.subtasks);
        let changed = differing(old, new, Arc::ptr_eq);
        for source in &changed {
            if new.contains_key(source) {
                self.tasks_of.entry(source.clone()).or_default().insert(name.to_owned());
            } else if let Some(tasks) = self.tasks_of.get_mut(source) {
                tasks.remove(name);
                if tasks.is_empty() {
                    self.tasks_of.remove(source);
                }
            }
        }
        changed
    }
}

/// The keys whose values differ, or that only one side has.
fn differing<V>(old: &BTreeMap<String, V>, new: &BTreeMap<String, V>, same: impl Fn(&V, &V) -> bool) -> Vec<String> {
    let (mut old, mut new) = (old.iter().peekable(), new.iter().peekable());
    let mut found = Vec::new();
    loop {
        let order = match (old.peek(), new.peek()) {
            (None, None) => return found,
            (Some(_), None) => std::cmp::Ordering::Less,
            (None, Some(_)) => std::cmp::Ordering::Greater,
            (Some((a, _)), Some((b, _))) => a.cmp(b),
        };
        let before = order.is_le().then(|| old.next()).flatten();
        let after = order.is_ge().then(|| new.next()).flatten();
        match (before, after) {
            (Some((_, a)), Some((_, b))) if same(a, b) => {}
            (Some((key, _)), _) | (None, Some((key, _))) => found.push(key.clone()),
            (None, None) => return found,
        }
    }
}

#[cfg(test)]
mod tests {
    use rand::{Rng, SeedableRng, rngs::StdRng};

    use super::*;
    use crate::coordinator::{
        ClusterChange,
        samples::{bind, put_source, put_task, put_worker, unbind},
        state::ExpectedStage,
    };

    fn change(rng: &mut StdRng) -> ClusterChange {
        let (source, task) = (format!("s{}", rng.random_range(0..4)), format!("t{}", rng.random_range(0..3)));
        let worker = format!("w{}", rng.random_range(0..3));
        match rng.random_range(0..9) {
            0 => put_source(&source),
            1 | 2 => put_task(&task, &[&source]),
            3 => bind(&source, &worker),
            4 => unbind(&source),
            5 => ClusterChange::RemoveSource { source_id: source },
            6 => ClusterChange::RemoveSubtasks { task, sources: vec![source] },
            7 => ClusterChange::SetStage { task, sources: vec![], stage: ExpectedStage::Paused },
            _ => put_worker(&worker),
        }
    }

    /// Whatever happens, following step by step ends where beginning anew does.
    #[test]
    fn following_a_state_ends_where_beginning_with_it_does() {
        for seed in 0..200 {
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut state, mut followed) = (ClusterState::default(), Wanted::default());
            for step in 0..60 {
                state.apply(change(&mut rng));
                if rng.random_bool(0.3) {
                    continue;
                }
                followed.update(&state);
                let mut fresh = Wanted::default();
                fresh.update(&state);
                assert_eq!(followed.holdings, fresh.holdings, "seed {seed}, step {step}");
                for (source, binding) in &state.bindings {
                    let known = state.sources.contains_key(source);
                    let held = followed.of(&binding.worker).any(|h| h.source_id == *source && h.epoch == binding.epoch);
                    assert_eq!(held, known, "seed {seed}, step {step}: {source}");
                }
            }
        }
    }
}
