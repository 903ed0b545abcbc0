//! `start-task`.

use std::collections::BTreeMap;

use super::{
    cluster::{Cluster, TaskSpec},
    input::{name_the_file, read_file},
    probe,
    reply::{Refusal, source_done, source_failed},
    wait,
};
use crate::{
    config::{SourceConfig, SubtaskConfig, TaskConfig, TaskMode, in_file},
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError, Result},
    pb,
    units::check::{self, CheckOptions},
};

/// The flag that `check-task` has too.
pub const START_TIME: Flag = Flag::text(
    "start-time",
    "",
    "specify the start time of binlog replication, e.g. '2021-10-21 00:01:00', '2021-10-21T00:01:00', or '2021-10-21T00:01:00+08:00'",
);

/// The command line.
pub const SPEC: Spec = Spec::new(
    "start-task [-s source ...] [--remove-meta] <config-file>",
    "Starts a task as defined in the configuration file",
)
.flags(&[Flag::switch("remove-meta", "whether to remove task's meta data"), START_TIME]);

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let [path] = matches.args.as_slice() else { return Err(Failure::Usage(String::new())) };
    let request = pb::StartTaskRequest {
        task: task_text(path)?,
        sources: matches.sources(),
        remove_meta: matches.is("remove-meta"),
        start_time: matches.one("start-time").to_owned(),
    };
    let reply = wait::told(session, request, |mut c, r| async move { c.start_task(r).await }).await?;
    session.reply_with_report(&reply);
    name_the_file(path, reply.result, &reply.msg);
    Ok(())
}

/// Reads a task file, strictly; TLS files of the target are read here and travel inside, because the server has
/// other files.
fn task_text(path: &str) -> std::result::Result<String, Failure> {
    let text = read_file(path)?;
    let mut task = TaskConfig::decode_yaml(&text).map_err(|e| in_file(e, path))?;
    check_shard_keys(&text, &task)?;
    let Some(security) = task.target_database.as_mut().and_then(|db| db.security.as_mut()) else { return Ok(text) };
    let mut inlined = false;
    for (path, bytes) in [
        (&security.ssl_ca, &mut security.ssl_ca_bytes),
        (&security.ssl_cert, &mut security.ssl_cert_bytes),
        (&security.ssl_key, &mut security.ssl_key_bytes),
    ] {
        if !path.is_empty() && bytes.is_empty() {
            *bytes = std::fs::read(path)
                .map_err(|e| Failure::Text(format!("can't read TLS file {path} of target-database: {e}")))?;
            inlined = true;
        }
    }
    Ok(if inlined { task.to_yaml() } else { text })
}

/// Refuses a task whose two keys for sharding contradict each other; what is not written can't.
pub fn check_shard_keys(text: &str, task: &TaskConfig) -> std::result::Result<(), Failure> {
    let written = |key: &str| text.lines().any(|line| line.starts_with(key));
    let contradiction =
        |what: &str| Failure::Refused(format!("`is-sharding` and `shard-mode` contradict each other: {what}"));
    if written("is-sharding") && !task.is_sharding && !task.shard_mode.is_empty() {
        return Err(contradiction("remove `is-sharding`, or set it to true"));
    }
    if written("shard-mode") && task.shard_mode.is_empty() && task.is_sharding {
        return Err(contradiction("set `shard-mode`, or remove it"));
    }
    Ok(())
}

/// The leader's side: parse, expand, check, then store and start.
pub async fn apply(cluster: &dyn Cluster, request: pb::StartTaskRequest) -> pb::StartTaskResponse {
    let prepared = match prepare(cluster, &request).await {
        Ok(prepared) => prepared,
        Err(error) => return pb::StartTaskResponse::failed(&error),
    };
    if !prepared.strangers.is_empty() {
        return pb::StartTaskResponse { result: false, sources: prepared.strangers, ..Default::default() };
    }
    let report = match checked(&prepared.subtasks, CheckOptions::default()).await {
        Ok(report) => report,
        Err(error) => return pb::StartTaskResponse::failed(&error),
    };
    let spec = TaskSpec {
        name: prepared.name,
        yaml: request.task,
        subtasks: prepared.subtasks,
        remove_meta: request.remove_meta,
        stopped: false,
    };
    match cluster.start_task(spec).await {
        Ok(sources) => pb::StartTaskResponse { result: true, msg: prepared.warnings, sources, check_result: report },
        Err(error) => pb::StartTaskResponse { check_result: report, ..pb::StartTaskResponse::failed(&error) },
    }
}

