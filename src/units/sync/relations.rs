//! Foreign keys of the target, where its sessions check them: which changes of parents and children keep their order.
//!
//! For each foreign key there is a hash of the referenced values. A child's change *uses* it, a parent's change that
//! inserts, deletes or changes these values *alters* it. Users run side by side; who alters waits for all users and the
//! other way round. So a child comes after its parent, and a parent is deleted after its children, as on the source.
//!
//! ON DELETE and ON UPDATE with CASCADE, SET NULL or SET DEFAULT make the target change rows that the stream doesn't
//! name. A change that starts such a cascade alters the *whole table* for each table that the cascade can reach, and
//! whatever depends on such a table (its own changes, those of its parents and children) uses it.

use std::{collections::BTreeSet, time::Duration};

use mysql_async::{Conn, prelude::Queryable};

use super::{
    change::{Keys, Relations},
    conflicts::push_new,
    keys::{Columns, Key, Part, combined, key_seed},
    source_row::SourceRow,
};
use crate::{
    mysql::{binlog::cursor::Parsed, within},
    schema::model::{TableId, TableInfo},
};

/// One foreign key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Edge {
    pub child: TableId,
    pub columns: Vec<String>,
    pub parent: TableId,
    pub parent_columns: Vec<String>,
    /// A change of the parent changes the child's rows.
    pub cascades: bool,
}

/// All foreign keys of the target.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct ForeignKeys {
    edges: Vec<Edge>,
}

const COLUMNS: &str = "SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, \
                       REFERENCED_TABLE_NAME, REFERENCED_COLUMN_NAME FROM information_schema.KEY_COLUMN_USAGE \
                       WHERE REFERENCED_TABLE_NAME IS NOT NULL \
                       ORDER BY TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, ORDINAL_POSITION";
const ACTIONS: &str = "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, CONCAT(UPDATE_RULE, ',', DELETE_RULE) \
                       FROM information_schema.REFERENTIAL_CONSTRAINTS";

type Names = (String, String, String, String, String, String, String);

impl ForeignKeys {
    /// Asks the target, which has `limit` to answer. The error names the query.
    pub async fn fetch(conn: &mut Conn, limit: Duration) -> Result<ForeignKeys, (&'static str, mysql_async::Error)> {
        let columns: Vec<Names> = within(limit, conn.query(COLUMNS)).await.map_err(|error| (COLUMNS, error))?;
        let actions: Vec<(String, String, String, String)> =
            within(limit, conn.query(ACTIONS)).await.map_err(|error| (ACTIONS, error))?;
        Ok(ForeignKeys { edges: edges(columns, &actions) })
    }

    /// Keeps only foreign keys of these.
    #[cfg(test)]
    pub fn of(edges: Vec<Edge>) -> ForeignKeys {
        ForeignKeys { edges }
    }

    fn is_reached(&self, table: &TableId) -> bool {
        self.edges.iter().any(|edge| edge.cascades && same(&edge.child, table))
    }

    /// The tables whose rows a change of this table's rows may change.
    fn reached_from(&self, table: &TableId) -> Vec<&TableId> {
        let mut found: Vec<&TableId> = Vec::new();
        let mut open = vec![table];
        while let Some(next) = open.pop() {
            for edge in self.edges.iter().filter(|edge| edge.cascades && same(&edge.parent, next)) {
                if !found.iter().any(|known| same(known, &edge.child)) {
                    found.push(&edge.child);
                    open.push(&edge.child);
                }
            }
        }
        found
    }

