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
            _ if column.generated.is_some() => Err(Built::Vague),
            // NULLs are in nobody's way.
            None if column.nullable => Err(Built::Never),
            None | Some(DefaultValue::Literal(_) | DefaultValue::Bytes(_)) => {
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

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::{
        mysql::value::Value,
        schema::{
            column_type::{BaseType, ColumnType},
            model::{Generated, Index, IndexColumn},
        },
        units::sync::{conflicts::Conflicts, relations::TableRelations},
    };

    fn column(name: &str, base: BaseType) -> Column {
        let charset = base.has_charset().then(|| "utf8mb4".into());
        let collation = base.has_charset().then(|| "utf8mb4_general_ci".into());
        Column { name: name.into(), ty: ColumnType::of(base), charset, collation, ..Column::default() }
    }

    fn table(columns: Vec<Column>, keys: &[(&str, &[&str])]) -> TableInfo {
        let part = |name: &&str| IndexColumn { column: (*name).into(), ..IndexColumn::default() };
        let index = |(name, parts): &(&str, &[&str])| Index {
            name: (*name).into(),
            unique: true,
            primary: *name == "PRIMARY",
            columns: parts.iter().map(part).collect(),
            ..Index::default()
        };
        let indexes = keys.iter().map(index).collect();
        TableInfo { schema: "d".into(), name: "t".into(), columns, indexes, ..TableInfo::default() }
    }

    fn conflicts(source: &TableInfo, target: &TableInfo) -> Conflicts {
        Conflicts::new(&Columns { source, target, extras: &[] }, &target.id(), TableRelations::default())
    }

    fn place(conflicts: &Conflicts, values: &[Value]) -> (Lane, Vec<u64>) {
        let mut keys = crate::units::sync::change::Keys::new();
        let lane = conflicts.place(&[SourceRow::Values(values, &[])], 16, &mut keys, &mut Vec::new()).unwrap();
        (lane, keys.to_vec())
    }

    fn text(text: &str) -> Value {
        Value::Bytes(Bytes::copy_from_slice(text.as_bytes()))
    }

    #[test]
    fn keys_are_the_targets_and_lanes_the_sources() {
        let source = table(vec![column("id", BaseType::Int), column("s", BaseType::VarChar)], &[("PRIMARY", &["id"])]);
        let target = table(
            vec![column("x", BaseType::Int), column("s", BaseType::VarChar), column("id", BaseType::BigInt)],
            &[("PRIMARY", &["id"]), ("u", &["s"])],
        );
        let there = conflicts(&source, &target);
        assert_eq!(there.ordered(), None);
        let (lane, keys) = place(&there, &[Value::Int(1), text("Äb")]);
        let (other, others) = place(&there, &[Value::Int(2), text("AB ")]);
        assert!(keys.len() == 2 && keys[0] != others[0] && keys[1] == others[1] && lane != other);
        assert_eq!(place(&there, &[Value::Int(1), Value::Null]), (lane, vec![keys[0]]), "NULLs never conflict");
        let (same, _) = place(&conflicts(&source, &source), &[Value::Int(1), text("x")]);
        assert_eq!(lane, same, "a lane doesn't depend on the target's structure");
    }

    #[test]
    fn what_only_the_target_has() {
        let source = table(vec![column("a", BaseType::Int)], &[]);
        let made = Column { auto_increment: true, ..column("pk", BaseType::BigInt) };
        let target = table(vec![made, column("a", BaseType::Int)], &[("PRIMARY", &["pk"])]);
        let there = conflicts(&source, &target);
        assert_eq!(place(&there, &[Value::Int(1)]).1, [table_hash(&target.id())], "one lane, and its order");
        assert_eq!(there.ordered(), None);
        let generated = Generated { expression: "a + 1".into(), stored: true };
        let generated = Column { generated: Some(generated), nullable: true, ..column("g", BaseType::Int) };
        let source = table(vec![column("a", BaseType::Int)], &[("PRIMARY", &["a"])]);
        let target = table(vec![column("a", BaseType::Int), generated], &[("PRIMARY", &["a"]), ("g", &["g"])]);
        assert!(conflicts(&source, &target).ordered().unwrap().contains("(g)"));
        let tenant = Column { default: Some(DefaultValue::Literal("1".into())), ..column("tenant", BaseType::Int) };
        let target = table(vec![column("a", BaseType::Int), tenant], &[("PRIMARY", &["tenant", "a"])]);
        let there = conflicts(&source, &target);
        assert_eq!(there.ordered(), None);
        assert_ne!(place(&there, &[Value::Int(1)]).1[0], place(&there, &[Value::Int(2)]).1[0]);
        let shard =
            table(vec![column("tenant", BaseType::Int), column("a", BaseType::Int)], &[("PRIMARY", &["tenant", "a"])]);
        assert!(!conflicts(&shard, &target).agree(&there), "one shard has the default, the other a value");
        assert!(there.agree(&conflicts(&source, &target)));
    }

    #[test]
    fn periods_of_one_key_conflict_wherever_they_are() {
        let columns = ["k", "s", "e"].map(|name| column(name, BaseType::Date)).to_vec();
        let mut named = table(columns, &[("PRIMARY", &["k", "e", "s"])]);
        let keys = |table: &TableInfo, row: [&'static str; 3]| place(&conflicts(table, table), &row.map(text)).1;
        let (one, other) = (["1", "3", "5"], ["1", "5", "7"]);
        assert_ne!(keys(&named, one), keys(&named, other));
        named.periods.push(crate::schema::model::Period { name: "p".into(), start: "s".into(), end: "e".into() });
        assert_eq!(keys(&named, one), keys(&named, other));
        assert_ne!(keys(&named, one), keys(&named, ["2", "3", "5"]));
        assert_eq!(lane_columns(&named), Some(vec![0, 2, 1]), "it still names one row");
    }

    #[test]
    fn parts_do_not_run_together() {
        let columns = || vec![column("a", BaseType::VarChar), column("b", BaseType::VarChar)];
        let both = table(columns(), &[("PRIMARY", &["a", "b"])]);
        let there = conflicts(&both, &both);
        let keys = |a: &str, b: &str| place(&there, &[text(a), text(b)]).1;
        assert_ne!(keys("a", "bc"), keys("ab", "c"));
        assert_eq!(keys("A", "bc "), keys("ä", "BC"));
    }
}
