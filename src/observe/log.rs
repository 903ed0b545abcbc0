//! The log: text in the original's format or JSON, to stdout or to a file that is rotated at 300 MB.
//!
//! Text: `[2006/01/02 15:04:05.000 -07:00] [LEVEL] [file:line] [message] [key=value] ...`. Message and values are quoted
//! only when they hold blanks, quotes, `=`, brackets or non-printable characters.

use std::{
    collections::VecDeque,
    fmt::{self, Write as _},
    fs::{File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    sync::{Mutex, OnceLock, PoisonError},
};

use chrono::{DateTime, Local};
use tracing::{
    Event, Level, Subscriber,
    field::{Field, Visit},
    level_filters::LevelFilter,
};
use tracing_subscriber::{
    Layer, Registry, filter::Targets, layer::Context, layer::SubscriberExt, registry::LookupSpan, reload,
    util::SubscriberInitExt,
};

use super::redact;
use crate::error::{Code, DmError, Result};

/// A file is set aside when it would grow beyond this.
const ROTATE_AT: u64 = 300 << 20;

/// How lines look.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Format {
    Text,
    Json,
}

/// Starts the process's log. `level`: debug, info, warn, error, fatal; `file`: empty for stdout; `format`: text, json.
/// A second call changes nothing and succeeds. Failures are 11104.
pub fn init(level: &str, file: &str, format: &str) -> Result<()> {
    static STARTED: OnceLock<()> = OnceLock::new();
    let fail = |cause: String| DmError::new(Code::InitLoggerFail).cause(cause);
    let level = parse_level(level).map_err(fail)?;
    let format = match format {
        "text" | "" => Format::Text,
        "json" => Format::Json,
        other => return Err(fail(format!("log-format {other:?} is unknown (allowed: text, json)"))),
    };
    let sink = if file.is_empty() {
        Sink::Stdout
    } else {
        let rotating = Rotating::open(Path::new(file)).map_err(|e| fail(format!("log-file {file}: {e}")))?;
        Sink::File(Mutex::new(rotating))
    };
    if STARTED.set(()).is_err() {
        return Ok(());
    }
    let (filter, handle) = reload::Layer::new(filter(level));
    let layer = LogLayer { format, sink }.with_filter(filter);
    if LEVEL.set(Live { handle, shown: Mutex::new(level) }).is_err() {
        return Ok(());
    }
    // Another subscriber was there first (a test's); it keeps the log.
    tracing_subscriber::registry().with(layer).try_init().ok();
    Ok(())
}

/// How the level of a running process is changed.
struct Live {
    handle: reload::Handle<Targets, Registry>,
    shown: Mutex<LevelFilter>,
}

static LEVEL: OnceLock<Live> = OnceLock::new();

/// The present level: debug, info, warn, error.
pub fn level() -> String {
    let shown = LEVEL.get().map(|live| *live.shown.lock().unwrap_or_else(PoisonError::into_inner));
    shown.unwrap_or(LevelFilter::INFO).to_string().to_ascii_lowercase()
}

/// Changes the level of the running process; the text says what is wrong.
pub fn set_level(level: &str) -> std::result::Result<(), String> {
    let wanted = parse_level(level)?;
    let live = LEVEL.get().ok_or("this process has no log of its own")?;
    live.handle.reload(filter(wanted)).map_err(|e| e.to_string())?;
    *live.shown.lock().unwrap_or_else(PoisonError::into_inner) = wanted;
    Ok(())
}

/// The last lines that were logged, oldest first, kept for diagnostics.
static LAST: Mutex<VecDeque<String>> = Mutex::new(VecDeque::new());
/// At most so many of them.
const LAST_LINES: usize = 2000;

/// Those lines.
pub fn last_lines() -> String {
    LAST.lock().unwrap_or_else(PoisonError::into_inner).iter().map(String::as_str).collect()
}

fn remember(line: &str) {
    let mut last = LAST.lock().unwrap_or_else(PoisonError::into_inner);
    if last.len() >= LAST_LINES {
        last.pop_front();
    }
    // A line of that length is an error's; its beginning says what it is about.
    last.push_back(match line.char_indices().nth(2000) {
        Some((end, _)) => format!("{} ...\n", &line[..end]),
        None => line.to_owned(),
    });
}

fn parse_level(level: &str) -> std::result::Result<LevelFilter, String> {
    Ok(match level.to_ascii_lowercase().as_str() {
        "debug" => LevelFilter::DEBUG,
        "" | "info" => LevelFilter::INFO,
        "warn" | "warning" => LevelFilter::WARN,
        "error" | "fatal" | "panic" | "dpanic" => LevelFilter::ERROR,
        other => return Err(format!("log level {other:?} is unknown (allowed: debug, info, warn, error, fatal)")),
    })
}

