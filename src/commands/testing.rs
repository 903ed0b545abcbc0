//! A cluster in memory: what the commands see of the leader, without actors or databases.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use async_trait::async_trait;

use super::{
    cluster::{Cluster, OperatorChange, SourceSpec, TaskSpec},
    reply::source_done,
};
use crate::{
    actors::member::messages::FailureReport,
    config::SubtaskConfig,
    coordinator::state::{Binding, ClusterState, ExpectedStage, SourceRecord, SubtaskRecord, TaskRecord, WorkerRecord},
    coordinator::{ClusterChange, Rejection, masters::Leader},
    error::{Code, DmError, Result},
    mysql::position::BinlogPosition,
    pb::{self, Stage, UnitType, members::Member, sub_task_status::Status},
    units::sync::tracked::StructureRequest,
};

/// Two workers; the first added source goes to the second of them, as in the captured replies.
pub struct MemoryCluster {
    state: Mutex<ClusterState>,
    /// The error that every running subtask shows.
    failure: Mutex<Option<DmError>>,
}

impl MemoryCluster {
    pub fn new() -> Arc<MemoryCluster> {
        let mut state = ClusterState { cluster_id: 1, ..Default::default() };
        for (name, address) in [("worker1", "127.0.0.1:8262"), ("worker2", "127.0.0.1:8263")] {
            state.workers.insert(name.into(), WorkerRecord { name: name.into(), address: address.into() });
        }
        Arc::new(MemoryCluster { state: Mutex::new(state), failure: Mutex::new(None) })
    }

    /// Makes every subtask fail.
    pub fn fail(&self, error: DmError) {
        *self.failure.lock().unwrap_or_else(PoisonError::into_inner) = Some(error);
    }

    fn lock(&self) -> MutexGuard<'_, ClusterState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn subtask_status(&self, name: &str, record: &SubtaskRecord) -> pb::SubTaskStatus {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let paused = record.stage == ExpectedStage::Paused;
        let result = match failure {
            Some(error) => Some(pb::ProcessResult { errors: vec![error.to_process_error()], ..Default::default() }),
            None => paused.then(|| pb::ProcessResult { is_canceled: true, ..Default::default() }),
        };
        pb::SubTaskStatus {
            name: name.to_owned(),
            stage: match (result.is_some(), record.stage) {
                (true, _) => Stage::Paused,
                (false, ExpectedStage::Stopped) => Stage::Stopped,
                (false, _) => Stage::Running,
            } as i32,
            unit: UnitType::Sync as i32,
            result,
            status: Some(Status::Sync(pb::SyncStatus {
                master_binlog: "(mysql-bin.000002, 739345243)".into(),
                master_binlog_gtid: "0-3407-94937".into(),
                syncer_binlog: "(mysql-bin.000002, 739345243)".into(),
                syncer_binlog_gtid: "0-3407-94937".into(),
                synced: true,
                binlog_type: "remote".into(),
                io_total_bytes: 16016,
                dump_io_total_bytes: 3330,
                ..Default::default()
            })),
            ..Default::default()
        }
    }
}

fn missing(source: &str) -> DmError {
    DmError::new(Code::SchedulerSourceCfgNotExist).msg(format!("source config with ID {source} not exists"))
}

#[async_trait]
impl Cluster for MemoryCluster {
    fn leader(&self) -> Leader {
        Leader::Me
    }

    async fn remove_master(&self, name: &str) -> Result<()> {
        Err(DmError::new(Code::MasterMasterNameNotExist).msg(format!("dm-master with name {name} not exists")))
    }

    async fn remove_worker(&self, name: &str) -> Result<()> {
        Err(DmError::new(Code::SchedulerWorkerOnline).msg(format!("dm-worker with name {name} is still online")))
    }

    async fn transfer_source(&self, source_id: &str, worker: &str) -> Result<()> {
        let mut state = self.lock();
        if !state.workers.contains_key(worker) {
            return Err(Rejection::UnknownWorker { worker: worker.to_owned() }.into());
        }
        let epoch = state.bindings.get(source_id).map_or(1, |b| b.epoch + 1);
        state.bindings.insert(source_id.to_owned(), Binding { worker: worker.to_owned(), epoch });
        Ok(())
    }

    async fn evict(&self, _: bool) -> Result<()> {
        Ok(())
    }

