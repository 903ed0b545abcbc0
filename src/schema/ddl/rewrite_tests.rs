//! Routing, splitting and character sets of statements' texts.

use std::collections::BTreeMap;

use super::*;
use crate::{
    config::Flavor,
    schema::{
        charset::CharsetPair,
        collation::{Catalog, CollationPolicy, SourceDefaults},
    },
};

const MYSQL8: ServerInfo = ServerInfo { flavor: Flavor::Mysql, version: 80_036 };
const MARIADB: ServerInfo = ServerInfo { flavor: Flavor::Mariadb, version: 101_106 };

fn context(server: ServerInfo) -> ParseContext {
    ParseContext { default_schema: "d".into(), server, ..ParseContext::default() }
}

fn parsed(sql: &str, server: ServerInfo) -> Statement {
    parse(sql, &context(server)).unwrap_or_else(|error| panic!("{sql}: {error}"))
}

fn same(schema: &str, table: &str) -> (String, String) {
    (schema.to_owned(), table.to_owned())
}

/// Statements of all kinds, in the ways in which people write them.
const STATEMENTS: [&str; 14] = [
    "create table t(a int)",
    "CREATE TABLE `a``b`.t /* c */ ( a INT, `KEY` TEXT COMMENT 'it''s; \\' -- no' ) ENGINE = InnoDB ;",
    " ALTER TABLE d.t ADD (a INT, b INT) , DROP c # end\n",
    "ALTER  TABLE t/*!50100 ADD a INT */, RENAME TO u",
    "DROP TABLE IF EXISTS a, d.`b`,c",
    "RENAME TABLE a TO b, `b` TO x . y",
    "TRUNCATE t",
    "create unique index `i` on t (a(3) desc)",
    "DROP INDEX i ON t",
    "CREATE DATABASE x CHARSET latin1",
    "ALTER DATABASE CHARACTER SET utf8mb4",
    "DROP SCHEMA `x`",
    "CREATE TABLE t LIKE other",
    "CREATE TABLE c (p INT, FOREIGN KEY (p) REFERENCES parent (id)) PARTITION BY HASH (p) PARTITIONS 4",
];

#[test]
fn quotes_never_meet() {
    let sql = "ALTER TABLE t COMMENT 'a'\"b\"'c'";
    assert_eq!(parsed(sql, MYSQL8).rewrite(sql, same), "ALTER TABLE `d`.`t` COMMENT 'a' 'b' 'c'");
    let sql = "CREATE TABLE t(a INT REFERENCES p(`b`))COMMENT\"x\"";
    assert_eq!(parsed(sql, MYSQL8).rewrite(sql, same), "CREATE TABLE `d`.`t`(a INT REFERENCES `d`.`p`(`b`))COMMENT'x'");
}

/// A bare name may stand right before a backquote; with quotes of its own it must not become one name with what follows.
#[test]
fn bare_names_do_not_grow_into_a_backquote() {
    for (sql, want) in [
        ("RENAME TABLE a TO`b`", "RENAME TABLE `d`.`a` TO`d`.`b`"),
        ("ALTER TABLE t ADD KEY k(a),RENAME`u`", "ALTER TABLE `d`.`t` ADD KEY k(a),RENAME`d`.`u`"),
        ("CREATE TABLE t LIKE`o`", "CREATE TABLE `d`.`t` LIKE`d`.`o`"),
        ("CREATE TABLE d.t(a INT)COMMENT'x'", "CREATE TABLE `d`.`t`(a INT)COMMENT'x'"),
    ] {
        let text = parsed(sql, MYSQL8).rewrite(sql, same);
        assert_eq!(text, want);
        let again = parse(&text, &ParseContext { default_schema: String::new(), ..context(MYSQL8) }).unwrap();
        assert_eq!(again.tables.len(), parsed(sql, MYSQL8).tables.len(), "{text}");
    }
    // Of names that touch a backquote nothing is a statement; if one ever is, a blank keeps both apart.
    for sql in ["ALTER TABLE t`x` ADD c INT", "DROP TABLE t`x`", "TRUNCATE t`x`", "CREATE INDEX i ON t`x` (a)"] {
        if let Ok(statement) = parse(sql, &context(MYSQL8)) {
            let text = statement.rewrite(sql, same);
            assert!(!text.contains("t``x"), "{text}");
            assert!(parse(&text, &context(MYSQL8)).is_ok(), "{text}");
        }
    }
}

