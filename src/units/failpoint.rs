//! Named places where a test ends the process or the run, to show that a kill at that await loses and doubles nothing.
//!
//! `DM_FAILPOINTS=lane-committed=3,mytask/ddl-before-done=1:exit` (name, with `task/` in front only in that task; after how
//! many passes; what: `error`, the default, or `exit`).
//! Unset, a failpoint costs one relaxed load. [`Place::ALL`] is the one list: the test that crashes at each of them goes
//! through it, so a new place is tested by being named.

use std::{
    collections::HashMap,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::error::{Code, DmError};

static ARMED: AtomicBool = AtomicBool::new(false);
static POINTS: OnceLock<Mutex<HashMap<String, Point>>> = OnceLock::new();

macro_rules! places {
    ($($place:ident = $name:literal, $what:literal;)*) => {
        /// Where a run can be made to end.
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Place {
            $(#[doc = $what] $place,)*
        }

        impl Place {
            /// Every place.
            pub const ALL: &'static [Place] = &[$(Place::$place,)*];

            /// Whether the sync unit passes it.
            pub fn is_of_sync(self) -> bool {
                !["dump-", "load-", "stream-"].iter().any(|unit| self.name().starts_with(unit))
            }

            /// Its name for `DM_FAILPOINTS`.
            pub fn name(self) -> &'static str {
                match self {
                    $(Place::$place => $name,)*
                }
            }
        }
    };
}

places! {
    DumpBeforeSnapshot = "dump-before-snapshot", "The dump's folder is prepared, nothing is read.";
    DumpAfterSnapshot = "dump-after-snapshot", "The snapshot is taken, no file is written.";
    DumpAfterChunk = "dump-after-chunk", "A part of a table is in its files.";
    DumpBeforeMetadata = "dump-before-metadata", "All rows are in files, the metadata isn't.";
    DumpAfterMetadata = "dump-after-metadata", "The dump is complete, nobody knows yet.";
    LoadBeforeClaim = "load-before-claim", "The meta tables are there, the load isn't taken over.";
    LoadAfterClaim = "load-after-claim", "The epoch of the load is raised, what is stored is read.";
    LoadBeforeTables = "load-before-tables", "The target's tables are about to be made.";
    LoadAfterTables = "load-after-tables", "The tables are made and the files are registered.";
    LoadBeforeBatch = "load-before-batch", "A batch is complete and not sent.";
    LoadCommitted = "load-committed", "A batch's COMMIT was acknowledged, nobody knows yet.";
    LoadBeforeFinish = "load-before-finish", "All rows are in, the load isn't finished.";
    LoadAfterFinish = "load-after-finish", "The load is finished, the dump's files are still there.";
    StreamAfterClaim = "stream-after-claim", "The epoch of a streamed load is raised, what is stored is read.";
    StreamAfterTables = "stream-after-tables", "The target's tables are made, nothing says so.";
    StreamAfterSnapshot = "stream-after-snapshot", "The readers have their snapshots.";
    StreamBeforeComplete = "stream-before-complete", "All chunks are in the ledger, which doesn't count yet.";
    StreamAfterComplete = "stream-after-complete", "The ledger counts, no row is read.";
    StreamBeforeCommit = "stream-before-commit", "The last rows of a chunk are complete and not sent.";
    StreamCommitted = "stream-committed", "A chunk's COMMIT was acknowledged, nobody knows yet.";
    StreamBeforeFinish = "stream-before-finish", "All chunks are in, the load isn't finished.";
    StreamAfterFinish = "stream-after-finish", "The load is finished, nobody knows yet.";
    StartBeforeRaise = "start-before-raise", "The start has asked both sides and written nothing.";
    StartInRaise = "start-in-raise", "Epoch and lane rows are written, not committed.";
    StartAfterRaise = "start-after-raise", "The epoch is raised, progress is read, no row flows.";
    StartBeforeFirstStore = "start-before-first-store", "A task without a checkpoint is about to store its first.";
    StartWithinFirstStore = "start-within-first-store", "Structures are stored, the global row isn't.";
    StartAfterFirstStore = "start-after-first-store", "The first checkpoint is stored.";
    SourceBeforeOpen = "source-before-open", "The stream is about to be opened, or opened again.";
    SourceEvent = "source-event", "An event was read.";
    TranslateBeforeSend = "translate-before-send", "Changes of an event are about to be handed on.";
    DispatchBeforeLane = "dispatch-before-lane", "A lane is about to get changes.";
    LaneBeforeBatch = "lane-before-batch", "A lane has the first change of a batch.";
    LaneBeforeSend = "lane-before-send", "A transaction is complete and not sent.";
    LaneNeverSent = "lane-never-sent", "As if the connection broke before the server got the packet.";
    LaneCommitted = "lane-committed", "The COMMIT was acknowledged, nobody knows yet.";
    LaneLost = "lane-lost", "As if the connection broke before the answer came: it is committed.";
    LaneBeforeSettle = "lane-settle", "An unknown outcome is about to be settled.";
    LaneAfterSettle = "lane-after-settle", "The lane row was read after an unknown outcome.";
    LaneBeforeAck = "lane-before-ack", "A batch is in and not acknowledged.";
    LaneAfterAck = "lane-after-ack", "A batch is acknowledged.";
    CheckpointBeforeFlush = "checkpoint-before-flush", "The low watermark is about to be stored.";
    CheckpointAfterFlush = "checkpoint-after-flush", "The low watermark is stored.";
    DdlBeforeLock = "ddl-before-lock", "Everything before the statement is durable; its lock isn't held.";
    DdlBeforeIntent = "ddl-before-intent", "The lock is held, the intent isn't stored.";
    DdlBeforeRun = "ddl-before-run", "The intent is stored, the statement isn't sent.";
    DdlAfterRun = "ddl-after-run", "The statement ran, nobody knows yet.";
    DdlBeforeDone = "ddl-before-done", "All statements of the event ran, done isn't stored.";
    DdlAfterDone = "ddl-after-done", "Done and checkpoint are stored, the lock is still held.";
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Point {
    left: u64,
    exit: bool,
}

/// Reads `DM_FAILPOINTS`; called by every unit; the first call counts.
pub fn load_from_env() {
    POINTS.get_or_init(|| {
        let points = parse(&std::env::var("DM_FAILPOINTS").unwrap_or_default());
        ARMED.store(!points.is_empty(), Relaxed);
        Mutex::new(points)
    });
}

/// Arms one failpoint of a task in this process.
pub fn arm(task: &str, place: Place, passes: u64) {
    load_from_env();
    if let Some(points) = POINTS.get() {
        let point = Point { left: passes, exit: false };
        points.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("{task}/{}", place.name()), point);
        ARMED.store(true, Relaxed);
    }
}

/// Whether a failpoint that was armed for a task has not struck yet.
pub fn is_armed(task: &str, place: Place) -> bool {
    let Some(points) = POINTS.get() else { return false };
    points.lock().unwrap_or_else(PoisonError::into_inner).contains_key(&format!("{task}/{}", place.name()))
}

/// Takes an armed failpoint of a task away.
pub fn disarm(task: &str, place: Place) {
    if let Some(points) = POINTS.get() {
        points.lock().unwrap_or_else(PoisonError::into_inner).remove(&format!("{task}/{}", place.name()));
    }
}

fn parse(text: &str) -> HashMap<String, Point> {
    text.split(',')
        .filter_map(|part| {
            let (name, rest) = part.split_once('=')?;
            let (passes, what) = rest.split_once(':').unwrap_or((rest, "error"));
            Some((name.trim().to_owned(), Point { left: passes.trim().parse().ok()?, exit: what == "exit" }))
        })
        .collect()
}

/// Passes a place of a task; fails (36063) or ends the process when it is armed and its count is used up.
pub fn pass(task: &str, place: Place) -> Result<(), DmError> {
    if !ARMED.load(Relaxed) {
        return Ok(());
    }
    strike(task, place.name())
}

#[cold]
fn strike(task: &str, name: &str) -> Result<(), DmError> {
    let Some(points) = POINTS.get() else { return Ok(()) };
    let mut points = points.lock().unwrap_or_else(PoisonError::into_inner);
    let full = format!("{task}/{name}");
    let key = if points.contains_key(&full) { full.as_str() } else { name };
    let Some(point) = points.get_mut(key) else { return Ok(()) };
    point.left = point.left.saturating_sub(1);
    if point.left > 0 {
        return Ok(());
    }
    if point.exit {
        std::process::exit(86);
    }
    points.remove(key);
    Err(DmError::new(Code::SyncerFailpoint).msg(format!("failpoint {name} struck")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_and_count_down() {
        let points = parse("a=1, b=3:exit,broken,c=x");
        assert_eq!(points.get("a"), Some(&Point { left: 1, exit: false }));
        assert_eq!(points.get("b"), Some(&Point { left: 3, exit: true }));
        assert_eq!(points.len(), 2);
        let task = "failpoints-count-down";
        arm(task, Place::SourceEvent, 2);
        assert!(pass(task, Place::SourceEvent).is_ok());
        assert!(pass(task, Place::LaneBeforeAck).is_ok());
        assert!(is_armed(task, Place::SourceEvent));
        assert!(pass(task, Place::SourceEvent).is_err());
        assert!(pass(task, Place::SourceEvent).is_ok());
    }

    #[test]
    fn names_are_unique() {
        let names: std::collections::HashSet<_> = Place::ALL.iter().map(|place| place.name()).collect();
        assert_eq!(names.len(), Place::ALL.len());
    }
}
