//! NOT, XOR, IF and its like, and the type that several values have together (manual 14.5).

use std::borrow::Cow;

use super::{Args, text_arg, value_arg};
use crate::rules::expression::{
    ast::CastType,
    compare::aggregate,
    compile::{Built, Compiler, boolean},
    convert,
    node::{Cx, Function, Node, Op, Test, borrow},
    release::{MYSQL_80, MYSQL_97},
    typed::{Evaluated, Kind, Type, Val},
};
use crate::schema::ServerInfo;

pub fn build<'n>(compiler: &Compiler<'_>, args: Args<'n>) -> super::Topic<'n> {
    Ok(match args.name {
        "if" => if_call(args),
        "ifnull" | "nvl" => choice(args, 2, 2),
        "coalesce" => choice(args, 1, usize::MAX),
        "nullif" => null_if(compiler, args),
        "isnull" => args.call(1, 1, boolean(), |_, args, cx| Ok(Val::Int(value_arg(args, 0, cx)?.is_null().into()))),
        "interval" => interval(args),
        _ => return Err(args),
    })
}

pub fn not(value: Node) -> Node {
    Node {
        ty: boolean(),
        op: Op::Call(
            |_, args, cx| Ok(Val::truth(convert::truth(&value_arg(args, 0, cx)?, cx).map(|truth| !truth))),
            vec![value],
        ),
    }
}

pub fn xor(a: Node, b: Node) -> Node {
    Node { ty: boolean(), op: Op::Call(eval_xor, vec![a, b]) }
}

fn eval_xor<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    // The second side isn't looked at when the first is NULL.
    let Some(a) = convert::truth(&value_arg(args, 0, cx)?, cx) else { return Ok(Val::Null) };
    let b = convert::truth(&value_arg(args, 1, cx)?, cx);
    Ok(Val::truth(b.map(|b| a != b)))
}

/// The type of a value that is one of several (manual 14.5, under CASE).
pub fn merge<'t>(server: ServerInfo, types: impl Iterator<Item = &'t Type>) -> Result<Type, String> {
    let types: Vec<&Type> = types.filter(|ty| ty.kind != Kind::Null).collect();
    let Some((first, rest)) = types.split_first() else { return Ok(Type::null()) };
    if types.iter().any(|ty| ty.kind == Kind::Bit) && types.iter().any(|ty| ty.kind != Kind::Bit) {
        return Err("a BIT column beside values of other types: use `+ 0` to take it as a number".into());
    }
    if types.iter().all(|ty| matches!(ty.kind, Kind::Int | Kind::Year)) && types.iter().any(|ty| ty.kind == Kind::Int) {
        return Ok(integers(server, &types));
    }
    let mut out = Type { own_digits: false, ..**first };
    for ty in rest {
        out = two(&out, ty);
    }
    if out.kind == Kind::Decimal {
        // MySQL 9.7 makes a signed decimal of unsigned ones.
        let keeps = server.is_mariadb() || server.version < MYSQL_97;
        out.unsigned = keeps && types.iter().all(|ty| ty.unsigned);
    }
    if out.kind.is_text() {
        let (collation, strength) = aggregate(types.iter().copied())?;
        let kind = if matches!(out.kind, Kind::Enum | Kind::Set) && types.len() > 1 { Kind::Text } else { out.kind };
        return Ok(Type { kind, ..Type::text(collation, strength) });
    }
    Ok(out)
}

/// Integers of different signs are a decimal on MariaDB and old MySQL. MySQL 8.0 takes the next wider type if an unsigned
/// one is as wide as any; none is wider than BIGINT, so it is DECIMAL then.
fn integers(server: ServerInfo, types: &[&Type]) -> Type {
    let bytes = types.iter().map(|ty| ty.bytes).max().unwrap_or(8);
    let unsigned = types.iter().all(|ty| ty.unsigned);
    let mixed = !unsigned && types.iter().any(|ty| ty.unsigned);
    if mixed && (server.is_mariadb() || server.version < MYSQL_80) {
        return Type::decimal(20, 0);
    }
    let mixed = mixed && types.iter().any(|ty| ty.unsigned && ty.kind == Kind::Int && ty.bytes == bytes);
    let wider = match bytes {
        8 if mixed => return Type::decimal(20, 0),
        4 if mixed => 8,
        1..=3 if mixed => bytes + 1,
        _ => bytes,
    };
    Type { bytes: wider, ..Type::int(unsigned) }
}

