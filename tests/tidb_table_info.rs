//! `table_info` in TiDB's own format: a TiDB server writes the JSON that DM stores, and we read it.

use std::collections::BTreeSet;

use dm::schema::{Column, Index, TableInfo, load, table_info};
use serde_json::Value;

use crate::support::{release::Release, servers::Server};

const TABLES: &[&str] = &[
    "t01 (id BIGINT PRIMARY KEY AUTO_INCREMENT, a INT NOT NULL DEFAULT 5, b INT UNSIGNED, c TINYINT(1), d SMALLINT ZEROFILL)",
    "t02 (id INT, a DECIMAL(10,2) DEFAULT '1.5', b FLOAT, c DOUBLE(8,3), d BIT(9) DEFAULT b'101', e YEAR DEFAULT 2024)",
    "t03 (a CHAR(5) DEFAULT 'x', b VARCHAR(20) CHARACTER SET latin1, c BINARY(4), d VARBINARY(8), PRIMARY KEY (b, a))",
    "t04 (a TINYTEXT, b TEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci, c MEDIUMTEXT, d LONGTEXT, KEY k (b(10)))",
    "t05 (a TINYBLOB, b BLOB, c MEDIUMBLOB, d LONGBLOB, UNIQUE KEY k (b(4)))",
    "t06 (a DATE DEFAULT '2024-02-29', b TIME(3), c DATETIME(6) DEFAULT CURRENT_TIMESTAMP(6), \
     d TIMESTAMP DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP)",
    "t07 (a ENUM('x','y''z') DEFAULT 'x', b SET('a','b'), c JSON, d VARCHAR(9) COMMENT 'a \"comment\"') COMMENT='the table'",
    "t08 (a INT, b INT AS (a + 1) VIRTUAL, c INT AS (a * 2) STORED, KEY k (b), UNIQUE KEY u (a, c))",
    "t09 (a INT, b VARCHAR(20), KEY k ((LOWER(b))), UNIQUE KEY u ((a + 1), b)) CHARSET=utf8 COLLATE=utf8_unicode_ci",
    "t10 (a INT PRIMARY KEY CLUSTERED, b INT, KEY hidden (b) INVISIBLE) PARTITION BY HASH (a) PARTITIONS 3",
    "t11 (a INT, b VARCHAR(10) NOT NULL, PRIMARY KEY (a) NONCLUSTERED) PARTITION BY RANGE (a) \
     (PARTITION p0 VALUES LESS THAN (10), PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "t15 (a INT, b DATE) PARTITION BY RANGE (TO_DAYS(b)) (PARTITION p0 VALUES LESS THAN (TO_DAYS('2020-01-01')) \
     COMMENT 'x', PARTITION p1 VALUES LESS THAN MAXVALUE)",
    "t16 (a INT, b DATE, c VARCHAR(9)) PARTITION BY RANGE COLUMNS (b, c) \
     (PARTITION p0 VALUES LESS THAN ('2020-01-01', 'a''b\\\\c'), PARTITION p1 VALUES LESS THAN (MAXVALUE, MAXVALUE))",
    "t17 (a INT) PARTITION BY LIST (a * 2) (PARTITION p0 VALUES IN (2, 1 + 6, NULL), PARTITION p1 VALUES IN (3))",
    "t18 (a INT, b VARCHAR(5)) PARTITION BY LIST COLUMNS (a, b) \
     (PARTITION p0 VALUES IN ((1, '2'), (3, 'x')), PARTITION p1 VALUES IN ((5, '6')))",
    "t19 (a INT) PARTITION BY LIST (a) (PARTITION p0 VALUES IN (2), PARTITION p1 DEFAULT)",
    "t20 (a INT PRIMARY KEY) PARTITION BY KEY () PARTITIONS 2",
    "t21 (a INT, b INT, PRIMARY KEY (a, b)) PARTITION BY KEY (b, a) PARTITIONS 2",
    "t12 (a INT PRIMARY KEY, p BIGINT, CONSTRAINT f FOREIGN KEY (p) REFERENCES t01 (id) ON DELETE CASCADE)",
    "`We ird` (`Ä b` INT PRIMARY KEY, `select` VARCHAR(3) NOT NULL DEFAULT '')",
    "t14 (a BIGINT UNSIGNED AUTO_RANDOM PRIMARY KEY, b DATETIME NOT NULL DEFAULT '2024-01-02 03:04:05')",
];

