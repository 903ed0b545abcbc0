//! Names that many tables share (character sets, collations, engines), kept once.

use std::{
    borrow::Borrow,
    collections::HashSet,
    fmt,
    ops::Deref,
    sync::{Arc, LazyLock, Mutex},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Names beyond this many are no longer looked for: no server has so many, so they come from somewhere odd.
const KEPT: usize = 4096;

static NAMES: LazyLock<Mutex<HashSet<Arc<str>>>> = LazyLock::new(Mutex::default);

/// A shared name. Used like a `&str`; making one from a name that is known takes no memory.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Symbol(Arc<str>);

impl Symbol {
    /// The name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl From<&str> for Symbol {
    fn from(name: &str) -> Self {
        let Ok(mut names) = NAMES.lock() else { return Symbol(name.into()) };
        if let Some(known) = names.get(name) {
            return Symbol(known.clone());
        }
        let new: Arc<str> = name.into();
        if names.len() < KEPT {
            names.insert(new.clone());
        }
        Symbol(new)
    }
}

impl From<String> for Symbol {
    fn from(name: String) -> Self {
        Symbol::from(name.as_str())
    }
}

impl From<&String> for Symbol {
    fn from(name: &String) -> Self {
        Symbol::from(name.as_str())
    }
}

impl Default for Symbol {
    fn default() -> Self {
        Symbol::from("")
    }
}

impl Deref for Symbol {
    type Target = str;

    fn deref(&self) -> &str {
        &self.0
    }
}

impl Borrow<str> for Symbol {
    fn borrow(&self) -> &str {
        &self.0
    }
}

impl AsRef<str> for Symbol {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

impl PartialEq<str> for Symbol {
    fn eq(&self, other: &str) -> bool {
        *self.0 == *other
    }
}

impl PartialEq<&str> for Symbol {
    fn eq(&self, other: &&str) -> bool {
        *self.0 == **other
    }
}

impl PartialEq<String> for Symbol {
    fn eq(&self, other: &String) -> bool {
        *self.0 == **other
    }
}

impl fmt::Display for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Symbol {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Debug::fmt(&*self.0, f)
    }
}

impl Serialize for Symbol {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for Symbol {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer).map(Symbol::from)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_name_is_kept_once() {
        let (a, b) = (Symbol::from("utf8mb4_bin"), Symbol::from("utf8mb4_bin".to_owned()));
        assert!(Arc::ptr_eq(&a.0, &b.0));
        assert_eq!(a, "utf8mb4_bin");
        let back: Symbol = serde_json::from_str(&serde_json::to_string(&a).unwrap()).unwrap();
        assert!(Arc::ptr_eq(&a.0, &back.0));
    }
}
