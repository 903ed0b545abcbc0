//! What a user put before an event of the binlog, or in its place (`binlog skip`, `replace`, `inject`).
//!
//! Stored with the subtask in the replicated log; a running unit shares its list with the actor that is told of changes.

use std::sync::{
    Arc, PoisonError, RwLock,
    atomic::{AtomicBool, Ordering},
};

use serde::{Deserialize, Serialize};

use crate::mysql::position::BinlogPosition;

/// What becomes of one event.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Operator {
    /// Where the event begins.
    pub position: BinlogPosition,
    /// Its transaction, when the operator was set for an event that had failed under GTID; else empty. A source that was
    /// switched has other positions: then the GTID decides.
    pub gtid: String,
    /// Statements that run before it.
    pub before: Vec<String>,
    /// What runs in its place; None: the event itself.
    pub instead: Option<Vec<String>>,
}

/// Where an event stands.
#[derive(Clone, Copy, Debug)]
pub struct EventPlace<'a> {
    pub file: &'a str,
    /// Where it begins.
    pub start: u64,
    /// Where its transaction begins, when it is all of it.
    pub transaction: Option<u64>,
    /// Of its transaction; empty without GTIDs.
    pub gtid: &'a str,
}

impl Operator {
    /// Whether it is about this event.
    pub fn is_at(&self, place: EventPlace<'_>) -> bool {
        if !self.gtid.is_empty() && !place.gtid.is_empty() && self.gtid != place.gtid {
            return false;
        }
        let here = self.position.name == place.file && self.position.pos == place.start;
        let whole = place.transaction.is_some_and(|begin| {
            self.gtid == place.gtid && !self.gtid.is_empty()
                || self.position.name == place.file && self.position.pos == begin
        });
        here || whole
    }
}

/// The operators of a subtask, as its running unit sees them.
#[derive(Debug, Default)]
pub struct Operators {
    /// Looked at for every event, so that the list is not while it is empty.
    any: AtomicBool,
    list: RwLock<Arc<[Operator]>>,
}

impl Operators {
    /// Replaces all.
    pub fn set(&self, operators: Vec<Operator>) {
        let any = !operators.is_empty();
        *self.list.write().unwrap_or_else(PoisonError::into_inner) = operators.into();
        self.any.store(any, Ordering::Release);
    }

    /// True when there is none.
    pub fn is_empty(&self) -> bool {
        !self.any.load(Ordering::Acquire)
    }

    /// The operator of an event.
    pub fn at(&self, place: EventPlace<'_>) -> Option<Operator> {
        if self.is_empty() {
            return None;
        }
        let list = self.list.read().unwrap_or_else(PoisonError::into_inner).clone();
        list.iter().find(|operator| operator.is_at(place)).cloned()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn operator(pos: u64, gtid: &str) -> Operator {
        Operator {
            position: BinlogPosition::new("bin.000001", pos),
            gtid: gtid.into(),
            before: Vec::new(),
            instead: Some(Vec::new()),
        }
    }

    fn place<'a>(start: u64, transaction: Option<u64>, gtid: &'a str) -> EventPlace<'a> {
        EventPlace { file: "bin.000001", start, transaction, gtid }
    }

    #[test]
    fn an_event_is_known_by_where_it_begins() {
        assert!(operator(100, "").is_at(place(100, None, "")));
        assert!(!operator(100, "").is_at(place(142, None, "0-1-5")));
        // A statement that is a transaction of its own may also be named by where that begins.
        assert!(operator(100, "").is_at(place(142, Some(100), "0-1-5")));
        assert!(!operator(100, "").is_at(EventPlace { file: "bin.000002", ..place(100, Some(100), "") }));
    }

    #[test]
    fn a_gtid_wins_over_positions() {
        assert!(operator(100, "0-1-5").is_at(place(100, None, "0-1-5")));
        assert!(operator(100, "0-1-5").is_at(place(777, Some(735), "0-1-5")), "the source was switched");
        assert!(!operator(100, "0-1-5").is_at(place(100, Some(58), "0-1-6")), "another server's position");
        assert!(!operator(100, "0-1-5").is_at(place(200, None, "0-1-5")), "another event of the transaction");
    }

    #[test]
    fn a_list_is_replaced_whole() {
        let operators = Operators::default();
        assert!(operators.is_empty() && operators.at(place(100, None, "")).is_none());
        operators.set(vec![operator(100, ""), operator(200, "")]);
        assert_eq!(operators.at(place(200, None, "")), Some(operator(200, "")));
        operators.set(Vec::new());
        assert!(operators.is_empty());
    }
}
