//! A literal default in the form in which the server keeps it: as a value of the column's type.

use super::super::{
    column_type::{BaseType, ColumnType},
    model::DefaultValue,
};

/// What a column of this type has when its definition says `value`. A text that is no value of the type stays as it is.
pub(in crate::schema) fn stored(value: DefaultValue, ty: &ColumnType) -> DefaultValue {
    use BaseType::*;
    let value = match value {
        DefaultValue::Bytes(bytes) if ty.base.is_numeric() => DefaultValue::Number(number_of(&bytes).to_string()),
        DefaultValue::Bytes(bytes) if ty.base == Bit => return DefaultValue::Bytes(without_zeros(bytes)),
        DefaultValue::Bytes(bytes) if ty.base.has_charset() && bytes.is_ascii() => {
            DefaultValue::Literal(bytes.into_iter().map(char::from).collect())
        }
        other => other,
    };
    match (value, ty.base) {
        // A text's characters are the bits: '0' is b'110000'.
        (DefaultValue::Literal(text), Bit) => DefaultValue::Bytes(without_zeros(text.into_bytes())),
        (DefaultValue::Number(text), Bit) => DefaultValue::Bytes(match rounded(&text, 0) {
            Some(number) => without_zeros(number.parse::<u64>().unwrap_or_default().to_be_bytes().to_vec()),
            None => without_zeros(text.into_bytes()),
        }),
        (DefaultValue::Number(text), Year) if text.parse() == Ok(0_f64) => DefaultValue::Literal("0000".to_owned()),
        (DefaultValue::Number(text), _) => stored(DefaultValue::Literal(text), ty),
        (DefaultValue::Literal(text), Binary) => DefaultValue::Bytes(padded(text.into_bytes(), ty.length)),
        (DefaultValue::Bytes(bytes), Binary) => DefaultValue::Bytes(padded(bytes, ty.length)),
        (DefaultValue::Literal(text), VarBinary) => DefaultValue::Bytes(text.into_bytes()),
        (DefaultValue::Literal(text), _) => DefaultValue::Literal(literal(&text, ty).unwrap_or(text)),
        (other, _) => other,
    }
}

/// What a NOT NULL column without a default holds when nothing is said. None for types that have no such value.
pub(super) fn implied(ty: &ColumnType) -> Option<DefaultValue> {
    use BaseType::*;
    let text = match ty.base {
        Char | VarChar | Binary | VarBinary | Set => "",
        base if base.is_numeric() || matches!(base, Bit | Date | DateTime | Timestamp | Time) => "0",
        Year => "0000",
        Enum => ty.elems.first()?,
        _ => return None,
    };
    Some(stored(DefaultValue::Number(text.to_owned()), ty))
}

/// MariaDB takes a literal in parentheses for the literal, and CURRENT_TIMESTAMP for itself.
pub(super) fn without_parentheses(value: DefaultValue) -> DefaultValue {
    let DefaultValue::Expression(text) = &value else { return value };
    let mut inner = text.trim();
    while let Some(inside) = inner.strip_prefix('(').and_then(|rest| rest.strip_suffix(')')) {
        inner = inside.trim();
    }
    let quoted = inner.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\''));
    let word = inner.to_ascii_lowercase();
    if inner.parse::<f64>().is_ok_and(f64::is_finite) {
        DefaultValue::Number(inner.to_owned())
    } else if let Some(plain) = quoted.filter(|plain| !plain.contains(['\'', '\\'])) {
        DefaultValue::Literal(plain.to_owned())
    } else if word == "null" {
        DefaultValue::Null
    } else if matches!(word.as_str(), "true" | "false") {
        DefaultValue::Number(u8::from(word == "true").to_string())
    } else if ["now(", "current_timestamp("].iter().any(|name| word.starts_with(name)) && is_call(&word)
        || word == "current_timestamp"
    {
        DefaultValue::CurrentTimestamp
    } else {
        value
    }
}

/// `name()` or `name(3)`.
fn is_call(word: &str) -> bool {
    let digits = word.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    digits.is_some_and(|digits| digits.trim().bytes().all(|b| b.is_ascii_digit()))
}

fn number_of(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0, |number: u64, byte| number << 8 | u64::from(*byte))
}

