//! A statement, part by part and clause by clause, as the sync unit takes it.

use super::{EventAction, EventReport, Explainer, PartReport, StatementReport};
use crate::{
    error::DmError,
    rules::{
        Admission, EventKind,
        task::{crossing_error, named},
    },
    schema::{
        SqlMode, Tracker,
        ddl::{self, ClausePart, ParseContext, Statement, StatementKind},
        model::TableId,
    },
};

impl Explainer {
    /// What becomes of a statement. `tracker` knows the structures of before, as far as they are known.
    pub fn statement(&self, sql: &str, context: &ParseContext, tracker: &Tracker) -> StatementReport {
        let mut report = StatementReport { sql: sql.to_owned(), ..StatementReport::default() };
        let parsed = match ddl::parse(sql, context) {
            Ok(parsed) => parsed,
            Err(error) => {
                report.by_text = Some(self.decided("statement", &self.rules.filter.steps("", "", None, Some(sql))));
                report.error = Some(error.to_string());
                return report;
            }
        };
        if let Some(whole) = self.swap(&parsed) {
            report.parts.push(whole);
            return report;
        }
        match parsed.split() {
            None => report.parts.push(self.part(sql, &parsed, tracker)),
            Some(parts) => {
                let plain = ParseContext { sql_mode: SqlMode::default(), ..context.clone() };
                for part in parts {
                    report.parts.push(match ddl::parse(&part, &plain) {
                        Ok(statement) => self.part(&part, &statement, tracker),
                        Err(error) => refused(PartReport::default(), &error),
                    });
                }
            }
        }
        report
    }

    fn part(&self, sql: &str, statement: &Statement, tracker: &Tracker) -> PartReport {
        let tables = named(statement);
        let part = PartReport { tables: tables.iter().map(shown).collect(), ..PartReport::default() };
        if let StatementKind::Dml(verb) = &statement.kind {
            let migrated = tables.is_empty() || tables.iter().any(|table| self.rules.takes_rows(table));
            let error = ddl::statement_format_error(*verb);
            return if migrated { refused(part, &error) } else { skipped(part, "its tables are not migrated".into()) };
        }
        match self.rules.admit(statement) {
            Err(error) => refused(part, &error),
            Ok(Admission::Nothing) => skipped(part, what_is_skipped(statement)),
            Ok(Admission::Helper(table)) => {
                skipped(part, format!("{table}: a helper table of an online schema change tool"))
            }
            Ok(Admission::Shadow(shadow)) => self.shadow(part, statement, &shadow),
            Ok(Admission::Switch { from, to }) => {
                let why = format!(
                    "the end of an online schema change: what was done to {from} is done to {to} now, under the rules of {to}"
                );
                PartReport { verdict: "replayed".into(), why: Some(why), ..part }
            }
            Ok(Admission::Aside { real, trash }) => skipped(
                part,
                format!(
                    "{real} is moved aside to {trash}: half of an online schema change's switch (else error 36068)"
                ),
            ),
            Ok(Admission::Unlisted(table)) => {
                let report = self.table(&table, &[EventKind::CreateTable.into()]);
                let why = report.why_not.unwrap_or_default();
                skipped(part, format!("{}: {why}; only the tracked structures follow", shown(&table)))
            }
            Ok(Admission::Crossing { from, to, leaves }) => self.crossing(part, sql, &from, &to, leaves),
            Ok(Admission::Migrated(_)) if matches!(statement.kind, StatementKind::Sequence { .. }) => {
                match self.decided("statement", &self.rules.filter.steps("", "", None, Some(sql))) {
                    event if event.action == EventAction::Skip => {
                        skipped(part, "an event filter takes its text".into())
                    }
                    _ => refused(part, &ddl::sequence_error(sql)),
                }
            }
            Ok(Admission::Migrated(tables)) => self.migrated(part, sql, statement, &tables, tracker),
        }
    }

    /// What is decided about a swap of two tables as a whole.
    fn swap(&self, statement: &Statement) -> Option<PartReport> {
        let part = PartReport { tables: named(statement).iter().map(shown).collect(), ..PartReport::default() };
        match self.rules.check_swap(statement) {
            Err(error) => Some(refused(part, &error)),
            Ok(()) if self.rules.swaps_ignored(statement) => {
                let why = "a swap with tables that ignore-tables names; only the tracked structures follow";
                Some(skipped(part, why.into()))
            }
            Ok(()) => None,
        }
    }

