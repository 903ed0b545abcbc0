//! Views and sequences of a task that wants them.

use super::*;

#[tokio::test]
async fn views_and_sequences_arrive_both_ways() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    // A view that stands on one that comes later, and a table whose default is a sequence.
    source
        .exec(
            "CREATE DATABASE d; CREATE SEQUENCE d.s START WITH 7 INCREMENT BY 3 NOCACHE; \
             CREATE TABLE d.t (a INT PRIMARY KEY DEFAULT NEXTVAL(d.s), b INT); INSERT INTO d.t (b) VALUES (1), (2), (3); \
             CREATE VIEW d.z AS SELECT a + 1 c FROM d.t; CREATE VIEW d.a AS SELECT c * 2 e FROM d.z",
        )
        .await;
    for import in ["stream", "logical"] {
        let dir = tempfile::tempdir().unwrap();
        let mut config = subtask(&source, &target, TaskMode::Full);
        config.loader.import_mode = import.into();
        config.loader.dir = dir.path().join("dump").display().to_string();
        config.mydumper.extra_args = "--no-views=false".into();
        target.exec("DROP DATABASE IF EXISTS d").await;
        copy(&config, 1).await;
        assert_equal(&source, &target).await;
        assert_eq!(target.text("SELECT GROUP_CONCAT(e ORDER BY e) FROM d.a").await, "16,22,28", "{import}");
        target.exec("INSERT INTO d.t (b) VALUES (4)").await;
        assert_eq!(target.text("SELECT a FROM d.t WHERE b = 4").await, "16", "{import}");
        units::remove_meta(&config).await.unwrap();
    }
    // A task that doesn't say so is told what stays behind.
    target.exec("DROP DATABASE d; CREATE DATABASE d; CREATE SEQUENCE d.s").await;
    let config = subtask(&source, &target, TaskMode::Full);
    let unit = units::build(UnitType::Load, env(&config, 1)).unwrap();
    unit.run(CancellationToken::new()).await.unwrap();
    let notes = unit.notes().join("; ");
    assert!(notes.contains("`d`.`a` (view)") && notes.contains("`d`.`s` (sequence)"), "{notes}");
    assert_eq!(target.text("SELECT COUNT(*) FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'd'").await, "0");
}
