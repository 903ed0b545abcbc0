//! Rounds of faults under a random workload: processes killed and stopped, connections cut, reset, delayed, throttled and
//! left half open, on all three links of a worker. After each round a mark that is written to the source must arrive
//! within a deadline: a task that is stuck is the second-worst thing. After every few rounds all values are compared.
//!
//! `DM_FAULT_ROUNDS` and `DM_FAULT_SEED` as in the other fault tests; `DM_FAULT_PAIRS=mysql80-mariadb1011` names servers,
//! `DM_FAULT_ONLY=source-kill` kills nothing but the source, and `DM_REPLICATION_KEEP=1` leaves the servers of a failed run up.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mysql_async::prelude::Queryable;
use rand::{Rng, SeedableRng, rngs::StdRng};

use super::{any_moment, bound_worker};
use crate::{
    replication::{
        self,
        tables::{self, Can, Table},
        traffic::{self, Load, Traffic},
    },
    support::{
        leash::signal,
        nodes::Cluster,
        proxy::{Proxy, Weather},
        release::Release::{self, *},
        servers::{Kind, Server, free_port},
    },
};

const TASK: &str = "rounds";
/// A mark arrives, or at least the checkpoint moves, within this after a fault is over: 3 s of silence until a connection
/// counts as lost, resumes after up to 5 s, a source that is bound anew, all on a busy machine.
const PROGRESS: Duration = Duration::from_secs(90);
/// When a mark takes longer, the traffic pauses until the task has caught up: it must not fall behind without end on a
/// machine that is busy with other things.
const BEHIND: Duration = Duration::from_secs(20);
/// Where far more wants to run than there are cores, heartbeats of three seconds fail by themselves and nothing can be said
/// about progress: it may take so long.
const STARVED: Duration = Duration::from_secs(600);
/// Rounds between two comparisons.
const COMPARED: u32 = 10;
/// After this round the dump and the load are over, and DDL begins.
const BEGINNING: u32 = 2;

/// What is done to a process.
#[derive(Clone, Copy, Debug)]
enum Blow {
    Kill,
    /// Stopped for so many milliseconds.
    Freeze(u64),
}

#[derive(Clone, Copy, Debug)]
enum Victim {
    /// The worker that has the source.
    Owner,
    OtherWorker,
    Master,
    Source,
    Target,
}

/// Of a worker's three.
#[derive(Clone, Copy, Debug)]
enum Link {
    Source,
    Target,
    Master,
}

#[derive(Clone, Copy, Debug)]
enum Fault {
    Process(Victim, Blow),
    Cut {
        link: Link,
        reset: bool,
    },
    /// For so many milliseconds.
    Bad(Link, Weather, u64),
}

fn fault(rng: &mut StdRng, target: Kind) -> Fault {
    if std::env::var("DM_FAULT_ONLY").is_ok_and(|only| only == "source-kill") {
        return Fault::Process(Victim::Source, Blow::Kill);
    }
    let link = [Link::Source, Link::Target, Link::Target, Link::Master][rng.random_range(0..4)];
    let blow = if rng.random_ratio(1, 2) { Blow::Kill } else { Blow::Freeze(rng.random_range(300..6000)) };
    match rng.random_range(0..16) {
        0..3 => Fault::Process(Victim::Owner, blow),
        3 => Fault::Process(Victim::OtherWorker, blow),
        4 => Fault::Process(Victim::Master, blow),
        5 => Fault::Process(Victim::Source, blow),
        // TiDB's embedded storage promises nothing after kill -9.
        6 if target == Kind::Tidb => Fault::Process(Victim::Target, Blow::Freeze(2000)),
        6 | 7 => Fault::Process(Victim::Target, blow),
        8 | 9 => Fault::Cut { link, reset: rng.random_ratio(1, 2) },
        10 => Fault::Bad(link, Weather::Delayed(Duration::from_millis(rng.random_range(20..400))), 2500),
        11 => Fault::Bad(link, Weather::Throttled(rng.random_range(3_000..60_000)), 2500),
        12 | 13 => Fault::Bad(link, Weather::BlackHole, rng.random_range(200..5000)),
        14 => Fault::Bad(link, Weather::Deaf, rng.random_range(200..5000)),
        _ => Fault::Bad(link, Weather::Down, rng.random_range(200..4000)),
    }
}

struct Rig {
    source: Server,
    target: Server,
    cluster: Cluster,
    /// In the order of [`Link`].
    links: [Proxy; 3],
    can: Can,
    tables: Arc<Vec<Table>>,
    seed: u64,
    marks: u32,
}

fn task_yaml(target: u16, lanes: u32, batch: u32) -> String {
    format!(
        "name: {TASK}\ntask-mode: all\ntarget-database: {{host: 127.0.0.1, port: {target}, user: root, password: \
         \"123456\", read-timeout: 3s}}\nmysql-instances:\n- {{source-id: src-1, block-allow-list: r, syncer-config-name: \
         s}}\nblock-allow-list:\n  r: {{do-dbs: [r, 'other*']}}\nsyncers:\n  s: {{worker-count: {lanes}, batch: {batch}, \
         checkpoint-flush-interval: 1}}\n"
    )
}

