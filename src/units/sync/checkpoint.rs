//! DM's checkpoint table as text: what is read at the start and what is written at a flush.

use super::progress::MetaTables;
use crate::{
    mysql::position::Location,
    schema::model::{TableId, quote_text},
};

/// The columns that `start` reads of the global row.
pub const GLOBAL_COLUMNS: &str = "COALESCE(binlog_name, ''), COALESCE(binlog_pos, 0), COALESCE(binlog_gtid, ''), \
     COALESCE(exit_safe_binlog_name, ''), COALESCE(exit_safe_binlog_pos, 0), COALESCE(exit_safe_binlog_gtid, '')";

/// Stores the safe-mode exit point in the global row. `table` and `id` are quoted.
pub fn exit_safe(table: &str, id: &str, exit: &Location) -> String {
    format!(
        "UPDATE {table} SET exit_safe_binlog_name = {}, exit_safe_binlog_pos = {}, exit_safe_binlog_gtid = {} \
         WHERE id = {id} AND is_global = 1",
        quote_text(&exit.position.name),
        exit.position.pos.min(u64::from(u32::MAX)),
        quote_text(&exit.gtid_set.as_ref().map(ToString::to_string).unwrap_or_default())
    )
}

/// A table's row of the checkpoint.
#[derive(Clone, PartialEq, Debug)]
pub enum TableRow {
    /// The structure as DM's JSON.
    Put { table: TableId, json: String },
    /// The table was dropped.
    Remove { table: TableId },
    /// Its schema was dropped.
    RemoveSchema { schema: String },
}

/// Writes the statements of one flush; each gives one result.
pub struct CheckpointText<'a> {
    pub tables: &'a MetaTables,
    pub source_id: &'a str,
    pub at: &'a Location,
    /// Safe mode stays on up to here.
    pub exit_safe: Option<&'a Location>,
}

impl CheckpointText<'_> {
    /// Changed table rows first, the global row last.
    pub fn statements(&self, rows: &[TableRow]) -> Vec<String> {
        let mut out: Vec<String> = rows.iter().map(|row| self.table_row(row)).collect();
        out.push(self.row("", "", "null", true));
        out
    }

    /// The statement of one table row.
    pub fn table_row(&self, row: &TableRow) -> String {
        let table = &self.tables.checkpoint;
        let id = quote_text(self.source_id);
        match row {
            TableRow::Put { table, json } => self.row(&table.schema, &table.name, json, false),
            TableRow::Remove { table: TableId { schema, name } } => format!(
                "DELETE FROM {table} WHERE id = {id} AND cp_schema = {} AND cp_table = {} AND is_global = 0",
                quote_text(schema),
                quote_text(name)
            ),
            TableRow::RemoveSchema { schema } => {
                format!("DELETE FROM {table} WHERE id = {id} AND cp_schema = {} AND is_global = 0", quote_text(schema))
            }
        }
    }

    fn row(&self, schema: &str, name: &str, json: &str, global: bool) -> String {
        let text = |location: &Location| location.gtid_set.as_ref().map(ToString::to_string).unwrap_or_default();
        let pos = |location: &Location| location.position.pos.min(u64::from(u32::MAX));
        let nowhere = Location::default();
        // The exit point is written in the global row only, as the original does; its name may not be NULL.
        let exit = self.exit_safe.filter(|_| global).unwrap_or(&nowhere);
        format!(
            "INSERT INTO {} (id, cp_schema, cp_table, binlog_name, binlog_pos, binlog_gtid, exit_safe_binlog_name, \
             exit_safe_binlog_pos, exit_safe_binlog_gtid, table_info, is_global) VALUES ({}, {}, {}, {}, {}, {}, {}, \
             {}, {}, {}, {}) ON DUPLICATE KEY UPDATE binlog_name = VALUES(binlog_name), \
             binlog_pos = VALUES(binlog_pos), binlog_gtid = VALUES(binlog_gtid), \
             exit_safe_binlog_name = VALUES(exit_safe_binlog_name), \
             exit_safe_binlog_pos = VALUES(exit_safe_binlog_pos), \
             exit_safe_binlog_gtid = VALUES(exit_safe_binlog_gtid), table_info = VALUES(table_info), \
             is_global = VALUES(is_global)",
            self.tables.checkpoint,
            quote_text(self.source_id),
            quote_text(schema),
            quote_text(name),
            quote_text(&self.at.position.name),
            pos(self.at),
            quote_text(&text(self.at)),
            quote_text(&exit.position.name),
            pos(exit),
            quote_text(&text(exit)),
            json_value(json),
            u8::from(global)
        )
    }
}

/// A JSON document as a value. TiDB takes a hexadecimal literal for bytes whatever stands in front of it, and bytes are no
/// JSON; the conversion makes them text on every server.
fn json_value(json: &str) -> String {
    let text = quote_text(json);
    if text.starts_with('\'') { text } else { format!("CONVERT({text} USING utf8mb4)") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mysql::position::BinlogPosition;

    #[test]
    fn a_flush_ends_with_the_global_row() {
        let tables = MetaTables::new("dm_meta", "t");
        let at = Location::new(BinlogPosition::new("bin.000002", 154), None);
        let text = CheckpointText { tables: &tables, source_id: "s1", at: &at, exit_safe: None };
        let rows = [
            TableRow::Put { table: TableId::new("a", "b"), json: "{\"name\":\"it's\"}".into() },
            TableRow::Remove { table: TableId::new("a", "c") },
            TableRow::RemoveSchema { schema: "d".into() },
        ];
        let statements = text.statements(&rows);
        assert_eq!(statements.len(), 4);
        assert!(
            statements[0]
                .contains("VALUES ('s1', 'a', 'b', 'bin.000002', 154, '', '', 0, '', '{\"name\":\"it''s\"}', 0)")
        );
        assert!(json_value("{\"a\":\"é\"}").starts_with("CONVERT(_utf8mb4 0x"));
        assert!(statements[1].ends_with("id = 's1' AND cp_schema = 'a' AND cp_table = 'c' AND is_global = 0"));
        assert!(statements[2].ends_with("cp_schema = 'd' AND is_global = 0"));
        assert!(statements[3].contains("VALUES ('s1', '', '', 'bin.000002', 154, '', '', 0, '', 'null', 1)"));
    }
}
