//! Functions of numbers (manual 14.6.2).

use super::{Args, Topic, int_arg, plain_text, real_arg, text_arg, value_arg};
use crate::rules::expression::{
    arith::{Numeric, numeric, ranged, scale_of},
    ast::Binary,
    compare::Comparison,
    convert,
    decimal::MAX_SCALE,
    functions::flow,
    node::{Cx, Function, Node, Op, borrow},
    number,
    release::MYSQL_80,
    typed::{Evaluated, Failure, Kind, Type, Val},
};

pub fn build(args: Args<'_>) -> Topic<'_> {
    let double = Type::double();
    Ok(match args.name {
        "abs" => abs_call(args),
        "sign" => args.call(1, 1, Type::int(false), sign),
        "round" => rounding(args, round),
        "truncate" => rounding(args, truncate),
        "ceil" | "ceiling" => whole(args, |_, args, cx| floor(args, cx, true)),
        "floor" => whole(args, |_, args, cx| floor(args, cx, false)),
        "mod" => modulo(args),
        "pow" | "power" => args.call(2, 2, double, pow),
        "sqrt" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| (n >= 0.0).then(|| n.sqrt()))),
        "exp" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| Some(n.exp()))),
        "ln" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| (n > 0.0).then(|| n.ln()))),
        "log2" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| (n > 0.0).then(|| n.log2()))),
        "log10" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| (n > 0.0).then(|| n.log10()))),
        "log" => args.call(1, 2, double, log),
        "sin" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| Some(n.sin()))),
        "cos" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| Some(n.cos()))),
        "tan" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| Some(n.tan()))),
        "asin" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| (n.abs() <= 1.0).then(|| n.asin()))),
        "acos" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| (n.abs() <= 1.0).then(|| n.acos()))),
        "atan" | "atan2" => args.call(1, 2, double, atan),
        "cot" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| Some(n.tan().recip()))),
        "radians" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| Some(n.to_radians()))),
        "degrees" => args.call(1, 1, double, |_, args, cx| real(args, cx, |n| Some(n.to_degrees()))),
        "pi" => args.call(0, 0, Type { scale: 6, ..double }, |_, _, _| Ok(Val::Real(std::f64::consts::PI))),
        "conv" => args.call(3, 3, plain_text(), conv),
        "bin" => args.call(1, 1, plain_text(), |_, args, cx| radix(args, cx, |n| format!("{n:b}"))),
        "oct" => args.call(1, 1, plain_text(), |_, args, cx| radix(args, cx, |n| format!("{n:o}"))),
        "bit_count" => args.call(1, 1, Type::int(false), bit_count),
        "greatest" => extreme(args, |_, args, cx| choose(args, cx, true)),
        "least" => extreme(args, |_, args, cx| choose(args, cx, false)),
        _ => return Err(args),
    })
}

fn real<'a>(args: &'a [Node], cx: &Cx<'a>, function: fn(f64) -> Option<f64>) -> Evaluated<'a> {
    let Some(n) = real_arg(args, 0, cx)? else { return Ok(Val::Null) };
    finite(function(n))
}

fn finite<'a>(n: Option<f64>) -> Evaluated<'a> {
    match n {
        None => Ok(Val::Null),
        Some(n) if n.is_finite() => Ok(Val::Real(n)),
        Some(_) => Err(Failure("DOUBLE value is out of range".into())),
    }
}

fn pow<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(a), Some(b)) = (real_arg(args, 0, cx)?, real_arg(args, 1, cx)?) else { return Ok(Val::Null) };
    finite(Some(a.powf(b)))
}

fn atan<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(y) = real_arg(args, 0, cx)? else { return Ok(Val::Null) };
    if args.len() == 1 {
        return Ok(Val::Real(y.atan()));
    }
    Ok(real_arg(args, 1, cx)?.map_or(Val::Null, |x| Val::Real(y.atan2(x))))
}

fn log<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(first) = real_arg(args, 0, cx)? else { return Ok(Val::Null) };
    if args.len() == 1 {
        return finite((first > 0.0).then(|| first.ln()));
    }
    let Some(n) = real_arg(args, 1, cx)? else { return Ok(Val::Null) };
    finite((first > 0.0 && n > 0.0 && first != 1.0).then(|| n.ln() / first.ln()))
}

