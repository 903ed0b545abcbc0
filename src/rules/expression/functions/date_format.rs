//! DATE_FORMAT and STR_TO_DATE: their specifiers are in the manual, 14.7, under DATE_FORMAT.

use std::fmt::Write;

use super::{
    Args,
    parts::{DAYS, MONTHS, day_of_year, week},
    text_arg, value_arg,
};
use crate::{
    mysql::value::{Date, DateTime},
    rules::expression::{
        compile::Built,
        convert,
        node::{Cx, Node},
        release::MYSQL_97,
        temporal,
        typed::{Evaluated, Failure, Kind, Type, Val},
    },
};

pub fn date_format<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let at = convert::datetime(&value_arg(args, 0, cx)?, cx);
    let (Some(at), Some(pattern)) = (at, text_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    Ok(format(&at, &pattern, cx)?.map_or(Val::Null, Val::owned))
}

pub fn time_format<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let time = convert::time(&value_arg(args, 0, cx)?);
    let (Some(time), Some(pattern)) = (time, text_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    if pattern.is_empty() {
        return Ok(Val::Null);
    }
    let mut out = String::new();
    if time.negative {
        out.push('-');
    }
    let at = DateTime {
        hour: (time.hours % 24) as u8,
        minute: time.minutes,
        second: time.seconds,
        micros: time.micros,
        ..DateTime::default()
    };
    let pattern = String::from_utf8_lossy(&pattern);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        match chars.next() {
            Some('H') => put(&mut out, format_args!("{:02}", time.hours)),
            Some('k') => put(&mut out, format_args!("{}", time.hours)),
            Some(c @ ('h' | 'I' | 'l' | 'i' | 'p' | 'r' | 's' | 'S' | 'f' | 'T')) => {
                if c == 'T' {
                    put(&mut out, format_args!("{:02}:{:02}:{:02}", time.hours, time.minutes, time.seconds));
                } else {
                    clock_part(&at, c, &mut out);
                }
            }
            Some('Y' | 'y' | 'm' | 'd' | 'e' | 'c') => return Ok(Val::Null),
            Some('%') => out.push('%'),
            Some(_) => return Ok(Val::Null),
            None => out.push('%'),
        }
    }
    Ok(Val::owned(out))
}

fn put(out: &mut String, text: std::fmt::Arguments<'_>) {
    // Writing to a String can't fail.
    let _ = out.write_fmt(text);
}

/// A moment as a pattern says; None where a part doesn't exist (the weekday of a partial date). MariaDB from 11.3 on
/// writes the session's time zone for `%Z` and `%z`, older servers the letter.
pub fn format(at: &DateTime, pattern: &[u8], cx: &Cx<'_>) -> Result<Option<String>, Failure> {
    let zone = |pair: &[u8]| matches!(pair, b"%Z" | b"%z");
    if cx.mariadb && cx.version >= 110_300 && pattern.windows(2).any(zone) {
        return Err(Failure("%Z and %z in DATE_FORMAT are not supported".into()));
    }
    Ok(parts(at, pattern))
}

fn parts(at: &DateTime, pattern: &[u8]) -> Option<String> {
    if pattern.is_empty() {
        return None;
    }
    let date = at.date;
    let whole = !temporal::is_partial(date);
    let mut out = String::new();
    let pattern = String::from_utf8_lossy(pattern);
    let mut chars = pattern.chars();
    while let Some(c) = chars.next() {
        if c != '%' {
            out.push(c);
            continue;
        }
        let weekday = || whole.then(|| temporal::weekday(date) as usize % 7);
        let Some(c) = chars.next() else {
            out.push('%');
            break;
        };
        match c {
            'M' => out.push_str(MONTHS.get(usize::from(date.month).checked_sub(1)?)?),
            'b' => out.push_str(MONTHS.get(usize::from(date.month).checked_sub(1)?)?.get(..3)?),
            'W' => out.push_str(DAYS.get(weekday()?)?),
            'a' => out.push_str(DAYS.get(weekday()?)?.get(..3)?),
            'D' => {
                let ending = match (date.day % 10, date.day) {
                    (_, 11..=13) => "th",
                    (1, _) => "st",
                    (2, _) => "nd",
                    (3, _) => "rd",
                    _ => "th",
                };
                put(&mut out, format_args!("{}{ending}", date.day));
            }
            'Y' => put(&mut out, format_args!("{:04}", date.year)),
            'y' => put(&mut out, format_args!("{:02}", date.year % 100)),
            'm' => put(&mut out, format_args!("{:02}", date.month)),
            'c' => put(&mut out, format_args!("{}", date.month)),
            'd' => put(&mut out, format_args!("{:02}", date.day)),
            'e' => put(&mut out, format_args!("{}", date.day)),
            'j' if whole => put(&mut out, format_args!("{:03}", day_of_year(date))),
            'w' => put(&mut out, format_args!("{}", (weekday()? + 1) % 7)),
            'U' | 'u' | 'V' | 'v' if whole => {
                let mode = match c {
                    'U' => 0,
                    'u' => 1,
                    'V' => 2,
                    _ => 3,
                };
                put(&mut out, format_args!("{:02}", week(date, mode).1));
            }
            'X' | 'x' if whole => put(&mut out, format_args!("{:04}", week(date, if c == 'X' { 2 } else { 3 }).0)),
            'j' | 'U' | 'u' | 'V' | 'v' | 'X' | 'x' => return None,
            other => clock_part(at, other, &mut out),
        }
    }
    Some(out)
}

