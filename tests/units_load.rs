//! Dump and load as a worker runs them, without a cluster: every type, kills at random moments, fencing, other dumps.

use std::{sync::Arc, time::Duration};

use dm::{
    config::{
        SubtaskConfig,
        subtask::{BlockAllowList, ExpressionFilter, RouteRule, TaskMode},
    },
    error::{Code, DmError},
    pb::UnitType,
    units::{self, Ended, Fence, UnitEnv, dump::files},
};
use mysql_async::prelude::Queryable;
use rand::Rng;
use tokio_util::sync::CancellationToken;

use crate::{
    operate::failures::ILL_FORMED,
    support::{
        compare,
        servers::{self, Server},
    },
};

pub fn subtask(source: &Server, target: &Server, dir: &std::path::Path, mode: TaskMode) -> SubtaskConfig {
    let mut config = SubtaskConfig {
        name: "t".into(),
        mode,
        source_id: "s1".into(),
        from: source.db_config(),
        to: target.db_config(),
        ..SubtaskConfig::default()
    };
    config.block_allow_list = BlockAllowList { do_dbs: vec!["d".into()], ..BlockAllowList::default() };
    config.loader.dir = dir.join("dump").display().to_string();
    config.loader.pool_size = 4;
    config.clean_dump_file = false;
    config
}

pub fn env(config: &SubtaskConfig, epoch: u64) -> UnitEnv {
    UnitEnv {
        config: Arc::new(config.clone()),
        fence: Fence { cluster_id: 7, epoch },
        worker: "w".into(),
        unsaved: Default::default(),
        parked: Default::default(),
    }
}

pub async fn run(kind: UnitType, config: &SubtaskConfig, epoch: u64) -> Result<Ended, DmError> {
    units::build(kind, env(config, epoch))?.run(CancellationToken::new()).await
}

/// Runs a unit and drops it at a random moment, again and again, until one run reaches its end.
pub async fn run_with_kills(kind: UnitType, config: &SubtaskConfig, longest: Duration) -> u32 {
    let mut kills = 0;
    loop {
        let unit = units::build(kind, env(config, 1 + u64::from(kills / 2))).unwrap();
        let moment = longest.mul_f64(rand::rng().random_range(0.0..1.0) * f64::from(kills + 2) / 6.0);
        match tokio::time::timeout(moment, unit.run(CancellationToken::new())).await {
            Ok(ended) => {
                assert_eq!(ended.unwrap(), Ended::Finished);
                return kills;
            }
            Err(_) => kills += 1,
        }
    }
}

pub async fn assert_equal(source: &Server, target: &Server) {
    let (mut from, mut to) = (source.conn().await, target.conn().await);
    let differences = compare::schema_differences(&mut from, "d", &mut to, "d").await;
    assert!(differences.is_empty(), "{differences:#?}");
}

pub const TYPES: &str = "CREATE DATABASE d; CREATE TABLE d.types (id INT PRIMARY KEY, ti TINYINT, bi BIGINT UNSIGNED, \
    de DECIMAL(65,30), fl FLOAT, fm FLOAT(10,3), db DOUBLE, bt BIT(17), dt DATETIME(6), ts TIMESTAMP(3) NULL, tm TIME(2), da DATE, \
    ye YEAR, ch CHAR(10), vc VARCHAR(200) CHARACTER SET latin1, tx MEDIUMTEXT, bn BINARY(5), vb VARBINARY(300), \
    bl LONGBLOB, en ENUM('a','b''c',''), st SET('x','y','z'), js JSON, po POINT, \
    ge INT AS (id * 2) STORED, vi INT AS (id * 3) VIRTUAL, `odd ``name` INT);
    SET SESSION sql_mode = 'ALLOW_INVALID_DATES';
    INSERT INTO d.types (id, ti, bi, de, fl, fm, db, bt, dt, ts, tm, da, ye, ch, vc, tx, bn, vb, bl, en, st, js, po, `odd ``name`) VALUES \
    (1, -128, 18446744073709551615, '-12345678901234567890123456789012345.123456789012345678901234567891', 16777217, 1234567.891, \
     -1.2345678901234567e300, b'10000000000000001', '9999-12-31 23:59:59.999999', '2038-01-19 03:14:07.999', '-838:59:59.00', \
     '1000-01-01', 2155, 'ab ', CONVERT(_utf8mb4'é\u{fc}' USING latin1), 'it''s \\\\ \"x\" \\n\\r\\0\\Z ,(); 漢字 \u{1F600}', 'a\\0', \
     x'00FF27225C0A', x'DEADBEEF00', 'b''c', 'x,z', '{\"a\": [1, \"\\\\\"\", null]}', ST_GeomFromText('POINT(1.5 -2)'), 1), \
    (2, 127, 0, 0, 1.1754944e-38, -0.5, 4.9e-324, 0, '0000-00-00 00:00:00', NULL, '838:59:59', '0000-00-00', 0, '', '', '', '', '', '', \
     '', '', '[]', NULL, NULL), \
    (3, NULL, NULL, NULL, 3.4028235e38, NULL, -2.2250738585072014e-308, NULL, '2020-02-31 00:00:00', '1970-01-01 00:00:01', NULL, \
     '2020-02-31', NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL);";

