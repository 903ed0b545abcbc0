//! An upgrade with writes going on: each node of a former build is stopped, and started again with this one's program.

use std::{path::PathBuf, time::Duration};

use super::{
    away::fill_log,
    leader,
    measure::{last, longest_gap, tick, within},
    rig::{MASTERS, Rig, WORKERS},
    until_answered,
};
use crate::support::{lan::Lan, wait::until};

/// The former build's node. `scripts/former.sh` makes it.
fn former() -> PathBuf {
    let folder = std::env::var("DM_FORMER").expect("DM_FORMER is the folder that scripts/former.sh prints");
    PathBuf::from(folder).join("dm-node")
}

/// A whole task while nodes of two builds are together: its settings are stored, go to all masters and to a worker.
async fn other_task(rig: &Rig, number: usize) {
    let (name, target) = (format!("other{number}"), &rig.target);
    let yaml = format!(
        "name: {name}\ntask-mode: full\ntarget-database: {{host: {}, port: {}, user: root, password: \"123456\"}}\n\
         mysql-instances:\n- {{source-id: src-2, block-allow-list: b, route-rules: [r]}}\nblock-allow-list:\n  \
         b: {{do-dbs: [other]}}\nroutes:\n  r: {{schema-pattern: other, target-schema: {name}}}\n",
        rig.cluster.databases, target.port
    );
    let file = rig.cluster.file("other.yaml", &yaml);
    rig.cluster.dmctl_ok(&["start-task", &file]);
    until("the other task is done", Duration::from_secs(60), || async {
        let n = target.answer(&format!("SELECT COUNT(*) FROM {name}.t")).await;
        let status = rig.cluster.dmctl(&["query-status", &name]);
        let done = matches!(&n, Ok(n) if n == "2") && status.contains("\"stage\": \"Finished\"");
        if done { Ok(()) } else { Err(format!("{n:?}\n{status}\n{}", rig.said())) }
    })
    .await;
    rig.cluster.dmctl_ok(&["stop-task", &name]);
}

/// The masters, the leader last.
fn masters(rig: &Rig) -> Vec<&'static str> {
    let leads = leader(&rig.cluster);
    let mut order: Vec<&str> = MASTERS.into_iter().filter(|name| *name != leads).collect();
    order.extend(MASTERS.into_iter().filter(|name| *name == leads));
    order
}

async fn upgraded(rig: &mut Rig, name: &'static str, number: usize) {
    let before = last(rig).await;
    assert_eq!(rig.cluster.node(name).stop(), Some(0), "{}", rig.said());
    rig.cluster.node(name).program = crate::support::nodes::Node::built();
    rig.cluster.node(name).up();
    rig.is_whole().await;
    until_answered(&rig.cluster);
    other_task(rig, number).await;
    rig.arrive(Duration::from_secs(60)).await;
    eprintln!("{name} is of this build: longest gap {:.2} s", longest_gap(rig, &before).await);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "tier: make test-cluster"]
async fn every_node_of_a_former_build_is_upgraded_while_rows_are_written() {
    for masters_first in [true, false] {
        let lan = Lan::new().unwrap_or_else(|why| panic!("this can't run here: {why}"));
        let mut rig = Rig::start_from(former(), lan, 2, "").await;
        rig.sources[1].server.exec("CREATE DATABASE other; CREATE TABLE other.t (id INT PRIMARY KEY)").await;
        rig.sources[1].server.exec("INSERT INTO other.t VALUES (1), (2)").await;
        // The former build's entries, and a snapshot of it.
        let leads = leader(&rig.cluster);
        fill_log(rig.cluster.node(&leads).address());
        tick(&rig).await;
        rig.arrive(Duration::from_secs(60)).await;
        let from = last(&rig).await;
        let writers = rig.write(7);
        let mut order = WORKERS.to_vec();
        let at = if masters_first { 0 } else { order.len() };
        order.splice(at..at, masters(&rig));
        for (number, name) in order.into_iter().enumerate() {
            upgraded(&mut rig, name, number).await;
        }
        rig.syncs().await;
        let gap = longest_gap(&rig, &from).await;
        eprintln!("upgrade of all nodes, masters first: {masters_first}: longest gap of rows {gap:.2} s");
        for writer in writers {
            assert!(writer.stop().await > 5);
        }
        rig.is_equal_from(&rig.sources[1]).await;
        rig.epochs_only_grow().await;
        for node in &rig.cluster.nodes {
            let odd = node.log().lines().find(|line| line.contains("malformed")).map(str::to_owned);
            assert_eq!(odd, None, "{} could not read what another build sent", node.name);
        }
        within("upgrade", gap, 1.0);
    }
}
