//! ALTER TABLE on a structure, in the server's order: first what happens to the columns that exist (dropped, redefined
//! in place), then what is added or moved, then the indexes. So `CHANGE a b, CHANGE b a` swaps two names.

use super::{
    super::{
        charset::{CharsetPair, CollationDefaults},
        ddl::{AlterSpec, ColumnDef, IndexDef, PartitionChange, Position, TableOptions},
        model::{Column, DefaultValue, Index, TableId, TableInfo, same_name},
        server::ServerInfo,
    },
    column::{Surroundings, convert_charset, resolve},
    create::{add_column_keys, add_column_reference, add_foreign_key, add_index, whole_prefixes},
    default::stored,
    versioning,
};

/// The structure after the clauses, and the table's new name if one of them renames it.
pub(super) fn alter(
    before: &TableInfo,
    specs: &[AlterSpec],
    defaults: &CollationDefaults,
    explicit_timestamps: bool,
) -> Result<(TableInfo, Option<TableId>), String> {
    let mut table = before.clone();
    table.create_sql = None;
    set_options(&mut table, specs, defaults)?;
    let charset = CharsetPair { charset: table.charset.clone(), collation: table.collation.clone() };
    let around = Surroundings { defaults, charset: &charset, explicit_timestamps };
    change_existing(&mut table, before, specs, &around)?;
    place_columns(&mut table, specs, &around)?;
    versioning::alter(&mut table, specs);
    change_indexes(&mut table, specs, &defaults.server)?;
    let mut renamed = None;
    for spec in specs {
        match spec {
            AlterSpec::RenameTo { table: to } => renamed = Some(to.clone()),
            AlterSpec::Partition(PartitionChange::PartitionBy) => table.partitioned = true,
            AlterSpec::Partition(PartitionChange::Remove) => table.partitioned = false,
            _ => {}
        }
    }
    if table.columns.is_empty() {
        return Err("no column is left".to_owned());
    }
    whole_prefixes(&mut table);
    table.sort_indexes();
    Ok((table, renamed))
}

/// Table options, and CONVERT TO for the columns that exist.
fn set_options(table: &mut TableInfo, specs: &[AlterSpec], defaults: &CollationDefaults) -> Result<(), String> {
    let mut merged = TableOptions::default();
    for spec in specs {
        if let AlterSpec::Options(options) = spec {
            merged.charset = options.charset.clone().or(merged.charset);
            merged.collation = options.collation.clone().or(merged.collation);
            if let Some(engine) = &options.engine {
                table.engine = engine.into();
            }
            table.comment = options.comment.clone().unwrap_or(std::mem::take(&mut table.comment));
        }
    }
    let own = CharsetPair { charset: table.charset.clone(), collation: table.collation.clone() };
    let unknown = |name: String| format!("character set or collation `{name}` is unknown");
    let mut pair =
        CharsetPair::resolve(merged.charset.as_deref(), merged.collation.as_deref(), &own, defaults).map_err(unknown)?;
    for spec in specs {
        if let AlterSpec::ConvertTo { charset, collation } = spec {
            pair = CharsetPair::resolve(charset.as_deref(), collation.as_deref(), &pair, defaults).map_err(unknown)?;
            let characters = table.columns.iter_mut().filter(|column| column.charset.is_some());
            characters.for_each(|column| convert_charset(column, &pair));
        }
    }
    (table.charset, table.collation) = (pair.charset, pair.collation);
    Ok(())
}

/// Drops, redefinitions and renames, looked up by the names before the statement.
fn change_existing(
    table: &mut TableInfo,
    before: &TableInfo,
    specs: &[AlterSpec],
    around: &Surroundings,
) -> Result<(), String> {
    let mut columns = Vec::with_capacity(table.columns.len());
    let mut renames = Vec::new();
    for column in std::mem::take(&mut table.columns) {
        let changed = change_column(column.clone(), specs, around)?;
        match &changed {
            Some(after) if after.name != column.name => renames.push((column.name.clone(), Some(after.name.clone()))),
            Some(_) => {}
            None => renames.push((column.name.clone(), None)),
        }
        columns.extend(changed);
    }
    table.columns = columns;
    for spec in specs {
        if let Some(name) = needed_column(spec) {
            before.column(name).ok_or_else(|| format!("column `{name}` doesn't exist"))?;
        }
    }
    for (at, column) in table.columns.iter().enumerate() {
        if table.columns[..at].iter().any(|earlier| same_name(&earlier.name, &column.name)) {
            return Err(format!("column `{}` exists twice", column.name));
        }
    }
    rename_in_keys(table, &renames);
    Ok(())
}

