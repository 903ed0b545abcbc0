//! What was measured, as a table.

use std::{fs, time::Duration};

use super::{Args, support::nodes::Cluster};

/// One size.
#[derive(Debug, Default)]
pub struct Row {
    pub sources: usize,
    pub subtasks: usize,
    pub workers: usize,
    pub joined: Duration,
    pub created: Duration,
    pub start_task: Vec<Duration>,
    /// All start-task commands answered, and all subtasks shown as running.
    pub started: Duration,
    pub running: Duration,
    pub one: Vec<Duration>,
    pub all: Vec<Duration>,
    pub reply_mib: f64,
    pub paused_resumed: Vec<Duration>,
    pub failover: Duration,
    pub failover_running: Duration,
    /// Of the masters together, in parts of one core.
    pub idle_cpu: f64,
    /// Of the master that needed most at its peak.
    pub memory_mib: u64,
    pub disk_mib: f64,
}

pub fn percentile(values: &[Duration], percent: usize) -> Duration {
    let mut sorted = values.to_vec();
    sorted.sort();
    sorted.get((sorted.len() * percent / 100).min(sorted.len().saturating_sub(1))).copied().unwrap_or_default()
}

/// The load of the machine.
pub fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap_or_default().split(' ').next().unwrap_or_default().to_owned()
}

/// Peak resident memory of the master that needed most, MiB.
pub fn most_memory(cluster: &Cluster) -> u64 {
    let peak = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap().trim();
        line.split(' ').next().unwrap().parse::<u64>().unwrap() / 1024
    };
    cluster.nodes.iter().map(|node| peak(node.pid())).max().unwrap()
}

/// CPU seconds of all masters so far.
pub fn cpu(cluster: &Cluster) -> f64 {
    let seconds = |pid: u32| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        let fields: Vec<&str> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
    };
    cluster.nodes.iter().map(|node| seconds(node.pid())).sum()
}

/// The largest log of a master on disk, MiB.
pub fn disk(cluster: &Cluster) -> f64 {
    let size = |name: &str| {
        let file = cluster.folder.path().join(format!("{name}.data")).join("cluster.redb");
        fs::metadata(file).map_or(0, |file| file.len()) as f64 / 1048576.0
    };
    cluster.nodes.iter().map(|node| size(&node.name)).fold(0.0, f64::max)
}

pub fn print(args: &Args, rows: &[Row]) {
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    println!("{} masters, {cores} cores, load {}\n", args.number("--masters", 3), load());
    let ms = |d: Duration| format!("{:.1} ms", d.as_secs_f64() * 1e3);
    let s = |d: Duration| format!("{:.2} s", d.as_secs_f64());
    let line = |what: &str, cell: &dyn Fn(&Row) -> String| {
        let cells: Vec<String> = rows.iter().map(cell).collect();
        println!("| {what} | {} |", cells.join(" | "));
    };
    line("sources / subtasks", &|r| format!("{} / {}", r.sources, r.subtasks));
    println!("|{}", "---|".repeat(rows.len() + 1));
    line("simulated workers; until all are online", &|r| format!("{}; {}", r.workers, s(r.joined)));
    line("all sources created and bound", &|r| s(r.created));
    line("as many tasks started, 8 commands at once", &|r| s(r.started));
    line("start-task: p50, p99", &|r| {
        format!("{}, {}", ms(percentile(&r.start_task, 50)), ms(percentile(&r.start_task, 99)))
    });
    line("until all subtasks run", &|r| s(r.running));
    line("query-status of one task: p50, p99", &|r| {
        format!("{}, {}", ms(percentile(&r.one, 50)), ms(percentile(&r.one, 99)))
    });
    line("query-status of all: p50, max", &|r| {
        format!("{}, {}", ms(percentile(&r.all, 50)), ms(percentile(&r.all, 100)))
    });
    line("size of that reply", &|r| format!("{:.2} MiB", r.reply_mib));
    line("pause-task, resume-task: p50, p99", &|r| {
        format!("{}, {}", ms(percentile(&r.paused_resumed, 50)), ms(percentile(&r.paused_resumed, 99)))
    });
    line("a tenth of the workers killed: bound elsewhere, running", &|r| {
        format!("{}, {}", s(r.failover), s(r.failover_running))
    });
    line("CPU of all masters when nothing happens", &|r| format!("{:.0} % of a core", r.idle_cpu * 100.0));
    line("memory of the largest master at its peak", &|r| format!("{} MiB", r.memory_mib));
    line("its log on disk", &|r| format!("{:.1} MiB", r.disk_mib));
}
