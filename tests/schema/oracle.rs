//! When a tracked expression and the server's differ in their text, the server itself says whether they mean the same:
//! a copy of the table gets the tracked definition, and must then show what the real one shows.

use mysql_async::prelude::Queryable;

use super::{
    catalogue,
    facts::{ColumnFacts, Given},
    rig::{Rig, answer, hex},
};

/// True when the column with the tracked definition reads like `server`'s. Err: the server takes no such definition.
pub async fn same(
    rig: &mut Rig,
    (schema, table): (&str, &str),
    tracked: &ColumnFacts,
    server: &ColumnFacts,
    sql_mode: u64,
) -> Result<bool, String> {
    let drop = "DROP TABLE IF EXISTS r_probe.probe";
    for prepare in ["CREATE DATABASE IF NOT EXISTS r_probe", drop, &format!("USE {}", name(schema))] {
        rig.look.query_drop(prepare).await.unwrap();
    }
    let like = format!("CREATE TABLE r_probe.probe LIKE {}.{}", name(schema), name(table));
    answer(rig.look.query_drop(&like).await)?;
    let alter = format!("ALTER TABLE r_probe.probe MODIFY COLUMN {}", definition(tracked));
    rig.look.query_drop(format!("SET sql_mode = {sql_mode}")).await.unwrap();
    let altered = answer(rig.look.query_drop(&alter).await);
    rig.look.query_drop("SET sql_mode = ''").await.unwrap();
    altered.map_err(|error| format!("{error}\n    {alter}"))?;
    let probe = catalogue::table(rig, "r_probe", "probe").await;
    let column = probe.and_then(|facts| facts.columns.into_iter().find(|column| column.name == tracked.name));
    rig.look.query_drop(drop).await.unwrap();
    Ok(column.is_some_and(|column| column.default == server.default && column.generated == server.generated))
}

fn name(text: &str) -> String {
    format!("`{}`", text.replace('`', "``"))
}

fn definition(column: &ColumnFacts) -> String {
    let mut sql = format!("{} {}", name(&column.name), column.ty);
    if !column.collation.is_empty() {
        sql.push_str(&format!(" COLLATE {}", column.collation));
    }
    if let Some((expression, stored)) = &column.generated {
        sql.push_str(&format!(" GENERATED ALWAYS AS ({expression}) {}", if *stored { "STORED" } else { "VIRTUAL" }));
        return sql;
    }
    sql.push_str(if column.nullable { " NULL" } else { " NOT NULL" });
    let digits = column.ty.split_once('(').map(|(_, rest)| format!("({rest}")).unwrap_or_default();
    match &column.default {
        Given::Nothing => {}
        Given::Literal(text) => sql.push_str(&format!(" DEFAULT {}", value(&column.ty, text))),
        Given::Now => sql.push_str(&format!(" DEFAULT CURRENT_TIMESTAMP{digits}")),
        Given::Expression(text) => sql.push_str(&format!(" DEFAULT ({text})")),
    }
    if column.on_update_now {
        sql.push_str(&format!(" ON UPDATE CURRENT_TIMESTAMP{digits}"));
    }
    sql
}

fn value(ty: &str, text: &str) -> String {
    if ty.starts_with("bit") {
        return text.to_owned();
    }
    if text == "zero" {
        return "'0000-00-00'".to_owned();
    }
    if text.is_empty() {
        return "''".to_owned();
    }
    format!("X'{}'", hex(text.as_bytes())).replace("X'", if ty.contains("binary") { "X'" } else { "_utf8mb4 X'" })
}
