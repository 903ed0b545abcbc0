//! Updates of parts of a JSON document (`binlog_row_value_options=PARTIAL_JSON`): changes that, applied to the document
//! before, give the one after.
//!
//! A change is a byte (0 replace, 1 insert, 2 remove), a path with its length before it, and (but for remove) a stored
//! value with its length before it.

use bytes::Bytes;

use super::{
    cursor::{Cursor, Malformed, Parsed},
    json::{self, Container},
    json_text::{DEEPEST, Printer},
};
use crate::mysql::json::Json;

const REPLACE: u8 = 0;
const INSERT: u8 = 1;
const REMOVE: u8 = 2;

/// The document after the changes.
pub(super) fn apply(before: &Bytes, changes: &Bytes) -> Parsed<Json> {
    let kind = *before.first().ok_or(Malformed("a JSON document before its changes is empty"))?;
    let mut root = Node::read(kind, &before.slice(1..), 0)?;
    let cursor = &mut Cursor::new(changes);
    while !cursor.is_empty() {
        let operation = cursor.u8()?;
        let length = cursor.lenenc_len()?;
        let path = parse_path(cursor.slice(length)?)?;
        let value = if operation == REMOVE {
            None
        } else {
            let length = cursor.lenenc_len()?;
            let stored = cursor.bytes(length)?;
            let kind = *stored.first().ok_or(Malformed("a changed JSON value is empty"))?;
            Some(Node::read(kind, &stored.slice(1..), 0)?)
        };
        root.change(operation, &path, value)?;
    }
    let mut out = Printer::new(before.len().saturating_add(changes.len()));
    root.print(&mut out)?;
    Ok(out.finish())
}

enum Step {
    Key(Bytes),
    Index(usize),
}

/// `$."a b".c[3]`
fn parse_path(path: &[u8]) -> Parsed<Vec<Step>> {
    const WRONG: Malformed = Malformed("the path of a changed JSON value");
    let mut rest = path.strip_prefix(b"$").ok_or(WRONG)?;
    let mut steps = Vec::new();
    loop {
        rest = rest.trim_ascii_start();
        match rest.split_first() {
            None => return Ok(steps),
            Some((b'[', tail)) => {
                let end = tail.iter().position(|b| *b == b']').ok_or(WRONG)?;
                let index = std::str::from_utf8(&tail[..end]).map_err(|_| WRONG)?.trim();
                steps.push(Step::Index(index.parse().map_err(|_| WRONG)?));
                rest = &tail[end + 1..];
            }
            Some((b'.', tail)) if tail.first() == Some(&b'"') => {
                let mut end = 1;
                while *tail.get(end).ok_or(WRONG)? != b'"' {
                    end += if tail[end] == b'\\' { 2 } else { 1 };
                }
                let key: String = serde_json::from_slice(&tail[..=end]).map_err(|_| WRONG)?;
                steps.push(Step::Key(Bytes::from(key)));
                rest = &tail[end + 1..];
            }
            Some((b'.', tail)) => {
                let end = tail.iter().position(|b| matches!(b, b'.' | b'[')).unwrap_or(tail.len());
                steps.push(Step::Key(Bytes::copy_from_slice(&tail[..end])));
                rest = &tail[end..];
            }
            Some(_) => return Err(WRONG),
        }
    }
}

/// A document that can be changed. Scalars stay as they are stored.
enum Node {
    Scalar(u8, Bytes),
    Array(Vec<Node>),
    Object(Vec<(Bytes, Node)>),
}

impl Node {
    fn read(kind: u8, data: &Bytes, depth: usize) -> Parsed<Node> {
        if depth > DEEPEST {
            return Err(Malformed("a JSON value is nested too deep"));
        }
        if !matches!(kind, json::SMALL_OBJECT | json::LARGE_OBJECT | json::SMALL_ARRAY | json::LARGE_ARRAY) {
            return Ok(Node::Scalar(kind, data.clone()));
        }
        let container = Container::read(kind, data)?;
        if container.object {
            let member = |member: Parsed<json::Member>| {
                let (key, kind, data) = member?;
                Ok((key.unwrap_or_default(), Node::read(kind, &data, depth + 1)?))
            };
            return container.members().map(member).collect::<Parsed<Vec<_>>>().map(Node::Object);
        }
        let element = |member: Parsed<json::Member>| {
            let (_, kind, data) = member?;
            Node::read(kind, &data, depth + 1)
        };
        container.members().map(element).collect::<Parsed<Vec<_>>>().map(Node::Array)
    }

    fn print(&self, out: &mut Printer) -> Parsed<()> {
        out.check()?;
        match self {
            Node::Scalar(kind, data) => return json::value(*kind, data, out),
            Node::Array(elements) => {
                out.open(false);
                for (i, element) in elements.iter().enumerate() {
                    out.begin(i, None)?;
                    element.print(out)?;
                    out.end();
                }
                out.close(false);
            }
            Node::Object(members) => {
                out.open(true);
                for (i, (key, member)) in members.iter().enumerate() {
                    out.begin(i, Some(key))?;
                    member.print(out)?;
                    out.end();
                }
                out.close(true);
            }
        }
        Ok(())
    }

