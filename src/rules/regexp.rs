//! Regular expressions as the original reads them (Go's syntax, RE2), on Rust's engine.
//!
//! The two agree in most things. What differs is translated here, so that a pattern means what it meant before:
//! `\d \w \s \b` know ASCII only; `[` , `&&`, `--` and `~~` inside a class are ordinary characters; `\Q...\E`, octal
//! escapes and a `{` that begins no repetition are allowed; `a++`, `a**` and counts over 1000 are errors, as are flags
//! other than `imsU`. Neither engine has look-around or back-references. `^` and `$` stand for the whole text's ends
//! unless `(?m)`; a match may begin anywhere.

use std::{iter::Peekable, str::Chars};

use regex::{Regex, RegexBuilder};

/// Compiled expressions are bounded, so that a pattern can't eat the worker's memory.
const SIZE_LIMIT: usize = 1 << 20;
/// Go's limit of `{n,m}`.
const MAX_COUNT: u32 = 1000;

/// Compiles an expression in Go's syntax. Err says what is wrong with it.
pub fn compile(expression: &str, case_sensitive: bool) -> Result<Regex, String> {
    let failed = |reason: String| format!("regular expression `{expression}`: {reason}");
    let translated = translate(expression).map_err(failed)?;
    let built = RegexBuilder::new(&translated).case_insensitive(!case_sensitive).size_limit(SIZE_LIMIT).build();
    built.map_err(|error| {
        // The engine's text shows the translated expression over several lines; its last line is the reason.
        let text = error.to_string();
        failed(text.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned())
    })
}

/// What stands before the next character.
#[derive(Clone, Copy, PartialEq)]
enum Last {
    /// Nothing that can be repeated.
    Start,
    Item,
    Repetition,
}

struct Translator<'a> {
    rest: Peekable<Chars<'a>>,
    out: String,
    last: Last,
}

/// The same expression in Rust's syntax.
fn translate(expression: &str) -> Result<String, String> {
    let out = String::with_capacity(expression.len() + 16);
    let mut translator = Translator { rest: expression.chars().peekable(), out, last: Last::Start };
    while let Some(c) = translator.rest.next() {
        translator.item(c)?;
    }
    Ok(translator.out)
}

