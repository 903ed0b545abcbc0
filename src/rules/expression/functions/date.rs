//! Functions that make dates and times (manual 14.7).

use super::{Args, Topic, int_arg, plain_text, text_arg, value_arg};
use crate::{
    mysql::value::{Date, DateTime},
    rules::expression::{
        compile::Built,
        convert,
        decimal::Dec,
        functions::{date_format, parts::whole_date},
        node::{Cx, Function, Node, Op, Reader},
        release::{MARIADB_118, MYSQL_97, MYSQL_8028},
        temporal,
        typed::{Evaluated, Kind, Type, Val},
        zone::Zone,
    },
};

/// Functions whose value is of the moment.
pub const TIME_DEPENDENT: [Function; 8] =
    [now, utc_now, today, utc_today, clock, utc_clock, unix_now, time_of_day_as_date];

pub fn build(args: Args<'_>) -> Topic<'_> {
    let int = Type::small_int();
    let fsp = args.constant_int(0).unwrap_or(0).clamp(0, 6) as u8;
    let moment = Type::temporal(Kind::DateTime, fsp);
    Ok(match args.name {
        "now" | "current_timestamp" | "localtime" | "localtimestamp" => args.call(0, 1, moment, now),
        "utc_timestamp" => args.call(0, 1, moment, utc_now),
        "curdate" | "current_date" => args.call(0, 0, Type::temporal(Kind::Date, 0), today),
        "utc_date" => args.call(0, 0, Type::temporal(Kind::Date, 0), utc_today),
        "curtime" | "current_time" => args.call(0, 1, Type::temporal(Kind::Time, fsp), clock),
        "utc_time" => args.call(0, 1, Type::temporal(Kind::Time, fsp), utc_clock),
        "date" => args.call(1, 1, Type::temporal(Kind::Date, 0), date),
        "time" => {
            let scale = args.time_scale(0);
            args.call(1, 1, Type::temporal(Kind::Time, scale), time)
        }
        "timestamp" => timestamp_call(args),
        "datediff" => args.call(2, 2, int, datediff),
        "timediff" => timediff_call(args),
        "addtime" => time_shift(args, |node, args, cx| add_time(node, args, cx, 1)),
        "subtime" => time_shift(args, |node, args, cx| add_time(node, args, cx, -1)),
        "from_days" => args.call(1, 1, Type::temporal(Kind::Date, 0), from_days),
        "last_day" => args.call(1, 1, Type::temporal(Kind::Date, 0), last_day),
        "makedate" => args.call(2, 2, Type::temporal(Kind::Date, 0), make_date),
        "maketime" => {
            let scale = args.time_scale(2);
            args.call(3, 3, Type::temporal(Kind::Time, scale), make_time)
        }
        "sec_to_time" => {
            let scale = args.time_scale(0);
            args.call(1, 1, Type::temporal(Kind::Time, scale), sec_to_time)
        }
        "unix_timestamp" => unix_timestamp_call(args),
        "from_unixtime" => from_unixtime_call(args),
        "convert_tz" => {
            let scale = args.time_scale(0);
            args.call(3, 3, Type::temporal(Kind::DateTime, scale), convert_tz)
        }
        "to_seconds" => args.call(1, 1, int, to_seconds),
        "period_add" => args.call(2, 2, int, period_add),
        "period_diff" => args.call(2, 2, int, period_diff),
        "date_format" => args.call(2, 2, plain_text(), date_format::date_format),
        "time_format" => args.call(2, 2, plain_text(), date_format::time_format),
        "str_to_date" => date_format::str_to_date_call(args),
        _ => return Err(args),
    })
}

fn at_now(cx: &Cx<'_>, zone: Zone, fsp: u8) -> Option<DateTime> {
    let unit = 10i64.pow(6 - u32::from(fsp.min(6)));
    zone.local(cx.now - cx.now.rem_euclid(unit), fsp)
}

fn now<'a>(node: &'a Node, _: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(at_now(cx, cx.zone, node.ty.scale).map_or(Val::Null, Val::DateTime))
}

fn utc_now<'a>(node: &'a Node, _: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(at_now(cx, Zone::UTC, node.ty.scale).map_or(Val::Null, Val::DateTime))
}

fn today<'a>(_: &'a Node, _: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(cx.today().map_or(Val::Null, Val::Date))
}

fn utc_today<'a>(_: &'a Node, _: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(at_now(cx, Zone::UTC, 0).map_or(Val::Null, |at| Val::Date(at.date)))
}

fn clock<'a>(node: &'a Node, _: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let at = at_now(cx, cx.zone, node.ty.scale);
    Ok(at.and_then(|at| convert::time(&Val::DateTime(at))).map_or(Val::Null, Val::Time))
}

