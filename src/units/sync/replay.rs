//! Rows of a committed XA transaction, read from the source's binlog again.

use super::{
    outlet::Outlet,
    source::{another_server_id, open},
    transaction::{Item, Refused},
    xa::{Marks, Prepared, Replay, XaStatement, counts, lost},
};
use crate::{
    config::SubtaskConfig,
    error::{DmError, Scope},
    mysql::{
        binlog::{BinlogStream, Event, EventBody},
        position::{BinlogPosition, FIRST_EVENT_POS, Location},
        server::show_binary_logs,
    },
    units::link,
};

/// Why the rows don't come.
pub enum Unread {
    /// The source no longer has them: trying again doesn't help.
    Lost(DmError),
    Failed(DmError),
}

impl From<DmError> for Unread {
    fn from(error: DmError) -> Self {
        Unread::Failed(error)
    }
}

/// Sends the rows as those of the committing transaction; where they are lost, an event that can't be migrated.
pub async fn run(config: &SubtaskConfig, replay: Replay, outlet: &Outlet) -> Result<(), DmError> {
    match read(config, &replay, outlet).await {
        Ok(()) => Ok(()),
        Err(Unread::Failed(error)) => Err(error),
        Err(Unread::Lost(error)) => {
            let Replay { transaction, start_pos, end_pos, .. } = replay;
            let refused = Refused { transaction, start_pos, end_pos, alone: true, error };
            outlet.send(vec![Item::Refused(Box::new(refused))], 0).await
        }
    }
}

async fn read(config: &SubtaskConfig, replay: &Replay, outlet: &Outlet) -> Result<(), Unread> {
    let (xid, before) = (&replay.xid, &replay.transaction.before);
    let prepared = match &replay.prepared {
        Some(prepared) => prepared.clone(),
        None => find(config, xid, &before.position).await?,
    };
    tracing::info!(%xid, prepared = %prepared.at, "the rows of an XA transaction are read from the binlog again");
    let mut stream = open(config, &prepared.at, another_server_id()).await?;
    let behind = BinlogPosition::new(before.position.name.clone(), replay.end_pos);
    let (mut inside, mut number) = (false, 0);
    loop {
        let event = stream.next().await.map_err(|error| gone_from_source(xid, error))?;
        if event.header.is_artificial() {
            continue;
        }
        match event.body {
            // From a set of GTIDs, transactions of other sessions may come first.
            EventBody::Gtid(gtid) => inside = prepared.gtid.is_none() || gtid.gtid == prepared.gtid,
            EventBody::Query(query) if prepared.gtid.is_none() => {
                inside |= XaStatement::parse(&query.sql) == Some(XaStatement::Start);
            }
            EventBody::Rows(event) if inside => {
                if counts(&prepared.dropped, number) {
                    let bytes = event.size();
                    outlet.send(vec![replay.item(event)], bytes).await?;
                }
                number += 1;
            }
            EventBody::XaPrepare { xid: found, .. } if inside => {
                return if found == *xid {
                    Ok(())
                } else {
                    Err(Unread::Lost(lost(xid, "at their place stands another transaction")))
                };
            }
            _ => {}
        }
        // Heartbeats tell how far the source has come without sending anything.
        if *stream.position() >= behind {
            return Err(Unread::Lost(lost(xid, "the source no longer has them")));
        }
    }
}

fn gone_from_source(xid: &str, error: DmError) -> Unread {
    if error.raw_cause().starts_with("Error 1236 ") {
        let lost = lost(xid, "the source no longer has them (its binlog was purged)");
        return Unread::Lost(lost.cause(error.raw_cause()));
    }
    Unread::Failed(error)
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
                found = Some(Prepared { at, gtid: None, dropped: marks.dropped() });
            }
            EventBody::Rotate { .. } | EventBody::Heartbeat { .. } => return Ok(found),
            _ => {}
        }
        if event.end >= end {
            return Ok(found);
        }
    }
}
