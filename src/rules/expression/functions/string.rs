//! Functions of whole texts (manual 14.8).

use std::borrow::Cow;

use super::{Args, MAX_TEXT, Topic, int_arg, joined_arg, plain_text, text_arg, value_arg};
use crate::rules::expression::{
    collation::pieces,
    compare::{self, Comparison},
    convert,
    node::{Cx, Node, Op, Reader, borrow},
    release::MYSQL_80,
    typed::{Evaluated, Failure, Kind, Type, Val},
};

pub fn build(args: Args<'_>) -> Topic<'_> {
    let int = Type::small_int();
    let text = |args: Args<'_>, first, least, most, function| {
        args.text_type(first).and_then(|ty| args.call(least, most, ty, function))
    };
    Ok(match args.name {
        "concat" => text(args, usize::MAX, 1, usize::MAX, concat),
        "concat_ws" => text(args, usize::MAX, 2, usize::MAX, concat_ws),
        "length" | "octet_length" => args.call(1, 1, int, length),
        "bit_length" => args.call(1, 1, int, bit_length),
        "char_length" | "character_length" => args.call(1, 1, int, char_length),
        "lower" | "lcase" => text(args, 1, 1, 1, lower),
        "upper" | "ucase" => text(args, 1, 1, 1, upper),
        "reverse" => text(args, 1, 1, 1, reverse),
        "repeat" => text(args, 1, 2, 2, repeat),
        "replace" => text(args, 3, 3, 3, replace),
        "space" => args.call(1, 1, plain_text(), space),
        "hex" => args.call(1, 1, plain_text(), hex),
        "unhex" => {
            let ty = Type::text(crate::rules::expression::collation::Collation::BINARY, 4);
            args.call(1, 1, ty, unhex)
        }
        "ascii" => args.call(1, 1, int, ascii),
        "ord" => args.call(1, 1, int, ord),
        "char" => {
            let ty = Type::text(crate::rules::expression::collation::Collation::BINARY, 4);
            args.call(1, usize::MAX, ty, char_of)
        }
        "strcmp" => text_comparison(args, strcmp),
        "find_in_set" => text_comparison(args, find_in_set),
        "field" => field(args),
        "elt" => elt(args),
        "quote" => text(args, 1, 1, 1, quote),
        _ => return Err(args),
    })
}

fn concat<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let mut out = Vec::new();
    for at in 0..args.len() {
        let Some(part) = joined_arg(node, args, at, cx)? else { return Ok(Val::Null) };
        out.extend_from_slice(&part);
    }
    Ok(Val::owned(out))
}

fn concat_ws<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(separator) = joined_arg(node, args, 0, cx)? else { return Ok(Val::Null) };
    let mut out = Vec::new();
    let mut first = true;
    for at in 1..args.len() {
        if let Some(part) = joined_arg(node, args, at, cx)? {
            if !std::mem::take(&mut first) {
                out.extend_from_slice(&separator);
            }
            out.extend_from_slice(&part);
        }
    }
    Ok(Val::owned(out))
}

fn length<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let stored = args.first().map_or(Ok(None), |arg| arg.stored(cx))?;
    Ok(stored.map_or(Val::Null, |bytes| Val::Int(bytes.len() as i64)))
}

fn bit_length<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let stored = args.first().map_or(Ok(None), |arg| arg.stored(cx))?;
    Ok(stored.map_or(Val::Null, |bytes| Val::Int(bytes.len() as i64 * 8)))
}

fn char_length<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let bytes = args.first().is_some_and(|arg| super::is_bytes(&arg.ty));
    let text = text_arg(args, 0, cx)?;
    Ok(text.map_or(Val::Null, |text| Val::Int(if bytes { text.len() } else { pieces(&text).count() } as i64)))
}