impl Rig {
    async fn new(pair: (Release, Release), seed: u64) -> Rig {
        let (source, target) = (Server::of(pair.0, &[]), Server::of(pair.1, &[]));
        let can = Can { source: pair.0, target: pair.1 };
        // What an engine without transactions did before a crash is not in its server's own binlog either.
        let tables: Vec<Table> = tables::tables(can).into_iter().filter(|table| !table.alone).collect();
        traffic::create(&source, &tables).await;
        source.exec("CREATE TABLE r.marks (n INT PRIMARY KEY)").await;
        let (from, to) = (Proxy::start(free_port(), source.port), Proxy::start(free_port(), target.port));
        let mut master = None;
        let cluster = Cluster::with_link(2, 3, |port| master.insert(Proxy::start(free_port(), port)).port);
        let mut rng = StdRng::seed_from_u64(seed ^ 0xf417);
        let gtid = rng.random_ratio(2, 3);
        let yaml = format!(
            "source-id: src-1\nenable-gtid: {gtid}\nchecker: {{backoff-max: 5s}}\nfrom: {{host: 127.0.0.1, port: {}, user: \
             root, password: \"123456\", read-timeout: 3s}}\n",
            from.port
        );
        let path = cluster.file("src-1.yaml", &yaml);
        cluster.dmctl_ok(&["operate-source", "create", &path]);
        let (lanes, batch) = ([4, 16, 1][rng.random_range(0..3)], [50, 3][rng.random_range(0..2)]);
        let task = cluster.file("task.yaml", &task_yaml(to.port, lanes, batch));
        cluster.dmctl_ok(&["start-task", &task]);
        eprintln!("{pair:?} seed {seed}: gtid {gtid}, lanes {lanes}, batch {batch}");
        let links = [from, to, master.unwrap()];
        Rig { source, target, cluster, links, can, tables: Arc::new(tables), seed, marks: 0 }
    }

    /// Strikes, and tells how long the next mark took.
    async fn strike(&mut self, rng: &mut StdRng) -> Duration {
        let fault = fault(rng, self.target.kind);
        let begun = Instant::now();
        match fault {
            Fault::Process(victim, blow) => self.hit(victim, blow).await,
            Fault::Cut { link, reset } => self.links[link as usize].cut(reset),
            Fault::Bad(link, weather, length) => {
                self.links[link as usize].set(weather);
                wait(length).await;
                self.links[link as usize].set(Weather::Fair);
            }
        }
        let over = begun.elapsed().as_secs_f64();
        let after = Instant::now();
        self.progress(&format!("{fault:?}")).await;
        eprintln!("  {fault:?}: over after {over:.1} s, progress {:.1} s later", after.elapsed().as_secs_f64());
        after.elapsed()
    }

    async fn hit(&mut self, victim: Victim, blow: Blow) {
        let owner = bound_worker(&self.cluster);
        let node = match victim {
            Victim::Owner if !owner.is_empty() => owner,
            Victim::Owner | Victim::OtherWorker if owner == "worker1" => "worker2".to_owned(),
            Victim::Owner | Victim::OtherWorker => "worker1".to_owned(),
            Victim::Master => "master1".to_owned(),
            Victim::Source | Victim::Target => {
                let server = if matches!(victim, Victim::Source) { &mut self.source } else { &mut self.target };
                match blow {
                    Blow::Kill => server.crash(),
                    Blow::Freeze(length) => {
                        server.freeze(true);
                        wait(length).await;
                        server.freeze(false);
                    }
                }
                return;
            }
        };
        let node = self.cluster.node(&node);
        match blow {
            Blow::Kill => {
                node.kill();
                node.up();
            }
            Blow::Freeze(length) => {
                signal("-STOP", node.pid());
                wait(length).await;
                signal("-CONT", node.pid());
            }
        }
    }

    /// A mark that is written now arrives.
    async fn progress(&mut self, after: &str) {
        self.marks += 1;
        let mark = self.marks;
        let begun = Instant::now();
        let mut end = begun + PROGRESS;
        let checkpoint = format!(
            "SELECT CONCAT(binlog_name, ':', binlog_pos) FROM dm_meta.{TASK}_syncer_checkpoint WHERE is_global = 1"
        );
        let mut stands = None;
        let written = format!("REPLACE INTO r.marks VALUES ({mark})");
        let seen = format!("SELECT COUNT(*) FROM r.marks WHERE n = {mark}");
        let mut put = false;
        loop {
            if !put && let Ok(mut conn) = mysql_async::Conn::new(self.source.opts()).await {
                put = conn.query_drop(&written).await.is_ok();
            }
            if let Ok(mut conn) = mysql_async::Conn::new(self.target.opts()).await {
                if matches!(conn.query_first::<u64, _>(&seen).await, Ok(Some(1))) {
                    return;
                }
                let now: Option<String> = conn.query_first(&checkpoint).await.unwrap_or_default();
                if now.is_some() && now != stands {
                    (stands, end) = (now, Instant::now() + PROGRESS);
                }
            }
            if Instant::now() > end && is_starved() && begun.elapsed() < STARVED {
                end = Instant::now() + PROGRESS;
            }
            if Instant::now() > end {
                replication::keep(after, &self.source, &self.target).await;
                let status = String::from_utf8(self.cluster.dmctl_output(&["query-status", TASK]).stdout).unwrap();
                panic!(
                    "seed {}: no progress within {PROGRESS:?} after {after}:\n{status}\n{}",
                    self.seed,
                    self.cluster.logs_tail()
                );
            }
            wait(100).await;
        }
    }

