//! Meta tables that an earlier version, or the original, made.

use mysql_async::prelude::Queryable;

use crate::{
    support::servers,
    units_sync::{Running, subtask, until_equal},
};

/// GTID sets may be longer than a TEXT holds; a session without strict mode would cut them.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn columns_for_gtid_sets_are_widened_and_keep_what_they_hold() {
    let (source, target) = (servers::mysql(), servers::mariadb());
    let table = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY)";
    source.exec(table).await;
    target.exec(table).await;
    let config = subtask(&source, &target, true);
    let running = Running::start(&config, 1).started(&target).await;
    source.exec("INSERT INTO d.t VALUES (1)").await;
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
    let stored = "SELECT GROUP_CONCAT(binlog_name, binlog_pos, binlog_gtid) FROM dm_meta.t_syncer_checkpoint \
                  WHERE is_global = 1";
    let types = "SELECT GROUP_CONCAT(COLUMN_NAME, ' ', DATA_TYPE ORDER BY 1) FROM information_schema.COLUMNS WHERE \
                 TABLE_SCHEMA = 'dm_meta' AND TABLE_NAME = 't_syncer_checkpoint' AND COLUMN_NAME LIKE '%gtid'";
    let before = target.text(stored).await;
    target
        .exec("ALTER TABLE dm_meta.t_syncer_checkpoint MODIFY binlog_gtid TEXT, MODIFY exit_safe_binlog_gtid TEXT")
        .await;
    assert_eq!(target.text(types).await, "binlog_gtid text,exit_safe_binlog_gtid text");
    let running = Running::start(&config, 2).at_epoch(&target, 2).await;
    assert_eq!(target.text(types).await, "binlog_gtid mediumtext,exit_safe_binlog_gtid mediumtext");
    assert_eq!(target.text(stored).await, before);
    source.exec("INSERT INTO d.t VALUES (2)").await;
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
}

/// A target whose default is latin1, and meta tables in it: names of tables that latin1 lacks, and two that differ by case only.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_name_of_a_table_has_a_place_in_the_checkpoint() {
    let (source, target) = (servers::mariadb(), servers::Server::of(servers::Release::Mysql57, &[]));
    assert_eq!(target.text("SELECT @@character_set_server").await, "latin1");
    let tables = "CREATE DATABASE d CHARACTER SET utf8mb4; CREATE TABLE d.`表 ☃` (id INT PRIMARY KEY); CREATE TABLE d.t (id INT \
                  PRIMARY KEY); CREATE TABLE d.T (id INT PRIMARY KEY, v INT)";
    source.exec(tables).await;
    target.exec(tables).await;
    let config = subtask(&source, &target, true);
    let names = "SELECT COUNT(*) FROM dm_meta.t_syncer_checkpoint WHERE is_global = 0";
    for epoch in [1, 2] {
        let running = match epoch {
            1 => Running::start(&config, 1).started(&target).await,
            _ => Running::start(&config, 2).at_epoch(&target, 2).await,
        };
        source
            .exec(&format!(
                "INSERT INTO d.`表 ☃` VALUES ({epoch}); INSERT INTO d.t VALUES ({epoch}); INSERT INTO d.T VALUES ({epoch}, 7)"
            ))
            .await;
        until_equal(&source, &target, &["d"], &running).await;
        running.stop().await.unwrap();
        assert_eq!(target.text(names).await, "3", "{epoch}");
        if epoch == 1 {
            // As the original makes it there.
            target.exec("DELETE FROM dm_meta.t_syncer_checkpoint WHERE is_global = 0").await;
            target.exec("ALTER TABLE dm_meta.t_syncer_checkpoint CONVERT TO CHARACTER SET latin1").await;
        }
    }
}

/// TiDB doesn't change the collation of an indexed column: the table stays as an earlier version made it, and the task goes on from it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn a_checkpoint_that_tidb_keeps_in_general_ci_is_gone_on_from() {
    let (source, target) = (servers::mysql(), servers::Server::of(servers::Release::Tidb, &[]));
    let table = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY) COLLATE utf8mb4_bin";
    source.exec(table).await;
    target.exec(table).await;
    let config = subtask(&source, &target, true);
    let running = Running::start(&config, 1).started(&target).await;
    source.exec("INSERT INTO d.t VALUES (1)").await;
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();

    let own = "dm_meta.t_syncer_checkpoint";
    let (_, made): (String, String) =
        target.conn().await.query_first(format!("SHOW CREATE TABLE {own}")).await.unwrap().unwrap();
    let older = made.replace("COLLATE utf8mb4_bin", "").replace("COLLATE=utf8mb4_bin", "COLLATE=utf8mb4_general_ci");
    assert!(older.contains("COLLATE=utf8mb4_general_ci"), "{made}");
    target
        .exec(&format!(
            "RENAME TABLE {own} TO dm_meta.newer; USE dm_meta; {older}; INSERT INTO {own} SELECT * FROM dm_meta.newer; DROP TABLE dm_meta.newer"
        ))
        .await;
    let collations = "SELECT GROUP_CONCAT(DISTINCT COLLATION_NAME) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = 'dm_meta' AND \
                      TABLE_NAME = 't_syncer_checkpoint' AND COLUMN_NAME IN ('cp_schema', 'cp_table')";
    assert_eq!(target.text(collations).await, "utf8mb4_general_ci");
    // A beginning anew, at the source's present place, would miss it.
    source.exec("INSERT INTO d.t VALUES (2)").await;
    let running = Running::start(&config, 2).at_epoch(&target, 2).await;
    source.exec("INSERT INTO d.t VALUES (3)").await;
    until_equal(&source, &target, &["d"], &running).await;
    running.stop().await.unwrap();
    assert_eq!(target.text(collations).await, "utf8mb4_general_ci");
    assert_eq!(target.text(&format!("SELECT GROUP_CONCAT(cp_table) FROM {own} WHERE is_global = 0")).await, "t");
}
