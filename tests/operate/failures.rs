//! `binlog skip|replace|revert|inject|list` on real servers.

use super::{Rig, TASK};
use crate::support::servers;

pub(super) const TABLES: &str =
    "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20), n INT); CREATE TABLE u (id INT PRIMARY KEY, n INT);";

/// Puts the row (7, x'61ff62') into `d`.`w` (id INT, c VARCHAR(20) of utf8mb4) of a MariaDB, as its replication would: a format
/// description, a table map and a row. No other statement writes such bytes.
pub(crate) const ILL_FORMED: &str = "BINLOG '\
    APFTZQ8BAAAA9AAAAAAAAAAAAAQAMTAuNS4yLU1hcmlhREIAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA8VNlEzgNAAgAEg\
    AEBAQEEgAAAAAEGggAAAAICAgCAAAACgoKGRkAEjQACgAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA\
    AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAATBAABTtJyaA=='; \
    BINLOG 'APFTZRMBAAAALAAAAAAAAAAAAE0AAAAAAAEAAWQAAXcAAgMPAlAAAoVqA5M=\n\
    APFTZRcBAAAAKgAAAAAAAAAAAE0AAAAAAAEAAgMABwAAAANh/2Kwuwjn'";

/// Both flavors, by position and by GTID, with a route in the way.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn failed_statements_are_skipped_and_replaced() {
    let mysql = async {
        let rig = Rig::start(servers::mysql(), servers::mariadb(), true, TABLES).await;
        skip_and_replace(&rig).await;
    };
    let mariadb = async {
        let rig = Rig::start(servers::mariadb(), servers::mariadb(), false, TABLES).await;
        skip_and_replace(&rig).await;
    };
    tokio::join!(mysql, mariadb);
}

