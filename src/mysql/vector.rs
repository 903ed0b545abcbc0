//! VECTOR values as TiDB reads them. MySQL and MariaDB take and give the bytes: single-precision floats, the lowest byte first.

use std::fmt::Write;

/// Its shortest form is not read back to it by way of a double.
const MIDDLE: f32 = 7.038531e-26;

/// `[1,2.5]`: of each number the shortest decimal that reads back to the same float. None: the bytes are no floats.
///
/// TiDB reads each number as a double, which it rounds to a float. Two floats (and their negatives) are not what comes of that: the
/// largest, whose shortest form 3.4028235e38 is beyond the range for it, and 7.038531e-26, whose double lies in the middle between two
/// floats. They have the digits of a double. All others were tried.
pub fn text(bytes: &[u8]) -> Option<String> {
    let (floats, rest) = bytes.as_chunks();
    if !rest.is_empty() {
        return None;
    }
    let mut out = String::with_capacity(2 + floats.len() * 12);
    for (at, float) in floats.iter().enumerate() {
        out.push(if at == 0 { '[' } else { ',' });
        let float = f32::from_le_bytes(*float);
        // Writing to a String can't fail.
        let _ = match float.abs() {
            f32::MAX | MIDDLE => write!(out, "{:e}", f64::from(float)),
            0.0 | 1e-5..1e9 => write!(out, "{float}"),
            _ => write!(out, "{float:e}"),
        };
    }
    if floats.is_empty() {
        out.push('[');
    }
    out.push(']');
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_come_back_by_way_of_doubles() {
        let step = 0x1_0001;
        let corners = [0, 1, 0x7f_ffff, 0x80_0000, 0x3eaa_aaab, 0x7f7f_ffff, 0x7f7f_fffe, 0x4b80_0001, 0x15ae_43fd];
        let bits = (0..0x7f80_0000).step_by(step).chain(corners).flat_map(|bits: u32| [bits, bits | 1 << 31]);
        for bits in bits {
            let text = text(&bits.to_le_bytes()).unwrap();
            let double: f64 = text.trim_matches(['[', ']']).parse().unwrap();
            assert!(double.abs() <= f32::MAX.into() && (double as f32).to_bits() == bits, "{bits:08x} {text}");
        }
    }

    #[test]
    fn lists_of_numbers() {
        let of = |floats: &[f32]| text(&floats.iter().flat_map(|float| float.to_le_bytes()).collect::<Vec<_>>());
        let text_of = |floats: &[f32]| of(floats).unwrap();
        assert_eq!(text_of(&[1.0, 2.5, -0.0]), "[1,2.5,-0]");
        assert_eq!(text_of(&[f32::from_bits(1), 1.0 / 3.0, 1e9]), "[1e-45,0.33333334,1e9]");
        assert_eq!(text_of(&[f32::MIN]), "[-3.4028234663852886e38]");
        assert_eq!(text_of(&[]), "[]");
        assert_eq!(text(b"abc"), None);
    }
}
