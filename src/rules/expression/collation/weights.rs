//! Weights of characters, as WEIGHT_STRING of real servers gives them (`tests/expression/weights.rs` makes the files and
//! compares them with the servers). A text's weight is taken as that of its characters one after the other, so
//! contractions (some sequences with combining marks of South Asian scripts) sort by their parts.

use std::{
    cmp::Ordering,
    collections::BTreeMap,
    io::Read,
    sync::{LazyLock, Mutex, PoisonError},
};

use flate2::read::ZlibDecoder;

use super::charset::characters;

/// Weights of each character, by level; levels are divided by 0.
#[derive(Debug)]
pub struct Table {
    /// Where each character's weights begin in `words`; one more than there are characters.
    starts: Vec<u32>,
    words: Vec<u16>,
    /// 1: base letters; 2: accents too; 3: case too.
    levels: u8,
    /// 0 divides levels; otherwise it is a weight like others.
    divided: bool,
    /// Of a single-byte character set: most characters are none of it.
    single: bool,
}

static FILES: [(&str, &[u8]); 5] = [
    ("general_ci", include_bytes!("data/general_ci.z")),
    ("unicode_ci", include_bytes!("data/unicode_ci.z")),
    ("unicode_520_ci", include_bytes!("data/unicode_520_ci.z")),
    ("0900_as_cs", include_bytes!("data/0900_as_cs.z")),
    ("uca1400_as_cs", include_bytes!("data/uca1400_as_cs.z")),
];
static SINGLE_BYTE: &[u8] = include_bytes!("data/single_byte.z");

/// `charset NAME` to 256 codes of two bytes, `collation NAME` to 256 weights.
static SINGLE: LazyLock<BTreeMap<&'static str, Vec<u8>>> = LazyLock::new(|| {
    let raw = inflate(SINGLE_BYTE);
    let mut out = BTreeMap::new();
    let mut rest = raw.as_slice();
    while let Some((name, data, after)) = section(rest) {
        out.insert(leak(name), data.to_vec());
        rest = after;
    }
    out
});

/// Tables in use. They live as long as the process: there are few, and collations are copied freely.
static TABLES: LazyLock<Mutex<BTreeMap<String, Option<&'static Table>>>> = LazyLock::new(Mutex::default);
static NAMES: LazyLock<Mutex<BTreeMap<String, &'static str>>> = LazyLock::new(Mutex::default);

fn leak(text: &str) -> &'static str {
    Box::leak(text.to_owned().into_boxed_str())
}

fn section(bytes: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let (length, rest) = bytes.split_first()?;
    let (name, rest) = rest.split_at_checked(usize::from(*length))?;
    let (size, rest) = rest.split_at_checked(2)?;
    let size = usize::from(u16::from_le_bytes([*size.first()?, *size.get(1)?]));
    let (data, rest) = rest.split_at_checked(size)?;
    Some((std::str::from_utf8(name).ok()?, data, rest))
}

fn inflate(file: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    // The files are part of the program; a test reads each.
    let _ = ZlibDecoder::new(file).read_to_end(&mut out);
    out
}

/// The codes of a single-byte character set's bytes.
pub fn codes(charset: &str) -> Option<Vec<u16>> {
    let data = SINGLE.get(format!("charset {charset}").as_str())?;
    Some(data.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect())
}

/// A collation's name with the life of the process; None for one that no server has.
pub fn intern(name: &str) -> Option<&'static str> {
    let known = name.len() < 64 && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    if !known {
        return None;
    }
    let mut names = NAMES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = names.get(name) {
        return Some(found);
    }
    if names.len() > 1000 {
        return None;
    }
    let kept = leak(name);
    names.insert(name.to_owned(), kept);
    Some(kept)
}

