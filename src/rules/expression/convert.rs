//! Values of one kind as another, as the server converts without being told (manual 14.3).

use std::borrow::Cow;

use super::{
    decimal::Dec,
    json,
    node::{Cx, Node},
    number,
    release::MYSQL_80,
    temporal,
    typed::{Kind, Type, Val},
};
use crate::{
    mysql::value::{Date, DateTime, Time},
    schema::ServerInfo,
};

/// Bytes as a number: the last eight, most significant first.
pub fn hex_number(bytes: &[u8]) -> u64 {
    bytes.iter().skip(bytes.len().saturating_sub(8)).fold(0, |n, b| n << 8 | u64::from(*b))
}

fn date_number(date: &Date) -> i64 {
    i64::from(date.year) * 10_000 + i64::from(date.month) * 100 + i64::from(date.day)
}

fn datetime_number(at: &DateTime) -> i64 {
    date_number(&at.date) * 1_000_000 + i64::from(at.hour) * 10_000 + i64::from(at.minute) * 100 + i64::from(at.second)
}

fn time_number(time: &Time) -> i64 {
    let n = i64::from(time.hours) * 10_000 + i64::from(time.minutes) * 100 + i64::from(time.seconds);
    if time.negative { -n } else { n }
}

/// A number with microseconds behind the point, as the decimal a temporal value is.
fn with_micros(whole: i64, negative: bool, micros: u32, fsp: u8) -> Dec {
    let fraction = i128::from(micros);
    let coefficient = i128::from(whole) * 1_000_000 + if negative { -fraction } else { fraction };
    Dec::new(coefficient, 6).truncate(i32::from(fsp.min(6)))
}

/// As DECIMAL; None for NULL.
pub fn decimal(value: &Val<'_>) -> Option<Dec> {
    Some(match value {
        Val::Null => return None,
        Val::Int(n) => Dec::from(*n),
        Val::UInt(n) => Dec::from(*n),
        Val::Real(n) => Dec::parse(number::real_text(*n).as_bytes())?,
        Val::Float(n) => Dec::parse(number::real_text(f64::from(*n)).as_bytes())?,
        Val::Dec(n) => n.clone(),
        Val::Text(text) => Dec::parse_prefix(text).0,
        Val::Hex(bytes) => Dec::from(hex_number(bytes)),
        Val::Enum(index, _) => Dec::from(u64::from(*index)),
        Val::Set(mask, _) => Dec::from(*mask),
        Val::Year(year) => Dec::from(u64::from(*year)),
        Val::Bit(bits, _) => Dec::from(*bits),
        Val::Date(date) => Dec::from(date_number(date)),
        Val::Time(time) => with_micros(time_number(time), time.negative, time.micros, time.fsp),
        Val::DateTime(at) => with_micros(datetime_number(at), false, at.micros, at.fsp),
        Val::Json(value) => Dec::parse_prefix(json::number_text(value).as_bytes()).0,
    })
}

/// As DOUBLE; None for NULL.
pub fn real(value: &Val<'_>) -> Option<f64> {
    Some(match value {
        Val::Null => return None,
        Val::Int(n) => *n as f64,
        Val::UInt(n) => *n as f64,
        Val::Real(n) => *n,
        Val::Float(n) => f64::from(*n),
        Val::Text(text) => number::to_real(text).0,
        Val::Hex(bytes) => hex_number(bytes) as f64,
        Val::Enum(index, _) => f64::from(*index),
        Val::Set(mask, _) => *mask as f64,
        Val::Year(year) => f64::from(*year),
        Val::Bit(bits, _) => *bits as f64,
        Val::Json(value) => number::to_real(json::number_text(value).as_bytes()).0,
        other => decimal(other)?.to_real(),
    })
}

