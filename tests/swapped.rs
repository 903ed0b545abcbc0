//! Tables of one structure that change places while they are copied: each name has its own rows on the target, or the copy says why not.

use std::{path::Path, time::Duration};

use dm::{
    config::{SubtaskConfig, subtask::TaskMode},
    error::Code,
    pb::UnitType,
    units::{
        Ended,
        failpoint::{self, Place},
    },
};
use mysql_async::prelude::Queryable;

use crate::{
    support::{
        compare,
        servers::{self, Kind, Release, Server},
        wait::until,
    },
    units_load::{run, subtask},
    units_sync::{Running, until_equal},
};

const EVERYDAY: [Release; 2] = [Release::Mariadb1011, Release::Mysql97];
const SWAP: &str = "RENAME TABLE d.t1 TO d.x, d.t2 TO d.t1, d.x TO d.t2";

fn task(source: &Server, target: &Server, dir: &Path, streams: bool) -> SubtaskConfig {
    let mut config = subtask(source, target, dir, TaskMode::All);
    config.name = format!("swapped{}_{}", u8::from(streams), source.port);
    config.flavor = crate::units_sync::subtask(source, target, false).flavor;
    config.server_id = 4343;
    config.mydumper.rows = 50;
    config.mydumper.threads = 1;
    config.syncer.checkpoint_flush_interval = 1;
    if streams {
        config.loader.import_mode = "stream".into();
    }
    config
}

/// `t1` and `t2` have one structure, `p`'s partitions and `q` too. `a0` comes first, by its name and as the largest.
async fn filled(source: &Server, engine: &str) {
    source
        .exec(&format!(
            "DROP DATABASE IF EXISTS d; CREATE DATABASE d; USE d; CREATE TABLE a0 (id INT PRIMARY KEY, v INT) PARTITION BY HASH (id) PARTITIONS 4; \
             CREATE TABLE p (id INT PRIMARY KEY, v INT) \
             PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN (20)); \
             CREATE TABLE q (id INT PRIMARY KEY, v INT); CREATE TABLE t1 (id INT PRIMARY KEY, v INT) ENGINE={engine}; CREATE TABLE t2 LIKE t1; \
             INSERT INTO a0 VALUES (1, 1); INSERT INTO p VALUES (1, 3), (11, 3); INSERT INTO q VALUES (2, 4); \
             INSERT INTO t1 VALUES (1, 1); INSERT INTO t2 VALUES (1, 2), (2, 2)"
        ))
        .await;
}

/// Whatever is made from here on has another time of creation.
async fn until_the_second_is_over(source: &Server) {
    until("a second of the source is over", Duration::from_secs(10), || async {
        let sql = "SELECT MAX(CREATE_TIME) < NOW() FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'd'";
        if source.text(sql).await == "1" { Ok(()) } else { Err("the same second".to_owned()) }
    })
    .await;
}

async fn assert_equal(source: &Server, target: &Server, what: &str) {
    let (mut from, mut to) = (source.conn().await, target.conn().await);
    let differences = compare::schema_differences(&mut from, "d", &mut to, "d").await;
    assert!(differences.is_empty(), "{what}: {differences:#?}");
}

/// Copies while `statement` runs behind the snapshot and before all tables but the first are read.
async fn copied(source: &Server, target: &Server, streams: bool, statement: &str) {
    target.exec("DROP DATABASE IF EXISTS d; DROP DATABASE IF EXISTS dm_meta").await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = task(source, target, dir.path(), streams);
    // Locks would wait for this one, which the reader meets.
    config.mydumper.extra_args = "--consistency none".into();
    let mut gate = source.conn().await;
    gate.query_drop("LOCK TABLES d.a0 WRITE").await.unwrap();
    let copy = async {
        if !streams {
            assert_eq!(run(UnitType::Dump, &config, 1).await.unwrap(), Ended::Finished);
        }
        run(UnitType::Load, &config, 1).await
    };
    let change = async {
        until("the reader is there", Duration::from_secs(20), || async {
            let waits =
                "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE STATE LIKE 'Waiting for table metadata%'";
            if source.text(waits).await == "1" { Ok(()) } else { Err("not yet".to_owned()) }
        })
        .await;
        source.exec(statement).await;
        gate.query_drop("UNLOCK TABLES").await.unwrap();
    };
    let (copied, ()) = tokio::join!(copy, change);
    assert_eq!(copied.unwrap(), Ended::Finished);
    assert_equal(source, target, &format!("{:?} {streams} {statement}", source.release)).await;
}

