//! MariaDB's keys `WITHOUT OVERLAPS`: rows of one key whose periods move between each other keep their order.

use mysql_async::prelude::Queryable;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    support::servers::{Release, Server},
    units_sync::{Running, subtask, until_equal},
};

const TABLES: &str = "CREATE DATABASE d; USE d;
    CREATE TABLE named (k INT, s DATE, e DATE, v INT, PERIOD FOR p (s, e), PRIMARY KEY (k, p WITHOUT OVERLAPS));
    CREATE TABLE also (id INT PRIMARY KEY, k INT, s DATE, e DATE, v INT, PERIOD FOR p (s, e), UNIQUE (k, p WITHOUT OVERLAPS));";

/// One statement; those that the source refuses, for periods would overlap, change nothing.
fn statement(rng: &mut StdRng) -> String {
    let (k, id, day, n) =
        (rng.random_range(0..3), rng.random_range(0..9), rng.random_range(0..40), rng.random_range(1..9));
    let (from, to) = (format!("'2024-01-01' + INTERVAL {day} DAY"), format!("'2024-01-01' + INTERVAL {} DAY", day + n));
    match rng.random_range(0..9) {
        0 => format!("INSERT INTO named VALUES ({k}, {from}, {to}, {n})"),
        1 => format!("INSERT INTO also VALUES ({id}, {k}, {from}, {to}, {n})"),
        2 => format!("UPDATE named SET s = {from}, e = {to} WHERE k = {k} ORDER BY s LIMIT 1"),
        3 => format!("UPDATE also SET s = {from}, e = {to} WHERE id = {id}"),
        4 => {
            format!("UPDATE named SET s = s + INTERVAL {n} DAY, e = e + INTERVAL {n} DAY WHERE k = {k} ORDER BY s DESC")
        }
        5 => format!("UPDATE also SET k = {k} WHERE id = {id}"),
        6 => format!("DELETE FROM named FOR PORTION OF p FROM {from} TO {to} WHERE k = {k}"),
        7 => format!("DELETE FROM also WHERE id = {id}"),
        _ => format!("UPDATE named FOR PORTION OF p FROM {from} TO {to} SET v = {n} WHERE k = {k}"),
    }
}

async fn traffic(source: &Server, seed: u64, statements: usize) {
    let rng = &mut StdRng::seed_from_u64(seed);
    let mut conn = source.conn().await;
    conn.query_drop("USE d").await.unwrap();
    for _ in 0..statements {
        let _ = conn.query_drop(statement(rng)).await;
    }
    conn.disconnect().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_that_must_not_overlap_keep_their_order() {
    let seed: u64 = std::env::var("DM_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    println!("DM_SEED={seed}");
    for (release, target) in [(Release::Mariadb1011, Release::Mariadb118), (Release::Mariadb118, Release::Mariadb1011)]
    {
        let (source, target) = (Server::of(release, &[]), Server::of(target, &[]));
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        let mut config = subtask(&source, &target, true);
        config.syncer.batch = 1;
        let running = Running::start(&config, 1).started(&target).await;
        traffic(&source, seed, 1500).await;
        until_equal(&source, &target, &["d"], &running).await;
        assert_ne!(target.text("SELECT COUNT(*) FROM d.named").await, "0");
        assert_ne!(target.text("SELECT COUNT(*) FROM d.also").await, "0");
        running.stop().await.unwrap();
        // The server refuses REPLACE for such tables.
        config.syncer.safe_mode = true;
        let running = Running::start(&config, 2).started(&target).await;
        traffic(&source, seed ^ 1, 300).await;
        until_equal(&source, &target, &["d"], &running).await;
        running.stop().await.unwrap();
        // Images of the columns that were written only; safe mode can't write their rows anew.
        config.syncer.safe_mode = false;
        let running = Running::start(&config, 3).started(&target).await;
        source.exec("SET GLOBAL binlog_row_image = MINIMAL").await;
        traffic(&source, seed ^ 2, 300).await;
        until_equal(&source, &target, &["d"], &running).await;
        running.stop().await.unwrap();
        source.exec("SET GLOBAL binlog_row_image = FULL").await;
        config.syncer.safe_mode = true;
        let running = Running::start(&config, 4).started(&target).await;
        // Rows that are there already, as after a take-over: what they meet goes.
        target
            .exec("INSERT INTO d.named VALUES (77, '2023-01-01', '2023-02-01', 0), (77, '2023-02-01', '2023-03-01', 0)")
            .await;
        target.exec("INSERT INTO d.also VALUES (77, 77, '2023-01-01', '2023-02-01', 0)").await;
        source.exec("INSERT INTO d.named (k, s, e, v) VALUES (77, '2023-01-15', '2023-02-15', 1)").await;
        source.exec("INSERT INTO d.also (id, k, s, e) VALUES (78, 77, '2023-01-15', '2023-02-15')").await;
        until_equal(&source, &target, &["d"], &running).await;
        running.stop().await.unwrap();
    }
}