/// The column that a clause needs to exist before the statement.
fn needed_column(spec: &AlterSpec) -> Option<&str> {
    match spec {
        AlterSpec::ModifyColumn { column, if_exists: false, .. } => Some(&column.name),
        AlterSpec::ChangeColumn { old, if_exists: false, .. } => Some(old),
        AlterSpec::RenameColumn { old, if_exists: false, .. } => Some(old),
        AlterSpec::DropColumn { name, if_exists: false } => Some(name),
        AlterSpec::SetDefault { column, if_exists: false, .. } | AlterSpec::SetColumnVisibility { column, .. } => {
            Some(column)
        }
        _ => None,
    }
}

/// One existing column after the clauses that name it; None when it is dropped.
fn change_column(mut column: Column, specs: &[AlterSpec], around: &Surroundings) -> Result<Option<Column>, String> {
    let original = column.name.clone();
    for spec in specs {
        match spec {
            AlterSpec::DropColumn { name, .. } if same_name(name, &original) => return Ok(None),
            AlterSpec::ModifyColumn { column: def, .. } if same_name(&def.name, &original) => {
                column = resolve(def, around)?;
            }
            AlterSpec::ChangeColumn { old, column: def, .. } if same_name(old, &original) => {
                column = resolve(def, around)?;
            }
            AlterSpec::RenameColumn { old, new, .. } if same_name(old, &original) => column.name.clone_from(new),
            AlterSpec::SetDefault { column: name, default, .. } if same_name(name, &original) => {
                let given = default.clone().filter(|default| *default != DefaultValue::Null);
                column.default = given.map(|value| stored(value, &column.ty));
            }
            AlterSpec::SetColumnVisibility { column: name, invisible } if same_name(name, &original) => {
                column.invisible = *invisible;
            }
            _ => {}
        }
    }
    Ok(Some(column))
}

/// Index and foreign key parts follow their columns: renamed, or gone.
fn rename_in_keys(table: &mut TableInfo, renames: &[(String, Option<String>)]) {
    let renamed = |name: &mut String| -> bool {
        match renames.iter().find(|(old, _)| same_name(old, name)) {
            Some((_, Some(new))) => {
                name.clone_from(new);
                true
            }
            Some((_, None)) => false,
            None => true,
        }
    };
    for index in &mut table.indexes {
        index.columns.retain_mut(|part| part.expression.is_some() || renamed(&mut part.column));
    }
    table.indexes.retain(|index| !index.columns.is_empty());
    for key in &mut table.foreign_keys {
        key.columns.retain_mut(|column| renamed(column));
    }
    table.foreign_keys.retain(|key| !key.columns.is_empty());
}

/// New columns, and existing ones that move, in the clauses' order.
fn place_columns(table: &mut TableInfo, specs: &[AlterSpec], around: &Surroundings) -> Result<(), String> {
    for spec in specs {
        match spec {
            AlterSpec::AddColumn { column: def, position, if_not_exists } => {
                if table.column_offset(&def.name).is_some() {
                    if *if_not_exists {
                        continue;
                    }
                    return Err(format!("column `{}` exists already", def.name));
                }
                let column = resolve(def, around)?;
                insert(table, column, position.as_ref())?;
            }
            AlterSpec::ModifyColumn { column: def, position: Some(position), .. }
            | AlterSpec::ChangeColumn { column: def, position: Some(position), .. } => {
                if let Some(offset) = table.column_offset(&def.name) {
                    let column = table.columns.remove(offset);
                    insert(table, column, Some(position))?;
                }
            }
            _ => {}
        }
    }
    Ok(())
}

