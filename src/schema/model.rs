//! The table model: what the rest of the system knows about a table.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::{column_type::ColumnType, partition::Partitioning, symbol::Symbol};

/// A text that means the same under every SQL mode, NO_BACKSLASH_ESCAPES included.
pub use crate::mysql::quote_text;

/// A table's full name. Prints backquoted, as in error texts and checkpoints.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Default, Serialize, Deserialize)]
pub struct TableId {
    pub schema: String,
    pub name: String,
}

impl TableId {
    pub fn new(schema: impl Into<String>, name: impl Into<String>) -> Self {
        TableId { schema: schema.into(), name: name.into() }
    }
}

impl fmt::Display for TableId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}.{}", quote_name(&self.schema), quote_name(&self.name))
    }
}

/// A name in backquotes, backquotes inside doubled.
pub fn quote_name(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

/// The structure of one table at one point of the binlog. Shared as `Arc<TableInfo>`, never changed in place.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct TableInfo {
    pub schema: String,
    pub name: String,
    /// Default of new columns; MySQL's name in lower case, `utf8` is always `utf8mb3`.
    pub charset: Symbol,
    pub collation: Symbol,
    /// As written; empty when the statement didn't say (the server's default).
    pub engine: Symbol,
    pub comment: String,
    pub columns: Vec<Column>,
    /// In the server's order: primary key, unique keys without NULLs, other unique keys, the rest.
    pub indexes: Vec<Index>,
    pub foreign_keys: Vec<ForeignKey>,
    /// CHECK constraints that the server enforces; MariaDB's of a column alone belong to the column and are not here.
    pub checks: Vec<Check>,
    #[serde(default)]
    pub partition: Option<Box<Partitioning>>,
    /// MariaDB's periods of the application.
    #[serde(default)]
    pub periods: Vec<Period>,
    /// The text of SHOW CREATE TABLE, when the structure was read from a server and not changed since.
    #[serde(skip)]
    pub create_sql: Option<String>,
}

/// One column.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub struct Column {
    pub name: String,
    pub ty: ColumnType,
    /// Of character types only; never `binary` (such columns have binary types, or are ENUM or SET without one).
    pub charset: Option<Symbol>,
    pub collation: Option<Symbol>,
    pub nullable: bool,
    /// None: no DEFAULT clause, or DEFAULT NULL.
    pub default: Option<DefaultValue>,
    pub generated: Option<Generated>,
    pub auto_increment: bool,
    /// ON UPDATE CURRENT_TIMESTAMP.
    pub on_update_now: bool,
    pub comment: String,
    pub invisible: bool,
    /// A MariaDB JSON column: LONGTEXT with `CHECK (json_valid(column))`.
    pub json_valid: bool,
}

/// What DEFAULT says.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum DefaultValue {
    /// Only in a statement; a column has None instead.
    Null,
    /// A text literal; in a column also a number, in the form in which the type keeps it.
    Literal(String),
    /// `b'..'`, `x'..'`, `0x..`: the bytes.
    Bytes(Vec<u8>),
    /// CURRENT_TIMESTAMP and its synonyms.
    CurrentTimestamp,
    /// Any other expression, its text as written.
    Expression(String),
    /// Only in a statement: a literal number. A BIT or YEAR takes a text and a number for different things.
    Number(String),
}

/// A generated column's expression (as written) and kind.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Generated {
    pub expression: String,
    /// STORED (MariaDB: PERSISTENT); otherwise VIRTUAL. Both are in the binlog's row images.
    pub stored: bool,
}

impl Generated {
    /// The text that stands for MariaDB's GENERATED ALWAYS AS ROW START.
    pub const ROW_START: &'static str = "ROW START";
    /// The text that stands for MariaDB's GENERATED ALWAYS AS ROW END.
    pub const ROW_END: &'static str = "ROW END";

    /// Whether the column holds when a version of its row began or ended: no value that a target gets.
    pub fn is_row_time(&self) -> bool {
        self.expression == Self::ROW_START || self.expression == Self::ROW_END
    }
}

/// One index.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Index {
    /// `PRIMARY` for the primary key.
    pub name: String,
    pub unique: bool,
    pub primary: bool,
    pub columns: Vec<IndexColumn>,
    /// At least one part is an expression.
    pub functional: bool,
    pub kind: IndexKind,
    pub invisible: bool,
    pub comment: String,
    /// The server made it for a foreign key, and drops it when another index can take its place. Not known of tables
    /// that were read from a server.
    #[serde(default)]
    pub generated: bool,
    /// MariaDB: too long for a tree, so unique by a hash in a hidden column of the row (see [`Column::is_hidden`]).
    #[serde(default)]
    pub hash: bool,
}

/// What the expression of a column that no listing shows says.
pub(in crate::schema) const ROW_HASH: &str = "ROW HASH";

