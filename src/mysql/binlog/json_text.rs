//! Printing JSON as MySQL prints it, noting the scalars whose types the text doesn't tell.

use std::fmt::Write;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{
    column,
    cursor::{Cursor, Malformed, Parsed},
    decimal,
    table_map::column_type as ty,
};
use crate::mysql::{
    json::{Json, Scalar, TypedScalar},
    value::{Decimal, Time},
};

/// The server allows 100 levels.
pub(super) const DEEPEST: usize = 110;

/// One step of the path to the value being printed.
enum Step {
    /// Where the quoted key stands in the text.
    Key(std::ops::Range<usize>),
    Index(usize),
}

/// A document being printed.
pub(super) struct Printer {
    text: String,
    path: Vec<Step>,
    typed: Vec<TypedScalar>,
    /// Crafted offsets could make a small document unfold without end.
    limit: usize,
}

impl Printer {
    /// For a document of so many stored bytes.
    pub(super) fn new(size: usize) -> Printer {
        let limit = size.saturating_mul(64).saturating_add(1024);
        Printer { text: String::with_capacity(size.saturating_mul(2)), path: Vec::new(), typed: Vec::new(), limit }
    }

    pub(super) fn finish(self) -> Json {
        Json::new(self.text, self.typed)
    }

    /// To be called before each value; errors when the document is too deep or unfolds beyond reason.
    pub(super) fn check(&self) -> Parsed<()> {
        if self.path.len() > DEEPEST || self.text.len() > self.limit {
            return Err(Malformed("a JSON value is nested too deep"));
        }
        Ok(())
    }

    pub(super) fn open(&mut self, object: bool) {
        self.text.push(if object { '{' } else { '[' });
    }

    pub(super) fn close(&mut self, object: bool) {
        self.text.push(if object { '}' } else { ']' });
    }

    /// Begins member `index` of the container that was opened last.
    pub(super) fn begin(&mut self, index: usize, key: Option<&[u8]>) -> Parsed<()> {
        if index > 0 {
            self.text.push_str(", ");
        }
        let Some(key) = key else {
            self.path.push(Step::Index(index));
            return Ok(());
        };
        let start = self.text.len();
        self.string(key)?;
        self.path.push(Step::Key(start..self.text.len()));
        self.text.push_str(": ");
        Ok(())
    }

    pub(super) fn end(&mut self) {
        self.path.pop();
    }

    pub(super) fn literal(&mut self, literal: u8) -> Parsed<()> {
        self.text.push_str(match literal {
            0 => "null",
            1 => "true",
            2 => "false",
            _ => return Err(Malformed("a JSON literal is unknown")),
        });
        Ok(())
    }

    pub(super) fn number(&mut self, number: impl std::fmt::Display) -> Parsed<()> {
        write!(self.text, "{number}").map_err(|_| Malformed("a JSON number"))
    }

    pub(super) fn double(&mut self, number: f64) -> Parsed<()> {
        if !number.is_finite() {
            return Err(Malformed("a JSON number is not finite"));
        }
        write_double(number, &mut self.text);
        if !reads_back(number) {
            let path = self.path();
            self.typed.push(TypedScalar { path, scalar: Scalar::Double(number) });
        }
        Ok(())
    }

    pub(super) fn string(&mut self, bytes: &[u8]) -> Parsed<()> {
        let text = std::str::from_utf8(bytes).map_err(|_| Malformed("a JSON string is not UTF-8"))?;
        self.text.push('"');
        let mut plain = 0;
        for (i, byte) in text.bytes().enumerate().filter(|(_, b)| matches!(b, b'"' | b'\\' | 0..=31)) {
            self.text.push_str(&text[plain..i]);
            plain = i + 1;
            match byte {
                b'"' => self.text.push_str("\\\""),
                b'\\' => self.text.push_str("\\\\"),
                8 => self.text.push_str("\\b"),
                9 => self.text.push_str("\\t"),
                10 => self.text.push_str("\\n"),
                12 => self.text.push_str("\\f"),
                13 => self.text.push_str("\\r"),
                control => write!(self.text, "\\u{control:04x}").map_err(|_| Malformed("a JSON string"))?,
            }
        }
        self.text.push_str(&text[plain..]);
        self.text.push('"');
        Ok(())
    }

    /// SQL values inside JSON: decimals as numbers, dates and times as strings with 6 fractional digits,
    /// all else as `base64:type<N>:<data>`, which is how the server prints them.
    pub(super) fn opaque(&mut self, kind: u8, data: &Bytes) -> Parsed<()> {
        let value = &mut Cursor::new(data);
        let scalar = match kind {
            ty::NEWDECIMAL => {
                let (precision, scale) = (value.u8()?, value.u8()?);
                let mut digits = SmallVec::new();
                decimal::read(value, precision, scale, &mut digits)?;
                Scalar::Decimal(Decimal(digits))
            }
            ty::TIME => Scalar::Time(packed_time(value.u64()? as i64)),
            ty::DATE | ty::DATETIME | ty::TIMESTAMP => {
                let packed = value.u64()?;
                let datetime = column::unpack_datetime(packed >> 24, (packed & 0xff_ffff) as u32, 6);
                match kind {
                    ty::DATE => Scalar::Date(datetime.date),
                    ty::DATETIME => Scalar::DateTime(datetime),
                    _ => Scalar::Timestamp(datetime),
                }
            }
            _ => Scalar::Opaque { kind, data: data.clone() },
        };
        match &scalar {
            Scalar::Decimal(decimal) => self.text.push_str(decimal.as_str()),
            Scalar::Date(date) => self.number(format_args!("\"{date}\""))?,
            Scalar::Time(time) => self.number(format_args!("\"{time}\""))?,
            Scalar::DateTime(time) | Scalar::Timestamp(time) => self.number(format_args!("\"{time}\""))?,
            // Not an opaque value.
            Scalar::Double(_) => {}
            Scalar::Opaque { kind, data } => {
                self.number(format_args!("\"base64:type{kind}:"))?;
                self.base64(data);
                self.text.push('"');
            }
        }
        let path = self.path();
        self.typed.push(TypedScalar { path, scalar });
        Ok(())
    }

