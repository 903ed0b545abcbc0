//! The source stage: reads the binlog stream, opens it again once when it breaks, and marks transactions.

use std::{sync::Arc, time::Duration};

use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    counters::Counters,
    memory::Budgets,
    missing,
    outlet::Outlet,
    replay,
    transaction::{Assembler, Output},
    unmigrated::Unmigrated,
    xa::OpenXa,
};
use crate::{
    config::SubtaskConfig,
    error::DmError,
    mysql::{
        binlog::{
            event::Event,
            stream::{BinlogStream, StartPoint, StreamOptions},
        },
        position::Location,
    },
    units::failpoint::{self, Place},
};

/// A second break within this time ends the run (behaviours.md 4).
pub const BREAK_PAUSE: Duration = Duration::from_secs(60);
pub const REOPEN_PAUSE: Duration = Duration::from_secs(1);

/// Events that are handed on together at most, and their bytes.
pub const ITEMS: usize = 256;
pub const ITEM_BYTES: usize = 256 << 10;

/// A source's first event comes at once. MariaDB first ends an earlier stream of the same server id, and waits for that as
/// long as it can't be written to: until the source's `net_write_timeout`, when the replica was cut off.
const FIRST_EVENT: Duration = Duration::from_secs(2);

/// Where server ids are drawn from when the source's own is taken (config facts 4: `server-id`).
const SERVER_IDS: std::ops::Range<u32> = 429_496_729..429_596_729;

/// Whether the source ended the stream because another replica came with our server id (both flavours' words).
fn is_id_taken(error: &DmError) -> bool {
    error.raw_cause().contains("same server_uuid/server_id")
}

/// The stage's parts.
pub struct SourceTask {
    pub config: Arc<SubtaskConfig>,
    pub start: Location,
    /// XA transactions that are prepared there.
    pub open_xa: OpenXa,
    pub outlet: Outlet,
    pub unmigrated: Unmigrated,
    pub counters: Arc<Counters>,
    /// End at the next boundary.
    pub stop: CancellationToken,
}

impl SourceTask {
    /// Reads until stopped.
    pub async fn run(mut self) -> Result<(), DmError> {
        let kept = Budgets::of(self.config.syncer.memory_limit).unsettled();
        let mut assembler = Assembler::new(self.start.clone(), self.open_xa.clone(), kept);
        let mut server_id = self.config.server_id;
        let mut stream = self.open(&self.start, server_id).await?;
        let mut broken: Option<Instant> = None;
        let mut out = Vec::new();
        let mut opened = true;
        loop {
            let asked = Instant::now();
            let event = tokio::select! {
                event = stream.next() => event,
                () = self.stop.cancelled(), if assembler.at_boundary() => return Ok(()),
                () = tokio::time::sleep(FIRST_EVENT), if opened => {
                    (server_id, opened) = (another_server_id(), false);
                    let at = assembler.resume_at();
                    tracing::warn!(location = %at, server_id, "the source sends nothing: asking as another replica");
                    stream = self.open(&at, server_id).await?;
                    continue;
                }
            };
            opened = false;
            let event = match event {
                Ok(event) => event,
                Err(error) => {
                    if is_id_taken(&error) {
                        // Two tasks of one source begin with the id of its config: the later one took it from us.
                        server_id = another_server_id();
                    } else if missing::is_refusal(&error) {
                        return Err(missing::explained(&self.config, &assembler.resume_at(), error).await);
                    } else if broken.is_some_and(|at| at.elapsed() < BREAK_PAUSE) {
                        return Err(error);
                    } else {
                        broken = Some(Instant::now());
                    }
                    let at = assembler.resume_at();
                    tracing::warn!(error = %error, location = %at, "reset replication binlog puller");
                    tokio::time::sleep(REOPEN_PAUSE).await;
                    stream = self.open(&at, server_id).await?;
                    // A transaction that was under way comes again from its beginning; `translate` knows it.
                    assembler.resume(at);
                    opened = true;
                    continue;
                }
            };
            let waited = asked.elapsed();
            self.gather(event, waited, &mut stream, &mut assembler, &mut out)?;
            self.hand_on(&mut out).await?;
            if self.stop.is_cancelled() && assembler.at_boundary() {
                return Ok(());
            }
        }
    }

    /// Takes an event, and those that came with it: one message to the next stage for all of them.
    fn gather(
        &mut self,
        first: Event,
        waited: Duration,
        stream: &mut BinlogStream,
        assembler: &mut Assembler,
        out: &mut Vec<Output>,
    ) -> Result<(), DmError> {
        let (mut next, mut events, mut bytes, mut newest) = (Some(first), 0, 0, 0);
        while let Some(event) = next {
            events += 1;
            failpoint::pass(&self.config.name, Place::SourceEvent)?;
            bytes += event.header.event_size as usize;
            if !event.body.is_about_the_file() && event.header.timestamp > 0 {
                newest = event.header.timestamp;
            }
            let before = out.len();
            assembler.next(event, out)?;
            if let Some((kind, took)) = self.unmigrated.leave_out(out, before) {
                self.counters.rows_event(kind, 0, false, took);
            }
            let full = out.len() >= ITEMS || bytes >= ITEM_BYTES;
            let ended = self.stop.is_cancelled() && assembler.at_boundary();
            next = if full || ended { None } else { stream.ready() };
        }
        self.counters.read(events, bytes as u64, newest, waited);
        Ok(())
    }

    /// In lots: the end of a large transaction hands on all that was kept of it.
    async fn hand_on(&self, out: &mut Vec<Output>) -> Result<(), DmError> {
        let (mut items, mut bytes) = (Vec::with_capacity(out.len().min(2 * ITEMS)), 0);
        for output in out.drain(..) {
            match output {
                Output::Item(item) => {
                    bytes += item.weight();
                    items.push(item);
                    if items.len() < 2 * ITEMS && bytes < 2 * ITEM_BYTES {
                        continue;
                    }
                    self.outlet.send(std::mem::take(&mut items), bytes).await?;
                }
                Output::Replay(replay) => {
                    self.outlet.send(std::mem::take(&mut items), bytes).await?;
                    replay::run(&self.config, replay, &self.outlet, &self.counters).await?;
                }
            }
            bytes = 0;
        }
        if items.is_empty() { Ok(()) } else { self.outlet.send(items, bytes).await }
    }

    async fn open(&self, at: &Location, server_id: u32) -> Result<BinlogStream, DmError> {
        failpoint::pass(&self.config.name, Place::SourceBeforeOpen)?;
        open(&self.config, at, server_id).await
    }
}

/// The source's binlog from a place on: by GTIDs where it has them.
pub async fn open(config: &SubtaskConfig, at: &Location, server_id: u32) -> Result<BinlogStream, DmError> {
    let start = match &at.gtid_set {
        Some(set) => StartPoint::Gtid(set.clone()),
        None => StartPoint::Position(at.position.clone()),
    };
    let silence = config.from.stream_limit();
    let options = StreamOptions {
        heartbeat_period: silence / 2,
        read_timeout: silence,
        largest_event: Budgets::of(config.syncer.memory_limit).largest_event(),
        ..StreamOptions::default()
    };
    BinlogStream::open(&config.from, server_id, config.flavor, start, options).await
}

/// An id for a connection beside the task's own.
pub fn another_server_id() -> u32 {
    rand::random_range(SERVER_IDS)
}
