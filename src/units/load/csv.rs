//! Splits a CSV file into rows, as the values of an INSERT: our own dumps' and those of dumpling and mydumper. Positions are bytes
//! in the file's text right behind a record, as in SQL files.
//!
//! | | ours | others |
//! |---|---|---|
//! | a quote inside quotes | doubled | doubled, or behind a backslash |
//! | backslash | itself | an escape, as in LOAD DATA |
//! | NULL | `\N` without quotes | the same |
//! | bytes | hexadecimal digits without quotes | as they are |
//!
//! The first record names the columns; where it names none of the table's, there is no such record and the file has all columns.

use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader, Read},
    path::Path,
    sync::Arc,
};

use mysql_async::{Conn, prelude::Queryable};

use super::{
    create,
    folder::Folder,
    scan::{Batch, InsertHead, PutRow, ScanError},
    statement::unescaped,
};
use crate::{
    error::{Code, Result, Scope},
    schema::{
        load::{Session, parse_create_table},
        model::{TableId, quote_name, quote_text},
        server::{ServerInfo, SqlMode},
    },
    units::{
        dump::{
            files,
            names::{self, FileKind},
            row::{self, ColumnKind},
        },
        link,
    },
};

/// A table's columns, and how its files are written.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Table {
    /// In their order, generated ones left out. Empty: unknown.
    columns: Vec<(String, ColumnKind)>,
    /// Character sets of its columns of text, by their names in lower case.
    charsets: BTreeMap<String, String>,
    /// The files are our own dump's.
    own: bool,
}

impl Table {
    /// How a column's values are written, and its character set. None: the table has no such column.
    pub fn column(&self, name: &str) -> Option<(ColumnKind, &str)> {
        let lower = name.to_lowercase();
        let charset = self.charsets.get(&lower).map_or("", String::as_str);
        match self.columns.iter().find(|(known, _)| known.to_lowercase() == lower) {
            Some((_, kind)) => Some((kind.clone(), charset)),
            None => self.columns.is_empty().then_some((ColumnKind::Text, "")),
        }
    }
}

/// By the quoted name of the source's table.
pub type Tables = BTreeMap<String, Arc<Table>>;

/// The tables of a folder that have rows as CSV or as fields of LOAD DATA.
pub async fn tables(conn: &mut Conn, folder: &Folder, dir: &Path, server: ServerInfo) -> Result<Tables> {
    let mut out = Tables::new();
    let own = files::manifest(dir).is_some();
    for file in folder.data.iter().filter(|file| file.terms.is_some() || names::is_csv(&file.row.file)) {
        if out.contains_key(&file.table) {
            continue;
        }
        let made_by = folder.tables.iter().find(|made| match names::parse(&made.name) {
            FileKind::TableCreate { schema, table } => {
                format!("{}.{}", quote_name(&schema), quote_name(&table)) == file.table
            }
            _ => false,
        });
        let stated = match made_by {
            Some(made_by) => stated(&create::read(made_by)?, server),
            None => None,
        };
        let stated = match stated {
            Some(stated) => stated,
            None => of_target(conn, &file.row.target_schema, &file.row.target_table).await?,
        };
        let charsets = stated.iter().map(|(name, _, charset)| (name.to_lowercase(), charset.clone())).collect();
        let columns = stated.into_iter().map(|(name, kind, _)| (name, kind)).collect();
        out.insert(file.table.clone(), Arc::new(Table { columns, charsets, own }));
    }
    Ok(out)
}

/// A column's name, kind and character set.
type Stated = (String, ColumnKind, String);

/// By the dump's CREATE TABLE.
fn stated(text: &str, server: ServerInfo) -> Option<Vec<Stated>> {
    let session = Session {
        server,
        sql_mode: SqlMode::default(),
        lower_case_table_names: 0,
        explicit_defaults_for_timestamp: true,
    };
    let table = parse_create_table(create::create_text(text)?, &TableId::new("s", "t"), &session).ok()?;
    let plain = table.columns.into_iter().filter(|column| column.generated.is_none());
    let charset = |name: Option<&str>| name.unwrap_or_default().to_owned();
    Some(plain.map(|c| (c.name.to_string(), kind(c.ty.base.as_str()), charset(c.charset.as_deref()))).collect())
}

