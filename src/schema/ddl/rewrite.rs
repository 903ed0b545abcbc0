//! A statement's text with other names: only the names' tokens change, so nothing that the source wrote is lost.

use super::{
    ast::{Edit, Statement, StatementKind},
    lexer::{Token, TokenKind},
};
use crate::schema::{
    model::{TableId, quote_name, quote_text},
    server::SqlMode,
};

impl Statement {
    /// The original text with every table and database name replaced by what `map(schema, table)` gives (table is
    /// empty for a database), always backquoted and qualified. `sql` must be the text that was parsed. Quotes that
    /// depend on the SQL mode are replaced by ones that don't.
    pub fn rewrite(&self, sql: &str, map: impl Fn(&str, &str) -> (String, String)) -> String {
        self.edited(sql, map, false)
    }

    /// Like `rewrite`, and CREATE/DROP of tables and databases get IF NOT EXISTS / IF EXISTS, as DM gives them, so
    /// that a statement that was executed before a crash may be executed again.
    pub fn rewrite_guarded(&self, sql: &str, map: impl Fn(&str, &str) -> (String, String)) -> String {
        self.edited(sql, map, true)
    }

    /// A statement about several tables as one statement for each, in order, names qualified and backquoted; None
    /// when it is about one. Parse each part again to route or filter it.
    pub fn split(&self) -> Option<Vec<String>> {
        let parts: Vec<String> = match &self.kind {
            StatementKind::DropTable { tables, if_exists } => {
                let guard = if *if_exists { " IF EXISTS" } else { "" };
                tables.iter().map(|table| format!("DROP TABLE{guard} {table}")).collect()
            }
            StatementKind::RenameTable { pairs, if_exists } => {
                let guard = if *if_exists { " IF EXISTS" } else { "" };
                pairs.iter().map(|(from, to)| format!("RENAME TABLE{guard} {from} TO {to}")).collect()
            }
            _ => return None,
        };
        (parts.len() > 1).then_some(parts)
    }

    fn edited(&self, sql: &str, map: impl Fn(&str, &str) -> (String, String), guarded: bool) -> String {
        let mut edits: Vec<Edit> = Vec::new();
        for table in &self.tables {
            let (schema, name) = map(&table.schema, &table.name);
            edits.push(Edit { span: table.span.clone(), text: TableId { schema, name }.to_string() });
        }
        if let Some(database) = &self.database {
            let (schema, _) = map(&database.name, "");
            let omitted = database.span.is_empty();
            let text = if omitted { format!(" {}", quote_name(&schema)) } else { quote_name(&schema) };
            edits.push(Edit { span: database.span.clone(), text });
        }
        edits.extend(self.guard.iter().filter(|_| guarded).cloned());
        // A quote inside a name that is replaced anyway is not edited twice.
        let names = edits.clone();
        let inside = |edit: &&Edit| {
            !names.iter().any(|name| name.span.start <= edit.span.start && edit.span.end <= name.span.end)
        };
        edits.extend(self.edits.iter().filter(inside).cloned());
        apply(sql, edits)
    }
}

/// Applies edits that don't overlap.
fn apply(sql: &str, mut edits: Vec<Edit>) -> String {
    edits.sort_by_key(|edit| edit.span.start);
    let mut out = String::with_capacity(sql.len() + 64);
    let mut at = 0;
    for edit in edits {
        if edit.span.start < at {
            continue;
        }
        out.push_str(sql.get(at..edit.span.start).unwrap_or(""));
        out.push_str(&edit.text);
        at = edit.span.end;
    }
    out.push_str(sql.get(at..).unwrap_or(""));
    out.trim().trim_end_matches(';').trim_end().to_owned()
}

/// Edits that make the text mean the same under every SQL mode: no double quotes, and no backslash that only
/// NO_BACKSLASH_ESCAPES reads as itself.
pub(super) fn quote_edits(sql: &str, tokens: &[Token], mode: SqlMode) -> Vec<Edit> {
    let edit = |token: &Token| {
        let text = match &token.kind {
            TokenKind::Quoted(name) if sql.get(token.span.clone())?.starts_with('"') => quote_name(name),
            TokenKind::Text { value, double: true } => quote_text(value),
            TokenKind::Text { value, .. } if mode.no_backslash_escapes && value.contains('\\') => quote_text(value),
            _ => return None,
        };
        Some(Edit { span: token.span.clone(), text })
    };
    tokens.iter().filter_map(edit).collect()
}
