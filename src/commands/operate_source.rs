//! `operate-source create|update|stop|show`.

use super::{
    cluster::{Cluster, SourceSpec},
    input::{read_file, source_id},
    probe,
    reply::{Refusal, source_done, source_failed},
};
use crate::{
    config::{SourceConfig, samples},
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError, Result},
    pb::{self, SourceOp},
};

/// The command line.
pub const SPEC: Spec = Spec::new(
    "operate-source <operate-type> [config-file ...] [-w worker] [--print-sample-config]",
    "`create`/`update`/`stop`/`show` upstream MySQL/MariaDB source",
)
.operations(&["create", "update", "stop", "show"])
.flags(&[
    Flag::switch("print-sample-config", "print sample config file of source").short('p'),
    Flag::text("worker", "", "specify bound worker for created source").short('w'),
]);

/// What an added source is told when no worker can take it.
const NO_FREE_WORKER: &str = "source is added but there is no free worker to bound";

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    if matches.is("print-sample-config") {
        session.line(samples::SOURCE.trim_end());
        return Ok(());
    }
    let Some((kind, arguments)) = matches.args.split_first() else { return Err(Failure::Usage(String::new())) };
    let op = match kind.as_str() {
        "create" => SourceOp::StartSource,
        "update" => SourceOp::UpdateSource,
        "stop" => SourceOp::StopSource,
        "show" => SourceOp::ShowSource,
        other => {
            return Err(Failure::Refused(format!(
                "invalid operate '{other}' on worker (allowed: create, update, stop, show)"
            )));
        }
    };
    let mut request =
        pb::OperateSourceRequest { op: op as i32, worker_name: matches.one("worker").to_owned(), ..Default::default() };
    if matches!(op, SourceOp::StartSource | SourceOp::UpdateSource) {
        if arguments.is_empty() {
            return Err(Failure::Refused("operate-source create/stop should specify config-file(s)".to_owned()));
        }
        if !request.worker_name.is_empty() && arguments.len() > 1 {
            return Err(Failure::Usage("with --worker give exactly one config file".to_owned()));
        }
        for path in arguments {
            let text = read_file(path)?;
            SourceConfig::from_yaml_file(path, &text)?;
            request.config.push(text);
        }
    } else {
        for argument in arguments {
            request.source_id.push(source_id(argument)?);
        }
        request.source_id.extend(matches.sources());
        if op == SourceOp::StopSource && request.source_id.is_empty() {
            return Err(Failure::Refused(
                "operate-source create/stop should specify config-file(s) or source ids".to_owned(),
            ));
        }
    }
    let reply = session.rpc(request, |mut c, r| async move { c.operate_source(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The leader's side.
pub async fn apply(cluster: &dyn Cluster, request: pb::OperateSourceRequest) -> pb::OperateSourceResponse {
    let done =
        match SourceOp::try_from(request.op) {
            Ok(SourceOp::StartSource) => create(cluster, &request).await,
            Ok(SourceOp::UpdateSource) => update(cluster, &request).await,
            Ok(SourceOp::StopSource) => stop(cluster, &request).await,
            Ok(SourceOp::ShowSource) => Ok(show(cluster, &request)),
            _ => Err(DmError::new(Code::MasterInvalidOperateOp)
                .msg(format!("operation {} is not one for sources", request.op))),
        };
    match done {
        Ok(sources) => pb::OperateSourceResponse { result: true, msg: String::new(), sources },
        Err(error) => pb::OperateSourceResponse::failed(&error),
    }
}

/// All sources or none: what was added before a failure is removed again.
async fn create(cluster: &dyn Cluster, request: &pb::OperateSourceRequest) -> Result<Vec<pb::CommonWorkerResponse>> {
    let mut specs = Vec::new();
    for text in &request.config {
        let mut source = SourceConfig::from_yaml(text)?;
        let known = |spec: &SourceSpec| spec.source_id == source.source_id;
        if cluster.state().sources.contains_key(&source.source_id) || specs.iter().any(known) {
            return Err(exists(&source.source_id));
        }
        probe::complete(&mut source).await?;
        specs.push(SourceSpec { source_id: source.source_id.clone(), yaml: source.to_yaml() });
    }
    let worker = Some(request.worker_name.clone()).filter(|name| !name.is_empty());
    let mut added: Vec<pb::CommonWorkerResponse> = Vec::new();
    for spec in specs {
        let id = spec.source_id.clone();
        match cluster.add_source(spec, worker.clone()).await {
            Ok(worker) => added.push(bound(&id, &worker)),
            Err(error) => {
                for source in &added {
                    if let Err(e) = cluster.remove_source(&source.source).await {
                        tracing::warn!(source = source.source, error = %e, "source stays although the request failed");
                    }
                }
                return Err(error);
            }
        }
    }
    Ok(added)
}

fn bound(source: &str, worker: &str) -> pb::CommonWorkerResponse {
    let mut reply = source_done(source, worker);
    if worker.is_empty() {
        reply.msg = NO_FREE_WORKER.to_owned();
    }
    reply
}

fn exists(source: &str) -> DmError {
    DmError::new(Code::SchedulerSourceCfgExist).msg(format!("source config with ID {source} already exists"))
}

fn unknown(source: &str) -> DmError {
    DmError::new(Code::SchedulerSourceCfgNotExist).msg(format!("source config with ID {source} not exists"))
}

async fn update(cluster: &dyn Cluster, request: &pb::OperateSourceRequest) -> Result<Vec<pb::CommonWorkerResponse>> {
    let mut updated = Vec::new();
    for text in &request.config {
        let mut source = SourceConfig::from_yaml(text)?;
        let state = cluster.state();
        let stored = state.sources.get(&source.source_id).ok_or_else(|| unknown(&source.source_id))?;
        if source.server_id == 0
            && let Ok(stored) = SourceConfig::from_yaml(&stored.yaml)
        {
            source.server_id = stored.server_id; // a new number would look like another replica to the source
        }
        probe::complete(&mut source).await?;
        let spec = SourceSpec { source_id: source.source_id.clone(), yaml: source.to_yaml() };
        let worker = cluster.update_source(spec).await?;
        updated.push(source_done(&source.source_id, &worker));
    }
    Ok(updated)
}

async fn stop(cluster: &dyn Cluster, request: &pb::OperateSourceRequest) -> Result<Vec<pb::CommonWorkerResponse>> {
    let mut ids = request.source_id.clone();
    for text in &request.config {
        ids.push(SourceConfig::from_yaml(text)?.source_id);
    }
    let mut stopped = Vec::new();
    for id in ids {
        let worker = cluster.remove_source(&id).await?;
        stopped.push(source_done(&id, &worker));
    }
    Ok(stopped)
}

fn show(cluster: &dyn Cluster, request: &pb::OperateSourceRequest) -> Vec<pb::CommonWorkerResponse> {
    let state = cluster.state();
    let ids: Vec<&String> = match request.source_id.is_empty() {
        true => state.sources.keys().collect(),
        false => request.source_id.iter().collect(),
    };
    let one = |id: &String| match (state.sources.contains_key(id), state.bindings.get(id)) {
        (true, binding) => source_done(id, binding.map_or("", |b| b.worker.as_str())),
        (false, _) => source_failed(id, "", unknown(id)),
    };
    ids.into_iter().map(one).collect()
}
