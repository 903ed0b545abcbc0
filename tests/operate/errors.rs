//! The usual errors of a sync unit: what query-status says of each (errors.txt), and that the commands in it, pasted, resolve it.
//!
//! `UPDATE_GOLDEN=1` rewrites errors.txt.

use std::path::PathBuf;

use mysql_async::prelude::Queryable;
use serde_json::Value;

use super::{Rig, TASK};
use crate::support::servers::{self, Server};

const TABLES: &str = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20)); CREATE TABLE u (id INT PRIMARY KEY, n INT);";

/// The errors seen so far, as the golden file has them.
#[derive(Default)]
struct Seen(String);

impl Seen {
    /// Notes an error; numbers that differ between runs are masked.
    fn note(&mut self, name: &str, error: &Value) {
        let code = format!(
            "{} {} {} {}",
            error["ErrCode"],
            text(error, "ErrClass"),
            text(error, "ErrScope"),
            text(error, "ErrLevel")
        );
        let body = format!("{}\n{}\n{}", text(error, "Message"), text(error, "RawCause"), text(error, "Workaround"));
        // Whether the run met it at an event or at its next beginning is a matter of time.
        let body = body.find("database driver error").map_or(body.as_str(), |start| &body[start..]);
        self.0.push_str(&format!("# {name}\n{code}\n{}\n\n", masked(body)));
    }

    fn check(&self) {
        let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/operate/errors.txt");
        if std::env::var_os("UPDATE_GOLDEN").is_some() {
            std::fs::write(&file, &self.0).unwrap();
        }
        let wanted = std::fs::read_to_string(&file).unwrap();
        assert_eq!(self.0, wanted, "{} (UPDATE_GOLDEN=1 rewrites it)", file.display());
    }
}

fn text<'a>(error: &'a Value, key: &str) -> &'a str {
    error[key].as_str().unwrap_or_default()
}

/// Numbers of positions, ports and GTIDs are N, UUIDs are U.
fn masked(text: &str) -> String {
    let uuid = regex::Regex::new("[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f-]{22,}").unwrap();
    let number = regex::Regex::new(r"(mysql-bin\.\d{6}(?:, |:)|U:|127\.0\.0\.1:|-)\d+").unwrap();
    let text = uuid.replace_all(text, "U");
    let text = number.replace_all(&text, "${1}N");
    text.replace("mysql-bin.000001", "mysql-bin.F")
        .replace("mysql-bin.000002", "mysql-bin.F")
        .replace("mysql-bin.000003", "mysql-bin.F")
}

/// What stands between backquotes, double ones around text that has some itself.
fn commands(error: &Value) -> Vec<String> {
    let mut rest = text(error, "Workaround");
    let mut found = Vec::new();
    while let Some(start) = rest.find('`') {
        rest = &rest[start..];
        let mark = if rest.starts_with("``") { "``" } else { "`" };
        let Some(end) = rest[mark.len()..].find(mark) else { break };
        found.push(rest[mark.len()..mark.len() + end].to_owned());
        rest = &rest[2 * mark.len() + end..];
    }
    found
}

impl Rig {
    /// Runs the first command of the advice that begins so, word by word.
    fn follow(&self, error: &Value, beginning: &str) {
        let all = commands(error);
        let command = all.iter().find(|command| command.starts_with(beginning)).unwrap_or_else(|| panic!("{all:?}"));
        self.cluster.dmctl_ok(&command.split(' ').collect::<Vec<_>>());
    }
}

