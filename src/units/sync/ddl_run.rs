//! One DDL event on the target, exactly once: intent stored, statement run, done stored with the checkpoint behind it.
//!
//! After a crash between the two, the target's structure tells whether the statement took effect. A statement that a
//! dead owner's session still runs (or may still send) is waited for: its session holds a named lock of the target from
//! before the intent until after the statement, and `wait_timeout` ends a session whose owner sleeps.

use std::{sync::Arc, time::Duration};

use mysql_async::{Conn, Error as MysqlError, Row, prelude::Queryable};
use sha2::{Digest, Sha256};

use super::{
    checkpoint::TableRow,
    control::ControlTask,
    ddl::DdlEvent,
    failpoint::{self, Place},
    location::{At, Transaction},
};
use crate::{
    error::{Code, DmError, Scope},
    mysql::{
        position::{BinlogPosition, Location},
        within,
    },
    schema::model::{TableId, quote_name, quote_text},
    units::{link, session::ddl_sql_mode},
};

/// Server errors which say that the statement's effect is already there (behaviours.md 4); from 1304 on of ours, for
/// programs, triggers, events and views (a program exists, doesn't exist ...).
const IGNORED: [u16; 19] =
    [1007, 1008, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1176, 1507, 1517, 1304, 1305, 1359, 1360, 1537, 1539, 4092];
/// Split statements of one event are numbered `event * SPLIT + part`.
const SPLIT: u64 = 1_000_000;
/// Seconds of one wait for the lock, and how many waits before giving up: half an hour.
const LOCK_WAIT: u32 = 5;
const LOCK_WAITS: u32 = 360;
const MAX_CONNECTS: u32 = 10;
const RETRY_PAUSE: Duration = Duration::from_secs(3);

/// What a statement changes on the target.
#[derive(Clone, PartialEq, Debug)]
pub enum Subject {
    Table(TableId),
    Schema(String),
}

impl Subject {
    /// As a table; of a schema the name is empty.
    pub fn table(&self) -> TableId {
        match self {
            Subject::Table(table) => table.clone(),
            Subject::Schema(schema) => TableId::new(schema.as_str(), ""),
        }
    }
}

/// One statement for the target.
#[derive(Clone, PartialEq, Debug)]
pub struct DdlStatement {
    pub sql: String,
    pub subject: Subject,
    /// For texts whose names are not all qualified: the session's schema.
    pub default_schema: Option<String>,
}

/// One DDL event.
#[derive(Debug)]
pub struct DdlJob {
    pub transaction: Arc<Transaction>,
    /// Rises from event to event of the transaction.
    pub number: u64,
    pub start_pos: u64,
    pub end_pos: u64,
    pub timestamp: u32,
    pub time_zone: Option<String>,
    /// The session's sql_mode at the source, as bits.
    pub sql_mode: u64,
    /// Its explicit_defaults_for_timestamp.
    pub explicit_timestamps: bool,
    pub statements: Vec<DdlStatement>,
    /// Rows of the checkpoint that change with it.
    pub rows: Vec<TableRow>,
    /// Statements about other meta tables that go with it.
    pub more: Vec<String>,
    pub steps: DdlSteps,
}

/// Which part of an event a job is: all of it, unless an operator puts statements before it or in its place.
#[derive(Clone, Default, Debug)]
pub struct DdlSteps {
    /// The text that the statements come from.
    pub origin: String,
    /// The checkpoint behind it; None inside a larger transaction, and where more of the event follows.
    pub after: Option<Location>,
    /// Digests of the statements that earlier jobs of the event ran.
    pub earlier: Vec<String>,
    /// For error texts: which of the texts that stand for the event each statement comes from, and whether those that
    /// were put before it have run.
    pub step: Vec<u32>,
    pub injected: bool,
}

impl DdlSteps {
    /// A whole event.
    pub fn of_event(event: &DdlEvent, sql: &str) -> DdlSteps {
        let after = event.alone.then(|| event.transaction.location_at(event.end_pos));
        DdlSteps { origin: sql.to_owned(), after, ..DdlSteps::default() }
    }
}

