//! `binlog-schema`: the structure that the checkpoint holds for a source table, shown, set or deleted.
//!
//! The checkpoint is what the next run starts from, so a change counts for the rows behind it. It is written under the
//! fence of checkpoints: a run that was started meanwhile loses its fence and starts again, with the new structure.

use mysql_async::{Conn, prelude::Queryable};
use serde::{Deserialize, Serialize};

use super::{
    checkpoint::{CheckpointText, TableRow},
    filter::Rules,
    progress::{CONTROL_LANE, MetaTables},
    start,
    target::Target,
    writer::{FencedWriter, Refused},
};
use crate::{
    error::{Code, DmError, Scope},
    schema::{
        create_text::create_text,
        load,
        model::{TableId, TableInfo, quote_text},
        table_info,
    },
    units::{UnitEnv, link},
};

/// What is wanted.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct StructureRequest {
    /// At the source.
    pub table: TableId,
    pub action: StructureAction,
    /// Written to the checkpoint; otherwise only the runs of the subtask on this worker know it.
    pub flush: bool,
}

/// What to do with a structure.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum StructureAction {
    /// Its text.
    Show,
    /// Set it to that of a CREATE TABLE text.
    Set { text: String },
    /// Set it to what the source has now.
    SetFromSource,
    /// Set it to what the target has now.
    SetFromTarget,
    /// Forget it: the next row or statement finds it anew.
    Delete,
}

impl StructureRequest {
    /// Whether the subtask must be paused for it.
    pub fn changes(&self) -> bool {
        self.action != StructureAction::Show
    }
}

/// Does it; returns the text of a shown structure, else nothing. Errors: 44005 nothing is tracked, 44009 no CREATE TABLE,
/// 44007 the target doesn't have the table.
pub async fn operate(env: &UnitEnv, request: &StructureRequest) -> Result<String, DmError> {
    let target = Target::probe(env.config.clone(), None).await?;
    let mut conn = target.connect().await?;
    let table = &request.table;
    let info = match &request.action {
        StructureAction::Show => {
            let shown = match env.unsaved.get(table) {
                Some(info) => info,
                None => stored(env, &target, &mut conn, table).await?,
            };
            return Ok(create_text(&shown));
        }
        StructureAction::Set { text } => parsed(env, text, table).await?,
        StructureAction::SetFromSource => from_source(env, table).await?,
        StructureAction::SetFromTarget => {
            let routed = Rules::new(&env.config)?.route(table)?;
            let found = load::fetch_table(&mut conn, &routed.schema, &routed.name).await;
            let found = found.map_err(|error| error.scope(Scope::Downstream))?;
            found.ok_or_else(|| super::structure::missing(&routed, table))?
        }
        StructureAction::Delete => {
            env.unsaved.forget(table);
            return store(env, &target, &mut conn, TableRow::Remove { table: table.clone() }).await;
        }
    };
    let info = TableInfo { schema: table.schema.clone(), name: table.name.clone(), ..info };
    if !request.flush {
        env.unsaved.put(table, info);
        return Ok(String::new());
    }
    let row = TableRow::Put { table: table.clone(), json: table_info::to_json(&info)? };
    store(env, &target, &mut conn, row).await?;
    env.unsaved.forget(table);
    Ok(String::new())
}

/// As a session of the source would read it.
async fn parsed(env: &UnitEnv, text: &str, table: &TableId) -> Result<TableInfo, DmError> {
    let mut conn = link::connect(&env.config.from, &[], Scope::Upstream).await?;
    let session = load::fetch_session(&mut conn).await.map_err(|error| error.scope(Scope::Upstream))?;
    let _ = conn.disconnect().await;
    load::parse_create_table(text.trim().trim_end_matches(';'), table, &session)
}

async fn from_source(env: &UnitEnv, table: &TableId) -> Result<TableInfo, DmError> {
    let mut conn = link::connect(&env.config.from, &[], Scope::Upstream).await?;
    let found = load::fetch_table(&mut conn, &table.schema, &table.name).await;
    let _ = conn.disconnect().await;
    found
        .map_err(|error| error.scope(Scope::Upstream))?
        .ok_or_else(|| unknown(table, "the source doesn't have the table").scope(Scope::Upstream))
}

async fn stored(env: &UnitEnv, target: &Target, conn: &mut Conn, table: &TableId) -> Result<TableInfo, DmError> {
    let tables = MetaTables::new(&env.config.meta_schema, &env.config.name);
    let sql = format!(
        "SELECT table_info FROM {} WHERE id = {} AND cp_schema = {} AND cp_table = {} AND is_global = 0",
        tables.checkpoint,
        quote_text(&env.config.source_id),
        quote_text(&table.schema),
        quote_text(&table.name)
    );
    let json: Option<String> = match conn.query_first(&sql).await {
        Ok(json) => json,
        // No checkpoint, no schema of checkpoints.
        Err(error) if matches!(link::errno(&error), 1146 | 1049) => None,
        Err(error) => return Err(target.query_error(&sql, &error)),
    };
    let info = json.map(|json| table_info::from_json(&table.schema, &json)).transpose()?.flatten();
    info.ok_or_else(|| {
        unknown(table, "the checkpoint holds no structure of it yet: its first row or statement finds it")
    })
}

fn unknown(table: &TableId, why: &str) -> DmError {
    DmError::new(Code::SchemaTrackerCannotGetTable)
        .msg(format!("cannot get the structure of {table}: {why}"))
        .cause(format!("Error 1146 (42S02): Table '{}.{}' doesn't exist", table.schema, table.name))
}

/// Writes a row of the checkpoint as the source's owner.
async fn store(env: &UnitEnv, target: &Target, conn: &mut Conn, row: TableRow) -> Result<String, DmError> {
    let config = &env.config;
    let tables = MetaTables::new(&config.meta_schema, &config.name);
    let source = quote_text(&config.source_id);
    let sql = format!("SELECT batch FROM {} WHERE source_id = {source} AND lane = {CONTROL_LANE}", tables.lanes);
    let batch: Option<u64> = match conn.query_first(&sql).await {
        Ok(batch) => batch,
        Err(error) if matches!(link::errno(&error), 1146 | 1049) => None,
        Err(error) => return Err(target.query_error(&sql, &error)),
    };
    let checkpoint = match batch {
        Some(_) => start::read_checkpoint(conn, target, &tables, config).await?,
        None => None,
    };
    let (Some(batch), Some(checkpoint)) = (batch, checkpoint) else {
        return Err(DmError::new(Code::SchemaTrackerCannotGetTable)
            .msg("the task has no checkpoint on the target yet, so there is nothing to change")
            .workaround("Please start the task once; it reads the structures by itself."));
    };
    let text =
        CheckpointText { tables: &tables, source_id: &config.source_id, at: &checkpoint.location, exit_safe: None };
    let mut writer = FencedWriter::new(target.clone(), &tables, &config.source_id, CONTROL_LANE, env.fence, batch);
    let written = writer.transact(text.table_row(&row).as_bytes(), None).await;
    written.map(|_| String::new()).map_err(|refused| match refused {
        Refused::Other(error) => error,
        Refused::Statement { error, .. } => target.exec_error("write a structure", &mysql_async::Error::Server(error)),
    })
}
