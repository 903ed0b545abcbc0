//! MySQL's binary JSON to text.
//!
//! A document is a type byte and a value. Containers: member count and byte size (2 bytes each, 4 in large ones), key
//! entries (offset, 2-byte length; objects only), value entries (type byte, then the value itself if it fits, else its
//! offset), keys, values. Offsets count from the container's start.

use std::fmt::Write;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    column,
    cursor::{Cursor, Malformed, Parsed},
    decimal,
    table_map::column_type as ty,
};

const SMALL_OBJECT: u8 = 0;
const LARGE_OBJECT: u8 = 1;
const SMALL_ARRAY: u8 = 2;
const LARGE_ARRAY: u8 = 3;
const LITERAL: u8 = 4;
const INT16: u8 = 5;
const UINT16: u8 = 6;
const INT32: u8 = 7;
const UINT32: u8 = 8;
const INT64: u8 = 9;
const UINT64: u8 = 10;
const DOUBLE: u8 = 11;
const STRING: u8 = 12;
const OPAQUE: u8 = 15;

/// The server allows 100 levels.
const DEEPEST: usize = 110;

/// JSON text of a stored document; an empty one (an invalid default of old servers) reads as `null`.
pub(super) fn to_text(document: &Bytes) -> Parsed<String> {
    let Some(kind) = document.first() else { return Ok("null".into()) };
    let mut out = Writer { text: String::with_capacity(document.len() * 2), limit: document.len() * 64 + 1024 };
    out.value(*kind, &document.slice(1..), 0)?;
    Ok(out.text)
}

struct Writer {
    text: String,
    /// Crafted offsets could make a small document unfold without end.
    limit: usize,
}

impl Writer {
    fn value(&mut self, kind: u8, data: &Bytes, depth: usize) -> Parsed<()> {
        if depth > DEEPEST || self.text.len() > self.limit {
            return Err(Malformed("a JSON value is nested too deep"));
        }
        let cursor = &mut Cursor::new(data);
        match kind {
            SMALL_OBJECT | LARGE_OBJECT | SMALL_ARRAY | LARGE_ARRAY => self.container(kind, data, depth),
            LITERAL => self.literal(cursor.u8()?),
            INT16 => self.number(cursor.u16()? as i16),
            UINT16 => self.number(cursor.u16()?),
            INT32 => self.number(cursor.u32()? as i32),
            UINT32 => self.number(cursor.u32()?),
            INT64 => self.number(cursor.u64()? as i64),
            UINT64 => self.number(cursor.u64()?),
            DOUBLE => self.double(f64::from_bits(cursor.u64()?)),
            STRING => {
                let length = variable_length(cursor)?;
                self.string(cursor.slice(length)?)
            }
            OPAQUE => self.opaque(cursor),
            _ => Err(Malformed("a JSON value has an unknown type")),
        }
    }

    fn container(&mut self, kind: u8, data: &Bytes, depth: usize) -> Parsed<()> {
        let large = matches!(kind, LARGE_OBJECT | LARGE_ARRAY);
        let object = matches!(kind, SMALL_OBJECT | LARGE_OBJECT);
        let width = if large { 4 } else { 2 };
        let cursor = &mut Cursor::new(data);
        let (count, size) = (cursor.uint_le(width)? as usize, cursor.uint_le(width)? as usize);
        if size > data.len() {
            return Err(Malformed("a JSON value ends too early"));
        }
        let data = data.slice(..size);
        let mut keys = cursor.part(if object { count.saturating_mul(width + 2) } else { 0 })?;
        self.text.push(if object { '{' } else { '[' });
        for i in 0..count {
            if i > 0 {
                self.text.push_str(", ");
            }
            if object {
                let (at, length) = (keys.uint_le(width)? as usize, keys.u16()?.into());
                self.string(tail(&data, at)?.get(..length).ok_or(Malformed("a JSON key ends too early"))?)?;
                self.text.push_str(": ");
            }
            let kind = cursor.u8()?;
            let inline = cursor.bytes(width)?;
            if matches!(kind, LITERAL | INT16 | UINT16) || large && matches!(kind, INT32 | UINT32) {
                self.value(kind, &inline, depth + 1)?;
            } else {
                let at = Cursor::new(&inline).uint_le(width)? as usize;
                self.value(kind, &tail(&data, at)?, depth + 1)?;
            }
        }
        self.text.push(if object { '}' } else { ']' });
        Ok(())
    }