fn abs_call(args: Args<'_>) -> super::Built {
    let given = args.ty(0);
    match numeric(&given) {
        Numeric::Integer => {
            args.call(1, 1, Type { whole: given.whole.max(2), ..Type::int(given.unsigned) }, |node, args, cx| {
                convert::integer(&value_arg(args, 0, cx)?).map_or(Ok(Val::Null), |n| ranged(n.abs(), node.ty.unsigned))
            })
        }
        Numeric::Decimal => {
            let ty = Type { unsigned: given.unsigned, ..Type::decimal(given.whole, scale_of(&given)) };
            args.call(1, 1, ty, |_, args, cx| {
                let n = convert::decimal(&value_arg(args, 0, cx)?);
                Ok(n.map_or(Val::Null, |n| Val::Dec(if n.is_negative() { n.neg() } else { n })))
            })
        }
        Numeric::Real => args.call(1, 1, Type::double(), |_, args, cx| real(args, cx, |n| Some(n.abs()))),
    }
}

fn sign<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let value = value_arg(args, 0, cx)?;
    if let Val::Dec(n) = &value {
        return Ok(Val::Int(if n.is_zero() {
            0
        } else if n.is_negative() {
            -1
        } else {
            1
        }));
    }
    Ok(convert::real(&value).map_or(Val::Null, |n| Val::Int(if n == 0.0 { 0 } else { n.signum() as i64 })))
}

/// ROUND and TRUNCATE: the type keeps the class of the number, a constant number of digits fixes the scale.
fn rounding(args: Args<'_>, function: Function) -> super::Built {
    args.check(1, 2)?;
    if args.name == "truncate" {
        args.check(2, 2)?;
    }
    let given = args.ty(0);
    let digits = if args.nodes.len() == 1 { Some(0) } else { args.constant_int(1) };
    let computed = args.nodes.first().is_some_and(|arg| !arg.is_column() && arg.as_const().is_none());
    let stays = args.name == "truncate" && digits == Some(0);
    if args.mysql_before(MYSQL_80) && computed && !stays && numeric(&given) == Numeric::Integer && given.whole >= 20 {
        // It has 22 digits by the server's count, or fewer.
        return Err(format!(
            "{} of a computed BIGINT is an integer or a decimal on MySQL before 8.0, by digits that it might have; it is not supported",
            args.name.to_uppercase()
        ));
    }
    // MariaDB and old MySQL show as many digits as they were told.
    let shown = args.is_old();
    // MariaDB rounds an integer of ten digits or more to a decimal, for it may need one more.
    let narrow = args.nodes.first().is_some_and(|arg| arg.is_column() && given.whole <= 10) || given.whole < 9;
    let rounds_up =
        args.server.is_mariadb() && args.name == "round" && !narrow && digits.is_some_and(|digits| digits < 0);
    let ty = match numeric(&given) {
        Numeric::Integer if rounds_up => Type::decimal(20, 0),
        Numeric::Integer => Type { whole: given.whole.max(2), ..Type::int(given.unsigned) },
        Numeric::Decimal => {
            let scale = match digits {
                Some(digits) => digits.clamp(0, i64::from(MAX_SCALE)) as u8,
                None => scale_of(&given),
            };
            let scale = if shown { scale } else { scale.min(scale_of(&given)) };
            Type::decimal(given.whole.saturating_add(1), scale)
        }
        Numeric::Real => match digits.filter(|_| shown) {
            Some(digits) => Type { scale: digits.clamp(0, i64::from(Type::FREE)) as u8, ..Type::double() },
            None => Type::double(),
        },
    };
    Ok(Node { ty, op: Op::Call(function, args.nodes) })
}

fn digits(args: &[Node], value: Option<i64>) -> Option<i32> {
    if args.len() == 1 { Some(0) } else { value.map(|n| n.clamp(-400, 400) as i32) }
}

fn round<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    cut(node, args, cx, true)
}

fn truncate<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    cut(node, args, cx, false)
}

