//! ClusterState: all that must survive. It changes only by `ClusterChange` entries of the replicated log.

use std::{collections::BTreeMap, fmt, sync::Arc};

use serde::{Deserialize, Serialize};

use crate::{config::SubtaskConfig, rules::operator::Operator};

/// What a subtask should be doing. Stored in the replicated log; the source's worker follows it and says what it
/// really does in its status (a failed subtask is Paused there and stays Running here, so that it can be resumed).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum ExpectedStage {
    /// Set by start-task and resume-task; the command waits for the worker to report it.
    Running,
    /// Set by pause-task; the command waits for the worker to report it.
    Paused,
    /// The HTTP API's stop, which keeps the config: not set by any command of this version.
    Stopped,
}

/// A worker that once joined.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct WorkerRecord {
    pub name: String,
    pub address: String,
}

/// Where a master is found.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct MasterRecord {
    pub name: String,
    /// `http://host:port` of its cluster port.
    pub peer_urls: Vec<String>,
    /// `host:port` for dmctl, workers and other masters that forward a command.
    pub client_addr: String,
}

/// A source as stored.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SourceRecord {
    pub source_id: String,
    /// YAML with detected values filled in, passwords as given.
    pub yaml: String,
}

/// Prints no YAML: it holds passwords.
impl fmt::Debug for SourceRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SourceRecord").field("source_id", &self.source_id).finish_non_exhaustive()
    }
}

/// One task on one source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SubtaskRecord {
    #[serde(with = "crate::wire::named")]
    pub config: SubtaskConfig,
    pub stage: ExpectedStage,
    /// What the user put in the place of binlog events, in the order of the positions; at most one a position.
    pub operators: Vec<Operator>,
}

impl SubtaskRecord {
    /// One without operators.
    pub fn new(config: SubtaskConfig, stage: ExpectedStage) -> Self {
        SubtaskRecord { config, stage, operators: Vec::new() }
    }
}

/// A task.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskRecord {
    pub name: String,
    pub yaml: String,
    /// By source id.
    pub subtasks: BTreeMap<String, Arc<SubtaskRecord>>,
}

/// Prints no YAML: it holds passwords.
impl fmt::Debug for TaskRecord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let stages: BTreeMap<_, _> = self.subtasks.iter().map(|(source, s)| (source, s.stage)).collect();
        f.debug_struct("TaskRecord").field("name", &self.name).field("subtasks", &stages).finish_non_exhaustive()
    }
}

/// A source on a worker, under an epoch that grows with every binding.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Binding {
    pub worker: String,
    pub epoch: u64,
}

/// Everything the cluster remembers. Each change makes a new one, so what is large is shared between them; what has
/// not changed is the same `Arc`.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ClusterState {
    /// Random, set once at bootstrap.
    pub cluster_id: u64,
    pub workers: BTreeMap<String, WorkerRecord>,
    pub sources: BTreeMap<String, Arc<SourceRecord>>,
    pub tasks: BTreeMap<String, Arc<TaskRecord>>,
    /// By source id.
    pub bindings: BTreeMap<String, Binding>,
    /// The last worker of each source, and the highest epoch ever given.
    pub last_bound: BTreeMap<String, Binding>,
    /// What the HTTP API keeps for its users, texts of JSON: `topology`, `task-template/<name>`.
    pub documents: BTreeMap<String, String>,
    /// The masters that have started at least once.
    pub masters: BTreeMap<String, MasterRecord>,
    /// By source and task: the worker whose machine holds the files of the unfinished load.
    pub loads: BTreeMap<String, BTreeMap<String, String>>,
}
