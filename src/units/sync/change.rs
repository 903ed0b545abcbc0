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

/// What a change does, which decides how its body is used.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op {
    /// The body is a value tuple for INSERT INTO ... VALUES.
    Insert,
    /// The body is a value tuple for REPLACE INTO ... VALUES.
    Replace,
    /// A row with the change's key goes; there is no body.
    DeleteByKey,
    /// The body is assignments to columns of the row with the change's key.
    Update,
    /// The body is a whole statement that should find one row.
    One,
    /// The body is a DELETE and a REPLACE (an update in safe mode that changes its key).
    DeleteReplace,
    /// The body is an UPDATE, a DELETE and an upsert (the same for a row that others refer to).
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
    /// Which columns an update assigns, one bit each; the last bit stands for all beyond.
    pub columns: u64,
    /// SQL: the row's key, then the body. Holds row values: never logged. Shares its memory with its neighbours.
    pub text: Bytes,
    /// Where the body begins.
    pub key_len: u32,
    /// Folded hashes of the rows and unique values it touches.
    pub keys: Keys,
    /// Such a change must not pass another one, nor be merged with it, beyond its lane's order.
    pub relations: Option<Box<Relations>>,
    /// The source made it without looking at foreign keys: a step of a cascade that it did itself (MySQL 9.6 and later),
    /// or its session said so. The target must not look at them either.
    pub unchecked: bool,
    /// Changes of other lanes that must be durable before it is sent. They are earlier in the stream.
    pub after: Vec<(Lane, u64)>,
    /// Its lot's part of the memory budget.
    pub held: Option<Arc<Held>>,
}

impl Change {
    /// The row's key as the target's statements name it, always in one spelling; empty for rows that are known by all
    /// their values, and for changes of the key itself.
    pub fn key(&self) -> &[u8] {
        self.text.get(..self.key_len as usize).unwrap_or_default()
    }

    /// What follows the key; see [`Op`].
    pub fn body(&self) -> &[u8] {
        self.text.get(self.key_len as usize..).unwrap_or_default()
    }
}

/// What rendering says of a change.
#[derive(Clone, Copy, Debug)]
pub struct Rendered {
    pub kind: Kind,
    pub op: Op,
    /// Bytes of the key before the body.
    pub key_len: usize,
    /// See [`Change::columns`].
    pub columns: u64,
}

/// The bit of a column in [`Change::columns`].
pub fn column_bit(column: usize) -> u64 {
    1 << column.min(63)
}
