//! Literals, and functions with a syntax of their own.

use sqlparser::tokenizer::{Token, Word};

use super::{
    ast::{Ast, CastType},
    parse::Parser,
};

type Parsed = Result<Ast, String>;

/// What a quoted text means: doubled quotes, and backslash escapes (manual 11.1.1). `\%` and `\_` stay as they are.
pub(super) fn unescape(raw: &str, quote: char) -> String {
    let mut out = String::with_capacity(raw.len());
    let mut chars = raw.chars().peekable();
    while let Some(c) = chars.next() {
        if c == quote {
            chars.next_if_eq(&quote);
            out.push(quote);
        } else if c == '\\' {
            match chars.next() {
                Some('0') => out.push('\0'),
                Some('b') => out.push('\u{8}'),
                Some('n') => out.push('\n'),
                Some('r') => out.push('\r'),
                Some('t') => out.push('\t'),
                Some('Z') => out.push('\u{1a}'),
                Some(wildcard @ ('%' | '_')) => out.extend(['\\', wildcard]),
                Some(other) => out.push(other),
                None => out.push('\\'),
            }
        } else {
            out.push(c);
        }
    }
    out
}

/// The bytes of a bit literal.
pub(super) fn bits(digits: &str) -> Result<Vec<u8>, String> {
    if digits.is_empty() {
        return Ok(Vec::new());
    }
    let padded = format!("{digits:0>width$}", width = digits.len().div_ceil(8) * 8);
    let byte = |chunk: &[u8]| {
        chunk.iter().try_fold(0u8, |byte, digit| match digit {
            b'0' | b'1' => Some(byte << 1 | (digit - b'0')),
            _ => None,
        })
    };
    let bytes: Option<Vec<u8>> = padded.as_bytes().chunks(8).map(byte).collect();
    bytes.ok_or_else(|| format!("`{digits}` is no bit literal"))
}

/// The bytes of a hexadecimal literal; an odd number of digits gets a zero in front (only `0x` allows it).
fn hex(digits: &str) -> Result<Vec<u8>, String> {
    let padded = if digits.len() % 2 == 1 { format!("0{digits}") } else { digits.to_owned() };
    let value = |digit: u8| char::from(digit).to_digit(16);
    let bytes: Option<Vec<u8>> = padded
        .as_bytes()
        .chunks(2)
        .map(|pair| match pair {
            [high, low] => Some((value(*high)? << 4 | value(*low)?) as u8),
            _ => None,
        })
        .collect();
    bytes.ok_or_else(|| format!("`{digits}` is no hexadecimal literal"))
}

impl Parser {
    /// A literal; texts side by side are one.
    pub(super) fn literal(&mut self) -> Parsed {
        let token = self.next()?;
        Ok(match token {
            Token::Number(digits, false) => Ast::Number(digits),
            Token::SingleQuotedString(raw) => self.joined(unescape(&raw, '\'')),
            Token::DoubleQuotedString(raw) => self.joined(unescape(&raw, '"')),
            Token::NationalStringLiteral(raw) => {
                Ast::Introduced { charset: "utf8mb3".into(), bytes: unescape(&raw, '\'').into_bytes() }
            }
            Token::HexStringLiteral(digits) => Ast::Hex(hex(&digits)?),
            Token::SingleQuotedByteStringLiteral(digits) => Ast::Bits(bits(&digits)?),
            other => return Err(format!("unexpected `{other}`")),
        })
    }

    fn joined(&mut self, mut text: String) -> Ast {
        loop {
            let more = match self.peek() {
                Some(Token::SingleQuotedString(raw)) => unescape(raw, '\''),
                Some(Token::DoubleQuotedString(raw)) => unescape(raw, '"'),
                _ => return Ast::Text(text),
            };
            text.push_str(&more);
            // Consumes what was looked at.
            let _ = self.next();
        }
    }

