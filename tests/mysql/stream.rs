//! The replication connection on real servers.

use std::time::Duration;

use dm::{
    config::{Flavor, Secret, Security},
    error::{Code, Scope},
    mysql::{
        BinlogPosition, ConnectOptions, Gtid, GtidSet, ServerInfo, Value,
        binlog::{BinlogStream, EventBody, RowsKind, StartPoint, StreamOptions},
        connect,
        server::{purged_gtids, show_binary_logs},
    },
};

use super::{end_of_binlog, events_until, flavor, open};
use crate::support::servers::{Kind, Server, mariadb, mysql};

/// What a stream says, one word an event.
fn words(events: &[dm::mysql::binlog::Event]) -> Vec<String> {
    let word = |body: &EventBody| match body {
        EventBody::Rotate { name, fake, .. } => format!("{}rotate {name}", if *fake { "fake-" } else { "" }),
        EventBody::FormatDescription(_) => "format".into(),
        EventBody::PreviousGtids(_) | EventBody::GtidList(_) => "previous".into(),
        EventBody::Gtid(gtid) => format!("gtid {}", gtid.gtid.as_ref().map(Gtid::to_string).unwrap_or_default()),
        EventBody::Query(query) => query.text().unwrap().to_owned(),
        EventBody::TableMap(map) => format!("map {}.{}", map.schema, map.table),
        EventBody::Rows(rows) => format!("{:?} {}", rows.kind, rows.rows().count()),
        EventBody::Xid(_) => "xid".into(),
        EventBody::TransactionPayload => "payload".into(),
        EventBody::RowsQuery(_) => "text".into(),
        EventBody::Unknown { ignorable: true } => "ignorable".into(),
        other => format!("{other:?}"),
    };
    events.iter().map(|event| word(&event.body)).collect()
}

fn gtids(events: &[dm::mysql::binlog::Event]) -> Vec<Gtid> {
    let gtid = |event: &dm::mysql::binlog::Event| match &event.body {
        EventBody::Gtid(begin) => begin.gtid.clone(),
        _ => None,
    };
    events.iter().filter_map(gtid).collect()
}

#[tokio::test]
async fn a_stream_goes_over_files_and_resumes_at_every_transaction() {
    for server in [mysql(), mariadb()] {
        server.exec("CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY, v INT)").await;
        let start = end_of_binlog(&server).await;
        let before = start.gtid_set.clone().unwrap();
        for i in 0..3 {
            let rows = format!("INSERT INTO a.t VALUES ({i}, 1), ({}, 2)", i + 10);
            server
                .exec(&format!("BEGIN; {rows}; UPDATE a.t SET v = 3 WHERE id = {i}; COMMIT; FLUSH BINARY LOGS"))
                .await;
        }
        server.exec("ALTER TABLE a.t ADD w INT").await;
        let end = end_of_binlog(&server).await;
        let events = events_until(&server, StartPoint::Position(start.position.clone()), &end.position).await;
        let story = words(&events);
        assert!(story[0].starts_with("fake-rotate") && story[1] == "format", "{story:?}");
        assert_eq!(story.iter().filter(|w| w.starts_with("rotate")).count(), 3, "{story:?}");
        assert_eq!(story.iter().filter(|w| *w == "xid").count(), 3);
        assert_eq!(story.iter().filter(|w| *w == "Insert 2").count(), 3);
        assert_eq!(story.iter().filter(|w| *w == "Update 1").count(), 3);
        assert!(story.iter().any(|w| w.contains("ADD w INT")));
        let mut set = before.clone();
        let all = gtids(&events);
        assert_eq!(all.len(), 4, "{story:?}");
        all.iter().for_each(|gtid| set.add(gtid).unwrap());
        assert_eq!(Some(&set), end.gtid_set.as_ref());

        // By GTID the same transactions come, whatever was executed before.
        let mut executed = before;
        for (done, gtid) in all.iter().enumerate() {
            let rest = events_until(&server, StartPoint::Gtid(executed.clone()), &end.position).await;
            assert_eq!(gtids(&rest), all[done..], "{:?} from {executed}", server.kind);
            assert!(!executed.contains(gtid));
            executed.add(gtid).unwrap();
        }
        // And by position, from the end of each transaction.
        let mut file = start.position.name.clone();
        for event in &events {
            match &event.body {
                EventBody::Rotate { name, .. } => file = name.clone(),
                EventBody::Xid(_) => {
                    let from = StartPoint::Position(BinlogPosition::new(&file, event.end));
                    let rest = gtids(&events_until(&server, from, &end.position).await);
                    assert!(rest.len() < all.len() && all.ends_with(&rest));
                }
                _ => {}
            }
        }
    }
}

