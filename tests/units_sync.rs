//! Sync as a worker runs it, without a cluster: both flavors, positions and GTIDs, every type, DDL, kills, fencing.

use std::{sync::Arc, time::Duration};

use dm::{
    config::{
        Flavor, SubtaskConfig,
        subtask::{BlockAllowList, TaskMode},
    },
    error::DmError,
    pb::UnitType,
    units::{self, Ended, Fence, UnitEnv},
};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::support::{
    compare,
    servers::{self, Kind, Server},
    wait,
};

fn subtask(source: &Server, target: &Server, gtid: bool) -> SubtaskConfig {
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
    config.block_allow_list = BlockAllowList { do_dbs: vec!["d".into()], ..BlockAllowList::default() };
    config.syncer.checkpoint_flush_interval = 1;
    config
}

fn env(config: &SubtaskConfig, epoch: u64) -> UnitEnv {
    UnitEnv { config: Arc::new(config.clone()), fence: Fence { cluster_id: 7, epoch }, worker: "w".into() }
}

struct Running {
    stop: CancellationToken,
    task: JoinHandle<Result<Ended, DmError>>,
}

impl Running {
    fn start(config: &SubtaskConfig, epoch: u64) -> Running {
        let unit = units::build(UnitType::Sync, env(config, epoch)).unwrap();
        let stop = CancellationToken::new();
        let task = tokio::spawn({
            let stop = stop.clone();
            async move { unit.run(stop).await }
        });
        Running { stop, task }
    }

    async fn stop(self) -> Result<Ended, DmError> {
        self.stop.cancel();
        self.task.await.unwrap()
    }

    /// As a kill: dropped wherever it is.
    async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }

    async fn error(self) -> DmError {
        self.task.await.unwrap().unwrap_err()
    }
}

/// Waits until the target's schema `d` holds what the source's does.
async fn until_equal(source: &Server, target: &Server, running: &Running) {
    let (source, target) = (source.opts(), target.opts());
    wait::until("equal data", Duration::from_secs(60), || async {
        assert!(!running.task.is_finished(), "the unit ended");
        let mut from = mysql_async::Conn::new(source.clone()).await.unwrap();
        let mut to = mysql_async::Conn::new(target.clone()).await.unwrap();
        let differences = compare::schema_differences(&mut from, "d", &mut to, "d").await;
        let _ = from.disconnect().await;
        let _ = to.disconnect().await;
        if differences.is_empty() { Ok(()) } else { Err(format!("{differences:#?}")) }
    })
    .await;
}

/// (source, target, gtid)
fn pairs() -> Vec<(Server, Server, bool)> {
    vec![
        (servers::mariadb(), servers::mariadb(), true),
        (servers::mariadb(), servers::mysql(), false),
        (servers::mysql(), servers::mariadb(), true),
        (servers::mysql(), servers::mysql(), false),
    ]
}

const TABLES: &str = "CREATE DATABASE d CHARACTER SET utf8mb4;
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
        wait::until("the first checkpoint", Duration::from_secs(20), || async {
            if running.task.is_finished() {
                return Ok(());
            }
            let count = target.text("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'dm_meta' AND table_name = 't_syncer_checkpoint'").await;
            if count == "1" && target.text("SELECT COUNT(*) FROM dm_meta.t_syncer_checkpoint").await == "1" { Ok(()) } else { Err("none".into()) }
        })
        .await;
        if running.task.is_finished() {
            panic!("{:?} to {:?}: {}", source.kind, target.kind, running.error().await);
        }
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
        until_equal(&source, &target, &running).await;
        assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
        let at = target
            .text("SELECT CONCAT(binlog_name, ':', binlog_pos) FROM dm_meta.t_syncer_checkpoint WHERE is_global = 1")
            .await;
        assert!(at.contains("mysql-bin.0"), "{at}");
    }
}
