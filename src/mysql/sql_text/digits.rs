//! Numbers, decimals and times as digits: four from a table, or eight made at once in the bytes of one word.

use super::SqlText;
use crate::mysql::binlog::cursor::{Malformed, Parsed};

const ASCII: u64 = 0x3030_3030_3030_3030;

/// The digits of `n` < 10^8 as values 0 to 9, the first in the lowest byte. Halves are divided side by side in one word:
/// by 100 (times 10486, shifted by 20, exact below 10^4), then by 10 (times 103, shifted by 10, exact below 100).
#[inline(always)]
fn eight(n: u32) -> u64 {
    let fours = u64::from(n / 10_000) | u64::from(n % 10_000) << 32;
    let high = ((fours * 10_486) >> 20) & 0x7f_0000_007f;
    let twos = high | (fours - 100 * high) << 16;
    let tens = ((twos * 103) >> 10) & 0x000f_000f_000f_000f;
    tens | (twos - 10 * tens) << 8
}

/// Two ASCII digits of `n` < 100, the first in the lowest byte.
#[inline(always)]
fn two(n: u32) -> u16 {
    let tens = (n * 103) >> 10;
    (0x3030 + tens + ((n - 10 * tens) << 8)) as u16
}

/// Four ASCII digits of each number below 10^4, the first in the lowest byte: twice as fast as making them, measured with
/// rows of many integers, whose digits keep the table in the cache.
static FOUR: [u32; 10_000] = {
    let mut table = [0; 10_000];
    let mut n = 0;
    while n < 10_000 {
        let digits = n as u32;
        let (first, second, third, last) = (digits / 1000, digits / 100 % 10, digits / 10 % 10, digits % 10);
        table[n] = 0x3030_3030 + (first | (second << 8) | (third << 16) | (last << 24));
        n += 1;
    }
    table
};

/// Four ASCII digits of `n` < 10^4.
#[inline(always)]
fn four(n: u32) -> u32 {
    FOUR.get(n as usize).copied().unwrap_or(0)
}

/// Eight ASCII digits of `n` < 10^8.
#[inline(always)]
fn eight_by_table(n: u32) -> u64 {
    u64::from(four(n / 10_000)) | (u64::from(four(n % 10_000)) << 32)
}

/// The digits of `n` < 10^4 without leading zeros, and how many they are.
#[inline(always)]
fn leading(n: u32) -> (u32, usize) {
    let used = 1 + usize::from(n >= 10) + usize::from(n >= 100) + usize::from(n >= 1000);
    (four(n) >> (8 * (4 - used)), used)
}

/// Writes `n` without leading zeros at `at` (below 4) of the window; gives its length, 20 at most.
#[inline(always)]
pub(super) fn write(n: u64, window: &mut [u8; 64], at: usize) -> usize {
    const STEP: u64 = 100_000_000;
    let at = at & 3;
    if n < STEP {
        let n = n as u32;
        if n < 10_000 {
            let (digits, used) = leading(n);
            window[at..at + 4].copy_from_slice(&digits.to_le_bytes());
            return used;
        }
        let (digits, used) = leading(n / 10_000);
        let word = u64::from(digits) | (u64::from(four(n % 10_000)) << (8 * used));
        window[at..at + 8].copy_from_slice(&word.to_le_bytes());
        return used + 4;
    }
    if n < STEP * STEP {
        let (high, low) = ((n / STEP) as u32, eight_by_table((n % STEP) as u32));
        if high < 10_000 {
            let (digits, used) = leading(high);
            window[at..at + 4].copy_from_slice(&digits.to_le_bytes());
            window[at + used..at + used + 8].copy_from_slice(&low.to_le_bytes());
            return used + 8;
        }
        let (digits, used) = leading(high / 10_000);
        let word = u64::from(digits) | (u64::from(four(high % 10_000)) << (8 * used));
        window[at..at + 8].copy_from_slice(&word.to_le_bytes());
        let behind = at + used + 4;
        window[behind..behind + 8].copy_from_slice(&low.to_le_bytes());
        return used + 12;
    }
    let (top, rest) = ((n / (STEP * STEP)) as u32, n % (STEP * STEP));
    let (digits, used) = leading(top);
    window[at..at + 4].copy_from_slice(&digits.to_le_bytes());
    let behind = at + used;
    window[behind..behind + 8].copy_from_slice(&eight_by_table((rest / STEP) as u32).to_le_bytes());
    window[behind + 8..behind + 16].copy_from_slice(&eight_by_table((rest % STEP) as u32).to_le_bytes());
    used + 16
}

