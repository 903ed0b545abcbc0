//! What a command can ask of the cluster: implemented by the leader's scheduler (src/actors/scheduler), used by
//! the gateway. Errors are DM's (`DmError`); a reply for dmctl is built by the command, not here.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;

use crate::{
    actors::member::messages::FailureReport,
    config::SubtaskConfig,
    coordinator::{masters::Leader, state::ClusterState},
    error::Result,
    mysql::position::BinlogPosition,
    pb,
    rules::operator::Operator,
    units::sync::tracked::StructureRequest,
};

/// A new or changed source: what the user wrote plus what was detected (flavor, server-id).
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct SourceSpec {
    pub source_id: String,
    /// The source YAML with adjustments filled in; passwords as given. Parsed by `config::SourceConfig`.
    pub yaml: String,
}

/// A task to start.
#[derive(Clone, PartialEq, Debug, serde::Serialize, serde::Deserialize)]
pub struct TaskSpec {
    pub name: String,
    /// The task YAML as given.
    pub yaml: String,
    /// The expanded subtasks that are started now (all sources, or those of `-s`).
    pub subtasks: Vec<SubtaskConfig>,
    pub remove_meta: bool,
    /// Stored without being started: the HTTP API creates and starts in two steps.
    pub stopped: bool,
}

/// What becomes of an event.
#[derive(Clone, PartialEq, Debug)]
pub enum OperatorChange {
    /// `passed` is where the checkpoint is: what stands before is forgotten.
    Set { operator: Operator, passed: BinlogPosition },
    /// 36065 when there is none.
    Remove { position: BinlogPosition },
}

/// Operations on the cluster's state. All wait until the change is committed to the replicated log, and the
/// operations on tasks also until the worker confirmed (10 tries, 1 s apart, as the original), else 38032.
#[async_trait]
pub trait Cluster: Send + Sync + 'static {
    /// The committed state (cheap: shared).
    fn state(&self) -> Arc<ClusterState>;

    /// Who leads, as this master knows it. Every other method is for the leader only; the gateway forwards.
    fn leader(&self) -> Leader;

    /// `offline-member --master`: forgets a master for good. 38048 when it is not known.
    async fn remove_master(&self, name: &str) -> Result<()>;

    /// `operate-leader`: gives leadership away and does not take it again; (false) may take it again.
    async fn evict(&self, evict: bool) -> Result<()>;

    /// Worker joins: `name` at `address`. 46003 when the name is taken by a live worker elsewhere.
    async fn register_worker(&self, name: String, address: String) -> Result<()>;

    /// `offline-member --worker`: forgets a worker. 46004 when unknown, 46005 while it is online.
    async fn remove_worker(&self, name: &str) -> Result<()>;

    /// Moves a source to another free worker. 46008, 46004, 46033, 46019 (a task is not in Sync).
    async fn transfer_source(&self, source_id: &str, worker: &str) -> Result<()>;

    /// Adds a source and binds it to a free worker (the named one if given).
    /// Returns the worker's name, empty when none is free. 46007 when it exists.
    async fn add_source(&self, spec: SourceSpec, worker: Option<String>) -> Result<String>;

    /// Replaces a source's config. 46008 when unknown; refused while tasks run.
    async fn update_source(&self, spec: SourceSpec) -> Result<String>;

    /// Removes a source. 46008 when unknown, 46010 when it has tasks. Returns the worker it was bound to.
    async fn remove_source(&self, source_id: &str) -> Result<String>;

    /// Stores and starts subtasks. 46014 when one exists. One reply per source.
    async fn start_task(&self, task: TaskSpec) -> Result<Vec<pb::CommonWorkerResponse>>;

    /// Replaces the configs of subtasks that don't run, and the task's text. 46016, 46017, 46035.
    async fn update_task(&self, task: &str, yaml: &str, subtasks: Vec<SubtaskConfig>) -> Result<()>;

    /// Stores a document of the HTTP API, or forgets it.
    async fn put_document(&self, key: &str, text: Option<String>) -> Result<()>;

    /// Pause, Resume, Delete or Stop (which keeps the config) of a task on the given sources (all when empty).
    /// `limit`: what the end of a run may take, if not the usual time.
    async fn operate_task(
        &self,
        op: pb::TaskOp,
        task: &str,
        sources: &[String],
        limit: Option<Duration>,
    ) -> Result<Vec<pb::CommonWorkerResponse>>;

    /// How a task stands on a source, and which event it failed on. 40054 when it isn't there.
    async fn failure(&self, source_id: &str, task: &str) -> Result<FailureReport>;

    /// Stores what stands for an event (or takes it back), and tells the worker. A task that failed goes on after
    /// `SetOperator`; one that the user paused stays so.
    async fn operate_event(&self, source_id: &str, task: &str, change: OperatorChange) -> Result<()>;

    /// Shows or changes a structure that a task tracks, on its worker. Returns its text.
    async fn structure(&self, source_id: &str, task: &str, request: StructureRequest) -> Result<String>;

    /// The live status of one source's subtasks (all when `task` is empty), from its worker.
    async fn query_status(&self, source_id: &str, task: &str) -> pb::QueryStatusResponse;

    /// Leader, masters and workers with their live stage.
    async fn members(&self) -> Vec<pb::Members>;

    /// A worker's own config as TOML.
    async fn worker_config(&self, worker: &str) -> Result<String>;

    /// The live actors of the whole cluster, for dm-console: JSON (see actors/observe.rs).
    async fn actors(&self) -> serde_json::Value;
}
