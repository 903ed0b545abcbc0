//! Values for unit tests.

use super::{
    change::{Applied, ClusterChange},
    state::{ClusterState, ExpectedStage, SourceRecord},
};
use crate::config::*;

/// A subtask with DM's defaults.
pub fn subtask(task: &str, source_id: &str) -> SubtaskConfig {
    SubtaskConfig {
        name: task.into(),
        mode: TaskMode::All,
        source_id: source_id.into(),
        server_id: 101,
        flavor: Flavor::Mysql,
        enable_gtid: false,
        shard_mode: String::new(),
        strict_optimistic_shard_mode: false,
        ignore_checking_items: Vec::new(),
        meta_schema: "dm_meta".into(),
        timezone: String::new(),
        case_sensitive: false,
        collation_compatible: "loose".into(),
        online_ddl: true,
        shadow_table_rules: Vec::new(),
        trash_table_rules: Vec::new(),
        meta: None,
        from: DbConfig::default(),
        to: DbConfig::default(),
        block_allow_list: BlockAllowList::default(),
        routes: Vec::new(),
        filters: Vec::new(),
        expression_filters: Vec::new(),
        mydumper: dump(),
        loader: load(task),
        syncer: sync(),
        validator: validator(),
        clean_dump_file: true,
        start_time: None,
        async_checkpoint_flush: false,
    }
}

fn dump() -> MydumperConfig {
    MydumperConfig {
        mydumper_path: "./bin/mydumper".into(),
        threads: 4,
        chunk_filesize: "64".into(),
        statement_size: 1_000_000,
        rows: 0,
        r#where: String::new(),
        skip_tz_utc: true,
        extra_args: String::new(),
    }
}

fn load(task: &str) -> LoaderConfig {
    LoaderConfig {
        pool_size: 16,
        dir: format!("./dumped_data.{task}"),
        sorting_dir_physical: String::new(),
        import_mode: "logical".into(),
        on_duplicate: String::new(),
        on_duplicate_logical: "replace".into(),
        on_duplicate_physical: "none".into(),
        disk_quota_physical: 0,
        checksum_physical: "required".into(),
        analyze: "optional".into(),
        range_concurrency: 0,
        compress_kv_pairs: String::new(),
        pd_addr: String::new(),
    }
}

fn sync() -> SyncerConfig {
    SyncerConfig {
        meta_file: String::new(),
        worker_count: 16,
        batch: 100,
        queue_size: 1024,
        checkpoint_flush_interval: 30,
        compact: false,
        multiple_rows: false,
        max_retry: 0,
        auto_fix_gtid: false,
        enable_gtid: false,
        disable_detect: false,
        safe_mode: false,
        safe_mode_duration: String::new(),
        enable_ansi_quotes: false,
    }
}

fn validator() -> ValidatorConfig {
    ValidatorConfig {
        mode: "none".into(),
        worker_count: 4,
        validate_interval: "10s".into(),
        check_interval: "5s".into(),
        row_error_delay: "30m".into(),
        meta_flush_interval: "5m".into(),
        batch_query_size: 100,
        max_pending_row_size: "500m".into(),
        max_pending_row_count: 2_147_483_647,
    }
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
    ClusterChange::Bind { source_id: source_id.into(), worker: worker.into() }
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
