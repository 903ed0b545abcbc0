//! What is dumped: schemas, tables, their columns, and the chunks of big tables.

use std::collections::BTreeMap;

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{options::DumpOptions, row::ColumnKind};
use crate::{
    error::{Code, Result, Scope},
    rules::{BlockAllow, is_system_schema},
    schema::{ServerInfo, model::quote_name},
    units::link,
};

/// One table of the dump.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct TablePlan {
    pub schema: String,
    pub table: String,
    /// The server's guess.
    pub estimated_rows: u64,
    /// Columns with a stored value of their own (generated ones are left out), in order.
    pub columns: Vec<(String, ColumnKind)>,
    /// SHOW CREATE TABLE when the dump began.
    pub create_sql: String,
    /// An integer column that a primary or NOT NULL unique key begins with: big tables are split by it.
    pub split_column: Option<String>,
}

/// All that is dumped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DumpPlan {
    /// Schema and its CREATE DATABASE.
    pub schemas: Vec<(String, String)>,
    pub tables: Vec<TablePlan>,
    /// Names of views and sequences, which are not migrated.
    pub skipped: Vec<String>,
}

async fn rows(conn: &mut Conn, sql: &str) -> Result<Vec<Row>> {
    conn.query(sql).await.map_err(|e| link::failed(Code::DBQueryFailed, Scope::Upstream, sql, &e))
}

fn text(row: &Row, at: usize) -> String {
    row.get_opt::<String, _>(at).and_then(std::result::Result::ok).unwrap_or_default()
}

/// Reads the structures of everything that the lists let in.
pub async fn read(conn: &mut Conn, server: &ServerInfo, lists: &BlockAllow, options: &DumpOptions) -> Result<DumpPlan> {
    let mut plan = DumpPlan::default();
    let mut schemas: BTreeMap<String, bool> = BTreeMap::new();
    for row in rows(conn, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA").await? {
        let name = text(&row, 0);
        let whole = options.tables.is_empty() && (options.databases.is_empty() || options.databases.contains(&name));
        if !is_system_schema(&name) && lists.allows_schema(&name) && whole {
            schemas.insert(name, false);
        }
    }
    let listed = "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, IFNULL(TABLE_ROWS, 0) FROM information_schema.TABLES \
                  WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') \
                  ORDER BY TABLE_SCHEMA, TABLE_NAME";
    for row in rows(conn, listed).await? {
        let (schema, table, kind) = (text(&row, 0), text(&row, 1), text(&row, 2));
        if is_system_schema(&schema) || !lists.allows(&schema, &table) || !options.selects(&schema, &table) {
            // A schema of which no table is dumped is not created either.
            schemas.entry(schema).and_modify(|has_tables| *has_tables = true);
            continue;
        }
        if !matches!(kind.as_str(), "BASE TABLE" | "SYSTEM VERSIONED") {
            plan.skipped.push(format!("{}.{} ({})", quote_name(&schema), quote_name(&table), kind.to_lowercase()));
            continue;
        }
        plan.tables.push(TablePlan {
            schema,
            table,
            estimated_rows: row.get_opt::<u64, _>(3).and_then(std::result::Result::ok).unwrap_or(0),
            columns: Vec::new(),
            create_sql: String::new(),
            split_column: None,
        });
    }
    schemas.retain(|name, has_tables| !*has_tables || plan.tables.iter().any(|t| t.schema == *name));
    for table in &plan.tables {
        schemas.insert(table.schema.clone(), true);
    }
    for (schema, _) in schemas {
        let created = rows(conn, &format!("SHOW CREATE DATABASE {}", quote_name(&schema))).await?;
        let sql = created.first().map(|row| text(row, 1)).unwrap_or_default();
        plan.schemas.push((schema, sql));
    }
    // JSON_TABLE over a column of the row.
    let json_types = !server.is_mariadb() && server.version >= 80_014;
    read_structures(conn, &mut plan, json_types).await?;
    Ok(plan)
}

async fn read_structures(conn: &mut Conn, plan: &mut DumpPlan, json_types: bool) -> Result<()> {
    let mut by_name: BTreeMap<(String, String), &mut TablePlan> = BTreeMap::new();
    let mut list: Vec<String> = Vec::new();
    for table in &mut plan.tables {
        let quoted = format!("'{}'", table.schema.replace('\\', "\\\\").replace('\'', "''"));
        if !list.contains(&quoted) {
            list.push(quoted);
        }
        by_name.insert((table.schema.clone(), table.table.clone()), table);
    }
    if list.is_empty() {
        return Ok(());
    }
    let inside = format!("TABLE_SCHEMA IN ({})", list.join(", "));
    let columns = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, EXTRA, COLUMN_TYPE, IFNULL(CHARACTER_SET_NAME, '') \
         FROM information_schema.COLUMNS WHERE {inside} ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
    );
    let mut integers: BTreeMap<(String, String), Vec<String>> = BTreeMap::new();
    for row in rows(conn, &columns).await? {
        let key = (text(&row, 0), text(&row, 1));
        let Some(table) = by_name.get_mut(&key) else { continue };
        let (name, data_type, extra) = (text(&row, 2), text(&row, 3).to_lowercase(), text(&row, 4).to_uppercase());
        if extra.replace("DEFAULT_GENERATED", "").contains("GENERATED") {
            continue;
        }
        if data_type.ends_with("int") || data_type == "integer" {
            integers.entry(key).or_default().push(name.clone());
        }
        let (column_type, charset) = (text(&row, 5).to_lowercase(), text(&row, 6));
        table.columns.push((name, ColumnKind::of(&data_type, &column_type, &charset, json_types)));
    }
    let keys = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, INDEX_NAME FROM information_schema.STATISTICS WHERE {inside} AND \
         NON_UNIQUE = 0 AND SEQ_IN_INDEX = 1 AND IFNULL(NULLABLE, '') <> 'YES' ORDER BY INDEX_NAME <> 'PRIMARY', INDEX_NAME"
    );
    for row in rows(conn, &keys).await? {
        let key = (text(&row, 0), text(&row, 1));
        let column = text(&row, 2);
        let integer = integers.get(&key).is_some_and(|names| names.contains(&column));
        if let Some(table) = by_name.get_mut(&key).filter(|t| integer && t.split_column.is_none()) {
            table.split_column = Some(column);
        }
    }
    for table in by_name.into_values() {
        table.create_sql = show_create(conn, &table.schema, &table.table).await?;
    }
    Ok(())
}

