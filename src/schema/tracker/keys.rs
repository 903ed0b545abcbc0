//! Keys: names that the server chooses, its order, and the indexes that it makes for foreign keys and drops again.

use super::super::{
    charset::max_bytes,
    column_type::BaseType,
    ddl::{ColumnDef, ForeignKeyDef, IndexDef},
    model::{ForeignKey, Index, IndexColumn, IndexKind, TableInfo, same_name},
    server::ServerInfo,
    symbol::Symbol,
};
use super::default::implied;

/// An index that a statement adds.
pub(super) struct NewKey {
    def: IndexDef,
    /// The server makes it for a foreign key.
    generated: bool,
}

impl NewKey {
    pub(super) fn of(def: &IndexDef) -> Self {
        NewKey { def: def.clone(), generated: false }
    }

    /// The index for a foreign key, unless another one can take its place.
    pub(super) fn for_foreign_key(def: &ForeignKeyDef) -> Self {
        let parts = def.columns.iter().map(|name| IndexColumn { column: name.clone(), ..IndexColumn::default() });
        let name = def.name.clone().or_else(|| def.index_name.clone());
        NewKey { def: IndexDef { name, columns: parts.collect(), ..IndexDef::default() }, generated: true }
    }
}

impl NewKey {
    /// The server makes it for a foreign key.
    pub(super) fn is_generated(&self) -> bool {
        self.generated
    }
}

/// The keys that a column's own attributes make. MariaDB makes no UNIQUE key beside the primary one.
pub(super) fn of_column(def: &ColumnDef, primary: bool, server: &ServerInfo) -> Vec<NewKey> {
    let columns = vec![IndexColumn { column: def.name.clone(), ..IndexColumn::default() }];
    let mut keys = Vec::new();
    if primary {
        let def = IndexDef { primary: true, unique: true, columns: columns.clone(), ..IndexDef::default() };
        keys.push(NewKey { def, generated: false });
    }
    if def.unique_key && !(primary && server.is_mariadb()) {
        keys.push(NewKey { def: IndexDef { unique: true, columns, ..IndexDef::default() }, generated: false });
    }
    keys
}

/// A key in the making: one the table has, or a new one.
enum Pending {
    Known(Index),
    New(NewKey),
}

impl Pending {
    fn parts(&self) -> &[IndexColumn] {
        match self {
            Pending::Known(index) => &index.columns,
            Pending::New(key) => &key.def.columns,
        }
    }

    fn generated(&self) -> bool {
        match self {
            Pending::Known(index) => index.generated,
            Pending::New(key) => key.generated,
        }
    }
}

/// Adds keys behind those of the table. An index made for a foreign key goes when another begins with its columns.
pub(super) fn add(table: &mut TableInfo, keys: Vec<NewKey>, server: &ServerInfo) -> Result<(), String> {
    let known = std::mem::take(&mut table.indexes).into_iter().map(Pending::Known);
    let mut pending: Vec<Option<Pending>> = known.chain(keys.into_iter().map(Pending::New)).map(Some).collect();
    for at in 1..pending.len() {
        for earlier in 0..at {
            let loser = match (&pending[earlier], &pending[at]) {
                (Some(first), Some(second)) => redundant(first, second),
                _ => None,
            };
            match loser {
                Some(Loser::Earlier) => pending[earlier] = None,
                Some(Loser::Later) => pending[at] = None,
                None => continue,
            }
            break;
        }
    }
    for key in pending.into_iter().flatten() {
        match key {
            Pending::Known(index) => table.indexes.push(index),
            Pending::New(key) => add_one(table, key, server)?,
        }
    }
    Ok(())
}

enum Loser {
    Earlier,
    Later,
}

