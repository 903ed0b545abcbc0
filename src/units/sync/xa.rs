//! XA transactions: their rows stand in one transaction of the binlog, whether they count is said in a later one.
//!
//! Rows of an XA transaction are not handed on when they come (see `unsettled`). They are kept in memory as long as they
//! are few; of all, the place where they begin is remembered, in the checkpoint too. `XA COMMIT` hands them on, from memory
//! or read from the source's binlog again (`replay`), as the rows of its own transaction; `XA ROLLBACK` forgets them.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use serde::{Deserialize, Serialize};

use super::{savepoints::Dropped, unsettled::HeldRows};
use crate::{
    error::{Code, DmError},
    mysql::{binlog::RowsEvent, gtid::Gtid, position::Location},
};

/// A transaction that is prepared and neither committed nor rolled back.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Prepared {
    /// Where it begins in the binlog; with GTIDs the set of those before it.
    pub at: Location,
    /// The id under which it was prepared; None where the task follows positions.
    pub gtid: Option<Gtid>,
    /// Row events of it that were rolled back to a savepoint.
    #[serde(default)]
    pub dropped: Dropped,
}

/// All of them by xid, as the binlog's statements write it (`X'61',X'62',7`). A new map for each change.
pub type OpenXa = Arc<BTreeMap<String, Prepared>>;

/// Rows of prepared transactions that are kept in memory.
#[derive(Debug)]
pub struct Shelf {
    rows: HashMap<String, (Vec<RowsEvent>, usize)>,
    bytes: usize,
    limit: usize,
}

impl Shelf {
    /// Keeps rows that take so much memory at most, all together.
    pub fn new(limit: usize) -> Shelf {
        Shelf { rows: HashMap::new(), bytes: 0, limit }
    }

    /// Keeps the rows if there is room.
    pub fn put(&mut self, xid: &str, held: HeldRows) {
        let Some(rows) = held.rows.filter(|_| self.bytes + held.bytes <= self.limit) else { return };
        self.take(xid);
        self.bytes += held.bytes;
        let rows = rows.into_iter().map(RowsEvent::detached).collect();
        self.rows.insert(xid.to_owned(), (rows, held.bytes));
    }

    /// Takes them out again.
    pub fn take(&mut self, xid: &str) -> Option<Vec<RowsEvent>> {
        let (rows, bytes) = self.rows.remove(xid)?;
        self.bytes -= bytes;
        Some(rows)
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
