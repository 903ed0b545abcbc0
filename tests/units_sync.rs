//! Sync as a worker runs it, without a cluster: both flavors, positions and GTIDs, every type, DDL, kills, fencing.

use std::{
    sync::{Arc, OnceLock},
    time::Duration,
};

use dm::{
    config::{
        Flavor, SubtaskConfig,
        subtask::{RouteRule, TaskMode},
    },
    error::DmError,
    pb::UnitType,
    units::{self, Ended, Fence, UnitEnv},
};
use rand::Rng;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{
    compare,
    servers::{self, Kind, Server},
    wait, writer,
};

pub fn subtask(source: &Server, target: &Server, gtid: bool) -> SubtaskConfig {
    let mut config = SubtaskConfig {
        name: "t".into(),
        mode: TaskMode::Incremental,
        source_id: "s1".into(),
        server_id: 4242,
        flavor: if source.kind == Kind::Mysql { Flavor::Mysql } else { Flavor::Mariadb },
        enable_gtid: gtid,
        from: source.db_config(),
        to: target.db_config(),
        ..SubtaskConfig::default()
    };
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

pub struct Running {
    name: String,
    stop: CancellationToken,
    task: JoinHandle<Result<Ended, DmError>>,
    /// What it ended with, for messages.
    failed: Arc<OnceLock<String>>,
    pub unit: Arc<dyn units::Unit>,
}

impl Running {
    pub fn start(config: &SubtaskConfig, epoch: u64) -> Running {
        let unit: Arc<dyn units::Unit> = units::build(UnitType::Sync, env(config, epoch)).unwrap().into();
        let stop = CancellationToken::new();
        let failed = Arc::<OnceLock<String>>::default();
        let task = tokio::spawn({
            let (stop, failed, unit) = (stop.clone(), failed.clone(), unit.clone());
            async move {
                let ended = unit.run(stop).await;
                if let Err(error) = &ended {
                    let _ = failed.set(error.to_string());
                }
                ended
            }
        });
        Running { name: config.name.clone(), stop, task, failed, unit }
    }

    /// Waits for the checkpoint that the start writes.
    pub async fn started(self, target: &Server) -> Running {
        let table = format!("{}_syncer_checkpoint", self.name);
        let exists = format!("SELECT COUNT(*) FROM information_schema.tables WHERE table_name = '{table}'");
        let stored = format!("SELECT COUNT(*) FROM dm_meta.{table} WHERE is_global = 1");
        wait::until("the first checkpoint", Duration::from_secs(30), || async {
            let there = target.text(&exists).await == "1" && target.text(&stored).await == "1";
            if there || self.task.is_finished() { Ok(()) } else { Err("none".into()) }
        })
        .await;
        if self.task.is_finished() {
            panic!("{}", self.error().await);
        }
        self
    }

    /// Waits until the target knows this run as its owner.
    pub async fn at_epoch(self, target: &Server, epoch: u64) -> Running {
        let stored = format!("SELECT MIN(epoch) FROM dm_meta.{}_lane_progress", self.name);
        wait::until("the epoch is raised", Duration::from_secs(30), || async {
            let found = target.text(&stored).await;
            if found == epoch.to_string() || self.task.is_finished() { Ok(()) } else { Err(found) }
        })
        .await;
        self
    }

    /// What query-status would tell beside the status.
    pub fn notes(&self) -> String {
        self.unit.notes().join("; ")
    }

    /// The unit ended by itself.
    pub fn is_finished(&self) -> bool {
        self.task.is_finished()
    }

    /// Panics with the unit's error when it ended.
    pub fn goes_on(&self) {
        let failed = self.failed.get();
        assert!(!self.task.is_finished(), "the unit ended: {}", failed.map_or("without an error", String::as_str));
    }

    pub async fn stop(self) -> Result<Ended, DmError> {
        self.stop.cancel();
        self.task.await.unwrap()
    }

    /// As a kill: dropped wherever it is.
    pub async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    pub async fn error(self) -> DmError {
        self.task.await.unwrap().unwrap_err()
    }

    /// Waits for the unit's end; its error's text.
    pub async fn ended(&mut self) -> String {
        (&mut self.task).await.unwrap().unwrap_err().to_string()
    }
}

/// Waits until the target's schemas hold what the source's do.
pub async fn until_equal(source: &Server, target: &Server, schemas: &[&str], running: &Running) {
    let (source, target) = (source.opts(), target.opts());
    wait::while_moving("equal data", Duration::from_secs(60), || async {
        if running.task.is_finished() {
            return Ok(());
        }
        let mut from = mysql_async::Conn::new(source.clone()).await.unwrap();
        let mut to = mysql_async::Conn::new(target.clone()).await.unwrap();
        let mut differences = Vec::new();
        for schema in schemas {
            differences.extend(compare::schema_differences(&mut from, schema, &mut to, schema).await);
        }
        let _ = from.disconnect().await;
        let _ = to.disconnect().await;
        if differences.is_empty() { Ok(()) } else { Err(format!("{differences:#?}")) }
    })
    .await;
    running.goes_on();
}

/// (source, target, gtid)
pub fn pairs() -> Vec<(Server, Server, bool)> {
    vec![
        (servers::mariadb(), servers::mariadb(), true),
        (servers::mariadb(), servers::mysql(), false),
        (servers::mysql(), servers::mariadb(), true),
        (servers::mysql(), servers::mysql(), false),
    ]
}

pub const TABLES: &str = "CREATE DATABASE d CHARACTER SET utf8mb4;
    CREATE TABLE d.keyed (id INT PRIMARY KEY, v VARCHAR(60), n BIGINT);
    CREATE TABLE d.uniq (id INT PRIMARY KEY, name VARCHAR(40) UNIQUE, n INT);
    CREATE TABLE d.keyless (a INT, b VARCHAR(30), f FLOAT, d DOUBLE);";

#[tokio::test]
async fn rows_flow_between_all_flavors() {
    for (source, target, gtid) in pairs() {
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        let config = subtask(&source, &target, gtid);
        let running = Running::start(&config, 1);
        let running = running.started(&target).await;
        source
            .exec(
                "USE d; INSERT INTO keyed VALUES (1,'a',1),(2,'b',2),(3,'c',3);
                 BEGIN; INSERT INTO uniq VALUES (1,'x',1),(2,'y',2); UPDATE uniq SET name='z' WHERE id=1;
                 UPDATE uniq SET name='x' WHERE id=2; UPDATE uniq SET name='y' WHERE id=1; COMMIT;
                 INSERT INTO keyless VALUES (1,'a',1.1,1.1),(1,'a',1.1,1.1),(2,'A',2.2,2.2),(2,'a',2.2,2.2),(NULL,NULL,NULL,NULL);
                 DELETE FROM keyless WHERE a=1 LIMIT 1; DELETE FROM keyless WHERE a=2 AND BINARY b='a';
                 UPDATE keyless SET b='n' WHERE a IS NULL;
                 UPDATE keyed SET id=id+10; DELETE FROM keyed WHERE id=12; UPDATE keyed SET v='é' WHERE id=11;
                 INSERT INTO keyed SELECT a.id*100+b.id, 'x', 1 FROM keyed a, keyed b",
            )
            .await;
        until_equal(&source, &target, &["d"], &running).await;
        assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
        let at = target
            .text("SELECT CONCAT(binlog_name, ':', binlog_pos) FROM dm_meta.t_syncer_checkpoint WHERE is_global = 1")
            .await;
        assert!(at.contains("mysql-bin.0"), "{at}");
    }
}

#[tokio::test]
async fn the_values_of_a_sequence_stop_nothing() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    let table = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v BIGINT)";
    source.exec(table).await;
    target.exec(table).await;
    source.exec("CREATE SEQUENCE d.s CACHE 1").await;
    let running = Running::start(&subtask(&source, &target, true), 1).started(&target).await;
    source.exec("USE d; INSERT INTO t VALUES (1, NEXT VALUE FOR s), (2, NEXT VALUE FOR s); SELECT NEXTVAL(s)").await;
    source.exec("USE d; BEGIN; INSERT INTO t VALUES (3, NEXT VALUE FOR s); UPDATE t SET v = v + 10; COMMIT").await;
    until_equal(&source, &target, &["d"], &running).await;
    assert_eq!(target.text("SELECT GROUP_CONCAT(v ORDER BY id) FROM d.t").await, "11,12,14");
    assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
}

