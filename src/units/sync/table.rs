//! How rows of one source table are written to their target table: built once per structure, used for every row.

use super::{
    change::{Kind, Op},
    encode::{self, Compare, Encoding},
    keys::{self, Fold, Key, Part},
    ledger::Lane,
};
use crate::{
    mysql::value::Value,
    rules::ExtraColumn,
    schema::model::{Generated, TableId, TableInfo, quote_name},
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
    written: Vec<Written>,
    /// Extra columns that a route adds: quoted name and literal.
    extras: Vec<(String, String)>,
    /// The target's row key, None: rows are described by all their values.
    row_key: Option<RowKey>,
    /// All unique keys, for conflicts.
    unique_keys: Vec<Key>,
    table_hash: u64,
    pub insert_head: String,
    pub replace_head: String,
    pub delete_head: String,
    update_head: String,
    /// False: the target's engine can't roll back, so this table is always in safe mode.
    pub transactional: bool,
}

/// A column that is written.
#[derive(Debug)]
struct Written {
    offset: usize,
    name: String,
    compare: Compare,
}

#[derive(Debug)]
struct RowKey {
    key: Key,
    columns: Vec<KeyColumn>,
}

#[derive(Debug)]
enum KeyColumn {
    Source { offset: usize, name: String },
    Extra { name: String, literal: String },
}

/// What the SQL of one change needs.
pub struct Rendered {
    pub op: Op,
    pub text: String,
}

