//! What the source means by a character set without a collation, for one statement.

use super::catalog::Catalog;
use crate::{
    config::Flavor,
    schema::{
        charset::{CharsetPair, canonical_charset, canonical_collation, default_collation},
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
}

impl SourceDefaults {
    /// Of a source that can't be asked: statements are read as a current server of this flavor reads them.
    pub fn unknown(flavor: Flavor) -> SourceDefaults {
        let version = if flavor == Flavor::Mariadb { 110_800 } else { 90_700 };
        SourceDefaults { catalog: None, server: ServerInfo { flavor, version }, utf8mb4: None }
    }

    /// A character set with its default collation. `charset` is canonical.
    pub fn pair(&self, charset: &str) -> CharsetPair {
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
