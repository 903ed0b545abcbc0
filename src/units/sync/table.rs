//! How rows of one source table are written to their target table: built once per structure, used for every row.

mod overlaps;
mod partial;
mod render;

use std::sync::Arc;

use self::overlaps::Overlap;
use super::{
    change::{Kind, Op},
    conflicts::Conflicts,
    encode::{self, Compare, Encoding},
    keys::Columns,
    relations::TableRelations,
    source_row::SourceRow,
};
use crate::{
    mysql::{
        binlog::{Row, RowChange, RowPlan, TableMap},
        literal::complete,
        value::Value,
    },
    rules::expression::Compiled,
    schema::{
        column_type::BaseType,
        model::{Column, Generated, TableId, TableInfo, quote_name},
    },
};

/// A source table's rows, as its target wants them.
#[derive(Debug)]
pub struct TargetTable {
    pub target: TableId,
    /// Columns of a source row.
    pub width: usize,
    /// MariaDB's system versioning: the offset of the column that says when a version ended.
    pub row_end: Option<usize>,
    /// One for each column of a source row.
    encodings: Vec<Encoding>,
    /// Fractional digits of the times among them.
    fractions: Vec<u8>,
    written: Vec<Written>,
    /// Of `written`.
    offsets: Vec<usize>,
    /// Extra columns that a route adds: quoted name and literal.
    extras: Vec<(String, String)>,
    /// The target's row key, None: rows are described by all their values.
    row_key: Option<RowKey>,
    pub conflicts: Conflicts,
    pub insert_head: String,
    pub replace_head: String,
    pub replace_tail: String,
    pub delete_head: String,
    pub delete_tail: &'static str,
    pub update_head: String,
    /// Stands before the key in the WHERE of one row.
    pub key_head: String,
    /// Of tables without a key.
    delete_one_head: String,
    /// Of each unique key of either side, where its columns are in the source's rows.
    unique_columns: Vec<Vec<usize>>,
    /// Keys of the target for which it refuses REPLACE.
    overlaps: Vec<Overlap>,
    /// False: the target's engine can't roll back, so this table is always in safe mode.
    pub transactional: bool,
    /// How far changes of several rows, or several changes of one row, may be put together.
    pub combine: Combine,
    /// The task's expression filters over this table's rows.
    pub expressions: Option<Compiled>,
    /// What would add the columns that the target lacks; empty when it has all.
    pub lacking: String,
}

/// What may be put together without anyone being able to tell (see `batch`). Each includes those before it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Combine {
    /// Changes of the table keep their order: it has no key, or keys whose values the rows don't tell.
    Nothing,
    /// Changes of different rows, each for itself: triggers or row versions see every change.
    Rows,
    /// Several changes of one row.
    Changes,
    /// A DELETE and an INSERT of one row too, as a REPLACE: no second key can make that remove another row.
    Reinsert,
}

/// A column that is written.
#[derive(Debug)]
struct Written {
    offset: usize,
    name: String,
    compare: Compare,
    /// The target changes it with every update that doesn't name it.
    always: bool,
}

#[derive(Debug)]
struct RowKey {
    columns: Vec<KeyColumn>,
}

#[derive(Debug)]
enum KeyColumn {
    Source { offset: usize, name: String },
    Extra { name: String, literal: String },
}