#[tokio::test]
async fn an_idle_source_sends_heartbeats_with_its_position() {
    for server in [mysql(), mariadb()] {
        let end = end_of_binlog(&server).await.position;
        let options = StreamOptions { heartbeat_period: Duration::from_millis(100), ..Default::default() };
        let start = StartPoint::Position(end.clone());
        let mut stream = BinlogStream::open(&server.db_config(), 9, flavor(&server), start, options).await.unwrap();
        loop {
            let event = tokio::time::timeout(Duration::from_secs(10), stream.next()).await.unwrap().unwrap();
            if let EventBody::Heartbeat { name, pos } = event.body {
                assert_eq!(BinlogPosition::new(name, pos), end);
                assert_eq!(stream.position(), &end);
                break;
            }
        }
    }
}

#[tokio::test]
async fn compressed_transactions_unfold() {
    let mysql = Server::start(Kind::Mysql, &["--binlog-transaction-compression=ON"]);
    let mariadb = Server::start(Kind::Mariadb, &["--log-bin-compress=1", "--log-bin-compress-min-len=10"]);
    for server in [mysql, mariadb] {
        server.exec("CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY, v TEXT)").await;
        let start = end_of_binlog(&server).await.position;
        let rows: Vec<String> = (0..500).map(|i| format!("({i}, REPEAT('x', {i}))")).collect();
        server.exec(&format!("INSERT INTO a.t VALUES {}", rows.join(","))).await;
        server.exec("UPDATE a.t SET v = REPEAT('y', 1000) WHERE id < 3; DELETE FROM a.t WHERE id < 2").await;
        let end = end_of_binlog(&server).await.position;
        let events = events_until(&server, StartPoint::Position(start), &end).await;
        let mut seen = (0, 0, 0);
        for event in &events {
            let EventBody::Rows(rows) = &event.body else { continue };
            for change in rows.rows().map(Result::unwrap) {
                let row = change.after.as_ref().or(change.before.as_ref()).unwrap();
                let (Value::Int(id), Value::Bytes(text)) = (&row.values[0], &row.values[1]) else { panic!() };
                match rows.kind {
                    RowsKind::Insert => {
                        seen.0 += 1;
                        assert!(text.len() == *id as usize && text.iter().all(|b| *b == b'x'));
                    }
                    RowsKind::Update => seen.1 += usize::from(text.len() == 1000),
                    RowsKind::Delete => seen.2 += usize::from(text.len() == 1000),
                }
            }
        }
        assert_eq!(seen, (500, 3, 2), "{:?}", server.kind);
        let payloads = words(&events).iter().filter(|w| *w == "payload").count();
        assert_eq!(payloads > 0, server.kind == Kind::Mysql);
        assert_eq!(events.last().unwrap().end, end.pos);
    }
}

