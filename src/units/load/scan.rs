//! Splits a data file into rows: multi-line INSERTs of our own, dumpling's and mydumper's files, read as a stream.
//! Positions are bytes in the file right behind a row, so that a load can go on behind any row.

use std::io::{self, Read};

/// What is wrong with a file, and where.
#[derive(Debug)]
pub enum ScanError {
    Io(io::Error),
    /// The file ends inside a statement.
    Truncated(u64),
    /// Not an INSERT as dump tools write it; the beginning of the statement.
    Malformed(u64, String),
    /// No CSV record of the columns.
    Record(u64),
    /// No line of a LOAD DATA statement's file: where it begins, and why.
    Line(u64, String),
    /// A file of LOAD DATA ends inside a line: where both begin and end.
    OpenLine(u64, u64),
}

/// `INSERT INTO table (columns) VALUES`, as the file has it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct InsertHead {
    pub table: String,
    /// None: no column list.
    pub columns: Option<Vec<String>>,
}

/// Consecutive rows of one statement.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Batch {
    pub head: InsertHead,
    /// The rows' texts, `(...)` each, as the caller writes them, with commas between.
    pub text: Vec<u8>,
    pub rows: u64,
    /// In the file: behind the row before the first, and behind the last.
    pub start: u64,
    pub end: u64,
}

/// Puts a row of a file, below its head, into a statement.
pub type PutRow<'a> = dyn Fn(&mut Vec<u8>, &InsertHead, &[u8]) + 'a;

/// Reads rows from a file.
pub struct Scanner<R> {
    input: R,
    buf: Vec<u8>,
    /// First byte of `buf` that is not used yet.
    at: usize,
    /// File position of `buf[0]`.
    base: u64,
    eof: bool,
    head: Option<InsertHead>,
    /// Rows that end at or before it are left out.
    skip_to: u64,
    last_end: u64,
}

const READ_SIZE: usize = 256 * 1024;

impl<R: Read> Scanner<R> {
    /// Rows behind `position`, which must be 0 or the end of a batch.
    pub fn new(input: R, position: u64) -> Self {
        Scanner {
            input,
            buf: Vec::new(),
            at: 0,
            base: 0,
            eof: false,
            head: None,
            skip_to: position,
            last_end: position,
        }
    }

    /// Rows of one statement up to about `limit` bytes (at least one row), each put down by `write`. None at the end of the
    /// file.
    pub fn next_batch(&mut self, limit: usize, write: &PutRow<'_>) -> Result<Option<Batch>, ScanError> {
        let mut batch = Batch { start: self.last_end, ..Batch::default() };
        loop {
            if self.head.is_none() {
                if batch.rows > 0 {
                    break;
                }
                match self.next_head()? {
                    Some(head) => self.head = Some(head),
                    None => return Ok(None),
                }
            }
            if batch.rows == 0 {
                batch.head = self.head.clone().unwrap_or_default();
            }
            let len = self.row_len()?;
            let row_end = self.base + (self.at + len) as u64;
            if row_end > self.skip_to {
                if batch.rows > 0 {
                    batch.text.push(b',');
                } else {
                    // Once: growing by doubling would take twice as much.
                    batch.text.reserve_exact(limit + limit / 16);
                }
                write(&mut batch.text, &batch.head, &self.buf[self.at..self.at + len]);
                batch.rows += 1;
                batch.end = row_end;
            }
            self.at += len;
            self.separator()?;
            if batch.text.len() >= limit {
                break;
            }
        }
        self.last_end = batch.end;
        Ok(Some(batch))
    }

    /// Makes `count` bytes behind `at` available; false at the end of the file.
    fn need(&mut self, count: usize) -> Result<bool, ScanError> {
        while self.buf.len() - self.at < count && !self.eof {
            if self.at > READ_SIZE {
                self.buf.drain(..self.at);
                self.base += self.at as u64;
                self.at = 0;
            }
            let used = self.buf.len();
            self.buf.resize(used + READ_SIZE, 0);
            let read = match self.input.read(&mut self.buf[used..]) {
                Ok(read) => read,
                Err(e) if e.kind() == io::ErrorKind::Interrupted => 0,
                Err(e) => return Err(ScanError::Io(e)),
            };
            self.buf.truncate(used + read);
            self.eof = read == 0;
        }
        Ok(self.buf.len() - self.at >= count)
    }

