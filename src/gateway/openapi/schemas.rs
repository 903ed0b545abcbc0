//! Schemas and tables of a source, those that a task migrates and where to, and the structures that it tracks.

use axum::http::StatusCode;
use mysql_async::prelude::Queryable;
use serde_json::json;

use super::{Answer, Call, Done, Fault, common, source_json, sources, tasks};
use crate::{
    commands::binlog_schema,
    config::{DbConfig, SubtaskConfig},
    error::{Code, DmError, Scope},
    gateway::master::Service,
    mysql::{self, ConnectOptions},
    pb::{self, SchemaOp},
    rules::{selector::Selector, task::TaskRules},
    schema::model::TableId,
    units::link,
};

/// Schemas that no task migrates.
const SYSTEM: [&str; 4] = ["mysql", "information_schema", "performance_schema", "sys"];

/// Runs an operation.
pub async fn run(service: &Service, name: &str, call: &Call) -> Done {
    let (source, schema) = (call.of("source-name"), call.of("schema-name"));
    match name {
        "getSourceSchemaList" => {
            let tables = tables(&sources::stored(service, source)?.from).await?;
            Ok(Answer::ok(json!(schemas_of(&tables))))
        }
        "getSourceTableList" => {
            let tables = tables(&sources::stored(service, source)?.from).await?;
            Ok(Answer::ok(json!(tables_in(&tables, schema))))
        }
        "getTaskSchemaList" => Ok(Answer::ok(json!(schemas_of(&migrated(service, call).await?.1)))),
        "getTaskTableList" => Ok(Answer::ok(json!(tables_in(&migrated(service, call).await?.1, schema)))),
        "getTaskTableStructure" => structure(service, call).await,
        "operateTableStructure" => set(service, call).await,
        _ => {
            operate(service, call, SchemaOp::RemoveSchema, |_| {}).await?;
            Ok(Answer::Empty(StatusCode::NO_CONTENT))
        }
    }
}

fn schemas_of(tables: &[TableId]) -> Vec<&str> {
    let mut names: Vec<&str> = tables.iter().map(|table| &*table.schema).collect();
    names.dedup();
    names
}

fn tables_in<'a>(tables: &'a [TableId], schema: &str) -> Vec<&'a str> {
    tables.iter().filter(|table| &*table.schema == schema).map(|table| &*table.name).collect()
}

/// The tables of a server, in order.
async fn tables(db: &DbConfig) -> Result<Vec<TableId>, DmError> {
    let mut conn = mysql::connect(db, Scope::Upstream, ConnectOptions::default()).await?;
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
               WHERE TABLE_TYPE = 'BASE TABLE' ORDER BY TABLE_SCHEMA, TABLE_NAME";
    let rows: Result<Vec<(String, String)>, _> = conn.query(sql).await;
    let rows = rows.map_err(|e| link::failed(Code::DBQueryFailed, Scope::Upstream, "list tables", &e))?;
    let _ = conn.disconnect().await;
    let shown = rows.iter().filter(|(schema, _)| !SYSTEM.contains(&schema.to_ascii_lowercase().as_str()));
    Ok(shown.map(|(schema, table)| TableId::new(schema.as_str(), table.as_str())).collect())
}

fn subtask(service: &Service, call: &Call) -> Result<SubtaskConfig, Fault> {
    let record = tasks::stored(service, call.of("task-name"))?;
    let source = call.of("source-name");
    let subtask = record.subtasks.get(source).map(|subtask| subtask.config.clone());
    subtask.ok_or_else(|| {
        DmError::new(Code::OpenAPITaskSourceNotFound)
            .msg(format!("source {source} not found in task {}", record.name))
            .into()
    })
}

/// What the task takes of the source's tables.
async fn migrated(service: &Service, call: &Call) -> Result<(TaskRules, Vec<TableId>), Fault> {
    let config = subtask(service, call)?;
    let rules = TaskRules::new(&config)?;
    let mut tables = tables(&config.from).await?;
    tables.retain(|table| rules.takes_rows(table));
    Ok((rules, tables))
}

/// Where the task's tables go.
pub async fn migrate_targets(service: &Service, call: &Call) -> Done {
    let (rules, tables) = migrated(service, call).await?;
    let pattern = |name: &str| call.one(name).filter(|text| !text.is_empty()).unwrap_or("*");
    let selector =
        |name: &str| Selector::new(pattern(name), false).map_err(|why| common(format!("{name} can't be used: {why}")));
    let (schemas, names) = (selector("schema_pattern")?, selector("table_pattern")?);
    let mut targets = Vec::new();
    for table in tables.iter().filter(|table| schemas.matches(&table.schema) && names.matches(&table.name)) {
        let to = rules.route(table)?;
        targets.push(json!({
            "source_schema": &*table.schema,
            "source_table": &*table.name,
            "target_schema": &*to.schema,
            "target_table": &*to.name,
        }));
    }
    Ok(Answer::list(targets))
}

async fn structure(service: &Service, call: &Call) -> Done {
    let text = operate(service, call, SchemaOp::GetSchema, |_| {}).await?;
    Ok(Answer::ok(json!({
        "schema_name": call.of("schema-name"),
        "table_name": call.of("table-name"),
        "schema_create_sql": text,
    })))
}

async fn set(service: &Service, call: &Call) -> Done {
    let body = &call.body;
    let (from, sql) = (body["schema_source"].as_str().unwrap_or("sql"), source_json::text(body, "sql_content"));
    match (from, sql.trim().is_empty()) {
        ("sql", true) => return Err(common("sql_content must be given when schema_source is sql")),
        ("upstream" | "downstream", false) => {
            return Err(common("sql_content must not be given when schema_source is upstream or downstream"));
        }
        _ => {}
    }
    operate(service, call, SchemaOp::SetSchema, |request| {
        request.schema = sql;
        request.from_source = from == "upstream";
        request.from_target = from == "downstream";
        request.flush = source_json::switch(body, "flush", true);
        request.sync = source_json::switch(body, "sync", true);
    })
    .await?;
    Ok(Answer::Empty(StatusCode::OK))
}

async fn operate(
    service: &Service,
    call: &Call,
    op: SchemaOp,
    fill: impl FnOnce(&mut pb::OperateSchemaRequest),
) -> Result<String, Fault> {
    subtask(service, call)?;
    let mut request = pb::OperateSchemaRequest {
        op: op as i32,
        task: call.of("task-name").into(),
        sources: vec![call.of("source-name").into()],
        database: call.of("schema-name").into(),
        table: call.of("table-name").into(),
        ..Default::default()
    };
    fill(&mut request);
    let reply = binlog_schema::apply(&*service.cluster, request).await;
    if !reply.result {
        return Err(Fault::Text(reply.msg));
    }
    match reply.sources.into_iter().next() {
        Some(source) if source.result => Ok(source.msg),
        Some(source) => Err(Fault::Text(source.msg)),
        None => Err(common("the source gave no answer")),
    }
}
