//! What is loaded: the tables of the source, their targets, and how the ledger compares with what the source has now.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::Arc,
};

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    chunk::{Chunk, StreamTable},
    ledger::Entry,
};
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Result, Scope},
    rules::{ExtraColumn, Router},
    schema::{ServerInfo, load::in_schemas},
    units::{
        dump::{
            identity::{Identity, Means},
            names, plan,
            plan::{DumpPlan, TablePlan},
            row::ColumnKind,
        },
        link,
        load::{
            self, LoadUnit, bytes, create, create_all,
            folder::SchemaFile,
            objects::{self, Object},
            verb,
        },
    },
};

type Name = (String, String);

/// A schema's or table's place, for `load::create`.
fn file(name: String, schema: &str, target_schema: String, target_table: String) -> SchemaFile {
    SchemaFile { path: PathBuf::from(&name), name, schema: schema.to_owned(), target_schema, target_table }
}

/// Creates schemas and tables on the target, and gives the ledger's rows of them, and the tables that were there before.
pub async fn create(
    unit: &LoadUnit,
    session: &[(String, String)],
    conn: &mut Conn,
    plan: &DumpPlan,
    how: &create::Creating<'_>,
) -> Result<(Vec<Entry>, BTreeSet<Name>)> {
    let config = &unit.env.config;
    let mut entries = Vec::new();
    let mut schemas = BTreeSet::new();
    for (schema, sql) in &plan.schemas {
        let (target, _) = how.router.route(schema, "")?;
        let file = file(names::schema_file(schema), schema, target.clone(), String::new());
        let created = create::schema(conn, &file, sql, how);
        link::answered(&config.to, Scope::Downstream, "create a schema", created).await?;
        let (name, detail) = (file.name, sql.clone());
        entries.push(Entry { name, target_schema: target.clone(), done: true, detail, ..Entry::default() });
        schemas.insert(target);
    }
    objects::sequences(unit, conn, &Object::of_source("sequence", &plan.sequences, how.router)?).await?;
    // Several shards of this source may share a target table: the first look decides for all.
    let (mut files, mut wanted, mut seen) = (Vec::new(), Vec::new(), BTreeSet::new());
    for table in &plan.tables {
        let (target_schema, target_table) = how.router.route(&table.schema, &table.table)?;
        if schemas.insert(target_schema.clone()) {
            let created = create::bare_schema(conn, &target_schema);
            link::answered(&config.to, Scope::Downstream, "create a schema", created).await?;
        }
        let name = names::table_file(&table.schema, &table.table);
        let file = file(name, &table.schema, target_schema.clone(), target_table.clone());
        if seen.insert((target_schema, target_table)) {
            let large = config.loader.indexes_follow(table.estimated_bytes);
            wanted.push(create_all::Wanted { file: file.clone(), text: Some(table.create_sql.clone()), large });
        }
        files.push((file, table.create_sql.clone()));
    }
    let create_all::Created { empty, there } = create_all::tables(config, session, conn, wanted, how).await?;
    entries.extend(files.into_iter().map(|(file, detail)| {
        let SchemaFile { name, target_schema, target_table, .. } = file;
        let was_empty = empty.get(&(target_schema.clone(), target_table.clone())).copied().unwrap_or_default();
        Entry { name, target_schema, target_table, done: true, was_empty, detail, ..Entry::default() }
    }));
    Ok((entries, there))
}

/// What [`indexes::build`] wants to know.
pub fn texts(tables: &[Arc<StreamTable>]) -> BTreeMap<Name, (SchemaFile, Option<String>)> {
    let text = |table: &Arc<StreamTable>| {
        let target = (table.target_schema.clone(), table.target_table.clone());
        let name = names::table_file(&table.plan.schema, &table.plan.table);
        let file = file(name, &table.plan.schema, target.0.clone(), target.1.clone());
        (target, (file, Some(table.plan.create_sql.clone())))
    };
    tables.iter().map(text).collect()
}

