//! `offline-member`.

use super::{cluster::Cluster, reply::Refusal};
use crate::{
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError, Result},
    pb,
};

/// The command line.
pub const SPEC: Spec = Spec::new(
    "offline-member <--master/--worker> <--name master-name/worker-name>",
    "Forgets a member that was shut down",
)
.flags(&[
    Flag::switch("master", "the member is a master").short('m'),
    Flag::switch("worker", "the member is a worker").short('w'),
    Flag::text("name", "", "name of the member").short('n'),
]);

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let kind = match (matches.is("master"), matches.is("worker")) {
        (true, false) => "master",
        (false, true) => "worker",
        _ => return Err(Failure::Usage("give exactly one of --master and --worker".to_owned())),
    };
    let name = matches.one("name").to_owned();
    if name.is_empty() || !matches.args.is_empty() {
        return Err(Failure::Usage("give the member's --name".to_owned()));
    }
    let request = pb::OfflineMemberRequest { r#type: kind.to_owned(), name };
    let reply = session.rpc(request, |mut c, r| async move { c.offline_member(r).await }).await?;
    if !reply.result {
        return Err(Failure::Refused(format!("offline member failed:\n{}", reply.msg)));
    }
    session.reply(&reply);
    Ok(())
}

/// The leader's side.
pub async fn apply(cluster: &dyn Cluster, request: pb::OfflineMemberRequest) -> pb::OfflineMemberResponse {
    match forget(cluster, &request).await {
        Ok(()) => pb::OfflineMemberResponse { result: true, msg: String::new() },
        Err(error) => pb::OfflineMemberResponse::failed(&error),
    }
}

async fn forget(cluster: &dyn Cluster, request: &pb::OfflineMemberRequest) -> Result<()> {
    match request.r#type.as_str() {
        "master" => cluster.remove_master(&request.name).await,
        "worker" => cluster.remove_worker(&request.name).await,
        other => Err(DmError::new(Code::MasterInvalidOfflineType)
            .msg(format!("offline type {other:?} is neither master nor worker"))
            .workaround("Please use --master or --worker.")),
    }
}
