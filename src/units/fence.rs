//! The fence of the apply contract: SQL that fails, under every sql_mode, when its condition isn't met.
//!
//! A target transaction goes out in one packet, so its COMMIT is already on its way when the fence is judged; affected
//! rows are no help, the statement itself must fail. Arithmetic overflow of BIGINT UNSIGNED (error 1690) does so in
//! strict, relaxed, ANSI, TRADITIONAL and NO_UNSIGNED_SUBTRACTION modes of MariaDB 10.11 and MySQL 9.7. (A subquery of
//! two rows, error 1242, does so too, but TiDB evaluates it before it looks at the condition.)

/// The server's error number of a fence that didn't hold.
pub const FENCE_ERRNO: u16 = 1690;

/// An expression of value 0 that fails unless `condition` is true. Neither side of the condition may be NULL.
/// Use: `UPDATE progress SET epoch = 7 + <zero_if("epoch <= 7")> ... WHERE id = ..`.
pub fn zero_if(condition: &str) -> String {
    format!("0 * (18446744073709551615 + (NOT ({condition})))")
}

/// The statement to send right after the UPDATE that carries the fence: fails (1690) when the UPDATE found no row, which
/// would otherwise let the rest of the packet through. It needs an UPDATE that changes the row each time, or a
/// connection that counts found rows. A SET has no rows to send: it costs the server a third of what a SELECT does.
pub const ONE_ROW_UPDATED: &str = "SET @dm_fence = 0 * (18446744073709551615 + (ROW_COUNT() <> 1))";

/// [`ONE_ROW_UPDATED`] for an UPDATE of so many rows.
pub fn rows_updated(count: usize) -> String {
    format!("SET @dm_fence = 0 * (18446744073709551615 + (ROW_COUNT() <> {count}))")
}

/// The statement that judges a fence before rows which no transaction holds (of an engine without transactions): takes the
/// lock of `table`'s one row that `row` finds, and fails (1690) unless it is there and `condition` holds for it. MySQL
/// with `enforce_gtid_consistency` refuses such rows (1785) behind a write of a table with transactions, so the write of
/// the progress comes last then. Returns one row that must be read.
pub fn locked_if(table: &str, row: &str, condition: &str) -> String {
    format!(
        "SELECT 1 + 0 * (18446744073709551615 + (COUNT(*) <> 1)) FROM {table} WHERE {row} AND {condition} FOR UPDATE"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_expression_stands_as_proved_on_real_servers() {
        assert_eq!(rows_updated(1), ONE_ROW_UPDATED);
        assert_eq!(zero_if("epoch <= 7"), "0 * (18446744073709551615 + (NOT (epoch <= 7)))");
    }
}
