//! The statements of a packet, and the literals in them of bytes that may be no text.
//!
//! Read are statements as this program writes them, and the INSERTs of dump files: names in backquotes, backslashes in
//! strings, `_charset x'..'` for bytes that go as they are (decision 13).

use std::ops::Range;

use crate::{schema::model::TableId, units::load::bytes::values};

/// A literal `_charset x'..'` whose bytes may be no text of the character set.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Suspect {
    /// Where it stands, with the comment that makes servers refuse it.
    pub place: Range<usize>,
    pub charset: String,
    pub bytes: Vec<u8>,
}

/// What a statement that holds some does.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    pub table: TableId,
    pub kind: Kind,
}

#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Where the values of each row stand. `columns` is empty where the statement names none: `flat` are all values then.
    Insert {
        columns: Vec<String>,
        flat: Vec<Range<usize>>,
        replaces: bool,
        ignores: bool,
    },
    /// Assigned columns, and where the condition stands.
    Update {
        assigned: Vec<(String, Range<usize>)>,
        condition: Range<usize>,
    },
    Delete,
}

/// Behind the string, quoted name or comment that begins at `at`, else the next byte.
fn behind(sql: &[u8], at: usize) -> usize {
    let rest = sql.get(at..).unwrap_or_default();
    let length = match rest {
        [quote @ (b'\'' | b'"'), inner @ ..] => {
            let mut escaped = false;
            let end = inner.iter().position(|byte| {
                let ends = !escaped && byte == quote;
                escaped = !escaped && *byte == b'\\';
                ends
            });
            end.map(|end| end + 2)
        }
        [b'`', inner @ ..] => memchr::memchr(b'`', inner).map(|end| end + 2),
        [b'/', b'*', inner @ ..] => memchr::memmem::find(inner, b"*/").map(|end| end + 4),
        _ => Some(1),
    };
    at + length.unwrap_or(rest.len()).max(1)
}

/// The statements of a packet that are parted by `;`.
pub fn statements(packet: &[u8]) -> Vec<&[u8]> {
    let (mut out, mut from, mut at) = (Vec::new(), 0, 0);
    while at < packet.len() {
        if packet.get(at) == Some(&b';') {
            out.push(packet.get(from..at).unwrap_or_default());
            from = at + 1;
        }
        at = behind(packet, at);
    }
    out.push(packet.get(from..).unwrap_or_default());
    out.into_iter().map(<[u8]>::trim_ascii).filter(|statement| !statement.is_empty()).collect()
}

fn is_word(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// The character set that an error about a statement names: that of its first literal.
pub fn charset(suspects: &[Suspect]) -> &str {
    suspects.first().map_or("such", |suspect| suspect.charset.as_str())
}

/// The literals of a statement of which a server may say that they are no text.
pub fn suspects(sql: &[u8]) -> Vec<Suspect> {
    let (mut out, mut at, mut word) = (Vec::new(), 0, false);
    while let Some(byte) = sql.get(at) {
        if *byte == b'_'
            && !word
            && let Some(suspect) = suspect(sql, at)
        {
            at = suspect.place.end;
            word = false;
            if !is_text(&suspect) {
                out.push(suspect);
            }
            continue;
        }
        word = is_word(*byte);
        at = behind(sql, at);
    }
    out
}

fn suspect(sql: &[u8], at: usize) -> Option<Suspect> {
    let name = sql.get(at + 1..)?;
    let length = name.iter().position(|byte| !is_word(*byte))?;
    let charset = std::str::from_utf8(name.get(..length)?).ok()?.to_owned();
    let digits = name.get(length..)?.strip_prefix(b" x'")?;
    let count = memchr::memchr(b'\'', digits)?;
    let bytes = unhex(digits.get(..count)?)?;
    let mut end = at + 1 + length + 3 + count + 1;
    // The comments of `literal`.
    for comment in [crate::mysql::literal::NO_UTF8, crate::mysql::literal::NO_ASCII] {
        if sql.get(end..)?.starts_with(comment.as_bytes()) {
            end += comment.len();
        }
    }
    Some(Suspect { place: at..end, charset, bytes })
}

/// The bytes of hexadecimal digits.
pub fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).map(|digit| digit as u8);
    digits.chunks(2).map(|pair| Some(digit(*pair.first()?)? << 4 | digit(*pair.get(1)?)?)).collect()
}

