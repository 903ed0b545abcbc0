//! What of a server decides how its DDL reads: flavor, version, SQL mode.

use crate::config::subtask::Flavor;

/// The SQL modes that change how a statement is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct SqlMode {
    /// `"x"` is an identifier, not a string.
    pub ansi_quotes: bool,
    /// A backslash in a string is only a backslash.
    pub no_backslash_escapes: bool,
    /// REAL means FLOAT.
    pub real_as_float: bool,
    /// MariaDB's ORACLE: DATE means DATETIME, BLOB means LONGBLOB.
    pub oracle: bool,
    /// TIMESTAMP means DATETIME (MariaDB, MySQL before 8.0).
    pub maxdb: bool,
}

impl SqlMode {
    /// From the text of `@@sql_mode`; unknown modes don't matter here. `ANSI` contains ANSI_QUOTES.
    pub fn parse(text: &str) -> Self {
        let has = |name: &str| text.split(',').any(|mode| mode.trim().eq_ignore_ascii_case(name));
        SqlMode {
            ansi_quotes: has("ANSI_QUOTES") || has("ANSI"),
            no_backslash_escapes: has("NO_BACKSLASH_ESCAPES"),
            real_as_float: has("REAL_AS_FLOAT") || has("ANSI"),
            oracle: has("ORACLE"),
            maxdb: has("MAXDB"),
        }
    }

    /// From the 64-bit mode that a binlog query event carries (status variable 1).
    pub fn from_bits(bits: u64) -> Self {
        SqlMode {
            ansi_quotes: bits & 4 != 0,
            no_backslash_escapes: bits & (1 << 20) != 0,
            real_as_float: bits & 1 != 0,
            oracle: bits & (1 << 9) != 0,
            maxdb: bits & (1 << 12) != 0,
        }
    }
}

/// A server's dialect. The version is written as in executable comments: 5.7.44 is 50744, 10.11.6 is 101106.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct ServerInfo {
    pub flavor: Flavor,
    pub version: u32,
}

impl ServerInfo {
    /// From `SELECT VERSION()`. MariaDB says so in the text and may put `5.5.5-` in front. None when there is no number.
    pub fn parse(text: &str) -> Option<Self> {
        let mariadb = text.to_ascii_lowercase().contains("mariadb");
        let number = if mariadb { text.strip_prefix("5.5.5-").unwrap_or(text) } else { text };
        let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse::<u32>().unwrap_or(0));
        let (major, minor, patch) = (parts.next()?, parts.next().unwrap_or(0), parts.next().unwrap_or(0));
        if major == 0 {
            return None;
        }
        let version = major.min(400_000) * 10_000 + minor.min(99) * 100 + patch.min(99);
        Some(ServerInfo { flavor: if mariadb { Flavor::Mariadb } else { Flavor::Mysql }, version })
    }

    /// True for MariaDB.
    pub fn is_mariadb(&self) -> bool {
        self.flavor == Flavor::Mariadb
    }

    /// Whether this server executes the text inside `/*!NNNNN ... */` (`mariadb_only` for `/*M!NNNNN ... */`).
    /// MariaDB ignores MySQL's comments for 5.7 to 9.99, which it can't know (its own versions begin with 10).
    pub fn executes_comment(&self, version: u32, mariadb_only: bool) -> bool {
        if version > self.version {
            return false;
        }
        match (self.is_mariadb(), mariadb_only) {
            (true, true) => true,
            (true, false) => !(50_700..=99_999).contains(&version),
            (false, only) => !only,
        }
    }
}

impl Default for ServerInfo {
    /// A current MySQL, for callers that don't know better.
    fn default() -> Self {
        ServerInfo { flavor: Flavor::Mysql, version: 80_400 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_of_both_flavors() {
        let info = |text: &str| ServerInfo::parse(text).map(|s| (s.flavor, s.version));
        assert_eq!(info("8.0.36"), Some((Flavor::Mysql, 80_036)));
        assert_eq!(info("5.7.44-log"), Some((Flavor::Mysql, 50_744)));
        assert_eq!(info("10.11.6-MariaDB-0+deb12u1-log"), Some((Flavor::Mariadb, 101_106)));
        assert_eq!(info("5.5.5-10.4.2-MariaDB"), Some((Flavor::Mariadb, 100_402)));
        assert_eq!(info("8.0.11-TiDB-v7.5.0"), Some((Flavor::Mysql, 80_011)));
        assert_eq!(info("nonsense"), None);
        assert_eq!(info(""), None);
    }

    #[test]
    fn executable_comments_by_version() {
        let mysql = ServerInfo { flavor: Flavor::Mysql, version: 80_036 };
        let maria = ServerInfo { flavor: Flavor::Mariadb, version: 101_106 };
        assert!(mysql.executes_comment(80_023, false) && !mysql.executes_comment(80_100, false));
        assert!(!mysql.executes_comment(0, true));
        assert!(maria.executes_comment(50_100, false) && !maria.executes_comment(80_023, false));
        assert!(maria.executes_comment(100_301, true) && !maria.executes_comment(110_000, true));
    }

    #[test]
    fn modes_from_text_and_bits() {
        assert!(SqlMode::parse("STRICT_TRANS_TABLES,ANSI_QUOTES").ansi_quotes);
        assert!(SqlMode::from_bits(4 | (1 << 20)).no_backslash_escapes);
        assert_eq!(SqlMode::parse(""), SqlMode::default());
    }
}
