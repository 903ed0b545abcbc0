//! As what two values are compared (manual 14.3), decided once from their types.

use std::{borrow::Cow, cmp::Ordering};

use super::{
    collation::{Charset, Collation},
    convert,
    decimal::Dec,
    json,
    node::{Cx, Node, stored},
    number,
    release::MYSQL_80,
    temporal,
    typed::{Kind, Type, Val, strength},
};

/// How two values are compared.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Comparison {
    Integer,
    Real,
    /// MariaDB keeps all digits of a division, but compares with those that it shows.
    Decimal,
    /// With all digits, as BETWEEN does on both.
    AllDigits,
    Text(Collation),
    DateTime,
    Time,
    Json,
}

impl Comparison {
    /// The order of two values; None when one is NULL or can't be taken as what they are compared as.
    pub fn order(&self, (a, a_type): (Val<'_>, &Type), (b, b_type): (Val<'_>, &Type), cx: &Cx<'_>) -> Option<Ordering> {
        if a.is_null() || b.is_null() {
            return None;
        }
        match self {
            Comparison::Integer => Some(convert::integer(&a)?.cmp(&convert::integer(&b)?)),
            Comparison::Real => convert::real(&a)?.partial_cmp(&convert::real(&b)?),
            Comparison::Decimal if cx.mariadb => Some(shown(&a, a_type)?.compare(&shown(&b, b_type)?)),
            Comparison::Decimal | Comparison::AllDigits => Some(convert::decimal(&a)?.compare(&convert::decimal(&b)?)),
            Comparison::Text(collation) => {
                let (a, b) = (as_text(a, a_type, collation)?, as_text(b, b_type, collation)?);
                Some(collation.compare(&a, &b))
            }
            Comparison::DateTime => {
                // A text that is no date counts as the zero date.
                let moment = |value: &Val<'_>| convert::datetime(value, cx).unwrap_or_default();
                Some(temporal::rank(&moment(&a)).cmp(&temporal::rank(&moment(&b))))
            }
            Comparison::Time => {
                let (a, b) = (convert::time(&a).unwrap_or_default(), convert::time(&b).unwrap_or_default());
                Some(temporal::time_micros(&a).cmp(&temporal::time_micros(&b)))
            }
            Comparison::Json => Some(json::compare(&*json::of(a, a_type)?, &*json::of(b, b_type)?)),
        }
    }
}

/// A decimal with the digits that its type shows.
fn shown(value: &Val<'_>, ty: &Type) -> Option<Dec> {
    let n = convert::decimal(value)?;
    Some(if ty.kind == Kind::Decimal && n.scale() > ty.scale { n.round(ty.scale) } else { n })
}

fn as_text<'a>(value: Val<'a>, ty: &Type, collation: &Collation) -> Option<Cow<'a, [u8]>> {
    let text = convert::text(value, ty)?;
    // Compared as bytes, a text is what its own character set stores.
    if collation.is_binary() && !ty.collation.is_binary() {
        return Some(stored(text, ty.collation));
    }
    // Bytes beside a text are taken as stored in the text's character set.
    let bytes = !collation.is_binary() && ty.collation.is_binary();
    Some(if bytes { decoded(text, collation) } else { text })
}

/// Bytes as a text of a collation's character set.
pub fn decoded<'a>(bytes: Cow<'a, [u8]>, collation: &Collation) -> Cow<'a, [u8]> {
    // Where characters have several bytes, missing ones are zeros in front.
    let width = match collation.charset {
        Charset::Ucs2 | Charset::Utf16 | Charset::Utf16le => 2,
        Charset::Utf32 => 4,
        _ => 1,
    };
    if !bytes.len().is_multiple_of(width) {
        let mut padded = vec![0; width - bytes.len() % width];
        padded.extend_from_slice(&bytes);
        return Cow::Owned(collation.charset.decode(&padded).into_owned());
    }
    match collation.charset.decode(&bytes) {
        Cow::Borrowed(_) => bytes,
        Cow::Owned(text) => Cow::Owned(text),
    }
}

/// The collation under which texts of these types are compared or joined.
pub fn aggregate<'a>(types: impl IntoIterator<Item = &'a Type>) -> Result<(Collation, u8), String> {
    let mut found: Option<(Collation, u8)> = None;
    for ty in types {
        let next = (ty.collation, ty.strength);
        found = Some(match found {
            None => next,
            Some(have) => join(have, next)?,
        });
    }
    Ok(found.unwrap_or((Collation::CONNECTION, strength::LITERAL)))
}

fn join(a: (Collation, u8), b: (Collation, u8)) -> Result<(Collation, u8), String> {
    if a.0 == b.0 {
        return Ok((a.0, a.1.min(b.1)));
    }
    match a.1.cmp(&b.1) {
        Ordering::Less => return Ok(a),
        Ordering::Greater => return Ok(b),
        Ordering::Equal => {}
    }
    let joined = if a.1 == strength::EXPLICIT { None } else { a.0.join(b.0) };
    joined.map(|collation| (collation, a.1)).ok_or_else(|| {
        format!("the collations {} and {} don't go together; say which one holds with COLLATE", a.0.name(), b.0.name())
    })
}

