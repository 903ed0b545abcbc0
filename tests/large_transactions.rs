//! A transaction of any size runs in the memory of a small one, and ends exactly over a stop and a kill in its middle.
//!
//! `DM_LARGE_ROWS=10000000 DM_LARGE_MIB=1024` are sizes for a look by hand.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;

use crate::support::{
    nodes::Cluster,
    process::{forget_peak, peak_memory, resident_memory},
    servers::{self, PASSWORD, Server, USER},
    wait::until,
};

const TASK: &str = "large";
const LIMIT_MIB: f64 = 32.0;
const WAIT: Duration = Duration::from_secs(3600);

fn variable(name: &str, everyday: u64) -> u64 {
    std::env::var(name).ok().and_then(|value| value.parse().ok()).unwrap_or(everyday)
}

fn start(cluster: &Cluster, source: &Server, target: &Server, gtid: &str) {
    let task = cluster.file(
        "task.yaml",
        &format!(
            "name: {TASK}\ntask-mode: incremental\nignore-checking-items: [all]\n\
             target-database: {{host: 127.0.0.1, port: {}, user: {USER}, password: \"{PASSWORD}\"}}\n\
             mysql-instances:\n- {{source-id: src-1, block-allow-list: b, syncer-config-name: s, \
             meta: {{binlog-name: mysql-bin.000001, binlog-pos: 4, binlog-gtid: \"{gtid}\"}}}}\n\
             block-allow-list:\n  b: {{do-dbs: [big]}}\n\
             syncers:\n  s: {{memory-limit: {LIMIT_MIB}MiB, checkpoint-flush-interval: 1}}\n",
            target.port,
        ),
    );
    cluster.create_source("src-1", source, true);
    cluster.dmctl_ok(&["start-task", &task]);
}

async fn rows(server: &Server) -> u64 {
    server.text("SELECT COUNT(*) FROM big.narrow").await.parse().unwrap()
}

/// Waits until the target has more than so many rows, but not yet the whole transaction.
async fn in_the_middle(target: &Server, more: u64) {
    until("a part of the transaction", WAIT, || async {
        let found = rows(target).await;
        if found > more { Ok(()) } else { Err(format!("{found} rows")) }
    })
    .await;
}

const SUMS: &str = "SELECT CONCAT(COUNT(*), ' ', SUM(a), ' ', SUM(b), ' ', \
    (SELECT CONCAT_WS(' ', COUNT(*), SUM(CRC32(body))) FROM big.wide)) FROM big.narrow";

async fn equal(source: &Server, target: &Server, cluster: &Cluster) {
    let wanted = source.text(SUMS).await;
    until("equal rows", WAIT, || async {
        let found = target.text(SUMS).await;
        let (stage, _, reply) = cluster.subtask(TASK, "src-1");
        assert_ne!(stage, "Paused", "{reply:#}");
        if found == wanted { Ok(()) } else { Err(format!("{found} instead of {wanted}")) }
    })
    .await;
}

fn narrow(rows: u64) -> String {
    format!("INSERT INTO big.narrow SELECT seq, seq % 7 FROM big.seq_1_to_{rows}")
}

/// What is written, and what it is called.
fn steps(many: u64, mib: u64) -> [(String, String); 5] {
    let wide = |from: u64, rows: u64| {
        format!(
            "INSERT INTO big.wide SELECT seq + {from}, REPEAT(CHAR(seq % 250 + 1), 262144) FROM big.seq_1_to_{rows}"
        )
    };
    // Because of it MariaDB writes what is rolled back.
    let temporary = "DROP TEMPORARY TABLE IF EXISTS big.none";
    let (few, all, half) = (narrow(10), wide(1_000_000, mib * 4), wide(1_000_000, mib * 2));
    [
        ("1,000 rows".into(), narrow(1000)),
        (format!("{many} narrow rows"), narrow(many)),
        (format!("{mib} MiB of wide rows"), wide(0, mib * 4)),
        (format!("{mib} MiB rolled back"), format!("BEGIN; {all}; {temporary}; ROLLBACK; {few}")),
        (
            format!("{mib} MiB of which the half was rolled back"),
            format!(
                "BEGIN; {few}; SAVEPOINT a; {half}; {temporary}; ROLLBACK TO a; DELETE FROM big.wide WHERE id % 2; COMMIT"
            ),
        ),
    ]
}

#[tokio::test(flavor = "multi_thread")]
async fn large_transactions_take_the_memory_of_small_ones() {
    // Groups of MariaDB may be rolled back: large ones are counted, then read again.
    let (source, target) = (servers::mariadb(), servers::mariadb());
    let tables = "CREATE DATABASE big; CREATE TABLE big.narrow (a INT, b INT);
        CREATE TABLE big.wide (id INT PRIMARY KEY, body LONGBLOB)";
    source.exec(tables).await;
    target.exec(tables).await;
    let (many, mib) = (variable("DM_LARGE_ROWS", 40_000), variable("DM_LARGE_MIB", 24));
    let mut cluster = Cluster::with_workers(1, 60);
    let gtid = source.text("SELECT @@gtid_binlog_pos").await;
    start(&cluster, &source, &target, &gtid);
    let worker = cluster.node("worker1").pid();
    let mut peaks = Vec::new();
    for (title, sql) in steps(many, mib) {
        forget_peak(worker);
        let before = resident_memory(worker);
        source.exec(&sql).await;
        let begun = Instant::now();
        equal(&source, &target, &cluster).await;
        let peak = peak_memory(worker);
        eprintln!("{title}: {:.1} s, {before:.0} MiB before, at most {peak:.0} MiB", begun.elapsed().as_secs_f64());
        peaks.push(peak);
    }
    let (first, others) = peaks.split_first().unwrap();
    assert!(others.iter().all(|peak| *peak < first + LIMIT_MIB), "MiB at most: {peaks:?}");
    a_pause_in_the_middle(&source, &target, &cluster, many).await;
    a_kill_in_the_middle(&source, &target, &mut cluster, many).await;
}

/// One that can't wait for the end: the target stands still.
async fn a_pause_in_the_middle(source: &Server, target: &Server, cluster: &Cluster, many: u64) {
    let there = rows(target).await;
    source.exec(&narrow(many)).await;
    in_the_middle(target, there).await;
    let mut holder = target.conn().await;
    holder.query_drop("LOCK TABLES big.narrow WRITE").await.unwrap();
    cluster.dmctl_ok(&["pause-task", TASK]);
    until("the pause", Duration::from_secs(60), || async {
        let (stage, _, reply) = cluster.subtask(TASK, "src-1");
        if stage == "Paused" { Ok(()) } else { Err(format!("{reply:#}")) }
    })
    .await;
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    holder.disconnect().await.unwrap();
    let within = rows(target).await;
    eprintln!("paused behind {} of {many} rows", within - there);
    assert!(within > there && within < there + many, "{there} rows before, {within} after the pause");
    cluster.dmctl_ok(&["resume-task", TASK]);
    equal(source, target, cluster).await;
}

async fn a_kill_in_the_middle(source: &Server, target: &Server, cluster: &mut Cluster, many: u64) {
    let there = rows(target).await;
    source.exec(&narrow(many)).await;
    in_the_middle(target, there).await;
    cluster.node("worker1").kill();
    let within = rows(target).await;
    eprintln!("killed behind {} of {many} rows", within - there);
    assert!(within > there && within < there + many, "{there} rows before, {within} after the kill");
    cluster.node("worker1").up();
    equal(source, target, cluster).await;
}
