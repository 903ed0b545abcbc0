//! From CREATE TABLE to a structure: columns, keys with the names the server gives them, foreign keys, checks.

use super::{
    super::{
        charset::{CharsetPair, CollationDefaults, default_collation},
        ddl::{ColumnDef, CreateTable, ForeignKeyDef},
        model::TableInfo,
        server::ServerInfo,
    },
    checks::{self, NewCheck},
    column::{Surroundings, resolve},
    keys::{self, NewKey},
    partition::{self, Place},
    timestamps, versioning,
};
use crate::rules::expression::Zone;

/// What decides how a statement about a table is meant.
pub(in crate::schema) struct Setting<'a> {
    pub(in crate::schema) defaults: &'a CollationDefaults,
    pub(in crate::schema) explicit_timestamps: bool,
    /// The schema's character set.
    pub(in crate::schema) inherited: &'a CharsetPair,
    /// The text is SHOW CREATE TABLE's: it has every key, the server adds none.
    pub(in crate::schema) printed: bool,
    /// The session's `collation_database`, when the binlog tells it.
    pub(in crate::schema) database: Option<&'a CharsetPair>,
    /// The session's time zone, when it is told: bounds of partitions may be times.
    pub(in crate::schema) zone: Option<Zone>,
}

impl Setting<'_> {
    pub(super) fn place(&self) -> Place {
        Place { server: self.defaults.server, zone: self.zone }
    }

    /// What CONVERT TO CHARACTER SET DEFAULT means: the session's, but since MariaDB 10.6 the schema's character set
    /// with the collation it was built with (seen on 10.11 and 11.8).
    pub(super) fn converted_to_default(&self) -> CharsetPair {
        let server = &self.defaults.server;
        if server.is_mariadb() && server.version >= 100_600 {
            let built = ServerInfo { version: server.version.min(110_400), ..*server };
            let charset = self.inherited.charset.clone();
            let collation = default_collation(&charset, &built).into();
            return CharsetPair { charset, collation };
        }
        self.database.unwrap_or(self.inherited).clone()
    }
}

/// The structure that a CREATE TABLE (not LIKE) makes.
pub(in crate::schema) fn build(create: &CreateTable, setting: &Setting) -> Result<TableInfo, String> {
    let (options, defaults) = (&create.options, setting.defaults);
    let (charset, collation) = (options.charset.as_deref(), options.collation.as_deref());
    let charset = CharsetPair::resolve(charset, collation, setting.inherited, defaults)
        .map_err(|name| format!("character set or collation `{name}` is unknown"))?;
    let mut table = TableInfo {
        schema: create.table.schema.clone(),
        name: create.table.name.clone(),
        charset: charset.charset.clone(),
        collation: charset.collation.clone(),
        engine: options.engine.as_deref().map(keys::engine).unwrap_or_default(),
        comment: options.comment.clone().unwrap_or_default(),
        partition: partition::build_all(create.partition.as_deref(), setting.place())?,
        ..TableInfo::default()
    };
    let around = Surroundings { defaults, charset: &charset, explicit_timestamps: setting.explicit_timestamps };
    for def in &create.columns {
        if table.column_offset(&def.name).is_some() {
            return Err(format!("column `{}` is defined twice", def.name));
        }
        table.columns.push(resolve(def, &around)?);
    }
    if !setting.explicit_timestamps {
        timestamps::imply(&mut table, |_| true);
    }
    for period in &create.periods {
        versioning::add_period(&mut table, period);
    }
    if create.versioned {
        versioning::add_row_times(&mut table);
    }
    add_keys(&mut table, create, setting.printed, &defaults.server)?;
    versioning::add_hashes(&mut table);
    let of_table = create.checks.iter().map(|def| NewCheck { def, of_column: false });
    let of_columns = create.columns.iter().flat_map(|column| &column.checks);
    let new = of_table.chain(of_columns.map(|def| NewCheck { def, of_column: true })).collect();
    checks::add(&mut table, new, &defaults.server);
    table.sort_indexes(!defaults.server.is_mariadb());
    Ok(table)
}

/// All keys in the order of the text.
fn add_keys(table: &mut TableInfo, create: &CreateTable, printed: bool, server: &ServerInfo) -> Result<(), String> {
    let mut new: Vec<(usize, NewKey)> = Vec::new();
    let mut foreign: Vec<&ForeignKeyDef> = Vec::new();
    for def in &create.columns {
        new.extend(keys::of_column(def, def.primary_key, server).into_iter().map(|key| (def.at, key)));
        if let Some(key) = reference(def, server) {
            // MySQL 9 makes them before those of the table's own foreign keys, else last.
            let first = create.foreign_keys.first().map_or(usize::MAX, |key| key.at);
            let at = if server.is_mariadb() { key.at } else { first };
            new.push((at, NewKey::for_foreign_key(key)));
            foreign.push(key);
        }
    }
    new.extend(create.indexes.iter().map(|def| (def.at, NewKey::of(def))));
    new.extend(create.foreign_keys.iter().map(|def| (def.at, NewKey::for_foreign_key(def))));
    foreign.extend(&create.foreign_keys);
    if printed {
        new.retain(|(_, key)| !key.is_generated());
    }
    new.sort_by_key(|(at, _)| *at);
    let mut highest = 0;
    for def in foreign {
        keys::add_foreign_key(table, def, &mut highest, server)?;
    }
    keys::add(table, new.into_iter().map(|(_, key)| key).collect(), server)?;
    keys::whole_prefixes(table);
    if !printed {
        keys::shorten(table, server);
    }
    let hashed: Vec<String> = table.indexes.iter().filter(|index| index.hash).map(|index| index.name.clone()).collect();
    keys::mark_hashes(table, |index| hashed.contains(&index.name), server);
    Ok(())
}

/// The foreign key that a column's own REFERENCES makes, on servers that honour it.
pub(super) fn reference<'a>(def: &'a ColumnDef, server: &ServerInfo) -> Option<&'a ForeignKeyDef> {
    let honoured = server.is_mariadb() || server.version >= 90_000;
    def.references.as_ref().filter(|_| honoured)
}
