//! How the stored bytes of one column become SQL text: decided once for each layout, see [`super::plan`].

use super::{
    cursor::{Malformed, Parsed},
    old_time,
    table_map::{Column, column_type as ty},
};
use crate::mysql::{
    literal::{Encoding, NO_ASCII},
    sql_text::{DecimalLayout, Integer, Pen, SqlText},
};

const SHORT: Malformed = Malformed("it ends too early");

/// How many bytes a value has in the image.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Size {
    Fixed(u32),
    /// A length of so many bytes comes first.
    Counted(u32),
    /// No row can hold a value of such a column.
    Wrong(Malformed),
}

impl Size {
    pub(super) fn of_column(column: &Column) -> Size {
        let meta = u32::from(column.meta);
        let fraction = meta.div_ceil(2);
        let old = |sizes: [u8; 7]| match sizes.get(usize::from(column.meta)) {
            Some(size) => Size::Fixed((*size).into()),
            None => Size::Wrong(Malformed("a time has too many fractional digits")),
        };
        match column.kind {
            ty::TIME => old(old_time::TIME_BYTES),
            ty::DATETIME => old(old_time::DATETIME_BYTES),
            ty::TIMESTAMP => old(old_time::TIMESTAMP_BYTES),
            ty::NULL => Size::Fixed(0),
            ty::TINY | ty::YEAR => Size::Fixed(1),
            ty::SHORT => Size::Fixed(2),
            ty::INT24 | ty::DATE | ty::NEWDATE => Size::Fixed(3),
            ty::LONG | ty::FLOAT => Size::Fixed(4),
            ty::LONGLONG | ty::DOUBLE => Size::Fixed(8),
            ty::TIMESTAMP2 | ty::TIME2 | ty::DATETIME2 if meta > 6 => {
                Size::Wrong(Malformed("a time has too many fractional digits"))
            }
            ty::TIMESTAMP2 => Size::Fixed(4 + fraction),
            ty::TIME2 => Size::Fixed(3 + fraction),
            ty::DATETIME2 => Size::Fixed(5 + fraction),
            ty::NEWDECIMAL => match DecimalLayout::new((column.meta >> 8) as u8, column.meta as u8) {
                Some(layout) => Size::Fixed(layout.length() as u32),
                None => Size::Wrong(Malformed("a decimal's precision is out of range")),
            },
            ty::VARCHAR | ty::VAR_STRING | ty::STRING | ty::VARCHAR_COMPRESSED => {
                Size::Counted(if meta > 255 { 2 } else { 1 })
            }
            ty::TINY_BLOB..=ty::BLOB | ty::GEOMETRY | ty::VECTOR | ty::BLOB_COMPRESSED | ty::JSON => match meta {
                1..=4 => Size::Counted(meta),
                _ => Size::Wrong(Malformed("a blob's length has a wrong size")),
            },
            ty::ENUM if matches!(meta, 1 | 2) => Size::Fixed(meta),
            ty::SET if (1..=8).contains(&meta) => Size::Fixed(meta),
            ty::BIT if (1..=64).contains(&meta) => Size::Fixed(meta.div_ceil(8)),
            _ => Size::Wrong(Malformed("a column has a type this reader does not know")),
        }
    }

    /// Length of the value that begins at byte `at`, its own length included.
    #[inline(always)]
    pub(super) fn of(self, bytes: &[u8], at: usize) -> Parsed<usize> {
        Ok(match self {
            Size::Fixed(n) => n as usize,
            Size::Counted(1) => 1 + usize::from(*bytes.get(at).ok_or(SHORT)?),
            Size::Counted(n) => {
                let length = bytes.get(at..at + n as usize).ok_or(SHORT)?;
                n as usize + length.iter().rev().fold(0, |n, byte| n << 8 | usize::from(*byte))
            }
            Size::Wrong(why) => return Err(why),
        })
    }
}

