//! The ddl stage: what a statement of the source means for the target.
//!
//! Order: parse, split (several tables), block-allow list, online-DDL helper tables, event filters, routes, tracked
//! structures; then all lanes drain, and `control` runs what is left.

use std::{collections::VecDeque, sync::Arc};

use tokio::sync::oneshot;

use super::{
    checkpoint::TableRow,
    control::Request,
    ddl_object,
    ddl_run::{DdlJob, DdlStatement, DdlSteps, Subject, digest},
    ddl_text::Sending,
    dispatch::gone,
    location::{At, Transaction},
    online::{Aside, Place, Records},
    translate::TranslateTask,
};
use crate::{
    error::DmError,
    mysql::binlog::event::{AlterPhase, QueryEvent},
    rules::{self, Admission, EventKind},
    schema::{
        Change as TrackedChange, Tracker,
        ddl::{self, ParseContext, Statement, StatementKind},
        model::TableId,
        server::SqlMode,
        table_info,
    },
};

/// A statement of the source's binlog.
pub struct DdlEvent {
    pub transaction: Arc<Transaction>,
    pub event: QueryEvent,
    pub start_pos: u64,
    pub end_pos: u64,
    pub timestamp: u32,
    /// Rises within the transaction.
    pub number: u64,
    pub alone: bool,
}

impl DdlEvent {
    /// Its place in error texts.
    pub fn at<'a>(&self, sql: &'a str) -> At<'a> {
        At { start: self.start_pos, end: self.end_pos, sql: Some(sql), ..At::default() }
    }

    /// A statement of it, as a text that no other statement of the binlog has.
    fn place(&self, sql: &str) -> String {
        let before = &self.transaction.before.position;
        let gtid = self.transaction.gtid.as_ref().map(ToString::to_string);
        let transaction = gtid.unwrap_or_else(|| format!("{}:{}", before.name, before.pos));
        format!("{transaction} {} {}", self.number, digest(sql))
    }
}

/// What one event comes to.
#[derive(Default)]
pub(super) struct Outcome {
    pub statements: Vec<DdlStatement>,
    pub rows: Vec<TableRow>,
    /// What else is stored with the checkpoint behind it.
    pub more: Vec<String>,
    /// Online schema changes as they are behind it.
    pub online: Records,
    /// Real tables that the event moved aside so far.
    pub asides: Vec<Aside>,
    /// Names that its parts so far gave to tables.
    pub renamed_to: Vec<TableId>,
    /// The session's explicit_defaults_for_timestamp.
    pub explicit_timestamps: bool,
}

impl Outcome {
    fn is_nothing(&self) -> bool {
        self.statements.is_empty() && self.rows.is_empty() && self.more.is_empty()
    }
}

impl TranslateTask {
    /// Handles a query event.
    pub async fn statement(&mut self, event: DdlEvent) -> Result<(), DmError> {
        // MariaDB's ALTER in two phases counts where it ends: rows in between still have the structure before.
        if matches!(event.event.status.alter_phase, Some(AlterPhase::Start | AlterPhase::Rollback)) {
            return Ok(());
        }
        if let Some(operator) = self.rules.operator(&event.transaction, event.start_pos, event.alone) {
            return self.operated(event, operator).await;
        }
        let at = |sql, error| event.transaction.annotate(error, event.at(sql));
        let sql = self.text(&event).map_err(|error| at("", error))?;
        let mut tracker = self.structures.tracker.clone();
        let started = std::time::Instant::now();
        let outcome = match self.plan(&event, &sql, &mut tracker).await {
            Ok(outcome) => outcome,
            Err(error) => {
                self.settle_before(&event, &sql).await?;
                return Err(at(&sql, error));
            }
        };
        self.structures.counters().planned(!outcome.statements.is_empty(), started.elapsed());
        self.run_job(&event, DdlSteps::of_event(&event, &sql), outcome, tracker).await
    }

