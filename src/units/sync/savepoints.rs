//! Savepoints of a group of the binlog: which of its row events were rolled back to one.

use std::collections::HashMap;

use serde::{Deserialize, Serialize};

/// Row events that do not count: from one number up to, not including, another. In order, without overlaps.
#[derive(Clone, Default, PartialEq, Debug, Serialize, Deserialize)]
#[serde(from = "Vec<(u64, u64)>")]
pub struct Dropped(Vec<(u64, u64)>);

impl From<Vec<(u64, u64)>> for Dropped {
    /// Ranges in any order.
    fn from(mut ranges: Vec<(u64, u64)>) -> Dropped {
        ranges.sort_unstable();
        let mut dropped = Dropped::default();
        ranges.into_iter().for_each(|(from, to)| dropped.add(from, to));
        dropped
    }
}

impl Dropped {
    /// Adds the events from one number up to another: all that were dropped before are below `to`.
    fn add(&mut self, mut from: u64, mut to: u64) {
        while let Some(last) = self.0.pop_if(|(_, end)| *end >= from) {
            (from, to) = (from.min(last.0), to.max(last.1));
        }
        if from < to {
            self.0.push((from, to));
        }
    }

    /// Whether a row event counts.
    pub fn counts(&self, number: u64) -> bool {
        let before = self.0.partition_point(|(from, _)| *from <= number);
        before.checked_sub(1).and_then(|at| self.0.get(at)).is_none_or(|(_, to)| number >= *to)
    }
}

/// Counts the row events of a group, and notes which were rolled back.
#[derive(Default, Debug)]
pub struct Marks {
    events: u64,
    /// Names in lower case, in the order in which they were set, and how many events stood before each.
    set: Vec<(Vec<u8>, u64)>,
    /// Where the valid one of a name is in `set`.
    places: HashMap<Vec<u8>, usize>,
    dropped: Dropped,
}

impl Marks {
    /// The number of a row event.
    pub fn next(&mut self) -> u64 {
        self.events += 1;
        self.events - 1
    }

    /// `SAVEPOINT name`: an earlier one of that name is gone.
    pub fn savepoint(&mut self, sql: &[u8]) {
        let name = name_in(sql, b"SAVEPOINT");
        self.places.insert(name.clone(), self.set.len());
        self.set.push((name, self.events));
    }

    /// `ROLLBACK TO name`: savepoints that were set later are gone. The number of the first event that no longer counts.
    pub fn roll_back_to(&mut self, sql: &[u8]) -> u64 {
        let place = self.places.get(&name_in(sql, b"ROLLBACK TO")).copied();
        while self.set.len() > place.map_or(0, |place| place + 1) {
            let Some((name, _)) = self.set.pop() else { break };
            if self.places.get(&name) == Some(&self.set.len()) {
                self.places.remove(&name);
            }
        }
        // One that was set before the first row is left out by the server.
        let from = place.and_then(|place| self.set.get(place)).map_or(0, |(_, from)| *from);
        self.dropped.add(from, self.events);
        from
    }

    /// `SAVEPOINT name` and `ROLLBACK TO name`; other statements are nothing.
    pub fn statement(&mut self, sql: &[u8]) {
        let starts = |words: &[u8]| sql.get(..words.len()).is_some_and(|head| head.eq_ignore_ascii_case(words));
        if starts(b"SAVEPOINT ") {
            self.savepoint(sql);
        } else if starts(b"ROLLBACK TO ") {
            self.roll_back_to(sql);
        }
    }

    /// The whole group was rolled back.
    pub fn roll_back(&mut self) {
        self.dropped.add(0, self.events);
    }

    /// Whether any row event so far counts.
    pub fn leave_any(&self) -> bool {
        self.events > 0 && self.dropped.0 != [(0, self.events)]
    }

    /// What was rolled back.
    pub fn into_dropped(self) -> Dropped {
        self.dropped
    }
}

/// The savepoint's name as servers compare it.
fn name_in(sql: &[u8], words: &[u8]) -> Vec<u8> {
    let rest = sql.get(words.len()..).unwrap_or_default().trim_ascii();
    let rest = match rest.get(..10) {
        Some(word) if word.eq_ignore_ascii_case(b"SAVEPOINT ") => rest.get(10..).unwrap_or_default().trim_ascii(),
        _ => rest,
    };
    let bare = rest.strip_prefix(b"`").and_then(|name| name.strip_suffix(b"`")).unwrap_or(rest);
    bare.to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn counted(marks: Marks, events: u64) -> Vec<u64> {
        let dropped = marks.into_dropped();
        (0..events).filter(|number| dropped.counts(*number)).collect()
    }

    #[test]
    fn names_are_read_as_servers_write_them() {
        assert_eq!(name_in(b"SAVEPOINT `One`", b"SAVEPOINT"), b"one");
        assert_eq!(name_in(b"ROLLBACK TO `one`", b"ROLLBACK TO"), b"one");
        assert_eq!(name_in(b"ROLLBACK TO SAVEPOINT one", b"ROLLBACK TO"), b"one");
    }

    #[test]
    fn rows_behind_a_savepoint_that_is_rolled_back_to_do_not_count() {
        let mut marks = Marks::default();
        for sql in ["SAVEPOINT `a`", "SAVEPOINT `b`", "", "ROLLBACK TO `A`"] {
            marks.next();
            marks.statement(sql.as_bytes());
        }
        marks.next();
        assert!(marks.leave_any());
        assert_eq!(counted(marks, 5), [0, 4]);
    }

    #[test]
    fn a_name_that_is_set_again_means_the_later_place() {
        let mut marks = Marks::default();
        for sql in ["SAVEPOINT a", "SAVEPOINT b", "SAVEPOINT a", "ROLLBACK TO a", "ROLLBACK TO a", "ROLLBACK TO b"] {
            marks.next();
            marks.statement(sql.as_bytes());
        }
        assert_eq!(counted(marks, 6), [0, 1]);
        let mut marks = Marks::default();
        for sql in
            ["SAVEPOINT a", "SAVEPOINT b", "SAVEPOINT a", "ROLLBACK TO b", "", "ROLLBACK TO `before the first row`"]
        {
            marks.next();
            marks.statement(sql.as_bytes());
        }
        assert!(!marks.leave_any());
        marks.next();
        assert_eq!(counted(marks, 7), [6]);
    }

    #[test]
    fn ranges_are_joined() {
        let dropped = Dropped::from(vec![(5, 7), (1, 2), (6, 9), (2, 4), (5, 5)]);
        assert_eq!(serde_json::to_string(&dropped).unwrap(), "[[1,4],[5,9]]");
        assert_eq!((0..10).filter(|n| dropped.counts(*n)).collect::<Vec<_>>(), [0, 4, 9]);
    }
}