const CASES: [(&str, &str, &str); 4] = [
    ("types_db", include_str!("cases/every-type/source.sql"), include_str!("cases/every-type/after.sql")),
    ("shop", include_str!("cases/everyday-changes/source.sql"), include_str!("cases/everyday-changes/after.sql")),
    (
        "uq",
        include_str!("cases/unique-values-change-places/source.sql"),
        include_str!("cases/unique-values-change-places/after.sql"),
    ),
    ("evolve", include_str!("cases/common-ddl/source.sql"), include_str!("cases/common-ddl/after.sql")),
];

/// The scenarios' whole scripts, databases and tables included, come through the binlog alone.
#[tokio::test]
async fn scripts_come_through_the_binlog() {
    for (source, target, gtid) in pairs() {
        let running = Running::start(&subtask(&source, &target, gtid), 1).started(&target).await;
        let mut schemas: Vec<String> = Vec::new();
        for (schema, before, after) in CASES {
            // MariaDB's TIMESTAMP holds 1970-01-01 00:00:00.001, MySQL's begins a second later.
            if schema == "types_db" && source.kind == Kind::Mariadb && target.kind == Kind::Mysql {
                continue;
            }
            source.exec(before).await;
            source.exec(after).await;
        }
        let all = source.text("SELECT GROUP_CONCAT(schema_name) FROM information_schema.schemata WHERE schema_name NOT IN ('mysql','sys','information_schema','performance_schema','test')").await;
        schemas.extend(all.split(',').map(String::from));
        let schemas: Vec<&str> = schemas.iter().map(String::as_str).collect();
        eprintln!("{:?} to {:?}: {schemas:?}", source.kind, target.kind);
        let equal =
            tokio::time::timeout(Duration::from_secs(90), until_equal(&source, &target, &schemas, &running)).await;
        if running.task.is_finished() {
            panic!("{:?} to {:?}: {}", source.kind, target.kind, running.error().await);
        }
        equal.unwrap();
        running.stop().await.unwrap();
    }
}

