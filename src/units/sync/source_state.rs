//! `<meta-schema>.<task>_source_state`: what must be remembered of a source beside DM's checkpoint, by name.
//!
//! | name | value |
//! |---|---|
//! | `xa` | JSON: XA transactions that are prepared at the checkpoint and not yet decided |
//! | `server` | which server the checkpoint's position is of (tasks without GTIDs) |
//! | `position` | the checkpoint's position when DM's column is too small for it (behind 4 GiB of a file) |
//! | `start-time` | the `--start-time` that the checkpoint came from |
//! | `ddl-sessions` | TiDB: ids of sessions that may hold the lock for DDL (`ddl_lock`) |

use std::{collections::BTreeMap, sync::Arc};

use mysql_async::{Conn, prelude::Queryable};

use super::{progress::MetaTables, target::Target, xa::OpenXa};
use crate::{
    error::DmError,
    mysql::position::{BinlogPosition, Location},
    schema::model::quote_text,
};

/// What is stored.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SourceState {
    pub open_xa: OpenXa,
    pub server: Option<String>,
    pub start_time: Option<String>,
    pub position: Option<BinlogPosition>,
}

impl SourceState {
    /// The checkpoint's place, with the position that its column had no room for.
    pub fn exact(&self, mut stored: Location) -> Location {
        if let Some(position) = &self.position
            && position.name == stored.position.name
            && stored.position.pos == u64::from(u32::MAX)
        {
            stored.position.pos = position.pos;
        }
        stored
    }
}

/// The statement that stores a position which DM's column has no room for.
pub fn put_position(tables: &MetaTables, source_id: &str, at: &BinlogPosition) -> Option<String> {
    (at.pos >= u64::from(u32::MAX)).then(|| put(tables, source_id, "position", &at.to_string()))
}

/// The statement that stores one value.
pub fn put(tables: &MetaTables, source_id: &str, name: &str, value: &str) -> String {
    format!(
        "INSERT INTO {} (source_id, name, value) VALUES ({}, {}, {}) ON DUPLICATE KEY UPDATE value = VALUES(value)",
        tables.source_state,
        quote_text(source_id),
        quote_text(name),
        quote_text(value)
    )
}

/// The statement that stores the open XA transactions.
pub fn put_open_xa(tables: &MetaTables, source_id: &str, open: &OpenXa) -> String {
    // Locations and ids: they have a JSON form.
    put(tables, source_id, "xa", &serde_json::to_string(&**open).unwrap_or_default())
}

/// Reads what is stored of a source.
pub async fn read(
    conn: &mut Conn,
    target: &Target,
    tables: &MetaTables,
    source_id: &str,
) -> Result<SourceState, DmError> {
    let sql = format!("SELECT name, value FROM {} WHERE source_id = {}", tables.source_state, quote_text(source_id));
    let rows: Vec<(String, String)> = conn.query(&sql).await.map_err(|e| target.query_error(&sql, &e))?;
    let mut state = SourceState::default();
    for (name, value) in rows {
        match name.as_str() {
            "xa" => {
                let open: BTreeMap<_, _> = serde_json::from_str(&value).map_err(|_| {
                    target.unexpected("the prepared XA transactions in the table of the source's state")
                })?;
                state.open_xa = Arc::new(open);
            }
            "position" => state.position = value.parse().ok(),
            "server" => state.server = Some(value),
            "start-time" => state.start_time = Some(value),
            _ => {}
        }
    }
    Ok(state)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_behind_4_gib_is_kept() {
        let tables = MetaTables::new("m", "t");
        let at = |pos| BinlogPosition::new("bin.000002", pos);
        assert_eq!(put_position(&tables, "s", &at(4_294_967_294)), None);
        let sql = put_position(&tables, "s", &at(5_000_000_000)).unwrap();
        assert!(sql.contains("'position', '(bin.000002, 5000000000)'"), "{sql}");
        let state = SourceState { position: Some(at(5_000_000_000)), ..SourceState::default() };
        let exact = |pos| state.exact(Location::new(at(pos), None)).position.pos;
        assert_eq!((exact(4_294_967_295), exact(77)), (5_000_000_000, 77));
    }
}
