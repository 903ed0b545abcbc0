//! A table of all types on a server, its rows as the binlog has them, and both evaluations side by side.

use std::{fmt::Write as _, io::Write as _};

use dm::{
    mysql::{
        Value,
        binlog::{EventBody, StartPoint},
    },
    rules::expression::{Expression, Zone},
    schema::{ServerInfo, load::fetch_table, model::TableInfo},
};
use mysql_async::{Conn, Row, prelude::Queryable};

use crate::{
    mysql::{end_of_binlog, events_until},
    support::{
        release::Release,
        servers::{Kind, Server},
    },
};

/// The session's time zone, and ours.
const ZONE: &str = "+03:00";
/// Expressions of one statement.
const BATCH: usize = 40;

pub struct Rig {
    server: Server,
    info: ServerInfo,
    table: TableInfo,
    rows: Vec<Vec<Value>>,
    /// Numbers must also have the same digits behind the point.
    pub strict: bool,
}

/// What a comparison found.
#[derive(Default)]
pub struct Report {
    compared: usize,
    refused: Vec<String>,
    wrong: Vec<String>,
}

impl Report {
    /// What is not right, for people: nothing may differ, and at most so many may be refused although the server has a
    /// value.
    pub fn problems(&self, release: Release, refusals: usize, what: &str) -> Option<String> {
        eprintln!(
            "{} {what}: {} values compared, {} expressions refused, {} differ",
            release.title(),
            self.compared,
            self.refused.len(),
            self.wrong.len()
        );
        if let Ok(file) = std::env::var("DM_EXPR_LOG") {
            let text = format!("{}\n{}\n", self.wrong.join("\n"), self.refused.join("\n"));
            let path = format!("{file}.{}", release.title().replace(' ', ""));
            let mut log = std::fs::OpenOptions::new().create(true).append(true).open(path).unwrap();
            log.write_all(text.as_bytes()).unwrap();
        }
        assert!(self.compared > 0);
        let shown: Vec<&str> = self.wrong.iter().take(60).map(String::as_str).collect();
        if !shown.is_empty() {
            return Some(format!("{} {what}: {} differ:\n{}", release.title(), self.wrong.len(), shown.join("\n")));
        }
        let list = self.refused.iter().take(40).map(String::as_str).collect::<Vec<_>>().join("\n");
        let many = self.refused.len() > refusals;
        many.then(|| format!("{} {what}: {} refused:\n{list}", release.title(), self.refused.len()))
    }
}

impl Rig {
    pub async fn new(release: Release) -> Rig {
        let server = Server::of(release, &[]);
        let mysql = server.kind == Kind::Mysql;
        let old = matches!(release, Release::Mysql56 | Release::Mysql57);
        let json = mysql && release != Release::Mysql56;
        let create = include_str!("table.sql")
            .replace("{js}", if json { "JSON" } else { "LONGTEXT" })
            .replace("{z9}", if mysql && !old { "utf8mb4_0900_ai_ci" } else { "utf8mb4_unicode_520_ci" });
        let session = format!("SET NAMES utf8mb4, time_zone = '{ZONE}', sql_mode = '';");
        server.exec(&format!("CREATE DATABASE e; USE e; {session} {create}")).await;
        let start = end_of_binlog(&server).await.position;
        server.exec(&format!("USE e; {session} {}", include_str!("rows.sql"))).await;
        let end = end_of_binlog(&server).await.position;
        let mut rows = Vec::new();
        for event in events_until(&server, StartPoint::Position(start), &end).await {
            if let EventBody::Rows(event) = &event.body {
                rows.extend(event.rows().map(|change| change.unwrap().after.unwrap().values));
            }
        }
        assert!(rows.len() >= 10, "{}", rows.len());
        let table = fetch_table(&mut server.conn().await, "e", "t").await.unwrap().unwrap();
        let version: String = server.conn().await.query_first("SELECT VERSION()").await.unwrap().unwrap();
        let info = ServerInfo::parse(&version).unwrap();
        Rig { server, info, table, rows, strict: true }
    }

