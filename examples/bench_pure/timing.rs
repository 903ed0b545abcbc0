//! Measuring: medians of CPU time.

use std::{fs, hint::black_box};

/// How often and how long.
#[derive(Clone, Copy)]
pub struct Rounds {
    pub count: usize,
    /// CPU time of one round.
    pub millis: u64,
}

/// Nanoseconds of one call: the median, and the quartiles around it.
#[derive(Clone, Copy)]
pub struct Time {
    pub median: f64,
    pub low: f64,
    pub high: f64,
}

/// CPU time of this thread in nanoseconds.
fn cpu_nanos() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap();
    text.split_whitespace().next().unwrap().parse().unwrap()
}

/// Times several ways of the same work in turns, so that a change of the machine's speed meets them all alike.
pub fn compare<const N: usize>(rounds: Rounds, mut ways: [&mut dyn FnMut(); N]) -> [Time; N] {
    let counts: Vec<u64> = ways.iter_mut().map(|way| calls(way, rounds.millis)).collect();
    let mut samples = vec![Vec::new(); N];
    for _ in 0..rounds.count {
        for (i, way) in ways.iter_mut().enumerate() {
            let before = cpu_nanos();
            for _ in 0..counts[i] {
                black_box(&mut *way)();
            }
            samples[i].push((cpu_nanos() - before) as f64 / counts[i] as f64);
        }
    }
    std::array::from_fn(|i| {
        samples[i].sort_by(f64::total_cmp);
        let at = |part: f64| samples[i][((samples[i].len() - 1) as f64 * part).round() as usize];
        Time { median: at(0.5), low: at(0.25), high: at(0.75) }
    })
}

/// How many calls take about `millis`; warms up.
fn calls(way: &mut &mut dyn FnMut(), millis: u64) -> u64 {
    let mut count = 1;
    loop {
        let before = cpu_nanos();
        for _ in 0..count {
            way();
        }
        let took = cpu_nanos() - before;
        if took > millis * 250_000 {
            return (count * millis * 1_000_000 / took).max(1);
        }
        count *= 2;
    }
}

/// Collects what is printed.
pub struct Report {
    json: bool,
    part: String,
}

impl Report {
    pub fn new(json: bool) -> Report {
        if !json {
            println!("{}, load {} (medians of CPU time; ± half of the middle half)", machine(), load());
        }
        Report { json, part: String::new() }
    }

    /// Begins a part: its title and what its numbers are compared to.
    pub fn part(&mut self, title: &str) {
        self.part = title.to_owned();
        if !self.json {
            println!("\n{title}");
        }
    }

    /// One line: a way of doing `what`; `value` and `unit` are what counts, `time` one call, `ratio` to another way.
    pub fn line(&mut self, what: &str, value: f64, unit: &str, time: Time, note: &str) {
        let spread = 50.0 * (time.high - time.low) / time.median;
        if self.json {
            println!(
                "{{\"part\": \"{}\", \"what\": \"{what}\", \"value\": {value:.4}, \"unit\": \"{unit}\", \
                 \"nanos\": {:.1}, \"spread_percent\": {spread:.1}, \"note\": \"{note}\", \"load\": \"{}\"}}",
                self.part,
                time.median,
                load()
            );
        } else {
            println!("  {what:<58} {value:>9.2} {unit:<10} ±{spread:>4.1} %  {note}");
        }
    }

    pub fn end(&self) {
        if !self.json {
            println!("\nload at the end {}", load());
        }
    }
}

fn load() -> String {
    fs::read_to_string("/proc/loadavg").unwrap().split_whitespace().next().unwrap().to_owned()
}

fn machine() -> String {
    let info = fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = info.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or(": unknown processor");
    let cores = std::thread::available_parallelism().map_or(1, |n| n.get());
    format!("{} x {cores}", model.trim_start_matches([' ', '\t', ':']))
}