fn utc_clock<'a>(node: &'a Node, _: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let at = at_now(cx, Zone::UTC, node.ty.scale);
    Ok(at.and_then(|at| convert::time(&Val::DateTime(at))).map_or(Val::Null, Val::Time))
}

fn unix_now<'a>(_: &'a Node, _: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(Val::Int(cx.now.div_euclid(1_000_000)))
}

/// A TIME as a moment is of the current day.
fn time_of_day_as_date<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(convert::datetime(&value_arg(args, 0, cx)?, cx).map_or(Val::Null, Val::DateTime))
}

fn date<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(convert::datetime(&value_arg(args, 0, cx)?, cx).map_or(Val::Null, |at| Val::Date(at.date)))
}

fn time<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let time = convert::time(&value_arg(args, 0, cx)?);
    Ok(time.map_or(Val::Null, |time| Val::Time(temporal::round_time(time, node.ty.scale))))
}

fn timestamp_call(args: Args<'_>) -> Built {
    args.check(1, 2)?;
    let given = args.ty(0);
    let second = if args.nodes.len() == 2 { args.time_scale(1) } else { 0 };
    let ty = Type::temporal(Kind::DateTime, args.time_scale(0).max(second));
    if given.kind == Kind::Time {
        return Ok(Node { ty, op: Op::Call(time_of_day_as_date, args.nodes) });
    }
    args.call(1, 2, ty, |node, args, cx| {
        let Some(at) = convert::datetime(&value_arg(args, 0, cx)?, cx) else { return Ok(Val::Null) };
        if args.len() == 1 {
            return Ok(temporal::round_datetime(at, node.ty.scale).map_or(Val::Null, Val::DateTime));
        }
        let Some(time) = convert::time(&value_arg(args, 1, cx)?) else { return Ok(Val::Null) };
        if temporal::is_partial(at.date) && strict(cx) {
            return Ok(Val::Null);
        }
        let sum = temporal::datetime_micros(&at) + temporal::time_micros(&time);
        Ok(temporal::datetime_from_micros(sum, node.ty.scale).map_or(Val::Null, Val::DateTime))
    })
}

fn datediff<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(first), Some(rest)) = (whole_date(args, cx)?, args.get(1..)) else { return Ok(Val::Null) };
    let Some(second) = whole_date(rest, cx)? else { return Ok(Val::Null) };
    Ok(Val::Int(temporal::day_number(first) - temporal::day_number(second)))
}

/// The result is a text where the first argument is one.
fn timediff_call(args: Args<'_>) -> Built {
    let scale = args.time_scale(0).max(args.time_scale(1));
    args.call(2, 2, Type::temporal(Kind::Time, scale), |node, args, cx| {
        let (Some(a), Some(b)) = (moment_or_time(args, 0, cx)?, moment_or_time(args, 1, cx)?) else {
            return Ok(Val::Null);
        };
        Ok(match (a, b) {
            ((true, a), (true, b)) | ((false, a), (false, b)) => {
                Val::Time(temporal::time_from_micros(a - b, node.ty.scale))
            }
            // A moment and a time don't go together.
            _ => Val::Null,
        })
    })
}

/// Microseconds, and whether they are of a moment.
fn moment_or_time<'a>(
    args: &'a [Node],
    at: usize,
    cx: &Cx<'a>,
) -> Result<Option<(bool, i64)>, crate::rules::expression::typed::Failure> {
    let value = value_arg(args, at, cx)?;
    let moment = match &value {
        Val::DateTime(_) | Val::Date(_) => true,
        Val::Text(text) => temporal::read_datetime(text).is_some_and(|read| !read.date_only && text.len() >= 12),
        _ => false,
    };
    if moment {
        return Ok(convert::datetime(&value, cx).map(|at| (true, temporal::datetime_micros(&at))));
    }
    Ok(convert::time(&value).map(|time| (false, temporal::time_micros(&time))))
}

fn time_shift(args: Args<'_>, function: Function) -> Built {
    let scale = args.time_scale(0).max(args.time_scale(1));
    let ty = match args.ty(0).kind {
        Kind::DateTime | Kind::Date => Type::temporal(Kind::DateTime, scale),
        Kind::Time => Type::temporal(Kind::Time, scale),
        _ => plain_text(),
    };
    args.call(2, 2, ty, function)
}

