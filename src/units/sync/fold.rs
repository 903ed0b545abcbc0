//! Texts folded so that whatever a collation of the target may hold equal folds to the same bytes.
//!
//! Two changes whose folded keys are equal are treated as touching the same row or unique value, so folding too much
//! costs a little parallelism, folding too little would cost correctness. Hence only the primary weights count (no case,
//! no accents, no kana size), and of these not the ones that the language of a collation makes equal to others or to
//! sequences: they are left out wherever they stand, which needs no knowledge of how a server finds its contractions.
//! `tests/folding.rs` holds this against every collation of every server.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use encoding_rs::Encoding;
use unicode_normalization::char::decompose_canonical;

use crate::{
    rules::expression::collation::{Charset, Table, characters, table},
    schema::{
        charset::{canonical_charset, canonical_collation},
        collation::{Rules, Traits},
        ddl::multi_byte,
    },
};

/// How the texts of one collation fold.
#[derive(Clone, Copy, Debug)]
pub struct TextFold(Order);

#[derive(Clone, Copy, Debug)]
enum Order {
    /// Characters.
    Codes,
    Weights(&'static Weights),
    /// Nothing is known: all texts fold alike.
    Unknown,
}

/// Weights of one table without some.
#[derive(Debug)]
struct Weights {
    table: &'static Table,
    /// Sorted.
    dropped: Vec<u16>,
    /// Of ASCII; 0: it doesn't count.
    ascii: [u16; 128],
    blank: u16,
}

impl PartialEq for TextFold {
    fn eq(&self, other: &Self) -> bool {
        match (self.0, other.0) {
            (Order::Codes, Order::Codes) | (Order::Unknown, Order::Unknown) => true,
            (Order::Weights(a), Order::Weights(b)) => std::ptr::eq(a, b),
            _ => false,
        }
    }
}

impl Eq for TextFold {}

/// From here on the tables have no characters, but some are others' doubles,
const BEYOND: u32 = 0x2_0000;
/// as are some of these.
const DOUBLES: std::ops::Range<u32> = 0xf900..0xfb00;

/// Made once and kept: as many as there are collations.
static KNOWN: LazyLock<Mutex<BTreeMap<String, TextFold>>> = LazyLock::new(Mutex::default);

impl TextFold {
    /// For texts compared by their characters (or bytes).
    pub const CODES: TextFold = TextFold(Order::Codes);
    /// For texts of which nothing is known.
    pub const UNKNOWN: TextFold = TextFold(Order::Unknown);

    /// By a collation's name.
    pub fn of(collation: &str) -> TextFold {
        let name = canonical_collation(collation);
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(found) = known.get(&name) {
            return *found;
        }
        let made = make(&name);
        if known.len() < 2000 {
            known.insert(name, made);
        }
        made
    }

    /// Appends the folded form of a text in UTF-8. It holds no pair of zero bytes at an even place.
    pub fn write(self, text: &[u8], out: &mut Vec<u8>) {
        match self.0 {
            Order::Codes => {
                let end = text.iter().rposition(|byte| *byte != b' ').map_or(0, |last| last + 1);
                out.extend_from_slice(&text[..end]);
            }
            Order::Weights(weights) => weights.write(text, out),
            Order::Unknown => {}
        }
    }

    /// Whether anything of a text counts.
    pub fn is_known(self) -> bool {
        !matches!(self.0, Order::Unknown)
    }
}

impl Weights {
    fn write(&self, text: &[u8], out: &mut Vec<u8>) {
        let start = out.len();
        if text.is_ascii() {
            for byte in text {
                let weight = self.ascii[usize::from(*byte & 0x7f)];
                if weight != 0 {
                    out.extend_from_slice(&weight.to_le_bytes());
                }
            }
        } else {
            for code in characters(text) {
                match char::from_u32(code).filter(|_| code >= BEYOND || DOUBLES.contains(&code)) {
                    Some(c) => decompose_canonical(c, |part| self.push(part.into(), out)),
                    None => self.push(code, out),
                }
            }
        }
        while out.len() >= start + 2 && out.ends_with(&self.blank.to_le_bytes()) {
            out.truncate(out.len() - 2);
        }
    }

    fn push(&self, code: u32, out: &mut Vec<u8>) {
        for weight in self.table.primary(code).filter(|weight| self.counts(*weight)) {
            out.extend_from_slice(&weight.to_le_bytes());
        }
    }

