//! Rows as SQL text that brings back exactly the same values.

use super::document::{self, TypesBy};
use crate::{
    mysql::{
        literal::{Encoding, NO_UTF8, bytes_literal},
        rows::Fields,
        vector,
    },
    schema::model::quote_name,
};

/// How a column's values are written.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum ColumnKind {
    /// Exact numbers: as the server prints them.
    Number,
    /// Doubles, with an exponent: without one the target would read a DECIMAL, which has no negative zero and 30 digits
    /// behind the point.
    Double,
    /// Single precision: the server prints only six digits, so it is read as the double of the same value.
    Float,
    /// Bytes: hexadecimal.
    Binary,
    /// A vector's bytes, as the text that TiDB takes; in files it is `Binary`.
    VectorText,
    /// Dates and other text in the character set of the connection.
    Text,
    /// Text in a character set whose every byte is a character: quoted text in utf8mb4.
    Converted,
    /// Text in another character set: quoted text in utf8mb4, or its own bytes where those would not come back.
    Charset(String),
    /// ENUM with an empty member, which looks like the error value.
    EmptyEnum,
    /// JSON of a server that can tell its types, or not.
    Json(Option<TypesBy>),
}

impl ColumnKind {
    /// By `information_schema.COLUMNS`: DATA_TYPE and COLUMN_TYPE in lower case, CHARACTER_SET_NAME. `json_types`: how
    /// the server tells the types inside JSON.
    pub fn of(data_type: &str, column_type: &str, charset: &str, json_types: Option<TypesBy>) -> Self {
        match data_type {
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "decimal" | "numeric" => {
                ColumnKind::Number
            }
            "double" => ColumnKind::Double,
            "float" => ColumnKind::Float,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "bit" | "geometry" | "point"
            | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon" | "geometrycollection"
            | "geomcollection" | "vector" => ColumnKind::Binary,
            "json" => ColumnKind::Json(json_types),
            "enum" if column_type.contains("('',") || column_type.contains(",'',") || column_type.contains("'')") => {
                ColumnKind::EmptyEnum
            }
            _ => match charset {
                "" | "binary" | "utf8mb4" | "utf8mb3" | "utf8" => ColumnKind::Text,
                // Members of these are characters, whatever their bytes.
                _ if matches!(data_type, "enum" | "set") => ColumnKind::Converted,
                "latin1" => ColumnKind::Converted,
                other => ColumnKind::Charset(other.to_owned()),
            },
        }
    }

    /// A second expression is selected, which says how the first is to be written.
    pub fn has_second(&self) -> bool {
        matches!(self, ColumnKind::Charset(_) | ColumnKind::EmptyEnum | ColumnKind::Json(Some(_)))
    }
}

/// The columns as a SELECT list, for a session whose `character_set_results` is NULL.
pub fn select_list(columns: &[(String, ColumnKind)]) -> String {
    let one = |(name, kind): &(String, ColumnKind)| {
        let name = quote_name(name);
        match kind {
            ColumnKind::Float => format!("{name} * 1e0"),
            ColumnKind::Converted => format!("CONVERT({name} USING utf8mb4)"),
            // Some of its bytes share a character, of which servers choose different ones on the way back.
            ColumnKind::Charset(charset) if charset == "armscii8" => format!(
                "CONVERT({name} USING utf8mb4),IF(CAST(CONVERT({name} USING ascii) AS BINARY) = CAST({name} AS BINARY), \
                 NULL, CAST({name} AS BINARY))"
            ),
            ColumnKind::Charset(charset) => format!(
                "CONVERT({name} USING utf8mb4),IF(CAST(CONVERT(CONVERT({name} USING utf8mb4) USING {charset}) AS BINARY) = \
                 CAST({name} AS BINARY), NULL, CAST({name} AS BINARY))"
            ),
            ColumnKind::EmptyEnum => format!("CONVERT({name} USING utf8mb4),{name} = 0"),
            ColumnKind::Json(Some(by)) => format!("{name},{}", document::types_of(&name, *by)),
            // MySQL 5.7 takes a column of this name for all columns, in quotes too, unless it stands in an expression.
            _ if name == "`*`" => format!("COALESCE({name})"),
            _ => name,
        }
    };
    columns.iter().map(one).collect::<Vec<_>>().join(",")
}

/// `INSERT INTO ... VALUES` up to the first row.
pub fn insert_head(table: &str, columns: &[(String, ColumnKind)]) -> String {
    let names: Vec<String> = columns.iter().map(|(name, _)| quote_name(name)).collect();
    format!("INSERT INTO {} ({}) VALUES\n", quote_name(table), names.join(","))
}

