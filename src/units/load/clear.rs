//! Removes what a load has brought so far, where its rows are the only ones of a table.

use std::collections::BTreeSet;

use mysql_async::{Conn, prelude::Queryable};

use super::store::{Claimed, FileRow, Store};
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Result, Scope},
    mysql::within,
    schema::model::quote_name,
    units::link,
};

/// Removes all rows of an earlier dump: from tables that held nothing else; other tables need the operator.
pub async fn rows_of(config: &SubtaskConfig, store: &Store, conn: &mut Conn, claimed: &Claimed) -> Result<()> {
    let begun = claimed.files.iter().filter(|f| !f.file.ends_with("-schema.sql") && f.position > 0);
    let begun: BTreeSet<_> = begun.map(|f| (f.target_schema.as_str(), f.target_table.as_str())).collect();
    tables(config, store, conn, &claimed.files, &begun).await
}

/// Empties these target tables. An error, before anything is removed, when one held rows before the load or holds rows of
/// another source.
pub async fn tables(
    config: &SubtaskConfig,
    store: &Store,
    conn: &mut Conn,
    files: &[FileRow],
    begun: &BTreeSet<(&str, &str)>,
) -> Result<()> {
    let empty: BTreeSet<_> = files
        .iter()
        .filter(|f| f.file.ends_with("-schema.sql") && f.was_empty)
        .map(|f| (f.target_schema.as_str(), f.target_table.as_str()))
        .collect();
    for (schema, table) in begun {
        let name = format!("{}.{}", quote_name(schema), quote_name(table));
        if !empty.contains(&(*schema, *table)) || store.others_loaded(conn, schema, table).await? {
            return Err(cannot_replace(config, &name));
        }
    }
    if begun.is_empty() {
        return Ok(());
    }
    // While our transaction holds the state row nobody can take the source over and load into the tables.
    let mut other = link::connect(&config.to, &[], Scope::Downstream).await?;
    link::answered(&config.to, Scope::Downstream, "hold the load state", store.hold(conn)).await?;
    for (schema, table) in begun {
        let sql = format!("TRUNCATE TABLE {}.{}", quote_name(schema), quote_name(table));
        tracing::warn!(task = %config.name, %schema, %table, "rows of an earlier dump are removed");
        match within(config.to.answer_limit(), other.query_drop(&sql)).await {
            Err(e) if link::errno(&e) == 1146 => {}
            Err(e) => {
                let _ = conn.query_drop("ROLLBACK").await;
                return Err(link::failed(Code::DBExecuteFailed, Scope::Downstream, &sql, &e));
            }
            Ok(()) => {}
        }
    }
    let done = within(config.to.answer_limit(), conn.query_drop("COMMIT")).await;
    done.map_err(|e| link::failed(Code::DBExecuteFailed, Scope::Downstream, "remove rows of an earlier dump", &e))
}

fn cannot_replace(config: &SubtaskConfig, table: &str) -> DmError {
    DmError::new(Code::LoadTaskCheckPointNotMatch)
        .msg(format!(
            "task {} was loading another dump, and {table} held rows before it or holds rows of other sources, so that \
             dump's rows can't be told apart",
            config.name
        ))
        .workaround("Please empty the target tables of the task, then start it again with `--remove-meta`.")
}
