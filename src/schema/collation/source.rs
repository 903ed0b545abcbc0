//! What the source means by a character set without a collation, for one statement.

use super::catalog::Catalog;
use crate::{
    config::Flavor,
    mysql::binlog::event::StatusVars,
    schema::{
        charset::{CharsetPair, canonical_charset, canonical_collation, default_collation},
        logged::pair_by_number,
        server::ServerInfo,
    },
};

/// The source's defaults. The event's own (`default_collation_for_utf8mb4`) win over the server's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct SourceDefaults {
    /// What the source said; None when it could not be asked.
    pub catalog: Option<Catalog>,
    pub server: ServerInfo,
    /// The session's default collation of utf8mb4.
    pub utf8mb4: Option<String>,
    /// MariaDB's character_set_collations of the session: all that differ from what the server was built with.
    pub session: Option<Vec<CharsetPair>>,
}

impl SourceDefaults {
    /// Of a source that can't be asked: statements are read as a current server of this flavor reads them.
    pub fn unknown(flavor: Flavor) -> SourceDefaults {
        let version = if flavor == Flavor::Mariadb { 110_800 } else { 90_700 };
        SourceDefaults { catalog: None, server: ServerInfo { flavor, version }, utf8mb4: None, session: None }
    }

    /// As a statement's session had them.
    pub fn in_session(&self, status: &StatusVars) -> SourceDefaults {
        let pair = |number: u16| pair_by_number(number, &self.server);
        let list = status.charset_collations.as_ref();
        SourceDefaults {
            utf8mb4: status.default_collation_utf8mb4.and_then(pair).map(|pair| canonical_collation(&pair.collation)),
            session: list.map(|list| list.iter().filter_map(|(_, number)| pair(*number)).collect()),
            ..self.clone()
        }
    }

    /// A character set with its default collation. `charset` is canonical.
    pub fn pair(&self, charset: &str) -> CharsetPair {
        if let Some(list) = &self.session {
            let built_with = ServerInfo { version: self.server.version.min(110_400), ..self.server };
            let own = list.iter().find(|pair| *pair.charset == *charset).map(|pair| pair.collation.clone());
            let collation = own.unwrap_or_else(|| default_collation(charset, &built_with).into());
            return CharsetPair { charset: charset.into(), collation };
        }
        let session = self.utf8mb4.clone().filter(|_| charset == "utf8mb4");
        let server = || self.catalog.as_ref().and_then(|c| c.default_of(charset)).map(str::to_owned);
        let collation = session.or_else(server).unwrap_or_else(|| default_collation(charset, &self.server));
        CharsetPair { charset: charset.into(), collation: collation.into() }
    }

    fn utf8_is_utf8mb4(&self) -> bool {
        self.catalog.as_ref().is_some_and(|catalog| catalog.utf8_is_utf8mb4)
    }

    /// The canonical name of a character set as the source reads it; None for one that no server knows.
    pub fn charset_named(&self, written: &str) -> Option<String> {
        if written.eq_ignore_ascii_case("utf8") && self.utf8_is_utf8mb4() {
            return Some("utf8mb4".to_owned());
        }
        canonical_charset(written).map(str::to_owned)
    }

    /// The canonical name of a collation as the source reads it.
    pub fn collation_named(&self, written: &str) -> String {
        let lower = written.to_ascii_lowercase();
        match lower.strip_prefix("utf8_") {
            Some(rest) if self.utf8_is_utf8mb4() => format!("utf8mb4_{rest}"),
            _ => canonical_collation(&lower),
        }
    }
}
