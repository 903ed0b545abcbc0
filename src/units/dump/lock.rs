//! The lock of a snapshot: held while the readers begin their transactions and the binlog's place is read.

use std::time::Duration;

use mysql_async::{Conn, prelude::Queryable};

use super::{
    options::Consistency,
    plan::TablePlan,
    snapshot::{Readers, execute, query},
};
use crate::{
    error::{Code, DmError, Result, Scope},
    schema::{ServerInfo, model::quote_name},
    units::link,
};

/// What holds writers back while the snapshots are begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lock {
    None,
    Tables,
    /// MariaDB's backup locks: only commits wait, and no statement that runs already is waited for.
    Stages,
}

/// A lock, and what it is good for.
#[derive(Clone, Copy, Debug)]
pub struct Held {
    pub lock: Lock,
    /// Nothing that is dumped is committed while it is held, so all snapshots stand at one place. Else at most the tables
    /// whose rows can't be told apart are held, and snapshots lie between two places.
    pub everything: bool,
}

/// What the source says to the wish for a lock.
pub enum Granted {
    Held(Held),
    /// Its statements hold the lock on everything off, or would; with the error, if it was asked.
    HeldOff(Option<mysql_async::Error>),
}

const GLOBALLY: &str = "FLUSH TABLES WITH READ LOCK";

/// Takes what the task asks for, or what the source grants.
pub async fn take(control: &mut Conn, server: &ServerInfo, readers: &Readers, tables: &[TablePlan]) -> Result<Granted> {
    let all = |lock| Granted::Held(Held { lock, everything: true });
    match readers.consistency {
        Consistency::None => return Ok(Granted::Held(Held { lock: Lock::None, everything: false })),
        Consistency::Lock => {
            let locked = lock_tables(control, server, tables.iter(), &PATIENCE).await;
            return locked.map(|()| all(Lock::Tables)).map_err(|e| refused(&e, None));
        }
        Consistency::Flush => {
            let locked = with_retry(control, GLOBALLY, &PATIENCE).await;
            return locked.map(|()| all(Lock::Tables)).map_err(|e| refused(&e, None));
        }
        Consistency::Auto => {}
    }
    if server.is_mariadb() && server.version >= BACKUP_STAGES && stages(control).await? {
        return Ok(all(Lock::Stages));
    }
    let apart = readers.apart && has_full_images(control).await?;
    if apart && runs_long(control).await? {
        return Ok(Granted::HeldOff(None));
    }
    let patience = if apart { &BRIEFLY[..] } else { &PATIENCE[..] };
    let Err(first) = with_retry(control, GLOBALLY, patience).await else { return Ok(all(Lock::Tables)) };
    match link::errno(&first) {
        // Not allowed to this user, or to anyone on a managed server.
        1045 | 1227 => {}
        LOCK_WAIT if apart => return Ok(Granted::HeldOff(Some(first))),
        LOCK_WAIT => {}
        _ => return Err(refused(&first, None)),
    }
    match lock_tables(control, server, tables.iter(), &PATIENCE).await {
        Ok(()) => Ok(all(Lock::Tables)),
        Err(second) if apart && is_held_off(&second) => Ok(Granted::HeldOff(Some(second))),
        Err(second) => Err(refused(&first, Some(&second))),
    }
}

/// Gives it back.
pub async fn release(control: &mut Conn, server: &ServerInfo, lock: Lock) -> Result<()> {
    match lock {
        Lock::None => Ok(()),
        Lock::Tables => {
            execute(control, "UNLOCK TABLES").await?;
            if waits_for_statements_only(server) {
                execute(control, "SET SESSION autocommit = 1").await
            } else {
                Ok(())
            }
        }
        Lock::Stages => execute(control, "BACKUP STAGE END").await,
    }
}

/// Without a lock on everything: safe mode squares what lies between the snapshots, for rows that can be told apart. Tables
/// without a key are locked.
pub async fn keyless(
    control: &mut Conn,
    server: &ServerInfo,
    tables: &[TablePlan],
    first: Option<&mysql_async::Error>,
) -> Result<Held> {
    let count = tables.iter().filter(|table| !table.has_key).count();
    // Hot rows may hold off this lock as well: then both are tried in turn.
    let mut globally = first.is_some_and(is_held_off);
    let mut last = Ok(());
    for seconds in PATIENCE {
        last = lock_tables(control, server, tables.iter().filter(|table| !table.has_key), &[seconds]).await;
        if !last.as_ref().is_err_and(is_held_off) {
            break;
        }
        if globally {
            match with_retry(control, GLOBALLY, &[seconds]).await {
                Ok(()) => return Ok(Held { lock: Lock::Tables, everything: true }),
                Err(e) => globally = is_held_off(&e),
            }
        }
    }
    last.map_err(|second| refused(first.unwrap_or(&second), first.and(Some(&second))))?;
    Ok(Held { lock: if count > 0 { Lock::Tables } else { Lock::None }, everything: false })
}