    /// `_charset` before a text or a hexadecimal literal.
    pub(super) fn introduced(&mut self, charset: &str) -> Parsed {
        self.next()?;
        let bytes = match self.literal()? {
            Ast::Text(text) => text.into_bytes(),
            Ast::Hex(bytes) | Ast::Bits(bytes) => bytes,
            _ => return Err("expected a text behind the character set".into()),
        };
        let charset = charset.to_ascii_lowercase();
        let charset = if charset == "utf8" { "utf8mb3".to_owned() } else { charset };
        Ok(Ast::Introduced { charset, bytes })
    }

    /// CASE; the current token is the word.
    pub(super) fn case(&mut self) -> Parsed {
        self.next()?;
        let operand = if self.is_word(0, "WHEN") { None } else { Some(Box::new(self.expression()?)) };
        let mut branches = Vec::new();
        while self.eat_word("WHEN") {
            let when = self.expression()?;
            self.expect_word("THEN")?;
            branches.push((when, self.expression()?));
        }
        if branches.is_empty() {
            return Err("CASE without WHEN".into());
        }
        let otherwise = if self.eat_word("ELSE") { Some(Box::new(self.expression()?)) } else { None };
        self.expect_word("END")?;
        Ok(Ast::Case { operand, branches, otherwise })
    }

    /// A function call. `name` is in lower case; the current token is the name.
    pub(super) fn call(&mut self, name: &str) -> Parsed {
        self.next()?;
        self.expect(&Token::LParen)?;
        match name {
            "cast" => {
                let value = self.expression()?;
                self.expect_word("AS")?;
                self.cast_end(value)
            }
            "convert" => {
                let value = self.expression()?;
                if self.eat_word("USING") {
                    let charset = self.name()?;
                    self.expect(&Token::RParen)?;
                    return Ok(Ast::ConvertUsing(Box::new(value), charset.to_ascii_lowercase()));
                }
                self.expect(&Token::Comma)?;
                self.cast_end(value)
            }
            "trim" => self.trim(),
            "substring" | "substr" | "mid" => self.substring(),
            "position" => {
                let needle = self.simple()?;
                self.expect_word("IN")?;
                let text = self.expression()?;
                self.expect(&Token::RParen)?;
                Ok(Ast::Call("locate".into(), vec![needle, text]))
            }
            "extract" => {
                let unit = Ast::Unit(self.unit()?);
                self.expect_word("FROM")?;
                let value = self.expression()?;
                self.expect(&Token::RParen)?;
                Ok(Ast::Call("extract".into(), vec![unit, value]))
            }
            "timestampdiff" | "timestampadd" => {
                let mut arguments = vec![Ast::Unit(self.unit()?)];
                self.expect(&Token::Comma)?;
                arguments.extend(self.list()?);
                Ok(Ast::Call(name.into(), arguments))
            }
            "char" => self.char_function(),
            _ => {
                let arguments = if self.eat(&Token::RParen) { Vec::new() } else { self.arguments()? };
                Ok(Ast::Call(name.into(), arguments))
            }
        }
    }

    fn arguments(&mut self) -> Result<Vec<Ast>, String> {
        if self.is_word(0, "DISTINCT") || self.peek() == Some(&Token::Mul) || self.is_word(0, "SELECT") {
            return Err("aggregates and subqueries can't be evaluated over one row".into());
        }
        self.list()
    }

    fn trim(&mut self) -> Parsed {
        let side = ["LEADING", "TRAILING", "BOTH"].into_iter().find(|side| self.eat_word(side));
        let name = match side {
            Some("LEADING") => "trim_leading",
            Some("TRAILING") => "trim_trailing",
            _ => "trim",
        };
        let mut arguments = Vec::new();
        if side.is_none() || !self.is_word(0, "FROM") {
            arguments.push(self.expression()?);
        }
        if self.eat_word("FROM") {
            let what = arguments.pop();
            arguments.push(self.expression()?);
            arguments.extend(what);
        } else if side.is_some() {
            return Err("expected FROM in TRIM".into());
        }
        self.expect(&Token::RParen)?;
        Ok(Ast::Call(name.into(), arguments))
    }

    fn substring(&mut self) -> Parsed {
        let mut arguments = vec![self.expression()?];
        let words = self.eat_word("FROM");
        if !words {
            self.expect(&Token::Comma)?;
        }
        arguments.push(self.expression()?);
        if words && self.eat_word("FOR") || !words && self.eat(&Token::Comma) {
            arguments.push(self.expression()?);
        }
        self.expect(&Token::RParen)?;
        Ok(Ast::Call("substring".into(), arguments))
    }

