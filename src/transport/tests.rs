//! Real connections between a port and clients with certificates of this and other authorities; the limits.

use std::{net::SocketAddr, path::Path, time::Duration};

use axum::{Router, routing::get};
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::JoinHandle,
};
use tokio_util::sync::CancellationToken;

use super::{dial, serve, tls};
use crate::config::Security;

/// An authority that writes certificates into a folder.
pub struct Authority {
    issuer: CertifiedIssuer<'static, KeyPair>,
    folder: tempfile::TempDir,
}

impl Authority {
    #[allow(clippy::new_without_default)]
    pub fn new() -> Authority {
        let mut params = CertificateParams::new(Vec::new()).unwrap();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let issuer = CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap();
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), issuer.pem()).unwrap();
        Authority { issuer, folder }
    }

    /// A certificate for 127.0.0.1 under a common name; an older one of the name is replaced.
    pub fn security(&self, name: &str) -> Security {
        let mut params = CertificateParams::new(vec!["127.0.0.1".into(), "localhost".into()]).unwrap();
        params.distinguished_name.push(DnType::OrganizationName, "other");
        params.distinguished_name.push(DnType::CommonName, name);
        let key = KeyPair::generate().unwrap();
        let cert = params.signed_by(&key, &self.issuer).unwrap();
        let path = |end: &str| self.folder.path().join(format!("{name}.{end}")).to_str().unwrap().to_owned();
        std::fs::write(path("crt"), cert.pem()).unwrap();
        std::fs::write(path("key"), key.serialize_pem()).unwrap();
        let ca = Path::new(self.folder.path()).join("ca.pem").to_str().unwrap().to_owned();
        Security { ssl_ca: ca, ssl_cert: path("crt"), ssl_key: path("key"), ..Security::default() }
    }
}

struct Port {
    address: SocketAddr,
    stop: CancellationToken,
    served: JoinHandle<std::io::Result<()>>,
}

async fn port(security: Security, limits: serve::Limits) -> Port {
    port_of(Router::new().route("/", get(async || "here")), security, limits).await
}

async fn port_of(router: Router, security: Security, limits: serve::Limits) -> Port {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let (address, stop) = (listener.local_addr().unwrap(), CancellationToken::new());
    let served = tokio::spawn(serve::run(listener, router, security, limits, stop.clone()));
    Port { address, stop, served }
}

