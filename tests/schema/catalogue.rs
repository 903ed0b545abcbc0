//! A table as information_schema tells it, by queries of our own: nothing here is shared with the code under test.

use std::collections::BTreeMap;

use mysql_async::{Row, prelude::Queryable};

use super::{
    facts::{self, ColumnFacts, Given, TableFacts},
    rig::{Rig, texts},
};

type Cells = Vec<Option<String>>;

/// Schema and name of every table that holds rows, of the schemas that tests use.
pub async fn tables(rig: &mut Rig, schemas: &[&str]) -> Vec<(String, String)> {
    let schemas: Vec<String> = schemas.iter().map(|schema| format!("'{schema}'")).collect();
    let query = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA IN ({}) AND TABLE_TYPE NOT IN ('VIEW', 'SEQUENCE', 'TEMPORARY')",
        schemas.join(", ")
    );
    let mut names: Vec<(String, String)> =
        rig.query(&query).await.into_iter().map(|row| (cell(&row, 0), cell(&row, 1))).collect();
    names.sort();
    names
}

/// One table; None when it isn't there.
pub async fn table(rig: &mut Rig, schema: &str, name: &str) -> Option<TableFacts> {
    let query = query(rig, schema, name);
    let mut results =
        rig.look.query_iter(&query).await.unwrap_or_else(|error| panic!("{}: {error}\n{query}", rig.label));
    let mut sets: Vec<Vec<Cells>> = Vec::new();
    for _ in 0..5 {
        let rows: Vec<Row> = results.collect().await.unwrap();
        sets.push(rows.into_iter().map(texts).collect());
    }
    drop(results);
    let mut sets = sets.into_iter();
    let [own, columns, keys, references, partitions] = std::array::from_fn(|_| sets.next().unwrap_or_default());
    let own = own.first()?;
    let mariadb = rig.is_mariadb();
    let mut facts =
        TableFacts { columns: columns.iter().map(|row| column(row, mariadb)).collect(), ..Default::default() };
    let collation = facts::charset_text(&cell(own, 1));
    let charset = collation.split('_').next().unwrap_or("").to_owned();
    facts.lines.insert(facts::table(&charset, &collation, &cell(own, 0), &cell(own, 2)));
    facts.lines.extend(key_lines(&keys));
    facts.lines.extend(reference_lines(&references));
    facts.lines.extend(partition_lines(&partitions));
    Some(facts)
}

fn query(rig: &Rig, schema: &str, name: &str) -> String {
    let (mariadb, version) = (rig.is_mariadb(), rig.version());
    let generated = if mariadb || version >= 50_700 { "IFNULL(GENERATION_EXPRESSION, '')" } else { "''" };
    let hidden = match (mariadb, version) {
        (true, 100_600..) => "IGNORED = 'YES'",
        (false, 80_000..) => "IS_VISIBLE = 'NO'",
        _ => "0",
    };
    let expression = if !mariadb && version >= 80_013 { "EXPRESSION" } else { "NULL" };
    let quoted = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "''"));
    let is = format!("TABLE_SCHEMA = {} AND TABLE_NAME = {}", quoted(schema), quoted(name));
    format!(
        "SELECT ENGINE, TABLE_COLLATION, TABLE_COMMENT FROM information_schema.TABLES WHERE {is}; \
         SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, CHARACTER_SET_NAME, COLLATION_NAME, EXTRA, \
         COLUMN_COMMENT, {generated} FROM information_schema.COLUMNS WHERE {is} ORDER BY ORDINAL_POSITION; \
         SELECT INDEX_NAME, NON_UNIQUE, COLUMN_NAME, SUB_PART, COLLATION, INDEX_TYPE, INDEX_COMMENT, {hidden}, \
         {expression} FROM information_schema.STATISTICS WHERE {is} ORDER BY BINARY INDEX_NAME, SEQ_IN_INDEX; \
         SELECT CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME \
         FROM information_schema.KEY_COLUMN_USAGE WHERE {is} AND REFERENCED_TABLE_NAME IS NOT NULL \
         ORDER BY BINARY CONSTRAINT_NAME, ORDINAL_POSITION; \
         SELECT PARTITION_NAME, SUBPARTITION_NAME, PARTITION_METHOD, SUBPARTITION_METHOD, PARTITION_EXPRESSION, \
         SUBPARTITION_EXPRESSION, PARTITION_DESCRIPTION, PARTITION_COMMENT, PARTITION_ORDINAL_POSITION \
         FROM information_schema.PARTITIONS WHERE {is} AND PARTITION_NAME IS NOT NULL"
    )
}

fn cell(row: &Cells, at: usize) -> String {
    row.get(at).cloned().flatten().unwrap_or_default()
}

