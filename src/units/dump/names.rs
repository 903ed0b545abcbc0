//! Names of the files of a dump, as DM's (dumpling's) dumps have them.

use std::fmt::Write as _;

/// What a file of a dump folder is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum FileKind {
    /// CREATE DATABASE.
    SchemaCreate { schema: String },
    /// CREATE TABLE.
    TableCreate { schema: String, table: String },
    /// CREATE VIEW.
    ViewCreate { schema: String, table: String },
    /// CREATE SEQUENCE and its next value.
    SequenceCreate { schema: String, table: String },
    /// INSERTs; `order` is the digits of the name, for a stable order.
    Data { schema: String, table: String, order: String },
    /// Where the snapshot stands in the binlog.
    Metadata,
    /// Anything else.
    Other,
}

/// A schema's or table's name as part of a file name: control characters, `% " * . / : < > ? \ |` and the minus of a
/// `-schema` inside the name are written as percent and two hex digits.
pub fn escape(name: &str) -> String {
    let mut out = String::with_capacity(name.len());
    for (at, c) in name.char_indices() {
        let schema_suffix = c == '-' && name.get(at..at + 7).is_some_and(|s| s.eq_ignore_ascii_case("-schema"));
        if schema_suffix || (c as u32) < 0x20 || "%\"*./:<>?\\|".contains(c) {
            // Only ASCII characters come here, so one byte says all; writing to a String can't fail.
            let _ = write!(out, "%{:02X}", c as u32);
        } else {
            out.push(c);
        }
    }
    out
}

/// The reverse of `escape`; a percent that no two hex digits follow stays.
pub fn unescape(name: &str) -> String {
    let bytes = name.as_bytes();
    let mut out = Vec::with_capacity(bytes.len());
    let mut at = 0;
    while at < bytes.len() {
        let hex = name.get(at + 1..at + 3).filter(|h| bytes[at] == b'%' && h.bytes().all(|b| b.is_ascii_hexdigit()));
        match hex.and_then(|h| u8::from_str_radix(h, 16).ok()) {
            Some(byte) => {
                out.push(byte);
                at += 3;
            }
            None => {
                out.push(bytes[at]);
                at += 1;
            }
        }
    }
    String::from_utf8(out).unwrap_or_else(|_| name.to_owned())
}

/// `<db>-schema-create.sql`.
pub fn schema_file(schema: &str) -> String {
    format!("{}-schema-create.sql", escape(schema))
}

/// `<db>.<table>-schema.sql`.
pub fn table_file(schema: &str, table: &str) -> String {
    format!("{}.{}-schema.sql", escape(schema), escape(table))
}

/// `<db>.<table>-schema-view.sql`.
pub fn view_file(schema: &str, view: &str) -> String {
    format!("{}.{}-schema-view.sql", escape(schema), escape(view))
}

/// `<db>.<sequence>-schema-sequence.sql`, as mydumper names them.
pub fn sequence_file(schema: &str, sequence: &str) -> String {
    format!("{}.{}-schema-sequence.sql", escape(schema), escape(sequence))
}

/// `<db>.<table>.<9 digits chunk><4 digits file>.sql`; without a size limit (`file` is None) only the chunk's digits.
pub fn data_file(schema: &str, table: &str, chunk: usize, file: Option<usize>) -> String {
    let (schema, table) = (escape(schema), escape(table));
    match file {
        Some(file) => format!("{schema}.{table}.{chunk:09}{file:04}.sql"),
        None => format!("{schema}.{table}.{chunk:09}.sql"),
    }
}