fn insert(table: &mut TableInfo, column: Column, position: Option<&Position>) -> Result<(), String> {
    let at = match position {
        None => table.columns.len() - versioning::hidden(table),
        Some(Position::First) => 0,
        Some(Position::After(name)) => {
            table
                .column_offset(name)
                .ok_or_else(|| format!("column `{name}` (after which to put another) doesn't exist"))?
                + 1
        }
    };
    table.columns.insert(at, column);
    Ok(())
}

/// Dropped and renamed indexes first, then new ones. The source executed the statement, so an index that isn't known
/// here (one that the server made by itself) may be dropped: nothing in the structure depends on it.
fn change_indexes(table: &mut TableInfo, specs: &[AlterSpec], server: &ServerInfo) -> Result<(), String> {
    let drops = |index: &Index| specs.iter().any(|spec| drops_index(spec, index));
    table.indexes.retain(|index| !drops(index));
    table.foreign_keys.retain(|key| !specs.iter().any(|spec| drops_foreign_key(spec, &key.name)));
    for index in &mut table.indexes {
        let original = index.name.clone();
        for spec in specs {
            match spec {
                AlterSpec::RenameIndex { old, new } if same_name(old, &original) => index.name.clone_from(new),
                AlterSpec::SetIndexVisibility { index: name, invisible } if same_name(name, &original) => {
                    index.invisible = *invisible;
                }
                _ => {}
            }
        }
    }
    for spec in specs {
        match spec {
            AlterSpec::AddColumn { column, .. }
            | AlterSpec::ModifyColumn { column, .. }
            | AlterSpec::ChangeColumn { column, .. } => add_keys_of(table, column)?,
            AlterSpec::AddIndex { index, if_not_exists } if !(*if_not_exists && has_index(table, index)) => {
                add_index(table, index)?;
            }
            AlterSpec::AddForeignKey { key, if_not_exists } => {
                let known = key.name.as_ref().is_some_and(|name| table.foreign_keys.iter().any(|k| k.name == *name));
                if !(*if_not_exists && known) {
                    add_foreign_key(table, key)?;
                }
            }
            AlterSpec::AddCheck { name } => table.checks.extend(name.clone()),
            AlterSpec::DropCheck { name } | AlterSpec::DropConstraint { name } => {
                table.checks.retain(|check| !same_name(check, name));
            }
            _ => {}
        }
    }
    for spec in specs {
        if let AlterSpec::AddColumn { column, .. } = spec {
            add_column_reference(table, column, server)?;
        }
    }
    keep_primary_not_null(table);
    Ok(())
}

/// The keys of a column's own attributes; a second PRIMARY KEY attribute says what is so already.
fn add_keys_of(table: &mut TableInfo, def: &ColumnDef) -> Result<(), String> {
    let mut def = def.clone();
    def.primary_key &= !table.indexes.iter().any(|index| index.primary);
    match table.column(&def.name) {
        Some(_) => add_column_keys(table, &def),
        None => Ok(()),
    }
}

fn has_index(table: &TableInfo, def: &IndexDef) -> bool {
    let name = if def.primary { Some("PRIMARY") } else { def.name.as_deref() };
    name.is_some_and(|name| table.index(name).is_some())
}

fn drops_index(spec: &AlterSpec, index: &Index) -> bool {
    match spec {
        AlterSpec::DropPrimaryKey => index.primary,
        AlterSpec::DropIndex { name, .. } => same_name(name, &index.name),
        // A constraint that is an index: the primary key or a unique one.
        AlterSpec::DropConstraint { name } => index.unique && same_name(name, &index.name),
        _ => false,
    }
}

fn drops_foreign_key(spec: &AlterSpec, key: &str) -> bool {
    match spec {
        AlterSpec::DropForeignKey { name } | AlterSpec::DropConstraint { name } => same_name(name, key),
        _ => false,
    }
}

/// A redefined column of the primary key stays NOT NULL, whatever it says.
fn keep_primary_not_null(table: &mut TableInfo) {
    let key: Vec<usize> = table
        .indexes
        .iter()
        .filter(|index| index.primary)
        .flat_map(|index| index.columns.iter().filter_map(|part| table.column_offset(&part.column)))
        .collect();
    for offset in key {
        table.columns[offset].nullable = false;
    }
}
