//! Which rows and unique values a change touches, as folded hashes, and from that its lane.
//!
//! A lane is a function of (target table, row key) alone, so a replay puts a change into the same lane.

use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use super::{fold, ledger::Lane, source_row::SourceRow};
use crate::{
    mysql::{binlog::cursor::Parsed, value::Value},
    schema::model::{Column, TableId, TableInfo, UniqueKey},
};

/// How a column's values are folded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fold {
    /// Equal only when all bytes are.
    Exact,
    /// UTF-8 text.
    Unicode,
    /// One byte a character, as in Unicode's first 256 (near enough: what differs is folded alike).
    Latin1,
    /// A character set that isn't decoded here.
    Unknown,
}

impl Fold {
    /// From a column's structure.
    pub fn of(column: &Column) -> Fold {
        if !column.ty.base.has_charset() {
            return Fold::Exact;
        }
        match column.charset.as_deref() {
            Some("utf8mb4" | "utf8mb3" | "utf8" | "ascii") | None => Fold::Unicode,
            Some("latin1") => Fold::Latin1,
            Some(_) => Fold::Unknown,
        }
    }
}

/// One part of a key: where its value is found in a source row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Part {
    Column {
        offset: usize,
        fold: Fold,
        prefix: Option<u32>,
    },
    /// The same for every row of the source table (a column that a route adds).
    Constant(Vec<u8>),
}

/// A key of the target table, in terms of the source's columns.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Key {
    /// Tells the keys of all tables apart; the same for the same key in each run.
    pub seed: u64,
    pub parts: Vec<Part>,
}

impl Key {
    /// The folded hash of a row's key; None when a part is NULL (NULLs never conflict) or not in the row.
    pub fn hash(&self, row: &SourceRow<'_>, buffer: &mut Vec<u8>) -> Parsed<Option<u64>> {
        buffer.clear();
        for part in &self.parts {
            match part {
                Part::Column { offset, fold, prefix } => {
                    let Some(value) = row.value(*offset)? else { return Ok(None) };
                    if write_value(&value, *fold, prefix.map(|p| p as usize), buffer).is_none() {
                        return Ok(None);
                    }
                }
                Part::Constant(bytes) => buffer.extend_from_slice(bytes),
            }
            // A byte that no folded text contains keeps ("a", "bc") and ("ab", "c") apart.
            buffer.push(0);
        }
        let mut hasher = Xxh3::with_seed(self.seed);
        hasher.update(buffer);
        Ok(Some(hasher.digest()))
    }
}

/// The lane of a key hash.
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

