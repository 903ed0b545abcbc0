//! The transaction stage: finds where transactions begin and end, and gives every event its transaction.
//!
//! MySQL: `GTID, BEGIN, rows.., XID` or `GTID, DDL`. MariaDB: `GTID, rows.., XID|COMMIT` or `GTID(standalone), DDL`.
//! Sources without GTID events: `BEGIN, rows.., XID` or `DDL`. Rows wait until their transaction is known to
//! count (see `unsettled`), those of XA transactions for XA COMMIT (see `xa`).

use std::sync::Arc;

use super::{
    events,
    location::{Boundary, Transaction},
    replay::{Again, Replay},
    unsettled::Unsettled,
    xa::{OpenXa, Prepared, Shelf, XaStatement},
};
use crate::{
    error::{Code, DmError},
    mysql::{
        binlog::{
            event::{Event, EventBody, GtidEvent, QueryEvent},
            rows::RowsEvent,
        },
        gtid::{Gtid, GtidSet},
        position::{BinlogPosition, Location},
    },
};

/// What the next stage gets.
#[derive(Debug)]
pub enum Item {
    /// The event begins at `start_pos` and ends at `end_pos`.
    Rows { transaction: Arc<Transaction>, event: RowsEvent, start_pos: u64, end_pos: u64 },
    /// `number`: which statement of the transaction; `alone`: it is the whole transaction.
    Statement {
        transaction: Arc<Transaction>,
        event: QueryEvent,
        start_pos: u64,
        end_pos: u64,
        timestamp: u32,
        number: u32,
        alone: bool,
    },
    /// Can't be migrated: ends the run, unless an operator passes it.
    Refused(Box<Refused>),
    /// Everything before `location` has passed.
    Boundary(Boundary),
}

/// An event that can't be migrated, and why.
#[derive(Debug)]
pub struct Refused {
    pub transaction: Arc<Transaction>,
    pub start_pos: u64,
    pub end_pos: u64,
    /// It is the whole transaction.
    pub alone: bool,
    pub error: DmError,
}

impl Item {
    /// Memory that it takes, in bytes.
    pub fn weight(&self) -> usize {
        let more = match self {
            Item::Rows { event, .. } => event.size(),
            Item::Statement { event, .. } => event.sql.len(),
            Item::Refused(_) => size_of::<Refused>(),
            Item::Boundary(_) => 0,
        };
        size_of::<Output>() + more
    }
}

/// What an event gives.
#[derive(Debug)]
pub enum Output {
    Item(Item),
    /// Rows to be read from the binlog again; what follows comes behind them.
    Replay(Replay),
}

/// The state between two events.
pub struct Assembler {
    /// Behind the last event that counts; the set holds finished transactions only.
    at: Location,
    /// With GTIDs: the transactions that ended since the run's beginning.
    since: Option<GtidSet>,
    current: Option<Current>,
    open_xa: OpenXa,
    shelf: Shelf,
    /// What the current transaction gave, until it is known to count.
    unsettled: Unsettled,
}

struct Current {
    transaction: Arc<Transaction>,
    /// BEGIN was seen: it ends with XID or COMMIT. Otherwise it is one statement.
    open: bool,
    /// Statements so far.
    statements: u32,
}

impl Assembler {
    /// Starts at a boundary where these XA transactions are prepared. Of rows whose fate isn't known yet, it keeps so many
    /// bytes of the transaction under way, and as much of all prepared ones together.
    pub fn new(at: Location, open_xa: OpenXa, kept: usize) -> Self {
        let since = at.gtid_set.as_ref().map(|set| GtidSet::empty(set.flavor()));
        let (shelf, unsettled) = (Shelf::new(kept), Unsettled::new(kept));
        Assembler { at, since, current: None, open_xa, shelf, unsettled }
    }

    /// Goes on at the place of [`Assembler::resume_at`], after the stream was opened there.
    pub fn resume(&mut self, at: Location) {
        self.at = at;
        self.current = None;
        self.unsettled.begin(false);
    }

    /// True between two transactions, and as long as nothing of one was handed on.
    pub fn at_boundary(&self) -> bool {
        self.current.is_none() || self.unsettled.keeps_all()
    }

    /// The end of the last whole transaction, from which a broken stream is read again.
    pub fn resume_at(&self) -> Location {
        match &self.current {
            Some(current) => current.transaction.before.clone(),
            None => self.at.clone(),
        }
    }