async fn of_target(conn: &mut Conn, schema: &str, table: &str) -> Result<Vec<Stated>> {
    let sql = format!(
        "SELECT COLUMN_NAME, LOWER(DATA_TYPE), IFNULL(CHARACTER_SET_NAME, '') FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} \
         AND EXTRA NOT LIKE '%GENERATED' ORDER BY ORDINAL_POSITION",
        quote_text(schema),
        quote_text(table)
    );
    let rows: Vec<(String, String, String)> = conn.query(&sql).await.map_err(|e| {
        link::failed(Code::DBQueryFailed, Scope::Downstream, "read the columns of the target tables", &e)
    })?;
    Ok(rows.into_iter().map(|(name, data_type, charset)| (name, kind(&data_type), charset)).collect())
}

/// Texts are UTF-8, whatever the column's character set.
fn kind(data_type: &str) -> ColumnKind {
    match ColumnKind::of(data_type, "", "", None) {
        known @ (ColumnKind::Number | ColumnKind::Double | ColumnKind::Binary) => known,
        ColumnKind::Float => ColumnKind::Double,
        _ => ColumnKind::Text,
    }
}

/// Reads rows from a file.
pub struct CsvScanner<R> {
    input: BufReader<R>,
    table: Arc<Table>,
    /// What stands before the rows, and the kinds of its columns.
    head: Option<(InsertHead, Vec<ColumnKind>)>,
    record: Vec<u8>,
    /// A record that was read to find the head, and is none: where it began.
    kept: bool,
    /// Behind the record that was read last.
    at: u64,
    /// Records that end at or before it are left out.
    skip_to: u64,
    last_end: u64,
}

/// A field's bytes, and whether it stood in quotes. None: NULL.
type Field = Option<(Vec<u8>, bool)>;

impl<R: Read> CsvScanner<R> {
    /// Rows behind `position`, which must be 0 or the end of a batch.
    pub fn new(input: R, position: u64, table: Arc<Table>) -> Self {
        CsvScanner {
            input: BufReader::with_capacity(256 << 10, input),
            table,
            head: None,
            record: Vec::new(),
            kept: false,
            at: 0,
            skip_to: position,
            last_end: position,
        }
    }

    /// Rows up to about `limit` bytes (at least one), each put down by `write`. None at the end of the file.
    pub fn next_batch(&mut self, limit: usize, write: &PutRow<'_>) -> Result<Option<Batch>, ScanError> {
        if self.head.is_none() && !self.read_head()? {
            return Ok(None);
        }
        let Some((head, kinds)) = self.head.clone() else { return Ok(None) };
        let mut batch = Batch { start: self.last_end, head, ..Batch::default() };
        let mut row = Vec::new();
        while batch.text.len() < limit && (std::mem::take(&mut self.kept) || self.next_record()?) {
            if self.at <= self.skip_to {
                continue;
            }
            let fields = self.fields()?;
            row.clear();
            if fields.len() != kinds.len() || !put(&mut row, &fields, &kinds, self.table.own) {
                return Err(self.strange());
            }
            match batch.rows {
                0 => batch.text.reserve_exact(limit + limit / 16),
                _ => batch.text.push(b','),
            }
            write(&mut batch.text, &batch.head, &row);
            batch.rows += 1;
            batch.end = self.at;
        }
        if batch.rows == 0 {
            return Ok(None);
        }
        self.last_end = batch.end;
        Ok(Some(batch))
    }

    /// Reads a record with its line end; false at the end of the file.
    fn next_record(&mut self) -> Result<bool, ScanError> {
        self.record.clear();
        let (mut looked, mut quoted) = (0, false);
        loop {
            let read = self.input.read_until(b'\n', &mut self.record).map_err(ScanError::Io)?;
            self.at += read as u64;
            if read == 0 {
                return if self.record.is_empty() { Ok(false) } else { Err(ScanError::Truncated(self.at)) };
            }
            while let Some(found) = self.record.get(looked..).and_then(|rest| memchr::memchr2(b'"', b'\\', rest)) {
                looked += found + 1;
                match self.record.get(looked - 1) {
                    Some(b'"') => quoted = !quoted,
                    _ if self.table.own => {}
                    // The escaped byte, which may be a line feed: then the record goes on.
                    _ => looked += 1,
                }
            }
            let escaped = looked > self.record.len();
            looked = looked.max(self.record.len());
            if !quoted && !escaped && self.record.last() == Some(&b'\n') {
                return Ok(true);
            }
        }
    }

