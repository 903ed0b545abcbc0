//! A dump into files that lost its snapshot goes on under a newer one: what is complete isn't read again, and after sync all is equal.

use std::{collections::BTreeSet, path::Path};

use dm::{
    config::{SubtaskConfig, subtask::TaskMode},
    pb::{UnitType, sub_task_status::Status},
    units::{
        self, Ended,
        dump::{files, ledger},
        failpoint::{self, Place},
    },
};
use tokio_util::sync::CancellationToken;

use crate::{
    support::servers::{self, Server},
    units_load::{env, run, subtask},
    units_sync::{Running, until_equal},
};

/// One that is cut into 40 chunks, two without a key, which are small and come last, and one of its structure.
async fn filled(source: &Server) {
    let ten = "(SELECT 0 n UNION ALL SELECT 1 UNION ALL SELECT 2 UNION ALL SELECT 3 UNION ALL SELECT 4 UNION ALL SELECT 5 UNION ALL \
               SELECT 6 UNION ALL SELECT 7 UNION ALL SELECT 8 UNION ALL SELECT 9)";
    let rows = format!(
        "(SELECT a.n + b.n * 10 + c.n * 100 + d.n * 1000 AS n FROM {ten} a, {ten} b, {ten} c, (SELECT 0 n UNION ALL SELECT 1) d)"
    );
    source
        .exec(&format!(
            "CREATE DATABASE d; CREATE TABLE d.cut (id INT PRIMARY KEY, v VARCHAR(200), u INT UNIQUE); \
             CREATE TABLE d.last (a INT, b INT); CREATE TABLE d.emptied (a INT); CREATE TABLE d.twin (a INT, b INT); \
             CREATE TABLE d.none (id INT PRIMARY KEY); \
             INSERT INTO d.cut SELECT n * 2, REPEAT('x', n % 150), n FROM {rows} q; \
             INSERT INTO d.last VALUES (1, 1), (1, 1), (2, 2), (3, 3); INSERT INTO d.emptied VALUES (1), (1); \
             INSERT INTO d.twin VALUES (8, 8); ANALYZE TABLE d.cut, d.last, d.emptied, d.twin"
        ))
        .await;
}

fn task(source: &Server, target: &Server, dir: &Path, name: &str) -> SubtaskConfig {
    let mut config = subtask(source, target, dir, TaskMode::All);
    config.name = format!("{name}_{}", source.port);
    config.flavor = crate::units_sync::subtask(source, target, false).flavor;
    config.server_id = 4343;
    config.mydumper.rows = 50;
    config.mydumper.threads = 2;
    config.syncer.checkpoint_flush_interval = 1;
    config
}

/// Begins a dump that dies behind some chunks, and gives the names of the files that are whole.
async fn dies(config: &SubtaskConfig) -> BTreeSet<String> {
    failpoint::arm(&config.name, Place::DumpAfterChunk, 20);
    assert!(run(UnitType::Dump, config, 1).await.is_err());
    failpoint::disarm(&config.name, Place::DumpAfterChunk);
    let (_, done) = ledger::read(Path::new(&config.loader.dir)).unwrap();
    assert!(done.len() > 10, "{done:?}");
    done.into_iter().flat_map(|done| done.files).map(|(name, _)| name).collect()
}

/// Another worker's dump, with what it tells.
async fn dumped(config: &SubtaskConfig) -> String {
    let unit = units::build(UnitType::Dump, env(config, 2)).unwrap();
    assert_eq!(unit.run(CancellationToken::new()).await.unwrap(), Ended::Finished);
    let Status::Dump(status) = unit.status() else { panic!("{:?}", unit.status()) };
    let more = status.more.unwrap();
    assert_eq!((more.completed_chunks, status.completed_tables as i64), (more.total_chunks, status.total_tables));
    unit.notes().join("; ")
}

async fn arrives(source: &Server, target: &Server, config: &SubtaskConfig) {
    assert_eq!(run(UnitType::Load, config, 2).await.unwrap(), Ended::Finished);
    let running = Running::start(config, 3).started(target).await;
    until_equal(source, target, &["d"], &running).await;
    source.exec("INSERT INTO d.last VALUES (7, 7), (7, 7); DELETE FROM d.last WHERE a = 1 LIMIT 1; UPDATE d.cut SET v = 'end'").await;
    until_equal(source, target, &["d"], &running).await;
    assert_eq!(running.stop().await.unwrap(), Ended::Stopped);
}

fn text(dir: &str, name: &str) -> Vec<u8> {
    std::fs::read(Path::new(dir).join(name)).unwrap()
}

