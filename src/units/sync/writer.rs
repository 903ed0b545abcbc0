//! One fenced transaction on the target in one packet, and what became of it.
//!
//! A lost connection leaves the outcome unknown. It is settled by reading the lane row `FOR UPDATE` on a fresh
//! connection: the row's `batch` tells whether this transaction is in. A packet that arrives later than that reading
//! can't commit a second time, because its fence demands the previous `batch`.

use std::time::{Duration, Instant};

use mysql_async::{Conn, Error as MysqlError, ServerError, prelude::Queryable};

use super::{
    progress::{LaneFence, MetaTables, Progress},
    target::Target,
};
use crate::{
    error::{Code, DmError, Scope},
    mysql::{is_connection_lost, sql_text::SqlText, within},
    schema::model::quote_text,
    units::{
        Fence,
        failpoint::{self, Place},
        fence::FENCE_ERRNO,
        ill_formed::Keeper,
    },
};

/// An idle connection older than this is replaced before use: the session's `wait_timeout` (see `target`) ends a dead
/// owner's transactions, so ours must not rely on an old connection either.
const MAX_IDLE: Duration = Duration::from_secs(60);

/// Beyond this a packet is an exception, unless `keeping` says less.
const LARGE_PACKET: usize = 4 << 20;

/// What a packet's own statements stand between.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Order {
    /// BEGIN; UPDATE and SET of the fence with the progress; the rows; COMMIT.
    FenceFirst,
    /// BEGIN; SELECT that judges the fence and locks the lane; the rows; UPDATE and SET of the progress; COMMIT. For rows
    /// that no transaction holds (see `fence::locked_if`).
    RowsFirst,
}

impl Order {
    /// Results before and behind the packet's own statements.
    fn frame(self) -> (usize, usize) {
        match self {
            Order::FenceFirst => (3, 1),
            Order::RowsFirst => (2, 3),
        }
    }
}

/// Writes transactions under one row of the lane table.
pub struct FencedWriter {
    target: Target,
    lane: i32,
    fence: Fence,
    text: LaneFence,
    row_query: String,
    /// The ordinal of the last transaction that is known to be in.
    batch: u64,
    conn: Option<(Conn, Instant)>,
    packet: SqlText,
    /// Buffers of a larger packet aren't kept.
    keep: usize,
    /// Of a lane of rows: nothing but its transactions runs on its connection.
    rows_only: bool,
    /// Rows hold bytes that are no text: they go through `keeper`.
    keeping: bool,
    keeper: Option<(Keeper, Instant)>,
}

/// Why a transaction isn't in.
#[derive(Debug)]
pub enum Refused {
    /// The server refused statement `index` of the body and the transaction was rolled back.
    Statement { index: usize, error: ServerError },
    /// The transaction is not in for another reason; nothing can be blamed on a statement.
    Other(DmError),
}

impl FencedWriter {
    /// `batch` is the ordinal that the start of the run left in the lane row.
    pub fn new(target: Target, tables: &MetaTables, source_id: &str, lane: i32, fence: Fence, batch: u64) -> Self {
        FencedWriter {
            text: LaneFence::new(tables, source_id, lane, fence),
            row_query: format!(
                "SELECT cluster_id, epoch, batch FROM {} WHERE source_id = {} AND lane = {lane} FOR UPDATE",
                tables.lanes,
                quote_text(source_id)
            ),
            target,
            lane,
            fence,
            batch,
            conn: None,
            packet: SqlText::new(),
            keep: LARGE_PACKET,
            rows_only: false,
            keeping: false,
            keeper: None,
        }
    }

    /// Whether the next transactions bring in bytes that are no text of their columns.
    pub fn keep(&mut self, keeping: bool) {
        self.keeping = keeping;
    }

    /// For a lane of rows: lets go of buffers after packets of more than so many bytes, the driver's too, and doesn't wait
    /// for locks of tables without end.
    pub fn of_rows(self, keep: usize) -> Self {
        FencedWriter { keep, rows_only: true, ..self }
    }

    /// Runs `body` (statements joined by `; `, each giving one result) in one transaction with the lane's progress.
    /// Returns the affected rows of each statement. One attempt: repeating is the caller's decision, and safe.
    pub async fn transact(&mut self, body: &[u8], progress: Option<&Progress>) -> Result<Vec<u64>, Refused> {
        self.transact_with(&mut |sql| sql.push_bytes(body), progress, Order::FenceFirst).await
    }

