//! `import-mode: stream` as a worker runs it, without a cluster: every key, kills at random moments, writers during the load.

mod indexes;
mod kills;
mod objects;
mod pairs;
mod told;
mod zoo;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use dm::{
    config::{
        Flavor, SubtaskConfig,
        subtask::{BlockAllowList, RouteRule, TaskMode},
    },
    error::{Code, DmError, policy},
    pb::UnitType,
    units::{self, Ended, Fence, UnitEnv},
};
use mysql_async::{Conn, Row, prelude::Queryable};
use tokio_util::sync::CancellationToken;

use crate::support::{
    compare,
    servers::{self, Kind, Release, Server},
};

fn subtask(source: &Server, target: &Server, mode: TaskMode) -> SubtaskConfig {
    let mut config = SubtaskConfig {
        name: "t".into(),
        mode,
        source_id: "s1".into(),
        server_id: 4343,
        flavor: if source.kind == Kind::Mysql { Flavor::Mysql } else { Flavor::Mariadb },
        enable_gtid: true,
        from: source.db_config(),
        to: target.db_config(),
        ..SubtaskConfig::default()
    };
    config.block_allow_list = BlockAllowList { do_dbs: vec!["d".into()], ..BlockAllowList::default() };
    config.loader.import_mode = "stream".into();
    config.loader.pool_size = 4;
    config.syncer.checkpoint_flush_interval = 1;
    config
}

fn env(config: &SubtaskConfig, epoch: u64) -> UnitEnv {
    UnitEnv {
        config: Arc::new(config.clone()),
        fence: Fence { cluster_id: 7, epoch },
        worker: "w".into(),
        unsaved: Default::default(),
        parked: Default::default(),
    }
}

async fn load(config: &SubtaskConfig, epoch: u64) -> Result<Ended, DmError> {
    assert!(units::build(UnitType::Dump, env(config, epoch))?.is_finished().await?);
    units::build(UnitType::Load, env(config, epoch))?.run(CancellationToken::new()).await
}

/// Dump and load, whichever the task's way has, resumed as a subtask does it.
async fn copy(config: &SubtaskConfig, epoch: u64) {
    for kind in [UnitType::Dump, UnitType::Load] {
        for last in [false, false, true] {
            let unit = units::build(kind, env(config, epoch)).unwrap();
            if unit.is_finished().await.unwrap() {
                break;
            }
            match unit.run(CancellationToken::new()).await {
                Ok(ended) => {
                    assert_eq!(ended, Ended::Finished);
                    break;
                }
                Err(e) => {
                    assert!(!last && policy::is_resumable(&e.to_process_error()), "{e}");
                    eprintln!("{kind:?} is resumed: {e}");
                }
            }
        }
    }
}

async fn assert_equal(source: &Server, target: &Server) {
    let (mut from, mut to) = (source.conn().await, target.conn().await);
    let differences = compare::schema_differences(&mut from, "d", &mut to, "d").await;
    assert!(differences.is_empty(), "{differences:#?}");
}

/// Chunks of each table in the ledger, by the table's name.
async fn chunks(target: &Server) -> BTreeMap<String, u64> {
    let mut conn = target.conn().await;
    let rows: Vec<Row> = conn
        .query(
            "SELECT SUBSTRING_INDEX(SUBSTRING_INDEX(file_name, '.', 2), '.', -1) t, COUNT(*) FROM dm_meta.t_load_progress \
             WHERE file_name NOT LIKE '%-schema%' AND done = 1 GROUP BY t",
        )
        .await
        .unwrap();
    rows.into_iter().map(mysql_async::from_row).collect()
}

/// Numbers 0..count as a derived table with the column n.
fn numbers(count: u32) -> String {
    let ten = "(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 \
               UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    format!(
        "(SELECT n FROM (SELECT a.n + b.n * 10 + c.n * 100 + d.n * 1000 AS n FROM {ten} a, {ten} b, {ten} c, {ten} d) r WHERE n < {count})"
    )
}

