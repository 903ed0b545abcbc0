//! The replication connection: logs in as a replica, asks for the binlog, and gives its events one by one.

use std::{collections::VecDeque, net::SocketAddr, time::Duration};

use bytes::Buf;
use rand::RngCore;

use super::{
    Event, EventDecoder,
    login::login,
    wire::{PacketStream, WireError, server_error},
};
use crate::{
    config::{DbConfig, Flavor},
    error::{Code, DmError, Result, Scope},
    mysql::{
        connect::{connect_error, io_dial_cause, resolve},
        gtid::{GtidSet, Uuid},
        position::{BinlogPosition, FIRST_EVENT_POS},
    },
};

const COM_QUERY: u8 = 0x03;
const COM_BINLOG_DUMP: u8 = 0x12;
const COM_REGISTER_SLAVE: u8 = 0x15;
const COM_BINLOG_DUMP_GTID: u8 = 0x1e;

/// The source waits so many seconds for us to take what it sends (servers' default: 60).
const WRITE_TIMEOUT: u32 = 3600;

/// MariaDB: send the texts of statements behind row events.
const SEND_ANNOTATE_ROWS: u16 = 2;

/// Where a stream begins.
#[derive(Clone, PartialEq, Debug)]
pub enum StartPoint {
    /// At this event.
    Position(BinlogPosition),
    /// At the first transaction that is not in the set.
    Gtid(GtidSet),
}

/// Limits of a stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Connecting, logging in, and each statement before the stream.
    pub connect_timeout: Duration,
    /// The source sends a heartbeat when it has nothing else for so long.
    pub heartbeat_period: Duration,
    /// Nothing at all, not even a heartbeat, for so long: the connection counts as lost.
    pub read_timeout: Duration,
    /// Keep the texts of statements behind row events.
    pub statement_texts: bool,
    /// A larger event, in bytes, is refused before it is received.
    pub largest_event: u64,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions {
            connect_timeout: Duration::from_secs(30),
            heartbeat_period: Duration::from_secs(30),
            read_timeout: Duration::from_secs(60),
            statement_texts: false,
            largest_event: u64::MAX,
        }
    }
}

/// A source's binlog from one point on. Dropping it closes the connection.
pub struct BinlogStream {
    packets: PacketStream,
    decoder: EventDecoder,
    ready: VecDeque<Event>,
    /// Found when nobody waited.
    failed: Option<DmError>,
    /// Behind the last event given out.
    position: BinlogPosition,
    read_timeout: Duration,
    /// Events up to here are not given out: the protocol can't ask for a place behind 4 GiB.
    skip_to: Option<BinlogPosition>,
}

impl BinlogStream {
    /// Connects as a replica with `server_id` and asks for the binlog from `start` on.
    ///
    /// Errors: 10001 when the source can't be reached or refuses the login, 36069 when it refuses to send. A position or
    /// GTID set the source no longer has is told by the first [`BinlogStream::next`].
    pub async fn open(
        cfg: &DbConfig,
        server_id: u32,
        flavor: Flavor,
        start: StartPoint,
        options: StreamOptions,
    ) -> Result<BinlogStream> {
        let refused = |cause: String| connect_error(cfg, Scope::Upstream, cause);
        let limit = options.connect_timeout;
        let ips = resolve(cfg, limit).await.map_err(refused)?;
        let addresses: Vec<SocketAddr> = ips.into_iter().map(|ip| SocketAddr::new(ip, cfg.port)).collect();
        let mut packets = login(cfg, &addresses, limit).await.map_err(|e| refused(login_cause(cfg, e)))?;
        for (command, arguments) in requests(server_id, flavor, &start, &options)? {
            packets.simple(command, &arguments, limit).await.map_err(stream_error)?;
        }
        let (command, arguments) = dump_request(server_id, flavor, &start, &options);
        packets.command(command, &arguments).await.map_err(stream_error)?;
        let from = match start {
            StartPoint::Position(position) => position,
            StartPoint::Gtid(_) => BinlogPosition::default(),
        };
        let skip_to = (from.pos > u64::from(u32::MAX)).then(|| from.clone());
        let begin = if skip_to.is_some() { BinlogPosition::new(from.name, FIRST_EVENT_POS) } else { from };
        packets.limit_events(options.largest_event);
        let mut decoder = EventDecoder::new(flavor, begin.clone());
        if options.statement_texts {
            decoder = decoder.with_statement_texts();
        }
        let read_timeout = options.read_timeout;
        Ok(BinlogStream {
            packets,
            decoder,
            ready: VecDeque::new(),
            failed: None,
            position: begin,
            read_timeout,
            skip_to,
        })
    }

