//! Rows of information_schema as parts of a structure.

use super::bulk::collation_symbol;
use crate::schema::{
    charset::canonical_charset,
    column_type::{BaseType, ColumnType},
    model::{Check, Column, DefaultValue, Generated, Index, IndexColumn, IndexKind, TableInfo, same_name},
    server::ServerInfo,
    tracker::default::stored,
};

/// A row of COLUMNS.
pub(super) struct Described {
    pub(super) name: String,
    pub(super) ty: String,
    pub(super) nullable: bool,
    pub(super) default: Option<String>,
    pub(super) charset: Option<String>,
    pub(super) collation: Option<String>,
    pub(super) extra: String,
    pub(super) comment: String,
    pub(super) generated: String,
}

impl Described {
    /// None: the row doesn't tell all.
    pub(super) fn column(self, server: &ServerInfo) -> Option<Column> {
        let extra = self.extra.to_ascii_uppercase();
        let ty = ColumnType::parse(&self.ty)?;
        let character = ty.base.has_charset() && self.charset.as_deref().is_some_and(|charset| charset != "binary");
        let (charset, collation) = match (character, &self.charset, &self.collation) {
            (true, Some(charset), Some(collation)) => {
                (canonical_charset(charset).map(Into::into), Some(collation_symbol(collation)))
            }
            (true, ..) => return None,
            _ => (None, None),
        };
        let is_generated = ["VIRTUAL", "STORED GENERATED", "PERSISTENT"].iter().any(|word| extra.contains(word));
        let generated = is_generated.then(|| Generated {
            expression: without_escapes(&self.generated, server),
            stored: !extra.contains("VIRTUAL"),
        });
        let default = match self.default {
            Some(text) if !is_generated => default_value(&text, &ty, &extra, server)?,
            _ => None,
        };
        Some(Column {
            name: self.name,
            default: default.map(|value| stored(value, &ty)),
            charset,
            collation,
            nullable: self.nullable,
            generated,
            auto_increment: extra.contains("AUTO_INCREMENT"),
            on_update_now: extra.contains("ON UPDATE CURRENT_TIMESTAMP"),
            comment: self.comment,
            invisible: extra.contains("INVISIBLE"),
            json_valid: false,
            ty,
        })
    }
}

/// What COLUMN_DEFAULT says. Outer None: it can't be told (bytes end at the first zero byte there).
fn default_value(text: &str, ty: &ColumnType, extra: &str, server: &ServerInfo) -> Option<Option<DefaultValue>> {
    let temporal = matches!(ty.base, BaseType::DateTime | BaseType::Timestamp);
    if temporal && text.to_ascii_lowercase().starts_with("current_timestamp") {
        return Some(Some(DefaultValue::CurrentTimestamp));
    }
    let bytes = matches!(ty.base, BaseType::Binary | BaseType::VarBinary) || ty.base.is_blob();
    let bits = text.strip_prefix("b'").and_then(|rest| rest.strip_suffix('\'')).and_then(bits);
    if let (BaseType::Bit, Some(bits)) = (ty.base, bits) {
        return Some(Some(DefaultValue::Bytes(bits)));
    }
    if !server.is_mariadb() {
        if extra.contains("DEFAULT_GENERATED") {
            return Some(Some(DefaultValue::Expression(without_escapes(text, server))));
        }
        return (!bytes).then(|| Some(DefaultValue::Literal(text.to_owned())));
    }
    if text == "NULL" {
        return Some(None);
    }
    if let Some(inner) = text.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        // An expression may begin and end with a quote too.
        return match unquoted(inner) {
            Some(value) if !bytes => Some(Some(DefaultValue::Literal(value))),
            Some(_) => None,
            None => Some(Some(DefaultValue::Expression(text.to_owned()))),
        };
    }
    if bytes && text.starts_with("x'") {
        return None;
    }
    let number = text.parse::<f64>().is_ok_and(f64::is_finite);
    Some(Some(if number { DefaultValue::Number(text.to_owned()) } else { DefaultValue::Expression(text.to_owned()) }))
}

