//! What the differential value test writes: every column type with its extremes, and a seeded random value of each.

use super::values_random::is_single_byte;
use crate::support::servers::{Kind, Release};

/// One column of a test table.
pub struct Column {
    /// Type and attributes as CREATE TABLE takes them.
    pub sql: String,
    /// SQL expressions of values to begin with.
    pub extremes: Vec<String>,
    pub random: Random,
}

/// How further values are drawn.
#[derive(Clone, Copy)]
pub enum Random {
    Int {
        bits: u32,
        unsigned: bool,
    },
    Decimal(usize, usize),
    Float,
    Double,
    Bits(u32),
    Bytes(usize),
    /// Any Unicode text up to so many characters.
    Text(usize),
    /// Bytes of a character set.
    Charset(&'static str),
    /// Characters that a Chinese character set has.
    Chinese(&'static str),
    Date,
    Time(u32),
    DateTime(u32),
    Timestamp(u32),
    Year,
    Number(u64),
    Json,
    Geometry,
    Vector(usize),
    Uuid,
    Inet4,
    Inet6,
}

pub fn column(sql: &str, random: Random, extremes: &[&str]) -> Column {
    Column { sql: sql.into(), extremes: extremes.iter().map(|s| s.to_string()).collect(), random }
}

pub fn mysql_from(release: Release, oldest: Release) -> bool {
    let order = [Release::Mysql56, Release::Mysql57, Release::Mysql80, Release::Mysql97];
    let at = |r| order.iter().position(|o| *o == r);
    at(release) >= at(oldest) && release.kind() == Kind::Mysql
}

/// The columns of a family, of which each becomes a table with and one without a key.
pub fn families(source: Release, target: Release) -> Vec<(&'static str, Vec<Column>)> {
    use Release::*;
    let same = source.kind() == target.kind();
    let mut out = vec![
        ("ints", ints()),
        ("reals", reals(same && source.kind() == Kind::Mariadb)),
        ("bits", bits()),
        ("dates", dates()),
        ("times", times()),
        ("strings", strings()),
        ("blobs", blobs()),
        ("members", members()),
        ("charsets", charsets(source, target)),
        ("shapes", shapes()),
    ];
    if mysql_from(source, Mysql57) && target != Mysql56 {
        out.push(("documents", documents(source, same)));
    }
    if matches!(source, Mysql97 | Mariadb118) && matches!(target, Mysql97 | Mariadb118 | Tidb) {
        out.push(("vectors", vectors(source)));
    }
    if same && source.kind() == Kind::Mariadb {
        out.push(("compressed", compressed()));
        out.push(("addresses", addresses(source)));
    }
    out
}

/// 1/3, the least and the largest subnormal, the least normal; -0, the float whose shortest form is the middle of two to who reads a double,
/// 16,777,217, 1e-5; and what MariaDB, which wants a finite length, has not: the largest and its neighbour, both signs.
fn vectors(source: Release) -> Vec<Column> {
    let mut extremes = vec!["NULL", "x'abaaaa3e01000000ffff7f0000008000'", "x'00000080fd43ae150100804bacc52737'"];
    if source == Release::Mysql97 {
        extremes.push("x'ffff7f7ffeff7f7fffff7ffffeff7fff'");
    }
    vec![column("VECTOR(4)", Random::Vector(4), &extremes)]
}

fn ints() -> Vec<Column> {
    let mut out = Vec::new();
    for (name, bits) in [("TINYINT", 8u32), ("SMALLINT", 16), ("MEDIUMINT", 24), ("INT", 32), ("BIGINT", 64)] {
        let (low, high) = (-(1i128 << (bits - 1)), (1i128 << (bits - 1)) - 1);
        let signed = [low.to_string(), high.to_string(), "0".into(), "-1".into(), "NULL".into()];
        out.push(Column { sql: name.into(), extremes: signed.to_vec(), random: Random::Int { bits, unsigned: false } });
        let top = ((1i128 << bits) - 1).to_string();
        let unsigned = [top, (high + 1).to_string(), "0".into(), "1".into(), "NULL".into()];
        for attribute in ["UNSIGNED", "UNSIGNED ZEROFILL"] {
            let random = Random::Int { bits, unsigned: true };
            out.push(Column { sql: format!("{name} {attribute}"), extremes: unsigned.to_vec(), random });
        }
    }
    out
}

fn reals(mariadb: bool) -> Vec<Column> {
    let mut out = Vec::new();
    let scales: &[(usize, usize)] =
        &[(1, 0), (9, 0), (10, 1), (18, 9), (20, 10), (30, 30), (38, 20), (65, 0), (65, 30), (65, 1), (27, 13), (5, 5)];
    for &(precision, scale) in scales {
        let mut top = "9".repeat(precision);
        if scale > 0 {
            top.insert(precision - scale, '.');
        }
        let least = if scale > 0 { format!("0.{}1", "0".repeat(scale - 1)) } else { "1".into() };
        let extremes = vec![
            top.clone(),
            format!("-{top}"),
            "-0".into(),
            "0".into(),
            least.clone(),
            format!("-{least}"),
            "NULL".into(),
        ];
        out.push(Column {
            sql: format!("DECIMAL({precision},{scale})"),
            extremes,
            random: Random::Decimal(precision, scale),
        });
    }
    if mariadb {
        out.push(column("DECIMAL(65,38)", Random::Decimal(65, 38), &["-0.00000000000000000000000000000000000001"]));
    }
    out.push(column("DECIMAL(10,3) UNSIGNED ZEROFILL", Random::Decimal(9, 3), &["0.001"]));
    let floats = [
        "3.4028234663852886e38",
        "-3.4028234663852886e38",
        "1.1754943508222875e-38",
        "1.401298464324817e-45",
        "-0e0",
        "0",
        "16777217",
        "0.1",
        "-1.5",
        "NULL",
        "7.006492321624085e-46",
        "1.1754942e-38",
        "33554435",
        "0.3333333333",
    ];
    out.push(column("FLOAT", Random::Float, &floats));
    out.push(column("FLOAT(7,3)", Random::Decimal(7, 3), &["9999.999", "-9999.999", "0.001", "1234.5675", "-0.0005"]));
    out.push(column("FLOAT(20,2)", Random::Decimal(18, 2), &["123456789012.35", "99999999999999999.99"]));
    out.push(column("FLOAT UNSIGNED", Random::Number(1 << 40), &["0", "1e-3"]));
    let doubles = [
        "1.7976931348623157e308",
        "-1.7976931348623157e308",
        "2.2250738585072014e-308",
        "5e-324",
        "-5e-324",
        "-0e0",
        "0",
        "0.1",
        "9007199254740993",
        "1e22",
        "1e23",
        "123456789012345.67",
        "NULL",
        "2.2250738585072011e-308",
        "1e-7",
    ];
    out.push(column("DOUBLE", Random::Double, &doubles));
    out.push(column("DOUBLE(20,6)", Random::Decimal(20, 6), &["99999999999999.999999", "0.000001", "-0.0000005"]));
    out
}

fn bits() -> Vec<Column> {
    let of = |n: u32| {
        let top = if n == 64 { u64::MAX } else { (1 << n) - 1 };
        let extremes = [top.to_string(), "0".into(), "1".into(), (1u64 << (n - 1)).to_string(), "NULL".into()];
        Column { sql: format!("BIT({n})"), extremes: extremes.to_vec(), random: Random::Bits(n) }
    };
    [1, 2, 7, 8, 9, 15, 16, 17, 24, 31, 32, 33, 47, 48, 56, 57, 63, 64].into_iter().map(of).collect()
}

fn dates() -> Vec<Column> {
    let dates = [
        "'0000-00-00'",
        "'2024-00-00'",
        "'2024-05-00'",
        "'0000-01-01'",
        "'9999-12-31'",
        "'1000-01-01'",
        "'2024-02-30'",
        "NULL",
        "'0001-01-01'",
    ];
    let mut out = vec![
        column("DATE", Random::Date, &dates),
        column("YEAR", Random::Year, &["0", "1901", "2155", "2000", "1999", "NULL"]),
    ];
    for fsp in 0..=6 {
        let tail = if fsp == 0 { String::new() } else { format!(".{}", "9".repeat(fsp)) };
        let mut times = vec![
            format!("'9999-12-31 23:59:59{tail}'"),
            format!("'2024-00-00 00:00:00{tail}'"),
            format!("'0000-00-00 00:00:00'"),
        ];
        times.extend(
            ["'0001-01-01 00:00:00'", "'1000-01-01 00:00:00.5'", "'2024-02-30 11:12:13'", "NULL"].map(String::from),
        );
        out.push(Column { sql: format!("DATETIME({fsp})"), extremes: times, random: Random::DateTime(fsp as u32) });
        // The hours before and after clocks change in Berlin and New York, the first and the last second.
        let mut stamps: Vec<String> = [
            "2024-03-31 00:59:59",
            "2024-03-31 01:00:00",
            "2024-10-27 00:30:00",
            "2024-10-27 01:30:00",
            "2024-11-03 05:30:00",
            "2024-11-03 06:30:00",
            "2038-01-19 03:14:07",
            "1970-01-01 05:30:01",
        ]
        .iter()
        .map(|t| format!("'{t}{tail}'"))
        .collect();
        stamps.push("'0000-00-00 00:00:00'".into());
        stamps.push("NULL".into());
        out.push(Column {
            sql: format!("TIMESTAMP({fsp}) NULL"),
            extremes: stamps,
            random: Random::Timestamp(fsp as u32),
        });
    }
    out
}

fn times() -> Vec<Column> {
    let of = |fsp: usize| {
        let nines = if fsp == 0 { String::new() } else { format!(".{}", "9".repeat(fsp)) };
        let one = if fsp == 0 { String::new() } else { format!(".{}1", "0".repeat(fsp - 1)) };
        let all = ["838:59:59", "-838:59:59", "00:00:00", "-00:00:01"].iter().map(|t| format!("'{t}'"));
        let fine = [
            ("838:59:58", &nines),
            ("-838:59:58", &nines),
            ("-00:00:00", &one),
            ("-00:00:00", &nines),
            ("00:00:00", &one),
            ("-01:00:00", &one),
            ("-00:00:59", &nines),
        ];
        let fine = fine.iter().map(|(t, tail)| format!("'{t}{tail}'"));
        let extremes = all.chain(fine).chain(["NULL".to_owned()]).collect();
        Column { sql: format!("TIME({fsp})"), extremes, random: Random::Time(fsp as u32) }
    };
    (0..=6).map(of).collect()
}

const TEXTS: [&str; 12] = [
    "''",
    "'it''s \\\\ \"x\" `y` \\0 \\n \\r \\t \\Z % _'",
    "'😀é漢字'",
    "' lead'",
    "'trail  '",
    "'\\\\'",
    "''''",
    "NULL",
    "'-- /* x */ # ;'",
    "'\u{feff}\u{200b}'",
    "'NULL'",
    "CONCAT('a', CHAR(127), CHAR(1))",
];

fn strings() -> Vec<Column> {
    let long = "REPEAT('長a\\\\''', 5000)";
    vec![
        column("CHAR(40) CHARACTER SET utf8mb4", Random::Text(40), &TEXTS),
        column("CHAR(0)", Random::Text(0), &["''", "NULL"]),
        column("CHAR(255) CHARACTER SET utf8mb4", Random::Text(255), &["REPEAT('😀', 255)", "'a  '"]),
        column("VARCHAR(1)", Random::Text(1), &["''", "' '"]),
        column("VARCHAR(63) CHARACTER SET utf8mb4", Random::Text(63), &TEXTS),
        column("VARCHAR(64) CHARACTER SET utf8mb4", Random::Text(64), &["REPEAT('😀', 64)"]),
        column("VARCHAR(300) CHARACTER SET utf8", Random::Text(0), &["REPEAT('é', 300)", "''", "'trail '", "NULL"]),
        column("TINYTEXT CHARACTER SET utf8mb4", Random::Text(60), &TEXTS),
        column("TEXT CHARACTER SET utf8mb4", Random::Text(300), &["REPEAT('x', 65535)", "''"]),
        column("MEDIUMTEXT CHARACTER SET utf8mb4", Random::Text(300), &[long, "REPEAT('\\\\', 70000)"]),
        column("LONGTEXT CHARACTER SET utf8mb4", Random::Text(300), &["REPEAT('''', 200000)", "'\\0'"]),
        column("VARCHAR(30) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin", Random::Text(30), &TEXTS),
    ]
}

fn blobs() -> Vec<Column> {
    vec![
        column("BINARY(1)", Random::Bytes(1), &["x'00'", "x'20'", "''", "NULL"]),
        column(
            "BINARY(16)",
            Random::Bytes(16),
            &["x'00'", "x'6100'", "x'0000000000000000000000000000FF00'", "'full 16 bytes!! '"],
        ),
        column("BINARY(255)", Random::Bytes(255), &["REPEAT(x'20', 255)", "x'00'"]),
        column("VARBINARY(10)", Random::Bytes(10), &["''", "x'00'", "x'610000'", "x'5C27220A0D1A00'", "NULL"]),
        column("VARBINARY(300)", Random::Bytes(300), &["REPEAT(x'80', 300)", "' '"]),
        column("TINYBLOB", Random::Bytes(255), &["''", "x'5C'", "REPEAT(x'FF', 255)"]),
        column("BLOB", Random::Bytes(600), &["REPEAT(x'FF', 65535)", "x'00'"]),
        column("MEDIUMBLOB", Random::Bytes(600), &["REPEAT('\\\\', 70000)", "''"]),
        column("LONGBLOB", Random::Bytes(600), &["REPEAT(x'0027', 100000)", "NULL"]),
    ]
}

fn members() -> Vec<Column> {
    let many: Vec<String> = (0..300).map(|i| format!("'m{i}'")).collect();
    let set: Vec<String> = (0..64).map(|i| format!("'s{i}'")).collect();
    let odd = "'','a,b','it''s','ü','漢字','x y','\\\\','0','1'";
    vec![
        column(&format!("ENUM({odd}) CHARACTER SET utf8mb4"), Random::Number(9), &["0", "1", "9", "NULL"]),
        column(&format!("ENUM({})", many.join(",")), Random::Number(300), &["1", "255", "256", "300"]),
        column("ENUM('中','文','a') CHARACTER SET gbk", Random::Number(3), &["1", "0"]),
        column("ENUM('é','b') CHARACTER SET latin1", Random::Number(2), &["1"]),
        column("ENUM('ü','z') CHARACTER SET utf16", Random::Number(2), &["1"]),
        column(
            &format!("SET({})", set.join(",")),
            Random::Bits(64),
            &["18446744073709551615", "0", "9223372036854775808", "NULL"],
        ),
        column("SET('a','é','''','x y') CHARACTER SET latin1", Random::Bits(4), &["15", "0"]),
        column("SET('中','b','c','d','e','f','g','h','i') CHARACTER SET gbk", Random::Bits(9), &["511", "256"]),
    ]
}

/// Every character set of the servers but the Unicode ones of one to four bytes, which `strings` has.
pub const CHARSETS: [&str; 39] = [
    "latin1", "ascii", "armscii8", "big5", "cp1250", "cp1251", "cp1256", "cp1257", "cp850", "cp852", "cp866", "cp932",
    "dec8", "eucjpms", "euckr", "gb18030", "gb2312", "gbk", "geostd8", "greek", "hebrew", "hp8", "keybcs2", "koi8r",
    "koi8u", "latin2", "latin5", "latin7", "macce", "macroman", "sjis", "swe7", "tis620", "ujis", "utf16", "utf16le",
    "utf32", "ucs2", "utf8",
];

fn charsets(source: Release, target: Release) -> Vec<Column> {
    let all_bytes = |low: u8, high: u8| (low..=high).map(|b| format!("{b:02X}")).collect::<String>();
    let there = |name: &&&str| match **name {
        "gb18030" => mysql_from(source, Release::Mysql57) && mysql_from(target, Release::Mysql57),
        _ => true,
    };
    CHARSETS
        .iter()
        .filter(there)
        .map(|name| {
            let mut extremes: Vec<String> = vec!["''".into(), "NULL".into(), "'a  '".into()];
            match *name {
                "utf16" | "ucs2" | "utf16le" => extremes.push(format!("_{name} x'4E2D5B57004100270000'")),
                "utf32" => extremes.push("_utf32 x'0001F600000000410000002700000000'".into()),
                _ => extremes.push(format!("_{name} x'{}'", all_bytes(0, 127))),
            }
            if is_single_byte(name) && *name != "ascii" {
                extremes.push(format!("_{name} x'{}'", all_bytes(128, 255)));
            }
            Column { sql: format!("VARCHAR(140) CHARACTER SET {name}"), extremes, random: Random::Charset(name) }
        })
        .collect()
}

fn shapes() -> Vec<Column> {
    let shapes = [
        "ST_GeomFromText('POINT(1.5 -2)')",
        "ST_GeomFromText('LINESTRING(0 0,1 1,2 0)')",
        "ST_GeomFromText('POLYGON((0 0,10 0,10 10,0 10,0 0),(2 2,4 2,4 4,2 2))')",
        "ST_GeomFromText('MULTIPOINT(0 0,1 1)')",
        "ST_GeomFromText('MULTILINESTRING((0 0,1 1),(2 2,3 3))')",
        "ST_GeomFromText('MULTIPOLYGON(((0 0,1 0,1 1,0 0)))')",
        "ST_GeomFromText('GEOMETRYCOLLECTION(POINT(1 2),LINESTRING(0 0,1 1))')",
        "ST_GeomFromText('POINT(1 2)', 4326)",
        "NULL",
        "ST_GeomFromText('POINT(1e-300 -1e300)')",
        "ST_GeomFromText('GEOMETRYCOLLECTION()')",
    ];
    vec![
        column("GEOMETRY", Random::Geometry, &shapes),
        column("POINT", Random::Geometry, &["ST_GeomFromText('POINT(0 0)', 3857)", "NULL"]),
    ]
}

fn documents(release: Release, mysql: bool) -> Vec<Column> {
    // MariaDB's JSON_VALID ends at 32 levels.
    let depth = if mysql { 95 } else { 30 };
    let deep = format!("'{}1{}'", "[".repeat(depth), "]".repeat(depth));
    let wide: Vec<String> = (0..6000).map(|i| format!("\"k{i}\": {i}")).collect();
    let wide = format!("'{{{}}}'", wide.join(", "));
    let mut texts: Vec<String> = [
        "'{}'", "'[]'", "'null'", "'true'", "'false'", "'\"\"'", "'0'", "'-1'", "'32767'", "'32768'", "'-32768'", "'-32769'", "'65535'",
        "'65536'", "'2147483647'", "'2147483648'", "'4294967296'", "'9223372036854775807'", "'9223372036854775808'",
        "'18446744073709551615'", "'-9223372036854775808'", "'1.0'", "'1e15'", "'0.1'", "'5e-324'", "'1.7976931348623157e308'",
        "'[1.5, 100.0, 1e100, 0.0000001, 123456789012345.67]'",
        "'{\"a\": [1, {\"b\": null}], \"\": {}, \"a b\": [], \"\\\\\"q\\\\\\\\\": \"x\\\\ny\\\\u0001\\\\u007f😀\\\\/\"}'",
        "'{\"bb\": 1, \"a\": 2, \"ccc\": 3, \"A\": 4}'", "NULL",
        "JSON_OBJECT('d', 1.10, 'n', -0.5, 'list', JSON_ARRAY(CAST(5 AS DECIMAL(65,0)), 99999999999999999999.123456789))",
        "JSON_ARRAY(CAST('2024-02-29' AS DATE), CAST('-11:12:13.000001' AS TIME(6)), CAST('2024-02-29 01:02:03.5' AS DATETIME(6)))",
        "JSON_OBJECT('k\"\\\\', CAST('0000-00-00' AS DATE), 'x', JSON_OBJECT('y z', CAST('2024-00-00' AS DATE)))",
        "JSON_ARRAY(CAST(1.5 AS DECIMAL(2,1)), CAST('2024-02-29' AS DATE))", "JSON_ARRAY(NULL, CAST('2024-02-29' AS DATE), NULL, 1.10)",
        "JSON_ARRAY(12345678901e0, -0e0, 7, JSON_OBJECT('k', NULL, 'd', 2e0, 'n', JSON_ARRAY(0.5, 0.5e0)))",
        "CAST(1.10 AS JSON)", "CAST(CAST('2024-01-01 00:00:00' AS DATETIME) AS JSON)", "JSON_ARRAY(TRUE, 1e0, 1.5e300, 1e-10)",
        "CAST(REPEAT('7', 30) AS JSON)", "JSON_QUOTE(REPEAT('x', 70000))",
    ]
    .map(String::from)
    .to_vec();
    texts.extend([deep, wide]);
    if mysql {
        // More types than one query asks MySQL 5.7 for.
        let four = "1.10, CAST('2024-02-29' AS DATE), 5e0, JSON_OBJECT('t', CAST('10:11:12' AS TIME), 'n', 7)";
        texts.push(format!("JSON_ARRAY({})", [four; 400].join(", ")));
    }
    if mysql_from(release, Release::Mysql80) {
        let table = |value: &str, kind: &str| {
            format!("JSON_ARRAY((SELECT v FROM JSON_TABLE({value}, '$[0]' COLUMNS (v {kind} PATH '$')) t))")
        };
        texts.push(table("'[\"2024-02-29 01:02:03.25\"]'", "TIMESTAMP(6)"));
        for kind in ["TINYBLOB", "BLOB", "MEDIUMBLOB", "LONGBLOB", "BINARY(2)", "VARBINARY(9)"] {
            texts.push(table("JSON_ARRAY(x'80FF')", kind));
        }
        texts.push(table("'[258]'", "BIT(10)"));
        texts.push("JSON_OBJECT('b', REPEAT(x'00FF', 100), 'e', x'')".into());
    }
    vec![Column { sql: "JSON".into(), extremes: texts, random: Random::Json }]
}

fn compressed() -> Vec<Column> {
    vec![
        column("VARCHAR(100) COMPRESSED", Random::Text(50), &["''", "REPEAT('a', 100)", "NULL"]),
        column("VARCHAR(2000) COMPRESSED CHARACTER SET gbk", Random::Charset("gbk"), &["REPEAT('中', 900)", "''"]),
        column("VARBINARY(3000) COMPRESSED", Random::Bytes(300), &["REPEAT(x'00', 3000)", "''"]),
        column("BLOB COMPRESSED", Random::Bytes(900), &["REPEAT(x'FF00', 30000)", "''", "x'00'"]),
        column("TEXT COMPRESSED CHARACTER SET utf16", Random::Charset("utf16"), &["REPEAT('ab', 2000)", "''"]),
        column("LONGTEXT COMPRESSED", Random::Text(90), &["REPEAT('\\\\''', 50000)"]),
        column("JSON", Random::Json, &["'{}'", "'{ \"a\":  1.10 }'", "NULL"]),
    ]
}

fn addresses(release: Release) -> Vec<Column> {
    let six = [
        "'::'",
        "'::1'",
        "'::1.2.3.4'",
        "'::ffff:1.2.3.4'",
        "'2001:db8::1'",
        "'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'",
        "NULL",
    ];
    let mut out = vec![column("INET6", Random::Inet6, &six)];
    if release != Release::Mariadb105 {
        out.push(column("INET4", Random::Inet4, &["'0.0.0.0'", "'255.255.255.255'", "'10.0.0.0'", "NULL"]));
        let uuids = [
            "'00000000-0000-0000-0000-000000000000'",
            "'123e4567-e89b-12d3-a456-426655440000'",
            "'ffffffff-ffff-ffff-ffff-ffffffffffff'",
            "'123e4567-e89b-72d3-a456-426655440000'",
            "NULL",
        ];
        out.push(column("UUID", Random::Uuid, &uuids));
    }
    out
}
