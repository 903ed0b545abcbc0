//! Regular expressions as the source's engine reads them, on Rust's: ICU (MySQL from 8.0 on), PCRE (MariaDB) and Spencer's
//! library (MySQL before 8.0). What the engines read alike, or can be said in Rust's syntax, is translated; the rest is refused.

use std::{iter::Peekable, str::Chars};

use regex::bytes::{Regex, RegexBuilder};

use super::{collation::Collation, release::MYSQL_80};
use crate::schema::ServerInfo;

/// Compiled expressions are bounded.
const SIZE_LIMIT: usize = 1 << 20;
const MOST_REPEATS: u32 = 255;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Engine {
    Icu,
    Pcre,
    Spencer,
}

impl Engine {
    pub fn of(server: ServerInfo) -> Engine {
        match (server.is_mariadb(), server.version) {
            (true, _) => Engine::Pcre,
            (false, MYSQL_80..) => Engine::Icu,
            (false, _) => Engine::Spencer,
        }
    }
}

/// How a pattern is matched.
#[derive(Clone, Copy, Debug)]
pub struct How {
    pub engine: Engine,
    pub sensitive: bool,
    /// `.` is any character, line ends too.
    pub dot_all: bool,
    /// Bytes, not characters.
    pub bytes: bool,
}

impl How {
    pub fn of(server: ServerInfo, collation: &Collation) -> How {
        let engine = Engine::of(server);
        // Spencer's library takes each byte of UTF-8 as a character.
        let bytes = collation.is_binary() || engine == Engine::Spencer && collation.charset.is_unicode();
        How { engine, sensitive: collation.is_case_sensitive(), dot_all: false, bytes }
    }
}

/// A compiled pattern.
#[derive(Debug)]
pub struct Pattern {
    regex: Regex,
    /// The groups of the pattern among those of the translation; 0 is the whole.
    groups: Vec<usize>,
    /// Groups that hold the line end behind a `$`, which is no part of the match.
    ends: Vec<usize>,
}

/// A match: where, and where its groups are.
pub struct Found {
    pub start: usize,
    pub end: usize,
    pub groups: Vec<Option<(usize, usize)>>,
}

impl Pattern {
    /// The error says why a pattern is not taken.
    pub fn new(text: &str, how: How) -> Result<Pattern, String> {
        if text.is_empty() {
            return Err("a regular expression is empty".into());
        }
        let mut translator = Translator {
            rest: text.chars().peekable(),
            out: String::new(),
            how,
            count: 0,
            groups: vec![0],
            ends: Vec::new(),
            repeatable: false,
            open: 0,
        };
        translator.all().map_err(|why| format!("the regular expression is not supported: {why}"))?;
        let built = RegexBuilder::new(&translator.out)
            .case_insensitive(!how.sensitive)
            .unicode(!how.bytes)
            .size_limit(SIZE_LIMIT)
            .build();
        let Translator { groups, ends, .. } = translator;
        built.map(|regex| Pattern { regex, groups, ends }).map_err(|e| {
            let text = e.to_string();
            let why = text.lines().last().unwrap_or_default().trim_start_matches("error: ");
            format!("the regular expression is not supported: {why}")
        })
    }

    pub fn is_match(&self, text: &[u8]) -> bool {
        self.regex.is_match(text)
    }

    /// The first match from a place on.
    pub fn find_at(&self, text: &[u8], from: usize) -> Option<Found> {
        let captures = self.regex.captures_at(text, from)?;
        let whole = captures.get(0)?;
        let ends = self.ends.iter().filter_map(|group| captures.get(*group));
        let end = ends.map(|end| end.start()).min().unwrap_or(whole.end());
        let place = |group: &usize| captures.get(*group).map(|m| (m.start().min(end), m.end().min(end)));
        Some(Found { start: whole.start(), end, groups: self.groups.iter().map(place).collect() })
    }

    /// How many groups it has, without the whole.
    pub fn groups(&self) -> usize {
        self.groups.len() - 1
    }
}

struct Translator<'t> {
    rest: Peekable<Chars<'t>>,
    out: String,
    how: How,
    /// Groups of the translation so far.
    count: usize,
    groups: Vec<usize>,
    ends: Vec<usize>,
    /// What was written last can be repeated.
    repeatable: bool,
    open: usize,
}

