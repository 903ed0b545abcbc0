//! Whether a JSON value is what a schema of [`super::spec`] says.

use serde_json::Value;

use super::spec::API;

/// Objects refer to each other; nothing in the API is deeper.
const DEEPEST: usize = 32;

/// The first thing that is wrong with `value`, with its place.
pub fn check(schema: &Value, value: &Value) -> Result<(), String> {
    check_at(schema, value, "", 0)
}

fn check_at(schema: &Value, value: &Value, place: &str, depth: usize) -> Result<(), String> {
    let wrong = |what: &str| Err(format!("Error at \"{}\": {what}", if place.is_empty() { "/" } else { place }));
    if depth > DEEPEST {
        return wrong("nested too deeply");
    }
    if schema["nullable"] == true && value.is_null() {
        return Ok(());
    }
    if let Some(name) = schema["$ref"].as_str().and_then(|path| path.rsplit('/').next()) {
        return match API.objects.get(name) {
            Some(object) => check_at(object, value, place, depth + 1),
            None => wrong("no such object"),
        };
    }
    if let Some(all) = schema["allOf"].as_array() {
        return all.iter().try_for_each(|one| check_at(one, value, place, depth + 1));
    }
    let fits = match schema["type"].as_str() {
        Some("object") => value.is_object(),
        Some("array") => value.is_array(),
        Some("string") => value.is_string(),
        Some("boolean") => value.is_boolean(),
        Some("integer") => value.is_i64() || value.is_u64(),
        Some("number") => value.is_number(),
        _ => true,
    };
    if !fits {
        let wanted = schema["type"].as_str().unwrap_or_default();
        return wrong(&format!("Field must be set to {wanted} or not be present"));
    }
    if schema["format"] == "int64" && !value.is_i64() {
        return wrong("number must be an int64");
    }
    if let Some(values) = schema["enum"].as_array()
        && !values.contains(value)
    {
        return wrong("value is not one of the allowed values");
    }
    if let (Some(item), Some(items)) = (schema.get("items"), value.as_array()) {
        for (index, one) in items.iter().enumerate() {
            check_at(item, one, &format!("{place}/{index}"), depth + 1)?;
        }
    }
    let Some(members) = value.as_object() else { return Ok(()) };
    for required in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        if !members.contains_key(required) {
            return Err(format!("Error at \"{place}/{required}\": property \"{required}\" is missing"));
        }
    }
    for (name, member) in members {
        let place = format!("{place}/{name}");
        match (schema["properties"].get(name), schema.get("additionalProperties")) {
            (Some(schema), _) | (None, Some(schema)) => check_at(schema, member, &place, depth + 1)?,
            (None, None) => {}
        }
    }
    Ok(())
}

/// A parameter's text as the value that its type wants.
pub fn parameter(kind: &str, text: &str) -> Result<Value, String> {
    match kind {
        "boolean" => match text {
            "true" => Ok(true.into()),
            "false" => Ok(false.into()),
            _ => Err(format!("value {text:?}: an invalid boolean")),
        },
        "string" => Ok(text.into()),
        object => match API.objects.get(object) {
            Some(schema) => check(schema, &text.into()).map(|()| text.into()),
            None => Ok(text.into()),
        },
    }
}
