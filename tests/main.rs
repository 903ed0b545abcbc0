//! The integration tests: real servers, real processes. One binary, because linking dominates.
#![allow(clippy::unwrap_used, clippy::print_stderr)]

mod cases;
mod faults;
mod mysql;
mod nodes;
mod recovery;
mod schema;
mod support;
mod tidy;
mod units_load;
mod units_sync;

#[tokio::test]
async fn servers_of_both_kinds_start_and_answer() {
    for mut server in [support::servers::mariadb(), support::servers::mysql()] {
        server.exec("CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY)").await;
        server.crash();
        assert_eq!(server.text("SELECT COUNT(*) FROM a.t").await, "0");
    }
}
