//! Row images: which rows a statement inserted, updated or deleted.

use std::sync::Arc;

use bytes::Bytes;

use super::{
    column,
    cursor::{Cursor, Malformed, Parsed},
    json, json_diff,
    plan::{Fields, RowImage, RowPlan},
    table_map::{TableMap, column_type},
};
use crate::{
    error::{Code, DmError, Result},
    mysql::value::Value,
};

/// What happened to the rows of an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RowsKind {
    Insert,
    Update,
    Delete,
}

/// Row changes of one table; the rows are decoded while they are iterated.
#[derive(Clone, Debug)]
pub struct RowsEvent {
    pub kind: RowsKind,
    pub table: Arc<TableMap>,
    /// Bit 0: last event of its statement; bit 1: foreign keys unchecked; bit 2: unique keys unchecked.
    pub flags: u16,
    /// Rows after an update may hold changes of JSON documents instead of documents (`binlog_row_value_options`).
    pub partial: bool,
    before: ColumnSet,
    after: ColumnSet,
    data: Bytes,
}

/// Which columns an image holds; all of them with `binlog_row_image=FULL`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ColumnSet {
    /// Empty when all are there.
    bits: Bytes,
    columns: usize,
    present: usize,
}

impl ColumnSet {
    fn read(cursor: &mut Cursor<'_>, columns: usize) -> Parsed<ColumnSet> {
        let bits = cursor.slice(columns.div_ceil(8))?;
        let present = (0..columns).filter(|i| bits[i / 8] >> (i % 8) & 1 == 1).count();
        let bits = if present == columns { Bytes::new() } else { Bytes::copy_from_slice(bits) };
        Ok(ColumnSet { bits, columns, present })
    }

    pub fn contains(&self, column: usize) -> bool {
        column < self.columns && self.bits.get(column / 8).is_none_or(|bits| bits >> (column % 8) & 1 == 1)
    }

    /// How many columns are in the image.
    pub(super) fn present(&self) -> usize {
        self.present
    }

    /// Every column of the table is in the image.
    pub fn is_full(&self) -> bool {
        self.present == self.columns
    }
}

/// One changed row: inserts have only `after`, deletes only `before`.
#[derive(Clone, PartialEq, Debug)]
pub struct RowChange {
    pub before: Option<Row>,
    pub after: Option<Row>,
}

/// The values of one row, one for each column of the table map; columns outside the image are NULL
/// (ask the event's [`ColumnSet`]s).
#[derive(Clone, PartialEq, Debug)]
pub struct Row {
    pub values: Vec<Value>,
}

impl Row {
    /// The value of a column as the table's structure says it is signed; NULL beyond the last column.
    pub fn value(&self, table: &TableMap, column: usize, unsigned: bool) -> Value {
        let Some(value) = self.values.get(column).cloned() else { return Value::Null };
        match table.columns.get(column).and_then(|c| c.integer_bits()) {
            Some(bits) if unsigned => value.unsigned(bits),
            _ => value,
        }
    }
}

impl RowsEvent {
    /// `body` begins behind the table id and flags (and the extra data of version 2).
    pub(super) fn parse(kind: RowsKind, table: Arc<TableMap>, flags: u16, body: &Bytes) -> Parsed<RowsEvent> {
        let cursor = &mut Cursor::new(body);
        let columns = cursor.lenenc_len()?;
        if columns != table.columns.len() {
            return Err(Malformed("its column count is not that of its table map"));
        }
        let first = ColumnSet::read(cursor, columns)?;
        let second = if kind == RowsKind::Update { ColumnSet::read(cursor, columns)? } else { first.clone() };
        Ok(RowsEvent { kind, table, flags, partial: false, before: first, after: second, data: cursor.rest() })
    }

    /// An event without rows.
    #[cfg(test)]
    pub(crate) fn of_nothing(kind: RowsKind, table: Arc<TableMap>) -> RowsEvent {
        let set = || ColumnSet { bits: Bytes::new(), columns: 0, present: 0 };
        RowsEvent { kind, table, flags: 0, partial: false, before: set(), after: set(), data: Bytes::new() }
    }

    /// The same event over other row bytes (MariaDB's compressed rows).
    pub(super) fn with_data(self, data: Bytes) -> RowsEvent {
        RowsEvent { data, ..self }
    }

