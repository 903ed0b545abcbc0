//! Values as SQL literals, and what must be known of a column to write its values.
//!
//! The one place where row values become SQL text. Written for sessions as the units open them: `SET NAMES utf8mb4`,
//! `time_zone = '+00:00'`, no ANSI_QUOTES and no NO_BACKSLASH_ESCAPES.
//!
//! Bytes that are not of their character set go as `_charset x'..'`: the server takes them unchanged or says error 1300;
//! in quotes it would cut the value at the first such byte and only warn.

use std::fmt::Write;

use super::{json, value::Value, vector};
use crate::schema::ddl::decode_bytes;

/// Stands behind `_utf8mb4 x'..'` of bytes that are no UTF-8. MySQL and MariaDB read a comment and refuse the bytes. TiDB
/// would cut them there and only warn, unless the session is strict; with this it refuses them, too (error 1253).
pub const NO_UTF8: &str = " /*T! COLLATE ascii_bin */";

/// The same behind `_ascii x'..'`: MySQL 8.0 and later would cut the value there and only warn; with this they refuse it.
pub const NO_ASCII: &str = " /*!80000 COLLATE utf8mb4_bin */";

/// What must be known of a column to write its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// The value's own form.
    Plain,
    /// The source column is unsigned and this many bits wide.
    Unsigned(u8),
    /// UTF-8 text.
    Text,
    /// ASCII text.
    Ascii,
    /// Text in another character set, by its name; bytes below 128 are ASCII.
    Charset(String),
    /// Text in a character set where bytes below 128 may be anything: utf16, utf32, swe7, sjis.
    Wide(String),
    /// Text in a character set, by its name, whose bytes the target doesn't take: sent as UTF-8.
    Decoded(String),
    /// BINARY(n): the binlog leaves trailing zero bytes out.
    Padded(usize),
    /// Members of an ENUM whose target column has others (or isn't an ENUM).
    EnumNames(Vec<String>),
    /// Members of a SET whose target column has others (or isn't a SET).
    SetNames(Vec<String>),
    /// JSON whose target keeps the types of its scalars: a JSON column of MySQL.
    TypedJson,
    /// MariaDB's address and UUID types whose target column is text.
    TextOf(FixedType),
    /// A VECTOR for TiDB, which takes only its text.
    Vector,
}

/// MariaDB's types that travel as bytes of a fixed number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FixedType {
    Inet4,
    Inet6,
    Uuid,
}

impl FixedType {
    /// Bytes of a value.
    pub fn size(self) -> usize {
        if self == FixedType::Inet4 { 4 } else { 16 }
    }

    /// The text the server shows; None when the bytes are not a value.
    pub fn text(self, bytes: &[u8]) -> Option<String> {
        Some(match self {
            FixedType::Inet4 => std::net::Ipv4Addr::from(<[u8; 4]>::try_from(bytes).ok()?).to_string(),
            FixedType::Inet6 => inet6_text(<[u8; 16]>::try_from(bytes).ok()?),
            FixedType::Uuid => {
                let mut out = String::with_capacity(36);
                for (i, byte) in <[u8; 16]>::try_from(bytes).ok()?.iter().enumerate() {
                    if matches!(i, 4 | 6 | 8 | 10) {
                        out.push('-');
                    }
                    let _ = write!(out, "{byte:02x}");
                }
                out
            }
        })
    }
}

/// As servers print an address: the first of the longest runs of zero groups is `::`, one group alone too; addresses that
/// hold one of IPv4 end in it.
pub fn inet6_text(bytes: [u8; 16]) -> String {
    let (head, tail) = (&bytes[..12], [bytes[12], bytes[13], bytes[14], bytes[15]]);
    if head.iter().all(|b| *b == 0) && (tail[0] != 0 || tail[1] != 0) {
        return format!("::{}", std::net::Ipv4Addr::from(tail));
    }
    let address = std::net::Ipv6Addr::from(bytes);
    if address.to_ipv4_mapped().is_some() {
        return address.to_string();
    }
    let groups = address.segments();
    let run = |from: usize| groups[from..].iter().take_while(|group| **group == 0).count();
    let longest = (0..8).map(run).max().unwrap_or(0);
    let list = |groups: &[u16]| groups.iter().map(|group| format!("{group:x}")).collect::<Vec<_>>().join(":");
    match (0..8).find(|from| longest > 0 && run(*from) == longest) {
        Some(from) => format!("{}::{}", list(&groups[..from]), list(&groups[from + longest..])),
        None => list(&groups),
    }
}