/// Appends `(value,value,...)` of a row as the server sent it.
pub fn append_row(out: &mut Vec<u8>, payload: &[u8], columns: &[(String, ColumnKind)]) -> Result<(), NoRow> {
    let mut fields = Fields(payload);
    let mut next = || fields.next().flatten().ok_or(NoRow::Malformed);
    for (i, (_, kind)) in columns.iter().enumerate() {
        out.push(if i == 0 { b'(' } else { b',' });
        let first = next()?;
        let second = if kind.has_second() { next()? } else { None };
        if matches!(kind, ColumnKind::Json(_)) && second == Some(document::TOO_MANY.as_bytes()) {
            return Err(NoRow::TooManyTypes);
        }
        match first {
            Some(bytes) => append_value(out, bytes, second, kind),
            None => out.extend_from_slice(b"NULL"),
        }
    }
    if columns.is_empty() {
        out.push(b'(');
    }
    out.push(b')');
    Ok(())
}

/// Why there is no row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoRow {
    /// The bytes are none of these columns.
    Malformed,
    /// The types in a JSON document are too many for one query.
    TooManyTypes,
}

pub(in crate::units) fn append_value(out: &mut Vec<u8>, bytes: &[u8], second: Option<&[u8]>, kind: &ColumnKind) {
    match (kind, second) {
        (ColumnKind::Number, _) => out.extend_from_slice(bytes),
        (ColumnKind::Double | ColumnKind::Float, _) => {
            out.extend_from_slice(bytes);
            if !bytes.contains(&b'e') {
                out.extend_from_slice(b"e0");
            }
        }
        (ColumnKind::VectorText, _) => match vector::text(bytes) {
            Some(text) => append_text(out, text.as_bytes()),
            None => append_hex(out, bytes),
        },
        (ColumnKind::Binary, _) => append_hex(out, bytes),
        (ColumnKind::EmptyEnum, Some(b"1")) => out.push(b'0'),
        (ColumnKind::Charset(charset), Some(raw)) => {
            let mut text = String::new();
            bytes_literal(raw, &Encoding::of_charset(charset), &mut text);
            out.extend_from_slice(text.as_bytes());
        }
        (ColumnKind::Json(_), types) => match std::str::from_utf8(bytes) {
            Ok(text) => document::append(out, text, types.and_then(|t| std::str::from_utf8(t).ok())),
            Err(_) => append_text(out, bytes),
        },
        _ => append_text(out, bytes),
    }
}

/// Bytes that are not UTF-8 go as they are, which the target takes or refuses; in quotes it would cut them and go on.
fn append_text(out: &mut Vec<u8>, bytes: &[u8]) {
    let seen = look(bytes);
    if seen & NOT_ASCII != 0 && simdutf8::basic::from_utf8(bytes).is_err() {
        out.extend_from_slice(b"_utf8mb4 ");
        append_hex(out, bytes);
        return out.extend_from_slice(NO_UTF8.as_bytes());
    }
    out.push(b'\'');
    if seen & TO_ESCAPE == 0 {
        out.extend_from_slice(bytes);
    } else {
        append_escaped(out, bytes);
    }
    out.push(b'\'');
}

const NOT_ASCII: u8 = 0x80;
const TO_ESCAPE: u8 = 1;

/// What is among the bytes. Without a branch, and in lanes, so that the compiler takes many bytes at once.
fn look(bytes: &[u8]) -> u8 {
    const LANES: usize = 16;
    let (whole, rest) = bytes.as_chunks::<LANES>();
    let mut seen = [0u8; LANES];
    let mut add = |part: &[u8]| seen.iter_mut().zip(part).for_each(|(seen, byte)| *seen |= mark(*byte));
    whole.iter().for_each(|chunk| add(chunk));
    if !rest.is_empty() {
        // The last bytes once more are cheaper than the rest one by one.
        add(bytes.last_chunk::<LANES>().map_or(rest, |last| last));
    }
    seen.iter().fold(0, |all, lane| all | lane)
}

#[inline(always)]
fn mark(b: u8) -> u8 {
    let escaped = (b == 0) | (b == b'\n') | (b == b'\r') | (b == 0x1a) | (b == b'\'') | (b == b'"') | (b == b'\\');
    (b & NOT_ASCII) | u8::from(escaped)
}

