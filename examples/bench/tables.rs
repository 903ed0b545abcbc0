//! Structures of many tables, read from information_schema into the tracker: time, memory and queries.

use std::{process, time::Instant};

use dm::schema::{ServerInfo, Tracker, load};
use mysql_async::prelude::Queryable;

use crate::support::{
    process::{cpu_seconds, resident_memory},
    servers::{Release, Server},
    wait::until,
};

/// Tables are spread over so many schemas.
const SCHEMAS: u64 = 20;

/// 20 columns and four keys, as in the bench of the DDL grammar.
const COLUMNS: &str = "(id bigint unsigned NOT NULL AUTO_INCREMENT, customer_id bigint unsigned NOT NULL, \
    status varchar(32) NOT NULL DEFAULT 'new', currency char(3) NOT NULL DEFAULT 'EUR', \
    amount decimal(12,2) NOT NULL DEFAULT '0.00', tax decimal(12,2), shipping decimal(12,2), note text, \
    email varchar(255) COMMENT 'where the bill goes', phone varchar(40), street varchar(120), city varchar(80), \
    zip varchar(12), country char(2), is_paid tinyint NOT NULL DEFAULT '0', weight double, attributes json, \
    created_at datetime NOT NULL DEFAULT CURRENT_TIMESTAMP, updated_at timestamp NULL, deleted_at datetime(6), \
    PRIMARY KEY (id), UNIQUE KEY by_email (email), KEY by_customer (customer_id, created_at), KEY by_city (city)) \
    DEFAULT CHARSET=utf8mb4";

pub async fn measure(tables: u64, json: bool) {
    for release in [Release::Mariadb1011, Release::Mysql97] {
        let server =
            Server::of(release, &["--skip-log-bin", "--innodb-flush-log-at-trx-commit=0", "--table-open-cache=400"]);
        create(&server, tables).await;
        one(release, &server, tables, json).await;
    }
}

async fn create(server: &Server, tables: u64) {
    eprintln!("creating {tables} tables ...");
    let mut workers = Vec::new();
    for part in 0..2 {
        let opts = server.opts();
        workers.push(tokio::spawn(async move {
            let mut conn = mysql_async::Conn::new(opts).await.unwrap();
            for schema in (0..SCHEMAS).filter(|schema| schema % 2 == part) {
                conn.query_drop(format!("CREATE DATABASE many_{schema:02}")).await.unwrap();
                for table in 0..tables / SCHEMAS {
                    conn.query_drop(format!("CREATE TABLE many_{schema:02}.orders_{table:05} {COLUMNS}"))
                        .await
                        .unwrap();
                }
            }
            conn.disconnect().await.unwrap();
        }));
    }
    for worker in workers {
        worker.await.unwrap();
    }
}

async fn one(release: Release, server: &Server, tables: u64, json: bool) {
    // A server that is still writing pages would be measured too.
    until("the server answers", std::time::Duration::from_secs(60), || async {
        if server.text("SELECT 1").await == "1" { Ok(()) } else { Err(String::new()) }
    })
    .await;
    let schemas: Vec<String> = (0..SCHEMAS).map(|schema| format!("many_{schema:02}")).collect();
    let mut conn = server.conn().await;
    let info = ServerInfo::parse(&server.text("SELECT VERSION()").await).unwrap_or_default();
    let questions = questions(&mut conn).await;
    let (memory, cpu, started) = (resident_memory(process::id()), cpu_seconds(process::id()), Instant::now());
    let mut tracker = Tracker::new(info, 0);
    for table in load::bulk(&mut conn, None, &schemas, &|_, _| true).await.unwrap().tables {
        tracker.put(table);
    }
    let (seconds, cpu) = (started.elapsed().as_secs_f64(), cpu_seconds(process::id()) - cpu);
    let grown = resident_memory(process::id()) - memory;
    let queries = self::questions(&mut conn).await - questions - 1;
    assert_eq!(tracker.tables().count() as u64, tables / SCHEMAS * SCHEMAS);
    let started = Instant::now();
    let snapshot = tracker.clone();
    let snapshot_micros = started.elapsed().as_secs_f64() * 1e6;
    drop(snapshot);
    if json {
        println!(
            "{{\"server\": \"{release:?}\", \"tables\": {tables}, \"seconds\": {seconds:.2}, \"cpu_seconds\": {cpu:.2}, \
             \"memory_mib\": {grown:.1}, \"queries\": {queries}, \"snapshot_micros\": {snapshot_micros:.1}}}"
        );
    } else {
        println!(
            "{:12} {tables} tables of 20 columns: {seconds:>6.1} s (ours {cpu:.1} s of CPU), memory +{grown:.0} MiB, {queries} \
             queries; a snapshot takes {snapshot_micros:.0} µs",
            format!("{release:?}")
        );
    }
}

/// Statements of this session so far.
async fn questions(conn: &mut mysql_async::Conn) -> u64 {
    let row: Option<(String, String)> = conn.query_first("SHOW SESSION STATUS LIKE 'Questions'").await.unwrap();
    row.unwrap().1.parse().unwrap()
}