    /// The next event, heartbeats included; waits for one at most `read_timeout`. Safe to drop while it waits.
    ///
    /// Errors: 36069 with the server's answer or `invalid connection` as the cause, 11054 when bytes are no event. The
    /// stream is of no use after an error.
    pub async fn next(&mut self) -> Result<Event> {
        loop {
            if let Some(event) = self.take().transpose() {
                return event;
            }
            self.packets.fill(self.read_timeout).await.map_err(stream_error)?;
        }
    }

    /// The next event if it has come already; an error waits for [`BinlogStream::next`].
    pub fn ready(&mut self) -> Option<Event> {
        match self.take() {
            Ok(event) => event,
            Err(error) => {
                self.failed = Some(error);
                None
            }
        }
    }

    fn take(&mut self) -> Result<Option<Event>> {
        if let Some(error) = self.failed.take() {
            return Err(error);
        }
        loop {
            if let Some(event) = self.ready.pop_front() {
                self.follow(&event);
                if self.is_behind_start(&event) {
                    return Ok(Some(event));
                }
                continue;
            }
            if self.decoder.unfold(&mut self.ready)? {
                continue;
            }
            let Some(mut packet) = self.packets.buffered().map_err(stream_error)? else { return Ok(None) };
            match packet.first() {
                Some(0) => {
                    packet.advance(1);
                    self.decoder.decode(packet, &mut self.ready)?;
                }
                Some(0xff) => return Err(stream_error(server_error(&packet))),
                // The server ends the stream, for example because another replica came with the same id.
                Some(0xfe) => return Err(stream_error(std::io::Error::from(std::io::ErrorKind::UnexpectedEof).into())),
                _ => return Err(stream_error(WireError::Protocol("malformed packet".into()))),
            }
        }
    }

    /// Moves to the event's end. An event that is alone in the queue is the decoder's last: its position is exact.
    fn follow(&mut self, event: &Event) {
        let decoded = self.decoder.position();
        if !self.ready.is_empty() || self.decoder.is_unfolding() {
            self.position.pos = event.end;
            return;
        }
        if self.position.name != decoded.name {
            self.position.name.clone_from(&decoded.name);
        }
        self.position.pos = decoded.pos;
    }

    fn is_behind_start(&mut self, event: &Event) -> bool {
        let Some(skip_to) = &self.skip_to else { return true };
        if self.position.name == skip_to.name && event.end <= skip_to.pos {
            return matches!(event.body, super::EventBody::Rotate { .. } | super::EventBody::FormatDescription(_));
        }
        self.skip_to = None;
        true
    }

    /// The file and the end of the last event that [`BinlogStream::next`] gave (of a rotation: the next file and its start).
    pub fn position(&self) -> &BinlogPosition {
        &self.position
    }
}

pub(in crate::mysql) fn login_cause(cfg: &DbConfig, error: WireError) -> String {
    match error {
        WireError::Io(io) => io_dial_cause(cfg, &io),
        other => wire_cause(other),
    }
}

fn wire_cause(error: WireError) -> String {
    match error {
        WireError::Server(number, state, text) => format!("Error {number} ({state}): {text}"),
        WireError::Io(io) if io.kind() == std::io::ErrorKind::TimedOut => {
            "invalid connection: nothing, not even a heartbeat, came in time (i/o timeout)".into()
        }
        WireError::Io(_) => "invalid connection".into(),
        WireError::Protocol(text) => text,
        WireError::Tls(text) => format!("tls: {text}"),
        WireError::TooLarge(size, limit) => format!("a packet of {size} bytes is beyond {limit}"),
    }
}

fn stream_error(error: WireError) -> DmError {
    if let WireError::TooLarge(size, limit) = error {
        return DmError::new(Code::SyncerGetEvent)
            .scope(Scope::Upstream)
            .msg(format!(
                "an event of {} MiB in the source's binlog is too large for the memory limit: events up to {} MiB pass",
                size.div_ceil(1 << 20),
                limit >> 20
            ))
            .workaround(format!(
                "Please set `memory-limit` in the task's `syncers` to at least {} MiB, and start the task again.",
                (size * 10).div_ceil(1 << 20)
            ));
    }
    DmError::new(Code::SyncerGetEvent).scope(Scope::Upstream).cause(wire_cause(error))
}

