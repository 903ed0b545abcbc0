//! The character sets and collations that one server has, asked once.

use std::collections::BTreeMap;

use mysql_async::{Conn, Row, prelude::Queryable};

use crate::{
    error::{Code, DmError, Result, Scope},
    mysql::error::cause,
    schema::charset::{CharsetPair, canonical_charset, canonical_collation},
};

/// What a server has. Names are looked up in canonical form (`utf8mb3` for `utf8`), and given back as it spells them.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Catalog {
    collations: BTreeMap<String, Known>,
    charsets: BTreeMap<String, Charset>,
    /// `utf8` means utf8mb4 there (MariaDB without the old mode UTF8_IS_UTF8MB3).
    pub utf8_is_utf8mb4: bool,
    pub tidb: bool,
    /// Default of new databases.
    pub server: Option<CharsetPair>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Known {
    spelled: String,
    charset: String,
}

#[derive(Clone, PartialEq, Eq, Debug)]
struct Charset {
    spelled: String,
    default: String,
}

impl Catalog {
    /// Asks a server. Error 10005 when it refuses.
    pub async fn fetch(conn: &mut Conn, side: Scope) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        let sql = "SELECT VERSION(), CHARSET(_utf8'a'), @@collation_server";
        let facts = rows(conn, side, sql).await?;
        let collation = facts.first().map(|row| text(row, 2)).unwrap_or_default();
        catalog.tidb = facts.first().is_some_and(|row| text(row, 0).to_ascii_lowercase().contains("tidb"));
        catalog.utf8_is_utf8mb4 = facts.first().is_some_and(|row| text(row, 1) == "utf8mb4");
        for row in rows(conn, side, "SHOW COLLATION").await? {
            // MariaDB's collations for several character sets have none here.
            catalog.add(&text(&row, 0), &text(&row, 1));
        }
        // MariaDB 10.10 and later have the full names here only, and only they have this column.
        let full = "SELECT FULL_COLLATION_NAME, CHARACTER_SET_NAME FROM \
                    information_schema.COLLATION_CHARACTER_SET_APPLICABILITY";
        match conn.query::<Row, _>(full).await {
            Ok(found) => found.iter().for_each(|row| catalog.add(&text(row, 0), &text(row, 1))),
            Err(mysql_async::Error::Server(error)) if error.code == UNKNOWN_COLUMN => {}
            Err(error) => return Err(failed(side, full, &error)),
        }
        for row in rows(conn, side, "SHOW CHARACTER SET").await? {
            catalog.set_default(&text(&row, 0), &text(&row, 2));
        }
        catalog.server = catalog.pair(&collation);
        Ok(catalog)
    }

    /// Adds a collation; ignored without a character set.
    pub fn add(&mut self, collation: &str, charset: &str) {
        if !charset.is_empty() && !collation.is_empty() {
            let known = Known { spelled: collation.to_owned(), charset: canonical(charset) };
            self.collations.insert(canonical_collation(collation), known);
        }
    }

    /// Adds a character set with its default collation.
    pub fn set_default(&mut self, charset: &str, collation: &str) {
        let default = canonical_collation(collation);
        self.charsets.insert(canonical(charset), Charset { spelled: charset.to_owned(), default });
    }

    /// Whether the server has a collation.
    pub fn has(&self, collation: &str) -> bool {
        self.collations.contains_key(&canonical_collation(collation))
    }

    /// Whether the server has a character set.
    pub fn has_charset(&self, charset: &str) -> bool {
        self.charsets.contains_key(&canonical(charset))
    }

    /// Whether text in a character set can be sent as its bytes, `_charset x'..'`. TiDB refuses most introducers (error
    /// 1115), and keeps latin1 as UTF-8: it would take latin1's bytes for that, unchecked.
    pub fn takes_bytes_of(&self, charset: &str) -> bool {
        self.has_charset(charset) && !self.tidb
    }

    /// A collation with its character set; None when the server doesn't have it.
    pub fn pair(&self, collation: &str) -> Option<CharsetPair> {
        let name = canonical_collation(collation);
        let known = self.collations.get(&name)?;
        Some(CharsetPair { charset: known.charset.as_str().into(), collation: name.into() })
    }

    /// A character set's default collation, canonical.
    pub fn default_of(&self, charset: &str) -> Option<&str> {
        self.charsets.get(&canonical(charset)).map(|known| known.default.as_str())
    }

    /// How the server spells a collation (`utf8_bin` or `utf8mb3_bin`).
    pub fn spelled<'a>(&'a self, collation: &'a str) -> &'a str {
        self.collations.get(collation).map_or(collation, |known| &known.spelled)
    }

    /// How the server spells a character set, so that it can't be taken for another: `utf8` is only for servers that
    /// have no other name for it.
    pub fn spelled_charset<'a>(&'a self, charset: &'a str) -> &'a str {
        self.charsets.get(charset).map_or(charset, |known| &known.spelled)
    }

    /// Whether the server reads this spelling as this collation.
    pub fn accepts(&self, written: &str, canonical: &str) -> bool {
        let Some(known) = self.collations.get(canonical) else { return false };
        let (written, old) = (written.to_ascii_lowercase(), known.spelled.starts_with("utf8_"));
        if canonical.starts_with("utf8mb3_") {
            // Old servers know `utf8_` only; where both are known, `utf8_` may mean utf8mb4.
            return if written.starts_with("utf8_") { old || !self.utf8_is_utf8mb4 } else { !old };
        }
        true
    }

    /// All canonical names.
    pub fn collations(&self) -> impl Iterator<Item = &str> {
        self.collations.keys().map(String::as_str)
    }

    /// All canonical names of character sets.
    pub fn charsets(&self) -> impl Iterator<Item = &str> {
        self.charsets.keys().map(String::as_str)
    }
}

