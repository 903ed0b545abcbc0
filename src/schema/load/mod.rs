//! Reads structures from a live server. One table: SHOW CREATE TABLE through our own grammar, so that a structure that was
//! read and one that was tracked come from the same code. Many: [`bulk`].

mod bulk;
mod catalogue;
mod names;
mod partitions;
mod rest;

pub use bulk::{Bulk, bulk};
pub use names::in_schemas;
pub use rest::Others;

use mysql_async::{Conn, Row, prelude::Queryable};

use super::{
    charset::{CharsetPair, CollationDefaults, canonical_charset, canonical_collation},
    ddl::{self, ParseContext, StatementKind},
    model::{TableId, TableInfo},
    server::{ServerInfo, SqlMode},
    tracker::create::{Setting, build},
};
use crate::error::{Code, DmError, Result};

/// ER_NO_SUCH_TABLE and ER_BAD_DB_ERROR.
const NOT_THERE: [u16; 2] = [1146, 1049];

/// What a connection's server is, and how its session quotes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    pub server: ServerInfo,
    pub sql_mode: SqlMode,
    pub lower_case_table_names: u8,
    pub explicit_defaults_for_timestamp: bool,
}

/// Asks a connection for its server's dialect.
pub async fn fetch_session(conn: &mut Conn) -> Result<Session> {
    let query = "SELECT VERSION(), @@sql_mode, @@lower_case_table_names, @@explicit_defaults_for_timestamp";
    let row: Option<(String, String, u8, u8)> = conn.query_first(query).await.map_err(query_failed)?;
    let (version, mode, lower_case, explicit) = row.ok_or_else(|| DmError::new(Code::DBQueryFailed))?;
    let server = ServerInfo::parse(&version).ok_or_else(|| {
        DmError::new(Code::DBQueryFailed).msg(format!("the server's version `{version}` is not understood"))
    })?;
    if !server.is_mariadb() && server.version >= 80_030 {
        // Generated invisible primary keys are in the rows, so they must be in the structures.
        let show = "SET SESSION show_gipk_in_create_table_and_information_schema = ON";
        conn.query_drop(show).await.map_err(query_failed)?;
    }
    Ok(Session {
        server,
        sql_mode: SqlMode::parse(&mode),
        lower_case_table_names: lower_case,
        explicit_defaults_for_timestamp: explicit != 0,
    })
}

/// Reads one table's structure; None when there is no such base table (a view is none either).
/// Errors: 10005 when the server refuses, 44008 when its answer is not understood.
pub async fn fetch_table(conn: &mut Conn, schema: &str, table: &str) -> Result<Option<TableInfo>> {
    let session = fetch_session(conn).await?;
    fetch(conn, &session, &TableId::new(schema, table)).await
}

/// Every schema's default character set and collation, which new tables inherit.
pub async fn fetch_schemas(conn: &mut Conn) -> Result<Vec<(String, CharsetPair)>> {
    let query =
        "SELECT SCHEMA_NAME, DEFAULT_CHARACTER_SET_NAME, DEFAULT_COLLATION_NAME FROM information_schema.SCHEMATA";
    let rows: Vec<(String, String, String)> = conn.query(query).await.map_err(query_failed)?;
    let pair = |charset: String, collation: String| CharsetPair {
        charset: canonical_charset(&charset).unwrap_or(&charset).into(),
        collation: canonical_collation(&collation).into(),
    };
    Ok(rows.into_iter().map(|(schema, charset, collation)| (schema, pair(charset, collation))).collect())
}

/// The structure that a CREATE TABLE text describes, as a session of that server would read it. Also for the schema
/// files of a dump. Error 44009: it is no CREATE TABLE; 44008: it is not understood.
pub fn parse_create_table(sql: &str, id: &TableId, session: &Session) -> Result<TableInfo> {
    let context =
        ParseContext { default_schema: id.schema.clone(), sql_mode: session.sql_mode, server: session.server };
    let statement = ddl::parse(sql, &context)?;
    let mut create = match statement.kind {
        StatementKind::CreateTable(create) if create.like.is_none() => create,
        _ => {
            return Err(DmError::new(Code::SchemaTrackerInvalidCreateTableStmt)
                .msg(format!("the structure of {id} must be one CREATE TABLE statement with its columns"))
                .workaround("Please give the text that SHOW CREATE TABLE prints."));
        }
    };
    // SHOW CREATE TABLE leaves the schema out and may print another case.
    create.table = id.clone();
    let inherited = CharsetPair::server_default(&session.server);
    let setting = Setting {
        defaults: &CollationDefaults::of(session.server),
        // SHOW CREATE TABLE prints what a TIMESTAMP column is: nothing is implied.
        explicit_timestamps: true,
        inherited: &inherited,
        printed: true,
        database: None,
        zone: None,
    };
    build(&create, &setting).map_err(|reason| not_parsed(id).cause(reason))
}

