//! One column value as a row image or a query result holds it: exact, and cheap to move.

use std::fmt;

use bytes::Bytes;
use smallvec::SmallVec;

use super::json::Json;

/// A value. Never printed by `Debug` in full: row values must not reach a log.
#[derive(Clone, PartialEq)]
pub enum Value {
    Null,
    /// Signed integers, and unsigned ones whose sign the binlog did not tell (see [`Value::unsigned`]).
    Int(i64),
    UInt(u64),
    Float(f32),
    Double(f64),
    /// Exact text, scale kept: `-0.50`.
    Decimal(Decimal),
    /// Strings and blobs, in the charset of the column; spatial and VECTOR values in their stored form.
    Bytes(Bytes),
    /// BIT(len).
    Bit {
        bits: u64,
        len: u8,
    },
    /// Index of an ENUM member, 1 is the first; 0 is the error member.
    Enum(u16),
    /// Bit mask of SET members.
    Set(u64),
    /// 0, or 1901 to 2155.
    Year(u16),
    Date(Date),
    Time(Time),
    DateTime(DateTime),
    Timestamp(Timestamp),
    /// A document of a JSON column of MySQL.
    Json(Json),
}

/// A decimal number's text.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Decimal(pub(crate) SmallVec<[u8; 24]>);

impl Decimal {
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    pub fn as_str(&self) -> &str {
        std::str::from_utf8(&self.0).unwrap_or_default()
    }
}

impl From<&str> for Decimal {
    fn from(text: &str) -> Self {
        Decimal(SmallVec::from_slice(text.as_bytes()))
    }
}

/// A date; zero and partial dates (`2024-00-00`) are possible.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Date {
    pub year: u16,
    pub month: u8,
    pub day: u8,
}

/// A TIME value: -838:59:59.999999 to 838:59:59.999999.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Time {
    pub negative: bool,
    pub hours: u16,
    pub minutes: u8,
    pub seconds: u8,
    pub micros: u32,
    /// Fractional digits of the column, 0 to 6.
    pub fsp: u8,
}

/// A DATETIME value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct DateTime {
    pub date: Date,
    pub hour: u8,
    pub minute: u8,
    pub second: u8,
    pub micros: u32,
    /// Fractional digits of the column, 0 to 6.
    pub fsp: u8,
}

/// A TIMESTAMP value: seconds since 1970 in UTC; 0 is the zero timestamp.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp {
    pub seconds: u32,
    pub micros: u32,
    /// Fractional digits of the column, 0 to 6.
    pub fsp: u8,
}

impl Timestamp {
    /// The value in UTC; the zero timestamp gives the zero date.
    pub fn to_datetime(self) -> DateTime {
        if self.seconds == 0 && self.micros == 0 {
            return DateTime { fsp: self.fsp, ..DateTime::default() };
        }
        let (days, rest) = (self.seconds / 86_400, self.seconds % 86_400);
        DateTime {
            date: Date::from_unix_days(days),
            hour: (rest / 3600) as u8,
            minute: (rest / 60 % 60) as u8,
            second: (rest % 60) as u8,
            micros: self.micros,
            fsp: self.fsp,
        }
    }
}

impl Date {
    /// The Gregorian date of a day number, 0 is 1970-01-01.
    fn from_unix_days(days: u32) -> Date {
        let is_leap = |y: u32| y.is_multiple_of(4) && (!y.is_multiple_of(100) || y.is_multiple_of(400));
        // 146097 days in 400 years: the estimate is a year too far at most.
        let mut year = 1971 + days * 400 / 146_097;
        let start_of = |y: u32| (y - 1970) * 365 + (y - 1969) / 4 - (y - 1901) / 100 + (y - 1601) / 400;
        while start_of(year) > days {
            year -= 1;
        }
        let mut rest = days - start_of(year);
        let mut month = 1;
        for length in [31, if is_leap(year) { 29 } else { 28 }, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
            if rest < length {
                break;
            }
            rest -= length;
            month += 1;
        }
        Date { year: year as u16, month, day: rest as u8 + 1 }
    }
}

impl Value {
    /// The same bits as an unsigned integer of a column that is `bits` wide (8, 16, 24, 32, 64).
    pub fn unsigned(self, bits: u8) -> Value {
        match self {
            Value::Int(v) if v >= 0 || bits >= 64 => Value::UInt(v as u64),
            Value::Int(v) => Value::UInt(v as u64 & ((1u64 << bits) - 1)),
            other => other,
        }
    }

