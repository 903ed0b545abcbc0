//! Splits a LOAD DATA file (`.dat`) into rows, as the values of an INSERT. The rules are the server's: what it reads as NULL, when an
//! enclosed field ends, what stands behind the escape sign. Where it would warn and go on (a field too few or too many, a last line
//! without its end) there is an error. Positions are bytes in the file's text right behind a line, as in SQL files.

use std::{
    io::{self, Read},
    ops::Range,
    sync::Arc,
};

use super::{
    csv,
    scan::{Batch, InsertHead, PutRow, ScanError},
    statement::unescaped,
    terms::Terms,
};
use crate::{
    mysql::literal::{Encoding, bytes_literal},
    units::dump::row::{self, ColumnKind},
};

/// How a file is read, and what its fields are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Layout {
    terms: Arc<Terms>,
    head: InsertHead,
    /// One for each field.
    forms: Vec<Form>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Form {
    /// It goes nowhere.
    None,
    Hex,
    Of(ColumnKind),
    /// Text in a character set.
    In(Encoding),
}

impl Layout {
    /// Of a file of a table; the error is a column that the table doesn't have. `decoded`: the target is sent UTF-8.
    pub fn new(terms: &Arc<Terms>, table: &csv::Table, decoded: bool) -> Result<Layout, String> {
        let mut forms = Vec::with_capacity(terms.slots.len());
        for slot in &terms.slots {
            let Some(column) = &slot.column else {
                forms.push(Form::None);
                continue;
            };
            let (kind, own) = table.column(column).ok_or_else(|| column.clone())?;
            let charset = if terms.charset == "binary" { own } else { terms.charset.as_str() };
            forms.push(match (kind, Encoding::of_charset(charset)) {
                _ if slot.hex => Form::Hex,
                (ColumnKind::Text, Encoding::Charset(name) | Encoding::Wide(name)) if decoded => {
                    Form::In(Encoding::Decoded(name))
                }
                (ColumnKind::Text, encoding @ (Encoding::Ascii | Encoding::Charset(_) | Encoding::Wide(_))) => {
                    Form::In(encoding)
                }
                (kind, _) => Form::Of(kind),
            });
        }
        let columns = terms.slots.iter().filter_map(|slot| slot.column.clone()).collect();
        let head = InsertHead { table: String::new(), columns: Some(columns) };
        Ok(Layout { terms: Arc::clone(terms), head, forms })
    }
}

/// Reads rows from a file.
pub struct FieldScanner<R> {
    input: R,
    layout: Layout,
    buf: Vec<u8>,
    /// First byte of `buf` that is not used yet.
    at: usize,
    /// File position of `buf[0]`.
    base: u64,
    /// Lines before the rows, still to be passed over.
    ignored: u64,
    /// Lines that end at or before it are left out.
    skip_to: u64,
    last_end: u64,
    /// The longest line.
    most: usize,
    line: Line,
}

/// The fields of a line.
#[derive(Default)]
struct Line {
    bytes: Vec<u8>,
    /// None: NULL.
    fields: Vec<Option<Range<usize>>>,
}

const READ_SIZE: usize = 256 * 1024;

impl<R: Read> FieldScanner<R> {
    /// Rows behind `position`, which must be 0 or the end of a batch. A line of more than `most` bytes is an error, so that an
    /// enclosed field without an end isn't a file in memory.
    pub fn new(input: R, position: u64, layout: Layout, most: usize) -> Self {
        let ignored = layout.terms.ignored;
        let (buf, line) = (Vec::new(), Line::default());
        FieldScanner { input, layout, buf, at: 0, base: 0, ignored, skip_to: position, last_end: position, most, line }
    }

    /// Rows up to about `limit` bytes (at least one), each put down by `write`. None at the end of the file.
    pub fn next_batch(&mut self, limit: usize, write: &PutRow<'_>) -> Result<Option<Batch>, ScanError> {
        while self.ignored > 0 {
            let terms = Arc::clone(&self.layout.terms);
            let ended =
                |rest: &[u8], _: &mut Line| Some(memchr::memmem::find(rest, &terms.lines_end)? + terms.lines_end.len());
            if self.next(ended)?.is_none() {
                return Ok(None);
            }
            self.ignored -= 1;
        }
        let mut batch = Batch { start: self.last_end, head: self.layout.head.clone(), ..Batch::default() };
        let mut row = Vec::new();
        let terms = Arc::clone(&self.layout.terms);
        while batch.text.len() < limit {
            let Some(begin) = self.next(|rest, line| split(&terms, rest, line))? else { break };
            let end = self.base + self.at as u64;
            if end <= self.skip_to {
                continue;
            }
            row.clear();
            put(&mut row, &self.line, &self.layout.forms).map_err(|why| ScanError::Line(begin, why))?;
            match batch.rows {
                0 => batch.text.reserve_exact(limit + limit / 16),
                _ => batch.text.push(b','),
            }
            write(&mut batch.text, &batch.head, &row);
            batch.rows += 1;
            batch.end = end;
        }
        if batch.rows == 0 {
            return Ok(None);
        }
        self.last_end = batch.end;
        Ok(Some(batch))
    }

