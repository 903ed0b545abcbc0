//! The transaction stage: finds where transactions begin and end, and gives every event its transaction.
//!
//! MySQL: `GTID, BEGIN, rows.., XID` or `GTID, DDL`. MariaDB: `GTID, rows.., XID|COMMIT` or `GTID(standalone), DDL`.
//! Sources without GTID events: `BEGIN, rows.., XID` or `DDL`. Nothing is buffered: rows pass as they come.

use std::sync::Arc;

use super::location::{Boundary, Transaction};
use crate::{
    error::{Code, DmError},
    mysql::{
        binlog::{
            event::{Event, EventBody, GtidEvent, QueryEvent},
            rows::RowsEvent,
        },
        gtid::Gtid,
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
    /// Everything before `location` has passed.
    Boundary(Boundary),
}

/// The state between two events.
pub struct Assembler {
    /// Behind the last event that counts; the set holds finished transactions only.
    at: Location,
    current: Option<Current>,
}

struct Current {
    transaction: Arc<Transaction>,
    /// BEGIN was seen: it ends with XID or COMMIT. Otherwise it is one statement.
    open: bool,
    /// Statements so far.
    statements: u32,
}

impl Assembler {
    /// Starts at a boundary.
    pub fn new(at: Location) -> Self {
        Assembler { at, current: None }
    }

    /// True between two transactions.
    pub fn at_boundary(&self) -> bool {
        self.current.is_none()
    }

    /// The end of the last whole transaction, from which a broken stream is read again.
    pub fn resume_at(&self) -> Location {
        match &self.current {
            Some(current) => current.transaction.before.clone(),
            None => self.at.clone(),
        }
    }

    /// Takes the next event and appends what it gives. Errors: what can't be migrated.
    pub fn next(&mut self, event: Event, out: &mut Vec<Item>) -> Result<(), DmError> {
        let (end, timestamp) = (event.end, event.header.timestamp);
        if let Some(item) = self.take(event)? {
            let alone = matches!(item, Item::Statement { alone: true, .. });
            out.push(item);
            if alone {
                out.extend(self.end(end, timestamp));
            }
        }
        Ok(())
    }

    fn take(&mut self, event: Event) -> Result<Option<Item>, DmError> {
        let (end, timestamp) = (event.end, event.header.timestamp);
        let start = end.saturating_sub(u64::from(event.header.event_size));
        if event.header.is_artificial() && !matches!(event.body, EventBody::Rotate { .. }) {
            return Ok(None);
        }
        match event.body {
            EventBody::Rotate { name, pos, .. } => {
                self.at.position = BinlogPosition::new(name, pos);
                Ok(None)
            }
            EventBody::Gtid(gtid) => {
                self.begin(&gtid, start, timestamp)?;
                Ok(None)
            }
            EventBody::Query(query) => self.query(query, start, end, timestamp),
            EventBody::Rows(rows) => match &self.current {
                Some(current) => {
                    let transaction = current.transaction.clone();
                    Ok(Some(Item::Rows { transaction, event: rows, start_pos: start, end_pos: end }))
                }
                None => Err(outside(&self.at)),
            },
            EventBody::Xid(_) | EventBody::XaPrepare { one_phase: true } => Ok(self.end(end, timestamp)),
            EventBody::XaPrepare { one_phase: false } => Err(DmError::new(Code::SyncerUnsupportedStmt).msg(format!(
                "an XA transaction was prepared on the source at {}; whether it commits is decided later, which can't \
                 be migrated",
                self.at
            ))),
            EventBody::Heartbeat { name, pos } => Ok(self.heartbeat(name, pos)),
            EventBody::Incident { code, message } => Err(DmError::new(Code::SyncerGetEvent).msg(format!(
                "the source's binlog has an incident event at {} (code {code}: {message}): events may be missing; \
                 compare the data and start the task anew",
                self.at
            ))),
            EventBody::Unknown { ignorable: false } => Err(DmError::new(Code::SyncerGetEvent).msg(format!(
                "the source's binlog has an event of the unknown type {} at {}",
                event.header.event_type, self.at
            ))),
            _ => {
                if self.current.is_none() && end > 0 {
                    self.at.position.pos = end;
                }
                Ok(None)
            }
        }
    }

    fn begin(&mut self, event: &GtidEvent, start: u64, timestamp: u32) -> Result<(), DmError> {
        let gtid = if self.at.gtid_set.is_some() { Some(self.need_gtid(event)?) } else { None };
        let open = matches!(event.gtid, Some(Gtid::Mariadb(_))) && !event.standalone;
        self.open(gtid, start, timestamp, open);
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
        let transaction = Arc::new(Transaction { before, gtid, timestamp });
        self.current = Some(Current { transaction, open, statements: 0 });
    }

    fn query(&mut self, query: QueryEvent, start: u64, end: u64, timestamp: u32) -> Result<Option<Item>, DmError> {
        match control(&query.sql) {
            Control::Begin => {
                match &mut self.current {
                    Some(current) => current.open = true,
                    None => self.open(None, start, timestamp, true),
                }
                return Ok(None);
            }
            Control::End => return Ok(self.end(end, timestamp)),
            Control::Inner => return Ok(None),
            Control::Other => {}
        }
        if self.current.is_none() {
            self.open(None, start, timestamp, false);
        }
        let Some(current) = &mut self.current else { return Ok(None) };
        let number = current.statements;
        current.statements += 1;
        let transaction = current.transaction.clone();
        let alone = !current.open;
        Ok(Some(Item::Statement {
            transaction,
            event: query,
            start_pos: start,
            end_pos: end,
            timestamp,
            number,
            alone,
        }))
    }

    fn end(&mut self, end: u64, timestamp: u32) -> Option<Item> {
        let current = self.current.take()?;
        if let (Some(set), Some(gtid)) = (&mut self.at.gtid_set, &current.transaction.gtid) {
            // One stream, one flavor.
            let _ = set.add(gtid);
        }
        self.at.position.pos = end;
        Some(Item::Boundary(Boundary { location: self.at.clone(), timestamp }))
    }

    /// The source has nothing for us but stands further on: the checkpoint may follow.
    fn heartbeat(&mut self, name: String, pos: u64) -> Option<Item> {
        if self.current.is_some() || name.is_empty() {
            return None;
        }
        let position = BinlogPosition::new(name, pos);
        if position <= self.at.position {
            return None;
        }
        self.at.position = position;
        Some(Item::Boundary(Boundary { location: self.at.clone(), timestamp: 0 }))
    }
}

fn outside(at: &Location) -> DmError {
    DmError::new(Code::SyncerGetEvent).msg(format!(
        "the binlog has rows outside of a transaction at {at}: the position the task started from lies inside one"
    ))
}

/// What a query event means for the transaction.
#[derive(PartialEq, Eq, Debug)]
enum Control {
    Begin,
    End,
    /// Says nothing to us.
    Inner,
    Other,
}

fn control(sql: &[u8]) -> Control {
    let sql = sql.trim_ascii();
    let is = |word: &str| sql.len() >= word.len() && sql[..word.len()].eq_ignore_ascii_case(word.as_bytes());
    if sql.eq_ignore_ascii_case(b"BEGIN") || is("XA START") || is("XA BEGIN") {
        Control::Begin
    } else if sql.eq_ignore_ascii_case(b"COMMIT") || sql.eq_ignore_ascii_case(b"ROLLBACK") || is("XA ROLLBACK") {
        Control::End
    } else if is("SAVEPOINT") || is("ROLLBACK TO") || is("RELEASE SAVEPOINT") || is("XA END") || is("XA PREPARE") {
        Control::Inner
    } else {
        Control::Other
    }
}
