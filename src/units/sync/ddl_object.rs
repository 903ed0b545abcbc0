//! Statements that DM skips or refuses and a task wants (`migrate-statements`): views, triggers, routines, events and
//! sequences. They go to the target as text: a query or a program inside may name any table, so none may be renamed.

use super::{
    ddl_run::{DdlStatement, Subject},
    translate::TranslateTask,
};
use crate::{
    error::{Code, DmError},
    schema::{
        ddl::{Skipped, Statement, StatementKind},
        model::TableId,
    },
};

/// The statement's kind as `migrate-statements` names it; None for all others.
pub fn kind(statement: &Statement) -> Option<&'static str> {
    Some(match &statement.kind {
        StatementKind::Sequence { .. } => "sequence",
        StatementKind::Skipped(skipped) => match skipped {
            Skipped::CreateView | Skipped::AlterView | Skipped::DropView => "view",
            Skipped::Trigger => "trigger",
            Skipped::Routine => "routine",
            Skipped::Event => "event",
            _ => return None,
        },
        _ => return None,
    })
}

impl TranslateTask {
    /// The statement for the target; None when its schema isn't migrated or a filter takes it. Error 11007: its names
    /// can't be told, or a route would have to change them.
    pub(super) fn object(
        &self,
        sql: &str,
        statement: &Statement,
        default_schema: &str,
    ) -> Result<Option<DdlStatement>, DmError> {
        let named: Vec<TableId> = match &statement.kind {
            StatementKind::Sequence { sequences, .. } => sequences.clone(),
            _ => statement.objects.iter().map(|o| TableId::new(o.schema.as_str(), o.name.as_str())).collect(),
        };
        let Some(first) = named.first() else {
            return Err(refused("its name can't be told"));
        };
        // They write into shadow tables, which the target doesn't have.
        if self.rules.online_ddl() && named.iter().all(|object| object.name.starts_with("pt_osc_")) {
            return Ok(None);
        }
        let allowed = named.iter().filter(|name| self.rules.allows(name)).count();
        if allowed == 0 || self.rules.ignores_text(sql)? {
            return Ok(None);
        }
        if let Some(event) = statement.event_kind(None)
            && !self.rules.passes(first, event, Some(sql))?
        {
            return Ok(None);
        }
        if allowed < named.len() {
            return Err(refused("it is about objects in and out of the block-allow list"));
        }
        let schemas = named.iter().map(|name| name.schema.as_str()).chain(Some(default_schema));
        for schema in schemas.filter(|schema| !schema.is_empty()) {
            let tables = self.structures.tracker.table_names(schema).into_iter();
            let all = tables.map(|table| TableId::new(schema, table)).chain(Some(TableId::new(schema, "")));
            for table in all {
                if self.rules.route(&table)? != table {
                    return Err(refused(&format!("a route renames {table}, which the text may name")));
                }
            }
        }
        let text = statement.rewrite(sql, |schema, table| (schema.to_owned(), table.to_owned()));
        let default_schema = Some(default_schema).filter(|schema| !schema.is_empty()).map(str::to_owned);
        Ok(Some(DdlStatement {
            sql: text,
            subject: Subject::Schema(first.schema.clone()),
            default_schema,
            open_timestamps: false,
        }))
    }
}

fn refused(why: &str) -> DmError {
    DmError::new(Code::UnknownTypeDDL)
        .msg(format!("a statement of a kind that `migrate-statements` lists can't be sent as text: {why}"))
        .workaround(
            "Please execute its equivalent on the target and skip the statement with a `filters` rule (schema-pattern \
             `*`, a `sql-pattern` that matches it, action Ignore), or take its kind out of `migrate-statements`; then \
             resume the task.",
        )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::schema::ddl::{ParseContext, parse};

    #[test]
    fn kinds_and_names() {
        let context = ParseContext { default_schema: "d".into(), ..ParseContext::default() };
        for (sql, expected, names) in [
            (
                "CREATE OR REPLACE ALGORITHM=MERGE DEFINER=`a`@`%` SQL SECURITY INVOKER VIEW `x`.`v w` AS SELECT 1",
                Some("view"),
                "x.v w",
            ),
            ("DROP VIEW IF EXISTS a, b.c", Some("view"), "d.a b.c"),
            (
                "CREATE DEFINER=root@localhost TRIGGER IF NOT EXISTS t BEFORE INSERT ON a FOR EACH ROW SET NEW.e = 1",
                Some("trigger"),
                "d.t",
            ),
            ("CREATE DEFINER=CURRENT_USER PROCEDURE s.p() BEGIN END", Some("routine"), "s.p"),
            ("CREATE AGGREGATE FUNCTION IF NOT EXISTS f RETURNS INT SONAME 'x'", Some("routine"), "d.f"),
            ("DROP EVENT e", Some("event"), "d.e"),
            ("CREATE USER u", None, ""),
            ("CREATE SEQUENCE s", Some("sequence"), ""),
        ] {
            let statement = parse(sql, &context).unwrap();
            let found: Vec<String> = statement.objects.iter().map(|o| format!("{}.{}", o.schema, o.name)).collect();
            assert_eq!((kind(&statement), found.join(" ").as_str()), (expected, names), "{sql}");
        }
    }
}
