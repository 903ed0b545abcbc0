//! A compiled expression: typed nodes, evaluated over one row.

use std::borrow::Cow;

use super::{
    ast::Truth,
    collation::{Charset, Collation},
    compare::Comparison,
    convert,
    like::LikeNode,
    number,
    regexp::RegexpNode,
    release::{MARIADB_1011, MYSQL_57, MYSQL_80},
    typed::{Evaluated, Failure, Type, Val},
    zone::Zone,
};
use crate::{
    mysql::value::{Date, Value},
    schema::ServerInfo,
};

/// What an expression is evaluated over.
#[derive(Clone, Copy)]
pub struct Cx<'a> {
    pub row: &'a [Value],
    pub zone: Zone,
    /// The moment of the change: microseconds since 1970 in UTC.
    pub now: i64,
    /// Where MariaDB's result differs from MySQL's, the source's counts.
    pub mariadb: bool,
    /// The source's version as [`ServerInfo`] has it: 5.7.44 is 50744.
    pub version: u32,
}

impl<'a> Cx<'a> {
    /// For a row on a source.
    pub fn new(row: &'a [Value], zone: Zone, now: i64, server: ServerInfo) -> Cx<'a> {
        Cx { row, zone, now, mariadb: server.is_mariadb(), version: server.version }
    }

    /// MySQL older than this version.
    pub fn mysql_before(&self, version: u32) -> bool {
        !self.mariadb && self.version < version
    }

    /// The day of the change in the session's zone.
    pub fn today(&self) -> Option<Date> {
        self.zone.local(self.now, 0).map(|at| at.date)
    }
}

/// A typed expression.
pub struct Node {
    pub ty: Type,
    pub op: Op,
}

/// Evaluates a function over its arguments; `node` is the call itself.
pub type Function = for<'a> fn(node: &'a Node, args: &'a [Node], cx: &Cx<'a>) -> Evaluated<'a>;

/// What a node does.
pub enum Op {
    Const(Val<'static>),
    Column(usize, Reader),
    /// `top`: only whether it is true counts, so that a NULL decides.
    And {
        parts: Vec<Node>,
        top: bool,
    },
    Or(Vec<Node>),
    Is {
        value: Box<Node>,
        what: Truth,
        negated: bool,
    },
    Compare {
        test: Test,
        how: Comparison,
        sides: Box<(Node, Node)>,
    },
    Between {
        how: (Comparison, Comparison),
        parts: Box<(Node, Node, Node)>,
        negated: bool,
    },
    In {
        value: Box<Node>,
        list: Vec<(Comparison, Node)>,
        negated: bool,
    },
    Like(Box<LikeNode>),
    Regexp(Box<RegexpNode>),
    Case {
        operand: Option<Box<Node>>,
        branches: Vec<Branch>,
        otherwise: Option<Box<Node>>,
    },
    Call(Function, Vec<Node>),
}

/// WHEN .. THEN ..
pub struct Branch {
    /// How the operand compares with `when`; None: `when` is a condition.
    pub how: Option<Comparison>,
    pub when: Node,
    pub then: Node,
}

/// Comparison operators.
#[allow(missing_docs)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Test {
    Equal,
    NullSafe,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
}

impl Test {
    pub fn holds(self, order: std::cmp::Ordering) -> bool {
        match self {
            Test::Equal | Test::NullSafe => order.is_eq(),
            Test::NotEqual => order.is_ne(),
            Test::Less => order.is_lt(),
            Test::LessEqual => order.is_le(),
            Test::Greater => order.is_gt(),
            Test::GreaterEqual => order.is_ge(),
        }
    }
}

/// How a column's stored value becomes a value.
pub enum Reader {
    /// Numbers, dates and times.
    Plain,
    /// A TIMESTAMP column: the servers know its zero moment from other zero dates.
    Timestamp,
    /// Integers of an unsigned column of this many bits, where the row doesn't say it.
    Unsigned(u8),
    Text(Charset),
    /// BINARY(n): trailing zero bytes are not in the row.
    Binary(usize),
    Enum(Vec<String>),
    Set(Vec<String>),
    /// JSON as text (MariaDB) or MySQL's.
    Json,
}

impl Node {
    /// A constant.
    pub fn constant(ty: Type, value: Val<'static>) -> Node {
        Node { ty, op: Op::Const(value) }
    }