#[tokio::test]
async fn every_type_arrives_unchanged() {
    for source in [servers::mariadb(), servers::mysql()] {
        let (target, dir) = (servers::mariadb(), tempfile::tempdir().unwrap());
        source.exec(TYPES).await;
        source
            .exec("CREATE TABLE d.`a.b%/c-schema` (id INT PRIMARY KEY); INSERT INTO d.`a.b%/c-schema` VALUES (1)")
            .await;
        let config = subtask(&source, &target, dir.path(), TaskMode::Full);
        assert_eq!(run(UnitType::Dump, &config, 1).await.unwrap(), Ended::Finished);
        let meta = files::read_metadata(dir.path().join("dump").as_path()).unwrap();
        assert!(meta.location.binlog_pos > 4 && !meta.location.gtid.is_empty() && meta.exit.is_none(), "{meta:?}");
        assert_eq!(run(UnitType::Load, &config, 1).await.unwrap(), Ended::Finished);
        assert!(units::build(UnitType::Load, env(&config, 1)).unwrap().is_finished().await.unwrap());
        assert_equal(&source, &target).await;
        let floats = "SELECT fl * 1e0, fm * 1e0, db FROM d.types ORDER BY id";
        let (mut from, mut to) = (source.conn().await, target.conn().await);
        let sent: Vec<(Option<f64>, Option<f64>, Option<f64>)> = from.query(floats).await.unwrap();
        let arrived: Vec<(Option<f64>, Option<f64>, Option<f64>)> = to.query(floats).await.unwrap();
        assert_eq!(sent, arrived);
        // The same as CSV, which has no JSON types and no ENUM's error value.
        units::remove_meta(&config).await.unwrap();
        target.exec("DROP DATABASE d").await;
        source.exec("UPDATE d.types SET en = NULL WHERE en = 0").await;
        let mut config = config;
        config.mydumper.extra_args = "--filetype csv --compress gzip".into();
        assert_eq!(run(UnitType::Dump, &config, 1).await.unwrap(), Ended::Finished);
        assert_eq!(run(UnitType::Load, &config, 1).await.unwrap(), Ended::Finished);
        assert_equal(&source, &target).await;
        let arrived: Vec<(Option<f64>, Option<f64>, Option<f64>)> = to.query(floats).await.unwrap();
        assert_eq!(sent, arrived);
    }
}

