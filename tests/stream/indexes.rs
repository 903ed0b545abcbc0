//! Secondary indexes that follow the rows: a load that ends between a table's CREATE and its last ALTER leaves a mark in the
//! table, and whatever load comes next ends with the table that the source has.

use super::*;
use crate::support::wait;

/// Begins the comment of a table whose indexes are to come.
const MARK: &str = "DM: secondary indexes follow the rows; ";

const TABLE: &str = "CREATE TABLE d.large (id INT AUTO_INCREMENT PRIMARY KEY, k INT, v VARCHAR(400) NOT NULL DEFAULT 'x', \
                     u INT NOT NULL, KEY `k``1` (k, v(20)), KEY v (v DESC) COMMENT 'KEY `q` (', UNIQUE KEY u (u)) \
                     COMMENT 'it''s \\\\ large'";

async fn shown(server: &Server) -> String {
    let mut conn = server.conn().await;
    let row: (String, String) = conn.query_first("SHOW CREATE TABLE d.large").await.unwrap().unwrap();
    row.1
}

/// A load's task is ended while the table has rows and not its indexes.
async fn interrupted(config: &SubtaskConfig, target: &Server) {
    let unit = units::build(UnitType::Load, env(config, 1)).unwrap();
    let run = tokio::spawn(async move { unit.run(CancellationToken::new()).await });
    wait::until("rows", Duration::from_secs(60), || async {
        let mut conn = target.conn().await;
        let rows = conn.query_first::<u64, _>("SELECT COUNT(*) FROM d.large").await.unwrap_or_default().unwrap_or(0);
        if rows > 0 { Ok(()) } else { Err("none".into()) }
    })
    .await;
    run.abort();
    assert!(run.await.unwrap_err().is_cancelled(), "the load was over before it could be ended");
    let table = shown(target).await;
    assert!(table.contains(MARK) && !table.contains("KEY `v`") && table.contains("UNIQUE KEY `u`"), "{table}");
}

#[tokio::test]
async fn indexes_that_follow_the_rows_survive_the_end_of_a_load() {
    let source = servers::mariadb();
    source.exec("CREATE DATABASE d CHARACTER SET utf8mb4").await;
    source.exec(TABLE).await;
    let rows = format!(
        "INSERT INTO d.large (k, v, u) SELECT a.n % 97, REPEAT(SHA1(a.n * 10 + b.n), 9), a.n * 10 + b.n FROM {} a, {} b",
        numbers(4000),
        numbers(10)
    );
    source.exec(&rows).await;
    source.exec("ANALYZE TABLE d.large").await;
    for import in ["stream", "logical"] {
        let (target, dir) = (servers::mariadb(), tempfile::tempdir().unwrap());
        let mut config = subtask(&source, &target, TaskMode::Full);
        config.loader.import_mode = import.into();
        config.loader.dir = dir.path().join("dump").display().to_string();
        config.loader.pool_size = 1;
        config.mydumper.rows = 1000;
        let dump = units::build(UnitType::Dump, env(&config, 1)).unwrap();
        if !dump.is_finished().await.unwrap() {
            assert_eq!(dump.run(CancellationToken::new()).await.unwrap(), Ended::Finished);
        }
        interrupted(&config, &target).await;
        let load = units::build(UnitType::Load, env(&config, 2)).unwrap();
        assert_eq!(load.run(CancellationToken::new()).await.unwrap(), Ended::Finished);
        assert_eq!(shown(&target).await, shown(&source).await, "{import}");
        assert_equal(&source, &target).await;
    }
}
