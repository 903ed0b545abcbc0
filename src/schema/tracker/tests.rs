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
fn a_parked_statement_is_rolled_back() {
    let mut tracker = tracker(&["CREATE TABLE t (a INT)", "CREATE TABLE p (a INT)"]);
    let (t, p) = (tracker.get("d", "t").unwrap(), tracker.get("d", "p").unwrap());
    let snapshot = tracker.snapshot();
    run(&mut tracker, "ALTER TABLE t ADD b INT").unwrap();
    run(&mut tracker, "RENAME TABLE t TO u, p TO t").unwrap();
    run(&mut tracker, "DROP DATABASE d").unwrap();
    tracker.restore(snapshot);
    assert_eq!(tracker.table_names("d"), ["p", "t"]);
    assert!(Arc::ptr_eq(&tracker.get("d", "t").unwrap(), &t) && Arc::ptr_eq(&tracker.get("d", "p").unwrap(), &p));
}

/// Of 20,000 tables a snapshot and the change after it copy next to nothing.
#[test]
fn snapshots_of_many_tables_are_cheap() {
    let mut tracker = tracker(&["CREATE TABLE t (a INT)"]);
    let template = TableInfo::clone(&tracker.get("d", "t").unwrap());
    for i in 0..20_000 {
        tracker.put(TableInfo { name: format!("t{i}"), ..template.clone() });
    }
    let started = std::time::Instant::now();
    let mut snapshots = Vec::new();
    for i in 0..200 {
        snapshots.push(tracker.snapshot());
        run(&mut tracker, &format!("ALTER TABLE t{i} ADD b INT")).unwrap();
    }
    // A copy of the whole for each would be 4,000,000 names.
    assert!(started.elapsed() < std::time::Duration::from_secs(2), "{:?}", started.elapsed());
    tracker.restore(snapshots.swap_remove(100));
    assert_eq!(tracker.get("d", "t99").unwrap().columns.len(), 2);
    assert_eq!(tracker.get("d", "t100").unwrap().columns.len(), 1);
}

#[test]
fn names_that_the_server_chooses() {
    let mut tracker = tracker(&[
        "CREATE TABLE p (id INT PRIMARY KEY, x INT, KEY (x))",
        "CREATE TABLE c (a INT, b INT, CHECK (a > 0), FOREIGN KEY (a) REFERENCES p (id), CHECK (b > 0))",
    ]);
    let names = |tracker: &Tracker, table: &str| {
        let table = tracker.get("d", table).unwrap();
        let keys: Vec<String> = table.indexes.iter().map(|index| index.name.clone()).collect();
        let foreign: Vec<String> = table.foreign_keys.iter().map(|key| key.name.clone()).collect();
        let checks: Vec<String> = table.checks.iter().map(|check| check.name.clone()).collect();
        (keys, foreign, checks)
    };
    assert_eq!(
        names(&tracker, "c"),
        (vec!["a".into()], vec!["c_ibfk_1".into()], vec!["c_chk_1".into(), "c_chk_2".into()])
    );
    run(&mut tracker, "ALTER TABLE c ADD KEY ab (a, b), RENAME TO e").unwrap();
    assert_eq!(
        names(&tracker, "e"),
        (vec!["ab".into()], vec!["e_ibfk_1".into()], vec!["e_chk_1".into(), "e_chk_2".into()])
    );
    run(&mut tracker, "ALTER TABLE e DROP FOREIGN KEY e_ibfk_1, DROP COLUMN b").unwrap();
    assert_eq!(names(&tracker, "e"), (vec!["ab".into()], vec![], vec!["e_chk_1".into()]));
    run(&mut tracker, "ALTER TABLE p RENAME COLUMN id TO pid").unwrap();
    assert!(tracker.get("d", "p").unwrap().column("pid").is_some());
}

