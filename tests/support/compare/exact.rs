//! Values in one form for servers that print or keep the same value in other ways: TiDB beside MySQL and MariaDB.
//!
//! | type | compared as | because |
//! |---|---|---|
//! | FLOAT, DOUBLE | their bits (binary protocol); zeros are equal | exponents are printed in other ways; TiDB keeps no negative zero |
//! | JSON (on either side) | the document: members by name, numbers by kind and value | members' order, `1e-7` is `0.0000001` |
//! | text | UTF-8, as the server converts it | TiDB keeps latin1 as UTF-8 |
//! | ENUM | number and name; SET: names | |
//! | bytes | the bytes | |
//! | VECTOR | the bytes of its floats | TiDB prints `[1,2]`, MySQL has no text of it that is exact |
//! | the rest | its text | |
//!
//! A text of the source whose bytes don't come back from UTF-8 equals nothing on the target.

use mysql_async::{Conn, Row, Value, prelude::Queryable};

/// A column of both sides.
#[derive(Clone, Debug)]
pub struct Column {
    pub name: String,
    /// `data_type` at the source, and the character set there ("" without one).
    pub kind: String,
    pub charset: String,
    /// `data_type` on the target.
    pub target_kind: String,
}

/// Which side is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    Source,
    Target,
}

/// A table's rows in their exact form, as the server gives them.
pub async fn rows(conn: &mut Conn, table: &str, columns: &[Column], side: Side) -> Result<Vec<Vec<String>>, String> {
    // The largest values are hexadecimal text of a megabyte; a session that is too old for it would answer NULL.
    conn.query_drop("SET time_zone = '+00:00', NAMES utf8mb4").await.map_err(|e| e.to_string())?;
    let list: Vec<String> = columns.iter().map(|column| column.expression(side)).collect();
    let sql = format!("SELECT {} FROM {table}", list.join(", "));
    let rows: Vec<Row> = conn.exec(&sql, ()).await.map_err(|e| format!("{e}\n{sql}"))?;
    let exact = |row: Row| row.unwrap().iter().zip(columns).map(|(value, column)| column.exact(value)).collect();
    Ok(rows.into_iter().map(exact).collect())
}

impl Column {
    fn is_json(&self) -> bool {
        self.kind == "json" || self.target_kind == "json"
    }

    fn expression(&self, side: Side) -> String {
        let name = format!("`{}`", self.name.replace('`', "``"));
        match self.kind.as_str() {
            _ if self.is_json() => format!("CAST({name} AS CHAR)"),
            "float" | "double" => name,
            "bit" => format!("CAST({name} + 0 AS CHAR)"),
            // By its members' names: TiDB has no numbers beyond 63 bits for it.
            "set" => format!("HEX(CONVERT({name} USING utf8mb4))"),
            "enum" => format!("CONCAT({name} + 0, ' ', HEX(CONVERT({name} USING utf8mb4)))"),
            "vector" if side == Side::Source => format!("HEX({name})"),
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => format!("HEX({name})"),
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => self.text(&name, side),
            // Their own form: ZEROFILL is for eyes, and TiDB's cast cuts the last digit of a negative DECIMAL(5,5).
            "tinyint" | "smallint" | "mediumint" | "int" | "bigint" | "decimal" => name,
            _ => format!("CAST({name} AS CHAR)"),
        }
    }

    fn text(&self, name: &str, side: Side) -> String {
        let text = format!("CONVERT({name} USING utf8mb4)");
        if side == Side::Target || self.charset.starts_with("utf8") {
            return format!("HEX({text})");
        }
        let back = format!("CAST(CONVERT({text} USING {}) AS BINARY) = CAST({name} AS BINARY)", self.charset);
        format!("IF({back}, HEX({text}), CONCAT('bytes ', HEX({name})))")
    }

    fn exact(&self, value: &Value) -> String {
        match value {
            Value::NULL => "NULL".into(),
            // TiDB keeps no negative zero.
            Value::Float(0.0) | Value::Double(0.0) => "0".into(),
            Value::Float(v) => format!("{v:?} {:08x}", v.to_bits()),
            Value::Double(v) => format!("{v:?} {:016x}", v.to_bits()),
            Value::Bytes(bytes) => {
                let text = String::from_utf8_lossy(bytes);
                match self.kind.as_str() {
                    _ if self.is_json() => document(&text),
                    "decimal" => without_zerofill(&text),
                    "vector" if text.starts_with('[') => vector(&text),
                    _ => text.into_owned(),
                }
            }
            other => other.as_sql(true),
        }
    }
}

/// `[1,2]` as MySQL's HEX prints a vector.
fn vector(text: &str) -> String {
    let numbers = text.trim_matches(['[', ']']).split(',').filter(|number| !number.is_empty());
    let floats = numbers.map(|number| number.trim().parse::<f32>().unwrap());
    floats.flat_map(f32::to_le_bytes).map(|byte| format!("{byte:02X}")).collect()
}

