//! The start of a run: meta tables, epoch, progress, and from there the place to read on.
//!
//! The order is the apply contract's: the epoch is raised on all lanes in one transaction, which waits for transactions
//! in flight and makes later ones of a former owner fail; only then progress is read, and only then rows flow.

use std::{path::Path, time::Duration};

use mysql_async::{Conn, Error as MysqlError, Row, prelude::Queryable};

use super::{
    ahead::Ahead,
    checkpoint::{self, GLOBAL_COLUMNS},
    cover::Cover,
    ddl_intent::Intent,
    first_store::FirstStore,
    lane_number,
    online::Records,
    orphans, place,
    progress::{self, CONTROL_LANE, LaneRow, MetaTables, Progress},
    source_state::{self, SourceState},
    target::Target,
};
use crate::{
    config::{Flavor, SubtaskConfig, subtask::TaskMode},
    error::{Code, DmError, Scope},
    mysql::{
        position::Location,
        server::{ServerInfo, show_master_status},
        within,
    },
    schema::{Tracker, charset::CharsetPair, collation::Catalog, load, model::quote_text, server, table_info},
    units::{
        Fence, UnitEnv,
        failpoint::{self, Place},
        link,
        stream::ledger,
    },
};

/// How long a new owner waits for a former owner's transactions (their sessions end by `wait_timeout`).
const RAISE_ATTEMPTS: u32 = 8;

/// What the start found.
pub struct Start {
    pub target: Target,
    pub tables: MetaTables,
    pub tracker: Tracker,
    pub source: SourceFacts,
    /// Where the stream begins: the checkpoint.
    pub location: Location,
    /// Safe mode up to here.
    pub safe_until: Option<Location>,
    /// Tables whose changes are on the target up to places behind the beginning.
    pub ahead: Ahead,
    /// One a lane: ordinal of its last transaction, and what it has applied.
    pub lanes: Vec<(u64, Cover)>,
    pub control_batch: u64,
    pub intent: Option<Intent>,
    /// What is stored of the source beside the checkpoint.
    pub state: SourceState,
    /// What is kept of online schema changes under way.
    pub online: Records,
    /// A remark on where it begins.
    pub note: Option<String>,
}

/// What is asked of the source once.
pub struct SourceFacts {
    pub dialect: server::ServerInfo,
    pub sql_mode: Option<String>,
    pub lower_case_table_names: u8,
    pub explicit_timestamps: bool,
    /// Each schema's default character set, which its new tables inherit.
    pub schemas: Vec<(String, CharsetPair)>,
    /// Its character sets and collations.
    pub charsets: Catalog,
    /// Where its binlog ends now.
    pub location: Location,
    /// Tells it from other servers of its group: the UUID of a MySQL server, the server id of a MariaDB one.
    pub server: String,
    /// Its clock minus ours, in seconds.
    pub clock_offset: i64,
}

/// A checkpoint's global row.
pub(super) struct Stored {
    pub location: Location,
    exit_safe: Option<Location>,
}

/// Makes the meta tables that are missing. Those that the original made, or we did once, hold no GTID set of more than
/// 65,535 bytes, and a session without strict mode would cut it; where the target's default is latin1 they hold no other
/// names. They are widened; where a server can't change the names' collation (TiDB, of an indexed column; an index that
/// would be too long), the table stays as the original has it.
async fn create(conn: &mut Conn, target: &Target, tables: &MetaTables) -> Result<(), DmError> {
    for sql in tables.create(target.has_json()) {
        within(target.answer_limit(), conn.query_drop(&sql)).await.map_err(|e| target.exec_error(&sql, &e))?;
    }
    let sql = tables.narrow_columns();
    let narrow: Vec<String> =
        within(target.answer_limit(), conn.query(&sql)).await.map_err(|e| target.query_error(&sql, &e))?;
    for column in narrow {
        let sql = tables.widen(&column);
        match within(target.answer_limit(), conn.query_drop(&sql)).await {
            Err(error @ MysqlError::Server(_)) if column == progress::NAME => {
                tracing::warn!(%error, %sql, "the checkpoint's names keep their collation: names that differ by it share a row");
            }
            done => done.map_err(|e| target.exec_error(&sql, &e))?,
        }
    }
    Ok(())
}

