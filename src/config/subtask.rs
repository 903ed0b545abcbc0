//! One task on one source, expanded from the task and the source file (config facts: sections 4.3, 5-7).
//! Serialisable, because it travels to the worker and is kept in the replicated log.

use std::{collections::BTreeMap, fmt, time::Duration};

use serde::{Deserialize, Serialize};

use super::duration::GoDuration;

/// A password: prints as `******` everywhere; only a connection reads it.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Secret(pub String);

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("******")
    }
}

/// Which dialect the source's binlog speaks.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavor {
    #[default]
    Mysql,
    Mariadb,
}

/// TLS of a database connection; inline bytes win over paths.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Security {
    pub ssl_ca: String,
    pub ssl_cert: String,
    pub ssl_key: String,
    pub cert_allowed_cn: Vec<String>,
    pub ssl_ca_bytes: Vec<u8>,
    pub ssl_cert_bytes: Vec<u8>,
    pub ssl_key_bytes: Vec<u8>,
}

impl fmt::Debug for Security {
    /// Paths and names; of inline certificates only that they are there.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inline = |bytes: &[u8]| if bytes.is_empty() { "" } else { "inline" };
        f.debug_struct("Security")
            .field("ssl_ca", &self.ssl_ca)
            .field("ssl_cert", &self.ssl_cert)
            .field("ssl_key", &self.ssl_key)
            .field("cert_allowed_cn", &self.cert_allowed_cn)
            .field("ssl_ca_bytes", &inline(&self.ssl_ca_bytes))
            .field("ssl_cert_bytes", &inline(&self.ssl_cert_bytes))
            .field("ssl_key_bytes", &inline(&self.ssl_key_bytes))
            .finish()
    }
}

/// How to reach a database.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct DbConfig {
    pub host: String,
    pub port: u16,
    pub user: String,
    pub password: Secret,
    pub max_allowed_packet: Option<i64>,
    /// Session variables, keys in lower case.
    pub session: BTreeMap<String, String>,
    pub security: Option<Security>,
    /// Ours: the longest wait for an answer; None or zero: the default of each use.
    #[serde(default)]
    pub read_timeout: Option<GoDuration>,
}

/// The longest wait for the target's answer to a packet of statements (behaviours.md 4: 5 min).
const TARGET_READ_TIMEOUT: Duration = Duration::from_secs(300);
/// The longest time without an event or a heartbeat of the source (behaviours.md: 60 s).
const STREAM_READ_TIMEOUT: Duration = Duration::from_secs(60);

impl DbConfig {
    /// How long an answer to a statement is waited for; after that the connection counts as lost.
    pub fn answer_limit(&self) -> Duration {
        self.given_limit().unwrap_or(TARGET_READ_TIMEOUT)
    }

    /// How long a binlog stream may be silent; after that it counts as lost.
    pub fn stream_limit(&self) -> Duration {
        self.given_limit().unwrap_or(STREAM_READ_TIMEOUT)
    }

    fn given_limit(&self) -> Option<Duration> {
        self.read_timeout.filter(|limit| limit.0 > 0).map(GoDuration::to_std)
    }
}

/// Which units a task runs, in order.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum TaskMode {
    Full,
    Incremental,
    All,
    Dump,
    Load,
    LoadSync,
}

/// Where an incremental task starts when there is no checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Meta {
    pub binlog_name: String,
    pub binlog_pos: u32,
    pub binlog_gtid: String,
}

/// A table name in do-tables/ignore-tables; both parts may be patterns.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct TableName {
    pub db_name: String,
    pub tbl_name: String,
}

/// Block-allow list (config facts 6.3).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct BlockAllowList {
    pub do_dbs: Vec<String>,
    pub do_tables: Vec<TableName>,
    pub ignore_dbs: Vec<String>,
    pub ignore_tables: Vec<TableName>,
}

/// One extract-table/schema/source rule.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Extract {
    pub target_column: String,
    pub regexp: String,
}

/// One table route (config facts 6.1).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct RouteRule {
    pub schema_pattern: String,
    pub table_pattern: String,
    pub target_schema: String,
    pub target_table: String,
    pub extract_table: Option<Extract>,
    pub extract_schema: Option<Extract>,
    pub extract_source: Option<Extract>,
}

/// One binlog event filter rule (config facts 6.2).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct FilterRule {
    pub schema_pattern: String,
    pub table_pattern: String,
    pub events: Vec<String>,
    pub sql_pattern: Vec<String>,
    /// `Do`, `Ignore` or `Error`.
    pub action: String,
}

/// One expression filter (config facts 6.4).
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct ExpressionFilter {
    pub schema: String,
    pub table: String,
    pub insert_value_expr: String,
    pub update_old_value_expr: String,
    pub update_new_value_expr: String,
    pub delete_value_expr: String,
}

/// Dump settings (config facts 7.1).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct MydumperConfig {
    pub mydumper_path: String,
    pub threads: usize,
    pub chunk_filesize: String,
    pub statement_size: u64,
    pub rows: u64,
    pub r#where: String,
    pub skip_tz_utc: bool,
    pub extra_args: String,
}

