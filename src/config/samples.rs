//! The samples in `configs/`, which programs print and tests load.

/// `operate-source --print-sample-config` and `config source` template.
pub const SOURCE: &str = include_str!("../../configs/source.yaml");
/// A short task.
pub const TASK: &str = include_str!("../../configs/task.yaml");
/// A task with every key.
pub const TASK_ADVANCED: &str = include_str!("../../configs/task-advanced.yaml");
/// `dm-master -print-sample-config`.
pub const MASTER: &str = include_str!("../../configs/dm-master.toml");
/// `dm-worker -print-sample-config`.
pub const WORKER: &str = include_str!("../../configs/dm-worker.toml");

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::config::{MasterConfig, SourceConfig, TaskConfig, WorkerConfig, render_task};

    #[test]
    fn every_sample_is_valid() {
        let source = SourceConfig::from_yaml(SOURCE).unwrap();
        let second = SourceConfig { source_id: "mysql-replica-02".into(), ..source.clone() };
        let sources = BTreeMap::from([(source.source_id.clone(), source), (second.source_id.clone(), second)]);
        for text in [TASK, TASK_ADVANCED] {
            let task = TaskConfig::from_yaml(text).unwrap();
            assert!(task.warnings().is_empty(), "{:?}", task.warnings());
            let subtasks = task.expand(&sources).unwrap();
            assert_eq!(subtasks.len(), task.mysql_instances.len());
            TaskConfig::from_yaml(&render_task(&subtasks)).unwrap();
        }
        assert_eq!(MasterConfig::from_toml("sample", MASTER).unwrap().name, "master-1");
        assert_eq!(WorkerConfig::from_toml("sample", WORKER).unwrap().masters(), ["127.0.0.1:8261"]);
    }

    #[test]
    fn values_of_the_advanced_sample_are_the_defaults() {
        let task = TaskConfig::from_yaml(TASK_ADVANCED).unwrap();
        let mut syncer = task.syncers["global"].clone();
        syncer.safe_mode_duration.clear();
        // Written in the sample as DM shows it; where a file says nothing, a distant target gets more lanes, and transactions more rows.
        assert_eq!(std::mem::take(&mut syncer.worker_count), crate::config::subtask::SyncerConfig::WORKER_COUNT);
        assert_eq!(std::mem::take(&mut syncer.batch), crate::config::subtask::SyncerConfig::BATCH);
        assert_eq!(syncer, Default::default());
        assert_eq!(task.validators["global"], Default::default());
        assert_eq!(task.loaders["global"], Default::default());
        let mut dump = task.mydumpers["global"].clone();
        dump.extra_args.clear();
        assert_eq!(dump, Default::default());
    }
}
