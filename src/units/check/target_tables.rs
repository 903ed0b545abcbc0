//! What the target can't hold: it is asked to prepare the CREATE TABLE of each structure, as the load would send it. Nothing
//! is created. The server's parser knows its types, character sets, engines, expressions and this user's rights better than
//! any list of ours.

use std::collections::{BTreeMap, BTreeSet};

use futures::future::join_all;
use mysql_async::{Conn, prelude::Queryable};

use super::{
    limits::{self, Tried},
    report::{Outcome, State},
    source::Source,
    structure::PLACEHOLDER,
    tables::Tables,
};
use crate::{
    config::SubtaskConfig,
    error::{Result, Scope},
    mysql::quote_text,
    rules::Router,
    schema::{
        collation::CollationPolicy,
        model::{TableId, quote_name},
        server::ServerInfo,
    },
    units::{
        dump::plan,
        link,
        load::{self, create::Creating, folder::SchemaFile},
        mapped::MappedCollations,
        session,
        sync::ddl_alike::differ_by_case,
    },
};

/// Connections that ask.
const ASKING: usize = 4;

/// Tables that are named of one reason; the rest is counted.
const MOST: usize = 50;

/// Schema of the target, and the structure: which tables are of it.
type Asked<'a> = BTreeMap<(String, &'a str), Vec<&'a (String, String)>>;

/// Adds what the target refuses to the outcome of `table_schema`.
pub async fn ask(source: &mut Source<'_>, tables: &Tables, policy: &CollationPolicy, out: &mut Outcome) -> Result<()> {
    let config = source.config;
    let router = Router::new(&config.routes, config.case_sensitive)?;
    let mut asked = Asked::new();
    for (name, facts) in tables {
        let Some(structure) = &facts.structure else { continue };
        let (schema, _) = router.route(&name.0, &name.1)?;
        asked.entry((schema, structure.create_sql.as_str())).or_default().push(name);
    }
    let mut target = link::connect(&config.to, &[], Scope::Downstream).await?;
    let folds: Option<u8> = target.query_first("SELECT @@lower_case_table_names").await.unwrap_or_default();
    if folds.is_some_and(|folds| folds > 0) {
        say_alike(&router, tables, out)?;
    }
    let (facts, defaults) = load::facts(config, &mut target).await?;
    let session = session::assignments(&session::load_session(config, &facts));
    let mapped = MappedCollations::default();
    let how = Creating { task: "", router: &router, policy, source: &defaults, mapped: &mapped };
    let texts: Vec<(&(String, &str), Option<String>)> = asked
        .iter()
        .map(|(key, names)| (key, names.first().and_then(|name| rewritten(&how, &name.0, &key.0, key.1))))
        .collect();
    let suspects = refused(config, &session, &texts).await?;
    // Quotes as the grammar reads them.
    let _ = source.conn.query_drop("SET SESSION sql_mode = ''").await;
    let mut target = link::connect(&config.to, &session, Scope::Downstream).await?;
    let long = |names: &[&(String, String)]| {
        let facts = names.first().and_then(|name| tables.get(*name));
        facts.and_then(|facts| facts.structure.as_ref()).is_some_and(|structure| structure.long)
    };
    let refused: BTreeSet<&(String, &str)> = suspects.iter().map(|(key, _)| **key).collect();
    let mut untried = Vec::new();
    let home = limits::home(&mut target, asked.keys().map(|(schema, _)| schema.as_str())).await;
    for (key, names) in &asked {
        let (suspect, long) = (refused.contains(key), long(names));
        let Some((schema, table)) = names.first().filter(|_| suspect || long) else { continue };
        // The text was made from the catalogue: what the load sends is what the source shows.
        let shown = plan::show_create(&mut source.conn, schema, table).await?;
        let Some(sql) = rewritten(&how, schema, &key.0, &shown) else { continue };
        let error = match suspect {
            true => prepare(&mut target, &sql).await?,
            false => match limits::refused(&mut target, &sql, &key.0, home.as_deref()).await? {
                Tried::Fits => None,
                Tried::Refused(error) => Some(error),
                Tried::Untried(why) => {
                    untried.push((format!("{}.{}", quote_name(schema), quote_name(table)), why));
                    None
                }
            },
        };
        if let Some(error) = error {
            cannot(&mut target, &router, names, &error, out).await?;
        }
    }
    say_untried(&untried, out);
    if policy.target.tidb {
        say_of_tidb(tables, out);
        say_of_vectors(&mut target, source.server, &router, tables, out).await?;
    }
    Ok(())
}

