//! Bytes of the binlog to events. Knows nothing of connections: a network stream and a file feed it alike.

use std::{collections::VecDeque, ops::Range, sync::Arc};

use bytes::{Buf, Bytes};

use super::{
    by_id::ById,
    compress::{self, Payload},
    consts::*,
    cursor::{Cursor, Malformed, Parsed, text},
    event::{Event, EventBody, EventHeader, FormatDescription},
    gtid_event, query,
    rows::{RowsEvent, RowsKind},
    table_map::TableMap,
};
use crate::{
    config::Flavor,
    error::{Code, DmError, Result},
    mysql::position::BinlogPosition,
};

/// What row events say instead of a table id when they only end a statement.
const DUMMY_TABLE_ID: u64 = 0x00ff_ffff;

/// Table maps kept; a source that never rotates must not fill the memory.
const MOST_TABLES: usize = 20_000;

struct KnownTable {
    raw: Bytes,
    map: Arc<TableMap>,
}

/// Decodes events in the order of the stream.
pub struct EventDecoder {
    flavor: Flavor,
    /// Whether events have a CRC32 behind them; unknown before the first format description.
    checksum: Option<bool>,
    table_id_bytes: usize,
    want_texts: bool,
    tables: ById<KnownTable>,
    position: BinlogPosition,
    /// A compressed transaction whose events are still to come.
    payload: Option<Unfolding>,
}

/// A compressed transaction.
struct Unfolding {
    payload: Payload,
    /// Where its event begins, and where it ends.
    at: Range<u64>,
}

impl EventDecoder {
    /// Events from `start` on; the format description comes first, or behind a rotation that names the file.
    pub fn new(flavor: Flavor, start: BinlogPosition) -> Self {
        let tables = ById::default();
        EventDecoder {
            flavor,
            checksum: None,
            table_id_bytes: 6,
            want_texts: false,
            tables,
            position: start,
            payload: None,
        }
    }

    /// Keep the texts of statements behind row events.
    pub fn with_statement_texts(mut self) -> Self {
        self.want_texts = true;
        self
    }

    /// The end of the last event decoded; a whole compressed transaction counts at once.
    pub fn position(&self) -> &BinlogPosition {
        &self.position
    }

    /// Decodes one event and puts it behind `out`. After that of a compressed transaction, [`EventDecoder::unfold`] gives those
    /// in it.
    ///
    /// Errors: 11054 for bytes that are no event (also a wrong checksum), naming type and place.
    pub fn decode(&mut self, mut raw: Bytes, out: &mut VecDeque<Event>) -> Result<()> {
        let header = header(&raw).map_err(|e| self.malformed(0, e))?;
        let has_checksum = self.has_checksum(&header, &raw);
        let of_type = |e| self.malformed(header.event_type, e);
        if header.event_size as usize != raw.len() {
            return Err(of_type(Malformed("its length is not the one it states")));
        }
        let end = raw.len() - if has_checksum { CHECKSUM_LEN } else { 0 };
        if end < HEADER_LEN {
            return Err(of_type(Malformed("it ends too early")));
        }
        if has_checksum && !checksum_matches(&raw, end) {
            return Err(of_type(Malformed("binlog checksum mismatch, data may be corrupted")));
        }
        raw.truncate(end);
        raw.advance(HEADER_LEN);
        let body = raw;
        let start = self.position.pos;
        self.advance(&header);
        let end = self.position.pos;
        if header.event_type == TRANSACTION_PAYLOAD {
            let payload = Payload::read(&body).map_err(|e| self.malformed(header.event_type, e))?;
            let (is_empty, at) = (payload.is_empty(), start..end);
            let end = if is_empty { at.end } else { at.start };
            self.payload = (!is_empty).then_some(Unfolding { payload, at });
            out.push_back(Event { header, body: EventBody::TransactionPayload, end });
            return Ok(());
        }
        let body = self.body(&header, &body).map_err(|e| self.malformed(header.event_type, e))?;
        self.follow(&body);
        out.push_back(Event { header, body, end });
        Ok(())
    }

    /// A format description says whether it and the events that follow have checksums: the algorithm (0 none, 1 CRC32)
    /// stands 5 bytes before its end. Before the first one, the bytes themselves tell.
    fn has_checksum(&mut self, header: &EventHeader, raw: &Bytes) -> bool {
        if header.event_type == FORMAT_DESCRIPTION && raw.len() > HEADER_LEN + 57 + CHECKSUM_LEN {
            self.checksum = Some(raw[raw.len() - CHECKSUM_LEN - 1] == 1);
        }
        self.checksum.unwrap_or_else(|| raw.len() >= CHECKSUM_LEN && checksum_matches(raw, raw.len() - CHECKSUM_LEN))
    }

