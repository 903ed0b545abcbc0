//! The cluster port's connections: accepted and dialled here, with mutual TLS where it is configured, and handed to
//! ractor_cluster, whose handshake then proves the cluster's secret. Certificates are read again for each connection.

use std::{io, net::SocketAddr, sync::Arc, time::Duration};

use ractor::ActorRef;
use ractor_cluster::{BoxRead, BoxWrite, ClusterBidiStream, IncomingEncryptionMode, node::NodeServerMessage};
use rustls::{
    ServerConfig,
    crypto::aws_lc_rs::default_provider,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::Semaphore,
};
use tokio_rustls::TlsAcceptor;

use super::gate::{Gate, Guarded};
use crate::{
    config::Security,
    transport::{
        dial::{self, Duplex},
        tls,
    },
};

/// What both sides of a node connection agree on; no other client comes this far.
const PROTOCOL: &[u8] = b"dm-node";
/// Bytes that nobody acknowledges for this long end a connection, so that it is dialled anew once a network is back.
const UNHEARD: Duration = Duration::from_secs(3);
/// How long a handshake may take, and how many may be under way.
const HANDSHAKE: Duration = Duration::from_secs(5);
const HANDSHAKES: usize = 64;
/// After an error of `accept` (no more descriptors).
const PAUSE: Duration = Duration::from_millis(200);

/// A connection that stands, and whom it leads to.
pub struct Wire {
    stream: Box<dyn Duplex>,
    peer: SocketAddr,
}

impl Wire {
    /// The other side.
    pub fn peer(&self) -> String {
        self.peer.to_string()
    }
}

impl ClusterBidiStream for Wire {
    fn split(self: Box<Self>) -> (BoxRead, BoxWrite) {
        let (read, write) = tokio::io::split(self.stream);
        (Box::new(read), Box::new(write))
    }

    fn peer_label(&self) -> Option<String> {
        Some(self.peer())
    }
}

/// Dials a master's cluster port.
pub async fn dial(address: &str, security: &Security) -> io::Result<Wire> {
    let stream = TcpStream::connect(address).await?;
    prepare(&stream)?;
    let peer = stream.peer_addr()?;
    let secured = tokio::time::timeout(HANDSHAKE, dial::over(stream, address, security, PROTOCOL));
    Ok(Wire { stream: secured.await??, peer })
}

/// Accepts connections until the task is ended.
pub async fn accept(listener: TcpListener, security: Security, gate: Arc<Gate>, server: ActorRef<NodeServerMessage>) {
    let (security, handshakes) = (Arc::new(security), Arc::new(Semaphore::new(HANDSHAKES)));
    loop {
        let (stream, peer) = match listener.accept().await {
            Ok(accepted) => accepted,
            Err(why) => {
                tracing::warn!(error = %why, "the cluster port can't accept a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(door) = gate.enter(peer) else {
            // Closing is the answer: one in words would cost what the limit is to save.
            tracing::debug!(peer = %peer, "too many connections to the cluster port, one is closed");
            continue;
        };
        let Ok(permit) = handshakes.clone().acquire_owned().await else { return };
        let (security, server) = (security.clone(), server.clone());
        tokio::spawn(async move {
            let secured = tokio::time::timeout(HANDSHAKE, secure(stream, &security)).await;
            drop(permit);
            match secured.unwrap_or_else(|late| Err(late.into())) {
                Ok(stream) => {
                    let stream = Box::new(Wire { stream: Box::new(Guarded::new(stream, door)), peer });
                    // The server may just be gone; the connection then closes.
                    let _ =
                        server.send_message(NodeServerMessage::ConnectionOpenedExternal { stream, is_server: true });
                }
                Err(why) => tracing::warn!(peer = %peer, error = %why, "a connection to the cluster port is refused"),
            }
        });
    }
}

async fn secure(stream: TcpStream, security: &Security) -> io::Result<Box<dyn Duplex>> {
    prepare(&stream)?;
    let Some(config) = tls::server_config(security).await.map_err(io::Error::other)? else {
        return Ok(Box::new(stream));
    };
    let mut config = ServerConfig::clone(&config);
    config.alpn_protocols = vec![PROTOCOL.to_vec()];
    let stream = TlsAcceptor::from(Arc::new(config)).accept(stream).await?;
    tls::may_speak(&security.cert_allowed_cn, stream.get_ref().1.peer_certificates()).map_err(io::Error::other)?;
    Ok(Box::new(stream))
}

fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    socket2::SockRef::from(stream).set_tcp_user_timeout(Some(UNHEARD))
}

/// What is wrong with the settings, before anything is served. Both sides of a node connection show a certificate, so
/// there must be an authority to check it against.
pub async fn check(security: &Security) -> Result<(), String> {
    let Some(_) = tls::server_config(security).await? else { return Ok(()) };
    match security.ssl_ca.is_empty() && security.ssl_ca_bytes.is_empty() {
        true => Err("TLS between nodes needs ssl-ca besides ssl-cert and ssl-key".into()),
        false => Ok(()),
    }
}

/// ractor_cluster insists on a listener of its own; this mode lets nobody through it.
pub fn nobody() -> Result<IncomingEncryptionMode, rustls::Error> {
    let builder =
        ServerConfig::builder_with_provider(Arc::new(default_provider())).with_safe_default_protocol_versions()?;
    let config = builder.with_no_client_auth().with_cert_resolver(Arc::new(NoCertificate));
    Ok(IncomingEncryptionMode::Tls(TlsAcceptor::from(Arc::new(config))))
}

#[derive(Debug)]
struct NoCertificate;

impl ResolvesServerCert for NoCertificate {
    fn resolve(&self, _: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        None
    }
}

#[cfg(test)]
#[path = "wire_tests.rs"]
mod tests;
