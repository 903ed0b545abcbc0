//! `validation`: this version has no validator. What would start one is refused in words; everything else answers as
//! for tasks that have none.

use super::{
    cluster::Cluster,
    input::task_name,
    later,
    reply::{Refusal, source_failed},
    start_task::{START_TIME, check_start_time},
};
use crate::{
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError},
    pb::{self, Stage, ValidateErrorState, ValidationErrOp},
};

const ALL_ERRORS: Flag = Flag::switch("all", "all rows that differ");
const ALL_TASK: Flag = Flag::switch("all-task", "all tasks");

/// The command line.
pub const SPEC: Spec = Spec::new("validation", "Compares migrated rows with the source while a task runs").group(&[
    Spec::new("start [--all-task] [task-name]", "Starts validation").flags(&[
        ALL_TASK,
        Flag::text("mode", "full", "how rows are compared: full or fast"),
        START_TIME,
    ]),
    Spec::new("stop [--all-task] [task-name]", "Stops validation").flags(&[ALL_TASK]),
    Spec::new("status [--table-stage stage] <task-name>", "Shows how validation stands").flags(&[Flag::text(
        "table-stage",
        "",
        "only tables of this stage: running or stopped",
    )]),
    Spec::new("show-error [--error error-state] <task-name>", "Shows rows that differ").flags(&[Flag::text(
        "error",
        "unprocessed",
        "which ones: all, ignored or unprocessed",
    )]),
    Spec::new("ignore-error <task-name> <error-id|--all>", "Marks differing rows as ignored").flags(&[ALL_ERRORS]),
    Spec::new("resolve-error <task-name> <error-id|--all>", "Marks differing rows as resolved").flags(&[ALL_ERRORS]),
    Spec::new("clear-error <task-name> <error-id|--all>", "Forgets differing rows").flags(&[ALL_ERRORS]),
    Spec::new("update [task-name]", "Changes a running validation").flags(&[
        Flag::text(
            "cutover-binlog-pos",
            "",
            "binlog file and position from which the new settings hold, such as '(mysql-bin.000001, 5989)'",
        ),
        Flag::text("cutover-binlog-gtid", "", "the same as a GTID set, for sources with GTID"),
    ]),
]);

/// The dmctl side.
pub async fn run(session: &mut Session, op: &str, matches: &Matches) -> Outcome {
    match op {
        "start" => start(session, matches).await,
        "stop" => stop(session, matches).await,
        "status" => status(session, matches).await,
        "show-error" => show_error(session, matches).await,
        "ignore-error" => operate_error(session, matches, ValidationErrOp::IgnoreErrOp).await,
        "resolve-error" => operate_error(session, matches, ValidationErrOp::ResolveErrOp).await,
        "clear-error" => operate_error(session, matches, ValidationErrOp::ClearErrOp).await,
        _ => update(session, matches).await,
    }
}

fn usage(text: &str) -> Failure {
    Failure::Usage(text.to_owned())
}

/// Exactly one of a task and `--all-task`.
fn target(matches: &Matches) -> Result<String, Failure> {
    match (matches.args.as_slice(), matches.is("all-task")) {
        ([], true) => Ok(String::new()),
        ([task], false) => Ok(task_name(task)),
        ([], false) => Err(usage("either `task-name` or `--all-task` should be set")),
        ([_], true) => Err(usage("either `task-name` or `--all-task` should be set, not both")),
        _ => Err(usage("")),
    }
}

