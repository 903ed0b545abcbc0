//! The tracker: the structure of every known table at one point of the binlog. A plain structure without I/O.

mod alter;
mod checks;
pub(in crate::schema) mod column;
pub(in crate::schema) mod create;
pub(in crate::schema) mod default;
mod inherited;
mod keys;
pub(in crate::schema) mod partition;
mod session;
mod store;
mod timestamps;
pub(in crate::schema) mod versioning;

#[cfg(test)]
mod tests;

use std::sync::Arc;

use super::{
    charset::{CharsetPair, CollationDefaults},
    ddl::{AlterSpec, CreateTable, DatabaseOptions, Statement, StatementKind},
    model::{ForeignKey, TableId, TableInfo, same_name},
    server::ServerInfo,
};
use crate::{
    error::{Code, DmError, Result},
    rules::expression::Zone,
};
use alter::Altered;
use create::Setting;
use store::Store;

/// What one statement did to the tracked structures.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Change {
    SchemaCreated(String),
    SchemaAltered(String),
    SchemaDropped(String),
    Created(TableId),
    Altered(TableId),
    Dropped(TableId),
    Renamed { from: TableId, to: TableId },
    Truncated(TableId),
}

/// All known structures, and what the server or the session says that decides how a statement is meant.
#[derive(Clone, Debug)]
pub struct Tracker {
    server: ServerInfo,
    lower_case_table_names: u8,
    server_charset: CharsetPair,
    explicit_timestamps: bool,
    /// What a character set's default collation is for the statement's session.
    defaults: CollationDefaults,
    /// The session's `collation_database`.
    database: Option<CharsetPair>,
    /// The session's time zone.
    zone: Option<Zone>,
    store: Store,
}

/// A tracker as it was: one pointer, shared with it until one of them changes.
#[derive(Clone, Debug)]
pub struct Snapshot(Tracker);

impl Tracker {
    /// An empty tracker for a source. `lower_case_table_names` is the source's variable: 0 makes names
    /// case-sensitive, 1 keeps them in lower case, 2 as written.
    pub fn new(server: ServerInfo, lower_case_table_names: u8) -> Self {
        let explicit_timestamps = server.version >= if server.is_mariadb() { 101_000 } else { 80_002 };
        let server_charset = CharsetPair::server_default(&server);
        Tracker {
            server,
            lower_case_table_names,
            server_charset,
            explicit_timestamps,
            defaults: CollationDefaults::of(server),
            database: None,
            zone: None,
            store: Store::default(),
        }
    }

    /// The tracker as it is now, for [`Tracker::restore`]: takes no time, whatever is tracked.
    pub fn snapshot(&self) -> Snapshot {
        Snapshot(self.clone())
    }

    /// Goes back to a snapshot: what was tracked since is forgotten (a statement that failed or is parked).
    pub fn restore(&mut self, snapshot: Snapshot) {
        *self = snapshot.0;
    }

    /// The source's (or the event's) explicit_defaults_for_timestamp; the version's default until somebody says.
    pub fn set_explicit_defaults_for_timestamp(&mut self, on: bool) {
        self.explicit_timestamps = on;
    }

    /// What TIMESTAMP columns without DEFAULT are made of.
    pub fn explicit_defaults_for_timestamp(&self) -> bool {
        self.explicit_timestamps
    }

    /// The source's dialect.
    pub fn server(&self) -> ServerInfo {
        self.server
    }

    /// The server's default, for new databases (the query event's `collation_server`); a fresh server's until then.
    pub fn set_server_charset(&mut self, charset: CharsetPair) {
        self.server_charset = charset;
    }

    /// A table's structure, if it is tracked.
    pub fn get(&self, schema: &str, table: &str) -> Option<Arc<TableInfo>> {
        self.store.table(&self.key(schema), &self.key(table)).cloned()
    }

    /// Tracks a structure, replacing what was known.
    pub fn put(&mut self, mut table: TableInfo) {
        table.schema = self.stored_name(&table.schema);
        table.name = self.stored_name(&table.name);
        table.shrink();
        let (schema, key) = (self.key(&table.schema), self.key(&table.name));
        self.store.put(&schema, &key, Arc::new(table));
    }