    /// Before an error that somebody mends on the target by hand: what stands before the statement must not come again
    /// to a table that has another structure by then.
    async fn settle_before(&mut self, event: &DdlEvent, sql: &str) -> Result<(), DmError> {
        if !event.alone {
            return Ok(());
        }
        let steps = DdlSteps { after: Some(event.transaction.before.clone()), ..DdlSteps::of_event(event, sql) };
        self.bring_in(event, steps, Outcome::default()).await
    }

    /// Has an outcome brought in: everything before it first, then its statements, then the checkpoint behind it.
    pub(super) async fn run_job(
        &mut self,
        event: &DdlEvent,
        steps: DdlSteps,
        outcome: Outcome,
        tracker: Tracker,
    ) -> Result<(), DmError> {
        self.row.known.forget();
        if outcome.is_nothing() {
            self.structures.tracker = tracker;
            return Ok(());
        }
        let started = std::time::Instant::now();
        let (count, sql) = (outcome.statements.len(), steps.origin.clone());
        let subjects: Vec<Subject> = outcome.statements.iter().map(|statement| statement.subject.clone()).collect();
        let (online, rows) = (outcome.online.clone(), outcome.rows.clone());
        let outcome = Outcome { explicit_timestamps: tracker.explicit_defaults_for_timestamp(), ..outcome };
        self.bring_in(event, steps, outcome).await?;
        self.unsaved.written(&rows);
        self.structures.tracker = tracker;
        self.structures.held_back(&self.online, &online);
        self.online = online;
        self.structures.forget(&subjects);
        tracing::info!(sql = %super::location::shorten(&sql), statements = count, took = ?started.elapsed(),
            "finish to handle ddls in normal mode");
        Ok(())
    }

    async fn bring_in(&mut self, event: &DdlEvent, steps: DdlSteps, outcome: Outcome) -> Result<(), DmError> {
        let asked = tokio::time::Instant::now();
        self.drain().await?;
        let job = DdlJob {
            transaction: event.transaction.clone(),
            number: event.number,
            start_pos: event.start_pos,
            end_pos: event.end_pos,
            timestamp: event.timestamp,
            time_zone: event.event.status.time_zone.clone(),
            sql_mode: event.event.status.sql_mode.unwrap_or_default(),
            source_is_mariadb: self.source_info.is_mariadb(),
            explicit_timestamps: outcome.explicit_timestamps,
            statements: outcome.statements,
            rows: outcome.rows,
            more: outcome.more,
            steps,
            asked,
        };
        let (reply, done) = oneshot::channel();
        self.control.send(Request::Ddl(Box::new(job), reply)).await.map_err(|_| gone())?;
        let sent = std::time::Instant::now();
        let done = done.await;
        self.row.aside += sent.elapsed();
        done.map_err(|_| gone())?
    }

    /// The statement in UTF-8.
    pub(super) fn text(&self, event: &DdlEvent) -> Result<String, DmError> {
        let status = &event.event.status;
        let mode = SqlMode::from_bits(status.sql_mode.unwrap_or_default());
        let text = ddl::decode(&event.event.sql, status.charset_client, mode, &self.source_info)?;
        Ok(text.trim().trim_end_matches(';').to_owned())
    }

