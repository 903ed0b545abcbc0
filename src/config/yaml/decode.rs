//! A tree of YAML nodes to structs, strictly: unknown and duplicate keys and wrong types are errors with line and key.

use std::collections::BTreeMap;

use super::{
    emit::Yaml,
    node::{Kind, Node},
    scalar,
};
use crate::config::subtask::Secret;

/// Collects every error of one file.
#[derive(Default)]
pub struct Decoder {
    errors: Vec<(usize, String)>,
    path: Vec<String>,
}

/// A type of a configuration value.
pub trait YamlValue: Sized {
    /// Reads a node; `None` after an error was recorded. A null node never gets here.
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self>;
    /// The value as it is printed.
    fn encode(&self) -> Yaml;
}

/// Another way to read and print a field's type (its keys or units differ from the type's usual ones).
pub trait Via<T> {
    fn decode(node: &Node, d: &mut Decoder) -> Option<T>;
    fn encode(value: &T) -> Yaml;
}

/// Reads a whole file. The error text lists every mistake, one a line, in the original's form.
pub fn from_yaml<T: YamlValue + Default>(text: &str) -> Result<T, String> {
    let node = match Node::parse(text)? {
        Some(node) if !node.is_null() => node,
        _ => return Ok(T::default()),
    };
    let mut decoder = Decoder::default();
    let value = T::decode(&node, &mut decoder).unwrap_or_default();
    if decoder.errors.is_empty() {
        return Ok(value);
    }
    let mut text = String::from("yaml: unmarshal errors:");
    for (line, error) in &decoder.errors {
        text.push_str(&format!("\n  line {line}: {error}"));
    }
    Err(text)
}

impl Decoder {
    /// Records an error at a line.
    pub fn error(&mut self, line: usize, text: impl Into<String>) {
        self.errors.push((line, text.into()));
    }

    /// Records that `node` can't be read as `go_type`; `allowed` says what may stand there.
    pub fn mismatch(&mut self, node: &Node, go_type: &str, allowed: &str) {
        let what = match &node.kind {
            Kind::Sequence(_) => "!!seq".to_owned(),
            Kind::Mapping(_) => "!!map".to_owned(),
            Kind::Scalar { text, plain } => {
                let tag = if *plain { scalar::tag(text) } else { scalar::Tag::Str };
                format!("{} `{}`", tag.as_str(), self.shown(text))
            }
        };
        let key = self.path.join(".");
        let place = if key.is_empty() { String::new() } else { format!("key {key}: ") };
        self.error(node.line, format!("cannot unmarshal {what} into {go_type} ({place}allowed: {allowed})"));
    }

    /// Values are shown cut, and passwords not at all.
    fn shown(&self, text: &str) -> String {
        if self.path.last().is_some_and(|key| key.contains("password")) {
            return "******".into();
        }
        if text.chars().count() > 30 {
            return text.chars().take(27).collect::<String>() + "...";
        }
        text.to_owned()
    }

    /// Calls `field` with every pair of a mapping; `field` answers false for a key that it does not know.
    pub fn mapping(&mut self, node: &Node, go_type: &str, mut field: impl FnMut(&mut Self, &str, &Node) -> bool) {
        let Kind::Mapping(pairs) = &node.kind else {
            self.mismatch(node, go_type, "a mapping of keys");
            return;
        };
        let mut seen: Vec<&str> = Vec::new();
        for (key, value) in pairs {
            let name = key.text().unwrap_or_default();
            if seen.contains(&name) {
                self.error(key.line, format!("field {name} already set in type {go_type}"));
                continue;
            }
            seen.push(name);
            self.path.push(name.to_owned());
            let known = field(self, name, value);
            self.path.pop();
            if !known {
                self.error(key.line, format!("field {name} not found in type {go_type}"));
            }
        }
    }

    /// Reads `node` into `slot`; a null leaves the default.
    pub fn assign<T: YamlValue>(&mut self, node: &Node, slot: &mut T) -> bool {
        if !node.is_null()
            && let Some(value) = T::decode(node, self)
        {
            *slot = value;
        }
        true
    }

    /// Like [`Decoder::assign`] for a field with its own reading.
    pub fn assign_via<T, V: Via<T>>(&mut self, node: &Node, slot: &mut T) -> bool {
        if !node.is_null()
            && let Some(value) = V::decode(node, self)
        {
            *slot = value;
        }
        true
    }
}

