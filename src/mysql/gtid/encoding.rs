//! MySQL's binary form of GTID sets, in COM_BINLOG_DUMP_GTID and in PREVIOUS_GTIDS events.
//!
//! Without tags: count (u64), then for each uuid its 16 bytes, the number of intervals (u64) and their bounds (u64 each,
//! end exclusive). With tags (since 8.3) first and last byte of the count are 1, the count stands in the 6 between,
//! and a tag (length doubled in one byte, then its text) follows each uuid.

use super::mysql::{Interval, MysqlGtidSet, SourceId, Uuid, parse_tag};
use crate::mysql::binlog::cursor::{Cursor, Malformed, Parsed};

impl MysqlGtidSet {
    /// The form that COM_BINLOG_DUMP_GTID carries; with tags only when the set has some, as old servers know none.
    pub fn encode(&self) -> Vec<u8> {
        let tagged = self.iter().any(|(source, _)| !source.tag.is_empty());
        let count = self.iter().count() as u64;
        let mut out = Vec::with_capacity(8 + 48 * count as usize);
        let head = if tagged { 1 << 56 | count << 8 | 1 } else { count };
        out.extend_from_slice(&head.to_le_bytes());
        for (source, intervals) in self.iter() {
            out.extend_from_slice(&source.uuid.0);
            if tagged {
                out.push((source.tag.len() as u8) << 1);
                out.extend_from_slice(source.tag.as_bytes());
            }
            out.extend_from_slice(&(intervals.len() as u64).to_le_bytes());
            for interval in intervals {
                out.extend_from_slice(&interval.start.to_le_bytes());
                out.extend_from_slice(&interval.end.to_le_bytes());
            }
        }
        out
    }

    /// Reads the same form.
    pub(crate) fn decode(cursor: &mut Cursor<'_>) -> Parsed<MysqlGtidSet> {
        let head = cursor.u64()?;
        let (tagged, count) = match head >> 56 {
            1 => (true, head << 8 >> 16),
            _ => (false, head),
        };
        let mut set = MysqlGtidSet::default();
        for _ in 0..count {
            let source = decode_source(cursor, tagged)?;
            for _ in 0..cursor.u64()? {
                let (start, end) = (cursor.u64()?, cursor.u64()?);
                if start == 0 || start >= end {
                    return Err(Malformed("an interval of a GTID set is empty"));
                }
                set.add_interval(source.clone(), Interval { start, end });
            }
        }
        Ok(set)
    }
}

fn decode_source(cursor: &mut Cursor<'_>, tagged: bool) -> Parsed<SourceId> {
    let mut uuid = Uuid::default();
    uuid.0.copy_from_slice(cursor.slice(16)?);
    let tag = if tagged { decode_tag(cursor)? } else { "".into() };
    Ok(SourceId { uuid, tag })
}

/// A tag: its length doubled in one byte, then its text; length 0 is no tag.
pub(crate) fn decode_tag(cursor: &mut Cursor<'_>) -> Parsed<Box<str>> {
    let length = cursor.u8()?;
    if length & 1 != 0 {
        return Err(Malformed("a GTID's tag is too long"));
    }
    let tag = cursor.slice(usize::from(length >> 1))?;
    match tag {
        [] => Ok("".into()),
        tag => std::str::from_utf8(tag).ok().and_then(parse_tag).ok_or(Malformed("a GTID's tag is not one")),
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    const A: &str = "3e11fa47-71ca-11e1-9e33-c80aa9429562";

    #[test]
    fn both_forms_come_back() {
        for text in ["", "{}:1-5:9", "{}:1-5:tag:3:ugly_tag_2:1-9223372036854775806"] {
            let set: MysqlGtidSet = text.replace("{}", A).parse().unwrap();
            let bytes = Bytes::from(set.encode());
            assert_eq!(MysqlGtidSet::decode(&mut Cursor::new(&bytes)).unwrap(), set);
            for cut in 0..bytes.len() {
                assert!(MysqlGtidSet::decode(&mut Cursor::new(&bytes.slice(..cut))).is_err(), "{cut}");
            }
        }
    }

    #[test]
    fn the_untagged_form_is_the_one_of_old_servers() {
        let set: MysqlGtidSet = format!("{A}:1-5").parse().unwrap();
        let mut expected = vec![1, 0, 0, 0, 0, 0, 0, 0];
        expected
            .extend([0x3e, 0x11, 0xfa, 0x47, 0x71, 0xca, 0x11, 0xe1, 0x9e, 0x33, 0xc8, 0x0a, 0xa9, 0x42, 0x95, 0x62]);
        expected.extend([1, 0, 0, 0, 0, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 6, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(set.encode(), expected);
    }
}
