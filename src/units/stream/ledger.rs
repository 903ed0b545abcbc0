//! The chunk ledger: rows of the load's progress table, one a schema, a table and a chunk.
//!
//! | row | `detail` | `position` | `done` |
//! |---|---|---|---|
//! | `db-schema-create.sql` | CREATE DATABASE | | 1 |
//! | `db.table-schema.sql` | SHOW CREATE TABLE when the load began | | 1 |
//! | `db.table.000000012.sql` | the chunk's condition | bytes of committed rows | all of them are in |
//!
//! `identity` of a table says which one it was when the load began (`dump::identity`; NULL: an earlier version began it). `snapshot` of a chunk says which place of the binlog its rows are of, where the sync unit must know it. The state row's
//! `dump_id` is set when the ledger is complete; what was stored before counts for nothing.

use std::fmt::Write as _;

use mysql_async::{Conn, Row, prelude::Queryable};
use sha2::{Digest, Sha256};

use crate::{
    config::SubtaskConfig,
    error::{Result, Scope},
    schema::model::{TableId, quote_text},
    units::{
        Fence,
        dump::{
            DumpLocation, DumpOptions,
            identity::Identity,
            names::{self, FileKind},
        },
        fence, link,
        load::store::{Store, absent_is_none, meta_error, number, text},
    },
};

/// A row of the ledger.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Entry {
    pub name: String,
    pub target_schema: String,
    pub target_table: String,
    /// The server's guess at the chunk's bytes.
    pub size: u64,
    pub position: u64,
    pub done: bool,
    /// Of a table: the target table had no rows when this load met it.
    pub was_empty: bool,
    pub detail: String,
    /// Of a table; None: not known.
    pub identity: Option<Identity>,
}

impl Entry {
    /// Schema and table of a chunk's row.
    pub fn chunk_of(&self) -> Option<(String, String)> {
        match names::parse(&self.name) {
            FileKind::Data { schema, table, .. } => Some((schema, table)),
            _ => None,
        }
    }

    /// Schema and table of a table's row.
    pub fn table_of(&self) -> Option<(String, String)> {
        match names::parse(&self.name) {
            FileKind::TableCreate { schema, table } => Some((schema, table)),
            _ => None,
        }
    }
}

/// What a streamed load depends on: with any other the ledger counts for nothing. Numbers of threads and sizes may change.
pub fn id(config: &SubtaskConfig, options: &DumpOptions) -> String {
    // Without GTIDs a position is of one server.
    let server = (!config.enable_gtid).then_some((&config.from.host, config.from.port));
    let text = format!(
        "{} {} {server:?} {:?} {} {:?} {:?} {:?} {}",
        config.name,
        config.source_id,
        config.block_allow_list,
        config.case_sensitive,
        config.routes,
        options.databases,
        options.tables,
        options.condition
    );
    let digest = Sha256::digest(text.as_bytes());
    digest.iter().take(28).fold("stream-".to_owned(), |mut out, byte| {
        // Writing to a String can't fail.
        let _ = write!(out, "{byte:02x}");
        out
    })
}

/// All rows of the source.
pub async fn read(store: &Store, conn: &mut Conn) -> Result<Vec<Entry>> {
    let sql = format!(
        "SELECT file_name, target_schema, target_table, file_size, position, done, was_empty, detail, identity FROM {} \
         WHERE source_id = {} ORDER BY file_name",
        store.progress, store.source
    );
    let rows: Vec<Row> = conn.query(&sql).await.map_err(|e| meta_error(&e, "read the chunk ledger"))?;
    Ok(rows.iter().map(entry).collect())
}

fn entry(row: &Row) -> Entry {
    Entry {
        name: text(row, 0),
        target_schema: text(row, 1),
        target_table: text(row, 2),
        size: number(row, 3),
        position: number(row, 4),
        done: number(row, 5) != 0,
        was_empty: number(row, 6) != 0,
        detail: text(row, 7),
        identity: serde_json::from_str(&text(row, 8)).ok(),
    }
}