/// Lists the keys of a struct in the order in which they are printed: `"key" => field`, optionally
/// `"key" | "other spelling" => field`, and `via Type` where the field has its own reading.
macro_rules! yaml_struct {
    // Keys of ours are shown only where they are used, so that DM can read what doesn't need them.
    ($type:ty, $go:literal, { $($key:literal $(| $alias:literal)* => $field:ident $(via $via:ty)?,)* }
     $(, ours { $($own:literal => $own_field:ident via $own_via:ty,)* })?) => {
        impl $crate::config::yaml::YamlValue for $type {
            fn decode(
                node: &$crate::config::yaml::Node,
                d: &mut $crate::config::yaml::Decoder,
            ) -> Option<Self> {
                let mut out = <$type>::default();
                d.mapping(node, $go, |d, key, value| match key {
                    $($key $(| $alias)* => yaml_struct!(@assign d, value, out.$field $(, $via)?),)*
                    $($($own => yaml_struct!(@assign d, value, out.$own_field, $own_via),)*)?
                    _ => false,
                });
                Some(out)
            }

            fn encode(&self) -> $crate::config::yaml::Yaml {
                #[allow(unused_mut)]
                let mut pairs = vec![$(($key.to_owned(), yaml_struct!(@encode self.$field $(, $via)?)),)*];
                $($(if self.$own_field != <$type>::default().$own_field {
                    pairs.push(($own.to_owned(), yaml_struct!(@encode self.$own_field, $own_via)));
                })*)?
                $crate::config::yaml::Yaml::Map(pairs)
            }
        }
    };
    (@assign $d:ident, $node:ident, $($slot:ident).+, $via:ty) => { $d.assign_via::<_, $via>($node, &mut $($slot).+) };
    (@assign $d:ident, $node:ident, $($slot:ident).+) => { $d.assign($node, &mut $($slot).+) };
    (@encode $self:ident.$slot:ident, $via:ty) => { <$via as $crate::config::yaml::Via<_>>::encode(&$self.$slot) };
    (@encode $self:ident.$slot:ident) => { $crate::config::yaml::YamlValue::encode(&$self.$slot) };
}
pub(crate) use yaml_struct;

impl YamlValue for String {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        match node.text() {
            Some(text) => Some(text.to_owned()),
            None => {
                d.mismatch(node, "string", "text");
                None
            }
        }
    }

    fn encode(&self) -> Yaml {
        Yaml::Text(self.clone())
    }
}

impl YamlValue for Secret {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        String::decode(node, d).map(Secret)
    }

    fn encode(&self) -> Yaml {
        Yaml::Text(self.0.clone())
    }
}

impl YamlValue for bool {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        if let Kind::Scalar { text, plain: true } = &node.kind
            && let Some(value) = scalar::boolean(text)
        {
            return Some(value);
        }
        d.mismatch(node, "bool", "true, false");
        None
    }

    fn encode(&self) -> Yaml {
        Yaml::Bool(*self)
    }
}

macro_rules! yaml_int {
    ($($type:ty = $go:literal,)*) => {$(
        impl YamlValue for $type {
            fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
                if let Kind::Scalar { text, plain: true } = &node.kind
                    && let Some(value) = scalar::integer(text)
                    && let Ok(value) = <$type>::try_from(value)
                {
                    return Some(value);
                }
                d.mismatch(node, $go, &format!("a whole number from {} to {}", <$type>::MIN, <$type>::MAX));
                None
            }

            fn encode(&self) -> Yaml {
                Yaml::Number(self.to_string())
            }
        }
    )*};
}
yaml_int!(u8 = "uint8", u16 = "int", u32 = "uint32", u64 = "uint64", i64 = "int", usize = "int",);

impl YamlValue for f64 {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        if let Kind::Scalar { text, plain: true } = &node.kind
            && let Some(value) = scalar::integer(text).map(|i| i as f64).or_else(|| scalar::float(text))
        {
            return Some(value);
        }
        d.mismatch(node, "float64", "a number");
        None
    }

    fn encode(&self) -> Yaml {
        Yaml::Number(self.to_string())
    }
}

impl<T: YamlValue> YamlValue for Option<T> {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        T::decode(node, d).map(Some)
    }

    fn encode(&self) -> Yaml {
        self.as_ref().map_or(Yaml::Null, T::encode)
    }
}

impl<T: YamlValue + Default> YamlValue for Vec<T> {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        let Kind::Sequence(items) = &node.kind else {
            d.mismatch(node, "[]string", "a list");
            return None;
        };
        let mut out = Vec::with_capacity(items.len());
        for item in items {
            let mut value = T::default();
            d.assign(item, &mut value);
            out.push(value);
        }
        Some(out)
    }

    fn encode(&self) -> Yaml {
        Yaml::Seq(self.iter().map(T::encode).collect())
    }
}

impl<T: YamlValue + Default> YamlValue for BTreeMap<String, T> {
    fn decode(node: &Node, d: &mut Decoder) -> Option<Self> {
        let Kind::Mapping(pairs) = &node.kind else {
            d.mismatch(node, "map", "a mapping of names");
            return None;
        };
        let mut out = BTreeMap::new();
        for (key, value) in pairs {
            let name = key.text().unwrap_or_default().to_owned();
            let mut item = T::default();
            d.path.push(name.clone());
            d.assign(value, &mut item);
            d.path.pop();
            if out.insert(name.clone(), item).is_some() {
                d.error(key.line, format!("key \"{name}\" already set in map"));
            }
        }
        Some(out)
    }

    fn encode(&self) -> Yaml {
        Yaml::Map(self.iter().map(|(name, item)| (name.clone(), item.encode())).collect())
    }
}
