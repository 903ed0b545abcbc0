//! The dump unit by itself: what it writes, and what an error in its middle costs.

use std::{collections::BTreeMap, io::Read, path::Path, time::Duration};

use dm::{
    config::{SubtaskConfig, subtask::TaskMode},
    error::Code,
    pb::{UnitType, sub_task_status::Status},
    units::{
        self, Ended, UnitEnv,
        dump::files,
        failpoint::{self, Place},
    },
};
use mysql_async::prelude::Queryable;
use tokio_util::sync::CancellationToken;

use crate::{
    support::{
        servers::{self, Release, Server},
        wait::until,
    },
    units_load::{assert_equal, env, many_rows, run, subtask},
};

async fn dump(env: &UnitEnv) -> (Result<Ended, dm::error::DmError>, Vec<String>, dm::pb::DumpMore) {
    let unit = units::build(UnitType::Dump, env.clone()).unwrap();
    let done = unit.run(CancellationToken::new()).await;
    let Status::Dump(status) = unit.status() else { panic!("{:?}", unit.status()) };
    (done, unit.notes(), status.more.unwrap())
}

/// The texts of all data files, by name.
fn texts(dir: &Path) -> BTreeMap<String, String> {
    let manifest = files::manifest(dir).unwrap();
    let text = |name: &String| {
        let mut text = String::new();
        files::reader(&dir.join(name)).unwrap().read_to_string(&mut text).unwrap();
        text
    };
    for (name, facts) in &manifest {
        assert_eq!(std::fs::metadata(dir.join(name)).unwrap().len(), facts.size, "{name}");
        assert_eq!(text(name).len() as u64, facts.text_size, "{name}");
    }
    manifest.keys().map(|name| (name.clone(), text(name))).collect()
}

/// Small chunks of a table with 30,000 rows.
fn in_chunks(mut config: SubtaskConfig) -> SubtaskConfig {
    config.mydumper.rows = 2000;
    config.mydumper.statement_size = 20_000;
    config
}

#[tokio::test]
async fn a_dump_that_failed_goes_on_within_its_snapshot() {
    for source in [servers::mariadb(), servers::mysql()] {
        let (target, dir) = (servers::mariadb(), tempfile::tempdir().unwrap());
        many_rows(&source).await;
        let mut config = in_chunks(subtask(&source, &target, dir.path(), TaskMode::Full));
        config.name = format!("going-on-{}", source.port);
        failpoint::arm(&config.name, Place::DumpAfterChunk, 4);
        let env = env(&config, 1);
        let (failed, notes, more) = dump(&env).await;
        assert!(failed.is_err() && notes.is_empty(), "{failed:?} {notes:?}");
        assert!(more.completed_chunks >= 3 && more.completed_chunks < more.total_chunks, "{more:?}");
        failpoint::disarm(&config.name, Place::DumpAfterChunk);
        // None of this is in the snapshot.
        source.exec("DELETE FROM d.keyless; UPDATE d.keyed SET a = 'later'; INSERT INTO d.empty VALUES (1)").await;
        let (done, notes, more) = dump(&env).await;
        assert_eq!(done.unwrap(), Ended::Finished);
        let note = format!("{:?}", notes);
        assert!(note.contains("goes on within its snapshot of") && !note.contains(": 0 of"), "{note}");
        assert_eq!(more.completed_chunks, more.total_chunks);
        let texts = texts(&dir.path().join("dump"));
        assert!(texts.len() > 10 && !texts.values().any(|text| text.contains("'later'")), "{:?}", texts.keys());
        assert_eq!(run(UnitType::Load, &config, 1).await.unwrap(), Ended::Finished);
        let counts = "SELECT CONCAT((SELECT COUNT(*) FROM d.keyed), ' ', (SELECT COUNT(*) FROM d.keyless), ' ', \
                      (SELECT COUNT(*) FROM d.empty))";
        assert_eq!(target.text(counts).await, "30000 30000 0");
    }
}

