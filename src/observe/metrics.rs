//! Prometheus metrics under the original's names, labels and buckets, one recorder for the process.
//!
//! Hot paths take a handle struct once ([`SyncMetrics`], [`JobMetrics`], [`DumpMetrics`]); rare things are emitted by the
//! structs of [`super::events`]. Series of a closed subtask are no longer shown (see [`close_subtask`]).

mod dump;
mod load;

use std::{
    collections::{BTreeSet, HashMap},
    sync::{Mutex, MutexGuard, OnceLock, PoisonError},
    time::{Duration, Instant},
};

use metrics::{Counter, Gauge, Histogram, counter, gauge, histogram};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle};

pub use dump::DumpMetrics;
pub use load::LoadMetrics;

use super::process;

/// How often histogram samples are folded when nobody scrapes.
const UPKEEP: Duration = Duration::from_secs(5);

/// What is served beside the recorder's own series.
#[derive(Default)]
struct Extra {
    /// Subtasks whose series are hidden: (task, source id).
    closed: BTreeSet<(String, String)>,
    /// True while this node leads; only a leader shows dm_master_* series of the cluster.
    leading: bool,
    roles: BTreeSet<&'static str>,
    /// CPU seconds at the last look, for the CPU share.
    cpu_seen: Option<(Instant, f64)>,
}

fn extra() -> MutexGuard<'static, Extra> {
    static EXTRA: OnceLock<Mutex<Extra>> = OnceLock::new();
    EXTRA.get_or_init(Mutex::default).lock().unwrap_or_else(PoisonError::into_inner)
}

static HANDLE: OnceLock<PrometheusHandle> = OnceLock::new();

/// Installs the process-wide recorder. Later calls do nothing.
pub fn install() {
    HANDLE.get_or_init(|| {
        let recorder = builder().build_recorder();
        let handle = recorder.handle();
        // Fails only if another recorder was there first; then ours stays empty.
        metrics::set_global_recorder(recorder).ok();
        let upkeep = handle.clone();
        let spawned = std::thread::Builder::new().name("metrics-upkeep".into()).spawn(move || {
            loop {
                std::thread::sleep(UPKEEP);
                upkeep.run_upkeep();
            }
        });
        if let Err(error) = spawned {
            tracing::warn!(%error, "metrics are not folded in the background");
        }
        handle
    });
}

/// The text of `/metrics`.
pub fn render() -> String {
    install();
    let mut extra = extra();
    set_cpu_share(&mut extra);
    let text = HANDLE.get().map(PrometheusHandle::render).unwrap_or_default();
    let hidden: Vec<(String, String)> =
        extra.closed.iter().map(|(task, source)| (label("task", task), label("source_id", source))).collect();
    let mut out = String::with_capacity(text.len() + 1024);
    for line in text.lines() {
        let of_cluster = line.starts_with("dm_master_worker_state") || line.starts_with("dm_master_ddl_state");
        let closed = || hidden.iter().any(|(task, source)| line.contains(task) && line.contains(source));
        if line.starts_with('#') || !((of_cluster && !extra.leading) || closed()) {
            out.push_str(line);
            out.push('\n');
        }
    }
    out.push_str(&process::render());
    out
}