/// One character for one, as the collations' tables have it; binary strings stay.
fn change_case<'a>(
    node: &'a Node,
    args: &'a [Node],
    cx: &Cx<'a>,
    ascii: fn(&mut [u8]),
    single: fn(char) -> char,
) -> Evaluated<'a> {
    let Some(text) = text_arg(args, 0, cx)? else { return Ok(Val::Null) };
    if node.ty.collation.is_binary() {
        return Ok(Val::Text(text));
    }
    let mut bytes = text.into_owned();
    if bytes.is_ascii() {
        ascii(&mut bytes);
        return Ok(Val::owned(bytes));
    }
    let mut out = Vec::with_capacity(bytes.len());
    for piece in pieces(&bytes) {
        match std::str::from_utf8(piece).ok().and_then(|s| s.chars().next()) {
            Some(c) => out.extend_from_slice(single(c).encode_utf8(&mut [0; 4]).as_bytes()),
            None => out.extend_from_slice(piece),
        }
    }
    Ok(Val::owned(out))
}

fn lower<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    change_case(node, args, cx, <[u8]>::make_ascii_lowercase, |c| only(c, c.to_lowercase()))
}

fn upper<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    change_case(node, args, cx, <[u8]>::make_ascii_uppercase, |c| only(c, c.to_uppercase()))
}

fn only(c: char, mut mapped: impl Iterator<Item = char>) -> char {
    match (mapped.next(), mapped.next()) {
        (Some(one), None) => one,
        _ => c,
    }
}

fn reverse<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(text) = text_arg(args, 0, cx)? else { return Ok(Val::Null) };
    if node.ty.collation.is_binary() {
        return Ok(Val::owned(text.iter().rev().copied().collect::<Vec<u8>>()));
    }
    let mut parts: Vec<&[u8]> = pieces(&text).collect();
    parts.reverse();
    Ok(Val::owned(parts.concat()))
}

fn repeat<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(text), Some(times)) = (text_arg(args, 0, cx)?, int_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    let times = usize::try_from(times).unwrap_or(0);
    // The server's answer to a text that is too long is NULL, too.
    if text.len().saturating_mul(times) > MAX_TEXT {
        return Ok(Val::Null);
    }
    Ok(Val::owned(text.repeat(times)))
}

fn space<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(count) = int_arg(args, 0, cx)? else { return Ok(Val::Null) };
    let count = usize::try_from(count).unwrap_or(0);
    Ok(if count > MAX_TEXT { Val::Null } else { Val::owned(vec![b' '; count]) })
}

/// Case counts, whatever the collation.
fn replace<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(text), Some(from), Some(to)) =
        (joined_arg(node, args, 0, cx)?, joined_arg(node, args, 1, cx)?, joined_arg(node, args, 2, cx)?)
    else {
        return Ok(Val::Null);
    };
    if from.is_empty() {
        return Ok(Val::Text(text));
    }
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        if rest.starts_with(&from) {
            out.extend_from_slice(&to);
            at += from.len();
        } else {
            let width = if node.ty.collation.is_binary() { 1 } else { pieces(rest).next().map_or(1, <[u8]>::len) };
            out.extend_from_slice(rest.get(..width).unwrap_or_default());
            at += width;
        }
        if out.len() > MAX_TEXT {
            return Ok(Val::Null);
        }
    }
    Ok(Val::owned(out))
}

fn hex<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(arg) = args.first() else { return Ok(Val::Null) };
    let number = arg.ty.kind.is_integer() || arg.ty.kind.is_real() || arg.ty.kind == Kind::Decimal;
    if number {
        let value = arg.eval(cx)?;
        super::super::arith::check_computed(&value, arg, cx)?;
        let old = cx.mariadb || cx.mysql_before(MYSQL_80);
        let bits = match convert::real(&value) {
            // MariaDB and old servers round halves away from zero, and what is no integer to all ones.
            Some(n) if old && matches!(value, Val::Real(_) | Val::Float(_) | Val::Dec(_)) => {
                let fits = n > i64::MIN as f64 && n < u64::MAX as f64;
                Some(if !fits {
                    u64::MAX
                } else if n < 0.0 {
                    (n - 0.5) as i64 as u64
                } else {
                    (n + 0.5) as u64
                })
            }
            _ => convert::bits(&value, cx),
        };
        return Ok(bits.map_or(Val::Null, |bits| Val::owned(format!("{bits:X}"))));
    }
    let Some(bytes) = arg.stored(cx)? else { return Ok(Val::Null) };
    Ok(Val::owned(to_hex(&bytes, b"0123456789ABCDEF")))
}

