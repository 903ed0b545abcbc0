//! Binlog event filters: rules by table, event kind and statement text (config facts 6.2).

use std::fmt;

use regex::Regex;

use super::{
    event_kind::{Event, EventPattern, Verdict},
    regexp,
    selector::Selector,
};
use crate::{
    config::subtask::FilterRule,
    error::{Code, DmError, Result},
};

/// What to do with an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FilterAction {
    Do,
    Ignore,
}

/// Compiled filter rules.
#[derive(Clone, Debug, Default)]
pub struct EventFilter {
    rules: Vec<Rule>,
}

#[derive(Clone, Debug)]
struct Rule {
    /// Its place in the list that was compiled.
    index: usize,
    schema: Selector,
    /// None: a schema-level rule, which also sees every table of the schema.
    table: Option<Selector>,
    events: Vec<EventPattern>,
    sql: Option<Regex>,
    action: Action,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Action {
    Do,
    Ignore,
    Error,
}

/// What one rule that concerns the table said about an event.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct FilterStep {
    /// The rule's place in the task's list.
    pub rule: usize,
    /// Whether its `events` name the event; None for a statement whose kind isn't known.
    pub by_event: Option<bool>,
    /// Whether its `sql-pattern` matches; None without one, or without a statement.
    pub by_sql: Option<bool>,
    pub outcome: StepOutcome,
}

/// What follows from one rule.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum StepOutcome {
    /// The next rule is asked.
    Pass,
    /// The event is skipped: an `Ignore` rule matches.
    Ignored,
    /// The event is skipped: a `Do` rule does not name it.
    NotDone,
    /// The task pauses: an `Error` rule matches.
    Refused,
}

impl fmt::Display for StepOutcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            StepOutcome::Pass => "goes on",
            StepOutcome::Ignored => "skipped: an Ignore rule matches",
            StepOutcome::NotDone => "skipped: a Do rule does not name it",
            StepOutcome::Refused => "error 36015: an Error rule matches",
        })
    }
}

impl EventFilter {
    /// Compiles rules. An invalid rule is logged and skipped, as DM does.
    pub fn new(rules: &[FilterRule], case_sensitive: bool) -> Self {
        let mut compiled = Vec::with_capacity(rules.len());
        for (index, rule) in rules.iter().enumerate() {
            match compile(index, rule, case_sensitive) {
                Ok(rule) => compiled.push(rule),
                Err(reason) => tracing::warn!(
                    schema_pattern = rule.schema_pattern,
                    table_pattern = rule.table_pattern,
                    reason,
                    "invalid binlog event rule"
                ),
            }
        }
        EventFilter { rules: compiled }
    }

    /// Why a rule is invalid.
    pub fn problem(rule: &FilterRule, case_sensitive: bool) -> Option<String> {
        compile(0, rule, case_sensitive).err()
    }

    /// Decides about an event of a table (`table` empty: of the schema). `sql` is the statement, for DDL.
    /// Error 36015: a rule with action Error matched.
    pub fn filter(&self, schema: &str, table: &str, event: Event, sql: Option<&str>) -> Result<FilterAction> {
        self.decide(schema, table, Some(event), sql)
    }

    /// Decides about a statement that can't be parsed, so neither its table nor its kind is known: only schema-level
    /// rules whose pattern also matches no name at all (`*`) and their sql-pattern count.
    pub fn filter_unparsed(&self, sql: &str) -> Result<FilterAction> {
        self.decide("", "", None, Some(sql))
    }

    /// Every rule that is asked about an event, in order, up to the one that decides. `event` None: a statement that
    /// can't be parsed, with empty names.
    pub fn steps(&self, schema: &str, table: &str, event: Option<Event>, sql: Option<&str>) -> Vec<FilterStep> {
        let mut steps = Vec::new();
        for rule in self.concerning(schema, table) {
            let step = rule.step(event, sql);
            steps.push(step);
            if step.outcome != StepOutcome::Pass {
                break;
            }
        }
        steps
    }

    /// The rules that concern a table, by their place in the task's list.
    pub fn rules_of(&self, schema: &str, table: &str) -> Vec<usize> {
        self.concerning(schema, table).map(|rule| rule.index).collect()
    }

