//! The target session's variables (config facts, section 9): one rule for load and sync.

use std::collections::BTreeMap;

use crate::config::SubtaskConfig;

/// What of the servers decides the target session. Both are read once at a unit's start.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ServerFacts {
    /// `SELECT VERSION()` of the target.
    pub target_version: String,
    /// The source's global sql_mode; None when it could not be read.
    pub source_sql_mode: Option<String>,
}

const REMOVED_MODES: [&str; 6] = [
    "NO_ZERO_IN_DATE",
    "NO_ZERO_DATE",
    "ERROR_FOR_DIVISION_BY_ZERO",
    "NO_AUTO_CREATE_USER",
    "STRICT_TRANS_TABLES",
    "STRICT_ALL_TABLES",
];
const ADDED_MODES: [&str; 3] = ["IGNORE_SPACE", "NO_AUTO_VALUE_ON_ZERO", "ALLOW_INVALID_DATES"];
/// Modes (and the combinations that contain them) under which a literal's text would mean something else.
/// (PAD_CHAR_TO_FULL_LENGTH: what a CHAR column is compared as).
const LITERAL_MODES: [&str; 11] = [
    "ANSI_QUOTES",
    "NO_BACKSLASH_ESCAPES",
    "ANSI",
    "ORACLE",
    "MSSQL",
    "DB2",
    "POSTGRESQL",
    "MAXDB",
    "PIPES_AS_CONCAT",
    "EMPTY_STRING_IS_NULL",
    "PAD_CHAR_TO_FULL_LENGTH",
];

/// The variables that a session on the target sets, names in lower case, values as a user writes them.
/// What the task gives in `session` wins. Text of rows is written with backslash escapes, so modes that change the
/// meaning of literals are never taken over.
pub fn target_session(config: &SubtaskConfig, facts: &ServerFacts) -> BTreeMap<String, String> {
    let mut out = config.to.session.clone();
    if tidb_major(&facts.target_version) >= 3 {
        out.entry("tidb_txn_mode".into()).or_insert_with(|| "optimistic".into());
    }
    if !config.timezone.is_empty() {
        out.entry("time_zone".into()).or_insert_with(|| config.timezone.clone());
    }
    let mode = match out.get("sql_mode") {
        Some(given) => given.clone(),
        None => adjusted_sql_mode(facts.source_sql_mode.as_deref()),
    };
    out.insert("sql_mode".into(), without(&mode, &LITERAL_MODES));
    out.entry("foreign_key_checks".into()).or_insert_with(|| "0".into());
    out
}

/// The load unit's session: as `target_session`, but always optimistic, without foreign key checks, in UTC (as the
/// dump was written).
pub fn load_session(config: &SubtaskConfig, facts: &ServerFacts) -> BTreeMap<String, String> {
    let mut out = target_session(config, facts);
    if out.contains_key("tidb_txn_mode") {
        out.insert("tidb_txn_mode".into(), "optimistic".into());
    }
    if tidb_major(&facts.target_version) >= 4 {
        // Else it writes each INSERT once more, without its values, to look for a plan that somebody has bound to it.
        out.entry("tidb_use_plan_baselines".into()).or_insert_with(|| "0".into());
    }
    out.insert("foreign_key_checks".into(), "0".into());
    out.insert("time_zone".into(), "+00:00".into());
    out
}

/// As a list for a connection.
pub fn assignments(session: &BTreeMap<String, String>) -> Vec<(String, String)> {
    session.iter().map(|(name, value)| (name.clone(), value.clone())).collect()
}

/// The target's sql_mode when the task gives none.
pub fn adjusted_sql_mode(source: Option<&str>) -> String {
    let kept = without(source.unwrap_or(""), &REMOVED_MODES);
    let mut modes: Vec<&str> = kept.split(',').filter(|m| !m.is_empty()).collect();
    for mode in ADDED_MODES {
        if !modes.iter().any(|m| m.eq_ignore_ascii_case(mode)) {
            modes.push(mode);
        }
    }
    modes.join(",")
}

/// The modes that change how a DDL statement reads beyond its quotes (which are rewritten), and their bits in a query
/// event: `a || b` of a generated column, NOT in a CHECK, REAL, and whether `KEY count (a)` is a function.
const DDL_MODES: [(u64, &str); 4] =
    [(1, "REAL_AS_FLOAT"), (2, "PIPES_AS_CONCAT"), (8, "IGNORE_SPACE"), (1 << 29, "HIGH_NOT_PRECEDENCE")];

/// What becomes of 2023-02-30 and of 2023-00-10 in a table that is copied.
const DATE_MODES: [&str; 3] = ["NO_ZERO_IN_DATE", "NO_ZERO_DATE", "ALLOW_INVALID_DATES"];
const STRICT: u64 = 1 << 21 | 1 << 22;
const NO_ZERO_IN_DATE: u64 = 1 << 23;
const NO_ZERO_DATE: u64 = 1 << 24;
const ALLOW_INVALID_DATES: u64 = 1 << 25;

/// Makes MariaDB look at dates that it copies. It also makes both servers refuse zero defaults, those of TIMESTAMP columns
/// among them, so a statement that fails at it is to be sent without.
pub const LOOKS: &str = "NO_ZERO_DATE";

