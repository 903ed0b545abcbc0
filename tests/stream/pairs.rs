//! Every release onto every kind of target, both ways, while 16 writers work during the whole load; then sync catches up, and all
//! is equal. `DM_RELEASES` names sources.

use super::{kills::filled, *};
use crate::{
    support::writer::Writers,
    units_sync::{Running, until_equal},
};

async fn pair(source: &Server, target: &Server, import: &str) {
    let dir = tempfile::tempdir().unwrap();
    let mut config = subtask(source, target, TaskMode::All);
    config.block_allow_list.do_dbs = vec!["busy".into(), "d".into()];
    config.loader.import_mode = import.into();
    config.loader.dir = dir.path().join("dump").display().to_string();
    config.mydumper.rows = 100;
    // TiDB's rows come in more slowly than such writers write.
    let pause = Duration::from_millis(if target.kind == Kind::Tidb { 100 } else { 15 });
    let writers = Writers::start(source, 16, pause, 5);
    copy(&config, 1).await;
    let running = Running::start(&config, 2).started(target).await;
    let transactions = writers.stop().await;
    assert!(transactions > 10, "{transactions} transactions");
    until_equal(source, target, &["busy", "d"], &running).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
    eprintln!("{:?} {import} onto {:?}: equal after {transactions} transactions", source.release, target.release);
}

async fn every_release(targets: &[Release]) {
    for release in Release::chosen(&Release::ALL, &Release::ALL) {
        let source = Server::of(release, &[]);
        filled(&source).await;
        for onto in targets {
            for import in ["stream", "logical"] {
                pair(&source, &Server::of(*onto, &[]), import).await;
            }
        }
    }
}

#[tokio::test]
#[ignore = "tier: make test-long"]
async fn every_release_onto_mariadb_and_mysql() {
    every_release(&[Release::Mariadb1011, Release::Mysql97]).await;
}

#[tokio::test]
#[ignore = "tier: make test-tidb"]
async fn every_release_into_tidb() {
    every_release(&[Release::Tidb]).await;
}
