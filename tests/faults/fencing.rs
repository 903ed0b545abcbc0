//! What a former owner sent before its successor took over, and what arrives after that: nothing of it may be applied.
//! And half-open connections, one link at a time.

use std::time::Duration;

use dm::config::GoDuration;
use mysql_async::prelude::Queryable;
use sha2::{Digest, Sha256};

use crate::{
    support::{
        proxy::{Proxy, Weather},
        servers::{self, Release, Server, free_port},
        wait,
    },
    units_sync::{Running, TABLES, subtask, until_equal},
};

const MODES: [&str; 2] = ["", "STRICT_TRANS_TABLES,STRICT_ALL_TABLES,NO_ZERO_DATE,ERROR_FOR_DIVISION_BY_ZERO"];

/// The worst moment to be stopped: the packet of a batch is on its way, wholly sent and not yet there. It arrives when the
/// successor has applied the same rows; keyless tables show whether it took effect.
async fn a_batch_in_flight_is_fenced(target: Server) {
    let source = servers::mariadb();
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    for (round, mode) in MODES.into_iter().enumerate() {
        let late = Proxy::start(free_port(), target.port);
        let mut config = subtask(&source, &target, true);
        config.name = format!("fence{round}");
        config.to.session.insert("sql_mode".into(), mode.into());
        let mut first_config = config.clone();
        first_config.to.port = late.port;
        let first = Running::start(&first_config, 1).started(&target).await;
        source.exec(&format!("INSERT INTO d.keyless (a, b) VALUES ({round}, 'before')")).await;
        until_equal(&source, &target, &["d"], &first).await;
        late.set(Weather::Stalled);
        let rows: Vec<String> = (0..40).map(|i| format!("({i}, 'in flight {round}')")).collect();
        source.exec(&format!("INSERT INTO d.keyless (a, b) VALUES {}", rows.join(", "))).await;
        source.exec(&format!("REPLACE INTO d.keyed VALUES ({round}, 'in flight', 1), (7, 'x', {round})")).await;
        late.holds_bytes().await;
        let second = Running::start(&config, 2);
        until_equal(&source, &target, &["d"], &second).await;
        late.set(Weather::Fair);
        let ended = tokio::time::timeout(Duration::from_secs(60), first.error()).await;
        let error = ended.expect("the former owner goes on");
        assert!(error.message().contains("now belongs to"), "{:?} {mode}: {error}", target.kind);
        source.exec(&format!("INSERT INTO d.keyless (a, b) VALUES ({round}, 'after')")).await;
        until_equal(&source, &target, &["d"], &second).await;
        second.stop().await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_batch_that_arrives_after_its_owner_was_replaced_is_refused() {
    a_batch_in_flight_is_fenced(servers::mariadb()).await;
    a_batch_in_flight_is_fenced(servers::mysql()).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn tidb_refuses_a_batch_that_arrives_after_its_owner_was_replaced() {
    a_batch_in_flight_is_fenced(Server::of(Release::Tidb, &[])).await;
}

/// Each link is a black hole for a moment, or is deaf: what was sent took effect and no answer comes. The peers never hear
/// of the end of these connections. The run notices, and goes on exactly.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn half_open_connections_are_noticed() {
    let (source, target) = (servers::mysql(), servers::mariadb());
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let links = [Proxy::start(free_port(), source.port), Proxy::start(free_port(), target.port)];
    let mut config = subtask(&source, &target, true);
    config.name = "half".into();
    (config.from.port, config.to.port) = (links[0].port, links[1].port);
    config.from.read_timeout = Some(GoDuration::from_secs(2));
    config.to.read_timeout = Some(GoDuration::from_secs(2));
    for (round, (link, weather)) in
        [(0, Weather::BlackHole), (0, Weather::Deaf), (1, Weather::BlackHole), (1, Weather::Deaf)]
            .into_iter()
            .enumerate()
    {
        let running = Running::start(&config, 1 + round as u64).started(&target).await;
        source.exec(&format!("INSERT INTO d.keyless (a, b) VALUES ({round}, 'before')")).await;
        until_equal(&source, &target, &["d"], &running).await;
        links[link].set(weather);
        let rows = format!(
            "INSERT INTO d.keyless (a, b) VALUES ({round}, 'x'), ({round}, 'x'); UPDATE d.keyless SET a = a + 1"
        );
        source.exec(&rows).await;
        source.exec("ALTER TABLE d.keyed ADD COLUMN c INT; ALTER TABLE d.keyed DROP COLUMN c").await;
        let _ = tokio::time::timeout(Duration::from_millis(500), std::future::pending::<()>()).await;
        links[link].set(Weather::Fair);
        until_equal(&source, &target, &["d"], &running).await;
        running.stop().await.unwrap();
    }
}

const DDL_ENDS: Duration = Duration::from_secs(45);

/// What the target runs for the task right now, without the idle.
const WORKING: &str = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE 'ALTER TABLE%keyed%'";

/// The link to the target becomes a black hole while a statement runs there: it ends, nobody hears of it, and its session
/// keeps the lock for DDL. The run that goes on, or its successor, doesn't wait for the target to end that session.
async fn a_statement_in_a_black_hole(target: Server, successor: bool) {
    let source = servers::mariadb();
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let link = Proxy::start(free_port(), target.port);
    let mut config = subtask(&source, &target, true);
    config.to.port = link.port;
    config.to.read_timeout = Some(GoDuration::from_secs(2));
    let mut running = Running::start(&config, 1).started(&target).await;
    let mut reader = target.conn().await;
    reader.query_drop("BEGIN; SELECT COUNT(*) FROM d.keyed").await.unwrap();
    source.exec("ALTER TABLE d.keyed ADD COLUMN c INT; INSERT INTO d.keyed VALUES (1, 'a', 1, 1)").await;
    wait::until("the statement runs", Duration::from_secs(20), || async {
        let working = target.text(WORKING).await;
        if working == "1" { Ok(()) } else { Err(working) }
    })
    .await;
    link.set(Weather::BlackHole);
    reader.query_drop("ROLLBACK").await.unwrap();
    wait::until("the statement ended", Duration::from_secs(20), || async {
        let working = target.text(WORKING).await;
        if working == "0" { Ok(()) } else { Err(working) }
    })
    .await;
    let begun = std::time::Instant::now();
    if successor {
        running.kill().await;
        link.set(Weather::Fair);
        running = Running::start(&config, 2);
    } else {
        link.set(Weather::Fair);
    }
    source.exec("ALTER TABLE d.keyed ADD COLUMN e INT; INSERT INTO d.keyed VALUES (2, 'a', 1, 1, 2)").await;
    until_equal(&source, &target, &["d"], &running).await;
    let took = begun.elapsed();
    assert!(took < DDL_ENDS, "{:?}, successor {successor}: {took:?}", target.kind);
    eprintln!("{:?}, successor {successor}: {took:?}", target.kind);
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_open_session_does_not_keep_the_lock_for_ddl() {
    let waits = [(servers::mysql(), false), (servers::mariadb(), true)];
    let all = waits.map(|(target, successor)| tokio::spawn(a_statement_in_a_black_hole(target, successor)));
    for one in all {
        one.await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-tidb"]
async fn tidb_does_not_keep_the_lock_of_a_half_open_session() {
    a_statement_in_a_black_hole(Server::of(Release::Tidb, &[]), true).await;
}

/// The newest owner's session looks idle between two statements: a former owner that wants the lock doesn't end it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_former_owner_ends_nobody() {
    let (source, target) = (servers::mysql(), servers::mysql());
    source.exec(TABLES).await;
    target.exec(TABLES).await;
    let config = subtask(&source, &target, true);
    let former = Running::start(&config, 1).started(&target).await;
    Running::start(&config, 2).at_epoch(&target, 2).await.kill().await;
    let name = Sha256::digest(b"`dm_meta`.`t_ddl_intent`\0s1");
    let name: String = name.iter().take(16).map(|byte| format!("{byte:02x}")).collect();
    let mut newest = target.conn().await;
    let locked: Option<u8> = newest.query_first(format!("SELECT GET_LOCK('dm-ddl-{name}', 0)")).await.unwrap();
    assert_eq!(locked, Some(1));
    let begun = std::time::Instant::now();
    source.exec("ALTER TABLE d.keyed ADD COLUMN c INT").await;
    let error = tokio::time::timeout(Duration::from_secs(30), former.error()).await.expect("the former owner goes on");
    assert!(error.message().contains("now belongs to"), "{error}");
    assert!(begun.elapsed() > Duration::from_millis(1900), "it did not come to wait for the lock");
    let alive: Option<u8> = newest.query_first("SELECT 1").await.unwrap();
    assert_eq!(alive, Some(1));
    // One that is no older may.
    let running = Running::start(&config, 3);
    until_equal(&source, &target, &["d"], &running).await;
    newest.query_drop("SELECT 1").await.unwrap_err();
    running.stop().await.unwrap();
}