/// Prepares a run.
pub async fn start(env: &UnitEnv) -> Result<Start, DmError> {
    let config = env.config.clone();
    let source = link::answered(&config.from, Scope::Upstream, "the source's facts", ask_source(&config)).await?;
    let probe = Target::probe(config.clone(), source.sql_mode.clone());
    let target = link::answered(&config.to, Scope::Downstream, "the target's facts", probe).await?;
    let tables = MetaTables::new(&config.meta_schema, &config.name);
    let mut conn = target.connect().await?;
    create(&mut conn, &target, &tables).await?;
    failpoint::pass(&config.name, Place::StartBeforeRaise)?;
    let raised = raise(&mut conn, &target, &tables, env, &source.location).await?;
    failpoint::pass(&config.name, Place::StartAfterRaise)?;
    let mut state = source_state::read(&mut conn, &target, &tables, &config.source_id).await?;
    let asked_time = place::asked_time(&config, &state, raised.stored.is_some());
    let begin = beginning(&config, &source, &state, &raised, asked_time).await?;
    let Beginning { location, safe_until, from_checkpoint, note } = begin;
    if asked_time.is_some() {
        state = SourceState::default();
    }
    // A task that goes back in time has no structures of then; those of a dump are of its own place.
    let mut tracker = structures(&mut conn, &target, &tables, &config, &source, from_checkpoint, asked_time).await?;
    env.unsaved.all().into_iter().for_each(|info| tracker.put(info));
    let intent = Intent::read(&mut conn, &target, &tables.ddl, &config.source_id).await?;
    let online = Records::open(&mut conn, &target, &tables, &config, source.lower_case_table_names).await?;
    let gtid = location.gtid_set.is_some();
    let (lanes, control_batch) = lanes(&raised.rows, &config, gtid, asked_time.is_some())?;
    let ahead = Ahead::read(&config, safe_until.is_some()).await?;
    let mut start = Start {
        target,
        tables,
        tracker,
        source,
        location,
        safe_until,
        ahead,
        lanes,
        control_batch,
        intent,
        state,
        online,
        note,
    };
    // From here on a restart must not look for another place to begin.
    let first = FirstStore { config: &config, fence: env.fence, from_checkpoint, asked_time };
    first.store(&mut start).await?;
    // Location and structures are stored now: the rest of the dump isn't needed any more.
    if let Err(error) = crate::units::load::cleanup_after_sync_start(&config) {
        tracing::warn!(task = %config.name, %error, "the dump's files could not be removed");
    }
    let _ = conn.disconnect().await;
    Ok(start)
}

/// Where the run begins.
struct Beginning {
    location: Location,
    /// Safe mode up to here.
    safe_until: Option<Location>,
    /// There is a checkpoint, and it counts.
    from_checkpoint: bool,
    /// A remark for the user.
    note: Option<String>,
}

async fn beginning(
    config: &SubtaskConfig,
    source: &SourceFacts,
    state: &SourceState,
    raised: &Raised,
    asked_time: Option<&str>,
) -> Result<Beginning, DmError> {
    let has_checkpoint = raised.stored.is_some();
    if let Some(time) = asked_time {
        let ((location, safe_until), note) = place::at_time(config, source, time, has_checkpoint).await?;
        return Ok(Beginning { location, safe_until, from_checkpoint: false, note });
    }
    let (location, safe_until) = match &raised.stored {
        Some(stored) => {
            place::check_server(source, state, &stored.location)?;
            // A checkpoint without lane rows is the original's. All that it can have applied lies before the place where
            // the source stands now.
            let exit = if raised.first { Some(source.location.clone()) } else { stored.exit_safe.clone() };
            (state.exact(stored.location.clone()), exit)
        }
        None => place::first(config, source).await?,
    };
    let location = place::adjusted(config, location).await?;
    Ok(Beginning { location, safe_until, from_checkpoint: has_checkpoint, note: None })
}

