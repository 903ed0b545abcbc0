//! The project's programs as processes: nodes, and dmctl run against them.

use std::{
    fs,
    net::TcpStream,
    path::{Path, PathBuf},
    process::{Command, Output, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{
    leash::{Leashed, signal},
    servers::{Server, free_port},
};

/// Folder with one of our built programs.
fn program(name: &str) -> PathBuf {
    match name {
        "dm-node" => PathBuf::from(option_env!("CARGO_BIN_EXE_dm-node").unwrap_or("dm-node")),
        "dmctl" => PathBuf::from(option_env!("CARGO_BIN_EXE_dmctl").unwrap_or("dmctl")),
        _ => PathBuf::from(option_env!("CARGO_BIN_EXE_dm-console").unwrap_or("dm-console")),
    }
}

/// Where examples (demo, bench) find the programs: beside themselves.
fn resolve(name: &str) -> PathBuf {
    let built = program(name);
    if built.is_absolute() {
        return built;
    }
    let me = std::env::current_exe().unwrap();
    let folder = me.parent().unwrap();
    [folder.join(name), folder.join("..").join(name)].into_iter().find(|p| p.exists()).unwrap_or(built)
}

/// One node process; killed when dropped.
pub struct Node {
    pub name: String,
    /// What is run the next time.
    pub program: PathBuf,
    /// What stands before the program: the way into its namespaces.
    before: Vec<String>,
    args: Vec<String>,
    folder: PathBuf,
    process: Option<Leashed>,
    address: String,
}

impl Node {
    /// Starts `dm-node ARGS` in `folder` and waits until `address` accepts connections.
    pub fn start(name: &str, folder: &Path, address: &str, args: Vec<String>) -> Node {
        let mut node = Node::launched(name, folder, address, Vec::new(), args);
        node.listens();
        node
    }

    pub fn up(&mut self) {
        self.launch(&[]);
        self.listens();
    }

    /// Like `start`, without waiting, and with a command before the program.
    pub fn launched(name: &str, folder: &Path, address: &str, before: Vec<String>, args: Vec<String>) -> Node {
        Node::launched_from(Node::built(), name, folder, address, before, args)
    }

    /// The same, of this program.
    pub fn launched_from(
        program: PathBuf,
        name: &str,
        folder: &Path,
        address: &str,
        before: Vec<String>,
        args: Vec<String>,
    ) -> Node {
        let (name, folder, address) = (name.into(), folder.into(), address.into());
        let mut node = Node { name, program, before, args, folder, process: None, address };
        node.launch(&[]);
        node
    }

    /// The program that these tests were built with.
    pub fn built() -> PathBuf {
        resolve("dm-node")
    }

    /// Starts the process without waiting.
    pub fn up_later(&mut self) {
        self.launch(&[]);
    }

    /// Where it takes commands.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Whether its process was not ended by us.
    pub fn is_up(&self) -> bool {
        self.process.is_some()
    }

    /// Waits until its port accepts connections.
    pub fn listens(&mut self) {
        let end = Instant::now() + Duration::from_secs(120);
        while TcpStream::connect(&self.address).is_err() {
            if let Some(status) = self.process.as_mut().unwrap().ended() {
                panic!("{} ended with {status}:\n{}", self.name, self.log());
            }
            assert!(Instant::now() < end, "{} does not listen on {}:\n{}", self.name, self.address, self.log());
            std::thread::park_timeout(Duration::from_millis(50));
        }
    }

    /// Starts the process with `DM_FAILPOINTS`; it may end at any moment from now on.
    pub fn up_to_fail(&mut self, failpoints: &str) {
        self.launch(&["env".to_owned(), format!("DM_FAILPOINTS={failpoints}")]);
    }

    fn launch(&mut self, before: &[String]) {
        assert!(self.process.is_none(), "{} already runs", self.name);
        fs::create_dir_all(&self.folder).unwrap();
        let mut command = [self.before.as_slice(), before].concat();
        command.push(self.program.display().to_string());
        command.extend(self.args.iter().cloned());
        self.process = Some(Leashed::start(&command, &self.folder, &self.log_file()));
    }

    /// The exit code once the process has ended by itself.
    pub fn ended(&mut self) -> Option<i32> {
        let status = self.process.as_mut()?.ended()?;
        self.process = None;
        Some(status.code().unwrap_or(-1))
    }

    pub fn pid(&self) -> u32 {
        self.process.as_ref().unwrap().pid
    }

    pub fn log_file(&self) -> PathBuf {
        self.folder.join(format!("{}.log", self.name))
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.process.take() {
            child.kill();
        }
    }

    /// SIGTERM, and the exit code.
    pub fn stop(&mut self) -> Option<i32> {
        let mut child = self.process.take()?;
        signal("-TERM", child.pid);
        child.wait().code()
    }

    pub fn freeze(&self, frozen: bool) {
        signal(if frozen { "-STOP" } else { "-CONT" }, self.pid());
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.kill();
    }
}

/// A cluster of node processes with a folder of its own.
pub struct Cluster {
    pub folder: tempfile::TempDir,
    pub master_addr: String,
    pub nodes: Vec<Node>,
    /// Where the nodes find the tests' databases.
    pub databases: String,
    /// More flags for dmctl: its certificate.
    pub flags: Vec<String>,
}

/// Databases of the nodes' own machine.
pub const HERE: &str = "127.0.0.1";

impl Cluster {
    /// Master and worker in one process.
    pub fn standalone() -> Cluster {
        let folder = tempfile::Builder::new().prefix("dm-cluster-").tempdir().unwrap();
        let master_addr = format!("127.0.0.1:{}", free_port());
        let worker_addr = format!("127.0.0.1:{}", free_port());
        let args = ["standalone", "--data-dir", "data", "--master-addr", &master_addr, "--worker-addr", &worker_addr];
        let node = Node::start("node", folder.path(), &master_addr, args.map(String::from).to_vec());
        let cluster = Cluster { master_addr, nodes: vec![node], folder, databases: HERE.into(), flags: Vec::new() };
        cluster.await_free_workers(1);
        cluster
    }

    /// One master (`nodes[0]`) and workers `worker1`..; `ttl` is the workers' keepalive in seconds.
    pub fn with_workers(workers: usize, ttl: u32) -> Cluster {
        Cluster::with_link(workers, ttl, |port| port)
    }

    /// The same, where workers reach the master's cluster port (given to `link`) at the port that `link` returns.
    pub fn with_link(workers: usize, ttl: u32, link: impl FnOnce(u16) -> u16) -> Cluster {
        let folder = tempfile::Builder::new().prefix("dm-cluster-").tempdir().unwrap();
        let master_addr = format!("127.0.0.1:{}", free_port());
        let port = free_port();
        let peer = format!("http://127.0.0.1:{port}");
        let advertised = format!("http://127.0.0.1:{}", link(port));
        let args = [
            "master",
            "--name",
            "master1",
            "--data-dir",
            "master1.data",
            "--master-addr",
            &master_addr,
            "--peer-urls",
            &peer,
            "--advertise-peer-urls",
            &advertised,
            "--initial-cluster",
            &format!("master1={advertised}"),
        ];
        let master = Node::start("master1", folder.path(), &master_addr, args.map(String::from).to_vec());
        let mut cluster =
            Cluster { master_addr, nodes: vec![master], folder, databases: HERE.into(), flags: Vec::new() };
        for i in 1..=workers {
            cluster.add_worker(&format!("worker{i}"), ttl);
        }
        cluster.await_free_workers(workers);
        cluster
    }

    /// Masters `master1`.. that found a cluster together, and workers with the default lease.
    pub fn with_masters(masters: usize, workers: usize) -> Cluster {
        Cluster::with_masters_behind(masters, workers, |_, port| port)
    }

    /// The same, where others reach the cluster port of master `i` at the port that `link(i, port)` returns.
    pub fn with_masters_behind(masters: usize, workers: usize, mut link: impl FnMut(usize, u16) -> u16) -> Cluster {
        let folder = tempfile::Builder::new().prefix("dm-cluster-").tempdir().unwrap();
        let mut cluster = Cluster {
            master_addr: String::new(),
            nodes: Vec::new(),
            folder,
            databases: HERE.into(),
            flags: Vec::new(),
        };
        let peers: Vec<u16> = (0..masters).map(|_| free_port()).collect();
        let seen: Vec<String> =
            peers.iter().enumerate().map(|(i, port)| format!("http://127.0.0.1:{}", link(i + 1, *port))).collect();
        let addresses: Vec<String> = (0..masters).map(|_| format!("127.0.0.1:{}", free_port())).collect();
        let members: Vec<String> = seen.iter().enumerate().map(|(i, url)| format!("master{}={url}", i + 1)).collect();
        for i in 0..masters {
            // Late heartbeats of a machine without a free core must not look like a dead leader; what the default gives is
            // measured elsewhere.
            let heartbeat = std::env::var("DM_HEARTBEAT").unwrap_or_else(|_| "800ms".to_owned());
            let calm = ["--heartbeat-interval", &heartbeat];
            let more = ["--openapi", "--advertise-peer-urls", &seen[i], "--initial-cluster", &members.join(",")];
            let more: Vec<String> = more.iter().copied().chain(calm).map(str::to_owned).collect();
            let node = cluster.master(&format!("master{}", i + 1), &addresses[i], peers[i], &more);
            cluster.nodes.push(node);
        }
        cluster.master_addr = addresses.join(",");
        cluster.nodes.iter_mut().for_each(Node::listens);
        for i in 1..=workers {
            cluster.add_worker_with(&format!("worker{i}"), &[]);
        }
        cluster.await_free_workers(workers);
        cluster
    }

    /// Launches a master with an empty folder of its own.
    pub fn master(&self, name: &str, address: &str, peer: u16, more: &[String]) -> Node {
        let (peer, data) = (format!("http://127.0.0.1:{peer}"), format!("{name}.data"));
        let args = ["master", "--name", name, "--data-dir", &data, "--master-addr", address, "--peer-urls", &peer];
        let args = args.iter().map(ToString::to_string).chain(more.iter().cloned()).collect();
        Node::launched(name, self.folder.path(), address, Vec::new(), args)
    }

    /// A worker that is lost after `ttl` seconds of silence.
    pub fn add_worker(&mut self, name: &str, ttl: u32) {
        let ttl = ttl.to_string();
        self.add_worker_with(name, &["--keepalive-ttl", &ttl, "--lease-ttl", &ttl]);
    }

    /// A worker with more flags.
    pub fn add_worker_with(&mut self, name: &str, more: &[&str]) {
        let addr = format!("127.0.0.1:{}", free_port());
        let args = ["worker", "--name", name, "--worker-addr", &addr, "--join", &self.master_addr];
        let args = args.iter().chain(more).map(ToString::to_string).collect();
        let node = Node::start(name, &self.folder.path().join(name), &addr, args);
        self.nodes.push(node);
    }

    /// Waits until so many workers are online and free.
    pub fn await_free_workers(&self, workers: usize) {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            // Masters of a busy machine may lose their leader for a moment.
            let out = self.dmctl_output(&["list-member", "--worker"]);
            let members = String::from_utf8_lossy(&out.stdout);
            if members.matches("\"stage\": \"free\"").count() >= workers {
                return;
            }
            assert!(Instant::now() < end, "not {workers} free workers:\n{members}\n{}", self.logs_tail());
            std::thread::park_timeout(Duration::from_millis(100));
        }
    }

    pub fn node(&mut self, name: &str) -> &mut Node {
        self.nodes.iter_mut().find(|n| n.name == name).unwrap_or_else(|| panic!("no node {name}"))
    }

    /// Runs dmctl and returns what it did.
    pub fn dmctl_output(&self, args: &[&str]) -> Output {
        self.dmctl_at(&self.master_addr, args)
    }

    /// Runs dmctl against these masters.
    pub fn dmctl_at(&self, masters: &str, args: &[&str]) -> Output {
        self.dmctl_command(masters, args).output().unwrap()
    }

    /// dmctl against these masters, to be run.
    pub fn dmctl_command(&self, masters: &str, args: &[&str]) -> Command {
        let mut command = Command::new(resolve("dmctl"));
        command.args(["--master-addr", masters]).args(&self.flags).args(args);
        command.current_dir(self.folder.path()).stdin(Stdio::null());
        command
    }

    /// Runs dmctl, again as long as the masters of a busy machine have no leader.
    pub fn dmctl_led(&self, args: &[&str]) -> Output {
        let end = Instant::now() + Duration::from_secs(90);
        loop {
            let out = self.dmctl_output(args);
            let leaderless = format!("{out:?}").contains("code=38043");
            if out.status.success() || !leaderless || Instant::now() > end {
                return out;
            }
        }
    }

    /// Runs dmctl; its standard output.
    pub fn dmctl(&self, args: &[&str]) -> String {
        let out = self.dmctl_led(args);
        assert!(out.status.success(), "dmctl {args:?}: {}", String::from_utf8_lossy(&out.stderr));
        String::from_utf8(out.stdout).unwrap()
    }

    /// Runs dmctl and reads its JSON.
    pub fn dmctl_json(&self, args: &[&str]) -> Value {
        let text = self.dmctl(args);
        serde_json::from_str(&text).unwrap_or_else(|e| panic!("dmctl {args:?}: {e}\n{text}"))
    }

    /// Runs dmctl and insists on `"result": true` at the top and for every source.
    pub fn dmctl_ok(&self, args: &[&str]) -> String {
        let text = self.dmctl(args);
        assert!(!text.contains("\"result\": false"), "dmctl {args:?}:\n{text}\n{}", self.logs_tail());
        text
    }

    /// The last lines of each node's log, for failure messages.
    pub fn logs_tail(&self) -> String {
        let mut all = String::new();
        for node in &self.nodes {
            let log = node.log();
            let lines: Vec<&str> = log.lines().collect();
            let tail = lines[lines.len().saturating_sub(25)..].join("\n");
            all.push_str(&format!("--- {} ---\n{tail}\n", node.name));
        }
        all
    }

    /// Writes a file into the cluster's folder and returns its path.
    pub fn file(&self, name: &str, text: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    }

    /// Creates a source for `server`.
    pub fn create_source(&self, id: &str, server: &Server, gtid: bool) {
        self.create_source_with(id, server, gtid, "");
    }

    /// The same with more keys in its file.
    pub fn create_source_with(&self, id: &str, server: &Server, gtid: bool, keys: &str) {
        let yaml = format!(
            "source-id: {id}\nenable-gtid: {gtid}\nfrom:\n  host: {}\n  port: {}\n  user: root\n  password: \"123456\"\n{keys}",
            self.databases, server.port
        );
        let path = self.file(&format!("{id}.yaml"), &yaml);
        self.dmctl_ok(&["operate-source", "create", &path]);
    }

    /// The status of one subtask of a task: `(stage, unit, whole reply)`.
    pub fn subtask(&self, task: &str, source: &str) -> (String, String, Value) {
        let reply = self.dmctl_json(&["query-status", task]);
        let status = reply["sources"]
            .as_array()
            .and_then(|all| all.iter().find(|s| s["sourceStatus"]["source"] == source))
            .map(|s| s["subTaskStatus"][0].clone())
            .unwrap_or(Value::Null);
        let text = |key: &str| status[key].as_str().unwrap_or_default().to_owned();
        (text("stage"), text("unit"), reply)
    }
}
