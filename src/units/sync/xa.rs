//! XA transactions: their rows stand in one transaction of the binlog, whether they count is said in a later one.
//!
//! Rows of an XA transaction are not handed on when they come. They are kept in memory as long as they are few; of all,
//! the place where they begin is remembered, in the checkpoint too. `XA COMMIT` hands them on, from memory or read from
//! the source's binlog again, as the rows of its own transaction; `XA ROLLBACK` forgets them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{location::Transaction, transaction::Item, unsettled::name_in};
use crate::{
    error::{Code, DmError},
    mysql::{binlog::RowsEvent, gtid::Gtid, position::Location},
};

/// Bytes of row images kept, of one transaction under way and of all prepared ones together.
const KEPT: usize = 8 << 20;

/// A transaction that is prepared and neither committed nor rolled back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Prepared {
    /// Where it begins in the binlog; with GTIDs the set of those before it.
    pub at: Location,
    /// The id under which it was prepared; None where the task follows positions.
    pub gtid: Option<Gtid>,
    /// Row events of it that were rolled back to a savepoint: from one number up to, not including, another.
    #[serde(default)]
    pub dropped: Vec<(u64, u64)>,
}

/// All of them by xid, as the binlog's statements write it (`X'61',X'62',7`). A new map for each change.
pub type OpenXa = Arc<BTreeMap<String, Prepared>>;

/// Rows to be read again, as those of `transaction`.
#[derive(Debug)]
pub struct Replay {
    pub xid: String,
    /// None: prepared before the task's start; it must be looked for.
    pub prepared: Option<Prepared>,
    pub transaction: Arc<Transaction>,
    /// Of the event that commits them.
    pub start_pos: u64,
    pub end_pos: u64,
}

impl Replay {
    /// Rows as those of the committing transaction.
    pub fn item(&self, event: RowsEvent) -> Item {
        let Replay { transaction, start_pos, end_pos, .. } = self;
        Item::Rows { transaction: transaction.clone(), event, start_pos: *start_pos, end_pos: *end_pos }
    }
}

/// Counts the row events of an XA transaction, and notes which were rolled back to a savepoint.
#[derive(Default, Debug)]
pub struct Marks {
    events: u64,
    savepoints: Vec<(Vec<u8>, u64)>,
    dropped: Vec<(u64, u64)>,
}

impl Marks {
    /// The number of a row event.
    pub fn next(&mut self) -> u64 {
        self.events += 1;
        self.events - 1
    }

    /// `SAVEPOINT name` and `ROLLBACK TO name`; other statements are nothing.
    pub fn statement(&mut self, sql: &[u8]) {
        let starts = |words: &[u8]| sql.get(..words.len()).is_some_and(|head| head.eq_ignore_ascii_case(words));
        if starts(b"SAVEPOINT ") {
            self.savepoints.push((name_in(sql, b"SAVEPOINT"), self.events));
        } else if starts(b"ROLLBACK TO ") {
            let name = name_in(sql, b"ROLLBACK TO");
            // A savepoint before the first row is left out by the server.
            let from = match self.savepoints.iter().rposition(|(known, _)| *known == name) {
                Some(found) => {
                    self.savepoints.truncate(found + 1);
                    self.savepoints.last().map_or(0, |(_, from)| *from)
                }
                None => 0,
            };
            self.dropped.push((from, self.events));
        }
    }

    /// What was rolled back.
    pub fn dropped(&self) -> Vec<(u64, u64)> {
        self.dropped.clone()
    }
}

/// Whether a row event counts.
pub fn counts(dropped: &[(u64, u64)], number: u64) -> bool {
    !dropped.iter().any(|(from, to)| (*from..*to).contains(&number))
}

/// The rows of one XA transaction, or only that there are some.
#[derive(Default, Debug)]
pub struct HeldRows {
    /// With their numbers.
    rows: Vec<(u64, RowsEvent)>,
    bytes: usize,
    pub marks: Marks,
}

impl HeldRows {
    /// Keeps an event if there is room.
    pub fn push(&mut self, event: RowsEvent) {
        self.bytes += event.size();
        let number = self.marks.next();
        if self.bytes <= KEPT {
            self.rows.push((number, event.detached()));
        } else {
            self.rows = Vec::new();
        }
    }

