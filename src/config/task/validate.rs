//! Everything about a task that can be checked without knowing the sources.

use std::collections::BTreeSet;

use super::{MysqlInstance, TaskConfig, rules, units::one_of};
use crate::{
    config::subtask::TaskMode,
    error::{Code, DmError, Result},
};

/// Names for `ignore-checking-items`.
pub const CHECKING_ITEMS: &[&str] = &[
    "all",
    "dump_privilege",
    "replication_privilege",
    "version",
    "server_id",
    "binlog_enable",
    "binlog_format",
    "binlog_row_image",
    "online_ddl",
    "binlog_db",
    "table_schema",
    "schema_of_shard_tables",
    "auto_increment_ID",
    "meta_position",
    "conn_number",
    "target_privilege",
    "empty_region",
    "region_distribution",
    "downstream_version",
    "free_space",
    "downstream_mutex_features",
    "downstream_table_empty",
    "primary_key",
];

impl TaskMode {
    /// The mode of a `task-mode` text (20020).
    pub fn parse(text: &str) -> Result<TaskMode> {
        Ok(match text {
            "full" => TaskMode::Full,
            "incremental" => TaskMode::Incremental,
            "all" => TaskMode::All,
            "dump" => TaskMode::Dump,
            "load" => TaskMode::Load,
            "load&sync" => TaskMode::LoadSync,
            _ => {
                return Err(DmError::new(Code::ConfigInvalidTaskMode).msg(format!(
                    "task-mode {text:?} is unknown (allowed: full, incremental, all, dump, load, load&sync)"
                )));
            }
        })
    }

    /// The text in a task file.
    pub fn as_str(self) -> &'static str {
        match self {
            TaskMode::Full => "full",
            TaskMode::Incremental => "incremental",
            TaskMode::All => "all",
            TaskMode::Dump => "dump",
            TaskMode::Load => "load",
            TaskMode::LoadSync => "load&sync",
        }
    }

    /// The dump unit runs.
    pub fn dumps(self) -> bool {
        matches!(self, TaskMode::Full | TaskMode::All | TaskMode::Dump)
    }

    /// The load unit runs.
    pub fn loads(self) -> bool {
        matches!(self, TaskMode::Full | TaskMode::All | TaskMode::Load | TaskMode::LoadSync)
    }

    /// The sync unit runs.
    pub fn syncs(self) -> bool {
        matches!(self, TaskMode::Incremental | TaskMode::All | TaskMode::LoadSync)
    }

    /// Files of somebody else's dump are loaded, so the folder's name is taken as it is.
    pub(super) fn only_loads(self) -> bool {
        matches!(self, TaskMode::Load | TaskMode::LoadSync)
    }
}

impl TaskConfig {
    /// All checks that need no source; the first failure in the order of the file.
    pub fn validate(&self) -> Result<()> {
        if self.name.is_empty() {
            return Err(DmError::new(Code::ConfigNeedUniqueTaskName));
        }
        let mode = TaskMode::parse(&self.task_mode)?;
        self.check_top_level()?;
        if self.target_database.is_none() {
            return Err(DmError::new(Code::ConfigNeedTargetDB));
        }
        if self.mysql_instances.is_empty() {
            return Err(DmError::new(Code::ConfigMySQLInstsAtLeastOne));
        }
        self.check_rules()?;
        let instances = self.instances()?;
        for (index, instance) in instances.iter().enumerate() {
            self.check_instance(index, instance, &instances[..index])?;
            self.mydumper_of(index, instance, mode)?;
            self.loader_of(index, instance, mode)?;
            self.syncer_of(index, instance)?;
            self.validator_of(index, instance)?;
        }
        self.check_import_mode(&instances, mode)?;
        self.check_unused(&instances)
    }

    /// The instances, none of them empty (20012).
    pub(super) fn instances(&self) -> Result<Vec<&MysqlInstance>> {
        self.mysql_instances
            .iter()
            .enumerate()
            .map(|(index, instance)| {
                instance.as_ref().ok_or_else(|| {
                    DmError::new(Code::ConfigMySQLInstNotFound).msg(format!("mysql-instances[{index}] is empty"))
                })
            })
            .collect()
    }