fn two(a: &Type, b: &Type) -> Type {
    use Kind::*;
    let (x, y) = (a.kind, b.kind);
    let (whole, scale) = (a.whole.max(b.whole), a.scale.max(b.scale));
    if x == y {
        return match x {
            Enum | Set | Hex => Type { kind: Text, ..*a },
            _ => Type { whole, scale, unsigned: a.unsigned && b.unsigned, ..*a },
        };
    }
    let number = |kind: Kind| kind.is_integer() || kind.is_real() || kind == Decimal;
    if number(x) && number(y) {
        if x.is_real() || y.is_real() {
            // A common number of digits only if both have one.
            return Type { scale, ..Type::double() };
        }
        if x == Decimal || y == Decimal {
            return Type::decimal(whole.min(65), scale);
        }
        return Type { whole, ..Type::int(a.unsigned && b.unsigned) };
    }
    if x.has_date() && y.has_date() {
        return Type::temporal(DateTime, scale);
    }
    if x.is_temporal() && y.is_temporal() {
        return Type::temporal(DateTime, scale);
    }
    Type { kind: Text, ..*a }
}

/// Brings a branch into the common type, so that what works on the whole sees one kind of value.
pub fn coerce_branch(node: &mut Node, ty: &Type, server: ServerInfo) {
    // MySQL asks the chosen branch for what is wanted: a decimal of it doesn't go by way of the whole's double.
    let number = |kind: Kind| kind.is_integer() || kind.is_real() || kind == Kind::Decimal;
    let named = ty.kind == Kind::Text && matches!(node.ty.kind, Kind::Enum | Kind::Set);
    let year = node.ty.kind == Kind::Year && matches!(ty.kind, Kind::Int | Kind::Decimal);
    if (named || year) && !server.is_mariadb() {
        return;
    }
    if server.is_mariadb() || ty.kind == Kind::Int || !number(ty.kind) || !number(node.ty.kind) {
        coerce(node, ty);
    }
}

/// The same for functions that always give the common type.
pub fn coerce(node: &mut Node, ty: &Type) {
    if node.ty.kind == ty.kind && node.ty.scale == ty.scale && node.ty.unsigned == ty.unsigned
        || matches!(node.ty.kind, Kind::Null)
    {
        return;
    }
    if node.ty.kind == Kind::Year && matches!(ty.kind, Kind::Int | Kind::Decimal) {
        as_number(node);
        return;
    }
    if ty.kind == Kind::Text && matches!(node.ty.kind, Kind::Enum | Kind::Set) {
        as_text(node);
        return;
    }
    let target = match ty.kind {
        Kind::Decimal => Some(CastType::Decimal(65, ty.scale.min(30))),
        Kind::Double | Kind::Float => Some(CastType::Double),
        Kind::DateTime => Some(CastType::DateTime(ty.scale.min(6))),
        Kind::Text if !node.ty.kind.is_text() => Some(CastType::Char(None, None)),
        _ => None,
    };
    // A number as a decimal keeps the digits that it has, for divisions by it.
    if ty.kind == Kind::Decimal && node.ty.kind == Kind::Decimal {
        return;
    }
    if ty.kind == Kind::Decimal && node.ty.kind == Kind::Int {
        as_decimal(node);
        return;
    }
    let Some(target) = target else { return };
    let given = std::mem::replace(node, Node::constant(Type::null(), Val::Null));
    let strength = given.ty.strength;
    // A cast to these types always exists.
    if let Ok(cast) = super::cast::cast(given, &target) {
        *node = Node { ty: Type { strength, ..cast.ty }, op: cast.op };
        if ty.kind.is_real() {
            node.ty.scale = ty.scale;
        }
    }
}

/// The text of an ENUM or SET instead of its number.
fn as_text(node: &mut Node) {
    let given = std::mem::replace(node, Node::constant(Type::null(), Val::Null));
    let ty = Type { kind: Kind::Text, ..given.ty };
    let function: Function = |_, args, cx| Ok(text_arg(args, 0, cx)?.map_or(Val::Null, Val::Text));
    *node = Node { ty, op: Op::Call(function, vec![given]) };
}

/// The number of a year, which has no leading zeros.
fn as_number(node: &mut Node) {
    let given = std::mem::replace(node, Node::constant(Type::null(), Val::Null));
    let ty = Type { kind: Kind::Int, ..given.ty };
    let function: Function = |_, args, cx| {
        Ok(match value_arg(args, 0, cx)? {
            Val::Year(year) => Val::UInt(year.into()),
            value => value,
        })
    };
    *node = Node { ty, op: Op::Call(function, vec![given]) };
}

