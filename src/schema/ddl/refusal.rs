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

/// The text cut to DM's 1024 bytes, and before a password: accounts' statements never come here (they are skipped), but
/// a table option may hold one, and a text that isn't understood may be anything.
fn shortened(sql: &str) -> String {
    let upper = sql.to_ascii_uppercase();
    let secret = ["PASSWORD", "IDENTIFIED", "CONNECTION"].iter().filter_map(|word| upper.find(word)).min();
    let end = secret.unwrap_or(sql.len()).min(1024);
    let end = (0..=end).rev().find(|at| sql.is_char_boundary(*at)).unwrap_or(0);
    match sql.get(..end) {
        Some(text) if end < sql.len() => format!("{text}..."),
        _ => sql.to_owned(),
    }
}
