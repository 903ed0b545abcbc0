//! `binlog-schema list|update|delete` on real servers.

use super::{Rig, TASK};
use crate::support::servers;

const TABLES: &str =
    "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20) DEFAULT 'x') DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_tracked_structure_is_shown_set_and_deleted() {
    for (source, gtid) in [(servers::mariadb(), true), (servers::mysql(), false)] {
        let rig = Rig::start(source, servers::mariadb(), gtid, TABLES).await;
        let unknown = rig.refused(&["binlog-schema", "list", TASK, "d", "t"]);
        assert!(unknown.contains("code=44005") && unknown.contains("cannot get the structure of `d`.`t`"), "{unknown}");
        rig.source.exec("INSERT INTO d.t VALUES (1, 'a')").await;
        rig.rows_are_equal().await;
        rig.target_has("SELECT COUNT(*) FROM dm_meta.op_syncer_checkpoint WHERE cp_table = 't'", "1").await;
        let shown = rig.ok(&["binlog-schema", "list", TASK, "d", "t"]);
        assert!(
            shown.starts_with(
                "CREATE TABLE `t` ( `id` int NOT NULL, `v` varchar(20) DEFAULT 'x', PRIMARY KEY (`id`)) ENGINE=InnoDB"
            ),
            "{shown}"
        );
        assert_eq!(rig.ok(&["operate-schema", "get", "-s", "src-1", TASK, "-d", "d", "-t", "t"]), shown);
        let running = rig.refused(&["binlog-schema", "delete", TASK, "d", "t"]);
        assert!(running.contains("code=40051") && running.contains("current stage is Running"), "{running}");

        // A column that the tracked structure lacks: the rows can't be read until the user says what they are.
        rig.cluster.dmctl_ok(&["pause-task", TASK]);
        let narrow = rig.cluster.file("t.sql", "CREATE TABLE `t` (`id` INT NOT NULL, PRIMARY KEY (`id`));");
        rig.ok(&["binlog-schema", "update", TASK, "d", "t", &narrow]);
        rig.cluster.dmctl_ok(&["resume-task", TASK]);
        rig.source.exec("INSERT INTO d.t VALUES (2, 'b')").await;
        rig.fails_with("36027").await;
        rig.ok(&["binlog-schema", "update", TASK, "d", "t", "--from-source"]);
        rig.cluster.dmctl_ok(&["resume-task", TASK]);
        rig.rows_are_equal().await;

        // From the target, whose table is e.t; then nothing, which is found anew.
        rig.cluster.dmctl_ok(&["pause-task", TASK]);
        rig.target.exec("ALTER TABLE e.t COMMENT 'of the target'").await;
        rig.ok(&["binlog-schema", "update", TASK, "d", "t", "--from-target", "-s", "src-1"]);
        assert!(rig.ok(&["binlog-schema", "list", TASK, "d", "t"]).contains("of the target"));
        rig.ok(&["binlog-schema", "delete", TASK, "d", "t"]);
        assert!(rig.refused(&["binlog-schema", "list", TASK, "d", "t"]).contains("code=44005"));
        let wrong = rig.cluster.file("w.sql", "ALTER TABLE t ADD c INT");
        assert!(rig.refused(&["binlog-schema", "update", TASK, "d", "t", &wrong]).contains("code=44009"));
        rig.cluster.dmctl_ok(&["resume-task", TASK]);
        rig.source.exec("INSERT INTO d.t VALUES (3, 'c')").await;
        rig.rows_are_equal().await;
    }
}

/// What was set without writing it counts for the runs of this worker, and is gone with it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_structure_that_is_not_flushed_is_gone_with_the_worker() {
    let mut rig = Rig::start(servers::mariadb(), servers::mariadb(), true, TABLES).await;
    rig.source.exec("INSERT INTO d.t VALUES (1, 'a')").await;
    rig.rows_are_equal().await;
    let stored = "SELECT COUNT(*) FROM dm_meta.op_syncer_checkpoint WHERE cp_table = 't' AND table_info LIKE '%\"v\"%'";
    rig.target_has(stored, "1").await;
    rig.cluster.dmctl_ok(&["pause-task", TASK]);
    let narrow = rig.cluster.file("t.sql", "CREATE TABLE `t` (`id` INT NOT NULL, PRIMARY KEY (`id`))");
    // The old command too.
    rig.ok(&[
        "operate-schema",
        "set",
        "-s",
        "src-1",
        TASK,
        "-d",
        "d",
        "-t",
        "t",
        &narrow,
        "--flush=false",
        "--sync=false",
    ]);
    assert!(!rig.ok(&["binlog-schema", "list", TASK, "d", "t"]).contains("`v`"));
    assert_eq!(rig.target.text(stored).await, "1", "it was written");
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.source.exec("INSERT INTO d.t VALUES (2, 'b')").await;
    rig.fails_with("36027").await;
    rig.cluster.node("node").kill();
    rig.cluster.node("node").up();
    rig.rows_are_equal().await;

    // What a run writes in its place counts from then on; deleting takes it back.
    rig.cluster.dmctl_ok(&["pause-task", TASK]);
    rig.stage_is("Paused").await;
    rig.ok(&["binlog-schema", "update", TASK, "d", "t", &narrow, "--flush=false", "--sync"]);
    rig.ok(&["binlog-schema", "delete", TASK, "d", "t"]);
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.source
        .exec("INSERT INTO d.t VALUES (3, 'c'); ALTER TABLE d.t ADD COLUMN w INT; INSERT INTO d.t VALUES (4, 'd', 5)")
        .await;
    rig.rows_are_equal().await;
}
