//! The log on disk: one redb file with entries, vote, purge point and the last snapshot.
//! A commit of redb is atomic and synced, so `kill -9` at any moment leaves the state before or after it.

use std::{
    fmt::Debug,
    fs::OpenOptions,
    io,
    ops::{Bound, RangeBounds},
    os::unix::fs::OpenOptionsExt,
    path::Path,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use openraft::{
    AnyError, ErrorSubject, ErrorVerb, LogId, LogState, OptionalSend, RaftLogReader, SnapshotMeta, StorageError,
    StorageIOError, Vote,
    storage::{LogFlushed, RaftLogStorage},
};
use redb::{Database, DatabaseError, ReadableDatabase, ReadableTable, TableDefinition, WriteTransaction};
use serde::{Serialize, de::DeserializeOwned};
use tokio::sync::watch;

use super::{
    Entry, NodeId, Peer, TypeConfig,
    format::{FORMAT, OLDEST, renewed},
};
use crate::{
    error::{Code, DmError},
    wire,
};

/// Index of an entry -> the entry.
const LOG: TableDefinition<u64, &[u8]> = TableDefinition::new("log");
/// Single values: the keys below.
const META: TableDefinition<&str, &[u8]> = TableDefinition::new("meta");

const OWNER: &str = "owner";
/// The version of the stored format; absent in the first.
const VERSION: &str = "format";
const VOTE: &str = "vote";
const PURGED: &str = "purged";
const COMMITTED: &str = "committed";
const SNAPSHOT_META: &str = "snapshot-meta";
/// Which half of `PIECES` holds the snapshot, and in how many pieces.
const SNAPSHOT_PLACE: &str = "snapshot-place";
/// The snapshot whole, as it was stored before there were pieces.
const SNAPSHOT: &str = "snapshot";
/// The snapshot's pieces: half * 2^32 + number. There are two halves, so that the last one stays until the next is whole.
const PIECES: TableDefinition<u64, &[u8]> = TableDefinition::new("snapshot-pieces");
/// Each is written and synced alone, so that entries of the log and votes wait for one of them at most.
const PIECE: usize = 512 << 10;
/// Between two pieces, for who waits to write.
const BREATH: Duration = Duration::from_millis(1);

/// The name of the file below the data directory.
pub const FILE: &str = "cluster.redb";

/// What storage methods return to openraft.
pub type Stored<T> = Result<T, StorageError<NodeId>>;

/// A snapshot as stored.
pub type StoredSnapshot = (SnapshotMeta<NodeId, Peer>, Vec<u8>);

/// The open file; clones share it.
#[derive(Clone, Debug)]
pub struct Store {
    file: Arc<OpenFile>,
}

/// Fields drop in this order: whoever waits for `open` to end finds the file closed and unlocked.
#[derive(Debug)]
struct OpenFile {
    db: Database,
    /// How far entries are known to be committed; it is written with the next entries.
    committed: Mutex<Option<LogId<NodeId>>>,
    /// One snapshot is written at a time.
    snapshot: Mutex<()>,
    open: watch::Sender<()>,
}

impl Store {
    /// Opens or makes the file below `data_dir`, which then belongs to the master `owner`.
    pub fn open(data_dir: &Path, owner: &str) -> Result<Store, DmError> {
        let path = data_dir.join(FILE);
        std::fs::create_dir_all(data_dir).map_err(|e| {
            failed(format!("data-dir {} can't be made", data_dir.display()), e)
                .workaround("Please check `data-dir` and the rights of the user that runs dm-master.")
        })?;
        let db = open_file(&path).map_err(|e| open_failed(&path, e))?;
        let store = Store {
            file: Arc::new(OpenFile {
                db,
                committed: Mutex::default(),
                snapshot: Mutex::default(),
                open: watch::Sender::new(()),
            }),
        };
        let unread = |version: &u32| !(OLDEST..=FORMAT).contains(version);
        if let Some(version) = store.version().map_err(|e| damaged(&path, e))?.filter(unread) {
            let why = format!("{} is of format {version}, this version reads {OLDEST} to {FORMAT}", path.display());
            return Err(DmError::new(Code::MasterStartEmbedEtcdFail).msg(why).workaround(match version > FORMAT {
                true => "Please start the newer version of dm-master that wrote it; nothing was changed.",
                false => {
                    "No release wrote it. Please move it away (nothing was changed), start with an empty `data-dir`, \
                     create the sources and start the tasks again; a task then says how to take over what its target holds."
                }
            }));
        }
        let found = store.claim(owner).map_err(|e| damaged(&path, e))?;
        if found != owner {
            let message = format!("data-dir {} belongs to master `{found}`, not to `{owner}`", data_dir.display());
            return Err(DmError::new(Code::MasterStartEmbedEtcdFail)
                .msg(message)
                .workaround(format!("Please start it with `name = \"{found}\"`, or give another `data-dir`.")));
        }
        Ok(store)
    }

    /// Its `changed()` fails once the last clone is gone and the file is closed.
    pub fn open_guard(&self) -> watch::Receiver<()> {
        self.file.open.subscribe()
    }

    /// The format of the file; None: it is new.
    fn version(&self) -> Result<Option<u32>, Box<dyn std::error::Error>> {
        let read = self.file.db.begin_read()?;
        let meta = match read.open_table(META) {
            Ok(meta) => meta,
            Err(redb::TableError::TableDoesNotExist(_)) => return Ok(None),
            Err(e) => return Err(e.into()),
        };
        let version = meta.get(VERSION)?.map(|v| wire::decode::<u32>(v.value())).transpose()?;
        // The first version wrote none.
        Ok(version.or(meta.get(OWNER)?.map(|_| 1)))
    }

    /// Writes the owner's name into a new file; returns the name that is there. The owner's file is of this version
    /// afterwards: older entries are written anew, an older snapshot is read as it is until the next takes its place.
    fn claim(&self, owner: &str) -> Result<String, Box<dyn std::error::Error>> {
        let write = self.file.db.begin_write()?;
        {
            let (mut log, mut meta) = (write.open_table(LOG)?, write.open_table(META)?);
            let version = meta.get(VERSION)?.map(|v| wire::decode::<u32>(v.value())).transpose()?.unwrap_or(FORMAT);
            let found = meta.get(OWNER)?.map(|name| String::from_utf8_lossy(name.value()).into_owned());
            if let Some(found) = found.filter(|found| found != owner) {
                return Ok(found);
            }
            let mut entries = Vec::new();
            for row in log.iter()? {
                let (index, entry) = row?;
                entries.extend(renewed(version, entry.value())?.map(|entry| (index.value(), entry)));
            }
            for (index, entry) in entries {
                log.insert(index, entry.as_slice())?;
            }
            meta.insert(VERSION, wire::encode(&FORMAT).as_slice())?;
            meta.insert(OWNER, owner.as_bytes())?;
        }
        write.commit()?;
        Ok(owner.to_owned())
    }

    fn get<T: DeserializeOwned>(&self, key: &str) -> io::Result<Option<T>> {
        let meta = self.file.db.begin_read().map_err(other)?.open_table(META).map_err(other)?;
        meta.get(key).map_err(other)?.map(|bytes| wire::decode_stored(bytes.value()).map_err(other)).transpose()
    }

    /// Sets one value, synced.
    fn put<T: Serialize>(&self, key: &str, value: &T) -> io::Result<()> {
        let write = self.file.db.begin_write().map_err(other)?;
        write.open_table(META).map_err(other)?.insert(key, wire::encode(value).as_slice()).map_err(other)?;
        write.commit().map_err(other)
    }

    fn append_entries(&self, entries: &[Entry]) -> io::Result<()> {
        let write = self.file.db.begin_write().map_err(other)?;
        {
            let mut log = write.open_table(LOG).map_err(other)?;
            for entry in entries {
                log.insert(entry.log_id.index, wire::encode(entry).as_slice()).map_err(other)?;
            }
            let committed = *self.file.committed.lock().unwrap_or_else(PoisonError::into_inner);
            if committed.is_some() {
                let mut meta = write.open_table(META).map_err(other)?;
                meta.insert(COMMITTED, wire::encode(&committed).as_slice()).map_err(other)?;
            }
        }
        write.commit().map_err(other)
    }

    /// Removes entries from an index on (a follower that is ahead of its leader).
    fn truncate_from(&self, index: u64) -> io::Result<()> {
        let write = self.file.db.begin_write().map_err(other)?;
        write.open_table(LOG).map_err(other)?.retain_in(index.., |_, _| false).map_err(other)?;
        write.commit().map_err(other)
    }

    /// Removes entries up to and with `upto`, and remembers it: in one transaction, so that no hole can appear.
    fn purge_upto(&self, upto: LogId<NodeId>) -> io::Result<()> {
        let write = self.file.db.begin_write().map_err(other)?;
        {
            write.open_table(LOG).map_err(other)?.retain_in(..=upto.index, |_, _| false).map_err(other)?;
            write.open_table(META).map_err(other)?.insert(PURGED, wire::encode(&upto).as_slice()).map_err(other)?;
        }
        write.commit().map_err(other)
    }

    fn entries(&self, from: Bound<u64>, to: Bound<u64>) -> io::Result<Vec<Entry>> {
        let log = self.file.db.begin_read().map_err(other)?.open_table(LOG).map_err(other)?;
        let mut entries = Vec::new();
        for row in log.range::<u64>((from, to)).map_err(other)? {
            let (_, bytes) = row.map_err(other)?;
            entries.push(wire::decode_stored(bytes.value()).map_err(other)?);
        }
        Ok(entries)
    }

    fn log_state(&self) -> io::Result<LogState<TypeConfig>> {
        let purged: Option<LogId<NodeId>> = self.get(PURGED)?;
        let log = self.file.db.begin_read().map_err(other)?.open_table(LOG).map_err(other)?;
        let last = match log.last().map_err(other)? {
            Some((_, bytes)) => Some(wire::decode_stored::<Entry>(bytes.value()).map_err(other)?.log_id),
            None => purged,
        };
        Ok(LogState { last_purged_log_id: purged, last_log_id: last })
    }

    /// The last snapshot.
    pub fn snapshot(&self) -> io::Result<Option<StoredSnapshot>> {
        let read = self.file.db.begin_read().map_err(other)?;
        let meta = read.open_table(META).map_err(other)?;
        let Some(about) = meta.get(SNAPSHOT_META).map_err(other)? else { return Ok(None) };
        let about = wire::decode_stored(about.value()).map_err(other)?;
        let Some(place) = meta.get(SNAPSHOT_PLACE).map_err(other)? else {
            let bytes = meta.get(SNAPSHOT).map_err(other)?.map(|b| b.value().to_vec());
            return bytes.map(|bytes| (about, bytes)).ok_or_else(|| other("a snapshot without its bytes")).map(Some);
        };
        let (half, count): (u64, u64) = wire::decode_stored(place.value()).map_err(other)?;
        let (pieces, mut bytes) = (read.open_table(PIECES).map_err(other)?, Vec::new());
        for piece in half << 32..(half << 32).saturating_add(count) {
            let piece =
                pieces.get(piece).map_err(other)?.ok_or_else(|| other("a snapshot without one of its pieces"))?;
            bytes.extend_from_slice(piece.value());
        }
        Ok(Some((about, bytes)))
    }

    /// Replaces the snapshot, unless the stored one is newer: the log before that one is gone.
    pub fn put_snapshot(&self, about: &SnapshotMeta<NodeId, Peer>, bytes: &[u8]) -> io::Result<()> {
        let _turn = self.file.snapshot.lock().unwrap_or_else(PoisonError::into_inner);
        let stored: Option<SnapshotMeta<NodeId, Peer>> = self.get(SNAPSHOT_META)?;
        if stored.is_some_and(|stored| stored.last_log_id > about.last_log_id) {
            return Ok(());
        }
        let last: Option<(u64, u64)> = self.get(SNAPSHOT_PLACE)?;
        let half = last.map_or(0, |(half, _)| 1 - half.min(1));
        let all = half << 32..(half + 1) << 32;
        // What an earlier try left behind.
        self.write(|write| {
            write.open_table(PIECES).map_err(other)?.retain_in(all.clone(), |_, _| false).map_err(other)
        })?;
        for (number, piece) in all.clone().zip(bytes.chunks(PIECE)) {
            self.write(|write| {
                write.open_table(PIECES).map_err(other)?.insert(number, piece).map_err(other).map(drop)
            })?;
            std::thread::sleep(BREATH);
        }
        self.write(|write| {
            let mut meta = write.open_table(META).map_err(other)?;
            let place = (half, bytes.chunks(PIECE).len() as u64);
            meta.insert(SNAPSHOT_META, wire::encode(about).as_slice()).map_err(other)?;
            meta.insert(SNAPSHOT_PLACE, wire::encode(&place).as_slice()).map_err(other)?;
            meta.remove(SNAPSHOT).map_err(other)?;
            let mut pieces = write.open_table(PIECES).map_err(other)?;
            pieces.retain(|number, _| all.contains(&number)).map_err(other)
        })
    }

    /// One transaction, synced.
    fn write(&self, change: impl FnOnce(&WriteTransaction) -> io::Result<()>) -> io::Result<()> {
        let write = self.file.db.begin_write().map_err(other)?;
        change(&write)?;
        write.commit().map_err(other)
    }

    /// Runs a write off the runtime's threads: a sync takes milliseconds on a disk.
    pub async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let store = self.clone();
        tokio::task::spawn_blocking(move || work(&store)).await.map_err(io::Error::other)?
    }
}