fn clock_part(at: &DateTime, c: char, out: &mut String) {
    let twelve = (at.hour + 11) % 12 + 1;
    let half = if at.hour < 12 { "AM" } else { "PM" };
    match c {
        'H' => put(out, format_args!("{:02}", at.hour)),
        'k' => put(out, format_args!("{}", at.hour)),
        'h' | 'I' => put(out, format_args!("{twelve:02}")),
        'l' => put(out, format_args!("{twelve}")),
        'i' => put(out, format_args!("{:02}", at.minute)),
        'S' | 's' => put(out, format_args!("{:02}", at.second)),
        'f' => put(out, format_args!("{:06}", at.micros)),
        'p' => out.push_str(half),
        'T' => put(out, format_args!("{:02}:{:02}:{:02}", at.hour, at.minute, at.second)),
        'r' => put(out, format_args!("{twelve:02}:{:02}:{:02} {half}", at.minute, at.second)),
        other => out.push(other),
    }
}

/// STR_TO_DATE: the format must be constant, it decides whether the result is a date, a time or a moment.
pub fn str_to_date_call(args: Args<'_>) -> Built {
    args.check(2, 2)?;
    let pattern = args.nodes.get(1).and_then(Node::as_const).cloned();
    let Some(Val::Text(pattern)) = pattern else {
        return Err("the format of STR_TO_DATE must be a constant text".into());
    };
    let pattern = String::from_utf8_lossy(&pattern).into_owned();
    let specifiers: Vec<char> = pattern.split('%').skip(1).filter_map(|part| part.chars().next()).collect();
    if specifiers.iter().any(|c| "aWwjUuVvXxD#.@".contains(*c)) {
        return Err("STR_TO_DATE with names of days, weeks or days of the year is not supported".into());
    }
    let date = specifiers.iter().any(|c| "MbYymcde".contains(*c));
    let time = specifiers.iter().any(|c| "HkhIliSsfpTr".contains(*c));
    let fraction = if specifiers.contains(&'f') { 6 } else { 0 };
    let ty = match (date, time) {
        (true, false) => Type::temporal(Kind::Date, 0),
        (true, true) => Type::temporal(Kind::DateTime, fraction),
        _ => return Err("STR_TO_DATE without a date is not supported; use TIME()".into()),
    };
    args.call(2, 2, ty, |node, args, cx| {
        let (Some(text), Some(pattern)) = (text_arg(args, 0, cx)?, text_arg(args, 1, cx)?) else {
            return Ok(Val::Null);
        };
        // MySQL before 9.7 takes every day up to the 31st.
        let valid =
            if cx.mysql_before(MYSQL_97) { |date: Date| date.month <= 12 && date.day <= 31 } else { temporal::exists };
        let at = read(&text, &pattern, valid).map(|at| DateTime { fsp: node.ty.scale, ..at });
        Ok(at.map_or(Val::Null, |at| if node.ty.kind == Kind::Date { Val::Date(at.date) } else { Val::DateTime(at) }))
    })
}

#[derive(Default)]
struct Reading {
    year: u32,
    month: u32,
    day: u32,
    hour: u32,
    minute: u32,
    second: u32,
    micros: u32,
    /// AM and PM: hours are of twelve.
    twelve: bool,
    afternoon: bool,
}

fn read(text: &[u8], pattern: &[u8], valid: fn(Date) -> bool) -> Option<DateTime> {
    let mut text = text;
    let mut reading = Reading::default();
    let mut at = 0;
    while let Some(c) = pattern.get(at) {
        at += 1;
        if c.is_ascii_whitespace() {
            text = text.trim_ascii_start();
            continue;
        }
        if *c == b'%' && at < pattern.len() {
            let specifier = *pattern.get(at)?;
            at += 1;
            text = text.trim_ascii_start();
            if text.is_empty() {
                break;
            }
            text = specifier_part(text, specifier, &mut reading)?;
            continue;
        }
        if text.is_empty() {
            break;
        }
        text = text.strip_prefix(&[*c])?;
    }
    let mut hour = reading.hour;
    if reading.twelve {
        if !(1..=12).contains(&hour) {
            return None;
        }
        hour = hour % 12 + if reading.afternoon { 12 } else { 0 };
    }
    let date = Date {
        year: u16::try_from(reading.year).ok()?,
        month: u8::try_from(reading.month).ok()?,
        day: u8::try_from(reading.day).ok()?,
    };
    if hour > 23 || reading.minute > 59 || reading.second > 59 || !valid(date) {
        return None;
    }
    Some(DateTime {
        date,
        hour: hour as u8,
        minute: reading.minute as u8,
        second: reading.second as u8,
        micros: reading.micros,
        fsp: 6,
    })
}

