//! One list of settings serves the TOML file, the Go-style flags, the usage text and the printed form of a program.

use toml::de::{DeTable, DeValue};

/// Where a setting's value lives.
pub enum Slot<'a> {
    Text(&'a mut String),
    Int(&'a mut i64),
    Uint(&'a mut u64),
    Float(&'a mut f64),
    Bool(&'a mut bool),
    List(&'a mut Vec<String>),
    /// Inline certificate: a list of bytes in TOML, never printed, no flag.
    Bytes(&'a mut Vec<u8>),
}

/// One setting. `key` is its TOML key (empty: flag only), `flag` its flag (empty: file only).
pub struct Setting<'a> {
    pub key: &'static str,
    pub flag: &'static str,
    pub usage: &'static str,
    pub slot: Slot<'a>,
}

/// Makes a [`Setting`].
pub fn setting<'a>(key: &'static str, flag: &'static str, usage: &'static str, slot: Slot<'a>) -> Setting<'a> {
    Setting { key, flag, usage, slot }
}

/// Why a TOML file was refused.
pub enum FileError {
    /// Syntax or a value's type; the text has line and key.
    Decode(String),
    /// Keys that nobody knows, joined by a comma.
    Unknown(String),
}

impl Slot<'_> {
    fn allowed(&self) -> &'static str {
        match self {
            Slot::Text(_) => "text in quotes",
            Slot::Int(_) => "a whole number",
            Slot::Uint(_) => "a whole number, not negative",
            Slot::Float(_) => "a number",
            Slot::Bool(_) => "true, false",
            Slot::List(_) => "a list of texts in quotes",
            Slot::Bytes(_) => "a list of bytes",
        }
    }

    /// Takes a TOML value; false when its type does not fit.
    fn take(&mut self, value: &DeValue<'_>) -> bool {
        let integer = || {
            let DeValue::Integer(number) = value else { return None };
            i64::from_str_radix(number.as_str(), number.radix()).ok()
        };
        match self {
            Slot::Text(slot) => value.as_str().map(|text| **slot = text.to_owned()).is_some(),
            Slot::Bool(slot) => value.as_bool().map(|b| **slot = b).is_some(),
            Slot::Int(slot) => integer().map(|i| **slot = i).is_some(),
            Slot::Uint(slot) => integer().and_then(|i| u64::try_from(i).ok()).map(|u| **slot = u).is_some(),
            Slot::Float(slot) => {
                let float = value.as_float().and_then(|f| f.as_str().parse().ok());
                float.or(integer().map(|i| i as f64)).map(|f| **slot = f).is_some()
            }
            Slot::List(slot) => {
                let items = value.as_array().map(|items| items.iter().map(|item| item.get_ref().as_str()));
                let texts: Option<Vec<&str>> = items.and_then(|items| items.collect());
                texts.map(|texts| **slot = texts.into_iter().map(str::to_owned).collect()).is_some()
            }
            Slot::Bytes(slot) => {
                let Some(items) = value.as_array() else { return false };
                let bytes: Option<Vec<u8>> =
                    items.iter().map(|i| i.get_ref().as_integer().and_then(|i| i.as_str().parse().ok())).collect();
                bytes.map(|bytes| **slot = bytes).is_some()
            }
        }
    }

    /// Takes a flag's text; false when it does not fit. A repeated list flag adds.
    pub fn parse(&mut self, text: &str) -> bool {
        match self {
            Slot::Text(slot) => **slot = text.to_owned(),
            Slot::Int(slot) => return text.parse().map(|v| **slot = v).is_ok(),
            Slot::Uint(slot) => return text.parse().map(|v| **slot = v).is_ok(),
            Slot::Float(slot) => return text.parse().map(|v| **slot = v).is_ok(),
            Slot::Bool(slot) => match text {
                "1" | "t" | "T" | "true" | "TRUE" | "True" => **slot = true,
                "0" | "f" | "F" | "false" | "FALSE" | "False" => **slot = false,
                _ => return false,
            },
            Slot::List(slot) => {
                slot.extend(text.split(',').map(str::trim).filter(|s| !s.is_empty()).map(str::to_owned))
            }
            Slot::Bytes(_) => return false,
        }
        true
    }

    pub fn type_name(&self) -> &'static str {
        match self {
            Slot::Text(_) | Slot::List(_) | Slot::Bytes(_) => "string",
            Slot::Int(_) => "int",
            Slot::Uint(_) => "uint",
            Slot::Float(_) => "float",
            Slot::Bool(_) => "",
        }
    }

    /// The value for a usage text; empty when there is nothing worth showing.
    pub fn shown(&self) -> String {
        match self {
            Slot::Text(text) if !text.is_empty() => format!("{text:?}"),
            Slot::Int(v) if **v != 0 => v.to_string(),
            Slot::Uint(v) if **v != 0 => v.to_string(),
            Slot::Bool(true) => "true".into(),
            _ => String::new(),
        }
    }
}

/// Reads a TOML file into the settings. `sections` are tables that may hold settings of the named keys.
pub fn read_toml(text: &str, settings: &mut [Setting<'_>], sections: &[(&str, &[&str])]) -> Result<(), FileError> {
    let root = DeTable::parse(text).map_err(|e| FileError::Decode(e.to_string().trim_end().to_owned()))?;
    let mut unknown: Vec<(usize, String)> = Vec::new();
    for (key, value) in root.get_ref() {
        let name = key.get_ref().as_ref();
        if let Some((_, keys)) = sections.iter().find(|(section, _)| *section == name) {
            let Some(table) = value.get_ref().as_table() else {
                return Err(FileError::Decode(format!(
                    "line {}: [{name}] must be a table",
                    line_of(text, key.span().start)
                )));
            };
            for (inner, value) in table {
                let inner_name = inner.get_ref().as_ref();
                if keys.contains(&inner_name) {
                    assign(text, inner_name, inner.span().start, value.get_ref(), settings)?;
                } else {
                    unknown.push((inner.span().start, format!("{name}.{inner_name}")));
                }
            }
        } else if settings.iter().any(|s| s.key == name) {
            assign(text, name, key.span().start, value.get_ref(), settings)?;
        } else {
            unknown.push((key.span().start, name.to_owned()));
            if let Some(table) = value.get_ref().as_table() {
                unknown.extend(table.iter().map(|(k, _)| (k.span().start, format!("{name}.{}", k.get_ref()))));
            }
        }
    }
    if unknown.is_empty() {
        return Ok(());
    }
    unknown.sort();
    let lines: Vec<String> = unknown.iter().map(|(at, _)| line_of(text, *at).to_string()).collect();
    let names: Vec<&str> = unknown.iter().map(|(_, name)| name.as_str()).collect();
    Err(FileError::Unknown(format!("{} (line {})", names.join(","), lines.join(", "))))
}

fn assign(
    text: &str,
    name: &str,
    at: usize,
    value: &DeValue<'_>,
    settings: &mut [Setting<'_>],
) -> Result<(), FileError> {
    let Some(setting) = settings.iter_mut().find(|s| s.key == name) else { return Ok(()) };
    if setting.slot.take(value) {
        return Ok(());
    }
    let (line, allowed) = (line_of(text, at), setting.slot.allowed());
    Err(FileError::Decode(format!("line {line}: key {name} can't be a {} (allowed: {allowed})", value.type_str())))
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.bytes().take(at).filter(|b| *b == b'\n').count()
}

/// Prints `key = value` lines, lists only when they hold something.
pub fn to_toml(settings: &[Setting<'_>]) -> String {
    let mut out = String::new();
    for setting in settings.iter().filter(|s| !s.key.is_empty()) {
        let value = match &setting.slot {
            Slot::Text(text) => quoted(text),
            Slot::Int(v) => v.to_string(),
            Slot::Uint(v) => v.to_string(),
            Slot::Float(v) => format!("{v:?}"),
            Slot::Bool(v) => v.to_string(),
            Slot::List(items) if !items.is_empty() => {
                format!("[{}]", items.iter().map(|item| quoted(item)).collect::<Vec<_>>().join(", "))
            }
            Slot::List(_) | Slot::Bytes(_) => continue,
        };
        out.push_str(&format!("{} = {value}\n", setting.key));
    }
    out
}

fn quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}
