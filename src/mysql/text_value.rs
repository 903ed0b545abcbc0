//! Values out of a text result set, as row images hold them: what `SELECT column` sends for a column of each type.

use bytes::Bytes;
use mysql_async::{
    Column,
    consts::{ColumnFlags, ColumnType as Type},
};

use super::value::{Date, DateTime, Decimal, Time, Value};

/// A text that is no value of its column's type; holds the type's name, never the value.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NotAValue(pub &'static str);

type Read<T> = Result<T, NotAValue>;

/// The value that `text` is of `column`; None is NULL. ENUM and SET come as their members' names ([`Value::Bytes`]),
/// TIMESTAMP as the session's time zone shows it ([`Value::DateTime`]), strings in the results' character set. FLOAT is
/// printed with six digits: select `column * 1e0` for its exact value as a double.
pub fn read(column: &Column, text: Option<&[u8]>) -> Read<Value> {
    let Some(text) = text else { return Ok(Value::Null) };
    let unsigned = column.flags().contains(ColumnFlags::UNSIGNED_FLAG);
    let fsp = if column.decimals() <= 6 { column.decimals() } else { 0 };
    Ok(match column.column_type() {
        Type::MYSQL_TYPE_TINY
        | Type::MYSQL_TYPE_SHORT
        | Type::MYSQL_TYPE_INT24
        | Type::MYSQL_TYPE_LONG
        | Type::MYSQL_TYPE_LONGLONG
            if unsigned =>
        {
            Value::UInt(number(text, "integer")?)
        }
        Type::MYSQL_TYPE_TINY
        | Type::MYSQL_TYPE_SHORT
        | Type::MYSQL_TYPE_INT24
        | Type::MYSQL_TYPE_LONG
        | Type::MYSQL_TYPE_LONGLONG => Value::Int(number(text, "integer")?),
        Type::MYSQL_TYPE_FLOAT => Value::Float(number(text, "float")?),
        Type::MYSQL_TYPE_DOUBLE => Value::Double(number(text, "double")?),
        Type::MYSQL_TYPE_NEWDECIMAL | Type::MYSQL_TYPE_DECIMAL => Value::Decimal(decimal(text)?),
        Type::MYSQL_TYPE_BIT => bit(text, column.column_length())?,
        Type::MYSQL_TYPE_YEAR => Value::Year(number(text, "year")?),
        Type::MYSQL_TYPE_DATE | Type::MYSQL_TYPE_NEWDATE => Value::Date(date(ascii(text)?)?),
        Type::MYSQL_TYPE_TIME | Type::MYSQL_TYPE_TIME2 => Value::Time(time(ascii(text)?, fsp)?),
        Type::MYSQL_TYPE_DATETIME
        | Type::MYSQL_TYPE_DATETIME2
        | Type::MYSQL_TYPE_TIMESTAMP
        | Type::MYSQL_TYPE_TIMESTAMP2 => Value::DateTime(datetime(ascii(text)?, fsp)?),
        Type::MYSQL_TYPE_JSON => Value::Json(std::str::from_utf8(text).map_err(|_| NotAValue("json"))?.into()),
        Type::MYSQL_TYPE_NULL => Value::Null,
        _ => Value::Bytes(Bytes::copy_from_slice(text)),
    })
}

fn ascii(text: &[u8]) -> Read<&str> {
    std::str::from_utf8(text).map_err(|_| NotAValue("time"))
}

fn number<T: std::str::FromStr>(text: &[u8], kind: &'static str) -> Read<T> {
    std::str::from_utf8(text).ok().and_then(|t| t.parse().ok()).ok_or(NotAValue(kind))
}

/// Without the zeros that ZEROFILL puts before it.
fn decimal(text: &[u8]) -> Read<Decimal> {
    let text = std::str::from_utf8(text).map_err(|_| NotAValue("decimal"))?;
    let (sign, digits) = text.strip_prefix('-').map_or(("", text), |rest| ("-", rest));
    if digits.is_empty() || digits.bytes().any(|b| !b.is_ascii_digit() && b != b'.') {
        return Err(NotAValue("decimal"));
    }
    let whole = digits.find('.').unwrap_or(digits.len());
    let zeros = digits.bytes().take_while(|b| *b == b'0').count().min(whole.saturating_sub(1));
    Ok(Decimal::from(format!("{sign}{}", digits.get(zeros..).unwrap_or_default()).as_str()))
}

