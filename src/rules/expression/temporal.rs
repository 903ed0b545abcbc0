//! Dates and times: reading them from texts and numbers as the server does (manual 11.2, 11.1.3), and day arithmetic.

use crate::mysql::value::{Date, DateTime, Time};

/// The largest TIME.
pub const MAX_TIME: Time = Time { negative: false, hours: 838, minutes: 59, seconds: 59, micros: 0, fsp: 0 };
const MICROS: i64 = 1_000_000;
const DAY_MICROS: i64 = 86_400 * MICROS;

/// What a text says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Read {
    pub value: DateTime,
    /// No time was given.
    pub date_only: bool,
    /// Nothing had to be left out.
    pub clean: bool,
    /// Minutes east of UTC, where the text names them.
    pub offset: Option<i32>,
}

fn is_leap(year: u16) -> bool {
    year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
}

/// Days of a month; 31 for a month that isn't one.
pub fn days_in_month(year: u16, month: u8) -> u8 {
    match month {
        4 | 6 | 9 | 11 => 30,
        2 if is_leap(year) => 29,
        2 => 28,
        _ => 31,
    }
}

/// Days of a year.
pub fn days_in_year(year: u16) -> i64 {
    if is_leap(year) { 366 } else { 365 }
}

/// Whether a date exists; month and day may be zero.
pub fn exists(date: Date) -> bool {
    date.year <= 9999
        && date.month <= 12
        && date.day <= 31
        && (date.month == 0 || date.day <= days_in_month(date.year, date.month))
}

/// Whether month or day is zero.
pub fn is_partial(date: Date) -> bool {
    date.month == 0 || date.day == 0
}

/// Days since the year 0, as TO_DAYS counts.
pub fn day_number(date: Date) -> i64 {
    if date.year == 0 && date.month == 0 {
        return 0;
    }
    let (year, month, day) = (i64::from(date.year), i64::from(date.month), i64::from(date.day));
    let mut days = 365 * year + 31 * (month - 1) + day;
    let year = if month <= 2 {
        year - 1
    } else {
        days -= (month * 4 + 23) / 10;
        year
    };
    // Integer division towards zero, also before the year 1.
    days + year / 4 - (year / 100 + 1) * 3 / 4
}

/// The date of a day number; the zero date outside of the years 0 to 9999.
pub fn from_day_number(days: i64) -> Date {
    if days <= 365 || days >= 3_652_500 {
        return Date::default();
    }
    let mut year = (days * 100 / 36_525) as u16;
    let first = |year: u16| day_number(Date { year, month: 1, day: 1 });
    while first(year) > days {
        year -= 1;
    }
    while days >= first(year) + days_in_year(year) {
        year += 1;
    }
    let mut rest = (days - first(year)) as u16;
    let mut month = 1;
    while month < 12 && rest >= u16::from(days_in_month(year, month)) {
        rest -= u16::from(days_in_month(year, month));
        month += 1;
    }
    Date { year, month, day: rest as u8 + 1 }
}

/// 0 is Monday.
pub fn weekday(date: Date) -> i64 {
    (day_number(date) + 5).rem_euclid(7)
}

/// Microseconds of a TIME, signed.
pub fn time_micros(time: &Time) -> i64 {
    let seconds = i64::from(time.hours) * 3600 + i64::from(time.minutes) * 60 + i64::from(time.seconds);
    let micros = seconds * MICROS + i64::from(time.micros);
    if time.negative { -micros } else { micros }
}

/// A TIME of microseconds; beyond the range the largest.
pub fn time_from_micros(micros: i64, fsp: u8) -> Time {
    let negative = micros < 0;
    let all = micros.unsigned_abs();
    if all > 3_020_399_000_000 {
        return Time { negative, fsp, ..MAX_TIME };
    }
    let seconds = all / 1_000_000;
    Time {
        negative,
        hours: (seconds / 3600) as u16,
        minutes: (seconds / 60 % 60) as u8,
        seconds: (seconds % 60) as u8,
        micros: (all % 1_000_000) as u32,
        fsp,
    }
}

