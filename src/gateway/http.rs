//! Plain pages: version, metrics, health, live actors.

use std::{sync::Arc, time::Duration};

use axum::{
    Json, Router,
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

use super::profiles;
use crate::{
    commands::cluster::Cluster,
    config::version,
    coordinator::masters::Leader,
    observe,
    pb::{self, members::Member},
};

/// Text as Prometheus wants it.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// How long the leader may take to say that it is ready.
const READY_LIMIT: Duration = Duration::from_secs(3);

/// What masters and workers have: `/status`, `/metrics`, `/healthz` (the process answers), `/readyz` (it serves),
/// `/log-level` (shown, and changed by PUT with the level as body), `/debug/log` (the last lines), `/debug/pprof/`.
pub fn with_pages(router: Router) -> Router {
    with_common_pages(router).route("/readyz", get(async || "ok\n"))
}

fn with_common_pages(router: Router) -> Router {
    // The original prints a block that already ends in a newline with one more.
    let status = async || text("text/plain", format!("{}\n", version::block()));
    let level = async || format!("{}\n", observe::log::level());
    let set_level = async |body: String| match observe::log::set_level(body.trim()) {
        Ok(()) => {
            tracing::info!(level = body.trim(), "the log's level was changed");
            (StatusCode::OK, "ok\n".to_owned())
        }
        Err(why) => (StatusCode::BAD_REQUEST, format!("{why}\n")),
    };
    router
        .route("/status", get(status))
        .route("/metrics", get(async || text(METRICS_TYPE, observe::metrics::render())))
        .route("/healthz", get(async || "ok\n"))
        .route("/log-level", get(level).put(set_level))
        .route("/debug/log", get(async || text("text/plain; charset=utf-8", observe::log::last_lines())))
        .merge(profiles::routes())
}

/// The same, `/health`, and `/actors` for the console. A master is ready when there is a leader whose scheduler answers.
pub fn with_master_pages(router: Router, cluster: Arc<dyn Cluster>) -> Router {
    let health = async || Json(serde_json::json!({ "health": "true", "reason": "" }));
    let ready = {
        let cluster = cluster.clone();
        async move || {
            // One that does not lead hands commands to the leader.
            if let Leader::Other { .. } = cluster.leader() {
                return (StatusCode::OK, "ok\n");
            }
            match tokio::time::timeout(READY_LIMIT, cluster.members()).await {
                Ok(members) if leads(&members) => (StatusCode::OK, "ok\n"),
                Ok(_) => (StatusCode::SERVICE_UNAVAILABLE, "no leader is ready\n"),
                Err(_) => (StatusCode::SERVICE_UNAVAILABLE, "the leader does not answer\n"),
            }
        }
    };
    let actors = async move || Json(cluster.actors().await);
    with_common_pages(router).route("/readyz", get(ready)).route("/health", get(health)).route("/actors", get(actors))
}

fn leads(members: &[pb::Members]) -> bool {
    let mut leader = false;
    for member in members {
        match &member.member {
            Some(Member::Leader(found)) => leader = !found.name.is_empty(),
            Some(Member::Worker(found)) if !found.msg.is_empty() => return false,
            _ => {}
        }
    }
    leader
}

/// A body with its type.
pub fn text(kind: &'static str, body: String) -> Response {
    ([(CONTENT_TYPE, HeaderValue::from_static(kind))], body).into_response()
}

/// Everything else: UNIMPLEMENTED for gRPC, 404 for HTTP.
pub async fn unknown(headers: HeaderMap) -> Response {
    let grpc = headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"));
    if grpc {
        return tonic::Status::unimplemented("this service or method is not here").into_http::<axum::body::Body>();
    }
    (StatusCode::NOT_FOUND, "404 page not found\n").into_response()
}
