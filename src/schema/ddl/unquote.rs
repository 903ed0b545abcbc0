//! The values of tokens: names and strings without their quotes, bytes of hexadecimal and bit literals.

use std::borrow::Cow;

/// What a name in quotes says: the doubled quote stands for one.
pub(super) fn name(token: &str) -> Cow<'_, str> {
    let Some(quote) = token.chars().next().filter(|c| matches!(c, '`' | '"')) else { return Cow::Borrowed(token) };
    let inner = inside(token, 1);
    if inner.contains(quote) { Cow::Owned(undouble(inner, quote)) } else { Cow::Borrowed(inner) }
}

/// What a string says, `N'..'` included.
pub(super) fn text(token: &str, escapes: bool) -> Cow<'_, str> {
    let head = if token.starts_with(['n', 'N']) { 2 } else { 1 };
    let quote = if token.starts_with('"') { '"' } else { '\'' };
    let inner = inside(token, head);
    let special = |c| c == quote || (escapes && c == '\\');
    if !inner.contains(special) {
        return Cow::Borrowed(inner);
    }
    if !escapes {
        return Cow::Owned(undouble(inner, quote));
    }
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        if c == '\\' {
            chars.next().into_iter().for_each(|escaped| push_escaped(&mut value, escaped));
        } else {
            value.push(c);
            if c == quote {
                chars.next();
            }
        }
    }
    Cow::Owned(value)
}

/// The bytes of `x'..'`, `0x..`, `b'..'` or `0b..`; the lexer has checked the digits.
pub(super) fn bytes(token: &str) -> Vec<u8> {
    let quoted = token.ends_with('\'');
    let digits = token.get(2..token.len() - usize::from(quoted)).unwrap_or("");
    let (base, each) = if token.as_bytes().get(usize::from(!quoted)).is_some_and(|b| matches!(b, b'b' | b'B')) {
        (2, 8)
    } else {
        (16, 2)
    };
    let missing = (each - digits.len() % each) % each;
    let padded = format!("{}{digits}", "0".repeat(missing));
    padded
        .as_bytes()
        .chunks(each)
        .map(|chunk| chunk.iter().fold(0_u32, |n, b| n * base + char::from(*b).to_digit(base).unwrap_or(0)) as u8)
        .collect()
}

/// The text between the quotes; `head` bytes stand before it.
fn inside(token: &str, head: usize) -> &str {
    token.len().checked_sub(1).and_then(|end| token.get(head..end)).unwrap_or("")
}

fn undouble(inner: &str, quote: char) -> String {
    let mut value = String::with_capacity(inner.len());
    let mut chars = inner.chars();
    while let Some(c) = chars.next() {
        value.push(c);
        if c == quote {
            chars.next();
        }
    }
    value
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values() {
        assert_eq!(name("`a``b`"), "a`b");
        assert_eq!(name("\"a\"\"b\""), "a\"b");
        assert_eq!(name("plain"), "plain");
        assert_eq!(text(r"'a\'b''c'", true), "a'b'c");
        assert_eq!(text(r"'c\'", false), "c\\");
        assert_eq!(text("N'x'", true), "x");
        assert_eq!(text(r#""it's ""x""\n""#, true), "it's \"x\"\n");
        assert_eq!(text(r"'50\%\0'", true), "50\\%\0");
        assert_eq!([bytes("0x41"), bytes("x'0141'"), bytes("0x141")], [vec![0x41], vec![1, 0x41], vec![1, 0x41]]);
        assert_eq!([bytes("b'101'"), bytes("0b100000001"), bytes("x''")], [vec![5], vec![1, 1], vec![]]);
    }
}
