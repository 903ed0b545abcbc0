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
    /// So many characters (or bytes) of it are in the index only. Such a column is the last of the key.
    pub prefix: Option<u32>,
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
    fn of(ColumnType { data_type, column_type, charset, .. }: &ColumnType) -> Option<Self> {
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
        if let Some(length) = self.prefix {
            return format!("LEFT({name}, {})", length.min(MOST_OF_PREFIX));
        }
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

/// Of an ENUM's or SET's numbers. With 4,096 of them in a list all releases still look them up as ranges of the index.
const MOST_LISTED: u32 = 4096;
/// Of a prefix that bounds are taken from: servers sort by the first 1,024 bytes of a text.
const MOST_OF_PREFIX: u32 = 255;

/// By information_schema.COLUMNS, in lower case.
#[derive(Clone, Debug, Default)]
pub struct ColumnType {
    pub data_type: String,
    pub column_type: String,
    pub charset: String,
    pub collation: String,
}

impl ColumnType {
    /// A range of the whole column's values finds all its rows by an index of their beginnings. That is so of bytes, and where each
    /// character has one weight of its own. Else servers lose rows: with `ch` after `h` an index of one character has `ch` under `c`,
    /// where `>= 'd'` does not look; MySQL 5.6 passes over `a\t` for `< 'a'`, since spaces are thought behind the `a`.
    fn is_found_by_prefix(&self, server: &ServerInfo, kind: &KeyKind) -> bool {
        let plain = ["_bin", "_general_ci", "_general_nopad_ci", "latin1_swedish_ci", "latin1_swedish_nopad_ci"];
        match kind {
            KeyKind::Bytes => true,
            KeyKind::Charset(_) => {
                (server.is_mariadb() || server.version >= 50_700)
                    && plain.iter().any(|end| self.collation.ends_with(end))
            }
            _ => false,
        }
    }
}

/// The columns of a table, by name.
pub type ColumnTypes = BTreeMap<String, ColumnType>;

/// One part of a unique key.
struct Part {
    index: String,
    column: Option<String>,
    nullable: bool,
    prefix: Option<u32>,
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
            prefix: optional(&row, 5).map(|length| length.parse().unwrap_or(0)),
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
                table.key = split_key(server, key, columns);
            }
        }
    }
    Ok(())
}

fn split_key(server: &ServerInfo, parts: &[Part], types: Option<&ColumnTypes>) -> Option<SplitKey> {
    let mut columns: Vec<KeyColumn> = Vec::new();
    for part in parts {
        let name = part.column.clone().unwrap_or_default();
        let Some(ty) = types.and_then(|t| t.get(&name)) else { break };
        let Some(kind) = KeyKind::of(ty) else { break };
        if part.prefix.is_some_and(|length| length == 0 || !ty.is_found_by_prefix(server, &kind)) {
            break;
        }
        columns.push(KeyColumn { name, kind, prefix: part.prefix });
        if part.prefix.is_some() {
            break;
        }
    }
    let index = parts.first().map(|part| part.index.clone())?;
    let whole = columns.len() == parts.len() && columns.iter().all(|column| column.prefix.is_none());
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
            ..ColumnType::default()
        })
    }

    #[test]
    fn enums_and_sets_are_lists_of_numbers() {
        assert_eq!(kind("enum", "enum('b','a,''c',')')"), Some(KeyKind::Listed(3)));
        assert_eq!(kind("set", "set('x','y')"), Some(KeyKind::Listed(3)));
        let many = (0..13).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(",");
        assert_eq!(kind("set", &format!("set({many})")), None);
        let many = (0..5000).map(|n| format!("'{n}'")).collect::<Vec<_>>().join(",");
        assert_eq!(kind("enum", &format!("enum({many})")), None);
        let column = KeyColumn { name: "e".into(), kind: KeyKind::Listed(3), prefix: None };
        let all = ["<", "<=", ">", ">=", "="].map(|operator| column.compares(operator, "2"));
        assert_eq!(all, ["`e` IN (0,1)", "`e` IN (0,1,2)", "`e` IN (3)", "`e` IN (2,3)", "`e` = 2"]);
        assert_eq!((column.compares(">", "3"), column.compares("<", "0")), ("FALSE".into(), "FALSE".into()));
        assert_eq!(column.value(), "`e` + 0");
    }

    #[test]
    fn a_key_is_used_up_to_what_has_no_literal() {
        let part =
            |column: &str, prefix| Part { index: "k".into(), column: Some(column.into()), nullable: false, prefix };
        let types: BTreeMap<_, _> = [
            ("a", "int", ""),
            ("b", "geometry", ""),
            ("c", "varchar", "latin1_swedish_ci"),
            ("d", "text", "latin1_german2_ci"),
            ("e", "blob", ""),
        ]
        .map(|(name, kind, collation)| {
            let charset = if collation.is_empty() { "" } else { "latin1" };
            let (data_type, charset, collation) = (kind.into(), charset.into(), collation.into());
            (name.to_owned(), ColumnType { data_type, charset, collation, ..ColumnType::default() })
        })
        .into();
        let of = |server: &str, parts: &[Part]| {
            let server = ServerInfo::parse(server).unwrap();
            split_key(&server, parts, Some(&types)).map_or((0, false), |key| (key.columns.len(), key.whole))
        };
        let columns = |parts: &[Part]| of("8.0.40", parts);
        assert_eq!(columns(&[part("a", None), part("c", None)]), (2, true));
        assert_eq!(columns(&[part("a", None), part("b", None), part("c", None)]), (1, false));
        assert_eq!(columns(&[part("b", None)]), (0, false));
        assert_eq!(columns(&[part("c", Some(9)), part("a", None)]), (1, false));
        assert_eq!(of("5.6.50", &[part("c", Some(9))]), (0, false));
        assert_eq!(of("5.6.50", &[part("a", None), part("e", Some(9))]), (2, false));
        assert_eq!(columns(&[part("a", None), part("d", Some(9))]), (1, false));
    }
}
