//! Values as SQL literals: exact under every sql_mode (backslashes never escape, only single quotes delimit), for sessions
//! with `SET NAMES utf8mb4` and `time_zone = '+00:00'`.

use std::io::Write;

use super::value::{Time, Value};

/// Which characters the bytes of a string column stand for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum ColumnCharset {
    /// utf8mb4, utf8mb3 and ascii.
    #[default]
    Utf8,
    /// BINARY, VARBINARY, BLOB, spatial types, VECTOR.
    Binary,
    /// MySQL's latin1, which is cp1252 with the holes filled.
    Latin1,
    /// Any other; holds its introducer's name. Bytes below 128 are ASCII.
    Other(&'static str),
    /// ucs2, utf16, utf16le, utf32: no byte is a character.
    Wide(&'static str),
}

/// Charsets other than those named by variants; the names go into SQL as introducers.
const OTHERS: &[&str] = &[
    "armscii8", "big5", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932", "dec8", "eucjpms",
    "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r", "koi8u", "latin2",
    "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ujis",
];

impl ColumnCharset {
    /// From the charset's name, as `SHOW CREATE TABLE` and information_schema print it. An unknown name counts as binary,
    /// which stores the bytes unchanged.
    pub fn from_name(name: &str) -> ColumnCharset {
        let name = name.to_ascii_lowercase();
        let known = |list: &[&'static str]| list.iter().find(|c| **c == name).copied();
        match name.as_str() {
            "" | "utf8mb4" | "utf8mb3" | "utf8" | "ascii" => ColumnCharset::Utf8,
            "latin1" => ColumnCharset::Latin1,
            _ => match (known(&["ucs2", "utf16", "utf16le", "utf32"]), known(OTHERS)) {
                (Some(wide), _) => ColumnCharset::Wide(wide),
                (_, Some("swe7" | "hp8")) if name == "swe7" => ColumnCharset::Wide("swe7"),
                (_, Some(other)) => ColumnCharset::Other(other),
                _ => ColumnCharset::Binary,
            },
        }
    }
}

/// What a literal must know of its column.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LiteralHint {
    pub charset: ColumnCharset,
    /// Width of an unsigned integer column (8 to 64), 0 for all others: see [`Value::unsigned`].
    pub unsigned_bits: u8,
    /// BINARY(n): n. Row images drop trailing zero bytes; comparing needs them back. 0 for all others.
    pub fixed_binary: u32,
}

/// Appends `value` as a literal to store.
pub fn write_literal(out: &mut Vec<u8>, value: &Value, hint: LiteralHint) {
    match value {
        Value::Null => out.extend_from_slice(b"NULL"),
        Value::Int(n) if *n < 0 && hint.unsigned_bits > 0 => {
            let Value::UInt(n) = Value::Int(*n).unsigned(hint.unsigned_bits) else { return };
            display(out, n);
        }
        Value::Int(n) => display(out, n),
        Value::UInt(n) => display(out, n),
        // As a double: exact, and equal to what the column's value widens to in comparisons.
        Value::Float(n) => display(out, format_args!("{:e}", f64::from(*n))),
        Value::Double(n) => display(out, format_args!("{n:e}")),
        Value::Decimal(n) => out.extend_from_slice(n.as_bytes()),
        Value::Bytes(bytes) => write_string(out, bytes, hint),
        Value::Bit { bits, .. } => display(out, bits),
        Value::Enum(index) => display(out, index),
        Value::Set(mask) => display(out, mask),
        Value::Year(year) => display(out, year),
        Value::Date(date) => display(out, format_args!("'{date}'")),
        Value::Time(time) => write_time(out, time),
        Value::DateTime(time) => display(out, format_args!("'{time}'")),
        Value::Timestamp(time) => display(out, format_args!("'{}'", time.to_datetime())),
        Value::Json(text) => write_text(out, text.as_bytes()),
    }
}

/// Appends `value` as the right side of a comparison with its column: like [`write_literal`], but JSON is compared as
/// JSON. NULL needs `IS NULL` (or `<=>`), which is the caller's part.
pub fn write_operand(out: &mut Vec<u8>, value: &Value, hint: LiteralHint) {
    if !matches!(value, Value::Json(_)) {
        return write_literal(out, value, hint);
    }
    out.extend_from_slice(b"CAST(");
    write_literal(out, value, hint);
    out.extend_from_slice(b" AS JSON)");
}

fn display(out: &mut Vec<u8>, value: impl std::fmt::Display) {
    // Writing to memory does not fail.
    let _ = write!(out, "{value}");
}

fn write_time(out: &mut Vec<u8>, time: &Time) {
    display(out, format_args!("'{time}'"));
}

fn write_string(out: &mut Vec<u8>, bytes: &[u8], hint: LiteralHint) {
    match hint.charset {
        ColumnCharset::Binary => write_binary(out, bytes, hint.fixed_binary),
        ColumnCharset::Utf8 => write_text(out, bytes),
        ColumnCharset::Latin1 if bytes.is_ascii() => write_text(out, bytes),
        ColumnCharset::Latin1 => write_text(out, latin1_to_utf8(bytes).as_bytes()),
        ColumnCharset::Other(_) if bytes.is_ascii() => write_text(out, bytes),
        ColumnCharset::Other(_) | ColumnCharset::Wide(_) if bytes.is_empty() => out.extend_from_slice(b"''"),
        ColumnCharset::Other(name) | ColumnCharset::Wide(name) => {
            out.push(b'_');
            out.extend_from_slice(name.as_bytes());
            out.extend_from_slice(b" 0x");
            write_hex(out, bytes);
        }
    }
}

/// UTF-8 text: in quotes, unless a byte could be read in another way.
fn write_text(out: &mut Vec<u8>, bytes: &[u8]) {
    let special = |b: &u8| *b == b'\\' || *b < 32 && !matches!(b, b'\n' | b'\r' | b'\t') || *b == 127;
    let is_text = std::str::from_utf8(bytes).is_ok();
    if is_text && !bytes.iter().any(special) {
        out.push(b'\'');
        let mut rest = bytes;
        while let Some(at) = rest.iter().position(|b| *b == b'\'') {
            out.extend_from_slice(&rest[..=at]);
            out.push(b'\'');
            rest = &rest[at + 1..];
        }
        out.extend_from_slice(rest);
        out.push(b'\'');
        return;
    }
    // Bytes that are not UTF-8 can't carry the introducer; the server takes them as they are, or says why not.
    out.extend_from_slice(if is_text { b"_utf8mb4 0x".as_slice() } else { b"0x" });
    write_hex(out, bytes);
}

fn write_binary(out: &mut Vec<u8>, bytes: &[u8], fixed: u32) {
    let padding = (fixed as usize).saturating_sub(bytes.len());
    if bytes.is_empty() && padding == 0 {
        return out.extend_from_slice(b"''");
    }
    out.extend_from_slice(b"0x");
    write_hex(out, bytes);
    out.resize(out.len() + 2 * padding, b'0');
}

fn write_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.reserve(bytes.len() * 2);
    for byte in bytes {
        out.extend_from_slice(&[DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 15)]]);
    }
}

