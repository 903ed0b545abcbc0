//! ALTER TABLE on a structure, in the server's order: first what happens to the columns that exist (dropped, redefined
//! in place), then what is added or moved, then the indexes. So `CHANGE a b, CHANGE b a` swaps two names.

use super::{
    super::{
        charset::CharsetPair,
        ddl::{AlterSpec, ColumnDef, IndexDef, Position, TableOptions},
        model::{Column, DefaultValue, Index, TableId, TableInfo, same_name},
        server::ServerInfo,
    },
    checks::{self, NewCheck},
    column::{Surroundings, convert_charset, resolve},
    create::{Setting, reference},
    default::{implied, stored},
    keys::{self, NewKey, highest_foreign_key, whole_prefixes},
    partition, timestamps, versioning,
};

/// Columns by their name before the statement: the new name, None when dropped.
type Renames = Vec<(String, Option<String>)>;

/// What ALTER TABLE made.
pub(super) struct Altered {
    pub(super) table: TableInfo,
    /// The table's new name, if one of the clauses renames it.
    pub(super) renamed: Option<TableId>,
    /// Columns that have a new name.
    pub(super) renames: Vec<(String, String)>,
}

/// The structure after the clauses, and the table's new name if one of them renames it.
pub(super) fn alter(before: &TableInfo, specs: &[AlterSpec], setting: &Setting) -> Result<Altered, String> {
    let mut table = before.clone();
    table.create_sql = None;
    let versioned = versioning::take_hidden(&mut table);
    set_options(&mut table, specs, setting)?;
    let charset = CharsetPair { charset: table.charset.clone(), collation: table.collation.clone() };
    let around = Surroundings {
        defaults: setting.defaults,
        charset: &charset,
        explicit_timestamps: setting.explicit_timestamps,
    };
    let renames = change_existing(&mut table, before, specs, &around)?;
    place_columns(&mut table, specs, &around)?;
    convert_defined(&mut table, specs, &charset);
    versioning::alter(&mut table, specs, versioned);
    if !setting.explicit_timestamps {
        let is_new =
            |column: &Column| specs.iter().filter_map(defined_column).any(|def| same_name(&def.name, &column.name));
        timestamps::imply(&mut table, is_new);
    }
    change_constraints(&mut table, before, specs, &setting.defaults.server)?;
    partition::alter(&mut table, specs, setting.place())?;
    let mut renamed = None;
    for spec in specs {
        if let AlterSpec::RenameTo { table: to } = spec {
            renamed = Some(to.clone());
        }
    }
    if table.columns.is_empty() {
        return Err("no column is left".to_owned());
    }
    whole_prefixes(&mut table);
    keys::shorten(&mut table, &setting.defaults.server);
    let hashed = |index: &Index| {
        specs.iter().any(|spec| matches!(spec, AlterSpec::AddIndex { index: def, .. } if def.using_hash && def.name.as_ref() == Some(&index.name)))
    };
    keys::mark_hashes(&mut table, hashed, &setting.defaults.server);
    versioning::add_hashes(&mut table);
    table.sort_indexes(!setting.defaults.server.is_mariadb());
    let renames = renames.into_iter().filter_map(|(old, new)| Some((old, new?))).collect();
    Ok(Altered { table, renamed, renames })
}

/// The column that a clause defines.
fn defined_column(spec: &AlterSpec) -> Option<&ColumnDef> {
    match spec {
        AlterSpec::AddColumn { column, .. }
        | AlterSpec::ModifyColumn { column, .. }
        | AlterSpec::ChangeColumn { column, .. } => Some(column),
        _ => None,
    }
}

