//! Row images that lack columns, mixed with full ones: the same random traffic ends in the same data.

use mysql_async::prelude::Queryable;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::until_flushed;
use crate::{
    support::servers::{Kind, Release, Server},
    units_sync::{Running, subtask, until_equal},
};

const TABLES: &str = "CREATE DATABASE d; USE d;
    CREATE TABLE keyed (id INT PRIMARY KEY, a INT DEFAULT 7, b VARCHAR(20) NOT NULL DEFAULT 'x', c TEXT, d BLOB, e TIMESTAMP(3) NULL) ENGINE=InnoDB;
    CREATE TABLE uniq (id INT PRIMARY KEY, u INT UNIQUE, v INT DEFAULT 1, t TEXT) ENGINE=InnoDB;
    CREATE TABLE pair (a INT, b VARCHAR(10), c INT, d INT, t MEDIUMTEXT, PRIMARY KEY (a, b), UNIQUE KEY (c, d)) ENGINE=InnoDB;
    CREATE TABLE nokey (u INT NOT NULL UNIQUE, x INT, t TEXT) ENGINE=InnoDB;
    CREATE TABLE keyless (a INT, b VARCHAR(20) DEFAULT 'k', t TEXT) ENGINE=InnoDB;";

fn image(rng: &mut StdRng, release: Release) -> &'static str {
    let all: &[&str] = if release == Release::Mariadb118 {
        &["FULL", "MINIMAL", "NOBLOB", "FULL_NODUP"]
    } else {
        &["FULL", "MINIMAL", "NOBLOB"]
    };
    all[rng.random_range(0..all.len())]
}

fn text(rng: &mut StdRng) -> String {
    match rng.random_range(0..5) {
        0 => "NULL".into(),
        1 => "''".into(),
        _ => format!("REPEAT('{}', {})", rng.random_range(0..9), rng.random_range(1..40)),
    }
}

/// One statement; refused ones (duplicates) change nothing on either side.
fn statement(rng: &mut StdRng) -> String {
    let (i, j, n, t) = (rng.random_range(0..12), rng.random_range(0..12), rng.random_range(0..5), text(rng));
    match rng.random_range(0..26) {
        0 => format!("INSERT INTO keyed (id) VALUES ({i})"),
        1 => format!("INSERT INTO keyed (id, c, e) VALUES ({i}, {t}, NOW(3)), ({j}, NULL, NULL)"),
        2 => format!("INSERT INTO keyed VALUES ({i}, {n}, 'b', {t}, {t}, NULL)"),
        3 => format!("UPDATE keyed SET a = {n} WHERE id = {i}"),
        4 => format!("UPDATE keyed SET c = {t}, a = NULL WHERE id IN ({i}, {j})"),
        5 => format!("UPDATE keyed SET id = {j} WHERE id = {i}"),
        6 => format!("UPDATE keyed SET d = {t} WHERE id > {i}"),
        7 => format!("REPLACE INTO keyed (id, b) VALUES ({i}, 'r')"),
        8 => format!("DELETE FROM keyed WHERE id = {i}"),
        9 => format!("INSERT INTO uniq (id, u) VALUES ({i}, {j})"),
        10 => format!("INSERT INTO uniq (id, t) VALUES ({i}, {t})"),
        11 => format!("UPDATE uniq SET u = {j} WHERE id = {i}"),
        12 => format!("UPDATE uniq SET v = v + 1, t = {t} WHERE id = {i}"),
        13 => format!("DELETE FROM uniq WHERE id = {i}"),
        14 => format!("DELETE FROM uniq WHERE u = {i}; INSERT INTO uniq (id, u) VALUES ({j}, {i})"),
        15 => format!("INSERT INTO uniq (id, u) VALUES ({i}, {j}) ON DUPLICATE KEY UPDATE v = v + 10"),
        16 => format!("INSERT INTO pair VALUES ({i}, 'b{n}', {j}, {n}, {t})"),
        17 => format!("UPDATE pair SET d = {n} WHERE a = {i}"),
        18 => format!("UPDATE pair SET b = 'b{n}', t = {t} WHERE a = {i} LIMIT 1"),
        19 => format!("DELETE FROM pair WHERE a = {i}"),
        20 => format!("INSERT INTO nokey (u, t) VALUES ({i}, {t})"),
        21 => format!("UPDATE nokey SET u = {j}, x = {n} WHERE u = {i}"),
        22 => format!("DELETE FROM nokey WHERE u = {i}"),
        23 => format!("INSERT INTO keyless (a, t) VALUES ({n}, {t}), ({n}, {t})"),
        24 => format!("UPDATE keyless SET t = {t} WHERE a = {n} LIMIT 2"),
        _ => format!("DELETE FROM keyless WHERE a = {n} LIMIT 1"),
    }
}

async fn traffic(source: &Server, rng: &mut StdRng, transactions: usize) {
    let mut conn = source.conn().await;
    conn.query_drop("USE d").await.unwrap();
    for _ in 0..transactions {
        let image = image(rng, source.release);
        conn.query_drop(format!("SET SESSION binlog_row_image = {image}; BEGIN")).await.unwrap();
        for _ in 0..rng.random_range(1..6) {
            let statement = statement(rng);
            // MariaDB makes it an UPDATE that names only some columns: the others' defaults are in no such image, and its own
            // replicas lose them too.
            if source.kind == Kind::Mariadb && image != "FULL" && statement.starts_with("REPLACE") {
                continue;
            }
            for one in statement.split("; ") {
                let _ = conn.query_drop(one).await;
            }
        }
        conn.query_drop("COMMIT").await.unwrap();
    }
    conn.disconnect().await.unwrap();
}

