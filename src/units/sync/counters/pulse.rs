//! What is looked at every second: queues, rates, lag, and whether the run moves at all.

use std::{
    collections::BTreeMap,
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use super::{
    super::{
        change::Change,
        clock::{Part, Spent},
        ledger::Ledger,
        queue::LaneQueue,
        stall::{Mark, STALL},
        tables::Loaded,
    },
    Counters, lock,
};
use crate::{observe::metrics::queue_label, pb, units::senders::Senders};

/// Without an event for this long, and with nothing in flight, the source has nothing for us.
const QUIET: Duration = Duration::from_millis(500);
/// Tables that are shown.
const TOP_TABLES: usize = 10;

impl Counters {
    /// Queues whose lengths are shown: the lanes' (`q_0`..) and those before them.
    pub fn watch<T: Send + 'static>(&self, queue: &str, sender: &tokio::sync::mpsc::Sender<T>) {
        let sender = sender.downgrade();
        let length = move || sender.upgrade().map(|sender| sender.max_capacity() - sender.capacity());
        lock(&self.queues).push((queue.to_owned(), Box::new(length)));
    }

    /// The same for all lanes.
    pub fn watch_lanes(&self, lanes: &[LaneQueue<Change>]) {
        self.lanes.store(lanes.len(), Relaxed);
        for (number, lane) in lanes.iter().enumerate() {
            lock(&self.queues).push((queue_label(number), Box::new(lane.length())));
        }
    }

    /// Whose number of senders is shown.
    pub fn watch_senders(&self, senders: &Senders) {
        *lock(&self.senders) = Some(senders.clone());
    }

    /// Lanes that may have a transaction on their way at once; the last measured time of one in milliseconds, and its rows.
    fn sending(&self) -> (usize, f64, f64) {
        let senders = lock(&self.senders).clone();
        senders.map_or((0, 0.0, 0.0), |senders| senders.seen())
    }

    /// Called every second: gauges, and every 30 s the status line.
    pub fn tick(&self, seconds: u64, ledger: &Ledger) {
        let now = Instant::now();
        let heard = Duration::from_millis(self.heard.load(Relaxed));
        let quiet = self.read_at.load(Relaxed) == 0 || self.started.elapsed().saturating_sub(heard) >= QUIET;
        let queued = self.show_queues();
        let caught_up = quiet && queued == 0 && ledger.is_drained() && lock(&self.statement).is_none();
        self.idle.store(caught_up, Relaxed);
        if caught_up {
            self.durable_at.fetch_max(self.source_time(), Relaxed);
        }
        self.metrics.lag(self.lag() as f64);
        self.metrics.senders(self.sending().0);
        self.clock.tick(now);
        self.rates();
        self.look_for_stall(caught_up, now);
        if seconds.is_multiple_of(30) {
            let status = self.status();
            tracing::info!(
                task = %self.task,
                total_rows = status.total_rows,
                total_rps = status.total_rps,
                rps = status.recent_rps,
                master_position = %status.master_binlog,
                master_gtid = %status.master_binlog_gtid,
                checkpoint = %status.syncer_binlog,
                "binlog replication status"
            );
        }
    }

    /// Sets the gauges; gives the length of all queues together.
    fn show_queues(&self) -> usize {
        let mut by_name: BTreeMap<&str, usize> = BTreeMap::new();
        let queues = lock(&self.queues);
        let (mut all, mut of_lanes) = (0, 0);
        for (name, length) in queues.iter() {
            let length = length().unwrap_or_default();
            *by_name.entry(name).or_default() += length;
            all += length;
            of_lanes += if name.starts_with("q_") { length } else { 0 };
        }
        for (name, length) in by_name {
            self.metrics.queue_size(name, length);
        }
        self.metrics.queue_size("dml_worker_input", of_lanes);
        all
    }

    /// What follows from how much was done since the last tick, a second ago.
    fn rates(&self) {
        let (rows, bytes) = (self.rows(), self.read_bytes.load(Relaxed));
        let commit = self.clock.total(Part::Commit);
        let mut seen = lock(&self.seen);
        let (new_rows, busy) = (rows.saturating_sub(seen.rows), commit.saturating_sub(seen.commit).as_secs_f64());
        if new_rows > 0 && busy > 0.0 {
            // All lanes as busy as the ones that worked.
            self.metrics.ideal_qps(new_rows as f64 / busy * self.lanes.load(Relaxed).max(1) as f64);
        }
        // Smoothed: a second alone says little.
        seen.bytes_per_second = seen.bytes_per_second * 0.9 + bytes.saturating_sub(seen.bytes) as f64 * 0.1;
        (seen.rows, seen.bytes, seen.commit) = (rows, bytes, commit);
        let remaining = match (self.idle.load(Relaxed), *lock(&self.behind)) {
            (false, Some(behind)) if seen.bytes_per_second > 1.0 => behind as f64 / seen.bytes_per_second,
            _ => 0.0,
        };
        self.metrics.remaining(remaining);
    }

    fn look_for_stall(&self, caught_up: bool, now: Instant) {
        let position = lock(&self.flushed).position.clone();
        // Reading on counts as work only while no lane waits for the target: behind one that hangs the queues still fill.
        let waiting = self.committing.load(Relaxed) + self.blocked.load(Relaxed) > 0 || lock(&self.statement).is_some();
        let read = if waiting { 0 } else { self.read_bytes.load(Relaxed) };
        let mark = Mark { work: self.rows() + read, file: position.name, pos: position.pos };
        let (since, tell) = lock(&self.stall).look(mark, !caught_up, now);
        let shown = if since >= STALL { since } else { Duration::ZERO };
        self.stalled.store(shown.as_secs(), Relaxed);
        self.metrics.stalled(shown.as_secs_f64());
        if tell {
            tracing::warn!(task = %self.task, stalled = ?since, waiting_for = %self.waits_for(), "sync makes no progress");
        }
    }

    /// What a run that doesn't move waits for.
    pub(super) fn waits_for(&self) -> String {
        if let Some((sql, since)) = &*lock(&self.statement) {
            return format!("the target to run a statement since {} s: {sql}", since.elapsed().as_secs());
        }
        match (self.committing.load(Relaxed), self.blocked.load(Relaxed)) {
            (0, 0) => "the rest of a transaction of the source, or memory".to_owned(),
            (0, blocked) => format!("{blocked} lanes that wait for each other"),
            (committing, _) => format!("the target to commit transactions of {committing} lanes"),
        }
    }

    /// What `query-status --more` shows beside the status.
    pub fn more(&self) -> pb::SyncMore {
        let time = self.clock.spent_by_part(self.lanes.load(Relaxed));
        let part = |spent: Spent| pb::SyncPart {
            part: spent.part.to_owned(),
            seconds: tenth(spent.seconds),
            recent_percent: tenth(spent.percent),
        };
        let table = |loaded: Loaded| pb::SyncTable {
            table: loaded.table.to_string(),
            inserts: loaded.inserts,
            updates: loaded.updates,
            deletes: loaded.deletes,
            seconds: tenth(loaded.time.as_secs_f64()),
        };
        let stalled = self.stalled.load(Relaxed);
        // Each lock is let go of before the next is taken: in one expression all would be held to its end.
        let statement = lock(&self.statement).as_ref().map(|(sql, _)| sql.clone()).unwrap_or_default();
        let behind_bytes = (*lock(&self.behind)).unwrap_or_default();
        let waiting_for = if stalled > 0 { self.waits_for() } else { String::new() };
        let (senders, milliseconds, rows) = self.sending();
        let queues = lock(&self.queues);
        let mut lengths: BTreeMap<String, u64> = BTreeMap::new();
        for (name, length) in queues.iter() {
            *lengths.entry(name.clone()).or_default() += length().unwrap_or_default() as u64;
        }
        pb::SyncMore {
            lanes: self.lanes.load(Relaxed) as u32,
            lanes_committing: self.committing.load(Relaxed) as u32,
            lanes_waiting: self.blocked.load(Relaxed) as u32,
            statement,
            behind_bytes,
            stalled_seconds: stalled,
            waiting_for,
            time: time.into_iter().map(part).collect(),
            top_tables: self.tables.top(TOP_TABLES).into_iter().map(table).collect(),
            queues: lengths.into_iter().collect(),
            lanes_allowed: senders as u32,
            commit_milliseconds: tenth(milliseconds),
            rows_per_transaction: tenth(rows),
        }
    }
}

