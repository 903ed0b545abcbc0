//! Where a check that takes long stands: one line every five seconds in the master's log.

use std::{
    collections::BTreeMap,
    convert::Infallible,
    sync::{Mutex, PoisonError},
    time::{Duration, Instant},
};

const EVERY: Duration = Duration::from_secs(5);

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
    fn what_is_done_is_not_told() {
        let progress = Progress::default();
        progress.at("a", "binlog");
        progress.at("b", "tables");
        progress.at("a", "done");
        assert_eq!(progress.text(), "b: tables");
    }
}
