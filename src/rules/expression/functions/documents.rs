//! More functions of JSON values (manual 14.17): what documents hold, and documents made of values.

use std::borrow::Cow;

use serde_json::{Map, Value};

use super::{
    Args, Topic,
    json::{check_paths, document, legs},
    text_arg, value_arg,
};
use crate::rules::expression::{
    collation::Collation,
    compile::{Built, boolean},
    json::{self, Leg},
    like,
    node::{Cx, Function, Node},
    release::{MYSQL_57, MYSQL_80},
    typed::{Evaluated, Failure, Kind, Type, Val, strength},
};

pub fn build(args: Args<'_>) -> Topic<'_> {
    let text = Type::text(Collation::JSON, strength::IMPLICIT);
    Ok(match args.name {
        "json_keys" => check_paths(&args, 1).and_then(|()| of_mysql(args, 1, 2, Type::json(), keys)),
        "json_depth" => of_mysql(args, 1, 1, Type::int(false), depth),
        "json_quote" => quote_call(args, text),
        "json_overlaps" => newer(args, 2, overlaps),
        "member_of" => newer(args, 2, member_of),
        "json_search" => search_call(args),
        "json_array" => made_of(&args, 0).and_then(|()| of_mysql(args, 0, usize::MAX, Type::json(), array)),
        "json_object" => made_of(&args, 1).and_then(|()| of_mysql(args, 0, usize::MAX, Type::json(), object)),
        _ => return Err(args),
    })
}

/// MariaDB's JSON is text, whose own form shows in the results.
fn of_mysql(args: Args<'_>, least: usize, most: usize, ty: Type, function: Function) -> Built {
    if args.server.is_mariadb() || args.mysql_before(MYSQL_57) {
        return Err(format!("{} is supported for MySQL 5.7 and later", args.name.to_uppercase()));
    }
    args.call(least, most, ty, function)
}

fn newer(args: Args<'_>, count: usize, function: Function) -> Built {
    if args.mysql_before(80_017) {
        return Err(format!("{} needs MySQL 8.0.17 or later", args.name.to_uppercase()));
    }
    of_mysql(args, count, count, boolean(), function)
}

/// Keys stand in the order of MySQL's documents: by length, then by bytes.
fn keys<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let Some(value) = document(args, 0, cx)? else { return Ok(Val::Null) };
    let mut found = &*value;
    if args.len() > 1 {
        let Some(legs) = legs(args, 1, cx)? else { return Ok(Val::Null) };
        if legs.iter().any(|leg| matches!(leg, Leg::AnyMember | Leg::AnyCell)) {
            return Err(Failure("a path with wildcards names no single value".into()));
        }
        match json::find(found, &legs).first() {
            Some(inner) => found = inner,
            None => return Ok(Val::Null),
        }
    }
    Ok(match found {
        Value::Object(members) => Val::Json(Cow::Owned(sorted(members).into_iter().map(Value::from).collect())),
        _ => Val::Null,
    })
}

fn sorted(members: &Map<String, Value>) -> Vec<&str> {
    let mut keys: Vec<&str> = members.keys().map(String::as_str).collect();
    keys.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
    keys
}

fn depth<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    fn of(value: &Value) -> i64 {
        match value {
            Value::Array(items) => 1 + items.iter().map(of).max().unwrap_or(0),
            Value::Object(members) => 1 + members.values().map(of).max().unwrap_or(0),
            _ => 1,
        }
    }
    Ok(document(args, 0, cx)?.map_or(Val::Null, |value| Val::Int(of(&value))))
}

fn quote_call(args: Args<'_>, ty: Type) -> Built {
    if !matches!(args.ty(0).kind, Kind::Text | Kind::Null) || args.ty(0).collation.is_binary() {
        return Err("JSON_QUOTE takes a text".into());
    }
    of_mysql(args, 1, 1, ty, |_, args, cx| {
        let Some(text) = text_arg(args, 0, cx)? else { return Ok(Val::Null) };
        let text = std::str::from_utf8(&text).map_err(|_| Failure("a text is no UTF-8".into()))?;
        Ok(Val::owned(Value::from(text).to_string()))
    })
}

fn same(a: &Value, b: &Value) -> bool {
    json::compare(a, b).is_eq()
}

fn overlaps<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (Some(a), Some(b)) = (document(args, 0, cx)?, document(args, 1, cx)?) else { return Ok(Val::Null) };
    let in_array = |items: &[Value], other: &Value| items.iter().any(|item| same(item, other));
    Ok(Val::Int(i64::from(match (&*a, &*b) {
        (Value::Array(x), Value::Array(y)) => x.iter().any(|item| in_array(y, item)),
        (Value::Array(items), other) | (other, Value::Array(items)) => in_array(items, other),
        (Value::Object(x), Value::Object(y)) => x.iter().any(|(key, value)| y.get(key).is_some_and(|v| same(v, value))),
        (x, y) => same(x, y),
    })))
}

