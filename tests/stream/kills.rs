//! Kills of worker, source and target while rows are streamed (and in `files` while they are dumped and loaded) and writers
//! work; then sync catches up, and all is equal.

mod files;

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use rand::{Rng, SeedableRng, rngs::StdRng};

use super::*;
use crate::{
    support::{
        nodes::Cluster,
        wait,
        writer::{self, Writers},
    },
    units_sync::{Running, until_equal},
};

const SCHEMAS: [&str; 2] = ["busy", "d"];

/// How many rounds of each kind: `DM_STREAM_ROUNDS`, one by default.
fn rounds() -> u64 {
    std::env::var("DM_STREAM_ROUNDS").ok().and_then(|text| text.parse().ok()).unwrap_or(1)
}

pub async fn filled(source: &Server) {
    source.exec(writer::TABLES).await;
    source
        .exec(&format!(
            "USE busy; INSERT INTO keyed SELECT n, REPEAT('k', n % 60), n FROM {} q; \
             INSERT INTO keyless SELECT n % 300, n FROM {} q",
            numbers(3000),
            numbers(5000)
        ))
        .await;
    all_keys(source, 400).await;
    // Of which many go together.
    let small = |n: u32| {
        format!("CREATE TABLE d.small{n} (id INT PRIMARY KEY, v INT); INSERT INTO d.small{n} VALUES (1, {n}), (2, 0)")
    };
    source.exec(&(0..70).map(small).collect::<Vec<_>>().join("; ")).await;
}

fn config(source: &Server, target: &Server) -> SubtaskConfig {
    let mut config = subtask(source, target, TaskMode::All);
    config.block_allow_list.do_dbs = SCHEMAS.map(String::from).into();
    config.mydumper.rows = 40;
    config.mydumper.threads = 2;
    config
}

/// Chunks that the ledger says are done.
async fn done(target: &Server) -> BTreeSet<String> {
    let mut conn = target.conn().await;
    let sql = "SELECT file_name FROM dm_meta.t_load_progress WHERE done = 1 AND file_name NOT LIKE '%-schema%' \
               AND file_name NOT LIKE '%keyless%'";
    conn.query(sql).await.unwrap_or_default().into_iter().collect()
}

/// Waits until so many chunks are done; not at all while the target is away.
async fn reaches(target: &Server, chunks: usize) {
    wait::until("chunks in the target", Duration::from_secs(120), || async {
        let now = done(target).await.len();
        if now >= chunks { Ok(()) } else { Err(format!("{now} of {chunks}")) }
    })
    .await;
}

/// A source that notes every statement, also behind a crash.
fn noting(release: Release) -> Server {
    Server::of(release, &["--general-log=1", "--log-output=FILE", "--general-log-file=general.log"])
}

/// The statements that read chunks (of tables that are cut), behind a byte of the log; and the log's end.
fn reads(source: &Server, from: usize) -> (Vec<String>, usize) {
    let log = std::fs::read(source.binlog_file("general.log")).unwrap();
    let mut out = Vec::new();
    for line in String::from_utf8_lossy(&log[from..]).lines() {
        let Some((_, statement)) = line.split_once("Query\tSELECT ") else { continue };
        if statement.contains(" FORCE INDEX (") && statement.contains(") WHERE (") && !statement.contains("LIMIT 1") {
            out.push(statement.to_owned());
        }
    }
    (out, log.len())
}

/// What two readers and four writers had under way is read again after a kill, and nothing else.
fn assert_few_read_again(source: &Server, kills: u64) {
    let (reads, _) = reads(source, 0);
    let (all, different) = (reads.len() as u64, reads.iter().collect::<BTreeSet<_>>().len() as u64);
    eprintln!("{kills} kills, {all} reads of {different} chunks");
    assert!(different > 50, "{different} chunks seen");
    assert!(all - different <= kills * 7, "{all} reads of {different} chunks with {kills} kills");
}

#[tokio::test]
async fn killed_workers_cost_the_chunks_under_way() {
    for seed in 0..rounds() {
        for source in [noting(Release::Mariadb1011), noting(Release::Mysql97)] {
            let target = servers::mariadb();
            filled(&source).await;
            let config = config(&source, &target);
            let writers = Writers::start(&source, 4, Duration::from_millis(4), seed);
            let mut rng = StdRng::seed_from_u64(seed);
            let (mut kills, mut before) = (0u64, BTreeSet::new());
            loop {
                // Another worker every second time.
                let unit = units::build(UnitType::Load, env(&config, 1 + kills / 2)).unwrap();
                // The first ones before there is a ledger, the others when so many more chunks are in the target.
                let early = Duration::from_millis(if kills < 2 { rng.random_range(20..400) } else { 600_000 });
                let more = before.len() + rng.random_range(1..120);
                let ended = tokio::select! {
                    ended = unit.run(CancellationToken::new()) => Some(ended),
                    _ = tokio::time::timeout(early, reaches(&target, more)) => None,
                };
                if let Some(ended) = ended {
                    break assert_eq!(ended.unwrap(), Ended::Finished);
                }
                drop(unit);
                kills += 1;
                let now = done(&target).await;
                assert!(now.is_superset(&before), "a chunk that was in the target is read again");
                before = now;
            }
            assert_few_read_again(&source, kills);
            caught_up(&source, &target, &config, writers, 1 + kills).await;
        }
    }
}

async fn caught_up(source: &Server, target: &Server, config: &SubtaskConfig, writers: Writers, epoch: u64) {
    let running = Running::start(config, epoch).started(target).await;
    assert!(writers.stop().await > 10);
    until_equal(source, target, &SCHEMAS, &running).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
}

