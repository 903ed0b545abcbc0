//! Loads one data file: its rows in batches, each one transaction together with the file's progress.

use std::{borrow::Cow, collections::HashSet, path::PathBuf, sync::Arc};

use tokio::task::JoinHandle;

use super::{
    folder::{DataFile, unreadable},
    progress::Counters,
    scan::{Batch, ScanError, Scanner},
    sender::{self, CONFLICT_RETRIES, RECONNECTS, Sender, Sent},
    store::{Part, Store},
};
use crate::{
    config::subtask::DbConfig,
    error::{Code, DmError, Result, Scope},
    rules::ExtraColumn,
    schema::model::{quote_name, quote_text},
    units::{
        dump::{document, files},
        failpoint::{self, Place},
        fence, link,
    },
};

/// What the workers of one load share.
pub struct Shared {
    /// The task's name.
    pub task: String,
    pub store: Store,
    pub target: DbConfig,
    pub session: Vec<(String, String)>,
    /// `REPLACE INTO`, `INSERT IGNORE INTO` or `INSERT INTO`.
    pub verb: &'static str,
    /// Bytes of rows in a transaction.
    pub batch_bytes: usize,
    /// Target tables (schema, table) whose engine has no transactions.
    pub plain: HashSet<(String, String)>,
    pub counters: Arc<Counters>,
    /// The target executes comments meant for newer servers.
    pub tidb: bool,
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

type Input = Box<dyn std::io::Read + Send>;
type Prefetch = JoinHandle<(Scanner<Input>, Result<Option<Batch>, ScanError>)>;

impl Worker {
    /// Connects when there is something to load.
    pub fn new(shared: Arc<Shared>) -> Self {
        let sender = Sender::new(shared.store.clone(), shared.target.clone(), shared.session.clone());
        Worker { shared, sender }
    }

    /// Loads what is missing of a file.
    pub async fn load(&mut self, file: &DataFile) -> Result<()> {
        let mut position = file.row.position;
        let transactional =
            !self.shared.plain.contains(&(file.row.target_schema.clone(), file.row.target_table.clone()));
        'reopen: loop {
            let mut next = open(file, position, self.shared.batch_bytes)?;
            loop {
                let (scanner, batch) = next
                    .await
                    .map_err(|e| DmError::new(Code::LoadUnitDispatchSQLFromFile).msg("a reader died").cause(e))?;
                let Some(batch) = batch.map_err(|e| scan_error(file, e))? else { break };
                // The next batch is read while this one is on its way.
                next = read_ahead(scanner, self.shared.batch_bytes);
                let rows = statement(self.shared.verb, file, &batch, self.shared.tidb)?;
                let part = Part { from: batch.start, to: batch.end, done: false, transactional };
                match self.apply(file, part, &rows).await? {
                    Applied::Committed => self.moved(&mut position, batch.end),
                    Applied::At(_, true) => return Ok(()),
                    Applied::At(stored, false) => {
                        self.moved(&mut position, stored);
                        continue 'reopen;
                    }
                }
            }
            let part = Part { from: position, to: file.row.size.max(position), done: true, transactional };
            return match self.apply(file, part, b"").await? {
                Applied::At(stored, false) => {
                    self.moved(&mut position, stored);
                    continue 'reopen;
                }
                _ => {
                    self.moved(&mut position, file.row.size);
                    Ok(())
                }
            };
        }
    }

    fn moved(&self, position: &mut u64, to: u64) {
        self.shared.counters.add(to.saturating_sub(*position));
        *position = to;
    }

    /// One transaction with this statement (may be empty), until its outcome is known.
    async fn apply(&mut self, file: &DataFile, part: Part, rows: &[u8]) -> Result<Applied> {
        let name = &file.row.file;
        let Part { from, to, done, .. } = part;
        let (before, after) = self.sender.store.around_batch(name, &part);
        let between: &[u8] = if rows.is_empty() { b"" } else { b"; " };
        let (mut breaks, mut conflicts) = (0, 0);
        loop {
            failpoint::pass(&self.shared.task, Place::LoadBeforeBatch)?;
            match self.sender.send(&[before.as_bytes(), rows, between, after.as_bytes()]).await? {
                Sent::Done => {
                    failpoint::pass(&self.shared.task, Place::LoadCommitted)?;
                    return Ok(Applied::Committed);
                }
                Sent::Unknown(e) => {
                    breaks += 1;
                    tracing::warn!(file = %name, error = %link::cause(&e), "connection to the target lost while loading");
                    match self.sender.stored(name, breaks).await? {
                        (stored, stored_done) if stored == to && stored_done == done => return Ok(Applied::Committed),
                        (stored, false) if stored == from && breaks < RECONNECTS => {}
                        (stored, false) if stored == from => return Err(batch_error(file, from, to, &e)),
                        (stored, stored_done) => return Ok(Applied::At(stored, stored_done)),
                    }
                }
                Sent::Refused(e) if link::errno(&e) == fence::FENCE_ERRNO => {
                    let (stored, stored_done) = self.sender.stored(name, 0).await?;
                    if stored != from || stored_done {
                        return Ok(Applied::At(stored, stored_done));
                    }
                    // The fence holds now, so the overflow came from the rows themselves.
                    return Err(batch_error(file, from, to, &e));
                }
                Sent::Refused(e) if sender::is_conflict(link::errno(&e)) && conflicts < CONFLICT_RETRIES => {
                    conflicts += 1;
                    sender::after_conflict(conflicts).await;
                }
                Sent::Refused(e) => return Err(batch_error(file, from, to, &e)),
            }
        }
    }
}

