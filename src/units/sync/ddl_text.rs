//! What is sent to the target for one statement: its text with the target's names, in as many statements as the target
//! needs, with the character sets that the source meant.

use std::sync::Arc;

use super::{
    ddl::alters,
    ddl_renames::{self, Clause},
    translate::TranslateTask,
};
use crate::{
    error::DmError,
    mysql::binlog::event::StatusVars,
    rules::{self, EventKind},
    schema::{
        Change, Tracker,
        collation::SourceDefaults,
        ddl::{AlterSpec, Changes, CharsetRules, ClausePart, PartitionChange, Statement, StatementKind},
        model::{TableId, TableInfo, quote_name},
    },
};

/// One statement about one table or database, on its way.
pub struct Sending<'a> {
    pub sql: &'a str,
    pub statement: &'a Statement,
    /// The named table (or database) and its target.
    pub subject: &'a TableId,
    pub target: &'a TableId,
    /// The tracked structure before the statement.
    pub before: Option<&'a TableInfo>,
    pub tracker: &'a Tracker,
    pub status: &'a StatusVars,
    /// Of the session; may be empty.
    pub default_schema: &'a str,
}

impl TranslateTask {
    /// The statements for the target in order; none when the event filters take all of it.
    pub async fn texts(&mut self, sending: &Sending<'_>) -> Result<Vec<String>, DmError> {
        let Sending { sql, statement, .. } = *sending;
        let parts = match statement.clause_parts() {
            None if self.passes(sending, statement)? => None,
            None => return Ok(Vec::new()),
            Some(parts) => {
                let all = parts.len();
                let mut passing = Vec::with_capacity(all);
                for part in parts {
                    if self.passes(sending, &statement.narrowed(&part))? {
                        passing.push(part);
                    }
                }
                match passing.len() {
                    0 => return Ok(Vec::new()),
                    left if left == all && !self.structures.target().is_tidb() => None,
                    _ => Some(passing),
                }
            }
        };
        if self.structures.target().is_tidb()
            && let Some(names) = drops_partitions_if_there(statement)
        {
            let one =
                |name: &String| format!("ALTER TABLE {} DROP PARTITION IF EXISTS {}", sending.target, quote_name(name));
            return Ok(names.iter().map(one).collect());
        }
        let changes = self.all_changes(sending).await?;
        Ok(match parts {
            None => vec![changes.apply(sql).trim().to_owned()],
            Some(parts) if self.structures.target().is_tidb() => {
                let one = |part: &ClausePart| {
                    Clause::new(statement.with_parts(sql, &changes, std::slice::from_ref(part)), &part.specs)
                };
                ddl_renames::in_order(&statement.with_parts(sql, &changes, &[]), parts.iter().map(one).collect())
            }
            Some(parts) => vec![statement.with_parts(sql, &changes, &parts)],
        })
    }

    /// Whether the event filters let a statement (or one clause of it) through.
    fn passes(&self, sending: &Sending<'_>, statement: &Statement) -> Result<bool, DmError> {
        let Some(event) = statement.event_kind(sending.before) else { return Ok(true) };
        let passes = |table: &TableId| self.rules.passes(table, event, Some(sending.sql));
        if event.kind != EventKind::RenameTable {
            return passes(sending.subject);
        }
        // A rule for either name counts.
        rules::task::named(statement).iter().try_fold(true, |all, table| Ok(passes(table)? && all))
    }

    /// Names, guards, quotes and character sets.
    async fn all_changes(&mut self, sending: &Sending<'_>) -> Result<Changes, DmError> {
        let Sending { statement, target, .. } = *sending;
        for table in &statement.tables {
            self.rules.route(&table.id())?;
        }
        let mut changes = statement.changes(
            |schema, table| {
                let id = TableId::new(schema, table);
                // Checked above: routing these names can't fail.
                self.rules.route(&id).map_or((id.schema, id.name), |target| (target.schema, target.name))
            },
            true,
        );
        changes.extend(statement.parent_columns(sending.sql, |parent| parent_key(sending, parent)));
        if !sending.tracker.explicit_defaults_for_timestamp()
            && statement.leaves_timestamps_open()
            && let Some(after) = self.table_behind(sending).await?
        {
            changes.extend(statement.timestamp_changes(&after));
        }
        let inherited = sending.tracker.inherited_charset(
            statement,
            &sending.subject.schema,
            sending.status,
            sending.default_schema,
        );
        let policy = self.structures.target().collations().clone();
        let target_inherited = match (&inherited, &statement.kind) {
            (Some(_), StatementKind::CreateDatabase { .. }) => policy.target.server.clone(),
            (Some(_), _) if policy.is_explicit() => self.structures.schema_charset(&target.schema).await?,
            _ => None,
        };
        let target_table = match !policy.is_explicit() && statement.redefines_charsets() {
            true => Some(self.structures.target_info(target, sending.subject).await?),
            false => None,
        };
        let source = self.source_defaults(sending.status);
        let rules = CharsetRules {
            policy: &policy,
            source: &source,
            inherited: inherited.as_ref(),
            target_inherited: target_inherited.as_ref(),
            target_table: target_table.as_ref(),
        };
        let (charsets, mapped) = statement.charset_changes(&rules)?;
        changes.extend(charsets);
        for one in mapped {
            self.structures.mapped(target, &one.mapping);
        }
        Ok(changes)
    }

    /// The table as the statement leaves it; of one that was never seen, as it makes the target's. None: it can't be followed.
    pub(super) async fn table_behind(&mut self, sending: &Sending<'_>) -> Result<Option<Arc<TableInfo>>, DmError> {
        let Sending { statement, subject, target, before, .. } = *sending;
        let mut tracker = sending.tracker.clone();
        if before.is_none() && alters(statement) {
            let there = self.structures.target_info(target, subject).await?;
            tracker.put(TableInfo { schema: subject.schema.clone(), name: subject.name.clone(), ..there });
        }
        let changed = tracker.apply(statement).unwrap_or_default();
        Ok(changed.into_iter().find_map(|change| match change {
            Change::Created(table) | Change::Altered(table) => tracker.get(&table.schema, &table.name),
            Change::Renamed { to, .. } => tracker.get(&to.schema, &to.name),
            _ => None,
        }))
    }

    /// The source's defaults as the statement's session had them.
    fn source_defaults(&self, status: &StatusVars) -> SourceDefaults {
        self.source_charsets.in_session(status)
    }
}

/// The partitions of MariaDB's DROP PARTITION IF EXISTS; None: another statement. TiDB drops none of several when one isn't there, and says
/// that all went well.
fn drops_partitions_if_there(statement: &Statement) -> Option<&[String]> {
    let StatementKind::AlterTable { specs, .. } = &statement.kind else { return None };
    match specs.as_slice() {
        [AlterSpec::Partition(PartitionChange::Drop { names, if_exists: true })] => Some(names),
        _ => None,
    }
}

/// The columns that a reference of the statement to a table means when it names none.
fn parent_key(sending: &Sending<'_>, parent: &TableId) -> Vec<String> {
    let mut after = sending.tracker.clone();
    if after.apply(sending.statement).is_err() {
        return Vec::new();
    }
    let table = after.get(&sending.subject.schema, &sending.subject.name);
    let keys = table.as_ref().map(|table| table.foreign_keys.as_slice()).unwrap_or_default();
    keys.iter().find(|key| key.parent == *parent).map(|key| key.parent_columns.clone()).unwrap_or_default()
}