async fn all_images(release: Release, target: Kind) {
    let seed: u64 = std::env::var("DM_SEED").ok().and_then(|s| s.parse().ok()).unwrap_or_else(rand::random);
    println!("DM_SEED={seed} {release:?}");
    let rng = &mut StdRng::seed_from_u64(seed);
    let rounds: usize = std::env::var("DM_ROUNDS").ok().and_then(|s| s.parse().ok()).unwrap_or(3);
    let (source, target) = (Server::of(release, &["--sql-mode="]), Server::start(target, &[]));
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let config = subtask(&source, &target, true);
    for round in 0..rounds {
        let running = Running::start(&config, round as u64 * 2 + 1).started(&target).await;
        traffic(&source, rng, 60).await;
        // In the middle of the changes, and whole again from the checkpoint.
        running.kill().await;
        let running = Running::start(&config, round as u64 * 2 + 2).started(&target).await;
        traffic(&source, rng, 60).await;
        until_equal(&source, &target, &["d"], &running).await;
        until_flushed(&source, &target, &running).await;
        running.stop().await.unwrap();
    }
}

#[tokio::test]
async fn mysql_5_images_that_lack_columns() {
    for release in Release::chosen(&[Release::Mysql57], &[Release::Mysql56, Release::Mysql57]) {
        all_images(release, Kind::Mariadb).await;
    }
}

#[tokio::test]
async fn mysql_8_and_9_images_that_lack_columns() {
    for release in Release::chosen(&[Release::Mysql97], &[Release::Mysql80, Release::Mysql97]) {
        all_images(release, Kind::Mysql).await;
    }
}

#[tokio::test]
async fn mariadb_10_images_that_lack_columns() {
    for release in Release::chosen(&[Release::Mariadb1011], &[Release::Mariadb105, Release::Mariadb1011]) {
        all_images(release, Kind::Mariadb).await;
    }
}

#[tokio::test]
async fn mariadb_11_images_that_lack_columns() {
    all_images(Release::Mariadb118, Kind::Mysql).await;
}

/// What is refused is refused with a way out, not applied wrongly.
#[tokio::test]
async fn what_such_images_cannot_tell_is_refused() {
    let source = Server::of(Release::Mysql97, &["--binlog-row-image=MINIMAL"]);
    let target = Server::start(Kind::Mariadb, &[]);
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, code INT NOT NULL, v INT)").await;
    target.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT, code INT PRIMARY KEY, v INT)").await;
    let running = Running::start(&subtask(&source, &target, true), 1).started(&target).await;
    source.exec("INSERT INTO d.t VALUES (1, 2, 3); UPDATE d.t SET v = 4").await;
    let error = tokio::time::timeout(std::time::Duration::from_secs(30), running.error()).await.unwrap().to_string();
    assert!(
        error.contains("upstream didn't log enough columns in binlog: rows of `d`.`t` lack the key column `code`"),
        "{error}"
    );
    assert!(error.contains("binlog_row_image"), "{error}");
}

/// Safe mode repeats changes: those that such images tell end in the same rows again, one that they don't tell is refused.
#[tokio::test]
async fn what_such_images_cannot_repeat_is_refused() {
    let source = Server::of(Release::Mariadb118, &["--binlog-row-image=MINIMAL"]);
    let target = Server::start(Kind::Mariadb, &[]);
    let tables = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, u INT UNIQUE, v INT, w INT DEFAULT 7)";
    source.exec(tables).await;
    target.exec(tables).await;
    let mut config = subtask(&source, &target, true);
    config.syncer.safe_mode = true;
    let (binlog_name, pos, binlog_gtid) = source.binlog_end().await;
    config.meta = Some(dm::config::Meta { binlog_name, binlog_pos: pos.parse().unwrap(), binlog_gtid });
    let everything =
        "USE d; INSERT INTO t (id, u, v) VALUES (1, 1, 1), (2, 2, 2), (5, 5, 5); UPDATE t SET v = 10 WHERE id = 1;
        DELETE FROM t WHERE id = 2; INSERT INTO t (id, v) VALUES (2, 20); UPDATE t SET w = 3 WHERE id = 5;
        SET binlog_row_image = FULL_NODUP; UPDATE t SET id = 6, u = 2 WHERE id = 5; UPDATE t SET u = 5 WHERE id = 2;
        INSERT INTO t VALUES (5, 9, 9, 9)";
    source.exec(everything).await;
    // Another task of the same beginning finds all of it there already.
    for (number, name) in ["once", "again"].into_iter().enumerate() {
        config.name = name.into();
        let running = Running::start(&config, 1).started(&target).await;
        source.exec(&format!("INSERT INTO d.t (id) VALUES (100 + {number})")).await;
        until_equal(&source, &target, &["d"], &running).await;
        running.stop().await.unwrap();
    }
    source.exec("UPDATE d.t SET id = 7 WHERE id = 1").await;
    let running = Running::start(&config, 2).at_epoch(&target, 2).await;
    let error = tokio::time::timeout(std::time::Duration::from_secs(30), running.error()).await.unwrap().to_string();
    assert!(error.contains("code=11126") && error.contains("safe mode") && error.contains("binlog skip"), "{error}");
    assert_eq!(target.text("SELECT COUNT(*) FROM d.t WHERE id IN (1, 7)").await, "1");
}
