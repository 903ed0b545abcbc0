//! The differential value test into TiDB: what it has of each release's types, by dump and load and by sync, with and
//! without a key. What is left out is TiDB's own matter and named here.

use std::sync::Arc;

use futures::future::join_all;

use super::{
    values_diff::{Table, pair, tables},
    values_kinds::{Column, Random},
};
use crate::support::servers::{Release, Server};

/// Why a column can't be on TiDB; None: it can.
fn lacks(column: &Column) -> Option<&'static str> {
    let sql = column.sql.to_uppercase();
    let charset = sql.split("CHARACTER SET ").nth(1).and_then(|rest| rest.split(' ').next());
    if charset.is_some_and(|name| !["UTF8MB4", "UTF8", "LATIN1", "GBK", "ASCII"].contains(&name)) {
        return Some("a character set that TiDB doesn't have; the check says so (tests/operate/into_tidb.rs)");
    }
    if sql.starts_with("FLOAT(") || sql.starts_with("DOUBLE(") {
        return Some("TiDB rounds to digits by multiplying: 38025802585471.75 in a DOUBLE(20,6) is 38025802585471.74");
    }
    if sql.starts_with("ENUM") && sql.contains('\\') {
        return Some(
            "TiDB's SHOW CREATE TABLE prints the member '\\\\' as '\\', which reads as no statement (error 44008)",
        );
    }
    let shapes = ["GEOMETRY", "POINT"];
    shapes.iter().any(|name| sql.starts_with(name)).then_some("a type that TiDB doesn't have")
}

/// Values that are not the same there, by the column's type and the value's text.
fn differs(column: &Column, value: &str) -> Option<&'static str> {
    let gbk = column.sql.contains("gbk") && ["x'A2A0'", "x'8080'"].iter().any(|code| value.contains(code));
    if gbk {
        return Some("a code without a character: TiDB keeps text, and refuses it (error 1115)");
    }
    let json = column.sql == "JSON" && value.contains("REPEAT('7', 30)");
    json.then_some("integers beyond 64 bits become doubles: TiDB's JSON has no decimals")
}

fn on_tidb(source: Release) -> Vec<Table> {
    let mut all = tables(source, Release::Tidb);
    for table in &mut all {
        table.columns.retain(|column| lacks(column).is_none());
        for column in &mut table.columns {
            if matches!(column.random, Random::Charset("gbk")) {
                column.random = Random::Chinese("gbk");
            }
            let kept: Vec<String> =
                column.extremes.iter().filter(|value| differs(column, value).is_none()).cloned().collect();
            column.extremes = kept;
        }
    }
    all.retain(|table| !table.columns.is_empty());
    all
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "tier: make test-tidb"]
async fn every_value_arrives_exactly_into_tidb() {
    let seeds: Option<u64> = std::env::var("DM_VALUE_SEEDS").ok().and_then(|n| n.parse().ok());
    let releases = if seeds.is_some() {
        Release::ALL.to_vec()
    } else {
        vec![Release::Mysql57, Release::Mysql97, Release::Mariadb118]
    };
    let start = |release, options: &'static [&'static str]| {
        tokio::task::spawn_blocking(move || Arc::new(Server::of(release, options)))
    };
    let target = start(Release::Tidb, &[]).await.unwrap();
    let runs = releases.into_iter().map(|release| {
        let target = target.clone();
        tokio::spawn(async move {
            let source = start(release, &["--max-allowed-packet=64M"]).await.unwrap();
            let mut out = Vec::new();
            for seed in 0..=seeds.unwrap_or(0) {
                out.extend(pair(&source, &target, on_tidb(release), seed, if seed == 0 { 24 } else { 200 }).await);
            }
            out
        })
    });
    let wrong: Vec<String> = join_all(runs).await.into_iter().flat_map(Result::unwrap).collect();
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}
