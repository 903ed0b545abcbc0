//! From the syntax tree to typed nodes, against a table's structure.

use std::borrow::Cow;

use super::{
    arith,
    ast::{Ast, Binary, CastType, TemporalKind, Truth, Unary},
    collation::{Charset, Collation},
    compare::{self, aggregate},
    convert,
    decimal::Dec,
    functions, like,
    node::{Branch, Cx, Node, Op, Reader, Test, into_owned},
    number,
    release::{MARIADB_1011, MYSQL_80},
    typed::{Kind, Type, Val, strength},
    zone::Zone,
};
use crate::schema::{
    ServerInfo,
    column_type::BaseType,
    model::{Column, TableInfo, same_name},
};

pub type Built = Result<Node, String>;

/// Compiles expressions of one table.
pub struct Compiler<'a> {
    /// None: only names and functions are checked, each column counts as a text.
    pub table: Option<&'a TableInfo>,
    pub zone: Zone,
    /// The source: where servers differ, its results count.
    pub server: ServerInfo,
}

impl Compiler<'_> {
    /// For constants: there is no row.
    pub fn cx(&self) -> Cx<'static> {
        Cx::new(&[], self.zone, 0, self.server)
    }

    /// Compiles a tree.
    pub fn node(&self, ast: &Ast) -> Built {
        let mut node = self.build(ast)?;
        if node.ty.kind == Kind::Json && !self.server.is_mariadb() && self.server.version < MYSQL_80 {
            // Whole doubles show no point there.
            node.ty.scale = 0;
        }
        Ok(self.fold(node))
    }

    /// A call whose arguments are all constants is a constant, unless its value depends on the moment.
    fn fold(&self, node: Node) -> Node {
        let constant = match &node.op {
            Op::Call(..) => is_fixed(&node),
            Op::Compare { sides, .. } => sides.0.as_const().is_some() && sides.1.as_const().is_some(),
            _ => false,
        };
        if !constant {
            return node;
        }
        match node.eval(&self.cx()).ok().and_then(into_owned) {
            Some(value) => Node::constant(node.ty, value),
            // The server fails over the same constants, but only when it comes to them.
            None => node,
        }
    }

    /// A side that is taken as a number.
    fn number(&self, ast: &Ast) -> Built {
        let node = self.node(ast)?;
        if self.server.is_mariadb() && node.ty.kind == Kind::Hex {
            Err(compare::HEX_ON_MARIADB.into())
        } else {
            Ok(node)
        }
    }

    fn nodes(&self, list: &[Ast]) -> Result<Vec<Node>, String> {
        list.iter().map(|ast| self.node(ast)).collect()
    }

    fn build(&self, ast: &Ast) -> Built {
        Ok(match ast {
            Ast::Null => Node::constant(Type::null(), Val::Null),
            Ast::Bool(value) => Node::constant(boolean(), Val::Int((*value).into())),
            Ast::Number(digits) => number_literal(digits)?,
            Ast::Text(text) => text_literal(text.clone().into_bytes(), Collation::CONNECTION),
            Ast::Introduced { charset, bytes } => introduced(charset, bytes)?,
            Ast::Hex(bytes) | Ast::Bits(bytes) => {
                let ty = Type { kind: Kind::Hex, unsigned: true, ..Type::text(Collation::BINARY, strength::LITERAL) };
                Node::constant(ty, Val::Hex(Cow::Owned(bytes.clone())))
            }
            Ast::Temporal(kind, text) => self.temporal_literal(*kind, text)?,
            Ast::Column(parts) => self.column(parts)?,
            Ast::Unary(Unary::Not, value) => functions::flow::not(self.node(value)?),
            Ast::Unary(unary, value) => arith::unary(*unary, self.number(value)?)?,
            Ast::Binary(operator, a, b) => self.binary(*operator, a, b)?,
            Ast::And(parts) => Node { ty: boolean(), op: Op::And { parts: self.nodes(parts)?, top: false } },
            Ast::Or(parts) => Node { ty: boolean(), op: Op::Or(self.nodes(parts)?) },
            Ast::Is { value, what, negated } => self.is(value, *what, *negated)?,
            Ast::Between { value, low, high, negated } => self.between(value, low, high, *negated)?,
            Ast::In { value, list, negated } => self.is_in(value, list, *negated)?,
            Ast::Like { value, pattern, escape, negated } => {
                self.like(self.node(value)?, self.node(pattern)?, escape.as_deref(), *negated)?
            }
            Ast::Regexp { value, pattern, negated } => {
                super::regexp::operator(self, self.node(value)?, self.node(pattern)?, *negated)?
            }
            Ast::Case { operand, branches, otherwise } => {
                self.case(operand.as_deref(), branches, otherwise.as_deref())?
            }
            Ast::Cast(value, target @ (CastType::Signed | CastType::Unsigned | CastType::Decimal(..))) => {
                functions::cast::cast(self.number(value)?, target)?
            }
            Ast::Cast(value, target) => functions::cast::cast(self.node(value)?, target)?,
            Ast::ConvertUsing(value, charset) => functions::cast::using(self.node(value)?, charset)?,
            Ast::Collate(value, name) => collate(self.node(value)?, name)?,
            Ast::Interval(..) => return Err("INTERVAL stands only beside + and - and in functions of dates".into()),
            Ast::Unit(_) => return Err("a unit of time stands only in functions of dates".into()),
            Ast::Call(name, args) => self.call(name, args)?,
        })
    }

    fn is(&self, value: &Ast, what: Truth, negated: bool) -> Built {
        let value = Box::new(self.node(value)?);
        if matches!(value.op, Op::Compare { test: Test::NullSafe, .. }) && what == Truth::Null {
            let known = if self.server.is_mariadb() { MARIADB_1011 } else { MYSQL_80 };
            if self.server.version < known {
                return Err("IS NULL over <=> is not what it says on this server; <=> is never NULL".into());
            }
            return Ok(Node::constant(boolean(), Val::Int(negated.into())));
        }
        Ok(Node { ty: boolean(), op: Op::Is { value, what, negated } })
    }

    fn is_in(&self, value: &Ast, list: &[Ast], negated: bool) -> Built {
        let mut value = self.node(value)?;
        let mut items = Vec::with_capacity(list.len());
        for item in list {
            let mut item = self.node(item)?;
            if list.len() > 1 && value.ty.kind != Kind::Year {
                plain_year(&mut item);
            }
            if value.ty.kind == Kind::Year && !self.server.is_mariadb() && list.len() > 1 && item.as_const().is_some() {
                // A list of constants is compared as plain numbers: 24 isn't 2024 there.
                year_item(&item)?;
                items.push((compare::Comparison::Integer, item));
                continue;
            }
            if self.cx().mysql_before(MYSQL_80) && (value.ty.kind == Kind::Json || item.ty.kind == Kind::Json) {
                return Err("JSON in a list has no clear meaning before MySQL 8.0; compare with = and OR".into());
            }
            let how = compare::comparison(&mut value, &mut item, &self.cx())?;
            // A list of several is searched with all digits; one alone is a plain comparison.
            let several = list.len() > 1 && how == compare::Comparison::Decimal;
            items.push((if several { compare::Comparison::AllDigits } else { how }, item));
        }
        Ok(Node { ty: boolean(), op: Op::In { value: Box::new(value), list: items, negated } })
    }

    fn temporal_literal(&self, kind: TemporalKind, text: &str) -> Built {
        let value = Val::Text(Cow::Borrowed(text.as_bytes()));
        let scale = text.rsplit_once('.').map_or(0, |(_, digits)| digits.len().min(6) as u8);
        let bad = || "a date or time literal is not valid".to_owned();
        let clean = |read: Option<bool>| read.filter(|clean| *clean).ok_or_else(bad);
        Ok(match kind {
            TemporalKind::Time => {
                clean(super::temporal::read_time(text.as_bytes()).map(|(_, clean)| clean))?;
                let time = convert::time(&value).ok_or_else(bad)?;
                Node::constant(Type::temporal(Kind::Time, scale), Val::Time(super::temporal::round_time(time, scale)))
            }
            _ => {
                clean(super::temporal::read_datetime(text.as_bytes()).map(|read| read.clean))?;
                let at = convert::datetime(&value, &self.cx()).ok_or_else(bad)?;
                if kind == TemporalKind::Date {
                    Node::constant(Type::temporal(Kind::Date, 0), Val::Date(at.date))
                } else {
                    let at = super::temporal::round_datetime(at, scale).ok_or_else(bad)?;
                    Node::constant(Type::temporal(Kind::DateTime, scale), Val::DateTime(at))
                }
            }
        })
    }

    fn column(&self, parts: &[String]) -> Built {
        let name = parts.last().map_or("", String::as_str);
        let Some(table) = self.table else {
            // Nothing is known yet: a text that is never evaluated.
            return Ok(Node { ty: Type::null(), op: Op::Column(usize::MAX, Reader::Plain) });
        };
        let qualified = match parts {
            [schema, of, _] => schema.eq_ignore_ascii_case(&table.schema) && of.eq_ignore_ascii_case(&table.name),
            [of, _] => of.eq_ignore_ascii_case(&table.name),
            _ => true,
        };
        let offset = table.columns.iter().position(|column| same_name(&column.name, name)).filter(|_| qualified);
        let offset = offset.ok_or_else(|| format!("{} has no column `{}`", table.id(), parts.join(".")))?;
        let column = table.columns.get(offset).ok_or("no such column")?;
        let (ty, reader) = column_type(column).map_err(|why| format!("column `{}`: {why}", column.name))?;
        Ok(Node { ty, op: Op::Column(offset, reader) })
    }

    fn binary(&self, operator: Binary, a: &Ast, b: &Ast) -> Built {
        let test = match operator {
            Binary::Equal => Test::Equal,
            Binary::NullSafe => Test::NullSafe,
            Binary::NotEqual => Test::NotEqual,
            Binary::Less => Test::Less,
            Binary::LessEqual => Test::LessEqual,
            Binary::Greater => Test::Greater,
            Binary::GreaterEqual => Test::GreaterEqual,
            Binary::Xor => return Ok(functions::flow::xor(self.node(a)?, self.node(b)?)),
            Binary::JsonPath => return functions::json::arrow(self.node(a)?, self.node(b)?, false, self.server),
            Binary::JsonText => return functions::json::arrow(self.node(a)?, self.node(b)?, true, self.server),
            arithmetic => {
                if matches!(a, Ast::Interval(..)) || matches!(b, Ast::Interval(..)) {
                    return self.shifted(arithmetic, a, b);
                }
                return arith::binary(arithmetic, self.number(a)?, self.number(b)?);
            }
        };
        self.comparison(test, self.node(a)?, self.node(b)?)
    }

    /// A comparison of two compiled sides.
    pub fn comparison(&self, test: Test, mut a: Node, mut b: Node) -> Built {
        let how = compare::comparison(&mut a, &mut b, &self.cx())?;
        Ok(Node { ty: boolean(), op: Op::Compare { test, how, sides: Box::new((a, b)) } })
    }

    /// `date + INTERVAL ..`, `INTERVAL .. + date`, `date - INTERVAL ..`.
    fn shifted(&self, operator: Binary, a: &Ast, b: &Ast) -> Built {
        match (operator, a, b) {
            (Binary::Add, Ast::Interval(amount, unit), date) | (Binary::Add, date, Ast::Interval(amount, unit)) => {
                functions::interval::shift(self.node(date)?, self.node(amount)?, *unit, false)
            }
            (Binary::Sub, date, Ast::Interval(amount, unit)) => {
                functions::interval::shift(self.node(date)?, self.node(amount)?, *unit, true)
            }
            _ => Err("INTERVAL stands only beside + and - and in functions of dates".into()),
        }
    }

    fn between(&self, value: &Ast, low: &Ast, high: &Ast, negated: bool) -> Built {
        let (mut value, mut low, mut high) = (self.node(value)?, self.node(low)?, self.node(high)?);
        if value.ty.kind != Kind::Year {
            [&mut low, &mut high].into_iter().for_each(plain_year);
        }
        let first = compare::comparison(&mut value, &mut low, &self.cx())?;
        let second = compare::comparison(&mut value, &mut high, &self.cx())?;
        // All three are compared as one type.
        let widest = |a, b| match (a, b) {
            (compare::Comparison::Real, _) | (_, compare::Comparison::Real) => compare::Comparison::Real,
            (compare::Comparison::Decimal, _) | (_, compare::Comparison::Decimal) => compare::Comparison::AllDigits,
            (first, _) => first,
        };
        use compare::Comparison::{Decimal, Integer, Real};
        let numeric = [first, second].iter().all(|how| matches!(how, Integer | Real | Decimal));
        let how = if numeric { (widest(first, second), widest(first, second)) } else { (first, second) };
        Ok(Node { ty: boolean(), op: Op::Between { how, parts: Box::new((value, low, high)), negated } })
    }

    fn like(&self, value: Node, pattern: Node, escape: Option<&Ast>, negated: bool) -> Built {
        let escape = match escape {
            None => Some('\\'),
            Some(Ast::Text(text)) => {
                let mut chars = text.chars();
                let first = chars.next();
                if chars.next().is_some() {
                    return Err("ESCAPE needs one character".into());
                }
                first
            }
            Some(_) => return Err("ESCAPE needs a text of one character".into()),
        };
        let (collation, _) = aggregate([&value.ty, &pattern.ty])?;
        Ok(Node {
            ty: boolean(),
            op: Op::Like(Box::new(like::LikeNode { value, pattern, escape, collation, negated })),
        })
    }

    fn case(&self, operand: Option<&Ast>, branches: &[(Ast, Ast)], otherwise: Option<&Ast>) -> Built {
        let mut operand = operand.map(|ast| self.node(ast)).transpose()?;
        operand.iter_mut().for_each(plain_year);
        let mut out = Vec::with_capacity(branches.len());
        for (when, then) in branches {
            let mut when = self.node(when)?;
            if operand.is_some() {
                plain_year(&mut when);
            }
            let how = match &mut operand {
                Some(operand) => Some(compare::comparison(operand, &mut when, &self.cx())?),
                None => None,
            };
            out.push(Branch { how, when, then: self.node(then)? });
        }
        let mut otherwise = otherwise.map(|ast| self.node(ast)).transpose()?;
        let ty = functions::flow::merge(
            self.server,
            out.iter().map(|b| &b.then.ty).chain(otherwise.iter().map(|node| &node.ty)),
        )?;
        for branch in &mut out {
            functions::flow::coerce_branch(&mut branch.then, &ty, self.server);
        }
        if let Some(node) = &mut otherwise {
            functions::flow::coerce_branch(node, &ty, self.server);
        }
        let ty = Type { own_digits: !self.server.is_mariadb(), ..ty };
        let op = Op::Case { operand: operand.map(Box::new), branches: out, otherwise: otherwise.map(Box::new) };
        Ok(Node { ty, op })
    }

    fn call(&self, name: &str, args: &[Ast]) -> Built {
        if let Some(built) = functions::interval::build(self, name, args) {
            return built;
        }
        let nodes = self.nodes(args)?;
        functions::build(self, name, nodes)
    }
}

