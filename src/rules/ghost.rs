//! Helper tables of online schema change tools (gh-ost, pt-osc), told by their names.

use regex::Regex;

use super::regexp;
use crate::{
    config::{SHADOW_TABLE_RULE, SubtaskConfig, TRASH_TABLE_RULE},
    error::{Code, DmError, Result},
};

/// A helper table.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ghost {
    /// The copy that becomes the real table.
    Shadow,
    /// Logs and the old table.
    Trash,
}

/// The patterns of helper tables; none when `online-ddl` is off.
#[derive(Clone, Debug, Default)]
pub struct GhostTables {
    shadow: Vec<Regex>,
    trash: Vec<Regex>,
}

impl GhostTables {
    /// Compiles a task's `shadow-table-rules` and `trash-table-rules`. Error 20048 names the rule.
    pub fn new(config: &SubtaskConfig) -> Result<GhostTables> {
        if !config.online_ddl {
            return Ok(GhostTables::default());
        }
        let compile = |rules: &[String], default: &str| -> Result<Vec<Regex>> {
            let given: Vec<&str> =
                if rules.is_empty() { vec![default] } else { rules.iter().map(String::as_str).collect() };
            let each = given.into_iter().map(|rule| {
                regexp::compile(rule, true).map_err(|e| {
                    DmError::new(Code::ConfigOnlineDDLInvalidRegex).msg(format!("online-ddl rule `{rule}`")).cause(e)
                })
            });
            each.collect()
        };
        Ok(GhostTables {
            shadow: compile(&config.shadow_table_rules, SHADOW_TABLE_RULE)?,
            trash: compile(&config.trash_table_rules, TRASH_TABLE_RULE)?,
        })
    }

    /// Whether the task follows online schema changes at all.
    pub fn is_on(&self) -> bool {
        !self.shadow.is_empty()
    }

    /// The real table that a shadow table's name tells: a guess, for tools shorten long names.
    pub fn real_name<'a>(&self, table: &'a str) -> Option<&'a str> {
        let captured = self.shadow.iter().find_map(|rule| rule.captures(table))?;
        captured.get(1).map(|name| name.as_str())
    }

    /// What a tool uses a table of this name for.
    pub fn kind(&self, table: &str) -> Option<Ghost> {
        if self.shadow.iter().any(|rule| rule.is_match(table)) {
            Some(Ghost::Shadow)
        } else if self.trash.iter().any(|rule| rule.is_match(table)) {
            Some(Ghost::Trash)
        } else {
            None
        }
    }
}