#[test]
fn a_word_before_a_double_quote_makes_no_literal() {
    let sql = "ALTER TABLE t ADD CHECK (a = b\"x\" AND n \"y\"\"z\")";
    let text = parsed(sql, MYSQL8).rewrite(sql, same);
    assert_eq!(text, "ALTER TABLE `d`.`t` ADD CHECK (a = b 'x' AND n 'y\"z')");
}

#[test]
fn the_identity_route_changes_nothing() {
    for server in [MYSQL8, MARIADB] {
        for sql in STATEMENTS {
            assert_eq!(parsed(sql, server).reroute(sql, same), sql);
        }
    }
    let sql = "ALTER  TABLE t  ADD \"a\" INT";
    let mode = SqlMode { ansi_quotes: true, ..SqlMode::default() };
    let statement = parse(sql, &ParseContext { sql_mode: mode, ..context(MYSQL8) }).unwrap();
    assert_eq!(statement.reroute(sql, same), sql);
    let renamed = |schema: &str, table: &str| (format!("r_{schema}"), table.to_owned());
    assert_eq!(statement.reroute(sql, renamed), "ALTER  TABLE `r_d`.`t`  ADD \"a\" INT");
}

/// Texts that a generator made of the statements above: whatever still parses must come back as it is.
#[test]
fn the_identity_route_changes_nothing_under_mutation() {
    let pieces = [" ", "/*x*/", "`", "'", "\"", ",", "(", ")", ".", "\\", "\n", "é", "DROP b", "utf8", "-- ", "/*!"];
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    let mut random = |below: usize| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % below.max(1) as u64) as usize
    };
    let mut understood = 0;
    for _ in 0..20_000 {
        let mut sql = STATEMENTS[random(STATEMENTS.len())].to_owned();
        for _ in 0..1 + random(3) {
            let at = (random(sql.len() + 1)..).find(|at| sql.is_char_boundary(*at)).unwrap_or(0);
            match random(3) {
                0 => sql.insert_str(at, pieces[random(pieces.len())]),
                1 => sql.truncate(at),
                _ => {
                    let end = (at + random(4)..=sql.len()).find(|at| sql.is_char_boundary(*at)).unwrap_or(sql.len());
                    sql.replace_range(at.min(end)..end, "");
                }
            }
        }
        for (server, ansi_quotes) in [(MYSQL8, false), (MARIADB, true)] {
            let mode = SqlMode { ansi_quotes, ..SqlMode::default() };
            if let Ok(statement) = parse(&sql, &ParseContext { sql_mode: mode, ..context(server) }) {
                understood += 1;
                assert_eq!(statement.reroute(&sql, same), sql);
                // The other steps must not panic, and what they give is understood again.
                let text = statement.rewrite_guarded(&sql, same);
                if !matches!(statement.kind, StatementKind::Skipped(_)) {
                    let again = parse(&text, &context(server));
                    assert!(again.is_ok(), "{sql}\n{text}\n{again:?}");
                }
                if let Some(parts) = statement.clause_parts() {
                    let changes = statement.changes(same, true);
                    for part in &parts {
                        let text = statement.with_parts(&sql, &changes, std::slice::from_ref(part));
                        let again = parse(&text, &context(server));
                        assert!(again.is_ok(), "{sql}\n{text}\n{again:?}");
                    }
                }
            }
        }
    }
    assert!(understood > 2_000, "only {understood} texts were understood");
}

fn split(sql: &str, server: ServerInfo) -> Vec<String> {
    let statement = parsed(sql, server);
    let changes = statement.changes(|schema, table| (format!("r_{schema}"), table.to_owned()), true);
    let parts = statement.clause_parts().unwrap_or_default();
    parts.iter().map(|part| statement.with_parts(sql, &changes, std::slice::from_ref(part))).collect()
}

