//! Snapshots without a lock, for tables whose rows can't be told apart: begun behind the start of a new binlog file, they are at one
//! place for a table of which the binlog has nothing between that start and its end behind the last snapshot. Writers wait for
//! nothing; where the table was written in between it is done again.
//!
//! For MySQL, which begins a new binlog file only when all transactions of the one before are committed in the engine, and
//! writes a transaction to the binlog before snapshots can see it.

use std::time::Duration;

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    DumpLocation,
    plan::TablePlan,
    snapshot::{self, BEGIN, begin_file, cell, position, query, run, start_of_file},
};
use crate::{
    error::Result,
    mysql::RowConn,
    schema::{ServerInfo, model::quote_text},
    units::link,
};

/// Each costs the source a binlog file.
const TRIES: u32 = 60;
/// Before the second; a bit longer before each later one.
const PAUSE: Duration = Duration::from_millis(20);
/// A window with more events than this isn't looked through.
const MOST: usize = 20_000;

/// Begins the readers' snapshots; gives the place of the binlog at which tables without a key stand in all of them. None: this user
/// may not do what it needs, or such tables were written each time.
pub async fn begin(
    control: &mut Conn,
    server: &ServerInfo,
    readers: &mut [RowConn],
    tables: &[TablePlan],
) -> Result<Option<DumpLocation>> {
    let newer_command = snapshot::has_newer_command(server);
    let names: Vec<String> =
        tables.iter().filter(|t| !t.has_key).map(|t| format!("{}.{}", t.schema, t.table)).collect();
    for attempt in 0..TRIES {
        tokio::time::sleep(PAUSE * attempt.min(10)).await;
        let before = position(control, server, newer_command).await?;
        if !begin_file(control).await? {
            return Ok(None);
        }
        // Nothing else is asked until they are begun: the shorter this takes, the less is written meanwhile.
        let begun = futures::future::join_all(readers.iter_mut().map(|reader| run(reader, BEGIN))).await;
        let end = position(control, server, newer_command).await?;
        begun.into_iter().collect::<Result<()>>()?;
        let Some(start) = start_of_file(control, &end).await? else { return Ok(None) };
        if !follows(&before.binlog_name, &end.binlog_name) {
            // Another file was begun meanwhile, of which nobody knows when.
            continue;
        }
        match events(control, &start, &end).await? {
            None => return Ok(None),
            Some(events) if leaves_alone(&events, &names) => {
                tracing::info!(
                    attempts = attempt + 1,
                    tables = names.len(),
                    "tables without a key need no lock: nothing was written to them while the snapshots were begun"
                );
                return Ok(Some(start));
            }
            Some(_) => {}
        }
    }
    tracing::info!(
        attempts = TRIES,
        "tables without a key were written each time the snapshots were begun: they are locked"
    );
    Ok(None)
}

/// Whether these are the names of two binlog files one behind the other.
fn follows(before: &str, after: &str) -> bool {
    let number =
        |name: &str| name.rsplit_once('.').and_then(|(base, n)| Some((base.to_owned(), n.parse::<u64>().ok()?)));
    match (number(before), number(after)) {
        (Some((base, n)), Some((other, m))) => base == other && n.checked_add(1) == Some(m),
        _ => false,
    }
}

/// Type and text of the events between two places of a file; None: not allowed to see them.
async fn events(control: &mut Conn, start: &DumpLocation, end: &DumpLocation) -> Result<Option<Vec<(String, String)>>> {
    let name = quote_text(&start.binlog_name);
    let sql = format!("SHOW BINLOG EVENTS IN {name} FROM {} LIMIT {}", start.binlog_pos, MOST + 1);
    let rows: Vec<Row> = match control.query(&sql).await {
        Err(e) if !link::is_broken(&e) => {
            tracing::info!(error = %link::cause(&e), "the events of the binlog can't be looked at");
            return Ok(None);
        }
        rows => rows.map_err(|e| query(&e, &sql))?,
    };
    // An event without a place counts as one of before the end.
    let before =
        |row: &Row| row.get_opt::<u64, _>(1).and_then(std::result::Result::ok).is_none_or(|at| at < end.binlog_pos);
    Ok(Some(rows.iter().filter(|row| before(row)).map(|row| (cell(row, 2), cell(row, 5))).collect()))
}