/// Microseconds since the year 0.
pub fn datetime_micros(at: &DateTime) -> i64 {
    day_number(at.date) * DAY_MICROS + clock_micros(at)
}

/// Microseconds since midnight.
pub fn clock_micros(at: &DateTime) -> i64 {
    (i64::from(at.hour) * 3600 + i64::from(at.minute) * 60 + i64::from(at.second)) * MICROS + i64::from(at.micros)
}

/// A moment of microseconds since the year 0; None outside of the years 1 to 9999.
pub fn datetime_from_micros(micros: i64, fsp: u8) -> Option<DateTime> {
    let days = micros.div_euclid(DAY_MICROS);
    if !(366..=3_652_424).contains(&days) {
        return None;
    }
    let rest = micros.rem_euclid(DAY_MICROS);
    let seconds = rest / MICROS;
    Some(DateTime {
        date: from_day_number(days),
        hour: (seconds / 3600) as u8,
        minute: (seconds / 60 % 60) as u8,
        second: (seconds % 60) as u8,
        micros: (rest % MICROS) as u32,
        fsp,
    })
}

/// An order of moments that also holds for zero and partial dates.
pub fn rank(at: &DateTime) -> (u16, u8, u8, i64) {
    (at.date.year, at.date.month, at.date.day, clock_micros(at))
}

/// Rounds to fractional digits, halves up; None when that leaves the range.
pub fn round_datetime(at: DateTime, fsp: u8) -> Option<DateTime> {
    let unit = 10i64.pow(6 - u32::from(fsp.min(6)));
    let micros = i64::from(at.micros);
    let rounded = (micros + unit / 2) / unit * unit;
    if unit == 1 || rounded < MICROS {
        return Some(DateTime { micros: if unit == 1 { at.micros } else { rounded as u32 }, fsp, ..at });
    }
    if is_partial(at.date) {
        return None;
    }
    datetime_from_micros(datetime_micros(&at) - micros + rounded, fsp)
}

/// Rounds to fractional digits, halves away from zero.
pub fn round_time(time: Time, fsp: u8) -> Time {
    let unit = 10i64.pow(6 - u32::from(fsp.min(6)));
    let micros = time_micros(&time);
    let rounded = (micros.abs() + unit / 2) / unit * unit;
    time_from_micros(if time.negative { -rounded } else { rounded }, fsp)
}

/// Cuts to fractional digits.
pub fn cut_datetime(at: DateTime, fsp: u8) -> DateTime {
    let unit = 10u32.pow(6 - u32::from(fsp.min(6)));
    DateTime { micros: at.micros / unit * unit, fsp, ..at }
}

/// Cuts to fractional digits.
pub fn cut_time(time: Time, fsp: u8) -> Time {
    let unit = 10u32.pow(6 - u32::from(fsp.min(6)));
    let micros = time_micros(&Time { micros: time.micros / unit * unit, ..time });
    time_from_micros(micros, fsp)
}

/// A fraction's digits as microseconds; the seventh digit rounds.
fn fraction(digits: &[u8]) -> (u32, bool) {
    let mut micros = 0u32;
    for i in 0..6 {
        micros = micros * 10 + u32::from(digits.get(i).map_or(0, |d| d - b'0'));
    }
    (micros, digits.get(6).is_some_and(|d| *d >= b'5'))
}

fn digits_at(text: &[u8], at: usize) -> &[u8] {
    let rest = text.get(at..).unwrap_or_default();
    let count = rest.iter().take_while(|b| b.is_ascii_digit()).count();
    rest.get(..count).unwrap_or_default()
}

fn number(digits: &[u8]) -> u64 {
    digits.iter().take(18).fold(0, |n, d| n * 10 + u64::from(d - b'0'))
}

