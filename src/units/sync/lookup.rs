//! Structures as they are on one side now. Asked for a table at a time while a task touches few; when it touches many of
//! a schema, the schema's other tables are read with it in a few queries (`schema::load::bulk`).

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::{Duration, Instant},
};

use mysql_async::{
    Conn,
    prelude::{FromRow, Queryable},
};

use super::target::Target;
use crate::{
    config::{SubtaskConfig, subtask::DbConfig},
    error::{Code, DmError, Scope},
    mysql::within,
    schema::{
        load::{self, Session},
        model::{TableId, TableInfo, quote_text},
    },
    units::link,
};

/// Tables of a schema that are asked for one by one before a bulk read can pay.
const FEW: usize = 32;
/// A bulk read costs a table some fiftieth of what asking for it costs: it pays when one of so many will be used.
const PAYS: usize = 64;
/// Structures of one bulk read: about 200 MiB if they have 20 columns.
const AT_ONCE: usize = 20_000;
/// A bulk read that takes longer is given up, and its schema is asked table by table.
const LONGEST: Duration = Duration::from_secs(60);
/// What was read in bulk is no longer trusted, nor kept, after this: others than this task alter tables, too.
const FRESH: Duration = Duration::from_secs(300);

/// Whose structures.
enum Side {
    Source(Arc<SubtaskConfig>),
    Target(Target, Arc<SubtaskConfig>),
}

/// One side's structures, and the one connection that asks for them.
pub struct Lookup {
    side: Side,
    conn: Option<Conn>,
    /// Of the connection.
    session: Option<Session>,
    schemas: HashMap<String, Schema>,
}

/// What is known of one schema's tables.
#[derive(Default)]
struct Schema {
    /// Asked for one by one since the last bulk read.
    asked: usize,
    /// Tables that were given out, which no bulk read needs to bring again.
    known: HashSet<String>,
    /// Read in bulk and not asked for yet, by name.
    ready: HashMap<String, TableInfo>,
    read_at: Option<Instant>,
    /// A bulk read failed here.
    refused: bool,
}

impl Schema {
    fn take(&mut self, table: &str) -> Option<TableInfo> {
        if self.read_at.is_some_and(|at| at.elapsed() > FRESH) {
            (self.ready, self.read_at) = (HashMap::new(), None);
        }
        self.ready.remove(table)
    }
}

impl Lookup {
    /// The source's tables.
    pub fn of_source(config: Arc<SubtaskConfig>) -> Self {
        Lookup { side: Side::Source(config), conn: None, session: None, schemas: HashMap::new() }
    }

    /// The target's tables.
    pub fn of_target(target: Target, config: Arc<SubtaskConfig>) -> Self {
        Lookup { side: Side::Target(target, config), conn: None, session: None, schemas: HashMap::new() }
    }

    /// A table's structure, possibly some minutes old. None: there is no such base table.
    pub async fn table(&mut self, id: &TableId) -> Result<Option<TableInfo>, DmError> {
        let schema = self.schemas.entry(id.schema.clone()).or_default();
        if let Some(ready) = schema.take(&id.name) {
            schema.known.insert(id.name.clone());
            return Ok(Some(ready));
        }
        let found = self.table_now(id).await?;
        let schema = self.schemas.entry(id.schema.clone()).or_default();
        schema.asked += 1;
        if schema.known.insert(id.name.clone()) && schema.asked >= FEW && !schema.refused {
            self.read_ahead(&id.schema).await;
        }
        Ok(found)
    }

    /// A table's structure as it is now.
    pub async fn table_now(&mut self, id: &TableId) -> Result<Option<TableInfo>, DmError> {
        let mut attempts = 0;
        loop {
            let mut conn = self.connection().await?;
            let known = self.session;
            let asked = async {
                let session = match known {
                    Some(session) => session,
                    None => load::fetch_session(&mut conn).await?,
                };
                Ok((session, load::fetch(&mut conn, &session, id).await?))
            };
            match link::answered(self.db(), self.scope(), "the table's structure", asked).await {
                Ok((session, found)) => {
                    (self.conn, self.session) = (Some(conn), Some(session));
                    return Ok(found);
                }
                // The connection may have been idle for long: once more on a fresh one.
                Err(error) if attempts > 0 => return Err(error.scope(self.scope())),
                Err(_) => attempts += 1,
            }
        }
    }

    /// What a name is now, as `information_schema.TABLES` says (`BASE TABLE`, `VIEW`, `SEQUENCE` ..); None: nothing has it.
    pub async fn kind(&mut self, id: &TableId) -> Result<Option<String>, DmError> {
        let sql = format!(
            "SELECT TABLE_TYPE FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND TABLE_NAME = {}",
            quote_text(&id.schema),
            quote_text(&id.name)
        );
        self.first(&sql).await
    }

