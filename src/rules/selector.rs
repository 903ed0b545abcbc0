//! DM's name patterns: wildcards, or a regular expression after `~`. The one matcher of block-allow lists, routes, event
//! and expression filters.

use regex::Regex;

use super::regexp;

/// One compiled name pattern.
#[derive(Clone, Debug)]
pub struct Selector {
    text: String,
    matcher: Matcher,
    fold_case: bool,
}

#[derive(Clone, Debug)]
enum Matcher {
    Wildcard { atoms: Vec<Atom>, open_end: bool },
    Regexp(Regex),
}

#[derive(Clone, PartialEq, Debug)]
enum Atom {
    One(char),
    Any,
    Class { ranges: Vec<(char, char)>, negated: bool },
}

impl Selector {
    /// Compiles a pattern: `*` (only at the end) any rest, `?` any character, `[a-z]` and `[!x]` classes; after a
    /// leading `~` a regular expression, found anywhere in the name. Err says what is wrong with the pattern.
    pub fn new(pattern: &str, case_sensitive: bool) -> Result<Self, String> {
        match pattern.strip_prefix('~') {
            Some(expression) => {
                let matcher = Matcher::Regexp(regexp::compile(expression, case_sensitive)?);
                Ok(Selector { text: pattern.to_owned(), matcher, fold_case: false })
            }
            None => Self::wildcard(pattern, case_sensitive),
        }
    }

    /// Compiles a wildcard pattern; a leading `~` is an ordinary character.
    pub fn wildcard(pattern: &str, case_sensitive: bool) -> Result<Self, String> {
        let folded = if case_sensitive { pattern.to_owned() } else { pattern.to_lowercase() };
        if folded.is_empty() {
            return Err("a pattern is empty".to_owned());
        }
        let mut atoms = Vec::new();
        let mut open_end = false;
        let mut chars = folded.chars().peekable();
        while let Some(c) = chars.next() {
            match c {
                '*' if chars.peek().is_none() => open_end = true,
                '*' => return Err(format!("pattern `{pattern}`: `*` may only be the last character")),
                '?' => atoms.push(Atom::Any),
                '[' => atoms.push(class(&mut chars).ok_or_else(|| format!("pattern `{pattern}`: bad `[...]`"))?),
                other => atoms.push(Atom::One(other)),
            }
        }
        let matcher = Matcher::Wildcard { atoms, open_end };
        Ok(Selector { text: pattern.to_owned(), matcher, fold_case: !case_sensitive })
    }

    /// The pattern as its owner wrote it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// What its owner may have meant otherwise, for explanations.
    pub fn hint(&self) -> Option<String> {
        let Matcher::Wildcard { .. } = self.matcher else { return None };
        let text = self.text.as_str();
        let regexp =
            text.contains(".*") || text.starts_with('^') || text.ends_with('$') || text.contains(['\\', '|', '+']);
        let tilde = text.starts_with('~');
        (regexp || tilde).then(|| {
            if tilde {
                format!(
                    "`{text}`: here `~` is an ordinary character; event filters have no regular expressions for names"
                )
            } else {
                format!("`{text}` is a wildcard pattern; a regular expression begins with `~`")
            }
        })
    }

    /// Whether a name matches.
    pub fn matches(&self, name: &str) -> bool {
        match &self.matcher {
            Matcher::Regexp(expression) => expression.is_match(name),
            Matcher::Wildcard { atoms, open_end } if self.fold_case => {
                wildcard_matches(atoms, *open_end, &name.to_lowercase())
            }
            Matcher::Wildcard { atoms, open_end } => wildcard_matches(atoms, *open_end, name),
        }
    }
}

/// Reads the class after `[`, up to its `]`. At least one member.
fn class(chars: &mut std::iter::Peekable<std::str::Chars<'_>>) -> Option<Atom> {
    let negated = chars.next_if_eq(&'!').is_some();
    let mut ranges = Vec::new();
    loop {
        let low = chars.next()?;
        if low == ']' {
            return if ranges.is_empty() { None } else { Some(Atom::Class { ranges, negated }) };
        }
        let high = match chars.next_if_eq(&'-') {
            Some(_) => chars.next().filter(|high| *high != ']' && *high >= low)?,
            None => low,
        };
        ranges.push((low, high));
    }
}

fn wildcard_matches(atoms: &[Atom], open_end: bool, name: &str) -> bool {
    let mut chars = name.chars();
    for atom in atoms {
        let Some(c) = chars.next() else { return false };
        let hit = match atom {
            Atom::One(wanted) => *wanted == c,
            Atom::Any => true,
            Atom::Class { ranges, negated } => ranges.iter().any(|(low, high)| (*low..=*high).contains(&c)) != *negated,
        };
        if !hit {
            return false;
        }
    }
    open_end || chars.next().is_none()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn matches(pattern: &str, name: &str) -> bool {
        Selector::new(pattern, false).unwrap().matches(name)
    }

    #[test]
    fn wildcards() {
        assert!(matches("test*", "test") && matches("test*", "test_1") && !matches("test*", "tes"));
        assert!(matches("*", "") && matches("*", "anything"));
        assert!(matches("t?", "t1") && !matches("t?", "t") && !matches("t?", "t12"));
        assert!(matches("t[1-5]", "t3") && !matches("t[1-5]", "t6"));
        assert!(matches("t[!x]", "ty") && !matches("t[!x]", "tx"));
        assert!(matches("t[ace-g]*", "tf99") && !matches("t[ace-g]*", "td"));
        assert!(matches("^m.*", "^m.x") && !matches("^m.*", "mx"));
        assert!(matches("日本?", "日本語"));
    }

    #[test]
    fn regular_expressions() {
        assert!(matches("~^test.*", "TEST_1") && !matches("~^test.*", "a_test"));
        assert!(matches("~_2018$", "messages_2018"));
        assert!(matches(r"~^t\D$", "tx") && !matches(r"~^t\D$", "t1"));
        assert!(!Selector::new("~^Test", true).unwrap().matches("test"));
    }

    #[test]
    fn case() {
        assert!(matches("Test_[A-C]", "tEST_b"));
        assert!(!Selector::new("Test", true).unwrap().matches("test"));
        assert!(Selector::new("Test", true).unwrap().matches("Test"));
    }

    #[test]
    fn patterns_that_look_like_something_else() {
        let hint = |pattern: &str| Selector::wildcard(pattern, false).unwrap().hint();
        assert!(hint("test.*").unwrap().contains("begins with `~`") && hint("^messages.*").is_some());
        assert!(hint("~^a").unwrap().contains("no regular expressions for names"));
        assert!(hint("test_*").is_none() && hint("a.b").is_none());
        assert!(Selector::new("~^a", false).unwrap().hint().is_none());
    }

    #[test]
    fn bad_patterns() {
        for pattern in ["", "a*b", "[", "[]", "[!]", "[a-", "[z-a]", "~(", "~[a", "~a{1000}{1000}{1000}"] {
            assert!(Selector::new(pattern, false).is_err(), "{pattern}");
        }
    }
}
