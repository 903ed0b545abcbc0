//! Event filters by rule and by example.

use super::*;
use crate::rules::EventKind;

fn rule(schema: &str, table: &str, events: &[&str], sql: &[&str], action: &str) -> FilterRule {
    FilterRule {
        schema_pattern: schema.into(),
        table_pattern: table.into(),
        events: events.iter().map(|s| (*s).to_owned()).collect(),
        sql_pattern: sql.iter().map(|s| (*s).to_owned()).collect(),
        action: action.into(),
    }
}

fn ignored(rules: &[FilterRule], schema: &str, table: &str, event: impl Into<Event>, sql: Option<&str>) -> bool {
    EventFilter::new(rules, false).filter(schema, table, event.into(), sql).unwrap() == FilterAction::Ignore
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
    assert!(ignored(&rules, "test_1", "t_1", EventKind::TruncateTable, Some("truncate t_1")));
    assert!(!ignored(&rules, "test_1", "t_1", EventKind::Insert, None));
    assert!(ignored(&rules, "test_1", "", EventKind::DropDatabase, Some("drop database test_1")));
    assert!(!ignored(&rules, "other", "t_1", EventKind::Delete, None));
}

/// The manual, 1.3.1.3.3: migrate DML only. A Do rule drops what it doesn't name.
#[test]
fn do_rules_drop_the_rest() {
    let rules = [
        rule("test_*", "t_*", &["create table", "all dml"], &[], "Do"),
        rule("test_*", "", &["create database"], &[], "Do"),
    ];
    assert!(!ignored(&rules, "test_1", "", EventKind::CreateDatabase, Some("create database test_1")));
    assert!(ignored(&rules, "test_1", "", EventKind::DropDatabase, Some("drop database test_1")));
    assert!(!ignored(&rules, "test_1", "t_1", EventKind::Update, None));
    assert!(!ignored(&rules, "test_1", "t_1", EventKind::CreateTable, Some("create table t_1 (a int)")));
    assert!(ignored(&rules, "test_1", "t_1", EventKind::DropTable, Some("drop table t_1")));
    // A table without a rule of its own follows that of its schema.
    assert!(ignored(&rules, "test_1", "x", EventKind::Insert, None));
    let tables = rules.get(..1).unwrap();
    assert!(!ignored(tables, "test_1", "x", EventKind::DropTable, Some("drop table x")));
}

/// A schema's Ignore rule holds for tables with a Do rule of their own: the block list wins.
#[test]
fn a_schema_rule_that_ignores_wins() {
    let rules = [rule("a", "t", &["all"], &[], "Do"), rule("a", "", &["delete"], &[], "Ignore")];
    assert!(ignored(&rules, "a", "t", EventKind::Delete, None) && !ignored(&rules, "a", "t", EventKind::Insert, None));
}

/// The manual, 2.4.2.4: one schema-level rule for a whole schema, a table-level one beside it.
#[test]
fn a_schema_rule_sees_the_tables() {
    let rules = [
        rule("user", "log", &["truncate table", "drop table", "delete"], &[], "Ignore"),
        rule("user", "", &["drop database"], &[], "Ignore"),
        rule("store", "", &["drop database", "truncate table", "drop table", "delete"], &[], "Ignore"),
    ];
    assert!(ignored(&rules, "store", "store_bj", EventKind::Delete, None));
    assert!(ignored(&rules, "store", "", EventKind::DropDatabase, None));
    assert!(ignored(&rules, "user", "log", EventKind::Delete, None));
    assert!(!ignored(&rules, "user", "information", EventKind::Delete, None));
}

