//! What the values of one part of a key are, as far as equality on the target goes, and how they become bytes.
//!
//! Values that the target holds equal give equal bytes, from whichever source table of a target they come: the form
//! depends on the target's column. Where a source's values can't be brought into that form, or the target may change them
//! when it takes them (a narrower type), there is no domain, and the key is vague.

use std::{io::Write, sync::Arc};

use super::fold::{self, Decode, TextFold};
use crate::{
    mysql::{
        literal::FixedType,
        value::{DateTime, Value},
    },
    schema::{
        column_type::{BaseType, ColumnType},
        model::{Column, Generated},
    },
};

/// A space of values. Keys of several source tables meet in one target table only if their parts agree in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Domain {
    Integer,
    Decimal,
    Float,
    Text(TextFold),
    Bytes,
    Bit,
    Year,
    Date,
    Time,
    DateTime,
    Timestamp,
    Set,
    /// The source doesn't have the column: all its rows get the default.
    Default,
}

/// How a value of the source becomes bytes of its domain.
#[derive(Clone, PartialEq, Debug)]
pub enum Reading {
    /// Integers, bits, years, dates and times, masks: as they are.
    Number,
    Decimal,
    Float,
    Bytes,
    Text(Decode, TextFold),
    /// The folded names of an ENUM's members, the empty one first.
    Members(Arc<[Vec<u8>]>),
    Fixed(FixedType, TextFold),
    /// A TIMESTAMP that the target keeps as DATETIME, in UTC.
    Moment,
}

impl Domain {
    /// Of a source column's values in a column of the target, and how they get there.
    pub fn of(source: &Column, target: &Column) -> Option<(Domain, Reading)> {
        if let Some(generated) = &target.generated {
            // The target computes its own value.
            if !source.generated.as_ref().is_some_and(|own| same_expression(own, generated)) {
                return None;
            }
        }
        let (from, to) = (&source.ty, &target.ty);
        let fractions = to.decimals.unwrap_or(0) >= from.decimals.unwrap_or(0);
        Some(match (from.base, to.base) {
            (a, b) if a.is_integer() && b.is_integer() => {
                integer_fits(from, to).then_some((Domain::Integer, Reading::Number))?
            }
            (BaseType::Decimal, BaseType::Decimal) => {
                let whole = |ty: &ColumnType| ty.length.unwrap_or(10).saturating_sub(ty.decimals.unwrap_or(0));
                (fractions && whole(to) >= whole(from)).then_some((Domain::Decimal, Reading::Decimal))?
            }
            (a, BaseType::Decimal) if a.is_integer() => {
                let whole = to.length.unwrap_or(10).saturating_sub(to.decimals.unwrap_or(0));
                (whole >= 20).then_some((Domain::Decimal, Reading::Decimal))?
            }
            (BaseType::Float | BaseType::Double, BaseType::Float | BaseType::Double) => {
                (to.decimals.is_none() || to.decimals == from.decimals).then_some((Domain::Float, Reading::Float))?
            }
            (BaseType::Bit, BaseType::Bit) => {
                (to.length.unwrap_or(1) >= from.length.unwrap_or(1)).then_some((Domain::Bit, Reading::Number))?
            }
            (BaseType::Year, BaseType::Year) => (Domain::Year, Reading::Number),
            (BaseType::Date, BaseType::Date) => (Domain::Date, Reading::Number),
            (BaseType::Time, BaseType::Time) if fractions => (Domain::Time, Reading::Number),
            (BaseType::DateTime, BaseType::DateTime) if fractions => (Domain::DateTime, Reading::Number),
            (BaseType::Timestamp, BaseType::DateTime) if fractions => (Domain::DateTime, Reading::Moment),
            (BaseType::Timestamp, BaseType::Timestamp) if fractions => (Domain::Timestamp, Reading::Number),
            (BaseType::Set, BaseType::Set) if from.elems == to.elems => (Domain::Set, Reading::Number),
            (a, b) if is_bytes(a) && (is_bytes(b) || a == b) => (Domain::Bytes, Reading::Bytes),
            (a, b) if b.has_charset() && b != BaseType::Set => text(source, target, a)?,
            _ => return None,
        })
    }
}

