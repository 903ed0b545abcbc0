//! The role master: replicated log, actors, gateway.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use futures::FutureExt;
use tokio::{net::TcpListener, sync::watch};

use super::{EXIT_START, join, peer_listen, port, signals::Signals, start};
use crate::{
    actors::{
        gateway::Serve,
        group_scope,
        node::{self, MasterOptions, Node, NodeOptions},
        voter::GroupLinks,
    },
    commands::cluster::Cluster,
    config::{
        node::{MasterConfig, addresses},
        secret,
    },
    coordinator::{
        consensus::{Consensus, Plan, Voter},
        masters::Leader,
        state::MasterRecord,
    },
    error::{Code, DmError, Result},
    observe::events::NodeExited,
};

/// How long a start waits for a leader before it takes commands.
const SETTLE: Duration = Duration::from_secs(10);

/// Runs a dm-master until a signal; returns the exit code.
pub async fn run_master(config: MasterConfig) -> i32 {
    if let Err(code) = start::log(&config.log_level, &config.log_file, &config.log_format) {
        return code;
    }
    start::welcome("dm-master", "master", &config.to_toml());
    match serve(&config).await {
        Ok(()) => {
            NodeExited { program: "dm-master" }.emit();
            0
        }
        Err(e) => {
            tracing::error!(error = %e, "fail to start dm-master");
            EXIT_START
        }
    }
}

async fn serve(config: &MasterConfig) -> Result<()> {
    let mut signals = Signals::listen()?;
    start::check_tls(Code::MasterTLSConfigNotValid, &config.security).await?;
    let listen = peer_listen(&config.peer_urls)?;
    start::check_guard(listen, &config.cluster_secret, &config.security)?;
    let cookie = start::cookie(&config.cluster_secret, &config.security)?;
    let links = Arc::new(GroupLinks::new(group_scope(&cookie)));
    let log = open(config, &config.name, links.clone()).await?;
    let name = NodeOptions { name: config.name.clone(), listen, cookie, security: config.security.clone() };
    let ran = run(config, name, &log, &links, &mut signals).await;
    log.shutdown().await;
    ran
}

async fn run(
    config: &MasterConfig,
    name: NodeOptions,
    log: &Consensus,
    links: &GroupLinks,
    signals: &mut Signals,
) -> Result<()> {
    // The port is taken before anything runs, so that a second master on this machine fails at once.
    let listener = port::listen(&config.master_addr, Code::MasterStartService).await?;
    let (leading, leads) = watch::channel(false);
    let node = node::start_master(name, options(log, leads)).await?;
    links.attach(node.drops_sessions());
    let ran = tokio::select! {
        ran = async {
            log.form(plan(config).await?).await?;
            settled(log).await;
            run_until(&node, config, listener, log).await
        } => ran,
        () = log.attend(record(config), leading) => Err(log.stopped().await),
        () = signals.wait() => Ok(()),
        () = node.stopped() => Err(DmError::new(Code::MasterStartService).msg("the node stopped by itself")),
    };
    start::stop(&node).await;
    ran
}