/// The manual, 1.3.1.3.3: statements by their text, parsed and not.
#[test]
fn sql_patterns() {
    let rules = [rule("*", "", &[], &[r"^DROP\s+PROCEDURE", r"ALTER\s+TABLE[\s\S]*ADD\s+PARTITION"], "Ignore")];
    let add = Event::clause(EventKind::AddTablePartition);
    assert!(ignored(&rules, "a", "b", add, Some("alter table b\n add partition (x)")));
    assert!(!ignored(&rules, "a", "b", Event::clause(EventKind::AddColumn), Some("alter table b add c int")));
    let filter = EventFilter::new(&rules, false);
    assert_eq!(filter.filter_unparsed("drop  procedure p").unwrap(), FilterAction::Ignore);
    assert_eq!(filter.filter_unparsed("create procedure p").unwrap(), FilterAction::Do);
    let narrow = [rule("test_*", "t_*", &[], &["^DROP\\s+PROCEDURE"], "Ignore")];
    assert_eq!(EventFilter::new(&narrow, false).filter_unparsed("drop procedure p").unwrap(), FilterAction::Do);
}

/// The manual, 1.3.1.3: rules are asked in order, and a rule that skips wins over one that doesn't.
#[test]
fn several_rules() {
    let both = [rule("a", "*", &["insert"], &[], "Do"), rule("a", "t", &["insert"], &[], "Ignore")];
    assert!(ignored(&both, "a", "t", EventKind::Insert, None) && !ignored(&both, "a", "u", EventKind::Insert, None));
    let reversed = [both[1].clone(), both[0].clone()];
    assert!(ignored(&reversed, "a", "t", EventKind::Insert, None));
    // Two Do rules leave only what both name.
    let two = [rule("a", "*", &["insert", "update"], &[], "Do"), rule("a", "t", &["insert", "delete"], &[], "Do")];
    let left: Vec<bool> = [EventKind::Insert, EventKind::Update, EventKind::Delete]
        .map(|kind| !ignored(&two, "a", "t", kind, None))
        .into();
    assert_eq!(left, [true, false, false]);
}

/// Both tests of a rule are made: an Ignore rule skips on either, a Do rule wants both.
#[test]
fn events_and_patterns_in_one_rule() {
    let drop = "drop table t";
    let ignore = [rule("a", "t", &["truncate table"], &["^drop"], "Ignore")];
    assert!(ignored(&ignore, "a", "t", EventKind::DropTable, Some(drop)));
    assert!(ignored(&ignore, "a", "t", EventKind::TruncateTable, Some("truncate t")));
    assert!(!ignored(&ignore, "a", "t", EventKind::CreateTable, Some("create table t (a int)")));
    let both = [rule("a", "t", &["drop table"], &["^drop"], "Do")];
    assert!(!ignored(&both, "a", "t", EventKind::DropTable, Some(drop)));
    assert!(ignored(&both, "a", "t", EventKind::DropTable, Some("/* x */ drop table t")));
    // Rows have no text: only the events count, and an empty list names none.
    assert!(ignored(&both, "a", "t", EventKind::Insert, None));
    let only_sql = [rule("a", "t", &[], &["^drop"], "Do")];
    assert!(ignored(&only_sql, "a", "t", EventKind::Insert, None));
    assert!(ignored(&only_sql, "a", "t", EventKind::DropTable, Some(drop)));
}

#[test]
fn nothing_named_is_nothing_matched() {
    for (action, skipped) in [("Ignore", false), ("Do", true)] {
        let rules = [rule("a", "t", &[], &[], action)];
        assert_eq!(ignored(&rules, "a", "t", EventKind::Insert, None), skipped, "{action}");
        assert_eq!(ignored(&rules, "a", "t", EventKind::DropTable, Some("drop table t")), skipped, "{action}");
    }
}

