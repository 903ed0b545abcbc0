//! The check unit: what it says of tables that a target can't hold, of shards, of rights that no grant shows.

use dm::{
    config::{
        SubtaskConfig,
        subtask::{RouteRule, TaskMode},
    },
    pb::UnitType,
    units::check::{self, Report, State},
};

use crate::{
    support::{
        nodes::Cluster,
        servers::{self, Release, Server},
        wait,
    },
    units_load::{run, subtask},
};

async fn checked(subtasks: &[SubtaskConfig]) -> Report {
    check::run(subtasks, Default::default()).await.unwrap()
}

/// What is said under a name, with its state.
fn said(report: &Report, name: &str) -> Vec<(State, String)> {
    let of = report.results.iter().filter(|outcome| outcome.name == name);
    of.flat_map(|outcome| &outcome.errors).map(|finding| (finding.severity, finding.short_error.clone())).collect()
}

const STRUCTURE: &str = "table structure compatibility check";

#[tokio::test]
async fn what_the_target_cannot_hold_is_listed_before_anything_moves() {
    let (maria, mysql) = (Server::of(Release::Mariadb118, &[]), servers::mysql());
    let dir = tempfile::tempdir().unwrap();
    maria
        .exec(
            "CREATE DATABASE d; CREATE TABLE d.good (id INT PRIMARY KEY, a VARCHAR(10) DEFAULT 'x', b INT INVISIBLE);
             CREATE TABLE d.uuids (id UUID PRIMARY KEY); CREATE TABLE d.uuids2 LIKE d.uuids; CREATE TABLE d.there LIKE d.uuids;
             CREATE TABLE d.versioned (id INT PRIMARY KEY) WITH SYSTEM VERSIONING;
             CREATE TABLE d.aria (id INT PRIMARY KEY) ENGINE=Aria;
             CREATE TABLE d.`we``ird '\"` (id INT PRIMARY KEY COMMENT 'it''s \\\\ ')",
        )
        .await;
    mysql.exec("CREATE DATABASE d; CREATE TABLE d.there (id VARCHAR(36) PRIMARY KEY)").await;
    let config = subtask(&maria, &mysql, dir.path(), TaskMode::Full);
    let report = checked(&[config]).await;
    let found = said(&report, STRUCTURE);
    let failed =
        |table: &str| found.iter().any(|(s, text)| *s == State::Fail && text.contains(&format!("table `d`.`{table}`")));
    assert!(failed("uuids") && failed("versioned") && failed("aria"), "{found:#?}");
    assert!(!failed("good") && !failed("we``ird '\""), "{found:#?}");
    let uuids = found.iter().find(|(_, text)| text.contains("uuids")).unwrap();
    assert!(uuids.1.contains("more tables of this structure") && uuids.1.contains("Error 1064"), "{uuids:?}");
    assert_eq!(mysql.text("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'd'").await, "1");
    let estimate = report.summary.estimate.unwrap();
    assert_eq!((estimate.tables, estimate.rows), (7, 0));
    assert!(estimate.disk_bytes > 0 && estimate.to_text().starts_with("7 tables, about 0 rows and "), "{estimate:?}");

    mysql.exec("CREATE DATABASE e; CREATE TABLE e.f (a INT PRIMARY KEY, KEY ((a + 1))); CREATE TABLE e.g (a INT PRIMARY KEY, p POINT NOT NULL SRID 4326)").await;
    let mut config = subtask(&mysql, &maria, dir.path(), TaskMode::Full);
    config.block_allow_list.do_dbs = vec!["e".into()];
    let found = said(&checked(&[config.clone()]).await, STRUCTURE);
    assert!(found.iter().any(|(s, text)| *s == State::Fail && text.contains("`e`.`f`")), "{found:#?}");
    // What is found only while a table is created.
    let short = Server::of(Release::Mariadb1011, &["--innodb-default-row-format=compact"]);
    mysql.exec("CREATE DATABASE k; CREATE TABLE k.long_key (id INT PRIMARY KEY, v VARCHAR(255) UNIQUE); CREATE TABLE k.fine (v VARCHAR(90) PRIMARY KEY)").await;
    let mut long = subtask(&mysql, &short, dir.path(), TaskMode::Full);
    long.block_allow_list.do_dbs = vec!["k".into()];
    let found = said(&checked(&[long]).await, STRUCTURE);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].0 == State::Fail && found[0].1.contains("`k`.`long_key`") && found[0].1.contains("767 bytes"),
        "{found:#?}"
    );
    assert_eq!(short.text("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_NAME = 'dm_check'").await, "0");
    // Nothing is created, so nothing is asked.
    config.mode = TaskMode::Incremental;
    assert!(said(&checked(&[config]).await, STRUCTURE).is_empty());
}