#[tokio::test]
async fn chunks_that_are_done_stay_and_the_others_are_read_anew() {
    for (source, gtid) in [(servers::mariadb(), false), (servers::mysql(), true)] {
        let (target, dir) = (servers::mariadb(), tempfile::tempdir().unwrap());
        filled(&source).await;
        let mut config = task(&source, &target, dir.path(), "goes_on");
        config.enable_gtid = gtid;
        let folder = config.loader.dir.clone();
        let whole = dies(&config).await;
        let first = ledger::read(Path::new(&folder)).unwrap().0;
        let all: usize = first.tables.iter().map(|table| table.conditions.len()).sum();
        let before: Vec<_> = whole.iter().map(|name| text(&folder, name)).collect();
        // All rows change, so that a file which is written again differs. Unique values change places, keys move, rows come and go, and tables without a key change before they are read.
        source
            .exec(
                "UPDATE d.cut SET v = CONCAT(v, '!'); UPDATE d.cut SET u = -1 WHERE id = 100; UPDATE d.cut SET u = 50 WHERE id = 3000; \
                 UPDATE d.cut SET u = 1500 WHERE id = 100; UPDATE d.cut SET id = 3999 WHERE id = 4; UPDATE d.cut SET id = 5 WHERE id = 3998; \
                 DELETE FROM d.cut WHERE id % 100 = 6; INSERT INTO d.cut VALUES (7, 'new', NULL), (3901, 'new', NULL); \
                 DELETE FROM d.last WHERE a = 1 LIMIT 1; INSERT INTO d.last VALUES (2, 2), (4, 4); DELETE FROM d.emptied; \
                 UPDATE d.twin SET b = 9",
            )
            .await;
        // A worker dies once more, and files are torn as by a crash of the machine: one is short, one has other bytes.
        let torn: Vec<&String> = whole.iter().filter(|name| name.starts_with("d.cut.")).take(2).collect();
        let file = std::fs::File::options().write(true).open(Path::new(&folder).join(torn[0])).unwrap();
        file.set_len(100).unwrap();
        let mut other = text(&folder, torn[1]);
        let end = other.len() - 3;
        other[end] ^= 1;
        std::fs::write(Path::new(&folder).join(torn[1]), other).unwrap();
        failpoint::arm(&config.name, Place::DumpAfterChunk, 3);
        assert!(run(UnitType::Dump, &config, 1).await.is_err());
        failpoint::disarm(&config.name, Place::DumpAfterChunk);
        source.exec("INSERT INTO d.last VALUES (5, 5); UPDATE d.cut SET v = 'once more' WHERE id % 300 = 0").await;

        let notes = dumped(&config).await;
        assert!(
            notes.contains("goes on under a new snapshot of") && notes.contains(&format!(" of {all} chunks were done")),
            "{notes}"
        );
        let written = files::manifest(Path::new(&folder)).unwrap();
        for (name, before) in whole.iter().zip(before).filter(|(name, _)| !torn.contains(name)) {
            assert!(written.contains_key(name) && text(&folder, name) == before, "{name} was written again");
        }
        assert!(torn.iter().all(|name| text(&folder, name).windows(2).any(|two| two == b"!'")), "{torn:?}");
        let meta = files::read_metadata(Path::new(&folder)).unwrap();
        assert_eq!(meta.location, first.location);
        let exit = meta.exit.unwrap();
        assert!(
            (&exit.binlog_name, exit.binlog_pos) > (&meta.location.binlog_name, meta.location.binlog_pos),
            "{exit:?}"
        );
        let later: BTreeSet<&str> = meta.later.iter().map(|later| later.table.as_str()).collect();
        assert_eq!(later, BTreeSet::from(["emptied", "last", "twin"]));
        arrives(&source, &target, &config).await;
    }
}

/// Where two snapshots can't be squared the dump begins again, and says why.
#[tokio::test]
async fn what_cannot_be_squared_begins_again() {
    for source in [servers::mariadb(), servers::mysql()] {
        let (target, dir) = (servers::mariadb(), tempfile::tempdir().unwrap());
        filled(&source).await;
        let statements = [
            (
                "RENAME TABLE d.last TO d.x, d.twin TO d.last, d.x TO d.twin",
                "`d`.`last`, of which rows are missing, was altered",
            ),
            ("ALTER TABLE d.last ADD COLUMN c INT", "was altered"),
            ("DROP TABLE d.emptied; CREATE TABLE d.emptied (a INT); INSERT INTO d.emptied VALUES (6)", "made anew"),
            ("RENAME TABLE d.last TO d.later", "`d`.`last`, of which rows are missing, is gone"),
            ("RENAME TABLE d.later TO d.last; FLUSH BINARY LOGS", "the source has no binlog file"),
        ];
        for (round, (statement, says)) in statements.into_iter().enumerate() {
            let config = task(&source, &target, dir.path(), &format!("again{round}"));
            dies(&config).await;
            source.exec(statement).await;
            if says.contains("binlog") {
                let (last, ..) = source.binlog_end().await;
                source.purge_up_to(&last).await;
            }
            let notes = dumped(&config).await;
            assert!(
                notes.contains("begins again with a new snapshot: ") && notes.contains(says),
                "{statement}: {notes}"
            );
            let meta = files::read_metadata(Path::new(&config.loader.dir)).unwrap();
            assert!(meta.exit.is_none() && meta.later.is_empty(), "{meta:?}");
            if round == 0 {
                arrives(&source, &target, &config).await;
                target.exec("DROP DATABASE d").await;
            }
        }
        // Nor without sync.
        let config = task(&source, &target, dir.path(), "full");
        dies(&config).await;
        let full = SubtaskConfig { mode: TaskMode::Full, ..config.clone() };
        let notes = dumped(&full).await;
        assert!(notes.contains("begins again with a new snapshot: ") && notes.contains("no sync follows"), "{notes}");
    }
}