/// A value of a target's text or ENUM column.
fn text(source: &Column, target: &Column, from: BaseType) -> Option<(Domain, Reading)> {
    let fold = text_fold(target);
    if !fold.is_known() {
        return None;
    }
    let domain = Domain::Text(fold);
    let reading = match from {
        BaseType::Enum => Reading::Members(members(source, target, fold)),
        BaseType::Set => return None,
        _ if target.ty.base == BaseType::Enum => return None,
        BaseType::Inet4 => Reading::Fixed(FixedType::Inet4, fold),
        BaseType::Inet6 => Reading::Fixed(FixedType::Inet6, fold),
        BaseType::Uuid => Reading::Fixed(FixedType::Uuid, fold),
        _ if from.has_charset() => Reading::Text(Decode::of(source.charset.as_deref().unwrap_or("utf8mb4"))?, fold),
        _ => return None,
    };
    Some((domain, reading))
}

/// How a column's texts are compared.
pub fn text_fold(column: &Column) -> TextFold {
    match (&column.collation, &column.charset) {
        (Some(collation), _) => TextFold::of(collation),
        // ENUM and SET of binary strings.
        (None, None) => TextFold::CODES,
        (None, Some(_)) => TextFold::UNKNOWN,
    }
}

fn members(source: &Column, target: &Column, fold: TextFold) -> Arc<[Vec<u8>]> {
    let known = |name: &String| target.ty.base != BaseType::Enum || target.ty.elems.contains(name);
    let folded = |name: &String| {
        let mut out = Vec::new();
        // A member that the target doesn't have becomes its error member.
        fold.write(if known(name) { name.as_bytes() } else { b"" }, &mut out);
        out
    };
    std::iter::once(Vec::new()).chain(source.ty.elems.iter().map(folded)).collect()
}

fn integer_fits(from: &ColumnType, to: &ColumnType) -> bool {
    let bytes = |ty: &ColumnType| ty.base.integer_bytes().unwrap_or(0);
    match (from.unsigned, to.unsigned) {
        (true, false) => bytes(to) > bytes(from),
        (false, true) => false,
        _ => bytes(to) >= bytes(from),
    }
}

fn is_bytes(base: BaseType) -> bool {
    base.is_blob()
        || matches!(base, BaseType::Binary | BaseType::VarBinary | BaseType::Inet4 | BaseType::Inet6 | BaseType::Uuid)
}

/// Whether two servers' texts of a generated column say the same: they quote and bracket differently.
fn same_expression(a: &Generated, b: &Generated) -> bool {
    let plain = |text: &str| {
        let text = text.to_lowercase().replace("_utf8mb4", "").replace("_utf8mb3", "").replace("_latin1", "");
        text.chars().filter(|c| !matches!(c, '`' | '(' | ')' | ' ' | '\n' | '\\')).collect::<String>()
    };
    plain(&a.expression) == plain(&b.expression)
}

/// How much of a value a column of the target and a key's prefix keep, in characters (bytes of binary strings).
pub fn kept(target: &Column, prefix: Option<u32>) -> Option<usize> {
    let own = match target.ty.base {
        BaseType::Char | BaseType::Binary => Some(target.ty.length.unwrap_or(1)),
        BaseType::VarChar | BaseType::VarBinary => target.ty.length,
        _ => None,
    };
    let least = match (own, prefix) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    least.map(|length| length as usize)
}

impl Reading {
    /// Appends a value; None for NULL. `kept`: see [`kept`].
    pub fn write(&self, value: &Value, kept: Option<usize>, out: &mut Vec<u8>) -> Option<()> {
        let whole = kept.unwrap_or(usize::MAX);
        match (self, value) {
            (_, Value::Null) => return None,
            (Reading::Text(decode, fold), Value::Bytes(bytes)) => {
                fold.write(fold::prefix(&decode.read(bytes), whole), out);
            }
            (Reading::Bytes, Value::Bytes(bytes)) => {
                let cut = &bytes[..whole.min(bytes.len())];
                // BINARY fills up with zeros, and one table's VARBINARY may be another's BINARY.
                let end = cut.iter().rposition(|byte| *byte != 0).map_or(0, |last| last + 1);
                out.extend_from_slice(&cut[..end]);
            }
            (Reading::Members(names), Value::Enum(member)) => {
                out.extend_from_slice(names.get(usize::from(*member)).map_or(&[], Vec::as_slice));
            }
            (Reading::Fixed(fixed, fold), Value::Bytes(bytes)) => {
                let mut whole_bytes = bytes.to_vec();
                whole_bytes.resize(fixed.size(), 0);
                fold.write(fixed.text(&whole_bytes).unwrap_or_default().as_bytes(), out);
            }
            (Reading::Moment, Value::Timestamp(time)) => write_datetime(&time.to_datetime(), out),
            (Reading::Decimal, Value::Int(number)) => drop(write!(out, "{number}")),
            (Reading::Decimal, Value::UInt(number)) => drop(write!(out, "{number}")),
            (_, value) => write_plain(value, out),
        }
        Some(())
    }
}

