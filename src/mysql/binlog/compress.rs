//! Compressed parts of a binlog: MySQL's transactions (zstd), MariaDB's statements, rows and columns (zlib).

use std::io::Read;

use bytes::Bytes;
use flate2::{Decompress, FlushDecompress, Status};

use super::{
    consts::HEADER_LEN,
    cursor::{Cursor, Malformed, Parsed},
};

/// No packet and no column of a server is larger than its largest max_allowed_packet.
const LARGEST: u64 = 1 << 30;

const BROKEN: Malformed = Malformed("its compressed part is broken");

/// MariaDB's compressed statements and rows: one byte (bit 7 set, bits 4-6 the algorithm, 0 is zlib, bits 0-2 how many
/// bytes the length has), the length before compression, big-endian, then a zlib stream.
pub(super) fn maria_block(block: &Bytes) -> Parsed<Bytes> {
    let cursor = &mut Cursor::new(block);
    let head = cursor.u8()?;
    if head & 0xf0 != 0x80 {
        return Err(Malformed("it is compressed in a way this reader does not know"));
    }
    let length = cursor.uint_be((head & 7).min(4).into())?;
    inflate(&cursor.rest(), length, true)
}

/// A value of a MariaDB COMPRESSED column: one byte (bits 4-7: 0 stored as it is, 8 zlib; bit 3: raw deflate;
/// bits 0-2: bytes of the length), the length, the data. The empty value has not even the byte.
pub(super) fn column(value: Bytes) -> Parsed<Bytes> {
    let Some(head) = value.first().copied() else { return Ok(value) };
    match head >> 4 {
        0 => Ok(value.slice(1..)),
        8 => {
            let cursor = &mut Cursor::new(&value);
            cursor.u8()?;
            let length = cursor.uint_be((head & 7).into())?;
            inflate(&cursor.rest(), length, head & 8 == 0)
        }
        _ => Err(Malformed("a compressed column uses a method this reader does not know")),
    }
}

fn inflate(data: &[u8], length: u64, zlib: bool) -> Parsed<Bytes> {
    if length > LARGEST {
        return Err(BROKEN);
    }
    let mut out = Vec::with_capacity((length as usize).min(data.len().saturating_mul(1100)) + 1);
    let mut stream = Decompress::new(zlib);
    loop {
        let read = stream.total_in() as usize;
        let status = stream.decompress_vec(&data[read..], &mut out, FlushDecompress::Finish).map_err(|_| BROKEN)?;
        match status {
            Status::StreamEnd => break,
            _ if out.len() as u64 > length => return Err(BROKEN),
            _ if out.len() == out.capacity() => out.reserve(out.len().max(64)),
            _ => return Err(BROKEN),
        }
    }
    if out.len() as u64 == length { Ok(out.into()) } else { Err(BROKEN) }
}

/// The events of a MySQL compressed transaction, unfolded one by one: it may be far larger than what came.
pub(super) struct Payload {
    bytes: Box<dyn Read + Send + Sync>,
    /// Bytes of the events that are still to come.
    left: u64,
}

impl Payload {
    /// Fields: type (lenenc), length (lenenc), value; 0 ends them, 1 is the payload's size, 2 the algorithm (0 zstd, 255 none), 3 the
    /// size before compression.
    pub fn read(body: &Bytes) -> Parsed<Payload> {
        let cursor = &mut Cursor::new(body);
        let (mut algorithm, mut size) = (255, None);
        loop {
            let field = cursor.lenenc()?;
            if field == 0 {
                break;
            }
            let length = cursor.lenenc_len()?;
            let mut value = cursor.part(length)?;
            match field {
                2 => algorithm = value.lenenc()?,
                3 => size = Some(value.lenenc()?),
                _ => {}
            }
        }
        let payload = cursor.rest();
        match algorithm {
            255 => Ok(Payload { left: payload.len() as u64, bytes: Box::new(std::io::Cursor::new(payload)) }),
            0 => {
                let decoder = zstd::stream::read::Decoder::new(std::io::Cursor::new(payload)).map_err(|_| BROKEN)?;
                Ok(Payload { bytes: Box::new(decoder), left: size.ok_or(BROKEN)? })
            }
            _ => Err(Malformed("it is compressed in a way this reader does not know")),
        }
    }