impl TargetTable {
    /// Joins the tracked structure of the source with the target's.
    pub fn new(source: &TableInfo, target: &TableInfo, extras: &[ExtraColumn], transactional: bool) -> Self {
        let target_id = target.id();
        let encodings = source.columns.iter().map(|column| match target.column(&column.name) {
            Some(found) => Encoding::of(column, found),
            None => Encoding::of(column, column),
        });
        let written: Vec<Written> = (source.columns.iter().enumerate())
            .filter(|(_, column)| !column.generated.as_ref().is_some_and(Generated::is_row_time))
            .filter(|(_, column)| target.column(&column.name).is_none_or(|c| c.generated.is_none()))
            .map(|(offset, column)| Written {
                offset,
                name: quote_name(&column.name),
                compare: Compare::of(column, target.column(&column.name).unwrap_or(column)),
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
        let locate = |name: &str| locate(source, &extras, name);
        let row_key = row_key(target, &target_id, &extras, source, locate);
        let mut unique_keys: Vec<Key> =
            target.unique_keys().iter().filter_map(|key| keys::key_of(target, &target_id, key, locate)).collect();
        // The source's own unique keys matter too: they order changes that a missing key of the target wouldn't.
        for key in source.unique_keys() {
            let known = target.unique_keys().iter().any(|k| k.name.eq_ignore_ascii_case(&key.name));
            unique_keys.extend(keys::key_of(source, &target_id, &key, locate).filter(|_| !known));
        }
        let mut names: Vec<String> = written.iter().map(|w| w.name.clone()).collect();
        names.extend(extras.iter().map(|(name, _)| quote_name(name)));
        let columns = names.join(",");
        TargetTable {
            width: source.columns.len(),
            row_end: row_end(source),
            encodings: encodings.collect(),
            table_hash: keys::table_hash(&target_id),
            insert_head: format!("INSERT INTO {target_id} ({columns}) VALUES "),
            replace_head: format!("REPLACE INTO {target_id} ({columns}) VALUES "),
            delete_head: delete_head(&target_id, row_key.as_ref()),
            update_head: format!("UPDATE {target_id} SET "),
            extras: extras.into_iter().map(|(name, literal)| (quote_name(&name), literal)).collect(),
            target: target_id,
            written,
            row_key,
            unique_keys,
            transactional,
        }
    }

    /// For a target that has no types for JSON's decimals and dates.
    pub fn with_json_as_text(mut self) -> Self {
        for encoding in self.encodings.iter_mut().filter(|encoding| **encoding == Encoding::TypedJson) {
            *encoding = Encoding::Plain;
        }
        self
    }

    /// Fills in what the binlog leaves out of a row's values.
    pub fn complete(&self, row: &mut [Value]) {
        for (value, encoding) in row.iter_mut().zip(&self.encodings) {
            if matches!(encoding, Encoding::Unsigned(_) | Encoding::Padded(_) | Encoding::TextOf(_)) {
                *value = encode::complete(std::mem::replace(value, Value::Null), encoding);
            }
        }
    }

    /// The lane of a change by its row (for updates: the row after), and the hashes of all it touches.
    pub fn place(&self, rows: &[&[Value]], lanes: u16, keys: &mut Vec<u64>, buffer: &mut Vec<u8>) -> Lane {
        let Some(row_key) = &self.row_key else {
            // One lane orders all changes of the table; unique keys with NULLs may still join it to other tables' rows
            // only through the same target table, which has the same lane.
            keys.push(self.table_hash);
            return keys::lane_of(self.table_hash, lanes);
        };
        let mut lane = None;
        for row in rows {
            // A key column that is NULL can't be: the target says NOT NULL. Then the table's hash stands for the row.
            let hash = row_key.key.hash(row, buffer).unwrap_or(self.table_hash);
            lane = Some(keys::lane_of(hash, lanes));
            push_new(keys, hash);
            for key in &self.unique_keys {
                if let Some(hash) = key.hash(row, buffer) {
                    push_new(keys, hash);
                }
            }
        }
        lane.unwrap_or_default()
    }

    /// SQL of a change. `before` and `after` are completed rows.
    pub fn render(&self, before: Option<&[Value]>, after: Option<&[Value]>, safe: bool) -> Option<(Kind, Rendered)> {
        let safe = safe || !self.transactional;
        Some(match (before, after) {
            (None, Some(row)) => {
                let op = if safe { Op::Replace } else { Op::Insert };
                (Kind::Insert, Rendered { op, text: self.tuple(row) })
            }
            (Some(row), None) => (Kind::Delete, self.delete(row)),
            (Some(old), Some(new)) if safe => (Kind::Update, self.safe_update(old, new)),
            (Some(old), Some(new)) => (Kind::Update, self.update(old, new)),
            (None, None) => return None,
        })
    }

    fn tuple(&self, row: &[Value]) -> String {
        let mut text = String::with_capacity(16 * self.written.len() + 16);
        text.push('(');
        for (i, column) in self.written.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            self.value(row, column.offset, &mut text);
        }
        for (i, (_, literal)) in self.extras.iter().enumerate() {
            if i > 0 || !self.written.is_empty() {
                text.push(',');
            }
            text.push_str(literal);
        }
        text.push(')');
        text
    }

    fn delete(&self, row: &[Value]) -> Rendered {
        let Some(row_key) = &self.row_key else {
            let mut text = format!("DELETE FROM {} WHERE ", self.target);
            self.condition(row, &mut text);
            text.push_str(" LIMIT 1");
            return Rendered { op: Op::One, text };
        };
        let mut text = String::with_capacity(24);
        let many = row_key.columns.len() > 1;
        if many {
            text.push('(');
        }
        for (i, column) in row_key.columns.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            match column {
                KeyColumn::Source { offset, .. } => self.value(row, *offset, &mut text),
                KeyColumn::Extra { literal, .. } => text.push_str(literal),
            }
        }
        if many {
            text.push(')');
        }
        Rendered { op: Op::DeleteByKey, text }
    }

    fn update(&self, old: &[Value], new: &[Value]) -> Rendered {
        let mut text = String::with_capacity(self.update_head.len() + 32 * self.written.len());
        text.push_str(&self.update_head);
        for (i, column) in self.written.iter().enumerate() {
            if i > 0 {
                text.push(',');
            }
            text.push_str(&column.name);
            text.push('=');
            self.value(new, column.offset, &mut text);
        }
        text.push_str(" WHERE ");
        self.condition(old, &mut text);
        text.push_str(" LIMIT 1");
        Rendered { op: Op::One, text }
    }

    /// REPLACE of the new row, after a DELETE of the old one when the key changed (or there is none).
    fn safe_update(&self, old: &[Value], new: &[Value]) -> Rendered {
        let mut buffer = Vec::new();
        let same_key = self.row_key.as_ref().is_some_and(|k| {
            let exact = |row: &[Value]| -> Vec<Option<Value>> {
                let offsets = k.columns.iter().filter_map(|c| match c {
                    KeyColumn::Source { offset, .. } => Some(*offset),
                    KeyColumn::Extra { .. } => None,
                });
                offsets.map(|o| row.get(o).cloned()).collect()
            };
            exact(old) == exact(new) && k.key.hash(old, &mut buffer) == k.key.hash(new, &mut buffer)
        });
        if same_key {
            return Rendered { op: Op::Replace, text: self.tuple(new) };
        }
        let delete = self.delete(old);
        let mut text = match delete.op {
            Op::DeleteByKey => format!("{}{})", self.delete_head, delete.text),
            _ => delete.text,
        };
        text.push_str("; ");
        text.push_str(&self.replace_head);
        text.push_str(&self.tuple(new));
        Rendered { op: Op::DeleteReplace, text }
    }

