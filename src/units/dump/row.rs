//! Rows as SQL text that brings back exactly the same values.

use mysql_async::{Row, Value};

use crate::schema::model::quote_name;

/// How a column's values are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ColumnKind {
    /// Exact numbers: as the server prints them.
    Number,
    /// Single precision: the server prints only six digits, so it is read as the double of the same value.
    Float,
    /// Bytes: hexadecimal.
    Binary,
    /// Everything else: quoted text in utf8mb4.
    Text,
}

impl ColumnKind {
    /// By `information_schema.COLUMNS.DATA_TYPE` in lower case.
    pub fn of(data_type: &str) -> Self {
        match data_type {
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" | "decimal" | "numeric" | "double" => {
                ColumnKind::Number
            }
            "float" => ColumnKind::Float,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" | "bit" | "geometry" | "point"
            | "linestring" | "polygon" | "multipoint" | "multilinestring" | "multipolygon" | "geometrycollection"
            | "geomcollection" | "vector" => ColumnKind::Binary,
            _ => ColumnKind::Text,
        }
    }
}

/// The columns as a SELECT list.
pub fn select_list(columns: &[(String, ColumnKind)]) -> String {
    let one = |(name, kind): &(String, ColumnKind)| match kind {
        ColumnKind::Float => format!("{} * 1e0", quote_name(name)),
        _ => quote_name(name),
    };
    columns.iter().map(one).collect::<Vec<_>>().join(",")
}

/// `INSERT INTO ... VALUES` up to the first row.
pub fn insert_head(table: &str, columns: &[(String, ColumnKind)]) -> String {
    let names: Vec<String> = columns.iter().map(|(name, _)| quote_name(name)).collect();
    format!("INSERT INTO {} ({}) VALUES\n", quote_name(table), names.join(","))
}

/// Appends `(value,value,...)`.
pub fn append_row(out: &mut Vec<u8>, row: &Row, columns: &[(String, ColumnKind)]) {
    out.push(b'(');
    for (at, (_, kind)) in columns.iter().enumerate() {
        if at > 0 {
            out.push(b',');
        }
        match row.as_ref(at) {
            Some(Value::Bytes(bytes)) => append_value(out, bytes, *kind),
            None | Some(Value::NULL) => out.extend_from_slice(b"NULL"),
            // The text protocol sends nothing else.
            Some(other) => out.extend_from_slice(other.as_sql(false).as_bytes()),
        }
    }
    out.push(b')');
}

fn append_value(out: &mut Vec<u8>, bytes: &[u8], kind: ColumnKind) {
    match kind {
        ColumnKind::Number | ColumnKind::Float => out.extend_from_slice(bytes),
        ColumnKind::Binary => {
            const HEX: &[u8; 16] = b"0123456789ABCDEF";
            out.extend_from_slice(b"x'");
            out.reserve(bytes.len() * 2 + 1);
            for b in bytes {
                out.extend_from_slice(&[HEX[usize::from(b >> 4)], HEX[usize::from(b & 15)]]);
            }
            out.push(b'\'');
        }
        ColumnKind::Text => {
            out.push(b'\'');
            append_escaped(out, bytes);
            out.push(b'\'');
        }
    }
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

    #[test]
    fn values_as_text() {
        let text = |bytes: &[u8], kind| {
            let mut out = Vec::new();
            append_value(&mut out, bytes, kind);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(text(b"18446744073709551615", ColumnKind::Number), "18446744073709551615");
        assert_eq!(text(&[0, 255, 16], ColumnKind::Binary), "x'00FF10'");
        assert_eq!(text(b"", ColumnKind::Binary), "x''");
        assert_eq!(text("a'b\\c\n\0\"é".as_bytes(), ColumnKind::Text), "'a\\'b\\\\c\\n\\0\\\"é'");
    }

    #[test]
    fn lists() {
        let columns = vec![("a".to_owned(), ColumnKind::Number), ("f`".to_owned(), ColumnKind::Float)];
        assert_eq!(select_list(&columns), "`a`,`f``` * 1e0");
        assert_eq!(insert_head("t", &columns), "INSERT INTO `t` (`a`,`f```) VALUES\n");
    }
}