    fn path(&self) -> String {
        let mut path = String::from("$");
        for step in &self.path {
            match step {
                Step::Key(key) => {
                    path.push('.');
                    path.push_str(self.text.get(key.clone()).unwrap_or_default());
                }
                Step::Index(index) => {
                    // Writing to a String can't fail.
                    let _ = write!(path, "[{index}]");
                }
            }
        }
        path
    }

    /// With the line breaks (as escapes) that the server puts behind every 76 digits.
    fn base64(&mut self, data: &[u8]) {
        const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        for (at, chunk) in data.chunks(3).enumerate() {
            if at > 0 && at % 19 == 0 {
                self.text.push_str("\\n");
            }
            let bits = chunk.iter().fold(0u32, |n, b| n << 8 | u32::from(*b)) << (8 * (3 - chunk.len()));
            for i in 0..4 {
                let digit = DIGITS[(bits >> (18 - 6 * i) & 63) as usize];
                self.text.push(if i <= chunk.len() { digit as char } else { '=' });
            }
        }
    }
}

/// A TIME in JSON: `hours << 12 | minutes << 6 | seconds`, 24 bits of microseconds behind, all of it negated.
fn packed_time(packed: i64) -> Time {
    let magnitude = packed.unsigned_abs();
    let whole = magnitude >> 24;
    Time {
        negative: packed < 0,
        hours: (whole >> 12 & 0x3ff) as u16,
        minutes: (whole >> 6 & 63) as u8,
        seconds: (whole & 63) as u8,
        micros: (magnitude & 0xff_ffff) as u32,
        fsp: 6,
    }
}

/// The shortest digits that read back the same, placed as the server does: with an exponent below 1e-15 and from 1e15 on
/// (unless there are digits behind the point). Always with a point or an exponent, so that it reads back as a double.
fn write_double(number: f64, out: &mut String) {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let (sign, mantissa) = mantissa.strip_prefix('-').map_or(("", mantissa), |rest| ("-", rest));
    let exponent: i32 = exponent.parse().unwrap_or(0);
    let digits: String = mantissa.chars().filter(|c| *c != '.').collect();
    out.push_str(sign);
    match exponent {
        -15..=-1 => {
            out.push_str("0.");
            out.extend(std::iter::repeat_n('0', -exponent as usize - 1));
            out.push_str(&digits);
        }
        0..=15 if exponent < 15 || digits.len() > 16 => {
            let whole = exponent as usize + 1;
            if digits.len() <= whole {
                out.push_str(&digits);
                out.extend(std::iter::repeat_n('0', whole - digits.len()));
                out.push_str(".0");
            } else {
                out.push_str(&digits[..whole]);
                out.push('.');
                out.push_str(&digits[whole..]);
            }
        }
        _ => {
            out.push_str(mantissa);
            out.push('e');
            // Writing to a String can't fail.
            let _ = write!(out, "{exponent}");
        }
    }
}

/// Whether all servers read a double's text exactly. The JSON parser of MySQL 5.7 and 8.0 has its own way of rounding
/// numbers with more than 15 digits or a large exponent, and is off by the last bit at times.
pub fn reads_back(number: f64) -> bool {
    let scientific = format!("{number:e}");
    let (mantissa, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let digits = mantissa.bytes().filter(u8::is_ascii_digit).count() as i32;
    let exponent: i32 = exponent.parse().unwrap_or(0);
    digits <= 15 && (-22..=22).contains(&(exponent + 1 - digits))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_as_the_server_prints_them() {
        let text = |n: f64| {
            let mut out = String::new();
            write_double(n, &mut out);
            out
        };
        let cases = [
            (1.0, "1.0"),
            (-0.0, "-0.0"),
            (0.1, "0.1"),
            (1.5e-7, "0.00000015"),
            (1e-15, "0.000000000000001"),
            (1e-16, "1e-16"),
            (1e14, "100000000000000.0"),
            (1e15, "1e15"),
            (123456789012345.6, "123456789012345.6"),
            (1.2345678901234568e15, "1234567890123456.8"),
            (1.234567890123455e15, "1.234567890123455e15"),
            (1.25e22, "1.25e22"),
            (-5e-324, "-5e-324"),
        ];
        for (number, want) in cases {
            assert_eq!(text(number), want);
            assert_eq!(text(number).parse::<f64>().unwrap(), number);
        }
    }

    #[test]
    fn binary_data_is_printed_in_lines() {
        let mut printer = Printer::new(100);
        printer.opaque(252, &Bytes::from_static(&[b'a'; 58])).unwrap();
        let json = printer.finish();
        assert_eq!(json.as_str(), format!("\"base64:type252:{}\\nYQ==\"", "YWFh".repeat(19)));
        assert_eq!(json.typed()[0].path, "$");
    }
}
