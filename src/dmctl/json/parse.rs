//! JSON of a gateway request -> message: a body, then path and query parameters over it.

use std::collections::HashMap;

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use prost::{Message, Name};
use prost_reflect::{DynamicMessage, FieldDescriptor, Kind, MapKey, ReflectMessage, Value};
use serde_json::Value as Json;

use super::{descriptor, lower_camel};

/// Parameters of the path and the query string; a name may repeat for a list.
pub type Fields = Vec<(String, String)>;

/// Builds a message from a JSON body (empty text counts as `{}`) and parameters. Names may be those of the
/// proto file or lowerCamel; enums are numbers or names; 64-bit numbers may be quoted. Errors say what is wrong.
pub fn parse<M: Message + Name + Default>(body: &str, parameters: &Fields) -> Result<M, String> {
    let Some(descriptor) = descriptor(&M::full_name()) else { return Err("message type unknown".to_owned()) };
    let json = match body.trim() {
        "" => Json::Object(serde_json::Map::new()),
        text => serde_json::from_str(text).map_err(|e| format!("invalid JSON: {e}"))?,
    };
    let mut message = DynamicMessage::new(descriptor);
    fill(&mut message, &json)?;
    for (name, text) in parameters {
        let field = find(&message, name)?;
        let value = scalar_text(text, &field)?;
        if field.is_list() {
            if let Value::List(items) = message.get_field_mut(&field) {
                items.push(value);
            }
        } else {
            message.set_field(&field, value);
        }
    }
    message.transcode_to().map_err(|e| e.to_string())
}

fn find(message: &DynamicMessage, name: &str) -> Result<FieldDescriptor, String> {
    message
        .descriptor()
        .fields()
        .find(|f| f.name() == name || lower_camel(f.name()) == name)
        .ok_or_else(|| format!("unknown field {name:?} in {}", message.descriptor().full_name()))
}

fn fill(message: &mut DynamicMessage, json: &Json) -> Result<(), String> {
    let Json::Object(members) = json else {
        return Err(format!("{} must be a JSON object", message.descriptor().full_name()));
    };
    for (name, json) in members {
        let field = find(message, name)?;
        if json.is_null() {
            continue;
        }
        let value = field_value(json, &field)?;
        message.set_field(&field, value);
    }
    Ok(())
}

fn field_value(json: &Json, field: &FieldDescriptor) -> Result<Value, String> {
    match json {
        Json::Array(items) if field.is_list() => {
            Ok(Value::List(items.iter().map(|item| single(item, field, &field.kind())).collect::<Result<_, _>>()?))
        }
        Json::Object(members) if field.is_map() => {
            let Kind::Message(entry) = field.kind() else { return Err(wrong(field, "an object")) };
            let kind = entry.map_entry_value_field().kind();
            let entries: Result<HashMap<_, _>, String> = members
                .iter()
                .map(|(key, json)| Ok((MapKey::String(key.clone()), single(json, field, &kind)?)))
                .collect();
            Ok(Value::Map(entries?))
        }
        _ if field.is_list() => Err(wrong(field, "a list")),
        _ if field.is_map() => Err(wrong(field, "an object")),
        json => single(json, field, &field.kind()),
    }
}

fn single(json: &Json, field: &FieldDescriptor, kind: &Kind) -> Result<Value, String> {
    match (kind, json) {
        (Kind::Message(descriptor), Json::Object(_)) => {
            let mut message = DynamicMessage::new(descriptor.clone());
            fill(&mut message, json)?;
            Ok(Value::Message(message))
        }
        (Kind::Message(_), _) => Err(wrong(field, "an object")),
        (_, Json::String(text)) => scalar_of(text, field, kind),
        (Kind::String | Kind::Bytes, _) => Err(wrong(field, "a string")),
        (_, Json::Bool(_) | Json::Number(_)) => scalar_of(&json.to_string(), field, kind),
        _ => Err(wrong(field, "a plain value")),
    }
}

fn scalar_text(text: &str, field: &FieldDescriptor) -> Result<Value, String> {
    scalar_of(text, field, &field.kind())
}

fn scalar_of(text: &str, field: &FieldDescriptor, kind: &Kind) -> Result<Value, String> {
    let value = match kind {
        Kind::String => Some(Value::String(text.to_owned())),
        Kind::Bytes => BASE64.decode(text).ok().map(|bytes| Value::Bytes(bytes.into())),
        Kind::Bool => text.parse().ok().map(Value::Bool),
        Kind::Int32 | Kind::Sint32 | Kind::Sfixed32 => text.parse().ok().map(Value::I32),
        Kind::Int64 | Kind::Sint64 | Kind::Sfixed64 => text.parse().ok().map(Value::I64),
        Kind::Uint32 | Kind::Fixed32 => text.parse().ok().map(Value::U32),
        Kind::Uint64 | Kind::Fixed64 => text.parse().ok().map(Value::U64),
        Kind::Float => text.parse().ok().map(Value::F32),
        Kind::Double => text.parse().ok().map(Value::F64),
        Kind::Enum(values) => {
            let by_name = values.get_value_by_name(text).map(|v| v.number());
            by_name.or_else(|| text.parse().ok()).map(Value::EnumNumber)
        }
        Kind::Message(_) => None,
    };
    value.ok_or_else(|| wrong(field, "another value"))
}

fn wrong(field: &FieldDescriptor, wanted: &str) -> String {
    match field.kind() {
        Kind::Enum(values) if wanted == "another value" => {
            let names: Vec<_> = values.values().map(|v| v.name().to_owned()).collect();
            format!("field {:?} must be one of {} or its number", field.name(), names.join(", "))
        }
        kind if wanted == "another value" => format!("field {:?} must be of type {kind:?}", field.name()),
        _ => format!("field {:?} must be {wanted}", field.name()),
    }
}
