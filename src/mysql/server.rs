//! What a server is and where it stands.

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    error::{db_error_sql, server_errno},
    gtid::GtidSet,
    position::{BinlogPosition, Location},
};
use crate::{
    config::Flavor,
    error::{Code, DmError, Result, Scope},
};

/// A server's product and version.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ServerInfo {
    /// As the server prints it: `10.11.6-MariaDB-0+deb12u1-log`.
    pub version_text: String,
    pub version: (u16, u16, u16),
    pub flavor: Flavor,
    /// Speaks MySQL's protocol but is TiDB.
    pub is_tidb: bool,
}

impl ServerInfo {
    /// Asks a server.
    pub async fn detect(conn: &mut Conn, side: Scope) -> Result<ServerInfo> {
        let text: Option<String> = query_first(conn, side, "SELECT VERSION()").await?;
        Ok(ServerInfo::from_version(&text.unwrap_or_default()))
    }

    /// Reads a version text.
    pub fn from_version(text: &str) -> ServerInfo {
        let lower = text.to_lowercase();
        let is_tidb = lower.contains("tidb");
        let mariadb = lower.contains("mariadb");
        // MariaDB may put 5.5.5- before its version, and TiDB writes that of MySQL first, its own last.
        let number = match (is_tidb, mariadb) {
            (true, _) => lower.rsplit("tidb-v").next().unwrap_or_default(),
            (_, true) => lower.strip_prefix("5.5.5-").unwrap_or(&lower),
            _ => &lower,
        };
        let mut parts = number.split(|c: char| !c.is_ascii_digit()).map(|part| part.parse().unwrap_or(0));
        let mut next = || parts.next().unwrap_or(0);
        ServerInfo {
            version_text: text.to_owned(),
            version: (next(), next(), next()),
            flavor: if mariadb { Flavor::Mariadb } else { Flavor::Mysql },
            is_tidb,
        }
    }

    /// MySQL 8.4 and later speak of sources and replicas only.
    fn renamed_statements(&self) -> bool {
        self.flavor == Flavor::Mysql && !self.is_tidb && self.version >= (8, 4, 0)
    }
}

/// The first row of a query.
pub(super) async fn query_first<T>(conn: &mut Conn, side: Scope, sql: &str) -> Result<Option<T>>
where
    T: mysql_async::prelude::FromRow + Send + 'static,
{
    conn.query_first(sql).await.map_err(|e| db_error_sql(e, Code::DBQueryFailed, side, sql))
}

/// A named text column of a row.
fn text_column(row: &Row, name: &str) -> String {
    row.get_opt::<String, _>(name).and_then(std::result::Result::ok).unwrap_or_default()
}

/// Where the source's binlog ends now, with the executed GTID set when GTIDs are on.
/// Errors: 10005 when the statement fails; 10004 when the binlog is off.
pub async fn show_master_status(conn: &mut Conn, info: &ServerInfo) -> Result<Location> {
    let sql = if info.renamed_statements() { "SHOW BINARY LOG STATUS" } else { "SHOW MASTER STATUS" };
    let row: Option<Row> = query_first(conn, Scope::Upstream, sql).await?;
    let row = row.ok_or_else(|| {
        DmError::new(Code::DBUnExpect)
            .scope(Scope::Upstream)
            .msg(format!("`{sql}` returned nothing: the binlog is off at the source; start the server with log_bin"))
    })?;
    let position = BinlogPosition::new(
        text_column(&row, "File"),
        row.get_opt::<u64, _>("Position").and_then(std::result::Result::ok).unwrap_or_default(),
    );
    let gtid_text = match info.flavor {
        Flavor::Mysql => text_column(&row, "Executed_Gtid_Set"),
        Flavor::Mariadb => {
            query_first(conn, Scope::Upstream, "SELECT @@GLOBAL.gtid_binlog_pos").await?.unwrap_or_default()
        }
    };
    let gtid_set = if gtid_text.trim().is_empty() { None } else { Some(GtidSet::parse(info.flavor, &gtid_text)?) };
    Ok(Location::new(position, gtid_set))
}

/// One line of `SHOW BINARY LOGS`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct BinlogFile {
    pub name: String,
    pub size: u64,
}

/// The binlog files the source still has, oldest first.
pub async fn show_binary_logs(conn: &mut Conn) -> Result<Vec<BinlogFile>> {
    let sql = "SHOW BINARY LOGS";
    let rows: Vec<Row> =
        conn.query(sql).await.map_err(|e| db_error_sql(e, Code::DBQueryFailed, Scope::Upstream, sql))?;
    let file = |row: &Row| BinlogFile {
        name: row.get_opt::<String, _>(0).and_then(std::result::Result::ok).unwrap_or_default(),
        size: row.get_opt::<u64, _>(1).and_then(std::result::Result::ok).unwrap_or_default(),
    };
    Ok(rows.iter().map(file).collect())
}

/// The transactions a MySQL source no longer has in its binlog; `None` for MariaDB, which does not tell.
pub async fn purged_gtids(conn: &mut Conn, info: &ServerInfo) -> Result<Option<GtidSet>> {
    if info.flavor == Flavor::Mariadb {
        return Ok(None);
    }
    let text: Option<String> = query_first(conn, Scope::Upstream, "SELECT @@GLOBAL.gtid_purged").await?;
    GtidSet::parse(Flavor::Mysql, &text.unwrap_or_default()).map(Some)
}

/// A global or session variable; `None` when the server has none of that name.
pub async fn variable(conn: &mut Conn, side: Scope, name: &str) -> Result<Option<String>> {
    let sql = format!("SHOW VARIABLES LIKE '{}'", name.replace('\'', "''"));
    let row: Option<(String, String)> = query_first(conn, side, &sql).await?;
    Ok(row.map(|(_, value)| value))
}

/// Ends another session of the server; one that is gone already is no error.
pub async fn kill_connection(conn: &mut Conn, side: Scope, id: u64) -> Result<()> {
    let sql = format!("KILL {id}");
    match conn.query_drop(&sql).await {
        Err(error) if server_errno(&error) != Some(1094) => Err(db_error_sql(error, Code::DBExecuteFailed, side, &sql)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> (Flavor, (u16, u16, u16), bool) {
        let info = ServerInfo::from_version(text);
        (info.flavor, info.version, info.is_tidb)
    }

    #[test]
    fn versions_of_all_products() {
        assert_eq!(version("9.7.0"), (Flavor::Mysql, (9, 7, 0), false));
        assert_eq!(version("5.7.44-log"), (Flavor::Mysql, (5, 7, 44), false));
        assert_eq!(version("10.11.6-MariaDB-0+deb12u1-log"), (Flavor::Mariadb, (10, 11, 6), false));
        assert_eq!(version("5.5.5-10.6.1-MariaDB"), (Flavor::Mariadb, (10, 6, 1), false));
        assert_eq!(version("8.0.11-TiDB-v7.5.1"), (Flavor::Mysql, (7, 5, 1), true));
        assert_eq!(version("?"), (Flavor::Mysql, (0, 0, 0), false));
    }
}