    /// Its value when it is a constant.
    pub fn as_const(&self) -> Option<&Val<'static>> {
        match &self.op {
            Op::Const(value) => Some(value),
            _ => None,
        }
    }

    pub fn is_column(&self) -> bool {
        matches!(self.op, Op::Column(..))
    }

    /// The value over a row.
    pub fn eval<'a>(&'a self, cx: &Cx<'a>) -> Evaluated<'a> {
        match &self.op {
            Op::Const(value) => Ok(borrow(value)),
            Op::Column(offset, reader) => read(cx.row.get(*offset), reader, cx),
            Op::And { parts, top } => connect(parts, cx, false, *top),
            Op::Or(parts) => connect(parts, cx, true, false),
            Op::Is { value, what, negated } => {
                let value = value.eval(cx)?;
                let holds = match what {
                    Truth::Null => value.is_null(),
                    Truth::True => convert::truth(&value, cx) == Some(true),
                    Truth::False => convert::truth(&value, cx) == Some(false),
                };
                Ok(Val::Int((holds != *negated).into()))
            }
            Op::Compare { test, how, sides } => compare(*test, how, sides, cx),
            Op::Between { how, parts, negated } => between(how, parts, *negated, cx),
            Op::In { value, list, negated } => is_in(value, list, *negated, cx),
            Op::Like(like) => like.eval(cx),
            Op::Regexp(regexp) => regexp.eval(cx),
            Op::Case { operand, branches, otherwise } => case(operand.as_deref(), branches, otherwise.as_deref(), cx),
            Op::Call(function, args) => function(self, args, cx),
        }
    }

    /// The text of the value; None for NULL.
    pub fn text<'a>(&'a self, cx: &Cx<'a>) -> Result<Option<Cow<'a, [u8]>>, Failure> {
        let value = self.eval(cx)?;
        if let Val::Real(n) = value
            && n == 0.0
            && cx.mariadb
            && cx.version / 100 == MARIADB_1011 / 100
        {
            // Fixed there (10.11.19), not in 10.5 and 11.8: a zero has no sign.
            return Ok(convert::text(Val::Real(0.0), &self.ty));
        }
        if let Val::Real(n) = value
            && self.ty.scale == Type::FREE
            && !cx.mariadb
            && cx.version >= MYSQL_80
        {
            return Ok(Some(Cow::Owned(number::short_real_text(n).into_bytes())));
        }
        Ok(convert::text(value, &self.ty))
    }

    /// The text as a collation's character set stores it, for work on bytes.
    pub fn stored<'a>(&'a self, cx: &Cx<'a>) -> Result<Option<Cow<'a, [u8]>>, Failure> {
        let Some(text) = self.text(cx)? else { return Ok(None) };
        Ok(Some(stored(text, self.ty.collation)))
    }

    pub fn int<'a>(&'a self, cx: &Cx<'a>) -> Result<Option<i64>, Failure> {
        Ok(convert::int64(&self.eval(cx)?))
    }

    pub fn real<'a>(&'a self, cx: &Cx<'a>) -> Result<Option<f64>, Failure> {
        Ok(convert::real(&self.eval(cx)?))
    }

    pub fn truth<'a>(&'a self, cx: &Cx<'a>) -> Result<Option<bool>, Failure> {
        Ok(convert::truth(&self.eval(cx)?, cx))
    }
}

