//! A network of the tests' own: each node process lives in network and mount namespaces, on a switch that hangs on this
//! machine by one cable. What comes from whom can be dropped in one direction, links can lose packets or become slow,
//! disks can be small. Everything vanishes with the test's process: namespaces belong to processes on its leash.
//!
//! Packets are dropped by classic BPF programs of `tc` where they arrive, so that their sender learns nothing; slow links
//! are `tbf`. Kernels without `netem` have both.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    process::Command,
    sync::atomic::{AtomicU8, Ordering},
    time::{Duration, Instant},
};

use super::leash::Leashed;

/// Who drops what on its way in.
#[derive(Clone, PartialEq, Default, Debug)]
struct Weather {
    /// Nothing comes from these.
    deaf_to: BTreeSet<String>,
    /// Nothing goes to this machine, where the databases are.
    no_databases: bool,
    /// Share of the packets that get lost, in percent, each way.
    loss: u32,
    /// Bits a second in both directions together with what waits; 0: as they come.
    rate: u32,
}

struct Host {
    holder: Leashed,
    ip: String,
    weather: Weather,
}

/// The network. This machine is its first address.
pub struct Lan {
    switch: Leashed,
    prefix: String,
    hosts: BTreeMap<String, Host>,
    folder: tempfile::TempDir,
}

impl Lan {
    /// A network without nodes. An error says what it needs and this machine does not give.
    pub fn new() -> Result<Lan, String> {
        static NEXT: AtomicU8 = AtomicU8::new(0);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        let folder = tempfile::Builder::new().prefix("dm-lan-").tempdir().unwrap();
        let needed = "network namespaces need root (or CAP_SYS_ADMIN and CAP_NET_ADMIN) and the packages iproute2 and \
                      util-linux, which Debian has by default";
        let holder = hold(folder.path(), "switch").map_err(|why| format!("{needed}: {why}"))?;
        let (pid, cable) = (std::process::id(), format!("dm{:x}n{number}", std::process::id()));
        let prefix = format!("10.{}.{}", 64 + pid % 128, (pid / 128).wrapping_mul(7).wrapping_add(number.into()) % 256);
        let lan = Lan { switch: holder, prefix, hosts: BTreeMap::new(), folder };
        let uplink = format!("ip link add name {cable} type veth peer name uplink netns {}", lan.switch.pid);
        try_run(&uplink).map_err(|why| format!("{needed}: {why}"))?;
        run(&format!("ip addr add {}/24 dev {cable}", lan.database_ip()));
        run(&format!("ip link set {cable} up"));
        let lacks = |why| format!("the kernel lacks bridge, sch_ingress, cls_bpf or sch_tbf: {why}");
        let inside = format!("nsenter -t {} -n", lan.switch.pid);
        for line in ["ip link add name br0 type bridge", "ip link set br0 up", "ip link set uplink master br0 up"] {
            try_run(&format!("{inside} {line}")).map_err(lacks)?;
        }
        // Whether packets can be dropped and slowed down, before anything relies on it.
        try_run(&format!("{inside} tc qdisc add dev br0 clsact")).map_err(lacks)?;
        let (filter, all) =
            (format!("{inside} tc filter add dev br0 ingress bpf da bytecode"), program(26, [].iter(), 0));
        run_words(&mut filter.split(' ').chain([all.as_str()])).map_err(lacks)?;
        try_run(&format!("{inside} tc qdisc add dev br0 root tbf rate 1gbit burst 1mb latency 300ms"))
            .map_err(lacks)?;
        try_run(&format!("{inside} tc qdisc del dev br0 clsact")).map_err(lacks)?;
        try_run(&format!("{inside} tc qdisc del dev br0 root")).map_err(lacks)?;
        Ok(lan)
    }

    /// Where the databases of this machine are found from the nodes.
    pub fn database_ip(&self) -> String {
        format!("{}.1", self.prefix)
    }

    /// A new node's place; its address.
    pub fn add(&mut self, name: &str) -> String {
        let holder = hold(self.folder.path(), name).unwrap();
        let number = self.hosts.len() + 10;
        let (ip, port) = (format!("{}.{number}", self.prefix), format!("p{number}"));
        self.in_switch(&format!("ip link add name {port} type veth peer name eth0 netns {}", holder.pid));
        self.in_switch(&format!("ip link set {port} master br0 up"));
        for line in ["ip link set lo up", &format!("ip addr add {ip}/24 dev eth0"), "ip link set eth0 up"] {
            run(&format!("nsenter -t {} -n {line}", holder.pid));
        }
        self.hosts.insert(name.into(), Host { holder, ip: ip.clone(), weather: Weather::default() });
        ip
    }

    /// What is put before a command so that it runs in that place, within `folder`.
    pub fn enter(&self, name: &str, folder: &Path) -> Vec<String> {
        let pid = self.hosts[name].holder.pid.to_string();
        let inside = "cd \"$0\" && exec \"$@\"";
        ["nsenter", "-t", &pid, "-n", "-m", "sh", "-c", inside, &folder.display().to_string()].map(str::to_owned).into()
    }

    /// Nothing of what `from` sends reaches `to`.
    pub fn deafen(&mut self, to: &str, from: &str) {
        let ip = self.hosts[from].ip.clone();
        self.change(to, |weather| _ = weather.deaf_to.insert(ip));
    }

    /// Neither hears the other.
    pub fn cut(&mut self, a: &str, b: &str) {
        self.deafen(a, b);
        self.deafen(b, a);
    }

    /// A node does not reach the databases.
    pub fn cut_databases(&mut self, name: &str) {
        let ip = self.database_ip();
        self.change(name, |weather| {
            weather.no_databases = true;
            weather.deaf_to.insert(ip);
        });
    }