/// A statement in the record of what ran.
pub fn digest(sql: &str) -> String {
    let digest = Sha256::digest(sql.as_bytes());
    digest.iter().take(8).map(|byte| format!("{byte:02x}")).collect()
}

/// The stored record of the last DDL.
#[derive(Clone, PartialEq, Debug)]
pub struct Intent {
    pub position: BinlogPosition,
    pub gtid: String,
    /// The event's number, and the place of the statement among those of the event.
    pub statement_no: u64,
    /// Digests of the event's statements up to this one.
    pub plan: Vec<String>,
    pub before: Option<String>,
    pub done: bool,
}

/// What the stored record says about a statement.
#[derive(PartialEq, Debug)]
enum Known {
    New,
    Started { before: Option<String> },
    Done,
}

impl Intent {
    /// The columns of `Intent` in the order in which the start reads them.
    pub const COLUMNS: &'static str = "binlog_name, binlog_pos, gtid, statement_no, plan, structure_before, state";

    /// `plan` are the digests of the event's statements up to the one in question. Another plan than the recorded one
    /// (the user put other statements there) counts as not begun, from the first difference on.
    fn knows(&self, job: &DdlJob, plan: &[String]) -> Known {
        let gtid = job.transaction.gtid.as_ref().map(ToString::to_string).unwrap_or_default();
        let same = if gtid.is_empty() { self.position == job.transaction.before.position } else { self.gtid == gtid };
        let event = self.statement_no / SPLIT;
        if !same || event < job.number {
            return Known::New;
        }
        if event > job.number {
            return Known::Done;
        }
        if !self.plan.starts_with(plan) {
            return Known::New;
        }
        let later = self.plan.len() > plan.len();
        if later || self.done { Known::Done } else { Known::Started { before: self.before.clone() } }
    }
}

impl ControlTask {
    /// Runs an event's statements. Everything before it is durable.
    pub async fn ddl(&mut self, job: &DdlJob) -> Result<(), DmError> {
        self.flush().await?;
        let mut last = None;
        let DdlSteps { origin, step, injected, earlier, .. } = &job.steps;
        let mut plan = earlier.clone();
        for (part, statement) in job.statements.iter().enumerate() {
            plan.push(digest(&statement.sql));
            let number = job.number * SPLIT + plan.len() as u64 - 1;
            let step = step.get(part).copied().unwrap_or_default();
            let at =
                At { start: job.start_pos, end: job.end_pos, sql: Some(origin.as_str()), step, injected: *injected };
            self.statement(job, number, &plan, statement).await.map_err(|error| job.transaction.annotate(error, at))?;
            last = Some(number);
        }
        failpoint::pass(self.target.task(), Place::DdlBeforeDone)?;
        if let Some(after) = &job.steps.after {
            self.state.at = after.clone();
        }
        self.state.rows.extend(job.rows.iter().cloned());
        // The record may be ahead of this job: after a crash the jobs of an event come again from the first on.
        let last = last.filter(|number| self.state.intent.as_ref().is_none_or(|intent| intent.statement_no <= *number));
        let done = last.map(|number| {
            format!(
                "UPDATE {} SET state = 'done', statement_no = {number}, plan = {} WHERE source_id = {}",
                self.tables.ddl,
                quote_text(&plan.join(" ")),
                quote_text(&self.source_id)
            )
        });
        let together: Vec<String> = done.into_iter().chain(job.more.iter().cloned()).collect();
        self.store(&together).await?;
        failpoint::pass(self.target.task(), Place::DdlAfterDone)?;
        if let (Some(intent), Some(_)) = (&mut self.state.intent, last) {
            intent.done = true;
        }
        self.release().await;
        Ok(())
    }