#[tokio::test]
async fn a_lost_reader_costs_a_chunk_and_lost_ones_the_snapshot() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    many_rows(&source).await;
    source.exec("CREATE USER 'dumper'@'%' IDENTIFIED BY 'pw'; GRANT ALL ON *.* TO 'dumper'@'%'").await;
    let mut config = in_chunks(subtask(&source, &target, dir.path(), TaskMode::Full));
    config.name = "lost-reader".into();
    config.from.user = "dumper".into();
    config.from.password.0 = "pw".into();
    // A dump that waits in its middle, with its connections.
    failpoint::arm(&config.name, Place::DumpAfterChunk, 4);
    let env = env(&config, 1);
    assert!(dump(&env).await.0.is_err());
    failpoint::disarm(&config.name, Place::DumpAfterChunk);
    let mut admin = source.conn().await;
    let readers = "SELECT ID FROM information_schema.PROCESSLIST WHERE USER = 'dumper'";
    let ids: Vec<u64> = admin.query(readers).await.unwrap();
    assert_eq!(ids.len(), 4, "{ids:?}");
    // While it runs: one of its connections is killed between or in chunks.
    let killer = tokio::spawn(async move {
        admin.query_drop(format!("KILL {}", ids[1])).await.unwrap();
        admin
    });
    let (done, notes, more) = dump(&env).await;
    assert_eq!(done.unwrap(), Ended::Finished, "{notes:?}");
    assert_eq!(more.completed_chunks, more.total_chunks);
    assert_eq!(run(UnitType::Load, &config, 1).await.unwrap(), Ended::Finished);
    assert_equal(&source, &target).await;

    // Nor has another worker the connections.
    failpoint::arm(&config.name, Place::DumpAfterChunk, 4);
    assert!(dump(&crate::units_load::env(&config, 1)).await.0.is_err());
    failpoint::disarm(&config.name, Place::DumpAfterChunk);
    let (done, notes, _) = dump(&crate::units_load::env(&config, 2)).await;
    assert_eq!(done.unwrap(), Ended::Finished);
    assert!(format!("{notes:?}").contains("the worker, or the run, that held the last one is gone"), "{notes:?}");

    // Without any connection there is no way but a new snapshot, and the user is told.
    failpoint::arm(&config.name, Place::DumpAfterChunk, 4);
    assert!(dump(&env).await.0.is_err());
    failpoint::disarm(&config.name, Place::DumpAfterChunk);
    let mut admin = killer.await.unwrap();
    for id in admin.query::<u64, _>(readers).await.unwrap() {
        match admin.query_drop(format!("KILL {id}")).await {
            // The connection that asks for names has just ended.
            Err(mysql_async::Error::Server(e)) if e.code == 1094 => {}
            killed => killed.unwrap(),
        }
    }
    source.exec("DELETE FROM d.keyless").await;
    let (done, notes, _) = dump(&env).await;
    assert_eq!(done.unwrap(), Ended::Finished);
    assert!(format!("{notes:?}").contains("begins again with a new snapshot"), "{notes:?}");
    assert!(!texts(&dir.path().join("dump")).keys().any(|name| name.starts_with("d.keyless.")));
}