    /// A node's link loses `loss` percent of the packets each way, and carries `rate` bits a second (0: unlimited).
    pub fn spoil(&mut self, name: &str, loss: u32, rate: u32) {
        self.change(name, |weather| (weather.loss, weather.rate) = (loss, rate));
    }

    /// Everything reaches everybody again.
    pub fn heal(&mut self) {
        let names: Vec<String> = self.hosts.keys().cloned().collect();
        names.iter().for_each(|name| self.change(name, |weather| *weather = Weather::default()));
    }

    /// Gives a node a disk of its own at `at`, of so many megabytes.
    pub fn small_disk(&self, name: &str, at: &Path, megabytes: u32) {
        std::fs::create_dir_all(at).unwrap();
        let pid = self.hosts[name].holder.pid;
        run(&format!("nsenter -t {pid} -m mount -t tmpfs -o size={megabytes}m none {}", at.display()));
    }

    /// Fills that disk to the last byte, or makes room again.
    pub fn fill_disk(&self, name: &str, at: &Path, full: bool) {
        let (pid, filler) = (self.hosts[name].holder.pid, at.join("filler"));
        let line = match full {
            true => format!("head -c 1000000000 /dev/zero > {} 2>/dev/null; true", filler.display()),
            false => format!("rm -f {}", filler.display()),
        };
        let done = Command::new("nsenter").args(["-t", &pid.to_string(), "-m", "sh", "-c", &line]).status().unwrap();
        assert!(done.success(), "{line}");
    }

    fn change(&mut self, name: &str, edit: impl FnOnce(&mut Weather)) {
        let databases = self.database_ip();
        let host = self.hosts.get_mut(name).unwrap();
        let before = host.weather.clone();
        edit(&mut host.weather);
        if host.weather == before {
            return;
        }
        let (inside, weather) = (format!("nsenter -t {} -n tc", host.holder.pid), &host.weather);
        let _ = try_run(&format!("{inside} qdisc del dev eth0 clsact"));
        let _ = try_run(&format!("{inside} qdisc del dev eth0 root"));
        if *weather == Weather::default() {
            return;
        }
        run(&format!("{inside} qdisc add dev eth0 clsact"));
        let inward = program(26, weather.deaf_to.iter(), weather.loss);
        let outward = program(30, weather.no_databases.then_some(&databases).into_iter(), weather.loss);
        for (way, program) in [("ingress", inward), ("egress", outward)] {
            let filter = format!("{inside} filter add dev eth0 {way} bpf da bytecode");
            run_words(&mut filter.split(' ').chain([program.as_str()])).unwrap_or_else(|why| panic!("{why}"));
        }
        if weather.rate > 0 {
            run(&format!("{inside} qdisc add dev eth0 root tbf rate {}bit burst 8kb latency 300ms", weather.rate));
        }
    }

    fn in_switch(&self, line: &str) {
        run(&format!("nsenter -t {} -n {line}", self.switch.pid));
    }
}

/// A process that does nothing but keep namespaces of its own.
fn hold(folder: &Path, name: &str) -> Result<Leashed, String> {
    let log = folder.join(format!("{name}.log"));
    let command = ["unshare", "-n", "-m", "sleep", "infinity"].map(str::to_owned);
    let mut holder = Leashed::start(&command, folder, &log);
    let namespace = |pid: &str| std::fs::read_link(format!("/proc/{pid}/ns/mnt")).ok();
    let end = Instant::now() + Duration::from_secs(20);
    loop {
        let command = std::fs::read_to_string(format!("/proc/{}/cmdline", holder.pid)).unwrap_or_default();
        if command.starts_with("sleep") && namespace(&holder.pid.to_string()) != namespace("self") {
            return Ok(holder);
        }
        if holder.ended().is_some() || Instant::now() > end {
            return Err(std::fs::read_to_string(&log).unwrap_or_default());
        }
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// A classic BPF program: drops packets whose IPv4 address at this offset of the frame is one of these, and so many
/// percent of the others.
fn program<'a>(offset: u32, addresses: impl Iterator<Item = &'a String>, loss: u32) -> String {
    const RANDOM: u32 = 0xffff_f038;
    const DROP: &str = "6 0 0 2";
    const PASS: &str = "6 0 0 4294967295";
    let mut lines = vec![format!("32 0 0 {offset}")];
    for address in addresses {
        let ip: std::net::Ipv4Addr = address.parse().unwrap();
        lines.push(format!("21 0 1 {}", u32::from(ip)));
        lines.push(DROP.into());
    }
    if loss > 0 {
        lines.push(format!("32 0 0 {RANDOM}"));
        lines.push(format!("53 1 0 {}", u32::MAX / 100 * loss));
        lines.push(DROP.into());
    }
    lines.push(PASS.into());
    format!("{},{}", lines.len(), lines.join(","))
}

/// Runs a command whose words have no spaces.
fn try_run(line: &str) -> Result<(), String> {
    run_words(&mut line.split(' '))
}

fn run_words(words: &mut dyn Iterator<Item = &str>) -> Result<(), String> {
    let words: Vec<&str> = words.collect();
    match Command::new(words[0]).args(&words[1..]).output() {
        Ok(out) if out.status.success() => Ok(()),
        Ok(out) => Err(format!("{}: {}", words.join(" "), String::from_utf8_lossy(&out.stderr))),
        Err(why) => Err(format!("{}: {why}", words.join(" "))),
    }
}

fn run(line: &str) {
    try_run(line).unwrap_or_else(|why| panic!("{why}"));
}
