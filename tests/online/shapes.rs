//! What the tools send, with writes in between, replayed by hand.

use std::time::Duration;

use dm::config::subtask::{FilterRule, RouteRule, TableName};

use super::{config, ended_equal, equal, gh_ost_begins, gh_ost_ends, kept, pairs, structure};
use crate::{
    support::{
        compare,
        servers::{self, Server},
        wait::until,
    },
    units_sync::Running,
};

const TABLES: &str = "CREATE DATABASE d CHARACTER SET utf8mb4; USE d;
    CREATE TABLE p (id INT PRIMARY KEY);
    CREATE TABLE t (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(20), old_one INT, KEY ka (a));
    CREATE TABLE u (id INT PRIMARY KEY, p INT, n INT, KEY p (p),
      CONSTRAINT fk_u FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE);
    INSERT INTO p VALUES (1), (2); INSERT INTO t VALUES (1, 1, 'one', 0), (2, 2, 'two', 0);
    INSERT INTO u VALUES (1, 1, 1), (2, 2, 2);";

/// pt-osc 3 on `d`.`u`, with triggers that keep the copy up to date.
fn pt_osc_begins() -> String {
    let trigger = |name: &str, event: &str, body: &str| {
        format!("CREATE TRIGGER `pt_osc_d_u_{name}` AFTER {event} ON `d`.`u` FOR EACH ROW {body};")
    };
    [
        "USE d; CREATE TABLE `d`.`_u_new` (`id` int NOT NULL, `p` int DEFAULT NULL, `n` int DEFAULT NULL, PRIMARY KEY (`id`),
           KEY `p` (`p`), CONSTRAINT `_fk_u` FOREIGN KEY (`p`) REFERENCES `p` (`id`) ON DELETE CASCADE) ENGINE=InnoDB;
         ALTER TABLE `d`.`_u_new` ADD COLUMN c INT NOT NULL DEFAULT 7, ADD KEY (n), MODIFY n BIGINT;"
            .to_owned(),
        trigger("del", "DELETE", "DELETE IGNORE FROM `d`.`_u_new` WHERE `d`.`_u_new`.`id` <=> OLD.`id`"),
        trigger(
            "upd",
            "UPDATE",
            "REPLACE INTO `d`.`_u_new` (`id`, `p`, `n`) VALUES (NEW.`id`, NEW.`p`, NEW.`n`)",
        ),
        trigger(
            "ins",
            "INSERT",
            "REPLACE INTO `d`.`_u_new` (`id`, `p`, `n`) VALUES (NEW.`id`, NEW.`p`, NEW.`n`)",
        ),
        "INSERT LOW_PRIORITY IGNORE INTO `d`.`_u_new` (`id`, `p`, `n`) SELECT `id`, `p`, `n` FROM `d`.`u` LOCK IN SHARE MODE;"
            .to_owned(),
    ]
    .concat()
}

const PT_OSC_DROPS_TRIGGERS: &str =
    "DROP TRIGGER IF EXISTS `d`.`pt_osc_d_u_del`; DROP TRIGGER IF EXISTS `d`.`pt_osc_d_u_upd`;
    DROP TRIGGER IF EXISTS `d`.`pt_osc_d_u_ins`;";

/// Row for row, the copy follows: what gh-ost does when it reads the binlog.
const WRITES: &str = "INSERT INTO d.t (a, b, old_one) VALUES (3, 'three', 1); UPDATE d.t SET b = 'x' WHERE id = 1;";
const COPIED: &str = "REPLACE INTO d._t_gho (id, a, b) SELECT id, a, b FROM d.t;";

