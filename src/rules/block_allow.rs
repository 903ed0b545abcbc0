//! Block-allow list: which schemas and tables are migrated (config facts 6.3).

use std::fmt;

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
        self.schema_reason(schema).allows()
    }

    /// Whether a table is migrated: its schema must be, then do-tables, then ignore-tables, then only if there are
    /// no do-tables.
    pub fn allows(&self, schema: &str, table: &str) -> bool {
        self.allows_schema(schema) && self.table_reason(schema, table).allows()
    }

    /// What decides about a schema.
    pub fn schema_reason(&self, schema: &str) -> ListReason<'_> {
        let hit = |patterns: &'_ [Selector]| patterns.iter().position(|pattern| pattern.matches(schema));
        if is_system_schema(schema) {
            return ListReason::SystemSchema;
        }
        if !self.do_schemas.is_empty() {
            return match hit(&self.do_schemas).and_then(|at| self.do_schemas.get(at)) {
                Some(pattern) => ListReason::DoSchema(pattern),
                None => ListReason::NotInDoSchemas,
            };
        }
        match hit(&self.ignore_schemas).and_then(|at| self.ignore_schemas.get(at)) {
            Some(pattern) => ListReason::IgnoredSchema(pattern),
            None => ListReason::NoSchemaRule,
        }
    }

    /// What decides about a table whose schema is migrated.
    pub fn table_reason(&self, schema: &str, table: &str) -> ListReason<'_> {
        fn hit<'a>(list: &'a [(Selector, Selector)], schema: &str, table: &str) -> Option<&'a (Selector, Selector)> {
            list.iter().find(|(db, tbl)| db.matches(schema) && tbl.matches(table))
        }
        if let Some((db, tbl)) = hit(&self.do_tables, schema, table) {
            return ListReason::DoTable(db, tbl);
        }
        if let Some((db, tbl)) = hit(&self.ignore_tables, schema, table) {
            return ListReason::IgnoredTable(db, tbl);
        }
        if self.do_tables.is_empty() { ListReason::NoTableRule } else { ListReason::NotInDoTables }
    }

    /// Whether an entry of `ignore-tables` keeps a table of a migrated schema out.
    pub fn names_as_ignored(&self, schema: &str, table: &str) -> bool {
        self.allows_schema(schema) && matches!(self.table_reason(schema, table), ListReason::IgnoredTable(..))
    }

    /// Every pattern, for hints.
    pub fn patterns(&self) -> impl Iterator<Item = &Selector> {
        let tables = self.do_tables.iter().chain(&self.ignore_tables).flat_map(|(db, tbl)| [db, tbl]);
        self.do_schemas.iter().chain(&self.ignore_schemas).chain(tables)
    }
}

/// Which part of a block-allow list decides, with its pattern.
#[derive(Clone, Copy, Debug)]
pub enum ListReason<'a> {
    SystemSchema,
    DoSchema(&'a Selector),
    NotInDoSchemas,
    IgnoredSchema(&'a Selector),
    NoSchemaRule,
    DoTable(&'a Selector, &'a Selector),
    IgnoredTable(&'a Selector, &'a Selector),
    NotInDoTables,
    NoTableRule,
}

impl ListReason<'_> {
    /// Whether the list lets it in.
    pub fn allows(&self) -> bool {
        use ListReason::*;
        match self {
            DoSchema(_) | NoSchemaRule | DoTable(..) | NoTableRule => true,
            SystemSchema | NotInDoSchemas | IgnoredSchema(_) | IgnoredTable(..) | NotInDoTables => false,
        }
    }
}

