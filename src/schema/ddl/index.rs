//! Indexes and foreign keys.

use super::{
    ast::{ForeignKeyDef, IndexDef, TableRole},
    cursor::Parser,
};
use crate::{
    error::Result,
    schema::model::{IndexColumn, IndexKind},
};

/// What an item of a table definition, or of ALTER TABLE ... ADD, is when it is not a column.
pub(super) enum Constraint {
    Index { index: IndexDef, if_not_exists: bool },
    ForeignKey { key: ForeignKeyDef, if_not_exists: bool },
    Check { name: Option<String> },
}

impl Parser<'_> {
    /// An index, key or constraint; None (and nothing consumed) when a column comes next.
    pub(super) fn constraint(&mut self) -> Result<Option<Constraint>> {
        let mut constraint_name = None;
        let mut if_not_exists = false;
        if self.take_word("CONSTRAINT") {
            if_not_exists = self.if_not_exists();
            let unnamed = ["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"].iter().any(|word| self.is_word(word));
            if !unnamed {
                constraint_name = Some(self.name()?);
            }
        }
        if self.is_words(&["PERIOD", "FOR"]) {
            return Err(self.refused("an application-time period or a system-versioned table"));
        }
        if self.take_words(&["FOREIGN", "KEY"]) {
            let if_not_exists = self.if_not_exists() || if_not_exists;
            let index_name = if self.is_symbol('(') { None } else { Some(self.name()?) };
            let columns = self.column_list()?;
            let key = ForeignKeyDef { name: constraint_name, index_name, columns, ..ForeignKeyDef::default() };
            return Ok(Some(Constraint::ForeignKey { key: self.references(key)?, if_not_exists }));
        }
        if self.take_word("CHECK") {
            self.parenthesised()?;
            self.enforcement();
            return Ok(Some(Constraint::Check { name: constraint_name }));
        }
        let mut index = IndexDef::default();
        if self.take_words(&["PRIMARY", "KEY"]) {
            (index.primary, index.unique) = (true, true);
        } else if self.take_word("UNIQUE") {
            index.unique = true;
            let _ = self.take_any(&["KEY", "INDEX"]);
        } else if let Some(kind) = self.index_kind() {
            index.kind = kind;
        } else if self.take_any(&["KEY", "INDEX"]).is_none() {
            return if constraint_name.is_some() { Err(self.unexpected("a constraint")) } else { Ok(None) };
        }
        let if_not_exists = self.if_not_exists() || if_not_exists;
        index.name = constraint_name;
        if !self.is_symbol('(') && !self.is_index_type() {
            index.name = Some(self.name()?);
        }
        self.index_type()?;
        self.index_body(&mut index)?;
        Ok(Some(Constraint::Index { index, if_not_exists }))
    }

    /// `FULLTEXT [KEY|INDEX]` and the like; nothing consumed when a column of that name comes next.
    pub(super) fn index_kind(&mut self) -> Option<IndexKind> {
        let kind = match self.take_any(&["FULLTEXT", "SPATIAL"]) {
            Some("FULLTEXT") => IndexKind::Fulltext,
            Some(_) => IndexKind::Spatial,
            // VECTOR is no reserved word: a column may have that name.
            None if self.is_words(&["VECTOR", "INDEX"]) || self.is_words(&["VECTOR", "KEY"]) => {
                self.advance();
                IndexKind::Vector
            }
            None => return None,
        };
        let _ = self.take_any(&["KEY", "INDEX"]);
        Some(kind)
    }

    fn is_index_type(&self) -> bool {
        let word = self.is_word("USING") || self.is_word("TYPE");
        word && ["BTREE", "HASH", "RTREE"].iter().any(|kind| self.is_word_at(1, kind))
    }

    /// `USING BTREE`.
    pub(super) fn index_type(&mut self) -> Result<()> {
        while self.is_index_type() {
            self.advance();
            self.advance();
        }
        Ok(())
    }

    /// The parts in parentheses and the options after them.
    pub(super) fn index_body(&mut self, index: &mut IndexDef) -> Result<()> {
        self.expect_symbol('(')?;
        loop {
            index.columns.push(self.index_column()?);
            if !self.take_symbol(',') {
                break;
            }
        }
        self.expect_symbol(')')?;
        while self.index_option(index)? {}
        Ok(())
    }

    fn index_column(&mut self) -> Result<IndexColumn> {
        let mut part = IndexColumn::default();
        if self.is_symbol('(') {
            part.expression = Some(self.parenthesised()?.to_owned());
        } else {
            part.column = self.column_name()?;
            if self.take_symbol('(') {
                part.prefix_len = Some(self.number()?);
                self.expect_symbol(')')?;
            }
            if self.is_words(&["WITHOUT", "OVERLAPS"]) {
                return Err(self.refused("an application-time period"));
            }
        }
        part.descending = self.take_any(&["ASC", "DESC"]) == Some("DESC");
        Ok(part)
    }

    fn index_option(&mut self, index: &mut IndexDef) -> Result<bool> {
        if self.is_index_type() {
            self.index_type()?;
        } else if self.take_word("COMMENT") {
            index.comment = self.text()?;
        } else if self.take_word("INVISIBLE") {
            index.invisible = true;
        } else if self.take_words(&["NOT", "IGNORED"]) || self.take_any(&["VISIBLE", "IGNORED"]).is_some() {
        } else if self.take_words(&["WITH", "PARSER"]) {
            self.name()?;
        } else if self.take_word("KEY_BLOCK_SIZE") {
            self.take_symbol('=');
            self.number()?;
        } else if ["CLUSTERING", "ENGINE_ATTRIBUTE", "SECONDARY_ENGINE_ATTRIBUTE", "DISTANCE", "M"]
            .iter()
            .any(|option| self.is_word(option))
        {
            self.advance();
            self.take_symbol('=');
            self.option_value()?;
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    pub(super) fn column_list(&mut self) -> Result<Vec<String>> {
        self.expect_symbol('(')?;
        let mut columns = Vec::new();
        loop {
            columns.push(self.column_name()?);
            if !self.take_symbol(',') {
                break;
            }
        }
        self.expect_symbol(')')?;
        Ok(columns)
    }

    /// `REFERENCES parent (columns) [MATCH ...] [ON DELETE ...] [ON UPDATE ...]`.
    pub(super) fn references(&mut self, mut key: ForeignKeyDef) -> Result<ForeignKeyDef> {
        self.expect_word("REFERENCES")?;
        key.parent = self.table(TableRole::Parent)?;
        if self.is_symbol('(') {
            key.parent_columns = self.column_list()?;
        }
        if self.take_word("MATCH") {
            self.name()?;
        }
        while self.is_words(&["ON", "DELETE"]) || self.is_words(&["ON", "UPDATE"]) {
            self.advance();
            self.advance();
            let action = self.take_any(&["RESTRICT", "CASCADE"]).is_some()
                || self.take_words(&["SET", "NULL"])
                || self.take_words(&["SET", "DEFAULT"])
                || self.take_words(&["NO", "ACTION"]);
            if !action {
                return Err(self.unexpected("what a foreign key does"));
            }
        }
        Ok(key)
    }
}
