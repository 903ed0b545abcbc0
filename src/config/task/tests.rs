use std::collections::BTreeMap;

use super::*;
use crate::{
    config::{SourceConfig, mask},
    coordinator::state::ExpectedStage,
};

/// What the original prints for one incremental task on one source.
const SHOWN: &str = "name: cap\ntask-mode: incremental\nis-sharding: false\nshard-mode: \"\"\nstrict-optimistic-shard-mode: false\nignore-checking-items: []\nmeta-schema: dm_meta_cap\nenable-heartbeat: false\nheartbeat-update-interval: 1\nheartbeat-report-interval: 10\ntimezone: \"\"\ncase-sensitive: false\ncollation_compatible: loose\ntarget-database:\n  host: 127.0.0.1\n  port: 3408\n  user: root\n  password: '******'\n  max-allowed-packet: null\n  session: {}\n  security: null\nmysql-instances:\n- source-id: mysql-01\n  meta:\n    binlog-name: mysql-bin.000002\n    binlog-pos: 739345243\n    binlog-gtid: 0-3407-94937\n  filter-rules: []\n  column-mapping-rules: []\n  route-rules: []\n  expression-filters: []\n  black-white-list: \"\"\n  block-allow-list: balist-01\n  mydumper-config-name: dump-01\n  mydumper: null\n  mydumper-thread: 0\n  loader-config-name: load-01\n  loader: null\n  loader-thread: 0\n  syncer-config-name: sync-01\n  syncer: null\n  syncer-thread: 0\n  validator-config-name: validator-01\nonline-ddl: true\nshadow-table-rules: []\ntrash-table-rules: []\nonline-ddl-scheme: \"\"\nroutes: {}\nfilters: {}\ncolumn-mappings: {}\nexpression-filter: {}\nblack-white-list: {}\nblock-allow-list:\n  balist-01:\n    do-tables: []\n    do-dbs:\n    - cap\n    ignore-tables: []\n    ignore-dbs: []\nmydumpers:\n  dump-01:\n    mydumper-path: ./bin/mydumper\n    threads: 4\n    chunk-filesize: \"64\"\n    statement-size: 0\n    rows: 0\n    where: \"\"\n    skip-tz-utc: true\n    extra-args: \"\"\nloaders:\n  load-01:\n    pool-size: 16\n    dir: ./dumped_data\n    sorting-dir-physical: \"\"\n    import-mode: logical\n    on-duplicate: \"\"\n    on-duplicate-logical: replace\n    on-duplicate-physical: none\n    disk-quota-physical: 0\n    checksum-physical: required\n    analyze: optional\n    range-concurrency: 0\n    compress-kv-pairs: \"\"\n    pd-addr: \"\"\nsyncers:\n  sync-01:\n    meta-file: \"\"\n    worker-count: 16\n    batch: 100\n    queue-size: 1024\n    checkpoint-flush-interval: 30\n    compact: false\n    multiple-rows: false\n    max-retry: 0\n    auto-fix-gtid: false\n    enable-gtid: false\n    disable-detect: false\n    safe-mode: false\n    safe-mode-duration: 60s\n    enable-ansi-quotes: false\nvalidators:\n  validator-01:\n    mode: none\n    worker-count: 4\n    validate-interval: 10s\n    check-interval: 5s\n    row-error-delay: 30m0s\n    meta-flush-interval: 5m0s\n    batch-query-size: 100\n    max-pending-row-size: 500m\n    max-pending-row-count: 2147483647\nclean-dump-file: true\nansi-quotes: false\nremove-meta: false\nexperimental:\n  async-checkpoint-flush: false\n";

const WRITTEN: &str = r#"
name: cap
task-mode: incremental
meta-schema: dm_meta_cap
target-database: {host: 127.0.0.1, port: 3408, user: root, password: "s3cret"}
mysql-instances:
  - source-id: mysql-01
    meta: {binlog-name: mysql-bin.000002, binlog-pos: 739345243, binlog-gtid: "0-3407-94937"}
    block-allow-list: one
block-allow-list:
  one: {do-dbs: ["cap"]}
"#;

/// A whole task to vary: `extra` is appended at top level, `instance` to the only instance.
fn task(extra: &str, instance: &str) -> String {
    format!(
        "name: t\ntask-mode: all\ntarget-database: {{host: h, port: 4000}}\n{extra}\nmysql-instances:\n  - source-id: s1\n    {instance}\n"
    )
}

