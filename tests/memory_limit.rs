//! `memory-limit` holds: a worker process in front of a target that does not answer.

use std::time::Duration;

use crate::support::{
    nodes::Cluster,
    process::{forget_peak, peak_memory, resident_memory},
    servers::{self, PASSWORD, USER},
    wait::until,
};

const TASK: &str = "held";
const LIMIT_MIB: f64 = 64.0;

#[tokio::test(flavor = "multi_thread")]
async fn a_target_that_stands_still_stops_the_reading() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    for server in [&source, &target] {
        server.exec("CREATE DATABASE big; CREATE TABLE big.t (id INT PRIMARY KEY, body LONGBLOB)").await;
    }
    let mut cluster = Cluster::with_workers(1, 60);
    cluster.create_source("src-1", &source, true);
    let task = cluster.file(
        "task.yaml",
        &format!(
            "name: {TASK}\ntask-mode: incremental\nignore-checking-items: [all]\n\
             target-database: {{host: 127.0.0.1, port: {}, user: {USER}, password: \"{PASSWORD}\"}}\n\
             mysql-instances:\n- {{source-id: src-1, block-allow-list: b, syncer-config-name: s, \
             meta: {{binlog-name: mysql-bin.000001, binlog-pos: 4, binlog-gtid: \"{}\"}}}}\n\
             block-allow-list:\n  b: {{do-dbs: [big]}}\nsyncers:\n  s: {{memory-limit: {LIMIT_MIB}MiB}}\n",
            target.port,
            source.text("SELECT @@gtid_binlog_pos").await
        ),
    );
    cluster.dmctl_ok(&["start-task", &task]);
    source.exec("INSERT INTO big.t VALUES (0, 'first')").await;
    let there = |wanted: &'static str| {
        let target = &target;
        move || async move {
            let rows = target.text("SELECT COUNT(*) FROM big.t").await;
            if rows == wanted { Ok(()) } else { Err(rows) }
        }
    };
    until("the first row", Duration::from_secs(60), there("1")).await;
    let worker = cluster.node("worker1").pid();
    let before = resident_memory(worker);
    forget_peak(worker);
    target.freeze(true);
    for part in 0..4 {
        let (from, to) = (part * 60 + 1, part * 60 + 60);
        let body = "REPEAT(CHAR(seq % 250 + 1), 524288)";
        source.exec(&format!("USE big; INSERT INTO t SELECT seq, {body} FROM seq_{from}_to_{to}")).await;
    }
    let looks = std::sync::Mutex::new(Vec::new());
    until("the worker's memory to stay as it is", Duration::from_secs(60), || async {
        let mut looks = looks.lock().unwrap();
        looks.push(resident_memory(worker));
        let last = looks.iter().rev().take(20);
        let (low, high) = last.clone().fold((f64::MAX, 0f64), |(low, high), look| (low.min(*look), high.max(*look)));
        if last.count() == 20 && high - low < 0.5 { Ok(()) } else { Err(format!("{low:.1} to {high:.1} MiB")) }
    })
    .await;
    target.freeze(false);
    until("all rows", Duration::from_secs(120), there("241")).await;
    let peak = peak_memory(worker);
    eprintln!("memory: {before:.0} MiB before, at most {peak:.0} MiB");
    assert!(
        peak < before + LIMIT_MIB,
        "{before:.0} MiB before, {peak:.0} MiB with 120 MiB of rows that could not go on"
    );

    // A row that could not pass even alone.
    source.exec("INSERT INTO big.t VALUES (1000, REPEAT('x', 8388608))").await;
    until("the refusal", Duration::from_secs(60), || async {
        let (stage, _, reply) = cluster.subtask(TASK, "src-1");
        let text = reply.to_string();
        if stage == "Paused" && text.contains("memory-limit") { Ok(()) } else { Err(format!("{reply:#}")) }
    })
    .await;
    assert_eq!(target.text("SELECT COUNT(*) FROM big.t").await, "241");
}
