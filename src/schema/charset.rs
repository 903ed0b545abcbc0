//! Character sets and collations: which collation is a character set's default, and how many bytes a character takes.

use super::{server::ServerInfo, symbol::Symbol};

/// (name, default collation, most bytes of a character), from both manuals; utf8mb4's default depends on the server.
const CHARSETS: [(&str, &str, u32); 41] = [
    ("armscii8", "armscii8_general_ci", 1),
    ("ascii", "ascii_general_ci", 1),
    ("big5", "big5_chinese_ci", 2),
    ("binary", "binary", 1),
    ("cp1250", "cp1250_general_ci", 1),
    ("cp1251", "cp1251_general_ci", 1),
    ("cp1256", "cp1256_general_ci", 1),
    ("cp1257", "cp1257_general_ci", 1),
    ("cp850", "cp850_general_ci", 1),
    ("cp852", "cp852_general_ci", 1),
    ("cp866", "cp866_general_ci", 1),
    ("cp932", "cp932_japanese_ci", 2),
    ("dec8", "dec8_swedish_ci", 1),
    ("eucjpms", "eucjpms_japanese_ci", 3),
    ("euckr", "euckr_korean_ci", 2),
    ("gb18030", "gb18030_chinese_ci", 4),
    ("gb2312", "gb2312_chinese_ci", 2),
    ("gbk", "gbk_chinese_ci", 2),
    ("geostd8", "geostd8_general_ci", 1),
    ("greek", "greek_general_ci", 1),
    ("hebrew", "hebrew_general_ci", 1),
    ("hp8", "hp8_english_ci", 1),
    ("keybcs2", "keybcs2_general_ci", 1),
    ("koi8r", "koi8r_general_ci", 1),
    ("koi8u", "koi8u_general_ci", 1),
    ("latin1", "latin1_swedish_ci", 1),
    ("latin2", "latin2_general_ci", 1),
    ("latin5", "latin5_turkish_ci", 1),
    ("latin7", "latin7_general_ci", 1),
    ("macce", "macce_general_ci", 1),
    ("macroman", "macroman_general_ci", 1),
    ("sjis", "sjis_japanese_ci", 2),
    ("swe7", "swe7_swedish_ci", 1),
    ("tis620", "tis620_thai_ci", 1),
    ("ucs2", "ucs2_general_ci", 2),
    ("ujis", "ujis_japanese_ci", 3),
    ("utf16", "utf16_general_ci", 4),
    ("utf16le", "utf16le_general_ci", 4),
    ("utf32", "utf32_general_ci", 4),
    ("utf8mb3", "utf8mb3_general_ci", 3),
    ("utf8mb4", "utf8mb4_general_ci", 4),
];

/// A character set's name in lower case, with `utf8` spelled `utf8mb3`. None for a name no server knows.
pub fn canonical_charset(name: &str) -> Option<&'static str> {
    let name = name.to_ascii_lowercase();
    let name = if name == "utf8" { "utf8mb3" } else { &name };
    CHARSETS.iter().find(|(known, _, _)| *known == name).map(|(known, _, _)| *known)
}

/// A collation's name in lower case, with `utf8_` spelled `utf8mb3_`.
pub fn canonical_collation(name: &str) -> String {
    let name = name.to_ascii_lowercase();
    match name.strip_prefix("utf8_") {
        Some(rest) => format!("utf8mb3_{rest}"),
        None => name,
    }
}

/// The character set that a collation belongs to. None for MariaDB's context collations (`uca1400_ai_ci`), which take
/// the character set they stand beside, and for names no server knows.
pub fn charset_of_collation(collation: &str) -> Option<&'static str> {
    let name = canonical_collation(collation);
    let prefix = name.split('_').next().unwrap_or("");
    canonical_charset(prefix)
}

/// A character set's default collation on this server. `charset` is canonical.
pub fn default_collation(charset: &str, server: &ServerInfo) -> String {
    let unicode = matches!(charset, "utf8mb3" | "utf8mb4" | "ucs2" | "utf16" | "utf32");
    if unicode && server.is_mariadb() && server.version >= 110_501 {
        return format!("{charset}_uca1400_ai_ci");
    }
    if charset == "utf8mb4" && !server.is_mariadb() && server.version >= 80_001 {
        return "utf8mb4_0900_ai_ci".to_owned();
    }
    CHARSETS
        .iter()
        .find(|(known, _, _)| *known == charset)
        .map_or_else(|| format!("{charset}_general_ci"), |(_, collation, _)| (*collation).to_owned())
}

/// Most bytes of one character. `charset` is canonical; 4 for an unknown one.
pub fn max_bytes(charset: &str) -> u32 {
    CHARSETS.iter().find(|(known, _, _)| *known == charset).map_or(4, |(_, _, bytes)| *bytes)
}