/// How a value becomes text.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Print {
    /// Little-endian integers, by how far they are shifted to fill 64 bits.
    Signed(u8),
    Unsigned(u8),
    /// A little-endian number of up to 8 bytes: ENUM, SET.
    Little,
    /// Big-endian: BIT.
    Big,
    Float,
    Double,
    Decimal(DecimalLayout),
    /// Text and bytes: so many bytes of length stand before them.
    Utf8(u8),
    Charset(u8, Charset),
    /// Hexadecimal, with zeros up to this length.
    Binary(u8, usize),
    Year,
    Date,
    Time(u8),
    DateTime(u8),
    Timestamp(u8),
    /// By way of the value.
    Value,
}

/// A charset that is not UTF-8.
#[derive(Clone, PartialEq, Debug)]
pub(super) struct Charset {
    /// `_name `
    introducer: String,
    /// Bytes below 128 are ASCII.
    ascii_inside: bool,
    tail: &'static str,
}

/// The frequent kinds of small values: what of a [`Print`] a loop over columns needs, in two bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Short {
    /// By how far it is shifted to fill 64 bits.
    Integer { signed: bool, shift: u8 },
    /// UTF-8 with one byte of length.
    Text,
    /// None of them.
    Other,
}

/// Where an integer stands in a row, and how it is read.
#[derive(Clone, Copy, Debug)]
pub(super) struct IntegerAt {
    offset: u32,
    shift: u8,
    signed: bool,
}

impl IntegerAt {
    /// None for the last ones of an event, behind which there are no eight bytes.
    #[inline(always)]
    pub(super) fn read(self, row: &[u8]) -> Option<Integer> {
        let word = row.get(self.offset as usize..).and_then(|rest| rest.first_chunk())?;
        let (minus, magnitude) = magnitude(u64::from_le_bytes(*word), self.signed, self.shift);
        Some(Integer { minus, magnitude, short: self.shift >= 48 })
    }
}

/// Sign and magnitude of the integer in the lowest bits of a word, of which `shift` bits are not its own.
#[inline(always)]
fn magnitude(word: u64, signed: bool, shift: u8) -> (bool, u64) {
    let bits = word << (shift & 63);
    let minus = signed && (bits as i64) < 0;
    // Of a negative number the bits of its magnitude, in the same place; the smallest is its own.
    let magnitude = if minus { bits.wrapping_neg() } else { bits };
    (minus, magnitude >> (shift & 63))
}

impl Short {
    pub(super) fn of(print: &Print) -> Short {
        match print {
            Print::Signed(shift) => Short::Integer { signed: true, shift: *shift },
            Print::Unsigned(shift) => Short::Integer { signed: false, shift: *shift },
            Print::Utf8(1) => Short::Text,
            _ => Short::Other,
        }
    }

    /// An integer's place in a row of which all columns before have fixed lengths.
    pub(super) fn at(&self, offset: u32) -> Option<IntegerAt> {
        match *self {
            Short::Integer { signed, shift } => Some(IntegerAt { offset, signed, shift }),
            _ => None,
        }
    }

    /// Writes the value behind a separator; `more` begins with its `length` stored bytes. False when nothing was written, as
    /// it needs [`Print::write`].
    #[inline(always)]
    pub(super) fn write(self, separator: u8, more: &[u8], length: usize, pen: &mut Pen<'_>) -> bool {
        match self {
            Short::Integer { signed, shift } => {
                let (minus, magnitude) = magnitude(word(more), signed, shift);
                pen.integer_after(separator, minus, magnitude);
                true
            }
            Short::Text if length <= 17 => {
                let Some(chunk) = more.get(1..).and_then(|text| text.first_chunk::<16>()) else { return false };
                pen.utf8_short(separator, chunk, length - 1)
            }
            _ => false,
        }
    }
}

