//! What is explained is what happens, step by step.

use super::*;
use crate::{
    config::subtask::{BlockAllowList, Extract, RouteRule, TableName},
    coordinator::samples::subtask,
    schema::{Tracker, ddl::ParseContext, server::ServerInfo},
};

fn filter(schema: &str, table: &str, events: &[&str], sql: &[&str], action: &str) -> FilterRule {
    FilterRule {
        schema_pattern: schema.into(),
        table_pattern: table.into(),
        events: events.iter().map(|s| (*s).to_owned()).collect(),
        sql_pattern: sql.iter().map(|s| (*s).to_owned()).collect(),
        action: action.into(),
    }
}

fn explainer() -> Explainer {
    let mut config = subtask("t", "src-1");
    config.case_sensitive = true;
    config.block_allow_list = BlockAllowList {
        do_dbs: vec!["shop_*".into()],
        ignore_tables: vec![TableName { db_name: "shop_*".into(), tbl_name: "~_bak$".into() }],
        ..BlockAllowList::default()
    };
    config.routes = vec![RouteRule {
        schema_pattern: "shop_*".into(),
        table_pattern: "order_*".into(),
        target_schema: "shop".into(),
        target_table: "orders".into(),
        extract_schema: Some(Extract { target_column: "shop".into(), regexp: "shop_(.*)".into() }),
        ..RouteRule::default()
    }];
    config.filters = vec![
        filter("shop_*", "order_*", &["delete", "drop column"], &[], "Ignore"),
        filter("*", "", &[], &["^lox"], "Ignore"),
        filter("shop_*", "order_9", &["truncate table"], &[], "Error"),
    ];
    let names = RuleNames {
        list: "bw".into(),
        routes: vec!["orders".into()],
        filters: vec!["keep".into()],
        ..RuleNames::default()
    };
    Explainer::new(config, names).unwrap()
}

fn statement(sql: &str) -> StatementReport {
    let context = ParseContext { default_schema: "shop_1".into(), ..ParseContext::default() };
    explainer().statement(sql, &context, &Tracker::new(ServerInfo::default(), 0))
}

#[test]
fn a_migrated_table() {
    let report = explainer().table(&TableId::new("shop_1", "order_2"), &[]);
    assert!(report.migrated && report.why_not.is_none());
    assert_eq!((report.route.target_schema.as_str(), report.route.target_table.as_str()), ("shop", "orders"));
    assert_eq!((report.route.rule.as_deref(), report.route.level.as_deref()), (Some("orders"), Some("table")));
    assert_eq!(report.route.columns, [ColumnReport { name: "shop".into(), value: "1".into() }]);
    assert_eq!(report.filters, ["keep", "filter 2"]);
    let skipped: Vec<&str> =
        report.events.iter().filter(|e| e.action == EventAction::Skip).map(|e| e.event.as_str()).collect();
    assert_eq!(skipped, ["delete", "drop column"]);
    assert!(report.notes[0].contains("CREATE DATABASE shop_1 makes shop_1 on the target, not shop"));
    let text = print(
        &Report { task: "t".into(), sources: vec![SourceReport { tables: vec![report], ..SourceReport::default() }] },
        false,
    );
    assert!(text.contains("`shop_1`.`order_2` -> `shop`.`orders`\n"), "{text}");
    assert!(text.contains("events skipped: delete, drop column"), "{text}");
}

#[test]
fn tables_that_are_not_migrated() {
    for (schema, table, why) in [
        ("shop_1", "a_bak", "block-allow list bw: ignore-tables: `shop_*`.`~_bak$` matches"),
        ("other", "t", "block-allow list bw: no pattern of do-dbs matches"),
        ("mysql", "user", "block-allow list bw: a system schema is never migrated"),
        ("shop_1", "_t_gho", "a shadow table of an online schema change tool"),
    ] {
        let report = explainer().table(&TableId::new(schema, table), &[]);
        assert_eq!(report.why_not.as_deref(), Some(why));
        assert!(!report.migrated);
    }
    let report = explainer().table(&TableId::new("SHOP_1", "t"), &[]);
    assert_eq!(report.notes, ["names differ in case only: it would be migrated with `case-sensitive: false`"]);
}

#[test]
fn statements() {
    for (sql, verdict, target) in [
        ("CREATE TABLE order_2 (a INT)", "migrated", Some("CREATE TABLE IF NOT EXISTS `shop`.`orders` (a INT)")),
        ("ALTER TABLE order_2 ADD b INT, DROP c", "partly migrated", Some("ALTER TABLE `shop`.`orders` ADD b INT")),
        ("ALTER TABLE order_2 DROP c", "skipped", None),
        ("DROP TABLE x_bak", "skipped", None),
        ("TRUNCATE TABLE order_9", "refused", None),
        ("RENAME TABLE order_1 TO other.x", "refused", None),
        ("CREATE VIEW v AS SELECT 1", "skipped", None),
        ("INSERT INTO order_1 VALUES (1)", "refused", None),
    ] {
        let report = statement(sql);
        assert_eq!((report.parts.len(), report.error), (1, None), "{sql}");
        assert_eq!(report.parts[0].verdict, verdict, "{sql}");
        assert_eq!(report.parts[0].target.as_deref(), target, "{sql}");
    }
    assert!(statement("TRUNCATE TABLE order_9").parts[0].why.as_ref().unwrap().contains("36015"));
    assert_eq!(statement("DROP TABLE order_1, x_bak").parts.len(), 2);
}

#[test]
fn text_that_cannot_be_read() {
    let taken = statement("LOX the doors");
    assert!(taken.error.is_some() && taken.by_text.as_ref().is_some_and(|e| e.action == EventAction::Skip));
    let report = statement("nonsense");
    assert!(
        report.by_text.is_some_and(|e| e.action == EventAction::Migrate) && report.error.unwrap().contains("11006")
    );
}

#[test]
fn hints_name_what_surprises() {
    let mut config = subtask("t", "s");
    config.block_allow_list.do_dbs = vec!["test.*".into()];
    config.filters = vec![
        filter("a", "t", &[], &["^drop"], "Do"),
        filter("a", "t", &["fly"], &[], "Ignore"),
        filter("~^a", "t", &["all"], &[], "Ignore"),
    ];
    let hints = Explainer::new(config, RuleNames::default()).unwrap().hints();
    for (hint, part) in hints.iter().zip([
        "filter filter 1: action Do without events",
        "filter filter 2 is skipped: event type `fly` is unknown",
        "`test.*` is a wildcard pattern",
        "no regular expressions for names",
    ]) {
        assert!(hint.contains(part), "{hint}");
    }
    assert_eq!(hints.len(), 4);
}