    fn char_function(&mut self) -> Parsed {
        let mut arguments = vec![self.expression()?];
        while self.eat(&Token::Comma) {
            arguments.push(self.expression()?);
        }
        let charset = if self.eat_word("USING") { Some(self.name()?.to_ascii_lowercase()) } else { None };
        self.expect(&Token::RParen)?;
        let call = Ast::Call("char".into(), arguments);
        Ok(match charset {
            Some(charset) => Ast::ConvertUsing(Box::new(call), charset),
            None => call,
        })
    }

    fn cast_end(&mut self, value: Ast) -> Parsed {
        let target = self.cast_type()?;
        self.expect(&Token::RParen)?;
        Ok(Ast::Cast(Box::new(value), target))
    }

    fn cast_type(&mut self) -> Result<CastType, String> {
        let Token::Word(Word { value: word, quote_style: None, .. }) = self.next()? else {
            return Err("expected a type".into());
        };
        Ok(match word.to_ascii_uppercase().as_str() {
            "SIGNED" | "UNSIGNED" => {
                let _ = self.eat_word("INTEGER") || self.eat_word("INT");
                if word.eq_ignore_ascii_case("SIGNED") { CastType::Signed } else { CastType::Unsigned }
            }
            "INT" | "INTEGER" => CastType::Signed,
            "DECIMAL" | "DEC" => {
                let (precision, scale) = self.lengths()?;
                let (precision, scale) = (precision.unwrap_or(10), scale.unwrap_or(0));
                if precision > 65 || scale > 30 || scale > precision && precision > 0 {
                    return Err(format!("DECIMAL({precision},{scale}) doesn't exist"));
                }
                CastType::Decimal(if precision == 0 { 10 } else { precision as u8 }, scale as u8)
            }
            "DOUBLE" => {
                let _ = self.eat_word("PRECISION");
                CastType::Double
            }
            "REAL" => CastType::Double,
            "FLOAT" => match self.lengths()? {
                (Some(25..), _) => CastType::Double,
                _ => CastType::Float,
            },
            "NCHAR" => CastType::Char(self.lengths()?.0, Some("utf8mb3".into())),
            "CHAR" | "CHARACTER" | "VARCHAR" => {
                let length = self.lengths()?.0;
                let charset = if self.eat_word("CHARSET") {
                    Some(self.name()?.to_ascii_lowercase())
                } else if self.eat_word("CHARACTER") {
                    self.expect_word("SET")?;
                    Some(self.name()?.to_ascii_lowercase())
                } else {
                    None
                };
                CastType::Char(length, charset)
            }
            "BINARY" | "VARBINARY" => CastType::Binary(self.lengths()?.0),
            "DATE" => CastType::Date,
            "TIME" => CastType::Time(self.fraction()?),
            "DATETIME" => CastType::DateTime(self.fraction()?),
            "YEAR" => CastType::Year,
            "JSON" => CastType::Json,
            other => return Err(format!("a cast to {other} is not supported")),
        })
    }

    fn fraction(&mut self) -> Result<u8, String> {
        match self.lengths()?.0.unwrap_or(0) {
            digits @ 0..=6 => Ok(digits as u8),
            more => Err(format!("{more} fractional digits are too many")),
        }
    }

    /// `(a, b)` behind a type.
    fn lengths(&mut self) -> Result<(Option<u32>, Option<u32>), String> {
        if !self.eat(&Token::LParen) {
            return Ok((None, None));
        }
        let number = |parser: &mut Parser| match parser.next()? {
            Token::Number(digits, false) => digits.parse::<u32>().map_err(|_| format!("`{digits}` is no length")),
            other => Err(format!("expected a length, found `{other}`")),
        };
        let first = number(self)?;
        let second = if self.eat(&Token::Comma) { Some(number(self)?) } else { None };
        self.expect(&Token::RParen)?;
        Ok((Some(first), second))
    }
}
