//! Runs that the task didn't see from their beginning, and runs that the original saw.

use std::time::Duration;

use super::{config, ended_equal, equal, gh_ost_begins, gh_ost_ends, kept};
use crate::{
    support::{servers, wait::until},
    units_sync::Running,
};

const TABLE: &str =
    "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a INT, KEY ka (a)); INSERT INTO d.t VALUES (1,1)";

/// 36046 says what differs; the same change by hand on the target, and the task goes on.
#[tokio::test]
async fn a_task_that_begins_in_the_middle() {
    let (source, target) = (servers::mariadb(), servers::mysql());
    source.exec(TABLE).await;
    target.exec(TABLE).await;
    let config = config(&source, &target, true);
    source.exec(&gh_ost_begins("t", "`id`, `a`", &["ADD COLUMN c INT NOT NULL DEFAULT 4"])).await;
    let running = Running::start(&config, 1).started(&target).await;
    // What is seen of it isn't all of it.
    source.exec("alter /* gh-ost */ table `d`.`_t_gho` ADD COLUMN e INT; INSERT INTO d.t VALUES (2, 2)").await;
    source.exec("REPLACE INTO d._t_gho (id, a) SELECT * FROM d.t").await;
    source.exec(&gh_ost_ends("t")).await;
    source.exec("INSERT INTO d.t VALUES (3, 3, 3, 3)").await;
    let error = running.error().await;
    assert_eq!(error.code(), dm::error::Code::SyncerUnitGhostOnlineDDLOnGhostTbl, "{error}");
    for part in ["ghost table `d`.`_t_gho`", "the target has no column `c`", "no column `e`", "startLocation"] {
        assert!(error.message().contains(part), "no {part}: {error}");
    }
    assert!(error.workaround_text().contains("resume the task"), "{error}");
    target.exec("ALTER TABLE d.t ADD COLUMN c INT NOT NULL DEFAULT 4, ADD COLUMN e INT").await;
    let mut running = Running::start(&config, 1);
    ended_equal(&source, &target, &config, &mut running).await;

    // A revert of gh-ost: the trash table comes back.
    source.exec(&gh_ost_begins("t", "`id`, `a`, `c`, `e`", &["ADD COLUMN f INT"])).await;
    source.exec("RENAME TABLE d.t TO d._t_del, d._t_gho TO d.t; INSERT INTO d.t VALUES (4, 4, 4, 4, 4)").await;
    until_equal_t(&source, &target).await;
    source.exec("REPLACE INTO d._t_del SELECT id, a, c, e FROM d.t").await;
    source.exec("RENAME TABLE d.t TO d._t_rev_del, d._t_del TO d.t; INSERT INTO d.t VALUES (5, 5, 5, 5)").await;
    let error = running.error().await;
    assert!(error.message().contains("the source has no column `f`"), "{error}");
    target.exec("ALTER TABLE d.t DROP COLUMN f").await;
    let mut running = Running::start(&config, 2);
    until_equal_t(&source, &target).await;
    source.exec("DROP TABLE d._t_rev_del, d._t_ghc").await;
    ended_equal(&source, &target, &config, &mut running).await;

    // No tool is at work: the table goes away.
    source.exec("RENAME TABLE d.t TO d._t_old").await;
    let error = running.error().await;
    assert_eq!(error.code(), dm::error::Code::SyncerUnsupportedStmt, "{error}");
    assert!(error.message().contains("no online schema change of `d`.`t` is known"), "{error}");
}

async fn until_equal_t(source: &servers::Server, target: &servers::Server) {
    until("d.t is equal", Duration::from_secs(30), || async {
        let (mut a, mut b) = (source.conn().await, target.conn().await);
        let found = crate::support::compare::difference(&mut a, ("d", "t"), &mut b, ("d", "t")).await;
        found.map_or(Ok(()), Err)
    })
    .await;
}

/// The original keeps a statement at once and its checkpoint later; the rows are in its form. What it kept comes again.
#[tokio::test]
async fn a_run_that_the_original_began() {
    let (source, target) = (servers::mysql(), servers::mariadb());
    source.exec(TABLE).await;
    target.exec(TABLE).await;
    let config = config(&source, &target, false);
    let running = Running::start(&config, 1).started(&target).await;
    source.exec("CREATE TABLE d._t_gho LIKE d.t; ALTER TABLE d._t_gho ADD COLUMN c INT, ADD KEY (a)").await;
    source.exec("INSERT INTO d.t VALUES (2, 2)").await;
    until_equal_t(&source, &target).await;
    running.stop().await.unwrap();
    source.exec("ALTER TABLE d._t_gho ADD KEY (c); ALTER TABLE d._t_gho ADD COLUMN e INT").await;
    // As the original would have left it: all but the last statement are kept, the checkpoint is before the second.
    let json = r#"{"schema":"d","table":"t","ddls":["ALTER TABLE `d`.`_t_gho` ADD COLUMN `c` INT","ALTER TABLE `d`.`_t_gho` ADD KEY(`a`)","ALTER TABLE `d`.`_t_gho` ADD KEY (c)"]}"#;
    target.exec(&format!("REPLACE INTO dm_meta.{}_onlineddl (id, ghost_schema, ghost_table, ddls) VALUES ('s1', 'd', '_t_gho', '{json}')", config.name)).await;
    target.exec(&format!("DROP TABLE dm_meta.{}_lane_progress", config.name)).await;
    let mut running = Running::start(&config, 2);
    until("the last statement is kept", Duration::from_secs(30), || async {
        let kept = kept(&target, &config).await;
        if kept.contains("ADD COLUMN e INT") { Ok(()) } else { Err(kept) }
    })
    .await;
    assert_eq!(kept(&target, &config).await.matches("ADD KEY").count(), 2);
    source.exec("REPLACE INTO d._t_gho (id, a) SELECT * FROM d.t; RENAME TABLE d.t TO d._t_del, d._t_gho TO d.t; DROP TABLE d._t_del").await;
    source.exec("INSERT INTO d.t VALUES (7, 7, 7, 7)").await;
    ended_equal(&source, &target, &config, &mut running).await;
    equal(&source, &target, &mut running).await;
    running.stop().await.unwrap();
}
