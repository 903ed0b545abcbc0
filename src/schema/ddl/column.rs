//! Column definitions: name, type, attributes.

use super::{
    ast::{CheckDef, ColumnDef, ForeignKeyDef, RowTime},
    column_type::TypeClause,
    cursor::Parser,
    lexer::TokenKind,
    spans::CharsetLevel,
};
use crate::{error::Result, schema::model::Generated};

impl Parser<'_> {
    /// `name type attributes`.
    pub(super) fn column_def(&mut self) -> Result<ColumnDef> {
        let at = self.span().start;
        let name = self.column_name()?;
        let names = self.charset_names.len();
        let clause = self.type_clause(&name)?;
        let implied = clause.national || clause.binary_collation;
        let type_end = self.last_end();
        let mut column = ColumnDef { type_end, ..new_column(name, clause, at) };
        while self.column_attribute(&mut column)? {}
        if column.ty.base.has_charset() {
            self.charset_place(names, CharsetLevel::Column(column.name.clone()), implied, type_end);
        }
        Ok(column)
    }

    /// Reads one attribute; false when none comes next.
    fn column_attribute(&mut self, column: &mut ColumnDef) -> Result<bool> {
        let word = self.keyword();
        match word.as_str() {
            "NOT" if self.take_words(&["NOT", "NULL"]) => column.nullable = Some(false),
            "NULL" => {
                self.advance();
                column.nullable = Some(true);
            }
            "DEFAULT" => {
                self.advance();
                column.default = Some(self.default_value()?);
            }
            "COMMENT" => {
                self.advance();
                column.comment = self.text()?;
            }
            "AUTO_INCREMENT" => {
                self.advance();
                column.auto_increment = true;
            }
            "COLLATE" => {
                let start = self.span().start;
                self.advance();
                column.collation = Some(self.charset_name(start, true, CharsetLevel::Column(column.name.clone()))?);
            }
            "PRIMARY" | "KEY" => {
                self.take_word("PRIMARY");
                self.expect_word("KEY")?;
                column.primary_key = true;
            }
            "UNIQUE" => {
                self.advance();
                self.take_word("KEY");
                column.unique_key = true;
            }
            "ON" if self.take_words(&["ON", "UPDATE"]) => {
                if !self.current_timestamp()? {
                    return Err(self.unexpected("CURRENT_TIMESTAMP"));
                }
                column.on_update_now = true;
            }
            "GENERATED" | "AS" => self.generated(column)?,
            "INVISIBLE" => {
                self.advance();
                column.invisible = true;
            }
            "SERIAL" if self.take_words(&["SERIAL", "DEFAULT", "VALUE"]) => {
                (column.nullable, column.auto_increment, column.unique_key) = (Some(false), true, true);
            }
            "REFERENCES" => {
                let (columns, at) = (vec![column.name.clone()], self.span().start);
                let key = ForeignKeyDef { columns, at, ..ForeignKeyDef::default() };
                column.references = Some(self.references(key)?);
            }
            "CONSTRAINT" | "CHECK" => self.column_check(column)?,
            _ => return self.rare_attribute(column),
        }
        Ok(true)
    }

    /// Attributes that few columns have, most of which the model doesn't keep.
    fn rare_attribute(&mut self, column: &mut ColumnDef) -> Result<bool> {
        let word = self.keyword();
        match word.as_str() {
            "VISIBLE" | "PERSISTENT" | "VIRTUAL" | "STORED" => self.advance(),
            "NOT" if self.take_words(&["NOT", "SECONDARY"]) => {}
            "COLUMN_FORMAT" | "STORAGE" => {
                self.advance();
                self.any_name()?;
            }
            "SRID" => {
                self.advance();
                self.number()?;
            }
            "COMPRESSED" => {
                self.compressed()?;
                column.compressed = true;
            }
            // How MariaDB prints a compressed text: the attribute stands before the character set.
            "CHARACTER" | "CHARSET" if column.compressed => {
                let start = self.span().start;
                if !self.charset_keyword() {
                    return Ok(false);
                }
                column.charset = Some(self.charset_name(start, false, CharsetLevel::Column(column.name.clone()))?);
            }
            "ENGINE_ATTRIBUTE" | "SECONDARY_ENGINE_ATTRIBUTE" => {
                self.advance();
                self.take_symbol('=');
                self.text()?;
            }
            "WITH" if self.take_words(&["WITH", "SYSTEM", "VERSIONING"]) => column.versioning = Some(true),
            "WITHOUT" if self.take_words(&["WITHOUT", "SYSTEM", "VERSIONING"]) => column.versioning = Some(false),
            // MariaDB: attributes of the engine, `REF_SYSTEM_ID=0` and the like, always with `=`.
            _ => return self.own_option(),
        }
        Ok(true)
    }

    /// `COMPRESSED [= method]`.
    pub(super) fn compressed(&mut self) -> Result<()> {
        self.advance();
        if self.take_symbol('=') { self.any_name() } else { Ok(()) }
    }

    /// `name = value`, for options that an engine defines by itself and for those of servers to come: what has this
    /// shape is a property of its column, index or table and no change of its row. False when none comes next.
    pub(super) fn own_option(&mut self) -> Result<bool> {
        if !(self.is_name_at(0) && self.kind(1) == TokenKind::Symbol('=')) {
            return Ok(false);
        }
        let start = self.span().start;
        self.advance();
        self.advance();
        self.option_value()?;
        self.unknown.push(start..self.last_end());
        Ok(true)
    }

    fn generated(&mut self, column: &mut ColumnDef) -> Result<()> {
        self.take_words(&["GENERATED", "ALWAYS"]);
        self.expect_word("AS")?;
        if self.take_word("ROW") {
            column.row_time = match self.take_any(&["START", "END"]) {
                Some("START") => Some(RowTime::Start),
                Some(_) => Some(RowTime::End),
                None => return Err(self.unexpected("START or END")),
            };
            return Ok(());
        }
        let expression = self.parenthesised()?.to_owned();
        let stored = self.take_any(&["VIRTUAL", "STORED", "PERSISTENT"]).is_some_and(|kind| kind != "VIRTUAL");
        column.generated = Some(Generated { expression, stored });
        Ok(())
    }

    /// `[CONSTRAINT [name]] CHECK (...) [[NOT] ENFORCED]`.
    fn column_check(&mut self, column: &mut ColumnDef) -> Result<()> {
        let at = self.span().start;
        let named = self.take_word("CONSTRAINT") && !self.is_word("CHECK");
        let name = if named { Some(self.name()?) } else { None };
        self.expect_word("CHECK")?;
        let expression = self.parenthesised()?;
        column.checks.push(CheckDef { name, expression: expression.to_owned(), at });
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
}

fn new_column(name: String, clause: TypeClause, at: usize) -> ColumnDef {
    ColumnDef {
        name,
        ty: clause.ty,
        charset: clause.charset,
        collation: None,
        binary_collation: clause.binary_collation,
        nullable: clause.serial.then_some(false),
        default: None,
        generated: None,
        row_time: None,
        versioning: None,
        compressed: clause.compressed,
        auto_increment: clause.serial,
        on_update_now: false,
        comment: String::new(),
        invisible: false,
        primary_key: false,
        unique_key: clause.serial,
        json_valid: false,
        checks: Vec::new(),
        at,
        type_end: 0,
        references: None,
    }
}
