//! One consistent snapshot across several connections, and the binlog position it stands at.

use std::time::Duration;

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{metadata::DumpLocation, options::Consistency, plan::TablePlan};
use crate::{
    config::subtask::DbConfig,
    error::{Code, DmError, Result, Scope},
    mysql::RowConn,
    schema::{ServerInfo, model::quote_name},
    units::link,
};

/// Connections that all see the same data.
pub struct Snapshot {
    pub readers: Vec<RowConn>,
    /// Empty name: the source has no binlog.
    pub location: DumpLocation,
    /// Where the binlog stood when the last reader had its snapshot; differs only without a lock.
    pub exit: Option<DumpLocation>,
    pub newer_command: bool,
}

/// Session variables of a connection that dumps. A dump may read one table for hours and writes to a disk meanwhile.
fn session(server: &ServerInfo) -> Vec<(String, String)> {
    let mut out = vec![
        ("sql_mode", ""),
        ("time_zone", "+00:00"),
        ("net_write_timeout", "3600"),
        ("wait_timeout", "86400"),
        // Others wait behind a pending lock, so it gives up early.
        ("lock_wait_timeout", "20"),
    ];
    if server.is_mariadb() {
        out.push(("max_statement_time", "0"));
    } else if server.version >= 50_708 {
        out.push(("max_execution_time", "0"));
    }
    out.into_iter().map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// A connection for reading structures and for locking.
pub async fn control(db: &DbConfig) -> Result<(Conn, ServerInfo)> {
    let mut conn = link::connect(db, &[], Scope::Upstream).await?;
    let version: Option<String> =
        conn.query_first("SELECT VERSION()").await.map_err(|e| query(&e, "SELECT VERSION()"))?;
    let server = version.as_deref().and_then(ServerInfo::parse).unwrap_or_default();
    drop(conn);
    Ok((another(db, &server).await?, server))
}

/// One more of them.
pub async fn another(db: &DbConfig, server: &ServerInfo) -> Result<Conn> {
    link::connect(db, &session(server), Scope::Upstream).await
}

/// Begins a reader's snapshot.
pub const BEGIN: &str = "START TRANSACTION /*!40108 WITH CONSISTENT SNAPSHOT */";

/// Connections that are ready to take a snapshot and to read rows. A server that is silent for `limit` counts as lost.
pub async fn connections(db: &DbConfig, server: &ServerInfo, readers: usize, limit: Duration) -> Result<Vec<RowConn>> {
    let variables = session(server);
    let mut conns = Vec::with_capacity(readers);
    for _ in 0..readers {
        let connected = RowConn::connect(db, Scope::Upstream, &variables, limit).await;
        let mut conn = connected.map_err(link::unreachable)?;
        run(&mut conn, "SET SESSION TRANSACTION ISOLATION LEVEL REPEATABLE READ").await?;
        // Text comes as it is stored (`row` asks for UTF-8 where it wants it), lists of types in full.
        run(&mut conn, "SET character_set_results = NULL, group_concat_max_len = 4294967295").await?;
        conns.push(conn);
    }
    Ok(conns)
}

/// Runs a statement on a reader's connection.
pub async fn run(conn: &mut RowConn, sql: &str) -> Result<()> {
    conn.execute(sql).await.map_err(|e| link::failed(Code::DBExecuteFailed, Scope::Upstream, sql, &e))
}

/// How a snapshot is taken.
#[derive(Clone, Copy, Debug)]
pub struct Readers {
    pub count: usize,
    pub consistency: Consistency,
    /// Of one silence of the source.
    pub limit: Duration,
}

/// Opens the readers first, so that the lock is held only while they start their transactions.
pub async fn take(
    db: &DbConfig,
    control: &mut Conn,
    server: &ServerInfo,
    readers: Readers,
    tables: &[TablePlan],
) -> Result<Snapshot> {
    let mut conns = connections(db, server, readers.count, readers.limit).await?;
    let newer_command = !server.is_mariadb() && server.version >= 80_200;
    let lock = lock(control, server, readers.consistency, tables).await?;
    let taken: Result<_> = async {
        let location = position(control, server, newer_command).await?;
        for conn in &mut conns {
            run(conn, BEGIN).await?;
        }
        let exit = if lock != Lock::None { None } else { Some(position(control, server, newer_command).await?) };
        Ok((location, exit))
    }
    .await;
    match lock {
        Lock::None => {}
        Lock::Tables => execute(control, "UNLOCK TABLES").await?,
        Lock::Stages => execute(control, "BACKUP STAGE END").await?,
    }
    let (location, exit) = taken?;
    let exit = exit.filter(|exit| *exit != location);
    Ok(Snapshot { readers: conns, location, exit, newer_command })
}

/// What holds writers back while the snapshots are begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Lock {
    None,
    Tables,
    /// MariaDB's backup locks: only commits wait, and no statement that runs already is waited for.
    Stages,
}

