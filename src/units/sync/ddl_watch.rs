//! A statement that runs long on the target: what query-status shows of it, and what became of it when its connection is
//! gone. The session that runs it holds a named lock (`ddl_lock`); on TiDB its job outlives the session.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{control::ControlTask, counters::Counters, location::shorten, target::Target};
use crate::{
    error::{Code, DmError, Scope},
    mysql::within,
    schema::model::quote_text,
};

/// Between two looks at a running statement; the first tells that it runs long.
const LOOK: Duration = Duration::from_secs(5);
/// Looks in a row without the session (or with an idle one) after which the answer won't come any more.
const LOST: u32 = 2;
/// The remark's name.
pub const NOTE: &str = "ddl";

/// Looks at a statement from a session of its own, until it is dropped.
pub struct Watch {
    target: Target,
    pub counters: Arc<Counters>,
    sql: String,
    job_floor: u64,
}

/// What the process list says of a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Seen {
    Working(String),
    Idle,
    Absent,
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.counters.unnote(NOTE);
    }
}

impl Watch {
    /// For one statement. `job_floor`: TiDB's newest job before it.
    pub fn new(target: Target, counters: Arc<Counters>, sql: &str, job_floor: u64) -> Watch {
        Watch { target, counters, sql: sql.to_owned(), job_floor }
    }

    /// Tells how session `id` gets on; returns when it is gone or does nothing: then nobody will answer. Behind a balancer
    /// the list may be another server's than `home`, and says nothing then.
    pub async fn until_lost(&self, id: u64, home: &str) {
        let started = Instant::now();
        let (mut conn, mut lost) = (None, 0);
        loop {
            tokio::time::sleep(LOOK).await;
            let state = self.look(&mut conn, id, home).await;
            let more = match &state {
                Some(Seen::Working(state)) => {
                    lost = 0;
                    format!(": {state}")
                }
                Some(Seen::Idle | Seen::Absent) => {
                    lost += 1;
                    if lost >= LOST {
                        return;
                    }
                    String::new()
                }
                None => String::new(),
            };
            let jobs = match &mut conn {
                Some(conn) if self.target.is_tidb() => newest_job(conn, &self.target, &self.sql, self.job_floor).await,
                _ => None,
            };
            let job = jobs.map(|job| format!(", {job}")).unwrap_or_default();
            let text = format!(
                "DDL runs on the target for {} s{more}{job}: {}",
                started.elapsed().as_secs(),
                shorten(&self.sql)
            );
            self.counters.note(NOTE.to_owned(), text);
        }
    }

    /// None: the list couldn't be read, or is another server's.
    async fn look(&self, conn: &mut Option<Conn>, id: u64, home: &str) -> Option<Seen> {
        if conn.is_none() {
            let mut fresh = self.target.connect().await.ok()?;
            if identity(&mut fresh, &self.target).await.ok()?.1 != home {
                return None;
            }
            *conn = Some(fresh);
        }
        let seen = session(conn.as_mut()?, &self.target, id).await;
        if seen.is_none() {
            *conn = None;
        }
        seen
    }
}

/// A session's id, and which server it is one of. TiDB's servers share their list of sessions.
pub async fn identity(conn: &mut Conn, target: &Target) -> mysql_async::Result<(u64, String)> {
    let server = if target.is_tidb() { "''" } else { "CONCAT_WS(':', @@hostname, @@port, @@server_id)" };
    let sql = format!("SELECT CONNECTION_ID(), {server}");
    Ok(within(target.answer_limit(), conn.query_first(sql)).await?.unwrap_or_default())
}

/// What a session does; None when that can't be asked.
pub async fn session(conn: &mut Conn, target: &Target, id: u64) -> Option<Seen> {
    let progress = match target.is_mariadb() {
        true => "IF(MAX_STAGE > 0, CONCAT(', stage ', STAGE, ' of ', MAX_STAGE, ', ', PROGRESS, '%'), '')",
        false => "''",
    };
    let list = if target.is_tidb() { "CLUSTER_PROCESSLIST" } else { "PROCESSLIST" };
    let sql = format!(
        "SELECT COMMAND, CONCAT(COALESCE(STATE, ''), {progress}) FROM information_schema.{list} WHERE ID = {id}"
    );
    let row: Result<Option<(String, String)>, _> = within(target.answer_limit(), conn.query_first(&sql)).await;
    Some(match row.ok()? {
        None => Seen::Absent,
        Some((command, _)) if command.eq_ignore_ascii_case("sleep") => Seen::Idle,
        Some((_, state)) => Seen::Working(state),
    })
}