/// A YEAR column where two digits beside it don't mean a year.
fn plain_year(node: &mut Node) {
    if node.ty.kind == Kind::Year {
        node.ty.kind = Kind::Int;
    }
}

/// A constant of a list beside a YEAR column.
fn year_item(item: &Node) -> Result<(), String> {
    match item.as_const() {
        Some(Val::Int(_) | Val::UInt(_) | Val::Null) => Ok(()),
        _ => Err("in a list beside a YEAR column stand numbers of four digits".into()),
    }
}

/// A constant, or a call over nothing but constants whose value doesn't depend on the moment.
fn is_fixed(node: &Node) -> bool {
    match &node.op {
        Op::Const(_) => true,
        Op::Call(function, args) => !functions::depends_on_time(*function) && args.iter().all(is_fixed),
        _ => false,
    }
}

/// The type of truth values.
pub fn boolean() -> Type {
    Type { whole: 1, ..Type::int(false) }
}

fn number_literal(digits: &str) -> Built {
    if digits.contains(['e', 'E']) {
        let (value, _) = number::to_real(digits.as_bytes());
        return Ok(Node::constant(Type::double(), Val::Real(value)));
    }
    if !digits.contains('.') {
        if let Ok(n) = digits.parse::<i64>() {
            let whole = (digits.len().min(20) as u8).max(2);
            return Ok(Node::constant(Type { whole, ..Type::int(false) }, Val::Int(n)));
        }
        if let Ok(n) = digits.parse::<u64>() {
            return Ok(Node::constant(Type::int(true), Val::UInt(n)));
        }
    }
    let value = Dec::parse(digits.as_bytes()).ok_or_else(|| format!("`{digits}` is no number"))?;
    let whole = value.digits().saturating_sub(value.scale().into()) as u8;
    Ok(Node::constant(Type::decimal(whole.max(1), value.scale()), Val::Dec(value)))
}