    fn counts(&self, weight: u16) -> bool {
        weight != 0 && self.dropped.binary_search(&weight).is_err()
    }
}

/// What collations hold equal beyond the weights of single characters, by language, character set or name: characters
/// whose weights don't count.
const EQUAL_TO_OTHERS: [(&str, &str); 16] = [
    ("danish", "aæoøuyþth"),
    ("german2", "aeoæœ[\\]"),
    ("hungarian", "syz"),
    ("icelandic", "aæoø"),
    ("latvian", "iy"),
    ("lithuanian", "iyh"),
    ("roman", "ijuv"),
    ("swedish", "aæoøuyþth"),
    ("turkish", "iı"),
    ("big5", "e`y~"),
    ("gb18030_chinese_ci", "ι"),
    ("general1400", "iıι"),
    ("gb2312", "y~"),
    ("gbk", "y~"),
    ("latin2_czech_cs", "\t\n\u{b}\u{c}\r\u{85}"),
    ("uca1400_ai_ci", "·"),
];

/// Languages that put letters of one script onto weights of another.
const UNKNOWN: [&str; 2] = ["persian", "myanmar"];

/// The name under which a collation's rules are found here. MariaDB has MySQL's `0900` names for its own `uca1400`.
pub fn on_mariadb(collation: &str) -> String {
    match collation.split_once("_0900_") {
        Some((head, ending)) if ending != "bin" => {
            let (charset, language) = head.split_once('_').unwrap_or((head, ""));
            [charset, "uca1400", language, "nopad", ending]
                .into_iter()
                .filter(|w| !w.is_empty())
                .collect::<Vec<_>>()
                .join("_")
        }
        _ => collation.to_owned(),
    }
}

fn make(collation: &str) -> TextFold {
    let traits = Traits::of(collation);
    if traits.sensitivity.binary {
        return TextFold::CODES;
    }
    let Some(charset) = canonical_charset(&traits.charset) else { return TextFold::UNKNOWN };
    if UNKNOWN.contains(&traits.language.as_str()) {
        return TextFold::UNKNOWN;
    }
    let padded = collation.replace("_nopad", "");
    let own = matches!(Charset::named(charset), Some(Charset::Single(_) | Charset::Latin1 | Charset::Ascii));
    let family = match traits.rules {
        _ if own && table(&padded).is_some() => &padded,
        _ if collation.contains("general1400") => "uca1400_ai_ci",
        Rules::Simple if Charset::named(charset).is_some_and(Charset::is_unicode) => "general_ci",
        Rules::Uca400 if Charset::named(charset).is_some() => "unicode_ci",
        Rules::Uca520 => "unicode_520_ci",
        Rules::Simple | Rules::Uca400 | Rules::Uca900 => "0900_ai_ci",
        Rules::Uca1400 => "uca1400_ai_ci",
    };
    let Some(table) = table(family) else { return TextFold::UNKNOWN };
    let general = if padded.contains("general1400") { "general1400" } else { "" };
    let of = |key: &str| [&traits.language, charset, &padded, family, general].contains(&key);
    let listed = EQUAL_TO_OTHERS.iter().filter(|(key, _)| of(key)).flat_map(|(_, characters)| characters.chars());
    let mut dropped: Vec<u16> = listed.flat_map(|c| table.primary(c.into())).collect();
    if family == "uca1400_ai_ci" {
        dropped.extend(composed(table));
    }
    dropped.sort_unstable();
    let mut weights = Weights { table, dropped, ascii: [0; 128], blank: table.primary(0x20).next().unwrap_or(0) };
    for code in 0..128u8 {
        // A character of ASCII has one weight at most in all tables; a second would only make less equal.
        let weight = table.primary(code.into()).next().unwrap_or(0);
        weights.ascii[usize::from(code)] = if weights.counts(weight) { weight } else { 0 };
    }
    TextFold(Order::Weights(Box::leak(Box::new(weights))))
}

/// The weights in which characters differ from what they are composed of: MariaDB finds the composed one in a text of
/// parts.
fn composed(table: &Table) -> Vec<u16> {
    let mut out = Vec::new();
    for c in (0x80..0x2_0000).filter_map(char::from_u32) {
        let mut parts: Vec<u16> = Vec::new();
        decompose_canonical(c, |part| parts.extend(table.primary(part.into())));
        let whole: Vec<u16> = table.primary(c.into()).collect();
        if whole != parts {
            let head = whole.iter().zip(&parts).take_while(|(a, b)| a == b).count();
            out.extend_from_slice(&whole[head..]);
            out.extend_from_slice(&parts[head..]);
        }
    }
    out
}

/// How the bytes of a character set are read.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Decode {
    /// They are UTF-8.
    Utf8,
    Known(Charset),
    /// Multi-byte character sets of East Asia.
    Other(&'static Encoding),
}

impl Decode {
    /// By a character set's name; None when its texts can't be read.
    pub fn of(charset: &str) -> Option<Decode> {
        let name = canonical_charset(charset)?;
        if matches!(name, "utf8mb4" | "utf8mb3" | "ascii") {
            return Some(Decode::Utf8);
        }
        if let Some(known) = Charset::named(name) {
            return Some(Decode::Known(known));
        }
        multi_byte(name).map(Decode::Other)
    }

