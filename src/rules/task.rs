//! All rules of a task on one source, and what they say about a statement. Plain structures, used by the sync unit and
//! by `dmctl match` alike, so that what is explained is what happens.

use super::{BlockAllow, EventFilter, Ghost, GhostTables, Router};
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Result},
    schema::{
        ddl::{Statement, StatementKind, TableRole},
        model::TableId,
    },
};

/// A task's rules, compiled.
#[derive(Clone, Debug)]
pub struct TaskRules {
    pub lists: BlockAllow,
    pub filter: EventFilter,
    pub router: Router,
    pub ghosts: GhostTables,
}

/// What lists and online-DDL patterns say about a statement.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Admission {
    /// Its tables (or its database) are migrated; the first one is its subject. Filters and routes come next.
    Migrated(Vec<TableId>),
    /// RENAME of a table that the list migrates to a name that it doesn't (`leaves`), or the other way.
    Crossing { from: TableId, to: TableId, leaves: bool },
    /// A table (or the database) that the block-allow list keeps out: only the tracked structures follow.
    Unlisted(TableId),
    /// About helper tables of an online schema change: nothing follows.
    Helper(TableId),
    /// About no table at all.
    Nothing,
}

impl TaskRules {
    /// Compiles a task's rules. Errors name the rule (20044, 20045, 20048).
    pub fn new(config: &SubtaskConfig) -> Result<TaskRules> {
        Ok(TaskRules {
            lists: BlockAllow::new(&config.block_allow_list, config.case_sensitive)?,
            filter: EventFilter::new(&config.filters, config.case_sensitive),
            router: Router::new(&config.routes, config.case_sensitive)?,
            ghosts: GhostTables::new(config)?,
        })
    }

    /// Whether the statements of a table (name empty: of a schema) are migrated.
    pub fn allows(&self, table: &TableId) -> bool {
        if table.name.is_empty() {
            self.lists.allows_schema(&table.schema)
        } else {
            self.lists.allows(&table.schema, &table.name)
        }
    }

    /// Whether a table's rows are migrated.
    pub fn takes_rows(&self, table: &TableId) -> bool {
        self.allows(table) && self.ghosts.kind(&table.name).is_none()
    }

    /// Where a table (name empty: a schema) goes. Error 40080.
    pub fn route(&self, table: &TableId) -> Result<TableId> {
        let (schema, name) = self.router.route(&table.schema, &table.name)?;
        Ok(TableId::new(schema, name))
    }

    /// Decides about a statement that names one table, one RENAME pair or one database (see `Statement::split`).
    /// Error 36046: the end of an online schema change.
    pub fn admit(&self, statement: &Statement) -> Result<Admission> {
        let named = named(statement);
        let Some(first) = named.first() else { return Ok(Admission::Nothing) };
        let ghosts: Vec<Option<Ghost>> = named.iter().map(|table| self.ghosts.kind(&table.name)).collect();
        match (ghosts.as_slice(), named.as_slice()) {
            // RENAME of the copy to the real table: what was altered in the copy is not known here.
            ([Some(Ghost::Shadow), None], [shadow, real]) if self.allows(real) => Err(unknown_changes(shadow, real)),
            // The real table is moved aside: part of the same switch.
            ([None, Some(Ghost::Trash)], [_, trash]) => Ok(Admission::Helper(trash.clone())),
            (ghosts, _) if ghosts.iter().any(Option::is_some) => Ok(Admission::Helper(first.clone())),
            (_, [from, to]) if self.allows(from) != self.allows(to) => {
                Ok(Admission::Crossing { from: from.clone(), to: to.clone(), leaves: self.allows(from) })
            }
            _ => Ok(match named.iter().find(|table| !self.allows(table)) {
                None => Admission::Migrated(named),
                Some(out) => Admission::Unlisted(out.clone()),
            }),
        }
    }
}

/// Error 36068: a table that was renamed into or out of the block-allow list, which nobody can migrate unasked.
pub fn crossing_error(from: &TableId, to: &TableId, leaves: bool) -> DmError {
    let (what, then) = if leaves {
        ("leaves", "its rows stay on the target under the old name, and its later changes are not migrated")
    } else {
        ("enters", "the rows that it has already are not on the target")
    };
    DmError::new(Code::SyncerUnsupportedStmt)
        .msg(format!("RENAME of {from} to {to}: the table {what} the block-allow list; {then}"))
        .workaround(
            "Please bring the target to what you want by hand (rename, drop or copy the table), add a filter rule with \
             events [\"rename table\"] and action Ignore for one of the two names, and resume the task; or let the \
             block-allow list contain both names.",
        )
}