/// UTF-8 to the bytes of a character set.
pub fn stored(text: Cow<'_, [u8]>, collation: Collation) -> Cow<'_, [u8]> {
    match collation.charset.encode(&text) {
        Cow::Borrowed(_) => text,
        Cow::Owned(bytes) => Cow::Owned(bytes),
    }
}

/// The same value without copying.
pub fn borrow<'a>(value: &'a Val<'_>) -> Val<'a> {
    match value {
        Val::Text(text) => Val::Text(Cow::Borrowed(text)),
        Val::Hex(bytes) => Val::Hex(Cow::Borrowed(bytes)),
        Val::Json(json) => Val::Json(Cow::Borrowed(json)),
        other => other.clone(),
    }
}

fn read<'a>(value: Option<&'a Value>, reader: &'a Reader, cx: &Cx<'a>) -> Evaluated<'a> {
    let value = value.ok_or_else(|| Failure("the row lacks a column".into()))?;
    Ok(match (value, reader) {
        (Value::Null, _) => Val::Null,
        (Value::Int(n), Reader::Unsigned(bits)) if *n < 0 => match Value::Int(*n).unsigned(*bits) {
            Value::UInt(n) => Val::UInt(n),
            _ => Val::Int(*n),
        },
        (Value::Int(n), Reader::Unsigned(_)) => Val::UInt(*n as u64),
        (Value::Int(n), _) => Val::Int(*n),
        (Value::UInt(n), _) => Val::UInt(*n),
        (Value::Float(n), _) => Val::Float(*n),
        (Value::Double(n), _) => Val::Real(*n),
        (Value::Decimal(n), _) => super::decimal::Dec::parse(n.as_bytes()).map_or(Val::Null, Val::Dec),
        (Value::Bytes(bytes), Reader::Text(charset)) => Val::Text(charset.decode(bytes)),
        (Value::Bytes(bytes), Reader::Binary(length)) if bytes.len() < *length => {
            let mut padded = bytes.to_vec();
            padded.resize(*length, 0);
            Val::owned(padded)
        }
        (Value::Bytes(bytes), Reader::Json) => json(std::str::from_utf8(bytes).unwrap_or_default())?,
        (Value::Bytes(bytes), _) => Val::Text(Cow::Borrowed(bytes)),
        (Value::Bit { bits, len }, _) => Val::Bit(*bits, *len),
        (Value::Enum(index), Reader::Enum(names)) => {
            let name = usize::from(*index).checked_sub(1).and_then(|i| names.get(i)).map_or("", String::as_str);
            Val::Enum(*index, name)
        }
        (Value::Enum(index), _) => Val::UInt((*index).into()),
        (Value::Set(mask), Reader::Set(names)) => {
            let chosen = names.iter().take(64).enumerate().filter(|(i, _)| mask >> i & 1 == 1);
            Val::Set(*mask, chosen.map(|(_, name)| name.as_str()).collect::<Vec<_>>().join(","))
        }
        (Value::Set(mask), _) => Val::UInt(*mask),
        (Value::Year(year), _) => Val::Year(*year),
        (Value::Date(date), _) => Val::Date(*date),
        (Value::Time(time), _) => Val::Time(*time),
        (Value::DateTime(at), _) => Val::DateTime(*at),
        (Value::Timestamp(at), _) if at.seconds == 0 && at.micros == 0 => Val::DateTime(at.to_datetime()),
        (Value::Timestamp(at), _) => {
            let micros = i64::from(at.seconds) * 1_000_000 + i64::from(at.micros);
            cx.zone.local(micros, at.fsp).map_or(Val::Null, Val::DateTime)
        }
        (Value::Json(text), _) => json(text)?,
    })
}

fn json<'a>(text: &str) -> Evaluated<'a> {
    let value = super::json::parse(text).ok_or_else(|| Failure("a JSON value can't be read".into()))?;
    Ok(Val::Json(Cow::Owned(value)))
}

/// AND (`decisive` false) and OR (true): the first decisive part decides; else NULL if a part is NULL.
fn connect<'a>(parts: &'a [Node], cx: &Cx<'a>, decisive: bool, top: bool) -> Evaluated<'a> {
    let mut unknown = false;
    for part in parts {
        match part.truth(cx)? {
            Some(value) if value == decisive => return Ok(Val::Int(decisive.into())),
            None if top => return Ok(Val::Null),
            None => unknown = true,
            _ => {}
        }
    }
    Ok(Val::truth((!unknown).then_some(!decisive)))
}

fn compare<'a>(test: Test, how: &Comparison, sides: &'a (Node, Node), cx: &Cx<'a>) -> Evaluated<'a> {
    let a = sides.0.eval(cx)?;
    if a.is_null() && test != Test::NullSafe {
        return Ok(Val::Null);
    }
    let b = sides.1.eval(cx)?;
    if test == Test::NullSafe && (a.is_null() || b.is_null()) {
        return Ok(Val::Int((a.is_null() && b.is_null()).into()));
    }
    let order = how.order((a, &sides.0.ty), (b, &sides.1.ty), cx);
    match order {
        None if test == Test::NullSafe => Ok(Val::Int(0)),
        order => Ok(Val::truth(order.map(|order| test.holds(order)))),
    }
}

