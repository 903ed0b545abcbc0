//! Why a table, an event or a statement is migrated or not: every step of a task's rules, for people and for scripts.
//! The steps are taken by the structures that the units use, so what is explained is what happens.

mod report;
mod row;
mod statement;
#[cfg(test)]
mod tests;
mod text;

pub use report::*;
pub use text::print;

use super::{
    Event, EventKind, FilterStep, StepOutcome, TaskRules, expression::Filters, is_system_schema, selector::Selector,
};
use crate::{
    config::{SubtaskConfig, subtask::FilterRule},
    error::{Code, DmError, Result},
    schema::{ServerInfo, TableInfo, model::TableId},
};

/// What the task file calls the rules of one source, each list in the order of the subtask's.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct RuleNames {
    pub list: String,
    pub routes: Vec<String>,
    pub filters: Vec<String>,
    pub expressions: Vec<String>,
}

/// A task's rules on one source, with their names.
pub struct Explainer {
    config: SubtaskConfig,
    names: RuleNames,
    rules: TaskRules,
    expressions: Filters,
}

impl Explainer {
    /// Compiles the rules; errors as a task's start would give them.
    pub fn new(config: SubtaskConfig, names: RuleNames) -> Result<Explainer> {
        let rules = TaskRules::new(&config)?;
        let expressions = Filters::new(&config.expression_filters, &config.timezone, config.case_sensitive)?;
        Ok(Explainer { config, names, rules, expressions })
    }

