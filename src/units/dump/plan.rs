//! What is dumped: schemas, tables, their columns, and the chunks of big tables.

use std::{
    collections::BTreeMap,
    sync::{Mutex, PoisonError},
};

use futures::future::try_join_all;
use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    bounds,
    document::TypesBy,
    keys::{self, SplitKey},
    options::DumpOptions,
    row::ColumnKind,
    snapshot,
};
use crate::{
    config::DbConfig,
    error::{Code, DmError, Result, Scope},
    mysql::RowConn,
    rules::{BlockAllow, is_system_schema},
    schema::{ServerInfo, load::in_schemas, model::quote_name},
    units::link,
};

/// One table of the dump.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TablePlan {
    pub schema: String,
    pub table: String,
    /// The server's guesses.
    pub estimated_rows: u64,
    pub estimated_bytes: u64,
    pub engine: String,
    /// CREATE_TIME, in UTC; empty where it wasn't asked for.
    pub created: String,
    /// It was made before the second in which it was asked for, so what is made, or renamed, later has another time.
    pub is_settled: bool,
    /// Columns with a stored value of their own (generated ones are left out), in order.
    pub columns: Vec<(String, ColumnKind)>,
    /// SHOW CREATE TABLE when the dump began.
    pub create_sql: String,
    /// There is a primary or NOT NULL unique key: rows can be told apart.
    pub has_key: bool,
    /// The first such key whose values have literals: big tables are split by it.
    pub key: Option<SplitKey>,
}

impl TablePlan {
    /// For people.
    pub fn name(&self) -> String {
        format!("{}.{}", quote_name(&self.schema), quote_name(&self.table))
    }

    /// Rows may be in partitions (a comment that says so counts).
    pub fn is_partitioned(&self) -> bool {
        self.create_sql.contains("PARTITION BY")
    }
}

/// All that is dumped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct DumpPlan {
    /// Schema and its CREATE DATABASE.
    pub schemas: Vec<(String, String)>,
    pub tables: Vec<TablePlan>,
    /// Schema, name and CREATE statements, when they are wanted.
    pub views: Vec<(String, String, String)>,
    pub sequences: Vec<(String, String, String)>,
    /// Names of views and sequences that are not dumped.
    pub skipped: Vec<String>,
}

/// All rows of a query to the source.
pub async fn rows(conn: &mut Conn, sql: &str) -> Result<Vec<Row>> {
    conn.query(sql).await.map_err(|e| link::failed(Code::DBQueryFailed, Scope::Upstream, sql, &e))
}

/// A column as text; empty: NULL, or no text.
pub fn text(row: &Row, at: usize) -> String {
    row.get_opt::<String, _>(at).and_then(std::result::Result::ok).unwrap_or_default()
}

/// Reads the structures of everything that the lists let in.
pub async fn read(
    db: &DbConfig,
    conn: &mut Conn,
    server: &ServerInfo,
    lists: &BlockAllow,
    options: &DumpOptions,
) -> Result<DumpPlan> {
    let mut plan = DumpPlan::default();
    let mut schemas: BTreeMap<String, bool> = BTreeMap::new();
    for row in rows(conn, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA").await? {
        let name = text(&row, 0);
        let whole = options.tables.is_empty() && (options.databases.is_empty() || options.databases.contains(&name));
        if !is_system_schema(&name) && lists.allows_schema(&name) && whole {
            schemas.insert(name, false);
        }
    }
    let (tables, others) = tables(conn, lists, options, Figures::Wanted).await?;
    plan.tables = tables;
    for (schema, kind) in others {
        match kind {
            // A schema of which no table is dumped is not created either.
            Other::Filtered => drop(schemas.entry(schema).and_modify(|has_tables| *has_tables = true)),
            Other::NoTable { name, kind } if options.views && kind == "VIEW" => {
                let sql = create_view(conn, &schema, &name).await?;
                plan.views.push((schema, name, sql));
            }
            Other::NoTable { name, kind } if options.views && kind == "SEQUENCE" => {
                let sql = create_sequence(conn, &schema, &name).await?;
                plan.sequences.push((schema, name, sql));
            }
            Other::NoTable { name, kind } => {
                let kind = kind.to_lowercase();
                plan.skipped.push(format!("{}.{} ({kind})", quote_name(&schema), quote_name(&name)));
            }
        }
    }
    schemas.retain(|name, has_tables| !*has_tables || plan.tables.iter().any(|t| t.schema == *name));
    for (schema, ..) in plan.views.iter().chain(&plan.sequences) {
        schemas.insert(schema.clone(), true);
    }
    for table in &plan.tables {
        schemas.insert(table.schema.clone(), true);
    }
    for (schema, _) in schemas {
        let created = rows(conn, &format!("SHOW CREATE DATABASE {}", quote_name(&schema))).await?;
        let sql = created.first().map(|row| text(row, 1)).unwrap_or_default();
        plan.schemas.push((schema, sql));
    }
    read_structures(conn, server, &mut plan, TypesBy::of(server)).await?;
    show_all(db, conn, server, &mut plan.tables).await?;
    Ok(plan)
}