    /// Widens the header's 32 bits: within a file positions only grow.
    fn advance(&mut self, header: &EventHeader) {
        if header.is_artificial() || matches!(header.event_type, HEARTBEAT | HEARTBEAT_V2) {
            return;
        }
        if header.log_pos == 0 {
            // MariaDB 11.7 and later write no positions between the first and the last event of a transaction.
            if is_within_transaction(header.event_type) {
                self.position.pos = self.position.pos.saturating_add(header.event_size.into());
            }
            return;
        }
        let low = u64::from(header.log_pos);
        let mut pos = self.position.pos & !0xffff_ffff | low;
        if pos < self.position.pos && self.position.pos - pos > 1 << 31 {
            pos = pos.saturating_add(1 << 32);
        }
        // What is sent again (a format description in the middle of a file) does not lead back.
        self.position.pos = pos.max(self.position.pos);
    }

    fn follow(&mut self, body: &EventBody) {
        match body {
            EventBody::Rotate { name, pos, fake } => {
                if !fake || self.position.name != *name {
                    self.tables.clear();
                }
                // A fake rotate in the middle of a file past 4 GiB states only the low bits.
                if self.position.name != *name || self.position.pos & 0xffff_ffff != *pos & 0xffff_ffff {
                    self.position = BinlogPosition::new(name.clone(), *pos);
                }
            }
            EventBody::Heartbeat { name, pos } if *name == self.position.name && *pos > self.position.pos => {
                self.position.pos = *pos;
            }
            _ => {}
        }
    }

    /// Whether events of a compressed transaction are still to come.
    pub fn is_unfolding(&self) -> bool {
        self.payload.is_some()
    }

    /// Puts the next event of the compressed transaction behind `out`; false when there is none. Errors as those of `decode`.
    pub fn unfold(&mut self, out: &mut VecDeque<Event>) -> Result<bool> {
        let Some(mut unfolding) = self.payload.take() else { return Ok(false) };
        let broken = |decoder: &Self, e| decoder.malformed(TRANSACTION_PAYLOAD, e);
        let raw = unfolding.payload.next_event().map_err(|e| broken(self, e))?;
        let header = header_at(&raw, 0).map_err(|e| broken(self, e))?;
        if header.event_type == TRANSACTION_PAYLOAD {
            return Err(broken(self, Malformed("an event inside it is broken")));
        }
        let body = raw.slice(HEADER_LEN..);
        let body = self.body(&header, &body).map_err(|e| self.malformed(header.event_type, e))?;
        let is_last = unfolding.payload.is_empty();
        let end = if is_last { unfolding.at.end } else { unfolding.at.start };
        out.push_back(Event { header, body, end });
        self.payload = (!is_last).then_some(unfolding);
        Ok(true)
    }

    fn body(&mut self, header: &EventHeader, body: &Bytes) -> Parsed<EventBody> {
        let cursor = &mut Cursor::new(body);
        Ok(match header.event_type {
            FORMAT_DESCRIPTION => self.format_description(cursor)?,
            ROTATE => EventBody::Rotate {
                pos: cursor.u64()?,
                name: text(&cursor.rest())?,
                fake: header.is_artificial() || header.log_pos == 0,
            },
            QUERY => EventBody::Query(query::parse(body, false, 0)?),
            MARIA_QUERY_COMPRESSED => EventBody::Query(query::parse(body, true, 0)?),
            EXECUTE_LOAD_QUERY => EventBody::Query(query::parse(body, false, query::LOAD_FIELDS)?),
            // The file of a LOAD DATA in statement format; its statement follows.
            BEGIN_LOAD_QUERY | APPEND_BLOCK | DELETE_FILE => EventBody::StatementContext,
            XID => EventBody::Xid(cursor.u64()?),
            TABLE_MAP => self.table_map(body)?,
            WRITE_ROWS_V1..=DELETE_ROWS_V1 | WRITE_ROWS..=DELETE_ROWS => self.rows(header.event_type, body)?,
            MARIA_WRITE_ROWS_COMPRESSED_V1..=MARIA_DELETE_ROWS_COMPRESSED => self.rows(header.event_type, body)?,
            PARTIAL_UPDATE_ROWS => self.rows(header.event_type, body)?,
            GTID => EventBody::Gtid(gtid_event::mysql(body, false)?),
            ANONYMOUS_GTID => EventBody::Gtid(gtid_event::mysql(body, true)?),
            GTID_TAGGED => EventBody::Gtid(gtid_event::tagged(body)?),
            PREVIOUS_GTIDS => EventBody::PreviousGtids(gtid_event::previous(body)?),
            MARIA_GTID => EventBody::Gtid(gtid_event::mariadb(body, header.server_id)?),
            MARIA_GTID_LIST => EventBody::GtidList(gtid_event::mariadb_list(body)?),
            XA_PREPARE => xa_prepare(cursor)?,
            HEARTBEAT => EventBody::Heartbeat { name: text(body)?, pos: header.log_pos.into() },
            HEARTBEAT_V2 => heartbeat_v2(cursor)?,
            ROWS_QUERY if self.want_texts => {
                cursor.u8()?;
                EventBody::RowsQuery(cursor.rest())
            }
            MARIA_ANNOTATE_ROWS if self.want_texts => EventBody::RowsQuery(body.clone()),
            ROWS_QUERY | MARIA_ANNOTATE_ROWS => EventBody::RowsQuery(Bytes::new()),
            INTVAR | RAND | USER_VAR => EventBody::StatementContext,
            INCIDENT => {
                let code = cursor.u16()?;
                let length = cursor.u8().unwrap_or(0).into();
                EventBody::Incident { code, message: text(cursor.slice(length)?)? }
            }
            STOP => EventBody::Stop,
            MARIA_START_ENCRYPTION => EventBody::StartEncryption,
            _ => EventBody::Unknown { ignorable: self.may_skip(header) },
        })
    }

