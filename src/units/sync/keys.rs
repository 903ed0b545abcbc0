//! Which rows and unique values a change touches, as folded hashes; and its lane.
//!
//! A lane is a function of the target table's name and the source's row key alone, so a replay puts a change into the
//! same lane whatever was changed on the target meanwhile. The keys for conflicts follow the target's structure.

use xxhash_rust::xxh3::{Xxh3, xxh3_64, xxh3_64_with_seed};

use super::{
    domain::{self, Domain, Reading},
    ledger::Lane,
    source_row::SourceRow,
};
use crate::{
    mysql::binlog::cursor::Parsed,
    rules::ExtraColumn,
    schema::model::{Column, DefaultValue, TableId, TableInfo, UniqueKey},
};

/// One part of a key: where its value is found in a source row.
#[derive(Clone, PartialEq, Debug)]
pub enum Part {
    Column {
        offset: usize,
        reading: Reading,
        kept: Option<usize>,
    },
    /// The same for every row of the source table: a column that a route adds, or the target's default.
    Constant(Vec<u8>),
}

/// A key of the target table, in terms of the source's columns.
#[derive(Clone, PartialEq, Debug)]
pub struct Key {
    /// Tells the keys of all tables apart; the same for the same key in each run.
    pub seed: u64,
    pub parts: Vec<Part>,
    /// Of each part.
    pub domains: Vec<Domain>,
}

impl Key {
    /// The folded hash of a row's key; None when a part is NULL (NULLs never conflict) or not in the row.
    pub fn hash(&self, row: &SourceRow<'_>, buffer: &mut Vec<u8>) -> Parsed<Option<u64>> {
        buffer.clear();
        for part in &self.parts {
            match part {
                Part::Column { offset, reading, kept } => {
                    let Some(value) = row.value(*offset)? else { return Ok(None) };
                    if reading.write(&value, *kept, buffer).is_none() {
                        return Ok(None);
                    }
                }
                Part::Constant(bytes) => buffer.extend_from_slice(bytes),
            }
            // Keeps ("a", "bc") and ("ab", "c") apart; where a value holds these bytes itself, they only meet needlessly.
            buffer.extend_from_slice(&[0, 0]);
        }
        Ok(Some(xxh3_64_with_seed(buffer, self.seed)))
    }
}

/// What becomes of a unique key.
#[derive(Debug)]
pub enum Built {
    Key(Key),
    /// Its values can't be told from a row.
    Vague,
    /// The target makes its values: no two rows have the same.
    Never,
}

/// Where the columns of a target table come from.
pub struct Columns<'a> {
    pub source: &'a TableInfo,
    pub target: &'a TableInfo,
    /// That a route adds.
    pub extras: &'a [ExtraColumn],
}

impl Columns<'_> {
    /// A unique key of the target.
    pub fn target_key(&self, id: &TableId, key: &UniqueKey) -> Built {
        if key.functional {
            return Built::Vague;
        }
        let mut built = Key { seed: key_seed(id, &key.name), parts: Vec::new(), domains: Vec::new() };
        for (offset, prefix) in key.columns.iter().zip(&key.prefix_lens) {
            let Some(column) = self.target.columns.get(*offset) else { return Built::Vague };
            let (part, domain) = match self.part(column, *prefix) {
                Ok(found) => found,
                Err(other) => return other,
            };
            built.parts.push(part);
            built.domains.push(domain);
        }
        Built::Key(built)
    }

    /// One part of a key, by the target's column.
    pub fn part(&self, column: &Column, prefix: Option<u32>) -> Result<(Part, Domain), Built> {
        if let Some(offset) = self.source.column_offset(&column.name) {
            let own = self.source.columns.get(offset).ok_or(Built::Vague)?;
            let (domain, reading) = Domain::of(own, column).ok_or(Built::Vague)?;
            return Ok((Part::Column { offset, reading, kept: domain::kept(column, prefix) }, domain));
        }
        if let Some(extra) = self.extras.iter().find(|extra| extra.name.eq_ignore_ascii_case(&column.name)) {
            let fold = domain::text_fold(column);
            if !column.ty.base.has_charset() || !fold.is_known() {
                return Err(Built::Vague);
            }
            let mut bytes = Vec::new();
            fold.write(extra.value.as_bytes(), &mut bytes);
            return Ok((Part::Constant(bytes), Domain::Text(fold)));
        }
        if column.auto_increment {
            return Err(Built::Never);
        }
        match &column.default {
            None if column.nullable => Err(Built::Never),
            None | Some(DefaultValue::Literal(_) | DefaultValue::Bytes(_)) if column.generated.is_none() => {
                Ok((Part::Constant(Vec::new()), Domain::Default))
            }
            _ => Err(Built::Vague),
        }
    }
}

/// The columns of the source that name a row, for its lane. None: the table has one lane.
///
/// A key over expressions makes a table's changes keep their order anyway, and in one lane they share transactions.
pub fn lane_columns(source: &TableInfo) -> Option<Vec<usize>> {
    let keys = source.unique_keys();
    if keys.iter().any(|key| key.functional) {
        return None;
    }
    keys.into_iter().find(UniqueKey::identifies_rows).map(|key| key.columns)
}

/// The hash behind a row's lane: of the values as the source has them.
pub fn lane_hash(table: u64, columns: &[usize], row: &SourceRow<'_>, buffer: &mut Vec<u8>) -> Parsed<u64> {
    buffer.clear();
    for column in columns {
        if let Some(value) = row.value(*column)? {
            domain::write_exact(&value, buffer);
        }
        buffer.push(0);
    }
    Ok(xxh3_64_with_seed(buffer, table))
}

/// The lane of a hash.
pub fn lane_of(hash: u64, lanes: u16) -> Lane {
    (hash % u64::from(lanes.max(1))) as Lane
}

/// The hash that stands for a whole table: lane of a table without a key.
pub fn table_hash(table: &TableId) -> u64 {
    key_seed(table, "")
}

/// The seed of one key of one table.
pub fn key_seed(table: &TableId, key: &str) -> u64 {
    // Schema and table names of a target may differ in case only by configuration, not by meaning.
    let name = format!("{}\0{}\0{}", table.schema.to_lowercase(), table.name.to_lowercase(), key.to_lowercase());
    xxh3_64(name.as_bytes())
}

/// One number of several.
pub fn combined(numbers: &[u64]) -> u64 {
    let mut hasher = Xxh3::new();
    for number in numbers {
        hasher.update(&number.to_le_bytes());
    }
    hasher.digest()
}
