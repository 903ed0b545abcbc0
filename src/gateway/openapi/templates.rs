//! `/tasks/templates...` and `/tasks/converters`.

use axum::http::StatusCode;
use serde_json::{Value, json};

use super::{
    Answer, Call, Done, Fault, common, documents, masks,
    task_json::{from_json, to_json},
    tasks,
};
use crate::{
    commands::reply::Refusal,
    config::{TaskConfig, shown_task},
    error::{Code, DmError},
    gateway::master::Service,
    pb,
};

/// Runs an operation.
pub async fn run(service: &Service, name: &str, call: Call) -> Done {
    let template = call.of("task-name").to_owned();
    match name {
        "createTaskTemplate" => create(service, call.body).await,
        "getTaskTemplateList" => {
            Ok(Answer::list(documents::templates(service).into_iter().map(masks::hidden).collect()))
        }
        "importTaskTemplate" => import(service, call.body["overwrite"] == true).await,
        "getTaskTemplate" => Ok(Answer::ok(masks::hidden(stored(service, &template)?))),
        "updateTaskTemplate" => {
            let before = stored(service, &template)?;
            if call.body["name"] != template.as_str() {
                return Err(common(format!("the name {} is not that of the path", call.body["name"])));
            }
            let task = masks::filled(call.body.clone(), Some(&before))?;
            from_json(&task)?;
            documents::put(service, &documents::template(&template), &task).await?;
            Ok(Answer::ok(call.body))
        }
        _ => {
            stored(service, &template)?;
            documents::remove(service, &documents::template(&template)).await?;
            Ok(Answer::Empty(StatusCode::NO_CONTENT))
        }
    }
}

fn stored(service: &Service, name: &str) -> Result<Value, Fault> {
    documents::get(service, &documents::template(name)).ok_or_else(|| {
        DmError::new(Code::OpenAPITaskConfigNotExist)
            .msg(format!("task template with name {name} does not exist"))
            .into()
    })
}

/// What `config task-template` shows: a task's file.
pub fn shown(service: &Service, name: &str) -> pb::GetCfgResponse {
    match stored(service, name).and_then(|template| from_json(&template)) {
        Ok(task) => pb::GetCfgResponse { result: true, msg: String::new(), cfg: shown_task(&task) },
        Err(Fault::Text(why)) => pb::GetCfgResponse::refused(why),
        Err(Fault::Missing) => pb::GetCfgResponse::refused(format!("task template with name {name} does not exist")),
    }
}

fn exists(name: &str) -> DmError {
    DmError::new(Code::OpenAPITaskConfigExist).msg(format!("task template with name {name} already exists"))
}

async fn create(service: &Service, given: Value) -> Done {
    // A client may make a template of the task of its name.
    let like = tasks::stored(service, given["name"].as_str().unwrap_or_default()).ok();
    let like = like.map(|record| tasks::of_record(&record));
    let task = masks::filled(given.clone(), like.as_ref())?;
    let name = from_json(&task)?.name;
    if documents::get(service, &documents::template(&name)).is_some() {
        return Err(exists(&name).into());
    }
    documents::put(service, &documents::template(&name), &task).await?;
    Ok(Answer::Json(StatusCode::CREATED, given))
}

/// Makes a template of every task.
async fn import(service: &Service, overwrite: bool) -> Done {
    let (mut done, mut failed) = (Vec::new(), Vec::new());
    for record in service.cluster.state().tasks.values().filter(|record| !record.subtasks.is_empty()) {
        let key = documents::template(&record.name);
        let stored = match documents::get(service, &key) {
            Some(_) if !overwrite => Err(Fault::from(exists(&record.name))),
            _ => documents::put(service, &key, &tasks::of_record(record)).await,
        };
        match stored {
            Ok(()) => done.push(record.name.clone()),
            Err(Fault::Text(why)) => failed.push(json!({ "task_name": record.name, "error_msg": why })),
            Err(Fault::Missing) => {}
        }
    }
    let answer = json!({ "success_task_list": done, "failed_task_list": failed });
    Ok(Answer::Json(StatusCode::ACCEPTED, answer))
}

/// A task as a file's text, or the other way round.
pub fn convert(call: Call) -> Done {
    let (task, text) = (call.body.get("task"), call.body.get("task_config_file").and_then(Value::as_str));
    let (task, file) = match (task, text) {
        (Some(task), None) => (task.clone(), from_json(task)?.to_yaml()),
        (None, Some(text)) => {
            let config = TaskConfig::from_yaml(text)?;
            (to_json(&config), config.to_yaml())
        }
        _ => return Err(common("exactly one of task and task_config_file must be given")),
    };
    Ok(Answer::ok(json!({ "task": task, "task_config_file": file })))
}
