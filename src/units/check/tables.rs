//! The tables of a source as the checks need them: read in bulk, a few queries whatever their number.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    report::Outcome,
    structure::{Structure, Structures},
};
use crate::{
    config::SubtaskConfig,
    error::{Code, Result, Scope},
    rules::BlockAllow,
    schema::{Index, ServerInfo, TableInfo, charset::CharsetPair, collation::CollationPolicy, load, model::quote_name},
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
    /// Why the structure could not be read.
    pub unreadable: Option<String>,
    /// Shared by tables that have the same; None: it could not be read.
    pub structure: Option<Arc<Structure>>,
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

/// Reads all tables of the task on this source: a few queries, whatever their number.
pub async fn read(conn: &mut Conn, server: &ServerInfo, config: &SubtaskConfig, lists: &BlockAllow) -> Result<Tables> {
    let schemas = rows(conn, Scope::Upstream, "SELECT SCHEMA_NAME FROM information_schema.SCHEMATA").await?;
    let names = schemas.iter().map(|row| text(row, 0));
    let schemas: Vec<String> = names.filter(|schema| lists.allows_schema(schema)).collect();
    let wanted = |schema: &str, table: &str| lists.allows(schema, table);
    let read = load::bulk(conn, others(server, config).await, &schemas, &wanted)
        .await
        .map_err(|error| error.scope(Scope::Upstream))?;
    let mut out = Tables::new();
    let mut structures = Structures::default();
    for table in read.tables {
        let mut facts = TableFacts::of(&table);
        facts.structure = Some(structures.of(&table));
        out.insert((table.schema, table.name), facts);
    }
    for (id, error) in read.unreadable {
        let reason = format!("{}: {}", error.message(), error.raw_cause());
        let facts = TableFacts { has_key: true, unreadable: Some(reason), ..TableFacts::default() };
        out.insert((id.schema, id.name), facts);
    }
    tracing::debug!(source = %config.source_id, tables = out.len(), "tables read for the check");
    Ok(out)
}

/// More connections for servers that open every table to answer; without room for them one does.
async fn others(server: &ServerInfo, config: &SubtaskConfig) -> Option<load::Others> {
    if !server.is_mariadb() && server.version >= 80_000 {
        return None;
    }
    let one = || async { link::connect(&config.from, &[], Scope::Upstream).await.ok() };
    let (references, checks, partitions) = tokio::join!(one(), one(), one());
    Some(load::Others { references: references?, checks: checks?, partitions: partitions? })
}

impl TableFacts {
    /// What the checks need of a structure.
    fn of(table: &TableInfo) -> Self {
        let unique = table.indexes.iter().filter(|index| index.unique);
        let parts = |index: &Index| index.columns.iter().map(|part| part.column.clone()).collect();
        let of_characters = table.columns.iter().filter_map(|column| {
            let pair = CharsetPair { charset: column.charset.clone()?, collation: column.collation.clone()? };
            Some((column.name.clone(), pair))
        });
        TableFacts {
            has_key: table.indexes.iter().any(|index| index.unique),
            foreign_keys: table.foreign_keys.iter().map(|key| key.name.clone()).collect(),
            default: (!table.charset.is_empty())
                .then(|| CharsetPair { charset: table.charset.clone(), collation: table.collation.clone() }),
            columns: of_characters.collect(),
            unique_keys: unique.map(|index| (index.name.clone(), parts(index))).collect(),
            unreadable: None,
            structure: None,
        }
    }
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
        if let Some(reason) = &facts.unreadable {
            out.fail(format!("the structure of table {name} can't be read: {reason}"), "");
            advice.insert("Please leave such tables out with the block-allow-list, or migrate them by other means.");
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
        let columns = |charset: &str, collation: &str| {
            let pair = CharsetPair { charset: charset.into(), collation: collation.into() };
            vec![("c".to_owned(), pair)]
        };
        let good =
            TableFacts { has_key: true, columns: columns("utf8mb3", "utf8mb3_general_ci"), ..TableFacts::default() };
        let mut tables: Tables = [(("d".to_owned(), "good".to_owned()), good)].into();
        assert_eq!(structure(&tables, &known, "a").state, State::Success);
        tables.insert(("d".into(), "keyless".into()), TableFacts::default());
        let outcome = structure(&tables, &known, "a");
        assert_eq!((outcome.state, outcome.errors.len()), (State::Warn, 1));
        assert!(outcome.errors[0].short_error.contains("`d`.`keyless`"));
        let odd = TableFacts { has_key: true, columns: columns("swe7", "swe7_bin"), ..TableFacts::default() };
        tables.insert(("d".into(), "odd".into()), odd);
        assert_eq!(structure(&tables, &known, "a").state, State::Fail);
        let torn = TableFacts { has_key: true, unreadable: Some("why".into()), ..TableFacts::default() };
        let torn: Tables = [(("d".to_owned(), "torn".to_owned()), torn)].into();
        let outcome = structure(&torn, &known, "a");
        assert_eq!(outcome.state, State::Fail);
        assert!(outcome.errors[0].short_error.contains("`d`.`torn` can't be read: why"));
        let overrides = [("swe7".to_owned(), "utf8".to_owned())].into();
        let chosen = CollationPolicy::new(catalog, "loose", &overrides, "map").unwrap();
        assert_eq!(structure(&tables, &chosen, "a").state, State::Warn);
    }
}
