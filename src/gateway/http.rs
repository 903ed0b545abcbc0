//! Plain pages: version, metrics, health, live actors.

use std::sync::Arc;

use axum::{
    Json, Router,
    http::{HeaderMap, HeaderValue, StatusCode, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::get,
};

use crate::{commands::cluster::Cluster, config::version, observe};

/// Text as Prometheus wants it.
const METRICS_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// `/status` and `/metrics`, which masters and workers have.
pub fn with_pages(router: Router) -> Router {
    // The original prints a block that already ends in a newline with one more.
    let status = async || text("text/plain", format!("{}\n", version::block()));
    router.route("/status", get(status)).route("/metrics", get(async || text(METRICS_TYPE, observe::metrics::render())))
}

/// The same, `/health`, and `/actors` for the console.
pub fn with_master_pages(router: Router, cluster: Arc<dyn Cluster>) -> Router {
    let health = async || Json(serde_json::json!({ "health": "true", "reason": "" }));
    let actors = async move || Json(cluster.actors().await);
    with_pages(router).route("/health", get(health)).route("/actors", get(actors))
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