impl Translator<'_> {
    fn item(&mut self, c: char) -> Result<(), String> {
        match c {
            '\\' => return self.escape(),
            '[' => self.class()?,
            '(' => return self.group(),
            '*' | '+' | '?' => return self.repetition(&c.to_string()),
            '{' => match self.count()? {
                Some(count) => return self.repetition(&count),
                None => self.out.push_str(r"\{"),
            },
            '|' => {
                self.out.push('|');
                self.last = Last::Start;
                return Ok(());
            }
            ')' | '^' | '$' | '.' => self.out.push(c),
            other => self.literal(other),
        }
        self.last = Last::Item;
        Ok(())
    }

    fn literal(&mut self, c: char) {
        self.out.push_str(&regex::escape(c.encode_utf8(&mut [0; 4])));
        self.last = Last::Item;
    }

    fn repetition(&mut self, operator: &str) -> Result<(), String> {
        match self.last {
            Last::Start => return Err(format!("missing argument to repetition operator: `{operator}`")),
            Last::Repetition => return Err(format!("invalid nested repetition operator: `{operator}`")),
            Last::Item => {}
        }
        self.out.push_str(operator);
        if self.rest.next_if_eq(&'?').is_some() {
            self.out.push('?');
        }
        self.last = Last::Repetition;
        Ok(())
    }

    /// After `{`: `n}`, `n,}` or `n,m}`, which is then consumed; None when it is none of these.
    fn count(&mut self) -> Result<Option<String>, String> {
        let inside: String = self.rest.clone().take_while(|c| *c != '}').collect();
        let closed = self.rest.clone().nth(inside.chars().count()) == Some('}');
        let (low, high) = inside.split_once(',').map_or((inside.as_str(), None), |(low, high)| (low, Some(high)));
        let digits = |text: &str| !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
        if !closed || !digits(low) || high.is_some_and(|high| !high.is_empty() && !digits(high)) {
            return Ok(None);
        }
        let number = |text: &str| text.parse::<u32>().ok().filter(|n| *n <= MAX_COUNT);
        let bad = || format!("invalid repeat count: `{{{inside}}}`");
        let least = number(low).ok_or_else(bad)?;
        if let Some(high) = high.filter(|high| !high.is_empty())
            && number(high).ok_or_else(bad)? < least
        {
            return Err(bad());
        }
        for _ in 0..=inside.chars().count() {
            self.rest.next();
        }
        Ok(Some(format!("{{{inside}}}")))
    }

    /// After `(`.
    fn group(&mut self) -> Result<(), String> {
        self.out.push('(');
        self.last = Last::Start;
        if self.rest.next_if_eq(&'?').is_none() {
            return Ok(());
        }
        self.out.push('?');
        let mut text = String::from("(?");
        while let Some(c) = self.rest.next() {
            text.push(c);
            self.out.push(c);
            match c {
                ':' | ')' => return Ok(()),
                'P' | '<' if text.len() == 3 => return self.name(text),
                'i' | 'm' | 's' | 'U' | '-' => {}
                _ => break,
            }
        }
        Err(format!("invalid or unsupported Perl syntax: `{text}`"))
    }

    /// After `(?P` or `(?<`: `name>`.
    fn name(&mut self, mut text: String) -> Result<(), String> {
        if text.ends_with('P') && self.rest.next_if_eq(&'<').is_some() {
            text.push('<');
            self.out.push('<');
        }
        for c in self.rest.by_ref() {
            text.push(c);
            self.out.push(c);
            match c {
                '>' if text.contains('<') => return Ok(()),
                '_' => {}
                other if other.is_ascii_alphanumeric() => {}
                _ => break,
            }
        }
        Err(format!("invalid or unsupported Perl syntax: `{text}`"))
    }

    /// After `\`, outside a class.
    fn escape(&mut self) -> Result<(), String> {
        let Some(c) = self.rest.next() else { return Err("trailing backslash at end of expression".to_owned()) };
        self.last = Last::Item;
        match c {
            'b' | 'B' => {
                let word = if c == 'b' { r"(?-u:\b)" } else { r"(?-u:\B)" };
                self.out.push_str(word);
            }
            'A' | 'z' => {
                self.out.push('\\');
                self.out.push(c);
            }
            'p' | 'P' => self.unicode(c)?,
            'Q' => self.quoted(),
            other => match ascii_class(other) {
                Some(class) => self.out.push_str(class),
                None => {
                    let literal = self.escaped(other)?;
                    self.literal(literal);
                }
            },
        }
        Ok(())
    }

    /// After `\Q`: everything up to `\E` is literal.
    fn quoted(&mut self) {
        while let Some(c) = self.rest.next() {
            if c == '\\' && self.rest.next_if_eq(&'E').is_some() {
                return;
            }
            self.literal(c);
        }
    }

    /// After `\p` or `\P`: one letter or `{Name}`.
    fn unicode(&mut self, sign: char) -> Result<(), String> {
        let text: String = match self.rest.next() {
            Some('{') => {
                let name: String = self.rest.by_ref().take_while(|c| *c != '}').collect();
                format!("\\{sign}{{{name}}}")
            }
            Some(letter) => format!("\\{sign}{letter}"),
            None => return Err(format!("invalid character class range: `\\{sign}`")),
        };
        self.out.push_str(&text);
        Ok(())
    }

    /// The character that `\c` stands for.
    fn escaped(&mut self, c: char) -> Result<char, String> {
        let invalid = || format!("invalid escape sequence: `\\{c}`");
        Ok(match c {
            'a' => '\x07',
            'f' => '\x0c',
            't' => '\t',
            'n' => '\n',
            'r' => '\r',
            'v' => '\x0b',
            'x' => {
                let digits: String = match self.rest.next_if_eq(&'{') {
                    Some(_) => self.rest.by_ref().take_while(|c| *c != '}').collect(),
                    None => self.rest.by_ref().take(2).collect(),
                };
                let hex = digits.chars().all(|d| d.is_ascii_hexdigit());
                let code = u32::from_str_radix(&digits, 16).ok().filter(|_| hex);
                code.and_then(char::from_u32).ok_or_else(invalid)?
            }
            '0'..='7' => {
                let mut code = c.to_digit(8).unwrap_or_default();
                let octal = |c: &char| c.is_digit(8);
                // One digit alone would be a back-reference.
                if c != '0' && !self.rest.peek().is_some_and(octal) {
                    return Err(invalid());
                }
                for _ in 0..2 {
                    let Some(digit) = self.rest.next_if(octal) else { break };
                    code = code * 8 + digit.to_digit(8).unwrap_or_default();
                }
                char::from_u32(code).ok_or_else(invalid)?
            }
            other if other.is_ascii() && !other.is_ascii_alphanumeric() => other,
            _ => return Err(invalid()),
        })
    }

    /// After `[`: the class, with each member spelled so that only its meaning here is left.
    fn class(&mut self) -> Result<(), String> {
        self.out.push('[');
        if self.rest.next_if_eq(&'^').is_some() {
            self.out.push('^');
        }
        let mut first = true;
        loop {
            let Some(c) = self.rest.next() else { return Err("missing closing ]".to_owned()) };
            match c {
                ']' if !first => break,
                '[' if self.rest.peek() == Some(&':') && self.named_class()? => {}
                '\\' if matches!(self.rest.peek(), Some('p' | 'P')) => {
                    let sign = self.rest.next().unwrap_or('p');
                    self.unicode(sign)?;
                }
                '\\' if self.rest.peek().is_some_and(|c| ascii_class(*c).is_some()) => {
                    let class = self.rest.next().and_then(ascii_class).unwrap_or_default();
                    self.out.push_str(class);
                }
                low => self.range(low)?,
            }
            first = false;
        }
        self.out.push(']');
        Ok(())
    }

    /// One character of a class, or a range that begins with it.
    fn range(&mut self, low: char) -> Result<(), String> {
        let low = self.member(low)?;
        let mut ahead = self.rest.clone();
        let mut high = low;
        if ahead.next() == Some('-') && ahead.next().is_some_and(|c| c != ']') {
            self.rest.next();
            let Some(c) = self.rest.next() else { return Err("missing closing ]".to_owned()) };
            high = self.member(c)?;
        }
        if high < low {
            return Err(format!("invalid character class range: `{low}-{high}`"));
        }
        self.out.push_str(&format!("\\x{{{:X}}}-\\x{{{:X}}}", u32::from(low), u32::from(high)));
        Ok(())
    }

    fn member(&mut self, c: char) -> Result<char, String> {
        if c != '\\' {
            return Ok(c);
        }
        match self.rest.next() {
            Some(escaped) => self.escaped(escaped),
            None => Err("trailing backslash at end of expression".to_owned()),
        }
    }

    /// At `:` after `[` inside a class: `:name:]`, which is then consumed. False when it is not closed.
    fn named_class(&mut self) -> Result<bool, String> {
        let text: String = self.rest.clone().collect();
        let Some(end) = text.find(":]").filter(|end| *end > 0) else { return Ok(false) };
        let name = text.get(1..end).unwrap_or_default();
        const NAMES: [&str; 14] = [
            "alnum", "alpha", "ascii", "blank", "cntrl", "digit", "graph", "lower", "print", "punct", "space", "upper",
            "word", "xdigit",
        ];
        if !NAMES.contains(&name.trim_start_matches('^')) {
            return Err(format!("invalid character class range: `[:{name}:]`"));
        }
        self.out.push_str(&format!("[:{name}:]"));
        for _ in 0..name.chars().count() + 3 {
            self.rest.next();
        }
        Ok(true)
    }
}

