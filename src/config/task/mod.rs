//! The task file (config facts: sections 5-7): read, check, expand to one subtask a source, and print back.

mod expand;
mod render;
mod rules;
#[cfg(test)]
mod tests;
mod units;
mod validate;

use std::collections::BTreeMap;

pub use render::{rebuilt_task, render_task, shown_task};
pub use validate::CHECKING_ITEMS;

use super::{
    defaults::{META_SCHEMA, SHADOW_TABLE_RULE, TRASH_TABLE_RULE},
    source::lower_keys,
    subtask::*,
    yaml::{Yaml, YamlValue, from_yaml, yaml_struct},
};
use crate::error::{Code, DmError, Result};

/// A task as its owner wrote it.
#[derive(Clone, PartialEq, Debug)]
pub struct TaskConfig {
    pub name: String,
    pub task_mode: String,
    pub is_sharding: bool,
    pub shard_mode: String,
    pub strict_optimistic_shard_mode: bool,
    pub ignore_checking_items: Vec<String>,
    pub meta_schema: String,
    pub enable_heartbeat: bool,
    pub heartbeat_update_interval: i64,
    pub heartbeat_report_interval: i64,
    pub timezone: String,
    pub case_sensitive: bool,
    pub collation_compatible: String,
    /// Ours: collation or character set of the source to collation of the target.
    pub collation_map: BTreeMap<String, String>,
    /// Ours: `map` or `error`.
    pub on_unknown_collation: String,
    /// Ours: kinds of statement that DM skips or refuses, which go to the target as text.
    pub migrate_statements: Vec<String>,
    pub target_database: Option<DbConfig>,
    /// `None` stands for an empty list entry, which is an error (20012).
    pub mysql_instances: Vec<Option<MysqlInstance>>,
    pub online_ddl: bool,
    pub shadow_table_rules: Vec<String>,
    pub trash_table_rules: Vec<String>,
    pub online_ddl_scheme: String,
    pub routes: BTreeMap<String, RouteRule>,
    pub filters: BTreeMap<String, FilterRule>,
    pub column_mappings: BTreeMap<String, ColumnMapping>,
    pub expression_filter: BTreeMap<String, ExpressionFilter>,
    pub black_white_list: BTreeMap<String, BlockAllowList>,
    pub block_allow_list: BTreeMap<String, BlockAllowList>,
    pub mydumpers: BTreeMap<String, MydumperConfig>,
    pub loaders: BTreeMap<String, LoaderConfig>,
    pub syncers: BTreeMap<String, SyncerConfig>,
    pub validators: BTreeMap<String, ValidatorConfig>,
    pub clean_dump_file: bool,
    pub ansi_quotes: bool,
    pub remove_meta: bool,
    pub experimental: Experimental,
}

/// One source of the task and what applies to it.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct MysqlInstance {
    pub source_id: String,
    pub meta: Option<Meta>,
    pub filter_rules: Vec<String>,
    pub column_mapping_rules: Vec<String>,
    pub route_rules: Vec<String>,
    pub expression_filters: Vec<String>,
    pub black_white_list: String,
    pub block_allow_list: String,
    pub mydumper_config_name: String,
    pub mydumper: Option<MydumperConfig>,
    pub mydumper_thread: usize,
    pub loader_config_name: String,
    pub loader: Option<LoaderConfig>,
    pub loader_thread: usize,
    pub syncer_config_name: String,
    pub syncer: Option<SyncerConfig>,
    pub syncer_thread: usize,
    pub validator_config_name: String,
}

/// Settings that may change.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Experimental {
    pub async_checkpoint_flush: bool,
}

/// No longer supported: read so that its use gives a clear error (20064).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ColumnMapping {
    pub schema_pattern: String,
    pub table_pattern: String,
    pub source_column: String,
    pub target_column: String,
    pub expression: String,
    pub arguments: Vec<String>,
    pub create_table_query: String,
}

yaml_struct!(Experimental, "config.experimental", {
    "async-checkpoint-flush" => async_checkpoint_flush,
});

