//! Opening connections, and what users read when it fails.

use std::time::Duration;

use dm::{
    error::{Code, Scope},
    mysql::{ConnectOptions, connect, db_error, is_connection_lost, server_errno},
};
use mysql_async::prelude::Queryable;

use crate::support::servers::{free_port, mariadb, mysql};

#[tokio::test]
async fn session_variables_are_set_whatever_they_hold() {
    for server in [mysql(), mariadb()] {
        let mut cfg = server.db_config();
        cfg.session.insert("sql_mode".into(), "ANSI_QUOTES,NO_BACKSLASH_ESCAPES".into());
        cfg.session.insert("time_zone".into(), "'+03:00'".into());
        cfg.session.insert("wait_timeout".into(), "4321".into());
        cfg.session.insert("@note".into(), "it's a \\ back-slash".into());
        let options = ConnectOptions::default().with_session("time_zone", "+00:00");
        let mut conn = connect(&cfg, Scope::Downstream, options).await.unwrap();
        let row: Option<(String, String, u64, String, String)> = conn
            .query_first("SELECT @@sql_mode, @@time_zone, @@wait_timeout, @note, @@character_set_client")
            .await
            .unwrap();
        let (mode, zone, timeout, note, charset) = row.unwrap();
        assert!(mode.contains("ANSI_QUOTES") && mode.contains("NO_BACKSLASH_ESCAPES"), "{mode}");
        assert_eq!((zone.as_str(), timeout, note.as_str()), ("+00:00", 4321, "it's a \\ back-slash"));
        assert_eq!(charset, "utf8mb4");
        cfg.session.insert("no_such_variable".into(), "1".into());
        let error = connect(&cfg, Scope::Downstream, ConnectOptions::default()).await.unwrap_err();
        assert_eq!(error.code(), Code::DBDriverError);
        assert!(error.raw_cause().starts_with("Error 1193 (HY000): Unknown system variable"), "{error}");
    }
}

#[tokio::test]
async fn several_statements_in_one_query_stop_at_the_first_that_fails() {
    for server in [mysql(), mariadb()] {
        server.exec("CREATE DATABASE a; CREATE TABLE a.t (id INT PRIMARY KEY)").await;
        let mut conn = connect(&server.db_config(), Scope::Downstream, ConnectOptions::default()).await.unwrap();
        let sql = "BEGIN; INSERT INTO a.t VALUES (1); INSERT INTO a.t VALUES (1); INSERT INTO a.t VALUES (2); COMMIT";
        let error = conn.query_drop(sql).await.unwrap_err();
        assert_eq!(server_errno(&error), Some(1062));
        // The connection stays usable, and the transaction open: nothing behind the failure ran.
        conn.query_drop("ROLLBACK").await.unwrap();
        conn.query_drop("BEGIN; INSERT INTO a.t VALUES (3); COMMIT").await.unwrap();
        let rows: Vec<u32> = conn.query("SELECT id FROM a.t").await.unwrap();
        assert_eq!(rows, [3]);
    }
}

#[tokio::test]
async fn a_refused_login_names_address_user_and_cause() {
    let server = mysql();
    let mut cfg = server.db_config();
    cfg.password = dm::config::Secret("wrong secret".into());
    let error = connect(&cfg, Scope::Upstream, ConnectOptions::default()).await.unwrap_err();
    assert_eq!((error.code(), error.scope_of()), (Code::DBDriverError, Scope::Upstream));
    assert!(error.raw_cause().starts_with("Error 1045 (28000): Access denied for user 'root'@"), "{error}");
    assert!(error.message().contains(&format!("127.0.0.1:{} as user 'root'", server.port)), "{error}");
    assert!(!error.to_string().contains("wrong secret"));
}

#[tokio::test]
async fn an_unreachable_server_names_the_reason() {
    let server = mysql();
    let mut cfg = server.db_config();
    cfg.port = free_port();
    let error = connect(&cfg, Scope::Upstream, ConnectOptions::default()).await.unwrap_err();
    assert_eq!(error.raw_cause(), format!("dial tcp 127.0.0.1:{}: connect: connection refused", cfg.port));
    cfg.host = "no-such-host.invalid".into();
    let error = connect(&cfg, Scope::Upstream, ConnectOptions::default()).await.unwrap_err();
    assert_eq!(error.raw_cause(), "dial tcp: lookup no-such-host.invalid: no such host");
    let cfg = server.db_config();
    server.freeze(true);
    let options = ConnectOptions { connect_timeout: Duration::from_millis(200), ..Default::default() };
    let error = connect(&cfg, Scope::Upstream, options).await.unwrap_err();
    server.freeze(false);
    assert_eq!(error.raw_cause(), format!("dial tcp 127.0.0.1:{}: i/o timeout", server.port));
}

#[tokio::test]
async fn a_killed_connection_is_an_invalid_one() {
    for mut server in [mysql(), mariadb()] {
        let mut conn = connect(&server.db_config(), Scope::Downstream, ConnectOptions::default()).await.unwrap();
        server.kill();
        let error = conn.query_drop("SELECT 1").await.unwrap_err();
        assert!(is_connection_lost(&error), "{error:?}");
        let error = db_error(error, Code::DBQueryFailed, Scope::Downstream);
        assert_eq!((error.code(), error.raw_cause()), (Code::DBInvalidConn, "invalid connection"));
    }
}