/// Files as dumpling and mydumper write them, and rows of our own that a killed load must neither lose nor double.
#[tokio::test]
async fn csv_is_loaded_once_whoever_wrote_it() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    many_rows(&source).await;
    let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
    config.mydumper.extra_args = "--filetype csv".into();
    config.mydumper.rows = 5000;
    assert_eq!(run(UnitType::Dump, &config, 1).await.unwrap(), Ended::Finished);
    run_with_kills(UnitType::Load, &config, Duration::from_millis(1500)).await;
    assert_equal(&source, &target).await;

    let folder = dir.path().join("other");
    std::fs::create_dir(&folder).unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.join(name), bytes).unwrap();
    write("o-schema-create.sql", b"CREATE DATABASE `o` CHARACTER SET utf8mb4;\n");
    let columns =
        "(`a` INT, `b` VARCHAR(30), `c` VARBINARY(9), `d` DOUBLE, `g` INT AS (`a` + 1), `e` VARCHAR(9) DEFAULT 'e')";
    write("o.t-schema.sql", format!("CREATE TABLE `o`.`t` {columns};\n").as_bytes());
    let rows =
        b"\"a\",\"d\",\"b\",\"c\"\r\n1,1.5,\"it\\\"s\\n,\",\"\xff\\0\\\\\"\r\n\\N,\\N,\\N,\\N\r\n2,-0,\"\",\"\"\r\n";
    write("o.t.0000000000000.csv", rows);
    // Without names: all columns that aren't generated.
    write("o.t.00001.csv", "3,x,y,1e300,\\N\n4,\"\u{1F600}\"\"\",z,7,9\n".as_bytes());
    config.loader.dir = folder.display().to_string();
    config.block_allow_list.do_dbs = vec!["o".into()];
    config.name = "other".into();
    assert_eq!(run(UnitType::Load, &config, 1).await.unwrap(), Ended::Finished);
    let all = "SELECT GROUP_CONCAT(CONCAT_WS('|', IFNULL(a, 'N'), IFNULL(b, 'N'), IFNULL(HEX(c), 'N'), IFNULL(d, 'N'), IFNULL(e, 'N')) \
               ORDER BY a SEPARATOR ';') FROM o.t";
    let wanted = "N|N|N|N|e;1|it\"s\n,|FF005C|1.5|e;2|||0|e;3|x|79|1e300|N;4|\u{1F600}\"|7A|7|9";
    assert_eq!(target.text(all).await, wanted);
    // A record that is cut, and one that isn't of the table.
    for (text, code, says) in [
        ("\"a\"\n5\n6", Code::LoadUnitInvalidFileEnding, "ends at byte 7"),
        ("\"a\",\"b\"\n5\n", Code::LoadUnitInvalidInsertSQL, "at byte 8 is no CSV record"),
    ] {
        write("o.t.00001.csv", text.as_bytes());
        config.name.push('x');
        let error = run(UnitType::Load, &config, 1).await.unwrap_err();
        assert!(error.code() == code && error.message().contains(says), "{error}");
    }
}

pub async fn many_rows(source: &Server) {
    source
        .exec(
            "CREATE DATABASE d; CREATE TABLE d.keyed (id INT PRIMARY KEY AUTO_INCREMENT, a VARCHAR(100), b INT, UNIQUE (b));
             CREATE TABLE d.keyless (a INT, b VARCHAR(100)); CREATE TABLE d.empty (id INT PRIMARY KEY)",
        )
        .await;
    // Digits joined: the same rows on both flavors. Keyless rows repeat, so a doubled one can't hide behind a key.
    let ten = "(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 \
               UNION ALL SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let rows = format!(
        "SELECT a.n + b.n * 10 + c.n * 100 + d.n * 1000 + e.n * 10000 AS n FROM {ten} a, {ten} b, {ten} c, {ten} d, \
         (SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2) e"
    );
    source
        .exec(&format!("INSERT INTO d.keyed (a, b) SELECT REPEAT('x''y', n % 30), -n FROM ({rows}) r ORDER BY n"))
        .await;
    source.exec(&format!("INSERT INTO d.keyless SELECT n % 100, REPEAT('z\\\\', n % 20) FROM ({rows}) r")).await;
    source.exec("ANALYZE TABLE d.keyed, d.keyless").await;
}

#[tokio::test]
async fn killed_at_random_moments_nothing_is_lost_or_doubled() {
    for source in [servers::mariadb(), servers::mysql()] {
        let (target, dir) = (servers::mariadb(), tempfile::tempdir().unwrap());
        many_rows(&source).await;
        let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
        config.mydumper.rows = 5000;
        config.mydumper.statement_size = 20_000;
        config.mydumper.chunk_filesize = "100KiB".into();
        let dump_kills = run_with_kills(UnitType::Dump, &config, Duration::from_millis(1500)).await;
        let load_kills = run_with_kills(UnitType::Load, &config, Duration::from_millis(3000)).await;
        eprintln!("killed the dump {dump_kills} and the load {load_kills} times");
        assert_equal(&source, &target).await;
        assert_eq!(target.text("SELECT COUNT(*) FROM d.keyless").await, "30000");
    }
}