    fn read_head(&mut self) -> Result<bool, ScanError> {
        if !self.next_record()? {
            return Ok(false);
        }
        let fields = self.fields()?;
        let names: Option<Vec<String>> = fields.into_iter().map(|field| String::from_utf8(field?.0).ok()).collect();
        let known =
            |name: &String| self.table.columns.iter().find(|(known, _)| known.to_lowercase() == name.to_lowercase());
        let found = names.iter().flatten().filter_map(known).count();
        let columns: Vec<(String, ColumnKind)> = match names {
            // Nobody knows the table: then only the file can.
            Some(names) if self.table.columns.is_empty() => {
                names.into_iter().map(|name| (name, ColumnKind::Text)).collect()
            }
            Some(names) if found == names.len() => {
                names.iter().filter_map(|name| known(name).map(|(_, kind)| (name.clone(), kind.clone()))).collect()
            }
            _ if found == 0 => {
                self.kept = true;
                self.table.columns.clone()
            }
            // Some of them: columns that the table lacks.
            _ => return Err(self.strange()),
        };
        let (names, kinds) = columns.into_iter().unzip();
        self.head = Some((InsertHead { table: String::new(), columns: Some(names) }, kinds));
        Ok(true)
    }

    fn strange(&self) -> ScanError {
        ScanError::Record(self.at - self.record.len() as u64)
    }

    /// The fields of the record.
    fn fields(&self) -> Result<Vec<Field>, ScanError> {
        let line = self.record.strip_suffix(b"\n").unwrap_or(&self.record);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let (mut out, mut at) = (Vec::new(), 0);
        loop {
            let (field, end) = self.field(line, at).ok_or_else(|| self.strange())?;
            out.push(field);
            match line.get(end) {
                None => return Ok(out),
                Some(b',') => at = end + 1,
                Some(_) => return Err(self.strange()),
            }
        }
    }

    /// The field at a place, and where it ends.
    fn field(&self, line: &[u8], mut at: usize) -> Option<(Field, usize)> {
        let quoted = line.get(at) == Some(&b'"');
        let mut bytes = Vec::new();
        if !quoted && line.get(at..at + 2) == Some(b"\\N") && matches!(line.get(at + 2), None | Some(b',')) {
            return Some((None, at + 2));
        }
        at += usize::from(quoted);
        loop {
            match (line.get(at), line.get(at + 1)) {
                (Some(b'"'), Some(b'"')) if quoted => {
                    bytes.push(b'"');
                    at += 2;
                }
                (Some(b'"'), _) if quoted => return Some((Some((bytes, true)), at + 1)),
                (None, _) if quoted => return None,
                (None | Some(b','), _) if !quoted => return Some((Some((bytes, false)), at)),
                (Some(b'\\'), Some(next)) if !self.table.own => {
                    bytes.push(unescaped(*next));
                    at += 2;
                }
                (Some(byte), _) => {
                    bytes.push(*byte);
                    at += 1;
                }
                (None, _) => return None,
            }
        }
    }
}

/// Appends `(value,...)`; false: digits that are none.
fn put(out: &mut Vec<u8>, fields: &[Field], kinds: &[ColumnKind], own: bool) -> bool {
    for (at, (field, kind)) in fields.iter().zip(kinds).enumerate() {
        out.push(if at == 0 { b'(' } else { b',' });
        match (field, kind) {
            (None, _) => out.extend_from_slice(b"NULL"),
            (Some((bytes, false)), ColumnKind::Binary) if own => {
                if bytes.len() % 2 > 0 || !bytes.iter().all(u8::is_ascii_hexdigit) {
                    return false;
                }
                out.extend([b"x'", bytes.as_slice(), b"'"].concat());
            }
            (Some((bytes, _)), ColumnKind::Number | ColumnKind::Double) if !is_number(bytes) => {
                row::append_value(out, bytes, None, &ColumnKind::Text);
            }
            (Some((bytes, _)), kind) => row::append_value(out, bytes, None, kind),
        }
    }
    out.push(b')');
    true
}