/// What sync needs of a column.
fn column(column: &Column) -> String {
    format!(
        "{} {} null={} {:?} {:?} default={:?} generated={:?} auto={} now={} {:?}",
        column.name,
        column.ty.text(),
        column.nullable,
        column.charset,
        column.collation,
        column.default,
        column.generated.as_ref().map(|generated| generated.stored),
        column.auto_increment,
        column.on_update_now,
        column.comment
    )
}

fn index(index: &Index) -> String {
    let part = |part: &dm::schema::IndexColumn| (part.column.clone(), part.prefix_len, part.expression.is_some());
    let parts: Vec<_> = index.columns.iter().map(part).collect();
    format!("{} unique={} primary={} {parts:?} invisible={}", index.name, index.unique, index.primary, index.invisible)
}

fn lines(table: &TableInfo) -> Vec<String> {
    let mut out: Vec<String> = table.columns.iter().map(column).collect();
    out.extend(table.indexes.iter().map(index).collect::<BTreeSet<_>>());
    let key = |key: &dm::schema::ForeignKey| {
        format!("{} {:?} {} {:?} {:?}", key.name, key.columns, key.parent, key.parent_columns, key.on_delete)
    };
    out.extend(table.foreign_keys.iter().map(key));
    out.push(format!("{} {} {:?}", table.charset, table.collation, table.comment));
    out.extend(table.partition.iter().map(|partitions| partitions.text().to_lowercase().replace([' ', '`'], "")));
    out
}

/// Members of an object that the other lacks, with the path to it; of lists, the first element counts.
fn lacking(path: &str, theirs: &Value, ours: &Value, out: &mut BTreeSet<String>) {
    match (theirs, ours) {
        (Value::Object(theirs), Value::Object(ours)) => {
            for (name, value) in theirs {
                let path = format!("{path}.{name}");
                match ours.get(name) {
                    Some(own) => lacking(&path, value, own, out),
                    None => drop(out.insert(path)),
                }
            }
        }
        (Value::Array(theirs), Value::Array(ours)) => {
            if let (Some(theirs), Some(ours)) = (theirs.first(), ours.first()) {
                lacking(&format!("{path}[]"), theirs, ours, out);
            }
        }
        _ => {}
    }
}

#[tokio::test]
#[ignore = "tier: make test-tidb"]
async fn tidb_writes_table_infos_that_we_read() {
    let server = Server::of(Release::Tidb, &[]);
    server.exec("CREATE DATABASE info").await;
    let mut conn = server.conn().await;
    let (mut problems, mut absent) = (Vec::new(), BTreeSet::new());
    for definition in TABLES {
        server.exec(&format!("USE info; CREATE TABLE {definition}")).await;
        let name = definition.split(" (").next().unwrap().trim_matches('`');
        let json = server.status_text(&format!("/schema/info/{}", name.replace(' ', "%20")));
        let read = table_info::from_json("info", &json).unwrap().unwrap();
        let shown = load::fetch_table(&mut conn, "info", name).await.unwrap().unwrap();
        let (read, shown) = (lines(&read), lines(&shown));
        if read != shown {
            let only = |a: &[String], b: &[String]| {
                a.iter().filter(|line| !b.contains(line)).cloned().collect::<Vec<_>>().join("\n      ")
            };
            problems.push(format!("{name}:\n  json {}\n  show {}", only(&read, &shown), only(&shown, &read)));
        }
        let own = load::fetch_table(&mut conn, "info", name).await.unwrap().unwrap();
        let own: Value = serde_json::from_str(&table_info::to_json(&own).unwrap()).unwrap();
        lacking("", &serde_json::from_str(&json).unwrap(), &own, &mut absent);
    }
    println!("members that we don't write: {absent:?}");
    assert!(problems.is_empty(), "{}", problems.join("\n"));
    let needed = |path: &&String| !NEWER.contains(&path.as_str());
    let lacking: Vec<&String> = absent.iter().filter(needed).collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

/// Members of newer TiDBs than DM is linked with; its reader lets them default.
const NEWER: &[&str] = &[];