    pub fn columns(&self) -> Vec<String> {
        let named = self.table.columns.iter().map(|column| column.name.clone());
        named.filter(|name| name != "js" || self.server.kind == Kind::Mysql && self.info.version >= 50_700).collect()
    }

    /// The lines for this server, and those that must be refused.
    pub fn choose<'l>(&self, lines: &[&'l str]) -> (Vec<&'l str>, Vec<&'l str>) {
        let of_mine = |line: &'l str| match line.strip_prefix('@') {
            None => Some(line),
            Some(marked) => {
                let (servers, text) = marked.split_once(' ')?;
                servers.split(',').any(|server| self.is(server)).then(|| text.trim())
            }
        };
        let refused = lines.iter().filter_map(|line| line.strip_prefix("@refused ")).map(str::trim).collect();
        (lines.iter().filter_map(|line| of_mine(line)).collect(), refused)
    }

    /// Whether this server is what a line's marker says: `mysql`, `mariadb`, from a version on (`mysql80+`, `mariadb1011+`)
    /// or before it (`mysql80-`).
    fn is(&self, server: &str) -> bool {
        let (mariadb, rest) = match server.strip_prefix("mariadb") {
            Some(rest) => (true, rest),
            None => match server.strip_prefix("mysql") {
                Some(rest) => (false, rest),
                None => return false,
            },
        };
        let digits = rest.trim_end_matches(['+', '-']);
        // `57` is 5.7, `1011` is 10.11.
        let at = if digits.len() < 3 { digits.len().min(1) } else { 2 };
        let part = |text: &str| text.parse::<u32>().unwrap_or(0);
        let bound = part(&digits[..at]) * 10_000 + part(&digits[at..]) * 100;
        let in_range = if rest.ends_with('-') { self.info.version < bound } else { self.info.version >= bound };
        self.info.is_mariadb() == mariadb && in_range
    }

    pub fn compile(&self, text: &str) -> Result<Expression, String> {
        Expression::new(text, &self.table, Zone::parse(ZONE).unwrap(), self.info)
    }

    async fn session(&self) -> Conn {
        let mut conn = self.server.conn().await;
        let sql = format!(
            "SET NAMES utf8mb4 COLLATE utf8mb4_general_ci, time_zone = '{ZONE}', sql_mode = '', div_precision_increment = 4"
        );
        conn.query_drop(sql).await.unwrap();
        conn.query_drop("USE e").await.unwrap();
        conn
    }

    /// Evaluates all on both sides.
    pub async fn compare(&self, expressions: &[&str]) -> Report {
        let mut conn = self.session().await;
        let mut report = Report::default();
        for batch in expressions.chunks(BATCH) {
            let list = batch.iter().map(|e| format!("({e})")).collect::<Vec<_>>().join(", ");
            let found: Result<Vec<Row>, _> = conn.query(format!("SELECT {list} FROM t ORDER BY id")).await;
            match found {
                Ok(rows) => {
                    for (i, text) in batch.iter().enumerate() {
                        let server: Vec<Side> = rows.iter().map(|row| Ok(column(row, i))).collect();
                        self.judge(text, &server, &mut report);
                    }
                }
                // One of them fails: one by one, and row by row.
                Err(_) => {
                    for text in batch {
                        let server = self.row_by_row(&mut conn, text).await;
                        self.judge(text, &server, &mut report);
                    }
                }
            }
        }
        report
    }

    async fn row_by_row(&self, conn: &mut Conn, text: &str) -> Vec<Side> {
        let whole: Result<Vec<Row>, _> = conn.query(format!("SELECT ({text}) FROM t ORDER BY id")).await;
        if let Ok(rows) = whole {
            return rows.iter().map(|row| Ok(column(row, 0))).collect();
        }
        let mut out = Vec::new();
        for id in 1..=self.rows.len() {
            let row: Result<Option<Row>, _> = conn.query_first(format!("SELECT ({text}) FROM t WHERE id = {id}")).await;
            out.push(match row {
                Ok(row) => Ok(column(&row.unwrap(), 0)),
                Err(error) => Err(error.to_string()),
            });
        }
        out
    }

    /// Errors of servers where there is a value. MariaDB 10.5 and 11.8 (10.11.19 no longer) refuse a quotient of DIV that
    /// rounds to zero from below when it is unsigned.
    fn is_server_bug(&self, error: &str) -> bool {
        let old = self.info.is_mariadb() && self.info.version / 100 != 1011;
        old && error.contains("BIGINT UNSIGNED value is out of range") && error.contains(" DIV ")
    }

    fn judge(&self, text: &str, server: &[Side], report: &mut Report) {
        let expression = match self.compile(text) {
            Ok(expression) => expression,
            Err(why) => {
                // What the server refuses too is well refused.
                if server.iter().any(Result::is_ok) {
                    report.refused.push(format!("{text}   -- {why}"));
                }
                return;
            }
        };
        for (at, (row, theirs)) in self.rows.iter().zip(server).enumerate() {
            let ours = expression.value(row, 0);
            report.compared += 1;
            let same = match (&ours, theirs) {
                (Ok(ours), Ok(theirs)) => same(ours.as_deref(), theirs.as_deref(), self.strict),
                (Err(_), Err(_)) => true,
                (Ok(_), Err(error)) if self.is_server_bug(error) => true,
                // Which part is looked at first isn't said: one side may fail where the other found NULL before.
                (Ok(None), Err(_)) if !self.strict => true,
                _ => false,
            };
            if !same {
                let mut line = String::new();
                write!(line, "row {}: {text}: server {}, we {}", at + 1, show(theirs), show(&ours)).unwrap();
                report.wrong.push(line);
                return;
            }
        }
    }
}

