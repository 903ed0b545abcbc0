//! Static types of expressions and the values they have at run time.

use std::borrow::Cow;

use super::{collation::Collation, decimal::Dec};
use crate::mysql::value::{Date, DateTime, Time};

/// What kind of value an expression has.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    Null,
    Int,
    Year,
    /// A BIT column: a number that is a binary string where text is wanted.
    Bit,
    Decimal,
    Float,
    Double,
    Text,
    /// A hexadecimal or bit literal: a binary string that is a number where one is wanted.
    Hex,
    Enum,
    Set,
    Date,
    Time,
    DateTime,
    Json,
}

impl Kind {
    /// DATE, DATETIME, TIMESTAMP.
    pub fn has_date(self) -> bool {
        matches!(self, Kind::Date | Kind::DateTime)
    }

    /// DATE, TIME, DATETIME, TIMESTAMP.
    pub fn is_temporal(self) -> bool {
        self.has_date() || self == Kind::Time
    }

    /// Texts, and what acts as one.
    pub fn is_text(self) -> bool {
        matches!(self, Kind::Text | Kind::Hex | Kind::Enum | Kind::Set)
    }

    /// Integers, and what acts as one.
    pub fn is_integer(self) -> bool {
        matches!(self, Kind::Int | Kind::Year | Kind::Bit)
    }

    /// FLOAT and DOUBLE.
    pub fn is_real(self) -> bool {
        matches!(self, Kind::Float | Kind::Double)
    }
}

/// How strongly an expression's collation holds (manual 12.8.4): the lower value wins.
pub mod strength {
    /// COLLATE in the expression.
    pub const EXPLICIT: u8 = 0;
    /// A column.
    pub const IMPLICIT: u8 = 2;
    /// A literal, or what comes from none but literals.
    pub const LITERAL: u8 = 4;
    /// Numbers, dates and times as text.
    pub const NUMERIC: u8 = 5;
    /// NULL.
    pub const IGNORABLE: u8 = 6;
}

/// The type of an expression.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Type {
    pub kind: Kind,
    pub unsigned: bool,
    /// Digits behind the point of decimals, fractional digits of times; [`Type::FREE`] for doubles and texts.
    pub scale: u8,
    /// Digits in front of the point, of integers and decimals.
    pub whole: u8,
    /// The bytes that an integer is stored in; 8 for all but columns.
    pub bytes: u8,
    /// A decimal's text has the digits of its value, not those of the type.
    pub own_digits: bool,
    pub collation: Collation,
    pub strength: u8,
}

impl Type {
    /// No fixed number of digits.
    pub const FREE: u8 = 31;

    fn of(kind: Kind, unsigned: bool, scale: u8, whole: u8) -> Type {
        Type {
            kind,
            unsigned,
            scale,
            whole,
            bytes: 8,
            own_digits: false,
            collation: Collation::CONNECTION,
            strength: strength::NUMERIC,
        }
    }

    pub fn int(unsigned: bool) -> Type {
        Type::of(Kind::Int, unsigned, 0, 20)
    }

    /// An integer that functions give which never has more than ten digits.
    pub fn small_int() -> Type {
        Type { whole: 8, ..Type::int(false) }
    }

    pub fn decimal(whole: u8, scale: u8) -> Type {
        Type::of(Kind::Decimal, false, scale, whole)
    }

    pub fn double() -> Type {
        Type::of(Kind::Double, false, Type::FREE, 0)
    }

    pub fn null() -> Type {
        Type { strength: strength::IGNORABLE, ..Type::of(Kind::Null, false, 0, 0) }
    }

    /// A temporal type with fractional digits.
    pub fn temporal(kind: Kind, scale: u8) -> Type {
        let whole = match kind {
            Kind::Date => 8,
            Kind::Time => 7,
            _ => 14,
        };
        Type::of(kind, false, scale, whole)
    }

    pub fn text(collation: Collation, strength: u8) -> Type {
        Type { collation, strength, ..Type::of(Kind::Text, false, Type::FREE, 0) }
    }

    pub fn json() -> Type {
        Type { kind: Kind::Json, ..Type::text(Collation::JSON, strength::IMPLICIT) }
    }

    /// A binary string, not a text.
    pub fn is_binary(&self) -> bool {
        self.kind.is_text() && self.collation.is_binary()
    }
}

/// A value at run time. Borrowed from the row or the expression where possible.
#[derive(Clone)]
pub enum Val<'a> {
    Null,
    Int(i64),
    UInt(u64),
    Real(f64),
    Float(f32),
    Dec(Dec),
    /// UTF-8 for texts (invalid bytes are kept), bytes for binary strings.
    Text(Cow<'a, [u8]>),
    /// Bytes that are a number where one is wanted.
    Hex(Cow<'a, [u8]>),
    Enum(u16, &'a str),
    Set(u64, String),
    Year(u16),
    Bit(u64, u8),
    Date(Date),
    Time(Time),
    DateTime(DateTime),
    Json(Cow<'a, serde_json::Value>),
}

impl<'a> Val<'a> {
    pub fn is_null(&self) -> bool {
        matches!(self, Val::Null)
    }

    /// A truth value: NULL when unknown.
    pub fn truth(value: Option<bool>) -> Val<'a> {
        value.map_or(Val::Null, |v| Val::Int(i64::from(v)))
    }

    /// A text that was made.
    pub fn owned(text: impl Into<Vec<u8>>) -> Val<'a> {
        Val::Text(Cow::Owned(text.into()))
    }
}

/// Why an expression has no value where the server's statement would fail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Failure(pub String);

/// A value, or the error that the server would give.
pub type Evaluated<'a> = Result<Val<'a>, Failure>;
