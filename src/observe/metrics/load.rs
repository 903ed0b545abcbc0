//! The load unit's series, under the names of the original's import engine.

use metrics::{Counter, Gauge, counter, gauge};

use super::{install, open_subtask};

/// Handles of one load unit's series.
#[derive(Debug)]
pub struct LoadMetrics {
    bytes: Counter,
    rows: Counter,
    chunks: Counter,
    tables: Counter,
    progress: Gauge,
}

impl LoadMetrics {
    pub fn new(task: &str, source_id: &str) -> Self {
        install();
        open_subtask(task, source_id);
        let with = |more: &[(&'static str, &str)]| {
            let mut labels = vec![("task", task.to_owned()), ("source_id", source_id.to_owned())];
            labels.extend(more.iter().map(|(name, value)| (*name, (*value).to_owned())));
            labels
        };
        LoadMetrics {
            bytes: counter!("lightning_bytes", &with(&[("state", "restored")])),
            rows: counter!("lightning_rows", &with(&[("state", "restored"), ("table", "")])),
            chunks: counter!("lightning_chunks", &with(&[("state", "finished")])),
            tables: counter!("lightning_tables", &with(&[("state", "completed"), ("result", "success")])),
            progress: gauge!("lightning_progress", &with(&[("phase", "total")])),
        }
    }

    /// Committed.
    pub fn add(&self, bytes: u64, rows: u64) {
        self.bytes.increment(bytes);
        self.rows.increment(rows);
    }

    /// A file or chunk is in the target; with `table` the last of its table.
    pub fn chunk(&self, table: bool) {
        self.chunks.increment(1);
        if table {
            self.tables.increment(1);
        }
    }

    /// From 0 to 1.
    pub fn progress(&self, part: f64) {
        self.progress.set(part);
    }
}
