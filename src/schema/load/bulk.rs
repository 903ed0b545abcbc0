//! Many structures at once, from information_schema: five or six queries, however many tables and schemas there are.
//!
//! Each query names its schemas literally: MySQL before 8 and MariaDB then open only those schemas' tables, and for what is
//! selected here they need no storage engine, but for the answers of `rest`, which open every table: those are asked for at the
//! same time over connections of their own, and not at all where InnoDB's dictionary says that there is nothing to tell. What
//! information_schema doesn't tell for sure is read by SHOW CREATE TABLE, a table at a time; such tables are rare (see
//! [`Draft::ambiguous`]).

use std::{collections::HashMap, time::Instant};

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    Session, catalogue, fetch, fetch_session,
    names::in_schemas,
    partitions, query_failed,
    rest::{self, Others, Rest},
};
use crate::{
    error::{DmError, Result},
    schema::{
        charset::{canonical_collation, charset_of_collation},
        model::{Column, Index, TableId, TableInfo},
        symbol::Symbol,
        tracker::versioning::add_hashes,
    },
};

/// Schemas of one query: a text of at most some 130 KB.
const SCHEMAS_AT_ONCE: usize = 2000;

/// What a bulk read found.
#[derive(Debug, Default)]
pub struct Bulk {
    pub tables: Vec<TableInfo>,
    /// Tables whose structure is not understood (44008), or that the server doesn't show (10005).
    pub unreadable: Vec<(TableId, DmError)>,
}

/// Reads every base table of the schemas that `wanted` takes (views and sequences are none). A schema that doesn't
/// exist has no tables. Memory grows with the structures only: rows of the catalogue are taken one at a time.
/// `others`: further connections to the same server, which answer at the same time.
/// Error 10005: the server refuses, or the connection broke.
pub async fn bulk(
    conn: &mut Conn,
    mut others: Option<Others>,
    schemas: &[String],
    wanted: &(dyn Fn(&str, &str) -> bool + Send + Sync),
) -> Result<Bulk> {
    let session = fetch_session(conn).await?;
    let started = Instant::now();
    let mut out = Bulk::default();
    for schemas in schemas.chunks(SCHEMAS_AT_ONCE) {
        some_schemas(conn, others.as_mut(), &session, schemas, wanted, &mut out).await?;
    }
    tracing::debug!(tables = out.tables.len(), schemas = schemas.len(), took = ?started.elapsed(), "structures read at once");
    Ok(out)
}

/// A table of which parts have been read.
pub(super) struct Draft {
    pub(super) info: TableInfo,
    /// information_schema doesn't tell all: SHOW CREATE TABLE must.
    pub(super) ambiguous: bool,
}

/// Schema and table, as the server spells them.
pub(super) type Name = (String, String);

/// The tables by name, in the order in which the server named them.
pub(super) struct Drafts {
    pub(super) list: Vec<Draft>,
    pub(super) by_name: HashMap<Name, usize>,
}

impl Drafts {
    fn get(&mut self, name: &Name) -> Option<&mut Draft> {
        self.list.get_mut(*self.by_name.get(name)?)
    }
}

async fn some_schemas(
    conn: &mut Conn,
    others: Option<&mut Others>,
    session: &Session,
    schemas: &[String],
    wanted: &(dyn Fn(&str, &str) -> bool + Send + Sync),
    out: &mut Bulk,
) -> Result<()> {
    let names = || schemas.iter().map(String::as_str);
    let within = in_schemas("TABLE_SCHEMA", names());
    let mut drafts = tables(conn, &within, wanted).await?;
    if drafts.list.is_empty() {
        return Ok(());
    }
    let quick = async |conn: &mut Conn, drafts: &mut Drafts| {
        columns(conn, session, &within, drafts).await?;
        keys(conn, session, &within, drafts).await
    };
    let asked = rest::Asked::new(session, &within, &in_schemas("CONSTRAINT_SCHEMA", names()));
    let needed = asked.needed(conn, &drafts).await?;
    let told = match others {
        Some(others) => {
            let (read, told) = tokio::join!(quick(conn, &mut drafts), asked.by(others, needed));
            read?;
            told?
        }
        None => {
            quick(conn, &mut drafts).await?;
            asked.one_by_one(conn, needed).await?
        }
    };
    let has_partitions = told.has_partitions;
    apply(told, &mut drafts);
    if has_partitions {
        partitions::read(conn, session, &within, &mut drafts).await?;
    }
    out.tables.reserve(drafts.list.len());
    for Draft { mut info, ambiguous, .. } in drafts.list {
        info.sort_indexes(!session.server.is_mariadb());
        if ambiguous || info.columns.is_empty() || (!keeps_key_order(session) && has_rival_keys(&info)) {
            match fetch(conn, session, &info.id()).await {
                // A table that was dropped meanwhile is none.
                Ok(found) => out.tables.extend(found),
                Err(error) if is_connected(conn).await => out.unreadable.push((info.id(), error)),
                Err(error) => return Err(error),
            }
            continue;
        }
        add_hashes(&mut info);
        info.shrink();
        out.tables.push(info);
    }
    Ok(())
}