fn without_zeros(mut bytes: Vec<u8>) -> Vec<u8> {
    let zeros = bytes.iter().take_while(|byte| **byte == 0).count().min(bytes.len().saturating_sub(1));
    bytes.drain(..zeros);
    bytes
}

fn padded(mut bytes: Vec<u8>, length: Option<u32>) -> Vec<u8> {
    let length = length.unwrap_or(1).min(255) as usize;
    if bytes.len() < length {
        bytes.resize(length, 0);
    }
    bytes
}

/// None: the text stays.
fn literal(text: &str, ty: &ColumnType) -> Option<String> {
    use BaseType::*;
    match ty.base {
        TinyInt | SmallInt | MediumInt | Int | BigInt => rounded(text, 0),
        Decimal => rounded(text, ty.decimals.unwrap_or(0)),
        Float | Double => float(text, ty),
        Year => year(text),
        Date => date(text),
        DateTime | Timestamp => moment(text, ty.decimals.unwrap_or(0)),
        Time => time(text, ty.decimals.unwrap_or(0)),
        Char => Some(text.trim_end_matches(' ').to_owned()),
        Enum => member(text, &ty.elems).map(str::to_owned),
        Set => {
            let wanted: Vec<&str> = text.split(',').map(|name| name.trim_end_matches(' ')).collect();
            let taken = ty.elems.iter().filter(|elem| wanted.iter().any(|name| name.eq_ignore_ascii_case(elem)));
            let taken: Vec<&str> = taken.map(String::as_str).collect();
            let known = wanted.iter().all(|name| ty.elems.iter().any(|elem| elem.eq_ignore_ascii_case(name)));
            known.then(|| taken.join(","))
        }
        _ => None,
    }
}

fn member<'a>(text: &str, elems: &'a [String]) -> Option<&'a str> {
    let text = text.trim_end_matches(' ');
    let exact = elems.iter().find(|elem| *elem == text);
    exact.or_else(|| elems.iter().find(|elem| elem.to_lowercase() == text.to_lowercase())).map(String::as_str)
}

/// A decimal number with this many digits behind the point, rounded half away from zero.
fn rounded(text: &str, scale: u32) -> Option<String> {
    let text = text.trim();
    let (mantissa, exponent) = match text.split_once(['e', 'E']) {
        Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
        None => (text, 0),
    };
    let (negative, mantissa) = match mantissa.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, mantissa.strip_prefix('+').unwrap_or(mantissa)),
    };
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
    let digits: String = format!("{whole}{fraction}");
    if digits.is_empty() || digits.len() > 100 || !digits.bytes().all(|b| b.is_ascii_digit()) || exponent.abs() > 100 {
        return None;
    }
    // The point stands behind this many digits.
    let point = whole.len() as i32 + exponent;
    let keep = point + scale as i32;
    let mut kept: Vec<u8> =
        (0..keep.max(0)).map(|i| digits.as_bytes().get(i as usize).map_or(0, |b| b - b'0')).collect();
    let next = if keep >= 0 { digits.as_bytes().get(keep as usize).map_or(0, |b| b - b'0') } else { 0 };
    if next >= 5 {
        let mut at = kept.len();
        loop {
            if at == 0 {
                kept.insert(0, 1);
                break;
            }
            at -= 1;
            if kept[at] < 9 {
                kept[at] += 1;
                break;
            }
            kept[at] = 0;
        }
    }
    let scale = scale as usize;
    while kept.len() < scale + 1 {
        kept.insert(0, 0);
    }
    let split = kept.len() - scale;
    let text = |part: &[u8]| part.iter().map(|d| char::from(b'0' + d)).collect::<String>();
    let whole = text(&kept[..split]).trim_start_matches('0').to_owned();
    let whole = if whole.is_empty() { "0".to_owned() } else { whole };
    let zero = kept.iter().all(|d| *d == 0);
    let sign = if negative && !zero { "-" } else { "" };
    Some(if scale == 0 { format!("{sign}{whole}") } else { format!("{sign}{whole}.{}", text(&kept[split..])) })
}

