//! What isn't a plain table: views, triggers, routines, events and sequences that a task migrates or skips, and MariaDB's
//! system-versioned tables.

use std::time::Duration;

use crate::{
    support::{
        servers::{self, Kind, Server},
        wait::until,
    },
    units_sync::{Running, subtask, until_equal},
};

/// Names of all such objects of the schema `ob`, sequences by their table type.
const OBJECTS: &str = "SELECT COALESCE(GROUP_CONCAT(o ORDER BY o), '') FROM (\
    SELECT CONCAT('view ', TABLE_NAME) o FROM information_schema.VIEWS WHERE TABLE_SCHEMA = 'ob' \
    UNION SELECT CONCAT('trigger ', TRIGGER_NAME) FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'ob' \
    UNION SELECT CONCAT(LOWER(ROUTINE_TYPE), ' ', ROUTINE_NAME) FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'ob' \
    UNION SELECT CONCAT('event ', EVENT_NAME, ' ', STATUS) FROM information_schema.EVENTS WHERE EVENT_SCHEMA = 'ob' \
    UNION SELECT CONCAT('sequence ', TABLE_NAME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'ob' AND TABLE_TYPE = 'SEQUENCE'\
    ) x";

async fn until_objects(target: &Server, wanted: &str, running: &Running) {
    until("the objects are there", Duration::from_secs(30), || async {
        running.goes_on();
        let found = target.text(OBJECTS).await;
        if found == wanted { Ok(()) } else { Err(found) }
    })
    .await;
}

const CREATE: &str = "CREATE DATABASE ob; CREATE TABLE ob.t (a INT PRIMARY KEY, b INT, twice INT)";
const CREATED: [&str; 5] = [
    "CREATE VIEW ob.v AS SELECT a, b FROM ob.t WHERE b > 1",
    "CREATE TRIGGER ob.tr BEFORE INSERT ON ob.t FOR EACH ROW SET NEW.twice = NEW.b * 2",
    "CREATE PROCEDURE ob.p() BEGIN UPDATE ob.t SET b = b + 1; DELETE FROM ob.t WHERE b > 100; END",
    "CREATE FUNCTION ob.f(x INT) RETURNS INT DETERMINISTIC RETURN x * 3",
    "CREATE EVENT ob.e ON SCHEDULE EVERY 1 DAY STARTS '2037-01-01 00:00:00' DISABLE DO DELETE FROM ob.t",
];

#[tokio::test]
async fn objects_travel_where_the_task_says_so() {
    for kind in [Kind::Mariadb, Kind::Mysql] {
        let (source, target) = (Server::start(kind, &[]), Server::start(kind, &[]));
        for server in [&source, &target] {
            server.exec(CREATE).await;
        }
        if kind == Kind::Mysql {
            // Else its binlog takes no functions.
            source.exec("SET GLOBAL log_bin_trust_function_creators = 1").await;
            target.exec("SET GLOBAL log_bin_trust_function_creators = 1").await;
        }
        let mut config = subtask(&source, &target, true);
        config.migrate_statements = ["view", "trigger", "routine", "event", "sequence"].map(String::from).to_vec();
        let running = Running::start(&config, 1).started(&target).await;
        for statement in CREATED {
            source.exec(statement).await;
        }
        let mut sequence = "";
        if kind == Kind::Mariadb {
            source.exec("CREATE SEQUENCE ob.s START WITH 10; SELECT NEXTVAL(ob.s)").await;
            sequence = ",sequence s";
        }
        // The source's trigger has worked already: its rows travel as they are stored.
        source.exec("INSERT INTO ob.t (a, b) VALUES (1, 1), (2, 2), (3, 100); CALL ob.p()").await;
        let all = |event: &str| format!("event e {event},function f,procedure p{sequence},trigger tr,view v");
        until_objects(&target, &all("DISABLED"), &running).await;
        until_equal(&source, &target, &["ob"], &running).await;
        assert_eq!(target.text("SELECT GROUP_CONCAT(a, ':', ob.f(b) ORDER BY a) FROM ob.v").await, "1:6,2:9");

        source.exec("ALTER EVENT ob.e ENABLE; ALTER VIEW ob.v AS SELECT a FROM ob.t; DROP FUNCTION ob.f").await;
        source.exec("CREATE OR REPLACE VIEW ob.w AS SELECT 1 one; ALTER PROCEDURE ob.p COMMENT 'says more'").await;
        source.exec("DROP TRIGGER ob.tr").await;
        let rest = format!("event e ENABLED,procedure p{sequence},view v,view w");
        until_objects(&target, &rest, &running).await;
        let comment = "SELECT ROUTINE_COMMENT FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'ob'";
        assert_eq!(target.text(comment).await, "says more");
        source.exec("DROP EVENT ob.e; DROP VIEW ob.v, ob.w; DROP PROCEDURE ob.p").await;
        if kind == Kind::Mariadb {
            source.exec("ALTER SEQUENCE ob.s INCREMENT BY 5; DROP SEQUENCE ob.s").await;
        }
        until_objects(&target, "", &running).await;
        source.exec("INSERT INTO ob.t VALUES (9, 9, 9)").await;
        until_equal(&source, &target, &["ob"], &running).await;
        running.stop().await.unwrap();
    }
}

