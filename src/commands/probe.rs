//! Asking a source: who it is when it is created, where its binlog stands when an incremental task has no start point.

use std::{future::Future, time::Duration};

use mysql_async::{Conn, Row, prelude::Queryable};
use rand::Rng;

use crate::{
    config::{Flavor, Meta, SourceConfig},
    error::{Code, DmError, Result, Scope},
    mysql::{self, ConnectOptions, ServerInfo, server::variable},
};

/// How long a source may take for all its answers.
const LIMIT: Duration = Duration::from_secs(60);

/// Random server ids start here; there are `SERVER_ID_SPAN` of them.
const SERVER_ID_BASE: u32 = 429_496_729;
const SERVER_ID_SPAN: u32 = 100_000;
const SERVER_ID_TRIES: usize = 5;

/// Connects, fills in an empty flavor and a zero server id, and checks what must hold at once
/// (10001 when it can't be reached, 26007 when GTIDs are wanted and off).
pub async fn complete(source: &mut SourceConfig) -> Result<()> {
    let id = source.source_id.clone();
    in_time(&id, ask(source)).await
}

async fn ask(source: &mut SourceConfig) -> Result<()> {
    let (mut conn, info) = connect(source).await?;
    if source.flavor.is_empty() {
        source.flavor = if info.flavor == Flavor::Mariadb { "mariadb" } else { "mysql" }.to_owned();
    }
    if source.server_id == 0 {
        source.server_id = free_server_id(&replica_ids(&mut conn).await?);
    }
    if source.enable_gtid && info.flavor == Flavor::Mysql {
        let mode = variable(&mut conn, Scope::Upstream, "gtid_mode").await?.unwrap_or_default();
        if !mode.eq_ignore_ascii_case("ON") {
            return Err(DmError::new(Code::SourceCheckGTID)
                .msg(format!("source {} has enable-gtid, but its gtid_mode is {mode:?}", source.source_id))
                .workaround(
                    "Please set gtid_mode to ON on the source, or enable-gtid to false in its configuration.",
                ));
        }
    }
    let _ = conn.disconnect().await;
    Ok(())
}

/// Where the source's binlog ends now.
pub async fn position(source: &SourceConfig) -> Result<Meta> {
    in_time(&source.source_id, read_position(source)).await
}

async fn in_time<T>(source: &str, work: impl Future<Output = Result<T>>) -> Result<T> {
    tokio::time::timeout(LIMIT, work).await.unwrap_or_else(|_| {
        Err(DmError::new(Code::DBDriverError)
            .scope(Scope::Upstream)
            .msg(format!("database driver error: source {source} did not answer within {} s", LIMIT.as_secs()))
            .cause("i/o timeout"))
    })
}

async fn read_position(source: &SourceConfig) -> Result<Meta> {
    let (mut conn, info) = connect(source).await?;
    let end = mysql::show_master_status(&mut conn, &info).await?;
    let _ = conn.disconnect().await;
    Ok(Meta {
        binlog_name: end.position.name,
        binlog_pos: u32::try_from(end.position.pos).unwrap_or(u32::MAX),
        binlog_gtid: end.gtid_set.map(|set| set.to_string()).unwrap_or_default(),
    })
}

async fn connect(source: &SourceConfig) -> Result<(Conn, ServerInfo)> {
    let mut conn = mysql::connect(&source.db(), Scope::Upstream, ConnectOptions::default()).await?;
    let info = ServerInfo::detect(&mut conn, Scope::Upstream).await?;
    Ok((conn, info))
}

/// Server ids in use: the source's own and those of its replicas.
async fn replica_ids(conn: &mut Conn) -> Result<Vec<u32>> {
    let own = variable(conn, Scope::Upstream, "server_id").await?;
    let mut ids: Vec<u32> = own.and_then(|id| id.parse().ok()).into_iter().collect();
    for sql in ["SHOW REPLICAS", "SHOW SLAVE HOSTS"] {
        // An account without REPLICATION SLAVE may not ask; the precheck says so, the id stays a guess.
        if let Ok(rows) = conn.query::<Row, _>(sql).await {
            ids.extend(rows.iter().filter_map(|row| row.get_opt::<u32, _>(0)?.ok()));
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
        assert!(
            text.starts_with("[code=10001:class=database:scope=upstream:level=high], Message: database driver error")
        );
        assert!(text.contains("RawCause: dial tcp 127.0.0.1:1: connect: connection refused"), "{text}");
        assert!(text.contains("root") && !text.contains("verysecret"), "{text}");
    }
}
