//! `query-status -o table`: the states of subtasks for people, one line each, errors below.

use crate::pb::{self, Stage, sub_task_status::Status};

/// Columns of a progress bar.
const BAR: usize = 16;
const HEAD: [&str; 8] = ["TASK", "SOURCE", "WORKER", "STAGE", "UNIT", "PROGRESS", "SPEED", "ETA"];

/// How a cell looks on a terminal.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Look {
    Plain,
    Good,
    Busy,
    Bad,
    Head,
}

impl Look {
    fn code(self) -> &'static str {
        match self {
            Look::Plain => "",
            Look::Good => "\u{1b}[32m",
            Look::Busy => "\u{1b}[33m",
            Look::Bad => "\u{1b}[31m",
            Look::Head => "\u{1b}[1m",
        }
    }
}

struct Cell {
    text: String,
    look: Look,
}

impl Cell {
    fn new(text: impl Into<String>, look: Look) -> Cell {
        // A name from elsewhere must not steer the terminal.
        let text: String = text.into().chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        Cell { text, look }
    }

    fn plain(text: impl Into<String>) -> Cell {
        Cell::new(text, Look::Plain)
    }
}

/// The table; `colour` for a terminal.
pub fn render(reply: &pb::QueryStatusListResponse, colour: bool) -> String {
    let mut rows: Vec<Vec<Cell>> = vec![HEAD.iter().map(|head| Cell::new(*head, Look::Head)).collect()];
    let mut notes: Vec<String> = Vec::new();
    if !reply.msg.is_empty() {
        notes.push(reply.msg.clone());
    }
    for source in &reply.sources {
        let status = source.source_status.clone().unwrap_or_default();
        if source.sub_task_status.is_empty() {
            let look = if source.result { Look::Plain } else { Look::Bad };
            let note = if source.result { "no task" } else { "not answering" };
            let cells = ["-", &status.source, &status.worker, note, "", "", "", ""];
            rows.push(cells.iter().map(|text| Cell::new(*text, look)).collect());
            if !source.result {
                notes.push(format!("{}: {}", status.source, source.msg));
            }
        }
        for subtask in &source.sub_task_status {
            rows.push(row(subtask, &status.source, &status.worker));
            for error in subtask.result.iter().flat_map(|result| &result.errors) {
                notes.push(problem(&subtask.name, &status.source, error));
            }
        }
    }
    let mut out = laid_out(&rows, colour);
    for note in notes {
        out.push_str(&format!("\n{}\n", Cell::plain(note).text));
    }
    out
}

fn problem(task: &str, source: &str, error: &pb::ProcessError) -> String {
    let mut text = format!("{task} on {source}: [{}] {}", error.err_code, error.message);
    for (what, part) in [("cause", &error.raw_cause), ("do", &error.workaround)] {
        if !part.is_empty() {
            text.push_str(&format!("; {what}: {part}"));
        }
    }
    text
}

fn row(subtask: &pb::SubTaskStatus, source: &str, worker: &str) -> Vec<Cell> {
    let failed = subtask.result.as_ref().is_some_and(|result| !result.errors.is_empty());
    let look = match subtask.stage() {
        _ if failed => Look::Bad,
        Stage::Running | Stage::Finished => Look::Good,
        _ => Look::Busy,
    };
    let (progress, speed, eta) = match &subtask.status {
        Some(Status::Dump(dump)) => dumped(dump),
        Some(Status::Load(load)) => loaded(load),
        Some(Status::Sync(sync)) => synced(sync),
        _ => Default::default(),
    };
    let behind = matches!(&subtask.status, Some(Status::Sync(sync)) if sync.seconds_behind_master > 60);
    vec![
        Cell::plain(&subtask.name),
        Cell::plain(source),
        Cell::plain(worker),
        Cell::new(if failed { "Error" } else { subtask.stage().as_str_name() }, look),
        Cell::plain(subtask.unit().as_str_name()),
        Cell::new(progress, if behind { Look::Busy } else { Look::Plain }),
        Cell::plain(speed),
        Cell::plain(eta),
    ]
}

fn dumped(dump: &pb::DumpStatus) -> (String, String, String) {
    let part = ratio(dump.finished_rows, dump.estimate_total_rows);
    let eta = dump.more.as_ref().and_then(|more| u64::try_from(more.remaining_seconds).ok());
    let speed = format!("{}/s", bytes(dump.bps as f64));
    (bar(part), speed, eta.map(seconds).unwrap_or_default())
}

fn loaded(load: &pb::LoadStatus) -> (String, String, String) {
    let part = ratio(load.finished_bytes as f64, load.total_bytes as f64);
    let known = load.more.as_ref().map(|more| more.eta_seconds).filter(|eta| *eta > 0);
    let left = load.total_bytes.saturating_sub(load.finished_bytes);
    let eta = known.or_else(|| u64::try_from(left.checked_div(load.bps)?).ok());
    (bar(part), format!("{}/s", bytes(load.bps as f64)), eta.map(seconds).unwrap_or_default())
}