#[tokio::test]
async fn compressed_files_are_loaded_and_csv_is_written() {
    let (source, target, dir) = (servers::mysql(), servers::mariadb(), tempfile::tempdir().unwrap());
    many_rows(&source).await;
    let mut config = in_chunks(subtask(&source, &target, dir.path(), TaskMode::Full));
    let folder = dir.path().join("dump");
    for (compression, ending) in [("gzip", ".sql.gz"), ("zstd", ".sql.zst"), ("snappy", ".sql.snappy")] {
        config.mydumper.extra_args = format!("--compress {compression}");
        assert_eq!(run(UnitType::Dump, &config, 1).await.unwrap(), Ended::Finished);
        let packed = files::manifest(&folder).unwrap();
        assert!(packed.keys().all(|name| name.ends_with(ending)), "{packed:?}");
        assert!(packed.values().all(|f| f.size < f.text_size / 2), "{packed:?}");
        texts(&folder);
        assert_eq!(run(UnitType::Load, &config, 1).await.unwrap(), Ended::Finished);
        assert_equal(&source, &target).await;
        units::remove_meta(&config).await.unwrap();
        target.exec("DROP DATABASE d").await;
    }
    config.mydumper.extra_args = "--filetype csv -f 'd.key*,!d.keyed'".into();
    config.mode = TaskMode::Dump;
    assert_eq!(run(UnitType::Dump, &config, 1).await.unwrap(), Ended::Finished);
    let texts = texts(&folder);
    assert!(texts.keys().all(|name| name.starts_with("d.keyless.") && name.ends_with(".csv")), "{:?}", texts.keys());
    let lines: Vec<&str> = texts.values().flat_map(|text| text.lines()).collect();
    assert_eq!((lines[0], lines.len()), ("\"a\",\"b\"", 30_000 + texts.len()));
    assert!(lines.contains(&"0,\"\"") && lines.contains(&"3,\"z\\z\\z\\\""), "{:?}", &lines[..20]);
    config.mode = TaskMode::Full;
    std::fs::write(folder.join("d.keyless.csv"), "1,2\n").unwrap();
    let error = run(UnitType::Load, &config, 1).await.unwrap_err();
    assert_eq!(error.code(), Code::LoadUnitInvalidFileEnding);
    assert!(
        error.message().contains(".csv is CSV without its part's number, which is not read here; nothing"),
        "{error}"
    );
    std::fs::remove_file(folder.join("d.keyless.csv")).unwrap();
    config.mode = TaskMode::Dump;
    // The next dump takes the folder over.
    config.mydumper.extra_args = String::new();
    assert_eq!(run(UnitType::Dump, &config, 1).await.unwrap(), Ended::Finished);
}

#[tokio::test]
async fn views_and_sequences_are_dumped_when_they_are_wanted() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    source
        .exec(
            "CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY); CREATE VIEW d.v AS SELECT a FROM d.t; \
             CREATE SEQUENCE d.s START WITH 7; SELECT NEXTVAL(d.s)",
        )
        .await;
    let mut config = subtask(&source, &target, dir.path(), TaskMode::Dump);
    let text = |name: &str| std::fs::read_to_string(dir.path().join("dump").join(name));
    run(UnitType::Dump, &config, 1).await.unwrap();
    assert!(text("d.v-schema-view.sql").is_err() && text("d.s-schema-sequence.sql").is_err());
    config.mydumper.extra_args = "--no-views=false".into();
    run(UnitType::Dump, &config, 1).await.unwrap();
    let (view, sequence) = (text("d.v-schema-view.sql").unwrap(), text("d.s-schema-sequence.sql").unwrap());
    assert!(view.contains("SQL SECURITY INVOKER VIEW `d`.`v` AS") && !view.contains("DEFINER"), "{view}");
    assert!(sequence.contains("CREATE SEQUENCE `s` start with 7") && sequence.contains("SETVAL(`s`, "), "{sequence}");
    target.exec(&format!("CREATE DATABASE d; USE d; CREATE TABLE t (a INT PRIMARY KEY); {view} {sequence}")).await;
    assert_eq!(target.text("SELECT COUNT(*) FROM d.v").await, "0");
}

#[tokio::test]
async fn a_statement_that_runs_for_long_does_not_hold_up_the_snapshot_of_mariadb() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY); INSERT INTO d.t VALUES (1)").await;
    let mut busy = source.conn().await;
    let long = tokio::spawn(async move { busy.query_drop("SELECT SLEEP(60), a FROM d.t").await });
    until_runs(&source, "SELECT SLEEP%").await;
    let config = subtask(&source, &target, dir.path(), TaskMode::Dump);
    let begun = std::time::Instant::now();
    run(UnitType::Dump, &config, 1).await.unwrap();
    assert!(begun.elapsed() < Duration::from_secs(15), "{:?}", begun.elapsed());
    assert!(files::read_metadata(&dir.path().join("dump")).unwrap().exit.is_none());
    long.abort();
}