/// The sql_mode under which a statement of the source is executed: the session's own, but with the source's reading, and
/// with what its server does to dates when it copies a table (seen on all seven releases, tests/copied_dates.rs).
pub fn ddl_sql_mode(own: &str, event: u64, source_is_mariadb: bool, target_is_mariadb: bool) -> String {
    let kept = without(&without(own, &DDL_MODES.map(|(_, name)| name)), &DATE_MODES);
    let mut modes: Vec<&str> = kept.split(',').filter(|mode| !mode.is_empty()).collect();
    modes.extend(DDL_MODES.iter().filter(|(bit, _)| event & bit != 0).map(|(_, name)| *name));
    // A strict session's statement failed at such a date, or met none because nothing was copied; MariaDB copies dates
    // without a look unless the mode has something against zeros.
    let strict = event & STRICT != 0;
    let looks = !strict && (!source_is_mariadb || event & (NO_ZERO_IN_DATE | NO_ZERO_DATE) != 0);
    if !looks || event & ALLOW_INVALID_DATES != 0 {
        modes.push("ALLOW_INVALID_DATES");
    } else if target_is_mariadb {
        // MySQL looks anyway.
        modes.push(LOOKS);
    }
    if looks && event & NO_ZERO_IN_DATE != 0 {
        modes.push("NO_ZERO_IN_DATE");
    }
    modes.join(",")
}

/// A list of modes without some, and without the one that stands for several.
pub fn without(modes: &str, removed: &[&str]) -> String {
    let kept = modes.split(',').map(str::trim).filter(|m| !m.is_empty());
    let kept =
        kept.filter(|m| !removed.iter().any(|r| r.eq_ignore_ascii_case(m)) && !m.eq_ignore_ascii_case("TRADITIONAL"));
    kept.collect::<Vec<_>>().join(",")
}

/// The major version of a TiDB; 0: it is none.
fn tidb_major(version: &str) -> u32 {
    let text = version.to_ascii_lowercase();
    let Some((_, version)) = text.split_once("tidb-v") else { return 0 };
    version.split('.').next().and_then(|major| major.parse().ok()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sql_mode_of_the_source_is_relaxed() {
        let source = "ONLY_FULL_GROUP_BY,STRICT_TRANS_TABLES,NO_ZERO_IN_DATE,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO,NO_ENGINE_SUBSTITUTION";
        let want = "ONLY_FULL_GROUP_BY,NO_ENGINE_SUBSTITUTION,IGNORE_SPACE,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES";
        assert_eq!(adjusted_sql_mode(Some(source)), want);
        assert_eq!(adjusted_sql_mode(None), "IGNORE_SPACE,NO_AUTO_VALUE_ON_ZERO,ALLOW_INVALID_DATES");
        assert_eq!(without("ANSI_QUOTES,NO_BACKSLASH_ESCAPES,STRICT_ALL_TABLES", &LITERAL_MODES), "STRICT_ALL_TABLES");
    }

    #[test]
    fn a_statement_is_read_as_at_the_source() {
        assert_eq!(
            ddl_sql_mode("IGNORE_SPACE", 2 | 8 | 1 << 25, false, false),
            "PIPES_AS_CONCAT,IGNORE_SPACE,ALLOW_INVALID_DATES"
        );
        // Quotes are rewritten, so their modes never reach the target.
        assert_eq!(
            ddl_sql_mode("", 4 | 1 << 20 | 1 << 25 | 1 << 29, true, true),
            "HIGH_NOT_PRECEDENCE,ALLOW_INVALID_DATES"
        );
    }

    #[test]
    fn dates_are_copied_as_at_the_source() {
        let own = "NO_ENGINE_SUBSTITUTION,IGNORE_SPACE,ALLOW_INVALID_DATES";
        let mode = |event, mariadb| ddl_sql_mode(own, event, mariadb, true).replace("NO_ENGINE_SUBSTITUTION,", "");
        assert_eq!(mode(0, false), "NO_ZERO_DATE");
        assert_eq!(ddl_sql_mode("", 0, false, false), "");
        assert_eq!(ddl_sql_mode("", NO_ZERO_DATE, false, false), "");
        assert_eq!(mode(0, true), "ALLOW_INVALID_DATES");
        assert_eq!(mode(1 << 24, true), "NO_ZERO_DATE");
        assert_eq!(mode(1 << 23, true), "NO_ZERO_DATE,NO_ZERO_IN_DATE");
        assert_eq!(mode(1 << 23 | 1 << 25, false), "ALLOW_INVALID_DATES,NO_ZERO_IN_DATE");
        for mariadb in [false, true] {
            assert_eq!(mode(1 << 21, mariadb), "ALLOW_INVALID_DATES");
            assert_eq!(mode(1 << 22 | 1 << 23 | 1 << 24, mariadb), "ALLOW_INVALID_DATES");
        }
    }

    #[test]
    fn tidb_versions() {
        let versions = ["8.0.11-TiDB-v7.5.0", "5.7.25-TiDB-v2.1.0", "10.11.6-MariaDB", "8.0.11-TiDB-None"];
        assert_eq!(versions.map(tidb_major), [7, 2, 0, 0]);
    }
}
