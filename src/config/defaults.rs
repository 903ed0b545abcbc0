//! What applies when a key is not written (config facts: sections 5 and 7).

use std::collections::BTreeMap;

use super::subtask::*;

/// Names of online-DDL tools' temporary tables: one capture group, the real table's name.
pub const SHADOW_TABLE_RULE: &str = "^_(.+)_(?:new|gho)$";
/// The same for their leftovers.
pub const TRASH_TABLE_RULE: &str = "^_(.+)_(?:ghc|del|old)$";
/// Where checkpoints are kept in the target.
pub const META_SCHEMA: &str = "dm_meta";
/// The dump folder before the task's name is appended.
pub const DUMP_DIR: &str = "./dumped_data";

impl Default for MydumperConfig {
    fn default() -> Self {
        MydumperConfig {
            mydumper_path: "./bin/mydumper".into(),
            threads: 4,
            chunk_filesize: "64".into(),
            statement_size: 0,
            rows: 0,
            r#where: String::new(),
            skip_tz_utc: true,
            extra_args: String::new(),
        }
    }
}

impl Default for LoaderConfig {
    fn default() -> Self {
        LoaderConfig {
            pool_size: 16,
            dir: DUMP_DIR.into(),
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
            indexes_after_rows: LoaderConfig::INDEXES_AFTER_ROWS,
        }
    }
}

impl Default for SyncerConfig {
    fn default() -> Self {
        SyncerConfig {
            meta_file: String::new(),
            worker_count: 0,
            worker_count_given: false,
            batch: 0,
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
            memory_limit: SyncerConfig::MEMORY_LIMIT,
        }
    }
}

impl Default for ValidatorConfig {
    fn default() -> Self {
        ValidatorConfig {
            mode: "none".into(),
            worker_count: 4,
            validate_interval: "10s".into(),
            check_interval: "5s".into(),
            row_error_delay: "30m0s".into(),
            meta_flush_interval: "5m0s".into(),
            batch_query_size: 100,
            max_pending_row_size: "500m".into(),
            max_pending_row_count: i64::from(i32::MAX),
        }
    }
}

impl Default for SubtaskConfig {
    /// An `all` task without name, source and connections; every setting as if no key were written.
    fn default() -> Self {
        SubtaskConfig {
            name: String::new(),
            mode: TaskMode::All,
            source_id: String::new(),
            server_id: 0,
            flavor: Flavor::Mysql,
            enable_gtid: false,
            shard_mode: String::new(),
            strict_optimistic_shard_mode: false,
            ignore_checking_items: Vec::new(),
            meta_schema: META_SCHEMA.into(),
            timezone: String::new(),
            case_sensitive: false,
            collation_compatible: "loose".into(),
            online_ddl: true,
            shadow_table_rules: vec![SHADOW_TABLE_RULE.into()],
            trash_table_rules: vec![TRASH_TABLE_RULE.into()],
            meta: None,
            from: DbConfig::default(),
            to: DbConfig { session: BTreeMap::new(), ..DbConfig::default() },
            block_allow_list: BlockAllowList::default(),
            routes: Vec::new(),
            filters: Vec::new(),
            expression_filters: Vec::new(),
            mydumper: MydumperConfig::default(),
            loader: LoaderConfig::default(),
            syncer: SyncerConfig {
                worker_count: SyncerConfig::WORKER_COUNT,
                safe_mode_duration: "60s".into(),
                ..SyncerConfig::default()
            },
            validator: ValidatorConfig::default(),
            clean_dump_file: true,
            async_checkpoint_flush: false,
            start_time: None,
            collation_map: BTreeMap::new(),
            on_unknown_collation: "map".into(),
            migrate_statements: Vec::new(),
        }
    }
}
