//! Readers and writers of a streamed load, and the memory between them.
//!
//! ```text
//! reader 0..threads ──Job (chunk, its batches)──▶ writer 0..pool-size ──▶ target
//!        └────────────── Batch, Batch, .. last ────────▲
//! ```
//! A reader goes on with the next chunk when it has handed on the last rows of one, so the source reads while the target
//! commits. Small chunks are handed on together, and written in one transaction. Batches on their way count against one
//! budget. The first failure ends all.

use std::{
    sync::{Arc, PoisonError, atomic::Ordering},
    time::Duration,
};

use tokio::{
    sync::{Mutex, OwnedSemaphorePermit, mpsc},
    task::JoinSet,
};

use super::{
    Failure, Shared,
    chunk::Chunk,
    reader,
    snapshot::Reader,
    writer::{Writer, Written},
};
use crate::{
    error::{Code, DmError},
    units::{dump::DumpLocation, load::sender::Sender},
};

/// Rows as one INSERT statement (empty: none).
pub struct Batch {
    pub text: Vec<u8>,
    pub rows: u64,
    /// The chunk ends with it.
    pub last: bool,
    /// Its part of the memory budget.
    pub held: Option<OwnedSemaphorePermit>,
}

/// Buffers that were written and wait to be filled again: memory that is asked for anew each time costs page faults, and what an
/// allocator keeps of it is more than is used.
#[derive(Debug, Default)]
pub struct Buffers(std::sync::Mutex<Vec<Vec<u8>>>);

/// Kept at most, and the largest of them.
const KEPT: usize = 64;
const LARGEST_KEPT: usize = 640 << 10;

impl Buffers {
    /// An empty buffer.
    pub fn take(&self) -> Vec<u8> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    /// Done with a buffer.
    pub fn give(&self, mut buffer: Vec<u8>) {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < KEPT && buffer.capacity() <= LARGEST_KEPT {
            buffer.clear();
            kept.push(buffer);
        }
    }
}

/// A chunk for a writer.
pub struct Job {
    pub chunk: Chunk,
    /// Of a chunk that was read already: all that it has.
    pub whole: Option<Batch>,
    pub batches: mpsc::Receiver<Batch>,
    /// The place of the reader's snapshot.
    pub at: DumpLocation,
}

impl Job {
    /// The next batch.
    pub async fn next(&mut self) -> Option<Batch> {
        match self.whole.take() {
            None => self.batches.recv().await,
            whole => whole,
        }
    }
}

/// Brings all chunks of the queue into the target.
pub async fn run(readers: Vec<Reader>, writers: usize, shared: Arc<Shared>) -> Result<(), Failure> {
    let (jobs, received) = mpsc::channel(1);
    let received = Arc::new(Mutex::new(received));
    let mut tasks: JoinSet<Result<(), Failure>> = JoinSet::new();
    for _ in 0..writers.max(1) {
        let (store, target, session) = (shared.store.clone(), shared.target.clone(), shared.session.clone());
        let sender = Sender::new(store, target, session, shared.turns.clone());
        let writer = Writer { shared: shared.clone(), sender };
        tasks.spawn(write(writer, received.clone()));
    }
    for reader in readers {
        tasks.spawn(reader::run(reader, shared.clone(), jobs.clone()));
    }
    drop((jobs, received));
    // Dropping the set aborts the others.
    while let Some(ended) = tasks.join_next().await {
        ended.map_err(|e| DmError::new(Code::LoadUnitDispatchSQLFromFile).msg("a load worker died").cause(e))??;
    }
    Ok(())
}

async fn write(mut writer: Writer, jobs: Arc<Mutex<mpsc::Receiver<Vec<Job>>>>) -> Result<(), Failure> {
    let shared = writer.shared.clone();
    loop {
        writer.sender.turn_for_new().await;
        let Some(jobs) = next(&jobs, &mut writer.sender).await else { return Ok(()) };
        let together = jobs.len() > 1 && writer.write_together(&jobs).await?;
        for mut job in jobs {
            let written = match &job.whole {
                Some(Batch { text, rows, .. }) if together => Written::Done { bytes: text.len() as u64, rows: *rows },
                _ => writer.write(&mut job).await?,
            };
            ended(&shared, job, written);
        }
    }
}

/// A writer waits so long for a chunk before it gives its turn back.
const LINGER: Duration = Duration::from_millis(50);

/// The next chunks for a writer whose turn it is. It waits with its turn for a moment, so that the same few sessions of the
/// target go on, whose memory is in its caches. For no longer: a reader may wait for the end of another's chunk, who waits for
/// a turn.
async fn next(jobs: &Mutex<mpsc::Receiver<Vec<Job>>>, sender: &mut Sender) -> Option<Vec<Job>> {
    // Locked: somebody waits already.
    let ready = jobs.try_lock().ok().and_then(|mut jobs| jobs.try_recv().ok());
    sender.starved(ready.is_none());
    if ready.is_some() {
        return ready;
    }
    let received = async { jobs.lock().await.recv().await };
    if let Ok(received) = tokio::time::timeout(LINGER, received).await {
        return received;
    }
    sender.rest();
    jobs.lock().await.recv().await
}

fn ended(shared: &Shared, mut job: Job, written: Written) {
    match written {
        Written::Done { bytes, rows } => {
            let table = &job.chunk.table.progress;
            shared.counters.add(table, bytes, rows);
            shared.counters.chunk_done(table, Some((job.chunk.size, bytes)));
            shared.queue.ended(&job.chunk.table, None);
        }
        Written::Again { error, read, kept } => {
            if drain(&mut job) || read {
                job.chunk.table.unread.fetch_add(1, Ordering::AcqRel);
            }
            tracing::warn!(chunk = %job.chunk.name, %error, "a chunk is read again");
            let Job { mut chunk, .. } = job;
            chunk.tries += 1;
            chunk.kept = kept;
            shared.queue.ended(&chunk.table.clone(), Some(chunk));
        }
        Written::Abandoned => shared.queue.ended(&job.chunk.table, None),
    }
}

/// Takes no more of a chunk; true when the last batch had been handed on.
fn drain(job: &mut Job) -> bool {
    job.batches.close();
    let mut last = false;
    while let Ok(batch) = job.batches.try_recv() {
        last |= batch.last;
    }
    last
}
