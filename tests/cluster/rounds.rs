//! Rounds of faults on a cluster of processes in a network of their own, with continuous writes. After each round both
//! sides hold the same rows, each source is bound once, and the target's binlog knows no older epoch after a newer one.

use std::{
    io::{Read, Write},
    time::{Duration, Instant},
};

use rand::{Rng, SeedableRng, rngs::StdRng, seq::SliceRandom};

use super::{
    leader,
    rig::{MASTERS, Rig, TASK, WORKERS},
    until_answered,
};
use crate::support::{lan::Lan, wait::until};

/// Faults are what is tried here, not how fast a machine without a free core answers: heartbeats may be late.
const PATIENT: &str = "400ms";

/// For how long something is broken at least.
const HELD: Duration = Duration::from_secs(6);

/// How long rows may be away at most while something is broken.
const LIMIT: Duration = Duration::from_secs(90);

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Fault {
    WorkerKilled,
    LeaderKilled,
    TwoMastersKilled,
    WorkerFrozen,
    LeaderFrozen,
    WorkerStopped,
    LeaderStopped,
    /// From masters and databases.
    WorkerCutOff,
    /// It still reaches the databases.
    WorkerCutFromMasters,
    WorkerCutFromDatabases,
    /// One way: its words do not arrive.
    MastersDeafToWorker,
    /// One way: it does not hear them.
    WorkerDeafToMasters,
    LeaderCutOff,
    FollowersDeafToLeader,
    LeaderDeafToFollowers,
    WorkersLinkIsBad,
    LeadersLinkIsBad,
    LeadersDiskIsFull,
    LeadersClockJumps,
    WorkersClockJumps,
}

use Fault::*;

const ALL: [Fault; 20] = [
    WorkerKilled,
    LeaderKilled,
    TwoMastersKilled,
    WorkerFrozen,
    LeaderFrozen,
    WorkerStopped,
    LeaderStopped,
    WorkerCutOff,
    WorkerCutFromMasters,
    WorkerCutFromDatabases,
    MastersDeafToWorker,
    WorkerDeafToMasters,
    LeaderCutOff,
    FollowersDeafToLeader,
    LeaderDeafToFollowers,
    WorkersLinkIsBad,
    LeadersLinkIsBad,
    LeadersDiskIsFull,
    LeadersClockJumps,
    WorkersClockJumps,
];

/// What every day sees: one of each family.
const EVERY_DAY: [Fault; 4] = [WorkerCutFromMasters, LeaderDeafToFollowers, WorkerKilled, LeaderFrozen];

impl Rig {
    fn disk(&self, master: &str) -> std::path::PathBuf {
        self.cluster.folder.path().join(format!("{master}.data"))
    }