fn column(row: &Cells, mariadb: bool) -> ColumnFacts {
    let extra = cell(row, 6).to_ascii_uppercase();
    let ty = facts::type_text(&cell(row, 1));
    let expression = cell(row, 8);
    let generated = extra.contains("VIRTUAL") || extra.contains("STORED GENERATED") || extra.contains("PERSISTENT");
    let default = match row.get(3).cloned().flatten() {
        None => Given::Nothing,
        Some(text) if mariadb => mariadb_default(&ty, &text),
        Some(text) => mysql_default(&ty, &text, &extra),
    };
    ColumnFacts {
        name: cell(row, 0),
        nullable: cell(row, 2) == "YES",
        charset: facts::charset_text(&cell(row, 4)),
        collation: facts::charset_text(&cell(row, 5)),
        default: if generated { Given::Nothing } else { default },
        generated: generated.then(|| (expression, !extra.contains("VIRTUAL"))),
        auto_increment: extra.contains("AUTO_INCREMENT"),
        on_update_now: extra.contains("ON UPDATE"),
        invisible: extra.contains("INVISIBLE"),
        comment: cell(row, 7),
        ty,
    }
}

/// MySQL prints values without quotes, and says elsewhere whether it is an expression.
fn mysql_default(ty: &str, text: &str, extra: &str) -> Given {
    let time = ty.starts_with("timestamp") || ty.starts_with("datetime");
    if time && text.to_ascii_uppercase().starts_with("CURRENT_TIMESTAMP") {
        Given::Now
    } else if extra.contains("DEFAULT_GENERATED") {
        Given::Expression(text.to_owned())
    } else {
        Given::Literal(facts::literal(ty, text))
    }
}

/// MariaDB prints SQL.
fn mariadb_default(ty: &str, text: &str) -> Given {
    let quoted = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let number = text.parse::<f64>().is_ok() || text.starts_with("b'");
    match quoted {
        Some(inner) => Given::Literal(facts::literal(ty, &inner.replace("''", "'").replace("\\\\", "\\"))),
        None if text == "NULL" => Given::Nothing,
        None if text.starts_with("x'") && text.ends_with('\'') => {
            Given::Literal(facts::literal(ty, &format!("0x{}", &text[2..text.len() - 1])))
        }
        None if number => Given::Literal(facts::literal(ty, text)),
        None if text.starts_with("current_timestamp(") && text.ends_with(')') => Given::Now,
        None => Given::Expression(text.to_owned()),
    }
}

fn key_lines(rows: &[Cells]) -> Vec<String> {
    let mut keys: BTreeMap<String, Vec<&Cells>> = BTreeMap::new();
    for row in rows {
        keys.entry(cell(row, 0)).or_default().push(row);
    }
    let line = |(name, rows): (String, Vec<&Cells>)| {
        let first = rows.first().copied().cloned().unwrap_or_default();
        let kind = match &*cell(&first, 5) {
            "BTREE" | "HASH" => "ordinary".to_owned(),
            other => other.to_ascii_lowercase(),
        };
        let part = |row: &&Cells| {
            let prefix = cell(row, 3).parse().ok().filter(|_| kind == "ordinary");
            let column = match row.get(8).cloned().flatten() {
                Some(expression) => facts::key_expression(&expression),
                None => cell(row, 2),
            };
            facts::part(&column, prefix, cell(row, 4) == "D")
        };
        let parts: Vec<String> = rows.iter().map(part).collect();
        facts::key(&name, cell(&first, 1) == "0", &kind, &parts, cell(&first, 7) == "1", &cell(&first, 6))
    };
    keys.into_iter().map(line).collect()
}

fn reference_lines(rows: &[Cells]) -> Vec<String> {
    let mut keys: BTreeMap<String, Vec<&Cells>> = BTreeMap::new();
    for row in rows {
        keys.entry(cell(row, 0)).or_default().push(row);
    }
    let line = |(name, rows): (String, Vec<&Cells>)| {
        let columns: Vec<String> = rows.iter().map(|row| cell(row, 1)).collect();
        let parents: Vec<String> = rows.iter().map(|row| cell(row, 4)).collect();
        let first = rows.first().copied().cloned().unwrap_or_default();
        facts::foreign_key(&name, &columns, (&cell(&first, 2), &cell(&first, 3)), &parents)
    };
    keys.into_iter().map(line).collect()
}

fn partition_lines(rows: &[Cells]) -> Vec<String> {
    let Some(first) = rows.first() else { return Vec::new() };
    // Of versions of rows the expression is the server's own.
    let versions = cell(first, 2) == "SYSTEM_TIME";
    let expression = if versions { String::new() } else { cell(first, 4) };
    let mut lines = vec![facts::partitioning("partitioned", &cell(first, 2), &expression)];
    if !cell(first, 3).is_empty() {
        lines.push(facts::partitioning("subpartitioned", &cell(first, 3), &cell(first, 5)));
    }
    for row in rows {
        let at = cell(row, 8).parse().unwrap_or(0);
        let values = if versions && cell(row, 6) != "CURRENT" { String::new() } else { cell(row, 6) };
        lines.push(facts::partition(at, &cell(row, 0), &cell(row, 1), &values, &cell(row, 7)));
    }
    lines
}
