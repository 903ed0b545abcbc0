//! Arithmetic and bit operators (manual 14.6.1, 14.12).

use super::{
    ast::{Binary, Unary},
    compile::Built,
    convert,
    decimal::{Dec, MAX_SCALE},
    node::{Cx, Function, Node, Op},
    release::{MYSQL_57, MYSQL_80, MYSQL_97},
    typed::{Evaluated, Failure, Kind, Type, Val},
};

/// Digits that `/` adds behind the point (div_precision_increment).
const DIVISION_DIGITS: u8 = 4;

/// What a value is in arithmetic.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Numeric {
    Integer,
    Decimal,
    Real,
}

/// The class of a type in arithmetic.
pub fn numeric(ty: &Type) -> Numeric {
    match ty.kind {
        Kind::Null | Kind::Int | Kind::Year | Kind::Bit | Kind::Hex | Kind::Date => Numeric::Integer,
        Kind::Time | Kind::DateTime if ty.scale == 0 => Numeric::Integer,
        Kind::Time | Kind::DateTime | Kind::Decimal => Numeric::Decimal,
        Kind::Float | Kind::Double | Kind::Text | Kind::Enum | Kind::Set | Kind::Json => Numeric::Real,
    }
}

/// The digits behind the point in arithmetic.
pub fn scale_of(ty: &Type) -> u8 {
    match numeric(ty) {
        Numeric::Integer => 0,
        Numeric::Decimal => ty.scale.min(MAX_SCALE),
        Numeric::Real if ty.kind.is_real() => ty.scale,
        Numeric::Real => Type::FREE,
    }
}

fn overflow(what: &str) -> Failure {
    Failure(format!("{what} value is out of range"))
}

/// An integer in the range of its type; the server's error 1690 else.
pub fn ranged<'a>(n: i128, unsigned: bool) -> Evaluated<'a> {
    let out = if unsigned { u64::try_from(n).ok().map(Val::UInt) } else { i64::try_from(n).ok().map(Val::Int) };
    out.ok_or_else(|| overflow(if unsigned { "BIGINT UNSIGNED" } else { "BIGINT" }))
}

fn finite<'a>(n: f64) -> Evaluated<'a> {
    if n.is_finite() { Ok(Val::Real(n)) } else { Err(overflow("DOUBLE")) }
}

/// Builds a binary operator.
pub fn binary(operator: Binary, a: Node, b: Node) -> Built {
    use Binary::*;
    if matches!(operator, BitAnd | BitOr | BitXor | ShiftLeft | ShiftRight) {
        return bitwise(operator, a, b);
    }
    let class = numeric(&a.ty).max(numeric(&b.ty));
    let unsigned = a.ty.unsigned || b.ty.unsigned;
    let (x, y) = (scale_of(&a.ty), scale_of(&b.ty));
    let whole = a.ty.whole.max(b.ty.whole).saturating_add(1).min(65);
    // A decimal is unsigned when both sides are.
    let int = |whole: u8, unsigned: bool| Type { whole: whole.clamp(2, 20), ..Type::int(unsigned) };
    let both = if operator == Mod { a.ty.unsigned } else { a.ty.unsigned && b.ty.unsigned };
    let decimal = |scale: u8| Type { unsigned: both, ..Type::decimal(whole, scale.min(MAX_SCALE)) };
    let real = |scale: u8| Type { scale: scale.min(Type::FREE), ..Type::double() };
    let (function, ty): (Function, Type) = match (operator, class) {
        (Div, Numeric::Real) => (real_div, Type::double()),
        (Div, _) => (decimal_div, decimal(x.saturating_add(DIVISION_DIGITS))),
        (IntDiv, Numeric::Integer) => (int_div, int(a.ty.whole, unsigned)),
        (IntDiv, _) => (other_int_div, int(if a.ty.kind.is_real() { 20 } else { a.ty.whole }, unsigned)),
        (Add, Numeric::Integer) => (int_add, int(whole, unsigned)),
        (Sub, Numeric::Integer) => (int_sub, int(whole, unsigned)),
        (Mul, Numeric::Integer) => (int_mul, int(a.ty.whole.saturating_add(b.ty.whole), unsigned)),
        (Mod, Numeric::Integer) => (int_mod, int(whole - 1, a.ty.unsigned)),
        (Add, Numeric::Decimal) => (|_, args, cx| decimals(args, cx, |a, b| Some(a.add(b))), decimal(x.max(y))),
        (Sub, Numeric::Decimal) => (decimal_sub, decimal(x.max(y))),
        (Mul, Numeric::Decimal) => {
            (|_, args, cx| decimals(args, cx, |a, b| Some(a.mul(b))), decimal(x.saturating_add(y)))
        }
        (Mod, Numeric::Decimal) => (decimal_mod, decimal(x.max(y))),
        (Add, Numeric::Real) => (|_, args, cx| reals(args, cx, |a, b| Some(a + b)), real(x.max(y))),
        (Sub, Numeric::Real) => (|_, args, cx| reals(args, cx, |a, b| Some(a - b)), real(x.max(y))),
        (Mul, Numeric::Real) => (|_, args, cx| reals(args, cx, |a, b| Some(a * b)), real(x.saturating_add(y))),
        (Mod, Numeric::Real) => (|_, args, cx| reals(args, cx, |a, b| (b != 0.0).then(|| a % b)), Type::double()),
        _ => return Err("this operator is not arithmetic".into()),
    };
    Ok(Node { ty, op: Op::Call(function, vec![a, b]) })
}