/// Whether an error was of one table only.
async fn is_connected(conn: &mut Conn) -> bool {
    conn.query_drop("SELECT 1").await.is_ok()
}

/// MySQL 8's catalogue names keys in the order of their names; older ones and MariaDB in the order in which they work.
fn keeps_key_order(session: &Session) -> bool {
    session.server.is_mariadb() || session.server.version < 80_000
}

/// Several unique keys name a row and no primary key does: then the first one counts, so their order matters.
fn has_rival_keys(info: &TableInfo) -> bool {
    let keys = info.unique_keys();
    !keys.iter().any(|key| key.primary) && keys.iter().filter(|key| key.identifies_rows()).count() > 1
}

async fn tables(conn: &mut Conn, within: &str, wanted: &(dyn Fn(&str, &str) -> bool + Send + Sync)) -> Result<Drafts> {
    let query = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, TABLE_COMMENT \
         FROM information_schema.TABLES WHERE {within}"
    );
    let mut drafts = Drafts { list: Vec::new(), by_name: HashMap::new() };
    each(conn, &query, |row| {
        let [schema, name, kind, engine, collation, comment] = texts(row);
        let (schema, name) = (schema.unwrap_or_default(), name.unwrap_or_default());
        let kind = kind.unwrap_or_default();
        if !(kind == "BASE TABLE" || kind == "SYSTEM VERSIONED") || !wanted(&schema, &name) {
            return;
        }
        let collation = canonical_collation(&collation.unwrap_or_default());
        let info = TableInfo {
            schema: schema.clone(),
            name: name.clone(),
            charset: charset_of_collation(&collation).unwrap_or_default().into(),
            collation: collation.into(),
            engine: engine.unwrap_or_default().into(),
            comment: comment.unwrap_or_default(),
            ..TableInfo::default()
        };
        drafts.by_name.insert((schema, name), drafts.list.len());
        // Rows of system-versioned tables have columns that the catalogue hides.
        drafts.list.push(Draft { info, ambiguous: kind != "BASE TABLE" });
    })
    .await?;
    Ok(drafts)
}

async fn columns(conn: &mut Conn, session: &Session, within: &str, drafts: &mut Drafts) -> Result<()> {
    let generated = session.server.is_mariadb() || session.server.version >= 50_700;
    let query = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, CHARACTER_SET_NAME, COLLATION_NAME, \
         EXTRA, COLUMN_COMMENT, {}, ORDINAL_POSITION FROM information_schema.COLUMNS WHERE {within}",
        if generated { "GENERATION_EXPRESSION" } else { "NULL" },
    );
    let mut places: HashMap<Name, Vec<(u32, Column)>> = HashMap::new();
    each(conn, &query, |row| {
        let [schema, table, name, ty, nullable, default, charset, collation, extra, comment, generated, at] =
            texts(row);
        let table = (schema.unwrap_or_default(), table.unwrap_or_default());
        let Some(draft) = drafts.get(&table) else { return };
        let described = catalogue::Described {
            name: name.unwrap_or_default(),
            ty: ty.unwrap_or_default(),
            nullable: nullable.as_deref() == Some("YES"),
            default,
            charset,
            collation,
            extra: extra.unwrap_or_default(),
            comment: comment.unwrap_or_default(),
            generated: generated.unwrap_or_default(),
        };
        match described.column(&session.server) {
            Some(column) => {
                let at = at.and_then(|at| at.parse().ok()).unwrap_or(u32::MAX);
                // The catalogue tells the columns of one table in order, table by table, almost always.
                let next = draft.info.columns.len() as u32 + 1;
                if at == next {
                    draft.info.columns.push(column);
                } else {
                    places.entry(table).or_default().push((at, column));
                }
            }
            None => draft.ambiguous = true,
        }
    })
    .await?;
    for (table, mut rest) in places {
        let Some(draft) = drafts.get(&table) else { continue };
        rest.sort_by_key(|(at, _)| *at);
        for (at, column) in rest {
            draft.ambiguous |= at as usize != draft.info.columns.len() + 1;
            draft.info.columns.push(column);
        }
    }
    Ok(())
}