    /// The same with a body that is written straight into the packet.
    pub async fn transact_with(
        &mut self,
        body: &mut (dyn FnMut(&mut SqlText) + Send),
        progress: Option<&Progress>,
        order: Order,
    ) -> Result<Vec<u64>, Refused> {
        let batch = self.batch + 1;
        let mut packet = std::mem::take(&mut self.packet);
        self.write(batch, body, progress, order, &mut packet);
        let outcome = self.send(packet.as_bytes(), order).await;
        let head = order.frame().0;
        if packet.len() > self.keep {
            // Neither we nor the driver should keep buffers of that size.
            self.conn = self.conn.take().filter(|_| outcome.is_err());
        } else {
            self.packet = packet;
        }
        match outcome {
            Ok(affected) => {
                self.batch = batch;
                Ok(affected)
            }
            Err(Sent::Refused { index, error }) if index < head && error.code == FENCE_ERRNO => {
                self.conn = None;
                // Either another owner took over, or an earlier packet of ours arrived after all.
                self.settle(batch)
                    .await
                    .map_err(Refused::Other)?
                    .then(Vec::new)
                    .ok_or_else(|| Refused::Other(self.fenced(None)))
            }
            Err(Sent::Refused { index, error }) => {
                self.roll_back().await;
                match index.checked_sub(head) {
                    Some(index) => Err(Refused::Statement { index, error }),
                    None => Err(Refused::Other(self.target.exec_error("lane progress", &MysqlError::Server(error)))),
                }
            }
            Err(Sent::NotConnected(error)) => Err(Refused::Other(error)),
            Err(Sent::Unknown(error)) => {
                let silent =
                    self.conn.take().filter(|_| is_silence(&error) && !self.keeping).map(|(conn, _)| conn.id());
                if let Some(session) = silent {
                    self.end(session).await;
                }
                match self.settle(batch).await {
                    Ok(true) => Ok(Vec::new()),
                    Ok(false) => Err(Refused::Other(self.target.exec_error("lane transaction", &error))),
                    Err(error) => Err(Refused::Other(error)),
                }
            }
        }
    }

    fn write(
        &self,
        batch: u64,
        body: &mut (dyn FnMut(&mut SqlText) + Send),
        progress: Option<&Progress>,
        order: Order,
        packet: &mut SqlText,
    ) {
        packet.clear();
        packet.push_str("BEGIN; ");
        match order {
            Order::FenceFirst => self.text.write(batch, progress, packet),
            Order::RowsFirst => self.text.check(batch, packet),
        }
        packet.push_str("; ");
        let before = packet.len();
        body(packet);
        if packet.len() > before {
            packet.push_str("; ");
        }
        if order == Order::RowsFirst {
            self.text.write(batch, progress, packet);
            packet.push_str("; ");
        }
        packet.push_str("COMMIT");
    }

    /// A connection for work between two transactions, such as a DDL statement.
    pub async fn connection(&mut self) -> Result<&mut Conn, DmError> {
        let usable = self.conn.take().filter(|(_, used)| used.elapsed() < MAX_IDLE);
        let conn = match usable {
            Some((conn, _)) => conn,
            None if self.rows_only => self.target.connect_lane().await?,
            None => self.target.connect().await?,
        };
        Ok(&mut self.conn.insert((conn, Instant::now())).0)
    }

    /// The task's name, for failpoints.
    pub fn task(&self) -> &str {
        self.target.task()
    }

    /// Forgets the connection; the next use opens another.
    pub fn reset(&mut self) {
        self.conn = None;
    }

    async fn send(&mut self, packet: &[u8], order: Order) -> Result<Vec<u64>, Sent> {
        if failpoint::pass(self.target.task(), Place::LaneNeverSent).is_err() {
            return Err(Sent::Unknown(MysqlError::Driver(mysql_async::DriverError::ConnectionClosed)));
        }
        let limit = self.target.answer_limit();
        let mut affected = Vec::new();
        let outcome = if self.keeping {
            let mut keeper = self.keeper(order).await?;
            let outcome = within(limit, keeper.run(packet, &mut affected)).await;
            self.keeper = outcome.is_ok().then(|| (keeper, Instant::now()));
            outcome
        } else {
            let conn = self.connection().await.map_err(Sent::NotConnected)?;
            within(limit, results(conn, packet, &mut affected)).await
        };
        if let Err(error) = outcome {
            return match error {
                // "Connection was killed", "Server shutdown in progress": it may have been said after the COMMIT.
                error if is_connection_lost(&error) => Err(Sent::Unknown(error)),
                MysqlError::Server(error) => Err(Sent::Refused { index: affected.len(), error }),
                other => Err(Sent::Unknown(other)),
            };
        }
        failpoint::pass(self.target.task(), Place::LaneCommitted).map_err(Sent::NotConnected)?;
        if failpoint::pass(self.target.task(), Place::LaneLost).is_err() {
            // As if the connection had broken before the answer came.
            return Err(Sent::Unknown(MysqlError::Driver(mysql_async::DriverError::ConnectionClosed)));
        }
        let (head, tail) = order.frame();
        let Some(own) = affected.len().checked_sub(tail).filter(|end| *end >= head) else {
            return Err(Sent::NotConnected(self.target.unexpected("fewer results than statements")));
        };
        affected.truncate(own);
        affected.drain(..head);
        Ok(affected)
    }