/// As an integer of either sign; None for NULL. Decimals and doubles are rounded, texts read up to the first character
/// that is no digit.
pub fn integer(value: &Val<'_>) -> Option<i128> {
    Some(match value {
        Val::Null => return None,
        Val::Int(n) => (*n).into(),
        Val::UInt(n) => (*n).into(),
        Val::Real(n) => round_real(*n),
        Val::Float(n) => round_real((*n).into()),
        Val::Dec(n) => n.to_integer().unwrap_or(if n.is_negative() { i128::MIN } else { i128::MAX }),
        Val::Text(text) => number::to_integer(text).0,
        Val::Hex(bytes) => hex_number(bytes).into(),
        Val::Enum(index, _) => (*index).into(),
        Val::Set(mask, _) => (*mask).into(),
        Val::Year(year) => (*year).into(),
        Val::Bit(bits, _) => (*bits).into(),
        Val::Json(value) => {
            json::integer(value).unwrap_or_else(|| round_real(number::to_real(json::number_text(value).as_bytes()).0))
        }
        Val::Date(date) => date_number(date).into(),
        Val::Time(time) => time_number(&temporal::round_time(*time, 0)).into(),
        Val::DateTime(at) => match temporal::round_datetime(*at, 0) {
            Some(rounded) => datetime_number(&rounded).into(),
            // The last second of the year 9999 can't be rounded up; the server's answer is the day's beginning.
            None => (date_number(&at.date) * 1_000_000).into(),
        },
    })
}

/// Halves go to the even neighbour, as the servers' rint does.
fn round_real(value: f64) -> i128 {
    value.round_ties_even() as i128
}

/// As a 64-bit integer; beyond the ranges the nearest.
pub fn int64(value: &Val<'_>) -> Option<i64> {
    integer(value).map(|n| n.clamp(i64::MIN.into(), i64::MAX.into()) as i64)
}

/// As [`integer`], where servers differ: MariaDB cuts fractions of seconds; MySQL gives the least integer for a FLOAT that
/// is too large.
pub fn integer_in(value: &Val<'_>, cx: &Cx<'_>) -> Option<i128> {
    match value {
        Val::Time(time) if cx.mariadb => Some(time_number(time).into()),
        Val::DateTime(at) if cx.mariadb => Some(datetime_number(at).into()),
        Val::Float(n) if !cx.mariadb && n.abs() >= 9.223_372e18 => Some(i64::MIN.into()),
        other => integer(other),
    }
}

/// The bits of the integer, as bit operators see them. Decimals and doubles count as signed integers.
pub fn bits(value: &Val<'_>, cx: &Cx<'_>) -> Option<u64> {
    let most: i128 = match value {
        Val::Dec(_) | Val::Real(_) | Val::Float(_) if !cx.mariadb => i64::MAX.into(),
        _ => u64::MAX.into(),
    };
    let n = match value {
        // MariaDB goes by way of the exact number, and rounds halves away from zero.
        Val::Time(_) | Val::DateTime(_) if cx.mariadb => decimal(value)?.to_integer(),
        Val::Text(text) if cx.mariadb => Dec::parse_prefix(text).0.to_integer(),
        Val::Real(_) | Val::Float(_) if cx.mariadb => decimal(value)?.to_integer().or(real(value).map(|n| n as i128)),
        other => integer_in(other, cx),
    };
    n.map(|n| if n < 0 { n.max(i64::MIN.into()) as i64 as u64 } else { n.min(most) as u64 })
}

/// As the condition of IF and CASE: there JSON counts as the number that it is.
pub fn condition(value: &Val<'_>, cx: &Cx<'_>) -> Option<bool> {
    if let Val::Json(_) = value { real(value).map(|n| n != 0.0) } else { truth(value, cx) }
}

/// As a truth value; None for NULL.
pub fn truth(value: &Val<'_>, cx: &Cx<'_>) -> Option<bool> {
    match value {
        Val::Null => None,
        Val::Int(n) => Some(*n != 0),
        Val::UInt(n) => Some(*n != 0),
        Val::Dec(n) => Some(!n.is_zero()),
        Val::Json(value) if cx.mariadb || cx.version >= MYSQL_80 => Some(json::truth(value)),
        other => real(other).map(|n| n != 0.0),
    }
}

