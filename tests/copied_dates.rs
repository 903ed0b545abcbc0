//! What becomes of dates that don't exist when a statement copies their table: on the target what the source's server made of
//! them, whatever either of the two would do by itself.

use mysql_async::prelude::Queryable;

use crate::units_sync::{Running, pairs, subtask, until_equal};

const MODES: [&str; 12] = [
    "",
    "STRICT_TRANS_TABLES",
    "STRICT_ALL_TABLES,NO_ZERO_DATE,NO_ZERO_IN_DATE",
    "STRICT_TRANS_TABLES,ALLOW_INVALID_DATES",
    "NO_ZERO_DATE",
    "NO_ZERO_IN_DATE",
    "NO_ZERO_DATE,NO_ZERO_IN_DATE",
    "ALLOW_INVALID_DATES",
    "ALLOW_INVALID_DATES,NO_ZERO_DATE",
    "ALLOW_INVALID_DATES,NO_ZERO_IN_DATE",
    "TRADITIONAL",
    "ANSI",
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn dates_that_do_not_exist_are_copied_as_at_the_source() {
    for (source, target, gtid) in pairs() {
        source.exec("CREATE DATABASE d").await;
        target.exec("CREATE DATABASE d").await;
        let running = Running::start(&subtask(&source, &target, gtid), 1).started(&target).await;
        let mut conn = source.conn().await;
        let (mut copied, mut defaults) = (0, 0);
        for (number, mode) in MODES.iter().enumerate() {
            let table = format!("d.t{number}");
            conn.query_drop("SET sql_mode = 'ALLOW_INVALID_DATES'").await.unwrap();
            let create = format!("CREATE TABLE {table} (id INT PRIMARY KEY, u DATE, w DATETIME, x DECIMAL(9,2))");
            conn.query_drop(create).await.unwrap();
            let rows = format!(
                "INSERT INTO {table} VALUES (1, '2023-02-30', '2023-02-30 01:02:03', 1), (2, '2024-00-00', \
                 '2024-00-10 00:00:00', 2), (3, '0000-00-00', '0000-00-00 00:00:00', 3), (4, '2024-01-01', NULL, 4)"
            );
            conn.query_drop(rows).await.unwrap();
            conn.query_drop(format!("SET sql_mode = '{mode}'")).await.unwrap();
            // A strict server refuses it at such a date, and the target doesn't hear of it.
            // Zero defaults, as old applications have them.
            let zeros = format!("CREATE TABLE {table}z (id INT PRIMARY KEY, a DATE NOT NULL DEFAULT '0000-00-00')");
            if conn.query_drop(zeros).await.is_ok() {
                let more = format!("ALTER TABLE {table}z ADD b DATETIME NOT NULL DEFAULT '0000-00-00 00:00:00'");
                conn.query_drop(more).await.unwrap();
                conn.query_drop(format!("INSERT INTO {table}z (id) VALUES (1)")).await.unwrap();
                defaults += 1;
            }
            copied += u32::from(conn.query_drop(format!("ALTER TABLE {table} MODIFY x VARCHAR(80)")).await.is_ok());
        }
        assert!(copied >= 8 && defaults >= 6, "{copied} and {defaults} statements were taken");
        conn.disconnect().await.unwrap();
        until_equal(&source, &target, &["d"], &running).await;
        running.stop().await.unwrap();
    }
}