impl Column {
    /// MariaDB: the server's own, in row images but in no listing and no statement: the times of a row version, and
    /// hashes of long unique keys. They stand behind all others.
    pub fn is_hidden(&self) -> bool {
        let Some(generated) = self.generated.as_ref().filter(|_| self.invisible) else { return false };
        match generated.expression.as_str() {
            "ROW START" => self.name == "row_start",
            "ROW END" => self.name == "row_end",
            ROW_HASH => true,
            _ => false,
        }
    }
}

/// A period of the application: two columns between which a row is valid.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Period {
    pub name: String,
    pub start: String,
    pub end: String,
}

/// A CHECK constraint.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Check {
    pub name: String,
    /// As written; empty when the structure was read from a catalogue that doesn't tell.
    pub expression: String,
}

/// What an index is made of.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub enum IndexKind {
    #[default]
    Ordinary,
    Fulltext,
    Spatial,
    Vector,
}

/// One part of an index.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct IndexColumn {
    /// The column's name; empty for an expression.
    pub column: String,
    /// Characters (bytes for binary types) of the column that are indexed, None for the whole column.
    pub prefix_len: Option<u32>,
    pub expression: Option<String>,
    pub descending: bool,
}

/// A foreign key of this table.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct ForeignKey {
    pub name: String,
    pub columns: Vec<String>,
    pub parent: TableId,
    pub parent_columns: Vec<String>,
    #[serde(default)]
    pub on_delete: ReferenceAction,
    #[serde(default)]
    pub on_update: ReferenceAction,
}

impl ForeignKey {
    /// As CREATE TABLE and ADD of ALTER TABLE want it; a parent of this schema is named without it.
    pub fn definition(&self, schema: Option<&str>) -> String {
        let parent = match schema == Some(self.parent.schema.as_str()) {
            true => quote_name(&self.parent.name),
            false => self.parent.to_string(),
        };
        let list = |names: &[String]| names.iter().map(|name| quote_name(name)).collect::<Vec<_>>().join(", ");
        let mut text =
            format!("CONSTRAINT {} FOREIGN KEY ({}) REFERENCES {parent}", quote_name(&self.name), list(&self.columns));
        if !self.parent_columns.is_empty() {
            text.push_str(&format!(" ({})", list(&self.parent_columns)));
        }
        for (event, action) in [("DELETE", self.on_delete), ("UPDATE", self.on_update)] {
            let action = match action {
                ReferenceAction::Unsaid => continue,
                ReferenceAction::Restrict => "RESTRICT",
                ReferenceAction::Cascade => "CASCADE",
                ReferenceAction::SetNull => "SET NULL",
                ReferenceAction::NoAction => "NO ACTION",
                ReferenceAction::SetDefault => "SET DEFAULT",
            };
            text.push_str(&format!(" ON {event} {action}"));
        }
        text
    }
}

/// What happens to a row when the row that it refers to is deleted or changes its key.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum ReferenceAction {
    #[default]
    Unsaid,
    Restrict,
    Cascade,
    SetNull,
    NoAction,
    SetDefault,
}

/// A unique key in terms of column offsets, for conflict detection.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct UniqueKey {
    pub name: String,
    pub primary: bool,
    /// Offsets into `TableInfo::columns`; parts that are expressions are missing here (then `functional` is set).
    pub columns: Vec<usize>,
    /// One for each of `columns`.
    pub prefix_lens: Vec<Option<u32>>,
    /// A part may be NULL, so several rows may share the key.
    pub nullable: bool,
    pub functional: bool,
}

impl UniqueKey {
    /// True when its values name exactly one row.
    pub fn identifies_rows(&self) -> bool {
        !self.nullable && !self.functional && !self.columns.is_empty() && self.prefix_lens.iter().all(Option::is_none)
    }
}

impl TableInfo {
    /// The table's full name.
    pub fn id(&self) -> TableId {
        TableId::new(&self.schema, &self.name)
    }

