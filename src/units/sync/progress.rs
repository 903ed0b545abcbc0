//! The lane table `<meta-schema>.<task>_lane_progress`: how far each lane is, in the transaction of its rows.
//!
//! | column | meaning |
//! |---|---|
//! | source_id, lane | primary key; lane -1 fences checkpoint and DDL transactions |
//! | lanes | how many lanes the source's changes are spread over |
//! | cluster_id, epoch | who may write |
//! | batch | ordinal of the lane's last transaction; each one demands its predecessor, so that a packet that was |
//! |       | believed lost and arrives late, or a second sender of the same epoch, fails |
//! | gtid_set | transactions of the source that were wholly before the one below, but not in the checkpoint at which the |
//! |          | run began (GTID mode, else empty): a short text, however many servers the source's set names |
//! | gtid | the transaction of the lane's last change (GTID mode, else empty) |
//! | binlog_name, binlog_pos | where that transaction begins |
//! | row_index | the number of the lane's last change within that transaction, counted over all its row changes |

use crate::{
    mysql::sql_text::SqlText,
    schema::model::{quote_name, quote_text},
    units::{Fence, fence},
};

/// The lane number under which checkpoint and DDL transactions are fenced.
pub const CONTROL_LANE: i32 = -1;

/// Quoted names of the task's meta tables.
#[derive(Clone, Debug)]
pub struct MetaTables {
    pub schema: String,
    pub checkpoint: String,
    pub lanes: String,
    pub ddl: String,
    pub source_state: String,
    /// DM's, for online schema changes.
    pub online: String,
    /// Schema and name of the checkpoint, not quoted.
    names: (String, String),
}

/// All names of tables, each by itself. (The original takes the target's default, which may be latin1.)
const CHARSET: &str = "CHARACTER SET utf8mb4 COLLATE utf8mb4_bin";
/// The checkpoint's column for names of tables.
pub(super) const NAME: &str = "cp_table";

impl MetaTables {
    /// The tables of a task.
    pub fn new(meta_schema: &str, task: &str) -> Self {
        let schema = quote_name(meta_schema);
        let table = |suffix: &str| format!("{schema}.{}", quote_name(&format!("{task}{suffix}")));
        MetaTables {
            checkpoint: table("_syncer_checkpoint"),
            lanes: table("_lane_progress"),
            ddl: table("_ddl_intent"),
            source_state: table("_source_state"),
            online: table("_onlineddl"),
            schema: schema.clone(),
            names: (meta_schema.to_owned(), format!("{task}_syncer_checkpoint")),
        }
    }

    /// Asks for the names of the checkpoint's columns that are as narrow as the original makes them: those for GTID sets, and
    /// that for names of tables where its character set lacks some, or takes `Orders` and `orders` for one.
    pub fn narrow_columns(&self) -> String {
        format!(
            "SELECT COLUMN_NAME FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {} AND \
             (COLUMN_NAME IN ('binlog_gtid', 'exit_safe_binlog_gtid') AND DATA_TYPE = 'text' OR COLUMN_NAME = '{NAME}' AND \
             COLLATION_NAME <> 'utf8mb4_bin')",
            quote_text(&self.names.0),
            quote_text(&self.names.1)
        )
    }

    /// What widens one of these columns.
    pub fn widen(&self, column: &str) -> String {
        match column {
            NAME => format!("ALTER TABLE {} CONVERT TO {CHARSET}", self.checkpoint),
            _ => format!("ALTER TABLE {} MODIFY {} MEDIUMTEXT", self.checkpoint, quote_name(column)),
        }
    }

    /// CREATE of the table for online schema changes, the original's column by column.
    pub fn create_online(&self) -> String {
        format!(
            "CREATE TABLE IF NOT EXISTS {} (\
             id VARCHAR(32) NOT NULL, ghost_schema VARCHAR(128) NOT NULL, ghost_table VARCHAR(128) NOT NULL, \
             ddls TEXT, update_time timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, \
             UNIQUE KEY uk_id_schema_table (id, ghost_schema, ghost_table)) DEFAULT {CHARSET}",
            self.online
        )
    }

