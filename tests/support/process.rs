//! What a process used, from /proc.

use std::fs;

/// User and system time of a process, in seconds (clock ticks are 1/100 s on Linux).
pub fn cpu_seconds(pid: u32) -> f64 {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
    let fields: Vec<&str> = stat.rsplit_once(") ").unwrap().1.split_whitespace().collect();
    (fields[11].parse::<f64>().unwrap() + fields[12].parse::<f64>().unwrap()) / 100.0
}

/// The highest resident memory so far, in MiB.
pub fn peak_memory(pid: u32) -> f64 {
    status_mib(pid, "VmHWM:")
}

/// Resident memory now, in MiB.
pub fn resident_memory(pid: u32) -> f64 {
    status_mib(pid, "VmRSS:")
}

/// Lets [`peak_memory`] begin anew.
pub fn forget_peak(pid: u32) {
    fs::write(format!("/proc/{pid}/clear_refs"), "5").unwrap();
}

fn status_mib(pid: u32, key: &str) -> f64 {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let line = status.lines().find(|line| line.starts_with(key)).unwrap();
    line.split_whitespace().nth(1).unwrap().parse::<f64>().unwrap() / 1024.0
}