/// SHOW CREATE TABLE without the counter that moves with every row.
pub async fn show_create(conn: &mut Conn, schema: &str, table: &str) -> Result<String> {
    let sql = format!("SHOW CREATE TABLE {}.{}", quote_name(schema), quote_name(table));
    let created = rows(conn, &sql).await?;
    Ok(created.first().map(|row| text(row, 1)).unwrap_or_default())
}

/// The same structure, whatever the next auto-increment value is.
pub fn same_structure(a: &str, b: &str) -> bool {
    fn strip(sql: &str) -> (&str, &str) {
        let tail = sql.rfind("\n)").unwrap_or(0);
        match sql[tail..].find(" AUTO_INCREMENT=") {
            Some(at) => {
                let rest = &sql[tail + at + 16..];
                (&sql[..tail + at], rest.trim_start_matches(|c: char| c.is_ascii_digit()))
            }
            None => (sql, ""),
        }
    }
    let ((a1, a2), (b1, b2)) = (strip(a), strip(b));
    a1.len() + a2.len() == b1.len() + b2.len() && a1.chars().chain(a2.chars()).eq(b1.chars().chain(b2.chars()))
}

/// The conditions that split a table's rows: consecutive ranges of the split column. One empty condition: not split.
pub async fn chunk_conditions(conn: &mut Conn, table: &TablePlan, options: &DumpOptions) -> Result<Vec<String>> {
    let Some(column) = table.split_column.as_deref().filter(|_| options.rows > 0) else {
        return Ok(vec![String::new()]);
    };
    if table.estimated_rows <= options.rows {
        return Ok(vec![String::new()]);
    }
    let column = quote_name(column);
    let sql = format!(
        "SELECT CAST(MIN({column}) AS CHAR), CAST(MAX({column}) AS CHAR) FROM {}.{}",
        quote_name(&table.schema),
        quote_name(&table.table)
    );
    let bounds = rows(conn, &sql).await?;
    let bound = |at: usize| bounds.first().and_then(|row| text(row, at).parse::<i128>().ok());
    let (Some(min), Some(max)) = (bound(0), bound(1)) else { return Ok(vec![String::new()]) };
    Ok(ranges(&column, min, max, table.estimated_rows.div_ceil(options.rows)))
}

fn ranges(column: &str, min: i128, max: i128, wanted: u64) -> Vec<String> {
    const MOST_CHUNKS: i128 = 100_000;
    let count = i128::from(wanted).clamp(1, MOST_CHUNKS);
    let width = ((max - min + 1) + count - 1) / count;
    if count == 1 || width <= 0 {
        return vec![String::new()];
    }
    // The first and the last chunk are open, so that no row can fall beside them.
    let mut cuts = Vec::new();
    let mut cut = min + width;
    while cut <= max {
        cuts.push(cut);
        cut += width;
    }
    let mut out = Vec::new();
    for (i, cut) in cuts.iter().enumerate() {
        match i {
            0 => out.push(format!("{column} < {cut}")),
            _ => out.push(format!("{column} >= {} AND {column} < {cut}", cuts[i - 1])),
        }
    }
    match cuts.last() {
        Some(last) => out.push(format!("{column} >= {last}")),
        None => out.push(String::new()),
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ranges_cover_everything_once() {
        assert_eq!(ranges("a", 1, 10, 1), vec![""]);
        assert_eq!(ranges("a", 1, 10, 3), vec!["a < 5", "a >= 5 AND a < 9", "a >= 9"]);
        assert_eq!(ranges("a", 7, 7, 5), vec![""]);
        let wide = ranges("a", 0, i128::from(u64::MAX), 2);
        assert_eq!(wide, vec!["a < 9223372036854775808", "a >= 9223372036854775808"]);
        assert_eq!(ranges("a", -3, 2, 2), vec!["a < 0", "a >= 0"]);
    }

    #[test]
    fn a_moving_counter_is_no_change() {
        let a = "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=5 DEFAULT CHARSET=latin1";
        let b = "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB DEFAULT CHARSET=latin1";
        let c = "CREATE TABLE `t` (\n  `a` int\n) ENGINE=InnoDB AUTO_INCREMENT=123 DEFAULT CHARSET=latin1";
        assert!(same_structure(a, b) && same_structure(a, c));
        assert!(!same_structure(a, &b.replace("int", "bit")));
    }
}
