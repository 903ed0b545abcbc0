//! A full task whose source is altered all the time: rows are read with the structure of their place, never with today's.

use std::{sync::Arc, time::Duration};

use dm::{
    config::{SubtaskConfig, subtask::TaskMode},
    pb::UnitType,
    units::{self, Ended, Fence, UnitEnv},
};
use tokio_util::sync::CancellationToken;

use crate::{
    support::{
        release::Release,
        servers::{self, Server},
    },
    units_sync::{Running, subtask, until_equal},
};

async fn run(kind: UnitType, config: &SubtaskConfig) {
    let fence = Fence { cluster_id: 7, epoch: 1 };
    let env = UnitEnv {
        config: Arc::new(config.clone()),
        fence,
        worker: "w".into(),
        unsaved: Default::default(),
        parked: Default::default(),
    };
    let ended = units::build(kind, env).unwrap().run(CancellationToken::new()).await.unwrap();
    assert_eq!(ended, Ended::Finished);
}

/// Columns that change names, types, places and number; their rows fit more than one of these structures.
const BEFORE: &str = "CREATE DATABASE mid; USE mid; \
    CREATE TABLE swap (id INT PRIMARY KEY, a INT, b INT); INSERT INTO swap VALUES (1, 10, 20), (2, 11, 21); \
    CREATE TABLE named (id INT PRIMARY KEY, old VARCHAR(20), n INT UNSIGNED); INSERT INTO named VALUES (1, 'x', 4000000000); \
    CREATE TABLE keyless (a INT, b INT); INSERT INTO keyless VALUES (1, 2), (1, 2)";

/// One round of statements; each changes what the rows around it mean.
fn round(n: usize) -> String {
    let id = n * 10 + 5;
    format!(
        "USE mid; INSERT INTO swap (id, a, b) VALUES ({id}, {n}, 1); \
         ALTER TABLE swap CHANGE a b INT, CHANGE b a INT; \
         INSERT INTO swap (id, a, b) VALUES ({id} + 1, {n}, 2); UPDATE swap SET a = a + 100 WHERE id = 1; \
         UPDATE named SET n = 4000000001 + {n}; ALTER TABLE named CHANGE {} {} VARCHAR(30) AFTER n; \
         INSERT INTO named VALUES ({id}, {n}, 'y{n}'); ALTER TABLE named MODIFY n INT UNSIGNED AFTER {}; \
         INSERT INTO keyless VALUES ({n}, {id}); ALTER TABLE keyless MODIFY b INT FIRST; INSERT INTO keyless VALUES ({id}, {n}); \
         DELETE FROM keyless WHERE a = 1 LIMIT 1; ALTER TABLE keyless MODIFY a INT FIRST",
        name(n),
        name(n + 1),
        name(n + 1),
    )
}

fn name(n: usize) -> String {
    if n == 0 { "old".to_owned() } else { format!("name{n}") }
}

async fn altered_all_the_time(source: Server, target: Server, files: bool) {
    let folder = tempfile::tempdir().unwrap();
    let mut config = subtask(&source, &target, true);
    config.mode = TaskMode::All;
    config.block_allow_list.do_dbs = vec!["mid".into()];
    config.loader.dir = folder.path().join("dump").display().to_string();
    source.exec(BEFORE).await;
    run(UnitType::Dump, &config).await;
    source.exec(&round(0)).await;
    run(UnitType::Load, &config).await;
    source.exec(&round(1)).await;
    if !files {
        // Another worker takes over here: it has no files.
        std::fs::remove_dir_all(&config.loader.dir).unwrap();
    }
    // Killed at once, in the middle, and stopped; the source is altered in between.
    for (epoch, pause) in [(1, 0), (2, 300), (3, 900)] {
        let running = Running::start(&config, epoch);
        let _ = tokio::time::timeout(Duration::from_millis(pause), std::future::pending::<()>()).await;
        running.kill().await;
        source.exec(&round(epoch as usize + 1)).await;
    }
    let running = Running::start(&config, 9);
    source.exec(&round(5)).await;
    until_equal(&source, &target, &["mid"], &running).await;
    running.stop().await.unwrap();
}

#[tokio::test]
async fn a_source_that_is_altered_during_dump_and_load() {
    altered_all_the_time(servers::mysql(), servers::mariadb(), true).await;
    altered_all_the_time(servers::mariadb(), servers::mysql(), true).await;
}

#[tokio::test]
async fn mysql_5_6_is_a_target_too() {
    altered_all_the_time(Server::of(Release::Mysql57, &[]), Server::of(Release::Mysql56, &[]), true).await;
}

#[tokio::test]
async fn a_worker_without_the_dumps_files_takes_over() {
    altered_all_the_time(Server::of(Release::Mysql80, &[]), servers::mariadb(), false).await;
}
