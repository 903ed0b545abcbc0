//! Prepared or text protocol: the same rows upserted, a hundred a statement, in transactions of one statement, by four
//! connections: as text, and as a prepared statement with a parameter for each value. CPU time a row of the server, and of
//! this process for making and sending it.

use std::time::Instant;

use mysql_async::{Conn, Params, Value, prelude::Queryable};

use crate::{
    Args,
    report::{Report, median},
    support::{
        process::cpu_seconds,
        servers::{Release, Server},
    },
};

const LANES: u64 = 4;
const STATEMENTS: u64 = 500;
const ROWS: u64 = 100;

pub async fn measure(args: &Args, report: &mut Report) {
    for release in [Release::Mariadb1011, Release::Mysql97] {
        let target = Server::of(release, &["--skip-log-bin"]);
        target
            .exec(
                "CREATE DATABASE p; CREATE TABLE p.wide (id INT PRIMARY KEY, k INT, c CHAR(120), pad CHAR(60), KEY (k)); \
                 CREATE TABLE p.narrow (id INT PRIMARY KEY, a INT, b BIGINT, d INT)",
            )
            .await;
        for table in ["wide", "narrow"] {
            for batch in [ROWS, 1] {
                let (mut text, mut prepared) = (Vec::new(), Vec::new());
                for _ in 0..args.number("--rounds", 3).max(3) {
                    text.push(turn(&target, table, batch, false).await);
                    prepared.push(turn(&target, table, batch, true).await);
                }
                let middle = |turns: &[[f64; 3]], i: usize| median(turns.iter().map(|turn| turn[i]).collect());
                let us = |turns: &[[f64; 3]]| {
                    let rows = (LANES * STATEMENTS * batch) as f64 / 1e6;
                    let [wall, server, ours] = [0, 1, 2].map(|i| middle(turns, i) / rows);
                    format!("{server:.2} us of the server's CPU a row, {ours:.2} of ours, {wall:.2} us a row in all")
                };
                report.line(format!(
                    "{release:?}, {table} rows, {batch} a statement: text {}; prepared {}",
                    us(&text),
                    us(&prepared)
                ));
            }
        }
    }
}

/// Seconds, CPU seconds of the server, CPU seconds of this process.
async fn turn(target: &Server, table: &'static str, batch: u64, prepared: bool) -> [f64; 3] {
    target.exec(&format!("TRUNCATE TABLE p.{table}")).await;
    let me = std::process::id();
    let (started, server, ours) = (Instant::now(), cpu_seconds(target.pid()), cpu_seconds(me));
    let lanes: Vec<_> = (0..LANES)
        .map(|lane| {
            let opts: mysql_async::Opts = target.opts().into();
            tokio::spawn(run(opts, table, lane, batch, prepared))
        })
        .collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    [started.elapsed().as_secs_f64(), cpu_seconds(target.pid()) - server, cpu_seconds(me) - ours]
}

async fn run(opts: mysql_async::Opts, table: &str, lane: u64, batch: u64, prepared: bool) {
    let mut conn = Conn::new(opts).await.unwrap();
    let head = format!("REPLACE INTO p.{table} VALUES ");
    let marks = vec!["(?,?,?,?)"; batch as usize].join(",");
    let statement = conn.prep(format!("{head}{marks}")).await.unwrap();
    for number in 0..STATEMENTS {
        let ids = (0..batch).map(|i| (number * batch + i) * LANES + lane);
        if prepared {
            let values: Vec<Value> = ids.flat_map(|id| row(table, id)).collect();
            conn.exec_drop(&statement, Params::Positional(values)).await.unwrap();
        } else {
            let mut sql = head.clone();
            for (i, id) in ids.enumerate() {
                let before = if i > 0 { ",(" } else { "(" };
                sql.push_str(before);
                for (i, value) in row(table, id).into_iter().enumerate() {
                    sql.push_str(if i > 0 { "," } else { "" });
                    sql.push_str(&value.as_sql(false));
                }
                sql.push(')');
            }
            conn.query_drop(sql).await.unwrap();
        }
    }
    conn.close(statement).await.unwrap();
    conn.disconnect().await.unwrap();
}

fn row(table: &str, id: u64) -> [Value; 4] {
    let number = |n: u64| Value::Int(n as i64);
    match table {
        "wide" => [
            number(id),
            number(id % 1000),
            Value::Bytes(format!("{id:0119}").into_bytes()),
            Value::Bytes(format!("{id:059}").into_bytes()),
        ],
        _ => [number(id), number(id % 1_000_000), number(id << 20), number(id * 7 % 1_000_000)],
    }
}
