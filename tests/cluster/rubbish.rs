//! Seeded rubbish on every port of a running cluster: nobody ends, nobody grows, commands are answered all the while.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::{Duration, Instant},
};

use rand::{Rng, RngCore, SeedableRng, rngs::StdRng};

use super::until_answered;
use crate::support::{nodes::Cluster, process::resident_memory, servers::free_port};

const HTTP: [&str; 6] = [
    "GET /api/v1/tasks HTTP/1.1\r\nHost: a\r\n\r\n",
    "POST /api/v1/sources HTTP/1.1\r\nHost: a\r\nContent-Type: application/json\r\nContent-Length: 57\r\n\r\n\
     {\"source\":{\"source_name\":\"s\",\"host\":\"h\",\"port\":1,\"a\":[]}}",
    "PUT /api/v1/cluster/info HTTP/1.1\r\nHost: a\r\nContent-Length: 29\r\n\r\n{\"master_topology_list\":[{}]}",
    "GET /metrics HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
    "POST /pb.Master/QueryStatus HTTP/1.1\r\nContent-Type: application/grpc\r\nContent-Length: 5\r\n\r\n\0\0\0\0\0",
    "GET /status HTTP/1.0\r\n\r\n",
];

/// The beginning of HTTP/2 with SETTINGS, and a HEADERS frame without sense.
const HTTP2: &[u8] =
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0\0\0\x05\x01\x05\0\0\0\x01\x82\x86\x84\x41\x8a";

/// A frame of the cluster port: its length, then what may be a message.
fn frame(rng: &mut StdRng) -> Vec<u8> {
    let mut body = vec![0; rng.random_range(0..200)];
    rng.fill_bytes(&mut body);
    for at in 0..body.len().min(6) {
        // Tags and lengths that protocol buffers would have.
        body[at] = [0x0a, 0x12, 0x08, 0x1a, 2, 40][rng.random_range(0..6)];
    }
    let length = match rng.random_range(0..4) {
        0 => rng.next_u64(),
        1 => u64::from(rng.next_u32() >> 8),
        _ => body.len() as u64,
    };
    [length.to_be_bytes().to_vec(), body].concat()
}

fn mutated(mut bytes: Vec<u8>, rng: &mut StdRng) -> Vec<u8> {
    for _ in 0..rng.random_range(0..6) {
        if bytes.is_empty() {
            break;
        }
        let at = rng.random_range(0..bytes.len());
        match rng.random_range(0..5) {
            0 => bytes[at] = rng.random(),
            1 => bytes[at] ^= 1 << rng.random_range(0..8),
            2 => bytes.truncate(at),
            3 => bytes.insert(at, rng.random()),
            _ => {
                let piece = bytes[at..].to_vec();
                bytes.extend(piece);
            }
        }
    }
    bytes
}

fn rubbish(rng: &mut StdRng) -> Vec<u8> {
    match rng.random_range(0..5) {
        0 => {
            let mut bytes = vec![0; rng.random_range(0..500)];
            rng.fill_bytes(&mut bytes);
            bytes
        }
        1 | 2 => mutated(HTTP[rng.random_range(0..HTTP.len())].as_bytes().to_vec(), rng),
        3 => mutated(HTTP2.to_vec(), rng),
        _ => (0..rng.random_range(1..4)).flat_map(|_| frame(rng)).collect(),
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-cluster"]
async fn rubbish_on_every_port_ends_nobody() {
    let number = |name: &str| std::env::var(name).ok().and_then(|n| n.parse::<u64>().ok());
    let (seconds, seed) = (number("DM_RUBBISH_SECONDS").unwrap_or(60), number("DM_CLUSTER_SEED").unwrap_or(7));
    let mut rng = StdRng::seed_from_u64(seed);
    let mut peer = 0;
    let mut cluster = Cluster::with_masters_behind(1, 1, |_, port| {
        peer = port;
        port
    });
    assert_ne!(peer, free_port());
    let worker = cluster.node("worker1").address().to_owned();
    let ports = [cluster.master_addr.clone(), worker, format!("127.0.0.1:{peer}")];
    let pids: Vec<u32> = cluster.nodes.iter().map(|n| n.pid()).collect();
    let (begun, mut sent, mut answered) = (Instant::now(), 0u64, 0u64);
    // The sizes after the first thousand are those to be kept.
    let mut sizes = Vec::new();
    while begun.elapsed() < Duration::from_secs(seconds) {
        let port = &ports[rng.random_range(0..ports.len())];
        let Ok(mut stream) = TcpStream::connect(port) else { continue };
        let _ = stream.set_read_timeout(Some(Duration::from_millis(2)));
        // It may be hung up on at any moment.
        let _ = stream.write_all(&rubbish(&mut rng));
        let mut answer = [0; 64];
        answered += u64::from(matches!(stream.read(&mut answer), Ok(n) if n > 0));
        sent += 1;
        if sent % 1000 == 0 {
            until_answered(&cluster);
            for node in &mut cluster.nodes {
                assert_eq!(node.ended(), None, "{} ended:\n{}", node.name, node.log());
                assert!(!node.log().contains("a part of the program panicked"), "{}", node.log());
            }
            let now: Vec<f64> = pids.iter().map(|pid| resident_memory(*pid)).collect();
            if sizes.is_empty() {
                sizes = now.clone();
            }
            for (now, before) in now.iter().zip(&sizes) {
                assert!(now - before < 150.0, "{before} MiB became {now}");
            }
        }
    }
    until_answered(&cluster);
    let now: Vec<f64> = pids.iter().map(|pid| resident_memory(*pid)).collect();
    eprintln!("{sent} connections with rubbish (seed {seed}), {answered} answered; MiB {sizes:.0?} became {now:.0?}");
    assert!(sent > 1000 || seconds < 20, "only {sent}");
}
