//! A task and its sources to one subtask a source.

use std::collections::BTreeMap;

use super::{MysqlInstance, TaskConfig};
use crate::{
    config::{source::SourceConfig, subtask::*},
    error::{Code, DmError, Result},
};

impl TaskConfig {
    /// One subtask per instance, in the file's order. Sources are those of the cluster, by id (20031).
    pub fn expand(&self, sources: &BTreeMap<String, SourceConfig>) -> Result<Vec<SubtaskConfig>> {
        let mode = TaskMode::parse(&self.task_mode)?;
        let target = self.target_database.clone().ok_or_else(|| DmError::new(Code::ConfigNeedTargetDB))?;
        let mut out = Vec::new();
        for (index, instance) in self.instances()?.into_iter().enumerate() {
            let source = sources.get(&instance.source_id).ok_or_else(|| {
                DmError::new(Code::ConfigSourceIDNotFound)
                    .msg(format!("mysql-instances[{index}]: source {:?} does not exist", instance.source_id))
            })?;
            out.push(self.subtask(index, instance, mode, source, &target)?);
        }
        Ok(out)
    }

    fn subtask(
        &self,
        index: usize,
        instance: &MysqlInstance,
        mode: TaskMode,
        source: &SourceConfig,
        target: &DbConfig,
    ) -> Result<SubtaskConfig> {
        let mut filters = pick(&self.filters, &instance.filter_rules);
        filters.extend(source.filters.iter().cloned());
        Ok(SubtaskConfig {
            name: self.name.clone(),
            mode,
            source_id: instance.source_id.clone(),
            server_id: source.server_id,
            flavor: source.flavor().unwrap_or_default(),
            enable_gtid: source.enable_gtid,
            shard_mode: self.shard_mode.clone(),
            strict_optimistic_shard_mode: self.strict_optimistic_shard_mode,
            ignore_checking_items: self.ignore_checking_items.clone(),
            meta_schema: self.meta_schema.clone(),
            timezone: self.timezone.clone(),
            case_sensitive: self.case_sensitive || source.case_sensitive,
            collation_compatible: self.collation_compatible.clone(),
            online_ddl: self.online_ddl,
            shadow_table_rules: self.shadow_table_rules.clone(),
            trash_table_rules: self.trash_table_rules.clone(),
            meta: instance.meta.clone(),
            from: source.db(),
            to: target.clone(),
            block_allow_list: self.block_allow_list.get(&instance.block_allow_list).cloned().unwrap_or_default(),
            routes: pick(&self.routes, &instance.route_rules),
            filters,
            expression_filters: pick(&self.expression_filter, &instance.expression_filters),
            mydumper: self.mydumper_of(index, instance, mode)?,
            loader: self.loader_of(index, instance, mode)?,
            syncer: self.syncer_of(index, instance)?,
            validator: self.validator_of(index, instance)?,
            clean_dump_file: self.clean_dump_file,
            async_checkpoint_flush: self.experimental.async_checkpoint_flush,
            start_time: None,
            collation_map: self.collation_map.clone(),
            on_unknown_collation: self.on_unknown_collation.clone(),
            migrate_statements: self.migrate_statements.clone(),
        })
    }
}

fn pick<T: Clone>(rules: &BTreeMap<String, T>, names: &[String]) -> Vec<T> {
    names.iter().filter_map(|name| rules.get(name).cloned()).collect()
}

/// The dump folder of one task: `.<task>` behind a local folder, `/<task>.<source>` behind an object store's path.
/// A task of several sources has `.<task>.<source>` locally too: workers of one machine then keep apart what they dump.
pub(super) fn with_suffix(dir: &str, task: &str, source: &str, one_source: bool) -> Result<String> {
    if !dir.contains("://") {
        let local = if one_source { String::new() } else { format!(".{}", source.replace('/', "%2F")) };
        return Ok(format!("{dir}.{task}{local}"));
    }
    let (path, query) = storage_parts(dir)?;
    Ok(format!("{}/{task}.{source}{query}", path.trim_end_matches('/')))
}

/// The reverse of [`with_suffix`], for printing.
pub(super) fn without_suffix(dir: &str, task: &str, source: &str) -> String {
    if let Ok((path, query)) = storage_parts(dir)
        && let Some(path) = path.strip_suffix(&format!("/{task}.{source}"))
    {
        return format!("{path}{query}");
    }
    let several = dir.strip_suffix(&format!(".{task}.{}", source.replace('/', "%2F")));
    several.or_else(|| dir.strip_suffix(&format!(".{task}"))).unwrap_or(dir).to_owned()
}

/// An object store's URL up to its path, and the rest with its `?`.
fn storage_parts(dir: &str) -> Result<(&str, &str)> {
    let invalid = |reason: String| {
        DmError::new(Code::ConfigLoaderDirInvalid).msg(format!("loader dir {dir:?} can't be used: {reason}"))
    };
    let url = url::Url::parse(dir).map_err(|e| invalid(e.to_string()))?;
    if !["s3", "gcs", "gs", "azure", "azblob", "file", "local", "ks3", "oss"].contains(&url.scheme()) {
        return Err(invalid(format!(
            "storage {:?} is unknown (allowed: a local folder, s3, gcs, azure)",
            url.scheme()
        )));
    }
    Ok(match dir.find('?') {
        Some(at) => dir.split_at(at),
        None => (dir, ""),
    })
}
