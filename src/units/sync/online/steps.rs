//! The ddl stage's part of it: statements that name helper tables, and those that a switch stands for.

use super::{super::translate::TranslateTask, unseen};
use crate::{
    error::{Code, DmError},
    rules::EventKind,
    schema::{
        Tracker,
        ddl::{self, AlterSpec, ParseContext, Statement, StatementKind},
        model::{TableId, TableInfo, quote_name},
    },
    units::sync::{
        checkpoint::TableRow,
        ddl::{DdlEvent, Outcome},
    },
};

/// A migrated table that was moved aside, in the event that is looked at.
pub struct Aside {
    pub real: TableId,
    pub trash: TableId,
}

/// Where and under which circumstances a statement stands.
#[derive(Clone, Copy)]
pub struct Place<'a> {
    /// The event's place in the binlog, as text.
    pub at: &'a str,
    pub tracker: &'a Tracker,
}

impl TranslateTask {
    /// A statement about a shadow table. Returns statements that must be taken first (what was held back).
    pub(in crate::units::sync) async fn shadow(
        &mut self,
        sql: &str,
        statement: &Statement,
        shadow: &TableId,
        place: Place<'_>,
        outcome: &mut Outcome,
    ) -> Result<Vec<String>, DmError> {
        let real = self.rules.shadow_of(&shadow.name).unwrap_or(&shadow.name).to_owned();
        let ends = match &statement.kind {
            StatementKind::CreateTable(_) | StatementKind::DropTable { .. } | StatementKind::RenameTable { .. } => true,
            StatementKind::AlterTable { specs, .. } => specs.iter().any(|s| matches!(s, AlterSpec::RenameTo { .. })),
            _ => false,
        };
        let mut first = Vec::new();
        if ends && let Some((record, delete)) = outcome.online.take(shadow) {
            first.extend(record.gone);
            outcome.more.push(delete);
        }
        match &statement.kind {
            StatementKind::CreateTable(_) => {
                let renamed = self.renamed_keys(statement, shadow, &real, place.tracker).await?;
                outcome.more.push(outcome.online.begin(shadow, &real, renamed, place.at)?);
                tracing::info!(table = %shadow, "an online schema change begins");
            }
            StatementKind::AlterTable { .. } | StatementKind::CreateIndex { .. } | StatementKind::DropIndex { .. }
                if !ends =>
            {
                let text = statement.rewrite(sql, |schema, table| (schema.to_owned(), table.to_owned()));
                outcome.more.extend(outcome.online.keep(shadow, &real, text, place.at)?);
            }
            _ => {}
        }
        Ok(first)
    }

    /// pt-osc's copy has other names for its foreign keys: names are unique in a schema. What renames the real table's.
    async fn renamed_keys(
        &mut self,
        statement: &Statement,
        shadow: &TableId,
        real: &str,
        tracker: &Tracker,
    ) -> Result<Vec<String>, DmError> {
        let mut scratch = tracker.clone();
        // What the tracker can't build has no keys that anybody could compare.
        let copy = scratch.apply(statement).ok().and_then(|_| scratch.get(&shadow.schema, &shadow.name));
        let Some(copy) = copy.filter(|copy| !copy.foreign_keys.is_empty()) else { return Ok(Vec::new()) };
        let told = [real, real.trim_start_matches('_')].map(|name| TableId::new(shadow.schema.as_str(), name));
        let tracked = told.iter().find_map(|id| tracker.get(&id.schema, &id.name));
        let keys = match tracked {
            Some(table) => key_names(&table, &copy),
            None => {
                let mut keys = Vec::new();
                for id in told.iter().filter(|id| self.rules.allows(id)) {
                    match self.structures.target_info(&self.rules.route(id)?, id).await {
                        Ok(table) => keys.extend(key_names(&table, &copy)),
                        Err(error) if error.code() == Code::SchemaTrackerCannotFetchDownstreamTable => {}
                        Err(error) => return Err(error),
                    }
                }
                keys
            }
        };
        let text = |(old, clause): &(String, String)| {
            format!("ALTER TABLE {shadow} DROP FOREIGN KEY {}, ADD {clause}", quote_name(old))
        };
        Ok(keys.iter().map(text).collect())
    }

    /// A migrated table was moved aside: the rest of the event, or a later one, says what for.
    pub(in crate::units::sync) fn aside(&self, real: TableId, trash: TableId, outcome: &mut Outcome) {
        outcome.asides.push(Aside { real, trash });
    }

    /// At the end of an event: tables that are still aside. Error 36068 when no online schema change is known.
    pub(in crate::units::sync) fn hold_asides(&self, outcome: &mut Outcome) -> Result<(), DmError> {
        for Aside { real, trash } in std::mem::take(&mut outcome.asides) {
            let sql = renaming(&real, &trash);
            if let Some(store) = outcome.online.hold(&real, &sql)? {
                outcome.more.push(store);
                continue;
            }
            let passes = |name| self.rules.passes(name, EventKind::RenameTable.into(), Some(&sql));
            if passes(&real)? && passes(&trash)? {
                return Err(aside_error(&real, &trash));
            }
        }
        Ok(())
    }

