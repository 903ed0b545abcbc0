//! The stored format and its versions.
//!
//! 1: snapshots are the bare state of one master. It is refused: settings have come since, and were stored without names.
//! 2: a snapshot begins with a mark and its version; masters are known. 3: settings of tasks are stored with the names of
//! their fields, so that later versions may have more of them; the state knows who holds files of loads. Entries of the
//! log are enum variants that only grow. No release wrote 1 or 2; one that can't be read any more may go.

use std::{collections::BTreeMap, io, sync::Arc};

use serde::Deserialize;

use super::Entry;
use crate::{
    coordinator::state::{Binding, ClusterState, MasterRecord, SourceRecord, TaskRecord, WorkerRecord},
    wire,
};

/// What this version writes.
pub const FORMAT: u32 = 3;

/// The oldest that it reads.
pub const OLDEST: u32 = 2;

/// The first whose settings are named.
const NAMED: u32 = 3;

/// The first bytes of a snapshot from version 2 on.
const MARK: &[u8] = b"dm-state";

/// The state as version 2 stored it.
#[derive(Deserialize)]
struct StateV2 {
    cluster_id: u64,
    workers: BTreeMap<String, WorkerRecord>,
    sources: BTreeMap<String, Arc<SourceRecord>>,
    tasks: BTreeMap<String, Arc<TaskRecord>>,
    bindings: BTreeMap<String, Binding>,
    last_bound: BTreeMap<String, Binding>,
    documents: BTreeMap<String, String>,
    masters: BTreeMap<String, MasterRecord>,
}

impl From<StateV2> for ClusterState {
    fn from(old: StateV2) -> Self {
        ClusterState {
            cluster_id: old.cluster_id,
            workers: old.workers,
            sources: old.sources,
            tasks: old.tasks,
            bindings: old.bindings,
            last_bound: old.last_bound,
            documents: old.documents,
            masters: old.masters,
            loads: BTreeMap::new(),
        }
    }
}

/// A state as a snapshot.
pub fn encode(state: &ClusterState) -> Vec<u8> {
    [MARK, &FORMAT.to_be_bytes(), &wire::encode(state)].concat()
}

/// A snapshot's state, whichever version wrote it; an error for one that this version does not read.
pub fn decode(bytes: &[u8]) -> io::Result<ClusterState> {
    let Some(rest) = bytes.strip_prefix(MARK) else {
        return Err(io::Error::other(format!("a snapshot of format 1, this version reads {OLDEST} to {FORMAT}")));
    };
    let (version, state) = rest.split_first_chunk::<4>().ok_or_else(|| io::Error::other("a snapshot is cut"))?;
    match u32::from_be_bytes(*version) {
        2 => wire::decode_positional::<StateV2>(state).map(ClusterState::from).map_err(io::Error::other),
        FORMAT => wire::decode_stored(state).map_err(io::Error::other),
        other => {
            Err(io::Error::other(format!("a snapshot of format {other}, this version reads {OLDEST} to {FORMAT}")))
        }
    }
}

/// An entry of the log as this version writes it. None: a file of that version has it so already.
pub fn renewed(version: u32, entry: &[u8]) -> Result<Option<Vec<u8>>, wire::Malformed> {
    match version < NAMED {
        true => wire::decode_positional::<Entry>(entry).map(|entry| Some(wire::encode(&entry))),
        false => Ok(None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::{
        samples::{bind, put_source, put_task, put_worker, state},
        state::ExpectedStage,
    };

    #[test]
    fn snapshots_of_every_version_are_read_and_newer_ones_refused() {
        let now = state([put_worker("w1"), put_source("s1"), put_task("t", &["s1"]), bind("s1", "w1")]);
        assert_eq!(decode(&encode(&now)).unwrap(), now);
        let old = (now.cluster_id, &now.workers, &now.sources, &now.tasks, &now.bindings, &now.last_bound);
        assert!(decode(&wire::encode_positional(&old)).unwrap_err().to_string().contains("format 1"));
        let documents = BTreeMap::from([("topology".to_owned(), "{}".to_owned())]);
        let client_addr = "m1:8261".to_owned();
        let master = MasterRecord { name: "m1".into(), peer_urls: Vec::new(), client_addr };
        let masters = BTreeMap::from([("m1".to_owned(), master)]);
        let second = wire::encode_positional(&(&old, &documents, &masters));
        let second = decode(&[MARK, &2u32.to_be_bytes(), &second].concat()).unwrap();
        assert_eq!(second, ClusterState { documents, masters, ..now.clone() });
        assert_eq!(second.tasks["t"].subtasks["s1"].stage, ExpectedStage::Running);
        let mut newer = encode(&now);
        newer[MARK.len() + 3] = FORMAT as u8 + 1;
        assert!(decode(&newer).unwrap_err().to_string().contains("format 4"));
        assert!(decode(&newer[..MARK.len() + 2]).is_err());
    }
}
