//! What a load stores in the target's meta schema, and the fence around every change of it.
//!
//! - `<task>_lightning_checkpoint_list`: DM's own, one row a source: init, running, finished.
//! - `<task>_load_state`: one row a source: who loads (cluster, epoch), which dump, and where that dump stands.
//! - `<task>_load_progress`: one row a file, or a chunk of a streamed load. A data file's `position` moves in the same
//!   transaction as its rows; a schema file's row says whether the table was empty when this load met it. `detail`,
//!   `snapshot` and `identity` are of streamed loads (`stream::ledger`).

use std::time::Duration;

use mysql_async::{Conn, Row, prelude::Queryable};

use crate::{
    config::{Flavor, SubtaskConfig},
    error::{Code, DmError, Result, Scope},
    mysql::{RowConn, ServerInfo, within},
    schema::model::{TableId, quote_name, quote_text},
    units::{
        Fence,
        dump::{DumpLocation, Metadata},
        fence, link,
    },
};

/// Names of the meta tables of one task, and the source whose rows are meant.
#[derive(Clone, Debug)]
pub struct Store {
    /// The schema of the meta tables, and the task's name.
    pub meta: TableId,
    pub schema: String,
    list: String,
    pub state: String,
    pub progress: String,
    task: String,
    /// Quoted.
    pub source: String,
    pub fence: Fence,
    /// How long an answer is waited for.
    limit: Duration,
}

/// One row of `_load_progress`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FileRow {
    pub file: String,
    pub target_schema: String,
    pub target_table: String,
    pub size: u64,
    pub position: u64,
    pub done: bool,
    /// Of a schema file: the target table had no rows when this load met it.
    pub was_empty: bool,
    /// Of a schema file: the table's rows are of this place, behind the one where sync begins.
    pub snapshot: Option<DumpLocation>,
}

/// A part of a data file, as one transaction.
#[derive(Clone, Copy)]
pub struct Part {
    pub from: u64,
    pub to: u64,
    /// The file's end.
    pub done: bool,
    /// The target table's engine has transactions.
    pub transactional: bool,
}

/// What an earlier run left.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Claimed {
    pub dump_id: String,
    pub files: Vec<FileRow>,
}

/// Turns the driver's error of a meta statement into DM's. `what` never holds row values.
pub fn meta_error(e: &mysql_async::Error, what: &str) -> DmError {
    link::failed(Code::DBExecuteFailed, Scope::Downstream, what, e)
}

/// A column as text; empty: NULL.
pub fn text(row: &Row, at: usize) -> String {
    row.get_opt::<String, _>(at).and_then(std::result::Result::ok).unwrap_or_default()
}

/// A column as a number; 0: NULL.
pub fn number(row: &Row, at: usize) -> u64 {
    row.get_opt::<u64, _>(at).and_then(std::result::Result::ok).unwrap_or(0)
}

impl Store {
    /// The tables of this task.
    pub fn new(config: &SubtaskConfig, fence: Fence) -> Self {
        let schema = quote_name(&config.meta_schema);
        let table = |suffix: &str| format!("{schema}.{}", quote_name(&format!("{}{suffix}", config.name)));
        Store {
            meta: TableId::new(&config.meta_schema, &config.name),
            list: table("_lightning_checkpoint_list"),
            state: table("_load_state"),
            progress: table("_load_progress"),
            schema: schema.clone(),
            task: quote_text(&config.name),
            source: quote_text(&config.source_id),
            fence,
            limit: config.to.answer_limit(),
        }
    }