/// Tables by the kind of their key: name, columns with the key, and columns and values of row n.
const KEYS: [(&str, &str, &str, &str); 24] = [
    ("int_", "id INT PRIMARY KEY", "id", "n * 3 - 2000"),
    ("big", "id BIGINT UNSIGNED PRIMARY KEY", "id", "18446744073709551615 - n * 7"),
    ("skew", "id BIGINT PRIMARY KEY", "id", "IF(n < 5, n * 1000000000000, 5000000000000 + n)"),
    (
        "latin",
        "id VARCHAR(40) CHARACTER SET latin1 COLLATE latin1_german1_ci PRIMARY KEY",
        "id",
        "CONCAT('Kü', LEFT(SHA2(n, 224), 30))",
    ),
    ("utf8", "id VARCHAR(40) CHARACTER SET utf8mb4 PRIMARY KEY", "id", "CONCAT(n % 7, '漢''\\\\', n)"),
    ("bin", "id VARCHAR(40) COLLATE utf8mb4_bin PRIMARY KEY", "id", "CONCAT(CHAR(65 + n % 60), n)"),
    ("gbk_", "id CHAR(20) CHARACTER SET gbk PRIMARY KEY", "id", "CONCAT('中', n)"),
    ("bytes", "id BINARY(9) PRIMARY KEY", "id", "LEFT(UNHEX(SHA2(n, 224)), 9)"),
    ("dec_", "id DECIMAL(30,10) PRIMARY KEY", "id", "n / 7 - 50"),
    ("time_", "id DATETIME(3) PRIMARY KEY", "id", "TIMESTAMPADD(MICROSECOND, n * 7001000, '1999-12-31 00:00:00')"),
    (
        "stamp",
        "id TIMESTAMP(6) DEFAULT '2001-01-01' PRIMARY KEY",
        "id",
        "TIMESTAMPADD(SECOND, n, '2001-03-25 00:00:00')",
    ),
    ("two", "id VARCHAR(9) CHARACTER SET utf8, b INT, PRIMARY KEY (id, b)", "id, b", "CONCAT('x', n % 3), n"),
    (
        "three",
        "id INT, b CHAR(9), c DATE, PRIMARY KEY (id, b, c)",
        "id, b, c",
        "n % 4, LEFT(SHA2(n, 224), 9), '2020-02-02'",
    ),
    ("uni", "id INT NOT NULL, b INT, UNIQUE KEY (b), UNIQUE KEY u (id)", "id", "n"),
    ("enum_", "id ENUM('b','a','c'), b INT, PRIMARY KEY (id, b)", "id, b", "1 + n % 3, n"),
    ("set_", "id SET('b','a','c','d','e','f','g','h','i'), b INT, PRIMARY KEY (id, b)", "id, b", "n % 512, n"),
    ("float_", "id FLOAT PRIMARY KEY", "id", "n / 7e0 - 100"),
    (
        "prefix",
        "id VARCHAR(30) CHARACTER SET latin1 COLLATE latin1_swedish_ci NOT NULL, UNIQUE KEY (id(9))",
        "id",
        "CONCAT(n, '-', CHAR(9 + n % 40), LEFT(SHA2(n, 224), 20))",
    ),
    // Whose servers don't find all rows by the beginning of a text.
    (
        "expands",
        "id VARCHAR(30) CHARACTER SET utf8 COLLATE utf8_unicode_ci NOT NULL, UNIQUE KEY (id(12))",
        "id",
        "CONCAT(n, '-ß', LEFT(SHA2(n, 224), 9))",
    ),
    ("blob_", "id BLOB NOT NULL, PRIMARY KEY (id(10))", "id", "UNHEX(SHA2(n, 224))"),
    ("some", "a INT, id LONGBLOB NOT NULL, PRIMARY KEY (a, id(20))", "a, id", "n % 3, CONCAT(n, CHAR(n % 256))"),
    ("bit_", "id BIT(37) PRIMARY KEY", "id", "n * 68719476"),
    ("double_", "id DOUBLE PRIMARY KEY", "id", "n / 7e0 - 100"),
    ("keyless", "id INT", "id", "n % 100"),
];