/// One label as it is printed.
fn label(name: &str, value: &str) -> String {
    format!("{name}=\"{}\"", value.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n"))
}

/// This process serves a role (`master` or `worker`), which has a CPU gauge of its own.
pub fn add_role(role: &'static str) {
    extra().roles.insert(role);
}

/// Hides the series of a subtask that was stopped and removed; its counters go on if it comes back.
pub fn close_subtask(task: &str, source_id: &str) {
    extra().closed.insert((task.to_owned(), source_id.to_owned()));
}

/// Shows the series of a subtask (again).
pub fn open_subtask(task: &str, source_id: &str) {
    extra().closed.remove(&(task.to_owned(), source_id.to_owned()));
}

/// Says whether this node leads; series about the cluster are shown only then.
pub fn set_leading(leading: bool) {
    extra().leading = leading;
}

fn set_cpu_share(extra: &mut Extra) {
    let Some(used) = process::cpu_seconds() else { return };
    let now = Instant::now();
    let share = match extra.cpu_seen {
        // Two looks in one tick say nothing.
        Some((at, _)) if now.duration_since(at).as_millis() < 10 => return,
        Some((at, before)) => (used - before) / now.duration_since(at).as_secs_f64(),
        None => 0.0,
    };
    extra.cpu_seen = Some((now, used));
    for role in &extra.roles {
        gauge!(format!("dm_{role}_cpu_usage")).set(share);
    }
}

fn exponential(start: f64, factor: f64, count: usize) -> Vec<f64> {
    std::iter::successors(Some(start), |at| Some(at * factor)).take(count).collect()
}

fn linear(start: f64, width: f64, count: usize) -> Vec<f64> {
    (0..count).map(|i| start + width * i as f64).collect()
}

/// Buckets of each histogram; those not named have the default.
fn builder() -> PrometheusBuilder {
    let special = [
        ("dm_syncer_binlog_event_size", exponential(16.0, 2.0, 20)),
        ("dm_syncer_skip_binlog_duration", exponential(0.000_000_5, 2.0, 25)),
        ("dm_syncer_binlog_event_row", linear(0.0, 100.0, 101)),
        ("dm_syncer_replication_lag", exponential(0.5, 2.0, 12)),
        ("dm_syncer_replication_transaction_batch", linear(1.0, 50.0, 21)),
        ("dm_syncer_flush_checkpoints_time_interval", linear(1.0, 50.0, 21)),
        ("dumpling_write_write_duration_time", exponential(0.000_05, 2.0, 20)),
        ("dumpling_write_receive_chunk_duration_time", exponential(0.000_05, 2.0, 20)),
    ];
    // An error is possible for an empty list only.
    let mut builder = with_buckets(PrometheusBuilder::new(), |b| b.set_buckets(&exponential(0.000_005, 2.0, 25)));
    for (name, buckets) in special {
        builder = with_buckets(builder, |b| b.set_buckets_for_metric(Matcher::Full(name.into()), &buckets));
    }
    builder
}

fn with_buckets<E: std::fmt::Display>(
    builder: PrometheusBuilder,
    set: impl FnOnce(PrometheusBuilder) -> Result<PrometheusBuilder, E>,
) -> PrometheusBuilder {
    set(builder).unwrap_or_else(|error| {
        tracing::warn!(%error, "histogram buckets refused");
        PrometheusBuilder::new()
    })
}

/// Which side a binlog position is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Node {
    Master,
    Syncer,
}

/// Kinds of jobs that are counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum JobKind {
    Insert,
    Update,
    Delete,
    Ddl,
    Flush,
    AsyncFlush,
    Conflict,
    Compact,
}

impl JobKind {
    fn as_str(self) -> &'static str {
        match self {
            JobKind::Insert => "insert",
            JobKind::Update => "update",
            JobKind::Delete => "delete",
            JobKind::Ddl => "ddl",
            JobKind::Flush => "flush",
            JobKind::AsyncFlush => "asyncFlush",
            JobKind::Conflict => "conflict",
            JobKind::Compact => "compact",
        }
    }
}

/// The queue label of lane `lane`: the original numbers its workers modulo 8.
pub fn queue_label(lane: usize) -> String {
    format!("q_{}", lane % 8)
}

/// The queue label of jobs that are not rows.
pub const ADMIN_QUEUE: &str = "admin queue";

/// Handles of one sync unit's series. Cheap to use on every event.
pub struct SyncMetrics {
    task: String,
    source_id: String,
    worker: String,
    positions: [[Gauge; 2]; 2],
    lag: Gauge,
    lag_distribution: Histogram,
    remaining: Gauge,
    ideal_qps: Gauge,
    transactions: Counter,
    transaction_time: Histogram,
    read_time: Histogram,
    event_size: Histogram,
    event_rows: Histogram,
    flush_interval: Histogram,
    query_time: Histogram,
    conflict_time: Histogram,
    stalled: Gauge,
    senders: Gauge,
    /// By [`Cost`], [`Row`] and queue.
    costs: [Histogram; 6],
    dispatch: [Histogram; 3],
    skip: [Histogram; 2],
    add_job: [Histogram; 8],
    add_admin_job: [Histogram; 2],
    batches: [[Histogram; 2]; 8],
    queues: Mutex<HashMap<String, Gauge>>,
}