/// Our own events at the wanted level, libraries' only from warnings on (they may hold values at lower levels).
fn filter(level: LevelFilter) -> Targets {
    let own = ["dm", "dm_node", "dmctl", "dm_console"];
    let libraries = level.min(LevelFilter::WARN);
    Targets::new().with_default(libraries).with_targets(own.map(|name| (name, level)))
}

enum Sink {
    Stdout,
    File(Mutex<Rotating>),
}

impl Sink {
    fn write(&self, line: &str) {
        // A log that can't be written must not stop the work.
        match self {
            Sink::Stdout => io::stdout().lock().write_all(line.as_bytes()).ok(),
            Sink::File(file) => {
                file.lock().unwrap_or_else(PoisonError::into_inner).write(line.as_bytes(), ROTATE_AT).ok()
            }
        };
    }
}

/// A file that is renamed to `name-<time>.ext` when full.
struct Rotating {
    path: PathBuf,
    file: File,
    size: u64,
}

impl Rotating {
    fn open(path: &Path) -> io::Result<Self> {
        if let Some(folder) = path.parent()
            && !folder.as_os_str().is_empty()
        {
            std::fs::create_dir_all(folder)?;
        }
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let size = file.metadata()?.len();
        Ok(Rotating { path: path.to_owned(), file, size })
    }

    fn write(&mut self, line: &[u8], limit: u64) -> io::Result<()> {
        if self.size > 0 && self.size + line.len() as u64 > limit {
            self.rotate()?;
        }
        self.file.write_all(line)?;
        self.size += line.len() as u64;
        Ok(())
    }

    fn rotate(&mut self) -> io::Result<()> {
        let stem = self.path.file_stem().unwrap_or_default().to_string_lossy();
        let extension = self.path.extension().map(|e| format!(".{}", e.to_string_lossy())).unwrap_or_default();
        let time = Local::now().format("%Y-%m-%dT%H-%M-%S%.3f");
        let mut target = self.path.with_file_name(format!("{stem}-{time}{extension}"));
        let mut number = 1;
        while target.exists() {
            target = self.path.with_file_name(format!("{stem}-{time}.{number}{extension}"));
            number += 1;
        }
        std::fs::rename(&self.path, target)?;
        *self = Rotating::open(&self.path)?;
        Ok(())
    }
}

struct LogLayer {
    format: Format,
    sink: Sink,
}

impl<S: Subscriber + for<'a> LookupSpan<'a>> Layer<S> for LogLayer {
    fn on_event(&self, event: &Event<'_>, _: Context<'_, S>) {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let meta = event.metadata();
        let line = Line {
            time: Local::now(),
            level: level_name(meta.level()),
            place: place(meta.file(), meta.line()),
            message: &fields.message,
            fields: &fields.pairs,
        };
        let text = match self.format {
            Format::Text => line.text(),
            Format::Json => line.json(),
        };
        remember(&text);
        self.sink.write(&text);
    }
}

fn level_name(level: &Level) -> &'static str {
    match *level {
        Level::ERROR => "ERROR",
        Level::WARN => "WARN",
        Level::INFO => "INFO",
        Level::DEBUG | Level::TRACE => "DEBUG",
    }
}

/// `file:line` without the folders, as the original prints it.
fn place(file: Option<&str>, line: Option<u32>) -> String {
    let file = file.unwrap_or("unknown").rsplit('/').next().unwrap_or_default();
    format!("{file}:{}", line.unwrap_or(0))
}

#[derive(Default)]
struct Fields {
    message: String,
    pairs: Vec<(&'static str, String)>,
}

impl Fields {
    fn put(&mut self, field: &Field, value: String) {
        let name = field.name();
        // Password-like fields don't reach the log whatever they hold.
        let secret = ["password", "passwd", "secret"].iter().any(|word| name.contains(word));
        let value = if secret { crate::config::MASK.to_owned() } else { redact(&value) };
        match name {
            "message" => self.message = value,
            _ => self.pairs.push((name.strip_prefix("r#").unwrap_or(name), value)),
        }
    }
}

impl Visit for Fields {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.put(field, value.to_owned());
    }

    fn record_error(&mut self, field: &Field, value: &(dyn std::error::Error + 'static)) {
        self.put(field, value.to_string());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        let mut text = String::new();
        write!(text, "{value:?}").ok();
        self.put(field, text);
    }
}

/// One line before it is printed.
struct Line<'a> {
    time: DateTime<Local>,
    level: &'static str,
    place: String,
    message: &'a str,
    fields: &'a [(&'static str, String)],
}

