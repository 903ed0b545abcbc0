//! Master and worker in one process, over the same actors: for laptops and small jobs.

use std::{
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
    sync::Arc,
};

use tokio_util::sync::CancellationToken;

use super::{EXIT_START, master, port, signals::Signals, start, worker};
use crate::{
    actors::{
        group_scope,
        node::{self, NodeOptions, fixed_masters},
        voter::GroupLinks,
    },
    config::node::{MasterConfig, StandaloneConfig, WorkerConfig},
    error::{Code, DmError, Result},
    gateway,
    observe::events::NodeExited,
};

/// Runs a whole cluster in this process until a signal; returns the exit code.
pub async fn run_standalone(config: StandaloneConfig) -> i32 {
    if let Err(code) = start::log(&config.log_level, &config.log_file, &config.log_format) {
        return code;
    }
    let ran = match halves(&config) {
        Ok((master, worker)) => serve(&master, &worker, config.workers).await,
        Err(e) => Err(e),
    };
    match ran {
        Ok(()) => {
            for program in ["dm-worker", "dm-master"] {
                NodeExited { program }.emit();
            }
            0
        }
        Err(e) => {
            tracing::error!(error = %e, "fail to start dm-node standalone");
            EXIT_START
        }
    }
}

/// Nobody dials a standalone node, so its secret guards nothing.
const ALONE: &str = "standalone";

/// The node's name; its workers are `<name>-1` and so on.
const NAME: &str = "standalone";

/// Both halves' settings; the process then works in `<data-dir>/worker`, so that a task's relative `dir` is below it.
fn halves(config: &StandaloneConfig) -> Result<(MasterConfig, WorkerConfig)> {
    let data = absolute(&config.data_dir)?;
    let (mut master, mut worker) = (config.master()?, config.worker()?);
    let home = data.join("worker");
    master.data_dir = data.join("master").to_string_lossy().into_owned();
    worker.relay_dir = home.join("relay").to_string_lossy().into_owned();
    master.initial_cluster = master.initial_cluster.replacen(&master.name, NAME, 1);
    master.name = NAME.into();
    worker.name = NAME.into();
    start::welcome("dm-master", "master", &master.to_toml());
    start::welcome("dm-worker", "worker", &worker.to_toml());
    let made = std::fs::create_dir_all(&home).and_then(|()| std::env::set_current_dir(&home));
    made.map_err(|e| {
        DmError::new(Code::MasterStartService)
            .msg(format!("data-dir {} can't be used", data.display()))
            .cause(e)
            .workaround("Please give a `--data-dir` that this user may write to.")
    })?;
    Ok((master, worker))
}

fn absolute(path: &str) -> Result<PathBuf> {
    std::path::absolute(Path::new(path))
        .map_err(|e| DmError::new(Code::MasterStartService).msg(format!("data-dir {path:?} is no path")).cause(e))
}

async fn serve(master: &MasterConfig, worker: &WorkerConfig, workers: u64) -> Result<()> {
    let mut signals = Signals::listen()?;
    let log = tokio::select! {
        log = master::open(master, NAME, Arc::new(GroupLinks::new(group_scope(ALONE)))) => log?,
        () = signals.wait() => return Ok(()),
    };
    let ran = run(master, worker, workers, &log, &mut signals).await;
    log.shutdown().await;
    ran
}

async fn run(
    master: &MasterConfig,
    worker: &WorkerConfig,
    workers: u64,
    log: &crate::coordinator::consensus::Consensus,
    signals: &mut Signals,
) -> Result<()> {
    let listener = port::listen(&master.master_addr, Code::MasterStartService).await?;
    let worker_listener = port::listen(&worker.worker_addr, Code::WorkerStartService).await?;
    let name = NodeOptions {
        name: worker.name.clone(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        cookie: ALONE.to_owned(),
        security: Default::default(),
    };
    let mut worker_options = worker::options(worker, fixed_masters(Vec::new()));
    worker_options.names = (1..=workers).map(|i| format!("{NAME}-{i}")).collect();
    let (leading, leads) = tokio::sync::watch::channel(false);
    log.form(master::plan(master).await?).await?;
    let node = node::start_standalone(name, master::options(log, leads), worker_options).await?;
    let stop = CancellationToken::new();
    let (view, limits) = (worker::view(worker), worker::limits(worker));
    let http = gateway::serve_worker(worker_listener, view, worker.security.clone(), limits, stop.clone());
    let ran = tokio::select! {
        ran = master::run_until(&node, master, listener, log) => ran,
        () = log.attend(master::record(master), leading) => Err(log.stopped().await),
        () = signals.wait() => Ok(()),
        () = node.stopped() => Err(DmError::new(Code::MasterStartService).msg("the node stopped by itself")),
        served = http => served,
    };
    start::stop(&node).await;
    stop.cancel();
    ran
}