/// The file is the owner's alone: it holds the databases' passwords.
fn open_file(path: &Path) -> Result<Database, DatabaseError> {
    let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).mode(0o600).open(path)?;
    Database::builder().create_file(file)
}

/// Any error of the store as openraft wants it.
pub fn storage_error(subject: ErrorSubject<NodeId>, verb: ErrorVerb, error: io::Error) -> StorageError<NodeId> {
    StorageError::IO { source: StorageIOError::new(subject, verb, AnyError::new(&error)) }
}

fn other(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::other(error)
}

fn failed(message: String, cause: impl std::fmt::Display) -> DmError {
    DmError::new(Code::MasterStartEmbedEtcdFail).msg(message).cause(cause)
}

fn open_failed(path: &Path, error: DatabaseError) -> DmError {
    let shown = path.display();
    match error {
        DatabaseError::DatabaseAlreadyOpen => failed(format!("{shown} is in use by another process"), error)
            .workaround("Please stop the dm-master that runs on this `data-dir`, or give this one its own."),
        DatabaseError::Storage(redb::StorageError::Io(e)) if e.kind() != io::ErrorKind::InvalidData => {
            failed(format!("{shown} can't be opened"), e)
                .workaround("Please check `data-dir`, its free space and the rights of the user that runs dm-master.")
        }
        error => damaged(path, error),
    }
}

