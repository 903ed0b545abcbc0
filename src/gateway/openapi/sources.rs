//! `/sources...`.

use axum::http::StatusCode;
use serde_json::{Value, json};
use tonic::{Request, Response, Status};

use super::{Answer, Call, Done, Fault, common, source_json, status};
use crate::{
    commands::{cluster::SourceSpec, later},
    config::SourceConfig,
    coordinator::state::ExpectedStage,
    error::{Code, DmError},
    gateway::master::Service,
    pb::{self, RelayOpV2, SourceOp, TaskOp, master_server::Master},
};

/// Runs an operation.
pub async fn run(service: &Service, name: &str, call: Call) -> Done {
    let source = call.of("source-name");
    match name {
        "createSource" => create(service, &call).await,
        "getSourceList" => list(service, &call).await,
        "getSource" => one(service, &call).await,
        "deleteSource" => delete(service, source, call.switch("force") == Some(true)).await,
        "updateSource" => update(service, source, &call.body["source"]).await,
        "getSourceStatus" => {
            stored(service, source)?;
            Ok(Answer::list(vec![status::of_source(service, source).await]))
        }
        "enableSource" => switch(service, source, true).await,
        "disableSource" => switch(service, source, false).await,
        "transferSource" => {
            let worker = source_json::text(&call.body, "worker_name");
            let request = pb::TransferSourceRequest { source: source.into(), worker };
            done(service.transfer_source(Request::new(request)).await, |reply| (reply.result, reply.msg))
        }
        "enableRelay" => relay(service, source, &call.body, RelayOpV2::StartRelayV2).await,
        "disableRelay" => relay(service, source, &call.body, RelayOpV2::StopRelayV2).await,
        _ => {
            stored(service, source)?;
            Err(later::refusal("purging a relay log").into())
        }
    }
}

/// A reply of the gRPC service as 200 or an error.
fn done<T>(reply: Result<Response<T>, Status>, outcome: impl FnOnce(T) -> (bool, String)) -> Done {
    let reply = reply.map_err(|status| status.message().to_owned())?;
    match outcome(reply.into_inner()) {
        (true, _) => Ok(Answer::Empty(StatusCode::OK)),
        (false, msg) => Err(Fault::Text(msg)),
    }
}

fn unknown(source: &str) -> DmError {
    DmError::new(Code::SchedulerSourceCfgNotExist).msg(format!("source config with ID {source} not exists"))
}

/// A source's stored file.
pub fn stored(service: &Service, source: &str) -> Result<SourceConfig, Fault> {
    let state = service.cluster.state();
    let record = state.sources.get(source).ok_or_else(|| unknown(source))?;
    Ok(SourceConfig::from_yaml(&record.yaml)?)
}

async fn create(service: &Service, call: &Call) -> Done {
    let given = &call.body["source"];
    let mut source = SourceConfig::default();
    source_json::merge(&mut source, given)?;
    if source.enable_relay {
        return Err(later::refusal("a relay log").into());
    }
    let request = pb::OperateSourceRequest {
        op: SourceOp::StartSource as i32,
        config: vec![source.to_yaml()],
        worker_name: source_json::text(&call.body, "worker_name"),
        ..Default::default()
    };
    let reply = service.operate_source(Request::new(request)).await.map_err(|status| status.message().to_owned())?;
    let reply = reply.into_inner();
    if !reply.result {
        return Err(Fault::Text(reply.msg));
    }
    Ok(Answer::Json(StatusCode::CREATED, given.clone()))
}

async fn with_status(service: &Service, source: &SourceConfig, wanted: bool) -> Value {
    let mut shown = source_json::shown(source, &service.cluster.state());
    if wanted {
        shown["status_list"] = json!([status::of_source(service, &source.source_id).await]);
    }
    shown
}

async fn list(service: &Service, call: &Call) -> Done {
    let wanted = call.switch("with_status") == Some(true);
    let state = service.cluster.state();
    let mut all = Vec::new();
    for record in state.sources.values() {
        let source = SourceConfig::from_yaml(&record.yaml)?;
        if call.switch("enable_relay").is_none_or(|relay| relay == source.enable_relay) {
            all.push(with_status(service, &source, wanted).await);
        }
    }
    Ok(Answer::list(all))
}

async fn one(service: &Service, call: &Call) -> Done {
    let source = stored(service, call.of("source-name")).map_err(|_| Fault::Missing)?;
    Ok(Answer::ok(with_status(service, &source, call.switch("with_status") == Some(true)).await))
}

/// The tasks that a source has, with what they should be doing.
fn tasks_of(service: &Service, source: &str) -> Vec<(String, ExpectedStage)> {
    let state = service.cluster.state();
    let stage = |task: &crate::coordinator::state::TaskRecord| task.subtasks.get(source).map(|subtask| subtask.stage);
    state.tasks.values().filter_map(|task| Some((task.name.clone(), stage(task)?))).collect()
}

async fn delete(service: &Service, source: &str, force: bool) -> Done {
    stored(service, source)?;
    if force {
        for (task, _) in tasks_of(service, source) {
            service.cluster.operate_task(TaskOp::Delete, &task, &[source.to_owned()], None).await?;
        }
    }
    service.cluster.remove_source(source).await?;
    Ok(Answer::Empty(StatusCode::NO_CONTENT))
}

async fn update(service: &Service, name: &str, given: &Value) -> Done {
    let before = stored(service, name)?;
    let mut source = before.clone();
    source_json::merge(&mut source, given)?;
    if source.source_id != name {
        return Err(common(format!("source_name {:?} is not that of the path, {name:?}", source.source_id)));
    }
    if source.enable_relay {
        return Err(later::refusal("a relay log").into());
    }
    source.enable = before.enable;
    let request = pb::OperateSourceRequest {
        op: SourceOp::UpdateSource as i32,
        config: vec![source.to_yaml()],
        ..Default::default()
    };
    let reply = service.operate_source(Request::new(request)).await.map_err(|status| status.message().to_owned())?;
    let reply = reply.into_inner();
    if !reply.result {
        return Err(Fault::Text(reply.msg));
    }
    if source_json::switch(given, "enable", before.enable) != before.enable {
        switch(service, name, !before.enable).await?;
    }
    Ok(Answer::ok(given.clone()))
}

/// Stops the tasks of a source that is disabled, starts those of one that is enabled again.
async fn switch(service: &Service, name: &str, enable: bool) -> Done {
    let source = SourceConfig { enable, ..stored(service, name)? };
    let spec = SourceSpec { source_id: name.to_owned(), yaml: source.to_yaml() };
    let (concerned, op) = match enable {
        true => (ExpectedStage::Stopped, TaskOp::Resume),
        false => (ExpectedStage::Running, TaskOp::Stop),
    };
    let tasks = tasks_of(service, name).into_iter().filter(|(_, stage)| *stage == concerned);
    let sources = [name.to_owned()];
    if enable {
        service.cluster.update_source(spec.clone()).await?;
    }
    for (task, _) in tasks {
        for reply in service.cluster.operate_task(op, &task, &sources, None).await? {
            if !reply.result {
                return Err(Fault::Text(reply.msg));
            }
        }
    }
    if !enable {
        service.cluster.update_source(spec).await?;
    }
    Ok(Answer::Empty(StatusCode::OK))
}

async fn relay(service: &Service, source: &str, body: &Value, op: RelayOpV2) -> Done {
    let worker = source_json::texts(body, "worker_name_list");
    let request = pb::OperateRelayRequest { op: op as i32, source: source.into(), worker };
    done(service.operate_relay(Request::new(request)).await, |reply| (reply.result, reply.msg))
}
