//! What the lane row costs: the same packets of 100 upserted rows (`batch: 100`) and of 400 (what a full batch has where the task's
//! file says none) by four connections, with the fence's two statements (as
//! `units/sync/progress.rs` writes them) and without, in turns.

use std::time::{Duration, Instant};

use mysql_async::{Conn, prelude::Queryable};

use crate::{
    Args,
    report::{Report, median},
    support::{
        process::cpu_seconds,
        servers::{Release, Server},
    },
};

const LANES: u64 = 4;
const ROWS: u64 = 200_000;
/// Pairs of turns: single ones differ by some per cent, which is what is looked for.
const FEWEST: u64 = 15;

pub async fn measure(args: &Args, report: &mut Report) {
    let target = Server::of(Release::Mariadb1011, &["--skip-log-bin"]);
    target
        .exec(
            "CREATE DATABASE fence; USE fence; \
             CREATE TABLE t (id INT PRIMARY KEY, k INT, c CHAR(120), pad CHAR(60), KEY (k)); \
             INSERT INTO t SELECT seq, seq, REPEAT('c', 119), REPEAT('p', 59) FROM seq_1_to_50000; \
             CREATE TABLE lanes (source_id VARCHAR(32) NOT NULL, lane INT NOT NULL, lanes INT NOT NULL, \
             cluster_id BIGINT UNSIGNED NOT NULL, epoch BIGINT UNSIGNED NOT NULL, batch BIGINT UNSIGNED NOT NULL, \
             gtid_set MEDIUMTEXT NOT NULL, gtid VARCHAR(255) NOT NULL, binlog_name VARCHAR(128) NOT NULL, \
             binlog_pos BIGINT UNSIGNED NOT NULL, row_index BIGINT UNSIGNED NOT NULL, \
             update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, \
             PRIMARY KEY (source_id, lane)); \
             INSERT INTO lanes SELECT 's1', seq, 4, 7, 1, 0, '', '', '', 0, 0, NOW() FROM seq_0_to_3",
        )
        .await;
    for batch in [100, 400] {
        let (mut without, mut time, mut cpu) = (Vec::new(), Vec::new(), Vec::new());
        // Neighbours in time are compared, and each goes first as often as the other: the machine's own drift is left out.
        for round in 0..args.number("--rounds", 0).max(FEWEST) {
            let first = turn(&target, batch, round % 2 == 1).await;
            let second = turn(&target, batch, round % 2 == 0).await;
            let (bare, fenced) = if round % 2 == 1 { (second, first) } else { (first, second) };
            without.push(bare[0]);
            time.push((fenced[0] / bare[0] - 1.0) * 100.0);
            cpu.push((fenced[1] / bare[1] - 1.0) * 100.0);
        }
        report.line(format!(
            "lane row, {batch} rows a transaction, {} pairs, {:.0} upserted rows/s without: {} of the time, {} of the server's CPU \
             time (expected within 3)",
            time.len(),
            ROWS as f64 / median(without),
            spread(time),
            spread(cpu)
        ));
    }
    lag(&target, report).await;
}

/// The median and the middle half.
fn spread(mut percents: Vec<f64>) -> String {
    percents.sort_by(f64::total_cmp);
    let at = |part: f64| percents[((percents.len() - 1) as f64 * part).round() as usize];
    format!("{:+.1} % (middle half {:+.1} to {:+.1})", at(0.5), at(0.25), at(0.75))
}

/// Transactions of three rows, 200 a second, every second one fenced: how long each takes from its packet to its answer.
async fn lag(target: &Server, report: &mut Report) {
    target.exec("UPDATE fence.lanes SET batch = 0").await;
    let mut conn = target.conn().await;
    let mut beat = tokio::time::interval(Duration::from_millis(5));
    let mut took = [Vec::new(), Vec::new()];
    for n in 0..4_000_u64 {
        let (fenced, batch) = (n % 2 == 1, n / 2 + 1);
        let sql = packet(0, batch, 3, fenced);
        beat.tick().await;
        let begun = Instant::now();
        conn.query_drop(sql).await.unwrap();
        took[usize::from(fenced)].push(begun.elapsed().as_secs_f64() * 1e3);
    }
    conn.disconnect().await.unwrap();
    let [without, with] = took.map(|mut took| {
        took.sort_by(f64::total_cmp);
        (took[took.len() / 2], took[took.len() * 99 / 100])
    });
    report.line(format!(
        "lane row, lag of a transaction of 3 rows at 200 a second, 2,000 of each kind in turns: p50 {:.3} ms without, {:.3} with; p99 \
         {:.2} and {:.2}",
        without.0, with.0, without.1, with.1
    ));
}

/// Seconds, and CPU seconds of the server.
async fn turn(target: &Server, rows: u64, fenced: bool) -> [f64; 2] {
    target.exec("UPDATE fence.lanes SET batch = 0").await;
    let (started, cpu) = (Instant::now(), cpu_seconds(target.pid()));
    let lanes: Vec<_> = (0..LANES).map(|lane| tokio::spawn(run(target.opts().into(), lane, rows, fenced))).collect();
    for lane in lanes {
        lane.await.unwrap();
    }
    [started.elapsed().as_secs_f64(), cpu_seconds(target.pid()) - cpu]
}

async fn run(opts: mysql_async::Opts, lane: u64, rows: u64, fenced: bool) {
    let mut conn = Conn::new(opts).await.unwrap();
    for batch in 1..=ROWS / LANES / rows {
        conn.query_drop(packet(lane, batch, rows, fenced)).await.unwrap();
    }
    conn.disconnect().await.unwrap();
}

/// A lane's `batch`th transaction.
fn packet(lane: u64, batch: u64, rows: u64, fenced: bool) -> String {
    let before = batch - 1;
    let mut sql = "BEGIN; ".to_owned();
    if fenced {
        sql.push_str(&format!(
            "UPDATE fence.lanes SET batch = {batch} + 0 * (18446744073709551615 + (NOT (batch = {before} AND epoch = 1 AND \
             cluster_id = 7))), gtid_set = '0-1-{batch}', gtid = '0-1-{batch}', binlog_name = 'mysql-bin.000002', \
             binlog_pos = {batch}, row_index = 5 WHERE source_id = 's1' AND lane = {lane}; \
             SET @dm_fence = 0 * (18446744073709551615 + (ROW_COUNT() <> 1)); "
        ));
    }
    sql.push_str("REPLACE INTO fence.t (id, k, c, pad) VALUES ");
    for i in 0..rows {
        let id = ((batch * rows + i) * LANES + lane) % 50_000 + 1;
        let comma = if i > 0 { "," } else { "" };
        sql.push_str(&format!("{comma}({id},{batch},'{:0119}','{:059}')", batch, i));
    }
    sql.push_str("; COMMIT");
    sql
}
