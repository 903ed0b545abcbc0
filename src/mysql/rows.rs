//! A connection that reads: rows of the text protocol as the server sent them, without a value being built of each field.
//!
//! A driver makes a vector of owned values of every row; to copy tables that costs more than everything else together.

mod send;

use std::{io, net::SocketAddr, ops::Range, time::Duration};

use mysql_async::{DriverError, Error, ServerError};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    time::timeout,
};

use super::{
    binlog::{
        login::login,
        wire::{Socket, WireError, server_error},
    },
    connect::{ConnectOptions, connect_error, resolve, set_statement},
};
use crate::{
    config::DbConfig,
    error::{Result, Scope},
};

const COM_QUERY: u8 = 0x03;
const COM_PING: u8 = 0x0e;

/// A longer payload goes on in the next packet.
const LONGEST_PACKET: usize = 0xff_ffff;

/// Bytes read at once; a longer packet makes the buffer as long as itself while it is there.
const BUFFER: usize = 256 << 10;

/// A row longer than this is not the protocol's.
const LARGEST_ROW: usize = (1 << 30) + (1 << 20);

/// One connection.
pub struct RowConn {
    socket: Box<dyn Socket>,
    buffer: Vec<u8>,
    /// What is received and not used yet.
    filled: Range<usize>,
    /// A row of several packets.
    joined: Vec<u8>,
    sequence: u8,
    /// The server may be silent for so long.
    limit: Duration,
    /// Rows of a query are still to come.
    in_rows: bool,
    broken: bool,
}

/// Where a payload lies.
enum Place {
    Buffer(Range<usize>),
    Joined,
}

/// A small result, as text; None is NULL.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TextRows {
    pub names: Vec<String>,
    pub rows: Vec<Vec<Option<Vec<u8>>>>,
}

impl TextRows {
    /// A field as text; empty: NULL, absent, or no text.
    pub fn text(&self, row: usize, column: usize) -> String {
        let field = self.rows.get(row).and_then(|row| row.get(column)?.as_deref());
        field.and_then(|bytes| std::str::from_utf8(bytes).ok()).unwrap_or_default().to_owned()
    }

    /// The place of a column.
    pub fn column(&self, name: &str) -> Option<usize> {
        self.names.iter().position(|own| own.eq_ignore_ascii_case(name))
    }
}

impl RowConn {
    /// Connects and logs in: utf8mb4, then the session variables of `cfg` and `session`. `limit` is for each answer later.
    /// Errors: 10001 as of every connection.
    pub async fn connect(
        cfg: &DbConfig,
        side: Scope,
        session: &[(String, String)],
        limit: Duration,
    ) -> Result<RowConn> {
        let options = ConnectOptions { session: session.iter().cloned().collect(), ..ConnectOptions::default() };
        let refused = |cause: String| connect_error(cfg, side, cause);
        let ips = resolve(cfg, options.connect_timeout).await.map_err(refused)?;
        let addresses: Vec<SocketAddr> = ips.into_iter().map(|ip| SocketAddr::new(ip, cfg.port)).collect();
        let logged_in = login(cfg, &addresses, options.connect_timeout).await;
        let packets = logged_in.map_err(|e| refused(super::binlog::stream::login_cause(cfg, e)))?;
        let mut conn = RowConn::over(packets.into_socket(), limit);
        for sql in std::iter::once("SET NAMES utf8mb4".to_owned()).chain(set_statement(cfg, &options.session)?) {
            conn.execute(&sql).await.map_err(|e| refused(super::error::cause(&e)))?;
        }
        Ok(conn)
    }

    fn over(socket: Box<dyn Socket>, limit: Duration) -> RowConn {
        RowConn {
            socket,
            buffer: vec![0; BUFFER],
            filled: 0..0,
            joined: Vec::new(),
            sequence: 0,
            limit,
            in_rows: false,
            broken: false,
        }
    }

    /// The connection, or what it was asked last, can't be used any more.
    pub fn is_broken(&self) -> bool {
        self.broken
    }

    /// Runs a statement; rows of it are passed over.
    pub async fn execute(&mut self, sql: &str) -> std::result::Result<(), Error> {
        self.query(sql).await?;
        while self.next().await?.is_some() {}
        Ok(())
    }

