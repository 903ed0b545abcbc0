//! One DDL event on the target, exactly once: intent stored, statement run, done stored with the checkpoint behind it.
//!
//! After a crash between the two, the target's structure tells whether the statement took effect. A statement that a
//! dead owner's session still runs is waited for, and one that it may still send is prevented: its session holds a named
//! lock of the target from before the intent until after the statement (`ddl_lock`).

use std::{sync::Arc, time::Duration};

use mysql_async::{Error as MysqlError, Row, prelude::Queryable};
use sha2::{Digest, Sha256};

use super::{
    checkpoint::TableRow,
    control::ControlTask,
    ddl::DdlEvent,
    ddl_effect::{self, Rest},
    ddl_intent::{Intent, Known, SPLIT},
    ddl_modes,
    ddl_watch::{self, Watch},
    location::{At, Transaction},
};
use crate::{
    error::{Code, DmError, Scope},
    mysql::{position::Location, within},
    schema::{
        load::fetch_table,
        model::{TableId, TableInfo, quote_name, quote_text, same_name},
    },
    units::{
        failpoint::{self, Place},
        link,
        session::ddl_sql_mode,
    },
};

/// Server errors which say that the statement's effect is already there (behaviours.md 4); from 1304 on of ours, for
/// programs, triggers, events and views (a program exists, doesn't exist ...).
const IGNORED: [u16; 19] =
    [1007, 1008, 1050, 1051, 1054, 1060, 1061, 1068, 1091, 1176, 1507, 1517, 1304, 1305, 1359, 1360, 1537, 1539, 4092];
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
    /// What TIMESTAMP columns of it are is up to the session's explicit_defaults_for_timestamp.
    pub open_timestamps: bool,
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
    pub source_is_mariadb: bool,
    /// Its explicit_defaults_for_timestamp.
    pub explicit_timestamps: bool,
    pub statements: Vec<DdlStatement>,
    /// Rows of the checkpoint that change with it.
    pub rows: Vec<TableRow>,
    /// Statements about other meta tables that go with it.
    pub more: Vec<String>,
    pub steps: DdlSteps,
    /// When the job was asked for; everything before it had to become durable first.
    pub asked: tokio::time::Instant,
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
            let at = At {
                start: job.start_pos,
                end: job.end_pos,
                sql: Some(origin.as_str()),
                step,
                injected: *injected,
                refused: false,
            };
            self.counters.statement_begins(&statement.sql);
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
        let (mut sql, before) = match known {
            Known::Done => return Ok(()),
            Known::Started { before } => {
                self.await_job(&statement.sql, self.job_floor(), false).await?;
                match self.became_of(statement, &statement.sql, &before).await? {
                    Some(sql) => (sql, before),
                    None => {
                        tracing::info!(sql = %statement.sql, "the statement took effect before the restart");
                        return Ok(());
                    }
                }
            }
            Known::New => {
                let before = self.structure(&statement.subject).await?;
                self.announce(job, number, plan, statement, before.clone()).await?;
                (statement.sql.clone(), before)
            }
        };
        failpoint::pass(self.target.task(), Place::DdlBeforeRun)?;
        self.carry_out(job, statement, &mut sql, &before).await?;
        failpoint::pass(self.target.task(), Place::DdlAfterRun)?;
        Ok(())
    }

    /// Sends `sql`, what is left of a statement, until its effect is there.
    async fn carry_out(
        &mut self,
        job: &DdlJob,
        statement: &DdlStatement,
        sql: &mut String,
        before: &Option<String>,
    ) -> Result<(), DmError> {
        let (mut connects, mut uncovered) = (0, false);
        loop {
            let Err(error) = self.watched(job, statement, sql).await else { break };
            if link::is_broken(&error) {
                connects += 1;
                if connects >= MAX_CONNECTS {
                    return Err(self.target.exec_error(sql, &error));
                }
                tracing::warn!(sql = %sql, "the connection broke while the statement ran, looking what became of it");
                self.writer.reset();
                tokio::time::sleep(RETRY_PAUSE).await;
                self.lock().await?;
                self.await_job(sql, self.job_floor(), true).await?;
                match self.became_of(statement, sql, before).await? {
                    Some(rest) => *sql = rest,
                    None => break,
                }
                continue;
            }
            if !uncovered && self.uncover(sql, &error).await? {
                uncovered = true;
                continue;
            }
            match self.left_by(statement, sql, &error).await? {
                Some(rest) => *sql = rest,
                None => break,
            }
        }
        Ok(())
    }

    /// After an unknown outcome: what is to be sent, None when the statement took effect.
    async fn became_of(
        &mut self,
        statement: &DdlStatement,
        sql: &str,
        before: &Option<String>,
    ) -> Result<Option<String>, DmError> {
        if self.structure(&statement.subject).await? == *before {
            if ddl_effect::is_invisible(sql, self.target.dialect()) {
                return Err(invisible(sql));
            }
            return Ok(Some(sql.to_owned()));
        }
        Ok(match ddl_effect::rest(sql, self.target.dialect(), self.table_of(statement).await?.as_ref()) {
            Rest::Nothing | Rest::Unknown => None,
            Rest::All => Some(sql.to_owned()),
            Rest::Some(rest) => Some(rest),
        })
    }

    /// After an error of the server: what is left to do when it says that part of it is there already; None: nothing.
    /// Any other error is returned, and so is this one when the structure shows that it isn't so.
    async fn left_by(
        &mut self,
        statement: &DdlStatement,
        sql: &str,
        error: &MysqlError,
    ) -> Result<Option<String>, DmError> {
        let errno = link::errno(error);
        if !IGNORED.contains(&errno) {
            return Err(statement_error(sql, error));
        }
        let rest = ddl_effect::rest(sql, self.target.dialect(), self.table_of(statement).await?.as_ref());
        let there = match &rest {
            Rest::Nothing => true,
            // The new name is another table's; a column that a change needs is missing.
            Rest::Unknown => !matches!(errno, 1050 | 1054 | 1060 | 1061 | 1068),
            Rest::All => false,
            Rest::Some(rest) if rest != sql => {
                tracing::warn!(%sql, %rest, cause = %link::cause(error), "a part of the statement is there already");
                return Ok(Some(rest.clone()));
            }
            Rest::Some(_) => false,
        };
        if !there {
            return Err(statement_error(sql, error));
        }
        tracing::warn!(%sql, cause = %link::cause(error), "ignored: the statement's effect is there");
        Ok(None)
    }

    /// The structure of the table that a statement is about.
    async fn table_of(&mut self, statement: &DdlStatement) -> Result<Option<TableInfo>, DmError> {
        let Subject::Table(table) = &statement.subject else { return Ok(None) };
        let conn = self.writer.connection().await?;
        let found = fetch_table(conn, &table.schema, &table.name).await;
        if found.is_err() {
            self.writer.reset();
        }
        found.map_err(|error| error.scope(Scope::Downstream))
    }

    /// TiDB: a column that a single-column index covers can't be dropped; true when such indexes were dropped.
    async fn uncover(&mut self, sql: &str, error: &MysqlError) -> Result<bool, DmError> {
        let MysqlError::Server(server) = error else { return Ok(false) };
        if !self.target.is_tidb() || server.code != 8200 || !server.message.to_ascii_lowercase().contains("covered") {
            return Ok(false);
        }
        let Some((id, column)) = ddl_effect::dropped_column(sql, self.target.dialect()) else { return Ok(false) };
        let subject = Subject::Table(id.clone());
        let statement = DdlStatement { sql: sql.to_owned(), subject, default_schema: None, open_timestamps: false };
        let Some(table) = self.table_of(&statement).await? else { return Ok(false) };
        let alone = |index: &&crate::schema::model::Index| matches!(index.columns.as_slice(), [part] if same_name(&part.column, &column));
        let drops: Vec<String> = (table.indexes.iter().filter(alone))
            .map(|index| format!("ALTER TABLE {id} DROP INDEX {}", quote_name(&index.name)))
            .collect();
        for drop in &drops {
            tracing::warn!(sql = %drop, "an index is dropped so that its column can be");
            let conn = self.writer.connection().await?;
            if let Err(error) = conn.query_drop(drop).await {
                return Err(statement_error(drop, &error));
            }
        }
        Ok(!drops.is_empty())
    }

    /// Runs a statement, and looks at it meanwhile.
    async fn watched(&mut self, job: &DdlJob, statement: &DdlStatement, sql: &str) -> Result<(), MysqlError> {
        let broken = || MysqlError::Driver(mysql_async::DriverError::ConnectionClosed);
        let target = self.target.clone();
        // Without a connection it looks like a broken one to the caller, who then tries again.
        let conn = self.writer.connection().await.map_err(|_| broken())?;
        let (id, home) = ddl_watch::identity(conn, &target).await?;
        let watch = Watch::new(self.target.clone(), self.counters.clone(), sql, self.job_floor());
        tokio::select! {
            outcome = self.execute(job, statement, sql) => outcome,
            () = watch.until_lost(id, &home) => {
                tracing::warn!(%sql, "the target's session is gone or idle, and no answer came");
                Err(broken())
            }
        }
    }

    fn job_floor(&self) -> u64 {
        self.state.intent.as_ref().map_or(0, |intent| intent.job_floor)
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
        let target = self.target.clone();
        let job_floor = match target.is_tidb() {
            true => ddl_watch::job_floor(self.writer.connection().await?, &target).await,
            false => 0,
        };
        let intent = Intent {
            position: job.transaction.before.position.clone(),
            gtid: job.transaction.gtid.as_ref().map(ToString::to_string).unwrap_or_default(),
            statement_no: number,
            plan: plan.to_vec(),
            before,
            done: false,
            job_floor,
        };
        let body = format!(
            "REPLACE INTO {} (source_id, binlog_name, binlog_pos, gtid, statement_no, plan, statement, \
             structure_before, job_floor, state) VALUES ({}, {}, {}, {}, {number}, {}, {}, {}, {job_floor}, 'started')",
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

    async fn execute(&mut self, job: &DdlJob, statement: &DdlStatement, sql: &str) -> Result<(), MysqlError> {
        let own = self.target.sql_mode().to_owned();
        let wanted = ddl_sql_mode(&own, job.sql_mode, job.source_is_mariadb, self.target.is_mariadb());
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
        ddl_modes::timestamps(conn, sql, job.explicit_timestamps, statement.open_timestamps).await?;
        conn.query_drop(format!("SET timestamp = {}", job.timestamp)).await?;
        if let Some(schema) = &statement.default_schema {
            conn.query_drop(format!("USE {}", quote_name(schema))).await?;
        }
        let outcome = ddl_modes::execute(conn, sql, &wanted).await;
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
}

/// Error 10006: a statement that leaves no trace in the structure may or may not have run.
fn invisible(sql: &str) -> DmError {
    DmError::new(Code::DBExecuteFailed)
        .scope(Scope::Downstream)
        .msg(format!("it is not known whether the target executed {}", super::location::shorten(sql)))
        .cause("the connection broke (or the worker ended) while it ran, and structures don't show its effect")
        .workaround(
            "Please look whether the rows of the partition and of the table have changed places on the target. If they \
             have not, execute the statement there by hand. Then skip it (`binlog skip`) and resume the task.",
        )
}

fn statement_error(sql: &str, error: &MysqlError) -> DmError {
    DmError::new(Code::DBExecuteFailed)
        .scope(Scope::Downstream)
        .msg(format!("execute statement failed: {}", super::location::shorten(sql)))
        .cause(link::cause(error))
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

    #[test]
    fn counters_are_no_structure() {
        assert_eq!(
            without_counter("CREATE ... ENGINE=InnoDB AUTO_INCREMENT=7 DEFAULT x"),
            "CREATE ... ENGINE=InnoDB DEFAULT x"
        );
        assert_eq!(without_counter("CREATE ... ENGINE=InnoDB"), "CREATE ... ENGINE=InnoDB");
    }
}
