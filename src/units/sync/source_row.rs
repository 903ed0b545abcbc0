//! A row of the source on its way into SQL: still an image, of which only what is needed is read, or values.

use super::partial::PartialRow;
use crate::mysql::{
    binlog::{RowImage, cursor::Parsed},
    literal::{Encoding, literal},
    sql_text::SqlText,
    value::Value,
};

/// One row, complete (see [`crate::mysql::literal::complete`]).
#[derive(Clone, Copy)]
pub enum SourceRow<'a> {
    Image(RowImage<'a>),
    Values(&'a [Value], &'a [Encoding]),
    /// Columns that it lacks are NULL here.
    Partial(PartialRow<'a>),
}

impl SourceRow<'_> {
    /// A column's value; None beyond the last column.
    pub fn value(&self, column: usize) -> Parsed<Option<Value>> {
        match self {
            SourceRow::Image(row) if column >= row.width() => Ok(None),
            SourceRow::Image(row) => row.value(column).map(Some),
            SourceRow::Values(values, _) => Ok(values.get(column).cloned()),
            SourceRow::Partial(row) => row.row().value(column),
        }
    }

    /// True beyond the last column, too.
    pub fn is_null(&self, column: usize) -> bool {
        match self {
            SourceRow::Image(row) => row.is_null(column),
            SourceRow::Values(values, _) => values.get(column).is_none_or(Value::is_null),
            SourceRow::Partial(row) => row.row().is_null(column),
        }
    }

    /// Appends a column's value as a literal.
    pub fn write(&self, column: usize, out: &mut SqlText) -> Parsed<()> {
        match self {
            SourceRow::Image(row) => row.write(column, out),
            SourceRow::Values(values, encodings) => {
                let mut text = String::new();
                let value = values.get(column).unwrap_or(&Value::Null);
                literal(value, encodings.get(column).unwrap_or(&Encoding::Plain), &mut text);
                out.push_str(&text);
                Ok(())
            }
            SourceRow::Partial(row) => row.row().write(column, out),
        }
    }

    /// The row as one that lacks columns.
    pub fn partial(&self) -> Option<&PartialRow<'_>> {
        match self {
            SourceRow::Partial(row) => Some(row),
            _ => None,
        }
    }

    /// Appends the columns' values: `first` before the first, commas before the others.
    pub fn write_list(&self, columns: &[usize], first: u8, out: &mut SqlText) -> Parsed<()> {
        if let SourceRow::Image(row) = self {
            return row.write_list(columns, first, out);
        }
        for (i, column) in columns.iter().enumerate() {
            out.push(if i == 0 { first } else { b',' });
            self.write(*column, out)?;
        }
        Ok(())
    }

    /// Whether two rows have the same value in a column.
    pub fn same(&self, other: &SourceRow<'_>, column: usize) -> Parsed<bool> {
        match (self, other) {
            (SourceRow::Image(a), SourceRow::Image(b)) => Ok(a.stored(column) == b.stored(column)),
            _ => Ok(self.value(column)? == other.value(column)?),
        }
    }
}
