//! Parts of dates and times (manual 14.7).

use super::{Args, Topic, int_arg, plain_text, value_arg};
use crate::{
    mysql::value::{Date, DateTime, Time},
    rules::expression::{
        ast::Unit,
        compile::Built,
        convert,
        node::{Cx, Function, Node, Op},
        release::MYSQL_97,
        temporal,
        typed::{Evaluated, Kind, Type, Val},
    },
};

pub fn build(args: Args<'_>) -> Topic<'_> {
    let int = Type::small_int();
    let year = !args.server.is_mariadb() && args.server.version >= MYSQL_97;
    Ok(match args.name {
        "year" => args.call(1, 1, Type { unsigned: year, bytes: if year { 1 } else { 8 }, ..int }, |_, args, cx| {
            of_date(args, cx, |d| Some(d.year.into()))
        }),
        "quarter" => args.call(1, 1, int, |_, args, cx| of_date(args, cx, |d| Some((i64::from(d.month) + 2) / 3))),
        "month" => args.call(1, 1, int, |_, args, cx| of_date(args, cx, |d| Some(d.month.into()))),
        "day" | "dayofmonth" => args.call(1, 1, int, |_, args, cx| of_date(args, cx, |d| Some(d.day.into()))),
        "dayofweek" => args.call(1, 1, int, |_, args, cx| of_whole(args, cx, |d| (temporal::weekday(d) + 1) % 7 + 1)),
        "weekday" => args.call(1, 1, int, |_, args, cx| of_whole(args, cx, temporal::weekday)),
        "dayofyear" => args.call(1, 1, int, |_, args, cx| of_whole(args, cx, day_of_year)),
        "to_days" => args.call(1, 1, int, |_, args, cx| of_whole(args, cx, temporal::day_number)),
        "week" => args.call(1, 2, int, |_, args, cx| week_call(args, cx, false)),
        "weekofyear" => args.call(1, 1, int, |_, args, cx| of_whole(args, cx, |d| week(d, 3).1)),
        "yearweek" => args.call(1, 2, int, |_, args, cx| week_call(args, cx, true)),
        "hour" => args.call(1, 1, int, |_, args, cx| of_time(args, cx, |t| t.hours.into())),
        "minute" => args.call(1, 1, int, |_, args, cx| of_time(args, cx, |t| t.minutes.into())),
        "second" => args.call(1, 1, int, |_, args, cx| of_time(args, cx, |t| t.seconds.into())),
        "microsecond" => args.call(1, 1, int, |_, args, cx| of_time(args, cx, |t| t.micros.into())),
        "time_to_sec" => {
            args.call(1, 1, int, |_, args, cx| of_time(args, cx, |t| temporal::time_micros(&t) / 1_000_000))
        }
        "dayname" => args.call(1, 1, plain_text(), |_, args, cx| {
            let date = whole_date(args, cx)?;
            Ok(date.map_or(Val::Null, |date| Val::owned(DAYS[temporal::weekday(date) as usize % 7])))
        }),
        "monthname" => args.call(1, 1, plain_text(), |_, args, cx| {
            let date = convert::datetime(&value_arg(args, 0, cx)?, cx).map(|at| at.date);
            let name = date.and_then(|d| usize::from(d.month).checked_sub(1)).and_then(|m| MONTHS.get(m));
            Ok(name.map_or(Val::Null, |name| Val::owned(*name)))
        }),
        _ => return Err(args),
    })
}

pub const DAYS: [&str; 7] = ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday"];
pub const MONTHS: [&str; 12] = [
    "January",
    "February",
    "March",
    "April",
    "May",
    "June",
    "July",
    "August",
    "September",
    "October",
    "November",
    "December",
];

fn of_date<'a>(args: &'a [Node], cx: &Cx<'a>, part: fn(Date) -> Option<i64>) -> Evaluated<'a> {
    let at = convert::datetime(&value_arg(args, 0, cx)?, cx);
    Ok(at.and_then(|at| part(at.date)).map_or(Val::Null, Val::Int))
}

/// A date whose month and day are not zero.
pub fn whole_date<'a>(args: &'a [Node], cx: &Cx<'a>) -> Result<Option<Date>, crate::rules::expression::typed::Failure> {
    let at = convert::datetime(&value_arg(args, 0, cx)?, cx);
    Ok(at.map(|at| at.date).filter(|date| !temporal::is_partial(*date)))
}

