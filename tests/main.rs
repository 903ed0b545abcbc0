//! The integration tests: real servers, real processes. One binary, because linking dominates.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod binlog;
mod cases;
mod charsets;
mod checking;
mod cluster;
mod collations;
mod combining;
mod copied_dates;
mod dumping;
mod exits;
mod expression;
mod failpoints;
mod faults;
mod first_rows;
mod folding;
mod held_locks;
mod http_api;
mod ill_formed;
mod large_transactions;
mod load_data;
mod many_tables;
mod memory_limit;
mod middle;
mod mysql;
mod newer_snapshot;
mod nodes;
mod objects;
mod older_meta;
mod online;
mod operate;
mod pages;
mod periods;
mod recovery;
mod replication;
mod schema;
mod secrets;
mod splitting;
mod stream;
mod structures;
mod support;
mod swapped;
mod tidb_compare;
mod tidb_table_info;
mod tidb_vectors;
mod tidy;
mod units_load;
mod units_sync;

#[tokio::test]
async fn every_release_starts_survives_a_kill_and_writes_a_row_binlog() {
    for release in support::release::Release::ALL {
        let mut server = support::servers::Server::of(release, &[]);
        server.exec("CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY) ENGINE=InnoDB").await;
        server.crash();
        assert_eq!(server.text("SELECT COUNT(*) FROM a.t").await, "0");
        let version =
            server.text("SELECT CONCAT(IF(VERSION() LIKE '%MariaDB%', 'MariaDB ', 'MySQL '), VERSION())").await;
        assert!(version.starts_with(release.title()), "{version} instead of {}", release.title());
        assert_eq!(
            server.text("SELECT CONCAT(@@global.log_bin + 0, @@binlog_format, @@binlog_row_image)").await,
            "1ROWFULL"
        );
    }
}