#[tokio::test]
async fn names_that_the_target_takes_for_one_are_listed() {
    let (source, target) =
        (Server::of(Release::Mariadb1011, &[]), Server::of(Release::Mariadb1011, &["--lower-case-table-names=1"]));
    source
        .exec(
            "CREATE DATABASE d; CREATE DATABASE D; CREATE TABLE d.Orders (id INT PRIMARY KEY); CREATE TABLE d.orders LIKE d.Orders;
             CREATE TABLE D.x LIKE d.Orders; CREATE TABLE d.y LIKE d.Orders",
        )
        .await;
    let dir = tempfile::tempdir().unwrap();
    let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
    let found = said(&checked(&[config.clone()]).await, STRUCTURE);
    assert_eq!(found.len(), 1, "{found:#?}");
    assert!(
        found[0].0 == State::Fail && found[0].1.contains("`d`.`orders` and `d`.`Orders` would be one"),
        "{found:#?}"
    );
    config.case_sensitive = true;
    config.routes = vec![RouteRule {
        schema_pattern: "d".into(),
        table_pattern: "Orders".into(),
        target_schema: "d".into(),
        target_table: "orders_2".into(),
        ..RouteRule::default()
    }];
    let found = said(&checked(&[config]).await, STRUCTURE);
    assert!(found.is_empty(), "{found:#?}");
}

/// TiDB's parser answers as those of other servers do.
#[tokio::test]
#[ignore = "tier: make test-tidb"]
async fn tidb_is_asked_what_it_can_hold() {
    let (source, target) = (Server::of(Release::Mariadb118, &[]), Server::of(Release::Tidb, &[]));
    let dir = tempfile::tempdir().unwrap();
    source
        .exec(
            "CREATE DATABASE d; CREATE TABLE d.good (id INT PRIMARY KEY, a VARCHAR(10) COLLATE utf8mb4_uca1400_ai_ci);
             CREATE TABLE d.uuids (id UUID PRIMARY KEY); CREATE TABLE d.points (id INT PRIMARY KEY, p POINT NOT NULL);
             CREATE TABLE d.words (id INT PRIMARY KEY, t TEXT, FULLTEXT KEY (t)); CREATE TABLE d.vectors (id INT PRIMARY KEY, v
             VECTOR(3)); CREATE TABLE d.keys_of_vectors (v VECTOR(3) NOT NULL, PRIMARY KEY (v)); CREATE TABLE d.defaults (id INT PRIMARY KEY, v VECTOR(1) DEFAULT
             x'0000803f')",
        )
        .await;
    let found = said(&checked(&[subtask(&source, &target, dir.path(), TaskMode::Full)]).await, STRUCTURE);
    let state = |table: &str| found.iter().find(|(_, text)| text.contains(table)).map(|(state, _)| *state);
    assert_eq!(state("`good`"), None, "{found:#?}");
    assert_eq!((state("`uuids`"), state("`points`")), (Some(State::Fail), Some(State::Fail)), "{found:#?}");
    assert_eq!((state("`words`"), state("`vectors`")), (Some(State::Warn), None), "{found:#?}");
    assert_eq!((state("`keys_of_vectors`"), state("`defaults`")), (Some(State::Fail), Some(State::Fail)), "{found:#?}");
}