    fn check_top_level(&self) -> Result<()> {
        one_of(Code::ConfigShardModeNotSupport, "shard-mode", &self.shard_mode, &["", "pessimistic", "optimistic"])?;
        if self.strict_optimistic_shard_mode && self.shard_mode != "optimistic" {
            return Err(DmError::new(Code::ConfigStrictOptimisticShardMode));
        }
        for item in &self.ignore_checking_items {
            one_of(Code::ConfigCheckItemNotSupport, "ignore-checking-items", item, CHECKING_ITEMS)?;
        }
        if !self.timezone.is_empty()
            && let Err(reason) = check_timezone(&self.timezone)
        {
            return Err(DmError::new(Code::ConfigInvalidTimezone)
                .msg(format!("timezone {:?} is not understood: {reason}", self.timezone)));
        }
        one_of(
            Code::ConfigCollationCompatibleNotSupport,
            "collation_compatible",
            &self.collation_compatible,
            &["loose", "strict"],
        )?;
        one_of(
            Code::ConfigCollationCompatibleNotSupport,
            "on-unknown-collation",
            &self.on_unknown_collation,
            &["map", "error"],
        )?;
        if let Some((from, to)) = self.collation_map.iter().find(|(from, to)| from.is_empty() || to.is_empty()) {
            return Err(DmError::new(Code::ConfigCollationCompatibleNotSupport)
                .msg(format!("collation-map: {from:?}: {to:?} lacks a name")));
        }
        for kind in &self.migrate_statements {
            let kinds = &["view", "trigger", "routine", "event", "sequence"];
            one_of(Code::ConfigCheckItemNotSupport, "migrate-statements", kind, kinds)?;
        }
        one_of(
            Code::ConfigOnlineSchemeNotSupport,
            "online-ddl-scheme",
            &self.online_ddl_scheme,
            &["", "pt", "gh-ost"],
        )?;
        rules::check_patterns("shadow-table-rules", &self.shadow_table_rules)?;
        rules::check_patterns("trash-table-rules", &self.trash_table_rules)
    }

    fn check_rules(&self) -> Result<()> {
        for (name, rule) in &self.routes {
            rules::check_route(name, rule)?;
        }
        for (name, list) in &self.block_allow_list {
            rules::check_block_allow_list(name, list)?;
        }
        for (name, filter) in &self.expression_filter {
            rules::check_expression_filter(name, filter)?;
        }
        if !self.column_mappings.is_empty() {
            return Err(DmError::new(Code::ConfigColumnMappingDeprecated));
        }
        Ok(())
    }

    fn check_instance(&self, index: usize, instance: &MysqlInstance, before: &[&MysqlInstance]) -> Result<()> {
        let here = format!("mysql-instances[{index}]");
        if instance.source_id.is_empty() {
            return Err(DmError::new(Code::ConfigEmptySourceID).msg(format!("{here}: source-id is missing")));
        }
        if instance.source_id.len() > 32 {
            return Err(DmError::new(Code::ConfigTooLongSourceID)
                .msg(format!("{here}: source-id {:?} is longer than 32 bytes", instance.source_id)));
        }
        if let Some(other) = before.iter().position(|earlier| earlier.source_id == instance.source_id) {
            return Err(DmError::new(Code::ConfigMySQLInstSameSourceID).msg(format!(
                "mysql-instances[{other}] and mysql-instances[{index}] both use source {:?}",
                instance.source_id
            )));
        }
        if let Some(meta) = &instance.meta
            && meta.binlog_name.is_empty()
            && meta.binlog_gtid.is_empty()
        {
            return Err(
                DmError::new(Code::ConfigMetaInvalid).msg(format!("{here}: meta must have binlog-name or binlog-gtid"))
            );
        }
        if !instance.column_mapping_rules.is_empty() {
            return Err(DmError::new(Code::ConfigColumnMappingDeprecated));
        }
        self.check_names(&here, instance)
    }

    fn check_names(&self, here: &str, instance: &MysqlInstance) -> Result<()> {
        let missing = |code, key: &str, name: &str, section: &str| {
            Err(DmError::new(code).msg(format!("{here}: {key} {name:?} is not defined in {section}")))
        };
        let list = &instance.block_allow_list;
        if !list.is_empty() && !self.block_allow_list.contains_key(list) {
            return missing(Code::ConfigBAListNotFound, "block-allow-list", list, "block-allow-list");
        }
        for name in &instance.route_rules {
            if !self.routes.contains_key(name) {
                return missing(Code::ConfigRouteRuleNotFound, "route-rules", name, "routes");
            }
        }
        for name in &instance.filter_rules {
            if !self.filters.contains_key(name) {
                return missing(Code::ConfigFilterRuleNotFound, "filter-rules", name, "filters");
            }
        }
        for name in &instance.expression_filters {
            if !self.expression_filter.contains_key(name) {
                return missing(Code::ConfigExprFilterNotFound, "expression-filters", name, "expression-filter");
            }
        }
        let mut twice = Vec::new();
        for (key, names) in [
            ("route-rules", &instance.route_rules),
            ("filter-rules", &instance.filter_rules),
            ("expression-filters", &instance.expression_filters),
        ] {
            let mut seen = BTreeSet::new();
            twice.extend(names.iter().filter(|name| !seen.insert(*name)).map(|name| format!("{key}: {name}")));
        }
        if !twice.is_empty() {
            return Err(DmError::new(Code::ConfigDuplicateCfgItem)
                .msg(format!("{here} lists names more than once: [{}]", twice.join(", "))));
        }
        Ok(())
    }