/// cp1252; its five holes stand for themselves, as in MySQL.
pub fn latin1_to_utf8(bytes: &[u8]) -> String {
    const FROM_80: [char; 32] = [
        '\u{20ac}', '\u{81}', '\u{201a}', '\u{192}', '\u{201e}', '\u{2026}', '\u{2020}', '\u{2021}', '\u{2c6}',
        '\u{2030}', '\u{160}', '\u{2039}', '\u{152}', '\u{8d}', '\u{17d}', '\u{8f}', '\u{90}', '\u{2018}', '\u{2019}',
        '\u{201c}', '\u{201d}', '\u{2022}', '\u{2013}', '\u{2014}', '\u{2dc}', '\u{2122}', '\u{161}', '\u{203a}',
        '\u{153}', '\u{9d}', '\u{17e}', '\u{178}',
    ];
    let character = |b: &u8| match b {
        0x80..=0x9f => FROM_80[usize::from(b - 0x80)],
        other => char::from(*other),
    };
    bytes.iter().map(character).collect()
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mysql::value::{Date, DateTime, Timestamp};

    fn literal(value: Value, hint: LiteralHint) -> String {
        let mut out = Vec::new();
        write_literal(&mut out, &value, hint);
        String::from_utf8(out).unwrap()
    }

    fn string(bytes: &'static [u8], charset: ColumnCharset, fixed_binary: u32) -> String {
        literal(Value::Bytes(Bytes::from_static(bytes)), LiteralHint { charset, fixed_binary, ..Default::default() })
    }

    #[test]
    fn strings_are_exact_under_every_mode() {
        assert_eq!(string(b"it's", ColumnCharset::Utf8, 0), "'it''s'");
        assert_eq!(string(b"''", ColumnCharset::Utf8, 0), "''''''");
        assert_eq!(string("ü\n\"`".as_bytes(), ColumnCharset::Utf8, 0), "'ü\n\"`'");
        assert_eq!(string(b"a\\", ColumnCharset::Utf8, 0), "_utf8mb4 0x615C");
        assert_eq!(string(b"\xff", ColumnCharset::Utf8, 0), "0xFF");
        assert_eq!(string(b"", ColumnCharset::Utf8, 0), "''");
    }

    #[test]
    fn other_charsets_keep_their_characters() {
        assert_eq!(string(b"caf\xe9\x80", ColumnCharset::Latin1, 0), "'café€'");
        assert_eq!(string(b"\xd6\xd0", ColumnCharset::from_name("GBK"), 0), "_gbk 0xD6D0");
        assert_eq!(string(b"ab", ColumnCharset::from_name("gbk"), 0), "'ab'");
        assert_eq!(string(b"\0a", ColumnCharset::from_name("utf16"), 0), "_utf16 0x0061");
        assert_eq!(ColumnCharset::from_name("swe7"), ColumnCharset::Wide("swe7"));
        assert_eq!(ColumnCharset::from_name("no such"), ColumnCharset::Binary);
    }

    #[test]
    fn binary_columns_of_fixed_length_get_their_zeros_back() {
        assert_eq!(string(b"a", ColumnCharset::Binary, 3), "0x610000");
        assert_eq!(string(b"", ColumnCharset::Binary, 2), "0x0000");
        assert_eq!(string(b"", ColumnCharset::Binary, 0), "''");
    }

    #[test]
    fn numbers_read_back_the_same() {
        let plain = LiteralHint::default();
        assert_eq!(literal(Value::Float(0.1), plain), "1.0000000149011612e-1");
        assert_eq!(literal(Value::Double(f64::MAX), plain), "1.7976931348623157e308");
        assert_eq!(literal(Value::Double(-0.0), plain), "-0e0");
        let unsigned = LiteralHint { unsigned_bits: 8, ..plain };
        assert_eq!(literal(Value::Int(-1), unsigned), "255");
        assert_eq!(literal(Value::Decimal("-0.50".into()), plain), "-0.50");
    }

    #[test]
    fn times_are_written_with_the_columns_digits() {
        let plain = LiteralHint::default();
        let time = Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 500_000, fsp: 1 };
        assert_eq!(literal(Value::Time(time), plain), "'-838:59:59.5'");
        let date = Date { year: 2024, month: 0, day: 0 };
        assert_eq!(literal(Value::DateTime(DateTime { date, ..DateTime::default() }), plain), "'2024-00-00 00:00:00'");
        let time = Timestamp { seconds: 1, micros: 1, fsp: 6 };
        assert_eq!(literal(Value::Timestamp(time), plain), "'1970-01-01 00:00:01.000001'");
    }
}
