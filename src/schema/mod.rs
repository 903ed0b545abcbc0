//! What a table looks like: the table model, MySQL's and MariaDB's DDL grammar, the tracker that follows DDL, reading
//! structures from a live server, and TiDB's JSON form of a structure (the checkpoint's `table_info`).
//!
//! Everything but `load` is pure. Start with `model` (what a table is), then `ddl` (what a statement says), then
//! `tracker` (what a statement does to a table).

pub mod charset;
pub mod collation;
pub mod column_type;
pub mod create_text;
pub mod ddl;
pub mod load;
pub mod logged;
pub mod model;
pub mod partition;
pub mod server;
pub mod symbol;
pub mod table_info;
pub mod tracker;

pub use column_type::{BaseType, ColumnType};
pub use model::{
    Column, DefaultValue, ForeignKey, Generated, Index, IndexColumn, IndexKind, TableId, TableInfo, UniqueKey,
};
pub use server::{ServerInfo, SqlMode};
pub use symbol::Symbol;
pub use tracker::{Change, Tracker};
