//! What must hold when processes die or hang: kill -9 of worker, master and target during load and sync,
//! a frozen worker that wakes up after its successor runs, a master that restarts, rubbish on the ports.

mod fencing;
mod rounds;
mod switch;

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::support::{
    compare,
    nodes::Cluster,
    servers::{self, Server},
    wait::until,
    writer::{self, Writers},
};

const TASK: &str = "busy";

fn task_yaml(target: &Server, folder: &str) -> String {
    format!(
        "name: {TASK}\ntask-mode: all\ntarget-database:\n  host: 127.0.0.1\n  port: {}\n  user: root\n  \
         password: \"123456\"\nmysql-instances:\n  - source-id: src-1\n    block-allow-list: busy\n    \
         loader-config-name: l\n    syncer-config-name: s\nblock-allow-list:\n  busy: {{do-dbs: [busy]}}\n\
         loaders:\n  l: {{dir: \"{folder}/dump\", pool-size: 4}}\nsyncers:\n  s: {{worker-count: 6, batch: 50, \
         checkpoint-flush-interval: 1}}\n",
        target.port
    )
}

/// Tables with enough rows that the load lasts some time.
async fn seed(source: &Server, rows: u32) {
    source.exec(writer::TABLES).await;
    source
        .exec(&format!(
            "USE busy; CREATE TABLE big (id INT PRIMARY KEY, v VARCHAR(120), n INT); \
             CREATE TABLE big_keyless (v VARCHAR(120), n INT); \
             SET SESSION max_recursive_iterations = 10000000; \
             INSERT INTO big WITH RECURSIVE s AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM s WHERE i < {rows}) \
             SELECT i, REPEAT(MD5(i), 3), i % 1000 FROM s; \
             INSERT INTO big_keyless SELECT v, n % 50 FROM big WHERE id <= {};",
            rows / 3
        ))
        .await;
}

async fn in_sync(cluster: &Cluster) {
    until("the task reaches Sync", Duration::from_secs(120), || async {
        let (stage, unit, reply) = cluster.subtask(TASK, "src-1");
        if stage == "Running" && unit == "Sync" { Ok(()) } else { Err(format!("{reply:#}\n{}", cluster.logs_tail())) }
    })
    .await;
}

async fn equal(cluster: &Cluster, source: &Server, target: &Server) {
    until("both sides hold the same rows", Duration::from_secs(120), || async {
        let (mut a, mut b) = (source.conn().await, target.conn().await);
        let found = compare::schema_differences(&mut a, "busy", &mut b, "busy").await;
        if found.is_empty() { Ok(()) } else { Err(format!("{}\n{}", found.join("\n"), cluster.logs_tail())) }
    })
    .await;
}

fn rounds() -> u32 {
    std::env::var("DM_FAULT_ROUNDS").ok().and_then(|t| t.parse().ok()).unwrap_or(20)
}