/// One a lane: ordinal of its last transaction, and what it has applied, which doesn't count when it comes `again`; and the
/// ordinal of the control lane.
fn lanes(
    rows: &[LaneRow],
    config: &SubtaskConfig,
    gtid: bool,
    again: bool,
) -> Result<(Vec<(u64, Cover)>, u64), DmError> {
    let mut lanes = Vec::with_capacity(rows.len());
    let mut control_batch = 0;
    for row in rows {
        if row.lane == CONTROL_LANE {
            control_batch = row.batch;
        } else if again {
            lanes.push((row.batch, Cover::Nothing));
        } else {
            lanes.push((row.batch, Cover::new(&row.progress, config.flavor, gtid)?));
        }
    }
    Ok((lanes, control_batch))
}

async fn ask_source(config: &SubtaskConfig) -> Result<SourceFacts, DmError> {
    let mut conn = link::connect(&config.from, &[], Scope::Upstream).await?;
    let info = ServerInfo::detect(&mut conn, Scope::Upstream).await?;
    let mut location = show_master_status(&mut conn, &info).await?;
    if !config.enable_gtid {
        location.gtid_set = None;
    }
    let sql = "SELECT UNIX_TIMESTAMP()";
    let failed = |e: mysql_async::Error| link::failed(Code::DBQueryFailed, Scope::Upstream, sql, &e);
    let now: Option<i64> = conn.query_first(sql).await.map_err(failed)?;
    let ours = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
    let sql_mode: Option<String> = conn.query_first("SELECT @@GLOBAL.sql_mode").await.map_err(failed)?;
    let identity = if info.flavor == Flavor::Mysql { "SELECT @@server_uuid" } else { "SELECT @@GLOBAL.server_id" };
    let server: Option<String> = conn.query_first(identity).await.map_err(failed)?;
    let session = load::fetch_session(&mut conn).await.map_err(|error| error.scope(Scope::Upstream))?;
    let facts = SourceFacts {
        dialect: server::ServerInfo::parse(&info.version_text).unwrap_or_default(),
        sql_mode,
        lower_case_table_names: session.lower_case_table_names,
        explicit_timestamps: session.explicit_defaults_for_timestamp,
        schemas: load::fetch_schemas(&mut conn).await.map_err(|error| error.scope(Scope::Upstream))?,
        charsets: Catalog::fetch(&mut conn, Scope::Upstream).await?,
        location,
        server: server.unwrap_or_default(),
        clock_offset: now.map_or(0, |now| now - ours),
    };
    let _ = conn.disconnect().await;
    Ok(facts)
}

/// What raising the epoch found and left.
struct Raised {
    rows: Vec<LaneRow>,
    stored: Option<Stored>,
    /// There were no lane rows before.
    first: bool,
}