fn sources() -> BTreeMap<String, SourceConfig> {
    let text = "source-id: s1\nflavor: mariadb\nenable-gtid: true\nserver-id: 7\nfrom: {host: up, port: 1, password: p}\nfilters: [{schema-pattern: x, events: [\"drop table\"], action: Ignore}]\n";
    let mut other = SourceConfig::from_yaml(&text.replace("s1", "s2")).unwrap();
    other.case_sensitive = true;
    other.filters.clear();
    let first = SourceConfig::from_yaml(text).unwrap();
    let cap = SourceConfig::from_yaml("source-id: mysql-01\nenable-gtid: true").unwrap();
    [first, other, cap].into_iter().map(|source| (source.source_id.clone(), source)).collect()
}

fn code_of(text: &str) -> Option<Code> {
    TaskConfig::from_yaml(text).err().map(|e| e.code())
}

#[test]
fn get_config_task_prints_what_the_original_prints() {
    let task = TaskConfig::from_yaml(WRITTEN).unwrap();
    let subtasks = task.expand(&sources()).unwrap();
    assert_eq!(render_task(&subtasks), SHOWN);
    assert!(!format!("{task:?}{subtasks:?}").contains("s3cret"));
    assert!(task.to_yaml().contains("s3cret"));
    assert_eq!(render_task(&[]), "");
}