    /// The same event with memory of its own, to be kept for long: else it holds on to what else came with it.
    pub fn detached(self) -> RowsEvent {
        let own = |bytes: &Bytes| Bytes::copy_from_slice(bytes);
        let set = |set: &ColumnSet| ColumnSet { bits: own(&set.bits), ..*set };
        RowsEvent { before: set(&self.before), after: set(&self.after), data: own(&self.data), ..self }
    }

    /// The same event, its rows read by another layout.
    pub fn with_table(self, table: Arc<TableMap>) -> RowsEvent {
        RowsEvent { table, ..self }
    }

    pub(super) fn data(&self) -> &Bytes {
        &self.data
    }

    /// Which columns the image before the change holds.
    pub fn before_columns(&self) -> &ColumnSet {
        &self.before
    }

    /// Which columns the image after the change holds.
    pub fn after_columns(&self) -> &ColumnSet {
        &self.after
    }

    /// Whether the source's session did not look at foreign keys when it changed these rows.
    pub fn ignores_foreign_keys(&self) -> bool {
        self.flags & 2 != 0
    }

    /// Every image holds every column (`binlog_row_image=FULL`).
    pub fn is_full(&self) -> bool {
        self.before.is_full() && self.after.is_full()
    }

    /// The last event of its statement.
    pub fn ends_statement(&self) -> bool {
        self.flags & 1 != 0
    }

    /// Bytes of the images, for memory budgets.
    pub fn size(&self) -> usize {
        self.data.len()
    }

    /// The changes as images, of which only what is asked for is decoded. The plan must be of this event's table map.
    pub fn images<'a>(&'a self, plan: &'a RowPlan) -> Images<'a> {
        Images {
            event: self,
            plan,
            start: 0,
            at: 0,
            before: Fields::default(),
            after: Fields::default(),
            failed: false,
        }
    }

    /// How many changes it holds, without decoding them; what cannot be read counts as one, the last.
    pub fn count(&self) -> u64 {
        self.count_by(&RowPlan::new(self.table.clone(), &[]))
    }

    /// The same with a plan of its table map.
    pub fn count_by(&self, plan: &RowPlan) -> u64 {
        if self.partial {
            return self.rows().count() as u64;
        }
        let (mut images, mut count) = (self.images(plan), 0);
        while images.next_change().is_some() {
            count += 1;
        }
        count
    }

    /// The error of a row that cannot be read; `at` counts bytes of the images.
    pub(crate) fn malformed(&self, Malformed(what): Malformed, at: usize) -> DmError {
        DmError::new(Code::BinlogEventDecode).msg(format!(
            "a row of `{}`.`{}` in the binlog cannot be read: {what} (byte {at} of the row images)",
            self.table.schema, self.table.table
        ))
    }

    /// Decodes the changes one by one; integers whose sign the source does not write come as [`Value::Int`].
    pub fn rows(&self) -> Rows<'_> {
        Rows { event: self, unsigned: None, documents: Vec::new(), cursor: Cursor::new(&self.data), failed: false }
    }

    /// The same, with the columns' signs taken from the table's structure where the source does not write them.
    pub fn rows_with<'a>(&'a self, unsigned: &'a [bool]) -> Rows<'a> {
        Rows { unsigned: Some(unsigned), ..self.rows() }
    }
}

/// One changed row, not yet decoded: inserts have only `after`, deletes only `before`.
#[derive(Clone, Copy)]
pub struct ImageChange<'a> {
    pub before: Option<RowImage<'a>>,
    pub after: Option<RowImage<'a>>,
}

/// The changes of one event as images; [`Images::next_change`] lends one after the other.
pub struct Images<'a> {
    event: &'a RowsEvent,
    plan: &'a RowPlan,
    start: usize,
    at: usize,
    before: Fields,
    after: Fields,
    failed: bool,
}

