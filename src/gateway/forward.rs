//! Any master takes any command: one that does not lead hands the request to the leader as it is, and the answer back.

use std::{
    future::poll_fn,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use axum::{
    body::Body,
    extract::{Request, State},
    http::{
        HeaderValue, StatusCode,
        header::{CONTENT_TYPE, HOST},
    },
    middleware::Next,
    response::{IntoResponse, Response},
};
use hyper_util::rt::TokioIo;
use tonic::{codegen::Service, transport::Channel};

use crate::{
    commands::cluster::Cluster,
    config::Security,
    coordinator::masters::Leader,
    error::{Code, DmError},
    transport::dial::{self, Duplex},
};

/// How long an election is waited for.
const ELECTION: Duration = Duration::from_secs(4);
/// For so long a wait in vain says that the next would be too.
const FRESH: Duration = Duration::from_secs(10);
const LOOK: Duration = Duration::from_millis(50);
const DIAL: Duration = Duration::from_secs(2);
/// How long a leader that was replaced may take to answer what it was asked before.
const GRACE: Duration = Duration::from_millis(1500);
/// On a request that another master handed over: it is not handed over again.
const FORWARDED: &str = "dm-forwarded";
/// What each master answers for itself.
const OWN: [&str; 2] = ["/pb.Master/OperateLeader", "/pb.Master/GetMasterCfg"];

/// What the hand-over needs.
#[derive(Clone)]
pub struct Forward {
    pub cluster: Arc<dyn Cluster>,
    pub security: Security,
    /// When a request last waited for an election in vain: those after it wait only a moment.
    pub in_vain: Arc<Mutex<Option<Instant>>>,
}

impl Forward {
    /// How long a request waits for a leader.
    fn patience(&self) -> Duration {
        let last = *self.in_vain.lock().unwrap_or_else(PoisonError::into_inner);
        if last.is_some_and(|at| at.elapsed() < FRESH) { GRACE / 3 } else { ELECTION }
    }

    fn waited_in_vain(&self, yes: bool) {
        *self.in_vain.lock().unwrap_or_else(PoisonError::into_inner) = yes.then(Instant::now);
    }
}

/// A connection to the leader that stands.
enum Way {
    Grpc(Channel),
    Http(Box<dyn Duplex>),
}

impl Way {
    async fn open(address: &str, security: &Security, grpc: bool) -> Result<Way, String> {
        if grpc {
            return dial::channel(address, security, DIAL).await.map(Way::Grpc);
        }
        match tokio::time::timeout(DIAL, dial::connect(address, security, b"http/1.1")).await {
            Ok(stream) => stream.map(Way::Http).map_err(|e| e.to_string()),
            Err(_) => Err(format!("no connection within {DIAL:?}")),
        }
    }

    async fn send(self, address: &str, mut request: Request) -> Result<Response, String> {
        let text = |e: &dyn std::fmt::Display| e.to_string();
        match self {
            Way::Grpc(mut channel) => {
                poll_fn(|cx| channel.poll_ready(cx)).await.map_err(|e| text(&e))?;
                let answer = channel.call(request.map(tonic::body::Body::new)).await;
                answer.map(|answer| answer.map(Body::new)).map_err(|e| dial::innermost(&e))
            }
            Way::Http(stream) => {
                let opened = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await;
                let (mut send, connection) = opened.map_err(|e| text(&e))?;
                tokio::spawn(connection);
                let path = request.uri().path_and_query().map_or("/", |path| path.as_str()).to_owned();
                *request.uri_mut() = path.parse().map_err(|e| text(&e))?;
                *request.version_mut() = axum::http::Version::HTTP_11;
                request.headers_mut().insert(HOST, HeaderValue::from_str(address).map_err(|e| text(&e))?);
                let answer = send.send_request(request).await.map_err(|e| text(&e))?;
                Ok(answer.map(Body::new))
            }
        }
    }
}

/// The layer around all routes of a master.
pub async fn to_leader(State(forward): State<Forward>, mut request: Request, next: Next) -> Response {
    let path = request.uri().path();
    let command = (path.starts_with("/pb.Master/") && !OWN.contains(&path)) || path.starts_with("/api");
    if !command {
        return next.run(request).await;
    }
    let forwarded = request.headers().contains_key(FORWARDED);
    let (grpc, end) = (is_grpc(&request), Instant::now() + forward.patience());
    let (way, address) = loop {
        let why = match forward.cluster.leader() {
            Leader::Me => return next.run(request).await,
            Leader::Other { client_addr: Some(address), .. } if !forwarded => {
                match Way::open(&address, &forward.security, grpc).await {
                    Ok(way) => break (way, address),
                    Err(why) => unreachable(&address, &why),
                }
            }
            _ => nobody(),
        };
        if Instant::now() >= end {
            forward.waited_in_vain(true);
            return error(grpc, &why);
        }
        tokio::time::sleep(LOOK).await;
    };
    forward.waited_in_vain(false);
    request.headers_mut().insert(FORWARDED, HeaderValue::from_static("1"));
    let answer = tokio::select! {
        answer = way.send(&address, request) => answer,
        () = deposed(&*forward.cluster, &address) => Err("it no longer leads, the request may have taken effect".into()),
    };
    answer.unwrap_or_else(|why| error(grpc, &unreachable(&address, &why)))
}

/// Returns when the master at `address` has not led for a moment: a frozen one would never answer.
async fn deposed(cluster: &dyn Cluster, address: &str) {
    let leads = || matches!(cluster.leader(), Leader::Other { client_addr: Some(at), .. } if at == address);
    let mut since = Instant::now();
    while since.elapsed() < GRACE {
        tokio::time::sleep(LOOK).await;
        if leads() {
            since = Instant::now();
        }
    }
}

fn is_grpc(request: &Request) -> bool {
    request.headers().get(CONTENT_TYPE).is_some_and(|kind| kind.as_bytes().starts_with(b"application/grpc"))
}

fn error(grpc: bool, why: &DmError) -> Response {
    match grpc {
        true => tonic::Status::unavailable(why.to_string()).into_http::<Body>(),
        false => (StatusCode::SERVICE_UNAVAILABLE, why.to_string()).into_response(),
    }
}

fn nobody() -> DmError {
    DmError::new(Code::MasterRequestIsNotForwardToLeader)
        .msg("no master leads: a majority of the masters is needed, and this one does not reach it")
        .workaround("Please start the other masters, or check the network between them.")
}

fn unreachable(address: &str, why: &str) -> DmError {
    DmError::new(Code::MasterRequestIsNotForwardToLeader)
        .msg(format!("the request can't be forwarded to the leader at {address}: {why}"))
        .workaround("Please try again; another master takes over when the leader is gone.")
}
