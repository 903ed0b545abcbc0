//! How the columns of a source table are written to its target's, and compared there.
//!
//! Timestamps are written in UTC; the lanes' sessions run with `time_zone = '+00:00'`, so that no hour of a switch from
//! summer to winter time is ambiguous. Text is written for a session without NO_BACKSLASH_ESCAPES (see `target`).

pub use crate::mysql::literal::{Encoding, quoted};
use crate::{
    mysql::{
        literal::{FixedType, literal},
        sql_text::SqlText,
        value::Value,
    },
    schema::{column_type::BaseType, model::Column},
};

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
            BaseType::Inet4 => fixed(FixedType::Inet4, target),
            BaseType::Inet6 => fixed(FixedType::Inet6, target),
            BaseType::Uuid => fixed(FixedType::Uuid, target),
            BaseType::Json if target.ty.base == BaseType::Json => Encoding::TypedJson,
            // The bytes as they are stored, which needs no character.
            _ if base.has_charset() && target.ty.base.is_binary() => Encoding::Plain,
            _ if base.has_charset() => Encoding::of_charset(source.charset.as_deref().unwrap_or_default()),
            _ => Encoding::Plain,
        }
    }
}

fn fixed(fixed: FixedType, target: &Column) -> Encoding {
    if target.ty.base.has_charset() { Encoding::TextOf(fixed) } else { Encoding::Padded(fixed.size()) }
}

