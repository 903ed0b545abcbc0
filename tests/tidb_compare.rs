//! The comparison with TiDB (`support/compare/exact.rs`): equal values that the two servers keep and print in other ways are
//! equal, and a small change of any column's value is told.

use mysql_async::prelude::Queryable;

use crate::support::{
    compare,
    servers::{Kind, Release, Server},
};

/// Column, type, value at the source, the same value for TiDB, and one that differs in the least.
const COLUMNS: [(&str, &str, &str, &str, &str); 20] = [
    ("i", "BIGINT UNSIGNED", "18446744073709551615", "18446744073709551615", "18446744073709551614"),
    ("de", "DECIMAL(30,10)", "1.0000000001", "1.0000000001", "1.0000000002"),
    ("fl", "FLOAT", "3.402823e38", "3.402823e38", "3.402822e38"),
    ("dd", "DOUBLE", "0.1", "0.1", "0.10000000000000002"),
    ("bt", "BIT(9)", "257", "257", "256"),
    ("da", "DATE", "'2024-02-29'", "'2024-02-29'", "'2024-02-28'"),
    ("ti", "TIME(6)", "'-00:00:00.000001'", "'-00:00:00.000001'", "'00:00:00.000001'"),
    ("dt", "DATETIME(3)", "'2024-02-29 01:02:03.004'", "'2024-02-29 01:02:03.004'", "'2024-02-29 01:02:03.005'"),
    ("ts", "TIMESTAMP(6) NULL", "'2024-03-01 00:00:00'", "'2024-03-01'", "'2024-03-01 00:00:00.000001'"),
    ("ye", "YEAR", "0", "'0000'", "2000"),
    ("vc", "VARCHAR(20)", "'a'", "'a'", "'a '"),
    ("cs", "VARCHAR(20)", "'a'", "'a'", "'A'"),
    ("la", "VARCHAR(20) CHARACTER SET latin1", "_latin1 x'E9'", "'é'", "'e'"),
    ("gb", "VARCHAR(20) CHARACTER SET gbk", "_gbk x'C4E3'", "'你'", "'好'"),
    ("bi", "BINARY(4)", "x'01'", "x'01000000'", "x'01000001'"),
    ("bl", "BLOB", "x'E9'", "x'E9'", "x'C3A9'"),
    ("em", "VARCHAR(20)", "''", "''", "NULL"),
    ("en", "ENUM('a','A')", "1", "'a'", "2"),
    ("se", "SET('a','b')", "3", "'b,a'", "'b'"),
    (
        "js",
        "JSON",
        "'{\"b\": [1e-7], \"aa\": 1}'",
        "'{\"aa\": 1, \"b\": [0.0000001]}'",
        // (TiDB takes an UPDATE from 1 to 1.0 for none; exact.rs tells them apart.)
        "'{\"aa\": 2, \"b\": [1e-7]}'",
    ),
];

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn a_changed_value_is_told_and_an_equal_one_is_not() {
    let start = |kind| tokio::task::spawn_blocking(move || Server::start(kind, &[]));
    let (source, target) = (start(Kind::Mysql).await.unwrap(), start(Kind::Tidb).await.unwrap());
    let latin1 = Server::of(Release::Mariadb1011, &[]);
    let types: Vec<String> = COLUMNS.iter().map(|(name, ty, ..)| format!("{name} {ty}")).collect();
    let create = format!(
        "CREATE DATABASE d; CREATE TABLE d.t ({}) DEFAULT CHARSET utf8mb4 COLLATE utf8mb4_bin; USE d; SET sql_mode = ''",
        types.join(", ")
    );
    let (mut a, mut b, mut c) = (source.conn().await, target.conn().await, latin1.conn().await);
    let list = |pick: fn(&(&'static str, &'static str, &'static str, &'static str, &'static str)) -> &'static str| {
        format!("INSERT INTO t VALUES ({0}), ({0})", COLUMNS.iter().map(pick).collect::<Vec<_>>().join(", "))
    };
    for (conn, values) in [(&mut a, list(|c| c.2)), (&mut c, list(|c| c.2)), (&mut b, list(|c| c.3))] {
        conn.query_drop(&create).await.unwrap_or_else(|e| panic!("{e}: {create}"));
        conn.query_drop(&values).await.unwrap_or_else(|e| panic!("{e}: {values}"));
    }
    for conn in [&mut a, &mut c] {
        assert_eq!(compare::difference(conn, ("d", "t"), &mut b, ("d", "t")).await, None);
        for (name, _, _, same, other) in COLUMNS {
            let set = |value: &str| format!("UPDATE t SET {name} = {value} LIMIT 1");
            b.query_drop(set(other)).await.unwrap();
            let told = compare::difference(conn, ("d", "t"), &mut b, ("d", "t")).await;
            assert!(told.is_some(), "{name} {other} instead of {same} is not told");
            let rows = compare::rows_that_differ(conn, &mut b, "d").await;
            assert!(rows.len() == 3, "{name}: {rows:?}");
            b.query_drop(format!("UPDATE t SET {name} = {same}")).await.unwrap();
            assert_eq!(compare::difference(conn, ("d", "t"), &mut b, ("d", "t")).await, None, "{name}");
        }
        // A row that is there once more, or was lost, in a table without a key.
        b.query_drop(list(|c| c.3)).await.unwrap();
        assert!(compare::difference(conn, ("d", "t"), &mut b, ("d", "t")).await.is_some());
        b.query_drop("DELETE FROM t LIMIT 3").await.unwrap();
        assert!(compare::difference(conn, ("d", "t"), &mut b, ("d", "t")).await.is_some());
        b.query_drop(list(|c| c.3).split("), (").next().map(|row| format!("{row})")).unwrap()).await.unwrap();
        assert_eq!(compare::difference(conn, ("d", "t"), &mut b, ("d", "t")).await, None);
    }
    // What has no character is equal to nothing, not even to the question mark that stands for it.
    c.query_drop("UPDATE t SET gb = _gbk x'A2A0'").await.unwrap();
    b.query_drop("UPDATE t SET gb = '?'").await.unwrap();
    assert!(compare::difference(&mut c, ("d", "t"), &mut b, ("d", "t")).await.is_some());
}
