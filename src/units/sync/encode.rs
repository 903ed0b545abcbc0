//! A source value as SQL text for a target column.
//!
//! Timestamps are written in UTC; the lanes' sessions run with `time_zone = '+00:00'`, so that no hour of a switch from
//! summer to winter time is ambiguous. Text is written for a session without NO_BACKSLASH_ESCAPES (see `target`).

use std::fmt::Write;

use crate::{
    mysql::value::Value,
    schema::{column_type::BaseType, model::Column},
};

/// What must be known of a column to write its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// The value's own form.
    Plain,
    /// The source column is unsigned and this many bits wide.
    Unsigned(u8),
    /// UTF-8 text.
    Text,
    /// Text in another character set, by its name.
    Charset(String),
    /// BINARY(n): the binlog leaves trailing zero bytes out.
    Padded(usize),
    /// Members of an ENUM whose target column has others (or isn't an ENUM).
    EnumNames(Vec<String>),
    /// Members of a SET whose target column has others (or isn't a SET).
    SetNames(Vec<String>),
}

impl Encoding {
    /// From the source's column and the target's.
    pub fn of(source: &Column, target: &Column) -> Encoding {
        let base = source.ty.base;
        match base {
            _ if base.is_integer() && source.ty.unsigned => Encoding::Unsigned(match base {
                BaseType::TinyInt => 8,
                BaseType::SmallInt => 16,
                BaseType::MediumInt => 24,
                BaseType::Int => 32,
                _ => 64,
            }),
            BaseType::Enum if source.ty.elems != target.ty.elems => Encoding::EnumNames(source.ty.elems.clone()),
            BaseType::Set if source.ty.elems != target.ty.elems => Encoding::SetNames(source.ty.elems.clone()),
            BaseType::Enum | BaseType::Set => Encoding::Plain,
            BaseType::Binary => Encoding::Padded(source.ty.length.unwrap_or(1) as usize),
            _ if base.has_charset() => match source.charset.as_deref() {
                None | Some("utf8mb4" | "utf8mb3" | "utf8" | "ascii") => Encoding::Text,
                Some(other) => Encoding::Charset(other.to_owned()),
            },
            _ => Encoding::Plain,
        }
    }
}

/// The value with what the binlog left out: the sign of unsigned integers, the zero bytes of BINARY.
pub fn complete(value: Value, encoding: &Encoding) -> Value {
    match (encoding, value) {
        (Encoding::Unsigned(bits), value @ Value::Int(_)) => value.unsigned(*bits),
        (Encoding::Padded(length), Value::Bytes(bytes)) if bytes.len() < *length => {
            let mut padded = Vec::with_capacity(*length);
            padded.extend_from_slice(&bytes);
            padded.resize(*length, 0);
            Value::Bytes(padded.into())
        }
        (_, value) => value,
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
        Value::Json(text) => quoted(text, out),
    }
}

/// Writing to a String can't fail.
fn write(text: std::fmt::Arguments<'_>, out: &mut String) {
    let _ = out.write_fmt(text);
}

fn number(value: impl std::fmt::Display, out: &mut String) {
    write(format_args!("{value}"), out);
}

fn bytes_literal(bytes: &[u8], encoding: &Encoding, out: &mut String) {
    match (encoding, std::str::from_utf8(bytes)) {
        (Encoding::Text, Ok(text)) => quoted(text, out),
        (Encoding::Charset(_), Ok(text)) if text.is_ascii() && !text.contains('\0') => quoted(text, out),
        (Encoding::Charset(charset), _) => {
            write(format_args!("_{charset} "), out);
            hex(bytes, out);
        }
        (Encoding::Text, Err(_)) => {
            out.push_str("_utf8mb4 ");
            hex(bytes, out);
        }
        _ if bytes.is_empty() => out.push_str("''"),
        _ => hex(bytes, out),
    }
}

/// Text in single quotes.
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

fn hex(bytes: &[u8], out: &mut String) {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    out.push_str("x'");
    out.reserve(bytes.len() * 2 + 1);
    for byte in bytes {
        out.push(char::from(DIGITS[usize::from(byte >> 4)]));
        out.push(char::from(DIGITS[usize::from(byte & 15)]));
    }
    out.push('\'');
}

/// How a column is compared in the WHERE of a table without a key, where a row is all its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compare {
    Equal,
    /// Byte by byte: under most collations `=` would also find a row that differs in case. Text in the target column's
    /// character set, given here.
    Bytes(String),
    /// A JSON column.
    Json,
    /// JSON kept as text (MariaDB), written by another server: spacing doesn't count.
    JsonText,
}

