//! Masters that agree: founding, election, forwarding, joining, removal, empty disks.

use std::time::Duration;

use super::{leader, members, until_answered};
use crate::support::{
    nodes::Cluster,
    proxy::{Proxy, Weather},
    servers::free_port,
    wait::until,
};

fn alive(cluster: &Cluster) -> Vec<String> {
    let Some(reply) = members(cluster) else { return Vec::new() };
    let all = reply["members"].as_array().cloned().unwrap_or_default();
    let masters = all.iter().filter_map(|m| m["master"]["masters"].as_array()).flatten();
    let mut alive: Vec<String> =
        masters.filter(|m| m["alive"] == true).filter_map(|m| m["name"].as_str().map(str::to_owned)).collect();
    alive.sort();
    alive
}

/// Waits until the master at this address takes a command.
async fn answers(cluster: &Cluster, address: &str) {
    until("it answers", Duration::from_secs(60), || async {
        let out = cluster.dmctl_at(address, &["operate-source", "show"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        if out.status.success() && text.contains("\"result\": true") { Ok(()) } else { Err(format!("{out:?}")) }
    })
    .await;
}

async fn all_alive(cluster: &Cluster, names: &[&str]) {
    until("all masters are alive", Duration::from_secs(90), || async {
        let alive = alive(cluster);
        if alive == names { Ok(()) } else { Err(format!("{alive:?}\n{}", cluster.logs_tail())) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn any_master_answers_and_another_leads_when_the_leader_dies() {
    let mut cluster = Cluster::with_masters(3, 1);
    all_alive(&cluster, &["master1", "master2", "master3"]).await;
    let addresses: Vec<String> = cluster.master_addr.split(',').map(str::to_owned).collect();
    for address in &addresses {
        answers(&cluster, address).await;
    }

    let first = leader(&cluster);
    cluster.node(&first).kill();
    let gap = until_answered(&cluster);
    eprintln!("the leader was killed: a command succeeded after {gap:?}");
    // How long it takes on a machine with free cores is measured elsewhere (`measure`).
    assert!(gap < Duration::from_secs(30), "{gap:?}");
    let second = leader(&cluster);
    assert_ne!(first, second);

    // One of three is a minority: it refuses, in words, within its limit.
    let third = cluster.nodes.iter().find(|n| n.name.starts_with("master") && n.name != first && n.name != second);
    let (third, address) = third.map(|n| (n.name.clone(), n.address().to_owned())).unwrap();
    cluster.node(&second).kill();
    until("it refuses", Duration::from_secs(60), || async {
        // At first it may still believe in the one that was killed.
        let out = cluster.dmctl_at(&address, &["operate-source", "show"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned() + &String::from_utf8_lossy(&out.stderr);
        assert!(!out.status.success() && text.contains("code=38043"), "{text}");
        if text.contains("no master leads") { Ok(()) } else { Err(text) }
    })
    .await;

    // Both come back with their data.
    for name in [&first, &second] {
        cluster.node(name).up_later();
    }
    until_answered(&cluster);
    all_alive(&cluster, &["master1", "master2", "master3"]).await;
    assert!(!third.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn masters_are_added_and_removed_and_an_empty_disk_is_refused() {
    let mut cluster = Cluster::with_masters(3, 0);
    all_alive(&cluster, &["master1", "master2", "master3"]).await;

    // A follower's disk is replaced: it must not vote again as if nothing had been.
    let leads = leader(&cluster);
    let victim = ["master1", "master2", "master3"].into_iter().find(|name| *name != leads).unwrap();
    cluster.node(victim).kill();
    std::fs::remove_dir_all(cluster.folder.path().join(format!("{victim}.data"))).unwrap();
    cluster.node(victim).up_later();
    until("it is refused", Duration::from_secs(60), || {
        let (ended, log) = (cluster.node(victim).ended(), cluster.node(victim).log());
        async move { if ended == Some(2) { Ok(()) } else { Err(format!("{ended:?}\n{log}")) } }
    })
    .await;
    let log = cluster.node(victim).log();
    assert!(log.contains("knows this master") && log.contains("offline-member --master"), "{log}");

    // Forgotten, it joins with an empty disk under its old name.
    let out = cluster.dmctl(&["offline-member", "--master", "--name", victim]);
    assert!(out.contains("\"result\": true"), "{out}");
    let unknown = cluster.dmctl_led(&["offline-member", "--master", "--name", "nobody"]);
    assert!(format!("{unknown:?}").contains("code=38048") && !unknown.status.success(), "{unknown:?}");
    let address = format!("127.0.0.1:{}", free_port());
    let join = ["--join".to_owned(), cluster.master_addr.clone()];
    let again = cluster.master(victim, &address, free_port(), &join);
    cluster.nodes.retain(|n| n.name != victim);
    cluster.nodes.push(again);
    all_alive(&cluster, &["master1", "master2", "master3"]).await;

    let evicted = leader(&cluster);
    let at = cluster.node(&evicted).address().to_owned();
    let out = cluster.dmctl_at(&at, &["operate-leader", "evict"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("\"result\": true"), "{out:?}");
    assert_ne!(leader(&cluster), evicted);
    let out = cluster.dmctl_at(&at, &["operate-leader", "cancel-evict"]);
    assert!(String::from_utf8_lossy(&out.stdout).contains("\"result\": true"), "{out:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_that_is_cut_off_leads_no_more() {
    // master1 is dialled by both others: what is between cuts it off in both directions.
    let mut proxies = Vec::new();
    let cluster = Cluster::with_masters_behind(3, 0, |i, port| match i {
        1 => {
            proxies.push(Proxy::start(free_port(), port));
            proxies[0].port
        }
        _ => port,
    });
    all_alive(&cluster, &["master1", "master2", "master3"]).await;
    until("master1 leads", Duration::from_secs(60), || async {
        let leads = leader(&cluster);
        if leads == "master1" {
            return Ok(());
        }
        // On a busy machine it may have lost its lead by now; then the next one is asked.
        let at = cluster.nodes.iter().find(|n| n.name == leads).unwrap().address().to_owned();
        let out = cluster.dmctl_at(&at, &["operate-leader", "evict"]);
        Err(format!("{leads} leads, evicted: {out:?}"))
    })
    .await;
    for name in ["master2", "master3"] {
        let at = cluster.nodes.iter().find(|n| n.name == name).unwrap().address();
        cluster.dmctl_at(at, &["operate-leader", "cancel-evict"]);
    }

    proxies[0].set(Weather::BlackHole);
    let (alone, others) = cluster.master_addr.split_once(',').unwrap();
    until("the others have a leader", Duration::from_secs(60), || async {
        let out = cluster.dmctl_at(others, &["list-member", "--leader"]);
        let text = String::from_utf8_lossy(&out.stdout).into_owned();
        let led = text.contains("\"name\": \"master2\"") || text.contains("\"name\": \"master3\"");
        if led { Ok(()) } else { Err(format!("{out:?}\n{}", cluster.logs_tail())) }
    })
    .await;
    until("the one that is alone refuses", Duration::from_secs(60), || async {
        // It calls itself a leader for eight heartbeats.
        let out = cluster.dmctl_at(alone, &["operate-source", "show"]);
        let text = format!("{out:?}");
        if !out.status.success() && text.contains("code=38043") { Ok(()) } else { Err(text) }
    })
    .await;

    proxies[0].set(Weather::Fair);
    all_alive(&cluster, &["master1", "master2", "master3"]).await;
    answers(&cluster, alone).await;
}
