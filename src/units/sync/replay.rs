//! Rows that are read from the source's binlog again, over a connection of their own: those of a committed XA transaction,
//! and those of a group that was too large to keep until its end told what of it counts.

use std::sync::Arc;

use tokio::time::Instant;

use super::{
    counters::Counters,
    events,
    location::Transaction,
    missing,
    outlet::Outlet,
    savepoints::{Dropped, Marks},
    source::{BREAK_PAUSE, ITEM_BYTES, ITEMS, REOPEN_PAUSE, another_server_id, open},
    transaction::{Control, Item, Refused, control},
    xa::{Prepared, XaStatement, lost},
};
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Scope},
    mysql::{
        binlog::{BinlogStream, Event, EventBody, RowsEvent},
        position::{BinlogPosition, FIRST_EVENT_POS, Location},
        server::show_binary_logs,
    },
    units::{
        failpoint::{self, Place},
        link,
    },
};

/// Rows to be read again.
#[derive(Debug)]
pub struct Replay {
    /// They count as this transaction's.
    pub transaction: Arc<Transaction>,
    pub what: Again,
    /// Of the event that makes them count.
    pub start_pos: u64,
    pub end_pos: u64,
}

/// Which rows.
#[derive(Debug)]
pub enum Again {
    /// Of an XA transaction. `prepared` is None when that was before the task's start; it must be looked for.
    Xa { xid: String, prepared: Option<Box<Prepared>> },
    /// The transaction's own, without the row events that were rolled back. It ends with the event that ends at `end_pos`.
    Group(Dropped),
}

impl Replay {
    /// Rows of an XA transaction as those of the committing one.
    pub fn item(&self, event: RowsEvent) -> Item {
        let Replay { transaction, start_pos, end_pos, .. } = self;
        Item::Rows { transaction: transaction.clone(), event, start_pos: *start_pos, end_pos: *end_pos }
    }
}

/// Hands on the rows; where they are lost, an event that can't be migrated. A stream that breaks is opened again once
/// within a minute.
pub async fn run(
    config: &SubtaskConfig,
    mut replay: Replay,
    outlet: &Outlet,
    counters: &Counters,
) -> Result<(), DmError> {
    let (mut sent, mut broken) = (0, None::<Instant>);
    loop {
        let error = match read(config, &mut replay, outlet, counters, &mut sent).await {
            Ok(()) => return Ok(()),
            Err(Unread::Lost(error)) => return outlet.send(vec![replay.refused(error)], 0).await,
            Err(Unread::Failed(error)) => return Err(error),
            Err(Unread::Broken(error)) => error,
        };
        if broken.is_some_and(|at| at.elapsed() < BREAK_PAUSE) {
            return Err(error);
        }
        broken = Some(Instant::now());
        tracing::warn!(error = %error, "the rows that are read from the binlog again are asked for once more");
        tokio::time::sleep(REOPEN_PAUSE).await;
    }
}

/// Why the rows don't come.
enum Unread {
    /// The source no longer has them: trying again doesn't help.
    Lost(DmError),
    /// The stream broke.
    Broken(DmError),
    Failed(DmError),
}

impl From<DmError> for Unread {
    fn from(error: DmError) -> Self {
        Unread::Failed(error)
    }
}

async fn read(
    config: &SubtaskConfig,
    replay: &mut Replay,
    outlet: &Outlet,
    counters: &Counters,
    sent: &mut usize,
) -> Result<(), Unread> {
    if let Again::Xa { xid, prepared: prepared @ None } = &mut replay.what {
        *prepared = Some(Box::new(find(config, xid, &replay.transaction.before.position).await?));
    }
    let from = replay.begins_at();
    tracing::info!(%from, sent = *sent, "rows are read from the binlog again");
    let broken = |error| if missing::is_refusal(&error) { replay.gone(error) } else { Unread::Broken(error) };
    let mut stream = open(config, &from, another_server_id()).await.map_err(broken)?;
    let mut reader = Reader { replay, inside: false, ended: false, number: 0, statements: 0, given: 0 };
    let behind = BinlogPosition::new(&replay.transaction.before.position.name, replay.end_pos);
    while !reader.ended {
        let asked = Instant::now();
        let mut next = Some(stream.next().await.map_err(broken)?);
        let waited = asked.elapsed();
        let (mut items, mut events, mut bytes) = (Vec::new(), 0, 0);
        while let Some(event) = next {
            failpoint::pass(&config.name, Place::SourceEvent)?;
            events += 1;
            bytes += event.header.event_size as usize;
            let (given, item) = (reader.given, reader.take(event)?);
            items.extend(item.filter(|_| given >= *sent));
            let full = items.len() >= ITEMS || bytes >= ITEM_BYTES;
            next = if full || reader.ended { None } else { stream.ready() };
        }
        counters.read(events, bytes as u64, replay.transaction.timestamp, waited);
        let (count, weight) = (items.len(), items.iter().map(Item::weight).sum());
        if count > 0 {
            outlet.send(items, weight).await?;
        }
        *sent += count;
        // Heartbeats tell how far the source has come without sending anything.
        if !reader.ended && *stream.position() >= behind {
            return Err(replay.lost("the source no longer has them"));
        }
    }
    Ok(())
}

