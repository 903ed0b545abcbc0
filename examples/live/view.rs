//! The progress view of the demo: one line a table, one line a source, redrawn in place on a terminal.

use std::time::Duration;

use serde_json::Value;

/// Draws what `query-status` and row counts say.
pub struct View {
    tables: Vec<(String, String, u64)>,
    terminal: bool,
    lines: usize,
    last: Option<(Duration, u64)>,
}

impl View {
    pub fn new(tables: &[(&str, &str, &str, u64)], rows: u64, terminal: bool) -> View {
        let tables = tables
            .iter()
            .map(|(source, schema, table, percent)| {
                (source.to_string(), format!("{schema}.{table}"), rows * percent / 100)
            })
            .collect();
        View { tables, terminal, lines: 0, last: None }
    }

    /// Draws one state; true when all sources are in Sync.
    pub fn draw(&mut self, status: &Value, counts: &[u64], elapsed: Duration) -> bool {
        let mut out = Vec::new();
        let (done, all): (u64, u64) = (counts.iter().sum(), self.tables.iter().map(|t| t.2).sum());
        let rate = self.rate(done, elapsed);
        let eta = if done >= all || rate < 1.0 { "-".into() } else { format!("{:.0} s", (all - done) as f64 / rate) };
        out.push(format!(
            "  {:5.1} s   {done:>9} of {all} rows on the target   {rate:>8.0} rows/s   ETA {eta}",
            elapsed.as_secs_f64()
        ));
        for ((source, table, expected), count) in self.tables.iter().zip(counts) {
            out.push(format!("  {source:8} {table:18} {} {count:>9}", bar(*count, *expected)));
        }
        let mut all_sync = true;
        for source in status["sources"].as_array().into_iter().flatten() {
            let id = source["sourceStatus"]["source"].as_str().unwrap_or("?");
            let task = &source["subTaskStatus"][0];
            all_sync &= task["unit"] == "Sync" && task["stage"] == "Running";
            out.push(format!("  {id:8} {}", unit_line(task)));
        }
        self.print(&out);
        all_sync
    }

    /// Rows per second since the last draw.
    fn rate(&mut self, done: u64, elapsed: Duration) -> f64 {
        let before = self.last.replace((elapsed, done)).unwrap_or((Duration::ZERO, 0));
        let seconds = elapsed.saturating_sub(before.0).as_secs_f64().max(0.001);
        done.saturating_sub(before.1) as f64 / seconds
    }

    fn print(&mut self, lines: &[String]) {
        if self.terminal {
            if self.lines > 0 {
                print!("\x1b[{}A", self.lines);
            }
            for line in lines {
                println!("\x1b[2K{line}");
            }
            self.lines = lines.len();
        } else {
            println!("{}", lines[0]);
            for line in &lines[lines.len().saturating_sub(2)..] {
                println!("{line}");
            }
        }
    }
}

fn bar(count: u64, expected: u64) -> String {
    let filled = (count.min(expected) * 30).checked_div(expected).unwrap_or(0) as usize;
    format!("[{}{}]", "#".repeat(filled), " ".repeat(30 - filled))
}

/// What the current unit of a subtask is doing, in a line.
fn unit_line(task: &Value) -> String {
    let text = |section: &str, key: &str| match &task[section][key] {
        Value::String(s) => s.clone(),
        Value::Null => "?".into(),
        other => other.to_string(),
    };
    let mb = |section: &str| text(section, "bps").parse::<f64>().unwrap_or(0.0) / 1e6;
    match task["unit"].as_str().unwrap_or("") {
        "Dump" => format!(
            "Dump  {:>9}  {:6.1} MB/s  {} rows",
            text("dump", "progress"),
            mb("dump"),
            text("dump", "finishedRows")
        ),
        "Load" => format!("Load  {:>9}  {:6.1} MB/s", text("load", "progress"), mb("load")),
        "Sync" => format!(
            "Sync  lag {} s  {} rows, {} rows/s  at {}",
            text("sync", "secondsBehindMaster"),
            text("sync", "totalRows"),
            text("sync", "recentRps"),
            text("sync", "syncerBinlog")
        ),
        other => format!("{} {other}", task["stage"].as_str().unwrap_or("starting")),
    }
}
