//! A statement under the modes that make the target do what the source did.

use mysql_async::{Conn, Error as MysqlError, prelude::Queryable};

use crate::{
    schema::model::quote_text,
    units::{
        link,
        session::{LOOKS, without},
    },
};

/// "Invalid default value": the statement changed nothing.
const INVALID_DEFAULT: u16 = 1067;

/// Sends a statement under some modes; without the one that makes MariaDB look at dates if just that refuses a default which
/// the source took. Of such a statement dates that don't exist stay as they are.
pub async fn execute(conn: &mut Conn, sql: &str, modes: &str) -> Result<(), MysqlError> {
    match send(conn, sql, modes).await {
        Err(error) if link::errno(&error) == INVALID_DEFAULT && modes.contains(LOOKS) => {
            send(conn, sql, &without(modes, &[LOOKS])).await
        }
        outcome => outcome,
    }
}

async fn send(conn: &mut Conn, sql: &str, modes: &str) -> Result<(), MysqlError> {
    conn.query_drop(format!("SET sql_mode = {}", quote_text(modes))).await?;
    conn.query_drop(sql).await
}

/// Tells the session what TIMESTAMP columns are where a statement leaves it open. `open`: this one does so, and a session that can't be
/// told is a warning.
pub async fn timestamps(conn: &mut Conn, sql: &str, explicit: bool, open: bool) -> Result<(), MysqlError> {
    if !sql.as_bytes().windows(9).any(|word| word.eq_ignore_ascii_case(b"TIMESTAMP")) {
        return Ok(());
    }
    let on = u8::from(explicit);
    match conn.query_drop(format!("SET SESSION explicit_defaults_for_timestamp = {on}")).await {
        // Old servers fix it at their start, others want a privilege. It matters only where the two differ.
        Err(MysqlError::Server(error)) if open => {
            let there: Option<u8> = conn.query_first("SELECT @@explicit_defaults_for_timestamp").await?;
            if there.is_some_and(|there| there != on) {
                tracing::warn!(%sql, cause = %error.message, wanted = on,
                    "TIMESTAMP columns without NULL or DEFAULT may differ: the target's explicit_defaults_for_timestamp is not the \
                     source's and can't be set");
            }
            Ok(())
        }
        Ok(()) | Err(MysqlError::Server(_)) => Ok(()),
        Err(other) => Err(other),
    }
}