/// Appends a value by its kind alone; nothing for NULL.
fn write_plain(value: &Value, out: &mut Vec<u8>) {
    match value {
        Value::Null => {}
        // Signed and unsigned columns of shards may meet in one target.
        Value::Int(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::UInt(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Float(v) => write_float(*v, out),
        Value::Double(v) => write_float(*v as f32, out),
        Value::Decimal(v) => write_decimal(v.as_str(), out),
        Value::Bytes(bytes) => out.extend_from_slice(bytes),
        Value::Bit { bits, .. } => out.extend_from_slice(&bits.to_le_bytes()),
        Value::Enum(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Set(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Year(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Date(date) => {
            out.extend_from_slice(&date.year.to_le_bytes());
            out.extend_from_slice(&[date.month, date.day]);
        }
        Value::Time(time) => {
            let zero = time.hours == 0 && time.minutes == 0 && time.seconds == 0 && time.micros == 0;
            out.push(u8::from(time.negative && !zero));
            out.extend_from_slice(&time.hours.to_le_bytes());
            out.extend_from_slice(&[time.minutes, time.seconds]);
            out.extend_from_slice(&time.micros.to_le_bytes());
        }
        Value::DateTime(time) => write_datetime(time, out),
        Value::Timestamp(time) => {
            out.extend_from_slice(&time.seconds.to_le_bytes());
            out.extend_from_slice(&time.micros.to_le_bytes());
        }
    }
}

/// Appends a value so that equal bytes of the source give equal bytes here. What the target holds equal doesn't count.
pub fn write_exact(value: &Value, out: &mut Vec<u8>) {
    write_plain(value, out);
}

fn write_datetime(time: &DateTime, out: &mut Vec<u8>) {
    out.extend_from_slice(&time.date.year.to_le_bytes());
    out.extend_from_slice(&[time.date.month, time.date.day, time.hour, time.minute, time.second]);
    out.extend_from_slice(&time.micros.to_le_bytes());
}

/// FLOAT keeps 24 bits; -0 equals 0.
fn write_float(value: f32, out: &mut Vec<u8>) {
    let rounded = if value == 0.0 { 0.0 } else { value };
    out.extend_from_slice(&rounded.to_le_bytes());
}

/// Decimals without the zeros at both ends and the sign of zero.
fn write_decimal(text: &str, out: &mut Vec<u8>) {
    let (sign, digits) = match text.strip_prefix('-') {
        Some(digits) => ("-", digits),
        None => ("", text),
    };
    let digits = digits.trim_start_matches('0');
    let digits = if digits.contains('.') { digits.trim_end_matches('0').trim_end_matches('.') } else { digits };
    if digits.is_empty() {
        out.push(b'0');
        return;
    }
    out.extend_from_slice(sign.as_bytes());
    out.extend_from_slice(digits.as_bytes());
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mysql::value::{Date, Decimal, Time, Timestamp};

    fn column(base: BaseType, length: Option<u32>, decimals: Option<u32>) -> Column {
        Column { ty: ColumnType { length, decimals, ..ColumnType::of(base) }, ..Column::default() }
    }

    fn text_column(base: BaseType, charset: &str, collation: &str) -> Column {
        Column { charset: Some(charset.into()), collation: Some(collation.into()), ..column(base, Some(20), None) }
    }

    fn written(source: &Column, target: &Column, value: Value) -> Vec<u8> {
        let (_, reading) = Domain::of(source, target).unwrap();
        let mut out = Vec::new();
        reading.write(&value, kept(target, None), &mut out).unwrap();
        out
    }

    fn bytes(text: &[u8]) -> Value {
        Value::Bytes(Bytes::copy_from_slice(text))
    }

    #[test]
    fn equal_values_of_different_columns_meet() {
        let (small, wide) = (column(BaseType::Int, None, None), column(BaseType::BigInt, None, None));
        assert_eq!(written(&small, &wide, Value::Int(5)), written(&wide, &wide, Value::UInt(5)));
        let (short, long) = (column(BaseType::Decimal, Some(5), Some(1)), column(BaseType::Decimal, Some(30), Some(4)));
        let decimal = |text: &str| Value::Decimal(Decimal::from(text));
        assert_eq!(written(&short, &long, decimal("1.5")), written(&long, &long, decimal("1.5000")));
        assert_eq!(written(&long, &long, decimal("-0.0000")), written(&wide, &long, Value::Int(0)));
        assert_eq!(written(&long, &long, decimal("-0.50")), b"-.5");
        assert_eq!(written(&long, &long, decimal("10")), b"10");
        let (float, double) = (column(BaseType::Float, None, None), column(BaseType::Double, None, None));
        assert_eq!(written(&float, &double, Value::Float(-0.0)), written(&double, &double, Value::Double(0.0)));
        assert_eq!(written(&float, &double, Value::Float(0.1)), written(&double, &double, Value::Double(0.1)));
        let (whole, parts) = (column(BaseType::DateTime, None, None), column(BaseType::DateTime, None, Some(6)));
        let date = Date { year: 2024, month: 2, day: 29 };
        let time = |fsp| Value::DateTime(DateTime { date, hour: 1, fsp, ..DateTime::default() });
        assert_eq!(written(&whole, &parts, time(0)), written(&parts, &parts, time(6)));
        let stamp = column(BaseType::Timestamp, None, None);
        let moment = Value::Timestamp(Timestamp { seconds: 1_709_168_400, micros: 0, fsp: 0 });
        assert_eq!(written(&stamp, &parts, moment), written(&parts, &parts, time(6)));
        let negative = Value::Time(Time { negative: true, ..Time::default() });
        let clock = column(BaseType::Time, None, None);
        assert_eq!(written(&clock, &clock, negative), written(&clock, &clock, Value::Time(Time::default())));
    }

    #[test]
    fn texts_meet_as_the_target_compares_them() {
        let latin = text_column(BaseType::VarChar, "latin1", "latin1_bin");
        let target = text_column(BaseType::VarChar, "utf8mb4", "utf8mb4_general_ci");
        assert_eq!(written(&latin, &target, bytes(b"\xc4b ")), written(&target, &target, bytes("aB".as_bytes())));
        let exact = text_column(BaseType::VarChar, "utf8mb4", "utf8mb4_bin");
        assert_ne!(written(&exact, &exact, bytes(b"Ab")), written(&exact, &exact, bytes(b"ab")));
        let mut kind = text_column(BaseType::Enum, "utf8mb4", "utf8mb4_general_ci");
        kind.ty.elems = vec!["x".into(), "Y".into()];
        assert_eq!(written(&kind, &target, Value::Enum(2)), written(&target, &target, bytes(b"y")));
        let mut other = kind.clone();
        other.ty.elems = vec!["Y".into(), "x".into(), "z".into()];
        assert_eq!(written(&kind, &other, Value::Enum(2)), written(&other, &other, Value::Enum(1)));
        assert_eq!(written(&other, &kind, Value::Enum(3)), written(&kind, &kind, Value::Enum(0)));
        let fixed = column(BaseType::Binary, Some(4), None);
        let free = column(BaseType::VarBinary, Some(9), None);
        assert_eq!(written(&fixed, &free, bytes(b"a")), written(&free, &free, bytes(b"a\0\0")));
        let shorter = Column { ty: ColumnType::with_length(BaseType::VarChar, 2), ..target.clone() };
        assert_eq!(written(&target, &shorter, bytes("äöü".as_bytes())), written(&target, &shorter, bytes(b"AOx")));
    }

    #[test]
    fn what_the_target_may_change_has_no_domain() {
        let int = |base, unsigned| Column { ty: ColumnType { unsigned, ..ColumnType::of(base) }, ..Column::default() };
        let none = |source: &Column, target: &Column| assert_eq!(Domain::of(source, target), None);
        none(&int(BaseType::BigInt, false), &int(BaseType::Int, false));
        none(&int(BaseType::Int, true), &int(BaseType::Int, false));
        none(&int(BaseType::Int, false), &int(BaseType::BigInt, true));
        assert!(Domain::of(&int(BaseType::Int, true), &int(BaseType::BigInt, false)).is_some());
        none(&column(BaseType::Decimal, Some(10), Some(2)), &column(BaseType::Decimal, Some(10), Some(0)));
        none(&column(BaseType::DateTime, None, Some(3)), &column(BaseType::DateTime, None, None));
        none(&text_column(BaseType::VarChar, "utf8mb4", "utf8mb4_bin"), &column(BaseType::Int, None, None));
        none(&column(BaseType::Int, None, None), &text_column(BaseType::VarChar, "utf8mb4", "utf8mb4_bin"));
        let unknown = text_column(BaseType::VarChar, "klingon", "klingon_ci");
        none(&unknown, &unknown);
        let generated = |text: &str| Column {
            generated: Some(Generated { expression: text.into(), stored: true }),
            ..column(BaseType::Int, None, None)
        };
        none(&column(BaseType::Int, None, None), &generated("a + 1"));
        assert!(Domain::of(&generated("(`a` + 1)"), &generated("a+1")).is_some());
    }
}
