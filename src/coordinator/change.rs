//! The changes of `ClusterState`: each is one entry of the replicated log.
//!
//! `ClusterState::apply` is pure, deterministic and total: the same entries in the same order give the same state on
//! every node and after every restart; an entry that makes no sense is rejected and changes nothing.

use std::{collections::BTreeSet, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

pub use super::rejection::Rejection;
use super::state::{
    Binding, ClusterState, ExpectedStage, MasterRecord, SourceRecord, SubtaskRecord, TaskRecord, WorkerRecord,
};
use crate::{config::SubtaskConfig, error::DmError, mysql::position::BinlogPosition, rules::operator::Operator};

/// Operators of one subtask: they travel with every assignment.
const MOST_OPERATORS: usize = 1000;

/// One change. The encoding is positional: new variants only at the end, existing ones never change.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub enum ClusterChange {
    /// Gives the cluster its identity; once, as the first entry.
    Bootstrap { cluster_id: u64 },
    /// A worker joined, or came back under another address. (46003 needs liveness: the scheduler decides it.)
    PutWorker { name: String, address: String },
    /// Forgets a worker. Rejected while a source is bound to it (46005).
    RemoveWorker { name: String },
    /// Adds a source. Rejected when it exists (46007).
    PutSource { source: SourceRecord },
    /// Replaces a source's config. Rejected when unknown (46008) or a task on it is expected to run (46025).
    UpdateSource { source: SourceRecord },
    /// Removes a source and its binding. Rejected when unknown (46008) or tasks use it (46010).
    RemoveSource { source_id: String },
    /// Stores subtasks under a task, which is made when missing; `yaml` replaces the task's.
    /// Rejected as a whole when one exists (46014) or names an unknown source (46008).
    PutTask {
        name: String,
        yaml: String,
        #[serde(with = "crate::wire::named")]
        subtasks: Vec<SubtaskConfig>,
        stage: ExpectedStage,
    },
    /// Removes a task's subtasks on these sources (all when empty); the last one takes the task along.
    RemoveSubtasks { task: String, sources: Vec<String> },
    /// What the task's subtasks on these sources (all when empty) should be doing.
    SetStage { task: String, sources: Vec<String>, stage: ExpectedStage },
    /// Binds a source to a worker under a new epoch, also when it is bound already (to that worker or another).
    /// Rejected when either is unknown or the worker has another source (46033).
    Bind { source_id: String, worker: String },
    /// Takes a source from its worker. The epoch is kept for the next binding. Unbinding an unbound source is fine.
    Unbind { source_id: String },
    /// Puts an operator in the place of one at its position, and forgets those before `passed`, where the checkpoint is.
    SetOperator { task: String, source_id: String, operator: Operator, passed: BinlogPosition },
    /// Takes an operator back. Rejected when there is none (36065).
    RemoveOperator { task: String, source_id: String, position: BinlogPosition },
    /// Stores a document of the HTTP API, or forgets it.
    PutDocument { key: String, text: Option<String> },
    /// Replaces the configs of subtasks that are there and not expected to run (46017, 46035); `yaml` replaces the task's.
    UpdateTask {
        name: String,
        yaml: String,
        #[serde(with = "crate::wire::named")]
        subtasks: Vec<SubtaskConfig>,
    },
    /// Where a master is found now.
    PutMaster { master: MasterRecord },
    /// Forgets a master. Forgetting an unknown one is fine.
    RemoveMaster { name: String },
    /// Like `Bind`, to a worker that may have other sources. Rejected when either is unknown.
    Assign { source_id: String, worker: String },
    /// What the scheduler decided at once: each takes effect as if it came alone, and those that are rejected don't.
    Decided { decisions: Vec<Decision> },
    /// Whether the task's load of a source stands on files of the worker to which the source is bound; what it says holds
    /// until that worker, or one to which the source is bound later, says something else. Rejected from any other worker.
    LoadFiles { source_id: String, task: String, worker: String, held: bool },
}

/// A decision of the scheduler. A type of its own: a change within a change could be nested without end.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub enum Decision {
    PutWorker { name: String, address: String },
    Assign { source_id: String, worker: String },
    Unbind { source_id: String },
    LoadFiles { source_id: String, task: String, worker: String, held: bool },
}