    /// Gives a master a megabyte for the log.
    fn write_log(&self, master: &str) {
        let node = self.cluster.nodes.iter().find(|node| node.name == master).unwrap();
        let list = format!("[{{\"name\":\"{}\",\"host\":\"h\",\"port\":1}}]", "x".repeat(1_000_000));
        let body = format!("{{\"master_topology_list\":{list}}}");
        let Ok(mut stream) = std::net::TcpStream::connect(node.address()) else { return };
        stream.set_read_timeout(Some(Duration::from_secs(3))).unwrap();
        let head =
            "PUT /api/v1/cluster/info HTTP/1.1\r\nHost: h\r\nConnection: close\r\nContent-Type: application/json";
        // It may end while it reads or writes this: that is what is waited for.
        let _ = write!(stream, "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        // 400 with 38038 is how the full disk is told; the path itself must exist.
        assert!(!answer.starts_with("HTTP/1.1 404"), "{answer}");
    }

    /// How often a worker ended its sources because its lease was over.
    fn halts(&mut self, worker: &str) -> usize {
        self.cluster.node(worker).log().matches("its sources stop until one does").count()
    }

    /// Waits until a source's subtask tells an error of its connections.
    async fn complains(&self, id: &str) {
        until("the subtask tells its error", LIMIT, || async {
            let (stage, _, reply) = self.cluster.subtask(TASK, id);
            let told = stage != "Running" || reply.to_string().contains("\"ErrCode\"");
            if told { Ok(()) } else { Err(format!("{reply:#}\n{}", self.said())) }
        })
        .await;
    }

    /// Breaks something and looks whether rows and commands go on; mends it.
    async fn round(&mut self, fault: Fault, rng: &mut StdRng) -> String {
        let id = self.sources[rng.random_range(0..self.sources.len())].id.clone();
        let (worker, leads) = (self.owner(&id), leader(&self.cluster));
        let begun = Instant::now();
        self.break_something(fault, &worker, &leads, rng).await;
        match fault {
            WorkerKilled | WorkerFrozen | WorkerStopped | WorkerCutOff | WorkerCutFromMasters | MastersDeafToWorker
            | WorkerDeafToMasters => {
                until("the source has another worker", LIMIT, || async {
                    let owner = self.owner(&id);
                    if owner != worker { Ok(()) } else { Err(self.said()) }
                })
                .await;
            }
            LeaderKilled
            | TwoMastersKilled
            | LeaderFrozen
            | LeaderStopped
            | LeaderCutOff
            | FollowersDeafToLeader
            | LeaderDeafToFollowers
            | LeadersDiskIsFull => {
                until("another master leads", LIMIT, || async {
                    if fault == LeadersDiskIsFull {
                        self.write_log(&leads);
                    }
                    if leader(&self.cluster) != leads { Ok(()) } else { Err(self.said()) }
                })
                .await;
            }
            _ => {}
        }
        let felt = begun.elapsed();
        let commands = until_answered(&self.cluster);
        let rows = match fault {
            WorkerCutFromDatabases => {
                // Its subtask says so, and nobody else takes over: to the masters it is well.
                self.complains(&id).await;
                assert_eq!(self.owner(&id), worker);
                Duration::ZERO
            }
            _ => self.arrive(LIMIT).await,
        };
        // What is broken stays so for a while under the writers, and rows go on.
        while fault != WorkerCutFromDatabases && begun.elapsed() < HELD {
            self.arrive(LIMIT).await;
            tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>()).await.unwrap_err();
        }
        self.mend(fault, &worker, &leads);
        format!("{fault:?} ({worker}, {leads}): felt {felt:.1?}, commands {commands:.1?}, rows {rows:.1?}")
    }

    async fn break_something(&mut self, fault: Fault, worker: &str, leads: &str, rng: &mut StdRng) {
        let others: Vec<&str> = MASTERS.into_iter().filter(|name| *name != leads).collect();
        match fault {
            WorkerKilled => self.cluster.node(worker).kill(),
            LeaderKilled => self.cluster.node(leads).kill(),
            TwoMastersKilled => {
                // Nobody leads: workers stop within their lease.
                let before = self.halts(worker);
                self.cluster.node(leads).kill();
                self.cluster.node(others[0]).kill();
                until("the worker stops its sources", LIMIT, || {
                    let halts = self.halts(worker);
                    async move { if halts > before { Ok(()) } else { Err(format!("{halts} halts")) } }
                })
                .await;
                self.cluster.node(others[0]).up_later();
            }
            WorkerFrozen => self.cluster.node(worker).freeze(true),
            LeaderFrozen => self.cluster.node(leads).freeze(true),
            WorkerStopped => assert_eq!(self.cluster.node(worker).stop(), Some(0), "{}", self.said()),
            LeaderStopped => assert_eq!(self.cluster.node(leads).stop(), Some(0), "{}", self.said()),
            WorkerCutOff | WorkerCutFromMasters => {
                MASTERS.iter().for_each(|master| self.lan.cut(master, worker));
                if fault == WorkerCutOff {
                    self.lan.cut_databases(worker);
                }
            }
            WorkerCutFromDatabases => self.lan.cut_databases(worker),
            MastersDeafToWorker => MASTERS.iter().for_each(|master| self.lan.deafen(master, worker)),
            WorkerDeafToMasters => MASTERS.iter().for_each(|master| self.lan.deafen(worker, master)),
            LeaderCutOff => others.iter().chain(&WORKERS).for_each(|name| self.lan.cut(leads, name)),
            FollowersDeafToLeader => others.iter().for_each(|name| self.lan.deafen(name, leads)),
            LeaderDeafToFollowers => others.iter().for_each(|name| self.lan.deafen(leads, name)),
            WorkersLinkIsBad => self.lan.spoil(worker, rng.random_range(5..15), 2_000_000),
            LeadersLinkIsBad => self.lan.spoil(leads, rng.random_range(5..25), 1_000_000),
            LeadersDiskIsFull => self.lan.fill_disk(leads, &self.disk(leads), true),
            LeadersClockJumps => self.clocks[leads].shift(rng.random_range(-100_000..100_000)),
            WorkersClockJumps => self.clocks[worker].shift(rng.random_range(-100_000..100_000)),
        }
    }

