//! Rows of MariaDB's system-versioned tables. Measured on 10.11: an UPDATE is logged as an update of the current row and
//! an insert of the old version, a DELETE as an update that ends the row, DELETE HISTORY as deletes of old versions.
//! What a target gets are the changes of the current rows; a versioned target makes versions of its own.

use crate::mysql::{binlog::rows::RowChange, value::Value};

/// What the change does to the current rows; None for old versions alone. `row_end` is the offset of ROW END.
pub fn of_current_rows(change: RowChange, row_end: usize) -> Option<RowChange> {
    let current = |row: &Option<crate::mysql::binlog::rows::Row>| {
        row.as_ref().is_some_and(|row| row.values.get(row_end).is_none_or(is_open))
    };
    let (was, is) = (current(&change.before), current(&change.after));
    let RowChange { before, after } = change;
    let change = RowChange { before: before.filter(|_| was), after: after.filter(|_| is) };
    (was || is).then_some(change)
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
    use crate::mysql::{binlog::rows::Row, value::Timestamp};

    const OPEN: u32 = 0x7fff_ffff;

    fn row(id: i64, seconds: u32) -> Option<Row> {
        let end = Value::Timestamp(Timestamp { seconds, micros: 999_999, fsp: 6 });
        Some(Row { values: vec![Value::Int(id), Value::Null, end] })
    }

    fn result(before: Option<Row>, after: Option<Row>) -> Option<(bool, bool)> {
        let change = of_current_rows(RowChange { before, after }, 2)?;
        Some((change.before.is_some(), change.after.is_some()))
    }

    #[test]
    fn only_current_rows_count() {
        assert_eq!(result(None, row(1, OPEN)), Some((false, true)));
        assert_eq!(result(None, row(1, u32::MAX)), Some((false, true)));
        assert_eq!(result(None, row(1, 5)), None);
        assert_eq!(result(row(1, OPEN), row(2, OPEN)), Some((true, true)));
        assert_eq!(result(row(1, OPEN), row(1, 5)), Some((true, false)));
        assert_eq!(result(row(1, 5), None), None);
        assert_eq!(result(row(1, OPEN), None), Some((true, false)));
    }

    #[test]
    fn transaction_numbers() {
        assert!(is_open(&Value::UInt(u64::MAX)) && is_open(&Value::Int(-1)) && !is_open(&Value::UInt(7)));
    }
}