/// Rows that the loader doesn't read, by the name of their file: schema, table, and what they are.
pub fn unread(name: &str) -> Option<(String, String, &'static str)> {
    let forms = [
        (".lz4", "compressed with LZ4"),
        (".xz", "compressed with XZ"),
        (".csv", "CSV without its part's number"),
        (".parquet", "Parquet"),
        (".dat", "fields of LOAD DATA without a part's number"),
    ];
    let plain = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending)).unwrap_or(name);
    let (stem, form) = forms.iter().find_map(|(ending, form)| Some((plain.strip_suffix(ending)?, *form)))?;
    let stem = [".csv", ".sql"].iter().find_map(|ending| stem.strip_suffix(ending)).unwrap_or(stem);
    match parse(&format!("{stem}.sql")) {
        FileKind::Data { schema, table, .. } | FileKind::TableCreate { schema, table } => Some((schema, table, form)),
        FileKind::SchemaCreate { schema } => Some((schema, String::new(), form)),
        _ => None,
    }
}

/// Of a part's number in the name of a file of CSV or fields, at least.
const CSV_DIGITS: usize = 5;

/// The ending of a file with fields of LOAD DATA.
const FIELDS: &str = ".dat";

/// The name of a compressed file without what says so.
pub fn plain(name: &str) -> Option<&str> {
    COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending))
}

/// Whether a data file has CSV.
pub fn is_csv(name: &str) -> bool {
    plain(name).unwrap_or(name).ends_with(".csv")
}

/// Whether a data file has fields of LOAD DATA.
pub fn is_fields(name: &str) -> bool {
    plain(name).unwrap_or(name).ends_with(FIELDS)
}

/// Endings of compressed files.
pub const COMPRESSED: [&str; 3] = [".gz", ".zst", ".snappy"];