/// Whether these events surely change none of the tables: what isn't known to leave them alone may change them (DDL, statements
/// of sessions that don't log rows, XA COMMIT of rows that were prepared long before).
fn leaves_alone(events: &[(String, String)], names: &[String]) -> bool {
    let mut is_packed = false;
    for (kind, text) in events {
        // Servers list what a packed transaction has behind it. One that doesn't hides it.
        if std::mem::replace(&mut is_packed, kind == "Transaction_payload") && kind != "Query" {
            return false;
        }
        let known = match kind.as_str() {
            "Table_map" => mapped(text).is_some_and(|table| !names.iter().any(|name| name.eq_ignore_ascii_case(table))),
            "Query" => ["BEGIN", "COMMIT", "ROLLBACK", "SAVEPOINT ", "ROLLBACK TO "]
                .iter()
                .any(|known| if known.ends_with(' ') { text.starts_with(known) } else { text == known }),
            "Write_rows"
            | "Update_rows"
            | "Delete_rows"
            | "Write_rows_v1"
            | "Update_rows_v1"
            | "Delete_rows_v1"
            | "Update_rows_partial" => true,
            "Gtid" | "Anonymous_Gtid" | "Gtid_tagged_log" | "Xid" | "Rows_query" | "Transaction_payload" => true,
            "Format_desc" | "Previous_gtids" => true,
            _ => false,
        };
        if !known {
            return false;
        }
    }
    !is_packed && events.len() <= MOST
}

/// `table_id: 106 (schema.table)`. Names may have parentheses and dots: one that could be meant is as good as meant.
fn mapped(text: &str) -> Option<&str> {
    let (from, to) = (text.find('(')?, text.rfind(')')?);
    text.get(from + 1..to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alone(events: &[(&str, &str)]) -> bool {
        let owned: Vec<_> = events.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
        leaves_alone(&owned, &["d.t".into(), "d.a.b (x)".into()])
    }

    #[test]
    fn only_known_events_of_other_tables_leave_a_table_alone() {
        let other = [
            ("Gtid", "SET @@SESSION.GTID_NEXT= 'u:1'"),
            ("Query", "BEGIN"),
            ("Query", "SAVEPOINT `a`"),
            ("Rows_query", "# insert into d.t values (1)"),
            ("Table_map", "table_id: 106 (d.u)"),
            ("Write_rows", "table_id: 106 flags: STMT_END_F"),
            ("Xid", "COMMIT /* xid=12 */"),
        ];
        assert!(alone(&[]) && alone(&other));
        for table in ["table_id: 9 (d.t)", "table_id: 9 (D.T)", "table_id: 9 (d.a.b (x))", "table_id: 9", ""] {
            assert!(!alone(&[("Table_map", table)]), "{table}");
        }
        for text in ["use `d`; insert into t values (1)", "TRUNCATE t", "XA COMMIT X'78',X'',1", "BEGINNING", ""] {
            assert!(!alone(&[("Query", text)]), "{text}");
        }
        assert!(!alone(&[("Intvar", "INSERT_ID=1")]) && !alone(&[("XA_prepare", "XA PREPARE X'78',X'',1")]));
        assert!(!alone(&[("", "")]));
    }

    #[test]
    fn files_follow_each_other() {
        assert!(follows("a.b.000009", "a.b.000010") && follows("b.999999", "b.1000000"));
        for (before, after) in
            [("b.000009", "b.000009"), ("b.000009", "b.000011"), ("b.000009", "c.000010"), ("b", "b"), ("", "")]
        {
            assert!(!follows(before, after), "{before} {after}");
        }
    }

    #[test]
    fn a_packed_transaction_must_be_listed() {
        let payload = ("Transaction_payload", "compression='ZSTD', decompressed_size=237 bytes");
        assert!(alone(&[payload, ("Query", "BEGIN"), ("Table_map", "table_id: 106 (d.u)")]));
        assert!(!alone(&[payload, ("Query", "BEGIN"), ("Table_map", "table_id: 106 (d.t)")]));
        assert!(!alone(&[payload, ("Gtid", "SET @@SESSION.GTID_NEXT= 'u:2'")]));
        assert!(!alone(&[payload]));
    }
}