/// Which of two keys the other makes needless; only one that was made for a foreign key can be.
fn redundant(earlier: &Pending, later: &Pending) -> Option<Loser> {
    let same = |a: &IndexColumn, b: &IndexColumn| {
        a.expression.is_none()
            && b.expression.is_none()
            && a.prefix_len == b.prefix_len
            && same_name(&a.column, &b.column)
    };
    let begins_with = |long: &Pending, short: &Pending| {
        short.parts().len() <= long.parts().len() && short.parts().iter().zip(long.parts()).all(|(a, b)| same(a, b))
    };
    match (earlier.generated(), later.generated()) {
        (false, false) => None,
        (false, true) => begins_with(earlier, later).then_some(Loser::Later),
        (true, false) => begins_with(later, earlier).then_some(Loser::Earlier),
        (true, true) if later.parts().len() < earlier.parts().len() => {
            begins_with(earlier, later).then_some(Loser::Later)
        }
        (true, true) => begins_with(later, earlier).then_some(Loser::Earlier),
    }
}

fn add_one(table: &mut TableInfo, key: NewKey, server: &ServerInfo) -> Result<(), String> {
    let NewKey { def, generated } = key;
    let mut index = Index {
        name: String::new(),
        unique: def.unique,
        primary: def.primary,
        functional: def.columns.iter().any(|part| part.expression.is_some()),
        columns: def.columns,
        kind: def.kind,
        invisible: def.invisible,
        comment: def.comment,
        generated,
        hash: def.using_hash,
    };
    if let Some(period) = &def.without_overlaps {
        let known = table.periods.iter().find(|known| same_name(&known.name, period));
        let known = known.ok_or_else(|| format!("period `{period}` doesn't exist"))?;
        let parts =
            [&known.end, &known.start].map(|name| IndexColumn { column: name.clone(), ..IndexColumn::default() });
        index.columns.extend(parts);
    }
    // Older servers read DESC over.
    let descending = server.version >= if server.is_mariadb() { 100_800 } else { 80_000 };
    for part in &mut index.columns {
        part.descending &= descending;
        if part.expression.is_some() {
            continue;
        }
        let Some(offset) = table.column_offset(&part.column) else {
            return Err(format!("key column `{}` doesn't exist", part.column));
        };
        let column = &mut table.columns[offset];
        part.column = column.name.clone();
        if def.primary && column.nullable {
            column.nullable = false;
            // MySQL 5.6 gives it the default that it had as a NOT NULL column of old.
            if !server.is_mariadb() && server.version < 50_700 && column.default.is_none() && !column.auto_increment {
                column.default = implied(&column.ty);
            }
        }
    }
    index.name = match def.name {
        _ if def.primary => "PRIMARY".to_owned(),
        Some(name) if !generated || table.index(&name).is_none() => name,
        _ => free_name(table, &index),
    };
    // An index that was made for a foreign key, but read from a server, isn't known to be one.
    let replaced = table.indexes.iter().position(|known| same_name(&known.name, &index.name));
    if let Some(at) = replaced {
        if index.primary || !serves_foreign_key(table, &table.indexes[at]) {
            return Err(format!("key `{}` exists already", index.name));
        }
        table.indexes.remove(at);
    }
    table.indexes.push(index);
    Ok(())
}

/// Whether an index may have been made for a foreign key: it has just its columns, and its name or theirs.
fn serves_foreign_key(table: &TableInfo, index: &Index) -> bool {
    !index.unique
        && table.foreign_keys.iter().any(|key| {
            key.columns.len() == index.columns.len()
                && key.columns.iter().zip(&index.columns).all(|(name, part)| same_name(name, &part.column))
        })
}

/// The name the server gives an unnamed index: its first column's, with a number when that is taken.
fn free_name(table: &TableInfo, index: &Index) -> String {
    let base = match index.columns.first() {
        Some(part) if !index.functional => part.column.as_str(),
        _ => "functional_index",
    };
    let taken = |name: &str| table.index(name).is_some() || same_name(name, "PRIMARY");
    if !taken(base) {
        return base.to_owned();
    }
    (2..).map(|i| format!("{base}_{i}")).find(|name| !taken(name)).unwrap_or_default()
}

