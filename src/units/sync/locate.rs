//! Looking for a place in the source's binlog: by time, by position, by GTID set.

use std::time::Duration;

use chrono::{DateTime, Local, NaiveDateTime, TimeZone};

use super::source::another_server_id;
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Scope},
    mysql::{
        binlog::{BinlogStream, Event, EventBody, StartPoint, StreamOptions},
        gtid::GtidSet,
        position::{BinlogPosition, FIRST_EVENT_POS, Location},
        server::{BinlogFile, show_binary_logs},
    },
    units::link,
};

/// What a time comes to.
#[derive(Clone, PartialEq, Debug)]
pub enum Found {
    /// The first transaction that begins at the time or later.
    At(Location),
    /// The oldest file begins later: its beginning.
    Before(Location),
    /// No transaction is so late.
    After,
}

/// Seconds since 1970 of `YYYY-MM-DD hh:mm:ss` (or with `T`), with an optional offset; without one in this machine's zone.
pub fn seconds(text: &str) -> Option<i64> {
    let (time, offset) = text.split_at_checked(19)?;
    let time = time.replacen('T', " ", 1);
    if offset.is_empty() {
        let naive = NaiveDateTime::parse_from_str(&time, "%Y-%m-%d %H:%M:%S").ok()?;
        // An hour that comes twice: the earlier one; one that is left out has no time.
        return Some(Local.from_local_datetime(&naive).earliest()?.timestamp());
    }
    let offset = if offset == "Z" { "+0000".to_owned() } else { offset.replace(':', "") };
    Some(DateTime::parse_from_str(&format!("{time}{offset}"), "%Y-%m-%d %H:%M:%S%z").ok()?.timestamp())
}

/// Where the first transaction of `time` (seconds since 1970) or later begins. Files are searched by halves, by the time when
/// they were begun, then one file event by event, up to `end`.
pub async fn by_time(config: &SubtaskConfig, time: i64, end: &BinlogPosition) -> Result<Found, DmError> {
    let files = files(config).await?;
    let (mut first, mut last) = (0, files.len());
    // Files before `first` begin earlier than the time, those from `last` on don't.
    while first < last {
        let middle = (first + last) / 2;
        let begun = match files.get(middle) {
            Some(file) => begun(config, file).await?,
            None => break,
        };
        if begun < time { first = middle + 1 } else { last = middle }
    }
    let is_before = first == 0;
    let Some(file) = files.get(first.saturating_sub(1)) else { return Ok(Found::After) };
    let mut reader = Reader::open(config, BinlogPosition::new(&file.name, FIRST_EVENT_POS)).await?;
    while let Some(event) = reader.next_until(end).await? {
        let begins = matches!(event.body, EventBody::Gtid(_)) || (reader.outside && is_statement(&event.body));
        if begins && (is_before || i64::from(event.header.timestamp) >= time) {
            let at = reader.at(&event);
            return Ok(if is_before { Found::Before(at) } else { Found::At(at) });
        }
        reader.pass(&event);
    }
    Ok(Found::After)
}

/// The transactions executed before a position.
pub async fn set_at(config: &SubtaskConfig, position: &BinlogPosition) -> Result<GtidSet, DmError> {
    let mut reader = Reader::open(config, BinlogPosition::new(&position.name, FIRST_EVENT_POS)).await?;
    while let Some(event) = reader.next_until(position).await? {
        if event.end.saturating_sub(u64::from(event.header.event_size)) >= position.pos
            && matches!(event.body, EventBody::Gtid(_))
        {
            break;
        }
        reader.pass(&event);
    }
    Ok(reader.set.unwrap_or_else(|| GtidSet::empty(config.flavor)))
}

/// Where the first transaction begins that is not in the set; `end` when there is none.
pub async fn position_of(
    config: &SubtaskConfig,
    set: &GtidSet,
    end: &BinlogPosition,
) -> Result<BinlogPosition, DmError> {
    let mut stream = open(config, StartPoint::Gtid(set.clone())).await?;
    loop {
        let event = stream.next().await?;
        if matches!(event.body, EventBody::Gtid(_)) && !event.header.is_artificial() {
            let begin = event.end.saturating_sub(u64::from(event.header.event_size));
            return Ok(BinlogPosition::new(&stream.position().name, begin));
        }
        if matches!(event.body, EventBody::Heartbeat { .. }) && stream.position() >= end {
            return Ok(end.clone());
        }
    }
}

