//! Columns of bytes on the target for text of the source: they get the bytes that the source stores, as in sync (decision
//! 38). A streamed load reads such columns as bytes; in files they stand as text, which is made bytes of its character set
//! again by the target.

use std::{
    collections::{BTreeMap, BTreeSet},
    ops::Range,
};

use mysql_async::{Conn, prelude::Queryable};

use super::{
    create,
    create_all::Target,
    folder::{DataFile, Folder},
};
use crate::{
    error::{Code, DmError, Result, Scope},
    mysql::vector,
    schema::{
        BaseType,
        load::{Session, in_schemas, parse_create_table},
        model::{TableId, quote_name, quote_text, same_name},
        server::{ServerInfo, SqlMode},
    },
    units::{
        dump::names::{self, FileKind},
        ill_formed, link,
    },
};

/// Columns of bytes by target table, all names in lower case.
pub type ByteColumns = BTreeMap<Target, BTreeSet<String>>;

/// Source columns that are written in another way than in the file, by name.
pub type Texts = BTreeMap<String, Wanted>;

/// What the target wants of a column.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Wanted {
    /// The bytes of a text in this character set.
    Bytes(String),
    /// A vector's numbers as text, of its bytes.
    Vector,
}

/// Types that hold bytes.
pub const OF_BYTES: &[&str] = &["binary", "varbinary", "tinyblob", "blob", "mediumblob", "longblob"];

/// TiDB's type that takes only text.
pub const VECTOR: &[&str] = &["vector"];

fn lower((schema, table): &Target) -> Target {
    (schema.to_lowercase(), table.to_lowercase())
}

/// The target's columns of these types in these tables.
pub async fn columns(conn: &mut Conn, tables: &BTreeSet<Target>, types: &[&str]) -> Result<ByteColumns> {
    let mut out = ByteColumns::new();
    if tables.is_empty() {
        return Ok(out);
    }
    let mut sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME FROM information_schema.COLUMNS WHERE {} \
         AND DATA_TYPE IN ('{}')",
        in_schemas("TABLE_SCHEMA", tables.iter().map(|(schema, _)| schema.as_str())),
        types.join("', '")
    );
    // A server opens each table that it is asked for.
    if tables.len() <= 1000 {
        let names: Vec<String> = tables.iter().map(|(_, table)| quote_text(table)).collect();
        sql.push_str(&format!(" AND TABLE_NAME IN ({})", names.join(", ")));
    }
    let rows: Vec<(String, String, String)> = conn.query(&sql).await.map_err(|e| {
        link::failed(Code::DBQueryFailed, Scope::Downstream, "read the columns of the target tables", &e)
    })?;
    let wanted: BTreeSet<Target> = tables.iter().map(lower).collect();
    for (schema, table, column) in rows {
        let target = lower(&(schema, table));
        if wanted.contains(&target) {
            out.entry(target).or_default().insert(column.to_lowercase());
        }
    }
    Ok(out)
}

/// A source table's columns of text that are bytes on its target, from the statement that makes the table. None: the
/// statement isn't understood.
pub fn texts(create_sql: &str, server: ServerInfo, target: &Target, bytes: &ByteColumns) -> Option<Texts> {
    let Some(bytes) = bytes.get(&lower(target)) else { return Some(Texts::new()) };
    let session = Session {
        server,
        sql_mode: SqlMode::default(),
        lower_case_table_names: 0,
        explicit_defaults_for_timestamp: true,
    };
    let table = parse_create_table(create_sql, &TableId::new("s", "t"), &session).ok()?;
    let text = |base: BaseType| base.has_charset() && !matches!(base, BaseType::Enum | BaseType::Set);
    let columns = table.columns.into_iter().filter(|c| text(c.ty.base) && bytes.contains(&c.name.to_lowercase()));
    Some(
        columns
            .map(|column| {
                let charset = column.charset.as_deref().unwrap_or_default().to_owned();
                (column.name.to_string(), Wanted::Bytes(charset))
            })
            .collect(),
    )
}

