//! Text to tokens, each with its byte span. MySQL's lexical rules, which general SQL tokenizers miss: executable
//! comments, names that begin with a digit, quotes whose meaning depends on the SQL mode, character set introducers.
//!
//! A token is its kind and its place: nothing is copied until somebody asks for a value (`unquote`).

use std::ops::Range;

use super::super::server::{ServerInfo, SqlMode};

/// One token: 12 bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    start: u32,
    end: u32,
}

impl Token {
    pub(super) fn span(&self) -> Range<usize> {
        self.start as usize..self.end as usize
    }
}

/// What a token is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum TokenKind {
    /// An unquoted name or keyword.
    Word,
    /// A name in backquotes, or in double quotes under ANSI_QUOTES.
    Quoted,
    /// A string in single quotes, `N'..'` included.
    Text,
    /// A string in double quotes.
    DoubleText,
    /// A decimal number.
    Number,
    /// `x'..'`, `0x..`, `b'..'`, `0b..`, well-formed.
    Bytes,
    /// Any other character; all that the grammar knows are ASCII.
    Symbol(char),
    /// End of the text; always the last token.
    End,
}

/// The tokens of a statement.
pub(super) struct Tokens {
    pub(super) tokens: Vec<Token>,
    /// Executable comments that this server executes.
    pub(super) executed: Vec<Range<usize>>,
}

/// Splits a statement. Err: what is wrong, for the error text.
pub(super) fn tokenize(sql: &str, mode: SqlMode, server: ServerInfo) -> Result<Tokens, &'static str> {
    if u32::try_from(sql.len()).is_err() {
        return Err("the statement is longer than 4 GiB");
    }
    let tokens = Vec::with_capacity(sql.len() / 4 + 8);
    let bytes = sql.as_bytes();
    let mut lexer =
        Lexer { sql, bytes, at: 0, mode, server, executable_since: None, executed: Vec::new(), tokens, joins: false };
    while lexer.step()? {}
    if lexer.executable_since.is_some() {
        return Err("a comment is not closed");
    }
    lexer.push(TokenKind::End, sql.len());
    Ok(Tokens { tokens: lexer.tokens, executed: lexer.executed })
}

struct Lexer<'a> {
    sql: &'a str,
    bytes: &'a [u8],
    at: usize,
    mode: SqlMode,
    server: ServerInfo,
    /// Where the executable comment begins that we are in.
    executable_since: Option<usize>,
    executed: Vec<Range<usize>>,
    tokens: Vec<Token>,
    /// The last token is a dot that ended right here and joins names: what follows is a name, digits too.
    joins: bool,
}

