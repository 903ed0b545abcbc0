//! The forms of statement that the grammar reads, and what holds for every text: spans lie within it, on characters.

use super::*;
use crate::{config::subtask::Flavor, schema::BaseType};

fn mysql() -> ParseContext {
    ParseContext { default_schema: "d".into(), ..ParseContext::default() }
}

fn mariadb() -> ParseContext {
    ParseContext { server: ServerInfo { flavor: Flavor::Mariadb, version: 110_806 }, ..mysql() }
}

fn parsed(sql: &str, context: &ParseContext) -> Statement {
    parse(sql, context).unwrap_or_else(|error| panic!("{sql}: {} {}", error.message(), error.raw_cause()))
}

/// `role schema.table` of every table named but the first subject.
fn others(statement: &Statement) -> Vec<String> {
    statement.tables.iter().skip(1).map(|table| format!("{:?} {}", table.role, table.id())).collect()
}

#[test]
fn partition_clauses() {
    for clause in [
        "ADD PARTITION (PARTITION p VALUES LESS THAN (5) ENGINE=InnoDB COMMENT 'x')",
        "ADD PARTITION IF NOT EXISTS (PARTITION p VALUES IN (1,2))",
        "ADD PARTITION LOCAL PARTITIONS 2",
        "DROP PARTITION IF EXISTS p, q",
        "COALESCE PARTITION NO_WRITE_TO_BINLOG 2",
        "REORGANIZE PARTITION",
        "REORGANIZE PARTITION p, q INTO (PARTITION r VALUES LESS THAN MAXVALUE)",
        "TRUNCATE PARTITION ALL",
        "ANALYZE PARTITION p",
        "ANALYZE PARTITION p PERSISTENT FOR COLUMNS (a, b) INDEXES ()",
        "ADD PARTITION (PARTITION p VALUES IN (1) MAX_ROWS 100 MIN_ROWS = 1 ENGINE InnoDB DATA DIRECTORY '/x')",
        "CHECK PARTITION p FOR UPGRADE",
        "OPTIMIZE PARTITION ALL",
        "REBUILD PARTITION p",
        "REPAIR PARTITION p QUICK",
        "DISCARD PARTITION p, q TABLESPACE",
        "IMPORT PARTITION ALL TABLESPACE",
        "REMOVE PARTITIONING",
        "UPGRADE PARTITIONING",
        "PARTITION BY LINEAR KEY ALGORITHM=2 () PARTITIONS 4",
        "PARTITION BY RANGE COLUMNS (a, b) SUBPARTITION BY LINEAR HASH (c) SUBPARTITIONS 2 (PARTITION p VALUES LESS THAN (1, 2))",
        "PARTITION BY LIST (a) (PARTITION p VALUES IN (1), PARTITION q DEFAULT)",
        "PARTITION BY SYSTEM_TIME INTERVAL 1 WEEK STARTS TIMESTAMP'2020-01-01' AUTO PARTITIONS 12",
        "PARTITION BY SYSTEM_TIME LIMIT 1000 (PARTITION p HISTORY, PARTITION c CURRENT)",
    ] {
        let statement = parsed(&format!("ALTER TABLE t {clause}"), &mariadb());
        assert_eq!(statement.clauses.len(), 1, "{clause}");
        assert_eq!(statement.clauses[0].kind, ClauseKind::Partition, "{clause}");
    }
    let sql = "ALTER TABLE t EXCHANGE PARTITION p WITH TABLE x.u WITHOUT VALIDATION";
    assert_eq!(others(&parsed(sql, &mysql())), ["Exchanged `x`.`u`"]);
    let sql = "ALTER TABLE t CONVERT PARTITION p TO TABLE u WITH VALIDATION";
    assert_eq!(others(&parsed(sql, &mariadb())), ["Converted `d`.`u`"]);
    let sql = "ALTER TABLE t CONVERT TABLE u TO PARTITION p VALUES LESS THAN (9)";
    assert_eq!(others(&parsed(sql, &mariadb())), ["Converted `d`.`u`"]);
    assert!(parse("CREATE TABLE t (a INT) PARTITION BY HASH (a) SELECT 1", &mysql()).is_err());
}

