//! How rows of one source table are written to their target table: built once per structure, used for every row.

mod partial;

use std::sync::Arc;

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
        binlog::{Row, RowChange, RowPlan, TableMap, cursor::Parsed},
        literal::complete,
        sql_text::SqlText,
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
        let mut names: Vec<String> = written.iter().map(|w| w.name.clone()).collect();
        names.extend(extras.iter().map(|(name, _)| quote_name(name)));
        let upsert = conflicts.is_parent();
        let columns = names.join(",");
        TargetTable {
            width: source.columns.len(),
            row_end: row_end(source),
            fractions: source.columns.iter().map(fraction).collect(),
            encodings: encodings.collect(),
            insert_head: format!("INSERT INTO {target_id} ({columns}) VALUES "),
            replace_head: format!("{} INTO {target_id} ({columns}) VALUES ", if upsert { "INSERT" } else { "REPLACE" }),
            replace_tail: if upsert { upsert_tail(&names) } else { String::new() },
            delete_head: delete_head(&target_id, row_key.as_ref()),
            update_head: format!("{target_id} SET "),
            delete_one_head: format!("DELETE FROM {target_id} WHERE "),
            extras: extras.into_iter().map(|(name, literal)| (quote_name(&name), literal)).collect(),
            target: target_id,
            offsets: written.iter().map(|column| column.offset).collect(),
            written,
            row_key,
            conflicts,
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
        out.push_str("UPDATE ");
        self.assign(old, new, out)?;
        Ok(Op::One)
    }

    /// `table SET .. WHERE ..`
    fn assign(&self, old: &SourceRow<'_>, new: &SourceRow<'_>, out: &mut SqlText) -> Parsed<()> {
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
        Ok(())
    }

    /// REPLACE of the new row, after a DELETE of the old one when the key changed (or there is none). Where other rows
    /// refer to it, the row moves instead, if it is there; then nothing is left to delete.
    fn safe_update(&self, old: &SourceRow<'_>, new: &SourceRow<'_>, out: &mut SqlText) -> Parsed<Op> {
        if self.same_key(old, new)? {
            self.tuple(new, out)?;
            return Ok(Op::Replace);
        }
        let moves = self.conflicts.is_parent();
        if moves {
            out.push_str("UPDATE IGNORE ");
            self.assign(old, new, out)?;
            out.push_str("; ");
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
        out.push_str(&self.replace_tail);
        Ok(if moves { Op::MoveReplace } else { Op::DeleteReplace })
    }

    /// Whether both rows have one key, to the byte.
    fn same_key(&self, old: &SourceRow<'_>, new: &SourceRow<'_>) -> Parsed<bool> {
        let Some(row_key) = &self.row_key else { return Ok(false) };
        for column in &row_key.columns {
            if let KeyColumn::Source { offset, .. } = column
                && !old.same(new, *offset)?
            {
                return Ok(false);
            }
        }
        Ok(true)
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
