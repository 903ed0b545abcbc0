//! Rows of tables that the task has not seen before, with a statement right behind them: the source's present structure
//! has the statement's effect already. And statements in the words of ALTER and RENAME that are about no table.

use std::time::Duration;

use dm::config::{SubtaskConfig, subtask::Meta};

use crate::{
    support::servers::{Release, Server},
    units_sync::{Running, subtask, until_equal},
};

/// Of each table: its columns, and what happens after its first row.
const STORIES: [(&str, &str); 20] = [
    ("id INT PRIMARY KEY, v INT", "ALTER TABLE @ ADD UNIQUE KEY u (v); INSERT INTO @ VALUES (2, 2)"),
    (
        "id INT PRIMARY KEY, v INT",
        "CREATE INDEX u ON @ (v); INSERT INTO @ VALUES (2, 2); DROP INDEX u ON @; INSERT INTO @ VALUES (3, 3)",
    ),
    ("id INT PRIMARY KEY, v INT, UNIQUE KEY u (v)", "ALTER TABLE @ DROP KEY u; INSERT INTO @ VALUES (2, 1)"),
    ("id INT PRIMARY KEY, v INT, KEY u (v)", "ALTER TABLE @ RENAME INDEX u TO w; INSERT INTO @ VALUES (2, 2)"),
    ("id INT PRIMARY KEY, v INT", "ALTER TABLE @ ADD COLUMN c INT DEFAULT 7; INSERT INTO @ VALUES (2, 2, 2)"),
    (
        "id INT PRIMARY KEY, v INT",
        "ALTER TABLE @ ADD COLUMN c INT FIRST, ADD UNIQUE KEY u (v); INSERT INTO @ VALUES (2, 2, 2)",
    ),
    ("id INT PRIMARY KEY, v INT", "ALTER TABLE @ DROP COLUMN v; INSERT INTO @ VALUES (2)"),
    (
        "id INT PRIMARY KEY, v INT",
        "ALTER TABLE @ CHANGE v w INT; INSERT INTO @ VALUES (2, 2); UPDATE @ SET w = 9 WHERE id = 1",
    ),
    ("id INT PRIMARY KEY, v INT", "ALTER TABLE @ MODIFY v BIGINT; INSERT INTO @ VALUES (2, 9999999999)"),
    (
        "id INT PRIMARY KEY, v INT",
        "ALTER TABLE @ MODIFY v INT NOT NULL DEFAULT 4, ADD KEY k (v); INSERT INTO @ (id) VALUES (2)",
    ),
    (
        "id INT, v INT",
        "ALTER TABLE @ ADD PRIMARY KEY (id); INSERT INTO @ VALUES (2, 2); UPDATE @ SET v = 5 WHERE id = 1",
    ),
    ("id INT PRIMARY KEY, v INT", "ALTER TABLE @ DROP PRIMARY KEY; INSERT INTO @ VALUES (1, 1); DELETE FROM @ LIMIT 1"),
    (
        "id INT PRIMARY KEY, v INT, w INT",
        "ALTER TABLE @ ADD UNIQUE KEY u (v); INSERT INTO @ VALUES (2, 2, 2); ALTER TABLE @ DROP KEY u, ADD UNIQUE KEY u (w); INSERT INTO @ VALUES (3, 2, 3)",
    ),
    ("id INT PRIMARY KEY, v INT", "RENAME TABLE @ TO @x; INSERT INTO @x VALUES (2, 2)"),
    (
        "id INT PRIMARY KEY, v INT",
        "RENAME TABLE @ TO @x; CREATE TABLE @ (a VARCHAR(9), b INT); INSERT INTO @ VALUES ('n', 1); INSERT INTO @x VALUES (2, 2)",
    ),
    (
        "id INT PRIMARY KEY, v INT",
        "DROP TABLE @; CREATE TABLE @ (a VARCHAR(9) PRIMARY KEY, b INT, c INT); INSERT INTO @ VALUES ('n', 1, 2)",
    ),
    (
        "id INT PRIMARY KEY, v INT",
        "DROP TABLE @; CREATE TABLE @ (id INT, v INT, UNIQUE KEY u (v)); INSERT INTO @ VALUES (2, 2), (2, 3)",
    ),
    (
        "id INT PRIMARY KEY, v INT",
        "TRUNCATE TABLE @; INSERT INTO @ VALUES (1, 3); ALTER TABLE @ ADD KEY k (v); INSERT INTO @ VALUES (2, 2)",
    ),
    ("id INT PRIMARY KEY, v INT", "ALTER TABLE @ RENAME TO @x, ADD UNIQUE KEY u (v); INSERT INTO @x VALUES (2, 2)"),
    (
        "id INT PRIMARY KEY, v INT",
        "ALTER TABLE @ ADD CONSTRAINT f FOREIGN KEY (v) REFERENCES parent (id); INSERT INTO @ VALUES (2, 2)",
    ),
];

