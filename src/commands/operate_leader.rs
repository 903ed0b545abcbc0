//! `operate-leader evict|cancel-evict`: for the master that is asked, not for the leader.

use super::{cluster::Cluster, reply::Refusal};
use crate::{
    dmctl::{
        cobra::{Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    error::{Code, DmError},
    pb::{self, LeaderOp},
};

/// The command line.
pub const SPEC: Spec = Spec::new("operate-leader <operate-type>", "`evict`/`cancel-evict` the leader")
    .operations(&["evict", "cancel-evict"]);

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    let op = match matches.args.as_slice() {
        [op] if op == "evict" => LeaderOp::EvictLeaderOp,
        [op] if op == "cancel-evict" => LeaderOp::CancelEvictLeaderOp,
        [other] => {
            return Err(Failure::Refused(format!(
                "invalid operate '{other}' on leader (allowed: evict, cancel-evict)"
            )));
        }
        _ => return Err(Failure::Usage(String::new())),
    };
    let request = pb::OperateLeaderRequest { op: op as i32 };
    let reply = session.rpc(request, |mut c, r| async move { c.operate_leader(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The master's side.
pub async fn apply(cluster: &dyn Cluster, request: pb::OperateLeaderRequest) -> pb::OperateLeaderResponse {
    let done =
        match LeaderOp::try_from(request.op) {
            Ok(LeaderOp::EvictLeaderOp) => cluster.evict(true).await,
            Ok(LeaderOp::CancelEvictLeaderOp) => cluster.evict(false).await,
            _ => Err(DmError::new(Code::MasterInvalidOperateOp)
                .msg(format!("operation {} is not one for a leader", request.op))),
        };
    match done {
        Ok(()) => pb::OperateLeaderResponse { result: true, msg: String::new() },
        Err(error) => pb::OperateLeaderResponse::failed(&error),
    }
}