/// CREATE VIEW without who made it, whom the target may not know.
async fn create_view(conn: &mut Conn, schema: &str, view: &str) -> Result<String> {
    let shown = rows(conn, &format!("SHOW CREATE VIEW {}.{}", quote_name(schema), quote_name(view))).await?;
    let sql = shown.first().map(|row| text(row, 1)).unwrap_or_default();
    Ok(without_definer(&sql))
}

/// `CREATE ALGORITHM=.. DEFINER=`u`@`h` SQL SECURITY DEFINER VIEW` without the definer, and run with the caller's rights.
fn without_definer(sql: &str) -> String {
    let Some(start) = sql.find(" DEFINER=") else { return sql.to_owned() };
    let Some(end) = sql[start..].find(" SQL SECURITY ").map(|at| start + at) else { return sql.to_owned() };
    let rest = sql[end..].replacen(" SQL SECURITY DEFINER", " SQL SECURITY INVOKER", 1);
    format!("{}{rest}", &sql[..start])
}

/// CREATE SEQUENCE and the value that comes next.
async fn create_sequence(conn: &mut Conn, schema: &str, sequence: &str) -> Result<String> {
    let name = format!("{}.{}", quote_name(schema), quote_name(sequence));
    let shown = rows(conn, &format!("SHOW CREATE SEQUENCE {name}")).await?;
    let sql = shown.first().map(|row| text(row, 1)).unwrap_or_default();
    let next = rows(conn, &format!("SELECT next_not_cached_value FROM {name}")).await?;
    let next = next.first().map(|row| text(row, 0)).unwrap_or_default();
    Ok(format!("{sql};\nSELECT SETVAL({}, {next}, 0)", quote_name(sequence)))
}

/// What is no table of the dump.
pub enum Other {
    Filtered,
    /// A view or sequence; `kind` as the server names it.
    NoTable {
        name: String,
        kind: String,
    },
}

/// Whether numbers of rows and bytes are asked for: MySQL before 8 and MariaDB open every table to tell them.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Figures {
    Wanted,
    Unknown,
}

/// The tables that the lists let in, without their structures; and what else there is, by schema.
pub async fn tables(
    conn: &mut Conn,
    lists: &BlockAllow,
    options: &DumpOptions,
    figures: Figures,
) -> Result<(Vec<TablePlan>, Vec<(String, Other)>)> {
    let (mut out, mut others) = (Vec::new(), Vec::new());
    let numbers = if figures == Figures::Wanted {
        "IFNULL(TABLE_ROWS, 0), IFNULL(DATA_LENGTH, 0), IFNULL(CREATE_TIME, ''), IFNULL(CREATE_TIME < NOW(), 0)"
    } else {
        "0, 0, '', 0"
    };
    let listed = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, {numbers}, IFNULL(ENGINE, '') \
         FROM information_schema.TABLES \
         WHERE TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys') \
         ORDER BY TABLE_SCHEMA, TABLE_NAME"
    );
    for row in rows(conn, &listed).await? {
        let (schema, table, kind) = (text(&row, 0), text(&row, 1), text(&row, 2));
        if is_system_schema(&schema) || !lists.allows(&schema, &table) || !options.selects(&schema, &table) {
            others.push((schema, Other::Filtered));
            continue;
        }
        if !matches!(kind.as_str(), "BASE TABLE" | "SYSTEM VERSIONED") {
            others.push((schema, Other::NoTable { name: table, kind }));
            continue;
        }
        let number = |at: usize| row.get_opt::<u64, _>(at).and_then(std::result::Result::ok).unwrap_or(0);
        out.push(TablePlan {
            schema,
            table,
            estimated_rows: number(3),
            estimated_bytes: number(4),
            created: text(&row, 5),
            is_settled: number(6) != 0,
            engine: text(&row, 7),
            ..TablePlan::default()
        });
    }
    Ok((out, others))
}