#[tokio::test]
async fn shards_of_different_structure_and_counters_that_may_meet() {
    let (one, other, target) = (servers::mariadb(), servers::mysql(), servers::mariadb());
    let dir = tempfile::tempdir().unwrap();
    let table = "id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, v VARCHAR(20), KEY (v)";
    one.exec(&format!("CREATE DATABASE d; CREATE TABLE d.t1 ({table}); CREATE TABLE d.t2 ({table})")).await;
    other.exec("CREATE DATABASE d; CREATE TABLE d.t3 (id INT NOT NULL PRIMARY KEY, v VARCHAR(30), w INT)").await;
    let shard = |source: &Server, id: &str, mode: &str| {
        let mut config = subtask(source, &target, dir.path(), TaskMode::All);
        config.source_id = id.into();
        config.shard_mode = mode.into();
        config.routes = vec![RouteRule {
            schema_pattern: "d".into(),
            table_pattern: "t*".into(),
            target_schema: "m".into(),
            target_table: "t".into(),
            ..RouteRule::default()
        }];
        config
    };
    let name = "sharding table `m`.`t` consistency checking";
    let same = checked(&[shard(&one, "s1", "pessimistic")]).await;
    let found = said(&same, name);
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].0 == State::Warn && found[0].1.contains("column `id` is AUTO_INCREMENT"), "{found:?}");
    let both = checked(&[shard(&one, "s1", "pessimistic"), shard(&other, "s2", "pessimistic")]).await;
    let found = said(&both, name);
    assert!(
        found
            .iter()
            .any(|(s, t)| *s == State::Fail && t.contains("`d`.`t3`: it has 3 columns instead of 2, it adds w")),
        "{found:?}"
    );
    assert!(both.into_result().unwrap_err().message().contains("Please set same table structure"));
    let found = said(
        &checked(&[shard(&one, "s1", "optimistic"), shard(&other, "s2", "optimistic")]).await,
        &format!("optimistic {name}"),
    );
    assert!(found.iter().any(|(_, text)| text.contains("column `v` is varchar(30) and varchar(20)")), "{found:?}");
    let mut silent = shard(&one, "s1", "pessimistic");
    silent.ignore_checking_items = vec!["auto_increment_ID".into()];
    assert!(said(&checked(&[silent.clone()]).await, name).is_empty());
    silent.ignore_checking_items = vec!["schema_of_shard_tables".into()];
    assert!(said(&checked(&[silent]).await, name).is_empty());
    // A task that has begun: its shards may differ.
    target.exec("CREATE DATABASE dm_meta; CREATE TABLE dm_meta.t_syncer_checkpoint (a INT); INSERT INTO dm_meta.t_syncer_checkpoint VALUES (1)").await;
    let both = checked(&[shard(&one, "s1", "pessimistic"), shard(&other, "s2", "pessimistic")]).await;
    assert!(said(&both, name).is_empty());
}

/// Rights of PUBLIC and of mandatory roles are in no grant of the user.
#[tokio::test]
async fn rights_that_no_grant_shows_are_tried() {
    let (maria, mysql, target) = (Server::of(Release::Mariadb118, &[]), servers::mysql(), servers::mariadb());
    let dir = tempfile::tempdir().unwrap();
    for server in [&maria, &mysql] {
        server
            .exec("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY); CREATE USER 'u'@'%' IDENTIFIED BY 'pw'")
            .await;
        let mut config = subtask(server, &target, dir.path(), TaskMode::Full);
        (config.from.user, config.from.password.0) = ("u".into(), "pw".into());
        let rights = "SELECT, RELOAD, REPLICATION CLIENT, REPLICATION SLAVE";
        if server.kind == servers::Kind::Mariadb {
            server.exec("GRANT SELECT ON d.* TO PUBLIC; GRANT REPLICATION SLAVE ON *.* TO PUBLIC").await;
            config.mode = TaskMode::All;
        } else {
            let granted = format!(
                "CREATE ROLE r; GRANT {rights} ON *.* TO r; SET GLOBAL mandatory_roles = 'r'; SET GLOBAL activate_all_roles_on_login = 1"
            );
            server.exec(&granted).await;
        }
        let report = checked(&[config.clone()]).await;
        let found = said(&report, "source db dump privilege checker");
        if server.kind == servers::Kind::Mariadb {
            assert_eq!(found.len(), 1, "{found:?}");
            assert!(!found[0].1.contains("SELECT") && found[0].1.contains("RELOAD"), "{found:?}");
            let found = said(&report, "source db replication privilege checker");
            assert!(found.len() == 1 && !found[0].1.contains("REPLICATION SLAVE"), "{found:?}");
            server.exec("REVOKE REPLICATION SLAVE ON *.* FROM PUBLIC").await;
            let found = said(&checked(&[config]).await, "source db replication privilege checker");
            assert!(found.len() == 1 && found[0].1.contains("REPLICATION SLAVE"), "{found:?}");
            continue;
        } else {
            assert!(found.is_empty(), "{found:?}");
        }
    }
}

