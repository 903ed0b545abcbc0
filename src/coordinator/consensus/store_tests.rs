use openraft::{CommittedLeaderId, EntryPayload, StoredMembership};
use tempfile::TempDir;

use super::*;

fn open() -> (TempDir, Store) {
    let dir = TempDir::new().unwrap();
    let store = Store::open(dir.path(), "m1").unwrap();
    (dir, store)
}

fn id(index: u64) -> LogId<NodeId> {
    LogId::new(CommittedLeaderId::new(1, 7), index)
}

fn about(index: u64) -> SnapshotMeta<NodeId, Peer> {
    SnapshotMeta {
        last_log_id: Some(id(index)),
        last_membership: StoredMembership::default(),
        snapshot_id: format!("upto-{index}"),
    }
}

fn entry(index: u64) -> Entry {
    Entry { log_id: id(index), payload: EntryPayload::Blank }
}

fn bytes(length: usize, seed: u8) -> Vec<u8> {
    (0..length).map(|i| (i / 7) as u8 ^ seed).collect()
}

#[test]
fn the_newest_snapshot_is_read_whatever_its_size_and_what_a_crash_left() {
    let (dir, mut store) = open();
    assert_eq!(store.snapshot().unwrap(), None);
    for (index, length) in [(1, 0), (2, 1), (3, PIECE), (4, PIECE + 1), (5, 5 * PIECE), (6, 2 * PIECE - 1), (7, 3)] {
        // What was written before a crash, of the half that comes next.
        store
            .write(|write| {
                let mut pieces = write.open_table(PIECES).map_err(other)?;
                let half = (index + 1) % 2;
                for number in 0..9u64 {
                    pieces.insert(half << 32 | number, b"left behind".as_slice()).map_err(other)?;
                }
                Ok(())
            })
            .unwrap();
        let snapshot = (about(index), bytes(length, index as u8));
        store.put_snapshot(&snapshot.0, &snapshot.1).unwrap();
        assert_eq!(store.snapshot().unwrap(), Some(snapshot.clone()));
        drop(store);
        store = Store::open(dir.path(), "m1").unwrap();
        assert_eq!(store.snapshot().unwrap(), Some(snapshot.clone()));
        // One that took longer to make than the next one does not take its place.
        store.put_snapshot(&about(index - 1), b"older").unwrap();
        assert_eq!(store.snapshot().unwrap(), Some(snapshot));
    }
    let read = store.file.db.begin_read().unwrap();
    let pieces = read.open_table(PIECES).unwrap();
    assert_eq!(pieces.iter().unwrap().count(), 1, "of the last snapshot alone");
}

#[test]
fn a_snapshot_that_was_stored_whole_is_read_until_the_next_takes_its_place() {
    let (_dir, store) = open();
    let whole = (about(1), b"whole".to_vec());
    store
        .write(|write| {
            let mut meta = write.open_table(META).map_err(other)?;
            meta.insert(SNAPSHOT_META, wire::encode(&whole.0).as_slice()).map_err(other)?;
            meta.insert(SNAPSHOT, whole.1.as_slice()).map_err(other).map(drop)
        })
        .unwrap();
    assert_eq!(store.snapshot().unwrap(), Some(whole));
    let next = (about(2), bytes(PIECE * 2, 1));
    store.put_snapshot(&next.0, &next.1).unwrap();
    assert_eq!(store.snapshot().unwrap(), Some(next));
    let meta = store.file.db.begin_read().unwrap().open_table(META).unwrap();
    assert!(meta.get(SNAPSHOT).unwrap().is_none());
}

/// A master that writes its snapshot still takes entries: heartbeats wait for them.
#[test]
fn entries_are_written_while_a_snapshot_is() {
    let (_dir, store) = open();
    let snapshot = bytes(40 * PIECE, 3);
    let mut entries = 0;
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| store.put_snapshot(&about(1), &snapshot).unwrap());
        while !writer.is_finished() {
            entries += 1;
            store.append_entries(&[entry(entries)]).unwrap();
        }
    });
    assert!(entries > 5, "{entries} entries");
    assert_eq!(store.snapshot().unwrap().unwrap().1, snapshot);
}

#[tokio::test]
async fn how_far_entries_are_committed_is_written_with_the_next_ones() {
    let (dir, mut store) = open();
    store.append_entries(&[entry(1)]).unwrap();
    store.save_committed(Some(id(1))).await.unwrap();
    assert_eq!(store.read_committed().await.unwrap(), None);
    store.append_entries(&[entry(2)]).unwrap();
    drop(store);
    let mut store = Store::open(dir.path(), "m1").unwrap();
    assert_eq!(store.read_committed().await.unwrap(), Some(id(1)));
    assert_eq!(store.entries(Bound::Unbounded, Bound::Unbounded).unwrap().len(), 2);
}