/// Appends a value's folded bytes; None for NULL.
fn write_value(value: &Value, fold: Fold, prefix: Option<usize>, out: &mut Vec<u8>) -> Option<()> {
    match value {
        Value::Null => return None,
        // Signed and unsigned columns of shards may meet in one target.
        Value::Int(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::UInt(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Float(v) => write_float(f64::from(*v), out),
        Value::Double(v) => write_float(*v, out),
        Value::Decimal(v) => write_decimal(v.as_str(), out),
        Value::Bytes(bytes) => write_text(bytes, fold, prefix, out),
        Value::Bit { bits, .. } => out.extend_from_slice(&bits.to_le_bytes()),
        Value::Enum(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Set(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Year(v) => out.extend_from_slice(&v.to_le_bytes()),
        Value::Json(text) => out.extend_from_slice(text.as_bytes()),
        Value::Date(date) => out.extend_from_slice(date.to_string().as_bytes()),
        Value::Time(time) => out.extend_from_slice(time.to_string().as_bytes()),
        Value::DateTime(time) => out.extend_from_slice(time.to_string().as_bytes()),
        Value::Timestamp(time) => {
            out.extend_from_slice(&time.seconds.to_le_bytes());
            out.extend_from_slice(&time.micros.to_le_bytes());
        }
    }
    Some(())
}

/// Floats as a target may round them: a few leading bits.
fn write_float(value: f64, out: &mut Vec<u8>) {
    // FLOAT keeps 24 bits; -0 equals 0.
    let rounded = if value == 0.0 { 0.0f32 } else { value as f32 };
    out.extend_from_slice(&rounded.to_le_bytes());
}

/// Decimals without their trailing zeros and sign of zero.
fn write_decimal(text: &str, out: &mut Vec<u8>) {
    let trimmed = if text.contains('.') { text.trim_end_matches('0').trim_end_matches('.') } else { text };
    out.extend_from_slice(if matches!(trimmed, "-0" | "") { b"0" } else { trimmed.as_bytes() });
}

fn write_text(bytes: &[u8], fold: Fold, prefix: Option<usize>, out: &mut Vec<u8>) {
    match fold {
        Fold::Exact => out.extend_from_slice(&bytes[..prefix.unwrap_or(usize::MAX).min(bytes.len())]),
        Fold::Unicode => match std::str::from_utf8(bytes) {
            Ok(text) => fold::fold_text(prefix.map_or(text, |p| fold::prefix(text, p)), out),
            Err(_) => out.push(0xff),
        },
        Fold::Latin1 => {
            let text: String = bytes.iter().take(prefix.unwrap_or(usize::MAX)).map(|b| char::from(*b)).collect();
            fold::fold_text(&text, out);
        }
        // Where a prefix ends is unknown in a multi-byte character set.
        Fold::Unknown if prefix.is_some() && !bytes.is_ascii() => out.push(0xff),
        Fold::Unknown => fold::fold_unknown_charset(&bytes[..prefix.unwrap_or(usize::MAX).min(bytes.len())], out),
    }
}

/// The parts of one of `info`'s keys. `locate` gives a column's part by name; None when the row doesn't have it.
pub fn key_of(
    info: &TableInfo,
    target: &TableId,
    key: &UniqueKey,
    locate: impl Fn(&str) -> Option<Part>,
) -> Option<Key> {
    if key.functional {
        return None;
    }
    let parts = key.columns.iter().zip(&key.prefix_lens).map(|(offset, prefix)| {
        let part = locate(&info.columns.get(*offset)?.name)?;
        Some(match part {
            Part::Column { offset, fold, .. } => Part::Column { offset, fold, prefix: *prefix },
            constant => constant,
        })
    });
    Some(Key { seed: key_seed(target, &key.name), parts: parts.collect::<Option<Vec<_>>>()? })
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::mysql::value::Decimal;

    fn hash(fold: Fold, prefix: Option<u32>, value: Value) -> Option<u64> {
        let key = Key { seed: 7, parts: vec![Part::Column { offset: 0, fold, prefix }] };
        hash_of(&key, &[value])
    }

    fn hash_of(key: &Key, values: &[Value]) -> Option<u64> {
        key.hash(&SourceRow::Values(values, &[]), &mut Vec::new()).unwrap()
    }

    fn text(text: &str) -> Value {
        Value::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn equal_keys_hash_equal_and_null_never_conflicts() {
        assert_eq!(hash(Fold::Unicode, None, text("Äb ")), hash(Fold::Unicode, None, text("ab")));
        assert_ne!(hash(Fold::Exact, None, text("Ab")), hash(Fold::Exact, None, text("ab")));
        assert_eq!(hash(Fold::Unicode, Some(2), text("äbc")), hash(Fold::Unicode, Some(2), text("ABX")));
        assert_eq!(hash(Fold::Exact, None, Value::Null), None);
        assert_eq!(hash(Fold::Exact, None, Value::Int(5)), hash(Fold::Exact, None, Value::UInt(5)));
        let decimal = |t: &str| hash(Fold::Exact, None, Value::Decimal(Decimal::from(t)));
        assert_eq!(decimal("1.50"), decimal("1.5"));
        assert_eq!(decimal("0.00"), decimal("-0"));
        assert_ne!(decimal("10"), decimal("1"));
        let latin = |b: &[u8]| hash(Fold::Latin1, None, Value::Bytes(Bytes::copy_from_slice(b)));
        assert_eq!(latin(b"\xe4"), latin(b"A"));
    }

    #[test]
    fn parts_do_not_run_together() {
        let part = |offset| Part::Column { offset, fold: Fold::Unicode, prefix: None };
        let key = Key { seed: 1, parts: vec![part(0), part(1)] };
        assert_ne!(hash_of(&key, &[text("a"), text("bc")]), hash_of(&key, &[text("ab"), text("c")]));
        assert_eq!(hash_of(&key, &[text("a")]), None, "a row that is too short has no key");
    }

    #[test]
    fn lanes_are_spread_and_stable() {
        let table = TableId::new("a", "t");
        assert_eq!(table_hash(&table), table_hash(&TableId::new("A", "T")));
        let lanes: std::collections::HashSet<Lane> =
            (0..200).filter_map(|i| hash(Fold::Exact, None, Value::Int(i))).map(|h| lane_of(h, 16)).collect();
        assert_eq!(lanes.len(), 16);
    }
}
