//! Where the CPU's time goes: a timer of the process's CPU time interrupts whichever thread runs, whose stack is noted.
//! It costs nothing while no profile is made.

use std::{
    collections::HashMap,
    io::Write,
    sync::atomic::{AtomicBool, Ordering},
    time::{Duration, UNIX_EPOCH},
};

use flate2::{Compression, write::GzEncoder};
use pprof::{Frames, ProfilerGuardBuilder, Report, Symbol};
use prost::Message;

use super::{NoProfile, pb};

/// Samples per second of CPU time; not a round number, so that nothing periodic hides from it.
const FREQUENCY: i32 = 99;
const PERIOD: i64 = 1_000_000_000 / FREQUENCY as i64;
/// A thread that is just in these is left alone: its stack can't be walked there.
const NOT_WALKED: [&str; 3] = ["libgcc", "vdso", "ld-linux"];

/// What walks the stack is on top of it.
const WALKERS: [&str; 3] = ["backtrace::backtrace::", "pprof::backtrace::", "pprof::profiler::"];

/// There is one timer, and so one profile at a time.
static BUSY: AtomicBool = AtomicBool::new(false);

struct Turn;

impl Turn {
    fn take() -> Option<Turn> {
        (!BUSY.swap(true, Ordering::AcqRel)).then_some(Turn)
    }
}

impl Drop for Turn {
    fn drop(&mut self) {
        BUSY.store(false, Ordering::Release);
    }
}

/// Watches the process for so long; the profile, as gzipped protobuf. Dropping the future ends it.
pub async fn profile(duration: Duration) -> Result<Vec<u8>, NoProfile> {
    let turn = Turn::take().ok_or(NoProfile::Busy)?;
    let failed = |e: &dyn std::fmt::Display| NoProfile::Failed(e.to_string());
    let guard = ProfilerGuardBuilder::default().frequency(FREQUENCY).blocklist(&NOT_WALKED).build();
    let guard = guard.map_err(|e| failed(&e))?;
    tokio::time::sleep(duration).await;
    // Finding the names takes a moment of CPU.
    let made = tokio::task::spawn_blocking(move || {
        let report = guard.report().build();
        drop((guard, turn));
        gzip(&message(&report.map_err(|e| e.to_string())?).encode_to_vec()).map_err(|e| e.to_string())
    });
    made.await.map_err(|e| failed(&e))?.map_err(|e| failed(&e))
}

fn gzip(bytes: &[u8]) -> std::io::Result<Vec<u8>> {
    let mut packed = GzEncoder::new(Vec::new(), Compression::default());
    packed.write_all(bytes)?;
    packed.finish()
}

/// Texts and functions that are named by number.
#[derive(Default)]
struct Tables {
    texts: HashMap<String, i64>,
    /// By name and file.
    functions: HashMap<(i64, i64), u64>,
    /// By function and line.
    locations: HashMap<(u64, i64), u64>,
    profile: pb::Profile,
}

impl Tables {
    fn text(&mut self, text: &str) -> i64 {
        if let Some(known) = self.texts.get(text) {
            return *known;
        }
        let number = self.profile.string_table.len() as i64;
        self.profile.string_table.push(text.to_owned());
        self.texts.insert(text.to_owned(), number);
        number
    }

    fn location(&mut self, name: &str, system_name: &str, file: &str, line: i64) -> u64 {
        let (name, system_name, filename) = (self.text(name), self.text(system_name), self.text(file));
        let functions = &mut self.profile.function;
        let function = *self.functions.entry((name, filename)).or_insert_with(|| {
            let id = functions.len() as u64 + 1;
            functions.push(pb::Function { id, name, system_name, filename });
            id
        });
        let locations = &mut self.profile.location;
        *self.locations.entry((function, line)).or_insert_with(|| {
            let id = locations.len() as u64 + 1;
            locations.push(pb::Location { id, line: vec![pb::Line { function_id: function, line }] });
            id
        })
    }

    fn sample(&mut self, frames: &Frames, count: i64) {
        let own = |symbol: &Symbol| WALKERS.iter().any(|own| symbol.name().contains(own));
        let symbols = frames.frames.iter().skip_while(|frame| frame.iter().any(own)).flatten();
        let location_id =
            symbols.map(|s| self.location(&s.name(), &s.sys_name(), &s.filename(), i64::from(s.lineno()))).collect();
        let label = pb::Label { key: self.text("thread"), str: self.text(&frames.thread_name_or_id()) };
        let value = vec![count, count.saturating_mul(PERIOD)];
        self.profile.sample.push(pb::Sample { location_id, value, label: vec![label] });
    }
}

fn message(report: &Report) -> pb::Profile {
    let mut tables = Tables::default();
    // The first text is the empty one.
    tables.text("");
    let counts = pb::ValueType { r#type: tables.text("samples"), unit: tables.text("count") };
    let times = pb::ValueType { r#type: tables.text("cpu"), unit: tables.text("nanoseconds") };
    for (frames, count) in &report.data {
        tables.sample(frames, i64::try_from(*count).unwrap_or(i64::MAX));
    }
    let nanos = |time: Duration| i64::try_from(time.as_nanos()).unwrap_or(i64::MAX);
    let begun = report.timing.start_time.duration_since(UNIX_EPOCH).unwrap_or_default();
    pb::Profile {
        sample_type: vec![counts, times],
        time_nanos: nanos(begun),
        duration_nanos: nanos(report.timing.duration),
        period_type: Some(times),
        period: PERIOD,
        ..tables.profile
    }
}
