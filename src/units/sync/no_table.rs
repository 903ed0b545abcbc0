//! Statements about what is no table: the binlog has `RENAME TABLE` of views, of sequences, and (MariaDB) of temporary
//! tables, in the words of one about a table. The target has nothing of that name.
//!
//! Such a statement is skipped, with a warning and a remark in the status, when neither side has a table that it can
//! mean: the target has no table or view of the name (so no row of it was ever migrated, and none can be lost), and the
//! source has no table under the old name or the new one now. A row that comes for one of these names all the same stops
//! the task, as a row for any table that the target doesn't have.

use super::{ddl::Outcome, translate::TranslateTask};
use crate::{
    error::DmError,
    schema::{
        Tracker,
        ddl::{Statement, StatementKind, TableRole},
        model::TableId,
    },
};

impl TranslateTask {
    /// Whether a statement about migrated names is about no table, and is to be skipped. `named`: its subject and, of a
    /// RENAME, the new name.
    pub(super) async fn is_no_table(
        &mut self,
        sql: &str,
        statement: &Statement,
        named: &[TableId],
        tracker: &Tracker,
        outcome: &mut Outcome,
    ) -> Result<bool, DmError> {
        let needs_table =
            matches!(statement.kind, StatementKind::RenameTable { .. } | StatementKind::TruncateTable { .. })
                || super::ddl::alters(statement);
        if !needs_table || named.iter().any(|name| tracker.get(&name.schema, &name.name).is_some()) {
            return Ok(false);
        }
        let Some(subject) = named.first() else { return Ok(false) };
        // An earlier part of the same statement gives it its name.
        if outcome.renamed_to.contains(subject) {
            return Ok(false);
        }
        for name in named {
            let target = self.rules.route(name)?;
            if self.structures.target_has(&target).await? || self.structures.source_has_table(name).await? {
                return Ok(false);
            }
        }
        let sql = super::location::shorten(sql);
        tracing::warn!(table = %subject, %sql, "a statement about a view, a sequence or a temporary table is skipped");
        let text = format!(
            "{sql} was skipped: neither the target nor the source has a table of that name (it is, or was, a view, a sequence or \
             a temporary table)"
        );
        self.structures.counters().note(format!("{subject} is no table"), text);
        Ok(true)
    }
}

impl Outcome {
    /// Notes the names that a statement gives.
    pub(super) fn gives_names(&mut self, statement: &Statement) {
        let new = statement.tables.iter().filter(|table| table.role == TableRole::NewName);
        self.renamed_to.extend(new.map(|table| table.id()));
    }
}