    /// What a statement comes to; `tracker` follows it.
    pub(super) async fn plan(
        &mut self,
        event: &DdlEvent,
        sql: &str,
        tracker: &mut Tracker,
    ) -> Result<Outcome, DmError> {
        let mut outcome = Outcome { online: self.online.clone(), ..Outcome::default() };
        let context = ParseContext {
            default_schema: event.event.schema.clone(),
            sql_mode: SqlMode::from_bits(event.event.status.sql_mode.unwrap_or_default()),
            server: self.source_info,
        };
        let parsed = match ddl::parse(sql, &context) {
            Ok(parsed) => parsed,
            Err(_) if self.rules.ignores_text(sql)? => return Ok(outcome),
            Err(error) => return Err(error),
        };
        tracker.enter_session(&event.event.status);
        self.rules.check_swap(&parsed)?;
        // Parts, and what stands for them, are written in plain SQL with full names.
        let plain = ParseContext { sql_mode: SqlMode::default(), ..context };
        let mut queue = VecDeque::new();
        match parsed.split() {
            None => queue.push_back((sql.to_owned(), parsed)),
            Some(_) if self.rules.swaps_ignored(&parsed) => {
                tracing::warn!(sql = %super::location::shorten(sql), "a swap with tables of ignore-tables is skipped");
                self.track(&parsed, tracker, &mut outcome)?;
            }
            Some(parts) => {
                for part in parts {
                    let statement = ddl::parse(&part, &plain)?;
                    queue.push_back((part, statement));
                }
            }
        }
        while let Some((sql, statement)) = queue.pop_front() {
            for text in self.part(&sql, &statement, event, tracker, &mut outcome).await?.into_iter().rev() {
                let statement = ddl::parse(&text, &plain)?;
                queue.push_front((text, statement));
            }
        }
        self.hold_asides(&mut outcome)?;
        Ok(outcome)
    }

    /// One statement about one table or database. Returns statements that stand for it, to be taken next.
    async fn part(
        &mut self,
        sql: &str,
        statement: &Statement,
        event: &DdlEvent,
        tracker: &mut Tracker,
        outcome: &mut Outcome,
    ) -> Result<Vec<String>, DmError> {
        if let StatementKind::Dml(verb) = &statement.kind {
            let named = rules::task::named(statement);
            let migrated = named.is_empty() || named.iter().any(|table| self.rules.takes_rows(table));
            return if migrated { Err(ddl::statement_format_error(*verb)) } else { Ok(Vec::new()) };
        }
        if self.ahead.has_statement(sql, statement, &event.transaction)? {
            return Ok(Vec::new());
        }
        if let Some(kind) = ddl_object::kind(statement)
            && self.rules.migrates(kind)
        {
            outcome.statements.extend(self.object(sql, statement, &event.event.schema)?);
            return Ok(Vec::new());
        }
        for table in &statement.tables {
            self.structures.altered_at_source(&table.id());
        }
        match self.rules.admit(statement)? {
            Admission::Nothing | Admission::Helper(_) => {}
            Admission::Unlisted(_) => self.track(statement, tracker, &mut Outcome::default())?,
            Admission::Shadow(shadow) => {
                let at = event.place(sql);
                return self.shadow(sql, statement, &shadow, Place { at: &at, tracker }, outcome).await;
            }
            Admission::Aside { real, trash } => self.aside(real, trash, outcome),
            Admission::Switch { from, to } => return self.switch(statement, &from, &to, tracker, outcome).await,
            Admission::Crossing { from, to, leaves } => {
                let passes = |name| self.rules.passes(name, EventKind::RenameTable.into(), Some(sql));
                if passes(&from)? && passes(&to)? {
                    return Err(rules::task::crossing_error(&from, &to, leaves));
                }
                self.track(statement, tracker, outcome)?;
            }
            Admission::Migrated(named) => {
                if let Some(held) = self.held_before(&named, outcome) {
                    return Ok(vec![held, sql.to_owned()]);
                }
                if let StatementKind::DropDatabase { name, .. } = &statement.kind {
                    outcome.more.extend(outcome.online.schema_dropped(name));
                }
                if let [real] = named.as_slice()
                    && self.holds_drop(sql, statement, real, outcome)?
                {
                    return Ok(Vec::new());
                }
                self.migrated(sql, statement, named, &event.event, tracker, outcome).await?;
            }
        }
        Ok(Vec::new())
    }