async fn raise(
    conn: &mut Conn,
    target: &Target,
    tables: &MetaTables,
    env: &UnitEnv,
    source: &Location,
) -> Result<Raised, DmError> {
    let mut attempts = 0;
    loop {
        let waiting = conn.id();
        let raised = tokio::select! {
            raised = raise_once(conn, target, tables, env, source) => raised,
            never = orphans::end_those_before(target, waiting) => match never {},
        };
        let error = match raised {
            Ok(raised) => return Ok(raised),
            Err(error) => error,
        };
        let _ = within(target.answer_limit(), conn.query_drop("ROLLBACK")).await;
        attempts += 1;
        // A lock wait that timed out: a former owner's transaction is still open. A deadlock: two starts at once.
        let again = ["Error 1205 ", "Error 1213 "].iter().any(|text| error.raw_cause().starts_with(text));
        if !again || attempts >= RAISE_ATTEMPTS {
            return Err(error);
        }
        tracing::warn!(error = %error, "a former owner's transaction is open on the target, waiting for its end");
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
}

async fn raise_once(
    conn: &mut Conn,
    target: &Target,
    tables: &MetaTables,
    env: &UnitEnv,
    at_source: &Location,
) -> Result<Raised, DmError> {
    let (config, fence) = (&env.config, env.fence);
    let source = quote_text(&config.source_id);
    run(conn, target, "START TRANSACTION").await?;
    let select = format!(
        "SELECT {} FROM {} WHERE source_id = {source} ORDER BY lane FOR UPDATE",
        progress::COLUMNS,
        tables.lanes
    );
    let limit = target.answer_limit();
    let found: Vec<Row> = within(limit, conn.query(&select)).await.map_err(|e| target.query_error(&select, &e))?;
    let mut rows = found.into_iter().map(|row| lane_row(target, row)).collect::<Result<Vec<_>, _>>()?;
    for row in &rows {
        check_owner(row, fence, tables, &source)?;
    }
    let stored = read_checkpoint(conn, target, tables, config).await?;
    let first = rows.is_empty();
    let wanted = target.lanes(&config.syncer, rows.first().map(|row| row.lanes));
    let lanes = lane_number::possible(&rows, wanted, stored.as_ref().map(|s| &s.location), config)?;
    if rows.first().is_some_and(|row| row.lanes != lanes) {
        // Drained as seen from the checkpoint: what the lanes applied doesn't come again.
        let reset = format!(
            "UPDATE {} SET gtid_set = '', gtid = '', binlog_name = '', binlog_pos = 0, row_index = 0 WHERE source_id = {source}",
            tables.lanes
        );
        run(conn, target, &reset).await?;
        rows.iter_mut().for_each(|row| row.progress = Progress::default());
    }
    let Fence { cluster_id, epoch } = fence;
    let update = format!(
        "UPDATE {} SET epoch = {epoch}, cluster_id = {cluster_id}, lanes = {lanes}, batch = batch + 1 WHERE source_id = {source}",
        tables.lanes
    );
    run(conn, target, &update).await?;
    rows.iter_mut().for_each(|row| row.batch += 1);
    for lane in CONTROL_LANE..lanes {
        if rows.iter().any(|row| row.lane == lane) {
            continue;
        }
        let insert = format!(
            "INSERT INTO {} (source_id, lane, lanes, cluster_id, epoch, batch, gtid_set, gtid, binlog_name, binlog_pos, \
             row_index) VALUES ({source}, {lane}, {lanes}, {cluster_id}, {epoch}, 0, '', '', '', 0, 0)",
            tables.lanes
        );
        run(conn, target, &insert).await?;
        rows.push(LaneRow { lane, lanes, fence, batch: 0, progress: Progress::default() });
    }
    if let (true, Some(_)) = (first, &stored) {
        // In the same transaction as the lane rows: without them the next start would no longer see a take-over.
        run(conn, target, &checkpoint::exit_safe(&tables.checkpoint, &source, at_source)).await?;
    }
    failpoint::pass(&config.name, Place::StartInRaise)?;
    run(conn, target, "COMMIT").await?;
    rows.retain(|row| row.lane < lanes);
    rows.sort_by_key(|row| row.lane);
    Ok(Raised { rows, first, stored })
}

async fn run(conn: &mut Conn, target: &Target, sql: &str) -> Result<(), DmError> {
    within(target.answer_limit(), conn.query_drop(sql)).await.map_err(|e| target.exec_error(sql, &e))
}

fn check_owner(row: &LaneRow, mine: Fence, tables: &MetaTables, source: &str) -> Result<(), DmError> {
    if row.fence.cluster_id != mine.cluster_id {
        return Err(DmError::new(Code::DBUnExpect)
            .scope(Scope::Downstream)
            .msg(format!(
                "the target's table {} says that cluster {} (epoch {}) applies the changes of this source; this is \
                 cluster {}",
                tables.lanes, row.fence.cluster_id, row.fence.epoch, mine.cluster_id
            ))
            .workaround(format!(
                "If the other cluster still runs this task, stop it there or use another task name. If its metadata was \
                 lost and this cluster takes its place, run on the target: DELETE FROM {} WHERE source_id = {source}; \
                 then resume the task: it goes on from the checkpoint, in safe mode up to where the source stands now.",
                tables.lanes
            )));
    }
    if row.fence.epoch > mine.epoch {
        return Err(DmError::new(Code::DBUnExpect)
            .scope(Scope::Downstream)
            .msg(format!(
                "the source belongs to another worker now: the target has seen epoch {}, this worker has {}",
                row.fence.epoch, mine.epoch
            ))
            .workaround("Nothing is lost: the source is served by another worker. See `query-status`."));
    }
    Ok(())
}

fn lane_row(target: &Target, row: Row) -> Result<LaneRow, DmError> {
    let bad = |_| target.unexpected("a row of the lane table");
    type Columns = (i32, i32, u64, u64, u64, String, String, String, u64, u64);
    let (lane, lanes, cluster_id, epoch, batch, gtid_set, gtid, binlog_name, binlog_pos, row_index): Columns =
        mysql_async::from_row_opt(row).map_err(bad)?;
    Ok(LaneRow {
        lane,
        lanes,
        fence: Fence { cluster_id, epoch },
        batch,
        progress: Progress { gtid_set, gtid, binlog_name, binlog_pos, row_index },
    })
}

pub(super) async fn read_checkpoint(
    conn: &mut Conn,
    target: &Target,
    tables: &MetaTables,
    config: &SubtaskConfig,
) -> Result<Option<Stored>, DmError> {
    let sql = format!(
        "SELECT {GLOBAL_COLUMNS} FROM {} WHERE id = {} AND is_global = 1",
        tables.checkpoint,
        quote_text(&config.source_id)
    );
    type Columns = (String, u64, String, String, u64, String);
    let row: Option<Columns> =
        within(target.answer_limit(), conn.query_first(&sql)).await.map_err(|e| target.query_error(&sql, &e))?;
    let Some((name, pos, gtid, exit_name, exit_pos, exit_gtid)) = row else { return Ok(None) };
    if name.is_empty() && gtid.is_empty() {
        return Ok(None);
    }
    let exit_safe = if exit_name.is_empty() && exit_gtid.is_empty() {
        None
    } else {
        Some(place::location(config, &exit_name, exit_pos, &exit_gtid)?)
    };
    Ok(Some(Stored { location: place::location(config, &name, pos, &gtid)?, exit_safe }))
}

/// The tracked structures: the checkpoint's, or those of the dump's schema files.
async fn structures(
    conn: &mut Conn,
    target: &Target,
    tables: &MetaTables,
    config: &SubtaskConfig,
    source: &SourceFacts,
    from_checkpoint: bool,
    asked_time: Option<&str>,
) -> Result<Tracker, DmError> {
    let mut tracker = Tracker::new(source.dialect, source.lower_case_table_names);
    tracker.set_explicit_defaults_for_timestamp(source.explicit_timestamps);
    if let Some(charset) = &source.charsets.server {
        tracker.set_server_charset(charset.clone());
    }
    for (schema, charset) in &source.schemas {
        tracker.put_schema(schema, charset.clone());
    }
    if !from_checkpoint {
        if asked_time.is_none() && config.streams() {
            super::dumped::put(ledger::structures(config).await?, source, &mut tracker)?;
        } else if asked_time.is_none() && matches!(config.mode, TaskMode::All | TaskMode::LoadSync) {
            super::dumped::read(Path::new(&config.loader.dir), source, &mut tracker)?;
        }
        return Ok(tracker);
    }
    let sql = format!(
        "SELECT cp_schema, table_info FROM {} WHERE id = {} AND is_global = 0",
        tables.checkpoint,
        quote_text(&config.source_id)
    );
    // One at a time: the texts of many tables take far more memory than their structures.
    let limit = target.answer_limit();
    let mut rows = within(limit, conn.query_iter(&sql)).await.map_err(|e| target.query_error(&sql, &e))?;
    while let Some(row) = within(limit, rows.next()).await.map_err(|e| target.query_error(&sql, &e))? {
        let bad = |_| target.unexpected("a row of the checkpoint");
        let (schema, json): (String, String) = mysql_async::from_row_opt(row).map_err(bad)?;
        if let Some(info) = table_info::from_json(&schema, &json)? {
            tracker.put(info);
        }
    }
    Ok(tracker)
}