/// Which of six events an Ignore rule skips, by its list.
#[test]
fn classes_of_events() {
    let events: [Event; 6] = [
        EventKind::Insert.into(),
        EventKind::Delete.into(),
        EventKind::CreateTable.into(),
        EventKind::TruncateTable.into(),
        Event::clause(EventKind::DropColumn),
        Event::clause(EventKind::AlterTable),
    ];
    for (names, skipped) in [
        (&["all"][..], "111111"),
        (&["all dml"], "110000"),
        (&["All DDL"], "001111"),
        (&["none"], "000000"),
        (&["none dml"], "000000"),
        (&["none ddl"], "000000"),
        (&["incompatible ddl changes"], "000110"),
        (&["alter table"], "000011"),
        (&["drop column"], "000010"),
        // `none ...` ends the list for its class, what stands before it counts.
        (&["none dml", "all"], "001111"),
        (&["none ddl", "all"], "110000"),
        (&["delete", "none dml", "all"], "011111"),
        (&["create table", "none"], "001000"),
        (&["none", "all"], "000000"),
        (&["all dml", "none ddl", "drop column"], "110000"),
    ] {
        let rules = [rule("a", "t", names, &[], "Ignore")];
        let found: String =
            events.iter().map(|event| if ignored(&rules, "a", "t", *event, None) { '1' } else { '0' }).collect();
        assert_eq!(found, skipped, "{names:?}");
        let rules = [rule("a", "t", names, &[], "Do")];
        let done: String =
            events.iter().map(|event| if ignored(&rules, "a", "t", *event, None) { '0' } else { '1' }).collect();
        assert_eq!(done, skipped, "a Do rule migrates what an Ignore rule skips: {names:?}");
    }
}

#[test]
fn errors() {
    let rules = [rule("a", "*", &["incompatible ddl changes"], &[], "Error")];
    let filter = EventFilter::new(&rules, false);
    let error = filter.filter("a", "t", Event::clause(EventKind::DropColumn), Some("x")).unwrap_err();
    assert_eq!(error.code(), Code::SyncerUnitBinlogEventFilter);
    assert!(error.message().contains("event drop column on"));
    assert_eq!(filter.filter("a", "t", EventKind::CreateTable.into(), None).unwrap(), FilterAction::Do);
}

#[test]
fn invalid_rules_are_skipped() {
    let rules = [
        rule("a", "t", &["fly"], &[], "Ignore"),
        rule("a", "t", &["all"], &[], "ignore"),
        rule("", "t", &["all"], &[], "Ignore"),
        rule("a", "t", &[], &["("], "Ignore"),
        rule("a*b", "t", &["all"], &[], "Ignore"),
    ];
    assert!(!ignored(&rules, "a", "t", EventKind::Insert, Some("x")));
    assert!(rules.iter().all(|rule| EventFilter::problem(rule, false).is_some()));
}

#[test]
fn every_kind_has_its_own_name() {
    for kind in EventKind::ALL {
        assert_eq!(EventPattern::parse(&kind.name().to_uppercase()), Some(EventPattern::Kind(*kind)));
    }
    for (alias, kind) in [
        ("create schema", EventKind::CreateDatabase),
        ("drop schema", EventKind::DropDatabase),
        ("alter schema", EventKind::AlterDatabase),
    ] {
        assert_eq!(EventPattern::parse(alias), Some(EventPattern::Kind(kind)));
    }
}

#[test]
fn steps_end_at_the_rule_that_decides() {
    let rules = [
        rule("b", "*", &["all"], &[], "Ignore"),
        rule("a", "*", &["drop table"], &[], "Ignore"),
        rule("a", "", &["delete"], &["^drop"], "Ignore"),
        rule("a", "t", &["insert"], &[], "Ignore"),
        rule("a", "t", &["all"], &[], "Ignore"),
    ];
    let filter = EventFilter::new(&rules, false);
    let steps = filter.steps("a", "t", Some(EventKind::Insert.into()), None);
    assert_eq!(steps.iter().map(|step| step.rule).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(steps[2].outcome, StepOutcome::Ignored);
    assert_eq!((steps[1].by_event, steps[1].by_sql), (Some(false), None));
    assert_eq!(filter.rules_of("a", "t"), [1, 2, 3, 4]);
    assert_eq!(filter.rules_of("a", ""), [2]);
}