    /// No event follows.
    pub fn is_empty(&self) -> bool {
        self.left == 0
    }

    /// The next event's bytes; its header states how many.
    pub fn next_event(&mut self) -> Parsed<Bytes> {
        let mut event = Vec::with_capacity(256);
        self.take(HEADER_LEN as u64, &mut event)?;
        let size = event.get(9..13).and_then(|size| size.try_into().ok()).map(u32::from_le_bytes).ok_or(BROKEN)?;
        let body = u64::from(size).checked_sub(HEADER_LEN as u64).filter(|body| *body <= LARGEST).ok_or(BROKEN)?;
        self.take(body, &mut event)?;
        if self.is_empty() && self.bytes.read(&mut [0]).map_err(|_| BROKEN)? != 0 {
            return Err(BROKEN);
        }
        Ok(event.into())
    }

    /// Memory grows with what really comes, not with what is announced.
    fn take(&mut self, count: u64, out: &mut Vec<u8>) -> Parsed<()> {
        self.left = self.left.checked_sub(count).ok_or(BROKEN)?;
        let read = self.bytes.by_ref().take(count).read_to_end(out).map_err(|_| BROKEN)?;
        if read as u64 == count { Ok(()) } else { Err(BROKEN) }
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::{Compression, write::ZlibEncoder};

    use super::*;

    fn zlib(data: &[u8]) -> Vec<u8> {
        let mut encoder = ZlibEncoder::new(Vec::new(), Compression::default());
        encoder.write_all(data).unwrap();
        encoder.finish().unwrap()
    }

    #[test]
    fn blocks_come_back_whole_or_not_at_all() {
        let data = b"abcabcabc".repeat(100);
        let mut block = vec![0x82, (data.len() >> 8) as u8, data.len() as u8];
        block.extend(zlib(&data));
        assert_eq!(maria_block(&block.clone().into()).unwrap(), data);
        for cut in 0..block.len() {
            assert!(maria_block(&Bytes::from(block[..cut].to_vec())).is_err(), "{cut}");
        }
        block[2] ^= 1;
        assert!(maria_block(&block.into()).is_err());
    }

    #[test]
    fn columns_are_stored_or_compressed() {
        assert_eq!(column(Bytes::new()).unwrap(), "");
        assert_eq!(column(Bytes::from_static(b"\0abc")).unwrap(), "abc");
        let mut value = vec![0x81, 200];
        value.extend(zlib(&[7; 200]));
        assert_eq!(column(value.into()).unwrap(), vec![7; 200]);
        assert!(column(Bytes::from_static(b"\x91\x01a")).is_err());
    }

    #[test]
    fn a_payload_that_lies_about_its_size_is_refused() {
        let event = |size: u32| {
            let mut event = vec![5u8; size as usize];
            event[9..13].copy_from_slice(&size.to_le_bytes());
            event
        };
        let events = [event(19), event(5000), event(20)];
        let data = events.concat();
        let packed = zstd::encode_all(&data[..], 3).unwrap();
        let build = |size: usize| {
            let mut body = vec![2, 1, 0, 3, 3, 0xfc, size as u8, (size >> 8) as u8, 1, 1, packed.len() as u8, 0];
            body.extend(&packed);
            Bytes::from(body)
        };
        let unfold = |body: &Bytes| -> Parsed<Vec<Bytes>> {
            let mut payload = Payload::read(body)?;
            let mut events = Vec::new();
            while !payload.is_empty() {
                events.push(payload.next_event()?);
            }
            Ok(events)
        };
        assert_eq!(unfold(&build(data.len())).unwrap(), events);
        for lie in [data.len() - 1, data.len() - 20, data.len() + 1, 18] {
            assert!(unfold(&build(lie)).is_err(), "{lie}");
        }
        assert!(unfold(&Bytes::from_static(&[2, 1, 7, 0, 1])).is_err());
        let mut plain = vec![0];
        plain.extend(&data);
        assert_eq!(unfold(&plain.into()).unwrap(), events);
    }
}