    /// Types without row changes, and those the source marks as ignorable.
    fn may_skip(&self, header: &EventHeader) -> bool {
        header.flags & FLAG_IGNORABLE != 0
            || match header.event_type {
                IGNORABLE | TRANSACTION_CONTEXT | VIEW_CHANGE => true,
                MARIA_BINLOG_CHECKPOINT => self.flavor == Flavor::Mariadb,
                _ => false,
            }
    }

    fn format_description(&mut self, cursor: &mut Cursor<'_>) -> Parsed<EventBody> {
        let binlog_version = cursor.u16()?;
        if binlog_version != 4 {
            return Err(Malformed("the binlog is of a version before MySQL 5.0"));
        }
        let version = cursor.slice(50)?;
        let end = version.iter().position(|b| *b == 0).unwrap_or(version.len());
        let server_version = String::from_utf8_lossy(&version[..end]).into_owned();
        cursor.u32()?;
        if usize::from(cursor.u8()?) != HEADER_LEN {
            return Err(Malformed("its events have headers of another size"));
        }
        let lengths = cursor.rest();
        self.table_id_bytes = if lengths.get(usize::from(TABLE_MAP) - 1) == Some(&6) { 4 } else { 6 };
        let description = FormatDescription { binlog_version, server_version, checksum: self.checksum == Some(true) };
        Ok(EventBody::FormatDescription(description))
    }

    /// The same map comes again with every statement: what is known already is not parsed again.
    fn table_map(&mut self, raw: &Bytes) -> Parsed<EventBody> {
        let id = Cursor::new(raw).uint_le(self.table_id_bytes)?;
        if let Some(known) = self.tables.get(&id).filter(|known| known.raw == *raw) {
            return Ok(EventBody::TableMap(known.map.clone()));
        }
        let map = Arc::new(TableMap::parse(raw, self.table_id_bytes, self.flavor == Flavor::Mariadb)?);
        if self.tables.len() >= MOST_TABLES {
            self.tables.clear();
        }
        // A copy, so that the map does not keep a whole compressed transaction in memory.
        self.tables.insert(id, KnownTable { raw: Bytes::copy_from_slice(raw), map: map.clone() });
        Ok(EventBody::TableMap(map))
    }

    fn rows(&mut self, event_type: u8, body: &Bytes) -> Parsed<EventBody> {
        let (kind, version2, compressed) = rows_type(event_type);
        let cursor = &mut Cursor::new(body);
        let id = cursor.uint_le(self.table_id_bytes)?;
        let flags = cursor.u16()?;
        if version2 {
            let extra = usize::from(cursor.u16()?).checked_sub(2).ok_or(Malformed("its extra data has no length"))?;
            cursor.slice(extra)?;
        }
        let Some(known) = self.tables.get(&id) else {
            if id == DUMMY_TABLE_ID && flags & 1 != 0 {
                return Ok(EventBody::Unknown { ignorable: true });
            }
            return Err(Malformed("no table map came before it"));
        };
        let mut rows = RowsEvent::parse(kind, known.map.clone(), flags, &cursor.rest())?;
        rows.partial = event_type == PARTIAL_UPDATE_ROWS;
        if compressed {
            let data = compress::maria_block(rows.data())?;
            rows = rows.with_data(data);
        }
        Ok(EventBody::Rows(rows))
    }

