//! Strings: in quotes when they are text, else as hexadecimal digits.

use super::SqlText;
use crate::mysql::literal::NO_UTF8;

const ONES: u64 = 0x0101_0101_0101_0101;
const HIGH: u64 = 0x8080_8080_8080_8080;

/// Not zero when a byte of the word is a quote, a backslash, a zero or not ASCII. Bits below the lowest such byte are
/// right too, so a word may be cut from above.
#[inline(always)]
fn special(word: u64) -> u64 {
    let zero = |v: u64| v.wrapping_sub(ONES);
    const QUOTES: u64 = ONES * b'\'' as u64;
    const BACKSLASHES: u64 = ONES * b'\\' as u64;
    (word | zero(word) | zero(word ^ QUOTES) | zero(word ^ BACKSLASHES)) & HIGH
}

/// Whether the first `length` bytes go out as they are.
#[inline(always)]
pub(super) fn is_plain_before(chunk: &[u8; 16], length: usize) -> bool {
    let all = u128::from_le_bytes(*chunk);
    let found = u128::from(special(all as u64)) | u128::from(special((all >> 64) as u64)) << 64;
    // Bits of the bytes that are the value's.
    let own = u128::MAX.checked_shr(128 - 8 * length.min(16) as u32).unwrap_or(0);
    found & own == 0
}

/// Whether a chunk goes out as it is. Written so that the compiler sees one vector operation each.
#[inline(always)]
fn is_plain<const N: usize>(chunk: &[u8; N]) -> bool {
    let found = chunk
        .iter()
        .fold(0u8, |found, b| found | u8::from(*b == b'\'') | u8::from(*b == b'\\') | u8::from(*b == 0) | (*b & 0x80));
    found == 0
}

impl SqlText {
    /// Text of a UTF-8 column in quotes; bytes that are no UTF-8 as `_utf8mb4 x'..'`. `more` begins with `value` and may
    /// go on behind it: reading a whole word there saves copying single bytes.
    #[inline]
    pub fn utf8(&mut self, value: &[u8], more: &[u8]) {
        match more.first_chunk::<16>() {
            Some(chunk) if value.len() <= 16 => self.utf8_short(value, chunk),
            _ => self.utf8_long(value),
        }
    }

    /// A value of up to 16 bytes, the first of `chunk`.
    #[inline(always)]
    fn utf8_short(&mut self, value: &[u8], chunk: &[u8; 16]) {
        if !is_plain_before(chunk, value.len()) {
            return self.utf8_slow(value);
        }
        self.push(b'\'');
        self.put(*chunk, value.len());
        self.push(b'\'');
    }

    fn utf8_long(&mut self, value: &[u8]) {
        let start = self.len;
        self.room(value.len() + 34);
        self.push(b'\'');
        if !self.plain(value) {
            self.len = start;
            return self.utf8_slow(value);
        }
        self.push(b'\'');
    }

    /// Copies what needs no escape, or only a part of it and says so. The end of a value is written as one chunk together
    /// with bytes before it that are out already.
    #[inline]
    fn plain(&mut self, value: &[u8]) -> bool {
        if let Some(last) = value.last_chunk::<32>() {
            let mut rest = value;
            while let Some((chunk, tail)) = rest.split_first_chunk::<32>() {
                self.put(*chunk, 32);
                if !is_plain(chunk) {
                    return false;
                }
                rest = tail;
            }
            self.len -= 32 - rest.len();
            self.put(*last, 32);
            return is_plain(last);
        }
        if let (Some(first), Some(last)) = (value.first_chunk::<16>(), value.last_chunk::<16>()) {
            self.put(*first, value.len() - 16);
            self.put(*last, 16);
            return is_plain(first) && is_plain(last);
        }
        let mut chunk = [b' '; 16];
        chunk.iter_mut().zip(value).for_each(|(to, from)| *to = *from);
        self.put(chunk, value.len());
        is_plain(&chunk)
    }

    #[cold]
    #[inline(never)]
    fn utf8_slow(&mut self, value: &[u8]) {
        if simdutf8::basic::from_utf8(value).is_ok() {
            return self.quoted(value);
        }
        self.push_str("_utf8mb4 ");
        self.hex(value, 0);
        self.push_str(NO_UTF8);
    }

    /// Valid text in quotes; quotes, backslashes and zeros escaped.
    pub fn quoted(&mut self, text: &[u8]) {
        self.push(b'\'');
        let mut rest = text;
        while let Some(at) = memchr::memchr3(b'\'', b'\\', 0, rest) {
            let (plain, tail) = rest.split_at(at);
            self.push_bytes(plain);
            let Some((byte, tail)) = tail.split_first() else { break };
            let escaped = match byte {
                b'\'' => b"''",
                b'\\' => b"\\\\",
                _ => b"\\0",
            };
            self.put(*escaped, 2);
            rest = tail;
        }
        self.push_bytes(rest);
        self.push(b'\'');
    }

    /// Text of a column in another charset: in quotes when it is ASCII (and ASCII bytes are that in the charset), else with
    /// the charset's introducer (`_name `) and `tail`.
    pub fn other_charset(&mut self, value: &[u8], introducer: &str, ascii_inside: bool, tail: &str) {
        if value.is_empty() || ascii_inside && value.is_ascii() {
            return self.quoted(value);
        }
        self.push_str(introducer);
        self.hex(value, 0);
        self.push_str(tail);
    }

    /// `x'..'`, with zero bytes up to `length` behind; `''` when there is nothing.
    pub fn binary(&mut self, value: &[u8], length: usize) {
        if value.is_empty() && length == 0 {
            return self.put(*b"''", 2);
        }
        self.hex(value, length.saturating_sub(value.len()));
    }

    fn hex(&mut self, value: &[u8], zeros: usize) {
        self.room(2 * (value.len() + zeros) + 16);
        self.put(*b"x'", 2);
        let mut rest = value;
        while let Some((four, tail)) = rest.split_first_chunk::<4>() {
            self.put(hex_digits(*four).to_le_bytes(), 8);
            rest = tail;
        }
        for byte in rest {
            self.put(hex_digits([*byte, 0, 0, 0]).to_le_bytes(), 2);
        }
        for _ in 0..zeros {
            self.put(*b"00", 2);
        }
        self.push(b'\'');
    }
}

/// Eight lower-case digits of four bytes: nibbles are spread over the word, then those above 9 are lifted to letters.
#[inline(always)]
fn hex_digits(bytes: [u8; 4]) -> u64 {
    let n = u64::from(u32::from_le_bytes(bytes));
    let n = (n | n << 16) & 0x0000_ffff_0000_ffff;
    let n = (n | n << 8) & 0x00ff_00ff_00ff_00ff;
    let nibbles = (n >> 4 | n << 8) & 0x0f0f_0f0f_0f0f_0f0f;
    let letters = (nibbles + 0x0606_0606_0606_0606) >> 4 & ONES;
    nibbles + 0x3030_3030_3030_3030 + letters * u64::from(b'a' - b'0' - 10)
}