impl From<Decision> for ClusterChange {
    fn from(decision: Decision) -> Self {
        match decision {
            Decision::PutWorker { name, address } => ClusterChange::PutWorker { name, address },
            Decision::Assign { source_id, worker } => ClusterChange::Assign { source_id, worker },
            Decision::Unbind { source_id } => ClusterChange::Unbind { source_id },
            Decision::LoadFiles { source_id, task, worker, held } => {
                ClusterChange::LoadFiles { source_id, task, worker, held }
            }
        }
    }
}

/// One line without YAML, which holds passwords: openraft prints entries in its own log.
impl fmt::Debug for ClusterChange {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ClusterChange::Bootstrap { cluster_id } => write!(f, "Bootstrap {cluster_id}"),
            ClusterChange::PutWorker { name, address } => write!(f, "PutWorker {name} at {address}"),
            ClusterChange::RemoveWorker { name } => write!(f, "RemoveWorker {name}"),
            ClusterChange::PutSource { source } => write!(f, "PutSource {}", source.source_id),
            ClusterChange::UpdateSource { source } => write!(f, "UpdateSource {}", source.source_id),
            ClusterChange::RemoveSource { source_id } => write!(f, "RemoveSource {source_id}"),
            ClusterChange::PutTask { name, subtasks, stage, .. } => {
                let sources: Vec<_> = subtasks.iter().map(|s| s.source_id.as_str()).collect();
                write!(f, "PutTask {name} on {sources:?} as {stage:?}")
            }
            ClusterChange::RemoveSubtasks { task, sources } => write!(f, "RemoveSubtasks {task} on {sources:?}"),
            ClusterChange::SetStage { task, sources, stage } => write!(f, "SetStage {task} on {sources:?}: {stage:?}"),
            ClusterChange::Bind { source_id, worker } => write!(f, "Bind {source_id} to {worker}"),
            ClusterChange::Unbind { source_id } => write!(f, "Unbind {source_id}"),
            ClusterChange::SetOperator { task, source_id, operator, .. } => {
                write!(f, "SetOperator of {task} on {source_id} at {}", operator.position)
            }
            ClusterChange::RemoveOperator { task, source_id, position } => {
                write!(f, "RemoveOperator of {task} on {source_id} at {position}")
            }
            ClusterChange::PutDocument { key, text } => {
                write!(f, "PutDocument {key} of {} bytes", text.as_ref().map_or(0, String::len))
            }
            ClusterChange::UpdateTask { name, subtasks, .. } => {
                let sources: Vec<_> = subtasks.iter().map(|s| s.source_id.as_str()).collect();
                write!(f, "UpdateTask {name} on {sources:?}")
            }
            ClusterChange::PutMaster { master } => write!(f, "PutMaster {master:?}"),
            ClusterChange::RemoveMaster { name } => write!(f, "RemoveMaster {name}"),
            ClusterChange::Assign { source_id, worker } => write!(f, "Assign {source_id} to {worker}"),
            ClusterChange::Decided { decisions } => f.debug_list().entries(decisions).finish(),
            ClusterChange::LoadFiles { source_id, task, worker, held } => {
                write!(f, "LoadFiles of {task} on {source_id}: {held} at {worker}")
            }
        }
    }
}

/// What became of a change.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Applied {
    /// The state has it.
    Done,
    /// `Bind` and `Assign`: under this epoch.
    Bound { epoch: u64 },
    /// The state is unchanged.
    Rejected(Rejection),
}

impl Applied {
    /// A rejection becomes DM's error.
    pub fn into_result(self) -> Result<Applied, DmError> {
        match self {
            Applied::Rejected(why) => Err(why.into()),
            done => Ok(done),
        }
    }
}

impl ClusterState {
    /// Applies one entry of the log.
    pub fn apply(&mut self, change: ClusterChange) -> Applied {
        match self.try_apply(change) {
            Ok(applied) => applied,
            Err(why) => Applied::Rejected(why),
        }
    }

