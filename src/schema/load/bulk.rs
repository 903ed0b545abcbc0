//! Many structures at once, from information_schema: five queries a schema, however many tables it has.
//!
//! Each query names one schema literally: MySQL before 8 and MariaDB then open only that schema's tables, and for what is
//! selected here they need no storage engine. What information_schema doesn't tell for sure is read by SHOW CREATE TABLE,
//! a table at a time; such tables are rare (see [`Draft::ambiguous`]).

use std::{collections::HashMap, time::Instant};

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{Session, catalogue, fetch, fetch_session, query_failed};
use crate::{
    error::Result,
    schema::{
        charset::{canonical_collation, charset_of_collation},
        model::{Column, ForeignKey, Index, TableId, TableInfo, quote_text},
        symbol::Symbol,
        tracker::versioning::add_hashes,
    },
};

/// Reads every base table of the schemas that `wanted` takes (views and sequences are none). A schema that doesn't
/// exist has no tables. Memory grows with the structures only: rows of the catalogue are taken one at a time.
/// Errors: 10005 when the server refuses, 44008 when a structure is not understood.
pub async fn bulk(
    conn: &mut Conn,
    schemas: &[String],
    wanted: &(dyn Fn(&str, &str) -> bool + Send + Sync),
) -> Result<Vec<TableInfo>> {
    let session = fetch_session(conn).await?;
    let started = Instant::now();
    let mut out = Vec::new();
    for schema in schemas {
        one_schema(conn, &session, schema, wanted, &mut out).await?;
    }
    tracing::debug!(tables = out.len(), schemas = schemas.len(), took = ?started.elapsed(), "structures read at once");
    Ok(out)
}

/// A table of which parts have been read.
struct Draft {
    info: TableInfo,
    /// information_schema doesn't tell all: SHOW CREATE TABLE must.
    ambiguous: bool,
}

/// The schema's tables by name, in the order in which the server named them.
struct Drafts {
    list: Vec<Draft>,
    by_name: HashMap<String, usize>,
}

impl Drafts {
    fn get(&mut self, name: &str) -> Option<&mut Draft> {
        self.list.get_mut(*self.by_name.get(name)?)
    }
}

