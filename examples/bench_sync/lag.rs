//! How long a committed change takes to become visible on the target, at a steady 200 transactions a second.
//!
//! Each transaction also inserts a marker row. When the source has answered its COMMIT, another connection asks the target
//! for that row, again and again without a pause, until it is there. So the figure counts from the answer to the COMMIT
//! and includes the last look (about 0.1 ms). The second figure counts from before the packet was sent.

use std::time::{Duration, Instant};

use mysql_async::prelude::Queryable;
use rand::{SeedableRng, rngs::StdRng};

use crate::{
    Args,
    report::Report,
    support::{
        process::{cpu_seconds, peak_memory},
        servers::{Release, Server},
    },
    turn::{Bench, Goal, Into},
    workload::{Workload, transaction},
};

const EVERY: Duration = Duration::from_millis(5);

pub async fn measure(args: &Args, report: &mut Report) {
    let source = Server::of(Release::Mariadb1011, &[]);
    let work = Workload::record(&source, 800, false).await;
    let target = Server::of(Release::Mariadb1011, &["--skip-log-bin"]);
    work.prepare_target(&target).await;
    let mut bench = Bench::new(args, &source, &work);
    let worker = bench.start(&target, Into::Tables, Goal::All).await.worker;
    let (mut from, mut to) = (source.conn().await, target.conn().await);
    let mut rng = StdRng::seed_from_u64(5);
    let mut beat = tokio::time::interval(EVERY);
    beat.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let (mut answered, mut sent) = (Vec::new(), Vec::new());
    let count = args.number("--lag-seconds", 10) * 200;
    let cpu = cpu_seconds(worker);
    let started = Instant::now();
    for n in 0..count + 200 {
        beat.tick().await;
        let id = 1_000_000 + n;
        let sql =
            transaction(&mut rng, false).replace("COMMIT", &format!("INSERT INTO sbtest.marker VALUES ({id}); COMMIT"));
        let before = Instant::now();
        from.query_drop(sql).await.unwrap();
        let after = Instant::now();
        let look = format!("SELECT 1 FROM sbtest.marker WHERE id = {id}");
        while to.query_first::<u8, _>(&look).await.unwrap().is_none() {
            assert!(after.elapsed() < Duration::from_secs(60), "the change never came");
        }
        // The first second warms up.
        if n >= 200 {
            answered.push(after.elapsed().as_secs_f64() * 1e3);
            sent.push(before.elapsed().as_secs_f64() * 1e3);
        }
    }
    let seconds = started.elapsed().as_secs_f64();
    let at = |values: &mut Vec<f64>, part: f64| {
        values.sort_by(f64::total_cmp);
        values[((values.len() - 1) as f64 * part) as usize]
    };
    report.line(format!(
        "lag at {:.0} transactions/s, from the COMMIT's answer to the row's sight: p50 {:.2} ms (target <= 1), p99 {:.2} ms \
         (target <= 2.5), worst {:.1}; from before the packet was sent: p50 {:.2}, p99 {:.2}; ours {:.0} ms of CPU a \
         second; peak memory {:.0} MiB",
        (count + 200) as f64 / seconds,
        at(&mut answered, 0.5),
        at(&mut answered, 0.99),
        at(&mut answered, 1.0),
        at(&mut sent, 0.5),
        at(&mut sent, 0.99),
        (cpu_seconds(worker) - cpu) * 1e3 / seconds,
        peak_memory(worker),
    ));
}