impl SyncMetrics {
    /// Registers the series; positions are NaN until they are known.
    pub fn new(task: &str, source_id: &str, worker: &str) -> Self {
        install();
        open_subtask(task, source_id);
        let l3 = [("task", task.to_owned()), ("source_id", source_id.to_owned()), ("worker", worker.to_owned())];
        let l2 = [("task", task.to_owned()), ("source_id", source_id.to_owned())];
        let position = |node: &'static str| {
            let labels = [("node", node.to_owned()), ("task", task.to_owned()), ("source_id", source_id.to_owned())];
            let file = gauge!("dm_syncer_binlog_file", &labels);
            file.set(f64::NAN);
            [file, gauge!("dm_syncer_binlog_pos", &labels)]
        };
        // Shard DDL locks only: nothing waits for one.
        gauge!("dm_syncer_shard_lock_resolving", &l2).set(0.0);
        SyncMetrics {
            task: task.to_owned(),
            source_id: source_id.to_owned(),
            worker: worker.to_owned(),
            positions: [position("master"), position("syncer")],
            lag: gauge!("dm_syncer_replication_lag_gauge", &l3),
            lag_distribution: histogram!("dm_syncer_replication_lag", &l3),
            remaining: gauge!("dm_syncer_remaining_time", &l3),
            ideal_qps: gauge!("dm_syncer_ideal_qps", &l3),
            transactions: counter!("dm_syncer_finished_transaction_total", &l3),
            transaction_time: histogram!("dm_syncer_txn_duration_time", &l3),
            read_time: histogram!("dm_syncer_read_binlog_duration", &l2),
            event_size: histogram!("dm_syncer_binlog_event_size", &l3),
            event_rows: histogram!("dm_syncer_binlog_event_row", &l3),
            flush_interval: histogram!("dm_syncer_flush_checkpoints_time_interval", &l3),
            query_time: histogram!("dm_syncer_query_duration_time", &l3),
            conflict_time: histogram!("dm_syncer_conflict_detect_duration", &l2),
            stalled: gauge!("dm_syncer_stalled_seconds", &l3),
            senders: gauge!("dm_syncer_sending_lanes", &l3),
            costs: Cost::ALL
                .map(|cost| histogram!("dm_syncer_binlog_transform_cost", &with(&l3, "stage", cost.name()))),
            dispatch: ["insert", "update", "delete"]
                .map(|row| histogram!("dm_syncer_dispatch_binlog_duration", &with(&l2, "type", row))),
            skip: ["rows", "query"].map(|what| histogram!("dm_syncer_skip_binlog_duration", &with(&l2, "type", what))),
            add_job: std::array::from_fn(|lane| {
                let labels = with(&l2, "type", "dml");
                histogram!("dm_syncer_add_job_duration", &with(&labels, "queueNo", &queue_label(lane)))
            }),
            add_admin_job: ["ddl", "flush"].map(|kind| {
                let labels = with(&l2, "type", kind);
                histogram!("dm_syncer_add_job_duration", &with(&labels, "queueNo", ADMIN_QUEUE))
            }),
            batches: std::array::from_fn(|lane| {
                let labels = with(&l3, "queueNo", &queue_label(lane));
                ["statements", "rows"]
                    .map(|of| histogram!("dm_syncer_replication_transaction_batch", &with(&labels, "type", of)))
            }),
            queues: Mutex::default(),
        }
    }

    /// A position: the number at the end of the file's name, and the offset.
    pub fn position(&self, node: Node, file_number: u64, offset: u64) {
        let [file, position] = &self.positions[(node == Node::Syncer) as usize];
        file.set(file_number as f64);
        position.set(offset as f64);
    }

    /// Seconds behind the source.
    pub fn lag(&self, seconds: f64) {
        self.lag.set(seconds);
        self.lag_distribution.record(seconds);
    }

    /// Estimated seconds until the source is reached.
    pub fn remaining(&self, seconds: f64) {
        self.remaining.set(seconds);
    }

    /// Estimated highest rate of statements a second.
    pub fn ideal_qps(&self, rate: f64) {
        self.ideal_qps.set(rate);
    }

    /// A target transaction of lane `lane` was committed.
    pub fn transaction(&self, lane: usize, statements: usize, rows: usize, took: Duration) {
        let seconds = took.as_secs_f64();
        self.transactions.increment(1);
        self.transaction_time.record(seconds);
        self.cost(Cost::DmlExec, took);
        if let Some([of_statements, of_rows]) = self.batches.get(lane % 8) {
            of_statements.record(statements as f64);
            of_rows.record(rows as f64);
        }
    }

    /// Seconds of a stage.
    pub fn cost(&self, cost: Cost, took: Duration) {
        if let Some(histogram) = self.costs.get(cost as usize) {
            histogram.record(took.as_secs_f64());
        }
    }

    /// A rows event was handed on; `kind` as in [`Cost`]'s three kinds of rows.
    pub fn dispatched(&self, kind: Cost, rows: u64, took: Duration) {
        self.cost(kind, took);
        self.event_rows.record(rows as f64);
        if let Some(histogram) = self.dispatch.get((kind as usize).wrapping_sub(Cost::GenWriteRows as usize)) {
            histogram.record(took.as_secs_f64());
        }
    }

    /// An event was skipped: a statement, or row changes.
    pub fn skipped(&self, statement: bool, took: Duration) {
        let [rows, query] = &self.skip;
        if statement { query } else { rows }.record(took.as_secs_f64());
    }

    /// Changes were handed to a lane.
    pub fn handed(&self, lane: usize, took: Duration) {
        if let Some(histogram) = self.add_job.get(lane % 8) {
            histogram.record(took.as_secs_f64());
        }
    }

    /// A DDL job (else a flush) waited so long for its turn.
    pub fn handed_admin(&self, ddl: bool, took: Duration) {
        let [of_ddl, of_flush] = &self.add_admin_job;
        if ddl { of_ddl } else { of_flush }.record(took.as_secs_f64());
    }

    /// Conflicts of changes were looked for.
    pub fn conflicts(&self, took: Duration) {
        self.conflict_time.record(took.as_secs_f64());
    }

    /// The source or the target was asked something.
    pub fn query(&self, took: Duration) {
        self.query_time.record(took.as_secs_f64());
    }

    /// For so many seconds nothing has moved although there is work.
    pub fn stalled(&self, seconds: f64) {
        self.stalled.set(seconds);
    }

    /// Lanes that may have a transaction on its way at once.
    pub fn senders(&self, lanes: usize) {
        self.senders.set(lanes as f64);
    }

    /// An event arrived after waiting `took`.
    pub fn event(&self, took: Duration, bytes: usize) {
        self.read_time.record(took.as_secs_f64());
        self.event_size.record(bytes as f64);
    }

    /// Time since the last flush of the checkpoint.
    pub fn checkpoint_flushed(&self, since_last: Duration) {
        self.flush_interval.record(since_last.as_secs_f64());
    }

    /// The length of a queue: `q_0`.., `dml_worker_input`, `causality_input`, `compactor_input`.
    pub fn queue_size(&self, queue_id: &str, length: usize) {
        let mut queues = self.queues.lock().unwrap_or_else(PoisonError::into_inner);
        if !queues.contains_key(queue_id) {
            let labels =
                [("task", self.task.clone()), ("queue_id", queue_id.to_owned()), ("source_id", self.source_id.clone())];
            queues.insert(queue_id.to_owned(), gauge!("dm_syncer_queue_size", &labels));
        }
        if let Some(gauge) = queues.get(queue_id) {
            gauge.set(length as f64);
        }
    }

    /// Counters of one kind of job on one queue and target table; keep them, they cost a lookup.
    pub fn jobs(&self, kind: JobKind, queue: &str, schema: &str, table: &str) -> JobMetrics {
        let labels = [
            ("type", kind.as_str().to_owned()),
            ("task", self.task.clone()),
            ("queueNo", queue.to_owned()),
            ("source_id", self.source_id.clone()),
            ("worker", self.worker.clone()),
            ("target_schema", schema.to_owned()),
            ("target_table", table.to_owned()),
        ];
        JobMetrics {
            added: counter!("dm_syncer_added_jobs_total", &labels),
            finished: counter!("dm_syncer_finished_jobs_total", &labels),
        }
    }

    /// Seconds of one statement (`begin`, `stmt`, `commit`, `rollback`).
    pub fn statement(&self, kind: &'static str, took: Duration) {
        histogram!("dm_syncer_stmt_duration_time", "type" => kind, "task" => self.task.clone())
            .record(took.as_secs_f64());
    }
}

