//! Changes that are put together in a batch leave what the source has: dense random changes of few rows, which the source
//! ran one after the other, against a target that gets them in large batches.

use mysql_async::prelude::Queryable;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    support::servers::{self, Server},
    units_sync::{Running, subtask, until_equal},
};

const TABLES: &str = "CREATE DATABASE dense CHARACTER SET utf8mb4; USE dense; \
    CREATE TABLE plain (id INT PRIMARY KEY, a INT, b VARCHAR(20), c INT); \
    CREATE TABLE uniq (id INT PRIMARY KEY, u INT UNIQUE, n INT); \
    CREATE TABLE pair (a INT, b VARCHAR(10), n INT, PRIMARY KEY (a, b)); \
    CREATE TABLE bytes (name VARCHAR(10) COLLATE utf8mb4_bin PRIMARY KEY, n INT); \
    CREATE TABLE letters (name VARCHAR(10) COLLATE utf8mb4_general_ci PRIMARY KEY, n INT); \
    CREATE TABLE keyless (a INT, b INT); \
    CREATE TABLE stamped (id INT PRIMARY KEY, n INT, at TIMESTAMP(3) NULL ON UPDATE CURRENT_TIMESTAMP(3), \
        other INT GENERATED ALWAYS AS (n * 2) STORED); \
    CREATE TABLE watched (id INT PRIMARY KEY, n INT);";

/// On both sides, in a schema that isn't migrated: every change of a watched row is written down.
const TRIGGERS: &str = "CREATE DATABASE own; CREATE TABLE own.seen (kind CHAR(1), id INT); USE dense; \
    CREATE TRIGGER i AFTER INSERT ON watched FOR EACH ROW INSERT INTO own.seen VALUES ('i', NEW.id); \
    CREATE TRIGGER u AFTER UPDATE ON watched FOR EACH ROW INSERT INTO own.seen VALUES ('u', NEW.id); \
    CREATE TRIGGER d AFTER DELETE ON watched FOR EACH ROW INSERT INTO own.seen VALUES ('d', OLD.id);";

fn wide() -> String {
    let columns: Vec<String> = (0..70).map(|i| format!("c{i} INT")).collect();
    format!("CREATE TABLE dense.wide (id INT PRIMARY KEY, {})", columns.join(", "))
}

fn statement(rng: &mut StdRng) -> String {
    let (id, other, n) = (rng.random_range(0..8), rng.random_range(0..8), rng.random_range(0..1000));
    let name = ["a", "A", "b", "B", "ä"][rng.random_range(0..5)];
    match rng.random_range(0..30) {
        0 | 1 => format!("REPLACE INTO plain VALUES ({id}, {n}, 'r{n}', {n})"),
        2 | 3 => format!("DELETE FROM plain WHERE id = {id}"),
        4 => format!("INSERT IGNORE INTO plain VALUES ({id}, {n}, 'it''s {n}', NULL), ({other}, 0, '\\\\', 1)"),
        5 => format!("UPDATE plain SET a = a + 1 WHERE id = {id}"),
        6 => format!("UPDATE plain SET b = 'u{n}', c = {n} WHERE id = {id}"),
        7 => format!("UPDATE plain SET c = c + 1 WHERE id IN ({id}, {other})"),
        8 => format!("UPDATE IGNORE plain SET id = {other} WHERE id = {id}"),
        9 => format!("INSERT IGNORE INTO uniq VALUES ({id}, {other}, {n})"),
        10 => format!("DELETE FROM uniq WHERE u = {other}"),
        11 => format!("UPDATE IGNORE uniq SET u = {other} WHERE id = {id}"),
        12 => format!("UPDATE uniq SET n = n + 1, u = NULL WHERE id = {id}"),
        13 => format!("REPLACE INTO uniq VALUES ({id}, {other}, {n})"),
        14 => format!("REPLACE INTO pair VALUES ({id}, '{name}', {n})"),
        15 => format!("DELETE FROM pair WHERE a = {id}"),
        16 => format!("UPDATE pair SET n = {n} WHERE b = '{name}'"),
        17 => format!("REPLACE INTO bytes VALUES ('{name}', {n})"),
        18 => format!("DELETE FROM bytes WHERE name = '{name}'"),
        19 => format!("REPLACE INTO letters VALUES ('{name}', {n})"),
        20 => format!("DELETE FROM letters WHERE name = '{name}'"),
        21 => format!("INSERT INTO keyless VALUES ({id}, {n}), ({id}, {other})"),
        22 => format!("UPDATE keyless SET b = {n} WHERE a = {id} LIMIT 2"),
        23 => format!("DELETE FROM keyless WHERE a = {id} LIMIT 3"),
        24 => format!("INSERT INTO stamped (id, n) VALUES ({id}, {n}) ON DUPLICATE KEY UPDATE n = n + 1"),
        25 => format!("UPDATE stamped SET n = n + 1, at = at WHERE id = {id}"),
        26 => format!("INSERT IGNORE INTO watched VALUES ({id}, {n})"),
        27 => format!("UPDATE watched SET n = n + 1 WHERE id = {id}"),
        28 => format!("DELETE FROM watched WHERE id = {id}"),
        _ => {
            let (a, b) = (rng.random_range(0..70), rng.random_range(55..70));
            format!("INSERT INTO wide (id, c{a}) VALUES ({id}, {n}) ON DUPLICATE KEY UPDATE c{a} = {n}, c{b} = {other}")
        }
    }
}

