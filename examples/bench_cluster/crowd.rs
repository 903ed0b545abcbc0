//! Simulated workers: processes of this program, each a real node with many members whose units do nothing.

use std::{sync::Arc, time::Duration};

use async_trait::async_trait;
use dm::{
    actors::{
        node::{self, NodeOptions, WorkerOptions, fixed_masters},
        subtask::Kit,
    },
    config::Security,
    error::DmError,
    pb,
    units::{Ended, Unit, UnitEnv},
};
use tokio_util::sync::CancellationToken;

use super::{
    Args,
    support::{leash::Leashed, nodes::Cluster},
};

/// The flag of a process that is workers.
pub const ROLE: &str = "--crowd";

pub struct Crowd {
    pub workers: usize,
    processes: Vec<(Leashed, Vec<String>)>,
}

impl Crowd {
    pub fn start(args: &Args, cluster: &Cluster, sources: usize, masters: &[String]) -> Crowd {
        let one_to_one = args.flag("--one-to-one");
        // So many that all workers of a process that is killed are replaced.
        let spare = if one_to_one { sources.div_ceil(args.number("--processes", 10).max(2) - 1) } else { 0 };
        let workers = if one_to_one { sources + spare } else { args.number("--workers", 100).min(sources.max(2)) };
        let processes = args.number("--processes", 10).min(workers);
        let me = std::env::current_exe().unwrap().display().to_string();
        let start = |number: usize| {
            let names: Vec<String> =
                (0..workers).filter(|w| w % processes == number).map(|w| format!("worker-{w:04}")).collect();
            let mut command = vec![me.clone(), ROLE.to_owned(), "--masters".to_owned(), masters.join(",")];
            command.extend(["--process".to_owned(), number.to_string(), "--names".to_owned(), names.join(",")]);
            command.extend(one_to_one.then(|| "--one-to-one".to_owned()));
            let log = cluster.folder.path().join(format!("crowd-{number}.log"));
            (Leashed::start(&command, cluster.folder.path(), &log), names)
        };
        Crowd { workers, processes: (0..processes).map(start).collect() }
    }

    /// Kills a process; returns the workers that were in it.
    pub fn kill_one(&mut self) -> Vec<String> {
        let (mut process, names) = self.processes.pop().unwrap();
        process.kill();
        names
    }
}

/// What such a process does.
pub async fn work(args: &Args) {
    let number: u16 = args.text("--process", "0").parse().unwrap();
    let options = NodeOptions {
        name: format!("crowd-{number}"),
        listen: ([127, 0, 0, 1], 0).into(),
        cookie: dm::node::cookie("", &Security::default()).unwrap(),
        security: Default::default(),
    };
    let worker = WorkerOptions {
        names: args.text("--names", "").split(',').map(str::to_owned).collect(),
        advertise_addr: format!("127.0.0.1:{}", 20_000 + number),
        masters: fixed_masters(args.text("--masters", "").split(',').map(str::to_owned).collect()),
        keepalive_ttl: Duration::from_secs(3),
        max_sources: u32::from(args.flag("--one-to-one")),
        config_toml: String::new(),
    };
    let kit = Kit {
        build: Arc::new(|env| Ok(vec![Arc::new(Idle { env: env.clone() }) as Arc<dyn Unit>])),
        resumable: |_| true,
    };
    node::start(options, None, Some(worker), kit).await.unwrap().stopped().await;
}

/// A sync unit without work.
struct Idle {
    env: UnitEnv,
}

#[async_trait]
impl Unit for Idle {
    fn kind(&self) -> pb::UnitType {
        pb::UnitType::Sync
    }

    async fn is_finished(&self) -> Result<bool, DmError> {
        Ok(false)
    }

    async fn run(&self, stop: CancellationToken) -> Result<Ended, DmError> {
        stop.cancelled().await;
        Ok(Ended::Stopped)
    }

    /// As long as one of real work.
    fn status(&self) -> pb::sub_task_status::Status {
        let place = format!("(mysql-bin.000123, {})", 1000 + self.env.fence.epoch);
        let gtid =
            "3ccc475b-2343-11e7-be21-6c0b84d59f30:1-14,406a3f61-690d-11e7-87c5-6c92bf46f384:1-94321383".to_owned();
        pb::sub_task_status::Status::Sync(pb::SyncStatus {
            total_events: 123_456_789,
            total_tps: 1234,
            recent_tps: 2345,
            master_binlog: place.clone(),
            master_binlog_gtid: gtid.clone(),
            syncer_binlog: place,
            syncer_binlog_gtid: gtid,
            synced: true,
            binlog_type: "remote".to_owned(),
            ..Default::default()
        })
    }
}