impl Print {
    pub(super) fn of_column(column: &Column, encoding: &Encoding) -> Print {
        let fsp = column.meta.min(6) as u8;
        let charset = |bytes, name: &str, ascii_inside, tail| {
            Print::Charset(bytes, Charset { introducer: format!("_{name} "), ascii_inside, tail })
        };
        let counted = |bytes: u8| match encoding {
            Encoding::Text => Print::Utf8(bytes),
            Encoding::Ascii => charset(bytes, "ascii", true, NO_ASCII),
            Encoding::Charset(name) => charset(bytes, name, true, ""),
            Encoding::Wide(name) => charset(bytes, name, false, ""),
            Encoding::TextOf(_) | Encoding::Decoded(_) | Encoding::Vector => Print::Value,
            Encoding::Padded(length) => Print::Binary(bytes, *length),
            _ => Print::Binary(bytes, 0),
        };
        match column.kind {
            ty::TINY | ty::SHORT | ty::INT24 | ty::LONG | ty::LONGLONG => Print::integer(column, encoding),
            ty::FLOAT => Print::Float,
            ty::DOUBLE => Print::Double,
            ty::NEWDECIMAL => {
                DecimalLayout::new((column.meta >> 8) as u8, column.meta as u8).map_or(Print::Value, Print::Decimal)
            }
            ty::VARCHAR | ty::VAR_STRING | ty::STRING => counted(if column.meta > 255 { 2 } else { 1 }),
            ty::TINY_BLOB..=ty::BLOB | ty::GEOMETRY | ty::VECTOR => counted(column.meta.min(4) as u8),
            ty::ENUM if !matches!(encoding, Encoding::EnumNames(_)) => Print::Little,
            ty::SET if !matches!(encoding, Encoding::SetNames(_)) => Print::Little,
            ty::BIT => Print::Big,
            ty::YEAR => Print::Year,
            ty::DATE | ty::NEWDATE => Print::Date,
            ty::TIME2 => Print::Time(fsp),
            ty::DATETIME2 => Print::DateTime(fsp),
            ty::TIMESTAMP2 => Print::Timestamp(fsp),
            _ => Print::Value,
        }
    }

    /// The sign that the source writes wins over the structure's, as in [`crate::mysql::value::Value::unsigned`].
    fn integer(column: &Column, encoding: &Encoding) -> Print {
        let unsigned = match (column.unsigned, encoding) {
            (Some(true), _) => true,
            (_, Encoding::Unsigned(bits)) if column.integer_bits() == Some(*bits) => true,
            // The structure is of another width than the rows.
            (_, Encoding::Unsigned(_)) => return Print::Value,
            _ => false,
        };
        let shift = 64 - column.integer_bits().unwrap_or(64);
        if unsigned { Print::Unsigned(shift) } else { Print::Signed(shift) }
    }

    /// Appends the literal of the value `stored`; `more` begins with it and goes on behind it. None: it takes the way by
    /// the value.
    #[inline]
    pub(super) fn write(&self, stored: &[u8], more: &[u8], out: &mut SqlText) -> Option<Parsed<()>> {
        match self {
            Print::Signed(shift) => out.i64(signed(more, *shift)),
            Print::Unsigned(shift) => out.u64(unsigned(more, *shift)),
            Print::Utf8(head) => {
                let head = usize::from(*head);
                out.utf8(stored.get(head..).unwrap_or_default(), more.get(head..).unwrap_or_default());
            }
            Print::Value => return None,
            other => return Some(other.write_rare(stored, out)),
        }
        Some(Ok(()))
    }