/// Waits until the source runs such a statement.
async fn until_runs(source: &Server, like: &str) {
    until_runs_for(source, like, 0).await;
}

async fn until_runs_for(source: &Server, like: &str, seconds: u32) {
    let sql =
        format!("SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE INFO LIKE '{like}' AND TIME >= {seconds}");
    until("the statement", Duration::from_secs(60), || async {
        let n = source.text(&sql).await;
        if n == "0" { Err(n) } else { Ok(()) }
    })
    .await;
}

/// A dump while a statement runs for long, as `user`; what LOCK TABLES it asked for.
async fn with_a_held_off_lock(release: Release, user: &str) -> String {
    let (source, target, dir) = (Server::of(release, &[]), servers::mariadb(), tempfile::tempdir().unwrap());
    source
        .exec("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY); INSERT INTO d.t VALUES (1); CREATE TABLE d.keyless (a INT); \
               INSERT INTO d.keyless VALUES (1), (1); CREATE USER plain@'%' IDENTIFIED BY '123456'; \
               GRANT SELECT, RELOAD, LOCK TABLES, REPLICATION CLIENT, PROCESS ON *.* TO plain@'%'; \
               SET GLOBAL log_output = 'TABLE'; SET GLOBAL general_log = ON")
        .await;
    let mut busy = source.conn().await;
    let long = tokio::spawn(async move { busy.query_drop("SELECT SLEEP(120), a FROM d.t").await });
    until_runs_for(&source, "SELECT SLEEP%", 5).await;
    let mut config = subtask(&source, &target, dir.path(), TaskMode::All);
    config.from.user = user.into();
    run(UnitType::Dump, &config, 1).await.unwrap();
    long.abort();
    // The place of a new file: all that stands in the one before is committed, and none of it in the dump's future. Only who may
    // see events knows where its first transaction is.
    let meta = files::read_metadata(&dir.path().join("dump")).unwrap();
    let begun = if user == "root" { ".000002" } else { ".000003" };
    assert!(meta.location.binlog_name.ends_with(begun), "{meta:?}");
    assert_eq!(meta.location.binlog_pos > 4, user == "root", "{meta:?}");
    run(UnitType::Load, &config, 1).await.unwrap();
    assert_equal(&source, &target).await;
    source
        .text("SELECT IFNULL(GROUP_CONCAT(argument), '') FROM mysql.general_log WHERE argument LIKE 'LOCK TABLES%'")
        .await
}

#[tokio::test]
async fn a_lock_that_is_held_off_is_done_without() {
    assert_eq!(with_a_held_off_lock(Release::Mysql56, "root").await, "");
}

/// A user who may not see the binlog's events locks the tables whose rows can't be told apart.
#[tokio::test]
async fn tables_without_a_key_are_locked_where_the_binlog_is_not_shown() {
    assert_eq!(with_a_held_off_lock(Release::Mysql57, "plain").await, "LOCK TABLES `d`.`keyless` READ");
}

#[tokio::test]
async fn locked_tables_have_no_open_transactions() {
    let (source, target, dir) = (Server::of(Release::Mysql56, &[]), servers::mariadb(), tempfile::tempdir().unwrap());
    source.exec("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY); INSERT INTO d.t VALUES (1)").await;
    let mut open = source.conn().await;
    open.query_drop("BEGIN").await.unwrap();
    open.query_drop("INSERT INTO d.t VALUES (2)").await.unwrap();
    let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
    config.mydumper.extra_args = "--consistency lock".into();
    let dumped = tokio::spawn({
        let config = config.clone();
        async move { run(UnitType::Dump, &config, 1).await }
    });
    until_runs(&source, "LOCK TABLES%").await;
    open.query_drop("COMMIT").await.unwrap();
    dumped.await.unwrap().unwrap();
    run(UnitType::Load, &config, 1).await.unwrap();
    assert_eq!(target.text("SELECT GROUP_CONCAT(a) FROM d.t").await, "1,2");
}

