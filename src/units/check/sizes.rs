//! How much a full copy moves, how long that may take, and what disk it needs. The server's own figures; they are guesses.

use std::fmt::Write as _;

use mysql_async::Conn;
use serde::Serialize;

use super::tables::{rows, text};
use crate::{
    config::SubtaskConfig,
    error::{Result, Scope},
    rules::BlockAllow,
    units::dump::DumpOptions,
};

/// Bytes of tables a second from one server into another, as measured for both ways of the load on a small machine
/// (docs/full/check.md).
const BYTES_PER_SECOND: u64 = 25 << 20;

/// A table costs so much beside its bytes.
const TABLES_PER_SECOND: u64 = 300;

/// What a full copy of a task moves.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
pub struct Estimate {
    pub tables: u64,
    pub rows: u64,
    /// Of the rows on the sources, without indexes.
    pub bytes: u64,
    /// Of the dump's files, on all workers together; 0: no files are written.
    #[serde(rename = "diskBytes")]
    pub disk_bytes: u64,
    pub seconds: u64,
}

impl Estimate {
    /// Adds another source, copied at the same time.
    pub fn add(&mut self, other: &Estimate) {
        self.tables += other.tables;
        self.rows += other.rows;
        self.bytes += other.bytes;
        self.disk_bytes += other.disk_bytes;
        self.seconds = self.bytes / BYTES_PER_SECOND + self.tables / TABLES_PER_SECOND;
    }

    /// For a reader.
    pub fn to_text(&self) -> String {
        let mut out = format!("{} tables, about {} rows and {}", self.tables, self.rows, size(self.bytes));
        if self.disk_bytes > 0 {
            // Writing to a String can't fail.
            let _ = write!(out, "; the dump takes about {} of disk", size(self.disk_bytes));
        }
        let _ = write!(out, "; the full copy may take about {}", duration(self.seconds));
        out
    }
}

/// `1.5 GiB`.
pub fn size(bytes: u64) -> String {
    const UNITS: [&str; 4] = ["KiB", "MiB", "GiB", "TiB"];
    let mut value = bytes as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

fn duration(seconds: u64) -> String {
    match seconds {
        0..=119 => format!("{} s", seconds.max(1)),
        120..=7199 => format!("{} min", seconds / 60),
        _ => format!("{:.1} h", seconds as f64 / 3600.0),
    }
}

/// What the source's tables that the lists let in have. One query.
pub async fn read(conn: &mut Conn, config: &SubtaskConfig, lists: &BlockAllow) -> Result<Estimate> {
    let sql = "SELECT TABLE_SCHEMA, TABLE_NAME, IFNULL(TABLE_ROWS, 0), IFNULL(DATA_LENGTH, 0) FROM information_schema.TABLES \
               WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND TABLE_SCHEMA NOT IN \
               ('mysql', 'sys', 'information_schema', 'performance_schema')";
    let options = DumpOptions::new(&config.mydumper, &config.from).ok();
    let selects = |schema: &str, table: &str| options.as_ref().is_none_or(|o| o.selects(schema, table));
    let mut out = Estimate::default();
    for row in rows(conn, Scope::Upstream, sql).await? {
        let (schema, table) = (text(&row, 0), text(&row, 1));
        if lists.allows(&schema, &table) && selects(&schema, &table) {
            let number = |at: usize| text(&row, at).parse::<u64>().unwrap_or(0);
            out.tables += 1;
            out.rows += number(2);
            out.bytes += number(3);
        }
    }
    if !config.streams() {
        out.disk_bytes = options.map_or(out.bytes, |o| o.compression.packed(out.bytes));
    }
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn texts_for_readers() {
        let mut all = Estimate::default();
        all.add(&Estimate { tables: 4, rows: 2_000_000, bytes: 400 << 20, disk_bytes: 400 << 20, seconds: 0 });
        let want = "4 tables, about 2000000 rows and 400.0 MiB; the dump takes about 400.0 MiB of disk; the full copy may take about 16 s";
        assert_eq!(all.to_text(), want);
        all.add(&Estimate { tables: 5000, bytes: 3 << 40, ..Estimate::default() });
        assert!(all.to_text().contains("3.0 TiB") && all.to_text().ends_with("35.0 h"), "{}", all.to_text());
        assert_eq!((size(10), duration(0), duration(600)), ("0.0 KiB".into(), "1 s".into(), "10 min".into()));
    }
}
