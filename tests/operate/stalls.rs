//! A run that doesn't move although there is work says so in query-status, and what it waits for. It counts as stalled
//! after a minute, so these tests are of the long tier.

use std::time::Duration;

use mysql_async::prelude::Queryable;

use super::{Rig, TASK};
use crate::support::{
    proxy::{Proxy, Weather},
    servers::{self, Server, free_port},
    wait::until,
};

const TABLES: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT); CREATE TABLE u (id INT PRIMARY KEY, v INT);";

/// A task whose target is reached at `port`.
async fn rig(source: Server, target: Server, port: u16) -> Rig {
    source.exec(&format!("CREATE DATABASE d; USE d; {TABLES}")).await;
    target.exec(&format!("CREATE DATABASE e; USE e; {TABLES}")).await;
    let yaml = format!(
        "name: {TASK}\ntask-mode: incremental\ntarget-database: {{host: 127.0.0.1, port: {port}, user: root, password: \
         \"123456\", read-timeout: 300s}}\nmysql-instances:\n- {{source-id: src-1, block-allow-list: b, route-rules: [r], \
         syncer-config-name: s}}\nblock-allow-list:\n  b: {{do-dbs: [d]}}\nroutes:\n  r: {{schema-pattern: d, \
         target-schema: e}}\nsyncers:\n  s: {{checkpoint-flush-interval: 1}}\n"
    );
    let rig = Rig::of_task(source, target, true, "", &yaml).await;
    rig.source.exec("INSERT INTO d.t VALUES (1, 1); INSERT INTO d.u VALUES (1, 1)").await;
    rig.rows_are_equal().await;
    rig
}

/// What query-status says beside the status once the run counts as stalled; `busy` goes on meanwhile.
async fn told(rig: &Rig) -> String {
    let mut row = 100;
    let end = std::time::Instant::now() + Duration::from_secs(150);
    loop {
        row += 1;
        rig.source.exec(&format!("INSERT INTO d.t VALUES ({row}, 1)")).await;
        let (stage, _, reply) = rig.cluster.subtask(TASK, "src-1");
        let message = reply["sources"][0]["msg"].as_str().unwrap_or_default().to_owned();
        if message.contains("sync has made no progress for ") {
            assert_eq!(stage, "Running");
            return message;
        }
        assert!(std::time::Instant::now() < end, "nothing was said: {reply:#}\n{}", rig.cluster.logs_tail());
        let _ = tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>()).await;
    }
}

async fn moves_again(rig: &Rig) {
    rig.rows_are_equal().await;
    until("the remark is gone", Duration::from_secs(30), || async {
        let (_, _, reply) = rig.cluster.subtask(TASK, "src-1");
        if reply["sources"][0]["msg"] == "" { Ok(()) } else { Err(reply.to_string()) }
    })
    .await;
}

/// Another session holds the table; rows of the source keep coming.
async fn a_lock_on_the_target() {
    let target = servers::mysql();
    let port = target.port;
    let rig = rig(servers::mariadb(), target, port).await;
    let mut holder = rig.target.conn().await;
    holder.query_drop("LOCK TABLES e.t READ").await.unwrap();
    let message = told(&rig).await;
    assert!(message.contains("it waits for the target to commit transactions of"), "{message}");
    let more = rig.cluster.dmctl_json(&["query-status", TASK, "--more"]);
    let more = &more["sources"][0]["subTaskStatus"][0]["sync"]["more"];
    let seconds: u64 = more["stalledSeconds"].as_str().unwrap_or("0").parse().unwrap();
    assert!(seconds >= 60 && more["waitingFor"].as_str().unwrap().contains("the target"), "{more:#}");
    holder.query_drop("UNLOCK TABLES").await.unwrap();
    moves_again(&rig).await;
}

/// A statement that waits for another session's transaction.
async fn a_statement_that_waits() {
    let target = servers::mariadb();
    let port = target.port;
    let rig = rig(servers::mysql(), target, port).await;
    let mut holder = rig.target.conn().await;
    holder.query_drop("BEGIN; SELECT COUNT(*) FROM e.u").await.unwrap();
    rig.source.exec("ALTER TABLE d.u ADD COLUMN c INT").await;
    let message = told(&rig).await;
    assert!(message.contains("it waits for the target to run a statement since"), "{message}");
    assert!(message.contains("ALTER TABLE `e`.`u` ADD COLUMN"), "{message}");
    holder.query_drop("ROLLBACK").await.unwrap();
    moves_again(&rig).await;
}

async fn a_black_hole_before_the_target() {
    let target = servers::mariadb();
    let link = Proxy::start(free_port(), target.port);
    let rig = rig(servers::mysql(), target, link.port).await;
    link.set(Weather::BlackHole);
    let message = told(&rig).await;
    assert!(message.contains("it waits for the target to commit"), "{message}");
    link.set(Weather::Fair);
    link.cut(true);
    moves_again(&rig).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
#[ignore = "tier: make test-long"]
async fn a_stall_says_what_it_waits_for() {
    tokio::join!(a_lock_on_the_target(), a_statement_that_waits(), a_black_hole_before_the_target());
}
