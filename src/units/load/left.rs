//! Which file is loaded next.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::Arc,
};

use super::{folder::DataFile, progress::TableProgress};

/// Files that nobody has begun with.
pub struct Left {
    pub files: VecDeque<(DataFile, Arc<TableProgress>)>,
    /// Workers of each table.
    pub of_table: BTreeMap<String, usize>,
    pub most: usize,
}

impl Left {
    /// The next one of a table that has room for one more worker.
    pub fn next(&mut self) -> Option<(DataFile, Arc<TableProgress>)> {
        let room = |table: &TableProgress| self.of_table.get(&table.name).is_none_or(|count| *count < self.most);
        let at = self.files.iter().position(|(_, table)| room(table))?;
        let (file, table) = self.files.remove(at)?;
        *self.of_table.entry(table.name.clone()).or_default() += 1;
        Some((file, table))
    }

    /// A worker is done with a file of the table.
    pub fn ended(&mut self, table: &TableProgress) {
        if let Some(count) = self.of_table.get_mut(&table.name) {
            *count = count.saturating_sub(1);
        }
    }
}