/// Digits, a point, signs, an exponent: what can stand in a statement without quotes.
pub fn is_number(bytes: &[u8]) -> bool {
    std::str::from_utf8(bytes).ok().and_then(|text| text.parse::<f64>().ok()).is_some_and(f64::is_finite)
        && bytes.iter().all(|b| b.is_ascii_digit() || matches!(b, b'+' | b'-' | b'.' | b'e' | b'E'))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(own: bool) -> Arc<Table> {
        let columns = [("a", ColumnKind::Number), ("b", ColumnKind::Text), ("c", ColumnKind::Binary)];
        Arc::new(Table {
            columns: columns.map(|(name, kind)| (name.to_owned(), kind)).into(),
            charsets: BTreeMap::new(),
            own,
        })
    }

    fn all(text: &[u8], own: bool, position: u64, limit: usize) -> Result<Vec<Batch>, ScanError> {
        let mut scanner = CsvScanner::new(text, position, table(own));
        let mut out = Vec::new();
        while let Some(batch) = scanner.next_batch(limit, &|out, _, row| out.extend_from_slice(row))? {
            out.push(batch);
        }
        Ok(out)
    }

    fn rows(text: &[u8], own: bool) -> String {
        let batches = all(text, own, 0, 1 << 20).unwrap();
        batches.iter().map(|batch| String::from_utf8(batch.text.clone()).unwrap()).collect()
    }

    #[test]
    fn our_own_lines() {
        let text = b"\"a\",\"b\",\"c\"\n1,\"it\"\"\n,\\N\",00FF\n\\N,\"\",\\N\n-2,\"\\\",\n";
        assert_eq!(rows(text, true), "(1,'it\\\"\\n,\\\\N',x'00FF'),(NULL,'',NULL),(-2,'\\\\',x'')");
        assert!(matches!(all(b"\"a\",\"c\"\n1,0G\n", true, 0, 9), Err(ScanError::Record(8))));
        assert!(matches!(all(b"\"a\",\"c\"\n1,00\n2", true, 0, 9), Err(ScanError::Truncated(14))));
        assert!(matches!(all(b"\"a\",\"b\"\n1,\"x\n", true, 0, 9), Err(ScanError::Truncated(_))));
        assert!(matches!(all(b"\"a\",\"b\"\n1\n", true, 0, 9), Err(ScanError::Record(8))));
        assert!(matches!(all(b"\"a\",\"z\"\n1,2\n", true, 0, 9), Err(ScanError::Record(0))));
        assert_eq!(all(b"", true, 0, 9).unwrap(), []);
        assert_eq!(all(b"\"a\"\n", true, 0, 9).unwrap(), []);
    }

    #[test]
    fn others_lines() {
        let text = b"\"a\",\"b\",\"c\"\r\n1,\"it\\\"\\n\\\\\",\"\xff\\0\"\r\n\\N,\"a\"\"b\",\\N\r\n";
        assert_eq!(rows(text, false), "(1,'it\\\"\\n\\\\',x'FF00'),(NULL,'a\\\"b',NULL)");
        // No names.
        assert_eq!(rows(b"007,x,y\n1e3,\\N,\"\\N\"\n", false), "(007,'x',x'79'),(1e3,NULL,x'4E')");
        assert_eq!(rows(b"b,A\nx\\,y,7\nx,1); DROP\n", false), "('x,y',7),('x','1); DROP')");
    }

    #[test]
    fn a_load_goes_on_behind_any_row() {
        let text = b"\"a\",\"b\"\n1,\"\n\"\n2,x\n3,y\n";
        let batches = all(text, true, 0, 1).unwrap();
        let ends: Vec<(u64, u64)> = batches.iter().map(|batch| (batch.start, batch.end)).collect();
        assert_eq!(ends, [(0, 14), (14, 18), (18, 22)]);
        for (from, rest) in [(0, 3), (14, 2), (18, 1), (22, 0)] {
            let left = all(text, true, from, 1).unwrap();
            assert_eq!(left, batches[batches.len() - rest..], "{from}");
        }
    }
}
