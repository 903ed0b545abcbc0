//! A task of the API and a task file: one as the other.
//!
//! A rule of the API names a source, its tables and maybe their target; it becomes an entry of the source's block-allow
//! list, and a route where the target differs. The way back gives a rule for each route, then for each table of the
//! list that no route has; what a task file can say and the API can't (expression filters, ignored tables) is left out.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    Fault, common,
    source_json::{number, security, security_json, switch, text, texts},
};
use crate::config::{
    BlockAllowList, DbConfig, FilterRule, LoaderConfig, Meta, MydumperConfig, MysqlInstance, RouteRule, Secret,
    SyncerConfig, TableName, TaskConfig,
};

/// The task file of an API task.
pub fn from_json(task: &Value) -> Result<TaskConfig, Fault> {
    let mut out = TaskConfig {
        name: text(task, "name"),
        task_mode: text(task, "task_mode"),
        shard_mode: text(task, "shard_mode"),
        strict_optimistic_shard_mode: switch(task, "strict_optimistic_shard_mode", false),
        timezone: text(task, "timezone"),
        online_ddl: switch(task, "enhance_online_schema_change", true),
        ignore_checking_items: texts(task, "ignore_checking_items"),
        target_database: Some(target(&task["target_config"])?),
        ..TaskConfig::default()
    };
    out.is_sharding = !out.shard_mode.is_empty();
    if let Some(schema) = task["meta_schema"].as_str().filter(|schema| !schema.is_empty()) {
        out.meta_schema = schema.to_owned();
    }
    let config = &task["source_config"];
    let full = full_conf(task, &config["full_migrate_conf"])?;
    let sync = incr_conf(&config["incr_migrate_conf"])?;
    for source in config["source_conf"].as_array().into_iter().flatten() {
        let instance = instance(&mut out, task, source)?;
        out.mysql_instances.push(Some(instance));
    }
    out.mydumpers.insert("global".into(), full.0);
    out.loaders.insert("global".into(), full.1);
    out.syncers.insert("global".into(), sync);
    // The text is what is stored; reading it checks it and fills in what follows.
    Ok(TaskConfig::from_yaml(&out.to_yaml())?)
}

fn target(given: &Value) -> Result<DbConfig, Fault> {
    let mut target = DbConfig {
        host: text(given, "host"),
        port: number(given, "port", 0)?,
        user: text(given, "user"),
        password: Secret(text(given, "password")),
        security: security(given),
        ..DbConfig::default()
    };
    if let Some(checks) = given["session"]["foreign_key_checks"].as_str() {
        target.session.insert("foreign_key_checks".into(), checks.to_owned());
    }
    Ok(target)
}

fn full_conf(task: &Value, given: &Value) -> Result<(MydumperConfig, LoaderConfig), Fault> {
    let mut dump = MydumperConfig { threads: number(given, "export_threads", 4)?, ..MydumperConfig::default() };
    if let Some(consistency) = given["consistency"].as_str().filter(|text| !text.is_empty()) {
        dump.extra_args = format!("--consistency {consistency}");
    }
    let mut load = LoaderConfig {
        pool_size: number(given, "import_threads", 16)?,
        range_concurrency: number(given, "range_concurrency", 0)?,
        ..LoaderConfig::default()
    };
    let on_duplicate = text(task, "on_duplicate");
    for (name, place) in [
        ("data_dir", &mut load.dir),
        ("import_mode", &mut load.import_mode),
        ("sorting_dir", &mut load.sorting_dir_physical),
        ("checksum", &mut load.checksum_physical),
        ("analyze", &mut load.analyze),
        ("compress-kv-pairs", &mut load.compress_kv_pairs),
        ("pd_addr", &mut load.pd_addr),
        ("on_duplicate_physical", &mut load.on_duplicate_physical),
    ] {
        if let Some(text) = given[name].as_str().filter(|text| !text.is_empty()) {
            *place = text.to_owned();
        }
    }
    let logical = text(given, "on_duplicate_logical");
    let chosen = if logical.is_empty() { on_duplicate } else { logical };
    if !chosen.is_empty() {
        load.on_duplicate_logical = chosen;
    }
    Ok((dump, load))
}

fn incr_conf(given: &Value) -> Result<SyncerConfig, Fault> {
    Ok(SyncerConfig {
        worker_count: number(given, "repl_threads", 16)?,
        batch: number(given, "repl_batch", 0)?,
        safe_mode: switch(given, "safe_mode", false),
        ..SyncerConfig::default()
    })
}

