//! The settings of each unit for one instance: named or inline, with thread overrides, checked.

use std::collections::BTreeMap;

use super::{MysqlInstance, TaskConfig};
use crate::{
    config::{duration::GoDuration, size::parse_size, subtask::*},
    error::{Code, DmError, Result},
};

/// A default where the written value is empty.
fn or_default(value: &mut String, default: &str) {
    if value.is_empty() {
        *value = default.to_owned();
    }
}

/// `value` is one of `allowed`, else `code` with key, value and what is allowed.
pub(super) fn one_of(code: Code, key: &str, value: &str, allowed: &[&str]) -> Result<()> {
    if allowed.contains(&value) {
        return Ok(());
    }
    let shown: Vec<&str> = allowed.iter().map(|item| if item.is_empty() { "\"\"" } else { item }).collect();
    Err(DmError::new(code).msg(format!("{key} {value:?} is not supported (allowed: {})", shown.join(", "))))
}

/// How an instance chooses one unit's settings, for messages and codes.
struct Choice<'a, T> {
    unit: &'static str,
    named: &'a BTreeMap<String, T>,
    name: &'a str,
    inline: &'a Option<T>,
    both: Code,
    missing: Code,
}

impl<T: Clone + Default> Choice<'_, T> {
    fn resolve(&self, index: usize) -> Result<T> {
        match (self.name, self.inline) {
            ("", inline) => Ok(inline.clone().unwrap_or_default()),
            (_, Some(_)) => Err(DmError::new(self.both).msg(format!(
                "mysql-instances[{index}] sets both {0}-config-name and {0}, only one is allowed",
                self.unit
            ))),
            (name, None) => self.named.get(name).cloned().ok_or_else(|| {
                DmError::new(self.missing).msg(format!(
                    "mysql-instances[{index}]: {}-config-name {name:?} is not defined in {}s",
                    self.unit, self.unit
                ))
            }),
        }
    }
}

impl TaskConfig {
    pub(super) fn mydumper_of(&self, index: usize, instance: &MysqlInstance, mode: TaskMode) -> Result<MydumperConfig> {
        let mut unit = Choice {
            unit: "mydumper",
            named: &self.mydumpers,
            name: &instance.mydumper_config_name,
            inline: &instance.mydumper,
            both: Code::ConfigMydumperCfgConflict,
            missing: Code::ConfigMydumperCfgNotFound,
        }
        .resolve(index)?;
        if instance.mydumper_thread != 0 {
            unit.threads = instance.mydumper_thread;
        }
        if mode.dumps() && unit.mydumper_path.is_empty() {
            return Err(DmError::new(Code::ConfigMydumperPathNotValid)
                .msg(format!("mysql-instances[{index}]: mydumper-path must not be empty")));
        }
        or_default(&mut unit.chunk_filesize, "64");
        if parse_size(&unit.chunk_filesize, 1 << 20).is_none() {
            return Err(DmError::new(Code::ConfigInvalidChunkFileSize).msg(format!(
                "chunk-filesize {:?} is not a size (allowed: a number of MiB, or a size such as 64MiB)",
                unit.chunk_filesize
            )));
        }
        if unit.threads == 0 {
            unit.threads = MydumperConfig::default().threads;
        }
        Ok(unit)
    }

    pub(super) fn loader_of(&self, index: usize, instance: &MysqlInstance, mode: TaskMode) -> Result<LoaderConfig> {
        let mut unit = Choice {
            unit: "loader",
            named: &self.loaders,
            name: &instance.loader_config_name,
            inline: &instance.loader,
            both: Code::ConfigLoaderCfgConflict,
            missing: Code::ConfigLoaderCfgNotFound,
        }
        .resolve(index)?;
        if instance.loader_thread != 0 {
            unit.pool_size = instance.loader_thread;
        }
        check_loader(&mut unit)?;
        if !mode.only_loads() {
            let one_source = self.mysql_instances.len() < 2;
            unit.dir = super::expand::with_suffix(&unit.dir, &self.name, &instance.source_id, one_source)?;
        }
        Ok(unit)
    }

    pub(super) fn syncer_of(&self, index: usize, instance: &MysqlInstance) -> Result<SyncerConfig> {
        let mut unit = Choice {
            unit: "syncer",
            named: &self.syncers,
            name: &instance.syncer_config_name,
            inline: &instance.syncer,
            both: Code::ConfigSyncerCfgConflict,
            missing: Code::ConfigSyncerCfgNotFound,
        }
        .resolve(index)?;
        if instance.syncer_thread != 0 {
            unit.worker_count = instance.syncer_thread;
        }
        let default = SyncerConfig::default();
        unit.worker_count_given = unit.worker_count != 0;
        for (value, default) in
            [(&mut unit.worker_count, SyncerConfig::WORKER_COUNT), (&mut unit.queue_size, default.queue_size)]
        {
            if *value == 0 {
                *value = default;
            }
        }
        if unit.checkpoint_flush_interval == 0 {
            unit.checkpoint_flush_interval = default.checkpoint_flush_interval;
        }
        if unit.memory_limit == 0 {
            unit.memory_limit = default.memory_limit;
        }
        // Less would not hold the events of an ordinary source.
        unit.memory_limit = unit.memory_limit.max(16 << 20);
        self.check_syncer(&mut unit)?;
        Ok(unit)
    }