/// A pause of a random length; what the test then does must be right at any moment.
async fn any_moment(rng: &mut StdRng, up_to: u64) {
    let length = Duration::from_millis(rng.random_range(20..up_to));
    tokio::time::timeout(length, std::future::pending::<()>()).await.unwrap_err();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn killed_at_random_moments_nothing_is_lost_or_doubled() {
    let seed_value = std::env::var("DM_FAULT_SEED").ok().and_then(|t| t.parse().ok()).unwrap_or(20_26);
    let mut rng = StdRng::seed_from_u64(seed_value);
    let (source, mut target) = (servers::mariadb(), servers::mariadb());
    seed(&source, 400_000).await;
    let mut cluster = Cluster::with_workers(1, 3);
    cluster.create_source("src-1", &source, true);
    let writers = Writers::start(&source, 2, Duration::from_millis(10), seed_value);
    let folder = cluster.folder.path().display().to_string();
    let task = cluster.file("task.yaml", &task_yaml(&target, &folder));
    cluster.dmctl_ok(&["start-task", &task]);
    let started = Instant::now();
    let mut during_load = 0;
    for round in 0..rounds() {
        // a tenth of the rounds at the start, mostly in dump; then up to the half of them in load; the rest in sync
        if round == rounds() / 2 {
            in_sync(&cluster).await;
        } else if (rounds() / 10..rounds() / 2).contains(&round) {
            load_begins(&cluster, &target).await;
        }
        any_moment(&mut rng, if round < rounds() / 2 { 400 } else { 1500 }).await;
        let loading = load_under_way(&target).await;
        during_load += u32::from(loading);
        match rng.random_range(0..3) {
            0 => {
                cluster.node("worker1").kill();
                cluster.node("worker1").up();
            }
            1 => {
                cluster.node("master1").kill();
                cluster.node("master1").up();
            }
            _ => target.crash(),
        }
        eprintln!("round {round} at {:.1} s: loading {loading}", started.elapsed().as_secs_f64());
    }
    assert!(during_load > 0, "no kill fell into the load: seed more rows");
    in_sync(&cluster).await;
    let written = writers.stop().await;
    assert!(written > 100, "the writers made only {written} transactions");
    equal(&cluster, &source, &target).await;
}

/// Waits until the load is under way, or over.
async fn load_begins(cluster: &Cluster, target: &Server) {
    until("the load begins", Duration::from_secs(60), || async {
        let text = String::from_utf8(cluster.dmctl_output(&["query-status", TASK]).stdout).unwrap();
        if load_under_way(target).await || text.contains("\"unit\": \"Sync\"") { Ok(()) } else { Err(text) }
    })
    .await;
}

/// Whether files are partly or not yet loaded, by the load unit's own progress rows.
async fn load_under_way(target: &Server) -> bool {
    let table = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'dm_meta' AND table_name = ";
    if target.text(&format!("{table}'{TASK}_load_progress'")).await != "1" {
        return false;
    }
    target.text(&format!("SELECT COUNT(*) FROM dm_meta.{TASK}_load_progress WHERE NOT done")).await != "0"
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_frozen_worker_loses_its_source_and_commits_nothing_more() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    source.exec(writer::TABLES).await;
    let mut cluster = Cluster::with_workers(2, 3);
    cluster.create_source("src-1", &source, true);
    let folder = cluster.folder.path().display().to_string();
    let task = cluster.file("task.yaml", &task_yaml(&target, &folder));
    cluster.dmctl_ok(&["start-task", &task]);
    in_sync(&cluster).await;
    let writers = Writers::start(&source, 2, Duration::from_millis(5), 3);
    let owner = bound_worker(&cluster);
    cluster.node(&owner).freeze(true);
    until("the source moves to the other worker", Duration::from_secs(40), || async {
        let now = bound_worker(&cluster);
        if !now.is_empty() && now != owner { Ok(()) } else { Err(format!("bound to {now:?}")) }
    })
    .await;
    in_sync(&cluster).await;
    cluster.node(&owner).freeze(false);
    until("the writers went on", Duration::from_secs(30), || async {
        let n = writers.transactions.load(std::sync::atomic::Ordering::Relaxed);
        if n > 800 { Ok(()) } else { Err(format!("{n} transactions")) }
    })
    .await;
    until("the old owner is free again", Duration::from_secs(30), || async {
        let members = cluster.dmctl_json(&["list-member", "--name", &owner]);
        let stage = members["members"][2]["worker"]["workers"][0]["stage"].clone();
        if stage == "free" { Ok(()) } else { Err(format!("{members:#}")) }
    })
    .await;
    writers.stop().await;
    equal(&cluster, &source, &target).await;
}

/// The worker that list-member shows for the source.
fn bound_worker(cluster: &Cluster) -> String {
    let members = cluster.dmctl_json(&["list-member", "--worker"]);
    let workers = members["members"][0]["worker"]["workers"].as_array().cloned().unwrap_or_default();
    let bound = workers.iter().find(|w| w["source"] == "src-1" && w["stage"] == "bound");
    bound.and_then(|w| w["name"].as_str()).unwrap_or_default().to_owned()
}

/// The files of the dump died with their worker: the other one dumps again, and what the first had loaded goes.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_worker_that_dies_during_the_load_is_replaced_by_another_without_its_files() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    seed(&source, 300_000).await;
    let mut cluster = Cluster::with_workers(2, 3);
    cluster.create_source("src-1", &source, true);
    let task = cluster.file("task.yaml", &task_yaml(&target, "."));
    cluster.dmctl_ok(&["start-task", &task]);
    load_begins(&cluster, &target).await;
    let owner = bound_worker(&cluster);
    cluster.node(&owner).kill();
    assert!(load_under_way(&target).await, "the load was over before its worker was killed: seed more rows");
    // rows that go before the second dump must not stay on the target
    source.exec("DELETE FROM busy.big WHERE id < 1000; DELETE FROM busy.big_keyless LIMIT 500").await;
    in_sync(&cluster).await;
    assert_ne!(bound_worker(&cluster), owner);
    source.exec("INSERT INTO busy.keyed VALUES (7, 'after the take-over', 7)").await;
    equal(&cluster, &source, &target).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn while_the_master_is_down_workers_go_on_and_it_takes_up_where_it_was() {
    let (source, target) = (servers::mysql(), servers::mariadb());
    source.exec(writer::TABLES).await;
    let mut cluster = Cluster::with_workers(1, 10);
    cluster.create_source("src-1", &source, true);
    let folder = cluster.folder.path().display().to_string();
    let task = cluster.file("task.yaml", &task_yaml(&target, &folder));
    cluster.dmctl_ok(&["start-task", &task]);
    in_sync(&cluster).await;
    cluster.node("master1").kill();
    source.exec("INSERT INTO busy.keyed VALUES (1, 'while the master is down', 1)").await;
    until("the row arrives without a master", Duration::from_secs(30), || async {
        let n = target.text("SELECT COUNT(*) FROM busy.keyed").await;
        if n == "1" { Ok(()) } else { Err(n) }
    })
    .await;
    let epoch = target.text(&format!("SELECT MAX(epoch) FROM dm_meta.{TASK}_lane_progress")).await;
    cluster.node("master1").up();
    in_sync(&cluster).await;
    source.exec("INSERT INTO busy.keyed VALUES (2, 'after it came back', 2)").await;
    equal(&cluster, &source, &target).await;
    let now = target.text(&format!("SELECT MAX(epoch) FROM dm_meta.{TASK}_lane_progress")).await;
    assert_eq!(now, epoch, "the restart of the master must not disturb a running worker");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rubbish_on_any_port_drops_that_connection_and_nothing_else() {
    let cluster = Cluster::with_workers(1, 10);
    let mut rng = StdRng::seed_from_u64(1);
    let ports: Vec<String> = cluster.nodes.iter().flat_map(|n| listening(n.pid())).collect();
    assert!(ports.len() >= 3, "expected the master's, the cluster's and the worker's ports, found {ports:?}");
    for port in &ports {
        for _ in 0..20 {
            let mut bytes = vec![0u8; rng.random_range(1..4000)];
            rng.fill(&mut bytes[..]);
            let Ok(mut stream) = TcpStream::connect(port) else { panic!("{port} refuses connections now") };
            stream.set_read_timeout(Some(Duration::from_millis(50))).unwrap();
            let _ = stream.write_all(&bytes);
            let _ = stream.read(&mut [0; 64]);
        }
    }
    cluster.dmctl_ok(&["list-member"]);
    for node in &cluster.nodes {
        assert!(!node.log().contains("panicked"), "{}", node.log());
    }
}

/// The loopback addresses on which a process listens, from /proc.
fn listening(pid: u32) -> Vec<String> {
    let mine: Vec<String> = std::fs::read_dir(format!("/proc/{pid}/fd"))
        .unwrap()
        .filter_map(|e| std::fs::read_link(e.unwrap().path()).ok())
        .map(|l| l.display().to_string())
        .collect();
    let table = std::fs::read_to_string(format!("/proc/{pid}/net/tcp")).unwrap();
    let rows = table.lines().skip(1).map(|l| l.split_whitespace().collect::<Vec<_>>());
    rows.filter(|f| f[3] == "0A" && mine.contains(&format!("socket:[{}]", f[9])))
        .filter_map(|f| u16::from_str_radix(f[1].rsplit(':').next()?, 16).ok())
        .map(|port| format!("127.0.0.1:{port}"))
        .collect()
}
