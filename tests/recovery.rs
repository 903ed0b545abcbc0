//! What the supervisor mends by itself, and what must never show: passwords.

use std::{fs, path::Path, time::Duration};

use crate::support::{
    compare,
    nodes::Cluster,
    servers::{self, Server},
    wait::until,
};

const PASSWORD: &str = "Pa55-of-the-test\\'\"x";

fn task_yaml(target: &Server, user: &str, password: &str) -> String {
    let password = serde_json::to_string(password).unwrap();
    format!(
        "name: mend\ntask-mode: all\ntarget-database: {{host: 127.0.0.1, port: {}, user: {user}, password: {password}}}\n\
         mysql-instances:\n- {{source-id: src-1, block-allow-list: b, syncer-config-name: s}}\n\
         block-allow-list:\n  b: {{do-dbs: [mend]}}\nsyncers:\n  s: {{checkpoint-flush-interval: 1}}\n",
        target.port
    )
}

async fn stage_is(cluster: &Cluster, wanted: &str) {
    until(&format!("the subtask is {wanted}"), Duration::from_secs(90), || async {
        let (stage, unit, reply) = cluster.subtask("mend", "src-1");
        if stage == wanted && unit == "Sync" { Ok(()) } else { Err(format!("{reply:#}\n{}", cluster.logs_tail())) }
    })
    .await;
}

async fn equal(cluster: &Cluster, source: &Server, target: &Server) {
    until("both sides hold the same rows", Duration::from_secs(60), || async {
        let (mut a, mut b) = (source.conn().await, target.conn().await);
        let found = compare::schema_differences(&mut a, "mend", &mut b, "mend").await;
        if found.is_empty() { Ok(()) } else { Err(format!("{found:?}\n{}", cluster.logs_tail())) }
    })
    .await;
}

/// The source is down long enough that the unit gives up: the subtask is Paused with the error, and the supervisor
/// resumes it when the source is back, without a command.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_whose_source_was_down_resumes_by_itself() {
    let (mut source, target) = (servers::mariadb(), servers::mariadb());
    source.exec("CREATE DATABASE mend; CREATE TABLE mend.t (id INT PRIMARY KEY); INSERT INTO mend.t VALUES (1)").await;
    let cluster = Cluster::standalone();
    cluster.create_source("src-1", &source, true);
    let task = cluster.file("task.yaml", &task_yaml(&target, servers::USER, servers::PASSWORD));
    cluster.dmctl_ok(&["start-task", &task]);
    stage_is(&cluster, "Running").await;
    source.kill();
    stage_is(&cluster, "Paused").await;
    let (_, _, reply) = cluster.subtask("mend", "src-1");
    let error = &reply["sources"][0]["subTaskStatus"][0]["result"]["errors"][0];
    assert_eq!(error["ErrScope"], "upstream", "{reply:#}");
    source.up();
    stage_is(&cluster, "Running").await;
    source.exec("INSERT INTO mend.t VALUES (2)").await;
    equal(&cluster, &source, &target).await;
}

/// Two tasks read one source side by side: neither takes the other's connection for good.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_tasks_of_one_source_do_not_disturb_each_other() {
    for source in [servers::mariadb(), servers::mysql()] {
        let target = servers::mariadb();
        for schema in ["mend", "other"] {
            source.exec(&format!("CREATE DATABASE {schema}; CREATE TABLE {schema}.t (id INT PRIMARY KEY)")).await;
        }
        let cluster = Cluster::standalone();
        cluster.create_source("src-1", &source, true);
        let yaml = task_yaml(&target, servers::USER, servers::PASSWORD);
        for (name, schema) in [("mend", "mend"), ("second", "other")] {
            let yaml = yaml.replace("name: mend", &format!("name: {name}")).replace("[mend]", &format!("[{schema}]"));
            let task = cluster.file("task.yaml", &yaml);
            cluster.dmctl_ok(&["start-task", &task]);
        }
        for id in 1..=10 {
            source.exec(&format!("INSERT INTO mend.t VALUES ({id}); INSERT INTO other.t VALUES ({id})")).await;
            until("both tasks bring the row", Duration::from_secs(60), || async {
                let sql = "SELECT (SELECT COUNT(*) FROM mend.t) * 100 + (SELECT COUNT(*) FROM other.t)";
                let exist = "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema IN ('mend', 'other')";
                if target.text(exist).await != "2" {
                    return Err("no tables yet".into());
                }
                let n = target.text(sql).await;
                if n == (id * 101).to_string() { Ok(()) } else { Err(format!("{n}\n{}", cluster.logs_tail())) }
            })
            .await;
        }
        for task in ["mend", "second"] {
            let (stage, _, reply) = cluster.subtask(task, "src-1");
            assert_eq!(stage, "Running", "{reply:#}");
        }
    }
}