fn append_hex(out: &mut Vec<u8>, bytes: &[u8]) {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    out.extend_from_slice(b"x'");
    out.reserve(bytes.len() * 2 + 1);
    for b in bytes {
        out.extend_from_slice(&[HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
    }
    out.push(b'\'');
}

/// Backslash escapes for what ends a literal or a line, or confuses tools.
fn append_escaped(out: &mut Vec<u8>, bytes: &[u8]) {
    let mut from = 0;
    for (at, b) in bytes.iter().enumerate() {
        let escaped = match b {
            0 => b'0',
            b'\n' => b'n',
            b'\r' => b'r',
            0x1a => b'Z',
            b'\'' | b'"' | b'\\' => *b,
            _ => continue,
        };
        out.extend_from_slice(&bytes[from..at]);
        out.extend_from_slice(&[b'\\', escaped]);
        from = at + 1;
    }
    out.extend_from_slice(&bytes[from..]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(bytes: &[u8], second: Option<&[u8]>, kind: ColumnKind) -> String {
        let mut out = Vec::new();
        append_value(&mut out, bytes, second, &kind);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn values_as_text() {
        assert_eq!(text(b"18446744073709551615", None, ColumnKind::Number), "18446744073709551615");
        assert_eq!(text(b"-0", None, ColumnKind::Double), "-0e0");
        assert_eq!(text(b"1.5e300", None, ColumnKind::Float), "1.5e300");
        assert_eq!(text(&[0, 255, 16], None, ColumnKind::Binary), "x'00FF10'");
        assert_eq!(text(b"", None, ColumnKind::Binary), "x''");
        assert_eq!(text(&[0, 0, 128, 63, 0, 0, 32, 192], None, ColumnKind::VectorText), "'[1,-2.5]'");
        assert_eq!(text("a'b\\c\n\0\"é".as_bytes(), None, ColumnKind::Text), "'a\\'b\\\\c\\n\\0\\\"é'");
        assert_eq!(text(b"a\xff", None, ColumnKind::Text), "_utf8mb4 x'61FF' /*T! COLLATE ascii_bin */");
    }

    #[test]
    fn rows_of_the_protocol() {
        let columns = |n: usize| vec![("a".to_owned(), ColumnKind::Text); n];
        let mut out = Vec::new();
        assert_eq!(append_row(&mut out, b"\x02it\xfb\0", &columns(3)), Ok(()));
        assert_eq!(out, b"('it',NULL,'')");
        for bad in [&b"\x05it"[..], b"\xfb", b""] {
            assert_eq!(append_row(&mut Vec::new(), bad, &columns(2)), Err(NoRow::Malformed));
        }
        for at in 0..40 {
            let mut bytes = [b'x'; 40];
            bytes[at] = b'\'';
            assert_eq!(look(&bytes), TO_ESCAPE, "{at}");
            assert_eq!((look(&bytes[..at]), look(&bytes[at + 1..])), (0, 0));
        }
        let long = [&[b'x'; 100][..], b"'", &[b'y'; 100]].concat();
        assert_eq!(text(&long, None, ColumnKind::Text).len(), 204);
    }

    #[test]
    fn bytes_without_a_character_keep_their_charset() {
        let gbk = ColumnKind::Charset("gbk".into());
        assert_eq!(text("中".as_bytes(), None, gbk.clone()), "'中'");
        assert_eq!(text(b"?", Some(b"\xa2\xa0"), gbk), "_gbk x'a2a0'");
    }

    #[test]
    fn the_error_value_of_an_enum_is_no_member() {
        assert_eq!(ColumnKind::of("enum", "enum('a','')", "utf8mb4", None), ColumnKind::EmptyEnum);
        assert_eq!(ColumnKind::of("enum", "enum('a','b')", "utf8mb4", None), ColumnKind::Text);
        assert_eq!(ColumnKind::of("enum", "enum('a','b')", "gbk", None), ColumnKind::Converted);
        assert_eq!(text(b"", Some(b"1"), ColumnKind::EmptyEnum), "0");
        assert_eq!(text(b"", Some(b"0"), ColumnKind::EmptyEnum), "''");
    }

    #[test]
    fn lists() {
        let columns = vec![
            ("a".to_owned(), ColumnKind::Number),
            ("f`".to_owned(), ColumnKind::Float),
            ("e".to_owned(), ColumnKind::EmptyEnum),
        ];
        assert_eq!(select_list(&columns), "`a`,`f``` * 1e0,CONVERT(`e` USING utf8mb4),`e` = 0");
        assert_eq!(select_list(&[("*".to_owned(), ColumnKind::Text)]), "COALESCE(`*`)");
        assert_eq!(insert_head("t", &columns), "INSERT INTO `t` (`a`,`f```,`e`) VALUES\n");
    }
}
