//! What a running node shows on its port: profiles, its log and its level; and how dmctl finds a master.

use std::{
    io::{Read, Write},
    net::TcpStream,
    process::{Command, Stdio},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use dm::observe::profile::pb::{Profile, Sample};
use prost::Message;

use crate::support::{nodes::Cluster, wait::until};

/// The head and the body of what a node answers.
fn get(address: &str, path: &str) -> (String, Vec<u8>) {
    ask(address, "GET", path, "")
}

pub fn ask(address: &str, method: &str, path: &str, body: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    let length = body.len();
    write!(
        stream,
        "{method} {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: {length}\r\n\r\n{body}"
    )
    .unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    let at = reply.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let body = reply.split_off(at + 4);
    (String::from_utf8(reply).unwrap(), body)
}

fn profile_of_a_second(address: &str) -> Profile {
    profile_at(address, "/debug/pprof/profile?seconds=1")
}

fn profile_at(address: &str, path: &str) -> Profile {
    let (head, body) = get(address, path);
    assert!(head.starts_with("HTTP/1.1 200"), "{head}: {}", String::from_utf8_lossy(&body));
    assert!(head.contains(".pb.gz"), "{head}");
    let mut bytes = Vec::new();
    flate2::read::GzDecoder::new(&body[..]).read_to_end(&mut bytes).unwrap();
    Profile::decode(&bytes[..]).unwrap()
}

#[test]
fn a_node_that_works_shows_where_its_time_goes() {
    let cluster = Cluster::with_workers(1, 1);
    let master = cluster.master_addr.as_str();
    let done = AtomicBool::new(false);
    let profile = thread::scope(|scope| {
        scope.spawn(|| {
            while !done.load(Ordering::Acquire) {
                get(master, "/metrics");
            }
        });
        // A machine that is busy may give the node no time within a second.
        let end = Instant::now() + Duration::from_secs(60);
        let profile = loop {
            let profile = profile_of_a_second(master);
            if !profile.sample.is_empty() || Instant::now() > end {
                break profile;
            }
        };
        done.store(true, Ordering::Release);
        profile
    });
    let text = |number: i64| profile.string_table[usize::try_from(number).unwrap()].as_str();
    assert_eq!(text(0), "");
    let kinds: Vec<_> = profile.sample_type.iter().map(|kind| (text(kind.r#type), text(kind.unit))).collect();
    assert_eq!(kinds, [("samples", "count"), ("cpu", "nanoseconds")]);
    assert!(profile.sample.iter().map(|s| s.value[0]).sum::<i64>() > 0);
    assert!(profile.sample.iter().any(|s| s.location_id.len() > 3), "stacks are not walked");
    for id in profile.sample.iter().flat_map(|s| &s.location_id) {
        let line = &profile.location.iter().find(|l| l.id == *id).unwrap().line[0];
        let function = profile.function.iter().find(|f| f.id == line.function_id).unwrap();
        assert!(!text(function.name).is_empty());
    }
    assert!(profile.function.iter().any(|f| text(f.name) != "Unknown"), "{:?}", profile.string_table);
    let leaf = |sample: &Sample| {
        let line = &profile.location.iter().find(|l| l.id == sample.location_id[0]).unwrap().line[0];
        text(profile.function.iter().find(|f| f.id == line.function_id).unwrap().name).to_owned()
    };
    let walker =
        profile.sample.iter().filter(|s| !s.location_id.is_empty()).map(leaf).find(|name| name.contains("backtrace::"));
    assert_eq!(walker, None, "the profiler shows itself");
    // The node lives on.
    assert!(get(master, "/healthz").0.starts_with("HTTP/1.1 200"));
}

/// What each page says that it is, here on the ports of a master and of a worker.
const TYPES: [(&str, u16, &str); 14] = [
    ("/status", 200, "text/plain"),
    ("/metrics", 200, "text/plain; version=0.0.4; charset=utf-8"),
    ("/healthz", 200, "text/plain; charset=utf-8"),
    ("/readyz", 200, "text/plain; charset=utf-8"),
    ("/log-level", 200, "text/plain; charset=utf-8"),
    ("/debug/log", 200, "text/plain; charset=utf-8"),
    ("/debug/pprof", 200, "text/html; charset=utf-8"),
    ("/debug/pprof/", 200, "text/html; charset=utf-8"),
    ("/debug/pprof/profile?seconds=1", 200, "application/octet-stream"),
    ("/debug/pprof/profile?seconds=x", 400, "text/plain; charset=utf-8"),
    ("/debug/pprof/goroutine", 200, "text/plain; charset=utf-8"),
    ("/debug/pprof/cmdline", 200, "text/plain; charset=utf-8"),
    ("/debug/pprof/mutex", 501, "text/plain; charset=utf-8"),
    ("/nope", 404, "text/plain; charset=utf-8"),
];
const TYPES_OF_MASTER: [(&str, u16, &str); 8] = [
    ("/health", 200, "application/json"),
    ("/actors", 200, "application/json"),
    ("/apis/v1alpha1/members", 200, "application/json"),
    ("/apis/v1alpha1/nope", 404, "application/json"),
    ("/api/v1/docs", 200, "text/html; charset=utf-8"),
    ("/api/v1/dm.json", 200, "application/json"),
    ("/api/v1/sources", 200, "application/json"),
    ("/api/v1/nope", 400, "application/json"),
];

fn has_types(address: &str, pages: &[(&str, u16, &str)]) {
    for (path, status, kind) in pages {
        let (head, _) = get(address, path);
        assert!(head.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {head}");
        let told =
            head.lines().find_map(|line| line.to_ascii_lowercase().strip_prefix("content-type: ").map(str::to_owned));
        assert_eq!(told.as_deref(), Some(*kind), "{address}{path}");
    }
}

#[test]
fn every_page_says_what_it_is() {
    let mut cluster = Cluster::with_masters(1, 1);
    has_types(&cluster.master_addr.clone(), &TYPES);
    has_types(&cluster.master_addr.clone(), &TYPES_OF_MASTER);
    let worker = cluster.node("worker1").address().to_owned();
    has_types(&worker, &TYPES);
}

#[test]
fn the_other_pages_of_profiles() {
    let cluster = Cluster::with_workers(1, 1);
    let master = cluster.master_addr.as_str();
    let page = |path: &str| {
        let (head, body) = get(master, path);
        (head.split(' ').nth(1).unwrap().to_owned(), String::from_utf8_lossy(&body).into_owned())
    };
    let (status, text) = page("/debug/pprof/");
    assert!(status == "200" && text.contains("profile?seconds=30"), "{text}");
    let (status, text) = page("/debug/pprof/goroutine?debug=2");
    assert!(status == "200" && text.contains("dm-node") && text.contains(" tasks on "), "{text}");
    let (status, text) = page("/debug/pprof/cmdline");
    assert!(status == "200" && text.contains("\0--name\0"), "{text}");
    for wrong in ["0", "601", "x", "-1", ""] {
        let (status, text) = page(&format!("/debug/pprof/profile?seconds={wrong}"));
        assert!(status == "400" && text.contains("from 1 to 600"), "{wrong}: {status} {text}");
    }
    let (status, text) = page("/debug/pprof/mutex");
    assert!(status == "501" && text.contains("not of Go"), "{text}");
    if cfg!(not(feature = "jemalloc")) {
        let (status, text) = page("/debug/pprof/heap");
        assert!(status == "501" && text.contains("--no-default-features"), "{text}");
    }
}

#[cfg(feature = "jemalloc")]
#[test]
fn a_node_shows_who_holds_its_heap() {
    use crate::support::{nodes::Node, servers::free_port};
    let folder = tempfile::tempdir().unwrap();
    let address = format!("127.0.0.1:{}", free_port());
    // One allocation in 4 KiB is noted, so that there are some of a node that does nothing.
    let before = ["env", "_RJEM_MALLOC_CONF=lg_prof_sample:12"].map(String::from).to_vec();
    let args = ["standalone", "--data-dir", "data", "--master-addr", &address].map(String::from).to_vec();
    let mut node = Node::launched("node", folder.path(), &address, before, args);
    node.listens();
    let profile = profile_at(&address, "/debug/pprof/heap");
    let text = |number: i64| profile.string_table[usize::try_from(number).unwrap()].as_str();
    let kinds: Vec<_> = profile.sample_type.iter().map(|kind| (text(kind.r#type), text(kind.unit))).collect();
    assert_eq!(kinds, [("inuse_space", "bytes")]);
    let bytes: i64 = profile.sample.iter().map(|sample| sample.value[0]).sum();
    assert!((100 << 10..1 << 30).contains(&bytes), "{bytes} bytes in {} stacks", profile.sample.len());
    let location = |id: &u64| profile.location.iter().any(|known| known.id == *id);
    assert!(profile.sample.iter().all(|sample| sample.location_id.iter().all(location)));
    let named = profile.function.iter().filter(|function| text(function.name).contains("dm::")).count();
    assert!(named > 0, "none of {} functions has a name of ours", profile.function.len());
}

fn body(reply: (String, Vec<u8>)) -> String {
    String::from_utf8(reply.1).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_level_of_a_log_changes_while_a_node_runs_and_json_has_a_line_an_event() {
    let mut cluster = Cluster::with_workers(1, 10);
    cluster.add_worker_with("worker2", &["--log-format", "json"]);
    for name in ["master1", "worker1"] {
        let address = cluster.node(name).address().to_owned();
        assert_eq!(body(get(&address, "/healthz")), "ok\n");
        assert_eq!(body(get(&address, "/readyz")), "ok\n");
        assert_eq!(body(get(&address, "/log-level")), "info\n");
        assert_eq!(body(ask(&address, "PUT", "/log-level", "debug")), "ok\n");
        assert_eq!(body(get(&address, "/log-level")), "debug\n");
        let file = cluster.node(name).log_file();
        until("a line of the new level", Duration::from_secs(30), || async {
            // A connection that ends in rubbish is such a line.
            let mut stream = TcpStream::connect(&address).unwrap();
            stream.write_all(b"\x16\x03rubbish\r\n\r\n").unwrap();
            stream.read_to_end(&mut Vec::new()).ok();
            let log = std::fs::read_to_string(&file).unwrap();
            if log.contains("[DEBUG]") && log.contains("a connection ended") { Ok(()) } else { Err(log) }
        })
        .await;
        assert!(body(get(&address, "/debug/log")).contains("[DEBUG]"));
        assert_eq!(body(ask(&address, "PUT", "/log-level", "error")), "ok\n");
    }
    let log = cluster.node("worker2").log();
    assert!(log.lines().count() > 3, "{log}");
    for line in log.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(["level", "time", "caller", "message"].iter().all(|key| event[key].is_string()), "{line}");
    }
}

#[test]
fn dmctl_finds_a_master_by_the_environment_and_reads_commands_from_a_pipe() {
    let cluster = Cluster::with_workers(1, 10);
    let dmctl = |args: &[&str], masters: &str, input: &str| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dmctl"));
        command.args(args).env("DM_MASTER_ADDR", masters).current_dir(cluster.folder.path());
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        child.stdin.take().unwrap().write_all(input.as_bytes()).unwrap();
        let out = child.wait_with_output().unwrap();
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        (out.status.code(), text(out.stdout), text(out.stderr))
    };
    // The first of the list is nobody.
    let masters = format!("127.0.0.1:1,http://{}", cluster.master_addr);
    let (code, out, error) = dmctl(&["list-member", "--leader"], &masters, "");
    assert!(code == Some(0) && out.contains("\"name\": \"master1\""), "{code:?} {out} {error}");
    let (code, out, error) = dmctl(&[], &masters, "list-member --leader\nnonsense\n\nlist-member --worker\n");
    assert!(code == Some(0) && !out.contains('\u{bb}'), "{code:?} {out} {error}");
    let order =
        ["\"name\": \"master1\"", "fail to run: [nonsense]", "\"name\": \"worker1\""].map(|text| out.find(text));
    assert!(order.is_sorted() && order.iter().all(Option::is_some), "{order:?} {out}");
    let (code, _, error) = dmctl(&["list-member"], "127.0.0.1:1", "");
    assert!(code == Some(1) && error.contains("can't connect to 127.0.0.1:1"), "{code:?} {error}");
    let (code, _, error) = dmctl(&["list-member"], "", "");
    assert!(code == Some(1) && error.contains("master-addr"), "{code:?} {error}");
}
