//! Adding intervals to dates, and counting the units between two (manual 14.7).

use crate::{
    mysql::value::{Date, DateTime, Time},
    rules::expression::{
        ast::{Ast, Unit},
        compile::{Built, Compiler},
        convert,
        node::{Cx, Node, Op},
        number, temporal,
        typed::{Evaluated, Kind, Type, Val},
    },
};

const SECOND: i128 = 1_000_000;
const DAY: i128 = 86_400 * SECOND;

/// Calls that have an interval or a unit among their arguments; None for other names.
pub fn build(compiler: &Compiler<'_>, name: &str, args: &[Ast]) -> Option<Built> {
    Some(match (name, args) {
        ("date_add" | "adddate", [date, Ast::Interval(amount, unit)]) => {
            both(compiler, date, amount).and_then(|(date, amount)| shift(date, amount, *unit, false))
        }
        ("date_sub" | "subdate", [date, Ast::Interval(amount, unit)]) => {
            both(compiler, date, amount).and_then(|(date, amount)| shift(date, amount, *unit, true))
        }
        ("adddate" | "subdate", [date, days]) => {
            both(compiler, date, days).and_then(|(date, days)| shift(date, days, Unit::Day, name == "subdate"))
        }
        ("date_add" | "date_sub", _) => Err("DATE_ADD and DATE_SUB need a date and an INTERVAL".into()),
        ("timestampadd", [Ast::Unit(unit), amount, date]) => {
            both(compiler, date, amount).and_then(|(date, amount)| shift(date, amount, *unit, false))
        }
        ("timestampdiff", [Ast::Unit(unit), from, to]) => {
            both(compiler, from, to).and_then(|(from, to)| difference(*unit, from, to))
        }
        ("extract", [Ast::Unit(unit), value]) => {
            compiler.node(value).and_then(|value| super::parts::extract(*unit, value))
        }
        _ => return None,
    })
}

fn both(compiler: &Compiler<'_>, a: &Ast, b: &Ast) -> Result<(Node, Node), String> {
    Ok((compiler.node(a)?, compiler.node(b)?))
}

fn unit_node(unit: Unit) -> Node {
    Node::constant(Type::int(false), Val::Int(unit as i64))
}

fn unit_of(args: &[Node]) -> Option<Unit> {
    const ALL: [Unit; 20] = [
        Unit::Microsecond,
        Unit::Second,
        Unit::Minute,
        Unit::Hour,
        Unit::Day,
        Unit::Week,
        Unit::Month,
        Unit::Quarter,
        Unit::Year,
        Unit::SecondMicrosecond,
        Unit::MinuteMicrosecond,
        Unit::MinuteSecond,
        Unit::HourMicrosecond,
        Unit::HourSecond,
        Unit::HourMinute,
        Unit::DayMicrosecond,
        Unit::DaySecond,
        Unit::DayMinute,
        Unit::DayHour,
        Unit::YearMonth,
    ];
    let wanted = args.get(2).and_then(Node::as_const).and_then(convert::int64)?;
    ALL.into_iter().find(|unit| *unit as i64 == wanted)
}

/// The unit has a part below a day.
fn is_clock(unit: Unit) -> bool {
    !matches!(unit, Unit::Day | Unit::Week | Unit::Month | Unit::Quarter | Unit::Year | Unit::YearMonth)
}

fn has_micros(unit: Unit) -> bool {
    use Unit::*;
    matches!(unit, Microsecond | SecondMicrosecond | MinuteMicrosecond | HourMicrosecond | DayMicrosecond)
}

/// `date ± INTERVAL amount unit`. The result of a text is a text: of a date where it is one and the unit has no clock.
pub fn shift(date: Node, amount: Node, unit: Unit, subtract: bool) -> Built {
    let fsp = match (has_micros(unit), unit) {
        (true, _) => 6,
        (_, Unit::Second) => convert::time_scale(&date.ty).max(if amount.ty.kind == Kind::Decimal {
            amount.ty.scale.min(6)
        } else if amount.ty.kind.is_text() || amount.ty.kind.is_real() {
            6
        } else {
            0
        }),
        _ => convert::time_scale(&date.ty),
    };
    let ty = match date.ty.kind {
        Kind::Date if !is_clock(unit) => Type::temporal(Kind::Date, 0),
        Kind::Date => Type::temporal(Kind::DateTime, if unit == Unit::Second || has_micros(unit) { fsp } else { 0 }),
        Kind::DateTime => Type::temporal(Kind::DateTime, fsp),
        Kind::Time => {
            if !is_clock(unit) {
                return Err("adding days or more to a time of day is not supported".into());
            }
            Type::temporal(Kind::Time, fsp)
        }
        _ => super::plain_text(),
    };
    let name = if subtract { subtract_interval } else { add_interval };
    Ok(Node { ty, op: Op::Call(name, vec![date, amount, unit_node(unit)]) })
}