/// A small disk that the operator enlarges, and then makes read-only.
#[tokio::test]
#[ignore = "tier: make test-long (it mounts a disk, as root)"]
async fn a_full_disk_costs_no_chunk_that_is_written() {
    let (source, target, dir) = (servers::mariadb(), servers::mariadb(), tempfile::tempdir().unwrap());
    many_rows(&source).await;
    let disk = dir.path().join("disk");
    std::fs::create_dir(&disk).unwrap();
    let mount = |size: &str, how: &str| {
        let options = format!("{how}size={size}");
        let done =
            std::process::Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&disk).status();
        assert!(done.unwrap().success(), "root may mount here?");
    };
    mount("1m", "");
    let mut config = in_chunks(subtask(&source, &target, &disk, TaskMode::Full));
    let error = run(UnitType::Dump, &config, 1).await.unwrap_err();
    assert!(error.message().contains("the dump takes about"), "{error}");
    config.ignore_checking_items = vec!["free_space".into()];
    let env = env(&config, 1);
    let (failed, _, _) = dump(&env).await;
    let error = failed.unwrap_err();
    assert_eq!(error.code(), Code::DumpUnitRuntime);
    assert!(error.raw_cause().contains("No space left") && error.workaround_text().contains("free space"), "{error}");
    assert!(!disk.join("dump/metadata").exists());
    mount("64m", "remount,");
    let (done, notes, _) = dump(&env).await;
    assert_eq!(done.unwrap(), Ended::Finished);
    assert!(format!("{notes:?}").contains("goes on within its snapshot"), "{notes:?}");
    // Read-only, it is loaded from, and says so to a dump, which doesn't begin.
    mount("64m", "remount,ro,");
    assert_eq!(run(UnitType::Load, &config, 1).await.unwrap(), Ended::Finished);
    assert_equal(&source, &target).await;
    let other = SubtaskConfig { name: "other".into(), ..in_chunks(subtask(&source, &target, &disk, TaskMode::Full)) };
    let error = run(UnitType::Dump, &other, 1).await.unwrap_err();
    let told = error.message().contains(&disk.display().to_string()) && !error.workaround_text().is_empty();
    assert!(told && error.raw_cause().contains("Read-only file system"), "{error}");
    assert!(std::process::Command::new("umount").arg(&disk).status().unwrap().success());
}

/// The lock that each release has, and position and GTID set of both flavours.
#[tokio::test]
#[ignore = "tier: make test-long (a server of every release)"]
async fn every_release_is_dumped_with_every_consistency() {
    for release in Release::ALL {
        let (source, target, dir) = (Server::of(release, &[]), servers::mariadb(), tempfile::tempdir().unwrap());
        source.exec("CREATE DATABASE d; CREATE TABLE d.t (a INT PRIMARY KEY); INSERT INTO d.t VALUES (1)").await;
        let mut config = subtask(&source, &target, dir.path(), TaskMode::Full);
        for consistency in ["auto", "flush", "lock", "none"] {
            config.mydumper.extra_args = format!("--consistency {consistency}");
            run(UnitType::Dump, &config, 1).await.unwrap_or_else(|e| panic!("{} {consistency}: {e}", release.title()));
            let meta = files::read_metadata(&dir.path().join("dump")).unwrap();
            assert!(meta.location.binlog_pos > 4 && meta.exit.is_none(), "{} {meta:?}", release.title());
        }
        run(UnitType::Load, &config, 1).await.unwrap();
        assert_equal(&source, &target).await;
    }
}
