//! A unit's database connections, and database errors in DM's form.

use std::time::Duration;

use mysql_async::{Conn, OptsBuilder, prelude::Queryable};

use crate::{
    config::subtask::DbConfig,
    error::{Code, DmError, Result, Scope},
};

/// Connects and sets session variables. `scope` says which side it is, for the error.
pub async fn connect(db: &DbConfig, session: &[(String, String)], scope: Scope) -> Result<Conn> {
    let opts = OptsBuilder::default()
        .ip_or_hostname(db.host.clone())
        .tcp_port(db.port)
        .user(Some(db.user.clone()))
        .pass(Some(db.password.0.clone()))
        .prefer_socket(false)
        .tcp_nodelay(true)
        .stmt_cache_size(0usize);
    let mut conn = tokio::time::timeout(Duration::from_secs(30), Conn::new(opts))
        .await
        .map_err(|_| unreachable_db(db, scope).cause("connect: no answer within 30 s"))?
        .map_err(|e| unreachable_db(db, scope).cause(cause(&e)))?;
    let mut set = String::from("SET NAMES utf8mb4");
    for (name, value) in session {
        set.push_str(&format!(", {name} = {value}"));
    }
    conn.query_drop(set).await.map_err(|e| failed(Code::DBExecuteFailed, scope, "SET session variables", &e))?;
    Ok(conn)
}

fn unreachable_db(db: &DbConfig, scope: Scope) -> DmError {
    DmError::new(Code::DBDriverError)
        .msg(format!("cannot connect to {}:{} as user {}", db.host, db.port, db.user))
        .scope(scope)
        .workaround("Please check that the database runs, and its host, port, user and password in the configuration.")
}

/// The innermost cause as DM prints it: `Error <number> (<state>): <text>` for a server's error.
pub fn cause(e: &mysql_async::Error) -> String {
    match e {
        mysql_async::Error::Server(s) => format!("Error {} ({}): {}", s.code, s.state, s.message),
        mysql_async::Error::Io(_) | mysql_async::Error::Driver(mysql_async::DriverError::ConnectionClosed) => {
            format!("invalid connection: {e}")
        }
        other => other.to_string(),
    }
}

/// A failed statement as a DM error; a broken connection becomes 10003 whatever `code` says.
pub fn failed(code: Code, scope: Scope, what: &str, e: &mysql_async::Error) -> DmError {
    let code = if is_broken(e) { Code::DBInvalidConn } else { code };
    DmError::new(code).msg(format!("{}: {what}", code.entry().text)).scope(scope).cause(cause(e))
}

/// The connection is gone; the outcome of what was under way is unknown.
pub fn is_broken(e: &mysql_async::Error) -> bool {
    match e {
        mysql_async::Error::Io(_) => true,
        mysql_async::Error::Driver(d) => {
            matches!(d, mysql_async::DriverError::ConnectionClosed | mysql_async::DriverError::PacketOutOfOrder)
        }
        // Shutdown in progress, killed connection, normal shutdown.
        mysql_async::Error::Server(s) => matches!(s.code, 1053 | 1077 | 1152 | 1317 | 1927 | 4031),
        _ => false,
    }
}

/// The server's error number, 0 when it isn't the server's.
pub fn errno(e: &mysql_async::Error) -> u16 {
    match e {
        mysql_async::Error::Server(s) => s.code,
        _ => 0,
    }
}
