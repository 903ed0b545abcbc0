//! A JSON document as MySQL stores it: its text, and the scalars that text can't tell (decimals, dates, binary data) or
//! not surely (long doubles).
//!
//! MySQL's JSON knows more types than JSON text: `1.10` may be a DECIMAL, `"2024-01-01"` a DATE. Read back from text the
//! first becomes a DOUBLE and the second a STRING. [`write_sql`] keeps the types where the target is MySQL, by setting
//! these scalars with `JSON_SET` to SQL values of their types.

use std::{fmt::Write, ops::Deref};

use bytes::Bytes;

use super::{
    literal,
    value::{Date, DateTime, Decimal, Time},
};

/// A document: derefs to its text in MySQL's own printing.
#[derive(Clone, PartialEq, Default)]
pub struct Json {
    text: String,
    /// Boxed twice over, for few documents have any and every value pays for the size.
    #[allow(clippy::box_collection)]
    typed: Option<Box<Vec<TypedScalar>>>,
}

/// A scalar whose type its text doesn't tell.
#[derive(Clone, PartialEq)]
pub struct TypedScalar {
    /// As MySQL's JSON functions take it: `$."a"[0]`.
    pub path: String,
    pub scalar: Scalar,
}

/// The types JSON text has no form for.
#[derive(Clone, PartialEq)]
pub enum Scalar {
    Decimal(Decimal),
    /// A number whose text some servers don't read exactly.
    Double(f64),
    Date(Date),
    Time(Time),
    DateTime(DateTime),
    /// In UTC or not: JSON keeps what the session showed when the document was made.
    Timestamp(DateTime),
    /// Bytes of a column type (its number in the protocol): BIT, BINARY, the BLOBs...
    Opaque {
        kind: u8,
        data: Bytes,
    },
}

impl Json {
    /// A document with the types of some scalars.
    pub fn new(text: String, typed: Vec<TypedScalar>) -> Json {
        Json { text, typed: (!typed.is_empty()).then(|| Box::new(typed)) }
    }

    /// The scalars that the text doesn't tell the types of.
    pub fn typed(&self) -> &[TypedScalar] {
        self.typed.as_deref().map_or(&[], Vec::as_slice)
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.text
    }
}

impl Deref for Json {
    type Target = str;

    fn deref(&self) -> &str {
        &self.text
    }
}

impl From<String> for Json {
    fn from(text: String) -> Self {
        Json { text, typed: None }
    }
}

impl From<&str> for Json {
    fn from(text: &str) -> Self {
        Json::from(text.to_owned())
    }
}

/// Appends an SQL expression that gives the document with the types of all its scalars, on MySQL 5.7 and later. Without
/// typed scalars that is its text in quotes. MySQL 5.7 has no way to make a TIMESTAMP or most binary types without a
/// column of that type: there they become DATETIME and VARBINARY.
pub fn write_sql(json: &Json, out: &mut String) {
    if json.typed().is_empty() {
        return literal::quoted(json, out);
    }
    out.push_str("JSON_SET(");
    literal::quoted(json, out);
    for scalar in json.typed() {
        out.push(',');
        // A dump puts the expression into comments, which a key must not end.
        if scalar.path.contains("*/") || scalar.path.contains("/*") {
            out.push_str("_utf8mb4 ");
            literal::hex(scalar.path.as_bytes(), out);
        } else {
            literal::quoted(&scalar.path, out);
        }
        out.push(',');
        write_scalar(&scalar.scalar, out);
    }
    out.push(')');
}

fn write_scalar(scalar: &Scalar, out: &mut String) {
    let mut put = |text: std::fmt::Arguments<'_>| {
        // Writing to a String can't fail.
        let _ = out.write_fmt(text);
    };
    match scalar {
        // Without a point the literal would be an integer.
        Scalar::Decimal(n) if n.as_str().contains('.') => put(format_args!("{}", n.as_str())),
        Scalar::Decimal(n) => put(format_args!("CAST({} AS DECIMAL(65,0))", n.as_str())),
        Scalar::Double(n) => put(format_args!("{n:e}")),
        Scalar::Date(date) => put(format_args!("CAST('{date}' AS DATE)")),
        Scalar::Time(time) => put(format_args!("CAST('{time}' AS TIME(6))")),
        Scalar::DateTime(time) => put(format_args!("CAST('{time}' AS DATETIME(6))")),
        Scalar::Timestamp(time) => {
            exact(&format!("'[\"{time}\"]'"), "TIMESTAMP(6)", &format!("CAST('{time}' AS DATETIME(6))"), out);
        }
        Scalar::Opaque { kind, data } => opaque(*kind, data, out),
    }
}

/// A column of JSON_TABLE gives a value of its exact type; older servers, which skip the comment, take the second member.
fn exact(source: &str, column: &str, otherwise: &str, out: &mut String) {
    let _ = write!(
        out,
        "JSON_EXTRACT(JSON_ARRAY(/*!80004 (SELECT v FROM JSON_TABLE({source},'$[0]' COLUMNS (v {column} PATH '$')) AS t), */\
         {otherwise}),'$[0]')"
    );
}

fn opaque(kind: u8, data: &[u8], out: &mut String) {
    let mut hex = String::with_capacity(data.len() * 2 + 3);
    literal::hex(data, &mut hex);
    let binary = format!("CAST({hex} AS BINARY)");
    let array = format!("JSON_ARRAY({hex})");
    let column = match kind {
        16 if (1..=8).contains(&data.len()) => {
            let bits = data.iter().fold(0u64, |n, byte| n << 8 | u64::from(*byte));
            return exact(&format!("'[{bits}]'"), &format!("BIT({})", data.len() * 8), &hex, out);
        }
        249 => "TINYBLOB".to_owned(),
        250 => "MEDIUMBLOB".to_owned(),
        251 => "LONGBLOB".to_owned(),
        252 => "BLOB".to_owned(),
        254 if data.len() <= 255 => format!("BINARY({})", data.len()),
        _ => format!("VARBINARY({})", data.len().clamp(1, 65_000)),
    };
    exact(&array, &column, &binary, out);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sql(text: &str, path: &str, scalar: Scalar) -> String {
        let mut out = String::new();
        write_sql(&Json::new(text.into(), vec![TypedScalar { path: path.into(), scalar }]), &mut out);
        out
    }

    #[test]
    fn plain_documents_are_plain_text() {
        let mut out = String::new();
        write_sql(&Json::from("{\"a\": \"it's\"}"), &mut out);
        assert_eq!(out, "'{\"a\": \"it''s\"}'");
    }

    #[test]
    fn typed_scalars_are_set() {
        assert_eq!(
            sql("{\"a\": 1.10}", "$.\"a\"", Scalar::Decimal("1.10".into())),
            "JSON_SET('{\"a\": 1.10}','$.\"a\"',1.10)"
        );
        assert_eq!(sql("5", "$", Scalar::Decimal("5".into())), "JSON_SET('5','$',CAST(5 AS DECIMAL(65,0)))");
        let date = Date { year: 2024, month: 1, day: 2 };
        assert!(sql("\"2024-01-02\"", "$", Scalar::Date(date)).ends_with(",CAST('2024-01-02' AS DATE))"));
        let bits = Scalar::Opaque { kind: 16, data: Bytes::from_static(&[1, 2]) };
        assert!(sql("\"\"", "$", bits).contains("'[258]','$[0]' COLUMNS (v BIT(16) PATH '$')"));
    }
}
