//! Functions of addresses and UUIDs (manual 14.23).

use super::{Args, Topic, int_arg, is_bytes, plain_text, text_arg};
use crate::{
    mysql::literal::inet6_text,
    rules::expression::{
        collation::Collation,
        compile::boolean,
        node::{Cx, Function, Node},
        release::{MYSQL_57, MYSQL_80},
        typed::{Evaluated, Failure, Kind, Type, Val, strength},
    },
};

pub fn build(args: Args<'_>) -> Topic<'_> {
    let binary = Type::text(Collation::BINARY, strength::LITERAL);
    Ok(match args.name {
        "inet_aton" => args.call(1, 1, Type::int(true), inet_aton),
        "inet_ntoa" => args.call(1, 1, plain_text(), inet_ntoa),
        "inet6_aton" => args.call(1, 1, binary, inet6_aton),
        "inet6_ntoa" => args.call(1, 1, plain_text(), inet6_ntoa),
        "is_ipv4" | "is_ipv6" if !matches!(args.ty(0).kind, Kind::Text | Kind::Null) => {
            Err(format!("{} takes a text", args.name.to_uppercase()))
        }
        "is_ipv4" => args.call(1, 1, boolean(), |_, args, cx| of_text(args, cx, |text| four(text).is_some())),
        "is_ipv6" => args.call(1, 1, boolean(), |_, args, cx| of_text(args, cx, |text| six(text).is_some())),
        "is_ipv4_compat" => args.call(1, 1, boolean(), |_, args, cx| {
            of_bytes(args, cx, |bytes| {
                bytes.starts_with(&[0; 12]) && !matches!(bytes.get(12..), Some([0, 0, 0, 0 | 1]))
            })
        }),
        "is_ipv4_mapped" => args.call(1, 1, boolean(), |_, args, cx| {
            of_bytes(args, cx, |bytes| bytes.starts_with(&[0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 255, 255]))
        }),
        "is_uuid" => new(args, 1, boolean(), |_, args, cx| {
            Ok(text_arg(args, 0, cx)?.map_or(Val::Null, |text| Val::Int(uuid(&text).is_some().into())))
        }),
        "uuid_to_bin" => new(args, 2, binary, uuid_to_bin),
        "bin_to_uuid" => new(args, 2, plain_text(), bin_to_uuid),
        _ => return Err(args),
    })
}

/// A function of MySQL 8.0 and later.
fn new(args: Args<'_>, most: usize, ty: Type, function: Function) -> super::Built {
    if args.is_old() {
        return Err(format!("the source has no function {}", args.name.to_uppercase()));
    }
    args.call(1, most, ty, function)
}

/// Short forms count, too: `127.1` is 127.0.0.1.
fn inet_aton<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(text) = text_arg(args, 0, cx)? else { return Ok(Val::Null) };
    let (mut whole, mut byte, mut points): (u64, u64, u32) = (0, 0, 0);
    for c in text.iter() {
        match c {
            b'0'..=b'9' => byte = byte * 10 + u64::from(c - b'0'),
            b'.' => {
                points += 1;
                whole = (whole << 8).wrapping_add(byte);
                byte = 0;
            }
            _ => return Ok(Val::Null),
        }
        if byte > 255 {
            return Ok(Val::Null);
        }
    }
    let strict = !cx.mariadb && cx.version >= MYSQL_57;
    if matches!(text.last(), None | Some(b'.')) || strict && points > 3 {
        return Ok(Val::Null);
    }
    whole <<= match points {
        1 => 16,
        2 => 8,
        _ => 0,
    };
    Ok(Val::UInt((whole << 8).wrapping_add(byte)))
}

fn inet_ntoa<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let number = int_arg(args, 0, cx)?.and_then(|n| u32::try_from(n).ok());
    Ok(number.map_or(Val::Null, |n| Val::owned(std::net::Ipv4Addr::from(n).to_string())))
}

