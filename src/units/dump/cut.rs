//! The chunks of a dump, and the order in which they are read.

use std::{
    cmp::Reverse,
    collections::VecDeque,
    sync::atomic::{AtomicUsize, Ordering},
};

use super::{
    Failure, changed_structure, is_structure_change,
    options::DumpOptions,
    plan::{self, DumpPlan},
    write::Chunk,
};
use crate::mysql::RowConn;

/// Conditions of the chunks of each table.
pub async fn conditions(
    reader: Option<&mut RowConn>,
    plan: &DumpPlan,
    options: &DumpOptions,
) -> Result<Vec<Vec<String>>, Failure> {
    let Some(reader) = reader else { return Ok(vec![Vec::new(); plan.tables.len()]) };
    let mut out = Vec::with_capacity(plan.tables.len());
    for table in &plan.tables {
        out.push(match plan::chunk_conditions(reader, table, options).await {
            Err(e) if is_structure_change(&e) => return Err(changed_structure(table)),
            conditions => conditions?,
        });
    }
    Ok(out)
}

/// What is to be read.
pub struct Left {
    pub chunks: VecDeque<Chunk>,
    /// Of each table: chunks without files.
    pub of_table: Vec<AtomicUsize>,
}

/// The chunks that are to be read, the largest tables first.
pub fn left(plan: &DumpPlan, conditions: &[Vec<String>], is_done: impl Fn(usize, usize) -> bool) -> Left {
    let of_table: Vec<AtomicUsize> = plan.tables.iter().map(|_| AtomicUsize::new(0)).collect();
    let mut order: Vec<usize> = (0..plan.tables.len()).collect();
    order.sort_by_key(|at| Reverse(plan.tables.get(*at).map_or(0, |table| table.estimated_bytes)));
    let mut chunks = VecDeque::new();
    for table in order {
        let (Some(conditions), Some(left)) = (conditions.get(table), of_table.get(table)) else { continue };
        for (number, condition) in conditions.iter().enumerate().filter(|(number, _)| !is_done(table, *number)) {
            left.fetch_add(1, Ordering::AcqRel);
            chunks.push_back(Chunk { table, number, condition: condition.clone(), tries: 0 });
        }
    }
    Left { chunks, of_table }
}
