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

/// Schemas and tables whose names differ by case only, where both servers tell them apart.
#[tokio::test]
async fn names_that_differ_by_case_arrive_both_ways() {
    for source in [servers::mariadb(), servers::mysql()] {
        let target = servers::mariadb();
        source
            .exec(
                "CREATE DATABASE d; CREATE DATABASE D; CREATE TABLE d.Orders (id INT PRIMARY KEY, v VARCHAR(9)); CREATE TABLE d.orders \
                 (v VARCHAR(9), w VARBINARY(9)); CREATE TABLE D.orders (id INT, w VARCHAR(9)); INSERT INTO d.Orders VALUES (1, 'one'), \
                 (2, 'two'); INSERT INTO d.orders VALUES ('lower', x'00FF'); INSERT INTO D.orders VALUES (7, 'seven'), (7, 'seven')",
            )
            .await;
        for import in ["stream", "logical"] {
            let dir = tempfile::tempdir().unwrap();
            let mut config = subtask(&source, &target, TaskMode::Full);
            config.case_sensitive = true;
            config.block_allow_list.do_dbs = vec!["d".into(), "D".into()];
            config.loader.import_mode = import.into();
            config.loader.dir = dir.path().join("dump").display().to_string();
            target.exec("DROP DATABASE IF EXISTS d; DROP DATABASE IF EXISTS D; CREATE DATABASE d").await;
            // One of two is there already.
            target.exec("CREATE TABLE d.Orders (id INT PRIMARY KEY, v VARCHAR(9))").await;
            copy(&config, 1).await;
            let (mut from, mut to) = (source.conn().await, target.conn().await);
            for schema in ["d", "D"] {
                let found = compare::schema_differences(&mut from, schema, &mut to, schema).await;
                assert!(found.is_empty(), "{import} {schema}: {found:#?}");
            }
            assert_eq!(target.text("SELECT COUNT(*) FROM D.orders").await, "2", "{import}");
            units::remove_meta(&config).await.unwrap();
        }
    }
}
