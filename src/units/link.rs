//! A unit's database connections, and database errors in DM's form.

use std::time::{Duration, Instant};

use mysql_async::{Conn, prelude::Queryable};

use crate::{
    config::subtask::DbConfig,
    error::{Code, DmError, Result, Scope},
    mysql::{self, ConnectOptions, RowConn},
};

pub use crate::mysql::error::cause;

/// Connects with these session variables (names, values as a user writes them) beside those of the configuration, and
/// wins over it. `scope` says which side it is, for the error.
pub async fn connect(db: &DbConfig, session: &[(String, String)], scope: Scope) -> Result<Conn> {
    let options = ConnectOptions { session: session.iter().cloned().collect(), ..ConnectOptions::default() };
    mysql::connect(db, scope, options).await.map_err(unreachable)
}

/// As [`connect`], for much data.
pub async fn connect_raw(db: &DbConfig, session: &[(String, String)], scope: Scope) -> Result<RowConn> {
    RowConn::connect(db, scope, session, db.answer_limit()).await.map_err(unreachable)
}

/// The error of a connection that was not made, with what can be done.
pub fn unreachable(error: DmError) -> DmError {
    error.workaround("Please check that the database runs, and its host, port, user and password in the configuration.")
}

/// How long an answer takes that costs the server nothing: the least of some, for the first ones also open caches.
pub async fn distance(conn: &mut Conn, scope: Scope) -> Result<Duration> {
    const PING: &str = "SELECT 1";
    let mut least = Duration::MAX;
    for _ in 0..4 {
        let asked = Instant::now();
        conn.query_drop(PING).await.map_err(|e| failed(Code::DBQueryFailed, scope, PING, &e))?;
        least = least.min(asked.elapsed());
    }
    Ok(least)
}

/// What a database answers within the configuration's limit; an error that can pass when nothing comes. For steps of
/// several statements: the connection must not be used again after that error.
pub async fn answered<T>(db: &DbConfig, scope: Scope, what: &str, step: impl Future<Output = Result<T>>) -> Result<T> {
    match tokio::time::timeout(db.answer_limit(), step).await {
        Ok(done) => done,
        Err(_) => {
            let error = std::io::Error::from(std::io::ErrorKind::TimedOut).into();
            Err(failed(Code::DBInvalidConn, scope, what, &error))
        }
    }
}

/// A failed statement as a DM error; a broken connection becomes 10003 whatever `code` says. `what` says what was tried,
/// without row values.
pub fn failed(code: Code, scope: Scope, what: &str, e: &mysql_async::Error) -> DmError {
    let code = if is_broken(e) { Code::DBInvalidConn } else { code };
    let verb = match code {
        Code::DBQueryFailed => "query failed",
        Code::DBExecuteFailed => "statement failed",
        Code::DBInvalidConn => "the connection broke",
        other => other.entry().text,
    };
    DmError::new(code).msg(format!("{verb}: {}", mysql::error::short_sql(what))).scope(scope).cause(cause(e))
}

/// A lock wait, a deadlock or a lost connection: the same question may be answered the next time.
pub fn is_passing(e: &DmError) -> bool {
    let lock_wait = e.raw_cause().starts_with("Error 1205 ") || e.raw_cause().starts_with("Error 1213 ");
    lock_wait || matches!(e.code(), Code::DBDriverError | Code::DBBadConn | Code::DBInvalidConn)
}

/// The connection is gone; the outcome of what was under way is unknown.
pub fn is_broken(e: &mysql_async::Error) -> bool {
    mysql::is_connection_lost(e)
}

/// The server's error number, 0 when it isn't the server's.
pub fn errno(e: &mysql_async::Error) -> u16 {
    mysql::server_errno(e).unwrap_or(0)
}