#[tokio::test]
async fn statements_of_the_tools_change_the_real_table_once() {
    for (source, target, gtid) in pairs() {
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        let mut config = config(&source, &target, gtid);
        // Triggers travel, but not those of a tool.
        config.migrate_statements = vec!["trigger".into()];
        let mut running = Running::start(&config, 1).started(&target).await;
        let alters = [
            "ADD COLUMN `c é` INT DEFAULT 5 COMMENT 'it''s \"é\"' AFTER a, DROP COLUMN old_one, ADD KEY (b)",
            "AUTO_INCREMENT=100",
        ];
        source.exec(&gh_ost_begins("t", "`id`, `a`, `b`", &alters)).await;
        source.exec(&format!("{WRITES}{COPIED}")).await;
        until("both ALTERs are kept", Duration::from_secs(30), || async {
            let kept = kept(&target, &config).await;
            if kept.contains("AUTO_INCREMENT=100") { Ok(()) } else { Err(kept) }
        })
        .await;
        source.exec(&gh_ost_ends("t")).await;
        source.exec("INSERT INTO d.t (a, `c é`, b) VALUES (9, 9, 'nine'); UPDATE d.t SET `c é` = id").await;
        ended_equal(&source, &target, &config, &mut running).await;

        source.exec(&pt_osc_begins()).await;
        source
            .exec("INSERT INTO d.u VALUES (3, 1, 3); UPDATE d.u SET n = 9 WHERE id = 1; DELETE FROM d.u WHERE id = 2")
            .await;
        source
            .exec("RENAME TABLE `d`.`u` TO `d`.`_u_old`, `d`.`_u_new` TO `d`.`u`; DROP TABLE IF EXISTS `d`.`_u_old`")
            .await;
        source.exec(PT_OSC_DROPS_TRIGGERS).await;
        source.exec("INSERT INTO d.u VALUES (4, 2, 8000000000, 4); ALTER TABLE d.u DROP FOREIGN KEY _fk_u").await;
        ended_equal(&source, &target, &config, &mut running).await;
        running.stop().await.unwrap();
    }
}

/// pt-osc's drop_swap, gh-ost's two-step cut-over, one that fails and goes back, and runs that were given up.
#[tokio::test]
async fn other_ends_of_a_run() {
    for (source, target, gtid) in pairs() {
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        let config = config(&source, &target, gtid);
        let mut running = Running::start(&config, 1).started(&target).await;
        // Given up after its ALTERs, cleaned by hand: nothing of it may come back with the next run.
        source.exec(&gh_ost_begins("t", "`id`, `a`, `b`, `old_one`", &["ADD COLUMN never INT"])).await;
        source.exec("DROP TABLE d._t_gho, d._t_ghc").await;
        // Given up, and begun again over what was left.
        source.exec(&gh_ost_begins("t", "`id`, `a`, `b`, `old_one`", &["ADD COLUMN never2 INT"])).await;
        source.exec(&gh_ost_begins("t", "`id`, `a`, `b`, `old_one`", &["ADD COLUMN once INT"])).await;
        source.exec("ALTER TABLE d.t RENAME d._t_del; INSERT INTO d.p VALUES (8)").await;
        running = between(running, &config, &target, "`t` TO").await;
        source.exec("RENAME TABLE d._t_del TO d.t; INSERT INTO d.t (a) VALUES (77)").await;
        source.exec("REPLACE INTO d._t_gho (id, a, b, old_one) SELECT id, a, b, old_one FROM d.t").await;
        source.exec("ALTER TABLE d.t RENAME d._t_del").await;
        running = between(running, &config, &target, "`t` TO").await;
        source.exec("ALTER TABLE d._t_gho RENAME d.t; INSERT INTO d.t (a, once) VALUES (78, 1); DROP TABLE d._t_del, d._t_ghc").await;
        ended_equal(&source, &target, &config, &mut running).await;

        source.exec(&pt_osc_begins()).await;
        source.exec("SET foreign_key_checks = 0; DROP TABLE IF EXISTS `d`.`u`; INSERT INTO d.p VALUES (9)").await;
        running = between(running, &config, &target, "DROP TABLE").await;
        assert_eq!(target.text("SELECT COUNT(*) FROM d.u").await, "2", "the real table stays until it is known");
        source.exec(&format!("RENAME TABLE `d`.`_u_new` TO `d`.`u`; {PT_OSC_DROPS_TRIGGERS}")).await;
        source.exec("INSERT INTO d.u VALUES (14, 2, 8000000000, 4)").await;
        ended_equal(&source, &target, &config, &mut running).await;

        // A table that is really dropped while a left-over shadow table lies about, and made anew.
        source.exec("CREATE TABLE d._u_new LIKE d.u; DROP TABLE d.u; CREATE TABLE d.u (id INT PRIMARY KEY); INSERT INTO d.u VALUES (5)").await;
        source.exec("DROP TABLE d._u_new").await;
        ended_equal(&source, &target, &config, &mut running).await;
        running.stop().await.unwrap();
    }
}

/// Waits until a statement is held back, and starts anew: what is held back survives.
async fn between(running: Running, config: &dm::config::SubtaskConfig, target: &Server, held: &str) -> Running {
    until("it is held back", Duration::from_secs(30), || async {
        let kept = kept(target, config).await;
        if kept.contains("gone") && kept.contains(held) { Ok(()) } else { Err(kept) }
    })
    .await;
    running.stop().await.unwrap();
    Running::start(config, 1)
}

