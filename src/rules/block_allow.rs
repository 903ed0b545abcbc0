//! Block-allow list: which schemas and tables are migrated (config facts 6.3).

use super::selector::Selector;
use crate::{
    config::subtask::{BlockAllowList, TableName},
    error::{Code, DmError, Result},
};

const SYSTEM_SCHEMAS: [&str; 7] =
    ["information_schema", "performance_schema", "metrics_schema", "inspection_schema", "mysql", "sys", "dm_heartbeat"];

/// Schemas that are never migrated, whatever the list says.
pub fn is_system_schema(schema: &str) -> bool {
    SYSTEM_SCHEMAS.iter().any(|name| schema.eq_ignore_ascii_case(name))
}

/// A compiled block-allow list.
#[derive(Clone, Debug, Default)]
pub struct BlockAllow {
    do_schemas: Vec<Selector>,
    ignore_schemas: Vec<Selector>,
    do_tables: Vec<(Selector, Selector)>,
    ignore_tables: Vec<(Selector, Selector)>,
}

impl BlockAllow {
    /// Compiles a list. Error 20044 names the pattern.
    pub fn new(list: &BlockAllowList, case_sensitive: bool) -> Result<Self> {
        let schemas = |patterns: &[String]| -> Result<Vec<Selector>> {
            patterns.iter().map(|pattern| Selector::new(pattern, case_sensitive).map_err(invalid)).collect()
        };
        let tables = |patterns: &[TableName]| -> Result<Vec<(Selector, Selector)>> {
            patterns.iter().map(|pattern| table_pattern(pattern, case_sensitive)).collect()
        };
        Ok(BlockAllow {
            do_schemas: schemas(&list.do_dbs)?,
            ignore_schemas: schemas(&list.ignore_dbs)?,
            do_tables: tables(&list.do_tables)?,
            ignore_tables: tables(&list.ignore_tables)?,
        })
    }

    /// Whether a schema's own statements (CREATE DATABASE ...) are migrated. System schemas never are.
    pub fn allows_schema(&self, schema: &str) -> bool {
        if is_system_schema(schema) {
            return false;
        }
        if !self.do_schemas.is_empty() {
            return self.do_schemas.iter().any(|pattern| pattern.matches(schema));
        }
        !self.ignore_schemas.iter().any(|pattern| pattern.matches(schema))
    }

    /// Whether a table is migrated: its schema must be, then do-tables, then ignore-tables, then only if there are
    /// no do-tables.
    pub fn allows(&self, schema: &str, table: &str) -> bool {
        if !self.allows_schema(schema) {
            return false;
        }
        let hit = |patterns: &[(Selector, Selector)]| {
            patterns.iter().any(|(db, tbl)| db.matches(schema) && tbl.matches(table))
        };
        if hit(&self.do_tables) {
            return true;
        }
        !hit(&self.ignore_tables) && self.do_tables.is_empty()
    }
}

fn table_pattern(pattern: &TableName, case_sensitive: bool) -> Result<(Selector, Selector)> {
    if pattern.db_name.is_empty() || pattern.tbl_name.is_empty() {
        return Err(invalid("Table string cannot be empty: db-name and tbl-name are both needed".to_owned()));
    }
    let selector = |text: &str| Selector::new(text, case_sensitive).map_err(invalid);
    Ok((selector(&pattern.db_name)?, selector(&pattern.tbl_name)?))
}

fn invalid(reason: String) -> DmError {
    DmError::new(Code::ConfigGenBAList)
        .msg("the block-allow-list is invalid")
        .cause(reason)
        .workaround("Please check the `block-allow-list` config in the task configuration file.")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(db: &str, tbl: &str) -> TableName {
        TableName { db_name: db.into(), tbl_name: tbl.into() }
    }

    fn strings(items: &[&str]) -> Vec<String> {
        items.iter().map(|s| (*s).to_owned()).collect()
    }

    /// The worked example of the manual, 1.3.1.2.4.
    #[test]
    fn the_manuals_example() {
        let list = BlockAllowList {
            do_dbs: strings(&["forum_backup_2018", "forum"]),
            ignore_dbs: strings(&["~^forum_backup_"]),
            do_tables: vec![table("logs", "~_2018$"), table("~^forum.*", "messages")],
            ignore_tables: vec![table("~.*", "^messages.*")],
        };
        let list = BlockAllow::new(&list, false).unwrap();
        for (schema, name, kept) in [
            ("logs", "messages_2016", false),
            ("logs", "messages_2017", false),
            ("logs", "messages_2018", false),
            ("forum_backup_2016", "messages", false),
            ("forum_backup_2017", "messages", false),
            ("forum", "users", false),
            ("forum", "messages", true),
            ("forum_backup_2018", "messages", true),
        ] {
            assert_eq!(list.allows(schema, name), kept, "{schema}.{name}");
        }
        assert!(list.allows_schema("forum") && !list.allows_schema("logs"));
    }

    #[test]
    fn order_of_the_lists() {
        let ignore = BlockAllowList {
            ignore_dbs: strings(&["test*"]),
            ignore_tables: vec![table("app", "log")],
            ..BlockAllowList::default()
        };
        let ignore = BlockAllow::new(&ignore, false).unwrap();
        assert!(!ignore.allows_schema("test_1") && ignore.allows("app", "users") && !ignore.allows("APP", "LOG"));
        let both = BlockAllowList {
            do_tables: vec![table("app", "t*")],
            ignore_tables: vec![table("app", "t1")],
            ..BlockAllowList::default()
        };
        let both = BlockAllow::new(&both, false).unwrap();
        assert!(both.allows("app", "t1") && !both.allows("app", "x"));
    }

    #[test]
    fn system_schemas_are_always_skipped() {
        let list = BlockAllow::new(&BlockAllowList::default(), true).unwrap();
        assert!(list.allows("app", "t"));
        for schema in ["mysql", "MySQL", "sys", "information_schema", "dm_heartbeat"] {
            assert!(!list.allows(schema, "t") && !list.allows_schema(schema), "{schema}");
        }
    }

    #[test]
    fn invalid_lists() {
        let empty = BlockAllowList { do_tables: vec![table("a", "")], ..BlockAllowList::default() };
        let error = BlockAllow::new(&empty, false).unwrap_err();
        assert_eq!(error.code(), Code::ConfigGenBAList);
        assert!(error.raw_cause().contains("Table string cannot be empty"));
        let bad = BlockAllowList { do_dbs: strings(&["~("]), ..BlockAllowList::default() };
        assert_eq!(BlockAllow::new(&bad, false).unwrap_err().code(), Code::ConfigGenBAList);
    }
}
