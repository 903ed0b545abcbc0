//! Which loads of this worker stand on files of its machine. The leader remembers it: such a source goes to this worker
//! rather than to another, which would have to dump it again.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// What the subtasks of one worker said.
#[derive(Debug, Default)]
pub struct Loads(Mutex<Said>);

#[derive(Debug, Default)]
struct Said {
    /// By source and task.
    held: BTreeMap<(String, String), bool>,
    /// How often that changed.
    changes: u64,
}

impl Loads {
    /// A unit of the subtask begins: whether it works with files that a later run needs.
    pub fn tell(&self, source_id: &str, task: &str, held: bool) {
        let mut said = self.lock();
        let before = said.held.insert((source_id.to_owned(), task.to_owned()), held);
        said.changes += u64::from(before != Some(held));
    }

    /// The source is no longer here.
    pub fn forget(&self, source_id: &str) {
        let mut said = self.lock();
        let before = said.held.len();
        said.held.retain(|(source, _), _| source != source_id);
        said.changes += u64::from(said.held.len() != before);
    }

    /// How often what was said has changed.
    pub fn changes(&self) -> u64 {
        self.lock().changes
    }

    /// `(source, task, held)` of everything that was said.
    pub fn said(&self) -> Vec<(String, String, bool)> {
        let said = self.lock();
        said.held.iter().map(|((source, task), held)| (source.clone(), task.clone(), *held)).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Said> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_again_is_no_change() {
        let loads = Loads::default();
        for held in [true, true, false] {
            loads.tell("s1", "t", held);
        }
        loads.tell("s2", "t", true);
        assert_eq!(loads.changes(), 3);
        loads.forget("s1");
        loads.forget("s1");
        assert_eq!((loads.changes(), loads.said()), (4, vec![("s2".to_owned(), "t".to_owned(), true)]));
    }
}
