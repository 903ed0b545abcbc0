//! Three masters and three workers, each in namespaces of its own, with databases and writers: what the rounds of faults
//! and the measurements stand on.

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, Instant},
};

use super::members;
use crate::support::{
    clock::WallClock,
    compare,
    lan::Lan,
    nodes::{Cluster, Node},
    servers::{self, Server},
    wait::until,
    writer::{self, Writers},
};

pub const TASK: &str = "busy";
pub const MASTERS: [&str; 3] = ["master1", "master2", "master3"];
pub const WORKERS: [&str; 3] = ["worker1", "worker2", "worker3"];
/// What a master may keep on its disk.
const DISK_MB: u32 = 24;

/// One source: its server, its name, and the schema into which it goes.
pub struct Source {
    pub id: String,
    pub server: Server,
    pub schema: String,
}

pub struct Rig {
    pub lan: Lan,
    pub cluster: Cluster,
    pub sources: Vec<Source>,
    pub target: Server,
    pub clocks: BTreeMap<String, WallClock>,
    /// The next mark's number.
    mark: u32,
}

impl Rig {
    /// A cluster in a network of its own and a task from so many sources that syncs; `config` is written into the
    /// masters' configuration.
    pub async fn start(lan: Lan, sources: usize, config: &str) -> Rig {
        Rig::start_from(Node::built(), lan, sources, config).await
    }

    /// The same; its nodes run this program.
    pub async fn start_from(program: PathBuf, mut lan: Lan, sources: usize, config: &str) -> Rig {
        let (cluster, clocks) = cluster(&program, &mut lan, config);
        let open = ["--bind-address=*"];
        let target = Server::start(servers::Kind::Mariadb, &open);
        let mut all = Vec::new();
        for number in 1..=sources {
            let server = Server::start(servers::Kind::Mariadb, &open);
            server.exec(writer::TABLES).await;
            server.exec("CREATE TABLE busy.marks (id INT PRIMARY KEY)").await;
            all.push(Source { id: format!("src-{number}"), server, schema: format!("busy_{number}") });
        }
        for server in all.iter().map(|s| &s.server).chain([&target]) {
            server.exec("GRANT ALL ON *.* TO 'root'@'%' IDENTIFIED BY '123456' WITH GRANT OPTION").await;
        }
        let rig = Rig { lan, cluster, sources: all, target, clocks, mark: 0 };
        for source in &rig.sources {
            rig.cluster.create_source(&source.id, &source.server, true);
        }
        let task = rig.cluster.file("task.yaml", &rig.task());
        rig.cluster.dmctl_ok(&["start-task", &task]);
        rig.syncs().await;
        rig
    }

    fn task(&self) -> String {
        let mut text = format!(
            "name: {TASK}\ntask-mode: all\ntarget-database:\n  host: {}\n  port: {}\n  user: root\n  password: \"123456\"\n\
             block-allow-list:\n  busy: {{do-dbs: [busy]}}\nsyncers:\n  \
             s: {{worker-count: 4, batch: 50, checkpoint-flush-interval: 1}}\nroutes:\n",
            self.cluster.databases, self.target.port
        );
        for source in &self.sources {
            text += &format!("  to-{0}: {{schema-pattern: busy, target-schema: {0}}}\n", source.schema);
        }
        text += "mysql-instances:\n";
        for source in &self.sources {
            let (id, schema) = (&source.id, &source.schema);
            text += &format!(
                "  - {{source-id: {id}, block-allow-list: busy, syncer-config-name: s, route-rules: [to-{schema}]}}\n"
            );
        }
        text
    }

    /// Two writers on each source.
    pub fn write(&self, seed: u64) -> Vec<Writers> {
        let start = |(i, s): (usize, &Source)| Writers::start(&s.server, 2, Duration::from_millis(15), seed + i as u64);
        self.sources.iter().enumerate().map(start).collect()
    }

    /// A row in every source, and how long it takes until all have arrived.
    pub async fn arrive(&mut self, limit: Duration) -> Duration {
        self.mark += 1;
        let (id, start) = (self.mark, Instant::now());
        for source in &self.sources {
            source.server.exec(&format!("INSERT INTO busy.marks VALUES ({id})")).await;
        }
        for source in &self.sources {
            let sql = format!("SELECT COUNT(*) FROM {}.marks WHERE id = {id}", source.schema);
            until("the row arrives", limit, || async {
                let n = self.target.answer(&sql).await;
                if matches!(&n, Ok(n) if n == "1") { Ok(()) } else { Err(format!("{n:?}\n{}", self.said())) }
            })
            .await;
        }
        start.elapsed()
    }

