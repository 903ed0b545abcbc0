//! Reads one chunk of a table and writes its data files.

use std::{
    fs::File,
    io::Write,
    path::{Path, PathBuf},
};

use tokio::task::JoinHandle;

use super::{files, names, options::DumpOptions, plan::TablePlan, progress::Counters, row};
use crate::{
    error::{Code, DmError, Result, Scope},
    mysql::{RowConn, rows::malformed},
    schema::model::quote_name,
    units::link,
};

const FILE_HEAD: &str = "/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES utf8mb4*/;\n";

/// One piece of a table.
#[derive(Clone, Debug)]
pub struct Chunk {
    /// Index into the plan's tables.
    pub table: usize,
    pub number: usize,
    /// Empty: all rows.
    pub condition: String,
}

/// Bytes that are handed to the disk at once.
const PIECE: usize = 256 << 10;

/// Dumps a chunk with the reader's snapshot and names its files. Rows are streamed: two pieces are in memory, one that is
/// filled and one on its way to the disk.
pub async fn dump_chunk(
    conn: &mut RowConn,
    chunk: &Chunk,
    table: &TablePlan,
    options: &DumpOptions,
    dir: &Path,
    counters: &Counters,
) -> Result<Vec<String>> {
    let failed = |e: mysql_async::Error| {
        let what = format!("read {}.{}", quote_name(&table.schema), quote_name(&table.table));
        link::failed(Code::DBQueryFailed, Scope::Upstream, &what, &e)
    };
    conn.query(&select(chunk, table, options)).await.map_err(failed)?;
    let head = row::insert_head(&table.table, &table.columns);
    let mut out = DataFiles::new(dir, chunk, table, options);
    // Bytes of the statement that are no longer in the piece.
    let mut statement = 0;
    let mut open = false;
    let mut rows = 0;
    while let Some(payload) = conn.next().await.map_err(failed)? {
        let text = &mut out.piece;
        text.extend_from_slice(if open { b",\n" } else { head.as_bytes() });
        row::append_row(text, payload, &table.columns).ok_or_else(|| failed(malformed()))?;
        open = true;
        rows += 1;
        if statement + text.len() >= options.statement_size {
            out.end_statement().await?;
            (statement, open) = (0, false);
        } else if text.len() >= PIECE {
            statement += text.len();
            out.write_piece().await?;
        } else {
            continue;
        }
        counters.add(std::mem::take(&mut rows), out.take_written());
    }
    if open {
        out.end_statement().await?;
    }
    out.close().await?;
    counters.add(rows, out.take_written());
    Ok(out.names)
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
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    sql
}

/// A file that is written, and a piece whose memory is free again.
type Written = (File, Vec<u8>);

/// The files of a chunk.
struct DataFiles<'a> {
    dir: &'a Path,
    chunk: &'a Chunk,
    table: &'a TablePlan,
    limit: Option<u64>,
    /// What is not handed to the disk yet.
    piece: Vec<u8>,
    spare: Vec<u8>,
    file: Option<File>,
    writing: Option<JoinHandle<std::io::Result<Written>>>,
    path: PathBuf,
    /// Of the file that is open.
    size: u64,
    /// Of the files so far.
    names: Vec<String>,
    written: u64,
}

impl<'a> DataFiles<'a> {
    fn new(dir: &'a Path, chunk: &'a Chunk, table: &'a TablePlan, options: &DumpOptions) -> Self {
        DataFiles {
            dir,
            chunk,
            table,
            limit: options.file_size,
            piece: Vec::with_capacity(PIECE + PIECE / 4),
            spare: Vec::new(),
            file: None,
            writing: None,
            path: PathBuf::new(),
            size: 0,
            names: Vec::new(),
            written: 0,
        }
    }

    /// Ends the statement; ends the file when it is full.
    async fn end_statement(&mut self) -> Result<()> {
        self.piece.extend_from_slice(b";\n");
        if self.piece.len() >= PIECE {
            self.write_piece().await?;
        }
        if self.limit.is_some_and(|limit| self.size + self.piece.len() as u64 >= limit) {
            self.close().await?;
        }
        Ok(())
    }

    /// Hands the piece to the disk, when the one before is there.
    async fn write_piece(&mut self) -> Result<()> {
        if self.piece.is_empty() {
            return Ok(());
        }
        self.settle().await?;
        let mut file = match self.file.take() {
            Some(file) => file,
            None => self.create()?,
        };
        let piece = std::mem::replace(&mut self.piece, std::mem::take(&mut self.spare));
        self.size += piece.len() as u64;
        self.written += piece.len() as u64;
        self.writing = Some(tokio::task::spawn_blocking(move || {
            file.write_all(&piece)?;
            Ok((file, piece))
        }));
        Ok(())
    }

    async fn settle(&mut self) -> Result<()> {
        let Some(writing) = self.writing.take() else { return Ok(()) };
        let done = writing.await.unwrap_or_else(|e| Err(std::io::Error::other(e)));
        let (file, mut piece) = done.map_err(|e| unwritten(&self.path, e))?;
        piece.clear();
        // A huge row doesn't stay in memory.
        piece.shrink_to(PIECE * 4);
        self.file = Some(file);
        self.spare = piece;
        Ok(())
    }

    fn create(&mut self) -> Result<File> {
        let number = self.limit.map(|_| self.names.len());
        let name = names::data_file(&self.table.schema, &self.table.table, self.chunk.number, number);
        self.path = self.dir.join(&name);
        self.names.push(name);
        let mut file = File::create(&self.path).map_err(|e| unwritten(&self.path, e))?;
        file.write_all(FILE_HEAD.as_bytes()).map_err(|e| unwritten(&self.path, e))?;
        self.size = FILE_HEAD.len() as u64;
        self.written += self.size;
        Ok(file)
    }

    /// Everything is on the disk before the dump counts as complete.
    async fn close(&mut self) -> Result<()> {
        self.write_piece().await?;
        self.settle().await?;
        self.size = 0;
        let Some(file) = self.file.take() else { return Ok(()) };
        let synced = tokio::task::spawn_blocking(move || file.sync_data()).await;
        synced.unwrap_or_else(|e| Err(std::io::Error::other(e))).map_err(|e| unwritten(&self.path, e))
    }

    fn take_written(&mut self) -> u64 {
        std::mem::take(&mut self.written)
    }
}

fn unwritten(path: &Path, e: std::io::Error) -> DmError {
    files::unusable(path, "cannot write the dump file", e)
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
