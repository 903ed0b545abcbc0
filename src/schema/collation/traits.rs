//! What a collation's name says about how it compares. Names are systematic in both products: character set, rules
//! (`general`, `unicode`, `unicode_520`, `0900`, `uca1400`), language, `nopad`, then the sensitivity.

use crate::schema::charset::{canonical_collation, charset_of_collation};

/// Which characters a collation tells apart.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sensitivity {
    /// By code or byte: everything differs.
    pub binary: bool,
    pub case: bool,
    pub accent: bool,
}

/// Where the order comes from.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Rules {
    /// `general`, or a character set's own order (`latin1_swedish_ci`).
    Simple,
    /// Unicode Collation Algorithm 4.0.0: `unicode`, and languages without another mark.
    Uca400,
    Uca520,
    Uca900,
    Uca1400,
}

/// A collation taken apart.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Traits {
    /// Canonical; empty for a name whose character set no server knows.
    pub charset: String,
    pub sensitivity: Sensitivity,
    /// Trailing blanks count.
    pub no_pad: bool,
    pub rules: Rules,
    /// One name for a language in both products; empty for none.
    pub language: String,
}

/// The endings that tell the sensitivity, longest first: (ending, binary, case, accent).
const ENDINGS: [(&str, bool, bool, bool); 9] = [
    ("_as_cs_ks", false, true, true),
    ("_as_cs", false, true, true),
    ("_as_ci", false, false, true),
    ("_ai_cs", false, true, false),
    ("_ai_ci", false, false, false),
    ("_bin", true, true, true),
    ("_cs", false, true, true),
    ("_ci", false, false, false),
    // thai_520_w2: two levels of weights.
    ("_w2", false, false, true),
];

/// MySQL 8's short names of languages, and the names that they have elsewhere.
const LANGUAGES: [(&str, &str); 24] = [
    ("is", "icelandic"),
    ("lv", "latvian"),
    ("ro", "romanian"),
    ("sl", "slovenian"),
    ("pl", "polish"),
    ("et", "estonian"),
    ("es", "spanish"),
    ("es_trad", "spanish2"),
    ("sv", "swedish"),
    ("tr", "turkish"),
    ("cs", "czech"),
    ("da", "danish"),
    // Norwegian sorts as Danish does.
    ("nb", "danish"),
    ("nn", "danish"),
    ("lt", "lithuanian"),
    ("sk", "slovak"),
    ("la", "roman"),
    ("fa", "persian"),
    ("eo", "esperanto"),
    ("hu", "hungarian"),
    ("de_pb", "german2"),
    ("hr", "croatian"),
    ("vi", "vietnamese"),
    ("ja", "japanese"),
];

impl Traits {
    /// From a name; `utf8_` and `utf8mb3_` are the same.
    pub fn of(collation: &str) -> Traits {
        let name = canonical_collation(collation);
        let charset = charset_of_collation(&name).unwrap_or_default().to_owned();
        if name == "binary" {
            let sensitivity = Sensitivity { binary: true, case: true, accent: true };
            return Traits { charset, sensitivity, no_pad: true, rules: Rules::Simple, language: String::new() };
        }
        let (stem, sensitivity) = split_ending(&name);
        let middle = stem.strip_prefix(charset.as_str()).unwrap_or(stem);
        let mut rules = Rules::Simple;
        let mut no_pad = false;
        let mut language: Vec<&str> = Vec::new();
        for word in middle.split('_').filter(|word| !word.is_empty()) {
            match word {
                "general" | "general1400" | "mysql500" | "mysql561" => {}
                "unicode" => rules = rules.max(Rules::Uca400),
                "520" => rules = Rules::Uca520,
                "0900" => (rules, no_pad) = (Rules::Uca900, true),
                "uca1400" => rules = Rules::Uca1400,
                "nopad" => no_pad = true,
                other => language.push(other),
            }
        }
        let language = language.join("_");
        let language =
            LANGUAGES.iter().find(|(short, _)| *short == language).map_or(language, |(_, l)| (*l).to_owned());
        if rules == Rules::Simple && !language.is_empty() && is_unicode(&charset) {
            rules = Rules::Uca400;
        }
        Traits { charset, sensitivity, no_pad, rules, language }
    }
}

fn split_ending(name: &str) -> (&str, Sensitivity) {
    for (ending, binary, case, accent) in ENDINGS {
        if let Some(stem) = name.strip_suffix(ending) {
            return (stem, Sensitivity { binary, case, accent });
        }
    }
    (name, Sensitivity { binary: false, case: false, accent: false })
}

/// The character sets that hold all of Unicode, or its basic plane.
pub fn is_unicode(charset: &str) -> bool {
    matches!(charset, "utf8mb4" | "utf8mb3" | "ucs2" | "utf16" | "utf16le" | "utf32" | "gb18030")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(name: &str) -> String {
        let t = Traits::of(name);
        let s = match (t.sensitivity.binary, t.sensitivity.case, t.sensitivity.accent) {
            (true, _, _) => "bin",
            (_, true, true) => "as_cs",
            (_, true, false) => "ai_cs",
            (_, false, true) => "as_ci",
            (_, false, false) => "ai_ci",
        };
        format!("{} {:?} {s}{}{}", t.charset, t.rules, if t.no_pad { " nopad " } else { " " }, t.language)
    }

    #[test]
    fn names_of_both_products() {
        for (name, want) in [
            ("utf8mb4_0900_ai_ci", "utf8mb4 Uca900 ai_ci nopad "),
            ("utf8mb4_0900_bin", "utf8mb4 Uca900 bin nopad "),
            ("utf8mb4_cs_0900_as_cs", "utf8mb4 Uca900 as_cs nopad czech"),
            ("utf8mb4_es_trad_0900_ai_ci", "utf8mb4 Uca900 ai_ci nopad spanish2"),
            ("utf8mb4_de_pb_0900_as_cs", "utf8mb4 Uca900 as_cs nopad german2"),
            ("utf8mb4_ja_0900_as_cs_ks", "utf8mb4 Uca900 as_cs nopad japanese"),
            ("utf8mb4_general_ci", "utf8mb4 Simple ai_ci "),
            ("utf8mb4_general1400_as_ci", "utf8mb4 Simple as_ci "),
            ("utf8mb4_unicode_520_nopad_ci", "utf8mb4 Uca520 ai_ci nopad "),
            ("utf8mb4_thai_520_w2", "utf8mb4 Uca520 as_ci thai"),
            ("utf8mb4_uca1400_swedish_nopad_as_cs", "utf8mb4 Uca1400 as_cs nopad swedish"),
            ("utf8mb4_nopad_bin", "utf8mb4 Simple bin nopad "),
            ("utf8_german2_ci", "utf8mb3 Uca400 ai_ci german2"),
            ("latin1_general_cs", "latin1 Simple as_cs "),
            ("latin1_swedish_ci", "latin1 Simple ai_ci swedish"),
            ("utf8mb4_croatian_mysql561_ci", "utf8mb4 Uca400 ai_ci croatian"),
            ("binary", "binary Simple bin nopad "),
            ("nonsense", " Simple ai_ci nonsense"),
        ] {
            assert_eq!(shown(name), want, "{name}");
        }
    }
}