#[test]
fn alter_clauses() {
    for clause in [
        "ALTER CHECK c NOT ENFORCED",
        "ALTER CONSTRAINT c ENFORCED",
        "ALTER INDEX i INVISIBLE",
        "ALTER COLUMN a SET INVISIBLE",
        "ALTER a SET DEFAULT (uuid())",
        "ALTER COLUMN a DROP DEFAULT",
        "RENAME KEY a TO b",
        "RENAME = u",
        "ADD COLUMN (a INT, b INT, UNIQUE (a))",
        "ADD CONSTRAINT FOREIGN KEY i (a) REFERENCES u (b) ON DELETE SET DEFAULT ON UPDATE NO ACTION",
        "ADD SPATIAL INDEX (g)",
        "ADD FULLTEXT KEY f (t) WITH PARSER ngram",
        "ADD INDEX m ((CAST(j->'$.a' AS UNSIGNED ARRAY)))",
        "ADD UNIQUE INDEX ((lower(a)) DESC, b(3)) USING BTREE COMMENT 'x' VISIBLE ENGINE_ATTRIBUTE '{}'",
        "ORDER BY a DESC, b",
        "SECONDARY_LOAD",
        "SECONDARY_UNLOAD PARTITION (p0, p1)",
        "DISCARD TABLESPACE",
        "IMPORT TABLESPACE",
        "CONVERT TO CHARACTER SET DEFAULT",
        "FORCE, ALGORITHM = INSTANT, LOCK DEFAULT, WITHOUT VALIDATION",
        "AUTOEXTEND_SIZE 4M, TABLESPACE ts STORAGE DISK, SECONDARY_ENGINE NULL, UNION = (u, v)",
        "NEW_OPTION = 'of a server to come', OTHER = 5",
    ] {
        parsed(&format!("ALTER TABLE t {clause}"), &mysql());
    }
    for clause in [
        "ADD COLUMN IF NOT EXISTS a INT COMPRESSED=zlib WITHOUT SYSTEM VERSIONING REF_SYSTEM_ID=4326",
        "MODIFY COLUMN IF EXISTS a INET4, CHANGE IF EXISTS b c UUID, DROP COLUMN IF EXISTS x",
        "ALTER KEY IF EXISTS i NOT IGNORED",
        "ADD SYSTEM VERSIONING",
        "DROP SYSTEM VERSIONING",
        "ADD PERIOD FOR p (a, b), ADD UNIQUE (id, p WITHOUT OVERLAPS)",
        "DROP PERIOD IF EXISTS FOR p",
        "DROP CONSTRAINT IF EXISTS c, DROP FOREIGN KEY IF EXISTS f, DROP INDEX IF EXISTS i",
        "RENAME INDEX IF EXISTS a TO b, RENAME COLUMN IF EXISTS c TO d",
        "ADD VECTOR INDEX v (e) M=8 DISTANCE=cosine",
        "ADD VECTOR v (e), ADD COLUMN g POINT(5)",
        "ADD COLUMN period INT, ADD COLUMN system INT, ADD COLUMN `vector` INT",
    ] {
        parsed(&format!("ALTER ONLINE IGNORE TABLE IF EXISTS t WAIT 5 {clause}"), &mariadb());
    }
    let statement = parsed("ALTER TABLE t NEW_OPTION = 'x', ADD a INT", &mysql());
    assert_eq!(statement.unknown.as_slice(), std::slice::from_ref(&(14..30)));
    for refused in ["EXPLODE", "NEW_OPTION 'x'", "ADD a INT FANCY", "SET x = 1", "ADD INDEX i (a) FANCY 1"] {
        assert!(parse(&format!("ALTER TABLE t {refused}"), &mysql()).is_err(), "{refused}");
    }
}

