//! JSON values: their text, their order, paths into them (manual 14.17, 13.5).

use std::{borrow::Cow, cmp::Ordering};

use serde_json::{Number, Value};

use super::{
    convert, number,
    typed::{Kind, Type, Val},
};

/// Reads a document. None: it is none, or deeper than 128 levels.
pub fn parse(text: &str) -> Option<Value> {
    serde_json::from_str(text).ok()
}

/// As the server prints it: `{"a": 1, "b": [2, "c"]}`.
/// `pointless`: MySQL before 8.0 prints whole doubles as integers.
pub fn to_text(value: &Value, pointless: bool) -> String {
    let mut out = String::new();
    write(value, pointless, &mut out);
    out
}

fn write(value: &Value, pointless: bool, out: &mut String) {
    match value {
        Value::Array(items) => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                write(item, pointless, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (i, (key, member)) in members.iter().enumerate() {
                if i > 0 {
                    out.push_str(", ");
                }
                out.push_str(&Value::String(key.clone()).to_string());
                out.push_str(": ");
                write(member, pointless, out);
            }
            out.push('}');
        }
        Value::Number(n) => out.push_str(&number(n, pointless)),
        other => out.push_str(&other.to_string()),
    }
}

/// Doubles keep their point.
fn number(n: &Number, pointless: bool) -> String {
    match n.as_f64() {
        Some(real) if n.is_f64() => {
            let text = number::real_text(real);
            if pointless || text.contains(['.', 'e']) { text } else { format!("{text}.0") }
        }
        _ => n.to_string(),
    }
}

/// The text that a number is read from: of a number or a string; truth values are 1 and 0.
pub fn number_text(value: &Value) -> Cow<'_, str> {
    match value {
        Value::Number(n) => Cow::Owned(number(n, false)),
        Value::String(text) => Cow::Borrowed(text),
        Value::Bool(true) => Cow::Borrowed("1"),
        _ => Cow::Borrowed("0"),
    }
}

/// An integer, exactly.
pub fn integer(value: &Value) -> Option<i128> {
    match value {
        Value::Number(n) if !n.is_f64() => exact(n),
        _ => None,
    }
}

/// Whether a value counts as true: all but the number zero.
pub fn truth(value: &Value) -> bool {
    match value {
        Value::Number(n) => n.as_f64() != Some(0.0),
        _ => true,
    }
}

/// A value beside JSON: texts are JSON strings, numbers are numbers.
pub fn of<'a>(value: Val<'a>, ty: &Type) -> Option<Cow<'a, Value>> {
    Some(match value {
        Val::Null => return None,
        Val::Json(value) => value,
        Val::Int(n) if ty.whole == 1 && ty.kind == Kind::Int => Cow::Owned(Value::Bool(n != 0)),
        Val::Int(n) => Cow::Owned(n.into()),
        Val::UInt(n) => Cow::Owned(n.into()),
        Val::Year(n) => Cow::Owned(n.into()),
        Val::Real(_) | Val::Float(_) | Val::Dec(_) => Cow::Owned(Number::from_f64(convert::real(&value)?)?.into()),
        other => Cow::Owned(Value::String(String::from_utf8(convert::text(other, ty)?.into_owned()).ok()?)),
    })
}

/// The rank of a type where types differ; higher types are greater.
fn rank(value: &Value) -> u8 {
    match value {
        Value::Null => 0,
        Value::Number(_) => 1,
        Value::String(_) => 2,
        Value::Object(_) => 3,
        Value::Array(_) => 4,
        Value::Bool(_) => 5,
    }
}

/// The order of two values (manual 13.5, Comparison and Ordering of JSON Values).
pub fn compare(a: &Value, b: &Value) -> Ordering {
    match (a, b) {
        (Value::Number(x), Value::Number(y)) => numbers(x, y),
        (Value::String(x), Value::String(y)) => x.as_bytes().cmp(y.as_bytes()),
        (Value::Bool(x), Value::Bool(y)) => x.cmp(y),
        (Value::Array(x), Value::Array(y)) => {
            let different = x.iter().zip(y).map(|(x, y)| compare(x, y)).find(|order| order.is_ne());
            different.unwrap_or_else(|| x.len().cmp(&y.len()))
        }
        (Value::Object(x), Value::Object(y)) => objects(x, y),
        _ => rank(a).cmp(&rank(b)),
    }
}

/// Only equality means something; the order is that of the sizes, then of keys and members.
fn objects(x: &serde_json::Map<String, Value>, y: &serde_json::Map<String, Value>) -> Ordering {
    let sorted = |map: &serde_json::Map<String, Value>| {
        let mut keys: Vec<String> = map.keys().cloned().collect();
        keys.sort_by(|a, b| a.len().cmp(&b.len()).then_with(|| a.cmp(b)));
        keys
    };
    x.len().cmp(&y.len()).then_with(|| {
        let (a, b) = (sorted(x), sorted(y));
        let different = a.iter().zip(&b).map(|(a, b)| {
            a.cmp(b).then_with(|| match (x.get(a), y.get(b)) {
                (Some(x), Some(y)) => compare(x, y),
                _ => Ordering::Equal,
            })
        });
        different.into_iter().find(|order| order.is_ne()).unwrap_or(Ordering::Equal)
    })
}

fn numbers(x: &Number, y: &Number) -> Ordering {
    match (exact(x), exact(y)) {
        (Some(x), Some(y)) => x.cmp(&y),
        _ => x.as_f64().partial_cmp(&y.as_f64()).unwrap_or(Ordering::Equal),
    }
}