async fn read_structures(
    conn: &mut Conn,
    server: &ServerInfo,
    plan: &mut DumpPlan,
    json_types: Option<TypesBy>,
) -> Result<()> {
    let mut by_name: BTreeMap<(String, String), &mut TablePlan> = BTreeMap::new();
    for table in &mut plan.tables {
        by_name.insert((table.schema.clone(), table.table.clone()), table);
    }
    if by_name.is_empty() {
        return Ok(());
    }
    let inside = in_schemas("TABLE_SCHEMA", by_name.keys().map(|(schema, _)| schema.as_str()));
    let columns = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, DATA_TYPE, EXTRA, COLUMN_TYPE, IFNULL(CHARACTER_SET_NAME, ''), \
         IFNULL(COLLATION_NAME, '') \
         FROM information_schema.COLUMNS WHERE {inside} ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
    );
    let mut types: BTreeMap<(String, String), keys::ColumnTypes> = BTreeMap::new();
    for row in rows(conn, &columns).await? {
        let key = (text(&row, 0), text(&row, 1));
        let Some(table) = by_name.get_mut(&key) else { continue };
        let (name, data_type, extra) = (text(&row, 2), text(&row, 3).to_lowercase(), text(&row, 4).to_uppercase());
        let (column_type, charset) = (text(&row, 5).to_lowercase(), text(&row, 6));
        types.entry(key).or_default().insert(
            name.clone(),
            keys::ColumnType {
                data_type: data_type.clone(),
                column_type: column_type.clone(),
                charset: charset.clone(),
                collation: text(&row, 7),
            },
        );
        if extra.replace("DEFAULT_GENERATED", "").contains("GENERATED") {
            continue;
        }
        table.columns.push((name, ColumnKind::of(&data_type, &column_type, &charset, json_types)));
    }
    keys::read(conn, server, &inside, &mut by_name, &types).await
}

/// So many tables are worth one more connection, up to a number of those.
const TABLES_A_CONNECTION: usize = 200;
const MOST_CONNECTIONS: usize = 4;

/// Asks for the CREATE TABLE of every table, of many tables over several connections.
async fn show_all(db: &DbConfig, conn: &mut Conn, server: &ServerInfo, tables: &mut [TablePlan]) -> Result<()> {
    let mut more = Vec::new();
    for _ in 1..(tables.len() / TABLES_A_CONNECTION).min(MOST_CONNECTIONS) {
        match snapshot::another(db, server).await {
            Ok(conn) => more.push(conn),
            // Those that there are do it.
            Err(_) => break,
        }
    }
    let left = Mutex::new(tables.iter_mut());
    let left = &left;
    let asking = std::iter::once(conn).chain(&mut more).map(|conn| async move {
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(table) = next else { return Ok::<_, DmError>(()) };
            table.create_sql = show_create(conn, &table.schema, &table.table).await?;
        }
    });
    try_join_all(asking).await.map(|_| ())
}

/// SHOW CREATE TABLE without the counter that moves with every row.
pub async fn show_create(conn: &mut Conn, schema: &str, table: &str) -> Result<String> {
    let sql = format!("SHOW CREATE TABLE {}.{}", quote_name(schema), quote_name(table));
    let created = rows(conn, &sql).await?;
    Ok(created.first().map(|row| text(row, 1)).unwrap_or_default())
}

/// Whether the table still has the structure of the plan. Whether it is the same table: [`super::identity`].
pub async fn is_unchanged(conn: &mut RowConn, table: &TablePlan) -> Result<bool> {
    let sql = format!("SHOW CREATE TABLE {}.{}", quote_name(&table.schema), quote_name(&table.table));
    let failed = |e: mysql_async::Error| link::failed(Code::DBQueryFailed, Scope::Upstream, &sql, &e);
    let shown = conn.rows(&sql).await.map_err(failed)?;
    Ok(same_structure(&shown.text(0, 1), &table.create_sql))
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

/// The conditions that split a table's rows into chunks of the dump. One empty condition: not split.
pub async fn chunk_conditions(conn: &mut RowConn, table: &TablePlan, options: &DumpOptions) -> Result<Vec<String>> {
    if table.estimated_rows <= options.rows {
        return Ok(vec![String::new()]);
    }
    bounds::conditions(conn, table, options.rows).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn views_lose_their_definer() {
        let sql = "CREATE ALGORITHM=UNDEFINED DEFINER=`root`@`%` SQL SECURITY DEFINER VIEW `v` AS select 1";
        let want = "CREATE ALGORITHM=UNDEFINED SQL SECURITY INVOKER VIEW `v` AS select 1";
        assert_eq!(without_definer(sql), want);
        assert_eq!(without_definer("CREATE VIEW v"), "CREATE VIEW v");
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
