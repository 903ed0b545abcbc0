//! A report for people: one line a table, with `explain` every step below it.

use std::fmt::Write;

use super::{EventAction, EventReport, PartReport, Report, SourceReport, StatementReport, TableReport};

/// The report as text.
pub fn print(report: &Report, explain: bool) -> String {
    let mut out = String::new();
    for source in &report.sources {
        header(&mut out, &report.task, source);
        for hint in source.hints.iter().filter(|_| explain) {
            line(&mut out, 1, &format!("hint: {hint}"));
        }
        for table in &source.tables {
            describe(&mut out, table, explain);
        }
        if let Some(statement) = &source.statement {
            statement_lines(&mut out, statement, explain);
        }
        if let Some(row) = &source.row {
            describe(&mut out, &row.table, explain);
            let verdict = if row.migrated { "migrated" } else { "not migrated" };
            line(&mut out, 2, &format!("{} of the row: {verdict}", row.event));
            for expression in &row.expressions {
                line(&mut out, 3, &format!("skipped by expression-filter: {expression} is true"));
            }
        }
    }
    out.trim_end().to_owned()
}

fn line(out: &mut String, depth: usize, text: &str) {
    // Writing to a String can't fail.
    let _ = writeln!(out, "{:width$}{text}", "", width = depth * 2);
}

fn header(out: &mut String, task: &str, source: &SourceReport) {
    let case = if source.case_sensitive { "names are compared case-sensitively" } else { "case of names is ignored" };
    line(out, 0, &format!("task {task}, source {} ({case}; source config: {})", source.source, source.source_config));
}

fn name(table: &TableReport) -> String {
    if table.table.is_empty() {
        format!("schema `{}`", table.schema)
    } else {
        format!("`{}`.`{}`", table.schema, table.table)
    }
}

fn describe(out: &mut String, table: &TableReport, explain: bool) {
    let route = &table.route;
    let verdict = match &table.why_not {
        Some(why) => format!("not migrated: {why}"),
        None if table.table.is_empty() => format!("-> `{}`", route.target_schema),
        None => format!("-> `{}`.`{}`", route.target_schema, route.target_table),
    };
    line(out, 1, &format!("{} {verdict}", name(table)));
    if explain {
        let list = table.list.name.as_deref().unwrap_or("(none)");
        line(out, 2, &format!("block-allow list {list}: {}", table.list.schema));
        if let Some(reason) = &table.list.table {
            line(out, 2, &format!("block-allow list {list}: {reason}"));
        }
        if let Some(helper) = &table.helper {
            line(out, 2, &format!("online-ddl: a {helper} table"));
        }
        match (&route.rule, &route.pattern, &route.level) {
            (Some(rule), Some(pattern), Some(level)) => {
                line(out, 2, &format!("route {rule}: {pattern} matches ({level} level)"))
            }
            _ if route.error.is_none() => line(out, 2, "route: no rule matches, names stay"),
            _ => {}
        }
        let filters = if table.filters.is_empty() { "none concerns it".to_owned() } else { table.filters.join(", ") };
        line(out, 2, &format!("filters: {filters}"));
        if !table.expression_filters.is_empty() {
            line(out, 2, &format!("expression filters: {}", table.expression_filters.join(", ")));
        }
    }
    if table.migrated {
        for column in &route.columns {
            line(out, 2, &format!("column `{}` = {:?} is added to every row", column.name, column.value));
        }
        match table.all_events {
            true => all_events(out, &table.events, explain),
            false => table.events.iter().for_each(|event| one_event(out, event, explain)),
        }
    }
    for note in &table.notes {
        line(out, 2, &format!("note: {note}"));
    }
}

/// Many events by what becomes of them.
fn all_events(out: &mut String, events: &[EventReport], explain: bool) {
    for (action, text) in [(EventAction::Skip, "skipped"), (EventAction::Error, "refused with error 36015")] {
        let names: Vec<&str> = events.iter().filter(|e| e.action == action).map(|e| e.event.as_str()).collect();
        if names.len() == events.len() {
            line(out, 2, &format!("all events are {text}"));
        } else if names.len() > events.len() / 2 {
            let rest: Vec<&str> = events.iter().filter(|e| e.action != action).map(|e| e.event.as_str()).collect();
            line(out, 2, &format!("events {text}: all but {}", rest.join(", ")));
        } else if !names.is_empty() {
            line(out, 2, &format!("events {text}: {}", names.join(", ")));
        }
    }
    if explain && events.iter().all(|event| event.action == EventAction::Migrate) {
        line(out, 2, "all events are migrated");
    }
}

fn one_event(out: &mut String, event: &EventReport, explain: bool) {
    let action = match event.action {
        EventAction::Migrate => "migrated",
        EventAction::Skip => "skipped",
        EventAction::Error => "refused with error 36015",
    };
    let on = event.table.as_ref().map_or(String::new(), |table| format!(" on {table}"));
    line(out, 2, &format!("event {}{on}: {action}", event.event));
    for step in event.steps.iter().filter(|_| explain || event.action != EventAction::Migrate) {
        let tested =
            |what: &str, found: Option<bool>| found.map(|yes| format!("{what}: {}", if yes { "yes" } else { "no" }));
        let tests: Vec<String> =
            [tested("events", step.by_event), tested("sql-pattern", step.by_sql)].into_iter().flatten().collect();
        line(out, 3, &format!("filter {} ({}): {}; {}", step.filter, step.rule, tests.join(", "), step.outcome));
    }
}

fn statement_lines(out: &mut String, statement: &StatementReport, explain: bool) {
    line(out, 1, &format!("statement: {}", statement.sql));
    if let Some(error) = &statement.error {
        match &statement.by_text {
            Some(event) if event.action == EventAction::Skip => {
                line(out, 2, "skipped by its text; it could not be read")
            }
            _ => line(out, 2, &format!("refused: {error}")),
        }
        if let Some(event) = statement.by_text.as_ref().filter(|event| explain || event.action != EventAction::Migrate)
        {
            one_event(out, event, explain);
        }
    }
    for part in &statement.parts {
        part_lines(out, part, explain);
    }
}

fn part_lines(out: &mut String, part: &PartReport, explain: bool) {
    let tables = if part.tables.is_empty() { String::new() } else { format!("{}: ", part.tables.join(", ")) };
    let why = part.why.as_ref().map_or(String::new(), |why| format!(": {why}"));
    line(out, 2, &format!("{tables}{}{why}", part.verdict));
    // What filters let pass says little about a statement that is refused for another reason.
    let told = |event: &&EventReport| explain || part.verdict != "refused" || event.action != EventAction::Migrate;
    part.events.iter().filter(told).for_each(|event| one_event(out, event, explain));
    if let Some(target) = &part.target {
        line(out, 2, &format!("target: {target}"));
    }
}