    pub fn is_null(&self) -> bool {
        matches!(self, Value::Null)
    }

    /// Bytes this value keeps in memory, for budgets of queues; an estimate from above for small values.
    pub fn memory(&self) -> usize {
        std::mem::size_of::<Value>()
            + match self {
                Value::Bytes(b) => b.len(),
                Value::Json(json) => json.len() + 64 * json.typed().len(),
                Value::Decimal(d) if d.0.spilled() => d.0.len(),
                _ => 0,
            }
    }

    /// The kind's name, for messages that must not show the value.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "NULL",
            Value::Int(_) | Value::UInt(_) => "integer",
            Value::Float(_) => "float",
            Value::Double(_) => "double",
            Value::Decimal(_) => "decimal",
            Value::Bytes(_) => "string",
            Value::Bit { .. } => "bit",
            Value::Enum(_) => "enum",
            Value::Set(_) => "set",
            Value::Year(_) => "year",
            Value::Date(_) => "date",
            Value::Time(_) => "time",
            Value::DateTime(_) => "datetime",
            Value::Timestamp(_) => "timestamp",
            Value::Json(_) => "json",
        }
    }
}

impl fmt::Debug for Value {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.kind())
    }
}

impl fmt::Display for Date {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:04}-{:02}-{:02}", self.year, self.month, self.day)
    }
}

fn write_fraction(f: &mut fmt::Formatter<'_>, micros: u32, fsp: u8) -> fmt::Result {
    match fsp.min(6) as usize {
        0 => Ok(()),
        digits => write!(f, ".{:0digits$}", micros / 10u32.pow(6 - digits as u32)),
    }
}

impl fmt::Display for Time {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let sign = if self.negative { "-" } else { "" };
        write!(f, "{sign}{:02}:{:02}:{:02}", self.hours, self.minutes, self.seconds)?;
        write_fraction(f, self.micros, self.fsp)
    }
}

impl fmt::Display for DateTime {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {:02}:{:02}:{:02}", self.date, self.hour, self.minute, self.second)?;
        write_fraction(f, self.micros, self.fsp)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn utc(seconds: u32) -> String {
        Timestamp { seconds, micros: 0, fsp: 0 }.to_datetime().to_string()
    }

    #[test]
    fn timestamps_become_utc() {
        assert_eq!(utc(0), "0000-00-00 00:00:00");
        assert_eq!(utc(1), "1970-01-01 00:00:01");
        assert_eq!(utc(951_782_400), "2000-02-29 00:00:00");
        assert_eq!(utc(978_307_199), "2000-12-31 23:59:59");
        assert_eq!(utc(1_709_164_800), "2024-02-29 00:00:00");
        assert_eq!(utc(2_147_483_647), "2038-01-19 03:14:07");
        assert_eq!(utc(4_107_542_400), "2100-03-01 00:00:00");
        assert_eq!(utc(u32::MAX), "2106-02-07 06:28:15");
    }

    #[test]
    fn every_day_until_2106_follows_the_one_before() {
        let mut last = Date::from_unix_days(0);
        assert_eq!(last, Date { year: 1970, month: 1, day: 1 });
        for day in 1..=u32::MAX / 86_400 {
            let date = Date::from_unix_days(day);
            let next = Date { day: last.day + 1, ..last };
            let first = Date { day: 1, month: last.month % 12 + 1, year: last.year + u16::from(last.month == 12) };
            assert!(date == next && date.day <= 31 || date == first && last.day >= 28, "{last} {date}");
            last = date;
        }
    }

    #[test]
    fn the_sign_bit_of_each_width_is_data_when_unsigned() {
        assert!(Value::Int(-1).unsigned(8) == Value::UInt(255));
        assert!(Value::Int(-1).unsigned(24) == Value::UInt(16_777_215));
        assert!(Value::Int(-1).unsigned(64) == Value::UInt(u64::MAX));
        assert!(Value::Int(7).unsigned(8) == Value::UInt(7));
    }

    #[test]
    fn a_value_does_not_show_in_debug_text() {
        assert_eq!(format!("{:?}", Value::Bytes(Bytes::from_static(b"secret"))), "string");
    }
}
