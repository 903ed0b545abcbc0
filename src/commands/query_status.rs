//! `query-status`: a summary of all tasks, or everything about some of them.

use std::{collections::BTreeMap, io::IsTerminal, time::Duration};

use futures::future::join_all;
use serde_json::{Map, Value, json};

use super::{cluster::Cluster, input::task_name, reply::Refusal, status_table};
use crate::{
    config::GoDuration,
    dmctl::{
        cobra::{Flag, Matches, Spec},
        json::print_plain,
        session::{Failure, Outcome, Session},
    },
    pb,
};

/// Nobody reads faster.
const MIN_INTERVAL: Duration = Duration::from_millis(100);

/// The command line.
pub const SPEC: Spec =
    Spec::new("query-status [-s source ...] [task-name | task-file] [--more]", "Queries task status").flags(&[
        Flag::switch("more", "whether to print the detailed information"),
        Flag::text("output", "json", "json, or a table for people").short('o'),
        Flag::switch("watch", "prints the table again and again"),
        Flag::text("interval", "2s", "time between two tables of --watch"),
        Flag::int("rounds", 0, "ends --watch after so many tables").hidden(),
    ]);

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let name = match matches.args.as_slice() {
        [] => String::new(),
        [task] => task_name(task),
        _ => return Err(Failure::Usage(String::new())),
    };
    let sources = matches.sources();
    match matches.one("output") {
        "table" => return watch(session, matches, name, sources).await,
        "json" if matches.is("watch") => return watch(session, matches, name, sources).await,
        "json" => {}
        other => return Err(Failure::Usage(format!("output {other:?} is not known (allowed: json, table)"))),
    }
    let overview = name.is_empty() && sources.is_empty() && !matches.is("more");
    let request = pb::QueryStatusListRequest { name, sources, more: matches.is("more") };
    let reply = session.rpc_in_time(request, |mut c, r| async move { c.query_status(r).await }).await?;
    if overview && reply.result && reply.sources.iter().all(|source| source.result) {
        session.line(&print_plain(&summary(&reply)));
    } else {
        session.reply(&reply);
    }
    Ok(())
}

/// Prints the table, once or again and again; colours and a cleared screen are for terminals.
async fn watch(session: &mut Session, matches: &Matches, name: String, sources: Vec<String>) -> Outcome {
    let interval = matches.one("interval").parse::<GoDuration>().map(GoDuration::to_std).unwrap_or_default();
    if interval < MIN_INTERVAL {
        return Err(Failure::Usage("--interval must be a duration of 100ms or more, such as 2s".to_owned()));
    }
    let terminal = std::io::stdout().is_terminal();
    let colour = terminal && std::env::var_os("NO_COLOR").is_none();
    let mut round = 0;
    loop {
        let request = pb::QueryStatusListRequest { name: name.clone(), sources: sources.clone(), more: true };
        let reply = session.rpc_in_time(request, |mut c, r| async move { c.query_status(r).await }).await;
        let text = match reply {
            Ok(reply) => status_table::render(&reply, colour),
            // Somebody who watches wants to see it come back.
            Err(Failure::Text(why)) if matches.is("watch") => format!("{why}\n"),
            Err(failure) => return Err(failure),
        };
        let clear = if terminal && matches.is("watch") { "\u{1b}[H\u{1b}[2J" } else { "" };
        session.line(&format!("{clear}{}", text.trim_end()));
        round += 1;
        if !matches.is("watch") || round == matches.int("rounds") {
            return Ok(());
        }
        tokio::time::sleep(interval).await;
    }
}

#[derive(Default)]
struct Task {
    status: String,
    sources: Vec<String>,
}

/// One entry a task, from the states of its subtasks in source order.
fn summary(reply: &pb::QueryStatusListResponse) -> Value {
    let mut tasks: BTreeMap<&str, Task> = BTreeMap::new();
    for source in &reply.sources {
        let relay = source.source_status.as_ref().and_then(|s| s.relay_status.as_ref());
        for subtask in &source.sub_task_status {
            let task = tasks.entry(&subtask.name).or_default();
            task.status = next_status(&task.status, subtask, relay);
            if let Some(status) = &source.source_status {
                task.sources.push(status.source.clone());
            }
        }
    }
    let entries: Vec<Value> = tasks.into_iter().map(|(name, task)| entry(name, task)).collect();
    json!({ "result": reply.result, "msg": reply.msg, "tasks": entries })
}

fn entry(name: &str, mut task: Task) -> Value {
    if task.status.starts_with("Error") {
        task.status.push_str(&format!(". Please run `query-status {name}` to get more details."));
    }
    let mut members = Map::new();
    members.insert("taskName".into(), name.into());
    if !task.status.is_empty() {
        members.insert("taskStatus".into(), task.status.into());
    }
    if !task.sources.is_empty() {
        members.insert("sources".into(), task.sources.into());
    }
    Value::Object(members)
}