/// Gives an election a moment before commands are taken; without a majority they are taken, and refused.
async fn settled(log: &Consensus) {
    let known = async {
        while log.leader() == Leader::Nobody {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    if tokio::time::timeout(SETTLE, known).await.is_err() {
        tracing::warn!("no majority of the masters is reached yet");
    }
}

/// Hosts the gateway and waits for the log to fail.
pub(super) async fn run_until(
    node: &Node,
    config: &MasterConfig,
    listener: TcpListener,
    log: &Consensus,
) -> Result<()> {
    let cluster = node.cluster().ok_or_else(|| DmError::new(Code::SchedulerNotStarted))?;
    node.host_gateway(gateway(config, cluster, listener)).await?;
    tracing::info!(address = config.master_addr, "dm-master serves");
    Err(log.stopped().await)
}

/// Checks what this version can't do, and opens the log.
pub(super) async fn open(config: &MasterConfig, name: &str, links: Arc<GroupLinks>) -> Result<Consensus> {
    secret::use_keys(config.secret_keys.0.clone());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    let me = Voter { name: name.to_owned(), peer_urls: record(config).peer_urls };
    Consensus::open(Path::new(&config.data_dir), me, links, config.heartbeat()).await
}

/// Where this master is found.
pub(super) fn record(config: &MasterConfig) -> MasterRecord {
    MasterRecord {
        name: config.name.clone(),
        peer_urls: config.advertise_peer_urls.split(',').map(str::to_owned).collect(),
        client_addr: config.advertise_addr.clone(),
    }
}

/// What a master with an empty disk does. 38037 when `initial-cluster` doesn't name it.
pub(super) async fn plan(config: &MasterConfig) -> Result<Plan> {
    if !config.join.is_empty() {
        let masters = addresses(&config.join);
        let known = join::masters(&masters, &config.security).await.map_err(|why| {
            DmError::new(Code::MasterJoinEmbedEtcdFail)
                .msg(format!("none of the masters {} tells who the members are: {why}", masters.join(",")))
                .workaround("Please check that they run and that `join` has their `advertise-addr`.")
        })?;
        return Ok(Plan::Join(known, record(config)));
    }
    let members = members(&config.initial_cluster);
    if !members.iter().any(|voter| voter.name == config.name) {
        return Err(DmError::new(Code::MasterGenEmbedEtcdConfigFail)
            .msg(format!("initial-cluster {:?} does not name this master {}", config.initial_cluster, config.name))
            .workaround("Please write `name=http://host:port` of every master into it, with each master's `name`."));
    }
    Ok(Plan::Found(members))
}

/// `name=url,name=url`; a name with several URLs comes several times.
fn members(initial_cluster: &str) -> Vec<Voter> {
    let mut members: Vec<Voter> = Vec::new();
    for (name, url) in initial_cluster.split(',').filter_map(|member| member.split_once('=')) {
        let (name, url) = (name.trim(), url.trim().to_owned());
        match members.iter_mut().find(|voter| voter.name == name) {
            Some(voter) => voter.peer_urls.push(url),
            None => members.push(Voter { name: name.to_owned(), peer_urls: vec![url] }),
        }
    }
    members
}

/// What the actors need of the log.
pub(super) fn options(log: &Consensus, leading: watch::Receiver<bool>) -> MasterOptions {
    let peers = {
        let log = log.clone();
        Arc::new(move || {
            let ports = log.dials().iter().filter_map(|url| super::peer_address(url)).collect::<Vec<_>>();
            async move { ports }.boxed()
        })
    };
    MasterOptions { ledger: Arc::new(log.clone()), leading, peers }
}

/// The serving task as the gateway actor starts it: first on the listener that is open already, later (after it
/// failed) on a new one.
fn gateway(config: &MasterConfig, cluster: Arc<dyn Cluster>, listener: TcpListener) -> Serve {
    let first = Arc::new(Mutex::new(Some(listener)));
    let config = Arc::new(config.clone());
    Arc::new(move |stop| {
        let (first, config, cluster) = (first.clone(), config.clone(), cluster.clone());
        async move {
            let open = first.lock().unwrap_or_else(PoisonError::into_inner).take();
            let listener = match open {
                Some(listener) => listener,
                None => port::listen(&config.master_addr, Code::MasterStartService).await?,
            };
            crate::gateway::serve_master(listener, cluster, config, stop).await
        }
        .boxed()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn initial_cluster_names_the_members() {
        let plan_of = |name: &str, initial_cluster: &str| {
            let (name, initial_cluster) = (name.into(), initial_cluster.into());
            MasterConfig { name, initial_cluster, ..MasterConfig::default() }
        };
        let voter = |name: &str, urls: &[&str]| Voter {
            name: name.into(),
            peer_urls: urls.iter().map(ToString::to_string).collect(),
        };
        let config = plan_of("m1", "m1=http://a:1,m2=http://b:1, m1=http://a:2");
        let expected = vec![voter("m1", &["http://a:1", "http://a:2"]), voter("m2", &["http://b:1"])];
        assert_eq!(plan(&config).await.unwrap(), Plan::Found(expected));
        let error = plan(&plan_of("m3", "m1=http://a:1,m2=http://b:1")).await.unwrap_err();
        assert_eq!(error.code(), Code::MasterGenEmbedEtcdConfigFail);
    }
}