impl Lexer<'_> {
    fn byte(&self, ahead: usize) -> u8 {
        self.bytes.get(self.at + ahead).copied().unwrap_or(0)
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.tokens.push(Token { kind, start: start as u32, end: self.at as u32 });
    }

    /// Reads one token, comment or blank; false at the end.
    fn step(&mut self) -> Result<bool, &'static str> {
        let Some(&byte) = self.bytes.get(self.at) else { return Ok(false) };
        let joins = std::mem::take(&mut self.joins);
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' | 0x0b | 0x0c | 0 => self.at += 1,
            b'a'..=b'z' | b'A'..=b'Z' | b'_' | b'$' | 0x80.. => self.name()?,
            b'0'..=b'9' if joins => self.word(),
            b'0'..=b'9' => self.number_or_name(),
            b'`' => self.quoted(b'`', false, TokenKind::Quoted)?,
            b'"' if self.mode.ansi_quotes => self.quoted(b'"', false, TokenKind::Quoted)?,
            b'\'' => self.quoted(b'\'', !self.mode.no_backslash_escapes, TokenKind::Text)?,
            b'"' => self.quoted(b'"', !self.mode.no_backslash_escapes, TokenKind::DoubleText)?,
            b'.' => self.dot(),
            b'#' | b'-' | b'/' | b'*' if self.comment()? => {}
            other => {
                self.at += 1;
                self.push(TokenKind::Symbol(char::from(other)), self.at - 1);
            }
        }
        Ok(true)
    }

    /// A dot: it joins names when it stands right behind one, and may begin a number when it doesn't.
    fn dot(&mut self) {
        let after_name = self.tokens.last().is_some_and(|token| {
            token.end as usize == self.at && matches!(token.kind, TokenKind::Word | TokenKind::Quoted)
        });
        if !after_name && self.byte(1).is_ascii_digit() {
            return self.number();
        }
        self.at += 1;
        self.joins = after_name;
        self.push(TokenKind::Symbol('.'), self.at - 1);
    }

    /// Skips a comment, or enters or leaves an executable one; false when there is none here.
    fn comment(&mut self) -> Result<bool, &'static str> {
        let rest = &self.bytes[self.at..];
        let line = rest[0] == b'#' || (rest.starts_with(b"--") && rest.get(2).is_none_or(|b| is_blank_or_control(*b)));
        if line {
            self.at += rest.iter().position(|b| *b == b'\n').map_or(rest.len(), |i| i + 1);
            return Ok(true);
        }
        if rest.starts_with(b"*/")
            && let Some(since) = self.executable_since.take()
        {
            self.at += 2;
            self.executed.push(since..self.at);
            return Ok(true);
        }
        if !rest.starts_with(b"/*") {
            return Ok(false);
        }
        match self.executable_head(rest) {
            Some((length, true)) => {
                // One in another goes on to the same end: servers close both at the first `*/`.
                self.executable_since.get_or_insert(self.at);
                self.at += length;
            }
            // Text for other servers may have comments of its own.
            Some((length, false)) => self.skip_comment(length, true)?,
            None => self.skip_comment(2, false)?,
        }
        Ok(true)
    }

    /// Goes behind the end of the comment whose head has this length.
    fn skip_comment(&mut self, head: usize, nests: bool) -> Result<(), &'static str> {
        self.at += head;
        loop {
            let rest = self.bytes.get(self.at..).unwrap_or(&[]);
            let next = rest.windows(2).position(|pair| pair == b"*/" || (nests && pair == b"/*"));
            let next = next.ok_or("a comment is not closed")?;
            let closed = rest[next] == b'*';
            self.at += next;
            if closed {
                self.at += 2;
                return Ok(());
            }
            self.skip_comment(2, false)?;
        }
    }

    /// Length of `/*!NNNNN` or `/*M!NNNNN`, and whether this server executes what follows; None for a plain comment.
    fn executable_head(&self, rest: &[u8]) -> Option<(usize, bool)> {
        let (head, mariadb_only) = match rest {
            [_, _, b'!', ..] => (3, false),
            [_, _, b'M', b'!', ..] if self.server.is_mariadb() => (4, true),
            _ => return None,
        };
        // Measured: MySQL up to 8.0 reads five digits, later ones and MariaDB six if there are six.
        let most = if self.server.is_mariadb() || self.server.version >= 80_100 { 6 } else { 5 };
        let digits = rest[head..].iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        let digits = if digits >= 5 { digits } else { 0 };
        let version = rest[head..head + digits].iter().fold(0, |number, b| number * 10 + u32::from(b - b'0'));
        Some((head + digits, self.server.executes_comment(version, mariadb_only)))
    }

    /// Reads a quoted token whose quote is doubled to stand for itself.
    fn quoted(&mut self, quote: u8, escapes: bool, kind: TokenKind) -> Result<(), &'static str> {
        let start = self.at;
        self.close_quote(quote, escapes)?;
        self.push(kind, start);
        Ok(())
    }

    /// Goes behind the closing quote; `at` is on the opening one.
    fn close_quote(&mut self, quote: u8, escapes: bool) -> Result<(), &'static str> {
        let mut at = self.at + 1;
        loop {
            match self.bytes.get(at) {
                None => {
                    return Err(match quote {
                        b'`' => "a backquote is not closed",
                        b'"' => "a double quote is not closed",
                        _ => "a single quote is not closed",
                    });
                }
                // The byte behind a backslash is skipped; of a longer character the rest is no quote.
                Some(b'\\') if escapes => at += 2,
                Some(&byte) if byte == quote => {
                    at += 1;
                    if self.bytes.get(at) != Some(&quote) {
                        self.at = at;
                        return Ok(());
                    }
                    at += 1;
                }
                Some(_) => at += 1,
            }
        }
    }

    /// The end of the run of name characters that begins here.
    fn run_end(&self) -> usize {
        let rest = &self.bytes[self.at..];
        self.at + rest.iter().position(|b| !is_name_byte(*b)).unwrap_or(rest.len())
    }

    fn word(&mut self) {
        let start = self.at;
        self.at = self.run_end();
        self.push(TokenKind::Word, start);
    }

    /// A token that begins with a digit: a number, a hex or bit literal, or a name.
    fn number_or_name(&mut self) {
        let start = self.at;
        let end = self.run_end();
        let run = &self.bytes[start..end];
        let bytes = match run {
            [b'0', b'x', digits @ ..] => !digits.is_empty() && digits.iter().all(u8::is_ascii_hexdigit),
            [b'0', b'b', digits @ ..] => !digits.is_empty() && digits.iter().all(|b| matches!(b, b'0' | b'1')),
            _ => false,
        };
        if bytes {
            self.at = end;
            return self.push(TokenKind::Bytes, start);
        }
        let digits = run.iter().take_while(|b| b.is_ascii_digit()).count();
        let number = match &run[digits..] {
            [] => true,
            [b'e' | b'E'] => matches!(self.bytes.get(end), Some(b'+' | b'-')),
            [b'e' | b'E', power @ ..] => power.iter().all(u8::is_ascii_digit),
            _ => false,
        };
        if number { self.number() } else { self.word() }
    }

    /// A decimal number: digits, fraction, exponent.
    fn number(&mut self) {
        let start = self.at;
        let digits = |from: usize| {
            from + self.bytes.get(from..).unwrap_or(&[]).iter().take_while(|b| b.is_ascii_digit()).count()
        };
        let mut end = digits(start);
        if self.bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        if matches!(self.bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(self.bytes.get(end + 1), Some(b'+' | b'-')));
            let power = digits(end + 1 + sign);
            if power > end + 1 + sign {
                end = power;
            }
        }
        self.at = end;
        self.push(TokenKind::Number, start);
    }

    /// A name or keyword, or a literal with a letter in front (`x'..'`, `b'..'`, `N'..'`).
    fn name(&mut self) -> Result<(), &'static str> {
        let start = self.at;
        let end = self.run_end();
        let letter = end - start == 1 && self.bytes.get(end) == Some(&b'\'');
        match self.bytes[start] {
            b'x' | b'X' | b'b' | b'B' if letter => {
                let binary = matches!(self.bytes[start], b'b' | b'B');
                self.at = end;
                self.close_quote(b'\'', false)?;
                let digits = self.sql.get(end + 1..self.at - 1).unwrap_or("");
                let well_formed = if binary {
                    digits.bytes().all(|b| matches!(b, b'0' | b'1'))
                } else {
                    digits.len().is_multiple_of(2) && digits.bytes().all(|b| b.is_ascii_hexdigit())
                };
                if !well_formed {
                    return Err("a hexadecimal or bit literal is malformed");
                }
                self.push(TokenKind::Bytes, start);
            }
            b'n' | b'N' if letter => {
                self.at = end;
                self.close_quote(b'\'', !self.mode.no_backslash_escapes)?;
                self.push(TokenKind::Text, start);
            }
            _ => self.word(),
        }
        Ok(())
    }
}

