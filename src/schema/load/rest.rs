//! What MySQL before 8 and MariaDB open every table for: foreign keys, CHECK constraints, and whether there are partitions.

use std::collections::BTreeMap;

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    Session,
    bulk::{Drafts, Name, each, texts},
    query_failed,
};
use crate::{
    error::Result,
    schema::{
        ServerInfo,
        model::{ForeignKey, TableId},
    },
};

/// Connections that ask at the same time. The tables that one of them opened are open for the others.
pub struct Others {
    pub references: Conn,
    pub checks: Conn,
    pub partitions: Conn,
}

/// The answers.
pub(super) struct Rest {
    pub(super) foreign_keys: Vec<(Name, ForeignKey)>,
    /// Table, constraint, expression (of MariaDB's).
    pub(super) checks: Vec<(Name, String, String)>,
    pub(super) has_partitions: bool,
}

/// Which questions have to be asked at all.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Needed {
    pub(super) references: bool,
    pub(super) partitions: bool,
}

/// The questions.
pub(super) struct Asked {
    server: ServerInfo,
    references: String,
    checks: Option<String>,
    partitions: String,
}

impl Asked {
    /// `within` and `constraints`: conditions on TABLE_SCHEMA and CONSTRAINT_SCHEMA.
    pub(super) fn new(session: &Session, within: &str, constraints: &str) -> Self {
        let references = format!(
            "SELECT TABLE_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, COLUMN_NAME, REFERENCED_TABLE_SCHEMA, REFERENCED_TABLE_NAME, \
             REFERENCED_COLUMN_NAME, ORDINAL_POSITION FROM information_schema.KEY_COLUMN_USAGE \
             WHERE {within} AND REFERENCED_TABLE_NAME IS NOT NULL"
        );
        let checks = match (session.server.is_mariadb(), session.server.version) {
            (true, 100_222..) => Some(format!(
                "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, CHECK_CLAUSE FROM \
                 information_schema.CHECK_CONSTRAINTS WHERE {constraints}"
            )),
            (false, 80_016..) => Some(format!(
                "SELECT CONSTRAINT_SCHEMA, TABLE_NAME, CONSTRAINT_NAME, '' FROM information_schema.TABLE_CONSTRAINTS \
                 WHERE {constraints} AND CONSTRAINT_TYPE = 'CHECK'"
            )),
            _ => None,
        };
        let partitions = format!(
            "SELECT COUNT(*) FROM information_schema.TABLES WHERE {within} AND CREATE_OPTIONS LIKE '%partitioned%'"
        );
        Asked { server: session.server, references, checks, partitions }
    }

    /// MySQL before 8 and MariaDB tell InnoDB's dictionary to whom may see it (PROCESS): without a foreign key or a
    /// partition in it, tables of engines that have none elsewhere need no look. MySQL 8 answers everything at once, and
    /// leaves `PARTITION BY KEY ()` out of CREATE_OPTIONS.
    pub(super) async fn needed(&self, conn: &mut Conn, drafts: &Drafts) -> Result<Needed> {
        let all = Needed { references: true, partitions: true };
        let engines = |known: &[&str]| {
            drafts.list.iter().all(|draft| known.iter().any(|engine| draft.info.engine.eq_ignore_ascii_case(engine)))
        };
        if self.server.version >= 80_000 && !self.server.is_mariadb()
            || !engines(&["InnoDB", "MyISAM", "Aria", "MEMORY"])
        {
            return Ok(all);
        }
        let any = async |conn: &mut Conn, sql: &str| {
            let found: std::result::Result<Option<u8>, _> = conn.query_first(sql).await;
            match found {
                Ok(found) => Ok(found.is_some()),
                Err(mysql_async::Error::Server(_)) => Ok(true),
                Err(e) => Err(query_failed(e)),
            }
        };
        let key = "SELECT 1 FROM information_schema.INNODB_SYS_FOREIGN LIMIT 1";
        let partition = "SELECT 1 FROM information_schema.INNODB_SYS_TABLES WHERE NAME LIKE '%#P#%' LIMIT 1";
        let references = any(conn, key).await?;
        Ok(Needed { references, partitions: !engines(&["InnoDB"]) || any(conn, partition).await? })
    }

    /// Asks over one connection.
    pub(super) async fn one_by_one(&self, conn: &mut Conn, needed: Needed) -> Result<Rest> {
        Ok(Rest {
            foreign_keys: self.foreign_keys(conn, needed).await?,
            checks: self.checks(conn).await?,
            has_partitions: self.has_partitions(conn, needed).await?,
        })
    }

    /// Asks over several connections at the same time.
    pub(super) async fn by(&self, others: &mut Others, needed: Needed) -> Result<Rest> {
        let (foreign_keys, checks, has_partitions) = tokio::try_join!(
            self.foreign_keys(&mut others.references, needed),
            self.checks(&mut others.checks),
            self.has_partitions(&mut others.partitions, needed)
        )?;
        Ok(Rest { foreign_keys, checks, has_partitions })
    }

    async fn foreign_keys(&self, conn: &mut Conn, needed: Needed) -> Result<Vec<(Name, ForeignKey)>> {
        if !needed.references {
            return Ok(Vec::new());
        }
        let mut parts: BTreeMap<[String; 3], BTreeMap<u32, [String; 4]>> = BTreeMap::new();
        each(conn, &self.references, |row: Row| {
            let [schema, table, name, column, parent_schema, parent, parent_column, place] =
                texts(row).map(Option::unwrap_or_default);
            let of_key = parts.entry([schema, table, name]).or_default();
            of_key.insert(place.parse().unwrap_or(0), [column, parent_schema, parent, parent_column]);
        })
        .await?;
        let keys = parts.into_iter().map(|([schema, table, name], columns)| {
            let mut key = ForeignKey { name, ..ForeignKey::default() };
            for [column, parent_schema, parent, parent_column] in columns.into_values() {
                key.parent = TableId::new(parent_schema, parent);
                key.columns.push(column);
                key.parent_columns.push(parent_column);
            }
            ((schema, table), key)
        });
        Ok(keys.collect())
    }

    /// Names of CHECK constraints; MariaDB's JSON columns are known by theirs.
    async fn checks(&self, conn: &mut Conn) -> Result<Vec<(Name, String, String)>> {
        let mut out = Vec::new();
        if let Some(query) = &self.checks {
            each(conn, query, |row| {
                let [schema, table, name, clause] = texts(row).map(Option::unwrap_or_default);
                out.push(((schema, table), name, clause));
            })
            .await?;
        }
        Ok(out)
    }

    async fn has_partitions(&self, conn: &mut Conn, needed: Needed) -> Result<bool> {
        if !needed.partitions || (self.server.version >= 80_000 && !self.server.is_mariadb()) {
            return Ok(needed.partitions);
        }
        let count: Option<u64> = conn.query_first(&self.partitions).await.map_err(query_failed)?;
        Ok(count.unwrap_or(0) > 0)
    }
}
