//! What a worker's port serves: `/status` (the version block) and `/metrics`; anything else is 404.

use axum::{Router, routing::get};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    config::version,
    error::{Code, DmError, Result},
};

/// Listens on `address` (`host:port` or `:port`).
pub async fn listen(address: &str, code: Code) -> Result<TcpListener> {
    let shown = if address.starts_with(':') { format!("0.0.0.0{address}") } else { address.to_owned() };
    TcpListener::bind(&shown).await.map_err(|e| {
        DmError::new(code)
            .msg(format!("can't listen on {shown}"))
            .cause(e)
            .workaround("Please check that no other program uses this port and that the host is one of this machine.")
    })
}

/// Serves until `stop` is cancelled.
pub async fn serve_worker(
    listener: TcpListener,
    metrics: impl Fn() -> String + Clone + Send + Sync + 'static,
    stop: CancellationToken,
) -> Result<()> {
    let router =
        Router::new().route("/status", get(async || version::block())).route("/metrics", get(async move || metrics()));
    let served = axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await;
    served.map_err(|e| DmError::new(Code::WorkerStartService).cause(e))
}