/// As with DM: without the key they are skipped, and the task goes on.
#[tokio::test]
async fn objects_are_skipped_else() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    for server in [&source, &target] {
        server.exec(CREATE).await;
    }
    let running = Running::start(&subtask(&source, &target, true), 1).started(&target).await;
    for statement in CREATED {
        source.exec(statement).await;
    }
    source.exec("INSERT INTO ob.t (a, b) VALUES (1, 1); DROP VIEW ob.v; DROP TRIGGER ob.tr; DROP PROCEDURE ob.p").await;
    source.exec("INSERT INTO ob.t VALUES (2, 2, 2)").await;
    until_equal(&source, &target, &["ob"], &running).await;
    assert_eq!(target.text(OBJECTS).await, "");
    running.stop().await.unwrap();
}

/// Versions of rows: the source's history stays there, the target makes its own of the current rows' changes.
#[tokio::test]
async fn versioned_tables_keep_their_current_rows() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    source.exec("CREATE DATABASE vt").await;
    target.exec("CREATE DATABASE vt").await;
    let running = Running::start(&subtask(&source, &target, true), 1).started(&target).await;
    source.exec("CREATE TABLE vt.plain (id INT PRIMARY KEY, v VARCHAR(20)) WITH SYSTEM VERSIONING").await;
    source
        .exec(
            "CREATE TABLE vt.named (id INT PRIMARY KEY, v VARCHAR(20), f TIMESTAMP(6) GENERATED ALWAYS AS ROW START INVISIBLE, \
             u TIMESTAMP(6) GENERATED ALWAYS AS ROW END INVISIBLE, PERIOD FOR SYSTEM_TIME (f, u)) WITH SYSTEM VERSIONING \
             PARTITION BY SYSTEM_TIME (PARTITION h HISTORY, PARTITION c CURRENT)",
        )
        .await;
    source
        .exec("CREATE TABLE vt.nokey (n INT, v VARCHAR(20), w INT WITHOUT SYSTEM VERSIONING) WITH SYSTEM VERSIONING")
        .await;
    let writes = "INSERT INTO vt.plain VALUES (1, 'a'), (2, 'b'), (3, 'c'); UPDATE vt.plain SET v = 'x' WHERE id < 3; \
        DELETE FROM vt.plain WHERE id = 2; INSERT INTO vt.named (id, v) VALUES (1, 'a'), (2, 'b'); \
        UPDATE vt.named SET v = 'y'; DELETE FROM vt.named WHERE id = 1; INSERT INTO vt.nokey VALUES (1, 'a', 1), (2, 'b', 2); \
        UPDATE vt.nokey SET v = 'z' WHERE n = 1; UPDATE vt.nokey SET w = 5; DELETE FROM vt.nokey WHERE n = 2;";
    source.exec(writes).await;
    source
        .exec("SET system_versioning_alter_history = KEEP; ALTER TABLE vt.plain ADD COLUMN extra INT DEFAULT 7")
        .await;
    source.exec("UPDATE vt.plain SET extra = id; INSERT INTO vt.plain VALUES (4, 'd', 4)").await;
    source.exec("DELETE HISTORY FROM vt.plain; ALTER TABLE vt.nokey DROP SYSTEM VERSIONING").await;
    source.exec("UPDATE vt.nokey SET v = 'plain now'; CREATE TABLE vt.last (id INT PRIMARY KEY)").await;
    until("the last table is there", Duration::from_secs(60), || async {
        running.goes_on();
        let there = target
            .text("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'vt' AND TABLE_NAME = 'last'");
        if there.await == "1" { Ok(()) } else { Err("not yet".into()) }
    })
    .await;
    for (table, columns) in [("plain", "id, v, extra"), ("named", "id, v"), ("nokey", "n, v, w")] {
        let rows = format!("SELECT GROUP_CONCAT(CONCAT_WS(':', {columns}) ORDER BY 1) FROM vt.{table}");
        assert_eq!(target.text(&rows).await, source.text(&rows).await, "{table}");
    }
    let history = "SELECT GROUP_CONCAT(CONCAT_WS(':', id, v) ORDER BY id, v) FROM vt.named FOR SYSTEM_TIME ALL";
    assert_eq!(target.text(history).await, source.text(history).await);
    let kinds = "SELECT GROUP_CONCAT(CONCAT_WS(' ', TABLE_NAME, TABLE_TYPE) ORDER BY 1) FROM information_schema.TABLES WHERE TABLE_SCHEMA = 'vt'";
    assert_eq!(target.text(kinds).await, source.text(kinds).await);
    running.stop().await.unwrap();
}
