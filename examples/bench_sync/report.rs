//! The table at the end: medians, and the targets beside them.

use std::{collections::BTreeMap, fs};

use crate::{Args, workload::Workload};

/// One turn.
#[derive(Clone, Debug)]
pub struct Measured {
    pub seconds: f64,
    pub changes: u64,
    pub megabytes: f64,
    /// CPU seconds of our worker; None when it had no part.
    pub cpu: Option<f64>,
    /// CPU seconds of the target server, and of the source's.
    pub target_cpu: f64,
    pub source_cpu: f64,
    pub peak_memory: Option<f64>,
}

/// The source's server alone.
pub const SENDER: &str = "the source sends, nobody decodes";

/// All turns, by what was measured.
pub struct Report {
    order: Vec<String>,
    turns: BTreeMap<String, Vec<Measured>>,
    /// Lines that stand behind the table.
    lines: Vec<String>,
    head: String,
}

/// The targets of a part: rows/s, rows per CPU second, peak MiB; 0: none.
fn targets(part: &str) -> (f64, f64, f64) {
    match part {
        "MariaDB" => (60_000.0, 250_000.0, 64.0),
        "BLACKHOLE" => (150_000.0, 0.0, 0.0),
        _ => (0.0, 0.0, 0.0),
    }
}

impl Report {
    pub fn new() -> Report {
        Report { order: Vec::new(), turns: BTreeMap::new(), lines: Vec::new(), head: String::new() }
    }

    pub fn workload(&mut self, work: &Workload) {
        self.head = format!(
            "{} row changes, {:.0} MB of binlog, rows chosen {}; load {}",
            work.changes,
            work.binlog_bytes as f64 / 1e6,
            if work.hot { "as sysbench does (75 % of them among 1 %)" } else { "evenly" },
            load()
        );
    }

    pub fn add(&mut self, part: &str, measured: Measured) {
        eprintln!(
            "  {part}: {:.2} s, {:.0} rows/s, CPU seconds: ours {:.2}, target {:.2}, source {:.2}",
            measured.seconds,
            measured.changes as f64 / measured.seconds,
            measured.cpu.unwrap_or(0.0),
            measured.target_cpu,
            measured.source_cpu
        );
        if !self.order.iter().any(|known| known == part) {
            self.order.push(part.to_owned());
        }
        self.turns.entry(part.to_owned()).or_default().push(measured);
    }

    pub fn line(&mut self, text: String) {
        eprintln!("  {text}");
        self.lines.push(text);
    }

    fn median(&self, part: &str, value: impl Fn(&Measured) -> f64) -> f64 {
        median(self.turns.get(part).map(|turns| turns.iter().map(value).collect()).unwrap_or_default())
    }

    pub fn print(&self, args: &Args) {
        println!("{}", self.head);
        println!("(medians of {} rounds, load now {})\n", args.number("--rounds", 3), load());
        if !self.order.is_empty() {
            self.table();
        }
        for line in &self.lines {
            println!("{line}");
        }
    }

    fn table(&self) {
        println!(
            "| catching up | s | rows/s | target | rows per CPU s of ours | target | peak MiB | target | target server's CPU s |"
        );
        println!("|---|---|---|---|---|---|---|---|---|");
        let goal = |value: f64, sign: &str| if value > 0.0 { format!("{sign} {value:.0}") } else { String::new() };
        for part in &self.order {
            let (speed, per_cpu, memory) = targets(part);
            let seconds = self.median(part, |m| m.seconds);
            let changes = self.median(part, |m| m.changes as f64);
            let cpu = self.median(part, |m| m.cpu.unwrap_or(0.0));
            let ours = if cpu > 0.0 { format!("{:.0}", changes / cpu) } else { String::new() };
            let peak = self.median(part, |m| m.peak_memory.unwrap_or(0.0));
            println!(
                "| {part} | {seconds:.2} | {:.0} | {} | {ours} | {} | {} | {} | {:.1} |",
                changes / seconds,
                goal(speed, ">="),
                goal(per_cpu, ">="),
                if peak > 0.0 { format!("{peak:.0}") } else { String::new() },
                goal(memory, "<="),
                self.median(part, |m| m.target_cpu),
            );
        }
        let serial = self.median("own replica, serial", |m| m.seconds);
        let ours = self.median("MariaDB", |m| m.seconds);
        if serial > 0.0 && ours > 0.0 {
            println!("\ntimes the own replica's speed (serial): {:.2} (target >= 1.5)", serial / ours);
        }
        let decode = self.median("decode only", |m| m.seconds);
        if decode > 0.0 {
            println!(
                "decode only: {:.0} MB/s of binlog (target >= 500); {:.0} MB per CPU second of ours; the source's server sends \
                 {:.0} MB/s to a reader that throws all away",
                self.median("decode only", |m| m.megabytes) / decode,
                self.median("decode only", |m| m.megabytes)
                    / self.median("decode only", |m| m.cpu.unwrap_or(0.0)).max(0.001),
                self.median(SENDER, |m| m.megabytes / m.seconds)
            );
        }
    }
}

/// The middle value; 0 of nothing.
pub fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(0.0)
}

/// The machine's load average of the last minute.
pub fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap().split(' ').next().unwrap().to_owned()
}