yaml_struct!(ColumnMapping, "column.Rule", {
    "schema-pattern" => schema_pattern,
    "table-pattern" => table_pattern,
    "source-column" => source_column,
    "target-column" => target_column,
    "expression" => expression,
    "arguments" => arguments,
    "create-table-query" => create_table_query,
});

yaml_struct!(MysqlInstance, "config.MySQLInstance", {
    "source-id" => source_id,
    "meta" => meta,
    "filter-rules" => filter_rules,
    "column-mapping-rules" => column_mapping_rules,
    "route-rules" => route_rules,
    "expression-filters" => expression_filters,
    "black-white-list" => black_white_list,
    "block-allow-list" => block_allow_list,
    "mydumper-config-name" => mydumper_config_name,
    "mydumper" => mydumper,
    "mydumper-thread" => mydumper_thread,
    "loader-config-name" => loader_config_name,
    "loader" => loader,
    "loader-thread" => loader_thread,
    "syncer-config-name" => syncer_config_name,
    "syncer" => syncer,
    "syncer-thread" => syncer_thread,
    "validator-config-name" => validator_config_name,
});

yaml_struct!(TaskConfig, "config.TaskConfig", {
    "name" => name,
    "task-mode" => task_mode,
    "is-sharding" => is_sharding,
    "shard-mode" => shard_mode,
    "strict-optimistic-shard-mode" => strict_optimistic_shard_mode,
    "ignore-checking-items" => ignore_checking_items,
    "meta-schema" => meta_schema,
    "enable-heartbeat" => enable_heartbeat,
    "heartbeat-update-interval" => heartbeat_update_interval,
    "heartbeat-report-interval" => heartbeat_report_interval,
    "timezone" => timezone,
    "case-sensitive" => case_sensitive,
    "collation_compatible" => collation_compatible,
    "collation-map" => collation_map,
    "on-unknown-collation" => on_unknown_collation,
    "migrate-statements" => migrate_statements,
    "target-database" => target_database,
    "mysql-instances" => mysql_instances,
    "online-ddl" => online_ddl,
    "shadow-table-rules" => shadow_table_rules,
    "trash-table-rules" => trash_table_rules,
    "online-ddl-scheme" => online_ddl_scheme,
    "routes" => routes,
    "filters" => filters,
    "column-mappings" => column_mappings,
    "expression-filter" => expression_filter,
    "black-white-list" => black_white_list,
    "block-allow-list" => block_allow_list,
    "mydumpers" => mydumpers,
    "loaders" => loaders,
    "syncers" => syncers,
    "validators" => validators,
    "clean-dump-file" => clean_dump_file,
    "ansi-quotes" => ansi_quotes,
    "remove-meta" => remove_meta,
    "experimental" => experimental,
});

impl Default for TaskConfig {
    fn default() -> Self {
        TaskConfig {
            name: String::new(),
            task_mode: String::new(),
            is_sharding: false,
            shard_mode: String::new(),
            strict_optimistic_shard_mode: false,
            ignore_checking_items: Vec::new(),
            meta_schema: META_SCHEMA.into(),
            enable_heartbeat: false,
            heartbeat_update_interval: 1,
            heartbeat_report_interval: 10,
            timezone: String::new(),
            case_sensitive: false,
            collation_compatible: "loose".into(),
            collation_map: BTreeMap::new(),
            on_unknown_collation: "map".into(),
            migrate_statements: Vec::new(),
            target_database: None,
            mysql_instances: Vec::new(),
            online_ddl: true,
            shadow_table_rules: Vec::new(),
            trash_table_rules: Vec::new(),
            online_ddl_scheme: String::new(),
            routes: BTreeMap::new(),
            filters: BTreeMap::new(),
            column_mappings: BTreeMap::new(),
            expression_filter: BTreeMap::new(),
            black_white_list: BTreeMap::new(),
            block_allow_list: BTreeMap::new(),
            mydumpers: BTreeMap::new(),
            loaders: BTreeMap::new(),
            syncers: BTreeMap::new(),
            validators: BTreeMap::new(),
            clean_dump_file: true,
            ansi_quotes: false,
            remove_meta: false,
            experimental: Experimental::default(),
        }
    }
}