/// Reads a date or moment. None: it is none, or doesn't exist.
pub fn read_datetime(text: &[u8]) -> Option<Read> {
    let start = text.iter().position(|b| !b.is_ascii_whitespace())?;
    let text = text.get(start..)?;
    let head = text.iter().take_while(|b| b.is_ascii_digit() || **b == b'T').count();
    let compact = head == text.len() || text.get(head) == Some(&b'.');
    let mut fields = [0u64; 6];
    let mut at = 0;
    let mut count = 0;
    let mut year_digits = if matches!(head, 4 | 8 | 14..) { 4 } else { 2 };
    while count < 6 {
        let digits = digits_at(text, at);
        let width = if !compact {
            digits.len()
        } else if count == 0 {
            year_digits
        } else {
            2
        };
        let digits = digits.get(..width.min(digits.len()))?;
        if digits.is_empty() {
            break;
        }
        if !compact && count == 0 {
            year_digits = digits.len();
        }
        fields[count] = number(digits);
        at += digits.len();
        count += 1;
        if count == 6 || at >= text.len() {
            break;
        }
        if count == 3 && text.get(at) == Some(&b'T') {
            at += 1;
            continue;
        }
        if compact && text.get(at) == Some(&b'.') {
            break;
        }
        while let Some(b) = text.get(at) {
            if b.is_ascii_whitespace() && count != 3 {
                return finish(fields, count, year_digits, 0, false, None, false).filter(|_| count > 3);
            }
            if !b.is_ascii_punctuation() && !b.is_ascii_whitespace() || matches!(b, b'+' | b'-') && count > 4 {
                break;
            }
            at += 1;
        }
    }
    let mut micros = (0, false);
    if (count == 6 || compact) && text.get(at) == Some(&b'.') {
        let digits = digits_at(text, at + 1);
        micros = fraction(digits);
        at += 1 + digits.len();
    }
    let rest = text.get(at..).unwrap_or_default();
    let offset = offset(rest).filter(|_| count >= 5);
    let clean = offset.is_some() || rest.iter().all(|b| b.is_ascii_whitespace());
    finish(fields, count, year_digits, micros.0, micros.1, offset, clean)
}

/// `+08:00` at the end of a moment.
fn offset(text: &[u8]) -> Option<i32> {
    let (sign, rest) = match text.split_first()? {
        (b'+', rest) => (1, rest),
        (b'-', rest) => (-1, rest),
        _ => return None,
    };
    let [h1 @ b'0'..=b'9', h2 @ b'0'..=b'9', b':', m1 @ b'0'..=b'5', m2 @ b'0'..=b'9'] = rest else { return None };
    let minutes = i32::from((h1 - b'0') * 10 + h2 - b'0') * 60 + i32::from((m1 - b'0') * 10 + m2 - b'0');
    (minutes <= 14 * 60).then_some(sign * minutes)
}

fn finish(
    fields: [u64; 6],
    count: usize,
    year_digits: usize,
    micros: u32,
    round_up: bool,
    offset: Option<i32>,
    clean: bool,
) -> Option<Read> {
    let [year, month, day, hour, minute, second] = fields;
    let any = fields.iter().any(|f| *f != 0) || micros != 0;
    let year = if year_digits == 2 && any { year + if year < 70 { 2000 } else { 1900 } } else { year };
    if count < 3 || year > 9999 || month > 12 || day > 31 || hour > 23 || minute > 59 || second > 59 {
        return None;
    }
    let date = Date { year: year as u16, month: month as u8, day: day as u8 };
    if !exists(date) {
        return None;
    }
    let mut value = DateTime { date, hour: hour as u8, minute: minute as u8, second: second as u8, micros, fsp: 6 };
    if round_up {
        value = datetime_from_micros(datetime_micros(&value) + 1, 6)?;
    }
    Some(Read { value, date_only: count <= 3, clean, offset })
}