/// The tables that lists, filters and routes look at; of a statement about a database one with an empty name.
pub fn named(statement: &Statement) -> Vec<TableId> {
    match (&statement.kind, &statement.database) {
        (StatementKind::Skipped(_) | StatementKind::Transaction(_), _) => Vec::new(),
        (_, Some(database)) => vec![TableId::new(database.name.as_str(), "")],
        _ => (statement.tables.iter())
            .filter(|table| matches!(table.role, TableRole::Subject | TableRole::NewName))
            .map(|table| table.id())
            .collect(),
    }
}

fn unknown_changes(shadow: &TableId, real: &TableId) -> DmError {
    DmError::new(Code::SyncerUnitGhostOnlineDDLOnGhostTbl)
        .msg(format!(
            "online DDL: {shadow} was renamed to {real}, and the changes made to it before can't be repeated by this version"
        ))
        .workaround(
            "Please apply the same ALTER TABLE on the target by hand, then start the task from a position behind \
             the RENAME; or set `online-ddl: false` to migrate the tool's tables like all others.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::subtask::TableName,
        coordinator::samples::subtask,
        schema::{
            ddl::{ParseContext, parse},
            server::{ServerInfo, SqlMode},
        },
    };

    fn rules(tables: &[&str]) -> TaskRules {
        let mut config = subtask("t", "s");
        config.block_allow_list.do_dbs = vec!["a".into()];
        config.block_allow_list.do_tables =
            tables.iter().map(|t| TableName { db_name: "a".into(), tbl_name: (*t).into() }).collect();
        TaskRules::new(&config).unwrap()
    }

    fn admit(rules: &TaskRules, sql: &str) -> Result<Admission> {
        let context =
            ParseContext { default_schema: "a".into(), sql_mode: SqlMode::default(), server: ServerInfo::default() };
        rules.admit(&parse(sql, &context).unwrap())
    }

    fn id(name: &str) -> TableId {
        TableId::new("a", name)
    }

    #[test]
    fn tables_in_and_out_of_the_list() {
        let rules = rules(&["t", "u"]);
        assert_eq!(admit(&rules, "ALTER TABLE t ADD c INT").unwrap(), Admission::Migrated(vec![id("t")]));
        assert_eq!(admit(&rules, "DROP TABLE x").unwrap(), Admission::Unlisted(id("x")));
        assert_eq!(admit(&rules, "CREATE TABLE t LIKE x").unwrap(), Admission::Migrated(vec![id("t")]));
        assert_eq!(admit(&rules, "RENAME TABLE t TO u").unwrap(), Admission::Migrated(vec![id("t"), id("u")]));
        assert_eq!(admit(&rules, "RENAME TABLE x TO y").unwrap(), Admission::Unlisted(id("x")));
        assert_eq!(admit(&rules, "CREATE DATABASE a").unwrap(), Admission::Migrated(vec![id("")]));
        let other = admit(&rules, "DROP DATABASE b").unwrap();
        assert_eq!(other, Admission::Unlisted(TableId::new("b", "")));
        assert_eq!(admit(&rules, "CREATE VIEW v AS SELECT 1").unwrap(), Admission::Nothing);
    }

    /// A table never leaves or enters the list unseen.
    #[test]
    fn renames_across_the_border() {
        let rules = rules(&["t"]);
        let crossing = |from: &str, to: &str, leaves: bool| Admission::Crossing { from: id(from), to: id(to), leaves };
        assert_eq!(admit(&rules, "RENAME TABLE t TO t_old").unwrap(), crossing("t", "t_old", true));
        assert_eq!(admit(&rules, "ALTER TABLE t_new RENAME TO t").unwrap(), crossing("t_new", "t", false));
        let error = crossing_error(&id("t"), &id("t_old"), true);
        assert_eq!(error.code(), Code::SyncerUnsupportedStmt);
        assert!(error.message().contains("leaves the block-allow list"));
        assert!(crossing_error(&id("x"), &id("t"), false).message().contains("enters the block-allow list"));
    }

    /// Helper tables are told before the list is asked: a list of single tables doesn't name them.
    #[test]
    fn helper_tables() {
        let rules = rules(&["t"]);
        assert_eq!(admit(&rules, "CREATE TABLE _t_gho LIKE t").unwrap(), Admission::Helper(id("_t_gho")));
        assert_eq!(admit(&rules, "RENAME TABLE t TO _t_del").unwrap(), Admission::Helper(id("_t_del")));
        let error = admit(&rules, "RENAME TABLE _t_gho TO t").unwrap_err();
        assert_eq!(error.code(), Code::SyncerUnitGhostOnlineDDLOnGhostTbl);
        assert_eq!(admit(&rules, "RENAME TABLE _x_gho TO x").unwrap(), Admission::Helper(id("_x_gho")));
        assert!(!rules.takes_rows(&id("_t_gho")) && !rules.takes_rows(&id("x")) && rules.takes_rows(&id("t")));
    }
}
