//! Reads one chunk of a table and writes its data files.

use std::path::Path;

use tokio_util::sync::CancellationToken;

use super::{
    csv,
    document::parts::Later,
    options::{DumpOptions, FileType},
    output::{DataFiles, PIECE, Written, unwritten},
    plan::TablePlan,
    progress::Counters,
    row,
};
use crate::{
    error::{Code, DmError, Result, Scope},
    mysql::{RowConn, rows::malformed},
    schema::model::quote_name,
    units::link,
};

/// One piece of a table.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Index into the plan's tables.
    pub table: usize,
    pub number: usize,
    /// Empty: all rows.
    pub condition: String,
    /// How often it was begun in vain.
    pub tries: u32,
}

/// What a chunk is dumped with.
pub struct Dumping<'a> {
    pub table: &'a TablePlan,
    pub options: &'a DumpOptions,
    pub dir: &'a Path,
    pub counters: &'a Counters,
    /// Others failed, or the user wants to stop: the chunk is given up.
    pub halt: &'a CancellationToken,
}

/// Dumps a chunk with the reader's snapshot and tells its files; None when it was given up. Rows are streamed: two pieces
/// are in memory, one that is filled and one on its way to the disk. Nothing is left of a chunk that failed.
pub async fn dump_chunk(conn: &mut RowConn, chunk: &Chunk, with: &Dumping<'_>) -> Result<Option<Written>> {
    let mut out = DataFiles::new(with.dir, chunk, with.table, with.options, with.counters);
    let done = match copy(conn, chunk, with, &mut out).await {
        Ok(true) => out.finish().await.map(Some),
        Ok(false) => Ok(None),
        Err(e) => Err(e),
    };
    if !matches!(done, Ok(Some(_))) {
        out.abandon().await;
    }
    done
}

/// False: given up.
async fn copy(conn: &mut RowConn, chunk: &Chunk, with: &Dumping<'_>, out: &mut DataFiles<'_>) -> Result<bool> {
    let (table, options) = (with.table, with.options);
    let named = format!("{}.{}", quote_name(&table.schema), quote_name(&table.table));
    let failed =
        |e: mysql_async::Error| link::failed(Code::DBQueryFailed, Scope::Upstream, &format!("read {named}"), &e);
    let asked = std::time::Instant::now();
    let sql = select(chunk, table, options);
    conn.query(&sql).await.map_err(failed)?;
    with.counters.waited_for_source(asked.elapsed());
    let csv = options.file_type == FileType::Csv;
    let head = row::insert_head(&table.table, &table.columns);
    // Bytes of the statement that are no longer in the piece.
    let mut statement = 0;
    let (mut open, mut rows, mut number) = (false, 0, 0);
    let mut later = Later::new(table, &sql);
    while let Some(payload) = conn.next().await.map_err(failed)? {
        let text = &mut out.piece;
        rows += 1;
        number += 1;
        if csv {
            csv::append_row(text, payload, &table.columns).map_err(|why| match why {
                csv::NoLine::Malformed => failed(malformed()),
                csv::NoLine::Inexact => inexact(&named),
            })?;
        } else {
            let before = text.len();
            text.extend_from_slice(if open { b",\n" } else { head.as_bytes() });
            match row::append_row(text, payload, &table.columns) {
                Ok(()) => open = true,
                Err(row::NoRow::TooManyTypes) => {
                    text.truncate(before);
                    later.note(payload, number - 1);
                }
                Err(row::NoRow::Malformed) => return Err(failed(malformed())),
            }
        }
        let full = text.len() >= PIECE;
        if open && statement + text.len() >= options.statement_size {
            text.extend_from_slice(b";\n");
            (statement, open) = (0, false);
            out.pause().await?;
        } else if csv && full {
            out.pause().await?;
        } else if full {
            statement += text.len();
            out.write_piece().await?;
        }
        if full {
            out.count(std::mem::take(&mut rows));
            if with.halt.is_cancelled() {
                return Ok(false);
            }
        }
    }
    if open {
        out.piece.extend_from_slice(b";\n");
    }
    out.count(rows);
    // Few and large: a statement each.
    for place in &later.places {
        if with.halt.is_cancelled() {
            return Ok(false);
        }
        let row = later.row(conn, place).await.map_err(failed)?;
        out.piece.extend([head.as_bytes(), &row, b";\n"].concat());
        out.pause().await?;
    }
    Ok(true)
}

fn inexact(table: &str) -> DmError {
    DmError::new(Code::DumpUnitRuntime)
        .msg(format!("{table} has a value that CSV in UTF-8 doesn't bring back (bytes that are no text, or an ENUM's error value)"))
        .workaround("Please take `--filetype csv` out of `extra-args`: INSERT statements bring back every value; then resume the task.")
}

fn select(chunk: &Chunk, table: &TablePlan, options: &DumpOptions) -> String {
    let given = [&options.condition, &chunk.condition];
    let conditions: Vec<String> = given.iter().filter(|c| !c.is_empty()).map(|c| format!("({c})")).collect();
    let mut sql = format!(
        "SELECT {} FROM {}.{}",
        row::select_list(&table.columns),
        quote_name(&table.schema),
        quote_name(&table.table)
    );
    if let (Some(key), false) = (&table.key, chunk.condition.is_empty()) {
        sql.push_str(&format!(" FORCE INDEX ({})", quote_name(&key.index)));
    }
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    sql
}

/// Writes a small file of the dump.
pub fn write_small(dir: &Path, name: &str, text: &str) -> Result<(), DmError> {
    let path = dir.join(name);
    std::fs::write(&path, text).map_err(|e| unwritten(&path, e))
}

/// The text of a schema file: CREATE statement under the charset it is written in.
pub fn schema_text(create_sql: &str) -> String {
    format!("/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES utf8mb4*/;\n{create_sql};\n")
}