/// The tables on their way to their targets, in the plan's order. `there`: the target tables that this load didn't make; None:
/// an earlier run made some, and the ledger's first snapshot is not this one, so a row may meet an older version of another one.
pub async fn on_their_way(
    conn: &mut Conn,
    config: &SubtaskConfig,
    plan: DumpPlan,
    router: &Router,
    entries: &[Entry],
    (server, there, tidb): (ServerInfo, Option<&BTreeSet<Name>>, bool),
) -> Result<Vec<Arc<StreamTable>>> {
    let empty: BTreeMap<Name, bool> = entries.iter().filter_map(|e| Some((e.table_of()?, e.was_empty))).collect();
    let mut routed = Vec::with_capacity(plan.tables.len());
    for table in plan.tables {
        let target = router.route(&table.schema, &table.table)?;
        let extra = router.extra_columns(&table.schema, &table.table, &config.source_id)?;
        routed.push((table, target, extra));
    }
    let places = routed.iter().map(|(_, (schema, table), extra)| (schema.as_str(), table.as_str(), &extra[..]));
    create::places(conn, places).await?;
    read_as_bytes(conn, &mut routed, (server, there), entries).await?;
    if tidb {
        read_as_vectors(conn, &mut routed).await?;
    }
    let keyed = keyed_targets(conn, routed.iter().map(|(_, (schema, _), _)| schema.as_str())).await?;
    let targets = routed.iter().map(|(_, (schema, table), _)| (schema.as_str(), table.as_str()));
    let plain = load::create::without_transactions(conn, targets).await?;
    let given = verb::of_task(config);
    let tables = routed.into_iter().map(|(table, target, extra)| {
        let was_empty = empty.get(&(table.schema.clone(), table.table.clone())).copied().unwrap_or_default();
        let verb = if there.is_none() && was_empty && given == verb::INSERT { verb::REPLACE } else { given };
        // Names may differ in case only, by the target's rules.
        let has_key = keyed.contains(&(target.0.to_lowercase(), target.1.to_lowercase()));
        let whole = !(table.has_key && has_key);
        let plain = plain.iter().any(|(schema, table, _)| (schema, table) == (&target.0, &target.1));
        Arc::new(StreamTable { plain, ..StreamTable::new(table, target, &extra, verb, whole) })
    });
    Ok(tables.collect())
}

/// Texts whose target column holds bytes are read as bytes.
async fn read_as_bytes(
    conn: &mut Conn,
    routed: &mut [(TablePlan, Name, Vec<ExtraColumn>)],
    (server, there): (ServerInfo, Option<&BTreeSet<Name>>),
    entries: &[Entry],
) -> Result<()> {
    let left = with_chunks_left(entries);
    let asked = |(table, target, _): &&(TablePlan, Name, Vec<ExtraColumn>)| match there {
        Some(there) => there.contains(&(target.0.to_lowercase(), target.1.to_lowercase())),
        None => left.contains(&(table.schema.clone(), table.table.clone())),
    };
    let targets: BTreeSet<Name> = routed.iter().filter(asked).map(|(_, target, _)| target.clone()).collect();
    let bytes = bytes::columns(conn, &targets, bytes::OF_BYTES).await?;
    for (table, target, _) in routed.iter_mut().filter(|_| !bytes.is_empty()) {
        let texts = bytes::texts(&table.create_sql, server, target, &bytes).unwrap_or_default();
        for (name, kind) in &mut table.columns {
            if texts.contains_key(name) {
                *kind = ColumnKind::Binary;
            }
        }
    }
    Ok(())
}

/// Bytes whose target column is TiDB's VECTOR become its text.
async fn read_as_vectors(conn: &mut Conn, routed: &mut [(TablePlan, Name, Vec<ExtraColumn>)]) -> Result<()> {
    let has_bytes = |table: &TablePlan| table.columns.iter().any(|(_, kind)| *kind == ColumnKind::Binary);
    let targets = routed.iter().filter(|(table, ..)| has_bytes(table)).map(|(_, target, _)| target.clone()).collect();
    let vectors = bytes::columns(conn, &targets, bytes::VECTOR).await?;
    for (table, target, _) in routed {
        let Some(names) = vectors.get(&(target.0.to_lowercase(), target.1.to_lowercase())) else { continue };
        for (name, kind) in &mut table.columns {
            if *kind == ColumnKind::Binary && names.contains(&name.to_lowercase()) {
                *kind = ColumnKind::VectorText;
            }
        }
    }
    Ok(())
}