    /// The first part has no DDL: a dump that meets it gives up after a few times, by design.
    fn traffic(&self, part: u32) -> Traffic {
        let (can, tables) = (self.can, self.tables.clone());
        let seed = self.seed * 1000 + u64::from(part);
        Traffic::start(&self.source, Load { can, seed, tables, writers: 4, length: None, ddl: part > 0 })
    }
}

/// More than eight processes want each core.
fn is_starved() -> bool {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    let load: f64 = load.split(' ').next().and_then(|load| load.parse().ok()).unwrap_or(0.0);
    load > 8.0 * std::thread::available_parallelism().map_or(1.0, |cores| cores.get() as f64)
}

async fn wait(milliseconds: u64) {
    let _ = tokio::time::timeout(Duration::from_millis(milliseconds), std::future::pending::<()>()).await;
}

fn pairs() -> Vec<(Release, Release)> {
    let known = [
        (Mariadb1011, Mysql97),
        (Mysql80, Mariadb1011),
        (Mysql97, Mysql97),
        (Mysql57, Mariadb1011),
        (Mariadb118, Mariadb1011),
        (Mysql56, Mysql97),
        (Mariadb105, Mysql97),
    ];
    let name = |pair: &(Release, Release)| format!("{:?}-{:?}", pair.0, pair.1).to_lowercase();
    match std::env::var("DM_FAULT_PAIRS") {
        Ok(wanted) => known.into_iter().filter(|pair| wanted.split(',').any(|w| w == name(pair))).collect(),
        Err(_) if std::env::var_os("DM_FAULT_ROUNDS").is_some() => known.to_vec(),
        Err(_) => known[..1].to_vec(),
    }
}

async fn run(pair: (Release, Release), seed: u64, rounds: u32) {
    let mut rig = Rig::new(pair, seed).await;
    let mut rng = StdRng::seed_from_u64(seed);
    let mut traffic = Some(rig.traffic(0));
    for round in 0..rounds {
        // The first rounds fall into dump and load.
        any_moment(&mut rng, if round < BEGINNING { 300 } else { 2000 }).await;
        eprintln!("round {round} of {rounds}, seed {seed}");
        let took = rig.strike(&mut rng).await;
        if took > BEHIND && round > BEGINNING {
            traffic.take().unwrap().stop().await;
            rig.progress("a pause of the traffic").await;
            traffic = Some(rig.traffic(round + 5000));
        }
        if round == BEGINNING || (round + 1) % COMPARED == 0 || round + 1 == rounds {
            let told = traffic.take().unwrap().stop().await;
            let equal = replication::until_equal(&rig.source, &rig.target, TASK, || false).await;
            if let Err(why) = equal {
                replication::keep(&why, &rig.source, &rig.target).await;
                panic!("{pair:?} seed {seed}, after round {round}: {why}\n{}", rig.cluster.logs_tail());
            }
            eprintln!("  equal after round {round}: {} statements, refused {:?}", told.taken, told.refused);
            traffic = Some(rig.traffic(round + 1));
        }
    }
    traffic.take().unwrap().stop().await;
    for node in &rig.cluster.nodes {
        assert!(!node.log().contains("panicked"), "{}", node.log());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_of_processes_and_links_end_in_progress_and_equal_data() {
    let seed: u64 = std::env::var("DM_FAULT_SEED").ok().and_then(|t| t.parse().ok()).unwrap_or(5);
    let pairs = pairs();
    let all = std::env::var("DM_FAULT_ROUNDS").ok().and_then(|t| t.parse().ok()).unwrap_or(6u32);
    let each = all.div_ceil(pairs.len() as u32);
    for (number, pair) in pairs.into_iter().enumerate() {
        run(pair, seed + number as u64, each).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn faults_into_tidb() {
    let seed: u64 = std::env::var("DM_FAULT_SEED").ok().and_then(|t| t.parse().ok()).unwrap_or(7);
    let rounds = std::env::var("DM_FAULT_ROUNDS").ok().and_then(|t| t.parse().ok());
    let (sources, each) = match rounds {
        Some(all) => (vec![Mysql80, Mariadb1011, Mysql97, Mariadb118, Mysql57], u32::div_ceil(all, 5)),
        None => (vec![Mysql80], 6),
    };
    let only = std::env::var("DM_FAULT_PAIRS").unwrap_or_default();
    let wanted =
        |source: &Release| only.is_empty() || only.split(',').any(|w| w == format!("{source:?}-tidb").to_lowercase());
    for (number, source) in sources.into_iter().filter(wanted).enumerate() {
        run((source, Tidb), seed + number as u64, each).await;
    }
}