/// An integer as a decimal without a fraction.
fn as_decimal(node: &mut Node) {
    let given = std::mem::replace(node, Node::constant(Type::null(), Val::Null));
    let ty = Type { unsigned: given.ty.unsigned, ..Type::decimal(given.ty.whole, 0) };
    let function: Function = |_, args, cx| Ok(convert::decimal(&value_arg(args, 0, cx)?).map_or(Val::Null, Val::Dec));
    *node = Node { ty, op: Op::Call(function, vec![given]) };
}

/// A condition of its own: AND needs no more than one part that isn't true.
fn top_level(node: &mut Node) {
    match &mut node.op {
        Op::And { parts, top } => {
            *top = true;
            parts.iter_mut().for_each(top_level);
        }
        Op::Or(parts) => parts.iter_mut().for_each(top_level),
        _ => {}
    }
}

fn if_call(mut args: Args<'_>) -> Built {
    let server = args.server;
    args.check(3, 3)?;
    let ty = merge(args.server, args.nodes.iter().skip(1).map(|node| &node.ty))?;
    args.nodes.iter_mut().take(1).for_each(top_level);
    args.nodes.iter_mut().skip(1).for_each(|node| coerce_branch(node, &ty, server));
    let ty = Type { own_digits: !server.is_mariadb(), ..ty };
    args.call(3, 3, ty, |_, args, cx| {
        let truth = convert::condition(&value_arg(args, 0, cx)?, cx) == Some(true);
        value_arg(args, if truth { 1 } else { 2 }, cx)
    })
}

fn choice(mut args: Args<'_>, least: usize, most: usize) -> Built {
    args.check(least, most)?;
    let ty = merge(args.server, args.nodes.iter().map(|node| &node.ty))?;
    args.nodes.iter_mut().for_each(|node| coerce(node, &ty));
    args.call(least, most, ty, |_, args, cx| {
        for arg in args {
            let value = arg.eval(cx)?;
            if !value.is_null() {
                return Ok(value);
            }
        }
        Ok(Val::Null)
    })
}

/// `NULLIF(a, b)`: the comparison needs both, the value only `a`, which is compiled once and evaluated once.
fn null_if(compiler: &Compiler<'_>, mut args: Args<'_>) -> Built {
    args.check(2, 2)?;
    let (Some(b), Some(a)) = (args.nodes.pop(), args.nodes.pop()) else {
        return Err("NULLIF needs two arguments".into());
    };
    let ty = match a.ty.kind {
        // A year is a number here, and a name a text on MariaDB.
        Kind::Year => Type { whole: 10, ..Type::int(true) },
        _ => a.ty,
    };
    let ty = if matches!(ty.kind, Kind::Enum | Kind::Set) { Type { kind: Kind::Text, ..ty } } else { ty };
    let compared = compiler.comparison(Test::Equal, a, b)?;
    Ok(Node {
        ty,
        op: Op::Call(
            |_, args, cx| {
                let Some(Node { op: Op::Compare { how, sides, .. }, .. }) = args.first() else { return Ok(Val::Null) };
                let value = sides.0.eval(cx)?;
                let order = how.order((borrow(&value), &sides.0.ty), (sides.1.eval(cx)?, &sides.1.ty), cx);
                Ok(match value {
                    _ if order.is_some_and(|order| order.is_eq()) => Val::Null,
                    Val::Year(year) => Val::UInt(year.into()),
                    Val::Enum(_, name) if cx.mariadb => Val::Text(Cow::Borrowed(name.as_bytes())),
                    Val::Set(_, names) if cx.mariadb => Val::owned(names),
                    value => value,
                })
            },
            vec![compared],
        ),
    })
}

/// `INTERVAL(n, a, b, ..)`: how many of the ascending numbers are at most `n`.
fn interval(args: Args<'_>) -> Built {
    args.call(2, usize::MAX, Type::int(false), |_, args, cx| {
        let Some((first, rest)) = args.split_first() else { return Ok(Val::Int(-1)) };
        let Some(n) = convert::decimal(&first.eval(cx)?) else { return Ok(Val::Int(-1)) };
        let mut count = 0;
        for limit in rest {
            match convert::decimal(&limit.eval(cx)?) {
                Some(limit) if limit.compare(&n).is_gt() => break,
                _ => count += 1,
            }
        }
        Ok(Val::Int(count))
    })
}
