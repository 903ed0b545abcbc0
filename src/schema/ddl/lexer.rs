//! Text to tokens, each with its byte span. MySQL's lexical rules, which general SQL tokenizers miss: executable
//! comments, names that begin with a digit, quotes whose meaning depends on the SQL mode, character set introducers.

use std::ops::Range;

use super::super::server::{ServerInfo, SqlMode};

/// One token.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Token {
    pub(super) kind: TokenKind,
    pub(super) span: Range<usize>,
}

/// What a token is. Values are unquoted and unescaped.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum TokenKind {
    /// An unquoted name or keyword, as written.
    Word(String),
    /// A name in backquotes, or in double quotes under ANSI_QUOTES.
    Quoted(String),
    /// A string; `double` when in double quotes.
    Text { value: String, double: bool },
    /// A decimal number, as written.
    Number(String),
    /// `x'..'`, `0x..`, `b'..'`, `0b..`: the bytes.
    Bytes(Vec<u8>),
    /// Any other character.
    Symbol(char),
    /// End of the text; always the last token.
    End,
}

/// Splits a statement; also gives the spans of executable comments that this server executes. Err: what is wrong, for
/// the error text.
pub(super) fn tokenize(
    sql: &str,
    mode: SqlMode,
    server: ServerInfo,
) -> Result<(Vec<Token>, Vec<Range<usize>>), String> {
    let mut lexer =
        Lexer { sql, at: 0, mode, server, executable_since: None, executed: Vec::new(), tokens: Vec::new() };
    while lexer.step()? {}
    if lexer.executable_since.is_some() {
        return Err("a comment is not closed".to_owned());
    }
    lexer.push(TokenKind::End, sql.len());
    Ok((lexer.tokens, lexer.executed))
}

struct Lexer<'a> {
    sql: &'a str,
    at: usize,
    mode: SqlMode,
    server: ServerInfo,
    /// Where the executable comment begins that we are in.
    executable_since: Option<usize>,
    executed: Vec<Range<usize>>,
    tokens: Vec<Token>,
}

impl<'a> Lexer<'a> {
    fn rest(&self) -> &'a str {
        self.sql.get(self.at..).unwrap_or("")
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn push(&mut self, kind: TokenKind, start: usize) {
        self.tokens.push(Token { kind, span: start..self.at });
    }

    /// Reads one token, comment or blank; false at the end.
    fn step(&mut self) -> Result<bool, String> {
        let start = self.at;
        let Some(c) = self.peek() else { return Ok(false) };
        if c.is_whitespace() || c == '\0' {
            self.at += c.len_utf8();
        } else if self.comment()? {
        } else if c == '`' || (c == '"' && self.mode.ansi_quotes) {
            let name = self.quoted(c, false)?;
            self.push(TokenKind::Quoted(name), start);
        } else if c == '\'' || c == '"' {
            let value = self.quoted(c, !self.mode.no_backslash_escapes)?;
            self.push(TokenKind::Text { value, double: c == '"' }, start);
        } else if c.is_ascii_digit() {
            self.number_or_name();
        } else if c == '.' && !self.after_name() && self.rest()[1..].starts_with(|d: char| d.is_ascii_digit()) {
            self.number();
        } else if is_name_char(c) {
            self.name()?;
        } else {
            self.at += c.len_utf8();
            self.push(TokenKind::Symbol(c), start);
        }
        Ok(true)
    }

    /// True when a name ends right here, so that `.` joins it to the next.
    fn after_name(&self) -> bool {
        self.tokens.last().is_some_and(|token| {
            token.span.end == self.at && matches!(token.kind, TokenKind::Word(_) | TokenKind::Quoted(_))
        })
    }

    /// True right after `name.`, where digits are a name too.
    fn after_dot(&self) -> bool {
        let [.., name, dot] = self.tokens.as_slice() else { return false };
        dot.kind == TokenKind::Symbol('.')
            && dot.span.end == self.at
            && name.span.end == dot.span.start
            && matches!(name.kind, TokenKind::Word(_) | TokenKind::Quoted(_))
    }

    /// Skips a comment, or enters or leaves an executable one; false when there is none here.
    fn comment(&mut self) -> Result<bool, String> {
        let rest = self.rest();
        let line = rest.starts_with('#')
            || (rest.starts_with("--") && rest[2..].chars().next().is_none_or(|c| c.is_whitespace() || c.is_control()));
        if line {
            self.at += rest.find('\n').map_or(rest.len(), |i| i + 1);
            return Ok(true);
        }
        if rest.starts_with("*/")
            && let Some(since) = self.executable_since.take()
        {
            self.at += 2;
            self.executed.push(since..self.at);
            return Ok(true);
        }
        if !rest.starts_with("/*") {
            return Ok(false);
        }
        if let Some(length) = self.executable_head(rest) {
            self.executable_since = Some(self.at);
            self.at += length;
            return Ok(true);
        }
        let end = rest[2..].find("*/").ok_or("a comment is not closed")?;
        self.at += end + 4;
        Ok(true)
    }