/// The value of a text between quotes; None when a quote in it ends the literal.
fn unquoted(inner: &str) -> Option<String> {
    let mut out = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        match c {
            '\'' => match chars.next() {
                Some('\'') => out.push('\''),
                _ => return None,
            },
            '\\' => match chars.next()? {
                'n' => out.push('\n'),
                'r' => out.push('\r'),
                't' => out.push('\t'),
                '0' => out.push('\0'),
                other => out.push(other),
            },
            other => out.push(other),
        }
    }
    Some(out)
}

/// `101` as bytes.
fn bits(digits: &str) -> Option<Vec<u8>> {
    if digits.len() > 64 {
        return None;
    }
    let number = u64::from_str_radix(digits, 2).ok()?;
    Some(number.to_be_bytes().to_vec())
}

/// MySQL 8 tells expressions as it would tell them within a text: quotes and backslashes stand behind a backslash.
fn without_escapes(expression: &str, server: &ServerInfo) -> String {
    if server.is_mariadb() || server.version < 80_000 {
        return expression.to_owned();
    }
    let mut out = String::with_capacity(expression.len());
    let mut chars = expression.chars();
    while let Some(c) = chars.next() {
        out.push(match c {
            '\\' => chars.next().unwrap_or('\\'),
            c => c,
        });
    }
    out
}

/// A row of STATISTICS.
pub(super) struct KeyPart {
    pub(super) index: String,
    pub(super) unique: bool,
    pub(super) column: String,
    pub(super) prefix: Option<u32>,
    pub(super) descending: bool,
    pub(super) kind: String,
    pub(super) comment: String,
    pub(super) hidden: bool,
    pub(super) expression: Option<String>,
}

/// The index of these parts, which are in order. None: a part can't be told.
pub(super) fn index(parts: Vec<KeyPart>, table: &TableInfo, server: &ServerInfo) -> Option<Index> {
    let first = parts.first()?;
    let kind = match first.kind.as_str() {
        "FULLTEXT" => IndexKind::Fulltext,
        "SPATIAL" => IndexKind::Spatial,
        "VECTOR" => IndexKind::Vector,
        _ => IndexKind::Ordinary,
    };
    let mut index = Index {
        name: first.index.clone(),
        unique: first.unique,
        primary: first.index == "PRIMARY",
        columns: Vec::with_capacity(parts.len()),
        functional: false,
        kind,
        invisible: first.hidden,
        comment: first.comment.clone(),
        generated: false,
        hash: first.unique
            && first.kind == "HASH"
            && server.is_mariadb()
            && !table.engine.eq_ignore_ascii_case("memory"),
    };
    for part in parts {
        let expression = part.expression.map(|text| {
            let text = without_escapes(&text, server);
            text.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')).unwrap_or(&text).to_owned()
        });
        index.functional |= expression.is_some();
        let column = if expression.is_some() { String::new() } else { part.column };
        if expression.is_none() && table.column(&column).is_none() {
            return None;
        }
        let prefix_len = part.prefix.filter(|_| kind == IndexKind::Ordinary);
        index.columns.push(IndexColumn { column, prefix_len, expression, descending: part.descending });
    }
    Some(index)
}

/// Takes in one CHECK constraint. MariaDB names a column's own check as the column.
pub(super) fn check(table: &mut TableInfo, name: String, clause: &str) {
    let bare: String = clause.chars().filter(|c| !c.is_whitespace() && *c != '`').collect();
    if let Some(column) = table.columns.iter_mut().find(|column| same_name(&column.name, &name)) {
        let own: String = column.name.chars().filter(|c| !c.is_whitespace() && *c != '`').collect();
        if bare.to_lowercase() == format!("json_valid({})", own.to_lowercase()) {
            column.json_valid = true;
        }
        return;
    }
    table.checks.push(Check { name, expression: String::new() });
}
