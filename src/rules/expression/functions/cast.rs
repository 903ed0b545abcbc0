//! CAST, CONVERT, BINARY (manual 14.10).

use std::borrow::Cow;

use crate::mysql::value::Time;
use crate::rules::expression::{
    arith,
    ast::CastType,
    collation::{Charset, Collation, pieces},
    compile::Built,
    convert,
    decimal::Dec,
    functions::value_arg,
    json,
    node::{Cx, Function, Node, Op, stored},
    release::{MYSQL_80, MYSQL_97},
    temporal,
    typed::{Evaluated, Failure, Kind, Type, Val, strength},
};

/// Builds a cast.
pub fn cast(value: Node, target: &CastType) -> Built {
    let mut args = vec![value];
    let given = args.first().map_or(Type::null(), |node| node.ty);
    let mut length = |length: &Option<u32>| {
        args.extend(length.map(|n| Node::constant(Type::int(false), Val::Int(n.into()))));
    };
    let (ty, function): (Type, Function) = match target {
        CastType::Signed => (Type::int(false), signed),
        CastType::Unsigned => (Type::int(true), unsigned),
        CastType::Decimal(precision, scale) => (Type::decimal(precision.saturating_sub(*scale), *scale), decimal),
        CastType::Double => {
            (Type::double(), |_, args, cx| Ok(convert::real(&value_arg(args, 0, cx)?).map_or(Val::Null, Val::Real)))
        }
        CastType::Float => (Type { kind: Kind::Float, ..Type::double() }, |_, args, cx| {
            Ok(convert::real(&value_arg(args, 0, cx)?).map_or(Val::Null, |n| Val::Float(n as f32)))
        }),
        CastType::Char(..) if given.kind == Kind::Bit => {
            return Err("a cast of a BIT column to a text is not supported; use BIN() or `+ 0`".into());
        }
        CastType::Char(n, charset) => {
            length(n);
            let collation = match charset {
                Some(name) if name == "binary" => Collation::BINARY,
                Some(name) => collation_of(name)?,
                None => Collation::CONNECTION,
            };
            (Type::text(collation, strength::IMPLICIT), if collation.is_binary() { binary } else { characters })
        }
        CastType::Binary(n) => {
            length(n);
            (Type::text(Collation::BINARY, strength::IMPLICIT), binary)
        }
        CastType::Date => (Type::temporal(Kind::Date, 0), date),
        CastType::DateTime(fsp) => (Type::temporal(Kind::DateTime, *fsp), datetime),
        CastType::Time(fsp) => (Type::temporal(Kind::Time, *fsp), time),
        CastType::Year => return Err("a cast to YEAR is not supported; use YEAR()".into()),
        CastType::Json => {
            if matches!(given.kind, Kind::Bit | Kind::Hex) || given.is_binary() || given.kind.is_temporal() {
                return Err("a cast of this type to JSON is not supported".into());
            }
            (Type::json(), to_json)
        }
    };
    Ok(Node { ty, op: Op::Call(function, args) })
}

fn collation_of(charset: &str) -> Result<Collation, String> {
    Charset::named(charset)
        .and_then(Collation::default_of)
        .ok_or_else(|| format!("the character set {charset} can't be evaluated"))
}

/// `CONVERT(value USING charset)`.
pub fn using(value: Node, charset: &str) -> Built {
    let collation = collation_of(charset)?;
    let from_bytes = super::is_bytes(&value.ty);
    let function: Function = match (collation.is_binary(), from_bytes) {
        (true, _) => binary,
        // Bytes are taken as characters of the new character set.
        (false, true) => |node, args, cx| {
            let Some(bytes) = convert::text(value_arg(args, 0, cx)?, &args.first().map_or(Type::null(), |a| a.ty))
            else {
                return Ok(Val::Null);
            };
            let text = node.ty.collation.charset.decode(&bytes).into_owned();
            let valid = std::str::from_utf8(&text).is_ok();
            Ok(if valid { Val::owned(text) } else { Val::Null })
        },
        (false, false) => |node, args, cx| {
            let Some(text) = convert::text(value_arg(args, 0, cx)?, &args.first().map_or(Type::null(), |a| a.ty))
            else {
                return Ok(Val::Null);
            };
            Ok(Val::Text(lossy(text, node.ty.collation.charset)))
        },
    };
    Ok(Node { ty: Type::text(collation, strength::IMPLICIT), op: Op::Call(function, vec![value]) })
}

/// A text with `?` for what a character set lacks.
fn lossy(text: Cow<'_, [u8]>, charset: Charset) -> Cow<'_, [u8]> {
    let fits = std::str::from_utf8(&text).is_ok_and(|text| charset.can_write(text));
    if fits {
        return text;
    }
    let replaced: String = String::from_utf8_lossy(&text)
        .chars()
        .map(|c| if charset.can_write(c.encode_utf8(&mut [0; 4])) { c } else { '?' })
        .collect();
    Cow::Owned(replaced.into_bytes())
}

/// Decimals are rounded, doubles too; texts are read up to the first character that is no digit. Out of range: the
/// nearest, and unsigned bits as they are.
fn signed<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let value = value_arg(args, 0, cx)?;
    if let Some(least) = least(&value, args, cx)? {
        return Ok(Val::Int(least));
    }
    let Some(n) = convert::integer_in(&value, cx) else { return Ok(Val::Null) };
    let wraps = matches!(value, Val::UInt(_) | Val::Bit(..) | Val::Hex(_) | Val::Set(..) | Val::Text(_));
    let n = if wraps && n > i64::MAX.into() { n.min(u64::MAX.into()) as u64 as i64 } else { clamp(n) };
    Ok(Val::Int(n))
}

