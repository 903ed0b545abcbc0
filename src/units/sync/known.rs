//! Where the rows of a table map go, once that was found out: the same maps come again with every statement.

use std::sync::Arc;

use super::table::TargetTable;
use crate::mysql::binlog::{
    RowPlan, TableMap,
    by_id::ById,
    rows::{RowsEvent, RowsKind},
};

/// Maps kept.
const MOST: usize = 4096;

/// Where rows of one kind go.
#[derive(Clone)]
pub enum Way {
    /// They aren't migrated; the plan is for counting them.
    Skip(Arc<RowPlan>),
    To(Arc<TargetTable>, Arc<RowPlan>),
}

/// Ways by the table id of the source's server, for as long as rules and structures stay.
#[derive(Default)]
pub struct Known(ById<Entry>);

struct Entry {
    map: Arc<TableMap>,
    ways: [Option<Way>; 3],
}

fn slot(kind: RowsKind) -> usize {
    match kind {
        RowsKind::Insert => 0,
        RowsKind::Update => 1,
        RowsKind::Delete => 2,
    }
}

impl Known {
    /// The way of an event's rows, if it is known.
    pub fn way(&self, event: &RowsEvent) -> Option<Way> {
        let entry = self.0.get(&event.table.table_id).filter(|entry| Arc::ptr_eq(&entry.map, &event.table))?;
        entry.ways[slot(event.kind)].clone()
    }

    /// Keeps a way for rows of this kind of a map.
    pub fn learn(&mut self, map: &Arc<TableMap>, kind: RowsKind, way: Way) {
        if self.0.len() >= MOST {
            self.0.clear();
        }
        let fresh = || Entry { map: map.clone(), ways: [const { None }; 3] };
        let entry = self.0.entry(map.table_id).or_insert_with(fresh);
        if !Arc::ptr_eq(&entry.map, map) {
            *entry = fresh();
        }
        entry.ways[slot(kind)] = Some(way);
    }

    /// Structures changed.
    pub fn forget(&mut self) {
        self.0.clear();
    }
}