async fn lock(control: &mut Conn, server: &ServerInfo, consistency: Consistency, tables: &[TablePlan]) -> Result<Lock> {
    let globally = "FLUSH TABLES WITH READ LOCK";
    match consistency {
        Consistency::None => return Ok(Lock::None),
        Consistency::Lock => {
            return lock_tables(control, tables).await.map(|()| Lock::Tables).map_err(|e| refused(&e, None));
        }
        Consistency::Auto if server.is_mariadb() && server.version >= BACKUP_STAGES => {
            if stages(control).await? {
                return Ok(Lock::Stages);
            }
        }
        Consistency::Auto | Consistency::Flush => {}
    }
    let Err(first) = with_retry(control, globally).await else { return Ok(Lock::Tables) };
    // 1045, 1227: not allowed to this user, or to anyone on a managed server.
    if !matches!(link::errno(&first), 1045 | 1227) || consistency == Consistency::Flush {
        return Err(refused(&first, None));
    }
    lock_tables(control, tables).await.map_err(|second| refused(&first, Some(&second)))?;
    Ok(Lock::Tables)
}

/// MariaDB from this version on has BACKUP STAGE.
const BACKUP_STAGES: u32 = 100_401;

/// Blocks commits; false when this user may not, another backup runs, or something holds them up for too long.
async fn stages(control: &mut Conn) -> Result<bool> {
    for stage in ["START", "BLOCK_COMMIT"] {
        let Err(e) = control.query_drop(format!("BACKUP STAGE {stage}")).await else { continue };
        if link::is_broken(&e) {
            return Err(query(&e, "lock the source for a consistent snapshot"));
        }
        tracing::info!(error = %link::cause(&e), "no backup lock, the global read lock is tried");
        if stage != "START" {
            execute(control, "BACKUP STAGE END").await?;
        }
        return Ok(false);
    }
    Ok(true)
}

/// Waits for every transaction that changed one of the tables, so that what is committed is also in the binlog.
async fn lock_tables(control: &mut Conn, tables: &[TablePlan]) -> std::result::Result<(), mysql_async::Error> {
    if tables.is_empty() {
        return Ok(());
    }
    let names: Vec<String> =
        tables.iter().map(|t| format!("{}.{} READ", quote_name(&t.schema), quote_name(&t.table))).collect();
    with_retry(control, &format!("LOCK TABLES {}", names.join(", "))).await
}

/// How long a lock is waited for, in seconds, one time after the other. Short at first: the global lock and a transaction that
/// another one's statement waits for hold each other up, until one of them gives in. Long at last, for long statements.
const PATIENCE: [u64; 8] = [1, 1, 2, 3, 5, 10, 20, 20];

/// Asks for a lock that statements hold off, with a pause for the others between the times.
async fn with_retry(control: &mut Conn, sql: &str) -> std::result::Result<(), mysql_async::Error> {
    let mut last = Ok(());
    for seconds in PATIENCE {
        control.query_drop(format!("SET SESSION lock_wait_timeout = {seconds}")).await?;
        last = control.query_drop(sql).await;
        match &last {
            Err(e) if link::errno(e) == 1205 => {
                tracing::info!(seconds, "statements on the source hold off the lock of the snapshot");
                tokio::time::sleep(Duration::from_secs(seconds.min(3))).await;
            }
            _ => break,
        }
    }
    last
}

fn refused(first: &mysql_async::Error, second: Option<&mysql_async::Error>) -> DmError {
    if link::is_broken(first) || second.is_some_and(link::is_broken) {
        return query(second.unwrap_or(first), "lock the source for a consistent snapshot");
    }
    let also = second.map_or_else(String::new, |e| format!("; LOCK TABLES: {}", link::cause(e)));
    let advice = if link::errno(first) == 1205 {
        "Please let long statements and transactions on the source end (SHOW PROCESSLIST), or set `extra-args: \"--consistency \
         none\"` in the mydumper configuration; then resume the task."
    } else {
        "Please grant the source's user RELOAD (or LOCK TABLES and SELECT on the tables), or set `extra-args: \"--consistency \
         none\"` in the mydumper configuration; then resume the task."
    };
    DmError::new(Code::DumpUnitGlobalLock)
        .msg(format!("the source refused the lock that a consistent dump needs (FLUSH TABLES WITH READ LOCK){also}"))
        .scope(Scope::Upstream)
        .cause(link::cause(first))
        .workaround(advice)
}

/// Where the source's binlog stands.
pub async fn position(conn: &mut Conn, server: &ServerInfo, newer_command: bool) -> Result<DumpLocation> {
    let sql = if newer_command { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let row: Option<Row> = conn.query_first(sql).await.map_err(|e| query(&e, sql))?;
    let Some(row) = row else { return Ok(DumpLocation::default()) };
    let text =
        |row: &Row, at: usize| row.get_opt::<String, _>(at).and_then(std::result::Result::ok).unwrap_or_default();
    let binlog_name = text(&row, 0);
    let binlog_pos = row.get_opt::<u64, _>(1).and_then(std::result::Result::ok).unwrap_or(0);
    let gtid = if server.is_mariadb() {
        let sql = "SELECT @@GLOBAL.gtid_binlog_pos";
        let row: Option<Row> = conn.query_first(sql).await.map_err(|e| query(&e, sql))?;
        row.map(|row| text(&row, 0)).unwrap_or_default()
    } else {
        text(&row, 4)
    };
    Ok(DumpLocation { binlog_name, binlog_pos, gtid: gtid.split_whitespace().collect() })
}

/// Runs a statement on the source.
pub async fn execute(conn: &mut Conn, sql: &str) -> Result<()> {
    conn.query_drop(sql).await.map_err(|e| link::failed(Code::DBExecuteFailed, Scope::Upstream, sql, &e))
}

fn query(e: &mysql_async::Error, what: &str) -> DmError {
    link::failed(Code::DBQueryFailed, Scope::Upstream, what, e)
}