    async fn statement(
        &mut self,
        job: &DdlJob,
        number: u64,
        plan: &[String],
        statement: &DdlStatement,
    ) -> Result<(), DmError> {
        let known = self.state.intent.as_ref().map_or(Known::New, |intent| intent.knows(job, plan));
        failpoint::pass(self.target.task(), Place::DdlBeforeLock)?;
        self.lock().await?;
        failpoint::pass(self.target.task(), Place::DdlBeforeIntent)?;
        let before = match known {
            Known::Done => return Ok(()),
            Known::Started { before } => {
                if self.structure(&statement.subject).await? != before {
                    tracing::info!(sql = %statement.sql, "the statement took effect before the restart");
                    return Ok(());
                }
                before
            }
            Known::New => {
                let before = self.structure(&statement.subject).await?;
                self.announce(job, number, plan, statement, before.clone()).await?;
                before
            }
        };
        failpoint::pass(self.target.task(), Place::DdlBeforeRun)?;
        let mut connects = 0;
        loop {
            let Err(error) = self.execute(job, statement).await else { break };
            if link::is_broken(&error) {
                connects += 1;
                if connects >= MAX_CONNECTS {
                    return Err(self.target.exec_error(&statement.sql, &error));
                }
                tracing::warn!(sql = %statement.sql, "the connection broke while the statement ran, looking what became of it");
                self.writer.reset();
                tokio::time::sleep(RETRY_PAUSE).await;
                self.lock().await?;
                if self.structure(&statement.subject).await? != before {
                    break;
                }
                continue;
            }
            if IGNORED.contains(&link::errno(&error)) {
                tracing::warn!(sql = %statement.sql, cause = %link::cause(&error), "ignored: the statement's effect is there");
                break;
            }
            return Err(statement_error(&statement.sql, &error));
        }
        failpoint::pass(self.target.task(), Place::DdlAfterRun)?;
        Ok(())
    }

    /// Stores that the statement is about to run.
    async fn announce(
        &mut self,
        job: &DdlJob,
        number: u64,
        plan: &[String],
        statement: &DdlStatement,
        before: Option<String>,
    ) -> Result<(), DmError> {
        let intent = Intent {
            position: job.transaction.before.position.clone(),
            gtid: job.transaction.gtid.as_ref().map(ToString::to_string).unwrap_or_default(),
            statement_no: number,
            plan: plan.to_vec(),
            before,
            done: false,
        };
        let body = format!(
            "REPLACE INTO {} (source_id, binlog_name, binlog_pos, gtid, statement_no, plan, statement, \
             structure_before, state) VALUES ({}, {}, {}, {}, {number}, {}, {}, {}, 'started')",
            self.tables.ddl,
            quote_text(&self.source_id),
            quote_text(&intent.position.name),
            intent.position.pos,
            quote_text(&intent.gtid),
            quote_text(&intent.plan.join(" ")),
            quote_text(&statement.sql),
            intent.before.as_deref().map_or_else(|| "NULL".to_owned(), quote_text)
        );
        self.transact(&body).await?;
        self.state.intent = Some(intent);
        Ok(())
    }