/// A value or an error.
type Side = Result<Option<Vec<u8>>, String>;

fn column(row: &Row, at: usize) -> Option<Vec<u8>> {
    match row.as_ref(at) {
        Some(mysql_async::Value::Bytes(bytes)) => Some(bytes.clone()),
        Some(mysql_async::Value::NULL) | None => None,
        Some(other) => Some(other.as_sql(true).into_bytes()),
    }
}

/// Equal texts, or doubles that differ in the last digits only (libraries differ in them).
fn same(ours: Option<&[u8]>, theirs: Option<&[u8]>, strict: bool) -> bool {
    if ours == theirs {
        return true;
    }
    let text = |side: Option<&[u8]>| side.and_then(|bytes| String::from_utf8(bytes.to_vec()).ok()).unwrap_or_default();
    let (a, b) = (text(ours), text(theirs));
    let digits = |text: &str| text.split_once('.').map_or(0, |(_, digits)| digits.len());
    let fraction = a.contains(['.', 'e']) || b.contains(['.', 'e']) || a == "-0" || b == "-0";
    if !fraction || strict && digits(&a) != digits(&b) && digits(&a).max(digits(&b)) < 12 && a != "-0" && b != "-0" {
        return false;
    }
    match (a.parse::<f64>(), b.parse::<f64>()) {
        // MariaDB shows some doubles with few digits.
        (Ok(x), Ok(y)) if !strict && digits(&a) != digits(&b) => {
            (x - y).abs() <= 0.5 * 10f64.powi(-(digits(&a).min(digits(&b)) as i32)) * 1.000001 + x.abs() * 4e-15
        }
        (Ok(x), Ok(y)) => x == y || (x - y).abs() <= x.abs().max(y.abs()) * 4e-15,
        _ => false,
    }
}

fn show(side: &Side) -> String {
    match side {
        Ok(None) => "NULL".into(),
        Ok(Some(bytes)) => match std::str::from_utf8(bytes) {
            Ok(text) => format!("{:.120?}", text),
            Err(_) => format!("0x{}", bytes.iter().take(40).map(|b| format!("{b:02x}")).collect::<String>()),
        },
        Err(error) => format!("error {error}"),
    }
}
