//! The stored record of the last DDL: what a start knows of a statement that was about to run.

use mysql_async::{Conn, prelude::Queryable};

use super::{ddl_run::DdlJob, target::Target};
use crate::{
    error::DmError,
    mysql::{position::BinlogPosition, within},
    schema::model::quote_text,
};

/// Split statements of one event are numbered `event * SPLIT + part`.
pub const SPLIT: u64 = 1_000_000;

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
    /// TiDB's newest DDL job when it was stored.
    pub job_floor: u64,
}

/// What the stored record says about a statement.
#[derive(PartialEq, Debug)]
pub enum Known {
    New,
    Started { before: Option<String> },
    Done,
}

impl Intent {
    /// The columns of `Intent` in the order in which the start reads them.
    const COLUMNS: &'static str =
        "binlog_name, binlog_pos, gtid, statement_no, plan, structure_before, state, job_floor";

    /// The record of a source. `table` is quoted.
    pub async fn read(
        conn: &mut Conn,
        target: &Target,
        table: &str,
        source_id: &str,
    ) -> Result<Option<Intent>, DmError> {
        let sql = format!("SELECT {} FROM {table} WHERE source_id = {}", Intent::COLUMNS, quote_text(source_id));
        type Columns = (String, u64, String, u64, String, Option<String>, String, u64);
        let row: Option<Columns> =
            within(target.answer_limit(), conn.query_first(&sql)).await.map_err(|e| target.query_error(&sql, &e))?;
        Ok(row.map(|(name, pos, gtid, statement_no, plan, before, state, job_floor)| Intent {
            position: BinlogPosition::new(name, pos),
            gtid,
            statement_no,
            plan: plan.split_whitespace().map(str::to_owned).collect(),
            before,
            done: state == "done",
            job_floor,
        }))
    }

    /// `plan` are the digests of the event's statements up to the one in question. Another plan than the recorded one
    /// (the user put other statements there) counts as not begun, from the first difference on.
    pub fn knows(&self, job: &DdlJob, plan: &[String]) -> Known {
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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::{
        mysql::position::Location,
        units::sync::{
            ddl_run::{DdlSteps, digest},
            location::Transaction,
        },
    };

    fn job(number: u64) -> DdlJob {
        let before = Location::new(BinlogPosition::new("bin.000001", 100), None);
        DdlJob {
            transaction: Arc::new(Transaction { before, since: None, gtid: None, timestamp: 0 }),
            number,
            start_pos: 142,
            end_pos: 200,
            timestamp: 0,
            time_zone: None,
            sql_mode: 0,
            source_is_mariadb: false,
            explicit_timestamps: true,
            statements: Vec::new(),
            rows: Vec::new(),
            more: Vec::new(),
            steps: DdlSteps::default(),
            asked: tokio::time::Instant::now(),
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
            job_floor: 0,
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
            job_floor: 0,
        };
        let knows = |statements: &[&str]| intent.knows(&job(0), &plan(statements));
        assert_eq!(knows(&["r1"]), Known::New);
        assert_eq!(knows(&["i1"]), Known::Done);
        assert_eq!(knows(&["i1", "i2"]), Known::Done);
        assert_eq!(knows(&["i1", "i2", "instead"]), Known::New);
    }
}
