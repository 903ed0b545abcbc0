//! The role master: replicated log, actors, gateway.

use std::{
    path::Path,
    sync::{Arc, Mutex, PoisonError},
};

use futures::FutureExt;
use tokio::net::TcpListener;

use super::{EXIT_START, peer_listen, port, signals::Signals, start};
use crate::{
    actors::{
        gateway::Serve,
        node::{self, MasterOptions, Node, NodeOptions},
    },
    commands::cluster::Cluster,
    config::{node::MasterConfig, secret},
    coordinator::consensus::Consensus,
    error::{Code, DmError, Result},
    observe::events::NodeExited,
    transport::tls,
};

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
    start::refuse_tls(Code::MasterTLSConfigNotValid, &config.security)?;
    let mut signals = Signals::listen()?;
    let log = tokio::select! {
        log = open(config) => log?,
        () = signals.wait() => return Ok(()),
    };
    let run = async {
        let options = options(config, &log)?;
        let name =
            NodeOptions { name: config.name.clone(), listen: peer_listen(&config.peer_urls)?, cookie: start::cookie() };
        // The port is taken before anything runs, so that a second master on this machine fails at once.
        let listener = port::listen(&config.master_addr, Code::MasterStartService).await?;
        let node = node::start_master(name, options).await?;
        let ran = run_until(&node, config, listener, &log, &mut signals).await;
        start::stop(&node).await;
        ran
    };
    let ran = run.await;
    log.shutdown().await;
    ran
}

/// Hosts the gateway and waits for a signal (fine), or for the log or the node to fail.
pub(super) async fn run_until(
    node: &Node,
    config: &MasterConfig,
    listener: TcpListener,
    log: &Consensus,
    signals: &mut Signals,
) -> Result<()> {
    let cluster = node.cluster().ok_or_else(|| DmError::new(Code::SchedulerNotStarted))?;
    node.host_gateway(gateway(config, cluster, listener)).await?;
    tracing::info!(address = config.master_addr, "dm-master serves");
    tokio::select! {
        () = signals.wait() => Ok(()),
        failed = log.stopped() => Err(failed),
        () = node.stopped() => Err(DmError::new(Code::MasterStartService).msg("the node stopped by itself")),
    }
}

/// Checks what this version can't do, and opens the log.
pub(super) async fn open(config: &MasterConfig) -> Result<Consensus> {
    one_member(config)?;
    secret::use_keys(config.secret_keys.0.clone());
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    Consensus::open(Path::new(&config.data_dir), &config.name).await
}

/// A cluster has one master for now; whoever asks for more is told, not given less.
fn one_member(config: &MasterConfig) -> Result<()> {
    let said = "Please start one dm-master: leave `join` empty and name only it in `initial-cluster`.";
    if !config.join.is_empty() {
        return Err(DmError::new(Code::MasterJoinEmbedEtcdFail)
            .msg("joining further masters to a cluster is not built yet")
            .workaround(said));
    }
    let members = config.initial_cluster.split(',').filter_map(|member| member.split_once('='));
    let mut others: Vec<&str> = members.map(|(name, _)| name.trim()).filter(|name| *name != config.name).collect();
    others.dedup();
    if !others.is_empty() {
        return Err(DmError::new(Code::MasterGenEmbedEtcdConfigFail)
            .msg(format!(
                "initial-cluster names {} besides {}: several masters in a cluster are not built yet",
                others.join(", "),
                config.name
            ))
            .workaround(said));
    }
    Ok(())
}

/// What the actors need of a master's settings.
pub(super) fn options(config: &MasterConfig, log: &Consensus) -> Result<MasterOptions> {
    let scheme = if tls::wanted(&config.security) { "https" } else { "http" };
    Ok(MasterOptions {
        ledger: Arc::new(log.clone()),
        advertise_addr: config.advertise_addr.clone(),
        member_id: log.id(),
        peer_urls: config.advertise_peer_urls.split(',').map(str::to_owned).collect(),
        client_urls: vec![format!("{scheme}://{}", config.advertise_addr)],
    })
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

    fn refused(name: &str, initial_cluster: &str, join: &str) -> Option<Code> {
        let config = MasterConfig {
            name: name.into(),
            initial_cluster: initial_cluster.into(),
            join: join.into(),
            ..MasterConfig::default()
        };
        one_member(&config).err().map(|e| e.code())
    }

    #[test]
    fn several_masters_are_refused_in_words() {
        assert_eq!(refused("m1", "", ""), None);
        assert_eq!(refused("m1", "m1=http://a:1", ""), None);
        assert_eq!(refused("m1", "m1=http://a:1,m1=http://a:2", ""), None);
        assert_eq!(refused("m1", "m1=http://a:1,m2=http://b:1", ""), Some(Code::MasterGenEmbedEtcdConfigFail));
        assert_eq!(refused("m1", "m2=http://b:1", ""), Some(Code::MasterGenEmbedEtcdConfigFail));
        assert_eq!(refused("m2", "", "127.0.0.1:8261"), Some(Code::MasterJoinEmbedEtcdFail));
    }
}
