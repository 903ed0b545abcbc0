//! From the changes of a batch to the statements of one packet.
//!
//! Two changes that touch no row and no unique value in common may change places: nobody can tell. What they touch is
//! what conflict detection goes by (`keys`), which sees too many conflicts rather than too few. So:
//!
//! - Changes are put on **levels**: each on the first one above all earlier changes that it has something in common with.
//!   The levels run one after the other; on one level, changes of one kind and table share a statement.
//! - Several changes of one row become one, where the table allows that (see [`Combine`]) and nothing in between touches
//!   what they touch. The key is compared to the byte: rows that only a collation holds equal are not one row here.
//! - A change that has something in common with only one statement, and is of its kind, goes behind its rows: so the
//!   inserts of a table without a key share a statement, in their order.
//!
//! A packet that fails is sent again change by change as the source made them, so errors are exactly those.

use std::{collections::HashMap, hash::BuildHasherDefault, sync::Arc};

use smallvec::{SmallVec, smallvec};

use super::{
    causality::Pass,
    change::{Change, Kind, Op},
    table::{Combine, TargetTable},
};
use crate::mysql::sql_text::SqlText;

/// One statement of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// Its first change, an index into the batch.
    pub first: usize,
    /// Result sets it gives.
    pub results: usize,
    /// Rows it should find; None when nothing can be said.
    pub expected: Option<u64>,
}

/// What is left of one change or several.
struct Entry {
    op: Op,
    level: usize,
    /// Of the tables of the batch.
    table: usize,
    /// Whether the rows to be deleted or updated must be there.
    certain: bool,
    /// Indexes into the batch, in order: rows of one statement, or assignments to one row; none when nothing is left.
    members: SmallVec<[usize; 2]>,
}

/// Writes the body of a packet. `merge` false gives every change its own statement, to find a culprit.
pub fn write(changes: &[Change], merge: bool, sql: &mut SqlText) -> Vec<Statement> {
    let mut entries: Vec<Entry> = if merge && changes.len() > 1 {
        Combining::of(changes).entries
    } else {
        changes.iter().enumerate().map(|(i, change)| Entry::of(i, change, i, 0)).collect()
    };
    entries.retain(|entry| !entry.members.is_empty());
    entries.sort_by_key(|entry| (entry.level, entry.table, rank(entry.op)));
    let is_unchecked = |entry: &Entry| entry.members.first().and_then(|i| changes.get(*i)).is_some_and(|c| c.unchecked);
    let together = |a: &Entry, b: &Entry| {
        let mergeable = matches!(a.op, Op::Insert | Op::Replace | Op::DeleteByKey);
        merge && mergeable && (a.level, a.table, a.op) == (b.level, b.table, b.op) && is_unchecked(a) == is_unchecked(b)
    };
    let mut statements = Vec::with_capacity(entries.len());
    let mut unchecked = false;
    for group in entries.chunk_by(together) {
        if !statements.is_empty() {
            sql.push_str("; ");
        }
        if group.first().is_some_and(is_unchecked) != unchecked {
            unchecked = !unchecked;
            check_foreign_keys(!unchecked, sql, &mut statements);
            sql.push_str("; ");
        }
        statements.push(statement(changes, group, sql));
    }
    if unchecked {
        sql.push_str("; ");
        check_foreign_keys(true, sql, &mut statements);
    }
    statements
}

/// Between two statements. The session must not be used again when a packet with it failed.
fn check_foreign_keys(on: bool, sql: &mut SqlText, statements: &mut Vec<Statement>) {
    sql.push_str(if on { "SET foreign_key_checks = 1" } else { "SET foreign_key_checks = 0" });
    statements.push(Statement { first: 0, results: 1, expected: None });
}

fn rank(op: Op) -> u8 {
    match op {
        Op::DeleteByKey => 0,
        Op::Replace => 1,
        Op::Insert => 2,
        Op::Update => 3,
        Op::One => 4,
        Op::DeleteReplace | Op::MoveReplace => 5,
    }
}

impl Entry {
    fn of(index: usize, change: &Change, level: usize, table: usize) -> Entry {
        Entry { op: change.op, level, table, certain: true, members: smallvec![index] }
    }
}

