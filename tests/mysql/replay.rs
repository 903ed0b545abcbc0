//! Row events written back as SQL: the way from a row image to a literal, on real servers.

use dm::mysql::{
    Encoding, Value,
    binlog::{EventBody, RowsKind, StartPoint},
    literal::{complete, literal},
    parameter::{Bound, bind},
    text_value,
};
use mysql_async::{Conn, Row, prelude::Queryable};

use super::{end_of_binlog, events_until};
use crate::support::servers::Server;

/// Modes under which the same literal must mean the same; zero and partial dates are allowed in both.
const MODES: [&str; 3] = [
    "ALLOW_INVALID_DATES",
    "IGNORE_SPACE,STRICT_ALL_TABLES,ALLOW_INVALID_DATES",
    "NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES",
];
/// The copy whose rows are inserted as parameters of prepared statements.
const BY_PARAMETERS: usize = 2;

#[derive(Clone)]
struct Column {
    name: String,
    kind: String,
    encoding: Encoding,
}

/// Name, type, full type, charset, length.
type ColumnFacts = (String, String, String, Option<String>, Option<u64>);

async fn columns(conn: &mut Conn, table: &str) -> Vec<Column> {
    let rows: Vec<ColumnFacts> = conn
        .query(format!(
            "SELECT column_name, data_type, column_type, character_set_name, character_maximum_length \
             FROM information_schema.columns WHERE table_schema = 'd' AND table_name = '{table}' ORDER BY ordinal_position"
        ))
        .await
        .unwrap();
    let column = |(name, kind, full, charset, length): ColumnFacts| {
        let unsigned = |bits| if full.contains("unsigned") { Encoding::Unsigned(bits) } else { Encoding::Plain };
        let encoding = match kind.as_str() {
            "tinyint" => unsigned(8),
            "smallint" => unsigned(16),
            "mediumint" => unsigned(24),
            "int" => unsigned(32),
            "bigint" => unsigned(64),
            "json" => Encoding::TypedJson,
            "binary" => Encoding::Padded(length.unwrap() as usize),
            // MariaDB's own types of fixed size travel as BINARY.
            "inet6" | "uuid" => Encoding::Padded(16),
            "inet4" => Encoding::Padded(4),
            "enum" | "set" => Encoding::Plain,
            _ => charset.as_deref().map_or(Encoding::Plain, Encoding::of_charset),
        };
        Column { name, kind, encoding }
    };
    rows.into_iter().map(column).collect()
}

fn sql(value: &Value, column: &Column, operand: bool) -> String {
    let mut out = String::new();
    literal(&complete(value.clone(), &column.encoding), &column.encoding, &mut out);
    if operand && matches!(value, Value::Json(_)) { format!("CAST({out} AS JSON)") } else { out }
}

async fn copy_session(server: &Server, mode: &str) -> Conn {
    let mut conn = server.conn().await;
    conn.query_drop(format!("SET NAMES utf8mb4, time_zone = '+00:00', sql_mode = '{mode}'")).await.unwrap();
    conn.query_drop("SET unique_checks = 0, sql_log_bin = 0").await.unwrap();
    conn
}

/// Runs `changes` on table `d.t` (created by `create`), replays its row events into copies under each mode and compares.
/// Comparing whole rows by their values can be left out for types that have no equality (`compare`).
pub async fn assert_replays(server: &Server, create: &str, changes: &str, compare: bool) {
    replay(server, create, changes, compare).await;
    let mut conn = server.conn().await;
    for copy in 0..MODES.len() {
        let rows: Vec<Row> = conn.query(format!("CHECKSUM TABLE d.t, d.c{copy}")).await.unwrap();
        let sums: Vec<Option<u64>> = rows.into_iter().map(|mut row| row.take(1).unwrap()).collect();
        assert!(sums[0].is_some() && sums[0] == sums[1], "checksums differ: {sums:?}");
    }
}

async fn replay(server: &Server, create: &str, changes: &str, compare: bool) {
    server.exec(&format!("DROP DATABASE IF EXISTS d; CREATE DATABASE d; USE d; {create}")).await;
    for copy in 0..MODES.len() {
        server.exec(&format!("CREATE TABLE d.c{copy} LIKE d.t")).await;
    }
    let start = end_of_binlog(server).await.position;
    server.exec(&format!("USE d; SET NAMES utf8mb4, sql_mode = 'ALLOW_INVALID_DATES'; {changes}")).await;
    let end = end_of_binlog(server).await.position;
    let events = events_until(server, StartPoint::Position(start), &end).await;

    let mut conn = server.conn().await;
    let columns = columns(&mut conn, "t").await;
    let mut changed = 0;
    for (copy, mode) in MODES.iter().enumerate() {
        let mut session = copy_session(server, mode).await;
        for event in &events {
            let EventBody::Rows(rows) = &event.body else { continue };
            assert!(rows.is_full());
            for change in rows.rows() {
                let change = change.unwrap();
                let list = |row: &dm::mysql::binlog::Row| -> Vec<String> {
                    row.values.iter().zip(&columns).map(|(v, c)| sql(v, c, false)).collect()
                };
                if let Some(before) = &change.before {
                    let condition = if compare { whole_row(before, &columns) } else { first_column(before, &columns) };
                    let sql = format!("DELETE FROM d.c{copy} WHERE {condition} LIMIT 1");
                    session.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
                    assert_eq!(session.affected_rows(), 1, "{:?}: {sql}", server.kind);
                }
                if let Some(after) = change.after.as_ref().filter(|_| copy == BY_PARAMETERS) {
                    insert_parameters(&mut session, copy, after, &columns).await;
                } else if let Some(after) = &change.after {
                    let sql = format!("INSERT INTO d.c{copy} VALUES ({})", list(after).join(", "));
                    session.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
                }
                changed += 1;
            }
            assert!(rows.kind != RowsKind::Insert || rows.rows().count() > 0);
        }
        compare_tables(&mut conn, &columns, &format!("c{copy}")).await;
    }
    assert!(changed > 0, "no row events came");
    copy_by_text(server, &columns).await;
}