/// Dropped at random moments while writers go on: in the end no row is lost or doubled, with and without keys.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn kills_at_random_moments_lose_and_double_nothing() {
    for (source, target, gtid) in pairs() {
        let config = subtask(&source, &target, gtid);
        Running::start(&config, 1).started(&target).await.kill().await;
        source.exec(writer::TABLES).await;
        let writers = writer::Writers::start(&source, 3, Duration::from_millis(3), 7);
        for round in 0..15u64 {
            // Every other run keeps the epoch, as after a resumed error.
            let running = Running::start(&config, 2 + round / 2);
            let moment = Duration::from_millis(rand::rng().random_range(20..1200));
            let _ = tokio::time::timeout(moment, std::future::pending::<()>()).await;
            if running.task.is_finished() {
                panic!("{:?} to {:?}, round {round}: {}", source.kind, target.kind, running.error().await);
            }
            running.kill().await;
        }
        let written = writers.stop().await;
        let running = Running::start(&config, 100);
        until_equal(&source, &target, &["busy"], &running).await;
        eprintln!("{:?} to {:?}: {written} transactions", source.kind, target.kind);
        assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
    }
}

/// A former owner that goes on after its successor raised the epoch commits nothing.
#[tokio::test]
async fn a_former_owner_is_fenced() {
    for target in [servers::mariadb(), servers::mysql()] {
        let source = servers::mariadb();
        for sql_mode in ["", "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_DATE"] {
            let mut config = subtask(&source, &target, true);
            config.name = format!("t{}", sql_mode.len());
            config.to.session.insert("sql_mode".into(), sql_mode.into());
            let schema = format!("d{}", sql_mode.len());
            let first = Running::start(&config, 1).started(&target).await;
            source
                .exec(&format!(
                    "CREATE DATABASE {schema}; CREATE TABLE {schema}.t (id INT); INSERT INTO {schema}.t VALUES (1)"
                ))
                .await;
            until_equal(&source, &target, &[&schema], &first).await;
            // What a successor does first, at a moment when the former owner is idle; then rows for the former owner.
            target
                .exec(&format!("UPDATE dm_meta.{}_lane_progress SET epoch = 2, batch = batch + 1", config.name))
                .await;
            source.exec(&format!("INSERT INTO {schema}.t VALUES (2), (3)")).await;
            let error = first.error().await;
            assert!(error.message().contains("now belongs to"), "{error}");
            assert_eq!(target.text(&format!("SELECT COUNT(*) FROM {schema}.t")).await, "1");
            // Coming back under the old epoch is refused, the successor takes up exactly there.
            let error = Running::start(&config, 1).error().await;
            assert!(error.message().contains("belongs to another worker"), "{error}");
            let second = Running::start(&config, 2);
            until_equal(&source, &target, &[&schema], &second).await;
            second.stop().await.unwrap();
            let other = UnitEnv { fence: Fence { cluster_id: 8, epoch: 9 }, ..env(&config, 9) };
            let error = units::build(UnitType::Sync, other).unwrap().run(CancellationToken::new()).await.unwrap_err();
            assert!(error.message().contains("cluster 7"), "{error}");
        }
    }
}