/// A moment of a number such as 20240229 or 240229010203.
pub fn datetime_of_number(number: i64) -> Option<DateTime> {
    let n = match number {
        0 => 0,
        1..=100 => return None,
        101..=691_231 => (number + 20_000_000) * 1_000_000,
        691_232..=700_100 => return None,
        700_101..=991_231 => (number + 19_000_000) * 1_000_000,
        991_232..=99_991_231 => number * 1_000_000,
        99_991_232..=100_999_999 => return None,
        101_000_000..=691_231_235_959 => number + 20_000_000_000_000,
        691_231_235_960..=700_100_999_999 => return None,
        700_101_000_000..=991_231_235_959 => number + 19_000_000_000_000,
        991_231_235_960..=99_991_231_235_959 => number,
        _ => return None,
    };
    let (date, clock) = (n / 1_000_000, n % 1_000_000);
    let value = DateTime {
        date: Date {
            year: u16::try_from(date / 10_000).ok()?,
            month: (date / 100 % 100) as u8,
            day: (date % 100) as u8,
        },
        hour: (clock / 10_000) as u8,
        minute: (clock / 100 % 100) as u8,
        second: (clock % 100) as u8,
        micros: 0,
        fsp: 0,
    };
    (exists(value.date) && value.hour < 24 && value.minute < 60 && value.second < 60).then_some(value)
}

/// Reads a TIME; the second value is false when something was left out or out of range.
pub fn read_time(text: &[u8]) -> Option<(Time, bool)> {
    let start = text.iter().position(|b| !b.is_ascii_whitespace())?;
    let text = text.get(start..)?;
    let negative = text.first() == Some(&b'-');
    let text = if negative { text.get(1..)? } else { text };
    if text.len() >= 12
        && let Some(read) = read_datetime(text).filter(|read| !read.date_only)
    {
        let DateTime { hour, minute, second, micros, .. } = read.value;
        let time = Time { negative, hours: hour.into(), minutes: minute, seconds: second, micros, fsp: 6 };
        return Some((time, read.clean));
    }
    let first = digits_at(text, 0);
    if first.is_empty() && text.first() != Some(&b'.') {
        return None;
    }
    let mut at = first.len();
    let blanks = text.get(at..)?.iter().take_while(|b| b.is_ascii_whitespace()).count();
    let days = blanks > 0 && text.get(at + blanks).is_some_and(u8::is_ascii_digit);
    let mut parts = [0u64; 3];
    let mut day = 0;
    let colon = |at: usize| text.get(at) == Some(&b':') && text.get(at + 1).is_some_and(u8::is_ascii_digit);
    if days || colon(at) {
        let mut index = 0;
        if days {
            day = number(first);
            at += blanks;
            let hours = digits_at(text, at);
            parts[0] = number(hours);
            at += hours.len();
        } else {
            parts[0] = number(first);
        }
        while index < 2 && colon(at) {
            index += 1;
            let digits = digits_at(text, at + 1);
            parts[index] = number(digits);
            at += 1 + digits.len();
        }
    } else {
        let n = number(first);
        parts = [n / 10_000, n / 100 % 100, n % 100];
    }
    let mut micros = (0, false);
    if text.get(at) == Some(&b'.') {
        let digits = digits_at(text, at + 1);
        micros = fraction(digits);
        at += 1 + digits.len();
    }
    let clean = text.get(at..)?.iter().all(|b| b.is_ascii_whitespace());
    let [hours, minutes, seconds] = parts;
    if minutes > 59 || seconds > 59 || first.len() > 18 {
        return None;
    }
    let hours = hours.saturating_add(day.saturating_mul(24));
    if hours > 838 {
        return Some((Time { negative, ..MAX_TIME }, false));
    }
    let total = (hours * 3600 + minutes * 60 + seconds) as i64 * MICROS + i64::from(micros.0) + i64::from(micros.1);
    let over = total > 3_020_399_000_000;
    Some((Time { negative, ..time_from_micros(total, 6) }, clean && !over))
}