fn tenth(number: f64) -> f64 {
    (number * 10.0).round() / 10.0
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        config::SubtaskConfig,
        units::{Fence, UnitEnv},
    };

    /// In a thread of its own: when it takes a lock twice it never ends.
    #[test]
    fn a_stalled_run_tells_what_it_waits_for() {
        let (send, told) = std::sync::mpsc::channel();
        std::thread::spawn(move || {
            let counters = Counters::new(&UnitEnv {
                config: Arc::new(SubtaskConfig::default()),
                fence: Fence { cluster_id: 1, epoch: 1 },
                worker: "w".into(),
                unsaved: Arc::default(),
                parked: Arc::default(),
            });
            counters.statement_begins("ALTER TABLE a ADD b INT");
            counters.stalled.store(61, Relaxed);
            send.send((counters.more(), counters.notes())).unwrap();
        });
        let (more, notes) = told.recv_timeout(Duration::from_secs(20)).expect("the status never came");
        assert_eq!((more.stalled_seconds, more.statement.as_str()), (61, "ALTER TABLE a ADD b INT"));
        assert!(more.waiting_for.contains("to run a statement since"), "{}", more.waiting_for);
        assert!(notes.iter().any(|note| note.starts_with("sync has made no progress for 61 s")), "{notes:?}");
    }
}
