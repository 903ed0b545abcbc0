//! The rows of a dump: its readers work through the chunks. A reader that is lost costs the chunk it was at; what is left when
//! a run ends early is kept with the connections, so that the next run goes on within the same snapshot.

use std::{
    collections::{BTreeSet, VecDeque},
    fmt,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use tokio::{task::JoinSet, time::timeout};
use tokio_util::sync::CancellationToken;

use super::{
    Failure, changed_structure,
    files::Manifest,
    identity::Names,
    is_structure_change,
    ledger::{Done, Ledger},
    metadata::Metadata,
    options::DumpOptions,
    output::Written,
    plan::{self, DumpPlan},
    progress::Counters,
    write::{self, Chunk, Dumping},
};
use crate::{
    error::{Code, DmError, Scope},
    mysql::RowConn,
    units::{
        failpoint::{self, Place},
        link,
    },
};

/// How often a chunk is read again by a connection that is still there.
const TRIES: u32 = 3;

/// For the rows of a chunk that nobody wants any more; a connection that has more of them is given up.
const DRAIN: Duration = Duration::from_secs(5);

/// A snapshot makes the source keep what it sees: without a run it is held for so long.
const LONGEST_PARKING: Duration = Duration::from_secs(30 * 60);

/// A dump whose snapshot is taken and whose rows are not all in files.
pub struct Unfinished {
    pub signature: String,
    pub task: String,
    pub dir: PathBuf,
    pub plan: Arc<DumpPlan>,
    pub names: Arc<Names>,
    pub options: Arc<DumpOptions>,
    /// Without its end.
    pub meta: Metadata,
    /// When the snapshot was taken that the readers hold.
    pub taken: String,
    pub readers: Vec<RowConn>,
    /// Chunks without files.
    pub chunks: VecDeque<Chunk>,
    /// Of each table: chunks without files.
    pub left: Arc<Vec<AtomicUsize>>,
    /// The data files that are complete.
    pub files: Manifest,
    pub counters: Arc<Counters>,
    /// Where complete chunks are noted; None: another snapshot could not go on from there.
    pub ledger: Option<Ledger>,
}

/// What one run of a subtask leaves to the next: an unfinished dump. Dropped, its connections and snapshot are gone.
#[derive(Default)]
pub struct Parked(Mutex<(u64, Option<Unfinished>)>);

impl fmt::Debug for Parked {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Parked")
    }
}

impl Parked {
    /// Keeps a dump for the next run, half an hour at most.
    pub fn put(self: &Arc<Self>, dump: Unfinished) {
        let mut place = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        place.0 += 1;
        place.1 = Some(dump);
        let (number, parked) = (place.0, Arc::downgrade(self));
        tokio::spawn(async move {
            tokio::time::sleep(LONGEST_PARKING).await;
            let Some(parked) = parked.upgrade() else { return };
            let mut place = parked.0.lock().unwrap_or_else(PoisonError::into_inner);
            if place.0 == number && place.1.take().is_some() {
                tracing::warn!("a dump that was not resumed gives its snapshot up; it will begin again");
            }
        });
    }

    /// What an earlier run left.
    pub fn take(&self) -> Option<Unfinished> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).1.take()
    }
}

impl Unfinished {
    /// Whether the folder has all that it should have of the dump.
    pub fn is_in_folder(&self, dir: &Path, signature: &str) -> bool {
        let ours = std::fs::read_to_string(dir.join(super::files::MARKER)).is_ok_and(|text| text == signature);
        let there = |(name, facts): (&String, &super::files::FileFacts)| {
            std::fs::metadata(dir.join(name)).is_ok_and(|found| found.len() == facts.size)
        };
        ours && self.signature == signature && self.dir == dir && self.files.iter().all(there)
    }

    /// Chunks in all.
    pub fn plan_chunks(&self) -> usize {
        self.counters.chunks()
    }

    /// Keeps the connections that still answer.
    pub async fn keep_living_readers(&mut self) {
        let mut living = Vec::new();
        for mut reader in std::mem::take(&mut self.readers) {
            if matches!(timeout(DRAIN, reader.ping()).await, Ok(Ok(()))) {
                living.push(reader);
            }
        }
        self.readers = living;
    }

