//! The code under test, called as the sync unit's ddl stage calls it: everything a statement needs comes from its event.

use std::{collections::BTreeMap, sync::Arc};

use dm::{
    error::{DmError, Scope},
    mysql::binlog::QueryEvent,
    schema::{
        ServerInfo, SqlMode, TableId, TableInfo, Tracker,
        charset::{CharsetPair, canonical_collation},
        collation::{Catalog, CollationPolicy, SourceDefaults},
        ddl::{self, AlterSpec, CharsetRules, ParseContext, Statement, StatementKind},
        logged,
    },
    units::session::ddl_sql_mode,
};
use mysql_async::Conn;

/// What one event came to.
#[derive(Default)]
pub struct Followed {
    /// Every table that a followed statement names.
    pub touched: Vec<TableId>,
    /// For the target, names mapped by [`routed`].
    pub rewritten: Vec<String>,
    /// The target session's SQL mode for them.
    pub sql_mode: String,
    /// Something that the tracker knows became another.
    pub changed: bool,
    /// Statements of a kind that isn't migrated.
    pub skipped: usize,
    /// What the rewriting broke.
    pub problems: Vec<String>,
}

/// The test's route: every schema gets a prefix.
pub fn routed(schema: &str, table: &str) -> (String, String) {
    (format!("r_{schema}"), table.to_owned())
}

/// Source and target, which are one server here.
pub struct Sides {
    server: ServerInfo,
    source: SourceDefaults,
    policy: CollationPolicy,
}

impl Sides {
    pub async fn of(conn: &mut Conn, server: ServerInfo) -> Sides {
        let catalog = Catalog::fetch(conn, Scope::Upstream).await.unwrap();
        let source = SourceDefaults { catalog: Some(catalog.clone()), server, utf8mb4: None };
        Sides { server, source, policy: CollationPolicy::new(catalog, "strict", &BTreeMap::new(), "map").unwrap() }
    }

    /// Follows one event. After an error the tracker is as before.
    pub fn follow(&self, tracker: &mut Tracker, event: &QueryEvent) -> Result<Followed, DmError> {
        let before = tracker.clone();
        let result = self.follow_parts(tracker, event);
        if result.is_err() {
            *tracker = before;
        }
        result
    }

    fn follow_parts(&self, tracker: &mut Tracker, event: &QueryEvent) -> Result<Followed, DmError> {
        let sql = text(event);
        let context = context(event, self.server);
        let statement = ddl::parse(&sql, &context)?;
        if let Some(on) = event.status.explicit_defaults_for_timestamp {
            tracker.set_explicit_defaults_for_timestamp(on);
        }
        if let Some(charset) = event.status.collation_server.and_then(|n| logged::pair_by_number(n, &self.server)) {
            tracker.set_server_charset(charset);
        }
        let sql_mode = ddl_sql_mode("", event.status.sql_mode.unwrap_or_default());
        let mut followed = Followed { sql_mode, ..Followed::default() };
        match statement.split() {
            None => self.part(tracker, event, &sql, &statement, &mut followed)?,
            Some(parts) => {
                let plain = ParseContext { sql_mode: SqlMode::default(), ..context };
                for sql in parts {
                    self.part(tracker, event, &sql, &ddl::parse(&sql, &plain)?, &mut followed)?;
                }
            }
        }
        Ok(followed)
    }

    fn part(
        &self,
        tracker: &mut Tracker,
        event: &QueryEvent,
        sql: &str,
        statement: &Statement,
        followed: &mut Followed,
    ) -> Result<(), DmError> {
        match &statement.kind {
            StatementKind::Skipped(_) | StatementKind::Transaction(_) => {
                followed.skipped += 1;
                return Ok(());
            }
            StatementKind::Dml(verb) => return Err(ddl::statement_format_error(*verb)),
            StatementKind::Sequence { .. } => return Err(ddl::sequence_error(sql)),
            _ => {}
        }
        if statement.reroute(sql, |schema, table| (schema.to_owned(), table.to_owned())) != sql {
            followed.problems.push("[rewrite] the identity changes the text".to_owned());
        }
        let inherited = inherited(tracker, statement);
        let number = event.status.default_collation_utf8mb4;
        let utf8mb4 = number.and_then(|number| logged::pair_by_number(number, &self.server));
        let source =
            SourceDefaults { utf8mb4: utf8mb4.map(|pair| canonical_collation(&pair.collation)), ..self.source.clone() };
        let rules = CharsetRules {
            policy: &self.policy,
            source: &source,
            inherited: inherited.as_ref(),
            target_inherited: match statement.kind {
                StatementKind::CreateDatabase { .. } => self.policy.target.server.as_ref(),
                _ => inherited.as_ref(),
            },
        };
        let mut changes = statement.changes(routed, true);
        changes.extend(statement.charset_changes(&rules)?.0);
        followed.rewritten.push(changes.apply(sql).trim().to_owned());
        followed.touched.extend(statement.tables.iter().map(|table| table.id()));
        let known = |tracker: &Tracker| -> Vec<_> {
            statement.tables.iter().map(|table| tracker.get(&table.schema, &table.name)).collect()
        };
        let before = known(tracker);
        tracker.apply(statement)?;
        let same = |(a, b): (&Option<Arc<TableInfo>>, &Option<Arc<TableInfo>>)| match (a, b) {
            (Some(a), Some(b)) => TableInfo { create_sql: b.create_sql.clone(), ..TableInfo::clone(a) } == **b,
            (a, b) => a.is_none() && b.is_none(),
        };
        followed.changed |= statement.tables.is_empty() || !before.iter().zip(&known(tracker)).all(same);
        Ok(())
    }
}

/// What the source takes where the statement says nothing.
fn inherited(tracker: &Tracker, statement: &Statement) -> Option<CharsetPair> {
    let from_schema = match &statement.kind {
        StatementKind::CreateDatabase { .. } => return Some(tracker.server_charset().clone()),
        StatementKind::CreateTable(create) => create.like.is_none(),
        StatementKind::AlterTable { specs, .. } => specs.iter().any(|s| matches!(s, AlterSpec::ConvertTo { .. })),
        _ => false,
    };
    let subject = statement.tables.first().filter(|_| from_schema)?;
    Some(tracker.schema_charset(&subject.schema))
}

/// The statement's text.
pub fn text(event: &QueryEvent) -> String {
    String::from_utf8_lossy(&event.sql).trim().trim_end_matches(';').to_owned()
}

fn context(event: &QueryEvent, server: ServerInfo) -> ParseContext {
    ParseContext {
        default_schema: event.schema.clone(),
        sql_mode: SqlMode::from_bits(event.status.sql_mode.unwrap_or_default()),
        server,
    }
}