/// What MySQL makes of a computed double that is too large: an error, the least integer before 8.0.
fn least<'a>(value: &Val<'a>, args: &'a [Node], cx: &Cx<'a>) -> Result<Option<i64>, Failure> {
    let Some(arg) = args.first().filter(|arg| arith::is_large_computed(value, arg, cx)) else { return Ok(None) };
    arith::check_computed(value, arg, cx)?;
    Ok(Some(i64::MIN))
}

fn clamp(n: i128) -> i64 {
    n.clamp(i64::MIN.into(), i64::MAX.into()) as i64
}

fn unsigned<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let value = value_arg(args, 0, cx)?;
    if let Some(least) = least(&value, args, cx)? {
        return Ok(Val::UInt(least as u64));
    }
    let Some(n) = convert::integer_in(&value, cx) else { return Ok(Val::Null) };
    // A negative decimal (on MariaDB a double too) has no unsigned value; integers, texts and doubles keep their bits.
    if n < 0 && (matches!(value, Val::Dec(_)) || cx.mariadb && matches!(value, Val::Real(_) | Val::Float(_))) {
        return Ok(Val::UInt(0));
    }
    Ok(Val::UInt(if n < 0 { clamp(n) as u64 } else { n.min(u64::MAX.into()) as u64 }))
}

/// Rounded to the scale; the largest number of the type when there are too many digits in front of the point.
fn decimal<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(n) = convert::decimal(&value_arg(args, 0, cx)?) else { return Ok(Val::Null) };
    let (whole, scale) = (usize::from(node.ty.whole), node.ty.scale);
    let rounded = n.round(scale);
    if rounded.digits() > whole + usize::from(scale) {
        let nines = format!("{}.{}", "9".repeat(whole), "9".repeat(scale.into()));
        let most = Dec::parse(nines.as_bytes()).unwrap_or(Dec::new(0, 0)).round(scale);
        return Ok(Val::Dec(if rounded.is_negative() { most.neg() } else { most }));
    }
    Ok(Val::Dec(rounded))
}

fn limit(args: &[Node]) -> Option<usize> {
    args.get(1).and_then(Node::as_const).and_then(convert::int64).and_then(|n| usize::try_from(n).ok())
}

fn characters<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(arg) = args.first() else { return Ok(Val::Null) };
    let Some(text) = arg.text(cx)? else { return Ok(Val::Null) };
    let charset = node.ty.collation.charset;
    let text = if super::is_bytes(&arg.ty) {
        let decoded = charset.decode(&text).into_owned();
        if std::str::from_utf8(&decoded).is_err() {
            return Ok(Val::Null);
        }
        Cow::Owned(decoded)
    } else {
        lossy(text, charset)
    };
    Ok(match limit(args) {
        Some(most) => Val::owned(pieces(&text).take(most).collect::<Vec<_>>().concat()),
        None => Val::Text(text),
    })
}

fn binary<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(arg) = args.first() else { return Ok(Val::Null) };
    let Some(text) = arg.text(cx)? else { return Ok(Val::Null) };
    let bytes = if super::is_bytes(&arg.ty) { text } else { stored(text, arg.ty.collation) };
    Ok(match limit(args) {
        Some(length) if length > super::MAX_TEXT => Val::Null,
        Some(length) => {
            let mut bytes = bytes.into_owned();
            bytes.resize(length, 0);
            Val::owned(bytes)
        }
        None => Val::Text(bytes),
    })
}

fn date<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(convert::datetime(&value_arg(args, 0, cx)?, cx).map_or(Val::Null, |at| Val::Date(at.date)))
}

fn datetime<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(at) = convert::datetime(&value_arg(args, 0, cx)?, cx) else { return Ok(Val::Null) };
    if cx.mariadb {
        return Ok(Val::DateTime(temporal::cut_datetime(at, node.ty.scale)));
    }
    Ok(temporal::round_datetime(at, node.ty.scale).map_or(Val::Null, Val::DateTime))
}

fn time<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let cut = if cx.mariadb { temporal::cut_time } else { temporal::round_time };
    let value = value_arg(args, 0, cx)?;
    let time = match (&value, convert::time(&value)) {
        // A text without digits is no time, but midnight to old servers.
        (Val::Text(text), None) if cx.mysql_before(MYSQL_80) && !text.iter().any(u8::is_ascii_digit) => {
            Some(Time::default())
        }
        (_, time) => time,
    };
    Ok(time.map_or(Val::Null, |time| {
        let cut = cut(time, node.ty.scale);
        // Old servers keep the sign of what became zero.
        Val::Time(Time { negative: cut.negative || cx.mysql_before(MYSQL_97) && time.negative, ..cut })
    }))
}

fn to_json<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(arg) = args.first() else { return Ok(Val::Null) };
    match arg.eval(cx)? {
        Val::Null => Ok(Val::Null),
        Val::Json(value) => Ok(Val::Json(value)),
        Val::Text(text) => {
            let parsed = std::str::from_utf8(&text).ok().and_then(json::parse);
            parsed.map(|value| Val::Json(Cow::Owned(value))).ok_or_else(|| Failure("a text is no JSON".into()))
        }
        other => Ok(json::of(other, &arg.ty).map_or(Val::Null, |value| Val::Json(Cow::Owned(value.into_owned())))),
    }
}