    /// Takes the next line, whose length `ended` finds in the text from its beginning on, once it is all there; says where it began.
    /// None at the end of the file.
    fn next(&mut self, ended: impl Fn(&[u8], &mut Line) -> Option<usize>) -> Result<Option<u64>, ScanError> {
        let mut more = READ_SIZE;
        loop {
            let rest = self.buf.get(self.at..).unwrap_or_default();
            if let Some(len) = (!rest.is_empty()).then(|| ended(rest, &mut self.line)).flatten() {
                let begin = self.base + self.at as u64;
                self.at += len;
                return Ok(Some(begin));
            }
            let begin = self.base + self.at as u64;
            if rest.len() > self.most {
                let why = format!(
                    "its end is not among the next {} bytes: more than the target takes, or an enclosed field is open",
                    rest.len()
                );
                return Err(ScanError::Line(begin, why));
            }
            if !self.read(more)? {
                let end = self.base + self.buf.len() as u64;
                return if begin == end { Ok(None) } else { Err(ScanError::OpenLine(begin, end)) };
            }
            // Looking again costs what was read, so each time as much again is read.
            more = (self.buf.len() - self.at).max(READ_SIZE);
        }
    }

    /// Adds bytes of the file; false: there are none.
    fn read(&mut self, count: usize) -> Result<bool, ScanError> {
        self.buf.drain(..self.at);
        self.base += self.at as u64;
        self.at = 0;
        let used = self.buf.len();
        self.buf.resize(used + count, 0);
        let read = loop {
            match self.input.read(self.buf.get_mut(used..).unwrap_or_default()) {
                Err(e) if e.kind() == io::ErrorKind::Interrupted => {}
                read => break read,
            }
        };
        self.buf.truncate(used + *read.as_ref().unwrap_or(&0));
        Ok(read.map_err(ScanError::Io)? > 0)
    }
}

/// Splits the line that begins at a text's beginning; its length, None: its end isn't there.
fn split(terms: &Terms, text: &[u8], line: &mut Line) -> Option<usize> {
    line.bytes.clear();
    line.fields.clear();
    let mut at = match &terms.lines_begin[..] {
        [] => 0,
        begin => memchr::memmem::find(text, begin)? + begin.len(),
    };
    loop {
        let (end, last) = field(terms, text, at, line)?;
        at = end;
        if last {
            return Some(at);
        }
    }
}

/// The field at a place: where the next one begins, and whether the line ended.
fn field(terms: &Terms, text: &[u8], mut at: usize, line: &mut Line) -> Option<(usize, bool)> {
    let from = line.bytes.len();
    let enclosed = terms.enclosed.is_some() && text.get(at).copied() == terms.enclosed;
    at += usize::from(enclosed);
    let (line_sign, field_sign) = (*terms.lines_end.first()?, *terms.fields_end.first()?);
    // The text must go on behind a sign for the sign to be known.
    let ends = |at: usize| {
        let rest = text.get(at..)?;
        for (sign, last) in [(&terms.lines_end, true), (&terms.fields_end, false)] {
            if rest.starts_with(sign) {
                return Some(Some((at + sign.len(), last)));
            }
            if sign.starts_with(rest) {
                return None;
            }
        }
        Some(None)
    };
    let mut null = false;
    let end = loop {
        let byte = *text.get(at)?;
        if terms.escape == Some(byte) {
            let next = *text.get(at + 1)?;
            null |= next == b'N';
            line.bytes.push(unescaped(next));
            at += 2;
            continue;
        }
        if enclosed && terms.enclosed == Some(byte) {
            if text.get(at + 1).copied()? == byte {
                line.bytes.push(byte);
                at += 2;
                continue;
            }
            if let Some(end) = ends(at + 1)? {
                break end;
            }
        } else if !enclosed
            && (byte == line_sign || byte == field_sign)
            && let Some(end) = ends(at)?
        {
            break end;
        }
        line.bytes.push(byte);
        at += 1;
    };
    let bytes = line.bytes.get(from..).unwrap_or_default();
    null = (null && bytes.len() == 1) || (terms.enclosed.is_some() && !enclosed && bytes == b"NULL");
    line.fields.push((!null).then_some(from..line.bytes.len()));
    Some(end)
}

