//! As what two values are compared (manual 14.3), decided once from their types.

use std::{borrow::Cow, cmp::Ordering};

use super::{
    collation::Collation,
    convert, json,
    node::{Cx, Node, stored},
    number, temporal,
    typed::{Kind, Type, Val, strength},
};

/// How two values are compared.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Comparison {
    Integer,
    Real,
    Decimal,
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
            Comparison::Decimal => Some(convert::decimal(&a)?.compare(&convert::decimal(&b)?)),
            Comparison::Text(collation) => {
                let (a, b) = (as_text(a, a_type, collation)?, as_text(b, b_type, collation)?);
                Some(collation.compare(&a, &b))
            }
            Comparison::DateTime => {
                let (a, b) = (convert::datetime(&a, cx)?, convert::datetime(&b, cx)?);
                Some(temporal::rank(&a).cmp(&temporal::rank(&b)))
            }
            Comparison::Time => {
                let (a, b) = (convert::time(&a)?, convert::time(&b)?);
                Some(temporal::time_micros(&a).cmp(&temporal::time_micros(&b)))
            }
            Comparison::Json => Some(json::compare(&*json::of(a, a_type)?, &*json::of(b, b_type)?)),
        }
    }
}

fn as_text<'a>(value: Val<'a>, ty: &Type, collation: &Collation) -> Option<Cow<'a, [u8]>> {
    let text = convert::text(value, ty)?;
    // Compared as bytes, a text is what its own character set stores.
    if collation.is_binary() && !ty.collation.is_binary() { Some(stored(text, ty.collation)) } else { Some(text) }
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
    if x == Kind::Json || y == Kind::Json {
        return if x.is_temporal() || y.is_temporal() || [x, y].iter().any(|k| matches!(k, Kind::Hex | Kind::Bit)) {
            Err("JSON can't be compared with this; take the value out with ->> first".into())
        } else {
            Ok(Comparison::Json)
        };
    }
    if x.is_temporal() || y.is_temporal() {
        return temporal_comparison(a, b, cx);
    }
    if (x == Kind::Year || y == Kind::Year) && year_constant(a, b) {
        return Ok(Comparison::Integer);
    }
    if x.is_text() && y.is_text() {
        let (collation, _) = aggregate([&a.ty, &b.ty])?;
        check_literal(a, collation)?;
        check_literal(b, collation)?;
        return Ok(Comparison::Text(collation));
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

/// A constant beside a YEAR column may have two digits.
fn year_constant(a: &mut Node, b: &mut Node) -> bool {
    let (column, constant) = if a.ty.kind == Kind::Year && a.is_column() { (a, b) } else { (b, a) };
    if column.ty.kind != Kind::Year || !column.is_column() {
        return false;
    }
    let (n, text) = match constant.as_const() {
        Some(Val::Int(n)) => (i128::from(*n), false),
        Some(Val::UInt(n)) => (i128::from(*n), false),
        Some(Val::Text(text)) => match number::to_integer(text) {
            (n, true) => (n, text.len() < 4),
            _ => return false,
        },
        _ => return constant.ty.kind.is_integer(),
    };
    let year = match n {
        0 if !text => 0,
        0..=69 => 2000 + n,
        70..=99 => 1900 + n,
        other => other,
    };
    *constant = Node::constant(Type::int(false), Val::Int(year as i64));
    true
}

fn temporal_comparison(a: &mut Node, b: &mut Node, cx: &Cx<'_>) -> Result<Comparison, String> {
    let (x, y) = (a.ty.kind, b.ty.kind);
    if x.is_temporal() && y.is_temporal() {
        return match (x == Kind::Time, y == Kind::Time) {
            (true, true) => Ok(Comparison::Time),
            (false, false) => Ok(Comparison::DateTime),
            _ => Err("a time of day can't be compared with a date; use TIME() or DATE()".into()),
        };
    }
    let (time, other) = if x.is_temporal() { (a, b) } else { (b, a) };
    if time.ty.kind == Kind::Time {
        return time_comparison(time, other);
    }
    if other.ty.kind.is_text() {
        if let Some(value) = other.as_const() {
            let at = convert::datetime(value, cx).ok_or("a text that is compared with a date is no date")?;
            *other = Node::constant(Type::temporal(Kind::DateTime, 6), Val::DateTime(at));
        }
        return Ok(Comparison::DateTime);
    }
    if time.is_column()
        && let Some(value) = other.as_const()
        && let Some(at) = convert::datetime(value, cx)
    {
        *other = Node::constant(Type::temporal(Kind::DateTime, 6), Val::DateTime(at));
        return Ok(Comparison::DateTime);
    }
    Ok(numeric(&time.ty, &other.ty))
}

fn time_comparison(time: &Node, other: &mut Node) -> Result<Comparison, String> {
    if other.ty.kind.is_text() {
        if let Some(value) = other.as_const() {
            let at = convert::time(value).ok_or("a text that is compared with a time is no time")?;
            *other = Node::constant(Type::temporal(Kind::Time, 6), Val::Time(at));
        }
        return Ok(Comparison::Time);
    }
    if time.is_column()
        && let Some(value) = other.as_const()
        && let Some(at) = convert::time(value)
    {
        *other = Node::constant(Type::temporal(Kind::Time, 6), Val::Time(at));
        return Ok(Comparison::Time);
    }
    Ok(numeric(&time.ty, &other.ty))
}

/// As numbers: exactly where both are.
fn numeric(a: &Type, b: &Type) -> Comparison {
    if a.kind.is_real() || b.kind.is_real() || a.kind.is_text() || b.kind.is_text() {
        Comparison::Real
    } else {
        Comparison::Decimal
    }
}
