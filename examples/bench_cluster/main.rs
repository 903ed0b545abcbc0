//! `make bench-cluster`: how the masters bear many sources and tasks.
//!
//! Three masters are real processes. Workers are simulated: real nodes that speak the cluster's protocol over real
//! connections, with member, source and subtask actors, whose units do nothing but show a status. A MariaDB stands for
//! every source, so that `operate-source create` finds one; tasks are started with their checks left out. `ARGS`:
//!
//! * `--sizes 10,100,1000`: sources, and as many tasks; `--each 10`: sources of a task, and so tasks on each source
//! * `--masters 3`, `--processes 10` (each with one connection to every master)
//! * `--workers 100`: simulated workers in all; `--one-to-one`: one for each source, as DM has it
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod client;
mod crowd;
mod report;

use std::time::{Duration, Instant};

use client::Client;
use crowd::Crowd;
use report::{Row, percentile};
use support::{
    nodes::Cluster,
    servers::{Release, Server},
};

/// What the command line says.
pub struct Args(Vec<String>);

impl Args {
    pub fn text(&self, name: &str, default: &str) -> String {
        let at = self.0.iter().position(|a| a == name);
        at.and_then(|i| self.0.get(i + 1)).map_or_else(|| default.to_owned(), Clone::clone)
    }

    pub fn number(&self, name: &str, default: usize) -> usize {
        self.text(name, "").parse().unwrap_or(default)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|a| a == name)
    }
}

fn main() {
    let args = Args(std::env::args().collect());
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    match args.flag(crowd::ROLE) {
        true => runtime.block_on(crowd::work(&args)),
        false => runtime.block_on(measure(&args)),
    }
}

async fn measure(args: &Args) {
    let mut rows = Vec::new();
    for size in args.text("--sizes", "10,100,1000").split(',').map(|n| n.parse::<usize>().unwrap()) {
        rows.push(one_size(args, size).await);
    }
    report::print(args, &rows);
}

/// A fresh cluster with so many sources and tasks.
async fn one_size(args: &Args, size: usize) -> Row {
    let each = args.number("--each", 10).min(size);
    let source = Server::of(Release::Mariadb1011, &["--max-connections=2000"]);
    let mut cluster = Cluster::with_masters(args.number("--masters", 3), 0);
    let client = Client::of_leader(&cluster).await;
    let mut row = Row { sources: size, subtasks: size * each, ..Row::default() };
    eprintln!("{size} sources, {} subtasks: load {}", size * each, report::load());

    let begin = Instant::now();
    let mut crowd = Crowd::start(args, &cluster, size, &client.peers().await);
    client.until_online(crowd.workers).await;
    row.workers = crowd.workers;
    row.joined = begin.elapsed();

    let begin = Instant::now();
    client.create_sources(size, source.port).await;
    client.until_bound(size).await;
    row.created = begin.elapsed();

    let begin = Instant::now();
    row.start_task = client.start_tasks(size, each, source.port).await;
    row.started = begin.elapsed();
    client.until_running(size, size * each).await;
    row.running = begin.elapsed();

    row.one = client.ask_often(500, |i| format!("task-{:04}", i % size)).await;
    let begin = Instant::now();
    row.all = client.ask_often(20, |_| String::new()).await;
    row.reply_mib = client.reply_bytes().await as f64 / 1048576.0;
    eprintln!("asked for all in {:?}", begin.elapsed());

    let cpu = report::cpu(&cluster);
    tokio::time::sleep(Duration::from_secs(10)).await;
    row.idle_cpu = (report::cpu(&cluster) - cpu) / 10.0;

    row.paused_resumed = client.pause_and_resume(size).await;
    let lost = crowd.kill_one();
    let begin = Instant::now();
    client.until_moved(&lost, size).await;
    row.failover = begin.elapsed();
    client.until_running(size, size * each).await;
    row.failover_running = begin.elapsed();
    row.memory_mib = report::most_memory(&cluster);
    row.disk_mib = report::disk(&cluster);
    let (started, p99) = (row.started, percentile(&row.one, 99));
    eprintln!("{size} sources: started in {started:?}, one task: p99 {p99:?}, load {}", report::load());
    cluster.nodes.iter_mut().for_each(|node| node.kill());
    row
}