/// Two digits a byte.
pub fn to_hex(bytes: &[u8], digits: &[u8; 16]) -> Vec<u8> {
    bytes.iter().flat_map(|b| [digits[usize::from(b >> 4)], digits[usize::from(b & 15)]]).collect()
}

fn unhex<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(text) = text_arg(args, 0, cx)? else { return Ok(Val::Null) };
    let mut digits = Vec::with_capacity(text.len() + 1);
    if text.len() % 2 == 1 {
        digits.push(0);
    }
    for b in text.iter() {
        match char::from(*b).to_digit(16) {
            Some(digit) => digits.push(digit as u8),
            None => return Ok(Val::Null),
        }
    }
    Ok(Val::owned(digits.chunks_exact(2).map(|pair| pair[0] << 4 | pair[1]).collect::<Vec<u8>>()))
}

fn ascii<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let stored = args.first().map_or(Ok(None), |arg| arg.stored(cx))?;
    Ok(stored.map_or(Val::Null, |bytes| Val::Int(bytes.first().copied().unwrap_or(0).into())))
}

fn ord<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(arg) = args.first() else { return Ok(Val::Null) };
    let Some(text) = arg.text(cx)? else { return Ok(Val::Null) };
    let first = if super::is_bytes(&arg.ty) { text.get(..1) } else { pieces(&text).next() };
    let bytes = arg.ty.collation.charset.encode(first.unwrap_or_default());
    Ok(Val::Int(convert::hex_number(&bytes) as i64))
}

fn char_of<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let mut out = Vec::new();
    for at in 0..args.len() {
        if let Some(n) = int_arg(args, at, cx)? {
            let bytes = (n as u32).to_be_bytes();
            let skip = bytes.iter().take(3).take_while(|b| **b == 0).count();
            out.extend_from_slice(bytes.get(skip..).unwrap_or_default());
        }
    }
    Ok(Val::owned(out))
}

/// A function that compares its two arguments under their common collation, which the call's type keeps.
fn text_comparison(args: Args<'_>, function: crate::rules::expression::node::Function) -> super::Built {
    args.check(2, 2)?;
    let (collation, _) = compare::aggregate(args.nodes.iter().map(|node| &node.ty))?;
    let ty = Type { collation, ..Type::int(false) };
    Ok(Node { ty, op: Op::Call(function, args.nodes) })
}

/// Two texts; None when one is NULL.
type Pair<'a> = Option<(Cow<'a, [u8]>, Cow<'a, [u8]>)>;

fn two<'a>(node: &Node, args: &'a [Node], cx: &Cx<'a>) -> Result<Pair<'a>, Failure> {
    Ok(joined_arg(node, args, 0, cx)?.zip(joined_arg(node, args, 1, cx)?))
}

fn strcmp<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some((a, b)) = two(node, args, cx)? else { return Ok(Val::Null) };
    Ok(Val::Int(node.ty.collation.compare(&a, &b) as i64))
}