/// A TIME of a number such as 13005 (01:30:05).
pub fn time_of_number(number: i64) -> Option<Time> {
    let (negative, n) = (number < 0, number.unsigned_abs());
    if n > 8_385_959 {
        if n >= 10_000_000_000 {
            let at = datetime_of_number(number)?;
            return Some(Time {
                negative: false,
                hours: at.hour.into(),
                minutes: at.minute,
                seconds: at.second,
                micros: 0,
                fsp: 0,
            });
        }
        return Some(Time { negative, ..MAX_TIME });
    }
    let (minutes, seconds) = ((n / 100 % 100) as u8, (n % 100) as u8);
    if minutes > 59 || seconds > 59 {
        return None;
    }
    Some(Time { negative, hours: (n / 10_000) as u16, minutes, seconds, micros: 0, fsp: 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn moment(text: &str) -> Option<String> {
        read_datetime(text.as_bytes()).map(|r| r.value.to_string())
    }

    #[test]
    fn days_count_from_the_year_zero() {
        let day = |year, month, day| day_number(Date { year, month, day });
        assert_eq!(day(2007, 10, 7), 733_321);
        assert_eq!(day(1970, 1, 1), 719_528);
        for number in 366..3_652_425 {
            let date = from_day_number(number);
            assert!(day_number(date) == number && exists(date) && !is_partial(date), "{number} {date}");
        }
        assert_eq!(weekday(Date { year: 2024, month: 2, day: 29 }), 3);
    }

    #[test]
    fn moments_in_many_forms() {
        for (text, expected) in [
            ("2024-02-29 01:02:03.5", "2024-02-29 01:02:03.500000"),
            ("20240229", "2024-02-29 00:00:00.000000"),
            ("240229", "2024-02-29 00:00:00.000000"),
            ("20240229010203", "2024-02-29 01:02:03.000000"),
            ("2024-2-9", "2024-02-09 00:00:00.000000"),
            ("70/1/2", "1970-01-02 00:00:00.000000"),
            ("2024-02-29T01:02", "2024-02-29 01:02:00.000000"),
            ("2024-01-01 00:00:00.9999999", "2024-01-01 00:00:01.000000"),
            ("0000-00-00", "0000-00-00 00:00:00.000000"),
            ("2024-00-00", "2024-00-00 00:00:00.000000"),
            ("2024-01-01 xyz", "2024-01-01 00:00:00.000000"),
        ] {
            assert_eq!(moment(text).as_deref(), Some(expected), "{text}");
        }
        for text in ["", "abc", "2024-02-30", "2024-13-01", "2024", "2024-01-01 25:00:00", "2024-01"] {
            assert_eq!(moment(text), None, "{text}");
        }
        let read = read_datetime(b"2021-01-01 12:34:56.5678+08:00").unwrap();
        assert!(read.clean && read.offset == Some(480));
        assert!(!read_datetime(b"2021-01-01 12:34:56x").unwrap().clean);
    }

    #[test]
    fn times_in_many_forms() {
        let time = |text: &str| read_time(text.as_bytes()).map(|(t, _)| t.to_string());
        for (text, expected) in [
            ("10:11:12", "10:11:12.000000"),
            ("10:11", "10:11:00.000000"),
            ("101112", "10:11:12.000000"),
            ("12", "00:00:12.000000"),
            ("2 10:00", "58:00:00.000000"),
            ("-1 1", "-25:00:00.000000"),
            ("2024-02-29 01:02:03", "01:02:03.000000"),
            ("12.5", "00:00:12.500000"),
        ] {
            assert_eq!(time(text).as_deref(), Some(expected), "{text}");
        }
        assert_eq!(time("10:61:00"), None);
        assert_eq!(time("x"), None);
        assert_eq!(read_time(b"900:00:00").unwrap().0, MAX_TIME);
    }
}