    fn try_apply(&mut self, change: ClusterChange) -> Result<Applied, Rejection> {
        match change {
            ClusterChange::Bootstrap { cluster_id } => self.bootstrap(cluster_id)?,
            ClusterChange::PutWorker { name, address } => {
                named("worker", &name)?;
                self.workers.insert(name.clone(), WorkerRecord { name, address });
            }
            ClusterChange::RemoveWorker { name } => self.remove_worker(name)?,
            ClusterChange::PutSource { source } => self.put_source(source)?,
            ClusterChange::UpdateSource { source } => self.update_source(source)?,
            ClusterChange::RemoveSource { source_id } => self.remove_source(&source_id)?,
            ClusterChange::PutTask { name, yaml, subtasks, stage } => self.put_task(name, yaml, subtasks, stage)?,
            ClusterChange::RemoveSubtasks { task, sources } => self.remove_subtasks(task, sources)?,
            ClusterChange::SetStage { task, sources, stage } => self.set_stage(task, sources, stage)?,
            ClusterChange::Bind { source_id, worker } => {
                let other = self.sources_of(&worker).find(|other| *other != source_id).map(str::to_owned);
                if let Some(source_id) = other {
                    return Err(Rejection::WorkerTaken { source_id, worker });
                }
                return self.bind(source_id, worker);
            }
            ClusterChange::Assign { source_id, worker } => return self.bind(source_id, worker),
            ClusterChange::Decided { decisions } => {
                for decision in decisions {
                    // Alone, a rejected one changes nothing either; the scheduler decides anew from what became of it.
                    let _ = self.try_apply(decision.into());
                }
            }
            ClusterChange::PutMaster { master } => {
                named("master", &master.name)?;
                self.masters.insert(master.name.clone(), master);
            }
            ClusterChange::RemoveMaster { name } => drop(self.masters.remove(&name)),
            ClusterChange::Unbind { source_id } => {
                self.bindings.remove(&source_id);
            }
            ClusterChange::SetOperator { task, source_id, operator, passed } => {
                self.set_operator(&task, source_id, operator, &passed)?;
            }
            ClusterChange::RemoveOperator { task, source_id, position } => {
                let operators = &mut self.subtask_mut(&task, source_id)?.operators;
                let at = operators.iter().position(|operator| operator.position == position);
                operators.remove(at.ok_or(Rejection::UnknownOperator { position })?);
            }
            ClusterChange::PutDocument { key, text } => {
                match text {
                    Some(text) => self.documents.insert(key, text),
                    None => self.documents.remove(&key),
                };
            }
            ClusterChange::UpdateTask { name, yaml, subtasks } => self.update_task(name, yaml, subtasks)?,
            ClusterChange::LoadFiles { source_id, task, worker, held } => {
                self.load_files(source_id, task, worker, held)?;
            }
        }
        Ok(Applied::Done)
    }

    fn update_task(&mut self, name: String, yaml: String, subtasks: Vec<SubtaskConfig>) -> Result<(), Rejection> {
        let Some(task) = self.tasks.get_mut(&name) else { return Err(Rejection::UnknownTask { task: name }) };
        let ids = |wanted: &dyn Fn(&SubtaskConfig) -> bool| -> Vec<String> {
            subtasks.iter().filter(|s| wanted(s)).map(|s| s.source_id.clone()).collect()
        };
        let unknown = ids(&|s| s.name != name || !task.subtasks.contains_key(&s.source_id));
        if !unknown.is_empty() {
            return Err(Rejection::UnknownSubtasks { task: name, sources: unknown });
        }
        let running = ids(&|s| task.subtasks.get(&s.source_id).is_some_and(|r| r.stage == ExpectedStage::Running));
        if !running.is_empty() {
            return Err(Rejection::SubtasksRun { task: name, sources: running });
        }
        let task = Arc::make_mut(task);
        task.yaml = yaml;
        for config in subtasks {
            if let Some(record) = task.subtasks.get_mut(&config.source_id) {
                Arc::make_mut(record).config = config;
            }
        }
        Ok(())
    }

    fn bootstrap(&mut self, cluster_id: u64) -> Result<(), Rejection> {
        if self.cluster_id != 0 {
            return Err(Rejection::AlreadyBootstrapped { cluster_id: self.cluster_id });
        }
        if cluster_id == 0 {
            return Err(Rejection::Malformed { reason: "0 is no cluster id".into() });
        }
        self.cluster_id = cluster_id;
        Ok(())
    }

    fn remove_worker(&mut self, name: String) -> Result<(), Rejection> {
        let source = self.sources_of(&name).next().map(str::to_owned);
        if let Some(source_id) = source {
            return Err(Rejection::WorkerInUse { source_id, worker: name });
        }
        match self.workers.remove(&name) {
            Some(_) => {}
            None => return Err(Rejection::UnknownWorker { worker: name }),
        }
        self.forget_loads(|_, _, holder| *holder == name);
        Ok(())
    }

