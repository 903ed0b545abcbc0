use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::{Command, Stdio},
};

use openraft::testing::{StoreBuilder, Suite};
use tempfile::TempDir;

use super::{store::Stored, *};
use crate::coordinator::samples::*;

async fn open(dir: &TempDir) -> Consensus {
    Consensus::alone(dir.path(), "m1").await.unwrap()
}

/// Openraft's own checks of a store.
struct OnDisk;

impl StoreBuilder<TypeConfig, Store, Machine, TempDir> for OnDisk {
    async fn build(&self) -> Stored<(TempDir, Store, Machine)> {
        let dir = TempDir::new().unwrap();
        let store = Store::open(dir.path(), "m1").unwrap();
        let machine = Machine::open(store.clone(), dir.path()).unwrap();
        Ok((dir, store, machine))
    }
}

#[test]
fn the_store_keeps_openrafts_rules() {
    Suite::test_all(OnDisk).unwrap();
}

#[tokio::test]
async fn what_was_confirmed_is_there_after_a_restart() {
    let dir = TempDir::new().unwrap();
    let first = open(&dir).await;
    assert_eq!(first.leader(), Leader::Me);
    let cluster_id = first.state().cluster_id;
    assert_ne!(cluster_id, 0);
    let mut watch = first.watch();
    watch.mark_unchanged();
    for change in [put_worker("w1"), put_source("s1"), put_task("t", &["s1"])] {
        assert_eq!(first.propose(change).await.unwrap(), Applied::Done);
    }
    assert_eq!(first.propose(bind("s1", "w1")).await.unwrap(), Applied::Bound { epoch: 1 });
    assert!(watch.has_changed().unwrap());
    let rejected = first.propose(put_source("s1")).await.unwrap().into_result().unwrap_err();
    assert_eq!(rejected.code(), Code::SchedulerSourceCfgExist);
    let before = first.state();
    assert_eq!(*watch.borrow_and_update(), before);
    first.shutdown().await;
    assert!(first.propose(put_worker("w2")).await.is_err(), "it is down");

    let second = open(&dir).await;
    assert_eq!(second.state(), before);
    assert_eq!(second.propose(bind("s1", "w1")).await.unwrap(), Applied::Bound { epoch: 2 });
    second.shutdown().await;
}

#[tokio::test]
async fn a_stop_in_the_middle_loses_nothing_confirmed() {
    let dir = TempDir::new().unwrap();
    for round in 0..5 {
        let consensus = open(&dir).await;
        assert_eq!(consensus.state().workers.len(), round);
        consensus.propose(put_worker(&format!("w{round}"))).await.unwrap();
        // Dropped without a goodbye; only its file must be closed before the next one can open it.
        let mut file = consensus.file.clone();
        drop(consensus);
        tokio::time::timeout(CLOSE_LIMIT, file.changed()).await.unwrap().unwrap_err();
    }
}

#[tokio::test]
async fn the_log_is_cut_after_a_snapshot_and_the_state_stays() {
    let dir = TempDir::new().unwrap();
    let consensus = open(&dir).await;
    for change in [put_worker("w1"), put_source("s1")] {
        consensus.propose(change).await.unwrap();
    }
    let binds = (0..SNAPSHOT_EVERY + 200).map(|_| consensus.propose(bind("s1", "w1")));
    futures::future::try_join_all(binds).await.unwrap();
    let purged = |m: &openraft::RaftMetrics<NodeId, Peer>| m.purged.is_some_and(|id| id.index > 500);
    consensus.raft.wait(Some(START_LIMIT)).metrics(purged, "the log is cut").await.unwrap();
    let before = consensus.state();
    consensus.shutdown().await;

    let store = Store::open(dir.path(), "m1").unwrap();
    let (about, _) = store.snapshot().unwrap().unwrap();
    assert!(about.last_log_id.unwrap().index + 10 > SNAPSHOT_EVERY, "{about}");
    drop(store);
    let again = open(&dir).await;
    assert_eq!(again.state(), before);
    assert_eq!(again.state().bindings["s1"].epoch, SNAPSHOT_EVERY + 200);
    again.shutdown().await;
}

