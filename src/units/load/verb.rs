//! How rows are written, by `on-duplicate-logical`.
//!
//! TiDB takes an INSERT for less than a REPLACE, which looks every row up before it writes it (an eighth of the CPU of a load). So where
//! rows replace others, INSERT is tried until a table has met its first duplicate: that transaction failed as a whole, and is
//! sent again as REPLACE, as are all that follow of the table.

use super::progress::TableProgress;
use crate::config::{SubtaskConfig, subtask::TaskMode};

pub const INSERT: &str = "INSERT INTO";
pub const REPLACE: &str = "REPLACE INTO";
/// A row with the same key is there.
const DUPLICATE: u16 = 1062;

/// What the task asks for.
pub fn of_task(config: &SubtaskConfig) -> &'static str {
    match config.loader.on_duplicate_logical.as_str() {
        "ignore" => "INSERT IGNORE INTO",
        "error" => INSERT,
        _ => REPLACE,
    }
}

/// Whether readers' snapshots may be a few transactions apart: what lies between is squared by sync, which must follow, and two of them
/// may have the same value of a unique key.
pub fn lets_snapshots_differ(config: &SubtaskConfig) -> bool {
    config.mode == TaskMode::All && of_task(config) != INSERT
}

/// What a table's next rows are sent with.
pub fn now(wanted: &'static str, tidb: bool, table: &TableProgress) -> &'static str {
    if tidb && wanted == REPLACE && !table.has_duplicates() { INSERT } else { wanted }
}

/// True when rows that the target refused with this error number are to be sent again, as REPLACE.
pub fn replaces_now(used: &str, wanted: &str, errno: u16, table: &TableProgress) -> bool {
    let again = errno == DUPLICATE && used == INSERT && wanted == REPLACE;
    if again {
        table.met_duplicates();
    }
    again
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn snapshots_differ_only_before_sync() {
        let mut config = SubtaskConfig { mode: TaskMode::All, ..SubtaskConfig::default() };
        assert!(lets_snapshots_differ(&config));
        config.loader.on_duplicate_logical = "error".into();
        assert!(!lets_snapshots_differ(&config));
        for mode in [TaskMode::Full, TaskMode::Dump] {
            assert!(!lets_snapshots_differ(&SubtaskConfig { mode, ..SubtaskConfig::default() }));
        }
    }

    #[test]
    fn a_table_is_inserted_into_until_it_meets_a_duplicate() {
        let table = TableProgress::default();
        assert_eq!(
            (now(REPLACE, false, &table), now("INSERT IGNORE INTO", true, &table)),
            (REPLACE, "INSERT IGNORE INTO")
        );
        assert_eq!(now(REPLACE, true, &table), INSERT);
        assert!(!replaces_now(INSERT, INSERT, DUPLICATE, &table) && !replaces_now(INSERT, REPLACE, 1205, &table));
        assert!(!replaces_now(REPLACE, REPLACE, DUPLICATE, &table));
        assert_eq!(now(REPLACE, true, &table), INSERT);
        assert!(replaces_now(INSERT, REPLACE, DUPLICATE, &table));
        assert_eq!(now(REPLACE, true, &table), REPLACE);
    }
}
