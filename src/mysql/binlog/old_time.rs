//! Times as servers stored them before MySQL 5.6, and with fractions as MariaDB did before 10.1 (and does with
//! `mysql56_temporal_format=OFF`). MariaDB's are one big-endian number of the smallest unit the column has.

use super::cursor::{Cursor, Malformed, Parsed};
use crate::mysql::value::{Date, DateTime, Time, Timestamp};

const TOO_FINE: Malformed = Malformed("a time has too many fractional digits");

/// Bytes of a TIME with so many digits.
pub(super) const TIME_BYTES: [u8; 7] = [3, 4, 4, 5, 5, 5, 6];
/// Bytes of a DATETIME with so many digits; 8 without a fraction, which is another form.
pub(super) const DATETIME_BYTES: [u8; 7] = [8, 6, 6, 7, 7, 7, 8];
/// Bytes of a TIMESTAMP with so many digits.
pub(super) const TIMESTAMP_BYTES: [u8; 7] = [4, 5, 5, 6, 6, 7, 7];

fn bytes(sizes: &[u8; 7], digits: u16) -> Parsed<usize> {
    sizes.get(usize::from(digits)).map(|n| usize::from(*n)).ok_or(TOO_FINE)
}

/// Microseconds of the smallest unit.
fn unit(digits: u16) -> u64 {
    10u64.pow(6 - u32::from(digits.min(6)))
}

/// Without a fraction: hhmmss as a decimal number.
pub(super) fn time(cursor: &mut Cursor<'_>, digits: u16) -> Parsed<Time> {
    if digits == 0 {
        let value = ((cursor.uint_le(3)? << 40) as i64) >> 40;
        let n = value.unsigned_abs();
        let (minutes, seconds) = ((n / 100 % 100) as u8, (n % 100) as u8);
        return Ok(Time { negative: value < 0, hours: (n / 10_000) as u16, minutes, seconds, micros: 0, fsp: 0 });
    }
    let stored = cursor.uint_be(bytes(&TIME_BYTES, digits)?)? as i64;
    // Shifted, so that no stored number is negative: by a second more than the longest time.
    let zero = (839 * 3600 * 1_000_000 / unit(digits)) as i64;
    let value = stored - zero;
    let micros = value.unsigned_abs() * unit(digits);
    let seconds = micros / 1_000_000;
    Ok(Time {
        negative: value < 0,
        hours: (seconds / 3600) as u16,
        minutes: (seconds / 60 % 60) as u8,
        seconds: (seconds % 60) as u8,
        micros: (micros % 1_000_000) as u32,
        fsp: digits as u8,
    })
}

/// Without a fraction: YYYYMMDDhhmmss as a decimal number.
pub(super) fn datetime(cursor: &mut Cursor<'_>, digits: u16) -> Parsed<DateTime> {
    if digits == 0 {
        let n = cursor.u64()?;
        let two = |divisor: u64| (n / divisor % 100) as u8;
        return Ok(DateTime {
            date: Date { year: (n / 10_000_000_000 % 10_000) as u16, month: two(100_000_000), day: two(1_000_000) },
            hour: two(10_000),
            minute: two(100),
            second: two(1),
            micros: 0,
            fsp: 0,
        });
    }
    let stored = cursor.uint_be(bytes(&DATETIME_BYTES, digits)?)?;
    let micros = stored.checked_mul(unit(digits)).ok_or(Malformed("a date is out of range"))?;
    let seconds = micros / 1_000_000;
    let (days, months) = (seconds / 86_400, seconds / 86_400 / 32);
    Ok(DateTime {
        date: Date { year: (months / 13) as u16, month: (months % 13) as u8, day: (days % 32) as u8 },
        hour: (seconds / 3600 % 24) as u8,
        minute: (seconds / 60 % 60) as u8,
        second: (seconds % 60) as u8,
        micros: (micros % 1_000_000) as u32,
        fsp: digits as u8,
    })
}

/// Seconds, then the fraction.
pub(super) fn timestamp(cursor: &mut Cursor<'_>, digits: u16) -> Parsed<Timestamp> {
    if digits == 0 {
        return Ok(Timestamp { seconds: cursor.u32()?, micros: 0, fsp: 0 });
    }
    let seconds = cursor.uint_be(4)? as u32;
    let part = cursor.uint_be(bytes(&TIMESTAMP_BYTES, digits)? - 4)?;
    let micros = part * unit(digits);
    if micros >= 1_000_000 {
        return Err(Malformed("a time's fraction is too large"));
    }
    Ok(Timestamp { seconds, micros: micros as u32, fsp: digits as u8 })
}
