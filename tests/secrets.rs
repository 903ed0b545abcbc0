//! Passwords end to end: encrypted, from a file, under a new key; and nowhere to be read. Everything that a cluster
//! writes, prints, logs or tells is searched for them.

use std::{
    fs,
    io::{Read, Write},
    path::Path,
    process::{Command, Stdio},
    time::Duration,
};

use crate::support::{
    nodes::{Cluster, HERE, Node},
    servers::{Server, free_port, mariadb},
    wait::until,
};

/// What must be nowhere.
const UPSTREAM: &str = "Up5tream-m4rker+word";
const DOWNSTREAM: &str = "D0wnstream-m4rker+word";
const WRONG: &str = "Wr0ng-m4rker+word";
const MARK: &[u8] = b"m4rker+word";

fn cluster(keys: &str) -> Cluster {
    let folder = tempfile::Builder::new().prefix("dm-cluster-").tempdir().unwrap();
    fs::write(folder.path().join("keys"), keys).unwrap();
    let master_addr = format!("127.0.0.1:{}", free_port());
    let worker_addr = format!("127.0.0.1:{}", free_port());
    let path = folder.path().join("keys").display().to_string();
    let args = ["standalone", "--data-dir", "data", "--master-addr", &master_addr, "--worker-addr", &worker_addr]
        .into_iter()
        .chain(["-secret-key-path", &path, "-L", "debug"]);
    let node = Node::start("node", folder.path(), &master_addr, args.map(String::from).collect());
    Cluster { master_addr, nodes: vec![node], folder, databases: HERE.into(), flags: Vec::new() }
}

/// `dmctl encrypt -`, so that the text is in no list of processes.
fn encrypted(cluster: &Cluster, text: &str) -> String {
    let mut dmctl = Command::new(env!("CARGO_BIN_EXE_dmctl"))
        .args(["--master-addr", &cluster.master_addr, "encrypt", "-"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    dmctl.stdin.take().unwrap().write_all(format!("{text}\n").as_bytes()).unwrap();
    let out = dmctl.wait_with_output().unwrap();
    assert!(out.status.success());
    String::from_utf8(out.stdout).unwrap().trim().to_owned()
}

async fn user(server: &Server, password: &str) {
    server
        .exec(&format!(
            "CREATE USER 'dm'@'%' IDENTIFIED BY '{password}'; GRANT ALL ON *.* TO 'dm'@'%'; FLUSH PRIVILEGES; SET GLOBAL general_log = 0"
        ))
        .await;
}

fn search(folder: &Path, found: &mut Vec<String>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            search(&path, found);
            continue;
        }
        let mut bytes = fs::read(&path).unwrap_or_default();
        if path.extension().is_some_and(|extension| extension == "gz") {
            let mut plain = Vec::new();
            flate2::read::GzDecoder::new(&bytes[..]).read_to_end(&mut plain).unwrap();
            bytes = plain;
        }
        if bytes.windows(MARK.len()).any(|window| window == MARK) {
            found.push(path.display().to_string());
        }
    }
}

async fn rows(target: &Server, cluster: &Cluster, wanted: &str) {
    until("the rows are there", Duration::from_secs(60), || async {
        match target.answer("SELECT CONCAT('', COUNT(*)) FROM sec.t").await {
            Ok(rows) if rows == wanted => Ok(()),
            other => Err(format!("{other:?}\n{}", cluster.logs_tail())),
        }
    })
    .await;
}

/// Under a new key the old ciphertext goes on working, and the export holds a new one.
async fn rotate(cluster: &mut Cluster, source: &Server, target: &Server, old: &str) {
    let new = "2e".repeat(32);
    fs::write(cluster.folder.path().join("keys"), format!("{new}\n{old}\n")).unwrap();
    cluster.nodes[0].stop();
    cluster.nodes[0].up();
    source.exec("INSERT INTO sec.t VALUES (3)").await;
    rows(target, cluster, "3").await;
    cluster.dmctl(&["config", "export", "-p", "rotated"]);
    let exported = fs::read_to_string(cluster.folder.path().join("rotated/sources/s1.yaml")).unwrap();
    let ciphertext = exported.lines().find_map(|line| line.trim().strip_prefix("password: ")).unwrap();
    let key = cluster.file("new-key", &new);
    let plain = cluster.dmctl(&["--decrypt", ciphertext.trim_matches('"'), "--secret-key-path", &key]);
    assert_eq!(plain.trim(), UPSTREAM);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn passwords_are_used_and_shown_nowhere() {
    let old = "1f".repeat(32);
    let (source, target) = (mariadb(), mariadb());
    user(&source, UPSTREAM).await;
    user(&target, DOWNSTREAM).await;
    source.exec("CREATE DATABASE sec; CREATE TABLE sec.t (id INT PRIMARY KEY); INSERT INTO sec.t VALUES (1)").await;
    let mut cluster = cluster(&old);
    let elsewhere = tempfile::tempdir().unwrap();
    let password = elsewhere.path().join("target-password").display().to_string();
    fs::write(&password, format!("{DOWNSTREAM}\n")).unwrap();

    let file = |password: &str| {
        let port = source.port;
        format!("source-id: s1\nfrom:\n  host: 127.0.0.1\n  port: {port}\n  user: dm\n  password: \"{password}\"\n")
    };
    let wrong = elsewhere.path().join("wrong.yaml").display().to_string();
    fs::write(&wrong, file(WRONG)).unwrap();
    let mut said = vec![cluster.dmctl(&["operate-source", "create", &wrong])];
    assert!(said[0].contains("[code=10001:") && said[0].contains("using password: YES"), "{}", said[0]);
    let path = cluster.file("s1.yaml", &file(&encrypted(&cluster, UPSTREAM)));
    cluster.dmctl_ok(&["operate-source", "create", &path]);
    let task = format!(
        "name: sec\ntask-mode: all\ntarget-database: {{host: 127.0.0.1, port: {}, user: dm, password: \"file:{password}\"}}\n\
         mysql-instances:\n- {{source-id: s1, block-allow-list: b}}\nblock-allow-list:\n  b: {{do-dbs: [sec]}}\n",
        target.port
    );
    let task = cluster.file("sec.yaml", &task);
    said.push(cluster.dmctl_ok(&["start-task", &task]));
    source.exec("INSERT INTO sec.t VALUES (2)").await;
    rows(&target, &cluster, "2").await;
    for args in [
        &["query-status", "--more", "sec"][..],
        &["config", "source", "s1"],
        &["config", "task", "sec"],
        &["config", "master", "standalone"],
        &["config", "export", "-p", "exported"],
        &["diag", "-f", "bundle.tar.gz"],
        &["check-task", &task],
    ] {
        said.push(cluster.dmctl(args));
    }
    let pid = cluster.nodes[0].pid();
    said.push(String::from_utf8_lossy(&fs::read(format!("/proc/{pid}/cmdline")).unwrap()).into_owned());

    rotate(&mut cluster, &source, &target, &old).await;

    let mut found = Vec::new();
    search(cluster.folder.path(), &mut found);
    assert!(found.is_empty(), "a password stands in {found:?}");
    let log = cluster.nodes[0].log();
    assert!(log.contains("[DEBUG]") || log.contains("[INFO]"), "{log}");
    for text in said {
        assert!(!text.contains("m4rker"), "{text}");
    }
}