    fn state(&self) -> Arc<ClusterState> {
        Arc::new(self.lock().clone())
    }

    async fn register_worker(&self, name: String, address: String) -> Result<()> {
        self.lock().workers.insert(name.clone(), WorkerRecord { name, address });
        Ok(())
    }

    async fn add_source(&self, spec: SourceSpec, worker: Option<String>) -> Result<String> {
        let mut state = self.lock();
        let taken: Vec<String> = state.bindings.values().map(|b| b.worker.clone()).collect();
        let free = state.workers.keys().rev().find(|name| !taken.contains(name)).cloned();
        let id = spec.source_id.clone();
        state.sources.insert(id.clone(), Arc::new(SourceRecord { source_id: id.clone(), yaml: spec.yaml }));
        let chosen = worker.or(free).unwrap_or_default();
        if !chosen.is_empty() {
            state.bindings.insert(id, Binding { worker: chosen.clone(), epoch: 1 });
        }
        Ok(chosen)
    }

    async fn update_source(&self, spec: SourceSpec) -> Result<String> {
        let mut state = self.lock();
        let record = state.sources.get_mut(&spec.source_id).ok_or_else(|| missing(&spec.source_id))?;
        Arc::make_mut(record).yaml = spec.yaml;
        Ok(state.bindings.get(&spec.source_id).map(|b| b.worker.clone()).unwrap_or_default())
    }

    async fn remove_source(&self, source_id: &str) -> Result<String> {
        let mut state = self.lock();
        if !state.sources.contains_key(source_id) {
            return Err(missing(source_id));
        }
        let tasks: Vec<_> =
            state.tasks.values().filter(|t| t.subtasks.contains_key(source_id)).map(|t| t.name.clone()).collect();
        if !tasks.is_empty() {
            return Err(DmError::new(Code::SchedulerSourceOpTaskExist)
                .msg(format!("source with name {source_id} need to operate has existing tasks [{}]", tasks.join(" ")))
                .workaround("Please `stop-task` first."));
        }
        state.sources.remove(source_id);
        Ok(state.bindings.remove(source_id).map(|b| b.worker).unwrap_or_default())
    }

    async fn start_task(&self, task: TaskSpec) -> Result<Vec<pb::CommonWorkerResponse>> {
        let mut state = self.lock();
        let sources: Vec<String> = task.subtasks.iter().map(|s| s.source_id.clone()).collect();
        if state.tasks.contains_key(&task.name) {
            return Err(DmError::new(Code::SchedulerSubTaskExist)
                .msg(format!("subtasks with name {} for sources [{}] already exist", task.name, sources.join(" ")))
                .workaround("Please use `query-status` command to see tasks."));
        }
        let stage = if task.stopped { ExpectedStage::Stopped } else { ExpectedStage::Running };
        let subtasks = task.subtasks.into_iter();
        let record = |config: SubtaskConfig| (config.source_id.clone(), Arc::new(SubtaskRecord::new(config, stage)));
        let subtasks = subtasks.map(record).collect();
        let record = TaskRecord { name: task.name.clone(), yaml: task.yaml, subtasks };
        state.tasks.insert(task.name, Arc::new(record));
        Ok(sources.iter().map(|s| source_done(s, state.bindings.get(s).map_or("", |b| b.worker.as_str()))).collect())
    }

    async fn update_task(&self, task: &str, yaml: &str, subtasks: Vec<SubtaskConfig>) -> Result<()> {
        let change = ClusterChange::UpdateTask { name: task.to_owned(), yaml: yaml.to_owned(), subtasks };
        self.lock().apply(change).into_result().map(drop)
    }

    async fn put_document(&self, key: &str, text: Option<String>) -> Result<()> {
        self.lock().apply(ClusterChange::PutDocument { key: key.to_owned(), text }).into_result().map(drop)
    }

