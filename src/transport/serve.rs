//! Serving HTTP/1, HTTP/2 and gRPC on one port, within limits: connections in all and of one address, requests a
//! second of one connection, the memory of all requests together, the time for a handshake, for a request's head and
//! its body, and for an answer to be taken.

use std::{
    io,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    Router,
    body::Body,
    http::{
        HeaderMap, Request, StatusCode,
        header::{CONTENT_LENGTH, CONTENT_TYPE},
    },
    response::{IntoResponse, Response},
};
use bytes::BufMut;
use hyper::{body::Incoming, service::service_fn};
use hyper_util::{
    rt::{TokioExecutor, TokioIo, TokioTimer},
    server::conn::auto::Builder,
};
use socket2::SockRef;
use tokio::{
    io::{AsyncReadExt, join, split},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::TlsAcceptor;
use tokio_util::{sync::CancellationToken, task::TaskTracker};
use tonic::codegen::Service;

use super::{bucket::Bucket, budget::Budget, dial::Duplex, places::Places, tls};
use crate::config::Security;

/// What one port takes.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Limits {
    /// Open connections in all; one more is closed.
    pub connections: usize,
    /// Of one address, so that one client can't take them all.
    pub connections_of_one: usize,
    /// Requests a second of one connection, after the burst.
    pub requests: f64,
    /// Requests at once.
    pub burst: f64,
    /// Bytes of one request's body.
    pub body: usize,
    /// Bytes of all requests' bodies that are held at once.
    pub bodies: usize,
    /// For a TLS handshake.
    pub handshake: Duration,
    /// From the connection to its first bytes, and from there, or the last reply, to the end of a request's head.
    pub head: Duration,
    /// From the end of a request's head to that of its body.
    pub whole: Duration,
    /// Until a peer has taken more of what was sent.
    pub taken: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Limits {
            connections: 2048,
            connections_of_one: 512,
            requests: 500.0,
            burst: 2000.0,
            body: BODY,
            bodies: 128 << 20,
            handshake: Duration::from_secs(10),
            head: Duration::from_secs(60),
            whole: Duration::from_secs(300),
            taken: Duration::from_secs(60),
        }
    }
}

impl Limits {
    /// With so many connections, of which one address may take a quarter, and so many requests a second of each.
    pub fn of(connections: u64, rate: u64) -> Limits {
        let connections = usize::try_from(connections).unwrap_or(usize::MAX).max(1);
        let requests = u32::try_from(rate).map_or(f64::from(u32::MAX), f64::from).max(1.0);
        let connections_of_one = connections.div_ceil(4);
        Limits { connections, connections_of_one, requests, burst: requests * 4.0, ..Limits::default() }
    }
}

/// The largest request that is read: a task of ten thousand rules has about 1 MiB.
pub const BODY: usize = 64 << 20;
/// How long open requests may go on after the stop.
pub const DRAIN_LIMIT: Duration = Duration::from_secs(3);
/// Streams of one HTTP/2 connection.
const STREAMS: u32 = 256;
/// All headers of a request.
const HEADERS: u32 = 64 << 10;
/// A peer that is gone without a word is noticed after these two.
const PING: Duration = Duration::from_secs(30);
const PONG: Duration = Duration::from_secs(20);
/// How HTTP/2 begins.
const PREFACE: &[u8; 24] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n";
/// After a failed accept (no file descriptors left).
const PAUSE: Duration = Duration::from_millis(100);

/// Serves until `stop` is cancelled and open requests are answered, or [`DRAIN_LIMIT`] is over.
pub async fn run(
    listener: TcpListener,
    router: Router,
    security: Security,
    limits: Limits,
    stop: CancellationToken,
) -> io::Result<()> {
    let shared = Arc::new(Port { router, security, limits, bodies: Budget::new(limits.bodies), stop: stop.clone() });
    let (tasks, places) = (TaskTracker::new(), Places::new(limits.connections, limits.connections_of_one));
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = stop.cancelled() => break,
        };
        let (stream, peer) = match accepted {
            Ok(accepted) => accepted,
            Err(e) => {
                tracing::warn!(error = %e, "can't take a connection");
                tokio::time::sleep(PAUSE).await;
                continue;
            }
        };
        let Some(place) = places.take(peer.ip()) else {
            // Closing is the answer: one in words would cost what the limit is to save.
            tracing::debug!(peer = %peer.ip(), "too many connections, one is closed");
            continue;
        };
        let shared = shared.clone();
        tasks.spawn(async move {
            if let Err(why) = shared.connection(stream).await {
                tracing::debug!(peer = %peer, error = why, "a connection ended");
            }
            drop(place);
        });
    }
    tasks.close();
    // Who does not come to an end is left behind.
    let _ = timeout(DRAIN_LIMIT, tasks.wait()).await;
    Ok(())
}

struct Port {
    router: Router,
    security: Security,
    limits: Limits,
    bodies: Arc<Budget>,
    stop: CancellationToken,
}

