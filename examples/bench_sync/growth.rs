//! How cost grows: more tables, larger rows, larger transactions, in one table. What a row costs (a megabyte, for large rows)
//! should stay what it is. `--largest N`: rows of the largest transaction (10,000,000).

use std::time::Instant;

use crate::{
    Args,
    report::Report,
    support::{
        process::{cpu_seconds, peak_memory},
        servers::{Release, Server},
    },
    turn::{Bench, Goal, await_markers},
    workload::{MARKERS, Workload, place},
};

/// What is inserted.
struct Shape {
    grows: &'static str,
    tables: u64,
    row_bytes: u64,
    rows: u64,
    /// Of one transaction.
    at_once: u64,
}

pub async fn measure(args: &Args, report: &mut Report) {
    let options = ["--max-binlog-size=1073741824", "--max-allowed-packet=64M", "--innodb-log-file-size=1G"];
    let source = Server::of(Release::Mariadb1011, &options);
    let target = Server::of(Release::Mariadb1011, &["--skip-log-bin", "--max-allowed-packet=64M", options[2]]);
    let begun = Instant::now();
    report.line("\n| what grows | tables | bytes of a row | rows of a transaction | rows | MB | s | us a row | us of our CPU a row | ms of our CPU a MB | peak MiB |".into());
    report.line("|---|---|---|---|---|---|---|---|---|---|---|".into());
    for shape in shapes(args.number("--largest", 10_000_000)) {
        report.line(one(args, &source, &target, &shape).await);
    }
    report.line(format!("(the table took {:.0} s)", begun.elapsed().as_secs_f64()));
}

fn shapes(largest: u64) -> Vec<Shape> {
    let tables = |tables| Shape { grows: "tables", tables, row_bytes: 100, rows: 200_000, at_once: 100 };
    let bytes = |(row_bytes, rows)| Shape { grows: "rows", tables: 1, row_bytes, rows, at_once: 10 };
    let whole = |at_once: u64| {
        let rows = at_once.clamp(200_000.min(largest), largest);
        Shape { grows: "transactions", tables: 1, row_bytes: 30, rows, at_once }
    };
    let mut shapes: Vec<Shape> = [1, 10, 100, 1000].map(tables).into();
    shapes.extend([(1 << 10, 100_000), (10 << 10, 20_000), (100 << 10, 2_000), (1 << 20, 200)].map(bytes));
    shapes.extend([1, 100, 10_000, 1_000_000, largest].map(whole));
    shapes
}

/// A line of the table.
async fn one(args: &Args, source: &Server, target: &Server, shape: &Shape) -> String {
    for server in [source, target] {
        let mut sql = "DROP DATABASE IF EXISTS sbtest; CREATE DATABASE sbtest; USE sbtest; \
                       CREATE TABLE marker (id INT PRIMARY KEY)"
            .to_owned();
        for table in 0..shape.tables {
            sql.push_str(&format!("; CREATE TABLE g{table} (id INT PRIMARY KEY, body LONGTEXT)"));
        }
        server.exec(&sql).await;
    }
    source.exec("RESET MASTER").await;
    let (file, pos) = place(source).await;
    fill(source, shape).await;
    let work = Workload { changes: shape.rows, binlog_bytes: 0, file, pos, gtid: String::new(), hot: false };
    let mut bench = Bench::new(args, source, &work);
    let begun = bench.start_prepared(target, Goal::All).await;
    let mut conn = target.conn().await;
    await_markers(&mut conn, || bench.paused()).await;
    let seconds = begun.at.elapsed().as_secs_f64();
    let cpu = cpu_seconds(begun.worker) - begun.cpu;
    conn.disconnect().await.unwrap();
    // The task must not be measured on a wrong result.
    let count = "SELECT CONCAT(COUNT(*), ' ', SUM(LENGTH(body))) FROM sbtest.g0";
    assert_eq!(source.text(count).await, target.text(count).await);
    let (rows, megabytes) = (shape.rows as f64, binlog_bytes(source).await as f64 / 1e6);
    let Shape { grows, tables, row_bytes, at_once, .. } = shape;
    format!(
        "| {grows} | {tables} | {row_bytes} | {at_once} | {rows} | {megabytes:.0} | {seconds:.1} | {:.1} | {:.1} | {:.1} | {:.0} |",
        seconds * 1e6 / rows,
        cpu * 1e6 / rows,
        cpu * 1e3 / megabytes,
        peak_memory(begun.worker)
    )
}

/// Writes the shape's rows on the source, and the markers.
async fn fill(source: &Server, shape: &Shape) {
    let mut from = 1;
    while from <= shape.rows {
        let mut sql = "USE sbtest".to_owned();
        for _ in 0..200 {
            let to = (from + shape.at_once - 1).min(shape.rows);
            let table = (from / shape.at_once) % shape.tables;
            let body = format!("REPEAT(CHAR(97 + seq % 26), {})", shape.row_bytes);
            sql.push_str(&format!("; INSERT INTO g{table} SELECT seq, {body} FROM seq_{from}_to_{to}"));
            from = to + 1;
            if from > shape.rows {
                break;
            }
        }
        source.exec(&sql).await;
    }
    source.exec(&format!("USE sbtest; INSERT INTO marker SELECT seq FROM seq_1_to_{MARKERS}")).await;
}

/// Of all files.
async fn binlog_bytes(source: &Server) -> u64 {
    use mysql_async::prelude::Queryable;
    let mut conn = source.conn().await;
    let files: Vec<(String, u64)> = conn.query("SHOW BINARY LOGS").await.unwrap();
    conn.disconnect().await.unwrap();
    files.iter().map(|(_, bytes)| bytes).sum()
}