    fn peek(&mut self, ahead: usize) -> Result<Option<u8>, ScanError> {
        Ok(if self.need(ahead + 1)? { self.buf.get(self.at + ahead).copied() } else { None })
    }

    fn malformed(&self) -> ScanError {
        let end = self.buf.len().min(self.at + 40);
        // Only the statement's first words: rows don't belong into an error.
        let text = String::from_utf8_lossy(&self.buf[self.at..end]);
        let words: String = text.chars().take_while(|c| !matches!(c, '(' | '\'' | '"' | '\n')).collect();
        ScanError::Malformed(self.base + self.at as u64, words)
    }

    fn truncated(&self) -> ScanError {
        ScanError::Truncated(self.base + self.buf.len() as u64)
    }

    /// Blanks and comments; executable comments (`/*!40101 SET ...*/`) count as comments.
    fn skip_blanks(&mut self) -> Result<(), ScanError> {
        loop {
            match (self.peek(0)?, self.peek(1)?) {
                (Some(b), _) if b.is_ascii_whitespace() => self.at += 1,
                (Some(b'-'), Some(b'-')) | (Some(b'#'), _) => {
                    while self.peek(0)?.is_some_and(|b| b != b'\n') {
                        self.at += 1;
                    }
                }
                (Some(b'/'), Some(b'*')) => {
                    self.at += 2;
                    while !(self.peek(0)? == Some(b'*') && self.peek(1)? == Some(b'/')) {
                        if self.peek(0)?.is_none() {
                            return Err(self.truncated());
                        }
                        self.at += 1;
                    }
                    self.at += 2;
                }
                _ => return Ok(()),
            }
        }
    }

    /// The next INSERT's head; other statements that dump tools write are passed over.
    fn next_head(&mut self) -> Result<Option<InsertHead>, ScanError> {
        const PASSED: [&str; 8] = ["SET", "LOCK", "UNLOCK", "START", "BEGIN", "COMMIT", "USE", "ALTER"];
        loop {
            self.skip_blanks()?;
            match self.peek(0)? {
                None => return Ok(None),
                Some(b';') => {
                    self.at += 1;
                    continue;
                }
                Some(_) => {}
            }
            let word = self.word()?;
            if word == "INSERT" || word == "REPLACE" {
                return self.insert_head().map(Some);
            }
            if !PASSED.contains(&word.as_str()) {
                self.at -= word.len();
                return Err(self.malformed());
            }
            self.pass_statement()?;
        }
    }

    /// The letters that follow, in upper case, consumed; empty when there are none.
    fn word(&mut self) -> Result<String, ScanError> {
        let mut len = 0;
        while self.peek(len)?.is_some_and(|b| b.is_ascii_alphabetic() || b == b'_') && len < 32 {
            len += 1;
        }
        let word = String::from_utf8_lossy(&self.buf[self.at..self.at + len]).to_ascii_uppercase();
        self.at += len;
        Ok(word)
    }

    fn pass_statement(&mut self) -> Result<(), ScanError> {
        let mut quote = None;
        loop {
            let Some(b) = self.peek(0)? else { return Err(self.truncated()) };
            self.at += 1;
            match quote {
                Some(q) if b == q => quote = None,
                // The escaped byte, if the file goes on.
                Some(q) if b == b'\\' && q != b'`' => self.at += usize::from(self.peek(0)?.is_some()),
                Some(_) => {}
                None if matches!(b, b'\'' | b'"' | b'`') => quote = Some(b),
                None if b == b';' => return Ok(()),
                None => {}
            }
        }
    }