/// The error for a file that is not, or no longer, a cluster log.
pub fn damaged(path: &Path, cause: impl std::fmt::Display) -> DmError {
    failed(format!("{} is damaged, or is not a cluster log", path.display()), cause).workaround(
        "Please restore the `data-dir` from a copy. Without one, move it away, start with an empty one, create the \
         sources and start the tasks again; a task then says how to take over what its target holds.",
    )
}

impl RaftLogReader<TypeConfig> for Store {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Stored<Vec<Entry>> {
        let (from, to) = (range.start_bound().cloned(), range.end_bound().cloned());
        self.entries(from, to).map_err(|e| storage_error(ErrorSubject::Logs, ErrorVerb::Read, e))
    }
}

impl RaftLogStorage<TypeConfig> for Store {
    type LogReader = Store;

    async fn get_log_state(&mut self) -> Stored<LogState<TypeConfig>> {
        self.log_state().map_err(|e| storage_error(ErrorSubject::Logs, ErrorVerb::Read, e))
    }

    async fn get_log_reader(&mut self) -> Store {
        self.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<NodeId>) -> Stored<()> {
        let vote = *vote;
        let saved = self.blocking(move |s| s.put(VOTE, &vote)).await;
        saved.map_err(|e| storage_error(ErrorSubject::Vote, ErrorVerb::Write, e))
    }