fn cut<'a>(node: &'a Node, args: &'a [Node], cx: &Cx<'a>, round: bool) -> Evaluated<'a> {
    let value = value_arg(args, 0, cx)?;
    let given = if args.len() > 1 { int_arg(args, 1, cx)? } else { None };
    let Some(digits) = digits(args, given) else { return Ok(Val::Null) };
    if value.is_null() {
        return Ok(Val::Null);
    }
    match node.ty.kind {
        Kind::Int => {
            let Some(n) = convert::integer(&value) else { return Ok(Val::Null) };
            if digits >= 0 {
                return ranged(n, node.ty.unsigned);
            }
            let Some(ten) = 10i128.checked_pow(digits.unsigned_abs()) else { return ranged(0, node.ty.unsigned) };
            let base = n / ten * ten;
            let rest = (n - base).abs();
            let n = if round && rest * 2 >= ten { base + n.signum() * ten } else { base };
            if cx.mysql_before(MYSQL_80) {
                return Ok(if node.ty.unsigned { Val::UInt(n as u64) } else { Val::Int(n as i64) });
            }
            ranged(n, node.ty.unsigned)
        }
        Kind::Decimal => {
            let Some(n) = convert::decimal(&value) else { return Ok(Val::Null) };
            let digits = digits.min(n.scale().into());
            let cut = if round { n.round_at(digits) } else { n.truncate(digits) };
            let cut = cut.unsigned_zero();
            Ok(Val::Dec(if cut.scale() < node.ty.scale { cut.round(node.ty.scale) } else { cut }))
        }
        _ => {
            let Some(n) = convert::real(&value) else { return Ok(Val::Null) };
            Ok(Val::Real(cut_real(n, digits, round)))
        }
    }
}

/// As the server: by a power of ten, halves to even.
pub fn cut_real(n: f64, digits: i32, round: bool) -> f64 {
    let power = 10f64.powi(digits.abs());
    let scaled = if digits < 0 { n / power } else { n * power };
    if digits < 0 && power.is_infinite() {
        return 0.0;
    }
    if !scaled.is_finite() || !power.is_finite() {
        return n;
    }
    let cut = if round { scaled.round_ties_even() } else { scaled.trunc() };
    if digits < 0 { cut * power } else { cut / power }
}

/// CEIL and FLOOR: integers where the digits in front of the point fit, decimals else.
fn whole(args: Args<'_>, function: Function) -> super::Built {
    let given = args.ty(0);
    let ty = match numeric(&given) {
        // Old MySQL has a decimal for what may have 20 digits.
        Numeric::Integer if args.mysql_before(MYSQL_80) && given.whole >= 20 => Type::decimal(20, 0),
        Numeric::Integer => Type { whole: given.whole.max(2), ..Type::int(given.unsigned) },
        Numeric::Decimal if given.whole < 18 => Type::int(false),
        Numeric::Decimal => Type::decimal(given.whole.saturating_add(1), 0),
        Numeric::Real if args.is_old() => Type { scale: 0, ..Type::double() },
        Numeric::Real => Type::double(),
    };
    args.call(1, 1, ty, function)
}

fn floor<'a>(args: &'a [Node], cx: &Cx<'a>, up: bool) -> Evaluated<'a> {
    let value = value_arg(args, 0, cx)?;
    let class = args.first().map_or(Numeric::Integer, |arg| numeric(&arg.ty));
    Ok(match class {
        _ if value.is_null() => Val::Null,
        Numeric::Integer => convert::integer(&value).map_or(Ok(Val::Null), |n| {
            let unsigned = args.first().is_some_and(|arg| arg.ty.unsigned);
            ranged(n, unsigned)
        })?,
        Numeric::Decimal => convert::decimal(&value).map_or(Val::Null, |n| Val::Dec(n.floor(up))),
        Numeric::Real => convert::real(&value).map_or(Val::Null, |n| Val::Real(if up { n.ceil() } else { n.floor() })),
    })
}

fn modulo(mut args: Args<'_>) -> super::Built {
    args.check(2, 2)?;
    match (args.nodes.pop(), args.nodes.pop()) {
        (Some(b), Some(a)) => crate::rules::expression::arith::binary(Binary::Mod, a, b),
        _ => Err("MOD needs two arguments".into()),
    }
}

fn conv<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(text), Some(from), Some(to)) = (text_arg(args, 0, cx)?, int_arg(args, 1, cx)?, int_arg(args, 2, cx)?)
    else {
        return Ok(Val::Null);
    };
    let base = |n: i64| u32::try_from(n.unsigned_abs()).ok().filter(|n| (2..=36).contains(n));
    let (Some(source), Some(target)) = (base(from), base(to)) else { return Ok(Val::Null) };
    let text = text.trim_ascii_start();
    let (negative, digits) = match text.split_first() {
        Some((b'-', rest)) => (true, rest),
        Some((b'+', rest)) => (false, rest),
        _ => (false, text),
    };
    let mut n: u128 = 0;
    for digit in digits.iter().map_while(|b| char::from(*b).to_digit(source)) {
        n = n.saturating_mul(source.into()).saturating_add(digit.into());
    }
    let bits = if from < 0 {
        let limit = if negative { 1u128 << 63 } else { (1u128 << 63) - 1 };
        let n = n.min(limit) as u64;
        if negative { n.wrapping_neg() } else { n }
    } else {
        let n = u64::try_from(n).unwrap_or(u64::MAX);
        if negative { n.wrapping_neg() } else { n }
    };
    let (minus, mut rest) =
        if to < 0 && (bits as i64) < 0 { (true, (bits as i64).unsigned_abs()) } else { (false, bits) };
    let mut out = Vec::new();
    loop {
        let digit = (rest % u64::from(target)) as u32;
        out.extend(char::from_digit(digit, target).map(|c| c.to_ascii_uppercase() as u8));
        rest /= u64::from(target);
        if rest == 0 {
            break;
        }
    }
    if minus {
        out.push(b'-');
    }
    out.reverse();
    Ok(Val::owned(out))
}

