//! Numbers in texts, and doubles as text.

/// The longest number that a text begins with, blanks in front skipped; and what follows it. Empty: no number.
pub fn prefix(text: &[u8]) -> (&[u8], &[u8]) {
    let start = text.iter().position(|b| !b.is_ascii_whitespace() && *b != 0x0b).unwrap_or(text.len());
    let text = text.get(start..).unwrap_or_default();
    let digits_from = |at: usize| text.iter().skip(at).take_while(|b| b.is_ascii_digit()).count();
    let mut at = usize::from(matches!(text.first(), Some(b'+' | b'-')));
    let whole = digits_from(at);
    at += whole;
    let mut fraction = 0;
    if text.get(at) == Some(&b'.') {
        fraction = digits_from(at + 1);
        if whole + fraction > 0 {
            at += 1 + fraction;
        }
    }
    if whole + fraction == 0 {
        return (&[], text);
    }
    if matches!(text.get(at), Some(b'e' | b'E')) {
        let sign = usize::from(matches!(text.get(at + 1), Some(b'+' | b'-')));
        let exponent = digits_from(at + 1 + sign);
        if exponent > 0 {
            at += 1 + sign + exponent;
        }
    }
    text.split_at_checked(at).unwrap_or((text, &[]))
}

/// The double a text begins with; false when more follows than blanks, or there is none.
pub fn to_real(text: &[u8]) -> (f64, bool) {
    let (digits, rest) = prefix(text);
    let clean = !digits.is_empty() && rest.iter().all(|b| b.is_ascii_whitespace());
    let value: f64 = std::str::from_utf8(digits).ok().and_then(|d| d.parse().ok()).unwrap_or(0.0);
    // Too large numbers are the largest one.
    (value.clamp(f64::MIN, f64::MAX), clean)
}

/// The integer a text begins with (no point, no exponent), clamped to the ranges of both integer types; the second
/// value tells whether it is negative, the third whether nothing but blanks follows.
pub fn to_integer(text: &[u8]) -> (i128, bool) {
    let start = text.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(text.len());
    let text = text.get(start..).unwrap_or_default();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let count = digits.iter().take_while(|b| b.is_ascii_digit()).count();
    let mut value: i128 = 0;
    for digit in digits.iter().take(count) {
        value = value.saturating_mul(10).saturating_add(i128::from(digit - b'0'));
    }
    let clean = count > 0 && digits.iter().skip(count).all(|b| b.is_ascii_whitespace());
    (if negative { -value } else { value }, clean)
}

/// A double as the server prints it: the shortest text that reads back the same; beyond 15 digits with an exponent.
pub fn real_text(value: f64) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    arrange(&format!("{value:e}"))
}

/// A double as a text for functions of MySQL from 8.0 on: more than 22 characters need an exponent.
pub fn short_real_text(value: f64) -> String {
    let plain = real_text(value);
    if plain.len() > 22 && !plain.contains('e') { format!("{value:e}") } else { plain }
}

/// A double with so many digits behind the point: those of its shortest text, and zeros.
pub fn fixed_text(value: f64, scale: u8) -> String {
    let shortest = format!("{value}");
    let (whole, fraction) = shortest.split_once('.').unwrap_or((&shortest, ""));
    let scale = usize::from(scale);
    match scale {
        _ if fraction.len() > scale => format!("{value:.scale$}"),
        0 => whole.to_owned(),
        _ => format!("{whole}.{fraction:0<scale$}"),
    }
}

/// A FLOAT as the server prints it: six digits.
pub fn float_text(value: f32) -> String {
    if value == 0.0 {
        return if value.is_sign_negative() { "-0".into() } else { "0".into() };
    }
    arrange(&format!("{:.5e}", f64::from(value)))
}

/// `d.ddde-n` to the form that the server chooses.
fn arrange(scientific: &str) -> String {
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let digits: String = mantissa.chars().filter(char::is_ascii_digit).collect();
    let digits = digits.trim_end_matches('0');
    let digits = if digits.is_empty() { "0" } else { digits };
    let point = exponent + 1;
    // Long ones are plain only with digits behind the point.
    let long = usize::try_from(point).is_ok_and(|point| point > 15 && point >= digits.len());
    if point < -14 || long {
        let (first, rest) = digits.split_at(1);
        let dot = if rest.is_empty() { "" } else { "." };
        return format!("{sign}{first}{dot}{rest}e{exponent}");
    }
    if point <= 0 {
        return format!("{sign}0.{}{digits}", "0".repeat(point.unsigned_abs() as usize));
    }
    let point = point as usize;
    match digits.split_at_checked(point) {
        Some((whole, "")) => format!("{sign}{whole}"),
        Some((whole, fraction)) => format!("{sign}{whole}.{fraction}"),
        None => format!("{sign}{digits}{}", "0".repeat(point - digits.len())),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_number_in_front() {
        for (text, number) in [
            ("12abc", "12"),
            (" -1.5e3x", "-1.5e3"),
            ("1e", "1"),
            ("1e+", "1"),
            (".5", ".5"),
            ("5.", "5."),
            (".", ""),
            ("-", ""),
            ("abc", ""),
            ("", ""),
        ] {
            assert_eq!(prefix(text.as_bytes()).0, number.as_bytes(), "{text}");
        }
        assert_eq!(to_real(b"1e999"), (f64::MAX, true));
        assert_eq!(to_integer(b" -12 "), (-12, true));
        assert_eq!(to_integer(b"12.7"), (12, false));
    }

    #[test]
    fn doubles_print_as_on_the_server() {
        for (value, text) in [
            (1.0, "1"),
            (0.1, "0.1"),
            (1e14, "100000000000000"),
            (1e15, "1e15"),
            (1000000000000000.5, "1000000000000000.5"),
            (123456.75, "123456.75"),
            (1e-5, "0.00001"),
            (1.5e-20, "1.5e-20"),
            (-2.5e100, "-2.5e100"),
        ] {
            assert_eq!(real_text(value), text);
        }
        assert_eq!(fixed_text(5908722711110090752.0, 0), "5908722711110091000");
        assert_eq!(short_real_text(-1.234567890123456e-5), "-1.234567890123456e-5");
        assert_eq!(short_real_text(1.234567890123456e-5), "0.00001234567890123456");
        assert_eq!((fixed_text(2.25, 3).as_str(), fixed_text(-2.256, 2).as_str()), ("2.250", "-2.26"));
        assert_eq!(float_text(0.1), "0.1");
        assert_eq!(float_text(1.0 / 3.0), "0.333333");
    }
}