/// Adds rows, those of earlier attempts having been forgotten.
pub async fn register(store: &Store, conn: &mut Conn, entries: &[Entry]) -> Result<()> {
    const ROWS: usize = 500;
    const BYTES: usize = 512 << 10;
    let Fence { cluster_id, epoch } = store.fence;
    let mut values: Vec<String> = Vec::new();
    let mut bytes = 0;
    for (at, e) in entries.iter().enumerate() {
        // Texts and numbers have a JSON form.
        let identity = e.identity.as_ref().and_then(|identity| serde_json::to_string(identity).ok());
        let identity = identity.map_or_else(|| "NULL".to_owned(), |json| quote_text(&json));
        values.push(format!(
            "({}, {}, {}, {}, {}, {}, {}, {}, {identity}, {cluster_id}, {epoch})",
            store.source,
            quote_text(&e.name),
            quote_text(&e.target_schema),
            quote_text(&e.target_table),
            e.size,
            u8::from(e.done),
            u8::from(e.was_empty),
            quote_text(&e.detail)
        ));
        bytes += e.detail.len();
        if values.len() < ROWS && bytes < BYTES && at + 1 < entries.len() {
            continue;
        }
        let sql = format!(
            "INSERT INTO {} (source_id, file_name, target_schema, target_table, file_size, done, was_empty, detail, \
             identity, cluster_id, epoch) VALUES {}",
            store.progress,
            values.join(", ")
        );
        store.fenced(conn, &[sql], "register the chunks").await?;
        (values, bytes) = (Vec::new(), 0);
    }
    Ok(())
}

fn place(prefix: &str, at: &DumpLocation) -> String {
    format!(
        "{prefix}_name = {}, {prefix}_pos = {}, {prefix}_gtid = {}",
        quote_text(&at.binlog_name),
        at.binlog_pos,
        quote_text(&at.gtid)
    )
}

/// The ledger is complete: its rows are of this snapshot, and sync will begin there.
pub async fn complete(
    store: &Store,
    conn: &mut Conn,
    id: &str,
    location: &DumpLocation,
    exit: &DumpLocation,
) -> Result<()> {
    let sql = format!(
        "UPDATE {} SET dump_id = {}, {}, {} WHERE source_id = {}",
        store.state,
        quote_text(id),
        place("binlog", location),
        place("exit", exit),
        store.source
    );
    store.fenced(conn, &[sql], "complete the chunk ledger").await
}

/// Chunks are read under a newer snapshot from now on: up to it sync must expect changes that are on the target already.
pub async fn newer_snapshot(store: &Store, conn: &mut Conn, exit: &DumpLocation) -> Result<()> {
    let sql = format!("UPDATE {} SET {} WHERE source_id = {}", store.state, place("exit", exit), store.source);
    store.fenced(conn, &[sql], "note the newer snapshot").await
}

/// All chunks of a target table, whose rows were removed, are to be read again.
pub async fn again(store: &Store, conn: &mut Conn, schema: &str, table: &str) -> Result<()> {
    let sql = format!(
        "UPDATE {} SET position = 0, done = 0, snapshot = NULL WHERE source_id = {} AND target_schema = {} AND \
         target_table = {} AND file_name NOT LIKE '%-schema.sql'",
        store.progress,
        store.source,
        quote_text(schema),
        quote_text(table)
    );
    store.fenced(conn, &[sql], "read a table again").await
}

/// These chunks are to be read from their beginning: rows that are there already are written once more.
pub async fn from_the_start(store: &Store, conn: &mut Conn, names: &[String]) -> Result<()> {
    for part in names.chunks(500) {
        let list: Vec<String> = part.iter().map(|name| quote_text(name)).collect();
        let sql = format!(
            "UPDATE {} SET position = 0 WHERE source_id = {} AND done = 0 AND file_name IN ({})",
            store.progress,
            store.source,
            list.join(", ")
        );
        store.fenced(conn, &[sql], "read chunks from their beginning").await?;
    }
    Ok(())
}

/// Opens a chunk's transaction: it takes the row's lock, and fails when a newer owner is there or the chunk doesn't stand
/// at `from`. [`close`] says where it stands behind the rows. `plain`: the rows' table has no transactions, so nothing may
/// be written before them.
pub fn open(store: &Store, name: &str, from: u64, plain: bool) -> String {
    let Fence { cluster_id, epoch } = store.fence;
    let row = format!("source_id = {} AND file_name = {}", store.source, quote_text(name));
    let condition = format!("cluster_id = {cluster_id} AND epoch <= {epoch} AND position = {from} AND done = 0");
    if plain {
        return format!("BEGIN; {}; ", fence::locked_if(&store.progress, &row, &condition));
    }
    format!(
        "BEGIN; UPDATE {} SET epoch = {epoch} + {}, done = 1 WHERE {row}; {}; ",
        store.progress,
        fence::zero_if(&condition),
        fence::ONE_ROW_UPDATED
    )
}