fn task() -> String {
    format!(
        "name: {TASK}\ntask-mode: incremental\ntarget-database: {{host: 127.0.0.1, port: {{target_port}}, user: writer, \
         password: \"123456\", session: {{sql_mode: STRICT_TRANS_TABLES}}}}\nmysql-instances:\n- {{source-id: src-1, \
         block-allow-list: b, route-rules: [r], syncer-config-name: s}}\nblock-allow-list:\n  b: {{do-dbs: [d]}}\nroutes:\n  \
         r: {{schema-pattern: d, target-schema: e}}\nsyncers:\n  s: {{checkpoint-flush-interval: 1}}\n"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn each_error_says_what_resolves_it() {
    let (source, target) = (servers::mysql(), servers::mariadb());
    source.exec(&format!("CREATE DATABASE d; USE d; {TABLES}")).await;
    target
        .exec(&format!(
            "CREATE DATABASE e; USE e; {TABLES} CREATE USER writer IDENTIFIED BY '123456'; GRANT ALL ON *.* TO writer"
        ))
        .await;
    let rig = Rig::of_task(source, target, true, "", &task()).await;
    let mut seen = Seen::default();
    of_rows(&rig, &mut seen).await;
    of_structures(&rig, &mut seen).await;
    of_statements(&rig, &mut seen).await;
    let rig = of_servers(rig, &mut seen).await;
    drop(rig);
    seen.check();
}

async fn of_rows(rig: &Rig, seen: &mut Seen) {
    rig.target.exec("INSERT INTO e.u VALUES (1, 1)").await;
    rig.source.exec("INSERT INTO d.u VALUES (1, 2); INSERT INTO d.t VALUES (1, 'a')").await;
    let error = rig.fails_with("Error 1062").await;
    seen.note("a row is there already", &error);
    rig.follow(&error, "binlog skip");
    rig.target_has("SELECT v FROM e.t", "a").await;

    rig.target.exec("ALTER TABLE e.t MODIFY v VARCHAR(3)").await;
    rig.source.exec("INSERT INTO d.t VALUES (2, 'four')").await;
    let error = rig.fails_with("Error 1406").await;
    seen.note("a value is too long for the target's column", &error);
    rig.target.exec("ALTER TABLE e.t MODIFY v VARCHAR(20)").await;
    rig.follow(&error, "resume-task");
    rig.target_has("SELECT COUNT(*) FROM e.t", "2").await;
}

async fn of_structures(rig: &Rig, seen: &mut Seen) {
    rig.target.exec("CREATE TABLE e.m (id INT PRIMARY KEY)").await;
    rig.source.exec("SET sql_log_bin = 0; CREATE TABLE d.m (id INT PRIMARY KEY, w DECIMAL(5,2) NOT NULL DEFAULT '1.50'); SET sql_log_bin = 1; INSERT INTO d.m VALUES (1, 2.5)").await;
    let error = rig.fails_with("`w`").await;
    seen.note("a column is missing on the target", &error);
    let all = commands(&error);
    let add = all.iter().find(|command| command.starts_with("ALTER TABLE")).unwrap_or_else(|| panic!("{all:?}"));
    rig.target.exec(add).await;
    rig.follow(&error, "resume-task");
    rig.target_has("SELECT w FROM e.m", "2.50").await;

    rig.source.exec("SET sql_log_bin = 0; CREATE TABLE d.x (id INT PRIMARY KEY); SET sql_log_bin = 1; INSERT INTO d.x VALUES (1)").await;
    let error = rig.fails_with("1146").await;
    seen.note("a table is missing on the target", &error);
    let all = commands(&error);
    let create = all.iter().find(|command| command.starts_with("CREATE TABLE")).unwrap_or_else(|| panic!("{all:?}"));
    rig.target.exec(create).await;
    rig.follow(&error, "resume-task");
    rig.target_has("SELECT COUNT(*) FROM e.x", "1").await;
}

async fn of_statements(rig: &Rig, seen: &mut Seen) {
    rig.source.exec("ALTER TABLE d.u ADD COLUMN p VECTOR(3); INSERT INTO d.t VALUES (3, 'c')").await;
    let error = rig.fails_with("VECTOR").await;
    seen.note("the target doesn't know a statement", &error);
    let all = commands(&error);
    assert!(all.iter().any(|command| command.starts_with("binlog replace op -s src-1 -b mysql-bin.")), "{all:?}");
    rig.follow(&error, "binlog skip");
    rig.target_has("SELECT COUNT(*) FROM e.t", "3").await;

    rig.source.exec("SET SESSION binlog_format = STATEMENT; UPDATE d.t SET v = 'secret' WHERE id = 3; SET SESSION binlog_format = ROW; INSERT INTO d.t VALUES (4, 'd')").await;
    let error = rig.fails_with("36014").await;
    assert!(!error.to_string().contains("secret"), "{error}");
    seen.note("rows come as a statement", &error);
    rig.follow(&error, "binlog skip");
    rig.target_has("SELECT COUNT(*) FROM e.t", "4").await;

    // What is tracked isn't what the source has.
    rig.cluster.dmctl_ok(&["pause-task", TASK]);
    rig.stage_is("Paused").await;
    let wrong = rig.cluster.file("t.sql", "CREATE TABLE t (id INT PRIMARY KEY, w VARCHAR(20))");
    rig.ok(&["binlog-schema", "update", TASK, "d", "t", &wrong]);
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.source.exec("ALTER TABLE d.t MODIFY v VARCHAR(30)").await;
    let error = rig.fails_with("44006").await;
    seen.note("a statement does not fit the tracked structure", &error);
    rig.follow(&error, "binlog-schema update");
    rig.follow(&error, "resume-task");
    rig.source.exec("INSERT INTO d.t VALUES (5, 'e')").await;
    rig.target_has("SELECT COUNT(*) FROM e.t", "5").await;
}

async fn of_servers(mut rig: Rig, seen: &mut Seen) -> Rig {
    rig.target.exec("ALTER USER writer IDENTIFIED BY 'other'").await;
    let mut root = rig.target.conn().await;
    let sessions: Vec<u64> =
        root.query("SELECT id FROM information_schema.processlist WHERE user = 'writer'").await.unwrap();
    for session in sessions {
        let _ = root.query_drop(format!("KILL {session}")).await;
    }
    rig.source.exec("INSERT INTO d.t VALUES (6, 'f')").await;
    let error = rig.fails_with("Error 1045").await;
    seen.note("the target refuses the password", &error);
    rig.target.exec("ALTER USER writer IDENTIFIED BY '123456'").await;
    rig.follow(&error, "resume-task");
    rig.target_has("SELECT COUNT(*) FROM e.t", "6").await;

    rig.target.kill();
    rig.source.exec("INSERT INTO d.t VALUES (7, 'g')").await;
    let error = rig.fails_with("refused").await;
    seen.note("the target is down", &error);
    rig.target.up();
    // By itself.
    rig.target_has("SELECT COUNT(*) FROM e.t", "7").await;

    rig.cluster.dmctl_ok(&["pause-task", TASK]);
    rig.stage_is("Paused").await;
    purge_all(&rig.source).await;
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    let error = rig.fails_with("Error 1236").await;
    seen.note("the source purged what the task has not read", &error);
    rig.follow(&error, "stop-task");
    rig
}

async fn purge_all(source: &Server) {
    source.exec("INSERT INTO d.t VALUES (8, 'h'); FLUSH BINARY LOGS").await;
    let file = source.binlog_end().await.0;
    source.purge_up_to(&file).await;
}
