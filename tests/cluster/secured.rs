//! A cluster of processes under TLS: every port shows and wants a certificate, and `cert-allowed-cn` names who may speak.

use std::{path::Path, time::Duration};

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};

use super::{leader, members, until_answered};
use crate::support::{
    nodes::{Cluster, HERE, Node},
    servers::{self, free_port},
    wait::until,
};

/// An authority and its certificates for 127.0.0.1, as files.
struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, folder }
    }

    /// Flags with a certificate under this name.
    fn flags(&self, name: &str) -> Vec<String> {
        let mut params = CertificateParams::new(vec![HERE.into()]).unwrap();
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.folder.path().join(end).display().to_string();
        std::fs::write(path(&format!("{name}.crt")), cert.pem()).unwrap();
        std::fs::write(path(&format!("{name}.key")), key.serialize_pem()).unwrap();
        let (crt, key) = (path(&format!("{name}.crt")), path(&format!("{name}.key")));
        ["--ssl-ca", &path("ca.pem"), "--ssl-cert", &crt, "--ssl-key", &key].map(str::to_owned).into()
    }
}

fn node(folder: &Path, role: &str, name: &str, address: &str, more: Vec<String>) -> Node {
    let own = folder.join(name);
    std::fs::create_dir_all(&own).unwrap();
    let args = [role, "--name", name, &format!("--{role}-addr"), address].map(str::to_owned);
    let args = args.into_iter().chain(more).collect();
    Node::launched(name, &own, address, Vec::new(), args)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[ignore = "tier: make test-cluster"]
async fn a_cluster_under_tls_fails_over_and_lets_in_whom_it_names() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let folder = tempfile::Builder::new().prefix("dm-cluster-").tempdir().unwrap();
    let ports: Vec<u16> = (0..3).map(|_| free_port()).collect();
    let members_of: Vec<String> =
        ports.iter().enumerate().map(|(i, port)| format!("m{i}=https://127.0.0.1:{port}")).collect();
    let addresses: Vec<String> = (0..4).map(|_| format!("127.0.0.1:{}", free_port())).collect();
    let allowed = ["--cert-allowed-cn".to_owned(), "node,dmctl".to_owned()];
    let nodes = (0..3).map(|i| {
        let peer = format!("https://127.0.0.1:{}", ports[i]);
        let more = ["--data-dir", "data", "--peer-urls", &peer, "--initial-cluster", &members_of.join(",")];
        let more = more.into_iter().map(str::to_owned).chain(ours.flags("node")).chain(allowed.clone()).collect();
        node(folder.path(), "master", &format!("m{i}"), &addresses[i], more)
    });
    let nodes = nodes.collect();
    let mut cluster =
        Cluster { master_addr: addresses[..3].join(","), nodes, folder, databases: HERE.into(), flags: Vec::new() };
    cluster.flags = ours.flags("dmctl");
    cluster.nodes.iter_mut().for_each(Node::listens);
    leader(&cluster);
    let join = |flags: Vec<String>| ["--join".to_owned(), addresses[..3].join(",")].into_iter().chain(flags).collect();
    let flags = ours.flags("node").into_iter().chain(allowed.clone()).collect();
    let mut worker = node(cluster.folder.path(), "worker", "w1", &addresses[3], join(flags));
    worker.listens();
    cluster.nodes.push(worker);
    cluster.await_free_workers(1);

    let first = leader(&cluster);
    cluster.node(&first).kill();
    eprintln!("under TLS: the leader was killed, a command succeeded after {:?}", until_answered(&cluster));
    cluster.node(&first).up();
    let source = servers::mariadb();
    cluster.create_source("src-1", &source, true);
    until("the worker has it", Duration::from_secs(30), || async {
        let text = members(&cluster).unwrap_or_default().to_string();
        if text.contains("\"source\":\"src-1\"") { Ok(()) } else { Err(format!("{text}\n{}", cluster.logs_tail())) }
    })
    .await;

    // Of another authority, of ours under another name, and none at all: all three stay outside.
    for (name, flags) in [("foreign", theirs.flags("node")), ("unnamed", ours.flags("stranger")), ("plain", Vec::new())]
    {
        cluster.flags = flags.clone();
        let out = cluster.dmctl_output(&["list-member"]);
        assert!(!out.status.success(), "{name}: {out:?}");
        let address = format!("127.0.0.1:{}", free_port());
        let mut stranger = node(cluster.folder.path(), "worker", name, &address, join(flags));
        until("a stranger gives up", Duration::from_secs(60), || {
            let ended = stranger.ended();
            async move { if ended.is_some_and(|code| code != 0) { Ok(()) } else { Err(format!("{ended:?}")) } }
        })
        .await;
    }
    cluster.flags = ours.flags("dmctl");
    let text = members(&cluster).unwrap_or_default().to_string();
    assert!(text.contains("w1") && !["foreign", "unnamed", "plain"].iter().any(|name| text.contains(name)), "{text}");
}
