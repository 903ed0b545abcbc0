//! Events that can't be migrated: the task says why, and an operator gets it past them.

use mysql_async::prelude::Queryable;

use super::{Rig, TASK};
use crate::support::servers::{Kind, Release, Server};

const TABLES: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT); CREATE TABLE u (id INT PRIMARY KEY, v INT);";

/// Runs the first command of an error's advice that begins so, word by word.
fn follow(rig: &Rig, error: &serde_json::Value, command: &str) {
    let advice = error["Workaround"].as_str().unwrap();
    let command = advice.split('`').find(|part| part.starts_with(command)).unwrap_or_else(|| panic!("{advice}"));
    rig.ok(&command.split(' ').collect::<Vec<_>>());
}

/// A statement over a table without transactions that does not fit the binlog's cache: its rows stay, and the server writes
/// that it lost their events.
async fn lose_events(source: &Server) {
    source.exec("SET GLOBAL binlog_stmt_cache_size = 4096; SET GLOBAL max_binlog_stmt_cache_size = 4096").await;
    source.exec("CREATE DATABASE lost; CREATE TABLE lost.m (id INT, s TEXT) ENGINE=MyISAM").await;
    let rows = vec!["(1, REPEAT('a', 500))"; 40].join(", ");
    let error = source.conn().await.query_drop(format!("INSERT INTO lost.m VALUES {rows}")).await.unwrap_err();
    assert!(error.to_string().contains("1705"), "{error}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_is_passed_by_skip() {
    // One after the other: starting servers holds up the thread, and with it the others' logins.
    let start = async |release, gtid| {
        let target = Server::of(Release::Mariadb1011, &[]);
        Rig::start(Server::of(release, &[]), target, gtid, TABLES).await
    };
    let rigs = [
        start(Release::Mysql97, true).await,
        start(Release::Mariadb1011, true).await,
        start(Release::Mysql57, false).await,
    ];
    let of = |rig: Rig| async move {
        rig.source.exec("INSERT INTO d.t VALUES (1, 1)").await;
        lose_events(&rig.source).await;
        rig.source.exec("INSERT INTO d.t VALUES (2, 2)").await;
        let error = rig.fails_with("incident event (code 1: ").await;
        let message = error["Message"].as_str().unwrap();
        assert!(message.starts_with("startLocation: [position: (mysql-bin.0"), "{message}");
        if rig.source.kind == Kind::Mysql {
            // Without a position: the event that the task failed on. The old command too.
            rig.ok(&["handle-error", TASK, "skip"]);
        } else {
            follow(&rig, &error, "binlog skip");
        }
        rig.rows_are_equal().await;
        // A restart does not meet it again.
        rig.cluster.dmctl_ok(&["pause-task", TASK]);
        rig.stage_is("Paused").await;
        rig.cluster.dmctl_ok(&["resume-task", TASK]);
        rig.source.exec("INSERT INTO d.t VALUES (3, 3)").await;
        rig.rows_are_equal().await;
        rig.stage_is("Running").await;
    };
    let [first, second, third] = rigs.map(of);
    tokio::join!(first, second, third);
}

/// The rows of an XA transaction that was prepared in a binlog that is purged: what the user gives stands for them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_xa_commit_without_rows_is_passed_by_skip() {
    let (source, target) = (Server::of(Release::Mysql97, &[]), Server::of(Release::Mariadb1011, &[]));
    source.exec(&format!("CREATE DATABASE d; USE d; {TABLES}")).await;
    source.exec("XA START 'old'; INSERT INTO d.t VALUES (7, 7); XA END 'old'; XA PREPARE 'old'").await;
    source.exec("FLUSH BINARY LOGS").await;
    let file = source.binlog_end().await.0;
    source.purge_up_to(&file).await;
    let rig = Rig::over(source, target, false, TABLES).await;
    rig.source.exec("XA COMMIT 'old'; INSERT INTO d.u VALUES (1, 1)").await;
    let error = rig.fails_with("its rows were prepared earlier").await;
    rig.target.exec("INSERT INTO e.t VALUES (7, 7)").await;
    follow(&rig, &error, "binlog skip");
    rig.rows_are_equal().await;
}

/// Two tables of the source that a target without case in its names takes for one.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_that_differs_by_case_is_no_other_table() {
    let source = Server::of(Release::Mariadb1011, &[]);
    let target = Server::of(Release::Mariadb1011, &["--lower-case-table-names=1"]);
    let rig = Rig::start(source, target, true, TABLES).await;
    rig.source.exec("INSERT INTO d.t VALUES (1, 1); INSERT INTO d.u VALUES (1, 1)").await;
    rig.rows_are_equal().await;
    rig.source.exec("CREATE TABLE d.T (id INT PRIMARY KEY, v INT); INSERT INTO d.T VALUES (1, 2)").await;
    let error = rig.fails_with("`d`.`T` and `d`.`t` of the source would be one on the target").await;
    assert_eq!(error["ErrCode"], 36068, "{error}");
    assert_eq!(rig.target.text("SELECT GROUP_CONCAT(v) FROM e.t").await, "1");
    // The other table's rows go with it: it leaves the source, and what is in the binlog of it is left out.
    let config = rig.cluster.dmctl_ok(&["stop-task", TASK]);
    assert!(config.contains("\"result\": true"), "{config}");
    rig.source.exec("RENAME TABLE d.u TO d.U; ALTER TABLE d.U ADD w INT").await;
    let listed = "name: op\ntask-mode: incremental\ncase-sensitive: true\ntarget-database: {host: 127.0.0.1, port: {target_port}, user: \
                  root, password: \"123456\"}\nmysql-instances:\n- {source-id: src-1, block-allow-list: b, route-rules: [r], \
                  syncer-config-name: s}\nblock-allow-list:\n  b: {do-tables: [{db-name: d, tbl-name: t}, {db-name: d, tbl-name: u}, \
                  {db-name: d, tbl-name: U}]}\nroutes:\n  r: {schema-pattern: d, target-schema: e}\nsyncers:\n  s: \
                  {checkpoint-flush-interval: 1}\n";
    rig.start_task(listed);
    rig.source.exec("INSERT INTO d.t VALUES (2, 2); INSERT INTO d.U VALUES (2, 2, 2)").await;
    rig.target_has("SELECT GROUP_CONCAT(v ORDER BY v) FROM e.t", "1,2").await;
    // A table that changes the case of its own name stays.
    rig.target_has("SELECT GROUP_CONCAT(w) FROM e.u", "2").await;
}