/// The same for the tables of a folder, by their quoted source names. `there`: the target tables that this load did not
/// make; None: they may be any.
pub async fn of_folder(
    conn: &mut Conn,
    folder: &Folder,
    there: Option<&BTreeSet<Target>>,
    server: ServerInfo,
    tidb: bool,
) -> Result<BTreeMap<String, Texts>> {
    let target = |file: &DataFile| (file.row.target_schema.clone(), file.row.target_table.clone());
    let left: BTreeSet<Target> = folder
        .data
        .iter()
        .filter(|file| !file.row.done)
        .map(target)
        .filter(|target| there.is_none_or(|there| there.contains(&lower(target))))
        .collect();
    let bytes = columns(conn, &left, OF_BYTES).await?;
    let mut out = if tidb { vectors(conn, folder).await? } else { BTreeMap::new() };
    for file in folder.tables.iter().filter(|_| !bytes.is_empty()) {
        let FileKind::TableCreate { schema, table } = names::parse(&file.name) else { continue };
        let target = (file.target_schema.clone(), file.target_table.clone());
        if !bytes.contains_key(&lower(&target)) {
            continue;
        }
        let text = create::read(file)?;
        let Some(texts) = create::create_text(&text).and_then(|sql| texts(sql, server, &target, &bytes)) else {
            continue;
        };
        let strange = texts.iter().find_map(|(column, wanted)| match wanted {
            Wanted::Bytes(charset) if tidb && !is_utf8(charset) => Some((column, charset)),
            _ => None,
        });
        if let Some((column, charset)) = strange {
            return Err(DmError::new(Code::LoadUnitInvalidInsertSQL)
                .msg(format!(
                    "column {} of {}.{} holds bytes, the source's holds {charset} text: TiDB doesn't make such bytes of the \
                     text in dump files",
                    quote_name(column),
                    quote_name(&target.0),
                    quote_name(&target.1)
                ))
                .workaround(
                    "Please load without files (`import-mode: stream`), which reads the bytes as they are, or make \
                     the column a text of utf8mb4.",
                ));
        }
        out.entry(format!("{}.{}", quote_name(&schema), quote_name(&table))).or_insert_with(Texts::new).extend(texts);
    }
    Ok(out)
}

/// TiDB's VECTOR columns by the quoted source names of the tables, those of this load and of others.
async fn vectors(conn: &mut Conn, folder: &Folder) -> Result<BTreeMap<String, Texts>> {
    let left = folder.data.iter().filter(|file| !file.row.done);
    let tables: BTreeMap<&str, Target> = left
        .map(|file| (file.table.as_str(), (file.row.target_schema.clone(), file.row.target_table.clone())))
        .collect();
    let found = columns(conn, &tables.values().cloned().collect(), VECTOR).await?;
    let of = |(table, target): (&str, Target)| {
        let names = found.get(&lower(&target))?.iter();
        Some((table.to_owned(), names.map(|name| (name.clone(), Wanted::Vector)).collect()))
    };
    Ok(tables.into_iter().filter_map(of).collect())
}

fn is_utf8(charset: &str) -> bool {
    matches!(charset, "" | "utf8mb4" | "utf8mb3" | "utf8" | "ascii")
}

/// Where the values of a row's text (`(..)`) stand.
pub fn values(row: &[u8]) -> Vec<Range<usize>> {
    let (mut out, mut depth, mut from, mut at) = (Vec::new(), 0, 0, 0);
    while let Some(byte) = row.get(at) {
        match (byte, row.get(at + 1)) {
            (quote @ (b'\'' | b'"'), _) => {
                at += 1;
                while let Some(inner) = row.get(at).filter(|inner| *inner != quote) {
                    at += if *inner == b'\\' { 2 } else { 1 };
                }
            }
            // What stands in comments belongs to a value.
            (b'/', Some(b'*')) => {
                depth += 1;
                at += 1;
            }
            (b'*', Some(b'/')) => {
                depth -= 1;
                at += 1;
            }
            (b'(', _) => {
                depth += 1;
                if depth == 1 {
                    from = at + 1;
                }
            }
            (b')', _) => {
                depth -= 1;
                if depth == 0 {
                    out.push(from..at);
                }
            }
            (b',', _) if depth == 1 => {
                out.push(from..at);
                from = at + 1;
            }
            _ => {}
        }
        at += 1;
    }
    out
}

/// Appends a row of a file with the texts of some columns as bytes. `columns`: those of the INSERT.
pub fn write(out: &mut Vec<u8>, row: &[u8], columns: &[String], texts: &Texts) {
    let mut from = 0;
    for (place, column) in values(row).into_iter().zip(columns) {
        let wanted = texts.iter().find(|(name, _)| same_name(name, column));
        let (Some((_, wanted)), Some(literal)) = (wanted, row.get(place.clone())) else { continue };
        out.extend_from_slice(row.get(from..place.start).unwrap_or_default());
        from = place.end;
        match (wanted, introduced(literal)) {
            (Wanted::Bytes(_), Some(bytes)) => out.extend_from_slice(bytes),
            (Wanted::Bytes(charset), None) if literal.starts_with(b"'") && !is_utf8(charset) => {
                out.extend_from_slice(b"CONVERT(");
                out.extend_from_slice(literal);
                out.extend_from_slice(format!(" USING {charset})").as_bytes());
            }
            (Wanted::Vector, _) => match hexadecimal(literal).as_deref().and_then(vector::text) {
                Some(text) => out.extend_from_slice(format!("'{text}'").as_bytes()),
                None => out.extend_from_slice(literal),
            },
            _ => out.extend_from_slice(literal),
        }
    }
    out.extend_from_slice(row.get(from..).unwrap_or_default());
}

