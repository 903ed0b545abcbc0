//! What is asked of the leader, over gRPC as dmctl asks it.

use std::time::{Duration, Instant};

use dm::{
    config::Security,
    pb::{self, master_client::MasterClient, members::Member},
    transport::dial::channel,
};
use futures::{StreamExt, stream};
use prost::Message;
use tonic::transport::Channel;

use super::support::{nodes::Cluster, servers::PASSWORD};

/// Commands that are under way at once.
const SIDE_BY_SIDE: usize = 8;
/// Everything takes less than this, or the run ends.
const LIMIT: Duration = Duration::from_secs(600);
const LOOK: Duration = Duration::from_millis(50);

pub struct Client(MasterClient<Channel>);

impl Client {
    /// A connection to the master that leads.
    pub async fn of_leader(cluster: &Cluster) -> Client {
        let any = cluster.master_addr.split(',').next().unwrap();
        let begin = Instant::now();
        loop {
            let asked = Client::to(any).await.members().await;
            let leader = asked.iter().find_map(|member| match member {
                Member::Leader(leader) if !leader.addr.is_empty() => Some(leader.addr.clone()),
                _ => None,
            });
            match leader {
                Some(leader) => return Client::to(&leader).await,
                None => assert!(begin.elapsed() < LIMIT, "no master leads"),
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    async fn to(address: &str) -> Client {
        let channel = channel(address, &Security::default(), Duration::from_secs(5)).await.unwrap();
        Client(MasterClient::new(channel).max_decoding_message_size(1 << 30).max_encoding_message_size(1 << 30))
    }

    async fn members(&self) -> Vec<Member> {
        let asked = self.0.clone().list_member(pb::ListMemberRequest::default()).await;
        asked.map(|r| r.into_inner().members.into_iter().filter_map(|m| m.member).collect()).unwrap_or_default()
    }

    /// `host:port` of every master's cluster port.
    pub async fn peers(&self) -> Vec<String> {
        let mut peers = Vec::new();
        for member in self.members().await {
            if let Member::Master(all) = member {
                let urls = all.masters.iter().flat_map(|master| master.peer_ur_ls.iter());
                peers.extend(urls.map(|url| url.trim_start_matches("http://").to_owned()));
            }
        }
        peers
    }

    async fn workers(&self) -> Vec<pb::WorkerInfo> {
        let members = self.members().await.into_iter();
        members.flat_map(|m| if let Member::Worker(all) = m { all.workers } else { Vec::new() }).collect()
    }

    async fn until(&self, what: &str, holds: impl Fn(&[pb::WorkerInfo]) -> bool) {
        let begin = Instant::now();
        loop {
            let workers = self.workers().await;
            if holds(&workers) {
                return;
            }
            assert!(begin.elapsed() < LIMIT, "{what}: not in time: {workers:?}");
            tokio::time::sleep(LOOK).await;
        }
    }

    pub async fn until_online(&self, count: usize) {
        self.until("workers", |all| all.iter().filter(|w| w.stage != "offline").count() >= count).await;
    }

    pub async fn until_bound(&self, sources: usize) {
        self.until("sources", |all| all.iter().flat_map(sources_of).count() == sources).await;
    }

    /// Waits until these workers are given up and every source is bound to another.
    pub async fn until_moved(&self, lost: &[String], sources: usize) {
        let moved = |all: &[pb::WorkerInfo]| {
            let given_up = all.iter().filter(|w| lost.contains(&w.name)).all(|w| w.stage == "offline");
            given_up && all.iter().flat_map(sources_of).count() == sources
        };
        self.until("the lost workers' sources", moved).await;
    }

    pub async fn create_sources(&self, count: usize, port: u16) {
        let of = |i: usize| pb::OperateSourceRequest {
            op: pb::SourceOp::StartSource as i32,
            config: vec![format!(
                "source-id: source-{i:04}\nserver-id: {}\nflavor: mariadb\nenable-gtid: true\nfrom:\n  host: 127.0.0.1\n  \
                 port: {port}\n  user: root\n  password: \"{PASSWORD}\"\n",
                10_000 + i
            )],
            ..Default::default()
        };
        stream::iter(0..count)
            .for_each_concurrent(SIDE_BY_SIDE, |i| async move {
                let reply = self.0.clone().operate_source(of(i)).await.unwrap().into_inner();
                assert!(reply.result, "{reply:?}");
            })
            .await;
    }

    /// Starts so many tasks, each on the next `each` sources; how long every command took.
    pub async fn start_tasks(&self, count: usize, each: usize, port: u16) -> Vec<Duration> {
        let of = |i: usize| pb::StartTaskRequest { task: task(i, count, each, port), ..Default::default() };
        let started = stream::iter(0..count).map(|i| async move {
            let begin = Instant::now();
            let reply = self.0.clone().start_task(of(i)).await.unwrap().into_inner();
            assert!(reply.result && reply.sources.iter().all(|s| s.result), "{reply:?}");
            begin.elapsed()
        });
        started.buffer_unordered(SIDE_BY_SIDE).collect().await
    }

    /// Every tenth task is paused and resumed, one after the other; how long a command took.
    pub async fn pause_and_resume(&self, count: usize) -> Vec<Duration> {
        let mut took = Vec::new();
        for i in (0..count).step_by(10) {
            for op in [pb::TaskOp::Pause, pb::TaskOp::Resume] {
                let request = pb::OperateTaskRequest { op: op as i32, name: name(i), ..Default::default() };
                let begin = Instant::now();
                let reply = self.0.clone().operate_task(request).await.unwrap().into_inner();
                took.push(begin.elapsed());
                assert!(reply.result && reply.sources.iter().all(|s| s.result), "{reply:?}");
            }
        }
        took
    }

    async fn status(&self, task: &str) -> pb::QueryStatusListResponse {
        let request = pb::QueryStatusListRequest { name: task.to_owned(), ..Default::default() };
        self.0.clone().query_status(request).await.unwrap().into_inner()
    }

    /// `query-status` so often, one after the other (an empty name: of all).
    pub async fn ask_often(&self, times: usize, task: impl Fn(usize) -> String) -> Vec<Duration> {
        let mut took = Vec::new();
        for i in 0..times {
            let begin = Instant::now();
            let reply = self.status(&task(i)).await;
            took.push(begin.elapsed());
            // On a machine without a free core a lease may end: a source then has no status for a moment.
            let whole = |s: &pb::QueryStatusResponse| s.result && !s.sub_task_status.is_empty();
            if let Some(partly) = reply.sources.iter().find(|s| !whole(s)) {
                eprintln!("an incomplete answer: {} {:?}", partly.msg, partly.source_status);
            }
        }
        took
    }

    /// The size of the reply about everything.
    pub async fn reply_bytes(&self) -> usize {
        self.status("").await.encoded_len()
    }

    pub async fn until_running(&self, sources: usize, subtasks: usize) {
        let begin = Instant::now();
        loop {
            let reply = self.status("").await;
            let all = reply.sources.iter().flat_map(|s| &s.sub_task_status);
            let running = all.filter(|s| s.stage() == pb::Stage::Running).count();
            if running == subtasks && reply.sources.len() == sources {
                return;
            }
            assert!(begin.elapsed() < LIMIT, "{running} of {subtasks} subtasks run");
            tokio::time::sleep(LOOK).await;
        }
    }
}

fn sources_of(worker: &pb::WorkerInfo) -> impl Iterator<Item = &str> {
    worker.source.split(',').filter(|source| !source.is_empty())
}

fn name(number: usize) -> String {
    format!("task-{number:04}")
}

fn task(number: usize, sources: usize, each: usize, port: u16) -> String {
    let mut text = format!(
        "name: {}\ntask-mode: all\nignore-checking-items: [\"all\"]\ntarget-database:\n  host: 127.0.0.1\n  port: {port}\n  \
         user: root\n  password: \"{PASSWORD}\"\nblock-allow-list:\n  some: {{do-dbs: [shop, stock]}}\nroutes:\n  \
         r: {{schema-pattern: shop, target-schema: all_shops}}\nmysql-instances:\n",
        name(number)
    );
    for i in 0..each {
        let source = (number + i) % sources;
        text += &format!("  - {{source-id: source-{source:04}, block-allow-list: some, route-rules: [r]}}\n");
    }
    text
}
