//! Text to syntax tree: sqlparser's tokenizer, and MySQL's own order of precedence above it (manual 12.4.1). Why not
//! sqlparser's expression parser: docs/decisions/0012.

use sqlparser::{
    dialect::MySqlDialect,
    tokenizer::{Token, Tokenizer, Word},
};

use super::ast::{Ast, Binary, TemporalKind, Truth, Unary, Unit};

/// Longest text, deepest nesting and longest chain of operators.
const MAX_TEXT: usize = 64 * 1024;
const MAX_DEPTH: usize = 48;

type Parsed = Result<Ast, String>;

/// Parses one expression; the error says what is wrong, without DM's code.
pub fn parse(text: &str) -> Parsed {
    if text.len() > MAX_TEXT {
        return Err(format!("it is longer than {MAX_TEXT} bytes"));
    }
    let tokens = Tokenizer::new(&MySqlDialect {}, text).with_unescape(false).tokenize().map_err(|e| e.to_string())?;
    let mut parser = Parser { tokens: split(tokens), at: 0, depth: 0 };
    let tree = parser.expression()?;
    match parser.peek() {
        None => Ok(tree),
        Some(token) => Err(format!("unexpected `{token}`")),
    }
}

/// Drops blanks and takes apart tokens that are one operator in another dialect only.
fn split(tokens: Vec<Token>) -> Vec<Token> {
    let mut out = Vec::with_capacity(tokens.len());
    for token in tokens {
        match token {
            Token::Whitespace(_) | Token::EOF => {}
            Token::DoubleExclamationMark => out.extend([Token::ExclamationMark, Token::ExclamationMark]),
            Token::ExclamationMarkTilde => out.extend([Token::ExclamationMark, Token::Tilde]),
            Token::DoubleTilde => out.extend([Token::Tilde, Token::Tilde]),
            other => out.push(other),
        }
    }
    out
}

/// Words that can't be a column without quotes.
const RESERVED: [&str; 34] = [
    "AND",
    "AS",
    "BETWEEN",
    "BY",
    "CASE",
    "COLLATE",
    "DISTINCT",
    "DIV",
    "ELSE",
    "EXISTS",
    "FROM",
    "GROUP",
    "IN",
    "IS",
    "LIKE",
    "MATCH",
    "MOD",
    "NOT",
    "OR",
    "ORDER",
    "REGEXP",
    "RLIKE",
    "SELECT",
    "SEPARATOR",
    "THEN",
    "UNION",
    "UPDATE",
    "USING",
    "WHEN",
    "WHERE",
    "XOR",
    "ESCAPE",
    "BINARY",
    "INTERVAL",
];

pub(super) struct Parser {
    tokens: Vec<Token>,
    at: usize,
    depth: usize,
}

impl Parser {
    pub(super) fn peek(&self) -> Option<&Token> {
        self.tokens.get(self.at)
    }

    pub(super) fn peek_at(&self, ahead: usize) -> Option<&Token> {
        self.tokens.get(self.at + ahead)
    }

    pub(super) fn next(&mut self) -> Result<Token, String> {
        let token = self.tokens.get(self.at).cloned().ok_or("it ends too early")?;
        self.at += 1;
        Ok(token)
    }