/// The weights by the name of their family (`0900_ai_ci`), or of a single-byte collation.
pub fn table(name: &str) -> Option<&'static Table> {
    let mut tables = TABLES.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(found) = tables.get(name) {
        return *found;
    }
    let made = load(name).map(|table| &*Box::leak(Box::new(table)));
    if tables.len() < 1000 {
        tables.insert(name.to_owned(), made);
    }
    made
}

fn load(name: &str) -> Option<Table> {
    if let Some(weights) = SINGLE.get(format!("collation {name}").as_str()) {
        return single_byte(name, weights);
    }
    let (file, levels) = match name {
        "0900_ai_ci" => ("0900_as_cs", 1),
        "0900_as_ci" => ("0900_as_cs", 2),
        "uca1400_ai_ci" => ("uca1400_as_cs", 1),
        "uca1400_as_ci" => ("uca1400_as_cs", 2),
        "0900_as_cs" | "uca1400_as_cs" => (name, 3),
        other => (other, 1),
    };
    let (_, data) = FILES.iter().find(|(found, _)| *found == file)?;
    unpack(&inflate(data), levels, file.ends_with("_as_cs"))
}

/// File form: characters, words (u32 each); words of each character (u8); differences of the words, low bytes first,
/// then all high bytes.
fn unpack(raw: &[u8], levels: u8, divided: bool) -> Option<Table> {
    let number =
        |at: usize| -> Option<usize> { Some(u32::from_le_bytes(raw.get(at..at + 4)?.try_into().ok()?) as usize) };
    let (characters, total) = (number(0)?, number(4)?);
    let counts = raw.get(8..8 + characters)?;
    let low = raw.get(8 + characters..8 + characters + total)?;
    let high = raw.get(8 + characters + total..8 + characters + 2 * total)?;
    let mut starts = Vec::with_capacity(characters + 1);
    let mut at = 0u32;
    for count in counts {
        starts.push(at);
        at += u32::from(*count);
    }
    starts.push(at);
    let mut last = 0u16;
    let words = low
        .iter()
        .zip(high)
        .map(|(low, high)| {
            last = last.wrapping_add(u16::from_le_bytes([*low, *high]));
            last
        })
        .collect();
    Some(Table { starts, words, levels, divided, single: false })
}

/// Weights by character instead of by byte, in one level.
fn single_byte(collation: &str, weights: &[u8]) -> Option<Table> {
    let codes = codes(collation.split('_').next()?)?;
    let mut by_code = BTreeMap::new();
    for (code, weight) in codes.iter().zip(weights) {
        by_code.entry(*code).or_insert(*weight);
    }
    let mut table =
        Table { starts: Vec::with_capacity(0x10001), words: Vec::new(), levels: 1, divided: false, single: true };
    for code in 0..=u16::MAX {
        table.starts.push(table.words.len() as u32);
        table.words.extend(by_code.get(&code).map(|weight| u16::from(*weight)));
    }
    table.starts.push(table.words.len() as u32);
    Some(table)
}

impl Table {
    fn of(&self, code: u32) -> &[u16] {
        let at = |code: u32| self.starts.get(code as usize).map(|start| *start as usize);
        match (at(code), at(code + 1)) {
            (Some(start), Some(end)) => self.words.get(start..end).unwrap_or_default(),
            _ => &[],
        }
    }

