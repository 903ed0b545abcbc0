//! The role worker: joins a cluster, then does what the leader's scheduler says.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use super::{EXIT_SERVE, EXIT_START, join, port, signals::Signals, start};
use crate::{
    actors::node::{self, FindMasters, NodeOptions, WorkerOptions},
    config::{node::WorkerConfig, secret},
    error::{Code, DmError, Result},
    gateway::{self, WorkerView},
    observe::events::NodeExited,
    pb,
    transport::serve::Limits,
};

/// Runs a dm-worker until a signal; returns the exit code.
pub async fn run_worker(config: WorkerConfig) -> i32 {
    if let Err(code) = start::log(&config.log_level, &config.log_file, &config.log_format) {
        return code;
    }
    if config.name_is_default {
        tracing::info!(name = config.name, "the worker has no `name`: its advertise address is taken");
    }
    start::welcome("dm-worker", "worker", &config.to_toml());
    let code = run(&config).await;
    if code == 0 {
        NodeExited { program: "dm-worker" }.emit();
    }
    code
}

async fn run(config: &WorkerConfig) -> i32 {
    let failed = |e: DmError| {
        tracing::error!(error = %e, "fail to start dm-worker");
        EXIT_SERVE
    };
    let mut signals = match Signals::listen() {
        Ok(signals) => signals,
        Err(e) => return failed(e),
    };
    if let Err(e) = start::check_tls(Code::WorkerTLSConfigNotValid, &config.security).await {
        return failed(e);
    }
    let masters = config.masters();
    let joined = tokio::select! {
        joined = join::register(&masters, &config.name, &config.advertise_addr, &config.security) => joined,
        () = signals.wait() => return 0,
    };
    match joined {
        Ok(joined) => secret::use_key_bytes(&joined.secret_key),
        Err(e) => {
            tracing::error!(error = %e, "join the cluster meet error");
            return EXIT_START;
        }
    }
    match serve(config, join::find_masters(masters, config.security.clone()), &mut signals).await {
        Ok(()) => {
            tracing::info!("server closed");
            0
        }
        Err(e) => failed(e),
    }
}

async fn serve(config: &WorkerConfig, masters: FindMasters, signals: &mut Signals) -> Result<()> {
    let listener = port::listen(&config.worker_addr, Code::WorkerStartService).await?;
    let name = NodeOptions {
        name: config.name.clone(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 0)),
        cookie: start::cookie(&config.cluster_secret, &config.security)?,
        security: config.security.clone(),
    };
    let node = node::start_worker(name, options(config, masters)).await?;
    let stop = CancellationToken::new();
    let http = gateway::serve_worker(listener, view(config), config.security.clone(), limits(config), stop.clone());
    tracing::info!(address = config.worker_addr, "dm-worker serves");
    let ran = tokio::select! {
        () = signals.wait() => Ok(()),
        served = http => served,
        () = node.stopped() => Err(DmError::new(Code::WorkerStartService).msg("the node stopped by itself")),
    };
    start::stop(&node).await;
    stop.cancel();
    ran
}

/// What the worker's port shows.
pub(super) fn view(config: &WorkerConfig) -> Arc<dyn WorkerView> {
    Arc::new(View { config_toml: config.to_toml() })
}

struct View {
    config_toml: String,
}

#[async_trait]
impl WorkerView for View {
    /// Live states come over the cluster port only, where the leader asks for them.
    async fn query_status(&self, _task: &str) -> pb::QueryStatusResponse {
        let msg = "a worker answers its master only: please use `dmctl query-status`".to_owned();
        pb::QueryStatusResponse { result: false, msg, ..Default::default() }
    }

    fn config(&self) -> String {
        self.config_toml.clone()
    }
}

/// What its port takes.
pub(super) fn limits(config: &WorkerConfig) -> Limits {
    Limits::of(config.max_connections, config.max_request_rate)
}

/// Of the three times that a worker may be silent the shortest: DM's are upper bounds of ours.
fn lease(config: &WorkerConfig) -> Duration {
    let bound = |seconds: i64| u64::try_from(seconds).unwrap_or(u64::MAX).max(1);
    let bounds = [bound(config.keepalive_ttl), bound(config.relay_keepalive_ttl), config.lease_ttl];
    Duration::from_secs(bounds.into_iter().min().unwrap_or(config.lease_ttl))
}

/// What the actors need of a worker's settings.
pub(super) fn options(config: &WorkerConfig, masters: FindMasters) -> WorkerOptions {
    WorkerOptions {
        names: vec![config.name.clone()],
        advertise_addr: config.advertise_addr.clone(),
        masters,
        keepalive_ttl: lease(config),
        max_sources: u32::try_from(config.max_sources).unwrap_or(u32::MAX),
        config_toml: config.to_toml(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_originals_times_bound_the_lease() {
        let of = |keepalive_ttl, relay_keepalive_ttl, lease_ttl| {
            lease(&WorkerConfig { keepalive_ttl, relay_keepalive_ttl, lease_ttl, ..WorkerConfig::default() }).as_secs()
        };
        assert_eq!((of(60, 1800, 3), of(2, 1800, 3), of(60, 1, 3), of(60, 1800, 120)), (3, 2, 1, 60));
        assert_eq!((of(0, 1800, 3), of(-1, -1, 3)), (1, 3));
    }
}
