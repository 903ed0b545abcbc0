//! The dump unit's series.

use metrics::{Gauge, Histogram, gauge, histogram};

use super::{install, open_subtask};

/// Handles of one dump unit's series.
#[derive(Debug)]
pub struct DumpMetrics {
    finished_size: Gauge,
    estimated_rows: Gauge,
    finished_rows: Gauge,
    finished_tables: Gauge,
    waiting: Gauge,
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
            waiting: gauge!("dumpling_dump_channel_capacity", &labels),
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

    /// Chunks that wait for a reader.
    pub fn waiting_chunks(&self, chunks: f64) {
        self.waiting.set(chunks);
    }

    /// Seconds until the disk had taken a piece.
    pub fn wrote(&self, seconds: f64) {
        self.write_time.record(seconds);
    }

    /// Seconds until the source began to send a chunk.
    pub fn received(&self, seconds: f64) {
        self.receive_time.record(seconds);
    }
}
