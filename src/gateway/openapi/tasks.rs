//! `/tasks...`.

use std::{sync::Arc, time::Duration};

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    Answer, Call, Done, Fault, documents, masks, source_json, sources, status,
    task_json::{from_json, to_json},
};
use crate::{
    commands::start_task::{self, check_start_time},
    config::{GoDuration, SubtaskConfig, TaskMode, rebuilt_task},
    coordinator::state::{ExpectedStage, TaskRecord},
    error::{Code, DmError},
    gateway::master::Service,
    pb::{self, TaskOp},
};

/// Runs an operation.
pub async fn run(service: &Service, name: &str, call: Call) -> Done {
    let task = call.of("task-name");
    match name {
        "createTask" => create(service, &call.body["task"]).await,
        "getTaskList" => list(service, &call).await,
        "getTask" => {
            let record = stored(service, task)?;
            Ok(Answer::ok(with_status(service, &record, call.switch("with_status") == Some(true)).await))
        }
        "deleteTask" => delete(service, task, &call).await,
        "updateTask" => update(service, task, &call.body["task"]).await,
        "getTaskStatus" => {
            stored(service, task)?;
            Ok(Answer::list(status::of_task(service, task).await))
        }
        "startTask" => start(service, task, &call.body).await,
        _ => {
            let record = stored(service, task)?;
            let sources = chosen(&record, &call.body)?;
            let limit = stop_limit(&call.body)?;
            confirmed(service.cluster.operate_task(TaskOp::Stop, task, &sources, limit).await?)
        }
    }
}

/// A task's record; 46018 without one.
pub fn stored(service: &Service, task: &str) -> Result<Arc<TaskRecord>, Fault> {
    let state = service.cluster.state();
    let record = state.tasks.get(task).filter(|record| !record.subtasks.is_empty()).cloned();
    record
        .ok_or_else(|| DmError::new(Code::SchedulerTaskNotExist).msg(format!("task with name {task} not exist")).into())
}

/// A stored task as the API has it, with its secrets.
pub fn of_record(record: &TaskRecord) -> Value {
    let subtasks: Vec<SubtaskConfig> = record.subtasks.values().map(|subtask| subtask.config.clone()).collect();
    to_json(&rebuilt_task(&subtasks))
}

async fn with_status(service: &Service, record: &TaskRecord, wanted: bool) -> Value {
    let mut shown = masks::hidden(of_record(record));
    if wanted {
        shown["status_list"] = status::of_task(service, &record.name).await.into();
    }
    shown
}

async fn create(service: &Service, given: &Value) -> Done {
    // A client may make a task of the template of its name.
    let template = given["name"].as_str().and_then(|name| documents::get(service, &documents::template(name)));
    let task = from_json(&masks::filled(given.clone(), template.as_ref())?)?;
    let created = start_task::store_stopped(&*service.cluster, task.to_yaml()).await?;
    let answer = json!({ "task": given, "check_result": created });
    Ok(Answer::Json(StatusCode::CREATED, answer))
}

async fn update(service: &Service, name: &str, given: &Value) -> Done {
    let record = stored(service, name)?;
    let task = from_json(&masks::filled(given.clone(), Some(&of_record(&record)))?)?;
    if task.name != name {
        return Err(super::common(format!("the name {:?} is not that of the path, {name:?}", task.name)));
    }
    if record.subtasks.values().any(|subtask| subtask.stage == ExpectedStage::Running) {
        return Err(running(name).into());
    }
    let (report, _) = start_task::replace(&*service.cluster, task.to_yaml(), &[]).await?;
    Ok(Answer::ok(json!({ "task": given, "check_result": report })))
}

fn running(task: &str) -> DmError {
    DmError::new(Code::SchedulerSubTaskCfgUpdate)
        .msg(format!("subtasks of task {task} can only be updated while none of them runs"))
        .workaround("Please stop or pause the task first.")
}

async fn list(service: &Service, call: &Call) -> Done {
    let (stage, sources) = (call.one("stage"), call.all("source_name_list"));
    let state = service.cluster.state();
    let mut all = Vec::new();
    for record in state.tasks.values().filter(|record| !record.subtasks.is_empty()) {
        if !sources.is_empty() && !sources.iter().any(|source| record.subtasks.contains_key(source)) {
            continue;
        }
        let wanted = call.switch("with_status") == Some(true);
        let mut shown = with_status(service, record, wanted || stage.is_some()).await;
        if let Some(stage) = stage {
            let in_stage = |status: &Value| status["stage"] == stage;
            if !shown["status_list"].as_array().is_some_and(|list| list.iter().any(in_stage)) {
                continue;
            }
            if !wanted && let Some(members) = shown.as_object_mut() {
                members.remove("status_list");
            }
        }
        all.push(shown);
    }
    Ok(Answer::list(all))
}