    /// A statement about migrated tables.
    async fn migrated(
        &mut self,
        sql: &str,
        statement: &Statement,
        named: Vec<TableId>,
        event: &QueryEvent,
        tracker: &mut Tracker,
        outcome: &mut Outcome,
    ) -> Result<(), DmError> {
        let Some(subject) = named.first().cloned() else { return Ok(()) };
        if matches!(statement.kind, StatementKind::Sequence { .. }) {
            return if self.rules.ignores_text(sql)? { Ok(()) } else { Err(ddl::sequence_error(sql)) };
        }
        if self.is_no_table(sql, statement, &named, tracker, outcome).await? {
            return Ok(());
        }
        self.check_alike(sql, statement, tracker).await?;
        outcome.gives_names(statement);
        let before = tracker.get(&subject.schema, &subject.name);
        let target = self.rules.route(&subject)?;
        let (subject, target) = (&subject, &target);
        let before = before.as_deref();
        let (status, default_schema) = (&event.status, event.schema.as_str());
        let tracker_before = &*tracker;
        let sending =
            Sending { sql, statement, subject, target, before, tracker: tracker_before, status, default_schema };
        let texts = if self.renames_by_case(statement)? { Vec::new() } else { self.texts(&sending).await? };
        if texts.is_empty() {
            tracing::info!(sql = %super::location::shorten(sql), "skip event, need handled ddls is empty");
        } else if before.is_none() && alters(statement) {
            // The original reads the target's structure here; a missing table is its error 44007.
            self.structures.target_info(target, subject).await?;
        }
        // They were written out, where that could be (see `all_changes`).
        let open_timestamps = statement.leaves_timestamps_open()
            && (sending.tracker.explicit_defaults_for_timestamp() || self.table_behind(&sending).await?.is_none());
        self.follow(sql, statement, tracker, outcome)?;
        let subject = match target.name.is_empty() {
            true => Subject::Schema(target.schema.clone()),
            false => Subject::Table(target.clone()),
        };
        let statement = |sql| DdlStatement { sql, subject: subject.clone(), default_schema: None, open_timestamps };
        outcome.statements.extend(texts.into_iter().map(statement));
        Ok(())
    }

    /// The table's next row finds its structure.
    pub(super) fn forget_structure(&self, table: &TableId, tracker: &mut Tracker, outcome: &mut Outcome) {
        if tracker.remove(&table.schema, &table.name) {
            outcome.rows.push(TableRow::Remove { table: table.clone() });
        }
    }

    /// Follows a statement in the tracked structures.
    pub(super) fn track(
        &self,
        statement: &Statement,
        tracker: &mut Tracker,
        outcome: &mut Outcome,
    ) -> Result<(), DmError> {
        let known = |id: &TableId| tracker.get(&id.schema, &id.name).is_some();
        let subject = statement.tables.first().map(|table| table.id());
        let follow = match &statement.kind {
            StatementKind::CreateTable(create) => create.like.as_ref().is_none_or(known),
            _ => subject.as_ref().is_none_or(known),
        };
        if !follow {
            // Not seen yet: its first row finds the structure as it is then.
            if let StatementKind::CreateTable(create) = &statement.kind {
                self.forget_structure(&create.table, tracker, outcome);
            }
            return Ok(());
        }
        for change in tracker.apply(statement)? {
            match change {
                TrackedChange::Created(table) | TrackedChange::Altered(table) => put(tracker, table, outcome)?,
                TrackedChange::Dropped(table) => outcome.rows.push(TableRow::Remove { table }),
                TrackedChange::Renamed { from, to } => {
                    outcome.rows.push(TableRow::Remove { table: from });
                    put(tracker, to, outcome)?;
                }
                TrackedChange::SchemaDropped(schema) => outcome.rows.push(TableRow::RemoveSchema { schema }),
                TrackedChange::SchemaCreated(_) | TrackedChange::SchemaAltered(_) | TrackedChange::Truncated(_) => {}
            }
        }
        Ok(())
    }
}

/// Statements that need the table to be there.
pub(super) fn alters(statement: &Statement) -> bool {
    matches!(
        statement.kind,
        StatementKind::AlterTable { .. } | StatementKind::CreateIndex { .. } | StatementKind::DropIndex { .. }
    )
}

fn put(tracker: &Tracker, table: TableId, outcome: &mut Outcome) -> Result<(), DmError> {
    if let Some(info) = tracker.get(&table.schema, &table.name) {
        outcome.rows.push(TableRow::Put { json: table_info::to_json(&info)?, table });
    }
    Ok(())
}
