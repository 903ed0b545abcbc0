//! FORMAT, SOUNDEX, and sets of bits as text (manual 14.8).

use super::{Args, MAX_TEXT, Topic, int_arg, is_bytes, joined_arg, number::cut_real, plain_text, text_arg, value_arg};
use crate::rules::expression::{
    arith::{Numeric, check_computed, is_large_computed, numeric},
    collation::pieces,
    compare, convert,
    node::{Cx, Node},
    number,
    release::MARIADB_1011,
    typed::{Evaluated, Failure, Type, Val},
};

pub fn build(args: Args<'_>) -> Topic<'_> {
    Ok(match args.name {
        "format" => format_call(args),
        "soundex" if is_bytes(&args.ty(0)) => Err("SOUNDEX over a binary string is not supported".into()),
        "soundex" => args.text_type(1).and_then(|ty| args.call(1, 1, ty, soundex)),
        "make_set" => joined(args, 1, usize::MAX).and_then(|(args, ty)| args.call(2, usize::MAX, ty, make_set)),
        "export_set" => joined(args, 1, 3).and_then(|(args, ty)| args.call(3, 5, ty, export_set)),
        _ => return Err(args),
    })
}

/// The type of a text made of some of the arguments.
fn joined(args: Args<'_>, from: usize, count: usize) -> Result<(Args<'_>, Type), String> {
    let (collation, strength) = compare::aggregate(args.nodes.iter().skip(from).take(count).map(|node| &node.ty))?;
    Ok((args, Type::text(collation, strength)))
}

fn format_call(mut args: Args<'_>) -> super::Built {
    args.check(2, 3)?;
    if let Some(locale) = args.nodes.get(2) {
        let english = matches!(locale.as_const(), Some(Val::Text(name)) if name.eq_ignore_ascii_case(b"en_US"));
        if !english {
            return Err("FORMAT with another locale than 'en_US' is not supported".into());
        }
        args.nodes.truncate(2);
    }
    args.call(2, 2, plain_text(), format)
}

fn format<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (value, Some(digits)) = (value_arg(args, 0, cx)?, int_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    if value.is_null() {
        return Ok(Val::Null);
    }
    let digits = digits.clamp(0, if cx.mariadb { 38 } else { 30 }) as u8;
    let real = args.first().is_none_or(|arg| numeric(&arg.ty) == Numeric::Real);
    let text = if real {
        let cut = cut_real(convert::real(&value).unwrap_or(0.0), digits.into(), true);
        let unsigned = cut == 0.0 && cx.mariadb && cx.version / 100 == MARIADB_1011 / 100;
        number::fixed_text(if unsigned { 0.0 } else { cut }, digits)
    } else {
        convert::decimal(&value).map_or_else(String::new, |n| n.round(digits).unsigned_zero().to_text())
    };
    let (sign, plain) = text.strip_prefix('-').map_or(("", text.as_str()), |rest| ("-", rest));
    let (whole, fraction) = plain.split_once('.').map_or((plain, None), |(whole, fraction)| (whole, Some(fraction)));
    let mut out = sign.to_owned();
    for (at, digit) in whole.chars().enumerate() {
        if at > 0 && (whole.len() - at).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    if let Some(fraction) = fraction {
        out.push('.');
        out.push_str(fraction);
    }
    Ok(Val::owned(out))
}

/// The first letter and the codes of the others, of which none follows itself; at least four characters.
fn soundex<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    const CODES: &[u8; 26] = b"01230120022455012623010202";
    let Some(text) = text_arg(args, 0, cx)? else { return Ok(Val::Null) };
    let code = |piece| std::str::from_utf8(piece).ok().and_then(|s: &str| s.chars().next()).map_or(0, u32::from);
    let letters = pieces(&text).map(|piece| (code(piece), piece));
    let letter = |code: u32| u8::try_from(code).is_ok_and(|b| b.is_ascii_alphabetic()) || code >= 0xc0;
    let code_of = |code: u32| {
        let upper = u8::try_from(code).ok().map(|b| b.to_ascii_uppercase()).filter(u8::is_ascii_uppercase);
        upper.and_then(|b| CODES.get(usize::from(b - b'A'))).copied().unwrap_or(b'0')
    };
    let mut out = Vec::new();
    let mut last = None;
    for (code, piece) in letters.filter(|(code, _)| letter(*code)) {
        match last {
            None => {
                out.extend(piece.to_ascii_uppercase());
                last = Some(code_of(code));
            }
            Some(before) if code_of(code) != b'0' && code_of(code) != before => {
                out.push(code_of(code));
                last = Some(code_of(code));
            }
            Some(_) => {}
        }
    }
    if last.is_some() {
        let zeros = 4usize.saturating_sub(pieces(&out).count());
        out.extend(std::iter::repeat_n(b'0', zeros));
    }
    Ok(Val::owned(out))
}

/// The bits of the first argument: an integer of either sign, beyond which numbers are its ends.
fn bits_arg<'a>(args: &'a [Node], cx: &Cx<'a>) -> Result<Option<u64>, Failure> {
    let Some(arg) = args.first() else { return Ok(None) };
    let value = arg.eval(cx)?;
    check_computed(&value, arg, cx)?;
    Ok(match value {
        // Old servers take it as the least one.
        value if is_large_computed(&value, arg, cx) => Some(1 << 63),
        Val::UInt(bits) => Some(bits),
        // A branch's decimal is the whole's double.
        Val::Dec(_) if arg.ty.kind.is_real() => {
            convert::real(&value).and_then(|n| convert::int64(&Val::Real(n))).map(|n| n as u64)
        }
        value => convert::int64(&value).map(|n| n as u64),
    })
}

fn make_set<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(bits) = bits_arg(args, cx)? else { return Ok(Val::Null) };
    let mut chosen = Vec::new();
    for at in (1..args.len()).filter(|at| *at <= 64 && bits >> (at - 1) & 1 == 1) {
        chosen.extend(joined_arg(node, args, at, cx)?);
    }
    Ok(Val::owned(chosen.join(&b',')))
}

fn export_set<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let bits = bits_arg(args, cx)?;
    let (on, off) = (joined_arg(node, args, 1, cx)?, joined_arg(node, args, 2, cx)?);
    let separator = if args.len() > 3 { joined_arg(node, args, 3, cx)? } else { Some(b",".into()) };
    let count = if args.len() > 4 { int_arg(args, 4, cx)? } else { Some(64) };
    let (Some(bits), Some(on), Some(off), Some(separator), Some(count)) = (bits, on, off, separator, count) else {
        return Ok(Val::Null);
    };
    let count = u64::try_from(count).map_or(64, |n| n.min(64));
    let longest = on.len().max(off.len()) + separator.len();
    if longest.saturating_mul(64) > MAX_TEXT {
        return Ok(Val::Null);
    }
    let parts: Vec<&[u8]> = (0..count).map(|bit| if bits >> bit & 1 == 1 { &*on } else { &*off }).collect();
    Ok(Val::owned(parts.join(&*separator)))
}