/// The list, the routes and the event filters are asked about the real table.
#[tokio::test]
async fn rules_are_those_of_the_real_table() {
    let (source, target) = (servers::mysql(), servers::mysql());
    source.exec(TABLES).await;
    target.exec("CREATE DATABASE e; CREATE TABLE e.t2 (id INT AUTO_INCREMENT PRIMARY KEY, a INT, b VARCHAR(20), old_one INT, KEY ka (a)); INSERT INTO e.t2 VALUES (1, 1, 'one', 0), (2, 2, 'two', 0)").await;
    let mut config = config(&source, &target, true);
    config.block_allow_list.do_tables = vec![TableName { db_name: "d".into(), tbl_name: "t".into() }];
    let route = |table: &str, to: &str| RouteRule {
        schema_pattern: "d".into(),
        table_pattern: table.into(),
        target_schema: "e".into(),
        target_table: to.into(),
        ..RouteRule::default()
    };
    config.routes = vec![route("t", "t2"), route("", "")];
    config.filters = vec![FilterRule {
        schema_pattern: "d".into(),
        table_pattern: "t".into(),
        events: vec!["drop column".into()],
        action: "Ignore".into(),
        ..FilterRule::default()
    }];
    let running = Running::start(&config, 1).started(&target).await;
    source.exec(&gh_ost_begins("t", "`id`, `a`, `b`", &["ADD COLUMN c INT, DROP COLUMN old_one"])).await;
    source.exec(&gh_ost_ends("t")).await;
    // Of a table that isn't migrated: nothing.
    source.exec(&gh_ost_begins("u", "`id`, `p`, `n`", &["ADD COLUMN c INT"])).await;
    source.exec(&gh_ost_ends("u")).await;
    source.exec("INSERT INTO d.t (a, c) VALUES (5, 6)").await;
    until("the row is there", Duration::from_secs(30), || async {
        if running.is_finished() {
            return Ok(());
        }
        let (mut a, mut b) = (source.conn().await, target.conn().await);
        compare::difference(&mut a, ("d", "t"), &mut b, ("e", "t2")).await.map_or(Ok(()), Err)
    })
    .await;
    assert!(!running.is_finished());
    let columns = "SELECT GROUP_CONCAT(column_name ORDER BY ordinal_position) FROM information_schema.columns WHERE table_schema = 'e'";
    assert_eq!(target.text(columns).await, "id,a,b,old_one,c");
    assert_eq!(
        target
            .text("SELECT GROUP_CONCAT(table_name) FROM information_schema.tables WHERE table_schema IN ('d', 'e')")
            .await,
        "t2"
    );
    assert_eq!(kept(&target, &config).await, "");
    running.stop().await.unwrap();
}

/// Without `online-ddl` the helper tables are tables; named in `ignore-tables`, the swap is the operator's affair.
#[tokio::test]
async fn without_online_ddl() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let mut config = config(&source, &target, true);
    config.online_ddl = false;
    let mut running = Running::start(&config, 1).started(&target).await;
    source.exec(&gh_ost_begins("t", "`id`, `a`, `b`", &["ADD COLUMN c INT"])).await;
    equal(&source, &target, &mut running).await;
    source
        .exec(&format!("{COPIED} RENAME TABLE d.t TO d._t_del, d._t_gho TO d.t; INSERT INTO d.t (c) VALUES (1)"))
        .await;
    equal(&source, &target, &mut running).await;
    running.stop().await.unwrap();
    source.exec("DROP TABLE d._t_del, d._t_ghc").await;

    let ignored = |name: &str| TableName { db_name: "d".into(), tbl_name: name.into() };
    config.block_allow_list.do_dbs = vec!["d".into()];
    config.block_allow_list.ignore_tables = ["_t_gho", "_t_ghc", "_t_del"].map(ignored).to_vec();
    let mut running = Running::start(&config, 2);
    source.exec(&gh_ost_begins("t", "`id`, `a`, `b`, `c`", &["ADD COLUMN e INT"])).await;
    // The manual's way: the operator has made the change on the target.
    target.exec("ALTER TABLE d.t ADD COLUMN e INT; DROP TABLE d._t_del, d._t_ghc").await;
    source.exec(&gh_ost_ends("t")).await;
    source.exec("INSERT INTO d.t (c, e) VALUES (5, 6)").await;
    equal(&source, &target, &mut running).await;
    assert_eq!(structure(&source, "d").await, structure(&target, "d").await);
    running.stop().await.unwrap();
}