/// `value MEMBER OF(array)`.
fn member_of<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let ty = args.first().map_or(Type::null(), |arg| arg.ty);
    let wanted = json::of(value_arg(args, 0, cx)?, &ty);
    let (Some(wanted), Some(list)) = (wanted, document(args, 1, cx)?) else { return Ok(Val::Null) };
    Ok(Val::Int(i64::from(match &*list {
        Value::Array(items) => items.iter().any(|item| same(item, &wanted)),
        other => same(other, &wanted),
    })))
}

/// JSON_SEARCH without paths.
fn search_call(args: Args<'_>) -> Built {
    args.check(3, 4)?;
    let escape = match args.nodes.get(3).map(Node::as_const) {
        None | Some(Some(Val::Null)) => true,
        Some(Some(Val::Text(text))) => text.as_ref() == b"\\",
        _ => false,
    };
    if !escape {
        return Err("JSON_SEARCH with an escape character of its own is not supported".into());
    }
    of_mysql(args, 3, 4, Type::json(), search)
}

fn search<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let (value, how, wanted) = (document(args, 0, cx)?, text_arg(args, 1, cx)?, text_arg(args, 2, cx)?);
    let (Some(value), Some(how), Some(wanted)) = (value, how, wanted) else { return Ok(Val::Null) };
    let all = how.eq_ignore_ascii_case(b"all");
    if !all && !how.eq_ignore_ascii_case(b"one") {
        return Err(Failure("the second argument of JSON_SEARCH is 'one' or 'all'".into()));
    }
    let mut found = Vec::new();
    places(&value, "$", &wanted, &mut found);
    found.truncate(if all { usize::MAX } else { 1 });
    Ok(match found.len() {
        0 => Val::Null,
        1 => Val::Json(Cow::Owned(Value::from(found.swap_remove(0)))),
        _ => Val::Json(Cow::Owned(found.into_iter().map(Value::from).collect())),
    })
}

/// Paths of the strings that are like a pattern.
fn places(value: &Value, path: &str, pattern: &[u8], out: &mut Vec<String>) {
    match value {
        Value::String(text) if like::holds(text.as_bytes(), pattern) => out.push(path.to_owned()),
        Value::Array(items) => {
            items.iter().enumerate().for_each(|(at, item)| places(item, &format!("{path}[{at}]"), pattern, out));
        }
        Value::Object(members) => {
            for key in sorted(members) {
                let mut letters = key.chars();
                let first = letters.next().is_some_and(|c| c.is_alphabetic() || c == '_' || c == '$');
                let plain = first && letters.all(|c| c.is_alphanumeric() || c == '_' || c == '$');
                let leg = if plain { key.to_owned() } else { Value::from(key).to_string() };
                if let Some(member) = members.get(key) {
                    places(member, &format!("{path}.{leg}"), pattern, out);
                }
            }
        }
        _ => {}
    }
}

/// Documents are made of integers, truth values, texts and documents: other types would show as what JSON has no form for.
/// `keys`: the first of each so many arguments is a key.
fn made_of(args: &Args<'_>, keys: usize) -> Result<(), String> {
    if keys > 0 && !args.nodes.len().is_multiple_of(2) {
        return Err("JSON_OBJECT takes pairs of keys and values".into());
    }
    for (at, node) in args.nodes.iter().enumerate() {
        let text = node.ty.kind == Kind::Text && !node.ty.collation.is_binary();
        let value = text || matches!(node.ty.kind, Kind::Null | Kind::Int | Kind::Json);
        if !value || keys > 0 && at % 2 == 0 && !text {
            return Err(format!("{} takes integers, texts and JSON values", args.name.to_uppercase()));
        }
    }
    Ok(())
}

fn member<'a>(args: &'a [Node], at: usize, cx: &Cx<'a>) -> Result<Value, Failure> {
    let ty = args.get(at).map_or(Type::null(), |arg| arg.ty);
    let value = value_arg(args, at, cx)?;
    if value.is_null() {
        return Ok(Value::Null);
    }
    json::of(value, &ty).map(Cow::into_owned).ok_or_else(|| Failure("a text is no UTF-8".into()))
}

fn array<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let items: Result<Vec<Value>, Failure> = (0..args.len()).map(|at| member(args, at, cx)).collect();
    Ok(Val::Json(Cow::Owned(Value::Array(items?))))
}

fn object<'a>(_: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a> {
    let mut given = Map::new();
    for at in (0..args.len()).step_by(2) {
        let key = text_arg(args, at, cx)?.ok_or_else(|| Failure("a key of JSON_OBJECT is NULL".into()))?;
        let key = String::from_utf8(key.into_owned()).map_err(|_| Failure("a text is no UTF-8".into()))?;
        let value = member(args, at + 1, cx)?;
        // Of two members of one name old servers keep the first.
        if !(cx.mysql_before(MYSQL_80) && given.contains_key(&key)) {
            given.insert(key, value);
        }
    }
    let members = sorted(&given).into_iter().filter_map(|key| Some((key.to_owned(), given.get(key)?.clone())));
    Ok(Val::Json(Cow::Owned(Value::Object(members.collect()))))
}