    /// Length of `/*!NNNNN` when this server executes what follows.
    fn executable_head(&self, rest: &str) -> Option<usize> {
        let (head, mariadb_only) = if rest.starts_with("/*!") { (3, false) } else { (4, true) };
        if (mariadb_only && !rest.starts_with("/*M!")) || self.executable_since.is_some() {
            return None;
        }
        let digits = rest[head..].bytes().take(6).take_while(u8::is_ascii_digit).count();
        let digits = if digits >= 5 { digits } else { 0 };
        let version = rest[head..head + digits].parse().unwrap_or(0);
        self.server.executes_comment(version, mariadb_only).then_some(head + digits)
    }

    /// Reads a quoted token whose quote is doubled to stand for itself.
    fn quoted(&mut self, quote: char, escapes: bool) -> Result<String, String> {
        let rest = self.rest();
        let mut value = String::new();
        let mut chars = rest.char_indices().skip(1).peekable();
        while let Some((i, c)) = chars.next() {
            if c == quote {
                match chars.next_if(|(_, next)| *next == quote) {
                    Some(_) => value.push(quote),
                    None => {
                        self.at += i + c.len_utf8();
                        return Ok(value);
                    }
                }
            } else if c == '\\' && escapes {
                match chars.next() {
                    Some((_, escaped)) => push_escaped(&mut value, escaped),
                    None => break,
                }
            } else {
                value.push(c);
            }
        }
        Err(format!("a {quote} is not closed"))
    }

    /// A token that begins with a digit: a number, a hex or bit literal, or a name.
    fn number_or_name(&mut self) {
        let start = self.at;
        let rest = self.rest();
        let run = &rest[..rest.find(|c| !is_name_char(c)).unwrap_or(rest.len())];
        let literal = run.strip_prefix("0x").and_then(hex).or_else(|| run.strip_prefix("0b").and_then(bits));
        let digits = run.bytes().all(|b| b.is_ascii_digit());
        let exponent = run.trim_start_matches(|c: char| c.is_ascii_digit());
        let scientific = exponent.strip_prefix(['e', 'E']).is_some_and(|power| match power {
            "" => rest[run.len()..].starts_with(['+', '-']),
            power => power.bytes().all(|b| b.is_ascii_digit()),
        });
        if self.after_dot() || !(digits || scientific || literal.is_some()) {
            self.at += run.len();
            let name = self.sql[start..self.at].to_owned();
            self.push(TokenKind::Word(name), start);
        } else if let Some(bytes) = literal {
            self.at += run.len();
            self.push(TokenKind::Bytes(bytes), start);
        } else {
            self.number();
        }
    }

    /// A decimal number: digits, fraction, exponent.
    fn number(&mut self) {
        let start = self.at;
        let bytes = self.sql.as_bytes();
        let digits = |mut i: usize| {
            while bytes.get(i).is_some_and(u8::is_ascii_digit) {
                i += 1;
            }
            i
        };
        let mut end = digits(start);
        if bytes.get(end) == Some(&b'.') {
            end = digits(end + 1);
        }
        if matches!(bytes.get(end), Some(b'e' | b'E')) {
            let sign = usize::from(matches!(bytes.get(end + 1), Some(b'+' | b'-')));
            let power = digits(end + 1 + sign);
            if power > end + 1 + sign {
                end = power;
            }
        }
        self.at = end;
        let text = self.sql[start..end].to_owned();
        self.push(TokenKind::Number(text), start);
    }

    /// A name or keyword, or a literal with a letter in front (`x'..'`, `b'..'`, `N'..'`).
    fn name(&mut self) -> Result<(), String> {
        let start = self.at;
        let rest = self.rest();
        let run = rest[..rest.find(|c| !is_name_char(c)).unwrap_or(rest.len())].to_owned();
        let quoted = rest[run.len()..].starts_with('\'');
        self.at += run.len();
        if quoted && run.len() == 1 && "xXbBnN".contains(&run) {
            let value = self.quoted('\'', false)?;
            let kind = match run.as_str() {
                "x" | "X" => TokenKind::Bytes(hex(&value).ok_or("a hexadecimal literal is malformed")?),
                "b" | "B" => TokenKind::Bytes(bits(&value).ok_or("a bit literal is malformed")?),
                _ => TokenKind::Text { value, double: false },
            };
            self.push(kind, start);
        } else {
            self.push(TokenKind::Word(run), start);
        }
        Ok(())
    }
}