#[tokio::test]
async fn rights_on_the_schemas_that_are_written_are_enough() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    let dir = tempfile::tempdir().unwrap();
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY)").await;
    target.exec("CREATE USER 'w'@'%' IDENTIFIED BY 'pw'; GRANT ALL ON d.* TO 'w'@'%'").await;
    let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
    (config.to.user, config.to.password.0) = ("w".into(), "pw".into());
    let name = "target db privilege checker";
    assert!(said(&checked(&[config.clone()]).await, name)[0].1.contains("lack of CREATE"));
    target.exec("GRANT ALL ON `dm\\_meta`.* TO 'w'@'%'").await;
    assert_eq!(said(&checked(&[config.clone()]).await, name), []);
    // Nothing is there where a long row could be tried.
    source.exec("CREATE TABLE d.wide (a VARCHAR(1000) CHARACTER SET latin1 PRIMARY KEY)").await;
    let found = said(&checked(&[config.clone()]).await, STRUCTURE);
    let untried =
        |text: &str| text.contains("`d`.`wide`") && text.contains("can't be tried with a temporary table (no schema");
    assert!(found.iter().any(|(s, text)| *s == State::Warn && untried(text)), "{found:?}");
    target.exec("CREATE DATABASE d").await;
    assert_eq!(said(&checked(&[config.clone()]).await, STRUCTURE), []);
    // The target's own word on a schema where nothing is granted.
    config.block_allow_list.do_dbs = vec!["e".into()];
    source.exec("CREATE DATABASE e; CREATE TABLE e.t (a INT PRIMARY KEY)").await;
    let found = said(&checked(&[config]).await, STRUCTURE);
    assert!(found.iter().any(|(s, text)| *s == State::Fail && text.contains("CREATE command denied")), "{found:?}");
}

/// A dump that can't fit is not begun.
#[tokio::test]
async fn a_disk_that_is_too_small_is_said_before_the_dump() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    source
        .exec(
            "CREATE DATABASE d; USE d; CREATE TABLE d.t (a INT PRIMARY KEY, b LONGTEXT); \
             INSERT INTO d.t SELECT seq, REPEAT('x', 10000) FROM seq_1_to_2000; ANALYZE TABLE d.t",
        )
        .await;
    let dir = std::path::Path::new("/dev/shm");
    let free = dm::units::dump::files::free_space(dir).unwrap();
    assert!(free > 0);
    let needs = |bytes: u64| dm::units::dump::files::enough_space(dir, bytes);
    needs(free / 4).unwrap();
    let error = needs(free * 2).unwrap_err();
    assert!(
        error.message().contains("the dump takes about") && error.workaround_text().contains("free_space"),
        "{error}"
    );
    let home = tempfile::tempdir().unwrap();
    run(UnitType::Dump, &subtask(&source, &target, home.path(), TaskMode::Full), 1).await.unwrap();
}

/// Who waits for a check that takes long sees where it is, and a script reads DM's JSON only.
#[tokio::test]
async fn a_long_check_says_where_it_is() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY)").await;
    let cluster = Cluster::standalone();
    cluster.create_source("src-1", &source, true);
    let yaml = format!(
        "name: slow\ntask-mode: full\ntarget-database: {{host: 127.0.0.1, port: {}, user: root, password: \"{}\"}}\n\
         mysql-instances:\n- {{source-id: src-1, block-allow-list: b}}\nblock-allow-list:\n  b: {{do-dbs: [d]}}\n",
        target.port,
        servers::PASSWORD
    );
    let task = cluster.file("slow.yaml", &yaml);
    let said = cluster.folder.path().join("said");
    source.freeze(true);
    let mut command = cluster.dmctl_command(&cluster.master_addr, &["check-task", &task]);
    let stderr = std::fs::File::create(&said).unwrap();
    let child =
        command.env("DM_SHOW_PROGRESS", "1").stdout(std::process::Stdio::piped()).stderr(stderr).spawn().unwrap();
    wait::until("the check's place", std::time::Duration::from_secs(60), || async {
        let text = std::fs::read_to_string(&said).unwrap();
        if text.contains("checking for ") && text.contains("src-1: connecting") { Ok(()) } else { Err(text) }
    })
    .await;
    source.freeze(false);
    let out = child.wait_with_output().unwrap();
    let reply = String::from_utf8(out.stdout).unwrap();
    assert!(out.status.success() && reply.starts_with('{') && reply.contains("\"result\": true"), "{reply}");
    assert!(!reply.contains("checking for"), "{reply}");
}
