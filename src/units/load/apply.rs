//! Loads one data file: its rows in batches, each one transaction together with the file's progress.

use std::{
    borrow::Cow,
    collections::{BTreeMap, HashSet},
    io::Read,
    path::PathBuf,
    sync::Arc,
};

use tokio::task::JoinHandle;

use super::{
    bytes,
    csv::{self, CsvScanner},
    fields::{FieldScanner, Layout},
    folder::{DataFile, agree_in_content, unreadable},
    progress::{Counters, TableProgress},
    scan::{Batch, InsertHead, PutRow, ScanError, Scanner},
    sender::{self, CONFLICT_RETRIES, RECONNECTS, Sender, Sent},
    store::{Part, Store},
    verb,
};
use crate::{
    config::subtask::DbConfig,
    error::{Code, DmError, Result, Scope},
    rules::ExtraColumn,
    schema::model::{quote_name, quote_text},
    units::{
        dump::{document, files, names},
        failpoint::{self, Place},
        fence, link,
        senders::Senders,
    },
};

/// What the workers of one load share.
pub struct Shared {
    /// The task's name.
    pub task: String,
    pub store: Store,
    pub target: DbConfig,
    pub session: Vec<(String, String)>,
    /// What the task asks for: see [`verb`].
    pub verb: &'static str,
    /// Bytes of rows in a transaction.
    pub batch_bytes: usize,
    /// The target's `max_allowed_packet`.
    pub packet: usize,
    /// Target tables (schema, table) whose engine has no transactions.
    pub plain: HashSet<(String, String)>,
    pub counters: Arc<Counters>,
    /// Columns of text that are bytes on the target, by the quoted name of the source's table.
    pub bytes: BTreeMap<String, bytes::Texts>,
    /// Tables whose rows are CSV, by the same name.
    pub csv: csv::Tables,
    /// The target executes comments meant for newer servers.
    pub tidb: bool,
    /// Who may send now.
    pub turns: Senders,
}

/// One worker.
pub struct Worker {
    shared: Arc<Shared>,
    sender: Sender,
}

enum Applied {
    Committed,
    /// The file stands elsewhere: an earlier packet of ours was committed after all.
    At(u64, bool),
}

type Text = Box<dyn Read + Send>;

/// A file that is read.
enum Input {
    Sql(Scanner<Text>),
    Csv(CsvScanner<Text>),
    Fields(FieldScanner<Text>),
}

impl Input {
    fn next_batch(&mut self, limit: usize, write: &PutRow<'_>) -> Result<Option<Batch>, ScanError> {
        match self {
            Input::Sql(scanner) => scanner.next_batch(limit, write),
            Input::Csv(scanner) => scanner.next_batch(limit, write),
            Input::Fields(scanner) => scanner.next_batch(limit, write),
        }
    }
}

impl Shared {
    /// Reads the file's rows behind a position.
    fn input(&self, file: &DataFile, text: Text, position: u64) -> Result<Input> {
        let Some(table) = self.csv.get(&file.table) else { return Ok(Input::Sql(Scanner::new(text, position))) };
        Ok(match &file.terms {
            // Half of a line may be escape signs.
            Some(_) => {
                let layout = layout(file, table, self.tidb)?;
                Input::Fields(FieldScanner::new(text, position, layout, self.packet.saturating_mul(2)))
            }
            None if names::is_csv(&file.row.file) => Input::Csv(CsvScanner::new(text, position, Arc::clone(table))),
            None => Input::Sql(Scanner::new(text, position)),
        })
    }
}

/// How a file of LOAD DATA is read. 34008 when the statement names a column that the table doesn't have.
fn layout(file: &DataFile, table: &csv::Table, tidb: bool) -> Result<Layout> {
    Layout::new(file.terms.as_ref().unwrap_or(&Arc::default()), table, tidb).map_err(|column| {
        DmError::new(Code::LoadUnitInvalidInsertSQL)
            .msg(format!("{}: its LOAD DATA statement names column {}, which {} doesn't have", file.path.display(), quote_name(&column), file.table))
            .workaround("Please check that the dump's files are of one dump, or dump again (start the task with `--remove-meta`).")
    })
}

/// An error when a file can't be read as its LOAD DATA statement says.
pub fn readable<'a>(files: impl Iterator<Item = &'a DataFile>, tables: &csv::Tables, tidb: bool) -> Result<()> {
    for file in files.filter(|file| file.terms.is_some()) {
        if let Some(table) = tables.get(&file.table) {
            layout(file, table, tidb)?;
        }
    }
    Ok(())
}

