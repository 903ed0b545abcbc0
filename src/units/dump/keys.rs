//! Which key a table's rows are told apart and split by, and its values as literals that compare exactly.

use std::collections::BTreeMap;

use mysql_async::{Conn, Row, Value as Field};

use super::plan::{TablePlan, rows, text};
use crate::{
    error::Result,
    schema::{ServerInfo, model::quote_name},
};

/// A primary or NOT NULL unique key, as far as its values can be written as literals: the leading columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SplitKey {
    pub index: String,
    pub columns: Vec<KeyColumn>,
    /// These are all its columns: their values name one row.
    pub whole: bool,
}

/// A column of a key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct KeyColumn {
    pub name: String,
    pub kind: KeyKind,
}

/// How a key column's value is written so that the server compares it as it orders the key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum KeyKind {
    /// Its values can also be calculated with.
    Integer,
    /// Exact numbers: as the server prints them.
    Number,
    /// Doubles, whose text brings back the same one.
    Double,
    /// As doubles: each is one, and compares and orders as it.
    Float,
    /// ENUM and SET: numbers from 0 up to this, by which the key is ordered. Servers look up single ones in an index only.
    Listed(u32),
    /// Bits: the number that they are.
    Bit,
    /// Dates, UUIDs and addresses: their text.
    Quoted,
    /// Bytes, compared as such.
    Bytes,
    /// The bytes of a text in this character set: the column's collation compares.
    Charset(String),
}

impl KeyKind {
    /// None: no literals of the type are known, or it has more numbers than a condition can list.
    fn of(ColumnType { data_type, column_type, charset }: &ColumnType) -> Option<Self> {
        Some(match data_type.as_str() {
            "enum" => KeyKind::Listed(members(column_type).filter(|most| *most <= MOST_LISTED)?),
            "set" => KeyKind::Listed(
                members(column_type).filter(|bits| 1 << *bits.min(&31) <= MOST_LISTED).map(|bits| (1 << bits) - 1)?,
            ),
            "float" => KeyKind::Float,
            "tinyint" | "smallint" | "mediumint" | "int" | "integer" | "bigint" => KeyKind::Integer,
            "decimal" | "numeric" | "year" => KeyKind::Number,
            "double" => KeyKind::Double,
            "bit" => KeyKind::Bit,
            "date" | "datetime" | "timestamp" | "time" | "uuid" | "inet4" | "inet6" => KeyKind::Quoted,
            "binary" | "varbinary" | "tinyblob" | "blob" | "mediumblob" | "longblob" => KeyKind::Bytes,
            "char" | "varchar" | "tinytext" | "text" | "mediumtext" | "longtext" => match charset.as_str() {
                "" | "binary" => KeyKind::Bytes,
                charset => KeyKind::Charset(charset.to_owned()),
            },
            _ => return None,
        })
    }

    /// The literal of a value as the text protocol sends it to a session whose `character_set_results` is NULL.
    pub fn literal(&self, value: Option<&[u8]>) -> Option<String> {
        let bytes = value?;
        let hex = || bytes.iter().map(|b| format!("{b:02X}")).collect::<String>();
        let plain = |extra: &str| {
            let ok = |c: char| c.is_ascii_alphanumeric() || "+-.".contains(c) || extra.contains(c);
            std::str::from_utf8(bytes).ok().filter(|t| !t.is_empty() && t.chars().all(ok)).map(str::to_owned)
        };
        match self {
            KeyKind::Integer | KeyKind::Number | KeyKind::Listed(_) => plain(""),
            KeyKind::Double | KeyKind::Float => {
                plain("").map(|text| if text.contains('e') { text } else { format!("{text}e0") })
            }
            KeyKind::Bit if bytes.len() > 8 => None,
            KeyKind::Bit => Some(bytes.iter().fold(0u64, |number, byte| number << 8 | u64::from(*byte)).to_string()),
            KeyKind::Quoted => plain(": ").map(|text| format!("'{text}'")),
            KeyKind::Bytes => Some(format!("x'{}'", hex())),
            KeyKind::Charset(charset) => Some(format!("_{charset} x'{}'", hex())),
        }
    }
}

