//! How long rows and commands are away: a worker killed, a leader killed, every node restarted in turn.

use std::time::{Duration, Instant};

use super::{
    leader,
    rig::{MASTERS, Rig, WORKERS},
    until_answered,
};
use crate::support::lan::Lan;

/// Says how long it took; the longest, in seconds.
fn told(what: &str, mut gaps: Vec<Duration>) -> f64 {
    gaps.sort();
    let (p50, max) = (gaps[gaps.len() / 2], gaps[gaps.len() - 1]);
    eprintln!("{what}: p50 {p50:.2?}, max {max:.2?} of {}", gaps.len());
    max.as_secs_f64()
}

/// What is promised, on a machine with free cores; `DM_CLUSTER_PATIENCE` is how many times as long another may take.
pub fn within(what: &str, seconds: f64, promised: f64) {
    let patience: f64 = std::env::var("DM_CLUSTER_PATIENCE").ok().and_then(|n| n.parse().ok()).unwrap_or(1.0);
    assert!(seconds <= promised * patience, "{what}: {seconds:.2} s instead of {promised} s");
}

/// Rows that are written all the time, and when each arrived: a trigger of the target notes it.
pub async fn tick(rig: &Rig) {
    let source = &rig.sources[0];
    source.server.exec("CREATE TABLE busy.ticks (id BIGINT AUTO_INCREMENT PRIMARY KEY, v INT)").await;
    source.server.exec("INSERT INTO busy.ticks (v) VALUES (0)").await;
    crate::support::wait::until("the table of ticks arrives", Duration::from_secs(60), || async {
        let found = rig.target.answer(&format!("SELECT COUNT(*) FROM {}.ticks", source.schema)).await;
        if matches!(&found, Ok(n) if n == "1") { Ok(()) } else { Err(format!("{found:?}")) }
    })
    .await;
    rig.target
        .exec("CREATE DATABASE watch; CREATE TABLE watch.seen (n BIGINT AUTO_INCREMENT PRIMARY KEY, at DATETIME(6))")
        .await;
    let trigger = format!(
        "CREATE TRIGGER {0}.note AFTER INSERT ON {0}.ticks FOR EACH ROW INSERT INTO watch.seen (at) VALUES (SYSDATE(6))",
        source.schema
    );
    rig.target.exec(&trigger).await;
    // The source writes by itself: a tick every 20 ms.
    source.server.exec("SET GLOBAL event_scheduler = ON").await;
    let event = "CREATE EVENT busy.ticking ON SCHEDULE EVERY 1 SECOND DO BEGIN DECLARE i INT DEFAULT 0; \
                 WHILE i < 50 DO INSERT INTO busy.ticks (v) VALUES (i); DO SLEEP(0.019); SET i = i + 1; END WHILE; END";
    let mut conn = source.server.conn().await;
    // An event that is made is itself replicated; the target has no scheduler running.
    mysql_async::prelude::Queryable::query_drop(&mut conn, "SET sql_log_bin = 0").await.unwrap();
    mysql_async::prelude::Queryable::query_drop(&mut conn, event).await.unwrap();
}

/// The longest time without a row since the arrival number `from`, in seconds.
pub async fn longest_gap(rig: &Rig, from: &str) -> f64 {
    let sql = format!(
        "SELECT MAX(gap) FROM (SELECT TIMESTAMPDIFF(MICROSECOND, at, LEAD(at) OVER (ORDER BY n)) / 1e6 AS gap \
         FROM watch.seen WHERE n >= {from}) t"
    );
    rig.target.text(&sql).await.parse().unwrap()
}

/// The number of the last row that arrived.
pub async fn last(rig: &Rig) -> String {
    let n = rig.target.text("SELECT COALESCE(MAX(n), 0) FROM watch.seen").await;
    n.parse::<u64>().unwrap().to_string()
}

/// The leader and the worker are killed together, as when they are on one machine: nobody knows that the worker is gone.
async fn both_killed(rig: &mut Rig, rounds: u32) -> Vec<Duration> {
    let mut gaps = Vec::new();
    for _ in 0..rounds {
        rig.syncs().await;
        let (leads, worker) = (leader(&rig.cluster), rig.owner("src-1"));
        rig.cluster.node(&leads).kill();
        rig.cluster.node(&worker).kill();
        gaps.push(rig.arrive(Duration::from_secs(60)).await);
        rig.cluster.node(&leads).up();
        rig.cluster.node(&worker).up();
        rig.is_whole().await;
    }
    gaps
}

/// Every node is stopped and started when the others are whole: the leader last, then the leader first.
async fn rolling_restarts(rig: &mut Rig) {
    let from = last(rig).await;
    let leads = leader(&rig.cluster);
    let mut order: Vec<&str> = WORKERS.to_vec();
    order.extend(MASTERS.iter().filter(|name| **name != leads));
    order.push(&leads);
    let back: Vec<&str> = order.iter().rev().copied().collect();
    order.extend(back);
    for name in order {
        let before = last(rig).await;
        let begun = Instant::now();
        assert_eq!(rig.cluster.node(name).stop(), Some(0), "{}", rig.said());
        let stopped = begun.elapsed();
        rig.cluster.node(name).up();
        rig.is_whole().await;
        rig.arrive(Duration::from_secs(60)).await;
        eprintln!(
            "{name} restarted (stopped within {stopped:.1?}): longest gap {:.2} s",
            longest_gap(rig, &before).await
        );
    }
    eprintln!("rolling restart of all nodes: longest gap of rows {:.2} s", longest_gap(rig, &from).await);
    rig.epochs_only_grow().await;
    let gap = longest_gap(rig, &from).await;
    within("rolling restarts", gap, 1.0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "tier: make test-cluster"]
async fn how_long_rows_and_commands_are_away() {
    let rounds: u32 = std::env::var("DM_CLUSTER_ROUNDS").ok().and_then(|n| n.parse().ok()).unwrap_or(20);
    let lan = Lan::new().unwrap_or_else(|why| panic!("this can't run here: {why}"));
    let mut rig = Rig::start(lan, 1, "").await;
    tick(&rig).await;
    // What the source's own scheduler leaves between two events counts, too.
    rig.arrive(Duration::from_secs(60)).await;
    let (begun, from) = (Instant::now(), last(&rig).await);
    crate::support::wait::until("some seconds pass", Duration::from_secs(20), || async {
        if begun.elapsed() > Duration::from_secs(5) { Ok(()) } else { Err(String::new()) }
    })
    .await;
    eprintln!("nothing happens: longest gap of rows {:.2} s", longest_gap(&rig, &from).await);

    let mut killed = Vec::new();
    for _ in 0..rounds {
        let worker = rig.owner("src-1");
        rig.cluster.node(&worker).kill();
        killed.push(rig.arrive(Duration::from_secs(60)).await);
        rig.cluster.node(&worker).up();
        rig.is_whole().await;
        rig.syncs().await;
    }
    within("worker killed", told("worker killed: a row arrives", killed), 5.0);
    let mut deposed = Vec::new();
    for _ in 0..rounds {
        let leads = leader(&rig.cluster);
        rig.cluster.node(&leads).kill();
        deposed.push(until_answered(&rig.cluster));
        rig.cluster.node(&leads).up();
        rig.is_whole().await;
    }
    within("leader killed", told("leader killed: a command succeeds", deposed), 3.0);
    let both = both_killed(&mut rig, rounds.div_ceil(2)).await;
    within("leader and worker killed", told("leader and worker killed: a row arrives", both), 6.0);
    rig.syncs().await;
    rig.arrive(Duration::from_secs(60)).await;

    rolling_restarts(&mut rig).await;
}