    fn shadow(&self, part: PartReport, statement: &Statement, shadow: &TableId) -> PartReport {
        let real = self.rules.ghosts.real_name(&shadow.name).unwrap_or(&shadow.name);
        let real = TableId::new(shadow.schema.as_str(), real);
        let table = self.table(&real, &[EventKind::AlterTable.into()]);
        let fate = match (&table.why_not, table.route.target_table.as_str()) {
            (Some(why), _) => format!("{real} is not migrated ({why})"),
            (None, target) => {
                format!(
                    "then it is done to {real} (target {})",
                    TableId::new(table.route.target_schema.as_str(), target)
                )
            }
        };
        match &statement.kind {
            StatementKind::AlterTable { .. } | StatementKind::CreateIndex { .. } | StatementKind::DropIndex { .. }
                if part.tables.len() == 1 =>
            {
                let why = format!(
                    "{shadow} is a shadow table: the statement is kept until it takes another table's place; {fate}"
                );
                PartReport { verdict: "kept".into(), why: Some(why), ..part }
            }
            StatementKind::CreateTable(_) => skipped(
                part,
                format!(
                    "{shadow} is a shadow table: an online schema change begins; what is done to it is kept until its end, {fate}"
                ),
            ),
            StatementKind::TruncateTable { .. } => {
                skipped(part, format!("{shadow} is a shadow table, whose rows aren't migrated"))
            }
            _ => skipped(part, format!("{shadow} is a shadow table: what was done to it is forgotten")),
        }
    }

    fn crossing(&self, mut part: PartReport, sql: &str, from: &TableId, to: &TableId, leaves: bool) -> PartReport {
        part.events = vec![self.renamed(from, sql), self.renamed(to, sql)];
        match part.events.iter().all(|event| event.action == EventAction::Migrate) {
            true => refused(part, &crossing_error(from, to, leaves)),
            false => skipped(part, "the event filters take it; only the tracked structures follow".into()),
        }
    }

    fn migrated(
        &self,
        mut part: PartReport,
        sql: &str,
        statement: &Statement,
        tables: &[TableId],
        tracker: &Tracker,
    ) -> PartReport {
        let Some(subject) = tables.first() else { return part };
        let before = tracker.get(&subject.schema, &subject.name);
        let clauses = statement.clause_parts();
        let mut passing: Vec<ClausePart> = Vec::new();
        let mut whole = true;
        let narrowed = |clause: &ClausePart| statement.narrowed(clause);
        for clause in clauses.iter().flatten() {
            let events = self.events_of(sql, &narrowed(clause), subject, before.as_deref());
            if events.iter().all(|event| event.action == EventAction::Migrate) {
                passing.push(clause.clone());
            }
            part.events.extend(events);
        }
        if clauses.is_none() {
            part.events = self.events_of(sql, statement, subject, before.as_deref());
            whole = part.events.iter().all(|event| event.action == EventAction::Migrate);
        }
        if part.events.iter().any(|event| event.action == EventAction::Error) {
            part.verdict = "refused".into();
            part.why = Some("an event filter with action Error takes it: error 36015, the task pauses".into());
            return part;
        }
        if clauses.as_ref().map_or(!whole, |_| passing.is_empty()) {
            return skipped(part, "the event filters take it; only the tracked structures follow".into());
        }
        for table in statement.tables.iter().map(|table| table.id()).chain(tables.iter().cloned()) {
            if let Err(error) = self.rules.route(&table) {
                return refused(part, &error);
            }
        }
        let map = |schema: &str, table: &str| {
            let id = TableId::new(schema, table);
            // Checked above: routing these names can't fail.
            self.rules.route(&id).map_or((id.schema, id.name), |target| (target.schema, target.name))
        };
        let changes = statement.changes(map, true);
        let partly = clauses.as_ref().is_some_and(|all| all.len() > passing.len());
        part.verdict = if partly { "partly migrated" } else { "migrated" }.into();
        let text = if partly { statement.with_parts(sql, &changes, &passing) } else { changes.apply(sql) };
        part.target = Some(text.trim().trim_end_matches(';').to_owned());
        part
    }

    /// One report for the statement (or clause); for RENAME one for each name.
    fn events_of(
        &self,
        sql: &str,
        statement: &Statement,
        subject: &TableId,
        before: Option<&crate::schema::TableInfo>,
    ) -> Vec<EventReport> {
        let Some(event) = statement.event_kind(before) else { return Vec::new() };
        if event.kind != EventKind::RenameTable {
            return vec![self.event(subject, event, Some(sql))];
        }
        named(statement).iter().map(|table| self.renamed(table, sql)).collect()
    }

    fn renamed(&self, table: &TableId, sql: &str) -> EventReport {
        let report = self.event(table, EventKind::RenameTable.into(), Some(sql));
        EventReport { table: Some(shown(table)), ..report }
    }
}

fn shown(table: &TableId) -> String {
    if table.name.is_empty() { crate::schema::model::quote_name(&table.schema) } else { table.to_string() }
}

fn skipped(part: PartReport, why: String) -> PartReport {
    PartReport { verdict: "skipped".into(), why: Some(why), ..part }
}

fn refused(part: PartReport, error: &DmError) -> PartReport {
    PartReport { verdict: "refused".into(), why: Some(error.to_string()), ..part }
}

fn what_is_skipped(statement: &Statement) -> String {
    match &statement.kind {
        StatementKind::Skipped(kind) => format!("statements of this kind are never migrated ({kind:?})"),
        StatementKind::Transaction(_) => "it is part of the binlog's transactions".to_owned(),
        _ => "it names no table".to_owned(),
    }
}