#[test]
fn what_is_printed_is_read_back_as_the_same_task() {
    let text = r#"
name: big
task-mode: all
shard-mode: optimistic
timezone: +08:00
online-ddl-scheme: gh-ost
target-database: {host: h, port: 4000, session: {TIME_ZONE: "+00:00", sql_mode: ""}}
mysql-instances:
  - {source-id: s1, route-rules: [b, a], filter-rules: [f], expression-filters: [e], block-allow-list: l, mydumper-config-name: d, loader-config-name: o, syncer-config-name: y, validator-config-name: v, mydumper-thread: 9, loader-thread: 8, syncer-thread: 7}
  - {source-id: s2, route-rules: [a], mydumper: {rows: 5}, loader: {dir: /x}, syncer: {batch: 3}}
routes:
  a: {schema-pattern: "a*", target-schema: A}
  b: {schema-pattern: b, table-pattern: "t?", target-schema: B, target-table: T, extract-table: {table-regexp: "t(.)", target-column: c}}
filters:
  f: {schema-pattern: "*", events: [all ddl], sql-pattern: ["^drop"], action: Ignore}
expression-filter:
  e: {schema: a, table: b, insert-value-expr: "c > 1 and d like 'x%'"}
block-allow-list: {l: {do-tables: [{db-name: a, tbl-name: "~^t"}]}}
mydumpers: {d: {chunk-filesize: 32MiB, where: "id > 1: # 2"}}
loaders: {o: {dir: s3://b/p?region=x}}
syncers: {y: {multipleRows: true, checkpoint-flush-interval: 40}}
validators: {v: {mode: full, row-error-delay: 90m}}
"#;
    let first = TaskConfig::from_yaml(text).unwrap();
    let subtasks = first.expand(&sources()).unwrap();
    // Stored in the replicated log and sent to workers, nothing gets lost either.
    for subtask in &subtasks {
        let stored = crate::coordinator::state::SubtaskRecord::new(subtask.clone(), ExpectedStage::Running);
        let bytes = crate::wire::encode(&stored);
        assert!(bytes.len() < 6000, "{} bytes", bytes.len());
        assert_eq!(crate::wire::decode::<crate::coordinator::state::SubtaskRecord>(&bytes).unwrap(), stored);
    }
    let printed = render_task(&subtasks).replace("'******'", "\"\"");
    let again = TaskConfig::from_yaml(&printed).unwrap_or_else(|e| panic!("{e}\n{printed}"));
    // The source's own filters are in the subtask already, so a second expansion must not see them again.
    let mut bare = sources();
    bare.values_mut().for_each(|source| source.filters.clear());
    let mut expected = subtasks.clone();
    expected[0].online_ddl = true;
    // What is printed says a number of lanes, and of rows a transaction, as DM's does.
    for subtask in &mut expected {
        subtask.syncer.worker_count_given = true;
        subtask.syncer.batch = if subtask.syncer.batch == 0 { SyncerConfig::BATCH } else { subtask.syncer.batch };
    }
    assert!(expected.iter().any(|subtask| subtask.syncer.batch == SyncerConfig::BATCH));
    assert_eq!(again.expand(&bare).unwrap(), expected);
    let (one, two) = (&subtasks[0], &subtasks[1]);
    assert_eq!((one.mydumper.threads, one.loader.pool_size, one.syncer.worker_count), (9, 8, 7));
    assert_eq!((one.loader.dir.as_str(), two.loader.dir.as_str()), ("s3://b/p/big.s1?region=x", "/x.big.s2"));
    assert_eq!((one.syncer.safe_mode_duration.as_str(), two.syncer.safe_mode_duration.as_str()), ("80s", "60s"));
    assert_eq!((one.filters.len(), two.filters.len()), (2, 0));
    assert_eq!((one.case_sensitive, two.case_sensitive), (false, true));
    assert_eq!((one.enable_gtid, one.server_id, one.flavor), (true, 7, Flavor::Mariadb));
    assert_eq!(one.routes.iter().map(|r| r.target_schema.as_str()).collect::<Vec<_>>(), ["B", "A"]);
    assert_eq!(one.to.session.get("time_zone").map(String::as_str), Some("+00:00"));
    assert_eq!(one.validator.row_error_delay, "1h30m0s");
    assert_eq!((one.mydumper.chunk_filesize.as_str(), two.mydumper.rows), ("32MiB", 5));
    assert!(printed.contains("  route-02:\n    schema-pattern: a*\n"), "{printed}");
    assert!(printed.contains("    where: 'id > 1: # 2'\n"), "{printed}");
}

#[test]
fn equal_items_are_merged() {
    let text = task("", "").replace("  - source-id: s1\n", "  - source-id: s1\n  - source-id: s2\n");
    let printed = render_task(&TaskConfig::from_yaml(&text).unwrap().expand(&sources()).unwrap());
    assert!(printed.contains("dump-01") && !printed.contains("dump-02"), "{printed}");
    assert_eq!(printed.matches("balist-01").count(), 3);
}

#[test]
fn indexes_follow_the_rows_of_large_tables() {
    let loader = |value: &str| {
        let text = task(&format!("loaders:\n  l: {{pool-size: 3{value}}}\n"), "loader-config-name: l");
        let config = TaskConfig::from_yaml(&text).unwrap();
        let shown = config.to_yaml();
        (config.expand(&sources()).unwrap()[0].loader.clone(), shown)
    };
    let (default, shown) = loader("");
    assert!(default.indexes_follow(8 << 20) && !default.indexes_follow((8 << 20) - 1));
    assert!(!shown.contains("indexes-after-rows"), "{shown}");
    let (never, shown) = loader(", indexes-after-rows: 0");
    assert!(!never.indexes_follow(u64::MAX) && shown.contains("indexes-after-rows: 0"), "{shown}");
    let (other, _) = loader(", indexes-after-rows: 1GiB");
    assert_eq!(other.indexes_after_rows, 1 << 30);
    let bad = task("loaders:\n  l: {indexes-after-rows: soon}\n", "loader-config-name: l");
    assert_eq!(code_of(&bad), Some(Code::ConfigYamlTransform));
}

#[test]
fn dirs_of_modes_that_only_load_are_kept() {
    for (mode, dir) in [("load", "./d"), ("load&sync", "./d"), ("full", "./d.t"), ("incremental", "./d.t")] {
        let text = task("", "loader: {dir: ./d}").replace("all", mode);
        let subtasks = TaskConfig::from_yaml(&text).unwrap().expand(&sources()).unwrap();
        assert_eq!(subtasks[0].loader.dir, dir, "{mode}");
        assert!(render_task(&subtasks).contains("    dir: ./d\n"), "{mode}");
    }
}

#[test]
fn deprecated_keys_still_work() {
    let text = task(
        "is-sharding: true\nblack-white-list: {l: {do-dbs: [a]}}\nonline-ddl: false\nonline-ddl-scheme: pt\nremove-meta: true\nenable-heartbeat: true\nansi-quotes: true\nheartbeat-update-interval: 3",
        "black-white-list: l",
    );
    let config = TaskConfig::from_yaml(&text).unwrap();
    assert_eq!(config.warnings().len(), 3);
    let subtask = config.expand(&sources()).unwrap().remove(0);
    assert_eq!((subtask.shard_mode.as_str(), subtask.online_ddl), ("pessimistic", true));
    assert_eq!(subtask.block_allow_list.do_dbs, ["a"]);
    let skipped = task("filters: {f: {schema-pattern: a, action: ignore}}", "filter-rules: [f]");
    let warnings = TaskConfig::from_yaml(&skipped).unwrap().warnings();
    assert!(warnings[0].contains("action \"ignore\" is unknown (allowed: Do, Ignore, Error)"), "{warnings:?}");
}

#[test]
fn codes_of_bad_top_levels() {
    for (text, code) in [
        ("", Code::ConfigNeedUniqueTaskName),
        ("name: t", Code::ConfigInvalidTaskMode),
        ("name: t\ntask-mode: al", Code::ConfigInvalidTaskMode),
        ("name: t\ntask-mode: all", Code::ConfigNeedTargetDB),
        ("name: t\ntask-mode: all\ntarget-database: {}", Code::ConfigMySQLInstsAtLeastOne),
        ("name: t\nname: u", Code::ConfigYamlTransform),
        ("nome: t", Code::ConfigYamlTransform),
    ] {
        assert_eq!(code_of(text), Some(code), "{text}");
    }
    for (extra, code) in [
        ("shard-mode: sharp", Code::ConfigShardModeNotSupport),
        ("strict-optimistic-shard-mode: true", Code::ConfigStrictOptimisticShardMode),
        ("ignore-checking-items: [\"everything\"]", Code::ConfigCheckItemNotSupport),
        ("timezone: SYSTEM", Code::ConfigInvalidTimezone),
        ("timezone: local", Code::ConfigInvalidTimezone),
        ("timezone: \"+15:00\"", Code::ConfigInvalidTimezone),
        ("timezone: \"-13:00\"", Code::ConfigInvalidTimezone),
        ("timezone: \"+8\"", Code::ConfigInvalidTimezone),
        ("timezone: \"Asia/Shang hai\"", Code::ConfigInvalidTimezone),
        ("collation_compatible: tight", Code::ConfigCollationCompatibleNotSupport),
        ("online-ddl-scheme: mine", Code::ConfigOnlineSchemeNotSupport),
        ("shadow-table-rules: [\"_(.+\"]", Code::ConfigOnlineDDLInvalidRegex),
        ("trash-table-rules: [\"_.+\"]", Code::ConfigOnlineDDLInvalidRegex),
        ("trash-table-rules: [\"_(.+)(x)\"]", Code::ConfigOnlineDDLInvalidRegex),
        ("column-mappings: {c: {schema-pattern: a}}", Code::ConfigColumnMappingDeprecated),
        ("routes: {r: {schema-pattern: a, target-schema: b}}", Code::ConfigGlobalConfigsUnused),
        ("routes: {r: {schema-pattern: a}}", Code::ConfigGenTableRouter),
        ("routes: {r: {target-schema: a}}", Code::ConfigGenTableRouter),
        ("routes: {r: {schema-pattern: \"a*b\", target-schema: b}}", Code::ConfigGenTableRouter),
        ("routes: {r: {schema-pattern: \"~(\", target-schema: b}}", Code::ConfigGenTableRouter),
        (
            "routes: {r: {schema-pattern: a, target-schema: b, extract-schema: {schema-regexp: a}}}",
            Code::ConfigGenTableRouter,
        ),
        (
            "routes: {r: {schema-pattern: a, target-schema: b, extract-schema: {table-regexp: a}}}",
            Code::ConfigYamlTransform,
        ),
        ("block-allow-list: {b: {do-dbs: [\"~(\"]}}", Code::ConfigGenBAList),
        ("block-allow-list: {b: {do-tables: [{db-name: a}]}}", Code::ConfigGenBAList),
        ("expression-filter: {e: {schema: a}}", Code::ConfigExprFilterEmptyName),
        (
            "expression-filter: {e: {schema: a, table: b, insert-value-expr: x, delete-value-expr: x}}",
            Code::ConfigExprFilterManyExpr,
        ),
        (
            "expression-filter: {e: {schema: a, table: b, insert-value-expr: \"x >\"}}",
            Code::ConfigExprFilterWrongGrammar,
        ),
        (
            "expression-filter: {e: {schema: a, table: b, insert-value-expr: \"x y z\"}}",
            Code::ConfigExprFilterWrongGrammar,
        ),
    ] {
        assert_eq!(code_of(&task(extra, "")), Some(code), "{extra}");
    }
    for extra in ["timezone: UTC", "timezone: Asia/Shanghai", "timezone: \"-12:59\"", "timezone: \"+14:00\""] {
        assert_eq!(code_of(&task(extra, "")), None, "{extra}");
    }
}

#[test]
fn codes_of_bad_instances() {
    for (extra, instance, code) in [
        ("", "meta: {binlog-pos: 4}", Code::ConfigMetaInvalid),
        ("", "column-mapping-rules: [c]", Code::ConfigColumnMappingDeprecated),
        ("", "block-allow-list: b", Code::ConfigBAListNotFound),
        ("", "route-rules: [r]", Code::ConfigRouteRuleNotFound),
        ("", "filter-rules: [r]", Code::ConfigFilterRuleNotFound),
        ("", "expression-filters: [r]", Code::ConfigExprFilterNotFound),
        ("", "mydumper-config-name: d", Code::ConfigMydumperCfgNotFound),
        ("", "loader-config-name: d", Code::ConfigLoaderCfgNotFound),
        ("", "syncer-config-name: d", Code::ConfigSyncerCfgNotFound),
        ("", "validator-config-name: d", Code::ContinuousValidatorCfgNotFound),
        ("mydumpers: {d: {}}", "{mydumper-config-name: d, mydumper: {}}", Code::ConfigMydumperCfgConflict),
        ("loaders: {d: {}}", "{loader-config-name: d, loader: {}}", Code::ConfigLoaderCfgConflict),
        ("syncers: {d: {}}", "{syncer-config-name: d, syncer: {}}", Code::ConfigSyncerCfgConflict),
        ("", "mydumper: {mydumper-path: \"\"}", Code::ConfigMydumperPathNotValid),
        ("", "mydumper: {chunk-filesize: big}", Code::ConfigInvalidChunkFileSize),
        ("", "loader: {import-mode: magic}", Code::ConfigInvalidLoadMode),
        ("", "loader: {on-duplicate-logical: merge}", Code::ConfigInvalidDuplicateResolution),
        ("", "loader: {on-duplicate-physical: merge}", Code::ConfigInvalidPhysicalDuplicateResolution),
        ("", "loader: {checksum-physical: maybe}", Code::ConfigInvalidPhysicalChecksum),
        ("", "loader: {analyze: maybe}", Code::ConfigInvalidLoadAnalyze),
        ("", "loader: {dir: \"ftp://x/y\"}", Code::ConfigLoaderDirInvalid),
        ("", "loader: {disk-quota-physical: much}", Code::ConfigYamlTransform),
        ("", "loader: {import-mode: import-into}", Code::ConfigImportIntoRequiresSharedStorage),
        ("", "syncer: {safe-mode-duration: long}", Code::ConfigInvalidSafeModeDuration),
        ("", "syncer: {safe-mode-duration: 0s, safe-mode: true}", Code::ConfigConfictSafeModeDurationAndSafeMode),
        ("validators: {v: {mode: slow}}", "validator-config-name: v", Code::ConfigValidationMode),
        ("validators: {v: {check-interval: slow}}", "validator-config-name: v", Code::ConfigYamlTransform),
        ("routes: {r: {schema-pattern: a, target-schema: b}}", "route-rules: [r, r]", Code::ConfigDuplicateCfgItem),
        ("", "other: 1", Code::ConfigYamlTransform),
    ] {
        // Flow mappings replace the whole instance.
        let text = match instance.strip_prefix('{') {
            Some(inner) => task(extra, "").replace("source-id: s1", &format!("{{source-id: s1, {inner}")),
            None => task(extra, instance),
        };
        assert_eq!(code_of(&text), Some(code), "{text}");
    }
    let fk =
        task("", "syncer: {compact: true}").replace("port: 4000", "port: 4000, session: {Foreign_Key_Checks: \"1\"}");
    assert_eq!(code_of(&fk), Some(Code::ConfigUnsupportedForeignKeyChecksOption));
    let twice = task("", "").replace("  - source-id: s1", "  - source-id: s1\n  - source-id: s1");
    assert_eq!(code_of(&twice), Some(Code::ConfigMySQLInstSameSourceID));
    assert_eq!(code_of(&task("", "").replace("source-id: s1", "meta: null")), Some(Code::ConfigEmptySourceID));
    assert_eq!(code_of(&task("", "").replace("source-id: s1", "")), Some(Code::ConfigMySQLInstNotFound));
    assert_eq!(code_of(&task("", "").replace("s1", &"x".repeat(33))), Some(Code::ConfigTooLongSourceID));
    let two = task("", "loader: {import-mode: import-into, dir: \"s3://b/p\"}");
    assert_eq!(code_of(&two), None);
    assert_eq!(code_of(&(two.clone() + "  - {source-id: s2}\n")), Some(Code::ConfigInvalidLoadMode));
    let two = two + "  - {source-id: s2, loader: {import-mode: IMPORT-INTO, dir: \"s3://b/p\"}}\n";
    assert_eq!(code_of(&two), Some(Code::ConfigImportIntoShardingNotSupport));
    let unknown = TaskConfig::from_yaml(&task("", "").replace("s1", "s9")).unwrap();
    assert_eq!(unknown.expand(&sources()).unwrap_err().code(), Code::ConfigSourceIDNotFound);
}

#[test]
fn unused_names_are_listed_in_order() {
    let error = TaskConfig::from_yaml(&task("syncers: {z: {}, a: {}}\nfilters: {f: {}}", "")).unwrap_err();
    assert_eq!(error.message(), "defined but used by no instance: [filters.f, syncers.a, syncers.z] (line 4)");
}

#[test]
fn errors_of_values_name_the_line() {
    for (extra, instance, shown) in [
        (
            "shard-mode: sharp",
            "",
            "shard-mode \"sharp\" is not supported (allowed: \"\", pessimistic, optimistic) (line 4)",
        ),
        ("case-sensitive: true\ntimezone: SYSTEM", "", "(line 5)"),
        ("ignore-checking-items:\n- version\n- nope", "", "(line 4)"),
        ("", "meta: {binlog-pos: 4}", "mysql-instances[0]: meta must have binlog-name or binlog-gtid (line 7)"),
        ("", "route-rules: [r]", "mysql-instances[0]: route-rules \"r\" is not defined in routes (line 7)"),
        ("", "loader: {import-mode: magic}", "(line 7)"),
        ("routes: {r: {schema-pattern: a}}", "", "route rule \"r\" is invalid (line 4)"),
    ] {
        let error = TaskConfig::from_yaml(&task(extra, instance)).unwrap_err();
        assert!(error.message().ends_with(shown), "{error}");
    }
    let error = SourceConfig::from_yaml("source-id: a\n\nflavor: oracle\n").unwrap_err();
    assert_eq!(
        error.message(),
        "flavor \"oracle\" of source \"a\" is not supported (allowed: mysql, mariadb) (line 3)"
    );
}

#[test]
fn anchors_and_merge_keys_work_and_bombs_do_not() {
    let text = task(
        "syncers:\n  base: &b {batch: 5, worker-count: 3}\n  mine:\n    <<: *b\n    batch: 6",
        "syncer-config-name: mine",
    );
    let error = TaskConfig::from_yaml(&text).unwrap_err();
    assert_eq!(error.code(), Code::ConfigGlobalConfigsUnused);
    let text = text.replace(
        "    syncer-config-name: mine",
        "    syncer-config-name: mine\n  - {source-id: s2, syncer-config-name: base}",
    );
    let subtasks = TaskConfig::from_yaml(&text).unwrap().expand(&sources()).unwrap();
    assert_eq!((subtasks[0].syncer.batch, subtasks[0].syncer.worker_count), (6, 3));
    let mut bomb = String::from("a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n");
    for level in 1..12 {
        let items = vec![format!("*a{}", level - 1); 10].join(", ");
        bomb.push_str(&format!("a{level}: &a{level} [{items}]\n"));
    }
    assert!(TaskConfig::from_yaml(&bomb).unwrap_err().raw_cause().contains("more than"));
    let deep = "[".repeat(5000);
    assert_eq!(code_of(&deep), Some(Code::ConfigYamlTransform));
}

#[test]
fn inline_tls_keys_are_hidden() {
    let text = task("", "").replace("port: 4000", "port: 4000, security: {ssl-key-bytes: [1, 2], ssl-ca-base64: AQI=}");
    let config = TaskConfig::from_yaml(&text).unwrap();
    let security = config.target_database.clone().unwrap().security.unwrap();
    let shown = format!("{security:?}");
    assert!(shown.contains("ssl_key_bytes: \"inline\"") && !shown.contains("1, 2"), "{shown}");
    assert_eq!((security.ssl_key_bytes, security.ssl_ca_bytes), (vec![1, 2], vec![1, 2]));
    let printed = render_task(&config.expand(&sources()).unwrap());
    assert!(printed.contains(&format!("ssl-key-base64: '{}'", mask::MASK)), "{printed}");
    assert!(TaskConfig::from_yaml(&config.to_yaml()).unwrap() == config);
}
