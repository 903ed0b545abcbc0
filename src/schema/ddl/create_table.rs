//! CREATE TABLE.

use super::{
    ast::{CreateTable, StatementKind, TableOptions, TableRole},
    cursor::Parser,
    index::Constraint,
    spans::CharsetLevel,
};
use crate::{error::Result, schema::model::TableId};

impl Parser<'_> {
    /// After `CREATE [OR REPLACE] TABLE`.
    pub(super) fn create_table(&mut self, or_replace: bool) -> Result<StatementKind> {
        let guard_at = self.last_end();
        let if_not_exists = self.if_not_exists();
        if !if_not_exists && !or_replace {
            self.guard_with(guard_at, " IF NOT EXISTS");
        }
        let table = self.table(TableRole::Subject)?;
        let mut create = new_table(table, if_not_exists, or_replace);
        if self.take_word("LIKE") {
            create.like = Some(self.table(TableRole::Template)?);
        } else if self.is_symbol('(') {
            self.advance();
            if self.take_word("LIKE") {
                create.like = Some(self.table(TableRole::Template)?);
                self.expect_symbol(')')?;
            } else {
                self.table_items(&mut create)?;
            }
        }
        if create.like.is_none() {
            self.table_tail(&mut create)?;
        }
        self.expect_end()?;
        Ok(StatementKind::CreateTable(Box::new(create)))
    }

    /// Columns, indexes and constraints up to the closing parenthesis.
    fn table_items(&mut self, create: &mut CreateTable) -> Result<()> {
        if self.is_word("SELECT") || self.is_symbol('(') {
            return Err(self.refused("CREATE TABLE ... SELECT"));
        }
        loop {
            match self.constraint()? {
                Some(Constraint::Index { index, .. }) => create.indexes.push(index),
                Some(Constraint::ForeignKey { key, .. }) => create.foreign_keys.push(key),
                Some(Constraint::Check { name }) => create.checks.extend(name),
                None => create.columns.push(self.column_def()?),
            }
            if !self.take_symbol(',') {
                break;
            }
        }
        if self.take_symbol(')') { Ok(()) } else { Err(self.unexpected("`,` or `)`")) }
    }

    /// Options, partitions, and whatever says that rows come with the statement.
    fn table_tail(&mut self, create: &mut CreateTable) -> Result<()> {
        let names = self.charset_names.len();
        let columns_end = self.last_end();
        loop {
            self.take_symbol(',');
            if !self.table_option(&mut create.options)? {
                break;
            }
        }
        // Behind the columns when nothing is written; else behind the last of the two, which may depend on each other.
        let written = self.charset_names.get(names..).unwrap_or(&[]);
        let at = written.iter().map(|name| name.clause.end).max().unwrap_or(columns_end);
        self.charset_place(names, CharsetLevel::Table, false, at);
        if self.is_words(&["PARTITION", "BY"]) {
            create.partitioned = true;
            self.partition_clause()?;
        }
        let query = ["SELECT", "AS", "IGNORE", "REPLACE", "WITH", "TABLE", "VALUES"];
        if query.iter().any(|word| self.is_word(word)) || self.is_symbol('(') {
            return Err(self.refused("CREATE TABLE ... SELECT"));
        }
        if create.columns.is_empty() {
            return Err(self.unexpected("column definitions"));
        }
        Ok(())
    }
}

fn new_table(table: TableId, if_not_exists: bool, or_replace: bool) -> CreateTable {
    CreateTable {
        table,
        if_not_exists,
        or_replace,
        like: None,
        columns: Vec::new(),
        indexes: Vec::new(),
        foreign_keys: Vec::new(),
        checks: Vec::new(),
        options: TableOptions::default(),
        partitioned: false,
    }
}
