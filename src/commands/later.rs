//! Commands that DM has and this version does not: they are listed, and say so.

use crate::{
    dmctl::{
        cobra::Flag,
        session::{Failure, Outcome},
    },
    error::{Code, DmError},
};

/// `-d`, of several commands.
pub const DATABASE: Flag = Flag::text("database", "", "database of the table").short('d');
/// `-t`, of several commands.
pub const TABLE: Flag = Flag::text("table", "", "name of the table").short('t');

/// The answer of dmctl.
pub fn run(names: &[&str]) -> Outcome {
    Err(Failure::Text(format!("command `{}` is not supported by this version yet", names.join(" "))))
}

/// The answer of a server (38041).
pub fn refusal(operation: &str) -> DmError {
    DmError::new(Code::MasterInvalidOperateOp).msg(format!("{operation} is not supported by this version yet"))
}
