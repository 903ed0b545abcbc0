//! `make bench-full`: a full migration of sysbench tables, MariaDB to MariaDB (or `--target mysql|tidb`), by our two ways and by
//! mydumper + myloader, one after the other in one run, each into a fresh target; the copies are compared by checksum.
//!
//! `--rows N` (2,000,000), `--tables N` (4), `--rounds N`, `--only stream,files,dump,others`, `--small N`: N tables of ten rows
//! instead, `--binlog`: the target writes a binlog, which myloader switches off for its session and we don't. `--loader
//! 'key: value, ..'`: settings of our loader, e.g. `'indexes-after-rows: 0'`. `--distance MS`: our target is that far away, there
//! and back. `--json`.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod far;
mod others;
#[path = "../../tests/support/mod.rs"]
mod support;

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use support::{
    nodes::Cluster,
    process::{cpu_seconds, peak_memory},
    servers::{PASSWORD, Release, Server, USER},
};

const TASK: &str = "full";
const SCHEMA: &str = "sbtest";
const ROOM: [&str; 2] = ["--innodb-buffer-pool-size=1G", "--innodb-log-file-size=512M"];

/// What a run is asked for.
pub struct Arguments {
    rows: u64,
    tables: u64,
    /// Rows of each of `tables` small ones.
    small: bool,
    rounds: u64,
    only: Option<String>,
    target: Release,
    binlog: bool,
    /// Settings of the task's loader.
    loader: Option<String>,
    distance: Duration,
    json: bool,
}

/// One way of one round.
pub struct Measured {
    pub way: &'static str,
    pub seconds: f64,
    pub cpu: f64,
    pub peak_mib: f64,
    /// CPU seconds of the two servers.
    pub servers: (f64, f64),
}

fn arguments() -> Arguments {
    let given: Vec<String> = std::env::args().collect();
    let text = |name: &str| given.iter().position(|a| a == name).and_then(|at| given.get(at + 1)).cloned();
    let number = |name: &str, default: u64| text(name).and_then(|n| n.parse().ok()).unwrap_or(default);
    let flag = |name: &str| given.iter().any(|a| a == name);
    let small = number("--small", 0);
    Arguments {
        rows: if small > 0 { small * 10 } else { number("--rows", 2_000_000) },
        tables: if small > 0 { small } else { number("--tables", 4) },
        small: small > 0,
        rounds: number("--rounds", 1),
        only: text("--only"),
        target: match text("--target").as_deref() {
            Some("mysql") => Release::Mysql97,
            Some("tidb") => Release::Tidb,
            _ => Release::Mariadb1011,
        },
        binlog: flag("--binlog"),
        loader: text("--loader"),
        distance: Duration::from_millis(number("--distance", 0)),
        json: flag("--json"),
    }
}

#[tokio::main]
async fn main() {
    let arguments = arguments();
    let source = Server::of(Release::Mariadb1011, &ROOM);
    eprintln!("seeding {} rows in {} tables ...", arguments.rows, arguments.tables);
    seed(&source, &arguments).await;
    let sums = checksums(&source, &arguments).await;
    let wanted = |way: &str| arguments.only.as_ref().is_none_or(|only| only.split(',').any(|one| one == way));
    for round in 1..=arguments.rounds {
        eprintln!("round {round} of {}", arguments.rounds);
        for mode in ["stream", "files"].into_iter().filter(|mode| wanted(mode)) {
            let target = target(&arguments);
            let measured = ours(&source, &target, mode, &arguments).await;
            compare(&target, &arguments, &sums).await;
            print(&arguments, &measured);
        }
        if wanted("others") {
            let target = target(&arguments);
            if let Some(all) = others::measure(&source, &target).await {
                compare(&target, &arguments, &sums).await;
                all.iter().for_each(|one| print(&arguments, one));
            }
        }
        if wanted("dump") {
            print(&arguments, &dump(&source).await);
        }
    }
}

