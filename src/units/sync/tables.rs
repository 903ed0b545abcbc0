//! What each target table gets: rows and time, and its series of jobs. Found by name without a copy of it.

use std::{
    collections::HashMap,
    sync::{
        Arc, OnceLock, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use super::change::{Change, Kind};
use crate::{
    observe::metrics::{JobKind, JobMetrics, SyncMetrics, queue_label},
    schema::model::TableId,
};

/// Queues that the metrics tell apart.
const QUEUES: usize = 8;
const KINDS: [(Kind, JobKind); 3] =
    [(Kind::Insert, JobKind::Insert), (Kind::Update, JobKind::Update), (Kind::Delete, JobKind::Delete)];

/// The work for one target table.
#[derive(Default)]
pub struct TableLoad {
    rows: [AtomicU64; KINDS.len()],
    nanos: AtomicU64,
    jobs: [[OnceLock<JobMetrics>; QUEUES]; KINDS.len()],
}

impl TableLoad {
    fn job(&self, change: &Change, metrics: &SyncMetrics) -> Option<&JobMetrics> {
        let (at, queue) = (change.kind as usize, usize::from(change.lane) % QUEUES);
        let (_, kind) = KINDS.get(at)?;
        let target = &change.table.target;
        let register = || metrics.jobs(*kind, &queue_label(queue), &target.schema, &target.name);
        Some(self.jobs.get(at)?.get(queue)?.get_or_init(register))
    }
}

/// A table's numbers.
#[derive(Clone, PartialEq, Debug)]
pub struct Loaded {
    pub table: TableId,
    pub inserts: u64,
    pub updates: u64,
    pub deletes: u64,
    /// Its part of the target's transactions.
    pub time: Duration,
}

/// All tables that got rows in this run.
#[derive(Default)]
pub struct Tables(RwLock<HashMap<TableId, Arc<TableLoad>>>);

impl Tables {
    fn load(&self, table: &TableId) -> Arc<TableLoad> {
        if let Some(load) = self.0.read().unwrap_or_else(PoisonError::into_inner).get(table) {
            return load.clone();
        }
        let mut tables = self.0.write().unwrap_or_else(PoisonError::into_inner);
        tables.entry(table.clone()).or_default().clone()
    }

    /// Changes were handed to a lane.
    pub fn added(&self, changes: &[Change], metrics: &SyncMetrics) {
        for (first, same) in alike(changes) {
            if let Some(job) = self.load(&first.table.target).job(first, metrics) {
                job.added(same);
            }
        }
    }

    /// A batch is durable.
    pub fn applied(&self, batch: &[Change], took: Duration, metrics: &SyncMetrics) {
        let each = took.as_nanos() as u64 / (batch.len() as u64).max(1);
        for (first, same) in alike(batch) {
            let load = self.load(&first.table.target);
            if let Some(job) = load.job(first, metrics) {
                job.finished(same);
            }
            if let Some(rows) = load.rows.get(first.kind as usize) {
                rows.fetch_add(same, Relaxed);
            }
            load.nanos.fetch_add(each * same, Relaxed);
        }
    }

    /// The tables that took the most time, the slowest first.
    pub fn top(&self, most: usize) -> Vec<Loaded> {
        let tables = self.0.read().unwrap_or_else(PoisonError::into_inner);
        let mut all: Vec<Loaded> = tables
            .iter()
            .map(|(table, load)| {
                let [inserts, updates, deletes] = load.rows.each_ref().map(|rows| rows.load(Relaxed));
                let time = Duration::from_nanos(load.nanos.load(Relaxed));
                Loaded { table: table.clone(), inserts, updates, deletes, time }
            })
            .collect();
        all.sort_by(|a, b| b.time.cmp(&a.time).then_with(|| a.table.cmp(&b.table)));
        all.truncate(most);
        all
    }
}

/// The kinds and tables of changes: the first change of each, and how many there are.
fn alike(changes: &[Change]) -> Vec<(&Change, u64)> {
    let mut counts: Vec<(&Change, u64)> = Vec::new();
    for change in changes {
        let same = |(a, _): &&mut (&Change, u64)| a.kind == change.kind && Arc::ptr_eq(&a.table, &change.table);
        match counts.iter_mut().find(same) {
            Some((_, count)) => *count += 1,
            None => counts.push((change, 1)),
        }
    }
    counts
}