    /// Works until every chunk is in its files. After an error or a stop `self` has what is left.
    pub(super) async fn run(&mut self, stop: &CancellationToken) -> Result<(), Failure> {
        let mut lost = None;
        while !self.chunks.is_empty() {
            if self.readers.is_empty() {
                return Err(snapshot_is_lost(lost).into());
            }
            let halt = stop.child_token();
            let shared = Arc::new(Shared {
                task: self.task.clone(),
                dir: self.dir.clone(),
                plan: self.plan.clone(),
                names: self.names.clone(),
                options: self.options.clone(),
                counters: self.counters.clone(),
                left: self.left.clone(),
                halt: halt.clone(),
                state: Mutex::new(State {
                    chunks: std::mem::take(&mut self.chunks),
                    files: std::mem::take(&mut self.files),
                    ledger: self.ledger.take(),
                    lost: None,
                }),
            });
            let mut workers = JoinSet::new();
            for reader in std::mem::take(&mut self.readers) {
                workers.spawn(shared.clone().work(reader));
            }
            let mut failure = None;
            while let Some(ended) = workers.join_next().await {
                match ended {
                    Ok((reader, failed)) => {
                        self.readers.extend(reader);
                        failure = failure.or(failed);
                    }
                    Err(e) => {
                        let died = DmError::new(Code::DumpUnitRuntime).msg("a dump worker died").cause(e);
                        return Err(died.into());
                    }
                }
            }
            self.names.rest().await;
            let mut state = shared.state.lock().unwrap_or_else(PoisonError::into_inner);
            self.chunks = std::mem::take(&mut state.chunks);
            self.files = std::mem::take(&mut state.files);
            self.ledger = state.ledger.take();
            lost = state.lost.take().or(lost);
            if let Some(failure) = failure {
                return Err(failure);
            }
            if stop.is_cancelled() {
                return Err(Failure::Stopped);
            }
        }
        Ok(())
    }
}

fn snapshot_is_lost(last: Option<DmError>) -> DmError {
    let cause = last.map_or_else(String::new, |e| e.raw_cause().to_owned());
    DmError::new(Code::DBInvalidConn)
        .scope(Scope::Upstream)
        .msg("the source closed all connections of the dump's snapshot")
        .cause(cause)
        .workaround("Please check the source, then resume the task: the dump goes on under a new snapshot where it can, or begins again.")
}

/// What the readers share.
struct Shared {
    task: String,
    dir: PathBuf,
    plan: Arc<DumpPlan>,
    names: Arc<Names>,
    options: Arc<DumpOptions>,
    counters: Arc<Counters>,
    left: Arc<Vec<AtomicUsize>>,
    halt: CancellationToken,
    state: Mutex<State>,
}

struct State {
    chunks: VecDeque<Chunk>,
    files: Manifest,
    ledger: Option<Ledger>,
    /// Why the last reader was lost.
    lost: Option<DmError>,
}

/// What a reader has read. Its transaction keeps the tables of that from being renamed.
#[derive(Default)]
struct Read {
    /// Tables whose names are known to mean what they meant before the snapshot.
    known: BTreeSet<usize>,
    /// Chunks that are in files and don't count yet.
    waiting: VecDeque<(Chunk, Written)>,
}

impl Shared {
    fn state(&self) -> std::sync::MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One reader; gives its connection back when it can be used.
    async fn work(self: Arc<Self>, conn: RowConn) -> (Option<RowConn>, Option<Failure>) {
        let mut read = Read::default();
        let (mut conn, mut failure) = self.read_all(conn, &mut read).await;
        if let Some(alive) = &mut conn
            && !matches!(failure, Some(Failure::StructureChanged(_)))
            && let Err(failed) = self.count(alive, &mut read, true).await
        {
            self.halt.cancel();
            failure = failure.or(Some(failed));
            conn = match conn {
                Some(conn) => settled(conn).await,
                None => None,
            };
        }
        // Whoever reads them next finds out.
        for (chunk, _) in read.waiting {
            self.again(chunk);
        }
        (conn, failure)
    }

    /// Reads chunks until there are none, or no more of them are wanted.
    async fn read_all(&self, mut conn: RowConn, read: &mut Read) -> (Option<RowConn>, Option<Failure>) {
        while !self.halt.is_cancelled() {
            let next = self.state().chunks.pop_front();
            let Some(chunk) = next else { break };
            let tries = chunk.tries + 1;
            let failure = match self.chunk(&mut conn, &chunk).await {
                Ok(Some(written)) => {
                    read.waiting.push_back((chunk, written));
                    self.count(&mut conn, read, false).await.err()
                }
                Ok(None) => {
                    self.again(chunk);
                    None
                }
                Err(failure) => {
                    self.again(chunk);
                    Some(failure)
                }
            };
            let error = match failure {
                Some(Failure::Other(error)) => error,
                Some(other) => {
                    self.halt.cancel();
                    return (settled(conn).await, Some(other));
                }
                None => continue,
            };
            if conn.is_broken() && link::is_passing(&error) {
                tracing::warn!(task = %self.task, %error, "a connection of the dump's snapshot is lost, the others go on");
                self.counters.reader_lost();
                self.state().lost = Some(error);
                return (None, None);
            }
            match settled(conn).await {
                Some(alive) if tries < TRIES && may_pass(&error) => {
                    tracing::warn!(task = %self.task, %error, "a chunk of the dump is read again, or its table asked for again");
                    conn = alive;
                }
                kept => {
                    self.halt.cancel();
                    return (kept, Some(error.into()));
                }
            }
        }
        (settled(conn).await, None)
    }