/// Stages whose time is measured.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Cost {
    DdlExec,
    DmlExec,
    GenWriteRows,
    GenUpdateRows,
    GenDeleteRows,
    GenQuery,
}

impl Cost {
    const ALL: [Cost; 6] =
        [Cost::DdlExec, Cost::DmlExec, Cost::GenWriteRows, Cost::GenUpdateRows, Cost::GenDeleteRows, Cost::GenQuery];

    fn name(self) -> &'static str {
        match self {
            Cost::DdlExec => "ddl-exec",
            Cost::DmlExec => "dml-exec",
            Cost::GenWriteRows => "gen-write-rows",
            Cost::GenUpdateRows => "gen-update-rows",
            Cost::GenDeleteRows => "gen-delete-rows",
            Cost::GenQuery => "gen-query",
        }
    }
}

/// Labels and one more.
fn with(labels: &[(&'static str, String)], name: &'static str, value: &str) -> Vec<(&'static str, String)> {
    let mut all = labels.to_vec();
    all.push((name, value.to_owned()));
    all
}

/// Jobs queued and done.
#[derive(Clone)]
pub struct JobMetrics {
    added: Counter,
    finished: Counter,
}

impl JobMetrics {
    pub fn added(&self, jobs: u64) {
        self.added.increment(jobs);
    }

    pub fn finished(&self, jobs: u64) {
        self.finished.increment(jobs);
    }
}