/// Which collation a character set has when nobody names one: the server's, or what the statement's session said.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CollationDefaults {
    pub server: ServerInfo,
    /// Character sets that the session gave another default (MySQL's `default_collation_for_utf8mb4`, MariaDB's
    /// `character_set_collations`).
    pub session: Vec<CharsetPair>,
    /// The session's list is complete: character sets that aren't in it have the default they were built with.
    pub complete: bool,
}

impl CollationDefaults {
    /// A server's own.
    pub fn of(server: ServerInfo) -> Self {
        CollationDefaults { server, session: Vec::new(), complete: false }
    }

    /// The default of a character set (canonical).
    pub fn collation(&self, charset: &str) -> Symbol {
        if let Some(pair) = self.session.iter().find(|pair| pair.charset == charset) {
            return pair.collation.clone();
        }
        if self.complete && self.server.is_mariadb() {
            return self.built_with(charset);
        }
        default_collation(charset, &self.server).into()
    }

    /// The default of a character set that nobody configured.
    fn built_with(&self, charset: &str) -> Symbol {
        let server = ServerInfo { version: self.server.version.min(110_400), ..self.server };
        default_collation(charset, &server).into()
    }
}

/// A resolved pair of character set and collation.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CharsetPair {
    pub charset: Symbol,
    pub collation: Symbol,
}

impl CharsetPair {
    /// What a new server has when nobody configured it: the last resort for a schema nobody told us about.
    pub fn server_default(server: &ServerInfo) -> Self {
        let utf8mb4 = if server.is_mariadb() { server.version >= 110_600 } else { server.version >= 80_001 };
        let charset = if utf8mb4 { "utf8mb4" } else { "latin1" };
        CharsetPair { charset: charset.into(), collation: default_collation(charset, server).into() }
    }

    /// Resolves what a definition says against what it inherits: a collation brings its character set, a character
    /// set brings its default collation, neither means inherit. Err holds the name that no server knows.
    pub fn resolve(
        charset: Option<&str>,
        collation: Option<&str>,
        inherited: &CharsetPair,
        defaults: &CollationDefaults,
    ) -> Result<CharsetPair, String> {
        let is_default = charset.is_some_and(|name| name.eq_ignore_ascii_case("default"));
        let charset = match charset.filter(|_| !is_default) {
            Some(name) => Some(canonical_charset(name).ok_or_else(|| name.to_owned())?),
            None => None,
        };
        let collation = collation.filter(|name| !name.eq_ignore_ascii_case("default")).map(canonical_collation);
        let pair = match (charset, collation) {
            // MariaDB (tried on 10.11 and 11.8): DEFAULT is only the character set.
            (None, None) if is_default && defaults.server.is_mariadb() && defaults.server.version >= 101_000 => {
                CharsetPair { charset: inherited.charset.clone(), collation: defaults.built_with(&inherited.charset) }
            }
            (None, None) => return Ok(inherited.clone()),
            (Some(charset), None) => CharsetPair { charset: charset.into(), collation: defaults.collation(charset) },
            (charset, Some(collation)) => match charset_of_collation(&collation) {
                Some(own) => CharsetPair { charset: own.into(), collation: collation.into() },
                None if collation.starts_with("uca1400") => {
                    let charset = charset.unwrap_or(&inherited.charset);
                    CharsetPair { charset: charset.into(), collation: format!("{charset}_{collation}").into() }
                }
                None => return Err(collation),
            },
        };
        Ok(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::subtask::Flavor;

    const MYSQL8: ServerInfo = ServerInfo { flavor: Flavor::Mysql, version: 80_036 };
    const MYSQL57: ServerInfo = ServerInfo { flavor: Flavor::Mysql, version: 50_744 };
    const MARIA: ServerInfo = ServerInfo { flavor: Flavor::Mariadb, version: 101_106 };

    #[test]
    fn defaults_depend_on_the_server() {
        assert_eq!(default_collation("utf8mb4", &MYSQL8), "utf8mb4_0900_ai_ci");
        assert_eq!(default_collation("utf8mb4", &MYSQL57), "utf8mb4_general_ci");
        assert_eq!(default_collation("utf8mb4", &MARIA), "utf8mb4_general_ci");
        assert_eq!(CharsetPair::server_default(&MYSQL57).charset, "latin1");
    }

    #[test]
    fn resolution() {
        let inherited = CharsetPair { charset: "latin1".into(), collation: "latin1_bin".into() };
        let resolve =
            |charset, collation| CharsetPair::resolve(charset, collation, &inherited, &CollationDefaults::of(MYSQL8));
        assert_eq!(resolve(None, None).unwrap(), inherited);
        assert_eq!(resolve(Some("latin1"), None).unwrap().collation, "latin1_swedish_ci");
        assert_eq!(resolve(None, Some("utf8_bin")).unwrap().charset, "utf8mb3");
        assert_eq!(resolve(Some("utf8mb4"), Some("uca1400_ai_ci")).unwrap().collation, "utf8mb4_uca1400_ai_ci");
        assert_eq!(resolve(Some("klingon"), None).unwrap_err(), "klingon");
    }
}
