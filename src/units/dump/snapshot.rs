//! One consistent snapshot across several connections, and the binlog position it stands at.

use std::time::Duration;

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    lock::{self, Granted},
    metadata::DumpLocation,
    options::Consistency,
    plan::TablePlan,
    untouched,
};
use crate::{
    config::subtask::DbConfig,
    error::{Code, DmError, Result, Scope},
    mysql::RowConn,
    schema::{ServerInfo, model::quote_text},
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
    /// Where no lock is granted, snapshots a few transactions apart do too.
    pub apart: bool,
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
    let newer_command = has_newer_command(server);
    let held = match lock::take(control, server, &readers, tables).await? {
        Granted::Held(held) => held,
        Granted::HeldOff(error) => {
            let keyless = tables.iter().filter(|table| !table.has_key).count();
            tracing::warn!(
                tables_without_a_key = keyless,
                error = error.as_ref().map(link::cause).unwrap_or_default(),
                "statements on the source hold off its lock, or would: snapshots are taken without, and sync begins in safe mode"
            );
            if keyless > 0
                && !server.is_mariadb()
                && let Some(location) = untouched::begin(control, server, &mut conns, tables).await?
            {
                let exit = Some(passed(db, control, server, &location).await?).filter(|exit| *exit != location);
                return Ok(Snapshot { readers: conns, location, exit, newer_command });
            }
            lock::keyless(control, server, tables, error.as_ref()).await?
        }
    };
    let taken: Result<_> = async {
        let mut location = match held.everything {
            true => position(control, server, newer_command).await?,
            // By another connection: FLUSH would end the transaction that holds MySQL 5.6's locks.
            false => settled(&mut another(db, server).await?, server, newer_command).await?,
        };
        for conn in &mut conns {
            run(conn, BEGIN).await?;
        }
        if held.everything {
            return Ok((location, None));
        }
        if let (true, Some(first)) = (server.is_mariadb(), conns.first_mut()) {
            let own = told(first).await?;
            if !own.binlog_name.is_empty() {
                location = DumpLocation { gtid: gtid_of(control, &own).await?.unwrap_or(location.gtid), ..own };
            }
        }
        Ok((location.clone(), Some(passed(db, control, server, &location).await?)))
    }
    .await;
    lock::release(control, server, held.lock).await?;
    let (location, exit) = taken?;
    let exit = exit.filter(|exit| *exit != location);
    Ok(Snapshot { readers: conns, location, exit, newer_command })
}

/// Whether the server says SHOW BINARY LOG STATUS.
pub fn has_newer_command(server: &ServerInfo) -> bool {
    !server.is_mariadb() && server.version >= 80_200
}

/// Where the binlog stands as a snapshot's own transaction sees it; an empty name: this server doesn't tell (MySQL).
pub async fn told(conn: &mut RowConn) -> Result<DumpLocation> {
    let sql = "SHOW STATUS LIKE 'binlog_snapshot_%'";
    let told = conn.rows(sql).await.map_err(|e| query(&e, sql))?;
    let mut at = DumpLocation::default();
    for row in 0..told.rows.len() {
        let (name, value) = (told.text(row, 0), told.text(row, 1));
        match name.to_ascii_lowercase().as_str() {
            "binlog_snapshot_file" => at.binlog_name = value,
            "binlog_snapshot_position" => at.binlog_pos = value.parse().unwrap_or(0),
            _ => {}
        }
    }
    Ok(at)
}

/// MariaDB's GTIDs up to a place; None when it doesn't know.
pub async fn gtid_of(control: &mut Conn, at: &DumpLocation) -> Result<Option<String>> {
    let sql = format!("SELECT BINLOG_GTID_POS({}, {})", quote_text(&at.binlog_name), at.binlog_pos);
    let set: Option<Option<String>> = control.query_first(&sql).await.map_err(|e| query(&e, &sql))?;
    Ok(set.flatten())
}

/// A place of the binlog behind all that snapshots see by now, in files and in GTIDs: MySQL shows a transaction before its GTID counts as
/// executed. Where nothing was written since `location` it is that.
async fn passed(
    db: &DbConfig,
    control: &mut Conn,
    server: &ServerInfo,
    location: &DumpLocation,
) -> Result<DumpLocation> {
    let newer_command = has_newer_command(server);
    let now = position(control, server, newer_command).await?;
    if now == *location || now.binlog_name.is_empty() || server.is_mariadb() {
        return Ok(now);
    }
    let mut other = another(db, server).await?;
    if let Some(file) = new_file(&mut other, server, newer_command).await? {
        return Ok(file);
    }
    tokio::time::sleep(SETTLES).await;
    position(control, server, newer_command).await
}

/// What is in the binlog before this is given so long to become visible, where nothing better can be done.
const SETTLES: Duration = Duration::from_secs(1);