    /// Takes the next event and appends what it gives. Errors: what can't be migrated.
    pub fn next(&mut self, event: Event, out: &mut Vec<Output>) -> Result<(), DmError> {
        let (end, timestamp) = (event.end, event.header.timestamp);
        let start = end.saturating_sub(u64::from(event.header.event_size));
        if event.header.is_artificial() && !matches!(event.body, EventBody::Rotate { .. }) {
            return Ok(());
        }
        match event.body {
            EventBody::Rotate { name, pos, .. } => self.at.position = BinlogPosition::new(name, pos),
            EventBody::Gtid(gtid) => self.begin(&gtid, start, timestamp)?,
            EventBody::Query(query) => self.query(query, start, end, timestamp, out)?,
            EventBody::Rows(rows) => self.rows(rows, start, end, out)?,
            EventBody::Xid(_) => self.end(end, timestamp, out),
            EventBody::XaPrepare { one_phase, xid } => {
                self.prepared(one_phase, xid, start, end, timestamp, out);
            }
            EventBody::Heartbeat { name, pos } => self.heartbeat(name, pos, out),
            EventBody::Incident { code, message } => {
                self.refuse(events::incident(code, &message), start, end, timestamp, out);
            }
            EventBody::Unknown { ignorable: false } => {
                self.refuse(events::unknown(event.header.event_type), start, end, timestamp, out);
            }
            _ => {
                // Between transactions: a task that has nothing else to do stands behind it.
                if self.current.is_none() && end > 0 {
                    self.at.position.pos = end;
                    self.boundary(0, out);
                }
            }
        }
        Ok(())
    }

    /// An event that can't be migrated: outside of transactions, all of one (MySQL gives incidents a GTID), or within one.
    fn refuse(&mut self, error: DmError, start: u64, end: u64, timestamp: u32, out: &mut Vec<Output>) {
        if self.current.is_none() {
            self.open(None, start, timestamp, false);
        }
        let Some(current) = &self.current else { return };
        let (transaction, alone) = (current.transaction.clone(), !current.open);
        let refused = Refused { transaction, start_pos: start, end_pos: end, alone, error };
        self.unsettled.push(Item::Refused(Box::new(refused)), out);
        if alone {
            self.end(end, timestamp, out);
        }
    }

    fn rows(&mut self, event: RowsEvent, start_pos: u64, end_pos: u64, out: &mut Vec<Output>) -> Result<(), DmError> {
        let Some(Current { transaction, .. }) = &self.current else { return Err(events::outside(&self.at)) };
        let transaction = transaction.clone();
        self.unsettled.push(Item::Rows { transaction, event, start_pos, end_pos }, out);
        Ok(())
    }

    fn begin(&mut self, event: &GtidEvent, start: u64, timestamp: u32) -> Result<(), DmError> {
        let gtid = if self.at.gtid_set.is_some() { Some(self.need_gtid(event)?) } else { None };
        let open = matches!(event.gtid, Some(Gtid::Mariadb(_))) && !event.standalone;
        self.open(gtid, start, timestamp, open);
        // With GTIDs MySQL refuses what makes it write rows that were rolled back (error 1785, 1787).
        self.unsettled.begin(matches!(event.gtid, Some(Gtid::Mysql(_))));
        Ok(())
    }

    fn need_gtid(&self, event: &GtidEvent) -> Result<Gtid, DmError> {
        event.gtid.clone().ok_or_else(|| {
            DmError::new(Code::SyncerGetEvent).msg(format!(
                "the source wrote a transaction without a GTID at {}, but `enable-gtid` is true: set gtid_mode=ON on \
                 the source, or `enable-gtid: false`",
                self.at
            ))
        })
    }

    fn open(&mut self, gtid: Option<Gtid>, start: u64, timestamp: u32, open: bool) {
        let position = BinlogPosition::new(self.at.position.name.clone(), start);
        let before = Location::new(position, self.at.gtid_set.clone());
        let transaction = Arc::new(Transaction { before, since: self.since.clone(), gtid, timestamp });
        self.current = Some(Current { transaction, open, statements: 0 });
        self.unsettled.begin(false);
    }

    fn query(
        &mut self,
        query: QueryEvent,
        start: u64,
        end: u64,
        timestamp: u32,
        out: &mut Vec<Output>,
    ) -> Result<(), DmError> {
        match control(&query.sql) {
            Control::Begin => self.begin_rows(start, timestamp),
            Control::Commit => self.end(end, timestamp, out),
            Control::Rollback => {
                if let Err(error) = self.unsettled.roll_back() {
                    self.refuse(error, start, end, timestamp, out);
                }
                self.end(end, timestamp, out);
            }
            Control::Savepoint => self.unsettled.savepoint(query.sql.trim_ascii()),
            Control::RollbackTo => {
                if let Err(error) = self.unsettled.roll_back_to(query.sql.trim_ascii()) {
                    self.refuse(error, start, end, timestamp, out);
                }
            }
            Control::Inner | Control::Xa(XaStatement::End) => {}
            Control::Xa(XaStatement::Start) => {
                self.begin_rows(start, timestamp);
                self.unsettled.begin(false);
            }
            Control::Xa(XaStatement::Commit(xid)) => self.commit(xid, start, end, timestamp, out),
            Control::Xa(XaStatement::Rollback(xid)) => {
                if self.current.is_none() {
                    self.open(None, start, timestamp, false);
                }
                self.shelf.take(&xid);
                self.forget(&xid);
                self.end(end, timestamp, out);
            }
            Control::Other => {
                if self.current.is_none() {
                    self.open(None, start, timestamp, false);
                }
                let Some(current) = &mut self.current else { return Ok(()) };
                let number = current.statements;
                current.statements += 1;
                let (transaction, alone) = (current.transaction.clone(), !current.open);
                let (start_pos, end_pos) = (start, end);
                let item = Item::Statement { transaction, event: query, start_pos, end_pos, timestamp, number, alone };
                self.unsettled.push(item, out);
                if alone {
                    self.end(end, timestamp, out);
                }
            }
        }
        Ok(())
    }

