//! Several masters and workers as real processes: who leads, who answers, who is refused.

mod away;
mod dumps;
mod loads;
mod masters;
mod measure;
mod rig;
mod rounds;
mod rubbish;
mod secured;
mod upgrade;
mod workers;

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::nodes::Cluster;

/// What `list-member` says, from whichever master answers.
fn members(cluster: &Cluster) -> Option<Value> {
    let out = cluster.dmctl_output(&["list-member"]);
    serde_json::from_slice(&out.stdout).ok()
}

/// The leader's name.
fn leader(cluster: &Cluster) -> String {
    let end = Instant::now() + Duration::from_secs(60);
    loop {
        let name = members(cluster).and_then(|reply| {
            let all = reply["members"].as_array()?.clone();
            all.iter().find_map(|m| m["leader"]["name"].as_str().map(str::to_owned)).filter(|name| !name.is_empty())
        });
        if let Some(name) = name {
            return name;
        }
        assert!(Instant::now() < end, "nobody leads:\n{}", cluster.logs_tail());
        std::thread::park_timeout(Duration::from_millis(50));
    }
}

/// How long it takes until dmctl, given all masters, is answered.
fn until_answered(cluster: &Cluster) -> Duration {
    let start = Instant::now();
    loop {
        let out = cluster.dmctl_output(&["list-member", "--leader"]);
        if out.status.success() && String::from_utf8_lossy(&out.stdout).contains("\"result\": true") {
            return start.elapsed();
        }
        assert!(start.elapsed() < Duration::from_secs(60), "{out:?}\n{}", cluster.logs_tail());
    }
}