async fn files(config: &SubtaskConfig) -> Result<Vec<BinlogFile>, DmError> {
    let mut conn = link::connect(&config.from, &[], Scope::Upstream).await?;
    let files = show_binary_logs(&mut conn).await?;
    let _ = conn.disconnect().await;
    Ok(files)
}

/// When a file was begun.
async fn begun(config: &SubtaskConfig, file: &BinlogFile) -> Result<i64, DmError> {
    let mut stream = open(config, StartPoint::Position(BinlogPosition::new(&file.name, FIRST_EVENT_POS))).await?;
    loop {
        let event = stream.next().await?;
        if matches!(event.body, EventBody::FormatDescription(_)) && event.header.timestamp > 0 {
            return Ok(event.header.timestamp.into());
        }
    }
}

async fn open(config: &SubtaskConfig, start: StartPoint) -> Result<BinlogStream, DmError> {
    // A server that has nothing more to send says so soon.
    let options = StreamOptions { heartbeat_period: Duration::from_millis(200), ..StreamOptions::default() };
    BinlogStream::open(&config.from, another_server_id(), config.flavor, start, options).await
}

fn is_statement(body: &EventBody) -> bool {
    matches!(body, EventBody::Query(_))
}

/// Reads files from the beginning of one, and adds up the GTIDs.
struct Reader {
    stream: BinlogStream,
    set: Option<GtidSet>,
    flavor: crate::config::Flavor,
    gtid: bool,
    /// Between two transactions, in a binlog without GTID events.
    outside: bool,
}

impl Reader {
    async fn open(config: &SubtaskConfig, from: BinlogPosition) -> Result<Reader, DmError> {
        let stream = open(config, StartPoint::Position(from)).await?;
        Ok(Reader { stream, set: None, flavor: config.flavor, gtid: config.enable_gtid, outside: true })
    }

    /// The next event of a file, before `end`.
    async fn next_until(&mut self, end: &BinlogPosition) -> Result<Option<Event>, DmError> {
        loop {
            if self.stream.position() >= end {
                return Ok(None);
            }
            let event = self.stream.next().await?;
            match &event.body {
                _ if event.header.is_artificial() => {}
                EventBody::Heartbeat { .. } => {}
                EventBody::PreviousGtids(set) | EventBody::GtidList(set) if self.set.is_none() => {
                    self.set = Some(set.clone());
                }
                _ => return Ok(Some(event)),
            }
        }
    }

    /// The event lies before the place that is looked for.
    fn pass(&mut self, event: &Event) {
        match &event.body {
            EventBody::Gtid(begin) => {
                self.outside = false;
                if let Some(gtid) = &begin.gtid {
                    let set = self.set.get_or_insert_with(|| GtidSet::empty(self.flavor));
                    // One stream, one flavor.
                    let _ = set.add(gtid);
                }
            }
            EventBody::Query(query) if query.sql.eq_ignore_ascii_case(b"BEGIN") => self.outside = false,
            EventBody::Xid(_) => self.outside = true,
            _ => {}
        }
    }

    /// Where an event begins.
    fn at(&self, event: &Event) -> Location {
        let begin = event.end.saturating_sub(u64::from(event.header.event_size));
        let set = self.gtid.then(|| self.set.clone().unwrap_or_else(|| GtidSet::empty(self.flavor)));
        Location::new(BinlogPosition::new(&self.stream.position().name, begin), set)
    }
}

/// The error of a time behind the newest event.
pub fn too_late(text: &str) -> DmError {
    DmError::new(Code::ConfigStartTimeTooLate)
        .msg(format!("start-time {text} is too late, no binlog location matches it"))
        .workaround("Please check the time and its time zone, or give a position or GTID set in `meta` of the task.")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_with_and_without_offset() {
        for text in ["2021-10-21T00:01:00+08:00", "2021-10-21 00:01:00+0800", "2021-10-20 16:01:00Z"] {
            assert_eq!(seconds(text), Some(1_634_745_660), "{text}");
        }
        let local = Local.with_ymd_and_hms(2021, 10, 21, 0, 1, 0).unwrap();
        assert_eq!(seconds("2021-10-21 00:01:00"), Some(local.timestamp()));
        for text in ["", "2021-10-21", "2021-13-21 00:01:00", "2021-10-21 00:01:00+", "ä021-10-21 00:01:00x"] {
            assert_eq!(seconds(text), None, "{text}");
        }
    }
}
