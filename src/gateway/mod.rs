//! The port that users and tools talk to: gRPC `pb.Master` (or `pb.Worker`) and HTTP on one listener.
//!
//! HTTP/1 and HTTP/2 are told apart by their first bytes; bytes that are neither end their own connection only.
//! Unknown gRPC services are answered with UNIMPLEMENTED, so that a client that also asks for others still connects.
//! The original dmctl opens an etcd client on this port, for the one read that [`etcd`] answers.

mod etcd;
mod forward;
mod http;
#[cfg(test)]
mod limit_tests;
mod master;
mod openapi;
mod payload;
mod profiles;
mod rest;
#[cfg(test)]
mod tests;
mod worker;

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;
use tonic::service::Routes;

pub use worker::WorkerView;

use crate::{
    commands::cluster::Cluster,
    config::{MasterConfig, Security},
    error::{Code, DmError, Result},
    pb::{etcd::kv_server::KvServer, master_server::MasterServer, worker_server::WorkerServer},
    transport::{serve, tls},
};

/// The largest request that is read.
const REQUEST_LIMIT: usize = serve::BODY;

/// Serves a master's port until `stop` is cancelled.
pub async fn serve_master(
    listener: TcpListener,
    cluster: Arc<dyn Cluster>,
    config: Arc<MasterConfig>,
    stop: CancellationToken,
) -> Result<()> {
    let limits = serve::Limits::of(config.max_connections, config.max_request_rate);
    let security = config.security.clone();
    run(listener, master_router(cluster, config), security, limits, stop, Code::MasterStartService).await
}

/// Everything that a master's port answers.
pub fn master_router(cluster: Arc<dyn Cluster>, config: Arc<MasterConfig>) -> axum::Router {
    let security = config.security.clone();
    let service = master::Service { cluster: cluster.clone(), config };
    let mut rest = rest::routes(service.clone());
    if service.config.openapi {
        rest = rest.merge(openapi::routes(service.clone()));
    }
    let grpc =
        MasterServer::new(service).max_decoding_message_size(REQUEST_LIMIT).max_encoding_message_size(usize::MAX);
    let router = Routes::new(grpc).add_service(KvServer::new(etcd::RelayWorkers)).into_axum_router();
    let forward = forward::Forward { cluster: cluster.clone(), security, in_vain: Default::default() };
    let forward = axum::middleware::from_fn_with_state(forward, forward::to_leader);
    http::with_master_pages(router, cluster).merge(rest).fallback(http::unknown).layer(forward)
}

/// Serves a worker's port until `stop` is cancelled.
pub async fn serve_worker(
    listener: TcpListener,
    view: Arc<dyn WorkerView>,
    security: Security,
    limits: serve::Limits,
    stop: CancellationToken,
) -> Result<()> {
    let grpc = WorkerServer::new(worker::Service { view })
        .max_decoding_message_size(REQUEST_LIMIT)
        .max_encoding_message_size(usize::MAX);
    let router = http::with_pages(Routes::new(grpc).into_axum_router()).fallback(http::unknown);
    run(listener, router, security, limits, stop, Code::WorkerStartService).await
}

async fn run(
    listener: TcpListener,
    router: axum::Router,
    security: Security,
    limits: serve::Limits,
    stop: CancellationToken,
    code: Code,
) -> Result<()> {
    // What is wrong with the files now is told at the start, not to each client.
    tls::server_config(&security).await.map_err(|why| DmError::new(code).msg("TLS can't be served").cause(why))?;
    serve::run(listener, router, security, limits, stop).await.map_err(|e| DmError::new(code).cause(e))
}
