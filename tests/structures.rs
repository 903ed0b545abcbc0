//! Row layouts at every place of a binlog: structures from the checkpoint, from the table map, and of many tables.

use std::time::Duration;

use dm::{
    config::subtask::Meta,
    schema::{
        ServerInfo, Tracker,
        ddl::{self, ParseContext},
    },
};
use mysql_async::{Row, prelude::Queryable};

use crate::{
    support::{
        release::Release,
        servers::{self, Server},
        wait,
    },
    units_sync::{Running, subtask, until_equal},
};

/// DDL and rows go on while the task is stopped; it goes on with the structure that its checkpoint has for that place.
#[tokio::test]
async fn a_restart_in_the_middle_reads_rows_as_they_were() {
    for source in [servers::mysql(), servers::mariadb()] {
        let target = servers::mariadb();
        let config = subtask(&source, &target, true);
        let running = Running::start(&config, 1).started(&target).await;
        source
            .exec(
                "CREATE DATABASE mid; USE mid;
                 CREATE TABLE t (id INT PRIMARY KEY, a INT UNSIGNED, b VARCHAR(10)) CHARACTER SET utf8mb4;
                 CREATE TABLE keyless (a INT, b INT); INSERT INTO t VALUES (1, 4000000000, 'x'); INSERT INTO keyless VALUES (1, 2)",
            )
            .await;
        until_equal(&source, &target, &["mid"], &running).await;
        running.stop().await.unwrap();
        // Each statement changes what the rows around it mean.
        source
            .exec(
                "USE mid; INSERT INTO t VALUES (2, 4000000001, 'y'); INSERT INTO keyless VALUES (3, 4);
                 ALTER TABLE t MODIFY b VARCHAR(10) FIRST, ADD c INT UNSIGNED AFTER b;
                 INSERT INTO t VALUES ('z', 4000000002, 3, 5);
                 ALTER TABLE t DROP COLUMN a, ADD a INT UNSIGNED AFTER b; UPDATE t SET a = 7 WHERE id = 1;
                 ALTER TABLE keyless CHANGE a b INT, CHANGE b a INT; INSERT INTO keyless VALUES (5, 6);
                 RENAME TABLE t TO u, keyless TO t; INSERT INTO t VALUES (7, 8); DELETE FROM u WHERE id = 2;
                 CREATE TABLE gone (a INT PRIMARY KEY); INSERT INTO gone VALUES (1); DROP TABLE gone;
                 CREATE TABLE gone (b VARCHAR(5) PRIMARY KEY); INSERT INTO gone VALUES ('b')",
            )
            .await;
        let running = Running::start(&config, 2);
        until_equal(&source, &target, &["mid"], &running).await;
        running.stop().await.unwrap();
    }
}

/// A table that the task has never seen and that is another one now: only the rows' own names can tell.
#[tokio::test]
async fn names_in_the_table_map_tell_the_structure() {
    for release in [Release::Mysql97, Release::Mariadb1011] {
        let source = Server::of(release, &["--binlog-row-metadata=FULL"]);
        let target = servers::mariadb();
        let table =
            "CREATE DATABASE meta; CREATE TABLE meta.t (id INT PRIMARY KEY, a INT, b INT UNSIGNED, e ENUM('x','y'))";
        source.exec(table).await;
        // Neither the source's present structure nor the target's has the rows' columns.
        target.exec(&format!("{table}; ALTER TABLE meta.t ADD extra INT DEFAULT 9 FIRST")).await;
        let mut config = subtask(&source, &target, false);
        let mut conn = source.conn().await;
        let logs: Vec<Row> = conn.query("SHOW BINARY LOGS").await.unwrap();
        let (binlog_name, binlog_pos) = logs.last().map(|row| (row.get(0).unwrap(), row.get(1).unwrap())).unwrap();
        config.meta = Some(Meta { binlog_name, binlog_pos, ..Meta::default() });
        source
            .exec(
                "USE meta; INSERT INTO t VALUES (1, -2, 4000000000, 'y'); UPDATE t SET a = -3;
                 ALTER TABLE t CHANGE a b INT, CHANGE b a INT UNSIGNED; INSERT INTO t VALUES (2, -5, 4000000001, 'x');
                 ALTER TABLE t DROP COLUMN e; INSERT INTO t VALUES (3, 7, 8)",
            )
            .await;
        let running = Running::start(&config, 1).started(&target).await;
        wait::until("the rows", Duration::from_secs(60), || async {
            let rows = "SELECT GROUP_CONCAT(CONCAT_WS('/', id, a, b, extra) ORDER BY id) FROM meta.t";
            let have = target.text(rows).await;
            if have == "1/4000000000/-3/9,2/4000000001/-5/9,3/8/7/9" || running.is_finished() {
                Ok(())
            } else {
                Err(have)
            }
        })
        .await;
        running.stop().await.unwrap();
    }
}

/// 20,000 tables of 20 columns: what a task knows of them at its start.
#[tokio::test]
async fn structures_of_many_tables_take_little_memory() {
    let resident = || -> u64 {
        let pages = std::fs::read_to_string("/proc/self/statm").unwrap();
        pages.split(' ').nth(1).unwrap().parse::<u64>().unwrap() * 4096
    };
    let columns: Vec<String> = (1..20)
        .map(|i| match i % 4 {
            0 => format!("column_{i} VARCHAR(64) NOT NULL DEFAULT ''"),
            1 => format!("column_{i} DECIMAL(20,4) DEFAULT '0.0000' COMMENT 'amount {i}'"),
            2 => format!("column_{i} DATETIME DEFAULT CURRENT_TIMESTAMP"),
            _ => format!("column_{i} ENUM('new','paid','sent')"),
        })
        .collect();
    let context = ParseContext { default_schema: "d".into(), ..ParseContext::default() };
    let mut tracker = Tracker::new(ServerInfo::default(), 0);
    let before = resident();
    for i in 0..20_000 {
        let sql = format!(
            "CREATE TABLE table_{i:05} (id BIGINT AUTO_INCREMENT PRIMARY KEY, {}, KEY k1 (column_1), UNIQUE k2 (column_4))",
            columns.join(", ")
        );
        tracker.apply(&ddl::parse(&sql, &context).unwrap()).unwrap();
    }
    let taken = resident().saturating_sub(before) >> 20;
    eprintln!("20,000 tables of 20 columns: {taken} MiB");
    assert_eq!(tracker.tables().count(), 20_000);
    assert!(taken < 300, "{taken} MiB");
}
