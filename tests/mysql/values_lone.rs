//! Tables without a key whose rows are one value each, and alike: a change must find exactly its row.

use super::values_kinds::{Column, Random, column, mysql_from};
use crate::support::servers::Release;

/// A table of one column: its name, and values that comparisons hold equal, or nearly, and that must be told apart.
type Lone = (&'static str, Vec<Column>);

fn one(name: &'static str, sql: &str, values: &[&str]) -> Lone {
    (name, vec![column(sql, Random::Number(1), values)])
}

pub fn lone(source: Release, target: Release) -> Vec<Lone> {
    let mut out = [texts(), bytes(), reals(), integers(), times(), shapes()].into_iter().flatten().collect::<Vec<_>>();
    if mysql_from(source, Release::Mysql57) && target != Release::Mysql56 {
        out.push(documents());
    }
    out
}

fn texts() -> Vec<Lone> {
    let texts = [
        "'a'",
        "'A'",
        "'a '",
        "'\u{e4}'",
        "'\u{e1}'",
        "''",
        "' '",
        "'\u{df}'",
        "'ss'",
        "'a\\0'",
        "'\u{1f600}'",
        "'\u{1f601}'",
    ];
    let gbk = ["'a'", "'A'", "'a '", "'\u{4e2d}'", "'\u{6587}'", "_gbk x'A2A0'", "_gbk x'A2A1'"];
    let latin1 = ["'a'", "'A'", "'\u{e4}'", "'\u{c4}'", "_latin1 x'81'", "_latin1 x'8D'"];
    vec![
        one("lone_char", "CHAR(9) CHARACTER SET utf8mb4", &texts),
        one("lone_varchar", "VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", &texts),
        one("lone_unicode", "VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", &texts),
        one("lone_text", "TEXT CHARACTER SET utf8mb4", &texts),
        one("lone_utf16", "VARCHAR(9) CHARACTER SET utf16", &texts),
        one("lone_gbk", "VARCHAR(9) CHARACTER SET gbk", &gbk),
        one("lone_latin1", "CHAR(9) CHARACTER SET latin1", &latin1),
    ]
}

fn bytes() -> Vec<Lone> {
    let bytes = ["''", "x'00'", "x'0000'", "'a'", "'A'", "'a '", "x'6100'", "x'FF'"];
    vec![
        one("lone_binary", "BINARY(3)", &["''", "'a'", "'A'", "x'FF'", "x'610001'"]),
        one("lone_varbinary", "VARBINARY(9)", &bytes),
        one("lone_blob", "BLOB", &bytes),
    ]
}

fn reals() -> Vec<Lone> {
    let long = "12345678901234567890123456789012345.1";
    let longer = "12345678901234567890123456789012345.100000000000000000000000000001";
    let floats = [
        "0.1",
        "0.10000000894069672",
        "1e-45",
        "0",
        "16777216",
        "16777218",
        "3.4028234663852886e38",
        "3.4028232635611926e38",
    ];
    let doubles =
        ["0.1", "0.10000000000000002", "1e0", "1.0000000000000002", "5e-324", "1e-323", "0", "9007199254740994"];
    vec![
        one("lone_float", "FLOAT", &floats),
        one("lone_double", "DOUBLE", &doubles),
        one("lone_decimal", "DECIMAL(65,30)", &["0", "0.000000000000000000000000000001", long, longer]),
    ]
}

fn integers() -> Vec<Lone> {
    let high = ["18446744073709551615", "18446744073709551614", "9223372036854775808", "0"];
    let signed = ["9007199254740993", "9007199254740992", "-9223372036854775808", "9223372036854775807"];
    vec![
        one("lone_bigint", "BIGINT", &signed),
        one("lone_unsigned", "BIGINT UNSIGNED", &high),
        one("lone_bit", "BIT(64)", &high),
        one("lone_set", "SET('a','A2','','b')", &["0", "1", "2", "3", "8", "15"]),
        one("lone_enum", "ENUM('','a','0','1')", &["0", "1", "2", "3", "4"]),
        one("lone_year", "YEAR", &["0", "1901", "2000", "2155"]),
    ]
}

fn times() -> Vec<Lone> {
    let times = ["'-00:00:00.000001'", "'00:00:00'", "'00:00:00.000001'", "'-838:59:58.999999'", "'838:59:59'"];
    let datetimes = [
        "'0000-00-00'",
        "'2024-00-00'",
        "'2024-02-30 00:00:00.000001'",
        "'2024-02-30'",
        "'9999-12-31 23:59:59.999999'",
    ];
    let stamps = ["'0000-00-00'", "'2024-10-27 05:30:00'", "'2024-10-27 06:30:00'", "'2024-10-27 06:30:00.000001'"];
    vec![
        one("lone_time", "TIME(6)", &times),
        one("lone_datetime", "DATETIME(6)", &datetimes),
        one("lone_timestamp", "TIMESTAMP(6) NULL", &stamps),
        one("lone_date", "DATE", &["'0000-00-00'", "'2024-00-00'", "'2024-01-00'", "'2024-02-31'"]),
    ]
}

fn shapes() -> Vec<Lone> {
    let points = [
        "ST_GeomFromText('POINT(0 0)')",
        "ST_GeomFromText('POINT(0 1)')",
        "ST_GeomFromText('LINESTRING(0 0,0 1)')",
        "ST_GeomFromText('POINT(0 0)', 4326)",
    ];
    vec![one("lone_point", "GEOMETRY", &points)]
}

fn documents() -> Lone {
    let documents = [
        "'1'",
        "'1.0'",
        "'\"1\"'",
        "'true'",
        "'null'",
        "NULL",
        "'[]'",
        "'{}'",
        "'\"a\"'",
        "'\"A\"'",
        "'[1, 2]'",
        "'[2, 1]'",
        "'{\"a\": 1, \"b\": 2}'",
        "'1.1'",
        "'123456789012345.67'",
        "'123456789012345.69'",
        "'\"\u{e4}\"'",
        "'0.1'",
    ];
    one("lone_documents", "JSON", &documents)
}