    fn insert_head(&mut self) -> Result<InsertHead, ScanError> {
        let mut head = InsertHead::default();
        self.skip_blanks()?;
        let mut word = self.word()?;
        while word == "IGNORE" || word == "INTO" {
            self.skip_blanks()?;
            word = if self.peek(0)? == Some(b'`') { String::new() } else { self.word()? };
        }
        head.table = if word.is_empty() { self.name()? } else { self.unread(word.len()).name()? };
        self.skip_blanks()?;
        if self.peek(0)? == Some(b'.') {
            self.at += 1;
            head.table = self.name()?;
            self.skip_blanks()?;
        }
        if self.peek(0)? == Some(b'(') {
            let mut columns = Vec::new();
            while matches!(self.peek(0)?, Some(b'(' | b',')) {
                self.at += 1;
                self.skip_blanks()?;
                columns.push(self.name()?);
                self.skip_blanks()?;
            }
            if self.peek(0)? != Some(b')') {
                return Err(self.malformed());
            }
            self.at += 1;
            head.columns = Some(columns);
            self.skip_blanks()?;
        }
        if !matches!(self.word()?.as_str(), "VALUES" | "VALUE") {
            return Err(self.malformed());
        }
        self.skip_blanks()?;
        Ok(head)
    }

    fn unread(&mut self, count: usize) -> &mut Self {
        self.at -= count;
        self
    }