    /// Before a statement about a migrated table: what was held back for it, if this one shows that it must be executed.
    pub(in crate::units::sync) fn held_before(&self, named: &[TableId], outcome: &mut Outcome) -> Option<String> {
        let (held, delete) = named.iter().find_map(|table| outcome.online.release(table))?;
        outcome.more.push(delete);
        Some(held)
    }

    /// DROP TABLE of a table that an online schema change is copying: pt-osc's `drop_swap` drops first and renames then.
    pub(in crate::units::sync) fn holds_drop(
        &self,
        sql: &str,
        statement: &Statement,
        real: &TableId,
        outcome: &mut Outcome,
    ) -> Result<bool, DmError> {
        if !matches!(statement.kind, StatementKind::DropTable { .. }) || outcome.online.held(real).is_some() {
            return Ok(false);
        }
        let text = statement.rewrite(sql, |schema, table| (schema.to_owned(), table.to_owned()));
        let stored = outcome.online.hold(real, &text)?;
        let holds = stored.is_some();
        if holds {
            tracing::warn!(table = %real, "DROP TABLE is held back: it may be half of an online schema change's switch");
        }
        outcome.more.extend(stored);
        Ok(holds)
    }

    /// A helper table gets the name of a migrated one. Returns the statements that this stands for. Errors 36043, 36046.
    pub(in crate::units::sync) async fn switch(
        &mut self,
        statement: &Statement,
        from: &TableId,
        real: &TableId,
        tracker: &mut Tracker,
        outcome: &mut Outcome,
    ) -> Result<Vec<String>, DmError> {
        if let StatementKind::AlterTable { specs, .. } = &statement.kind
            && specs.len() > 1
        {
            return Err(DmError::new(Code::SyncerUnitGhostRenameTableNotValid)
                .msg(format!("an ALTER TABLE renames {from} to {real} and changes it, too"))
                .workaround(
                    "No online schema change tool does this. Please make the changes on the target by hand, skip the \
                     statement (`binlog skip`), and resume the task.",
                ));
        }
        outcome.asides.retain(|aside| aside.real != *real);
        let renamed_back = renaming(real, from);
        if outcome.online.held(real).is_some_and(|held| held == renamed_back) {
            outcome.more.extend(outcome.online.returned(real)?);
            return Ok(Vec::new());
        }
        if let Some((record, delete)) = outcome.online.take(from) {
            outcome.more.push(delete);
            if record.created {
                tracing::info!(from = %from, to = %real, statements = record.ddls.len(), "an online schema change ends");
                return record.ddls.iter().map(|ddl| for_real(ddl, from, real)).collect();
            }
        }
        self.unseen_switch(from, real, tracker, outcome).await?;
        Ok(Vec::new())
    }

    /// A switch that the user skips, though nothing is known of it: the structure of the rows behind it is found as for a
    /// table that is seen for the first time.
    pub(in crate::units::sync) fn skipped_switch(&self, event: &DdlEvent, mut tracker: Tracker) -> (Outcome, Tracker) {
        let mut outcome = Outcome { online: self.online.clone(), ..Outcome::default() };
        let context = ParseContext { default_schema: event.event.schema.clone(), ..ParseContext::default() };
        let parsed = self.text(event).and_then(|sql| ddl::parse(&sql, &context));
        let pairs = match parsed.map(|statement| statement.kind) {
            Ok(StatementKind::RenameTable { pairs, .. }) => pairs,
            _ => Vec::new(),
        };
        for (from, real) in pairs.iter().filter(|(from, _)| self.rules.shadow_of(&from.name).is_some()) {
            outcome.more.extend(outcome.online.take(from).map(|(_, delete)| delete));
            if tracker.remove(&real.schema, &real.name) {
                outcome.rows.push(TableRow::Remove { table: real.clone() });
            }
        }
        (outcome, tracker)
    }

    /// What was done to the copy is not known: the change must be on the target already.
    async fn unseen_switch(
        &mut self,
        from: &TableId,
        real: &TableId,
        tracker: &mut Tracker,
        outcome: &mut Outcome,
    ) -> Result<(), DmError> {
        let target = self.rules.route(real)?;
        let there = self.structures.target_info(&target, real).await?;
        let before = tracker.get(&real.schema, &real.name);
        let extra: Vec<String> = self.rules.extra_columns(real)?.into_iter().map(|column| column.name).collect();
        let differences = match self.structures.source_info(real).await? {
            Some(now) => unseen::differences(before.as_deref(), &now, &there, &extra),
            None => vec![format!("{real} is not on the source any more")],
        };
        if !differences.is_empty() {
            return Err(unseen::error(from, real, &target, &differences));
        }
        tracing::warn!(from = %from, to = %real, "an online schema change that was not seen from its beginning ends; the \
            target's table has the new structure already");
        tracker.remove(&real.schema, &real.name);
        outcome.rows.push(TableRow::Remove { table: real.clone() });
        Ok(())
    }
}