impl Translator<'_> {
    fn all(&mut self) -> Result<(), String> {
        while let Some(c) = self.rest.next() {
            self.item(c)?;
        }
        if self.open > 0 { Err("a group isn't closed".into()) } else { Ok(()) }
    }

    fn item(&mut self, c: char) -> Result<(), String> {
        let engine = self.how.engine;
        match c {
            '\\' => return self.escape(),
            '[' => self.class()?,
            '(' => return self.group(),
            ')' if self.open > 0 => {
                self.open -= 1;
                self.out.push(')');
            }
            ')' => return Err("a group is closed that isn't open".into()),
            '*' | '+' | '?' => return self.repetition(&c.to_string()),
            '{' => return self.braces(),
            '}' | ']' if engine == Engine::Icu => return Err(format!("a `{c}` without its opening")),
            '|' => {
                self.out.push('|');
                self.repeatable = false;
                return Ok(());
            }
            '.' => self.dot(),
            '^' => {
                self.out.push_str(r"\A");
                self.repeatable = false;
                return Ok(());
            }
            '$' => return self.end(),
            other => self.literal(other),
        }
        self.repeatable = true;
        Ok(())
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        self.repeatable = true;
    }

    fn dot(&mut self) {
        self.out.push_str(match (self.how.engine, self.how.dot_all) {
            (Engine::Spencer, _) | (_, true) => "(?s:.)",
            (Engine::Icu, _) => r"[^\n\x0b\x0c\r\x{85}\x{2028}\x{2029}]",
            (Engine::Pcre, _) => r"[^\n]",
        });
    }

    /// `$`: the end, for ICU and PCRE also before a line end at the end.
    fn end(&mut self) -> Result<(), String> {
        self.repeatable = false;
        let line_end = match self.how.engine {
            Engine::Spencer => {
                self.out.push_str(r"\z");
                return Ok(());
            }
            Engine::Icu => r"\r\n|[\n\x0b\x0c\r\x{85}\x{2028}\x{2029}]",
            Engine::Pcre => r"\n",
        };
        if !matches!(self.rest.peek(), None | Some(')' | '|')) {
            return Err("`$` stands at the end only".into());
        }
        self.count += 1;
        self.ends.push(self.count);
        self.out.push_str(&format!(r"({line_end})?\z"));
        Ok(())
    }

    fn repetition(&mut self, operator: &str) -> Result<(), String> {
        if !self.repeatable {
            return Err(format!("`{operator}` repeats nothing that can be repeated"));
        }
        self.out.push_str(operator);
        self.repeatable = false;
        if self.how.engine == Engine::Spencer {
            return Ok(());
        }
        match self.rest.peek() {
            Some('?') => {
                self.rest.next();
                self.out.push('?');
                Ok(())
            }
            Some('+') => Err("possessive repetition".into()),
            _ => Ok(()),
        }
    }

    /// `{n}`, `{n,}`, `{n,m}`.
    fn braces(&mut self) -> Result<(), String> {
        let inside: String = self.rest.clone().take_while(|c| *c != '}').collect();
        let closed = self.rest.clone().nth(inside.chars().count()) == Some('}');
        let (low, high) = inside.split_once(',').map_or((inside.as_str(), None), |(low, high)| (low, Some(high)));
        let number = |text: &str| {
            let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
            digits.then(|| text.parse::<u32>().ok().filter(|n| *n <= MOST_REPEATS)).flatten()
        };
        let least = number(low);
        let most = high.filter(|high| !high.is_empty()).map(number);
        let ordered = !matches!((least, most), (Some(least), Some(Some(most))) if most < least);
        if !closed || least.is_none() || most == Some(None) || !ordered {
            return Err(r"a `{` that begins no count up to 255 (write `\{`)".into());
        }
        for _ in 0..=inside.chars().count() {
            self.rest.next();
        }
        self.repetition(&format!("{{{inside}}}"))
    }

    fn group(&mut self) -> Result<(), String> {
        self.open += 1;
        self.repeatable = false;
        if self.rest.peek() != Some(&'?') {
            self.count += 1;
            self.groups.push(self.count);
            self.out.push('(');
            return Ok(());
        }
        self.rest.next();
        match (self.how.engine, self.rest.next()) {
            (Engine::Icu | Engine::Pcre, Some(':')) => self.out.push_str("(?:"),
            (Engine::Icu | Engine::Pcre, Some('i')) if self.rest.peek() == Some(&')') => {
                self.rest.next();
                self.open -= 1;
                self.out.push_str("(?i)");
            }
            _ => return Err("a group that begins with `(?`, except `(?:` and `(?i)`".into()),
        }
        Ok(())
    }

    fn escape(&mut self) -> Result<(), String> {
        let c = self.rest.next().ok_or("it ends with a backslash")?;
        if self.how.engine == Engine::Spencer {
            self.literal(c);
            return Ok(());
        }
        match c {
            'd' | 'D' | 'w' | 'W' | 's' | 'S' => {
                let negated = c.is_ascii_uppercase();
                let members = self.shorthand(c.to_ascii_lowercase());
                self.out.push_str(&format!("[{}{members}]", if negated { "^" } else { "" }));
            }
            'b' | 'B' => {
                self.out.push('\\');
                self.out.push(c);
                self.repeatable = false;
                return Ok(());
            }
            'n' | 'r' | 't' | 'f' => {
                self.out.push('\\');
                self.out.push(c);
            }
            _ if c.is_ascii_alphanumeric() => return Err(format!(r"the escape `\{c}`")),
            other => self.literal(other),
        }
        self.repeatable = true;
        Ok(())
    }

    /// What `\d`, `\w` and `\s` are, as members of a class.
    fn shorthand(&self, c: char) -> &'static str {
        match (c, self.how.engine, self.how.bytes) {
            ('d', _, true) => "0-9",
            ('d', ..) => r"\p{Nd}",
            ('w', _, true) => "0-9A-Za-z_",
            ('w', Engine::Icu, _) => r"\w",
            ('w', ..) => r"\p{L}\p{N}_",
            (_, _, true) => r"\t\n\x0b\x0c\r ",
            (_, Engine::Icu, _) => r"\t\n\x0c\r\p{Z}",
            _ => r"\t\n\x0b\x0c\r\x{85}\p{Z}",
        }
    }

    fn class(&mut self) -> Result<(), String> {
        let engine = self.how.engine;
        let mut members = String::from("[");
        if self.rest.next_if_eq(&'^').is_some() {
            members.push('^');
        }
        let mut first = true;
        loop {
            let c = self.rest.next().ok_or("a `[` isn't closed")?;
            match c {
                ']' if !first => break,
                ']' if engine == Engine::Icu => return Err("a `]` at the beginning of a class".into()),
                '[' if matches!(self.rest.peek(), Some(':' | '.' | '=')) => members.push_str(self.named()?),
                '[' if engine == Engine::Icu => return Err("a class within a class".into()),
                '&' | '-' if engine == Engine::Icu && self.rest.peek() == Some(&c) => {
                    return Err(format!("`{c}{c}` in a class"));
                }
                '\\' if engine != Engine::Spencer => match self.rest.next().ok_or("a `[` isn't closed")? {
                    short @ ('d' | 'w' | 's') => members.push_str(self.shorthand(short)),
                    plain @ ('n' | 'r' | 't' | 'f') => members.extend(['\\', plain]),
                    other if other.is_ascii_alphanumeric() => return Err(format!(r"the escape `\{other}` in a class")),
                    other => self.member(other, &mut members)?,
                },
                other => self.member(other, &mut members)?,
            }
            first = false;
        }
        members.push(']');
        self.out.push_str(&members);
        Ok(())
    }

    /// A character of a class, and the other end of its range.
    fn member(&mut self, c: char, members: &mut String) -> Result<(), String> {
        let put = |members: &mut String, c: char| {
            if c.is_ascii_punctuation() {
                members.push('\\');
            }
            members.push(c);
        };
        put(members, c);
        let mut ahead = self.rest.clone();
        if ahead.next() != Some('-') || matches!(ahead.next(), None | Some(']')) {
            return Ok(());
        }
        self.rest.next();
        let to = match self.rest.next() {
            Some('\\') if self.how.engine != Engine::Spencer => {
                self.rest.next().filter(|c| !c.is_ascii_alphanumeric()).ok_or("a range to an escape")?
            }
            Some('[') | None => return Err("a range to a class".into()),
            Some(to) => to,
        };
        // Spencer's library orders by the collation.
        let alike = |c: char| c.is_ascii_digit() || c.is_ascii_lowercase() || c.is_ascii_uppercase();
        if self.how.engine == Engine::Spencer && !(alike(c) && alike(to)) {
            return Err("a range of other characters than letters and digits".into());
        }
        members.push('-');
        put(members, to);
        Ok(())
    }

    /// `[:digit:]` behind its bracket.
    fn named(&mut self) -> Result<&'static str, String> {
        let inside: String = self.rest.clone().skip(1).take_while(|c| c.is_ascii_lowercase()).collect();
        let skip = inside.len() + 1;
        let tail: String = self.rest.clone().skip(skip).take(2).collect();
        if self.rest.peek() != Some(&':') || tail != ":]" {
            return Err("a class by a name that isn't of the form `[:name:]`".into());
        }
        for _ in 0..skip + 2 {
            self.rest.next();
        }
        if self.how.engine != Engine::Icu && !self.how.sensitive && matches!(inside.as_str(), "upper" | "lower") {
            return Err(format!("the class `[:{inside}:]` where capitals count as small letters"));
        }
        // Letters of a one-byte character set, for Spencer's library, are those of the set.
        if self.how.engine == Engine::Spencer && !self.how.bytes && !matches!(inside.as_str(), "digit" | "xdigit") {
            return Err(format!("the class `[:{inside}:]` over this character set"));
        }
        let ascii = self.how.bytes || self.how.engine == Engine::Spencer;
        Ok(match (inside.as_str(), self.how.engine, ascii) {
            // It takes every byte of UTF-8 beyond ASCII as a letter, large and small.
            ("alpha", Engine::Spencer, _) => r"A-Za-z\x80-\xfd",
            ("alnum", Engine::Spencer, _) => r"0-9A-Za-z\x80-\xfd",
            ("lower", Engine::Spencer, _) => r"a-z\x80-\xfd",
            ("upper", Engine::Spencer, _) => r"A-Z\x80-\xfd",
            ("alpha", _, true) => "A-Za-z",
            ("digit", _, true) => "0-9",
            ("alnum", _, true) => "0-9A-Za-z",
            ("lower", _, true) => "a-z",
            ("upper", _, true) => "A-Z",
            ("space", _, true) => r"\t\n\x0b\x0c\r ",
            ("punct", _, true) => r"!-/:-@\[-`{-~",
            ("xdigit", Engine::Pcre | Engine::Spencer, _) => "0-9A-Fa-f",
            ("blank", _, true) => r"\t ",
            ("digit", ..) => r"\p{Nd}",
            ("alpha", Engine::Icu, _) => r"\p{Alphabetic}",
            ("alpha", ..) => r"\p{L}",
            ("alnum", Engine::Icu, _) => r"\p{Alphabetic}\p{Nd}",
            ("alnum", ..) => r"\p{L}\p{N}",
            ("lower", Engine::Icu, _) => r"\p{Lowercase}",
            ("lower", ..) => r"\p{Ll}",
            ("upper", Engine::Icu, _) => r"\p{Uppercase}",
            ("upper", ..) => r"\p{Lu}",
            ("space", ..) => r"\p{White_Space}",
            ("blank", Engine::Icu, _) => r"\t\p{Zs}",
            _ => return Err(format!("the class `[:{inside}:]`")),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pattern(text: &str, engine: Engine) -> Result<Pattern, String> {
        Pattern::new(text, How { engine, sensitive: true, dot_all: false, bytes: engine == Engine::Spencer })
    }

    #[test]
    fn engines_differ() {
        use Engine::{Icu, Pcre, Spencer};
        for (text, subject, holds) in [
            ("a.b", "a\nb", [false, false, true]),
            ("a.b", "a\rb", [false, true, true]),
            ("a$", "a\n", [true, true, false]),
            ("a$", "a\r\n", [true, false, false]),
            ("^.$", "é", [true, true, false]),
            (r"^\d$", "7", [true, true, false]),
            (r"^\d$", "d", [false, false, true]),
            ("^[[:alpha:]]$", "é", [true, true, false]),
            ("[a-]", "-", [true, true, true]),
        ] {
            for (engine, holds) in [Icu, Pcre, Spencer].into_iter().zip(holds) {
                assert_eq!(pattern(text, engine).unwrap().is_match(subject.as_bytes()), holds, "{text} {engine:?}");
            }
        }
    }

    #[test]
    fn line_ends_are_no_part_of_a_match_and_groups_keep_their_numbers() {
        let pattern = pattern("(a$)|(b)(c)$", Engine::Pcre).unwrap();
        let found = pattern.find_at(b"xbc\n", 0).unwrap();
        assert_eq!((found.start, found.end, pattern.groups()), (1, 3, 3));
        assert_eq!(found.groups, [Some((1, 3)), None, Some((1, 2)), Some((2, 3))]);
    }

    #[test]
    fn what_engines_read_in_their_own_ways_is_refused() {
        for bad in ["", "(", ")", "a**", "*a", "a(?=b)", r"\p{L}", "a{", "a$b", r"(a)\1", "[[.a.]]", "[a"] {
            assert!(pattern(bad, Engine::Icu).is_err(), "{bad}");
        }
        assert!(pattern("[]a]", Engine::Icu).is_err() && pattern("[]a]", Engine::Pcre).unwrap().is_match(b"]"));
    }
}
