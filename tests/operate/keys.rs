//! Keys of task and source files whose effect only a server shows (docs/sync/settings.md).

use super::{Rig, TASK};
use crate::support::servers::{self, Server};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, ts TIMESTAMP NULL);";

/// On the target a trigger writes down what the session is that a row comes through.
const WATCHED: &str = "ALTER TABLE e.t ADD lw INT, ADD tz VARCHAR(20), ADD fk INT;
    CREATE TRIGGER e.watch BEFORE INSERT ON e.t FOR EACH ROW SET NEW.lw = @@lock_wait_timeout, NEW.tz = @@time_zone,
    NEW.fk = @@foreign_key_checks";

fn task(mode: &str, target: &str, top: &str, syncer: &str) -> String {
    format!(
        "name: {TASK}\ntask-mode: {mode}\ntarget-database: {{host: 127.0.0.1, port: {{target_port}}, user: root, \
         password: \"123456\"{target}}}\nmysql-instances:\n- {{source-id: src-1, block-allow-list: b, route-rules: [r], \
         syncer-config-name: s, expression-filters: [x]}}\nblock-allow-list:\n  b: {{do-dbs: [D]}}\nroutes:\n  \
         r: {{schema-pattern: D, target-schema: e}}\nexpression-filter:\n  x: {{schema: d, table: t, insert-value-expr: \
         \"HOUR(ts) = 8\"}}\nsyncers:\n  s: {{checkpoint-flush-interval: 1{syncer}}}\n{top}"
    )
}

async fn pair(tables: &str) -> (Server, Server) {
    let (source, target) = (servers::mysql(), servers::mariadb());
    source.exec(&format!("CREATE DATABASE d; USE d; {tables}")).await;
    target.exec(&format!("CREATE DATABASE e; USE e; {tables}")).await;
    (source, target)
}

/// Session variables of both sides, the time zone of expressions, names by case, and the keys that say nothing any more.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_time_zone_and_case_are_the_task_s() {
    let (source, target) = pair(TABLE).await;
    target.exec(WATCHED).await;
    source.exec("SET GLOBAL log_output = 'TABLE', general_log = 1").await;
    source.exec("CREATE DATABASE D; CREATE TABLE D.t (id INT PRIMARY KEY, ts TIMESTAMP NULL)").await;
    let session = ", session: {Lock_Wait_Timeout: 77, time_zone: \"+05:00\"}";
    let deprecated = ", max-retry: 3, auto-fix-gtid: true, disable-detect: true, enable-ansi-quotes: true, \
                      enable-gtid: true, compact: true, multiple-rows: true, safe-mode-duration: 1s, queue-size: 1";
    let yaml = task("incremental", session, "timezone: \"+08:00\"\n", deprecated);
    let from = "  session: {net_read_timeout: \"77\"}\n";
    let rig = Rig::of_task(source, target, true, from, &yaml).await;
    let seen = "SELECT COUNT(*) > 0 FROM mysql.general_log WHERE argument LIKE 'SET %net_read_timeout = 77%'";
    assert_eq!(rig.source.text(seen).await, "1", "the source's session variable is not set");
    rig.source
        .exec("SET time_zone = '+00:00'; INSERT INTO d.t VALUES (1, '2024-01-01 00:00:00'), (2, '2024-01-01 08:00:00')")
        .await;
    rig.target_has("SELECT GROUP_CONCAT(id) FROM e.t", "2").await;
    let kept = "SELECT CONCAT_WS(' ', lw, tz, fk) FROM e.t WHERE id = 2";
    rig.target_has(kept, "77 +00:00 0").await;
    rig.target_has("SELECT UNIX_TIMESTAMP(ts) FROM e.t", "1704096000").await;
    rig.cluster.dmctl_ok(&["stop-task", TASK]);

    // The list says `D`: by case that isn't `d`. And checks are on where the session says so.
    let yaml = task("incremental", ", session: {foreign_key_checks: on}", "case-sensitive: true\n", "")
        .replace("schema: d, table", "schema: D, table");
    rig.start_task(&yaml);
    rig.source
        .exec("INSERT INTO d.t VALUES (3, NULL); INSERT INTO D.t VALUES (4, NULL); INSERT INTO d.t VALUES (5, NULL)")
        .await;
    rig.target_has("SELECT GROUP_CONCAT(CONCAT(id, fk) ORDER BY id) FROM e.t", "20,41").await;
    rig.source.exec("INSERT INTO D.t VALUES (6, NULL)").await;
    rig.target_has("SELECT GROUP_CONCAT(id ORDER BY id) FROM e.t", "2,4,6").await;
}