impl Replay {
    /// Where the rows begin. A group is asked for by position, which the source finds at once; that it is the same group
    /// shows at its first event.
    fn begins_at(&self) -> Location {
        match &self.what {
            Again::Xa { prepared: Some(prepared), .. } => prepared.at.clone(),
            Again::Xa { .. } | Again::Group(_) => Location::new(self.transaction.before.position.clone(), None),
        }
    }

    /// Rows of a group stood there a moment ago: the run ends, the next one reads the group from its beginning.
    fn lost(&self, why: &str) -> Unread {
        match &self.what {
            Again::Xa { xid, .. } => Unread::Lost(lost(xid, why)),
            Again::Group(_) => {
                Unread::Failed(DmError::new(Code::SyncerGetEvent).msg(format!(
                    "the rows of the transaction at {} are read again, and {why}",
                    self.transaction.before
                )))
            }
        }
    }

    fn gone(&self, error: DmError) -> Unread {
        match self.lost("the source no longer has them (its binlog was purged)") {
            Unread::Lost(lost) => Unread::Lost(lost.cause(error.raw_cause())),
            Unread::Failed(lost) | Unread::Broken(lost) => Unread::Failed(lost.cause(error.raw_cause())),
        }
    }

    fn refused(self, error: DmError) -> Item {
        let Replay { transaction, start_pos, end_pos, .. } = self;
        Item::Refused(Box::new(Refused { transaction, start_pos, end_pos, alone: true, error }))
    }
}

/// Finds the rows among the events.
struct Reader<'a> {
    replay: &'a Replay,
    inside: bool,
    ended: bool,
    /// Row events so far, and statements.
    number: u64,
    statements: u32,
    /// Items so far.
    given: usize,
}