/// A checkpoint without lane rows is the original's: rows it had applied behind it are applied again, harmlessly.
#[tokio::test]
async fn a_checkpoint_of_the_original_is_taken_over() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let config = subtask(&source, &target, true);
    let running = Running::start(&config, 1).started(&target).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
    source.exec("USE d; INSERT INTO keyed VALUES (1,'a',1),(2,'b',2); UPDATE keyed SET id = 3 WHERE id = 1; DELETE FROM keyed WHERE id = 2").await;
    // The original applied all of it and died before its next flush.
    target.exec("INSERT INTO d.keyed VALUES (3,'a',1); DROP TABLE dm_meta.t_lane_progress").await;
    let running = Running::start(&config, 1);
    wait::until("the safe mode window is stored", Duration::from_secs(20), || async {
        let name =
            target.text("SELECT exit_safe_binlog_name FROM dm_meta.t_syncer_checkpoint WHERE is_global = 1").await;
        let rows = target.text("SELECT GROUP_CONCAT(id) FROM d.keyed").await;
        if name.is_empty() || rows != "3" { Err(rows) } else { Ok(()) }
    })
    .await;
    source.exec("INSERT INTO d.keyed VALUES (9,'z',9)").await;
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
    let name = target.text("SELECT exit_safe_binlog_name FROM dm_meta.t_syncer_checkpoint WHERE is_global = 1").await;
    assert_eq!(name, "", "the window is over");
}

/// A row that the target refuses ends the run with DM's error; what stands before it is applied, and after healing the
/// rest comes exactly once.
#[tokio::test]
async fn a_refused_row_blocks_its_lane() {
    let (source, target) = (servers::mariadb(), servers::mysql());
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let mut config = subtask(&source, &target, false);
    config.routes = vec![RouteRule { schema_pattern: "d".into(), target_schema: "d".into(), ..RouteRule::default() }];
    target.exec("INSERT INTO d.keyed VALUES (5,'mine',0)").await;
    let running = Running::start(&config, 1).started(&target).await;
    source.exec("INSERT INTO d.keyless VALUES (1,'a',1,1),(1,'a',1,1)").await;
    source.exec("INSERT INTO d.keyed VALUES (1,'a',1),(5,'b',2),(6,'c',3)").await;
    let error = running.error().await;
    assert!(error.message().starts_with("startLocation: [position: (mysql-bin.0"), "{error}");
    assert!(error.raw_cause().starts_with("Error 1062 (23000)"), "{error}");
    target.exec("DELETE FROM d.keyed WHERE id = 5").await;
    let running = Running::start(&config, 1);
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
    target.exec("DROP TABLE d.uniq").await;
    let running = Running::start(&config, 1);
    source.exec("INSERT INTO d.uniq VALUES (1,'a',1)").await;
    let error = running.error().await;
    assert!(error.message().contains("cannot fetch downstream table schema of `d`.`uniq`"), "{error}");
}
