//! The schema layer against real servers: the corpus is executed on a server and followed by the tracker; after every
//! statement both must show the same tables. Each statement is also rewritten to another schema and executed there.

use dm::schema::{
    ServerInfo, SqlMode, TableId, TableInfo, Tracker,
    ddl::{self, ParseContext},
    load, table_info,
};
use mysql_async::{Conn, Row, prelude::Queryable};

use crate::support::servers::{self, Kind, Server};

const CORPUS: &str = include_str!("corpus.sql");

#[tokio::test]
async fn the_tracker_follows_mysql() {
    follow(servers::mysql()).await;
}

#[tokio::test]
async fn the_tracker_follows_mariadb() {
    follow(servers::mariadb()).await;
}

struct Line {
    sql: String,
    mode: String,
}

/// The lines for a kind of server.
fn corpus(kind: Kind) -> Vec<Line> {
    let mut lines = Vec::new();
    for line in CORPUS.lines().filter(|line| !line.is_empty() && !line.starts_with("--")) {
        let (mark, sql) = match line.strip_prefix('[').and_then(|rest| rest.split_once("] ")) {
            Some((mark, sql)) => (mark, sql),
            None => ("", line),
        };
        let elsewhere = if kind == Kind::Mysql { "mariadb" } else { "mysql" };
        if mark != elsewhere {
            let mode = mark.strip_prefix("mode=").unwrap_or("").to_owned();
            lines.push(Line { sql: sql.replace("\\n", "\n"), mode });
        }
    }
    lines
}

async fn follow(server: Server) {
    let mut conn = server.conn().await;
    let mut other = server.conn().await;
    for setup in ["CREATE DATABASE d", "CREATE DATABASE r_d", "USE d", "SET sql_mode=''"] {
        conn.query_drop(setup).await.unwrap();
    }
    other.query_drop("SET sql_mode=''").await.unwrap();
    let session = load::fetch_session(&mut conn).await.unwrap();
    let mut tracker = Tracker::new(session.server, session.lower_case_table_names);
    tracker.set_explicit_defaults_for_timestamp(session.explicit_defaults_for_timestamp);
    for (schema, charset) in load::fetch_schemas(&mut conn).await.unwrap() {
        tracker.put_schema(&schema, charset);
    }
    let lines = corpus(server.kind);
    assert!(lines.len() > 150, "the corpus has shrunk");
    let mut problems = Vec::new();
    for line in lines {
        let sql = &line.sql;
        conn.query_drop(format!("SET sql_mode='{}'", line.mode)).await.unwrap();
        if let Err(error) = conn.query_drop(sql).await {
            problems.push(format!("the server refuses {sql}\n{error}"));
            continue;
        }
        conn.query_drop("SET sql_mode=''").await.unwrap();
        let mut touched = Vec::new();
        match ddl::parse(sql, &context(session.server, &line.mode)) {
            Ok(statement) => {
                touched.extend(statement.tables.iter().map(|table| table.id()));
                if let Err(error) = tracker.apply(&statement) {
                    problems.push(format!("{error}\n{sql}"));
                }
                if !matches!(statement.kind, ddl::StatementKind::Skipped(_)) {
                    let rewritten = statement.rewrite(sql, |schema, table| (format!("r_{schema}"), table.to_owned()));
                    if let Err(error) = other.query_drop(&rewritten).await {
                        problems.push(format!("rewritten: {rewritten}\n{error}"));
                    }
                }
            }
            Err(error) => problems.push(format!("{error}\n{sql}")),
        }
        compare(&mut conn, &mut tracker, sql, &touched, &mut problems).await;
    }
    let all: Vec<TableId> = tracker.tables().map(|table| table.id()).collect();
    assert!(all.len() > 20, "the corpus leaves too few tables");
    compare(&mut conn, &mut tracker, "all statements", &all, &mut problems).await;
    logged_statements(&mut conn, session.server, &mut problems).await;
    conn.disconnect().await.unwrap();
    other.disconnect().await.unwrap();
    assert!(problems.is_empty(), "{} problems:\n\n{}", problems.len(), problems.join("\n\n"));
}