    fn write_rare(&self, stored: &[u8], out: &mut SqlText) -> Parsed<()> {
        let behind = |head: &u8| stored.get(usize::from(*head)..).unwrap_or_default();
        match self {
            Print::Little => out.u64(little(stored)),
            Print::Big => out.u64(big(stored)),
            Print::Float => out.double(f32::from_le_bytes(first(stored)).into()),
            Print::Double => out.double(f64::from_le_bytes(first(stored))),
            Print::Decimal(layout) => out.decimal(layout, stored)?,
            Print::Charset(head, charset) => {
                out.other_charset(behind(head), &charset.introducer, charset.ascii_inside, charset.tail);
            }
            Print::Binary(head, length) => out.binary(behind(head), *length),
            Print::Year => out.u32(match little(stored) as u32 {
                0 => 0,
                n => 1900 + n,
            }),
            Print::Date => {
                let packed = little(stored) as u32;
                out.date(packed >> 9, packed >> 5 & 15, packed & 31);
            }
            Print::Time(fsp) => time(stored, *fsp, out)?,
            Print::DateTime(fsp) => {
                let (head, fraction) = stored.split_at_checked(5).ok_or(SHORT)?;
                let packed = big(head) & 0x7f_ffff_ffff;
                let year_month = (packed >> 22) as u32;
                let low = packed as u32;
                let date = [year_month / 13, year_month % 13, low >> 17 & 31];
                out.datetime(date, [low >> 12 & 31, low >> 6 & 63, low & 63], micros(fraction)?, *fsp);
            }
            Print::Timestamp(fsp) => {
                let (head, fraction) = stored.split_at_checked(4).ok_or(SHORT)?;
                out.timestamp(big(head) as u32, micros(fraction)?, *fsp);
            }
            // Written by the caller, see `write`.
            _ => {}
        }
        Ok(())
    }
}

/// Sign first, so that it sorts; the fraction of negative values counts upwards.
fn time(stored: &[u8], fsp: u8, out: &mut SqlText) -> Parsed<()> {
    let fraction_bits = 8 * stored.len().saturating_sub(3) as u32;
    let value = big(stored) as i64 - (1i64 << (23 + fraction_bits));
    let magnitude = value.unsigned_abs();
    let (whole, part) = ((magnitude >> fraction_bits) as u32, magnitude & ((1u64 << fraction_bits) - 1));
    let micros = part as u32 * scale(fraction_bits as usize / 8);
    if micros >= 1_000_000 {
        return Err(Malformed("a time's fraction is too large"));
    }
    out.time(value < 0, [whole >> 12 & 0x3ff, whole >> 6 & 63, whole & 63], micros, fsp);
    Ok(())
}

/// Microseconds of the last unit of a fraction of so many bytes.
fn scale(bytes: usize) -> u32 {
    [0, 10_000, 100, 1].get(bytes).copied().unwrap_or(0)
}

fn micros(fraction: &[u8]) -> Parsed<u32> {
    let micros = big(fraction) as u32 * scale(fraction.len());
    if micros < 1_000_000 { Ok(micros) } else { Err(Malformed("a time's fraction is too large")) }
}

/// Eight bytes from here on; the last values of an event have fewer behind them.
#[inline(always)]
fn word(more: &[u8]) -> u64 {
    more.first_chunk().map_or_else(|| little(more), |word| u64::from_le_bytes(*word))
}

/// The integer of which `shift` bits of a word are not.
#[inline(always)]
fn signed(more: &[u8], shift: u8) -> i64 {
    (word(more) << (shift & 63)) as i64 >> (shift & 63)
}

#[inline(always)]
fn unsigned(more: &[u8], shift: u8) -> u64 {
    word(more) << (shift & 63) >> (shift & 63)
}

/// The first bytes; the field was cut to this size.
#[inline(always)]
fn first<const N: usize>(stored: &[u8]) -> [u8; N] {
    stored.first_chunk().copied().unwrap_or([0; N])
}

#[inline(always)]
fn little(stored: &[u8]) -> u64 {
    stored.iter().rev().fold(0, |n, byte| n << 8 | u64::from(*byte))
}

fn big(stored: &[u8]) -> u64 {
    stored.iter().fold(0, |n, byte| n << 8 | u64::from(*byte))
}