/// Table options, and CONVERT TO for the columns that exist.
fn set_options(table: &mut TableInfo, specs: &[AlterSpec], setting: &Setting) -> Result<(), String> {
    let mut merged = TableOptions::default();
    for spec in specs {
        if let AlterSpec::Options(options) = spec {
            merged.charset = options.charset.clone().or(merged.charset);
            merged.collation = options.collation.clone().or(merged.collation);
            if let Some(engine) = &options.engine {
                table.engine = keys::engine(engine);
            }
            table.comment = options.comment.clone().unwrap_or(std::mem::take(&mut table.comment));
        }
    }
    let own = CharsetPair { charset: table.charset.clone(), collation: table.collation.clone() };
    let unknown = |name: String| format!("character set or collation `{name}` is unknown");
    let is_default = |name: &Option<String>| name.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("default"));
    let base = if is_default(&merged.charset) { setting.inherited } else { &own };
    let defaults = setting.defaults;
    let mut pair = CharsetPair::resolve(merged.charset.as_deref(), merged.collation.as_deref(), base, defaults)
        .map_err(unknown)?;
    for spec in specs {
        if let AlterSpec::ConvertTo { charset, collation } = spec {
            let base = if charset.is_none() { setting.converted_to_default() } else { pair };
            pair = CharsetPair::resolve(charset.as_deref(), collation.as_deref(), &base, defaults).map_err(unknown)?;
            let characters = table.columns.iter_mut().filter(|column| column.charset.is_some());
            characters.for_each(|column| convert_charset(column, &pair, &defaults.server));
        }
    }
    if let Some(later) = collation_beside_convert(specs, &defaults.server) {
        pair = CharsetPair::resolve(None, Some(later), &pair, defaults).map_err(unknown)?;
    }
    (table.charset, table.collation) = (pair.charset, pair.collation);
    Ok(())
}

/// `CONVERT TO CHARACTER SET x, COLLATE y`: y is the table's, x the columns'. MariaDB takes either order.
fn collation_beside_convert<'a>(specs: &'a [AlterSpec], server: &ServerInfo) -> Option<&'a str> {
    let convert = specs.iter().position(|spec| matches!(spec, AlterSpec::ConvertTo { .. }))?;
    let mut given = specs.iter().enumerate().filter_map(|(at, spec)| match spec {
        AlterSpec::Options(options) => options.collation.as_deref().map(|name| (at, name)),
        _ => None,
    });
    given.rfind(|(at, _)| *at > convert || (server.is_mariadb() && server.version >= 101_000)).map(|(_, name)| name)
}

/// CONVERT TO means columns that the same statement defines, too, whatever they say.
fn convert_defined(table: &mut TableInfo, specs: &[AlterSpec], pair: &CharsetPair) {
    if !specs.iter().any(|spec| matches!(spec, AlterSpec::ConvertTo { .. })) {
        return;
    }
    for def in specs.iter().filter_map(defined_column) {
        let defined = table.columns.iter_mut().find(|column| same_name(&column.name, &def.name));
        if let Some(column) = defined.filter(|column| column.charset.is_some()) {
            (column.charset, column.collation) = (Some(pair.charset.clone()), Some(pair.collation.clone()));
        }
    }
}

