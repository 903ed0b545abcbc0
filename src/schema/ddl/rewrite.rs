//! A statement's text on its way to the target. Every step is a list of edits at spans that the grammar gave, so that
//! nothing the source wrote is lost: other names (routing), full names in backquotes, quotes that don't depend on the
//! SQL mode, IF [NOT] EXISTS, and the character sets of `charset_edits`.

use std::ops::Range;

use super::{
    ast::{Edit, Statement, StatementKind, TableRole},
    lexer::{Token, TokenKind},
    unquote,
};
use crate::schema::{
    model::{TableId, quote_name},
    server::SqlMode,
};

/// Edits of one statement's text. Where two overlap, the one that was added first counts.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Changes(Vec<Edit>);

impl Changes {
    /// Adds edits; those inside a text that is replaced already are left out.
    pub(super) fn add(&mut self, edits: impl IntoIterator<Item = Edit>) {
        for edit in edits {
            let inside = |known: &Edit| {
                !known.span.is_empty() && known.span.start <= edit.span.start && edit.span.end <= known.span.end
            };
            // A text can be put in right behind one that is replaced.
            let behind = |known: &Edit| edit.span.is_empty() && edit.span.start == known.span.end;
            if !self.0.iter().any(|known| *known == edit || (inside(known) && !behind(known))) {
                self.0.push(edit);
            }
        }
    }

    /// Takes over other changes of the same text.
    pub fn extend(&mut self, other: Changes) {
        self.add(other.0);
    }

    /// The changed text.
    pub fn apply(&self, sql: &str) -> String {
        self.apply_to(sql, 0..sql.len())
    }

    /// The changed text of a part; edits that reach beyond it are left out.
    pub fn apply_to(&self, sql: &str, part: Range<usize>) -> String {
        let mut edits: Vec<&Edit> = self.0.iter().collect();
        // What is put in before a text stands before it, too, when that is replaced.
        edits.sort_by_key(|edit| (edit.span.start, edit.span.end));
        let mut out = String::with_capacity(part.len() + 64);
        let mut at = part.start;
        for edit in edits.iter().filter(|edit| edit.span.start >= part.start && edit.span.end <= part.end) {
            if edit.span.start < at {
                continue;
            }
            append(&mut out, sql.get(at..edit.span.start).unwrap_or(""));
            append(&mut out, &edit.text);
            at = edit.span.end;
        }
        append(&mut out, sql.get(at..part.end).unwrap_or(""));
        out
    }
}

/// Puts a piece behind the text. Two quotes that meet would be one inside a longer string or name, and a string behind
/// b, x or n a literal of another kind: a blank keeps apart what was apart in the source's quotes.
fn append(out: &mut String, piece: &str) {
    let meets = match (out.bytes().last(), piece.bytes().next()) {
        (Some(last), Some(first)) => {
            last == first && matches!(first, b'\'' | b'"' | b'`')
                || first == b'\'' && matches!(last, b'b' | b'B' | b'x' | b'X' | b'n' | b'N')
        }
        _ => false,
    };
    if meets {
        out.push(' ');
    }
    out.push_str(piece);
}

impl Statement {
    /// Routing alone: names to which `map(schema, table)` (table is empty for a database) gives another name are
    /// replaced, in backquotes and in full; everything else stays byte by byte. `sql` must be the text that was parsed.
    pub fn reroute(&self, sql: &str, map: impl Fn(&str, &str) -> (String, String)) -> String {
        let mut changes = Changes::default();
        changes.add(self.names(&map, true));
        changes.apply(sql)
    }

    /// The text for a session without a default schema, under any SQL mode: routed, every name in full and in
    /// backquotes, quotes that mean the same under every mode.
    pub fn rewrite(&self, sql: &str, map: impl Fn(&str, &str) -> (String, String)) -> String {
        trimmed(&self.changes(map, false).apply(sql))
    }

    /// Like `rewrite`, and CREATE/DROP of tables and databases get IF NOT EXISTS / IF EXISTS, as DM gives them, so
    /// that a statement that was executed before a crash may be executed again.
    pub fn rewrite_guarded(&self, sql: &str, map: impl Fn(&str, &str) -> (String, String)) -> String {
        trimmed(&self.changes(map, true).apply(sql))
    }

