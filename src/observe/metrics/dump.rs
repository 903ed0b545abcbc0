//! The dump unit's series.

use std::time::Duration;

use metrics::{Gauge, Histogram, gauge, histogram};

use super::{install, open_subtask};

/// Handles of one dump unit's series.
#[derive(Debug)]
pub struct DumpMetrics {
    finished_size: Gauge,
    estimated_rows: Gauge,
    finished_rows: Gauge,
    finished_tables: Gauge,
    write_time: Histogram,
    receive_time: Histogram,
}

impl DumpMetrics {
    pub fn new(task: &str, source_id: &str) -> Self {
        install();
        open_subtask(task, source_id);
        let labels = [("task", task.to_owned()), ("source_id", source_id.to_owned())];
        DumpMetrics {
            finished_size: gauge!("dumpling_dump_finished_size", &labels),
            estimated_rows: gauge!("dumpling_dump_estimate_total_rows", &labels),
            finished_rows: gauge!("dumpling_dump_finished_rows", &labels),
            finished_tables: gauge!("dumpling_dump_finished_tables", &labels),
            write_time: histogram!("dumpling_write_write_duration_time", &labels),
            receive_time: histogram!("dumpling_write_receive_chunk_duration_time", &labels),
        }
    }

    /// Totals so far: bytes, rows, tables.
    pub fn progress(&self, bytes: f64, rows: f64, tables: f64) {
        self.finished_size.set(bytes);
        self.finished_rows.set(rows);
        self.finished_tables.set(tables);
    }

    /// The estimate of all rows.
    pub fn plan(&self, rows: f64) {
        self.estimated_rows.set(rows);
    }

    /// A chunk was waited for and written.
    pub fn chunk(&self, waited: Duration, wrote: Duration) {
        self.receive_time.record(waited.as_secs_f64());
        self.write_time.record(wrote.as_secs_f64());
    }
}