/// A prefix that covers the column is no prefix.
pub(super) fn whole_prefixes(table: &mut TableInfo) {
    use BaseType::{Binary, Char, VarBinary, VarChar};
    let TableInfo { columns, indexes, .. } = table;
    for part in indexes.iter_mut().flat_map(|index| index.columns.iter_mut()) {
        let Some(prefix) = part.prefix_len else { continue };
        let column = columns.iter().find(|column| same_name(&column.name, &part.column));
        let covered = column.is_some_and(|column| match column.ty.base {
            Char | VarChar | Binary | VarBinary => column.ty.length.is_some_and(|length| prefix >= length),
            base => !(base.is_text() || base.is_blob() || base.is_spatial()),
        });
        if covered {
            part.prefix_len = None;
        }
    }
}

/// A key that isn't unique gets the longest prefix that its engine takes, when it says none and is too long or is one of
/// a TEXT or BLOB (MySQL refuses those; all of it only without a strict SQL mode). Measured on every release.
pub(super) fn shorten(table: &mut TableInfo, server: &ServerInfo) {
    let limit = longest_part(&table.engine, server);
    let TableInfo { columns, indexes, .. } = table;
    let ordinary = indexes.iter_mut().filter(|index| !index.unique && index.kind == IndexKind::Ordinary);
    for part in ordinary.flat_map(|index| index.columns.iter_mut()) {
        let Some(column) = columns.iter().find(|column| same_name(&column.name, &part.column)) else { continue };
        let room = limit / column.charset.as_deref().map_or(1, max_bytes).max(1);
        let said = part.prefix_len.or(column.ty.length);
        match column.ty.base {
            BaseType::TinyText | BaseType::TinyBlob => part.prefix_len = Some(said.unwrap_or(255).min(room)),
            base if base.is_text() || base.is_blob() => part.prefix_len = Some(said.unwrap_or(room).min(room)),
            BaseType::Char | BaseType::VarChar | BaseType::Binary | BaseType::VarBinary if said > Some(room) => {
                part.prefix_len = Some(room);
            }
            _ => {}
        }
    }
}

/// Bytes of one part of a key.
fn longest_part(engine: &str, server: &ServerInfo) -> u32 {
    match engine.to_ascii_lowercase().as_str() {
        "myisam" | "mrg_myisam" => 1000,
        "aria" if server.version < 100_600 => 2000,
        "aria" => 2300,
        "" | "innodb" if !server.is_mariadb() && server.version < 50_700 => 767,
        _ => LONGEST_KEY as u32,
    }
}

/// Bytes of a key of InnoDB.
const LONGEST_KEY: u64 = 3072;

/// Marks MariaDB's unique keys that are kept as a hash: those that said so (`asked`; it doesn't outlive the next ALTER)
/// and those too long for a tree. Seen on 10.5 and 11.8.
pub(super) fn mark_hashes(table: &mut TableInfo, asked: impl Fn(&Index) -> bool, server: &ServerInfo) {
    let able = server.is_mariadb() && !table.engine.eq_ignore_ascii_case("memory");
    let marks: Vec<bool> = (table.indexes.iter())
        .map(|index| able && index.unique && !index.primary && (asked(index) || is_long(table, index)))
        .collect();
    for (index, hash) in table.indexes.iter_mut().zip(marks) {
        index.hash = hash;
    }
}

fn is_long(table: &TableInfo, index: &Index) -> bool {
    let bytes = |part: &IndexColumn| {
        let column = table.column(&part.column)?;
        let of_character = u64::from(column.charset.as_deref().map_or(1, max_bytes));
        let length = part.prefix_len.or(column.ty.length).map(u64::from);
        match column.ty.base {
            base if base.is_text() || base.is_blob() => part.prefix_len.map(|n| u64::from(n) * of_character),
            BaseType::Char | BaseType::VarChar | BaseType::Binary | BaseType::VarBinary => {
                length.map(|length| length * of_character)
            }
            _ => Some(8),
        }
    };
    let total: Option<u64> = index.columns.iter().map(bytes).sum();
    total.is_none_or(|total| total > LONGEST_KEY)
}

