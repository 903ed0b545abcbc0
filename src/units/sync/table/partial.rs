//! SQL of changes whose images lack columns (`binlog_row_image` MINIMAL, NOBLOB, FULL_NODUP): each is a statement of its own
//! that names the columns it has.

use super::{KeyColumn, TargetTable};
use crate::{
    mysql::{binlog::cursor::Parsed, sql_text::SqlText},
    schema::model::{TableInfo, UniqueKey},
    units::sync::{
        change::{Kind, Op},
        partial::PartialRow,
    },
};

/// Stands for a column that rows of the source don't have.
const NOWHERE: usize = usize::MAX;
/// Stands for an expression in a key.
const EXPRESSION: usize = usize::MAX - 1;

/// Where the columns of all unique keys are in the source's rows.
pub fn unique_columns(source: &TableInfo, target: &TableInfo) -> Vec<Vec<usize>> {
    let of = |table: &TableInfo, key: &UniqueKey| {
        let names = key.columns.iter().filter_map(|offset| table.columns.get(*offset));
        let mut offsets: Vec<usize> =
            names.map(|column| source.column_offset(&column.name).unwrap_or(NOWHERE)).collect();
        if key.functional {
            offsets.push(EXPRESSION);
        }
        offsets
    };
    let mut all: Vec<_> = target.unique_keys().iter().map(|key| of(target, key)).collect();
    all.extend(source.unique_keys().iter().map(|key| of(source, key)));
    all.sort_unstable();
    all.dedup();
    all
}

impl TargetTable {
    /// The first column of the target's row key that the row doesn't tell.
    pub fn missing_key<'a>(&'a self, row: &PartialRow<'_>) -> Option<&'a str> {
        let columns = self.row_key.iter().flat_map(|key| &key.columns);
        columns.into_iter().find_map(|column| match column {
            KeyColumn::Source { offset, name } if !row.knows(*offset) => Some(name.as_str()),
            _ => None,
        })
    }

    /// Whether the change gives or takes unique values that its rows don't tell: then only the order keeps it apart from
    /// others.
    pub fn has_unknown_values(&self, before: Option<&PartialRow<'_>>, after: Option<&PartialRow<'_>>) -> bool {
        if self.conflicts.is_related() {
            // References that an image leaves out are as unknown.
            return true;
        }
        self.unique_columns.iter().any(|key| match (before, after) {
            (Some(old), Some(new)) => {
                let touched = key.iter().any(|offset| new.sets(*offset) || *offset >= EXPRESSION);
                touched && !key.iter().all(|offset| old.knows(*offset))
            }
            (Some(row), None) | (None, Some(row)) => !key.iter().all(|offset| row.knows(*offset)),
            (None, None) => false,
        })
    }

    /// Whether an update can't be written so that it may be repeated: it gives its row other unique values, and its images
    /// don't tell all of the row. Moved a second time it may move another row, which took the old value since.
    pub fn is_unrepeatable(&self, old: &PartialRow<'_>, new: &PartialRow<'_>) -> Parsed<bool> {
        if self.tells_all(old) && self.tells_all(new) {
            return Ok(false);
        }
        for offset in self.unique_columns.iter().flatten().copied() {
            let differs = match offset {
                EXPRESSION => true,
                NOWHERE => false,
                _ => new.sets(offset) && !(old.knows(offset) && old.row().same(&new.row(), offset)?),
            };
            if differs {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Whether the row tells every column that is written.
    pub(super) fn tells_all(&self, row: &PartialRow<'_>) -> bool {
        self.written.iter().all(|column| row.knows(column.offset))
    }

    /// Appends the statement of a change. In safe mode an UPDATE that finds its row changed already changes nothing; those
    /// that give other unique values don't come ([`Self::is_unrepeatable`]).
    pub(super) fn render_partial(
        &self,
        before: Option<&PartialRow<'_>>,
        after: Option<&PartialRow<'_>>,
        safe: bool,
        out: &mut SqlText,
    ) -> Parsed<Option<(Kind, Op)>> {
        let target = self.target.to_string();
        let kind = match (before, after) {
            (None, Some(row)) if safe && !self.overlaps.is_empty() => {
                return Ok(Some((Kind::Insert, self.reinsert_partial(row, out)?)));
            }
            (None, Some(row)) => {
                out.push_all(&[if safe { "REPLACE INTO " } else { "INSERT INTO " }, &target, " "]);
                self.named_tuple(row, out)?;
                Kind::Insert
            }
            (Some(row), None) => {
                out.push_all(&["DELETE FROM ", &target, " WHERE "]);
                self.known_condition(row, out)?;
                Kind::Delete
            }
            (Some(old), Some(new)) => {
                let set = self.written.iter().filter(|column| new.sets(column.offset));
                let mut before = if safe { "UPDATE IGNORE " } else { "UPDATE " }.to_owned() + &target + " SET ";
                let start = out.len();
                for column in set {
                    out.push_all(&[&before, &column.name, "="]);
                    new.row().write(column.offset, out)?;
                    ",".clone_into(&mut before);
                }
                if out.len() == start {
                    // Only generated columns changed, or none.
                    return Ok(None);
                }
                out.push_str(" WHERE ");
                self.known_condition(old, out)?;
                Kind::Update
            }
            (None, None) => return Ok(None),
        };
        if kind != Kind::Insert {
            out.push_str(" LIMIT 1");
        }
        Ok(Some((kind, Op::One)))
    }

    /// `(columns) VALUES (values)` of what the row has; the others get their defaults.
    pub(super) fn named_tuple(&self, row: &PartialRow<'_>, out: &mut SqlText) -> Parsed<()> {
        let known: Vec<_> = self.written.iter().filter(|column| row.knows(column.offset)).collect();
        let mut names: Vec<&str> = known.iter().map(|column| column.name.as_str()).collect();
        names.extend(self.extras.iter().map(|(name, _)| name.as_str()));
        out.push_all(&["(", &names.join(","), ") VALUES ("]);
        for (i, column) in known.iter().enumerate() {
            if i > 0 {
                out.push(b',');
            }
            row.row().write(column.offset, out)?;
        }
        for (i, (_, literal)) in self.extras.iter().enumerate() {
            if i > 0 || !known.is_empty() {
                out.push(b',');
            }
            out.push_str(literal);
        }
        out.push(b')');
        Ok(())
    }

    /// The WHERE of one row: its key, or all that is known of it.
    fn known_condition(&self, row: &PartialRow<'_>, out: &mut SqlText) -> Parsed<()> {
        if self.row_key.is_some() {
            return self.condition(&row.row(), out);
        }
        let (mut and, mut value) = ("", SqlText::new());
        for column in self.written.iter().filter(|column| row.knows(column.offset)) {
            out.push_str(std::mem::replace(&mut and, " AND "));
            value.clear();
            row.row().write(column.offset, &mut value)?;
            let value = (!row.row().is_null(column.offset)).then_some(value.as_bytes());
            column.compare.write(&column.name, value, out);
        }
        for (name, literal) in &self.extras {
            out.push_all(&[std::mem::replace(&mut and, " AND "), name, "=", literal]);
        }
        Ok(())
    }
}
