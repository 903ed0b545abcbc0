//! Operators, tracked structures and the check where the target is a real TiDB.

use std::time::Duration;

use super::{Rig, TASK, failures};
use crate::support::{
    nodes::Cluster,
    servers::{Kind, Release, Server},
    wait::until,
};

async fn servers() -> (Server, Server) {
    let start = || (Server::start(Kind::Mariadb, &[]), Server::start(Kind::Tidb, &[]));
    tokio::task::spawn_blocking(start).await.unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn failed_statements_and_rows_are_handled() {
    let (source, target) = servers().await;
    let rig = Rig::start(source, target, true, failures::TABLES).await;
    failures::before_events_come(&rig).await;

    // A statement that TiDB refuses for its data: skipped, then others in the place of one whose first clause TiDB, which
    // gets them one by one, has taken.
    rig.target.exec("INSERT INTO e.t (id, v) VALUES (100, 'same'), (101, 'same')").await;
    rig.source.exec("ALTER TABLE d.t ADD UNIQUE KEY uv (v)").await;
    let error = rig.fails_with("Error 1062").await;
    let advice = error["Workaround"].as_str().unwrap();
    let command = advice.split('`').find(|part| part.starts_with("binlog skip")).unwrap();
    rig.ok(&command.split(' ').collect::<Vec<_>>());
    rig.stage_is("Running").await;
    rig.source.exec("ALTER TABLE d.t ADD COLUMN w INT DEFAULT 4, ADD UNIQUE KEY uv2 (v)").await;
    rig.fails_with("uv2").await;
    rig.ok(&["binlog", "replace", TASK, "ALTER TABLE d.t ADD COLUMN w INT DEFAULT 4, ADD KEY kv (v)"]);
    rig.source.exec("INSERT INTO d.t (id, v) VALUES (50, 'after')").await;
    rig.target_has("SELECT COUNT(*) FROM e.t WHERE id = 50", "1").await;
    rig.target_has("SELECT w FROM e.t WHERE id = 50", "4").await;
    let key = "SELECT GROUP_CONCAT(DISTINCT index_name) FROM information_schema.statistics WHERE table_schema = 'e' AND \
               index_name IN ('uv', 'uv2', 'kv')";
    rig.target_has(key, "kv").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn a_tracked_structure_is_set_from_either_side() {
    let (source, target) = servers().await;
    let table =
        "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) DEFAULT 'x') DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;";
    let rig = Rig::start(source, target, false, table).await;
    rig.source.exec("INSERT INTO d.t VALUES (1, 'a')").await;
    rig.rows_are_equal().await;
    rig.target_has("SELECT COUNT(*) FROM dm_meta.op_syncer_checkpoint WHERE cp_table = 't'", "1").await;
    assert!(rig.ok(&["binlog-schema", "list", TASK, "d", "t"]).contains("`v` varchar(20) DEFAULT 'x'"));
    rig.cluster.dmctl_ok(&["pause-task", TASK]);
    let narrow = rig.cluster.file("t.sql", "CREATE TABLE `t` (`id` INT NOT NULL, PRIMARY KEY (`id`));");
    rig.ok(&["binlog-schema", "update", TASK, "d", "t", &narrow]);
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.source.exec("INSERT INTO d.t VALUES (2, 'b')").await;
    rig.fails_with("36027").await;
    rig.target.exec("ALTER TABLE e.t COMMENT 'of the target'").await;
    rig.ok(&["binlog-schema", "update", TASK, "d", "t", "--from-target"]);
    assert!(rig.ok(&["binlog-schema", "list", TASK, "d", "t"]).contains("of the target"));
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.rows_are_equal().await;
    rig.cluster.dmctl_ok(&["pause-task", TASK]);
    rig.ok(&["binlog-schema", "update", TASK, "d", "t", "--from-source"]);
    rig.ok(&["binlog-schema", "delete", TASK, "d", "t"]);
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.source.exec("INSERT INTO d.t VALUES (3, 'c')").await;
    rig.rows_are_equal().await;
}

/// What TiDB can't hold is said before anything moves; what the task maps is held.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn character_sets_that_tidb_lacks_are_named_by_the_check() {
    let (source, target) = servers().await;
    source
        .exec(
            "CREATE DATABASE d CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci; CREATE TABLE d.odd (id INT PRIMARY KEY, c VARCHAR(20) CHARACTER SET sjis); \
             CREATE TABLE d.fine (id INT PRIMARY KEY, g VARCHAR(20) CHARACTER SET gbk, l VARCHAR(20) CHARACTER SET latin1); \
             INSERT INTO d.fine VALUES (1, _gbk x'C4E3', _latin1 x'E9'); INSERT INTO d.odd VALUES (1, _sjis x'93FA')",
        )
        .await;
    let cluster = Cluster::standalone();
    cluster.create_source("src-1", &source, true);
    let task = |extra: &str| {
        cluster.file(
            "task.yaml",
            &format!(
                "name: {TASK}\ntask-mode: all\n{extra}target-database: {{host: 127.0.0.1, port: {}, user: root, password: \
                 \"123456\"}}\nmysql-instances:\n- {{source-id: src-1, block-allow-list: b}}\nblock-allow-list:\n  b: {{do-dbs: [d]}}\n",
                target.port
            ),
        )
    };
    let told = cluster.dmctl_output(&["check-task", &task("")]);
    let told = String::from_utf8_lossy(&told.stdout).into_owned() + &String::from_utf8_lossy(&told.stderr);
    assert!(told.contains("sjis") && told.contains("odd") && !told.contains("gbk"), "{told}");
    assert_eq!(target.text("SELECT COUNT(*) FROM information_schema.schemata WHERE schema_name = 'd'").await, "0");

    cluster.dmctl_ok(&["start-task", &task("collation-map: {sjis_japanese_ci: utf8mb4_general_ci}\n")]);
    let held = |sql: &'static str, wanted: &'static str| {
        let target = &target;
        until(sql, Duration::from_secs(60), move || async move {
            let found = target.answer(sql).await.unwrap_or_else(|e| e.to_string());
            if found == wanted { Ok(()) } else { Err(found) }
        })
    };
    held("SELECT CONCAT(HEX(g), ' ', HEX(l)) FROM d.fine WHERE id = 1", "C4E3 C3A9").await;
    held("SELECT c FROM d.odd WHERE id = 1", "日").await;
    source
        .exec("INSERT INTO d.fine VALUES (2, _gbk x'BAC3', _latin1 x'FC'); INSERT INTO d.odd VALUES (2, _sjis x'967B')")
        .await;
    held("SELECT CONCAT(HEX(g), ' ', HEX(l)) FROM d.fine WHERE id = 2", "BAC3 C3BC").await;
    held("SELECT c FROM d.odd WHERE id = 2", "本").await;
}

/// TIMESTAMP columns of a source whose explicit_defaults_for_timestamp is off, which TiDB can't have.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn timestamps_that_a_session_leaves_open() {
    let start = || (Server::of(Release::Mysql57, &["--sql-mode="]), Server::start(Kind::Tidb, &[]));
    let (source, target) = tokio::task::spawn_blocking(start).await.unwrap();
    let tables = "CREATE TABLE t (id INT PRIMARY KEY); CREATE TABLE u (id INT PRIMARY KEY, a TIMESTAMP NULL);";
    let rig = Rig::start(source, target, true, tables).await;
    rig.source.exec("INSERT INTO d.t VALUES (1); INSERT INTO d.u VALUES (1, NULL)").await;
    rig.rows_are_equal().await;
    rig.source.exec("ALTER TABLE d.t ADD c TIMESTAMP, ADD e TIMESTAMP(3); ALTER TABLE d.u ADD b TIMESTAMP").await;
    rig.source
        .exec("CREATE TABLE d.n (id INT PRIMARY KEY, a TIMESTAMP, b TIMESTAMP); INSERT INTO d.n (id) VALUES (1)")
        .await;
    rig.source.exec("INSERT INTO d.t (id) VALUES (2); INSERT INTO d.u (id) VALUES (2)").await;
    rig.rows_are_equal().await;
    let bare = "SELECT GROUP_CONCAT(column_name, is_nullable ORDER BY table_name, ordinal_position) FROM information_schema.columns \
                WHERE table_schema = 'e' AND data_type = 'timestamp'";
    rig.target_has(bare, "aNO,bNO,cNO,eNO,aYES,bNO").await;
    // TiDB doesn't let the variable be switched off, which doesn't matter to what was written out.
    assert!(!rig.cluster.nodes[0].log().contains("TIMESTAMP columns without NULL or DEFAULT may differ"));
}

