//! `make demo`: two sources, a target, a node; about a million rows are copied while writers keep writing, then the
//! writers stop and both sides are compared by checksum. `--keep` leaves everything running, `--rows N` changes the size.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

#[path = "../tests/support/mod.rs"]
mod support;
#[path = "live/view.rs"]
mod view;

use std::{
    io::IsTerminal,
    time::{Duration, Instant},
};

use support::{
    compare,
    nodes::Cluster,
    servers::{self, PASSWORD, Server, USER},
    writer::Writers,
};
use view::View;

const TASK: &str = "demo";
/// Copied tables of the two sources: (source id, schema, table, share of all rows in percent).
const TABLES: [(&str, &str, &str, u64); 4] = [
    ("shop-eu", "shop_eu", "orders", 40),
    ("shop-eu", "shop_eu", "events", 15),
    ("shop-us", "shop_us", "orders", 30),
    ("shop-us", "shop_us", "customers", 15),
];

struct Arguments {
    keep: bool,
    rows: u64,
}

fn arguments() -> Arguments {
    let mut all = std::env::args().skip(1);
    let mut parsed = Arguments { keep: false, rows: 1_000_000 };
    while let Some(argument) = all.next() {
        match argument.as_str() {
            "--keep" => parsed.keep = true,
            "--rows" => parsed.rows = all.next().and_then(|n| n.parse().ok()).unwrap_or_else(|| usage()),
            _ => usage(),
        }
    }
    parsed
}

fn usage() -> ! {
    eprintln!("usage: demo [--keep] [--rows N]");
    std::process::exit(2)
}

#[tokio::main]
async fn main() {
    let arguments = arguments();
    println!("Starting two MariaDB sources and a target on free ports ...");
    let sources = [("shop-eu", servers::mariadb()), ("shop-us", servers::mariadb())];
    let target = servers::mariadb();
    println!("Seeding {} rows ...", arguments.rows);
    tokio::join!(seed(&sources[0], arguments.rows), seed(&sources[1], arguments.rows));

    println!("Starting a node (master and workers in one process) and the task ...\n");
    let cluster = Cluster::standalone();
    for (id, server) in &sources {
        cluster.create_source(id, server, true);
    }
    let writers = [
        Writers::start(&sources[0].1, 2, Duration::from_millis(8), 1),
        Writers::start(&sources[1].1, 2, Duration::from_millis(8), 2),
    ];
    let task = cluster.file("task.yaml", &task_yaml(&target));
    println!("$ dmctl start-task task.yaml");
    cluster.dmctl_ok(&["start-task", &task]);

    let started = Instant::now();
    let mut view = View::new(&TABLES, arguments.rows, std::io::stdout().is_terminal());
    let loaded = watch(&cluster, &target, &mut view, started).await;

    println!("\nStopping the writers and comparing both sides ...");
    let mut written = 0;
    for w in writers {
        written += w.stop().await;
    }
    let stopped = Instant::now();
    let rows = compared(&cluster, &sources, &target).await;
    summary(&Summary { rows, written, loaded, caught_up: stopped.elapsed(), total: started.elapsed() });
    if arguments.keep {
        by_hand(&cluster, &sources, &target).await;
    } else {
        println!("Everything is stopped and removed now. `make demo ARGS=--keep` leaves it running for you.");
    }
}

/// Tables and rows of one source; the writers' own schema is part of it.
async fn seed((id, server): &(&str, Server), rows: u64) {
    server.exec(support::writer::TABLES).await;
    for (source, schema, table, percent) in TABLES {
        if source != *id {
            continue;
        }
        let n = rows * percent / 100;
        server
            .exec(&format!(
                "CREATE DATABASE IF NOT EXISTS {schema} CHARACTER SET utf8mb4; USE {schema}; \
                 CREATE TABLE {table} (id BIGINT PRIMARY KEY AUTO_INCREMENT, customer INT NOT NULL, name VARCHAR(60), \
                 amount DECIMAL(12,2), note TEXT, at DATETIME(3) NOT NULL, KEY (customer)); \
                 INSERT INTO {table} (customer, name, amount, note, at) SELECT seq % 10007, CONCAT('name ', seq), \
                 seq % 100000 / 100, REPEAT(MD5(seq), 1 + seq % 4), '2024-01-01' + INTERVAL seq SECOND FROM seq_1_to_{n}"
            ))
            .await;
    }
}