/// How a column is compared in the WHERE of a table without a key, where a row is all its values.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Compare {
    Equal,
    /// Byte by byte: under most collations `=` would also find a row that differs in case. Text in the target column's
    /// character set, given here.
    Bytes(String),
    /// A SET: one with its 64th member is a negative number in comparisons.
    Set,
    /// A VECTOR: MySQL compares none with bytes.
    Vector,
    /// On TiDB, in place of `Vector`: its `=` takes 0 and -0 for the same.
    VectorText,
    /// A JSON column.
    Json,
    /// JSON kept as text (MariaDB), written by another server: spacing doesn't count.
    JsonText,
    /// On TiDB, in place of `Bytes`: the digits of the text in this character set, and nothing beside them.
    Digits(&'static str),
    /// On TiDB, in place of `Json` and `JsonText`.
    JsonDigits,
    /// On TiDB, in place of `Set`, with the members: their names' digits. A number beyond 63 bits is an error there.
    Members(&'static str, Vec<String>),
}

impl Compare {
    /// From the source's column, the target's, and whether they come from servers of one flavor.
    pub fn of(source: &Column, target: &Column) -> Compare {
        let base = target.ty.base;
        if base == BaseType::Json {
            Compare::Json
        } else if base == BaseType::Vector {
            Compare::Vector
        } else if base == BaseType::Set {
            Compare::Set
        } else if source.ty.base == BaseType::Json {
            Compare::JsonText
        } else if base.has_charset() && !matches!(base, BaseType::Enum | BaseType::Set) {
            Compare::Bytes(target.charset.as_deref().unwrap_or("utf8mb4").to_owned())
        } else {
            Compare::Equal
        }
    }

    /// TiDB (tried on 8.4) puts the value of `c = 'A'` into other conditions on `c`, also under a collation where `a` is
    /// equal, so that a second condition says nothing; and CAST AS BINARY of CHAR(3) cuts at three bytes. Where
    /// conditions contradict each other, a transaction that changed the table before updates or deletes all its rows. So
    /// each column has one condition.
    pub fn on_tidb(self, target: &Column) -> Compare {
        let charset = match target.charset.as_deref() {
            Some("gbk") => "gbk",
            Some("gb18030") => "gb18030",
            // Its other character sets are kept as UTF-8.
            _ => "utf8mb4",
        };
        match self {
            Compare::Bytes(_) => Compare::Digits(charset),
            Compare::Set => Compare::Members(charset, target.ty.elems.clone()),
            Compare::Json | Compare::JsonText => Compare::JsonDigits,
            Compare::Vector => Compare::VectorText,
            other => other,
        }
    }

    /// Appends a condition; `column` is quoted, `value` is a literal, None for NULL.
    pub fn write(&self, column: &str, value: Option<&[u8]>, out: &mut SqlText) {
        let Some(value) = value else {
            out.push_all(&[column, " IS NULL"]);
            return;
        };
        match self {
            Compare::Set if has_64th_member(value) => {
                out.push_all(&["CAST(", column, " AS UNSIGNED) = "]);
                out.push_bytes(value);
            }
            Compare::Vector => {
                out.push_all(&["HEX(", column, ") = HEX("]);
                out.push_bytes(value);
                out.push(b')');
            }
            Compare::VectorText => {
                out.push_all(&["VEC_AS_TEXT(", column, ") = VEC_AS_TEXT("]);
                out.push_bytes(value);
                out.push(b')');
            }
            Compare::Equal | Compare::Set => {
                out.push_all(&[column, " = "]);
                out.push_bytes(value);
            }
            Compare::Bytes(charset) => {
                out.push_all(&[column, " = "]);
                out.push_bytes(value);
                out.push_all(&[" AND CAST(", column, " AS BINARY) = CAST(CONVERT("]);
                out.push_bytes(value);
                out.push_all(&[" USING ", charset, ") AS BINARY)"]);
            }
            Compare::Digits(charset) => {
                out.push_all(&["HEX(", column, ") = HEX(CONVERT("]);
                out.push_bytes(value);
                out.push_all(&[" USING ", charset, "))"]);
            }
            Compare::Members(charset, names) => {
                let mut text = String::new();
                let value = match mask(value) {
                    Some(mask) => {
                        literal(&Value::Set(mask), &Encoding::SetNames(names.clone()), &mut text);
                        text.as_bytes()
                    }
                    None => value,
                };
                Compare::Digits(charset).write(column, Some(value), out);
            }
            Compare::JsonDigits => {
                out.push_all(&["HEX(CAST(CAST(", column, " AS JSON) AS CHAR)) = HEX(CAST(CAST("]);
                out.push_bytes(value);
                out.push_str(" AS JSON) AS CHAR))");
            }
            // Documents are equal whatever the types of their numbers; their texts are not.
            Compare::Json => {
                out.push_all(&[column, " = CAST("]);
                out.push_bytes(value);
                out.push_all(&[" AS JSON) AND CAST(", column, " AS CHAR) = CAST(CAST("]);
                out.push_bytes(value);
                out.push_str(" AS JSON) AS CHAR)");
            }
            Compare::JsonText => {
                out.push_all(&["JSON_COMPACT(", column, ") = JSON_COMPACT("]);
                out.push_bytes(value);
                out.push(b')');
            }
        }
    }
}

/// A SET's mask, as a number.
fn has_64th_member(literal: &[u8]) -> bool {
    mask(literal).is_some_and(|mask| mask >> 63 == 1)
}

/// The mask of a SET that is written as a number; None: as names.
fn mask(literal: &[u8]) -> Option<u64> {
    std::str::from_utf8(literal).ok()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::schema::column_type::ColumnType;

    #[test]
    fn rows_without_key_compare_exactly() {
        let write = |compare: Compare, value: Option<&str>| {
            let mut out = SqlText::new();
            compare.write("`c`", value.map(str::as_bytes), &mut out);
            String::from_utf8(out.as_bytes().to_vec()).unwrap()
        };
        assert_eq!(write(Compare::Equal, None), "`c` IS NULL");
        assert_eq!(write(Compare::JsonText, None), "`c` IS NULL");
        assert_eq!(write(Compare::Equal, Some("3")), "`c` = 3");
        assert_eq!(write(Compare::Set, Some("9223372036854775808")), "CAST(`c` AS UNSIGNED) = 9223372036854775808");
        assert_eq!(write(Compare::Set, Some("7")), "`c` = 7");
        assert_eq!(write(Compare::Set, Some("'a,b'")), "`c` = 'a,b'");
        assert_eq!(write(Compare::Vector, Some("x'00'")), "HEX(`c`) = HEX(x'00')");
        assert_eq!(
            write(Compare::Bytes("latin1".into()), Some("'A'")),
            "`c` = 'A' AND CAST(`c` AS BINARY) = CAST(CONVERT('A' USING latin1) AS BINARY)"
        );
        assert_eq!(
            write(Compare::Json, Some("'1'")),
            "`c` = CAST('1' AS JSON) AND CAST(`c` AS CHAR) = CAST(CAST('1' AS JSON) AS CHAR)"
        );
        assert_eq!(write(Compare::JsonText, Some("'1'")), "JSON_COMPACT(`c`) = JSON_COMPACT('1')");
        let column = |charset: &str| Column {
            charset: Some(charset.into()),
            ty: ColumnType { elems: vec!["a".into(), "b".into()], ..ColumnType::of(BaseType::Set) },
            ..Column::default()
        };
        let on_tidb = |compare: Compare| write(compare.on_tidb(&column("latin1")), Some("'1'"));
        assert_eq!(on_tidb(Compare::Bytes("latin1".into())), "HEX(`c`) = HEX(CONVERT('1' USING utf8mb4))");
        let gbk = Compare::Bytes("gbk".into()).on_tidb(&column("gbk"));
        assert_eq!(write(gbk, Some("'1'")), "HEX(`c`) = HEX(CONVERT('1' USING gbk))");
        let set = Compare::Set.on_tidb(&column("latin1"));
        assert_eq!(write(set.clone(), Some("3")), "HEX(`c`) = HEX(CONVERT('a,b' USING utf8mb4))");
        assert_eq!(write(set, Some("'b'")), "HEX(`c`) = HEX(CONVERT('b' USING utf8mb4))");
        let json = "HEX(CAST(CAST(`c` AS JSON) AS CHAR)) = HEX(CAST(CAST('1' AS JSON) AS CHAR))";
        assert_eq!((on_tidb(Compare::Json), on_tidb(Compare::JsonText)), (json.into(), json.into()));
        assert_eq!(on_tidb(Compare::Vector), "VEC_AS_TEXT(`c`) = VEC_AS_TEXT('1')");
        assert_eq!(on_tidb(Compare::Equal), "`c` = '1'");
    }
}