/// A password with odd characters works, and stands in no log, no reply, no file but the cluster's own store,
/// and no process list.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_is_used_and_never_shown() {
    let (source, target) = (servers::mariadb(), servers::mariadb());
    let quoted = PASSWORD.replace('\\', "\\\\").replace('\'', "''");
    let user = format!("CREATE USER mover@'%' IDENTIFIED BY '{quoted}'; GRANT ALL ON *.* TO mover@'%'");
    source.exec(&user).await;
    target.exec(&user).await;
    source.exec("CREATE DATABASE mend; CREATE TABLE mend.t (id INT PRIMARY KEY); INSERT INTO mend.t VALUES (1)").await;
    let mut cluster = Cluster::with_workers(1, 60);
    let yaml = format!(
        "source-id: src-1\nfrom: {{host: 127.0.0.1, port: {}, user: mover, password: {}}}\n",
        source.port,
        serde_json::to_string(PASSWORD).unwrap()
    );
    let path = cluster.file("source.yaml", &yaml);
    cluster.dmctl_ok(&["operate-source", "create", &path]);
    let task = cluster.file("task.yaml", &task_yaml(&target, "mover", PASSWORD));
    cluster.dmctl_ok(&["start-task", &task]);
    stage_is(&cluster, "Running").await;
    equal(&cluster, &source, &target).await;
    let wrong = cluster.file("wrong.yaml", &yaml.replace("src-1", "src-2").replace("Pa55", "Pa55-wrong"));
    let mut shown = cluster.dmctl(&["operate-source", "create", &wrong]);
    for args in [["get-config", "source", "src-1"], ["get-config", "task", "mend"], ["query-status", "--more", "mend"]]
    {
        shown.push_str(&cluster.dmctl(&args));
    }
    let pids: Vec<u32> = cluster.nodes.iter().map(|n| n.pid()).collect();
    for pid in pids {
        shown.push_str(&fs::read_to_string(format!("/proc/{pid}/cmdline")).unwrap());
    }
    cluster.node("worker1").stop();
    shown.push_str(&every_text(cluster.folder.path()));
    assert!(shown.contains("******") && shown.contains("Access denied"), "{shown}");
    assert!(!shown.contains("Pa55"), "{}", shown.lines().filter(|l| l.contains("Pa55")).collect::<Vec<_>>().join("\n"));
}

/// The text of all files below a folder, but for the user's own YAML and the cluster's store.
fn every_text(folder: &Path) -> String {
    let mut all = String::new();
    for path in fs::read_dir(folder).unwrap().map(|e| e.unwrap().path()) {
        if path.is_dir() {
            all.push_str(&every_text(&path));
        } else if path.extension().is_none_or(|e| e != "yaml" && e != "redb") {
            all.push_str(&String::from_utf8_lossy(&fs::read(&path).unwrap()));
        }
    }
    all
}

/// The reply on stdout is DM's; the file that the leader can't know by name is on stderr.
#[test]
fn a_wrong_value_in_a_task_names_code_key_line_and_file() {
    let cluster = Cluster::standalone();
    let yaml = "name: wrong\ntask-mode: sideways\ntarget-database: {host: h, port: 1, user: u}\nmysql-instances:\n- {source-id: s}\n";
    let path = cluster.file("wrong.yaml", yaml);
    for command in ["start-task", "check-task"] {
        let out = cluster.dmctl_output(&[command, &path]);
        let (stdout, stderr) = (String::from_utf8_lossy(&out.stdout), String::from_utf8_lossy(&out.stderr));
        for part in ["code=20020", "task-mode", "incremental", "line 2"] {
            assert!(stdout.contains(part), "{command}: no {part} in {stdout}");
        }
        assert!(stderr.contains(&path), "{command}: {stderr}");
    }
}
