//! The events that begin a transaction, of both flavours, and what was executed before a file.

use bytes::Bytes;

use super::{
    cursor::{Cursor, Malformed, Parsed},
    event::GtidEvent,
};
use crate::mysql::gtid::{
    Gtid, GtidSet, MariadbGtid, MariadbGtidSet, MysqlGtid, MysqlGtidSet, SourceId, Uuid, decode_tag,
};

/// MySQL's GTID and anonymous GTID events.
pub(super) fn mysql(body: &Bytes, anonymous: bool) -> Parsed<GtidEvent> {
    let cursor = &mut Cursor::new(body);
    let flags = cursor.u8()?;
    let mut uuid = Uuid::default();
    uuid.0.copy_from_slice(cursor.slice(16)?);
    let number = cursor.u64()?;
    let source = SourceId { uuid, tag: "".into() };
    let mut event = GtidEvent {
        gtid: (!anonymous).then_some(Gtid::Mysql(MysqlGtid { source, number })),
        transactional: true,
        rows_only: flags & 1 == 0,
        ..GtidEvent::default()
    };
    // The logical clock came with 5.7, timestamps and length with 8.0.
    if cursor.left() >= 17 && cursor.u8()? == 2 {
        event.last_committed = cursor.u64()? as i64;
        event.sequence_number = cursor.u64()? as i64;
    }
    if cursor.left() >= 7 {
        let immediate = cursor.uint_le(7)?;
        let both = immediate & 1 << 55 != 0;
        let immediate = immediate & !(1 << 55);
        event.immediate_commit_timestamp = Some(immediate);
        event.original_commit_timestamp = Some(if both { cursor.uint_le(7)? } else { immediate });
        if !cursor.is_empty() {
            event.transaction_length = Some(cursor.lenenc()?);
        }
    }
    Ok(event)
}

/// MySQL 8.3's GTID event with a tag. Its fields are self-describing: format version, size, first field that must be
/// understood, then pairs of field number and value, all in [`varint`]s.
pub(super) fn tagged(body: &Bytes) -> Parsed<GtidEvent> {
    let cursor = &mut Cursor::new(body);
    let (_version, _size, _required) = (varint(cursor)?, varint(cursor)?, varint(cursor)?);
    let mut event = GtidEvent { transactional: true, ..GtidEvent::default() };
    let mut source = SourceId::default();
    let mut number = 0;
    while !cursor.is_empty() {
        match varint(cursor)? {
            0 => event.rows_only = varint(cursor)? & 1 == 0,
            1 => {
                for byte in &mut source.uuid.0 {
                    *byte = varint(cursor)? as u8;
                }
            }
            2 => number = signed(varint(cursor)?) as u64,
            3 => source.tag = decode_tag(cursor)?,
            4 => event.last_committed = signed(varint(cursor)?),
            5 => event.sequence_number = signed(varint(cursor)?),
            6 => event.immediate_commit_timestamp = Some(varint(cursor)?),
            7 => event.original_commit_timestamp = Some(varint(cursor)?),
            8 => event.transaction_length = Some(varint(cursor)?),
            9..=11 => drop(varint(cursor)?),
            // Fields to come may be skipped: all that we need stands before them.
            _ => break,
        }
    }
    if number == 0 {
        return Err(Malformed("it has no transaction number"));
    }
    event.original_commit_timestamp = event.original_commit_timestamp.or(event.immediate_commit_timestamp);
    event.gtid = Some(Gtid::Mysql(MysqlGtid { source, number }));
    Ok(event)
}

/// A number of 1 to 9 bytes: as many low bits of the first byte are 1 as bytes follow, then a 0 (none when 8 follow), then
/// the number's bits, low ones first.
fn varint(cursor: &mut Cursor<'_>) -> Parsed<u64> {
    let first = cursor.u8()?;
    let more = first.trailing_ones() as usize;
    if more == 8 {
        return cursor.u64();
    }
    let rest = cursor.uint_le(more)?;
    Ok(u64::from(first) >> (more + 1) | rest << (7 - more))
}

/// Signed numbers: the sign in the lowest bit, negative ones as their complement.
fn signed(n: u64) -> i64 {
    (n >> 1) as i64 ^ -((n & 1) as i64)
}

const FL_STANDALONE: u8 = 1;
const FL_TRANSACTIONAL: u8 = 4;
const FL_DDL: u8 = 32;
const FL_PREPARED_XA: u8 = 64;

/// MariaDB's GTID event; its server id stands in the header.
pub(super) fn mariadb(body: &Bytes, server: u32) -> Parsed<GtidEvent> {
    let cursor = &mut Cursor::new(body);
    let (sequence, domain, flags) = (cursor.u64()?, cursor.u32()?, cursor.u8()?);
    Ok(GtidEvent {
        gtid: Some(Gtid::Mariadb(MariadbGtid { domain, server, sequence })),
        is_ddl: flags & FL_DDL != 0,
        standalone: flags & FL_STANDALONE != 0,
        transactional: flags & FL_TRANSACTIONAL != 0,
        xa: flags & FL_PREPARED_XA != 0,
        ..GtidEvent::default()
    })
}

/// MariaDB's GTID list: what was executed before the file; the last of a domain stands for it.
pub(super) fn mariadb_list(body: &Bytes) -> Parsed<GtidSet> {
    let cursor = &mut Cursor::new(body);
    let mut set = MariadbGtidSet::default();
    // The high 4 bits of the count are flags.
    for _ in 0..cursor.u32()? & 0x0fff_ffff {
        let (domain, server, sequence) = (cursor.u32()?, cursor.u32()?, cursor.u64()?);
        set.add(MariadbGtid { domain, server, sequence });
    }
    Ok(GtidSet::Mariadb(set))
}

/// MySQL's PREVIOUS_GTIDS event.
pub(super) fn previous(body: &Bytes) -> Parsed<GtidSet> {
    Ok(GtidSet::Mysql(MysqlGtidSet::decode(&mut Cursor::new(body))?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_of_every_length() {
        let read = |bytes: &'static [u8]| varint(&mut Cursor::new(&Bytes::from_static(bytes))).unwrap();
        assert_eq!(read(&[0]), 0);
        assert_eq!(read(&[127 << 1]), 127);
        assert_eq!(read(&[0b01, 0b10]), 128);
        assert_eq!(read(&[0xff, 1, 0, 0, 0, 0, 0, 0, 0x80]), 1 << 63 | 1);
        assert_eq!((signed(0), signed(1), signed(2), signed(3)), (0, -1, 1, -2));
    }
}