    /// Waits until the task syncs every source.
    pub async fn syncs(&self) {
        until("the task syncs", Duration::from_secs(120), || async {
            let out = self.cluster.dmctl_output(&["query-status", TASK]);
            let text = String::from_utf8_lossy(&out.stdout).into_owned();
            let runs = text.matches("\"stage\": \"Running\"").count() == self.sources.len()
                && text.matches("\"unit\": \"Sync\"").count() == self.sources.len();
            if runs { Ok(()) } else { Err(format!("{text}\n{}", self.said())) }
        })
        .await;
    }

    /// Waits until every master answers, every worker is online, and each source is bound once.
    pub async fn is_whole(&self) {
        until("everybody is there", Duration::from_secs(120), || async {
            let Some(reply) = members(&self.cluster) else { return Err("nobody answers".to_owned()) };
            let all = reply["members"].as_array().cloned().unwrap_or_default();
            let masters = all.iter().filter_map(|m| m["master"]["masters"].as_array()).flatten();
            let alive = masters.filter(|m| m["alive"] == true).count();
            let workers: Vec<_> = all.iter().filter_map(|m| m["worker"]["workers"].as_array()).flatten().collect();
            let online = workers.iter().filter(|w| w["stage"] != "offline").count();
            let mut bound: Vec<&str> =
                workers.iter().flat_map(|w| w["source"].as_str().unwrap_or_default().split(',')).collect();
            bound.retain(|id| !id.is_empty());
            bound.sort();
            let wanted: Vec<&str> = self.sources.iter().map(|s| s.id.as_str()).collect();
            let whole = alive == MASTERS.len() && online == WORKERS.len() && bound == wanted;
            if whole { Ok(()) } else { Err(format!("{reply}\n{}", self.said())) }
        })
        .await;
    }

    /// Which worker a source is bound to.
    pub fn owner(&self, id: &str) -> String {
        let end = Instant::now() + Duration::from_secs(60);
        loop {
            let reply = members(&self.cluster).unwrap_or_default();
            let all = reply["members"].as_array().cloned().unwrap_or_default();
            let mut workers = all.iter().filter_map(|m| m["worker"]["workers"].as_array()).flatten();
            let found = workers.find(|w| w["source"].as_str().unwrap_or_default().split(',').any(|s| s == id));
            if let Some(name) = found.and_then(|w| w["name"].as_str()) {
                return name.to_owned();
            }
            assert!(Instant::now() < end, "{id} is bound to nobody: {reply}");
        }
    }

    /// Waits until every source's tables are equal on both sides.
    pub async fn is_equal(&self) {
        for source in &self.sources {
            self.is_equal_from(source).await;
        }
    }

    /// Waits until one source's tables are equal on both sides.
    pub async fn is_equal_from(&self, source: &Source) {
        until("both sides hold the same rows", Duration::from_secs(120), || async {
            let (mut a, mut b) = (source.server.conn().await, self.target.conn().await);
            let found = compare::schema_differences(&mut a, "busy", &mut b, &source.schema).await;
            if found.is_empty() { Ok(()) } else { Err(format!("{}\n{}", found.join("\n"), self.said())) }
        })
        .await;
    }

    /// The epochs of each source in the order of their commits, as the target's binlog has them: how many transactions
    /// there were. Fails when an older epoch wrote after a newer one.
    pub async fn epochs_only_grow(&self) -> usize {
        let mut history = Vec::new();
        let mut conn = self.target.conn().await;
        let files: Vec<(String, u64)> =
            mysql_async::prelude::Queryable::query(&mut conn, "SHOW BINARY LOGS").await.unwrap();
        for (file, _) in files {
            let out = Command::new("mariadb-binlog")
                .args(["--no-defaults", "--base64-output=DECODE-ROWS", "-v"])
                .arg(self.target.binlog_file(&file))
                .output()
                .expect("mariadb-binlog comes with the package mariadb-client");
            history.extend(lane_epochs(&String::from_utf8_lossy(&out.stdout)));
        }
        let mut newest = BTreeMap::<&str, u64>::new();
        for (at, (source, epoch)) in history.iter().enumerate() {
            let seen = newest.entry(source).or_default();
            assert!(epoch >= seen, "{source}: epoch {epoch} wrote after {seen}, at {at} of {}", history.len());
            *seen = *epoch;
        }
        assert_eq!(newest.len(), self.sources.len(), "the history does not name every source");
        history.len()
    }

    /// The ends of all logs.
    pub fn said(&self) -> String {
        self.cluster.logs_tail()
    }
}