/// Checks and stores a task without starting it; returns the report of the check.
pub async fn store_stopped(cluster: &dyn Cluster, yaml: String) -> Result<String> {
    let request = pb::StartTaskRequest { task: yaml, ..Default::default() };
    let prepared = prepare(cluster, &request).await?;
    let report = checked(&prepared.subtasks, CheckOptions::default()).await?;
    let (name, subtasks) = (prepared.name, prepared.subtasks);
    cluster.start_task(TaskSpec { name, yaml: request.task, subtasks, remove_meta: false, stopped: true }).await?;
    Ok(report)
}

/// Checks a changed task, and stores it in place of one that doesn't run; returns the report of the check. What a
/// task may change is what a checkpoint does not depend on: 40081 otherwise.
pub async fn replace(cluster: &dyn Cluster, yaml: String, only: &[String]) -> Result<(String, Vec<String>)> {
    let request = pb::StartTaskRequest { task: yaml, sources: only.to_vec(), ..Default::default() };
    let prepared = prepare(cluster, &request).await?;
    let state = cluster.state();
    let stored = state.tasks.get(&prepared.name);
    for new in &prepared.subtasks {
        let Some(old) = stored.and_then(|task| task.subtasks.get(&new.source_id)) else { continue };
        let old = &old.config;
        let same = (old.mode, &old.meta_schema, &old.shard_mode, old.case_sensitive, &old.to.host, old.to.port)
            == (new.mode, &new.meta_schema, &new.shard_mode, new.case_sensitive, &new.to.host, new.to.port);
        if !same {
            return Err(DmError::new(Code::WorkerUpdateSubTaskConfig).msg(format!(
                "the mode, meta-schema, shard-mode, case-sensitive and the target of task {} can't be updated",
                prepared.name
            )));
        }
    }
    let report = checked(&prepared.subtasks, CheckOptions::default()).await?;
    let sources = prepared.subtasks.iter().map(|subtask| subtask.source_id.clone()).collect();
    cluster.update_task(&prepared.name, &request.task, prepared.subtasks).await?;
    Ok((report, sources))
}

/// The leader's side of the RPC UpdateTask.
pub async fn apply_update(cluster: &dyn Cluster, request: pb::UpdateTaskRequest) -> pb::UpdateTaskResponse {
    match replace(cluster, request.task, &request.sources).await {
        Ok((check_result, sources)) => {
            let state = cluster.state();
            let worker = |source: &String| state.bindings.get(source).map_or("", |binding| binding.worker.as_str());
            let sources = sources.iter().map(|source| source_done(source, worker(source))).collect();
            pb::UpdateTaskResponse { result: true, msg: String::new(), sources, check_result }
        }
        Err(error) => pb::UpdateTaskResponse::failed(&error),
    }
}

/// A task that was understood.
struct Prepared {
    name: String,
    subtasks: Vec<SubtaskConfig>,
    warnings: String,
    /// One reply for each source of `-s` that the task does not have.
    strangers: Vec<pb::CommonWorkerResponse>,
}

async fn prepare(cluster: &dyn Cluster, request: &pb::StartTaskRequest) -> Result<Prepared> {
    let task = TaskConfig::from_yaml(&request.task)?;
    let sources = stored_sources(cluster, &task)?;
    let mut subtasks = task.expand(&sources)?;
    let strangers: Vec<_> = request
        .sources
        .iter()
        .filter(|source| !subtasks.iter().any(|subtask| subtask.source_id == **source))
        .map(|source| source_failed(source, "", format!("source {source} is not one of task {}", task.name)))
        .collect();
    if !request.sources.is_empty() {
        subtasks.retain(|subtask| request.sources.contains(&subtask.source_id));
    }
    fill_start_points(&mut subtasks, &sources, &request.start_time).await?;
    let mut warnings = task.warnings();
    if let Some(subtask) = subtasks.first().filter(|_| !request.start_time.is_empty()) {
        warnings.extend(start_time_warning(subtask.mode));
    }
    Ok(Prepared { name: task.name.clone(), subtasks, warnings: warnings.join("\n"), strangers })
}

/// What `--start-time` doesn't do.
fn start_time_warning(mode: TaskMode) -> Option<String> {
    match mode {
        TaskMode::Incremental => None,
        TaskMode::All | TaskMode::LoadSync => Some(format!(
            "`--start-time` counts for a task that is in Sync already: before that, replication of a task in mode `{}` begins \
             where its dump ends",
            mode.as_str()
        )),
        TaskMode::Full | TaskMode::Dump | TaskMode::Load => {
            Some(format!("`--start-time` has no effect on a task in mode `{}`, which reads no binlog", mode.as_str()))
        }
    }
}

