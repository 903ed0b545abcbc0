//! What `query-status` tells while rows are on their way. A row that another session of the target has locked holds a load up.

use dm::pb::{LoadMore, sub_task_status::Status};

use super::*;
use crate::support::wait::until;

const ROWS: u32 = 8000;

async fn filled(source: &Server) {
    source
        .exec(&format!(
            "CREATE DATABASE d; CREATE TABLE d.large (id INT PRIMARY KEY, v VARCHAR(200)); \
             INSERT INTO d.large SELECT n, REPEAT('x', 150) FROM {} q; \
             CREATE TABLE d.small (id INT PRIMARY KEY); INSERT INTO d.small VALUES (1), (2)",
            numbers(ROWS)
        ))
        .await;
    let mut conn = source.conn().await;
    let _: Vec<Row> = conn.query("ANALYZE TABLE d.large, d.small").await.unwrap();
}

/// A session of the target that has a row of `d.large`, which it takes back.
async fn holder(target: &Server) -> Conn {
    target.exec("CREATE DATABASE d; CREATE TABLE d.large (id INT PRIMARY KEY, v VARCHAR(200))").await;
    let mut conn = target.conn().await;
    conn.query_drop("BEGIN; INSERT INTO d.large VALUES (5000, 'held')").await.unwrap();
    conn
}

fn more(unit: &dyn units::Unit) -> LoadMore {
    let Status::Load(status) = unit.status() else { panic!("{:?}", unit.status()) };
    status.more.unwrap()
}

#[tokio::test]
async fn rows_speed_and_time_to_go_are_told_by_table() {
    let source = servers::mysql();
    filled(&source).await;
    for import in ["stream", "logical"] {
        let (target, dir) = (servers::mariadb(), tempfile::tempdir().unwrap());
        let mut held = holder(&target).await;
        let mut config = subtask(&source, &target, TaskMode::Full);
        config.loader.import_mode = import.into();
        config.loader.dir = dir.path().join("dump").display().to_string();
        config.mydumper.rows = 500;
        let dump = units::build(UnitType::Dump, env(&config, 1)).unwrap();
        if !dump.is_finished().await.unwrap() {
            dump.run(CancellationToken::new()).await.unwrap();
        }
        let unit: Arc<dyn units::Unit> = units::build(UnitType::Load, env(&config, 1)).unwrap().into();
        let task = tokio::spawn({
            let unit = unit.clone();
            async move { unit.run(CancellationToken::new()).await }
        });
        let fastest = std::cell::Cell::new(0);
        let seen = until("all but the held rows", Duration::from_secs(60), || async {
            let seen = more(&*unit);
            let left = seen.total_chunks.saturating_sub(seen.finished_chunks);
            // Of a second or more, so that some look sees the rows arrive.
            fastest.set(seen.rps.max(fastest.get()));
            if seen.finished_tables == 1 && left <= 2 && seen.eta_seconds > 0 && fastest.get() > 0 {
                Ok(seen)
            } else {
                Err(format!("{seen:?}"))
            }
        })
        .await;
        assert!(seen.total_tables == 2 && seen.total_chunks > 10, "{import} {seen:?}");
        assert!((u64::from(ROWS) / 2..u64::from(ROWS)).contains(&seen.finished_rows), "{import} {seen:?}");
        let [large] = seen.tables.as_slice() else { panic!("{import} {seen:?}") };
        assert_eq!(large.table, "`d`.`large`");
        assert!(large.finished_rows + 2 == seen.finished_rows && large.finished_bytes < large.total_bytes, "{large:?}");
        assert!(large.finished_chunks + 2 >= large.total_chunks, "{large:?}");
        if import == "stream" {
            assert!((4000..16_000).contains(&large.estimate_total_rows), "{large:?}");
        }
        held.query_drop("ROLLBACK").await.unwrap();
        assert_eq!(task.await.unwrap().unwrap(), Ended::Finished);
        assert_equal(&source, &target).await;
        let seen = more(&*unit);
        assert_eq!((seen.finished_tables, seen.finished_rows), (2, u64::from(ROWS) + 2), "{import} {seen:?}");
        assert_eq!((seen.eta_seconds, seen.tables.len()), (0, 0), "{import} {seen:?}");
    }
}

/// A source that is about to purge the binlog from which sync must begin, and one that has done it.
#[tokio::test]
async fn a_source_that_purges_what_sync_needs_is_noticed_during_the_load() {
    let source = Server::of(Release::Mysql97, &["--binlog-expire-logs-seconds=30"]);
    let target = servers::mariadb();
    filled(&source).await;
    source.exec("FLUSH BINARY LOGS; FLUSH BINARY LOGS").await;
    let held = holder(&target).await;
    let config = subtask(&source, &target, TaskMode::All);
    let unit: Arc<dyn units::Unit> = units::build(UnitType::Load, env(&config, 1)).unwrap().into();
    let task = tokio::spawn({
        let unit = unit.clone();
        async move { unit.run(CancellationToken::new()).await }
    });
    until("the load waits", Duration::from_secs(60), || async {
        if more(&*unit).finished_tables == 1 { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    assert!(!unit.notes().join(";").contains("purge"), "{:?}", unit.notes());
    let needed = source.binlog_end().await.0;
    source.purge_up_to(&needed).await;
    until("the remark", Duration::from_secs(60), || async {
        let notes = unit.notes().join(";");
        if notes.contains(&format!("is about to purge its binlog file {needed}")) { Ok(()) } else { Err(notes) }
    })
    .await;
    source.exec("FLUSH BINARY LOGS").await;
    let newest = source.binlog_end().await.0;
    source.purge_up_to(&newest).await;
    let error = tokio::time::timeout(Duration::from_secs(30), task).await.unwrap().unwrap().unwrap_err();
    assert_eq!(error.code(), Code::NoMasterStatus, "{error}");
    assert!(error.message().contains(&needed) && error.workaround_text().contains("--remove-meta"), "{error}");
    drop(held);
}