    /// CREATE statements, in order. The checkpoint table is the original's, column by column, but for sets of GTIDs: of some
    /// 1,500 servers and more they are longer than the TEXT that it gives them. A target without the type
    /// JSON (MySQL 5.6) keeps the same text in a LONGTEXT.
    pub fn create(&self, json: bool) -> Vec<String> {
        let json = if json { "JSON" } else { "LONGTEXT" };
        vec![
            format!("CREATE SCHEMA IF NOT EXISTS {}", self.schema),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\
                 id VARCHAR(32) NOT NULL, cp_schema VARCHAR(128) NOT NULL, cp_table VARCHAR(128) NOT NULL, \
                 binlog_name VARCHAR(128), binlog_pos INT UNSIGNED, binlog_gtid MEDIUMTEXT, \
                 exit_safe_binlog_name VARCHAR(128) DEFAULT '', exit_safe_binlog_pos INT UNSIGNED DEFAULT 0, \
                 exit_safe_binlog_gtid MEDIUMTEXT, table_info {json} NOT NULL, is_global BOOLEAN, \
                 create_time timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP, \
                 update_time timestamp NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, \
                 UNIQUE KEY uk_id_schema_table (id, cp_schema, cp_table)) DEFAULT {CHARSET}",
                self.checkpoint
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\
                 source_id VARCHAR(32) NOT NULL, lane INT NOT NULL, lanes INT NOT NULL, \
                 cluster_id BIGINT UNSIGNED NOT NULL, epoch BIGINT UNSIGNED NOT NULL, batch BIGINT UNSIGNED NOT NULL, \
                 gtid_set MEDIUMTEXT NOT NULL, gtid VARCHAR(255) NOT NULL, binlog_name VARCHAR(128) NOT NULL, \
                 binlog_pos BIGINT UNSIGNED NOT NULL, row_index BIGINT UNSIGNED NOT NULL, \
                 update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP, \
                 PRIMARY KEY (source_id, lane)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
                self.lanes
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\
                 source_id VARCHAR(32) NOT NULL PRIMARY KEY, binlog_name VARCHAR(128) NOT NULL, \
                 binlog_pos BIGINT UNSIGNED NOT NULL, gtid VARCHAR(255) NOT NULL, statement_no BIGINT UNSIGNED NOT NULL, \
                 plan MEDIUMTEXT NOT NULL, statement MEDIUMTEXT NOT NULL, structure_before MEDIUMTEXT, \
                 job_floor BIGINT UNSIGNED NOT NULL DEFAULT 0, \
                 state VARCHAR(16) NOT NULL, \
                 update_time TIMESTAMP NOT NULL DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP) \
                 ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
                self.ddl
            ),
            format!(
                "CREATE TABLE IF NOT EXISTS {} (\
                 source_id VARCHAR(32) NOT NULL, name VARCHAR(32) NOT NULL, value MEDIUMTEXT NOT NULL, \
                 PRIMARY KEY (source_id, name)) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin",
                self.source_state
            ),
        ]
    }
}

/// The last change a lane applied. The default is that of a lane which applied nothing.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    pub gtid_set: String,
    pub gtid: String,
    pub binlog_name: String,
    pub binlog_pos: u64,
    pub row_index: u64,
}

impl Progress {
    /// A lane that never applied anything.
    pub fn is_empty(&self) -> bool {
        self.binlog_name.is_empty() && self.gtid.is_empty()
    }
}

/// One row of the lane table.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct LaneRow {
    pub lane: i32,
    pub lanes: i32,
    pub fence: Fence,
    pub batch: u64,
    pub progress: Progress,
}

/// The columns of [`LaneRow`] in the order in which `start` reads them.
pub const COLUMNS: &str = "lane, lanes, cluster_id, epoch, batch, gtid_set, gtid, binlog_name, binlog_pos, row_index";

