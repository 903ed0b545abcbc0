//! From CREATE TABLE to a structure: columns, keys with the names the server gives them, foreign keys.

use super::{
    super::{
        charset::{CharsetPair, CollationDefaults},
        column_type::BaseType,
        ddl::{ColumnDef, CreateTable, ForeignKeyDef, IndexDef},
        model::{DefaultValue, ForeignKey, Index, IndexColumn, TableInfo, same_name},
        server::ServerInfo,
    },
    column::{Surroundings, resolve},
    versioning,
};

/// The structure that a CREATE TABLE (not LIKE) makes. `inherited` is the schema's character set.
pub(in crate::schema) fn build(
    create: &CreateTable,
    inherited: &CharsetPair,
    defaults: &CollationDefaults,
    explicit_timestamps: bool,
) -> Result<TableInfo, String> {
    let options = &create.options;
    let charset = CharsetPair::resolve(options.charset.as_deref(), options.collation.as_deref(), inherited, defaults)
        .map_err(|name| format!("character set or collation `{name}` is unknown"))?;
    let mut table = TableInfo {
        schema: create.table.schema.clone(),
        name: create.table.name.clone(),
        charset: charset.charset.clone(),
        collation: charset.collation.clone(),
        engine: options.engine.clone().unwrap_or_default().into(),
        comment: options.comment.clone().unwrap_or_default(),
        checks: create.checks.clone(),
        partitioned: create.partitioned,
        ..TableInfo::default()
    };
    let around = Surroundings { defaults, charset: &charset, explicit_timestamps };
    for def in &create.columns {
        if table.column_offset(&def.name).is_some() {
            return Err(format!("column `{}` is defined twice", def.name));
        }
        table.columns.push(resolve(def, &around)?);
    }
    if !explicit_timestamps {
        first_timestamp(&mut table, &create.columns);
    }
    for period in &create.periods {
        versioning::add_period(&mut table, period);
    }
    if create.versioned {
        versioning::add_row_times(&mut table);
    }
    for def in &create.columns {
        add_column_keys(&mut table, def)?;
    }
    for def in &create.indexes {
        add_index(&mut table, def)?;
    }
    for def in &create.columns {
        add_column_reference(&mut table, def, &defaults.server)?;
    }
    for def in &create.foreign_keys {
        add_foreign_key(&mut table, def)?;
    }
    table.sort_indexes();
    Ok(table)
}

/// Without explicit_defaults_for_timestamp the first plain TIMESTAMP column sets and updates itself.
fn first_timestamp(table: &mut TableInfo, defs: &[ColumnDef]) {
    let Some(at) = table.columns.iter().position(|c| c.ty.base == BaseType::Timestamp) else { return };
    let plain = defs.get(at).is_some_and(|d| d.default.is_none() && !d.on_update_now && d.nullable != Some(true));
    if let (true, Some(column)) = (plain, table.columns.get_mut(at)) {
        column.default = Some(DefaultValue::CurrentTimestamp);
        column.on_update_now = true;
    }
}

/// The keys that a column's own attributes make.
pub(super) fn add_column_keys(table: &mut TableInfo, def: &ColumnDef) -> Result<(), String> {
    let columns = vec![IndexColumn { column: def.name.clone(), ..IndexColumn::default() }];
    if def.primary_key {
        let index = IndexDef { primary: true, unique: true, columns: columns.clone(), ..IndexDef::default() };
        add_index(table, &index)?;
    }
    if def.unique_key {
        add_index(table, &IndexDef { unique: true, columns, ..IndexDef::default() })?;
    }
    Ok(())
}

/// The foreign key that a column's own REFERENCES makes, on servers that honour it.
pub(super) fn add_column_reference(table: &mut TableInfo, def: &ColumnDef, server: &ServerInfo) -> Result<(), String> {
    let honoured = server.is_mariadb() || server.version >= 90_000;
    match &def.references {
        Some(key) if honoured => add_foreign_key(table, key),
        _ => Ok(()),
    }
}

/// Adds an index; a primary key makes its columns NOT NULL.
pub(super) fn add_index(table: &mut TableInfo, def: &IndexDef) -> Result<(), String> {
    let mut index = Index {
        name: String::new(),
        unique: def.unique,
        primary: def.primary,
        columns: def.columns.clone(),
        functional: def.columns.iter().any(|part| part.expression.is_some()),
        kind: def.kind,
        invisible: def.invisible,
        comment: def.comment.clone(),
    };
    for part in index.columns.iter_mut().filter(|part| part.expression.is_none()) {
        let Some(offset) = table.column_offset(&part.column) else {
            return Err(format!("key column `{}` doesn't exist", part.column));
        };
        part.column = table.columns[offset].name.clone();
        if def.primary {
            table.columns[offset].nullable = false;
        }
    }
    index.name = match (&def.name, def.primary) {
        (_, true) => "PRIMARY".to_owned(),
        (Some(name), _) => name.clone(),
        (None, _) => free_name(table, &index),
    };
    if table.index(&index.name).is_some() {
        return Err(format!("key `{}` exists already", index.name));
    }
    table.indexes.push(index);
    whole_prefixes(table);
    Ok(())
}

/// The name the server gives an unnamed index: its first column's, with a number when that is taken.
fn free_name(table: &TableInfo, index: &Index) -> String {
    let first = index.columns.first();
    let base = match first {
        Some(part) if part.expression.is_none() => part.column.as_str(),
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

/// Adds a foreign key, and the index the server makes for it when none begins with its columns.
pub(super) fn add_foreign_key(table: &mut TableInfo, def: &ForeignKeyDef) -> Result<(), String> {
    let mut columns = Vec::new();
    for name in &def.columns {
        let column = table.column(name).ok_or_else(|| format!("foreign key column `{name}` doesn't exist"))?;
        columns.push(column.name.clone());
    }
    let covers = |index: &Index| {
        index.columns.len() >= columns.len()
            && index.columns.iter().zip(&columns).all(|(part, name)| {
                part.expression.is_none() && part.prefix_len.is_none() && same_name(&part.column, name)
            })
    };
    if !table.indexes.iter().any(covers) {
        let parts = columns.iter().map(|name| IndexColumn { column: name.clone(), ..IndexColumn::default() });
        let name = def.name.clone().or_else(|| def.index_name.clone()).filter(|name| table.index(name).is_none());
        add_index(table, &IndexDef { name, columns: parts.collect(), ..IndexDef::default() })?;
    }
    table.foreign_keys.push(ForeignKey {
        name: def.name.clone().unwrap_or_default(),
        columns,
        parent: def.parent.clone(),
        parent_columns: def.parent_columns.clone(),
    });
    Ok(())
}