#[test]
fn hidden_columns_of_mariadb() {
    let mut maria = Tracker::new(ServerInfo { flavor: Flavor::Mariadb, version: 101_106 }, 0);
    run(&mut maria, "CREATE TABLE t (a TEXT UNIQUE, b INT) CHARACTER SET utf8mb4 WITH SYSTEM VERSIONING").unwrap();
    let columns = |maria: &Tracker| -> Vec<String> {
        maria.get("d", "t").unwrap().columns.iter().map(|column| column.name.clone()).collect()
    };
    assert_eq!(columns(&maria), ["a", "b", "row_start", "row_end", "DB_ROW_HASH_1"]);
    run(&mut maria, "ALTER TABLE t ADD c INT").unwrap();
    assert_eq!(columns(&maria), ["a", "b", "c", "row_start", "row_end", "DB_ROW_HASH_1"]);
    run(&mut maria, "ALTER TABLE t MODIFY a VARCHAR(20), DROP SYSTEM VERSIONING").unwrap();
    assert_eq!(columns(&maria), ["a", "b", "c"]);
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
fn implicit_timestamps_are_written_out() {
    let mut old = Tracker::new(ServerInfo { flavor: Flavor::Mysql, version: 50_744 }, 0);
    run(&mut old, "CREATE TABLE t (id INT)").unwrap();
    let mut written = |sql: &str| {
        let statement = parse(sql, &ParseContext { default_schema: "d".into(), ..Default::default() }).unwrap();
        old.apply(&statement).unwrap();
        let table = old.get("d", "t").unwrap();
        statement.leaves_timestamps_open().then(|| statement.timestamp_changes(&table).apply(sql))
    };
    assert_eq!(
        written("ALTER TABLE t ADD a TIMESTAMP(3) COMMENT 'x', ADD b TIMESTAMP AFTER id, ADD c TIMESTAMP NULL")
            .unwrap(),
        "ALTER TABLE t ADD a TIMESTAMP(3) NOT NULL DEFAULT '0000-00-00 00:00:00.000' COMMENT 'x', ADD b TIMESTAMP NOT NULL DEFAULT \
         CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP AFTER id, ADD c TIMESTAMP NULL"
    );
    assert_eq!(
        written("ALTER TABLE t MODIFY a TIMESTAMP DEFAULT '2020-01-01'").unwrap(),
        "ALTER TABLE t MODIFY a TIMESTAMP NOT NULL DEFAULT '2020-01-01'"
    );
    assert_eq!(written("ALTER TABLE t ADD e TIMESTAMP NULL DEFAULT NULL, ADD f DATETIME"), None);
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

#[test]
fn partitions_are_followed_and_kept() {
    let tracker = tracker(&[
        "CREATE TABLE t (a INT, d DATE) PARTITION BY RANGE (TO_DAYS(d)) SUBPARTITION BY LINEAR HASH (a) SUBPARTITIONS 2 \
         (PARTITION p0 VALUES LESS THAN (TO_DAYS('2020-01-01')), PARTITION p1 VALUES LESS THAN (2 * 400000) COMMENT 'c')",
        "ALTER TABLE t ADD PARTITION (PARTITION p2 VALUES LESS THAN MAXVALUE)",
        "ALTER TABLE t REORGANIZE PARTITION p0, p1 INTO (PARTITION `a b` VALUES LESS THAN (800000))",
        "CREATE TABLE h (a INT) PARTITION BY HASH (a) PARTITIONS 3",
        "ALTER TABLE h ADD PARTITION PARTITIONS 2",
        "ALTER TABLE h COALESCE PARTITION 1",
        "CREATE TABLE l (a VARCHAR(9), b INT) PARTITION BY LIST COLUMNS (a, b) \
         (PARTITION p0 VALUES IN (('x', 1), ('it''s', 2)), PARTITION p1 VALUES IN ((NULL, -1)))",
        "ALTER TABLE l DROP PARTITION P1",
    ]);
    let texts = [
        "PARTITION BY RANGE (TO_DAYS(d)) SUBPARTITION BY LINEAR HASH (a) SUBPARTITIONS 2 \
         (PARTITION `a b` VALUES LESS THAN (800000), PARTITION `p2` VALUES LESS THAN (MAXVALUE))",
        "PARTITION BY HASH (a) PARTITIONS 4",
        "PARTITION BY LIST COLUMNS (`a`,`b`) (PARTITION `p0` VALUES IN (('x',1),('it''s',2)))",
    ];
    for (name, text) in ["t", "h", "l"].into_iter().zip(texts) {
        let table = tracker.get("d", name).unwrap();
        let partitions = table.partition.as_ref().unwrap();
        assert_eq!(partitions.text(), text);
        // `binlog-schema` and table_info keep all of it.
        let mut again = Tracker::new(ServerInfo::default(), 0);
        run(&mut again, &crate::schema::create_text::create_text(&table)).unwrap();
        assert_eq!(again.get("d", name).unwrap().partition, table.partition, "{text}");
        let json = crate::schema::table_info::to_json(&table).unwrap();
        assert_eq!(crate::schema::table_info::from_json("d", &json).unwrap().unwrap().partition, table.partition);
    }
    let error = run(&mut tracker.clone(), "CREATE TABLE big (a INT) PARTITION BY HASH (a) PARTITIONS 4000000000");
    assert_eq!(error.unwrap_err().code(), Code::SchemaTrackerCannotExecDDL);
}
