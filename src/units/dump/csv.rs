//! Rows as CSV, for dumps that other tools read: a header, comma, double quotes (doubled inside), `\N` for NULL, bytes as
//! hexadecimal digits. Texts are UTF-8; lines end with a line feed.

use super::row::ColumnKind;
use crate::mysql::rows::Fields;

/// The first line.
pub fn head(columns: &[(String, ColumnKind)]) -> String {
    let names: Vec<String> = columns.iter().map(|(name, _)| format!("\"{}\"", name.replace('"', "\"\""))).collect();
    names.join(",") + "\n"
}

/// Why there is no line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoLine {
    /// The bytes are no row of these columns.
    Malformed,
    /// A value that would not come back from its text: characters that UTF-8 lacks, bytes that are no text, the error value of
    /// an ENUM that also has an empty member.
    Inexact,
}

/// Appends a line of a row as the server sent it.
pub fn append_row(out: &mut Vec<u8>, payload: &[u8], columns: &[(String, ColumnKind)]) -> Result<(), NoLine> {
    let mut fields = Fields(payload);
    for (i, (_, kind)) in columns.iter().enumerate() {
        if i > 0 {
            out.push(b',');
        }
        let mut next = || fields.next().flatten().ok_or(NoLine::Malformed);
        let first = next()?;
        let second = if kind.has_second() { next()? } else { None };
        let whole = match kind {
            ColumnKind::EmptyEnum => second != Some(b"1"),
            ColumnKind::Charset(_) => second.is_none(),
            ColumnKind::Text => first.is_none_or(|bytes| simdutf8::basic::from_utf8(bytes).is_ok()),
            _ => true,
        };
        if !whole {
            return Err(NoLine::Inexact);
        }
        match (first, kind) {
            (None, _) => out.extend_from_slice(b"\\N"),
            (Some(bytes), ColumnKind::Number | ColumnKind::Double | ColumnKind::Float) => out.extend_from_slice(bytes),
            (Some(bytes), ColumnKind::Binary) => {
                for b in bytes {
                    out.extend_from_slice(format!("{b:02X}").as_bytes());
                }
            }
            (Some(bytes), _) => {
                out.push(b'"');
                for part in bytes.split_inclusive(|b| *b == b'"') {
                    out.extend_from_slice(part);
                    if part.last() == Some(&b'"') {
                        out.push(b'"');
                    }
                }
                out.push(b'"');
            }
        }
    }
    out.push(b'\n');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines() {
        let columns = vec![
            ("a\"".to_owned(), ColumnKind::Number),
            ("b".to_owned(), ColumnKind::Text),
            ("c".to_owned(), ColumnKind::Binary),
        ];
        assert_eq!(head(&columns), "\"a\"\"\",\"b\",\"c\"\n");
        let mut out = Vec::new();
        append_row(&mut out, b"\x011\x05it\"\n,\x02\0\xff", &columns).unwrap();
        append_row(&mut out, b"\xfb\x00\xfb", &columns).unwrap();
        assert_eq!(out, b"1,\"it\"\"\n,\",00FF\n\\N,\"\",\\N\n");
        assert_eq!(append_row(&mut out, b"\x05", &columns), Err(NoLine::Malformed));
        let one = |kind| vec![("a".to_owned(), kind)];
        let inexact = [
            (&b"\x01\xff"[..], ColumnKind::Text),
            (b"\x01?\x02\xa2\xa0", ColumnKind::Charset("gbk".into())),
            (b"\0\x011", ColumnKind::EmptyEnum),
        ];
        for (row, kind) in inexact {
            assert_eq!(append_row(&mut out, row, &one(kind)), Err(NoLine::Inexact));
        }
    }
}
