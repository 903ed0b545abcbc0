//! What runs in this process, where the original lists goroutines: threads, and how many tasks the runtime has.

use std::{fmt::Write, fs};

/// Kernel ticks a second.
const TICKS: f64 = 100.0;

/// A line for each thread: name, state, seconds of CPU time; then the runtime's tasks.
pub fn list() -> String {
    let mut text = String::from("thread            state  CPU seconds\n");
    let folder = fs::read_dir("/proc/self/task").into_iter().flatten().flatten();
    let mut lines: Vec<_> = folder.filter_map(|thread| line(&thread.path())).collect();
    lines.sort();
    lines.into_iter().for_each(|line| text.push_str(&line));
    if let Ok(runtime) = tokio::runtime::Handle::try_current() {
        let metrics = runtime.metrics();
        let (tasks, workers, queued) = (metrics.num_alive_tasks(), metrics.num_workers(), metrics.global_queue_depth());
        // A text takes all that is written into it.
        let _ = writeln!(text, "\n{tasks} tasks on {workers} threads, {queued} wait to be taken");
    }
    text
}

fn line(thread: &std::path::Path) -> Option<String> {
    let stat = fs::read_to_string(thread.join("stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let fields: Vec<&str> = rest.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok());
    let seconds = (ticks(11)? + ticks(12)?) / TICKS;
    Some(format!("{name:<17} {:<6} {seconds:.2}\n", fields.first()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn every_thread_has_a_line() {
        let text = list();
        assert!(text.lines().count() > 3, "{text}");
        assert!(text.contains(" tasks on "), "{text}");
    }
}