impl Reader<'_> {
    /// What an event gives.
    fn take(&mut self, event: Event) -> Result<Option<Item>, Unread> {
        if event.header.is_artificial() {
            return Ok(None);
        }
        let item = match &self.replay.what {
            Again::Xa { xid, prepared } => self.of_xa(xid, prepared.as_deref(), event.body)?,
            Again::Group(dropped) => self.of_group(dropped, event)?,
        };
        self.given += usize::from(item.is_some());
        Ok(item)
    }

    fn of_xa(&mut self, xid: &str, prepared: Option<&Prepared>, body: EventBody) -> Result<Option<Item>, Unread> {
        let gtid = prepared.and_then(|prepared| prepared.gtid.as_ref());
        match body {
            // From a set of GTIDs, transactions of other sessions may come first.
            EventBody::Gtid(event) => self.inside = gtid.is_none() || event.gtid.as_ref() == gtid,
            EventBody::Query(query) if gtid.is_none() => {
                self.inside |= XaStatement::parse(&query.sql) == Some(XaStatement::Start);
            }
            EventBody::Rows(event) if self.inside => {
                self.number += 1;
                let counts = prepared.is_none_or(|prepared| prepared.dropped.counts(self.number - 1));
                return Ok(counts.then(|| self.replay.item(event)));
            }
            EventBody::XaPrepare { xid: found, .. } if self.inside => {
                if found != xid {
                    return Err(self.replay.lost("at their place stands another transaction"));
                }
                self.ended = true;
            }
            _ => {}
        }
        Ok(None)
    }

    fn of_group(&mut self, dropped: &Dropped, event: Event) -> Result<Option<Item>, Unread> {
        let (end_pos, timestamp) = (event.end, event.header.timestamp);
        let start_pos = end_pos.saturating_sub(u64::from(event.header.event_size));
        let transaction = self.replay.transaction.clone();
        self.inside |= start_pos == transaction.before.position.pos;
        if !self.inside {
            return Ok(None);
        }
        let event_type = event.header.event_type;
        let refused = |error| {
            let transaction = transaction.clone();
            Item::Refused(Box::new(Refused { transaction, start_pos, end_pos, alone: false, error }))
        };
        match event.body {
            EventBody::Gtid(event) if transaction.gtid.is_some() && event.gtid != transaction.gtid => {
                Err(self.replay.lost("at its place stands another one"))
            }
            EventBody::Rows(event) => {
                self.number += 1;
                let item = Item::Rows { transaction, event, start_pos, end_pos };
                Ok(dropped.counts(self.number - 1).then_some(item))
            }
            EventBody::Xid(_) => self.end(end_pos),
            EventBody::Query(event) => match control(&event.sql) {
                Control::Commit | Control::Rollback => self.end(end_pos),
                Control::Other => {
                    let number = self.statements;
                    self.statements += 1;
                    let alone = false;
                    Ok(Some(Item::Statement { transaction, event, start_pos, end_pos, timestamp, number, alone }))
                }
                _ => Ok(None),
            },
            EventBody::Incident { code, message } => Ok(Some(refused(events::incident(code, &message)))),
            EventBody::Unknown { ignorable: false } => Ok(Some(refused(events::unknown(event_type)))),
            _ => Ok(None),
        }
    }

    fn end(&mut self, end_pos: u64) -> Result<Option<Item>, Unread> {
        self.ended = true;
        if end_pos == self.replay.end_pos {
            return Ok(None);
        }
        Err(self.replay.lost("it ends at another place"))
    }
}

/// Where a transaction was prepared, looked for from `until` backwards: it was before the task began.
async fn find(config: &SubtaskConfig, xid: &str, until: &BinlogPosition) -> Result<Prepared, Unread> {
    tracing::info!(%xid, until = %until, "looking for an XA transaction that was prepared before the task began");
    let mut conn = link::connect(&config.from, &[], Scope::Upstream).await?;
    let files = show_binary_logs(&mut conn).await?;
    let _ = conn.disconnect().await;
    let earlier = files.iter().filter(|file| BinlogPosition::new(&file.name, FIRST_EVENT_POS) <= *until);
    for file in earlier.rev() {
        let end = if file.name == until.name { until.pos } else { file.size };
        if let Some(prepared) = find_in(config, xid, &file.name, end).await? {
            return Ok(prepared);
        }
    }
    Err(Unread::Lost(lost(xid, "they are in none of the source's binlog files")))
}

/// The last transaction of a file's part that prepared `xid`.
async fn find_in(config: &SubtaskConfig, xid: &str, name: &str, end: u64) -> Result<Option<Prepared>, DmError> {
    let from = Location::new(BinlogPosition::new(name, FIRST_EVENT_POS), None);
    let mut stream: BinlogStream = open(config, &from, another_server_id()).await?;
    let (mut begin, mut marks, mut found) = (0, Marks::default(), None);
    loop {
        let event: Event = stream.next().await?;
        if event.header.is_artificial() {
            continue;
        }
        match event.body {
            EventBody::Gtid(_) => {
                begin = event.end.saturating_sub(u64::from(event.header.event_size));
                marks = Marks::default();
            }
            EventBody::Rows(_) => drop(marks.next()),
            EventBody::Query(query) => marks.statement(query.sql.trim_ascii()),
            EventBody::XaPrepare { xid: prepared, one_phase: false } if prepared == xid => {
                let at = Location::new(BinlogPosition::new(name, begin), None);
                let dropped = std::mem::take(&mut marks).into_dropped();
                found = Some(Prepared { at, gtid: None, dropped });
            }
            EventBody::Rotate { .. } | EventBody::Heartbeat { .. } => return Ok(found),
            _ => {}
        }
        if event.end >= end {
            return Ok(found);
        }
    }
}