/// Opens the file as a database and changes it.
fn rewrite(dir: &TempDir, change: impl FnOnce(&mut redb::Table<u64, &[u8]>, &mut redb::Table<&str, &[u8]>)) {
    let db = redb::Database::open(dir.path().join(FILE)).unwrap();
    let write = db.begin_write().unwrap();
    {
        let mut log = write.open_table(redb::TableDefinition::new("log")).unwrap();
        change(&mut log, &mut write.open_table(redb::TableDefinition::new("meta")).unwrap());
    }
    write.commit().unwrap();
}

#[tokio::test]
async fn a_file_of_the_second_format_is_written_anew_and_others_are_refused_by_number() {
    use redb::ReadableTable;

    let dir = TempDir::new().unwrap();
    let consensus = open(&dir).await;
    for change in [put_worker("w1"), put_source("s1"), put_task("t", &["s1"]), bind("s1", "w1")] {
        consensus.propose(change).await.unwrap();
    }
    let before = consensus.state();
    consensus.shutdown().await;
    let mut changed = 0;
    rewrite(&dir, |log, meta| {
        let rows: Vec<(u64, Vec<u8>)> =
            log.iter().unwrap().map(|row| row.map(|(i, e)| (i.value(), e.value().to_vec())).unwrap()).collect();
        for (index, entry) in rows {
            let old = wire::encode_positional(&wire::decode::<Entry>(&entry).unwrap());
            changed += usize::from(old != entry);
            log.insert(index, old.as_slice()).unwrap();
        }
        meta.insert("format", wire::encode(&2u32).as_slice()).unwrap();
    });
    assert_eq!(changed, 1, "only the task has settings");
    for _ in 0..2 {
        // Once from the older format, once from what became of it.
        let again = open(&dir).await;
        assert_eq!(again.state(), before);
        again.shutdown().await;
        rewrite(&dir, |_, meta| {
            let version = meta.get("format").unwrap().unwrap().value().to_vec();
            assert_eq!(wire::decode::<u32>(&version).unwrap(), 3);
        });
    }

    for (version, told, advice) in
        [(Some(4u32), "is of format 4", "newer version"), (None, "is of format 1", "No release")]
    {
        rewrite(&dir, |_, meta| {
            match version {
                Some(version) => drop(meta.insert("format", wire::encode(&version).as_slice()).unwrap()),
                None => drop(meta.remove("format").unwrap()),
            };
        });
        let error = Consensus::alone(dir.path(), "m1").await.err().unwrap();
        assert_eq!(error.code(), Code::MasterStartEmbedEtcdFail);
        assert!(error.message().contains(told) && error.message().contains("reads 2 to 3"), "{error}");
        assert!(error.workaround_text().contains(advice), "{error}");
    }
    // Nothing was changed by the refusal.
    rewrite(&dir, |_, meta| _ = meta.insert("format", wire::encode(&3u32).as_slice()).unwrap());
    let again = open(&dir).await;
    assert_eq!(again.state(), before);
    again.shutdown().await;
}

#[tokio::test]
async fn nobody_else_may_read_the_file() {
    let dir = TempDir::new().unwrap();
    open(&dir).await.shutdown().await;
    let mode = std::fs::metadata(dir.path().join(FILE)).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
}

#[tokio::test]
async fn a_directory_in_use_says_so() {
    let dir = TempDir::new().unwrap();
    let consensus = open(&dir).await;
    let error = Consensus::alone(dir.path(), "m1").await.err().unwrap();
    assert_eq!(error.code(), Code::MasterStartEmbedEtcdFail);
    assert!(error.message().contains("in use by another process"), "{error}");
    consensus.shutdown().await;
}

#[tokio::test]
async fn another_masters_directory_is_refused_by_name() {
    let dir = TempDir::new().unwrap();
    open(&dir).await.shutdown().await;
    let error = Consensus::alone(dir.path(), "m2").await.err().unwrap();
    assert!(error.message().contains("belongs to master `m1`, not to `m2`"), "{error}");
}

