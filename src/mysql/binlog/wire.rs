//! Packets of the client protocol over one connection: framing, errors, and statements that return no rows.

use std::{io, time::Duration};

use bytes::{Buf, Bytes, BytesMut};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::cursor::{Cursor, Parsed};

/// A longer payload goes on in the next packet.
const LONGEST_PACKET: usize = 0xff_ffff;

/// Bytes read at once.
const CHUNK: usize = 128 << 10;

/// The largest payload a server sends (its own limit of an event).
const LARGEST_PAYLOAD: usize = (1 << 30) + (1 << 20);

pub(in crate::mysql) trait Socket: AsyncRead + AsyncWrite + Send + Sync + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Sync + Unpin> Socket for T {}

/// Why an exchange failed.
#[derive(Debug)]
pub(in crate::mysql) enum WireError {
    Io(io::Error),
    /// Number, state and text of the server's answer.
    Server(u16, String, String),
    /// The server said something that is not the protocol, or asked for what can't be given.
    Protocol(String),
    Tls(String),
    /// An event of so many bytes is larger than allowed.
    TooLarge(u64, u64),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        WireError::Io(error)
    }
}

pub(in crate::mysql) type Wire<T> = Result<T, WireError>;

/// One connection.
pub(in crate::mysql) struct PacketStream {
    socket: Box<dyn Socket>,
    buffer: BytesMut,
    /// Payloads of packets that go on.
    partial: BytesMut,
    sequence: u8,
    largest_event: u64,
}

impl PacketStream {
    pub fn new(socket: Box<dyn Socket>) -> Self {
        PacketStream { socket, buffer: BytesMut::new(), partial: BytesMut::new(), sequence: 0, largest_event: u64::MAX }
    }

    /// The socket itself, to wrap it in TLS; nothing may be buffered.
    pub fn into_socket(self) -> Box<dyn Socket> {
        self.socket
    }

    /// What follows are events of a binlog stream; larger ones are refused before they are received.
    pub fn limit_events(&mut self, bytes: u64) {
        self.largest_event = bytes;
    }

    /// The number of the next packet.
    pub fn sequence(&self) -> u8 {
        self.sequence
    }

    pub fn with_sequence(mut self, sequence: u8) -> Self {
        self.sequence = sequence;
        self
    }

    /// The next payload. Safe to drop while it waits: what was read stays.
    pub async fn read(&mut self, limit: Duration) -> Wire<Bytes> {
        loop {
            if let Some(payload) = self.buffered()? {
                return Ok(payload);
            }
            self.fill(limit).await?;
        }
    }

    /// Waits for more bytes. Safe to drop.
    pub async fn fill(&mut self, limit: Duration) -> Wire<()> {
        let read = timeout(limit, self.socket.read_buf(&mut self.buffer));
        match read.await.map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?? {
            0 => Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            _ => Ok(()),
        }
    }

    /// A payload that is in the buffer already; else makes room for more.
    pub fn buffered(&mut self) -> Wire<Option<Bytes>> {
        loop {
            if self.buffer.len() < 4 {
                self.buffer.reserve(CHUNK);
                return Ok(None);
            }
            let length =
                usize::from(self.buffer[0]) | usize::from(self.buffer[1]) << 8 | usize::from(self.buffer[2]) << 16;
            if self.partial.is_empty() {
                self.check_size(length)?;
            }
            if self.buffer.len() < 4 + length {
                self.buffer.reserve((4 + length - self.buffer.len()).max(CHUNK));
                return Ok(None);
            }
            self.sequence = self.buffer[3].wrapping_add(1);
            self.buffer.advance(4);
            let payload = self.buffer.split_to(length);
            if length < LONGEST_PACKET && self.partial.is_empty() {
                return Ok(Some(payload.freeze()));
            }
            if self.partial.len() + length > LARGEST_PAYLOAD {
                return Err(WireError::Protocol("the server sent a packet beyond 1 GiB".into()));
            }
            if self.partial.is_empty() {
                // Once, and as long as the event will be: growing by doubling would take twice as much.
                let stated =
                    payload.get(10..14).and_then(|size| size.first_chunk()).map_or(0, |s| u32::from_le_bytes(*s));
                self.partial.reserve((stated as usize + 1).clamp(length, LARGEST_PAYLOAD));
            }
            self.partial.extend_from_slice(&payload);
            if length < LONGEST_PACKET {
                return Ok(Some(std::mem::take(&mut self.partial).freeze()));
            }
        }
    }

