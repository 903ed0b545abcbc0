//! MariaDB's keys `WITHOUT OVERLAPS`: rows whose other key columns are equal exclude each other where their periods meet.
//! The server refuses REPLACE and ON DUPLICATE KEY UPDATE for tables that have one (error 1235).

use super::TargetTable;
use crate::{
    mysql::{binlog::cursor::Parsed, sql_text::SqlText},
    schema::model::{TableInfo, quote_name},
    units::sync::{change::Op, partial::PartialRow, source_row::SourceRow},
};

/// One such key, its columns by the source's offsets and by name.
#[derive(Debug)]
pub struct Overlap {
    equal: Vec<(usize, String)>,
    start: (usize, String),
    end: (usize, String),
}

impl Overlap {
    /// The target's, of which the source has all columns.
    pub fn of(source: &TableInfo, target: &TableInfo) -> Vec<Overlap> {
        let column = |offset: &usize| {
            let name = &target.columns.get(*offset)?.name;
            Some((source.column_offset(name)?, quote_name(name)))
        };
        let keys = target.unique_keys();
        let with_period = keys.iter().filter(|key| target.period_of(key).is_some());
        let overlap = with_period.map(|key| {
            let [equal @ .., end, start] = key.columns.as_slice() else { return None };
            let equal = equal.iter().map(column).collect::<Option<Vec<_>>>()?;
            Some(Overlap { equal, start: column(start)?, end: column(end)? })
        });
        overlap.flatten().collect()
    }

    fn offsets(&self) -> impl Iterator<Item = usize> {
        self.equal.iter().chain([&self.start, &self.end]).map(|(offset, _)| *offset)
    }

    /// Appends the condition of the rows that exclude this one.
    fn condition(&self, row: &SourceRow<'_>, out: &mut SqlText) -> Parsed<()> {
        out.push(b'(');
        for (offset, name) in &self.equal {
            out.push_all(&[name, "="]);
            row.write(*offset, out)?;
            out.push_str(" AND ");
        }
        out.push_all(&[&self.start.1, "<"]);
        row.write(self.end.0, out)?;
        out.push_all(&[" AND ", &self.end.1, ">"]);
        row.write(self.start.0, out)?;
        out.push(b')');
        Ok(())
    }
}

impl TargetTable {
    /// An INSERT in safe mode of an image that may lack columns. What they are isn't told, so a key of theirs removes
    /// nothing: then the INSERT is refused where it meets a row, and the task stops.
    pub(super) fn reinsert_partial(&self, row: &PartialRow<'_>, out: &mut SqlText) -> Parsed<Op> {
        let start = out.len();
        out.push_str(&self.delete_one_head);
        let mut or = "";
        if self.row_key.is_some() && self.missing_key(row).is_none() {
            self.condition(&row.row(), out)?;
            or = " OR ";
        }
        for overlap in self.overlaps.iter().filter(|overlap| overlap.offsets().all(|offset| row.knows(offset))) {
            out.push_str(std::mem::replace(&mut or, " OR "));
            overlap.condition(&row.row(), out)?;
        }
        let removes = !or.is_empty();
        match removes {
            true => out.push_str("; "),
            false => out.truncate(start),
        }
        out.push_all(&["INSERT INTO ", &self.target.to_string(), " "]);
        self.named_tuple(row, out)?;
        Ok(if removes { Op::DeleteReplace } else { Op::One })
    }

    /// A change in safe mode without REPLACE: the row before goes, then what excludes the new row, then that is inserted.
    pub(super) fn reinsert(
        &self,
        before: Option<&SourceRow<'_>>,
        row: &SourceRow<'_>,
        out: &mut SqlText,
    ) -> Parsed<Op> {
        if let Some(before) = before {
            self.delete_one(before, out)?;
            out.push_str("; ");
        }
        out.push_str(&self.delete_one_head);
        if self.row_key.is_some() {
            self.condition(row, out)?;
            out.push_str(" OR ");
        }
        for (i, overlap) in self.overlaps.iter().enumerate() {
            if i > 0 {
                out.push_str(" OR ");
            }
            overlap.condition(row, out)?;
        }
        out.push_all(&["; ", &self.insert_head]);
        self.tuple(row, out)?;
        Ok(if before.is_some() { Op::MoveReplace } else { Op::DeleteReplace })
    }
}