    /// A name, in backquotes or double quotes or bare.
    fn name(&mut self) -> Result<String, ScanError> {
        let mut out = Vec::new();
        let quote = self.peek(0)?.filter(|b| matches!(b, b'`' | b'"'));
        match quote {
            Some(quote) => {
                self.at += 1;
                loop {
                    let Some(b) = self.peek(0)? else { return Err(self.truncated()) };
                    self.at += 1;
                    if b == quote {
                        if self.peek(0)? != Some(quote) {
                            break;
                        }
                        self.at += 1;
                    }
                    out.push(b);
                }
            }
            None => {
                let part = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'$') || *b >= 0x80;
                while let Some(b) = self.peek(0)?.filter(part) {
                    out.push(b);
                    self.at += 1;
                }
            }
        }
        if out.is_empty() {
            return Err(self.malformed());
        }
        String::from_utf8(out).map_err(|_| self.malformed())
    }

    /// The length of the row `(...)` at `at`, which is then wholly in the buffer.
    fn row_len(&mut self) -> Result<usize, ScanError> {
        if self.peek(0)? != Some(b'(') {
            return if self.eof && self.at >= self.buf.len() { Err(self.truncated()) } else { Err(self.malformed()) };
        }
        let (mut len, mut depth, mut quote) = (0usize, 0usize, 0u8);
        loop {
            if !self.need(len + 1)? {
                return Err(self.truncated());
            }
            let rest = &self.buf[self.at..];
            while let Some(&b) = rest.get(len) {
                if quote != 0 {
                    let Some(found) = memchr::memchr2(quote, b'\\', &rest[len..]) else {
                        len = rest.len();
                        continue;
                    };
                    len += found + 1;
                    if rest.get(len - 1) == Some(&quote) {
                        quote = 0;
                    } else if quote != b'`' {
                        len += 1;
                    }
                    continue;
                }
                len += 1;
                match b {
                    b'\'' | b'"' | b'`' => quote = b,
                    b'(' => depth += 1,
                    b')' => {
                        depth -= 1;
                        if depth == 0 {
                            return Ok(len);
                        }
                    }
                    _ => {}
                }
            }
        }
    }

    /// Behind a row: a comma, or the statement's end.
    fn separator(&mut self) -> Result<(), ScanError> {
        self.skip_blanks()?;
        match self.peek(0)? {
            Some(b',') => {
                self.at += 1;
                self.skip_blanks()
            }
            Some(b';') => {
                self.at += 1;
                self.head = None;
                Ok(())
            }
            None => Err(self.truncated()),
            Some(_) => Err(self.malformed()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn all(text: &str, position: u64, limit: usize) -> Result<Vec<Batch>, ScanError> {
        let mut scanner = Scanner::new(text.as_bytes(), position);
        let mut out = Vec::new();
        // A mark in front of each row.
        let write = |out: &mut Vec<u8>, _: &InsertHead, row: &[u8]| {
            out.push(1);
            out.extend_from_slice(row);
        };
        while let Some(batch) = scanner.next_batch(limit, &write)? {
            out.push(batch);
        }
        Ok(out)
    }

    fn rows(batches: &[Batch]) -> Vec<String> {
        let mut out = Vec::new();
        for batch in batches {
            let text = String::from_utf8_lossy(&batch.text).into_owned();
            let rows: Vec<String> =
                text.split('\u{1}').skip(1).map(|row| row.trim_end_matches(',').to_owned()).collect();
            assert_eq!(rows.len() as u64, batch.rows);
            out.extend(rows);
        }
        out
    }

    const FILE: &str = "/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES utf8mb4*/;\n-- it's a comment\n\
        INSERT INTO `t``x` (`a`,`b`) VALUES\n(1,'a),(\\'b;'),\n(2,\"it''s (\"),(3,x'00'), ( -4 , f('(')) ;\n\
        SET x = ';';\ninsert ignore into db.`u` values(NULL);\n";

    #[test]
    fn rows_of_a_file() {
        let batches = all(FILE, 0, 1 << 20).unwrap();
        assert_eq!(batches.len(), 2);
        let columns = Some(vec!["a".to_owned(), "b".to_owned()]);
        assert_eq!(batches[0].head, InsertHead { table: "t`x".into(), columns });
        assert_eq!(batches[1].head, InsertHead { table: "u".into(), columns: None });
        let want = ["(1,'a),(\\'b;')", "(2,\"it''s (\")", "(3,x'00')", "( -4 , f('('))", "(NULL)"];
        assert_eq!(rows(&batches), want);
    }

    #[test]
    fn going_on_behind_any_row_gives_the_rest() {
        let single = all(FILE, 0, 1).unwrap();
        assert_eq!(single.len(), 5);
        let want = rows(&single);
        let mut start = 0;
        for (i, batch) in single.iter().enumerate() {
            assert_eq!(batch.start, start);
            start = batch.end;
            let rest = all(FILE, batch.end, 1 << 20).unwrap();
            assert_eq!(rows(&rest), want[i + 1..]);
            assert!(rest.first().is_none_or(|b| b.start == batch.end));
        }
    }

    #[test]
    fn long_files_are_read_in_pieces() {
        let mut text = String::from("INSERT INTO t VALUES\n");
        let rows_wanted: u64 = 60_000;
        for i in 0..rows_wanted {
            text.push_str(&format!(
                "({i},'{}'){}",
                "x\\'".repeat((i % 50) as usize),
                if i + 1 == rows_wanted { ";" } else { ",\n" }
            ));
        }
        let batches = all(&text, 0, 100_000).unwrap();
        assert_eq!(batches.iter().map(|b| b.rows).sum::<u64>(), rows_wanted);
        assert_eq!(batches.last().unwrap().end as usize, text.len() - 1);
    }

    #[test]
    fn broken_files() {
        for cut in
            ["INSERT INTO t VALUES (1", "INSERT INTO t VALUES (1)", "INSERT INTO t VALUES (1),", "/* x", "SET a = 1"]
        {
            assert!(matches!(all(cut, 0, 100), Err(ScanError::Truncated(_))), "{cut}");
        }
        for bad in ["DROP TABLE t;", "INSERT INTO t SELECT 1;", "INSERT INTO t VALUES (1) ON DUPLICATE KEY;", ")"] {
            assert!(matches!(all(bad, 0, 100), Err(ScanError::Malformed(..))), "{bad}");
        }
        assert!(all("", 0, 100).unwrap().is_empty());
    }

    #[test]
    fn errors_hold_no_row_values() {
        let Err(ScanError::Malformed(_, words)) = all("INSERT INTO t VALUES (1) 'secret';", 0, 100) else { panic!() };
        assert!(!words.contains("secret"));
    }
}
