//! The character set and collation that a statement takes without saying so.

use super::Tracker;
use crate::{
    mysql::binlog::event::StatusVars,
    schema::{
        ServerInfo,
        charset::{CharsetPair, default_collation},
        ddl::{AlterSpec, Statement, StatementKind},
        logged,
    },
};

impl Tracker {
    /// What the source takes where the statement says nothing; None for statements that take nothing over. `schema` is
    /// that of the table, `default_schema` the session's (may be empty). For a new table the session's
    /// `collation_database` plays no part in it: servers take the default of the table's schema (tried on 5.7 to 9.7 and
    /// MariaDB 10.11).
    pub fn inherited_charset(
        &self,
        statement: &Statement,
        schema: &str,
        status: &StatusVars,
        default_schema: &str,
    ) -> Option<CharsetPair> {
        match &statement.kind {
            StatementKind::CreateDatabase { .. } => Some(self.server_charset().clone()),
            StatementKind::CreateTable(create) if create.like.is_none() => Some(self.schema_charset(schema)),
            StatementKind::AlterTable { specs, .. } => {
                let converts = specs.iter().any(|spec| matches!(spec, AlterSpec::ConvertTo { charset: None, .. }));
                converts.then(|| self.converted_charset(schema, status, default_schema))
            }
            _ => None,
        }
    }

    /// CONVERT TO CHARACTER SET DEFAULT, as tried on every release: MySQL and MariaDB 10.5 take the session's
    /// `collation_database`, which is the default of the session's schema unless the event says otherwise; MariaDB 10.11
    /// takes the character set of the table's schema with the collation that is compiled in as its default.
    fn converted_charset(&self, schema: &str, status: &StatusVars, default_schema: &str) -> CharsetPair {
        let server = self.server();
        if server.is_mariadb() && server.version >= 101_000 {
            let charset = self.schema_charset(schema).charset;
            let collation = default_collation(&charset, &ServerInfo { version: 101_100, ..server }).into();
            return CharsetPair { charset, collation };
        }
        let said = status.charset_database.and_then(|number| logged::pair_by_number(number, &server));
        said.unwrap_or_else(|| match default_schema {
            "" => self.server_charset().clone(),
            schema => self.schema_charset(schema),
        })
    }
}
