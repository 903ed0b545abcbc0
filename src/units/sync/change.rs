//! A row change on its way to the target.

use std::sync::Arc;

use bytes::Bytes;
use smallvec::SmallVec;

use super::{ledger::Lane, location::Transaction, memory::Held, table::TargetTable};

/// Folded hashes; most tables have a primary key and a few unique ones.
pub type Keys = SmallVec<[u64; 4]>;

/// What a change has to do with rows of other tables, where the target checks foreign keys.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Relations {
    /// Hashes that other users may have at the same time.
    pub uses: Keys,
    /// Hashes that nobody else may have before it is durable.
    pub alters: Keys,
}

/// What a change does, which decides how its SQL text is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// `text` is a value tuple for INSERT INTO ... VALUES.
    Insert,
    /// `text` is a value tuple for REPLACE INTO ... VALUES.
    Replace,
    /// `text` is a key tuple for DELETE ... WHERE (key) IN (...).
    DeleteByKey,
    /// `text` is a whole statement that should find one row.
    One,
    /// `text` is a DELETE and a REPLACE (an update in safe mode that changes its key).
    DeleteReplace,
    /// `text` is an UPDATE, a DELETE and an upsert (the same for a row that others refer to).
    MoveReplace,
}

/// What happened on the source, for counters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Kind {
    Insert,
    Update,
    Delete,
}

/// One row change, ready to be sent.
#[derive(Debug)]
pub struct Change {
    /// Its place in the stream's order; given by the dispatcher.
    pub ordinal: u64,
    pub lane: Lane,
    pub transaction: Arc<Transaction>,
    /// Its number within the transaction, counted over all row changes, also those that are filtered.
    pub index: u64,
    /// Where its binlog event ends, and how long it is, for error texts.
    pub end_pos: u64,
    pub event_size: u32,
    pub table: Arc<TargetTable>,
    pub kind: Kind,
    pub op: Op,
    /// SQL; what of depends on `op`. Holds row values: never logged. Shares its memory with its neighbours.
    pub text: Bytes,
    /// Folded hashes of the rows and unique values it touches.
    pub keys: Keys,
    /// Such a change must not pass another one, nor be merged with it, beyond its lane's order.
    pub relations: Option<Box<Relations>>,
    /// Changes of other lanes that must be durable before it is sent. They are earlier in the stream.
    pub after: Vec<(Lane, u64)>,
    /// Its part of the memory budget.
    pub _held: Arc<Held>,
}
