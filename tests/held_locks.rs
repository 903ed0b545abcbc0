//! Somebody else's locks on the target: a session of ours that waits for one must not keep its lane for as long.

use std::time::Duration;

use dm::config::duration::GoDuration;
use mysql_async::{Error, prelude::Queryable};

use crate::{
    support::{
        servers::{self, Release, Server},
        wait::until,
    },
    units_sync::{Running, subtask, until_equal},
};

const TABLES: &str = "CREATE DATABASE d; USE d; CREATE TABLE t (id INT PRIMARY KEY, v INT); CREATE TABLE k (v INT)";

/// Whether nobody holds a lane of the task `t`.
async fn lanes_are_free(target: &Server) -> Result<(), Error> {
    let mut conn = target.conn().await;
    conn.query_drop("SET innodb_lock_wait_timeout = 1").await?;
    conn.query_drop("SELECT lane FROM dm_meta.t_lane_progress FOR UPDATE").await
}

async fn until_held(target: &Server) {
    until("a lane is held", Duration::from_secs(20), || async {
        if lanes_are_free(target).await.is_err() { Ok(()) } else { Err("free".to_owned()) }
    })
    .await;
}

async fn until_free(target: &Server) {
    until("no lane is held", Duration::from_secs(30), || async {
        lanes_are_free(target).await.map_err(|error| error.to_string())
    })
    .await;
}

async fn rig(source: Server, target: Server) -> (Server, Server, dm::config::SubtaskConfig, Running) {
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let mut config = subtask(&source, &target, true);
    config.to.read_timeout = Some(GoDuration(4_000_000_000));
    let running = Running::start(&config, 1).started(&target).await;
    source.exec("INSERT INTO d.t VALUES (1, 1), (2, 1); INSERT INTO d.k VALUES (1), (1), (2)").await;
    until_equal(&source, &target, &["d"], &running).await;
    (source, target, config, running)
}

/// The session is ended, its transaction rolled back, and sent again.
async fn a_row_is_locked(source: Server, target: Server) {
    let (source, target, _, running) = rig(source, target).await;
    let mut holder = target.conn().await;
    holder.query_drop("BEGIN").await.unwrap();
    holder.query_drop("SELECT v FROM d.t WHERE id = 1 FOR UPDATE").await.unwrap();
    source.exec("BEGIN; UPDATE d.t SET v = v + 1; INSERT INTO d.k VALUES (1), (3); COMMIT").await;
    until_held(&target).await;
    until_free(&target).await;
    holder.query_drop("ROLLBACK").await.unwrap();
    source.exec("INSERT INTO d.k VALUES (4)").await;
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
}

/// The server gives up by itself, whoever is there to hear of it; the next run goes on.
async fn a_table_is_locked(source: Server, target: Server) {
    let (source, target, config, mut running) = rig(source, target).await;
    let mut holder = target.conn().await;
    holder.query_drop("LOCK TABLES d.t WRITE").await.unwrap();
    source.exec("BEGIN; UPDATE d.t SET v = v + 1; INSERT INTO d.k VALUES (1), (3); COMMIT").await;
    until_held(&target).await;
    let error = running.ended().await;
    assert!(error.contains("Error 1205"), "{error}");
    until_free(&target).await;
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    let running = Running::start(&config, 2).at_epoch(&target, 2).await;
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_waits_for_a_foreign_lock_lets_go_of_its_lane() {
    tokio::join!(
        a_row_is_locked(servers::mysql(), servers::mariadb()),
        a_row_is_locked(servers::mariadb(), servers::mysql()),
        a_table_is_locked(servers::mariadb(), servers::mariadb()),
        a_table_is_locked(servers::mysql(), servers::mysql()),
    );
}

/// A former owner was cut off in the middle of a transaction: its session lives on, idle, and holds a lane. The new owner
/// does not wait for it.
async fn a_former_owner_is_cut_off(source: Server, target: Server) {
    let (source, target, config, running) = rig(source, target).await;
    running.stop().await.unwrap();
    let mut cut_off = target.conn().await;
    cut_off.query_drop("BEGIN").await.unwrap();
    cut_off.query_drop("UPDATE dm_meta.t_lane_progress SET batch = batch + 1 WHERE lane = 0").await.unwrap();
    source.exec("INSERT INTO d.k VALUES (5)").await;
    let begun = std::time::Instant::now();
    let running = Running::start(&config, 2).at_epoch(&target, 2).await;
    // It would have been held for 50 s and more.
    assert!(begun.elapsed() < Duration::from_secs(20), "{:?}", begun.elapsed());
    let ended = cut_off.query_drop("COMMIT").await;
    assert!(ended.is_err(), "the session lives on");
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_new_owner_ends_the_idle_transaction_of_a_former_one() {
    let of = |release| Server::of(release, &[]);
    tokio::join!(
        a_former_owner_is_cut_off(servers::mysql(), servers::mariadb()),
        a_former_owner_is_cut_off(servers::mariadb(), servers::mysql()),
        a_former_owner_is_cut_off(servers::mariadb(), of(Release::Mysql57)),
    );
}

/// The transaction under way waits for a lock that nobody gives up: the end of the run waits as long as it was told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_stop_waits_for_a_lock_as_long_as_it_was_told() {
    let (source, target, config, running) = rig(servers::mariadb(), servers::mariadb()).await;
    let mut holder = target.conn().await;
    holder.query_drop("BEGIN").await.unwrap();
    holder.query_drop("SELECT v FROM d.t WHERE id = 1 FOR UPDATE").await.unwrap();
    source.exec("BEGIN; UPDATE d.t SET v = v + 1; INSERT INTO d.k VALUES (1), (3); COMMIT").await;
    until_held(&target).await;
    running.unit.stop_within(Duration::ZERO);
    let ended = tokio::time::timeout(Duration::from_secs(9), running.stop()).await.expect("the usual time is 10 s");
    assert_eq!(ended.unwrap(), dm::units::Ended::Stopped);
    holder.query_drop("ROLLBACK").await.unwrap();
    let running = Running::start(&config, 2).at_epoch(&target, 2).await;
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
}
