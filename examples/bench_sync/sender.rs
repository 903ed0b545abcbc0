//! How fast the source's server sends its binlog to a reader that throws every byte away: what no reader can beat.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Instant,
};

use sha1::{Digest, Sha1};

use crate::{
    report::Measured,
    support::{
        process::cpu_seconds,
        servers::{PASSWORD, Server, USER},
    },
    workload::Workload,
};

/// Bytes taken at once.
const CHUNK: usize = 1 << 20;
const SERVER_ID: u32 = 4_000_000_001;

/// One turn: from the request for the stream until its end. The megabytes are those of the files, as in all parts; the server
/// sends fewer, as it leaves out the statements' texts.
pub fn turn(source: &Server, work: &Workload) -> Measured {
    let mut socket = login(source);
    simple(&mut socket, 3, b"SET @master_binlog_checksum = @@global.binlog_checksum, @mariadb_slave_capability = 4");
    let mut request = (work.pos as u32).to_le_bytes().to_vec();
    // At the end of the binlog the server says so instead of waiting.
    request.extend([1, 0]);
    request.extend(SERVER_ID.to_le_bytes());
    request.extend(work.file.as_bytes());
    let (started, source_cpu) = (Instant::now(), cpu_seconds(source.pid()));
    command(&mut socket, 0x12, &request);
    let mut chunk = vec![0; CHUNK];
    let mut sent = 0;
    loop {
        let read = socket.read(&mut chunk).unwrap();
        assert!(read > 0, "the server ended the connection");
        sent += read;
        // The packet that ends the stream: five bytes that begin with 0xfe.
        if chunk[..read].last_chunk::<9>().is_some_and(|last| last[..3] == [5, 0, 0] && last[4] == 0xfe) {
            break;
        }
    }
    eprintln!("  the server sent {:.0} MB", sent as f64 / 1e6);
    Measured {
        seconds: started.elapsed().as_secs_f64(),
        changes: work.changes,
        megabytes: work.binlog_bytes as f64 / 1e6,
        cpu: None,
        target_cpu: 0.0,
        source_cpu: cpu_seconds(source.pid()) - source_cpu,
        peak_memory: None,
    }
}

/// A connection by `mysql_native_password`, which the servers of the tests use.
fn login(source: &Server) -> TcpStream {
    let mut socket = TcpStream::connect(("127.0.0.1", source.port)).unwrap();
    let greeting = packet(&mut socket).1;
    // Version text, connection id, 8 bytes of the challenge, and behind 18 bytes of capabilities and the like 12 more.
    let behind = 1 + greeting[1..].iter().position(|byte| *byte == 0).unwrap() + 1 + 4;
    let mut challenge = greeting[behind..behind + 8].to_vec();
    challenge.extend(&greeting[behind + 8 + 1 + 18..][..12]);
    let once = Sha1::digest(PASSWORD.as_bytes());
    let mut salted = Sha1::new();
    salted.update(&challenge);
    salted.update(Sha1::digest(once));
    let answer: Vec<u8> = once.iter().zip(salted.finalize()).map(|(a, b)| a ^ b).collect();
    // Protocol 4.1, secure connection, named plugin.
    let mut login = (0x0008_8200u32 | 1).to_le_bytes().to_vec();
    login.extend([0, 0, 0, 1, 45]);
    login.extend([0; 23]);
    login.extend(USER.as_bytes());
    login.extend([0, answer.len() as u8]);
    login.extend(answer);
    login.extend(b"mysql_native_password\0");
    send(&mut socket, 1, &login);
    let reply = packet(&mut socket).1;
    assert_eq!(reply.first(), Some(&0), "{}", String::from_utf8_lossy(&reply));
    socket
}

fn simple(socket: &mut TcpStream, number: u8, arguments: &[u8]) {
    command(socket, number, arguments);
    let reply = packet(socket).1;
    assert_eq!(reply.first(), Some(&0), "{}", String::from_utf8_lossy(&reply));
}

fn command(socket: &mut TcpStream, number: u8, arguments: &[u8]) {
    let payload: Vec<u8> = std::iter::once(number).chain(arguments.iter().copied()).collect();
    send(socket, 0, &payload);
}

fn send(socket: &mut TcpStream, sequence: u8, payload: &[u8]) {
    let mut packet = (payload.len() as u32).to_le_bytes().to_vec();
    packet[3] = sequence;
    packet.extend(payload);
    socket.write_all(&packet).unwrap();
}

fn packet(socket: &mut TcpStream) -> (u8, Vec<u8>) {
    let mut head = [0; 4];
    socket.read_exact(&mut head).unwrap();
    let mut payload = vec![0; u32::from_le_bytes([head[0], head[1], head[2], 0]) as usize];
    socket.read_exact(&mut payload).unwrap();
    (head[3], payload)
}