/// What a file is, by its name: our own, dumpling's and mydumper's names (`db.table.sql`, `db.table.00001.sql`).
pub fn parse(name: &str) -> FileKind {
    if name == "metadata" {
        return FileKind::Metadata;
    }
    if let Some(stem) = COMPRESSED.iter().find_map(|ending| name.strip_suffix(ending)) {
        let read = [".sql", ".csv", FIELDS].iter().any(|ending| stem.ends_with(ending));
        return if read { parse(stem) } else { FileKind::Other };
    }
    if let Some(stem) = name.strip_suffix(".csv").or_else(|| name.strip_suffix(FIELDS)) {
        // Only of a dump: with the part's number.
        return match parse(&format!("{stem}.sql")) {
            FileKind::Data { schema, table, order } if order.len() >= CSV_DIGITS => {
                FileKind::Data { schema, table, order }
            }
            _ => FileKind::Other,
        };
    }
    let Some(stem) = name.strip_suffix(".sql") else { return FileKind::Other };
    if let Some(schema) = stem.strip_suffix("-schema-create") {
        return FileKind::SchemaCreate { schema: unescape(schema) };
    }
    if let Some((schema, table)) = stem.strip_suffix("-schema-view").and_then(|s| s.split_once('.')) {
        return FileKind::ViewCreate { schema: unescape(schema), table: unescape(table) };
    }
    if let Some((schema, table)) = stem.strip_suffix("-schema").and_then(|s| s.split_once('.')) {
        return FileKind::TableCreate { schema: unescape(schema), table: unescape(table) };
    }
    if let Some((schema, table)) = stem.strip_suffix("-schema-sequence").and_then(|s| s.split_once('.')) {
        return FileKind::SequenceCreate { schema: unescape(schema), table: unescape(table) };
    }
    if stem.ends_with("-schema-triggers") || stem.ends_with("-schema-post") {
        return FileKind::Other;
    }
    let Some((schema, rest)) = stem.split_once('.') else { return FileKind::Other };
    let digits = |rest: &str| {
        let (name, digits) = rest.rsplit_once('.')?;
        (!digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit())).then_some(name.len())
    };
    // mydumper numbers the parts of a part too; points in names are written otherwise.
    let end = digits(rest).map_or(rest.len(), |end| digits(&rest[..end]).unwrap_or(end));
    let (table, order) = (&rest[..end], rest[end..].trim_start_matches('.'));
    FileKind::Data { schema: unescape(schema), table: unescape(table), order: order.to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_the_originals() {
        assert_eq!(schema_file("db"), "db-schema-create.sql");
        assert_eq!(table_file("db", "t"), "db.t-schema.sql");
        assert_eq!(data_file("db", "t", 0, Some(1)), "db.t.0000000000001.sql");
        assert_eq!(data_file("db", "t", 12, None), "db.t.000000012.sql");
        assert_eq!(table_file("a.b", "x/y%"), "a%2Eb.x%2Fy%25-schema.sql");
        assert_eq!(table_file("d", "t-schema"), "d.t%2Dschema-schema.sql");
    }

    #[test]
    fn every_name_comes_back() {
        for name in ["t", "a.b", "%41", "t-schema", "t-SCHEMA-create", "ünïcödé", "a\nb", "x|y", "-schem", "表"] {
            assert_eq!(unescape(&escape(name)), name);
            assert_eq!(parse(&schema_file(name)), FileKind::SchemaCreate { schema: name.into() });
            assert_eq!(
                parse(&table_file(name, name)),
                FileKind::TableCreate { schema: name.into(), table: name.into() }
            );
            let data = FileKind::Data { schema: name.into(), table: name.into(), order: "0000000030007".into() };
            assert_eq!(parse(&data_file(name, name, 3, Some(7))), data);
        }
    }

    #[test]
    fn others_are_recognised() {
        let data = |order: &str| FileKind::Data { schema: "db".into(), table: "t".into(), order: order.into() };
        assert_eq!(parse("db.t.sql"), data(""));
        assert_eq!(parse("db.t.00001.sql"), data("00001"));
        assert_eq!(parse("metadata"), FileKind::Metadata);
        assert_eq!(parse("db.v-schema-view.sql"), FileKind::ViewCreate { schema: "db".into(), table: "v".into() });
        let sequence = FileKind::SequenceCreate { schema: "db".into(), table: "s".into() };
        assert_eq!(parse(&sequence_file("db", "s")), sequence);
        assert_eq!(parse("db.t.00001.sql.gz"), data("00001"));
        assert_eq!(parse("db.t.sql.zst"), data(""));
        assert_eq!(parse("db.t.000000000.sql.snappy"), data("000000000"));
        assert_eq!(parse("db.t-schema.sql.gz"), FileKind::TableCreate { schema: "db".into(), table: "t".into() });
        assert_eq!(parse("db.t.00001.csv"), data("00001"));
        assert_eq!(parse("db.t.000000000.csv.zst"), data("000000000"));
        assert!(is_csv("db.t.000000000.csv.gz") && !is_csv("db.csv.00001.sql"));
        for other in [
            "db.t.00001.gz",
            "metadata.gz",
            "db.t.csv",
            "db.t.dat",
            "db-schema.csv",
            "db.t-schema.csv",
            "db.t.00001.sql.gz.zst",
        ] {
            assert_eq!(parse(other), FileKind::Other, "{other}");
        }
        let form = |name: &str| unread(name).map(|(schema, table, form)| (schema + "." + &table, form));
        for (name, wanted) in [
            ("db.t.csv", "CSV without its part's number"),
            ("db.t.1.csv.zst", "CSV without its part's number"),
            ("db.t.csv.snappy", "CSV without its part's number"),
            ("db.t.000000000.sql.xz", "compressed with XZ"),
            ("db.t-schema.sql.lz4", "compressed with LZ4"),
        ] {
            assert_eq!(form(name), Some(("db.t".into(), wanted)), "{name}");
        }
        for name in ["db.t.000000000.sql", "db.t.sql.gz", "readme.csv", "metadata", "photo.jpg"] {
            assert_eq!(form(name), None, "{name}");
        }
        assert_eq!(parse("readme.txt"), FileKind::Other);
        assert_eq!(parse("db-schema-post.sql"), FileKind::Other);
        assert_eq!(unescape("100%"), "100%");
        assert_eq!(unescape("%FF"), "%FF");
    }
}