async fn insert_parameters(session: &mut Conn, copy: usize, row: &dm::mysql::binlog::Row, columns: &[Column]) {
    let (mut list, mut parameters) = (Vec::new(), Vec::new());
    for (value, column) in row.values.iter().zip(columns) {
        match bind(&complete(value.clone(), &column.encoding), &column.encoding) {
            Bound::Value { sql, parameter } => {
                list.push(sql.to_owned());
                parameters.push(parameter);
            }
            Bound::Expression(sql) => list.push(sql),
        }
    }
    let sql = format!("INSERT INTO d.c{copy} VALUES ({})", list.join(", "));
    let parameters = mysql_async::Params::Positional(parameters);
    session.exec_drop(&sql, parameters).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
}

/// The table's rows out of a text result into one more copy. FLOAT has lost digits there.
async fn copy_by_text(server: &Server, columns: &[Column]) {
    let mut session = copy_session(server, MODES[0]).await;
    session.query_drop("CREATE TABLE d.texts LIKE d.t").await.unwrap();
    let rows: Vec<Row> = session.query("SELECT * FROM d.t").await.unwrap();
    for row in rows {
        let mut list = Vec::new();
        for (i, (column, facts)) in columns.iter().zip(row.columns_ref()).enumerate() {
            let text = match row.as_ref(i) {
                Some(mysql_async::Value::Bytes(text)) => Some(text.as_slice()),
                _ => None,
            };
            let value = text_value::read(facts, text).unwrap_or_else(|e| panic!("{e:?} {}", column.name));
            let encoding = match column.kind.as_str() {
                "enum" | "set" | "inet4" | "inet6" | "uuid" => Encoding::Text,
                _ if matches!(column.encoding, Encoding::Charset(_) | Encoding::Wide(_) | Encoding::Ascii) => {
                    Encoding::Text
                }
                _ => column.encoding.clone(),
            };
            let mut sql = String::new();
            literal(&value, &encoding, &mut sql);
            list.push(sql);
        }
        let sql = format!("INSERT INTO d.texts VALUES ({})", list.join(", "));
        session.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}: {sql}"));
    }
    let exact: Vec<Column> = columns.iter().filter(|column| column.kind != "float").cloned().collect();
    compare_tables(&mut session, &exact, "texts").await;
}

fn whole_row(row: &dm::mysql::binlog::Row, columns: &[Column]) -> String {
    let terms = row.values.iter().zip(columns);
    terms.map(|(v, c)| format!("`{}` <=> {}", c.name, sql(v, c, true))).collect::<Vec<_>>().join(" AND ")
}

fn first_column(row: &dm::mysql::binlog::Row, columns: &[Column]) -> String {
    format!("`{}` = {}", columns[0].name, sql(&row.values[0], &columns[0], true))
}

/// Value by value, so that a difference names its column.
async fn compare_tables(conn: &mut Conn, columns: &[Column], copy: &str) {
    for column in columns {
        let name = &column.name;
        let shown = match column.kind.as_str() {
            "float" | "double" => format!("CONCAT(`{name}` * 1e0)"),
            "json" => format!("CAST(`{name}` AS CHAR)"),
            "timestamp" | "datetime" | "time" | "date" => format!("CONCAT(`{name}`)"),
            _ => format!("HEX(`{name}`)"),
        };
        let sql = |table: &str| format!("SELECT CAST({shown} AS CHAR) FROM d.{table} ORDER BY id");
        let (a, b): (Vec<Option<String>>, Vec<Option<String>>) =
            (conn.query(sql("t")).await.unwrap(), conn.query(sql(copy)).await.unwrap());
        assert_eq!(a, b, "column {name} {}", column.kind);
    }
}

/// Like [`assert_replays`], where the copy may store another type with the same text (JSON documents out of SQL values).
pub async fn assert_replays_as_text(server: &Server, create: &str, changes: &str) {
    replay(server, create, changes, false).await;
}