    fn change(&mut self, operation: u8, path: &[Step], value: Option<Node>) -> Parsed<()> {
        const NOT_THERE: Malformed = Malformed("a changed part is not in the JSON document before");
        let Some((last, way)) = path.split_last() else {
            *self = value.filter(|_| operation == REPLACE).ok_or(NOT_THERE)?;
            return Ok(());
        };
        let mut parent = self;
        for step in way {
            parent = parent.child(step).ok_or(NOT_THERE)?;
        }
        match (operation, value) {
            (REPLACE, Some(value)) => *parent.child(last).ok_or(NOT_THERE)? = value,
            (INSERT, Some(value)) => match (parent, last) {
                (Node::Array(elements), Step::Index(index)) => {
                    elements.insert((*index).min(elements.len()), value);
                }
                (Node::Object(members), Step::Key(key)) => {
                    // Objects are kept in the order of their keys: short ones first, then by bytes.
                    let order = |other: &Bytes| (other.len(), other.clone()).cmp(&(key.len(), key.clone()));
                    match members.binary_search_by(|(other, _)| order(other)) {
                        Ok(_) => return Err(Malformed("a new part is in the JSON document already")),
                        Err(at) => members.insert(at, (key.clone(), value)),
                    }
                }
                _ => return Err(NOT_THERE),
            },
            (REMOVE, None) => match (parent, last) {
                (Node::Array(elements), Step::Index(index)) if *index < elements.len() => {
                    elements.remove(*index);
                }
                (Node::Object(members), Step::Key(key)) => {
                    let at = members.iter().position(|(other, _)| other == key).ok_or(NOT_THERE)?;
                    members.remove(at);
                }
                _ => return Err(NOT_THERE),
            },
            _ => return Err(Malformed("a change of a JSON document is of an unknown kind")),
        }
        Ok(())
    }

    fn child(&mut self, step: &Step) -> Option<&mut Node> {
        match (self, step) {
            (Node::Array(elements), Step::Index(index)) => elements.get_mut(*index),
            (Node::Object(members), Step::Key(key)) => {
                members.iter_mut().find(|(other, _)| other == key).map(|(_, member)| member)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// `{"a": 1, "b": [2, 3]}` as MySQL stores it.
    const BEFORE: &[u8] = &[
        json::SMALL_OBJECT,
        2,
        0,
        34,
        0,
        18,
        0,
        1,
        0,
        19,
        0,
        1,
        0,
        json::INT16,
        1,
        0,
        json::SMALL_ARRAY,
        20,
        0,
        b'a',
        b'b',
        2,
        0,
        14,
        0,
        json::INT16,
        2,
        0,
        json::INT16,
        3,
        0,
        0,
        0,
        0,
        0,
    ];

    fn change(operation: u8, path: &str, value: &[u8]) -> Vec<u8> {
        let mut out = vec![operation, path.len() as u8];
        out.extend_from_slice(path.as_bytes());
        if operation != REMOVE {
            out.push(value.len() as u8);
            out.extend_from_slice(value);
        }
        out
    }

    fn after(changes: &[Vec<u8>]) -> Parsed<String> {
        apply(&Bytes::from_static(BEFORE), &Bytes::from(changes.concat())).map(|json| json.as_str().to_owned())
    }

    #[test]
    fn changes_are_applied_in_order() {
        assert_eq!(after(&[]).unwrap(), r#"{"a": 1, "b": [2, 3]}"#);
        let seven = &[json::INT16, 7, 0];
        assert_eq!(after(&[change(REPLACE, "$.a", seven)]).unwrap(), r#"{"a": 7, "b": [2, 3]}"#);
        let several =
            [change(INSERT, "$.b[0]", seven), change(REMOVE, "$.b[2]", &[]), change(INSERT, "$.\"0\"", seven)];
        assert_eq!(after(&several).unwrap(), r#"{"0": 7, "a": 1, "b": [7, 2]}"#);
        let text = &[json::STRING, 1, b'x'];
        assert_eq!(after(&[change(REPLACE, "$", text)]).unwrap(), r#""x""#);
        assert_eq!(after(&[change(INSERT, "$.b[99]", text)]).unwrap(), r#"{"a": 1, "b": [2, 3, "x"]}"#);
        assert_eq!(after(&[change(INSERT, "$.\"k\\\"\"", text)]).unwrap(), r#"{"a": 1, "b": [2, 3], "k\"": "x"}"#);
    }

    #[test]
    fn changes_that_do_not_fit_are_refused() {
        let text = &[json::STRING, 1, b'x'];
        assert!(after(&[change(REPLACE, "$.c", text)]).is_err());
        assert!(after(&[change(INSERT, "$.a", text)]).is_err());
        assert!(after(&[change(REMOVE, "$.b[2]", &[])]).is_err());
        assert!(after(&[change(REMOVE, "$", &[])]).is_err());
        assert!(after(&[change(REPLACE, "a", text)]).is_err());
        assert!(after(&[change(REPLACE, "$.\"a", text)]).is_err());
        assert!(after(&[change(3, "$.a", text)]).is_err());
        assert!(apply(&Bytes::new(), &Bytes::new()).is_err());
    }
}
