//! Functions of JSON values (manual 14.17).

use std::borrow::Cow;

use serde_json::Value;

use super::{Args, Topic, value_arg};
use crate::rules::expression::{
    collation::Collation,
    compile::{Built, boolean},
    json::{self, Leg},
    node::{Cx, Node, Op},
    release::MYSQL_80,
    typed::{Evaluated, Failure, Kind, Type, Val, strength},
};
use crate::schema::ServerInfo;

pub fn build(args: Args<'_>) -> Topic<'_> {
    let text = Type::text(Collation::JSON, strength::IMPLICIT);
    Ok(match args.name {
        "json_extract" => check_paths(&args, 1).and_then(|()| args.call(2, usize::MAX, Type::json(), extract)),
        "json_unquote" => args.call(1, 1, text, unquote),
        "json_type" => args.call(1, 1, text, type_name),
        "json_valid" => args.call(1, 1, boolean(), valid),
        "json_length" => check_paths(&args, 1).and_then(|()| args.call(1, 2, Type::int(false), length)),
        "json_contains" => check_paths(&args, 2).and_then(|()| args.call(2, 3, boolean(), contains)),
        "json_contains_path" => check_paths(&args, 2).and_then(|()| args.call(3, usize::MAX, boolean(), contains_path)),
        "json_value" => Err("JSON_VALUE is not supported; use JSON_UNQUOTE(JSON_EXTRACT(..))".into()),
        _ => return Err(args),
    })
}

/// `column -> path` and `column ->> path`.
pub fn arrow(column: Node, path: Node, unquoted: bool, server: ServerInfo) -> Built {
    if !matches!(column.ty.kind, Kind::Json | Kind::Null) {
        return Err("before -> and ->> stands a JSON column".into());
    }
    let args = Args { name: "json_extract", nodes: vec![column, path], server };
    check_paths(&args, 1)?;
    let found = args.call(2, 2, Type::json(), extract)?;
    if !unquoted {
        return Ok(found);
    }
    let ty = Type::text(Collation::JSON, strength::IMPLICIT);
    Ok(Node { ty, op: Op::Call(unquote, vec![found]) })
}

/// Paths must be constant and readable.
pub fn check_paths(args: &Args<'_>, from: usize) -> Result<(), String> {
    for node in args.nodes.iter().skip(from) {
        match node.as_const() {
            Some(Val::Text(text)) => {
                let readable = std::str::from_utf8(text).ok().and_then(json::path);
                let legs = readable.ok_or("a JSON path can't be read (`**` and ranges are not supported)")?;
                if args.mysql_before(MYSQL_80) && legs.iter().any(|leg| matches!(leg, Leg::FromEnd(_))) {
                    return Err("`last` in a JSON path needs MySQL 8.0 or later".into());
                }
            }
            Some(Val::Null) => {}
            _ => return Err("a JSON path must be a constant text".into()),
        }
    }
    Ok(())
}

pub fn document<'a>(args: &'a [Node], at: usize, cx: &Cx<'a>) -> Result<Option<Cow<'a, Value>>, Failure> {
    match value_arg(args, at, cx)? {
        Val::Null => Ok(None),
        Val::Json(value) => Ok(Some(value)),
        Val::Text(text) => {
            let parsed = std::str::from_utf8(&text).ok().and_then(json::parse);
            parsed.map(|value| Some(Cow::Owned(value))).ok_or_else(|| Failure("a text is no JSON".into()))
        }
        _ => Err(Failure("a value is no JSON".into())),
    }
}

pub fn legs<'a>(args: &'a [Node], at: usize, cx: &Cx<'a>) -> Result<Option<Vec<Leg>>, Failure> {
    let text = super::text_arg(args, at, cx)?;
    Ok(text.and_then(|text| std::str::from_utf8(&text).ok().and_then(json::path)))
}

