//! The tables of a source as the checks need them: read in bulk, a few queries whatever their number.

use std::collections::{BTreeMap, BTreeSet};

use mysql_async::{Conn, Row, prelude::Queryable};

use super::report::Outcome;
use crate::{
    config::SubtaskConfig,
    error::{Code, Result, Scope},
    rules::{BlockAllow, is_system_schema},
    schema::{
        charset::{CharsetPair, canonical_charset, canonical_collation, charset_of_collation},
        collation::CollationPolicy,
        model::quote_name,
    },
    units::link,
};

/// One table that the lists let in.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct TableFacts {
    pub has_key: bool,
    pub foreign_keys: Vec<String>,
    /// The table's default, where it is known.
    pub default: Option<CharsetPair>,
    /// Columns that have a character set, in canonical names.
    pub columns: Vec<(String, CharsetPair)>,
    /// Primary and unique keys with their columns.
    pub unique_keys: BTreeMap<String, Vec<String>>,
}

/// Schema and table to facts.
pub type Tables = BTreeMap<(String, String), TableFacts>;

/// Rows of a query; the error names the query.
pub async fn rows(conn: &mut Conn, scope: Scope, sql: &str) -> Result<Vec<Row>> {
    conn.query(sql).await.map_err(|e| link::failed(Code::DBQueryFailed, scope, sql, &e))
}

/// A column as text; NULL and absent columns are empty.
pub fn text(row: &Row, at: usize) -> String {
    match row.get_opt::<Option<String>, _>(at) {
        Some(Ok(Some(text))) => text,
        _ => String::new(),
    }
}

/// Reads all tables of the task on this source.
pub async fn read(conn: &mut Conn, config: &SubtaskConfig, lists: &BlockAllow) -> Result<Tables> {
    const NOT_SYSTEM: &str = "TABLE_SCHEMA NOT IN ('information_schema', 'performance_schema', 'mysql', 'sys')";
    let mut out = Tables::new();
    let listed = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_COLLATION FROM information_schema.TABLES WHERE {NOT_SYSTEM} AND \
         TABLE_TYPE IN ('BASE TABLE', 'SYSTEM VERSIONED')"
    );
    for row in rows(conn, Scope::Upstream, &listed).await? {
        let (schema, table) = (text(&row, 0), text(&row, 1));
        if !is_system_schema(&schema) && lists.allows(&schema, &table) {
            out.insert((schema, table), TableFacts { default: pair("", &text(&row, 2)), ..TableFacts::default() });
        }
    }
    let keys = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, COLUMN_NAME FROM information_schema.STATISTICS WHERE {NOT_SYSTEM} AND \
         NON_UNIQUE = 0 ORDER BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, SEQ_IN_INDEX"
    );
    for row in rows(conn, Scope::Upstream, &keys).await? {
        if let Some(facts) = out.get_mut(&(text(&row, 0), text(&row, 1))) {
            facts.has_key = true;
            facts.unique_keys.entry(text(&row, 2)).or_default().push(text(&row, 3));
        }
    }
    let foreign = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME FROM information_schema.TABLE_CONSTRAINTS WHERE {NOT_SYSTEM} AND \
         CONSTRAINT_TYPE = 'FOREIGN KEY'"
    );
    for row in rows(conn, Scope::Upstream, &foreign).await? {
        if let Some(facts) = out.get_mut(&(text(&row, 0), text(&row, 1))) {
            facts.foreign_keys.push(text(&row, 2));
        }
    }
    let charsets = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, CHARACTER_SET_NAME, COLLATION_NAME FROM information_schema.COLUMNS \
         WHERE {NOT_SYSTEM} AND CHARACTER_SET_NAME IS NOT NULL ORDER BY TABLE_SCHEMA, TABLE_NAME, ORDINAL_POSITION"
    );
    for row in rows(conn, Scope::Upstream, &charsets).await? {
        if let Some(facts) = out.get_mut(&(text(&row, 0), text(&row, 1))) {
            facts.columns.extend(pair(&text(&row, 3), &text(&row, 4)).map(|pair| (text(&row, 2), pair)));
        }
    }
    tracing::debug!(source = %config.source_id, tables = out.len(), "tables read for the check");
    Ok(out)
}