    fn begin_rows(&mut self, start: u64, timestamp: u32) {
        match &mut self.current {
            Some(current) => current.open = true,
            None => self.open(None, start, timestamp, true),
        }
    }

    /// The end of an XA transaction's rows.
    fn prepared(&mut self, one_phase: bool, xid: String, start: u64, end: u64, timestamp: u32, out: &mut Vec<Output>) {
        let Some(transaction) = self.current.as_ref().map(|current| current.transaction.clone()) else { return };
        let held = self.unsettled.take_rows();
        let (at, gtid) = (transaction.before.clone(), transaction.gtid.clone());
        let at = Prepared { at, gtid, dropped: held.dropped.clone() };
        if one_phase {
            let what = Again::Xa { xid, prepared: Some(Box::new(at)) };
            hand_on(held.rows, Replay { transaction, what, start_pos: start, end_pos: end }, out);
        } else {
            self.shelf.put(&xid, held);
            Arc::make_mut(&mut self.open_xa).insert(xid, at);
        }
        self.end(end, timestamp, out);
    }

    fn commit(&mut self, xid: String, start: u64, end: u64, timestamp: u32, out: &mut Vec<Output>) {
        if self.current.is_none() {
            self.open(None, start, timestamp, false);
        }
        let Some(transaction) = self.current.as_ref().map(|current| current.transaction.clone()) else { return };
        let rows = self.shelf.take(&xid);
        let prepared = self.forget(&xid).map(Box::new);
        let what = Again::Xa { xid, prepared };
        hand_on(rows, Replay { transaction, what, start_pos: start, end_pos: end }, out);
        self.end(end, timestamp, out);
    }

    fn forget(&mut self, xid: &str) -> Option<Prepared> {
        let known = self.open_xa.contains_key(xid);
        known.then(|| Arc::make_mut(&mut self.open_xa).remove(xid)).flatten()
    }

    fn end(&mut self, end: u64, timestamp: u32, out: &mut Vec<Output>) {
        let Some(current) = self.current.take() else { return };
        if let Some(dropped) = self.unsettled.end(out) {
            let (transaction, what) = (current.transaction.clone(), Again::Group(dropped));
            out.push(Output::Replay(Replay { transaction, what, start_pos: end, end_pos: end }));
        }
        for set in [&mut self.at.gtid_set, &mut self.since].into_iter().flatten() {
            // One stream, one flavor.
            let _ = current.transaction.gtid.as_ref().map(|gtid| set.add(gtid));
        }
        self.at.position.pos = end;
        self.boundary(timestamp, out);
    }

    fn boundary(&self, timestamp: u32, out: &mut Vec<Output>) {
        let boundary = Boundary { location: self.at.clone(), timestamp, open_xa: self.open_xa.clone() };
        out.push(Output::Item(Item::Boundary(boundary)));
    }

    /// The source has nothing for us but stands further on: the checkpoint may follow.
    fn heartbeat(&mut self, name: String, pos: u64, out: &mut Vec<Output>) {
        if self.current.is_some() || name.is_empty() {
            return;
        }
        let position = BinlogPosition::new(name, pos);
        if position > self.at.position {
            self.at.position = position;
            self.boundary(0, out);
        }
    }
}

/// The rows of a committed XA transaction: from memory, or to be read again.
fn hand_on(rows: Option<Vec<RowsEvent>>, replay: Replay, out: &mut Vec<Output>) {
    let Some(rows) = rows else { return out.push(Output::Replay(replay)) };
    out.extend(rows.into_iter().map(|event| Output::Item(replay.item(event))));
}

/// What a query event means for the transaction.
#[derive(PartialEq, Eq, Debug)]
pub enum Control {
    Begin,
    Commit,
    Rollback,
    Savepoint,
    RollbackTo,
    /// Says nothing to us.
    Inner,
    Xa(XaStatement),
    Other,
}

/// Reads a query event's statement.
pub fn control(sql: &[u8]) -> Control {
    let sql = sql.trim_ascii();
    let is = |word: &str| sql.len() >= word.len() && sql[..word.len()].eq_ignore_ascii_case(word.as_bytes());
    if let Some(xa) = XaStatement::parse(sql) {
        Control::Xa(xa)
    } else if sql.eq_ignore_ascii_case(b"BEGIN") {
        Control::Begin
    } else if sql.eq_ignore_ascii_case(b"COMMIT") {
        Control::Commit
    } else if sql.eq_ignore_ascii_case(b"ROLLBACK") {
        Control::Rollback
    } else if is("SAVEPOINT ") {
        Control::Savepoint
    } else if is("ROLLBACK TO ") {
        Control::RollbackTo
    } else if is("RELEASE SAVEPOINT") {
        Control::Inner
    } else {
        Control::Other
    }
}

#[cfg(test)]
#[path = "transaction_tests.rs"]
mod tests;