async fn all_keys(source: &Server, rows: u32) {
    let mut sql = String::from(
        "CREATE DATABASE d CHARACTER SET utf8mb4; USE d; CREATE TABLE d.empty (id VARCHAR(9) PRIMARY KEY); ",
    );
    for (name, columns, list, values) in KEYS {
        sql.push_str(&format!(
            "CREATE TABLE d.{name} ({columns}, v VARCHAR(50)) ENGINE=InnoDB; \
             INSERT INTO d.{name} ({list}, v) SELECT {values}, REPEAT('v', n % 40) FROM {} q; ",
            numbers(rows)
        ));
    }
    let mut conn = source.conn().await;
    conn.query_drop("SET NAMES utf8mb4, sql_mode = '', time_zone = '+00:00'").await.unwrap();
    conn.query_drop(&sql).await.unwrap_or_else(|e| panic!("{e}\n{sql}"));
    let names: Vec<String> = KEYS.iter().map(|(name, ..)| format!("d.{name}")).collect();
    let _: Vec<Row> = conn.query(format!("ANALYZE TABLE {}", names.join(", "))).await.unwrap();
}

#[tokio::test]
async fn tables_are_split_by_any_key() {
    for release in [Release::Mysql56, Release::Mysql97, Release::Mariadb1011] {
        let (source, target) = (Server::of(release, &[]), servers::mariadb());
        all_keys(&source, 2000).await;
        let mut config = subtask(&source, &target, TaskMode::Full);
        config.mydumper.rows = 100;
        assert_eq!(load(&config, 1).await.unwrap(), Ended::Finished);
        assert!(units::build(UnitType::Load, env(&config, 1)).unwrap().is_finished().await.unwrap());
        assert_equal(&source, &target).await;
        let chunks = chunks(&target).await;
        for (name, ..) in KEYS {
            let count = chunks.get(name).copied().unwrap_or(0);
            match name {
                "expands" | "keyless" => assert_eq!(count, 1, "{name}"),
                "prefix" if release == Release::Mysql56 => assert_eq!(count, 1, "{name}"),
                _ => assert!((10..=60).contains(&count), "{release:?} {name}: {count} chunks"),
            }
        }
        assert_eq!(chunks.get("empty"), Some(&1));
    }
}

#[tokio::test]
async fn rows_before_the_load_decide_with_on_duplicate_logical() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY AUTO_INCREMENT, v INT) AUTO_INCREMENT = 77; INSERT INTO d.t VALUES (1, 1), (2, 2)").await;
    target
        .exec("CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v INT); INSERT INTO d.t VALUES (2, 9), (3, 9)")
        .await;
    let mut config = subtask(&source, &target, TaskMode::Full);
    config.loader.on_duplicate_logical = "error".into();
    let error = load(&config, 1).await.unwrap_err();
    assert_eq!(error.code(), Code::DBExecuteFailed);
    assert!(error.workaround_text().contains("on-duplicate-logical"), "{error}");
    config.loader.on_duplicate_logical = "ignore".into();
    load(&config, 2).await.unwrap();
    assert_eq!(target.text("SELECT GROUP_CONCAT(v ORDER BY id) FROM d.t").await, "1,9,9");
    target.exec("DROP DATABASE dm_meta; DROP DATABASE d").await;
    config.loader.on_duplicate_logical = "replace".into();
    load(&config, 3).await.unwrap();
    target.exec("INSERT INTO d.t (v) VALUES (5)").await;
    assert_eq!(target.text("SELECT MAX(id) FROM d.t").await, "77");
}

#[tokio::test]
async fn shards_meet_in_one_table() {
    let (one, two, target) = (servers::mariadb(), servers::mysql(), servers::mariadb());
    let shard = |first: u32| {
        format!(
            "CREATE DATABASE d; CREATE TABLE d.t_{first} (id INT PRIMARY KEY, v VARCHAR(50)); \
             INSERT INTO d.t_{first} SELECT n + {first}, REPEAT('x', n % 50) FROM {} q; \
             CREATE TABLE d.k_{first} (v INT); INSERT INTO d.k_{first} SELECT n FROM {} q",
            numbers(3000),
            numbers(500)
        )
    };
    one.exec(&shard(0)).await;
    two.exec(&shard(10000)).await;
    let route = |pattern: &str, table: &str| RouteRule {
        schema_pattern: "d".into(),
        table_pattern: pattern.into(),
        target_schema: "m".into(),
        target_table: table.into(),
        ..RouteRule::default()
    };
    let config = |source: &Server, id: &str| {
        let mut config = subtask(source, &target, TaskMode::Full);
        config.source_id = id.into();
        config.routes = vec![route("t_*", "t"), route("k_*", "k")];
        config.mydumper.rows = 300;
        config
    };
    let (a, b) = (config(&one, "s1"), config(&two, "s2"));
    let (a, b) = tokio::join!(load(&a, 1), load(&b, 1));
    assert_eq!((a.unwrap(), b.unwrap()), (Ended::Finished, Ended::Finished));
    assert_eq!(target.text("SELECT CONCAT(COUNT(*), ' ', SUM(id)) FROM m.t").await, "6000 38997000");
    assert_eq!(target.text("SELECT COUNT(*) FROM m.k").await, "1000");
}

