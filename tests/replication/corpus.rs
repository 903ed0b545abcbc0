//! The DDL corpus of tests/schema as live traffic: each statement between rows, through the binlog into a server of the
//! same release. Every day a few topics on two releases; `DM_REPLICATION_SEEDS` all topics on all, `DM_DDL_TOPICS=keys` one.

use std::time::Duration;

use mysql_async::{Conn, prelude::Queryable};

use super::variable;
use crate::{
    schema::corpus::{self, Topic},
    support::{
        compare,
        release::Release::{self, *},
        servers::{Kind, Server},
    },
    units_sync::{Running, subtask},
};

/// Every day's.
const TOPICS: [&str; 3] = ["alter_columns", "keys", "foreign_keys"];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_ddl_corpus_runs_between_rows() {
    let long = variable::<u64>("DM_REPLICATION_SEEDS").is_some();
    let releases = if long { Release::ALL.to_vec() } else { vec![Mariadb1011, Mysql97] };
    let wanted: Option<String> = variable("DM_DDL_TOPICS");
    let is_wanted = |topic: &Topic| match &wanted {
        Some(names) => names.split(',').any(|name| name == topic.name),
        None => long || TOPICS.contains(&topic.name.as_str()),
    };
    let mut problems = Vec::new();
    for (number, release) in releases.into_iter().enumerate() {
        for topic in corpus::topics().iter().filter(|topic| is_wanted(topic)) {
            // Every day the last topic on the second release, the others on the first.
            if !long && wanted.is_none() && (Some(&topic.name.as_str()) == TOPICS.last()) != (number == 1) {
                continue;
            }
            let found = follow(release, topic).await;
            problems.extend(found.map(|why| format!("{release:?} {}: {why}", topic.name)));
        }
    }
    assert!(problems.is_empty(), "{} topics differ:\n{}", problems.len(), problems.join("\n\n"));
}

/// MySQL 5.6 itself ends by it (signal 11).
pub const ENDS_MYSQL_56: &str = "ALTER TABLE fk_parent ADD FOREIGN KEY (u) REFERENCES fk_parent";

/// What is left out. Of the first the source makes an InnoDB table, and the target's session, which doesn't take one engine for another, none.
/// Of the second a session without a strict mode makes rows with a vector of no dimension, which MySQL 9.7 takes from nobody. Behind the
/// third there is nothing to compare. The last gives rows of 0 numbers in the order in which they lie; the target's session keeps them, and
/// refuses them where there are several (MariaDB).
const REFUSED: [&str; 4] = [
    "CREATE TABLE o31 (a INT) ENGINE=nosuchengine",
    "CREATE TABLE t35 (a VECTOR(3), b VECTOR(16000), c VECTOR(3) NOT NULL)",
    "ALTER TABLE o1 DISCARD TABLESPACE",
    "ALTER TABLE t1 MODIFY a SERIAL",
];

/// Topics that end in an error, and its code: statements as text in the binlog, and sequences.
const ENDS: [(&str, &str); 2] = [("refused", "code=36014"), ("sequences", "code=11007")];