    fn load_files(&mut self, source_id: String, task: String, worker: String, held: bool) -> Result<(), Rejection> {
        self.subtask(&task, &source_id)?;
        if self.bindings.get(&source_id).is_none_or(|b| b.worker != worker) {
            let reason = format!("worker {worker} speaks of {source_id}, which is not bound to it");
            return Err(Rejection::Malformed { reason });
        }
        match held {
            true => drop(self.loads.entry(source_id).or_default().insert(task, worker)),
            false => self.forget_loads(|source, of, _| *source == source_id && *of == task),
        }
        Ok(())
    }

    /// Whose machine holds files of a load, as `(source, task, worker)`: forgets those.
    fn forget_loads(&mut self, which: impl Fn(&String, &String, &String) -> bool) {
        self.loads.retain(|source, loads| {
            loads.retain(|task, worker| !which(source, task, worker));
            !loads.is_empty()
        });
    }

    fn put_source(&mut self, source: SourceRecord) -> Result<(), Rejection> {
        named("source", &source.source_id)?;
        if self.sources.contains_key(&source.source_id) {
            return Err(Rejection::SourceExists { source_id: source.source_id });
        }
        self.sources.insert(source.source_id.clone(), Arc::new(source));
        Ok(())
    }

    fn update_source(&mut self, source: SourceRecord) -> Result<(), Rejection> {
        self.known_source(&source.source_id)?;
        let tasks = self.tasks_of(&source.source_id, |s| s.stage == ExpectedStage::Running);
        if !tasks.is_empty() {
            return Err(Rejection::SourceHasRunningTasks { source_id: source.source_id, tasks });
        }
        self.sources.insert(source.source_id.clone(), Arc::new(source));
        Ok(())
    }

    fn remove_source(&mut self, source_id: &str) -> Result<(), Rejection> {
        self.known_source(source_id)?;
        let tasks = self.tasks_of(source_id, |_| true);
        if !tasks.is_empty() {
            return Err(Rejection::SourceHasTasks { source_id: source_id.to_owned(), tasks });
        }
        self.sources.remove(source_id);
        self.bindings.remove(source_id);
        // `last_bound` stays: a source made again under this id must not reuse an epoch that a slept worker may hold.
        Ok(())
    }

    fn put_task(
        &mut self,
        name: String,
        yaml: String,
        subtasks: Vec<SubtaskConfig>,
        stage: ExpectedStage,
    ) -> Result<(), Rejection> {
        named("task", &name)?;
        if subtasks.is_empty() {
            return Err(Rejection::Malformed { reason: format!("task {name} has no subtask") });
        }
        let mut seen = BTreeSet::new();
        for subtask in &subtasks {
            self.known_source(&subtask.source_id)?;
            if subtask.name != name || !seen.insert(&subtask.source_id) {
                let reason = format!("subtask {} on {} in task {name}", subtask.name, subtask.source_id);
                return Err(Rejection::Malformed { reason });
            }
        }
        if let Some(task) = self.tasks.get(&name) {
            let there = |s: &&SubtaskConfig| task.subtasks.contains_key(&s.source_id);
            let sources: Vec<_> = subtasks.iter().filter(there).map(|s| s.source_id.clone()).collect();
            if !sources.is_empty() {
                return Err(Rejection::SubtasksExist { task: name, sources });
            }
        }
        let empty = |name| Arc::new(TaskRecord { name, yaml: String::new(), subtasks: Default::default() });
        let task = Arc::make_mut(self.tasks.entry(name.clone()).or_insert_with(|| empty(name)));
        task.yaml = yaml;
        for config in subtasks {
            task.subtasks.insert(config.source_id.clone(), Arc::new(SubtaskRecord::new(config, stage)));
        }
        Ok(())
    }

    fn remove_subtasks(&mut self, task: String, sources: Vec<String>) -> Result<(), Rejection> {
        let record = self.named_subtasks(&task, &sources)?;
        if sources.is_empty() {
            record.subtasks.clear();
        }
        for source in &sources {
            record.subtasks.remove(source);
        }
        if record.subtasks.is_empty() {
            self.tasks.remove(&task);
        }
        self.forget_loads(|source, of, _| *of == task && (sources.is_empty() || sources.contains(source)));
        Ok(())
    }

