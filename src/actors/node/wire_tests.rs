use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::transport::tests::Authority;

/// What a client that trusts and shows `client` hears from a port that trusts and shows `server`.
async fn talk(server: &Security, client: &Security) -> Result<u8, String> {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let server = server.clone();
    let served = tokio::spawn(async move {
        let (stream, _) = listener.accept().await.unwrap();
        let secured = tokio::time::timeout(Duration::from_secs(1), secure(stream, &server)).await;
        let mut stream = secured.map_err(|_| "no handshake")?.map_err(|e| e.to_string())?;
        stream.write_all(&[7]).await.map_err(|e| e.to_string())?;
        stream.flush().await.map_err(|e| e.to_string())
    });
    let dialled = dial(&address, client).await;
    let heard = async {
        let wire = Box::new(dialled.map_err(|e| e.to_string())?);
        assert_eq!(wire.peer_label(), Some(address));
        let (mut read, _write) = wire.split();
        read.read_u8().await.map_err(|e| e.to_string())
    };
    let heard = heard.await;
    served.await.unwrap()?;
    heard
}

#[tokio::test]
async fn both_sides_show_a_certificate_of_the_authority() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (a, b, foreign, plain) = (ours.security("a"), ours.security("b"), theirs.security("a"), Security::default());
    assert_eq!(talk(&a, &b).await, Ok(7));
    assert_eq!(talk(&plain, &plain).await, Ok(7));
    for (server, client) in [(&a, &foreign), (&foreign, &a), (&a, &plain)] {
        talk(server, client).await.expect_err("refused");
    }
    // A client that trusts the authority and shows nothing is refused too.
    let silent = Security { ssl_cert: String::new(), ssl_key: String::new(), ..b.clone() };
    talk(&a, &silent).await.expect_err("refused");
    // Names, in both directions.
    let only_b = Security { cert_allowed_cn: vec!["b".into()], ..a.clone() };
    assert_eq!(talk(&only_b, &b).await, Ok(7));
    talk(&only_b, &a).await.expect_err("a is not b");
    let to_b_only = Security { cert_allowed_cn: vec!["b".into()], ..b.clone() };
    talk(&a, &to_b_only).await.expect_err("the port shows a");
}

#[tokio::test]
async fn certificates_are_read_again_for_each_connection() {
    let (ours, theirs) = (Authority::new(), Authority::new());
    let (server, client) = (ours.security("server"), ours.security("client"));
    assert_eq!(talk(&server, &client).await, Ok(7));
    let foreign = theirs.security("client");
    let kept = (std::fs::read(&client.ssl_cert).unwrap(), std::fs::read(&client.ssl_key).unwrap());
    std::fs::copy(&foreign.ssl_cert, &client.ssl_cert).unwrap();
    std::fs::copy(&foreign.ssl_key, &client.ssl_key).unwrap();
    talk(&server, &client).await.expect_err("replaced by one of another authority");
    std::fs::write(&client.ssl_cert, kept.0).unwrap();
    std::fs::write(&client.ssl_key, kept.1).unwrap();
    assert_eq!(talk(&server, &client).await, Ok(7));
}

#[tokio::test]
async fn tls_without_an_authority_is_refused_at_the_start() {
    let ours = Authority::new();
    let complete = ours.security("a");
    assert_eq!(check(&complete).await, Ok(()));
    assert_eq!(check(&Security::default()).await, Ok(()));
    let open = Security { ssl_ca: String::new(), ..complete };
    assert!(check(&open).await.unwrap_err().contains("ssl-ca"));
}
