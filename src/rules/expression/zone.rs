//! The time zone in which TIMESTAMP columns are seen.

use chrono::{DateTime as Chrono, LocalResult, NaiveDate, Offset, TimeZone, Utc};
use chrono_tz::Tz;

use super::temporal;
use crate::mysql::value::{Date, DateTime};

/// A time zone.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Zone {
    /// Seconds east of UTC.
    Fixed(i32),
    Named(Tz),
}

/// Day number of 1970-01-01.
const EPOCH_DAY: i64 = 719_528;
const SECOND: i64 = 1_000_000;

impl Zone {
    pub const UTC: Zone = Zone::Fixed(0);

    /// `+08:00` or a name such as `Asia/Shanghai`. None: it is neither.
    pub fn parse(text: &str) -> Option<Zone> {
        let text = text.trim();
        let (sign, rest) = match text.as_bytes().first()? {
            b'+' => (1, text.get(1..)?),
            b'-' => (-1, text.get(1..)?),
            _ => return text.parse().ok().or_else(|| Zone::by_any_case(text)).map(Zone::Named),
        };
        let (hours, minutes) = rest.split_once(':')?;
        let digits = |part: &str, most: i32| {
            let number =
                (part.len() <= 2 && part.bytes().all(|b| b.is_ascii_digit())).then(|| part.parse::<i32>().ok())??;
            (number <= most).then_some(number)
        };
        let seconds = digits(hours, 14)? * 3600 + digits(minutes, 59)? * 60;
        (seconds <= 14 * 3600).then_some(Zone::Fixed(sign * seconds))
    }

    fn by_any_case(text: &str) -> Option<Tz> {
        chrono_tz::TZ_VARIANTS.iter().find(|zone| zone.name().eq_ignore_ascii_case(text)).copied()
    }

    /// Microseconds since 1970 in UTC to the moment on this zone's clocks.
    pub fn local(&self, micros: i64, fsp: u8) -> Option<DateTime> {
        let seconds = match self {
            Zone::Fixed(seconds) => i64::from(*seconds),
            Zone::Named(zone) => {
                let at = Chrono::<Utc>::from_timestamp_micros(micros)?;
                i64::from(zone.offset_from_utc_datetime(&at.naive_utc()).fix().local_minus_utc())
            }
        };
        temporal::datetime_from_micros(micros + seconds * SECOND + EPOCH_DAY * 86_400 * SECOND, fsp)
    }

    /// The moment on this zone's clocks to microseconds since 1970 in UTC. In the hour that is left out in spring it is
    /// the hour's beginning; in the one that comes twice in autumn, the first. None for dates that aren't.
    pub fn utc(&self, at: &DateTime) -> Option<i64> {
        if temporal::is_partial(at.date) {
            return None;
        }
        let local = temporal::datetime_micros(at) - EPOCH_DAY * 86_400 * SECOND;
        let Zone::Named(zone) = self else {
            let Zone::Fixed(seconds) = self else { return None };
            return Some(local - i64::from(*seconds) * SECOND);
        };
        let Date { year, month, day } = at.date;
        let naive = NaiveDate::from_ymd_opt(year.into(), month.into(), day.into())?.and_hms_micro_opt(
            at.hour.into(),
            at.minute.into(),
            at.second.into(),
            at.micros,
        )?;
        match zone.from_local_datetime(&naive) {
            LocalResult::Single(found) | LocalResult::Ambiguous(found, _) => Some(found.timestamp_micros()),
            LocalResult::None => {
                // The first moment behind the gap, to the quarter of an hour that all gaps end on.
                let quarter = 900 * SECOND;
                (1..=16).find_map(|step| {
                    let later = naive.checked_add_signed(chrono::TimeDelta::microseconds(step * quarter))?;
                    let floor = later.and_utc().timestamp_micros().div_euclid(quarter) * quarter;
                    let floor = Chrono::<Utc>::from_timestamp_micros(floor)?.naive_utc();
                    zone.from_local_datetime(&floor).earliest().map(|found| found.timestamp_micros())
                })
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn zones_by_offset_and_name() {
        assert_eq!(Zone::parse("+08:00"), Some(Zone::Fixed(28_800)));
        assert_eq!(Zone::parse("-5:30"), Some(Zone::Fixed(-19_800)));
        assert!(Zone::parse("europe/berlin").is_some());
        for bad in ["", "+15:00", "+8", "Mars/Base", "+:00"] {
            assert_eq!(Zone::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn moments_there_and_back() {
        let berlin = Zone::parse("Europe/Berlin").unwrap();
        let summer = 1_720_000_000 * SECOND;
        let local = berlin.local(summer, 0).unwrap();
        assert_eq!(local.to_string(), "2024-07-03 11:46:40");
        assert_eq!(berlin.utc(&local), Some(summer));
        let date = Date { year: 2024, month: 3, day: 31 };
        let gap = DateTime { date, hour: 2, minute: 30, ..DateTime::default() };
        assert_eq!(berlin.utc(&gap).map(|m| m / SECOND), Some(1_711_846_800));
        assert_eq!(Zone::UTC.utc(&DateTime::default()), None);
    }
}
