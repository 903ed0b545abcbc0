//! Tables that a streamed load, or a dump, read under a newer snapshot than the one where the stream begins, and whose rows can't be
//! told apart: statements that may be repeated are no help there, so their changes up to that snapshot are passed over.

use std::collections::HashMap;

use super::{
    location::{Transaction, shorten},
    place,
};
use crate::{
    config::{SubtaskConfig, subtask::TaskMode},
    error::{Code, DmError},
    mysql::position::Location,
    schema::{ddl::Statement, model::TableId},
    units::stream::ledger,
};

/// Places by the source's tables. Empty behind the window of safe mode, in which all of them lie.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Ahead(HashMap<TableId, Location>);

impl Ahead {
    /// What the ledger of the task's load tells; nothing when the run doesn't begin in the window.
    pub async fn read(config: &SubtaskConfig, in_window: bool) -> Result<Self, DmError> {
        let mut out = HashMap::new();
        // Whatever `import-mode` says by now.
        if in_window && matches!(config.mode, TaskMode::All | TaskMode::LoadSync) {
            for (table, at) in ledger::exact_tables(config).await? {
                out.insert(table, place::location(config, &at.binlog_name, at.binlog_pos, &at.gtid)?);
            }
        }
        Ok(Ahead(out))
    }

    /// Whether the table's rows have the transaction's changes already.
    pub fn has(&self, schema: &str, table: &str, transaction: &Transaction) -> bool {
        if self.0.is_empty() {
            return false;
        }
        let Some(at) = self.0.get(&TableId::new(schema, table)) else { return false };
        match (&at.gtid_set, &transaction.gtid) {
            (Some(set), Some(gtid)) => set.contains(gtid),
            // Snapshots lie between transactions.
            _ => transaction.before.position < at.position,
        }
    }

    /// Whether a statement is about such tables and lies before their snapshots. Their structure didn't change during the load,
    /// which saw to that; so all statements together changed nothing but rows (TRUNCATE). Others that also name tables which
    /// aren't ahead can't be told apart.
    pub fn has_statement(&self, sql: &str, statement: &Statement, transaction: &Transaction) -> Result<bool, DmError> {
        let tables: Vec<TableId> = statement.tables.iter().map(|table| table.id()).collect();
        let has = |table: &TableId| self.has(&table.schema, &table.name, transaction);
        let ahead = tables.iter().filter(|table| has(table)).count();
        if ahead == 0 {
            return Ok(false);
        }
        if ahead == tables.len() {
            tracing::warn!(sql = %shorten(sql), "a statement is passed over: its table was loaded behind it");
            return Ok(true);
        }
        Err(DmError::new(Code::SyncerUnsupportedStmt)
            .msg("a DDL statement met the load of a table without a key, which was loaded behind it")
            .workaround(
                "Please empty the target tables of the task, then start it again with `--remove-meta`, when no DDL statements \
                 run on the source.",
            ))
    }

    /// The window's end.
    pub fn clear(&mut self) {
        self.0.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        config::Flavor,
        mysql::{
            gtid::{Gtid, GtidSet},
            position::BinlogPosition,
        },
    };

    #[test]
    fn changes_up_to_the_snapshot_are_there() {
        let place = |pos, set: &str| {
            Location::new(BinlogPosition::new("b.000001", pos), GtidSet::parse(Flavor::Mariadb, set).ok())
        };
        let transaction = |pos, gtid: &str| Transaction {
            before: place(pos, ""),
            since: None,
            gtid: Gtid::parse(Flavor::Mariadb, gtid).ok(),
            timestamp: 0,
        };
        let ahead = Ahead(HashMap::from([(TableId::new("s", "t"), place(500, "0-1-7"))]));
        assert!(ahead.has("s", "t", &transaction(900, "0-1-7")));
        assert!(!ahead.has("s", "t", &transaction(100, "0-1-8")));
        assert!(!ahead.has("s", "u", &transaction(100, "0-1-1")));
        let plain = Location::new(BinlogPosition::new("b.000001", 500), None);
        let ahead = Ahead(HashMap::from([(TableId::new("s", "t"), plain)]));
        let at = |pos| Transaction { gtid: None, ..transaction(pos, "0-1-1") };
        assert!(ahead.has("s", "t", &at(499)) && !ahead.has("s", "t", &at(500)));
        assert!(!Ahead::default().has("s", "t", &at(1)));
    }
}