    /// The weights of one level of one character.
    fn level(&self, code: u32, level: u8) -> Level<'_> {
        let words = self.of(code);
        if words.is_empty() && code as usize + 1 >= self.starts.len() {
            return Level { words: &[], beyond: self.beyond(code, level) };
        }
        if words.is_empty() && self.single {
            return Level { words: &[], beyond: [0xfffe, code as u16] };
        }
        let part = if self.divided {
            words.split(|word| *word == 0).nth(usize::from(level)).unwrap_or_default()
        } else {
            words
        };
        Level { words: part, beyond: [0, 0] }
    }

    /// The weights of a character as a letter, without accents and case.
    pub fn primary(&self, code: u32) -> impl Iterator<Item = u16> + '_ {
        self.level(code, 0)
    }

    /// Characters behind the table's end: one weight for all in the tables of the basic plane, else the implicit ones.
    fn beyond(&self, code: u32, level: u8) -> [u16; 2] {
        if self.starts.len() <= 0x1_0001 {
            return [0xfffd, 0];
        }
        match level {
            0 => [0xfbc0u16.wrapping_add((code >> 15) as u16), (code & 0x7fff) as u16 | 0x8000],
            1 => [0x20, 0],
            _ => [2, 0],
        }
    }

    /// The order of two texts.
    pub fn compare(&self, a: &[u8], b: &[u8], pad: bool) -> Ordering {
        if a == b {
            return Ordering::Equal;
        }
        (0..self.levels)
            .map(|level| self.compare_level(a, b, level, pad))
            .find(|order| order.is_ne())
            .unwrap_or(Ordering::Equal)
    }

    fn compare_level(&self, a: &[u8], b: &[u8], level: u8, pad: bool) -> Ordering {
        let weights = |text| characters(text).flat_map(move |code| self.level(code, level));
        let (mut a, mut b) = (weights(a), weights(b));
        let blank = || self.level(0x20, level).next();
        loop {
            let (x, y) = match (a.next(), b.next()) {
                (None, None) => return Ordering::Equal,
                (None, Some(_)) if !pad => return Ordering::Less,
                (Some(_), None) if !pad => return Ordering::Greater,
                (x, y) => (x.or_else(blank), y.or_else(blank)),
            };
            let order = x.cmp(&y);
            if order.is_ne() {
                return order;
            }
        }
    }

    /// Whether two characters have the same weights.
    pub fn same_char(&self, a: char, b: char) -> bool {
        (0..self.levels).all(|level| self.level(a.into(), level).eq(self.level(b.into(), level)))
    }
}

/// Iterator over the weights of one level.
struct Level<'a> {
    words: &'a [u16],
    beyond: [u16; 2],
}

impl Iterator for Level<'_> {
    type Item = u16;

    fn next(&mut self) -> Option<u16> {
        if let Some((first, rest)) = self.words.split_first() {
            self.words = rest;
            return Some(*first);
        }
        let [first, second] = self.beyond;
        self.beyond = [second, 0];
        (first != 0).then_some(first)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_file_reads() {
        for (name, _) in FILES {
            let table = table(name).unwrap();
            assert!(table.starts.len() > 0x10000 && table.words.len() > 50_000, "{name}");
        }
        assert!(SINGLE.len() > 50 && codes("latin1").unwrap()[0xe4] == 0xe4);
    }

    #[test]
    fn order_of_texts() {
        let compare = |name: &str, a: &str, b: &str, pad| table(name).unwrap().compare(a.as_bytes(), b.as_bytes(), pad);
        assert_eq!(compare("general_ci", "Äpfel", "apFEL  ", true), Ordering::Equal);
        assert_eq!(compare("general_ci", "ß", "s", true), Ordering::Equal);
        assert_eq!(compare("unicode_ci", "ß", "ss", true), Ordering::Equal);
        assert_eq!(compare("0900_ai_ci", "é", "E", false), Ordering::Equal);
        assert_eq!(compare("0900_ai_ci", "a", "a ", false), Ordering::Less);
        assert_eq!(compare("0900_as_ci", "é", "E", false), Ordering::Greater);
        assert_eq!(compare("0900_as_cs", "a", "A", false), Ordering::Less);
        assert_eq!(compare("0900_ai_ci", "\u{1F363}", "\u{1F37A}", false), Ordering::Less);
        assert_eq!(compare("general_ci", "\u{1F363}", "\u{1F37A}", true), Ordering::Equal);
        assert_eq!(compare("latin1_swedish_ci", "ä", "Ä", true), Ordering::Equal);
        assert_eq!(compare("latin1_swedish_ci", "ä", "a", true), Ordering::Greater);
    }
}
