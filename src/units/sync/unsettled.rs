//! What a group of the binlog gave so far, while nobody knows whether it counts. Servers write some transactions that were
//! rolled back into their binlogs, with `ROLLBACK` at their end or `ROLLBACK TO` in them; those of XA wait for a decision.
//! A replica undoes such rows; here they are not handed on.
//!
//! A server writes a group when its transaction ends, all at once, so that waiting for its end costs little. A group that
//! is too large for memory is only counted up to its end, and then read again; but when the source rules out that it is
//! rolled back (MySQL's GTIDs do), it is handed on as it comes.

use super::{
    savepoints::{Dropped, Marks},
    transaction::{Item, Output},
};
use crate::{
    error::{Code, DmError},
    mysql::binlog::RowsEvent,
};

/// The group under way.
pub struct Unsettled {
    /// Row events with their numbers, and others.
    items: Vec<(u64, Item)>,
    /// Memory that all row events so far would take.
    bytes: usize,
    /// Memory that may be taken.
    limit: usize,
    marks: Marks,
    /// Statements, or what can't be migrated.
    has_others: bool,
    way: Way,
    /// It can't be rolled back.
    certain: bool,
}

/// What is done with its items.
#[derive(PartialEq, Debug)]
enum Way {
    Kept,
    /// Too much to keep: handed on as they come.
    Passed,
    /// Too much to keep: only counted.
    Counted,
}

/// The row events of an XA transaction.
#[derive(Debug)]
pub struct HeldRows {
    /// None: too many to keep.
    pub rows: Option<Vec<RowsEvent>>,
    /// Memory that they take.
    pub bytes: usize,
    pub dropped: Dropped,
}

impl Unsettled {
    /// Keeps items that take so much memory at most.
    pub fn new(limit: usize) -> Self {
        Unsettled {
            items: Vec::new(),
            bytes: 0,
            limit,
            marks: Marks::default(),
            has_others: false,
            way: Way::Kept,
            certain: false,
        }
    }

    /// A group begins; what was there of another is forgotten.
    pub fn begin(&mut self, certain: bool) {
        *self = Unsettled { certain, ..Unsettled::new(self.limit) };
    }

    /// Nothing of the group was handed on.
    pub fn keeps_all(&self) -> bool {
        self.way != Way::Passed
    }

    /// Takes what the group gives next.
    pub fn push(&mut self, item: Item, out: &mut Vec<Output>) {
        let number = if matches!(item, Item::Rows { .. }) { self.marks.next() } else { 0 };
        self.has_others |= !matches!(item, Item::Rows { .. });
        self.bytes += item.weight();
        match self.way {
            Way::Kept if self.bytes <= self.limit => self.items.push((number, item)),
            Way::Kept if self.certain => {
                self.way = Way::Passed;
                self.settle(out);
                out.push(Output::Item(item));
            }
            Way::Kept => {
                self.way = Way::Counted;
                self.items = Vec::new();
            }
            Way::Passed => out.push(Output::Item(item)),
            Way::Counted => {}
        }
    }

    /// `SAVEPOINT name`.
    pub fn savepoint(&mut self, sql: &[u8]) {
        self.marks.savepoint(sql);
    }

    /// `ROLLBACK TO name`.
    pub fn roll_back_to(&mut self, sql: &[u8]) -> Result<(), DmError> {
        self.marks.roll_back_to(sql);
        if self.way == Way::Passed { Err(handed_on()) } else { Ok(()) }
    }

    /// No row of the group counts. Statements do: DDL that stands in a transaction ended it before.
    pub fn roll_back(&mut self) -> Result<(), DmError> {
        self.marks.roll_back();
        if self.way == Way::Passed { Err(handed_on()) } else { Ok(()) }
    }

    /// The group's end: hands on what was kept and counts. What it gives is to be read again, without these row events.
    pub fn end(&mut self, out: &mut Vec<Output>) -> Option<Dropped> {
        let again = self.way == Way::Counted && (self.marks.leave_any() || self.has_others);
        let dropped = self.settle(out);
        self.begin(false);
        again.then_some(dropped)
    }

    fn settle(&mut self, out: &mut Vec<Output>) -> Dropped {
        let dropped = std::mem::take(&mut self.marks).into_dropped();
        let counts = |(number, item): &(u64, Item)| !matches!(item, Item::Rows { .. }) || dropped.counts(*number);
        out.extend(self.items.drain(..).filter(counts).map(|(_, item)| Output::Item(item)));
        dropped
    }

    /// The end of an XA transaction's rows: takes those that count. Statements stay.
    pub fn take_rows(&mut self) -> HeldRows {
        let dropped = std::mem::take(&mut self.marks).into_dropped();
        let (mut rows, mut others) = (Vec::new(), Vec::new());
        for (number, item) in self.items.drain(..) {
            match item {
                Item::Rows { event, .. } if dropped.counts(number) => rows.push(event),
                Item::Rows { .. } => {}
                other => others.push((number, other)),
            }
        }
        self.items = others;
        let kept = self.way == Way::Kept;
        self.way = Way::Kept;
        HeldRows { rows: kept.then_some(rows), bytes: self.bytes, dropped }
    }
}

fn handed_on() -> DmError {
    DmError::new(Code::SyncerUnsupportedStmt)
        .msg(
            "a large transaction with a GTID of MySQL was rolled back on the source after its rows were written to the \
             binlog, which MySQL rules out, and a part of them is applied already",
        )
        .workaround(
            "The tables that it changed differ now: see the source's binlog at this place for which they are. Please \
             restore these rows on the target, or start the task again with a dump.",
        )
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        mysql::{binlog::QueryEvent, position::Location},
        units::sync::location::Transaction,
    };

    fn statement() -> Item {
        let before = Location::default();
        let transaction = Arc::new(Transaction { before, since: None, gtid: None, timestamp: 0 });
        let event = QueryEvent { sql: vec![b'x'; 100].into(), ..QueryEvent::default() };
        Item::Statement { transaction, event, start_pos: 4, end_pos: 8, timestamp: 0, number: 0, alone: false }
    }

    #[test]
    fn a_large_group_is_read_again_unless_it_is_certain() {
        let mut out = Vec::new();
        for (certain, passed) in [(false, 0), (true, 2)] {
            let mut group = Unsettled::new(statement().weight());
            group.begin(certain);
            group.push(statement(), &mut out);
            assert!(out.is_empty() && group.keeps_all());
            assert!(group.roll_back_to(b"ROLLBACK TO a").is_ok());
            group.push(statement(), &mut out);
            assert_eq!((out.len(), group.keeps_all()), (passed, !certain));
            assert_eq!(group.roll_back().is_err(), certain);
            assert_eq!(group.end(&mut out).is_some(), !certain);
            assert_eq!(out.len(), passed);
            group.begin(certain);
            group.push(statement(), &mut out);
            assert!(group.roll_back().is_ok());
            assert!(group.end(&mut out).is_none(), "kept, and statements stay");
            assert_eq!(out.len(), passed + 1);
            out.clear();
        }
    }
}
