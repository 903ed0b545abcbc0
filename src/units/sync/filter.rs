//! The filter stage: which tables and events are migrated, and where to. A plain structure, asked by `translate`.

use std::{collections::HashMap, sync::Arc};

use super::location::Transaction;
use crate::{
    config::SubtaskConfig,
    error::DmError,
    mysql::binlog::RowsKind,
    rules::{
        Admission, Event, EventKind, ExtraColumn, FilterAction, TaskRules,
        expression::{Compiled, Filters},
        operator::{EventPlace, Operator, Operators},
    },
    schema::{
        ServerInfo,
        ddl::Statement,
        model::{TableId, TableInfo},
    },
};

/// The task's rules, compiled.
pub struct Rules {
    task: Arc<TaskRules>,
    expressions: Filters,
    source_id: String,
    /// `migrate-statements` of the task.
    migrated: Vec<String>,
    /// What the user put in the place of events.
    operators: Arc<Operators>,
    /// Decisions about tables that were seen: nothing is matched twice.
    seen: HashMap<TableId, RowDecision>,
}

/// What becomes of a table's rows.
#[derive(Default)]
struct RowDecision {
    target: Option<Arc<TableId>>,
    /// Whether event filters let inserts, updates and deletes pass, once they were asked.
    passes: [Option<bool>; 3],
}

impl Rules {
    /// Compiles a task's rules. Errors name the rule (20044, 20045, 20048).
    pub fn new(config: &SubtaskConfig) -> Result<Rules, DmError> {
        Ok(Rules {
            task: Arc::new(TaskRules::new(config)?),
            expressions: Filters::new(&config.expression_filters, &config.timezone, config.case_sensitive)?,
            source_id: config.source_id.clone(),
            migrated: config.migrate_statements.clone(),
            operators: Arc::default(),
            seen: HashMap::new(),
        })
    }

    /// With the operators of the subtask.
    pub fn with_operators(self, operators: Arc<Operators>) -> Rules {
        Rules { operators, ..self }
    }

    /// What the user put in the place of the event that begins at `start`; `alone`: it is the whole transaction.
    pub fn operator(&self, transaction: &Transaction, start: u64, alone: bool) -> Option<Operator> {
        if self.operators.is_empty() {
            return None;
        }
        let begin = &transaction.before.position;
        let gtid = transaction.gtid.as_ref().map(ToString::to_string).unwrap_or_default();
        let transaction = alone.then_some(begin.pos);
        self.operators.at(EventPlace { file: &begin.name, start, transaction, gtid: &gtid })
    }

    /// Whether the task wants statements of this kind (see `migrate-statements`) on the target.
    pub fn migrates(&self, kind: &str) -> bool {
        self.migrated.iter().any(|migrated| migrated == kind)
    }

    /// The target of a table's inserted, updated or deleted rows; None when they aren't migrated.
    pub fn row_target(&mut self, table: &TableId, kind: EventKind) -> Result<Option<Arc<TableId>>, DmError> {
        if !self.seen.contains_key(table) {
            let target = if self.task.takes_rows(table) { Some(Arc::new(self.route(table)?)) } else { None };
            self.seen.insert(table.clone(), RowDecision { target, passes: [None; 3] });
        }
        let slot = match kind {
            EventKind::Insert => 0,
            EventKind::Update => 1,
            _ => 2,
        };
        let Some(RowDecision { target: Some(target), passes }) = self.seen.get(table) else { return Ok(None) };
        let target = target.clone();
        let passes = match passes[slot] {
            Some(known) => known,
            None => {
                let passes = self.passes(table, kind.into(), None)?;
                if let Some(decision) = self.seen.get_mut(table) {
                    decision.passes[slot] = Some(passes);
                }
                passes
            }
        };
        Ok(passes.then_some(target))
    }

    /// Where a table (name empty: a schema) goes.
    pub fn route(&self, table: &TableId) -> Result<TableId, DmError> {
        self.task.route(table)
    }

    /// Columns that the table's route adds.
    pub fn extra_columns(&self, table: &TableId) -> Result<Vec<ExtraColumn>, DmError> {
        self.task.router.extra_columns(&table.schema, &table.name, &self.source_id)
    }