#[tokio::test]
async fn a_damaged_file_is_an_error_not_a_crash() {
    let junk = TempDir::new().unwrap();
    std::fs::write(junk.path().join(FILE), b"not a database, but long enough to be read as one".repeat(200)).unwrap();
    let error = Consensus::alone(junk.path(), "m1").await.err().unwrap();
    assert!(error.message().contains("damaged"), "{error}");

    // Every page of a good file, overwritten in turn: either it still opens with all it had, or it says it is damaged.
    let good = TempDir::new().unwrap();
    let consensus = open(&good).await;
    consensus.propose(put_worker("w1")).await.unwrap();
    let before = consensus.state();
    consensus.shutdown().await;
    let bytes = std::fs::read(good.path().join(FILE)).unwrap();
    let used = bytes.iter().rposition(|b| *b != 0).unwrap() + 1;
    for offset in (0..used).step_by(4096).take(24) {
        let dir = TempDir::new().unwrap();
        let mut torn = bytes.clone();
        let end = (offset + 512).min(torn.len());
        torn[offset..end].fill(0xa5);
        std::fs::write(dir.path().join(FILE), torn).unwrap();
        match Consensus::alone(dir.path(), "m1").await {
            Ok(c) => {
                assert_eq!(c.state(), before, "page at {offset}");
                c.shutdown().await;
            }
            Err(e) => assert_eq!(e.code(), Code::MasterStartEmbedEtcdFail, "{e}"),
        }
    }
}

#[tokio::test]
async fn a_directory_that_cannot_be_made_says_what_to_check() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("a-file");
    std::fs::write(&file, "x").unwrap();
    let error = Consensus::alone(&file.join("data"), "m1").await.err().unwrap();
    assert!(error.workaround_text().contains("data-dir"), "{error}");
}

#[tokio::test]
async fn a_change_beyond_the_frame_is_refused_before_the_log() {
    let dir = TempDir::new().unwrap();
    let consensus = open(&dir).await;
    let huge = super::super::state::SourceRecord { source_id: "s".into(), yaml: "x".repeat(MAX_CHANGE) };
    let error = consensus.propose(ClusterChange::PutSource { source: huge }).await.unwrap_err();
    assert!(error.message().contains("too large"), "{error}");
    consensus.propose(put_source("s")).await.unwrap();
    consensus.shutdown().await;
}

const CRASH_DIR: &str = "DM_TEST_CRASH_DIR";

/// The test starts itself as a child that writes and prints each confirmed change, and kills it with SIGKILL.
#[test]
fn kill_9_at_random_moments_loses_no_confirmed_change() {
    if let Some(dir) = std::env::var_os(CRASH_DIR) {
        return write_until_killed(Path::new(&dir));
    }
    let dir = TempDir::new().unwrap();
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let mut confirmed = 0;
    for round in 0..8 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args([
                "--exact",
                "--nocapture",
                "coordinator::consensus::tests::kill_9_at_random_moments_loses_no_confirmed_change",
            ])
            .env(CRASH_DIR, dir.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let out = BufReader::new(child.stdout.take().unwrap());
        let kill_after: usize = rand::random_range(1..60);
        let mut lines = out.lines().map_while(Result::ok).filter_map(|l| l.strip_prefix("epoch ")?.parse::<u64>().ok());
        for epoch in lines.by_ref().take(kill_after) {
            assert!(epoch > confirmed, "round {round}: an epoch was given twice");
            confirmed = epoch;
        }
        child.kill().unwrap();
        child.wait().unwrap();
        confirmed = lines.last().unwrap_or(confirmed);
        runtime.block_on(async {
            let consensus = open(&dir).await;
            let epoch = consensus.state().bindings["s1"].epoch;
            assert!(epoch >= confirmed, "round {round}: {confirmed} was confirmed, {epoch} is there");
            consensus.shutdown().await;
        });
    }
    assert!(confirmed > 8, "the children wrote");
}

fn write_until_killed(dir: &Path) {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    runtime.block_on(async {
        let consensus = Consensus::alone(dir, "m1").await.unwrap();
        for change in [put_worker("w1"), put_source("s1")] {
            // Both are there from the second round on.
            let _ = consensus.propose(change).await;
        }
        loop {
            let Ok(Applied::Bound { epoch }) = consensus.propose(bind("s1", "w1")).await else { return };
            println!("epoch {epoch}");
        }
    });
}
