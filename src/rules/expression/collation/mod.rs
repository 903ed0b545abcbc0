//! How texts are compared: the collations that can be evaluated exactly. Others are refused when an expression is
//! compiled; a guess would drop the wrong rows.

mod charset;
mod weights;

use std::cmp::Ordering;

pub use charset::{Charset, characters, pieces};
pub use weights::{Table, table};

/// A collation.
#[derive(Clone, Copy, Debug)]
pub struct Collation {
    pub charset: Charset,
    order: Order,
    /// Texts of different lengths compare as if the shorter one ended in blanks.
    pad: bool,
    name: &'static str,
}

#[derive(Clone, Copy, PartialEq, Debug)]
enum Order {
    /// Bytes.
    Binary,
    /// Characters by their code in the character set.
    Code,
    /// Characters by weight.
    Weights(&'static str),
}

impl PartialEq for Collation {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Collation {
    pub const BINARY: Collation =
        Collation { charset: Charset::Binary, order: Order::Binary, pad: false, name: "binary" };
    /// Of literals: the one that MySQL 5.7's and MariaDB 10's clients have.
    pub const CONNECTION: Collation = Collation {
        charset: Charset::Utf8mb4,
        order: Order::Weights("general_ci"),
        pad: true,
        name: "utf8mb4_general_ci",
    };
    /// Of texts inside JSON.
    pub const JSON: Collation =
        Collation { charset: Charset::Utf8mb4, order: Order::Code, pad: true, name: "utf8mb4_bin" };

    /// By its name. None: it is not known, or can't be evaluated.
    pub fn named(name: &str) -> Option<Collation> {
        let name = crate::schema::charset::canonical_collation(name);
        if name == "binary" {
            return Some(Collation::BINARY);
        }
        let (charset_name, rest) = name.split_once('_')?;
        let charset = Charset::named(charset_name)?;
        let known = weights::intern(&name)?;
        let (order, pad) = match rest {
            "bin" => (Order::Code, true),
            "0900_bin" | "nopad_bin" => (Order::Code, false),
            _ if charset.is_unicode() => {
                let (family, pad) = unicode_family(rest)?;
                (Order::Weights(family), pad)
            }
            _ => (Order::Weights(known), !rest.contains("nopad")),
        };
        if let Order::Weights(table) = order {
            weights::table(table)?;
        }
        Some(Collation { charset, order, pad, name: known })
    }

    /// A character set's collation where nothing else is said.
    pub fn default_of(charset: Charset) -> Option<Collation> {
        match charset {
            Charset::Binary => Some(Collation::BINARY),
            Charset::Utf8mb4 => Some(Collation::CONNECTION),
            Charset::Latin1 => Collation::named("latin1_swedish_ci"),
            other => Collation::named(&format!("{}_general_ci", other.name())),
        }
    }

    /// The name as servers print it, `utf8` as `utf8mb3`.
    pub fn name(&self) -> &'static str {
        self.name
    }

    pub fn is_binary(&self) -> bool {
        self.order == Order::Binary
    }

    /// Equal only when all characters are.
    pub fn is_exact(&self) -> bool {
        matches!(self.order, Order::Binary | Order::Code)
    }

    /// `_bin` of a character set, not `binary`.
    pub fn is_code_order(&self) -> bool {
        self.order == Order::Code
    }

    /// Whether capitals differ from small letters.
    pub fn is_case_sensitive(&self) -> bool {
        self.is_exact() || self.name.ends_with("_cs")
    }

    fn table(&self) -> Option<&'static Table> {
        match self.order {
            Order::Weights(name) => weights::table(name),
            _ => None,
        }
    }

    /// The order of two texts.
    pub fn compare(&self, a: &[u8], b: &[u8]) -> Ordering {
        match (self.order, self.table()) {
            (Order::Binary, _) => a.cmp(b),
            (Order::Weights(_), Some(table)) => table.compare(a, b, self.pad),
            // In UTF-8 the order of bytes is that of codes; the single-byte character sets differ.
            _ if self.charset.is_unicode() || a.is_ascii() && b.is_ascii() => self.compare_padded(a, b),
            _ => self.compare_padded(&self.charset.encode(a), &self.charset.encode(b)),
        }
    }

    fn compare_padded(&self, a: &[u8], b: &[u8]) -> Ordering {
        if !self.pad {
            return a.cmp(b);
        }
        let shared = a.len().min(b.len());
        let (head_a, tail_a) = a.split_at(shared);
        let (head_b, tail_b) = b.split_at(shared);
        let tail =
            |tail: &[u8]| tail.iter().find(|byte| **byte != b' ').map_or(Ordering::Equal, |byte| byte.cmp(&b' '));
        head_a.cmp(head_b).then_with(|| tail(tail_a)).then_with(|| tail(tail_b).reverse())
    }

    /// Whether two characters are one for LIKE.
    pub fn same_char(&self, a: char, b: char) -> bool {
        a == b || self.table().is_some_and(|table| table.same_char(a, b))
    }

    /// The collation that holds when texts of two collations meet at the same strength; None when they don't go together.
    pub fn join(self, other: Collation) -> Option<Collation> {
        if self == other {
            return Some(self);
        }
        if self.is_binary() || other.is_binary() {
            return Some(Collation::BINARY);
        }
        if self.charset == other.charset {
            return match (self.is_code_order(), other.is_code_order()) {
                (true, false) => Some(self),
                (false, true) => Some(other),
                _ => None,
            };
        }
        match (self.charset.is_unicode(), other.charset.is_unicode()) {
            (true, false) => Some(self),
            (false, true) => Some(other),
            (true, true) if self.charset == Charset::Utf8mb4 && other.charset == Charset::Utf8mb3 => Some(self),
            (true, true) if self.charset == Charset::Utf8mb3 && other.charset == Charset::Utf8mb4 => Some(other),
            _ => None,
        }
    }
}

/// The weights of a Unicode collation, and whether it pads.
fn unicode_family(rest: &str) -> Option<(&'static str, bool)> {
    Some(match rest {
        "general_ci" => ("general_ci", true),
        "general_nopad_ci" => ("general_ci", false),
        "unicode_ci" => ("unicode_ci", true),
        "unicode_nopad_ci" => ("unicode_ci", false),
        "unicode_520_ci" => ("unicode_520_ci", true),
        "unicode_520_nopad_ci" => ("unicode_520_ci", false),
        "0900_ai_ci" => ("0900_ai_ci", false),
        "0900_as_ci" => ("0900_as_ci", false),
        "0900_as_cs" => ("0900_as_cs", false),
        "uca1400_ai_ci" => ("uca1400_ai_ci", true),
        "uca1400_as_ci" => ("uca1400_as_ci", true),
        "uca1400_as_cs" => ("uca1400_as_cs", true),
        "uca1400_nopad_ai_ci" => ("uca1400_ai_ci", false),
        "uca1400_nopad_as_ci" => ("uca1400_as_ci", false),
        "uca1400_nopad_as_cs" => ("uca1400_as_cs", false),
        _ => return None,
    })
}