type Reading = JoinHandle<(Input, Result<Option<Batch>, ScanError>)>;

impl Worker {
    /// Connects when there is something to load.
    pub fn new(shared: Arc<Shared>) -> Self {
        let (store, target, session) = (shared.store.clone(), shared.target.clone(), shared.session.clone());
        let sender = Sender::new(store, target, session, shared.turns.clone());
        Worker { shared, sender }
    }

    /// Waits until this worker may take up a file.
    pub async fn turn(&mut self) {
        self.sender.turn_for_new().await;
    }

    /// Loads what is missing of a file. While a batch is on its way the next one is read; the last one's transaction says
    /// that the file is done. Who may send keeps its turn from file to file.
    pub async fn load(&mut self, file: &DataFile, table: &TableProgress) -> Result<()> {
        let mut position = file.row.position;
        let transactional =
            !self.shared.plain.contains(&(file.row.target_schema.clone(), file.row.target_table.clone()));
        let writer = Arc::new(RowWriter::new(file, &self.shared));
        if let Some(facts) = file.facts.filter(|_| position == 0) {
            let path = file.path.clone();
            let looked = tokio::task::spawn_blocking(move || agree_in_content(&path, &facts)).await;
            looked.map_err(|e| DmError::new(Code::LoadUnitDispatchSQLFromFile).msg("a reader died").cause(e))??;
        }
        'reopen: loop {
            let input = files::reader(&file.path).map_err(|e| unreadable(&file.path, e))?;
            let input = self.shared.input(file, input, position)?;
            let (mut batch, mut reading) = self.read(file, input, &writer).await?;
            loop {
                let mut next = None;
                if let Some(ahead) = reading.take() {
                    (next, reading) = self.read_to(file, ahead, &writer).await?;
                }
                let done = next.is_none();
                let sent = batch.unwrap_or_else(|| Batch { start: position, end: position, ..Batch::default() });
                let to = if done { file.row.size.max(sent.end) } else { sent.end };
                let part = Part { from: sent.start, to, done, transactional };
                self.sender.turn().await;
                let stored = match self.apply(file, table, part, &sent).await? {
                    Applied::Committed => (to, done),
                    Applied::At(stored, stored_done) => (stored, stored_done),
                };
                let rows = if stored == (to, done) { sent.rows } else { 0 };
                self.sender.turn_ends(if rows > 0 { sent.text.len() as u64 } else { 0 });
                self.shared.counters.add(table, stored.0.saturating_sub(position), rows);
                position = stored.0;
                if stored.1 {
                    self.shared.counters.chunk_done(table, None);
                    return Ok(());
                }
                if stored != (to, done) {
                    continue 'reopen;
                }
                batch = next;
            }
        }
    }

    /// Reads a batch, and begins with the one behind it.
    async fn read(
        &self,
        file: &DataFile,
        input: Input,
        writer: &Arc<RowWriter>,
    ) -> Result<(Option<Batch>, Option<Reading>)> {
        let reading = self.read_ahead(input, writer);
        self.read_to(file, reading, writer).await
    }

    async fn read_to(
        &self,
        file: &DataFile,
        reading: Reading,
        writer: &Arc<RowWriter>,
    ) -> Result<(Option<Batch>, Option<Reading>)> {
        let died = |e| DmError::new(Code::LoadUnitDispatchSQLFromFile).msg("a reader died").cause(e);
        let (input, batch) = reading.await.map_err(died)?;
        let batch = batch.map_err(|e| scan_error(file, e))?;
        let next = batch.is_some().then(|| self.read_ahead(input, writer));
        Ok((batch, next))
    }

    fn read_ahead(&self, mut input: Input, writer: &Arc<RowWriter>) -> Reading {
        let (bytes, writer) = (self.shared.batch_bytes, Arc::clone(writer));
        tokio::task::spawn_blocking(move || {
            let batch = input.next_batch(bytes, &|out, head, row| writer.write(out, head, row));
            (input, batch)
        })
    }

    /// One transaction with these rows (may be none), until its outcome is known.
    async fn apply(&mut self, file: &DataFile, table: &TableProgress, part: Part, batch: &Batch) -> Result<Applied> {
        let name = &file.row.file;
        let Part { from, to, done, .. } = part;
        let (before, after) = self.sender.store.around_batch(name, &part);
        let (mut breaks, mut conflicts) = (0, 0);
        loop {
            let verb = verb::now(self.shared.verb, self.shared.tidb, table);
            let (head, between) = match batch.rows {
                0 => (String::new(), ""),
                _ => (statement_head(verb, file, batch)?, "; "),
            };
            failpoint::pass(&self.shared.task, Place::LoadBeforeBatch)?;
            match self
                .sender
                .send(&[before.as_bytes(), head.as_bytes(), &batch.text, between.as_bytes(), after.as_bytes()])
                .await?
            {
                Sent::Done => {
                    self.sender.keep(false);
                    failpoint::pass(&self.shared.task, Place::LoadCommitted)?;
                    return Ok(Applied::Committed);
                }
                Sent::Unknown(e) => {
                    breaks += 1;
                    tracing::warn!(file = %name, error = %link::cause(&e), "connection to the target lost while loading");
                    match self.sender.stored(name, breaks).await? {
                        (stored, stored_done) if stored == to && stored_done == done => return Ok(Applied::Committed),
                        (stored, false) if stored == from && breaks < RECONNECTS => {}
                        (stored, false) if stored == from => return Err(batch_error(file, &part, batch, &e)),
                        (stored, stored_done) => return Ok(Applied::At(stored, stored_done)),
                    }
                }
                Sent::Refused(e) if link::errno(&e) == fence::FENCE_ERRNO => {
                    let (stored, stored_done) = self.sender.stored(name, 0).await?;
                    if stored != from || stored_done {
                        return Ok(Applied::At(stored, stored_done));
                    }
                    // The fence holds now, so the overflow came from the rows themselves.
                    return Err(batch_error(file, &part, batch, &e));
                }
                Sent::Refused(e) if sender::is_conflict(link::errno(&e)) && conflicts < CONFLICT_RETRIES => {
                    conflicts += 1;
                    sender::after_conflict(conflicts).await;
                }
                Sent::Refused(e) if verb::replaces_now(verb, self.shared.verb, link::errno(&e), table) => {}
                Sent::Refused(e) if self.sender.may_keep(&e) => self.sender.keep(true),
                Sent::Refused(e) => return Err(batch_error(file, &part, batch, &e)),
            }
        }
    }
}

