//! How much a full copy moves, how long that may take, and what disk it needs. The server's own figures; they are guesses.

use std::{collections::BTreeSet, fmt::Write as _};

use mysql_async::Conn;
use serde::Serialize;

use super::tables::{rows, text};
use crate::{
    config::SubtaskConfig,
    error::{Result, Scope},
    rules::{BlockAllow, is_system_schema},
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

/// InnoDB's own figures: one small table, where information_schema opens every table that there is (28 s for 14,000 on
/// MariaDB). A partition is a row of its own.
const KEPT: &str = "SELECT database_name, table_name, n_rows, clustered_index_size * @@innodb_page_size \
                    FROM mysql.innodb_table_stats";

const CATALOGUE: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, IFNULL(TABLE_ROWS, 0), IFNULL(DATA_LENGTH, 0) FROM \
                         information_schema.TABLES WHERE TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED') AND \
                         TABLE_SCHEMA NOT IN ('mysql', 'sys', 'information_schema', 'performance_schema')";

/// So many tables are asked of information_schema.
const FEW: usize = 2000;

/// What the figures are of.
pub struct Selected<'a> {
    pub config: &'a SubtaskConfig,
    pub lists: &'a BlockAllow,
}

/// What the tables that the lists let in have, as far as InnoDB keeps it; None when this user may not look.
pub async fn kept(conn: &mut Conn, of: &Selected<'_>) -> Option<Estimate> {
    rows(conn, Scope::Upstream, KEPT).await.ok().map(|found| of.sum(&found))
}

/// The figures of all tables. `kept`: those of [`kept`], which lack tables of other engines; `tables`: those that there are.
pub async fn complete(
    conn: &mut Conn,
    of: &Selected<'_>,
    kept: Option<Estimate>,
    tables: &super::tables::Tables,
) -> Result<Option<Estimate>> {
    let options = DumpOptions::new(&of.config.mydumper, &of.config.from).ok();
    let selects = |(schema, table): &&(String, String)| options.as_ref().is_none_or(|o| o.selects(schema, table));
    let count = tables.keys().filter(selects).count();
    let known = match kept {
        Some(kept) if kept.tables as usize >= count || count > FEW => kept,
        None if count > FEW => return Ok(None),
        _ => of.sum(&rows(conn, Scope::Upstream, CATALOGUE).await?),
    };
    let mut out = Estimate { tables: count as u64, ..known };
    if !of.config.streams() {
        out.disk_bytes = options.map_or(out.bytes, |o| o.compression.packed(out.bytes));
    }
    Ok(Some(out))
}

impl Selected<'_> {
    fn sum(&self, found: &[mysql_async::Row]) -> Estimate {
        let options = DumpOptions::new(&self.config.mydumper, &self.config.from).ok();
        let selects = |schema: &str, table: &str| options.as_ref().is_none_or(|o| o.selects(schema, table));
        let mut out = Estimate::default();
        let mut names = BTreeSet::new();
        for row in found {
            let (schema, table) = (text(row, 0), text(row, 1));
            let table = table.split_once("#P#").or_else(|| table.split_once("#p#")).map_or(&*table, |(table, _)| table);
            if !is_system_schema(&schema) && self.lists.allows(&schema, table) && selects(&schema, table) {
                let number = |at: usize| text(row, at).parse::<u64>().unwrap_or(0);
                out.rows += number(2);
                out.bytes += number(3);
                names.insert((schema, table.to_owned()));
            }
        }
        out.tables = names.len() as u64;
        out
    }
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