#[test]
fn tables_and_columns() {
    let sql = "CREATE OR REPLACE TABLE t (a INT, s DATE, e DATE, PERIOD FOR p (s, e), rs TIMESTAMP(6) GENERATED ALWAYS AS \
               ROW START INVISIBLE, re TIMESTAMP(6) AS ROW END, PERIOD FOR SYSTEM_TIME (rs, re), UNIQUE (a, p WITHOUT \
               OVERLAPS)) WITH SYSTEM VERSIONING ENGINE=InnoDB PARTITION BY SYSTEM_TIME";
    let StatementKind::CreateTable(create) = parsed(sql, &mariadb()).kind else { panic!("no table") };
    assert!(
        create.versioned
            && create.partition.is_some()
            && create.periods[1].is_system()
            && !create.periods[0].is_system()
    );
    assert_eq!((create.columns[3].row_time, create.columns[4].row_time), (Some(RowTime::Start), Some(RowTime::End)));
    assert_eq!(create.indexes[0].without_overlaps.as_deref(), Some("p"));
    let sql = "CREATE TABLE t (a LONG CHARACTER SET latin1, b NATIONAL VARCHARACTER(4), c ENUM(0x61, b'1100010', x'63'), \
               d CHAR BYTE, e INT DEFAULT \\N, f DATETIME DEFAULT {ts '2020-01-01 00:00:00'}, g BIT(0), h TEXT(0))";
    let StatementKind::CreateTable(create) = parsed(sql, &mysql()).kind else { panic!("no table") };
    let bases: Vec<BaseType> = create.columns.iter().map(|column| column.ty.base).collect();
    use BaseType::*;
    assert_eq!(bases, [MediumText, VarChar, Enum, Char, Int, DateTime, Bit, Text]);
    assert_eq!((create.columns[2].ty.elems.concat(), create.columns[6].ty.length), ("abc".to_owned(), Some(1)));
    let oracle = ParseContext { sql_mode: SqlMode::parse("ORACLE"), ..mariadb() };
    let sql = "CREATE TABLE t (a NUMBER, b NUMBER(5,2), c VARCHAR2(5), d RAW(5), e CLOB, f DATE, g BLOB, h mariadb_schema.date)";
    let StatementKind::CreateTable(create) = parsed(sql, &oracle).kind else { panic!("no table") };
    let bases: Vec<BaseType> = create.columns.iter().map(|column| column.ty.base).collect();
    assert_eq!(bases, [Double, Decimal, VarChar, VarBinary, LongText, DateTime, LongBlob, Date]);
    let same = |schema: &str, table: &str| (schema.to_owned(), table.to_owned());
    let text = parsed("CREATE TABLE t (f DATE, g BLOB)", &oracle).rewrite("CREATE TABLE t (f DATE, g BLOB)", same);
    assert!(text.ends_with("(f DATETIME, g LONGBLOB)"), "{text}");
    let text = parsed(sql, &oracle).rewrite(sql, same);
    let want = "(a DOUBLE, b DECIMAL(5,2), c VARCHAR(5), d VARBINARY(5), e LONGTEXT, f DATETIME, g LONGBLOB, h mariadb_schema.date)";
    assert!(text.ends_with(want), "{text}");
}

#[test]
fn sequences() {
    let sql = "CREATE SEQUENCE IF NOT EXISTS s AS BIGINT START WITH -1 INCREMENT BY -2 MINVALUE=-9 NOMAXVALUE CACHE 5 NOCYCLE \
               ENGINE=InnoDB COMMENT='c'";
    let kind = parsed(sql, &mariadb()).kind;
    assert!(matches!(kind, StatementKind::Sequence { verb: SequenceVerb::Create, .. }));
    let statement = parsed("DROP SEQUENCE IF EXISTS a, x.b", &mariadb());
    assert!(
        matches!(&statement.kind, StatementKind::Sequence { sequences, if_exists: true, .. } if sequences.len() == 2)
    );
    let sql = "CREATE TABLE s (next_not_cached_value bigint(21) NOT NULL) ENGINE=InnoDB SEQUENCE=1";
    assert!(matches!(parsed(sql, &mariadb()).kind, StatementKind::Sequence { .. }));
    assert_eq!(sequence_error("CREATE SEQUENCE s").code(), Code::UnknownTypeDDL);
}

