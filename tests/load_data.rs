//! Files with fields of LOAD DATA beside the statement that says how they are written, as mydumper leaves them (`--load-data`,
//! `--csv`): we must read in them what the server reads.

use std::{io::Write, os::unix::fs::PermissionsExt, path::Path, time::Duration};

use dm::{
    config::{
        SubtaskConfig,
        subtask::{RouteRule, TaskMode},
    },
    error::Code,
    pb::UnitType,
};
use mysql_async::prelude::Queryable;
use rand::{Rng, SeedableRng, rngs::StdRng};

use crate::{
    support::{
        compare,
        servers::{self, Release, Server},
    },
    units_load::{TYPES, many_rows, run, run_with_kills, subtask},
};

/// A folder that servers may write into.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    let open = std::fs::Permissions::from_mode(0o777);
    std::fs::set_permissions(dir.path(), open).unwrap();
    dir
}

fn write(dir: &Path, name: &str, text: impl AsRef<[u8]>) {
    std::fs::write(dir.join(name), text).unwrap();
}

const HEADER: &str =
    "/*!40101 SET NAMES binary*/;\n/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40103 SET TIME_ZONE='+00:00' */;\n";

/// Schema `d`'s files into schema `e` of the same server.
fn into_e(server: &Server, dir: &Path, name: &str) -> SubtaskConfig {
    let mut config = subtask(server, server, dir, TaskMode::Full);
    config.name = name.into();
    config.loader.dir = dir.display().to_string();
    config.routes = vec![RouteRule { schema_pattern: "d".into(), target_schema: "e".into(), ..RouteRule::default() }];
    config
}

async fn schema_file(server: &Server, dir: &Path, table: &str) {
    let row: Option<(String, String)> =
        server.conn().await.query_first(format!("SHOW CREATE TABLE d.{table}")).await.unwrap();
    write(dir, &format!("d.{table}-schema.sql"), row.unwrap().1 + ";\n");
}

async fn assert_same(server: &Server, what: &str) {
    let (mut ours, mut theirs) = (server.conn().await, server.conn().await);
    let differences = compare::schema_differences(&mut ours, "e", &mut theirs, "f").await;
    assert!(differences.is_empty(), "{what}: {differences:#?}");
}

/// Terms, the character set of OUTFILE and whether columns of bytes go as hexadecimal digits.
const TERMS: [(&str, &str, bool); 4] = [
    (
        r"FIELDS TERMINATED BY '\t' ENCLOSED BY '' ESCAPED BY '\\' LINES STARTING BY '' TERMINATED BY '\n' ",
        "binary",
        false,
    ),
    (
        r#"FIELDS TERMINATED BY ',' ENCLOSED BY '"' ESCAPED BY '\\' LINES STARTING BY '' TERMINATED BY '\n' "#,
        "utf8mb4",
        true,
    ),
    (
        r#"FIELDS TERMINATED BY '||' OPTIONALLY ENCLOSED BY '"' ESCAPED BY '/' LINES STARTING BY '> ' TERMINATED BY ';\r\n' "#,
        "binary",
        true,
    ),
    (r"FIELDS TERMINATED BY ';' ESCAPED BY '!' LINES TERMINATED BY '\r\n' ", "latin1", true),
];

