//! Character sets whose texts can be read: all single-byte ones and the Unicode ones.

use std::{
    borrow::Cow,
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
};

use super::weights;

/// A character set. Texts are UTF-8 while an expression works on them, whatever their column's character set.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charset {
    Binary,
    Utf8mb4,
    Utf8mb3,
    Ucs2,
    Utf16,
    Utf16le,
    Utf32,
    Ascii,
    /// Single bytes.
    Latin1,
    /// Other single-byte character sets, by name.
    Single(&'static str),
}

/// Codes of the bytes of single-byte character sets, and back.
struct Codes {
    decode: Vec<u16>,
    encode: BTreeMap<u16, u8>,
}

static CODES: LazyLock<Mutex<BTreeMap<&'static str, Option<&'static Codes>>>> = LazyLock::new(Mutex::default);

fn codes(name: &'static str) -> Option<&'static Codes> {
    let mut known = CODES.lock().unwrap_or_else(PoisonError::into_inner);
    *known.entry(name).or_insert_with(|| {
        let decode = weights::codes(name)?;
        let mut encode = BTreeMap::new();
        for (byte, code) in decode.iter().enumerate() {
            encode.entry(*code).or_insert(byte as u8);
        }
        Some(&*Box::leak(Box::new(Codes { decode, encode })))
    })
}

impl Charset {
    /// By name; None when its texts can't be read here.
    pub fn named(name: &str) -> Option<Charset> {
        Some(match crate::schema::charset::canonical_charset(name)? {
            "binary" => Charset::Binary,
            "utf8mb4" => Charset::Utf8mb4,
            "utf8mb3" => Charset::Utf8mb3,
            "ucs2" => Charset::Ucs2,
            "utf16" => Charset::Utf16,
            "utf16le" => Charset::Utf16le,
            "utf32" => Charset::Utf32,
            "ascii" => Charset::Ascii,
            "latin1" => Charset::Latin1,
            other => {
                codes(other)?;
                Charset::Single(other)
            }
        })
    }

    pub fn name(self) -> &'static str {
        match self {
            Charset::Binary => "binary",
            Charset::Utf8mb4 => "utf8mb4",
            Charset::Utf8mb3 => "utf8mb3",
            Charset::Ucs2 => "ucs2",
            Charset::Utf16 => "utf16",
            Charset::Utf16le => "utf16le",
            Charset::Utf32 => "utf32",
            Charset::Ascii => "ascii",
            Charset::Latin1 => "latin1",
            Charset::Single(name) => name,
        }
    }

    pub fn is_unicode(self) -> bool {
        matches!(
            self,
            Charset::Utf8mb4 | Charset::Utf8mb3 | Charset::Ucs2 | Charset::Utf16 | Charset::Utf16le | Charset::Utf32
        )
    }

    /// Whether stored bytes are UTF-8 already.
    fn is_utf8(self) -> bool {
        matches!(self, Charset::Utf8mb4 | Charset::Utf8mb3 | Charset::Ascii | Charset::Binary)
    }

    /// Stored bytes as UTF-8.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, [u8]> {
        if self.is_utf8() {
            return Cow::Borrowed(bytes);
        }
        let text: String = match self {
            Charset::Ucs2 | Charset::Utf16 => wide(bytes, u16::from_be_bytes),
            Charset::Utf16le => wide(bytes, u16::from_le_bytes),
            Charset::Utf32 => bytes
                .chunks(4)
                .map(|unit| unit.try_into().ok().map(u32::from_be_bytes).and_then(char::from_u32).unwrap_or('\u{fffd}'))
                .collect(),
            single if bytes.is_ascii() && single != Charset::Single("swe7") => return Cow::Borrowed(bytes),
            single => {
                let table = codes(single.name());
                let code = |byte: &u8| {
                    let code = table.and_then(|t| t.decode.get(usize::from(*byte))).copied().unwrap_or(0xfffd);
                    char::from_u32(code.into()).unwrap_or('\u{fffd}')
                };
                bytes.iter().map(code).collect()
            }
        };
        Cow::Owned(text.into_bytes())
    }

    /// UTF-8 as the character set stores it; `?` for characters that it lacks.
    pub fn encode(self, text: &[u8]) -> Cow<'_, [u8]> {
        if self.is_utf8() {
            return Cow::Borrowed(text);
        }
        let units = || String::from_utf8_lossy(text);
        Cow::Owned(match self {
            Charset::Ucs2 | Charset::Utf16 => units().encode_utf16().flat_map(u16::to_be_bytes).collect(),
            Charset::Utf16le => units().encode_utf16().flat_map(u16::to_le_bytes).collect(),
            Charset::Utf32 => units().chars().flat_map(|c| u32::from(c).to_be_bytes()).collect(),
            single => {
                let table = codes(single.name());
                let byte = |code: u32| {
                    let code = u16::try_from(code).ok()?;
                    table.and_then(|t| t.encode.get(&code)).copied()
                };
                characters(text).map(|code| byte(code).unwrap_or(b'?')).collect()
            }
        })
    }

    /// Whether a text can be written in it.
    pub fn can_write(self, text: &str) -> bool {
        match self {
            Charset::Ascii => text.is_ascii(),
            Charset::Utf8mb3 | Charset::Ucs2 => text.chars().all(|c| u32::from(c) < 0x10000),
            Charset::Latin1 | Charset::Single(_) => codes(self.name()).is_some_and(|t| {
                text.chars().all(|c| u16::try_from(u32::from(c)).is_ok_and(|c| t.encode.contains_key(&c)))
            }),
            _ => true,
        }
    }
}