#[tokio::test]
async fn tables_that_change_places_behind_the_snapshot_keep_their_rows() {
    for release in Release::chosen(&EVERYDAY, &Release::ALL) {
        let (source, target) = (Server::of(release, &[]), servers::mariadb());
        for streams in [false, true] {
            filled(&source, "InnoDB").await;
            copied(&source, &target, streams, SWAP).await;
            copied(&source, &target, streams, "ALTER TABLE d.p EXCHANGE PARTITION p0 WITH TABLE d.q").await;
            // Nothing but the time of creation tells these.
            let is_of_file = source.kind == Kind::Mariadb || matches!(release, Release::Mysql56 | Release::Mysql57);
            if is_of_file && streams {
                filled(&source, "MyISAM").await;
                until_the_second_is_over(&source).await;
                copied(&source, &target, streams, SWAP).await;
            }
        }
    }
}

/// Loads until some chunks are in.
async fn dies(config: &SubtaskConfig) {
    failpoint::arm(&config.name, Place::StreamCommitted, 8);
    assert!(run(UnitType::Load, config, 1).await.is_err());
    assert!(!failpoint::is_armed(&config.name, Place::StreamCommitted));
}

#[tokio::test]
async fn tables_that_change_places_before_a_streamed_load_is_resumed_are_told() {
    let fill = "INSERT INTO d.t1 SELECT id + 2, v FROM d.t1; INSERT INTO d.t1 SELECT id + 4, v FROM d.t1; INSERT INTO d.t1 SELECT id + 8, v FROM d.t1; \
                INSERT INTO d.t1 SELECT id + 16, v FROM d.t1; INSERT INTO d.t1 SELECT id + 32, v FROM d.t1; \
                INSERT INTO d.t1 SELECT id + 64, v FROM d.t1; INSERT INTO d.t1 SELECT id + 128, v FROM d.t1";
    for release in Release::chosen(&EVERYDAY, &Release::ALL) {
        let (source, target) = (Server::of(release, &[]), servers::mariadb());
        let dir = tempfile::tempdir().unwrap();
        source.exec("CREATE DATABASE d; CREATE TABLE d.t1 (id INT PRIMARY KEY, v INT)").await;
        until_the_second_is_over(&source).await;
        source.exec("CREATE TABLE d.t2 LIKE d.t1; INSERT INTO d.t1 VALUES (1, 1), (2, 2)").await;
        source.exec(fill).await;
        source.exec("INSERT INTO d.t2 SELECT id, v + 5 FROM d.t1; ANALYZE TABLE d.t1, d.t2").await;
        until_the_second_is_over(&source).await;
        let mut config = task(&source, &target, dir.path(), true);
        config.mydumper.rows = 10;
        dies(&config).await;
        source.exec(SWAP).await;
        let error = run(UnitType::Load, &config, 2).await.unwrap_err();
        assert_eq!(error.code(), Code::LoadTaskCheckPointNotMatch, "{error}");
        assert!(error.message().contains("`d`.`t1`, `d`.`t2`"), "{error}");
        // Back in their places, and with other rows: sync squares that.
        source.exec(&format!("{SWAP}; TRUNCATE TABLE d.t1; INSERT INTO d.t1 VALUES (1, 9), (7, 9)")).await;
        if source.kind == Kind::Mysql && matches!(release, Release::Mysql80 | Release::Mysql97) {
            assert_eq!(run(UnitType::Load, &config, 3).await.unwrap(), Ended::Finished);
        } else {
            // There the time of creation has changed with the names.
            assert!(run(UnitType::Load, &config, 3).await.is_err());
            // A ledger of an earlier version doesn't know of that.
            target.exec(&format!("ALTER TABLE dm_meta.{}_load_progress DROP COLUMN identity", config.name)).await;
            assert_eq!(run(UnitType::Load, &config, 3).await.unwrap(), Ended::Finished);
        }
        target.exec("DROP DATABASE d").await;
        target.exec("DROP DATABASE dm_meta").await;
        dies(&config).await;
        source.exec("TRUNCATE TABLE d.t1; INSERT INTO d.t1 VALUES (1, 10), (8, 10)").await;
        assert_eq!(run(UnitType::Load, &config, 4).await.unwrap(), Ended::Finished);
        let running = Running::start(&config, 5).started(&target).await;
        until_equal(&source, &target, &["d"], &running).await;
        assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
    }
}