    /// The rows; None when there were too many to keep.
    pub fn into_rows(self) -> Option<Vec<RowsEvent>> {
        let HeldRows { rows, bytes, marks } = self;
        let kept = rows.into_iter().filter(|(number, _)| counts(&marks.dropped, *number)).map(|(_, event)| event);
        (bytes <= KEPT).then(|| kept.collect())
    }
}

/// Rows of prepared transactions that are kept in memory.
#[derive(Default, Debug)]
pub struct Shelf {
    rows: HashMap<String, HeldRows>,
    bytes: usize,
}

impl Shelf {
    /// Keeps the rows if there is room.
    pub fn put(&mut self, xid: &str, held: HeldRows) {
        if self.bytes + held.bytes <= KEPT {
            self.bytes += held.bytes;
            self.rows.insert(xid.to_owned(), held);
        }
    }

    /// Takes them out again.
    pub fn take(&mut self, xid: &str) -> Option<Vec<RowsEvent>> {
        let held = self.rows.remove(xid)?;
        self.bytes -= held.bytes;
        held.into_rows()
    }
}

/// What an XA statement of the binlog says.
#[derive(PartialEq, Eq, Debug)]
pub enum XaStatement {
    Start,
    End,
    Commit(String),
    Rollback(String),
}

impl XaStatement {
    /// Reads `XA COMMIT X'61',X'62',7`; None for other statements. The server writes them in this form, whatever the
    /// client wrote.
    pub fn parse(sql: &[u8]) -> Option<XaStatement> {
        let text = std::str::from_utf8(sql).ok()?.trim();
        let mut words = text.split_ascii_whitespace();
        if !words.next()?.eq_ignore_ascii_case("XA") {
            return None;
        }
        let verb = words.next()?.to_ascii_uppercase();
        let xid = || words.clone().collect::<Vec<_>>().concat();
        match verb.as_str() {
            "START" | "BEGIN" => Some(XaStatement::Start),
            "END" => Some(XaStatement::End),
            "COMMIT" => Some(XaStatement::Commit(xid())),
            "ROLLBACK" => Some(XaStatement::Rollback(xid())),
            _ => None,
        }
    }
}

/// The error of a prepared transaction whose rows the source no longer has.
pub fn lost(xid: &str, what: &str) -> DmError {
    DmError::new(Code::SyncerGetEvent)
        .msg(format!("XA COMMIT {xid}: its rows were prepared earlier, and {what}"))
        .workaround(
            "Please load again what it changed, where that is not on the target already, or start the task anew with a dump.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_behind_a_savepoint_that_is_rolled_back_to_do_not_count() {
        let mut marks = Marks::default();
        marks.next();
        marks.statement(b"SAVEPOINT `a`");
        marks.next();
        marks.statement(b"SAVEPOINT `b`");
        marks.next();
        marks.statement(b"ROLLBACK TO `A`");
        marks.next();
        let counted: Vec<_> = (0..4).map(|number| counts(&marks.dropped(), number)).collect();
        assert_eq!(counted, [true, false, false, true]);
        marks.statement(b"ROLLBACK TO `before the first row`");
        assert!((0..4).all(|number| !counts(&marks.dropped(), number)));
    }

    #[test]
    fn statements_are_read_as_the_server_writes_them() {
        let parse = |sql: &str| XaStatement::parse(sql.as_bytes());
        assert_eq!(parse("XA START X'61',X'62',7"), Some(XaStatement::Start));
        assert_eq!(parse("XA END X'61',X'62',7"), Some(XaStatement::End));
        assert_eq!(parse("xa commit X'61', X'62',7 "), Some(XaStatement::Commit("X'61',X'62',7".into())));
        assert_eq!(parse("XA ROLLBACK X'61',X'',1"), Some(XaStatement::Rollback("X'61',X'',1".into())));
        for other in ["XA", "XA RECOVER", "XAVIER START", "CREATE TABLE xa (a int)", ""] {
            assert_eq!(parse(other), None, "{other}");
        }
    }
}