impl TargetTable {
    /// Joins the tracked structure of the source with the target's.
    pub fn new(columns: &Columns<'_>, relations: TableRelations, transactional: bool) -> Self {
        let Columns { source, target, extras } = *columns;
        let target_id = target.id();
        let conflicts = Conflicts::new(columns, &target_id, relations);
        let encodings = source.columns.iter().map(|column| match target.column(&column.name) {
            Some(found) => Encoding::of(column, found),
            None => Encoding::of(column, column),
        });
        let written: Vec<Written> = (source.columns.iter().enumerate())
            .filter(|(_, column)| !column.generated.as_ref().is_some_and(Generated::is_row_time))
            .filter(|(_, column)| !column.is_hidden())
            .filter(|(_, column)| target.column(&column.name).is_none_or(|c| c.generated.is_none()))
            .map(|(offset, column)| Written {
                offset,
                name: quote_name(&column.name),
                compare: Compare::of(column, target.column(&column.name).unwrap_or(column)),
                always: target.column(&column.name).is_some_and(|c| c.on_update_now),
            })
            .collect();
        let extras: Vec<(String, String)> = extras
            .iter()
            .map(|extra| {
                let mut literal = String::new();
                encode::quoted(&extra.value, &mut literal);
                (extra.name.clone(), literal)
            })
            .collect();
        let row_key = row_key(columns, &extras);
        let overlaps = Overlap::of(source, target);
        let combine = match (&row_key, conflicts.ordered(), target.unique_keys().len()) {
            (Some(_), None, 1) if overlaps.is_empty() => Combine::Reinsert,
            (Some(_), None, _) => Combine::Changes,
            _ => Combine::Nothing,
        };
        let mut names: Vec<String> = written.iter().map(|w| w.name.clone()).collect();
        names.extend(extras.iter().map(|(name, _)| quote_name(name)));
        let upsert = conflicts.is_parent();
        let columns = names.join(",");
        let (delete_head, delete_tail, key_head) = key_texts(&target_id, row_key.as_ref());
        TargetTable {
            width: source.columns.len(),
            row_end: row_end(source),
            fractions: source.columns.iter().map(fraction).collect(),
            encodings: encodings.collect(),
            insert_head: format!("INSERT INTO {target_id} ({columns}) VALUES "),
            replace_head: format!("{} INTO {target_id} ({columns}) VALUES ", if upsert { "INSERT" } else { "REPLACE" }),
            replace_tail: if upsert { upsert_tail(&names) } else { String::new() },
            delete_head,
            delete_tail,
            key_head,
            update_head: format!("{target_id} SET "),
            delete_one_head: format!("DELETE FROM {target_id} WHERE "),
            extras: extras.into_iter().map(|(name, literal)| (quote_name(&name), literal)).collect(),
            target: target_id,
            offsets: written.iter().map(|column| column.offset).collect(),
            written,
            row_key,
            conflicts,
            overlaps,
            unique_columns: partial::unique_columns(source, target),
            transactional,
            combine,
            expressions: None,
            lacking: String::new(),
        }
    }

    /// The statement of a change without its values.
    pub fn shown(&self, op: Op, kind: Kind) -> String {
        let places = vec!["?"; self.written.len() + self.extras.len()].join(",");
        let target = &self.target;
        match (op, kind) {
            (Op::Insert, _) => format!("{}({places})", self.insert_head),
            (Op::Replace, _) => format!("{}({places}){}", self.replace_head, self.replace_tail),
            (Op::DeleteByKey, _) | (Op::One, Kind::Delete) => format!("DELETE FROM {target} WHERE .. = ?"),
            (Op::One | Op::Update, _) => format!("UPDATE {target} SET .. = ? WHERE .. = ?"),
            (Op::DeleteReplace | Op::MoveReplace, _) => {
                format!("DELETE FROM {target} WHERE .. = ?; {}({places}){}", self.replace_head, self.replace_tail)
            }
        }
    }

    /// Written columns of text in one character set, quoted and listed; of any, when none is in that one.
    pub fn text_columns(&self, charset: &str) -> String {
        let names = |charset: Option<&str>| {
            let is_text = |written: &&Written| match (self.encodings.get(written.offset), charset) {
                (Some(Encoding::Text), Some(charset)) => charset.starts_with("utf8"),
                (Some(Encoding::Ascii), Some(charset)) => charset == "ascii",
                (Some(Encoding::Charset(own) | Encoding::Wide(own) | Encoding::Decoded(own)), Some(charset)) => {
                    own == charset
                }
                (Some(encoding), None) => matches!(
                    encoding,
                    Encoding::Text | Encoding::Ascii | Encoding::Charset(_) | Encoding::Wide(_) | Encoding::Decoded(_)
                ),
                _ => false,
            };
            let names = self.written.iter().filter(is_text).map(|written| written.name.clone());
            names.collect::<Vec<_>>().join(", ")
        };
        Some(names(Some(charset))).filter(|names| !names.is_empty()).unwrap_or_else(|| names(None))
    }

    /// Whether a change of this table and a next one of `other` may share a transaction. Rows of an engine without
    /// transactions stay when it fails: then nothing else goes with them, and without a key, which would make repeating
    /// them harmless, each goes alone.
    pub fn goes_with(&self, other: &TargetTable) -> bool {
        self.transactional == other.transactional && (self.transactional || other.row_key.is_some())
    }

    /// How the rows of a table map are laid out; None: as it says.
    pub fn layout(&self, map: &TableMap) -> Option<TableMap> {
        map.with_old_fractions(&self.fractions)
    }

