//! What a distant target costs: the recorded workload through a proxy that delays, for several numbers of lanes.
//! `--latency-lanes 4,16,64`, `--latency-ms 0,1,5,20` (there and back).

use std::time::Duration;

use crate::{
    Args,
    report::Report,
    support::{
        proxy::{Proxy, Weather},
        servers::{Server, free_port},
    },
    turn::{Bench, Goal, Into},
    workload::Workload,
};

pub async fn measure(args: &Args, source: &Server, target: &Server, work: &Workload, report: &mut Report) {
    let list = |name, default| -> Vec<u64> {
        args.text(name, default).split(',').map(|number| number.parse().unwrap()).collect()
    };
    let lanes = list("--latency-lanes", "4,8,16,32,64");
    let batch = list("--latency-batch", "100");
    report.line("\n| ms there and back | lanes | batch | s | rows/s | CPU s of ours | of the target |".into());
    report.line("|---|---|---|---|---|---|---|".into());
    for millis in list("--latency-ms", "0,1,5,20") {
        let proxy = Proxy::start(free_port(), target.port);
        if millis > 0 {
            proxy.set(Weather::Delayed(Duration::from_micros(millis * 500)));
        }
        for (lanes, batch) in lanes.iter().flat_map(|lanes| batch.iter().map(move |batch| (lanes, batch))) {
            let syncer = format!("worker-count: {lanes}, batch: {batch}");
            let mut bench = Bench::new(args, source, work).with(syncer, proxy.port);
            let m = bench.turn(target, Into::Tables, Goal::All).await;
            report.line(format!(
                "| {millis} | {lanes} | {batch} | {:.2} | {:.0} | {:.2} | {:.2} |",
                m.seconds,
                m.changes as f64 / m.seconds,
                m.cpu.unwrap_or(0.0),
                m.target_cpu
            ));
        }
    }
}
