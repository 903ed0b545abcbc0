//! Reads chunks with a snapshot's connection and hands on their rows as INSERT texts.

use std::{
    borrow::Cow,
    sync::{Arc, atomic::Ordering},
};

use tokio::sync::mpsc;

use super::{
    Failure, Shared,
    chunk::{Chunk, StreamTable},
    pump::{Batch, Job},
    snapshot::Reader,
};
use crate::{
    error::{Code, Scope},
    mysql::{RowConn, rows},
    schema::model::quote_name,
    units::{
        dump::{
            self,
            document::{self, parts::Later},
            plan, row,
        },
        link,
        load::verb,
    },
};

/// A batch of so many bytes gets its whole buffer.
const GROWN: usize = 64 << 10;

/// Batches of a chunk that wait for its writer.
const WAITING: usize = 8;

/// One reader: works until every chunk is in the target.
pub async fn run(mut reader: Reader, shared: Arc<Shared>, jobs: mpsc::Sender<Vec<Job>>) -> Result<(), Failure> {
    while let Some(chunks) = shared.queue.next().await {
        let mut together = Together::default();
        for chunk in chunks {
            let (batches, received) = mpsc::channel(WAITING);
            let job = Job { chunk: chunk.clone(), whole: None, batches: received, at: reader.at.clone() };
            let mut out = Out { shared: &shared, jobs: &jobs, batches, job: Some(job), together: &mut together };
            read(&mut reader.conn, &chunk, &mut out).await?;
        }
        if !together.jobs.is_empty() && jobs.send(together.jobs).await.is_err() {
            // The writers are gone: their error counts.
            return Ok(());
        }
    }
    Ok(())
}

/// Chunks of one batch each, which were read.
#[derive(Default)]
struct Together {
    jobs: Vec<Job>,
    bytes: usize,
}

/// Where a chunk's batches go.
struct Out<'a> {
    shared: &'a Shared,
    jobs: &'a mpsc::Sender<Vec<Job>>,
    batches: mpsc::Sender<Batch>,
    /// Not handed to a writer yet.
    job: Option<Job>,
    together: &'a mut Together,
}

impl Out<'_> {
    /// Hands on a batch; false when nobody wants more of the chunk.
    async fn send(&mut self, mut batch: Batch) -> bool {
        if let Some(job) = self.job.take() {
            if batch.last && job.chunk.can_wait() {
                return self.put(job, batch).await;
            }
            // A table without transactions, or of many batches: its writer takes them as they come.
            if self.jobs.send(vec![job]).await.is_err() {
                return false;
            }
        }
        let wanted = u32::try_from(batch.text.len() / 1024 + 1).unwrap_or(u32::MAX).min(self.shared.budget_kib);
        // A writer that has nothing to do gets its batch even if others hold all the memory: it may be what they wait for.
        tokio::select! {
            biased;
            held = self.shared.budget.clone().acquire_many_owned(wanted) => batch.held = held.ok(),
            _ = self.batches.reserve_many(WAITING) => {}
            () = self.batches.closed() => return false,
        }
        self.batches.send(batch).await.is_ok()
    }

    /// Keeps a whole chunk until there are enough of them for a packet.
    async fn put(&mut self, mut job: Job, batch: Batch) -> bool {
        let bytes = batch.text.len();
        let mut full = Together::default();
        if self.together.bytes + bytes > self.shared.batch_bytes {
            full = std::mem::take(self.together);
        }
        self.together.bytes += bytes;
        job.whole = Some(batch);
        self.together.jobs.push(job);
        full.jobs.is_empty() || self.jobs.send(full.jobs).await.is_ok()
    }
}

fn select(table: &StreamTable, chunk: &Chunk, given: &str) -> String {
    let plan = &table.plan;
    let mut sql = format!(
        "SELECT {} FROM {}.{}",
        row::select_list(&plan.columns),
        quote_name(&plan.schema),
        quote_name(&plan.table)
    );
    if let (Some(key), false) = (&plan.key, chunk.condition.is_empty()) {
        sql.push_str(&format!(" FORCE INDEX ({})", quote_name(&key.index)));
    }
    let conditions: Vec<String> =
        [given, &chunk.condition].into_iter().filter(|c| !c.is_empty()).map(|c| format!("({c})")).collect();
    if !conditions.is_empty() {
        sql.push_str(" WHERE ");
        sql.push_str(&conditions.join(" AND "));
    }
    sql
}

/// Reads a chunk to its end, or until its writer wants no more of it.
async fn read(conn: &mut RowConn, chunk: &Chunk, out: &mut Out<'_>) -> Result<(), Failure> {
    let (table, shared) = (&*chunk.table, out.shared);
    let failed = |e: mysql_async::Error| {
        let error = link::failed(Code::DBQueryFailed, Scope::Upstream, &format!("read {}", table.name()), &e);
        if dump::is_structure_change(&error) { Failure::StructureChanged(table.name()) } else { error.into() }
    };
    let sql = select(table, chunk, &shared.options.condition);
    conn.query(&sql).await.map_err(failed)?;
    let mut text = Text::new(table, shared);
    let (mut later, mut number) = (Later::new(&table.plan, &sql), 0);
    while let Some(row) = conn.next().await.map_err(failed)? {
        let full = match text.add(row) {
            Ok(full) => full,
            Err(row::NoRow::TooManyTypes) => {
                later.note(row, number);
                [None, None]
            }
            Err(row::NoRow::Malformed) => return Err(failed(rows::malformed())),
        };
        number += 1;
        for full in full.into_iter().flatten() {
            if !out.send(full).await {
                // The connection is wanted for the next chunk.
                return conn.finish().await.map_err(failed);
            }
        }
    }
    for place in &later.places {
        let row = later.row(conn, place).await.map_err(failed)?;
        for full in text.add_text(&row).into_iter().flatten() {
            if !out.send(full).await {
                return Ok(());
            }
        }
    }
    if table.was_read() {
        unchanged(conn, table).await?;
    }
    if !out.send(text.end()).await {
        // It will be read again.
        table.unread.fetch_add(1, Ordering::AcqRel);
    }
    Ok(())
}