    /// Whether the server still answers.
    pub async fn ping(&mut self) -> std::result::Result<(), Error> {
        self.command(COM_PING, &[]).await?;
        self.answer().await.map(|_| ())
    }

    /// All rows of a small result.
    pub async fn rows(&mut self, sql: &str) -> std::result::Result<TextRows, Error> {
        let mut out = TextRows { names: self.query(sql).await?, rows: Vec::new() };
        while let Some(row) = self.next().await? {
            let fields: Option<Vec<_>> = Fields(row).map(|f| f.map(|f| f.map(<[u8]>::to_vec))).collect();
            out.rows.push(fields.ok_or_else(malformed)?);
        }
        Ok(out)
    }

    /// Sends a query and returns the names of its columns; [`RowConn::next`] gives its rows.
    pub async fn query(&mut self, sql: &str) -> std::result::Result<Vec<String>, Error> {
        self.command(COM_QUERY, sql.as_bytes()).await?;
        let Some(columns) = self.answer().await? else { return Ok(Vec::new()) };
        let mut names = Vec::with_capacity(columns.min(4096));
        for _ in 0..columns {
            let place = self.packet().await?;
            // Catalogue, schema, table, original table, name.
            let name = Fields(self.bytes(&place)).nth(4).flatten().flatten().unwrap_or_default();
            names.push(String::from_utf8_lossy(name).into_owned());
        }
        let place = self.packet().await?;
        if !is_end(self.bytes(&place)) {
            return Err(self.violated());
        }
        self.in_rows = true;
        Ok(names)
    }

    /// The next row's payload: its fields one after the other, see [`Fields`]. None behind the last.
    pub async fn next(&mut self) -> std::result::Result<Option<&[u8]>, Error> {
        if !self.in_rows {
            return Ok(None);
        }
        let place = match self.take() {
            Ok(Some(place)) => place,
            _ => self.packet().await?,
        };
        let payload = self.bytes(&place);
        match payload.first() {
            Some(0xff) => {
                let error = to_error(server_error(&bytes::Bytes::copy_from_slice(payload)));
                self.in_rows = false;
                Err(self.failed(error))
            }
            Some(0xfe) if is_end(payload) => {
                self.in_rows = false;
                Ok(None)
            }
            _ => Ok(Some(self.bytes(&place))),
        }
    }

    /// Passes over the rows that are left, so that the connection can be asked something else.
    pub async fn finish(&mut self) -> std::result::Result<(), Error> {
        while self.next().await?.is_some() {}
        Ok(())
    }

    async fn command(&mut self, command: u8, arguments: &[u8]) -> std::result::Result<(), Error> {
        if self.broken || self.in_rows {
            return Err(self.failed(io::Error::from(io::ErrorKind::NotConnected).into()));
        }
        if arguments.len() + 1 >= LONGEST_PACKET {
            return Err(Error::Driver(DriverError::PacketTooLarge));
        }
        let length = ((arguments.len() + 1) as u32).to_le_bytes();
        let mut packet = Vec::with_capacity(arguments.len() + 5);
        packet.extend_from_slice(&[length[0], length[1], length[2], 0, command]);
        packet.extend_from_slice(arguments);
        let sent = async {
            self.socket.write_all(&packet).await?;
            self.socket.flush().await
        };
        let done = timeout(self.limit, sent).await.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        done.map_err(|e| self.failed(e.into()))
    }

    /// The first packet of an answer: None for OK, else the number of columns.
    async fn answer(&mut self) -> std::result::Result<Option<usize>, Error> {
        let place = self.packet().await?;
        let payload = self.bytes(&place);
        match payload.first() {
            Some(0) => Ok(None),
            Some(0xff) => {
                let error = to_error(server_error(&bytes::Bytes::copy_from_slice(payload)));
                Err(self.failed(error))
            }
            _ => match length(payload) {
                Some((columns, _)) => Ok(Some(columns)),
                None => Err(self.violated()),
            },
        }
    }

    fn bytes(&self, place: &Place) -> &[u8] {
        match place {
            Place::Buffer(range) => self.buffer.get(range.clone()).unwrap_or_default(),
            Place::Joined => &self.joined,
        }
    }

    async fn packet(&mut self) -> std::result::Result<Place, Error> {
        loop {
            if let Some(place) = self.take()? {
                return Ok(place);
            }
            self.fill().await?;
        }
    }