impl TaskConfig {
    /// Reads a task file strictly (20003), fills in defaults and checks it (see [`TaskConfig::validate`]).
    pub fn from_yaml(text: &str) -> Result<TaskConfig> {
        let mut config = Self::decode_yaml(text)?;
        config.adjust();
        config.validate().map_err(|e| super::with_line(e, text))?;
        Ok(config)
    }

    /// Like [`TaskConfig::from_yaml`], and an error also names the file.
    pub fn from_yaml_file(path: &str, text: &str) -> Result<TaskConfig> {
        Self::from_yaml(text).map_err(|e| super::in_file(e, path))
    }

    /// Only the YAML: what `dmctl` needs of a file before it sends it (its name, whether its keys are known).
    pub fn decode_yaml(text: &str) -> Result<TaskConfig> {
        from_yaml(text).map_err(|e| DmError::new(Code::ConfigYamlTransform).msg("decode task config").cause(e))
    }

    /// Every key, in the original's order, with passwords as they are.
    pub fn to_yaml(&self) -> String {
        self.shown().to_text()
    }

    /// As it is printed: keys of ours only where they are used, so that DM can read what doesn't need them.
    pub(super) fn shown(&self) -> Yaml {
        let mut yaml = self.encode();
        if self.collation_map.is_empty() {
            yaml.remove("collation-map");
        }
        if self.on_unknown_collation == "map" {
            yaml.remove("on-unknown-collation");
        }
        if self.migrate_statements.is_empty() {
            yaml.remove("migrate-statements");
        }
        yaml
    }

    /// Texts for the user about keys that are accepted without effect.
    pub fn warnings(&self) -> Vec<String> {
        let mut out = Vec::new();
        if self.remove_meta {
            out.push(
                "`remove-meta` in the task file has no effect; use the flag `--remove-meta` of `start-task`".to_owned(),
            );
        }
        if self.enable_heartbeat {
            out.push("`enable-heartbeat` is deprecated and has no effect; lag is always measured".to_owned());
        }
        if self.ansi_quotes {
            out.push("`ansi-quotes` is deprecated and has no effect; the source's sql_mode is used".to_owned());
        }
        for (name, rule) in &self.filters {
            if let Some(problem) = rules::filter_problem(rule) {
                out.push(format!("filter rule {name:?} is skipped: {problem}"));
            }
        }
        out
    }

    /// Deprecated spellings move to their successors, defaults are filled in.
    fn adjust(&mut self) {
        if self.is_sharding && self.shard_mode.is_empty() {
            self.shard_mode = "pessimistic".into();
        }
        self.is_sharding = !self.shard_mode.is_empty();
        if self.block_allow_list.is_empty() {
            self.block_allow_list = std::mem::take(&mut self.black_white_list);
        }
        if !self.online_ddl_scheme.is_empty() {
            self.online_ddl = true;
        }
        if self.meta_schema.is_empty() {
            self.meta_schema = META_SCHEMA.into();
        }
        if self.collation_compatible.is_empty() {
            self.collation_compatible = "loose".into();
        }
        if self.on_unknown_collation.is_empty() {
            self.on_unknown_collation = "map".into();
        }
        rules::adjust_patterns(&mut self.shadow_table_rules, SHADOW_TABLE_RULE);
        rules::adjust_patterns(&mut self.trash_table_rules, TRASH_TABLE_RULE);
        if let Some(target) = &mut self.target_database {
            target.session = lower_keys(std::mem::take(&mut target.session));
        }
        for instance in self.mysql_instances.iter_mut().flatten() {
            if instance.block_allow_list.is_empty() {
                instance.block_allow_list = std::mem::take(&mut instance.black_white_list);
            }
        }
    }
}