async fn keys(conn: &mut Conn, session: &Session, within: &str, drafts: &mut Drafts) -> Result<()> {
    let (mariadb, version) = (session.server.is_mariadb(), session.server.version);
    let hidden = match (mariadb, version) {
        (true, 100_600..) => "IGNORED = 'YES'",
        (false, 80_000..) => "IS_VISIBLE = 'NO'",
        _ => "0",
    };
    let expression = if !mariadb && version >= 80_013 { "EXPRESSION" } else { "NULL" };
    let query = format!(
        "SELECT TABLE_SCHEMA, TABLE_NAME, INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME, SUB_PART, COLLATION, INDEX_TYPE, \
         INDEX_COMMENT, {hidden}, {expression} FROM information_schema.STATISTICS WHERE {within}"
    );
    let mut parts: Vec<(usize, u32, catalogue::KeyPart)> = Vec::new();
    each(conn, &query, |row| {
        let [schema, table, name, non_unique, seq, column, prefix, collation, kind, comment, hidden, expression] =
            texts(row);
        let table = (schema.unwrap_or_default(), table.unwrap_or_default());
        let Some(draft) = drafts.by_name.get(&table) else { return };
        let part = catalogue::KeyPart {
            index: name.unwrap_or_default(),
            unique: non_unique.as_deref() == Some("0"),
            column: column.unwrap_or_default(),
            prefix: prefix.and_then(|text| text.parse().ok()),
            descending: collation.as_deref() == Some("D"),
            kind: kind.unwrap_or_default(),
            comment: comment.unwrap_or_default(),
            hidden: hidden.as_deref() == Some("1"),
            expression,
        };
        parts.push((*draft, seq.and_then(|seq| seq.parse().ok()).unwrap_or(1), part));
    })
    .await?;
    // Parts of one index may come in any order; the order of indexes stays.
    let mut indexes: Vec<(usize, Vec<(u32, catalogue::KeyPart)>)> = Vec::new();
    let mut places: HashMap<(usize, String), usize> = HashMap::new();
    for (draft, seq, part) in parts {
        let at = *places.entry((draft, part.index.clone())).or_insert_with(|| {
            indexes.push((draft, Vec::new()));
            indexes.len() - 1
        });
        if let Some((_, list)) = indexes.get_mut(at) {
            list.push((seq, part));
        }
    }
    for (draft, mut list) in indexes {
        list.sort_by_key(|(seq, _)| *seq);
        let Some(draft) = drafts.list.get_mut(draft) else { continue };
        let index: Option<Index> =
            catalogue::index(list.into_iter().map(|(_, part)| part).collect(), &draft.info, &session.server);
        match index {
            Some(index) => draft.info.indexes.push(index),
            None => draft.ambiguous = true,
        }
    }
    Ok(())
}

/// Foreign keys and CHECK constraints.
fn apply(told: Rest, drafts: &mut Drafts) {
    for (table, key) in told.foreign_keys {
        if let Some(draft) = drafts.get(&table) {
            draft.info.foreign_keys.push(key);
        }
    }
    for (table, name, clause) in told.checks {
        if let Some(draft) = drafts.get(&table) {
            catalogue::check(&mut draft.info, name, &clause);
        }
    }
}

/// Calls `take` for every row of a query's result, without collecting them.
pub(super) async fn each(conn: &mut Conn, query: &str, mut take: impl FnMut(Row)) -> Result<()> {
    let mut result = conn.query_iter(query).await.map_err(query_failed)?;
    while let Some(row) = result.next().await.map_err(query_failed)? {
        take(row);
    }
    Ok(())
}

/// The row's cells as text.
pub(super) fn texts<const N: usize>(row: Row) -> [Option<String>; N] {
    let mut cells = row.unwrap_raw().into_iter().flatten();
    std::array::from_fn(|_| match cells.next()? {
        mysql_async::Value::NULL => None,
        mysql_async::Value::Bytes(bytes) => Some(
            String::from_utf8(bytes).unwrap_or_else(|error| String::from_utf8_lossy(error.as_bytes()).into_owned()),
        ),
        mysql_async::Value::Int(number) => Some(number.to_string()),
        mysql_async::Value::UInt(number) => Some(number.to_string()),
        other => Some(other.as_sql(true).trim_matches('\'').to_owned()),
    })
}

/// A collation's name as the model spells it.
pub(super) fn collation_symbol(name: &str) -> Symbol {
    canonical_collation(name).into()
}