impl Images<'_> {
    /// The error of a value of the last change.
    pub fn malformed(&self, wrong: Malformed) -> DmError {
        self.event.malformed(wrong, self.start)
    }

    /// The next change; nothing follows an error.
    pub fn next_change(&mut self) -> Option<Result<ImageChange<'_>>> {
        if self.failed || self.at >= self.event.data.len() {
            return None;
        }
        self.start = self.at;
        if let Err(wrong) = self.cut() {
            self.failed = true;
            return Some(Err(self.malformed(wrong)));
        }
        let (event, plan) = (self.event, self.plan);
        let before = (event.kind != RowsKind::Insert).then(|| RowImage::new(plan, &event.data, &self.before));
        let after = (event.kind != RowsKind::Delete).then(|| RowImage::new(plan, &event.data, &self.after));
        Some(Ok(ImageChange { before, after }))
    }

    fn cut(&mut self) -> Parsed<()> {
        let (event, start) = (self.event, self.start);
        if event.partial {
            return Err(Malformed("they hold parts of JSON documents, which are read as values only"));
        }
        if !self.plan.is_for(&event.table) {
            return Err(Malformed("they have another layout than the plan they are read with"));
        }
        if event.kind != RowsKind::Insert {
            self.at = self.plan.cut(&event.data, self.at, &event.before, &mut self.before)?;
        }
        if event.kind != RowsKind::Delete {
            self.at = self.plan.cut(&event.data, self.at, &event.after, &mut self.after)?;
        }
        if self.at == start { Err(Malformed("its rows have no bytes")) } else { Ok(()) }
    }
}

/// Iterator over the changes of one event; ends after an error.
pub struct Rows<'a> {
    event: &'a RowsEvent,
    unsigned: Option<&'a [bool]>,
    /// In a partial event: the stored documents of the row before, by column.
    documents: Vec<Bytes>,
    cursor: Cursor<'a>,
    failed: bool,
}

impl Rows<'_> {
    /// `changed` has a bit for each JSON column of the table: it holds changes to the document before.
    fn image(&mut self, set: &ColumnSet, changed: &[u8]) -> Parsed<Row> {
        let nulls = self.cursor.slice(set.present.div_ceil(8))?;
        let mut values = Vec::with_capacity(set.columns);
        let (mut at, mut documents) = (0, 0);
        for (i, column) in self.event.table.columns.iter().enumerate() {
            let document = documents;
            documents += usize::from(column.kind == column_type::JSON);
            if !set.is_full() && !set.contains(i) {
                values.push(Value::Null);
                continue;
            }
            let is_null = nulls[at / 8] >> (at % 8) & 1 == 1;
            at += 1;
            if is_null {
                values.push(Value::Null);
                continue;
            }
            if self.event.partial && column.kind == column_type::JSON {
                let is_changed = changed.get(document / 8).is_some_and(|byte| byte >> (document % 8) & 1 == 1);
                values.push(self.document(i, column.meta, is_changed)?);
                continue;
            }
            let unsigned = column.unsigned.unwrap_or_else(|| self.unsigned.and_then(|u| u.get(i)) == Some(&true));
            values.push(column::decode(&mut self.cursor, column, unsigned)?);
        }
        Ok(Row { values })
    }

    /// A JSON value of a partial event: the document of the row before, or the one after in whole or as changes.
    fn document(&mut self, column: usize, meta: u16, changed: bool) -> Parsed<Value> {
        let stored = column::blob(&mut self.cursor, meta)?;
        if changed {
            let before = self.documents.get(column).filter(|document| !document.is_empty()).ok_or(Malformed(
                "it changes a part of a JSON document that the row before doesn't hold; set binlog_row_image = FULL",
            ))?;
            return Ok(Value::Json(json_diff::apply(before, &stored)?));
        }
        if self.documents.len() <= column {
            self.documents.resize(column + 1, Bytes::new());
        }
        if let Some(kept) = self.documents.get_mut(column) {
            *kept = stored.clone();
        }
        Ok(Value::Json(json::read(&stored)?))
    }

    fn change(&mut self) -> Parsed<RowChange> {
        let event = self.event;
        self.documents.clear();
        let before = (event.kind != RowsKind::Insert).then(|| self.image(&event.before, &[])).transpose()?;
        let mut changed: &[u8] = &[];
        if event.partial && self.cursor.lenenc()? & 1 == 1 {
            let documents = event.table.columns.iter().filter(|column| column.kind == column_type::JSON).count();
            changed = self.cursor.slice(documents.div_ceil(8))?;
        }
        let after = (event.kind != RowsKind::Delete).then(|| self.image(&event.after, changed)).transpose()?;
        Ok(RowChange { before, after })
    }
}

impl Iterator for Rows<'_> {
    type Item = Result<RowChange>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.failed || self.cursor.is_empty() {
            return None;
        }
        let start = self.cursor.position();
        let change = self.change();
        // A table without columns in its images would never end.
        let stuck = change.is_ok() && self.cursor.position() == start;
        self.failed = change.is_err() || stuck;
        let change = if stuck { Err(Malformed("its rows have no bytes")) } else { change };
        Some(change.map_err(|wrong| self.event.malformed(wrong, start)))
    }
}