#[test]
fn passwords_are_not_shown() {
    for sql in [
        "CREATE TABLE t (a KLINGON) CONNECTION='mysql://u:hidden@h/d/t'",
        "ALTER TABLE t EXPLODE, PASSWORD 'hidden'",
        "ALTER USERS x IDENTIFIED BY 'hidden'",
    ] {
        let error = parse(sql, &mysql()).unwrap_err();
        assert!(!error.to_string().contains("hidden"), "{error}");
    }
}

/// The corpora of the differential test: by topic, and the first one.
fn corpus() -> Vec<&'static str> {
    let all = [
        include_str!("../../../tests/schema/corpus/first.sql"),
        include_str!("../../../tests/schema/corpus/partitions.sql"),
        include_str!("../../../tests/schema/corpus/versioning.sql"),
        include_str!("../../../tests/schema/corpus/quoting_and_modes.sql"),
        include_str!("../../../tests/schema/corpus/skipped.sql"),
    ];
    all.into_iter().flat_map(str::lines).filter(|line| !line.is_empty() && !line.starts_with("--")).collect()
}

/// Everything that a statement says about places in its text.
fn check_spans(sql: &str, statement: &Statement) {
    let tables = statement.tables.iter().map(|table| &table.span);
    let clauses = statement.clauses.iter().flat_map(|clause| clause.items.iter().chain(Some(&clause.span)));
    let charsets = statement.charset_names.iter().flat_map(|name| [&name.span, &name.clause]);
    let objects = statement.objects.iter().map(|object| &object.span);
    let edits = statement.edits.iter().chain(&statement.guard).map(|edit| &edit.span);
    let rest = statement.unknown.iter().chain(&statement.executed_comments);
    let database = statement.database.iter().map(|database| &database.span);
    for span in tables.chain(clauses).chain(charsets).chain(objects).chain(edits).chain(rest).chain(database) {
        assert!(sql.get(span.clone()).is_some(), "{span:?} of {sql}");
    }
    assert!(statement.charset_places.iter().all(|place| sql.is_char_boundary(place.at)), "{sql}");
    if let StatementKind::AlterTable { specs, .. } = &statement.kind {
        let mut next = 0;
        for clause in &statement.clauses {
            assert_eq!(clause.specs.start, next, "{sql}");
            next = clause.specs.end;
        }
        assert_eq!(next, specs.len(), "{sql}");
    }
}

#[test]
fn spans_lie_within_any_text() {
    let lines = corpus();
    let spice =
        ["'", "\"", "`", "(", ")", ",", "\\", "/*", "*/", "/*!", " -- ", "#", ".", "_gbk", "0x", "日", "é", "\0", ";"];
    let words: Vec<&str> = lines.iter().flat_map(|line| line.split(' ')).collect();
    let mut state = 0x5eed_u64;
    let mut below = |limit: usize| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) as usize % limit.max(1)
    };
    for round in 0..2_000 {
        let mut text: Vec<&str> = lines[below(lines.len())].split(' ').collect();
        for _ in 0..round % 4 {
            let at = below(text.len());
            match below(4) {
                0 => drop(text.remove(at)),
                1 => text.insert(at, spice[below(spice.len())]),
                2 => text.insert(at, words[below(words.len())]),
                _ => text[at] = words[below(words.len())],
            }
            if text.is_empty() {
                break;
            }
        }
        let sql = text.join(" ");
        for context in [mysql(), mariadb()] {
            if let Ok(statement) = parse(&sql, &context) {
                check_spans(&sql, &statement);
            }
        }
        // Bytes of any kind, as a client in any character set would send them.
        let mut bytes = sql.into_bytes();
        let (at, byte) = (below(bytes.len()), below(256) as u8);
        if let Some(place) = bytes.get_mut(at) {
            *place = byte;
        }
        for client in [8, 13, 28, 45, 63, 1] {
            if let Ok(text) = decode(&bytes, Some(client), SqlMode::default(), &mysql().server)
                && let Ok(statement) = parse(&text, &mysql())
            {
                check_spans(&text, &statement);
            }
        }
    }
}
