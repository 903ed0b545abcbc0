//! A task rebuilt from its subtasks, as `get-config task` and `export-config` print it: rules and unit settings get
//! fresh names (`route-01`), equal ones are merged, passwords are hidden.

use std::collections::BTreeMap;

use super::{Experimental, MysqlInstance, TaskConfig, expand::without_suffix};
use crate::config::{SHADOW_TABLE_RULE, TRASH_TABLE_RULE, mask, subtask::*, yaml::Yaml};

/// Hands out `prefix-01`, `prefix-02` ... in order of appearance, the same name for equal items.
struct Names<T> {
    prefix: &'static str,
    items: Vec<T>,
}

impl<T: PartialEq + Clone> Names<T> {
    fn new(prefix: &'static str) -> Self {
        Names { prefix, items: Vec::new() }
    }

    fn name(&mut self, item: &T) -> String {
        let index = self.items.iter().position(|known| known == item).unwrap_or_else(|| {
            self.items.push(item.clone());
            self.items.len() - 1
        });
        self.at(index)
    }

    fn names(&mut self, items: &[T]) -> Vec<String> {
        items.iter().map(|item| self.name(item)).collect()
    }

    fn at(&self, index: usize) -> String {
        format!("{}-{:02}", self.prefix, index + 1)
    }

    fn into_map(self) -> BTreeMap<String, T> {
        self.items.iter().enumerate().map(|(index, item)| (self.at(index), item.clone())).collect()
    }
}

/// The task file of these subtasks of one task, with passwords hidden; empty text when there are none.
pub fn render_task(subtasks: &[SubtaskConfig]) -> String {
    if subtasks.is_empty() { String::new() } else { shown_task(&rebuilt_task(subtasks)) }
}

/// The file of a task, with passwords hidden.
pub fn shown_task(task: &TaskConfig) -> String {
    let mut yaml = task.shown();
    if let Some(Yaml::Map(_)) = yaml.get_mut("target-database")
        && let Some(target) = yaml.get_mut("target-database")
    {
        mask::connection(target);
    }
    yaml.to_text()
}

/// The task of these subtasks, passwords as they are.
pub fn rebuilt_task(subtasks: &[SubtaskConfig]) -> TaskConfig {
    let Some(first) = subtasks.first() else { return TaskConfig::default() };
    let mut lists = Names::new("balist");
    let mut routes = Names::new("route");
    let mut filters = Names::new("filter");
    let mut expressions = Names::new("expr-filter");
    let mut dumps = Names::new("dump");
    let mut loads = Names::new("load");
    let mut syncs = Names::new("sync");
    let mut validators = Names::new("validator");
    let mut instances = Vec::new();
    for subtask in subtasks {
        let mut loader = subtask.loader.clone();
        if !subtask.mode.only_loads() {
            loader.dir = without_suffix(&loader.dir, &subtask.name, &subtask.source_id);
        }
        instances.push(Some(MysqlInstance {
            source_id: subtask.source_id.clone(),
            meta: subtask.meta.clone(),
            filter_rules: filters.names(&subtask.filters),
            route_rules: routes.names(&subtask.routes),
            expression_filters: expressions.names(&subtask.expression_filters),
            block_allow_list: lists.name(&subtask.block_allow_list),
            mydumper_config_name: dumps.name(&subtask.mydumper),
            loader_config_name: loads.name(&loader),
            syncer_config_name: syncs.name(&subtask.syncer),
            validator_config_name: validators.name(&subtask.validator),
            ..MysqlInstance::default()
        }));
    }
    TaskConfig {
        mysql_instances: instances,
        routes: routes.into_map(),
        filters: filters.into_map(),
        expression_filter: expressions.into_map(),
        block_allow_list: lists.into_map(),
        mydumpers: dumps.into_map(),
        loaders: loads.into_map(),
        syncers: syncs.into_map(),
        validators: validators.into_map(),
        ..top_level(first)
    }
}

/// What all subtasks of a task have in common.
fn top_level(subtask: &SubtaskConfig) -> TaskConfig {
    let rules = |rules: &[String], default: &str| if rules == [default] { Vec::new() } else { rules.to_vec() };
    TaskConfig {
        name: subtask.name.clone(),
        task_mode: subtask.mode.as_str().into(),
        is_sharding: !subtask.shard_mode.is_empty(),
        shard_mode: subtask.shard_mode.clone(),
        strict_optimistic_shard_mode: subtask.strict_optimistic_shard_mode,
        ignore_checking_items: subtask.ignore_checking_items.clone(),
        meta_schema: subtask.meta_schema.clone(),
        timezone: subtask.timezone.clone(),
        case_sensitive: subtask.case_sensitive,
        collation_compatible: subtask.collation_compatible.clone(),
        collation_map: subtask.collation_map.clone(),
        on_unknown_collation: subtask.on_unknown_collation.clone(),
        migrate_statements: subtask.migrate_statements.clone(),
        target_database: Some(subtask.to.clone()),
        online_ddl: subtask.online_ddl,
        shadow_table_rules: rules(&subtask.shadow_table_rules, SHADOW_TABLE_RULE),
        trash_table_rules: rules(&subtask.trash_table_rules, TRASH_TABLE_RULE),
        clean_dump_file: subtask.clean_dump_file,
        experimental: Experimental { async_checkpoint_flush: subtask.async_checkpoint_flush },
        ..TaskConfig::default()
    }
}
