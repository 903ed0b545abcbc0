//! `/debug/pprof/`: the paths of Go's pprof package, so that `go tool pprof http://.../debug/pprof/profile` works.

use std::time::Duration;

use axum::{
    Router,
    extract::RawQuery,
    http::{
        StatusCode,
        header::{CONTENT_DISPOSITION, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
    routing::get,
};

use super::http::text;
use crate::observe::profile::{NoProfile, cpu, heap, threads};

/// Without `seconds`, as Go's.
const USUAL: u64 = 30;
const LONGEST: u64 = 600;

const INDEX: &str = "<!doctype html><html><head><title>/debug/pprof/</title></head><body><h1>Profiles of this process</h1><ul>\
<li><a href=\"profile?seconds=30\">profile</a>: where the CPU's time goes; <code>go tool pprof http://HOST:PORT/debug/pprof/profile?seconds=30</code></li>\
<li><a href=\"heap\">heap</a>: who holds memory; <code>go tool pprof http://HOST:PORT/debug/pprof/heap</code></li>\
<li><a href=\"goroutine?debug=2\">goroutine</a>: threads and tasks (the actors of all nodes are at /actors of a master)</li>\
<li><a href=\"cmdline\">cmdline</a>: the command line</li></ul></body></html>\n";

/// The paths below `/debug/pprof/`.
pub fn routes<S: Clone + Send + Sync + 'static>() -> Router<S> {
    let plain = "text/plain; charset=utf-8";
    let index = async || text("text/html; charset=utf-8", INDEX.to_owned());
    Router::new()
        .route("/debug/pprof", get(index))
        .route("/debug/pprof/", get(index))
        .route("/debug/pprof/profile", get(profile))
        .route("/debug/pprof/heap", get(async || answer("heap", heap::profile().await)))
        .route("/debug/pprof/goroutine", get(async move || text(plain, threads::list())))
        .route("/debug/pprof/cmdline", get(async move || text(plain, std::env::args().collect::<Vec<_>>().join("\0"))))
        .route(
            "/debug/pprof/{kind}",
            get(async || unable("Go's runtime makes this profile; this program is not of Go")),
        )
}

async fn profile(RawQuery(query): RawQuery) -> Response {
    let query = query.unwrap_or_default();
    let asked = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "seconds");
    let seconds = asked.map_or(Ok(USUAL), |(_, text)| text.parse());
    match seconds {
        Ok(seconds @ 1..=LONGEST) => answer("profile", cpu::profile(Duration::from_secs(seconds)).await),
        _ => (StatusCode::BAD_REQUEST, format!("seconds must be a number from 1 to {LONGEST}\n")).into_response(),
    }
}

fn answer(name: &str, made: Result<Vec<u8>, NoProfile>) -> Response {
    match made {
        Ok(bytes) => {
            let file = format!("attachment; filename=\"{name}.pb.gz\"");
            ([(CONTENT_TYPE, "application/octet-stream".to_owned()), (CONTENT_DISPOSITION, file)], bytes)
                .into_response()
        }
        Err(NoProfile::Busy) => {
            (StatusCode::CONFLICT, "another profile is being made, please try later\n").into_response()
        }
        Err(NoProfile::Unable(why)) => unable(&why),
        Err(NoProfile::Failed(why)) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{why}\n")).into_response(),
    }
}

fn unable(why: &str) -> Response {
    (StatusCode::NOT_IMPLEMENTED, format!("{why}\n")).into_response()
}