    pub(super) fn eat(&mut self, token: &Token) -> bool {
        let found = self.peek() == Some(token);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect(&mut self, token: &Token) -> Result<(), String> {
        if self.eat(token) {
            return Ok(());
        }
        match self.peek() {
            Some(other) => Err(format!("expected `{token}`, found `{other}`")),
            None => Err(format!("expected `{token}` at the end")),
        }
    }

    /// Whether an unquoted word stands `ahead` tokens from here.
    pub(super) fn is_word(&self, ahead: usize, word: &str) -> bool {
        matches!(self.peek_at(ahead), Some(Token::Word(Word { value, quote_style: None, .. })) if value.eq_ignore_ascii_case(word))
    }

    pub(super) fn eat_word(&mut self, word: &str) -> bool {
        let found = self.is_word(0, word);
        self.at += usize::from(found);
        found
    }

    pub(super) fn expect_word(&mut self, word: &str) -> Result<(), String> {
        if self.eat_word(word) { Ok(()) } else { Err(format!("expected {word}")) }
    }

    fn deeper(&mut self, parse: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        if self.depth >= MAX_DEPTH {
            return Err(format!("it is nested deeper than {MAX_DEPTH} levels"));
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        parsed
    }

    /// A whole expression.
    pub(super) fn expression(&mut self) -> Parsed {
        self.deeper(|p| {
            let mut parts = vec![p.xor()?];
            while p.eat_word("OR") || p.eat(&Token::StringConcat) {
                parts.push(p.xor()?);
            }
            Ok(single_or(parts, Ast::Or))
        })
    }

    fn xor(&mut self) -> Parsed {
        let mut left = self.and()?;
        let mut links = 0;
        while self.eat_word("XOR") {
            check_chain(&mut links)?;
            left = Ast::Binary(Binary::Xor, Box::new(left), Box::new(self.and()?));
        }
        Ok(left)
    }

    fn and(&mut self) -> Parsed {
        let mut parts = vec![self.not()?];
        while self.eat_word("AND") || self.eat(&Token::Overlap) {
            parts.push(self.not()?);
        }
        Ok(single_or(parts, Ast::And))
    }

    fn not(&mut self) -> Parsed {
        if self.eat_word("NOT") {
            return Ok(Ast::Unary(Unary::Not, Box::new(self.deeper(Self::not)?)));
        }
        self.comparison()
    }

    /// Comparisons and IS, left to right.
    fn comparison(&mut self) -> Parsed {
        let mut left = self.predicate()?;
        let mut links = 0;
        loop {
            if self.eat_word("IS") {
                check_chain(&mut links)?;
                let negated = self.eat_word("NOT");
                let what = if self.eat_word("NULL") || self.eat_word("UNKNOWN") {
                    Truth::Null
                } else if self.eat_word("TRUE") {
                    Truth::True
                } else if self.eat_word("FALSE") {
                    Truth::False
                } else {
                    return Err("after IS stands [NOT] NULL, TRUE, FALSE or UNKNOWN".into());
                };
                left = Ast::Is { value: Box::new(left), what, negated };
                continue;
            }
            let operator = match self.peek() {
                Some(Token::Eq) => Binary::Equal,
                Some(Token::Spaceship) => Binary::NullSafe,
                Some(Token::Neq) => Binary::NotEqual,
                Some(Token::Lt) => Binary::Less,
                Some(Token::LtEq) => Binary::LessEqual,
                Some(Token::Gt) => Binary::Greater,
                Some(Token::GtEq) => Binary::GreaterEqual,
                _ => return Ok(left),
            };
            self.at += 1;
            check_chain(&mut links)?;
            if ["ALL", "ANY", "SOME"].iter().any(|word| self.is_word(0, word)) {
                return Err("subqueries can't be evaluated over one row".into());
            }
            left = Ast::Binary(operator, Box::new(left), Box::new(self.predicate()?));
        }
    }

    fn predicate(&mut self) -> Parsed {
        let value = self.bits(0)?;
        let negated = self.is_word(0, "NOT")
            && ["IN", "BETWEEN", "LIKE", "REGEXP", "RLIKE"].iter().any(|word| self.is_word(1, word));
        self.at += usize::from(negated);
        let value = Box::new(value);
        if self.eat_word("IN") {
            self.expect(&Token::LParen)?;
            let list = self.list()?;
            return Ok(Ast::In { value, list, negated });
        }
        if self.eat_word("BETWEEN") {
            let low = Box::new(self.bits(0)?);
            self.expect_word("AND")?;
            let high = Box::new(self.deeper(Self::predicate)?);
            return Ok(Ast::Between { value, low, high, negated });
        }
        if self.eat_word("LIKE") {
            let pattern = Box::new(self.simple()?);
            let escape = if self.eat_word("ESCAPE") { Some(Box::new(self.simple()?)) } else { None };
            return Ok(Ast::Like { value, pattern, escape, negated });
        }
        if self.eat_word("REGEXP") || self.eat_word("RLIKE") {
            return Ok(Ast::Regexp { value, pattern: Box::new(self.bits(0)?), negated });
        }
        if self.is_word(0, "SOUNDS") && self.is_word(1, "LIKE") {
            self.at += 2;
            let soundex = |value| Box::new(Ast::Call("soundex".into(), vec![value]));
            return Ok(Ast::Binary(Binary::Equal, soundex(*value), soundex(self.bits(0)?)));
        }
        if self.is_word(0, "MEMBER") && self.is_word(1, "OF") {
            self.at += 2;
            self.expect(&Token::LParen)?;
            let list = self.expression()?;
            self.expect(&Token::RParen)?;
            return Ok(Ast::Call("member_of".into(), vec![*value, list]));
        }
        Ok(*value)
    }

    /// Operators from `|` (0) up to `^` (5).
    fn bits(&mut self, level: u8) -> Parsed {
        let mut left = if level == 5 { self.simple()? } else { self.bits(level + 1)? };
        let mut links = 0;
        while let Some(operator) = self.operator(level) {
            self.at += 1;
            check_chain(&mut links)?;
            let right = if level == 5 { self.simple()? } else { self.bits(level + 1)? };
            left = Ast::Binary(operator, Box::new(left), Box::new(right));
        }
        Ok(left)
    }

    fn operator(&self, level: u8) -> Option<Binary> {
        Some(match (level, self.peek()?) {
            (0, Token::Pipe) => Binary::BitOr,
            (1, Token::Ampersand) => Binary::BitAnd,
            (2, Token::ShiftLeft) => Binary::ShiftLeft,
            (2, Token::ShiftRight) => Binary::ShiftRight,
            (3, Token::Plus) => Binary::Add,
            (3, Token::Minus) => Binary::Sub,
            (4, Token::Mul) => Binary::Mul,
            (4, Token::Div) => Binary::Div,
            (4, Token::Mod) => Binary::Mod,
            (4, _) if self.is_word(0, "DIV") => Binary::IntDiv,
            (4, _) if self.is_word(0, "MOD") => Binary::Mod,
            (5, Token::Caret) => Binary::BitXor,
            _ => return None,
        })
    }

    /// Unary operators, then a primary, then COLLATE and the JSON arrows.
    pub(super) fn simple(&mut self) -> Parsed {
        let unary = match self.peek() {
            Some(Token::Minus) => Some(Unary::Minus),
            Some(Token::Plus) => Some(Unary::Plus),
            Some(Token::Tilde) => Some(Unary::BitNot),
            Some(Token::ExclamationMark) => Some(Unary::Not),
            _ => None,
        };
        if let Some(unary) = unary {
            self.at += 1;
            let value = self.deeper(Self::simple)?;
            return Ok(match (unary, value) {
                // A sign belongs to the number, so that -9223372036854775808 is an integer.
                (Unary::Minus, Ast::Number(digits)) if !digits.starts_with('-') => Ast::Number(format!("-{digits}")),
                (Unary::Plus, value) => value,
                (unary, value) => Ast::Unary(unary, Box::new(value)),
            });
        }
        if self.eat_word("BINARY") {
            let value = self.deeper(Self::simple)?;
            return Ok(Ast::Cast(Box::new(value), super::ast::CastType::Binary(None)));
        }
        let mut value = self.primary()?;
        let mut links = 0;
        loop {
            let operator = match self.peek() {
                Some(Token::Arrow) => Binary::JsonPath,
                Some(Token::LongArrow) => Binary::JsonText,
                _ if self.is_word(0, "COLLATE") => {
                    self.at += 1;
                    check_chain(&mut links)?;
                    value = Ast::Collate(Box::new(value), self.name()?);
                    continue;
                }
                _ => return Ok(value),
            };
            self.at += 1;
            check_chain(&mut links)?;
            if !matches!(value, Ast::Column(_)) {
                return Err("before -> and ->> stands a column".into());
            }
            value = Ast::Binary(operator, Box::new(value), Box::new(self.primary()?));
        }
    }

    /// Expressions up to the closing parenthesis; at least one.
    pub(super) fn list(&mut self) -> Result<Vec<Ast>, String> {
        let mut out = vec![self.expression()?];
        while self.eat(&Token::Comma) {
            out.push(self.expression()?);
        }
        self.expect(&Token::RParen)?;
        Ok(out)
    }

    /// A word or a quoted name.
    pub(super) fn name(&mut self) -> Result<String, String> {
        match self.next()? {
            Token::Word(Word { value, quote_style: Some(quote), .. }) => {
                Ok(value.replace(&format!("{quote}{quote}"), &quote.to_string()))
            }
            Token::Word(word) => Ok(word.value),
            Token::SingleQuotedString(text) => Ok(super::literal::unescape(&text, '\'')),
            other => Err(format!("expected a name, found `{other}`")),
        }
    }

    fn primary(&mut self) -> Parsed {
        match self.peek() {
            Some(Token::LParen) => {
                self.at += 1;
                if self.is_word(0, "SELECT") {
                    return Err("subqueries can't be evaluated over one row".into());
                }
                let value = self.expression()?;
                if self.peek() == Some(&Token::Comma) {
                    return Err("row values are not supported; compare the columns one by one".into());
                }
                self.expect(&Token::RParen)?;
                Ok(value)
            }
            Some(Token::Word(word)) => {
                let word = word.clone();
                self.word(&word)
            }
            _ => self.literal(),
        }
    }

    fn word(&mut self, word: &Word) -> Parsed {
        let upper = word.value.to_ascii_uppercase();
        if word.quote_style.is_some() {
            return self.column();
        }
        let call = self.peek_at(1) == Some(&Token::LParen);
        let text_follows = matches!(self.peek_at(1), Some(Token::SingleQuotedString(_) | Token::DoubleQuotedString(_)));
        match upper.as_str() {
            "NULL" | "TRUE" | "FALSE" => {
                self.at += 1;
                Ok(if upper == "NULL" { Ast::Null } else { Ast::Bool(upper == "TRUE") })
            }
            "CASE" => self.case(),
            "DATE" | "TIME" | "TIMESTAMP" if text_follows => {
                self.at += 1;
                let Ast::Text(text) = self.literal()? else { return Err("expected a text".into()) };
                Ok(Ast::Temporal(
                    match upper.as_str() {
                        "DATE" => TemporalKind::Date,
                        "TIME" => TemporalKind::Time,
                        _ => TemporalKind::DateTime,
                    },
                    text,
                ))
            }
            "INTERVAL" if !call => self.interval(),
            "INTERVAL" => match self.clone_position(|p| p.interval()) {
                Ok(interval) => Ok(interval),
                Err(_) => self.call("interval"),
            },
            "CURRENT_TIMESTAMP" | "CURRENT_DATE" | "CURRENT_TIME" | "LOCALTIME" | "LOCALTIMESTAMP" | "UTC_DATE"
            | "UTC_TIME" | "UTC_TIMESTAMP"
                if !call =>
            {
                self.at += 1;
                Ok(Ast::Call(upper.to_ascii_lowercase(), Vec::new()))
            }
            _ if upper.starts_with('@') => Err(format!("variables ({}) have no value here", word.value)),
            _ if upper.starts_with('_') && self.introduces() => self.introduced(&upper[1..]),
            _ if upper.starts_with("0B") && upper.len() > 2 && upper[2..].bytes().all(|b| matches!(b, b'0' | b'1')) => {
                self.at += 1;
                super::literal::bits(&upper[2..]).map(Ast::Bits)
            }
            _ if call => self.call(&upper.to_ascii_lowercase()),
            _ if RESERVED.contains(&upper.as_str()) => Err(format!("unexpected `{}`", word.value)),
            _ => self.column(),
        }
    }

    /// Tries, and goes back when it fails.
    fn clone_position(&mut self, parse: impl FnOnce(&mut Self) -> Parsed) -> Parsed {
        let (at, depth) = (self.at, self.depth);
        let parsed = parse(self);
        if parsed.is_err() {
            (self.at, self.depth) = (at, depth);
        }
        parsed
    }

    fn introduces(&self) -> bool {
        matches!(
            self.peek_at(1),
            Some(
                Token::SingleQuotedString(_)
                    | Token::DoubleQuotedString(_)
                    | Token::HexStringLiteral(_)
                    | Token::SingleQuotedByteStringLiteral(_)
            )
        )
    }

    fn column(&mut self) -> Parsed {
        let mut parts = vec![self.name()?];
        while parts.len() < 3 && self.eat(&Token::Period) {
            parts.push(self.name()?);
        }
        if self.peek() == Some(&Token::LParen) {
            return Err(format!("the function {} is not known", parts.join(".")));
        }
        Ok(Ast::Column(parts))
    }

    pub(super) fn interval(&mut self) -> Parsed {
        self.expect_word("INTERVAL")?;
        let value = self.expression()?;
        Ok(Ast::Interval(Box::new(value), self.unit()?))
    }

    pub(super) fn unit(&mut self) -> Result<Unit, String> {
        let name = self.name()?;
        Unit::from_name(&name).ok_or_else(|| format!("`{name}` is no unit of time"))
    }
}

fn single_or(mut parts: Vec<Ast>, many: fn(Vec<Ast>) -> Ast) -> Ast {
    match (parts.len(), parts.pop()) {
        (1, Some(only)) => only,
        (_, last) => {
            parts.extend(last);
            many(parts)
        }
    }
}

/// A chain of operators makes the tree as deep as it is long.
fn check_chain(links: &mut usize) -> Result<(), String> {
    *links += 1;
    if *links > MAX_DEPTH {
        Err(format!("a chain of more than {MAX_DEPTH} operators; use parentheses"))
    } else {
        Ok(())
    }
}
