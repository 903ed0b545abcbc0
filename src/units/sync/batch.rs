//! From changes to the statements of one packet: neighbouring inserts, and deletes by key, of one table share one.

use std::ops::Range;

use super::change::{Change, Kind, Op};
use crate::mysql::sql_text::SqlText;

/// One statement of a packet and the changes it carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Statement {
    /// Of the batch.
    pub changes: Range<usize>,
    /// Result sets it gives.
    pub results: usize,
    /// Rows it should find; None when nothing can be said.
    pub expected: Option<u64>,
}

/// Writes the body of a packet. `merge` false gives every change its own statement, to find a culprit.
pub fn write(changes: &[Change], merge: bool, sql: &mut SqlText) -> Vec<Statement> {
    let mut statements = Vec::with_capacity(changes.len());
    let mut start = 0;
    while start < changes.len() {
        let mut end = start + 1;
        if merge {
            while end < changes.len() && shares(&changes[start], &changes[end]) {
                end += 1;
            }
        }
        if start > 0 {
            sql.push_str("; ");
        }
        statements.push(statement(&changes[start..end], start..end, sql));
        start = end;
    }
    statements
}

/// Whether two neighbours go into one statement.
fn shares(a: &Change, b: &Change) -> bool {
    a.op == b.op
        && matches!(a.op, Op::Insert | Op::Replace | Op::DeleteByKey)
        && std::sync::Arc::ptr_eq(&a.table, &b.table)
}

fn statement(changes: &[Change], range: Range<usize>, sql: &mut SqlText) -> Statement {
    let first = &changes[0];
    let (mut results, mut expected) = (1, None);
    match first.op {
        Op::Insert => tuples(&first.table.insert_head, changes, "", sql),
        Op::Replace => tuples(&first.table.replace_head, changes, &first.table.replace_tail, sql),
        Op::DeleteByKey => {
            tuples(&first.table.delete_head, changes, ")", sql);
            expected = Some(changes.len() as u64);
        }
        Op::One => {
            sql.push_bytes(&first.text);
            expected = (first.kind != Kind::Insert).then_some(1);
        }
        Op::DeleteReplace | Op::MoveReplace => {
            sql.push_bytes(&first.text);
            results = if first.op == Op::MoveReplace { 3 } else { 2 };
        }
    }
    Statement { changes: range, results, expected }
}

fn tuples(head: &str, changes: &[Change], tail: &str, sql: &mut SqlText) {
    sql.push_str(head);
    for (i, change) in changes.iter().enumerate() {
        if i > 0 {
            sql.push(b',');
        }
        sql.push_bytes(&change.text);
    }
    sql.push_str(tail);
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