    /// A session for bytes that are no text.
    async fn keeper(&mut self, order: Order) -> Result<Keeper, Sent> {
        if let Some((keeper, _)) = self.keeper.take().filter(|(_, used)| used.elapsed() < MAX_IDLE) {
            return Ok(keeper);
        }
        let conn = self.target.connect_lane().await.map_err(Sent::NotConnected)?;
        let aside = self.target.connect().await.map_err(Sent::NotConnected)?;
        match Keeper::new(conn, aside, &self.target.meta()).await.map_err(Sent::NotConnected)? {
            Ok(keeper) => Ok(keeper),
            // It is the rows that want it.
            Err(MysqlError::Server(error)) => Err(Sent::Refused { index: order.frame().0, error }),
            Err(error) => Err(Sent::NotConnected(self.target.exec_error("open a session", &error))),
        }
    }

    async fn roll_back(&mut self) {
        if self.target.checks_foreign_keys() {
            // The packet may have switched that off, see `batch`. The server rolls back what a closed session began.
            self.conn = None;
            return;
        }
        if let Some((conn, _)) = &mut self.conn
            && within(self.target.answer_limit(), conn.query_drop("ROLLBACK")).await.is_err()
        {
            self.conn = None;
        }
    }

    /// Ends a session of ours that didn't answer in time, if it is still at work: it may hold the lane's row for as long as
    /// somebody else's lock lasts. What became of its transaction is settled behind that, as ever.
    async fn end(&mut self, session: u32) {
        let limit = self.target.answer_limit();
        // A server that was started anew gives its numbers again: only who has worked that long is meant.
        let ours = format!(
            "SELECT COUNT(*) FROM information_schema.processlist WHERE id = {session} AND command = 'Query' AND time >= {} \
             AND user = SUBSTRING_INDEX(USER(), '@', 1)",
            limit.as_secs() / 2
        );
        let Ok(conn) = self.connection().await else { return };
        let ended = match within(limit, conn.query_first::<u64, _>(&ours)).await {
            Ok(Some(1)) => within(limit, conn.query_drop(format!("KILL {session}"))).await,
            Ok(_) => return,
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => tracing::warn!(lane = self.lane, session, "a session of the target that didn't answer was ended"),
            Err(error) => {
                self.conn = None;
                tracing::warn!(lane = self.lane, session, %error, "a session that doesn't answer can't be ended");
            }
        }
    }

    /// Whether transaction `batch` is in. An error when the row shows another owner.
    async fn settle(&mut self, batch: u64) -> Result<bool, DmError> {
        failpoint::pass(self.target.task(), Place::LaneBeforeSettle)?;
        let query = self.row_query.clone();
        let limit = self.target.answer_limit();
        let conn = self.connection().await?;
        let row: Option<(u64, u64, u64)> = match within(limit, conn.query_first(query.as_str())).await {
            Ok(row) => row,
            Err(error) => {
                self.conn = None;
                return Err(self.target.query_error(&query, &error));
            }
        };
        failpoint::pass(self.target.task(), Place::LaneAfterSettle)?;
        match row {
            Some((cluster_id, epoch, stored)) if (Fence { cluster_id, epoch }) == self.fence => {
                if stored == batch {
                    self.batch = batch;
                    Ok(true)
                } else if stored + 1 == batch {
                    Ok(false)
                } else {
                    Err(self.fenced(Some((cluster_id, epoch))))
                }
            }
            found => Err(self.fenced(found.map(|(cluster_id, epoch, _)| (cluster_id, epoch)))),
        }
    }

    fn fenced(&self, found: Option<(u64, u64)>) -> DmError {
        let Fence { cluster_id, epoch } = self.fence;
        let holder = match found {
            Some((cluster, epoch)) => format!("epoch {epoch} of cluster {cluster}"),
            None => "another writer".to_owned(),
        };
        DmError::new(Code::DBUnExpect)
            .scope(Scope::Downstream)
            .msg(format!(
                "the target refused this worker's transaction: lane {} now belongs to {holder}, this worker has epoch \
                 {epoch} of cluster {cluster_id}; nothing of the transaction was applied",
                self.lane
            ))
            .workaround("Nothing is lost: the source is now served by another worker or run. See `query-status`.")
    }
}

/// No answer came in time, on a connection that nobody closed.
fn is_silence(error: &MysqlError) -> bool {
    matches!(error, MysqlError::Io(mysql_async::IoError::Io(error)) if error.kind() == std::io::ErrorKind::TimedOut)
}

/// What became of a packet.
enum Sent {
    Refused {
        index: usize,
        error: ServerError,
    },
    /// It was not sent, or its results are known to be wrong.
    NotConnected(DmError),
    Unknown(MysqlError),
}

/// Sends and reads one result for each statement; `affected` counts those that succeeded. The client library keeps the
/// error of a later statement until its result is asked for, so each result is consumed before it counts.
async fn results(conn: &mut Conn, packet: &[u8], affected: &mut Vec<u64>) -> Result<(), MysqlError> {
    let mut result = conn.query_iter(packet).await?;
    loop {
        let (rows, last) = (result.affected_rows(), result.is_empty());
        while result.next().await?.is_some() {}
        affected.push(rows);
        if last {
            return Ok(());
        }
    }
}
