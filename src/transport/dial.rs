//! Dialling a node's port, with TLS where it is configured.

use std::{
    future::Future,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use hyper_util::rt::TokioIo;
use rustls::pki_types::ServerName;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tonic::{
    codegen::{Service, http::Uri},
    transport::{Channel, Endpoint},
};

use super::tls;
use crate::{
    config::{Security, split_host_port},
    mysql::tls::client_config,
};

/// A connection of either kind.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// A request is given up when the other side does not even answer a ping for so long (twice): it is frozen, or cut off.
const PING: Duration = Duration::from_secs(5);

/// A gRPC channel to `host:port`. Files of `security` are read again for each connection that the channel makes.
pub async fn channel(address: &str, security: &Security, limit: Duration) -> Result<Channel, String> {
    let scheme = if tls::wanted(security) { "https" } else { "http" };
    let origin: Uri = format!("{scheme}://{address}").parse().map_err(|_| format!("{address:?} is not host:port"))?;
    // Our connector does the TLS; the library would refuse a scheme that it has no code for.
    let endpoint = Endpoint::from_shared(format!("http://{address}"))
        .map_err(|_| format!("{address:?} is not host:port"))?
        .origin(origin)
        .connect_timeout(limit)
        .http2_keep_alive_interval(PING)
        .keep_alive_timeout(PING);
    let connector = Connector { address: address.to_owned(), security: security.clone() };
    match tokio::time::timeout(limit, endpoint.connect_with_connector(connector)).await {
        Ok(Ok(channel)) => Ok(channel),
        Ok(Err(e)) => Err(format!("{address}: {}", innermost(&e))),
        Err(_) => Err(format!("{address}: no answer in {} s", limit.as_secs())),
    }
}

/// A connection to `host:port`; `alpn` names the protocol to agree on.
pub async fn connect(address: &str, security: &Security, alpn: &[u8]) -> io::Result<Box<dyn Duplex>> {
    let stream = TcpStream::connect(address).await?;
    stream.set_nodelay(true)?;
    over(stream, address, security, alpn).await
}

/// The same over a connection to `address` that stands already.
pub async fn over(stream: TcpStream, address: &str, security: &Security, alpn: &[u8]) -> io::Result<Box<dyn Duplex>> {
    let Some(config) = client_config(security).await.map_err(io::Error::other)? else { return Ok(Box::new(stream)) };
    let mut config = (*config).clone();
    config.alpn_protocols = vec![alpn.to_vec()];
    let host = split_host_port(address).map_or(address, |(host, _)| host).to_owned();
    let name = ServerName::try_from(host).map_err(io::Error::other)?;
    let stream = TlsConnector::from(std::sync::Arc::new(config)).connect(name, stream).await?;
    let shown = stream.get_ref().1.peer_certificates();
    tls::may_speak(&security.cert_allowed_cn, shown).map_err(io::Error::other)?;
    Ok(Box::new(stream))
}

/// The reason at the end of a chain; the transport's own text is `transport error`.
pub fn innermost(error: &dyn std::error::Error) -> String {
    let mut error = error;
    while let Some(source) = error.source() {
        error = source;
    }
    error.to_string()
}

#[derive(Clone)]
struct Connector {
    address: String,
    security: Security,
}

impl Service<Uri> for Connector {
    type Response = TokioIo<Box<dyn Duplex>>;
    type Error = io::Error;
    type Future = Pin<Box<dyn Future<Output = io::Result<Self::Response>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Uri) -> Self::Future {
        let Connector { address, security } = self.clone();
        Box::pin(async move { connect(&address, &security, b"h2").await.map(TokioIo::new) })
    }
}