fn first_row(columns: &str) -> &'static str {
    if columns.contains("w INT") { "1, 1, 1" } else { "1, 1" }
}

async fn begun(release: Release) -> (Server, Server, SubtaskConfig) {
    let (source, target) = (Server::of(release, &[]), Server::of(Release::Mariadb1011, &[]));
    let config = subtask(&source, &target, true);
    (source, target, config)
}

/// Where a task begins that follows GTIDs.
async fn here(source: &Server) -> Meta {
    let (binlog_name, pos, binlog_gtid) = source.binlog_end().await;
    Meta { binlog_name, binlog_pos: pos.parse().unwrap(), binlog_gtid }
}

async fn statements_behind_first_rows(release: Release) {
    let (source, target, mut config) = begun(release).await;
    let mut tables =
        "CREATE DATABASE d; USE d; CREATE TABLE parent (id INT PRIMARY KEY); INSERT INTO parent VALUES (1), (2);"
            .to_owned();
    for (number, (columns, _)) in STORIES.iter().enumerate() {
        tables.push_str(&format!("CREATE TABLE t{number} ({columns});"));
    }
    source.exec(&tables).await;
    target.exec(&tables).await;
    config.meta = Some(here(&source).await);
    for (number, (columns, story)) in STORIES.iter().enumerate() {
        let table = format!("t{number}");
        let row = format!("USE d; INSERT INTO {table} VALUES ({}); ", first_row(columns));
        source.exec(&(row + &story.replace('@', &table))).await;
    }
    let running = Running::start(&config, 1);
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_right_behind_a_tables_first_rows_is_followed() {
    let all =
        [Release::Mysql57, Release::Mariadb1011].map(|release| tokio::spawn(statements_behind_first_rows(release)));
    for one in all {
        one.await.unwrap();
    }
}

const NO_TABLES: &str =
    "CREATE DATABASE d; USE d; CREATE TABLE base (id INT PRIMARY KEY); CREATE VIEW vw AS SELECT id FROM base;";

/// And the order of the columns, which nobody can tell when the source changed it behind the rows; and a real table that
/// the target lacks: those stop the task.
async fn no_tables(release: Release) {
    let (source, target, config) = begun(release).await;
    source.exec(NO_TABLES).await;
    target.exec("CREATE DATABASE d; USE d; CREATE TABLE base (id INT PRIMARY KEY)").await;
    let running = Running::start(&config, 1).started(&target).await;
    source.exec("USE d; RENAME TABLE vw TO v2, base TO base2; INSERT INTO base2 VALUES (1)").await;
    if release == Release::Mariadb1011 {
        let temporary = "USE d; CREATE TEMPORARY TABLE tt (a INT); RENAME TABLE tt TO tt2; DROP TABLE tt2";
        source.exec(temporary).await;
    }
    source
        .exec(
            "INSERT INTO d.base2 VALUES (2); RENAME TABLE d.v2 TO d.v3; RENAME TABLE d.base2 TO d.base; DROP VIEW d.v3",
        )
        .await;
    until_equal(&source, &target, &["d"], &running).await;
    assert!(running.notes().contains("RENAME TABLE") && running.notes().contains("was skipped"), "{}", running.notes());

    source.exec("CREATE TABLE d.o (a INT, b INT)").await;
    until_equal(&source, &target, &["d"], &running).await;
    target.exec("CREATE TABLE d.p (a INT, b INT)").await;
    running.stop().await.unwrap();
    let mut other = config.clone();
    other.name = "other".into();
    source.exec("DROP TABLE d.o; CREATE TABLE d.p (a INT, b INT)").await;
    other.meta = Some(here(&source).await);
    source.exec("INSERT INTO d.p VALUES (1, 2); ALTER TABLE d.p MODIFY b INT FIRST").await;
    let error = tokio::time::timeout(Duration::from_secs(30), Running::start(&other, 1).error()).await.unwrap();
    assert!(error.message().contains("the order of the columns"), "{error}");

    let mut real = config.clone();
    real.name = "real".into();
    source.exec("CREATE TABLE d.real1 (a INT)").await;
    real.meta = Some(here(&source).await);
    source.exec("RENAME TABLE d.real1 TO d.real2").await;
    let error = tokio::time::timeout(Duration::from_secs(30), Running::start(&real, 1).error()).await.unwrap();
    assert!(error.to_string().contains("1146"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn statements_about_views_and_temporary_tables_stop_nothing() {
    let all = [Release::Mysql97, Release::Mariadb1011].map(|release| tokio::spawn(no_tables(release)));
    for one in all {
        one.await.unwrap();
    }
}