/// Opens a transaction with whole chunks, given by their names and bytes: as [`open`] and [`close`] for each of them. The
/// order of assignments matters: the fence looks at the row as it was.
pub fn together(store: &Store, chunks: &[(&str, u64)]) -> String {
    let Fence { cluster_id, epoch } = store.fence;
    let condition = format!("cluster_id = {cluster_id} AND epoch <= {epoch} AND position = 0 AND done = 0");
    let names: Vec<String> = chunks.iter().map(|(name, _)| quote_text(name)).collect();
    let positions: String =
        names.iter().zip(chunks).map(|(name, (_, bytes))| format!(" WHEN {name} THEN {bytes}")).collect();
    // Without the hint a server whose figures are old may read, and lock, the whole table.
    format!(
        "BEGIN; UPDATE {} FORCE INDEX (PRIMARY) SET epoch = {epoch} + {}, position = CASE file_name{positions} END, done = 1 \
         WHERE source_id = {} AND file_name IN ({}); {}; ",
        store.progress,
        fence::zero_if(&condition),
        store.source,
        names.join(", "),
        fence::rows_updated(chunks.len())
    )
}

/// Ends a chunk's transaction.
pub fn close(store: &Store, name: &str, to: u64, done: bool, snapshot: Option<&DumpLocation>) -> String {
    // A location is strings and a number: it has a JSON form.
    let snapshot = snapshot.and_then(|at| serde_json::to_string(at).ok());
    let snapshot = snapshot.map_or_else(String::new, |json| format!(", snapshot = {}", quote_text(&json)));
    format!(
        "UPDATE {} SET position = {to}, done = {}{snapshot} WHERE source_id = {} AND file_name = {}; COMMIT",
        store.progress,
        u8::from(done),
        store.source,
        quote_text(name)
    )
}

/// The CREATE statements of schemas and tables when the load began.
pub async fn structures(config: &SubtaskConfig) -> Result<Vec<(FileKind, String)>> {
    let rows = details(config, "detail", "AND file_name LIKE '%-schema%'").await?;
    Ok(rows.into_iter().map(|(name, text)| (names::parse(&name), text)).collect())
}

/// Tables whose changes up to a place are on the target already and must not be applied again.
pub async fn exact_tables(config: &SubtaskConfig) -> Result<Vec<(TableId, DumpLocation)>> {
    let rows = details(config, "snapshot", "").await?;
    let known = rows.into_iter().filter_map(|(name, json)| match names::parse(&name) {
        // Of a streamed load, and of files.
        FileKind::Data { schema, table, .. } | FileKind::TableCreate { schema, table } => {
            Some((TableId::new(schema.as_str(), table.as_str()), serde_json::from_str(&json).ok()?))
        }
        _ => None,
    });
    Ok(known.collect())
}

async fn details(config: &SubtaskConfig, column: &str, condition: &str) -> Result<Vec<(String, String)>> {
    let mut conn = link::connect(&config.to, &[], Scope::Downstream).await?;
    let store = Store::new(config, Fence { cluster_id: 0, epoch: 0 });
    let sql = format!(
        "SELECT file_name, {column} FROM {} WHERE source_id = {} AND {column} IS NOT NULL {condition}",
        store.progress, store.source
    );
    let found = match conn.query(&sql).await {
        // The table of an earlier version.
        Err(e) if link::errno(&e) == 1054 => Ok(None),
        found => found.map(Some),
    };
    let rows: Option<Vec<Row>> = absent_is_none(found, "read the chunk ledger")?;
    Ok(rows.unwrap_or_default().iter().map(|row| (text(row, 0), text(row, 1))).collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::subtask::{DbConfig, MydumperConfig};

    #[test]
    fn settings_of_speed_keep_the_ledger() {
        let config = SubtaskConfig::default();
        let of = |mydumper: &MydumperConfig| id(&config, &DumpOptions::new(mydumper, &DbConfig::default()).unwrap());
        let plain = of(&MydumperConfig::default());
        assert_eq!(plain.len(), 63);
        assert_eq!(of(&MydumperConfig { threads: 9, rows: 7, ..MydumperConfig::default() }), plain);
        assert_ne!(of(&MydumperConfig { r#where: "a > 1".into(), ..MydumperConfig::default() }), plain);
    }

    #[test]
    fn names_tell_what_a_row_is() {
        let entry = |name: String| Entry { name, ..Entry::default() };
        let both = Some(("d.b".to_owned(), "t-schema".to_owned()));
        let chunk = entry(names::data_file("d.b", "t-schema", 12, None));
        assert_eq!((chunk.chunk_of(), chunk.table_of()), (both.clone(), None));
        let table = entry(names::table_file("d.b", "t-schema"));
        assert_eq!((table.chunk_of(), table.table_of()), (None, both));
    }
}
