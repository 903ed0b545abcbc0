//! MySQL's binary JSON to text.
//!
//! A document is a type byte and a value. Containers: member count and byte size (2 bytes each, 4 in large ones), key
//! entries (offset, 2-byte length; objects only), value entries (type byte, then the value itself if it fits, else its
//! offset), keys, values. Offsets count from the container's start.

use bytes::Bytes;

use super::{
    cursor::{Cursor, Malformed, Parsed},
    json_text::Printer,
};
use crate::mysql::json::Json;

pub(super) const SMALL_OBJECT: u8 = 0;
pub(super) const LARGE_OBJECT: u8 = 1;
pub(super) const SMALL_ARRAY: u8 = 2;
pub(super) const LARGE_ARRAY: u8 = 3;
pub(super) const LITERAL: u8 = 4;
pub(super) const INT16: u8 = 5;
pub(super) const UINT16: u8 = 6;
pub(super) const INT32: u8 = 7;
pub(super) const UINT32: u8 = 8;
pub(super) const INT64: u8 = 9;
pub(super) const UINT64: u8 = 10;
pub(super) const DOUBLE: u8 = 11;
pub(super) const STRING: u8 = 12;
pub(super) const OPAQUE: u8 = 15;

/// A stored document; an empty one (an invalid default of old servers) reads as `null`.
pub(super) fn read(document: &Bytes) -> Parsed<Json> {
    let mut out = Printer::new(document.len());
    match document.first() {
        Some(kind) => value(*kind, &document.slice(1..), &mut out)?,
        None => out.literal(0)?,
    }
    Ok(out.finish())
}

/// Prints a value of type `kind` whose bytes `data` begins with.
pub(super) fn value(kind: u8, data: &Bytes, out: &mut Printer) -> Parsed<()> {
    out.check()?;
    let cursor = &mut Cursor::new(data);
    match kind {
        SMALL_OBJECT | LARGE_OBJECT | SMALL_ARRAY | LARGE_ARRAY => {
            let container = Container::read(kind, data)?;
            out.open(container.object);
            for (i, member) in container.members().enumerate() {
                let (key, kind, data) = member?;
                out.begin(i, key.as_deref())?;
                value(kind, &data, out)?;
                out.end();
            }
            out.close(container.object);
            Ok(())
        }
        LITERAL => out.literal(cursor.u8()?),
        INT16 => out.number(cursor.u16()? as i16),
        UINT16 => out.number(cursor.u16()?),
        INT32 => out.number(cursor.u32()? as i32),
        UINT32 => out.number(cursor.u32()?),
        INT64 => out.number(cursor.u64()? as i64),
        UINT64 => out.number(cursor.u64()?),
        DOUBLE => out.double(f64::from_bits(cursor.u64()?)),
        STRING => {
            let length = variable_length(cursor)?;
            out.string(cursor.slice(length)?)
        }
        OPAQUE => {
            let kind = cursor.u8()?;
            let length = variable_length(cursor)?;
            out.opaque(kind, &cursor.bytes(length)?)
        }
        _ => Err(Malformed("a JSON value has an unknown type")),
    }
}

/// An object or an array in its stored form.
pub(super) struct Container {
    pub(super) object: bool,
    large: bool,
    count: usize,
    data: Bytes,
}

/// Key (of objects), type and bytes of a member; the bytes go on behind the value.
pub(super) type Member = (Option<Bytes>, u8, Bytes);

impl Container {
    pub(super) fn read(kind: u8, data: &Bytes) -> Parsed<Container> {
        let large = matches!(kind, LARGE_OBJECT | LARGE_ARRAY);
        let object = matches!(kind, SMALL_OBJECT | LARGE_OBJECT);
        let width = if large { 4 } else { 2 };
        let cursor = &mut Cursor::new(data);
        let (count, size) = (cursor.uint_le(width)? as usize, cursor.uint_le(width)? as usize);
        let entries = count.saturating_mul(if object { 2 * width + 3 } else { width + 1 });
        if size > data.len() || entries.saturating_add(2 * width) > size {
            return Err(Malformed("a JSON value ends too early"));
        }
        Ok(Container { object, large, count, data: data.slice(..size) })
    }

    pub(super) fn members(&self) -> impl Iterator<Item = Parsed<Member>> {
        (0..self.count).map(|i| self.member(i))
    }

    fn member(&self, i: usize) -> Parsed<Member> {
        let width = if self.large { 4 } else { 2 };
        let keys = if self.object { self.count * (width + 2) } else { 0 };
        let mut key = None;
        if self.object {
            let entry = self.data.slice(2 * width + i * (width + 2)..);
            let cursor = &mut Cursor::new(&entry);
            let (at, length) = (cursor.uint_le(width)? as usize, usize::from(cursor.u16()?));
            let bytes = tail(&self.data, at)?;
            if length > bytes.len() {
                return Err(Malformed("a JSON key ends too early"));
            }
            key = Some(bytes.slice(..length));
        }
        let entry = self.data.slice(2 * width + keys + i * (width + 1)..);
        let cursor = &mut Cursor::new(&entry);
        let kind = cursor.u8()?;
        let inline = cursor.bytes(width)?;
        if matches!(kind, LITERAL | INT16 | UINT16) || self.large && matches!(kind, INT32 | UINT32) {
            return Ok((key, kind, inline));
        }
        let at = Cursor::new(&inline).uint_le(width)? as usize;
        Ok((key, kind, tail(&self.data, at)?))
    }
}

/// A length in groups of 7 bits, lowest first; the high bit says that more follow.
pub(super) fn variable_length(cursor: &mut Cursor<'_>) -> Parsed<usize> {
    let mut length = 0u64;
    for i in 0..5 {
        let byte = cursor.u8()?;
        length |= u64::from(byte & 0x7f) << (7 * i);
        if byte & 0x80 == 0 {
            return Ok(length as usize);
        }
    }
    Err(Malformed("a JSON string is too long"))
}

fn tail(data: &Bytes, at: usize) -> Parsed<Bytes> {
    if at <= data.len() { Ok(data.slice(at..)) } else { Err(Malformed("a JSON value points outside itself")) }
}