/// The task's status after one more subtask: the first rule that fits wins.
fn next_status(status: &str, subtask: &pb::SubTaskStatus, relay: Option<&pb::RelayStatus>) -> String {
    use pb::Stage;
    let stage = subtask.stage();
    let relay_stopped = relay.filter(|relay| matches!(relay.stage(), Stage::Paused | Stage::Stopped));
    if status.starts_with("Error") {
        status.to_owned()
    } else if stage == Stage::Paused && subtask.result.as_ref().is_some_and(|r| !r.errors.is_empty()) {
        "Error - Some error occurred in subtask".to_owned()
    } else if let (pb::UnitType::Sync, Stage::Running, Some(relay)) = (subtask.unit(), stage, relay_stopped) {
        let failed = relay.result.as_ref().is_some_and(|r| !r.errors.is_empty());
        format!("Error - Relay status is {}", if failed { "Error" } else { relay.stage().as_str_name() })
    } else if status == "Paused" {
        status.to_owned()
    } else if status.is_empty() || stage == Stage::Paused || status == stage.as_str_name() {
        stage.as_str_name().to_owned()
    } else {
        "Running".to_owned()
    }
}

/// The leader's side.
pub async fn apply(cluster: &dyn Cluster, request: pb::QueryStatusListRequest) -> pb::QueryStatusListResponse {
    let state = cluster.state();
    let of_task = match request.name.as_str() {
        "" => None,
        name => match state.tasks.get(name).filter(|task| !task.subtasks.is_empty()) {
            Some(task) => Some(task),
            None => return Refusal::refused(format!("task {name} has no source or not exist")),
        },
    };
    let mut sources = match (request.sources.is_empty(), of_task) {
        (false, _) => request.sources,
        (true, Some(task)) => task.subtasks.keys().cloned().collect(),
        (true, None) => state.sources.keys().cloned().collect(),
    };
    let unknown: Vec<&str> = sources.iter().filter(|s| !state.sources.contains_key(*s)).map(String::as_str).collect();
    if !unknown.is_empty() {
        return Refusal::refused(format!("sources [{}] haven't been added", unknown.join(" ")));
    }
    sources.sort_unstable();
    sources.dedup();
    let mut replies = join_all(sources.iter().map(|source| cluster.query_status(source, &request.name))).await;
    if !request.more {
        for subtask in replies.iter_mut().flat_map(|reply| &mut reply.sub_task_status) {
            match &mut subtask.status {
                Some(pb::sub_task_status::Status::Sync(status)) => status.more = None,
                Some(pb::sub_task_status::Status::Dump(status)) => status.more = None,
                Some(pb::sub_task_status::Status::Load(status)) => status.more = None,
                _ => {}
            }
        }
    }
    pb::QueryStatusListResponse { result: true, msg: String::new(), sources: replies }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pb::{ProcessError, ProcessResult, RelayStatus, Stage, SubTaskStatus, UnitType};

    fn subtask(stage: Stage, failed: bool) -> SubTaskStatus {
        let result = failed.then(|| ProcessResult { errors: vec![ProcessError::default()], ..Default::default() });
        SubTaskStatus { stage: stage as i32, unit: UnitType::Sync as i32, result, ..Default::default() }
    }

    fn walk(stages: &[(Stage, bool)]) -> String {
        stages
            .iter()
            .fold(String::new(), |status, (stage, failed)| next_status(&status, &subtask(*stage, *failed), None))
    }

    #[test]
    fn a_tasks_status_follows_its_subtasks() {
        use Stage::*;
        for (stages, wanted) in [
            (vec![(Running, false), (Running, false)], "Running"),
            (vec![(Finished, false), (Finished, false)], "Finished"),
            (vec![(Finished, false), (Running, false)], "Running"),
            (vec![(New, false), (Stopped, false)], "Running"),
            (vec![(Running, false), (Paused, false), (Running, false)], "Paused"),
            (vec![(Paused, false), (Paused, true), (Running, false)], "Error - Some error occurred in subtask"),
            (vec![], ""),
        ] {
            assert_eq!(walk(&stages), wanted, "{stages:?}");
        }
    }

    #[test]
    fn a_stopped_relay_is_an_error_of_a_running_sync() {
        let relay = |stage: Stage, failed: bool| RelayStatus {
            stage: stage as i32,
            result: subtask(stage, failed).result,
            ..Default::default()
        };
        let running = subtask(Stage::Running, false);
        for (relay, wanted) in [
            (relay(Stage::Paused, false), "Error - Relay status is Paused"),
            (relay(Stage::Stopped, false), "Error - Relay status is Stopped"),
            (relay(Stage::Paused, true), "Error - Relay status is Error"),
            (relay(Stage::Running, false), "Running"),
        ] {
            assert_eq!(next_status("", &running, Some(&relay)), wanted);
        }
    }
}