/// TiDB drops none of several partitions when one isn't there.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn partitions_are_dropped_if_they_are_there() {
    let (source, target) = servers().await;
    let table = "CREATE TABLE t (id INT PRIMARY KEY) PARTITION BY RANGE (id) (PARTITION a VALUES LESS THAN (10), PARTITION b VALUES LESS THAN \
                 (20), PARTITION c VALUES LESS THAN (30));";
    let rig = Rig::start(source, target, true, table).await;
    rig.source.exec("INSERT INTO d.t VALUES (1), (11), (21)").await;
    rig.rows_are_equal().await;
    rig.source.exec("ALTER TABLE d.t DROP PARTITION IF EXISTS a, nosuch, b; INSERT INTO d.t VALUES (22)").await;
    rig.target_has("SELECT GROUP_CONCAT(id ORDER BY id) FROM e.t", "21,22").await;
}

/// A table that the task hasn't met is no other table's place; one that was made by hand in another case is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn a_name_that_a_table_has_that_nobody_wrote_to() {
    let (source, target) = servers().await;
    let rig = Rig::start(source, target, true, "CREATE TABLE Orders (id INT PRIMARY KEY);").await;
    rig.target.exec("CREATE TABLE e.Hand (id INT PRIMARY KEY)").await;
    rig.source.exec("CREATE TABLE IF NOT EXISTS d.hand (id INT PRIMARY KEY); INSERT INTO d.hand VALUES (1)").await;
    rig.target_has("SELECT COUNT(*) FROM e.Hand", "1").await;
    rig.source.exec("CREATE TABLE d.orders (id INT PRIMARY KEY, v INT)").await;
    let error = rig.fails_with("`d`.`orders` and `d`.`Orders` of the source would be one on the target").await;
    assert_eq!(error["ErrCode"], 36068, "{error}");
}
