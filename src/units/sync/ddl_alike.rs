//! Names that differ by case only. A source may have `Orders` beside `orders`; a target that folds names (TiDB always does) takes
//! both for one table, and CREATE TABLE IF NOT EXISTS says nothing: their rows would be mixed. Tables that were there before the
//! task are the check unit's ([`crate::units::check`]).
//!
//! The other table is one that is tracked; or one that the task hasn't met yet, where the target is TiDB, which keeps the case of names: if
//! a table is there under the name in another case, and the source has now a table of just that name, the two are one on the target. What
//! the source has now is asked only then. Where it has the other table no more, the target's may have been made by hand, and that is fine.

use super::translate::TranslateTask;
use crate::{
    error::{Code, DmError},
    schema::{
        Tracker,
        ddl::{Statement, StatementKind, TableRole},
        model::{TableId, quote_name, same_name},
    },
};

impl TranslateTask {
    /// Error 36068 for a statement that makes a table or schema whose name on the target is another one's but for case.
    pub(super) async fn check_alike(
        &mut self,
        sql: &str,
        statement: &Statement,
        tracker: &Tracker,
    ) -> Result<(), DmError> {
        if !self.structures.target().folds_names() {
            return Ok(());
        }
        for name in new_names(statement) {
            let known: Box<dyn Iterator<Item = (&str, &str)>> = match name.name.is_empty() {
                true => Box::new(tracker.schemas().map(|schema| (schema, ""))),
                false => Box::new(tracker.tables().map(|table| (&*table.schema, &*table.name))),
            };
            let alike = known.filter(|(schema, table)| same_name(schema, &name.schema) && same_name(table, &name.name));
            for other in alike.map(|(schema, table)| TableId::new(schema, table)).filter(|other| *other != name) {
                // A table that changes the case of its own name.
                if statement.tables.iter().any(|table| table.id() == other) {
                    continue;
                }
                let (own, others) = (self.rules.route(&name)?, self.rules.route(&other)?);
                if differ_by_case(&own, &others) {
                    return Err(alike_error(sql, &name, &other));
                }
            }
            if !name.name.is_empty()
                && let Some(other) = self.unmet(&name, statement).await?
            {
                return Err(alike_error(sql, &name, &other));
            }
        }
        Ok(())
    }

    /// A migrated table of the source as it is now that is on the target already, under the name that `name` has there but for case.
    async fn unmet(&mut self, name: &TableId, statement: &Statement) -> Result<Option<TableId>, DmError> {
        // Others with such names keep them in lower case: what is there may be this very table, made before a crash.
        if !self.structures.target().is_tidb() {
            return Ok(None);
        }
        let own = self.rules.route(name)?;
        let Some(there) = self.structures.name_on_target(&own).await?.filter(|there| differ_by_case(there, &own))
        else {
            return Ok(None);
        };
        let Some(other) = self.structures.alike_at_source(name).await? else { return Ok(None) };
        let is_renamed = statement.tables.iter().any(|table| table.id() == other);
        Ok((!is_renamed && self.rules.allows(&other) && self.rules.route(&other)? == there).then_some(other))
    }

    /// A RENAME TABLE that changes a name's case only does nothing on such a target, or fails there.
    pub(super) fn renames_by_case(&self, statement: &Statement) -> Result<bool, DmError> {
        let StatementKind::RenameTable { pairs, .. } = &statement.kind else { return Ok(false) };
        let [(from, to)] = pairs.as_slice() else { return Ok(false) };
        Ok(self.structures.target().folds_names() && differ_by_case(&self.rules.route(from)?, &self.rules.route(to)?))
    }
}

/// The names that a statement gives; of a schema the table's name is empty.
fn new_names(statement: &Statement) -> Vec<TableId> {
    match &statement.kind {
        StatementKind::CreateDatabase { name, .. } => vec![TableId::new(name.as_str(), "")],
        StatementKind::CreateTable(create) => vec![create.table.clone()],
        _ => statement.tables.iter().filter(|table| table.role == TableRole::NewName).map(|table| table.id()).collect(),
    }
}

/// Not the same, and the same for who folds names.
pub fn differ_by_case(a: &TableId, b: &TableId) -> bool {
    a != b && same_name(&a.schema, &b.schema) && same_name(&a.name, &b.name)
}

fn alike_error(sql: &str, own: &TableId, other: &TableId) -> DmError {
    let shown = |id: &TableId| if id.name.is_empty() { quote_name(&id.schema) } else { id.to_string() };
    DmError::new(Code::SyncerUnsupportedStmt)
        .msg(format!(
            "{}: {} and {} of the source would be one on the target, which doesn't tell names by case (lower_case_table_names)",
            super::location::shorten(sql),
            shown(own),
            shown(other)
        ))
        .workaround(
            "Please route one of the two to another name, or leave it out with the block-allow-list, both with `case-sensitive: true`, \
             and start the task again.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_name_is_no_other() {
        let id = TableId::new;
        assert!(differ_by_case(&id("d", "Orders"), &id("d", "orders")) && differ_by_case(&id("D", ""), &id("d", "")));
        assert!(
            !differ_by_case(&id("d", "orders"), &id("d", "orders")) && !differ_by_case(&id("d", "a"), &id("d", "b"))
        );
    }
}