async fn skip_and_replace(rig: &Rig) {
    assert_eq!(rig.refused(&["binlog", "skip", TASK]), "source 'src-1' has no error");
    assert_eq!(rig.refused(&["binlog", "list", TASK]), "source 'src-1' has no error");
    // Rows of the target alone make unique keys fail there.
    rig.target.exec("INSERT INTO e.t VALUES (100, 'same', 1), (101, 'same', 1)").await;
    rig.source.exec("INSERT INTO d.t VALUES (1, 'a', 7)").await;
    rig.target_has("SELECT COUNT(*) FROM e.t", "3").await;
    rig.source.exec("ALTER TABLE d.t ADD UNIQUE KEY uv (v)").await;
    let error = rig.fails_with("Error 1062").await;
    let message = error["Message"].as_str().unwrap();
    assert!(message.starts_with("startLocation: [position: (mysql-bin.0"), "{message}");
    assert!(message.contains("], endLocation: [position: (mysql-bin.0"), "{message}");
    assert!(message.contains("origin SQL: [ALTER TABLE d.t ADD UNIQUE KEY uv (v)]"), "{message}");
    assert_eq!(rig.ok(&["binlog", "list", TASK]), "[]");

    // The error says what to do, word by word.
    let advice = error["Workaround"].as_str().unwrap();
    let command = advice.split('`').find(|part| part.starts_with("binlog skip")).unwrap();
    rig.ok(&command.split(' ').collect::<Vec<_>>());
    rig.stage_is("Running").await;
    rig.source.exec("INSERT INTO d.t VALUES (2, 'b', 7)").await;
    rig.target_has("SELECT COUNT(*) FROM e.t", "4").await;
    rig.target_has(
        "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = 'e' AND index_name = 'uv'",
        "0",
    )
    .await;

    // Two statements in the place of one, in the source's names; a wrong list first.
    rig.source
        .exec(
            "DELETE FROM d.t WHERE id = 2; ALTER TABLE d.t ADD COLUMN c INT NOT NULL DEFAULT 5, ADD UNIQUE KEY uc (c)",
        )
        .await;
    rig.fails_with("uc").await;
    let twice = "ALTER TABLE d.t ADD COLUMN c INT NOT NULL DEFAULT 5; ALTER TABLE d.t ADD UNIQUE KEY uc (c);";
    rig.ok(&["binlog", "replace", TASK, twice]);
    let error = rig.fails_with("suffix: 1").await;
    assert!(
        error["Message"].as_str().unwrap().contains("origin SQL: [ALTER TABLE d.t ADD UNIQUE KEY uc (c)]"),
        "{error}"
    );
    let list = rig.ok(&["binlog", "list", TASK]);
    assert!(list.starts_with(r#"[{"op":2,"task":"op","binlogPos":"(mysql-bin.0"#), "{list}");
    assert!(list.ends_with(r#","sqls":["ALTER TABLE d.t ADD COLUMN c INT NOT NULL DEFAULT 5;"," ALTER TABLE d.t ADD UNIQUE KEY uc (c);"]}]"#), "{list}");
    rig.ok(&[
        "binlog",
        "replace",
        TASK,
        "ALTER TABLE d.t ADD COLUMN c INT NOT NULL DEFAULT 5;",
        "ALTER TABLE d.t ADD KEY kc (c)",
    ]);
    rig.stage_is("Running").await;
    rig.source.exec("INSERT INTO d.t VALUES (3, 'c', 8, 9)").await;
    rig.target_has("SELECT COUNT(*) FROM e.t", "4").await;
    rig.target_has("SELECT GROUP_CONCAT(c ORDER BY id) FROM e.t", "5,9,5,5").await;
    rig.target_has("SELECT GROUP_CONCAT(index_name) FROM information_schema.statistics WHERE table_schema = 'e' AND column_name = 'c'", "kc")
        .await;
    assert_eq!(rig.refused(&["binlog", "list", TASK]), "source 'src-1' has no error");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn operators_wait_for_events_to_come() {
    let rig = Rig::start(servers::mariadb(), servers::mariadb(), true, TABLES).await;
    before_events_come(&rig).await;
}

pub(super) async fn before_events_come(rig: &Rig) {
    let at = rig.next_position().await;
    rig.ok(&["binlog", "skip", TASK, "-b", &at]);
    assert!(rig.ok(&["binlog", "list", TASK, "-b", &at]).contains(r#""op":1"#));
    rig.ok(&["binlog", "revert", TASK, "-b", &at]);
    assert!(rig.refused(&["binlog", "revert", TASK, "-b", &at]).contains("code=36065"));
    assert!(rig.refused(&["binlog", "revert", TASK, "-b", &at]).contains("operator not exist"));
    assert_eq!(rig.ok(&["binlog", "list", TASK, "-b", &at]), "[]");

    // Before a statement that is to come, twice without a name: a second run would show.
    rig.ok(&["binlog", "inject", TASK, "-b", &at, "ALTER TABLE d.t ADD KEY (v); ALTER TABLE d.t ADD KEY (n)"]);
    rig.source.exec("ALTER TABLE d.t ADD COLUMN c INT; INSERT INTO d.t VALUES (1, 'a', 2, 3)").await;
    rig.target_has("SELECT COUNT(*) FROM e.t", "1").await;
    rig.target_has("SELECT GROUP_CONCAT(c) FROM e.t", "3").await;
    rig.target_has(
        "SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = 'e' AND table_name = 't'",
        "3",
    )
    .await;

    // Row changes: only with their position, and all of their event.
    rig.target.exec("INSERT INTO e.u VALUES (5, 0)").await;
    rig.source.exec("INSERT INTO d.u VALUES (4, 1), (5, 1); INSERT INTO d.u VALUES (6, 1)").await;
    let error = rig.fails_with("Error 1062").await;
    assert!(!error.to_string().contains("'5'"), "a row's value is in the error: {error}");
    let why = rig.refused(&["binlog", "skip", TASK]);
    assert!(why.contains("only support to handle ddl error currently"), "{why}");
    let advice = error["Workaround"].as_str().unwrap();
    let command = advice.split('`').find(|part| part.starts_with("binlog skip")).unwrap();
    rig.ok(&command.split(' ').collect::<Vec<_>>());
    rig.target_has("SELECT GROUP_CONCAT(CONCAT(id, '=', n) ORDER BY id) FROM e.u WHERE id > 4", "5=0,6=1").await;
}

/// A statement before a failed event runs once, whatever becomes of the event afterwards; a task that the user paused
/// stays paused.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_ran_before_a_failed_event_is_not_repeated() {
    let rig = Rig::start(servers::mariadb(), servers::mariadb(), true, TABLES).await;
    rig.target.exec("INSERT INTO e.t VALUES (100, 'same', 1), (101, 'same', 1)").await;
    rig.source.exec("ALTER TABLE d.t ADD UNIQUE KEY uv (v)").await;
    rig.fails_with("Error 1062").await;
    rig.ok(&["binlog", "inject", TASK, "ALTER TABLE d.t ADD KEY (n)"]);
    let error = rig.fails_with("suffix: 1").await;
    assert!(error.to_string().contains("Error 1062"), "{error}");
    rig.ok(&["binlog", "skip", TASK]);
    rig.source.exec("INSERT INTO d.t VALUES (1, 'a', 2)").await;
    rig.target_has("SELECT COUNT(*) FROM e.t", "3").await;
    rig.target_has("SELECT COUNT(*) FROM information_schema.statistics WHERE table_schema = 'e' AND column_name = 'n' AND table_name = 't'", "1").await;

    rig.cluster.dmctl_ok(&["pause-task", TASK]);
    rig.stage_is("Paused").await;
    let at = rig.next_position().await;
    rig.ok(&["binlog", "replace", TASK, "-b", &at, "ALTER TABLE d.u ADD KEY kn (n)"]);
    rig.source.exec("ALTER TABLE d.u ADD UNIQUE KEY un (n); INSERT INTO d.u VALUES (1, 1)").await;
    rig.stage_is("Paused").await;
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.target_has("SELECT COUNT(*) FROM e.u", "1").await;
    rig.target_has("SELECT GROUP_CONCAT(index_name) FROM information_schema.statistics WHERE table_schema = 'e' AND table_name = 'u' AND column_name = 'n'", "kn").await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn wrong_arguments_are_named() {
    let rig = Rig::start(servers::mariadb(), servers::mariadb(), true, TABLES).await;
    let fails = |args: &[&str]| {
        let out = rig.cluster.dmctl_output(args);
        assert!(!out.status.success(), "{args:?}");
        String::from_utf8_lossy(&out.stderr).into_owned() + &String::from_utf8_lossy(&out.stdout)
    };
    let text = fails(&["binlog", "list", TASK, "--binlog-pos", "mysql-bin:should-be-digital"]);
    assert!(text.contains("Message: invalid --binlog-pos mysql-bin:should-be-digital in handle-error operation: the pos should be digital"), "{text}");
    assert!(fails(&["binlog", "replace", TASK, "alter table d.tb2 b int;"]).contains("invalid sql"));
    assert!(fails(&["binlog", "inject", TASK, "alter table tb2 add b int;"]).contains("code=36024"));
    assert!(fails(&["handle-error", TASK]).contains("Usage:"));
    assert_eq!(rig.refused(&["handle-error", TASK, "skip"]), "source 'src-1' has no error");
    let reply = rig.cluster.dmctl_json(&["binlog", "skip", "nope"]);
    assert_eq!(reply["msg"], "task nope has no source or not exist, please check the task name and status");
}

/// MariaDB takes any byte into an ASCII column, MySQL 9 takes it from no statement.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn bytes_that_are_no_text_are_refused_with_table_and_column() {
    let tables = "CREATE TABLE t (id INT PRIMARY KEY, plain VARCHAR(20) CHARACTER SET ascii, v VARCHAR(20));";
    let rig = Rig::start(servers::mariadb(), servers::mysql(), true, tables).await;
    // A column of another character set can't hold it.
    rig.target.exec("ALTER TABLE e.t MODIFY plain VARCHAR(20) CHARACTER SET utf8mb4").await;
    rig.source.exec("INSERT INTO d.t VALUES (1, _ascii x'61FE62', 'a')").await;
    let error = rig.fails_with("Error 1253").await;
    let advice = error["Workaround"].as_str().unwrap();
    assert!(advice.contains("(columns `plain` of `e`.`t`) holds bytes that are no ascii text"), "{advice}");
    assert!(error["Message"].as_str().unwrap().contains("startLocation: [position: (mysql-bin.0"), "{error}");
    assert!(!error.to_string().to_uppercase().contains("61FE62"), "a row's value is in the error: {error}");
    let command = advice.split('`').find(|part| part.starts_with("binlog skip")).unwrap();
    rig.ok(&command.split(' ').collect::<Vec<_>>());
    rig.source.exec("INSERT INTO d.t VALUES (2, 'b', 'b')").await;
    rig.target_has("SELECT GROUP_CONCAT(id) FROM e.t", "2").await;

    // Ill-formed UTF-8: a column of bytes on the target keeps it.
    let table = "CREATE TABLE {}.w (id INT PRIMARY KEY, c VARCHAR(20) CHARACTER SET utf8mb4)";
    rig.source.exec(&table.replace("{}", "d")).await;
    rig.target_has("SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'e' AND table_name = 'w'", "1")
        .await;
    rig.target.exec("ALTER TABLE e.w MODIFY c VARCHAR(20) CHARACTER SET latin1").await;
    rig.source.exec(ILL_FORMED).await;
    assert_eq!(rig.source.text("SELECT HEX(c) FROM d.w").await, "61FF62");
    let error = rig.fails_with("Error 1300").await;
    let advice = error["Workaround"].as_str().unwrap();
    assert!(advice.contains("(columns `c` of `e`.`w`) holds bytes that are no utf8mb4 text"), "{advice}");
    assert!(advice.contains("Make the column VARBINARY or a BLOB there"), "{advice}");
    assert!(!error.to_string().to_uppercase().contains("61FF62"), "a row's value is in the error: {error}");
    rig.target.exec("ALTER TABLE e.w MODIFY c VARBINARY(80)").await;
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.target_has("SELECT GROUP_CONCAT(CONCAT(id, '=', HEX(c))) FROM e.w", "7=61FF62").await;
    rig.source.exec("UPDATE d.w SET id = 8; INSERT INTO d.w VALUES (9, 'é')").await;
    rig.target_has("SELECT GROUP_CONCAT(CONCAT(id, '=', HEX(c))) FROM e.w", "8=61FF62,9=C3A9").await;
}
