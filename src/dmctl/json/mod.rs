//! Messages as JSON, the way DM's users see them: `dmctl` prints them (4 blanks, lowerCamel names) and the HTTP
//! gateway answers with them (2 blanks, names of the proto file). `parse` reads the bodies of gateway requests.
//!
//! Rules that differ from plain protobuf JSON printers: every field is printed even when it holds its default,
//! an empty list or map takes two lines, an unset message prints `null`, unset bytes print `null`,
//! and `<`, `>`, `&` are escaped.

mod parse;
mod plain;
#[cfg(test)]
mod tests;

use std::{fmt::Write as _, sync::LazyLock};

use base64::{Engine, prelude::BASE64_STANDARD as BASE64};
use prost::{Message, Name};
use prost_reflect::{
    DescriptorPool, DynamicMessage, FieldDescriptor, Kind, MapKey, MessageDescriptor, ReflectMessage, Value,
};

pub use parse::{Fields, parse};
pub use plain::{escape, print_plain};

use crate::pb;

/// The descriptors of `proto/`. Empty only if the embedded set were damaged, which a test rules out.
static POOL: LazyLock<DescriptorPool> =
    LazyLock::new(|| DescriptorPool::decode(pb::DESCRIPTOR_SET).unwrap_or_default());

/// Fields from this number on are ours, not the original's: they are printed when they are set.
const OURS: u32 = 1000;

/// Who reads the JSON.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Style {
    /// dmctl: 4 blanks, lowerCamel names.
    Dmctl,
    /// The HTTP gateway: 2 blanks, names as in the proto file.
    Gateway,
}

impl Style {
    fn indent(self) -> &'static str {
        match self {
            Style::Dmctl => "    ",
            Style::Gateway => "  ",
        }
    }

    fn name(self, field: &FieldDescriptor) -> String {
        match self {
            Style::Gateway => field.name().to_owned(),
            Style::Dmctl => lower_camel(field.name()),
        }
    }
}

/// `mode_value` becomes `modeValue`; a name that starts in upper case stays (`ErrCode`, `DDLs`).
fn lower_camel(name: &str) -> String {
    let mut camel = String::with_capacity(name.len());
    let mut after_underscore = false;
    for c in name.chars() {
        match c {
            '_' => after_underscore = true,
            c if after_underscore => {
                camel.push(c.to_ascii_uppercase());
                after_underscore = false;
            }
            c => camel.push(c),
        }
    }
    camel
}

/// Prints a message without a final newline.
pub fn print<M: Message + Name>(message: &M, style: Style) -> String {
    print_message(message, style, false)
}

/// Like [`print`] in dmctl's style, but a check report inside a string stands there raw, over several lines
/// (so the whole is no longer JSON; users and scripts read it that way).
pub fn print_with_report<M: Message + Name>(message: &M) -> String {
    print_message(message, Style::Dmctl, true)
}

fn print_message<M: Message + Name>(message: &M, style: Style, raw_report: bool) -> String {
    let decoded = POOL
        .get_message_by_name(&M::full_name())
        .and_then(|descriptor| DynamicMessage::decode(descriptor, message.encode_to_vec().as_slice()).ok());
    let mut printer = Printer { out: String::new(), style, raw_report, depth: 0 };
    match decoded {
        Some(decoded) => printer.message(&decoded),
        None => printer.out.push_str("{\n}"),
    }
    printer.out
}

/// The descriptor of a message type.
fn descriptor(full_name: &str) -> Option<MessageDescriptor> {
    POOL.get_message_by_name(full_name)
}

struct Printer {
    out: String,
    style: Style,
    raw_report: bool,
    depth: usize,
}

impl Printer {
    fn newline(&mut self) {
        self.out.push('\n');
        for _ in 0..self.depth {
            self.out.push_str(self.style.indent());
        }
    }

    /// A comma-separated block; empty ones keep their line break.
    fn block<T>(&mut self, open: char, close: char, items: impl Iterator<Item = T>, print: impl Fn(&mut Self, T)) {
        self.out.push(open);
        self.depth += 1;
        for (i, item) in items.enumerate() {
            if i > 0 {
                self.out.push(',');
            }
            self.newline();
            print(self, item);
        }
        self.depth -= 1;
        self.newline();
        self.out.push(close);
    }

    fn message(&mut self, message: &DynamicMessage) {
        // The pool lists fields by number, which is their order of declaration in proto/ (a test holds that true).
        let descriptor = message.descriptor();
        let printed =
            descriptor.fields().filter(|f| f.containing_oneof().is_none() && f.number() < OURS || message.has_field(f));
        self.block('{', '}', printed, |printer, field| {
            let _ = write!(printer.out, "{}: ", escape(&printer.style.name(&field)));
            printer.field(message, &field);
        });
    }

    fn field(&mut self, message: &DynamicMessage, field: &FieldDescriptor) {
        let value = message.get_field(field);
        match &*value {
            Value::List(items) => {
                self.block('[', ']', items.iter(), |printer, item| printer.value(item, &field.kind()));
            }
            Value::Map(entries) => {
                let mut sorted: Vec<_> = entries.iter().map(|(key, value)| (map_key(key), value)).collect();
                sorted.sort_by(|a, b| a.0.cmp(&b.0));
                let kind = match field.kind() {
                    Kind::Message(entry) => entry.map_entry_value_field().kind(),
                    other => other,
                };
                self.block('{', '}', sorted.into_iter(), |printer, (key, value)| {
                    let _ = write!(printer.out, "{}: ", escape(&key));
                    printer.value(value, &kind);
                });
            }
            Value::Message(_) if !message.has_field(field) => self.out.push_str("null"),
            value => self.value(value, &field.kind()),
        }
    }

    fn value(&mut self, value: &Value, kind: &Kind) {
        let text = match value {
            Value::Message(message) => return self.message(message),
            Value::String(text) if self.raw_report && text.contains("detail: {") => {
                format!("\"{}\"", text.replacen("detail: {", "   \tdetail: {", 1))
            }
            Value::String(text) => escape(text),
            Value::Bytes(bytes) if bytes.is_empty() => "null".to_owned(),
            Value::Bytes(bytes) => format!("\"{}\"", BASE64.encode(bytes)),
            Value::Bool(value) => value.to_string(),
            Value::I32(value) => value.to_string(),
            Value::U32(value) => value.to_string(),
            Value::I64(value) => format!("\"{value}\""),
            Value::U64(value) => format!("\"{value}\""),
            Value::F32(value) => plain::number(f64::from(*value)),
            Value::F64(value) => plain::number(*value),
            Value::EnumNumber(number) => enum_name(kind, *number),
            Value::List(_) | Value::Map(_) => "null".to_owned(), // neither nests in another list or map
        };
        self.out.push_str(&text);
    }
}

fn enum_name(kind: &Kind, number: i32) -> String {
    match kind {
        Kind::Enum(values) => match values.get_value(number) {
            Some(value) => format!("\"{}\"", value.name()),
            None => number.to_string(),
        },
        _ => number.to_string(),
    }
}

fn map_key(key: &MapKey) -> String {
    match key {
        MapKey::String(text) => text.clone(),
        MapKey::Bool(value) => value.to_string(),
        MapKey::I32(value) => value.to_string(),
        MapKey::I64(value) => value.to_string(),
        MapKey::U32(value) => value.to_string(),
        MapKey::U64(value) => value.to_string(),
    }
}