    /// The name of a table in this schema whose name is the same in lower case; `and`: a further condition.
    pub async fn alike(&mut self, id: &TableId, and: &str) -> Result<Option<TableId>, DmError> {
        let sql = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME FROM information_schema.TABLES WHERE TABLE_SCHEMA = {} AND LOWER(TABLE_NAME) = {}{and}",
            quote_text(&id.schema),
            quote_text(&id.name.to_lowercase())
        );
        Ok(self.first::<(String, String)>(&sql).await?.map(|(schema, name)| TableId::new(schema, name)))
    }

    /// The first row of a query.
    pub async fn first<T: FromRow + Send + 'static>(&mut self, sql: &str) -> Result<Option<T>, DmError> {
        let mut attempts = 0;
        loop {
            let mut conn = self.connection().await?;
            match within(self.db().answer_limit(), conn.query_first::<T, _>(sql)).await {
                Ok(found) => {
                    self.conn = Some(conn);
                    return Ok(found);
                }
                Err(error) if attempts > 0 => {
                    return Err(link::failed(Code::DBQueryFailed, self.scope(), sql, &error));
                }
                Err(_) => attempts += 1,
            }
        }
    }

    /// A table changed: what was read of it ahead counts no longer. An empty name means the whole schema.
    pub fn forget(&mut self, id: &TableId) {
        match (id.name.is_empty(), self.schemas.get_mut(&id.schema)) {
            (true, _) => drop(self.schemas.remove(&id.schema)),
            (false, Some(schema)) => drop(schema.ready.remove(&id.name)),
            (false, None) => {}
        }
    }

    /// Nothing that was read counts any longer; tables may be asked for again.
    pub fn forget_all(&mut self) {
        self.schemas.clear();
    }

    /// Reads the schema's other tables, if enough of them will be asked for. A failure costs nothing but time.
    async fn read_ahead(&mut self, name: &str) {
        match tokio::time::timeout(LONGEST, self.read_schema(name)).await {
            Ok(Ok(())) => return,
            Ok(Err(error)) => {
                tracing::warn!(schema = name, %error, "structures could not be read at once; tables are asked one by one")
            }
            Err(_) => {
                tracing::warn!(
                    schema = name,
                    "structures were not read at once within {LONGEST:?}; tables are asked one by one"
                )
            }
        }
        // A query may be under way on it.
        self.conn = None;
        self.schemas.entry(name.to_owned()).or_default().refused = true;
    }

    async fn read_schema(&mut self, name: &str) -> Result<(), DmError> {
        let sql = format!("SELECT COUNT(*) FROM information_schema.TABLES WHERE TABLE_SCHEMA = {}", quote_text(name));
        let tables: usize = self.first(&sql).await?.unwrap_or(0);
        let schema = self.schemas.entry(name.to_owned()).or_default();
        if schema.asked.saturating_mul(PAYS) < tables || tables <= schema.known.len() {
            return Ok(());
        }
        schema.asked = 0;
        let known = std::mem::take(&mut schema.known);
        let taken = std::sync::atomic::AtomicUsize::new(0);
        let wanted = |_: &str, table: &str| {
            !known.contains(table) && taken.fetch_add(1, std::sync::atomic::Ordering::Relaxed) < AT_ONCE
        };
        let mut conn = self.connection().await?;
        let read = load::bulk(&mut conn, None, &[name.to_owned()], &wanted).await;
        let schema = self.schemas.entry(name.to_owned()).or_default();
        schema.known = known;
        let read = read?;
        self.conn = Some(conn);
        tracing::info!(schema = name, tables = read.tables.len(), "structures read ahead");
        schema.ready = read.tables.into_iter().map(|table| (table.name.clone(), table)).collect();
        schema.read_at = Some(Instant::now());
        Ok(())
    }

    async fn connection(&mut self) -> Result<Conn, DmError> {
        if let Some(conn) = self.conn.take() {
            return Ok(conn);
        }
        self.session = None;
        match &self.side {
            Side::Source(config) => link::connect(&config.from, &[], Scope::Upstream).await,
            Side::Target(target, _) => target.connect().await,
        }
    }

    fn db(&self) -> &DbConfig {
        match &self.side {
            Side::Source(config) => &config.from,
            Side::Target(_, config) => &config.to,
        }
    }

    fn scope(&self) -> Scope {
        match self.side {
            Side::Source(_) => Scope::Upstream,
            Side::Target(..) => Scope::Downstream,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_read_ahead_is_given_once_and_grows_old() {
        let table = |name: &str| (name.to_owned(), TableInfo { name: name.to_owned(), ..TableInfo::default() });
        let mut schema = Schema { ready: [table("a"), table("b")].into(), ..Schema::default() };
        schema.read_at = Some(Instant::now());
        assert!(schema.take("a").is_some() && schema.take("a").is_none());
        schema.read_at = Instant::now().checked_sub(FRESH + Duration::from_secs(1));
        if schema.read_at.is_some() {
            assert!(schema.take("b").is_none() && schema.ready.is_empty());
        }
    }
}