    fn check_syncer(&self, unit: &mut SyncerConfig) -> Result<()> {
        if unit.safe_mode_duration.is_empty() {
            unit.safe_mode_duration = format!("{}s", unit.checkpoint_flush_interval.saturating_mul(2));
        }
        let duration: GoDuration = unit.safe_mode_duration.parse().map_err(|e: String| {
            DmError::new(Code::ConfigInvalidSafeModeDuration)
                .msg(format!(
                    "safe-mode-duration {:?} is not a duration (allowed: such as 60s or 5m)",
                    unit.safe_mode_duration
                ))
                .cause(e)
        })?;
        if duration.0 == 0 && unit.safe_mode {
            return Err(DmError::new(Code::ConfigConfictSafeModeDurationAndSafeMode));
        }
        let foreign_keys = self
            .target_database
            .as_ref()
            .and_then(|target| target.session.get("foreign_key_checks"))
            .is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "1" | "on" | "true"));
        for (key, set) in [("compact", unit.compact), ("multiple-rows", unit.multiple_rows)] {
            if foreign_keys && set {
                return Err(DmError::new(Code::ConfigUnsupportedForeignKeyChecksOption).msg(format!(
                    "syncer option {key} can't be used when the target session sets foreign_key_checks=1"
                )));
            }
        }
        Ok(())
    }

    pub(super) fn validator_of(&self, index: usize, instance: &MysqlInstance) -> Result<ValidatorConfig> {
        let name = &instance.validator_config_name;
        let mut unit = match self.validators.get(name) {
            _ if name.is_empty() => ValidatorConfig::default(),
            Some(unit) => unit.clone(),
            None => {
                return Err(DmError::new(Code::ContinuousValidatorCfgNotFound).msg(format!(
                    "mysql-instances[{index}]: validator-config-name {name:?} is not defined in validators"
                )));
            }
        };
        check_validator(&mut unit)?;
        Ok(unit)
    }
}

fn check_loader(unit: &mut LoaderConfig) -> Result<()> {
    let default = LoaderConfig::default();
    if unit.pool_size == 0 {
        unit.pool_size = default.pool_size;
    }
    let mode = unit.import_mode.to_lowercase();
    unit.import_mode = match mode.as_str() {
        "" | "sql" | "loader" => "logical".into(),
        _ => mode,
    };
    for value in [&mut unit.on_duplicate_logical, &mut unit.on_duplicate_physical] {
        *value = value.to_lowercase();
    }
    or_default(&mut unit.dir, &default.dir);
    or_default(&mut unit.on_duplicate_logical, &default.on_duplicate_logical);
    or_default(&mut unit.on_duplicate_physical, &default.on_duplicate_physical);
    or_default(&mut unit.checksum_physical, &default.checksum_physical);
    or_default(&mut unit.analyze, &default.analyze);
    unit.checksum_physical = unit.checksum_physical.to_lowercase();
    unit.analyze = unit.analyze.to_lowercase();
    let modes = ["logical", "stream", "physical", "import-into"];
    one_of(Code::ConfigInvalidLoadMode, "import-mode", &unit.import_mode, &modes)?;
    one_of(
        Code::ConfigInvalidDuplicateResolution,
        "on-duplicate-logical",
        &unit.on_duplicate_logical,
        &["replace", "error", "ignore"],
    )?;
    one_of(
        Code::ConfigInvalidPhysicalDuplicateResolution,
        "on-duplicate-physical",
        &unit.on_duplicate_physical,
        &["none", "manual"],
    )?;
    let levels = ["required", "optional", "off"];
    one_of(Code::ConfigInvalidPhysicalChecksum, "checksum-physical", &unit.checksum_physical, &levels)?;
    one_of(Code::ConfigInvalidLoadAnalyze, "analyze", &unit.analyze, &levels)
}

fn check_validator(unit: &mut ValidatorConfig) -> Result<()> {
    let default = ValidatorConfig::default();
    for (value, default) in [
        (&mut unit.mode, &default.mode),
        (&mut unit.validate_interval, &default.validate_interval),
        (&mut unit.check_interval, &default.check_interval),
        (&mut unit.row_error_delay, &default.row_error_delay),
        (&mut unit.meta_flush_interval, &default.meta_flush_interval),
    ] {
        // A duration of zero counts as not written.
        if value.is_empty() || value == "0s" {
            *value = default.clone();
        }
    }
    or_default(&mut unit.max_pending_row_size, &default.max_pending_row_size);
    for (value, default) in [
        (&mut unit.worker_count, default.worker_count),
        (&mut unit.batch_query_size, default.batch_query_size),
        (&mut unit.max_pending_row_count, default.max_pending_row_count),
    ] {
        if *value <= 0 {
            *value = default;
        }
    }
    one_of(Code::ConfigValidationMode, "validator mode", &unit.mode, &["none", "fast", "full"])?;
    if parse_size(&unit.max_pending_row_size, 1).is_none() {
        return Err(DmError::new(Code::ConfigYamlTransform).msg(format!(
            "max-pending-row-size {:?} is not a size (allowed: such as 500m or 1GiB)",
            unit.max_pending_row_size
        )));
    }
    Ok(())
}
