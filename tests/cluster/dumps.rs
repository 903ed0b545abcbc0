//! A dump into files whose worker is killed: it goes on behind the chunks that are in the folder, on the same worker or on another one
//! that reaches it.

use std::{collections::BTreeMap, path::Path, time::Duration};

use dm::units::dump::ledger;

use super::workers::owner;
use crate::support::{
    compare,
    nodes::Cluster,
    servers::{self, Server},
    wait::until,
};

fn task(target: &Server, dir: &Path) -> String {
    format!(
        "name: cut\ntask-mode: all\nclean-dump-file: false\ntarget-database: {{host: 127.0.0.1, port: {}, user: root, password: \"123456\"}}\n\
         mysql-instances:\n- {{source-id: src-1, block-allow-list: b, loader-config-name: l, mydumper-config-name: m}}\n\
         block-allow-list:\n  b: {{do-dbs: [d]}}\nmydumpers:\n  m: {{threads: 1, rows: 50}}\nloaders:\n  \
         l: {{import-mode: logical, dir: {}, pool-size: 2}}\n",
        target.port,
        dir.display()
    )
}

/// Files of the chunks that are done, with their bytes.
fn done(folder: &Path) -> BTreeMap<String, Vec<u8>> {
    let Some((_, done)) = ledger::read(folder) else { return BTreeMap::new() };
    let files = done.into_iter().flat_map(|chunk| chunk.files).map(|(name, _)| name);
    files.filter_map(|name| std::fs::read(folder.join(&name)).ok().map(|bytes| (name, bytes))).collect()
}

/// Kills the worker in the midst of its dump and lets it go on: where it was, or on another one.
async fn goes_on(workers: usize) {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    source
        .exec(
            "CREATE DATABASE d; USE d; CREATE TABLE d.t (id INT PRIMARY KEY, v VARCHAR(120), w INT); \
             INSERT INTO d.t SELECT seq, REPEAT(MD5(seq), 3), 0 FROM seq_1_to_40000; CREATE TABLE d.keyless (a INT); \
             INSERT INTO d.keyless VALUES (1), (1), (2); ANALYZE TABLE d.t",
        )
        .await;
    let mut cluster = Cluster::with_workers(workers, 5);
    cluster.create_source("src-1", &source, true);
    let first = owner(&cluster, "src-1");
    let file = cluster.file("task.yaml", &task(&target, &dir.path().join("dump")));
    cluster.dmctl_ok(&["start-task", &file]);
    let folder = dir.path().join("dump.cut");
    until("some chunks are in the folder", Duration::from_secs(30), || async {
        let lines =
            std::fs::read(folder.join(".dm-chunks")).map_or(0, |text| text.iter().filter(|b| **b == b'\n').count());
        if lines > 20 { Ok(()) } else { Err(format!("{lines} lines\n{}", cluster.logs_tail())) }
    })
    .await;
    cluster.node(&first).kill();
    assert!(!folder.join("metadata").exists(), "the dump was over before the kill: give it more rows");
    let before = done(&folder);
    assert!(before.len() >= 10, "{:?}", before.keys());
    // Every row changes, so that a chunk that was read again differs.
    source
        .exec("UPDATE d.t SET w = w + 1; DELETE FROM d.t WHERE id % 100 = 7; INSERT INTO d.t VALUES (-1, 'new', 0); INSERT INTO d.keyless VALUES (3), (3)")
        .await;
    if workers == 1 {
        cluster.node(&first).up();
    }
    // And rows are written while the rest is read.
    for round in 0..20 {
        source
            .exec(&format!("UPDATE d.t SET w = w + 1 WHERE id % 20 = {round}; INSERT INTO d.keyless VALUES ({round})"))
            .await;
    }
    until("the rows are equal", Duration::from_secs(60), || async {
        if target.answer("SELECT COUNT(*) FROM d.t").await.is_err() {
            return Err(cluster.logs_tail());
        }
        let (mut a, mut b) = (source.conn().await, target.conn().await);
        let differences = compare::schema_differences(&mut a, "d", &mut b, "d").await;
        if differences.is_empty() { Ok(()) } else { Err(format!("{differences:?}\n{}", cluster.logs_tail())) }
    })
    .await;
    assert_eq!(owner(&cluster, "src-1") == first, workers == 1);
    for (name, bytes) in before {
        assert!(std::fs::read(folder.join(&name)).unwrap() == bytes, "{name} was written again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dump_into_files_goes_on_when_its_worker_is_up_again() {
    goes_on(1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-cluster"]
async fn a_dump_into_files_goes_on_at_a_worker_that_reaches_the_folder() {
    goes_on(2).await;
}
