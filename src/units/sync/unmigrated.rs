//! Transactions that change only tables which aren't migrated end in the stage that reads them: of each, and of all in a
//! row, only the place behind is handed on. Their rows need no counting, as no change behind them in their transaction
//! has a number.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    change::Kind,
    filter::RowRules,
    transaction::{Item, Output},
};
use crate::{
    mysql::binlog::{
        TableMap,
        by_id::ById,
        rows::{RowsEvent, RowsKind},
    },
    schema::model::TableId,
};

/// Maps kept.
const MOST: usize = 4096;
/// Of so many transactions one is timed.
const SAMPLE: u32 = 32;

/// Finds them among what the transaction stage gives.
pub struct Unmigrated {
    rules: RowRules,
    /// By table id, whether inserts, updates and deletes are left out, once that was asked.
    known: ById<(Arc<TableMap>, [Option<bool>; 3])>,
    left_out: u32,
}

impl Unmigrated {
    pub fn new(rules: RowRules) -> Unmigrated {
        Unmigrated { rules, known: ById::default(), left_out: 0 }
    }

    /// Takes a transaction's rows out of `out`, of which the first `before` entries were there before its last event. Only
    /// when that event ended it, and nothing of what is left of it is migrated.
    /// Gives what it took, now and then.
    pub fn leave_out(&mut self, out: &mut Vec<Output>, before: usize) -> Option<(Kind, Duration)> {
        let (Output::Item(Item::Boundary(_)), rows) = out.get(before..)?.split_last()? else { return None };
        // An operator may stand for any event.
        if rows.is_empty() || self.rules.has_operators() {
            join(out, before);
            return None;
        }
        let started = self.left_out.is_multiple_of(SAMPLE).then(Instant::now);
        let Some(Output::Item(Item::Rows { event, .. })) = rows.first() else { return None };
        let kind = event.kind;
        if !rows.iter().all(|output| self.is_left_out(output)) {
            return None;
        }
        self.left_out = self.left_out.wrapping_add(1);
        out.drain(before..out.len() - 1);
        join(out, before);
        started.map(|started| (of_rows(kind), started.elapsed()))
    }

    fn is_left_out(&mut self, output: &Output) -> bool {
        match output {
            Output::Item(Item::Rows { event, .. }) => self.skips(event),
            _ => false,
        }
    }

    fn skips(&mut self, event: &RowsEvent) -> bool {
        let slot = match event.kind {
            RowsKind::Insert => 0,
            RowsKind::Update => 1,
            RowsKind::Delete => 2,
        };
        let id = event.table.table_id;
        if let Some((map, known)) = self.known.get(&id)
            && Arc::ptr_eq(map, &event.table)
            && let Some(skips) = known[slot]
        {
            return skips;
        }
        let table = TableId::new(event.table.schema.as_str(), event.table.table.as_str());
        let skips = self.rules.skips(&table, event.kind);
        if self.known.len() >= MOST {
            self.known.clear();
        }
        let entry = self.known.entry(id).or_insert_with(|| (event.table.clone(), [None; 3]));
        if !Arc::ptr_eq(&entry.0, &event.table) {
            *entry = (event.table.clone(), [None; 3]);
        }
        entry.1[slot] = Some(skips);
        skips
    }
}

/// Of two boundaries with nothing between them the later one counts.
fn join(out: &mut Vec<Output>, at: usize) {
    let Some(earlier) = at.checked_sub(1) else { return };
    if let Some([Output::Item(Item::Boundary(_)), Output::Item(Item::Boundary(_))]) = out.get(earlier..) {
        out.swap_remove(earlier);
    }
}

fn of_rows(kind: RowsKind) -> Kind {
    match kind {
        RowsKind::Insert => Kind::Insert,
        RowsKind::Update => Kind::Update,
        RowsKind::Delete => Kind::Delete,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::{BlockAllowList, SubtaskConfig},
        mysql::position::Location,
        units::sync::{
            filter::Rules,
            location::{Boundary, Transaction},
        },
    };

    fn end(timestamp: u32) -> Output {
        Output::Item(Item::Boundary(Boundary { location: Location::default(), timestamp, open_xa: Arc::default() }))
    }

    fn rows(schema: &str, table_id: u64) -> Output {
        let map = TableMap { table_id, schema: schema.into(), table: "t".into(), ..TableMap::default() };
        let event = RowsEvent::of_nothing(RowsKind::Insert, Arc::new(map));
        let transaction = Transaction { before: Location::default(), since: None, gtid: None, timestamp: 0 };
        Output::Item(Item::Rows { transaction: Arc::new(transaction), event, start_pos: 4, end_pos: 9 })
    }

    /// What is left, one word each.
    fn words(out: &[Output]) -> Vec<String> {
        out.iter()
            .map(|output| match output {
                Output::Item(Item::Rows { event, .. }) => event.table.schema.clone(),
                Output::Item(Item::Boundary(end)) => end.timestamp.to_string(),
                _ => "other".into(),
            })
            .collect()
    }

    #[test]
    fn only_whole_transactions_of_unmigrated_tables_go() {
        let block_allow_list = BlockAllowList { do_dbs: vec!["wanted".into()], ..BlockAllowList::default() };
        let config = SubtaskConfig { block_allow_list, ..SubtaskConfig::default() };
        let mut all = Unmigrated::new(Rules::new(&config).unwrap().of_rows());
        let mut out = Vec::new();
        let mut transaction = |all: &mut Unmigrated, items: Vec<Output>| {
            let before = out.len();
            out.extend(items);
            all.leave_out(&mut out, before);
            words(&out)
        };
        assert_eq!(transaction(&mut all, vec![rows("other", 1), rows("other", 1), end(1)]), ["1"]);
        assert_eq!(transaction(&mut all, vec![rows("other", 1), end(2)]), ["2"]);
        // A heartbeat.
        assert_eq!(transaction(&mut all, vec![end(3)]), ["3"]);
        // Rows behind others that count have numbers.
        let mixed = vec![rows("other", 1), rows("wanted", 2), rows("other", 1), end(4)];
        assert_eq!(transaction(&mut all, mixed), ["3", "other", "wanted", "other", "4"]);
        // A large transaction comes in parts, of which only the last has an end.
        assert_eq!(transaction(&mut all, vec![rows("other", 1)]).last().unwrap(), "other");
        // The server gave the id to another table.
        assert_eq!(transaction(&mut all, vec![rows("wanted", 1), end(5)])[5..], ["other", "wanted", "5"]);
    }
}
