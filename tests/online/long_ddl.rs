//! A statement that runs long on the target: seen in the status, waited for after a lost connection and a lost worker,
//! never sent twice (a second ADD KEY without a name would be a second key), and left alone where it is there already.

use std::time::Duration;

use mysql_async::{Conn, prelude::Queryable};

use super::{config, equal, structure};
use crate::{
    support::{
        servers::{self, Server},
        wait::until,
    },
    units_sync::Running,
};

const TABLE: &str = "CREATE DATABASE d; CREATE TABLE d.t (id INT PRIMARY KEY, a INT); INSERT INTO d.t VALUES (1,1)";

/// A session that keeps every ALTER of `d`.`t` waiting.
async fn blocker(target: &Server) -> Conn {
    let mut conn = target.conn().await;
    conn.query_drop("LOCK TABLES d.t READ").await.unwrap();
    conn
}

/// The session that waits with the ALTER.
async fn waiting(target: &Server) -> String {
    let sql =
        "SELECT ID FROM information_schema.processlist WHERE INFO LIKE 'ALTER TABLE%' AND STATE LIKE '%metadata lock%'";
    until("the ALTER waits", Duration::from_secs(30), || async {
        match target.text(sql).await {
            none if none.is_empty() => Err("nobody".into()),
            id => Ok(id),
        }
    })
    .await
}

async fn keys(target: &Server) -> String {
    target.text("SELECT COUNT(DISTINCT index_name) FROM information_schema.statistics WHERE table_schema = 'd' AND index_name <> 'PRIMARY'").await
}

#[tokio::test]
async fn a_connection_that_is_killed_and_a_worker_that_dies() {
    for target in [servers::mariadb(), servers::mysql()] {
        let source = servers::mariadb();
        source.exec(TABLE).await;
        target.exec(TABLE).await;
        let config = config(&source, &target, true);
        let mut running = Running::start(&config, 1).started(&target).await;
        source.exec("INSERT INTO d.t VALUES (2, 2)").await;
        equal(&source, &target, &mut running).await;

        let blocks = blocker(&target).await;
        source.exec("ALTER TABLE d.t ADD KEY (a); INSERT INTO d.t VALUES (3, 3)").await;
        let id = waiting(&target).await;
        until("the status tells", Duration::from_secs(30), || async {
            let notes = running.notes();
            if notes.contains("DDL runs on the target for") && notes.contains("ADD KEY") { Ok(()) } else { Err(notes) }
        })
        .await;
        target.exec(&format!("KILL {id}")).await;
        // The next try waits, too.
        until("it is sent again", Duration::from_secs(30), || async {
            let now = waiting(&target).await;
            if now != id { Ok(()) } else { Err(now) }
        })
        .await;
        drop(blocks.disconnect().await);
        equal(&source, &target, &mut running).await;
        assert_eq!(keys(&target).await, "1");
        assert!(!running.notes().contains("DDL runs"), "{}", running.notes());

        // As kill -9: the statement goes on without its worker, whose successor waits for it.
        let blocks = blocker(&target).await;
        source.exec("ALTER TABLE d.t ADD KEY (a, id); INSERT INTO d.t VALUES (4, 4)").await;
        waiting(&target).await;
        running.kill().await;
        let mut running = Running::start(&config, 2);
        drop(blocks.disconnect().await);
        equal(&source, &target, &mut running).await;
        assert_eq!(keys(&target).await, "2");
        running.stop().await.unwrap();
    }
}

/// A pause doesn't wait for the statement; the next start does.
#[tokio::test]
async fn a_stop_in_the_middle() {
    let (source, target) = (servers::mysql(), servers::mariadb());
    source.exec(TABLE).await;
    target.exec(TABLE).await;
    let config = config(&source, &target, false);
    let running = Running::start(&config, 1).started(&target).await;
    let blocks = blocker(&target).await;
    source.exec("ALTER TABLE d.t ADD KEY (a); INSERT INTO d.t VALUES (3, 3)").await;
    waiting(&target).await;
    tokio::time::timeout(Duration::from_secs(40), running.stop()).await.expect("it stops").unwrap();
    let mut running = Running::start(&config, 2);
    drop(blocks.disconnect().await);
    equal(&source, &target, &mut running).await;
    assert_eq!(keys(&target).await, "1");
    running.stop().await.unwrap();
}

