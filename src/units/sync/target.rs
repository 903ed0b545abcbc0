//! The target database as the sync unit uses it: sessions, facts, errors.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use mysql_async::{Conn, Error as MysqlError, prelude::Queryable};

use super::{lane_number, location::shorten};
use crate::{
    config::{SubtaskConfig, subtask::SyncerConfig},
    error::{Code, DmError, Scope},
    mysql::{ConnectOptions, connect},
    schema::{
        ServerInfo,
        collation::{Catalog, CollationPolicy},
        model::TableId,
    },
    units::{link, session},
};

/// Seconds after which the target ends an idle session of ours. A worker that was stopped inside a transaction (its
/// packet failed half way, and it never came to roll back) holds its lane's row no longer than this.
const WAIT_TIMEOUT: u32 = 120;

/// A packet's SQL stays below this, whatever the target allows.
const MAX_PACKET: usize = 16 << 20;

/// Facts about the target and how to open a session. Cheap to clone.
#[derive(Clone)]
pub struct Target(Arc<Inner>);

struct Inner {
    config: Arc<SubtaskConfig>,
    session: BTreeMap<String, String>,
    tidb: bool,
    dialect: ServerInfo,
    max_packet: usize,
    foreign_keys: bool,
    collations: Arc<CollationPolicy>,
    /// How long the shortest answer takes.
    distance: Duration,
    /// Sessions it allows in all; 0 for no limit.
    connections: u64,
    folds_names: bool,
}

