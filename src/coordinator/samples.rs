//! Values for unit tests.

use super::{
    change::{Applied, ClusterChange},
    state::{ClusterState, ExpectedStage, SourceRecord},
};
use crate::config::SubtaskConfig;

/// A subtask with DM's defaults.
pub fn subtask(task: &str, source_id: &str) -> SubtaskConfig {
    SubtaskConfig { name: task.into(), source_id: source_id.into(), server_id: 101, ..SubtaskConfig::default() }
}

/// Adds a worker.
pub fn put_worker(name: &str) -> ClusterChange {
    ClusterChange::PutWorker { name: name.into(), address: format!("{name}:8262") }
}

/// A source record.
pub fn source(source_id: &str) -> SourceRecord {
    SourceRecord { source_id: source_id.into(), yaml: format!("source-id: {source_id}\n") }
}

/// Adds a source.
pub fn put_source(source_id: &str) -> ClusterChange {
    ClusterChange::PutSource { source: source(source_id) }
}

/// Starts a task on sources.
pub fn put_task(task: &str, sources: &[&str]) -> ClusterChange {
    ClusterChange::PutTask {
        name: task.into(),
        yaml: format!("name: {task}\n"),
        subtasks: sources.iter().map(|s| subtask(task, s)).collect(),
        stage: ExpectedStage::Running,
    }
}

/// Binds a source.
pub fn bind(source_id: &str, worker: &str) -> ClusterChange {
    ClusterChange::Assign { source_id: source_id.into(), worker: worker.into() }
}

/// Unbinds a source.
pub fn unbind(source_id: &str) -> ClusterChange {
    ClusterChange::Unbind { source_id: source_id.into() }
}

/// A state after changes that must all be accepted.
pub fn state(changes: impl IntoIterator<Item = ClusterChange>) -> ClusterState {
    let mut state = ClusterState::default();
    for change in changes {
        let applied = state.apply(change.clone());
        assert!(!matches!(applied, Applied::Rejected(_)), "{change:?}: {applied:?}");
    }
    state
}
