//! Asking a source: who it is when it is created, where its binlog stands when an incremental task has no start point.

use std::{future::Future, time::Duration};

use mysql_async::{Conn, OptsBuilder, Row, prelude::Queryable};
use rand::Rng;

use crate::{
    config::{DbConfig, Flavor, Meta, SourceConfig},
    error::{Code, DmError, Result, Scope},
};

/// How long a source may take to answer.
const LIMIT: Duration = Duration::from_secs(30);

/// Random server ids start here; there are `SERVER_ID_SPAN` of them.
const SERVER_ID_BASE: u32 = 429_496_729;
const SERVER_ID_SPAN: u32 = 100_000;
const SERVER_ID_TRIES: usize = 5;

/// Connects, fills in an empty flavor and a zero server id, and checks what must hold at once
/// (10001 when it can't be reached, 26007 when GTIDs are wanted and off).
pub async fn complete(source: &mut SourceConfig) -> Result<()> {
    let db = source.db();
    in_time(&db, async {
        let mut conn = connect(&db).await?;
        let version: String = first(&mut conn, &db, "SELECT @@version").await?.unwrap_or_default();
        if source.flavor.is_empty() {
            source.flavor = if version.to_lowercase().contains("mariadb") { "mariadb" } else { "mysql" }.to_owned();
        }
        if source.server_id == 0 {
            source.server_id = free_server_id(&replica_ids(&mut conn, &db).await?);
        }
        if source.enable_gtid && source.flavor() == Some(Flavor::Mysql) {
            let mode: String = first(&mut conn, &db, "SELECT @@gtid_mode").await?.unwrap_or_default();
            if mode != "ON" {
                return Err(DmError::new(Code::SourceCheckGTID)
                    .msg(format!("source {} has enable-gtid, but its gtid_mode is {mode}", source.source_id)));
            }
        }
        let _ = conn.disconnect().await;
        Ok(())
    })
    .await
}

/// Where the source's binlog ends now.
pub async fn position(source: &SourceConfig) -> Result<Meta> {
    let db = source.db();
    in_time(&db, async {
        let mut conn = connect(&db).await?;
        let status = match conn.query_first::<Row, _>("SHOW BINARY LOG STATUS").await {
            Ok(row) => row,
            // The statement's name before MySQL 8.2, and in MariaDB.
            Err(mysql_async::Error::Server(_)) => {
                conn.query_first("SHOW MASTER STATUS").await.map_err(|e| refused(&db, &e))?
            }
            Err(e) => return Err(refused(&db, &e)),
        };
        let row = status.ok_or_else(|| {
            DmError::new(Code::NoMasterStatus).msg(format!("source {} has no binlog position", source.source_id))
        })?;
        let mut meta = Meta {
            binlog_name: row.get(0).unwrap_or_default(),
            binlog_pos: row.get(1).unwrap_or_default(),
            binlog_gtid: row.get::<Option<String>, _>(4).flatten().unwrap_or_default().replace('\n', ""),
        };
        if source.flavor() == Some(Flavor::Mariadb) {
            meta.binlog_gtid = first(&mut conn, &db, "SELECT @@gtid_binlog_pos").await?.unwrap_or_default();
        }
        let _ = conn.disconnect().await;
        Ok(meta)
    })
    .await
}

async fn in_time<T>(db: &DbConfig, work: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(LIMIT, work).await {
        Ok(result) => result,
        Err(_) => Err(driver_error(db, &format!("dial tcp {}:{}: i/o timeout", db.host, db.port))),
    }
}

async fn connect(db: &DbConfig) -> Result<Conn> {
    let options = OptsBuilder::default()
        .ip_or_hostname(db.host.clone())
        .tcp_port(db.port)
        .user(Some(db.user.clone()))
        .pass(Some(db.password.0.clone()))
        .prefer_socket(false);
    Conn::new(options).await.map_err(|e| refused(db, &e))
}

async fn first(conn: &mut Conn, db: &DbConfig, sql: &str) -> Result<Option<String>> {
    let value: Option<Option<String>> = conn.query_first(sql).await.map_err(|e| refused(db, &e))?;
    Ok(value.flatten())
}

/// Server ids in use: the source's own and those of its replicas.
async fn replica_ids(conn: &mut Conn, db: &DbConfig) -> Result<Vec<u32>> {
    let own: Option<u32> = conn.query_first("SELECT @@server_id").await.map_err(|e| refused(db, &e))?;
    let mut ids: Vec<u32> = own.into_iter().collect();
    for sql in ["SHOW REPLICAS", "SHOW SLAVE HOSTS"] {
        // An account without REPLICATION SLAVE may not ask; the precheck says so, the id stays a guess.
        if let Ok(rows) = conn.query::<Row, _>(sql).await {
            ids.extend(rows.iter().filter_map(|row| row.get::<u32, _>(0)));
            break;
        }
    }
    Ok(ids)
}

fn free_server_id(used: &[u32]) -> u32 {
    let mut id = 0;
    for _ in 0..SERVER_ID_TRIES {
        id = SERVER_ID_BASE + rand::rng().random_range(0..SERVER_ID_SPAN);
        if !used.contains(&id) {
            break;
        }
    }
    id
}

fn refused(db: &DbConfig, error: &mysql_async::Error) -> DmError {
    use mysql_async::{Error, IoError};
    match error {
        Error::Server(e) => driver_error(db, &format!("Error {} ({}): {}", e.code, e.state, e.message)),
        Error::Io(IoError::Io(e)) => {
            let reason = match e.kind() {
                std::io::ErrorKind::ConnectionRefused => "connect: connection refused".to_owned(),
                _ => e.to_string(),
            };
            driver_error(db, &format!("dial tcp {}:{}: {reason}", db.host, db.port))
        }
        other => driver_error(db, &other.to_string()),
    }
}

fn driver_error(db: &DbConfig, cause: &str) -> DmError {
    DmError::new(Code::DBDriverError).msg("database driver error").scope(Scope::Upstream).cause(cause).workaround(format!(
        "Please check the database connection and the database config in configuration file (host {}, port {}, user {}).",
        db.host, db.port, db.user
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn random_server_ids_stay_in_their_range() {
        for _ in 0..100 {
            let id = free_server_id(&[SERVER_ID_BASE]);
            assert!((SERVER_ID_BASE..SERVER_ID_BASE + SERVER_ID_SPAN).contains(&id));
        }
    }

    #[tokio::test]
    async fn nobody_listening_is_a_driver_error_of_the_source() {
        let mut source = SourceConfig::from_yaml(
            "source-id: s1\nfrom:\n  host: 127.0.0.1\n  port: 1\n  user: root\n  password: verysecret\n",
        )
        .unwrap();
        let text = complete(&mut source).await.unwrap_err().to_string();
        assert!(text.starts_with(
            "[code=10001:class=database:scope=upstream:level=high], Message: database driver error, \
             RawCause: dial tcp 127.0.0.1:1: connect: connection refused, Workaround: Please check"
        ));
        assert!(text.contains("user root") && !text.contains("verysecret"), "{text}");
    }
}
