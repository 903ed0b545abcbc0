//! Why a change of the cluster was refused, and DM's error for it.

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::{
    error::{Code, DmError},
    mysql::position::BinlogPosition,
};

/// Why a change was refused.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Rejection {
    /// A second `Bootstrap`.
    AlreadyBootstrapped { cluster_id: u64 },
    /// 46004
    UnknownWorker { worker: String },
    /// 46005
    WorkerInUse { worker: String, source_id: String },
    /// 46007
    SourceExists { source_id: String },
    /// 46008
    UnknownSource { source_id: String },
    /// 46010
    SourceHasTasks { source_id: String, tasks: Vec<String> },
    /// 46025
    SourceHasRunningTasks { source_id: String, tasks: Vec<String> },
    /// 46014
    SubtasksExist { task: String, sources: Vec<String> },
    /// 46016
    UnknownTask { task: String },
    /// 46017
    UnknownSubtasks { task: String, sources: Vec<String> },
    /// 46033
    WorkerTaken { worker: String, source_id: String },
    /// 36065
    UnknownOperator { position: BinlogPosition },
    /// 11118
    TooManyOperators { most: usize },
    /// A change that contradicts itself (an empty name, a subtask of another task, a source twice).
    Malformed { reason: String },
    /// 46035
    SubtasksRun { task: String, sources: Vec<String> },
}

impl From<Rejection> for DmError {
    fn from(why: Rejection) -> DmError {
        let code = why.code();
        let error = DmError::new(code).msg(why.to_string());
        match why {
            Rejection::WorkerInUse { .. } => error.workaround("Please shut it down first."),
            Rejection::SourceHasTasks { .. } => error.workaround("Please `stop-task` first."),
            Rejection::SourceHasRunningTasks { .. } => error.workaround("Please `pause-task` or `stop-task` first."),
            Rejection::SubtasksExist { .. } => error.workaround("Please use `query-status` command to see tasks."),
            Rejection::SubtasksRun { .. } => error.workaround("Please pause or stop the task first."),
            Rejection::UnknownTask { .. } => error.workaround("Please check the task name with `query-status`."),
            _ => error,
        }
    }
}

impl Rejection {
    /// DM's code for it.
    pub fn code(&self) -> Code {
        match self {
            Rejection::AlreadyBootstrapped { .. } => Code::SchedulerStarted,
            Rejection::UnknownWorker { .. } => Code::SchedulerWorkerNotExist,
            Rejection::WorkerInUse { .. } => Code::SchedulerWorkerOnline,
            Rejection::SourceExists { .. } => Code::SchedulerSourceCfgExist,
            Rejection::UnknownSource { .. } => Code::SchedulerSourceCfgNotExist,
            Rejection::SourceHasTasks { .. } => Code::SchedulerSourceOpTaskExist,
            Rejection::SourceHasRunningTasks { .. } => Code::SchedulerSourceCfgUpdate,
            Rejection::SubtasksExist { .. } => Code::SchedulerSubTaskExist,
            Rejection::UnknownTask { .. } => Code::SchedulerSubTaskOpTaskNotExist,
            Rejection::UnknownSubtasks { .. } => Code::SchedulerSubTaskOpSourceNotExist,
            Rejection::WorkerTaken { .. } => Code::SchedulerWorkerNotFree,
            Rejection::UnknownOperator { .. } => Code::SyncerOperatorNotExist,
            Rejection::TooManyOperators { .. } => Code::VerifyHandleErrorArgs,
            Rejection::Malformed { .. } => Code::MasterInvalidOperateOp,
            Rejection::SubtasksRun { .. } => Code::SchedulerSubTaskCfgUpdate,
        }
    }
}

impl fmt::Display for Rejection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Rejection::AlreadyBootstrapped { cluster_id } => write!(f, "the cluster has its id {cluster_id} already"),
            Rejection::UnknownWorker { worker } => write!(f, "dm-worker with name {worker} not exists"),
            Rejection::WorkerInUse { worker, .. } => write!(f, "dm-worker with name {worker} is still online"),
            Rejection::SourceExists { source_id } => write!(f, "source config with ID {source_id} already exists"),
            Rejection::UnknownSource { source_id } => write!(f, "source config with ID {source_id} not exists"),
            Rejection::SourceHasTasks { source_id, tasks } => {
                write!(f, "source with name {source_id} need to operate has existing tasks {}", list(tasks))
            }
            Rejection::SourceHasRunningTasks { source_id, tasks } => {
                write!(f, "source {source_id} can't be updated while its tasks {} run", list(tasks))
            }
            Rejection::SubtasksExist { task, sources } => {
                write!(f, "subtasks with name {task} for sources {} already exist", list(sources))
            }
            Rejection::UnknownTask { task } => write!(f, "subtasks with name {task} need to be operate not exist"),
            Rejection::UnknownSubtasks { task, sources } => {
                write!(f, "sources {} need to be operate not exist in task {task}", list(sources))
            }
            Rejection::WorkerTaken { worker, source_id } => {
                write!(f, "dm-worker with name {worker} not free: source {source_id} is bound to it")
            }
            Rejection::UnknownOperator { position } => write!(f, "error operator not exist, position: {position}"),
            Rejection::TooManyOperators { most } => {
                write!(f, "the subtask has {most} operators for events that it has not reached; revert some first")
            }
            Rejection::Malformed { reason } => write!(f, "not a valid change: {reason}"),
            Rejection::SubtasksRun { task, sources } => {
                write!(f, "subtasks of task {task} on sources {} run and can't be updated", list(sources))
            }
        }
    }
}

/// `[a b]`, the way DM prints lists.
fn list(names: &[String]) -> String {
    format!("[{}]", names.join(" "))
}