/// The server writes `d.types` into a file of the folder, with the statement that a tool leaves beside it; how that goes on behind
/// the name of the table.
async fn unload(server: &Server, dir: &Path, (terms, charset, hex): (&str, &str, bool)) -> String {
    let columns: Vec<(String, String)> = server
        .conn()
        .await
        .query(
            "SELECT COLUMN_NAME, DATA_TYPE FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'd' AND TABLE_NAME = 'types' \
             AND EXTRA NOT LIKE '%GENERATED' ORDER BY ORDINAL_POSITION",
        )
        .await
        .unwrap();
    let (mut selected, mut listed, mut set) = (Vec::new(), Vec::new(), Vec::new());
    for (number, (name, of)) in columns.iter().enumerate() {
        let name = format!("`{}`", name.replace('`', "``"));
        let bytes = matches!(of.as_str(), "binary" | "varbinary" | "longblob" | "point");
        let digits = hex && bytes;
        selected.push(if digits { format!("HEX({name})") } else { name.clone() });
        // MySQL takes no bytes as JSON; bytes in a file of text would be converted.
        let function = if digits { format!("UNHEX(@v{number})") } else { format!("CONVERT(@v{number} USING UTF8MB4)") };
        if digits || of == "json" {
            listed.push(format!("@v{number}"));
            set.push(format!("{name}={function}"));
        } else {
            listed.push(name);
        }
    }
    let path = dir.join("d.types.00000.dat").display().to_string();
    // BIT in another character set is left to the others.
    let out = format!(
        "{SESSION}; SELECT {} FROM d.types INTO OUTFILE '{path}' CHARACTER SET {charset} {terms}",
        selected.join(",").replace("`bt`", if charset == "binary" { "`bt`" } else { "NULL" })
    );
    server.exec(&out).await;
    let set = if set.is_empty() { String::new() } else { format!("SET {}", set.join(",")) };
    let rest = format!("CHARACTER SET {charset} {terms}({}){set};\n", listed.join(","));
    let statement = format!("{HEADER}LOAD DATA LOCAL INFILE 'd.types.00000.dat' INTO TABLE `types` {rest}");
    write(dir, "d.types.00000.sql", statement);
    schema_file(server, dir, "types").await;
    rest
}

const SESSION: &str = "SET time_zone = '+00:00', sql_mode = 'ALLOW_INVALID_DATES'";

/// The error value of an ENUM is no text.
const NO_ERROR_VALUE: &str = "UPDATE d.types SET en = NULL WHERE en = 0";
/// Instead of characters that latin1 doesn't have.
const IN_LATIN1: &str = "UPDATE d.types SET tx = 'it''s \u{fc} ;!\\r\\n' WHERE id = 1";

/// All types: what the server writes, read by the server and by us.
#[tokio::test]
async fn load_data_of_every_type_is_read_as_the_server_reads_it() {
    for server in [servers::mariadb(), servers::mysql()] {
        server.exec(TYPES).await;
        server.exec(&format!("{NO_ERROR_VALUE}; CREATE DATABASE f")).await;
        for (at, terms) in TERMS.into_iter().enumerate() {
            if terms.1 == "latin1" {
                server.exec(IN_LATIN1).await;
            }
            let dir = folder();
            let rest = unload(&server, dir.path(), terms).await;
            let path = dir.path().join("d.types.00000.dat").display().to_string();
            server
                .exec(&format!(
                    "DROP DATABASE IF EXISTS e; DROP TABLE IF EXISTS f.types; CREATE TABLE f.types LIKE d.types; {SESSION}; \
                     LOAD DATA INFILE '{path}' INTO TABLE f.types {rest}"
                ))
                .await;
            run(UnitType::Load, &into_e(&server, dir.path(), &format!("t{at}")), 1).await.unwrap();
            assert_eq!(server.text("SELECT COUNT(*) FROM e.types").await, "3");
            assert_same(&server, terms.0).await;
        }
    }
}

/// The same files into TiDB, which is sent text in UTF-8 whatever a file's or column's character set is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn load_data_of_every_type_comes_into_tidb() {
    let target = tokio::task::spawn_blocking(|| Server::of(Release::Tidb, &[])).await.unwrap();
    for (server, of) in [(servers::mariadb(), "maria"), (servers::mysql(), "mysql")] {
        server.exec(TYPES).await;
        // A file has six digits of a FLOAT.
        let exact = "UPDATE d.types SET fl = id / 2, fm = id / 4; ALTER TABLE d.types DROP COLUMN po";
        server.exec(&format!("{NO_ERROR_VALUE}; {exact}")).await;
        for (at, terms) in TERMS.into_iter().enumerate() {
            if terms.1 == "latin1" {
                server.exec(IN_LATIN1).await;
            }
            if terms.1 != "binary" {
                server.exec("UPDATE d.types SET bt = NULL").await;
            }
            let dir = folder();
            unload(&server, dir.path(), terms).await;
            let schema = format!("{of}{at}");
            let mut config = subtask(&server, &target, dir.path(), TaskMode::Full);
            (config.name, config.loader.dir) = (schema.clone(), dir.path().display().to_string());
            config.routes =
                vec![RouteRule { schema_pattern: "d".into(), target_schema: schema.clone(), ..RouteRule::default() }];
            run(UnitType::Load, &config, 1).await.unwrap();
            let (mut from, mut to) = (server.conn().await, target.conn().await);
            let (sent, arrived) =
                compare::exact_tables(&mut from, ("d", "types"), &mut to, (&schema, "types")).await.unwrap();
            assert_eq!(sent, arrived, "{of}, {terms:?}");
            assert_eq!(target.text(&format!("SELECT COUNT(*) FROM {schema}.types")).await, "3");
        }
    }
}

