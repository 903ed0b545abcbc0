//! What `pause-task`, `resume-task` and `stop-task` share: one task, or every task of one source in batches.

use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::{
    cluster::Cluster,
    input::task_name,
    reply::{Refusal, source_failed},
};
use crate::{
    dmctl::{
        cobra::{Flag, Matches},
        json::print_plain,
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError},
    pb,
};

/// `--batch-size`, of the form that takes a whole source.
pub const BATCH_SIZE: Flag = Flag::int("batch-size", 5, "how many tasks are operated at once when no task is named");

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches, op: pb::TaskOp) -> Outcome {
    let sources = matches.sources();
    match matches.args.as_slice() {
        [task] => {
            let request = pb::OperateTaskRequest { op: op as i32, name: task_name(task), sources };
            let reply = session.rpc(request, |mut c, r| async move { c.operate_task(r).await }).await?;
            session.reply(&reply);
            Ok(())
        }
        [] => match sources.as_slice() {
            [source] => whole_source(session, matches, op, source).await,
            others => Err(Failure::Usage(format!(
                "{} one source-name when task-name/task-conf is not specified (use -s)",
                if others.is_empty() { "must give" } else { "can give only" }
            ))),
        },
        _ => Err(Failure::Usage(String::new())),
    }
}

async fn whole_source(session: &mut Session, matches: &Matches, op: pb::TaskOp, source: &str) -> Outcome {
    let batch = usize::try_from(matches.int("batch-size")).ok().filter(|size| *size > 0);
    let batch = batch.ok_or_else(|| Failure::Usage("--batch-size must be at least 1".to_owned()))?;
    let request = pb::QueryStatusListRequest { sources: vec![source.to_owned()], ..Default::default() };
    let status = session.rpc_in_time(request, |mut c, r| async move { c.query_status(r).await }).await?;
    if !status.result {
        session.line(&print_plain(&json!({ "result": false, "msg": status.msg, "tasks": [] })));
        return Ok(());
    }
    let mut tasks: Vec<String> =
        status.sources.iter().flat_map(|s| s.sub_task_status.iter().map(|t| t.name.clone())).collect();
    tasks.sort_unstable();
    tasks.dedup();
    let mut done = Vec::new();
    for names in tasks.chunks(batch) {
        let client = session.client().await?;
        let limit = session.rpc_timeout();
        done.extend(join_all(names.iter().map(|name| one_task(client.clone(), op, name, source, limit))).await);
    }
    let result = done.iter().all(|task| task["result"] == true);
    session.line(&print_plain(&json!({ "result": result, "msg": "", "tasks": done })));
    Ok(())
}

/// One task of a source; an error of the call is part of the result, so that the others go on.
async fn one_task(
    mut client: pb::master_client::MasterClient<tonic::transport::Channel>,
    op: pb::TaskOp,
    name: &str,
    source: &str,
    limit: std::time::Duration,
) -> Value {
    let request = pb::OperateTaskRequest { op: op as i32, name: name.to_owned(), sources: vec![source.to_owned()] };
    let reply = match tokio::time::timeout(limit, client.operate_task(request)).await {
        Ok(Ok(reply)) => reply.into_inner(),
        Ok(Err(status)) => pb::OperateTaskResponse { op: op as i32, ..Refusal::refused(status.to_string()) },
        Err(_) => {
            pb::OperateTaskResponse { op: op as i32, ..Refusal::refused("no answer within --rpc-timeout".into()) }
        }
    };
    let sources: Vec<Value> = reply.sources.iter().map(without_defaults).collect();
    json!({ "task": name, "op": op.as_str_name(), "result": reply.result, "msg": reply.msg, "sources": sources })
}

/// A source's part with its false and empty members left out.
fn without_defaults(source: &pb::CommonWorkerResponse) -> Value {
    let mut members = Map::new();
    if source.result {
        members.insert("result".into(), true.into());
    }
    for (name, text) in [("msg", &source.msg), ("source", &source.source), ("worker", &source.worker)] {
        if !text.is_empty() {
            members.insert(name.into(), text.as_str().into());
        }
    }
    Value::Object(members)
}

/// The leader's side.
pub async fn apply(cluster: &dyn Cluster, request: pb::OperateTaskRequest) -> pb::OperateTaskResponse {
    let answer = operate(cluster, &request).await;
    let mut reply = answer.unwrap_or_else(|error| pb::OperateTaskResponse::failed(&error));
    reply.op = request.op;
    reply
}

async fn operate(cluster: &dyn Cluster, request: &pb::OperateTaskRequest) -> Result<pb::OperateTaskResponse, DmError> {
    let op = pb::TaskOp::try_from(request.op).unwrap_or(pb::TaskOp::InvalidOp);
    if !matches!(op, pb::TaskOp::Pause | pb::TaskOp::Resume | pb::TaskOp::Delete) {
        return Err(DmError::new(Code::MasterInvalidOperateOp).msg(format!(
            "operation {} is not one for tasks (allowed: Pause, Resume, Delete)",
            pb::TaskOp::try_from(request.op).map_or(request.op.to_string(), |op| op.as_str_name().to_owned())
        )));
    }
    let state = cluster.state();
    let Some(task) = state.tasks.get(&request.name).filter(|task| !task.subtasks.is_empty()) else {
        return Ok(pb::OperateTaskResponse::refused(format!(
            "task {} has no source or not exist, please check the task name and status",
            request.name
        )));
    };
    let (known, unknown): (Vec<String>, Vec<String>) =
        request.sources.iter().cloned().partition(|source| task.subtasks.contains_key(source));
    let mut sources: Vec<_> = unknown
        .iter()
        .map(|source| source_failed(source, "", format!("source {source} has no subtask of task {}", request.name)))
        .collect();
    if unknown.is_empty() || !known.is_empty() {
        sources.extend(cluster.operate_task(op, &request.name, &known, None).await?);
    }
    sources.sort_by(|a, b| a.source.cmp(&b.source));
    Ok(pb::OperateTaskResponse { op: request.op, result: true, msg: String::new(), sources })
}