/// What the nodes said stays behind when a test fails: the last lines are rarely those that explain it.
impl Drop for Rig {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            return;
        }
        let kept = std::path::Path::new(env!("CARGO_TARGET_TMPDIR")).join(format!("cluster-{}", std::process::id()));
        let _ = std::fs::create_dir_all(&kept);
        for node in &self.cluster.nodes {
            let _ = std::fs::copy(node.log_file(), kept.join(format!("{}.log", node.name)));
        }
        eprintln!("the nodes' whole logs are in {}", kept.display());
    }
}

/// `(source, epoch)` of every new state of a lane's row in a binlog printed with `-v`.
fn lane_epochs(text: &str) -> Vec<(String, u64)> {
    let (mut found, mut of_lanes, mut after, mut source) = (Vec::new(), false, false, String::new());
    for line in text.lines().filter_map(|line| line.strip_prefix("### ")) {
        let value = |column: &str| line.trim_start().strip_prefix(column).map(str::to_owned);
        if ["INSERT INTO", "UPDATE", "DELETE FROM"].iter().any(|verb| line.starts_with(verb)) {
            (of_lanes, after) = (line.contains(&format!("`{TASK}_lane_progress`")), false);
        } else if line.starts_with("SET") {
            after = true;
        } else if of_lanes
            && after
            && let Some(id) = value("@1=")
        {
            source = id.trim_matches('\'').to_owned();
        } else if of_lanes
            && after
            && let Some(epoch) = value("@5=")
        {
            // `-1 (18446744073709551615)` is how unsigned numbers come when they are large.
            let epoch = epoch.split_whitespace().next().and_then(|n| n.parse().ok()).unwrap();
            found.push((source.clone(), epoch));
        }
    }
    found
}

/// Three masters with small disks and three workers, each in namespaces and with a clock of its own.
fn cluster(program: &Path, lan: &mut Lan, config: &str) -> (Cluster, BTreeMap<String, WallClock>) {
    let folder = tempfile::Builder::new().prefix("dm-cluster-").tempdir().unwrap();
    let databases = lan.database_ip();
    let mut cluster = Cluster { master_addr: String::new(), nodes: Vec::new(), folder, databases, flags: Vec::new() };
    let ips = MASTERS.map(|name| lan.add(name));
    // A port that other machines reach is guarded.
    let secret = "cluster-secret = \"of the tests\"\n";
    let (of_masters, of_workers) = (format!("{secret}{config}"), cluster.file("worker.toml", secret));
    let of_masters = cluster.file("master.toml", &of_masters);
    let members: Vec<String> = (0..3).map(|i| format!("{}=http://{}:8291", MASTERS[i], ips[i])).collect();
    let mut clocks = BTreeMap::new();
    for name in MASTERS.iter().chain(&WORKERS) {
        clocks.insert((*name).to_owned(), WallClock::new(cluster.folder.path(), name));
    }
    for (name, ip) in MASTERS.iter().zip(&ips) {
        lan.small_disk(name, &cluster.folder.path().join(format!("{name}.data")), DISK_MB);
        let (address, peer, data) = (format!("{ip}:8261"), format!("http://{ip}:8291"), format!("{name}.data"));
        let args = ["master", "--name", name, "--data-dir", &data, "--master-addr", &address, "--peer-urls", &peer];
        let args = args
            .iter()
            .chain(&["--openapi", "--config", &of_masters, "--initial-cluster", &members.join(",")])
            .map(ToString::to_string)
            .collect();
        let before = [lan.enter(name, cluster.folder.path()), clocks[*name].worn()].concat();
        cluster.nodes.push(Node::launched_from(program.into(), name, cluster.folder.path(), &address, before, args));
    }
    cluster.master_addr = ips.map(|ip| format!("{ip}:8261")).join(",");
    cluster.nodes.iter_mut().for_each(Node::listens);
    for name in WORKERS {
        let address = format!("{}:8262", lan.add(name));
        let folder = cluster.folder.path().join(name);
        std::fs::create_dir_all(&folder).unwrap();
        let args = ["worker", "--name", name, "--config", &of_workers, "--worker-addr", &address, "--join"];
        let args = args.iter().chain(&[cluster.master_addr.as_str()]).map(ToString::to_string).collect();
        let before = [lan.enter(name, &folder), clocks[name].worn()].concat();
        let mut node = Node::launched_from(program.into(), name, &folder, &address, before, args);
        node.listens();
        cluster.nodes.push(node);
    }
    cluster.await_free_workers(3);
    (cluster, clocks)
}
