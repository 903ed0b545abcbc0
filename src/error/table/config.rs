//! Config, positions, checkpoints, checks, relay files (20001-28005).

use super::{Class, Code, Entry, Level, Scope, rows};

rows! {
    ConfigCheckItemNotSupport Config Internal Medium "a name in ignore-checking-items is unknown"
        "Use names from the message's list.";
    ConfigTomlTransform Config Internal Medium "TOML can't be read or written"
        "Correct the file at the line that the cause names.";
    ConfigYamlTransform Config Internal Medium "YAML can't be read"
        "Please check the configuration file has correct YAML format.";
    ConfigTaskNameEmpty Config Internal Medium "the subtask has no task name"
        "Set name in the task file.";
    ConfigEmptySourceID Config Internal Medium "source-id is missing"
        "Set source-id in each entry of mysql-instances.";
    ConfigTooLongSourceID Config Internal Medium "source-id is longer than 32 bytes"
        "Choose a shorter source-id.";
    ConfigOnlineSchemeNotSupport Config Internal Medium "online-ddl-scheme is not supported (allowed: pt, gh-ost)"
        "Leave online-ddl-scheme out and use online-ddl: true.";
    ConfigInvalidTimezone Config Internal Medium "timezone is not understood"
        "Write an offset such as +08:00 or a name such as Asia/Shanghai.";
    ConfigParseFlagSet Config Internal Medium "flags can't be read" "";
    ConfigDecryptDBPassword Config Internal Medium "a password can't be decrypted" "";
    ConfigMetaInvalid Config Internal Medium "meta has neither binlog-name nor binlog-gtid"
        "Set one of them, or leave meta out to start at the source's present position.";
    ConfigMySQLInstNotFound Config Internal Medium "an entry of mysql-instances is empty"
        "Remove the empty entry or give it a source-id.";
    ConfigMySQLInstsAtLeastOne Config Internal Medium "mysql-instances is empty"
        "Name at least one source in mysql-instances.";
    ConfigMySQLInstSameSourceID Config Internal Medium "two entries of mysql-instances use the same source"
        "Keep one entry for each source.";
    ConfigMydumperCfgConflict Config Internal Medium "an instance sets both mydumper-config-name and mydumper"
        "Keep one of them.";
    ConfigLoaderCfgConflict Config Internal Medium "an instance sets both loader-config-name and loader"
        "Keep one of them.";
    ConfigSyncerCfgConflict Config Internal Medium "an instance sets both syncer-config-name and syncer"
        "Keep one of them.";
    ConfigReadCfgFromFile Config Internal Medium "the config file can't be read" "";
    ConfigNeedUniqueTaskName Config Internal Medium "the task has no name"
        "Set name; it must be unique among all tasks.";
    ConfigInvalidTaskMode Config Internal Medium "task-mode is unknown (allowed: full, incremental, all, dump, load, load&sync)"
        "Set task-mode to an allowed value.";
    ConfigNeedTargetDB Config Internal Medium "target-database is missing"
        "Set target-database with host, port, user and password.";
    ConfigMetadataNotSet Config Internal Medium "an incremental task has no start point"
        "Set meta in the instance, or give --start-time.";
    ConfigRouteRuleNotFound Config Internal Medium "a route rule is not defined"
        "Define it in routes or remove the name.";
    ConfigFilterRuleNotFound Config Internal Medium "a filter rule is not defined"
        "Define it in filters or remove the name.";
    ConfigColumnMappingNotFound Config Internal Medium "a column mapping is not defined"
        "Remove the name; column mappings are no longer supported.";
    ConfigBAListNotFound Config Internal Medium "a block-allow list is not defined"
        "Define it in block-allow-list or remove the name.";
    ConfigMydumperCfgNotFound Config Internal Medium "a mydumper config is not defined"
        "Define it in mydumpers or remove the name.";
    ConfigMydumperPathNotValid Config Internal Medium "mydumper-path must not be empty"
        "Leave mydumper-path out.";
    ConfigLoaderCfgNotFound Config Internal Medium "a loader config is not defined"
        "Define it in loaders or remove the name.";
    ConfigSyncerCfgNotFound Config Internal Medium "a syncer config is not defined"
        "Define it in syncers or remove the name.";
    ConfigSourceIDNotFound Config Internal Medium "the source does not exist"
        "Create it with `operate-source create`, or correct the source-id; `operate-source show` lists all.";
    ConfigDuplicateCfgItem Config Internal Medium "an instance lists a name more than once"
        "Remove the repeated names.";
    ConfigShardModeNotSupport Config Internal Medium "shard-mode is not supported (allowed: empty, pessimistic, optimistic)"
        "Set shard-mode to an allowed value.";
    ConfigMoreThanOne Config Internal High "several values where one is expected" "";
    ConfigEtcdParse Config Internal High "a stored value can't be decoded" "";
    ConfigMissingForBound Config Internal High "a source is bound, but its config is missing" "";
    ConfigBinlogEventFilter Config Internal High "binlog event filters are not valid"
        "Correct the filter that the cause names; actions are Do, Ignore and Error.";
    ConfigGlobalConfigsUnused Config Internal High "items are defined that no instance uses"
        "Remove them or name them in an instance.";
    ConfigExprFilterManyExpr Config Internal High "an expression filter has more than one kind of expression"
        "Make one filter for each kind of change.";
    ConfigExprFilterNotFound Config Internal High "an expression filter is not defined"
        "Define it in expression-filter or remove the name.";
    ConfigExprFilterWrongGrammar Config Internal High "an expression can't be parsed"
        "Correct the expression; it is written as in a WHERE clause.";
    ConfigExprFilterEmptyName Config Internal High "an expression filter needs schema and table"
        "Set both.";
    ConfigCheckerMaxTooSmall Config Internal High "checker.backoff-max is less than checker.backoff-min"
        "Set backoff-max to 1s or more.";
    ConfigGenBAList Config Internal High "block-allow list is not valid"
        "Correct the item that the cause names; after `~` stands a regular expression.";
    ConfigGenTableRouter Config Internal High "routes are not valid"
        "Correct the rule that the cause names; patterns are names with `*` at the end, `?` and `[a-z]`, or `~` and a regular expression.";
    ConfigGenColumnMapping Config Internal High "column mapping is not valid"
        "Remove it; column mappings are no longer supported.";
    ConfigInvalidChunkFileSize Config Internal High "chunk-filesize is not a size"
        "Write a number of MiB or a size such as 64MiB.";
    ConfigOnlineDDLInvalidRegex Config Internal High "a pattern for online-DDL tables is not valid"
        "Write a regular expression with exactly one capture group, the real table's name.";
    ConfigOnlineDDLMistakeRegex Config Internal High "an online-DDL statement does not fit the patterns"
        "Correct shadow-table-rules and trash-table-rules so that each temporary name leads to the real table.";
    OpenAPITaskConfigExist Config Internal Low "a task template of this name exists"
        "Choose another name or allow overwriting.";
    OpenAPITaskConfigNotExist Config Internal Low "no task template of this name" "";
    ConfigCollationCompatibleNotSupport Config Internal Medium "collation_compatible is not supported (allowed: loose, strict)"
        "Set it to an allowed value or leave it out.";
    ConfigInvalidLoadMode Config Internal Medium "import-mode is not supported (allowed: logical, physical, import-into)"
        "Correct the value; the message names what is allowed.";
    ConfigInvalidDuplicateResolution Config Internal Medium "on-duplicate-logical is not supported (allowed: replace, error, ignore)"
        "Correct the value; the message names what is allowed.";
    ConfigValidationMode Config Internal High "validator mode is not supported (allowed: none, fast, full)"
        "Correct the value; the message names what is allowed.";
    ContinuousValidatorCfgNotFound Config Internal Medium "a validator config is not defined"
        "Define it in validators or remove the name.";
    ConfigStartTimeTooLate Config Internal High "the start time is after the newest binlog event"
        "Give an earlier time; it is read in the time zone of the source unless it has its own.";
    ConfigLoaderDirInvalid Config Internal High "loader dir can't be used"
        "Use a local folder that the worker may write, or a storage URL such as s3://bucket/path.";
    ConfigLoaderS3NotSupport Config Internal High "object storage can't be used here"
        "Use a local folder.";
    ConfigInvalidSafeModeDuration Config Internal Medium "safe-mode-duration is not a duration"
        "Write a duration such as 60s or 5m.";
    ConfigConfictSafeModeDurationAndSafeMode Config Internal Low "safe-mode is true while safe-mode-duration is 0s"
        "Set safe-mode: false, or leave safe-mode-duration out.";
    ConfigInvalidPhysicalDuplicateResolution Config Internal Medium "on-duplicate-physical is not supported (allowed: none, manual)"
        "Correct the value; the message names what is allowed.";
    ConfigInvalidPhysicalChecksum Config Internal Medium "checksum-physical is not supported (allowed: required, optional, off)"
        "Correct the value; the message names what is allowed.";
    ConfigColumnMappingDeprecated Config Internal High "column mappings are no longer supported"
        "Remove column-mappings and column-mapping-rules; extract-* of routes may do what you need.";
    ConfigInvalidLoadAnalyze Config Internal Medium "analyze is not supported (allowed: required, optional, off)"
        "Correct the value; the message names what is allowed.";
    ConfigStrictOptimisticShardMode Config Internal Medium "strict-optimistic-shard-mode needs shard-mode: optimistic"
        "Set shard-mode: optimistic, or leave the strict flag out.";
    ConfigSecretKeyPath Config Internal High "the secret key's file can't be used"
        "Write 64 hexadecimal characters into the file that secret-key-path names.";
    ConfigImportIntoShardingNotSupport Config Internal High "import-into works with one source only"
        "Use import-mode: logical, or one task for each source.";
    ConfigImportIntoRequiresSharedStorage Config Internal High "import-into needs storage that the target can read"
        "Set the loader's dir to a storage URL such as s3://bucket/path.";
    ConfigUnsupportedForeignKeyChecksOption Config Internal Medium "an option can't be used with foreign key checks"
        "Turn the option off, or set foreign_key_checks: \"0\" in the target's session.";
    BinlogExtractPosition BinlogOp Internal High "a position can't be read from an event" "";
    BinlogInvalidFilename BinlogOp Internal High "a binlog file's name is malformed" "";
    BinlogParsePosFromStr BinlogOp Internal High "a position's text is malformed" "";
    CheckpointInvalidTaskMode Checkpoint Internal Medium "the checkpoint knows no such task mode" "";
    CheckpointSaveInvalidPos Checkpoint Internal High "the checkpoint would move backwards" "";
    CheckpointInvalidTableFile Checkpoint Internal Medium "no longer used: odd file name" "";
    CheckpointDBNotExistInFile Checkpoint Internal Medium "no longer used: db vanished from files" "";
    CheckpointTableNotExistInFile Checkpoint Internal Medium "no longer used: table vanished from files" "";
    CheckpointRestoreCountGreater Checkpoint Internal Medium "no longer used: counter overflow" "";
    TaskCheckSameTableName TaskCheck Internal Medium "names of target tables differ in case only"
        "Route them to one table or to clearly different names.";
    TaskCheckFailedOpenDB TaskCheck Internal High "a database can't be reached for the check"
        "Check host, port, user and password, and that the database is up.";
    TaskCheckGenTableRouter TaskCheck Internal Medium "routes are not valid"
        "Correct the rule that the cause names; patterns are names with `*` at the end, `?` and `[a-z]`, or `~` and a regular expression.";
    TaskCheckGenColumnMapping TaskCheck Internal Medium "column mapping is not valid"
        "Remove it; column mappings are no longer supported.";
    TaskCheckSyncConfigError TaskCheck Internal Medium "fail to check synchronization configuration with type" "";
    TaskCheckGenBAList TaskCheck Internal Medium "block-allow list is not valid"
        "Correct the item that the cause names.";
    SourceCheckGTID TaskCheck Internal Medium "enable-gtid is set, but the source does not use GTIDs"
        "Set GTID_MODE = ON at the source, or enable-gtid: false in the source file.";
    RelayParseUUIDIndex RelayEventLib Internal High "UUID index file malformed" "";
    RelayParseUUIDSuffix RelayEventLib Internal High "uuid.suffix malformed" "";
    RelayUUIDWithSuffixNotFound RelayEventLib Internal High "sub directory not in index" "";
    RelayGenFakeRotateEvent RelayEventLib Internal High "artificial rotate event build failed" "";
    RelayNoValidRelaySubDir RelayEventLib Internal High "the relay folder holds no data"
        "Start relay and wait until it has read something.";
}