fn wide(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units = bytes.chunks(2).map(|pair| pair.try_into().map_or(0xfffd, unit));
    char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
}

/// The characters of a UTF-8 text; a byte that is none stands for itself behind the last character.
pub fn characters(text: &[u8]) -> impl Iterator<Item = u32> + '_ {
    pieces(text).map(|piece| match std::str::from_utf8(piece).ok().and_then(|s| s.chars().next()) {
        Some(c) => u32::from(c),
        None => 0x11_0000 + u32::from(piece.first().copied().unwrap_or(0)),
    })
}

/// A UTF-8 text cut into characters; each invalid byte is a piece.
pub fn pieces(text: &[u8]) -> Pieces<'_> {
    Pieces(text)
}

/// Iterator of [`pieces`].
#[derive(Clone)]
pub struct Pieces<'a>(&'a [u8]);

impl<'a> Iterator for Pieces<'a> {
    type Item = &'a [u8];

    fn next(&mut self) -> Option<&'a [u8]> {
        let first = *self.0.first()?;
        let width = match first {
            0..0x80 => 1,
            0xc2..=0xdf => 2,
            0xe0..=0xef => 3,
            0xf0..=0xf4 => 4,
            _ => 1,
        };
        let whole = width == 1 || self.0.get(..width).is_some_and(|piece| std::str::from_utf8(piece).is_ok());
        let (piece, rest) = self.0.split_at_checked(if whole { width } else { 1 })?;
        self.0 = rest;
        Some(piece)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_there_and_back() {
        for (name, text) in [
            ("latin1", "é€ÿ"),
            ("cp1251", "Привет"),
            ("utf16", "a😀"),
            ("utf16le", "ж"),
            ("utf32", "中a"),
            ("koi8r", "да"),
            ("utf8mb4", "中"),
        ] {
            let charset = Charset::named(name).unwrap();
            assert!(charset.can_write(text));
            let stored = charset.encode(text.as_bytes()).into_owned();
            assert_eq!(charset.decode(&stored), text.as_bytes(), "{name}");
        }
        assert_eq!(Charset::named("latin1").unwrap().encode("中".as_bytes()).as_ref(), b"?");
        assert!(Charset::named("gbk").is_none());
        assert_eq!(pieces(b"a\xff\xc3\xa4\xe4").map(<[u8]>::len).collect::<Vec<_>>(), [1, 1, 2, 1]);
    }
}
