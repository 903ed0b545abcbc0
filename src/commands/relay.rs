//! `start-relay`, `stop-relay`, `pause-relay`, `resume-relay` and `purge-relay`. This version reads binlogs straight
//! from the source and has no relay unit: what would start one is refused in words, everything else answers as for a
//! source that has none.

use super::{
    cluster::Cluster,
    later,
    reply::{Refusal, source_done, source_failed},
};
use crate::{
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError, Result},
    pb::{self, RelayOp, RelayOpV2},
};

/// The command line.
pub const START: Spec =
    Spec::new("start-relay <-s source-id> [worker ...]", "Starts pulling the relay log of a source");
/// The command line.
pub const STOP: Spec = Spec::new("stop-relay <-s source-id> [worker ...]", "Stops pulling the relay log of a source");
/// The command line.
pub const PAUSE: Spec = Spec::new("pause-relay <-s source ...>", "Pauses the relay unit of sources");
/// The command line.
pub const RESUME: Spec = Spec::new("resume-relay <-s source ...>", "Resumes the relay unit of sources");
/// The command line.
pub const PURGE: Spec = Spec::new(
    "purge-relay <-s source> <-f filename> [--sub-dir directory]",
    "Removes relay log files of a source that are older than a file",
)
.flags(&[
    Flag::text("filename", "", "files before this one are removed, such as \"mysql-bin.000006\"").short('f'),
    Flag::text("sub-dir", "", "relay sub-directory of the file; the latest one if not given"),
]);

/// Printed before the reply when workers are named.
const DEPRECATED: &str = "start-relay/stop-relay with worker name will be deprecated soon. You can try stopping relay \
                          first and use start-relay without worker name instead";

/// The dmctl side of start and stop.
pub async fn run_operate(session: &mut Session, matches: &Matches, op: RelayOpV2) -> Outcome {
    let sources = matches.sources();
    let [source] = sources.as_slice() else {
        return Err(Failure::Usage("must specify one source (`-s` / `--source`)".to_owned()));
    };
    if !matches.args.is_empty() {
        session.line(DEPRECATED);
    }
    let request = pb::OperateRelayRequest { op: op as i32, source: source.clone(), worker: matches.args.clone() };
    let reply = session.rpc(request, |mut c, r| async move { c.operate_relay(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The dmctl side of pause and resume.
pub async fn run_pause(session: &mut Session, matches: &Matches, op: RelayOp) -> Outcome {
    let sources = matches.sources();
    if !matches.args.is_empty() {
        return Err(Failure::Usage(String::new()));
    }
    if sources.is_empty() {
        return Err(Failure::Usage("must specify at least one source (`-s` / `--source`)".to_owned()));
    }
    let request = pb::OperateWorkerRelayRequest { op: op as i32, sources };
    let reply = session.rpc(request, |mut c, r| async move { c.operate_worker_relay_task(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The dmctl side of purge.
pub async fn run_purge(session: &mut Session, matches: &Matches) -> Outcome {
    let (sources, filename) = (matches.sources(), matches.one("filename").trim().to_owned());
    if !matches.args.is_empty() || sources.is_empty() {
        return Err(Failure::Usage("must specify one source (`-s` / `--source`)".to_owned()));
    }
    if sources.len() > 1 {
        return Err(Failure::Usage("can only purge the relay log of one source at a time".to_owned()));
    }
    if filename.is_empty() {
        return Err(Failure::Usage("must specify the name of a relay log file (`-f` / `--filename`)".to_owned()));
    }
    let sub_dir = matches.one("sub-dir").trim().to_owned();
    if sub_dir.is_empty() {
        session.line("[warn] no --sub-dir specify for --filename, the latest one will be used");
    }
    let request = pb::PurgeWorkerRelayRequest { sources, filename, sub_dir, ..Default::default() };
    let reply = session.rpc(request, |mut c, r| async move { c.purge_worker_relay(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The leader's side of start and stop. A relay that doesn't run is stopped already.
pub fn operate(cluster: &dyn Cluster, request: &pb::OperateRelayRequest) -> pb::OperateRelayResponse {
    match operated(cluster, request) {
        Ok(sources) => pb::OperateRelayResponse { result: true, msg: String::new(), sources },
        Err(error) => pb::OperateRelayResponse::failed(&error),
    }
}

fn operated(cluster: &dyn Cluster, request: &pb::OperateRelayRequest) -> Result<Vec<pb::CommonWorkerResponse>> {
    let state = cluster.state();
    if !state.sources.contains_key(&request.source) {
        return Err(DmError::new(Code::SchedulerSourceCfgNotExist)
            .msg(format!("source config with ID {} not exists", request.source)));
    }
    if let Some(worker) = request.worker.iter().find(|worker| !state.workers.contains_key(*worker)) {
        return Err(DmError::new(Code::SchedulerWorkerNotExist).msg(format!("dm-worker with name {worker} not exists")));
    }
    match request.op() {
        RelayOpV2::StopRelayV2 if request.worker.is_empty() => {
            let worker = state.bindings.get(&request.source).map_or("", |binding| binding.worker.as_str());
            Ok(vec![source_done(&request.source, worker)])
        }
        RelayOpV2::StopRelayV2 => Ok(request.worker.iter().map(|w| source_done(&request.source, w)).collect()),
        RelayOpV2::StartRelayV2 => Err(later::refusal("a relay log")
            .workaround("Please leave relay off: binlogs are read from the source itself.")),
        RelayOpV2::InvalidRelayOpV2 => {
            Err(DmError::new(Code::MasterInvalidOperateOp).msg(format!("op {} of relay is not known", request.op)))
        }
    }
}

/// The leader's side of pause and resume.
pub fn pause(cluster: &dyn Cluster, request: &pb::OperateWorkerRelayRequest) -> pb::OperateWorkerRelayResponse {
    let (state, op) = (cluster.state(), request.op);
    let one = |source: &String| match state.bindings.get(source) {
        Some(binding) => {
            let why = DmError::new(Code::MasterOperRespNotSuccess)
                .msg("some error occurs in dm-worker: relay is disabled for this source")
                .workaround("Please execute `query-status` to check status.");
            source_failed(source, &binding.worker, why)
        }
        None => source_failed(source, "", format!("source {source} relevant source not found")),
    };
    let mut sources: Vec<_> = request.sources.iter().map(one).collect();
    sources.sort_by(|a, b| a.source.cmp(&b.source));
    pb::OperateWorkerRelayResponse { op, result: true, msg: String::new(), sources }
}

/// The leader's side of purge.
pub fn purge(request: &pb::PurgeWorkerRelayRequest) -> pb::PurgeWorkerRelayResponse {
    let missing = |source: &String| {
        source_failed(source, "", format!("relay worker for source {source} not found, please `start-relay` first"))
    };
    pb::PurgeWorkerRelayResponse {
        result: true,
        msg: String::new(),
        sources: request.sources.iter().map(missing).collect(),
    }
}