fn synced(sync: &pb::SyncStatus) -> (String, String, String) {
    let lag = u64::try_from(sync.seconds_behind_master).unwrap_or_default();
    let behind = sync.more.as_ref().map_or(0, |more| more.behind_bytes);
    let progress = match (sync.synced, lag, behind) {
        (true, ..) => "synced".to_owned(),
        (false, lag, 0) => format!("lag {}", seconds(lag)),
        (false, lag, behind) => format!("lag {}, {} behind", seconds(lag), bytes(behind as f64)),
    };
    (progress, format!("{} rows/s", sync.recent_rps), String::new())
}

/// Between 0 and 1; `None` when the whole isn't known.
fn ratio(done: f64, whole: f64) -> Option<f64> {
    (whole > 0.0).then(|| (done / whole).clamp(0.0, 1.0))
}

fn bar(part: Option<f64>) -> String {
    let Some(part) = part else { return String::new() };
    let full = (part * BAR as f64) as usize;
    // What is not done yet never shows as done.
    let percent = (part * 1000.0).floor() / 10.0;
    format!("[{}{}] {percent:.1}%", "#".repeat(full.min(BAR)), ".".repeat(BAR.saturating_sub(full)))
}

fn bytes(count: f64) -> String {
    let mut count = count.max(0.0);
    for unit in ["B", "KiB", "MiB", "GiB"] {
        if count < 1024.0 {
            return if unit == "B" { format!("{count:.0} B") } else { format!("{count:.1} {unit}") };
        }
        count /= 1024.0;
    }
    format!("{count:.1} TiB")
}

fn seconds(all: u64) -> String {
    match (all / 3600, all / 60 % 60, all % 60) {
        (0, 0, s) => format!("{s}s"),
        (0, m, s) => format!("{m}m{s:02}s"),
        (h, m, _) => format!("{h}h{m:02}m"),
    }
}

fn laid_out(rows: &[Vec<Cell>], colour: bool) -> String {
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row| row.get(column));
        cells.map(|cell| cell.text.chars().count()).max().unwrap_or_default()
    };
    let widths: Vec<usize> = (0..HEAD.len()).map(width).collect();
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(&widths) {
            let padding = " ".repeat(width.saturating_sub(cell.text.chars().count()) + 2);
            match colour && cell.look != Look::Plain {
                true => line.push_str(&format!("{}{}\u{1b}[0m{padding}", cell.look.code(), cell.text)),
                false => line.push_str(&format!("{}{padding}", cell.text)),
            }
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reply() -> pb::QueryStatusListResponse {
        let subtask = |name: &str, stage: Stage, unit: pb::UnitType, status: Status| pb::SubTaskStatus {
            name: name.into(),
            stage: stage as i32,
            unit: unit as i32,
            status: Some(status),
            ..Default::default()
        };
        let mut failing = subtask(
            "orders",
            Stage::Paused,
            pb::UnitType::Sync,
            Status::Sync(pb::SyncStatus { seconds_behind_master: 3725, recent_rps: 12, ..Default::default() }),
        );
        let error = pb::ProcessError {
            err_code: 10006,
            message: "execute failed\u{1b}[2J".into(),
            workaround: "look".into(),
            ..Default::default()
        };
        failing.result = Some(pb::ProcessResult { errors: vec![error], ..Default::default() });
        let load = pb::LoadStatus { finished_bytes: 3 << 20, total_bytes: 4 << 20, bps: 1 << 16, ..Default::default() };
        let status =
            |source: &str| Some(pb::SourceStatus { source: source.into(), worker: "w1".into(), ..Default::default() });
        pb::QueryStatusListResponse {
            result: true,
            msg: String::new(),
            sources: vec![
                pb::QueryStatusResponse {
                    result: true,
                    source_status: status("s1"),
                    sub_task_status: vec![
                        subtask("big", Stage::Running, pb::UnitType::Load, Status::Load(load)),
                        failing,
                    ],
                    ..Default::default()
                },
                pb::QueryStatusResponse {
                    result: false,
                    msg: "gone".into(),
                    source_status: status("s2"),
                    ..Default::default()
                },
            ],
        }
    }

    #[test]
    fn one_line_a_subtask_and_errors_below() {
        let text = render(&reply(), false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "TASK    SOURCE  WORKER  STAGE          UNIT  PROGRESS                  SPEED       ETA");
        assert_eq!(lines[1], "big     s1      w1      Running        Load  [############....] 75.0%  64.0 KiB/s  16s");
        assert_eq!(lines[2], "orders  s1      w1      Error          Sync  lag 1h02m                 12 rows/s");
        assert_eq!(lines[3], "-       s2      w1      not answering");
        assert_eq!(lines[5], "orders on s1: [10006] execute failed [2J; do: look");
        assert_eq!(lines[7], "s2: gone");
        assert!(!text.contains('\u{1b}'));
        let coloured = render(&reply(), true);
        assert!(coloured.contains("\u{1b}[31mError\u{1b}[0m") && coloured.contains("\u{1b}[32mRunning\u{1b}[0m"));
    }

    #[test]
    fn nothing_unfinished_shows_as_finished() {
        assert_eq!(bar(Some(0.9999)), format!("[{}.] 99.9%", "#".repeat(15)));
        assert_eq!(bar(Some(1.0)), format!("[{}] 100.0%", "#".repeat(16)));
        assert_eq!((bar(None), bytes(-1.0), bytes(1e18)), (String::new(), "0 B".into(), "909494.7 TiB".into()));
    }
}