    fn mend(&mut self, fault: Fault, worker: &str, leads: &str) {
        self.lan.heal();
        self.clocks.values().for_each(|clock| clock.shift(0));
        match fault {
            WorkerFrozen => self.cluster.node(worker).freeze(false),
            LeaderFrozen => self.cluster.node(leads).freeze(false),
            LeadersDiskIsFull => {
                self.lan.fill_disk(leads, &self.disk(leads), false);
                let code = self.cluster.node(leads).ended();
                eprintln!("  the master with the full disk ended with {code:?}");
            }
            _ => {}
        }
        for node in &mut self.cluster.nodes {
            if !node.is_up() {
                node.up_later();
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn processes_in_a_network_live_through_rounds_of_faults() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse().ok());
    let asked = number("DM_CLUSTER_ROUNDS");
    let lan = match Lan::new() {
        Ok(lan) => lan,
        Err(why) if asked.is_none() => {
            // Not by a macro: what those print of a test that passes is not shown.
            let _ = writeln!(std::io::stderr(), "NOT RUN HERE: rounds of faults in network namespaces: {why}");
            return;
        }
        Err(why) => panic!("rounds of faults can't run here: {why}"),
    };
    let rounds: usize = asked.unwrap_or(EVERY_DAY.len() as u64) as usize;
    let seed = number("DM_CLUSTER_SEED").unwrap_or(7);
    let only = std::env::var("DM_CLUSTER_FAULT").ok();
    let mut rng = StdRng::seed_from_u64(seed);
    let heartbeat = std::env::var("DM_HEARTBEAT").unwrap_or_else(|_| PATIENT.to_owned());
    let config = format!("heartbeat-interval = \"{heartbeat}\"\n");
    let mut rig = Rig::start(lan, if rounds > EVERY_DAY.len() { 3 } else { 2 }, &config).await;
    let mut plan = Vec::new();
    if rounds <= EVERY_DAY.len() {
        plan.extend_from_slice(&EVERY_DAY[..rounds]);
    }
    while plan.len() < rounds {
        // Each fault once before any comes again.
        let mut next = ALL.to_vec();
        next.shuffle(&mut rng);
        plan.extend(next);
    }
    if let Some(only) = only {
        plan.fill(*ALL.iter().find(|fault| format!("{fault:?}") == only).expect("DM_CLUSTER_FAULT names a fault"));
    }
    for (i, fault) in plan.into_iter().take(rounds).enumerate() {
        let writers = rig.write(seed * 100 + i as u64);
        eprintln!("round {i} begins: {fault:?}");
        let told = rig.round(fault, &mut rng).await;
        rig.is_whole().await;
        rig.syncs().await;
        let again = rig.arrive(LIMIT).await;
        for writer in writers {
            let written = writer.stop().await;
            assert!(written > 5, "a writer made only {written} transactions");
        }
        rig.is_equal().await;
        let transactions = rig.epochs_only_grow().await;
        eprintln!("round {i}: {told}; afterwards {again:.1?}; {transactions} commits of lanes (seed {seed})");
    }
}
