//! Differential replication: seeded random workloads on a real source, and in the end every value of the target compared
//! with it. `docs/sync/proof.md` says what is in a workload.
//!
//! `DM_REPLICATION_SEEDS=n` runs seeds 0 to n-1 of every pair (the long tier), `DM_REPLICATION_SEED=s` that one alone;
//! `DM_REPLICATION_PAIRS=mysql80-mariadb1011,..` names pairs, `DM_REPLICATION_LENGTH=n` transactions of each writer.
//! `DM_REPLICATION_KEEP=1` leaves the servers of a failed run up for a look (until the test is killed).
//! What a seed fixes is what each writer sends; which writer comes first is up to the server.

mod corpus;
mod corpus_tidb;
mod ddl;
mod hot_rows;
mod rolled_back;
pub mod tables;
pub mod traffic;
mod values;
mod workload;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use dm::config::SubtaskConfig;
use mysql_async::{Conn, prelude::Queryable};
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    support::{
        compare,
        release::Release::{self, *},
        servers::Server,
    },
    units_sync::{Running, subtask},
};
use tables::Can;
use traffic::{Load, Traffic};

const WRITERS: u64 = 16;

/// Everyday pairs: each source and target once.
const EVERYDAY: [(Release, Release); 2] = [(Mysql80, Mariadb1011), (Mariadb1011, Mysql97)];

fn variable<T: std::str::FromStr>(name: &str) -> Option<T> {
    std::env::var(name).ok()?.parse().ok()
}

fn label(pair: (Release, Release)) -> String {
    format!("{:?}-{:?}", pair.0, pair.1).to_lowercase()
}

/// The pairs of this run.
fn pairs(everyday: &[(Release, Release)], targets: &[Release]) -> Vec<(Release, Release)> {
    let all = || Release::ALL.into_iter().flat_map(|source| targets.iter().map(move |target| (source, *target)));
    match std::env::var("DM_REPLICATION_PAIRS") {
        Ok(wanted) => all().filter(|pair| wanted.split(',').any(|name| name == label(*pair))).collect(),
        Err(_) if variable::<u64>("DM_REPLICATION_SEEDS").is_some() => all().collect(),
        Err(_) => everyday.to_vec(),
    }
}

fn length() -> usize {
    variable("DM_REPLICATION_LENGTH").unwrap_or(40)
}

