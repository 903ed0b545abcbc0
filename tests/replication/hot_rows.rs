//! Sixteen writers on a few hot rows: unique values wander between rows, and what comes next depends on what was before.

use std::{
    sync::atomic::Ordering,
    time::{Duration, Instant},
};

use super::variable;
use crate::{
    support::{
        release::Release,
        servers::Server,
        wait,
        writer::{self, Writers},
    },
    units_sync::{Running, subtask, until_equal},
};

/// Follows `seconds` of the writers; a run that is slower than they are catches up afterwards.
async fn followed(from: Release, onto: Release, gtid: bool, seconds: u64, seed: u64) {
    let (source, target) = (Server::of(from, &[]), Server::of(onto, &[]));
    source.exec(writer::TABLES).await;
    target.exec(writer::TABLES).await;
    let mut config = subtask(&source, &target, gtid);
    config.syncer.compact = seed.is_multiple_of(2);
    config.syncer.batch = [1, 100][(seed / 2 % 2) as usize];
    let running = Running::start(&config, 1).started(&target).await;
    let writers = Writers::start(&source, 16, Duration::from_millis(1), seed);
    let end = Instant::now() + Duration::from_secs(seconds);
    wait::until("the end of the writers' time", Duration::from_secs(seconds + 30), || async {
        running.goes_on();
        let left = end.saturating_duration_since(Instant::now());
        if left.is_zero() { Ok(()) } else { Err(format!("{left:?} left")) }
    })
    .await;
    let done = writers.transactions.load(Ordering::Relaxed);
    writers.stop().await;
    until_equal(&source, &target, &["busy"], &running).await;
    running.stop().await.unwrap();
    println!("{from:?} to {onto:?} (gtid {gtid}, seed {seed}): {done} transactions, equal");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-long"]
async fn hot_rows_are_followed_from_every_release() {
    let seconds = variable("DM_HOT_SECONDS").unwrap_or(10);
    let seeds = variable("DM_HOT_SEEDS").unwrap_or(1);
    for seed in 0..seeds {
        for from in Release::chosen(&Release::ALL, &Release::ALL) {
            followed(from, Release::Mariadb1011, seed % 2 == 1, seconds, seed).await;
            if !matches!(from, Release::Mariadb105 | Release::Mariadb1011 | Release::Mariadb118) {
                followed(from, Release::Mysql97, seed.is_multiple_of(2), seconds, seed + 1).await;
            }
        }
    }
}