/// How the rows of a file are written: with the values that the route adds, and as the target understands them.
struct RowWriter {
    tail: Vec<u8>,
    texts: bytes::Texts,
    tidb: bool,
}

impl RowWriter {
    fn new(file: &DataFile, shared: &Shared) -> Self {
        let texts = shared.bytes.get(&file.table).cloned().unwrap_or_default();
        RowWriter { texts, tidb: shared.tidb, ..RowWriter::of(file) }
    }

    fn of(file: &DataFile) -> Self {
        let mut tail = Vec::new();
        for ExtraColumn { value, .. } in &file.extra {
            tail.push(b',');
            tail.extend_from_slice(quote_text(value).as_bytes());
        }
        RowWriter { tail, texts: bytes::Texts::new(), tidb: false }
    }

    fn write(&self, out: &mut Vec<u8>, head: &InsertHead, row: &[u8]) {
        let mut row = if self.tidb { document::plain_text(row) } else { Cow::Borrowed(row) };
        if let Some(columns) = head.columns.as_ref().filter(|_| !self.texts.is_empty()) {
            let mut with_bytes = Vec::with_capacity(row.len());
            bytes::write(&mut with_bytes, &row, columns, &self.texts);
            row = Cow::Owned(with_bytes);
        }
        match row.split_last() {
            Some((end, row)) if !self.tail.is_empty() => {
                out.extend_from_slice(row);
                out.extend_from_slice(&self.tail);
                out.push(*end);
            }
            _ => out.extend_from_slice(&row),
        }
    }
}

/// `INSERT INTO ... VALUES ` on the target table, with the columns that the route adds.
fn statement_head(verb: &str, file: &DataFile, batch: &Batch) -> Result<String> {
    let table = format!("{}.{}", quote_name(&file.row.target_schema), quote_name(&file.row.target_table));
    match (&batch.head.columns, file.extra.is_empty()) {
        (Some(columns), _) => {
            let extra = file.extra.iter().map(|extra| &extra.name);
            let names: Vec<String> = columns.iter().chain(extra).map(|name| quote_name(name)).collect();
            Ok(format!("{verb} {table} ({}) VALUES ", names.join(",")))
        }
        (None, true) => Ok(format!("{verb} {table} VALUES ")),
        (None, false) => Err(DmError::new(Code::LoadUnitInvalidInsertSQL)
            .msg(format!("{}: a route adds columns, but the INSERTs of the file name no columns", file.path.display()))
            .workaround("Please dump with complete INSERTs (column names), as the dump unit does.")),
    }
}

