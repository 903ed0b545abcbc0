//! Exact decimal numbers: up to 65 digits, 30 of them behind the point (manual 12.24).

use std::{cmp::Ordering, fmt::Write};

use num_bigint::BigInt;
use num_traits::{Signed, ToPrimitive, Zero};

/// Digits behind the point that a result can have.
pub const MAX_SCALE: u8 = 30;
const MAX_DIGITS: u32 = 65;

/// `coefficient / 10^scale`. Small numbers don't allocate.
#[derive(Clone, Debug)]
pub struct Dec {
    coefficient: Coefficient,
    scale: u8,
}

#[derive(Clone, Debug)]
enum Coefficient {
    Small(i128),
    Big(BigInt),
    /// MariaDB's remainder of a negative number: it is less than zero there.
    MinusZero,
}

use Coefficient::{Big, MinusZero, Small};

fn big(c: &Coefficient) -> BigInt {
    match c {
        Small(n) => BigInt::from(*n),
        Big(n) => n.clone(),
        MinusZero => BigInt::ZERO,
    }
}

fn pow10(digits: u8) -> BigInt {
    BigInt::from(10u8).pow(u32::from(digits))
}

/// The quotient's nearest integer, halves away from zero.
fn round_div(value: &BigInt, by: &BigInt) -> BigInt {
    let quotient = value / by;
    let rest: BigInt = value - &quotient * by;
    if rest.abs() * 2u8 >= by.abs() {
        let up = if (value.is_negative()) == (by.is_negative()) { 1 } else { -1 };
        return quotient + up;
    }
    quotient
}

impl From<BigInt> for Coefficient {
    fn from(n: BigInt) -> Self {
        n.to_i128().map_or(Big(n), Small)
    }
}

impl From<i64> for Dec {
    fn from(n: i64) -> Self {
        Dec { coefficient: Small(i128::from(n)), scale: 0 }
    }
}

impl From<u64> for Dec {
    fn from(n: u64) -> Self {
        Dec { coefficient: Small(i128::from(n)), scale: 0 }
    }
}

impl Dec {
    /// `coefficient / 10^scale`.
    pub fn new(coefficient: i128, scale: u8) -> Dec {
        Dec { coefficient: Small(coefficient), scale }
    }

    /// The number a text begins with, with exponent; blanks in front are skipped. The second value is false when more
    /// follows than blanks, or there is no number.
    pub fn parse_prefix(text: &[u8]) -> (Dec, bool) {
        let (digits, rest) = super::number::prefix(text);
        let clean = rest.iter().all(|b| b.is_ascii_whitespace()) && !digits.is_empty();
        (Dec::parse(digits).unwrap_or(Dec::new(0, 0)), clean)
    }

    /// A number as [`super::number::prefix`] cuts it out of a text. Too large ones become the largest decimal.
    pub fn parse(digits: &[u8]) -> Option<Dec> {
        let (negative, digits) = match digits.split_first() {
            Some((b'-', rest)) => (true, rest),
            Some((b'+', rest)) => (false, rest),
            _ => (false, digits),
        };
        let (mantissa, exponent) = match digits.iter().position(|b| matches!(b, b'e' | b'E')) {
            Some(at) => {
                let exponent = std::str::from_utf8(digits.get(at + 1..)?).ok()?;
                (
                    digits.get(..at)?,
                    exponent.parse::<i64>().unwrap_or(if exponent.starts_with('-') { -9999 } else { 9999 }),
                )
            }
            None => (digits, 0),
        };
        let point = mantissa.iter().position(|b| *b == b'.').unwrap_or(mantissa.len());
        let mut fraction = mantissa.len().saturating_sub(point + 1) as i64;
        let mut figures: Vec<u8> =
            mantissa.iter().copied().filter(u8::is_ascii_digit).skip_while(|b| *b == b'0').collect();
        // Digits that can't matter, so that a text of a megabyte of digits costs nothing.
        fraction -= figures.len().saturating_sub(300) as i64;
        figures.truncate(300);
        let significant = figures.len();
        let scale = fraction - exponent.clamp(-9999, 9999);
        if significant as i64 - scale > 65 && significant > 0 {
            return Some(Dec::largest(negative));
        }
        let mut coefficient = BigInt::parse_bytes(if figures.is_empty() { b"0" } else { &figures }, 10)?;
        let scale = if scale < 0 {
            coefficient *= pow10(u8::try_from(-scale).unwrap_or(if coefficient.is_zero() { 0 } else { u8::MAX }));
            0
        } else if scale > i64::from(MAX_SCALE) {
            let cut = u32::try_from(scale - i64::from(MAX_SCALE)).unwrap_or(u32::MAX).min(20_000);
            coefficient = round_div(&coefficient, &BigInt::from(10u8).pow(cut));
            MAX_SCALE
        } else {
            scale as u8
        };
        let coefficient = if negative { -coefficient } else { coefficient };
        Some(Dec { coefficient: coefficient.into(), scale }.fit())
    }