impl Encoding {
    /// Of a text column, by its character set's name as `SHOW CREATE TABLE` prints it.
    pub fn of_charset(name: &str) -> Encoding {
        match name {
            "" | "utf8mb4" | "utf8mb3" | "utf8" => Encoding::Text,
            "ascii" => Encoding::Ascii,
            // In sjis the byte of the backslash is another character.
            "ucs2" | "utf16" | "utf16le" | "utf32" | "swe7" | "sjis" => Encoding::Wide(name.to_owned()),
            "binary" => Encoding::Plain,
            other => Encoding::Charset(other.to_owned()),
        }
    }
}

/// The value with what the binlog left out: the sign of unsigned integers, the zero bytes of BINARY.
pub fn complete(value: Value, encoding: &Encoding) -> Value {
    let padded = match encoding {
        Encoding::Unsigned(bits) => {
            return if matches!(value, Value::Int(_)) { value.unsigned(*bits) } else { value };
        }
        Encoding::Padded(length) => *length,
        Encoding::TextOf(fixed) => fixed.size(),
        _ => return value,
    };
    match value {
        Value::Bytes(bytes) if bytes.len() < padded => {
            let mut whole = Vec::with_capacity(padded);
            whole.extend_from_slice(&bytes);
            whole.resize(padded, 0);
            Value::Bytes(whole.into())
        }
        other => other,
    }
}

/// Appends a completed value as a literal.
pub fn literal(value: &Value, encoding: &Encoding, out: &mut String) {
    match value {
        Value::Null => out.push_str("NULL"),
        Value::Int(v) => number(*v, out),
        Value::UInt(v) => number(*v, out),
        // With an exponent, so that the literal is a double and not a DECIMAL. A FLOAT is widened: that is what the
        // column is compared as.
        Value::Float(v) => write(format_args!("{:e}", f64::from(*v)), out),
        Value::Double(v) => write(format_args!("{v:e}"), out),
        Value::Decimal(v) => out.push_str(v.as_str()),
        Value::Bytes(bytes) => bytes_literal(bytes, encoding, out),
        Value::Bit { bits, .. } => number(*bits, out),
        Value::Enum(index) => match encoding {
            Encoding::EnumNames(names) => match usize::from(*index).checked_sub(1).and_then(|i| names.get(i)) {
                Some(name) => quoted(name, out),
                None => out.push_str("''"),
            },
            _ => number(*index, out),
        },
        Value::Set(mask) => match encoding {
            Encoding::SetNames(names) => {
                let set = names.iter().enumerate().filter(|(i, _)| *i < 64 && mask >> i & 1 == 1);
                quoted(&set.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(","), out);
            }
            _ => number(*mask, out),
        },
        Value::Year(year) => number(*year, out),
        Value::Date(date) => write(format_args!("'{date}'"), out),
        Value::Time(time) => write(format_args!("'{time}'"), out),
        Value::DateTime(time) => write(format_args!("'{time}'"), out),
        Value::Timestamp(time) => write(format_args!("'{}'", time.to_datetime()), out),
        Value::Json(document) if *encoding == Encoding::TypedJson => json::write_sql(document, out),
        Value::Json(document) => quoted(document, out),
    }
}

/// Writing to a String can't fail.
fn write(text: std::fmt::Arguments<'_>, out: &mut String) {
    let _ = out.write_fmt(text);
}

fn number(value: impl std::fmt::Display, out: &mut String) {
    write(format_args!("{value}"), out);
}

