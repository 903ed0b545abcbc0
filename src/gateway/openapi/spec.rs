//! DM's API v1 as a table: what is served, what a request must look like, and the document that tells both. The two
//! text files are the one source: routes, checks and `/dm.json` come from them.

use std::{collections::BTreeMap, sync::LazyLock};

use serde_json::{Map, Value, json};

const OBJECTS: &str = include_str!("objects.txt");
const OPERATIONS: &str = include_str!("operations.txt");

/// One operation.
#[derive(Clone, PartialEq, Debug)]
pub struct Operation {
    pub method: &'static str,
    /// Below `/api/v1`, parameters in braces.
    pub path: &'static str,
    pub name: &'static str,
    pub query: Vec<Parameter>,
    /// The object that the body must be.
    pub body: Option<&'static str>,
    /// Status and object of each answer but errors.
    pub answers: Vec<(u16, Option<&'static str>)>,
}

/// A parameter of the query string.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Parameter {
    pub name: &'static str,
    pub kind: &'static str,
    pub repeated: bool,
}

/// The whole API.
pub struct Api {
    pub operations: Vec<Operation>,
    /// Name -> JSON schema.
    pub objects: BTreeMap<&'static str, Value>,
}

/// The API.
pub static API: LazyLock<Api> =
    LazyLock::new(|| Api { operations: lines(OPERATIONS).filter_map(operation).collect(), objects: objects() });

fn lines(text: &'static str) -> impl Iterator<Item = &'static str> {
    text.lines().filter(|line| !line.is_empty() && !line.starts_with('#'))
}

fn operation(line: &'static str) -> Option<Operation> {
    let mut words = line.split(' ');
    let (method, path, name, query, body, answers) =
        (words.next()?, words.next()?, words.next()?, words.next()?, words.next()?, words.next()?);
    let parameter = |text: &'static str| {
        let (name, kind) = text.split_once(':')?;
        Some(Parameter { name, kind: kind.trim_start_matches("[]"), repeated: kind.starts_with("[]") })
    };
    let answer = |text: &'static str| match text.split_once(':') {
        Some((status, object)) => Some((status.parse().ok()?, Some(object))),
        None => Some((text.parse().ok()?, None)),
    };
    Some(Operation {
        method,
        path,
        name,
        query: query.split(',').filter_map(parameter).collect(),
        body: (body != "-").then_some(body),
        answers: answers.split(',').filter_map(answer).collect(),
    })
}

fn objects() -> BTreeMap<&'static str, Value> {
    let object = |line: &'static str| {
        let (name, members) = line.split_once(": ")?;
        Some((name, if members.contains(' ') { members_of(members) } else { schema(members) }))
    };
    lines(OBJECTS).filter_map(object).collect()
}

fn members_of(text: &str) -> Value {
    let (mut properties, mut required) = (Map::new(), Vec::new());
    for member in text.split(", ") {
        let (name, kind) = member.split_once(' ').unwrap_or((member, "string"));
        let plain = name.trim_end_matches(['*', '?']);
        if name.ends_with('*') {
            required.push(plain);
        }
        let mut value = schema(kind);
        if name.ends_with('?') {
            value = match value.get("$ref").is_some() {
                true => json!({ "allOf": [value], "nullable": true }),
                false => {
                    value["nullable"] = true.into();
                    value
                }
            };
        }
        properties.insert(plain.to_owned(), value);
    }
    let mut object = json!({ "type": "object", "properties": properties });
    if !required.is_empty() {
        object["required"] = json!(required);
    }
    object
}