/// One of TiDB's DDL jobs.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Job {
    id: u64,
    state: String,
    rows: u64,
}

impl std::fmt::Display for Job {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "job {} is {}, {} rows", self.id, self.state, self.rows)
    }
}

/// How a job stands (behaviours facts, section 4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Standing {
    Running,
    Done,
    Cancelled,
}

impl Job {
    fn standing(&self) -> Standing {
        match self.state.to_ascii_lowercase().as_str() {
            "done" | "synced" => Standing::Done,
            "cancelled" | "rollback done" | "rollbackdone" => Standing::Cancelled,
            _ => Standing::Running,
        }
    }
}

/// TiDB's newest job, 0 when that can't be asked: then jobs aren't looked at.
pub async fn job_floor(conn: &mut Conn, target: &Target) -> u64 {
    let sql = "ADMIN SHOW DDL JOBS 1";
    let rows: Vec<Row> = within(target.answer_limit(), conn.query(sql)).await.unwrap_or_default();
    rows.iter().filter_map(|row| row.get_opt::<u64, _>(0)?.ok()).max().unwrap_or(0)
}

async fn newest_job(conn: &mut Conn, target: &Target, sql: &str, floor: u64) -> Option<Job> {
    if floor == 0 {
        return None;
    }
    let query = format!(
        "SELECT JOB_ID, STATE, COALESCE(ROW_COUNT, 0) FROM information_schema.DDL_JOBS WHERE JOB_ID > {floor} AND \
         QUERY = {} ORDER BY JOB_ID DESC LIMIT 1",
        quote_text(sql)
    );
    let found: Option<(u64, String, u64)> =
        within(target.answer_limit(), conn.query_first(&query)).await.ok().flatten();
    found.map(|(id, state, rows)| Job { id, state, rows })
}

impl ControlTask {
    /// TiDB: waits until the job of a statement that was sent before is final. `lately`: by this run, so that nobody has
    /// read of its end yet. Error 11129: it was cancelled.
    pub(super) async fn await_job(&mut self, sql: &str, floor: u64, lately: bool) -> Result<(), DmError> {
        let watch = Watch::new(self.target.clone(), self.counters.clone(), sql, floor);
        while self.target.is_tidb() {
            let target = self.target.clone();
            let conn = self.writer.connection().await?;
            let Some(job) = newest_job(conn, &target, sql, floor).await else { break };
            match job.standing() {
                Standing::Running => {
                    watch.counters.note(NOTE.to_owned(), format!("{job}: {}", shorten(sql)));
                    tokio::time::sleep(LOOK).await;
                }
                Standing::Cancelled if lately => return Err(cancelled(sql, &job)),
                Standing::Cancelled | Standing::Done => break,
            }
        }
        Ok(())
    }
}

fn cancelled(sql: &str, job: &Job) -> DmError {
    DmError::new(Code::SyncerCancelledDDL)
        .scope(Scope::Downstream)
        .msg(format!("DDL {} executed in background met error: {job}", shorten(sql)))
        .workaround(
            "Please look at the target's `ADMIN SHOW DDL JOBS`, and resume the task: the statement is sent again.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn states_of_jobs() {
        let standing = |state: &str| Job { id: 1, state: state.into(), rows: 0 }.standing();
        for (state, expected) in [
            ("synced", Standing::Done),
            ("done", Standing::Done),
            ("cancelled", Standing::Cancelled),
            ("rollback done", Standing::Cancelled),
            ("rollingback", Standing::Running),
            ("cancelling", Standing::Running),
            ("running", Standing::Running),
            ("queueing", Standing::Running),
            ("paused", Standing::Running),
        ] {
            assert_eq!(standing(state), expected, "{state}");
        }
    }
}