    /// A payload that is there already.
    fn take(&mut self) -> std::result::Result<Option<Place>, Error> {
        let mut joining = false;
        let mut at = self.filled.start;
        loop {
            let Some(&[a, b, c, sequence]) = self.buffer[at..self.filled.end].first_chunk::<4>() else {
                return Ok(None);
            };
            let length = usize::from(a) | usize::from(b) << 8 | usize::from(c) << 16;
            let end = at + 4 + length;
            if end > self.filled.end {
                return Ok(None);
            }
            if length < LONGEST_PACKET && !joining {
                self.sequence = sequence.wrapping_add(1);
                self.filled.start = end;
                return Ok(Some(Place::Buffer(at + 4..end)));
            }
            // The packets of one row are joined when the last of them is there.
            joining = true;
            at = end;
            if length < LONGEST_PACKET {
                self.join(end);
                return Ok(Some(Place::Joined));
            }
            if at - self.filled.start > LARGEST_ROW {
                return Err(self.violated());
            }
        }
    }

    fn join(&mut self, end: usize) {
        self.joined.clear();
        self.joined.reserve_exact(end - self.filled.start);
        let mut at = self.filled.start;
        while at < end {
            let to = end.min(at + 4 + LONGEST_PACKET);
            self.joined.extend_from_slice(&self.buffer[at + 4..to]);
            at = to;
        }
        self.filled.start = end;
    }

    /// Waits for more bytes.
    async fn fill(&mut self) -> std::result::Result<(), Error> {
        self.make_room();
        let room = &mut self.buffer[self.filled.end..];
        let read = timeout(self.limit, self.socket.read(room)).await;
        match read.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into())) {
            Ok(0) => Err(self.failed(io::Error::from(io::ErrorKind::UnexpectedEof).into())),
            Ok(read) => {
                self.filled.end += read;
                Ok(())
            }
            Err(e) => Err(self.failed(e.into())),
        }
    }

    fn make_room(&mut self) {
        let waiting = self.filled.len();
        if waiting == 0 {
            self.filled = 0..0;
            if self.buffer.len() > BUFFER * 4 {
                self.buffer = vec![0; BUFFER];
                self.joined = Vec::new();
            }
        } else if self.filled.end == self.buffer.len() || self.filled.start > self.buffer.len() / 2 {
            self.buffer.copy_within(self.filled.clone(), 0);
            self.filled = 0..waiting;
        }
        if self.filled.end < self.buffer.len() {
            return;
        }
        // A packet that is longer than the buffer: room for what is known of it.
        let next = self
            .buffer
            .first_chunk::<3>()
            .map_or(0, |[a, b, c]| 4 + (usize::from(*a) | usize::from(*b) << 8 | usize::from(*c) << 16));
        let wanted = if next > waiting { next + 4 } else { waiting + waiting / 2 };
        self.buffer.resize(wanted.max(waiting + BUFFER), 0);
    }

    /// Remembers that an error ends the connection, if it does.
    fn failed(&mut self, error: Error) -> Error {
        self.broken |= super::is_connection_lost(&error) || matches!(error, Error::Driver(_));
        error
    }

    fn violated(&mut self) -> Error {
        self.broken = true;
        malformed()
    }
}

/// What is said of bytes that are no row.
pub fn malformed() -> Error {
    Error::Driver(DriverError::PacketOutOfOrder)
}

fn to_error(error: WireError) -> Error {
    match error {
        WireError::Server(code, state, message) => Error::Server(ServerError { code, message, state }),
        WireError::Io(io) => io.into(),
        _ => malformed(),
    }
}

/// The packet behind the columns and behind the rows.
fn is_end(payload: &[u8]) -> bool {
    payload.first() == Some(&0xfe) && payload.len() < 9
}

/// A length and how many bytes tell it. None: no length.
fn length(bytes: &[u8]) -> Option<(usize, usize)> {
    let number = |bytes: &[u8]| bytes.iter().rev().fold(0u64, |sum, b| sum << 8 | u64::from(*b));
    let (value, used) = match *bytes.first()? {
        short @ 0..=0xfa => (u64::from(short), 1),
        0xfc => (number(bytes.get(1..3)?), 3),
        0xfd => (number(bytes.get(1..4)?), 4),
        0xfe => (number(bytes.get(1..9)?), 9),
        _ => return None,
    };
    Some((usize::try_from(value).ok()?, used))
}