/// A field of random parts, well-formed under comma, double quotes and backslash.
fn random_field(rng: &mut StdRng) -> String {
    const PARTS: [&str; 15] =
        ["\\N", "\\n", "\\,", "\\\\", "N", "NULL", "x", "\\\"", "\\0", "é", "\\Z", "\\t", "'", "\\b", "\\\n"];
    const ENCLOSED: [&str; 4] = ["\"\"", "\"x", ",", "\n"];
    let enclosed = rng.random_bool(0.5);
    let mut out = String::new();
    for _ in 0..rng.random_range(0..4) {
        let also =
            if enclosed { rng.random_range(0..PARTS.len() + ENCLOSED.len()) } else { rng.random_range(0..PARTS.len()) };
        out.push_str(PARTS.get(also).or(ENCLOSED.get(also.saturating_sub(PARTS.len()))).unwrap());
    }
    if enclosed { format!("\"{out}\"") } else { out }
}

/// What no tool writes, but the server reads.
#[tokio::test]
async fn load_data_of_random_fields_is_read_as_the_server_reads_it() {
    let seed = rand::rng().random();
    println!("seed {seed}");
    let mut rng = StdRng::seed_from_u64(seed);
    for server in [servers::mariadb(), servers::mysql()] {
        let dir = folder();
        let table = "(id INT PRIMARY KEY, a VARCHAR(50), b VARCHAR(50)) CHARACTER SET utf8mb4";
        server
            .exec(&format!("CREATE DATABASE d; CREATE TABLE d.r {table}; CREATE DATABASE f; CREATE TABLE f.r {table}"))
            .await;
        let line = |id: u32| format!("{id},{},{}\n", random_field(&mut rng), random_field(&mut rng));
        write(dir.path(), "d.r.00000.dat", "id,a,b\n".to_owned() + &(0..3000).map(line).collect::<String>());
        let terms = r#"CHARACTER SET utf8mb4 FIELDS TERMINATED BY ',' ENCLOSED BY '"' ESCAPED BY '\\' LINES TERMINATED BY '\n' IGNORE 1 LINES (id,a,b);"#;
        write(
            dir.path(),
            "d.r.00000.sql",
            format!("{HEADER}LOAD DATA LOCAL INFILE 'd.r.00000.dat' INTO TABLE `r` {terms}\n"),
        );
        schema_file(&server, dir.path(), "r").await;
        let path = dir.path().join("d.r.00000.dat");
        server.exec(&format!("LOAD DATA INFILE '{}' INTO TABLE f.r {terms}", path.display())).await;
        run(UnitType::Load, &into_e(&server, dir.path(), "t"), 1).await.unwrap();
        assert_eq!(server.text("SELECT COUNT(*) FROM e.r").await, "3000");
        assert!(server.text("SELECT COUNT(*) FROM e.r WHERE a IS NULL").await.parse::<u32>().unwrap() > 10);
        assert_same(&server, &format!("seed {seed}")).await;
    }
}

