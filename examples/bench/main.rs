//! `make bench`: rows per second, rows per CPU second and peak memory of a worker process on one million rows,
//! full (dump + load) and incremental, MariaDB to MariaDB. Prints a table; `--json` for scripts, `--rows N`, `--rounds N`.
//! `--stream` also measures the full part without files (`import-mode: stream`), each in a node of its own.
//! `make bench-tables` (`--tables N`): how long the structures of so many tables take to load, and their memory.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../../tests/support/mod.rs"]
mod support;
mod tables;

use std::time::{Duration, Instant};

use support::{
    nodes::Cluster,
    process::{cpu_seconds, peak_memory},
    servers::{self, PASSWORD, Server, USER},
    wait::until,
};

const TASK: &str = "bench";

struct Measured {
    what: &'static str,
    rows_per_second: f64,
    rows_per_cpu_second: f64,
    peak_memory_mib: f64,
    seconds: f64,
}

#[tokio::main]
async fn main() {
    let arguments: Vec<String> = std::env::args().collect();
    let number = |name: &str, default: u64| {
        let at = arguments.iter().position(|a| a == name);
        at.and_then(|i| arguments.get(i + 1)?.parse().ok()).unwrap_or(default)
    };
    let json = arguments.iter().any(|a| a == "--json");
    if arguments.iter().any(|a| a == "--tables") {
        return tables::measure(number("--tables", 20_000), json).await;
    }
    let (rows, rounds) = (number("--rows", 1_000_000), number("--rounds", 1));
    let modes: &[&str] = if arguments.iter().any(|a| a == "--stream") { &["logical", "stream"] } else { &["logical"] };
    for round in 1..=rounds {
        eprintln!("round {round} of {rounds}, {rows} rows");
        let mut measured = Vec::new();
        for mode in modes {
            measured.extend(measure(rows, mode).await);
        }
        for m in measured {
            if json {
                println!(
                    "{{\"what\": \"{}\", \"rows\": {rows}, \"seconds\": {:.2}, \"rows_per_second\": {:.0}, \
                     \"rows_per_cpu_second\": {:.0}, \"peak_memory_mib\": {:.1}}}",
                    m.what, m.seconds, m.rows_per_second, m.rows_per_cpu_second, m.peak_memory_mib
                );
            } else {
                println!(
                    "{:12} {:>8.1} s  {:>9.0} rows/s  {:>9.0} rows per CPU second  peak {:>7.1} MiB",
                    m.what, m.seconds, m.rows_per_second, m.rows_per_cpu_second, m.peak_memory_mib
                );
            }
        }
    }
}

/// The full part with an `import-mode`; with files the incremental part behind it.
async fn measure(rows: u64, mode: &str) -> Vec<Measured> {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    insert(
        &source,
        "CREATE DATABASE bench; USE bench; CREATE TABLE t (id BIGINT PRIMARY KEY AUTO_INCREMENT, k INT NOT NULL, \
        c CHAR(120) NOT NULL, pad CHAR(60) NOT NULL, KEY (k))",
        rows,
    )
    .await;
    let mut cluster = Cluster::with_workers(1, 60);
    cluster.create_source("src-1", &source, true);
    let dir = cluster.folder.path().join("dump").display().to_string();
    let task = cluster.file("task.yaml", &format!(
        "name: {TASK}\ntask-mode: all\ntarget-database: {{host: 127.0.0.1, port: {}, user: {USER}, password: \"{PASSWORD}\"}}\n\
         mysql-instances:\n- {{source-id: src-1, block-allow-list: b, loader-config-name: l}}\nblock-allow-list:\n  b: {{do-dbs: [bench]}}\n\
         loaders:\n  l: {{dir: \"{dir}\", import-mode: {mode}}}\n", target.port));
    let pid = cluster.node("worker1").pid();
    let (started, cpu) = (Instant::now(), cpu_seconds(pid));
    cluster.dmctl_ok(&["start-task", &task]);
    until("the full copy", Duration::from_secs(1200), || async {
        let (stage, unit, reply) = cluster.subtask(TASK, "src-1");
        assert_ne!(stage, "Paused", "{reply:#}");
        if unit == "Sync" { Ok(()) } else { Err(format!("{stage} {unit}")) }
    })
    .await;
    if mode == "stream" {
        return vec![result("full, stream", rows, started, cpu, pid)];
    }
    let full = result("full", rows, started, cpu, pid);

    cluster.dmctl_ok(&["pause-task", TASK]);
    insert(&source, "USE bench", rows).await;
    let (started, cpu) = (Instant::now(), cpu_seconds(pid));
    cluster.dmctl_ok(&["resume-task", TASK]);
    let wanted = (2 * rows).to_string();
    until("the incremental rows", Duration::from_secs(1200), || async {
        let n = target.text("SELECT COUNT(*) FROM bench.t").await;
        if n == wanted { Ok(()) } else { Err(n) }
    })
    .await;
    vec![full, result("incremental", rows, started, cpu, pid)]
}

/// Rows in transactions of 1000, as sysbench's tables look.
async fn insert(server: &Server, before: &str, rows: u64) {
    let mut sql = format!("{before}; ");
    let mut from = 1;
    while from <= rows {
        let to = (from + 999).min(rows);
        sql.push_str(&format!(
            "INSERT INTO bench.t (k, c, pad) SELECT seq % 5003, REPEAT(MD5(seq), 3), MD5(seq + 1) FROM seq_{from}_to_{to}; "
        ));
        from = to + 1;
    }
    server.exec(&sql).await;
}

fn result(what: &'static str, rows: u64, started: Instant, cpu_before: f64, pid: u32) -> Measured {
    let seconds = started.elapsed().as_secs_f64();
    let cpu = (cpu_seconds(pid) - cpu_before).max(0.01);
    Measured {
        what,
        seconds,
        rows_per_second: rows as f64 / seconds,
        rows_per_cpu_second: rows as f64 / cpu,
        peak_memory_mib: peak_memory(pid),
    }
}