/// The fields of a row's payload: `Some(None)` is NULL; None in the place of a field: the bytes are no row.
pub struct Fields<'a>(pub &'a [u8]);

impl<'a> Iterator for Fields<'a> {
    type Item = Option<Option<&'a [u8]>>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        let first = *self.0.first()?;
        if first == 0xfb {
            self.0 = &self.0[1..];
            return Some(Some(None));
        }
        let field = length(self.0).and_then(|(length, used)| {
            let rest = self.0.get(used..)?;
            rest.split_at_checked(length)
        });
        let Some((field, rest)) = field else {
            self.0 = &[];
            return Some(None);
        };
        self.0 = rest;
        Some(Some(Some(field)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::binlog::wire::frames;

    const SECOND: Duration = Duration::from_secs(5);

    /// A server's answer to a query: one column, these rows, the end.
    fn result(rows: &[&[u8]]) -> Vec<u8> {
        let column: &[u8] = b"\x03def\x00\x00\x00\x01a\x01a\x0c\x3f\0\0\0\0\0\xfd\0\0\0\0\0";
        let mut payloads = vec![&b"\x01"[..], column, b"\xfe\0\0\x02\0"];
        payloads.extend(rows);
        payloads.push(b"\xfe\0\0\x02\0");
        frames(&payloads)
    }

    async fn answering(bytes: Vec<u8>) -> RowConn {
        let (client, mut server) = tokio::io::duplex(100_000);
        tokio::spawn(async move {
            let mut asked = [0u8; 64];
            let _ = server.read(&mut asked).await;
            let _ = server.write_all(&bytes).await;
            // The connection stays open.
            let _ = server.read(&mut asked).await;
        });
        RowConn::over(Box::new(client), SECOND)
    }

    #[tokio::test]
    async fn rows_come_as_they_were_sent() {
        let mut conn = answering(result(&[b"\x021\x32", b"\xfb", b"\0"])).await;
        let rows = conn.rows("SELECT a").await.unwrap();
        assert_eq!(rows.names, ["a"]);
        assert_eq!(rows.rows, [[Some(b"12".to_vec())], [None], [Some(vec![])]]);
        assert!(conn.next().await.unwrap().is_none() && !conn.is_broken());
    }

    #[tokio::test]
    async fn rows_of_several_packets_are_joined() {
        let mut row = vec![0xfe];
        row.extend_from_slice(&((LONGEST_PACKET + 100) as u64).to_le_bytes());
        row.extend(vec![b'x'; LONGEST_PACKET + 100]);
        let (first, second) = row.split_at(LONGEST_PACKET);
        let mut conn = answering(result(&[first, second, b"\x01y"])).await;
        conn.query("SELECT a").await.unwrap();
        let payload = conn.next().await.unwrap().unwrap().to_vec();
        assert_eq!(payload, row);
        let lengths: Vec<usize> = Fields(&payload).map(|f| f.unwrap().unwrap().len()).collect();
        assert_eq!(lengths, [LONGEST_PACKET + 100]);
        assert_eq!(conn.next().await.unwrap().unwrap(), b"\x01y");
        assert!(conn.next().await.unwrap().is_none());
    }

    #[tokio::test]
    async fn an_error_among_rows_ends_them_and_a_closed_connection_is_lost() {
        let failed = frames(&[
            b"\x01",
            b"\x03def\x00\x00\x00\x01a\x01a",
            b"\xfe\0\0\x02\0",
            b"\x01z",
            b"\xff\x25\x05#70100interrupted",
        ]);
        let mut conn = answering(failed).await;
        conn.query("SELECT a").await.unwrap();
        assert!(conn.next().await.unwrap().is_some());
        assert!(matches!(conn.next().await, Err(Error::Server(e)) if e.code == 1317 && e.state == "70100"));
        assert!(!conn.is_broken() && conn.next().await.unwrap().is_none());
        assert!(conn.ping().await.is_err() && conn.is_broken());
    }

    #[test]
    fn bytes_that_are_no_row() {
        assert_eq!(Fields(b"\x05ab").collect::<Vec<_>>(), [None]);
        assert_eq!(Fields(b"\xfc\x01").collect::<Vec<_>>(), [None]);
        assert_eq!(Fields(b"\x01a\xfb").collect::<Vec<_>>(), [Some(Some(&b"a"[..])), Some(None)]);
    }
}
