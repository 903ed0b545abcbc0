//! A connection that writes rows to the target: replaced when it breaks, and asked afterwards what became of a transaction.

use std::time::Duration;

use mysql_async::Error;

use super::store::Store;
use crate::{
    config::subtask::DbConfig,
    error::{Result, Scope},
    mysql::{RowConn, within},
    units::{
        ill_formed::{self, Keeper},
        link,
        senders::{self, Senders, Turn},
    },
};

/// A target that doesn't answer for so long ends the run (and is resumed by the supervisor).
pub const RECONNECTS: u32 = 6;
/// A transaction that meets others so often in vain ends the run.
pub const CONFLICT_RETRIES: u32 = 30;

/// One writer's connection.
pub struct Sender {
    pub store: Store,
    pub target: DbConfig,
    pub session: Vec<(String, String)>,
    turns: Senders,
    turn: Option<Turn>,
    /// Its present work had to be waited for: the source is slower than the target.
    starved: bool,
    conn: Option<RowConn>,
    /// Rows hold bytes that are no text: they go through `keeper`.
    keeping: bool,
    keeper: Option<Keeper>,
}

/// What is known of a packet of statements.
pub enum Sent {
    Done,
    /// The connection broke: it may be committed or not, only what is stored tells.
    Unknown(Error),
    /// The server said no; it is rolled back.
    Refused(Error),
}

impl Sender {
    /// Connects when there is something to send.
    pub fn new(store: Store, target: DbConfig, session: Vec<(String, String)>, turns: Senders) -> Self {
        Sender { store, target, session, turns, turn: None, starved: false, conn: None, keeping: false, keeper: None }
    }

    /// Waits until this writer may take up new work. Rows that wait for a turn are memory, and no longer in a cache when they are
    /// sent, so it comes first; who lost its turn in the middle of a file or chunk goes before.
    pub async fn turn_for_new(&mut self) {
        if self.turn.is_none() || self.turns.is_wanted() {
            self.turn = None;
            self.turn = Some(self.turns.turn_for_new().await);
        }
    }

    /// Waits until this writer may send what it has.
    pub async fn turn(&mut self) {
        if self.turn.is_none() {
            self.turn = Some(self.turns.turn().await);
        }
    }

    /// So many bytes are committed; none: what became of them is another matter. The turn stays for the next transaction, as
    /// long as so many may send.
    pub fn turn_ends(&mut self, bytes: u64) {
        let Some(turn) = self.turn.take() else { return };
        if bytes > 0 {
            let bytes = usize::try_from(bytes).unwrap_or(usize::MAX);
            self.turn = turn.next(&senders::Sent { rows: 0, bytes, more: !self.starved && self.turns.are_all_taken() });
        }
    }

    /// Whether the work that it takes up now had to be waited for.
    pub fn starved(&mut self, starved: bool) {
        self.starved = starved;
    }

    /// Nothing is there to send: others may.
    pub fn rest(&mut self) {
        self.turn = None;
    }

    /// Leaves the connection, and with it the transaction that is open.
    pub fn leave(&mut self) {
        self.conn = None;
        self.turn = None;
        self.keeper = None;
    }

    /// Whether the next packets bring in bytes that are no text of their columns.
    pub fn keep(&mut self, keeping: bool) {
        self.keeping = keeping;
    }

    /// Whether a packet that was refused may go again so that the bytes are kept.
    pub fn may_keep(&self, refused: &Error) -> bool {
        !self.keeping && ill_formed::is_refusal(refused)
    }

    async fn send_keeping(&mut self, packet: &[u8]) -> Result<Sent> {
        let mut keeper = match self.keeper.take() {
            Some(keeper) => keeper,
            None => {
                let conn = link::connect(&self.target, &self.session, Scope::Downstream).await?;
                let aside = link::connect(&self.target, &self.session, Scope::Downstream).await?;
                match Keeper::new(conn, aside, &self.store.meta).await? {
                    Ok(keeper) => keeper,
                    Err(e) => return Ok(Sent::Refused(e)),
                }
            }
        };
        Ok(match within(self.target.answer_limit(), keeper.run(packet, &mut Vec::new())).await {
            Ok(()) => {
                self.keeper = Some(keeper);
                Sent::Done
            }
            Err(e) if link::is_broken(&e) => Sent::Unknown(e),
            // The server rolls back what the session began, which ends here.
            Err(e) => Sent::Refused(e),
        })
    }

    /// Sends statements as one packet and waits for all answers.
    pub async fn send(&mut self, parts: &[&[u8]]) -> Result<Sent> {
        if self.keeping {
            return self.send_keeping(&parts.concat()).await;
        }
        let mut conn = self.connection().await?;
        let sent = match &mut self.turn {
            None => conn.run(parts).await,
            Some(turn) => {
                let mut sent = std::pin::pin!(conn.run(parts));
                tokio::select! {
                    biased;
                    sent = &mut sent => sent,
                    () = turn.expire() => sent.await,
                }
            }
        };
        let Err(e) = sent else {
            self.conn = Some(conn);
            return Ok(Sent::Done);
        };
        if link::is_broken(&e) {
            return Ok(Sent::Unknown(e));
        }
        let rolled_back = conn.execute("ROLLBACK").await;
        self.conn = rolled_back.is_ok().then_some(conn);
        Ok(Sent::Refused(e))
    }

    async fn connection(&mut self) -> Result<RowConn> {
        if let Some(conn) = self.conn.take() {
            return Ok(conn);
        }
        let mut tries = 0;
        loop {
            match link::connect_raw(&self.target, &self.session, Scope::Downstream).await {
                Err(e) if tries < RECONNECTS && link::is_passing(&e) => {
                    tries += 1;
                    pause(tries).await;
                }
                done => return done,
            }
        }
    }

    /// Where a file or chunk stands: position, and whether it is done. Waits for a transaction in flight. `breaks`: how often
    /// the connection has broken already.
    pub async fn stored(&mut self, name: &str, breaks: u32) -> Result<(u64, bool)> {
        let mut tries = breaks;
        loop {
            if tries > 0 {
                pause(tries).await;
            }
            let read = async {
                let mut conn = self.connection().await?;
                let position = self.store.position(&mut conn, name);
                let at = link::answered(&self.target, Scope::Downstream, "the load progress", position).await?;
                self.conn = Some(conn);
                Ok(at)
            };
            match read.await {
                Err(e) if tries < RECONNECTS && link::is_passing(&e) => tries += 1,
                done => return done,
            }
        }
    }
}

async fn pause(tries: u32) {
    tokio::time::sleep(Duration::from_millis(200 * u64::from(tries * tries))).await;
}

/// Deadlock, lock wait, TiDB's write conflicts and busy regions: the same transaction may be sent again.
pub fn is_conflict(errno: u16) -> bool {
    matches!(errno, 1205 | 1213 | 8002 | 8005 | 8022 | 8028 | 9001..=9007)
}

/// What to do when the target has no room left: its disk, tablespace or quota is full.
pub fn no_room(errno: u16, cause: &str) -> Option<&'static str> {
    let full = matches!(errno, 1021 | 1041 | 1114 | 3675) || (errno == 1030 && cause.contains("error 28"));
    full.then_some(
        "Please free space on the target, or enlarge its disk or tablespace, then resume the task: it goes on with the rows that \
         are missing.",
    )
}

/// Before a transaction is sent the `tries`-th time after conflicts.
pub async fn after_conflict(tries: u32) {
    tokio::time::sleep(Duration::from_millis(u64::from(tries * tries) * 5)).await;
}