#[test]
fn clauses_one_by_one() {
    for (sql, expected) in [
        ("ALTER TABLE t ADD a INT COMMENT ', ;', DROP b, ALGORITHM=INPLACE", vec!["ADD a INT COMMENT ', ;'", "DROP b"]),
        ("ALTER TABLE t ADD (a INT, KEY k (a)), COMMENT='x'", vec!["ADD COLUMN a INT", "ADD KEY k (a)", "COMMENT='x'"]),
        ("ALTER TABLE t RENAME TO u, ADD a INT", vec!["ADD a INT", "RENAME TO `r_d`.`u`"]),
        ("ALTER TABLE t ADD KEY (b), RENAME COLUMN a TO b", vec!["RENAME COLUMN a TO b", "ADD KEY (b)"]),
        ("ALTER TABLE t DROP a, DROP KEY k, DROP FOREIGN KEY f", vec!["DROP FOREIGN KEY f", "DROP KEY k", "DROP a"]),
        ("ALTER TABLE t /*!50100 ADD a INT, */ DROP b", vec!["ADD a INT", "DROP b"]),
        (
            "ALTER TABLE t ADD KEY (id), ADD id INT AUTO_INCREMENT, ADD b INT",
            vec!["ADD id INT AUTO_INCREMENT, ADD KEY (id)", "ADD b INT"],
        ),
    ] {
        let expected: Vec<String> = expected.iter().map(|clause| format!("ALTER TABLE `r_d`.`t` {clause}")).collect();
        assert_eq!(split(sql, MYSQL8), expected, "{sql}");
    }
    for sql in ["ALTER TABLE t ADD a INT", "ALTER TABLE t FORCE, LOCK=NONE", "ALTER TABLE t ADD a INT, ALGORITHM=COPY"]
    {
        assert_eq!(parsed(sql, MYSQL8).clause_parts(), None, "{sql}");
    }
    let sql = "ALTER TABLE t ADD a INT, DROP b PARTITION BY HASH (a)";
    let statement = parsed(sql, MYSQL8);
    let parts = statement.clause_parts().unwrap();
    let text = statement.with_parts(sql, &statement.changes(same, true), &[parts[0].clone(), parts[2].clone()]);
    assert_eq!(text, "ALTER TABLE `d`.`t` ADD a INT PARTITION BY HASH (a)");
}

fn catalog(collations: &[&str], defaults: &[(&str, &str)]) -> Catalog {
    let mut catalog = Catalog::default();
    for name in collations {
        catalog.add(name, name.split('_').next().unwrap_or_default());
    }
    for (charset, collation) in defaults {
        catalog.add(collation, charset);
        catalog.set_default(charset, collation);
    }
    catalog
}

fn mariadb_10_5() -> Catalog {
    catalog(
        &["utf8mb4_bin", "utf8mb4_unicode_520_nopad_ci", "utf8_bin", "latin1_bin"],
        &[("utf8mb4", "utf8mb4_general_ci"), ("utf8", "utf8_general_ci"), ("latin1", "latin1_swedish_ci")],
    )
}

fn tidb() -> Catalog {
    let mut tidb = catalog(
        &["utf8mb4_general_ci", "utf8mb4_unicode_ci", "utf8mb4_0900_ai_ci"],
        &[("utf8mb4", "utf8mb4_bin"), ("utf8", "utf8_bin"), ("latin1", "latin1_bin")],
    );
    tidb.tidb = true;
    tidb
}

fn charsets(sql: &str, server: ServerInfo, policy: &CollationPolicy, target: Option<&str>) -> String {
    let statement = parsed(sql, server);
    let inherited = CharsetPair { charset: "utf8mb4".into(), collation: "utf8mb4_0900_ai_ci".into() };
    let target_inherited = target.and_then(|collation| policy.target.pair(collation));
    let source = SourceDefaults { server, ..SourceDefaults::default() };
    let rules = CharsetRules {
        policy,
        source: &source,
        inherited: Some(&inherited),
        target_inherited: target_inherited.as_ref(),
        target_table: None,
    };
    match statement.charset_changes(&rules) {
        Ok((changes, _)) => changes.apply(sql),
        Err(error) => format!("error: {}", error.message()),
    }
}

