//! Where structures are kept: shared by all snapshots, copied where they are changed.
//!
//! A snapshot is one pointer. The first change after it copies the list of schemas and one bucket of one schema: pointers,
//! a few hundred of 20,000 tables'.

use std::{
    collections::{BTreeMap, HashMap},
    hash::{BuildHasher, BuildHasherDefault, DefaultHasher},
    sync::Arc,
};

use super::super::{charset::CharsetPair, model::TableInfo};

/// Parts of a schema that are copied by themselves.
const BUCKETS: usize = 64;

type Bucket = HashMap<Arc<str>, Arc<TableInfo>>;

/// All structures. Names are keys as they compare (see `Tracker`).
#[derive(Clone, Debug, Default)]
pub(super) struct Store {
    schemas: Arc<BTreeMap<Arc<str>, Arc<Schema>>>,
}

#[derive(Clone, Debug)]
pub(super) struct Schema {
    /// None: nobody said; the server's default is assumed.
    charset: Option<CharsetPair>,
    buckets: Vec<Arc<Bucket>>,
}

impl Default for Schema {
    fn default() -> Self {
        let empty = Arc::new(Bucket::new());
        Schema { charset: None, buckets: vec![empty; BUCKETS] }
    }
}

impl Store {
    pub(super) fn table(&self, schema: &str, table: &str) -> Option<&Arc<TableInfo>> {
        self.schemas.get(schema)?.buckets.get(bucket_of(table))?.get(table)
    }

    pub(super) fn put(&mut self, schema: &str, table: &str, info: Arc<TableInfo>) {
        let bucket = self.schema_mut(schema).buckets.get_mut(bucket_of(table));
        if let Some(bucket) = bucket {
            Arc::make_mut(bucket).insert(table.into(), info);
        }
    }

    pub(super) fn take(&mut self, schema: &str, table: &str) -> Option<Arc<TableInfo>> {
        // Nothing is copied for a table that isn't there.
        self.table(schema, table)?;
        let bucket = self.schema_mut(schema).buckets.get_mut(bucket_of(table))?;
        Arc::make_mut(bucket).remove(table)
    }

    pub(super) fn has_schema(&self, schema: &str) -> bool {
        self.schemas.contains_key(schema)
    }

    pub(super) fn schemas(&self) -> impl Iterator<Item = &str> {
        self.schemas.keys().map(|name| &**name)
    }

    pub(super) fn charset(&self, schema: &str) -> Option<&CharsetPair> {
        self.schemas.get(schema)?.charset.as_ref()
    }

    pub(super) fn set_charset(&mut self, schema: &str, charset: CharsetPair) {
        self.schema_mut(schema).charset = Some(charset);
    }

    pub(super) fn remove_schema(&mut self, schema: &str) {
        if self.has_schema(schema) {
            Arc::make_mut(&mut self.schemas).remove(schema);
        }
    }

    /// By schema; in any order within one.
    pub(super) fn tables(&self) -> impl Iterator<Item = &Arc<TableInfo>> {
        self.schemas.values().flat_map(|schema| schema.tables())
    }

    pub(super) fn tables_of(&self, schema: &str) -> impl Iterator<Item = &Arc<TableInfo>> {
        self.schemas.get(schema).into_iter().flat_map(|schema| schema.tables())
    }

    fn schema_mut(&mut self, schema: &str) -> &mut Schema {
        let schemas = Arc::make_mut(&mut self.schemas);
        if !schemas.contains_key(schema) {
            schemas.insert(schema.into(), Arc::default());
        }
        Arc::make_mut(schemas.entry(schema.into()).or_default())
    }
}

impl Schema {
    fn tables(&self) -> impl Iterator<Item = &Arc<TableInfo>> {
        self.buckets.iter().flat_map(|bucket| bucket.values())
    }
}

fn bucket_of(table: &str) -> usize {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(table) as usize % BUCKETS
}