#[tokio::test]
async fn an_older_owner_writes_nothing() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    many_rows(&source).await;
    let config = subtask(&source, &target, dir.path(), TaskMode::Full);
    run(UnitType::Dump, &config, 5).await.unwrap();
    run(UnitType::Load, &config, 5).await.unwrap();
    target.exec("UPDATE dm_meta.t_lightning_checkpoint_list SET status = 'running'; DELETE FROM d.keyless").await;
    // This very dump is being loaded; after its end nothing of it is needed.
    let finished = async |kind| units::build(kind, env(&config, 5)).unwrap().is_finished().await.unwrap();
    assert!(finished(UnitType::Dump).await && !finished(UnitType::Load).await);
    let error = run(UnitType::Load, &config, 4).await.unwrap_err();
    assert_eq!(error.code(), Code::LoadTaskCheckPointNotMatch, "{error}");
    assert!(error.message().contains("outdated"), "{error}");
    let mut other = env(&config, 6);
    other.fence.cluster_id = 8;
    let error = units::build(UnitType::Load, other).unwrap().run(CancellationToken::new()).await.unwrap_err();
    assert!(error.message().contains("another cluster"), "{error}");
    assert_eq!(target.text("SELECT COUNT(*) FROM d.keyless").await, "0");
}

#[tokio::test]
async fn a_new_dump_replaces_what_an_earlier_one_had_begun() {
    let (source, target, dir) = (servers::mysql(), servers::mariadb(), tempfile::tempdir().unwrap());
    many_rows(&source).await;
    let config = subtask(&source, &target, dir.path(), TaskMode::Full);
    run(UnitType::Dump, &config, 1).await.unwrap();
    run(UnitType::Load, &config, 1).await.unwrap();
    // As if the worker had died before the end, and its files with it; meanwhile rows changed.
    target.exec("UPDATE dm_meta.t_lightning_checkpoint_list SET status = 'running'").await;
    source.exec("DELETE FROM d.keyed WHERE id % 3 = 0; DELETE FROM d.keyless WHERE a < 30").await;
    run(UnitType::Dump, &config, 2).await.unwrap();
    run(UnitType::Load, &config, 2).await.unwrap();
    assert_equal(&source, &target).await;
    // Where the table held other rows, ours can't be told apart.
    target.exec("UPDATE dm_meta.t_lightning_checkpoint_list SET status = 'running'; UPDATE dm_meta.t_load_progress SET was_empty = 0").await;
    source.exec("DELETE FROM d.keyless LIMIT 1").await;
    run(UnitType::Dump, &config, 3).await.unwrap();
    let error = run(UnitType::Load, &config, 3).await.unwrap_err();
    assert!(error.workaround_text().contains("--remove-meta"), "{error}");
    units::remove_meta(&config).await.unwrap();
    assert_eq!(target.text("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'dm_meta'").await, "0");
    assert!(!dir.path().join("dump").exists());
}

#[tokio::test]
async fn shards_merge_and_duplicates_do_what_the_user_chose() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    source
        .exec(
            "CREATE DATABASE d; CREATE TABLE d.t1 (id INT PRIMARY KEY, v INT); CREATE TABLE d.t2 LIKE d.t1;
             INSERT INTO d.t1 VALUES (1, 1), (2, 1); INSERT INTO d.t2 VALUES (2, 2), (3, 2)",
        )
        .await;
    let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
    config.routes = vec![RouteRule {
        schema_pattern: "d".into(),
        table_pattern: "t*".into(),
        target_schema: "m".into(),
        target_table: "t".into(),
        ..RouteRule::default()
    }];
    config.loader.pool_size = 1;
    for (choice, rows) in [("ignore", "2:1"), ("replace", "2:2")] {
        config.loader.on_duplicate_logical = choice.into();
        run(UnitType::Dump, &config, 1).await.unwrap();
        run(UnitType::Load, &config, 1).await.unwrap();
        assert_eq!(target.text("SELECT COUNT(*) FROM m.t").await, "3", "{choice}");
        assert_eq!(target.text("SELECT CONCAT(id, ':', v) FROM m.t WHERE id = 2").await, rows, "{choice}");
        units::remove_meta(&config).await.unwrap();
        target.exec("DROP DATABASE m").await;
    }
    config.loader.on_duplicate_logical = "error".into();
    run(UnitType::Dump, &config, 1).await.unwrap();
    let error = run(UnitType::Load, &config, 1).await.unwrap_err();
    assert!(error.raw_cause().starts_with("Error 1062 (23000)"), "{error}");
    assert!(error.message().contains("d.t2."), "{error}");
}

