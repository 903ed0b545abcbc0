//! JSON columns whose documents a dump can't tell exactly: MySQL before 8.0.14 prints decimals, dates and binary data of
//! JSON as numbers and strings, and can't be asked in bulk what they are (decision 13). Changes have no such limit.

use std::collections::BTreeMap;

use super::{
    report::Outcome,
    source::Source,
    tables::{Tables, rows, text},
};
use crate::{
    error::{Result, Scope},
    schema::model::quote_name,
};

/// MySQL from this version on tells the dump what the text of a document doesn't.
const TELLS_TYPES: u32 = 80_014;

/// The outcome; None when no migrated table is concerned, so that DM's report stays what it is.
pub async fn inexact(source: &mut Source<'_>, tables: &Tables) -> Result<Option<Outcome>> {
    if source.server.is_mariadb() || source.server.version >= TELLS_TYPES {
        return Ok(None);
    }
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE DATA_TYPE = 'json' \
               ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION";
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for row in rows(&mut source.conn, Scope::Upstream, sql).await? {
        let (schema, table) = (text(&row, 0), text(&row, 1));
        if tables.contains_key(&(schema.clone(), table.clone())) {
            let name = format!("{}.{}", quote_name(&schema), quote_name(&table));
            found.entry(name).or_default().push(text(&row, 2));
        }
    }
    if found.is_empty() {
        return Ok(None);
    }
    let mut out = Outcome::new(
        "JSON documents check",
        "check whether a dump can tell the types inside JSON documents",
        source.address.clone(),
    );
    for (name, columns) in found {
        out.warn(
            format!(
                "table {name}: the dump of MySQL before 8.0.14 prints decimals inside JSON as doubles, dates and binary data as \
                 strings, and 1.0 as 1: {}",
                columns.join(", ")
            ),
            "Please dump from a replica of MySQL 8.0.14 or later if documents hold such values; documents that were written as \
             JSON text hold none but doubles like 1.0. Changes of the binlog are exact.",
        );
    }
    Ok(Some(out))
}
