//! What a client port answers beyond its limits, to clients of gRPC and of HTTP.

use std::{error::Error, net::SocketAddr, sync::Arc};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};
use tokio_util::sync::CancellationToken;
use tonic::{Code, transport::Channel};

use super::{REQUEST_LIMIT, serve_master};
use crate::{
    commands::testing::MemoryCluster,
    config::MasterConfig,
    pb::{EncryptRequest, GetMasterCfgRequest, master_client::MasterClient},
};

async fn port(config: MasterConfig) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(serve_master(listener, MemoryCluster::new(), Arc::new(config), CancellationToken::new()));
    address
}

async fn client(address: SocketAddr) -> Result<MasterClient<Channel>, tonic::transport::Error> {
    MasterClient::connect(format!("http://{address}")).await
}

#[tokio::test]
async fn a_message_beyond_the_limit_is_out_of_range() {
    let address = port(MasterConfig::default()).await;
    let mut client = client(address).await.unwrap().max_encoding_message_size(usize::MAX);
    let request = EncryptRequest { plaintext: "x".repeat(REQUEST_LIMIT) };
    let refused = client.encrypt(request).await.unwrap_err();
    assert_eq!(refused.code(), Code::OutOfRange, "{refused}");
    assert!(refused.message().contains(&format!("the limit is: {REQUEST_LIMIT} bytes")), "{refused}");
    // The connection lives on.
    client.get_master_cfg(GetMasterCfgRequest {}).await.unwrap();
}

#[tokio::test]
async fn a_request_that_says_that_it_is_too_large_is_refused_before_its_body_comes() {
    let address = port(MasterConfig { openapi: true, ..MasterConfig::default() }).await;
    let head = async |path: &str, kind: &str, length: &str| {
        let mut stream = TcpStream::connect(address).await.unwrap();
        let head = format!(
            "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Type: {kind}\r\nExpect: 100-continue\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(head.as_bytes()).await.unwrap();
        // Nothing of the body is sent, and the answer is all that comes.
        let mut reply = String::new();
        stream.read_to_string(&mut reply).await.unwrap();
        reply
    };
    let more = (REQUEST_LIMIT + 1).to_string();
    for path in ["/apis/v1alpha1/tasks", "/api/v1/tasks", "/log-level", "/nope"] {
        let reply = head(path, "application/json", &more).await;
        assert!(reply.starts_with("HTTP/1.1 413 "), "{path}: {reply}");
        assert!(reply.ends_with("the request is too large, the limit is 67108864 bytes\n"), "{path}: {reply}");
    }
    let reply = head("/pb.Master/Encrypt", "application/grpc", &more).await;
    assert!(reply.starts_with("HTTP/1.1 200 ") && reply.contains("grpc-status: 11\r\n"), "{reply}");
    let reply = head("/nope", "text/plain", &u64::MAX.to_string()).await;
    assert!(reply.starts_with("HTTP/1.1 4"), "{reply}");
}

#[tokio::test]
async fn too_many_requests_of_a_connection_are_resource_exhausted() {
    let address = port(MasterConfig { max_request_rate: 1, ..MasterConfig::default() }).await;
    let mut one = client(address).await.unwrap();
    let mut done = 0;
    let refused = loop {
        match one.get_master_cfg(GetMasterCfgRequest {}).await {
            Ok(_) => done += 1,
            Err(refused) => break refused,
        }
        assert!(done < 10_000, "no request was refused");
    };
    assert_eq!(refused.code(), Code::ResourceExhausted, "{refused}");
    assert_eq!(refused.message(), "too many requests on this connection");
    // Four at once, and one a second of the machine's own time.
    assert!(done >= 4, "{done}");
    // Another connection has a rate of its own.
    client(address).await.unwrap().get_master_cfg(GetMasterCfgRequest {}).await.unwrap();
}

#[tokio::test]
async fn one_connection_too_many_is_closed_without_an_answer() {
    // One address may take a quarter.
    let address = port(MasterConfig { max_connections: 4, ..MasterConfig::default() }).await;
    let mut first = client(address).await.unwrap();
    first.get_master_cfg(GetMasterCfgRequest {}).await.unwrap();
    if let Ok(mut second) = client(address).await {
        let refused = second.get_master_cfg(GetMasterCfgRequest {}).await.unwrap_err();
        let of_the_way = refused.source().is_some_and(|why| why.is::<tonic::transport::Error>());
        assert!(
            of_the_way && [Code::Unavailable, Code::Cancelled, Code::Unknown].contains(&refused.code()),
            "{refused:?}"
        );
    }
    first.get_master_cfg(GetMasterCfgRequest {}).await.unwrap();
}
