//! A master that was away for longer than the log is kept: it gets the state as a snapshot.

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Duration,
};

use super::{leader, members, until_answered};
use crate::support::{nodes::Cluster, wait::until};

/// More entries than are kept (a snapshot every 1,000, 100 behind it).
const CHANGES: u32 = 1300;
/// Side by side, so that they share the log's syncs.
const WRITERS: u32 = 4;
/// What the last of them wrote.
const LAST: u32 = 999_999;

fn topology(number: u32) -> String {
    format!("{{\"master_topology_list\":[{{\"name\":\"n{number}\",\"host\":\"h\",\"port\":1}}]}}")
}

/// One request over a connection that stays; the body of the answer.
fn ask(stream: &mut BufReader<TcpStream>, method: &str, body: &str) -> String {
    let head = format!("{method} /api/v1/cluster/info HTTP/1.1\r\nHost: h\r\nContent-Type: application/json");
    write!(stream.get_mut(), "{head}\r\nContent-Length: {}\r\n\r\n{body}", body.len()).unwrap();
    let (mut line, mut length, mut status) = (String::new(), 0, String::new());
    loop {
        line.clear();
        stream.read_line(&mut line).unwrap();
        if let Some(value) = line.to_ascii_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().unwrap();
        } else if status.is_empty() {
            status = line.clone();
        } else if line.trim().is_empty() {
            break;
        }
    }
    let mut answer = vec![0; length];
    stream.read_exact(&mut answer).unwrap();
    let answer = String::from_utf8(answer).unwrap();
    assert!(status.contains(" 200 "), "{status}{answer}");
    answer
}

fn connect(address: &str) -> BufReader<TcpStream> {
    let stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
    BufReader::new(stream)
}

/// More entries than are kept, by the master at this address.
pub fn fill_log(address: &str) {
    let write = |first: u32, count: u32| {
        let mut api = connect(address);
        for number in first..first + count {
            ask(&mut api, "PUT", &topology(number));
        }
    };
    std::thread::scope(|scope| {
        for writer in 0..WRITERS {
            let write = &write;
            scope.spawn(move || write(writer * CHANGES / WRITERS, CHANGES / WRITERS));
        }
    });
}

async fn all_alive(cluster: &Cluster, count: usize) {
    until("masters are alive", Duration::from_secs(60), || async {
        let text = members(cluster).unwrap_or_default().to_string();
        if text.matches("\"alive\":true").count() == count {
            Ok(())
        } else {
            Err(format!("{text}\n{}", cluster.logs_tail()))
        }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-cluster"]
async fn a_master_that_was_away_for_long_gets_a_snapshot_and_can_lead() {
    let mut cluster = Cluster::with_masters(3, 0);
    all_alive(&cluster, 3).await;
    let leads = leader(&cluster);
    let names: Vec<String> = cluster.nodes.iter().map(|n| n.name.clone()).filter(|n| *n != leads).collect();
    let (away, stays) = (names[0].clone(), names[1].clone());
    cluster.node(&away).kill();
    let address = cluster.node(&leads).address().to_owned();
    fill_log(&address);
    ask(&mut connect(&address), "PUT", &topology(LAST));

    // Of the two that are there one lacks what was confirmed and the other is evicted, which it is until nobody has led for long.
    let at = cluster.node(&stays).address().to_owned();
    cluster.dmctl_at(&at, &["operate-leader", "evict"]);
    cluster.node(&leads).kill();
    cluster.node(&away).up_later();
    until("the evicted one leads", Duration::from_secs(90), || async {
        if leader(&cluster) == stays { Ok(()) } else { Err(cluster.logs_tail()) }
    })
    .await;
    assert!(cluster.node(&stays).log().contains("this master's eviction is over"));

    // With the third not standing the one that was away leads: with everything that was confirmed meanwhile.
    until("the one that was away leads", Duration::from_secs(90), || async {
        let out = cluster.dmctl_at(&at, &["operate-leader", "evict"]);
        if leader(&cluster) == away { Ok(()) } else { Err(format!("{out:?}\n{}", cluster.logs_tail())) }
    })
    .await;
    until_answered(&cluster);
    let address = cluster.node(&away).address().to_owned();
    let found = ask(&mut connect(&address), "GET", "");
    assert!(found.contains(&format!("\"n{LAST}\"")), "{found}");
    assert!(cluster.node(&away).log().to_lowercase().contains("snapshot"), "its log names no snapshot");
}