/// The target's tables with a primary or NOT NULL unique key, names in lower case.
async fn keyed_targets<'a>(conn: &mut Conn, schemas: impl Iterator<Item = &'a str>) -> Result<BTreeSet<Name>> {
    let within = in_schemas("TABLE_SCHEMA", schemas);
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.STATISTICS WHERE {within} AND NON_UNIQUE = 0 \
         GROUP BY TABLE_SCHEMA, TABLE_NAME, INDEX_NAME HAVING SUM(IFNULL(NULLABLE, '') = 'YES' OR COLUMN_NAME IS NULL) = 0"
    );
    let rows: Vec<Row> = conn
        .query(&sql)
        .await
        .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, "read the keys of the target tables", &e))?;
    Ok(rows.iter().map(|row| (plan::text(row, 0).to_lowercase(), plan::text(row, 1).to_lowercase())).collect())
}

/// Tables of these schemas that are on the target and have no such key, names in lower case.
pub async fn without_key<'a>(
    conn: &mut Conn,
    schemas: impl Iterator<Item = &'a str> + Clone,
) -> Result<BTreeSet<Name>> {
    let keyed = keyed_targets(conn, schemas.clone()).await?;
    let within = in_schemas("TABLE_SCHEMA", schemas);
    let sql = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_TYPE <> 'VIEW' AND {within}"
    );
    let rows: Vec<Row> = conn
        .query(&sql)
        .await
        .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, "look for the target tables", &e))?;
    let there = rows.iter().map(|row| (plan::text(row, 0).to_lowercase(), plan::text(row, 1).to_lowercase()));
    Ok(there.filter(|name| !keyed.contains(name)).collect())
}

/// The ledger's chunks that aren't in the target. An error when one of them belongs to no table of the source.
pub fn chunks_left(tables: &[Arc<StreamTable>], entries: Vec<Entry>) -> Result<Vec<Chunk>> {
    let by_name: BTreeMap<(&str, &str), &Arc<StreamTable>> =
        tables.iter().map(|t| ((t.plan.schema.as_str(), t.plan.table.as_str()), t)).collect();
    let mut out = Vec::new();
    for entry in entries.into_iter().filter(|entry| !entry.done) {
        let Some((schema, table)) = entry.chunk_of() else { continue };
        let table = by_name.get(&(schema.as_str(), table.as_str())).ok_or_else(|| {
            DmError::new(Code::LoadTaskCheckPointNotMatch)
                .msg(format!("the chunk {} in the ledger is of no table of the source", entry.name))
                .workaround("Please empty the target tables of the task, then start it again with `--remove-meta`.")
        })?;
        out.push(Chunk {
            table: Arc::clone(table),
            name: entry.name,
            condition: entry.detail,
            size: entry.size,
            tries: 0,
            kept: false,
        });
    }
    Ok(spread(out))
}

/// Chunks of one table that are under way at the same time, far from each other: InnoDB's writers wait for each other where they
/// split the same pages, and on the latch of one index.
pub const PARTS: usize = 4;

/// The order of reading: all tables come to their end together, and of each table [`PARTS`] stretches are read side by side.
fn spread(chunks: Vec<Chunk>) -> Vec<Chunk> {
    let mut tables: BTreeMap<Name, Vec<Chunk>> = BTreeMap::new();
    for chunk in chunks {
        let name = (chunk.table.plan.schema.clone(), chunk.table.plan.table.clone());
        tables.entry(name).or_default().push(chunk);
    }
    let mut out: Vec<(f64, std::cmp::Reverse<u64>, Chunk)> = Vec::new();
    for (_, mut chunks) in tables {
        chunks.sort_by(|a, b| a.name.cmp(&b.name));
        let (count, total) = (chunks.len(), chunks.iter().map(|chunk| chunk.size).sum());
        let stretch = count.div_ceil(PARTS).max(1);
        for (at, chunk) in chunks.into_iter().enumerate() {
            let turn = (at % stretch * PARTS + at / stretch) as f64 / count as f64;
            out.push((turn, std::cmp::Reverse(total), chunk));
        }
    }
    // Of those whose turn is the same the largest table first.
    out.sort_by(|a, b| a.0.total_cmp(&b.0).then_with(|| a.1.cmp(&b.1)));
    out.into_iter().map(|(.., chunk)| chunk).collect()
}