/// All rows of the table were read: they are of the structure that the load began with.
async fn unchanged(conn: &mut RowConn, table: &StreamTable) -> Result<(), Failure> {
    match plan::is_unchanged(conn, &table.plan).await {
        Ok(true) => Ok(()),
        Err(e) if !dump::is_structure_change(&e) => Err(e.into()),
        _ => Err(Failure::StructureChanged(table.name())),
    }
}

/// The INSERT that is being written.
struct Text<'a> {
    table: &'a StreamTable,
    shared: &'a Shared,
    text: Vec<u8>,
    rows: u64,
    /// A batch is full at so many bytes, and never larger than the second number unless one row is.
    limits: (usize, usize),
}

impl<'a> Text<'a> {
    fn new(table: &'a StreamTable, shared: &'a Shared) -> Self {
        Text { table, shared, text: shared.buffers.take(), rows: 0, limits: (shared.batch_bytes, shared.packet_bytes) }
    }

    /// Adds a row; returns what is full. Err says why the bytes are no row.
    fn add(&mut self, payload: &[u8]) -> std::result::Result<[Option<Batch>; 2], row::NoRow> {
        let before = self.text.len();
        let start = self.begin();
        if let Err(why) = row::append_row(&mut self.text, payload, &self.table.plan.columns) {
            self.text.truncate(before);
            return Err(why);
        }
        Ok(self.end_row(before, start))
    }

    /// Adds a row's text; returns what is full.
    fn add_text(&mut self, row: &[u8]) -> [Option<Batch>; 2] {
        let before = self.text.len();
        let start = self.begin();
        self.text.extend_from_slice(row);
        self.end_row(before, start)
    }

    /// What stands before a row; where the row begins.
    fn begin(&mut self) -> usize {
        if self.text.is_empty() {
            self.head();
        } else {
            self.text.push(b',');
        }
        self.text.len()
    }

    fn head(&mut self) {
        let verb = verb::now(self.table.verb, self.shared.tidb, &self.table.progress);
        self.text.extend_from_slice(verb.as_bytes());
        self.text.extend_from_slice(&self.table.head);
    }

    fn end_row(&mut self, before: usize, start: usize) -> [Option<Batch>; 2] {
        let mut out = [None, None];
        if self.shared.tidb
            && let Cow::Owned(plain) = document::plain_text(&self.text[start..])
        {
            self.text.truncate(start);
            self.text.extend_from_slice(&plain);
        }
        if !self.table.tail.is_empty() {
            self.text.pop();
            self.text.extend_from_slice(&self.table.tail);
            self.text.push(b')');
        }
        if before > 0 && self.text.len() > self.limits.1 {
            let row = self.text.split_off(before + 1);
            self.text.pop();
            out[0] = Some(self.take(false));
            self.head();
            self.text.extend_from_slice(&row);
        }
        self.rows += 1;
        if (GROWN..self.limits.0).contains(&self.text.len()) && self.text.capacity() < self.limits.0 {
            // It will be full: growing by doubling would take up to twice as much.
            self.text.reserve_exact(self.limits.0 + GROWN - self.text.len());
        }
        if self.text.len() >= self.limits.0 {
            out[1] = Some(self.take(false));
        }
        out
    }

    fn take(&mut self, last: bool) -> Batch {
        let mut text = std::mem::replace(&mut self.text, if last { Vec::new() } else { self.shared.buffers.take() });
        if text.capacity() > text.len() * 2 {
            // It waits, and others wait for memory.
            text.shrink_to_fit();
        }
        Batch { text, rows: std::mem::take(&mut self.rows), last, held: None }
    }

    fn end(&mut self) -> Batch {
        self.take(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::dump::{keys::SplitKey, plan::TablePlan};

    #[test]
    fn chunks_are_read_by_their_key() {
        let key = SplitKey { index: "PRIMARY".into(), columns: Vec::new(), whole: true };
        let columns = vec![("a".to_owned(), row::ColumnKind::Number)];
        let plan = TablePlan { schema: "s".into(), table: "t".into(), key: Some(key), columns, ..TablePlan::default() };
        let table = Arc::new(StreamTable::new(plan, ("d".into(), "t".into()), &[], "INSERT INTO", false));
        let chunk = |condition: &str| Chunk {
            table: table.clone(),
            name: "n".into(),
            condition: condition.into(),
            size: 0,
            tries: 0,
            kept: false,
        };
        assert_eq!(select(&table, &chunk(""), "a > 1"), "SELECT `a` FROM `s`.`t` WHERE (a > 1)");
        let want = "SELECT `a` FROM `s`.`t` FORCE INDEX (`PRIMARY`) WHERE (a OR b) AND (`a` < 5)";
        assert_eq!(select(&table, &chunk("`a` < 5"), "a OR b"), want);
    }
}