/// Load settings (config facts 7.2); the physical ones are kept for `get-config` only.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct LoaderConfig {
    pub pool_size: usize,
    /// Already has `.<task>` appended in modes that dump.
    pub dir: String,
    pub sorting_dir_physical: String,
    pub import_mode: String,
    pub on_duplicate: String,
    /// `replace`, `ignore` or `error`.
    pub on_duplicate_logical: String,
    pub on_duplicate_physical: String,
    pub disk_quota_physical: u64,
    pub checksum_physical: String,
    pub analyze: String,
    pub range_concurrency: i64,
    pub compress_kv_pairs: String,
    pub pd_addr: String,
    /// Ours, bytes: a table that the load makes and that is as large gets its plain secondary indexes when its rows are in.
    /// 0: none does.
    #[serde(default = "LoaderConfig::default_indexes_after_rows")]
    pub indexes_after_rows: u64,
}

impl LoaderConfig {
    /// Where building an index at once begins to be faster than keeping it (decision 44).
    pub const INDEXES_AFTER_ROWS: u64 = 8 << 20;

    fn default_indexes_after_rows() -> u64 {
        Self::INDEXES_AFTER_ROWS
    }

    /// Whether a table of so many bytes is made without its plain indexes.
    pub fn indexes_follow(&self, bytes: u64) -> bool {
        self.indexes_after_rows > 0 && bytes >= self.indexes_after_rows
    }
}

/// Sync settings (config facts 7.3).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct SyncerConfig {
    pub meta_file: String,
    /// Lanes. 0 in what was read from a task file that doesn't say; filled in for a subtask.
    pub worker_count: usize,
    /// Of a subtask: the task's file says the number of lanes. Else sync may take more where its target is distant.
    #[serde(default = "SyncerConfig::given")]
    pub worker_count_given: bool,
    /// Row changes of one transaction at most. 0: the task's file doesn't say, see [`SyncerConfig::rows`].
    pub batch: usize,
    pub queue_size: usize,
    /// Seconds.
    pub checkpoint_flush_interval: u64,
    pub compact: bool,
    pub multiple_rows: bool,
    pub max_retry: i64,
    pub auto_fix_gtid: bool,
    pub enable_gtid: bool,
    pub disable_detect: bool,
    pub safe_mode: bool,
    /// Go duration text; empty means twice the flush interval.
    pub safe_mode_duration: String,
    pub enable_ansi_quotes: bool,
    /// Ours: bytes of memory that changes on their way may take.
    #[serde(default = "SyncerConfig::default_memory_limit")]
    pub memory_limit: u64,
}

impl SyncerConfig {
    /// 256 MiB.
    pub const MEMORY_LIMIT: u64 = 256 << 20;

    /// Lanes where none are said.
    pub const WORKER_COUNT: usize = 16;

    /// Row changes of a transaction where none are said, as DM has it and as it is printed.
    pub const BATCH: usize = 100;

    /// What is taken then, when so many wait: a transaction's own cost (its lane's row, BEGIN and COMMIT) is shared by more rows.
    const MANY: usize = 400;

    /// Row changes of one transaction at most.
    pub fn rows(&self) -> usize {
        if self.batch == 0 { Self::MANY } else { self.batch }
    }

    /// Subtasks that were stored before this was told apart keep their number.
    fn given() -> bool {
        true
    }

    fn default_memory_limit() -> u64 {
        Self::MEMORY_LIMIT
    }
}

/// Validator settings (config facts 7.4).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct ValidatorConfig {
    pub mode: String,
    pub worker_count: i64,
    pub validate_interval: String,
    pub check_interval: String,
    pub row_error_delay: String,
    pub meta_flush_interval: String,
    pub batch_query_size: i64,
    pub max_pending_row_size: String,
    pub max_pending_row_count: i64,
}

/// One task on one source.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(default)]
pub struct SubtaskConfig {
    pub name: String,
    pub mode: TaskMode,
    pub source_id: String,
    pub server_id: u32,
    pub flavor: Flavor,
    pub enable_gtid: bool,
    /// Empty, `pessimistic` or `optimistic`.
    pub shard_mode: String,
    pub strict_optimistic_shard_mode: bool,
    pub ignore_checking_items: Vec<String>,
    pub meta_schema: String,
    pub timezone: String,
    pub case_sensitive: bool,
    pub collation_compatible: String,
    pub online_ddl: bool,
    pub shadow_table_rules: Vec<String>,
    pub trash_table_rules: Vec<String>,
    pub meta: Option<Meta>,
    pub from: DbConfig,
    pub to: DbConfig,
    pub block_allow_list: BlockAllowList,
    pub routes: Vec<RouteRule>,
    pub filters: Vec<FilterRule>,
    pub expression_filters: Vec<ExpressionFilter>,
    pub mydumper: MydumperConfig,
    pub loader: LoaderConfig,
    pub syncer: SyncerConfig,
    pub validator: ValidatorConfig,
    pub clean_dump_file: bool,
    /// `experimental.async-checkpoint-flush`.
    pub async_checkpoint_flush: bool,
    /// From `start-task --start-time`.
    pub start_time: Option<String>,
    /// Collation or character set of the source to what stands for it on the target.
    pub collation_map: BTreeMap<String, String>,
    /// `map` or `error`: what is done about other collations that the target lacks.
    pub on_unknown_collation: String,
    /// `view`, `trigger`, `routine`, `event`, `sequence`: statements about them go to the target as text.
    pub migrate_statements: Vec<String>,
}

impl SubtaskConfig {
    /// `import-mode: stream`: rows go from the source's snapshot straight into the target, without files.
    pub fn streams(&self) -> bool {
        self.loader.import_mode == "stream" && matches!(self.mode, TaskMode::Full | TaskMode::All)
    }
}