    /// The parents of a table, whose structures are needed for its relations.
    pub fn parents(&self, table: &TableId) -> Vec<TableId> {
        let parents = self.edges.iter().filter(|edge| same(&edge.child, table)).map(|edge| edge.parent.clone());
        parents.collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// What the rows of a table have to do with others. `parents`: the structures of its parents on the target.
    pub fn relations(&self, columns: &Columns<'_>, target: &TableId, parents: &[TableInfo]) -> TableRelations {
        let mut relations = TableRelations::default();
        let uses = |relations: &mut TableRelations, table: &TableId, always: bool| {
            let list = if always { &mut relations.uses } else { &mut relations.uses_when_altered };
            if self.is_reached(table) {
                push_new(list, table_seed(table));
            }
        };
        uses(&mut relations, target, true);
        for edge in self.edges.iter().filter(|edge| same(&edge.child, target)) {
            let Some(parent) = parents.iter().find(|info| same(&info.id(), &edge.parent)) else { continue };
            uses(&mut relations, &edge.parent, true);
            let parts = edge.columns.iter().zip(&edge.parent_columns).map(|(own, theirs)| {
                let column = parent.column(theirs)?;
                columns.part(&crate::schema::model::Column { name: own.clone(), ..column.clone() }, None).ok()
            });
            relations.add(edge, parts.collect::<Option<Vec<_>>>(), false);
        }
        for edge in self.edges.iter().filter(|edge| same(&edge.parent, target)) {
            uses(&mut relations, &edge.child, false);
            let parts = edge.parent_columns.iter().map(|own| columns.part(columns.target.column(own)?, None).ok());
            relations.add(edge, parts.collect::<Option<Vec<_>>>(), true);
        }
        for table in self.reached_from(target) {
            push_new(&mut relations.alters, table_seed(table));
        }
        relations
    }
}

fn edges(columns: Vec<Names>, actions: &[(String, String, String, String)]) -> Vec<Edge> {
    let mut edges: Vec<(String, Edge)> = Vec::new();
    for (schema, table, name, column, parent_schema, parent, parent_column) in columns {
        let child = TableId::new(schema, table);
        if let Some((last, edge)) = edges.last_mut()
            && *last == name
            && edge.child == child
        {
            edge.columns.push(column);
            edge.parent_columns.push(parent_column);
            continue;
        }
        let actions = actions.iter().find(|(s, t, n, _)| *s == child.schema && *t == child.name && *n == name);
        // Not told: as if there were one.
        let cascades = actions.is_none_or(|(_, _, _, rules)| rules.contains("CASCADE") || rules.contains("SET"));
        let parent = TableId::new(parent_schema, parent);
        let edge = Edge { child, columns: vec![column], parent, parent_columns: vec![parent_column], cascades };
        edges.push((name, edge));
    }
    edges.into_iter().map(|(_, edge)| edge).collect()
}

/// Names of a target may differ in case only by configuration, not by meaning.
fn same(a: &TableId, b: &TableId) -> bool {
    a.schema.to_lowercase() == b.schema.to_lowercase() && a.name.to_lowercase() == b.name.to_lowercase()
}

/// Stands for all rows of a table.
fn table_seed(table: &TableId) -> u64 {
    combined(&[key_seed(table, "rows"), 1])
}

/// Stands for a foreign key; the same for all that refer to the same columns.
fn edge_seed(edge: &Edge) -> u64 {
    combined(&[key_seed(&edge.parent, &edge.parent_columns.join("\0")), 2])
}

/// What the rows of one source table have to do with others.
#[derive(Debug, Default)]
pub struct TableRelations {
    /// Foreign keys that its rows hold.
    children: Vec<Key>,
    /// Foreign keys that refer to its rows.
    parents: Vec<Key>,
    /// Used by every change.
    uses: Keys,
    /// Used by a change of referenced values.
    uses_when_altered: Keys,
    /// Altered by every change: foreign keys whose values can't be told.
    vague: Keys,
    /// Altered by a change of referenced values.
    alters: Keys,
    is_parent: bool,
}

impl TableRelations {
    fn add(&mut self, edge: &Edge, parts: Option<Vec<(Part, super::domain::Domain)>>, as_parent: bool) {
        let seed = edge_seed(edge);
        self.is_parent |= as_parent;
        let Some(parts) = parts else { return push_new(&mut self.vague, seed) };
        push_new(&mut self.uses, seed);
        let (parts, domains) = parts.into_iter().unzip();
        let key = Key { seed: combined(&[seed, 3]), parts, domains };
        let list = if as_parent { &mut self.parents } else { &mut self.children };
        if !list.contains(&key) {
            list.push(key);
        }
    }

    /// Whether the table has nothing to do with others.
    pub fn is_empty(&self) -> bool {
        self.uses.is_empty() && self.alters.is_empty() && self.vague.is_empty()
    }

    /// Whether other tables refer to this one.
    pub fn is_parent(&self) -> bool {
        self.is_parent
    }

    /// What one change uses and alters.
    pub fn of(
        &self,
        before: Option<&SourceRow<'_>>,
        after: Option<&SourceRow<'_>>,
        buffer: &mut Vec<u8>,
    ) -> Parsed<Option<Box<Relations>>> {
        if self.is_empty() {
            return Ok(None);
        }
        let mut relations = Relations { uses: self.uses.clone(), alters: self.vague.clone() };
        for key in &self.children {
            for row in [before, after].into_iter().flatten() {
                if let Some(hash) = key.hash(row, buffer)? {
                    push_new(&mut relations.uses, hash);
                }
            }
        }
        let mut altered = after.is_none();
        for key in &self.parents {
            let old = before.map(|row| key.hash(row, buffer)).transpose()?.flatten();
            let new = after.map(|row| key.hash(row, buffer)).transpose()?.flatten();
            if old == new && before.is_some() && after.is_some() && !self.changes(key, before, after)? {
                continue;
            }
            altered |= before.is_some();
            for hash in [old, new].into_iter().flatten() {
                push_new(&mut relations.alters, hash);
            }
        }
        if altered {
            self.uses_when_altered.iter().for_each(|hash| push_new(&mut relations.uses, *hash));
            self.alters.iter().for_each(|hash| push_new(&mut relations.alters, *hash));
        }
        // Who alters waits for all that its users wait for.
        let alters = &relations.alters;
        relations.uses.retain(|hash| !alters.contains(hash));
        Ok(Some(Box::new(relations)))
    }

    /// Whether an update changes referenced values to others that only fold alike.
    fn changes(&self, key: &Key, before: Option<&SourceRow<'_>>, after: Option<&SourceRow<'_>>) -> Parsed<bool> {
        let (Some(before), Some(after)) = (before, after) else { return Ok(true) };
        for part in &key.parts {
            if let Part::Column { offset, .. } = part
                && !before.same(after, *offset)?
            {
                return Ok(true);
            }
        }
        Ok(false)
    }
}