/// What is sent for an expression of this type: a branch's number as the whole's.
pub fn sent<'a>(value: Val<'a>, ty: &Type, server: ServerInfo) -> Val<'a> {
    // Old servers send integers of both signs as such.
    let integers = ty.kind == Kind::Decimal && ty.scale == 0 && server.version < MYSQL_80;
    match value {
        Val::Year(year) if ty.kind == Kind::Int || integers => Val::UInt(year.into()),
        Val::Int(_) | Val::UInt(_) | Val::Dec(_) | Val::Float(_) | Val::Year(_) if ty.kind == Kind::Double => {
            real(&value).map_or(Val::Null, Val::Real)
        }
        value => value,
    }
}

/// As a text; None for NULL. `ty` is the static type, which knows fixed digits.
pub fn text<'a>(value: Val<'a>, ty: &Type) -> Option<Cow<'a, [u8]>> {
    let owned = |text: String| Some(Cow::Owned(text.into_bytes()));
    match value {
        Val::Null => None,
        Val::Text(bytes) | Val::Hex(bytes) => Some(bytes),
        Val::Int(_) | Val::UInt(_) if ty.kind == Kind::Decimal && !ty.own_digits => {
            owned(decimal(&value)?.round(ty.scale).to_text())
        }
        Val::Int(n) => owned(n.to_string()),
        Val::UInt(n) => owned(n.to_string()),
        Val::Real(n) if ty.kind.is_real() && ty.scale < Type::FREE => owned(number::fixed_text(n, ty.scale)),
        Val::Float(n) if ty.scale < Type::FREE => owned(format!("{n:.*}", usize::from(ty.scale))),
        Val::Real(n) => owned(number::real_text(n)),
        Val::Float(n) => owned(number::float_text(n)),
        Val::Dec(n) if ty.kind == Kind::Decimal && !ty.own_digits => owned(n.round(ty.scale).to_text()),
        Val::Dec(n) if ty.kind == Kind::Decimal && n.scale() > ty.scale => owned(n.round(ty.scale).to_text()),
        Val::Dec(n) => owned(n.to_text()),
        Val::Enum(_, name) => Some(Cow::Borrowed(name.as_bytes())),
        Val::Set(_, names) => owned(names),
        Val::Year(year) => owned(format!("{year:04}")),
        Val::Bit(bits, length) => {
            let width = usize::from(length).div_ceil(8).clamp(1, 8);
            Some(Cow::Owned(bits.to_be_bytes().into_iter().skip(8 - width).collect()))
        }
        Val::Date(date) => owned(date.to_string()),
        Val::Time(time) => owned(time.to_string()),
        Val::DateTime(at) => owned(at.to_string()),
        Val::Json(value) => owned(json::to_text(&value, ty.scale == 0)),
    }
}

/// As a moment; None for NULL and for what is none. A TIME is of the current day.
pub fn datetime(value: &Val<'_>, cx: &Cx<'_>) -> Option<DateTime> {
    match value {
        Val::DateTime(at) => Some(*at),
        Val::Date(date) => Some(DateTime { date: *date, ..DateTime::default() }),
        Val::Time(time) => {
            let today = DateTime { date: cx.today()?, ..DateTime::default() };
            temporal::datetime_from_micros(temporal::datetime_micros(&today) + temporal::time_micros(time), time.fsp)
        }
        Val::Text(text) => datetime_of_text(text, cx),
        Val::Json(value) => match &**value {
            serde_json::Value::String(text) => datetime_of_text(text.as_bytes(), cx),
            _ => None,
        },
        Val::Enum(_, name) => datetime_of_text(name.as_bytes(), cx),
        Val::Set(_, names) => datetime_of_text(names.as_bytes(), cx),
        Val::Hex(bytes) => datetime_of_text(bytes, cx),
        Val::Null => None,
        Val::Year(_) => None,
        Val::Int(_) | Val::UInt(_) | Val::Bit(..) => temporal::datetime_of_number(i64::try_from(integer(value)?).ok()?),
        Val::Dec(_) | Val::Real(_) | Val::Float(_) => {
            let exact = decimal(value)?;
            let whole = exact.truncate(0);
            let micros = exact.sub(&whole).mul(&Dec::from(1_000_000i64)).to_integer()?;
            let at = temporal::datetime_of_number(i64::try_from(whole.to_integer()?).ok()?)?;
            if micros == 1_000_000 {
                return temporal::datetime_from_micros(temporal::datetime_micros(&at) + 1_000_000, 6);
            }
            Some(DateTime { micros: u32::try_from(micros).ok()?, fsp: 6, ..at })
        }
    }
}