/// The same for `n` below 10^5, without a jump that depends on it: numbers of 16 bits lie on both sides of 10^4.
#[inline(always)]
pub(super) fn write_short(n: u32, window: &mut [u8; 64], at: usize) -> usize {
    let at = at & 3;
    let used = 1 + usize::from(n >= 10) + usize::from(n >= 100) + usize::from(n >= 1000) + usize::from(n >= 10_000);
    let word = u64::from(u32::from(b'0') + n / 10_000) | (u64::from(four(n % 10_000)) << 8);
    window[at..at + 8].copy_from_slice(&(word >> (8 * (5 - used))).to_le_bytes());
    used
}

impl SqlText {
    pub fn u64(&mut self, n: u64) {
        let mut pen = self.pen();
        pen.u64(n);
        pen.out();
    }

    pub fn i64(&mut self, n: i64) {
        let mut pen = self.pen();
        pen.i64(n);
        pen.out();
    }

    pub fn u32(&mut self, n: u32) {
        self.u64(n.into());
    }

    /// Exactly `width` (0 to 9) digits.
    #[inline]
    fn padded(&mut self, n: u32, width: usize) {
        let (head, rest) = if width > 8 { (1, n % 100_000_000) } else { (0, n) };
        if head == 1 {
            self.push(b'0' + (n / 100_000_000) as u8);
        }
        let width = width - head;
        let word = (eight(rest) | ASCII).checked_shr(8 * (8 - width as u32)).unwrap_or(0);
        self.put(word.to_le_bytes(), width);
    }

    /// A number of at least two digits.
    fn at_least_two(&mut self, n: u32) {
        if n < 100 { self.put(two(n).to_le_bytes(), 2) } else { self.u32(n) }
    }

    /// `2024-02-29`. A year of five digits exists in damaged rows only, and is written as it is.
    fn date_part(&mut self, year: u32, month: u32, day: u32) {
        if year > 9999 {
            self.u32(year);
        } else {
            self.put(four(year).to_le_bytes(), 4);
        }
        let month_day = 0x2d | u64::from(two(month)) << 8 | 0x2d << 24 | u64::from(two(day)) << 32;
        self.put(month_day.to_le_bytes(), 6);
    }

    /// `12:34:56`.
    fn clock(&mut self, hour: u32, minute: u32, second: u32) {
        self.at_least_two(hour);
        let rest = 0x3a | u64::from(two(minute)) << 8 | 0x3a << 24 | u64::from(two(second)) << 32;
        self.put(rest.to_le_bytes(), 6);
    }

    /// The fraction with `fsp` digits, and the quote behind it.
    fn fraction(&mut self, micros: u32, fsp: u8) {
        if fsp > 0 {
            self.push(b'.');
            // Cut, not rounded: the row holds no more digits than its column.
            let digits = usize::from(fsp.min(6));
            let at = self.len();
            self.padded(micros, 6);
            self.truncate(at + digits);
        }
        self.push(b'\'');
    }

    pub fn date(&mut self, year: u32, month: u32, day: u32) {
        self.push(b'\'');
        self.date_part(year, month, day);
        self.push(b'\'');
    }

    /// Fields below 100; `hours` may be larger.
    pub fn time(&mut self, negative: bool, [hours, minutes, seconds]: [u32; 3], micros: u32, fsp: u8) {
        self.put(*b"'-", if negative { 2 } else { 1 });
        self.clock(hours, minutes, seconds);
        self.fraction(micros, fsp);
    }

    pub fn datetime(&mut self, [year, month, day]: [u32; 3], [hour, minute, second]: [u32; 3], micros: u32, fsp: u8) {
        self.push(b'\'');
        self.date_part(year, month, day);
        self.push(b' ');
        self.clock(hour, minute, second);
        self.fraction(micros, fsp);
    }

    /// Seconds since 1970 as UTC; 0 is the zero timestamp.
    pub fn timestamp(&mut self, seconds: u32, micros: u32, fsp: u8) {
        if seconds == 0 && micros == 0 {
            return self.datetime([0; 3], [0; 3], 0, fsp);
        }
        let (days, rest) = (seconds / 86_400, seconds % 86_400);
        self.datetime(calendar_date(days), [rest / 3600, rest / 60 % 60, rest % 60], micros, fsp);
    }

