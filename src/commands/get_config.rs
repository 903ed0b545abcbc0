//! `get-config` (the old name of `config`), and what a leader answers to both.

use super::{cluster::Cluster, input::open_error, reply::Refusal};
use crate::{
    config::{MasterConfig, SourceConfig, render_task},
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError, Result},
    pb::{self, CfgType},
};

/// The command line.
pub const SPEC: Spec =
    Spec::new("get-config <task | master | worker | source> <name> [--file filename]", "Gets the configuration")
        .hidden()
        .aliases(&[TASK_ALIAS])
        .operations(&["task", "master", "worker", "source"])
        .flags(&[Flag::text("file", "", "write config to file").short('f')]);

/// The name of before other kinds could be asked for.
const TASK_ALIAS: &str = "get-task-config";

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let (kind, name) = match matches.args.as_slice() {
        [name] if matches.called_as == TASK_ALIAS => ("task", name),
        [kind, name] if matches.called_as != TASK_ALIAS => (kind.as_str(), name),
        _ => return Err(Failure::Usage(String::new())),
    };
    let kind = match kind {
        "task" => CfgType::TaskType,
        "master" => CfgType::MasterType,
        "worker" => CfgType::WorkerType,
        "source" => CfgType::SourceType,
        other => {
            return Err(Failure::Refused(format!(
                "invalid config type '{other}' (allowed: task, master, worker, source)"
            )));
        }
    };
    show(session, kind, name, matches.one("file")).await
}

/// Prints the whole reply; with a file the configuration goes there instead, readable by its owner only.
pub async fn show(session: &mut Session, kind: CfgType, name: &str, file: &str) -> Outcome {
    let request = pb::GetCfgRequest { r#type: kind as i32, name: name.to_owned() };
    let mut reply = session.rpc_in_time(request, |mut c, r| async move { c.get_cfg(r).await }).await?;
    if reply.result && !file.is_empty() {
        if let Err(e) = super::config_files::write_private(file.as_ref(), &reply.cfg) {
            session.line(&format!("can not write config to file {file}"));
            return Err(Failure::Text(open_error(file, &e)));
        }
        reply.msg = format!("write config to file {file} succeed");
        reply.cfg = String::new();
    }
    session.reply(&reply);
    Ok(())
}

/// The leader's side.
pub async fn apply(cluster: &dyn Cluster, master: &MasterConfig, request: pb::GetCfgRequest) -> pb::GetCfgResponse {
    match config_text(cluster, master, &request).await {
        Ok(Some(cfg)) => pb::GetCfgResponse { result: true, msg: String::new(), cfg },
        Ok(None) => pb::GetCfgResponse::refused(format!("{} not found", kind_name(request.r#type()))),
        Err(error) => pb::GetCfgResponse::failed(&error),
    }
}

fn kind_name(kind: CfgType) -> &'static str {
    match kind {
        CfgType::TaskType => "task",
        CfgType::MasterType => "master",
        CfgType::WorkerType => "worker",
        CfgType::SourceType => "source",
        CfgType::TaskTemplateType => "task template",
        CfgType::InvalidType => "config",
    }
}

async fn config_text(
    cluster: &dyn Cluster,
    master: &MasterConfig,
    request: &pb::GetCfgRequest,
) -> Result<Option<String>> {
    let state = cluster.state();
    let name = request.name.as_str();
    match request.r#type() {
        CfgType::TaskType => Ok(state.tasks.get(name).map(|task| {
            let subtasks: Vec<_> = task.subtasks.values().map(|subtask| subtask.config.clone()).collect();
            render_task(&subtasks)
        })),
        CfgType::SourceType => match state.sources.get(name) {
            Some(source) => Ok(Some(SourceConfig::from_yaml(&source.yaml)?.to_yaml_masked())),
            None => Ok(None),
        },
        CfgType::MasterType if name == master.name => Ok(Some(master.to_toml())),
        CfgType::WorkerType if state.workers.contains_key(name) => cluster.worker_config(name).await.map(Some),
        CfgType::MasterType | CfgType::WorkerType => Ok(None),
        // Those are the HTTP API's (`gateway::openapi::template`).
        CfgType::TaskTemplateType => Ok(None),
        CfgType::InvalidType => Err(DmError::new(Code::MasterInvalidOperateOp).msg(format!(
            "configuration type {} is unknown (allowed: TaskType, MasterType, WorkerType, SourceType, TaskTemplateType)",
            request.r#type
        ))),
    }
}

/// The leader's side of the RPC GetSubTaskCfg: TOML, a text a source.
pub fn subtasks(cluster: &dyn Cluster, task: &str) -> pb::GetSubTaskCfgResponse {
    let state = cluster.state();
    let Some(record) = state.tasks.get(task).filter(|record| !record.subtasks.is_empty()) else {
        return pb::GetSubTaskCfgResponse::refused(format!("task {task} has no source or not exist"));
    };
    let hidden = || crate::config::Secret(crate::config::MASK.to_owned());
    let shown = |subtask: &std::sync::Arc<crate::coordinator::state::SubtaskRecord>| {
        let mut config = subtask.config.clone();
        (config.from.password, config.to.password) = (hidden(), hidden());
        for db in [&mut config.from, &mut config.to] {
            if let Some(security) = &mut db.security {
                security.ssl_key_bytes.clear();
            }
        }
        toml::to_string(&config)
    };
    match record.subtasks.values().map(shown).collect() {
        Ok(cfgs) => pb::GetSubTaskCfgResponse { result: true, msg: String::new(), cfgs },
        Err(e) => pb::GetSubTaskCfgResponse::refused(format!("the config can't be shown: {e}")),
    }
}
