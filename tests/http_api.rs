//! The HTTP API under requests that schemathesis makes out of its document: with a source and a running task, with
//! operations that remove them, and with nothing there. `make test-openapi`, whose script gives it a network of its own:
//! a request may name any host, and the node dials it.

use std::{io::ErrorKind, net::TcpStream, path::Path, process::Command, time::Duration};

use crate::{
    pages::ask,
    support::{
        nodes::Cluster,
        servers::{Server, mariadb},
        wait::until,
    },
};

/// What would take the task or its source away, or stop it.
const DESTRUCTIVE: &str =
    "^(delete(Source|Task)|disableSource|transferSource|updateSource|stopTask|updateTask|offline(Master|Worker))$";

const PASSWORD: &str = "0pen-m4rker+word";

/// Names in paths; without them schemathesis invents some.
const NAMES: &str = "[parameters]\n\"path.source-name\" = \"s1\"\n\"path.task-name\" = \"t1\"\n";

fn requests(cluster: &Cluster, round: &str, settings: &str, more: &[&str]) {
    let examples = std::env::var("DM_EXAMPLES").unwrap_or_else(|_| "25".to_owned());
    let program = std::env::var("DM_SCHEMATHESIS").expect("this test is run by scripts/openapi.sh");
    let config = cluster.file("schemathesis.toml", settings);
    let checks = "not_a_server_error,status_code_conformance,content_type_conformance,response_schema_conformance";
    let out = Command::new(program)
        .args(["--config-file", &config, "run", &format!("http://{}/api/v1/dm.json", cluster.master_addr)])
        .args(["--url", &format!("http://{}", cluster.master_addr), "--checks", checks, "--max-examples", &examples])
        .args([
            "--phases",
            "examples,coverage,fuzzing",
            "--seed",
            "7",
            "--continue-on-failure",
            "--request-timeout",
            "60",
        ])
        .args(["--warnings", "off"])
        .args(more)
        .current_dir(cluster.folder.path())
        .output()
        .unwrap();
    let text = String::from_utf8_lossy(&out.stdout);
    assert!(out.status.success(), "{round}: {text}{}\n{}", String::from_utf8_lossy(&out.stderr), cluster.logs_tail());
    let summary: Vec<&str> = text.lines().skip_while(|line| !line.contains(" SUMMARY ")).collect();
    assert!(!summary.is_empty(), "{text}");
    eprintln!("{round}:\n{}", summary.join("\n"));
    let (head, _) = ask(&cluster.master_addr, "GET", "/healthz", "");
    assert!(head.starts_with("HTTP/1.1 200"), "{round}: {head}");
    assert!(!cluster.nodes.iter().any(|node| node.log().contains("panicked")), "{round}: {}", cluster.logs_tail());
    assert!(!leaks(cluster.folder.path()), "{round}: a log has a password");
}

fn leaks(folder: &Path) -> bool {
    let logs = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    logs.filter(|path| path.extension().is_some_and(|kind| kind == "log"))
        .any(|path| std::fs::read_to_string(path).unwrap().contains(PASSWORD))
}

async fn row_arrives(source: &Server, target: &Server, row: u32) {
    source.exec(&format!("INSERT INTO ha.t VALUES ({row})")).await;
    until("the row is there", Duration::from_secs(60), || async {
        match target.answer(&format!("SELECT CONCAT('', COUNT(*)) FROM ha.t WHERE id = {row}")).await {
            Ok(count) if count == "1" => Ok(()),
            other => Err(format!("{other:?}")),
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-openapi"]
async fn no_request_is_answered_with_an_error_of_the_server_or_with_what_the_document_does_not_tell() {
    let outside = TcpStream::connect_timeout(&"192.0.2.1:9".parse().unwrap(), Duration::from_secs(5));
    let alone = outside.err().map(|error| error.kind()) == Some(ErrorKind::NetworkUnreachable);
    assert!(alone, "this test must have a network of its own: run scripts/openapi.sh");
    let (source, target) = (mariadb(), mariadb());
    source.exec("CREATE DATABASE ha; CREATE TABLE ha.t (id INT PRIMARY KEY); INSERT INTO ha.t VALUES (1)").await;
    let user = format!("CREATE USER 'dm'@'%' IDENTIFIED BY '{PASSWORD}'; GRANT ALL ON *.* TO 'dm'@'%'");
    source.exec(&user).await;
    target.exec(&user).await;
    let cluster = Cluster::standalone();
    let database =
        |server: &Server| format!("{{host: 127.0.0.1, port: {}, user: dm, password: {PASSWORD}}}", server.port);
    let file = cluster.file("s1.yaml", &format!("source-id: s1\nfrom: {}\n", database(&source)));
    cluster.dmctl_ok(&["operate-source", "create", &file]);
    let task = format!(
        "name: t1\ntask-mode: all\ntarget-database: {}\nmysql-instances: [{{source-id: s1, block-allow-list: b}}]\n\
         block-allow-list: {{b: {{do-dbs: [ha]}}}}\n",
        database(&target)
    );
    let task = cluster.file("t1.yaml", &task);
    cluster.dmctl_ok(&["start-task", &task]);
    row_arrives(&source, &target, 2).await;
    requests(&cluster, "beside a running task", NAMES, &["--exclude-operation-id-regex", DESTRUCTIVE]);
    // The requests have not disturbed it.
    row_arrives(&source, &target, 3).await;
    requests(&cluster, "what removes, too", NAMES, &[]);
    for (name, _) in [("t1", "task"), ("s1", "source")] {
        let path = if name == "t1" { "/api/v1/tasks/t1?force=true" } else { "/api/v1/sources/s1?force=true" };
        ask(&cluster.master_addr, "DELETE", path, "");
        assert!(ask(&cluster.master_addr, "GET", path, "").0.starts_with("HTTP/1.1 40"), "{name} is still there");
    }
    requests(&cluster, "with nothing there", "", &[]);
}
