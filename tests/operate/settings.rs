//! Settings of sync that show in what happens on the target (docs/sync/settings.md).

use super::resumed::{config as config_of, nothing, run};
use crate::support::servers::{self, Server};

const TABLE: &str = "CREATE TABLE t (id INT PRIMARY KEY, v INT);";

async fn pair() -> (Server, Server) {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    source.exec(&format!("CREATE DATABASE d; USE d; {TABLE}")).await;
    target.exec(&format!("CREATE DATABASE e; USE e; {TABLE}")).await;
    (source, target)
}

async fn start_here(source: &Server) -> Option<dm::config::Meta> {
    let (binlog_name, pos) = super::resumed::end_of_binlog(source).await;
    let binlog_gtid = source.text("SELECT @@gtid_binlog_pos").await;
    Some(dm::config::Meta { binlog_name, binlog_pos: pos as u32, binlog_gtid })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn worker_count_batch_and_flush_interval_do_what_they_say() {
    let (source, target) = pair().await;
    for (name, workers, batch) in [("wide", 5, 1), ("narrow", 2, 100)] {
        let mut config = config_of(&source, &target, name);
        (config.syncer.worker_count, config.syncer.batch) = (workers, batch);
        // An idle task flushes at once, however long the interval is.
        config.syncer.checkpoint_flush_interval = 3600;
        config.meta = start_here(&source).await;
        target.exec("DELETE FROM e.t").await;
        source.exec("USE d; DELETE FROM t; INSERT INTO t SELECT seq, 0 FROM seq_1_to_500").await;
        let end = super::resumed::end_of_binlog(&source).await;
        let flushed = format!(
            "SELECT COUNT(*) FROM dm_meta.{name}_syncer_checkpoint WHERE is_global AND binlog_name = '{}' AND binlog_pos >= {}",
            end.0, end.1
        );
        let there = format!(
            "SELECT IF(EXISTS(SELECT 1 FROM information_schema.tables WHERE table_name = '{name}_syncer_checkpoint'), 1, 0)"
        );
        assert!(run(&config, 1, &nothing(), Some((&target, &there, "1"))).await);
        assert!(run(&config, 2, &nothing(), Some((&target, &flushed, "1"))).await, "{name}");
        assert_eq!(target.text("SELECT COUNT(*) FROM e.t").await, "500");
        let lanes = target.text(&format!("SELECT COUNT(*) FROM dm_meta.{name}_lane_progress WHERE lane >= 0")).await;
        assert_eq!(lanes, workers.to_string());
        let sql = format!("SELECT SUM(batch) FROM dm_meta.{name}_lane_progress WHERE lane >= 0");
        let transactions: u64 = target.text(&sql).await.parse().unwrap();
        match batch {
            1 => assert!(transactions >= 500, "{transactions}"),
            _ => assert!(transactions < 200, "{transactions}"),
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn safe_mode_replaces_what_is_there() {
    let (source, target) = pair().await;
    let mut config = config_of(&source, &target, "safe");
    config.syncer.safe_mode = true;
    config.meta = start_here(&source).await;
    target.exec("INSERT INTO e.t VALUES (1, 100), (3, 300)").await;
    source.exec("INSERT INTO d.t VALUES (1, 1), (2, 2); UPDATE d.t SET id = 3, v = 3 WHERE id = 2").await;
    let rows = Some((&target, "SELECT GROUP_CONCAT(CONCAT(id, '=', v) ORDER BY id) FROM e.t", "1=1,3=3"));
    assert!(run(&config, 1, &nothing(), rows).await);
}

/// Triggers of the target see each change, unless the task says that nobody looks.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn compact_puts_changes_together_under_triggers_too() {
    let (source, target) = pair().await;
    target
        .exec(
            "CREATE TABLE e.seen (v INT); CREATE TRIGGER e.i AFTER INSERT ON e.t FOR EACH ROW INSERT INTO e.seen VALUES (NEW.v); \
             CREATE TRIGGER e.u AFTER UPDATE ON e.t FOR EACH ROW INSERT INTO e.seen VALUES (NEW.v)",
        )
        .await;
    for (name, compact) in [("each", false), ("together", true)] {
        source.exec("DELETE FROM d.t").await;
        target.exec("DELETE FROM e.t; DELETE FROM e.seen").await;
        let mut config = config_of(&source, &target, name);
        config.syncer.compact = compact;
        config.meta = start_here(&source).await;
        let again = "UPDATE t SET v = v + 1; ".repeat(50);
        source.exec(&format!("USE d; BEGIN; INSERT INTO t VALUES (1, 0); {again}COMMIT")).await;
        assert!(run(&config, 1, &nothing(), Some((&target, "SELECT MAX(v) FROM e.t", "50"))).await);
        let seen: u32 = target.text("SELECT COUNT(*) FROM e.seen").await.parse().unwrap();
        assert_eq!(seen == 51, !compact, "{name}: {seen}");
    }
}