#[test]
fn defaults_are_written_out_and_lacking_collations_mapped() {
    let policy = CollationPolicy::new(mariadb_10_5(), "loose", &BTreeMap::new(), "map").unwrap();
    for (sql, expected) in [
        (
            "CREATE TABLE t (a TEXT)",
            "CREATE TABLE t (a TEXT) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_nopad_ci",
        ),
        (
            "CREATE TABLE t (a TEXT) CHARSET=utf8mb4 COMMENT 'x'",
            "CREATE TABLE t (a TEXT) CHARSET=utf8mb4 COLLATE utf8mb4_unicode_520_nopad_ci COMMENT 'x'",
        ),
        (
            "CREATE TABLE t (a TEXT CHARACTER SET utf8mb4 NOT NULL) COLLATE='utf8mb4_bin'",
            "CREATE TABLE t (a TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_nopad_ci NOT NULL) COLLATE='utf8mb4_bin'",
        ),
        (
            "CREATE TABLE t (a TEXT COLLATE utf8mb4_0900_bin, b CHAR(1) BINARY) CHARSET latin1",
            "CREATE TABLE t (a TEXT COLLATE utf8mb4_bin, b CHAR(1) BINARY) CHARSET latin1",
        ),
        // An old server knows only the old name.
        (
            "CREATE TABLE t (a TEXT) CHARSET utf8mb3 COLLATE utf8mb3_bin",
            "CREATE TABLE t (a TEXT) CHARSET utf8 COLLATE utf8_bin",
        ),
        ("CREATE TABLE t (a TEXT) CHARSET utf8", "CREATE TABLE t (a TEXT) CHARSET utf8"),
        ("CREATE TABLE t (a NCHAR(3)) CHARSET latin1", "CREATE TABLE t (a NCHAR(3)) CHARSET latin1"),
        (
            "ALTER TABLE t DEFAULT CHARSET utf8mb4",
            "ALTER TABLE t DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_unicode_520_nopad_ci",
        ),
        (
            "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4, ADD a INT",
            "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_nopad_ci, ADD a INT",
        ),
        (
            "ALTER TABLE t CONVERT TO CHARACTER SET DEFAULT",
            "ALTER TABLE t CONVERT TO CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_nopad_ci",
        ),
        ("ALTER TABLE t ADD a TEXT", "ALTER TABLE t ADD a TEXT"),
        ("ALTER TABLE t COLLATE utf8mb4_0900_ai_ci", "ALTER TABLE t COLLATE utf8mb4_unicode_520_nopad_ci"),
        ("CREATE DATABASE x", "CREATE DATABASE x DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_520_nopad_ci"),
        ("CREATE DATABASE x CHARSET latin1", "CREATE DATABASE x CHARSET latin1"),
        ("CREATE TABLE t LIKE u", "CREATE TABLE t LIKE u"),
        ("CREATE TABLE t (a TEXT) CHARSET gb2312", "error: the target doesn't know the character set gb2312"),
    ] {
        assert_eq!(charsets(sql, MYSQL8, &policy, None), expected, "{sql}");
    }
    let sql = "CREATE TABLE t (a TEXT)";
    assert_eq!(charsets(sql, MYSQL8, &policy, Some("utf8mb4_unicode_520_nopad_ci")), sql);
}

#[test]
fn on_tidb_loose_and_strict_are_those_of_dm() {
    let loose = CollationPolicy::new(tidb(), "loose", &BTreeMap::new(), "map").unwrap();
    let strict = CollationPolicy::new(tidb(), "strict", &BTreeMap::new(), "map").unwrap();
    for (sql, want_loose, want_strict) in [
        (
            "CREATE TABLE t (a TEXT) CHARSET utf8mb4",
            "CREATE TABLE t (a TEXT) CHARSET utf8mb4",
            "CREATE TABLE t (a TEXT) CHARSET utf8mb4 COLLATE utf8mb4_0900_ai_ci",
        ),
        (
            "CREATE DATABASE x",
            "CREATE DATABASE x",
            "CREATE DATABASE x DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci",
        ),
        (
            "CREATE TABLE t (a TEXT COLLATE latin1_swedish_ci)",
            "CREATE TABLE t (a TEXT COLLATE latin1_bin)",
            "CREATE TABLE t (a TEXT COLLATE latin1_bin) DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_0900_ai_ci",
        ),
    ] {
        assert_eq!(charsets(sql, MYSQL8, &loose, None), want_loose, "{sql}");
        assert_eq!(charsets(sql, MYSQL8, &strict, None), want_strict, "{sql}");
    }
}

