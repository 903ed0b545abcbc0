//! DECIMAL's binary form: groups of 9 digits in 4 bytes, shorter groups at both ends, sign in the first bit,
//! all bits turned over when negative.

use smallvec::SmallVec;

use super::cursor::{Cursor, Malformed, Parsed};

const BYTES_OF_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

/// Appends the exact text, with `scale` fractional digits.
pub(super) fn read(cursor: &mut Cursor<'_>, precision: u8, scale: u8, out: &mut SmallVec<[u8; 24]>) -> Parsed<()> {
    if scale > precision || precision == 0 || precision > 65 {
        return Err(Malformed("a decimal's precision is out of range"));
    }
    let whole = usize::from(precision - scale);
    let (groups, fraction) = (usize::from(scale) / 9, usize::from(scale) % 9);
    let first = whole % 9;
    let length = 4 * (whole / 9 + groups) + BYTES_OF_DIGITS[first] + BYTES_OF_DIGITS[fraction];
    let bytes = cursor.slice(length)?;
    let mask = if bytes[0] & 0x80 == 0 { 0xff } else { 0 };
    let mut buffer = [0u8; 32];
    let buffer = buffer.get_mut(..length).ok_or(Malformed("a decimal is too long"))?;
    buffer.iter_mut().zip(bytes).for_each(|(to, from)| *to = from ^ mask);
    buffer[0] ^= 0x80;
    if mask != 0 {
        out.push(b'-');
    }

    let mut rest: &[u8] = buffer;
    let mut group = |digits: usize| -> Parsed<u32> {
        let (head, tail) = rest.split_at(BYTES_OF_DIGITS[digits]);
        rest = tail;
        let value = head.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
        if value < 10u32.pow(digits as u32) { Ok(value) } else { Err(Malformed("a decimal has a wrong digit")) }
    };
    let start = out.len();
    push(out, group(first)?, first);
    for _ in 0..whole / 9 {
        push(out, group(9)?, 9);
    }
    let zeros = out[start..].iter().take_while(|b| **b == b'0').count();
    out.drain(start..start + zeros);
    if out.len() == start {
        out.push(b'0');
    }
    if scale > 0 {
        out.push(b'.');
        for _ in 0..groups {
            push(out, group(9)?, 9);
        }
        push(out, group(fraction)?, fraction);
    }
    Ok(())
}

fn push(out: &mut SmallVec<[u8; 24]>, value: u32, digits: usize) {
    for i in (0..digits as u32).rev() {
        out.push(b'0' + (value / 10u32.pow(i) % 10) as u8);
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn text(bytes: &'static [u8], precision: u8, scale: u8) -> Parsed<String> {
        let bytes = Bytes::from_static(bytes);
        let mut out = SmallVec::new();
        read(&mut Cursor::new(&bytes), precision, scale, &mut out)?;
        Ok(String::from_utf8(out.to_vec()).unwrap())
    }

    #[test]
    fn the_manuals_example_and_its_negative() {
        let plus = &[0x81, 0x0d, 0xfb, 0x38, 0xd2, 0x04, 0xd2];
        assert_eq!(text(plus, 14, 4).unwrap(), "1234567890.1234");
        let minus = &[0x7e, 0xf2, 0x04, 0xc7, 0x2d, 0xfb, 0x2d];
        assert_eq!(text(minus, 14, 4).unwrap(), "-1234567890.1234");
    }

    #[test]
    fn zeros_stay_readable() {
        assert_eq!(text(&[0x80], 1, 1).unwrap(), "0.0");
        assert_eq!(text(&[0x80, 0, 0], 5, 0).unwrap(), "0");
        assert_eq!(text(&[0x7f, 0xff, 0xff, 0xce], 7, 2).unwrap(), "-0.49");
    }

    #[test]
    fn impossible_digits_and_sizes_are_refused() {
        assert!(text(&[0xff, 0xff], 4, 2).is_err());
        assert!(text(&[0x80], 4, 2).is_err());
        assert!(text(&[0x80], 2, 4).is_err() && text(&[0x80], 0, 0).is_err() && text(&[0x80], 66, 0).is_err());
    }
}
