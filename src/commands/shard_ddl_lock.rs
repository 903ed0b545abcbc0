//! `shard-ddl-lock`, and its old forms `show-ddl-locks` and `unlock-ddl-lock`. No unit of this version takes such
//! locks, so the answers are those of a cluster that has none.

use super::{
    cluster::Cluster,
    input::task_name,
    later::{DATABASE, TABLE},
    reply::Refusal,
};
use crate::{
    dmctl::{
        cobra::{Flag, Matches, Spec},
        session::{Failure, Outcome, Session},
    },
    pb::{self, UnlockDdlLockOp},
};

const UNLOCK_FLAGS: &[Flag] = &[
    Flag::text("owner", "", "source that takes the owner's place").short('o'),
    Flag::switch("force-remove", "removes the lock although statements could not be run").short('f'),
    Flag::text("action", "skip", "what becomes of the statements: skip or exec").short('a'),
    DATABASE,
    TABLE,
];

/// The command line.
pub const SPEC: Spec = Spec::new("shard-ddl-lock [task]", "Shows or resolves shard DDL locks")
    .with_subcommands(&[Spec::new("unlock <lock-id>", "Resolves a shard DDL lock by force").flags(UNLOCK_FLAGS)]);

/// The old form that shows.
pub const SHOW: Spec = Spec::new("show-ddl-locks [-s source ...] [task-name | task-file]", "Shows DDL locks").hidden();

/// The old form that resolves.
pub const UNLOCK: Spec =
    Spec::new("unlock-ddl-lock <lock-ID>", "Resolves a DDL lock by force").hidden().flags(UNLOCK_FLAGS);

/// The dmctl side of showing.
pub async fn run_show(session: &mut Session, matches: &Matches) -> Outcome {
    let task = match matches.args.as_slice() {
        [] => String::new(),
        [task] => task_name(task),
        _ => return Err(Failure::Usage(String::new())),
    };
    let request = pb::ShowDdlLocksRequest { task, sources: matches.sources() };
    let reply = session.rpc(request, |mut c, r| async move { c.show_ddl_locks(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The dmctl side of resolving.
pub async fn run_unlock(session: &mut Session, matches: &Matches) -> Outcome {
    let [id] = matches.args.as_slice() else { return Err(Failure::Usage(String::new())) };
    let op = match matches.one("action") {
        "skip" => UnlockDdlLockOp::SkipLock,
        "exec" => UnlockDdlLockOp::ExecLock,
        other => return Err(Failure::Usage(format!("invalid action '{other}' (allowed: skip, exec)"))),
    };
    let request = pb::UnlockDdlLockRequest {
        id: id.clone(),
        replace_owner: matches.one("owner").to_owned(),
        force_remove: matches.is("force-remove"),
        op: op as i32,
        sources: matches.sources(),
        database: matches.one("database").to_owned(),
        table: matches.one("table").to_owned(),
    };
    let reply = session.rpc(request, |mut c, r| async move { c.unlock_ddl_lock(r).await }).await?;
    session.reply(&reply);
    Ok(())
}

/// The leader's side of showing.
pub fn show(_request: pb::ShowDdlLocksRequest) -> pb::ShowDdlLocksResponse {
    pb::ShowDdlLocksResponse { result: true, msg: "no DDL lock exists".into(), locks: Vec::new() }
}

/// The leader's side of resolving: a lock's id is ``task-`schema`.`table` ``.
pub fn unlock(cluster: &dyn Cluster, request: &pb::UnlockDdlLockRequest) -> pb::UnlockDdlLockResponse {
    let Some(task) = request.id.rsplit_once("-`").map(|(task, _)| task).filter(|task| !task.is_empty()) else {
        return Refusal::refused("can't find task name from lock-ID".into());
    };
    if !cluster.state().tasks.contains_key(task) {
        return Refusal::refused(format!("task ({task}) is not found"));
    }
    Refusal::refused(format!("lock with ID {} not found", request.id))
}