    /// Forgets a table; true if it was tracked.
    pub fn remove(&mut self, schema: &str, table: &str) -> bool {
        self.take(&TableId::new(schema, table)).is_some()
    }

    /// Tells a schema's default character set and collation, which its new tables inherit.
    pub fn put_schema(&mut self, schema: &str, charset: CharsetPair) {
        let key = self.key(schema);
        self.store.set_charset(&key, charset);
    }

    /// Forgets a schema and its tables.
    pub fn remove_schema(&mut self, schema: &str) {
        let key = self.key(schema);
        self.store.remove_schema(&key);
    }

    /// Every tracked table, by schema.
    pub fn tables(&self) -> impl Iterator<Item = &Arc<TableInfo>> {
        self.store.tables()
    }

    /// The names of the schemas that are tracked.
    pub fn schemas(&self) -> impl Iterator<Item = &str> {
        self.store.schemas()
    }

    /// The names of the tracked tables of one schema, sorted.
    pub fn table_names(&self, schema: &str) -> Vec<String> {
        let mut names: Vec<String> = self.store.tables_of(&self.key(schema)).map(|table| table.name.clone()).collect();
        names.sort();
        names
    }

    /// Applies a parsed statement; when it fails the structures are as before. A table that is altered or copied
    /// must be tracked (44005 otherwise): put it first. Error 44006: the statement doesn't fit the structure.
    pub fn apply(&mut self, statement: &Statement) -> Result<Vec<Change>> {
        let before = self.store.clone();
        let result = self.apply_kind(&statement.kind);
        if result.is_err() {
            self.store = before;
        }
        result
    }

    fn apply_kind(&mut self, kind: &StatementKind) -> Result<Vec<Change>> {
        Ok(match kind {
            StatementKind::CreateDatabase { name, if_not_exists, or_replace, options } => {
                self.create_database(name, *if_not_exists, *or_replace, options)?
            }
            StatementKind::AlterDatabase { name, options } => {
                let default = options.charset.as_deref().is_some_and(|name| name.eq_ignore_ascii_case("default"));
                // MariaDB 10.5 leaves the database as it is.
                let default = default && !(self.server.is_mariadb() && self.server.version < 101_000);
                let base = if default { self.server_charset.clone() } else { self.schema_charset(name) };
                let charset = self.database_charset(options, &base)?;
                self.put_schema(name, charset);
                vec![Change::SchemaAltered(name.clone())]
            }
            StatementKind::DropDatabase { name, .. } => {
                self.remove_schema(name);
                vec![Change::SchemaDropped(name.clone())]
            }
            StatementKind::CreateTable(create) => self.create_table(create)?,
            StatementKind::DropTable { tables, .. } => {
                let dropped = tables.iter().filter(|table| self.take(table).is_some());
                dropped.cloned().map(Change::Dropped).collect()
            }
            StatementKind::RenameTable { pairs, .. } => pairs.iter().map(|(from, to)| self.rename(from, to)).collect(),
            StatementKind::TruncateTable { table } => vec![Change::Truncated(table.clone())],
            StatementKind::AlterTable { table, if_exists, specs } => {
                if *if_exists && self.get(&table.schema, &table.name).is_none() {
                    return Ok(Vec::new());
                }
                self.alter_table(table, specs)?
            }
            StatementKind::CreateIndex { table, index, if_not_exists, or_replace } => {
                let mut specs = Vec::new();
                if let (true, Some(name)) = (*or_replace, &index.name) {
                    specs.push(AlterSpec::DropIndex { name: name.clone(), if_exists: true });
                }
                specs.push(AlterSpec::AddIndex { index: index.clone(), if_not_exists: *if_not_exists });
                self.alter_table(table, &specs)?
            }
            // The name `PRIMARY`, quoted, is the primary key.
            StatementKind::DropIndex { table, name, if_exists } => {
                self.alter_table(table, &[AlterSpec::DropIndex { name: name.clone(), if_exists: *if_exists }])?
            }
            // No table depends on a sequence, and its rows are not migrated.
            StatementKind::Sequence { .. } => Vec::new(),
            StatementKind::Skipped(_) | StatementKind::Transaction(_) | StatementKind::Dml(_) => Vec::new(),
        })
    }

