//! What the lane row costs: the same packets of 100 upserted rows (`batch: 100`) and of 400 (what a full batch has where the task's
//! file says none) by four connections, with the fence's two statements (as
//! `units/sync/progress.rs` writes them) and without, in turns.

use std::time::Instant;

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
        let (mut with, mut without) = (Vec::new(), Vec::new());
        for _ in 0..args.number("--rounds", 3).max(3) {
            without.push(turn(&target, batch, false).await);
            with.push(turn(&target, batch, true).await);
        }
        let middle = |turns: &[[f64; 2]], i: usize| median(turns.iter().map(|turn| turn[i]).collect());
        let more = |i: usize| (middle(&with, i) / middle(&without, i) - 1.0) * 100.0;
        report.line(format!(
            "lane row, {batch} rows a transaction: {:.0} upserted rows/s without, {:.0} with it: {:+.1} % of the time, {:+.1} % of \
             the server's CPU time (expected within 3)",
            ROWS as f64 / middle(&without, 0),
            ROWS as f64 / middle(&with, 0),
            more(0),
            more(1)
        ));
    }
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
        conn.query_drop(sql).await.unwrap();
    }
    conn.disconnect().await.unwrap();
}
