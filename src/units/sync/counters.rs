//! What the pipeline tells about itself: plain counters that stages write and query-status reads.

mod pulse;

use std::{
    collections::BTreeMap,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, AtomicUsize, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::{
    change::{Change, Kind},
    clock::{Clock, Part},
    stall::Stall,
    tables::Tables,
};
use crate::{
    mysql::position::Location,
    observe::metrics::{ADMIN_QUEUE, Cost, JobKind, Node, SyncMetrics},
    pb,
    schema::model::TableId,
    units::{UnitEnv, mapped::MappedCollations, senders::Senders},
};

/// `no matching record` warnings are written at most this often.
const WARN_PAUSE: Duration = Duration::from_secs(10);

/// Counters and last-known places of one unit.
pub struct Counters {
    task: String,
    started: Instant,
    rows: AtomicU64,
    /// Bytes of events read from the source.
    read_bytes: AtomicU64,
    /// Timestamp of the newest event that was read; 0 when none.
    read_at: AtomicU32,
    /// Milliseconds from the start of the run to the last event that says how late changes are.
    heard: AtomicU64,
    /// The source's time up to which all is durable; 0 when unknown.
    durable_at: AtomicI64,
    /// Nothing is between the source and the target.
    idle: AtomicBool,
    /// The source's clock minus ours, in seconds.
    clock_offset: AtomicI64,
    rate: Mutex<Rate>,
    /// The flushed global checkpoint and the source's own place.
    flushed: Mutex<Location>,
    flushed_at: Mutex<Option<Instant>>,
    source: Mutex<Location>,
    notes: Mutex<BTreeMap<String, String>>,
    warned: Mutex<(Option<Instant>, u64)>,
    pub mapped: MappedCollations,
    metrics: SyncMetrics,
    clock: Clock,
    tables: Tables,
    lanes: AtomicUsize,
    /// Lanes with a transaction on its way, and lanes that wait for others.
    committing: AtomicUsize,
    blocked: AtomicUsize,
    /// The statement that runs, and since when.
    statement: Mutex<Option<(String, Instant)>>,
    stall: Mutex<Stall>,
    stalled: AtomicU64,
    /// Name and length of each queue.
    queues: Mutex<Vec<(String, QueueLength)>>,
    /// The lanes' turns to send.
    senders: Mutex<Option<Senders>>,
    /// Bytes of binlog that the source has and we haven't read, at the last look.
    behind: Mutex<Option<u64>>,
    seen: Mutex<Seen>,
}

/// How many entries a queue holds; None when it is closed.
type QueueLength = Box<dyn Fn() -> Option<usize> + Send + Sync>;

/// Totals at the last tick, for rates.
#[derive(Default)]
struct Seen {
    rows: u64,
    bytes: u64,
    commit: Duration,
    bytes_per_second: f64,
}

/// What lags by less than this at the moment of reading waits for the source, not for the network.
const FRESH: i64 = 2;

#[derive(Default)]
struct Rate {
    at: Option<Instant>,
    rows: u64,
    recent: u64,
}

impl Counters {
    /// All zero.
    pub fn new(env: &UnitEnv) -> Self {
        let task = &env.config.name;
        Counters {
            metrics: SyncMetrics::new(task, &env.config.source_id, &env.worker),
            task: task.to_owned(),
            started: Instant::now(),
            rows: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            read_at: AtomicU32::new(0),
            heard: AtomicU64::new(0),
            durable_at: AtomicI64::new(0),
            idle: AtomicBool::new(true),
            clock: Clock::default(),
            tables: Tables::default(),
            lanes: AtomicUsize::new(0),
            committing: AtomicUsize::new(0),
            blocked: AtomicUsize::new(0),
            statement: Mutex::default(),
            stall: Mutex::default(),
            stalled: AtomicU64::new(0),
            queues: Mutex::default(),
            senders: Mutex::default(),
            behind: Mutex::default(),
            seen: Mutex::default(),
            clock_offset: AtomicI64::new(0),
            rate: Mutex::default(),
            flushed: Mutex::default(),
            flushed_at: Mutex::default(),
            source: Mutex::default(),
            notes: Mutex::default(),
            warned: Mutex::default(),
            mapped: MappedCollations::default(),
        }
    }

    /// Events came from the source together; `timestamp` is 0 when they say nothing of how late changes are.
    pub fn read(&self, events: u64, bytes: u64, timestamp: u32, waited: Duration) {
        self.read_bytes.fetch_add(bytes, Relaxed);
        self.metrics.event(waited, (bytes / events.max(1)) as usize);
        let mut part = Part::Source;
        if timestamp > 0 {
            self.read_at.store(timestamp, Relaxed);
            self.heard.store(self.started.elapsed().as_millis() as u64, Relaxed);
            self.idle.store(false, Relaxed);
            // As of the last tick: exact enough, and no look at the clock.
            if self.durable_at.load(Relaxed) > 0 && self.source_time() - i64::from(timestamp) > FRESH {
                part = Part::Network;
            }
        }
        self.clock.spent(part, waited);
    }

    /// Events were decoded and handed on; `waited` for room.
    pub fn decoded(&self, own: Duration, waited: Duration) {
        self.clock.spent(Part::Decode, own);
        self.clock.spent(Part::Handover, waited);
    }

    /// One of many rows events was handed on, or skipped by lists and filters.
    pub fn rows_event(&self, kind: Kind, rows: u64, migrated: bool, own: Duration) {
        let cost = match kind {
            Kind::Insert => Cost::GenWriteRows,
            Kind::Update => Cost::GenUpdateRows,
            Kind::Delete => Cost::GenDeleteRows,
        };
        match migrated {
            true => self.metrics.dispatched(cost, rows, own),
            false => self.metrics.skipped(false, own),
        }
    }

    /// A statement was planned; `kept`: something of it goes to the target.
    pub fn planned(&self, kept: bool, took: Duration) {
        match kept {
            true => self.metrics.cost(Cost::GenQuery, took),
            false => self.metrics.skipped(true, took),
        }
    }

    /// Conflicts of changes were looked for.
    pub fn conflicts(&self, took: Duration) {
        self.metrics.conflicts(took);
    }

    /// Changes were handed to a lane.
    pub fn handed(&self, lane: usize, took: Duration) {
        self.metrics.handed(lane, took);
    }

    /// Changes are about to be handed to a lane.
    pub fn adding(&self, changes: &[Change]) {
        self.tables.added(changes, &self.metrics);
    }

    /// A lane waits for changes of others; the guard ends it.
    pub fn blocked(&self) -> Busy<'_> {
        Busy::new(&self.blocked, &self.clock, Part::Conflict)
    }

    /// A lane has a transaction on its way; the guard ends it.
    pub fn committing(&self) -> Busy<'_> {
        Busy::new(&self.committing, &self.clock, Part::Commit)
    }

    /// A batch of `statements` statements is durable.
    pub fn applied(&self, batch: &[Change], statements: usize, took: Duration) {
        self.rows.fetch_add(batch.len() as u64, Relaxed);
        let lane = batch.first().map_or(0, |change| usize::from(change.lane));
        self.metrics.transaction(lane, statements, batch.len(), took);
        self.metrics.statement("stmt", took);
        self.tables.applied(batch, took, &self.metrics);
        if took > Duration::from_secs(1) {
            tracing::warn!(task = %self.task, rows = batch.len(), ?took, "slow transaction on the target");
        }
    }

    /// A statement for the target begins.
    pub fn statement_begins(&self, sql: &str) {
        *lock(&self.statement) = Some((super::location::shorten(sql), Instant::now()));
    }

    /// The statements of a DDL event are over, done or not. It had waited `waited` for its turn.
    pub fn statement_ended(&self, waited: Duration, took: Duration) {
        lock(&self.statement).take();
        self.metrics.handed_admin(true, waited);
        self.metrics.cost(Cost::DdlExec, took);
        self.clock.spent(Part::Ddl, took);
    }

    /// A checkpoint was written.
    pub fn checkpoint_took(&self, took: Duration) {
        self.metrics.handed_admin(false, took);
        self.metrics.query(took);
        self.clock.spent(Part::Checkpoint, took);
    }

    /// A DDL event ran.
    pub fn ddl(&self, statements: u64, target: &TableId) {
        let job = self.metrics.jobs(JobKind::Ddl, ADMIN_QUEUE, &target.schema, &target.name);
        job.added(statements);
        job.finished(statements);
    }

    /// Everything up to an event of this time is durable.
    pub fn durable(&self, timestamp: u32) {
        self.durable_at.fetch_max(i64::from(timestamp), Relaxed);
    }

    /// An UPDATE or DELETE found no row.
    pub fn key_not_found(&self, change: &Change) {
        let mut warned = lock(&self.warned);
        warned.1 += 1;
        if warned.0.is_some_and(|at| at.elapsed() < WARN_PAUSE) {
            return;
        }
        let times = std::mem::take(&mut warned.1);
        warned.0 = Some(Instant::now());
        tracing::warn!(
            task = %self.task,
            table = %change.table.target,
            location = %change.transaction.before,
            times,
            "no matching record is found to update/delete, ER_KEY_NOT_FOUND"
        );
    }

    /// A remark about a table for query-status; one a table.
    pub fn note(&self, table: String, text: String) {
        lock(&self.notes).insert(table, text);
    }

    /// Takes a remark back.
    pub fn unnote(&self, table: &str) {
        lock(&self.notes).remove(table);
    }

    /// All remarks.
    pub fn notes(&self) -> Vec<String> {
        let mut notes: Vec<String> = lock(&self.notes).values().cloned().collect();
        let stalled = self.stalled.load(Relaxed);
        if stalled > 0 {
            notes.push(format!("sync has made no progress for {stalled} s: it waits for {}", self.waits_for()));
        }
        notes.extend(self.mapped.notes());
        notes
    }

    /// The source's clock minus ours.
    pub fn set_clock_offset(&self, seconds: i64) {
        self.clock_offset.store(seconds, Relaxed);
    }

    /// The global checkpoint was flushed.
    pub fn set_flushed(&self, location: &Location) {
        if let Some(file) = location.position.sequence() {
            self.metrics.position(Node::Syncer, file, location.position.pos);
        }
        let since = lock(&self.flushed_at).replace(Instant::now()).map(|at| at.elapsed());
        if let Some(since) = since {
            self.metrics.checkpoint_flushed(since);
        }
        *lock(&self.flushed) = location.clone();
    }

    /// The source told where it stands.
    pub fn set_source(&self, location: Location) {
        if let Some(file) = location.position.sequence() {
            self.metrics.position(Node::Master, file, location.position.pos);
        }
        *lock(&self.source) = location;
    }

    /// Rows applied by this run.
    pub fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    /// Now, by the source's clock.
    fn source_time(&self) -> i64 {
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        now + self.clock_offset.load(Relaxed)
    }

    /// Seconds between an event at the source and its row at the target; 0 when nothing waits. Filtered events and
    /// skipped statements count like others: what lies before them is done.
    pub fn lag(&self) -> i64 {
        if self.idle.load(Relaxed) {
            return 0;
        }
        let durable = self.durable_at.load(Relaxed);
        let newest = if durable > 0 { durable } else { i64::from(self.read_at.load(Relaxed)) };
        if newest == 0 { 0 } else { (self.source_time() - newest).max(0) }
    }

    /// Bytes of binlog between what is read and the source's end, at a look.
    pub fn set_behind(&self, bytes: Option<u64>) {
        *lock(&self.behind) = bytes;
    }

    /// The source was asked something.
    pub fn queried(&self, took: Duration) {
        self.metrics.query(took);
    }

    /// Where the checkpoint is.
    pub fn flushed(&self) -> Location {
        lock(&self.flushed).clone()
    }

    /// The unit's part of query-status.
    pub fn status(&self) -> pb::SyncStatus {
        let rows = self.rows();
        let seconds = self.started.elapsed().as_secs().max(1);
        let flushed = lock(&self.flushed).clone();
        let source = lock(&self.source).clone();
        let gtid = |location: &Location| location.gtid_set.as_ref().map(ToString::to_string).unwrap_or_default();
        let synced = match (&flushed.gtid_set, &source.gtid_set) {
            (Some(ours), Some(theirs)) => ours.contains_set(theirs),
            _ => !source.position.is_empty() && flushed.position >= source.position,
        };
        let place = |location: &Location| {
            if location.position.is_empty() { String::new() } else { location.position.to_string() }
        };
        pb::SyncStatus {
            total_events: rows as i64,
            total_tps: (rows / seconds) as i64,
            recent_tps: self.recent(rows) as i64,
            master_binlog: place(&source),
            master_binlog_gtid: gtid(&source),
            syncer_binlog: place(&flushed),
            syncer_binlog_gtid: gtid(&flushed),
            synced,
            binlog_type: "remote".into(),
            // What was read is noted before it is known that nothing follows: one reply must not say both.
            seconds_behind_master: if synced { 0 } else { self.lag() },
            total_rows: rows as i64,
            total_rps: (rows / seconds) as i64,
            recent_rps: lock(&self.rate).recent as i64,
            io_total_bytes: self.read_bytes.load(Relaxed),
            ..Default::default()
        }
    }

    /// Rows a second since the last look that was at least a second ago.
    fn recent(&self, rows: u64) -> u64 {
        let mut rate = lock(&self.rate);
        match rate.at {
            Some(at) if at.elapsed() < Duration::from_secs(1) => {}
            Some(at) => {
                rate.recent = ((rows - rate.rows.min(rows)) as f64 / at.elapsed().as_secs_f64()) as u64;
                (rate.at, rate.rows) = (Some(Instant::now()), rows);
            }
            None => (rate.at, rate.rows) = (Some(Instant::now()), rows),
        }
        rate.recent
    }
}

/// Somebody is busy with something that is counted and timed.
pub struct Busy<'a> {
    count: &'a AtomicUsize,
    clock: &'a Clock,
    part: Part,
    since: Instant,
}

impl<'a> Busy<'a> {
    fn new(count: &'a AtomicUsize, clock: &'a Clock, part: Part) -> Self {
        count.fetch_add(1, Relaxed);
        Busy { count, clock, part, since: Instant::now() }
    }
}

impl Drop for Busy<'_> {
    fn drop(&mut self) {
        self.count.fetch_sub(1, Relaxed);
        self.clock.spent(self.part, self.since.elapsed());
    }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
