//! What a plain scalar means (YAML 1.1 as the original reads it: `yes` and `on` are booleans, `010` is octal).

/// What unquoted text would be read as.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Tag {
    Null,
    Bool,
    Int,
    Float,
    Timestamp,
    Merge,
    Str,
}

impl Tag {
    pub fn as_str(self) -> &'static str {
        match self {
            Tag::Null => "!!null",
            Tag::Bool => "!!bool",
            Tag::Int => "!!int",
            Tag::Float => "!!float",
            Tag::Timestamp => "!!timestamp",
            Tag::Merge => "!!merge",
            Tag::Str => "!!str",
        }
    }
}

pub fn is_null(text: &str) -> bool {
    matches!(text, "" | "~" | "null" | "Null" | "NULL")
}

pub fn boolean(text: &str) -> Option<bool> {
    match text {
        "y" | "Y" | "yes" | "Yes" | "YES" | "true" | "True" | "TRUE" | "on" | "On" | "ON" => Some(true),
        "n" | "N" | "no" | "No" | "NO" | "false" | "False" | "FALSE" | "off" | "Off" | "OFF" => Some(false),
        _ => None,
    }
}

pub fn integer(text: &str) -> Option<i128> {
    let plain = text.replace('_', "");
    let (negative, digits) = match plain.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, plain.strip_prefix('+').unwrap_or(&plain)),
    };
    let lower = digits.to_ascii_lowercase();
    let (radix, digits) = if let Some(rest) = lower.strip_prefix("0x") {
        (16, rest)
    } else if let Some(rest) = lower.strip_prefix("0b") {
        (2, rest)
    } else if let Some(rest) = lower.strip_prefix("0o") {
        (8, rest)
    } else if lower.len() > 1 && lower.starts_with('0') {
        (8, &lower[1..])
    } else {
        (10, lower.as_str())
    };
    if digits.is_empty() || !digits.chars().all(|c| c.is_digit(radix)) {
        return None;
    }
    let value = i128::from_str_radix(digits, radix).ok()?;
    Some(if negative { -value } else { value })
}

pub fn float(text: &str) -> Option<f64> {
    let first = text.trim_start_matches(['+', '-']).chars().next()?;
    if !(first.is_ascii_digit() || first == '.') {
        return None;
    }
    match text.trim_start_matches(['+', '-']).to_ascii_lowercase().as_str() {
        ".inf" => return Some(if text.starts_with('-') { f64::NEG_INFINITY } else { f64::INFINITY }),
        ".nan" => return Some(f64::NAN),
        _ => {}
    }
    text.replace('_', "").parse().ok()
}

/// What unquoted `text` is read as.
pub fn tag(text: &str) -> Tag {
    if is_null(text) {
        Tag::Null
    } else if text == "<<" {
        Tag::Merge
    } else if boolean(text).is_some() {
        Tag::Bool
    } else if integer(text).is_some() {
        Tag::Int
    } else if float(text).is_some() {
        Tag::Float
    } else if is_timestamp(text) {
        Tag::Timestamp
    } else {
        Tag::Str
    }
}

/// `2006-01-02` with or without a time behind it.
fn is_timestamp(text: &str) -> bool {
    let bytes = text.as_bytes();
    let digits = bytes.iter().take_while(|b| b.is_ascii_digit()).count();
    if digits != 4 || bytes.get(4) != Some(&b'-') {
        return false;
    }
    let rest: Vec<&str> = text[5..].splitn(2, '-').collect();
    let [month, day] = rest[..] else { return false };
    let day_digits = day.bytes().take_while(u8::is_ascii_digit).count();
    (1..=2).contains(&month.len())
        && month.bytes().all(|b| b.is_ascii_digit())
        && (1..=2).contains(&day_digits)
        && matches!(day.as_bytes().get(day_digits), None | Some(b'T' | b't' | b' '))
}

/// `12:30:45` is a number to base 60 for old readers, so it is quoted.
pub fn is_base60(text: &str) -> bool {
    let mut parts = text.trim_start_matches(['+', '-']).split(':');
    let first = parts.next().unwrap_or_default();
    let rest: Vec<&str> = parts.collect();
    let starts = first.bytes().next().is_some_and(|b| b.is_ascii_digit());
    starts
        && !rest.is_empty()
        && first.bytes().all(|b| b.is_ascii_digit() || b == b'_')
        && rest.iter().all(|p| {
            let whole = p.split('.').next().unwrap_or_default();
            (1..=2).contains(&whole.len()) && p.bytes().all(|b| b.is_ascii_digit() || b == b'.')
        })
}