/// As [`fetch_table`], when the connection's session is known.
pub async fn fetch(conn: &mut Conn, session: &Session, id: &TableId) -> Result<Option<TableInfo>> {
    let row: Option<Row> = match conn.query_first(format!("SHOW CREATE TABLE {id}")).await {
        Err(mysql_async::Error::Server(error)) if NOT_THERE.contains(&error.code) => return Ok(None),
        other => other.map_err(query_failed)?,
    };
    let Some(row) = row else { return Ok(None) };
    let is_table = row.columns_ref().first().is_some_and(|column| column.name_str().eq_ignore_ascii_case("Table"));
    if !is_table {
        return Ok(None);
    }
    // A default of bytes that are no text may stand in it as they are.
    let sql: Option<Vec<u8>> = row.get_opt(1).and_then(|text| text.ok());
    let sql = sql.ok_or_else(|| not_parsed(id).cause("SHOW CREATE TABLE gave no text"))?;
    let sql = String::from_utf8_lossy(&sql).into_owned();
    let mut table = parse_create_table(&sql, id, session)
        .map_err(|error| not_parsed(id).cause(format!("{}: {}", error.message(), error.raw_cause())))?;
    table.create_sql = Some(sql);
    Ok(Some(table))
}

fn not_parsed(id: &TableId) -> DmError {
    DmError::new(Code::SchemaTrackerCannotParseDownstreamTable)
        .msg(format!("the structure of {id} is not understood"))
        .workaround("Please leave the table out with the block-allow-list, or migrate it by other means.")
}

fn query_failed(error: mysql_async::Error) -> DmError {
    let cause = match &error {
        mysql_async::Error::Server(server) => format!("Error {} ({}): {}", server.code, server.state, server.message),
        other => other.to_string(),
    };
    DmError::new(Code::DBQueryFailed).msg("reading a table's structure failed").cause(cause)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{config::subtask::Flavor, schema::BaseType};

    fn table(sql: &str, flavor: Flavor, version: u32) -> TableInfo {
        let session = Session {
            server: ServerInfo { flavor, version },
            sql_mode: SqlMode::default(),
            lower_case_table_names: 0,
            explicit_defaults_for_timestamp: true,
        };
        parse_create_table(sql, &TableId::new("s", "t"), &session).unwrap()
    }

    #[test]
    fn tidbs_text() {
        let sql = "CREATE TABLE `T` (\n  `id` bigint(20) NOT NULL /*T![auto_rand] AUTO_RANDOM(5) */,\n  \
                   `a` varchar(20) COLLATE utf8mb4_general_ci DEFAULT NULL,\n  `v` json DEFAULT NULL,\n  \
                   `ts` timestamp DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP,\n  \
                   PRIMARY KEY (`id`) /*T![clustered_index] CLUSTERED */,\n  KEY `k` (`a`) /*!80000 INVISIBLE */\n\
                   ) ENGINE=InnoDB DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin /*T! SHARD_ROW_ID_BITS=4 */ COMMENT='c'\n\
                   PARTITION BY HASH (`id`) PARTITIONS 4";
        let table = table(sql, Flavor::Mysql, 80_011);
        assert_eq!(table.id(), TableId::new("s", "t"));
        assert_eq!(table.row_key(), Some(vec![0]));
        assert_eq!(table.columns[1].collation.as_deref(), Some("utf8mb4_general_ci"));
        assert_eq!(table.columns[2].ty.base, BaseType::Json);
        assert!(table.partition.is_some() && table.indexes[1].invisible && table.comment == "c");
    }

    #[test]
    fn texts_of_old_servers() {
        let sql = "CREATE TABLE `t` (\n  `id` int(11) NOT NULL AUTO_INCREMENT,\n  `a` varchar(5) DEFAULT 'x',\n  \
                   `b` char(1) CHARACTER SET utf8 COLLATE utf8_bin NOT NULL,\n  PRIMARY KEY (`id`)\n) ENGINE=InnoDB \
                   AUTO_INCREMENT=5 DEFAULT CHARSET=latin1 ROW_FORMAT=DYNAMIC\n/*!50100 PARTITION BY RANGE (id)\n\
                   (PARTITION p0 VALUES LESS THAN (10) ENGINE = InnoDB,\n PARTITION p1 VALUES LESS THAN MAXVALUE) */";
        let table = table(sql, Flavor::Mysql, 50_744);
        assert_eq!(table.columns[1].collation.as_deref(), Some("latin1_swedish_ci"));
        assert_eq!(table.columns[2].charset.as_deref(), Some("utf8mb3"));
        assert!(table.partition.is_some() && table.columns[0].auto_increment);
    }

    #[test]
    fn mariadbs_json() {
        let sql = "CREATE TABLE `t` (\n  `j` longtext CHARACTER SET utf8mb4 COLLATE utf8mb4_bin DEFAULT NULL \
                   CHECK (json_valid(`j`)),\n  `d` datetime DEFAULT current_timestamp() ON UPDATE current_timestamp()\n\
                   ) ENGINE=InnoDB DEFAULT CHARSET=latin1 COLLATE=latin1_swedish_ci";
        let table = table(sql, Flavor::Mariadb, 101_106);
        assert!(table.columns[0].json_valid && table.columns[0].ty.base == BaseType::LongText);
        assert!(table.columns[1].on_update_now);
    }

    #[test]
    fn only_create_table() {
        let session = Session {
            server: ServerInfo::default(),
            sql_mode: SqlMode::default(),
            lower_case_table_names: 0,
            explicit_defaults_for_timestamp: true,
        };
        let error = parse_create_table("DROP TABLE t", &TableId::new("s", "t"), &session).unwrap_err();
        assert_eq!(error.code(), Code::SchemaTrackerInvalidCreateTableStmt);
        assert!(parse_create_table("CREATE TABLE t LIKE u", &TableId::new("s", "t"), &session).is_err());
    }
}