/// A place of the binlog before which nothing is still on its way into the engine. What SHOW MASTER STATUS says is no such
/// place: a transaction stands in the binlog before snapshots see it, and one that waits for a replica does so for seconds. MySQL
/// begins a new binlog file only when all of the last one is committed, so it is asked to.
async fn settled(conn: &mut Conn, server: &ServerInfo, newer_command: bool) -> Result<DumpLocation> {
    let at = position(conn, server, newer_command).await?;
    if at.binlog_name.is_empty() || server.is_mariadb() {
        return Ok(at);
    }
    if let Some(file) = new_file(conn, server, newer_command).await? {
        return Ok(file);
    }
    tokio::time::sleep(SETTLES).await;
    Ok(at)
}

/// Begins a new binlog file, and gives its beginning; None: not allowed to.
async fn new_file(conn: &mut Conn, server: &ServerInfo, newer_command: bool) -> Result<Option<DumpLocation>> {
    if !begin_file(conn).await? {
        tracing::info!("no new binlog file: what is being committed is given a second");
        return Ok(None);
    }
    let at = position(conn, server, newer_command).await?;
    // Where it isn't told: of MySQL 5.7 and later the set has only what is visible.
    let start = start_of_file(conn, &at).await?;
    Ok(Some(start.unwrap_or(DumpLocation { binlog_pos: FIRST_EVENT, ..at })))
}

/// Begins a new binlog file; false: not allowed to.
pub(super) async fn begin_file(conn: &mut Conn) -> Result<bool> {
    let Err(e) = conn.query_drop("FLUSH LOCAL BINARY LOGS").await else { return Ok(true) };
    if link::is_broken(&e) {
        return Err(query(&e, "begin a new binlog file"));
    }
    tracing::info!(error = %link::cause(&e), "the source begins no new binlog file for this user");
    Ok(false)
}

/// The beginning of the binlog file that `at` is in; None: not allowed to see it.
pub(super) async fn start_of_file(conn: &mut Conn, at: &DumpLocation) -> Result<Option<DumpLocation>> {
    let name = at.binlog_name.clone();
    let mut start = DumpLocation { binlog_name: name, binlog_pos: FIRST_EVENT, gtid: String::new() };
    // The events that every file begins with.
    let sql = format!("SHOW BINLOG EVENTS IN {} LIMIT 2", quote_text(&at.binlog_name));
    let rows: Vec<Row> = match conn.query(&sql).await {
        Err(e) if !link::is_broken(&e) => return Ok(None),
        rows => rows.map_err(|e| query(&e, &sql))?,
    };
    for row in rows {
        match cell(&row, 2).as_str() {
            "Format_desc" => start.binlog_pos = cell(&row, 4).parse().unwrap_or(FIRST_EVENT),
            "Previous_gtids" => {
                start.binlog_pos = cell(&row, 4).parse().unwrap_or(FIRST_EVENT);
                start.gtid = cell(&row, 5).split_whitespace().collect();
            }
            _ => {}
        }
    }
    Ok(Some(start))
}

/// Where a binlog file's first event is.
const FIRST_EVENT: u64 = 4;

pub(super) fn cell(row: &Row, at: usize) -> String {
    row.get_opt::<String, _>(at).and_then(std::result::Result::ok).unwrap_or_default()
}

/// Where the source's binlog stands.
pub async fn position(conn: &mut Conn, server: &ServerInfo, newer_command: bool) -> Result<DumpLocation> {
    let sql = if newer_command { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let row: Option<Row> = conn.query_first(sql).await.map_err(|e| query(&e, sql))?;
    let Some(row) = row else { return Ok(DumpLocation::default()) };
    let binlog_name = cell(&row, 0);
    let binlog_pos = row.get_opt::<u64, _>(1).and_then(std::result::Result::ok).unwrap_or(0);
    let gtid = if server.is_mariadb() {
        let sql = "SELECT @@GLOBAL.gtid_binlog_pos";
        let row: Option<Row> = conn.query_first(sql).await.map_err(|e| query(&e, sql))?;
        row.map(|row| cell(&row, 0)).unwrap_or_default()
    } else {
        cell(&row, 4)
    };
    Ok(DumpLocation { binlog_name, binlog_pos, gtid: gtid.split_whitespace().collect() })
}

/// Runs a statement on the source.
pub async fn execute(conn: &mut Conn, sql: &str) -> Result<()> {
    conn.query_drop(sql).await.map_err(|e| link::failed(Code::DBExecuteFailed, Scope::Upstream, sql, &e))
}

pub(super) fn query(e: &mysql_async::Error, what: &str) -> DmError {
    link::failed(Code::DBQueryFailed, Scope::Upstream, what, e)
}
