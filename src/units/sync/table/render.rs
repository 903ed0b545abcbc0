//! SQL of changes whose rows are complete.

use super::{KeyColumn, TargetTable};
use crate::{
    mysql::{binlog::cursor::Parsed, sql_text::SqlText},
    units::sync::{
        change::{Kind, Op, Rendered, column_bit},
        source_row::SourceRow,
    },
};

impl TargetTable {
    /// Whether changes of the table are written so that they may be repeated. Without a key an UPDATE is the form that does
    /// least when it is repeated.
    pub fn may_repeat(&self, safe_mode: bool) -> bool {
        safe_mode || (!self.transactional && self.row_key.is_some())
    }

    /// Appends the SQL of a change: its key, then its body. None: there is nothing to do.
    pub fn render(
        &self,
        before: Option<&SourceRow<'_>>,
        after: Option<&SourceRow<'_>>,
        safe: bool,
        out: &mut SqlText,
    ) -> Parsed<Option<Rendered>> {
        let (safe, start) = (self.may_repeat(safe), out.len());
        let partial = (before.and_then(SourceRow::partial), after.and_then(SourceRow::partial));
        if let (Some(old), Some(new), true) = (partial.0, partial.1, safe)
            && self.tells_all(old)
            && self.tells_all(new)
        {
            return self.render(Some(&old.row()), Some(&new.row()), safe, out);
        }
        if partial.0.is_some() || partial.1.is_some() {
            let rendered = self.render_partial(partial.0, partial.1, safe, out)?;
            return Ok(rendered.map(|(kind, op)| Rendered { kind, op, key_len: 0, columns: 0 }));
        }
        let mut columns = 0;
        let (kind, op, key_end) = match (before, after) {
            (before, Some(row)) if safe && !self.overlaps.is_empty() => {
                let op = self.reinsert(before, row, out)?;
                (if before.is_some() { Kind::Update } else { Kind::Insert }, op, start)
            }
            (None, Some(row)) => {
                let key_end = self.key(row, out)?;
                self.tuple(row, out)?;
                (Kind::Insert, if safe { Op::Replace } else { Op::Insert }, key_end)
            }
            (Some(row), None) if self.row_key.is_some() => (Kind::Delete, Op::DeleteByKey, self.key(row, out)?),
            (Some(row), None) => {
                self.delete_one(row, out)?;
                (Kind::Delete, Op::One, start)
            }
            (Some(old), Some(new)) if safe => {
                let (op, key_end) = self.safe_update(old, new, out)?;
                (Kind::Update, op, key_end)
            }
            (Some(old), Some(new)) => {
                let Some((op, key_end)) = self.update(old, new, &mut columns, out)? else { return Ok(None) };
                (Kind::Update, op, key_end)
            }
            (None, None) => return Ok(None),
        };
        Ok(Some(Rendered { kind, op, key_len: key_end - start, columns }))
    }

    /// Appends the row's key; gives where it ends. Nothing for a table without one. Several columns are compared one by
    /// one: not every server finds (a, b) IN (..) by an index.
    fn key(&self, row: &SourceRow<'_>, out: &mut SqlText) -> Parsed<usize> {
        let columns = self.row_key.as_ref().map_or(&[][..], |key| &key.columns);
        let many = columns.len() > 1;
        if many {
            out.push(b'(');
        }
        for (i, column) in columns.iter().enumerate() {
            if i > 0 {
                out.push_str(" AND ");
            }
            match column {
                KeyColumn::Source { name, .. } | KeyColumn::Extra { name, .. } if many => out.push_all(&[name, "="]),
                _ => {}
            }
            match column {
                KeyColumn::Source { offset, .. } => row.write(*offset, out)?,
                KeyColumn::Extra { literal, .. } => out.push_str(literal),
            }
        }
        if many {
            out.push(b')');
        }
        Ok(out.len())
    }

    pub(super) fn tuple(&self, row: &SourceRow<'_>, out: &mut SqlText) -> Parsed<()> {
        row.write_list(&self.offsets, b'(', out)?;
        let mut next = if self.offsets.is_empty() { b'(' } else { b',' };
        for (_, literal) in &self.extras {
            out.push(next);
            out.push_str(literal);
            next = b',';
        }
        if next == b'(' {
            out.push(next);
        }
        out.push(b')');
        Ok(())
    }

    /// Appends a statement for one row of a table without a key.
    pub(super) fn delete_one(&self, row: &SourceRow<'_>, out: &mut SqlText) -> Parsed<()> {
        out.push_str(&self.delete_one_head);
        self.condition(row, out)?;
        out.push_str(" LIMIT 1");
        Ok(())
    }

