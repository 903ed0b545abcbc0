//! Rows of MariaDB's system-versioned tables. Measured on 10.11: an UPDATE is logged as an update of the current row and
//! an insert of the old version, a DELETE as an update that ends the row, DELETE HISTORY as deletes of old versions.
//! What a target gets are the changes of the current rows; a versioned target makes versions of its own.

use super::source_row::SourceRow;
use crate::mysql::{binlog::cursor::Parsed, value::Value};

/// The images before and after of a change.
type Images<'a> = (Option<SourceRow<'a>>, Option<SourceRow<'a>>);

/// What a change does to the current rows: nothing, when both are None. `row_end` is the offset of ROW END.
pub fn of_current_rows<'a>(
    before: Option<SourceRow<'a>>,
    after: Option<SourceRow<'a>>,
    row_end: usize,
) -> Parsed<Images<'a>> {
    Ok((current(before, row_end)?, current(after, row_end)?))
}

/// The row, unless it is an old version.
fn current(row: Option<SourceRow<'_>>, row_end: usize) -> Parsed<Option<SourceRow<'_>>> {
    let Some(row) = row else { return Ok(None) };
    let end = row.value(row_end)?;
    Ok(end.as_ref().is_none_or(is_open).then_some(row))
}

/// The last time there is: 2038, since MariaDB 11.5 2106; or the last transaction number.
fn is_open(row_end: &Value) -> bool {
    match row_end {
        Value::Timestamp(time) => matches!(time.seconds, 0x7fff_ffff | 0xffff_ffff),
        Value::UInt(transaction) => *transaction == u64::MAX,
        Value::Int(transaction) => *transaction == -1,
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::value::Timestamp;

    const OPEN: u32 = 0x7fff_ffff;

    /// Which images are left of rows that ended then.
    fn result(before: Option<u32>, after: Option<u32>) -> (bool, bool) {
        let values = [before, after].map(|seconds| {
            let seconds = seconds.unwrap_or_default();
            vec![Value::Int(1), Value::Timestamp(Timestamp { seconds, micros: 999_999, fsp: 6 })]
        });
        let row = |there: Option<u32>, i: usize| there.map(|_| SourceRow::Values(&values[i], &[]));
        let (before, after) = of_current_rows(row(before, 0), row(after, 1), 1).unwrap();
        (before.is_some(), after.is_some())
    }

    #[test]
    fn only_current_rows_count() {
        assert_eq!(result(None, Some(OPEN)), (false, true));
        assert_eq!(result(None, Some(u32::MAX)), (false, true));
        assert_eq!(result(None, Some(5)), (false, false));
        assert_eq!(result(Some(OPEN), Some(OPEN)), (true, true));
        assert_eq!(result(Some(OPEN), Some(5)), (true, false));
        assert_eq!(result(Some(5), None), (false, false));
        assert_eq!(result(Some(OPEN), None), (true, false));
    }

    #[test]
    fn transaction_numbers() {
        assert!(is_open(&Value::UInt(u64::MAX)) && is_open(&Value::Int(-1)) && !is_open(&Value::UInt(7)));
    }
}