/// Whether a server surely takes the bytes as text of their character set.
fn is_text(suspect: &Suspect) -> bool {
    match suspect.charset.as_str() {
        "utf8mb4" => std::str::from_utf8(&suspect.bytes).is_ok(),
        "ascii" => suspect.bytes.is_ascii(),
        "binary" => true,
        charset => !is_unicode(charset) && crate::schema::charset::max_bytes(charset) == 1,
    }
}

fn is_unicode(charset: &str) -> bool {
    matches!(charset, "utf8" | "utf8mb3" | "utf16" | "utf16le" | "utf32" | "ucs2")
}

/// Reads names `` `a`.`b` `` at `at`; gives them and where they end.
fn names(sql: &[u8], mut at: usize) -> Option<(Vec<String>, usize)> {
    let mut out = Vec::new();
    loop {
        let mut name = String::new();
        while sql.get(at) == Some(&b'`') {
            let end = behind(sql, at);
            if !name.is_empty() {
                // Doubled: a quote of its own.
                name.push('`');
            }
            name.push_str(std::str::from_utf8(sql.get(at + 1..end.checked_sub(1)?)?).ok()?);
            at = end;
        }
        out.push(name);
        if sql.get(at) != Some(&b'.') {
            return Some((out, at));
        }
        at += 1;
    }
}

/// Where `word` stands outside of quotes, from `at` on.
fn find(sql: &[u8], mut at: usize, word: &[u8]) -> Option<usize> {
    while at < sql.len() {
        if sql.get(at..)?.starts_with(word) {
            return Some(at);
        }
        at = behind(sql, at);
    }
    None
}

/// What a statement does; None: it isn't one of those that write rows, or not in the form that is known here.
pub fn read(sql: &[u8]) -> Option<Statement> {
    let first = memchr::memchr(b'`', sql)?;
    let verb = std::str::from_utf8(sql.get(..first)?).ok()?.to_ascii_uppercase();
    let (parts, end) = names(sql, first)?;
    let [schema, name] = <[String; 2]>::try_from(parts).ok()?;
    let table = TableId::new(schema, name);
    let kind = match verb.split(' ').next()? {
        "INSERT" | "REPLACE" => {
            let start = find(sql, end, b"VALUES")?;
            let list = sql.get(end..start)?;
            let mut columns = Vec::new();
            for place in values(list) {
                columns.extend(names(list.get(place)?, 0)?.0);
            }
            let rows = start + "VALUES".len();
            let flat = values(sql.get(rows..)?).into_iter().map(|place| place.start + rows..place.end + rows).collect();
            Kind::Insert { columns, flat, replaces: verb.starts_with("REPLACE"), ignores: verb.contains("IGNORE") }
        }
        "UPDATE" => {
            let mut at = find(sql, end, b" SET ")? + " SET ".len();
            let condition = find(sql, at, b" WHERE ")?;
            let mut assigned = Vec::new();
            while at < condition {
                let (column, equals) = names(sql, at)?;
                let end = assignment(sql, equals, condition);
                assigned.push((column.into_iter().next()?, equals + 1..end));
                at = end + 1;
            }
            let limit = find(sql, condition, b" LIMIT 1").unwrap_or(sql.len());
            Kind::Update { assigned, condition: condition + " WHERE ".len()..limit }
        }
        "DELETE" => Kind::Delete,
        _ => return None,
    };
    Some(Statement { table, kind })
}

