//! `make bench-sync`: the sync unit catching up with a recorded workload, beside the server's own replica.
//!
//! The workload is made here, equal in shape to sysbench's oltp_write_only (see `workload`); it is recorded in the source's
//! binlog once, and every turn catches up with it from the same place over the same rows. Turns alternate, so that what
//! else the machine does hits all of them. `ARGS`:
//!
//! * `--parts a,b`: `maria`, `replica`, `parallel`, `blackhole`, `decode`, `lag`, `fence` (the cost of the lane row),
//!   `growth` (more tables, larger rows, larger transactions: about two minutes) are the default; `mysql`, `tidb`, `strict` (a
//!   target that syncs every commit), `latency` (a distant target, by number of lanes), `protocol` (text or prepared); or `all`.
//! * `--rounds N` (3), `--changes N` (330000), `--decode-changes N` (1320000), `--hot` (sysbench's uneven choice of rows), `--lag-seconds N` (10)
//! * `--syncer 'key: value, ..'`: settings of the task's syncer, e.g. `'multiple-rows: true'`
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../../tests/support/mod.rs"]
mod support;

mod fence;
mod growth;
mod lag;
mod latency;
mod protocol;
mod replica;
mod report;
mod sender;
mod turn;
mod workload;

use report::Report;
use support::servers::{Release, Server};
use turn::{Bench, Goal, Into};
use workload::Workload;

/// What the command line says.
pub struct Args(Vec<String>);

impl Args {
    pub fn text(&self, name: &str, default: &str) -> String {
        let at = self.0.iter().position(|a| a == name);
        at.and_then(|i| self.0.get(i + 1)).map_or_else(|| default.to_owned(), Clone::clone)
    }

    pub fn number(&self, name: &str, default: u64) -> u64 {
        self.text(name, "").parse().unwrap_or(default)
    }

    pub fn flag(&self, name: &str) -> bool {
        self.0.iter().any(|a| a == name)
    }

    fn parts(&self) -> Vec<String> {
        let parts = self.text("--parts", "maria,replica,parallel,blackhole,decode,lag,fence,growth");
        let all = "maria,replica,parallel,blackhole,decode,lag,mysql,tidb,strict,fence,growth,latency,protocol";
        let parts = if parts == "all" { all.to_owned() } else { parts };
        parts.split(',').map(str::to_owned).collect()
    }
}

#[tokio::main]
async fn main() {
    let args = Args(std::env::args().collect());
    let parts = args.parts();
    let has = |part: &str| parts.iter().any(|p| p == part);
    let mut report = Report::new();
    if parts.iter().any(|p| !matches!(p.as_str(), "decode" | "lag" | "fence" | "growth" | "protocol")) {
        catch_up(&args, &parts, &mut report).await;
    }
    if has("decode") {
        decode(&args, &mut report).await;
    }
    if has("lag") {
        lag::measure(&args, &mut report).await;
    }
    if has("fence") {
        fence::measure(&args, &mut report).await;
    }
    if has("growth") {
        growth::measure(&args, &mut report).await;
    }
    if has("protocol") {
        protocol::measure(&args, &mut report).await;
    }
    report.print(&args);
}

/// All parts that catch up with the one recorded workload.
async fn catch_up(args: &Args, parts: &[String], report: &mut Report) {
    let has = |part: &str| parts.iter().any(|p| p == part);
    let source = Server::of(Release::Mariadb1011, &["--max-binlog-size=1073741824"]);
    let work = Workload::record(&source, args.number("--changes", 330_000), args.flag("--hot")).await;
    report.workload(&work);
    let maria = Server::of(Release::Mariadb1011, &["--skip-log-bin"]);
    work.prepare_target(&maria).await;
    // The packages of 10.11 that the tests use have no plugins.
    let options = ["--skip-log-bin", "--plugin-load-add=ha_blackhole"];
    let blackhole = has("blackhole").then(|| Server::of(Release::Mariadb118, &options));
    if let Some(blackhole) = &blackhole {
        work.prepare_target(blackhole).await;
    }
    let mut others = Vec::new();
    let strict = ["--skip-log-bin", "--innodb-flush-log-at-trx-commit=1"];
    for (part, release, options) in [
        ("mysql", Release::Mysql97, &["--skip-log-bin"][..]),
        ("tidb", Release::Tidb, &[][..]),
        ("strict", Release::Mariadb1011, &strict[..]),
    ] {
        if has(part) {
            let server = Server::of(release, options);
            work.prepare_target(&server).await;
            others.push((part, server));
        }
    }
    let mut bench = Bench::new(args, &source, &work);
    if has("latency") {
        latency::measure(args, &source, &maria, &work, report).await;
    }
    if parts.iter().all(|part| matches!(part.as_str(), "latency" | "decode" | "lag" | "fence" | "growth" | "protocol"))
    {
        return;
    }
    for round in 1..=args.number("--rounds", 3) {
        eprintln!("round {round}, load {}", report::load());
        if has("maria") {
            report.add("MariaDB", bench.turn(&maria, Into::Tables, Goal::All).await);
        }
        if has("replica") {
            report.add("own replica, serial", replica::turn(&source, &maria, &work, 0).await);
        }
        if has("parallel") {
            report.add("own replica, 4 threads optimistic", replica::turn(&source, &maria, &work, 4).await);
        }
        if let Some(blackhole) = &blackhole {
            report.add("BLACKHOLE", bench.turn(blackhole, Into::Blackhole, Goal::All).await);
        }
        for (part, server) in &others {
            report.add(part, bench.turn(server, Into::Tables, Goal::All).await);
        }
    }
}

/// What the filter costs that lets nothing through, on a binlog so long that the beginning and the end of a turn
/// (connections, structures, the markers' transaction) are a small part of it.
async fn decode(args: &Args, report: &mut Report) {
    let source = Server::of(Release::Mariadb1011, &["--max-binlog-size=1073741824"]);
    let work = Workload::record(&source, args.number("--decode-changes", 1_320_000), args.flag("--hot")).await;
    let target = Server::of(Release::Mariadb1011, &["--skip-log-bin"]);
    work.prepare_target(&target).await;
    let mut bench = Bench::new(args, &source, &work);
    for _ in 0..args.number("--rounds", 3) {
        report.add(report::SENDER, tokio::task::block_in_place(|| sender::turn(&source, &work)));
        report.add("decode only", bench.turn(&target, Into::Tables, Goal::Decode).await);
    }
}