/// Both sides; the second isn't looked at when the first is NULL.
fn pair<'a>(args: &'a [Node], cx: &Cx<'a>) -> Result<Option<(Val<'a>, Val<'a>)>, Failure> {
    let [a, b] = args else { return Ok(None) };
    let a = a.eval(cx)?;
    if a.is_null() {
        return Ok(None);
    }
    let b = b.eval(cx)?;
    Ok((!b.is_null()).then_some((a, b)))
}

/// The same, where servers look at the second side in any case: it may fail.
fn both<'a>(args: &'a [Node], cx: &Cx<'a>) -> Result<Option<(Val<'a>, Val<'a>)>, Failure> {
    let [a, b] = args else { return Ok(None) };
    let (a, b) = (a.eval(cx)?, b.eval(cx)?);
    Ok((!a.is_null() && !b.is_null()).then_some((a, b)))
}

fn integers<'a>(args: &'a [Node], cx: &Cx<'a>) -> Result<Option<(i128, i128)>, Failure> {
    Ok(both(args, cx)?.and_then(|(a, b)| Some((convert::integer(&a)?, convert::integer(&b)?))))
}

fn int_add<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    integers(args, cx)?.map_or(Ok(Val::Null), |(a, b)| ranged(a + b, node.ty.unsigned))
}

fn int_sub<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some((a, b)) = integers(args, cx)? else { return Ok(Val::Null) };
    // Old servers and MariaDB overlook this overflow.
    if (a, b, node.ty.unsigned) == (0, i64::MIN.into(), false) && (cx.mariadb || cx.mysql_before(MYSQL_80)) {
        return Ok(Val::Int(i64::MIN));
    }
    ranged(a - b, node.ty.unsigned)
}

fn int_mul<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    integers(args, cx)?.map_or(Ok(Val::Null), |(a, b)| ranged(a.saturating_mul(b), node.ty.unsigned))
}

fn int_mod<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    match integers(args, cx)? {
        Some((a, b)) if b != 0 => ranged(a % b, node.ty.unsigned),
        _ => Ok(Val::Null),
    }
}

fn int_div<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    match integers(args, cx)? {
        // MySQL misses that the least integer is in the range.
        Some((a, b)) if b != 0 && a / b == i64::MIN.into() && !cx.mariadb => Err(overflow("BIGINT")),
        Some((a, b)) if b != 0 => ranged(a / b, node.ty.unsigned),
        _ => Ok(Val::Null),
    }
}

fn other_int_div<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some((a, b)) = pair(args, cx)? else { return Ok(Val::Null) };
    let (Some(a), Some(b)) = (convert::decimal(&a), convert::decimal(&b)) else { return Ok(Val::Null) };
    match a.div(&b, 0) {
        None => Ok(Val::Null),
        Some(quotient) => ranged(quotient.to_integer().unwrap_or(i128::MAX), node.ty.unsigned),
    }
}

fn real_div<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    reals(args, cx, |a, b| (b != 0.0).then(|| a / b))
}

/// MySQL 9.7 rounds to the digits that it shows. Older ones and MariaDB keep more: they divide in groups of nine digits,
/// and what works on the quotient sees them all.
fn decimal_div<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let quotient = decimals(args, cx, |a, b| {
        let full = |digits: u8| u32::from(digits).div_ceil(9) * 9;
        let (x, y) = (full(a.scale()), full(b.scale()));
        let spare = x - u32::from(a.scale()) + y - u32::from(b.scale());
        let more = u32::from(DIVISION_DIGITS).saturating_sub(spare);
        let scale = (x + y + more).div_ceil(9) * 9;
        a.div(b, scale.min(90) as u8)
    })?;
    Ok(match quotient {
        Val::Dec(n) if !cx.mariadb && cx.version >= MYSQL_97 && n.scale() > node.ty.scale => {
            Val::Dec(n.round(node.ty.scale))
        }
        other => other,
    })
}

fn decimal_sub<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    match decimals(args, cx, |a, b| Some(a.sub(b)))? {
        Val::Dec(n) if node.ty.unsigned && n.is_negative() && !cx.mariadb && cx.version >= MYSQL_80 => {
            Err(overflow("DECIMAL UNSIGNED"))
        }
        value => Ok(value),
    }
}

fn decimal_mod<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    decimals(args, cx, if cx.mariadb || cx.mysql_before(MYSQL_57) { Dec::rem_signed } else { Dec::rem })
}

fn decimals<'a>(args: &'a [Node], cx: &Cx<'a>, operation: fn(&Dec, &Dec) -> Option<Dec>) -> Evaluated<'a> {
    let Some((a, b)) = pair(args, cx)? else { return Ok(Val::Null) };
    let (Some(a), Some(b)) = (convert::decimal(&a), convert::decimal(&b)) else { return Ok(Val::Null) };
    Ok(operation(&a, &b).map_or(Val::Null, Val::Dec))
}