    /// `import-mode` is one for the whole task; import-into has its own limits (20068, 20069).
    fn check_import_mode(&self, instances: &[&MysqlInstance], mode: TaskMode) -> Result<()> {
        let loaders = instances
            .iter()
            .enumerate()
            .map(|(index, instance)| self.loader_of(index, instance, mode))
            .collect::<Result<Vec<_>>>()?;
        let Some(first) = loaders.first() else { return Ok(()) };
        if let Some(other) = loaders.iter().find(|loader| loader.import_mode != first.import_mode) {
            return Err(DmError::new(Code::ConfigInvalidLoadMode).msg(format!(
                "import-mode must be the same in all mysql-instances, found {:?} and {:?}",
                first.import_mode, other.import_mode
            )));
        }
        if first.import_mode == "stream" && !matches!(mode, TaskMode::Full | TaskMode::All | TaskMode::Incremental) {
            return Err(DmError::new(Code::ConfigInvalidLoadMode)
                .msg("import-mode stream reads the source itself, so it needs task-mode full or all")
                .workaround("Please set `import-mode: logical` to dump into files or to load files."));
        }
        if first.import_mode != "import-into" {
            return Ok(());
        }
        if instances.len() > 1 {
            return Err(DmError::new(Code::ConfigImportIntoShardingNotSupport));
        }
        if !first.dir.contains("://") {
            return Err(DmError::new(Code::ConfigImportIntoRequiresSharedStorage)
                .msg(format!("import-mode import-into can't read the local dir {:?}", first.dir)));
        }
        Ok(())
    }

    /// 20038: something is defined and nobody refers to it.
    fn check_unused(&self, instances: &[&MysqlInstance]) -> Result<()> {
        let used = |names: &dyn Fn(&MysqlInstance) -> Vec<String>| -> BTreeSet<String> {
            instances.iter().flat_map(|instance| names(instance)).collect()
        };
        let sections: [(&str, Vec<&String>, BTreeSet<String>); 8] = [
            ("routes", self.routes.keys().collect(), used(&|i| i.route_rules.clone())),
            ("filters", self.filters.keys().collect(), used(&|i| i.filter_rules.clone())),
            ("expression-filter", self.expression_filter.keys().collect(), used(&|i| i.expression_filters.clone())),
            ("block-allow-list", self.block_allow_list.keys().collect(), used(&|i| vec![i.block_allow_list.clone()])),
            ("mydumpers", self.mydumpers.keys().collect(), used(&|i| vec![i.mydumper_config_name.clone()])),
            ("loaders", self.loaders.keys().collect(), used(&|i| vec![i.loader_config_name.clone()])),
            ("syncers", self.syncers.keys().collect(), used(&|i| vec![i.syncer_config_name.clone()])),
            ("validators", self.validators.keys().collect(), used(&|i| vec![i.validator_config_name.clone()])),
        ];
        let mut unused: Vec<String> = Vec::new();
        for (section, names, used) in sections {
            unused
                .extend(names.into_iter().filter(|name| !used.contains(*name)).map(|name| format!("{section}.{name}")));
        }
        unused.sort();
        if unused.is_empty() {
            return Ok(());
        }
        Err(DmError::new(Code::ConfigGlobalConfigsUnused)
            .msg(format!("defined but used by no instance: [{}]", unused.join(", "))))
    }
}

/// An offset from -12:59 to +14:00, or a zone's name. Names are checked in form only: the target knows its zones.
fn check_timezone(text: &str) -> Result<(), &'static str> {
    if text.eq_ignore_ascii_case("system") || text.eq_ignore_ascii_case("local") {
        return Err("SYSTEM and Local differ between machines; write an offset such as +08:00 or a zone name");
    }
    let allowed = "allowed: an offset from -12:59 to +14:00, or a zone name such as Asia/Shanghai";
    if let Some(rest) = text.strip_prefix(['+', '-']) {
        let Some((hours, minutes)) = rest.split_once(':') else { return Err(allowed) };
        let two = |part: &str| (1..=2).contains(&part.len()) && part.bytes().all(|b| b.is_ascii_digit());
        if !two(hours) || !two(minutes) {
            return Err(allowed);
        }
        let (hours, minutes): (u32, u32) = (hours.parse().unwrap_or(99), minutes.parse().unwrap_or(99));
        let limit = if text.starts_with('+') { 14 * 60 } else { 12 * 60 + 59 };
        return if minutes < 60 && hours * 60 + minutes <= limit { Ok(()) } else { Err(allowed) };
    }
    let letters = text.bytes().all(|b| b.is_ascii_alphanumeric() || b"_+-/".contains(&b));
    if letters && text.as_bytes()[0].is_ascii_alphabetic() { Ok(()) } else { Err(allowed) }
}