    /// A chunk is to be read again, next.
    fn again(&self, mut chunk: Chunk) {
        chunk.tries += 1;
        self.state().chunks.push_front(chunk);
    }

    /// Dumps a chunk; None: it was given up.
    async fn chunk(&self, conn: &mut RowConn, chunk: &Chunk) -> Result<Option<Written>, Failure> {
        let table = &self.plan.tables[chunk.table];
        let with =
            Dumping { table, options: &self.options, dir: &self.dir, counters: &self.counters, halt: &self.halt };
        let written = match write::dump_chunk(conn, chunk, &with).await {
            Err(e) if is_structure_change(&e) => return Err(changed_structure(table)),
            written => written?,
        };
        if written.is_some() {
            failpoint::pass(&self.task, Place::DumpAfterChunk)?;
        }
        Ok(written)
    }

    /// Lets the chunks that were read count, where their tables are what they were before the snapshot. That is asked from time to time,
    /// of several tables together; `now` at the latest. After an error the others are still in `read`.
    async fn count(&self, conn: &mut RowConn, read: &mut Read, now: bool) -> Result<(), Failure> {
        let unknown = |(chunk, _): &(Chunk, Written)| (!read.known.contains(&chunk.table)).then_some(chunk.table);
        let unknown: BTreeSet<usize> = read.waiting.iter().filter_map(unknown).collect();
        if !unknown.is_empty() {
            let parts = read.waiting.iter().any(|(chunk, _)| !chunk.condition.is_empty());
            if !now && !self.names.is_due(unknown.len(), parts) {
                return Ok(());
            }
            if let Some(table) = self.names.other(&self.plan.tables, &unknown).await? {
                return Err(changed_structure(table));
            }
            // The transaction held them until now only if it is still there.
            conn.ping().await.map_err(|e| link::failed(Code::DBQueryFailed, Scope::Upstream, "hold the tables", &e))?;
            read.known.extend(unknown);
        }
        while let Some((chunk, written)) = read.waiting.pop_front() {
            if let Err(failure) = self.is_whole(conn, &chunk).await {
                read.waiting.push_front((chunk, written));
                return Err(failure);
            }
            self.counters.chunk_done();
            let done = Done { table: chunk.table, number: chunk.number, rows: written.rows, files: written.files };
            let mut state = self.state();
            if let Some(ledger) = &mut state.ledger
                && let Err(error) = ledger.add(&self.dir, &done)
            {
                // Only a dump that loses its snapshot would want to know.
                tracing::warn!(task = %self.task, %error, "a complete chunk could not be noted");
            }
            state.files.extend(done.files);
        }
        Ok(())
    }

    /// One chunk less of its table; behind the last one its structure must be that of the plan.
    async fn is_whole(&self, conn: &mut RowConn, chunk: &Chunk) -> Result<(), Failure> {
        let (table, left) = (&self.plan.tables[chunk.table], &self.left[chunk.table]);
        if left.fetch_sub(1, Ordering::AcqRel) == 1 {
            if let Err(failure) = unchanged(conn, table).await {
                left.fetch_add(1, Ordering::AcqRel);
                return Err(failure);
            }
            self.counters.table_done();
        }
        Ok(())
    }
}

/// All rows of the table were read: they are of the structure that was dumped.
async fn unchanged(conn: &mut RowConn, table: &plan::TablePlan) -> Result<(), Failure> {
    match plan::is_unchanged(conn, table).await {
        Ok(true) => Ok(()),
        Err(e) if !is_structure_change(&e) => Err(e.into()),
        _ => Err(changed_structure(table)),
    }
}

/// The connection, when it can be asked something else.
async fn settled(mut conn: RowConn) -> Option<RowConn> {
    let done = timeout(DRAIN, conn.finish()).await;
    (matches!(done, Ok(Ok(()))) && !conn.is_broken()).then_some(conn)
}

/// Interrupted by an administrator, or by a time limit of statements, or as [`link::is_passing`].
fn may_pass(e: &DmError) -> bool {
    link::is_passing(e) || ["Error 1317 ", "Error 1969 ", "Error 3024 "].iter().any(|p| e.raw_cause().starts_with(p))
}