    async fn execute(&mut self, job: &DdlJob, statement: &DdlStatement) -> Result<(), MysqlError> {
        let (own, wanted) = (self.target.sql_mode().to_owned(), ddl_sql_mode(self.target.sql_mode(), job.sql_mode));
        let conn = match self.writer.connection().await {
            Ok(conn) => conn,
            // Looks like a broken connection to the caller, who then tries again.
            Err(_) => return Err(MysqlError::Driver(mysql_async::DriverError::ConnectionClosed)),
        };
        if let Some(zone) = job.time_zone.as_deref().filter(|zone| !zone.eq_ignore_ascii_case("SYSTEM")) {
            // A zone name that the target doesn't know: its own time must do, as for the original.
            match conn.query_drop(format!("SET SESSION time_zone = {}", quote_text(zone))).await {
                Err(MysqlError::Server(_)) | Ok(()) => {}
                Err(other) => return Err(other),
            }
        }
        if has_timestamps(&statement.sql) {
            let on = u8::from(job.explicit_timestamps);
            match conn.query_drop(format!("SET SESSION explicit_defaults_for_timestamp = {on}")).await {
                Ok(()) => {}
                // Old servers fix it at their start, others want a privilege. It matters only where the two differ.
                Err(MysqlError::Server(error)) => {
                    let there: Option<u8> = conn.query_first("SELECT @@explicit_defaults_for_timestamp").await?;
                    if there.is_some_and(|there| there != on) {
                        tracing::warn!(sql = %statement.sql, cause = %error.message, wanted = on,
                            "TIMESTAMP columns without NULL or DEFAULT may differ: the target's \
                             explicit_defaults_for_timestamp is not the source's and can't be set");
                    }
                }
                Err(other) => return Err(other),
            }
        }
        conn.query_drop(format!("SET timestamp = {}, sql_mode = {}", job.timestamp, quote_text(&wanted))).await?;
        if let Some(schema) = &statement.default_schema {
            conn.query_drop(format!("USE {}", quote_name(schema))).await?;
        }
        let outcome = conn.query_drop(&statement.sql).await;
        let reset = format!("SET timestamp = DEFAULT, time_zone = '+00:00', sql_mode = {}", quote_text(&own));
        match conn.query_drop(reset).await {
            Ok(()) => outcome,
            Err(error) => outcome.and(Err(error)),
        }
    }

    /// The target's structure, None when it isn't there.
    async fn structure(&mut self, subject: &Subject) -> Result<Option<String>, DmError> {
        let sql = match subject {
            Subject::Table(table) => format!("SHOW CREATE TABLE {table}"),
            Subject::Schema(schema) => format!("SHOW CREATE DATABASE {}", quote_name(schema)),
        };
        let target = self.target.clone();
        let conn = self.writer.connection().await?;
        match within(target.answer_limit(), conn.query_first::<Row, _>(&sql)).await {
            Ok(row) => Ok(row.and_then(|row| row.get::<String, _>(1)).map(|text| without_counter(&text))),
            // No such table, no such database.
            Err(error) if matches!(link::errno(&error), 1146 | 1049) => Ok(None),
            Err(error) => {
                self.writer.reset();
                Err(target.query_error(&sql, &error))
            }
        }
    }

    fn lock_name(&self) -> String {
        let digest = Sha256::digest(format!("{}\0{}", self.tables.ddl, self.source_id).as_bytes());
        format!("dm-ddl-{}", digest.iter().take(16).map(|b| format!("{b:02x}")).collect::<String>())
    }

    /// Waits for the lock that a session holds while it may run DDL for this source.
    async fn lock(&mut self) -> Result<(), DmError> {
        let sql = format!("SELECT COALESCE(GET_LOCK('{}', {LOCK_WAIT}), 0)", self.lock_name());
        for _ in 0..LOCK_WAITS {
            let target = self.target.clone();
            let conn: &mut Conn = self.writer.connection().await?;
            let limit = target.answer_limit() + Duration::from_secs(LOCK_WAIT.into());
            match within(limit, conn.query_first::<i64, _>(&sql)).await {
                Ok(Some(1)) => return Ok(()),
                Ok(_) => tracing::warn!("another session still runs DDL of this source on the target, waiting for it"),
                Err(error) => {
                    self.writer.reset();
                    return Err(target.query_error(&sql, &error));
                }
            }
        }
        Err(DmError::new(Code::DBUnExpect)
            .scope(Scope::Downstream)
            .msg("another session holds the lock for DDL of this source on the target for half an hour")
            .workaround(
                "Please look for a long-running DDL in the target's process list; resume the task when it ended.",
            ))
    }

    async fn release(&mut self) {
        let sql = format!("DO RELEASE_LOCK('{}')", self.lock_name());
        let limit = self.target.answer_limit();
        if let Ok(conn) = self.writer.connection().await
            && within(limit, conn.query_drop(sql)).await.is_err()
        {
            self.writer.reset();
        }
    }
}

