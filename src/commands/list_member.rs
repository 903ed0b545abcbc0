//! `list-member`.

use super::cluster::Cluster;
use crate::{
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    pb::{self, members::Member},
};

/// The command line.
pub const SPEC: Spec = Spec::new(
    "list-member [--leader] [--master] [--worker] [--name master-name/worker-name ...]",
    "Lists member information",
)
.flags(&[
    Flag::switch("leader", "only to list the leader's information").short('l'),
    Flag::switch("master", "only to list masters' information").short('m'),
    Flag::switch("worker", "only to list workers' information").short('w'),
    Flag::list("name", "only to list the members with these names").short('n'),
]);

/// The dmctl side.
pub async fn run(session: &mut Session, matches: &Matches) -> Outcome {
    if !matches.args.is_empty() {
        return Err(Failure::Usage(String::new()));
    }
    let request = pb::ListMemberRequest {
        leader: matches.is("leader"),
        master: matches.is("master"),
        worker: matches.is("worker"),
        names: matches.all("name"),
    };
    let reply = session.rpc(request, |mut c, r| async move { c.list_member(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The leader's side. None of the three kinds asked for means all; names that are not wanted are emptied out,
/// their kind's entry stays.
pub async fn apply(cluster: &dyn Cluster, request: pb::ListMemberRequest) -> pb::ListMemberResponse {
    let all = !(request.leader || request.master || request.worker);
    let wanted = |name: &str| request.names.is_empty() || request.names.iter().any(|n| n == name);
    let mut members = Vec::new();
    for mut entry in cluster.members().await {
        let listed = match &mut entry.member {
            Some(Member::Leader(leader)) => {
                if !wanted(&leader.name) {
                    *leader = pb::ListLeaderMember { msg: std::mem::take(&mut leader.msg), ..Default::default() };
                }
                request.leader
            }
            Some(Member::Master(master)) => {
                master.masters.retain(|m| wanted(&m.name));
                request.master
            }
            Some(Member::Worker(worker)) => {
                worker.workers.retain(|w| wanted(&w.name));
                request.worker
            }
            None => false,
        };
        if all || listed {
            members.push(entry);
        }
    }
    pb::ListMemberResponse { result: true, msg: String::new(), members }
}
