//! TIMESTAMP columns of a session without explicit_defaults_for_timestamp, as a server that has it on (TiDB always) must be told.

use super::{
    ast::{AlterSpec, ColumnDef, Edit, Statement, StatementKind},
    rewrite::Changes,
};
use crate::schema::{
    column_type::BaseType,
    create_text::{default_clause, update_clause},
    model::TableInfo,
};

impl Statement {
    /// Whether a TIMESTAMP column is defined whose text leaves something to the session's explicit_defaults_for_timestamp.
    pub fn leaves_timestamps_open(&self) -> bool {
        let is_open = |column: &ColumnDef| match column.nullable {
            None => true,
            Some(false) => column.default.is_none(),
            // NULL is the default, however it is said.
            Some(true) => false,
        };
        self.defined().any(|column| is_timestamp(column) && is_open(column))
    }

    /// Writes out NOT NULL, DEFAULT and ON UPDATE of TIMESTAMP columns as the table has them behind the statement.
    pub fn timestamp_changes(&self, after: &TableInfo) -> Changes {
        let mut changes = Changes::default();
        for def in self.defined().filter(|column| is_timestamp(column)) {
            let Some(column) = after.columns.iter().find(|column| column.name.eq_ignore_ascii_case(&def.name)) else {
                continue;
            };
            let mut text = String::new();
            if def.nullable.is_none() && !def.primary_key {
                text.push_str(if column.nullable { " NULL" } else { " NOT NULL" });
            }
            if def.default.is_none() && column.default.is_some() {
                text.push_str(&default_clause(column));
            }
            if !def.on_update_now && column.on_update_now {
                text.push_str(&update_clause(column));
            }
            if !text.is_empty() {
                changes.add([Edit { span: def.type_end..def.type_end, text }]);
            }
        }
        changes
    }

    /// The columns that the statement defines.
    fn defined(&self) -> Box<dyn Iterator<Item = &ColumnDef> + '_> {
        use AlterSpec::*;
        match &self.kind {
            StatementKind::CreateTable(create) => Box::new(create.columns.iter()),
            StatementKind::AlterTable { specs, .. } => Box::new(specs.iter().filter_map(|spec| match spec {
                AddColumn { column, .. } | ModifyColumn { column, .. } | ChangeColumn { column, .. } => {
                    Some(column.as_ref())
                }
                _ => None,
            })),
            _ => Box::new(std::iter::empty()),
        }
    }
}

fn is_timestamp(column: &ColumnDef) -> bool {
    column.ty.base == BaseType::Timestamp && column.generated.is_none() && column.row_time.is_none()
}