fn float(text: &str, ty: &ColumnType) -> Option<String> {
    if let Some(scale) = ty.decimals {
        return rounded(text, scale);
    }
    let number: f64 = text.trim().parse().ok().filter(|number: &f64| number.is_finite())?;
    let plain = number == 0.0 || (1e-5..1e15).contains(&number.abs());
    Some(match (ty.base, plain) {
        (BaseType::Float, true) => (number as f32).to_string(),
        (BaseType::Float, false) => format!("{:e}", number as f32),
        (_, true) => number.to_string(),
        (_, false) => format!("{number:e}"),
    })
}

fn year(text: &str) -> Option<String> {
    let number: u32 = text.trim().parse().ok()?;
    Some(match (number, text.trim().len()) {
        (0, 4) => "0000".to_owned(),
        (0, _) => "2000".to_owned(),
        (1..=69, _) => format!("{}", 2000 + number),
        (70..=99, _) => format!("{}", 1900 + number),
        _ => format!("{number:04}"),
    })
}

/// Digits between anything else: `2024-1-2 3:4:5.6` has seven groups.
fn groups(text: &str) -> Vec<&str> {
    text.split(|c: char| !c.is_ascii_digit()).filter(|group| !group.is_empty()).collect()
}

fn date(text: &str) -> Option<String> {
    if let [year, month, day, ..] = groups(text).as_slice() {
        return Some(format!("{}-{month:0>2}-{day:0>2}", full_year(year)));
    }
    let text = text.trim();
    let digits = text.bytes().all(|b| b.is_ascii_digit());
    match (digits, text.len()) {
        (true, 1) if text == "0" => Some("0000-00-00".to_owned()),
        (true, 8 | 14) => Some(format!("{}-{}-{}", text.get(..4)?, text.get(4..6)?, text.get(6..8)?)),
        (true, 6 | 12) => Some(format!("{}-{}-{}", full_year(text.get(..2)?), text.get(2..4)?, text.get(4..6)?)),
        _ => None,
    }
}

fn full_year(year: &str) -> String {
    match (year.len(), year.parse::<u32>()) {
        (2, Ok(number)) if number < 70 => format!("{}", 2000 + number),
        (2, Ok(number)) => format!("{}", 1900 + number),
        _ => format!("{year:0>4}"),
    }
}

fn moment(text: &str, decimals: u32) -> Option<String> {
    let day = date(text)?;
    let text = text.trim();
    let parts = groups(text);
    let (hour, minute, second, fraction) = match (parts.as_slice(), text.len()) {
        ([_, _, _, rest @ ..], _) => {
            let at = |i: usize| rest.get(i).copied().unwrap_or("0");
            (at(0), at(1), at(2), rest.get(3).copied().unwrap_or(""))
        }
        ([_], 14) => (text.get(8..10)?, text.get(10..12)?, text.get(12..14)?, ""),
        ([_], 12) => (text.get(6..8)?, text.get(8..10)?, text.get(10..12)?, ""),
        _ => ("0", "0", "0", ""),
    };
    Some(format!("{day} {hour:0>2}:{minute:0>2}:{second:0>2}{}", fraction_of(fraction, decimals)?))
}

fn time(text: &str, decimals: u32) -> Option<String> {
    let text = text.trim();
    let (sign, rest) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    let (clock, fraction) = rest.split_once('.').unwrap_or((rest, ""));
    let parts: Vec<&str> = clock.split(':').collect();
    let (hour, minute, second) = match parts.as_slice() {
        [hour, minute, second] => ((*hour).to_owned(), *minute, *second),
        [hour, minute] => ((*hour).to_owned(), *minute, "0"),
        [digits] if digits.bytes().all(|b| b.is_ascii_digit()) && (1..=7).contains(&digits.len()) => {
            let at = |from: usize, to: usize| {
                let end = digits.len().saturating_sub(from);
                digits.get(digits.len().saturating_sub(to)..end).filter(|part| !part.is_empty()).unwrap_or("0")
            };
            (at(4, 7).to_owned(), at(2, 4), at(0, 2))
        }
        _ => return None,
    };
    if !hour.bytes().chain(minute.bytes()).chain(second.bytes()).all(|b| b.is_ascii_digit()) {
        return None;
    }
    Some(format!("{sign}{hour:0>2}:{minute:0>2}:{second:0>2}{}", fraction_of(fraction, decimals)?))
}