/// A type: `[]T`, `map<T>`, an object's name, or `kind:format(a/b)=default`.
fn schema(text: &str) -> Value {
    if let Some(item) = text.strip_prefix("[]") {
        return json!({ "type": "array", "items": schema(item) });
    }
    if let Some(item) = text.strip_prefix("map<").and_then(|rest| rest.strip_suffix('>')) {
        return json!({ "type": "object", "additionalProperties": schema(item) });
    }
    if text.starts_with(|c: char| c.is_ascii_uppercase()) {
        return json!({ "$ref": format!("#/components/schemas/{text}") });
    }
    let (text, default) = text.split_once('=').map_or((text, None), |(text, default)| (text, Some(default)));
    let (text, values) = text.split_once('(').map_or((text, None), |(text, values)| (text, Some(values)));
    let (kind, format) = text.split_once(':').map_or((text, None), |(kind, format)| (kind, Some(format)));
    let mut value = json!({ "type": kind });
    if let Some(format) = format {
        value["format"] = format.into();
    }
    if let Some(values) = values {
        value["enum"] = values.trim_end_matches(')').split('/').collect();
    }
    if let Some(default) = default {
        value["default"] = match kind {
            "string" => default.into(),
            _ => serde_json::from_str(default).unwrap_or(Value::Null),
        };
    }
    value
}

impl Api {
    /// The operation at a path below `/api/v1`, with its path parameters, not yet unescaped. A fixed segment wins over
    /// a parameter.
    pub fn find(&self, method: &str, path: &str) -> Option<(&Operation, Vec<(&'static str, String)>)> {
        let mut found: Vec<_> = self
            .operations
            .iter()
            .filter(|operation| operation.method == method)
            .filter_map(|operation| Some((operation, matched(operation.path, path)?)))
            .collect();
        found.sort_by_key(|(_, parameters)| parameters.len());
        found.into_iter().next()
    }

    /// The document of OpenAPI 3.0.
    pub fn document(&self) -> Value {
        let mut paths = Map::new();
        for operation in &self.operations {
            let path = paths.entry(format!("/api/v1{}", operation.path)).or_insert_with(|| json!({}));
            path[operation.method.to_ascii_lowercase()] = described(operation);
        }
        json!({
            "openapi": "3.0.0",
            "info": { "title": "DM OpenAPI DOC", "version": "6.0.0" },
            "servers": [{ "url": "/" }],
            "paths": paths,
            "components": { "schemas": self.objects },
        })
    }
}

fn matched(template: &'static str, path: &str) -> Option<Vec<(&'static str, String)>> {
    let (mut wanted, mut given) = (template.split('/'), path.split('/'));
    let mut parameters = Vec::new();
    loop {
        match (wanted.next(), given.next()) {
            (None, None) => return Some(parameters),
            (Some(want), Some(have)) => match want.strip_prefix('{').and_then(|name| name.strip_suffix('}')) {
                Some(name) if !have.is_empty() => parameters.push((name, have.to_owned())),
                None if want == have => {}
                _ => return None,
            },
            _ => return None,
        }
    }
}

fn described(operation: &Operation) -> Value {
    let content = |object: &str| json!({ "application/json": { "schema": schema(object) } });
    let mut parameters: Vec<Value> = operation
        .path
        .split('/')
        .filter_map(|segment| segment.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| json!({ "name": name, "in": "path", "required": true, "schema": { "type": "string" } }))
        .collect();
    parameters.extend(operation.query.iter().map(|parameter| {
        let one = schema(parameter.kind);
        let kind = if parameter.repeated { json!({ "type": "array", "items": one }) } else { one };
        json!({ "name": parameter.name, "in": "query", "required": false, "schema": kind })
    }));
    let mut responses = Map::new();
    for (status, object) in &operation.answers {
        let mut answer = json!({ "description": if *status < 400 { "done" } else { "not there" } });
        match (object, operation.name) {
            (Some(object), _) => answer["content"] = content(object),
            (None, "docs") => answer["content"] = json!({ "text/html": { "schema": { "type": "string" } } }),
            (None, "document") => answer["content"] = json!({ "application/json": { "schema": { "type": "object" } } }),
            _ => {}
        }
        responses.insert(status.to_string(), answer);
    }
    let either = json!({ "anyOf": [schema("ErrorWithMessage"), schema("RequestError")] });
    responses.insert(
        "400".into(),
        json!({ "description": "refused, and why", "content": { "application/json": { "schema": either } } }),
    );
    let mut out = json!({ "operationId": operation.name, "parameters": parameters, "responses": responses });
    if let Some(body) = operation.body {
        out["requestBody"] = json!({ "required": true, "content": content(body) });
    }
    out
}