impl KeyColumn {
    /// What is selected for [`KeyKind::literal`].
    pub fn value(&self) -> String {
        let name = quote_name(&self.name);
        match self.kind {
            KeyKind::Float => format!("{name} * 1e0"),
            KeyKind::Listed(_) => format!("{name} + 0"),
            _ => name,
        }
    }

    /// The condition `column <operator> literal`.
    pub fn compares(&self, operator: &str, literal: &str) -> String {
        let name = quote_name(&self.name);
        let (KeyKind::Listed(most), Ok(number)) = (&self.kind, literal.parse::<u32>()) else {
            return format!("{name} {operator} {literal}");
        };
        let numbers = match operator {
            "<" => 0..number,
            "<=" => 0..number + 1,
            ">" => number + 1..most + 1,
            ">=" => number..most + 1,
            _ => return format!("{name} {operator} {literal}"),
        };
        if numbers.is_empty() {
            return "FALSE".into();
        }
        let numbers: Vec<String> = numbers.map(|number| number.to_string()).collect();
        format!("{name} IN ({})", numbers.join(","))
    }
}

/// Members of an ENUM or SET by its COLUMN_TYPE, where quotes in names are doubled.
fn members(column_type: &str) -> Option<u32> {
    let (_, list) = column_type.split_once('(')?;
    let mut quoted = false;
    let mut commas = 0;
    for c in list.chars() {
        match c {
            '\'' => quoted = !quoted,
            ',' if !quoted => commas += 1,
            _ => {}
        }
    }
    Some(commas + 1)
}

/// Of an ENUM's or SET's numbers.
const MOST_LISTED: u32 = 256;

/// By information_schema.COLUMNS, in lower case.
#[derive(Clone, Debug, Default)]
pub struct ColumnType {
    pub data_type: String,
    pub column_type: String,
    pub charset: String,
}

/// The columns of a table, by name.
pub type ColumnTypes = BTreeMap<String, ColumnType>;

/// One part of a unique key.
struct Part {
    index: String,
    column: Option<String>,
    nullable: bool,
    prefix: bool,
}

/// Finds the key of every table. `inside`: a condition on TABLE_SCHEMA.
pub async fn read(
    conn: &mut Conn,
    server: &ServerInfo,
    inside: &str,
    tables: &mut BTreeMap<(String, String), &mut TablePlan>,
    types: &BTreeMap<(String, String), ColumnTypes>,
) -> Result<()> {
    // An index that the optimizer must not see can't be asked for.
    let visible = match (server.is_mariadb(), server.version) {
        (true, 100_600..) => " AND IGNORED = 'NO'",
        (false, 80_000..) => " AND IS_VISIBLE = 'YES'",
        _ => "",
    };
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME, NULLABLE, SUB_PART FROM information_schema.STATISTICS \
         WHERE {inside} AND NON_UNIQUE = 0{visible} \
         ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME <> 'PRIMARY', INDEX_NAME, SEQ_IN_INDEX"
    );
    let mut parts: BTreeMap<(String, String), Vec<Part>> = BTreeMap::new();
    for row in rows(conn, &sql).await? {
        let optional = |row: &Row, at: usize| row.as_ref(at).is_some_and(|v| *v != Field::NULL).then(|| text(row, at));
        parts.entry((text(&row, 0), text(&row, 1))).or_default().push(Part {
            index: text(&row, 2),
            column: optional(&row, 3),
            nullable: text(&row, 4) == "YES",
            prefix: optional(&row, 5).is_some(),
        });
    }
    for (name, parts) in parts {
        let Some(table) = tables.get_mut(&name) else { continue };
        let columns = types.get(&name);
        for key in parts.chunk_by(|a, b| a.index == b.index) {
            if key.iter().any(|part| part.nullable || part.column.is_none()) {
                continue;
            }
            table.has_key = true;
            if table.key.is_none() {
                table.key = split_key(key, columns);
            }
        }
    }
    Ok(())
}

