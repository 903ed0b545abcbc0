//! `transfer-source`.

use super::{cluster::Cluster, input::source_id, reply::Refusal};
use crate::{
    dmctl::{
        cobra::{Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    pb,
};

/// The command line.
pub const SPEC: Spec =
    Spec::new("transfer-source <source-id> <worker-id>", "Transfers an upstream source to another free worker");

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let [source, worker] = matches.args.as_slice() else { return Err(Failure::Usage(String::new())) };
    let request = pb::TransferSourceRequest { source: source_id(source)?, worker: worker.clone() };
    let reply = session.rpc(request, |mut c, r| async move { c.transfer_source(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The leader's side.
pub async fn apply(cluster: &dyn Cluster, request: pb::TransferSourceRequest) -> pb::TransferSourceResponse {
    match cluster.transfer_source(&request.source, &request.worker).await {
        Ok(()) => pb::TransferSourceResponse { result: true, msg: String::new() },
        Err(error) => pb::TransferSourceResponse::failed(&error),
    }
}
