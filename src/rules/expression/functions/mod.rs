//! Functions, by topic. Each file says which names it knows, what type a call has, and how it is evaluated.

mod address;
pub mod cast;
mod date;
mod date_format;
mod documents;
pub mod flow;
mod hash;
pub mod interval;
pub mod json;
mod number;
mod parts;
mod sets;
mod string;
mod substring;

use std::borrow::Cow;

use super::{
    collation::Collation,
    compare::aggregate,
    compile::{Built, Compiler},
    node::{Cx, Function, Node, Op},
    release,
    typed::{Evaluated, Failure, Kind, Type, Val, strength},
};
use crate::schema::ServerInfo;

/// A call's arguments while it is built.
pub struct Args<'a> {
    pub name: &'a str,
    pub nodes: Vec<Node>,
    pub server: ServerInfo,
}

impl Args<'_> {
    /// A call with this many arguments.
    pub fn call(self, least: usize, most: usize, ty: Type, function: Function) -> Built {
        self.check(least, most)?;
        Ok(Node { ty, op: Op::Call(function, self.nodes) })
    }

    pub fn check(&self, least: usize, most: usize) -> Result<(), String> {
        if (least..=most).contains(&self.nodes.len()) {
            return Ok(());
        }
        Err(format!("the function {} can't have {} arguments", self.name.to_uppercase(), self.nodes.len()))
    }

    /// The type of a text made of these arguments (all of them, or the first ones).
    pub fn text_type(&self, first: usize) -> Result<Type, String> {
        let bits = self.nodes.iter().any(|node| node.ty.kind == Kind::Bit);
        if bits && self.nodes.iter().any(|node| node.ty.kind.is_text() && !node.ty.is_binary()) {
            return Err("a BIT column beside a text is not supported; use BIN() or `+ 0`".into());
        }
        let (collation, strength) = aggregate(self.nodes.iter().take(first).map(|node| &node.ty))?;
        Ok(Type::text(collation, strength))
    }

    pub fn ty(&self, at: usize) -> Type {
        self.nodes.get(at).map_or(Type::null(), |node| node.ty)
    }

    /// Fractional digits of an argument as a time.
    pub fn time_scale(&self, at: usize) -> u8 {
        self.nodes.get(at).map_or(0, super::convert::node_time_scale)
    }

    /// The source is MySQL older than this version.
    pub fn mysql_before(&self, version: u32) -> bool {
        !self.server.is_mariadb() && self.server.version < version
    }

    /// MariaDB, or MySQL before 8.0: they have much of their old common code.
    pub fn is_old(&self) -> bool {
        self.server.is_mariadb() || self.mysql_before(release::MYSQL_80)
    }

    pub fn constant_int(&self, at: usize) -> Option<i64> {
        self.nodes.get(at).and_then(|node| node.as_const()).and_then(super::convert::int64)
    }
}

/// A text in the connection's character set, as functions of numbers and dates make it.
pub fn plain_text() -> Type {
    Type::text(Collation::CONNECTION, strength::LITERAL)
}

/// Builds a call. The error names a function that is not known.
pub fn build(compiler: &Compiler<'_>, name: &str, nodes: Vec<Node>) -> Built {
    let mut args = Args { name, nodes, server: compiler.server };
    for topic in [
        string::build,
        substring::build,
        number::build,
        date::build,
        parts::build,
        hash::build,
        json::build,
        address::build,
        sets::build,
        documents::build,
    ] {
        match topic(args) {
            Ok(built) => return built,
            Err(given) => args = given,
        }
    }
    match super::regexp::function(compiler, args) {
        Ok(built) => return built,
        Err(given) => args = given,
    }
    match flow::build(compiler, args) {
        Ok(built) => built,
        Err(args) => Err(unknown(args.name)),
    }
}

/// What a topic makes of a call: a node or an error; the arguments again when it doesn't know the name.
pub type Topic<'a> = Result<Built, Args<'a>>;

const NO_VALUE: [&str; 24] = [
    "rand",
    "uuid",
    "uuid_short",
    "sleep",
    "user",
    "current_user",
    "session_user",
    "system_user",
    "database",
    "schema",
    "version",
    "connection_id",
    "last_insert_id",
    "row_count",
    "found_rows",
    "benchmark",
    "get_lock",
    "release_lock",
    "is_free_lock",
    "is_used_lock",
    "load_file",
    "sysdate",
    "name_const",
    "random_bytes",
];
const AGGREGATES: [&str; 12] = [
    "count",
    "sum",
    "avg",
    "min",
    "max",
    "group_concat",
    "std",
    "stddev",
    "variance",
    "bit_and",
    "bit_or",
    "json_arrayagg",
];

fn unknown(name: &str) -> String {
    let upper = name.to_uppercase();
    if NO_VALUE.contains(&name) {
        return format!("the function {upper} has no value that belongs to a row");
    }
    if AGGREGATES.contains(&name) {
        return format!("the aggregate {upper} can't be evaluated over one row");
    }
    format!("the function {upper} is not supported")
}

/// Whether a function's value depends on the moment, so that it can't be computed once.
pub fn depends_on_time(function: Function) -> bool {
    date::TIME_DEPENDENT.iter().any(|known| std::ptr::fn_addr_eq(*known, function))
}

/// The text of an argument; None for NULL or a missing argument.
pub fn text_arg<'a>(args: &'a [Node], at: usize, cx: &Cx<'a>) -> Result<Option<Cow<'a, [u8]>>, Failure> {
    args.get(at).map_or(Ok(None), |node| node.text(cx))
}

/// The text of an argument as a call's own collation needs it: bytes when that is binary.
pub fn joined_arg<'a>(node: &Node, args: &'a [Node], at: usize, cx: &Cx<'a>) -> Result<Option<Cow<'a, [u8]>>, Failure> {
    let Some(arg) = args.get(at) else { return Ok(None) };
    if node.ty.collation.is_binary() && !arg.ty.collation.is_binary() {
        return arg.stored(cx);
    }
    let text = arg.text(cx)?;
    let bytes = !node.ty.collation.is_binary() && is_bytes(&arg.ty);
    Ok(if bytes { text.map(|text| super::compare::decoded(text, &node.ty.collation)) } else { text })
}

pub fn int_arg<'a>(args: &'a [Node], at: usize, cx: &Cx<'a>) -> Result<Option<i64>, Failure> {
    args.get(at).map_or(Ok(None), |node| node.int(cx))
}

pub fn real_arg<'a>(args: &'a [Node], at: usize, cx: &Cx<'a>) -> Result<Option<f64>, Failure> {
    args.get(at).map_or(Ok(None), |node| node.real(cx))
}

pub fn value_arg<'a>(args: &'a [Node], at: usize, cx: &Cx<'a>) -> Evaluated<'a> {
    args.get(at).map_or(Ok(Val::Null), |node| node.eval(cx))
}

/// The longest text that a function makes, as max_allowed_packet bounds it on the server.
pub const MAX_TEXT: usize = 64 << 20;

/// Whether a type's texts are bytes.
pub fn is_bytes(ty: &Type) -> bool {
    ty.collation.is_binary() && matches!(ty.kind, Kind::Text | Kind::Hex | Kind::Bit | Kind::Enum | Kind::Set)
}