/// Appends the bytes of a string column as a literal.
pub fn bytes_literal(bytes: &[u8], encoding: &Encoding, out: &mut String) {
    let introduced = |charset: &str, out: &mut String| {
        write(format_args!("_{charset} "), out);
        hex(bytes, out);
    };
    match (encoding, std::str::from_utf8(bytes)) {
        (Encoding::Vector, _) => match vector::text(bytes) {
            Some(text) => quoted(&text, out),
            // The target refuses it.
            None => hex(bytes, out),
        },
        _ if bytes.is_empty() => out.push_str("''"),
        (Encoding::Text, Ok(text)) => quoted(text, out),
        (Encoding::Text, Err(_)) => {
            introduced("utf8mb4", out);
            out.push_str(NO_UTF8);
        }
        (Encoding::Charset(_) | Encoding::Ascii, Ok(text)) if text.is_ascii() => quoted(text, out),
        (Encoding::Ascii, _) => {
            introduced("ascii", out);
            out.push_str(NO_ASCII);
        }
        (Encoding::Charset(charset) | Encoding::Wide(charset), _) => introduced(charset, out),
        (Encoding::Decoded(charset), _) => match decode_bytes(charset, bytes) {
            Some(text) => quoted(&text, out),
            // The target refuses it, which is better than other characters.
            None => introduced(charset, out),
        },
        (Encoding::TextOf(fixed), _) => match fixed.text(bytes) {
            Some(text) => quoted(&text, out),
            None => hex(bytes, out),
        },
        _ => hex(bytes, out),
    }
}

/// Appends text in single quotes.
pub fn quoted(text: &str, out: &mut String) {
    out.push('\'');
    let mut rest = text;
    while let Some(at) = rest.find(['\'', '\\', '\0']) {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'\'' => out.push_str("''"),
            b'\\' => out.push_str("\\\\"),
            _ => out.push_str("\\0"),
        }
        rest = &rest[at + 1..];
    }
    out.push_str(rest);
    out.push('\'');
}

