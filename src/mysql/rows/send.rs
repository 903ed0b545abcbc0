//! Statements in parts, of any length, which are never put together.

use std::io;

use mysql_async::Error;
use tokio::{
    io::{AsyncWrite, AsyncWriteExt},
    time::timeout,
};

use super::{COM_QUERY, LONGEST_PACKET, RowConn, is_end, length, server_error, to_error};

/// What is longer goes out by itself.
const SMALL: usize = 8 << 10;

/// Of the status in an answer's last packet: another answer follows.
const MORE_RESULTS: u16 = 8;

impl RowConn {
    /// Runs statements in order up to the first that fails, and passes over what they return. The parts one behind the other
    /// are the text.
    pub async fn run(&mut self, parts: &[&[u8]]) -> Result<(), Error> {
        if self.broken || self.in_rows {
            return Err(self.failed(io::Error::from(io::ErrorKind::NotConnected).into()));
        }
        let sent = timeout(self.limit, write(&mut self.socket, COM_QUERY, parts)).await;
        sent.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())).map_err(|e| self.failed(e.into()))?;
        while self.pass_answer().await? {}
        Ok(())
    }

    /// Passes over one answer; whether another follows.
    async fn pass_answer(&mut self) -> Result<bool, Error> {
        let place = self.packet().await?;
        let payload = self.bytes(&place);
        let columns = match payload.first() {
            Some(0) => return Ok(more_behind(status_of_ok(payload))),
            Some(0xff) => {
                let error = to_error(server_error(&bytes::Bytes::copy_from_slice(payload)));
                return Err(self.failed(error));
            }
            _ => length(payload).map(|(columns, _)| columns),
        };
        let Some(columns) = columns else { return Err(self.violated()) };
        for _ in 0..=columns {
            self.packet().await?;
        }
        loop {
            let place = self.packet().await?;
            let payload = self.bytes(&place);
            if is_end(payload) {
                return Ok(more_behind(payload.get(3..5).and_then(|status| status.first_chunk().copied())));
            }
            if payload.first() == Some(&0xff) {
                let error = to_error(server_error(&bytes::Bytes::copy_from_slice(payload)));
                return Err(self.failed(error));
            }
        }
    }
}

fn more_behind(status: Option<[u8; 2]>) -> bool {
    status.is_some_and(|status| u16::from_le_bytes(status) & MORE_RESULTS != 0)
}

/// Behind the affected rows and the last id, which are written as a field's length is.
fn status_of_ok(payload: &[u8]) -> Option<[u8; 2]> {
    let rest = payload.get(1..)?;
    let rest = rest.get(length(rest)?.1..)?;
    let rest = rest.get(length(rest)?.1..)?;
    rest.first_chunk().copied()
}

async fn write(socket: &mut (impl AsyncWrite + Unpin), command: u8, parts: &[&[u8]]) -> io::Result<()> {
    let mut left = 1 + parts.iter().map(|part| part.len()).sum::<usize>();
    let command = [command];
    let mut part = &command[..];
    let mut parts = parts.iter().copied();
    let mut sequence = 0u8;
    let mut small = Vec::with_capacity(SMALL);
    loop {
        let length = left.min(LONGEST_PACKET);
        let bytes = (length as u32).to_le_bytes();
        small.extend_from_slice(&[bytes[0], bytes[1], bytes[2], sequence]);
        sequence = sequence.wrapping_add(1);
        let mut wanted = length;
        while wanted > 0 {
            if part.is_empty() {
                part = parts.next().unwrap_or_default();
                continue;
            }
            let (now, later) = part.split_at(part.len().min(wanted));
            (part, wanted) = (later, wanted - now.len());
            if small.len() + now.len() > SMALL {
                socket.write_all(&small).await?;
                small.clear();
            }
            if now.len() > SMALL {
                socket.write_all(now).await?;
            } else {
                small.extend_from_slice(now);
            }
        }
        left -= length;
        // A packet of the greatest length says that another one follows, if need be an empty one.
        if length < LONGEST_PACKET {
            socket.write_all(&small).await?;
            return socket.flush().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::binlog::wire::frames;

    #[tokio::test]
    async fn parts_become_packets_of_any_length() {
        let long = vec![b'x'; LONGEST_PACKET - 7];
        let mut out = Vec::new();
        write(&mut out, 3, &[b"abc", &long, b"", b"end"]).await.unwrap();
        let text = [&b"\x03abc"[..], &long, b"end"].concat();
        assert_eq!(out, frames(&[&text, b""]));
        let more = vec![b'y'; 100_000];
        out.clear();
        write(&mut out, 3, &[&long, &more, b"z"]).await.unwrap();
        let text = [&b"\x03"[..], &long, &more, b"z"].concat();
        assert_eq!(out, frames(&[&text[..LONGEST_PACKET], &text[LONGEST_PACKET..]]));
    }

    #[test]
    fn answers_say_whether_another_follows() {
        assert!(more_behind(status_of_ok(b"\0\x01\xfc\x01\x02\x08\0\0\0")));
        assert!(!more_behind(status_of_ok(b"\0\x01\0\x02\0\0\0")));
        assert_eq!(status_of_ok(b"\0\x01\xfc\x01"), None);
    }
}