fn target(arguments: &Arguments) -> Server {
    if arguments.target == Release::Tidb {
        return Server::of(Release::Tidb, &[]);
    }
    let mut options = ROOM.to_vec();
    if arguments.target == Release::Mysql97 {
        options = vec!["--innodb-buffer-pool-size=1G", "--innodb-redo-log-capacity=1G"];
    }
    if !arguments.binlog {
        options.push("--skip-log-bin");
    }
    Server::of(arguments.target, &options)
}

fn print(arguments: &Arguments, m: &Measured) {
    let speed = arguments.rows as f64 / m.seconds;
    if arguments.json {
        println!(
            "{{\"way\": \"{}\", \"rows\": {}, \"tables\": {}, \"seconds\": {:.2}, \"rows_per_second\": {speed:.0}, \"cpu\": {:.2}, \
             \"peak_memory_mib\": {:.1}, \"source_cpu\": {:.2}, \"target_cpu\": {:.2}}}",
            m.way, arguments.rows, arguments.tables, m.seconds, m.cpu, m.peak_mib, m.servers.0, m.servers.1
        );
        return;
    }
    println!(
        "{:20} {:>7.2} s  {speed:>8.0} rows/s  CPU {:>6.2} s  peak {:>6.1} MiB  (source {:.1} s, target {:.1} s of CPU)",
        m.way, m.seconds, m.cpu, m.peak_mib, m.servers.0, m.servers.1
    );
}

/// Tables as sysbench makes them.
async fn seed(source: &Server, arguments: &Arguments) {
    source.exec(&format!("CREATE DATABASE {SCHEMA} CHARACTER SET utf8mb4")).await;
    let each = arguments.rows / arguments.tables.max(1);
    let group = "LPAD(FLOOR(RAND() * 100000000000), 11, '0')";
    let text = |groups: usize| format!("CONCAT_WS('-', {})", vec![group; groups].join(", "));
    let mut sql = String::new();
    for table in 1..=arguments.tables {
        sql.push_str(&format!(
            "CREATE TABLE {SCHEMA}.sbtest{table} (id INT NOT NULL AUTO_INCREMENT, k INT NOT NULL DEFAULT 0, \
             c CHAR(120) NOT NULL DEFAULT '', pad CHAR(60) NOT NULL DEFAULT '', PRIMARY KEY (id), KEY k_{table} (k)); \
             INSERT INTO {SCHEMA}.sbtest{table} SELECT seq, 1 + FLOOR(RAND() * {each}), {}, {} FROM {SCHEMA}.seq_1_to_{each}; ",
            text(10),
            text(5)
        ));
        if table % 100 == 0 || !arguments.small {
            source.exec(&std::mem::take(&mut sql)).await;
        }
    }
    if !sql.is_empty() {
        source.exec(&sql).await;
    }
    // As of a server that has had its tables for a while.
    if !arguments.small {
        let names: Vec<String> = (1..=arguments.tables).map(|n| format!("{SCHEMA}.sbtest{n}")).collect();
        source.exec(&format!("ANALYZE TABLE {}", names.join(", "))).await;
    }
}

/// The same on all servers: rows and a sum over their texts, of each table (of some, when there are thousands).
async fn checksums(server: &Server, arguments: &Arguments) -> Vec<String> {
    let mut conn = server.conn().await;
    let step = (arguments.tables / 200).max(1);
    let mut out = Vec::new();
    for table in (1..=arguments.tables).step_by(usize::try_from(step).unwrap()) {
        let sql = format!(
            "SELECT CONCAT(COUNT(*), ' ', IFNULL(SUM(CRC32(CONCAT(id, k, c, pad))), 0)) FROM {SCHEMA}.sbtest{table}"
        );
        out.push(conn.query_first::<String, _>(sql).await.unwrap().unwrap());
    }
    out
}

async fn compare(target: &Server, arguments: &Arguments, wanted: &[String]) {
    assert_eq!(checksums(target, arguments).await, wanted, "the copy is not what the source has");
}

