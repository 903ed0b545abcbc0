//! One column value out of a row image.

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    compress,
    cursor::{Cursor, Malformed, Parsed},
    decimal, json, old_time,
    table_map::{Column, column_type as ty},
};
use crate::mysql::value::{Date, DateTime, Decimal, Time, Timestamp, Value};

/// Decodes the value of `column` at the cursor.
pub(super) fn decode(cursor: &mut Cursor<'_>, column: &Column, unsigned: bool) -> Parsed<Value> {
    let meta = column.meta;
    Ok(match column.kind {
        ty::TINY | ty::SHORT | ty::INT24 | ty::LONG | ty::LONGLONG => integer(cursor, column, unsigned)?,
        ty::FLOAT => Value::Float(f32::from_bits(cursor.u32()?)),
        ty::DOUBLE => Value::Double(f64::from_bits(cursor.u64()?)),
        ty::NEWDECIMAL => {
            let mut text = SmallVec::new();
            decimal::read(cursor, (meta >> 8) as u8, meta as u8, &mut text)?;
            Value::Decimal(Decimal(text))
        }
        ty::VARCHAR | ty::VAR_STRING => Value::Bytes(string(cursor, meta)?),
        ty::STRING => Value::Bytes(string(cursor, meta)?),
        ty::TINY_BLOB..=ty::BLOB | ty::GEOMETRY | ty::VECTOR => Value::Bytes(blob(cursor, meta)?),
        ty::VARCHAR_COMPRESSED => Value::Bytes(compress::column(string(cursor, meta)?)?),
        ty::BLOB_COMPRESSED => Value::Bytes(compress::column(blob(cursor, meta)?)?),
        ty::JSON => Value::Json(json::read(&blob(cursor, meta)?)?),
        ty::ENUM if matches!(meta, 1 | 2) => Value::Enum(cursor.uint_le(meta.into())? as u16),
        ty::SET if (1..=8).contains(&meta) => Value::Set(cursor.uint_le(meta.into())?),
        ty::BIT if (1..=64).contains(&meta) => {
            Value::Bit { bits: cursor.uint_be(usize::from(meta).div_ceil(8))?, len: meta as u8 }
        }
        ty::YEAR => Value::Year(match cursor.u8()? {
            0 => 0,
            n => 1900 + u16::from(n),
        }),
        ty::DATE | ty::NEWDATE => {
            let packed = cursor.uint_le(3)?;
            Value::Date(Date { year: (packed >> 9) as u16, month: (packed >> 5 & 15) as u8, day: (packed & 31) as u8 })
        }
        ty::TIMESTAMP => Value::Timestamp(old_time::timestamp(cursor, meta)?),
        ty::TIMESTAMP2 => {
            let seconds = cursor.uint_be(4)? as u32;
            Value::Timestamp(Timestamp { seconds, micros: fraction(cursor, meta)?, fsp: meta as u8 })
        }
        ty::TIME => Value::Time(old_time::time(cursor, meta)?),
        ty::TIME2 => Value::Time(time2(cursor, meta)?),
        ty::DATETIME => Value::DateTime(old_time::datetime(cursor, meta)?),
        ty::DATETIME2 => datetime2(cursor, meta)?,
        ty::NULL => Value::Null,
        _ => return Err(Malformed("a column has a type this reader does not know")),
    })
}

fn integer(cursor: &mut Cursor<'_>, column: &Column, unsigned: bool) -> Parsed<Value> {
    let bits = column.integer_bits().unwrap_or(64);
    let raw = cursor.uint_le(usize::from(bits / 8))?;
    if unsigned {
        return Ok(Value::UInt(raw));
    }
    let shift = 64 - u32::from(bits);
    Ok(Value::Int((raw << shift) as i64 >> shift))
}

/// CHAR and VARCHAR: one length byte when no value is longer than 255 bytes, else two.
fn string(cursor: &mut Cursor<'_>, longest: u16) -> Parsed<Bytes> {
    let length = if longest > 255 { cursor.u16()?.into() } else { cursor.u8()?.into() };
    cursor.bytes(length)
}

pub(super) fn blob(cursor: &mut Cursor<'_>, length_bytes: u16) -> Parsed<Bytes> {
    if !(1..=4).contains(&length_bytes) {
        return Err(Malformed("a blob's length has a wrong size"));
    }
    let length = cursor.uint_le(length_bytes.into())? as usize;
    cursor.bytes(length)
}

/// The fraction behind a time, in microseconds: 2 digits a byte.
fn fraction(cursor: &mut Cursor<'_>, fsp: u16) -> Parsed<u32> {
    let bytes = usize::from(fsp).div_ceil(2);
    let scale = match bytes {
        0 => return Ok(0),
        1 => 10_000,
        2 => 100,
        3 => 1,
        _ => return Err(Malformed("a time has too many fractional digits")),
    };
    let micros = cursor.uint_be(bytes)? as u32 * scale;
    if micros < 1_000_000 { Ok(micros) } else { Err(Malformed("a time's fraction is too large")) }
}

/// TIME(n): one packed number, sign first, so that it sorts: the fraction of negative values counts upwards.
pub(super) fn time2(cursor: &mut Cursor<'_>, fsp: u16) -> Parsed<Time> {
    let bytes = usize::from(fsp).div_ceil(2);
    let scale = [1, 10_000, 100, 1].get(bytes).ok_or(Malformed("a time has too many fractional digits"))?;
    let width = 24 + 8 * bytes as u32;
    let value = cursor.uint_be(3 + bytes)? as i64 - (1i64 << (width - 1));
    let magnitude = value.unsigned_abs();
    let (whole, part) = (magnitude >> (8 * bytes), magnitude & ((1u64 << (8 * bytes)) - 1));
    let micros = part as u32 * scale;
    if bytes > 0 && micros >= 1_000_000 {
        return Err(Malformed("a time's fraction is too large"));
    }
    Ok(Time {
        negative: value < 0,
        hours: (whole >> 12 & 0x3ff) as u16,
        minutes: (whole >> 6 & 63) as u8,
        seconds: (whole & 63) as u8,
        micros,
        fsp: fsp as u8,
    })
}

fn datetime2(cursor: &mut Cursor<'_>, fsp: u16) -> Parsed<Value> {
    let packed = cursor.uint_be(5)? & 0x7f_ffff_ffff;
    let micros = fraction(cursor, fsp)?;
    Ok(Value::DateTime(unpack_datetime(packed, micros, fsp as u8)))
}

/// `year * 13 + month` (17 bits), day (5), hour (5), minute (6), second (6).
pub(super) fn unpack_datetime(packed: u64, micros: u32, fsp: u8) -> DateTime {
    let year_month = packed >> 22 & 0x1_ffff;
    DateTime {
        date: Date { year: (year_month / 13) as u16, month: (year_month % 13) as u8, day: (packed >> 17 & 31) as u8 },
        hour: (packed >> 12 & 31) as u8,
        minute: (packed >> 6 & 63) as u8,
        second: (packed & 63) as u8,
        micros,
        fsp,
    }
}
