//! What a transaction gave so far, while nobody knows whether it counts. Servers write some transactions that were rolled
//! back into their binlogs, with `ROLLBACK` at their end or `ROLLBACK TO` in them (where temporary or non-transactional
//! tables took part, MariaDB also without). A replica undoes those rows; here they are not handed on.
//!
//! A server writes a transaction when it ends, all at once, so that waiting for its end costs no time. One that is larger
//! than [`KEPT`] is handed on before its end, as it must not be held in memory; if that one is rolled back, the run ends.

use super::transaction::{Item, Output};
use crate::error::{Code, DmError};

/// Bytes of row events kept.
const KEPT: usize = 4 << 20;

/// The items of the transaction under way.
#[derive(Default)]
pub struct Unsettled {
    items: Vec<Output>,
    bytes: usize,
    /// Names in lower case, and how many items stood before them; None: some were handed on after it.
    savepoints: Vec<(Vec<u8>, Option<usize>)>,
    /// Some rows were handed on.
    passed: bool,
}

impl Unsettled {
    /// Keeps an item, or hands everything on when it is too much.
    pub fn push(&mut self, item: Item, bytes: usize, out: &mut Vec<Output>) {
        self.bytes += bytes;
        if self.bytes <= KEPT && !self.passed {
            return self.items.push(Output::Item(item));
        }
        self.passed = true;
        self.savepoints.iter_mut().for_each(|(_, before)| *before = None);
        out.append(&mut self.items);
        out.push(Output::Item(item));
    }

    /// The transaction counts.
    pub fn commit(&mut self, out: &mut Vec<Output>) {
        out.append(&mut self.items);
        *self = Unsettled::default();
    }

    /// It doesn't. Statements stay: DDL that stands in a transaction ended it before.
    pub fn roll_back(&mut self, out: &mut Vec<Output>) -> Result<(), DmError> {
        if self.passed {
            return Err(too_large());
        }
        self.keep(0);
        self.commit(out);
        Ok(())
    }

    /// `SAVEPOINT name`.
    pub fn savepoint(&mut self, sql: &[u8]) {
        let name = name_in(sql, b"SAVEPOINT");
        self.savepoints.retain(|(known, _)| *known != name);
        self.savepoints.push((name, Some(self.items.len())));
    }

    /// `ROLLBACK TO name`.
    pub fn roll_back_to(&mut self, sql: &[u8]) -> Result<(), DmError> {
        let name = name_in(sql, b"ROLLBACK TO");
        let Some(found) = self.savepoints.iter().position(|(known, _)| *known == name) else {
            // Named before the first row, which the server leaves out.
            if self.passed {
                return Err(too_large());
            }
            self.keep(0);
            return Ok(());
        };
        let before = self.savepoints.get(found).and_then(|(_, before)| *before).ok_or_else(too_large)?;
        self.savepoints.truncate(found + 1);
        if self.passed && before < self.items.len() {
            return Err(too_large());
        }
        self.keep(before);
        Ok(())
    }

    /// Forgets rows from number `from` on.
    fn keep(&mut self, from: usize) {
        let later = self.items.split_off(from.min(self.items.len()));
        self.items.extend(later.into_iter().filter(|output| !matches!(output, Output::Item(Item::Rows { .. }))));
    }
}

/// The savepoint's name as servers compare it.
pub fn name_in(sql: &[u8], words: &[u8]) -> Vec<u8> {
    let rest = sql.get(words.len()..).unwrap_or_default().trim_ascii();
    let rest = match rest.get(..10) {
        Some(word) if word.eq_ignore_ascii_case(b"SAVEPOINT ") => rest.get(10..).unwrap_or_default().trim_ascii(),
        _ => rest,
    };
    let bare = rest.strip_prefix(b"`").and_then(|name| name.strip_suffix(b"`")).unwrap_or(rest);
    bare.to_ascii_lowercase()
}

fn too_large() -> DmError {
    DmError::new(Code::SyncerUnsupportedStmt)
        .msg(format!(
            "a transaction of more than {} MiB of rows was rolled back on the source after its rows were written to the \
             binlog, and a part of them is applied already",
            KEPT >> 20
        ))
        .workaround(
            "The tables that it changed differ now: see the source's binlog at this place for which they are. Please \
             start the task again with a dump, or restore these rows and begin behind the transaction.",
        )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{mysql::position::Location, units::sync::location::Boundary};

    /// Rows need a table map; a boundary will do.
    fn item() -> Item {
        Item::Boundary(Boundary { location: Location::default(), timestamp: 0, open_xa: Arc::default() })
    }

    #[test]
    fn names_are_read_as_servers_write_them() {
        assert_eq!(name_in(b"SAVEPOINT `One`", b"SAVEPOINT"), b"one");
        assert_eq!(name_in(b"ROLLBACK TO `one`", b"ROLLBACK TO"), b"one");
        assert_eq!(name_in(b"ROLLBACK TO SAVEPOINT one", b"ROLLBACK TO"), b"one");
    }

    #[test]
    fn a_large_transaction_passes_and_can_not_be_taken_back() {
        let (mut all, mut out) = (Unsettled::default(), Vec::new());
        all.savepoint(b"SAVEPOINT `a`");
        all.push(item(), 100, &mut out);
        assert!(out.is_empty());
        assert!(all.roll_back_to(b"ROLLBACK TO `a`").is_ok());
        all.push(item(), KEPT, &mut out);
        assert_eq!(out.len(), 2);
        assert!(all.roll_back_to(b"ROLLBACK TO `a`").is_err());
        assert!(all.roll_back(&mut out).is_err());
        all.commit(&mut out);
        all.push(item(), 100, &mut out);
        assert!(all.roll_back(&mut out).is_ok());
    }
}