    async fn read_vote(&mut self) -> Stored<Option<Vote<NodeId>>> {
        self.get(VOTE).map_err(|e| storage_error(ErrorSubject::Vote, ErrorVerb::Read, e))
    }

    async fn save_committed(&mut self, committed: Option<LogId<NodeId>>) -> Stored<()> {
        // A hint that may be lost. The log's own task calls this, which must never wait for the disk or for a writer:
        // it sends and answers the heartbeats.
        *self.file.committed.lock().unwrap_or_else(PoisonError::into_inner) = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Stored<Option<LogId<NodeId>>> {
        let committed = self.get::<Option<LogId<NodeId>>>(COMMITTED);
        committed.map(Option::flatten).map_err(|e| storage_error(ErrorSubject::Logs, ErrorVerb::Read, e))
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<TypeConfig>) -> Stored<()>
    where
        I: IntoIterator<Item = Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let entries: Vec<Entry> = entries.into_iter().collect();
        match self.blocking(move |s| s.append_entries(&entries)).await {
            Ok(()) => {
                callback.log_io_completed(Ok(()));
                Ok(())
            }
            Err(e) => {
                callback.log_io_completed(Err(io::Error::new(e.kind(), e.to_string())));
                Err(storage_error(ErrorSubject::Logs, ErrorVerb::Write, e))
            }
        }
    }

    async fn truncate(&mut self, log_id: LogId<NodeId>) -> Stored<()> {
        let done = self.blocking(move |s| s.truncate_from(log_id.index)).await;
        done.map_err(|e| storage_error(ErrorSubject::Logs, ErrorVerb::Delete, e))
    }

    async fn purge(&mut self, log_id: LogId<NodeId>) -> Stored<()> {
        let done = self.blocking(move |s| s.purge_upto(log_id)).await;
        done.map_err(|e| storage_error(ErrorSubject::Logs, ErrorVerb::Delete, e))
    }
}

#[cfg(test)]
#[path = "store_tests.rs"]
mod tests;