fn reals<'a>(args: &'a [Node], cx: &Cx<'a>, operation: fn(f64, f64) -> Option<f64>) -> Evaluated<'a> {
    let Some((a, b)) = both(args, cx)? else { return Ok(Val::Null) };
    let (Some(a), Some(b)) = (convert::real(&a), convert::real(&b)) else { return Ok(Val::Null) };
    operation(a, b).map_or(Ok(Val::Null), finite)
}

fn bitwise(operator: Binary, a: Node, b: Node) -> Built {
    let shift = matches!(operator, Binary::ShiftLeft | Binary::ShiftRight);
    let binary = |node: &Node| node.ty.kind == Kind::Text && node.ty.is_binary();
    if binary(&a) && (shift || binary(&b)) {
        return Err("bit operators over binary strings are not supported".into());
    }
    let function: Function = match operator {
        Binary::BitAnd => |_, args, cx| bit_pair(args, cx, |a, b| a & b),
        Binary::BitOr => |_, args, cx| bit_pair(args, cx, |a, b| a | b),
        Binary::BitXor => |_, args, cx| bit_pair(args, cx, |a, b| a ^ b),
        Binary::ShiftLeft => |_, args, cx| bit_pair(args, cx, |a, b| if b < 64 { a << b } else { 0 }),
        _ => |_, args, cx| bit_pair(args, cx, |a, b| if b < 64 { a >> b } else { 0 }),
    };
    Ok(Node { ty: Type::int(true), op: Op::Call(function, vec![a, b]) })
}

fn bit_pair<'a>(args: &'a [Node], cx: &Cx<'a>, operation: fn(u64, u64) -> u64) -> Evaluated<'a> {
    let Some((a, b)) = pair(args, cx)? else { return Ok(Val::Null) };
    for (value, arg) in [&a, &b].into_iter().zip(args) {
        check_computed(value, arg, cx)?;
    }
    let bits = |value: &Val<'_>, arg: Option<&Node>| match (value, arg) {
        // Old servers take it as the least one.
        (value, Some(arg)) if is_large_computed(value, arg, cx) => Some(1 << 63),
        (value, _) => convert::bits(value, cx),
    };
    let (Some(a), Some(b)) = (bits(&a, args.first()), bits(&b, args.get(1))) else { return Ok(Val::Null) };
    Ok(Val::UInt(operation(a, b)))
}

fn is_computed(node: &Node) -> bool {
    match &node.op {
        Op::Call(..) => true,
        Op::Case { branches, otherwise, .. } => {
            branches.iter().map(|branch| &branch.then).chain(otherwise.as_deref()).any(is_computed)
        }
        _ => false,
    }
}

/// MySQL takes a stored double that is too large as the nearest integer, but not a computed one.
pub fn is_large_computed(value: &Val<'_>, arg: &Node, cx: &Cx<'_>) -> bool {
    matches!(value, Val::Real(n) if *n >= -(i64::MIN as f64) || *n < i64::MIN as f64) && !cx.mariadb && is_computed(arg)
}

/// The error of MySQL from 8.0 on for a computed double that is no integer.
pub fn check_computed(value: &Val<'_>, arg: &Node, cx: &Cx<'_>) -> Result<(), Failure> {
    let fails = is_large_computed(value, arg, cx) && cx.version >= MYSQL_80;
    if fails { Err(overflow("BIGINT")) } else { Ok(()) }
}

/// Builds `-`, `+` and `~`.
pub fn unary(operator: Unary, value: Node) -> Built {
    let (function, ty): (Function, Type) = match operator {
        Unary::BitNot => {
            if value.ty.kind == Kind::Text && value.ty.is_binary() {
                return Err("bit operators over binary strings are not supported".into());
            }
            (bit_not, Type::int(true))
        }
        Unary::Minus => match numeric(&value.ty) {
            Numeric::Integer => (int_neg, Type::int(false)),
            Numeric::Decimal => (decimal_neg, Type::decimal(value.ty.whole, scale_of(&value.ty))),
            Numeric::Real => (
                real_neg,
                Type { scale: if value.ty.kind.is_real() { value.ty.scale } else { Type::FREE }, ..Type::double() },
            ),
        },
        _ => return Ok(value),
    };
    Ok(Node { ty, op: Op::Call(function, vec![value]) })
}

fn only<'a>(args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    args.first().map_or(Ok(Val::Null), |arg| arg.eval(cx))
}

fn bit_not<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(convert::bits(&only(args, cx)?, cx).map_or(Val::Null, |bits| Val::UInt(!bits)))
}

fn int_neg<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    convert::integer(&only(args, cx)?).map_or(Ok(Val::Null), |n| ranged(-n, false))
}

fn decimal_neg<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(convert::decimal(&only(args, cx)?).map_or(Val::Null, |n| Val::Dec(n.neg())))
}

fn real_neg<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(convert::real(&only(args, cx)?).map_or(Val::Null, |n| Val::Real(-n)))
}
