//! Structures that a user set without writing them to the checkpoint (`binlog-schema update --flush=false`): the runs of this
//! subtask on this worker use them until one writes the table's structure. A restart of the worker or the task forgets them.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::checkpoint::TableRow;
use crate::schema::model::{TableId, TableInfo};

/// By source table.
#[derive(Default, Debug)]
pub struct Unsaved(Mutex<BTreeMap<TableId, TableInfo>>);

impl Unsaved {
    fn lock(&self) -> MutexGuard<'_, BTreeMap<TableId, TableInfo>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets one.
    pub fn put(&self, table: &TableId, info: TableInfo) {
        self.lock().insert(table.clone(), info);
    }

    /// The structure of a table, if one was set.
    pub fn get(&self, table: &TableId) -> Option<TableInfo> {
        self.lock().get(table).cloned()
    }

    /// All.
    pub fn all(&self) -> Vec<TableInfo> {
        self.lock().values().cloned().collect()
    }

    /// A table's structure was written, or forgotten.
    pub fn forget(&self, table: &TableId) {
        self.lock().remove(table);
    }

    /// What was written counts from now on.
    pub fn written(&self, rows: &[TableRow]) {
        let mut all = self.lock();
        all.retain(|known, _| {
            !rows.iter().any(|row| match row {
                TableRow::Put { table, .. } | TableRow::Remove { table } => table == known,
                TableRow::RemoveSchema { schema } => *schema == known.schema,
            })
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_forgotten() {
        let unsaved = Unsaved::default();
        let (a, b) = (TableId::new("d", "a"), TableId::new("d", "b"));
        unsaved.put(&a, TableInfo::default());
        unsaved.put(&b, TableInfo::default());
        unsaved.written(&[TableRow::Remove { table: a.clone() }]);
        assert!(unsaved.get(&a).is_none() && unsaved.get(&b).is_some());
        unsaved.written(&[TableRow::RemoveSchema { schema: "d".into() }]);
        assert!(unsaved.all().is_empty());
    }
}