/// What is there already is passed over, the rest of the statement isn't; and what only has the same name is an error.
#[tokio::test]
async fn what_the_target_has_already() {
    let (source, target) = (servers::mariadb(), servers::mysql());
    source.exec(TABLE).await;
    target.exec(TABLE).await;
    target.exec("ALTER TABLE d.t ADD c INT, ADD KEY k (a)").await;
    let config = config(&source, &target, true);
    let mut running = Running::start(&config, 1).started(&target).await;
    source.exec("ALTER TABLE d.t ADD c INT, ADD e VARCHAR(7), ADD KEY k (a), ADD KEY l (e)").await;
    source.exec("INSERT INTO d.t VALUES (2, 2, 2, 'two')").await;
    equal(&source, &target, &mut running).await;
    assert_eq!(structure(&source, "d").await, structure(&target, "d").await);
    target.exec("ALTER TABLE d.t ADD f VARCHAR(5)").await;
    source.exec("ALTER TABLE d.t ADD f INT").await;
    let error = running.error().await;
    assert!(error.raw_cause().starts_with("Error 1060"), "{error}");
    target.exec("ALTER TABLE d.t DROP f; CREATE TABLE d.v (id INT)").await;
    let running = Running::start(&config, 2);
    source.exec("CREATE TABLE d.u (id INT PRIMARY KEY); INSERT INTO d.u VALUES (1); RENAME TABLE d.u TO d.v").await;
    let error = running.error().await;
    assert!(error.raw_cause().starts_with("Error 1050"), "another table has the name: {error}");
}

/// TiDB: the session that waits for ADD INDEX is killed. Its job may be cancelled by that (11129, and sent again after a
/// resume) or end by itself; the key is there once.
#[tokio::test]
#[ignore = "tier: make test-tidb"]
async fn tidb_add_index_outlives_its_session() {
    let (source, target) = (servers::mariadb(), Server::of(servers::Release::Tidb, &[]));
    source.exec(TABLE).await;
    target.exec(TABLE).await;
    let mut config = config(&source, &target, true);
    config.syncer.multiple_rows = true;
    let mut running = Running::start(&config, 1).started(&target).await;
    source.exec("INSERT INTO d.t SELECT seq, seq FROM mysql.seq_2_to_60000").await;
    equal(&source, &target, &mut running).await;
    source.exec("ALTER TABLE d.t ADD KEY (a)").await;
    let sql = "SELECT ID FROM information_schema.processlist WHERE INFO LIKE 'ALTER TABLE%' LIMIT 1";
    let id = until("the job runs", Duration::from_secs(60), || async {
        let id = target.text(sql).await;
        if !id.is_empty() || keys(&target).await == "1" { Ok(id) } else { Err("not yet".into()) }
    })
    .await;
    if !id.is_empty() {
        let mut conn = target.conn().await;
        // It may have ended meanwhile.
        let _ = conn.query_drop(format!("KILL TIDB CONNECTION {id}")).await;
    }
    source.exec("INSERT INTO d.t VALUES (100000, 1)").await;
    let mut epoch = 1;
    loop {
        tokio::select! {
            () = super::same(&source, &target) => break,
            error = running.ended() => {
                assert!(error.contains("11129") || error.contains("1317"), "{error}");
                epoch += 1;
                assert!(epoch < 5);
                running = Running::start(&config, epoch);
            }
        }
    }
    assert_eq!(keys(&target).await, "1");
    running.stop().await.unwrap();
}
