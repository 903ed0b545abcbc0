//! Key values folded so that values which any collation may hold equal fold to the same bytes.
//!
//! Two changes whose folded keys are equal are treated as touching the same row or unique value, so folding too much
//! costs a little parallelism, folding too little would cost correctness. Hence: case, accents, width, kana, ligatures,
//! trailing blanks and control characters are removed for every character column, whatever its collation says.

use unicode_normalization::{UnicodeNormalization, char::is_combining_mark};

/// Appends the folded form of a text.
pub fn fold_text(text: &str, out: &mut Vec<u8>) {
    let start = out.len();
    if text.is_ascii() {
        out.extend(text.bytes().filter(|b| !b.is_ascii_control()).map(|b| b.to_ascii_lowercase()));
    } else {
        fold_unicode(text, out);
    }
    trim_blanks(start, out);
}

/// Appends the folded form of bytes in a character set that isn't decoded here: equal bytes fold to equal bytes; a value
/// with anything beyond ASCII folds to one mark, for nothing is known of what its collation holds equal.
pub fn fold_unknown_charset(bytes: &[u8], out: &mut Vec<u8>) {
    match std::str::from_utf8(bytes) {
        Ok(text) if text.is_ascii() => fold_text(text, out),
        _ => out.push(0xff),
    }
}

/// The first `chars` characters, for indexes of a prefix. The cut comes before folding, as the server cuts.
pub fn prefix(text: &str, chars: usize) -> &str {
    match text.char_indices().nth(chars) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

fn trim_blanks(start: usize, out: &mut Vec<u8>) {
    while out.len() > start && out.last() == Some(&b' ') {
        out.pop();
    }
}

fn fold_unicode(text: &str, out: &mut Vec<u8>) {
    let mut buffer = [0u8; 4];
    for c in text.nfkd().filter(|c| !is_combining_mark(*c) && !ignorable(*c)) {
        for lower in c.to_lowercase() {
            match expansion(lower) {
                Some(ascii) => out.extend_from_slice(ascii.as_bytes()),
                None => out.extend_from_slice(simplify(lower).encode_utf8(&mut buffer).as_bytes()),
            }
        }
    }
}

/// Characters that the Unicode collations give no weight.
fn ignorable(c: char) -> bool {
    c.is_control()
        || matches!(
            c,
            '\u{ad}' | '\u{34f}' | '\u{61c}' | '\u{115f}' | '\u{1160}' | '\u{3164}' | '\u{feff}' | '\u{ffa0}'
        )
        || matches!(c, '\u{180b}'..='\u{180f}' | '\u{200b}'..='\u{200f}' | '\u{202a}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{fe00}'..='\u{fe0f}' | '\u{fff0}'..='\u{fffb}')
        || matches!(c, '\u{e000}'..='\u{f8ff}' | '\u{0640}')
}

/// Letters without a decomposition that collations hold equal to ASCII letters.
fn expansion(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' | 'ǽ' | 'ǣ' => "ae",
        'œ' => "oe",
        'ø' | 'ǿ' | 'ɵ' => "o",
        'đ' | 'ð' | 'ɖ' | 'ɗ' => "d",
        'ł' | 'ƚ' | 'ɫ' => "l",
        'ħ' => "h",
        'þ' => "th",
        'ı' | 'ɨ' => "i",
        'ŧ' => "t",
        'ŋ' => "n",
        'ĸ' => "q",
        'ƀ' | 'ɓ' => "b",
        'ǥ' | 'ɠ' => "g",
        'ƒ' => "f",
        'ƙ' => "k",
        'ʉ' => "u",
        'ƶ' => "z",
        'ə' | 'ǝ' | 'ɛ' => "e",
        '\u{2018}' | '\u{2019}' => "'",
        '\u{3000}' | '\u{a0}' => " ",
        _ => return None,
    })
}

/// One character for a group of equals.
fn simplify(c: char) -> char {
    match c {
        // utf8mb4_general_ci gives all characters beyond the basic plane one weight.
        '\u{10000}'.. => '\u{fffd}',
        'ς' => 'σ',
        // Small kana equal their large forms, hiragana equal katakana.
        '\u{3041}'..='\u{3096}' => large_kana(char::from_u32(c as u32 + 0x60).unwrap_or(c)),
        '\u{30a1}'..='\u{30fa}' => large_kana(c),
        other => other,
    }
}

fn large_kana(c: char) -> char {
    match c {
        'ァ' | 'ィ' | 'ゥ' | 'ェ' | 'ォ' | 'ッ' | 'ャ' | 'ュ' | 'ョ' | 'ヮ' => {
            char::from_u32(c as u32 + 1).unwrap_or(c)
        }
        'ヵ' => 'カ',
        'ヶ' => 'ケ',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        fold_text(text, &mut out);
        out
    }

    #[test]
    fn what_a_collation_may_hold_equal_folds_equal() {
        let equals = [
            ("abc", "ABC"),
            ("abc", "abc   "),
            ("abc", "äbć"),
            ("strasse", "STRAßE"),
            ("aether", "Æther"),
            ("o", "Ø"),
            ("はっぱ", "ハツパ"),
            ("abc", "ａｂｃ"),
            ("🍣", "🍺"),
            ("a", "a\u{200b}"),
            ("a", "a\u{1}"),
            ("ab", "a\u{ad}b"),
            ("i", "İ"),
            ("σ", "ς"),
            ("", "  "),
        ];
        for (a, b) in equals {
            assert_eq!(folded(a), folded(b), "{a} and {b}");
        }
        for (a, b) in [("abc", "abd"), ("a b", "ab"), ("a", "b"), ("日", "本")] {
            assert_ne!(folded(a), folded(b), "{a} and {b}");
        }
    }

    #[test]
    fn prefixes_are_cut_in_characters() {
        assert_eq!(prefix("äöü", 2), "äö");
        assert_eq!(prefix("äöü", 3), "äöü");
        assert_eq!(prefix("äöü", 9), "äöü");
        assert_eq!(prefix("äöü", 0), "");
    }

    #[test]
    fn unknown_character_sets_never_fold_apart_what_may_be_equal() {
        let fold = |bytes: &[u8]| {
            let mut out = Vec::new();
            fold_unknown_charset(bytes, &mut out);
            out
        };
        assert_eq!(fold(b"AbC "), fold(b"abc"));
        assert_eq!(fold(&[0xb0, 0xa1]), fold(&[0xc4, 0xe3]));
    }
}