    /// As UTF-8.
    pub fn read(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        match self {
            Decode::Utf8 => Cow::Borrowed(bytes),
            Decode::Known(charset) => charset.decode(bytes),
            Decode::Other(_) if bytes.is_ascii() => Cow::Borrowed(bytes),
            Decode::Other(encoding) => match encoding.decode_without_bom_handling(bytes).0 {
                Cow::Borrowed(text) => Cow::Borrowed(text.as_bytes()),
                Cow::Owned(text) => Cow::Owned(text.into_bytes()),
            },
        }
    }
}

/// The first `chars` characters of a text in UTF-8, for indexes of a prefix. The cut comes before folding, as the server
/// cuts.
pub fn prefix(text: &[u8], chars: usize) -> &[u8] {
    if text.len() <= chars {
        return text;
    }
    // Bytes that continue a character don't begin one.
    match text.iter().enumerate().filter(|(_, byte)| **byte & 0xc0 != 0x80).nth(chars) {
        Some((end, _)) => &text[..end],
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn folded(collation: &str, text: &str) -> Vec<u8> {
        let mut out = Vec::new();
        TextFold::of(collation).write(text.as_bytes(), &mut out);
        out
    }

    #[test]
    fn what_a_collation_may_hold_equal_folds_equal() {
        for (collation, a, b) in [
            ("utf8mb4_general_ci", "abc", "ÄBC  "),
            ("utf8mb4_general_ci", "ß", "S"),
            ("utf8mb4_general_ci", "🍣", "🍺"),
            ("utf8mb4_unicode_ci", "straße", "STRASSE"),
            ("utf8mb4_0900_ai_ci", "a\u{200b}b", "ab"),
            ("utf8mb4_0900_ai_ci", "ａｂｃ", "abc"),
            ("utf8mb4_0900_as_cs", "はっぱ", "ハツパ"),
            ("utf8mb4_danish_ci", "Ålborg", "aalborg"),
            ("utf8mb4_german2_ci", "Mädel", "maedel"),
            ("latin1_german2_ci", "Mädel", "MAEDEL"),
            ("latin1_swedish_ci", "a", "A "),
            ("utf8mb4_lithuanian_ci", "yra", "ira"),
            ("utf8mb4_hu_0900_ai_ci", "ccs", "cscs"),
            ("utf8mb4_uca1400_ai_ci", "й", "и\u{306}"),
            ("utf8mb4_persian_ci", "a", "b"),
            ("utf8mb4_bin", "a", "a "),
        ] {
            assert_eq!(folded(collation, a), folded(collation, b), "{collation}: {a} and {b}");
        }
        for (collation, a, b) in [
            ("utf8mb4_general_ci", "abc", "abd"),
            ("utf8mb4_general_ci", "a b", "ab"),
            ("utf8mb4_0900_ai_ci", "日", "本"),
            ("utf8mb4_0900_ai_ci", "🍣", "🍺"),
            ("utf8mb4_bin", "a", "A"),
            ("gbk_chinese_ci", "日", "本"),
            ("latin1_swedish_ci", "a", "b"),
        ] {
            assert_ne!(folded(collation, a), folded(collation, b), "{collation}: {a} and {b}");
        }
        assert_eq!(on_mariadb("utf8mb4_sv_0900_as_cs"), "utf8mb4_uca1400_sv_nopad_as_cs");
        assert_eq!(on_mariadb("utf8mb4_0900_ai_ci"), "utf8mb4_uca1400_nopad_ai_ci");
        assert_eq!(on_mariadb("utf8mb4_0900_bin"), "utf8mb4_0900_bin");
    }

    #[test]
    fn ascii_folds_alike_in_both_ways() {
        for collation in [
            "utf8mb4_general_ci",
            "utf8mb4_unicode_ci",
            "utf8mb4_0900_ai_ci",
            "utf8mb4_uca1400_ai_ci",
            "latin1_swedish_ci",
        ] {
            let Order::Weights(weights) = TextFold::of(collation).0 else { panic!("{collation}") };
            for code in 0..128u8 {
                let mut out = Vec::new();
                weights.push(code.into(), &mut out);
                let ascii = weights.ascii[usize::from(code)];
                let alone = if ascii == 0 { Vec::new() } else { ascii.to_le_bytes().to_vec() };
                assert_eq!(out, alone, "{collation}: {code}");
            }
        }
    }

    #[test]
    fn prefixes_are_cut_in_characters() {
        let cut = |chars| String::from_utf8(prefix("äöü".as_bytes(), chars).to_vec()).unwrap();
        assert_eq!([cut(2), cut(3), cut(9), cut(0)], ["äö", "äöü", "äöü", ""]);
    }

    #[test]
    fn other_character_sets_are_read() {
        let gbk = Decode::of("gbk").unwrap();
        assert_eq!(gbk.read(&[0xc4, 0xe3]).as_ref(), "你".as_bytes());
        assert_eq!(Decode::of("latin1").unwrap().read(b"\xe4").as_ref(), "ä".as_bytes());
        assert_eq!(Decode::of("klingon"), None);
    }
}