    fn create_database(
        &mut self,
        name: &str,
        if_not_exists: bool,
        or_replace: bool,
        options: &DatabaseOptions,
    ) -> Result<Vec<Change>> {
        if if_not_exists && self.store.has_schema(&self.key(name)) {
            return Ok(Vec::new());
        }
        if or_replace {
            self.remove_schema(name);
        }
        let charset = self.database_charset(options, &self.server_charset)?;
        self.put_schema(name, charset);
        Ok(vec![Change::SchemaCreated(name.to_owned())])
    }

    fn database_charset(&self, options: &DatabaseOptions, inherited: &CharsetPair) -> Result<CharsetPair> {
        CharsetPair::resolve(options.charset.as_deref(), options.collation.as_deref(), inherited, &self.defaults)
            .map_err(|name| refused("the database", format!("character set or collation `{name}` is unknown")))
    }

    fn create_table(&mut self, create: &CreateTable) -> Result<Vec<Change>> {
        let id = &create.table;
        if create.if_not_exists && self.get(&id.schema, &id.name).is_some() {
            return Ok(Vec::new());
        }
        let mut table = match &create.like {
            Some(template) => {
                let mut table = TableInfo::clone(&*self.tracked(template)?);
                (table.schema, table.name) = (id.schema.clone(), id.name.clone());
                // CREATE TABLE ... LIKE copies no foreign keys.
                table.foreign_keys.clear();
                table.create_sql = None;
                checks::of_copy(&mut table, &self.server);
                table
            }
            None => {
                let inherited = self.schema_charset(&id.schema);
                create::build(create, &self.setting(&inherited)).map_err(|reason| refused(&id.to_string(), reason))?
            }
        };
        self.name_parent_columns(&mut table);
        self.put(table);
        Ok(vec![Change::Created(id.clone())])
    }

    fn alter_table(&mut self, id: &TableId, specs: &[AlterSpec]) -> Result<Vec<Change>> {
        let before = self.tracked(id)?;
        let inherited = self.schema_charset(&id.schema);
        let Altered { table: mut after, renamed, renames } =
            alter::alter(&before, specs, &self.setting(&inherited)).map_err(|reason| refused_table(id, reason))?;
        self.name_parent_columns(&mut after);
        let mut changes = vec![Change::Altered(id.clone())];
        for spec in specs {
            match spec {
                AlterSpec::ConvertPartition { table, .. } => {
                    let mut made = TableInfo { partition: None, ..after.clone() };
                    (made.schema, made.name) = (table.schema.clone(), table.name.clone());
                    made.foreign_keys.clear();
                    self.put(made);
                    changes.push(Change::Created(table.clone()));
                }
                AlterSpec::ConvertTable { table, .. } if self.take(table).is_some() => {
                    changes.push(Change::Dropped(table.clone()));
                }
                _ => {}
            }
        }
        self.put(after);
        if !renames.is_empty() {
            self.change_children(id, |key| {
                for column in &mut key.parent_columns {
                    if let Some((_, new)) = renames.iter().find(|(old, _)| same_name(old, column)) {
                        column.clone_from(new);
                    }
                }
            });
        }
        if let Some(to) = renamed.filter(|to| to != id) {
            changes.push(self.rename(id, &to));
        }
        Ok(changes)
    }

    /// Moves a structure to another name; foreign keys of other tables follow, as on the server.
    fn rename(&mut self, from: &TableId, to: &TableId) -> Change {
        if let Some(table) = self.take(from) {
            let mut table = TableInfo::clone(&table);
            (table.schema, table.name) = (to.schema.clone(), to.name.clone());
            table.create_sql = None;
            keys::rename_constraints(&mut table, &from.name, &self.server);
            self.put(table);
        }
        self.change_children(from, |key| key.parent = to.clone());
        Change::Renamed { from: from.clone(), to: to.clone() }
    }