fn is_name_char(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '$' || (c as u32 >= 0x80 && !c.is_whitespace())
}

fn push_escaped(value: &mut String, escaped: char) {
    match escaped {
        '0' => value.push('\0'),
        'b' => value.push('\u{8}'),
        'n' => value.push('\n'),
        'r' => value.push('\r'),
        't' => value.push('\t'),
        'Z' => value.push('\u{1a}'),
        // Kept with the backslash: they only mean something to LIKE.
        '%' | '_' => value.extend(['\\', escaped]),
        other => value.push(other),
    }
}

fn hex(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|b| b.is_ascii_hexdigit()) {
        return None;
    }
    let padded = if text.len() % 2 == 1 { format!("0{text}") } else { text.to_owned() };
    (0..padded.len()).step_by(2).map(|i| u8::from_str_radix(&padded[i..i + 2], 16).ok()).collect()
}

fn bits(text: &str) -> Option<Vec<u8>> {
    if !text.bytes().all(|b| b == b'0' || b == b'1') {
        return None;
    }
    let padded = format!("{}{text}", "0".repeat((8 - text.len() % 8) % 8));
    (0..padded.len()).step_by(8).map(|i| u8::from_str_radix(&padded[i..i + 8], 2).ok()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::subtask::Flavor;

    fn kinds(sql: &str) -> Vec<TokenKind> {
        let (tokens, _) = tokenize(sql, SqlMode::default(), ServerInfo::default()).unwrap();
        tokens.into_iter().map(|token| token.kind).filter(|kind| *kind != TokenKind::End).collect()
    }

    fn word(text: &str) -> TokenKind {
        TokenKind::Word(text.into())
    }

    #[test]
    fn names_and_numbers() {
        assert_eq!(kinds("1a"), [word("1a")]);
        assert_eq!(kinds("a.1"), [word("a"), TokenKind::Symbol('.'), word("1")]);
        assert_eq!(kinds("a .5"), [word("a"), TokenKind::Number(".5".into())]);
        assert_eq!(kinds("1.5e-3"), [TokenKind::Number("1.5e-3".into())]);
        assert_eq!(kinds("1e5 1e"), [TokenKind::Number("1e5".into()), word("1e")]);
        assert_eq!(kinds("0x41 b'101'"), [TokenKind::Bytes(vec![0x41]), TokenKind::Bytes(vec![5])]);
        assert_eq!(kinds("日本 $x_"), [word("日本"), word("$x_")]);
    }

    #[test]
    fn strings_follow_the_sql_mode() {
        let text = |value: &str, double| TokenKind::Text { value: value.into(), double };
        assert_eq!(kinds(r"'a\'b''c'"), [text("a'b'c", false)]);
        assert_eq!(kinds("\"a`b\""), [text("a`b", true)]);
        let mode = SqlMode { ansi_quotes: true, no_backslash_escapes: true, ..SqlMode::default() };
        let (tokens, _) = tokenize("\"a\"\"b\" 'c\\'", mode, ServerInfo::default()).unwrap();
        assert_eq!(tokens[0].kind, TokenKind::Quoted("a\"b".into()));
        assert_eq!(tokens[1].kind, text("c\\", false));
    }

    #[test]
    fn comments() {
        assert_eq!(kinds("a -- x\nb # y\n/* z */c--d"), {
            let mut expected = vec![word("a"), word("b"), word("c")];
            expected.extend([TokenKind::Symbol('-'), TokenKind::Symbol('-'), word("d")]);
            expected
        });
        assert_eq!(kinds("/*!40101 a */ b /*!99999 c */ /*!d*/"), [word("a"), word("b"), word("d")]);
        assert_eq!(kinds("/*M! a */ b"), [word("b")]);
        let maria = ServerInfo { flavor: Flavor::Mariadb, version: 101_106 };
        let (tokens, executed) = tokenize("/*M!100301 a */ /*!80000 b */", SqlMode::default(), maria).unwrap();
        assert_eq!((tokens.len(), executed), (2, vec![0..15]));
        for open in ["/* a", "/*!40101 a", "'a", "`a", "'a\\"] {
            assert!(tokenize(open, SqlMode::default(), ServerInfo::default()).is_err(), "{open}");
        }
    }
}