    fn literal(&mut self, literal: u8) -> Parsed<()> {
        self.text.push_str(match literal {
            0 => "null",
            1 => "true",
            2 => "false",
            _ => return Err(Malformed("a JSON literal is unknown")),
        });
        Ok(())
    }

    fn number(&mut self, number: impl std::fmt::Display) -> Parsed<()> {
        write!(self.text, "{number}").map_err(|_| Malformed("a JSON number"))
    }

    /// Shortest text that reads back the same, and reads back as a double.
    fn double(&mut self, number: f64) -> Parsed<()> {
        if !number.is_finite() {
            return Err(Malformed("a JSON number is not finite"));
        }
        write!(self.text, "{number:?}").map_err(|_| Malformed("a JSON number"))
    }

    fn string(&mut self, bytes: &[u8]) -> Parsed<()> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed("a JSON string is not UTF-8"))?;
        self.text.push('"');
        let mut plain = 0;
        for (i, byte) in text.bytes().enumerate().filter(|(_, b)| matches!(b, b'"' | b'\\' | 0..=31)) {
            self.text.push_str(&text[plain..i]);
            plain = i + 1;
            match byte {
                b'"' => self.text.push_str("\\\""),
                b'\\' => self.text.push_str("\\\\"),
                8 => self.text.push_str("\\b"),
                9 => self.text.push_str("\\t"),
                10 => self.text.push_str("\\n"),
                12 => self.text.push_str("\\f"),
                13 => self.text.push_str("\\r"),
                control => write!(self.text, "\\u{control:04x}").map_err(|_| Malformed("a JSON string"))?,
            }
        }
        self.text.push_str(&text[plain..]);
        self.text.push('"');
        Ok(())
    }

    /// SQL values inside JSON: decimals as numbers, dates and times as strings with 6 fractional digits,
    /// all else as `base64:type<N>:<data>`, which is how the server prints them.
    fn opaque(&mut self, cursor: &mut Cursor<'_>) -> Parsed<()> {
        let kind = cursor.u8()?;
        let length = variable_length(cursor)?;
        let data = cursor.bytes(length)?;
        let value = &mut Cursor::new(&data);
        match kind {
            ty::NEWDECIMAL => {
                let (precision, scale) = (value.u8()?, value.u8()?);
                let mut digits = SmallVec::new();
                decimal::read(value, precision, scale, &mut digits)?;
                self.text.push_str(std::str::from_utf8(&digits).unwrap_or_default());
                Ok(())
            }
            ty::TIME => {
                let packed = value.u64()? as i64;
                let magnitude = packed.unsigned_abs();
                let whole = magnitude >> 24;
                let (hours, minutes, seconds) = (whole >> 12 & 0x3ff, whole >> 6 & 63, whole & 63);
                let sign = if packed < 0 { "-" } else { "" };
                let micros = magnitude & 0xff_ffff;
                self.number(format_args!("\"{sign}{hours:02}:{minutes:02}:{seconds:02}.{micros:06}\""))
            }
            ty::DATE | ty::DATETIME | ty::TIMESTAMP => {
                let packed = value.u64()?;
                let datetime = column::unpack_datetime(packed >> 24, (packed & 0xff_ffff) as u32, 6);
                if kind == ty::DATE {
                    return self.number(format_args!("\"{}\"", datetime.date));
                }
                self.number(format_args!("\"{datetime}\""))
            }
            _ => {
                write!(self.text, "\"base64:type{kind}:").map_err(|_| Malformed("a JSON value"))?;
                self.base64(&data);
                self.text.push('"');
                Ok(())
            }
        }
    }

    fn base64(&mut self, data: &[u8]) {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for chunk in data.chunks(3) {
            let bits = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
            for i in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
                self.text.push(if i <= chunk.len() { digit as char } else { '=' });
            }
        }
    }
}

/// A length in groups of 7 bits, lowest first; the high bit says that more follow.
fn variable_length(cursor: &mut Cursor<'_>) -> Parsed<usize> {
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