    /// The WHERE of one row.
    fn condition(&self, row: &[Value], text: &mut String) {
        let mut first = true;
        let mut and = |text: &mut String| {
            if !std::mem::take(&mut first) {
                text.push_str(" AND ");
            }
        };
        if let Some(row_key) = &self.row_key {
            for column in &row_key.columns {
                and(text);
                match column {
                    KeyColumn::Source { offset, name } => {
                        text.push_str(name);
                        text.push('=');
                        self.value(row, *offset, text);
                    }
                    KeyColumn::Extra { name, literal } => {
                        text.push_str(name);
                        text.push('=');
                        text.push_str(literal);
                    }
                }
            }
            return;
        }
        for column in &self.written {
            and(text);
            let value = row.get(column.offset).unwrap_or(&Value::Null);
            column.compare.write(&column.name, value, &self.encodings[column.offset], text);
        }
        for (name, literal) in &self.extras {
            and(text);
            text.push_str(name);
            text.push('=');
            text.push_str(literal);
        }
    }

    fn value(&self, row: &[Value], offset: usize, text: &mut String) {
        match (row.get(offset), self.encodings.get(offset)) {
            (Some(value), Some(encoding)) => encode::literal(value, encoding, text),
            _ => text.push_str("NULL"),
        }
    }
}

/// Where MariaDB's ROW END stands in the rows of a versioned table.
fn row_end(source: &TableInfo) -> Option<usize> {
    let ends = |generated: &Generated| generated.expression == Generated::ROW_END;
    source.columns.iter().position(|column| column.generated.as_ref().is_some_and(ends))
}

fn push_new(keys: &mut Vec<u64>, hash: u64) {
    if !keys.contains(&hash) {
        keys.push(hash);
    }
}

/// Where a column of the target is found in a source row.
fn locate(source: &TableInfo, extras: &[(String, String)], name: &str) -> Option<Part> {
    if let Some(offset) = source.column_offset(name) {
        return Some(Part::Column { offset, fold: Fold::of(source.columns.get(offset)?), prefix: None });
    }
    let (_, literal) = extras.iter().find(|(extra, _)| extra.eq_ignore_ascii_case(name))?;
    Some(Part::Constant(literal.clone().into_bytes()))
}

/// The first key of the target that names one row and whose columns the source's rows have.
fn row_key(
    target: &TableInfo,
    target_id: &TableId,
    extras: &[(String, String)],
    source: &TableInfo,
    locate: impl Fn(&str) -> Option<Part> + Copy,
) -> Option<RowKey> {
    for unique in target.unique_keys().iter().filter(|key| key.identifies_rows()) {
        let Some(key) = keys::key_of(target, target_id, unique, locate) else { continue };
        let columns = unique.columns.iter().filter_map(|offset| target.columns.get(*offset)).filter_map(|column| {
            let name = quote_name(&column.name);
            match source.column_offset(&column.name) {
                Some(offset) => Some(KeyColumn::Source { offset, name }),
                None => {
                    let (_, literal) = extras.iter().find(|(extra, _)| extra.eq_ignore_ascii_case(&column.name))?;
                    Some(KeyColumn::Extra { name, literal: literal.clone() })
                }
            }
        });
        return Some(RowKey { key, columns: columns.collect() });
    }
    None
}

fn delete_head(target: &TableId, row_key: Option<&RowKey>) -> String {
    let Some(row_key) = row_key else { return String::new() };
    let names: Vec<&str> = row_key
        .columns
        .iter()
        .map(|column| match column {
            KeyColumn::Source { name, .. } | KeyColumn::Extra { name, .. } => name.as_str(),
        })
        .collect();
    match names.as_slice() {
        [one] => format!("DELETE FROM {target} WHERE {one} IN ("),
        many => format!("DELETE FROM {target} WHERE ({}) IN (", many.join(",")),
    }
}
