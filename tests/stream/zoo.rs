//! A zoo of tables: every common type, names of all sorts, keys, partitions, generated columns, views, and rows of 16 MB, copied
//! with files and streamed. With `DM_RELEASES=all` from every release, into MariaDB and MySQL, while 16 writers work.

use dm::config::subtask::LoaderConfig;

use super::*;
use crate::{
    support::{
        wait,
        writer::{self, Writers},
    },
    units_sync::{Running, until_equal},
};

/// A schema whose name must be quoted and escaped wherever it stands. (Servers have no names beyond U+FFFF.)
const ZOO: &str = "zoo ☃ 100%.`select`'\"-schema";

/// Names of tables, and of a column in each.
const NAMES: [&str; 18] = [
    "select",
    "a b",
    "a.b",
    "a`b",
    "it's",
    "say \"no\"",
    "100%",
    "%41",
    "ü☃漢",
    "x-schema",
    "y-schema-create",
    "db.t.000000000",
    "back\\slash",
    "sl/ash",
    "semi;colon",
    "-- no",
    "*",
    "trailing.sql",
];

fn quoted(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// Statements that make the zoo.
fn tables(source: &Server, large: usize) -> Vec<String> {
    let mut out = vec![
        format!("CREATE DATABASE {} CHARACTER SET utf8mb4", quoted(ZOO)),
        format!("USE {}", quoted(ZOO)),
        "CREATE TABLE nothing (id INT PRIMARY KEY)".into(),
        "CREATE TABLE types (id BIGINT UNSIGNED AUTO_INCREMENT PRIMARY KEY, t TINYINT, tu TINYINT UNSIGNED, s SMALLINT, m MEDIUMINT, \
         i INT ZEROFILL, b BIGINT, d DECIMAL(65,30), f FLOAT, g DOUBLE, bt BIT(37), dt DATE, tm TIME(6), ts TIMESTAMP(6) NULL, \
         dtm DATETIME(6), y YEAR, c CHAR(20), vc VARCHAR(200), l1 VARCHAR(40) CHARACTER SET latin1, gb VARCHAR(20) CHARACTER SET gbk, \
         bn BINARY(9), vb VARBINARY(99), bl BLOB, tx TEXT, lt LONGTEXT, e ENUM('a','b','','c''d'), st SET('x','y','z'), g1 POINT)"
            .into(),
        "INSERT INTO types VALUES (1, -128, 255, -32768, 8388607, 42, -9223372036854775808, \
         '-12345678901234567890123456789012345.123456789012345678901234567890', 1.17549e-38, -2.2250738585072014e-308, \
         b'1000000000000000000000000000000000001', '0000-00-00', '-838:59:59', '2001-09-09 01:46:40.999999', '9999-12-31 \
         23:59:59.999999', 2155, 'it''s', 'a\\\\b\\n\\r\\0\\Z\"%_', 'Kü', '中', 'a\\0b', x'00FF27', x'00', 'text 🦀', REPEAT('漢', 99), \
         '', 'x,z', ST_GeomFromText('POINT(1 -2.5)'))"
            .into(),
        "INSERT INTO types (id) VALUES (18446744073709551614)".into(),
        "INSERT INTO types (id, g, f, dtm, e, vc) VALUES (7, -0.0, 0.1, '2020-02-30 00:00:00', 3, '')".into(),
        match source.release {
            // Without generated columns.
            Release::Mysql56 => "CREATE TABLE made (id INT PRIMARY KEY, a INT, KEY (a))".into(),
            _ => "CREATE TABLE made (id INT PRIMARY KEY, a INT, v INT GENERATED ALWAYS AS (a + 1) VIRTUAL, s VARCHAR(20) GENERATED \
                  ALWAYS AS (CONCAT('s', a)) STORED, KEY (v))"
                .into(),
        },
        "INSERT INTO made (id, a) VALUES (1, 5), (2, NULL)".into(),
        "CREATE TABLE ranges (id INT, b VARCHAR(20), PRIMARY KEY (id)) PARTITION BY RANGE (id) (PARTITION p0 VALUES LESS THAN (100), \
         PARTITION p1 VALUES LESS THAN (1000), PARTITION p2 VALUES LESS THAN MAXVALUE)"
            .into(),
        format!("INSERT INTO ranges SELECT n, CONCAT('p', n) FROM {} q", numbers(1500)),
        "CREATE TABLE hashed (id INT, b INT, PRIMARY KEY (id, b)) PARTITION BY KEY (b) PARTITIONS 5".into(),
        format!("INSERT INTO hashed SELECT n % 90, n FROM {} q", numbers(1500)),
        "CREATE TABLE bits (id BIT(10) PRIMARY KEY, v INT)".into(),
        format!("INSERT INTO bits SELECT n, n FROM {} q", numbers(500)),
        "CREATE TABLE floats (id FLOAT PRIMARY KEY, v INT)".into(),
        format!("INSERT INTO floats SELECT n / 8, n FROM {} q", numbers(500)),
        "CREATE TABLE large (id INT PRIMARY KEY, b LONGBLOB, t LONGTEXT)".into(),
        format!("INSERT INTO large VALUES (1, REPEAT(x'0027', {}), 'x'), (2, 'y', REPEAT('é''', {}))", large / 2, large / 3),
        "CREATE TABLE pairs (a INT, b VARCHAR(9))".into(),
        "INSERT INTO pairs VALUES (1, 'x'), (1, 'x'), (NULL, NULL)".into(),
        "CREATE VIEW seen AS SELECT id FROM made".into(),
    ];
    if source.kind == Kind::Mysql && source.release != Release::Mysql56 {
        out.push("CREATE TABLE docs (id INT PRIMARY KEY, j JSON)".into());
        out.push(r#"INSERT INTO docs VALUES (1, '{"a": [1, 2.5, null, "x\\"y"], "é": true}'), (2, NULL)"#.into());
    }
    for name in NAMES {
        let table = quoted(name);
        out.push(format!("CREATE TABLE {table} (id INT PRIMARY KEY, {} VARCHAR(30))", quoted(name.trim_end())));
        out.push(format!("INSERT INTO {table} VALUES (1, 'one'), (2, 'two')"));
    }
    out
}

async fn fill(source: &Server, large: usize) {
    let mut conn = source.conn().await;
    conn.query_drop("SET NAMES utf8mb4, sql_mode = 'ALLOW_INVALID_DATES,NO_AUTO_VALUE_ON_ZERO', time_zone = '+00:00'")
        .await
        .unwrap();
    for sql in tables(source, large) {
        let shown = sql.get(..sql.len().min(300)).unwrap_or_default();
        conn.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}\n{shown}"));
    }
}

/// Both sides take packets for rows of 16 MB as hexadecimal digits.
fn server(release: Release) -> Server {
    Server::of(release, &["--max-allowed-packet=256M"])
}

fn zoo(source: &Server, target: &Server, mode: TaskMode, import: &str, dir: &std::path::Path) -> SubtaskConfig {
    let mut config = subtask(source, target, mode);
    config.block_allow_list.do_dbs = vec![ZOO.into(), "busy".into()];
    config.loader = LoaderConfig {
        import_mode: import.into(),
        dir: dir.join("dump").display().to_string(),
        pool_size: 4,
        ..config.loader
    };
    config.to.max_allowed_packet = Some(256 << 20);
    config.from.max_allowed_packet = Some(256 << 20);
    config.mydumper.rows = 200;
    config
}

async fn assert_same(source: &Server, target: &Server) {
    let (mut from, mut to) = (source.conn().await, target.conn().await);
    let differences = compare::schema_differences(&mut from, ZOO, &mut to, ZOO).await;
    assert!(differences.is_empty(), "{differences:#?}");
    let next = |schema: &str| {
        let schema = schema.replace('\'', "''");
        format!("SELECT MAX(id) FROM `{}`.types WHERE '{schema}' <> ''", ZOO.replace('`', "``"))
    };
    assert_eq!(target.text(&next(ZOO)).await, "18446744073709551614");
}

#[tokio::test]
async fn a_zoo_of_tables_is_copied_with_files_and_streamed() {
    let everyday = [Release::Mysql97, Release::Mariadb1011];
    for release in Release::chosen(&everyday, &Release::ALL) {
        let source = server(release);
        fill(&source, 16 << 20).await;
        for import in ["stream", "logical"] {
            let (target, dir) = (server(Release::Mariadb1011), tempfile::tempdir().unwrap());
            let config = zoo(&source, &target, TaskMode::Full, import, dir.path());
            copy(&config, 1).await;
            assert_same(&source, &target).await;
            eprintln!("{release:?} {import}: equal");
        }
    }
}

#[tokio::test]
#[ignore = "tier: make test-long"]
async fn sixteen_writers_during_both_loads_from_every_release() {
    for release in Release::chosen(&Release::ALL, &Release::ALL) {
        for (import, onto) in [("stream", Release::Mysql97), ("logical", Release::Mariadb1011)] {
            // MariaDB's own types and collations have no place on MySQL.
            let onto = if source_is_mariadb(release) { Release::Mariadb1011 } else { onto };
            let (source, target, dir) = (server(release), server(onto), tempfile::tempdir().unwrap());
            source.exec(writer::TABLES).await;
            fill(&source, 4 << 20).await;
            let config = zoo(&source, &target, TaskMode::All, import, dir.path());
            let writers = Writers::start(&source, 16, Duration::from_millis(10), 1);
            wait::until("transactions", Duration::from_secs(30), || async {
                let done = writers.transactions.load(std::sync::atomic::Ordering::Relaxed);
                if done > 200 { Ok(()) } else { Err(done.to_string()) }
            })
            .await;
            copy(&config, 1).await;
            let running = Running::start(&config, 2).started(&target).await;
            assert!(writers.stop().await > 300);
            until_equal(&source, &target, &["busy", ZOO], &running).await;
            assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
            eprintln!("{release:?} {import} into {onto:?}: equal");
        }
    }
}

fn source_is_mariadb(release: Release) -> bool {
    release.kind() == Kind::Mariadb
}