#[test]
fn what_the_task_says_wins() {
    let overrides = [("utf8mb4_0900_ai_ci", "utf8mb4_bin"), ("gb2312", "utf8mb4")];
    let overrides = overrides.iter().map(|(a, b)| ((*a).to_owned(), (*b).to_owned())).collect();
    let policy = CollationPolicy::new(mariadb_10_5(), "loose", &overrides, "error").unwrap();
    for (sql, expected) in [
        ("CREATE TABLE t (a TEXT) CHARSET utf8mb4", "CREATE TABLE t (a TEXT) CHARSET utf8mb4 COLLATE utf8mb4_bin"),
        (
            "CREATE TABLE t (a TEXT CHARSET gb2312) CHARSET latin1",
            "CREATE TABLE t (a TEXT CHARSET utf8mb4) CHARSET latin1",
        ),
        (
            "CREATE TABLE t (a TEXT COLLATE utf8mb4_0900_as_ci) CHARSET latin1",
            "error: the target doesn't know the collation utf8mb4_0900_as_ci",
        ),
    ] {
        assert_eq!(charsets(sql, MYSQL8, &policy, None), expected, "{sql}");
    }
    // MariaDB's collation without a character set takes the one beside it.
    let plain = CollationPolicy::new(mariadb_10_5(), "loose", &BTreeMap::new(), "map").unwrap();
    let sql = "CREATE TABLE t (a TEXT CHARACTER SET utf8mb4 COLLATE uca1400_ai_ci) CHARSET latin1";
    let text = charsets(sql, MARIADB, &plain, None);
    assert!(text.contains("CHARACTER SET utf8mb4 COLLATE utf8mb4_"), "{text}");
}

#[test]
fn references_get_their_columns() {
    let sql = "CREATE TABLE c (a INT REFERENCES p, b INT, FOREIGN KEY (b) REFERENCES q ON DELETE CASCADE, \
               FOREIGN KEY (b) REFERENCES p /* x */ (z), FOREIGN KEY (a) REFERENCES u)";
    let statement = parse(sql, &ParseContext { default_schema: "d".into(), ..ParseContext::default() }).unwrap();
    let key = |id: &crate::schema::TableId| match id.name.as_str() {
        "p" => vec!["id".to_owned()],
        "q" => vec!["x".to_owned(), "y".to_owned()],
        _ => Vec::new(),
    };
    let mut changes = statement.changes(|schema, table| (schema.to_owned(), table.to_owned()), false);
    changes.extend(statement.parent_columns(sql, key));
    assert_eq!(
        changes.apply(sql),
        "CREATE TABLE `d`.`c` (a INT REFERENCES `d`.`p` (`id`), b INT, FOREIGN KEY (b) REFERENCES `d`.`q` (`x`, `y`) ON \
         DELETE CASCADE, FOREIGN KEY (b) REFERENCES `d`.`p` /* x */ (z), FOREIGN KEY (a) REFERENCES `d`.`u`)"
    );
}

#[test]
fn timestamps_are_open_where_the_text_says_too_little() {
    for (column, open) in [
        ("TIMESTAMP", true),
        ("TIMESTAMP NOT NULL", true),
        ("TIMESTAMP DEFAULT 0", true),
        ("TIMESTAMP NOT NULL DEFAULT 0", false),
        ("TIMESTAMP NULL", false),
        ("DATETIME", false),
    ] {
        let statement = parsed(&format!("ALTER TABLE t ADD c {column}"), MYSQL8);
        assert_eq!(statement.leaves_timestamps_open(), open, "{column}");
    }
}
