//! Binlog event filters: rules by table, event kind and statement text (config facts 6.2).

use regex::Regex;

use super::{
    event_kind::{EventKind, EventPattern, Verdict},
    selector::{Selector, compile_regexp},
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

impl EventFilter {
    /// Compiles rules. An invalid rule is logged and skipped, as DM does; so this fails only when that changes.
    pub fn new(rules: &[FilterRule], case_sensitive: bool) -> Result<Self> {
        let mut compiled = Vec::with_capacity(rules.len());
        for rule in rules {
            match compile(rule, case_sensitive) {
                Ok(rule) => compiled.push(rule),
                Err(reason) => tracing::warn!(
                    schema_pattern = rule.schema_pattern,
                    table_pattern = rule.table_pattern,
                    reason,
                    "invalid binlog event rule"
                ),
            }
        }
        Ok(EventFilter { rules: compiled })
    }

    /// Why rules are invalid, one text each: for a check before the task starts.
    pub fn problems(rules: &[FilterRule], case_sensitive: bool) -> Vec<String> {
        rules.iter().filter_map(|rule| compile(rule, case_sensitive).err()).collect()
    }

    /// Decides about an event of a table (`table` empty: of the schema). `sql` is the statement, for DDL.
    /// Error 36015: a rule with action Error matched.
    pub fn filter(&self, schema: &str, table: &str, kind: EventKind, sql: Option<&str>) -> Result<FilterAction> {
        self.decide(schema, table, Some(kind), sql)
    }

    /// Decides about a statement that can't be parsed, so neither its table nor its kind is known: only schema-level
    /// rules whose pattern also matches no name at all (`*`) and their sql-pattern count.
    pub fn filter_unparsed(&self, sql: &str) -> Result<FilterAction> {
        self.decide("", "", None, Some(sql))
    }

    fn decide(&self, schema: &str, table: &str, kind: Option<EventKind>, sql: Option<&str>) -> Result<FilterAction> {
        for rule in self.rules.iter().filter(|rule| rule.concerns(schema, table)) {
            let by_event = kind.map(|kind| rule.matches_event(kind));
            let by_sql = match (&rule.sql, sql) {
                (Some(pattern), Some(sql)) => Some(pattern.is_match(sql)),
                _ => None,
            };
            for matched in [by_event, by_sql].into_iter().flatten() {
                match (rule.action, matched) {
                    (Action::Ignore, true) | (Action::Do, false) => return Ok(FilterAction::Ignore),
                    (Action::Error, true) => return Err(refused(schema, table, kind)),
                    _ => {}
                }
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

    fn matches_event(&self, kind: EventKind) -> bool {
        for pattern in &self.events {
            match pattern.test(kind) {
                Verdict::Match => return true,
                Verdict::Stop => return false,
                Verdict::GoOn => {}
            }
        }
        false
    }
}

fn compile(rule: &FilterRule, case_sensitive: bool) -> Result<Rule, String> {
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
        other => return Err(format!("action `{other}` is none of Do, Ignore, Error")),
    };
    let parse = |name: &String| EventPattern::parse(name).ok_or_else(|| format!("event type `{name}` is unknown"));
    let events = rule.events.iter().map(parse).collect::<Result<Vec<_>, _>>()?;
    let sql = match rule.sql_pattern.join("|") {
        joined if joined.is_empty() => None,
        joined => Some(compile_regexp(&joined, false)?),
    };
    Ok(Rule { schema: Selector::wildcard(&rule.schema_pattern, case_sensitive)?, table, events, sql, action })
}

fn refused(schema: &str, table: &str, kind: Option<EventKind>) -> DmError {
    let event = kind.map_or("statement", EventKind::name);
    DmError::new(Code::SyncerUnitBinlogEventFilter)
        .msg(format!("event {event} on `{schema}`.`{table}` is refused by a filter rule with action Error"))
        .workaround(
            "Please handle the event by hand on the target, then change the rule's action to Ignore and resume the task.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(schema: &str, table: &str, events: &[&str], sql: &[&str], action: &str) -> FilterRule {
        FilterRule {
            schema_pattern: schema.into(),
            table_pattern: table.into(),
            events: events.iter().map(|s| (*s).to_owned()).collect(),
            sql_pattern: sql.iter().map(|s| (*s).to_owned()).collect(),
            action: action.into(),
        }
    }

    fn ignored(rules: &[FilterRule], schema: &str, table: &str, kind: EventKind, sql: Option<&str>) -> bool {
        EventFilter::new(rules, false).unwrap().filter(schema, table, kind, sql).unwrap() == FilterAction::Ignore
    }

    /// The manual, 1.3.1.3.3: filter out all deletions of shards.
    #[test]
    fn ignore_deletions() {
        let rules = [
            rule("test_*", "t_*", &["truncate table", "DROP TABLE", "delete"], &[], "Ignore"),
            rule("test_*", "", &["drop schema"], &[], "Ignore"),
        ];
        assert!(ignored(&rules, "test_1", "t_1", EventKind::Delete, None));
        assert!(ignored(&rules, "test_1", "T_1", EventKind::DropTable, Some("drop table t_1")));
        assert!(!ignored(&rules, "test_1", "t_1", EventKind::Insert, None));
        assert!(ignored(&rules, "test_1", "", EventKind::DropDatabase, Some("drop database test_1")));
        assert!(!ignored(&rules, "other", "t_1", EventKind::Delete, None));
    }

    /// The manual, 1.3.1.3.3: migrate DML only. A Do rule drops what it doesn't name.
    #[test]
    fn do_rules_drop_the_rest() {
        let rules = [rule("test_*", "t_*", &["create table", "all dml"], &[], "Do")];
        assert!(!ignored(&rules, "test_1", "t_1", EventKind::Update, None));
        assert!(!ignored(&rules, "test_1", "t_1", EventKind::CreateTable, Some("create table t_1 (a int)")));
        assert!(ignored(&rules, "test_1", "t_1", EventKind::DropTable, Some("drop table t_1")));
        assert!(!ignored(&rules, "test_1", "x", EventKind::DropTable, Some("drop table x")));
    }

    #[test]
    fn sql_patterns() {
        let rules = [rule("*", "", &[], &[r"^DROP\s+PROCEDURE", r"ADD\s+PARTITION"], "Ignore")];
        assert!(ignored(&rules, "a", "b", EventKind::AlterTable, Some("alter table b add partition (x)")));
        assert!(!ignored(&rules, "a", "b", EventKind::AlterTable, Some("alter table b add c int")));
        let filter = EventFilter::new(&rules, false).unwrap();
        assert_eq!(filter.filter_unparsed("drop  procedure p").unwrap(), FilterAction::Ignore);
        assert_eq!(filter.filter_unparsed("create procedure p").unwrap(), FilterAction::Do);
    }

    #[test]
    fn errors_and_classes() {
        let rules = [rule("a", "*", &["incompatible ddl changes"], &[], "Error")];
        let filter = EventFilter::new(&rules, false).unwrap();
        let error = filter.filter("a", "t", EventKind::DropColumn, Some("x")).unwrap_err();
        assert_eq!(error.code(), Code::SyncerUnitBinlogEventFilter);
        assert!(error.message().contains("event drop column on"));
        assert_eq!(filter.filter("a", "t", EventKind::CreateTable, None).unwrap(), FilterAction::Do);
        let stop = [rule("a", "t", &["none dml", "all"], &[], "Ignore")];
        assert!(!ignored(&stop, "a", "t", EventKind::Insert, None));
        assert!(ignored(&stop, "a", "t", EventKind::DropTable, None));
        let alter = [rule("a", "t", &["alter table"], &[], "Ignore")];
        assert!(ignored(&alter, "a", "t", EventKind::AddColumn, None));
        assert!(!ignored(&alter, "a", "t", EventKind::DropTable, None));
    }

    #[test]
    fn invalid_rules_are_skipped() {
        let rules = [
            rule("a", "t", &["fly"], &[], "Ignore"),
            rule("a", "t", &["all"], &[], "ignore"),
            rule("", "t", &["all"], &[], "Ignore"),
            rule("a", "t", &[], &["("], "Ignore"),
        ];
        assert!(!ignored(&rules, "a", "t", EventKind::Insert, Some("x")));
        assert_eq!(EventFilter::problems(&rules, false).len(), 4);
    }

    #[test]
    fn every_kind_has_its_own_name() {
        for kind in EventKind::ALL {
            assert_eq!(EventPattern::parse(&kind.name().to_uppercase()), Some(EventPattern::Kind(*kind)));
        }
    }
}
