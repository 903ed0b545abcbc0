//! Creates all tables of a load: looks once what is there, and makes the rest over several connections.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{Mutex, PoisonError},
};

use futures::future::try_join_all;
use mysql_async::{Conn, prelude::Queryable};

use super::{create, folder::SchemaFile};
use crate::{
    config::SubtaskConfig,
    error::{Code, DmError, Result, Scope},
    schema::load::in_schemas,
    units::link,
};

/// Servers create tables one after the other in part, so more connections are no faster.
const MOST_CONNECTIONS: usize = 8;
/// So many tables are worth a connection.
const TABLES_A_CONNECTION: usize = 20;

/// A target table: schema and name.
pub type Target = (String, String);

/// A target table to create, by the file of the first of its source tables.
pub struct Wanted {
    pub file: SchemaFile,
    /// None: the file is read.
    pub text: Option<String>,
    /// Its rows will be many.
    pub large: bool,
}

/// The target tables after they were created.
pub struct Created {
    /// Whether a table has no rows.
    pub empty: BTreeMap<Target, bool>,
    /// Those that were there before, in lower case.
    pub there: BTreeSet<Target>,
}

/// Creates target tables.
pub async fn tables(
    config: &SubtaskConfig,
    session: &[(String, String)],
    conn: &mut Conn,
    wanted: Vec<Wanted>,
    how: &create::Creating<'_>,
) -> Result<Created> {
    let there = there(conn, wanted.iter().map(|wanted| wanted.file.target_schema.as_str()));
    let there = link::answered(&config.to, Scope::Downstream, "look for the target tables", there).await?;
    let count = (wanted.len() / TABLES_A_CONNECTION).min(MOST_CONNECTIONS);
    let mut more = Vec::new();
    for _ in 1..count {
        more.push(link::connect(&config.to, session, Scope::Downstream).await?);
    }
    let left = Mutex::new(wanted.into_iter());
    let (left, known) = (&left, &there);
    let makers = std::iter::once(conn).chain(&mut more).map(|conn| async move {
        let mut made = Vec::new();
        loop {
            let next = left.lock().unwrap_or_else(PoisonError::into_inner).next();
            let Some(Wanted { file, text, large }) = next else { return Ok::<_, DmError>(made) };
            let text = text.map_or_else(|| create::read(&file), Ok)?;
            let known = known.contains(&(file.target_schema.to_lowercase(), file.target_table.to_lowercase()));
            let creating = async {
                if known {
                    create::table(conn, &file, &text, how).await
                } else {
                    create::new_table(conn, &file, &text, large && !how.policy.target.tidb, how).await
                }
            };
            let empty = link::answered(&config.to, Scope::Downstream, "create a table", creating).await?;
            made.push(((file.target_schema, file.target_table), empty));
        }
    });
    let made: Vec<Vec<(Target, bool)>> = try_join_all(makers).await?;
    Ok(Created { empty: made.into_iter().flatten().collect(), there })
}

/// The tables of these schemas, in lower case: whether names differ in case is for the server to say.
async fn there<'a>(conn: &mut Conn, schemas: impl Iterator<Item = &'a str>) -> Result<BTreeSet<Target>> {
    let schemas: BTreeSet<String> = schemas.flat_map(|name| [name.to_owned(), name.to_lowercase()]).collect();
    if schemas.is_empty() {
        return Ok(BTreeSet::new());
    }
    let within = in_schemas("TABLE_SCHEMA", schemas.iter().map(String::as_str));
    let sql = format!("SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE {within}");
    let rows: Vec<Target> = conn
        .query(&sql)
        .await
        .map_err(|e| link::failed(Code::DBQueryFailed, Scope::Downstream, "look for the target tables", &e))?;
    Ok(rows.into_iter().map(|(schema, table)| (schema.to_lowercase(), table.to_lowercase())).collect())
}
