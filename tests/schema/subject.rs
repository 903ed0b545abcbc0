//! The code under test, called as the sync unit's ddl stage calls it: everything a statement needs comes from its event.

use std::{collections::BTreeMap, sync::Arc};

use dm::{
    error::{DmError, Scope},
    mysql::binlog::{QueryEvent, event::AlterPhase},
    schema::{
        ServerInfo, SqlMode, TableId, TableInfo, Tracker,
        collation::{Catalog, CollationPolicy, SourceDefaults},
        ddl::{self, CharsetRules, ParseContext, Statement, StatementKind},
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
    /// Sets the target's session up for them.
    pub session: Vec<String>,
    /// Something that the tracker knows became another.
    pub changed: bool,
    /// Statements of a kind that isn't migrated.
    pub skipped: usize,
    /// What the rewriting broke.
    pub problems: Vec<String>,
}

/// Bits of `flags2`; the second is MariaDB's.
const NO_FOREIGN_KEY_CHECKS: u32 = 1 << 26;
const EXPLICIT_TIMESTAMPS: u32 = 1 << 24;

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
        let source = SourceDefaults { catalog: Some(catalog.clone()), server, ..SourceDefaults::default() };
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
        let context = context(event, self.server);
        let decoded = ddl::decode(&event.sql, event.status.charset_client, context.sql_mode, &self.server)?;
        let sql = decoded.trim().trim_end_matches(';').to_owned();
        let statement = ddl::parse(&sql, &context)?;
        // MariaDB's ALTER in two phases counts where it ends.
        if matches!(event.status.alter_phase, Some(AlterPhase::Start | AlterPhase::Rollback)) {
            return Ok(Followed::default());
        }
        tracker.enter_session(&event.status);
        let sql_mode = {
            let mariadb = self.server.is_mariadb();
            ddl_sql_mode("", event.status.sql_mode.unwrap_or_default(), mariadb, mariadb)
        };
        // Names of unnamed foreign keys depend on it.
        let unchecked = event.status.flags2.is_some_and(|flags| flags & NO_FOREIGN_KEY_CHECKS != 0);
        let mut session = vec![format!("SET sql_mode='{sql_mode}', foreign_key_checks={}", u8::from(!unchecked))];
        let option = event.status.flags2.filter(|_| self.server.is_mariadb() && self.server.version >= 100_500);
        let option = option.map(|flags| flags & EXPLICIT_TIMESTAMPS != 0);
        if let Some(on) = event.status.explicit_defaults_for_timestamp.or(option) {
            session.push(format!("SET explicit_defaults_for_timestamp={}", u8::from(on)));
        }
        // Bounds of partitions may be times.
        let zone = event.status.time_zone.as_deref().filter(|zone| *zone != "SYSTEM").unwrap_or("+00:00");
        session.push(format!("SET time_zone='{zone}'"));
        let mut followed = Followed { session, ..Followed::default() };
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
        let schema = statement.tables.first().map_or("", |table| &table.schema);
        let inherited = tracker.inherited_charset(statement, schema, &event.status, &event.schema);
        let source = self.source.in_session(&event.status);
        let rules = CharsetRules {
            policy: &self.policy,
            source: &source,
            inherited: inherited.as_ref(),
            target_inherited: match statement.kind {
                StatementKind::CreateDatabase { .. } => self.policy.target.server.as_ref(),
                _ => inherited.as_ref(),
            },
            target_table: None,
        };
        let mut changes = statement.changes(routed, true);
        changes.extend(statement.charset_changes(&rules)?.0);
        followed.rewritten.push(changes.apply(sql).trim().to_owned());
        followed.touched.extend(statement.tables.iter().map(|table| table.id()));
        let known = |tracker: &Tracker| -> Vec<_> {
            statement.tables.iter().map(|table| tracker.get(&table.schema, &table.name)).collect()
        };
        let before = known(tracker);
        // A table that nobody has seen yet stays unknown: its first row will find its structure.
        let needed = match &statement.kind {
            StatementKind::CreateTable(create) => create.like.clone(),
            _ => statement.tables.first().map(|table| table.id()),
        };
        if needed.is_some_and(|id| tracker.get(&id.schema, &id.name).is_none()) {
            return Ok(());
        }
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
fn context(event: &QueryEvent, server: ServerInfo) -> ParseContext {
    ParseContext {
        default_schema: event.schema.clone(),
        sql_mode: SqlMode::from_bits(event.status.sql_mode.unwrap_or_default()),
        server,
    }
}
