//! Expression filters (config facts 6.4, manual 1.4.3): row changes that are not migrated because an expression over
//! their values is true. Filters apply to changes of the binlog, not to the dump.
//!
//! An expression is parsed once, compiled against the table's structure once for each structure, and evaluated over
//! each row as a session with `sql_mode = ''` on the source would; see docs/decisions/0012.

mod arith;
mod ast;
pub mod collation;
mod compare;
mod compare_time;
mod compile;
mod convert;
mod decimal;
mod filters;
mod functions;
mod json;
mod like;
mod literal;
mod node;
mod number;
mod parse;
mod temporal;
#[cfg(test)]
mod tests;
mod typed;
mod zone;

pub use filters::{Compiled, Explained, Filters, check};
pub use zone::Zone;

use crate::{config::subtask::Flavor, mysql::value::Value, schema::model::TableInfo};

/// Whether a text is an expression at all; the error says what is wrong.
pub fn check_grammar(text: &str) -> Result<(), String> {
    let tree = parse::parse(text)?;
    compile::Compiler { table: None, zone: Zone::UTC, mariadb: false }.node(&tree).map(drop)
}

/// One expression over one table's rows.
pub struct Expression {
    node: node::Node,
    zone: Zone,
    mariadb: bool,
}

impl Expression {
    /// Compiles a text for a source of this flavor. The error says what is wrong with it.
    pub fn new(text: &str, table: &TableInfo, zone: Zone, flavor: Flavor) -> Result<Expression, String> {
        let tree = parse::parse(text)?;
        let mariadb = flavor == Flavor::Mariadb;
        let node = compile::Compiler { table: Some(table), zone, mariadb }.node(&tree)?;
        Ok(Expression { node, zone, mariadb })
    }

    /// Whether it is true for a row (one value for each column); None for NULL. `now` is the moment of the change in
    /// microseconds since 1970. The error is the one that the server's statement would end with.
    pub fn truth(&self, row: &[Value], now: i64) -> Result<Option<bool>, String> {
        let cx = node::Cx { row, zone: self.zone, now, mariadb: self.mariadb };
        self.node.truth(&cx).map_err(|failure| failure.0)
    }

    /// Its value as the server prints it to a session in utf8mb4; None for NULL. Holds row values: never for a log.
    pub fn value(&self, row: &[Value], now: i64) -> Result<Option<Vec<u8>>, String> {
        let cx = node::Cx { row, zone: self.zone, now, mariadb: self.mariadb };
        self.node.text(&cx).map(|text| text.map(|text| text.into_owned())).map_err(|failure| failure.0)
    }
}
