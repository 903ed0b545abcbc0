//! Durations as Go writes them: `300ms`, `1h30m`, `-1.5s`.

use std::{fmt, str::FromStr, time::Duration};

use super::yaml::{Decoder, Node, Yaml, YamlValue};

/// A signed span of time in nanoseconds that reads and prints as a Go duration (`5m0s`).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct GoDuration(pub i64);

const NANO: i64 = 1;
const MICRO: i64 = 1000 * NANO;
const MILLI: i64 = 1000 * MICRO;
const SECOND: i64 = 1000 * MILLI;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;

impl GoDuration {
    pub const fn from_secs(seconds: i64) -> Self {
        GoDuration(seconds * SECOND)
    }

    /// As a std duration; a negative one becomes zero.
    pub fn to_std(self) -> Duration {
        Duration::from_nanos(self.0.max(0).unsigned_abs())
    }
}

impl FromStr for GoDuration {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let bad = || format!("time: invalid duration {text:?}");
        let (negative, mut rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        if rest == "0" {
            return Ok(GoDuration(0));
        }
        if rest.is_empty() {
            return Err(bad());
        }
        let mut total: i128 = 0;
        while !rest.is_empty() {
            let number_end = rest.find(|c: char| !(c.is_ascii_digit() || c == '.')).unwrap_or(rest.len());
            let (number, after) = rest.split_at(number_end);
            let unit_end = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
            let (unit, next) = after.split_at(unit_end);
            if number.is_empty() || number == "." {
                return Err(bad());
            }
            if unit.is_empty() {
                return Err(format!("time: missing unit in duration {text:?}"));
            }
            let Some(scale) = unit_nanos(unit) else {
                return Err(format!("time: unknown unit {unit:?} in duration {text:?}"));
            };
            total = total.checked_add(scaled(number, scale).ok_or_else(bad)?).ok_or_else(bad)?;
            rest = next;
        }
        let total = if negative { -total } else { total };
        i64::try_from(total).map(GoDuration).map_err(|_| bad())
    }
}

fn unit_nanos(unit: &str) -> Option<i64> {
    Some(match unit {
        "ns" => NANO,
        "us" | "µs" | "μs" => MICRO,
        "ms" => MILLI,
        "s" => SECOND,
        "m" => MINUTE,
        "h" => HOUR,
        _ => return None,
    })
}

/// `number` (digits, at most one point) times `scale`, rounded down to whole nanoseconds.
fn scaled(number: &str, scale: i64) -> Option<i128> {
    let (whole, part) = number.split_once('.').unwrap_or((number, ""));
    if part.contains('.') {
        return None;
    }
    let whole: i128 = if whole.is_empty() { 0 } else { whole.parse().ok()? };
    let mut value = whole.checked_mul(scale.into())?;
    let mut unit = i128::from(scale) * 1_000_000_000_000_000_000;
    let mut fraction: i128 = 0;
    for digit in part.bytes().take(18) {
        unit /= 10;
        fraction += i128::from(digit - b'0') * unit;
    }
    value += fraction / 1_000_000_000_000_000_000;
    Some(value)
}

impl fmt::Display for GoDuration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = self.0.unsigned_abs();
        let sign = if self.0 < 0 { "-" } else { "" };
        let (second, micro, milli) = (SECOND as u64, MICRO as u64, MILLI as u64);
        if nanos == 0 {
            return f.write_str("0s");
        }
        if nanos < second {
            let (scale, unit) = match nanos {
                n if n < micro => (1, "ns"),
                n if n < milli => (micro, "µs"),
                _ => (milli, "ms"),
            };
            return write!(f, "{sign}{}{unit}", decimal(nanos, scale));
        }
        let seconds = nanos / second;
        let (hours, minutes) = (seconds / 3600, seconds / 60 % 60);
        let rest = decimal(nanos % (60 * second), second);
        match (hours, minutes) {
            (0, 0) => write!(f, "{sign}{rest}s"),
            (0, m) => write!(f, "{sign}{m}m{rest}s"),
            (h, m) => write!(f, "{sign}{h}h{m}m{rest}s"),
        }
    }
}

/// `value / scale` with as many decimals as it needs.
fn decimal(value: u64, scale: u64) -> String {
    let digits = scale.ilog10() as usize;
    let part = format!("{:0width$}", value % scale, width = digits.max(1));
    let part = part.trim_end_matches('0');
    if digits == 0 || part.is_empty() { (value / scale).to_string() } else { format!("{}.{part}", value / scale) }
}

impl YamlValue for GoDuration {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        let parsed = node.text().and_then(|text| text.parse().ok());
        if parsed.is_none() {
            d.mismatch(node, "config.Duration", "a duration such as 30s, 5m or 1h30m");
        }
        parsed
    }

    fn encode(&self) -> Yaml {
        Yaml::Text(self.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_read_and_print_as_in_go() {
        for (text, printed) in [
            ("0", "0s"),
            ("30s", "30s"),
            ("5m", "5m0s"),
            ("1h30m", "1h30m0s"),
            ("90m", "1h30m0s"),
            ("1.5s", "1.5s"),
            ("1.5h", "1h30m0s"),
            ("300ms", "300ms"),
            ("2us", "2µs"),
            ("7ns", "7ns"),
            ("1ms500us", "1.5ms"),
            ("-1m30s", "-1m30s"),
            (".5s", "500ms"),
            ("1h0m0.001s", "1h0m0.001s"),
        ] {
            let parsed: GoDuration = text.parse().unwrap();
            assert_eq!(parsed.to_string(), printed, "{text}");
            assert_eq!(printed.parse::<GoDuration>().unwrap(), parsed, "{printed}");
        }
        for text in ["", "5", "abc", "1x", "s", "1..2s", ".s", "-", "9999999999h", "1 s"] {
            assert!(text.parse::<GoDuration>().is_err(), "{text:?}");
        }
    }
}