/// Four numbers of up to three digits.
fn four(text: &[u8]) -> Option<[u8; 4]> {
    let mut out = [0; 4];
    let mut parts = text.split(|b| *b == b'.');
    for byte in &mut out {
        let part = parts.next().filter(|part| (1..=3).contains(&part.len()))?;
        *byte = std::str::from_utf8(part).ok().filter(|p| p.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()?;
    }
    parts.next().is_none().then_some(out)
}

fn six(text: &[u8]) -> Option<[u8; 16]> {
    let text = std::str::from_utf8(text).ok().filter(|text| (2..=39).contains(&text.len()))?;
    let address = match text.rsplit_once(':') {
        Some((head, tail)) if tail.contains('.') => {
            let [a, b, c, d] = four(tail.as_bytes())?;
            format!("{head}:{a:02x}{b:02x}:{c:02x}{d:02x}").parse::<std::net::Ipv6Addr>()
        }
        _ => text.parse(),
    };
    address.ok().map(|address| address.octets())
}

fn inet6_aton<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(text) = text_arg(args, 0, cx)? else { return Ok(Val::Null) };
    let address = four(&text).map(|bytes| bytes.to_vec()).or_else(|| six(&text).map(|bytes| bytes.to_vec()));
    Ok(address.map_or(Val::Null, Val::owned))
}

/// Only binary strings are addresses.
fn inet6_ntoa<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let binary = args.first().is_some_and(|arg| is_bytes(&arg.ty));
    let Some(bytes) = text_arg(args, 0, cx)?.filter(|_| binary) else { return Ok(Val::Null) };
    if let Ok(four) = <[u8; 4]>::try_from(&*bytes) {
        return Ok(Val::owned(std::net::Ipv4Addr::from(four).to_string()));
    }
    Ok(<[u8; 16]>::try_from(&*bytes).map_or(Val::Null, |six| Val::owned(inet6_text(six))))
}

/// NULL is no address for MariaDB and old servers.
fn unknown<'a>(cx: &Cx<'a>) -> Val<'a> {
    if cx.mariadb || cx.mysql_before(MYSQL_80) { Val::Int(0) } else { Val::Null }
}

fn of_text<'a>(args: &'a [Node], cx: &Cx<'a>, is: fn(&[u8]) -> bool) -> Evaluated<'a> {
    Ok(text_arg(args, 0, cx)?.map_or_else(|| unknown(cx), |text| Val::Int(is(&text).into())))
}

fn of_bytes<'a>(args: &'a [Node], cx: &Cx<'a>, is: fn(&[u8]) -> bool) -> Evaluated<'a> {
    let binary = args.first().is_some_and(|arg| is_bytes(&arg.ty));
    let holds = |bytes: &[u8]| Val::Int((binary && bytes.len() == 16 && is(bytes)).into());
    Ok(text_arg(args, 0, cx)?.map_or_else(|| unknown(cx), |bytes| holds(&bytes)))
}

/// 32 digits, alone, with dashes, or with dashes in braces.
fn uuid(text: &[u8]) -> Option<[u8; 16]> {
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let plain = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
    let dashed = plain.unwrap_or(text);
    let digits = match dashed.len() {
        32 if plain.is_none() => dashed.to_owned(),
        36 => {
            let parts: Vec<&str> = dashed.split('-').collect();
            let sizes: Vec<usize> = parts.iter().map(|part| part.len()).collect();
            (sizes == [8, 4, 4, 4, 12]).then(|| parts.concat())?
        }
        _ => return None,
    };
    let all = digits.bytes().all(|b| b.is_ascii_hexdigit());
    u128::from_str_radix(&digits, 16).ok().filter(|_| all).map(u128::to_be_bytes)
}

/// The parts of the time in the order of an index, or back.
fn swapped(bytes: [u8; 16], back: bool) -> [u8; 16] {
    const PLACES: [usize; 8] = [6, 7, 4, 5, 0, 1, 2, 3];
    let mut out = bytes;
    for (to, from) in PLACES.into_iter().enumerate() {
        let (to, from) = if back { (from, to) } else { (to, from) };
        out[to] = bytes[from];
    }
    out
}

fn uuid_to_bin<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(text) = text_arg(args, 0, cx)? else { return Ok(Val::Null) };
    let bytes = uuid(&text).ok_or_else(|| Failure("a text is no UUID".into()))?;
    let swap = int_arg(args, 1, cx)?.is_some_and(|n| n != 0);
    Ok(Val::owned(if swap { swapped(bytes, false) } else { bytes }))
}

fn bin_to_uuid<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(bytes) = text_arg(args, 0, cx)? else { return Ok(Val::Null) };
    let bytes = <[u8; 16]>::try_from(&*bytes).map_err(|_| Failure("bytes are no UUID".into()))?;
    let swap = int_arg(args, 1, cx)?.is_some_and(|n| n != 0);
    let digits = format!("{:032x}", u128::from_be_bytes(if swap { swapped(bytes, true) } else { bytes }));
    let part = |from, to| digits.get(from..to).unwrap_or_default();
    Ok(Val::owned([part(0, 8), part(8, 12), part(12, 16), part(16, 20), part(20, 32)].join("-")))
}