fn open(file: &DataFile, position: u64, bytes: usize) -> Result<Prefetch> {
    let input = files::reader(&file.path).map_err(|e| unreadable(&file.path, e))?;
    Ok(read_ahead(Scanner::new(input, position), bytes))
}

fn read_ahead(mut scanner: Scanner<Input>, bytes: usize) -> Prefetch {
    tokio::task::spawn_blocking(move || {
        let batch = scanner.next_batch(bytes);
        (scanner, batch)
    })
}

/// The batch as one statement on the target table, with the columns that the route adds.
fn statement(verb: &str, file: &DataFile, batch: &Batch, tidb: bool) -> Result<Vec<u8>> {
    let table = format!("{}.{}", quote_name(&file.row.target_schema), quote_name(&file.row.target_table));
    let mut out = format!("{verb} {table} ").into_bytes();
    let mut tail = Vec::new();
    match (&batch.head.columns, file.extra.is_empty()) {
        (Some(columns), _) => {
            let extra = file.extra.iter().map(|extra| &extra.name);
            let names: Vec<String> = columns.iter().chain(extra).map(|name| quote_name(name)).collect();
            out.extend_from_slice(format!("({}) ", names.join(",")).as_bytes());
            for ExtraColumn { value, .. } in &file.extra {
                tail.push(b',');
                tail.extend_from_slice(quote_text(value).as_bytes());
            }
        }
        (None, true) => {}
        (None, false) => {
            return Err(DmError::new(Code::LoadUnitInvalidInsertSQL)
                .msg(format!(
                    "{}: a route adds columns, but the INSERTs of the file name no columns",
                    file.path.display()
                ))
                .workaround("Please dump with complete INSERTs (column names), as the dump unit does."));
        }
    }
    out.extend_from_slice(b"VALUES ");
    out.reserve(batch.text.len() + batch.ends.len() * (tail.len() + 1));
    let mut from = 0;
    for &end in &batch.ends {
        if from > 0 {
            out.push(b',');
        }
        let row = &batch.text[from..end - 1];
        out.extend_from_slice(&if tidb { document::plain_text(row) } else { Cow::Borrowed(row) });
        out.extend_from_slice(&tail);
        out.push(b')');
        from = end;
    }
    Ok(out)
}

fn batch_error(file: &DataFile, from: u64, to: u64, e: &mysql_async::Error) -> DmError {
    let what = format!(
        "load {} bytes {from}..{to} into {}.{}",
        file.path.display(),
        quote_name(&file.row.target_schema),
        quote_name(&file.row.target_table)
    );
    let error = link::failed(Code::DBExecuteFailed, Scope::Downstream, &what, e);
    match link::errno(e) {
        1062 => error.workaround(
            "Please look at the duplicate on the target, then set `on-duplicate-logical` to replace or ignore, or remove \
             the row and resume the task.",
        ),
        1054 | 1136 => error.workaround("Please check that the target table has the source's columns, then resume the task."),
        1146 | 1049 => error.workaround("Please check that the dump has the table's schema file, or create the table."),
        _ => error,
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
            },
            extra: extra.iter().map(|(n, v)| ExtraColumn { name: (*n).to_owned(), value: (*v).to_owned() }).collect(),
        }
    }

    #[test]
    fn statements_go_to_the_target_table() {
        let head = InsertHead { table: "x".into(), columns: Some(vec!["a".into()]) };
        let mut batch = Batch { head, text: b"(1)(2)".to_vec(), ends: vec![3, 6], start: 0, end: 6 };
        let text = |file: &DataFile, batch: &Batch| {
            statement("REPLACE INTO", file, batch, false).map(|s| String::from_utf8(s).unwrap())
        };
        assert_eq!(text(&file(&[]), &batch).unwrap(), "REPLACE INTO `s`.`t``` (`a`) VALUES (1),(2)");
        let routed = file(&[("c", "it's")]);
        assert_eq!(text(&routed, &batch).unwrap(), "REPLACE INTO `s`.`t``` (`a`,`c`) VALUES (1,'it''s'),(2,'it''s')");
        batch.head.columns = None;
        assert_eq!(text(&file(&[]), &batch).unwrap(), "REPLACE INTO `s`.`t``` VALUES (1),(2)");
        assert_eq!(text(&routed, &batch).unwrap_err().code(), Code::LoadUnitInvalidInsertSQL);
    }
}