fn batch_error(file: &DataFile, part: &Part, batch: &Batch, e: &mysql_async::Error) -> DmError {
    let Part { from, to, .. } = part;
    let target = format!("{}.{}", quote_name(&file.row.target_schema), quote_name(&file.row.target_table));
    let what = format!("load {} bytes {from}..{to} into {target}", file.path.display());
    let error = link::failed(Code::DBExecuteFailed, Scope::Downstream, &what, e);
    match link::errno(e) {
        1062 => error.workaround(
            "Please look at the duplicate on the target, then set `on-duplicate-logical` to replace or ignore, or remove \
             the row and resume the task.",
        ),
        1054 | 1136 => error.workaround("Please check that the target table has the source's columns, then resume the task."),
        1253 | 1300 | 1366 => {
            let columns: Vec<String> =
                batch.head.columns.iter().flatten().chain(file.extra.iter().map(|extra| &extra.name)).cloned().collect();
            match bytes::advice(e, &batch.text, &columns, &target) {
                Some(advice) => error.workaround(advice),
                None => error,
            }
        }
        1146 | 1049 => error.workaround("Please check that the dump has the table's schema file, or create the table."),
        errno => match sender::no_room(errno, error.raw_cause()) {
            Some(advice) => error.workaround(advice),
            None => error,
        },
    }
}

fn scan_error(file: &DataFile, e: ScanError) -> DmError {
    let path: PathBuf = file.path.clone();
    let again = "Please check the dump file, or dump again (start the task with `--remove-meta`).";
    match e {
        ScanError::Io(e) => unreadable(&path, e),
        ScanError::Truncated(at) => DmError::new(Code::LoadUnitInvalidFileEnding)
            .msg(format!("{} ends at byte {at} inside a statement", path.display()))
            .workaround(again),
        ScanError::Malformed(at, words) => DmError::new(Code::LoadUnitInvalidInsertSQL)
            .msg(format!("{}: no INSERT as dump tools write it at byte {at}: {words:?}", path.display()))
            .workaround(again),
        ScanError::OpenLine(from, end) => DmError::new(Code::LoadUnitInvalidFileEnding)
            .msg(format!("{} ends at byte {end} inside the line that begins at byte {from}", path.display()))
            .workaround(again),
        ScanError::Line(at, why) => DmError::new(Code::LoadUnitInvalidInsertSQL)
            .msg(format!("{}: at byte {at} is no line as its LOAD DATA statement says: {why}", path.display()))
            .workaround(again),
        ScanError::Record(at) => DmError::new(Code::LoadUnitInvalidInsertSQL)
            .msg(format!("{}: at byte {at} is no CSV record of the table's columns", path.display()))
            .workaround(
                "Please check that the file's first line names columns of the table and that each record has as many fields \
                 (comma, double quotes, \\N for NULL), or dump again (start the task with `--remove-meta`).",
            ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::load::{scan::InsertHead, store::FileRow};

    fn file(extra: &[(&str, &str)]) -> DataFile {
        DataFile {
            path: "d/db.t.sql".into(),
            row: FileRow {
                file: "db.t.sql".into(),
                target_schema: "s".into(),
                target_table: "t`".into(),
                size: 9,
                position: 0,
                done: false,
                was_empty: false,
                snapshot: None,
            },
            table: "`db`.`t`".into(),
            facts: None,
            terms: None,
            extra: extra.iter().map(|(n, v)| ExtraColumn { name: (*n).to_owned(), value: (*v).to_owned() }).collect(),
        }
    }

    #[test]
    fn statements_go_to_the_target_table() {
        let head = InsertHead { table: "x".into(), columns: Some(vec!["a".into()]) };
        let mut batch = Batch { head, rows: 1, ..Batch::default() };
        let head = |file: &DataFile, batch: &Batch| statement_head("REPLACE INTO", file, batch);
        assert_eq!(head(&file(&[]), &batch).unwrap(), "REPLACE INTO `s`.`t``` (`a`) VALUES ");
        let routed = file(&[("c", "it's")]);
        assert_eq!(head(&routed, &batch).unwrap(), "REPLACE INTO `s`.`t``` (`a`,`c`) VALUES ");
        let mut out = Vec::new();
        RowWriter::of(&routed).write(&mut out, &batch.head, b"(1)");
        assert_eq!(out, b"(1,'it''s')");
        batch.head.columns = None;
        assert_eq!(head(&file(&[]), &batch).unwrap(), "REPLACE INTO `s`.`t``` VALUES ");
        assert_eq!(head(&routed, &batch).unwrap_err().code(), Code::LoadUnitInvalidInsertSQL);
    }
}
