//! A master's router over a cluster in memory that has a source and a task; no time passes in it but when nothing else
//! can happen, so that what waits for a minute costs nothing. Each input has its own.

use std::{collections::BTreeMap, future::Future, sync::Arc};

use axum::Router;
use dm::{
    commands::{
        cluster::{Cluster, SourceSpec, TaskSpec},
        testing::MemoryCluster,
    },
    config::{MasterConfig, SourceConfig, TaskConfig},
    gateway,
};

/// The passwords of the stored source and task.
pub const PASSWORD: &str = "pass-of-the-state";

const SOURCE: &str = "source-id: s1\nserver-id: 7\nflavor: mysql\n\
                      from: {host: 127.0.0.1, port: 3306, user: u, password: pass-of-the-state}\n";
const TASK: &str = "name: t1\ntask-mode: all\nmysql-instances: [{source-id: s1}]\n\
                    target-database: {host: 127.0.0.1, port: 4000, user: u, password: pass-of-the-state}\n";

/// Runs `work`, and drops what it left behind.
pub fn run<F: Future<Output = ()>>(work: impl FnOnce(Router) -> F) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().unwrap();
    runtime.block_on(async {
        let cluster = MemoryCluster::new();
        fill(&*cluster).await;
        let mut config = MasterConfig::default();
        (config.name, config.openapi) = ("master1".into(), true);
        work(gateway::master_router(cluster, Arc::new(config))).await;
    });
    runtime.shutdown_background();
}

async fn fill(cluster: &dyn Cluster) {
    let source = SourceConfig::from_yaml(SOURCE).unwrap();
    let task = TaskConfig::from_yaml(TASK).unwrap();
    let subtasks = task.expand(&BTreeMap::from([("s1".to_owned(), source)])).unwrap();
    cluster.add_source(SourceSpec { source_id: "s1".into(), yaml: SOURCE.into() }, None).await.unwrap();
    let spec = TaskSpec { name: "t1".into(), yaml: TASK.into(), subtasks, remove_meta: false, stopped: true };
    cluster.start_task(spec).await.unwrap();
}