    /// What applies to every table: rules that are skipped, patterns that may mean something else.
    pub fn hints(&self) -> Vec<String> {
        let mut hints = Vec::new();
        for (index, rule) in self.config.filters.iter().enumerate() {
            if let Some(problem) = super::EventFilter::problem(rule, self.config.case_sensitive) {
                hints.push(format!("filter {} is skipped: {problem}", self.filter_name(index)));
            } else if rule.action == "Do" && rule.events.is_empty() {
                hints.push(format!(
                    "filter {}: action Do without events names no event, so it skips all rows of its tables",
                    self.filter_name(index)
                ));
            }
        }
        let patterns =
            self.rules.lists.patterns().chain(self.rules.router.patterns()).chain(self.rules.filter.patterns());
        for hint in patterns.filter_map(Selector::hint) {
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
        hints
    }

    /// A table (name empty: a schema) and what becomes of its events; `asked` empty: of all.
    pub fn table(&self, id: &TableId, asked: &[Event]) -> TableReport {
        let list = self.list(id);
        let helper = self.rules.ghosts.kind(&id.name).filter(|_| !id.name.is_empty()).map(|ghost| format!("{ghost:?}"));
        let route = self.route(id);
        let all = if asked.is_empty() { events_of(id) } else { asked.to_vec() };
        let events: Vec<EventReport> = all.iter().map(|event| self.event(id, *event, None)).collect();
        TableReport {
            schema: id.schema.clone(),
            table: id.name.clone(),
            migrated: list.allowed && helper.is_none() && route.error.is_none(),
            why_not: self.why_not(&list, helper.as_deref(), &route),
            notes: self.notes(id, &list),
            list,
            helper: helper.map(|kind| kind.to_lowercase()),
            route,
            expression_filters: self.expressions_of(id),
            filters: self
                .rules
                .filter
                .rules_of(&id.schema, &id.name)
                .into_iter()
                .map(|i| self.filter_name(i))
                .collect(),
            events,
            all_events: asked.is_empty(),
        }
    }

    /// A row change of a table with this structure, as JSON objects: an insert has only `new`, a delete only `old`.
    /// `now` is the moment of the change in microseconds since 1970. Error 20041: a value isn't one of its column, or an
    /// expression can't be evaluated.
    pub fn row(
        &self,
        info: &TableInfo,
        server: ServerInfo,
        old: Option<&str>,
        new: Option<&str>,
        now: i64,
    ) -> Result<RowReport> {
        let read = |text: Option<&str>| {
            let invalid =
                |why| DmError::new(Code::ConfigExprFilterWrongGrammar).msg(why).workaround("Please correct the row.");
            text.map(|text| row::row(text, info)).transpose().map_err(invalid)
        };
        let (old_row, new_row) = (read(old)?, read(new)?);
        let kind = match (&old_row, &new_row) {
            (Some(_), Some(_)) => EventKind::Update,
            (Some(_), None) => EventKind::Delete,
            _ => EventKind::Insert,
        };
        let table = self.table(&info.id(), &[kind.into()]);
        let taken = self.expressions.explain(info, server, old_row.as_deref(), new_row.as_deref(), now)?;
        let by_event = table.events.iter().any(|event| event.action != EventAction::Migrate);
        Ok(RowReport {
            event: kind.name().to_owned(),
            migrated: table.migrated && !by_event && taken.is_none(),
            expressions: taken.map(|taken| taken.expressions).unwrap_or_default(),
            table,
        })
    }

    fn list(&self, id: &TableId) -> ListReport {
        let schema = self.rules.lists.schema_reason(&id.schema);
        let table =
            (schema.allows() && !id.name.is_empty()).then(|| self.rules.lists.table_reason(&id.schema, &id.name));
        ListReport {
            name: Some(self.names.list.clone()).filter(|name| !name.is_empty()),
            allowed: schema.allows() && table.is_none_or(|reason| reason.allows()),
            schema: schema.to_string(),
            table: table.map(|reason| reason.to_string()),
        }
    }

    fn route(&self, id: &TableId) -> RouteReport {
        let mut report = RouteReport::default();
        match self.rules.router.decide(&id.schema, &id.name) {
            Err(error) => report.error = Some(error.to_string()),
            Ok(route) => {
                report.rule = route.rule.map(|index| name_of(&self.names.routes, index, "route"));
                report.level = route.rule.map(|_| if route.table_level { "table" } else { "schema" }.to_owned());
                report.pattern = route.rule.and_then(|index| self.config.routes.get(index)).map(|rule| {
                    let table = if rule.table_pattern.is_empty() {
                        String::new()
                    } else {
                        format!(".`{}`", rule.table_pattern)
                    };
                    format!("`{}`{table}", rule.schema_pattern)
                });
                (report.target_schema, report.target_table) = (route.schema, route.table);
            }
        }
        if !id.name.is_empty()
            && let Ok(columns) = self.rules.router.extra_columns(&id.schema, &id.name, &self.config.source_id)
        {
            report.columns = columns.into_iter().map(|c| ColumnReport { name: c.name, value: c.value }).collect();
        }
        report
    }

    /// What the event filters do with one event of a table.
    fn event(&self, id: &TableId, event: Event, sql: Option<&str>) -> EventReport {
        let steps = self.rules.filter.steps(&id.schema, &id.name, Some(event), sql);
        self.decided(event.kind.name(), &steps)
    }

    fn decided(&self, event: &str, steps: &[FilterStep]) -> EventReport {
        let action = match steps.last().map(|step| step.outcome) {
            None | Some(StepOutcome::Pass) => EventAction::Migrate,
            Some(StepOutcome::Ignored | StepOutcome::NotDone) => EventAction::Skip,
            Some(StepOutcome::Refused) => EventAction::Error,
        };
        let steps = steps.iter().map(|step| StepReport {
            filter: self.filter_name(step.rule),
            rule: self.config.filters.get(step.rule).map(described).unwrap_or_default(),
            by_event: step.by_event,
            by_sql: step.by_sql,
            outcome: step.outcome.to_string(),
        });
        EventReport { event: event.to_owned(), table: None, action, steps: steps.collect() }
    }

    fn why_not(&self, list: &ListReport, helper: Option<&str>, route: &RouteReport) -> Option<String> {
        if !list.allowed {
            let reason = list.table.as_ref().unwrap_or(&list.schema);
            return Some(match &list.name {
                Some(name) => format!("block-allow list {name}: {reason}"),
                None => reason.clone(),
            });
        }
        let ghost = || helper.map(|kind| format!("a {} table of an online schema change tool", kind.to_lowercase()));
        ghost().or_else(|| route.error.clone())
    }

    /// What may surprise about one table.
    fn notes(&self, id: &TableId, list: &ListReport) -> Vec<String> {
        let mut notes = Vec::new();
        if self.config.case_sensitive && !list.allowed && !is_system_schema(&id.schema) {
            let folded = SubtaskConfig { case_sensitive: false, ..self.config.clone() };
            if TaskRules::new(&folded).is_ok_and(|rules| rules.allows(id)) {
                notes.push("names differ in case only: it would be migrated with `case-sensitive: false`".to_owned());
            }
        }
        if id.name.is_empty() || !list.allowed {
            return notes;
        }
        let schema = TableId::new(id.schema.as_str(), "");
        if let (Ok(table), Ok(schema)) = (self.rules.route(id), self.rules.route(&schema))
            && table.schema != schema.schema
        {
            notes.push(format!(
                "CREATE DATABASE {} makes {} on the target, not {}: a schema-level route (one without table-pattern) says \
                 where a schema's own statements go",
                id.schema, schema.schema, table.schema
            ));
        }
        notes
    }

    fn expressions_of(&self, id: &TableId) -> Vec<String> {
        let same = |a: &str, b: &str| a == b || !self.config.case_sensitive && a.to_lowercase() == b.to_lowercase();
        let filters = self.config.expression_filters.iter().enumerate();
        let own = filters.filter(|(_, filter)| same(&filter.schema, &id.schema) && same(&filter.table, &id.name));
        own.map(|(index, _)| name_of(&self.names.expressions, index, "expression filter")).collect()
    }

    fn filter_name(&self, index: usize) -> String {
        name_of(&self.names.filters, index, "filter")
    }
}

fn name_of(names: &[String], index: usize, what: &str) -> String {
    names.get(index).cloned().unwrap_or_else(|| format!("{what} {}", index + 1))
}

/// Every event that a table (or a schema) can have.
fn events_of(id: &TableId) -> Vec<Event> {
    use EventKind::*;
    let of_schemas = [CreateDatabase, DropDatabase, AlterDatabase, ModifySchemaCharsetAndCollate];
    let on_schema = |kind: &EventKind| of_schemas.contains(kind);
    EventKind::ALL.iter().filter(|kind| on_schema(kind) == id.name.is_empty()).map(|kind| whole(*kind)).collect()
}

/// An event by its name alone, as part of the statement that most often has it.
pub fn whole(kind: EventKind) -> Event {
    use EventKind::*;
    match kind {
        ModifySchemaCharsetAndCollate => Event { kind, statement: AlterDatabase },
        CreateDatabase | DropDatabase | AlterDatabase | CreateTable | DropTable | TruncateTable | RenameTable
        | CreateIndex | DropIndex | CreateView | DropView | RecoverTable | Insert | Update | Delete => kind.into(),
        _ => Event::clause(kind),
    }
}

/// A rule in short.
fn described(rule: &FilterRule) -> String {
    let table = if rule.table_pattern.is_empty() { String::new() } else { format!(".`{}`", rule.table_pattern) };
    let sql = if rule.sql_pattern.is_empty() { String::new() } else { format!(", sql-pattern {:?}", rule.sql_pattern) };
    format!("`{}`{table} {} {:?}{sql}", rule.schema_pattern, rule.action, rule.events)
}
