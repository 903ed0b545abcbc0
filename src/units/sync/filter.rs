//! The filter stage: which tables and events are migrated, and where to. A plain structure, asked by `translate`.

use std::collections::HashMap;

use regex::Regex;

use crate::{
    config::SubtaskConfig,
    error::{Code, DmError},
    rules::{BlockAllow, Event, EventFilter, ExtraColumn, FilterAction, Router, regexp},
    schema::model::TableId,
};

/// The task's rules, compiled.
pub struct Rules {
    allow: BlockAllow,
    filter: EventFilter,
    router: Router,
    ghosts: GhostTables,
    source_id: String,
    /// Decisions about tables that were seen.
    routes: HashMap<TableId, Option<TableId>>,
}

impl Rules {
    /// Compiles a task's rules. Errors name the rule (20044, 20045, 20048).
    pub fn new(config: &SubtaskConfig) -> Result<Rules, DmError> {
        crate::rules::expression::check(&config.expression_filters)?;
        Ok(Rules {
            allow: BlockAllow::new(&config.block_allow_list, config.case_sensitive)?,
            filter: EventFilter::new(&config.filters, config.case_sensitive),
            router: Router::new(&config.routes, config.case_sensitive)?,
            ghosts: GhostTables::new(config)?,
            source_id: config.source_id.clone(),
            routes: HashMap::new(),
        })
    }

    /// The target of a table's rows; None when they aren't migrated.
    pub fn target(&mut self, table: &TableId) -> Result<Option<TableId>, DmError> {
        if let Some(known) = self.routes.get(table) {
            return Ok(known.clone());
        }
        let migrated = self.allow.allows(&table.schema, &table.name) && self.ghosts.kind(&table.name).is_none();
        let target = if migrated { Some(self.route(table)?) } else { None };
        self.routes.insert(table.clone(), target.clone());
        Ok(target)
    }

    /// Where a table (name empty: a schema) goes.
    pub fn route(&self, table: &TableId) -> Result<TableId, DmError> {
        let (schema, name) = self.router.route(&table.schema, &table.name)?;
        Ok(TableId::new(schema, name))
    }

    /// Columns that the table's route adds.
    pub fn extra_columns(&self, table: &TableId) -> Result<Vec<ExtraColumn>, DmError> {
        self.router.extra_columns(&table.schema, &table.name, &self.source_id)
    }

    /// Whether a table's statements are migrated.
    pub fn allows(&self, table: &TableId) -> bool {
        if table.name.is_empty() {
            self.allow.allows_schema(&table.schema)
        } else {
            self.allow.allows(&table.schema, &table.name)
        }
    }

    /// Whether an event filter lets the event pass. Error 36015 when a rule says so.
    pub fn passes(&self, table: &TableId, event: Event, sql: Option<&str>) -> Result<bool, DmError> {
        Ok(self.filter.filter(&table.schema, &table.name, event, sql)? == FilterAction::Do)
    }

    /// Whether a statement that can't be parsed is filtered by its text.
    pub fn ignores_text(&self, sql: &str) -> Result<bool, DmError> {
        Ok(self.filter.filter_unparsed(sql)? == FilterAction::Ignore)
    }

    /// What an online schema change tool uses the table for.
    pub fn ghost(&self, table: &TableId) -> Option<Ghost> {
        self.ghosts.kind(&table.name)
    }
}

/// A helper table of gh-ost or pt-osc.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ghost {
    /// The copy that becomes the real table.
    Shadow,
    /// Logs and the old table.
    Trash,
}

/// The patterns of helper tables; none when `online-ddl` is off.
struct GhostTables {
    shadow: Vec<Regex>,
    trash: Vec<Regex>,
}

impl GhostTables {
    fn new(config: &SubtaskConfig) -> Result<GhostTables, DmError> {
        if !config.online_ddl {
            return Ok(GhostTables { shadow: Vec::new(), trash: Vec::new() });
        }
        let compile = |rules: &[String], default: &str| -> Result<Vec<Regex>, DmError> {
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
            shadow: compile(&config.shadow_table_rules, crate::config::SHADOW_TABLE_RULE)?,
            trash: compile(&config.trash_table_rules, crate::config::TRASH_TABLE_RULE)?,
        })
    }

    fn kind(&self, table: &str) -> Option<Ghost> {
        if self.shadow.iter().any(|rule| rule.is_match(table)) {
            Some(Ghost::Shadow)
        } else if self.trash.iter().any(|rule| rule.is_match(table)) {
            Some(Ghost::Trash)
        } else {
            None
        }
    }
}
