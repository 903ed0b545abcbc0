//! Commands that DM has and this version does not: they are listed, and say so.

use crate::{
    dmctl::{
        cobra::{Flag, Spec},
        session::{Failure, Outcome},
    },
    error::{Code, DmError},
};

/// `-d`, of several commands.
pub const DATABASE: Flag = Flag::text("database", "", "database of the table").short('d');
/// `-t`, of several commands.
pub const TABLE: Flag = Flag::text("table", "", "name of the table").short('t');

pub const TRANSFER_SOURCE: Spec =
    Spec::new("transfer-source <source-id> <worker-id>", "Transfers an upstream source to another free worker");
pub const OFFLINE_MEMBER: Spec = Spec::new(
    "offline-member <--master/--worker> <--name master-name/worker-name>",
    "Forgets a member that was shut down",
)
.flags(&[
    Flag::switch("master", "the member is a master").short('m'),
    Flag::switch("worker", "the member is a worker").short('w'),
    Flag::text("name", "", "name of the member").short('n'),
]);
pub const OPERATE_LEADER: Spec = Spec::new("operate-leader <operate-type>", "`evict`/`cancel-evict` the leader");

/// The answer of dmctl.
pub fn run(names: &[&str]) -> Outcome {
    Err(Failure::Text(format!("command `{}` is not supported by this version yet", names.join(" "))))
}

/// The answer of a server (38041).
pub fn refusal(operation: &str) -> DmError {
    DmError::new(Code::MasterInvalidOperateOp).msg(format!("{operation} is not supported by this version yet"))
}
