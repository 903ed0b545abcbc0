//! A statement's bytes in the binlog are in the client's character set. Here they become UTF-8 text with the same
//! meaning, before anybody looks for quotes: bytes of a longer character (0x5c and 0x60 in gbk, big5 and sjis) are none.
//!
//! Bytes of a string with an introducer (`_latin1'..'`) are in that character set, whatever the client's is; strings of
//! a `binary` client are bytes. Where such strings aren't ASCII they become hexadecimal literals.

use std::borrow::Cow;

use encoding_rs::Encoding;

use super::{
    super::{
        charset::canonical_charset,
        logged::collation_by_number,
        server::{ServerInfo, SqlMode},
    },
    refusal::not_understood,
};
use crate::error::Result;

/// The text of a statement. `client` is the number of the client's collation, from the query event; None is UTF-8.
/// Error 11006: bytes that are no text in that character set, or a character set that can't be decoded.
pub fn decode<'a>(sql: &'a [u8], client: Option<u16>, mode: SqlMode, server: &ServerInfo) -> Result<Cow<'a, str>> {
    let charset = client.and_then(|number| collation_by_number(number, server)).map_or("utf8mb4", |(name, _)| name);
    let binary = charset == "binary";
    if let Ok(text) = std::str::from_utf8(sql)
        && (text.is_ascii() || charset.starts_with("utf8") || charset == "ascii")
    {
        return Ok(Cow::Borrowed(text));
    }
    let failed = |reason: String| not_understood(&String::from_utf8_lossy(sql), &reason);
    let encoding = encoding_of(charset).ok_or_else(|| {
        failed(format!("it has letters beyond ASCII in the client's character set {charset}, which is not known here"))
    })?;
    let scan =
        Scan { sql, at: 0, done: 0, charset, binary, encoding, mode, out: String::with_capacity(sql.len() * 3 / 2) };
    scan.run()
        .map(Cow::Owned)
        .map_err(|at| failed(format!("it is no text in the client's character set {charset} at byte {at}")))
}

/// Bytes of a column in UTF-8; None for bytes that are no text in the character set, or one that isn't known here.
pub fn decode_bytes(charset: &str, bytes: &[u8]) -> Option<String> {
    let encoding = match charset {
        "ucs2" | "utf16" => encoding_rs::UTF_16BE,
        "utf16le" => encoding_rs::UTF_16LE,
        "utf32" => {
            let units = bytes.chunks(4).map(|unit| <[u8; 4]>::try_from(unit).ok().map(u32::from_be_bytes));
            return units.map(|unit| unit.and_then(char::from_u32)).collect();
        }
        other => encoding_of(other)?,
    };
    encoding.decode_without_bom_handling_and_without_replacement(bytes).map(Cow::into_owned)
}

/// The decoder of a character set that a client can have.
fn encoding_of(charset: &str) -> Option<&'static Encoding> {
    Some(match charset {
        "utf8mb4" | "utf8mb3" | "ascii" | "binary" => encoding_rs::UTF_8,
        "latin1" => encoding_rs::WINDOWS_1252,
        "latin2" => encoding_rs::ISO_8859_2,
        "latin5" => encoding_rs::WINDOWS_1254,
        "latin7" => encoding_rs::ISO_8859_13,
        "greek" => encoding_rs::ISO_8859_7,
        "hebrew" => encoding_rs::ISO_8859_8,
        "cp1250" => encoding_rs::WINDOWS_1250,
        "cp1251" => encoding_rs::WINDOWS_1251,
        "cp1256" => encoding_rs::WINDOWS_1256,
        "cp1257" => encoding_rs::WINDOWS_1257,
        "cp866" => encoding_rs::IBM866,
        "koi8r" => encoding_rs::KOI8_R,
        "koi8u" => encoding_rs::KOI8_U,
        "macroman" => encoding_rs::MACINTOSH,
        "tis620" => encoding_rs::WINDOWS_874,
        "gbk" | "gb2312" => encoding_rs::GBK,
        "gb18030" => encoding_rs::GB18030,
        "big5" => encoding_rs::BIG5,
        "sjis" | "cp932" => encoding_rs::SHIFT_JIS,
        "ujis" | "eucjpms" => encoding_rs::EUC_JP,
        "euckr" => encoding_rs::EUC_KR,
        _ => return None,
    })
}

struct Scan<'a> {
    sql: &'a [u8],
    at: usize,
    /// What is before is in `out`.
    done: usize,
    charset: &'static str,
    binary: bool,
    encoding: &'static Encoding,
    mode: SqlMode,
    out: String,
}

/// What stands before a string.
#[derive(Clone, Copy, PartialEq)]
enum Before {
    /// `_latin1`
    Introducer,
    /// A place where only a string may stand, no hexadecimal literal.
    Text,
    Other,
}

