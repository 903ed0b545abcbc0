//! Row images that lack columns: `binlog_row_image` MINIMAL, NOBLOB, or MariaDB's FULL_NODUP.
//!
//! What the image before a change lacks is unknown; what the image after it lacks is as before. Inserted rows get the
//! target's defaults where theirs says nothing, as a replica of the source does. Order is kept where unknown values of
//! unique keys are touched: such an event waits for all before it, and all behind it wait for it.

use super::{
    source_row::SourceRow,
    table::TargetTable,
    translate::{LOT, Place, TranslateTask},
};
use crate::{
    error::{Code, DmError},
    mysql::{
        binlog::rows::{ColumnSet, RowsEvent, RowsKind},
        literal::Encoding,
        value::Value,
    },
};

/// One row of which some columns are known.
#[derive(Clone, Copy, Debug)]
pub struct PartialRow<'a> {
    values: &'a [Value],
    encodings: &'a [Encoding],
    /// What the image of this row holds.
    set: &'a ColumnSet,
    /// For rows after an update: what the image before it holds.
    other: Option<&'a ColumnSet>,
}

impl<'a> PartialRow<'a> {
    /// Whether the column's value is known.
    pub fn knows(&self, column: usize) -> bool {
        self.set.contains(column) || self.other.is_some_and(|set| set.contains(column))
    }

    /// Whether the row's own image holds it: the statement may have set it.
    pub fn sets(&self, column: usize) -> bool {
        self.set.contains(column)
    }

    /// The row as one with all columns; unknown ones are NULL.
    pub fn row(&self) -> SourceRow<'a> {
        SourceRow::Values(self.values, self.encodings)
    }
}

/// The error of an event that lacks what is needed.
pub fn missing(table: &impl std::fmt::Display, what: &str) -> DmError {
    DmError::new(Code::BinlogNotLogColumn)
        .msg(format!("upstream didn't log enough columns in binlog: rows of {table} lack {what}"))
        .workaround("Please set `binlog_row_image` of the source to FULL, and start the task again after that.")
}

impl TranslateTask {
    /// Hands on the changes of an event whose images lack columns.
    pub(super) async fn partial_changes(&mut self, place: &Place<'_>, event: &RowsEvent) -> Result<(), DmError> {
        let table = place.table;
        let (first, second) = (event.before_columns(), event.after_columns());
        check(table, event)?;
        for change in event.rows() {
            let (old, mut new) = table.completed(change?);
            if let (Some(old), Some(new)) = (&old, &mut new) {
                let unset = new.iter_mut().zip(old).enumerate().filter(|(column, _)| !second.contains(*column));
                unset.for_each(|(_, (new, old))| new.clone_from(old));
            }
            if self.is_filtered(place, old.as_deref(), new.as_deref())? {
                continue;
            }
            let row = |values, set, other| PartialRow { values, encodings: table.encodings(), set, other };
            let earlier = old.is_some().then_some(first);
            let old = old.as_deref().map(|values| row(values, first, None));
            let new = new.as_deref().map(|values| row(values, second, earlier));
            for row in old.iter().chain(&new) {
                if let Some(column) = table.missing_key(row) {
                    return Err(missing(&table.target, &format!("the key column {column}")));
                }
            }
            if let (Some(old), Some(new), true) = (&old, &new, table.may_repeat(self.safe_mode.is_on()))
                && table.is_unrepeatable(old, new).map_err(|wrong| event.malformed(wrong, 0))?
            {
                return Err(unrepeatable(&table.target));
            }
            let alone = table.has_unknown_values(old.as_ref(), new.as_ref());
            if alone {
                self.drain().await?;
            }
            let (old, new) = (old.map(SourceRow::Partial), new.map(SourceRow::Partial));
            self.change(place, old, new).map_err(|wrong| event.malformed(wrong, 0))?;
            self.send(LOT).await?;
            if alone {
                self.drain().await?;
            }
        }
        Ok(())
    }
}

/// The error of an update in safe mode whose row would have to be replaced, but isn't known.
fn unrepeatable(table: &impl std::fmt::Display) -> DmError {
    DmError::new(Code::BinlogNotLogColumn)
        .msg(format!(
            "upstream didn't log enough columns in binlog: in safe mode a row of {table} that gets another key is written \
             anew, and the change doesn't tell all of it"
        ))
        .workaround(
            "Please set `binlog_row_image` of the source to FULL for the changes to come. For this one: where nothing of \
             it is on the target yet, take `safe-mode: true` out of the task; else make the change on the target by hand \
             and pass it with `binlog skip`.",
        )
}

/// Refuses what can't be told from such images.
fn check(table: &TargetTable, event: &RowsEvent) -> Result<(), DmError> {
    let (first, second) = (event.before_columns(), event.after_columns());
    let whole = event.kind == RowsKind::Update && first.is_full();
    if table.expressions.is_some() && !whole {
        return Err(missing(&table.target, "columns that an expression filter may ask for"));
    }
    if table.row_end.is_some_and(|column| !first.contains(column) && !second.contains(column)) {
        return Err(missing(&table.target, "the end of the row's version"));
    }
    if event.kind == RowsKind::Insert && event.size() == 0 {
        return Err(missing(&table.target, "all columns"));
    }
    Ok(())
}