fn add_interval<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    evaluate(node, args, cx, false)
}

fn subtract_interval<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    evaluate(node, args, cx, true)
}

fn evaluate<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>, subtract: bool) -> Evaluated<'a> {
    let (Some(date), Some(amount), Some(unit)) = (args.first(), args.get(1), unit_of(args)) else {
        return Ok(Val::Null);
    };
    let Some(interval) = read_interval(amount, unit, cx)? else { return Ok(Val::Null) };
    let interval = if subtract { interval.negative() } else { interval };
    let value = date.eval(cx)?;
    if let (Val::Time(time), Kind::Time) = (&value, node.ty.kind) {
        return Ok(add_to_time(time, &interval, node.ty.scale));
    }
    let text = date.ty.kind.is_text() || matches!(date.ty.kind, Kind::Json | Kind::Int | Kind::Decimal | Kind::Double);
    let date_only = match &value {
        Val::Text(text) => temporal::read_datetime(text).is_some_and(|read| read.date_only),
        Val::Int(n) => temporal::datetime_of_number(*n).is_some() && *n < 100_000_000,
        _ => false,
    };
    let Some(at) = convert::datetime(&value, cx) else { return Ok(Val::Null) };
    let Some(shifted) = add(&at, &interval) else { return Ok(Val::Null) };
    if !text {
        return Ok(match node.ty.kind {
            Kind::Date => Val::Date(shifted.date),
            _ => Val::DateTime(DateTime { fsp: node.ty.scale.min(6), ..shifted }),
        });
    }
    if date_only && !is_clock(unit) {
        return Ok(Val::owned(shifted.date.to_string()));
    }
    let fsp = if shifted.micros == 0 { 0 } else { 6 };
    Ok(Val::owned(DateTime { fsp, ..shifted }.to_string()))
}

/// Months and microseconds.
#[derive(Clone, Copy, Debug)]
struct Interval {
    months: i128,
    micros: i128,
}

impl Interval {
    fn negative(self) -> Interval {
        Interval { months: -self.months, micros: -self.micros }
    }
}

fn add_to_time<'a>(time: &Time, interval: &Interval, fsp: u8) -> Val<'a> {
    let sum = i128::from(temporal::time_micros(time)) + interval.micros;
    // The largest time is 838:59:59.
    match i64::try_from(sum) {
        Ok(sum) if sum.abs() <= 3_020_399_000_000 => Val::Time(temporal::time_from_micros(sum, fsp)),
        _ => Val::Null,
    }
}

fn add(at: &DateTime, interval: &Interval) -> Option<DateTime> {
    let mut at = *at;
    if temporal::is_partial(at.date) {
        return None;
    }
    if interval.months != 0 {
        let months = i128::from(at.date.year) * 12 + i128::from(at.date.month) - 1 + interval.months;
        if !(0..120_000).contains(&months) {
            return None;
        }
        let (year, month) = ((months / 12) as u16, (months % 12) as u8 + 1);
        let day = at.date.day.min(temporal::days_in_month(year, month));
        at.date = Date { year, month, day };
        return Some(at);
    }
    let sum = i128::from(temporal::datetime_micros(&at)) + interval.micros;
    temporal::datetime_from_micros(i64::try_from(sum).ok()?, at.fsp)
}

fn read_interval<'a>(
    amount: &'a Node,
    unit: Unit,
    cx: &Cx<'a>,
) -> Result<Option<Interval>, crate::rules::expression::typed::Failure> {
    use Unit::*;
    let value = amount.eval(cx)?;
    if value.is_null() {
        return Ok(None);
    }
    let months = |n: i128| Interval { months: n, micros: 0 };
    let micros = |n: i128| Interval { months: 0, micros: n };
    let single = |each: i128| convert::int64(&value).map(|n| micros(i128::from(n) * each));
    Ok(match unit {
        Microsecond => single(1),
        Second => {
            convert::decimal(&value).and_then(|n| n.mul(&1_000_000i64.into()).truncate(0).to_integer()).map(micros)
        }
        Minute => single(60 * SECOND),
        Hour => single(3600 * SECOND),
        Day => single(DAY),
        Week => single(7 * DAY),
        Month => convert::int64(&value).map(|n| months(n.into())),
        Quarter => convert::int64(&value).map(|n| months(i128::from(n) * 3)),
        Year => convert::int64(&value).map(|n| months(i128::from(n) * 12)),
        _ => {
            let text = convert::text(value, &amount.ty).unwrap_or_default();
            compound(&text, unit)
        }
    })
}

