//! Tables and chunks under way, and who still has to read what.

use std::{
    collections::{HashMap, VecDeque},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::Notify;

use crate::{
    rules::ExtraColumn,
    schema::model::{quote_name, quote_text},
    units::{dump::plan::TablePlan, load::progress::TableProgress},
};

/// One table of the load.
#[derive(Debug)]
pub struct StreamTable {
    pub plan: TablePlan,
    pub target_schema: String,
    pub target_table: String,
    /// What its rows are written with, by the task and the load: see [`crate::units::load::verb`].
    pub verb: &'static str,
    /// What stands between that and the rows: the table and its columns.
    pub head: Vec<u8>,
    /// What a route adds to each row: `,'value'`.
    pub tail: Vec<u8>,
    /// Rows can't be told apart on one of the sides: the whole table is one chunk of many transactions.
    pub whole: bool,
    /// One chunk of many transactions: rows can't be told apart, or the key can't be split.
    pub long: bool,
    /// The target table's engine has no transactions.
    pub plain: bool,
    /// Chunks that weren't read to their end yet.
    pub unread: AtomicUsize,
    pub progress: Arc<TableProgress>,
}

/// Tables of so many bytes by the source's guess are read and written together with others of their size: a transaction of
/// its own for a few rows costs the target more than the rows.
const SMALL: u64 = 64 << 10;
/// Of so many tables, and so many bytes by the guess.
const TOGETHER: usize = 32;
const TOGETHER_BYTES: u64 = 512 << 10;

impl StreamTable {
    /// A table on its way to its target.
    pub fn new(
        plan: TablePlan,
        target: (String, String),
        extra: &[ExtraColumn],
        verb: &'static str,
        whole: bool,
    ) -> Self {
        let columns = plan.columns.iter().map(|(name, _)| name).chain(extra.iter().map(|extra| &extra.name));
        let columns: Vec<String> = columns.map(|name| quote_name(name)).collect();
        let (schema, table) = (quote_name(&target.0), quote_name(&target.1));
        let head = format!(" {schema}.{table} ({}) VALUES ", columns.join(",")).into_bytes();
        let mut tail = Vec::new();
        for extra in extra {
            tail.push(b',');
            tail.extend_from_slice(quote_text(&extra.value).as_bytes());
        }
        let (target_schema, target_table) = target;
        let name = format!("{}.{}", quote_name(&plan.schema), quote_name(&plan.table));
        let progress = TableProgress::new(name, plan.estimated_rows);
        let unread = AtomicUsize::new(0);
        let long = whole || plan.key.is_none();
        StreamTable { plan, target_schema, target_table, verb, head, tail, whole, long, plain: false, unread, progress }
    }

    /// The source's name of it, for people.
    pub fn name(&self) -> String {
        self.progress.name.clone()
    }

    /// The source's schema and name.
    pub fn source(&self) -> (String, String) {
        (self.plan.schema.clone(), self.plan.table.clone())
    }

    /// True for the chunk that was read last.
    pub fn was_read(&self) -> bool {
        self.unread.fetch_sub(1, Ordering::AcqRel) == 1
    }
}

/// A part of a table that is not in the target yet.
#[derive(Clone, Debug)]
pub struct Chunk {
    pub table: Arc<StreamTable>,
    /// Its row of the ledger.
    pub name: String,
    /// Empty: all rows.
    pub condition: String,
    /// The guess.
    pub size: u64,
    /// How often it was read in vain.
    pub tries: u32,
    /// It holds bytes that are no text of their columns.
    pub kept: bool,
}

impl Chunk {
    /// A small table, whose rows may wait for those of others to be written with them.
    pub fn can_wait(&self) -> bool {
        self.condition.is_empty() && self.size <= SMALL && self.tries == 0 && !self.table.long && !self.table.plain
    }
}

/// The chunks that are still to be read. It is empty for good only when the last one under way is in the target.
#[derive(Debug, Default)]
pub struct Queue {
    state: Mutex<State>,
    changed: Notify,
}

#[derive(Debug, Default)]
struct State {
    waiting: VecDeque<Chunk>,
    under_way: usize,
    /// By the table's source name.
    by_table: HashMap<String, usize>,
    /// Of one table at the same time.
    most: usize,
}

impl Queue {
    /// With all chunks of a load, of which `most` of one table are under way at the same time.
    pub fn new(chunks: Vec<Chunk>, most: usize) -> Self {
        for chunk in &chunks {
            chunk.table.unread.fetch_add(1, Ordering::AcqRel);
        }
        let state = State { waiting: chunks.into(), most: most.max(1), ..State::default() };
        Queue { state: Mutex::new(state), changed: Notify::new() }
    }

    /// The next chunk to read, or several small ones; None when all are in the target.
    pub async fn next(&self) -> Option<Vec<Chunk>> {
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // From here on a change is not missed.
            changed.as_mut().enable();
            {
                let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(chunk) = state.next() {
                    return Some(state.with_others(chunk));
                }
                if state.under_way == 0 {
                    return None;
                }
            }
            changed.await;
        }
    }

    /// A chunk of this table is in the target, or must be read again.
    pub fn ended(&self, table: &StreamTable, again: Option<Chunk>) {
        let mut state = self.state.lock().unwrap_or_else(PoisonError::into_inner);
        state.under_way = state.under_way.saturating_sub(1);
        if let Some(count) = state.by_table.get_mut(&table.progress.name) {
            *count = count.saturating_sub(1);
        }
        state.waiting.extend(again);
        drop(state);
        self.changed.notify_waiters();
    }
}