/// Names of the source's tables with chunks that aren't in the target.
pub fn with_chunks_left(entries: &[Entry]) -> BTreeSet<Name> {
    entries.iter().filter(|e| !e.done).filter_map(Entry::chunk_of).collect()
}

/// Says in the ledger which tables the load began with.
pub fn note_identities(entries: &mut [Entry], plan: &DumpPlan, identities: &[Identity]) {
    let known = plan.tables.iter().zip(identities);
    let known: BTreeMap<String, &Identity> =
        known.map(|(table, identity)| (names::table_file(&table.schema, &table.table), identity)).collect();
    for entry in entries {
        entry.identity = known.get(&entry.name).map(|identity| (*identity).clone());
    }
}

/// Tables with chunks left that aren't the ones that the ledger was begun with, or not in their structure; gone ones too.
pub fn changed(plan: &DumpPlan, identities: &[Identity], entries: &[Entry]) -> Vec<String> {
    let known = plan.tables.iter().zip(identities);
    let now: BTreeMap<(&str, &str), (&str, &Identity)> =
        known.map(|(t, now)| ((t.schema.as_str(), t.table.as_str()), (t.create_sql.as_str(), now))).collect();
    let left = with_chunks_left(entries);
    let tables = entries.iter().filter_map(|entry| Some((entry, entry.table_of()?)));
    let changed = tables.filter(|(entry, name)| {
        let same = now.get(&(name.0.as_str(), name.1.as_str())).is_some_and(|(sql, now)| {
            let other = entry.identity.as_ref().is_some_and(|then| then.means(now) == Means::Other);
            plan::same_structure(sql, &entry.detail) && !other
        });
        left.contains(name) && !same
    });
    changed.map(|(_, (schema, table))| format!("`{schema}`.`{table}`")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::dump::plan::TablePlan;

    fn table(name: &str, create_sql: &str) -> TablePlan {
        TablePlan { schema: "s".into(), table: name.into(), create_sql: create_sql.into(), ..TablePlan::default() }
    }

    fn entries(name: &str, done: bool, size: u64) -> [Entry; 2] {
        let of_table = Entry { name: names::table_file("s", name), detail: "x".into(), done: true, ..Entry::default() };
        let of_chunk = Entry { name: names::data_file("s", name, 0, None), done, size, ..Entry::default() };
        [of_table, of_chunk]
    }

    #[test]
    fn only_tables_with_chunks_left_must_be_as_they_were() {
        let plan = DumpPlan { tables: vec![table("a", "y"), table("b", "y"), table("c", "x")], ..DumpPlan::default() };
        let ledger = [entries("a", true, 0), entries("b", false, 0), entries("c", false, 0), entries("d", false, 0)];
        let now = vec![Identity::default(); 3];
        assert_eq!(changed(&plan, &now, &ledger.concat()), ["`s`.`b`", "`s`.`d`"]);
    }

    #[test]
    fn large_tables_come_first() {
        let stream =
            |name| Arc::new(StreamTable::new(table(name, ""), ("d".into(), "t".into()), &[], "INSERT INTO", false));
        let ledger = [entries("a", false, 1), entries("b", false, 9), entries("c", true, 99)].concat();
        let tables = [stream("a"), stream("b"), stream("c")];
        let names: Vec<String> = chunks_left(&tables, ledger.clone()).unwrap().into_iter().map(|c| c.name).collect();
        assert_eq!(names, ["s.b.000000000.sql", "s.a.000000000.sql"]);
        assert!(chunks_left(&tables[..1], ledger).is_err());
    }

    #[test]
    fn stretches_of_a_table_are_read_side_by_side() {
        let stream =
            |name| Arc::new(StreamTable::new(table(name, ""), ("d".into(), "t".into()), &[], "INSERT INTO", false));
        let chunk = |n| Entry { name: names::data_file("s", "a", n, None), size: 1, ..Entry::default() };
        let ledger: Vec<Entry> = (0..8).map(chunk).chain(entries("b", false, 1)).collect();
        let names: Vec<String> = chunks_left(&[stream("a"), stream("b")], ledger)
            .unwrap()
            .into_iter()
            .map(|c| c.name[4..13].into())
            .collect();
        let want = ["0", "0", "2", "4", "6", "1", "3", "5", "7"].map(|n| format!("{n:0>9}"));
        assert_eq!(names, want);
    }
}
