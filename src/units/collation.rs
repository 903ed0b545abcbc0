//! Collations that only one of MySQL and MariaDB knows, and their equal on the other side.

/// (MySQL 8 and later, MariaDB 10.10 and later): the same Unicode rules without padding.
const PAIRS: [(&str, &str); 4] = [
    ("utf8mb4_0900_ai_ci", "utf8mb4_uca1400_nopad_ai_ci"),
    ("utf8mb4_0900_as_ci", "utf8mb4_uca1400_nopad_as_ci"),
    ("utf8mb4_0900_as_cs", "utf8mb4_uca1400_nopad_as_cs"),
    ("utf8mb4_0900_bin", "utf8mb4_nopad_bin"),
];
/// MariaDB's padding forms have no exact equal on MySQL; these compare the same but for trailing blanks.
const PADDED: [(&str, &str); 3] = [
    ("utf8mb4_uca1400_ai_ci", "utf8mb4_0900_ai_ci"),
    ("utf8mb4_uca1400_as_ci", "utf8mb4_0900_as_ci"),
    ("utf8mb4_uca1400_as_cs", "utf8mb4_0900_as_cs"),
];

/// The server's error number of a collation that it doesn't know.
pub const UNKNOWN_COLLATION: u16 = 1273;

/// The statement with every collation that the other flavor doesn't know replaced by its equal there. None when the
/// statement has none. Use it after error 1273 only. Words inside string literals stay.
pub fn translate(sql: &str) -> Option<String> {
    let mut out = String::with_capacity(sql.len());
    let (mut changed, mut word_from) = (false, None);
    let mut quote: Option<char> = None;
    for (at, c) in sql.char_indices() {
        if quote.is_none() && (c.is_ascii_alphanumeric() || c == '_') {
            word_from.get_or_insert(at);
            continue;
        }
        if let Some(from) = word_from.take() {
            push_word(&mut out, &sql[from..at], &mut changed);
        }
        match quote {
            Some(q) if c == q => quote = None,
            None if matches!(c, '\'' | '"' | '`') => quote = Some(c),
            _ => {}
        }
        out.push(c);
    }
    if let Some(from) = word_from {
        push_word(&mut out, &sql[from..], &mut changed);
    }
    changed.then_some(out)
}

fn push_word(out: &mut String, word: &str, changed: &mut bool) {
    let there = PAIRS.iter().find(|(a, _)| a.eq_ignore_ascii_case(word)).map(|(_, b)| *b);
    let back = || PAIRS.iter().find(|(_, b)| b.eq_ignore_ascii_case(word)).map(|(a, _)| *a);
    let padded = || PADDED.iter().find(|(a, _)| a.eq_ignore_ascii_case(word)).map(|(_, b)| *b);
    match there.or_else(back).or_else(padded) {
        Some(other) => {
            *changed = true;
            out.push_str(other);
        }
        None => out.push_str(word),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_directions() {
        let sql = "CREATE TABLE `utf8mb4_0900_ai_ci` (a text COLLATE utf8mb4_0900_ai_ci) COMMENT='utf8mb4_0900_ai_ci' COLLATE=utf8mb4_0900_bin";
        let want = "CREATE TABLE `utf8mb4_0900_ai_ci` (a text COLLATE utf8mb4_uca1400_nopad_ai_ci) COMMENT='utf8mb4_0900_ai_ci' COLLATE=utf8mb4_nopad_bin";
        assert_eq!(translate(sql).as_deref(), Some(want));
        assert_eq!(translate(want).as_deref(), Some(sql));
        assert_eq!(translate("COLLATE utf8mb4_uca1400_ai_ci").as_deref(), Some("COLLATE utf8mb4_0900_ai_ci"));
        assert_eq!(translate("CREATE TABLE t (a int)"), None);
    }
}
