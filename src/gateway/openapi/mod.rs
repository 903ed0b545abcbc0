//! DM's HTTP API v1 (`/api/v1/...`), served with `openapi = true`.
//!
//! [`spec`] is the table of operations and objects: a request is found in it, checked against it, and given to the
//! handler of its name; the document comes from the same table. Handlers do what the gRPC service does and speak its
//! errors.

mod check;
mod cluster;
mod documents;
mod masks;
mod schemas;
mod source_json;
mod sources;
mod spec;
mod status;
mod task_json;
mod tasks;
mod templates;
pub use templates::shown as template;
#[cfg(test)]
mod tests;

use std::{collections::BTreeMap, time::Instant};

use axum::{
    Router,
    body::Bytes,
    extract::{DefaultBodyLimit, State},
    http::{HeaderMap, Method, StatusCode, Uri, header::CONTENT_TYPE},
    response::{IntoResponse, Response},
    routing::any,
};
use serde_json::{Value, json};

use super::{http::text, master::Service};
use crate::{
    dmctl::json::print_plain,
    error::{Code, DmError},
};
use spec::{API, Operation};

const JSON: &str = "application/json";

/// The page of `/api/v1/docs`; it loads nothing but the document.
const PAGE: &str = include_str!("page.html");

/// All paths.
pub fn routes(service: Service) -> Router {
    Router::new()
        .route("/api/v1", any(serve))
        .route("/api/v1/{*path}", any(serve))
        .layer(DefaultBodyLimit::max(super::REQUEST_LIMIT))
        .with_state(service)
}

/// One request that is what its operation wants.
pub struct Call {
    path: BTreeMap<&'static str, String>,
    query: Vec<(String, String)>,
    pub body: Value,
}

impl Call {
    /// A path parameter.
    pub fn of(&self, name: &str) -> &str {
        self.path.get(name).map_or("", String::as_str)
    }

    /// A switch of the query string; `None` when it is not there.
    pub fn switch(&self, name: &str) -> Option<bool> {
        self.one(name).map(|text| text == "true")
    }

    /// A text of the query string.
    pub fn one(&self, name: &str) -> Option<&str> {
        self.query.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
    }

    /// A list of the query string.
    pub fn all(&self, name: &str) -> Vec<String> {
        self.query.iter().filter(|(key, _)| key == name).map(|(_, value)| value.clone()).collect()
    }
}

/// What an operation answers.
pub enum Answer {
    Json(StatusCode, Value),
    Empty(StatusCode),
    /// The page of the documentation.
    Page,
}

impl Answer {
    /// 200 with an object.
    pub fn ok(value: Value) -> Answer {
        Answer::Json(StatusCode::OK, value)
    }

    /// 200 with a list and its length.
    pub fn list(data: Vec<Value>) -> Answer {
        Answer::ok(json!({ "total": data.len(), "data": data }))
    }
}

/// Why an operation was not done.
pub enum Fault {
    /// The text of an error, with or without DM's code in front.
    Text(String),
    /// 404 without a body.
    Missing,
}

impl From<DmError> for Fault {
    fn from(error: DmError) -> Fault {
        Fault::Text(error.to_string())
    }
}

impl From<String> for Fault {
    fn from(text: String) -> Fault {
        Fault::Text(text)
    }
}

/// 49001.
pub fn common(message: impl Into<String>) -> Fault {
    DmError::new(Code::OpenAPICommonError).msg(message.into()).into()
}

/// The result of an operation.
pub type Done = Result<Answer, Fault>;

async fn serve(
    State(service): State<Service>,
    method: Method,
    uri: Uri,
    headers: HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Response {
    let began = Instant::now();
    let answered = match understand(&method, &uri, &headers, body) {
        Ok((operation, call)) => response(dispatch(&service, operation, call).await),
        Err(why) => text_of(StatusCode::BAD_REQUEST, JSON, json!({ "error": why }).to_string()),
    };
    let (status, request) = (answered.status().as_u16(), format!("{method} {}", uri.path()));
    let duration = format!("{:?}", began.elapsed());
    match status {
        0..400 => tracing::info!(component = "openapi", status, request, duration, "Success"),
        400..500 => tracing::warn!(component = "openapi", status, request, duration, "Client error"),
        _ => tracing::error!(component = "openapi", status, request, duration, "Server error"),
    }
    answered
}

/// Finds the operation, and checks the request; the text is that of a request error.
fn understand(
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    body: Result<Bytes, axum::extract::rejection::BytesRejection>,
) -> Result<(&'static Operation, Call), String> {
    let path = uri.path().strip_prefix("/api/v1").unwrap_or_default();
    let found = API.find(method.as_str(), path);
    let (operation, parameters) = found.ok_or("no matching operation was found")?;
    let path = parameters.into_iter().map(|(name, value)| (name, unescaped(&value))).collect();
    let wrong = |what: String| format!("error in openapi3filter.RequestError: {what}");
    let pairs: Vec<(String, String)> =
        url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()).into_owned().collect();
    for parameter in &operation.query {
        for (name, value) in pairs.iter().filter(|(name, _)| name == parameter.name) {
            check::parameter(parameter.kind, value)
                .map_err(|why| wrong(format!("parameter \"{name}\" in query has an error: {why}")))?;
        }
    }
    let body = match operation.body {
        None => Value::Null,
        Some(object) => {
            let bytes = body.map_err(|e| wrong(format!("request body has an error: {e}")))?;
            parsed(headers, &bytes, object).map_err(|why| wrong(format!("request body has an error: {why}")))?
        }
    };
    Ok((operation, Call { path, query: pairs, body }))
}