fn text_literal(bytes: Vec<u8>, collation: Collation) -> Node {
    Node::constant(Type::text(collation, strength::LITERAL), Val::Text(Cow::Owned(bytes)))
}

fn introduced(charset: &str, bytes: &[u8]) -> Built {
    let unknown = || format!("the character set {charset} can't be evaluated");
    let charset = Charset::named(charset).ok_or_else(unknown)?;
    let collation = Collation::default_of(charset).ok_or_else(unknown)?;
    Ok(text_literal(charset.decode(bytes).into_owned(), collation))
}

fn collate(mut node: Node, name: &str) -> Built {
    let collation = Collation::named(name)
        .ok_or_else(|| format!("the collation {name} can't be evaluated; compare as BINARY or with another COLLATE"))?;
    let fits =
        node.ty.collation.charset == collation.charset || node.ty.strength >= strength::LITERAL && !node.ty.is_binary();
    if !fits {
        return Err(format!("the collation {name} is not of the text's character set"));
    }
    if !node.ty.kind.is_text() {
        node = functions::cast::cast(node, &CastType::Char(None, None))?;
    }
    node.ty = Type { collation, strength: strength::EXPLICIT, ..node.ty };
    Ok(node)
}

/// A column's static type, and how its values are read.
fn column_type(column: &Column) -> Result<(Type, Reader), String> {
    use BaseType::*;
    let ty = &column.ty;
    let scale = ty.decimals.unwrap_or(0).min(30) as u8;
    let fsp = scale.min(6);
    let fixed = |ty: Type| Type { scale: column.ty.decimals.map_or(Type::FREE, |d| d.min(30) as u8), ..ty };
    Ok(match ty.base {
        TinyInt | SmallInt | MediumInt | Int | BigInt => {
            let bits = ty.base.integer_bytes().unwrap_or(8) * 8;
            let reader = if ty.unsigned { Reader::Unsigned(bits) } else { Reader::Plain };
            (int_column(ty.unsigned, bits / 8), reader)
        }
        Float => (fixed(Type { kind: Kind::Float, unsigned: ty.unsigned, ..Type::double() }), Reader::Plain),
        Double => (fixed(Type { unsigned: ty.unsigned, ..Type::double() }), Reader::Plain),
        Decimal => {
            let whole = ty.length.unwrap_or(10).min(65) as u8;
            (Type { unsigned: ty.unsigned, ..Type::decimal(whole.saturating_sub(scale), scale) }, Reader::Plain)
        }
        Bit => {
            let bytes = Type {
                whole: if ty.length.unwrap_or(1) <= 30 { 10 } else { 20 },
                collation: Collation::BINARY,
                strength: strength::IMPLICIT,
                ..Type::int(true)
            };
            (Type { kind: Kind::Bit, ..bytes }, Reader::Plain)
        }
        Year => (Type { kind: Kind::Year, ..int_column(true, 1) }, Reader::Plain),
        Date => (Type::temporal(Kind::Date, 0), Reader::Plain),
        Time => (Type::temporal(Kind::Time, fsp), Reader::Plain),
        DateTime => (Type::temporal(Kind::DateTime, fsp), Reader::Plain),
        Timestamp => (Type::temporal(Kind::DateTime, fsp), Reader::Timestamp),
        base if base.has_charset() => text_column(column)?,
        Binary => (Type::text(Collation::BINARY, strength::IMPLICIT), Reader::Binary(ty.length.unwrap_or(1) as usize)),
        VarBinary | TinyBlob | Blob | MediumBlob | LongBlob => {
            (Type::text(Collation::BINARY, strength::IMPLICIT), Reader::Plain)
        }
        Json => (Type::json(), Reader::Json),
        other => return Err(format!("expressions over columns of the type {} are not supported", other.as_str())),
    })
}

