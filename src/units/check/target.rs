//! The checks of the target: privileges and connection numbers; and the collations that it knows.

use std::collections::BTreeSet;

use mysql_async::{Conn, prelude::Queryable};

use super::{
    report::Outcome,
    source::read_grants,
    tables::{rows, text},
};
use crate::{
    config::SubtaskConfig,
    error::{Result, Scope},
    schema::{
        ServerInfo,
        collation::{Catalog, CollationPolicy},
        model::quote_name,
    },
    units::link,
};

/// What a task needs of its target user (`target_privilege`), on everything or on each schema that it writes.
const NEEDED: [&str; 8] = ["CREATE", "SELECT", "INSERT", "UPDATE", "DELETE", "ALTER", "INDEX", "DROP"];

/// The target under check.
pub struct Target<'a> {
    config: &'a SubtaskConfig,
    conn: Conn,
    server: ServerInfo,
    address: String,
}

impl<'a> Target<'a> {
    /// Connects and asks for the version.
    pub async fn connect(config: &'a SubtaskConfig) -> Result<Target<'a>> {
        let mut conn = link::connect(&config.to, &[], Scope::Downstream).await?;
        let version = rows(&mut conn, Scope::Downstream, "SELECT VERSION()").await?;
        let version = version.first().map(|row| text(row, 0)).unwrap_or_default();
        let address = format!("address of db instance - {}:{}", config.to.host, config.to.port);
        Ok(Target { config, conn, server: ServerInfo::parse(&version).unwrap_or_default(), address })
    }

    /// `target_privilege`. `schemas`: those that are written, beside the meta schema.
    pub async fn check_privilege(&mut self, schemas: &BTreeSet<String>) -> Result<Outcome> {
        let mut out =
            Outcome::new("target db privilege checker", "check privileges of target DB", self.address.clone());
        let grants = read_grants(&mut self.conn, &self.server, Scope::Downstream).await?;
        let everywhere = |privilege: &str| {
            let mut of_task = schemas.iter().chain([&self.config.meta_schema]);
            grants.global(&[privilege]) || (!schemas.is_empty() && of_task.all(|s| grants.on_schema(&[privilege], s)))
        };
        let missing: Vec<&str> = NEEDED.into_iter().filter(|privilege| !everywhere(privilege)).collect();
        if !missing.is_empty() {
            let list = missing.join(", ");
            out.warn(
                format!("lack of {list} global (*.*) privileges"),
                format!("GRANT {list} ON *.* TO '{}'@'%';", self.config.to.user),
            );
        }
        Ok(out)
    }

    /// `conn_number` of the load: all sources' pools together.
    pub async fn check_connections(&mut self, needed: usize) -> Result<Outcome> {
        let mut out = Outcome::new(
            "loader_conn_number_checker",
            "check if connetion concurrency exceeds database's maximum connection limit",
            self.address.clone(),
        );
        connections(&mut self.conn, Scope::Downstream, needed, "pool-size", &mut out).await?;
        Ok(out)
    }

    /// The task has begun before: its shards may differ by now, as their DDL meets.
    pub async fn has_checkpoint(&mut self) -> bool {
        let table = format!("{}_syncer_checkpoint", self.config.name);
        let sql = format!("SELECT 1 FROM {}.{} LIMIT 1", quote_name(&self.config.meta_schema), quote_name(&table));
        self.conn.query_first::<u8, _>(sql).await.is_ok_and(|row| row.is_some())
    }

    /// What stands on the target for the source's collations. Error 20003 when the task names one that it lacks.
    pub async fn collations(&mut self) -> Result<CollationPolicy> {
        CollationPolicy::of_task(Catalog::fetch(&mut self.conn, Scope::Downstream).await?, self.config)
    }
}

/// Whether a server has this many connections to give.
pub async fn connections(conn: &mut Conn, scope: Scope, needed: usize, setting: &str, out: &mut Outcome) -> Result<()> {
    let limit = rows(conn, scope, "SELECT @@GLOBAL.max_connections").await?;
    let limit: usize = limit.first().and_then(|row| text(row, 0).parse().ok()).unwrap_or(0);
    // TiDB: 0 is no limit.
    if limit == 0 {
        return Ok(());
    }
    if needed > limit {
        out.fail(
            format!("database's max_connections: {limit} is smaller than the {needed} connections that the task needs"),
            format!("Please raise max_connections, or lower {setting} in the task's configuration."),
        );
        return Ok(());
    }
    let used: Option<(String, String)> =
        conn.query_first("SHOW GLOBAL STATUS LIKE 'Threads_connected'").await.ok().flatten();
    let used: usize = used.and_then(|(_, n)| n.parse().ok()).unwrap_or(0);
    if used + needed > limit {
        out.warn(
            format!("database's max_connections: {limit}, used: {used}, needed by the task: {needed}"),
            format!("Please raise max_connections, or lower {setting} in the task's configuration."),
        );
    }
    Ok(())
}
