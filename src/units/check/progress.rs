//! Where a check that takes long stands: one line every five seconds in the master's log, and for who waits with dmctl
//! whenever it asks.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Arc, Mutex, PoisonError, Weak},
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_secs(5);

/// The checks that this process makes now, with the names of their tasks. A check is ended by dropping it, so it leaves the
/// list by itself: what is left of it goes when the next begins.
static NOW: Mutex<Vec<(String, Weak<Progress>)>> = Mutex::new(Vec::new());

/// Of each check that is made now: its task, seconds since it began, and where it is.
pub fn now() -> Vec<(String, u64, String)> {
    let all = NOW.lock().unwrap_or_else(PoisonError::into_inner);
    let told = all.iter().filter_map(|(task, progress)| {
        let progress = progress.upgrade()?;
        Some((task.clone(), progress.begun.elapsed().as_secs(), progress.text()))
    });
    told.collect()
}

/// Of each source, what is being looked at.
pub struct Progress {
    begun: Instant,
    places: Mutex<BTreeMap<String, String>>,
}

impl Default for Progress {
    fn default() -> Self {
        Progress { begun: Instant::now(), places: Mutex::default() }
    }
}

impl Progress {
    /// Of a check that begins; [`now`] tells of it until it is dropped.
    pub fn begin(task: &str) -> Arc<Progress> {
        let progress = Arc::new(Progress::default());
        let mut all = NOW.lock().unwrap_or_else(PoisonError::into_inner);
        all.retain(|(_, progress)| progress.strong_count() > 0);
        all.push((task.to_owned(), Arc::downgrade(&progress)));
        progress
    }

    /// `who` is at `what` now.
    pub fn at(&self, who: &str, what: &str) {
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        places.insert(who.to_owned(), what.to_owned());
    }

    /// All places: `source-1: privileges; the target: connecting`.
    pub fn text(&self) -> String {
        let places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let open = places.iter().filter(|(_, what)| *what != "done");
        open.map(|(who, what)| format!("{who}: {what}")).collect::<Vec<_>>().join("; ")
    }

    /// Writes the lines; ends when it is dropped.
    pub async fn tell(&self, task: &str) -> Infallible {
        loop {
            tokio::time::sleep(EVERY).await;
            tracing::info!(task, seconds = self.begun.elapsed().as_secs(), "the check is at: {}", self.text());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_is_told_while_it_is_made() {
        let told = |task: &str| now().into_iter().filter(|(of, ..)| of == task).map(|(.., at)| at).collect::<Vec<_>>();
        let progress = Progress::begin("told");
        progress.at("a", "binlog");
        assert_eq!(told("told"), ["a: binlog"]);
        drop(progress);
        assert!(told("told").is_empty());
    }

    #[test]
    fn what_is_done_is_not_told() {
        let progress = Progress::default();
        progress.at("a", "binlog");
        progress.at("b", "tables");
        progress.at("a", "done");
        assert_eq!(progress.text(), "b: tables");
    }
}
