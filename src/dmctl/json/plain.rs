//! Plain JSON as Go's encoder indents and escapes it: the summary of query-status, results of whole-source operations.

use std::fmt::Write as _;

use serde_json::Value;

/// A JSON string with Go's HTML-safe escapes.
pub fn escape(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\u{8}' => out.push_str("\\b"),
            '\u{c}' => out.push_str("\\f"),
            '<' | '>' | '&' | '\u{2028}' | '\u{2029}' | '\0'..='\u{1f}' => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// A floating point number: fixed notation from 1e-6 up to 1e21, else with an exponent, as Go prints it.
pub fn number(value: f64) -> String {
    if value.is_nan() {
        return "\"NaN\"".to_owned();
    }
    if value.is_infinite() {
        return if value > 0.0 { "\"Infinity\"" } else { "\"-Infinity\"" }.to_owned();
    }
    let size = value.abs();
    if size != 0.0 && !(1e-6..1e21).contains(&size) {
        let text = format!("{value:e}");
        return match text.split_once('e') {
            Some((digits, exponent)) if !exponent.starts_with('-') => format!("{digits}e+{exponent}"),
            _ => text,
        };
    }
    value.to_string()
}

/// Prints plain JSON with 4 blanks of indentation; empty lists and objects stay on one line.
pub fn print_plain(value: &Value) -> String {
    let mut out = String::new();
    plain(&mut out, value, 0);
    out
}

fn plain(out: &mut String, value: &Value, depth: usize) {
    match value {
        Value::String(text) => out.push_str(&escape(text)),
        Value::Array(items) if !items.is_empty() => {
            out.push('[');
            for (i, item) in items.iter().enumerate() {
                line(out, i, depth);
                plain(out, item, depth + 1);
            }
            end(out, ']', depth);
        }
        Value::Object(members) if !members.is_empty() => {
            out.push('{');
            for (i, (name, member)) in members.iter().enumerate() {
                line(out, i, depth);
                let _ = write!(out, "{}: ", escape(name));
                plain(out, member, depth + 1);
            }
            end(out, '}', depth);
        }
        other => {
            let _ = write!(out, "{other}");
        }
    }
}

fn line(out: &mut String, index: usize, depth: usize) {
    out.push_str(if index > 0 { ",\n" } else { "\n" });
    out.push_str(&"    ".repeat(depth + 1));
}

fn end(out: &mut String, close: char, depth: usize) {
    out.push('\n');
    out.push_str(&"    ".repeat(depth));
    out.push(close);
}