/// Bytes that are no text: a load stops with table, column and the way out (the row isn't there in another form), and going
/// that way, with files and streamed, all columns of bytes get what the source stores.
#[tokio::test]
async fn bytes_that_are_no_text_reach_a_column_of_bytes() {
    let (source, dir) = (servers::mariadb(), tempfile::tempdir().unwrap());
    let table = "CREATE TABLE d.w (id INT PRIMARY KEY, c VARCHAR(20) CHARACTER SET utf8mb4)";
    let other = "CREATE TABLE d.g (id INT PRIMARY KEY, g VARCHAR(20) CHARACTER SET gbk, l TEXT CHARACTER SET latin1, \
                 u VARCHAR(9) CHARACTER SET utf8mb4, e ENUM('ö') CHARACTER SET latin1, w CHAR(4) CHARACTER SET utf16, \
                 t TEXT CHARACTER SET utf8mb4)";
    let row = "INSERT INTO d.g VALUES (1, '中', 'é\\'', 'é', 'ö', '中', 'x'), (2, x'A2A0', '', NULL, NULL, 'a', '中')";
    source.exec(&format!("CREATE DATABASE d; {table}; {ILL_FORMED}; SET NAMES utf8mb4; {other}; {row}")).await;
    for target in [servers::mysql(), servers::mariadb()] {
        let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
        config.name = format!("t{}", target.port);
        config.flavor = dm::config::Flavor::Mariadb;
        for mode in ["logical", "stream"] {
            config.loader.import_mode = mode.into();
            let bytes = "e VARCHAR(9) CHARACTER SET utf8mb4, w BINARY(6), t BLOB";
            let there =
                format!("CREATE TABLE d.g (id INT PRIMARY KEY, g VARBINARY(20), l BLOB, u VARBINARY(40), {bytes})");
            // A column of another character set can't hold them.
            let other = "CREATE TABLE d.w (id INT PRIMARY KEY, c VARCHAR(20) CHARACTER SET latin1)";
            target.exec(&format!("CREATE DATABASE d; {there}; {other}")).await;
            if mode == "logical" {
                run(UnitType::Dump, &config, 1).await.unwrap();
            }
            let error = run(UnitType::Load, &config, 1).await.unwrap_err();
            let text = error.to_string();
            assert!(error.raw_cause().starts_with("Error 1300 (HY000)"), "{text}");
            assert!(text.contains("w") && !text.to_uppercase().contains("61FF62"), "{text}");
            let advice = error.workaround_text();
            assert!(advice.contains("(columns `c` of `d`.`w`) holds bytes that are no utf8mb4 text"), "{advice}");
            assert!(advice.contains("Make the column VARBINARY or a BLOB there"), "{advice}");
            assert_eq!(target.text("SELECT COUNT(*) FROM d.w").await, "0");
            target.exec("ALTER TABLE d.w MODIFY c VARBINARY(80)").await;
            assert_eq!(run(UnitType::Load, &config, 1).await.unwrap(), Ended::Finished);
            assert_eq!(target.text("SELECT HEX(c) FROM d.w").await, "61FF62", "{mode}");
            let hex = "GROUP_CONCAT(CONCAT_WS(' ', HEX(g), HEX(l), HEX(u), HEX(e), HEX(w), HEX(t)) ORDER BY id SEPARATOR '|')";
            let want = "D6D0 E927 C3A9 C3B6 4E2D00000000 78|A2A0  006100000000 E4B8AD";
            assert_eq!(target.text(&format!("SELECT {hex} FROM d.g")).await, want, "{mode}");
            units::remove_meta(&config).await.unwrap();
            target.exec("DROP DATABASE d").await;
        }
    }
    assert_eq!(source.text("SELECT HEX(c) FROM d.w").await, "61FF62");
}

