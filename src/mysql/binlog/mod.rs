//! The binlog: a stream of events from a source's server, decoded from raw bytes.
//!
//! [`stream`] speaks the replication protocol, [`decode`] turns bytes into [`event`]s, [`rows`] into row changes.

pub mod by_id;
mod column;
mod compress;
pub mod consts;
pub(crate) mod cursor;
mod decimal;
pub mod decode;
pub mod event;
mod gtid_event;
mod json;
mod json_diff;
pub(crate) mod json_text;
pub(super) mod login;
mod old_time;
pub mod plan;
mod plan_print;
#[cfg(test)]
mod plan_tests;
mod query;
pub mod rows;
pub mod stream;
pub mod table_map;
#[cfg(test)]
mod tests;
pub(super) mod wire;

pub use decode::EventDecoder;
pub use event::{Event, EventBody, EventHeader, FormatDescription, GtidEvent, QueryEvent, StatusVars};
pub use plan::{Fields, RowImage, RowPlan};
pub use rows::{ColumnSet, Row, RowChange, Rows, RowsEvent, RowsKind};
pub use stream::{BinlogStream, StartPoint, StreamOptions};
pub use table_map::{Column, TableMap};