async fn start(session: &mut Session, matches: &Matches) -> Outcome {
    let task_name = target(matches)?;
    let mode = matches.one("mode");
    if !matches!(mode, "full" | "fast") {
        return Err(usage("mode should be either `full` or `fast`"));
    }
    let start_time = matches.one("start-time");
    if matches.given("start-time") {
        check_start_time(start_time).map_err(|e| Failure::Usage(e.to_string()))?;
    }
    use pb::start_validation_request::{Mode, StartTime};
    let request = pb::StartValidationRequest {
        mode: matches.given("mode").then(|| Mode::ModeValue(mode.to_owned())),
        start_time: matches.given("start-time").then(|| StartTime::StartTimeValue(start_time.to_owned())),
        sources: matches.sources(),
        task_name,
    };
    let reply = session.rpc(request, |mut c, r| async move { c.start_validation(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

async fn stop(session: &mut Session, matches: &Matches) -> Outcome {
    let request = pb::StopValidationRequest { sources: matches.sources(), task_name: target(matches)? };
    let reply = session.rpc(request, |mut c, r| async move { c.stop_validation(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

async fn status(session: &mut Session, matches: &Matches) -> Outcome {
    let [task] = matches.args.as_slice() else { return Err(usage("task name should be specified")) };
    let filter_status = match matches.one("table-stage") {
        "" => Stage::InvalidStage,
        "running" => Stage::Running,
        "stopped" => Stage::Stopped,
        _ => return Err(usage("stage should be either `running`, `stopped`, or empty")),
    };
    let request = pb::GetValidationStatusRequest { task_name: task_name(task), filter_status: filter_status as i32 };
    let reply = session.rpc(request, |mut c, r| async move { c.get_validation_status(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

async fn show_error(session: &mut Session, matches: &Matches) -> Outcome {
    let [task] = matches.args.as_slice() else { return Err(usage("task name should be specified")) };
    let err_state = match matches.one("error") {
        "all" => ValidateErrorState::InvalidErr,
        "ignored" => ValidateErrorState::IgnoredErr,
        "unprocessed" => ValidateErrorState::NewErr,
        _ => return Err(usage("error flag should be either `all`, `ignored`, or `unprocessed`")),
    };
    let request = pb::GetValidationErrorRequest { task_name: task_name(task), err_state: err_state as i32 };
    let reply = session.rpc(request, |mut c, r| async move { c.get_validation_error(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

async fn operate_error(session: &mut Session, matches: &Matches, op: ValidationErrOp) -> Outcome {
    let (task, id) = match (matches.args.as_slice(), matches.is("all")) {
        ([task], true) => (task, None),
        ([task, id], false) => (task, Some(id)),
        ([_], false) => return Err(usage("either `--all` or `error-id` should be set")),
        ([_, _], true) => return Err(usage("either `--all` or `error-id` should be set, not both")),
        _ => return Err(usage("task name should be specified")),
    };
    let err_id = match id.map(|id| id.parse::<u64>()) {
        None => 0,
        Some(Ok(id)) => id,
        Some(Err(_)) => return Err(usage("error-id should be a number")),
    };
    let request = pb::OperateValidationErrorRequest {
        op: op as i32,
        is_all_error: id.is_none(),
        task_name: task_name(task),
        err_id,
    };
    let reply = session.rpc(request, |mut c, r| async move { c.operate_validation_error(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

async fn update(session: &mut Session, matches: &Matches) -> Outcome {
    let task = match matches.args.as_slice() {
        [] => String::new(),
        [task] => task_name(task),
        _ => return Err(usage("")),
    };
    let sources = matches.sources();
    if task.is_empty() && sources.is_empty() {
        return Err(usage("must specify a task, or at least one source (`-s` / `--source`)"));
    }
    let (pos, gtid) = (matches.one("cutover-binlog-pos"), matches.one("cutover-binlog-gtid"));
    if pos.is_empty() && gtid.is_empty() {
        return Err(usage("must specify --cutover-binlog-pos, or --cutover-binlog-gtid for sources with GTID"));
    }
    let request = pb::UpdateValidationRequest {
        task_name: task,
        sources,
        binlog_pos: pos.to_owned(),
        binlog_gtid: gtid.to_owned(),
    };
    let reply = session.rpc(request, |mut c, r| async move { c.update_validation(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The subtasks that a request is about, as (source, worker); none: the reply's text.
fn subtasks(cluster: &dyn Cluster, task: &str, sources: &[String]) -> Result<Vec<(String, String)>, String> {
    let state = cluster.state();
    let wanted = |source: &&String| sources.is_empty() || sources.contains(source);
    let mut found: Vec<(String, String)> = Vec::new();
    for record in state.tasks.values().filter(|record| task.is_empty() || record.name == task) {
        for source in record.subtasks.keys().filter(wanted) {
            let worker = state.bindings.get(source).map(|binding| binding.worker.clone()).unwrap_or_default();
            found.push((source.clone(), worker));
        }
    }
    found.sort_unstable();
    found.dedup();
    match (found.is_empty(), sources.is_empty()) {
        (false, _) => Ok(found),
        (true, true) => Err(format!("cannot get subtask by task name `{task}`")),
        (true, false) => Err(format!("cannot get subtask by task name `{task}` and sources `{}`", sources.join(" "))),
    }
}

/// 43006 for each of them.
fn without_validator(task: &str, found: &[(String, String)]) -> Vec<pb::CommonWorkerResponse> {
    found.iter().map(|(source, worker)| source_failed(source, worker, no_validator(task, source))).collect()
}

fn no_validator(task: &str, source: &str) -> DmError {
    DmError::new(Code::ValidatorNotFound).msg(format!("validator not found for task {task} with source {source}"))
}

/// The leader's side of start: refused.
pub fn apply_start(cluster: &dyn Cluster, request: &pb::StartValidationRequest) -> pb::StartValidationResponse {
    match subtasks(cluster, &request.task_name, &request.sources) {
        Ok(_) => Refusal::failed(
            &later::refusal("continuous validation")
                .workaround("Please compare the data with a tool such as sync-diff-inspector."),
        ),
        Err(why) => Refusal::refused(why),
    }
}

/// The leader's side of stop.
pub fn apply_stop(cluster: &dyn Cluster, request: &pb::StopValidationRequest) -> pb::StopValidationResponse {
    match subtasks(cluster, &request.task_name, &request.sources) {
        Ok(found) => pb::StopValidationResponse {
            result: false,
            msg: "some validators of the task don't exist".into(),
            sources: without_validator(&request.task_name, &found),
        },
        Err(why) => Refusal::refused(why),
    }
}

/// The leader's side of update.
pub fn apply_update(cluster: &dyn Cluster, request: &pb::UpdateValidationRequest) -> pb::UpdateValidationResponse {
    match subtasks(cluster, &request.task_name, &request.sources) {
        Ok(found) => pb::UpdateValidationResponse {
            result: true,
            msg: String::new(),
            sources: without_validator(&request.task_name, &found),
        },
        Err(why) => Refusal::refused(why),
    }
}

/// The leader's side of status: a task without validators has none to show.
pub fn apply_status(
    cluster: &dyn Cluster,
    request: &pb::GetValidationStatusRequest,
) -> pb::GetValidationStatusResponse {
    match first_without(cluster, &request.task_name) {
        Err(why) => Refusal::refused(why),
        Ok(error) => Refusal::failed(&error),
    }
}

/// The leader's side of show-error.
pub fn apply_show_error(
    cluster: &dyn Cluster,
    request: &pb::GetValidationErrorRequest,
) -> pb::GetValidationErrorResponse {
    match first_without(cluster, &request.task_name) {
        Err(why) => Refusal::refused(why),
        Ok(error) => Refusal::failed(&error),
    }
}

/// The leader's side of ignore, resolve and clear.
pub fn apply_operate_error(
    cluster: &dyn Cluster,
    request: &pb::OperateValidationErrorRequest,
) -> pb::OperateValidationErrorResponse {
    match first_without(cluster, &request.task_name) {
        Err(why) => Refusal::refused(why),
        Ok(error) => Refusal::failed(&error),
    }
}

fn first_without(cluster: &dyn Cluster, task: &str) -> Result<DmError, String> {
    if task.is_empty() {
        return Err("task name should be specified".into());
    }
    let found = subtasks(cluster, task, &[])?;
    Ok(no_validator(task, found.first().map_or("", |(source, _)| source)))
}