/// The bytes of `x'..'` or `0x..`; None: it is neither.
fn hexadecimal(literal: &[u8]) -> Option<Vec<u8>> {
    let digits = match literal {
        [b'x' | b'X', b'\'', digits @ .., b'\''] | [b'0', b'x', digits @ ..] => digits,
        _ => return None,
    };
    let (pairs, rest) = digits.as_chunks::<2>();
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    let bytes = pairs.iter().map(|[high, low]| Some(digit(*high)? << 4 | digit(*low)?));
    if rest.is_empty() { bytes.collect() } else { None }
}

/// The bytes of `_charset x'..'`, as a literal.
fn introduced(literal: &[u8]) -> Option<&[u8]> {
    let at = memchr::memchr(b' ', literal.strip_prefix(b"_")?)? + 2;
    let bytes = literal.get(at..).filter(|rest| rest.starts_with(b"x'"))?;
    let end = memchr::memchr(b'\'', bytes.get(2..)?)? + 3;
    bytes.get(..end)
}

/// What to do when a target refuses rows (`(..),(..)`) for bytes that are no text; None: it is for something else.
pub fn advice(error: &mysql_async::Error, rows: &[u8], columns: &[String], table: &str) -> Option<String> {
    let mysql_async::Error::Server(server) = error else { return None };
    let charset = ill_formed::charset(server.code, &server.message)?;
    let mut named: Vec<String> = Vec::new();
    for (at, place) in values(rows).into_iter().enumerate() {
        let Some(column) = columns.get(at % columns.len().max(1)).map(|name| quote_name(name)) else { break };
        if row_is_introduced(rows, place) && !named.contains(&column) {
            named.push(column);
        }
    }
    let columns = if named.is_empty() { "of text".to_owned() } else { named.join(", ") };
    Some(ill_formed::advice(charset, &columns, table, "and start the task again with `--remove-meta`"))
}

fn row_is_introduced(rows: &[u8], place: Range<usize>) -> bool {
    rows.get(place).is_some_and(|literal| introduced(literal).is_some())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_found_between_quotes_and_comments() {
        let row = br"(1,'a,\')(',_gbk x'81ff',/*!50708 JSON_SET( */'[1.1]'/*!50708 ,'$[0]',1.1) */,NULL)";
        let texts: Vec<&str> = values(row).into_iter().map(|p| std::str::from_utf8(&row[p]).unwrap()).collect();
        let json = "/*!50708 JSON_SET( */'[1.1]'/*!50708 ,'$[0]',1.1) */";
        assert_eq!(texts, ["1", r"'a,\')('", "_gbk x'81ff'", json, "NULL"]);
        assert_eq!(values(b"(1,2),(3,4)").len(), 4);
        assert!(values(b"(1,'open").len() < 2 && values(b"").is_empty());
    }

    #[test]
    fn texts_become_bytes_of_their_character_set() {
        let texts: Texts =
            [("g", "gbk"), ("u", "utf8mb4")].map(|(c, s)| (c.to_owned(), Wanted::Bytes(s.to_owned()))).into();
        let columns = ["id", "g", "u", "t"].map(String::from);
        let written = |row: &str| {
            let mut out = Vec::new();
            write(&mut out, row.as_bytes(), &columns, &texts);
            String::from_utf8(out).unwrap()
        };
        let row = "(1,_gbk x'81ff',_utf8mb4 x'61FF' /*T! COLLATE ascii_bin */,_gbk x'81ff')";
        assert_eq!(written(row), "(1,x'81ff',x'61FF',_gbk x'81ff')");
        assert_eq!(written("(1,'中','é','中')"), "(1,CONVERT('中' USING gbk),'é','中')");
        assert_eq!(written("(1,NULL,'',NULL)"), "(1,NULL,'',NULL)");
    }

    #[test]
    fn vectors_become_text() {
        let texts: Texts = [("v".to_owned(), Wanted::Vector)].into();
        let columns = ["id", "V"].map(String::from);
        let written = |row: &str| {
            let mut out = Vec::new();
            write(&mut out, row.as_bytes(), &columns, &texts);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(written("(x'00',x'0000803F000020c0')"), "(x'00','[1,-2.5]')");
        assert_eq!(written("(1,0x0000803F)"), "(1,'[1]')");
        assert_eq!(written("(1,x'')"), "(1,'[]')");
        for other in ["(1,'[1,2]')", "(1,NULL)", "(1,x'00')", "(1,x'0')", "(1,0xzz)"] {
            assert_eq!(written(other), other);
        }
    }
}
