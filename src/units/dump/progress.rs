//! Counters of a running dump, and what query-status shows of them.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::Instant,
};

use crate::{observe::metrics::DumpMetrics, pb};

/// Bytes a second, measured between two looks that are at least a second apart.
#[derive(Debug)]
pub struct Speed(Mutex<(Instant, u64, i64)>);

impl Default for Speed {
    fn default() -> Self {
        Speed(Mutex::new((Instant::now(), 0, 0)))
    }
}

impl Speed {
    /// The speed at a look that finds `bytes` done.
    pub fn at(&self, bytes: u64) -> i64 {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let seconds = last.0.elapsed().as_secs_f64();
        if seconds >= 1.0 {
            let speed = bytes.saturating_sub(last.1) as f64 / seconds;
            *last = (Instant::now(), bytes, speed as i64);
        }
        last.2
    }
}

/// `30.52 %`; everything of nothing is all.
pub fn percent(done: f64, total: f64) -> String {
    let part = if total > 0.0 { (done / total * 100.0).min(100.0) } else { 100.0 };
    format!("{part:.2} %")
}

/// What one dump has done so far.
#[derive(Debug, Default)]
pub struct Counters {
    tables: AtomicU64,
    completed_tables: AtomicU64,
    bytes: AtomicU64,
    rows: AtomicU64,
    estimated_rows: AtomicU64,
    finished: AtomicBool,
    speed: Speed,
    /// Set by the unit; absent in tests of parts.
    metrics: OnceLock<DumpMetrics>,
}

impl Counters {
    /// The counters are shown as metrics of this subtask from now on.
    pub fn publish(&self, task: &str, source_id: &str) {
        self.metrics.get_or_init(|| DumpMetrics::new(task, source_id));
    }

    fn show(&self) {
        if let Some(metrics) = self.metrics.get() {
            let of = |counter: &AtomicU64| counter.load(Relaxed) as f64;
            metrics.progress(of(&self.bytes), of(&self.rows), of(&self.completed_tables));
        }
    }

    /// A dump of this many tables begins.
    pub fn begin(&self, tables: u64, estimated_rows: u64) {
        self.tables.store(tables, Relaxed);
        self.estimated_rows.store(estimated_rows, Relaxed);
        for counter in [&self.completed_tables, &self.bytes, &self.rows] {
            counter.store(0, Relaxed);
        }
        if let Some(metrics) = self.metrics.get() {
            metrics.plan(estimated_rows as f64);
        }
        self.show();
    }

    /// Rows and bytes are in the files.
    pub fn add(&self, rows: u64, bytes: u64) {
        self.rows.fetch_add(rows, Relaxed);
        self.bytes.fetch_add(bytes, Relaxed);
        self.show();
    }

    /// All rows of one more table are in the files.
    pub fn table_done(&self) {
        self.completed_tables.fetch_add(1, Relaxed);
        self.show();
    }

    /// The dump is complete.
    pub fn finish(&self) {
        self.finished.store(true, Relaxed);
    }

    /// The unit's part of query-status.
    pub fn status(&self) -> pb::DumpStatus {
        let (bytes, rows) = (self.bytes.load(Relaxed), self.rows.load(Relaxed) as f64);
        let (tables, estimated) = (self.tables.load(Relaxed), self.estimated_rows.load(Relaxed) as f64);
        let progress = match (self.finished.load(Relaxed), tables) {
            (true, _) => percent(1.0, 1.0),
            (false, 0) => percent(0.0, 1.0),
            (false, _) => percent(rows, estimated),
        };
        pb::DumpStatus {
            total_tables: tables as i64,
            completed_tables: self.completed_tables.load(Relaxed) as f64,
            finished_bytes: bytes as f64,
            finished_rows: rows,
            estimate_total_rows: estimated,
            bps: self.speed.at(bytes),
            progress,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_as_the_original_prints_it() {
        assert_eq!(percent(3052.0, 10_000.0), "30.52 %");
        assert_eq!(percent(5.0, 4.0), "100.00 %");
        let counters = Counters::default();
        assert_eq!(counters.status().progress, "0.00 %");
        counters.begin(2, 100);
        counters.add(25, 1000);
        counters.table_done();
        let status = counters.status();
        assert_eq!((status.total_tables, status.completed_tables, status.finished_rows), (2, 1.0, 25.0));
        assert_eq!(status.progress, "25.00 %");
        counters.finish();
        assert_eq!(counters.status().progress, "100.00 %");
    }
}