fn extract<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(value) = document(args, 0, cx)? else { return Ok(Val::Null) };
    let mut found = Vec::new();
    let mut many = args.len() > 2;
    for at in 1..args.len() {
        let Some(legs) = legs(args, at, cx)? else { return Ok(Val::Null) };
        many |= legs.iter().any(|leg| matches!(leg, Leg::AnyMember | Leg::AnyCell));
        found.extend(json::find(&value, &legs).into_iter().cloned());
    }
    Ok(match (found.is_empty(), many) {
        (true, _) => Val::Null,
        (false, true) => Val::Json(Cow::Owned(Value::Array(found))),
        (false, false) => Val::Json(Cow::Owned(found.swap_remove(0))),
    })
}

fn unquote<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(match value_arg(args, 0, cx)? {
        Val::Null => Val::Null,
        Val::Json(value) => match value.into_owned() {
            Value::String(text) => Val::owned(text),
            other => Val::owned(json::to_text(&other, cx.mysql_before(MYSQL_80))),
        },
        Val::Text(text) => {
            let quoted = text.len() > 1 && text.starts_with(b"\"") && text.ends_with(b"\"");
            if !quoted {
                return Ok(Val::Text(text));
            }
            match serde_json::from_slice::<String>(&text) {
                Ok(plain) => Val::owned(plain),
                Err(_) => return Err(Failure("a text is no JSON".into())),
            }
        }
        _ => return Err(Failure("a value is no JSON".into())),
    })
}

fn type_name<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(value) = document(args, 0, cx)? else { return Ok(Val::Null) };
    Ok(Val::owned(match &*value {
        Value::Null => "NULL",
        Value::Bool(_) => "BOOLEAN",
        Value::Number(n) if n.is_f64() => "DOUBLE",
        // The server's parser reads integers from 2^32 on as unsigned.
        Value::Number(n) if n.as_u64().is_some_and(|n| n > u64::from(u32::MAX)) => "UNSIGNED INTEGER",
        Value::Number(_) => "INTEGER",
        Value::String(_) => "STRING",
        Value::Array(_) => "ARRAY",
        Value::Object(_) => "OBJECT",
    }))
}

fn valid<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    Ok(match value_arg(args, 0, cx)? {
        Val::Null => Val::Null,
        Val::Json(_) => Val::Int(1),
        Val::Text(text) => Val::Int(std::str::from_utf8(&text).ok().and_then(json::parse).is_some().into()),
        _ => Val::Int(0),
    })
}

fn length<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(value) = document(args, 0, cx)? else { return Ok(Val::Null) };
    let mut found = &*value;
    if args.len() > 1 {
        let Some(legs) = legs(args, 1, cx)? else { return Ok(Val::Null) };
        match json::find(found, &legs).first() {
            Some(inner) => found = inner,
            None => return Ok(Val::Null),
        }
    }
    Ok(Val::Int(match found {
        Value::Array(items) => items.len() as i64,
        Value::Object(members) => members.len() as i64,
        _ => 1,
    }))
}

fn contains<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(target), Some(candidate)) = (document(args, 0, cx)?, document(args, 1, cx)?) else {
        return Ok(Val::Null);
    };
    let mut place = &*target;
    if args.len() > 2 {
        let Some(legs) = legs(args, 2, cx)? else { return Ok(Val::Null) };
        match json::find(place, &legs).first() {
            Some(inner) => place = inner,
            None => return Ok(Val::Null),
        }
    }
    Ok(Val::Int(json::contains(place, &candidate).into()))
}

fn contains_path<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(value) = document(args, 0, cx)? else { return Ok(Val::Null) };
    let Some(how) = super::text_arg(args, 1, cx)? else { return Ok(Val::Null) };
    let all = how.eq_ignore_ascii_case(b"all");
    if !all && !how.eq_ignore_ascii_case(b"one") {
        return Err(Failure("the second argument of JSON_CONTAINS_PATH is 'one' or 'all'".into()));
    }
    for at in 2..args.len() {
        let Some(legs) = legs(args, at, cx)? else { return Ok(Val::Null) };
        let found = !json::find(&value, &legs).is_empty();
        if found != all {
            return Ok(Val::Int(found.into()));
        }
    }
    Ok(Val::Int(all.into()))
}