/// The text under which a rename is held back.
fn renaming(from: &TableId, to: &TableId) -> String {
    format!("RENAME TABLE {from} TO {to}")
}

/// A kept statement, about the real table.
fn for_real(ddl: &str, shadow: &TableId, real: &TableId) -> Result<String, DmError> {
    let context = ParseContext { default_schema: shadow.schema.clone(), ..ParseContext::default() };
    let statement = ddl::parse(ddl, &context)?;
    let Some(subject) = statement.tables.first().map(|table| table.id()) else {
        return Err(DmError::new(Code::SyncerUnitGhostApplyEmptyTable)
            .msg(format!("a statement that was kept for {shadow} names no table")));
    };
    Ok(statement.rewrite(ddl, |schema, table| {
        if schema == subject.schema && table == subject.name {
            (real.schema.clone(), real.name.clone())
        } else {
            (schema.to_owned(), table.to_owned())
        }
    }))
}

/// Foreign keys of a copy that the original has under another name: that name, and the copy's definition.
fn key_names(before: &TableInfo, copy: &TableInfo) -> Vec<(String, String)> {
    let mut out = Vec::new();
    for key in &copy.foreign_keys {
        let same = |old: &&crate::schema::model::ForeignKey| {
            old.name != key.name && old.columns == key.columns && old.parent == key.parent
        };
        if before.foreign_keys.iter().any(|old| old.name == key.name) {
            continue;
        }
        if let Some(old) = before.foreign_keys.iter().find(same) {
            out.push((old.name.clone(), key.definition(None)));
        }
    }
    out
}

fn aside_error(real: &TableId, trash: &TableId) -> DmError {
    DmError::new(Code::SyncerUnsupportedStmt)
        .msg(format!(
            "RENAME of {real} to {trash}: that is a name of trash tables (`trash-table-rules`), which are not migrated, and \
             no online schema change of {real} is known; its rows stay on the target under the old name"
        ))
        .workaround(
            "Please bring the target to what you want by hand (rename or drop the table), add a filter rule with events \
             [\"rename table\"] and action Ignore for one of the two names, and resume the task; or correct \
             `trash-table-rules`.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::server::ServerInfo;

    #[test]
    fn kept_statements_name_the_real_table() {
        let (shadow, real) = (TableId::new("d", "_t_new"), TableId::new("d", "a`b"));
        let replayed = |ddl: &str| for_real(ddl, &shadow, &real).unwrap();
        assert_eq!(replayed("ALTER TABLE `d`.`_t_new` ADD c INT"), "ALTER TABLE `d`.`a``b` ADD c INT");
        assert_eq!(replayed("CREATE INDEX i ON _t_new (c)"), "CREATE INDEX i ON `d`.`a``b` (c)");
        assert_eq!(
            replayed("ALTER TABLE d._t_new ADD FOREIGN KEY (p) REFERENCES d.`a``b` (id)"),
            "ALTER TABLE `d`.`a``b` ADD FOREIGN KEY (p) REFERENCES `d`.`a``b` (id)"
        );
    }

    #[test]
    fn foreign_keys_get_the_copys_names() {
        let mut tracker = Tracker::new(ServerInfo::default(), 0);
        let context = ParseContext { default_schema: "d".into(), ..ParseContext::default() };
        let parse = |sql: &str| ddl::parse(sql, &context).unwrap();
        let columns = "id INT PRIMARY KEY, p INT, KEY p (p)";
        for sql in [
            "CREATE TABLE p (id INT PRIMARY KEY)".to_owned(),
            format!("CREATE TABLE t ({columns}, CONSTRAINT fk FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)"),
        ] {
            tracker.apply(&parse(&sql)).unwrap();
        }
        let before = tracker.get("d", "t").unwrap();
        let create = format!(
            "CREATE TABLE _t_new ({columns}, CONSTRAINT _fk FOREIGN KEY (p) REFERENCES p (id) ON DELETE CASCADE)"
        );
        tracker.apply(&parse(&create)).unwrap();
        let copy = tracker.get("d", "_t_new").unwrap();
        let clause = "CONSTRAINT `_fk` FOREIGN KEY (`p`) REFERENCES `d`.`p` (`id`) ON DELETE CASCADE";
        assert_eq!(key_names(&before, &copy), [("fk".to_owned(), clause.to_owned())]);
        assert!(key_names(&copy, &copy).is_empty());
    }
}