async fn delete(service: &Service, name: &str, call: &Call) -> Done {
    let record = stored(service, name)?;
    let busy: Vec<&str> = record
        .subtasks
        .iter()
        .filter(|(_, subtask)| subtask.stage == ExpectedStage::Running)
        .map(|(source, _)| source.as_str())
        .collect();
    if !busy.is_empty() && call.switch("force") != Some(true) {
        return Err(super::common(format!(
            "task {name} has running subtasks on sources [{}], please stop them or use force",
            busy.join(" ")
        )));
    }
    service.cluster.operate_task(TaskOp::Delete, name, &[], None).await?;
    if call.switch("keep_meta") != Some(true)
        && let Some(subtask) = record.subtasks.values().next()
    {
        let forgotten = crate::units::remove_meta(&subtask.config);
        match tokio::time::timeout(std::time::Duration::from_secs(10), forgotten).await {
            Ok(Ok(())) => {}
            Ok(Err(error)) => tracing::warn!(task = name, error = %error, "what the task stored on the target stays"),
            Err(_) => tracing::warn!(task = name, "what the task stored on the target stays: no answer in 10 s"),
        }
    }
    Ok(Answer::Empty(StatusCode::NO_CONTENT))
}

/// The sources of a request: all of the task's when none is named.
fn chosen(record: &TaskRecord, body: &Value) -> Result<Vec<String>, Fault> {
    let wanted = source_json::texts(body, "source_name_list");
    let strangers: Vec<&str> =
        wanted.iter().filter(|source| !record.subtasks.contains_key(*source)).map(String::as_str).collect();
    if !strangers.is_empty() {
        return Err(DmError::new(Code::OpenAPITaskSourceNotFound)
            .msg(format!("sources [{}] not found in task {}", strangers.join(" "), record.name))
            .into());
    }
    Ok(if wanted.is_empty() { record.subtasks.keys().cloned().collect() } else { wanted })
}

/// What the end of the transaction under way may take (`timeout_duration`).
fn stop_limit(body: &Value) -> Result<Option<Duration>, Fault> {
    let text = source_json::text(body, "timeout_duration");
    if text.is_empty() {
        return Ok(None);
    }
    match text.parse::<GoDuration>() {
        Ok(limit) if limit.0 >= 0 => Ok(Some(limit.to_std())),
        _ => Err(DmError::new(Code::OpenAPICommonError)
            .msg(format!("timeout_duration {text:?} is not a duration"))
            .workaround("Please give it as 30s or 5m, or leave it out (10s).")
            .into()),
    }
}

async fn start(service: &Service, name: &str, body: &Value) -> Done {
    let record = stored(service, name)?;
    let sources = chosen(&record, body)?;
    for source in &sources {
        if !sources::stored(service, source)?.enable {
            return Err(DmError::new(Code::MasterStartTask)
                .msg(format!("can't start task because source {source} is disabled"))
                .workaround("Please enable the source first.")
                .into());
        }
    }
    let start_time = source_json::text(body, "start_time");
    if !start_time.is_empty() {
        check_start_time(&start_time)?;
    }
    let remove_meta = source_json::switch(body, "remove_meta", false);
    let duration = source_json::text(body, "safe_mode_time_duration");
    let mut changed = Vec::new();
    for source in &sources {
        let Some(subtask) = record.subtasks.get(source) else { continue };
        if subtask.stage == ExpectedStage::Running {
            continue;
        }
        let mut config = subtask.config.clone();
        if remove_meta {
            if config.mode == TaskMode::Incremental && config.meta.is_none() && start_time.is_empty() {
                return Err(DmError::new(Code::ConfigMetadataNotSet).into());
            }
            crate::units::remove_meta(&config).await?;
        }
        if !start_time.is_empty() {
            config.start_time = Some(start_task::asked_now(&start_time));
        }
        if !duration.is_empty() {
            if duration.parse::<crate::config::GoDuration>().is_err() {
                return Err(DmError::new(Code::ConfigInvalidSafeModeDuration)
                    .msg(format!("safe_mode_time_duration {duration:?} is not a duration"))
                    .into());
            }
            config.syncer.safe_mode_duration = duration.clone();
        }
        if config != subtask.config {
            changed.push(config);
        }
    }
    if !changed.is_empty() {
        service.cluster.update_task(name, &record.yaml, changed).await?;
    }
    confirmed(service.cluster.operate_task(TaskOp::Resume, name, &sources, None).await?)
}

fn confirmed(replies: Vec<pb::CommonWorkerResponse>) -> Done {
    match replies.into_iter().find(|reply| !reply.result) {
        Some(refused) => Err(Fault::Text(refused.msg)),
        None => Ok(Answer::Empty(StatusCode::OK)),
    }
}
