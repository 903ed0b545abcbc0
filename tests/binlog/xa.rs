//! XA transactions: each is applied once, when it commits, whatever happens between its two halves.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use super::until_flushed;
use crate::{
    support::servers::{Release, Server, mariadb, mysql},
    units_sync::{Running, subtask, until_equal},
};

const TABLES: &str = "CREATE DATABASE d; CREATE TABLE d.keyless (a INT, b LONGTEXT) ENGINE=InnoDB;
    CREATE TABLE d.keyed (id INT PRIMARY KEY, v INT) ENGINE=InnoDB; CREATE TABLE d.marked1 (a INT, b LONGTEXT) ENGINE=InnoDB;
    CREATE TABLE d.marked2 (a INT, b LONGTEXT) ENGINE=InnoDB; CREATE TABLE d.marked3 (a INT, b LONGTEXT) ENGINE=InnoDB;";

/// What was rolled back to a savepoint may stand in the binlog all the same.
const SAVEPOINTS: &str =
    "INSERT INTO d.keyless VALUES (10, 'kept'); SAVEPOINT a; INSERT INTO d.keyless VALUES (10, 'not');
    ROLLBACK TO a; INSERT INTO d.keyless VALUES (10, 'kept too')";

/// The same, larger than what is kept in memory; MariaDB writes `ROLLBACK TO` with the rows behind the savepoint, because of
/// the temporary table. Nine rows count.
const LARGE_SAVEPOINTS: &str =
    "INSERT INTO d.marked VALUES (11, REPEAT('a', 3000000)), (11, 'a'), (11, 'a'), (11, 'a'); SAVEPOINT a;
    INSERT INTO d.marked VALUES (11, REPEAT('b', 3000000)), (11, 'b'); SAVEPOINT b; DELETE FROM d.marked WHERE a = 11;
    DROP TEMPORARY TABLE IF EXISTS d.none; ROLLBACK TO b; INSERT INTO d.marked VALUES (11, 'c'); SAVEPOINT c;
    INSERT INTO d.marked VALUES (11, 'not'), (11, 'not'); ROLLBACK TO c; INSERT INTO d.marked VALUES (11, 'd');
    UPDATE d.marked SET b = 'e' WHERE a = 11 AND b = 'd'; INSERT INTO d.marked VALUES (11, 'f')";

fn xa(name: &str, rows: &str, end: &str) -> String {
    format!("XA START '{name}'; {rows}; XA END '{name}'; {end}")
}

/// Ends a prepared transaction; its own session may not be gone yet.
async fn decide(source: &Server, sql: &str) {
    let mut conn = source.conn().await;
    let deadline = Instant::now() + Duration::from_secs(10);
    while let Err(error) = conn.query_drop(sql).await {
        assert!(error.to_string().contains("XAER_NOTA") && Instant::now() < deadline, "{sql}: {error}");
    }
    conn.disconnect().await.unwrap();
}

const OPEN: &str = "SELECT value FROM dm_meta.t_source_state WHERE name = 'xa'";