/// Appends `(value,...)`; the error says what is wrong, without the values.
fn put(out: &mut Vec<u8>, line: &Line, forms: &[Form]) -> Result<(), String> {
    if line.fields.len() != forms.len() {
        return Err(format!("it has {} fields, LOAD DATA names {}", line.fields.len(), forms.len()));
    }
    for (at, (field, form)) in line.fields.iter().zip(forms).enumerate() {
        if *form == Form::None {
            continue;
        }
        out.push(if out.is_empty() { b'(' } else { b',' });
        let Some(bytes) = field.clone().and_then(|place| line.bytes.get(place)) else {
            out.extend_from_slice(b"NULL");
            continue;
        };
        match form {
            Form::None => {}
            Form::Hex if bytes.len() % 2 > 0 || !bytes.iter().all(u8::is_ascii_hexdigit) => {
                return Err(format!("its field {} is not of hexadecimal digits", at + 1));
            }
            Form::Hex => out.extend([b"x'", bytes, b"'"].concat()),
            Form::Of(ColumnKind::Number | ColumnKind::Double) if !csv::is_number(bytes) => {
                row::append_value(out, bytes, None, &ColumnKind::Text);
            }
            Form::Of(kind) => row::append_value(out, bytes, None, kind),
            Form::In(encoding) => {
                let mut text = String::new();
                bytes_literal(bytes, encoding, &mut text);
                out.extend_from_slice(text.as_bytes());
            }
        }
    }
    out.push(b')');
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::load::statement::statements;

    fn layout(terms: &str) -> Layout {
        let text = format!("SET NAMES utf8mb4; LOAD DATA INFILE 'f' INTO TABLE t {terms}");
        let terms = Arc::new(statements(&text).unwrap().remove(0).1);
        Layout::new(&terms, &csv::Table::default(), false).unwrap()
    }

    fn all(text: &[u8], terms: &str, position: u64, limit: usize) -> Result<Vec<Batch>, ScanError> {
        let mut scanner = FieldScanner::new(text, position, layout(terms), 1000);
        let mut out = Vec::new();
        while let Some(batch) = scanner.next_batch(limit, &|out, _, row| out.extend_from_slice(row))? {
            out.push(batch);
        }
        Ok(out)
    }

    fn rows(text: &[u8], terms: &str) -> String {
        all(text, terms, 0, 1 << 20).unwrap().into_iter().map(|batch| String::from_utf8(batch.text).unwrap()).collect()
    }

    #[test]
    fn fields_as_the_server_reads_them() {
        let tabs = b"1\t\\N\n\\tNULL\\\t\tN\\\n\n";
        assert_eq!(rows(tabs, "(a,b)"), "('1',NULL),('\tNULL\t','N\\n')");
        let csv = "FIELDS TERMINATED BY ',' ENCLOSED BY '\"' LINES TERMINATED BY '\\r\\n' IGNORE 1 LINES (a,@b,@c) SET b = UNHEX(@b)";
        let text = b"\"head,\r\n\"a\"\"\"b,\",00fF,x\r\nNULL,\\N,\r\n\"NULL\",,\r\n";
        assert_eq!(rows(text, csv), r#"('a\"\"b,',x'00fF'),(NULL,NULL),('NULL',x'')"#);
        let signs = "FIELDS TERMINATED BY '::' LINES STARTING BY '>' TERMINATED BY '|;' (a,b)";
        assert_eq!(rows(b"no>a:::b||;>c|::|;", signs), "('a',':b|'),('c|','')");
        assert_eq!(rows(b"", signs) + &rows(b"h\r\n", csv), "");
    }

    #[test]
    fn bad_lines_are_told_with_their_place() {
        let csv = "FIELDS TERMINATED BY ',' ENCLOSED BY '\"' (a,@b) SET b = UNHEX(@b)";
        for (text, from, to) in
            [(&b"a,00\nb,00"[..], 5, 9), (b"a,00\n\"b,00\n", 5, 11), (b"a,00\n\"b\"", 5, 8), (b"a\\", 0, 2)]
        {
            let error = all(text, csv, 0, 9).unwrap_err();
            assert!(matches!(error, ScanError::OpenLine(a, b) if (a, b) == (from, to)), "{error:?}");
        }
        for text in [&b"a,00\nb\n"[..], b"a,00\nb,00,c\n", b"a,00\nb,0\n", b"a,00\nb,0g\n"] {
            let error = all(text, csv, 0, 9).unwrap_err();
            assert!(matches!(error, ScanError::Line(5, _)), "{error:?}");
        }
        let long = [&b"\""[..], &[b'x'; 2000]].concat();
        assert!(matches!(all(&long, csv, 0, 9), Err(ScanError::Line(0, _))));
    }

    #[test]
    fn a_load_goes_on_behind_any_line() {
        let (text, terms) = (b"h\n1\t\\\n\n2\tx\n3\ty\n", "IGNORE 1 LINES (a,b)");
        let batches = all(text, terms, 0, 1).unwrap();
        let ends: Vec<(u64, u64)> = batches.iter().map(|batch| (batch.start, batch.end)).collect();
        assert_eq!(ends, [(0, 7), (7, 11), (11, 15)]);
        for (from, rest) in [(0, 3), (7, 2), (11, 1), (15, 0)] {
            assert_eq!(all(text, terms, from, 1).unwrap(), batches[batches.len() - rest..], "{from}");
        }
    }
}
