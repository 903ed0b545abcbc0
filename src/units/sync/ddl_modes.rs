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