/// Appends bytes as `x'..'`.
pub fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.reserve(bytes.len() * 2 + 3);
    out.push_str("x'");
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out.push('\'');
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mysql::value::{Date, DateTime, Time, Timestamp};

    fn text(value: Value, encoding: Encoding) -> String {
        let mut out = String::new();
        literal(&complete(value, &encoding), &encoding, &mut out);
        out
    }

    fn bytes(b: &'static [u8]) -> Value {
        Value::Bytes(Bytes::from_static(b))
    }

    #[test]
    fn numbers_read_back_the_same() {
        assert_eq!(text(Value::Null, Encoding::Plain), "NULL");
        assert_eq!(text(Value::Int(-1), Encoding::Unsigned(8)), "255");
        assert_eq!(text(Value::Int(-1), Encoding::Plain), "-1");
        assert_eq!(text(Value::Float(1.1), Encoding::Plain), "1.100000023841858e0");
        assert_eq!(text(Value::Double(1e300), Encoding::Plain), "1e300");
        assert_eq!(text(Value::Double(-0.0), Encoding::Plain), "-0e0");
        assert_eq!(text(Value::Double(f64::MAX), Encoding::Plain), "1.7976931348623157e308");
        assert_eq!(text(Value::Decimal("-0.50".into()), Encoding::Plain), "-0.50");
    }

    #[test]
    fn strings_keep_their_bytes() {
        assert_eq!(text(bytes(b"it's \\ \0"), Encoding::Text), "'it''s \\\\ \\0'");
        assert_eq!(text(bytes(b"a\xff"), Encoding::Text), "_utf8mb4 x'61ff' /*T! COLLATE ascii_bin */");
        assert_eq!(text(bytes(b"\xe4"), Encoding::of_charset("latin1")), "_latin1 x'e4'");
        assert_eq!(text(bytes(b"ab"), Encoding::of_charset("gbk")), "'ab'");
        assert_eq!(text(bytes(b"N-"), Encoding::of_charset("utf16")), "_utf16 x'4e2d'");
        assert_eq!(text(bytes(b"N-"), Encoding::Decoded("utf16".into())), "'\u{4e2d}'");
        assert_eq!(text(bytes(b"\xd6\xd0"), Encoding::Decoded("gb2312".into())), "'\u{4e2d}'");
        assert_eq!(text(bytes(b"\xd8\x00"), Encoding::Decoded("utf16".into())), "_utf16 x'd800'");
        assert_eq!(text(bytes(b"[]"), Encoding::of_charset("swe7")), "_swe7 x'5b5d'");
        assert_eq!(text(bytes(b"~"), Encoding::of_charset("ascii")), "'~'");
        assert_eq!(
            text(bytes(b"\xc3\xa9"), Encoding::of_charset("ascii")),
            "_ascii x'c3a9' /*!80000 COLLATE utf8mb4_bin */"
        );
        assert_eq!(text(bytes(b"ab"), Encoding::Padded(4)), "x'61620000'");
        assert_eq!(text(bytes(b"\x00\xff"), Encoding::Plain), "x'00ff'");
        assert_eq!(text(bytes(b""), Encoding::Plain), "''");
        assert_eq!(text(bytes(b"\0\0\x80\x3f\0\0\x20\xc0"), Encoding::Vector), "'[1,-2.5]'");
        assert_eq!(text(bytes(b""), Encoding::Vector), "'[]'");
        assert_eq!(text(bytes(b"\x01"), Encoding::Vector), "x'01'");
        assert_eq!(text(Value::Json("{\"a\": \"'\"}".into()), Encoding::Plain), "'{\"a\": \"''\"}'");
    }

    #[test]
    fn members_by_number_or_name() {
        let names = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(text(Value::Enum(2), Encoding::EnumNames(names.clone())), "'b'");
        assert_eq!(text(Value::Enum(0), Encoding::EnumNames(names.clone())), "''");
        assert_eq!(text(Value::Enum(2), Encoding::Plain), "2");
        assert_eq!(text(Value::Set(3), Encoding::SetNames(names)), "'a,b'");
    }

    #[test]
    fn addresses_become_text_where_the_target_has_no_such_type() {
        let uuid = b"\x12\x3e\x45\x67\xe8\x9b\x12\xd3\xa4\x56\x42\x66\x55\x44\x00";
        assert_eq!(text(bytes(uuid), Encoding::TextOf(FixedType::Uuid)), "'123e4567-e89b-12d3-a456-426655440000'");
        assert_eq!(text(bytes(b"\x0a\0\0\x01"), Encoding::TextOf(FixedType::Inet4)), "'10.0.0.1'");
        assert_eq!(text(bytes(b""), Encoding::TextOf(FixedType::Inet6)), "'::'");
        assert_eq!(inet6_text(*b"\0\0\0\0\0\0\0\0\0\0\0\0\x01\x02\x03\x04"), "::1.2.3.4");
        assert_eq!(inet6_text(*b"\0\0\0\0\0\0\0\0\0\0\xff\xff\x01\x02\x03\x04"), "::ffff:1.2.3.4");
        let text = |text: &str| inet6_text(text.parse::<std::net::Ipv6Addr>().unwrap().octets());
        for (address, shown) in [
            ("0:2:3:4:5:6:7:8", "::2:3:4:5:6:7:8"),
            ("0:1:0:1:0:1:0:1", "::1:0:1:0:1:0:1"),
            ("1:0:0:1:0:0:0:1", "1:0:0:1::1"),
            ("1:2:3:4:5:6:7:0", "1:2:3:4:5:6:7::"),
            ("::", "::"),
        ] {
            assert_eq!(text(address), shown);
        }
        assert_eq!(inet6_text(*b"\x20\x01\x0d\xb8\0\0\0\0\0\0\0\0\0\0\0\x01"), "2001:db8::1");
    }

    #[test]
    fn times_are_written_with_the_columns_digits() {
        let time = Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 500_000, fsp: 1 };
        assert_eq!(text(Value::Time(time), Encoding::Plain), "'-838:59:59.5'");
        let date = Date { year: 2024, month: 0, day: 0 };
        let partial = Value::DateTime(DateTime { date, ..DateTime::default() });
        assert_eq!(text(partial, Encoding::Plain), "'2024-00-00 00:00:00'");
        let time = Timestamp { seconds: 1, micros: 1, fsp: 6 };
        assert_eq!(text(Value::Timestamp(time), Encoding::Plain), "'1970-01-01 00:00:01.000001'");
    }
}
