//! Indexes, foreign keys, checks and periods.

use super::{
    ast::{CheckDef, ForeignKeyDef, IndexDef, PeriodDef, TableRole},
    cursor::Parser,
};
use crate::{
    error::Result,
    schema::model::{IndexColumn, IndexKind, ReferenceAction},
};

/// What an item of a table definition, or of ALTER TABLE ... ADD, is when it is not a column.
pub(super) enum Constraint {
    Index { index: IndexDef, if_not_exists: bool },
    ForeignKey { key: ForeignKeyDef, if_not_exists: bool },
    Check(CheckDef),
    Period(PeriodDef),
}

impl Parser<'_> {
    /// An index, key or constraint; None (and nothing consumed) when a column comes next.
    pub(super) fn constraint(&mut self) -> Result<Option<Constraint>> {
        match self.keyword().as_str() {
            "PERIOD" if self.is_word_at(1, "FOR") => {
                return self.period().map(|period| Some(Constraint::Period(period)));
            }
            // VECTOR is a reserved word since MariaDB 11.7 only: elsewhere a column may have that name.
            "VECTOR" if self.is_one_of(1, &["INDEX", "KEY"]) || self.is_symbol_at(1, '(') => {}
            "VECTOR" if self.context.server.is_mariadb() && self.context.server.version >= 110_700 => {}
            "CONSTRAINT" | "FOREIGN" | "CHECK" | "PRIMARY" | "UNIQUE" | "FULLTEXT" | "SPATIAL" | "KEY" | "INDEX" => {}
            _ => return Ok(None),
        }
        let at = self.span().start;
        let mut name = None;
        let mut if_not_exists = false;
        if self.take_word("CONSTRAINT") {
            if_not_exists = self.if_not_exists();
            if !self.is_one_of(0, &["PRIMARY", "UNIQUE", "FOREIGN", "CHECK"]) {
                name = Some(self.name()?);
            }
        }
        if self.take_words(&["FOREIGN", "KEY"]) {
            let if_not_exists = self.if_not_exists() || if_not_exists;
            let index_name = if self.is_symbol('(') { None } else { Some(self.name()?) };
            let columns = self.column_list()?;
            let key = ForeignKeyDef { name, index_name, columns, at, ..ForeignKeyDef::default() };
            return Ok(Some(Constraint::ForeignKey { key: self.references(key)?, if_not_exists }));
        }
        if self.take_word("CHECK") {
            let expression = self.parenthesised()?.to_owned();
            self.enforcement();
            return Ok(Some(Constraint::Check(CheckDef { name, expression, at })));
        }
        self.index_constraint(name, if_not_exists).map(Some)
    }

    fn index_constraint(&mut self, name: Option<String>, if_not_exists: bool) -> Result<Constraint> {
        let mut index = IndexDef { at: self.span().start, ..IndexDef::default() };
        if self.take_words(&["PRIMARY", "KEY"]) {
            (index.primary, index.unique) = (true, true);
        } else if self.take_word("UNIQUE") {
            index.unique = true;
            let _ = self.take_any(&["KEY", "INDEX"]);
        } else if name.is_some() {
            return Err(self.unexpected("a constraint"));
        } else if let Some(kind) = self.index_kind() {
            index.kind = kind;
        } else if self.take_any(&["KEY", "INDEX"]).is_none() {
            return Err(self.unexpected("a key"));
        }
        let if_not_exists = self.if_not_exists() || if_not_exists;
        index.name = name;
        if !self.is_symbol('(') && !self.is_index_type() {
            index.name = Some(self.name()?);
        }
        index.using_hash = self.index_type();
        self.index_body(&mut index)?;
        Ok(Constraint::Index { index, if_not_exists })
    }

    /// `PERIOD FOR name (start, end)`.
    fn period(&mut self) -> Result<PeriodDef> {
        self.advance();
        self.advance();
        self.if_not_exists();
        let name = self.name()?;
        self.expect_symbol('(')?;
        let start = self.column_name()?;
        self.expect_symbol(',')?;
        let end = self.column_name()?;
        self.expect_symbol(')')?;
        Ok(PeriodDef { name, start, end })
    }

    /// `FULLTEXT [KEY|INDEX]` and the like.
    pub(super) fn index_kind(&mut self) -> Option<IndexKind> {
        let kind = match self.take_any(&["FULLTEXT", "SPATIAL", "VECTOR"])? {
            "FULLTEXT" => IndexKind::Fulltext,
            "SPATIAL" => IndexKind::Spatial,
            _ => IndexKind::Vector,
        };
        let _ = self.take_any(&["KEY", "INDEX"]);
        Some(kind)
    }

    fn is_index_type(&self) -> bool {
        self.is_one_of(0, &["USING", "TYPE"]) && self.is_one_of(1, &["BTREE", "HASH", "RTREE"])
    }

    /// `USING BTREE`; true for HASH.
    pub(super) fn index_type(&mut self) -> bool {
        let mut hash = false;
        while self.is_index_type() {
            self.advance();
            hash = self.is_word("HASH");
            self.advance();
        }
        hash
    }

    /// The parts in parentheses and the options after them.
    pub(super) fn index_body(&mut self, index: &mut IndexDef) -> Result<()> {
        self.expect_symbol('(')?;
        loop {
            let part = self.index_column()?;
            if self.take_words(&["WITHOUT", "OVERLAPS"]) {
                index.without_overlaps = Some(part.column);
            } else {
                index.columns.push(part);
            }
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
        }
        part.descending = self.take_any(&["ASC", "DESC"]) == Some("DESC");
        Ok(part)
    }

    fn index_option(&mut self, index: &mut IndexDef) -> Result<bool> {
        let word = self.keyword();
        match word.as_str() {
            "USING" | "TYPE" if self.is_index_type() => index.using_hash = self.index_type(),
            "COMMENT" => {
                self.advance();
                index.comment = self.text()?;
            }
            "INVISIBLE" | "IGNORED" => {
                self.advance();
                index.invisible = true;
            }
            "VISIBLE" => self.advance(),
            "NOT" if self.take_words(&["NOT", "IGNORED"]) => {}
            "WITH" if self.take_words(&["WITH", "PARSER"]) => index.parser = Some(self.name()?),
            "KEY_BLOCK_SIZE" | "CLUSTERING" | "ENGINE_ATTRIBUTE" | "SECONDARY_ENGINE_ATTRIBUTE" => {
                self.advance();
                self.take_symbol('=');
                self.option_value()?;
            }
            // `DISTANCE = cosine`, `M = 8` of MariaDB's vector indexes, and engines' own.
            _ => return self.own_option(),
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
            self.any_name()?;
        }
        while self.is_word("ON") && self.is_one_of(1, &["DELETE", "UPDATE"]) {
            self.advance();
            let deleted = self.take_word("DELETE");
            if !deleted {
                self.advance();
            }
            let action = self.reference_action()?;
            if deleted {
                key.on_delete = action;
            } else {
                key.on_update = action;
            }
        }
        Ok(key)
    }

    fn reference_action(&mut self) -> Result<ReferenceAction> {
        Ok(match self.take_any(&["RESTRICT", "CASCADE"]) {
            Some("RESTRICT") => ReferenceAction::Restrict,
            Some(_) => ReferenceAction::Cascade,
            None if self.take_words(&["SET", "NULL"]) => ReferenceAction::SetNull,
            None if self.take_words(&["SET", "DEFAULT"]) => ReferenceAction::SetDefault,
            None if self.take_words(&["NO", "ACTION"]) => ReferenceAction::NoAction,
            None => return Err(self.unexpected("what a foreign key does")),
        })
    }
}
