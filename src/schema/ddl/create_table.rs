//! CREATE TABLE.

use super::{
    ast::{CreateTable, SequenceVerb, StatementKind, TableOptions, TableRole},
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
        let in_parentheses = self.is_symbol('(') && self.is_word_at(1, "LIKE");
        if in_parentheses {
            self.advance();
        }
        if self.take_word("LIKE") {
            create.like = Some(self.table(TableRole::Template)?);
            if in_parentheses {
                self.expect_symbol(')')?;
            }
            self.expect_end()?;
            return Ok(StatementKind::CreateTable(Box::new(create)));
        }
        if self.is_symbol('(') && !self.is_query() {
            self.advance();
            self.table_items(&mut create)?;
        }
        let sequence = self.table_tail(&mut create)?;
        self.expect_end()?;
        if sequence {
            let sequences = vec![create.table];
            return Ok(StatementKind::Sequence { verb: SequenceVerb::Create, sequences, if_exists: false });
        }
        Ok(StatementKind::CreateTable(Box::new(create)))
    }

    /// Columns, indexes and constraints up to the closing parenthesis.
    fn table_items(&mut self, create: &mut CreateTable) -> Result<()> {
        loop {
            match self.constraint()? {
                Some(Constraint::Index { index, .. }) => create.indexes.push(index),
                Some(Constraint::ForeignKey { key, .. }) => create.foreign_keys.push(key),
                Some(Constraint::Check(check)) => create.checks.push(check),
                Some(Constraint::Period(period)) => create.periods.push(period),
                None => {
                    let column = self.column_def()?;
                    create.versioned |= column.versioning == Some(true);
                    create.columns.push(column);
                }
            }
            if !self.take_symbol(',') {
                break;
            }
        }
        if self.take_symbol(')') { Ok(()) } else { Err(self.unexpected("`,` or `)`")) }
    }

    /// Options, partitions, and whatever says that rows come with the statement. True for MariaDB's `SEQUENCE=1`.
    fn table_tail(&mut self, create: &mut CreateTable) -> Result<bool> {
        let names = self.charset_names.len();
        let columns_end = self.last_end();
        let mut sequence = false;
        loop {
            self.take_symbol(',');
            sequence |= self.is_word("SEQUENCE") && self.context.server.is_mariadb();
            if self.take_words(&["WITH", "SYSTEM", "VERSIONING"]) {
                create.versioned = true;
            } else if !self.table_option(&mut create.options)? {
                break;
            }
        }
        // Behind the columns when nothing is written; else behind the last of the two, which may depend on each other.
        let written = self.charset_names.get(names..).unwrap_or(&[]);
        let at = written.iter().map(|name| name.clause.end).max().unwrap_or(columns_end);
        self.charset_place(names, CharsetLevel::Table, false, at);
        if self.is_words(&["PARTITION", "BY"]) {
            create.partition = Some(Box::new(self.partition_by()?));
        }
        if self.is_query() {
            // In the ROW format the binlog has the table with its columns, and then rows.
            return Err(self.refused("CREATE TABLE ... SELECT (the session was not in the ROW binlog format)"));
        }
        if create.columns.is_empty() {
            return Err(self.unexpected("column definitions"));
        }
        Ok(sequence)
    }

    /// Whether a query begins here: what fills a new table.
    pub(super) fn is_query(&self) -> bool {
        let parenthesised = (0..).take_while(|ahead| self.is_symbol_at(*ahead, '(')).count();
        let words: &[&str] = if parenthesised > 0 {
            &["SELECT", "WITH", "VALUES", "TABLE"]
        } else {
            &["SELECT", "AS", "IGNORE", "REPLACE", "WITH", "TABLE", "VALUES"]
        };
        self.is_one_of(parenthesised, words)
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
        partition: None,
        versioned: false,
        periods: Vec::new(),
    }
}
