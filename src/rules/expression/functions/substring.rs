//! Functions that cut, search and fill texts (manual 14.8).

use super::{Args, MAX_TEXT, Topic, int_arg, joined_arg};
use crate::rules::expression::{
    collation::{Collation, pieces},
    compare,
    node::{Cx, Node, Op},
    release::{MYSQL_57, MYSQL_97},
    typed::{Evaluated, Type, Val},
};

pub fn build(args: Args<'_>) -> Topic<'_> {
    let text = |args: Args<'_>, first, least, most, function| {
        args.text_type(first).and_then(|ty| args.call(least, most, ty, function))
    };
    Ok(match args.name {
        "substring" => text(args, 1, 2, 3, substring),
        "left" => text(args, 1, 2, 2, left),
        "right" => text(args, 1, 2, 2, right),
        "trim" => text(args, usize::MAX, 1, 2, |node, args, cx| trim(node, args, cx, true, true)),
        "trim_leading" => text(args, usize::MAX, 1, 2, |node, args, cx| trim(node, args, cx, true, false)),
        "trim_trailing" => text(args, usize::MAX, 1, 2, |node, args, cx| trim(node, args, cx, false, true)),
        "ltrim" => text(args, 1, 1, 1, |node, args, cx| trim(node, args, cx, true, false)),
        "rtrim" => text(args, 1, 1, 1, |node, args, cx| trim(node, args, cx, false, true)),
        "locate" => search(args, locate),
        "instr" => search(args, instr),
        "insert" => insert_call(args),
        "lpad" => pad_call(args, |node, args, cx| pad(node, args, cx, true)),
        "rpad" => pad_call(args, |node, args, cx| pad(node, args, cx, false)),
        "substring_index" => text(args, 2, 3, 3, substring_index),
        _ => return Err(args),
    })
}

/// The text of a call's first argument, cut into characters (bytes of binary strings).
fn characters<'t>(text: &'t [u8], collation: &Collation) -> Vec<&'t [u8]> {
    if collation.is_binary() { text.chunks(1).collect() } else { pieces(text).collect() }
}

fn part<'a>(chars: &[&[u8]], from: usize, count: usize) -> Val<'a> {
    let end = from.saturating_add(count).min(chars.len());
    Val::owned(chars.get(from..end).unwrap_or_default().concat())
}

fn substring<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(text), Some(from)) = (joined_arg(node, args, 0, cx)?, int_arg(args, 1, cx)?) else {
        return Ok(Val::Null);
    };
    let count = match args.len() {
        3 => match int_arg(args, 2, cx)? {
            Some(count) => usize::try_from(count).unwrap_or(0),
            None => return Ok(Val::Null),
        },
        _ => usize::MAX,
    };
    let chars = characters(&text, &node.ty.collation);
    let start = match from {
        1.. => usize::try_from(from).ok().map(|from| from - 1),
        0 => None,
        _ => usize::try_from(from.unsigned_abs()).ok().and_then(|back| chars.len().checked_sub(back)),
    };
    Ok(start.map_or_else(|| Val::owned(""), |start| part(&chars, start, count)))
}

fn left<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(text), Some(count)) = (joined_arg(node, args, 0, cx)?, int_arg(args, 1, cx)?) else {
        return Ok(Val::Null);
    };
    Ok(part(&characters(&text, &node.ty.collation), 0, usize::try_from(count).unwrap_or(0)))
}

fn right<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(text), Some(count)) = (joined_arg(node, args, 0, cx)?, int_arg(args, 1, cx)?) else {
        return Ok(Val::Null);
    };
    let chars = characters(&text, &node.ty.collation);
    let count = usize::try_from(count).unwrap_or(0).min(chars.len());
    Ok(part(&chars, chars.len() - count, count))
}

fn trim<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>, leading: bool, trailing: bool) -> Evaluated<'a> {
    let Some(text) = joined_arg(node, args, 0, cx)? else { return Ok(Val::Null) };
    let what = match args.len() {
        2 => match joined_arg(node, args, 1, cx)? {
            Some(what) => what.into_owned(),
            None => return Ok(Val::Null),
        },
        _ => b" ".to_vec(),
    };
    let mut rest: &[u8] = &text;
    if what.is_empty() {
        return Ok(Val::Text(text));
    }
    while let Some(cut) = rest.strip_prefix(what.as_slice()).filter(|_| leading) {
        rest = cut;
    }
    while let Some(cut) = rest.strip_suffix(what.as_slice()).filter(|_| trailing) {
        rest = cut;
    }
    Ok(Val::owned(rest))
}

fn search(args: Args<'_>, function: crate::rules::expression::node::Function) -> super::Built {
    args.check(2, 3)?;
    let (collation, _) = compare::aggregate(args.nodes.iter().take(2).map(|node| &node.ty))?;
    Ok(Node { ty: Type { collation, ..Type::int(false) }, op: Op::Call(function, args.nodes) })
}

fn locate<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    find(node, args, cx, 1, 0)
}

fn instr<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    find(node, args, cx, 0, 1)
}