/// The entries of the changes seen so far.
struct Combining<'a> {
    changes: &'a [Change],
    entries: Vec<Entry>,
    tables: Vec<&'a TargetTable>,
    /// Which of them each table that was met is.
    met: Vec<(&'a TargetTable, usize)>,
    /// The entry that touched a key last.
    last: HashMap<u64, usize, BuildHasherDefault<Pass>>,
    /// The entry of the last change that foreign keys relate to others.
    related: Option<usize>,
}

impl<'a> Combining<'a> {
    fn of(changes: &'a [Change]) -> Self {
        let mut all = Combining {
            changes,
            entries: Vec::with_capacity(changes.len()),
            tables: Vec::new(),
            met: Vec::new(),
            last: HashMap::with_capacity_and_hasher(changes.len() * 2, BuildHasherDefault::default()),
            related: None,
        };
        for (i, change) in changes.iter().enumerate() {
            all.add(i, change);
        }
        all
    }

    fn add(&mut self, index: usize, change: &'a Change) {
        let table = self.table(&change.table);
        let (mut level, mut met, mut several) = (0, None, false);
        for key in &change.keys {
            let Some(at) = self.last.get(key).copied() else { continue };
            several |= met.is_some_and(|other| other != at);
            met = Some(at);
            level = level.max(self.entries.get(at).map_or(0, |entry| entry.level + 1));
        }
        let joined = if change.relations.is_some() {
            // What foreign keys say of its order isn't in the keys: it passes no other such change.
            let last = self.related;
            level = level.max(last.and_then(|at| self.entries.get(at)).map_or(0, |entry| entry.level + 1));
            last.filter(|at| met.is_none_or(|met| met == *at) && !several && self.append(*at, index, change, table))
        } else {
            met.filter(|at| {
                !several && (self.join(*at, index, change, table) || self.append(*at, index, change, table))
            })
        };
        let at = joined.unwrap_or_else(|| {
            self.entries.push(Entry::of(index, change, level, table));
            self.entries.len() - 1
        });
        if change.relations.is_some() {
            self.related = Some(at);
        }
        for key in &change.keys {
            self.last.insert(*key, at);
        }
    }

    /// Which of the tables of the batch. Tables that are merged into one share their statements.
    fn table(&mut self, table: &'a Arc<TargetTable>) -> usize {
        if let Some((_, at)) = self.met.iter().find(|(met, _)| std::ptr::eq(*met, &**table)) {
            return *at;
        }
        let at = self.tables.iter().position(|known| known.insert_head == table.insert_head).unwrap_or_else(|| {
            self.tables.push(table);
            self.tables.len() - 1
        });
        self.met.push((table, at));
        at
    }

    /// Makes one of a change and the only entry it has something in common with; false when they stay two.
    fn join(&mut self, at: usize, index: usize, change: &Change, table: usize) -> bool {
        let (changes, combine) = (self.changes, change.table.combine);
        let Some(entry) = self.entries.get_mut(at).filter(|entry| entry.table == table) else { return false };
        let same_row = match entry.members.as_slice() {
            [first, ..] if entry.members.len() == 1 || entry.op == Op::Update => {
                let key = change.key();
                !key.is_empty() && changes.get(*first).is_some_and(|first| first.key() == key)
            }
            _ => false,
        };
        let whole = |entry: &mut Entry, op, certain| {
            (entry.op, entry.certain) = (op, certain);
            entry.members.clear();
            entry.members.push(index);
            true
        };
        match (entry.op, change.op) {
            (Op::Update, Op::Update) if same_row && combine >= Combine::Changes => {
                assign(changes, entry, index, change)
            }
            (Op::Update, Op::DeleteByKey) if same_row && combine >= Combine::Changes => {
                whole(entry, Op::DeleteByKey, true)
            }
            // Not a DELETE: a row of the target's own, which the INSERT would have met, stays.
            (Op::Insert, Op::DeleteByKey) if same_row && combine >= Combine::Changes => {
                entry.members.clear();
                true
            }
            (Op::DeleteByKey, Op::Insert | Op::Replace) | (Op::Replace, Op::Replace)
                if same_row && combine >= Combine::Reinsert =>
            {
                whole(entry, Op::Replace, true)
            }
            (Op::Replace, Op::DeleteByKey) if same_row && combine >= Combine::Reinsert => {
                whole(entry, Op::DeleteByKey, false)
            }
            _ => false,
        }
    }

