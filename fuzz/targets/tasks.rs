//! Whole configuration files, further than reading them: a task becomes subtasks of its sources, whose rules, filters
//! and dump arguments are compiled; a source, a master and a worker are adjusted and checked. Nothing panics, and what
//! is refused is refused with a code and a text. A task file and a source file stand in one input, behind each other.
#![no_main]

use std::collections::BTreeMap;

use dm::{
    config::{MasterConfig, SourceConfig, StandaloneConfig, TaskConfig, WorkerConfig, render_task},
    error::DmError,
    rules::{TaskRules, expression::Filters},
    schema::model::TableId,
    units::dump::DumpOptions,
};
use libfuzzer_sys::fuzz_target;

/// Between the files of a task and of its first source.
const NEXT: &str = "\n%%\n";

fn task(text: &str) -> Result<(), DmError> {
    let (task, source) = text.split_once(NEXT).unwrap_or((text, ""));
    let task = TaskConfig::from_yaml(task)?;
    let _ = task.warnings();
    let usual = SourceConfig::from_yaml("source-id: s\nfrom: {host: h, port: 1, user: u}\n").expect("it is right");
    let first = SourceConfig::from_yaml(source).unwrap_or(usual);
    let ids = task.mysql_instances.iter().flatten().map(|instance| instance.source_id.clone());
    let sources: BTreeMap<_, _> = ids.map(|id| (id.clone(), SourceConfig { source_id: id, ..first.clone() })).collect();
    let subtasks = task.expand(&sources)?;
    let _ = render_task(&subtasks);
    for subtask in &subtasks {
        let rules = TaskRules::new(subtask)?;
        Filters::new(&subtask.expression_filters, &subtask.timezone, subtask.case_sensitive)?;
        let dump = DumpOptions::new(&subtask.mydumper, &subtask.from)?;
        let _ = (
            subtask.to.answer_limit(),
            subtask.from.stream_limit(),
            subtask.streams(),
            subtask.loader.indexes_follow(1),
        );
        for (schema, name) in [("x", "t1"), ("Db_1", "_t_gho"), ("\u{e9}", "a.b`c"), ("x", "")] {
            let table = TableId::new(schema.to_owned(), name.to_owned());
            let _ = (rules.allows(&table), rules.takes_rows(&table), rules.route(&table)?, dump.selects(schema, name));
        }
    }
    Ok(())
}

fn arguments(text: &str) -> Vec<String> {
    text.split('\n').map(str::to_owned).collect()
}

fuzz_target!(|data: &[u8]| {
    let Some((kind, text)) = data.split_first() else { return };
    let Ok(text) = std::str::from_utf8(text) else { return };
    // Files that a fuzzed one names are not read: they are whatever this machine has.
    if text.contains("secret-key-path") || text.contains("config=") || text.contains("config\n") {
        return;
    }
    let refused = match kind % 8 {
        0..4 => task(text).err(),
        4 => SourceConfig::from_yaml(text).and_then(|source| source.validate()).err(),
        5 => MasterConfig::from_toml("dm-master.toml", text)
            .map(|config| _ = (config.heartbeat(), config.rpc_timeout()))
            .err(),
        6 => WorkerConfig::from_toml("dm-worker.toml", text).map(|config| drop(config.masters())).err(),
        _ => {
            let given = arguments(text);
            let of_worker = WorkerConfig::from_args(&given).err();
            let of_standalone = StandaloneConfig::from_args(&given).err();
            MasterConfig::from_args(&given).err().or(of_worker).or(of_standalone)
        }
    };
    if let Some(error) = refused {
        let told = error.to_string();
        assert!(told.starts_with("[code=") && !error.message().is_empty(), "{told}");
    }
});