fn specifier_part<'t>(text: &'t [u8], specifier: u8, out: &mut Reading) -> Option<&'t [u8]> {
    let digits = |most: usize| -> Option<(u32, usize, &'t [u8])> {
        let count = text.iter().take(most).take_while(|b| b.is_ascii_digit()).count();
        let (digits, rest) = text.split_at_checked(count)?;
        let number = digits.iter().fold(0u32, |n, d| n * 10 + u32::from(d - b'0'));
        (count > 0).then_some((number, count, rest))
    };
    let (field, most): (&mut u32, usize) = match specifier {
        b'Y' | b'y' => {
            let (n, count, rest) = digits(if specifier == b'Y' { 4 } else { 2 })?;
            out.year = if count <= 2 { n + if n < 70 { 2000 } else { 1900 } } else { n };
            return Some(rest);
        }
        b'm' | b'c' => (&mut out.month, 2),
        b'd' | b'e' => (&mut out.day, 2),
        b'H' | b'k' => (&mut out.hour, 2),
        b'h' | b'I' | b'l' => {
            out.twelve = true;
            (&mut out.hour, 2)
        }
        b'i' => (&mut out.minute, 2),
        b's' | b'S' => (&mut out.second, 2),
        b'f' => {
            let (n, count, rest) = digits(6)?;
            out.micros = n * 10u32.pow(6 - count as u32);
            return Some(rest);
        }
        b'M' | b'b' => {
            let short = specifier == b'b';
            let found = MONTHS.iter().enumerate().find_map(|(i, name)| {
                let name = if short { name.get(..3)? } else { name };
                let head = text.get(..name.len())?;
                head.eq_ignore_ascii_case(name.as_bytes()).then_some((i, name.len()))
            })?;
            out.month = found.0 as u32 + 1;
            return text.get(found.1..);
        }
        b'p' => {
            let half = text.get(..2)?;
            out.afternoon = half.eq_ignore_ascii_case(b"PM");
            if !out.afternoon && !half.eq_ignore_ascii_case(b"AM") {
                return None;
            }
            out.twelve = true;
            return text.get(2..);
        }
        b'T' => return nested(text, b"%H:%i:%S", out),
        b'r' => return nested(text, b"%I:%i:%S %p", out),
        b'%' => return text.strip_prefix(b"%"),
        _ => return None,
    };
    let (n, _, rest) = digits(most)?;
    *field = n;
    Some(rest)
}

fn nested<'t>(text: &'t [u8], pattern: &[u8], out: &mut Reading) -> Option<&'t [u8]> {
    let mut text = text;
    let mut at = 0;
    while let Some(c) = pattern.get(at) {
        at += 1;
        if *c == b'%' {
            text = specifier_part(text.trim_ascii_start(), *pattern.get(at)?, out)?;
            at += 1;
        } else if *c == b' ' {
            text = text.trim_ascii_start();
        } else {
            text = text.strip_prefix(&[*c])?;
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn there_and_back() {
        let at = temporal::read_datetime(b"2009-10-04 22:23:00.5").unwrap().value;
        let format = |pattern: &str| parts(&at, pattern.as_bytes()).unwrap();
        assert_eq!(format("%W %M %Y"), "Sunday October 2009");
        assert_eq!(format("%H %k %I %r %T %S %w"), "22 22 10 10:23:00 PM 22:23:00 00 0");
        assert_eq!(format("%D %y %a %d %m %b %j %f %%"), "4th 09 Sun 04 10 Oct 277 500000 %");
        let read = |text: &str, pattern: &str| {
            read(text.as_bytes(), pattern.as_bytes(), temporal::exists).map(|at| at.to_string())
        };
        assert_eq!(read("01,5,2013", "%d,%m,%Y").as_deref(), Some("2013-05-01 00:00:00.000000"));
        assert_eq!(read("May 1, 2013 3:04 PM", "%M %d,%Y %h:%i %p").as_deref(), Some("2013-05-01 15:04:00.000000"));
        assert_eq!(read("abc", "%Y"), None);
        assert_eq!(read("2013-02-30", "%Y-%m-%d"), None);
    }
}
