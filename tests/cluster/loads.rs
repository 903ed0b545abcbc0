//! Full loads whose worker is lost: they go to another, and to the worker that has their files when it can be chosen.

use std::time::Duration;

use super::workers::owner;
use crate::support::{
    compare,
    nodes::Cluster,
    servers::{self, Server},
    wait::{until, while_moving},
};

const TASK: &str = "once";

/// A task of the mode `full`, with files in a folder below each worker's own, or streamed.
fn task(target: &Server, import: &str) -> String {
    format!(
        "name: {TASK}\ntask-mode: full\ntarget-database: {{host: 127.0.0.1, port: {}, user: root, password: \"123456\"}}\n\
         mysql-instances:\n- {{source-id: src-1, block-allow-list: b, loader-config-name: l, mydumper-config-name: m}}\n\
         block-allow-list:\n  b: {{do-dbs: [d]}}\nmydumpers:\n  m: {{threads: 2, rows: 500}}\nloaders:\n  \
         l: {{import-mode: {import}, dir: ./dump, pool-size: 1}}\n",
        target.port
    )
}

async fn filled(rows: u32) -> Server {
    let source = servers::mariadb();
    let many = format!("WITH RECURSIVE s AS (SELECT 1 AS i UNION ALL SELECT i + 1 FROM s WHERE i < {rows})");
    source
        .exec(&format!(
            "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(120)); \
             SET SESSION max_recursive_iterations = 10000000; INSERT INTO d.t {many} SELECT i, REPEAT(MD5(i), 3) FROM s"
        ))
        .await;
    source
}

/// Files or chunks that are in the target; none before the load begins.
async fn done(target: &Server) -> u32 {
    let sql =
        format!("SELECT COUNT(*) FROM dm_meta.{TASK}_load_progress WHERE done AND file_name NOT LIKE '%-schema%'");
    target.answer(&sql).await.ok().and_then(|n| n.parse().ok()).unwrap_or(0)
}

async fn reaches(cluster: &Cluster, target: &Server, files: u32) {
    until("files are in the target", Duration::from_secs(60), || async {
        let n = done(target).await;
        if n >= files { Ok(()) } else { Err(format!("{n} files\n{}", cluster.logs_tail())) }
    })
    .await;
}

