//! Snapshots of several connections, and the place in the binlog that each of them sees.
//!
//! MariaDB tells in a snapshot's own transaction where the binlog stood, so no lock is needed: the readers' snapshots are a
//! few transactions apart, and sync squares what lies between. MySQL doesn't tell: there a lock is held while the snapshots
//! are begun, as for a dump; where the rights for it lack, the binlog's place before and after is taken.

use std::time::Duration;

use mysql_async::Conn;

use crate::{
    config::subtask::DbConfig,
    error::{Code, Result, policy},
    mysql::RowConn,
    schema::ServerInfo,
    units::dump::{
        DumpLocation,
        options::Consistency,
        plan::TablePlan,
        snapshot::{self, Readers, Snapshot},
    },
};

/// A connection with its snapshot.
pub struct Reader {
    pub conn: RowConn,
    /// Where the snapshot stands; exact if it was asked for.
    pub at: DumpLocation,
}

/// The readers, and between which places their snapshots lie.
pub struct Taken {
    pub readers: Vec<Reader>,
    pub location: DumpLocation,
    /// Different from `location` if they are not all the same.
    pub exit: DumpLocation,
}

/// Without a lock: how often a moment is looked for in which nothing is written, and how long a look takes. Looking costs
/// the source nothing; beginning the snapshots may cost it a binlog file.
const QUIET_LOOKS: usize = 200;
const QUIET: Duration = Duration::from_millis(50);

/// What the snapshots must be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    pub readers: Readers,
    /// Each reader's own place must be known.
    pub exact: bool,
}

/// Begins the readers' snapshots.
pub async fn take(
    db: &DbConfig,
    control: &mut Conn,
    server: &ServerInfo,
    tables: &[TablePlan],
    wanted: Wanted,
) -> Result<Taken> {
    let Wanted { readers, exact } = wanted;
    let consistency = readers.consistency;
    if server.is_mariadb()
        && (readers.apart || consistency == Consistency::None)
        && matches!(consistency, Consistency::Auto | Consistency::None)
        && let Some(taken) = self_told(db, control, server, readers, exact).await?
    {
        return Ok(taken);
    }
    let refused = match snapshot::take(db, control, server, readers, tables).await {
        Err(e) if e.code() == Code::DumpUnitGlobalLock && consistency == Consistency::Auto => e,
        taken => return Ok(together(taken?)),
    };
    tracing::warn!(error = %refused, "no lock on the source, the snapshot is taken without");
    let unlocked = Readers { consistency: Consistency::None, ..readers };
    let one_place = exact || !readers.apart;
    for _ in 0..QUIET_LOOKS {
        if one_place && !is_quiet(control, server).await? {
            continue;
        }
        let taken = snapshot::take(db, control, server, unlocked, tables).await?;
        if !one_place || taken.exit.is_none() {
            return Ok(together(taken));
        }
    }
    if policy::is_resumable(&refused.to_process_error()) {
        // Held off, not refused: it says itself what to do.
        return Err(refused);
    }
    Err(refused.workaround(
        "Without a lock all snapshots must stand at one place for tables without a key, and for all tables where no sync follows \
         (task-mode full) or a duplicate is an error. Please grant the source's user RELOAD (or LOCK TABLES and SELECT on the \
         tables), or give those tables a primary key, or leave them out, or use task-mode all; then resume the task.",
    ))
}

/// Whether nothing was written for a moment.
async fn is_quiet(control: &mut Conn, server: &ServerInfo) -> Result<bool> {
    let newer_command = snapshot::has_newer_command(server);
    let before = snapshot::position(control, server, newer_command).await?;
    tokio::time::sleep(QUIET).await;
    Ok(snapshot::position(control, server, newer_command).await? == before)
}

fn together(taken: Snapshot) -> Taken {
    // Between the two places nothing of a table without a key was written; behind the snapshots, before `exit`, there may be.
    let readers = taken.readers.into_iter().map(|conn| Reader { conn, at: taken.location.clone() });
    let readers = readers.collect();
    let exit = taken.exit.unwrap_or_else(|| taken.location.clone());
    Taken { readers, location: taken.location, exit }
}

/// Snapshots that tell their own places; None when this server doesn't.
async fn self_told(
    db: &DbConfig,
    control: &mut Conn,
    server: &ServerInfo,
    readers: Readers,
    exact: bool,
) -> Result<Option<Taken>> {
    let mut out: Vec<Reader> = Vec::with_capacity(readers.count);
    for mut conn in snapshot::connections(db, server, readers.count, readers.limit).await? {
        snapshot::run(&mut conn, snapshot::BEGIN).await?;
        let at = snapshot::told(&mut conn).await?;
        if at.binlog_name.is_empty() {
            // No binlog, or a server that doesn't tell.
            let now = snapshot::position(control, server, false).await?;
            if !now.binlog_name.is_empty() {
                return Ok(None);
            }
        }
        out.push(Reader { conn, at });
    }
    let last = out.len().saturating_sub(1);
    let mut known: Option<DumpLocation> = None;
    for (at, reader) in out.iter_mut().enumerate() {
        if reader.at.binlog_name.is_empty() || !(exact || at == 0 || at == last) {
            continue;
        }
        let place = (&reader.at.binlog_name, reader.at.binlog_pos);
        if let Some(known) = known.as_ref().filter(|known| (&known.binlog_name, known.binlog_pos) == place) {
            reader.at.gtid.clone_from(&known.gtid);
            continue;
        }
        let Some(set) = snapshot::gtid_of(control, &reader.at).await? else { return Ok(None) };
        reader.at.gtid = set;
        known = Some(reader.at.clone());
    }
    let end = |reader: Option<&Reader>| reader.map(|r| r.at.clone()).unwrap_or_default();
    let (location, exit) = (end(out.first()), end(out.last()));
    Ok(Some(Taken { readers: out, location, exit }))
}