/// Where the assignment that is read from `at` on ends.
fn assignment(sql: &[u8], mut at: usize, limit: usize) -> usize {
    let mut depth = 0;
    while at < limit {
        match sql.get(at) {
            Some(b'(') => depth += 1,
            Some(b')') => depth -= 1,
            Some(b',') if depth == 0 => return at,
            _ => {}
        }
        at = behind(sql, at);
    }
    limit
}

/// A part of a statement in which conditions on suspects (`` `c`=_utf8mb4 x'..' ``) compare bytes instead.
pub fn by_bytes(sql: &[u8], part: Range<usize>, suspects: &[Suspect]) -> Option<Vec<u8>> {
    let (mut out, mut from) = (Vec::new(), part.start);
    for suspect in suspects.iter().filter(|s| s.place.start >= part.start && s.place.end <= part.end) {
        let before = sql.get(from..suspect.place.start)?;
        let hex = hex(&suspect.bytes);
        from = suspect.place.end;
        if let Some(head) = before.strip_suffix(b"CONVERT(") {
            // `CONVERT(.. USING charset)` of the same bytes.
            out.extend_from_slice(head);
            from += sql.get(from..)?.iter().position(|byte| *byte == b')')? + 1;
        } else {
            let (compare, name_end) = [" = ", "=", " IN ("].into_iter().find_map(|compare| {
                before
                    .strip_suffix(compare.as_bytes())
                    .filter(|rest| rest.ends_with(b"`"))
                    .map(|rest| (compare, rest.len()))
            })?;
            let name = before.get(..name_end)?;
            let start = name_start(name)?;
            out.extend_from_slice(name.get(..start)?);
            if compare == " = " && sql.get(from..)?.starts_with(b" AND CAST(") {
                // Behind it stands the comparison of bytes. MySQL finds no row by two such conditions on one column.
                out.extend_from_slice(name.get(start..)?);
                out.extend_from_slice(b" IS NOT NULL");
                continue;
            }
            out.extend_from_slice(b"CAST(");
            out.extend_from_slice(name.get(start..)?);
            out.extend_from_slice(b" AS BINARY)");
            out.extend_from_slice(compare.as_bytes());
        }
        out.extend_from_slice(hex.as_bytes());
    }
    out.extend_from_slice(sql.get(from..part.end)?);
    Some(out)
}

/// Where the quoted name begins with which a text ends.
fn name_start(text: &[u8]) -> Option<usize> {
    let (mut at, mut last) = (0, None);
    while at < text.len() {
        if text.get(at) == Some(&b'`') && last.is_none_or(|(_, end)| end != at) {
            last = Some((at, behind(text, at)));
        } else if text.get(at) == Some(&b'`') {
            last = last.map(|(start, _)| (start, behind(text, at)));
        }
        at = behind(text, at);
    }
    last.filter(|(_, end)| *end == text.len()).map(|(start, _)| start)
}