impl fmt::Display for ListReason<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            ListReason::SystemSchema => f.write_str("a system schema is never migrated"),
            ListReason::DoSchema(pattern) => write!(f, "do-dbs: `{}` matches", pattern.text()),
            ListReason::NotInDoSchemas => f.write_str("no pattern of do-dbs matches"),
            ListReason::IgnoredSchema(pattern) => write!(f, "ignore-dbs: `{}` matches", pattern.text()),
            ListReason::NoSchemaRule => f.write_str("there are no do-dbs, and no pattern of ignore-dbs matches"),
            ListReason::DoTable(db, tbl) => write!(f, "do-tables: `{}`.`{}` matches", db.text(), tbl.text()),
            ListReason::IgnoredTable(db, tbl) => write!(f, "ignore-tables: `{}`.`{}` matches", db.text(), tbl.text()),
            ListReason::NotInDoTables => f.write_str("no entry of do-tables matches"),
            ListReason::NoTableRule => f.write_str("there are no do-tables, and no entry of ignore-tables matches"),
        }
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

    /// The worked example of the manual, 1.3.1.2.4: each row with its reason.
    #[test]
    fn the_manuals_example() {
        let list = BlockAllowList {
            do_dbs: strings(&["forum_backup_2018", "forum"]),
            ignore_dbs: strings(&["~^forum_backup_"]),
            do_tables: vec![table("logs", "~_2018$"), table("~^forum.*", "messages")],
            ignore_tables: vec![table("~.*", "^messages.*")],
        };
        let list = BlockAllow::new(&list, false).unwrap();
        let not_in_schemas = "no pattern of do-dbs matches";
        let by_table = "do-tables: `~^forum.*`.`messages` matches";
        for (schema, name, kept, why) in [
            ("logs", "messages_2016", false, not_in_schemas),
            ("logs", "messages_2017", false, not_in_schemas),
            ("logs", "messages_2018", false, not_in_schemas),
            ("forum_backup_2016", "messages", false, not_in_schemas),
            ("forum_backup_2017", "messages", false, not_in_schemas),
            ("forum", "users", false, "no entry of do-tables matches"),
            ("forum", "messages", true, by_table),
            ("forum_backup_2018", "messages", true, by_table),
        ] {
            assert_eq!(list.allows(schema, name), kept, "{schema}.{name}");
            let schema_reason = list.schema_reason(schema);
            let reason = if schema_reason.allows() { list.table_reason(schema, name) } else { schema_reason };
            assert_eq!(reason.to_string(), why, "{schema}.{name}");
        }
        assert!(list.allows_schema("forum") && !list.allows_schema("logs"));
    }

    /// The lists of 1.3.1.2.1 (wildcards with classes; expressions) and of 2.4.3.4 (a wildcard schema, one table out).
    #[test]
    fn the_manuals_other_lists() {
        let rule_1 = BlockAllowList {
            do_dbs: strings(&["test*"]),
            do_tables: vec![table("test[123]", "t[1-5]"), table("test", "t")],
            ..BlockAllowList::default()
        };
        let rule_2 = BlockAllowList {
            do_dbs: strings(&["~^test.*"]),
            ignore_dbs: strings(&["mysql"]),
            do_tables: vec![table("~^test.*", "~^t.*"), table("test", "t")],
            ignore_tables: vec![table("test", "log")],
        };
        let shards = BlockAllowList {
            do_dbs: strings(&["user", "store_*"]),
            ignore_tables: vec![table("user", "log_bak")],
            ..BlockAllowList::default()
        };
        let kept = |list: &BlockAllowList, names: &[(&str, &str)]| -> Vec<bool> {
            let list = BlockAllow::new(list, false).unwrap();
            names.iter().map(|(schema, name)| list.allows(schema, name)).collect()
        };
        let names =
            [("test1", "t1"), ("test3", "T5"), ("test4", "t1"), ("test1", "t6"), ("test", "t"), ("test", "log")];
        assert_eq!(kept(&rule_1, &names), [true, true, false, false, true, false]);
        assert_eq!(kept(&rule_2, &names), [true, true, true, true, true, false]);
        let names = [("user", "information"), ("user", "log_bak"), ("store_01", "sale_02"), ("log", "messages")];
        assert_eq!(kept(&shards, &names), [true, false, true, false]);
        let log_ignored = BlockAllowList { ignore_dbs: strings(&["log"]), ..BlockAllowList::default() };
        assert_eq!(kept(&log_ignored, &names), [true, true, true, false]);
    }

    /// Names are compared as they are only with `case-sensitive: true`, and then also by expressions.
    #[test]
    fn case_of_names() {
        let list = BlockAllowList {
            do_dbs: strings(&["App", "~^Log"]),
            do_tables: vec![table("App", "T?"), table("~Log", "~X$")],
            ..BlockAllowList::default()
        };
        let (folded, exact) = (BlockAllow::new(&list, false).unwrap(), BlockAllow::new(&list, true).unwrap());
        for (schema, name, exactly) in [
            ("App", "T1", true),
            ("app", "T1", false),
            ("App", "t1", false),
            ("Logs", "aX", true),
            ("logs", "ax", false),
        ] {
            assert!(folded.allows(schema, name), "{schema}.{name}");
            assert_eq!(exact.allows(schema, name), exactly, "{schema}.{name}");
        }
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
