//! An event that an operator stands for: statements before it, and what runs in its place.
//!
//! The texts are planned as the event's own statement is, one after the other, and numbered within the event, so that
//! the record of DDL on the target knows each of them. The structures in the checkpoint follow with the last of them:
//! a crash in between begins with the first again and finds those that ran in the record.

use std::sync::Arc;

use super::{
    ddl::{DdlEvent, Outcome},
    ddl_run::{DdlSteps, digest},
    location::{At, Transaction},
    translate::TranslateTask,
};
use crate::{
    error::DmError,
    mysql::binlog::event::{QueryEvent, StatusVars},
    rules::operator::Operator,
    schema::Tracker,
};

/// Texts of one event so far: what ran, and what the checkpoint will have to take up.
#[derive(Default)]
struct Done {
    digests: Vec<String>,
    rows: Vec<super::checkpoint::TableRow>,
    steps: u32,
    /// How many of the texts stand before the event.
    before: usize,
}

impl Done {
    fn under(operator: &Operator) -> Done {
        Done { before: operator.before.len(), ..Done::default() }
    }

    /// All that stands before the event has run.
    fn injected(&self) -> bool {
        self.before > 0 && self.steps as usize >= self.before
    }
}

impl TranslateTask {
    /// A statement under an operator.
    pub(super) async fn operated(&mut self, event: DdlEvent, operator: Operator) -> Result<(), DmError> {
        let mut done = Done::under(&operator);
        let own = event_of(&event, "");
        self.run_texts(&own, &operator.before, &mut done).await?;
        let Some(instead) = &operator.instead else {
            let at = At { step: done.steps, injected: done.injected(), ..event.at("") };
            let sql = self.text(&event).map_err(|error| event.transaction.annotate(error, at))?;
            return self.last_text(&event, &sql, done).await;
        };
        tracing::warn!(location = %event.transaction.before, statements = instead.len(), "an operator stands for the statement");
        match instead.split_last() {
            Some((last, others)) => {
                self.run_texts(&own, others, &mut done).await?;
                self.last_text(&event_of(&event, last), last, done).await
            }
            None => self.skipped(&event, done).await,
        }
    }

    /// An event that is no statement under an operator; true when the event itself doesn't count. `alone`: it is the whole
    /// transaction.
    pub(super) async fn replaces(
        &mut self,
        transaction: &Arc<Transaction>,
        start_pos: u64,
        end_pos: u64,
        alone: bool,
    ) -> Result<bool, DmError> {
        let Some(operator) = self.rules.operator(transaction, start_pos, alone) else { return Ok(false) };
        tracing::warn!(location = %transaction.before, start_pos, "an operator stands for an event");
        let event = DdlEvent {
            transaction: transaction.clone(),
            event: query(""),
            start_pos,
            end_pos,
            timestamp: transaction.timestamp,
            number: self.row.rows,
            alone: false,
        };
        let mut done = Done::under(&operator);
        let texts: Vec<String> = operator.before.iter().chain(operator.instead.iter().flatten()).cloned().collect();
        if let Some((last, others)) = texts.split_last() {
            self.run_texts(&event, others, &mut done).await?;
            self.last_text(&event_of(&event, last), last, done).await?;
        }
        Ok(operator.instead.is_some())
    }

    /// Runs texts after which more of the event follows. The checkpoint's rows wait for the last.
    async fn run_texts(&mut self, event: &DdlEvent, texts: &[String], done: &mut Done) -> Result<(), DmError> {
        for text in texts {
            let event = event_of(event, text);
            let (mut outcome, tracker) = self.plan_text(&event, text, done).await?;
            done.rows.append(&mut outcome.rows);
            let steps = steps_of(text, &outcome, done);
            done.digests.extend(outcome.statements.iter().map(|statement| digest(&statement.sql)));
            done.steps += 1;
            self.run_job(&event, steps, outcome, tracker).await?;
        }
        Ok(())
    }

    /// Runs the last text of an event, and stores all behind it.
    async fn last_text(&mut self, event: &DdlEvent, text: &str, done: Done) -> Result<(), DmError> {
        let (mut outcome, tracker) = self.plan_text(event, text, &done).await?;
        let after = event.alone.then(|| event.transaction.location_at(event.end_pos));
        let steps = DdlSteps { after, ..steps_of(text, &outcome, &done) };
        outcome.rows.splice(..0, done.rows);
        self.run_job(event, steps, outcome, tracker).await
    }

    /// The event itself doesn't run. Its table has changed at the source all the same: where that can be followed, it is.
    async fn skipped(&mut self, event: &DdlEvent, done: Done) -> Result<(), DmError> {
        let mut tracker = self.structures.tracker.clone();
        let followed = match self.text(event) {
            Ok(sql) => self.plan(event, &sql, &mut tracker).await,
            Err(error) => Err(error),
        };
        let (mut outcome, tracker) = match followed {
            Ok(outcome) => (Outcome { statements: Vec::new(), ..outcome }, tracker),
            Err(error) => {
                tracing::warn!(error = %error, "the tracked structure can't follow the skipped statement");
                self.skipped_switch(event, self.structures.tracker.clone())
            }
        };
        let after = event.alone.then(|| event.transaction.location_at(event.end_pos));
        let steps = DdlSteps { after, earlier: done.digests, ..DdlSteps::default() };
        outcome.rows.splice(..0, done.rows);
        self.run_job(event, steps, outcome, tracker).await
    }

    async fn plan_text(&mut self, event: &DdlEvent, text: &str, done: &Done) -> Result<(Outcome, Tracker), DmError> {
        let text = plain(text);
        let mut tracker = self.structures.tracker.clone();
        let at = At { step: done.steps, injected: done.injected(), ..event.at(text) };
        let plan = self.plan(event, text, &mut tracker).await;
        Ok((plan.map_err(|error| event.transaction.annotate(error, at))?, tracker))
    }
}

/// A text of the user's without what separates it from others.
fn plain(text: &str) -> &str {
    text.trim().trim_end_matches(';')
}

fn steps_of(text: &str, outcome: &Outcome, done: &Done) -> DdlSteps {
    DdlSteps {
        origin: plain(text).to_owned(),
        after: None,
        earlier: done.digests.clone(),
        step: vec![done.steps; outcome.statements.len()],
        injected: done.injected(),
    }
}

/// An event with a text of the user's in its place: written in UTF-8, under no sql_mode, without a default schema.
fn event_of(event: &DdlEvent, text: &str) -> DdlEvent {
    DdlEvent {
        transaction: event.transaction.clone(),
        event: query(text),
        start_pos: event.start_pos,
        end_pos: event.end_pos,
        timestamp: event.timestamp,
        number: event.number,
        alone: event.alone,
    }
}

fn query(text: &str) -> QueryEvent {
    QueryEvent {
        schema: String::new(),
        sql: text.as_bytes().to_vec().into(),
        thread_id: 0,
        exec_time: 0,
        error_code: 0,
        status: StatusVars::default(),
    }
}