    /// The size of the event that begins in the buffer, as its header tells it behind the packet's first byte.
    fn check_size(&mut self, length: usize) -> Wire<()> {
        let stated = self.buffer.get(4 + 1 + 9..4 + 1 + 13).and_then(|size| size.first_chunk());
        let size =
            if length < LONGEST_PACKET { length as u64 } else { stated.map_or(0, |s| u32::from_le_bytes(*s).into()) };
        if size > self.largest_event {
            return Err(WireError::TooLarge(size, self.largest_event));
        }
        Ok(())
    }

    /// Sends one payload (shorter than 16 MiB).
    pub async fn write(&mut self, payload: &[u8]) -> Wire<()> {
        if payload.len() >= LONGEST_PACKET {
            return Err(WireError::Protocol("the GTID set is too long for one packet".into()));
        }
        let length = (payload.len() as u32).to_le_bytes();
        let mut packet = Vec::with_capacity(payload.len() + 4);
        packet.extend_from_slice(&[length[0], length[1], length[2], self.sequence]);
        packet.extend_from_slice(payload);
        self.sequence = self.sequence.wrapping_add(1);
        self.socket.write_all(&packet).await?;
        Ok(self.socket.flush().await?)
    }

    /// Sends a command: its byte, then its arguments.
    pub async fn command(&mut self, command: u8, arguments: &[u8]) -> Wire<()> {
        self.sequence = 0;
        let mut payload = Vec::with_capacity(arguments.len() + 1);
        payload.push(command);
        payload.extend_from_slice(arguments);
        self.write(&payload).await
    }

    /// Runs a command that is answered by OK or an error.
    pub async fn simple(&mut self, command: u8, arguments: &[u8], limit: Duration) -> Wire<()> {
        self.command(command, arguments).await?;
        let answer = self.read(limit).await?;
        match answer.first() {
            Some(0) => Ok(()),
            Some(0xff) => Err(server_error(&answer)),
            _ => Err(WireError::Protocol("the server answered a statement with rows".into())),
        }
    }
}

/// The server's error out of its packet: byte 0xff, number, then `#` and the state (not before login), then the text.
pub(in crate::mysql) fn server_error(packet: &Bytes) -> WireError {
    let parse = || -> Parsed<WireError> {
        let cursor = &mut Cursor::new(packet);
        cursor.u8()?;
        let number = cursor.u16()?;
        let rest = cursor.rest();
        let lossy = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        Ok(match rest.split_first_chunk::<6>() {
            Some((state, text)) if state[0] == b'#' => WireError::Server(number, lossy(&state[1..]), lossy(text)),
            _ => WireError::Server(number, "HY000".into(), lossy(&rest)),
        })
    };
    parse().unwrap_or_else(|_| WireError::Protocol("malformed packet".into()))
}

/// Payloads for tests of the stream: not a socket, but what one would give.
#[cfg(test)]
pub(in crate::mysql) fn frames(payloads: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    for (i, payload) in payloads.iter().enumerate() {
        let length = (payload.len() as u32).to_le_bytes();
        out.extend([length[0], length[1], length[2], i as u8]);
        out.extend(payload.iter());
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(5);

    #[tokio::test]
    async fn packets_of_16_mib_are_joined() {
        let (client, mut server) = tokio::io::duplex(1 << 20);
        let big = vec![7u8; LONGEST_PACKET];
        let sent = frames(&[&big, &[1, 2, 3], b"next"]);
        let writer = tokio::spawn(async move { server.write_all(&sent).await });
        let mut stream = PacketStream::new(Box::new(client));
        let first = stream.read(SECOND).await.unwrap();
        assert_eq!((first.len(), first.last()), (LONGEST_PACKET + 3, Some(&3)));
        assert_eq!(stream.read(SECOND).await.unwrap(), "next");
        writer.await.unwrap().unwrap();
        assert!(matches!(stream.read(SECOND).await, Err(WireError::Io(e)) if e.kind() == io::ErrorKind::UnexpectedEof));
    }

    #[tokio::test]
    async fn a_silent_server_is_given_up() {
        let (client, _server) = tokio::io::duplex(64);
        let mut stream = PacketStream::new(Box::new(client));
        let error = stream.read(Duration::from_millis(1)).await;
        assert!(matches!(error, Err(WireError::Io(e)) if e.kind() == io::ErrorKind::TimedOut));
    }

    #[test]
    fn errors_come_with_and_without_a_state() {
        let with = Bytes::from_static(b"\xff\x15\x04#28000Access denied");
        assert!(matches!(server_error(&with), WireError::Server(1045, s, t) if s == "28000" && t == "Access denied"));
        let without = Bytes::from_static(b"\xff\x10\x04Too many connections");
        assert!(matches!(server_error(&without), WireError::Server(1040, s, _) if s == "HY000"));
        assert!(matches!(server_error(&Bytes::from_static(b"\xff")), WireError::Protocol(_)));
    }
}