impl Target {
    /// Connects once to learn what kind of server it is.
    pub async fn probe(config: Arc<SubtaskConfig>, source_sql_mode: Option<String>) -> Result<Target, DmError> {
        let mut conn = link::connect(&config.to, &[], Scope::Downstream).await?;
        let sql = "SELECT VERSION(), @@max_allowed_packet, @@max_connections, @@lower_case_table_names";
        let row: Option<(String, u64, u64, u8)> =
            conn.query_first(sql).await.map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, sql, &e))?;
        let (version, packet, connections, names) = row.unwrap_or_default();
        let distance = link::distance(&mut conn, Scope::Downstream).await?;
        let facts = session::ServerFacts { target_version: version.clone(), source_sql_mode };
        let mut variables = session::target_session(&config, &facts);
        // Timestamps are written in UTC, see `encode`.
        variables.insert("time_zone".into(), "+00:00".into());
        if is_versioning_mariadb(&version) {
            // The source's session said so, or it could not have altered a versioned table; the binlog doesn't tell.
            variables.entry("system_versioning_alter_history".into()).or_insert_with(|| "KEEP".into());
        }
        variables.entry("wait_timeout".into()).or_insert_with(|| WAIT_TIMEOUT.to_string());
        let foreign_keys =
            variables.get("foreign_key_checks").is_some_and(|value| value != "0" && !value.eq_ignore_ascii_case("off"));
        let catalog = Catalog::fetch(&mut conn, Scope::Downstream).await?;
        let collations = CollationPolicy::of_task(catalog, &config)?;
        let _ = conn.disconnect().await;
        let given = config.to.max_allowed_packet.and_then(|v| u64::try_from(v).ok()).filter(|v| *v > 0);
        let allowed = usize::try_from(given.map_or(packet, |g| g.min(packet))).unwrap_or(MAX_PACKET);
        Ok(Target(Arc::new(Inner {
            session: variables,
            tidb: version.to_ascii_lowercase().contains("tidb"),
            dialect: ServerInfo::parse(&version).unwrap_or_default(),
            max_packet: allowed.clamp(1 << 14, MAX_PACKET),
            foreign_keys,
            collations: Arc::new(collations),
            distance,
            connections,
            folds_names: names > 0,
            config,
        })))
    }

    /// A new session with the task's variables, counting found rows (not changed ones) as affected.
    pub async fn connect(&self) -> Result<Conn, DmError> {
        let session = self.0.session.clone();
        let options = ConnectOptions { session, found_rows: true, ..ConnectOptions::default() };
        connect(&self.0.config.to, Scope::Downstream, options).await.map_err(link::unreachable)
    }

    /// The same for a lane's transactions: the server gives up waiting for a table's lock before we give up waiting for the
    /// server, so that the transaction is rolled back and lets go of the lane's row, whoever is there to hear of it.
    pub async fn connect_lane(&self) -> Result<Conn, DmError> {
        let mut session = self.0.session.clone();
        if !self.0.tidb {
            let seconds = (self.answer_limit().as_secs() * 4 / 5).max(1);
            session.entry("lock_wait_timeout".into()).or_insert_with(|| seconds.to_string());
        }
        let options = ConnectOptions { session, found_rows: true, ..ConnectOptions::default() };
        connect(&self.0.config.to, Scope::Downstream, options).await.map_err(link::unreachable)
    }

    /// How long an answer is waited for.
    pub fn answer_limit(&self) -> Duration {
        self.0.config.to.answer_limit()
    }

    /// Lanes that a run should have, when the last had `stored`.
    pub fn lanes(&self, config: &SyncerConfig, stored: Option<i32>) -> i32 {
        lane_number::wanted(config, self.0.distance, self.0.connections, stored)
    }

    /// Whether names of schemas and tables that differ by case only are one (`lower_case_table_names` of 1 or 2; TiDB).
    pub fn folds_names(&self) -> bool {
        self.0.folds_names
    }

    /// The task's name.
    pub fn task(&self) -> &str {
        &self.0.config.name
    }

    /// The schema of the task's tables on the target, and the task's name.
    pub fn meta(&self) -> TableId {
        TableId::new(&self.0.config.meta_schema, &self.0.config.name)
    }

    /// What stands on the target for the source's collations.
    pub fn collations(&self) -> &Arc<CollationPolicy> {
        &self.0.collations
    }

    /// The session's own sql_mode.
    pub fn sql_mode(&self) -> &str {
        self.0.session.get("sql_mode").map_or("", String::as_str)
    }

    /// The largest SQL text of one packet; half of what the server allows, for estimates are rough.
    pub fn packet_limit(&self) -> usize {
        self.0.max_packet / 2
    }

    /// Foreign keys are checked, so children and parents must keep their order.
    pub fn checks_foreign_keys(&self) -> bool {
        self.0.foreign_keys
    }

    /// MariaDB gives some names of MySQL's to things of its own.
    pub fn is_mariadb(&self) -> bool {
        self.0.dialect.is_mariadb()
    }

    /// Whose DDL it understands.
    pub fn dialect(&self) -> ServerInfo {
        self.0.dialect
    }

    /// The type JSON is there: everywhere but on MySQL 5.6.
    pub fn has_json(&self) -> bool {
        self.0.dialect.is_mariadb() || self.0.dialect.version >= 50_708
    }

    /// Whether it shows locks in performance_schema (MySQL from 8.0.1 on), not in information_schema.
    pub fn has_lock_tables(&self) -> bool {
        !self.0.dialect.is_mariadb() && self.0.dialect.version >= 80_001
    }

    /// TiDB has no engines and no processlist of the statement's text in full.
    pub fn is_tidb(&self) -> bool {
        self.0.tidb
    }

    /// A failed statement. `what` must not hold row values.
    pub fn exec_error(&self, what: &str, error: &MysqlError) -> DmError {
        link::failed(Code::DBExecuteFailed, Scope::Downstream, &shorten(what), error)
    }

    /// A failed query.
    pub fn query_error(&self, what: &str, error: &MysqlError) -> DmError {
        link::failed(Code::DBQueryFailed, Scope::Downstream, &shorten(what), error)
    }

    /// An answer that makes no sense.
    pub fn unexpected(&self, what: &str) -> DmError {
        DmError::new(Code::DBUnExpect)
            .scope(Scope::Downstream)
            .msg(format!("the target's answer was not understood: {what}"))
    }
}

/// MariaDB 10.3.4 and later.
fn is_versioning_mariadb(version: &str) -> bool {
    ServerInfo::parse(version).is_some_and(|server| server.is_mariadb() && server.version >= 100_304)
}

/// Server errors after which the same statements may be sent again (errors.md 3).
pub fn is_retryable(errno: u16, message: &str) -> bool {
    match errno {
        1213 | 8005 | 8022 | 8027 | 8028 | 8245 | 9001 | 9003 | 9004 | 9007 => true,
        1105 => {
            let text = message.to_ascii_lowercase();
            text.contains("information schema is out of date") || text.contains("information schema is changed")
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_may_succeed_again_is_repeated() {
        assert!(is_retryable(1213, ""));
        assert!(is_retryable(1105, "Information schema is out of date."));
        assert!(!is_retryable(1105, "other"));
        for errno in [1205, 9002, 8020, 1317, 1062] {
            assert!(!is_retryable(errno, ""));
        }
    }
}