/// A moment in a text; one with an offset is brought into the session's zone.
pub fn datetime_of_text(text: &[u8], cx: &Cx<'_>) -> Option<DateTime> {
    let read = temporal::read_datetime(text)?;
    let Some(minutes) = read.offset else { return Some(read.value) };
    let utc = super::zone::Zone::Fixed(minutes * 60).utc(&read.value)?;
    cx.zone.local(utc, 6)
}

/// As a TIME; None for NULL and for what is none.
pub fn time(value: &Val<'_>) -> Option<Time> {
    match value {
        Val::Time(time) => Some(*time),
        Val::DateTime(at) => Some(Time {
            negative: false,
            hours: at.hour.into(),
            minutes: at.minute,
            seconds: at.second,
            micros: at.micros,
            fsp: at.fsp,
        }),
        Val::Date(_) => Some(Time::default()),
        Val::Text(text) => temporal::read_time(text).map(|(time, _)| time),
        Val::Enum(_, name) => temporal::read_time(name.as_bytes()).map(|(time, _)| time),
        Val::Set(_, names) => temporal::read_time(names.as_bytes()).map(|(time, _)| time),
        Val::Hex(bytes) => temporal::read_time(bytes).map(|(time, _)| time),
        Val::Json(value) => match &**value {
            serde_json::Value::String(text) => temporal::read_time(text.as_bytes()).map(|(time, _)| time),
            _ => None,
        },
        Val::Null => None,
        Val::Int(_) | Val::UInt(_) | Val::Bit(..) | Val::Year(_) => {
            temporal::time_of_number(i64::try_from(integer(value)?).ok()?)
        }
        Val::Dec(_) | Val::Real(_) | Val::Float(_) => {
            let exact = decimal(value)?;
            let whole = exact.truncate(0);
            let micros = exact.sub(&whole).mul(&Dec::from(1_000_000i64)).to_integer()?;
            let time = temporal::time_of_number(i64::try_from(whole.to_integer()?).ok()?)?;
            let time = Time { negative: exact.is_negative(), ..time };
            let extra = i64::try_from(micros).ok()?;
            Some(temporal::time_from_micros(temporal::time_micros(&time) + extra, 6))
        }
    }
}

/// How many fractional digits an expression has as a time; a constant text has as many as it shows.
pub fn node_time_scale(node: &Node) -> u8 {
    match node.as_const() {
        Some(Val::Text(text)) => {
            let point = text.iter().rposition(|b| *b == b'.');
            let digits = point.and_then(|at| text.get(at + 1..)).unwrap_or_default();
            digits.iter().take_while(|b| b.is_ascii_digit()).count().min(6) as u8
        }
        _ => time_scale(&node.ty),
    }
}

/// How many fractional digits a value of this type has as a time.
pub fn time_scale(ty: &Type) -> u8 {
    match ty.kind {
        Kind::Date | Kind::Year | Kind::Int | Kind::Bit => 0,
        Kind::Text | Kind::Enum | Kind::Set | Kind::Hex | Kind::Double | Kind::Float | Kind::Json | Kind::Null => 6,
        Kind::Decimal | Kind::Time | Kind::DateTime => ty.scale.min(6),
    }
}