    fn set_stage(&mut self, task: String, sources: Vec<String>, stage: ExpectedStage) -> Result<(), Rejection> {
        let record = self.named_subtasks(&task, &sources)?;
        for (source, subtask) in &mut record.subtasks {
            if subtask.stage != stage && (sources.is_empty() || sources.contains(source)) {
                Arc::make_mut(subtask).stage = stage;
            }
        }
        Ok(())
    }

    fn set_operator(
        &mut self,
        task: &str,
        source_id: String,
        operator: Operator,
        passed: &BinlogPosition,
    ) -> Result<(), Rejection> {
        let operators = &mut self.subtask_mut(task, source_id)?.operators;
        operators.retain(|known| known.position >= *passed && known.position != operator.position);
        if operators.len() >= MOST_OPERATORS {
            return Err(Rejection::TooManyOperators { most: MOST_OPERATORS });
        }
        let at = operators.partition_point(|known| known.position < operator.position);
        operators.insert(at, operator);
        Ok(())
    }

    fn subtask(&self, task: &str, source_id: &str) -> Result<&SubtaskRecord, Rejection> {
        let Some(record) = self.tasks.get(task) else {
            return Err(Rejection::UnknownTask { task: task.to_owned() });
        };
        let unknown = || Rejection::UnknownSubtasks { task: task.to_owned(), sources: vec![source_id.to_owned()] };
        record.subtasks.get(source_id).map(Arc::as_ref).ok_or_else(unknown)
    }

    fn subtask_mut(&mut self, task: &str, source_id: String) -> Result<&mut SubtaskRecord, Rejection> {
        let Some(record) = self.tasks.get_mut(task) else {
            return Err(Rejection::UnknownTask { task: task.to_owned() });
        };
        let unknown = || Rejection::UnknownSubtasks { task: task.to_owned(), sources: vec![source_id.clone()] };
        Arc::make_mut(record).subtasks.get_mut(&source_id).map(Arc::make_mut).ok_or_else(unknown)
    }

    fn bind(&mut self, source_id: String, worker: String) -> Result<Applied, Rejection> {
        self.known_source(&source_id)?;
        if !self.workers.contains_key(&worker) {
            return Err(Rejection::UnknownWorker { worker });
        }
        let before = self.last_bound.get(&source_id).map_or(0, |b| b.epoch);
        let Some(epoch) = before.checked_add(1) else {
            return Err(Rejection::Malformed { reason: format!("source {source_id} has used up all epochs") });
        };
        let binding = Binding { worker, epoch };
        self.last_bound.insert(source_id.clone(), binding.clone());
        self.bindings.insert(source_id, binding);
        Ok(Applied::Bound { epoch })
    }

    /// The sources that are bound to a worker, in order.
    pub fn sources_of<'a>(&'a self, worker: &'a str) -> impl Iterator<Item = &'a str> {
        self.bindings.iter().filter(move |(_, b)| b.worker == worker).map(|(source, _)| source.as_str())
    }

    /// The names of the tasks with a matching subtask on a source, in order.
    pub fn tasks_of(&self, source_id: &str, matching: impl Fn(&SubtaskRecord) -> bool) -> Vec<String> {
        let has = |t: &&Arc<TaskRecord>| t.subtasks.get(source_id).is_some_and(|subtask| matching(subtask));
        self.tasks.values().filter(has).map(|t| t.name.clone()).collect()
    }

    fn known_source(&self, source_id: &str) -> Result<(), Rejection> {
        match self.sources.contains_key(source_id) {
            true => Ok(()),
            false => Err(Rejection::UnknownSource { source_id: source_id.to_owned() }),
        }
    }

    fn named_subtasks(&mut self, task: &str, sources: &[String]) -> Result<&mut TaskRecord, Rejection> {
        let Some(record) = self.tasks.get_mut(task) else {
            return Err(Rejection::UnknownTask { task: task.to_owned() });
        };
        let missing: Vec<_> = sources.iter().filter(|s| !record.subtasks.contains_key(*s)).cloned().collect();
        if !missing.is_empty() {
            return Err(Rejection::UnknownSubtasks { task: task.to_owned(), sources: missing });
        }
        Ok(Arc::make_mut(record))
    }
}

fn named(what: &str, name: &str) -> Result<(), Rejection> {
    match name.is_empty() {
        true => Err(Rejection::Malformed { reason: format!("a {what} without a name") }),
        false => Ok(()),
    }
}

#[cfg(test)]
#[path = "change_tests.rs"]
mod tests;
