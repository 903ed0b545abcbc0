//! The replication connection.

use std::{collections::VecDeque, time::Duration};

use super::{Event, EventDecoder};
use crate::{
    config::{DbConfig, Flavor},
    error::{Code, DmError, Result},
    mysql::{gtid::GtidSet, position::BinlogPosition},
};

/// Where a stream begins.
#[derive(Clone, PartialEq, Debug)]
pub enum StartPoint {
    /// At this event.
    Position(BinlogPosition),
    /// At the first transaction that is not in the set.
    Gtid(GtidSet),
}

/// Limits of a stream.
#[derive(Clone, Debug)]
pub struct StreamOptions {
    /// Connecting, logging in, and each statement before the stream.
    pub connect_timeout: Duration,
    /// The source sends a heartbeat when it has nothing else for so long.
    pub heartbeat_period: Duration,
    /// Nothing at all, not even a heartbeat, for so long: the connection counts as lost.
    pub read_timeout: Duration,
    /// Keep the texts of statements behind row events.
    pub statement_texts: bool,
}

impl Default for StreamOptions {
    fn default() -> Self {
        StreamOptions {
            connect_timeout: Duration::from_secs(30),
            heartbeat_period: Duration::from_secs(30),
            read_timeout: Duration::from_secs(60),
            statement_texts: false,
        }
    }
}

/// A source's binlog from one point on.
pub struct BinlogStream {
    decoder: EventDecoder,
    ready: VecDeque<Event>,
}

impl BinlogStream {
    /// Connects as a replica with `server_id` and asks for the binlog from `start` on.
    pub async fn open(
        _cfg: &DbConfig,
        _server_id: u32,
        _flavor: Flavor,
        _start: StartPoint,
        _options: StreamOptions,
    ) -> Result<BinlogStream> {
        Err(DmError::new(Code::DBUnExpect).msg("the binlog stream comes with the next merge"))
    }

    /// The next event, heartbeats included; waits for one at most `read_timeout`.
    pub async fn next(&mut self) -> Result<Event> {
        self.ready.pop_front().ok_or_else(|| DmError::new(Code::DBInvalidConn))
    }

    /// The file and the end of the last event returned by the source.
    pub fn position(&self) -> &BinlogPosition {
        self.decoder.position()
    }
}
