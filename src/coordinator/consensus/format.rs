//! The stored format and its versions.
//!
//! 1: snapshots are the bare state of one master. 2: a snapshot begins with a mark and its version; masters are known.
//! Entries of the log are enum variants that only grow, so they are the same in every version.

use std::{collections::BTreeMap, io, sync::Arc};

use serde::Deserialize;

use crate::{
    coordinator::state::{Binding, ClusterState, SourceRecord, TaskRecord, WorkerRecord},
    wire,
};

/// What this version writes. It reads every older one.
pub const FORMAT: u32 = 2;

/// The first bytes of a snapshot from version 2 on.
const MARK: &[u8] = b"dm-state";

/// The state as version 1 stored it.
#[derive(Deserialize)]
struct StateV1 {
    cluster_id: u64,
    workers: BTreeMap<String, WorkerRecord>,
    sources: BTreeMap<String, Arc<SourceRecord>>,
    tasks: BTreeMap<String, Arc<TaskRecord>>,
    bindings: BTreeMap<String, Binding>,
    last_bound: BTreeMap<String, Binding>,
    documents: BTreeMap<String, String>,
}

/// A state as a snapshot.
pub fn encode(state: &ClusterState) -> Vec<u8> {
    [MARK, &FORMAT.to_be_bytes(), &wire::encode(state)].concat()
}

/// A snapshot's state, whichever version wrote it; an error for one of a newer version.
pub fn decode(bytes: &[u8]) -> io::Result<ClusterState> {
    let Some(rest) = bytes.strip_prefix(MARK) else {
        // The first builds had no documents: an empty map is one byte.
        let shorter = || wire::decode_stored(&[bytes, &[0]].concat());
        let old: StateV1 = wire::decode_stored(bytes).or_else(|_| shorter()).map_err(io::Error::other)?;
        return Ok(ClusterState {
            cluster_id: old.cluster_id,
            workers: old.workers,
            sources: old.sources,
            tasks: old.tasks,
            bindings: old.bindings,
            last_bound: old.last_bound,
            documents: old.documents,
            masters: BTreeMap::new(),
        });
    };
    let (version, state) = rest.split_first_chunk::<4>().ok_or_else(|| io::Error::other("a snapshot is cut"))?;
    match u32::from_be_bytes(*version) {
        FORMAT => wire::decode_stored(state).map_err(io::Error::other),
        newer => Err(io::Error::other(format!("a snapshot of format {newer}, this version knows {FORMAT}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::coordinator::samples::{bind, put_source, put_task, put_worker, state};

    #[test]
    fn snapshots_of_every_version_are_read_and_newer_ones_refused() {
        let now = state([put_worker("w1"), put_source("s1"), put_task("t", &["s1"]), bind("s1", "w1")]);
        assert_eq!(decode(&encode(&now)).unwrap(), now);
        let old = (now.cluster_id, &now.workers, &now.sources, &now.tasks, &now.bindings, &now.last_bound);
        assert_eq!(decode(&wire::encode(&old)).unwrap(), now);
        let documents = BTreeMap::from([("topology".to_owned(), "{}".to_owned())]);
        let later = decode(&wire::encode(&(old, &documents))).unwrap();
        assert_eq!(later, ClusterState { documents, ..now.clone() });
        let mut newer = encode(&now);
        newer[MARK.len() + 3] = 3;
        assert!(decode(&newer).unwrap_err().to_string().contains("format 3"));
        assert!(decode(&newer[..MARK.len() + 2]).is_err());
    }
}
