//! One HTTP request to a master.

use std::time::Duration;

use http_body_util::{BodyExt, Empty, Limited};
use hyper::{Request, body::Bytes, header::HOST};
use hyper_util::rt::TokioIo;
use tokio::time::timeout;

use crate::{
    config::Security,
    error::{Code, DmError, Result},
    transport::dial::{self, Duplex},
};

/// As dmctl dials.
const DIAL: Duration = Duration::from_secs(3);
/// A master asks all nodes, which have 5 s.
const REPLY: Duration = Duration::from_secs(15);
/// More than any cluster's tree.
const LARGEST: usize = 64 << 20;

/// `GET /actors` of the first master that answers.
pub async fn actors(masters: &[String], security: &Security) -> Result<String> {
    let mut failed = Vec::new();
    for master in masters {
        match get(master, "/actors", security).await {
            Ok(text) => return Ok(text),
            Err(why) => failed.push(format!("{master}: {why}")),
        }
    }
    Err(DmError::new(Code::CtlGRPCCreateConn)
        .msg(format!("can't connect to {}", masters.join(",")))
        .cause(failed.join("; "))
        .workaround("Please check that dm-master runs there and that `--master-addr` is its client address."))
}

/// One page of a node.
pub async fn get(address: &str, path: &str, security: &Security) -> Result<String, String> {
    let dialled = timeout(DIAL, dial::connect(address, security, b"http/1.1")).await;
    let stream = dialled.map_err(|_| "no connection within 3 s".to_owned())?.map_err(|e| e.to_string())?;
    timeout(REPLY, request(stream, address, path)).await.map_err(|_| "no reply within 15 s".to_owned())?
}

async fn request(stream: Box<dyn Duplex>, address: &str, path: &str) -> Result<String, String> {
    let text = |e: hyper::Error| e.to_string();
    let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.map_err(text)?;
    // Ends with the sender; its error is the sender's as well.
    tokio::spawn(connection);
    let request = Request::get(path).header(HOST, address).body(Empty::<Bytes>::new()).map_err(|e| e.to_string())?;
    let reply = sender.send_request(request).await.map_err(text)?;
    let status = reply.status();
    let body = Limited::new(reply.into_body(), LARGEST).collect().await.map_err(|e| e.to_string())?.to_bytes();
    if !status.is_success() {
        let said: String = String::from_utf8_lossy(&body).chars().take(300).collect();
        return Err(format!("HTTP {status} {}", said.trim()));
    }
    String::from_utf8(body.into()).map_err(|_| "the reply is not text".to_owned())
}

#[cfg(test)]
mod tests {
    use axum::{Router, http::StatusCode, routing::get};
    use tokio::net::TcpListener;

    use super::*;

    async fn serve(router: Router) -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let address = listener.local_addr().expect("bound").to_string();
        tokio::spawn(async move { axum::serve(listener, router).await });
        address
    }

    async fn closed() -> String {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        listener.local_addr().expect("bound").to_string()
    }

    #[tokio::test]
    async fn the_first_master_that_answers_is_taken() {
        let up = serve(Router::new().route("/actors", get(async || "reply"))).await;
        assert_eq!(actors(&[closed().await, up], &Security::default()).await.expect("one is up"), "reply");
    }

    #[tokio::test]
    async fn nobody_there_names_every_cause() {
        let refusing =
            serve(Router::new().route("/actors", get(async || (StatusCode::NOT_FOUND, "no such page")))).await;
        let gone = closed().await;
        let error = actors(&[gone.clone(), refusing], &Security::default()).await.expect_err("nobody").to_string();
        assert!(error.contains("[code=48001") && error.contains(&format!("can't connect to {gone}")), "{error}");
        assert!(error.contains("refused") && error.contains("404") && error.contains("no such page"), "{error}");
    }
}
