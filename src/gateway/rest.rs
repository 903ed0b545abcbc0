//! DM's gateway paths, `/apis/v1alpha1/...`: JSON in and out, each served by the same handler as its RPC.

use axum::{
    Router,
    extract::{DefaultBodyLimit, Path, RawQuery, State},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, post, put},
};
use prost::{Message, Name};
use tonic::{Code, Request, Status};

use super::{
    http::text,
    master::{Reply, Service},
};
use crate::{
    dmctl::json::{self, Fields, Style},
    pb::{self, master_server::Master},
};

/// Names of path parameters and their values.
type Named = Path<Vec<(String, String)>>;

macro_rules! handler {
    ($call:ident, $request:ty) => {
        |State(service): State<Service>, Path(path): Named, RawQuery(query): RawQuery, body: String| async move {
            let request = match message::<$request>(path, query, &body) {
                Ok(request) => request,
                Err(status) => return answer::<pb::GetCfgResponse>(Err(status)),
            };
            answer(service.$call(Request::new(request)).await)
        }
    };
}

/// All paths.
pub fn routes(service: Service) -> Router {
    let api = Router::new()
        .route("/tasks", post(handler!(start_task, pb::StartTaskRequest)))
        .route(
            "/tasks/{name}",
            put(handler!(operate_task, pb::OperateTaskRequest)).get(handler!(get_cfg, pb::GetCfgRequest)),
        )
        .route("/status/{name}", get(handler!(query_status, pb::QueryStatusListRequest)))
        .route("/sources", put(handler!(operate_source, pb::OperateSourceRequest)))
        .route("/members", get(handler!(list_member, pb::ListMemberRequest)))
        .route("/members/{type}/{name}", delete(handler!(offline_member, pb::OfflineMemberRequest)))
        .route("/leader/{op}", put(handler!(operate_leader, pb::OperateLeaderRequest)))
        .route("/schema", put(handler!(operate_schema, pb::OperateSchemaRequest)))
        .route("/subtasks/{name}", get(handler!(get_sub_task_cfg, pb::GetSubTaskCfgRequest)))
        .route("/errors", put(handler!(handle_error, pb::HandleErrorRequest)))
        .fallback(async || answer::<pb::GetCfgResponse>(Err(Status::not_found("Not Found"))))
        .method_not_allowed_fallback(async || {
            answer::<pb::GetCfgResponse>(Err(Status::unimplemented("Method Not Allowed")))
        });
    Router::new().nest("/apis/v1alpha1", api).layer(DefaultBodyLimit::max(super::REQUEST_LIMIT)).with_state(service)
}

/// A request of body, then path, then query string; what can't be understood is answered at once.
fn message<M: Message + Name + Default>(
    path: Vec<(String, String)>,
    query: Option<String>,
    body: &str,
) -> Result<M, Status> {
    let mut fields: Fields = path;
    let query = query.unwrap_or_default();
    fields.extend(url::form_urlencoded::parse(query.as_bytes()).into_owned());
    json::parse(body, &fields).map_err(Status::invalid_argument)
}

fn answer<M: Message + Name>(reply: Reply<M>) -> Response {
    match reply {
        Ok(reply) => text("application/json", json::print(&reply.into_inner(), Style::Gateway)),
        Err(status) => {
            let code = i32::from(status.code());
            let body = format!(
                "{{\n  \"code\": {code},\n  \"message\": {},\n  \"details\": [\n  ]\n}}",
                json::escape(status.message())
            );
            (http_status(status.code()), text("application/json", body)).into_response()
        }
    }
}

/// The HTTP status of a gRPC code.
fn http_status(code: Code) -> StatusCode {
    match code {
        Code::Ok => StatusCode::OK,
        Code::InvalidArgument | Code::FailedPrecondition | Code::OutOfRange => StatusCode::BAD_REQUEST,
        Code::DeadlineExceeded => StatusCode::GATEWAY_TIMEOUT,
        Code::NotFound => StatusCode::NOT_FOUND,
        Code::AlreadyExists | Code::Aborted => StatusCode::CONFLICT,
        Code::PermissionDenied => StatusCode::FORBIDDEN,
        Code::Unauthenticated => StatusCode::UNAUTHORIZED,
        Code::ResourceExhausted => StatusCode::TOO_MANY_REQUESTS,
        Code::Unimplemented => StatusCode::NOT_IMPLEMENTED,
        Code::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}
