//! How node programs start, end and refuse to start, and what dm-console shows of them.

use std::{
    fs,
    net::TcpListener,
    process::{Command, Output, Stdio},
    time::Duration,
};

use serde_json::Value;

use crate::support::{nodes::Cluster, servers::free_port, wait::until};

fn run(program: &str, args: &[&str]) -> Output {
    Command::new(program).args(args).stdin(Stdio::null()).output().unwrap()
}

fn node(args: &[&str]) -> (Option<i32>, String) {
    let out = run(env!("CARGO_BIN_EXE_dm-node"), args);
    (out.status.code(), String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr))
}

fn console(args: &[&str]) -> Output {
    run(env!("CARGO_BIN_EXE_dm-console"), args)
}

fn address() -> String {
    format!("127.0.0.1:{}", free_port())
}

#[test]
fn a_program_called_by_its_old_name_is_that_program() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["dm-master", "dm-worker"] {
        let link = folder.path().join(name);
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_dm-node"), &link).unwrap();
        let out = run(link.to_str().unwrap(), &["-V"]);
        assert_eq!(out.status.code(), Some(0));
        assert!(String::from_utf8_lossy(&out.stdout).starts_with("Release Version: v"), "{out:?}");
        let out = run(link.to_str().unwrap(), &["--wrong"]);
        assert_eq!(out.status.code(), Some(2));
        assert!(String::from_utf8_lossy(&out.stdout).starts_with("parse cmd flags err: "), "{out:?}");
    }
}

#[test]
fn a_master_that_cannot_start_says_why_and_exits_with_2() {
    let folder = tempfile::tempdir().unwrap();
    let data = folder.path().join("data").display().to_string();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = taken.local_addr().unwrap().to_string();
    let (free, peer) = (address(), format!("http://{}", address()));
    let start = |more: &[&str]| {
        let base = ["master", "--name", "m1", "--data-dir", &data, "--peer-urls", &peer];
        node(&[&base[..], more].concat())
    };
    for (more, said) in [
        (&["--master-addr", taken.as_str()][..], "38017"),
        (&["--master-addr", &free, "--initial-cluster", "m2=http://b:1"], "does not name this master m1"),
        (&["--master-addr", &free, "--join", "127.0.0.1:1"], "38040"),
        (&["--master-addr", &free, "--ssl-ca", "/dev/null"], "38051"),
    ] {
        let (code, text) = start(more);
        assert_eq!(code, Some(2), "{more:?}:\n{text}");
        assert!(text.contains(said) && text.contains("fail to start dm-master"), "{more:?}:\n{text}");
    }
    // The folder belongs to m1 from its first start on.
    let (code, text) = start(&["--name", "m2", "--master-addr", &free]);
    assert_eq!(code, Some(2));
    assert!(text.contains("belongs to master `m1`, not to `m2`"), "{text}");
    fs::write(folder.path().join("data/cluster.redb"), "rubbish").unwrap();
    let (code, text) = start(&["--master-addr", &free]);
    assert_eq!(code, Some(2));
    assert!(text.contains("38038") && text.contains("damaged"), "{text}");
}

#[test]
fn a_worker_without_a_master_gives_up_after_five_rounds() {
    let (worker, master) = (address(), address());
    let (code, text) = node(&["worker", "--name", "w1", "--worker-addr", &worker, "--join", &master]);
    assert_eq!(code, Some(2), "{text}");
    assert_eq!(text.matches("can't join the cluster").count(), 5, "{text}");
    assert!(text.contains("Welcome to dm-worker") && text.contains("join the cluster meet error"), "{text}");
    assert!(
        text.contains("[code=40077:class=dm-worker:scope=internal:level=high]") && text.contains(&master),
        "{text}"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_console_shows_the_whole_tree_and_nodes_end_well() {
    let mut cluster = Cluster::with_workers(2, 10);
    let master = cluster.master_addr.clone();
    until("both workers are shown", Duration::from_secs(30), || async {
        let out = console(&["--master-addr", &master, "--once"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let complete =
            ["worker1", "worker2", "member", "scheduler", "gateway", "└── "].iter().all(|w| text.contains(w));
        if complete && out.status.success() { Ok(()) } else { Err(format!("{text}\n{out:?}")) }
    })
    .await;
    let out = console(&["--master-addr", &master, "--json"]);
    let reply: Value = serde_json::from_slice(&out.stdout).unwrap();
    assert_eq!(reply["nodes"].as_array().unwrap().len(), 3, "{reply:#}");
    for name in ["worker1", "worker2", "master1"] {
        let log = cluster.node(name).log();
        assert!(log.contains("\"Welcome to dm-"), "{log}");
        assert_eq!(cluster.node(name).stop(), Some(0), "{}", cluster.logs_tail());
        let log = cluster.node(name).log();
        assert!(log.contains("[\"got signal to exit\"] [signal=terminated]"), "{log}");
        let program = if name == "master1" { "dm-master" } else { "dm-worker" };
        assert!(log.lines().last().unwrap().contains(&format!("[\"{program} exit\"]")), "{log}");
    }
    let out = console(&["--master-addr", &master, "--once"]);
    assert_eq!(out.status.code(), Some(1));
    assert!(String::from_utf8_lossy(&out.stderr).contains(&format!("can't connect to {master}")), "{out:?}");
}

#[test]
fn bash_completes_commands_flags_and_operations() {
    let script = r#"
        source <(dmctl completion bash)
        offered() {
            COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); COMPREPLY=()
            _dmctl
            printf '%s -> %s\n' "$*" "${COMPREPLY[*]}"
        }
        offered dmctl query-s
        offered dmctl operate-source cr
        offered dmctl config e
        offered dmctl start-task --rem
        offered dmctl operate-leader nothing
    "#;
    let folder = std::path::Path::new(env!("CARGO_BIN_EXE_dmctl")).parent().unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let out = Command::new("bash").args(["-c", script]).env("PATH", path).stdin(Stdio::null()).output().unwrap();
    let want = "dmctl query-s -> query-status\ndmctl operate-source cr -> create\ndmctl config e -> export\ndmctl start-task \
                --rem -> --remove-meta\ndmctl operate-leader nothing -> \n";
    assert_eq!(String::from_utf8(out.stdout).unwrap(), want, "{}", String::from_utf8_lossy(&out.stderr));
}