    /// The offset of a column; column names are never case-sensitive.
    pub fn column_offset(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|c| same_name(&c.name, name))
    }

    /// A column by name.
    pub fn column(&self, name: &str) -> Option<&Column> {
        self.column_offset(name).and_then(|i| self.columns.get(i))
    }

    /// An index by name.
    pub fn index(&self, name: &str) -> Option<&Index> {
        self.indexes.iter().find(|i| same_name(&i.name, name))
    }

    /// All unique keys (primary key first), in the server's order.
    pub fn unique_keys(&self) -> Vec<UniqueKey> {
        self.indexes.iter().filter(|i| i.unique).map(|i| self.unique_key(i)).collect()
    }

    /// MariaDB's `WITHOUT OVERLAPS`: the period whose end and start are the last two columns of a unique key.
    pub fn period_of(&self, key: &UniqueKey) -> Option<&Period> {
        let [.., end, start] = key.columns.as_slice() else { return None };
        let named = |offset: &usize, name: &str| self.columns.get(*offset).is_some_and(|c| same_name(&c.name, name));
        self.periods.iter().find(|period| named(end, &period.end) && named(start, &period.start))
    }

    /// The unique keys by which rows exclude each other: of one `WITHOUT OVERLAPS` the columns that must be equal.
    pub fn excluding_keys(&self) -> Vec<UniqueKey> {
        let mut keys = self.unique_keys();
        for key in &mut keys {
            if self.period_of(key).is_some() {
                let plain = key.columns.len().saturating_sub(2);
                key.columns.truncate(plain);
                key.prefix_lens.truncate(plain);
            }
        }
        keys
    }

    /// Offsets of the columns that name one row: the primary key, else the first unique key whose columns are all
    /// NOT NULL and whole. None: only all columns together describe a row, and rows may be equal.
    pub fn row_key(&self) -> Option<Vec<usize>> {
        self.unique_keys().into_iter().find(UniqueKey::identifies_rows).map(|key| key.columns)
    }

    /// Gives back the memory that growing lists hold in reserve: a tracker keeps many structures for long.
    pub fn shrink(&mut self) {
        self.columns.shrink_to_fit();
        self.indexes.shrink_to_fit();
        self.foreign_keys.shrink_to_fit();
        self.checks.shrink_to_fit();
        for column in &mut self.columns {
            column.name.shrink_to_fit();
            column.comment.shrink_to_fit();
            column.ty.elems.shrink_to_fit();
        }
        for index in &mut self.indexes {
            index.name.shrink_to_fit();
            index.columns.shrink_to_fit();
        }
    }

    fn unique_key(&self, index: &Index) -> UniqueKey {
        let mut key = UniqueKey {
            name: index.name.clone(),
            primary: index.primary,
            columns: Vec::new(),
            prefix_lens: Vec::new(),
            nullable: false,
            functional: index.functional,
        };
        for part in &index.columns {
            match self.column_offset(&part.column) {
                Some(offset) => {
                    key.nullable |= self.columns[offset].nullable;
                    key.columns.push(offset);
                    key.prefix_lens.push(part.prefix_len);
                }
                None => key.functional = true,
            }
        }
        key
    }

    /// Puts the indexes into the server's order. Row keys depend on it, so a tracked structure and one that was
    /// read from the server must agree. `virtual_last`: MySQL puts keys with virtual columns behind the others.
    pub fn sort_indexes(&mut self, virtual_last: bool) {
        let rank = |index: &Index| self.index_rank(index, virtual_last);
        let ranks: Vec<u8> = self.indexes.iter().map(rank).collect();
        let mut ranked: Vec<(u8, Index)> = ranks.into_iter().zip(std::mem::take(&mut self.indexes)).collect();
        ranked.sort_by_key(|(rank, _)| *rank);
        self.indexes = ranked.into_iter().map(|(_, index)| index).collect();
    }

    fn index_rank(&self, index: &Index, virtual_last: bool) -> u8 {
        if index.primary {
            return 0;
        }
        let is_virtual = |part: &IndexColumn| match &part.expression {
            Some(_) => true,
            None => self.column(&part.column).and_then(|c| c.generated.as_ref()).is_some_and(|g| !g.stored),
        };
        let last = u8::from(virtual_last && index.columns.iter().any(is_virtual));
        if index.unique {
            let key = self.unique_key(index);
            let of_null = |part: &IndexColumn| part.expression.as_ref().is_some_and(|text| self.may_be_null(text));
            let nullable = key.nullable || index.columns.iter().any(of_null);
            let partial = key.prefix_lens.iter().any(Option::is_some);
            // MariaDB puts those that it keeps as a hash behind all other unique keys (measured on 10.5 to 11.8).
            return if index.hash { 9 } else { 1 + last + 2 * u8::from(partial) + 4 * u8::from(nullable) };
        }
        10 + last + 2 * u8::from(index.kind == IndexKind::Fulltext)
    }

    /// Whether an expression reads a column that may be NULL.
    fn may_be_null(&self, expression: &str) -> bool {
        let words = words(expression);
        self.columns.iter().any(|column| column.nullable && words.iter().any(|word| same_name(word, &column.name)))
    }
}

/// Column, index and constraint names compare without case.
pub fn same_name(a: &str, b: &str) -> bool {
    a.eq_ignore_ascii_case(b) || (!(a.is_ascii() && b.is_ascii()) && a.to_lowercase() == b.to_lowercase())
}

/// Names and keywords of an expression, quotes off; texts in single quotes are none.
pub(in crate::schema) fn words(expression: &str) -> Vec<String> {
    let mut out = Vec::new();
    let mut chars = expression.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            '\'' => {
                while let Some(inside) = chars.next() {
                    match inside {
                        '\\' => drop(chars.next()),
                        '\'' => break,
                        _ => {}
                    }
                }
            }
            '`' | '"' => out.push(chars.by_ref().take_while(|inside| *inside != c).collect()),
            c if c.is_alphabetic() || c == '_' || c == '$' => {
                let mut word = c.to_string();
                while let Some(more) = chars.next_if(|next| next.is_alphanumeric() || *next == '_' || *next == '$') {
                    word.push(more);
                }
                out.push(word);
            }
            _ => {}
        }
    }
    out
}
