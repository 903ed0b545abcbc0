//! `check-task`.

use super::{
    cluster::Cluster,
    input::{name_the_file, read_file},
    reply::Refusal,
    start_task::{START_TIME, check_shard_keys, fill_start_points, stored_sources},
    wait,
};
use crate::{
    config::TaskConfig,
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::Result,
    pb,
    units::check::{self, CheckOptions},
};

/// The command line.
pub const SPEC: Spec =
    Spec::new("check-task <config-file> [--error count] [--warn count]", "Checks the configuration file of the task")
        .flags(&[
            Flag::int("error", 10, "max count of errors to display").short('e'),
            Flag::int("warn", 10, "max count of warnings to display").short('w'),
            START_TIME,
        ]);

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let [path] = matches.args.as_slice() else { return Err(Failure::Usage(String::new())) };
    let task = read_file(path)?;
    // What can't be read at all is told by the master's report.
    if let Ok(parsed) = TaskConfig::decode_yaml(&task) {
        check_shard_keys(&task, &parsed)?;
    }
    let request = pb::CheckTaskRequest {
        task,
        err_cnt: matches.int("error"),
        warn_cnt: matches.int("warn"),
        start_time: matches.one("start-time").to_owned(),
    };
    let reply = wait::told(session, request, |mut c, r| async move { c.check_task(r).await }).await?;
    session.reply_with_report(&reply);
    name_the_file(path, reply.result, &reply.msg);
    Ok(())
}

/// The leader's side: where the checks stand that are made now.
pub fn progress() -> pb::CheckProgressResponse {
    let checks = check::now().into_iter().map(|(task, seconds, at)| pb::CheckUnderWay { task, seconds, at });
    pb::CheckProgressResponse { checks: checks.collect() }
}

/// The leader's side.
pub async fn apply(cluster: &dyn Cluster, request: pb::CheckTaskRequest) -> pb::CheckTaskResponse {
    match report(cluster, &request).await {
        Ok(msg) => pb::CheckTaskResponse { result: true, msg },
        Err(error) => pb::CheckTaskResponse::failed(&error),
    }
}

async fn report(cluster: &dyn Cluster, request: &pb::CheckTaskRequest) -> Result<String> {
    let task = TaskConfig::from_yaml(&request.task)?;
    let sources = stored_sources(cluster, &task)?;
    let mut subtasks = task.expand(&sources)?;
    fill_start_points(&mut subtasks, &sources, &request.start_time).await?;
    let options = CheckOptions { error_limit: request.err_cnt, warn_limit: request.warn_cnt };
    let report = check::run(&subtasks, options).await?;
    let estimate = report.summary.estimate.filter(|_| report.summary.successful == report.summary.total);
    let text = report.into_result()?;
    // A report that lists something has the figures in its summary.
    Ok(estimate.map_or(text.clone(), |estimate| format!("{text}{}", estimate.to_text())))
}
