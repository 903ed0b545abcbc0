//! `start-task --remove-meta`: forgets what an earlier run of the task stored (meta table facts, section 1).

use mysql_async::prelude::Queryable;

use super::{dump::files, ill_formed::Keeper, link};
use crate::{
    config::{SubtaskConfig, subtask::TaskMode},
    error::{Code, Result, Scope},
    schema::model::quote_name,
};

/// Suffixes of the task's tables in the meta schema: DM's nine, then ours.
const TABLES: [&str; 14] = [
    "_syncer_checkpoint",
    "_lightning_checkpoint_list",
    "_loader_checkpoint",
    "_onlineddl",
    "_syncer_sharding_meta",
    "_validator_checkpoint",
    "_validator_pending_change",
    "_validator_error_change",
    "_validator_table_status",
    "_load_progress",
    "_load_state",
    "_lane_progress",
    "_ddl_intent",
    "_source_state",
];

/// Drops the task's meta tables on the target and the dump folder on this machine. Every source of the task is
/// forgotten with the tables, so call it before any of them starts. What is missing is no error.
pub async fn remove_meta(config: &SubtaskConfig) -> Result<()> {
    let mut conn = link::connect(&config.to, &[], Scope::Downstream).await?;
    let schema = quote_name(&config.meta_schema);
    let tables = TABLES.map(|suffix| format!("{schema}.{}", quote_name(&format!("{}{suffix}", config.name))));
    let lightning = quote_name(&format!("{}_{}", config.meta_schema, config.name));
    let known: Option<u8> = conn
        .exec_first("SELECT 1 FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = ?", (&config.meta_schema,))
        .await
        .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, "look for the meta schema", &e))?;
    let mut statements = vec![format!("DROP DATABASE IF EXISTS {lightning}")];
    if known.is_some() {
        // Those through which ill-formed text goes, by their columns' types.
        let texts: Vec<String> = conn
            .exec(
                "SELECT TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = ? AND TABLE_TYPE = 'BASE TABLE'",
                (&config.meta_schema,),
            )
            .await
            .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, "look for the meta tables", &e))?;
        let own = texts.iter().filter(|name| Keeper::is_stage(&config.name, name));
        statements.extend(own.map(|name| format!("DROP TABLE IF EXISTS {schema}.{}", quote_name(name))));
        statements.extend(tables.iter().map(|table| format!("DROP TABLE IF EXISTS {table}")));
    }
    for sql in statements {
        conn.query_drop(&sql).await.map_err(|e| link::failed(Code::DBExecuteFailed, Scope::Downstream, &sql, &e))?;
    }
    if matches!(config.mode, TaskMode::Full | TaskMode::All | TaskMode::Dump) {
        files::remove_own(std::path::Path::new(&config.loader.dir))?;
    }
    Ok(())
}