/// Decides how two expressions are compared; a constant may be brought into the column's type.
pub fn comparison(a: &mut Node, b: &mut Node, cx: &Cx<'_>) -> Result<Comparison, String> {
    let (x, y) = (a.ty.kind, b.ty.kind);
    if x == Kind::Null || y == Kind::Null {
        return Ok(Comparison::Integer);
    }
    if cx.mysql_before(MYSQL_80) {
        check_old(a, b)?;
    }
    if x == Kind::Json || y == Kind::Json {
        let other_text = [&*a, &*b].iter().any(|node| {
            node.ty.kind.is_text()
                && !matches!(node.ty.collation.charset, Charset::Utf8mb4 | Charset::Utf8mb3 | Charset::Ascii)
        });
        return if x.is_temporal() || y.is_temporal() || other_text || x == Kind::Bit || y == Kind::Bit {
            Err("JSON can't be compared with this; take the value out with ->> first".into())
        } else {
            Ok(Comparison::Json)
        };
    }
    if x.is_temporal() || y.is_temporal() {
        return super::compare_time::comparison(a, b, cx);
    }
    if x == Kind::Year || y == Kind::Year {
        super::compare_time::year_constant(a, b)?;
    }
    let (x, y) = (a.ty.kind, b.ty.kind);
    if x.is_text() && y.is_text() {
        let (collation, _) = aggregate([&a.ty, &b.ty])?;
        check_literal(a, collation)?;
        check_literal(b, collation)?;
        return Ok(Comparison::Text(collation));
    }
    if cx.mariadb && (x == Kind::Hex || y == Kind::Hex) {
        return Err(HEX_ON_MARIADB.into());
    }
    if x.is_integer() && y.is_integer() || x.is_integer() && y == Kind::Hex || x == Kind::Hex && y.is_integer() {
        return Ok(Comparison::Integer);
    }
    if x.is_real() || y.is_real() || x.is_text() || y.is_text() {
        let exact = integer_constant(a, b) || integer_constant(b, a);
        return Ok(if exact { Comparison::Integer } else { Comparison::Real });
    }
    Ok(Comparison::Decimal)
}

/// What MySQL before 8.0 compares in ways of its own.
fn check_old(a: &Node, b: &Node) -> Result<(), String> {
    let wide = |node: &Node| {
        let charset = node.ty.collation.charset;
        let wide = matches!(charset, Charset::Ucs2 | Charset::Utf16 | Charset::Utf16le | Charset::Utf32);
        node.ty.kind.is_text() && wide
    };
    let pair = |one: fn(&Node) -> bool, other: &dyn Fn(&Node) -> bool| one(a) && other(b) || one(b) && other(a);
    if pair(|node| node.ty.kind == Kind::Json, &|node| node.ty.kind == Kind::Year) {
        return Err("JSON beside a YEAR column is not compared as on MySQL before 8.0; use `+ 0`".into());
    }
    if pair(|node| node.ty.kind.is_temporal() || node.ty.is_binary() && node.as_const().is_none(), &wide) {
        return Err(
            "a text in utf16 beside this is compared byte by byte before MySQL 8.0; use CONVERT(.. USING utf8mb4)"
                .into(),
        );
    }
    if pair(|node| node.ty.kind == Kind::Time, &|node| node.ty.kind.is_text() && node.as_const().is_none()) {
        return Err("a time beside a text that is no constant is refused before MySQL 8.0; use CAST(.. AS TIME)".into());
    }
    Ok(())
}

/// MariaDB takes `x'..'` as a text where MySQL takes it as a number, but not `0x..`.
pub const HEX_ON_MARIADB: &str =
    "a hexadecimal or bit literal beside a number means different things to servers; write a decimal number";

/// A literal must be writable in the character set of the column it is compared with; the server refuses else.
fn check_literal(node: &Node, collation: Collation) -> Result<(), String> {
    let Some(Val::Text(text)) = node.as_const() else { return Ok(()) };
    if node.ty.collation.is_binary() || collation.is_binary() {
        return Ok(());
    }
    let writable = std::str::from_utf8(text).is_ok_and(|text| collation.charset.can_write(text));
    if writable || node.ty.collation == collation {
        return Ok(());
    }
    Err(format!("a text has characters that the character set {} lacks", collation.charset.name()))
}

/// A text constant beside an integer column is that integer, if it is one.
fn integer_constant(column: &Node, constant: &Node) -> bool {
    column.is_column()
        && column.ty.kind == Kind::Int
        && match constant.as_const() {
            Some(Val::Text(text)) if constant.ty.kind == Kind::Text => {
                let (n, clean) = number::to_integer(text);
                let range = if column.ty.unsigned { 0..=u64::MAX.into() } else { i64::MIN.into()..=i64::MAX.into() };
                clean && range.contains(&n)
            }
            _ => false,
        }
}