/// A decimal without the zeros that ZEROFILL puts before it.
fn without_zerofill(text: &str) -> String {
    let rest = text.trim_start_matches('0');
    if rest.is_empty() || rest.starts_with('.') { format!("0{rest}") } else { rest.to_owned() }
}

/// A JSON text with its members in the order of their names and its numbers as what they are. Integers stay apart from
/// doubles: `1` is not `1.0`.
pub fn document(text: &str) -> String {
    match serde_json::from_str(&numbers_as_texts(text)) {
        Ok(value) => sorted(value).to_string(),
        Err(error) => format!("no document ({error}): {text}"),
    }
}

/// A document in its exact form as MySQL 5.7 would print it: without what tells `1.0` from `1`.
pub fn whole_doubles_as_integers(exact: &str) -> String {
    const MARK: &str = "\\u0001double ";
    let (mut out, mut rest) = (String::new(), exact);
    while let Some(at) = rest.find(MARK) {
        let (before, tail) = rest.split_at(at);
        let digits = tail.get(MARK.len()..MARK.len() + 16).unwrap_or_default();
        let value = u64::from_str_radix(digits, 16).map_or(f64::NAN, f64::from_bits);
        out.push_str(before);
        if value.fract() == 0.0 && value.abs() < 1e15 {
            // Its negative zero is `-0`.
            out.push_str(&format!("\\u0001integer {value:.0}"));
        } else {
            out.push_str(&tail[..MARK.len() + digits.len()]);
        }
        rest = &tail[MARK.len() + digits.len()..];
    }
    out + rest
}

/// Numbers become strings that begin with U+0001, so that none is rounded by a parser.
fn numbers_as_texts(text: &str) -> String {
    let (mut out, mut rest) = (String::new(), text);
    while let Some(first) = rest.chars().next() {
        let length = match first {
            '"' => string_length(rest),
            '-' | '0'..='9' => rest.find(|c: char| !"+-.eE0123456789".contains(c)).unwrap_or(rest.len()),
            _ => first.len_utf8(),
        };
        let (token, tail) = rest.split_at(length);
        match first {
            '-' | '0'..='9' if token.contains(['.', 'e', 'E']) => {
                let bits = token.parse::<f64>().map_or(token.to_owned(), |v| format!("{:016x}", v.to_bits()));
                out.push_str(&format!("\"\\u0001double {bits}\""));
            }
            '-' | '0'..='9' => out.push_str(&format!("\"\\u0001integer {token}\"")),
            _ => out.push_str(token),
        }
        rest = tail;
    }
    out
}

/// Bytes up to and with the closing quote.
fn string_length(text: &str) -> usize {
    let mut escaped = false;
    for (at, c) in text.char_indices().skip(1) {
        match c {
            '"' if !escaped => return at + 1,
            '\\' => escaped = !escaped,
            _ => escaped = false,
        }
    }
    text.len()
}

fn sorted(value: serde_json::Value) -> serde_json::Value {
    match value {
        serde_json::Value::Array(items) => items.into_iter().map(sorted).collect(),
        serde_json::Value::Object(members) => {
            let mut members: Vec<_> = members.into_iter().map(|(name, value)| (name, sorted(value))).collect();
            members.sort_by(|a, b| a.0.cmp(&b.0));
            serde_json::Value::Object(members.into_iter().collect())
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::{document, whole_doubles_as_integers, without_zerofill};

    #[test]
    fn what_mysql_5_7_prints_tells_no_whole_doubles() {
        assert_eq!(whole_doubles_as_integers(&document("[1.0, 1.5, 1]")), document("[1, 1.5, 1]"));
        assert_eq!(whole_doubles_as_integers(&document("[-0.0, 0.0]")), document("[-0, 0]"));
    }

    #[test]
    fn zeros_before_a_decimal_are_for_eyes() {
        assert_eq!(["000.10", "0000", "-0.5", "010"].map(without_zerofill), ["0.10", "0", "-0.5", "10"]);
    }

    #[test]
    fn documents_are_equal_by_value_only() {
        for (one, other) in [
            ("{\"b\": 1, \"a\": [1e-7, 2]}", "{\"a\":[0.0000001,2],\"b\":1}"),
            ("1e15", "1000000000000000.0"),
            ("{\"x\\\"1\": \"\\u00e9\"}", "{\"x\\\"1\": \"é\"}"),
        ] {
            assert_eq!(document(one), document(other));
        }
        for (one, other) in [
            ("1", "1.0"),
            ("1", "\"1\""),
            ("0.1", "0.10000000000000002"),
            ("9007199254740993", "9007199254740992"),
            ("{\"a\": 1}", "{\"a\": 1, \"b\": null}"),
            ("[1, 2]", "[2, 1]"),
            ("\"a 1\"", "\"a 2\""),
            ("null", "\"null\""),
            ("-0.0", "0.0"),
            ("{\"a\": 1", "{\"a\": 2"),
        ] {
            assert_ne!(document(one), document(other), "{one} {other}");
        }
    }
}