    /// MySQL 9: a reference that names no columns means the parent's primary key.
    fn name_parent_columns(&self, table: &mut TableInfo) {
        let own = table.id();
        let key_of = |parent: &TableInfo| -> Vec<String> {
            let primary = parent.indexes.iter().find(|index| index.primary);
            primary.into_iter().flat_map(|index| &index.columns).map(|part| part.column.clone()).collect()
        };
        let itself = key_of(table);
        for key in table.foreign_keys.iter_mut().filter(|key| key.parent_columns.is_empty()) {
            key.parent_columns = match self.get(&key.parent.schema, &key.parent.name) {
                _ if key.parent == own => itself.clone(),
                Some(parent) => key_of(&parent),
                None => Vec::new(),
            };
        }
    }

    /// Changes the foreign keys of all tables that refer to one.
    fn change_children(&mut self, parent: &TableId, change: impl Fn(&mut ForeignKey)) {
        let refers = |table: &&Arc<TableInfo>| table.foreign_keys.iter().any(|key| key.parent == *parent);
        let children: Vec<Arc<TableInfo>> = self.tables().filter(refers).cloned().collect();
        for child in children {
            let mut child = TableInfo { create_sql: None, ..TableInfo::clone(&child) };
            child.foreign_keys.iter_mut().filter(|key| key.parent == *parent).for_each(&change);
            self.put(child);
        }
    }

    fn setting<'a>(&'a self, inherited: &'a CharsetPair) -> Setting<'a> {
        Setting {
            defaults: &self.defaults,
            explicit_timestamps: self.explicit_timestamps,
            inherited,
            database: self.database.as_ref(),
            printed: false,
            zone: self.zone,
        }
    }

    fn tracked(&self, id: &TableId) -> Result<Arc<TableInfo>> {
        self.get(&id.schema, &id.name).ok_or_else(|| {
            DmError::new(Code::SchemaTrackerCannotGetTable)
                .msg(format!("the structure of {id} is not known"))
                .workaround("Please check that the table exists on the source or the target and can be read there.")
        })
    }

    fn take(&mut self, id: &TableId) -> Option<Arc<TableInfo>> {
        let (schema, table) = (self.key(&id.schema), self.key(&id.name));
        self.store.take(&schema, &table)
    }

    /// What a new database has when it says nothing.
    pub fn server_charset(&self) -> &CharsetPair {
        &self.server_charset
    }

    /// What a new table of the schema has when it says nothing; the server's default for an unknown schema.
    pub fn schema_charset(&self, schema: &str) -> CharsetPair {
        self.store.charset(&self.key(schema)).unwrap_or(&self.server_charset).clone()
    }

    /// The form of a name in which names are compared.
    fn key(&self, name: &str) -> String {
        if self.lower_case_table_names == 0 { name.to_owned() } else { name.to_lowercase() }
    }

    /// The form of a name in which the server keeps it.
    fn stored_name(&self, name: &str) -> String {
        if self.lower_case_table_names == 1 { name.to_lowercase() } else { name.to_owned() }
    }
}

/// The target has seen every statement before this one: its table is as the source's was.
fn refused_table(table: &TableId, reason: String) -> DmError {
    refused(&table.to_string(), reason).workaround(format!(
        "Set the structure that the table had before the statement, from the target if its columns are in the same order: \
         `binlog-schema update {{task}} {} {} --from-target -s {{source}}`, or from a file with its CREATE TABLE.",
        table.schema, table.name
    ))
}

fn refused(subject: &str, reason: String) -> DmError {
    DmError::new(Code::SchemaTrackerCannotExecDDL)
        .msg(format!("the DDL doesn't fit the tracked structure of {subject}"))
        .cause(reason)
        .workaround(
            "Please compare the table's structure on source and target; if they differ from what the binlog assumes, \
             make them equal, or start the task again from a later position.",
        )
}