/// A task of ours, from start-task until the target says that all rows are in.
async fn ours(source: &Server, target: &Server, mode: &str, arguments: &Arguments) -> Measured {
    let port =
        if arguments.distance.is_zero() { target.port } else { far::port(target.port, arguments.distance).await };
    let mut cluster = Cluster::with_workers(1, 60);
    cluster.create_source("src-1", source, true);
    let dir = cluster.folder.path().join("dump").display().to_string();
    let import = if mode == "files" { "logical" } else { mode };
    let settings = arguments.loader.as_ref().map_or(String::new(), |settings| format!(", {settings}"));
    let yaml = format!(
        "name: {TASK}\ntask-mode: full\ntarget-database: {{host: 127.0.0.1, port: {}, user: {USER}, password: \"{PASSWORD}\"}}\n\
         mysql-instances:\n- {{source-id: src-1, block-allow-list: b, loader-config-name: l}}\n\
         block-allow-list:\n  b: {{do-dbs: [{SCHEMA}]}}\nloaders:\n  l: {{dir: \"{dir}\", import-mode: {import}{settings}}}\n",
        port
    );
    let task = cluster.file("task.yaml", &yaml);
    let pid = cluster.node("worker1").pid();
    let before = (cpu_seconds(pid), cpu_seconds(source.pid()), cpu_seconds(target.pid()));
    let started = Instant::now();
    cluster.dmctl_ok(&["start-task", &task]);
    let mut conn = target.conn().await;
    let sql = format!("SELECT status FROM dm_meta.{TASK}_lightning_checkpoint_list");
    let mut look = Duration::from_secs(5);
    while conn.query_first::<String, _>(&sql).await.ok().flatten().as_deref() != Some("finished") {
        // Seldom: a dmctl costs CPU that the migration lacks.
        if started.elapsed() > look {
            look += Duration::from_secs(5);
            let (stage, _, reply) = cluster.subtask(TASK, "src-1");
            assert_ne!(stage, "Paused", "{reply:#}");
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
    Measured {
        way: if mode == "stream" { "ours, stream" } else { "ours, files" },
        seconds: started.elapsed().as_secs_f64(),
        cpu: cpu_seconds(pid) - before.0,
        peak_mib: peak_memory(pid),
        servers: (cpu_seconds(source.pid()) - before.1, cpu_seconds(target.pid()) - before.2),
    }
}

/// A dump that takes longer has failed.
const DUMP_LIMIT: Duration = Duration::from_secs(120);

/// Only the dump, task-mode dump.
async fn dump(source: &Server) -> Measured {
    let mut cluster = Cluster::with_workers(1, 60);
    cluster.create_source("src-1", source, true);
    let dir = cluster.folder.path().join("dumped");
    let yaml = format!(
        "name: {TASK}\ntask-mode: dump\ntarget-database: {{host: 127.0.0.1, port: {}, user: {USER}, password: \"{PASSWORD}\"}}\n\
         mysql-instances:\n- {{source-id: src-1, block-allow-list: b, loader-config-name: l}}\n\
         block-allow-list:\n  b: {{do-dbs: [{SCHEMA}]}}\nloaders:\n  l: {{dir: \"{}\"}}\n",
        source.port,
        dir.display()
    );
    let task = cluster.file("task.yaml", &yaml);
    let pid = cluster.node("worker1").pid();
    let before = (cpu_seconds(pid), cpu_seconds(source.pid()));
    let started = Instant::now();
    cluster.dmctl_ok(&["start-task", &task]);
    let ended = |folder: &std::path::Path| {
        std::fs::read_dir(folder).is_ok_and(|all| all.flatten().any(|entry| is_metadata(&entry.path())))
    };
    while !ended(&dir) && !ended(cluster.folder.path()) {
        assert!(started.elapsed() < DUMP_LIMIT, "no dump: {}", cluster.dmctl(&["query-status", TASK]));
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    Measured {
        way: "ours, dump only",
        seconds: started.elapsed().as_secs_f64(),
        cpu: cpu_seconds(pid) - before.0,
        peak_mib: peak_memory(pid),
        servers: (cpu_seconds(source.pid()) - before.1, 0.0),
    }
}

/// The dump unit writes below the folder, under the task's name, and the metadata last.
fn is_metadata(path: &std::path::Path) -> bool {
    path.file_name().is_some_and(|name| name == "metadata") || path.join("metadata").exists()
}
