//! How rows of one source table are written to their target table: built once per structure, used for every row.

mod partial;

use std::sync::Arc;

use super::{
    change::{Keys, Kind, Op},
    encode::{self, Compare, Encoding},
    keys::{self, Fold, Key, Part},
    ledger::Lane,
    source_row::SourceRow,
};
use crate::{
    mysql::{
        binlog::{Row, RowChange, RowPlan, TableMap, cursor::Parsed},
        literal::complete,
        sql_text::SqlText,
        value::Value,
    },
    rules::{ExtraColumn, expression::Compiled},
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
    /// All unique keys, for conflicts.
    unique_keys: Vec<Key>,
    table_hash: u64,
    pub insert_head: String,
    pub replace_head: String,
    pub delete_head: String,
    update_head: String,
    /// Of tables without a key.
    delete_one_head: String,
    /// Of each unique key of either side, where its columns are in the source's rows.
    unique_columns: Vec<Vec<usize>>,
    /// False: the target's engine can't roll back, so this table is always in safe mode.
    pub transactional: bool,
    /// The task's expression filters over this table's rows.
    pub expressions: Option<Compiled>,
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
            .filter(|(_, column)| !column.is_hidden())
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
        unique_keys.retain(|key| row_key.as_ref().is_none_or(|row_key| *key != row_key.key));
        let mut names: Vec<String> = written.iter().map(|w| w.name.clone()).collect();
        names.extend(extras.iter().map(|(name, _)| quote_name(name)));
        let columns = names.join(",");
        TargetTable {
            width: source.columns.len(),
            row_end: row_end(source),
            fractions: source.columns.iter().map(fraction).collect(),
            encodings: encodings.collect(),
            table_hash: keys::table_hash(&target_id),
            insert_head: format!("INSERT INTO {target_id} ({columns}) VALUES "),
            replace_head: format!("REPLACE INTO {target_id} ({columns}) VALUES "),
            delete_head: delete_head(&target_id, row_key.as_ref()),
            update_head: format!("UPDATE {target_id} SET "),
            delete_one_head: format!("DELETE FROM {target_id} WHERE "),
            extras: extras.into_iter().map(|(name, literal)| (quote_name(&name), literal)).collect(),
            target: target_id,
            offsets: written.iter().map(|column| column.offset).collect(),
            written,
            row_key,
            unique_keys,
            unique_columns: partial::unique_columns(source, target),
            transactional,
            expressions: None,
        }
    }

    /// How the rows of a table map are laid out; None: as it says.
    pub fn layout(&self, map: &TableMap) -> Option<TableMap> {
        map.with_old_fractions(&self.fractions)
    }

    /// For a target that has no types for JSON's decimals and dates.
    pub fn with_json_as_text(mut self) -> Self {
        for encoding in self.encodings.iter_mut().filter(|encoding| **encoding == Encoding::TypedJson) {
            *encoding = Encoding::Plain;
        }
        self
    }

    /// Text in character sets that the target doesn't know is sent as UTF-8.
    pub fn decoding_unless(mut self, known: impl Fn(&str) -> bool) -> Self {
        for encoding in &mut self.encodings {
            if let Encoding::Charset(name) | Encoding::Wide(name) = encoding
                && !known(name)
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

    /// The lane of a change by its row (for updates: the row after), and the hashes of all it touches.
    pub fn place(&self, rows: &[SourceRow<'_>], lanes: u16, keys: &mut Keys, buffer: &mut Vec<u8>) -> Parsed<Lane> {
        let Some(row_key) = &self.row_key else {
            // One lane orders all changes of the table; unique keys with NULLs may still join it to other tables' rows
            // only through the same target table, which has the same lane.
            keys.push(self.table_hash);
            return Ok(keys::lane_of(self.table_hash, lanes));
        };
        let mut lane = None;
        for row in rows {
            // A key column that is NULL can't be: the target says NOT NULL. Then the table's hash stands for the row.
            let hash = row_key.key.hash(row, buffer)?.unwrap_or(self.table_hash);
            lane = Some(keys::lane_of(hash, lanes));
            push_new(keys, hash);
            for key in &self.unique_keys {
                if let Some(hash) = key.hash(row, buffer)? {
                    push_new(keys, hash);
                }
            }
        }
        Ok(lane.unwrap_or_default())
    }

    /// Appends the SQL of a change.
    pub fn render(
        &self,
        before: Option<&SourceRow<'_>>,
        after: Option<&SourceRow<'_>>,
        safe: bool,
        out: &mut SqlText,
    ) -> Parsed<Option<(Kind, Op)>> {
        let safe = safe || !self.transactional;
        let partial = (before.and_then(SourceRow::partial), after.and_then(SourceRow::partial));
        if partial.0.is_some() || partial.1.is_some() {
            return self.render_partial(partial.0, partial.1, safe, out);
        }
        Ok(Some(match (before, after) {
            (None, Some(row)) => {
                self.tuple(row, out)?;
                (Kind::Insert, if safe { Op::Replace } else { Op::Insert })
            }
            (Some(row), None) => (Kind::Delete, self.delete(row, out)?),
            (Some(old), Some(new)) if safe => (Kind::Update, self.safe_update(old, new, out)?),
            (Some(old), Some(new)) => (Kind::Update, self.update(old, new, out)?),
            (None, None) => return Ok(None),
        }))
    }

    fn tuple(&self, row: &SourceRow<'_>, out: &mut SqlText) -> Parsed<()> {
        row.write_list(&self.offsets, b'(', out)?;
        let mut next = if self.offsets.is_empty() { b'(' } else { b',' };
        for (_, literal) in &self.extras {
            out.push(next);
            out.push_str(literal);
            next = b',';
        }
        if next == b'(' {
            out.push(next);
        }
        out.push(b')');
        Ok(())
    }

    fn delete(&self, row: &SourceRow<'_>, out: &mut SqlText) -> Parsed<Op> {
        let Some(row_key) = &self.row_key else {
            out.push_str(&self.delete_one_head);
            self.condition(row, out)?;
            out.push_str(" LIMIT 1");
            return Ok(Op::One);
        };
        let many = row_key.columns.len() > 1;
        if many {
            out.push(b'(');
        }
        for (i, column) in row_key.columns.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            match column {
                KeyColumn::Source { offset, .. } => row.write(*offset, out)?,
                KeyColumn::Extra { literal, .. } => out.push_str(literal),
            }
        }
        if many {
            out.push(b')');
        }
        Ok(Op::DeleteByKey)
    }

    fn update(&self, old: &SourceRow<'_>, new: &SourceRow<'_>, out: &mut SqlText) -> Parsed<Op> {
        out.push_str(&self.update_head);
        for (i, column) in self.written.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            out.push_all(&[&column.name, "="]);
            new.write(column.offset, out)?;
        }
        out.push_str(" WHERE ");
        self.condition(old, out)?;
        out.push_str(" LIMIT 1");
        Ok(Op::One)
    }

    /// REPLACE of the new row, after a DELETE of the old one when the key changed (or there is none).
    fn safe_update(&self, old: &SourceRow<'_>, new: &SourceRow<'_>, out: &mut SqlText) -> Parsed<Op> {
        if self.same_key(old, new)? {
            self.tuple(new, out)?;
            return Ok(Op::Replace);
        }
        if self.row_key.is_some() {
            out.push_str(&self.delete_head);
            self.delete(old, out)?;
            out.push(b')');
        } else {
            self.delete(old, out)?;
        }
        out.push_all(&["; ", &self.replace_head]);
        self.tuple(new, out)?;
        Ok(Op::DeleteReplace)
    }

    /// Whether both rows have one key, to the byte and as the lanes see it.
    fn same_key(&self, old: &SourceRow<'_>, new: &SourceRow<'_>) -> Parsed<bool> {
        let Some(row_key) = &self.row_key else { return Ok(false) };
        for column in &row_key.columns {
            if let KeyColumn::Source { offset, .. } = column
                && !old.same(new, *offset)?
            {
                return Ok(false);
            }
        }
        let mut buffer = Vec::new();
        Ok(row_key.key.hash(old, &mut buffer)? == row_key.key.hash(new, &mut buffer)?)
    }

    /// The WHERE of one row.
    fn condition(&self, row: &SourceRow<'_>, out: &mut SqlText) -> Parsed<()> {
        let mut first = true;
        let mut and = |out: &mut SqlText| {
            if !std::mem::take(&mut first) {
                out.push_str(" AND ");
            }
        };
        if let Some(row_key) = &self.row_key {
            for column in &row_key.columns {
                and(out);
                match column {
                    KeyColumn::Source { offset, name } => {
                        out.push_all(&[name, "="]);
                        row.write(*offset, out)?;
                    }
                    KeyColumn::Extra { name, literal } => out.push_all(&[name, "=", literal]),
                }
            }
            return Ok(());
        }
        let mut value = SqlText::new();
        for column in &self.written {
            and(out);
            value.clear();
            row.write(column.offset, &mut value)?;
            let value = (!row.is_null(column.offset)).then_some(value.as_bytes());
            column.compare.write(&column.name, value, out);
        }
        for (name, literal) in &self.extras {
            and(out);
            out.push_all(&[name, "=", literal]);
        }
        Ok(())
    }
}

/// Where MariaDB's ROW END stands in the rows of a versioned table.
fn row_end(source: &TableInfo) -> Option<usize> {
    let ends = |generated: &Generated| generated.expression == Generated::ROW_END;
    source.columns.iter().position(|column| column.generated.as_ref().is_some_and(ends))
}

fn push_new(keys: &mut Keys, hash: u64) {
    if !keys.contains(&hash) {
        keys.push(hash);
    }
}

/// Fractional digits of a time, 0 for other columns.
fn fraction(column: &Column) -> u8 {
    let digits = column.ty.decimals.and_then(|digits| u8::try_from(digits).ok()).unwrap_or(0);
    if matches!(column.ty.base, BaseType::Time | BaseType::DateTime | BaseType::Timestamp) { digits } else { 0 }
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