/// Whether a statement runs for so long that FTWRL would wait for it, and with it all that read or write its tables: even when the
/// lock is given up, they wait until that statement ends ("Waiting for table flush").
async fn runs_long(control: &mut Conn) -> Result<bool> {
    let sql = format!(
        "SELECT 1 FROM information_schema.PROCESSLIST WHERE COMMAND IN ('Query', 'Execute') AND TIME >= {LONG} \
         AND ID <> CONNECTION_ID() LIMIT 1"
    );
    match control.query_first::<u8, _>(&sql).await {
        Ok(found) => Ok(found.is_some()),
        Err(e) if link::is_broken(&e) => Err(query(&e, &sql)),
        // Not allowed to see it, or no such table: then it shows when the lock isn't granted.
        Err(_) => Ok(false),
    }
}

/// Seconds.
const LONG: u64 = 5;

/// Safe mode needs rows' images in full.
pub async fn has_full_images(control: &mut Conn) -> Result<bool> {
    let sql = "SELECT @@GLOBAL.binlog_row_image";
    match control.query_first::<String, _>(sql).await {
        Ok(image) => Ok(image.is_none_or(|image| image.eq_ignore_ascii_case("FULL"))),
        // A server that has nothing else.
        Err(e) if link::errno(&e) == 1193 => Ok(true),
        Err(e) => Err(query(&e, sql)),
    }
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

/// MySQL 5.6 grants LOCK TABLES beside open transactions that have changed the table, and lets them commit. With autocommit
/// switched off InnoDB's own lock of the table is taken with it, which waits for them.
fn waits_for_statements_only(server: &ServerInfo) -> bool {
    !server.is_mariadb() && server.version < 50_700
}

/// Waits for every transaction that changed one of the tables, so that what is committed is also in the binlog.
async fn lock_tables<'a>(
    control: &mut Conn,
    server: &ServerInfo,
    tables: impl Iterator<Item = &'a TablePlan>,
    patience: &[u64],
) -> std::result::Result<(), mysql_async::Error> {
    let names: Vec<String> =
        tables.map(|t| format!("{}.{} READ", quote_name(&t.schema), quote_name(&t.table))).collect();
    if names.is_empty() {
        return Ok(());
    }
    if waits_for_statements_only(server) {
        control.query_drop("SET SESSION autocommit = 0, innodb_table_locks = 1").await?;
    }
    let locked = with_retry(control, &format!("LOCK TABLES {}", names.join(", ")), patience).await;
    if locked.is_err() && waits_for_statements_only(server) {
        control.query_drop("SET SESSION autocommit = 1").await?;
    }
    locked
}

/// How long a lock is waited for, in seconds, one time after the other. Mostly short: the lock and a transaction that another
/// one's statement waits for hold each other up until one of them gives in, and the next moment may be a better one. Some
/// long ones, for long statements and transactions.
const PATIENCE: [u64; 15] = [1, 1, 2, 1, 3, 1, 1, 5, 1, 1, 10, 1, 1, 2, 20];
/// Where there is another way: writers stand still behind a pending lock.
const BRIEFLY: [u64; 3] = [1, 1, 2];
const LOCK_WAIT: u16 = 1205;

/// Lock wait or deadlock: others are in the way.
fn is_held_off(e: &mysql_async::Error) -> bool {
    matches!(link::errno(e), LOCK_WAIT | 1213)
}

/// Asks for a lock that statements hold off, with a pause for the others between the times.
async fn with_retry(control: &mut Conn, sql: &str, patience: &[u64]) -> std::result::Result<(), mysql_async::Error> {
    let mut last = Ok(());
    for seconds in patience {
        let limits = format!("SET SESSION lock_wait_timeout = {seconds}, innodb_lock_wait_timeout = {seconds}");
        control.query_drop(limits).await?;
        last = control.query_drop(sql).await;
        match &last {
            Err(e) if is_held_off(e) => {
                // What a failed LOCK TABLES got of InnoDB's locks stays with the transaction.
                control.query_drop("ROLLBACK").await?;
                tracing::info!(seconds, "statements on the source hold off the lock of the snapshot");
                tokio::time::sleep(Duration::from_secs((*seconds).min(3))).await;
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
    let advice = if is_held_off(first) {
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
