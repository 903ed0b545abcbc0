//! Names and texts inside SQL.

/// A name in backquotes; quotes inside are doubled. Exact under every sql_mode.
pub fn quote_ident(name: &str) -> String {
    let mut out = String::with_capacity(name.len() + 2);
    push_ident(&mut out, name);
    out
}

/// Appends a quoted name.
pub fn push_ident(out: &mut String, name: &str) {
    out.push('`');
    for part in name.split_inclusive('`') {
        out.push_str(part);
        if part.ends_with('`') {
            out.push('`');
        }
    }
    out.push('`');
}

/// `` `schema`.`table` ``.
pub fn quote_table(schema: &str, table: &str) -> String {
    let mut out = String::with_capacity(schema.len() + table.len() + 5);
    push_ident(&mut out, schema);
    out.push('.');
    push_ident(&mut out, table);
    out
}

/// A string literal of UTF-8 text, exact under every sql_mode and connection charset: plain texts in single quotes, texts
/// with backslashes or control characters as `_utf8mb4 0x..`.
pub fn quote_text(text: &str) -> String {
    if text.bytes().all(|b| b.is_ascii_graphic() && b != b'\\' || b == b' ') {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut out = String::with_capacity(text.len() * 2 + 12);
    out.push_str("_utf8mb4 0x");
    for byte in text.bytes() {
        for digit in [byte >> 4, byte & 15] {
            out.push(char::from_digit(digit.into(), 16).unwrap_or('0').to_ascii_uppercase());
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quotes_inside_names_are_doubled() {
        assert_eq!(quote_ident("a`b"), "`a``b`");
        assert_eq!(quote_ident("``"), "``````");
        assert_eq!(quote_table("a b", "t.`"), "`a b`.`t.```");
    }

    #[test]
    fn texts_do_not_depend_on_the_mode() {
        assert_eq!(quote_text("it's"), "'it''s'");
        assert_eq!(quote_text("a\\'"), "_utf8mb4 0x615C27");
        assert_eq!(quote_text("ü"), "_utf8mb4 0xC3BC");
        assert_eq!(quote_text(""), "''");
    }
}