/// What TiDB takes in a CREATE TABLE and not as it is meant.
fn say_of_tidb(tables: &Tables, out: &mut Outcome) {
    for ((schema, table), facts) in tables {
        let Some(structure) = &facts.structure else { continue };
        let name = format!("{}.{}", quote_name(schema), quote_name(table));
        if structure.fulltext {
            out.add(
                State::Warn,
                format!("table {name} has a FULLTEXT index, which TiDB ignores or refuses, by its version"),
                "Please create the table on the target without the index if the load can't create it.",
            );
        }
    }
}

/// MySQL's VECTOR(n) takes n numbers or fewer, TiDB's just n, or any number where it is created without one.
async fn say_of_vectors(
    target: &mut Conn,
    server: ServerInfo,
    router: &Router,
    tables: &Tables,
    out: &mut Outcome,
) -> Result<()> {
    for ((schema, table), facts) in tables.iter().filter(|_| !server.is_mariadb()) {
        let Some(structure) = &facts.structure else { continue };
        let mut vectors: Vec<(&str, &str)> = structure.columns.iter().map(|(n, ty, _)| (&**n, &**ty)).collect();
        vectors.retain(|(_, ty)| ty.starts_with("vector"));
        if vectors.is_empty() {
            continue;
        }
        let (there, name) = router.route(schema, table)?;
        let sql = format!(
            "SELECT LOWER(COLUMN_NAME), LOWER(COLUMN_TYPE) FROM information_schema.COLUMNS WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            quote_text(&there),
            quote_text(&name)
        );
        // Nobody knows: as if it weren't there.
        let there: BTreeMap<String, String> =
            target.query::<(String, String), _>(sql).await.unwrap_or_default().into_iter().collect();
        let narrow =
            vectors.iter().find(|(name, _)| there.get(&name.to_lowercase()).is_none_or(|ty| ty.starts_with("vector(")));
        if let Some((column, ty)) = narrow {
            out.add(
                State::Warn,
                format!(
                    "column {} of table {}.{} is a {ty}, which on MySQL takes vectors of fewer dimensions too; TiDB's takes only those of \
                     the same number (error 1105)",
                    quote_name(column),
                    quote_name(schema),
                    quote_name(table)
                ),
                "If there are shorter vectors, please create the column on the target as VECTOR without a number (tables that are there \
                 are used), or change it there (ALTER TABLE .. MODIFY .. VECTOR) when the task has stopped, then resume the task.",
            );
        }
    }
    Ok(())
}

/// Says which tables would be one on a target that doesn't tell names by case.
fn say_alike(router: &Router, tables: &Tables, out: &mut Outcome) -> Result<()> {
    let mut seen: BTreeMap<(String, String), (TableId, TableId)> = BTreeMap::new();
    for name in tables.keys() {
        let (schema, table) = router.route(&name.0, &name.1)?;
        let (own, target) = (TableId::new(&name.0, &name.1), TableId::new(schema, table));
        let folded = (target.schema.to_lowercase(), target.name.to_lowercase());
        match seen.get(&folded) {
            Some((other, others)) if differ_by_case(others, &target) => out.add(
                State::Fail,
                format!("tables {own} and {other} would be one on the target, which doesn't tell names by case"),
                "Please route one of the two to another name, or leave it out with the block-allow-list, both with `case-sensitive: \
                 true`.",
            ),
            Some(_) => {}
            None => {
                seen.insert(folded, (own, target));
            }
        }
    }
    Ok(())
}

/// Says that nobody knows whether long rows and keys fit.
fn say_untried(untried: &[(String, String)], out: &mut Outcome) {
    let Some((first, why)) = untried.first() else { return };
    out.add(
        State::Warn,
        format!(
            "the rows, keys or vectors of {} table structure(s), {first} for one, may be too long or of no use for the target, and that \
             can't be tried with a temporary table ({why})",
            untried.len()
        ),
        "Please create these tables on the target by hand to see whether it takes them, or give its user CREATE TEMPORARY TABLES \
         on one of the task's target schemas, which must be there.",
    );
}

