//! MySQL's and MariaDB's DDL: from text to `Statement`, and back to text with other names.
//!
//! The grammar is our own, over our own lexer: names must be replaced in the original text, so every token keeps its
//! byte span, and what is executed depends on the server (`/*!80023 .. */`, `/*M! .. */`) and the SQL mode. What the
//! grammar doesn't know is refused with a clear error, never guessed.

mod alter;
mod ast;
mod charset_edits;
mod column;
pub(in crate::schema) mod column_type;
mod create_table;
mod cursor;
mod decode;
mod default;
mod event;
mod index;
mod lexer;
mod multi_byte;
mod options;
mod partition;
mod refusal;
mod rewrite;
mod sequence;
mod single_byte;
mod skipped;
mod spans;
mod split;
mod statement;
mod swe7;
mod texts;
mod timestamp_edits;
mod unquote;

#[cfg(test)]
mod form_tests;
#[cfg(test)]
mod rewrite_tests;
#[cfg(test)]
mod tests;

pub use ast::*;
pub use charset_edits::{CharsetRules, MappedAt};
pub use decode::{decode, decode_bytes};
pub use multi_byte::multi_byte;
pub use rewrite::Changes;
pub use single_byte::upper_half;
pub use spans::*;
pub use split::ClausePart;
pub use texts::texts;

use super::server::{ServerInfo, SqlMode};
use crate::error::{Code, DmError, Result};

/// What a statement was written under: all of it is in the binlog's query event or in the source's configuration.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ParseContext {
    /// The session's default schema; may be empty.
    pub default_schema: String,
    pub sql_mode: SqlMode,
    /// The server that executed it.
    pub server: ServerInfo,
}

/// Parses one statement. Errors: 11006 for text that is not understood, 11007 for a statement that is understood but
/// can't be migrated; both say what to do.
pub fn parse(sql: &str, context: &ParseContext) -> Result<Statement> {
    let split = lexer::tokenize(sql, context.sql_mode, context.server)
        .map_err(|reason| refusal::not_understood(sql, reason))?;
    let quote_edits = rewrite::quote_edits(sql, &split.tokens, context.sql_mode);
    let mut parser = cursor::Parser::new(sql, context, split.tokens);
    let kind = parser.statement()?;
    let mut edits = parser.edits;
    edits.extend(quote_edits);
    Ok(Statement {
        kind,
        tables: parser.tables,
        database: parser.database,
        clauses: parser.clauses,
        charset_names: parser.charset_names,
        charset_places: parser.charset_places,
        objects: parser.objects,
        unknown: parser.unknown,
        executed_comments: split.executed,
        guard: parser.guard,
        edits,
    })
}

/// Error 11007 for a statement about a sequence.
pub fn sequence_error(sql: &str) -> DmError {
    refusal::refused(sql, "a sequence")
}

/// Error 36014 for a row change in statement format. The text is not shown: it holds row values.
pub fn statement_format_error(verb: Dml) -> DmError {
    DmError::new(Code::SyncUnitDMLStatementFound)
        .msg(format!("only the ROW binlog format is supported, but the binlog has a {verb:?} statement"))
        .workaround(
            "Please set `binlog_format` of the source to ROW, close the sessions that were opened before, and start the \
             task again from a position after the last such statement.",
        )
}
