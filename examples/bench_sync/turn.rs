//! One turn: a task catches up with the recorded workload, and what that took.

use std::time::{Duration, Instant};

use mysql_async::{Conn, prelude::Queryable};

use crate::{
    Args,
    report::Measured,
    support::{
        nodes::Cluster,
        process::{cpu_seconds, forget_peak, peak_memory},
        servers::{Kind, PASSWORD, Server, USER},
    },
    workload::{MARKERS, Workload},
};

pub const TASK: &str = "bench";
const LIMIT: Duration = Duration::from_secs(900);

/// What stands behind the target's tables.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Into {
    Tables,
    Blackhole,
}

/// What the task is to do with the workload.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Goal {
    All,
    /// Every row is filtered, only the markers are not.
    Decode,
}

/// The moment at which the source began to send.
pub struct Begun {
    pub at: Instant,
    /// CPU seconds until then, of the worker, of the target server and of the source's.
    pub cpu: f64,
    target_cpu: f64,
    source_cpu: f64,
    /// Its process.
    pub worker: u32,
}

/// A cluster of one worker, whose CPU time and memory are those of sync alone.
pub struct Bench<'a> {
    cluster: Cluster,
    source: &'a Server,
    work: &'a Workload,
    syncer: String,
    /// Where the target is reached, if not at its own port.
    port: Option<u16>,
}

impl<'a> Bench<'a> {
    pub fn new(args: &Args, source: &'a Server, work: &'a Workload) -> Self {
        let cluster = Cluster::with_workers(1, 60);
        cluster.create_source("src-1", source, true);
        Bench { cluster, source, work, syncer: args.text("--syncer", "compact: false"), port: None }
    }

    /// With other settings, and a target behind a proxy.
    pub fn with(self, syncer: String, port: u16) -> Self {
        Bench { syncer, port: Some(port), ..self }
    }

    /// Resets the target, starts the task, and measures from the start of the binlog stream to the last marker.
    pub async fn turn(&mut self, target: &Server, into: Into, goal: Goal) -> Measured {
        let begun = self.start(target, into, goal).await;
        let mut conn = target.conn().await;
        await_markers(&mut conn, || self.paused()).await;
        let seconds = begun.at.elapsed().as_secs_f64();
        let measured = Measured {
            seconds,
            changes: self.work.changes,
            megabytes: self.work.binlog_bytes as f64 / 1e6,
            cpu: Some(cpu_seconds(begun.worker) - begun.cpu),
            target_cpu: cpu_seconds(target.pid()) - begun.target_cpu,
            source_cpu: cpu_seconds(self.source.pid()) - begun.source_cpu,
            peak_memory: Some(peak_memory(begun.worker)),
        };
        if goal == Goal::All && into == Into::Tables && target.kind != Kind::Tidb {
            self.work.assert_equal(self.source, target).await;
        }
        conn.disconnect().await.unwrap();
        self.cluster.dmctl_ok(&["stop-task", TASK]);
        measured
    }

    /// Resets the target and starts the task; returns when the source has begun to send its binlog.
    pub async fn start(&mut self, target: &Server, into: Into, goal: Goal) -> Begun {
        self.work.reset_target(target, into == Into::Blackhole).await;
        self.start_prepared(target, goal).await
    }

    /// The same on a target that is as it should be.
    pub async fn start_prepared(&mut self, target: &Server, goal: Goal) -> Begun {
        let file = self.task_file(target, goal);
        let mut source = self.source.conn().await;
        end_dumps(&mut source).await;
        let before = newest_dump(&mut source).await;
        let worker = self.cluster.node("worker1").pid();
        forget_peak(worker);
        let cluster = &self.cluster;
        let begun = std::thread::scope(|scope| {
            let command = scope.spawn(|| cluster.dmctl_ok(&["start-task", &file, "--remove-meta"]));
            let watch = async {
                let limit = Instant::now() + LIMIT;
                while newest_dump(&mut source).await <= before {
                    assert!(Instant::now() < limit, "the stream never began");
                }
                Begun {
                    at: Instant::now(),
                    cpu: cpu_seconds(worker),
                    target_cpu: cpu_seconds(target.pid()),
                    source_cpu: cpu_seconds(self.source.pid()),
                    worker,
                }
            };
            let begun = tokio::task::block_in_place(|| tokio::runtime::Handle::current().block_on(watch));
            command.join().unwrap();
            begun
        });
        source.disconnect().await.unwrap();
        begun
    }

    /// An answer when the task failed.
    pub fn paused(&self) -> Option<String> {
        let (stage, _, reply) = self.cluster.subtask(TASK, "src-1");
        (stage == "Paused").then(|| format!("{reply:#}"))
    }

    fn task_file(&self, target: &Server, goal: Goal) -> String {
        let Workload { file, pos, gtid, .. } = self.work;
        let tables = match goal {
            Goal::All => "do-dbs: [sbtest]",
            Goal::Decode => "do-tables: [{db-name: sbtest, tbl-name: marker}]",
        };
        self.cluster.file(
            "task.yaml",
            &format!(
                "name: {TASK}\ntask-mode: incremental\nignore-checking-items: [all]\n\
                 target-database: {{host: 127.0.0.1, port: {}, user: {USER}, password: \"{PASSWORD}\"}}\n\
                 mysql-instances:\n- {{source-id: src-1, block-allow-list: b, syncer-config-name: s, \
                 meta: {{binlog-name: {file}, binlog-pos: {pos}, binlog-gtid: \"{gtid}\"}}}}\n\
                 block-allow-list:\n  b: {{{tables}}}\nsyncers:\n  s: {{{}}}\n",
                self.port.unwrap_or(target.port),
                self.syncer
            ),
        )
    }
}

/// Ends the stream of the former turn, which the server still has. Otherwise it does so when the next of the same reader
/// begins, and MariaDB 10.11 sends nothing for 100 ms then.
async fn end_dumps(source: &mut Conn) {
    let sql = "SELECT ID FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";
    loop {
        let dumps: Vec<u64> = source.query(sql).await.unwrap();
        if dumps.is_empty() {
            return;
        }
        for dump in dumps {
            // It may just have ended.
            let _ = source.query_drop(format!("KILL {dump}")).await;
        }
    }
}

/// The connection id of the newest binlog stream of a source.
async fn newest_dump(source: &mut Conn) -> u64 {
    let sql = "SELECT COALESCE(MAX(ID), 0) FROM information_schema.PROCESSLIST WHERE COMMAND LIKE 'Binlog Dump%'";
    source.query_first(sql).await.unwrap().unwrap()
}

/// Waits until the target has all markers; looks every 10 ms.
pub async fn await_markers(target: &mut Conn, failed: impl Fn() -> Option<String>) {
    let mut beat = tokio::time::interval(Duration::from_millis(10));
    let limit = Instant::now() + LIMIT;
    let mut looked = Instant::now();
    loop {
        beat.tick().await;
        let seen: u64 = target.query_first("SELECT COUNT(*) FROM sbtest.marker").await.unwrap().unwrap();
        if seen == MARKERS {
            return;
        }
        assert!(Instant::now() < limit, "not all markers came: {seen}");
        if looked.elapsed() > Duration::from_secs(5) {
            looked = Instant::now();
            if let Some(why) = failed() {
                panic!("{why}");
            }
        }
    }
}