    /// For TiDB: it has no types for JSON's decimals and dates, takes a VECTOR only as text, and wants one condition a column.
    pub fn on_tidb(mut self, source: &TableInfo, target: &TableInfo) -> Self {
        for (encoding, own) in self.encodings.iter_mut().zip(&source.columns) {
            let vector = target.column(&own.name).is_some_and(|there| there.ty.base == BaseType::Vector);
            match encoding {
                Encoding::TypedJson => *encoding = Encoding::Plain,
                // A table map without a structure tells of bytes only.
                Encoding::Plain if vector && (own.ty.base == BaseType::Vector || own.ty.base.is_binary()) => {
                    *encoding = Encoding::Vector;
                }
                _ => {}
            }
        }
        let there = |offset: usize| source.columns.get(offset).and_then(|own| target.column(&own.name).or(Some(own)));
        for column in &mut self.written {
            if let Some(there) = there(column.offset) {
                column.compare = std::mem::replace(&mut column.compare, Compare::Equal).on_tidb(there);
            }
        }
        self
    }

    /// Text in character sets whose bytes the target doesn't take is sent as UTF-8.
    pub fn decoding_unless(mut self, taken: impl Fn(&str) -> bool) -> Self {
        for encoding in &mut self.encodings {
            if let Encoding::Charset(name) | Encoding::Wide(name) = encoding
                && !taken(name)
            {
                *encoding = Encoding::Decoded(std::mem::take(name));
            }
        }
        self
    }

    /// How the rows of one layout are read and written.
    pub fn plan(&self, map: &Arc<TableMap>) -> RowPlan {
        RowPlan::new(map.clone(), &self.encodings)
    }

    /// A change in values, with what the binlog leaves out of them.
    pub fn completed(&self, change: RowChange) -> (Option<Vec<Value>>, Option<Vec<Value>>) {
        let complete = |row: Row| {
            let encodings = self.encodings.iter().chain(std::iter::repeat(&Encoding::Plain));
            row.values.into_iter().zip(encodings).map(|(value, encoding)| complete(value, encoding)).collect()
        };
        (change.before.map(complete), change.after.map(complete))
    }

    /// One for each column of a source row.
    pub fn encodings(&self) -> &[Encoding] {
        &self.encodings
    }

    /// A row of completed values.
    pub fn row<'a>(&'a self, values: &'a [Value]) -> SourceRow<'a> {
        SourceRow::Values(values, &self.encodings)
    }
}

/// Where MariaDB's ROW END stands in the rows of a versioned table.
fn row_end(source: &TableInfo) -> Option<usize> {
    let ends = |generated: &Generated| generated.expression == Generated::ROW_END;
    source.columns.iter().position(|column| column.generated.as_ref().is_some_and(ends))
}

/// Fractional digits of a time, 0 for other columns.
fn fraction(column: &Column) -> u8 {
    let digits = column.ty.decimals.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(0);
    if matches!(column.ty.base, BaseType::Time | BaseType::DateTime | BaseType::Timestamp) { digits } else { 0 }
}

/// What makes an INSERT change the row that has its key. REPLACE would delete that row, and with it (or in spite of it)
/// those that refer to it.
fn upsert_tail(names: &[String]) -> String {
    let sets: Vec<String> = names.iter().map(|name| format!("{name}=VALUES({name})")).collect();
    format!(" ON DUPLICATE KEY UPDATE {}", sets.join(","))
}

/// The first key of the target that names one row and whose columns the source's rows have.
fn row_key(columns: &Columns<'_>, extras: &[(String, String)]) -> Option<RowKey> {
    let keys = columns.target.unique_keys();
    keys.iter().filter(|key| key.identifies_rows()).find_map(|unique| {
        let names = unique.columns.iter().map(|offset| {
            let column = columns.target.columns.get(*offset)?;
            let name = quote_name(&column.name);
            match columns.source.column_offset(&column.name) {
                Some(offset) => Some(KeyColumn::Source { offset, name }),
                None => {
                    let (_, literal) = extras.iter().find(|(extra, _)| extra.eq_ignore_ascii_case(&column.name))?;
                    Some(KeyColumn::Extra { name, literal: literal.clone() })
                }
            }
        });
        Some(RowKey { columns: names.collect::<Option<Vec<_>>>()? })
    })
}

/// What stands before and behind the keys of a DELETE, and before the key of one row. Several columns are compared one by
/// one: not every server finds (a, b) IN (..) by an index.
fn key_texts(target: &TableId, row_key: Option<&RowKey>) -> (String, &'static str, String) {
    let names: Vec<&str> = (row_key.map_or(&[][..], |key| &key.columns).iter())
        .map(|column| match column {
            KeyColumn::Source { name, .. } | KeyColumn::Extra { name, .. } => name.as_str(),
        })
        .collect();
    match names.as_slice() {
        [one] => (format!("DELETE FROM {target} WHERE {one} IN ("), ")", format!("{one}=")),
        _ => (format!("DELETE FROM {target} WHERE "), "", String::new()),
    }
}
