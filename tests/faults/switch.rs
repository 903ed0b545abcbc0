//! The source behind one address changes while the task runs, and another replica takes the task's server id.

use std::time::Duration;

use dm::config::GoDuration;

use crate::{
    support::{
        proxy::{Proxy, Weather},
        servers::{self, Kind, Server, free_port},
        wait,
    },
    units_sync::{Running, TABLES, subtask, until_equal},
};

/// Some transactions from number `from` on; every one says which server made it.
async fn traffic(server: &Server, from: u32, transactions: u32) {
    let mut all = String::from("USE d;");
    for n in from..from + transactions {
        all.push_str(&format!(
            "BEGIN; INSERT INTO keyless (a, b) VALUES ({n}, @@server_id), (1, 'x'); REPLACE INTO keyed VALUES ({}, @@server_id, {n}); \
             UPDATE keyless SET b = 'u' WHERE a = {n} - 3; COMMIT;",
            n % 7
        ));
        if n % 40 == 0 {
            all.push_str(&format!("ALTER TABLE uniq COMMENT 'number {n}';"));
        }
    }
    server.exec(&all).await;
}

/// From a server to its replica, whose binlog has the same transactions in other files, while the task is behind and
/// traffic goes on: the running task notices nothing but a broken connection.
async fn an_address_moves(kind: Kind) {
    // The replica has the server id that the task has, too: MariaDB ends the stream of whoever came first.
    let (first, second) = (Server::start(kind, &[]), Server::start(kind, &["--server-id=4242"]));
    let target = servers::mariadb();
    second
        .exec("SET sql_log_bin = 0; CREATE DATABASE own; SET sql_log_bin = 1; FLUSH BINARY LOGS; FLUSH BINARY LOGS")
        .await;
    first.exec(TABLES).await;
    target.exec(TABLES).await;
    let address = Proxy::start(free_port(), first.port);
    let mut config = subtask(&first, &target, true);
    config.from.port = address.port;
    config.from.read_timeout = Some(GoDuration::from_secs(3));
    let running = Running::start(&config, 1).started(&target).await;
    traffic(&first, 100, 20).await;
    until_equal(&first, &target, &["d"], &running).await;
    second.follows(&first).await;
    traffic(&first, 200, 100).await;
    second.catches_up_with(&first).await;
    until_equal(&first, &target, &["d"], &running).await;

    address.set(Weather::Throttled(20_000));
    traffic(&first, 400, 200).await;
    second.catches_up_with(&first).await;
    address.move_to(second.port);
    address.set(Weather::Fair);
    traffic(&second, 700, 100).await;
    until_equal(&second, &target, &["d"], &running).await;
    let made = target.text("SELECT COUNT(DISTINCT v) FROM d.keyed WHERE v IN ('4242')").await;
    assert_eq!(made, "1", "nothing of the second server arrived");
    running.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_source_behind_an_address_is_replaced_under_traffic() {
    let all = [Kind::Mysql, Kind::Mariadb].map(|kind| tokio::spawn(an_address_moves(kind)));
    for one in all {
        one.await.unwrap();
    }
}

/// Two tasks, or a task and a replica, that use one server id: the source ends the stream of the one that came first.
/// That one takes another id and goes on, so that they don't end each other's streams for ever.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_taken_server_id_is_given_up() {
    for source in [servers::mysql(), servers::mariadb()] {
        let target = servers::mariadb();
        source.exec(TABLES).await;
        target.exec(TABLES).await;
        let config = subtask(&source, &target, true);
        let mut other = config.clone();
        other.name = "other".into();
        let first = Running::start(&config, 1).started(&target).await;
        traffic(&source, 100, 5).await;
        until_equal(&source, &target, &["d"], &first).await;
        let streams = "SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";
        let second = servers::mariadb();
        second.exec(TABLES).await;
        other.to = second.db_config();
        let other = Running::start(&other, 1).started(&second).await;
        wait::until("both read", Duration::from_secs(30), || async {
            let found = source.text(streams).await;
            if found == "2" { Ok(()) } else { Err(found) }
        })
        .await;
        traffic(&source, 200, 5).await;
        until_equal(&source, &target, &["d"], &first).await;
        let arrived = "SELECT COUNT(*) FROM d.keyless WHERE a >= 200";
        wait::until("the other task's rows", Duration::from_secs(30), || async {
            let found = second.text(arrived).await;
            if found == "5" { Ok(()) } else { Err(found) }
        })
        .await;
        let ids = source.text(streams).await;
        assert_eq!(ids, "2", "one of them lost its stream again");
        first.stop().await.unwrap();
        other.stop().await.unwrap();
    }
}