/// What a filter can't evaluate exactly is refused before the task starts: by its names, and by the columns as they are.
#[tokio::test]
async fn the_check_refuses_what_a_filter_cannot_evaluate() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    source.exec("CREATE DATABASE d; CREATE TABLE d.f (a INT PRIMARY KEY, g VARCHAR(9) CHARACTER SET gbk, n INT)").await;
    for (expression, why) in [
        ("RAND() > 0.5", "RAND"),
        ("NO_SUCH_FUNCTION(a) = 1", "NO_SUCH_FUNCTION"),
        ("g = 'x'", "gbk"),
        ("nobody = 1", "nobody"),
        ("n > 5", ""),
    ] {
        let mut config = subtask(&source, &target, dir.path(), TaskMode::All);
        config.expression_filters = vec![ExpressionFilter {
            schema: "d".into(),
            table: "f".into(),
            insert_value_expr: expression.into(),
            ..ExpressionFilter::default()
        }];
        let report = units::check::run(&[config], Default::default()).await;
        match report {
            Ok(_) => assert!(why.is_empty(), "{expression} is taken"),
            Err(error) => {
                assert_eq!(error.code(), Code::ConfigExprFilterWrongGrammar, "{error}");
                assert!(!why.is_empty() && error.to_string().contains(why), "{expression}: {error}");
            }
        }
    }
}

#[tokio::test]
async fn the_check_says_what_is_missing_and_what_to_grant() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    let mysql = servers::mysql();
    for server in [&source, &mysql] {
        server.exec("CREATE DATABASE d; CREATE TABLE d.keyless (a INT); CREATE TABLE d.k (a INT PRIMARY KEY)").await;
        server.exec("CREATE USER 'poor'@'%' IDENTIFIED BY 'pw'; GRANT SELECT ON d.* TO 'poor'@'%'").await;
        let mut config = subtask(server, &target, dir.path(), TaskMode::All);
        let report = units::check::run(&[config.clone()], Default::default()).await.unwrap();
        let text = report.clone().into_result().unwrap();
        assert!(text.starts_with(
            "fail to check synchronization configuration with type: no errors but some warnings\n detail: {"
        ));
        assert!(text.contains("table `d`.`keyless` primary/unique key does not exist"), "{text}");
        // MySQL's default collation is another one on the MariaDB target: one item more, and it warns
        let mapped = server.kind == servers::Kind::Mysql;
        assert_eq!(text.contains("collation mapping check"), mapped, "{text}");
        let counts = if mapped { (14, 3) } else { (13, 2) };
        assert_eq!((report.summary.total, report.summary.warning), counts, "{text}");
        config.from.user = "poor".into();
        config.from.password.0 = "pw".into();
        let error = units::check::run(&[config.clone()], Default::default()).await.unwrap().into_result().unwrap_err();
        assert_eq!(error.code(), Code::TaskCheckSyncConfigError);
        for grant in [
            "GRANT RELOAD ON *.* TO 'poor'@'%';",
            "GRANT REPLICATION SLAVE ON *.* TO",
            "GRANT REPLICATION CLIENT ON *.* TO",
        ] {
            assert!(error.message().contains(grant), "{error}");
        }
        // A dump without a lock needs no right to lock.
        let mut lockless = config.clone();
        lockless.mydumper.extra_args = "--consistency none".into();
        let report = units::check::run(&[lockless], Default::default()).await.unwrap();
        assert!(!report.to_text().contains("GRANT RELOAD"), "{}", report.to_text());
        // What it says is enough.
        server
            .exec(
                "CREATE ROLE r; GRANT RELOAD, REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO r; GRANT r TO 'poor'@'%'",
            )
            .await;
        let activate = if server.kind == servers::Kind::Mysql {
            "SET DEFAULT ROLE r TO 'poor'@'%'"
        } else {
            "SET DEFAULT ROLE r FOR 'poor'@'%'"
        };
        server.exec(activate).await;
        units::check::run(&[config.clone()], Default::default()).await.unwrap().into_result().unwrap();
        config.from.password.0 = "wrong".into();
        let error = units::check::run(&[config.clone()], Default::default()).await.unwrap_err();
        assert_eq!(error.code(), Code::TaskCheckFailedOpenDB);
        assert!(error.message().contains("poor") && !error.to_string().contains("wrong"), "{error}");
        config.ignore_checking_items = vec!["all".into()];
        assert_eq!(units::check::run(&[config], Default::default()).await.unwrap().to_text(), "");
    }
    let off = Server::start(servers::Kind::Mariadb, &["--skip-log-bin"]);
    let config = subtask(&off, &target, dir.path(), TaskMode::Incremental);
    let error = units::check::run(&[config], Default::default()).await.unwrap().into_result().unwrap_err();
    assert!(error.message().contains("log_bin is OFF, and should be ON"), "{error}");
}