/// Canonical names; the character set may be told by the collation. None for names that no server knows.
fn pair(charset: &str, collation: &str) -> Option<CharsetPair> {
    let own = charset_of_collation(collation).or_else(|| canonical_charset(charset))?;
    Some(CharsetPair { charset: own.into(), collation: canonical_collation(collation).into() })
}

/// The item `table_schema`: what the target can't take, or takes with less certainty.
pub fn structure(tables: &Tables, policy: &CollationPolicy, address: &str) -> Outcome {
    let mut out =
        Outcome::new("table structure compatibility check", "check compatibility of table structure", address);
    let mut advice: BTreeSet<&str> = BTreeSet::new();
    for ((schema, table), facts) in tables {
        let name = format!("{}.{}", quote_name(schema), quote_name(table));
        let lacks = |pair: &CharsetPair| !policy.target.has_charset(&pair.charset) && policy.mapping(pair).is_err();
        let lacking: BTreeSet<&str> =
            facts.columns.iter().filter(|(_, pair)| lacks(pair)).map(|(_, pair)| pair.charset.as_str()).collect();
        for charset in lacking {
            let of = facts.columns.iter().filter(|(_, pair)| pair.charset == charset);
            let columns: Vec<&str> = of.map(|(column, _)| column.as_str()).collect();
            out.fail(
                format!(
                    "table {name} has the character set {charset}, which the target doesn't know: {}",
                    columns.join(", ")
                ),
                "",
            );
            advice.insert(
                "Please convert the columns to a character set that the target knows, such as utf8mb4, or let the task do it: \
                 `collation-map: {the character set: utf8mb4}`.",
            );
        }
        if !facts.has_key {
            out.warn(format!("table {name} primary/unique key does not exist"), "");
            advice.insert("Please give tables a primary or unique key; without one their changes are applied in one lane, slowly.");
        }
        for key in &facts.foreign_keys {
            out.warn(format!("table {name} Foreign Key {key} is not enforced while rows are migrated"), "");
            advice.insert(
                "Please make sure that no foreign key action (CASCADE, SET NULL) changes migrated rows on the source.",
            );
        }
    }
    out.instruction = advice.into_iter().collect::<Vec<_>>().join(" ");
    out
}

#[cfg(test)]
mod tests {
    use super::super::report::State;
    use super::*;
    use crate::schema::collation::Catalog;

    #[test]
    fn findings_name_their_table() {
        let mut catalog = Catalog::default();
        catalog.add("utf8_general_ci", "utf8");
        catalog.set_default("utf8", "utf8_general_ci");
        let known = CollationPolicy::new(catalog.clone(), "loose", &BTreeMap::new(), "map").unwrap();
        let columns = |collation: &str| vec![("c".to_owned(), pair("", collation).unwrap())];
        let good = TableFacts { has_key: true, columns: columns("UTF8_general_ci"), ..TableFacts::default() };
        let mut tables: Tables = [(("d".to_owned(), "good".to_owned()), good)].into();
        assert_eq!(structure(&tables, &known, "a").state, State::Success);
        tables.insert(("d".into(), "keyless".into()), TableFacts::default());
        let outcome = structure(&tables, &known, "a");
        assert_eq!((outcome.state, outcome.errors.len()), (State::Warn, 1));
        assert!(outcome.errors[0].short_error.contains("`d`.`keyless`"));
        let odd = TableFacts { has_key: true, columns: columns("swe7_bin"), ..TableFacts::default() };
        tables.insert(("d".into(), "odd".into()), odd);
        assert_eq!(structure(&tables, &known, "a").state, State::Fail);
        let overrides = [("swe7".to_owned(), "utf8".to_owned())].into();
        let chosen = CollationPolicy::new(catalog, "loose", &overrides, "map").unwrap();
        assert_eq!(structure(&tables, &chosen, "a").state, State::Warn);
    }
}