fn parsed(headers: &HeaderMap, bytes: &Bytes, object: &str) -> Result<Value, String> {
    let kind = headers.get(CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
    if !kind.split(';').next().unwrap_or_default().trim().eq_ignore_ascii_case(JSON) {
        return Err(format!("header Content-Type has unexpected value {kind:?}"));
    }
    if bytes.is_empty() {
        return Err("value is required but missing".into());
    }
    let value: Value = serde_json::from_slice(bytes).map_err(|e| format!("failed to decode request body: {e}"))?;
    let schema = API.objects.get(object).ok_or("no such object")?;
    check::check(schema, &value).map_err(|why| format!("doesn't match the schema: {why}"))?;
    Ok(value)
}

/// A path segment's text.
fn unescaped(segment: &str) -> String {
    let query = format!("x={}", segment.replace('+', "%2B").replace('&', "%26"));
    url::form_urlencoded::parse(query.as_bytes()).next().map(|(_, text)| text.into_owned()).unwrap_or_default()
}

async fn dispatch(service: &Service, operation: &Operation, call: Call) -> Done {
    match operation.name {
        "docs" => Ok(Answer::Page),
        "document" => Ok(Answer::ok(document(service))),
        name if name.contains("Cluster") || name.starts_with("offline") => cluster::run(service, name, &call).await,
        name if name.contains("TaskTemplate") => templates::run(service, name, call).await,
        "convertTask" => templates::convert(call),
        name if name.contains("TableStructure") || name.ends_with("SchemaList") || name.ends_with("TableList") => {
            schemas::run(service, name, &call).await
        }
        "getTaskMigrateTargets" => schemas::migrate_targets(service, &call).await,
        name if name.contains("Task") => tasks::run(service, name, call).await,
        name => sources::run(service, name, call).await,
    }
}

/// The document; its server is the first master of the stored topology, if any.
fn document(service: &Service) -> Value {
    let mut document = API.document();
    if let Some(topology) = documents::get(service, documents::TOPOLOGY)
        && let Some(master) = topology["master_topology_list"].get(0)
        && let (Some(host), Some(port)) = (master["host"].as_str(), master["port"].as_u64())
    {
        document["servers"][0]["url"] = format!("http://{host}:{port}").into();
    }
    document
}

fn response(done: Done) -> Response {
    match done {
        Ok(Answer::Json(status, value)) => text_of(status, JSON, print_plain(&sorted(value))),
        Ok(Answer::Empty(status)) => status.into_response(),
        Ok(Answer::Page) => text_of(StatusCode::OK, "text/html; charset=utf-8", PAGE.to_owned()),
        Err(Fault::Missing) => StatusCode::NOT_FOUND.into_response(),
        Err(Fault::Text(message)) => {
            let error = json!({ "error_code": code_of(&message), "error_msg": message });
            text_of(StatusCode::BAD_REQUEST, JSON, print_plain(&error))
        }
    }
}

fn text_of(status: StatusCode, kind: &'static str, body: String) -> Response {
    (status, text(kind, body)).into_response()
}

/// The number of `[code=N:...`; 0 without one.
fn code_of(message: &str) -> u64 {
    let digits = message.strip_prefix("[code=").and_then(|rest| rest.split(':').next());
    digits.and_then(|digits| digits.parse().ok()).unwrap_or_default()
}

/// Members in alphabetical order, at every depth.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(members) => {
            let ordered: BTreeMap<String, Value> =
                members.into_iter().map(|(name, member)| (name, sorted(member))).collect();
            Value::Object(ordered.into_iter().collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        plain => plain,
    }
}