/// Bytes as a literal.
pub fn hex(bytes: &[u8]) -> String {
    let mut out = String::new();
    crate::mysql::literal::hex(bytes, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn strings(all: Vec<&[u8]>) -> Vec<&str> {
        all.into_iter().map(|s| std::str::from_utf8(s).unwrap()).collect()
    }

    #[test]
    fn a_packet_is_parted_outside_of_quotes() {
        let packet = br#"BEGIN; INSERT INTO `a;``b`.`t` VALUES (';','\';','''',"x;"); /*! a; */ SELECT 1;COMMIT"#;
        let parts = strings(statements(packet));
        assert_eq!(parts.len(), 4);
        assert_eq!(parts[1], r#"INSERT INTO `a;``b`.`t` VALUES (';','\';','''',"x;")"#);
        assert_eq!(strings(statements(b"a; 'open; b")), ["a", "'open; b"]);
        assert!(statements(b"").is_empty());
    }

    #[test]
    fn suspects_are_literals_that_may_be_no_text() {
        let sql =
            b"SET `a`=_utf8mb4 x'61ff' /*T! COLLATE ascii_bin */,b='_gbk x''81ff''',c=_latin1 x'ff',d=_gbk x'81FF',\
                    e=_utf8mb4 x'c3a9',f=_ascii x'ff' /*!80000 COLLATE utf8mb4_bin */,`_gbk x`=x_gbk";
        let found = suspects(sql);
        let texts: Vec<_> = found.iter().map(|s| std::str::from_utf8(&sql[s.place.clone()]).unwrap()).collect();
        let want = [
            "_utf8mb4 x'61ff' /*T! COLLATE ascii_bin */",
            "_gbk x'81FF'",
            "_ascii x'ff' /*!80000 COLLATE utf8mb4_bin */",
        ];
        assert_eq!(texts, want);
        assert_eq!((found[1].charset.as_str(), found[1].bytes.as_slice()), ("gbk", &b"\x81\xff"[..]));
        assert!(suspects(b"_gbk x'8").is_empty() && suspects(b"_utf8mb4 x'f'").is_empty());
    }

    #[test]
    fn statements_are_read_as_they_are_written() {
        let sql = b"INSERT IGNORE INTO `d`.`t``x` (`a`,`b`) VALUES (1,'x'),(2,_gbk x'81ff')";
        let Some(Statement { table, kind: Kind::Insert { columns, flat, replaces, ignores } }) = read(sql) else {
            panic!()
        };
        assert_eq!((table, columns.join("|")), (TableId::new("d", "t`x"), "a|b".to_owned()));
        assert_eq!((flat.len(), &sql[flat[3].clone()], replaces, ignores), (4, &b"_gbk x'81ff'"[..], false, true));
        let sql = b"UPDATE `d`.`t` SET `a`=JSON_SET('x',1),`b`=_gbk x'81ff' WHERE `id`=5 LIMIT 1";
        let Some(Statement { kind: Kind::Update { assigned, condition }, .. }) = read(sql) else { panic!() };
        assert_eq!(assigned.iter().map(|(c, _)| c.as_str()).collect::<Vec<_>>(), ["a", "b"]);
        assert_eq!((&sql[assigned[0].1.clone()], &sql[condition]), (&b"JSON_SET('x',1)"[..], &b"`id`=5"[..]));
        assert_eq!(read(b"DELETE FROM `d`.`t` WHERE `a` IN (1)").unwrap().kind, Kind::Delete);
        assert!(
            read(b"SET x = 1").is_none()
                && read(b"ALTER TABLE `a`.`b` ADD c INT").is_none()
                && read(b"UPDATE `a").is_none()
        );
    }

    #[test]
    fn conditions_compare_bytes() {
        let turned = |sql: &str| {
            let suspects = suspects(sql.as_bytes());
            by_bytes(sql.as_bytes(), 0..sql.len(), &suspects).map(|sql| String::from_utf8(sql).unwrap())
        };
        assert_eq!(turned("(`a`=1 AND `k``=1`=_gbk x'81ff')").unwrap(), "(`a`=1 AND CAST(`k``=1` AS BINARY)=x'81ff')");
        assert_eq!(turned("`k` IN (_gbk x'81ff')").unwrap(), "CAST(`k` AS BINARY) IN (x'81ff')");
        let two = "`c` = _gbk x'81ff' AND CAST(`c` AS BINARY) = CAST(CONVERT(_gbk x'81ff' USING gbk) AS BINARY)";
        let want = "`c` IS NOT NULL AND CAST(`c` AS BINARY) = CAST(x'81ff' AS BINARY)";
        assert_eq!(turned(two).unwrap(), want);
        assert_eq!(turned("f(_gbk x'81ff')"), None);
        assert_eq!(turned("`c` = 1").unwrap(), "`c` = 1");
    }
}