/// Rows without a key that killed loads must neither lose nor double, plain and compressed.
#[tokio::test]
async fn load_data_is_loaded_once() {
    let (server, dir) = (servers::mariadb(), folder());
    many_rows(&server).await;
    let terms = r"CHARACTER SET binary FIELDS TERMINATED BY '\t' LINES TERMINATED BY '\n' (a,b);";
    for (part, which) in [(0, "b LIKE '%z%z%'"), (1, "b NOT LIKE '%z%z%'")] {
        let path = dir.path().join(format!("d.keyless.0000{part}.dat"));
        server.exec(&format!("SELECT a, b FROM d.keyless WHERE {which} INTO OUTFILE '{}'", path.display())).await;
        let statement =
            format!("{HEADER}LOAD DATA LOCAL INFILE 'd.keyless.0000{part}.dat' REPLACE INTO TABLE `keyless` {terms}\n");
        write(dir.path(), &format!("d.keyless.0000{part}.sql"), statement);
        if part == 1 {
            let mut packed = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            packed.write_all(&std::fs::read(&path).unwrap()).unwrap();
            write(dir.path(), "d.keyless.00001.dat.gz", packed.finish().unwrap());
            std::fs::remove_file(path).unwrap();
        }
    }
    schema_file(&server, dir.path(), "keyless").await;
    server.exec("CREATE DATABASE f; CREATE TABLE f.keyless SELECT * FROM d.keyless").await;
    run_with_kills(UnitType::Load, &into_e(&server, dir.path(), "t"), Duration::from_millis(1500)).await;
    let sum = "SELECT CONCAT_WS(',', COUNT(*), SUM(a), SUM(CRC32(b))) FROM ";
    assert_eq!(server.text(&format!("{sum}e.keyless")).await, server.text(&format!("{sum}f.keyless")).await);
}

/// What can't be read, or not exactly, is said by name; and nothing is loaded where it is known before.
#[tokio::test]
async fn bad_files_of_load_data_are_told() {
    let (server, dir) = (servers::mariadb(), folder());
    write(dir.path(), "d.t-schema.sql", "CREATE TABLE `t` (`a` INT, `b` VARCHAR(9));\n");
    let good = "LOAD DATA LOCAL INFILE 'd.t.00000.dat' INTO TABLE `t` CHARACTER SET utf8mb4 FIELDS ENCLOSED BY '\"' LINES \
                TERMINATED BY '\\n' (`a`,`b`);\n";
    let before = "nothing of the dump was loaded";
    let cases = [
        ("1\tx\n", "", 34007, "no `.sql` file of the folder"),
        ("1\tx\n", &good.replace("00000.dat", "00001.dat"), 34007, "d.t.00001.dat: is missing"),
        ("1\tx\n", &good.replace("utf8mb4", "gbk"), 34007, "the character set gbk"),
        ("1\tx\n", &(good.to_owned() + good), 34007, before),
        ("1\tx\n", &(good.to_owned() + "INSERT INTO t VALUES (1);"), 34007, before),
        ("1\tx\n", &good.replace("`b`", "`c`"), 34008, "names column `c`"),
        ("1\tx\n2\tzq", good, 34007, "ends at byte 8 inside the line that begins at byte 4"),
        ("1\tx\n2\t\"zq\n", good, 34007, "begins at byte 4"),
        ("1\tx\n2\n", good, 34008, "at byte 4 is no line as its LOAD DATA statement says: it has 1 fields"),
        ("1\tx\n2\tzq\tz\n", good, 34008, "it has 3 fields, LOAD DATA names 2"),
    ];
    for (at, (rows, statement, code, says)) in cases.into_iter().enumerate() {
        write(dir.path(), "d.t.00000.dat", rows);
        write(dir.path(), "d.t.00000.sql", statement);
        let error = run(UnitType::Load, &into_e(&server, dir.path(), &format!("t{at}")), 1).await.unwrap_err();
        let wanted = if code == 34007 { Code::LoadUnitInvalidFileEnding } else { Code::LoadUnitInvalidInsertSQL };
        assert!(error.code() == wanted && error.message().contains(says), "{at}: {error}");
        assert!(!error.to_string().contains("zq"), "a value: {error}");
    }
}