/// Character by character under the collation.
fn find<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>, text: usize, needle: usize) -> Evaluated<'a> {
    let (Some(text), Some(needle)) = (joined_arg(node, args, text, cx)?, joined_arg(node, args, needle, cx)?) else {
        return Ok(Val::Null);
    };
    let from = match args.len() {
        3 => match int_arg(args, 2, cx)? {
            Some(from) => from,
            None => return Ok(Val::Null),
        },
        _ => 1,
    };
    let collation = &node.ty.collation;
    let (text, needle) = (characters(&text, collation), characters(&needle, collation));
    // MariaDB finds nothing behind the end; it and MySQL before 9.7 hold characters of different width apart.
    if cx.mariadb && needle.is_empty() && from > 1 && from > text.len() as i64 {
        return Ok(Val::Int(0));
    }
    let Some(start) = from.checked_sub(1).and_then(|from| usize::try_from(from).ok()).filter(|s| *s <= text.len())
    else {
        return Ok(Val::Int(0));
    };
    let apart = cx.mariadb || cx.mysql_before(MYSQL_97);
    let last = text.len().checked_sub(needle.len());
    let same = |at: usize| {
        needle.iter().enumerate().all(|(i, wanted)| {
            text.get(at + i).is_some_and(|c| (!apart || c.len() == wanted.len()) && same_piece(collation, c, wanted))
        })
    };
    let found = last.and_then(|last| (start..=last).find(|at| same(*at)));
    Ok(Val::Int(found.map_or(0, |at| at as i64 + 1)))
}

fn same_piece(collation: &Collation, a: &[u8], b: &[u8]) -> bool {
    let character = |piece: &[u8]| std::str::from_utf8(piece).ok().and_then(|s| s.chars().next());
    a == b
        || !collation.is_exact()
            && matches!((character(a), character(b)), (Some(a), Some(b)) if collation.same_char(a, b))
}

fn insert_call(args: Args<'_>) -> super::Built {
    args.check(4, 4)?;
    let types = [args.ty(0), args.ty(3)];
    let (collation, strength) = compare::aggregate(types.iter())?;
    args.call(4, 4, Type::text(collation, strength), |node, args, cx| {
        let (Some(text), Some(at), Some(count), Some(new)) = (
            joined_arg(node, args, 0, cx)?,
            int_arg(args, 1, cx)?,
            int_arg(args, 2, cx)?,
            joined_arg(node, args, 3, cx)?,
        ) else {
            return Ok(Val::Null);
        };
        let chars = characters(&text, &node.ty.collation);
        let start = match usize::try_from(at) {
            Ok(at) if at > 0 && at <= chars.len() + usize::from(cx.mysql_before(MYSQL_57)) => at - 1,
            _ => return Ok(Val::Text(text)),
        };
        let count = usize::try_from(count).unwrap_or(usize::MAX).min(chars.len() - start);
        let mut out = chars.get(..start).unwrap_or_default().concat();
        out.extend_from_slice(&new);
        out.extend(chars.get(start + count..).unwrap_or_default().concat());
        Ok(Val::owned(out))
    })
}

fn pad_call(args: Args<'_>, function: crate::rules::expression::node::Function) -> super::Built {
    args.check(2, 3)?;
    let types: Vec<Type> = [0, 2].into_iter().filter(|at| *at < args.nodes.len()).map(|at| args.ty(at)).collect();
    let (collation, strength) = compare::aggregate(types.iter())?;
    args.call(2, 3, Type::text(collation, strength), function)
}

fn pad<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>, left: bool) -> Evaluated<'a> {
    let (Some(text), Some(length)) = (joined_arg(node, args, 0, cx)?, int_arg(args, 1, cx)?) else {
        return Ok(Val::Null);
    };
    let filling = match args.len() {
        3 => match joined_arg(node, args, 2, cx)? {
            Some(filling) => filling.into_owned(),
            None => return Ok(Val::Null),
        },
        _ => b" ".to_vec(),
    };
    let Ok(length) = usize::try_from(length) else { return Ok(Val::Null) };
    let chars = characters(&text, &node.ty.collation);
    if length <= chars.len() {
        return Ok(part(&chars, 0, length));
    }
    let filling = characters(&filling, &node.ty.collation);
    if length.saturating_mul(4) > MAX_TEXT {
        return Ok(Val::Null);
    }
    if filling.is_empty() {
        // MySQL: an empty text; MariaDB and MySQL 5.7: NULL or an empty text.
        return Ok(Val::owned(""));
    }
    let filled: Vec<&[u8]> = filling.iter().copied().cycle().take(length - chars.len()).collect();
    let mut out = filled.concat();
    if left {
        out.extend_from_slice(&text);
        Ok(Val::owned(out))
    } else {
        Ok(Val::owned([text.as_ref(), &out].concat()))
    }
}

/// Case counts, whatever the collation.
fn substring_index<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(text), Some(delimiter), Some(count)) =
        (joined_arg(node, args, 0, cx)?, joined_arg(node, args, 1, cx)?, int_arg(args, 2, cx)?)
    else {
        return Ok(Val::Null);
    };
    if text.is_empty() || delimiter.is_empty() || count == 0 {
        return Ok(Val::owned(""));
    }
    let mut places = Vec::new();
    let mut at = 0;
    while let Some(rest) = text.get(at..).filter(|rest| rest.len() >= delimiter.len()) {
        if rest.starts_with(&delimiter) {
            places.push(at);
            at += delimiter.len();
        } else {
            at += if node.ty.collation.is_binary() { 1 } else { pieces(rest).next().map_or(1, <[u8]>::len) };
        }
    }
    let wanted = usize::try_from(count.unsigned_abs()).unwrap_or(usize::MAX);
    if wanted > places.len() {
        return Ok(Val::Text(text));
    }
    if count > 0 {
        let end = places.get(wanted - 1).copied().unwrap_or(text.len());
        return Ok(Val::owned(text.get(..end).unwrap_or_default()));
    }
    let from = places.get(places.len() - wanted).map_or(0, |at| at + delimiter.len());
    Ok(Val::owned(text.get(from..).unwrap_or_default()))
}
