//! swe7: seven bits, with letters of Swedish where ASCII has brackets and more. Tried on MySQL 5.7, 9.7 and MariaDB 11.8:
//! in strings and quoted names these bytes are letters (but for the quote, and a backslash that escapes); bare words keep
//! them as the bytes they are, and `@`, `|`, the backquote and the backslash are syntax outside quotes.

/// The letters, and the bytes that are them.
const LETTERS: [(u8, char); 10] = [
    (b'@', 'É'),
    (b'[', 'Ä'),
    (b'\\', 'Ö'),
    (b']', 'Å'),
    (b'^', 'Ü'),
    (b'`', 'é'),
    (b'{', 'ä'),
    (b'|', 'ö'),
    (b'}', 'å'),
    (b'~', 'ü'),
];

/// Whether a byte is the ASCII character that it looks like.
pub(super) fn is_ascii(byte: u8) -> bool {
    byte < 0x7f && LETTERS.iter().all(|(own, _)| *own != byte)
}

/// Whether a byte that isn't ASCII's is a letter of a bare word.
pub(super) fn in_word(byte: u8) -> bool {
    matches!(byte, b'[' | b']' | b'^' | b'{' | b'}' | b'~')
}

/// The text of bytes; None for a byte without a character.
pub(super) fn decode(bytes: &[u8]) -> Option<String> {
    let letter = |byte: u8| LETTERS.iter().find(|(own, _)| *own == byte).map(|(_, letter)| *letter);
    let character = |byte: &u8| if is_ascii(*byte) { Some(char::from(*byte)) } else { letter(*byte) };
    bytes.iter().map(character).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters_of_swedish() {
        assert_eq!(decode(b"@[\\]^_`{|}~a1'").unwrap(), "ÉÄÖÅÜ_éäöåüa1'");
        assert_eq!((decode(b"\x7f"), decode(b"\x80")), (None, None));
    }
}