/// What the server wrote into its binlog, which is not always what it was told, is understood too.
async fn logged_statements(conn: &mut Conn, server: ServerInfo, problems: &mut Vec<String>) {
    conn.query_drop("CREATE TABLE ctas (PRIMARY KEY (x)) AS SELECT 1 AS x, 'a' AS y").await.unwrap();
    let logs: Vec<Row> = conn.query("SHOW BINARY LOGS").await.unwrap();
    let mut understood = 0;
    for log in logs {
        let events: Vec<Row> =
            conn.query(format!("SHOW BINLOG EVENTS IN '{}'", log.get::<String, _>(0).unwrap())).await.unwrap();
        for event in events.iter().filter(|event| event.get::<String, _>(2).unwrap() == "Query") {
            let info: String = event.get(5).unwrap();
            let sql = info.strip_prefix("use `").and_then(|rest| rest.split_once("`; ")).map_or(&*info, |(_, sql)| sql);
            let modes = ["", "ANSI_QUOTES", "NO_BACKSLASH_ESCAPES"];
            let results: Vec<_> = modes.iter().map(|mode| ddl::parse(sql, &context(server, mode))).collect();
            match results.iter().find(|result| result.is_err()) {
                Some(Err(error)) if results.iter().all(Result::is_err) => {
                    problems.push(format!("in the binlog: {error}"))
                }
                _ => understood += 1,
            }
        }
    }
    assert!(understood > 150, "too few statements in the binlog");
}

fn context(server: ServerInfo, mode: &str) -> ParseContext {
    ParseContext { default_schema: "d".into(), sql_mode: SqlMode::parse(mode), server }
}

/// Notes every difference between server and tracker, and goes on from what the server has.
async fn compare(conn: &mut Conn, tracker: &mut Tracker, sql: &str, touched: &[TableId], problems: &mut Vec<String>) {
    let query = "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES \
                 WHERE TABLE_TYPE = 'BASE TABLE' AND TABLE_SCHEMA IN ('d', 'd2', 'd3')";
    let mut names: Vec<(String, String)> = conn.query(query).await.unwrap();
    let mut tracked: Vec<(String, String)> = tracker.tables().map(|t| (t.schema.clone(), t.name.clone())).collect();
    names.sort();
    tracked.sort();
    let mut differ = |what: &str, tracked: &dyn std::fmt::Debug, server: &dyn std::fmt::Debug| {
        let (tracked, server) = (format!("{tracked:?}"), format!("{server:?}"));
        // A lasting difference is told once.
        if tracked != server && !problems.iter().any(|problem| problem.starts_with(&format!("{what} "))) {
            problems.push(format!("{what} after {sql}\n  tracked {tracked}\n  server  {server}"));
        }
        tracked != server
    };
    if differ("tables", &tracked, &names) {
        for (schema, name) in tracked.iter().filter(|name| !names.contains(name)) {
            tracker.remove(schema, name);
        }
    }
    for TableId { schema, name } in touched.iter().filter(|id| names.contains(&(id.schema.clone(), id.name.clone()))) {
        let columns = catalogue(conn, COLUMNS, schema, name).await;
        let keys = catalogue(conn, KEYS, schema, name).await;
        let routed = format!("r_{schema}");
        let routed_columns = catalogue(conn, COLUMNS, &routed, name).await;
        let routed_keys = catalogue(conn, KEYS, &routed, name).await;
        let key = format!("{schema}.{name}");
        let table = tracker.get(schema, name).map_or_else(TableInfo::default, |table| table.as_ref().clone());
        let wrong = differ(&format!("columns of {key}"), &tracked_columns(&table), &columns)
            | differ(&format!("keys of {key}"), &tracked_keys(&table), &keys)
            | differ(&format!("columns of rewritten {key}"), &routed_columns, &columns)
            | differ(&format!("keys of rewritten {key}"), &routed_keys, &keys);
        let read = load::fetch_table(conn, schema, name).await.unwrap().unwrap();
        differ(&format!("SHOW CREATE TABLE {key}"), &structure(&table), &structure(&read));
        let json = table_info::to_json(&table).unwrap();
        let back = table_info::from_json(schema, &json).unwrap().unwrap();
        differ(&format!("table_info of {key}"), &bare(&back), &bare(&table));
        if wrong {
            tracker.put(read);
        }
    }
}

