//! Tables without a key whose rows are one value each, and alike: a change must find exactly its row.

use super::values_kinds::{Column, Random, column, mysql_from};
use crate::support::servers::Release;

/// Values that comparisons hold equal, or nearly, and that must be told apart.
pub fn lone(source: Release, target: Release) -> Vec<(&'static str, Vec<Column>)> {
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
    let bytes = ["''", "x'00'", "x'0000'", "'a'", "'A'", "'a '", "x'6100'", "x'FF'"];
    let of = |sql: &str, values: &[&str]| vec![column(sql, Random::Number(1), values)];
    let mut out = vec![
        ("lone_char", of("CHAR(9) CHARACTER SET utf8mb4", &texts)),
        ("lone_varchar", of("VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci", &texts)),
        ("lone_unicode", of("VARCHAR(9) CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci", &texts)),
        ("lone_text", of("TEXT CHARACTER SET utf8mb4", &texts)),
        ("lone_utf16", of("VARCHAR(9) CHARACTER SET utf16", &texts)),
        (
            "lone_gbk",
            of(
                "VARCHAR(9) CHARACTER SET gbk",
                &["'a'", "'A'", "'a '", "'\u{4e2d}'", "'\u{6587}'", "_gbk x'A2A0'", "_gbk x'A2A1'"],
            ),
        ),
        (
            "lone_latin1",
            of(
                "CHAR(9) CHARACTER SET latin1",
                &["'a'", "'A'", "'\u{e4}'", "'\u{c4}'", "_latin1 x'81'", "_latin1 x'8D'"],
            ),
        ),
        ("lone_binary", of("BINARY(3)", &["''", "'a'", "'A'", "x'FF'", "x'610001'"])),
        ("lone_varbinary", of("VARBINARY(9)", &bytes)),
        ("lone_blob", of("BLOB", &bytes)),
        (
            "lone_float",
            of(
                "FLOAT",
                &[
                    "0.1",
                    "0.10000000894069672",
                    "0.1000000089406967",
                    "1e-45",
                    "0",
                    "16777216",
                    "16777218",
                    "3.4028234663852886e38",
                    "3.4028232635611926e38",
                ],
            ),
        ),
        (
            "lone_double",
            of(
                "DOUBLE",
                &[
                    "0.1",
                    "0.10000000000000002",
                    "0.1e1",
                    "1.0000000000000002",
                    "5e-324",
                    "1e-323",
                    "0",
                    "9007199254740992",
                    "9007199254740994",
                ],
            ),
        ),
        (
            "lone_decimal",
            of(
                "DECIMAL(65,30)",
                &[
                    "0",
                    "0.000000000000000000000000000001",
                    "12345678901234567890123456789012345.1",
                    "12345678901234567890123456789012345.100000000000000000000000000001",
                ],
            ),
        ),
        (
            "lone_bigint",
            of("BIGINT", &["9007199254740993", "9007199254740992", "-9223372036854775808", "9223372036854775807"]),
        ),
        (
            "lone_unsigned",
            of("BIGINT UNSIGNED", &["18446744073709551615", "18446744073709551614", "9223372036854775808", "0"]),
        ),
        ("lone_bit", of("BIT(64)", &["18446744073709551615", "18446744073709551614", "9223372036854775808", "0"])),
        ("lone_set", of("SET('a','A2','','b')", &["0", "1", "2", "3", "8", "15"])),
        ("lone_enum", of("ENUM('','a','0','1')", &["0", "1", "2", "3", "4"])),
        ("lone_year", of("YEAR", &["0", "1901", "2000", "2155"])),
        (
            "lone_time",
            of(
                "TIME(6)",
                &["'-00:00:00.000001'", "'00:00:00'", "'00:00:00.000001'", "'-838:59:58.999999'", "'838:59:59'"],
            ),
        ),
        (
            "lone_datetime",
            of(
                "DATETIME(6)",
                &[
                    "'0000-00-00'",
                    "'2024-00-00'",
                    "'2024-02-30 00:00:00.000001'",
                    "'2024-02-30'",
                    "'9999-12-31 23:59:59.999999'",
                ],
            ),
        ),
        (
            "lone_timestamp",
            of(
                "TIMESTAMP(6) NULL",
                &["'0000-00-00'", "'2024-10-27 05:30:00'", "'2024-10-27 06:30:00'", "'2024-10-27 06:30:00.000001'"],
            ),
        ),
        ("lone_date", of("DATE", &["'0000-00-00'", "'2024-00-00'", "'2024-01-00'", "'2024-02-31'"])),
        (
            "lone_point",
            of(
                "GEOMETRY",
                &[
                    "ST_GeomFromText('POINT(0 0)')",
                    "ST_GeomFromText('POINT(0 1)')",
                    "ST_GeomFromText('LINESTRING(0 0,0 1)')",
                    "ST_GeomFromText('POINT(0 0)', 4326)",
                ],
            ),
        ),
    ];
    if mysql_from(source, Release::Mysql57) && target != Release::Mysql56 {
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
        out.push(("lone_documents", of("JSON", &documents)));
    }
    out
}