    fn largest(negative: bool) -> Dec {
        let nines = BigInt::from(10u8).pow(MAX_DIGITS) - 1u8;
        Dec { coefficient: if negative { -nines } else { nines }.into(), scale: 0 }
    }

    /// Cuts digits behind the point that don't fit beside those before it; the largest number when nothing fits.
    fn fit(self) -> Dec {
        let Big(n) = &self.coefficient else { return self };
        let digits = n.abs().to_string().len() as u32;
        if digits <= MAX_DIGITS {
            return self;
        }
        let cut = digits - MAX_DIGITS;
        if cut > u32::from(self.scale) {
            return Dec::largest(n.is_negative());
        }
        let scale = self.scale - cut as u8;
        self.round(scale)
    }

    /// Digits behind the point.
    pub fn scale(&self) -> u8 {
        self.scale
    }

    pub fn is_zero(&self) -> bool {
        match &self.coefficient {
            Small(n) => *n == 0,
            Big(n) => n.is_zero(),
            MinusZero => true,
        }
    }

    pub fn is_negative(&self) -> bool {
        match &self.coefficient {
            Small(n) => *n < 0,
            Big(n) => n.is_negative(),
            MinusZero => true,
        }
    }

    fn scaled(&self, scale: u8) -> Coefficient {
        let more = scale.saturating_sub(self.scale);
        if let Small(n) = &self.coefficient
            && let Some(factor) = 10i128.checked_pow(u32::from(more))
            && let Some(scaled) = n.checked_mul(factor)
        {
            return Small(scaled);
        }
        (big(&self.coefficient) * pow10(more)).into()
    }

    /// Both coefficients at the larger scale.
    fn aligned(&self, other: &Dec) -> (Coefficient, Coefficient, u8) {
        let scale = self.scale.max(other.scale);
        (self.scaled(scale), other.scaled(scale), scale)
    }

    fn combine(&self, other: &Dec, small: fn(i128, i128) -> Option<i128>, large: fn(BigInt, BigInt) -> BigInt) -> Dec {
        let (a, b, scale) = self.aligned(other);
        let coefficient = match (&a, &b) {
            (Small(x), Small(y)) => small(*x, *y).map(Small),
            _ => None,
        };
        Dec { coefficient: coefficient.unwrap_or_else(|| large(big(&a), big(&b)).into()), scale }.fit()
    }

    pub fn add(&self, other: &Dec) -> Dec {
        self.combine(other, i128::checked_add, |a, b| a + b)
    }

    pub fn sub(&self, other: &Dec) -> Dec {
        if matches!(self.coefficient, MinusZero) && other.is_zero() {
            return self.clone();
        }
        self.combine(other, i128::checked_sub, |a, b| a - b)
    }

    pub fn mul(&self, other: &Dec) -> Dec {
        let small = match (&self.coefficient, &other.coefficient) {
            (Small(x), Small(y)) => x.checked_mul(*y).map(Small),
            _ => None,
        };
        let coefficient = small.unwrap_or_else(|| (big(&self.coefficient) * big(&other.coefficient)).into());
        let scale = self.scale.saturating_add(other.scale);
        let product = Dec { coefficient, scale };
        if scale > MAX_SCALE { product.truncate(MAX_SCALE as i32).fit() } else { product.fit() }
    }