/// Says that tables of one structure, those that aren't on the target already, can't be created.
async fn cannot(
    target: &mut Conn,
    router: &Router,
    names: &[&(String, String)],
    error: &mysql_async::Error,
    out: &mut Outcome,
) -> Result<()> {
    let mut missing = Vec::new();
    for name in names {
        let (schema, table) = router.route(&name.0, &name.1)?;
        if missing.len() < MOST && !exists(target, &schema, &table).await {
            missing.push(format!("{}.{}", quote_name(&name.0), quote_name(&name.1)));
        }
    }
    if let Some(first) = missing.first() {
        let others = match names.len() {
            0 | 1 => String::new(),
            all => format!(" (and {} more tables of this structure)", all - 1),
        };
        out.add(
            State::Fail,
            format!("table {first}{others} can't be created on the target: {}", link::cause(error)),
            advice(link::errno(error)),
        );
    }
    Ok(())
}

fn advice(errno: u16) -> &'static str {
    match errno {
        1044 | 1142 | 1227 => "Please grant the target's user CREATE (see `target_privilege`).",
        1286 => {
            "Please create the table on the target in another engine before the task starts: tables that are there are used."
        }
        errno if limits::ERRORS.contains(&errno) => {
            "Please create the table on the target by hand with shorter columns, keys with prefixes, or another row format (tables \
             that are there are used), or change it on the source, or leave it out with the block-allow-list."
        }
        _ => {
            "Please create the table on the target by hand in a form that it understands (tables that are there are used), or \
             change it on the source, or leave it out with the block-allow-list."
        }
    }
}

/// As the load would send it; None when our grammar can't rewrite it, or a collation is refused (which another item says).
fn rewritten(how: &Creating<'_>, schema: &str, target_schema: &str, sql: &str) -> Option<String> {
    let file = SchemaFile {
        path: PLACEHOLDER.into(),
        name: PLACEHOLDER.into(),
        schema: schema.to_owned(),
        target_schema: target_schema.to_owned(),
        target_table: PLACEHOLDER.to_owned(),
    };
    how.rewritten(sql, &file).ok().flatten()
}

/// The texts that the target doesn't prepare.
async fn refused<'a, K>(
    config: &SubtaskConfig,
    session: &[(String, String)],
    texts: &'a [(K, Option<String>)],
) -> Result<Vec<(&'a K, mysql_async::Error)>> {
    let part = texts.len().div_ceil(ASKING).max(16);
    let asking = texts.chunks(part).map(async |texts| {
        let mut conn = link::connect(&config.to, session, Scope::Downstream).await?;
        let mut out = Vec::new();
        for (key, sql) in texts {
            if let Some(sql) = sql
                && let Some(error) = prepare(&mut conn, sql).await?
            {
                out.push((key, error));
            }
        }
        Ok(out)
    });
    let mut out = Vec::new();
    for answered in join_all(asking).await {
        let answered: Result<Vec<_>> = answered;
        out.extend(answered?);
    }
    Ok(out)
}

/// The server's refusal of a statement; None: it would try it.
async fn prepare(conn: &mut Conn, sql: &str) -> Result<Option<mysql_async::Error>> {
    match conn.query_drop(format!("SET @dm_check = {}; PREPARE dm_check FROM @dm_check", quote_text(sql))).await {
        Ok(()) => Ok(None),
        Err(e) if link::is_broken(&e) => {
            Err(link::failed(crate::error::Code::DBQueryFailed, Scope::Downstream, "ask the target for its types", &e))
        }
        // Not for prepared statements, by this server: nothing is known.
        Err(e) if link::errno(&e) == 1295 => Ok(None),
        Err(e) => Ok(Some(e)),
    }
}

async fn exists(conn: &mut Conn, schema: &str, table: &str) -> bool {
    let sql = format!("SELECT 1 FROM {}.{} LIMIT 0", quote_name(schema), quote_name(table));
    conn.query_drop(sql).await.is_ok()
}

/// A structure that several tables have is asked once.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn advice_fits_the_error() {
        assert!(advice(1142).contains("grant"));
        assert!(advice(1286).contains("another engine"));
        assert!(advice(1064).contains("by hand") && advice(1071).contains("prefixes"));
    }
}
