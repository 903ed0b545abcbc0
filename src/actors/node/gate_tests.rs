use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;

const FEW: GateLimits =
    GateLimits { connections: 4, strangers: 3, strangers_of_one: 2, stranger_bytes: 100, frames: 1000.0, burst: 10.0 };

fn from(host: u8, port: u16) -> SocketAddr {
    ([127, 0, 0, host], port).into()
}

#[test]
fn strangers_are_few_and_nodes_are_not_counted_among_them() {
    let gate = Gate::new(FEW);
    let first = gate.enter(from(1, 1)).unwrap();
    let _second = gate.enter(from(1, 2)).unwrap();
    assert!(gate.enter(from(1, 3)).is_none(), "two of one address");
    let _third = gate.enter(from(2, 1)).unwrap();
    assert!(gate.enter(from(3, 1)).is_none(), "three strangers");
    gate.knows(&from(1, 1).to_string());
    gate.knows("nobody");
    let fourth = gate.enter(from(1, 3)).unwrap();
    gate.knows(&from(1, 2).to_string());
    assert!(gate.enter(from(3, 1)).is_none(), "four connections");
    drop((first, fourth));
    assert!(gate.enter(from(3, 1)).is_some());
    assert_eq!(gate.doors().len(), 2);
}

#[tokio::test]
async fn little_is_read_of_a_stranger_and_all_of_a_node() {
    let gate = Gate::new(FEW);
    let door = gate.enter(from(1, 1)).unwrap();
    let (near, mut far) = tokio::io::duplex(1000);
    let mut near = Guarded::new(near, door);
    far.write_all(&[0; 300]).await.unwrap();
    let mut read = vec![0; 300];
    near.read_exact(&mut read[..100]).await.unwrap();
    let more = tokio::time::timeout(Duration::from_millis(50), near.read(&mut read[100..])).await;
    assert!(more.is_err(), "{more:?}");
    let rest = tokio::spawn(async move {
        let mut read = vec![0; 200];
        near.read_exact(&mut read).await.map(|_| near)
    });
    tokio::task::yield_now().await;
    gate.knows(&from(1, 1).to_string());
    tokio::time::timeout(Duration::from_secs(10), rest).await.unwrap().unwrap().unwrap();
}

#[tokio::test]
async fn frames_beyond_the_rate_are_read_later() {
    let gate = Gate::new(FEW);
    let door = gate.enter(from(1, 1)).unwrap();
    gate.knows(&from(1, 1).to_string());
    let (near, mut far) = tokio::io::duplex(64);
    let mut near = Guarded::new(near, door);
    let frame = [&3u64.to_be_bytes()[..], b"abc"].concat();
    let sent = frame.repeat(110);
    let all = sent.len();
    let writer = tokio::spawn(async move { far.write_all(&sent).await.map(|()| far) });
    let begin = std::time::Instant::now();
    near.read_exact(&mut vec![0; all]).await.unwrap();
    // 110 frames, 10 at once, the others at 1,000 a second; the last pause comes after them.
    assert!(begin.elapsed() > Duration::from_millis(80), "{:?}", begin.elapsed());
    writer.await.unwrap().unwrap();
}

#[test]
fn frames_are_counted_however_they_are_cut() {
    let frame = |length: usize| [&(length as u64).to_be_bytes()[..], &vec![7; length]].concat();
    let bytes = [frame(0), frame(1), frame(20), frame(0), frame(300)].concat();
    for piece in 1..bytes.len() {
        let mut frames = Frames::default();
        assert_eq!(bytes.chunks(piece).map(|chunk| frames.pass(chunk)).sum::<u32>(), 5, "pieces of {piece}");
        assert_eq!((frames.left, frames.have), (0, 0));
    }
    let mut frames = Frames::default();
    assert_eq!(frames.pass(&[0xff; 64]), 1);
    assert_eq!(frames.pass(&[0xff; 1 << 16]), 0);
}
