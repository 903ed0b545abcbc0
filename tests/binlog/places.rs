//! Where a run begins: times, positions, GTID sets; other servers, purged files, file numbers of seven digits.

use std::time::Duration;

use dm::{
    config::{SubtaskConfig, subtask::Meta},
    error::{Code, DmError},
};

use super::{until_flushed, until_text};
use crate::{
    support::{
        servers::{Kind, Release, Server, mariadb, mysql},
        wait,
    },
    units_sync::{Running, subtask, until_equal},
};

const TABLES: &str = "CREATE DATABASE d; CREATE TABLE d.keyed (id INT PRIMARY KEY, v INT) ENGINE=InnoDB;
    CREATE TABLE d.keyless (a INT, b VARCHAR(20)) ENGINE=InnoDB;";

async fn error_of(running: Running) -> DmError {
    tokio::time::timeout(Duration::from_secs(40), running.error()).await.expect("no error came")
}

/// Until the source's clock shows another second, twice; the time between.
async fn a_second_later(source: &Server) -> String {
    source.exec("DO SLEEP(2.1)").await;
    let time = source.text("SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')").await;
    source.exec("DO SLEEP(1.1)").await;
    time
}

#[tokio::test]
async fn a_task_starts_at_a_time() {
    for (source, gtid) in [(mysql(), true), (mariadb(), false), (Server::of(Release::Mysql56, &[]), false)] {
        let target = mariadb();
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        source.exec("INSERT INTO d.keyed VALUES (1, 1); FLUSH LOGS; INSERT INTO d.keyed VALUES (2, 2)").await;
        let time = a_second_later(&source).await;
        source.exec("INSERT INTO d.keyed VALUES (3, 3); FLUSH LOGS; INSERT INTO d.keyed VALUES (4, 4)").await;
        // Some of it is there already.
        target.exec("INSERT INTO d.keyed VALUES (1, 1), (2, 2), (3, 0)").await;
        let mut config = subtask(&source, &target, gtid);
        config.start_time = Some(format!("{time}#1"));
        let running = Running::start(&config, 1).started(&target).await;
        until_equal(&source, &target, &["d"], &running).await;
        until_flushed(&source, &target, &running).await;
        running.stop().await.unwrap();
        // The same order again is none.
        target.exec("DELETE FROM d.keyed WHERE id = 3").await;
        source.exec("INSERT INTO d.keyed VALUES (5, 5)").await;
        let running = Running::start(&config, 2).started(&target).await;
        until_text(&target, "SELECT GROUP_CONCAT(id ORDER BY id) FROM d.keyed", "1,2,4,5", &running).await;
        until_flushed(&source, &target, &running).await;
        running.stop().await.unwrap();
        // A new one goes back.
        config.start_time = Some(format!("{time}#2"));
        let running = Running::start(&config, 3).started(&target).await;
        until_equal(&source, &target, &["d"], &running).await;
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_time_without_binlog_is_refused_or_named() {
    let (source, target) = (mysql(), mariadb());
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let mut config = subtask(&source, &target, true);
    config.start_time = Some("2099-01-01 00:00:00#1".into());
    let error = error_of(Running::start(&config, 1)).await;
    assert_eq!(error.code(), Code::ConfigStartTimeTooLate);
    assert!(error.to_string().contains("no binlog location matches it"), "{error}");
    source.exec("FLUSH BINARY LOGS; INSERT INTO d.keyed VALUES (1, 1); FLUSH BINARY LOGS").await;
    let file = source.text("SHOW BINARY LOG STATUS").await;
    source.exec("INSERT INTO d.keyed VALUES (2, 2)").await;
    source.purge_up_to(&file).await;
    // Before the oldest: from the oldest, as DM has it.
    config.start_time = Some("2001-01-01 00:00:00#1".into());
    let running = Running::start(&config, 2).started(&target).await;
    until_text(&target, "SELECT GROUP_CONCAT(id) FROM d.keyed", "2", &running).await;
    let notes = running.unit.notes().join(" ");
    assert!(notes.contains("start-time 2001-01-01 00:00:00 is before the source's oldest binlog"), "{notes}");
    running.stop().await.unwrap();
}

/// `enable-gtid` may change between two runs; rows without a key come once.
#[tokio::test]
async fn positions_become_gtids_and_back() {
    for source in [mysql(), mariadb()] {
        let target = mariadb();
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        let many: Vec<String> = (0..200).map(|i| format!("({i}, 'x')")).collect();
        let many = format!("INSERT INTO d.keyless VALUES {}; UPDATE d.keyless SET b = CONCAT(b, 'y')", many.join(","));
        for (run, gtid) in [false, true, false, true].into_iter().enumerate() {
            let running = Running::start(&subtask(&source, &target, gtid), run as u64 + 1).started(&target).await;
            source.exec(&many).await;
            if run % 2 == 0 {
                until_equal(&source, &target, &["d"], &running).await;
                until_flushed(&source, &target, &running).await;
            }
            running.kill().await;
        }
        let running = Running::start(&subtask(&source, &target, true), 9).started(&target).await;
        until_equal(&source, &target, &["d"], &running).await;
        until_flushed(&source, &target, &running).await;
        let stored = target.text("SELECT binlog_gtid FROM dm_meta.t_syncer_checkpoint WHERE is_global = 1").await;
        let end = crate::mysql::end_of_binlog(&source).await.gtid_set.unwrap();
        assert_eq!(stored, end.to_string());
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_gtid_set_is_a_start_for_positions_too() {
    for source in [mysql(), mariadb()] {
        let target = mariadb();
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        source.exec("INSERT INTO d.keyless VALUES (1, 'before')").await;
        let set = crate::mysql::end_of_binlog(&source).await.gtid_set.unwrap();
        for (name, after) in [("t", "INSERT INTO d.keyless VALUES (2, 'after')"), ("idle", "DO 1")] {
            let mut config: SubtaskConfig = subtask(&source, &target, false);
            config.name = name.into();
            config.meta = Some(Meta {
                binlog_gtid: match name {
                    "t" => set.to_string(),
                    _ => crate::mysql::end_of_binlog(&source).await.gtid_set.unwrap().to_string(),
                },
                ..Meta::default()
            });
            source.exec(after).await;
            let running = Running::start(&config, 1).started(&target).await;
            until_text(&target, "SELECT GROUP_CONCAT(b) FROM d.keyless", "after", &running).await;
            running.stop().await.unwrap();
        }
    }
}

#[tokio::test]
async fn what_was_purged_is_named() {
    for (source, gtid) in [(mysql(), true), (mysql(), false), (mariadb(), true), (mariadb(), false)] {
        let target = mariadb();
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        let config = subtask(&source, &target, gtid);
        let running = Running::start(&config, 1).started(&target).await;
        until_flushed(&source, &target, &running).await;
        running.stop().await.unwrap();
        source.exec("INSERT INTO d.keyed VALUES (1, 1); FLUSH BINARY LOGS; INSERT INTO d.keyed VALUES (2, 2); FLUSH BINARY LOGS").await;
        let purge = async || {
            let file = crate::mysql::end_of_binlog(&source).await.position.name;
            source.exec(&format!("PURGE BINARY LOGS TO '{file}'")).await;
            if source.text("SHOW BINARY LOGS").await == file { Ok(()) } else { Err("not yet".to_owned()) }
        };
        wait::until("the purge", Duration::from_secs(20), purge).await;
        let error = error_of(Running::start(&config, 2)).await;
        let expected = match (source.kind, gtid) {
            (Kind::Mysql, true) => "the source purged transactions that the task has not applied yet",
            (_, true) => "the source has no binlog that goes on from GTID",
            (_, false) => "the source purged the binlog file mysql-bin.000001: the oldest it has is mysql-bin.",
        };
        let text = error.to_string();
        assert!(text.contains(expected) && text.contains("--remove-meta"), "{text}");
        assert!(text.contains("Error 1236 (HY000)"), "{text}");
    }
}

/// Behind one address, another server of the group.
#[tokio::test]
async fn a_switch_of_servers_goes_on_by_gtid_and_stops_by_position() {
    for kind in [Kind::Mysql, Kind::Mariadb] {
        let (first, second, target) = (Server::start(kind, &[]), Server::start(kind, &[]), mariadb());
        // Other file names and positions than the first's.
        second
            .exec(
                "SET sql_log_bin = 0; CREATE DATABASE other; SET sql_log_bin = 1; FLUSH BINARY LOGS; FLUSH BINARY LOGS",
            )
            .await;
        second.follows(&first).await;
        first.exec(TABLES).await;
        target.exec(TABLES).await;
        let mut config = subtask(&first, &target, true);
        let running = Running::start(&config, 1).started(&target).await;
        first.exec("INSERT INTO d.keyless VALUES (1, 'a'), (1, 'a'); INSERT INTO d.keyed VALUES (1, 1)").await;
        until_equal(&first, &target, &["d"], &running).await;
        first.exec("INSERT INTO d.keyless VALUES (2, 'b'), (2, 'b'); UPDATE d.keyed SET v = 2").await;
        running.kill().await;
        let caught_up = async || {
            let rows = second.text("SELECT CONCAT(COUNT(*), ',', (SELECT SUM(v) FROM d.keyed)) FROM d.keyless").await;
            if rows == "4,2" { Ok(()) } else { Err(rows) }
        };
        wait::until("the replica", Duration::from_secs(30), caught_up).await;
        config.from = second.db_config();
        second.exec("INSERT INTO d.keyless VALUES (3, 'only the second')").await;
        let running = Running::start(&config, 2).started(&target).await;
        until_equal(&second, &target, &["d"], &running).await;
        running.stop().await.unwrap();

        // By position, a place means nothing on another server.
        config.enable_gtid = false;
        config.name = "p".into();
        Running::start(&config, 1).started(&target).await.stop().await.unwrap();
        config.from = first.db_config();
        let text = error_of(Running::start(&config, 2)).await.to_string();
        assert!(text.contains("the source is another server now") && text.contains("enable-gtid"), "{text}");
    }
}

#[tokio::test]
async fn file_numbers_of_seven_digits() {
    let (source, target) = (mysql(), mariadb());
    source.exec("RESET BINARY LOGS AND GTIDS TO 999998").await;
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let config = subtask(&source, &target, false);
    let running = Running::start(&config, 1).started(&target).await;
    for i in 0..4 {
        source.exec(&format!("INSERT INTO d.keyless VALUES ({i}, 'x'); FLUSH BINARY LOGS")).await;
    }
    until_equal(&source, &target, &["d"], &running).await;
    running.kill().await;
    source.exec("INSERT INTO d.keyless VALUES (9, 'y')").await;
    let running = Running::start(&config, 2).started(&target).await;
    until_equal(&source, &target, &["d"], &running).await;
    until_flushed(&source, &target, &running).await;
    let file = target.text("SELECT binlog_name FROM dm_meta.t_syncer_checkpoint WHERE is_global = 1").await;
    assert_eq!(file, "mysql-bin.1000002");
    running.stop().await.unwrap();
}