/// ER_BAD_FIELD_ERROR.
const UNKNOWN_COLUMN: u16 = 1054;

fn canonical(charset: &str) -> String {
    canonical_charset(charset).map_or_else(|| charset.to_ascii_lowercase(), str::to_owned)
}

async fn rows(conn: &mut Conn, side: Scope, sql: &str) -> Result<Vec<Row>> {
    conn.query(sql).await.map_err(|error| failed(side, sql, &error))
}

fn failed(side: Scope, sql: &str, error: &mysql_async::Error) -> DmError {
    DmError::new(Code::DBQueryFailed).scope(side).msg(format!("query failed: {sql}")).cause(cause(error))
}

fn text(row: &Row, at: usize) -> String {
    match row.get_opt::<Option<String>, _>(at) {
        Some(Ok(Some(text))) => text,
        _ => String::new(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn spellings_of_utf8() {
        let mut old = Catalog::default();
        old.add("utf8_bin", "utf8");
        old.set_default("utf8", "utf8_general_ci");
        assert!(old.has("utf8mb3_bin") && old.has_charset("utf8mb3") && !old.has("utf8mb4_bin"));
        assert_eq!((old.spelled("utf8mb3_bin"), old.spelled_charset("utf8mb3")), ("utf8_bin", "utf8"));
        assert!(old.accepts("utf8_bin", "utf8mb3_bin") && !old.accepts("utf8mb3_bin", "utf8mb3_bin"));
        let mut new = Catalog::default();
        new.add("utf8mb3_bin", "utf8mb3");
        assert!(new.accepts("utf8_bin", "utf8mb3_bin") && new.accepts("UTF8MB3_bin", "utf8mb3_bin"));
        new.utf8_is_utf8mb4 = true;
        assert!(!new.accepts("utf8_bin", "utf8mb3_bin") && new.accepts("utf8mb3_bin", "utf8mb3_bin"));
        assert!(!new.accepts("latin1_bin", "latin1_bin"));
        new.set_default("latin1", "latin1_bin");
        assert!(new.takes_bytes_of("latin1") && !new.takes_bytes_of("big5"));
        new.tidb = true;
        assert!(!new.takes_bytes_of("latin1"));
        assert_eq!(new.pair("UTF8_BIN").map(|p| p.charset).as_deref(), Some("utf8mb3"));
    }
}
