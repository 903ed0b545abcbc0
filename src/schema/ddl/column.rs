//! Column definitions: name, type, attributes.

use super::{
    ast::{ColumnDef, ForeignKeyDef},
    column_type::TypeClause,
    cursor::Parser,
    lexer::TokenKind,
    spans::CharsetLevel,
};
use crate::{
    error::Result,
    schema::model::{DefaultValue, Generated},
};

impl Parser<'_> {
    /// `name type attributes`.
    pub(super) fn column_def(&mut self) -> Result<ColumnDef> {
        let name = self.column_name()?;
        let names = self.charset_names.len();
        let clause = self.type_clause(&name)?;
        let implied = clause.national || clause.binary_collation;
        let type_end = self.last_end();
        let mut column = new_column(name, clause);
        while self.column_attribute(&mut column)? {}
        if column.ty.base.has_charset() {
            self.charset_place(names, CharsetLevel::Column(column.name.clone()), implied, type_end);
        }
        Ok(column)
    }

    /// Reads one attribute; false when none comes next.
    fn column_attribute(&mut self, column: &mut ColumnDef) -> Result<bool> {
        if self.take_words(&["NOT", "NULL"]) {
            column.nullable = Some(false);
        } else if self.take_word("NULL") {
            column.nullable = Some(true);
        } else if self.take_words(&["SERIAL", "DEFAULT", "VALUE"]) {
            (column.nullable, column.auto_increment, column.unique_key) = (Some(false), true, true);
        } else if self.take_word("DEFAULT") {
            column.default = Some(self.default_value()?);
        } else if self.take_words(&["ON", "UPDATE"]) {
            if !self.current_timestamp()? {
                return Err(self.unexpected("CURRENT_TIMESTAMP"));
            }
            column.on_update_now = true;
        } else if self.take_word("AUTO_INCREMENT") {
            column.auto_increment = true;
        } else if self.take_words(&["PRIMARY", "KEY"]) || self.take_word("KEY") {
            column.primary_key = true;
        } else if self.take_word("UNIQUE") {
            self.take_word("KEY");
            column.unique_key = true;
        } else if self.take_word("COMMENT") {
            column.comment = self.text()?;
        } else if self.is_word("COLLATE") {
            let start = self.span().start;
            self.advance();
            column.collation = Some(self.charset_name(start, true, CharsetLevel::Column(column.name.clone()))?);
        } else if self.is_words(&["GENERATED", "ALWAYS", "AS"]) || self.is_word("AS") {
            column.generated = Some(self.generated()?);
        } else if self.take_word("INVISIBLE") {
            column.invisible = true;
        } else if self.is_word("REFERENCES") {
            let columns = vec![column.name.clone()];
            column.references = Some(self.references(ForeignKeyDef { columns, ..ForeignKeyDef::default() })?);
        } else if self.is_word("CONSTRAINT") || self.is_word("CHECK") {
            self.column_check(column)?;
        } else {
            return self.other_attribute();
        }
        Ok(true)
    }

    /// Attributes that the model doesn't keep.
    fn other_attribute(&mut self) -> Result<bool> {
        let bare = self.take_any(&["VISIBLE", "PERSISTENT", "VIRTUAL", "STORED"]).is_some();
        if bare || self.take_words(&["NOT", "SECONDARY"]) {
        } else if self.take_any(&["COLUMN_FORMAT", "STORAGE"]).is_some() {
            self.name()?;
        } else if self.take_word("SRID") {
            self.number()?;
        } else if self.take_word("COMPRESSED") {
            if self.take_symbol('=') {
                self.name()?;
            }
        } else if self.take_any(&["ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE"]).is_some() {
            self.take_symbol('=');
            self.text()?;
        } else if self.is_words(&["WITH", "SYSTEM"]) || self.is_words(&["WITHOUT", "SYSTEM"]) {
            return Err(self.refused("a system-versioned table"));
        } else if matches!(self.kind(0), TokenKind::Word(_)) && *self.kind(1) == TokenKind::Symbol('=') {
            // MariaDB: attributes of the engine, `REF_SYSTEM_ID=0` and the like.
            self.advance();
            self.advance();
            self.option_value()?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    fn generated(&mut self) -> Result<Generated> {
        self.take_words(&["GENERATED", "ALWAYS"]);
        self.expect_word("AS")?;
        if self.is_words(&["ROW", "START"]) || self.is_words(&["ROW", "END"]) {
            return Err(self.refused("a system-versioned table"));
        }
        let expression = self.parenthesised()?.to_owned();
        let stored = self.take_any(&["VIRTUAL", "STORED", "PERSISTENT"]).is_some_and(|kind| kind != "VIRTUAL");
        Ok(Generated { expression, stored })
    }

    /// `[CONSTRAINT [name]] CHECK (...) [[NOT] ENFORCED]`.
    fn column_check(&mut self, column: &mut ColumnDef) -> Result<()> {
        if self.take_word("CONSTRAINT") && !self.is_word("CHECK") {
            self.name()?;
        }
        self.expect_word("CHECK")?;
        let expression = self.parenthesised()?;
        let bare: String = expression.chars().filter(|c| !c.is_whitespace() && *c != '`').collect();
        let wanted: String = column.name.chars().filter(|c| !c.is_whitespace() && *c != '`').collect();
        if bare.to_lowercase() == format!("json_valid({})", wanted.to_lowercase()) {
            column.json_valid = true;
        }
        self.enforcement();
        Ok(())
    }

    /// `[NOT] ENFORCED`.
    pub(super) fn enforcement(&mut self) {
        let _ = self.take_words(&["NOT", "ENFORCED"]) || self.take_word("ENFORCED");
    }

    /// What follows DEFAULT.
    pub(super) fn default_value(&mut self) -> Result<DefaultValue> {
        let first = self.consumed();
        let value = self.default_item()?;
        if self.context.server.is_mariadb() {
            self.note_sequences(first);
        }
        Ok(value)
    }

    fn default_item(&mut self) -> Result<DefaultValue> {
        let start = self.span().start;
        if self.current_timestamp()? {
            return Ok(DefaultValue::CurrentTimestamp);
        }
        let value = match self.kind(0).clone() {
            TokenKind::Word(word) if word.eq_ignore_ascii_case("NULL") => DefaultValue::Null,
            TokenKind::Word(word) if word.eq_ignore_ascii_case("TRUE") => DefaultValue::Literal("1".to_owned()),
            TokenKind::Word(word) if word.eq_ignore_ascii_case("FALSE") => DefaultValue::Literal("0".to_owned()),
            TokenKind::Text { .. } => return Ok(DefaultValue::Literal(self.text()?)),
            TokenKind::Number(number) => DefaultValue::Literal(number),
            TokenKind::Bytes(bytes) => DefaultValue::Bytes(bytes),
            TokenKind::Symbol(sign @ ('-' | '+')) => {
                self.advance();
                let TokenKind::Number(number) = self.kind(0).clone() else { return Err(self.unexpected("a number")) };
                DefaultValue::Literal(if sign == '-' { format!("-{number}") } else { number })
            }
            TokenKind::Symbol('(') => return Ok(DefaultValue::Expression(self.parenthesised()?.to_owned())),
            TokenKind::Word(_) | TokenKind::Quoted(_) => return self.default_call(start),
            _ => return Err(self.unexpected("a default value")),
        };
        self.advance();
        Ok(value)
    }

    /// `DATE '2024-01-01'`, `_utf8mb4'x'`, `uuid()`, `NEXT VALUE FOR seq`, `nextval(seq)`.
    fn default_call(&mut self, start: usize) -> Result<DefaultValue> {
        let literal_word = self.take_any(&["DATE", "TIME", "TIMESTAMP"]).is_some()
            || matches!(self.kind(0), TokenKind::Word(word) if word.starts_with('_'));
        if literal_word {
            if matches!(self.kind(0), TokenKind::Word(word) if word.starts_with('_')) {
                self.advance();
            }
            return match self.kind(0).clone() {
                TokenKind::Bytes(bytes) => {
                    self.advance();
                    Ok(DefaultValue::Bytes(bytes))
                }
                _ => Ok(DefaultValue::Literal(self.text()?)),
            };
        }
        if self.take_words(&["NEXT", "VALUE", "FOR"]) || self.take_words(&["PREVIOUS", "VALUE", "FOR"]) {
            self.column_name()?;
        } else {
            self.column_name()?;
            self.parenthesised()?;
        }
        let text = self.sql.get(start..self.last_end()).unwrap_or("");
        Ok(DefaultValue::Expression(text.to_owned()))
    }

    /// CURRENT_TIMESTAMP or a synonym, with or without digits; false when it doesn't come next.
    fn current_timestamp(&mut self) -> Result<bool> {
        let found = self.take_any(&["CURRENT_TIMESTAMP", "NOW", "LOCALTIME", "LOCALTIMESTAMP"]).is_some();
        if found && self.is_symbol('(') {
            self.parenthesised()?;
        }
        Ok(found)
    }
}

fn new_column(name: String, clause: TypeClause) -> ColumnDef {
    ColumnDef {
        name,
        ty: clause.ty,
        charset: clause.charset,
        collation: None,
        binary_collation: clause.binary_collation,
        nullable: clause.serial.then_some(false),
        default: None,
        generated: None,
        auto_increment: clause.serial,
        on_update_now: false,
        comment: String::new(),
        invisible: false,
        primary_key: false,
        unique_key: clause.serial,
        json_valid: false,
        references: None,
    }
}