    /// Creates what is missing.
    pub async fn create(&self, conn: &mut Conn) -> Result<()> {
        let owner = "cluster_id BIGINT UNSIGNED NOT NULL, epoch BIGINT UNSIGNED NOT NULL";
        let times = "create_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP, \
                     update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP";
        // MySQL 5.6 has 767 bytes for a part of a key; names of files have at most 255.
        let info = ServerInfo::detect(conn, Scope::Downstream).await?;
        let short = info.flavor == Flavor::Mysql && info.version < (5, 7, 0);
        let (file_name, list_charset) = if short {
            ("VARBINARY(512)", " DEFAULT CHARSET = utf8")
        } else {
            ("VARCHAR(512)", " DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin")
        };
        let statements = [
            format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (task_name VARCHAR(255) NOT NULL, source_name VARCHAR(255) NOT NULL, \
                 status VARCHAR(10) NOT NULL DEFAULT 'init' COMMENT 'init,running,finished', \
                 PRIMARY KEY (task_name, source_name)){list_charset}",
                self.list
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (source_id VARCHAR(32) NOT NULL, {owner}, \
                 revision BIGINT UNSIGNED NOT NULL DEFAULT 0, dump_id VARCHAR(64) NOT NULL DEFAULT '', \
                 binlog_name VARCHAR(128) NOT NULL DEFAULT '', binlog_pos BIGINT UNSIGNED NOT NULL DEFAULT 0, \
                 binlog_gtid LONGTEXT, exit_name VARCHAR(128) NOT NULL DEFAULT '', \
                 exit_pos BIGINT UNSIGNED NOT NULL DEFAULT 0, exit_gtid LONGTEXT, {times}, PRIMARY KEY (source_id)) \
                 DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin",
                self.state
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (source_id VARCHAR(32) NOT NULL, file_name {file_name} NOT NULL, \
                 target_schema VARCHAR(128) NOT NULL, target_table VARCHAR(128) NOT NULL, \
                 file_size BIGINT UNSIGNED NOT NULL, position BIGINT UNSIGNED NOT NULL DEFAULT 0, \
                 done BOOLEAN NOT NULL DEFAULT 0, was_empty BOOLEAN NOT NULL DEFAULT 0, detail LONGTEXT, \
                 snapshot LONGTEXT, identity LONGTEXT, {owner}, {times}, \
                 PRIMARY KEY (source_id, file_name)) DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_bin",
                self.progress
            ),
        ];
        for sql in statements {
            within(self.limit, conn.query_drop(&sql))
                .await
                .map_err(|e| meta_error(&e, "create the load unit's meta tables"))?;
        }
        self.widen(conn).await
    }

    /// A table of an earlier version lacks the last columns.
    async fn widen(&self, conn: &mut Conn) -> Result<()> {
        let look = format!("SELECT detail, snapshot, identity FROM {} LIMIT 0", self.progress);
        match within(self.limit, conn.query_drop(&look)).await {
            Err(e) if link::errno(&e) == 1054 => {}
            looked => return looked.map_err(|e| meta_error(&e, "look at the load unit's meta tables")),
        }
        for column in ["detail", "snapshot", "identity"] {
            let add = format!("ALTER TABLE {} ADD COLUMN {column} LONGTEXT", self.progress);
            match within(self.limit, conn.query_drop(&add)).await {
                // Another source of the task was faster.
                Err(e) if link::errno(&e) == 1060 => {}
                added => added.map_err(|e| meta_error(&e, "extend the load unit's meta tables"))?,
            }
        }
        Ok(())
    }

    /// DM's load state of this source; None when there is none.
    pub async fn status(&self, conn: &mut Conn) -> Result<Option<String>> {
        let sql = format!(
            "SELECT status FROM {} WHERE task_name = {} AND source_name = {}",
            self.list, self.task, self.source
        );
        absent_is_none(within(self.limit, conn.query_first(sql)).await, "read the load state")
    }

    /// Sets DM's load state, if nobody newer has taken over.
    pub async fn set_status(&self, conn: &mut Conn, status: &str) -> Result<()> {
        let sql = format!(
            "INSERT INTO {} (task_name, source_name, status) VALUES ({}, {}, '{status}') ON DUPLICATE KEY UPDATE status = '{status}'",
            self.list, self.task, self.source
        );
        self.fenced(conn, &[sql], "write the load state").await
    }

    /// Takes the source's rows over under our epoch. Waits for transactions in flight, which hold these rows; every
    /// later one of an older owner fails. Then tells what was stored.
    pub async fn claim(&self, conn: &mut Conn) -> Result<Claimed> {
        for _ in 0..5 {
            match self.try_claim(conn).await? {
                Ok(claimed) => return Ok(claimed),
                Err(e) if matches!(link::errno(&e), 1205 | 1213 | 8002 | 8022 | 9007) => {
                    tracing::warn!(error = %link::cause(&e), "an earlier load's transaction is still in flight, waiting for it");
                    let _ = within(self.limit, conn.query_drop("ROLLBACK")).await;
                    tokio::time::sleep(std::time::Duration::from_secs(1)).await;
                }
                Err(e) => return Err(meta_error(&e, "take over the load progress")),
            }
        }
        Err(DmError::new(Code::DBExecuteFailed)
            .msg("an earlier load's transaction on the target doesn't end")
            .scope(Scope::Downstream)
            .workaround("Please look at the target's process list, then resume the task."))
    }

    async fn try_claim(&self, conn: &mut Conn) -> Result<std::result::Result<Claimed, mysql_async::Error>> {
        let Fence { cluster_id, epoch } = self.fence;
        let source = &self.source;
        macro_rules! attempt {
            ($e:expr) => {
                match within(self.limit, $e).await {
                    Ok(value) => value,
                    Err(e) => return Ok(Err(e)),
                }
            };
        }
        let add = format!(
            "INSERT IGNORE INTO {} (source_id, cluster_id, epoch) VALUES ({source}, {cluster_id}, 0)",
            self.state
        );
        attempt!(conn.query_drop(add));
        attempt!(conn.query_drop("BEGIN"));
        let look =
            format!("SELECT cluster_id, epoch, dump_id FROM {} WHERE source_id = {source} FOR UPDATE", self.state);
        let row: Option<Row> = attempt!(conn.query_first(look));
        let Some(row) = row else { return Err(self.lost()) };
        let stored = Fence { cluster_id: number(&row, 0), epoch: number(&row, 1) };
        if stored.cluster_id != cluster_id || stored.epoch > epoch {
            let _ = within(self.limit, conn.query_drop("ROLLBACK")).await;
            return Err(self.not_ours(stored));
        }
        for table in [&self.state, &self.progress] {
            attempt!(conn.query_drop(format!("UPDATE {table} SET epoch = {epoch} WHERE source_id = {source}")));
        }
        let files = format!(
            "SELECT file_name, target_schema, target_table, file_size, position, done, was_empty FROM {} WHERE source_id = {source}",
            self.progress
        );
        let rows: Vec<Row> = attempt!(conn.query(files));
        attempt!(conn.query_drop("COMMIT"));
        let files = rows.iter().map(file_row).collect();
        Ok(Ok(Claimed { dump_id: text(&row, 2), files }))
    }

    fn lost(&self) -> DmError {
        DmError::new(Code::LoadTaskCheckPointNotMatch)
            .msg(format!("the load state of source {} vanished from {}", self.source, self.state))
            .workaround("Please stop the task and start it again with `--remove-meta`.")
    }

    /// Says who owns the rows instead of us.
    fn not_ours(&self, stored: Fence) -> DmError {
        let table = &self.progress;
        if stored.cluster_id == self.fence.cluster_id {
            return DmError::new(Code::LoadTaskCheckPointNotMatch)
                .msg(format!(
                    "this worker's binding of source {} (epoch {}) is outdated: {table} belongs to epoch {}",
                    self.source, self.fence.epoch, stored.epoch
                ))
                .workaround("Please do nothing: the worker that the source is bound to now goes on with the load.");
        }
        DmError::new(Code::LoadTaskCheckPointNotMatch)
            .msg(format!("{table} was written by another cluster (id {}, epoch {})", stored.cluster_id, stored.epoch))
            .workaround(
                "Please make sure that no other cluster runs this task; then either use another `meta-schema` or task \
                 name, or empty the target tables and start the task with `--remove-meta`.",
            )
    }

    /// The UPDATE of the state row that fails when a newer owner is there, and the check that it found its row.
    fn state_fence(&self) -> String {
        let Fence { cluster_id, epoch } = self.fence;
        let zero = fence::zero_if(&format!("cluster_id = {cluster_id} AND epoch <= {epoch}"));
        format!(
            "UPDATE {} SET revision = revision + 1 + {zero}, epoch = {epoch} WHERE source_id = {}; {}",
            self.state,
            self.source,
            fence::ONE_ROW_UPDATED
        )
    }

    /// Begins a transaction that holds the state row: nobody takes the source over until it ends. An error when a newer
    /// owner is there.
    pub async fn hold(&self, conn: &mut Conn) -> Result<()> {
        let sql = format!("BEGIN; {}", self.state_fence());
        let Err(e) = within(self.limit, run_all(conn, sql.as_bytes())).await else { return Ok(()) };
        self.refused(conn, &e, "hold the load state").await
    }

    /// Runs statements in one transaction that fails when a newer owner is there.
    pub async fn fenced(&self, conn: &mut Conn, statements: &[String], what: &str) -> Result<()> {
        let sql = format!("BEGIN; {}; {}; COMMIT", self.state_fence(), statements.join("; "));
        let Err(e) = within(self.limit, run_all(conn, sql.as_bytes())).await else { return Ok(()) };
        self.refused(conn, &e, what).await
    }

    async fn refused(&self, conn: &mut Conn, e: &mysql_async::Error, what: &str) -> Result<()> {
        let _ = within(self.limit, conn.query_drop("ROLLBACK")).await;
        if link::errno(e) == fence::FENCE_ERRNO {
            let look = format!("SELECT cluster_id, epoch FROM {} WHERE source_id = {}", self.state, self.source);
            let row: Option<Row> =
                within(self.limit, conn.query_first(look)).await.map_err(|e| meta_error(&e, what))?;
            let stored = row.map(|row| Fence { cluster_id: number(&row, 0), epoch: number(&row, 1) });
            return Err(stored.map_or_else(|| self.lost(), |stored| self.not_ours(stored)));
        }
        Err(meta_error(e, what))
    }

    /// Begins with another dump: forgets all files of this source.
    pub async fn reset(&self, conn: &mut Conn, dump_id: &str) -> Result<()> {
        let forget = format!("DELETE FROM {} WHERE source_id = {}", self.progress, self.source);
        let set =
            format!("UPDATE {} SET dump_id = {} WHERE source_id = {}", self.state, quote_text(dump_id), self.source);
        self.fenced(conn, &[forget, set], "begin with the dump").await
    }

    /// Adds rows for files that have none.
    pub async fn register(&self, conn: &mut Conn, files: &[FileRow]) -> Result<()> {
        let Fence { cluster_id, epoch } = self.fence;
        for part in files.chunks(500) {
            let values: Vec<String> = part
                .iter()
                .map(|f| {
                    // A place is texts and a number: it has a JSON form.
                    let place = f.snapshot.as_ref().and_then(|at| serde_json::to_string(at).ok());
                    format!(
                        "({}, {}, {}, {}, {}, {}, {}, {}, {cluster_id}, {epoch})",
                        self.source,
                        quote_text(&f.file),
                        quote_text(&f.target_schema),
                        quote_text(&f.target_table),
                        f.size,
                        u8::from(f.done),
                        u8::from(f.was_empty),
                        place.map_or_else(|| "NULL".to_owned(), |json| quote_text(&json))
                    )
                })
                .collect();
            let sql = format!(
                "INSERT IGNORE INTO {} (source_id, file_name, target_schema, target_table, file_size, done, was_empty, \
                 snapshot, cluster_id, epoch) VALUES {}",
                self.progress,
                values.join(", ")
            );
            self.fenced(conn, &[sql], "register the dump's files").await?;
        }
        Ok(())
    }

    /// Whether another source has loaded rows into this target table.
    pub async fn others_loaded(&self, conn: &mut Conn, schema: &str, table: &str) -> Result<bool> {
        let sql = format!(
            "SELECT COUNT(*) FROM {} WHERE source_id <> {} AND target_schema = {} AND target_table = {} AND position > 0",
            self.progress,
            self.source,
            quote_text(schema),
            quote_text(table)
        );
        let count: Option<u64> =
            within(self.limit, conn.query_first(sql)).await.map_err(|e| meta_error(&e, "read the load progress"))?;
        Ok(count.unwrap_or(0) > 0)
    }

    /// The transaction around one batch's rows, which go as one packet: progress first (it takes the file's lock and fails
    /// when a newer owner is there or the file isn't where we think), then the rows, then COMMIT. Of a table without
    /// transactions the rows come before the progress, behind a fence that only reads.
    pub fn around_batch(&self, file: &str, part: &Part) -> (String, String) {
        let Fence { cluster_id, epoch } = self.fence;
        let Part { from, to, done, transactional } = part;
        let mine = format!("cluster_id = {cluster_id} AND epoch <= {epoch} AND position = {from} AND done = 0");
        let row = format!("source_id = {} AND file_name = {}", self.source, quote_text(file));
        let progress = format!(
            "UPDATE {} SET position = {to} + {}, done = {}, epoch = {epoch} WHERE {row}; {}",
            self.progress,
            fence::zero_if(&mine),
            u8::from(*done),
            fence::ONE_ROW_UPDATED
        );
        match transactional {
            true => (format!("BEGIN; {progress}; "), "COMMIT".to_owned()),
            false => {
                (format!("BEGIN; {}; ", fence::locked_if(&self.progress, &row, &mine)), format!("{progress}; COMMIT"))
            }
        }
    }

    /// Where a file stands; waits for a transaction in flight. An error when the row isn't ours any more.
    pub async fn position(&self, conn: &mut RowConn, file: &str) -> Result<(u64, bool)> {
        let sql = format!(
            "SELECT cluster_id, epoch, position, done FROM {} WHERE source_id = {} AND file_name = {} FOR UPDATE",
            self.progress,
            self.source,
            quote_text(file)
        );
        let found = conn.rows(&sql).await.map_err(|e| meta_error(&e, "read the load progress"))?;
        if found.rows.is_empty() {
            return Err(self.lost());
        }
        let number = |column: usize| found.text(0, column).parse().unwrap_or(0);
        let stored = Fence { cluster_id: number(0), epoch: number(1) };
        if stored.cluster_id != self.fence.cluster_id || stored.epoch > self.fence.epoch {
            return Err(self.not_ours(stored));
        }
        Ok((number(2), number(3) != 0))
    }

    /// All rows are in: keeps where the dump stands for the sync unit and sets DM's state to finished.
    pub async fn finish(&self, conn: &mut Conn, meta: Option<&Metadata>) -> Result<()> {
        let none = DumpLocation::default();
        let at = meta.map_or(&none, |m| &m.location);
        let exit = meta.and_then(|m| m.exit.as_ref()).unwrap_or(&none);
        let keep = format!(
            "UPDATE {} SET binlog_name = {}, binlog_pos = {}, binlog_gtid = {}, exit_name = {}, exit_pos = {}, exit_gtid = {} \
             WHERE source_id = {}",
            self.state,
            quote_text(&at.binlog_name),
            at.binlog_pos,
            quote_text(&at.gtid),
            quote_text(&exit.binlog_name),
            exit.binlog_pos,
            quote_text(&exit.gtid),
            self.source
        );
        let finished = format!(
            "UPDATE {} SET status = 'finished' WHERE task_name = {} AND source_name = {}",
            self.list, self.task, self.source
        );
        self.fenced(conn, &[keep, finished], "finish the load").await
    }

    /// The dump whose load was begun; empty when none was.
    pub async fn dump_id(&self, conn: &mut Conn) -> Result<String> {
        let sql = format!("SELECT dump_id FROM {} WHERE source_id = {}", self.state, self.source);
        Ok(absent_is_none(within(self.limit, conn.query_first(sql)).await, "read the load state")?.unwrap_or_default())
    }

    /// Where the loaded dump stands in the binlog; None before the load ended.
    pub async fn loaded_location(&self, conn: &mut Conn) -> Result<Option<Metadata>> {
        let sql = format!(
            "SELECT binlog_name, binlog_pos, IFNULL(binlog_gtid, ''), exit_name, exit_pos, IFNULL(exit_gtid, '') FROM {} \
             WHERE source_id = {} AND binlog_name <> ''",
            self.state, self.source
        );
        let row: Option<Row> = absent_is_none(within(self.limit, conn.query_first(sql)).await, "read the load state")?;
        Ok(row.map(|row| {
            let at = |n: usize| DumpLocation {
                binlog_name: text(&row, n),
                binlog_pos: number(&row, n + 1),
                gtid: text(&row, n + 2),
            };
            Metadata { location: at(0), exit: Some(at(3)).filter(|e| !e.binlog_name.is_empty()), ..Metadata::default() }
        }))
    }
}

fn file_row(row: &Row) -> FileRow {
    FileRow {
        file: text(row, 0),
        target_schema: text(row, 1),
        target_table: text(row, 2),
        size: number(row, 3),
        position: number(row, 4),
        done: number(row, 5) != 0,
        was_empty: number(row, 6) != 0,
        snapshot: None,
    }
}

/// A schema or table that isn't there yet holds nothing.
pub fn absent_is_none<T>(read: std::result::Result<Option<T>, mysql_async::Error>, what: &str) -> Result<Option<T>> {
    match read {
        Err(e) if matches!(link::errno(&e), 1049 | 1146) => Ok(None),
        Err(e) => Err(link::failed(Code::DBQueryFailed, Scope::Downstream, what, &e)),
        Ok(value) => Ok(value),
    }
}

/// Sends a packet of statements and reads every result; the first error ends it.
pub async fn run_all(conn: &mut Conn, sql: &[u8]) -> std::result::Result<(), mysql_async::Error> {
    conn.query_iter(sql).await?.drop_result().await
}