fn of_whole<'a>(args: &'a [Node], cx: &Cx<'a>, part: fn(Date) -> i64) -> Evaluated<'a> {
    Ok(whole_date(args, cx)?.map_or(Val::Null, |date| Val::Int(part(date))))
}

fn of_time<'a>(args: &'a [Node], cx: &Cx<'a>, part: fn(Time) -> i64) -> Evaluated<'a> {
    Ok(convert::time(&value_arg(args, 0, cx)?).map_or(Val::Null, |time| Val::Int(part(time))))
}

pub fn day_of_year(date: Date) -> i64 {
    temporal::day_number(date) - temporal::day_number(Date { month: 1, day: 1, ..date }) + 1
}

/// Year and week of a date in one of the eight modes (manual 14.7, under WEEK).
pub fn week(date: Date, mode: u8) -> (i64, i64) {
    let monday_first = mode & 1 == 1;
    let mut week_year = mode & 2 == 2;
    // Modes 1 and 3 (and 4, 6): the first week has four days or more of the year.
    let first_weekday = (mode & 4 == 4) ^ !monday_first;
    let day = temporal::day_number(date);
    let first = temporal::day_number(Date { month: 1, day: 1, ..date });
    let mut weekday = (first + if monday_first { 5 } else { 6 }).rem_euclid(7);
    let mut year = i64::from(date.year);
    let mut days;
    let mut first = first;
    let early = if first_weekday { weekday != 0 } else { weekday >= 4 };
    if date.month == 1 && i64::from(date.day) <= 7 - weekday {
        if !week_year && early {
            return (year, 0);
        }
        week_year = true;
        year -= 1;
        days = temporal::days_in_year(u16::try_from(year).unwrap_or(0));
        first -= days;
        weekday = (weekday + 53 * 7 - days).rem_euclid(7);
        // Falls through with the year before where the days belong to its last week.
        if !early {
            // The days are of week 1 of the date's own year.
            return (year + 1, 1);
        }
    }
    days = if first_weekday && weekday != 0 || !first_weekday && weekday >= 4 {
        day - (first + (7 - weekday))
    } else {
        day - (first - weekday)
    };
    if week_year && days >= 52 * 7 {
        weekday = (weekday + temporal::days_in_year(u16::try_from(year).unwrap_or(0))) % 7;
        if !first_weekday && weekday < 4 || first_weekday && weekday == 0 {
            return (year + 1, 1);
        }
    }
    (year, days / 7 + 1)
}

/// The mode's bits as the calculation uses them.
pub fn week_mode(mode: i64) -> u8 {
    (mode & 7) as u8
}

fn week_call<'a>(args: &'a [Node], cx: &Cx<'a>, with_year: bool) -> Evaluated<'a> {
    let mode = match args.len() {
        2 => int_arg(args, 1, cx)?.unwrap_or(0),
        _ => 0,
    };
    let Some(date) = whole_date(args, cx)? else { return Ok(Val::Null) };
    let mode = week_mode(mode);
    let (year, week) = week(date, if with_year { mode | 2 } else { mode });
    Ok(Val::Int(if with_year { year * 100 + week } else { week }))
}

