//! What a former owner sent before its successor took over, and what arrives after that: nothing of it may be applied.
//! And half-open connections, one link at a time.

use std::time::Duration;

use dm::config::GoDuration;

use crate::{
    support::{
        proxy::{Proxy, Weather},
        servers::{self, Release, Server, free_port},
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