async fn write(source: &Server, seed: u64, transactions: u64) {
    let mut rng = StdRng::seed_from_u64(seed);
    let mut conn = source.conn().await;
    conn.query_drop("USE dense").await.unwrap();
    for _ in 0..transactions {
        conn.query_drop("BEGIN").await.unwrap();
        for _ in 0..rng.random_range(1..12) {
            match conn.query_drop(statement(&mut rng)).await {
                Ok(()) | Err(mysql_async::Error::Server(_)) => {}
                Err(error) => panic!("{error}"),
            }
        }
        conn.query_drop("COMMIT").await.unwrap();
    }
    conn.disconnect().await.unwrap();
}

async fn one(source: &Server, target: &Server, gtid: bool, seed: u64) {
    for server in [source, target] {
        server
            .exec("DROP DATABASE IF EXISTS dense; DROP DATABASE IF EXISTS own; DROP DATABASE IF EXISTS dm_meta")
            .await;
        server.exec(TABLES).await;
        server.exec(&wide()).await;
        server.exec(TRIGGERS).await;
    }
    let mut config = subtask(source, target, gtid);
    config.block_allow_list.do_dbs = vec!["dense".into()];
    config.syncer.worker_count = 2;
    config.syncer.batch = 500;
    let running = Running::start(&config, 1).started(target).await;
    // The writing is far behind the unit at first, so that batches grow while the target's lanes are held.
    let mut holder = target.conn().await;
    holder.query_drop("BEGIN").await.unwrap();
    holder.query_drop("SELECT COUNT(*) FROM dm_meta.t_lane_progress WHERE lane >= 0 FOR UPDATE").await.unwrap();
    write(source, seed, 600).await;
    holder.query_drop("ROLLBACK").await.unwrap();
    holder.disconnect().await.unwrap();
    until_equal(source, target, &["dense"], &running).await;
    running.stop().await.unwrap();
    let seen = "SELECT GROUP_CONCAT(kind, id, ':', times ORDER BY kind, id) FROM \
        (SELECT kind, id, COUNT(*) AS times FROM own.seen GROUP BY kind, id) AS counted";
    assert_eq!(source.text(seen).await, target.text(seen).await, "seed {seed}: triggers saw other changes");
}

#[tokio::test(flavor = "multi_thread")]
async fn changes_put_together_leave_what_the_source_has() {
    let rounds: u64 = std::env::var("DM_COMBINE_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(2);
    let pairs = [(servers::mariadb(), servers::mariadb(), true), (servers::mysql(), servers::mysql(), false)];
    for (source, target, gtid) in &pairs {
        let com = |name: &'static str| async move {
            let sql = format!("SHOW GLOBAL STATUS LIKE '{name}'");
            let mut conn = target.conn().await;
            let row: Option<(String, u64)> = conn.query_first(sql).await.unwrap();
            row.unwrap().1
        };
        for round in 0..rounds {
            let seed = rand::random_range(0..1_000_000) + round;
            eprintln!("seed {seed}");
            one(source, target, *gtid, seed).await;
        }
        assert!(com("Com_replace").await > 0, "no DELETE and INSERT became one");
    }
}