fn is_name_byte(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// What makes `--` the beginning of a comment.
fn is_blank_or_control(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

#[cfg(test)]
mod tests {
    use super::{TokenKind::*, *};
    use crate::config::subtask::Flavor;

    const MARIADB: ServerInfo = ServerInfo { flavor: Flavor::Mariadb, version: 101_106 };

    fn of(sql: &str, mode: SqlMode, server: ServerInfo) -> Vec<(TokenKind, &str)> {
        let tokens = tokenize(sql, mode, server).unwrap().tokens;
        let all = tokens.into_iter().filter(|token| token.kind != End);
        all.map(|token| (token.kind, sql.get(token.span()).unwrap())).collect()
    }

    fn kinds(sql: &str) -> Vec<(TokenKind, &str)> {
        of(sql, SqlMode::default(), ServerInfo::default())
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(kinds("1a"), [(Word, "1a")]);
        assert_eq!(kinds("a.1"), [(Word, "a"), (Symbol('.'), "."), (Word, "1")]);
        assert_eq!(kinds("`a`.1e5"), [(Quoted, "`a`"), (Symbol('.'), "."), (Word, "1e5")]);
        assert_eq!(kinds("a .5"), [(Word, "a"), (Number, ".5")]);
        assert_eq!(kinds("1.5e-3"), [(Number, "1.5e-3")]);
        assert_eq!(kinds("1e5 1e 1e+2"), [(Number, "1e5"), (Word, "1e"), (Number, "1e+2")]);
        assert_eq!(kinds("0x41 b'101' 0xg"), [(Bytes, "0x41"), (Bytes, "b'101'"), (Word, "0xg")]);
        assert_eq!(kinds("日本 $x_\u{3000}y"), [(Word, "日本"), (Word, "$x_\u{3000}y")]);
        assert!(tokenize("x'123'", SqlMode::default(), ServerInfo::default()).is_err());
    }

    #[test]
    fn strings_follow_the_sql_mode() {
        assert_eq!(kinds(r"'a\'b''c'N'x'"), [(Text, r"'a\'b''c'"), (Text, "N'x'")]);
        assert_eq!(kinds("\"a`b\""), [(DoubleText, "\"a`b\"")]);
        let mode = SqlMode { ansi_quotes: true, no_backslash_escapes: true, ..SqlMode::default() };
        let found = of("\"a\"\"b\" 'c\\'", mode, ServerInfo::default());
        assert_eq!(found, [(Quoted, "\"a\"\"b\""), (Text, "'c\\'")]);
    }

    #[test]
    fn comments() {
        let words = |sql| kinds(sql).into_iter().map(|(_, text)| text).collect::<String>();
        assert_eq!(words("a -- x\nb # y\n/* z */c--d"), "abc--d");
        assert_eq!(words("/*!40101 a */ b /*!99999 c */ /*!d*/ /*+ hint */"), "abd");
        assert_eq!(words("a /*!99999 b /* c */ d */ e /*!40000 f /* g */ h */"), "aefh");
        assert_eq!(words("1 /*!40000 +1 /*!40000 +5 */ +3"), "1+1+5+3");
        assert_eq!(words("/*M! a */ b --\u{1}c"), "b");
        for open in ["/* a", "/*!40101 a", "'a", "`a", "'a\\", "/*!99999 /* */", "\"", "x'"] {
            assert!(tokenize(open, SqlMode::default(), ServerInfo::default()).is_err(), "{open}");
        }
    }

    #[test]
    fn comments_for_some_servers() {
        let sql = "/*M!100301 a */ /*!80000 b */ /*!050000 c*/ /*!500001*/";
        let tokens = tokenize(sql, SqlMode::default(), MARIADB).unwrap();
        assert_eq!(tokens.executed, [0..15, 30..43]);
        let old = ServerInfo { flavor: Flavor::Mysql, version: 80_033 };
        assert_eq!(of("/*!500001 */", SqlMode::default(), old), [(Number, "1")]);
        assert_eq!(of("/*!500001 */", SqlMode::default(), ServerInfo { version: 90_704, ..old }), []);
    }
}
