//! What the server corpus doesn't reach: case rules, snapshots, failures, row keys.

use super::*;
use crate::{
    config::subtask::Flavor,
    schema::{
        column_type::BaseType,
        ddl::{ParseContext, parse},
    },
};

fn run(tracker: &mut Tracker, sql: &str) -> Result<Vec<Change>> {
    let context = ParseContext { default_schema: "d".into(), server: tracker.server(), ..ParseContext::default() };
    tracker.apply(&parse(sql, &context)?)
}

fn tracker(statements: &[&str]) -> Tracker {
    let mut tracker = Tracker::new(ServerInfo::default(), 0);
    for sql in statements {
        run(&mut tracker, sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
    }
    tracker
}

fn row_key(columns: &str) -> Option<Vec<usize>> {
    tracker(&[&format!("CREATE TABLE t ({columns})")]).get("d", "t").and_then(|table| table.row_key())
}

#[test]
fn row_keys() {
    assert_eq!(row_key("a INT, b INT, UNIQUE (a), PRIMARY KEY (b)"), Some(vec![1]));
    assert_eq!(row_key("a INT, b INT NOT NULL, UNIQUE (a), UNIQUE (b)"), Some(vec![1]));
    assert_eq!(row_key("a INT NOT NULL, b INT NOT NULL, UNIQUE (b, a)"), Some(vec![1, 0]));
    assert_eq!(row_key("a INT, UNIQUE (a)"), None);
    assert_eq!(row_key("a VARCHAR(9) NOT NULL, UNIQUE (a(3))"), None);
    assert_eq!(row_key("a VARCHAR(9) NOT NULL, UNIQUE (a(9))"), Some(vec![0]));
    assert_eq!(row_key("a INT NOT NULL, UNIQUE ((a + 1))"), None);
    assert_eq!(row_key("a INT NOT NULL, KEY (a)"), None);
    assert_eq!(row_key("id SERIAL"), Some(vec![0]));
}

#[test]
fn case_of_names() {
    let mut exact = tracker(&["CREATE TABLE T (a INT)"]);
    assert!(exact.get("d", "T").is_some() && exact.get("d", "t").is_none());
    run(&mut exact, "ALTER TABLE T ADD B INT AFTER A").unwrap();
    assert!(exact.get("d", "T").unwrap().column("b").is_some());
    let mut lower = Tracker::new(ServerInfo::default(), 1);
    run(&mut lower, "CREATE TABLE T (a INT)").unwrap();
    assert_eq!(lower.get("D", "t").unwrap().name, "t");
    let mut kept = Tracker::new(ServerInfo::default(), 2);
    run(&mut kept, "CREATE TABLE T (a INT)").unwrap();
    assert_eq!(kept.get("d", "t").unwrap().name, "T");
}

#[test]
fn a_clone_is_a_snapshot() {
    let mut now = tracker(&["CREATE TABLE t (a INT)"]);
    let before = now.clone();
    run(&mut now, "ALTER TABLE t ADD b INT").unwrap();
    run(&mut now, "CREATE TABLE u (a INT)").unwrap();
    assert_eq!(before.get("d", "t").unwrap().columns.len(), 1);
    assert!(before.get("d", "u").is_none());
    assert_eq!(now.table_names("d"), ["t", "u"]);
}

#[test]
fn failures_change_nothing() {
    let mut tracker = tracker(&["CREATE TABLE t (a INT, b INT, KEY (b))"]);
    let before = tracker.get("d", "t").unwrap();
    for sql in [
        "ALTER TABLE t DROP COLUMN nosuch",
        "ALTER TABLE t ADD COLUMN c INT, ADD COLUMN d INT AFTER nosuch",
        "ALTER TABLE t ADD COLUMN a INT",
        "ALTER TABLE t CHANGE a b INT",
        "ALTER TABLE t MODIFY nosuch INT",
        "ALTER TABLE t DROP a, DROP b",
        "ALTER TABLE t ADD KEY (nosuch)",
        "ALTER TABLE t ADD KEY b (a)",
        "ALTER TABLE t CONVERT TO CHARACTER SET klingon",
        "CREATE TABLE u (a INT, A INT)",
        "CREATE TABLE u (a INT, PRIMARY KEY (b))",
    ] {
        let error = run(&mut tracker, sql).expect_err(sql);
        assert_eq!(error.code(), Code::SchemaTrackerCannotExecDDL, "{sql}");
        assert!(!error.raw_cause().is_empty() && !error.workaround_text().is_empty());
        assert!(Arc::ptr_eq(&tracker.get("d", "t").unwrap(), &before), "{sql}");
    }
    for sql in ["ALTER TABLE unknown ADD a INT", "CREATE TABLE u LIKE unknown", "CREATE INDEX i ON unknown (a)"] {
        assert_eq!(run(&mut tracker, sql).unwrap_err().code(), Code::SchemaTrackerCannotGetTable, "{sql}");
    }
}

#[test]
fn changes_are_told() {
    let id = |name: &str| TableId::new("d", name);
    let mut tracker = tracker(&["CREATE TABLE a (x INT)"]);
    let mut told = |sql: &str| run(&mut tracker, sql).unwrap();
    assert_eq!(told("CREATE TABLE IF NOT EXISTS a (y INT)"), []);
    assert_eq!(told("CREATE TABLE b LIKE a"), [Change::Created(id("b"))]);
    assert_eq!(
        told("RENAME TABLE a TO c, b TO a"),
        [Change::Renamed { from: id("a"), to: id("c") }, Change::Renamed { from: id("b"), to: id("a") },]
    );
    assert_eq!(
        told("ALTER TABLE a ADD y INT, RENAME TO e"),
        [Change::Altered(id("a")), Change::Renamed { from: id("a"), to: id("e") },]
    );
    assert_eq!(told("TRUNCATE e"), [Change::Truncated(id("e"))]);
    assert_eq!(told("DROP TABLE IF EXISTS e, nosuch"), [Change::Dropped(id("e"))]);
    assert_eq!(told("DROP DATABASE d"), [Change::SchemaDropped("d".into())]);
    assert_eq!(told("BEGIN"), []);
    assert_eq!(tracker.tables().count(), 0);
}

#[test]
fn implicit_timestamps_of_old_servers() {
    let mut old = Tracker::new(ServerInfo { flavor: Flavor::Mysql, version: 50_744 }, 0);
    run(&mut old, "CREATE TABLE t (a TIMESTAMP, b TIMESTAMP, c TIMESTAMP NULL)").unwrap();
    let table = old.get("d", "t").unwrap();
    let nullable: Vec<bool> = table.columns.iter().map(|column| column.nullable).collect();
    assert_eq!(nullable, [false, false, true]);
    assert!(table.columns[0].on_update_now && !table.columns[1].on_update_now);
    old.set_explicit_defaults_for_timestamp(true);
    run(&mut old, "ALTER TABLE t ADD d TIMESTAMP").unwrap();
    assert!(old.get("d", "t").unwrap().columns[3].nullable);
}

#[test]
fn new_tables_inherit_their_schemas_character_set() {
    let mut tracker = Tracker::new(ServerInfo { flavor: Flavor::Mariadb, version: 101_106 }, 0);
    tracker.set_server_charset(CharsetPair { charset: "gbk".into(), collation: "gbk_chinese_ci".into() });
    run(&mut tracker, "CREATE DATABASE d").unwrap();
    run(&mut tracker, "CREATE TABLE t (a VARCHAR(9))").unwrap();
    run(&mut tracker, "ALTER DATABASE d CHARACTER SET utf8mb4").unwrap();
    run(&mut tracker, "CREATE TABLE u (a VARCHAR(9), j JSON)").unwrap();
    assert_eq!(tracker.get("d", "t").unwrap().columns[0].charset.as_deref(), Some("gbk"));
    let table = tracker.get("d", "u").unwrap();
    assert_eq!(table.columns[0].collation.as_deref(), Some("utf8mb4_general_ci"));
    assert!(table.columns[1].json_valid && table.columns[1].ty.base == BaseType::LongText);
}