    /// Puts a change behind the rows of a statement of its kind.
    fn append(&mut self, at: usize, index: usize, change: &Change, table: usize) -> bool {
        let Some(entry) = self.entries.get_mut(at) else { return false };
        let unchecked = entry.members.first().and_then(|i| self.changes.get(*i)).map(|first| first.unchecked);
        let alike = (entry.op, entry.table) == (change.op, table) && unchecked == Some(change.unchecked);
        let rows = matches!(change.op, Op::Insert | Op::Replace | Op::DeleteByKey);
        if alike && rows {
            entry.members.push(index);
        }
        alike && rows
    }
}

/// Adds an update's assignments to those of earlier updates of the row; those it repeats go.
fn assign(changes: &[Change], entry: &mut Entry, index: usize, change: &Change) -> bool {
    let columns = |member: &usize| changes.get(*member).map_or(u64::MAX, |change| change.columns);
    let repeated = |member: &usize| columns(member) & !change.columns == 0 && columns(member) >> 63 == 0;
    if entry.members.iter().any(|member| columns(member) & change.columns != 0 && !repeated(member)) {
        return false;
    }
    entry.members.retain(|member| !repeated(member));
    entry.members.push(index);
    true
}

/// Appends one statement for entries that share it.
fn statement(changes: &[Change], group: &[Entry], sql: &mut SqlText) -> Statement {
    let mut members = group.iter().flat_map(|entry| &entry.members).filter_map(|i| changes.get(*i));
    let first = group.first().and_then(|entry| entry.members.first()).copied().unwrap_or(0);
    let (mut results, mut expected) = (1, None);
    let (Some(change), Some(entry)) = (changes.get(first), group.first()) else {
        return Statement { first, results, expected };
    };
    let table = &change.table;
    match entry.op {
        Op::Insert => list(&table.insert_head, members.map(Change::body), ",", sql),
        Op::Replace => {
            list(&table.replace_head, members.map(Change::body), ",", sql);
            sql.push_str(&table.replace_tail);
        }
        Op::DeleteByKey => {
            let several = members.clone().nth(1).is_some();
            let between = if table.key_head.is_empty() { " OR " } else { "," };
            list(&table.delete_head, members.clone().map(Change::key), between, sql);
            sql.push_str(table.delete_tail);
            let certain = group.iter().all(|entry| entry.certain);
            expected = certain.then(|| if several { members.count() as u64 } else { 1 });
        }
        Op::Update => {
            sql.push_str("UPDATE ");
            list(&table.update_head, members.by_ref().map(Change::body), ",", sql);
            sql.push_all(&[" WHERE ", &table.key_head]);
            sql.push_bytes(change.key());
            sql.push_str(" LIMIT 1");
            expected = Some(1);
        }
        Op::One => {
            sql.push_bytes(change.body());
            expected = (change.kind != Kind::Insert).then_some(1);
        }
        Op::DeleteReplace | Op::MoveReplace => {
            sql.push_bytes(change.body());
            results = if entry.op == Op::MoveReplace { 3 } else { 2 };
        }
    }
    Statement { first, results, expected }
}

fn list<'a>(head: &str, parts: impl Iterator<Item = &'a [u8]>, between: &str, sql: &mut SqlText) {
    sql.push_str(head);
    for (i, part) in parts.enumerate() {
        if i > 0 {
            sql.push_str(between);
        }
        sql.push_bytes(part);
    }
}

/// The statement that result `index` belongs to.
pub fn statement_of(statements: &[Statement], index: usize) -> Option<&Statement> {
    let mut seen = 0;
    statements.iter().find(|statement| {
        seen += statement.results;
        index < seen
    })
}

/// Statements that found fewer rows than they should have.
pub fn missed<'a>(statements: &'a [Statement], affected: &'a [u64]) -> impl Iterator<Item = &'a Statement> {
    let mut at = 0;
    statements.iter().filter(move |statement| {
        let found = affected.get(at).copied();
        at += statement.results;
        matches!((statement.expected, found), (Some(expected), Some(found)) if found < expected)
    })
}

#[cfg(test)]
#[path = "batch_tests.rs"]
mod tests;
