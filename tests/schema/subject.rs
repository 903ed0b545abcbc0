//! The code under test, called as the sync unit's ddl stage calls it: everything a statement needs comes from its event.

use dm::{
    error::DmError,
    mysql::binlog::QueryEvent,
    schema::{
        ServerInfo, SqlMode, TableId, Tracker,
        ddl::{self, ParseContext, Statement, StatementKind},
        logged,
    },
};

/// What one event came to.
#[derive(Default)]
pub struct Followed {
    /// Every table that a followed statement names.
    pub touched: Vec<TableId>,
    /// For the target, names mapped by [`routed`].
    pub rewritten: Vec<String>,
    /// Statements of a kind that isn't migrated.
    pub skipped: usize,
    /// What the rewriting broke.
    pub problems: Vec<String>,
}

/// The test's route: every schema gets a prefix.
pub fn routed(schema: &str, table: &str) -> (String, String) {
    (format!("r_{schema}"), table.to_owned())
}

/// Follows one event. After an error the tracker is as before.
pub fn follow(tracker: &mut Tracker, event: &QueryEvent, server: ServerInfo) -> Result<Followed, DmError> {
    let before = tracker.clone();
    let result = follow_parts(tracker, event, server);
    if result.is_err() {
        *tracker = before;
    }
    result
}

fn follow_parts(tracker: &mut Tracker, event: &QueryEvent, server: ServerInfo) -> Result<Followed, DmError> {
    let sql = text(event);
    let context = context(event, server);
    let statement = ddl::parse(&sql, &context)?;
    if let Some(on) = event.status.explicit_defaults_for_timestamp {
        tracker.set_explicit_defaults_for_timestamp(on);
    }
    if let Some(charset) = event.status.collation_server.and_then(|number| logged::pair_by_number(number, &server)) {
        tracker.set_server_charset(charset);
    }
    let mut followed = Followed::default();
    match statement.split() {
        None => part(tracker, &sql, &statement, &context, &mut followed)?,
        Some(parts) => {
            let plain = ParseContext { sql_mode: SqlMode::default(), ..context };
            for sql in parts {
                part(tracker, &sql, &ddl::parse(&sql, &plain)?, &plain, &mut followed)?;
            }
        }
    }
    Ok(followed)
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

fn part(
    tracker: &mut Tracker,
    sql: &str,
    statement: &Statement,
    context: &ParseContext,
    followed: &mut Followed,
) -> Result<(), DmError> {
    match &statement.kind {
        StatementKind::Skipped(_) | StatementKind::Transaction(_) => {
            followed.skipped += 1;
            return Ok(());
        }
        StatementKind::Dml(verb) => return Err(ddl::statement_format_error(*verb)),
        _ => {}
    }
    same_after_identity(sql, statement, context, followed);
    followed.rewritten.push(statement.rewrite_guarded(sql, routed));
    followed.touched.extend(statement.tables.iter().map(|table| table.id()));
    tracker.apply(statement)?;
    Ok(())
}

/// Rewritten with the same names, the text must still say the same.
fn same_after_identity(sql: &str, statement: &Statement, context: &ParseContext, followed: &mut Followed) {
    let same = statement.rewrite(sql, |schema, table| (schema.to_owned(), table.to_owned()));
    // What is rewritten doesn't depend on the session any more.
    let plain = ParseContext { default_schema: "elsewhere".into(), sql_mode: SqlMode::default(), ..context.clone() };
    match ddl::parse(&same, &plain) {
        // Texts of expressions in double quotes get single ones.
        Ok(again) if again.kind == statement.kind || sql.contains('"') => {}
        Ok(_) => followed.problems.push(format!("[rewrite] the identity says something else: {same}")),
        Err(error) => followed.problems.push(format!("[rewrite] the identity is not understood: {same}\n{error}")),
    }
}
