//! Counters of a running load, and what query-status shows of them.

use std::sync::{
    Mutex, PoisonError,
    atomic::{AtomicU64, Ordering::Relaxed},
};

use crate::{
    pb,
    units::dump::{
        DumpLocation,
        progress::{Speed, percent},
    },
};

/// What one load has done so far.
#[derive(Debug, Default)]
pub struct Counters {
    finished: AtomicU64,
    total: AtomicU64,
    /// Of a streamed load, in this run.
    rows: AtomicU64,
    location: Mutex<DumpLocation>,
    speed: Speed,
}

impl Counters {
    /// A load begins: bytes of all files, bytes that earlier runs have loaded, and where the dump stands.
    pub fn begin(&self, total: u64, finished: u64, location: DumpLocation) {
        self.total.store(total, Relaxed);
        self.finished.store(finished, Relaxed);
        *self.location.lock().unwrap_or_else(PoisonError::into_inner) = location;
    }

    /// Bytes whose rows are committed.
    pub fn add(&self, bytes: u64) {
        self.finished.fetch_add(bytes, Relaxed);
    }

    /// A chunk is in the target: what was guessed of its bytes is known now.
    pub fn chunk(&self, guess: u64, bytes: u64, rows: u64) {
        self.finished.fetch_add(bytes, Relaxed);
        self.rows.fetch_add(rows, Relaxed);
        self.total.fetch_add(bytes, Relaxed);
        // The guess is part of the total since `begin`.
        self.total.fetch_sub(guess, Relaxed);
    }

    /// Rows that a streamed load has written in this run.
    pub fn rows(&self) -> u64 {
        self.rows.load(Relaxed)
    }

    /// The unit's part of query-status.
    pub fn status(&self) -> pb::LoadStatus {
        let (finished, total) = (self.finished.load(Relaxed), self.total.load(Relaxed));
        let location = self.location.lock().unwrap_or_else(PoisonError::into_inner);
        let known = !location.binlog_name.is_empty();
        pb::LoadStatus {
            finished_bytes: finished as i64,
            total_bytes: total as i64,
            progress: if total == 0 { percent(0.0, 1.0) } else { percent(finished as f64, total as f64) },
            meta_binlog: if known { location.to_string() } else { String::new() },
            meta_binlog_gtid: location.gtid.clone(),
            bps: self.speed.at(finished),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn status_as_the_original_prints_it() {
        let counters = Counters::default();
        counters.begin(
            10_000,
            2_000,
            DumpLocation { binlog_name: "mysql-bin.000001".into(), binlog_pos: 154, gtid: "0-1-2".into() },
        );
        counters.add(544);
        let status = counters.status();
        assert_eq!((status.finished_bytes, status.total_bytes), (2544, 10_000));
        assert_eq!((status.progress.as_str(), status.meta_binlog.as_str()), ("25.44 %", "(mysql-bin.000001, 154)"));
        assert_eq!(status.meta_binlog_gtid, "0-1-2");
    }
}