    /// Whether a table's statements are migrated.
    pub fn allows(&self, table: &TableId) -> bool {
        self.task.allows(table)
    }

    /// What the stage needs that reads the source.
    pub fn of_rows(&self) -> RowRules {
        RowRules { task: self.task.clone(), operators: self.operators.clone() }
    }

    /// Whether an event filter lets the event pass. Error 36015 when a rule says so.
    pub fn passes(&self, table: &TableId, event: Event, sql: Option<&str>) -> Result<bool, DmError> {
        Ok(self.task.filter.filter(&table.schema, &table.name, event, sql)? == FilterAction::Do)
    }

    /// Whether a statement that can't be parsed is filtered by its text.
    pub fn ignores_text(&self, sql: &str) -> Result<bool, DmError> {
        Ok(self.task.filter.filter_unparsed(sql)? == FilterAction::Ignore)
    }

    /// What the lists and the online-DDL patterns say about a statement of one table, RENAME pair or database.
    pub fn admit(&self, statement: &Statement) -> Result<Admission, DmError> {
        self.task.admit(statement)
    }

    /// Error 20049: a swap of two tables of which only one half fits the online-DDL patterns.
    pub fn check_swap(&self, statement: &Statement) -> Result<(), DmError> {
        self.task.check_swap(statement)
    }

    /// A swap with tables that `ignore-tables` names, which is skipped.
    pub fn swaps_ignored(&self, statement: &Statement) -> bool {
        self.task.swaps_ignored(statement)
    }

    /// The real table that a shadow table's name tells.
    pub fn shadow_of<'a>(&self, table: &'a str) -> Option<&'a str> {
        self.task.ghosts.real_name(table)
    }

    /// Whether a table's rows are migrated.
    pub fn takes_rows(&self, table: &TableId) -> bool {
        self.task.takes_rows(table)
    }

    /// Whether the task follows online schema changes.
    pub fn online_ddl(&self) -> bool {
        self.task.ghosts.is_on()
    }

    /// The expression filters over a table's rows as this source evaluates them; None when it has none. Error 20041.
    pub fn expressions(&self, table: &TableInfo, server: ServerInfo) -> Result<Option<Compiled>, DmError> {
        self.expressions.compile(table, server)
    }
}

/// Which tables' rows aren't migrated, whatever is in them.
pub struct RowRules {
    task: Arc<TaskRules>,
    operators: Arc<Operators>,
}

impl RowRules {
    /// Whether the user put something in the place of events.
    pub fn has_operators(&self) -> bool {
        !self.operators.is_empty()
    }

    /// Whether rows of this kind are left out. What the rules can't answer isn't: `translate` says why.
    pub fn skips(&self, table: &TableId, kind: RowsKind) -> bool {
        if !self.task.takes_rows(table) {
            return true;
        }
        let event = match kind {
            RowsKind::Insert => EventKind::Insert,
            RowsKind::Update => EventKind::Update,
            RowsKind::Delete => EventKind::Delete,
        };
        let passes = || self.task.filter.filter(&table.schema, &table.name, event.into(), None);
        self.task.route(table).is_ok() && passes().is_ok_and(|action| action != FilterAction::Do)
    }
}

/// Row changes that expression filters skipped in this run; told in the log at its end (behaviours facts, log fragments).
#[derive(Default)]
pub struct FilteredRows {
    inserts: u64,
    updates: u64,
    deletes: u64,
}

impl FilteredRows {
    /// Notes a change that has these images.
    pub fn count(&mut self, before: bool, after: bool) {
        match (before, after) {
            (true, true) => self.updates += 1,
            (true, false) => self.deletes += 1,
            _ => self.inserts += 1,
        }
    }
}

impl Drop for FilteredRows {
    fn drop(&mut self) {
        if self.inserts + self.updates + self.deletes > 0 {
            tracing::info!(
                "number of filtered insert" = self.inserts,
                "number of filtered update" = self.updates,
                "number of filtered delete" = self.deletes,
                "expression filters skipped row changes"
            );
        }
    }
}