/// `'1 2:3'` and its like: numbers from the right; what doesn't count is missing on the left.
fn compound(text: &[u8], unit: Unit) -> Option<Interval> {
    use Unit::*;
    let weights: &[i128] = match unit {
        SecondMicrosecond => &[SECOND, 1],
        MinuteMicrosecond => &[60 * SECOND, SECOND, 1],
        MinuteSecond => &[60 * SECOND, SECOND],
        HourMicrosecond => &[3600 * SECOND, 60 * SECOND, SECOND, 1],
        HourSecond => &[3600 * SECOND, 60 * SECOND, SECOND],
        HourMinute => &[3600 * SECOND, 60 * SECOND],
        DayMicrosecond => &[DAY, 3600 * SECOND, 60 * SECOND, SECOND, 1],
        DaySecond => &[DAY, 3600 * SECOND, 60 * SECOND, SECOND],
        DayMinute => &[DAY, 3600 * SECOND, 60 * SECOND],
        DayHour => &[DAY, 3600 * SECOND],
        _ => &[12, 1],
    };
    let text = text.trim_ascii_start();
    let (negative, text) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        _ => (false, text),
    };
    let mut fields: Vec<&[u8]> = text.split(|b| !b.is_ascii_digit()).filter(|digits| !digits.is_empty()).collect();
    let extra = fields.len().saturating_sub(weights.len());
    if extra > 0 {
        return None;
    }
    let mut total = 0i128;
    let last = fields.len();
    for (i, weight) in weights.iter().rev().enumerate() {
        let Some(digits) = last.checked_sub(i + 1).and_then(|at| fields.get_mut(at)) else { break };
        let mut n = number::to_integer(digits).0;
        if i == 0 && has_micros(unit) {
            // As digits behind a point.
            let missing = 6u32.saturating_sub(digits.len() as u32);
            n = n.saturating_mul(10i128.pow(missing));
        }
        total = total.saturating_add(n.min(i64::MAX.into()).saturating_mul(*weight));
    }
    let total = if negative { -total } else { total };
    Some(if unit == YearMonth { Interval { months: total, micros: 0 } } else { Interval { months: 0, micros: total } })
}

/// TIMESTAMPDIFF.
fn difference(unit: Unit, from: Node, to: Node) -> Built {
    if unit as i64 > Unit::Year as i64 {
        return Err("TIMESTAMPDIFF needs a single unit".into());
    }
    if [&from, &to].iter().any(|node| node.ty.kind == Kind::Time) {
        return Err("TIMESTAMPDIFF over times of day is not supported".into());
    }
    Ok(Node { ty: Type::int(false), op: Op::Call(count_units, vec![from, to, unit_node(unit)]) })
}

fn count_units<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(from), Some(to), Some(unit)) = (args.first(), args.get(1), unit_of(args)) else { return Ok(Val::Null) };
    let (from, to) = (convert::datetime(&from.eval(cx)?, cx), convert::datetime(&to.eval(cx)?, cx));
    let (Some(from), Some(to)) = (from, to) else { return Ok(Val::Null) };
    if temporal::is_partial(from.date) || temporal::is_partial(to.date) {
        return Ok(Val::Null);
    }
    let micros = i128::from(temporal::datetime_micros(&to)) - i128::from(temporal::datetime_micros(&from));
    let per = |each: i128| (micros / each) as i64;
    Ok(Val::Int(match unit {
        Unit::Microsecond => micros as i64,
        Unit::Second => per(SECOND),
        Unit::Minute => per(60 * SECOND),
        Unit::Hour => per(3600 * SECOND),
        Unit::Day => per(DAY),
        Unit::Week => per(7 * DAY),
        Unit::Month => whole_months(&from, &to),
        Unit::Quarter => whole_months(&from, &to) / 3,
        _ => whole_months(&from, &to) / 12,
    }))
}

fn whole_months(from: &DateTime, to: &DateTime) -> i64 {
    let (sign, from, to) = if temporal::rank(from) <= temporal::rank(to) { (1, from, to) } else { (-1, to, from) };
    let index = |at: &DateTime| i64::from(at.date.year) * 12 + i64::from(at.date.month);
    let mut months = index(to) - index(from);
    let within = |at: &DateTime| (at.date.day, temporal::clock_micros(at));
    if within(to) < within(from) {
        months -= 1;
    }
    sign * months.max(0)
}