/// EXTRACT: compound units are their digits side by side.
pub fn extract(unit: Unit, value: Node) -> Built {
    use Unit::*;
    let function: Function = match unit {
        Year => |_, args, cx| of_date(args, cx, |d| Some(d.year.into())),
        YearMonth => |_, args, cx| of_date(args, cx, |d| Some(i64::from(d.year) * 100 + i64::from(d.month))),
        Quarter => |_, args, cx| of_date(args, cx, |d| Some((i64::from(d.month) + 2) / 3)),
        Month => |_, args, cx| of_date(args, cx, |d| Some(d.month.into())),
        Week => |_, args, cx| of_whole(args, cx, |d| week(d, 0).1),
        Day => |_, args, cx| of_date(args, cx, |d| Some(d.day.into())),
        DayHour => |_, args, cx| with_day(args, cx, |at| i64::from(at.hour)),
        DayMinute => |_, args, cx| with_day(args, cx, |at| clock(at) / 100),
        DaySecond => |_, args, cx| with_day(args, cx, clock),
        DayMicrosecond => |_, args, cx| with_day(args, cx, |at| clock(at) * 1_000_000 + i64::from(at.micros)),
        Hour => |_, args, cx| signed(args, cx, |t| t.hours.into()),
        HourMinute => |_, args, cx| signed(args, cx, |t| i64::from(t.hours) * 100 + i64::from(t.minutes)),
        HourSecond => |_, args, cx| signed(args, cx, time_digits),
        HourMicrosecond => |_, args, cx| signed(args, cx, |t| time_digits(t) * 1_000_000 + i64::from(t.micros)),
        Minute => |_, args, cx| signed(args, cx, |t| t.minutes.into()),
        MinuteSecond => |_, args, cx| signed(args, cx, |t| time_digits(t) % 10_000),
        MinuteMicrosecond => {
            |_, args, cx| signed(args, cx, |t| time_digits(t) % 10_000 * 1_000_000 + i64::from(t.micros))
        }
        Second => |_, args, cx| signed(args, cx, |t| t.seconds.into()),
        SecondMicrosecond => |_, args, cx| signed(args, cx, |t| i64::from(t.seconds) * 1_000_000 + i64::from(t.micros)),
        Microsecond => |_, args, cx| signed(args, cx, |t| t.micros.into()),
    };
    let day_of_time = value.ty.kind == Kind::Time
        && matches!(
            unit,
            Year | YearMonth | Quarter | Month | Week | Day | DayHour | DayMinute | DaySecond | DayMicrosecond
        );
    if day_of_time {
        return Err("EXTRACT of days or more from a time of day is not supported".into());
    }
    Ok(Node { ty: Type::int(false), op: Op::Call(function, vec![value]) })
}

fn clock(at: DateTime) -> i64 {
    i64::from(at.hour) * 10_000 + i64::from(at.minute) * 100 + i64::from(at.second)
}

/// The day and so many digits of the clock behind it.
fn with_day<'a>(args: &'a [Node], cx: &Cx<'a>, rest: fn(DateTime) -> i64) -> Evaluated<'a> {
    let at = convert::datetime(&value_arg(args, 0, cx)?, cx);
    // How many digits the part has: found from a moment where all are nines.
    let most = rest(DateTime { hour: 23, minute: 59, second: 59, micros: 999_999, ..DateTime::default() });
    let scale = 10i64.pow(most.checked_ilog10().unwrap_or(0) + 1);
    Ok(at.map_or(Val::Null, |at| Val::Int(i64::from(at.date.day) * scale + rest(at))))
}

fn time_digits(time: Time) -> i64 {
    i64::from(time.hours) * 10_000 + i64::from(time.minutes) * 100 + i64::from(time.seconds)
}

fn signed<'a>(args: &'a [Node], cx: &Cx<'a>, part: fn(Time) -> i64) -> Evaluated<'a> {
    let time = convert::time(&value_arg(args, 0, cx)?);
    // MariaDB takes the days out of a time first.
    let time = time.map(|time| if cx.mariadb { Time { hours: time.hours % 24, ..time } } else { time });
    Ok(time.map_or(Val::Null, |time| Val::Int(if time.negative { -part(time) } else { part(time) })))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn weeks_in_all_modes() {
        let date = |year, month, day| Date { year, month, day };
        // 2008-02-20 is the manual's example; 2000-01-01 a Saturday.
        assert_eq!([0, 1].map(|mode| week(date(2008, 2, 20), mode).1), [7, 8]);
        assert_eq!([0, 1, 2, 3].map(|mode| week(date(2000, 1, 1), mode).1), [0, 0, 52, 52]);
        assert_eq!(week(date(2008, 12, 31), 1).1, 53);
        assert_eq!(week(date(1987, 1, 1), 2), (1986, 52));
        assert_eq!(week(date(2024, 12, 30), 3), (2025, 1));
        assert_eq!(day_of_year(date(2007, 2, 3)), 34);
    }
}
