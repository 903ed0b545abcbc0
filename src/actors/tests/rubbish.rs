//! Malformed bytes on the cluster port end that connection and nothing else.

use std::{net::Ipv4Addr, time::Duration};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use super::bench::Bench;
use crate::pb::Stage;

/// Sends bytes and waits until the other side hangs up.
async fn send(port: u16, bytes: &[u8]) {
    let mut stream = TcpStream::connect((Ipv4Addr::LOCALHOST, port)).await.unwrap();
    // The other side may hang up before it has taken all.
    let _ = stream.write_all(bytes).await;
    let mut rest = Vec::new();
    let closed = tokio::time::timeout(Duration::from_secs(15), stream.read_to_end(&mut rest)).await;
    assert!(closed.is_ok(), "still open after {} bytes of rubbish", bytes.len());
}

fn framed(payload: &[u8]) -> Vec<u8> {
    [&(payload.len() as u64).to_be_bytes()[..], payload].concat()
}

#[tokio::test]
async fn rubbish_drops_its_connection_only() {
    let bench = Bench::new("rubbish").await;
    bench.start_task("t").await.unwrap();
    let noise: Vec<u8> = (0..100_000).map(|_| rand::random()).collect();
    send(bench.port, &noise).await;
    send(bench.port, b"GET / HTTP/1.1\r\n\r\n").await;
    send(bench.port, &[0xff; 8]).await;
    send(bench.port, &framed(b"hello")).await;
    send(bench.port, &framed(&noise[..1000])).await;
    for length in 1..40 {
        let payload: Vec<u8> = (0..length).map(|_| rand::random()).collect();
        // Rubbish that happens to be an empty message is answered by the limit on handshakes.
        send(bench.port, &[framed(&payload), vec![0xff; 8]].concat()).await;
    }
    // Unknown payloads for actors that other nodes reach.
    for group in ["scheduler", "inspector"] {
        refuse_unknown_payload(group).await;
    }
    bench.until_stage("t", Stage::Running).await;
    assert_eq!(bench.cluster.actors().await["missing"], serde_json::json!([]));
    bench.node.stop().await;
}

/// Asks an actor in words that it can't know; it must answer, and live.
async fn refuse_unknown_payload(group: &str) {
    use crate::actors::{group_scope, inspector::messages::InspectorOwn, post, scheduler::SchedulerOwn};
    let scope = group_scope("cookie of rubbish");
    let cell = ractor::pg::get_scoped_members(&scope, &group.to_owned()).remove(0);
    let limit = Duration::from_secs(5);
    let answer: Result<u32, _> = match group {
        "scheduler" => post::ask::<SchedulerOwn, _, _>(&cell, &250u32, limit).await,
        _ => post::ask::<InspectorOwn, _, _>(&cell, &250u32, limit).await,
    };
    assert!(answer.is_ok(), "{group}: {answer:?}");
}

#[tokio::test]
async fn a_silent_connection_is_dropped() {
    let bench = Bench::new("silent").await;
    tokio::join!(send(bench.port, b""), send(bench.port, &[0, 0, 0, 0]));
    bench.node.stop().await;
}

/// Who shows nothing takes the places of strangers only for a while, and never those of nodes.
#[tokio::test]
async fn strangers_from_one_address_are_few() {
    let bench = Bench::new("strangers").await;
    let mut silent = Vec::new();
    for _ in 0..64 {
        silent.push(TcpStream::connect((Ipv4Addr::LOCALHOST, bench.port)).await.unwrap());
    }
    // One more is closed at once, long before the others' time is up.
    let mut one_more = TcpStream::connect((Ipv4Addr::LOCALHOST, bench.port)).await.unwrap();
    let mut nothing = Vec::new();
    let ended = tokio::time::timeout(Duration::from_secs(5), one_more.read_to_end(&mut nothing)).await;
    assert!(matches!(ended, Ok(Ok(0) | Err(_))), "{ended:?}");
    let still_open = silent[0].try_read(&mut [0; 1]);
    assert_eq!(still_open.unwrap_err().kind(), std::io::ErrorKind::WouldBlock);
    // Nodes that are known are not disturbed.
    bench.start_task("t").await.unwrap();
    bench.until_stage("t", Stage::Running).await;
    drop(silent);
    bench.node.stop().await;
}