    /// The edits of `rewrite`, or of `rewrite_guarded`.
    pub fn changes(&self, map: impl Fn(&str, &str) -> (String, String), guarded: bool) -> Changes {
        let mut changes = Changes::default();
        changes.add(self.names(&map, false));
        changes.add(self.guard.iter().filter(|_| guarded).cloned());
        changes.add(self.edits.iter().cloned());
        changes
    }

    /// The columns of references that name none (MySQL 9: the parent's primary key), which other servers want. `key` tells
    /// them; what it doesn't know stays as it is.
    pub fn parent_columns(&self, sql: &str, key: impl Fn(&TableId) -> Vec<String>) -> Changes {
        let mut changes = Changes::default();
        for table in self.tables.iter().filter(|table| table.role == TableRole::Parent) {
            let end = table.span.end;
            let mut behind = sql.get(end..).unwrap_or_default().trim_start();
            while let Some((_, rest)) = behind.strip_prefix("/*").and_then(|text| text.split_once("*/")) {
                behind = rest.trim_start();
            }
            let columns = if behind.starts_with('(') { Vec::new() } else { key(&table.id()) };
            if !columns.is_empty() {
                let list: Vec<String> = columns.iter().map(|column| quote_name(column)).collect();
                changes.add([Edit { span: end..end, text: format!(" ({})", list.join(", ")) }]);
            }
        }
        changes
    }

    /// Names as `map` gives them. `only_changed`: a name that stays is left as it is written.
    fn names(&self, map: &impl Fn(&str, &str) -> (String, String), only_changed: bool) -> Vec<Edit> {
        let mut edits = Vec::new();
        for table in &self.tables {
            let (schema, name) = map(&table.schema, &table.name);
            let stays = schema == table.schema && name == table.name;
            if !(stays && only_changed) {
                edits.push(Edit { span: table.span.clone(), text: TableId { schema, name }.to_string() });
            }
        }
        if let Some(database) = &self.database {
            let (schema, _) = map(&database.name, "");
            if !(schema == database.name && only_changed) {
                let omitted = database.span.is_empty();
                let text = if omitted { format!(" {}", quote_name(&schema)) } else { quote_name(&schema) };
                edits.push(Edit { span: database.span.clone(), text });
            }
        }
        edits
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
}

fn trimmed(sql: &str) -> String {
    sql.trim().trim_end_matches(';').trim_end().to_owned()
}

/// A text in single quotes for a session without NO_BACKSLASH_ESCAPES, which those on the target never have. (The
/// hexadecimal form that is safe under every mode is no text for COMMENT and the members of ENUM.)
fn quote_escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('\'');
    for c in text.chars() {
        match c {
            '\'' => out.push_str("''"),
            '\\' => out.push_str("\\\\"),
            '\0' => out.push_str("\\0"),
            other => out.push(other),
        }
    }
    out.push('\'');
    out
}

/// Edits that make the text mean the same under every SQL mode: no double quotes, and no backslash that only
/// NO_BACKSLASH_ESCAPES reads as itself.
pub(super) fn quote_edits(sql: &str, tokens: &[Token], mode: SqlMode) -> Vec<Edit> {
    let escapes = !mode.no_backslash_escapes;
    let edit = |token: &Token| {
        let span = token.span();
        let raw = sql.get(span.clone())?;
        let text = match token.kind {
            TokenKind::Quoted if raw.starts_with('"') => quote_name(&unquote::name(raw)),
            TokenKind::DoubleText => quote_escaped(&unquote::text(raw, escapes)),
            TokenKind::Text if !escapes && raw.contains('\\') => {
                let national = if raw.starts_with('\'') { "" } else { "N" };
                format!("{national}{}", quote_escaped(&unquote::text(raw, escapes)))
            }
            _ => return None,
        };
        Some(Edit { span, text })
    };
    tokens.iter().filter_map(edit).collect()
}