impl Line<'_> {
    fn text(&self) -> String {
        let time = self.time.format("%Y/%m/%d %H:%M:%S%.3f %:z");
        let mut out = format!("[{time}] [{}] [{}] [{}]", self.level, self.place, quoted(self.message));
        for (key, value) in self.fields {
            // A key with blanks (`"current speed (bytes / seconds)"`) is quoted like a value.
            write!(out, " [{}={}]", quoted(key), quoted(value)).ok();
        }
        out.push('\n');
        out
    }

    fn json(&self) -> String {
        let mut map = serde_json::Map::new();
        map.insert("level".into(), self.level.into());
        map.insert("time".into(), self.time.format("%Y/%m/%d %H:%M:%S%.3f %:z").to_string().into());
        map.insert("caller".into(), self.place.clone().into());
        map.insert("message".into(), self.message.into());
        for (key, value) in self.fields {
            map.insert((*key).into(), value.clone().into());
        }
        serde_json::Value::Object(map).to_string() + "\n"
    }
}

/// The text, in quotes only when it needs them.
fn quoted(text: &str) -> String {
    let plain = |c: char| !c.is_whitespace() && !c.is_control() && !"\\\"=[]".contains(c) && c != '\u{fffd}';
    if text.chars().all(plain) {
        return text.to_owned();
    }
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            c if c.is_control() => {
                write!(out, "\\u{:04x}", c as u32).ok();
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use chrono::TimeZone;

    use super::*;

    fn line<'a>(message: &'a str, fields: &'a [(&'static str, String)]) -> Line<'a> {
        let time = Local.with_ymd_and_hms(2006, 1, 2, 15, 4, 5).unwrap();
        Line { time, level: "INFO", place: place(Some("src/units/sync/mod.rs"), Some(7)), message, fields }
    }

    #[test]
    fn text_is_quoted_only_where_needed() {
        let fields = [
            ("task", "t-1".to_owned()),
            ("error", "[code=1]\n\"x\"".to_owned()),
            ("duration", "1m0s".to_owned()),
            ("empty", String::new()),
            ("current speed (bytes / seconds)", "5".to_owned()),
        ];
        let text = line("unit process error", &fields).text();
        let (head, rest) = text.split_once("] [INFO] ").unwrap();
        assert!(head.starts_with("[2006/01/02 15:04:05.000 "), "{head}");
        assert!(head.ends_with(&Local.with_ymd_and_hms(2006, 1, 2, 15, 4, 5).unwrap().format("%:z").to_string()));
        assert_eq!(
            rest,
            "[mod.rs:7] [\"unit process error\"] [task=t-1] [error=\"[code=1]\\n\\\"x\\\"\"] [duration=1m0s] [empty=] [\"current speed (bytes / seconds)\"=5]\n"
        );
        assert!(line("plain", &[]).text().ends_with("[mod.rs:7] [plain]\n"));
    }

    #[test]
    fn json_has_the_same_parts() {
        let parsed: serde_json::Value = serde_json::from_str(&line("a b", &[("k", "v".into())]).json()).unwrap();
        assert_eq!((parsed["level"].as_str(), parsed["message"].as_str()), (Some("INFO"), Some("a b")));
        assert_eq!((parsed["caller"].as_str(), parsed["k"].as_str()), (Some("mod.rs:7"), Some("v")));
    }

    #[test]
    fn events_reach_the_file_without_passwords() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("deep/dm.log");
        let sink = Sink::File(Mutex::new(Rotating::open(&path).unwrap()));
        let layer = LogLayer { format: Format::Text, sink }.with_filter(Targets::new().with_default(LevelFilter::INFO));
        let subscriber = tracing_subscriber::registry().with(layer);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info!(task = "t", rows = 5, password = "s3cret", "started with password: s3cret");
            tracing::debug!("not this");
        });
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.lines().count(), 1, "{text}");
        assert!(text.contains("[\"started with password: ******\"] [task=t] [rows=5] [password=******]"), "{text}");
        assert!(!text.contains("s3cret"));
    }

    #[test]
    fn a_full_file_is_set_aside() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("dm.log");
        let mut file = Rotating::open(&path).unwrap();
        for _ in 0..5 {
            file.write(b"12345678\n", 20).unwrap();
        }
        drop(file);
        let names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|e| e.unwrap().file_name()).collect();
        assert_eq!(names.len(), 3, "{names:?}");
        assert_eq!(std::fs::read(&path).unwrap().len(), 9);
        assert!(names.iter().all(|n| n.to_string_lossy().starts_with("dm") && n.to_string_lossy().ends_with(".log")));
    }

    #[test]
    fn bad_settings_are_errors() {
        for (level, format) in [("loud", "text"), ("info", "xml")] {
            assert_eq!(init(level, "", format).unwrap_err().code(), Code::InitLoggerFail);
        }
        assert!(init("info", "/proc/nowhere/x.log", "text").is_err());
    }
}
