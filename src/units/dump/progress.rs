//! Counters of a running dump, and what query-status shows of them.

use std::{
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
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
    /// Of the source's tables, as the server guesses.
    estimated_bytes: AtomicU64,
    /// Chunks in all, and those that are complete.
    chunks: AtomicU64,
    completed_chunks: AtomicU64,
    /// Connections that hold the snapshot, and when it was taken.
    readers: AtomicU64,
    snapshot: Mutex<String>,
    /// When this run began, and the rows that were there then.
    began: Mutex<Option<(Instant, u64)>>,
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

    /// A dump of these tables begins.
    pub fn begin(&self, tables: u64, estimated_rows: u64, estimated_bytes: u64) {
        self.tables.store(tables, Relaxed);
        self.estimated_rows.store(estimated_rows, Relaxed);
        self.estimated_bytes.store(estimated_bytes, Relaxed);
        let counters = [&self.completed_tables, &self.bytes, &self.rows, &self.chunks, &self.completed_chunks];
        counters.into_iter().for_each(|counter| counter.store(0, Relaxed));
        if let Some(metrics) = self.metrics.get() {
            metrics.plan(estimated_rows as f64);
        }
        self.start_clock();
        self.show();
    }

    /// A dump goes on that an earlier run had begun: what that one had counted.
    pub fn go_on(&self, earlier: &Counters) {
        let pairs = [
            (&self.tables, &earlier.tables),
            (&self.estimated_rows, &earlier.estimated_rows),
            (&self.estimated_bytes, &earlier.estimated_bytes),
            (&self.completed_tables, &earlier.completed_tables),
            (&self.bytes, &earlier.bytes),
            (&self.rows, &earlier.rows),
            (&self.chunks, &earlier.chunks),
            (&self.completed_chunks, &earlier.completed_chunks),
        ];
        pairs.into_iter().for_each(|(own, other)| own.store(other.load(Relaxed), Relaxed));
        self.start_clock();
        self.show();
    }

    /// A dump goes on under a newer snapshot: tables, chunks and rows that are there.
    pub fn there(&self, tables: usize, chunks: usize, rows: u64, bytes: u64) {
        self.completed_tables.store(tables as u64, Relaxed);
        self.completed_chunks.store(chunks as u64, Relaxed);
        self.rows.store(rows, Relaxed);
        self.bytes.store(bytes, Relaxed);
        self.start_clock();
        self.show();
    }

    fn start_clock(&self) {
        let rows = self.rows.load(Relaxed);
        *self.began.lock().unwrap_or_else(PoisonError::into_inner) = Some((Instant::now(), rows));
    }

    /// The snapshot, and the connections that hold it.
    pub fn held(&self, readers: usize, since: &str) {
        self.readers.store(readers as u64, Relaxed);
        since.clone_into(&mut self.snapshot.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// One of the connections is gone.
    pub fn reader_lost(&self) {
        self.readers.fetch_sub(1, Relaxed);
    }

    /// The tables are cut into so many chunks.
    pub fn cut(&self, chunks: u64) {
        self.chunks.store(chunks, Relaxed);
        if let Some(metrics) = self.metrics.get() {
            metrics.waiting_chunks(chunks as f64);
        }
    }

    /// Chunks in all.
    pub fn chunks(&self) -> usize {
        self.chunks.load(Relaxed) as usize
    }

    /// One more chunk is in its files.
    pub fn chunk_done(&self) {
        let done = self.completed_chunks.fetch_add(1, Relaxed) + 1;
        if let Some(metrics) = self.metrics.get() {
            metrics.waiting_chunks(self.chunks.load(Relaxed).saturating_sub(done) as f64);
        }
    }

    /// A reader waited so long until the disk had taken what came before.
    pub fn waited_for_disk(&self, time: Duration) {
        if let Some(metrics) = self.metrics.get() {
            metrics.wrote(time.as_secs_f64());
        }
    }

    /// A reader waited so long for the source's answer to a chunk's query.
    pub fn waited_for_source(&self, time: Duration) {
        if let Some(metrics) = self.metrics.get() {
            metrics.received(time.as_secs_f64());
        }
    }

    /// Rows are in a piece of text.
    pub fn add(&self, rows: u64) {
        self.rows.fetch_add(rows, Relaxed);
        self.show();
    }

    /// Bytes of text go to the disk.
    pub fn written(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Relaxed);
    }

    /// A chunk is given up: it will be counted again.
    pub fn take_back(&self, rows: u64, bytes: u64) {
        self.rows.fetch_sub(rows, Relaxed);
        self.bytes.fetch_sub(bytes, Relaxed);
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
        let (rps, seconds) = self.speed_and_rest(rows, estimated);
        pb::DumpStatus {
            total_tables: tables as i64,
            completed_tables: self.completed_tables.load(Relaxed) as f64,
            finished_bytes: bytes as f64,
            finished_rows: rows,
            estimate_total_rows: estimated,
            bps: self.speed.at(bytes),
            progress,
            more: Some(pb::DumpMore {
                estimate_total_bytes: self.estimated_bytes.load(Relaxed) as f64,
                rps,
                remaining_seconds: seconds,
                total_chunks: self.chunks.load(Relaxed) as i64,
                completed_chunks: self.completed_chunks.load(Relaxed) as i64,
                readers: self.readers.load(Relaxed) as i64,
                snapshot: self.snapshot.lock().unwrap_or_else(PoisonError::into_inner).clone(),
            }),
        }
    }

    /// Rows a second in this run, and the seconds that the rest will take at that speed; -1: not known yet.
    fn speed_and_rest(&self, rows: f64, estimated: f64) -> (i64, i64) {
        if self.finished.load(Relaxed) {
            return (0, 0);
        }
        let Some((began, before)) = *self.began.lock().unwrap_or_else(PoisonError::into_inner) else { return (0, -1) };
        let (done, seconds) = (rows - before as f64, began.elapsed().as_secs_f64());
        if done <= 0.0 || seconds <= 0.0 {
            return (0, -1);
        }
        let speed = done / seconds;
        (speed as i64, ((estimated - rows).max(0.0) / speed).ceil() as i64)
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
        counters.begin(2, 100, 5000);
        counters.cut(4);
        counters.add(30);
        counters.written(1500);
        counters.take_back(5, 500);
        counters.chunk_done();
        counters.table_done();
        let status = counters.status();
        assert_eq!((status.total_tables, status.completed_tables, status.finished_rows), (2, 1.0, 25.0));
        assert_eq!(status.progress, "25.00 %");
        assert_eq!(status.finished_bytes, 1000.0);
        let more = status.more.unwrap();
        assert_eq!((more.estimate_total_bytes, more.total_chunks, more.completed_chunks), (5000.0, 4, 1));
        assert!(more.rps > 0 && more.remaining_seconds >= 0, "{more:?}");
        let next = Counters::default();
        next.go_on(&counters);
        assert_eq!(next.status().finished_rows, 25.0);
        assert_eq!(next.status().more.unwrap().remaining_seconds, -1);
        counters.finish();
        assert_eq!(counters.status().progress, "100.00 %");
    }
}