fn seeds() -> std::ops::Range<u64> {
    match variable::<u64>("DM_REPLICATION_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..variable("DM_REPLICATION_SEEDS").unwrap_or(1),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_random_workload_arrives_value_by_value() {
    run_all(pairs(&EVERYDAY, &[Mariadb1011, Mysql97])).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn random_workloads_into_tidb() {
    run_all(pairs(&[(Mysql57, Tidb), (Mariadb118, Tidb)], &[Tidb])).await;
}

async fn run_all(pairs: Vec<(Release, Release)>) {
    assert!(!pairs.is_empty(), "DM_REPLICATION_PAIRS names no pair (as mysql80-mariadb1011)");
    let mut failed = Vec::new();
    for seed in seeds() {
        for pair in &pairs {
            let begun = Instant::now();
            let Err(why) = run(*pair, seed).await else { continue };
            let again = format!("DM_REPLICATION_SEED={seed} DM_REPLICATION_PAIRS={}", label(*pair));
            failed.push(format!("{again} ({:.1} s):\n{why}", begun.elapsed().as_secs_f64()));
            eprintln!("FAILED {}", failed[failed.len() - 1]);
        }
    }
    assert!(failed.is_empty(), "{} runs failed:\n{}", failed.len(), failed.join("\n\n"));
}

async fn run(pair: (Release, Release), seed: u64) -> Result<(), String> {
    let start = move || (Server::of(pair.0, source_options(pair.0)), Server::of(pair.1, &[]));
    let (source, target) = tokio::task::spawn_blocking(start).await.unwrap();
    let can = Can { source: pair.0, target: pair.1 };
    let config = settings(&source, &target, seed);
    let running = Running::start(&config, 1).started(&target).await;
    let tables = Arc::new(tables::tables(can));
    traffic::create(&source, &tables).await;
    let begun = Instant::now();
    let traffic =
        Traffic::start(&source, Load { can, seed, tables, writers: WRITERS, length: Some(length()), ddl: true });
    let told = traffic.ended().await;
    let written = begun.elapsed().as_secs_f64();
    let refused: u64 = told.refused.values().sum();
    assert!(
        told.taken > 3 * refused.saturating_sub(50),
        "{pair:?} seed {seed}: the source refused too much: {:?}",
        told.refused
    );
    let equal = until_equal(&source, &target, &config.name, || running.is_finished()).await;
    eprintln!(
        "{} seed {seed}: {} statements in {written:.1} s, equal after {:.1} s; lanes {}, batch {}, refused {:?}",
        label(pair),
        told.taken,
        begun.elapsed().as_secs_f64(),
        config.syncer.worker_count,
        config.syncer.batch,
        told.refused
    );
    let ended = if running.is_finished() {
        Err(running.error().await.to_string())
    } else {
        running.stop().await.map(drop).map_err(|e| format!("at the stop: {e}"))
    };
    if let Err(why) = ended.and(equal) {
        keep(&why, &source, &target).await;
        return Err(why);
    }
    Ok(())
}

/// `DM_REPLICATION_KEEP=1`: the servers of a failed run stay up.
pub async fn keep(why: &str, source: &Server, target: &Server) {
    if variable::<u64>("DM_REPLICATION_KEEP").is_some() {
        eprintln!("{why}\nkept: source 127.0.0.1:{}, target 127.0.0.1:{}", source.port, target.port);
        std::future::pending::<()>().await;
    }
}

fn source_options(release: Release) -> &'static [&'static str] {
    match release {
        // Table maps with names and character sets on one of the newer, without on the others.
        Mysql97 | Mariadb1011 => &["--binlog-row-metadata=FULL", "--innodb-flush-log-at-trx-commit=0"],
        _ => &["--innodb-flush-log-at-trx-commit=0"],
    }
}

/// The task's settings are drawn too.
fn settings(source: &Server, target: &Server, seed: u64) -> SubtaskConfig {
    let mut rng = StdRng::seed_from_u64(seed ^ 0xc0f);
    let mut config = subtask(source, target, rng.random_ratio(1, 2));
    config.name = format!("r{seed}");
    config.syncer.worker_count = [16, 4, 1][rng.random_range(0..3)];
    config.syncer.batch = [100, 7, 1000][rng.random_range(0..3)];
    config.syncer.compact = rng.random_ratio(1, 2);
    config.syncer.multiple_rows = rng.random_ratio(1, 2);
    config
}

/// Waits until all schemas of the source are equal on the target, as long as the task applies something; else says which
/// rows differ.
pub async fn until_equal(source: &Server, target: &Server, task: &str, ended: impl Fn() -> bool) -> Result<(), String> {
    let patience = Duration::from_secs(variable("DM_REPLICATION_WAIT").unwrap_or(60));
    let (mut applied, mut end) = (String::new(), Instant::now() + patience);
    loop {
        let now = target.text(&format!("SELECT SUM(batch) FROM dm_meta.{task}_lane_progress")).await;
        if now != applied {
            (applied, end) = (now, Instant::now() + patience);
        }
        let (mut from, mut to) = (source.conn().await, target.conn().await);
        let mut found = Vec::new();
        for schema in schemas(&mut from).await {
            found.extend(compare::schema_differences(&mut from, &schema, &mut to, &schema).await);
        }
        if found.is_empty() || ended() {
            return Ok(());
        }
        if Instant::now() > end {
            for schema in schemas(&mut from).await {
                found.extend(compare::rows_that_differ(&mut from, &mut to, &schema).await);
            }
            return Err(found.join("\n"));
        }
        let _ = tokio::time::timeout(Duration::from_millis(300), std::future::pending::<()>()).await;
    }
}

async fn schemas(conn: &mut Conn) -> Vec<String> {
    let sql =
        "SELECT schema_name FROM information_schema.schemata WHERE schema_name = 'r' OR schema_name LIKE 'other%'";
    conn.query(sql).await.unwrap()
}
