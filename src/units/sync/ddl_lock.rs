//! The named lock that a session of the target holds while it may run DDL for a source: from before the intent until after
//! the statement. Whoever comes next waits for a holder that works, and ends one that does nothing.
//!
//! An idle holder is a former run's session, or one of ours whose connection is half open: nobody would hear of it until
//! the target's `wait_timeout`. Only the newest owner may end it, for to an older one the newest owner's own session looks
//! just the same. So the KILL stands in a fenced transaction: behind the fence, whose row is locked until the COMMIT, it is
//! sent only while nobody newer is there, and the holder can only be older. What a killed session was about to do it does
//! no more; its lock is free when it is gone, and the structure is looked at only then.
//!
//! MySQL and MariaDB tell who holds a lock (IS_USED_LOCK). TiDB doesn't: there each session writes its id down before it
//! asks for the lock.

use std::time::Duration;

use mysql_async::{Conn, prelude::Queryable};
use sha2::{Digest, Sha256};

use super::{
    control::ControlTask,
    ddl_watch::{NOTE, Seen, Watch, session},
    source_state,
    writer::Refused,
};
use crate::{
    error::{Code, DmError, Scope},
    mysql::within,
    schema::model::quote_text,
};

/// Seconds of one wait for the lock, and how many waits for a holder that does nothing and can't be ended: half an hour.
const LOCK_WAIT: u32 = 2;
const LOCK_WAITS: u32 = 900;
/// TiDB: sessions that may hold the lock, by name in the table of the source's state.
const SESSIONS: &str = "ddl-sessions";

impl ControlTask {
    fn lock_name(&self) -> String {
        let digest = Sha256::digest(format!("{}\0{}", self.tables.ddl, self.source_id).as_bytes());
        format!("dm-ddl-{}", digest.iter().take(16).map(|b| format!("{b:02x}")).collect::<String>())
    }

    /// Takes the lock: waits for a holder as long as it works, and ends one that doesn't.
    pub(super) async fn lock(&mut self) -> Result<(), DmError> {
        let sql = format!("SELECT COALESCE(GET_LOCK('{}', {LOCK_WAIT}), 0)", self.lock_name());
        let mut waits = 0;
        let mut watch = None;
        while waits < LOCK_WAITS {
            let others = self.sign_in().await?;
            let target = self.target.clone();
            let limit = target.answer_limit() + Duration::from_secs(LOCK_WAIT.into());
            let conn: &mut Conn = self.writer.connection().await?;
            match within(limit, conn.query_first::<i64, _>(&sql)).await {
                Ok(Some(1)) => return Ok(()),
                Ok(_) => {}
                Err(error) => {
                    self.writer.reset();
                    return Err(target.query_error(&sql, &error));
                }
            }
            let holders = match target.is_tidb() {
                true => others,
                false => self.holder().await.into_iter().collect(),
            };
            let mut text = "another session of the target holds the lock for DDL of this source".to_owned();
            let mut works = false;
            for id in holders {
                match self.session(id).await {
                    Some(Seen::Working(state)) => {
                        works = true;
                        text = format!("session {id} of the target still runs DDL of this source: {state}");
                    }
                    Some(Seen::Idle) => {
                        text = format!("session {id} of the target holds the lock for DDL of this source and is idle");
                        self.end_session(id).await?;
                    }
                    Some(Seen::Absent) | None => {}
                }
            }
            waits += u32::from(!works);
            tracing::warn!("{text}, waiting for it");
            // Taken back when it is dropped.
            let watch = watch.get_or_insert_with(|| Watch::new(target, self.counters.clone(), "", 0));
            watch.counters.note(NOTE.to_owned(), text);
        }
        Err(DmError::new(Code::DBUnExpect)
            .scope(Scope::Downstream)
            .msg("another session holds the lock for DDL of this source on the target for half an hour")
            .workaround(
                "Please look for a long-running DDL in the target's process list; resume the task when it ended.",
            ))
    }

    /// TiDB: writes this session's id down, and gives those of others that may hold the lock.
    async fn sign_in(&mut self) -> Result<Vec<u64>, DmError> {
        let mut known = Vec::new();
        while self.target.is_tidb() {
            let target = self.target.clone();
            let conn = self.writer.connection().await?;
            let sql = format!(
                "SELECT CONNECTION_ID(), (SELECT value FROM {} WHERE source_id = {} AND name = '{SESSIONS}')",
                self.tables.source_state,
                quote_text(&self.source_id)
            );
            let found: Result<Option<(u64, Option<String>)>, _> =
                within(target.answer_limit(), conn.query_first(&sql)).await;
            let (own, text) = match found {
                Ok(found) => found.unwrap_or_default(),
                Err(error) => {
                    self.writer.reset();
                    return Err(target.query_error(&sql, &error));
                }
            };
            known = text.unwrap_or_default().split(' ').filter_map(|id| id.parse::<u64>().ok()).collect();
            if known.contains(&own) {
                known.retain(|id| *id != own);
                break;
            }
            // Those that are gone are forgotten.
            let mut kept = vec![own];
            for id in known.drain(..) {
                if self.session(id).await != Some(Seen::Absent) {
                    kept.push(id);
                }
            }
            let ids: Vec<String> = kept.iter().map(u64::to_string).collect();
            // The connection may be another after this: then it signs in, too.
            self.transact(&source_state::put(&self.tables, &self.source_id, SESSIONS, &ids.join(" "))).await?;
        }
        Ok(known)
    }

    /// Who holds the lock.
    async fn holder(&mut self) -> Option<u64> {
        let sql = format!("SELECT IS_USED_LOCK('{}')", self.lock_name());
        let target = self.target.clone();
        let conn = self.writer.connection().await.ok()?;
        let id: Option<Option<u64>> = within(target.answer_limit(), conn.query_first(&sql)).await.ok()?;
        id.flatten()
    }

    async fn session(&mut self, id: u64) -> Option<Seen> {
        let target = self.target.clone();
        let conn = self.writer.connection().await.ok()?;
        session(conn, &target, id).await
    }

    /// Ends another session of this source's DDL, if nobody newer than this run is there. A refusal of the target changes
    /// nothing: it is waited for, then.
    async fn end_session(&mut self, id: u64) -> Result<(), DmError> {
        let kill = if self.target.is_tidb() { format!("KILL TIDB {id}") } else { format!("KILL {id}") };
        match self.writer.transact(kill.as_bytes(), None).await {
            Ok(_) => tracing::warn!(id, "an idle session that held the lock for DDL of this source was ended"),
            Err(Refused::Statement { error, .. }) => {
                tracing::warn!(id, cause = %error.message, "the session that holds the lock for DDL can't be ended");
            }
            Err(Refused::Other(error)) => return Err(error),
        }
        Ok(())
    }

    pub(super) async fn release(&mut self) {
        let sql = format!("DO RELEASE_LOCK('{}')", self.lock_name());
        let limit = self.target.answer_limit();
        if let Ok(conn) = self.writer.connection().await
            && within(limit, conn.query_drop(sql)).await.is_err()
        {
            self.writer.reset();
        }
    }
}