fn find_in_set<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    if let [wanted, Node { op: Op::Column(_, Reader::Set(names)), .. }] = args
        && let Some(Val::Text(wanted)) = wanted.as_const()
    {
        // A constant in a SET column is looked up among the members: its place there counts.
        let Val::Set(mask, _) = value_arg(args, 1, cx)? else { return Ok(Val::Null) };
        let same = |name: &String| node.ty.collation.compare(wanted, name.as_bytes()).is_eq();
        let at = names.iter().take(64).position(same).filter(|at| mask >> at & 1 == 1);
        return Ok(Val::Int(at.map_or(0, |at| at as i64 + 1)));
    }
    let Some((wanted, list)) = two(node, args, cx)? else { return Ok(Val::Null) };
    if list.is_empty() || wanted.contains(&b',') {
        return Ok(Val::Int(0));
    }
    let found = list.split(|b| *b == b',').position(|item| node.ty.collation.compare(&wanted, item).is_eq());
    Ok(Val::Int(found.map_or(0, |at| at as i64 + 1)))
}

/// FIELD compares all as texts, all as numbers, or as doubles.
fn field(args: Args<'_>) -> super::Built {
    args.check(2, usize::MAX)?;
    let kinds: Vec<Kind> = args.nodes.iter().map(|node| node.ty.kind).collect();
    let ty = Type::int(false);
    if kinds.iter().all(|kind| kind.is_text() || *kind == Kind::Null) {
        let (collation, _) = compare::aggregate(args.nodes.iter().map(|node| &node.ty))?;
        return Ok(Node { ty: Type { collation, ..ty }, op: Op::Call(field_text, args.nodes) });
    }
    if kinds.iter().all(|kind| kind.is_integer()) {
        return Ok(Node { ty, op: Op::Call(field_int, args.nodes) });
    }
    if kinds.iter().all(|kind| kind.is_integer() || *kind == Kind::Decimal) {
        return Ok(Node { ty, op: Op::Call(field_decimal, args.nodes) });
    }
    Ok(Node { ty, op: Op::Call(field_real, args.nodes) })
}

fn field_with<'a>(args: &'a [Node], cx: &Cx<'a>, how: Comparison) -> Evaluated<'a> {
    let Some((first, rest)) = args.split_first() else { return Ok(Val::Int(0)) };
    let wanted = first.eval(cx)?;
    for (i, item) in rest.iter().enumerate() {
        if how.order((borrow(&wanted), &first.ty), (item.eval(cx)?, &item.ty), cx).is_some_and(|o| o.is_eq()) {
            return Ok(Val::Int(i as i64 + 1));
        }
    }
    Ok(Val::Int(0))
}

fn field_text<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    field_with(args, cx, Comparison::Text(node.ty.collation))
}

fn field_int<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    field_with(args, cx, Comparison::Integer)
}

fn field_decimal<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    field_with(args, cx, Comparison::Decimal)
}

fn field_real<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    field_with(args, cx, Comparison::Real)
}

fn elt(args: Args<'_>) -> super::Built {
    args.check(2, usize::MAX)?;
    let (collation, strength) = compare::aggregate(args.nodes.iter().skip(1).map(|node| &node.ty))?;
    args.call(2, usize::MAX, Type::text(collation, strength), |node, args, cx| {
        let chosen = int_arg(args, 0, cx)?.and_then(|n| usize::try_from(n).ok()).filter(|n| *n > 0);
        let Some(at) = chosen.filter(|at| *at < args.len()) else { return Ok(Val::Null) };
        Ok(joined_arg(node, args, at, cx)?.map_or(Val::Null, Val::Text))
    })
}

fn quote<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(text) = convert::text(value_arg(args, 0, cx)?, &args.first().map_or(Type::null(), |a| a.ty)) else {
        return Ok(Val::owned("NULL"));
    };
    let mut out = vec![b'\''];
    for b in text.iter() {
        match b {
            b'\'' | b'\\' => out.extend_from_slice(&[b'\\', *b]),
            0 => out.extend_from_slice(b"\\0"),
            0x1a => out.extend_from_slice(b"\\Z"),
            other => out.push(*other),
        }
    }
    out.push(b'\'');
    Ok(Val::owned(out))
}