fn task_yaml(target: &Server) -> String {
    format!(
        "name: {TASK}\ntask-mode: all\ntarget-database:\n  host: 127.0.0.1\n  port: {}\n  user: {USER}\n  \
         password: \"{PASSWORD}\"\nroutes:\n  eu: {{schema-pattern: busy, target-schema: busy_eu}}\n  \
         us: {{schema-pattern: busy, target-schema: busy_us}}\nblock-allow-list:\n  all: \
         {{do-dbs: [shop_eu, shop_us, busy]}}\nloaders:\n  l: {{import-mode: stream}}\nsyncers:\n  s: \
         {{checkpoint-flush-interval: 5}}\nmysql-instances:\n\
         - {{source-id: shop-eu, route-rules: [eu], block-allow-list: all, loader-config-name: l, syncer-config-name: s}}\n\
         - {{source-id: shop-us, route-rules: [us], block-allow-list: all, loader-config-name: l, syncer-config-name: s}}\n",
        target.port
    )
}

/// Draws until all sources are in Sync and have replicated for a while; the time the full load took.
async fn watch(cluster: &Cluster, target: &Server, view: &mut View, started: Instant) -> Duration {
    let mut tick = tokio::time::interval(Duration::from_secs(1));
    let mut loaded = None;
    loop {
        tick.tick().await;
        let status = cluster.dmctl_json(&["query-status", TASK]);
        let mut counts = Vec::new();
        for (_, schema, table, _) in TABLES {
            counts.push(count(target, schema, table).await);
        }
        let all_sync = view.draw(&status, &counts, started.elapsed());
        if status.to_string().contains("\"Paused\"") {
            println!("{status:#}\n{}", cluster.logs_tail());
            panic!("the task paused; see the error above");
        }
        if all_sync && loaded.is_none() {
            loaded = Some(started.elapsed());
        }
        if let Some(done) = loaded
            && started.elapsed() > done + Duration::from_secs(15)
        {
            return done;
        }
    }
}

async fn count(server: &Server, schema: &str, table: &str) -> u64 {
    let exists = format!(
        "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = '{schema}' AND table_name = '{table}'"
    );
    if server.text(&exists).await != "1" {
        return 0;
    }
    server.text(&format!("SELECT COUNT(*) FROM {schema}.{table}")).await.parse().unwrap_or(0)
}

/// Waits until every table of every source equals the target's; prints each and returns the number of rows.
async fn compared(cluster: &Cluster, sources: &[(&str, Server); 2], target: &Server) -> u64 {
    let mut rows = 0;
    for (id, source) in sources {
        let suffix = id.trim_start_matches("shop-");
        for (from, to) in
            [(format!("shop_{suffix}"), format!("shop_{suffix}")), ("busy".into(), format!("busy_{suffix}"))]
        {
            support::wait::until("both sides are equal", Duration::from_secs(60), || async {
                let (mut a, mut b) = (source.conn().await, target.conn().await);
                let found = compare::schema_differences(&mut a, &from, &mut b, &to).await;
                if found.is_empty() { Ok(()) } else { Err(format!("{found:#?}\n{}", cluster.logs_tail())) }
            })
            .await;
            let mut conn = source.conn().await;
            for table in compare::tables(&mut conn, &from).await {
                let n = count(source, &from, &table).await;
                rows += n;
                println!("  equal  {id:8} {from}.{table:<10} = {to}.{table:<10} {n:>9} rows");
            }
        }
    }
    rows
}

struct Summary {
    rows: u64,
    written: u64,
    loaded: Duration,
    caught_up: Duration,
    total: Duration,
}

fn summary(s: &Summary) {
    println!("\n  {} rows on both sides, equal by checksum", s.rows);
    println!("  full copy of all rows          {:>8.1} s", s.loaded.as_secs_f64());
    println!("  transactions written meanwhile {:>8}", s.written);
    println!("  equal after the last write in  {:>8.1} s", s.caught_up.as_secs_f64());
    println!("  all together                   {:>8.1} s\n", s.total.as_secs_f64());
}

/// How to go on by hand; waits for Ctrl-C.
async fn by_hand(cluster: &Cluster, sources: &[(&str, Server); 2], target: &Server) {
    let bin = std::env::current_exe().unwrap().parent().unwrap().parent().unwrap().display().to_string();
    println!("Everything goes on running. In another terminal:");
    println!("  {bin}/dmctl --master-addr {} query-status {TASK}", cluster.master_addr);
    println!("  {bin}/dm-console --master-addr {}", cluster.master_addr);
    for (id, source) in sources {
        println!("  mariadb -h127.0.0.1 -P{} -u{USER} -p{PASSWORD}    # source {id}", source.port);
    }
    println!("  mariadb -h127.0.0.1 -P{} -u{USER} -p{PASSWORD}    # target", target.port);
    println!("Ctrl-C ends and removes it all.");
    tokio::signal::ctrl_c().await.unwrap();
}