#[tokio::test]
async fn crashed_servers_lose_nothing() {
    for seed in 0..rounds() {
        let (mut source, mut target) = (noting(Release::Mariadb1011), servers::mysql());
        filled(&source).await;
        let config = Arc::new(config(&source, &target));
        let writers = Writers::start(&source, 4, Duration::from_millis(4), seed);
        let mut rng = StdRng::seed_from_u64(seed + 77);
        let (mut before, mut crashes) = (BTreeSet::new(), 0);
        for round in 0..4 {
            let mut task = tokio::spawn({
                let config = config.clone();
                async move { load(&config, 1).await }
            });
            let more = before.len() + rng.random_range(1..60);
            let early = tokio::select! {
                () = reaches(&target, more) => None,
                ended = &mut task => Some(ended),
            };
            if round % 2 == 0 {
                source.crash()
            } else {
                target.crash()
            }
            crashes += 1;
            // It goes on by itself, or says that the other side is gone.
            let ended = match early {
                Some(ended) => ended,
                None => task.await,
            };
            if ended.unwrap().is_ok() {
                break;
            }
            let now = done(&target).await;
            assert!(now.is_superset(&before), "a chunk that was in the target is read again");
            before = now;
        }
        assert_eq!(load(&config, 2).await.unwrap(), Ended::Finished);
        assert_few_read_again(&source, crashes);
        caught_up(&source, &target, &config, writers, 3).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-long"]
async fn killed_processes_of_a_cluster_hand_their_load_on() {
    for seed in 0..rounds() {
        let (source, target) = (servers::mariadb(), servers::mysql());
        filled(&source).await;
        let mut cluster = Cluster::with_workers(2, 3);
        cluster.create_source("src-1", &source, true);
        let task = cluster.file("task.yaml", &format!(
            "name: t\ntask-mode: all\ntarget-database: {{host: 127.0.0.1, port: {}, user: root, password: \"123456\"}}\n\
             mysql-instances:\n- {{source-id: src-1, block-allow-list: b, loader-config-name: l, mydumper-config-name: m}}\n\
             block-allow-list:\n  b: {{do-dbs: [busy, d]}}\nmydumpers:\n  m: {{threads: 2, rows: 20}}\nloaders:\n  \
             l: {{import-mode: stream, pool-size: 4}}\n",
            target.port
        ));
        let writers = Writers::start(&source, 16, Duration::from_millis(20), seed);
        cluster.dmctl_ok(&["start-task", &task]);
        let mut rng = StdRng::seed_from_u64(seed);
        let (mut before, mut kills) = (0, 0);
        for round in 0..4 {
            let more = before + rng.random_range(1..60);
            let reached = tokio::time::timeout(Duration::from_secs(20), reaches(&target, more)).await;
            if reached.is_err() {
                // All are in.
                break;
            }
            let worker = ["worker1", "worker2"][round % 2];
            cluster.node(worker).kill();
            cluster.node(worker).up_later();
            before = done(&target).await.len();
            kills += 1;
        }
        assert!(writers.stop().await > 10);
        eprintln!("{kills} kills of processes");
        let cluster = std::sync::Mutex::new(cluster);
        wait::until("equal data", Duration::from_secs(180), || async {
            start_again(&mut cluster.lock().unwrap());
            let (mut from, mut to) = (source.conn().await, target.conn().await);
            let mut differences = Vec::new();
            for schema in SCHEMAS {
                differences.extend(compare::schema_differences(&mut from, schema, &mut to, schema).await);
            }
            if differences.is_empty() {
                Ok(())
            } else {
                Err(format!("{differences:#?}\n{}", cluster.lock().unwrap().logs_tail()))
            }
        })
        .await;
    }
}

/// As a service manager does with a worker that gave up: on a machine without a free core the master may have no leader for as
/// long as a worker tries to join.
fn start_again(cluster: &mut Cluster) {
    for node in &mut cluster.nodes {
        if node.ended().is_some() {
            node.up_later();
        }
    }
}

/// INSERT is tried first on TiDB: rows that are there make it REPLACE, within a packet and in a chunk of several.
#[tokio::test]
#[ignore = "tier: make test-tidb"]
async fn rows_that_are_on_tidb_are_replaced() {
    let (source, target) = (servers::mariadb(), Server::of(Release::Tidb, &[]));
    let table = |name: &str| format!("CREATE TABLE d.{name} (id INT PRIMARY KEY, u INT UNIQUE, t TEXT)");
    source.exec(&format!("CREATE DATABASE d; {}; {}; {}", table("small"), table("large"), table("fresh"))).await;
    for (name, rows, bytes) in [("small", 50, 9), ("large", 4000, 1000), ("fresh", 2000, 500)] {
        let rows = numbers(rows);
        source.exec(&format!("INSERT INTO d.{name} SELECT n, n, REPEAT('x', {bytes}) FROM {rows} q")).await;
    }
    for import in ["stream", "logical"] {
        let dir = tempfile::tempdir().unwrap();
        let mut config = subtask(&source, &target, TaskMode::Full);
        config.loader.import_mode = import.into();
        config.loader.dir = dir.path().join("dump").display().to_string();
        target
            .exec(&format!("DROP DATABASE IF EXISTS d; CREATE DATABASE d; {}; {}", table("small"), table("large")))
            .await;
        // By the primary key, and by the other one.
        target.exec("INSERT INTO d.small VALUES (7, 7, 'there'), (900, 9, 'there')").await;
        target.exec("INSERT INTO d.large VALUES (3999, 1, 'there'), (4, 9000, 'there')").await;
        copy(&config, 1).await;
        assert_equal(&source, &target).await;
        units::remove_meta(&config).await.unwrap();
    }
}
