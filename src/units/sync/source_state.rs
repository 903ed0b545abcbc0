//! `<meta-schema>.<task>_source_state`: what must be remembered of a source beside DM's checkpoint, by name.
//!
//! | name | value |
//! |---|---|
//! | `xa` | JSON: XA transactions that are prepared at the checkpoint and not yet decided |
//! | `server` | which server the checkpoint's position is of (tasks without GTIDs) |
//! | `start-time` | the `--start-time` that the checkpoint came from |

use std::{collections::BTreeMap, sync::Arc};

use mysql_async::{Conn, prelude::Queryable};

use super::{progress::MetaTables, target::Target, xa::OpenXa};
use crate::{error::DmError, schema::model::quote_text};

/// What is stored.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct SourceState {
    pub open_xa: OpenXa,
    pub server: Option<String>,
    pub start_time: Option<String>,
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
            "server" => state.server = Some(value),
            "start-time" => state.start_time = Some(value),
            _ => {}
        }
    }
    Ok(state)
}