    /// The row's key and what is assigned; or, where the key changes or there is none, a whole statement. None: nothing
    /// changes.
    fn update(
        &self,
        old: &SourceRow<'_>,
        new: &SourceRow<'_>,
        columns: &mut u64,
        out: &mut SqlText,
    ) -> Parsed<Option<(Op, usize)>> {
        let start = out.len();
        let by_key = self.same_key(old, new)?;
        if by_key {
            self.key(new, out)?;
        } else {
            out.push_all(&["UPDATE ", &self.update_head]);
        }
        let body = out.len();
        if !self.assign(old, new, columns, out)? {
            out.truncate(start);
            return Ok(None);
        }
        if by_key {
            return Ok(Some((Op::Update, body)));
        }
        self.of_row(old, out)?;
        Ok(Some((Op::One, start)))
    }

    /// Appends assignments to the columns that change, and to those that the target would change by itself; false when
    /// nothing changes. `columns` gets their bits.
    fn assign(&self, old: &SourceRow<'_>, new: &SourceRow<'_>, columns: &mut u64, out: &mut SqlText) -> Parsed<bool> {
        let mut changed = false;
        for (i, column) in self.written.iter().enumerate() {
            let differs = !old.same(new, column.offset)?;
            if !differs && !column.always {
                continue;
            }
            changed |= differs;
            if *columns != 0 {
                out.push(b',');
            }
            *columns |= column_bit(i);
            out.push_all(&[&column.name, "="]);
            new.write(column.offset, out)?;
        }
        Ok(changed)
    }

    fn of_row(&self, row: &SourceRow<'_>, out: &mut SqlText) -> Parsed<()> {
        out.push_str(" WHERE ");
        self.condition(row, out)?;
        out.push_str(" LIMIT 1");
        Ok(())
    }

    /// REPLACE of the new row, after a DELETE of the old one when the key changed (or there is none). Where other rows
    /// refer to it, the row moves instead, if it is there; then nothing is left to delete.
    fn safe_update(&self, old: &SourceRow<'_>, new: &SourceRow<'_>, out: &mut SqlText) -> Parsed<(Op, usize)> {
        let start = out.len();
        if self.same_key(old, new)? {
            let key_end = self.key(new, out)?;
            self.tuple(new, out)?;
            return Ok((Op::Replace, key_end));
        }
        let mut moves = self.conflicts.is_parent();
        if moves {
            out.push_all(&["UPDATE IGNORE ", &self.update_head]);
            moves = self.assign(old, new, &mut 0, out)?;
            if moves {
                self.of_row(old, out)?;
                out.push_str("; ");
            } else {
                // The key has a part that isn't written.
                out.truncate(start);
            }
        }
        if self.row_key.is_some() {
            out.push_str(&self.delete_head);
            self.key(old, out)?;
            out.push_str(self.delete_tail);
        } else {
            self.delete_one(old, out)?;
        }
        out.push_all(&["; ", &self.replace_head]);
        self.tuple(new, out)?;
        out.push_str(&self.replace_tail);
        Ok((if moves { Op::MoveReplace } else { Op::DeleteReplace }, start))
    }

    /// Whether both rows have one key, to the byte.
    fn same_key(&self, old: &SourceRow<'_>, new: &SourceRow<'_>) -> Parsed<bool> {
        let Some(row_key) = &self.row_key else { return Ok(false) };
        for column in &row_key.columns {
            if let KeyColumn::Source { offset, .. } = column
                && !old.same(new, *offset)?
            {
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The WHERE of one row.
    pub(super) fn condition(&self, row: &SourceRow<'_>, out: &mut SqlText) -> Parsed<()> {
        if self.row_key.is_some() {
            out.push_str(&self.key_head);
            self.key(row, out)?;
            return Ok(());
        }
        let mut first = true;
        let mut and = |out: &mut SqlText| {
            if !std::mem::take(&mut first) {
                out.push_str(" AND ");
            }
        };
        let mut value = SqlText::new();
        for column in &self.written {
            and(out);
            value.clear();
            row.write(column.offset, &mut value)?;
            let value = (!row.is_null(column.offset)).then_some(value.as_bytes());
            column.compare.write(&column.name, value, out);
        }
        for (name, literal) in &self.extras {
            and(out);
            out.push_all(&[name, "=", literal]);
        }
        Ok(())
    }
}