    fn malformed(&self, event_type: u8, Malformed(what): Malformed) -> DmError {
        DmError::new(Code::BinlogEventDecode).msg(format!(
            "a binlog event of type {event_type} ({}) behind {} cannot be read: {what}",
            type_name(event_type),
            self.position
        ))
    }
}

fn is_within_transaction(event_type: u8) -> bool {
    matches!(event_type, QUERY | MARIA_QUERY_COMPRESSED | INTVAR | RAND | USER_VAR | TABLE_MAP | MARIA_ANNOTATE_ROWS)
        || matches!(event_type, WRITE_ROWS_V1..=DELETE_ROWS_V1 | WRITE_ROWS..=DELETE_ROWS)
        || matches!(event_type, MARIA_WRITE_ROWS_COMPRESSED_V1..=MARIA_DELETE_ROWS_COMPRESSED)
}

/// Kind, whether version 2, whether compressed.
fn rows_type(event_type: u8) -> (RowsKind, bool, bool) {
    let kind = match event_type {
        WRITE_ROWS_V1 | WRITE_ROWS | MARIA_WRITE_ROWS_COMPRESSED_V1 | MARIA_WRITE_ROWS_COMPRESSED => RowsKind::Insert,
        UPDATE_ROWS_V1 | UPDATE_ROWS | MARIA_UPDATE_ROWS_COMPRESSED_V1 | MARIA_UPDATE_ROWS_COMPRESSED => {
            RowsKind::Update
        }
        PARTIAL_UPDATE_ROWS => RowsKind::Update,
        _ => RowsKind::Delete,
    };
    let compressed = event_type >= MARIA_WRITE_ROWS_COMPRESSED_V1;
    let version2 = event_type >= MARIA_WRITE_ROWS_COMPRESSED
        || event_type == PARTIAL_UPDATE_ROWS
        || (WRITE_ROWS..=DELETE_ROWS).contains(&event_type);
    (kind, version2, compressed)
}

/// Whether it commits at once, then the format, the lengths of both parts of the id, and the parts.
fn xa_prepare(cursor: &mut Cursor<'_>) -> Parsed<EventBody> {
    let one_phase = cursor.u8()? != 0;
    // MariaDB and MySQL print the format as a signed number in statements.
    let (format, first, second) = (cursor.u32()? as i32, cursor.u32()?, cursor.u32()?);
    let mut part = |length: u32| -> Parsed<String> {
        let bytes = cursor.slice(length as usize)?;
        Ok(bytes.iter().map(|byte| format!("{byte:02x}")).collect())
    };
    let (first, second) = (part(first)?, part(second)?);
    Ok(EventBody::XaPrepare { one_phase, xid: format!("X'{first}',X'{second}',{format}") })
}

/// Fields of one lenenc-free byte type and lenenc length each: 1 is the file name, 2 the position, 0 ends them.
fn heartbeat_v2(cursor: &mut Cursor<'_>) -> Parsed<EventBody> {
    let (mut name, mut pos) = (String::new(), 0);
    while !cursor.is_empty() {
        let field = cursor.lenenc()?;
        if field == 0 {
            break;
        }
        let length = cursor.lenenc_len()?;
        let mut value = cursor.part(length)?;
        match field {
            1 => name = text(&value.rest())?,
            2 => pos = value.lenenc()?,
            _ => {}
        }
    }
    Ok(EventBody::Heartbeat { name, pos })
}

fn header(raw: &Bytes) -> Parsed<EventHeader> {
    header_at(raw, 0)
}

fn header_at(raw: &Bytes, at: usize) -> Parsed<EventHeader> {
    let cursor = &mut Cursor::new(raw);
    cursor.slice(at)?;
    let header = EventHeader {
        timestamp: cursor.u32()?,
        event_type: cursor.u8()?,
        server_id: cursor.u32()?,
        event_size: cursor.u32()?,
        log_pos: cursor.u32()?,
        flags: cursor.u16()?,
    };
    if (header.event_size as usize) < HEADER_LEN {
        return Err(Malformed("its length is not the one it states"));
    }
    Ok(header)
}

fn checksum_matches(raw: &Bytes, end: usize) -> bool {
    let mut crc = flate2::Crc::new();
    crc.update(&raw[..end]);
    raw.get(end..end + CHECKSUM_LEN).is_some_and(|sum| sum == crc.sum().to_le_bytes())
}