/// Without what only a live read has.
fn bare(table: &TableInfo) -> TableInfo {
    TableInfo { create_sql: None, ..table.clone() }
}

/// What a structure that was read and one that was tracked must agree on: all but texts that the server rewrites.
fn structure(table: &TableInfo) -> TableInfo {
    let mut table = bare(table);
    table.engine.clear();
    table.checks.clear();
    for column in &mut table.columns {
        column.default = None;
        column.json_valid = false;
        if let Some(generated) = &mut column.generated {
            generated.expression.clear();
        }
    }
    for part in table.indexes.iter_mut().flat_map(|index| index.columns.iter_mut()) {
        part.expression = part.expression.take().map(|_| String::new());
    }
    for key in &mut table.foreign_keys {
        key.name.clear();
    }
    table.foreign_keys.sort_by(|a, b| (&a.columns, &a.parent).cmp(&(&b.columns, &b.parent)));
    table
}

const COLUMNS: &str = "SELECT COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, IFNULL(CHARACTER_SET_NAME, ''), \
     IFNULL(COLLATION_NAME, '') FROM information_schema.COLUMNS \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY ORDINAL_POSITION";

const KEYS: &str = "SELECT INDEX_NAME, CAST(NON_UNIQUE AS CHAR), CAST(SEQ_IN_INDEX AS CHAR), IFNULL(COLUMN_NAME, ''), \
     IFNULL(CAST(SUB_PART AS CHAR), '') FROM information_schema.STATISTICS \
     WHERE TABLE_SCHEMA = ? AND TABLE_NAME = ? ORDER BY BINARY INDEX_NAME, SEQ_IN_INDEX";

/// Rows of a catalogue query about a table, normalised.
async fn catalogue(conn: &mut Conn, query: &str, schema: &str, table: &str) -> Vec<Vec<String>> {
    let rows: Vec<Row> = conn.exec(query, (schema, table)).await.unwrap();
    let cells =
        |row: Row| row.unwrap().into_iter().map(mysql_async::from_value::<String>).map(|cell| normalised(&cell));
    rows.into_iter().map(|row| cells(row).collect()).collect()
}

/// Spellings in which servers differ: display widths, year(4), utf8, escapes in ENUM members.
fn normalised(cell: &str) -> String {
    let mut cell = cell.replace("utf8_", "utf8mb3_").replace("year(4)", "year").replace("\\\\", "\\");
    if cell == "binary" {
        cell.clear(); // ENUM of no character set
    }
    if cell == "utf8" {
        cell = "utf8mb3".into();
    }
    if cell == "geometrycollection" {
        cell = "geomcollection".into();
    }
    let integer = ["tinyint(", "smallint(", "mediumint(", "int(", "bigint("].iter().any(|name| cell.starts_with(name));
    if integer && !cell.contains("zerofill") && cell != "tinyint(1)" {
        let (open, close) = (cell.find('(').unwrap(), cell.find(')').unwrap());
        cell.replace_range(open..=close, "");
    }
    cell
}

fn tracked_columns(table: &TableInfo) -> Vec<Vec<String>> {
    let row = |column: &dm::schema::Column| {
        let nullable = if column.nullable { "YES" } else { "NO" };
        let text = |value: &Option<String>| value.clone().unwrap_or_default();
        vec![column.name.clone(), column.ty.text(), nullable.to_owned(), text(&column.charset), text(&column.collation)]
    };
    table.columns.iter().map(row).collect()
}

fn tracked_keys(table: &TableInfo) -> Vec<Vec<String>> {
    let mut rows = Vec::new();
    let mut indexes: Vec<_> = table.indexes.iter().collect();
    indexes.sort_by(|a, b| a.name.cmp(&b.name));
    for index in indexes {
        for (seq, part) in index.columns.iter().enumerate() {
            let prefix = match (part.prefix_len, index.kind) {
                (Some(length), _) => length.to_string(),
                (None, dm::schema::IndexKind::Spatial) => "32".to_owned(),
                _ => String::new(),
            };
            let non_unique = if index.unique { "0" } else { "1" };
            rows.push(vec![
                index.name.clone(),
                non_unique.to_owned(),
                (seq + 1).to_string(),
                part.column.clone(),
                prefix,
            ]);
        }
    }
    rows
}