    /// With an exponent, so that the literal is a double and not a DECIMAL: the shortest digits that read back the same.
    pub fn double(&mut self, n: f64) {
        // Writing to memory does not fail.
        let _ = std::fmt::Write::write_fmt(self, format_args!("{n:e}"));
    }

    /// A DECIMAL from its stored form, all of `bytes`.
    pub fn decimal(&mut self, layout: &DecimalLayout, bytes: &[u8]) -> Parsed<()> {
        const TOO_SHORT: Malformed = Malformed("it ends too early");
        let mut copy = [0u8; 32];
        let stored = copy.get_mut(..layout.length()).ok_or(TOO_SHORT)?;
        if stored.len() != bytes.len() {
            return Err(TOO_SHORT);
        }
        stored.copy_from_slice(bytes);
        let negative = copy[0] & 0x80 == 0;
        if negative {
            copy.iter_mut().for_each(|byte| *byte = !*byte);
            self.push(b'-');
        }
        copy[0] ^= 0x80;
        let mut groups = Groups { bytes: copy, at: 0 };
        let start = self.len();
        self.first_group(groups.next(layout.first)?);
        for _ in 0..layout.whole {
            let group = groups.next(9)?;
            if self.len() == start { self.first_group(group) } else { self.padded(group, 9) }
        }
        if self.len() == start {
            self.push(b'0');
        }
        if layout.groups > 0 || layout.last > 0 {
            self.push(b'.');
            for _ in 0..layout.groups {
                self.padded(groups.next(9)?, 9);
            }
            self.padded(groups.next(layout.last)?, layout.last);
        }
        Ok(())
    }

    /// Digits in front of all others: none for zero.
    fn first_group(&mut self, n: u32) {
        if n > 0 {
            self.u32(n);
        }
    }
}

/// The groups of digits of DECIMAL(precision, scale): 9 digits in 4 bytes, fewer at both ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DecimalLayout {
    first: usize,
    whole: usize,
    groups: usize,
    last: usize,
}

const BYTES_OF_DIGITS: [usize; 10] = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4];

impl DecimalLayout {
    /// None when no such column can be.
    pub fn new(precision: u8, scale: u8) -> Option<DecimalLayout> {
        if scale > precision || precision == 0 || precision > 65 {
            return None;
        }
        let (whole, scale) = (usize::from(precision - scale), usize::from(scale));
        Some(DecimalLayout { first: whole % 9, whole: whole / 9, groups: scale / 9, last: scale % 9 })
    }

    /// Bytes of a stored value.
    pub fn length(&self) -> usize {
        let of = |digits: usize| BYTES_OF_DIGITS.get(digits).copied().unwrap_or(0);
        4 * (self.whole + self.groups) + of(self.first) + of(self.last)
    }
}

struct Groups {
    bytes: [u8; 32],
    at: usize,
}

impl Groups {
    fn next(&mut self, digits: usize) -> Parsed<u32> {
        const LIMIT: [u32; 10] = [1, 10, 100, 1000, 10_000, 100_000, 1_000_000, 10_000_000, 100_000_000, 1_000_000_000];
        let length = BYTES_OF_DIGITS.get(digits).copied().unwrap_or(0);
        let bytes = self.bytes.get(self.at..self.at + length).unwrap_or_default();
        self.at += length;
        let value = bytes.iter().fold(0u32, |n, b| n << 8 | u32::from(*b));
        let limit = LIMIT.get(digits).copied().unwrap_or(1);
        if value < limit { Ok(value) } else { Err(Malformed("a decimal has a wrong digit")) }
    }
}

/// Year, month and day of a day number, 0 is 1970-01-01: the calendar of years that begin in March, in which a month's
/// first day is a linear function of its number, counted from a day 400 years earlier.
pub fn calendar_date(days: u32) -> [u32; 3] {
    // 1600-03-01 is 135080 days before 1970.
    let n = u64::from(days) + 135_080;
    let (centuries, day_of_century) = ((4 * n + 3) / 146_097, (4 * n + 3) % 146_097 / 4);
    let (years, day_of_year) = ((4 * day_of_century + 3) / 1461, (4 * day_of_century + 3) % 1461 / 4);
    let month = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * month + 2) / 5 + 1;
    let (month, later) = if month < 10 { (month + 3, 0) } else { (month - 9, 1) };
    [(1600 + 100 * centuries + years + later) as u32, month as u32, day as u32]
}
