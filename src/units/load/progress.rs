//! Counters of a running load, in all and by table, and what query-status and /metrics show of them.

use std::{
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::{
    observe::metrics::LoadMetrics,
    pb,
    units::dump::{
        DumpLocation,
        progress::{Speed, percent},
    },
};

/// Tables that query-status names: those under way, the largest first.
const SHOWN: usize = 20;

/// One table of the source.
#[derive(Debug, Default)]
pub struct TableProgress {
    /// Quoted, of the source.
    pub name: String,
    /// The server's guess; 0: unknown.
    pub estimated_rows: u64,
    total: AtomicU64,
    finished: AtomicU64,
    rows: AtomicU64,
    chunks: AtomicU64,
    chunks_done: AtomicU64,
    duplicates: AtomicBool,
}

impl TableProgress {
    /// A table without chunks yet.
    pub fn new(name: String, estimated_rows: u64) -> Arc<Self> {
        Arc::new(TableProgress { name, estimated_rows, ..TableProgress::default() })
    }

    /// One more file or chunk of it: its bytes, and how much of it an earlier run has loaded.
    pub fn expect(&self, bytes: u64, finished: u64, done: bool) {
        self.total.fetch_add(bytes, Relaxed);
        self.finished.fetch_add(finished, Relaxed);
        self.chunks.fetch_add(1, Relaxed);
        self.chunks_done.fetch_add(u64::from(done), Relaxed);
    }

    /// Bytes that aren't loaded yet.
    pub fn left(&self) -> u64 {
        self.total.load(Relaxed).saturating_sub(self.finished.load(Relaxed))
    }

    /// Rows with the same keys were on the target.
    pub fn met_duplicates(&self) {
        self.duplicates.store(true, Relaxed);
    }

    /// Whether that has happened in this run.
    pub fn has_duplicates(&self) -> bool {
        self.duplicates.load(Relaxed)
    }

    fn is_done(&self) -> bool {
        self.chunks_done.load(Relaxed) >= self.chunks.load(Relaxed)
    }

    fn status(&self) -> pb::LoadTable {
        pb::LoadTable {
            table: self.name.clone(),
            finished_rows: self.rows.load(Relaxed),
            estimate_total_rows: self.estimated_rows,
            finished_bytes: self.finished.load(Relaxed),
            total_bytes: self.total.load(Relaxed),
            finished_chunks: self.chunks_done.load(Relaxed),
            total_chunks: self.chunks.load(Relaxed),
        }
    }
}

/// What one load has done so far.
#[derive(Debug, Default)]
pub struct Counters {
    finished: AtomicU64,
    total: AtomicU64,
    /// In this run.
    rows: AtomicU64,
    /// When this run began to load, and what was finished then.
    begun: Mutex<Option<(Instant, u64)>>,
    tables: Mutex<Vec<Arc<TableProgress>>>,
    location: Mutex<DumpLocation>,
    speed: Speed,
    row_speed: Speed,
    /// Set by the unit; absent in tests of parts.
    metrics: OnceLock<LoadMetrics>,
}

impl Counters {
    /// The counters are shown as metrics of this subtask from now on.
    pub fn publish(&self, task: &str, source_id: &str) {
        self.metrics.get_or_init(|| LoadMetrics::new(task, source_id));
    }

    /// A load begins: its tables with all their files or chunks, and where the dump stands.
    pub fn begin(&self, tables: Vec<Arc<TableProgress>>, location: DumpLocation) {
        let sum =
            |of: fn(&TableProgress) -> &AtomicU64| tables.iter().map(|table| of(table).load(Relaxed)).sum::<u64>();
        let (total, finished) = (sum(|table| &table.total), sum(|table| &table.finished));
        self.total.store(total, Relaxed);
        self.finished.store(finished, Relaxed);
        *lock(&self.begun) = Some((Instant::now(), finished));
        *lock(&self.tables) = tables;
        *lock(&self.location) = location;
        self.show();
    }

    /// Rows of a table are committed.
    pub fn add(&self, table: &TableProgress, bytes: u64, rows: u64) {
        self.finished.fetch_add(bytes, Relaxed);
        self.rows.fetch_add(rows, Relaxed);
        table.finished.fetch_add(bytes, Relaxed);
        table.rows.fetch_add(rows, Relaxed);
        if let Some(metrics) = self.metrics.get() {
            metrics.add(bytes, rows);
        }
        self.show();
    }

    /// A file or chunk is in the target. What was guessed of its bytes, if they were guessed, is known now.
    pub fn chunk_done(&self, table: &TableProgress, guess_and_bytes: Option<(u64, u64)>) {
        table.chunks_done.fetch_add(1, Relaxed);
        if let Some((guess, bytes)) = guess_and_bytes {
            for total in [&self.total, &table.total] {
                total.fetch_add(bytes, Relaxed);
                // The guess is part of the total since `begin`.
                total.fetch_sub(guess, Relaxed);
            }
        }
        if let Some(metrics) = self.metrics.get() {
            metrics.chunk(table.is_done());
        }
        self.show();
    }

    fn show(&self) {
        if let Some(metrics) = self.metrics.get() {
            let (finished, total) = (self.finished.load(Relaxed), self.total.load(Relaxed));
            metrics.progress(if total == 0 { 0.0 } else { (finished as f64 / total as f64).min(1.0) });
        }
    }

    /// The unit's part of query-status.
    pub fn status(&self) -> pb::LoadStatus {
        let (finished, total) = (self.finished.load(Relaxed), self.total.load(Relaxed));
        let location = lock(&self.location);
        let known = !location.binlog_name.is_empty();
        pb::LoadStatus {
            finished_bytes: finished as i64,
            total_bytes: total as i64,
            progress: if total == 0 { percent(0.0, 1.0) } else { percent(finished as f64, total as f64) },
            meta_binlog: if known { location.to_string() } else { String::new() },
            meta_binlog_gtid: location.gtid.clone(),
            bps: self.speed.at(finished),
            more: Some(self.more(finished, total)),
        }
    }

    fn more(&self, finished: u64, total: u64) -> pb::LoadMore {
        let tables = lock(&self.tables).clone();
        let done = tables.iter().filter(|table| table.is_done()).count();
        let mut shown: Vec<&Arc<TableProgress>> = tables.iter().filter(|table| !table.is_done()).collect();
        shown.sort_by_key(|table| std::cmp::Reverse(table.total.load(Relaxed)));
        let sum = |of: fn(&TableProgress) -> &AtomicU64| tables.iter().map(|table| of(table).load(Relaxed)).sum();
        let rows = self.rows.load(Relaxed);
        pb::LoadMore {
            finished_rows: rows,
            estimate_total_rows: tables.iter().map(|table| table.estimated_rows).sum(),
            rps: self.row_speed.at(rows).max(0) as u64,
            eta_seconds: lock(&self.begun).map_or(0, |begun| eta(begun, finished, total)),
            finished_tables: done as u64,
            total_tables: tables.len() as u64,
            finished_chunks: sum(|table| &table.chunks_done),
            total_chunks: sum(|table| &table.chunks),
            tables: shown.into_iter().take(SHOWN).map(|table| table.status()).collect(),
        }
    }
}

/// Seconds to the end at the mean speed of this run; 0: unknown, or nothing left.
fn eta((since, before): (Instant, u64), finished: u64, total: u64) -> u64 {
    let speed = finished.saturating_sub(before) as f64 / since.elapsed().as_secs_f64().max(0.001);
    if speed > 0.0 { (total.saturating_sub(finished) as f64 / speed).round() as u64 } else { 0 }
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_as_the_original_prints_it() {
        let counters = Counters::default();
        let (table, other) = (TableProgress::new("`d`.`t`".into(), 100), TableProgress::new("`d`.`u`".into(), 0));
        table.expect(6_000, 2_000, false);
        table.expect(4_000, 0, false);
        other.expect(0, 0, true);
        let location = DumpLocation { binlog_name: "mysql-bin.000001".into(), binlog_pos: 154, gtid: "0-1-2".into() };
        counters.begin(vec![table.clone(), other], location);
        counters.add(&table, 544, 5);
        let status = counters.status();
        assert_eq!((status.finished_bytes, status.total_bytes), (2544, 10_000));
        assert_eq!((status.progress.as_str(), status.meta_binlog.as_str()), ("25.44 %", "(mysql-bin.000001, 154)"));
        assert_eq!(status.meta_binlog_gtid, "0-1-2");
        let more = status.more.unwrap();
        assert_eq!((more.finished_tables, more.total_tables, more.finished_rows), (1, 2, 5));
        assert_eq!((more.finished_chunks, more.total_chunks, more.tables.len()), (1, 3, 1));
        // A guess of 4,000 bytes was 4,456.
        counters.add(&table, 4_456, 20);
        counters.chunk_done(&table, Some((4_000, 4_456)));
        assert_eq!(counters.status().total_bytes, 10_456);
    }

    #[test]
    fn the_end_is_told_from_the_speed_of_this_run() {
        let since = Instant::now().checked_sub(std::time::Duration::from_secs(10)).unwrap();
        assert_eq!(eta((since, 1_000), 2_000, 4_000), 20);
        assert_eq!(eta((since, 2_000), 2_000, 4_000), 0);
    }
}
