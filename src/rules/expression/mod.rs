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
mod pattern;
mod regexp;
mod release;
mod temporal;
#[cfg(test)]
mod tests;
mod typed;
mod zone;

pub use filters::{Compiled, Explained, Filters, check};
pub use zone::Zone;

use crate::{
    mysql::value::Value,
    schema::{ServerInfo, model::TableInfo},
};

/// Whether a text is an expression at all; the error says what is wrong.
pub fn check_grammar(text: &str) -> Result<(), String> {
    let tree = parse::parse(text)?;
    compile::Compiler { table: None, zone: Zone::UTC, server: ServerInfo::default() }.node(&tree).map(drop)
}

/// One expression over one table's rows.
pub struct Expression {
    /// As the source's release evaluates it, or as the two that its version lies between.
    ways: Vec<(node::Node, ServerInfo)>,
    zone: Zone,
}

impl Expression {
    /// Compiles a text for a source of this flavor and version, where they differ. The error says what is wrong with it.
    pub fn new(text: &str, table: &TableInfo, zone: Zone, server: ServerInfo) -> Result<Expression, String> {
        let tree = parse::parse(text)?;
        let way = |server| {
            let node = compile::Compiler { table: Some(table), zone, server }.node(&tree)?;
            Ok((node, server))
        };
        Ok(Expression { ways: release::known(server).into_iter().map(way).collect::<Result<_, String>>()?, zone })
    }

    /// Whether it is true for a row (one value for each column); None for NULL. `now` is the moment of the change in
    /// microseconds since 1970. The error is the one that the server's statement would end with, or says that servers
    /// older and newer than the source have different values for this row.
    pub fn truth(&self, row: &[Value], now: i64) -> Result<Option<bool>, String> {
        self.agreed(|node, server| node.truth(&node::Cx::new(row, self.zone, now, server)))
    }

    /// Its value as the server prints it to a session in utf8mb4; None for NULL. Holds row values: never for a log.
    /// Errors as [`Expression::truth`].
    pub fn value(&self, row: &[Value], now: i64) -> Result<Option<Vec<u8>>, String> {
        self.agreed(|node, server| {
            let cx = node::Cx::new(row, self.zone, now, server);
            let value = convert::sent(node.eval(&cx)?, &node.ty, server);
            Ok(convert::text(value, &node.ty).map(|text| text.into_owned()))
        })
    }

    fn agreed<T: PartialEq>(
        &self,
        evaluate: impl Fn(&node::Node, ServerInfo) -> Result<T, typed::Failure>,
    ) -> Result<T, String> {
        let mut ways = self.ways.iter().map(|(node, server)| (evaluate(node, *server), server.version));
        let Some((first, older)) = ways.next() else { return Err("no release evaluates it".into()) };
        if let Some((second, newer)) = ways.next()
            && first.as_ref().ok() != second.as_ref().ok()
        {
            let name = |version: u32| format!("{}.{}", version / 10_000, version / 100 % 100);
            return Err(format!(
                "the source's version lies between {} and {}, which have different values for it",
                name(older),
                name(newer)
            ));
        }
        first.map_err(|failure| failure.0)
    }
}
