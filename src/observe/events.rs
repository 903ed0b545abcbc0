//! Things that happen, one struct each: `emit` writes the log line and the metric. Messages that scripts look for in the
//! original's logs are kept.

use metrics::{counter, gauge};
use tracing::{error, info, warn};

use super::metrics::{close_subtask, install, open_subtask, set_leading};
use crate::{config::version, pb};

/// A program starts. `config` is its settings as text without passwords.
pub struct NodeStarted<'a> {
    /// `dm-master` or `dm-worker`.
    pub program: &'a str,
    pub config: &'a str,
}

impl NodeStarted<'_> {
    pub fn emit(&self) {
        let [release, hash, branch, time, go, failpoint] = version::fields().map(|(_, value)| value);
        info!(
            "release-version" = release,
            "git-hash" = hash,
            "git-branch" = branch,
            "utc-build-time" = time,
            "go-version" = go,
            "failpoint-build" = failpoint,
            "Welcome to {}",
            self.program
        );
        match self.program {
            "dm-worker" => info!("dm-worker config" = self.config, ""),
            _ => info!("dm-master config" = self.config, ""),
        }
    }
}

/// A signal asks the program to end.
pub struct SignalReceived<'a> {
    pub signal: &'a str,
}

impl SignalReceived<'_> {
    pub fn emit(&self) {
        info!(signal = self.signal, "got signal to exit");
    }
}

/// The last line of a program that ended well.
pub struct NodeExited<'a> {
    pub program: &'a str,
}

impl NodeExited<'_> {
    pub fn emit(&self) {
        info!("{} exit", self.program);
    }
}

/// A subtask's stage changed.
pub struct SubtaskStage<'a> {
    pub task: &'a str,
    pub source_id: &'a str,
    pub worker: &'a str,
    pub stage: pb::Stage,
}

impl SubtaskStage<'_> {
    pub fn emit(&self) {
        install();
        open_subtask(self.task, self.source_id);
        info!(task = self.task, source = self.source_id, stage = ?self.stage, "subtask stage changed");
        let labels = [
            ("task", self.task.to_owned()),
            ("source_id", self.source_id.to_owned()),
            ("worker", self.worker.to_owned()),
        ];
        gauge!("dm_worker_task_state", &labels).set(f64::from(self.stage as i32));
    }
}

/// A subtask was removed: its series are no longer shown.
pub struct SubtaskRemoved<'a> {
    pub task: &'a str,
    pub source_id: &'a str,
}

impl SubtaskRemoved<'_> {
    pub fn emit(&self) {
        info!(task = self.task, source = self.source_id, "subtask removed");
        close_subtask(self.task, self.source_id);
    }
}

/// An operation on a source or subtask failed. `op` is a label: BeforeAnyOp, SourceBound, RelaySource, Start, Pause,
/// Resume, Update, AutoResume, Delete, StopRelay, PauseRelay, ResumeRelay, StartValidator, StopValidator.
pub struct OperateFailed<'a> {
    pub worker: &'a str,
    pub op: &'static str,
    pub error: &'a str,
}

impl OperateFailed<'_> {
    pub fn emit(&self) {
        install();
        warn!(worker = self.worker, op = self.op, error = self.error, "operation failed");
        counter!("dm_worker_operate_error", "worker" => self.worker.to_owned(), "type" => self.op).increment(1);
    }
}

/// A unit stopped with an error.
pub struct UnitFailed<'a> {
    pub unit: pb::UnitType,
    pub task: &'a str,
    pub source_id: &'a str,
    /// What [`crate::error::policy`] says.
    pub resumable: bool,
    pub error: &'a str,
}

impl UnitFailed<'_> {
    pub fn emit(&self) {
        install();
        error!(task = self.task, source = self.source_id, unit = ?self.unit, error = self.error, "unit process error");
        let name = match self.unit {
            pb::UnitType::Dump => "dm_dumpling_exit_with_error_count",
            pb::UnitType::Load => "dm_loader_exit_with_error_count",
            pb::UnitType::Sync => "dm_syncer_exit_with_error_count",
            _ => return,
        };
        let labels = [
            ("task", self.task.to_owned()),
            ("source_id", self.source_id.to_owned()),
            ("resumable_err", self.resumable.to_string()),
        ];
        counter!(name, &labels).increment(1);
        if self.unit == pb::UnitType::Dump {
            counter!("dumpling_dump_error_count", &labels[..2]).increment(1);
        }
    }
}

/// The supervisor resumes a paused subtask.
pub struct AutoResume<'a> {
    pub task: &'a str,
    pub source_id: &'a str,
    /// How long it waited before.
    pub backoff: std::time::Duration,
}

impl AutoResume<'_> {
    pub fn emit(&self) {
        let backoff = crate::config::GoDuration(self.backoff.as_nanos().min(i64::MAX as u128) as i64).to_string();
        info!(task = self.task, source = self.source_id, backoff, "dispatch auto resume task");
    }
}

/// The supervisor leaves a paused subtask to the operator.
pub struct NotResumable<'a> {
    pub task: &'a str,
    pub source_id: &'a str,
    pub error: &'a str,
}

impl NotResumable<'_> {
    pub fn emit(&self) {
        warn!(task = self.task, source = self.source_id, error = self.error, "task can't auto resume");
    }
}