impl Compare {
    /// From the source's column, the target's, and whether they come from servers of one flavor.
    pub fn of(source: &Column, target: &Column) -> Compare {
        let base = target.ty.base;
        if base == BaseType::Json {
            Compare::Json
        } else if source.ty.base == BaseType::Json {
            Compare::JsonText
        } else if base.has_charset() && !matches!(base, BaseType::Enum | BaseType::Set) {
            Compare::Bytes(target.charset.clone().unwrap_or_else(|| "utf8mb4".to_owned()))
        } else {
            Compare::Equal
        }
    }

    /// Appends a condition; `column` is quoted.
    pub fn write(&self, column: &str, value: &Value, encoding: &Encoding, out: &mut String) {
        out.push_str(column);
        if value.is_null() {
            out.push_str(" IS NULL");
            return;
        }
        let mut text = String::new();
        literal(value, encoding, &mut text);
        match self {
            Compare::Equal => write(format_args!(" = {text}"), out),
            Compare::Bytes(charset) => write(
                format_args!(
                    " = {text} AND CAST({column} AS BINARY) = CAST(CONVERT({text} USING {charset}) AS BINARY)"
                ),
                out,
            ),
            Compare::Json => write(format_args!(" = CAST({text} AS JSON)"), out),
            Compare::JsonText => {
                out.truncate(out.len() - column.len());
                write(format_args!("JSON_COMPACT({column}) = JSON_COMPACT({text})"), out);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn text(value: Value, encoding: Encoding) -> String {
        let mut out = String::new();
        literal(&complete(value, &encoding), &encoding, &mut out);
        out
    }

    fn bytes(b: &'static [u8]) -> Value {
        Value::Bytes(Bytes::from_static(b))
    }

    #[test]
    fn values_become_literals() {
        assert_eq!(text(Value::Null, Encoding::Plain), "NULL");
        assert_eq!(text(Value::Int(-1), Encoding::Unsigned(8)), "255");
        assert_eq!(text(Value::Int(-1), Encoding::Plain), "-1");
        assert_eq!(text(Value::Float(1.1), Encoding::Plain), "1.100000023841858e0");
        assert_eq!(text(Value::Double(1e300), Encoding::Plain), "1e300");
        assert_eq!(text(bytes(b"it's \\ \0"), Encoding::Text), "'it''s \\\\ \\0'");
        assert_eq!(text(bytes(b"\xe4"), Encoding::Charset("latin1".into())), "_latin1 x'e4'");
        assert_eq!(text(bytes(b"ab"), Encoding::Charset("gbk".into())), "'ab'");
        assert_eq!(text(bytes(b"ab"), Encoding::Padded(4)), "x'61620000'");
        assert_eq!(text(bytes(b"\x00\xff"), Encoding::Plain), "x'00ff'");
        assert_eq!(text(bytes(b""), Encoding::Plain), "''");
        let names = vec!["a".to_owned(), "b".to_owned()];
        assert_eq!(text(Value::Enum(2), Encoding::EnumNames(names.clone())), "'b'");
        assert_eq!(text(Value::Enum(0), Encoding::EnumNames(names.clone())), "''");
        assert_eq!(text(Value::Enum(2), Encoding::Plain), "2");
        assert_eq!(text(Value::Set(3), Encoding::SetNames(names)), "'a,b'");
        assert_eq!(text(Value::Json("{\"a\": \"'\"}".into()), Encoding::Plain), "'{\"a\": \"''\"}'");
    }

    #[test]
    fn rows_without_key_compare_exactly() {
        let write = |compare: Compare, value: Value, encoding: Encoding| {
            let mut out = String::new();
            compare.write("`c`", &value, &encoding, &mut out);
            out
        };
        assert_eq!(write(Compare::Equal, Value::Null, Encoding::Plain), "`c` IS NULL");
        assert_eq!(write(Compare::Equal, Value::Int(3), Encoding::Plain), "`c` = 3");
        assert_eq!(
            write(Compare::Bytes("latin1".into()), bytes(b"A"), Encoding::Text),
            "`c` = 'A' AND CAST(`c` AS BINARY) = CAST(CONVERT('A' USING latin1) AS BINARY)"
        );
        assert_eq!(write(Compare::Json, Value::Json("1".into()), Encoding::Plain), "`c` = CAST('1' AS JSON)");
        assert_eq!(
            write(Compare::JsonText, Value::Json("1".into()), Encoding::Plain),
            "JSON_COMPACT(`c`) = JSON_COMPACT('1')"
        );
    }
}