impl Port {
    async fn connection(&self, stream: TcpStream) -> Result<(), String> {
        stream.set_nodelay(true).map_err(|e| e.to_string())?;
        // The system looks after it: an answer that nobody takes would hold the connection for good.
        SockRef::from(&stream).set_tcp_user_timeout(Some(self.limits.taken)).map_err(|e| e.to_string())?;
        let stream = tokio::select! {
            secured = timeout(self.limits.handshake, self.secured(stream)) => {
                secured.map_err(|_| "no TLS handshake in time".to_owned())??
            }
            () = self.stop.cancelled() => return Ok(()),
        };
        self.requests(stream).await
    }

    /// The requests of a connection, until its end.
    async fn requests(&self, mut stream: Box<dyn Duplex>) -> Result<(), String> {
        let first = tokio::select! {
            first = timeout(self.limits.head, beginning(&mut *stream)) => {
                first.map_err(|_| "no first bytes in time".to_owned())?.map_err(|e| e.to_string())?
            }
            () = self.stop.cancelled() => return Ok(()),
        };
        let (reading, writing) = split(stream);
        let stream = join(io::Cursor::new(first).chain(reading), writing);
        let bucket = Mutex::new(Bucket::new(self.limits.requests, self.limits.burst));
        let (router, limit, whole) = (self.router.clone(), self.limits.body, self.limits.whole);
        let service = service_fn(|request: Request<Incoming>| {
            let allowed = bucket.lock().unwrap_or_else(PoisonError::into_inner).take(Instant::now());
            let (mut router, share) = (router.clone(), self.bodies.share());
            async move {
                if !allowed {
                    return Ok(too_many(request.headers()));
                }
                if announced(request.headers()) > limit {
                    return Ok(too_large(request.headers(), limit));
                }
                // Held until there is an answer, whoever keeps the body meanwhile.
                router.call(request.map(|body| share.body(Body::new(body), whole))).await
            }
        });
        let mut builder = Builder::new(TokioExecutor::new());
        builder.http1().timer(TokioTimer::new()).header_read_timeout(self.limits.head).max_buf_size(HEADERS as usize);
        builder
            .http2()
            .timer(TokioTimer::new())
            .max_concurrent_streams(STREAMS)
            .max_header_list_size(HEADERS)
            .keep_alive_interval(PING)
            .keep_alive_timeout(PONG);
        let connection = builder.serve_connection(TokioIo::new(stream), service);
        tokio::pin!(connection);
        tokio::select! {
            done = connection.as_mut() => return done.map_err(|e| e.to_string()),
            () = self.stop.cancelled() => connection.as_mut().graceful_shutdown(),
        }
        connection.await.map_err(|e| e.to_string())
    }

    async fn secured(&self, stream: TcpStream) -> Result<Box<dyn Duplex>, String> {
        let Some(config) = tls::server_config(&self.security).await? else { return Ok(Box::new(stream)) };
        let stream = TlsAcceptor::from(config).accept(stream).await.map_err(|e| e.to_string())?;
        tls::may_speak(&self.security.cert_allowed_cn, stream.get_ref().1.peer_certificates())?;
        Ok(Box::new(stream))
    }
}

/// One connection without a listener, for the fuzz targets.
#[cfg(fuzzing)]
pub async fn one(stream: Box<dyn Duplex>, router: Router, limits: Limits) -> Result<(), String> {
    let (security, bodies) = (Security::default(), Budget::new(limits.bodies));
    Port { router, security, limits, bodies, stop: CancellationToken::new() }.requests(stream).await
}

/// The first bytes: all by which HTTP/2 is told from HTTP/1. hyper would wait for them for good.
async fn beginning(stream: &mut (dyn Duplex + 'static)) -> io::Result<Vec<u8>> {
    let mut first = Vec::with_capacity(PREFACE.len());
    while first.len() < PREFACE.len() && PREFACE.starts_with(&first) {
        let room = PREFACE.len() - first.len();
        if stream.read_buf(&mut (&mut first).limit(room)).await? == 0 {
            break;
        }
    }
    Ok(first)
}

/// How many bytes a request says that its body has; 0 when it does not say.
fn announced(headers: &HeaderMap) -> usize {
    let length = headers.get(CONTENT_LENGTH).and_then(|length| length.to_str().ok());
    // More digits than fit say that there is more than fits.
    length.map_or(0, |digits| digits.parse().unwrap_or(usize::MAX))
}

fn is_grpc(headers: &HeaderMap) -> bool {
    headers.get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

/// The answer to one request too many.
fn too_many(headers: &HeaderMap) -> Response {
    if is_grpc(headers) {
        return tonic::Status::resource_exhausted("too many requests on this connection").into_http::<Body>();
    }
    (StatusCode::TOO_MANY_REQUESTS, "too many requests on this connection\n").into_response()
}

/// The answer to a request that says that it is too large: nothing of its body is read. gRPC's code is the one that a
/// message has whose size shows only when it comes.
fn too_large(headers: &HeaderMap, limit: usize) -> Response {
    let why = format!("the request is too large, the limit is {limit} bytes");
    if is_grpc(headers) {
        return tonic::Status::out_of_range(why).into_http::<Body>();
    }
    (StatusCode::PAYLOAD_TOO_LARGE, why + "\n").into_response()
}