/// `.5` as three digits is `.500`. None: digits would be rounded, which may change all the others.
fn fraction_of(digits: &str, decimals: u32) -> Option<String> {
    let decimals = decimals as usize;
    let rest = digits.get(decimals.min(digits.len())..)?;
    if rest.bytes().any(|b| b != b'0') {
        return None;
    }
    Some(if decimals == 0 { String::new() } else { format!(".{:0<decimals$.decimals$}", digits) })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(base: BaseType, length: Option<u32>, decimals: Option<u32>, value: &str) -> String {
        let ty = ColumnType { length, decimals, ..ColumnType::of(base) };
        match stored(DefaultValue::Literal(value.to_owned()), &ty) {
            DefaultValue::Literal(text) => text,
            other => format!("{other:?}"),
        }
    }

    #[test]
    fn numbers() {
        use BaseType::*;
        for (base, decimals, given, kept) in [
            (Int, None, "007", "7"),
            (Int, None, "1.5", "2"),
            (Int, None, "-1.4", "-1"),
            (Int, None, "-0", "0"),
            (Int, None, "1e3", "1000"),
            (Int, None, "99.5", "100"),
            (Decimal, Some(2), "1", "1.00"),
            (Decimal, Some(2), "-.005", "-0.01"),
            (Decimal, Some(1), "0.04", "0.0"),
            (Float, None, "1e3", "1000"),
            (Double, Some(2), "3.14159", "3.14"),
            (Double, None, "1e30", "1e30"),
            (Int, None, "x", "x"),
        ] {
            assert_eq!(of(base, None, decimals, given), kept, "{base:?} {given}");
        }
    }

    #[test]
    fn times() {
        use BaseType::*;
        for (base, decimals, given, kept) in [
            (Year, None, "99", "1999"),
            (Year, None, "2024", "2024"),
            (Date, None, "2024-1-2", "2024-01-02"),
            (Date, None, "20240102", "2024-01-02"),
            (DateTime, None, "0", "0000-00-00 00:00:00"),
            (DateTime, Some(3), "2024-1-2 3:4:5.6", "2024-01-02 03:04:05.600"),
            (Timestamp, None, "2024-01-02", "2024-01-02 00:00:00"),
            (Time, None, "1:2", "01:02:00"),
            (Time, None, "-8", "-00:00:08"),
            (Time, Some(2), "12:00:00", "12:00:00.00"),
            (Time, None, "120000", "12:00:00"),
            (Time, None, "noon", "noon"),
        ] {
            assert_eq!(of(base, None, decimals, given), kept, "{base:?} {given}");
        }
    }

    #[test]
    fn bytes_and_members() {
        let bit = ColumnType::with_length(BaseType::Bit, 5);
        assert_eq!(stored(DefaultValue::Number("5".into()), &bit), DefaultValue::Bytes(vec![5]));
        assert_eq!(stored(DefaultValue::Number("1e0".into()), &bit), DefaultValue::Bytes(vec![1]));
        assert_eq!(stored(DefaultValue::Literal("5".into()), &bit), DefaultValue::Bytes(vec![b'5']));
        let year = ColumnType::of(BaseType::Year);
        assert_eq!(stored(DefaultValue::Number("0".into()), &year), DefaultValue::Literal("0000".into()));
        assert_eq!(stored(DefaultValue::Literal("0".into()), &year), DefaultValue::Literal("2000".into()));
        assert_eq!(stored(DefaultValue::Bytes(vec![0, 0, 5]), &bit), DefaultValue::Bytes(vec![5]));
        let int = ColumnType::of(BaseType::Int);
        assert_eq!(stored(DefaultValue::Bytes(vec![1, 0]), &int), DefaultValue::Literal("256".into()));
        let binary = ColumnType::with_length(BaseType::Binary, 3);
        assert_eq!(stored(DefaultValue::Literal("a".into()), &binary), DefaultValue::Bytes(b"a\0\0".to_vec()));
        let set = ColumnType { elems: vec!["a".into(), "B".into()], ..ColumnType::of(BaseType::Set) };
        assert_eq!(stored(DefaultValue::Literal("b,a".into()), &set), DefaultValue::Literal("a,B".into()));
    }
}
