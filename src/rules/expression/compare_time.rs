//! As what dates, times and years are compared with other values (manual 14.3, 13.2).

use super::{
    compare::{Comparison, aggregate},
    convert,
    node::{Cx, Node},
    number, temporal,
    typed::{Kind, Type, Val},
};

/// A constant beside a YEAR column: two digits mean a year of 1970 to 2069.
pub fn year_constant(a: &mut Node, b: &mut Node) -> Result<(), String> {
    let (column, constant) = if a.ty.kind == Kind::Year { (a, b) } else { (b, a) };
    if !column.is_column() {
        return Ok(());
    }
    let Some(value) = constant.as_const() else { return Ok(()) };
    let (n, text) = match value {
        Val::Int(_) | Val::UInt(_) | Val::Hex(_) => (convert::integer(value).unwrap_or(0), false),
        Val::Text(text) => match number::to_integer(text) {
            (n, true) => (n, text.len() < 4),
            _ => return Err("a constant that is compared with a YEAR column is no year".into()),
        },
        Val::Null => return Ok(()),
        _ => return Err("a constant that is compared with a YEAR column is no year".into()),
    };
    let year = match n {
        0 if !text => 0,
        0..=69 => 2000 + n,
        70..=99 => 1900 + n,
        1901..=2155 => n,
        _ => return Err("a constant that is compared with a YEAR column is no year".into()),
    };
    *constant = Node::constant(Type::int(false), Val::Int(year as i64));
    Ok(())
}

/// At least one side is a date or a time.
pub fn comparison(a: &mut Node, b: &mut Node, cx: &Cx<'_>) -> Result<Comparison, String> {
    let (x, y) = (a.ty.kind, b.ty.kind);
    if x.is_temporal() && y.is_temporal() {
        return match (x == Kind::Time, y == Kind::Time) {
            (true, true) => Ok(Comparison::Time),
            (false, false) => Ok(Comparison::DateTime),
            _ => Err("a time of day can't be compared with a date; use TIME() or DATE()".into()),
        };
    }
    let (time, other) = if x.is_temporal() { (a, b) } else { (b, a) };
    if other.ty.kind == Kind::Year {
        return Err("a YEAR can't be compared with a date; use YEAR() of the date".into());
    }
    let clock = time.ty.kind == Kind::Time;
    if other.ty.kind.is_text() {
        let Some(value) = other.as_const() else { return beside_text(time, other, cx) };
        if clock && !time.is_column() && !cx.mariadb {
            return beside_text(time, other, cx);
        }
        *other = if clock { time_of_text(value)? } else { moment_of_text(value, cx)? };
        return Ok(if clock { Comparison::Time } else { Comparison::DateTime });
    }
    if let Some(value) = other.as_const()
        && (time.is_column() || cx.mariadb)
    {
        let whole = matches!(value, Val::Int(_) | Val::UInt(_));
        let found = if !whole {
            None
        } else if clock {
            time_of_number(value)
        } else {
            moment_of_number(value, time, cx)
        };
        *other = found.ok_or("a number that is compared with a date or time is none; write it as a text")?;
        return Ok(if clock { Comparison::Time } else { Comparison::DateTime });
    }
    if cx.mariadb {
        return Err("dates and times beside numbers are not compared; use CAST".into());
    }
    let real = other.ty.kind.is_real();
    Ok(if real { Comparison::Real } else { Comparison::Decimal })
}

/// Beside a text that isn't constant: dates as dates; times as texts on MySQL.
fn beside_text(time: &Node, text: &Node, cx: &Cx<'_>) -> Result<Comparison, String> {
    if time.ty.kind != Kind::Time {
        return Ok(Comparison::DateTime);
    }
    if cx.mariadb {
        return Err("a time beside a text that is no constant is not compared; use CAST(.. AS TIME)".into());
    }
    Ok(Comparison::Text(aggregate([&time.ty, &text.ty])?.0))
}

fn moment_of_text(value: &Val<'_>, cx: &Cx<'_>) -> Result<Node, String> {
    let clean = match value {
        Val::Text(text) => temporal::read_datetime(text).is_some_and(|read| read.clean),
        _ => true,
    };
    let at = convert::datetime(value, cx).filter(|_| clean).ok_or("a text that is compared with a date is no date")?;
    Ok(Node::constant(Type::temporal(Kind::DateTime, 6), Val::DateTime(at)))
}

fn time_of_text(value: &Val<'_>) -> Result<Node, String> {
    let read = match value {
        Val::Text(text) | Val::Hex(text) => temporal::read_time(text).filter(|(_, clean)| *clean),
        _ => None,
    };
    let (time, _) = read.ok_or("a text that is compared with a time is no time")?;
    Ok(Node::constant(Type::temporal(Kind::Time, 6), Val::Time(time)))
}

fn moment_of_number(value: &Val<'_>, column: &Node, cx: &Cx<'_>) -> Option<Node> {
    let at = convert::datetime(value, cx)?;
    // On MySQL a constant takes the column's type: a DATE has no clock.
    if column.ty.kind == Kind::Date && !cx.mariadb {
        return Some(Node::constant(Type::temporal(Kind::Date, 0), Val::Date(at.date)));
    }
    Some(Node::constant(Type::temporal(Kind::DateTime, 6), Val::DateTime(at)))
}

fn time_of_number(value: &Val<'_>) -> Option<Node> {
    let n = convert::integer(value).filter(|n| n.abs() <= 8_385_959)?;
    let time = temporal::time_of_number(i64::try_from(n).ok()?)?;
    Some(Node::constant(Type::temporal(Kind::Time, 6), Val::Time(time)))
}