impl Scan<'_> {
    /// Err: the byte that is no text.
    fn run(mut self) -> std::result::Result<String, usize> {
        let mut before = Before::Other;
        while let Some(&byte) = self.sql.get(self.at) {
            let start = self.at;
            match byte {
                b'\'' | b'"' if byte == b'\'' || !self.mode.ansi_quotes => {
                    self.quoted(byte, !self.mode.no_backslash_escapes);
                    self.string(start, before)?;
                    before = Before::Other;
                }
                b'`' | b'"' => {
                    self.quoted(byte, false);
                    before = Before::Other;
                }
                b'#' | b'-' | b'/' if self.comment() => self.flush_comment(start)?,
                b' ' | b'\t' | b'\r' | b'\n' => self.at += 1,
                b'=' => {
                    self.at += 1;
                    before = Before::Text;
                }
                byte if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..) => {
                    self.word();
                    before = Before::of(self.sql.get(start..self.at).unwrap_or(&[]));
                }
                _ => {
                    self.at += 1;
                    before = Before::Other;
                }
            }
        }
        self.flush(self.sql.len())?;
        Ok(self.out)
    }

    /// Bytes of the character that begins here, for character sets whose later bytes may look like ASCII.
    fn char_len(&self) -> usize {
        let byte = |ahead: usize| self.sql.get(self.at + ahead).copied().unwrap_or(0);
        let (lead, next) = (byte(0), byte(1));
        let pair = match self.charset {
            "gbk" => matches!(lead, 0x81..=0xfe) && matches!(next, 0x40..=0x7e | 0x80..=0xfe),
            "gb18030" if matches!(lead, 0x81..=0xfe) && next.is_ascii_digit() => return 4,
            "gb18030" => matches!(lead, 0x81..=0xfe) && matches!(next, 0x40..=0x7e | 0x80..=0xfe),
            "big5" => matches!(lead, 0xa1..=0xf9) && matches!(next, 0x40..=0x7e | 0xa1..=0xfe),
            "sjis" | "cp932" => matches!(lead, 0x81..=0x9f | 0xe0..=0xfc) && matches!(next, 0x40..=0x7e | 0x80..=0xfc),
            _ => false,
        };
        1 + usize::from(pair)
    }

    fn word(&mut self) {
        while let Some(&byte) = self.sql.get(self.at) {
            if !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$' | 0x80..)) {
                return;
            }
            self.at += self.char_len();
        }
    }

    /// Goes behind the closing quote, or to the end: the lexer says what is wrong then.
    fn quoted(&mut self, quote: u8, escapes: bool) {
        self.at += 1;
        while let Some(&byte) = self.sql.get(self.at) {
            if byte == quote {
                self.at += 1;
                if self.sql.get(self.at) != Some(&quote) {
                    return;
                }
                self.at += 1;
            } else if byte == b'\\' && escapes {
                self.at += 2;
            } else {
                self.at += self.char_len();
            }
        }
    }

    /// A string ended here: as it is, or as a hexadecimal literal.
    fn string(&mut self, start: usize, before: Before) -> std::result::Result<(), usize> {
        let end = self.at.min(self.sql.len());
        let raw = self.sql.get(start..end).unwrap_or(&[]);
        let bytes = before == Before::Introducer || (self.binary && before == Before::Other);
        if !bytes || raw.is_ascii() {
            return Ok(());
        }
        self.flush(start)?;
        self.done = end;
        // `_latin1x'..'` would be a name.
        self.out.push_str(if self.out.ends_with(|c: char| c.is_ascii_alphanumeric()) { " x'" } else { "x'" });
        for byte in unescaped(raw, !self.mode.no_backslash_escapes) {
            self.out.push_str(&format!("{byte:02x}"));
        }
        self.out.push('\'');
        Ok(())
    }

    /// Goes behind a comment; false when none begins here. The text in an executable one is text like any other.
    fn comment(&mut self) -> bool {
        let rest = self.sql.get(self.at..).unwrap_or(&[]);
        let line = rest.starts_with(b"#") || (rest.starts_with(b"--") && rest.get(2).is_none_or(|byte| *byte <= b' '));
        let end = if line {
            rest.iter().position(|byte| *byte == b'\n')
        } else if rest.starts_with(b"/*") && !rest.starts_with(b"/*!") && !rest.starts_with(b"/*M!") {
            rest.windows(2).skip(2).position(|pair| pair == b"*/").map(|found| found + 4)
        } else {
            return false;
        };
        self.at += end.unwrap_or(rest.len());
        true
    }

    /// What a comment says is of no account: bytes that are no text there are replaced.
    fn flush_comment(&mut self, start: usize) -> std::result::Result<(), usize> {
        self.flush(start)?;
        let text = self.encoding.decode_without_bom_handling(self.sql.get(start..self.at).unwrap_or(&[])).0;
        self.out.push_str(&text);
        self.done = self.at;
        Ok(())
    }

    fn flush(&mut self, end: usize) -> std::result::Result<(), usize> {
        let part = self.sql.get(self.done..end).unwrap_or(&[]);
        let text = self.encoding.decode_without_bom_handling_and_without_replacement(part).ok_or(self.done)?;
        self.out.push_str(&text);
        self.done = end;
        Ok(())
    }
}

