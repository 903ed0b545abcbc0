//! Prints YAML in the original's style: two blanks per level, lists not indented under their key, text unquoted
//! where possible, double quotes for text that would read as something else, single quotes for indicators.

use super::scalar::{Tag, is_base60, tag};

/// A value to print. Mappings keep their order.
#[derive(Clone, Debug, PartialEq)]
pub enum Yaml {
    Null,
    Bool(bool),
    /// Printed as it is.
    Number(String),
    Text(String),
    Seq(Vec<Yaml>),
    Map(Vec<(String, Yaml)>),
}

impl Yaml {
    /// The document's text, ending in a newline.
    pub fn to_text(&self) -> String {
        let mut out = String::new();
        match self {
            Yaml::Map(pairs) if !pairs.is_empty() => map(pairs, 0, &mut out),
            Yaml::Seq(items) if !items.is_empty() => seq(items, 0, &mut out),
            other => {
                inline(other, 0, &mut out);
            }
        }
        out
    }

    /// Takes a key out of a mapping.
    pub fn remove(&mut self, key: &str) {
        if let Yaml::Map(pairs) = self {
            pairs.retain(|(name, _)| name != key);
        }
    }

    /// The value of `key` of a mapping.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Yaml> {
        match self {
            Yaml::Map(pairs) => pairs.iter_mut().find(|(k, _)| k == key).map(|(_, v)| v),
            _ => None,
        }
    }
}

fn pad(level: usize, out: &mut String) {
    out.extend(std::iter::repeat_n(' ', level * 2));
}

fn map(pairs: &[(String, Yaml)], level: usize, out: &mut String) {
    for (i, (key, value)) in pairs.iter().enumerate() {
        // The first pair of a list item stands right behind its dash.
        if i > 0 || !out.ends_with("- ") {
            pad(level, out);
        }
        out.push_str(&scalar(key, level));
        out.push(':');
        match value {
            Yaml::Map(inner) if !inner.is_empty() => {
                out.push('\n');
                map(inner, level + 1, out);
            }
            Yaml::Seq(items) if !items.is_empty() => {
                out.push('\n');
                seq(items, level, out);
            }
            other => {
                out.push(' ');
                inline(other, level, out);
            }
        }
    }
}

fn seq(items: &[Yaml], level: usize, out: &mut String) {
    for (i, item) in items.iter().enumerate() {
        if i > 0 || !out.ends_with("- ") {
            pad(level, out);
        }
        out.push_str("- ");
        match item {
            Yaml::Map(pairs) if !pairs.is_empty() => map(pairs, level + 1, out),
            Yaml::Seq(inner) if !inner.is_empty() => seq(inner, level + 1, out),
            other => inline(other, level, out),
        }
    }
}

fn inline(value: &Yaml, level: usize, out: &mut String) {
    match value {
        Yaml::Null => out.push_str("null"),
        Yaml::Bool(b) => out.push_str(if *b { "true" } else { "false" }),
        Yaml::Number(n) => out.push_str(n),
        Yaml::Text(t) => out.push_str(&scalar(t, level)),
        Yaml::Seq(_) => out.push_str("[]"),
        Yaml::Map(_) => out.push_str("{}"),
    }
    out.push('\n');
}

fn scalar(text: &str, level: usize) -> String {
    if text.contains('\n') && block_safe(text) {
        return literal(text, level);
    }
    if tag(text) != Tag::Str || is_base60(text) || text.chars().any(|c| c.is_control() || c == '\u{feff}') {
        return double_quoted(text);
    }
    if plain_allowed(text) { text.to_owned() } else { format!("'{}'", text.replace('\'', "''")) }
}

/// A literal block keeps the text only if no line starts with blanks or holds control characters.
fn block_safe(text: &str) -> bool {
    !text.starts_with([' ', '\n']) && text.chars().all(|c| c == '\n' || c == '\t' || !c.is_control())
}

fn literal(text: &str, level: usize) -> String {
    let body = text.trim_end_matches('\n');
    let ends = text.len() - body.len();
    let mut out = String::from(match ends {
        0 => "|-",
        1 => "|",
        _ => "|+",
    });
    for line in body.split('\n') {
        out.push('\n');
        if !line.is_empty() {
            pad(level + 1, &mut out);
            out.push_str(line);
        }
    }
    out.extend(std::iter::repeat_n('\n', ends.saturating_sub(1)));
    out
}

fn double_quoted(text: &str) -> String {
    let mut out = String::from("\"");
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            '\0' => out.push_str("\\0"),
            c if (c as u32) < 0x100 && c.is_control() => out.push_str(&format!("\\x{:02X}", c as u32)),
            c if c.is_control() || c == '\u{feff}' => out.push_str(&format!("\\u{:04X}", c as u32)),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// Whether unquoted text is read back as itself in block style.
fn plain_allowed(text: &str) -> bool {
    let mut chars = text.chars();
    let Some(first) = chars.next() else { return false };
    let second = chars.next();
    let alone = second.is_none() || second == Some(' ');
    if "#,[]{}&*!|>'\"%@`".contains(first) || ("?:-".contains(first) && alone) {
        return false;
    }
    !(text.starts_with("---")
        || text.starts_with("...")
        || text.starts_with(' ')
        || text.ends_with([' ', ':'])
        || text.contains(": ")
        || text.contains(" #"))
}