/// One source with its rules, which get names of their own in the task.
fn instance(out: &mut TaskConfig, task: &Value, source: &Value) -> Result<MysqlInstance, Fault> {
    let id = text(source, "source_name");
    let (name, gtid) = (text(source, "binlog_name"), text(source, "binlog_gtid"));
    let meta = (!name.is_empty() || !gtid.is_empty()).then_some(()).map(|()| {
        Ok::<_, Fault>(Meta { binlog_name: name, binlog_pos: number(source, "binlog_pos", 0)?, binlog_gtid: gtid })
    });
    let mut instance = MysqlInstance {
        source_id: id.clone(),
        meta: meta.transpose()?,
        mydumper_config_name: "global".into(),
        loader_config_name: "global".into(),
        syncer_config_name: "global".into(),
        ..MysqlInstance::default()
    };
    let mut list = BlockAllowList::default();
    for (index, rule) in task["table_migrate_rule"].as_array().into_iter().flatten().enumerate() {
        if rule["source"]["source_name"] != source["source_name"] {
            continue;
        }
        let (schema, table) = (text(&rule["source"], "schema"), text(&rule["source"], "table"));
        let table = if table.is_empty() { "*".to_owned() } else { table };
        list.do_tables.push(TableName { db_name: schema.clone(), tbl_name: table.clone() });
        let (to_schema, to_table) = (text(&rule["target"], "schema"), text(&rule["target"], "table"));
        if !to_schema.is_empty() || !to_table.is_empty() {
            let route = RouteRule {
                schema_pattern: schema.clone(),
                table_pattern: table.clone(),
                target_schema: if to_schema.is_empty() { schema.clone() } else { to_schema },
                target_table: to_table,
                ..RouteRule::default()
            };
            let name = format!("{id}-route_rules-{index}");
            out.routes.insert(name.clone(), route);
            instance.route_rules.push(name);
        }
        for filter in texts(rule, "binlog_filter_rule") {
            let Some(given) = task["binlog_filter_rule"].get(&filter) else {
                return Err(common(format!("filter rule name {filter} not found")));
            };
            let rule = FilterRule {
                schema_pattern: schema.clone(),
                table_pattern: table.clone(),
                events: texts(given, "ignore_event"),
                sql_pattern: texts(given, "ignore_sql"),
                action: "Ignore".into(),
            };
            let name = format!("{id}-filter_rules-{index}-{filter}");
            out.filters.insert(name.clone(), rule);
            instance.filter_rules.push(name);
        }
    }
    if !list.do_tables.is_empty() {
        let name = format!("{id}-balist");
        out.block_allow_list.insert(name.clone(), list);
        instance.block_allow_list = name;
    }
    Ok(instance)
}

/// An API task of a task file, with its secrets: answers show it [`hidden`](super::masks::hidden).
pub fn to_json(task: &TaskConfig) -> Value {
    let instances: Vec<&MysqlInstance> = task.mysql_instances.iter().flatten().collect();
    let first = |name: fn(&MysqlInstance) -> &String| instances.first().map(|instance| name(instance).as_str());
    let dump = first(|i| &i.mydumper_config_name).and_then(|name| task.mydumpers.get(name));
    let load = first(|i| &i.loader_config_name).and_then(|name| task.loaders.get(name)).cloned().unwrap_or_default();
    let sync = first(|i| &i.syncer_config_name).and_then(|name| task.syncers.get(name)).cloned().unwrap_or_default();
    let mut filters = Filters::default();
    let rules: Vec<Value> = instances.iter().flat_map(|instance| rules_of(task, instance, &mut filters)).collect();
    let mut shown = json!({
        "name": task.name,
        "task_mode": task.task_mode,
        "strict_optimistic_shard_mode": task.strict_optimistic_shard_mode,
        "meta_schema": task.meta_schema,
        "timezone": task.timezone,
        "enhance_online_schema_change": task.online_ddl,
        "on_duplicate": load.on_duplicate_logical,
        "target_config": target_json(task.target_database.as_ref()),
        "table_migrate_rule": rules,
        "ignore_checking_items": task.ignore_checking_items,
        "source_config": {
            "full_migrate_conf": {
                "export_threads": dump.map_or(4, |dump| dump.threads),
                "import_threads": load.pool_size,
                "data_dir": load.dir,
                "import_mode": load.import_mode,
                "on_duplicate_logical": load.on_duplicate_logical,
                "on_duplicate_physical": load.on_duplicate_physical,
                "range_concurrency": load.range_concurrency,
            },
            "incr_migrate_conf": {
                "repl_threads": sync.worker_count,
                "repl_batch": if sync.batch == 0 { SyncerConfig::BATCH } else { sync.batch },
                "safe_mode": sync.safe_mode,
            },
            "source_conf": instances.iter().map(|instance| source_conf(instance)).collect::<Vec<_>>(),
        },
    });
    if !task.shard_mode.is_empty() {
        shown["shard_mode"] = task.shard_mode.as_str().into();
    }
    if let Some(consistency) = dump.and_then(|dump| dump.extra_args.strip_prefix("--consistency ")) {
        shown["source_config"]["full_migrate_conf"]["consistency"] = consistency.into();
    }
    if !filters.by_name.is_empty() {
        shown["binlog_filter_rule"] = Value::Object(filters.by_name.into_iter().collect());
    }
    shown
}