/// What is said before the stream: session settings, then who we are.
fn requests(server_id: u32, flavor: Flavor, start: &StartPoint, options: &StreamOptions) -> Result<Vec<(u8, Vec<u8>)>> {
    let period = options.heartbeat_period.as_nanos();
    let mut settings = vec![
        // A target that stands still, or a transaction that is read again meanwhile, must not end the stream.
        format!("SESSION net_write_timeout = {WRITE_TIMEOUT}"),
        "@master_binlog_checksum = @@global.binlog_checksum".to_owned(),
        format!("@master_heartbeat_period = {period}"),
    ];
    match flavor {
        Flavor::Mysql => {
            let uuid = random_uuid();
            settings.push("@source_binlog_checksum = @@global.binlog_checksum".into());
            settings.push(format!("@source_heartbeat_period = {period}"));
            settings.push(format!("@slave_uuid = '{uuid}'"));
            settings.push(format!("@replica_uuid = '{uuid}'"));
        }
        // 4: knows GTIDs; the server then sends its own events unchanged.
        Flavor::Mariadb => settings.push("@mariadb_slave_capability = 4".into()),
    }
    match (flavor, start) {
        (_, StartPoint::Position(_)) => {}
        (Flavor::Mysql, StartPoint::Gtid(GtidSet::Mysql(_))) => {}
        (Flavor::Mariadb, StartPoint::Gtid(GtidSet::Mariadb(set))) => {
            settings.push(format!("@slave_connect_state = '{set}'"));
            settings.push("@slave_gtid_strict_mode = 0".into());
            settings.push("@slave_gtid_ignore_duplicates = 0".into());
        }
        (_, StartPoint::Gtid(set)) => {
            return Err(DmError::new(Code::BinlogGTIDSetNotValid)
                .msg(format!("the GTID set `{set}` is not of the source's flavour: check `flavor` of the source")));
        }
    }
    // Host, user and password stay empty: SHOW REPLICAS would show them to everyone.
    let mut register = server_id.to_le_bytes().to_vec();
    register.resize(4 + 3 + 2 + 4 + 4, 0);
    Ok(vec![(COM_QUERY, format!("SET {}", settings.join(", ")).into_bytes()), (COM_REGISTER_SLAVE, register)])
}

/// The request for the stream itself.
fn dump_request(server_id: u32, flavor: Flavor, start: &StartPoint, options: &StreamOptions) -> (u8, Vec<u8>) {
    let flags = if flavor == Flavor::Mariadb && options.statement_texts { SEND_ANNOTATE_ROWS } else { 0 };
    let mut out = Vec::new();
    if let StartPoint::Gtid(GtidSet::Mysql(set)) = start {
        let set = set.encode();
        out.extend_from_slice(&0u16.to_le_bytes());
        out.extend_from_slice(&server_id.to_le_bytes());
        // No file name: the server looks for the first file that holds what is missing.
        out.extend_from_slice(&0u32.to_le_bytes());
        out.extend_from_slice(&FIRST_EVENT_POS.to_le_bytes());
        out.extend_from_slice(&(set.len() as u32).to_le_bytes());
        out.extend_from_slice(&set);
        return (COM_BINLOG_DUMP_GTID, out);
    }
    let (name, pos) = match start {
        StartPoint::Position(position) => (position.name.as_str(), position.pos),
        StartPoint::Gtid(_) => ("", FIRST_EVENT_POS),
    };
    let pos = u32::try_from(pos).unwrap_or(FIRST_EVENT_POS as u32).max(FIRST_EVENT_POS as u32);
    out.extend_from_slice(&pos.to_le_bytes());
    out.extend_from_slice(&flags.to_le_bytes());
    out.extend_from_slice(&server_id.to_le_bytes());
    out.extend_from_slice(name.as_bytes());
    (COM_BINLOG_DUMP, out)
}

/// A random version 4 UUID: a source ends an older stream that has the same.
fn random_uuid() -> Uuid {
    let mut uuid = Uuid::default();
    rand::rng().fill_bytes(&mut uuid.0);
    uuid.0[6] = uuid.0[6] & 0x0f | 0x40;
    uuid.0[8] = uuid.0[8] & 0x3f | 0x80;
    uuid
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_carry_what_the_protocol_wants() {
        let start = StartPoint::Position(BinlogPosition::new("bin.000001", 154));
        let (command, bytes) = dump_request(7, Flavor::Mysql, &start, &StreamOptions::default());
        assert_eq!((command, bytes), (0x12, b"\x9a\0\0\0\0\0\x07\0\0\0bin.000001".to_vec()));
        let far = StartPoint::Position(BinlogPosition::new("b", 5 << 30));
        assert_eq!(dump_request(7, Flavor::Mysql, &far, &StreamOptions::default()).1[..4], [4, 0, 0, 0]);
        let empty = StartPoint::Gtid(GtidSet::empty(Flavor::Mysql));
        let (command, bytes) = dump_request(7, Flavor::Mysql, &empty, &StreamOptions::default());
        assert_eq!((command, bytes.len()), (0x1e, 2 + 4 + 4 + 8 + 4 + 8));
    }

    #[test]
    fn a_set_of_the_other_flavour_is_refused() {
        let start = StartPoint::Gtid(GtidSet::parse(Flavor::Mariadb, "0-1-5").unwrap());
        let error = requests(7, Flavor::Mysql, &start, &StreamOptions::default()).unwrap_err();
        assert_eq!(error.code(), Code::BinlogGTIDSetNotValid);
        let requests = requests(7, Flavor::Mariadb, &start, &StreamOptions::default()).unwrap();
        assert!(String::from_utf8_lossy(&requests[0].1).contains("@slave_connect_state = '0-1-5'"));
    }
}