async fn query(conn: &mut Conn, sql: &str) {
    conn.query_drop(sql).await.unwrap_or_else(|e| panic!("{e}\n{sql}"));
}

#[tokio::test]
async fn a_changed_structure_is_said_not_loaded() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    all_keys(&source, 1000).await;
    let mut config = subtask(&source, &target, TaskMode::Full);
    config.mydumper.rows = 50;
    // Nothing loaded yet: the ledger is begun again.
    load(&config, 1).await.unwrap();
    target.exec("UPDATE dm_meta.t_load_progress SET done = 0, position = 0 WHERE file_name NOT LIKE '%-schema%'; UPDATE dm_meta.t_lightning_checkpoint_list SET status = 'running'; DROP DATABASE d").await;
    let mut conn = source.conn().await;
    query(&mut conn, "ALTER TABLE d.int_ ADD COLUMN more INT DEFAULT 5").await;
    load(&config, 2).await.unwrap();
    assert_equal(&source, &target).await;
    // Some chunks are in: their rows are of another structure.
    target.exec("UPDATE dm_meta.t_load_progress SET done = 0, position = 0 WHERE file_name LIKE 'd.int\\_.00000000%'; UPDATE dm_meta.t_lightning_checkpoint_list SET status = 'running'").await;
    query(&mut conn, "ALTER TABLE d.int_ DROP COLUMN more").await;
    let error = load(&config, 3).await.unwrap_err();
    assert_eq!(error.code(), Code::LoadTaskCheckPointNotMatch);
    assert!(error.message().contains("`d`.`int_`"), "{error}");
    tokio::time::timeout(Duration::from_secs(5), conn.disconnect()).await.unwrap().unwrap();
}

/// A target without room: the load pauses with a clear error, and goes on where it was once there is some.
#[tokio::test]
async fn a_full_target_pauses_the_load() {
    let source = servers::mariadb();
    source.exec("CREATE DATABASE d CHARACTER SET latin1; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(400))").await;
    source.exec(&format!("INSERT INTO d.t SELECT n, REPEAT(CHAR(65 + n % 26), 400) FROM {} q", numbers(30000))).await;
    for import in ["stream", "logical"] {
        // All tables in one file that doesn't grow beyond 16 MiB; most of it is taken by the server itself.
        let room = |mib: u32| format!("--innodb-data-file-path=ibdata1:12M:autoextend:max:{mib}M");
        let mut target = Server::of(Release::Mariadb1011, &["--innodb-file-per-table=0", &room(16)]);
        let dir = tempfile::tempdir().unwrap();
        let mut config = subtask(&source, &target, TaskMode::Full);
        config.loader.import_mode = import.into();
        config.loader.dir = dir.path().join("dump").display().to_string();
        config.mydumper.rows = 500;
        let copy = async |epoch: u64| {
            for unit in [UnitType::Dump, UnitType::Load] {
                let unit = units::build(unit, env(&config, epoch)).unwrap();
                if !unit.is_finished().await.unwrap() {
                    unit.run(CancellationToken::new()).await?;
                }
            }
            Ok::<(), dm::error::DmError>(())
        };
        let error = copy(1).await.unwrap_err();
        assert!(error.raw_cause().contains("Error 1114"), "{import}: {error}");
        assert!(error.workaround_text().contains("free space on the target"), "{import}: {error}");
        target.restart(&["--innodb-file-per-table=0", &room(200)]);
        copy(2).await.unwrap_or_else(|e| panic!("{import}: {e}"));
        assert_equal(&source, &target).await;
    }
}