/// One request over HTTP/1; the whole reply, or why there is none.
async fn ask(address: SocketAddr, security: &Security) -> Result<String, String> {
    let asked = async {
        let mut stream = dial::connect(&address.to_string(), security, b"http/1.1").await?;
        stream.write_all(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n").await?;
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await?;
        std::io::Result::Ok(reply)
    };
    let reply = tokio::time::timeout(Duration::from_secs(10), asked).await.unwrap().map_err(|e| e.to_string())?;
    if reply.is_empty() { Err("closed".into()) } else { Ok(reply) }
}

#[tokio::test]
async fn only_certificates_of_the_authority_with_an_allowed_name_get_in() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let mut server = ours.security("master");
    server.cert_allowed_cn = vec!["dmctl".into(), "worker".into()];
    let port = port(server, serve::Limits::default()).await;
    assert!(ask(port.address, &ours.security("worker")).await.unwrap().ends_with("here"));
    let refused = [
        ("another name", ours.security("somebody")),
        ("another authority", theirs.security("worker")),
        ("no TLS", Security::default()),
        ("no certificate", Security { ssl_cert: String::new(), ssl_key: String::new(), ..ours.security("worker") }),
        ("no trust in the server", Security { ssl_ca: theirs.security("x").ssl_ca, ..ours.security("worker") }),
    ];
    for (what, security) in refused {
        let got = ask(port.address, &security).await;
        assert!(got.is_err() || got.as_ref().is_ok_and(|reply| !reply.contains("here")), "{what}: {got:?}");
    }
    let mut picky = ours.security("dmctl");
    picky.cert_allowed_cn = vec!["another-master".into()];
    let refused = ask(port.address, &picky).await.unwrap_err();
    assert!(refused.contains("[\"master\"] is not one of cert-allowed-cn"), "{refused}");
    port.stop.cancel();
    port.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_renewed_certificate_is_used_by_the_next_connection() {
    let (old, new) = (Authority::new(), Authority::new());
    let server = old.security("master");
    let port = port(server.clone(), serve::Limits::default()).await;
    let (with_old, with_new) = (old.security("dmctl"), new.security("dmctl"));
    assert!(ask(port.address, &with_old).await.is_ok());
    let renewed = new.security("master");
    for (from, to) in
        [(&renewed.ssl_ca, &server.ssl_ca), (&renewed.ssl_cert, &server.ssl_cert), (&renewed.ssl_key, &server.ssl_key)]
    {
        std::fs::copy(from, to).unwrap();
    }
    assert!(ask(port.address, &with_new).await.unwrap().ends_with("here"));
    let port_without_key = Security { ssl_key: String::new(), ..server };
    assert!(tls::server_config(&port_without_key).await.unwrap_err().contains("ssl-key"));
}

#[tokio::test]
async fn a_port_takes_so_many_connections_and_requests() {
    let limits = serve::Limits {
        connections: 3,
        connections_of_one: 2,
        requests: 0.001,
        burst: 2.0,
        body: 500,
        bodies: 1000,
        handshake: Duration::from_secs(5),
        head: Duration::from_millis(200),
        ..serve::Limits::default()
    };
    let port = port(Security::default(), limits).await;
    let mut first = TcpStream::connect(port.address).await.unwrap();
    for status in ["200 OK", "200 OK", "429 Too Many Requests"] {
        first.write_all(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
        let mut reply = [0; 4096];
        let length = first.read(&mut reply).await.unwrap();
        assert!(String::from_utf8_lossy(&reply[..length]).starts_with(&format!("HTTP/1.1 {status}")));
    }
    let _second = TcpStream::connect(port.address).await.unwrap();
    let mut third = TcpStream::connect(port.address).await.unwrap();
    let mut nothing = Vec::new();
    assert!(matches!(third.read_to_end(&mut nothing).await, Ok(0) | Err(_)));
    // Who sends no whole request in time loses the connection, and others come in.
    let mut slow = nothing;
    first.write_all(b"GET / HT").await.ok();
    let ended = tokio::time::timeout(Duration::from_secs(10), first.read_to_end(&mut slow)).await;
    assert!(ended.is_ok());
    let came_in = async {
        loop {
            if ask(port.address, &Security::default()).await.is_ok() {
                return;
            }
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(10), came_in).await.unwrap();
}

#[tokio::test]
async fn who_says_nothing_or_half_a_thing_loses_the_connection() {
    let short = Duration::from_millis(200);
    let limits = serve::Limits { head: short, whole: short, ..serve::Limits::default() };
    let router = Router::new().route("/", get(async || "here").post(async |body: String| body));
    let port = port_of(router, Security::default(), limits).await;
    let halves = [
        "",
        "PRI * HTTP/2.0\r\n",
        "GET / HTTP/1.1\r\nHo",
        "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\nand",
        "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nand",
    ];
    for half in halves {
        let mut client = TcpStream::connect(port.address).await.unwrap();
        client.write_all(half.as_bytes()).await.unwrap();
        let mut reply = Vec::new();
        let ended = tokio::time::timeout(Duration::from_secs(20), client.read_to_end(&mut reply)).await;
        assert!(ended.is_ok(), "{half:?}");
    }
    // A request that is shorter than what tells HTTP/2 from HTTP/1, in two pieces.
    let mut small = TcpStream::connect(port.address).await.unwrap();
    for part in ["GE", "T / HTTP/1.0\r\n\r\n"] {
        small.write_all(part.as_bytes()).await.unwrap();
    }
    let mut reply = String::new();
    small.read_to_string(&mut reply).await.unwrap();
    assert!(reply.ends_with("here"), "{reply}");
    port.stop.cancel();
    port.served.await.unwrap().unwrap();
}

#[tokio::test]
async fn who_takes_no_answer_loses_the_connection() {
    let limits = serve::Limits { connections: 1, taken: Duration::from_millis(200), ..serve::Limits::default() };
    // More than the buffers of two sockets hold.
    let router = Router::new().route("/", get(async || "here")).route("/large", get(async || vec![b'x'; 64 << 20]));
    let port = port_of(router, Security::default(), limits).await;
    let mut deaf = TcpStream::connect(port.address).await.unwrap();
    deaf.write_all(b"GET /large HTTP/1.1\r\nHost: x\r\n\r\n").await.unwrap();
    deaf.readable().await.unwrap();
    assert_eq!(ask(port.address, &Security::default()).await.map_err(drop), Err(()), "the only place is taken");
    let came_in = async {
        while ask(port.address, &Security::default()).await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), came_in).await.expect("the place is free again");
    drop(deaf);
    port.stop.cancel();
    port.served.await.unwrap().unwrap();
}
