//! Statements before and in the place of an event across crashes: each once.

use std::{sync::Arc, time::Duration};

use dm::{
    config::{
        Flavor, SubtaskConfig,
        subtask::{RouteRule, TaskMode},
    },
    mysql::position::BinlogPosition,
    pb::UnitType,
    rules::operator::Operator,
    units::{
        self, Ended, Fence, UnitEnv,
        failpoint::{self, Place},
    },
};
use tokio_util::sync::CancellationToken;

use super::{Rig, TASK};
use crate::support::{
    servers::{self, Server},
    wait::until,
};

const TABLES: &str = "CREATE TABLE a (id INT PRIMARY KEY, v INT); CREATE TABLE b (id INT PRIMARY KEY, v INT);";

/// How often an index without a name was made on a column.
fn keys(schema: &str, table: &str) -> String {
    format!(
        "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = '{schema}' AND table_name = '{table}' \
         AND column_name = 'v'"
    )
}

pub fn config(source: &Server, target: &Server, name: &str) -> SubtaskConfig {
    let mut config = SubtaskConfig {
        name: name.into(),
        mode: TaskMode::Incremental,
        source_id: "s1".into(),
        server_id: 4343,
        flavor: Flavor::Mariadb,
        enable_gtid: true,
        from: source.db_config(),
        to: target.db_config(),
        routes: vec![RouteRule { schema_pattern: "d".into(), target_schema: "e".into(), ..RouteRule::default() }],
        ..SubtaskConfig::default()
    };
    config.syncer.checkpoint_flush_interval = 1;
    config
}

/// Where the next transaction of the source begins.
pub async fn end_of_binlog(source: &Server) -> (String, u64) {
    use mysql_async::prelude::Queryable;
    let row: mysql_async::Row = source.conn().await.query_first("SHOW MASTER STATUS").await.unwrap().unwrap();
    (row.get::<String, _>(0).unwrap(), row.get::<u64, _>(1).unwrap())
}

/// An operator for no event at all.
pub fn nothing() -> Operator {
    Operator { position: BinlogPosition::new("none.000001", 4), gtid: String::new(), before: Vec::new(), instead: None }
}

/// One run until it ends or the target's query gives the text.
pub async fn run(config: &SubtaskConfig, epoch: u64, operator: &Operator, done: Option<(&Server, &str, &str)>) -> bool {
    let env = UnitEnv {
        config: Arc::new(config.clone()),
        fence: Fence { cluster_id: 7, epoch },
        worker: "w".into(),
        unsaved: Default::default(),
        parked: Default::default(),
    };
    let unit = units::build(UnitType::Sync, env).unwrap();
    unit.set_operators(vec![operator.clone()]);
    let stop = CancellationToken::new();
    let token = stop.clone();
    let task = tokio::spawn(async move { unit.run(token).await });
    if let Some((target, sql, wanted)) = done {
        until(sql, Duration::from_secs(60), || async {
            let found = target.text(sql).await;
            if task.is_finished() || found == wanted { Ok(()) } else { Err(found) }
        })
        .await;
        stop.cancel();
    }
    match tokio::time::timeout(Duration::from_secs(60), task).await.unwrap().unwrap() {
        Ok(Ended::Stopped) => true,
        Ok(other) => panic!("{other:?}"),
        Err(error) if error.message().contains("struck") => false,
        Err(error) => panic!("{error}"),
    }
}

/// A crash at each step of each statement, before and in the place of an event.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_statement_runs_once_across_crashes() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    source.exec(&format!("CREATE DATABASE d; USE d; {TABLES}")).await;
    for (number, point) in
        [Place::DdlBeforeRun, Place::DdlAfterRun, Place::DdlBeforeDone, Place::DdlAfterDone].into_iter().enumerate()
    {
        for passes in 1..=3 {
            target.exec(&format!("DROP DATABASE IF EXISTS e; CREATE DATABASE e; USE e; {TABLES}")).await;
            let mut config = config(&source, &target, &format!("t{number}{passes}"));
            let (file, pos) = end_of_binlog(&source).await;
            config.meta = Some(dm::config::Meta {
                binlog_name: file.clone(),
                binlog_pos: pos as u32,
                binlog_gtid: source.text("SELECT @@gtid_binlog_pos").await,
            });
            // Its rows make the table a tracked one.
            source.exec("INSERT INTO d.a VALUES (1, 1); DELETE FROM d.a").await;
            let (file, pos) = end_of_binlog(&source).await;
            source.exec("ALTER TABLE d.a COMMENT 'x'").await;
            let operator = Operator {
                position: BinlogPosition::new(file, pos),
                gtid: String::new(),
                before: vec!["ALTER TABLE d.a ADD KEY (v)".into(), "ALTER TABLE d.b ADD KEY (v)".into()],
                instead: Some(vec!["ALTER TABLE d.a ADD KEY (v, id)".into()]),
            };
            failpoint::arm(&config.name, point, passes);
            assert!(!run(&config, 1, &operator, None).await, "{point:?} was not reached {passes} times");
            source.exec("INSERT INTO d.a VALUES (2, 2)").await;
            let last = Some((&target, "SELECT COUNT(*) FROM e.a", "1"));
            assert!(run(&config, 2, &operator, last).await, "{point:?} {passes}");
            source.exec("DELETE FROM d.a").await;
            assert_eq!(target.text(&keys("e", "a")).await, "2", "{point:?} {passes}");
            assert_eq!(target.text(&keys("e", "b")).await, "1", "{point:?} {passes}");
            let stored = format!(
                "SELECT COUNT(*) FROM dm_meta.{}_syncer_checkpoint WHERE cp_table = 'a' AND table_info LIKE '%v_2%'",
                config.name
            );
            let all =
                format!("SELECT GROUP_CONCAT(cp_table, table_info) FROM dm_meta.{}_syncer_checkpoint", config.name);
            assert_eq!(target.text(&stored).await, "1", "{point:?} {passes}: {}", target.text(&all).await);
        }
    }
}

/// `kill -9` of the node while the second statement waits on the target: the operator survives in the cluster's log,
/// and neither statement runs twice.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_kill_between_injected_statements_repeats_none() {
    use mysql_async::prelude::Queryable;
    let mut rig = Rig::start(servers::mariadb(), servers::mariadb(), true, TABLES).await;
    let at = rig.next_position().await;
    rig.ok(&["binlog", "inject", TASK, "-b", &at, "ALTER TABLE d.a ADD KEY (v); ALTER TABLE d.b ADD KEY (v)"]);
    let mut blocker = rig.target.conn().await;
    blocker.query_drop("START TRANSACTION; SELECT COUNT(*) FROM e.b").await.unwrap();
    rig.source.exec("ALTER TABLE d.b COMMENT 'x'; INSERT INTO d.b VALUES (1, 1)").await;
    rig.target_has(&keys("e", "a"), "1").await;
    rig.target_has("SELECT COUNT(*) FROM information_schema.processlist WHERE info LIKE 'ALTER TABLE `e`.`b`%'", "1")
        .await;
    rig.cluster.node("node").kill();
    rig.cluster.node("node").up();
    blocker.query_drop("COMMIT").await.unwrap();
    rig.target_has("SELECT COUNT(*) FROM e.b", "1").await;
    rig.target_has(&keys("e", "a"), "1").await;
    rig.target_has(&keys("e", "b"), "1").await;
    rig.target_has(
        "SELECT table_comment FROM information_schema.tables WHERE table_schema = 'e' AND table_name = 'b'",
        "x",
    )
    .await;
}