fn add_time<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>, sign: i64) -> Evaluated<'a> {
    let second = value_arg(args, 1, cx)?;
    if matches!(second, Val::DateTime(_) | Val::Date(_)) {
        return Ok(Val::Null);
    }
    let (Some((moment, first)), Some(time)) = (moment_or_time(args, 0, cx)?, convert::time(&second)) else {
        return Ok(Val::Null);
    };
    let sum = first + sign * temporal::time_micros(&time);
    let partial = moment && first_is_partial(args, cx)?;
    if strict(cx) && (partial || !moment && sum.abs() > 3_020_399_000_000) {
        return Ok(Val::Null);
    }
    let text = node.ty.kind == Kind::Text;
    let fsp = if !text {
        node.ty.scale.min(6)
    } else if sum % 1_000_000 == 0 {
        0
    } else {
        6
    };
    if moment {
        let at = temporal::datetime_from_micros(sum, fsp);
        return Ok(at.map_or(Val::Null, |at| if text { Val::owned(at.to_string()) } else { Val::DateTime(at) }));
    }
    let time = temporal::time_from_micros(sum, fsp);
    Ok(if text { Val::owned(time.to_string()) } else { Val::Time(time) })
}

/// MySQL 9.7 has no sums with partial dates or beyond the range of TIME; older ones and MariaDB calculate or clamp.
fn strict(cx: &Cx<'_>) -> bool {
    !cx.mariadb && cx.version >= MYSQL_97
}

fn first_is_partial<'a>(args: &'a [Node], cx: &Cx<'a>) -> Result<bool, crate::rules::expression::typed::Failure> {
    Ok(convert::datetime(&value_arg(args, 0, cx)?, cx).is_some_and(|at| temporal::is_partial(at.date)))
}

fn from_days<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(int_arg(args, 0, cx)?.map_or(Val::Null, |days| Val::Date(temporal::from_day_number(days))))
}

fn last_day<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let date = whole_date(args, cx)?;
    Ok(date.map_or(Val::Null, |date| Val::Date(Date { day: temporal::days_in_month(date.year, date.month), ..date })))
}

fn make_date<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(year), Some(day)) = (int_arg(args, 0, cx)?, int_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    let year = match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        other => other,
    };
    let Some(year) = u16::try_from(year).ok().filter(|year| *year <= 9999) else { return Ok(Val::Null) };
    let days = temporal::day_number(Date { year, month: 1, day: 1 }).saturating_add(day).saturating_sub(1);
    let valid = day > 0 && (366..=3_652_424).contains(&days);
    Ok(if valid { Val::Date(temporal::from_day_number(days)) } else { Val::Null })
}

fn make_time<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(hour), Some(minute)) = (int_arg(args, 0, cx)?, int_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    let Some(second) = convert::decimal(&value_arg(args, 2, cx)?) else { return Ok(Val::Null) };
    let micros = second.mul(&Dec::from(1_000_000i64)).round(0).to_integer();
    let Some(micros) = micros.filter(|n| (0..60_000_000).contains(n)) else { return Ok(Val::Null) };
    if !(0..60).contains(&minute) {
        return Ok(Val::Null);
    }
    let hours = i128::from(hour).abs().min(900);
    let total = (hours * 3600 + i128::from(minute) * 60) * 1_000_000 + micros;
    let total = total as i64;
    Ok(Val::Time(temporal::time_from_micros(if hour < 0 { -total } else { total }, node.ty.scale)))
}

fn sec_to_time<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(seconds) = convert::decimal(&value_arg(args, 0, cx)?) else { return Ok(Val::Null) };
    let micros = seconds.mul(&Dec::from(1_000_000i64)).round(0).to_integer().unwrap_or(i128::MAX);
    let micros = micros.clamp(-4_000_000_000_000, 4_000_000_000_000) as i64;
    Ok(Val::Time(temporal::round_time(temporal::time_from_micros(micros, 6), node.ty.scale)))
}

fn unix_timestamp_call(args: Args<'_>) -> Built {
    if args.nodes.is_empty() {
        return args.call(0, 0, Type::int(false), unix_now);
    }
    let scale = args.time_scale(0);
    let ty = if scale > 0 { Type::decimal(20, scale) } else { Type::int(false) };
    args.call(1, 1, ty, |node, args, cx| {
        let Some(at) = convert::datetime(&value_arg(args, 0, cx)?, cx) else { return Ok(Val::Null) };
        let stored = matches!(args.first().map(|arg| &arg.op), Some(Op::Column(_, Reader::Timestamp)));
        let zero = match cx.mariadb && !(stored && at.date == Date::default()) {
            true => Val::Null,
            false if node.ty.scale > 0 => Val::Dec(Dec::new(0, node.ty.scale)),
            false => Val::Int(0),
        };
        Ok(match cx.zone.utc(&at) {
            Some(micros) if micros < first_moment(cx) || micros > last_moment(cx) => zero,
            Some(micros) if node.ty.scale > 0 => Val::Dec(Dec::new(micros.into(), 6).truncate(node.ty.scale.into())),
            Some(micros) => Val::Int(micros / 1_000_000),
            None => zero,
        })
    })
}

