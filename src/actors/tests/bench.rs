//! A standalone node on which tests can run units of their own.

use std::{
    collections::VecDeque,
    net::{Ipv4Addr, SocketAddr},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use async_trait::async_trait;
use tokio_util::sync::CancellationToken;

use crate::{
    actors::{
        node::{self, MasterOptions, Node, NodeOptions, WorkerOptions, fixed_masters},
        scheduler::Ledger,
        subtask::Kit,
    },
    commands::cluster::{Cluster, SourceSpec, TaskSpec},
    coordinator::{
        Applied, ClusterChange,
        masters::{Leader, MasterView},
        samples,
        state::ClusterState,
    },
    error::{Code, DmError, Result},
    pb,
    units::{Ended, Fence, Unit, UnitEnv},
};

/// The log, in memory.
#[derive(Default)]
pub struct MemoryLog(Mutex<ClusterState>);

#[async_trait]
impl Ledger for MemoryLog {
    fn state(&self) -> Arc<ClusterState> {
        Arc::new(self.0.lock().unwrap().clone())
    }

    async fn propose(&self, change: ClusterChange) -> Result<Applied> {
        self.0.lock().unwrap().apply(change).into_result()
    }

    fn leader(&self) -> Leader {
        Leader::Me
    }

    async fn masters(&self) -> Vec<MasterView> {
        Vec::new()
    }

    async fn remove_master(&self, _: &str) -> Result<()> {
        Err(DmError::new(Code::MasterMasterNameNotExist))
    }

    async fn evict(&self, _: bool) -> Result<()> {
        Ok(())
    }

    async fn serve(&self, _: &[u8]) -> Vec<u8> {
        Vec::new()
    }
}

/// What a run of the scripted unit does.
#[derive(Clone, Copy, Debug)]
pub enum Act {
    Finish,
    Fail(Code),
    Panic,
    /// Works until it is stopped.
    Work,
    /// Works and does not listen.
    Deaf,
}

/// The acts of the runs to come, and the fences of those that were.
#[derive(Default)]
pub struct Script {
    acts: Mutex<VecDeque<Act>>,
    pub runs: Mutex<Vec<Fence>>,
    pub prepare_fails: Mutex<Option<Code>>,
    stop_limits: Mutex<Vec<Duration>>,
}

impl Script {
    /// The next runs; afterwards they `Work`.
    pub fn next(&self, acts: impl IntoIterator<Item = Act>) {
        self.acts.lock().unwrap().extend(acts);
    }

    pub fn runs(&self) -> usize {
        self.runs.lock().unwrap().len()
    }

    /// What the units were told of it.
    pub fn stop_limits(&self) -> Vec<Duration> {
        self.stop_limits.lock().unwrap().clone()
    }
}

struct Scripted {
    kind: pb::UnitType,
    env: UnitEnv,
    script: Arc<Script>,
}

#[async_trait]
impl Unit for Scripted {
    fn kind(&self) -> pb::UnitType {
        self.kind
    }

    async fn is_finished(&self) -> Result<bool> {
        match *self.script.prepare_fails.lock().unwrap() {
            Some(code) => Err(DmError::new(code)),
            None => Ok(false),
        }
    }

    async fn run(&self, stop: CancellationToken) -> Result<Ended> {
        self.script.runs.lock().unwrap().push(self.env.fence);
        let act = self.script.acts.lock().unwrap().pop_front().unwrap_or(Act::Work);
        match act {
            Act::Finish => Ok(Ended::Finished),
            Act::Fail(code) => Err(DmError::new(code).msg("scripted")),
            Act::Panic => panic!("scripted panic"),
            Act::Deaf => std::future::pending().await,
            Act::Work => {
                stop.cancelled().await;
                Ok(Ended::Stopped)
            }
        }
    }

    fn stop_within(&self, limit: Duration) {
        self.script.stop_limits.lock().unwrap().push(limit);
    }

    fn status(&self) -> pb::sub_task_status::Status {
        pb::sub_task_status::Status::Sync(pb::SyncStatus {
            total_events: self.script.runs() as i64,
            ..Default::default()
        })
    }
}

/// A standalone node.
pub struct Bench {
    pub node: Node,
    pub cluster: Arc<dyn Cluster>,
    pub script: Arc<Script>,
    pub port: u16,
}

impl Bench {
    /// Starts it, with source `s1` bound; `name` keeps it apart from other tests' nodes.
    pub async fn new(name: &str) -> Bench {
        let log = Arc::new(MemoryLog::default());
        log.propose(ClusterChange::Bootstrap { cluster_id: 7 }).await.unwrap();
        let script = Arc::new(Script::default());
        let port = free_port();
        let (options, master) = master(name, port, log);
        let worker = WorkerOptions {
            names: vec![name.into()],
            advertise_addr: "127.0.0.1:8262".into(),
            masters: fixed_masters(vec![]),
            keepalive_ttl: Duration::from_secs(6),
            max_sources: 0,
            config_toml: "name = \"w\"\n".into(),
        };
        let node = node::start(options, Some(master), Some(worker), kit(script.clone())).await.unwrap();
        let cluster = node.cluster().unwrap();
        let bench = Bench { node, cluster, script, port };
        bench.until("the worker is online", || !bench.cluster.state().workers.is_empty()).await;
        let yaml = "source-id: s1\nchecker:\n  check-interval: 20ms\n  backoff-min: 20ms\n  backoff-max: 40ms\n".into();
        let worker = bench.cluster.add_source(SourceSpec { source_id: "s1".into(), yaml }, None).await.unwrap();
        assert_eq!(worker, name);
        bench
    }

    /// Another master that wants the same cluster port.
    pub async fn second_node_on_its_port(&self) -> Result<()> {
        let (options, master) = master("second", self.port, Arc::new(MemoryLog::default()));
        node::start(options, Some(master), None, kit(self.script.clone())).await.map(drop)
    }

    pub async fn start_task(&self, task: &str) -> Result<Vec<pb::CommonWorkerResponse>> {
        let subtasks = vec![samples::subtask(task, "s1")];
        self.cluster
            .start_task(TaskSpec {
                name: task.into(),
                yaml: String::new(),
                subtasks,
                remove_meta: false,
                stopped: false,
            })
            .await
    }

    /// The only answer of an operation on `s1`.
    pub async fn operate(&self, op: pb::TaskOp, task: &str) -> pb::CommonWorkerResponse {
        self.cluster.operate_task(op, task, &[], None).await.unwrap().remove(0)
    }

    pub async fn status(&self, task: &str) -> pb::SubTaskStatus {
        self.cluster.query_status("s1", task).await.sub_task_status.remove(0)
    }

    pub async fn until_stage(&self, task: &str, stage: pb::Stage) -> pb::SubTaskStatus {
        let end = Instant::now() + Duration::from_secs(20);
        loop {
            let status = self.status(task).await;
            if status.stage() == stage {
                return status;
            }
            assert!(Instant::now() < end, "not {stage:?} but {status:?}");
            pause().await;
        }
    }

    pub async fn until(&self, what: &str, mut holds: impl FnMut() -> bool) {
        let end = Instant::now() + Duration::from_secs(20);
        while !holds() {
            assert!(Instant::now() < end, "{what}: not in time");
            pause().await;
        }
    }
}

fn master(name: &str, port: u16, ledger: Arc<MemoryLog>) -> (NodeOptions, MasterOptions) {
    let node = NodeOptions {
        name: name.into(),
        listen: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        cookie: format!("cookie of {name}"),
        security: Default::default(),
    };
    let master = MasterOptions { ledger, leading: tokio::sync::watch::channel(true).1, peers: fixed_masters(vec![]) };
    (node, master)
}

fn kit(script: Arc<Script>) -> Kit {
    Kit {
        build: Arc::new(move |env| {
            let kinds = [pb::UnitType::Dump, pb::UnitType::Sync].into_iter();
            let unit = |kind| Arc::new(Scripted { kind, env: env.clone(), script: script.clone() }) as Arc<dyn Unit>;
            Ok(kinds.map(unit).collect())
        }),
        resumable: |error| error.err_code != Code::DumpUnitRuntime as i32,
    }
}

fn free_port() -> u16 {
    let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    listener.local_addr().unwrap().port()
}

/// The interval between two looks at a state.
pub async fn pause() {
    let first = tokio::time::Instant::now() + Duration::from_millis(10);
    tokio::time::interval_at(first, Duration::from_secs(1)).tick().await;
}