fn radix<'a>(args: &'a [Node], cx: &Cx<'a>, print: fn(u64) -> String) -> Evaluated<'a> {
    let value = value_arg(args, 0, cx)?;
    let bits = match &value {
        Val::Null => return Ok(Val::Null),
        Val::Text(text) => number::to_integer(text).0,
        // The number's text is read up to the point.
        Val::Real(_) | Val::Float(_) | Val::Dec(_) => match convert::decimal(&value) {
            Some(n) => n.truncate(0).to_integer().unwrap_or(i128::MAX),
            None => return Ok(Val::Null),
        },
        other => convert::integer(other).unwrap_or(0),
    };
    let bits = if bits < 0 { bits.max(i64::MIN.into()) as i64 as u64 } else { bits.min(u64::MAX.into()) as u64 };
    Ok(Val::owned(print(bits)))
}

fn bit_count<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    if args.first().is_some_and(|arg| arg.ty.kind == Kind::Text && arg.ty.is_binary()) {
        return Err(Failure("BIT_COUNT over a binary string is not supported".into()));
    }
    Ok(convert::bits(&value_arg(args, 0, cx)?, cx).map_or(Val::Null, |bits| Val::Int(bits.count_ones().into())))
}

/// GREATEST and LEAST.
fn extreme(mut args: Args<'_>, function: Function) -> super::Built {
    args.check(2, usize::MAX)?;
    let kinds: Vec<Kind> = args.nodes.iter().map(|node| node.ty.kind).filter(|kind| *kind != Kind::Null).collect();
    let temporal = kinds.iter().filter(|kind| kind.is_temporal()).count();
    if temporal > 0 && temporal < kinds.len() || kinds.contains(&Kind::Json) {
        return Err(format!("{} over dates and other types is not supported", args.name.to_uppercase()));
    }
    let mut ty = flow::merge(args.server, args.nodes.iter().map(|node| &node.ty))?;
    let numbers = |kind: &Kind| kind.is_integer() || kind.is_real() || *kind == Kind::Decimal;
    if ty.kind == Kind::Text && kinds.iter().any(numbers) {
        // With a number among them, MySQL compares as texts where one is a text; MariaDB as doubles.
        return Err(format!("{} over texts and numbers differs between servers; use CAST", args.name.to_uppercase()));
    }
    if matches!(ty.kind, Kind::Enum | Kind::Set) {
        ty.kind = Kind::Text;
    }
    for node in &mut args.nodes {
        flow::coerce(node, &ty);
    }
    Ok(Node { ty, op: Op::Call(function, args.nodes) })
}

fn choose<'a>(args: &'a [Node], cx: &Cx<'a>, greatest: bool) -> Evaluated<'a> {
    let mut best: Option<(Val<'a>, &Node)> = None;
    for arg in args {
        let value = arg.eval(cx)?;
        if value.is_null() {
            return Ok(Val::Null);
        }
        let better = match &best {
            None => true,
            Some((held, node)) => {
                let how = match arg.ty.kind {
                    kind if kind.is_integer() => Comparison::Integer,
                    Kind::Decimal => Comparison::Decimal,
                    Kind::Float | Kind::Double => Comparison::Real,
                    Kind::Time => Comparison::Time,
                    kind if kind.has_date() => Comparison::DateTime,
                    _ => Comparison::Text(arg.ty.collation),
                };
                let order = how.order((borrow(&value), &arg.ty), (borrow(held), &node.ty), cx);
                // Of equal texts GREATEST of MySQL 8.0 and later gives the last one.
                let last = greatest && !cx.mariadb && cx.version >= MYSQL_80;
                order.is_some_and(|order| if greatest { order.is_gt() || last && order.is_eq() } else { order.is_lt() })
            }
        };
        if better {
            best = Some((value, arg));
        }
    }
    Ok(best.map_or(Val::Null, |(value, _)| value))
}