fn between<'a>(
    how: &(Comparison, Comparison),
    parts: &'a (Node, Node, Node),
    negated: bool,
    cx: &Cx<'a>,
) -> Evaluated<'a> {
    let (value, low, high) = parts;
    let given = value.eval(cx)?;
    if given.is_null() {
        return Ok(Val::Null);
    }
    let integers = *how == (Comparison::Integer, Comparison::Integer);
    if integers && cx.mysql_before(MYSQL_57) {
        return old_between(&given, (low, high), negated, cx);
    }
    let above = how.0.order((borrow(&given), &value.ty), (low.eval(cx)?, &low.ty), cx).map(|o| o.is_ge());
    let most = high.eval(cx)?;
    // MySQL 5.7 takes the upper bound of an unsigned integer as unsigned: a negative one bounds nothing.
    let unbound =
        cx.mysql_before(MYSQL_80) && value.ty.unsigned && integers && convert::integer(&most).is_some_and(|n| n < 0);
    let below = how.1.order((borrow(&given), &value.ty), (most, &high.ty), cx).map(|o| o.is_le() || unbound);
    let holds = match (above, below) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (Some(true), Some(true)) => Some(true),
        _ => None,
    };
    Ok(Val::truth(holds.map(|holds| holds != negated)))
}

/// MySQL 5.6 takes all bits as signed.
fn old_between<'a>(given: &Val<'a>, limits: (&'a Node, &'a Node), negated: bool, cx: &Cx<'a>) -> Evaluated<'a> {
    let signed = |value: &Val<'_>| convert::integer(value).map(|n| n as i64);
    let (low, high) = (limits.0.eval(cx)?, limits.1.eval(cx)?);
    let (n, low, high) = (signed(given), signed(&low), signed(&high));
    let holds = match (low.map(|low| n >= Some(low)), high.map(|high| n <= Some(high))) {
        (Some(false), _) | (_, Some(false)) => Some(false),
        (above, below) => above.and(below),
    };
    Ok(Val::truth(holds.map(|holds| holds != negated)))
}

fn is_in<'a>(value: &'a Node, list: &'a [(Comparison, Node)], negated: bool, cx: &Cx<'a>) -> Evaluated<'a> {
    let given = value.eval(cx)?;
    if given.is_null() {
        if list.len() > 1 && !cx.mariadb && !cx.mysql_before(MYSQL_57) && value.as_const().is_none() {
            // MySQL looks at the items all the same: they may fail.
            list.iter().try_for_each(|(_, item)| item.eval(cx).map(drop))?;
        }
        return Ok(Val::Null);
    }
    let mut unknown = false;
    for (how, item) in list {
        match how.order((borrow(&given), &value.ty), (item.eval(cx)?, &item.ty), cx) {
            Some(order) if order.is_eq() => return Ok(Val::Int((!negated).into())),
            None => unknown = true,
            _ => {}
        }
    }
    Ok(Val::truth((!unknown).then_some(negated)))
}

fn case<'a>(
    operand: Option<&'a Node>,
    branches: &'a [Branch],
    otherwise: Option<&'a Node>,
    cx: &Cx<'a>,
) -> Evaluated<'a> {
    let given = operand.map(|node| node.eval(cx).map(|value| (value, &node.ty))).transpose()?;
    for branch in branches {
        let taken = match (&given, &branch.how) {
            (Some((value, ty)), Some(how)) => {
                let order = how.order((borrow(value), ty), (branch.when.eval(cx)?, &branch.when.ty), cx);
                order.is_some_and(|order| order.is_eq())
            }
            _ => convert::condition(&branch.when.eval(cx)?, cx) == Some(true),
        };
        if taken {
            return branch.then.eval(cx);
        }
    }
    otherwise.map_or(Ok(Val::Null), |node| node.eval(cx))
}

/// A value that keeps nothing of the row.
pub fn into_owned(value: Val<'_>) -> Option<Val<'static>> {
    Some(match value {
        Val::Null => Val::Null,
        Val::Int(n) => Val::Int(n),
        Val::UInt(n) => Val::UInt(n),
        Val::Real(n) => Val::Real(n),
        Val::Float(n) => Val::Float(n),
        Val::Dec(n) => Val::Dec(n),
        Val::Text(text) => Val::Text(Cow::Owned(text.into_owned())),
        Val::Hex(bytes) => Val::Hex(Cow::Owned(bytes.into_owned())),
        Val::Enum(..) => return None,
        Val::Set(mask, names) => Val::Set(mask, names),
        Val::Year(year) => Val::Year(year),
        Val::Bit(bits, length) => Val::Bit(bits, length),
        Val::Date(date) => Val::Date(date),
        Val::Time(time) => Val::Time(time),
        Val::DateTime(at) => Val::DateTime(at),
        Val::Json(json) => Val::Json(Cow::Owned(json.into_owned())),
    })
}