impl Before {
    fn of(word: &[u8]) -> Self {
        let text = std::str::from_utf8(word).unwrap_or("");
        match text.strip_prefix('_').and_then(canonical_charset) {
            Some(_) => Before::Introducer,
            None if text.eq_ignore_ascii_case("COMMENT") => Before::Text,
            None => Before::Other,
        }
    }
}

/// The bytes that a string stands for.
fn unescaped(raw: &[u8], escapes: bool) -> Vec<u8> {
    let quote = raw.first().copied().unwrap_or(b'\'');
    let inner = raw.get(1..raw.len().saturating_sub(1)).unwrap_or(&[]);
    let mut out = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter().copied();
    while let Some(byte) = bytes.next() {
        if byte == b'\\' && escapes {
            match bytes.next() {
                Some(b'0') => out.push(0),
                Some(b'b') => out.push(8),
                Some(b'n') => out.push(b'\n'),
                Some(b'r') => out.push(b'\r'),
                Some(b't') => out.push(b'\t'),
                Some(b'Z') => out.push(0x1a),
                Some(wild @ (b'%' | b'_')) => out.extend([b'\\', wild]),
                Some(other) => out.push(other),
                None => {}
            }
        } else {
            out.push(byte);
            if byte == quote {
                bytes.next();
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const GBK: Option<u16> = Some(28);
    const LATIN1: Option<u16> = Some(8);
    const SJIS: Option<u16> = Some(13);
    const BINARY: Option<u16> = Some(63);

    fn text(sql: &[u8], client: Option<u16>) -> String {
        decode(sql, client, SqlMode::default(), &ServerInfo::default()).unwrap().into_owned()
    }

    #[test]
    fn later_bytes_are_no_quotes() {
        // 0x8b5c and 0x8160: characters whose second byte is a backslash and a backquote.
        assert_eq!(text(b"CREATE TABLE `\x8b\x5c` (a CHAR(9) DEFAULT '\x8b\x5c')", GBK).matches('\'').count(), 2);
        let quoted = text(b"CREATE TABLE `\x81\x60b` (a INT COMMENT '\xc4\xe3')", GBK);
        assert_eq!((quoted.matches('`').count(), quoted.ends_with("COMMENT '你')")), (2, true));
        assert_eq!(text(b"DROP TABLE `\x83\x5c\x95\x5c`", SJIS), "DROP TABLE `ソ表`");
        assert_eq!(text(b"DROP TABLE `\xa4\xe5\xb3\x5c`", Some(1)), "DROP TABLE `文許`");
        assert_eq!(text(b"DROP TABLE `caf\xe9\x80`", LATIN1), "DROP TABLE `café€`");
    }

    #[test]
    fn utf8_is_not_copied() {
        let sql = "CREATE TABLE é (a INT)".as_bytes();
        assert!(matches!(decode(sql, Some(45), SqlMode::default(), &ServerInfo::default()), Ok(Cow::Borrowed(_))));
        assert!(matches!(decode(sql, None, SqlMode::default(), &ServerInfo::default()), Ok(Cow::Borrowed(_))));
        assert!(decode(b"DROP TABLE `\xff`", None, SqlMode::default(), &ServerInfo::default()).is_err());
        assert!(decode(b"DROP TABLE `\xff`", GBK, SqlMode::default(), &ServerInfo::default()).is_err());
        assert!(decode(b"DROP TABLE `\xe9`", Some(4), SqlMode::default(), &ServerInfo::default()).is_err());
    }

    #[test]
    fn introduced_bytes_stay_what_they_are() {
        assert_eq!(text(b"a DEFAULT _latin1 '\xe9\\n'", GBK), "a DEFAULT _latin1 x'e90a'");
        assert_eq!(text(b"a DEFAULT _latin1'abc' COMMENT '\xc4\xe3'", GBK), "a DEFAULT _latin1'abc' COMMENT '你'");
        assert_eq!(text(b"a DEFAULT _binary'\xff''\x00'", Some(45)), "a DEFAULT _binary x'ff2700'");
    }

    #[test]
    fn strings_of_a_binary_client_are_bytes() {
        assert_eq!(text("a DEFAULT 'é' COMMENT 'é'".as_bytes(), BINARY), "a DEFAULT x'c3a9' COMMENT 'é'");
        assert_eq!(text("CREATE TABLE é (a INT) COMMENT='é'".as_bytes(), BINARY), "CREATE TABLE é (a INT) COMMENT='é'");
    }

    #[test]
    fn comments_never_fail() {
        assert_eq!(
            text(b"/* \xff' */ DROP -- \xff\n TABLE t", GBK),
            "/* \u{fffd} */ DROP -- \u{fffd}\n TABLE t".replace("\u{fffd} */", "\u{fffd}' */")
        );
    }
}