async fn all_kinds(source: &Server, target: &Server, gtid: bool) {
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let config = subtask(source, target, gtid);
    // Prepared before the task begins: no checkpoint knows it.
    source.exec(&xa("early", SAVEPOINTS, "XA PREPARE 'early'")).await;
    let running = Running::start(&config, 1).started(target).await;
    decide(source, "XA COMMIT 'early'").await;
    // In one phase, small and larger than what is kept in memory.
    let no_temporary = source.release == Release::Mysql57;
    let large_savepoints = |table: &str| {
        let sql = LARGE_SAVEPOINTS.replace("marked", table);
        if no_temporary { sql.replace("DROP TEMPORARY TABLE IF EXISTS d.none;", "") } else { sql }
    };
    let large = "INSERT INTO d.keyless VALUES (2, REPEAT('x', 5000000)), (2, REPEAT('y', 5000000))";
    source.exec(&xa("one", "INSERT INTO d.keyless VALUES (3, 'one')", "XA COMMIT 'one' ONE PHASE")).await;
    source.exec(&xa("big", large, "XA COMMIT 'big' ONE PHASE")).await;
    // In two, with others between, and what is rolled back.
    source.exec(&xa("p1", "INSERT INTO d.keyless VALUES (4, 'p1'), (4, 'p1')", "XA PREPARE 'p1'")).await;
    source.exec(&xa("p2", large, "XA PREPARE 'p2'")).await;
    source.exec(&xa("s1", SAVEPOINTS, "XA PREPARE 's1'")).await;
    decide(source, "XA COMMIT 's1'").await;
    source.exec(&xa("s2", &large_savepoints("marked1"), "XA COMMIT 's2' ONE PHASE")).await;
    source.exec(&xa("s3", &large_savepoints("marked2"), "XA PREPARE 's3'")).await;
    source.exec(&xa("s4", &large_savepoints("marked3"), "XA PREPARE 's4'")).await;
    decide(source, "XA ROLLBACK 's4'").await;
    source.exec(&xa("gone", "INSERT INTO d.keyless VALUES (5, 'gone')", "XA PREPARE 'gone'")).await;
    source
        .exec("INSERT INTO d.keyed VALUES (1, 1); INSERT INTO d.keyless VALUES (6, 'between'); FLUSH BINARY LOGS")
        .await;
    source.exec("XA COMMIT 'p2'; XA ROLLBACK 'gone'; XA COMMIT 's3'; XA COMMIT 'p1'").await;
    until_equal(source, target, &["d"], &running).await;

    assert_eq!(
        target.text("SELECT CONCAT((SELECT COUNT(*) FROM d.marked1), (SELECT COUNT(*) FROM d.marked2))").await,
        "99"
    );
    // Over a stop, over a kill, and one whose name comes again.
    source.exec(&xa("p3", "INSERT INTO d.keyless VALUES (7, 'p3')", "XA PREPARE 'p3'")).await;
    source.exec(&xa("p4", large, "XA PREPARE 'p4'")).await;
    source.exec(&xa("p5", "INSERT INTO d.keyless VALUES (8, 'p5')", "XA PREPARE 'p5'")).await;
    until_flushed(source, target, &running).await;
    let open = target.text(OPEN).await;
    assert_eq!(["p3", "p4", "p5", "p1"].map(|name| open.contains(&hex(name))), [true, true, true, false], "{open}");
    running.stop().await.unwrap();
    source.exec("XA COMMIT 'p3'; INSERT INTO d.keyed VALUES (2, 2)").await;
    let running = Running::start(&config, 2).started(target).await;
    until_equal(source, target, &["d"], &running).await;
    running.kill().await;
    source.exec("XA COMMIT 'p4'; XA ROLLBACK 'p5'; UPDATE d.keyed SET v = v + 1").await;
    source.exec(&xa("p5", "INSERT INTO d.keyless VALUES (9, 'again')", "XA PREPARE 'p5'")).await;
    decide(source, "XA COMMIT 'p5'").await;
    source.exec("DELETE FROM d.keyless WHERE a = 4").await;
    let running = Running::start(&config, 3).started(target).await;
    until_equal(source, target, &["d"], &running).await;
    until_flushed(source, target, &running).await;
    assert_eq!(target.text(OPEN).await, "{}");
    running.stop().await.unwrap();
}

fn hex(name: &str) -> String {
    name.bytes().map(|b| format!("{b:02x}")).collect()
}

#[tokio::test]
async fn mysql_transactions_count_once_when_they_commit() {
    let target = mariadb();
    // MySQL 5.6 writes XA transactions only when they commit, as any other.
    let all = [Release::Mysql57, Release::Mysql80, Release::Mysql97];
    for release in Release::chosen(&[Release::Mysql57, Release::Mysql97], &all) {
        let source = Server::of(release, &["--max-allowed-packet=64M"]);
        all_kinds(&source, &target, release != Release::Mysql57).await;
        target.exec("DROP DATABASE d; DROP DATABASE dm_meta").await;
    }
}

#[tokio::test]
async fn mariadb_transactions_count_once_when_they_commit() {
    let target = mariadb();
    let all = [Release::Mariadb105, Release::Mariadb1011, Release::Mariadb118];
    for release in Release::chosen(&[Release::Mariadb1011, Release::Mariadb118], &all) {
        let source = Server::of(release, &["--max-allowed-packet=64M"]);
        all_kinds(&source, &target, release != Release::Mariadb1011).await;
        target.exec("DROP DATABASE d; DROP DATABASE dm_meta").await;
    }
}

#[tokio::test]
async fn rows_that_the_source_purged_are_an_error_that_says_so() {
    let (source, target) = (mysql(), mariadb());
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    source.exec(&xa("old", "INSERT INTO d.keyless VALUES (1, 'old')", "XA PREPARE 'old'")).await;
    source.exec("FLUSH BINARY LOGS; INSERT INTO d.keyed VALUES (1, 1)").await;
    let file = source.text("SHOW BINARY LOG STATUS").await;
    source.purge_up_to(&file).await;
    let running = Running::start(&subtask(&source, &target, false), 1).started(&target).await;
    decide(&source, "XA COMMIT 'old'").await;
    let error = tokio::time::timeout(Duration::from_secs(30), running.error()).await.unwrap();
    assert!(error.to_string().contains("XA COMMIT X'6f6c64',X'',1: its rows were prepared earlier"), "{error}");
}
