//! Structures that were taken from the source as it is now, for rows of the past: what is certain about them, and how a
//! statement is followed that they know already.

use super::{
    ddl::Outcome,
    ddl_effect::{self, Rest},
    lookup::Lookup,
    translate::TranslateTask,
};
use crate::{
    error::{Code, DmError},
    schema::{
        Tracker,
        ddl::{self, ParseContext, Statement},
        model::{TableId, quote_text},
    },
};

/// Whether the source's table is the same since before `time` (seconds at the source): servers renew a table's time of
/// creation when they alter it. False when that can't be told.
pub async fn is_unaltered_since(source: &mut Lookup, table: &TableId, time: u32) -> Result<bool, DmError> {
    let sql = format!(
        "SELECT UNIX_TIMESTAMP(CREATE_TIME) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
        quote_text(&table.schema),
        quote_text(&table.name)
    );
    let made = source.first::<Option<u64>>(&sql).await?.flatten();
    // Seconds are all that it tells: of one and the same second nobody knows what was first.
    Ok(made.is_some_and(|made| made < u64::from(time)))
}

/// Error 36027: rows whose columns are in one of two orders, and nobody can tell which.
pub fn unknown_order(source: &TableId, target: &TableId) -> DmError {
    DmError::new(Code::SyncerUnitDMLColumnNotMatch)
        .msg(format!(
            "the order of the columns in these rows of {source} can't be told: the source's table and {target} have the same \
             columns in different orders, and the source's was altered (or made) after these rows"
        ))
        .workaround(
            "Please set the order that the columns had in the source's table at this position: `binlog-schema update` with \
             --from-source if they have it still, with --from-target if the target's order is that of then, or with a CREATE \
             TABLE statement. Then resume the task. (A source with binlog_row_metadata=FULL tells it by itself.)",
        )
}

impl TranslateTask {
    /// Follows a statement in the tracked structures. One that the structure knows already counts as followed: a server
    /// would have refused it, so the structure was taken from the source's present, which has the statement's effect.
    pub(super) fn follow(
        &self,
        sql: &str,
        statement: &Statement,
        tracker: &mut Tracker,
        outcome: &mut Outcome,
    ) -> Result<(), DmError> {
        let error = match self.track(statement, tracker, outcome) {
            Err(error) if super::ddl::alters(statement) => error,
            done => return done,
        };
        let Some(table) = statement.tables.first().map(|table| table.id()) else { return Err(error) };
        let known = tracker.get(&table.schema, &table.name);
        match ddl_effect::rest(sql, self.source_info, known.as_deref()) {
            Rest::Nothing => {}
            Rest::Some(rest) => {
                let context = ParseContext {
                    default_schema: table.schema.clone(),
                    server: self.source_info,
                    ..ParseContext::default()
                };
                self.track(&ddl::parse(&rest, &context)?, tracker, outcome)?;
            }
            // The next rows find the structure as these were found.
            _ if self.structures.is_presumed(&table) => self.forget_structure(&table, tracker, outcome),
            _ => return Err(error),
        }
        tracing::warn!(%table, sql = %super::location::shorten(sql), cause = error.message(),
            "the tracked structure was taken from the source's present and knows the statement already");
        Ok(())
    }
}