/// What the master knows of a worker, as dm_master_worker_state tells it.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum WorkerState {
    Removed,
    Offline,
    Free,
    Relay,
    Bound,
}

/// A worker changed its state.
pub struct WorkerChanged<'a> {
    pub worker: &'a str,
    pub state: WorkerState,
}

impl WorkerChanged<'_> {
    pub fn emit(&self) {
        install();
        info!(worker = self.worker, state = ?self.state, "worker state changed");
        let value = match self.state {
            WorkerState::Removed => -1.0,
            WorkerState::Offline => 0.0,
            WorkerState::Free => 1.0,
            WorkerState::Relay => 1.5,
            WorkerState::Bound => 2.0,
        };
        gauge!("dm_master_worker_state", "worker" => self.worker.to_owned()).set(value);
    }
}

/// A source moved to a worker.
pub struct SourceBound<'a> {
    pub source_id: &'a str,
    pub worker: &'a str,
    pub epoch: u64,
}

impl SourceBound<'_> {
    pub fn emit(&self) {
        info!(source = self.source_id, worker = self.worker, epoch = self.epoch, "bind the source to worker");
    }
}

/// This master leads from now on.
pub struct BecameLeader<'a> {
    pub name: &'a str,
}

impl BecameLeader<'_> {
    pub fn emit(&self) {
        install();
        set_leading(true);
        info!(name = self.name, "become leader");
        counter!("dm_master_start_leader_counter").increment(1);
    }
}

/// This master no longer leads.
pub struct LostLeadership<'a> {
    pub name: &'a str,
}

impl LostLeadership<'_> {
    pub fn emit(&self) {
        set_leading(false);
        info!(name = self.name, "no longer the leader");
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::observe::metrics::{DumpMetrics, JobKind, Node, SyncMetrics, add_role, queue_label, render};

    /// One test: the recorder is shared by the process.
    #[test]
    fn series_have_the_original_names_and_labels() {
        install();
        install();
        add_role("worker");
        let (task, source_id, worker) = ("t\"1", "mysql-01", "worker1");
        SubtaskStage { task, source_id, worker, stage: pb::Stage::Paused }.emit();
        UnitFailed { unit: pb::UnitType::Load, task, source_id, resumable: true, error: "x" }.emit();
        OperateFailed { worker, op: "SourceBound", error: "x" }.emit();
        WorkerChanged { worker, state: WorkerState::Relay }.emit();
        BecameLeader { name: "master1" }.emit();
        let sync = SyncMetrics::new(task, source_id, worker);
        let text = render();
        assert!(
            text.contains("dm_syncer_binlog_file{node=\"syncer\",task=\"t\\\"1\",source_id=\"mysql-01\"} NaN"),
            "{text}"
        );
        sync.position(Node::Syncer, 3, 4096);
        sync.lag(2.0);
        sync.queue_size("dml_worker_input", 9);
        sync.transaction(1, 2, 20, std::time::Duration::from_millis(2));
        sync.event(std::time::Duration::from_millis(1), 100);
        sync.jobs(JobKind::Insert, &queue_label(9), "db", "tb").finished(7);
        DumpMetrics::new(task, source_id).progress(10.0, 20.0, 1.0);
        let text = render();
        for line in [
            "dm_worker_task_state{task=\"t\\\"1\",source_id=\"mysql-01\",worker=\"worker1\"} 3",
            "dm_loader_exit_with_error_count{task=\"t\\\"1\",source_id=\"mysql-01\",resumable_err=\"true\"} 1",
            "dm_worker_operate_error{worker=\"worker1\",type=\"SourceBound\"} 1",
            "dm_master_worker_state{worker=\"worker1\"} 1.5",
            "dm_master_start_leader_counter 1",
            "dm_syncer_binlog_pos{node=\"syncer\",task=\"t\\\"1\",source_id=\"mysql-01\"} 4096",
            "dm_syncer_replication_lag_gauge{task=\"t\\\"1\",source_id=\"mysql-01\",worker=\"worker1\"} 2",
            "dm_syncer_queue_size{task=\"t\\\"1\",queue_id=\"dml_worker_input\",source_id=\"mysql-01\"} 9",
            "dm_syncer_finished_jobs_total{type=\"insert\",task=\"t\\\"1\",queueNo=\"q_1\",source_id=\"mysql-01\",worker=\"worker1\",target_schema=\"db\",target_table=\"tb\"} 7",
            "dumpling_dump_finished_rows{task=\"t\\\"1\",source_id=\"mysql-01\"} 20",
            "dm_syncer_replication_lag_bucket{task=\"t\\\"1\",source_id=\"mysql-01\",worker=\"worker1\",le=\"1024\"} 1",
        ] {
            assert!(text.contains(line), "{line}\n{text}");
        }
        assert!(
            text.contains("process_resident_memory_bytes ")
                && text.contains("# TYPE process_cpu_seconds_total counter")
        );
        SubtaskRemoved { task, source_id }.emit();
        LostLeadership { name: "master1" }.emit();
        let text = render();
        assert!(!text.contains("source_id=\"mysql-01\"") && !text.contains("dm_master_worker_state{"), "{text}");
        SubtaskStage { task, source_id, worker, stage: pb::Stage::Running }.emit();
        assert!(render().contains("worker=\"worker1\"} 2"));
    }
}
