//! Transactions of a former owner whose connection is half open: its machine was cut off in the middle of one. The target
//! keeps their locks until `wait_timeout`, and a new owner that raises the epoch waits behind them. While it waits, a second
//! session looks for who is in its way, and ends those of the same user that do nothing.
//!
//! Whose session that is decides nothing: the lane's row says what became of a transaction, as after any lost connection. A
//! living owner sends its transactions whole, so that it is not found idle within one twice in a row, and if it is, it
//! connects anew. Needs the right to see all transactions (PROCESS); without it the wait is as long as it was.

use std::{convert::Infallible, future::pending, time::Duration};

use mysql_async::{Conn, prelude::Queryable};

use super::{
    ddl_watch::{Seen, session},
    target::Target,
};
use crate::{error::DmError, mysql::within};

/// Between two looks; a session that is idle in two of them is ended.
const LOOK: Duration = Duration::from_millis(500);

/// Ends idle sessions that hold what the session `waiting` waits for, until it is dropped.
pub async fn end_those_before(target: &Target, waiting: u32) -> Infallible {
    if target.is_tidb() {
        return pending().await;
    }
    let (mut conn, mut suspects) = (None, Vec::new());
    loop {
        tokio::time::sleep(LOOK).await;
        if conn.is_none() {
            conn = target.connect().await.ok();
        }
        let Some(open) = conn.as_mut() else { continue };
        match look(open, target, waiting, &suspects).await {
            Ok(idle) => suspects = idle,
            Err(error) => {
                tracing::debug!(error = %error, "who holds the lanes can't be seen");
                (conn, suspects) = (None, Vec::new());
            }
        }
    }
}

/// The idle sessions in the way; those that were so before are ended.
async fn look(conn: &mut Conn, target: &Target, waiting: u32, before: &[u64]) -> Result<Vec<u64>, DmError> {
    let sql = holders(target.has_lock_tables(), waiting);
    let limit = target.answer_limit();
    let found: Vec<u64> = within(limit, conn.query(&sql)).await.map_err(|e| target.query_error(&sql, &e))?;
    let mut idle = Vec::new();
    for id in found {
        if session(conn, target, id).await != Some(Seen::Idle) {
            continue;
        }
        if before.contains(&id) {
            tracing::warn!(session = id, "a session of a former owner holds a lane and does nothing, ending it");
            let sql = format!("KILL {id}");
            // It may just have ended.
            if let Err(error) = within(limit, conn.query_drop(&sql)).await {
                tracing::warn!(session = id, error = %target.query_error(&sql, &error), "it can't be ended");
            }
        } else {
            idle.push(id);
        }
    }
    Ok(idle)
}

/// Sessions of the same user that hold a lock for which `waiting` waits. From 8.0.1 on MySQL keeps locks in
/// performance_schema; MariaDB and earlier ones in information_schema.
fn holders(lock_tables: bool, waiting: u32) -> String {
    let from = if lock_tables {
        "(SELECT h.PROCESSLIST_ID AS id, r.PROCESSLIST_ID AS waits FROM performance_schema.data_lock_waits w \
         JOIN performance_schema.threads h ON h.THREAD_ID = w.BLOCKING_THREAD_ID \
         JOIN performance_schema.threads r ON r.THREAD_ID = w.REQUESTING_THREAD_ID)"
    } else {
        "(SELECT h.trx_mysql_thread_id AS id, r.trx_mysql_thread_id AS waits FROM information_schema.INNODB_LOCK_WAITS w \
         JOIN information_schema.INNODB_TRX h ON h.trx_id = w.blocking_trx_id \
         JOIN information_schema.INNODB_TRX r ON r.trx_id = w.requesting_trx_id)"
    };
    format!(
        "SELECT DISTINCT b.id FROM {from} b JOIN information_schema.PROCESSLIST p ON p.ID = b.id \
         WHERE b.waits = {waiting} AND p.USER = SUBSTRING_INDEX(USER(), '@', 1)"
    )
}
