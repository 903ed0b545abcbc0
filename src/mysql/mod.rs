//! Everything that speaks with MySQL's family of servers: connections, positions and GTID sets of both flavours,
//! the binlog, values and their SQL text.

pub mod binlog;
pub mod connect;
pub mod error;
pub mod gtid;
pub mod ident;
pub mod json;
pub mod literal;
pub mod parameter;
pub mod position;
pub mod rows;
pub mod server;
pub mod sql_text;
pub mod text_value;
pub mod tls;
pub mod value;
pub mod vector;

pub use connect::{ConnectOptions, connect, within};
pub use error::{db_error, db_error_sql, is_connection_lost, is_retryable, server_errno};
pub use gtid::{Gtid, GtidSet};
pub use ident::{quote_ident, quote_table, quote_text};
pub use json::Json;
pub use literal::{Encoding, literal};
pub use position::{BinlogPosition, Location};
pub use rows::RowConn;
pub use server::{ServerInfo, show_binary_logs, show_master_status};
pub use value::Value;