    async fn operate_task(
        &self,
        op: pb::TaskOp,
        task: &str,
        sources: &[String],
        _limit: Option<Duration>,
    ) -> Result<Vec<pb::CommonWorkerResponse>> {
        let mut state = self.lock();
        let bindings = state.bindings.clone();
        let Some(record) = state.tasks.get_mut(task).map(Arc::make_mut) else { return Ok(Vec::new()) };
        let wanted = |source: &String| sources.is_empty() || sources.contains(source);
        let done: Vec<String> = record.subtasks.keys().filter(|s| wanted(s)).cloned().collect();
        for source in &done {
            match op {
                pb::TaskOp::Delete => {
                    record.subtasks.remove(source);
                }
                _ => {
                    let stage = match op {
                        pb::TaskOp::Pause => ExpectedStage::Paused,
                        pb::TaskOp::Stop => ExpectedStage::Stopped,
                        _ => ExpectedStage::Running,
                    };
                    if let Some(subtask) = record.subtasks.get_mut(source) {
                        Arc::make_mut(subtask).stage = stage;
                    }
                }
            }
        }
        if record.subtasks.is_empty() {
            state.tasks.remove(task);
        }
        Ok(done.iter().map(|s| source_done(s, bindings.get(s).map_or("", |b| b.worker.as_str()))).collect())
    }

    async fn failure(&self, _source_id: &str, _task: &str) -> Result<FailureReport> {
        let failure = self.failure.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(FailureReport {
            unit: UnitType::Sync as i32,
            stage: Stage::Paused as i32,
            event: failure.and_then(|error| error.event().cloned()),
            flushed: BinlogPosition::new("mysql-bin.000002", 739_345_401),
        })
    }

    async fn operate_event(&self, source_id: &str, task: &str, change: OperatorChange) -> Result<()> {
        let (task, source_id) = (task.to_owned(), source_id.to_owned());
        if matches!(change, OperatorChange::Set { .. }) {
            self.failure.lock().unwrap_or_else(PoisonError::into_inner).take();
        }
        let change = match change {
            OperatorChange::Set { operator, passed } => {
                ClusterChange::SetOperator { task, source_id, operator, passed }
            }
            OperatorChange::Remove { position } => ClusterChange::RemoveOperator { task, source_id, position },
        };
        self.lock().apply(change).into_result().map(drop)
    }

    async fn structure(&self, _source_id: &str, _task: &str, request: StructureRequest) -> Result<String> {
        let text = "CREATE TABLE `t1` ( `id` int NOT NULL, PRIMARY KEY (`id`)) ENGINE=InnoDB";
        Ok(if request.changes() { String::new() } else { text.to_owned() })
    }

    async fn query_status(&self, source_id: &str, task: &str) -> pb::QueryStatusResponse {
        let state = self.state();
        let worker = state.bindings.get(source_id).map(|b| b.worker.clone()).unwrap_or_default();
        let sub_task_status: Vec<_> = state
            .tasks
            .values()
            .filter(|record| task.is_empty() || record.name == task)
            .filter_map(|record| Some(self.subtask_status(&record.name, record.subtasks.get(source_id)?)))
            .collect();
        pb::QueryStatusResponse {
            result: true,
            msg: if sub_task_status.is_empty() { "no sub task started".into() } else { String::new() },
            source_status: Some(pb::SourceStatus { source: source_id.into(), worker, ..Default::default() }),
            sub_task_status,
        }
    }

    async fn members(&self) -> Vec<pb::Members> {
        let state = self.state();
        let worker = |w: &WorkerRecord| {
            let source = state.bindings.iter().find(|(_, b)| b.worker == w.name).map(|(id, _)| id.clone());
            pb::WorkerInfo {
                name: w.name.clone(),
                addr: w.address.clone(),
                stage: if source.is_some() { "bound" } else { "free" }.into(),
                source: source.unwrap_or_default(),
            }
        };
        let leader = pb::ListLeaderMember { msg: String::new(), name: "master1".into(), addr: "127.0.0.1:8261".into() };
        let master = pb::MasterInfo {
            name: "master1".into(),
            member_id: 5_465_094_923_844_121_336,
            alive: true,
            peer_ur_ls: vec!["http://127.0.0.1:8291".into()],
            client_ur_ls: vec!["http://127.0.0.1:8261".into()],
        };
        let workers = state.workers.values().map(worker).collect();
        [
            Member::Leader(leader),
            Member::Master(pb::ListMasterMember { msg: String::new(), masters: vec![master] }),
            Member::Worker(pb::ListWorkerMember { msg: String::new(), workers }),
        ]
        .map(|member| pb::Members { member: Some(member) })
        .into()
    }

    async fn worker_config(&self, worker: &str) -> Result<String> {
        Ok(format!("name = {worker:?}\n"))
    }

    async fn actors(&self) -> serde_json::Value {
        serde_json::json!([{ "name": "node", "state": "running" }])
    }
}