/// `--start-time` through dmctl: before `meta` and the checkpoint; what `safe-mode-duration` has to do with it, and what the
/// reply says where it doesn't count.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_start_time_of_the_command_line_counts() {
    let (source, target) = pair(TABLE).await;
    source.exec("INSERT INTO d.t VALUES (1, NULL); DO SLEEP(2.1)").await;
    let time = source.text("SELECT DATE_FORMAT(UTC_TIMESTAMP(), '%Y-%m-%dT%H:%i:%sZ')").await;
    source.exec("DO SLEEP(1.1); INSERT INTO d.t VALUES (2, NULL), (3, NULL)").await;
    // A row that is there already.
    target.exec("INSERT INTO e.t VALUES (2, '2020-01-01')").await;
    let cluster = crate::support::nodes::Cluster::standalone();
    cluster.create_source("src-1", &source, true);
    let rig = Rig { cluster, source, target };
    let without = task("incremental", "", "", ", safe-mode-duration: 0s");
    rig.start_with(&without, &["--start-time", &time]);
    rig.fails_with("Error 1062").await;
    rig.cluster.dmctl_ok(&["stop-task", TASK]);
    rig.target.exec("DROP DATABASE dm_meta").await;
    // Counted from the time in whole seconds: longer than the rows can be behind it.
    let with = task("incremental", "", "", ", safe-mode-duration: 1h");
    rig.start_with(&with, &["--start-time", &time]);
    rig.target_has("SELECT GROUP_CONCAT(CONCAT(id, '=', ts IS NULL) ORDER BY id) FROM e.t", "2=1,3=1").await;
    rig.source.exec("INSERT INTO d.t VALUES (4, NULL)").await;
    rig.target_has("SELECT MAX(id) FROM e.t", "4").await;
    rig.cluster.dmctl_ok(&["pause-task", TASK]);
    rig.stage_is("Paused").await;
    // Resuming does not go back, starting again without a time neither.
    rig.target.exec("DELETE FROM e.t WHERE id = 3").await;
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.source.exec("INSERT INTO d.t VALUES (5, NULL)").await;
    rig.target_has("SELECT GROUP_CONCAT(id ORDER BY id) FROM e.t", "2,4,5").await;
    rig.cluster.dmctl_ok(&["stop-task", TASK]);
    // Starting again with one does, over rows that are there: safe mode up to where the source stands, whatever the duration is.
    rig.start_with(&without, &["--start-time", &time]);
    rig.target_has("SELECT GROUP_CONCAT(id ORDER BY id) FROM e.t", "2,3,4,5").await;
    rig.cluster.dmctl_ok(&["stop-task", TASK]);

    let reply =
        rig.start_with(&task("full", "", "clean-dump-file: true\n", ""), &["--start-time", &time, "--remove-meta"]);
    assert!(reply.contains("`--start-time` has no effect on a task in mode `full`"), "{reply}");
    rig.cluster.dmctl_ok(&["stop-task", TASK]);
    let late = rig.cluster.dmctl_json(&["start-task", &rig.task_file(&with), "--start-time", "2021-13-01 00:00:00"]);
    assert!(late["result"] == false && late["msg"].as_str().unwrap().contains("code=20057"), "{late:#}");
    // A key that stands there twice, wherever that is.
    let twice = with.replace("checkpoint-flush-interval: 1", "batch: 1, batch: 2");
    let refused = rig.cluster.dmctl_output(&["start-task", &rig.task_file(&twice)]);
    let text = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && text.contains("code=20003") && text.contains("batch"), "{text}");
}