/// The last microsecond of TIMESTAMP in functions.
fn last_moment(cx: &Cx<'_>) -> i64 {
    match cx.mariadb {
        true if cx.version >= MARIADB_118 => 4_294_967_295_999_999,
        false if cx.version >= MYSQL_8028 => 32_536_771_199_999_999,
        _ => 2_147_483_647_999_999,
    }
}

/// The first: MySQL leaves out the first second of 1970, new MariaDB its beginning.
fn first_moment(cx: &Cx<'_>) -> i64 {
    match cx.mariadb {
        true => i64::from(cx.version >= MARIADB_118),
        false => 1_000_000,
    }
}

fn from_unixtime_call(args: Args<'_>) -> Built {
    args.check(1, 2)?;
    let scale = match args.ty(0).kind {
        Kind::Int | Kind::Year | Kind::Bit => 0,
        Kind::Decimal => args.ty(0).scale.min(6),
        _ => 6,
    };
    if args.nodes.len() == 2 {
        return args.call(2, 2, plain_text(), |_, args, cx| {
            let (Some(at), Some(format)) = (from_unixtime(args, cx, 6)?, text_arg(args, 1, cx)?) else {
                return Ok(Val::Null);
            };
            Ok(date_format::format(&at, &format, cx)?.map_or(Val::Null, Val::owned))
        });
    }
    args.call(1, 1, Type::temporal(Kind::DateTime, scale), |node, args, cx| {
        Ok(from_unixtime(args, cx, node.ty.scale)?.map_or(Val::Null, Val::DateTime))
    })
}

fn from_unixtime<'a>(
    args: &'a [Node],
    cx: &Cx<'a>,
    scale: u8,
) -> Result<Option<DateTime>, crate::rules::expression::typed::Failure> {
    let Some(seconds) = convert::decimal(&value_arg(args, 0, cx)?) else { return Ok(None) };
    if seconds.is_negative() {
        return Ok(None);
    }
    let first = if cx.mariadb { first_moment(cx) } else { 0 };
    let micros = seconds.round(scale).mul(&Dec::from(1_000_000i64)).to_integer().unwrap_or(i128::MAX);
    Ok(i64::try_from(micros)
        .ok()
        .filter(|micros| (first..=last_moment(cx)).contains(micros))
        .and_then(|micros| cx.zone.local(micros, scale)))
}

fn convert_tz<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(at) = convert::datetime(&value_arg(args, 0, cx)?, cx) else { return Ok(Val::Null) };
    let zone = |text: Option<std::borrow::Cow<'_, [u8]>>| {
        text.and_then(|text| std::str::from_utf8(&text).ok().and_then(Zone::parse))
    };
    let (Some(from), Some(to)) = (zone(text_arg(args, 1, cx)?), zone(text_arg(args, 2, cx)?)) else {
        return Ok(Val::Null);
    };
    let at = DateTime { fsp: node.ty.scale.min(6), ..at };
    let Some(micros) = from.utc(&at) else { return Ok(Val::Null) };
    // Outside of the range of TIMESTAMP the servers leave the moment as it is.
    if !(1_000_000..=last_moment(cx)).contains(&micros) {
        return Ok(Val::DateTime(at));
    }
    Ok(to.local(micros, at.fsp).map_or(Val::Null, Val::DateTime))
}

fn to_seconds<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let at = convert::datetime(&value_arg(args, 0, cx)?, cx).filter(|at| !temporal::is_partial(at.date));
    Ok(at.map_or(Val::Null, |at| Val::Int(temporal::datetime_micros(&at).div_euclid(1_000_000))))
}

/// Months since the year 0 of `YYYYMM` or `YYMM`.
fn months(period: i64) -> Option<i64> {
    let (year, month) = (period / 100, period % 100);
    let year = match year {
        0..=69 => year + 2000,
        70..=99 => year + 1900,
        other => other,
    };
    (period > 0 && (1..=12).contains(&month)).then(|| year * 12 + month - 1)
}

fn period_add<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(period), Some(more)) = (int_arg(args, 0, cx)?, int_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    match months(period) {
        Some(start) => {
            let sum = start.saturating_add(more).max(0);
            Ok(Val::Int(sum / 12 * 100 + sum % 12 + 1))
        }
        None => Err(crate::rules::expression::typed::Failure("PERIOD_ADD got no period".into())),
    }
}

fn period_diff<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(a), Some(b)) = (int_arg(args, 0, cx)?, int_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    match (months(a), months(b)) {
        (Some(a), Some(b)) => Ok(Val::Int(a - b)),
        _ => Err(crate::rules::expression::typed::Failure("PERIOD_DIFF got no period".into())),
    }
}