/// Adds a foreign key; its index is added with the other keys. `highest` is the highest number that the server gave to
/// one of this table's before the statement.
pub(super) fn add_foreign_key(
    table: &mut TableInfo,
    def: &ForeignKeyDef,
    highest: &mut u64,
    server: &ServerInfo,
) -> Result<(), String> {
    let mut columns = Vec::new();
    for name in &def.columns {
        let column = table.column(name).ok_or_else(|| format!("foreign key column `{name}` doesn't exist"))?;
        columns.push(column.name.clone());
    }
    if !has_foreign_keys(&table.engine) {
        return Ok(());
    }
    let given = match &def.name {
        None if server.is_mariadb() => &def.index_name,
        name => name,
    };
    let name = given.clone().unwrap_or_else(|| {
        *highest += 1;
        format!("{}{highest}", foreign_key_stem(&table.name))
    });
    table.foreign_keys.push(ForeignKey {
        name,
        columns,
        parent: def.parent.clone(),
        // MariaDB takes the same names; MySQL the parent's primary key (see `Tracker`).
        parent_columns: match def.parent_columns.as_slice() {
            [] if server.is_mariadb() => def.columns.clone(),
            named => named.to_vec(),
        },
        on_delete: def.on_delete,
        on_update: def.on_update,
    });
    Ok(())
}

/// Engines by the names that the server gives them; others are not there, and the default one takes their place.
const ENGINES: [&str; 20] = [
    "InnoDB",
    "MyISAM",
    "MEMORY",
    "CSV",
    "ARCHIVE",
    "BLACKHOLE",
    "MRG_MyISAM",
    "FEDERATED",
    "ndbcluster",
    "Aria",
    "ROCKSDB",
    "SPIDER",
    "CONNECT",
    "Mroonga",
    "S3",
    "Columnstore",
    "OQGRAPH",
    "SPHINX",
    "TokuDB",
    "EXAMPLE",
];

/// An engine as the server names it.
pub(super) fn engine(written: &str) -> Symbol {
    let name = match written.to_ascii_lowercase().as_str() {
        "merge" => "MRG_MyISAM",
        "heap" => "MEMORY",
        "innobase" => "InnoDB",
        "ndb" => "ndbcluster",
        other => ENGINES.iter().find(|name| name.eq_ignore_ascii_case(other)).copied().unwrap_or("InnoDB"),
    };
    name.into()
}

/// Other engines read foreign keys over, but for the index. An unknown engine is the default one.
fn has_foreign_keys(engine: &str) -> bool {
    ["", "innodb", "ndb", "ndbcluster"].iter().any(|name| engine.eq_ignore_ascii_case(name))
}

fn foreign_key_stem(table: &str) -> String {
    format!("{table}_ibfk_")
}

/// The highest number of a foreign key that the server named.
pub(super) fn highest_foreign_key(table: &TableInfo) -> u64 {
    let stem = foreign_key_stem(&table.name);
    table.foreign_keys.iter().filter_map(|key| number_behind(&key.name, &stem)).max().unwrap_or(0)
}

/// The number in a name that the server chose.
pub(super) fn number_behind(name: &str, stem: &str) -> Option<u64> {
    name.strip_prefix(stem).filter(|rest| rest.bytes().all(|b| b.is_ascii_digit()))?.parse().ok()
}

/// Names that the server chose follow the table's.
pub(super) fn rename_constraints(table: &mut TableInfo, old: &str, server: &ServerInfo) {
    let renamed = |name: &mut String, suffix: &str, new: &str| {
        if let Some(number) = number_behind(name, &format!("{old}{suffix}")) {
            *name = format!("{new}{suffix}{number}");
        }
    };
    let new = table.name.clone();
    for key in &mut table.foreign_keys {
        renamed(&mut key.name, "_ibfk_", &new);
    }
    if !server.is_mariadb() {
        for check in &mut table.checks {
            renamed(&mut check.name, "_chk_", &new);
        }
    }
}
