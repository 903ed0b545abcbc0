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
    /// About the shadow table of an online schema change: kept until it becomes the real table.
    Shadow(TableId),
    /// A shadow table (or a trash table) gets the name of a migrated one: what was kept is done to that one.
    Switch { from: TableId, to: TableId },
    /// A migrated table is moved aside under a trash name: half of a switch.
    Aside { real: TableId, trash: TableId },
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
    /// Errors 36044 and 36045: a rename to a shadow name.
    pub fn admit(&self, statement: &Statement) -> Result<Admission> {
        let named = named(statement);
        if named.is_empty() {
            return Ok(Admission::Nothing);
        }
        let ghosts: Vec<Option<Ghost>> = named.iter().map(|table| self.ghosts.kind(&table.name)).collect();
        if ghosts.iter().any(Option::is_some) {
            return self.admit_helper(&named, &ghosts);
        }
        Ok(match named.as_slice() {
            [from, to] if self.allows(from) != self.allows(to) => {
                Admission::Crossing { from: from.clone(), to: to.clone(), leaves: self.allows(from) }
            }
            _ => match named.iter().find(|table| !self.allows(table)) {
                None => Admission::Migrated(named),
                Some(out) => Admission::Unlisted(out.clone()),
            },
        })
    }

    /// The same for a statement that names a helper table. Whether the real table is migrated decides, where one is
    /// named; a shadow table alone counts if its schema does, because its name doesn't tell the real table for sure.
    fn admit_helper(&self, named: &[TableId], ghosts: &[Option<Ghost>]) -> Result<Admission> {
        let schema = |table: &TableId| self.lists.allows_schema(&table.schema);
        Ok(match (ghosts, named) {
            ([Some(_), None], [from, to]) if self.allows(to) => {
                Admission::Switch { from: from.clone(), to: to.clone() }
            }
            ([None, Some(Ghost::Trash)], [real, trash]) if self.allows(real) => {
                Admission::Aside { real: real.clone(), trash: trash.clone() }
            }
            ([None, Some(Ghost::Shadow)], [real, shadow]) if self.allows(real) => {
                return Err(to_shadow(Code::SyncerUnitGhostRenameToGhostTable, real, shadow));
            }
            ([Some(_), Some(Ghost::Shadow)], [from, to]) if schema(from) => {
                return Err(to_shadow(Code::SyncerUnitGhostRenameGhostTblToOther, from, to));
            }
            ([Some(Ghost::Shadow), ..], [shadow, ..]) if schema(shadow) => Admission::Shadow(shadow.clone()),
            (_, [first, ..]) => Admission::Helper(first.clone()),
            _ => Admission::Nothing,
        })
    }

    /// A swap of a migrated table with others that `ignore-tables` names: the manual's way around an online schema change
    /// that can't be followed. Such a swap is skipped, and only the tracked structures follow.
    pub fn swaps_ignored(&self, statement: &Statement) -> bool {
        let StatementKind::RenameTable { pairs, .. } = &statement.kind else { return false };
        let [(real, aside), (copy, back)] = pairs.as_slice() else { return false };
        let helper = |table: &TableId| self.ghosts.kind(&table.name).is_some();
        let ignored = |table: &TableId| !helper(table) && self.lists.names_as_ignored(&table.schema, &table.name);
        real == back && !helper(real) && self.allows(real) && ignored(aside) && ignored(copy)
    }

    /// Error 20049: a swap of two tables of which only one half fits the online-DDL patterns.
    pub fn check_swap(&self, statement: &Statement) -> Result<()> {
        let StatementKind::RenameTable { pairs, .. } = &statement.kind else { return Ok(()) };
        let [(real, aside), (copy, back)] = pairs.as_slice() else { return Ok(()) };
        if real != back || !self.ghosts.is_on() || !self.allows(real) {
            return Ok(());
        }
        let kind = |table: &TableId| self.ghosts.kind(&table.name);
        let (table, option) = match (kind(real), kind(aside), kind(copy)) {
            (None, Some(Ghost::Trash), None) => (copy, "shadow-table-rules"),
            (None, None, Some(Ghost::Shadow)) => (aside, "trash-table-rules"),
            _ => return Ok(()),
        };
        Err(DmError::new(Code::ConfigOnlineDDLMistakeRegex)
            .msg(format!(
                "the swap RENAME TABLE {real} TO {aside}, {copy} TO {back} fits the online-DDL patterns only half: {table} \
                 matches none of {option}"
            ))
            .workaround(format!(
                "Please correct {option} of the task and resume it if this is the end of an online schema change. If it is \
                 a swap of ordinary tables, set `online-ddl: false`, or use names that the patterns don't match."
            )))
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

fn to_shadow(code: Code, from: &TableId, shadow: &TableId) -> DmError {
    DmError::new(code)
        .msg(format!("RENAME of {from} to {shadow}, a name of shadow tables (`shadow-table-rules`)"))
        .workaround(
            "No online schema change tool does this. Please bring the target to what you want by hand and skip the \
             statement (`binlog skip`), or correct `shadow-table-rules`; then resume the task.",
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
        let ok = |sql: &str| admit(&rules, sql).unwrap();
        for sql in ["CREATE TABLE _t_gho LIKE t", "ALTER TABLE _t_gho ADD c INT", "DROP TABLE _t_gho"] {
            assert_eq!(ok(sql), Admission::Shadow(id("_t_gho")), "{sql}");
        }
        assert_eq!(ok("RENAME TABLE _t_gho TO _t_del"), Admission::Shadow(id("_t_gho")));
        assert_eq!(ok("RENAME TABLE _x_gho TO x"), Admission::Shadow(id("_x_gho")));
        let switch = |from: &str| Admission::Switch { from: id(from), to: id("t") };
        assert_eq!(ok("RENAME TABLE _t_gho TO t"), switch("_t_gho"));
        assert_eq!(ok("ALTER TABLE _t_gho RENAME t"), switch("_t_gho"));
        assert_eq!(ok("RENAME TABLE _t_del TO t"), switch("_t_del"));
        assert_eq!(ok("RENAME TABLE t TO _t_del"), Admission::Aside { real: id("t"), trash: id("_t_del") });
        assert_eq!(ok("RENAME TABLE x TO _x_del"), Admission::Helper(id("x")));
        assert_eq!(ok("CREATE TABLE _t_ghc (id INT)"), Admission::Helper(id("_t_ghc")));
        let other = ParseContext { default_schema: "b".into(), ..ParseContext::default() };
        let elsewhere = parse("ALTER TABLE _t_gho ADD c INT", &other).unwrap();
        assert_eq!(rules.admit(&elsewhere).unwrap(), Admission::Helper(TableId::new("b", "_t_gho")));
        let code = |sql: &str| admit(&rules, sql).unwrap_err().code();
        assert_eq!(code("RENAME TABLE t TO _t_gho"), Code::SyncerUnitGhostRenameToGhostTable);
        assert_eq!(code("RENAME TABLE _t_new TO _t_gho"), Code::SyncerUnitGhostRenameGhostTblToOther);
        assert!(!rules.takes_rows(&id("_t_gho")) && !rules.takes_rows(&id("x")) && rules.takes_rows(&id("t")));
        assert_eq!(rules.ghosts.real_name("__t_new"), Some("_t"));
    }

    #[test]
    fn half_a_swap_is_a_mistake_in_the_patterns() {
        let rules = rules(&["t"]);
        let check = |sql: &str| {
            let context = ParseContext { default_schema: "a".into(), ..ParseContext::default() };
            rules.check_swap(&parse(sql, &context).unwrap())
        };
        let error = check("RENAME TABLE t TO t_bak, _t_new TO t").unwrap_err();
        assert_eq!(error.code(), Code::ConfigOnlineDDLMistakeRegex);
        assert!(error.message().contains("`a`.`t_bak` matches none of trash-table-rules"));
        let error = check("RENAME TABLE t TO _t_old, t2 TO t").unwrap_err();
        assert!(error.message().contains("`a`.`t2` matches none of shadow-table-rules"));
        for fine in [
            "RENAME TABLE t TO _t_old, _t_new TO t",
            "RENAME TABLE t TO _t_rev_del, _t_del TO t",
            "RENAME TABLE t TO t_bak, t2 TO t",
            "RENAME TABLE x TO _x_old, x2 TO x",
            "RENAME TABLE t TO _t_old",
        ] {
            assert!(check(fine).is_ok(), "{fine}");
        }
    }

    /// The manual's way around an online schema change that can't be followed.
    #[test]
    fn swaps_with_tables_that_are_ignored_by_name() {
        let mut config = subtask("t", "s");
        config.online_ddl = false;
        config.block_allow_list.do_dbs = vec!["a".into()];
        config.block_allow_list.ignore_tables =
            ["_t_gho", "_t_del"].map(|t| TableName { db_name: "a".into(), tbl_name: t.into() }).to_vec();
        let rules = TaskRules::new(&config).unwrap();
        let context = ParseContext { default_schema: "a".into(), ..ParseContext::default() };
        let skips = |sql: &str| rules.swaps_ignored(&parse(sql, &context).unwrap());
        assert!(skips("RENAME TABLE t TO _t_del, _t_gho TO t"));
        assert!(!skips("RENAME TABLE t TO _t_del, _t_gho TO u") && !skips("RENAME TABLE t TO _t_del"));
        assert!(!skips("RENAME TABLE t TO t_bak, _t_gho TO t"), "t_bak is migrated");
        assert!(matches!(admit(&rules, "RENAME TABLE t TO _t_del").unwrap(), Admission::Crossing { .. }));
    }
}