/// Drops, redefinitions and renames, looked up by the names before the statement.
fn change_existing(
    table: &mut TableInfo,
    before: &TableInfo,
    specs: &[AlterSpec],
    around: &Surroundings,
) -> Result<Renames, String> {
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
    let dropped: Vec<String> = renames.iter().filter(|(_, new)| new.is_none()).map(|(old, _)| old.clone()).collect();
    if !dropped.is_empty() {
        checks::drop_with(table, &dropped);
    }
    Ok(renames)
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

/// ALTER ... DEFAULT doesn't take CURRENT_TIMESTAMP away on MariaDB 10.5, nor does a new value on MySQL 5.6 (measured;
/// later releases are right).
fn keeps_now(another: bool, server: &ServerInfo) -> bool {
    server.version < if server.is_mariadb() { 100_600 } else { 50_700 } && (another || server.is_mariadb())
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
                let now = column.default == Some(DefaultValue::CurrentTimestamp);
                if !(now && keeps_now(given.is_some(), &around.defaults.server)) {
                    column.default = given.map(|value| stored(value, &column.ty));
                }
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
fn rename_in_keys(table: &mut TableInfo, renames: &Renames) {
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
    if let Some(partitions) = table.partition.as_deref_mut() {
        let by = std::iter::once(&mut partitions.by).chain(partitions.sub.iter_mut().map(|sub| &mut sub.by));
        for column in by.flat_map(|key| &mut key.columns) {
            renamed(column);
        }
    }
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
        None => table.columns.len(),
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
fn change_constraints(
    table: &mut TableInfo,
    before: &TableInfo,
    specs: &[AlterSpec],
    server: &ServerInfo,
) -> Result<(), String> {
    let drops = |index: &Index| specs.iter().any(|spec| drops_index(spec, index));
    table.indexes.retain(|index| !drops(index));
    table.foreign_keys.retain(|key| !specs.iter().any(|spec| drops_foreign_key(spec, &key.name)));
    table.checks.retain(|check| !specs.iter().any(|spec| drops_check(spec, &check.name)));
    for index in &mut table.indexes {
        let original = index.name.clone();
        for spec in specs {
            match spec {
                // An index with a name that somebody gave is no longer the server's.
                AlterSpec::RenameIndex { old, new } if same_name(old, &original) => {
                    (index.name, index.generated) = (new.clone(), false);
                }
                AlterSpec::SetIndexVisibility { index: name, invisible } if same_name(name, &original) => {
                    index.invisible = *invisible;
                }
                _ => {}
            }
        }
    }
    add_keys(table, before, specs, server)?;
    let mut new = Vec::new();
    for spec in specs {
        if let AlterSpec::AddCheck { check } = spec {
            let known = check.name.as_ref().is_some_and(|name| table.checks.iter().any(|c| same_name(&c.name, name)));
            new.extend((!known).then_some(NewCheck { def: check, of_column: false }));
        }
        let of_column = defined_column(spec).into_iter().flat_map(|def| &def.checks);
        new.extend(of_column.map(|def| NewCheck { def, of_column: true }));
    }
    checks::add(table, new, server);
    keep_primary_not_null(table, server);
    Ok(())
}

/// New keys and foreign keys, in the clauses' order.
fn add_keys(table: &mut TableInfo, before: &TableInfo, specs: &[AlterSpec], server: &ServerInfo) -> Result<(), String> {
    let mut new = Vec::new();
    let mut foreign = Vec::new();
    for spec in specs {
        match spec {
            AlterSpec::AddColumn { column: def, .. }
            | AlterSpec::ModifyColumn { column: def, .. }
            | AlterSpec::ChangeColumn { column: def, .. }
                if table.column(&def.name).is_some() && !is_repeated(spec, before) =>
            {
                // A second PRIMARY KEY attribute says what is so already.
                let primary = def.primary_key && !table.indexes.iter().any(|index| index.primary);
                new.extend(keys::of_column(def, primary, server));
                if let (AlterSpec::AddColumn { .. }, Some(key)) = (spec, reference(def, server)) {
                    new.push(NewKey::for_foreign_key(key));
                    foreign.push(key);
                }
            }
            AlterSpec::AddIndex { index, if_not_exists } if !(*if_not_exists && has_index(table, index)) => {
                new.push(NewKey::of(index));
            }
            AlterSpec::AddForeignKey { key, if_not_exists } => {
                let known = key.name.as_ref().is_some_and(|name| table.foreign_keys.iter().any(|k| k.name == *name));
                if !(*if_not_exists && known) {
                    new.push(NewKey::for_foreign_key(key));
                    foreign.push(key);
                }
            }
            _ => {}
        }
    }
    let mut highest = highest_foreign_key(before);
    for def in foreign {
        keys::add_foreign_key(table, def, &mut highest, server)?;
    }
    keys::add(table, new, server)
}

/// ADD COLUMN IF NOT EXISTS of a column that was there.
fn is_repeated(spec: &AlterSpec, before: &TableInfo) -> bool {
    matches!(spec, AlterSpec::AddColumn { column, if_not_exists: true, .. } if before.column(&column.name).is_some())
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

fn drops_check(spec: &AlterSpec, check: &str) -> bool {
    match spec {
        AlterSpec::DropCheck { name } | AlterSpec::DropConstraint { name } => same_name(name, check),
        _ => false,
    }
}

/// A redefined column of the primary key stays NOT NULL, whatever it says.
fn keep_primary_not_null(table: &mut TableInfo, server: &ServerInfo) {
    let key: Vec<usize> = table
        .indexes
        .iter()
        .filter(|index| index.primary)
        .flat_map(|index| index.columns.iter().filter_map(|part| table.column_offset(&part.column)))
        .collect();
    let old = !server.is_mariadb() && server.version < 50_700;
    for offset in key {
        let Some(column) = table.columns.get_mut(offset).filter(|column| column.nullable) else { continue };
        if old && column.default.is_none() && !column.auto_increment {
            column.default = implied(&column.ty);
        }
        column.nullable = false;
    }
}
