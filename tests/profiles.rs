//! Profiles of a running node, as `go tool pprof` asks for them.

use std::{
    io::{Read, Write},
    net::TcpStream,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use dm::observe::profile::pb::{Profile, Sample};
use prost::Message;

use crate::support::nodes::Cluster;

/// The head and the body of what a node answers.
fn get(address: &str, path: &str) -> (String, Vec<u8>) {
    let mut stream = TcpStream::connect(address).unwrap();
    write!(stream, "GET {path} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").unwrap();
    let mut reply = Vec::new();
    stream.read_to_end(&mut reply).unwrap();
    let at = reply.windows(4).position(|w| w == b"\r\n\r\n").unwrap();
    let body = reply.split_off(at + 4);
    (String::from_utf8(reply).unwrap(), body)
}

fn profile_of_a_second(address: &str) -> Profile {
    let (head, body) = get(address, "/debug/pprof/profile?seconds=1");
    assert!(head.starts_with("HTTP/1.1 200"), "{head}: {}", String::from_utf8_lossy(&body));
    assert!(head.contains("profile.pb.gz"), "{head}");
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
    let (status, text) = page("/debug/pprof/heap");
    match cfg!(feature = "jemalloc") {
        true => assert_eq!(status, "200"),
        false => assert!(status == "501" && text.contains("--features jemalloc"), "{text}"),
    }
}