fn statement_error(sql: &str, error: &MysqlError) -> DmError {
    DmError::new(Code::DBExecuteFailed)
        .scope(Scope::Downstream)
        .msg(format!("execute statement failed: {}", super::location::shorten(sql)))
        .cause(link::cause(error))
}

/// Whether a statement may define TIMESTAMP columns.
fn has_timestamps(sql: &str) -> bool {
    sql.as_bytes().windows(9).any(|word| word.eq_ignore_ascii_case(b"TIMESTAMP"))
}

/// A structure without `AUTO_INCREMENT=n`, which rows change too.
fn without_counter(text: &str) -> String {
    const MARK: &str = "AUTO_INCREMENT=";
    let Some(at) = text.rfind(MARK) else { return text.to_owned() };
    let rest = text[at + MARK.len()..].trim_start_matches(|c: char| c.is_ascii_digit());
    format!("{}{}", &text[..at], rest.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job(number: u64) -> DdlJob {
        let before = Location::new(BinlogPosition::new("bin.000001", 100), None);
        DdlJob {
            transaction: Arc::new(Transaction { before, gtid: None, timestamp: 0 }),
            number,
            start_pos: 142,
            end_pos: 200,
            timestamp: 0,
            time_zone: None,
            sql_mode: 0,
            explicit_timestamps: true,
            statements: Vec::new(),
            rows: Vec::new(),
            more: Vec::new(),
            steps: DdlSteps::default(),
        }
    }

    fn plan(statements: &[&str]) -> Vec<String> {
        statements.iter().map(|sql| digest(sql)).collect()
    }

    #[test]
    fn the_record_tells_what_was_done() {
        let intent = Intent {
            position: BinlogPosition::new("bin.000001", 100),
            gtid: String::new(),
            statement_no: SPLIT + 1,
            plan: plan(&["a", "b"]),
            before: Some("s".into()),
            done: false,
        };
        let knows = |intent: &Intent, number, statements: &[&str]| intent.knows(&job(number), &plan(statements));
        let started = Known::Started { before: Some("s".into()) };
        assert_eq!(knows(&intent, 0, &["z"]), Known::Done);
        assert_eq!(knows(&intent, 1, &["a"]), Known::Done);
        assert_eq!(knows(&intent, 1, &["a", "b"]), started);
        assert_eq!(knows(&intent, 1, &["a", "b", "c"]), Known::New);
        assert_eq!(knows(&intent, 2, &["a"]), Known::New);
        let done = Intent { done: true, ..intent.clone() };
        assert_eq!(knows(&done, 1, &["a", "b"]), Known::Done);
        let other = Intent { position: BinlogPosition::new("bin.000001", 99), ..intent };
        assert_eq!(knows(&other, 1, &["a", "b"]), Known::New);
    }

    /// Two statements in the place of a split one whose first half ran: neither counts as done. What was put before the
    /// event stays done when only the event itself is replaced.
    #[test]
    fn another_plan_begins_where_it_differs() {
        let intent = Intent {
            position: BinlogPosition::new("bin.000001", 100),
            gtid: String::new(),
            statement_no: 2,
            plan: plan(&["i1", "i2", "original"]),
            before: None,
            done: false,
        };
        let knows = |statements: &[&str]| intent.knows(&job(0), &plan(statements));
        assert_eq!(knows(&["r1"]), Known::New);
        assert_eq!(knows(&["i1"]), Known::Done);
        assert_eq!(knows(&["i1", "i2"]), Known::Done);
        assert_eq!(knows(&["i1", "i2", "instead"]), Known::New);
    }

    #[test]
    fn counters_are_no_structure() {
        assert_eq!(
            without_counter("CREATE ... ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT x"),
            "CREATE ... ENGINE=InnoDB DEFAULT x"
        );
        assert_eq!(without_counter("CREATE ... ENGINE=InnoDB"), "CREATE ... ENGINE=InnoDB");
    }
}
