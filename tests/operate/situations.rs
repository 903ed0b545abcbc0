//! The replies of query-status in each situation of a task: every member in its place, equal to shapes.txt but for values.
//!
//! `UPDATE_GOLDEN=1` rewrites shapes.txt.

use std::path::PathBuf;

use super::{Rig, TASK};
use crate::support::servers;

const TABLES: &str = "CREATE TABLE t (id INT PRIMARY KEY, v VARCHAR(20));";

/// A reply with the kinds of its values instead of them. Stages, units, codes and switches stay.
fn shape(reply: &str) -> String {
    const SHOWN: [&str; 9] =
        ["stage", "unit", "taskName", "taskStatus", "name", "source", "ErrCode", "ErrClass", "ErrScope"];
    let line = |line: &str| {
        let Some((key, value)) = line.split_once("\": ") else {
            return if line.trim_start().starts_with('"') { "<text>".to_owned() } else { line.trim().to_owned() };
        };
        let (name, tail) = (key.trim().trim_start_matches('"'), if value.ends_with(',') { "," } else { "" });
        let shown = match value.trim_end_matches(',') {
            "null" | "true" | "false" | "{" | "[" | "[]" | "\"\"" => value.trim_end_matches(',').to_owned(),
            bare if SHOWN.contains(&name) => bare.to_owned(),
            text if text.starts_with('"') && text.trim_matches('"').bytes().all(|b| b.is_ascii_digit()) => {
                "<digits>".into()
            }
            text if text.starts_with('"') => "<text>".to_owned(),
            _ => "<number>".to_owned(),
        };
        format!("{name}: {shown}{tail}")
    };
    let mut out: Vec<String> = Vec::new();
    for text in reply.lines() {
        let indent = text.len() - text.trim_start().len();
        out.push(format!("{}{}", " ".repeat(indent / 2), line(text)));
    }
    out.join("\n")
}

impl Rig {
    fn shapes(&self, situation: &str, all: &mut String) {
        for args in [&["query-status", TASK][..], &["query-status"]] {
            let shown = shape(&self.cluster.dmctl(args));
            all.push_str(&format!("# {situation}: {}\n{shown}\n\n", args.join(" ")));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_member_is_there_in_every_situation() {
    let rig = Rig::start(servers::mysql(), servers::mariadb(), true, TABLES).await;
    let mut all = String::new();
    rig.source.exec("INSERT INTO d.t VALUES (1, 'a')").await;
    rig.rows_are_equal().await;
    rig.target_has("SELECT COUNT(*) FROM dm_meta.op_syncer_checkpoint WHERE cp_table = 't'", "1").await;
    rig.status_where("synced", |status| status["synced"] == true).await;
    rig.shapes("running, with nothing to do", &mut all);
    let more = rig.cluster.dmctl(&["query-status", TASK, "--more"]);
    let members: Vec<&str> = ["more", "lanes", "behindBytes", "stalledSeconds", "time", "topTables", "queues"].to_vec();
    assert!(members.iter().all(|member| more.contains(&format!("\"{member}\": "))), "{more}");
    rig.cluster.dmctl_ok(&["pause-task", TASK]);
    rig.stage_is("Paused").await;
    rig.shapes("paused by the user", &mut all);
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.stage_is("Running").await;
    rig.target.exec("INSERT INTO e.t VALUES (2, 'x')").await;
    rig.source.exec("INSERT INTO d.t VALUES (2, 'b')").await;
    rig.fails_with("Error 1062").await;
    rig.shapes("paused by an error in rows", &mut all);
    rig.target.exec("DELETE FROM e.t WHERE id = 2; ALTER TABLE e.t ADD KEY k (v)").await;
    rig.cluster.dmctl_ok(&["resume-task", TASK]);
    rig.rows_are_equal().await;
    rig.source.exec("ALTER TABLE d.t ADD COLUMN w VECTOR(3)").await;
    rig.fails_with("VECTOR").await;
    rig.shapes("paused by an error in a statement", &mut all);
    rig.cluster.dmctl_ok(&["stop-task", TASK]);
    rig.shapes("stopped", &mut all);
    let full = format!(
        "name: {TASK}\ntask-mode: full\ntarget-database: {{host: 127.0.0.1, port: {{target_port}}, user: root, password: \
         \"123456\"}}\nmysql-instances:\n- {{source-id: src-1, block-allow-list: b}}\nblock-allow-list:\n  b: {{do-dbs: [nothing]}}\n"
    );
    rig.source.exec("CREATE DATABASE nothing; CREATE TABLE nothing.t (id INT PRIMARY KEY)").await;
    rig.start_with(&full, &["--remove-meta"]);
    crate::support::wait::until("the task is finished", std::time::Duration::from_secs(60), || async {
        let (stage, _, reply) = rig.cluster.subtask(TASK, "src-1");
        if stage == "Finished" { Ok(()) } else { Err(format!("{reply:#}")) }
    })
    .await;
    rig.shapes("finished", &mut all);

    let file = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/operate/shapes.txt");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        std::fs::write(&file, &all).unwrap();
    }
    assert_eq!(all, std::fs::read_to_string(&file).unwrap(), "{} (UPDATE_GOLDEN=1 rewrites it)", file.display());
}
