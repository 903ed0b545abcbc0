//! Errors 11006 and 11007: statements that are not understood, or understood and not migrated.

use crate::error::{Code, DmError};

const WORKAROUND: &str = "If the target doesn't need this statement, please skip it with a `filters` rule (schema-pattern `*`, a `sql-pattern` that \
     matches it, action Ignore); else execute its equivalent on the target first and then skip it. Resume the task afterwards.";

/// Error 11006 for a text and a reason.
pub(super) fn not_understood(sql: &str, reason: &str) -> DmError {
    DmError::new(Code::ParseSQL)
        .msg(format!("parse statement: {}", shortened(sql)))
        .cause(reason)
        .workaround(WORKAROUND)
}

/// Error 11007 for a text and what in it is not migrated.
pub(super) fn refused(sql: &str, what: &str) -> DmError {
    DmError::new(Code::UnknownTypeDDL)
        .msg(format!("{what} is not supported: {}", shortened(sql)))
        .workaround(WORKAROUND)
}

/// The text cut to DM's 1024 bytes. Statements that can hold passwords never come here: they are skipped before.
fn shortened(sql: &str) -> String {
    match sql.char_indices().find(|(i, _)| *i >= 1024) {
        Some((i, _)) => format!("{}...", &sql[..i]),
        None => sql.to_owned(),
    }
}