    /// The quotient cut (not rounded) to `scale` digits; None when dividing by zero.
    pub fn div(&self, other: &Dec, scale: u8) -> Option<Dec> {
        if other.is_zero() {
            return None;
        }
        let shift = i32::from(scale) + i32::from(other.scale) - i32::from(self.scale);
        let (mut a, mut b) = (big(&self.coefficient), big(&other.coefficient));
        if shift >= 0 {
            a *= pow10(shift.min(255) as u8);
        } else {
            b *= pow10((-shift).min(255) as u8);
        }
        Some(Dec { coefficient: (a / b).into(), scale }.fit())
    }

    /// The rest of a division, with the sign of `self`.
    pub fn rem(&self, other: &Dec) -> Option<Dec> {
        if other.is_zero() {
            return None;
        }
        Some(self.combine(other, i128::checked_rem, |a, b| a % b))
    }

    /// The same on MariaDB: nothing left of a negative number with a fraction is a zero with its sign.
    pub fn rem_signed(&self, other: &Dec) -> Option<Dec> {
        let rest = self.rem(other)?;
        Some(if rest.is_zero() && rest.scale > 0 && self.is_negative() {
            Dec { coefficient: MinusZero, ..rest }
        } else {
            rest
        })
    }

    /// Without the sign of a zero.
    pub fn unsigned_zero(self) -> Dec {
        if self.is_zero() { Dec { coefficient: Small(0), ..self } } else { self }
    }

    pub fn neg(&self) -> Dec {
        match &self.coefficient {
            Small(n) if *n != i128::MIN => Dec { coefficient: Small(-n), scale: self.scale },
            other => Dec { coefficient: (-big(other)).into(), scale: self.scale },
        }
    }

    /// Rounded to `scale` digits behind the point, halves away from zero; more digits are filled with zeros.
    pub fn round(&self, scale: u8) -> Dec {
        if matches!(self.coefficient, MinusZero) {
            return Dec { coefficient: MinusZero, scale };
        }
        if scale >= self.scale {
            return Dec { coefficient: self.scaled(scale), scale };
        }
        let by = pow10(self.scale - scale);
        Dec { coefficient: round_div(&big(&self.coefficient), &by).into(), scale }
    }

    /// Rounded to a position that may lie before the point (negative), as ROUND does.
    pub fn round_at(&self, digits: i32) -> Dec {
        if digits >= 0 {
            return self.round(digits.min(i32::from(MAX_SCALE)) as u8);
        }
        let by = pow10(u8::try_from(-digits).unwrap_or(u8::MAX).min(100)) * pow10(self.scale);
        let tens = pow10(u8::try_from(-digits).unwrap_or(u8::MAX).min(100));
        Dec { coefficient: (round_div(&big(&self.coefficient), &by) * tens).into(), scale: 0 }
    }

    /// Cut at a position, as TRUNCATE does.
    pub fn truncate(&self, digits: i32) -> Dec {
        if digits >= i32::from(self.scale) {
            return self.round(digits.min(i32::from(MAX_SCALE)) as u8);
        }
        if digits >= 0 {
            let coefficient = big(&self.coefficient) / pow10((i32::from(self.scale) - digits) as u8);
            return Dec { coefficient: coefficient.into(), scale: digits as u8 };
        }
        let tens = pow10(u8::try_from(-digits).unwrap_or(u8::MAX).min(100));
        let coefficient = big(&self.coefficient) / (&tens * pow10(self.scale)) * tens;
        Dec { coefficient: coefficient.into(), scale: 0 }
    }

    /// The next integer below (or above).
    pub fn floor(&self, up: bool) -> Dec {
        let cut = self.truncate(0);
        if self.is_zero() {
            return cut.unsigned_zero();
        }
        match cut.compare(self) {
            Ordering::Less if up => cut.add(&Dec::from(1i64)),
            Ordering::Greater if !up => cut.sub(&Dec::from(1i64)),
            _ => cut,
        }
    }

    /// Numeric order, whatever the scales.
    pub fn compare(&self, other: &Dec) -> Ordering {
        let (a, b, _) = self.aligned(other);
        match (&a, &b) {
            (Small(0), Small(0)) => other.is_negative().cmp(&self.is_negative()),
            (Small(x), Small(y)) => x.cmp(y),
            _ => big(&a).cmp(&big(&b)),
        }
    }