async fn one_schema(
    conn: &mut Conn,
    session: &Session,
    schema: &str,
    wanted: &(dyn Fn(&str, &str) -> bool + Send + Sync),
    out: &mut Vec<TableInfo>,
) -> Result<()> {
    let mut drafts = tables(conn, schema, wanted).await?;
    if drafts.list.is_empty() {
        return Ok(());
    }
    columns(conn, session, schema, &mut drafts).await?;
    keys(conn, session, schema, &mut drafts).await?;
    references(conn, schema, &mut drafts).await?;
    checks(conn, session, schema, &mut drafts).await?;
    out.reserve(drafts.list.len());
    for Draft { mut info, ambiguous } in drafts.list {
        info.sort_indexes(!session.server.is_mariadb());
        if ambiguous || info.columns.is_empty() || (!keeps_key_order(session) && has_rival_keys(&info)) {
            // A table that was dropped meanwhile is none.
            out.extend(fetch(conn, session, &info.id()).await?);
            continue;
        }
        add_hashes(&mut info);
        info.shrink();
        out.push(info);
    }
    Ok(())
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

async fn tables(conn: &mut Conn, schema: &str, wanted: &(dyn Fn(&str, &str) -> bool + Send + Sync)) -> Result<Drafts> {
    let query = format!(
        "SELECT TABLE_NAME, TABLE_TYPE, ENGINE, TABLE_COLLATION, TABLE_COMMENT, CREATE_OPTIONS \
         FROM information_schema.TABLES WHERE TABLE_SCHEMA = {}",
        quote_text(schema)
    );
    let mut drafts = Drafts { list: Vec::new(), by_name: HashMap::new() };
    each(conn, &query, |row| {
        let [name, kind, engine, collation, comment, options] = texts(row);
        let name = name.unwrap_or_default();
        let kind = kind.unwrap_or_default();
        if !(kind == "BASE TABLE" || kind == "SYSTEM VERSIONED") || !wanted(schema, &name) {
            return;
        }
        let collation = canonical_collation(&collation.unwrap_or_default());
        let info = TableInfo {
            schema: schema.to_owned(),
            name: name.clone(),
            charset: charset_of_collation(&collation).unwrap_or_default().into(),
            collation: collation.into(),
            engine: engine.unwrap_or_default().into(),
            comment: comment.unwrap_or_default(),
            partitioned: options.unwrap_or_default().contains("partitioned"),
            ..TableInfo::default()
        };
        drafts.by_name.insert(name, drafts.list.len());
        // Rows of system-versioned tables have columns that the catalogue hides.
        drafts.list.push(Draft { info, ambiguous: kind != "BASE TABLE" });
    })
    .await?;
    Ok(drafts)
}

async fn columns(conn: &mut Conn, session: &Session, schema: &str, drafts: &mut Drafts) -> Result<()> {
    let generated = session.server.is_mariadb() || session.server.version >= 50_700;
    let query = format!(
        "SELECT TABLE_NAME, COLUMN_NAME, COLUMN_TYPE, IS_NULLABLE, COLUMN_DEFAULT, CHARACTER_SET_NAME, COLLATION_NAME, \
         EXTRA, COLUMN_COMMENT, {}, ORDINAL_POSITION FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {}",
        if generated { "GENERATION_EXPRESSION" } else { "NULL" },
        quote_text(schema)
    );
    let mut places: HashMap<String, Vec<(u32, Column)>> = HashMap::new();
    each(conn, &query, |row| {
        let [table, name, ty, nullable, default, charset, collation, extra, comment, generated, at] = texts(row);
        let table = table.unwrap_or_default();
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

async fn keys(conn: &mut Conn, session: &Session, schema: &str, drafts: &mut Drafts) -> Result<()> {
    let (mariadb, version) = (session.server.is_mariadb(), session.server.version);
    let hidden = match (mariadb, version) {
        (true, 100_600..) => "IGNORED = 'YES'",
        (false, 80_000..) => "IS_VISIBLE = 'NO'",
        _ => "0",
    };
    let expression = if !mariadb && version >= 80_013 { "EXPRESSION" } else { "NULL" };
    let query = format!(
        "SELECT TABLE_NAME, INDEX_NAME, NON_UNIQUE, SEQ_IN_INDEX, COLUMN_NAME, SUB_PART, COLLATION, INDEX_TYPE, \
         INDEX_COMMENT, {hidden}, {expression} FROM information_schema.STATISTICS WHERE TABLE_SCHEMA = {}",
        quote_text(schema)
    );
    let mut parts: Vec<(usize, u32, catalogue::KeyPart)> = Vec::new();
    each(conn, &query, |row| {
        let [table, name, non_unique, seq, column, prefix, collation, kind, comment, hidden, expression] = texts(row);
        let Some(draft) = drafts.by_name.get(&table.unwrap_or_default()) else { return };
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

async fn references(conn: &mut Conn, schema: &str, drafts: &mut Drafts) -> Result<()> {
    let query = format!(
        "SELECT TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, \
         REFERENCED_COLUMN_NAME, ORDINAL_POSITION FROM information_schema.KEY_COLUMN_USAGE \
         WHERE TABLE_SCHEMA = {} AND REFERENCED_TABLE_NAME IS NOT NULL",
        quote_text(schema)
    );
    let mut parts = Vec::new();
    each(conn, &query, |row| parts.push(texts::<7>(row))).await?;
    let place = |part: &[Option<String>; 7]| part[6].as_ref().and_then(|at| at.parse::<u32>().ok()).unwrap_or(0);
    parts.sort_by(|a, b| (&a[0], &a[1], place(a)).cmp(&(&b[0], &b[1], place(b))));
    for part in parts {
        let [table, name, column, parent_schema, parent, parent_column, _] = part.map(Option::unwrap_or_default);
        let Some(draft) = drafts.get(&table) else { continue };
        let keys = &mut draft.info.foreign_keys;
        if keys.last().is_none_or(|last| last.name != name) {
            keys.push(ForeignKey { name, parent: TableId::new(parent_schema, parent), ..ForeignKey::default() });
        }
        if let Some(key) = keys.last_mut() {
            key.columns.push(column);
            key.parent_columns.push(parent_column);
        }
    }
    Ok(())
}

/// Names of CHECK constraints; MariaDB's JSON columns are known by theirs.
async fn checks(conn: &mut Conn, session: &Session, schema: &str, drafts: &mut Drafts) -> Result<()> {
    let schema_text = quote_text(schema);
    let query = match (session.server.is_mariadb(), session.server.version) {
        (true, 100_222..) => format!(
            "SELECT TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM information_schema.CHECK_CONSTRAINTS \
             WHERE CONSTRAINT_SCHEMA = {schema_text}"
        ),
        (false, 80_016..) => format!(
            "SELECT TABLE_NAME, CONSTRAINT_NAME, '' FROM information_schema.TABLE_CONSTRAINTS \
             WHERE TABLE_SCHEMA = {schema_text} AND CONSTRAINT_TYPE = 'CHECK'"
        ),
        _ => return Ok(()),
    };
    each(conn, &query, |row| {
        let [table, name, clause] = texts(row).map(Option::unwrap_or_default);
        if let Some(draft) = drafts.get(&table) {
            catalogue::check(&mut draft.info, name, &clause);
        }
    })
    .await
}

/// Calls `take` for every row of a query's result, without collecting them.
async fn each(conn: &mut Conn, query: &str, mut take: impl FnMut(Row)) -> Result<()> {
    let mut result = conn.query_iter(query).await.map_err(query_failed)?;
    while let Some(row) = result.next().await.map_err(query_failed)? {
        take(row);
    }
    Ok(())
}

/// The row's cells as text.
fn texts<const N: usize>(row: Row) -> [Option<String>; N] {
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