/// Builds the two statements that begin a lane's transaction after BEGIN.
pub struct LaneFence {
    table: String,
    /// Where the lane's row is.
    row: String,
    fence: Fence,
}

impl LaneFence {
    /// For one lane of one source.
    pub fn new(tables: &MetaTables, source_id: &str, lane: i32, fence: Fence) -> Self {
        LaneFence {
            table: tables.lanes.clone(),
            row: format!("source_id = {} AND lane = {lane}", quote_text(source_id)),
            fence,
        }
    }

    /// Appends `UPDATE lane row; SET (one row updated)` (no semicolon at the end). `batch` is the ordinal of this
    /// transaction. Without `progress` the lane's progress stays (control transactions).
    pub fn write(&self, batch: u64, progress: Option<&Progress>, sql: &mut SqlText) {
        sql.push_all(&["UPDATE ", &self.table, " SET batch = "]);
        sql.push_str(&format!("{batch} + "));
        sql.push_str(&fence::zero_if(&self.mine(batch)));
        if let Some(p) = progress {
            sql.push_str(", gtid_set = ");
            sql.push_str(&quote_text(&p.gtid_set));
            sql.push_str(", gtid = ");
            sql.push_str(&quote_text(&p.gtid));
            sql.push_str(", binlog_name = ");
            sql.push_str(&quote_text(&p.binlog_name));
            sql.push_str(&format!(", binlog_pos = {}, row_index = {}", p.binlog_pos, p.row_index));
        }
        sql.push_all(&[" WHERE ", &self.row, "; ", fence::ONE_ROW_UPDATED]);
    }

    /// Appends the statement that judges the fence of transaction `batch` and locks the lane, and writes nothing yet.
    pub fn check(&self, batch: u64, sql: &mut SqlText) {
        sql.push_str(&fence::locked_if(&self.table, &self.row, &self.mine(batch)));
    }

    fn mine(&self, batch: u64) -> String {
        let Fence { cluster_id, epoch } = self.fence;
        format!("batch = {} AND epoch = {epoch} AND cluster_id = {cluster_id}", batch.wrapping_sub(1))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted() {
        let tables = MetaTables::new("dm_meta", "ta`sk");
        assert_eq!(tables.lanes, "`dm_meta`.`ta``sk_lane_progress`");
        assert_eq!(tables.checkpoint, "`dm_meta`.`ta``sk_syncer_checkpoint`");
    }

    #[test]
    fn a_lane_transaction_demands_its_predecessor() {
        let tables = MetaTables::new("m", "t");
        let fence = LaneFence::new(&tables, "s'1", 3, Fence { cluster_id: 9, epoch: 4 });
        let mut sql = SqlText::new();
        let progress =
            Progress { binlog_name: "bin.000002".into(), binlog_pos: 77, row_index: 5, ..Default::default() };
        fence.write(12, Some(&progress), &mut sql);
        assert_eq!(
            std::str::from_utf8(sql.as_bytes()).unwrap(),
            "UPDATE `m`.`t_lane_progress` SET batch = 12 + 0 * (18446744073709551615 + (NOT (batch = 11 AND epoch = 4 \
             AND cluster_id = 9))), gtid_set = '', gtid = '', binlog_name = 'bin.000002', binlog_pos = 77, \
             row_index = 5 WHERE source_id = 's''1' AND lane = 3; \
             SET @dm_fence = 0 * (18446744073709551615 + (ROW_COUNT() <> 1))"
        );
        sql.clear();
        fence.check(12, &mut sql);
        assert_eq!(
            std::str::from_utf8(sql.as_bytes()).unwrap(),
            "SELECT 1 + 0 * (18446744073709551615 + (COUNT(*) <> 1)) FROM `m`.`t_lane_progress` WHERE \
             source_id = 's''1' AND lane = 3 AND batch = 11 AND epoch = 4 AND cluster_id = 9 FOR UPDATE"
        );
    }
}
