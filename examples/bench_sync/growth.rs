//! How cost grows: more tables, larger rows, larger transactions. One line each; the cost of a row (of a megabyte, for large
//! rows) should stay what it is. `--largest N`: rows of the largest transaction (1,000,000; ten times that takes minutes).

use crate::support::process::{cpu_seconds, peak_memory};
use crate::{
    Args,
    report::Report,
    support::servers::{Release, Server},
    turn::{Bench, Goal, await_markers},
    workload::{MARKERS, Workload, place},
};

/// What is inserted.
struct Shape {
    tables: u64,
    row_bytes: u64,
    rows: u64,
    /// Of one transaction.
    at_once: u64,
}

pub async fn measure(args: &Args, report: &mut Report) {
    let plain = |tables| Shape { tables, row_bytes: 100, rows: 100_000, at_once: 100 };
    let large = |row_bytes, rows| Shape { tables: 1, row_bytes, rows, at_once: 10 };
    let whole = |rows| Shape { tables: 1, row_bytes: 100, rows, at_once: rows };
    let largest = args.number("--largest", 1_000_000);
    let mut shapes: Vec<Shape> = [1, 10, 100, 1000].map(plain).into();
    shapes
        .extend([(1 << 10, 50_000), (10 << 10, 10_000), (100 << 10, 1_000), (1 << 20, 200)].map(|(b, n)| large(b, n)));
    shapes.extend([largest / 100, largest / 10, largest].map(whole));
    report.line("\n| tables | bytes of a row | rows | rows of a transaction | s | rows/s | us of our CPU a row | MB/s | peak MiB |".into());
    report.line("|---|---|---|---|---|---|---|---|---|".into());
    for shape in shapes {
        report.line(one(args, &shape).await);
    }
}

async fn one(args: &Args, shape: &Shape) -> String {
    let options = ["--max-binlog-size=1073741824", "--max-allowed-packet=64M"];
    let (source, target) =
        (Server::of(Release::Mariadb1011, &options), Server::of(Release::Mariadb1011, &["--skip-log-bin"]));
    for server in [&source, &target] {
        let mut sql = "CREATE DATABASE sbtest; USE sbtest; CREATE TABLE marker (id INT PRIMARY KEY)".to_owned();
        for table in 0..shape.tables {
            sql.push_str(&format!("; CREATE TABLE g{table} (id INT PRIMARY KEY, body LONGTEXT)"));
        }
        server.exec(&sql).await;
    }
    source.exec("FLUSH BINARY LOGS").await;
    let (file, pos) = place(&source).await;
    let gtid = source.text("SELECT @@gtid_binlog_pos").await;
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
    let bytes = place(&source).await.1 - pos;
    source.exec(&format!("USE sbtest; INSERT INTO marker SELECT seq FROM seq_1_to_{MARKERS}")).await;
    let work = Workload { changes: shape.rows, binlog_bytes: bytes, file, pos, gtid, hot: false };
    let mut bench = Bench::new(args, &source, &work);
    let begun = bench.start_prepared(&target, Goal::All).await;
    let mut conn = target.conn().await;
    await_markers(&mut conn, || bench.paused()).await;
    let seconds = begun.at.elapsed().as_secs_f64();
    let cpu = cpu_seconds(begun.worker) - begun.cpu;
    conn.disconnect().await.unwrap();
    let (rows, megabytes) = (shape.rows as f64, bytes as f64 / 1e6);
    format!(
        "| {} | {} | {} | {} | {seconds:.2} | {:.0} | {:.1} | {:.0} | {:.0} |",
        shape.tables,
        shape.row_bytes,
        shape.rows,
        shape.at_once,
        rows / seconds,
        cpu * 1e6 / rows,
        megabytes / seconds,
        peak_memory(begun.worker)
    )
}