impl State {
    fn has_room(&self, chunk: &Chunk) -> bool {
        self.by_table.get(&chunk.table.progress.name).is_none_or(|count| *count < self.most)
    }

    /// The first chunk whose table has room.
    fn next(&mut self) -> Option<Chunk> {
        // A large table has thousands of chunks: whether it has room is looked up once.
        let mut full: Vec<*const StreamTable> = Vec::new();
        let at = self.waiting.iter().position(|chunk| {
            let table = Arc::as_ptr(&chunk.table);
            if full.contains(&table) {
                return false;
            }
            let has_room = self.has_room(chunk);
            if !has_room {
                full.push(table);
            }
            has_room
        })?;
        let chunk = self.waiting.remove(at)?;
        *self.by_table.entry(chunk.table.progress.name.clone()).or_default() += 1;
        self.under_way += 1;
        Some(chunk)
    }

    /// A small chunk and those behind it that are small too.
    fn with_others(&mut self, first: Chunk) -> Vec<Chunk> {
        let (mut bytes, mut all) = (first.size, vec![first]);
        while all.iter().all(Chunk::can_wait) && all.len() < TOGETHER {
            let fits = |next: &Chunk| next.can_wait() && bytes + next.size <= TOGETHER_BYTES && self.has_room(next);
            if !self.waiting.front().is_some_and(fits) {
                break;
            }
            let Some(next) = self.next() else { break };
            bytes += next.size;
            all.push(next);
        }
        all
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(tail: &[ExtraColumn]) -> Arc<StreamTable> {
        let plan = TablePlan { schema: "s".into(), table: "t".into(), ..TablePlan::default() };
        Arc::new(StreamTable::new(plan, ("d".into(), "t`".into()), tail, "REPLACE INTO", false))
    }

    #[test]
    fn rows_go_to_the_target_with_the_routes_columns() {
        let table = table(&[ExtraColumn { name: "c".into(), value: "it's".into() }]);
        assert_eq!(table.head, b" `d`.`t``` (`c`) VALUES ");
        assert_eq!(table.tail, b",'it''s'");
    }

    #[tokio::test]
    async fn readers_wait_for_what_may_come_back() {
        let table = table(&[]);
        let chunk =
            Chunk { table: table.clone(), name: "n".into(), condition: String::new(), size: 1, tries: 0, kept: false };
        let queue = Arc::new(Queue::new(vec![chunk], 1));
        let first = queue.next().await.unwrap().remove(0);
        let other = queue.clone();
        let waiting = tokio::spawn(async move { other.next().await });
        queue.ended(&table, Some(first));
        let second = waiting.await.unwrap().unwrap().remove(0);
        assert!(table.was_read());
        queue.ended(&table, None);
        assert_eq!((second.name.as_str(), queue.next().await.is_none()), ("n", true));
    }

    #[tokio::test]
    async fn tables_share_the_writers() {
        let (one, two) = (table(&[]), {
            let plan = TablePlan { schema: "s".into(), table: "u".into(), ..TablePlan::default() };
            Arc::new(StreamTable::new(plan, ("d".into(), "u".into()), &[], "INSERT INTO", false))
        });
        let chunk = |table: &Arc<StreamTable>, name: &str| Chunk {
            table: table.clone(),
            name: name.into(),
            condition: String::new(),
            size: 1 << 20,
            tries: 0,
            kept: false,
        };
        let queue = Queue::new(vec![chunk(&one, "a"), chunk(&one, "b"), chunk(&two, "c")], 1);
        let names = |all: Option<Vec<Chunk>>| all.unwrap().into_iter().map(|c| c.name).collect::<Vec<_>>();
        assert_eq!(names(queue.next().await), ["a"]);
        assert_eq!(names(queue.next().await), ["c"]);
        queue.ended(&one, None);
        assert_eq!(names(queue.next().await), ["b"]);
    }

    #[tokio::test]
    async fn small_chunks_go_together() {
        let table = |name: &str, long: bool| {
            let plan = TablePlan { schema: "s".into(), table: name.into(), ..TablePlan::default() };
            let table = StreamTable::new(plan, ("d".into(), name.into()), &[], "INSERT INTO", false);
            Arc::new(StreamTable { long, ..table })
        };
        let chunk = |name: &str, size: u64, long: bool| Chunk {
            table: table(name, long),
            name: name.into(),
            condition: String::new(),
            size,
            tries: 0,
            kept: false,
        };
        let few = 16 << 10;
        let mut chunks = vec![chunk("big", 2 << 20, false), chunk("a", few, false), chunk("b", few, false)];
        chunks.extend([chunk("keyless", few, true), chunk("c", few, false)]);
        chunks.extend((0..40).map(|n| chunk(&format!("t{n}"), few, false)));
        let queue = Queue::new(chunks, 1);
        let mut counts = Vec::new();
        while counts.iter().sum::<usize>() < 45 {
            counts.push(queue.next().await.unwrap().len());
        }
        assert_eq!(counts, [1, 2, 1, TOGETHER, 9]);
    }
}