    /// The nearest integer, if it is in the range of both integer types together.
    pub fn to_integer(&self) -> Option<i128> {
        match self.round(0).coefficient {
            Small(n) => Some(n),
            MinusZero => Some(0),
            Big(_) => None,
        }
    }

    /// The nearest double.
    pub fn to_real(&self) -> f64 {
        match &self.coefficient {
            Small(n) if self.scale == 0 => *n as f64,
            _ => self.to_text().parse().unwrap_or(0.0),
        }
    }

    /// With all digits of the scale.
    pub fn to_text(&self) -> String {
        let digits = match &self.coefficient {
            Small(n) => n.unsigned_abs().to_string(),
            Big(n) => n.abs().to_string(),
            MinusZero => "0".into(),
        };
        let scale = usize::from(self.scale);
        let padded = format!("{digits:0>width$}", width = scale + 1);
        let mut out = String::with_capacity(padded.len() + 2);
        if self.is_negative() {
            out.push('-');
        }
        let (whole, fraction) = padded.split_at(padded.len() - scale);
        out.push_str(whole);
        if scale > 0 {
            // Writing to a String can't fail.
            let _ = write!(out, ".{fraction}");
        }
        out
    }

    /// Digits of the number, without leading zeros.
    pub fn digits(&self) -> usize {
        match &self.coefficient {
            Small(0) | MinusZero => 0,
            Small(n) => n.unsigned_abs().ilog10() as usize + 1,
            Big(n) => n.abs().to_string().len(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn dec(text: &str) -> Dec {
        Dec::parse(text.as_bytes()).unwrap()
    }

    #[test]
    fn arithmetic_is_exact() {
        assert_eq!(dec("0.1").add(&dec("0.2")).to_text(), "0.3");
        assert_eq!(dec("1.50").sub(&dec("2")).to_text(), "-0.50");
        assert_eq!(dec("1.5").mul(&dec("-1.5")).to_text(), "-2.25");
        assert_eq!(dec("1").div(&dec("3"), 4).unwrap().to_text(), "0.3333");
        assert_eq!(dec("-7.5").rem(&dec("2")).unwrap().to_text(), "-1.5");
        assert!(dec("1").div(&dec("0.00"), 4).is_none());
        let rest = dec("-1").rem_signed(&dec("0.5")).unwrap();
        assert_eq!((rest.to_text().as_str(), rest.compare(&dec("0"))), ("-0.0", Ordering::Less));
        assert_eq!(rest.sub(&dec("0")).compare(&dec("0")), Ordering::Less);
        assert_eq!(rest.add(&dec("0")).to_text(), "0.0");
        let large = dec("99999999999999999999999999999999999.999999999999999999999999999999");
        assert_eq!(large.sub(&large).to_text(), "0.000000000000000000000000000000");
        assert_eq!(large.add(&dec("1")).compare(&large), Ordering::Greater);
    }

    #[test]
    fn rounding_goes_away_from_zero() {
        for (value, digits, expected) in [
            ("2.5", 0, "3"),
            ("-2.5", 0, "-3"),
            ("1.005", 2, "1.01"),
            ("1.2", 3, "1.200"),
            ("155", -1, "160"),
            ("0.4", 0, "0"),
        ] {
            assert_eq!(dec(value).round_at(digits).to_text(), expected, "{value} {digits}");
        }
        assert_eq!(dec("-1.999").truncate(1).to_text(), "-1.9");
        assert_eq!(dec("199").truncate(-2).to_text(), "100");
        assert_eq!(dec("-1.5").floor(false).to_text(), "-2");
        assert_eq!(dec("-1.5").floor(true).to_text(), "-1");
    }

    #[test]
    fn texts_of_any_size() {
        assert_eq!(dec("1e3").to_text(), "1000");
        assert_eq!(dec("1.5e-3").to_text(), "0.0015");
        assert_eq!(dec("1e-40").to_text(), "0.000000000000000000000000000000");
        assert_eq!(dec("1e100").digits(), 65);
        assert_eq!(dec("0e999999999999").to_text(), "0");
        assert_eq!(Dec::parse_prefix(b" 12.5abc").0.to_text(), "12.5");
        assert!(!Dec::parse_prefix(b"abc").1 && Dec::parse_prefix(b" 7 ").1);
    }
}