#[tokio::test]
async fn a_dump_without_the_right_to_lock_globally() {
    let (source, target, dir) = (servers::mysql(), servers::mariadb(), tempfile::tempdir().unwrap());
    many_rows(&source).await;
    source.exec("CREATE USER 'poor'@'%' IDENTIFIED BY 'pw'; GRANT SELECT ON d.* TO 'poor'@'%'; GRANT REPLICATION CLIENT ON *.* TO 'poor'@'%'").await;
    let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
    config.from.user = "poor".into();
    config.from.password.0 = "pw".into();
    let error = run(UnitType::Dump, &config, 1).await.unwrap_err();
    assert_eq!(error.code(), Code::DumpUnitGlobalLock);
    assert!(error.raw_cause().contains("you need (at least one of) the RELOAD"), "{error}");
    config.mydumper.extra_args = "--consistency none".into();
    run(UnitType::Dump, &config, 1).await.unwrap();
    source.exec("GRANT LOCK TABLES ON d.* TO 'poor'@'%'").await;
    config.mydumper.extra_args = String::new();
    run(UnitType::Dump, &config, 1).await.unwrap();
    run(UnitType::Load, &config, 1).await.unwrap();
    assert_equal(&source, &target).await;
}

#[tokio::test]
async fn a_full_or_missing_folder_is_a_clear_error() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY); INSERT INTO d.t VALUES (1)").await;
    let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
    let error = run(UnitType::Load, &config, 1).await.unwrap_err();
    assert_eq!(error.code(), Code::LoadUnitDumpDirNotFound);
    std::fs::write(dir.path().join("file"), "").unwrap();
    config.loader.dir = dir.path().join("file/dump").display().to_string();
    let error = run(UnitType::Dump, &config, 1).await.unwrap_err();
    assert!(error.message().contains("cannot create the dump directory"), "{error}");
    // A folder in which nobody may write, root neither.
    config.loader.dir = "/sys/dm-dump".into();
    let error = run(UnitType::Dump, &config, 1).await.unwrap_err();
    assert!(error.message().contains("cannot create the dump directory"), "{error}");
    assert!(error.workaround_text().contains("may write there"), "{error}");
    config.loader.dir = "/dev/full".into();
    assert_eq!(run(UnitType::Dump, &config, 1).await.unwrap_err().code(), Code::DumpUnitRuntime);
    config.loader.dir = dir.path().join("dump").display().to_string();
    run(UnitType::Dump, &config, 1).await.unwrap();
    let data = dir.path().join("dump/d.t.0000000000000.sql");
    let text = std::fs::read_to_string(&data).unwrap();
    let foreign = dir.path().join("dump/d.t.0000000000009.sql");
    let refused = async |what: &str| {
        let error = run(UnitType::Load, &config, 1).await.unwrap_err();
        assert_eq!(error.code(), Code::LoadUnitInvalidFileEnding, "{error}");
        assert!(error.message().contains("d.t.000000000") && error.message().contains(what), "{error}");
    };
    std::fs::write(&data, text.trim_end().trim_end_matches(';')).unwrap();
    refused("the dump wrote").await;
    std::fs::remove_file(&data).unwrap();
    refused("is missing").await;
    std::fs::write(&data, &text).unwrap();
    std::fs::write(&foreign, &text).unwrap();
    refused("is not of this dump").await;
    std::fs::remove_file(&foreign).unwrap();
    assert_eq!(target.text("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'd'").await, "0");
    std::fs::write(&data, text.replace("(1)", "(2)")).unwrap();
    refused("other bytes").await;
    // A dump without a manifest: what a file says is all there is.
    std::fs::remove_file(dir.path().join("dump/.dm-files")).unwrap();
    std::fs::write(&data, text.trim_end().trim_end_matches(';')).unwrap();
    let error = run(UnitType::Load, &config, 1).await.unwrap_err();
    assert_eq!(error.code(), Code::LoadTaskCheckPointNotMatch, "{error}");
    std::fs::write(&data, &text).unwrap();
    run(UnitType::Load, &config, 1).await.unwrap();
    assert_eq!(target.text("SELECT SUM(a) FROM d.t").await, "1");
}