fn target_json(target: Option<&DbConfig>) -> Value {
    let Some(target) = target else { return json!({ "host": "", "port": 0, "user": "", "password": "" }) };
    let mut shown = json!({
        "host": target.host,
        "port": target.port,
        "user": target.user,
        "password": target.password.0,
        "security": security_json(target.security.as_ref()),
    });
    if let Some(checks) = target.session.get("foreign_key_checks").filter(|value| matches!(value.as_str(), "0" | "1")) {
        shown["session"] = json!({ "foreign_key_checks": checks });
    }
    shown
}

fn source_conf(instance: &MysqlInstance) -> Value {
    let mut shown = Map::new();
    shown.insert("source_name".into(), instance.source_id.as_str().into());
    if let Some(meta) = &instance.meta {
        shown.insert("binlog_name".into(), meta.binlog_name.as_str().into());
        shown.insert("binlog_pos".into(), meta.binlog_pos.into());
        shown.insert("binlog_gtid".into(), meta.binlog_gtid.as_str().into());
    }
    Value::Object(shown)
}

/// Filter rules by what they ignore, under names of their own.
#[derive(Default)]
struct Filters {
    by_name: BTreeMap<String, Value>,
}

impl Filters {
    fn name(&mut self, rule: &FilterRule) -> String {
        let shown = json!({ "ignore_event": rule.events, "ignore_sql": rule.sql_pattern });
        if let Some((name, _)) = self.by_name.iter().find(|(_, known)| **known == shown) {
            return name.clone();
        }
        let name = format!("filterRule-{}", self.by_name.len());
        self.by_name.insert(name.clone(), shown);
        name
    }
}

fn rules_of(task: &TaskConfig, instance: &MysqlInstance, filters: &mut Filters) -> Vec<Value> {
    let routes = instance.route_rules.iter().filter_map(|name| task.routes.get(name));
    let mut targets: Vec<(String, String, Option<&RouteRule>)> =
        routes.map(|route| (route.schema_pattern.clone(), route.table_pattern.clone(), Some(route))).collect();
    let list = task.block_allow_list.get(&instance.block_allow_list).cloned().unwrap_or_default();
    let dbs = list.do_dbs.iter().map(|schema| (schema.clone(), "*".to_owned()));
    let tables = list.do_tables.iter().map(|table| (table.db_name.clone(), table.tbl_name.clone()));
    for (schema, table) in dbs.chain(tables) {
        if !targets.iter().any(|(s, t, _)| *s == schema && *t == table) {
            targets.push((schema, table, None));
        }
    }
    let mut rules = Vec::new();
    for (schema, table, route) in targets {
        let names: Vec<String> = instance
            .filter_rules
            .iter()
            .filter_map(|name| task.filters.get(name))
            .filter(|rule| rule.action == "Ignore" && rule.schema_pattern == schema && rule.table_pattern == table)
            .map(|rule| filters.name(rule))
            .collect();
        let mut rule = json!({
            "source": { "source_name": instance.source_id, "schema": schema, "table": table },
        });
        if let Some(route) = route {
            rule["target"] = json!({ "schema": route.target_schema, "table": route.target_table });
        }
        if !names.is_empty() {
            rule["binlog_filter_rule"] = json!(names);
        }
        rules.push(rule);
    }
    rules
}
