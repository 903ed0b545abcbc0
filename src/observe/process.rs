//! Figures of this process, read from the kernel each time someone asks; absent where there is no `/proc`.

use std::fs;

/// Ticks per second in `/proc/<pid>/stat`; the kernel shows user space 100 whatever its own clock is.
const TICKS: f64 = 100.0;

/// CPU seconds used so far (user and system).
pub fn cpu_seconds() -> Option<f64> {
    let stat = stat()?;
    Some((stat.first()? + stat.get(1)?) / TICKS)
}

/// utime, stime and start time, in ticks.
fn stat() -> Option<Vec<f64>> {
    let text = fs::read_to_string("/proc/self/stat").ok()?;
    // The name in parentheses may hold blanks; fields are counted from behind it.
    let fields: Vec<&str> = text.rsplit_once(')')?.1.split_whitespace().collect();
    [11, 12, 19].iter().map(|at| fields.get(*at)?.parse().ok()).collect()
}

/// A `Name: <kB> kB` line of `/proc/self/status`, in bytes.
fn status_bytes(name: &str) -> Option<f64> {
    let text = fs::read_to_string("/proc/self/status").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
    Some(line.split_whitespace().next()?.parse::<f64>().ok()? * 1024.0)
}

fn start_time() -> Option<f64> {
    let boot = fs::read_to_string("/proc/stat").ok()?;
    let boot: f64 = boot.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
    Some(boot + stat()?.get(2)? / TICKS)
}

fn max_fds() -> Option<f64> {
    let text = fs::read_to_string("/proc/self/limits").ok()?;
    let line = text.lines().find_map(|line| line.strip_prefix("Max open files"))?;
    line.split_whitespace().next()?.parse().ok()
}

/// The process metrics in Prometheus text.
pub fn render() -> String {
    let open = fs::read_dir("/proc/self/fd").ok().map(|dir| dir.count() as f64);
    let figures = [
        ("process_cpu_seconds_total", "counter", cpu_seconds()),
        ("process_resident_memory_bytes", "gauge", status_bytes("VmRSS")),
        ("process_virtual_memory_bytes", "gauge", status_bytes("VmSize")),
        ("process_start_time_seconds", "gauge", start_time()),
        ("process_open_fds", "gauge", open),
        ("process_max_fds", "gauge", max_fds()),
        ("process_threads", "gauge", status_count("Threads")),
    ];
    let known = figures.into_iter().filter_map(|(name, kind, value)| Some((name, kind, value?)));
    known.map(|(name, kind, value)| format!("# TYPE {name} {kind}\n{name} {value}\n\n")).collect()
}

fn status_count(name: &str) -> Option<f64> {
    status_bytes(name).map(|value| value / 1024.0)
}