    /// Every pattern of names, for hints.
    pub fn patterns(&self) -> impl Iterator<Item = &Selector> {
        self.rules.iter().flat_map(|rule| [Some(&rule.schema), rule.table.as_ref()]).flatten()
    }

    /// The rules that concern a table. A schema-level rule concerns the tables of its schemas too (manual 2.4.2.4), but
    /// one with action Do doesn't restrict tables that have a rule of their own (the second example of 1.3.1.3.3).
    fn concerning(&self, schema: &str, table: &str) -> impl Iterator<Item = &Rule> {
        let own = self.rules.iter().any(|rule| rule.table.is_some() && rule.concerns(schema, table));
        let yields = move |rule: &Rule| own && rule.table.is_none() && rule.action == Action::Do;
        self.rules.iter().filter(move |rule| rule.concerns(schema, table) && !yields(rule))
    }

    fn decide(&self, schema: &str, table: &str, event: Option<Event>, sql: Option<&str>) -> Result<FilterAction> {
        for rule in self.concerning(schema, table) {
            match rule.step(event, sql).outcome {
                StepOutcome::Pass => {}
                StepOutcome::Ignored | StepOutcome::NotDone => return Ok(FilterAction::Ignore),
                StepOutcome::Refused => return Err(refused(schema, table, event)),
            }
        }
        Ok(FilterAction::Do)
    }
}

impl Rule {
    fn concerns(&self, schema: &str, table: &str) -> bool {
        let table_hit = self.table.as_ref().is_none_or(|pattern| !table.is_empty() && pattern.matches(table));
        table_hit && self.schema.matches(schema)
    }

    fn step(&self, event: Option<Event>, sql: Option<&str>) -> FilterStep {
        let by_event = event.map(|event| self.matches_event(event));
        let by_sql = match (&self.sql, sql) {
            (Some(pattern), Some(sql)) => Some(pattern.is_match(sql)),
            _ => None,
        };
        let outcome = [by_event, by_sql].into_iter().flatten().find_map(|matched| match (self.action, matched) {
            (Action::Ignore, true) => Some(StepOutcome::Ignored),
            (Action::Do, false) => Some(StepOutcome::NotDone),
            (Action::Error, true) => Some(StepOutcome::Refused),
            _ => None,
        });
        FilterStep { rule: self.index, by_event, by_sql, outcome: outcome.unwrap_or(StepOutcome::Pass) }
    }

    fn matches_event(&self, event: Event) -> bool {
        for pattern in &self.events {
            match pattern.test(event) {
                Verdict::Match => return true,
                Verdict::Stop => return false,
                Verdict::GoOn => {}
            }
        }
        false
    }
}

fn compile(index: usize, rule: &FilterRule, case_sensitive: bool) -> Result<Rule, String> {
    if rule.schema_pattern.is_empty() {
        return Err("schema-pattern is empty".to_owned());
    }
    let table = match rule.table_pattern.as_str() {
        "" => None,
        pattern => Some(Selector::wildcard(pattern, case_sensitive)?),
    };
    let action = match rule.action.as_str() {
        "Do" => Action::Do,
        "Ignore" => Action::Ignore,
        "Error" => Action::Error,
        other => return Err(format!("action {other:?} is unknown (allowed: Do, Ignore, Error)")),
    };
    let parse = |name: &String| EventPattern::parse(name).ok_or_else(|| format!("event type `{name}` is unknown"));
    let events = rule.events.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let sql = match rule.sql_pattern.join("|") {
        joined if joined.is_empty() => None,
        joined => Some(regexp::compile(&joined, false)?),
    };
    let schema = Selector::wildcard(&rule.schema_pattern, case_sensitive)?;
    Ok(Rule { index, schema, table, events, sql, action })
}

fn refused(schema: &str, table: &str, event: Option<Event>) -> DmError {
    let event = event.map_or("statement", |event| event.kind.name());
    DmError::new(Code::SyncerUnitBinlogEventFilter)
        .msg(format!("event {event} on `{schema}`.`{table}` is refused by a filter rule with action Error"))
        .workaround(
            "Please handle the event by hand on the target, then change the rule's action to Ignore and resume the task.",
        )
}

#[cfg(test)]
#[path = "event_filter_tests.rs"]
mod tests;
