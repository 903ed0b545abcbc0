//! Named places where a test ends the process or the run, to show that a kill at that await loses and doubles nothing.
//!
//! `DM_FAILPOINTS=lane-committed=3,mytask/ddl-before-done=1:exit` (name, with `task/` in front only in that task; after how
//! many passes; what: `error`, the default, or `exit`).
//! Unset, a failpoint costs one relaxed load.

use std::{
    collections::HashMap,
    sync::{
        Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use crate::error::{Code, DmError};

static ARMED: AtomicBool = AtomicBool::new(false);
static POINTS: OnceLock<Mutex<HashMap<String, Point>>> = OnceLock::new();

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Point {
    left: u64,
    exit: bool,
}

/// Reads `DM_FAILPOINTS`; called once by the first unit.
pub fn load_from_env() {
    POINTS.get_or_init(|| {
        let points = parse(&std::env::var("DM_FAILPOINTS").unwrap_or_default());
        ARMED.store(!points.is_empty(), Relaxed);
        Mutex::new(points)
    });
}

/// Arms one failpoint of a task in this process.
pub fn arm(task: &str, name: &str, passes: u64) {
    load_from_env();
    if let Some(points) = POINTS.get() {
        let point = Point { left: passes, exit: false };
        points.lock().unwrap_or_else(PoisonError::into_inner).insert(format!("{task}/{name}"), point);
        ARMED.store(true, Relaxed);
    }
}

fn parse(text: &str) -> HashMap<String, Point> {
    text.split(',')
        .filter_map(|part| {
            let (name, rest) = part.split_once('=')?;
            let (passes, what) = rest.split_once(':').unwrap_or((rest, "error"));
            Some((name.trim().to_owned(), Point { left: passes.trim().parse().ok()?, exit: what == "exit" }))
        })
        .collect()
}

/// Passes the failpoint `name` of a task; fails (36063) or ends the process when it is armed and its count is used up.
pub fn pass(task: &str, name: &str) -> Result<(), DmError> {
    if !ARMED.load(Relaxed) {
        return Ok(());
    }
    strike(&format!("{task}/{name}"), name)
}

#[cold]
fn strike(full: &str, name: &str) -> Result<(), DmError> {
    let Some(points) = POINTS.get() else { return Ok(()) };
    let mut points = points.lock().unwrap_or_else(PoisonError::into_inner);
    let key = if points.contains_key(full) { full } else { name };
    let Some(point) = points.get_mut(key) else { return Ok(()) };
    point.left = point.left.saturating_sub(1);
    if point.left > 0 {
        return Ok(());
    }
    if point.exit {
        std::process::exit(86);
    }
    points.remove(key);
    Err(DmError::new(Code::SyncerFailpoint).msg(format!("failpoint {name} struck")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_are_read_and_count_down() {
        let points = parse("a=1, b=3:exit,broken,c=x");
        assert_eq!(points.get("a"), Some(&Point { left: 1, exit: false }));
        assert_eq!(points.get("b"), Some(&Point { left: 3, exit: true }));
        assert_eq!(points.len(), 2);
        arm("t", "test-only", 2);
        assert!(pass("t", "test-only").is_ok());
        assert!(pass("t", "another").is_ok());
        assert!(pass("t", "test-only").is_err());
        assert!(pass("t", "test-only").is_ok());
    }
}