/// What `\d` and its kin stand for; as an item and inside a class.
fn ascii_class(c: char) -> Option<&'static str> {
    Some(match c {
        'd' => "[0-9]",
        'D' => "[^0-9]",
        's' => r"[\t\n\x0C\r ]",
        'S' => r"[^\t\n\x0C\r ]",
        'w' => "[0-9A-Za-z_]",
        'W' => "[^0-9A-Za-z_]",
        _ => return None,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(expression: &str, text: &str) -> bool {
        compile(expression, true).unwrap_or_else(|e| panic!("{e}")).is_match(text)
    }

    #[test]
    fn ordinary_expressions_are_as_they_were() {
        for (expression, yes, no) in [
            ("^test.*", "test_1", "a_test"),
            ("_2018$", "messages_2018", "messages_2018_old"),
            (r"\A\Qa.b\E\z", "a.b", "axb"),
            ("a|b", "xb", "c"),
            ("^(?:a|b){2,3}?$", "ab", "abab"),
            ("(?i)ABC", "abc", "abd"),
            ("(?P<n>a)(?<m>b)", "ab", "a"),
            (r"^\pL\p{Greek}+\P{L}$", "aβ1", "aa1"),
            ("^a*?b+?c??$", "aabb", "aacc"),
            ("日本[語誌]", "日本語", "日本"),
            ("(?s)a.b", "a\nb", "ab"),
        ] {
            assert!(found(expression, yes) && !found(expression, no), "{expression}");
        }
    }

    #[test]
    fn perl_classes_know_ascii_only() {
        assert!(found(r"^\w+$", "a_1") && !found(r"^\w+$", "é"));
        assert!(found(r"^\W$", "é") && found(r"^\D$", "٣") && !found(r"\d", "٣"));
        assert!(!found(r"\s", "\u{a0}") && !found(r"\s", "\u{b}") && found(r"\S", "\u{a0}"));
        assert!(found(r"é\bx", "éx") && !found(r"a\bx", "ax"));
        assert!(found(r"^[\w-]+$", "a-1") && !found(r"^[\w-]+$", "é") && found(r"[^\d]", "x") && !found(r"[^\d]", "7"));
        assert!(found(r"^[\Da]$", "é") && !found(r"^[\D]$", "7"));
    }

    #[test]
    fn classes_have_no_operators() {
        assert!(found("^[[]$", "[") && found("^[a[b]$", "[") && found("^[]a]$", "]") && found("^[^]a]$", "["));
        assert!(found("^[a&&b]+$", "a&b") && found("^[~~a]$", "~") && found("^[+--]+$", "+,-") && found("^[a-]$", "-"));
        assert!(found("^[[:alpha:]_]+$", "a_") && found("^[[:^digit:]]$", "x") && found("^[[:a]$", ":"));
        assert!(found(r"^[\]\-\\]+$", r"]-\") && found(r"^[\x41-\x{43}]$", "B") && found(r"^[\141-\143]$", "b"));
    }

    #[test]
    fn what_the_other_engine_would_refuse() {
        assert!(found("^a{$", "a{") && found("^a{,5}$", "a{,5}") && found("a}", "a}") && found("a]", "a]"));
        assert!(found(r"^\_\<\/$", "_</") && found(r"^\101\0$", "A\0") && found(r"^\Q{[(\E+$", "{[(("));
    }

    #[test]
    fn errors_are_those_of_the_original() {
        for (expression, reason) in [
            ("a**", "invalid nested repetition operator: `*`"),
            ("a++", "invalid nested repetition operator: `+`"),
            ("a{2}{3}", "invalid nested repetition operator"),
            ("*a", "missing argument to repetition operator: `*`"),
            ("(?!a)", "invalid or unsupported Perl syntax: `(?!`"),
            ("(?<=a)", "invalid or unsupported Perl syntax: `(?<=`"),
            ("(?x)a", "invalid or unsupported Perl syntax: `(?x`"),
            (r"(a)\1", r"invalid escape sequence: `\1`"),
            (r"\C", r"invalid escape sequence: `\C`"),
            (r"\u0041", r"invalid escape sequence: `\u`"),
            ("a{1001}", "invalid repeat count: `{1001}`"),
            ("a{3,2}", "invalid repeat count: `{3,2}`"),
            ("[a", "missing closing ]"),
            ("[z-a]", "invalid character class range: `z-a`"),
            ("[[:nope:]]", "invalid character class range: `[:nope:]`"),
            ("a\\", "trailing backslash at end of expression"),
            ("(a", "unclosed group"),
            ("a)", "unopened group"),
            (r"\xZZ", r"invalid escape sequence: `\x`"),
        ] {
            let error = compile(expression, true).unwrap_err();
            assert!(error.contains(reason) && !error.contains('\n'), "{expression}: {error}");
        }
        assert!(compile("(?:a{1000}){1000}", true).is_err());
    }
}