#[tokio::test]
async fn tagged_gtids_are_read_and_sent_back() {
    let server = mysql();
    server.exec("CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY)").await;
    let start = end_of_binlog(&server).await;
    server.exec("SET gtid_next = 'AUTOMATIC:shop_1'; INSERT INTO a.t VALUES (1); INSERT INTO a.t VALUES (2)").await;
    server.exec("INSERT INTO a.t VALUES (3); FLUSH BINARY LOGS").await;
    let end = end_of_binlog(&server).await;
    let events = events_until(&server, StartPoint::Gtid(start.gtid_set.clone().unwrap()), &end.position).await;
    let all = gtids(&events);
    assert_eq!(all.len(), 3);
    assert!(all[0].to_string().ends_with(":shop_1:1") && all[1].to_string().ends_with(":shop_1:2"), "{all:?}");
    let mut set = start.gtid_set.unwrap();
    all[..1].iter().for_each(|gtid| set.add(gtid).unwrap());
    let rest = events_until(&server, StartPoint::Gtid(set.clone()), &end.position).await;
    assert_eq!(gtids(&rest), all[1..]);
    all.iter().for_each(|gtid| set.add(gtid).unwrap());
    assert_eq!(Some(&set), end.gtid_set.as_ref());
    let previous = rest.iter().rev().find_map(|event| match &event.body {
        EventBody::PreviousGtids(set) => Some(set.clone()),
        _ => None,
    });
    assert_eq!(previous, Some(set));
}

#[tokio::test]
async fn what_the_source_no_longer_has_is_said_in_its_words() {
    for server in [mysql(), mariadb()] {
        server.exec("CREATE DATABASE a; FLUSH BINARY LOGS; CREATE DATABASE b; FLUSH BINARY LOGS").await;
        let mut conn = server.conn().await;
        let info = ServerInfo::detect(&mut conn, Scope::Upstream).await.unwrap();
        let files = show_binary_logs(&mut conn).await.unwrap();
        assert!(files.len() >= 3 && files.iter().all(|f| f.size > 0));
        let last = files.last().unwrap().name.clone();
        server.purge_up_to(&last).await;
        let purged = purged_gtids(&mut conn, &info).await.unwrap();
        assert_eq!(purged.is_some_and(|set| !set.is_empty()), server.kind == Kind::Mysql);

        let gone = StartPoint::Position(BinlogPosition::new(&files[0].name, 4));
        let error = open(&server, gone).await.next().await.unwrap_err();
        assert_eq!((error.code(), error.scope_of()), (Code::SyncerGetEvent, Scope::Upstream));
        assert!(error.raw_cause().starts_with("Error 1236 (HY000): "), "{error}");
        if server.kind == Kind::Mysql {
            let text = "Could not find first log file name in binary log index file";
            assert!(error.raw_cause().contains(text), "{error}");
            let empty = StartPoint::Gtid(GtidSet::empty(Flavor::Mysql));
            let error = open(&server, empty).await.next().await.unwrap_err();
            assert!(error.raw_cause().contains("purged"), "{error}");
        }
    }
}

#[tokio::test]
async fn a_dead_source_is_an_invalid_connection_and_a_refusing_one_a_driver_error() {
    for mut server in [mysql(), mariadb()] {
        let start = StartPoint::Position(end_of_binlog(&server).await.position);
        let mut cfg = server.db_config();
        cfg.password = Secret("wrong".into());
        let kind = flavor(&server);
        let refused = BinlogStream::open(&cfg, 9, kind, start.clone(), StreamOptions::default()).await.err().unwrap();
        assert_eq!(refused.code(), Code::DBDriverError);
        assert!(refused.raw_cause().starts_with("Error 1045 (28000): Access denied"), "{refused}");
        let mut stream = open(&server, start.clone()).await;
        server.kill();
        let error = loop {
            if let Err(error) = stream.next().await {
                break error;
            }
        };
        assert_eq!((error.code(), error.raw_cause()), (Code::SyncerGetEvent, "invalid connection"));
        let cfg = server.db_config();
        let gone = BinlogStream::open(&cfg, 9, kind, start, StreamOptions::default()).await.err().unwrap();
        assert_eq!(gone.raw_cause(), format!("dial tcp 127.0.0.1:{}: connect: connection refused", cfg.port));
    }
}

