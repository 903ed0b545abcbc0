//! A connection to a master's client port: any bytes, as HTTP/1, HTTP/2 or gRPC, are answered or refused, never with
//! 500, and the connection comes to its end, whether the client closes its side (odd lengths) or says no more.
#![no_main]

use std::time::Duration;

use dm::transport::serve::{self, Limits};
use libfuzzer_sys::fuzz_target;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

mod master;

/// More than all times of the port's own limits together.
const END: Duration = Duration::from_secs(1000);

fuzz_target!(|data: &[u8]| {
    master::run(|router| async move {
        let (client, server) = tokio::io::duplex(1 << 16);
        let served = tokio::spawn(serve::one(Box::new(server), router, Limits::default()));
        let (mut reading, mut writing) = tokio::io::split(client);
        let sent = data.to_vec();
        // The port may hang up before all is sent.
        let writer = tokio::spawn(async move {
            let _ = writing.write_all(&sent).await;
            if sent.len() % 2 == 1 {
                let _ = writing.shutdown().await;
            }
            writing
        });
        let mut reply = Vec::new();
        let read = tokio::time::timeout(END, reading.read_to_end(&mut reply)).await;
        assert!(read.is_ok(), "the connection has no end");
        drop(served.await.expect("no panic"));
        drop(writer.await);
        assert!(!reply.starts_with(b"HTTP/1.1 500"), "{}", String::from_utf8_lossy(&reply));
        // What the client wrote itself may come back, and `config export` shows what is stored.
        let has = |bytes: &[u8], part: &str| bytes.windows(part.len()).any(|window| window == part.as_bytes());
        let shown = reply.starts_with(b"HTTP/1.1") && has(&reply, master::PASSWORD);
        assert!(!shown || has(data, master::PASSWORD) || has(data, "Configs"), "a stored password is shown");
    });
});