async fn finishes(cluster: &Cluster, source: &Server, target: &Server) {
    while_moving("the load is finished", Duration::from_secs(60), || async {
        let out = cluster.dmctl_output(&["query-status", TASK]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let files = done(target).await;
        if text.contains("\"stage\": \"Finished\"") { Ok(()) } else { Err(format!("{files} files: {text}")) }
    })
    .await;
    let (mut a, mut b) = (source.conn().await, target.conn().await);
    assert_eq!(compare::schema_differences(&mut a, "d", &mut b, "d").await, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_load_goes_on_elsewhere_when_its_worker_is_killed() {
    for (import, rows) in [("stream", 100_000), ("logical", 60_000)] {
        let (source, target) = (filled(rows).await, servers::mariadb());
        let mut cluster = Cluster::with_workers(2, 10);
        cluster.create_source("src-1", &source, true);
        let file = cluster.file("task.yaml", &task(&target, import));
        cluster.dmctl_ok(&["start-task", &file]);
        reaches(&cluster, &target, 3).await;
        let first = owner(&cluster, "src-1");
        cluster.node(&first).kill();
        let text = cluster.dmctl(&["query-status", TASK]);
        assert!(!text.contains("\"stage\": \"Finished\""), "{import}: over before the kill, give it more rows");
        finishes(&cluster, &source, &target).await;
        assert_ne!(owner(&cluster, "src-1"), first, "{import}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_goes_to_the_worker_that_holds_the_files_of_its_load() {
    let (source, target) = (filled(60_000).await, servers::mariadb());
    let mut cluster = Cluster::with_workers(3, 10);
    cluster.create_source("src-1", &source, true);
    let first = owner(&cluster, "src-1");
    // Whoever comes first by name would be taken otherwise.
    if first == "worker1" {
        cluster.dmctl_ok(&["transfer-source", "src-1", "worker2"]);
    }
    let holder = owner(&cluster, "src-1");
    let other = if holder == "worker2" { "worker3" } else { "worker2" };
    let file = cluster.file("task.yaml", &task(&target, "logical"));
    cluster.dmctl_ok(&["start-task", &file]);
    reaches(&cluster, &target, 1).await;
    cluster.dmctl_ok(&["pause-task", TASK]);
    let before = done(&target).await;
    cluster.dmctl_ok(&["transfer-source", "src-1", other]);
    assert_eq!(owner(&cluster, "src-1"), other);
    cluster.node(other).kill();
    until("another worker has it", Duration::from_secs(60), || async {
        let now = owner(&cluster, "src-1");
        if now.is_empty() || now == other { Err(now) } else { Ok(()) }
    })
    .await;
    assert_eq!(owner(&cluster, "src-1"), holder, "not the one with the files");
    cluster.dmctl_ok(&["resume-task", TASK]);
    finishes(&cluster, &source, &target).await;
    assert!(before < 100, "the load was over before it was paused: give it more rows");
    assert!(!cluster.node(&holder).log().contains("begins again"), "{}", cluster.logs_tail());
}

/// Workers of DM's kind, with one source each; two paused loads that were sent to each other's workers go back.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-cluster"]
async fn two_sources_that_have_each_others_files_change_places() {
    let mut cluster = Cluster::with_workers(0, 10);
    let one = cluster.file("worker.toml", "max-sources = 1\n");
    for name in ["worker1", "worker2", "worker3"] {
        cluster.add_worker_with(name, &["--config", &one]);
    }
    cluster.await_free_workers(3);
    let (mut servers, mut targets) = (Vec::new(), Vec::new());
    for id in ["src-1", "src-2"] {
        let (source, target) = (filled(60_000).await, servers::mariadb());
        cluster.create_source(id, &source, true);
        let text = task(&target, "logical").replace("src-1", id).replace(TASK, &format!("{TASK}{id}"));
        let file = cluster.file("task.yaml", &text);
        cluster.dmctl_ok(&["start-task", &file]);
        until("its dump is on its worker's disk", Duration::from_secs(60), || async {
            let progress = format!("SELECT COUNT(*) FROM dm_meta.`{TASK}{id}_load_progress` WHERE done");
            let n = target.answer(&progress).await.ok().and_then(|n| n.parse().ok()).unwrap_or(0);
            if n > 0 { Ok(()) } else { Err(cluster.logs_tail()) }
        })
        .await;
        cluster.dmctl_ok(&["pause-task", &format!("{TASK}{id}")]);
        servers.push(source);
        targets.push(target);
    }
    let homes = ["src-1", "src-2"].map(|id| owner(&cluster, id));
    let spare = ["worker1", "worker2", "worker3"].into_iter().find(|name| !homes.contains(&name.to_string())).unwrap();
    for (id, to) in [("src-1", spare), ("src-2", &homes[0]), ("src-1", &homes[1])] {
        cluster.dmctl_ok(&["transfer-source", id, to]);
        assert_eq!(owner(&cluster, id), to);
    }
    until("each is where its files are", Duration::from_secs(60), || async {
        let now = ["src-1", "src-2"].map(|id| owner(&cluster, id));
        if now == homes { Ok(()) } else { Err(format!("{now:?} instead of {homes:?}\n{}", cluster.logs_tail())) }
    })
    .await;
    for (id, (source, target)) in ["src-1", "src-2"].into_iter().zip(servers.iter().zip(&targets)) {
        cluster.dmctl_ok(&["resume-task", &format!("{TASK}{id}")]);
        until("the load is finished", Duration::from_secs(120), || async {
            let text = cluster.dmctl(&["query-status", &format!("{TASK}{id}")]);
            if text.contains("\"stage\": \"Finished\"") { Ok(()) } else { Err(text) }
        })
        .await;
        let (mut a, mut b) = (source.conn().await, target.conn().await);
        assert_eq!(compare::schema_differences(&mut a, "d", &mut b, "d").await, Vec::<String>::new());
    }
}