/// The cluster's sources that a task names, parsed.
pub fn stored_sources(cluster: &dyn Cluster, task: &TaskConfig) -> Result<BTreeMap<String, SourceConfig>> {
    let state = cluster.state();
    let instances = task.mysql_instances.iter().flatten();
    let named = instances.filter_map(|instance| state.sources.get_key_value(&instance.source_id));
    named.map(|(id, record)| Ok((id.clone(), SourceConfig::from_yaml(&record.yaml)?))).collect()
}

/// An incremental task without a start point begins where its source's binlog ends now.
pub async fn fill_start_points(
    subtasks: &mut [SubtaskConfig],
    sources: &BTreeMap<String, SourceConfig>,
    start_time: &str,
) -> Result<()> {
    if !start_time.is_empty() {
        check_start_time(start_time)?;
    }
    for subtask in subtasks {
        if !start_time.is_empty() {
            subtask.start_time = Some(asked_now(start_time));
        } else if subtask.mode == TaskMode::Incremental
            && subtask.meta.is_none()
            && let Some(source) = sources.get(&subtask.source_id)
        {
            subtask.meta = Some(probe::position(source).await?);
        }
    }
    Ok(())
}

/// A start time with what tells this start from others: resuming the task must not begin there again.
pub fn asked_now(start_time: &str) -> String {
    format!("{start_time}#{}", chrono::Utc::now().timestamp_millis())
}

/// `YYYY-MM-DD hh:mm:ss`, with a blank or `T`, and an optional offset (`Z`, `+hh:mm`, `+hhmm`).
pub fn check_start_time(text: &str) -> Result<()> {
    if is_time(text) {
        return Ok(());
    }
    Err(DmError::new(Code::ConfigStartTimeTooLate)
        .msg(format!("start-time {text:?} is not a time"))
        .workaround("Please write it as '2021-10-21 00:01:00', '2021-10-21T00:01:00' or '2021-10-21T00:01:00+08:00'."))
}

fn is_time(text: &str) -> bool {
    let (time, offset) = text.split_at_checked(19).unwrap_or((text, ""));
    // `0` stands for a digit.
    let shaped = |text: &str, shape: &str| {
        let fits = |(c, s): (char, char)| if s == '0' { c.is_ascii_digit() } else { c == s };
        text.len() == shape.len() && text.chars().zip(shape.chars()).all(fits)
    };
    let within = |from: usize, limits: std::ops::RangeInclusive<u32>| {
        time.get(from..from + 2).and_then(|digits| digits.parse().ok()).is_some_and(|n: u32| limits.contains(&n))
    };
    (shaped(time, "0000-00-00 00:00:00") || shaped(time, "0000-00-00T00:00:00"))
        && (within(5, 1..=12) && within(8, 1..=31) && within(11, 0..=23) && within(14, 0..=59) && within(17, 0..=59))
        && ["", "Z", "+00:00", "-00:00", "+0000", "-0000"].iter().any(|shape| shaped(offset, shape))
}

/// The report's text, or the error that holds it.
pub async fn checked(subtasks: &[SubtaskConfig], options: CheckOptions) -> Result<String> {
    check::run(subtasks, options).await?.into_result()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn start_times_have_the_known_forms() {
        for text in [
            "2021-10-21 00:01:00",
            "2021-10-21T00:01:00",
            "2021-10-21T00:01:00Z",
            "2021-10-21T00:01:00+08:00",
            "2021-10-21 00:01:00-0830",
        ] {
            assert!(check_start_time(text).is_ok(), "{text}");
        }
        for text in ["2021-10-21", "yesterday", "2021-13-21 00:01:00", "2021-10-21 00:01:00+8"] {
            assert!(check_start_time(text).unwrap_err().to_string().starts_with("[code=20057"), "{text}");
        }
    }

    #[test]
    fn contradicting_shard_keys_are_refused_before_anything_is_sent() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let path = file.path().to_str().unwrap();
        for (text, wanted) in [
            ("name: t\nis-sharding: false\nshard-mode: optimistic\n", Some("remove `is-sharding`")),
            ("name: t\nis-sharding: true\nshard-mode: \"\"\n", Some("set `shard-mode`")),
            ("name: t\nis-sharding: true\nshard-mode: optimistic\n", None),
        ] {
            std::fs::write(path, text).unwrap();
            match (task_text(path), wanted) {
                (Err(Failure::Refused(e)), Some(wanted)) => assert!(e.contains(wanted), "{e}"),
                (Ok(sent), None) => assert_eq!(sent, text),
                (other, _) => panic!("{text}: {other:?}"),
            }
        }
        std::fs::write(path, "nope: 1\n").unwrap();
        let Err(Failure::Text(e)) = task_text(path) else { panic!() };
        assert!(e.starts_with("[code=20003:") && e.contains("nope"), "{e}");
    }
}
