//! What a table's changes have in common with others: lane, unique values, and relations by foreign keys.

use super::{
    change::{Keys, Relations},
    domain::{self, Domain},
    keys::{self, Built, Columns, Key, Part},
    ledger::Lane,
    relations::TableRelations,
    source_row::SourceRow,
};
use crate::{
    mysql::binlog::cursor::Parsed,
    schema::model::{TableId, UniqueKey, same_name},
};

/// Of one source table and its target.
#[derive(Debug)]
pub struct Conflicts {
    table: u64,
    /// None: the table has one lane.
    lane: Option<Vec<usize>>,
    /// All unique keys that a row's values tell.
    keys: Vec<Key>,
    /// All changes of the target table keep their order: why.
    ordered: Option<String>,
    relations: TableRelations,
}

impl Conflicts {
    /// Of a source table's rows.
    pub fn new(columns: &Columns<'_>, target: &TableId, relations: TableRelations) -> Conflicts {
        let (mut keys, mut vague): (Vec<Key>, Vec<String>) = (Vec::new(), Vec::new());
        for unique in columns.target.excluding_keys() {
            match columns.target_key(target, &unique) {
                Built::Key(key) => keys.push(key),
                Built::Vague => vague.push(unique.name),
                Built::Never => {}
            }
        }
        // The source's own matter too: the target's may be missing only for a while.
        for unique in columns.source.excluding_keys().iter().filter(|unique| !unique.functional) {
            if let Some(key) = source_key(columns, target, unique)
                && !keys.iter().any(|known| known.parts == key.parts)
            {
                keys.push(key);
            }
        }
        let ordered = (!vague.is_empty()).then(|| {
            format!(
                "the values of its unique keys on the target ({}) can't be told from the source's rows",
                vague.join(", ")
            )
        });
        let lane = keys::lane_columns(columns.source);
        Conflicts { table: keys::table_hash(target), lane, keys, ordered, relations }
    }

    /// Why all changes of the target table keep their order, if they have to.
    pub fn ordered(&self) -> Option<&str> {
        self.ordered.as_deref()
    }

    /// Keeps the order of all changes from now on, because of `why`.
    pub fn order(&mut self, why: &str) {
        self.ordered.get_or_insert_with(|| why.to_owned());
    }

    /// Whether the keys of two source tables of one target have the same meaning.
    pub fn agree(&self, other: &Conflicts) -> bool {
        let differs = |key: &Key| other.keys.iter().any(|k| k.seed == key.seed && k.domains != key.domains);
        // A key that one of them never touches, or can't tell, is no matter of the other's.
        !self.keys.iter().any(differs)
    }

    /// The lane of a change by its last row (for updates: the row after), and the hashes of all it touches.
    pub fn place(&self, rows: &[SourceRow<'_>], lanes: u16, keys: &mut Keys, buffer: &mut Vec<u8>) -> Parsed<Lane> {
        for row in rows {
            for key in &self.keys {
                if let Some(hash) = key.hash(row, buffer)? {
                    push_new(keys, hash);
                }
            }
        }
        let (Some(columns), Some(last)) = (&self.lane, rows.last()) else {
            push_new(keys, self.table);
            return Ok(keys::lane_of(self.table, lanes));
        };
        if self.ordered.is_some() {
            push_new(keys, self.table);
        }
        Ok(keys::lane_of(keys::lane_hash(self.table, columns, last, buffer)?, lanes))
    }

    /// What a change has to do with other tables' rows; None for tables without foreign keys.
    pub fn relate(
        &self,
        before: Option<&SourceRow<'_>>,
        after: Option<&SourceRow<'_>>,
        buffer: &mut Vec<u8>,
    ) -> Parsed<Option<Box<Relations>>> {
        self.relations.of(before, after, buffer)
    }

    /// Whether the target checks foreign keys from or to this table.
    pub fn is_related(&self) -> bool {
        !self.relations.is_empty()
    }

    /// Whether other tables refer to this one's rows, and the target checks that.
    pub fn is_parent(&self) -> bool {
        self.relations.is_parent()
    }
}

/// One of the source's unique keys, with the values that the target's columns of the same names have.
fn source_key(columns: &Columns<'_>, target: &TableId, unique: &UniqueKey) -> Option<Key> {
    // The target may have another key of this name.
    let seed = keys::key_seed(target, &format!("{}\0source", unique.name));
    let mut key = Key { seed, parts: Vec::new(), domains: Vec::new() };
    for (offset, prefix) in unique.columns.iter().zip(&unique.prefix_lens) {
        let own = columns.source.columns.get(*offset)?;
        let there = columns.target.columns.iter().find(|column| same_name(&column.name, &own.name)).unwrap_or(own);
        let (domain, reading) = Domain::of(own, there)?;
        key.parts.push(Part::Column { offset: *offset, reading, kept: domain::kept(there, *prefix) });
        key.domains.push(domain);
    }
    Some(key)
}

/// Adds a hash that isn't in the list.
pub fn push_new(keys: &mut Keys, hash: u64) {
    if !keys.contains(&hash) {
        keys.push(hash);
    }
}