/// The bytes of the number, the first highest.
fn bit(text: &[u8], bits: u32) -> Read<Value> {
    if text.len() > 8 {
        return Err(NotAValue("bit"));
    }
    let len = u8::try_from(bits).ok().filter(|bits| (1..=64).contains(bits)).unwrap_or(64);
    Ok(Value::Bit { bits: text.iter().fold(0, |n, byte| n << 8 | u64::from(*byte)), len })
}

fn date(text: &str) -> Read<Date> {
    let mut parts = text.splitn(3, '-').map(str::parse::<u16>);
    match (parts.next(), parts.next(), parts.next()) {
        (Some(Ok(year)), Some(Ok(month)), Some(Ok(day))) if month < 13 && day < 32 => {
            Ok(Date { year, month: month as u8, day: day as u8 })
        }
        _ => Err(NotAValue("date")),
    }
}

fn datetime(text: &str, fsp: u8) -> Read<DateTime> {
    let (day, clock) = text.split_once(' ').ok_or(NotAValue("datetime"))?;
    let clock = time(clock, fsp)?;
    let hour = u8::try_from(clock.hours).ok().filter(|hour| *hour < 24).ok_or(NotAValue("datetime"))?;
    let (minute, second) = (clock.minutes, clock.seconds);
    Ok(DateTime { date: date(day)?, hour, minute, second, micros: clock.micros, fsp })
}

fn time(text: &str, fsp: u8) -> Read<Time> {
    const WRONG: NotAValue = NotAValue("time");
    let (negative, text) = text.strip_prefix('-').map_or((false, text), |rest| (true, rest));
    let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
    let mut parts = whole.splitn(3, ':').map(str::parse::<u16>);
    let (Some(Ok(hours)), Some(Ok(minutes)), Some(Ok(seconds))) = (parts.next(), parts.next(), parts.next()) else {
        return Err(WRONG);
    };
    if minutes > 59 || seconds > 59 || fraction.len() > 6 {
        return Err(WRONG);
    }
    let micros = format!("{fraction:0<6}").parse().map_err(|_| WRONG)?;
    Ok(Time { negative, hours, minutes: minutes as u8, seconds: seconds as u8, micros, fsp })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn value(kind: Type, text: &str) -> Read<Value> {
        read(&Column::new(kind).with_decimals(6), Some(text.as_bytes()))
    }

    #[test]
    fn texts_become_values() {
        let unsigned = Column::new(Type::MYSQL_TYPE_LONGLONG).with_flags(ColumnFlags::UNSIGNED_FLAG);
        assert!(read(&unsigned, Some(b"18446744073709551615")) == Ok(Value::UInt(u64::MAX)));
        assert!(read(&unsigned, None) == Ok(Value::Null));
        assert!(value(Type::MYSQL_TYPE_TINY, "-128") == Ok(Value::Int(-128)));
        assert!(value(Type::MYSQL_TYPE_NEWDECIMAL, "-00012.50") == Ok(Value::Decimal("-12.50".into())));
        assert!(value(Type::MYSQL_TYPE_NEWDECIMAL, "0.50") == Ok(Value::Decimal("0.50".into())));
        let time = Time { negative: true, hours: 838, minutes: 59, seconds: 59, micros: 500_000, fsp: 6 };
        assert!(value(Type::MYSQL_TYPE_TIME, "-838:59:59.5") == Ok(Value::Time(time)));
        let zero = DateTime { fsp: 6, ..DateTime::default() };
        assert!(value(Type::MYSQL_TYPE_DATETIME, "0000-00-00 00:00:00") == Ok(Value::DateTime(zero)));
        assert!(value(Type::MYSQL_TYPE_BIT, "\u{1}\u{2}").is_ok());
        assert!(value(Type::MYSQL_TYPE_YEAR, "0000") == Ok(Value::Year(0)));
    }

    #[test]
    fn other_texts_are_refused() {
        for (kind, text) in [
            (Type::MYSQL_TYPE_LONG, "x"),
            (Type::MYSQL_TYPE_NEWDECIMAL, "1e5"),
            (Type::MYSQL_TYPE_DATE, "2024-01"),
            (Type::MYSQL_TYPE_TIME, "1:2"),
            (Type::MYSQL_TYPE_TIME, "00:60:00"),
            (Type::MYSQL_TYPE_DATETIME, "2024-01-01"),
            (Type::MYSQL_TYPE_BIT, "123456789"),
        ] {
            assert!(value(kind, text).is_err(), "{text}");
        }
    }
}