/// A number as an integer, if it is one; doubles too, so that they compare exactly beside large integers.
fn exact(n: &Number) -> Option<i128> {
    let integer = n.as_i64().map(i128::from).or_else(|| n.as_u64().map(i128::from));
    integer.or_else(|| n.as_f64().filter(|real| real.fract() == 0.0 && real.abs() < 1e30).map(|real| real as i128))
}

/// A step of a path.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Leg {
    Member(String),
    Cell(usize),
    /// `last - n`.
    FromEnd(usize),
    AnyMember,
    AnyCell,
}

/// Reads `$.a[0].*`; None for `**`, ranges and what is no path.
pub fn path(text: &str) -> Option<Vec<Leg>> {
    let mut rest = text.trim().strip_prefix('$')?;
    let mut legs = Vec::new();
    loop {
        rest = rest.trim_start();
        if rest.is_empty() {
            return Some(legs);
        }
        if let Some(after) = rest.strip_prefix('.') {
            let after = after.trim_start();
            if let Some(after) = after.strip_prefix('*') {
                legs.push(Leg::AnyMember);
                rest = after;
            } else if after.starts_with('"') {
                let mut stream = serde_json::Deserializer::from_str(after).into_iter::<String>();
                legs.push(Leg::Member(stream.next()?.ok()?));
                rest = after.get(stream.byte_offset()..)?;
            } else {
                let end = after.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(after.len());
                let name = after.get(..end).filter(|name| !name.is_empty())?;
                if name.starts_with(|c: char| c.is_ascii_digit()) {
                    return None;
                }
                legs.push(Leg::Member(name.to_owned()));
                rest = after.get(end..)?;
            }
        } else {
            let (inside, after) = rest.strip_prefix('[')?.split_once(']')?;
            let inside = inside.trim();
            legs.push(match inside.strip_prefix("last") {
                _ if inside == "*" => Leg::AnyCell,
                Some("") => Leg::FromEnd(0),
                Some(back) => Leg::FromEnd(back.trim().strip_prefix('-')?.trim().parse().ok()?),
                None => Leg::Cell(inside.parse().ok()?),
            });
            rest = after;
        }
    }
}

/// What a path finds. A value that is no array counts as an array of one.
pub fn find<'v>(value: &'v Value, legs: &[Leg]) -> Vec<&'v Value> {
    let mut found = vec![value];
    for leg in legs {
        found = found.into_iter().flat_map(|value| step(value, leg)).collect();
    }
    found
}

fn step<'v>(value: &'v Value, leg: &Leg) -> Vec<&'v Value> {
    match (leg, value) {
        (Leg::Member(name), Value::Object(members)) => members.get(name).into_iter().collect(),
        (Leg::AnyMember, Value::Object(members)) => members.values().collect(),
        (Leg::AnyCell, Value::Array(items)) => items.iter().collect(),
        (Leg::Cell(at), Value::Array(items)) => items.get(*at).into_iter().collect(),
        (Leg::FromEnd(back), Value::Array(items)) => {
            items.len().checked_sub(back + 1).and_then(|at| items.get(at)).into_iter().collect()
        }
        (Leg::Cell(0) | Leg::FromEnd(0), other) => vec![other],
        _ => Vec::new(),
    }
}

/// Whether `candidate` is in `target` (manual 14.17.3, under JSON_CONTAINS).
pub fn contains(target: &Value, candidate: &Value) -> bool {
    match (target, candidate) {
        (Value::Array(items), Value::Array(wanted)) => {
            wanted.iter().all(|wanted| items.iter().any(|item| contains(item, wanted)))
        }
        (Value::Array(items), other) => items.iter().any(|item| contains(item, other)),
        (Value::Object(members), Value::Object(wanted)) => {
            wanted.iter().all(|(key, wanted)| members.get(key).is_some_and(|member| contains(member, wanted)))
        }
        (target, candidate) => compare(target, candidate).is_eq(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_and_paths() {
        let value = parse(r#"{"a": [1, 2.0, "x"], "b c": {"d": null}, "e": 1e100}"#).unwrap();
        assert_eq!(to_text(&value, false), r#"{"a": [1, 2.0, "x"], "b c": {"d": null}, "e": 1e100}"#);
        let find = |text: &str| {
            let legs = path(text).unwrap();
            super::find(&value, &legs).into_iter().map(|value| to_text(value, false)).collect::<Vec<_>>()
        };
        assert_eq!(find("$.a[0]"), ["1"]);
        assert_eq!(find("$.a[last]"), ["\"x\""]);
        assert_eq!(find("$.a[last-1]"), ["2.0"]);
        assert_eq!(find("$.\"b c\".d"), ["null"]);
        assert_eq!(find("$.a[*]"), ["1", "2.0", "\"x\""]);
        assert_eq!(find("$[0].a[1]"), ["2.0"]);
        assert!(find("$.x").is_empty());
        for bad in ["a", "$.", "$[x]", "$**.a", "$.a["] {
            assert_eq!(path(bad), None, "{bad}");
        }
    }

    #[test]
    fn order_and_containment() {
        let v = |text: &str| parse(text).unwrap();
        assert_eq!(compare(&v("1"), &v("1.0")), Ordering::Equal);
        assert_eq!(compare(&v("\"a\""), &v("5")), Ordering::Greater);
        assert_eq!(compare(&v("[1,2]"), &v("[1,3]")), Ordering::Less);
        assert_eq!(compare(&v(r#"{"a":1,"b":2}"#), &v(r#"{"b":2,"a":1}"#)), Ordering::Equal);
        assert!(contains(&v("[1,[2,3]]"), &v("[3]")) || !contains(&v("[1,2]"), &v("3")));
        assert!(contains(&v(r#"{"a":1,"b":[1,2]}"#), &v(r#"{"b":[2]}"#)));
    }
}