fn split_key(parts: &[Part], types: Option<&ColumnTypes>) -> Option<SplitKey> {
    let mut columns = Vec::new();
    for part in parts.iter().take_while(|part| !part.prefix) {
        let name = part.column.clone().unwrap_or_default();
        let Some(kind) = types.and_then(|t| t.get(&name)).and_then(KeyKind::of) else {
            break;
        };
        columns.push(KeyColumn { name, kind });
    }
    let index = parts.first().map(|part| part.index.clone())?;
    let whole = columns.len() == parts.len();
    (!columns.is_empty()).then_some(SplitKey { index, columns, whole })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn literals_compare_as_the_key() {
        let literal = |kind: KeyKind, bytes: &[u8]| kind.literal(Some(bytes));
        assert_eq!(literal(KeyKind::Integer, b"-5").as_deref(), Some("-5"));
        assert_eq!(literal(KeyKind::Number, b"1.50").as_deref(), Some("1.50"));
        assert_eq!(literal(KeyKind::Quoted, b"2020-01-01 00:00:00.5").as_deref(), Some("'2020-01-01 00:00:00.5'"));
        assert_eq!(literal(KeyKind::Quoted, b"x' OR '"), None);
        assert_eq!(literal(KeyKind::Bytes, b"\0'").as_deref(), Some("x'0027'"));
        assert_eq!(literal(KeyKind::Charset("gbk".into()), b"\xa2\xa0").as_deref(), Some("_gbk x'A2A0'"));
        assert_eq!(KeyKind::Integer.literal(None), None);
        assert_eq!(literal(KeyKind::Double, b"1e-07").as_deref(), Some("1e-07"));
        assert_eq!(literal(KeyKind::Double, b"0.1").as_deref(), Some("0.1e0"));
        assert_eq!(literal(KeyKind::Bit, b"\x01\x02").as_deref(), Some("258"));
        assert_eq!(kind("varchar", ""), Some(KeyKind::Charset("latin1".into())));
        assert_eq!(literal(KeyKind::Listed(3), b"2").as_deref(), Some("2"));
    }

    fn kind(data_type: &str, column_type: &str) -> Option<KeyKind> {
        KeyKind::of(&ColumnType {
            data_type: data_type.into(),
            column_type: column_type.into(),
            charset: "latin1".into(),
        })
    }

    #[test]
    fn enums_and_sets_are_lists_of_numbers() {
        assert_eq!(kind("enum", "enum('b','a,''c',')')"), Some(KeyKind::Listed(3)));
        assert_eq!(kind("set", "set('x','y')"), Some(KeyKind::Listed(3)));
        let many = (0..9).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(",");
        assert_eq!(kind("set", &format!("set({many})")), None);
        let many = (0..300).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(",");
        assert_eq!(kind("enum", &format!("enum({many})")), None);
        let column = KeyColumn { name: "e".into(), kind: KeyKind::Listed(3) };
        let all = ["<", "<=", ">", ">=", "="].map(|operator| column.compares(operator, "2"));
        assert_eq!(all, ["`e` IN (0,1)", "`e` IN (0,1,2)", "`e` IN (3)", "`e` IN (2,3)", "`e` = 2"]);
        assert_eq!((column.compares(">", "3"), column.compares("<", "0")), ("FALSE".into(), "FALSE".into()));
        assert_eq!(column.value(), "`e` + 0");
    }

    #[test]
    fn a_key_is_used_up_to_what_has_no_literal() {
        let part =
            |column: &str, prefix| Part { index: "k".into(), column: Some(column.into()), nullable: false, prefix };
        let types: BTreeMap<_, _> = [("a", "int"), ("b", "geometry"), ("c", "varchar")]
            .map(|(name, kind)| {
                (
                    name.to_owned(),
                    ColumnType { data_type: kind.into(), charset: "latin1".into(), ..ColumnType::default() },
                )
            })
            .into();
        let columns = |parts: &[Part]| split_key(parts, Some(&types)).map_or(0, |key| key.columns.len());
        assert_eq!(columns(&[part("a", false), part("c", false)]), 2);
        assert_eq!(columns(&[part("a", false), part("b", false), part("c", false)]), 1);
        assert_eq!(columns(&[part("a", false), part("c", true)]), 1);
        assert_eq!(columns(&[part("b", false)]), 0);
    }
}