/// What a column of so many bytes holds: BIGINT is as wide as results are.
fn int_column(unsigned: bool, bytes: u8) -> Type {
    let whole = match bytes {
        1 => 4,
        2 => 6,
        3 => 9,
        4 => 10,
        _ => 20,
    };
    Type { bytes, whole, ..Type::int(unsigned) }
}

fn text_column(column: &Column) -> Result<(Type, Reader), String> {
    use BaseType::{Enum, Set};
    let charset_name = column.charset.as_deref().unwrap_or("utf8mb4");
    let refused = |what: &str| format!("{what} can't be evaluated; compare the column as BINARY on the source instead");
    let (charset, collation) = match (&column.charset, &column.collation) {
        (None, None) if matches!(column.ty.base, Enum | Set) => (Charset::Binary, Collation::BINARY),
        _ => {
            let charset =
                Charset::named(charset_name).ok_or_else(|| refused(&format!("the character set {charset_name}")))?;
            let collation = match &column.collation {
                Some(name) => Collation::named(name).ok_or_else(|| refused(&format!("the collation {name}")))?,
                None => Collation::default_of(charset).ok_or_else(|| refused(charset_name))?,
            };
            (charset, collation)
        }
    };
    let ty = Type::text(collation, strength::IMPLICIT);
    Ok(match column.ty.base {
        Enum => (Type { kind: Kind::Enum, ..ty }, Reader::Enum(column.ty.elems.clone())),
        Set => (Type { kind: Kind::Set, ..ty }, Reader::Set(column.ty.elems.clone())),
        _ => (ty, Reader::Text(charset)),
    })
}
