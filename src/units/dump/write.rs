//! Reads one chunk of a table and writes its data files.

use std::path::{Path, PathBuf};

use mysql_async::{Conn, prelude::Queryable};
use tokio::io::AsyncWriteExt;

use super::{files, names, options::DumpOptions, plan::TablePlan, progress::Counters, row};
use crate::{
    error::{Code, DmError, Result, Scope},
    mysql::within,
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

/// Dumps a chunk with the reader's snapshot and names its files. Rows are streamed; at most one statement is in memory.
pub async fn dump_chunk(
    conn: &mut Conn,
    chunk: &Chunk,
    table: &TablePlan,
    options: &DumpOptions,
    dir: &Path,
    counters: &Counters,
) -> Result<Vec<String>> {
    let sql = select(chunk, table, options);
    let failed = |e: mysql_async::Error| {
        let what = format!("read {}.{}", quote_name(&table.schema), quote_name(&table.table));
        link::failed(Code::DBQueryFailed, Scope::Upstream, &what, &e)
    };
    let mut rows = within(options.read_limit, conn.query_iter(sql)).await.map_err(failed)?;
    let head = row::insert_head(&table.table, &table.columns);
    let mut out = DataFiles { dir, chunk, table, file: None, names: Vec::new(), written: 0 };
    let mut text: Vec<u8> = Vec::new();
    let mut pending = 0u64;
    while let Some(values) = within(options.read_limit, rows.next()).await.map_err(failed)? {
        if text.is_empty() {
            text.extend_from_slice(head.as_bytes());
        } else {
            text.extend_from_slice(b",\n");
        }
        row::append_row(&mut text, &values, &table.columns);
        pending += 1;
        if text.len() >= options.statement_size {
            out.write_statement(&mut text, options.file_size).await?;
            counters.add(std::mem::take(&mut pending), out.take_written());
        }
    }
    if pending > 0 {
        out.write_statement(&mut text, options.file_size).await?;
        counters.add(pending, out.take_written());
    }
    out.close().await?;
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

struct DataFiles<'a> {
    dir: &'a Path,
    chunk: &'a Chunk,
    table: &'a TablePlan,
    file: Option<(tokio::fs::File, PathBuf, u64)>,
    /// Of the files so far.
    names: Vec<String>,
    written: u64,
}

impl DataFiles<'_> {
    /// Ends the statement in `text` and writes it; begins the next file when this one is full.
    async fn write_statement(&mut self, text: &mut Vec<u8>, file_size: Option<u64>) -> Result<()> {
        text.extend_from_slice(b";\n");
        let (mut file, path, size) = match self.file.take() {
            Some(open) => open,
            None => self.create(file_size.is_some()).await?,
        };
        file.write_all(text).await.map_err(|e| files::unusable(&path, "cannot write the dump file", e))?;
        self.written += text.len() as u64;
        let size = size + text.len() as u64;
        text.clear();
        self.file = Some((file, path, size));
        if file_size.is_some_and(|limit| size >= limit) {
            self.close().await?;
        }
        Ok(())
    }

    async fn create(&mut self, numbered: bool) -> Result<(tokio::fs::File, PathBuf, u64)> {
        let number = numbered.then_some(self.names.len());
        let name = names::data_file(&self.table.schema, &self.table.table, self.chunk.number, number);
        let path = self.dir.join(&name);
        self.names.push(name);
        let unusable = |e| files::unusable(&path, "cannot write the dump file", e);
        let mut file = tokio::fs::File::create(&path).await.map_err(unusable)?;
        file.write_all(FILE_HEAD.as_bytes()).await.map_err(unusable)?;
        self.written += FILE_HEAD.len() as u64;
        Ok((file, path, FILE_HEAD.len() as u64))
    }

    /// Everything is on the disk before the dump counts as complete.
    async fn close(&mut self) -> Result<()> {
        let Some((mut file, path, _)) = self.file.take() else { return Ok(()) };
        let done = async {
            file.flush().await?;
            file.sync_data().await
        };
        done.await.map_err(|e| files::unusable(&path, "cannot write the dump file", e))
    }

    fn take_written(&mut self) -> u64 {
        std::mem::take(&mut self.written)
    }
}

/// Writes a small file of the dump.
pub fn write_small(dir: &Path, name: &str, text: &str) -> Result<(), DmError> {
    let path = dir.join(name);
    std::fs::write(&path, text).map_err(|e| files::unusable(&path, "cannot write the dump file", e))
}

/// The text of a schema file: CREATE statement under the charset it is written in.
pub fn schema_text(create_sql: &str) -> String {
    format!("/*!40014 SET FOREIGN_KEY_CHECKS=0*/;\n/*!40101 SET NAMES utf8mb4*/;\n{create_sql};\n")
}