/// One topic; what differs in the end.
async fn follow(release: Release, topic: &Topic) -> Option<String> {
    // Some topics have tables without transactions, which a MySQL target that enforces GTID consistency refuses (1785).
    let options: &[&str] =
        if release.kind() == Kind::Mysql { &["--gtid-mode=OFF", "--enforce-gtid-consistency=OFF"] } else { &[] };
    let start = move || (Server::of(release, &[]), Server::of(release, options));
    let (source, target) = tokio::task::spawn_blocking(start).await.unwrap();
    let config = subtask(&source, &target, true);
    let running = Running::start(&config, 1).started(&target).await;
    let (mut conn, mut rows) = (source.conn().await, source.conn().await);
    conn.query_drop("CREATE DATABASE d; USE d; SET foreign_key_checks = 0").await.unwrap();
    rows.query_drop(SESSION).await.unwrap();
    let (mut taken, mut locked) = (0, false);
    let is_left_out = |sql: &str| REFUSED.contains(&sql) || (release == Mysql56 && sql == ENDS_MYSQL_56);
    for sql in topic.statements.iter().filter(|sql| !is_left_out(sql)) {
        // What the server refuses is no traffic.
        taken += u32::from(conn.query_drop(sql).await.is_ok());
        locked = corpus::locks(sql).unwrap_or(locked);
        if !locked {
            write_rows(&mut rows).await;
        }
    }
    let end = std::time::Instant::now() + Duration::from_secs(90);
    loop {
        if running.is_finished() {
            let error = running.error().await.to_string();
            let meant = ENDS.iter().any(|(name, code)| topic.name == *name && error.contains(code));
            eprintln!("{release:?} {}: {taken} statements between rows, and {error:.60}", topic.name);
            return (!meant).then(|| format!("the run ended: {error}"));
        }
        let found = differences(&source, &target).await;
        if found.is_empty() {
            eprintln!("{release:?} {}: {taken} statements between rows", topic.name);
            running.stop().await.unwrap();
            return None;
        }
        if std::time::Instant::now() > end {
            return Some(found.join("\n"));
        }
        let _ = tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>()).await;
    }
}

/// Of who writes rows: what an open transaction of the topic holds is passed over.
pub(super) const SESSION: &str =
    "SET sql_mode = '', foreign_key_checks = 0, innodb_lock_wait_timeout = 1, lock_wait_timeout = 2";

/// A row of defaults into every table that takes one, and a change to those that are there.
pub(super) async fn write_rows(conn: &mut Conn) {
    for table in compare::tables(conn, "d").await {
        let table = format!("d.`{}`", table.replace('`', "``"));
        // What a lax server makes of a missing point is no geometry, and can't be written as a value anywhere.
        if !has_geometry(conn, &table).await {
            let _ = conn.query_drop(format!("INSERT INTO {table} () VALUES ()")).await;
        }
        let _ = conn.query_drop(format!("INSERT INTO {table} SELECT * FROM {table} LIMIT 1")).await;
        let _ = conn.query_drop(format!("DELETE FROM {table} LIMIT 1")).await;
    }
}

async fn has_geometry(conn: &mut Conn, table: &str) -> bool {
    let columns: Vec<mysql_async::Row> = conn.query(format!("SHOW COLUMNS FROM {table}")).await.unwrap_or_default();
    let kinds = ["geometry", "point", "linestring", "polygon", "multi", "geomcollection"];
    let kind = |row: &mysql_async::Row| row.get::<String, _>(1).unwrap_or_default().to_lowercase();
    columns.iter().any(|row| kinds.iter().any(|known| kind(row).starts_with(known)))
}

/// The user's schemas.
const SCHEMAS: &str = "SELECT schema_name FROM information_schema.schemata WHERE schema_name NOT IN ('mysql', 'sys', 'test', \
                       'information_schema', 'performance_schema')";

pub(super) async fn differences(source: &Server, target: &Server) -> Vec<String> {
    let (mut from, mut to) = (source.conn().await, target.conn().await);
    let schemas: Vec<String> = from.query(SCHEMAS).await.unwrap();
    let mut found = Vec::new();
    for schema in schemas {
        found.extend(compare::schema_differences(&mut from, &schema, &mut to, &schema).await);
    }
    found
}

/// Rows that one side has more often than the other.
pub(super) async fn rows_that_differ(source: &Server, target: &Server) -> Vec<String> {
    let (mut from, mut to) = (source.conn().await, target.conn().await);
    let schemas: Vec<String> = from.query(SCHEMAS).await.unwrap();
    let mut found = Vec::new();
    for schema in schemas {
        found.extend(compare::rows_that_differ(&mut from, &mut to, &schema).await);
    }
    found
}
