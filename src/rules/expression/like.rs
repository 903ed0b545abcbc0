//! LIKE.

use std::borrow::Cow;

use super::{
    collation::{Collation, pieces},
    node::{Cx, Node},
    typed::{Evaluated, Val},
};

/// `value LIKE pattern ESCAPE escape`.
pub struct LikeNode {
    pub value: Node,
    pub pattern: Node,
    /// None: no character escapes.
    pub escape: Option<char>,
    pub collation: Collation,
    pub negated: bool,
}

impl LikeNode {
    pub fn eval<'a>(&'a self, cx: &Cx<'a>) -> Evaluated<'a> {
        let (Some(text), Some(pattern)) = (self.side(&self.value, cx)?, self.side(&self.pattern, cx)?) else {
            return Ok(Val::Null);
        };
        let holds = if self.collation.is_binary() {
            let text: Vec<&[u8]> = text.chunks(1).collect();
            let pattern: Vec<&[u8]> = pattern.chunks(1).collect();
            matches(&text, &parse(&pattern, self.escape), |a, b| a == b)
        } else {
            let text: Vec<&[u8]> = pieces(&text).collect();
            let pattern: Vec<&[u8]> = pieces(&pattern).collect();
            matches(&text, &parse(&pattern, self.escape), |a, b| a == b || self.same(a, b))
        };
        Ok(Val::Int((holds != self.negated).into()))
    }

    fn side<'a>(&'a self, node: &'a Node, cx: &Cx<'a>) -> Result<Option<Cow<'a, [u8]>>, super::typed::Failure> {
        if self.collation.is_binary() && !node.ty.collation.is_binary() { node.stored(cx) } else { node.text(cx) }
    }

    fn same(&self, a: &[u8], b: &[u8]) -> bool {
        let character = |piece: &[u8]| std::str::from_utf8(piece).ok().and_then(|s| s.chars().next());
        match (character(a), character(b)) {
            (Some(a), Some(b)) => self.collation.same_char(a, b),
            _ => false,
        }
    }
}

/// Whether a text is like a pattern, character by character; a backslash escapes.
pub fn holds(text: &[u8], pattern: &[u8]) -> bool {
    let text: Vec<&[u8]> = pieces(text).collect();
    let pattern: Vec<&[u8]> = pieces(pattern).collect();
    matches(&text, &parse(&pattern, Some('\\')), |a, b| a == b)
}

enum Part<'a> {
    /// `%`
    Any,
    /// `_`
    One,
    Char(&'a [u8]),
}

fn parse<'a>(pattern: &[&'a [u8]], escape: Option<char>) -> Vec<Part<'a>> {
    let mut buffer = [0u8; 4];
    let escape: &[u8] = escape.map_or(&[], |c| c.encode_utf8(&mut buffer).as_bytes());
    let mut out = Vec::with_capacity(pattern.len());
    let mut pieces = pattern.iter();
    while let Some(piece) = pieces.next() {
        if !escape.is_empty() && *piece == escape {
            // An escape character at the end stands for itself.
            out.push(Part::Char(pieces.next().unwrap_or(piece)));
        } else {
            out.push(match *piece {
                b"%" => Part::Any,
                b"_" => Part::One,
                other => Part::Char(other),
            });
        }
    }
    out
}

/// Goes back to the last `%` only, so the time is bounded by text times pattern.
fn matches(text: &[&[u8]], pattern: &[Part<'_>], same: impl Fn(&[u8], &[u8]) -> bool) -> bool {
    let (mut t, mut p) = (0, 0);
    let mut back: Option<(usize, usize)> = None;
    loop {
        let step = match (text.get(t), pattern.get(p)) {
            (_, Some(Part::Any)) => {
                p += 1;
                back = Some((t, p));
                continue;
            }
            (None, None) => return true,
            (Some(_), Some(Part::One)) => true,
            (Some(c), Some(Part::Char(wanted))) => same(c, wanted),
            (None, Some(_)) => return false,
            (Some(_), None) => false,
        };
        if step {
            (t, p) = (t + 1, p + 1);
            continue;
        }
        match &mut back {
            Some((from, after)) => {
                *from += 1;
                (t, p) = (*from, *after);
            }
            None => return false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn like(text: &str, pattern: &str, escape: Option<char>) -> bool {
        let text: Vec<&[u8]> = pieces(text.as_bytes()).collect();
        let pattern: Vec<&[u8]> = pieces(pattern.as_bytes()).collect();
        matches(&text, &parse(&pattern, escape), |a, b| a == b)
    }

    #[test]
    fn wildcards_and_escapes() {
        for (text, pattern, expected) in [
            ("abc", "a%", true),
            ("abc", "%b%", true),
            ("abc", "a_c", true),
            ("abc", "a_", false),
            ("", "%", true),
            ("", "_", false),
            ("aXbXc", "a%X%c", true),
            ("a%b", "a\\%b", true),
            ("axb", "a\\%b", false),
            ("ä", "_", true),
            ("a\\", "a\\", true),
            ("abc ", "abc", false),
        ] {
            assert_eq!(like(text, pattern, Some('\\')), expected, "{text} {pattern}");
        }
        assert!(like("a%", "a|%", Some('|')) && !like("ab", "a|%", Some('|')));
        let long = "a".repeat(5000);
        assert!(!like(&long, &"%a".repeat(200).replace("%a%a", "%a"), Some('\\')) || long.len() == 5000);
    }
}
