//! What the pipeline tells about itself: plain counters that stages write and query-status reads.

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant, SystemTime, UNIX_EPOCH},
};

use super::change::{Change, Kind};
use crate::{
    mysql::position::Location,
    observe::metrics::{ADMIN_QUEUE, JobKind, JobMetrics, Node, SyncMetrics, queue_label},
    pb,
    schema::model::TableId,
    units::{UnitEnv, mapped::MappedCollations},
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
    /// Timestamp of the newest event that was read, and of the newest that is applied; 0 when none.
    read_at: AtomicU32,
    applied_at: AtomicU32,
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
    /// By kind, queue and target table.
    jobs: Mutex<HashMap<(Kind, usize, TableId), JobMetrics>>,
}

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
            jobs: Mutex::default(),
            task: task.to_owned(),
            started: Instant::now(),
            rows: AtomicU64::new(0),
            read_bytes: AtomicU64::new(0),
            read_at: AtomicU32::new(0),
            applied_at: AtomicU32::new(0),
            idle: AtomicBool::new(true),
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

    /// An event came from the source; `timestamp` is 0 when it says nothing of how late changes are.
    pub fn read(&self, bytes: u64, timestamp: u32, waited: Duration) {
        self.read_bytes.fetch_add(bytes, Relaxed);
        self.metrics.event(waited, bytes as usize, 0);
        if timestamp > 0 {
            self.read_at.store(timestamp, Relaxed);
            self.idle.store(false, Relaxed);
        }
    }

    /// A batch is durable.
    pub fn applied(&self, batch: &[Change], took: Duration) {
        self.rows.fetch_add(batch.len() as u64, Relaxed);
        self.metrics.transaction(took);
        let mut counts: Vec<(&Change, u64)> = Vec::new();
        for change in batch {
            let alike = |(a, _): &&mut (&Change, u64)| a.kind == change.kind && Arc::ptr_eq(&a.table, &change.table);
            match counts.iter_mut().find(alike) {
                Some((_, count)) => *count += 1,
                None => counts.push((change, 1)),
            }
        }
        for (first, count) in counts {
            self.count_jobs(first, count);
        }
        if let Some(last) = batch.last() {
            self.applied_at.fetch_max(last.transaction.timestamp, Relaxed);
        }
        if took > Duration::from_secs(1) {
            tracing::warn!(task = %self.task, rows = batch.len(), ?took, "slow transaction on the target");
        }
    }

    fn count_jobs(&self, first: &Change, count: u64) {
        let queue = usize::from(first.lane) % 8;
        let mut jobs = lock(&self.jobs);
        let job = jobs.entry((first.kind, queue, first.table.target.clone())).or_insert_with(|| {
            let kind = match first.kind {
                Kind::Insert => JobKind::Insert,
                Kind::Update => JobKind::Update,
                Kind::Delete => JobKind::Delete,
            };
            self.metrics.jobs(kind, &queue_label(queue), &first.table.target.schema, &first.table.target.name)
        });
        job.added(count);
        job.finished(count);
    }

    /// A DDL event ran.
    pub fn ddl(&self, statements: u64, target: &TableId) {
        let job = self.metrics.jobs(JobKind::Ddl, ADMIN_QUEUE, &target.schema, &target.name);
        job.added(statements);
        job.finished(statements);
    }

    /// Called every second: gauges, and every 30 s the status line.
    pub fn tick(&self, seconds: u64) {
        self.metrics.lag(self.lag() as f64);
        if seconds.is_multiple_of(30) {
            let status = self.status();
            tracing::info!(
                task = %self.task,
                total_rows = status.total_rows,
                total_rps = status.total_rps,
                rps = status.recent_rps,
                master_position = %status.master_binlog,
                master_gtid = %status.master_binlog_gtid,
                checkpoint = %status.syncer_binlog,
                "binlog replication status"
            );
        }
    }

    /// Nothing is in flight up to here.
    pub fn caught_up(&self) {
        self.idle.store(true, Relaxed);
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

    /// Seconds between an event at the source and its row at the target; 0 when nothing waits.
    pub fn lag(&self) -> i64 {
        if self.idle.load(Relaxed) {
            return 0;
        }
        let now = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |d| d.as_secs() as i64);
        let applied = self.applied_at.load(Relaxed);
        let newest = if applied > 0 { applied } else { self.read_at.load(Relaxed) };
        if newest == 0 { 0 } else { (now + self.clock_offset.load(Relaxed) - i64::from(newest)).max(0) }
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
            seconds_behind_master: self.lag(),
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

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