#[tokio::test]
async fn every_login_plugin_and_tls_work_for_the_stream() {
    let server = mysql();
    server
        .exec(
            "CREATE USER fast@'%' IDENTIFIED WITH caching_sha2_password BY 'p w\u{e4}';\
             CREATE USER sha@'%' IDENTIFIED WITH sha256_password BY 'secret';\
             CREATE USER none@'%' IDENTIFIED BY '';\
             GRANT REPLICATION SLAVE, REPLICATION CLIENT ON *.* TO fast@'%', sha@'%', none@'%'",
        )
        .await;
    let start = StartPoint::Position(end_of_binlog(&server).await.position);
    let folder = server.text("SELECT @@datadir").await;
    let read = |name: &str| std::fs::read(std::path::Path::new(&folder).join(name)).unwrap();
    // The server's own certificate names no host, so only a client without a CA takes it.
    let with_key = Security {
        ssl_cert_bytes: read("client-cert.pem"),
        ssl_key_bytes: read("client-key.pem"),
        ..Default::default()
    };
    let with_ca = Security { ssl_ca_bytes: read("ca.pem"), ..Default::default() };
    for (user, password) in [("fast", "p w\u{e4}"), ("fast", "p w\u{e4}"), ("sha", "secret"), ("none", "")] {
        let mut cfg = server.db_config();
        (cfg.user, cfg.password) = (user.into(), Secret(password.into()));
        for security in [None, Some(with_key.clone())] {
            cfg.security = security;
            let options = StreamOptions::default();
            let mut stream = BinlogStream::open(&cfg, 9, Flavor::Mysql, start.clone(), options).await.unwrap();
            stream.next().await.unwrap();
        }
    }
    server.exec("ALTER USER fast@'%' REQUIRE X509").await;
    let mut cfg = server.db_config();
    (cfg.user, cfg.password) = ("fast".into(), Secret("p w\u{e4}".into()));
    for (security, expected) in [(None, "Error 1045 (28000)"), (Some(with_ca), "tls: "), (Some(with_key), "")] {
        cfg.security = security;
        let opened = BinlogStream::open(&cfg, 9, Flavor::Mysql, start.clone(), StreamOptions::default()).await;
        let cause = opened.err().map(|error| error.raw_cause().to_owned()).unwrap_or_default();
        assert!(cause.starts_with(expected) && cause.is_empty() == expected.is_empty(), "{cause}");
        let plain = connect(&cfg, Scope::Upstream, ConnectOptions::default()).await;
        assert_eq!(plain.is_ok(), expected.is_empty(), "{:?}", plain.err());
    }
    let server = mariadb();
    server.exec("CREATE USER n@'%' IDENTIFIED VIA mysql_native_password USING PASSWORD('x'); GRANT REPLICATION SLAVE ON *.* TO n@'%'").await;
    let mut cfg = server.db_config();
    (cfg.user, cfg.password) = ("n".into(), Secret("x".into()));
    let start = StartPoint::Position(end_of_binlog(&server).await.position);
    let mut stream = BinlogStream::open(&cfg, 9, Flavor::Mariadb, start, StreamOptions::default()).await.unwrap();
    stream.next().await.unwrap();
}

#[tokio::test]
async fn events_beyond_16_mib_and_without_checksums() {
    let mysql = Server::start(Kind::Mysql, &["--binlog-checksum=NONE", "--max-allowed-packet=128M"]);
    let mariadb = Server::start(Kind::Mariadb, &["--binlog-checksum=NONE", "--max-allowed-packet=128M"]);
    for server in [mysql, mariadb] {
        server.exec("CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY, v LONGBLOB)").await;
        let start = end_of_binlog(&server).await.position;
        server.exec("INSERT INTO a.t VALUES (1, REPEAT('z', 40000000)), (2, 'small')").await;
        let end = end_of_binlog(&server).await.position;
        let events = events_until(&server, StartPoint::Position(start), &end).await;
        let lengths: Vec<usize> = events
            .iter()
            .filter_map(|event| match &event.body {
                EventBody::Rows(rows) => Some(rows.clone()),
                _ => None,
            })
            .flat_map(|rows| rows.rows().map(Result::unwrap).collect::<Vec<_>>())
            .map(|change| match &change.after.unwrap().values[1] {
                Value::Bytes(bytes) => bytes.len(),
                _ => 0,
            })
            .collect();
        assert_eq!(lengths, [40_000_000, 5]);
    }
}
