//! Default values: literals, the current time, and expressions, which stay text.

use super::{ast::TableRole, cursor::Parser, lexer::TokenKind, unquote};
use crate::{error::Result, schema::model::DefaultValue};

impl Parser<'_> {
    /// What follows DEFAULT.
    pub(super) fn default_value(&mut self) -> Result<DefaultValue> {
        let first = self.consumed();
        let value = self.default_item()?;
        if matches!(value, DefaultValue::Expression(_)) && self.context.server.is_mariadb() {
            self.note_sequences(first);
        }
        Ok(value)
    }

    fn default_item(&mut self) -> Result<DefaultValue> {
        let value = match self.kind(0) {
            TokenKind::Word => return self.default_word(),
            TokenKind::Text | TokenKind::DoubleText => return Ok(DefaultValue::Literal(self.text()?)),
            TokenKind::Number => DefaultValue::Number(self.raw(0).to_owned()),
            TokenKind::Bytes => DefaultValue::Bytes(unquote::bytes(self.raw(0))),
            TokenKind::Symbol(sign @ ('-' | '+')) => {
                self.advance();
                if self.kind(0) != TokenKind::Number {
                    return Err(self.unexpected("a number"));
                }
                let number = self.raw(0);
                DefaultValue::Number(if sign == '-' { format!("-{number}") } else { number.to_owned() })
            }
            TokenKind::Symbol('(') => return Ok(DefaultValue::Expression(self.parenthesised()?.to_owned())),
            // `{ts '2024-01-01 00:00:00'}`
            TokenKind::Symbol('{') if self.is_any_word(1) => {
                self.advance();
                self.advance();
                let value = DefaultValue::Literal(self.text()?);
                self.expect_symbol('}')?;
                return Ok(value);
            }
            // `\N`
            TokenKind::Symbol('\\') if self.is_word_at(1, "N") => {
                self.advance();
                DefaultValue::Null
            }
            TokenKind::Quoted => return self.default_expression(),
            _ => return Err(self.unexpected("a default value")),
        };
        self.advance();
        Ok(value)
    }

    fn default_word(&mut self) -> Result<DefaultValue> {
        if self.current_timestamp()? {
            return Ok(DefaultValue::CurrentTimestamp);
        }
        let value = match self.keyword().as_str() {
            "NULL" => DefaultValue::Null,
            "TRUE" => DefaultValue::Number("1".to_owned()),
            "FALSE" => DefaultValue::Number("0".to_owned()),
            "DATE" | "TIME" | "TIMESTAMP" if matches!(self.kind(1), TokenKind::Text | TokenKind::DoubleText) => {
                self.advance();
                return Ok(DefaultValue::Literal(self.text()?));
            }
            _ if self.raw(0).starts_with('_') => match self.kind(1) {
                TokenKind::Text | TokenKind::DoubleText => {
                    self.advance();
                    return Ok(DefaultValue::Literal(self.text()?));
                }
                TokenKind::Bytes => {
                    self.advance();
                    DefaultValue::Bytes(unquote::bytes(self.raw(0)))
                }
                _ => return self.default_expression(),
            },
            _ => return self.default_expression(),
        };
        self.advance();
        Ok(value)
    }

    /// `uuid()`, `NEXT VALUE FOR s`, `CASE ... END`, another column, `CURRENT_USER`: no operators without parentheses.
    fn default_expression(&mut self) -> Result<DefaultValue> {
        let start = self.span().start;
        if self.take_words(&["NEXT", "VALUE", "FOR"]) || self.take_words(&["PREVIOUS", "VALUE", "FOR"]) {
            self.column_name()?;
        } else if self.is_word("CASE") {
            self.case_expression()?;
        } else {
            self.column_name()?;
            if self.is_symbol('(') {
                self.parenthesised()?;
            } else if !self.context.server.is_mariadb() {
                return Err(self.unexpected("`(`"));
            }
        }
        let text = self.sql.get(start..self.last_end()).unwrap_or("");
        Ok(DefaultValue::Expression(text.to_owned()))
    }

    /// From CASE to its END.
    fn case_expression(&mut self) -> Result<()> {
        let mut depth = 0_usize;
        loop {
            match self.keyword().as_str() {
                "CASE" => depth += 1,
                "END" => depth -= 1,
                _ if self.at_end() => return Err(self.unexpected("END")),
                _ if self.is_symbol('(') => {
                    self.parenthesised()?;
                    continue;
                }
                _ => {}
            }
            self.advance();
            if depth == 0 {
                return Ok(());
            }
        }
    }

    /// CURRENT_TIMESTAMP or a synonym, with or without digits; false when it doesn't come next.
    pub(super) fn current_timestamp(&mut self) -> Result<bool> {
        // Measured: since 11.7 MariaDB's LOCALTIME is CURTIME, and LOCALTIMESTAMP a function of its own.
        let synonyms = !(self.context.server.is_mariadb() && self.context.server.version >= 110_700);
        let found = match self.keyword().as_str() {
            "CURRENT_TIMESTAMP" | "NOW" => true,
            "LOCALTIME" | "LOCALTIMESTAMP" => synonyms,
            _ => false,
        };
        if found {
            self.advance();
            if self.is_symbol('(') {
                self.parenthesised()?;
            }
        }
        Ok(found)
    }

    /// Notes the sequences that the tokens since `first` read: `NEXTVAL(s)`, `NEXT VALUE FOR s` and their kin.
    fn note_sequences(&mut self, first: usize) {
        let end = self.consumed();
        self.go_to(first);
        while self.consumed() < end {
            let call = self.is_one_of(0, &["NEXTVAL", "LASTVAL", "SETVAL"]) && self.kind(1) == TokenKind::Symbol('(');
            if call {
                self.advance();
                self.advance();
            }
            let reads =
                call || self.take_words(&["NEXT", "VALUE", "FOR"]) || self.take_words(&["PREVIOUS", "VALUE", "FOR"]);
            // No error: an expression that isn't understood names no sequence that we could replace.
            if !reads || self.table(TableRole::Sequence).is_err() {
                self.advance();
            }
        }
        self.go_to(end);
    }
}
